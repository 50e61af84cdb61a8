"""Where and when is judged: which log checkpoint, who cosigned it, what time it is (SPEC §12.1).

All of it is an argument, so that the same bytes give the same verdict for ever. What a policy needs and the moment does not
offer is *missing*: then nothing is decided, and what is missing is named.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import RefusedInput, Undecided
from ledger.identity.vkey import Vkey
from ledger.origin.policy import Policy
from ledger.origin.reasons import duration
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Ancestries, Existed
from ledger.proofs.quorum import Cosigned, check_clock, existed_by, open_cosigned
from ledger.proofs.tlog_policy import NO_POLICY


@dataclass(frozen=True, slots=True)
class Moment:
    """`at_ms`: the time at which is judged; `log`: the log's first vkey; `checkpoint`, whose `state` tells `clock_ms`.

    `cosigned`: what the trust file's witnesses say of it, by `cosigned_under`; None where nobody was asked. `older`: what
    the same quorum said of checkpoints that are proved to be its beginnings (`existed_before`). `clocks`: the log's own
    word for how old its entries are (`Ancestries.clocks`), heard only where the trust file asks for no quorum.
    """

    at_ms: int
    log: Vkey
    checkpoint: Checkpoint
    clock_ms: int
    cosigned: Cosigned | None = None
    older: tuple[Existed, ...] = ()
    clocks: tuple[Existed, ...] = ()


def cosigned_under(trust: Trust, log: Vkey, note: bytes | str, at_ms: int) -> Cosigned:
    """A log checkpoint, and what the witnesses and auditors of a trust file say of it. Raises as `open_cosigned` does."""
    return open_cosigned(note, log, trust.tlog_policy or NO_POLICY, at_ms, trust.auditors)


def moment_of(
    trust: Trust, log: Vkey, note: bytes | str, traced: Ancestries, at_ms: int, older: Iterable[Existed] = ()
) -> Moment:
    """The moment of what was traced, under its log checkpoint `note` with whatever cosignatures stand beneath it.

    Raises as `cosigned_under` does; what does not go together is refused where it is built upon (`Footing`).
    """
    cosigned = cosigned_under(trust, log, note, at_ms)
    return Moment(at_ms, log, traced.checkpoint, traced.clock_ms, cosigned, tuple(older), traced.clocks)


@dataclass(frozen=True, slots=True)
class Missing:
    """What a policy needs and is not at hand: a code of SPEC §12.3, what it is, and how to get it."""

    code: str
    what: str
    fix: str


class Footing:
    """What may be built upon at a moment, under a trust file. Raises as the constructor says, else decides nothing."""

    def __init__(self, trust: Trust, moment: Moment) -> None:
        """Raises RefusedInput `checkpoint-differs`; ProofInvalid `state-wrong` if the log's clock is ahead of its witnesses."""
        cosigned = moment.cosigned if trust.has_quorum else None
        if moment.cosigned is not None:
            if moment.cosigned.checkpoint != moment.checkpoint:
                raise RefusedInput(
                    "checkpoint-differs",
                    "cosignatures",
                    "they are of another log checkpoint than the one that is judged by",
                    "Give those of one checkpoint.",
                )
            check_clock(moment.cosigned, moment.clock_ms)
        self.trust = trust
        self.at_ms = moment.at_ms
        self.is_self = trust.is_self
        self.is_by_own_clock = not trust.has_quorum
        self.is_cosigned = cosigned is not None and cosigned.is_met
        self.is_audited = moment.cosigned is not None and bool(moment.cosigned.auditors)
        self.unverified = cosigned.unverified if cosigned is not None else ()
        self.is_known_log = trust.knows_log(moment.log)
        self.fresh_ms = self._fresh_ms(moment, cosigned)
        self._ages = _Ages(self._existed(moment, cosigned))

    def age_ms(self, log_index: int | None) -> int | None:
        """For how long an entry has existed at least; None if nothing that counts says so."""
        by_ms = None if log_index is None else self._ages.existed_by_ms(log_index)
        return None if by_ms is None else self.at_ms - by_ms

    def _fresh_ms(self, moment: Moment, cosigned: Cosigned | None) -> int | None:
        if not self.trust.has_quorum:
            return moment.clock_ms
        if cosigned is None or cosigned.fresh_as_of_s is None:
            return None
        return cosigned.fresh_as_of_s * 1_000

    def _existed(self, moment: Moment, cosigned: Cosigned | None) -> list[Existed]:
        if not self.trust.has_quorum:
            return [*moment.clocks, Existed(moment.checkpoint.size, moment.clock_ms)]
        head = existed_by(cosigned) if cosigned is not None else None
        return [*moment.older, *([head] if head is not None else [])]


class _Ages:
    """By log index the least time by which something existed."""

    def __init__(self, existed: Iterable[Existed]) -> None:
        found: list[tuple[int, int]] = []
        for size, by_ms in sorted({(each.size, each.by_ms) for each in existed}, reverse=True):
            found.append((size, min(by_ms, found[-1][1]) if found else by_ms))
        found.reverse()
        self._sizes = [size for size, _ in found]
        self._times_ms = [by_ms for _, by_ms in found]

    def existed_by_ms(self, log_index: int) -> int | None:
        place = bisect_left(self._sizes, log_index + 1)
        return self._times_ms[place] if place < len(self._sizes) else None


def missing(policy: Policy, footing: Footing) -> tuple[Missing, ...]:
    """What the policy needs for any verdict and the moment does not offer; empty if it can decide, or decides nothing."""
    if not policy.decides:
        return ()
    found = []
    trust = footing.trust
    if not footing.is_known_log:
        what = "the log is none that the trust file's tlog_policy lists"
        found.append(Missing("log-not-trusted", what, "Add its vkey to tlog_policy, if you trust it."))
    if policy.needs_quorum and not trust.has_quorum:
        what = (
            "the trust file asks for no witness"
            if trust.tlog_policy
            else "there is no trust file with a tlog_policy"
        )
        fix = "Name witnesses and a quorum in tlog_policy of a trust file (--trust), or take a policy that needs none."
        found.append(Missing("quorum-missing", what, fix))
    if trust.has_quorum and not footing.is_cosigned:
        what = "the quorum of the trust file has not cosigned this log checkpoint"
        if footing.unverified:
            what += f" as far as can be verified here: no library at hand verifies ML-DSA-44, by {', '.join(footing.unverified)}"
        found.append(
            Missing(
                "quorum-unmet",
                what,
                "Have it cosigned: lineage log checkpoint --witness --trust T; or give the cosigned log checkpoint.",
            )
        )
    age_max_ms = trust.max_checkpoint_age_ms
    if age_max_ms is not None and (footing.fresh_ms is None or footing.at_ms - footing.fresh_ms > age_max_ms):
        old = (
            "of unknown age"
            if footing.fresh_ms is None
            else f"{duration(footing.at_ms - footing.fresh_ms)} old"
        )
        what = f"the log checkpoint is {old}, and the trust file allows {duration(age_max_ms)}"
        found.append(Missing("checkpoint-too-old", what, "Fetch a newer one: `lineage log checkpoint`."))
    if policy.needs_auditor and not footing.is_audited:
        what = "no auditor of the trust file cosigned it: what later entries say is the operator's word"
        found.append(Missing("auditor-missing", what, "Have it cosigned by one of `auditors`."))
    return tuple(found)


def check_decidable(policy: Policy, footing: Footing) -> None:
    """Raises Undecided `undecided`, naming all that is missing."""
    lacks = missing(policy, footing)
    if lacks:
        reason = "it can decide nothing: " + "; ".join(each.what for each in lacks)
        raise Undecided("undecided", f"policy {policy.name!r}", reason, " ".join(each.fix for each in lacks))

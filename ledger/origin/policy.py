"""The policy: what may enter a training set (SPEC §12.2 has it key by key).

Every key has a safe default: a file that says only `version = 1` admits nothing. Unknown keys, wrong types and values that
contradict each other are refused. A policy knows no identity: whose word counts is the trust file's matter, so that one
policy serves many who trust differently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.licenses import is_simple
from ledger.origin.reasons import Code
from ledger.origin.settings import Table, read_settings
from ledger.statements import words

NAMED: Final = "named"  # grade of whom the trust file names itself
UNGRADED: Final = "ungraded"  # of who is accepted without anybody's word: `makers = "all"`, or self-trusted
GRADES: Final = words.GRADES | {NAMED, UNGRADED}
UNTIL_VOUCHED: Final = "until-vouched"

_VERDICTS: Final = {
    "admit": Verdict.ADMITTED,
    "quarantine": Verdict.QUARANTINED,
    "reject": Verdict.REJECTED,
}
_LEVELS: Final = {level.code: level for level in Level}
_ATTESTATIONS_MAX: Final = 1_000
_QUARANTINE_MAX_S: Final = 100 * 366 * 86_400
_ROWS_MAX: Final = spec.INTEGER_MAX


class Unstated(StrEnum):
    """What a share counts as that a maker might have stated and did not."""

    HUMAN = "human"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Need:
    """What is asked of an artifact of some kind: a least level, or that it be logged and vouched for."""

    level: Level
    vouched: bool = False


Needs = Mapping[str, Need]  # by kind; a kind that is not there may not enter


@dataclass(frozen=True, slots=True)
class Rights:
    """Licences in lower case, None: each; what becomes of a row of another, or that states none; and by `train`."""

    licenses: frozenset[str] | None = None
    license_other: Verdict = Verdict.REJECTED
    license_unstated: Verdict = Verdict.ADMITTED
    train: Mapping[str | None, Verdict] = field(
        default_factory=lambda: {
            "allowed": Verdict.ADMITTED,
            "constrained": Verdict.QUARANTINED,
            "denied": Verdict.REJECTED,
            None: Verdict.ADMITTED,
        }
    )


@dataclass(frozen=True, slots=True)
class Sources:
    """Categories and URIs that are allowed, None: each; URIs that never are. A URI ending in `/` or `:` is a beginning."""

    categories: frozenset[str] | None = None
    uris: frozenset[str] | None = None
    uris_denied: frozenset[str] = frozenset()
    other: Verdict = Verdict.REJECTED
    unstated: Verdict = Verdict.ADMITTED


@dataclass(frozen=True, slots=True)
class FailIf:
    """When the gate exits with 1: more rejected or quarantined, or fewer admitted rows than this; None: whatever they are."""

    rows_over: Mapping[Verdict, int] = field(default_factory=dict)
    ppm_over: Mapping[Verdict, int] = field(default_factory=dict)
    admitted_rows_under: int | None = None
    admitted_ppm_under: int | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a policy file says; `digest` is SHA-256 of its bytes. Made by `parse_policy`."""

    digest: bytes
    name: str = "unnamed"
    decides: bool = True
    needs_quorum: bool = False
    needs_auditor: bool = False
    conditional: Verdict = Verdict.QUARANTINED
    rows: Needs = field(default_factory=dict)
    reported: Needs = field(default_factory=dict)
    ancestors: Needs = field(default_factory=dict)
    ancestors_accepted: bool = True
    maker_grades: frozenset[str] = GRADES
    quarantine_ms: int = 0
    attestations: int = 0
    vouching: int = 1
    claims: frozenset[str] = words.CLAIMS
    attestor_grades: frozenset[str] = GRADES
    independent: bool = True
    human_least_ppm: int = 500_000
    unstated: Mapping[str, Unstated] = field(
        default_factory=lambda: {"human": Unstated.HUMAN, "pair": Unstated.UNKNOWN}
    )
    derived_by_anyone: bool = False
    rights: Rights = field(default_factory=Rights)
    sources: Sources = field(default_factory=Sources)
    fail_if: FailIf = field(default_factory=FailIf)

    def failures(self, rows: Mapping[Verdict, int], reasons: Mapping[str, int]) -> tuple[str, ...]:
        """Which `[fail_if]` thresholds are met by so many rows a verdict and a reason code; in words, in a fixed order."""
        total = sum(rows.values())
        limits, found = self.fail_if, []
        for verdict in (Verdict.REJECTED, Verdict.QUARANTINED):
            count = rows.get(verdict, 0)
            if verdict in limits.rows_over and count > limits.rows_over[verdict]:
                found.append(f"{count:,} rows are {verdict.label}, over {limits.rows_over[verdict]:,}")
            if verdict in limits.ppm_over and count * spec.PPM > limits.ppm_over[verdict] * total:
                found.append(
                    f"{count:,} of {total:,} rows are {verdict.label}, over {limits.ppm_over[verdict]:,} ppm"
                )
        count = rows.get(Verdict.ADMITTED, 0)
        if limits.admitted_rows_under is not None and count < limits.admitted_rows_under:
            found.append(f"{count:,} rows are admitted, under {limits.admitted_rows_under:,}")
        if limits.admitted_ppm_under is not None and count * spec.PPM < limits.admitted_ppm_under * total:
            found.append(f"{count:,} of {total:,} rows are admitted, under {limits.admitted_ppm_under:,} ppm")
        found += [
            f"{reasons[code]:,} rows are {code}, over {limit:,}"
            for code, limit in sorted(limits.reasons.items())
            if reasons.get(code, 0) > limit
        ]
        return tuple(found)


def parse_policy(data: bytes) -> Policy:
    """Reads a policy file. Raises RefusedInput `policy-invalid` with key, reason and fix."""
    table = read_settings(data, _refused)
    if table.integer("version", 1, 1) is None:
        raise table.refused("version", "it is missing", "Write `version = 1`.")
    name = table.text("name")
    if name is not None and len(name) > spec.VERDICT_NAME_CHARS_MAX:
        raise table.refused(
            "name",
            f"it has over {spec.VERDICT_NAME_CHARS_MAX:,} characters",
            "Shorten it: it is for reports.",
        )
    decides = table.flag("decide", default=True)
    checkpoint, verdicts = table.table("checkpoint"), table.table("verdicts")
    ancestors, makers = table.table("ancestors"), table.table("makers")
    attestations, derived = table.table("attestations"), table.table("derived")
    age, shares = table.table("age"), table.table("shares")
    policy = Policy(
        hashlib.sha256(data).digest(),
        "unnamed" if name is None else name,
        decides,
        needs_quorum=checkpoint.flag("quorum", default=False),
        needs_auditor=checkpoint.flag("auditor", default=False),
        conditional=_verdict(verdicts, "conditional", "quarantine"),
        rows=_needs(table.table("rows")),
        reported=_needs(table.table("reported"), reported=True),
        ancestors=_needs(ancestors.table("kinds")),
        ancestors_accepted=ancestors.one_of("makers", ("accepted", "any"), "accepted") == "accepted",
        maker_grades=makers.words("grades", GRADES) or GRADES,
        quarantine_ms=1_000 * (age.integer("quarantine_s", 0, _QUARANTINE_MAX_S) or 0),
        attestations=attestations.integer("least", 0, _ATTESTATIONS_MAX) or 0,
        vouching=_one_if_none(attestations.integer("vouching", 1, _ATTESTATIONS_MAX)),
        claims=attestations.words("claims", words.CLAIMS) or words.CLAIMS,
        attestor_grades=attestations.words("grades", GRADES) or GRADES,
        independent=attestations.flag("independent", default=True),
        human_least_ppm=_half_if_none(shares.integer("human_least_ppm", 0, spec.PPM)),
        unstated={
            "human": Unstated(shares.one_of("unstated_human", set(Unstated), Unstated.HUMAN)),
            "pair": Unstated(shares.one_of("unstated_pair", set(Unstated), Unstated.UNKNOWN)),
        },
        derived_by_anyone=derived.one_of("by", ("owner-or-tool", "anyone"), "owner-or-tool") == "anyone",
        rights=_rights(table.table("rights")),
        sources=_sources(table.table("sources")),
        fail_if=_fail_if(table.table("fail_if")),
    )
    for each in (table, checkpoint, verdicts, ancestors, makers, attestations, derived, age, shares):
        each.done()
    _refuse_contradictions(policy, table)
    return policy


def _refuse_contradictions(policy: Policy, table: Table) -> None:
    asked = [need.level for needs in (policy.rows, policy.ancestors) for need in needs.values()]
    if policy.decides and not policy.needs_quorum and any(level >= Level.VOUCHED for level in asked):
        raise table.refused(
            "checkpoint.quorum",
            "a level of L3 or more is asked for, and none is reached without a quorum",
            "Write `quorum = true`, or ask for L2.",
        )
    limits = policy.fail_if
    if not policy.decides and (
        limits.rows_over or limits.ppm_over or limits.admitted_rows_under or limits.admitted_ppm_under
    ):
        raise table.refused(
            "fail_if",
            "nothing is decided, so no number of verdicts can fail",
            "Ask for `[fail_if.reasons]`, or `decide = true`.",
        )


def _needs(table: Table, *, reported: bool = False) -> Needs:
    """By kind what is asked of it. A reported artifact has level L1 and no more."""
    levels = ("L0", "L1") if reported else tuple(_LEVELS)
    found = {}
    for kind in sorted(words.KINDS):
        word = table.one_of(kind, (*levels, UNTIL_VOUCHED), "")
        if word:
            found[kind] = Need(_LEVELS.get(word, Level.LOGGED), vouched=word == UNTIL_VOUCHED)
            if found[kind].level is Level.REALITY_BOUND and kind != "experience":
                raise table.refused(kind, "only an experience reaches L4", "Ask for L3.")
    table.done()
    return found


def _rights(table: Table) -> Rights:
    licenses = table.texts("licenses")
    for text in sorted(licenses or ()):
        if not is_simple(text):
            raise table.refused(
                "licenses",
                f"{text!r} is no SPDX licence id, alone, with + or WITH an exception",
                "List each licence by itself: an expression of a row is allowed by its parts.",
            )
    rights = Rights(
        None if licenses is None else frozenset(text.lower() for text in licenses),
        _verdict(table, "license_other", "reject"),
        _verdict(table, "license_unstated", "admit"),
        {
            "allowed": Verdict.ADMITTED,
            "constrained": _verdict(table, "train_constrained", "quarantine"),
            "denied": _verdict(table, "train_denied", "reject"),
            None: _verdict(table, "train_unstated", "admit"),
        },
    )
    table.done()
    if licenses is None and "license_other" in table:
        raise table.refused("license_other", "no list says which licences are others", "Write `licenses`.")
    return rights


def _sources(table: Table) -> Sources:
    uris, denied = table.texts("uris"), table.texts("uris_denied")
    for key, each in (("uris", uris), ("uris_denied", denied)):
        for text in sorted(each or ()):
            if not words.URI.match(text) and not words.URI.match(text + "x"):
                raise table.refused(
                    key, f"{text!r} is no URI, nor the beginning of one", "End a beginning in / or :."
                )
    sources = Sources(
        table.words("categories", words.CATEGORIES),
        uris,
        denied or frozenset(),
        _verdict(table, "other", "reject"),
        _verdict(table, "unstated", "admit"),
    )
    table.done()
    both = (uris or frozenset()) & sources.uris_denied
    if both:
        raise table.refused(
            "uris_denied", f"{min(both)!r} is allowed too", "Leave it out of one of the lists."
        )
    return sources


def _fail_if(table: Table) -> FailIf:
    over: dict[str, dict[Verdict, int]] = {"rows": {}, "ppm": {}}
    for verdict in (Verdict.REJECTED, Verdict.QUARANTINED):
        for unit, greatest in (("rows", _ROWS_MAX), ("ppm", spec.PPM)):
            limit = table.integer(f"{verdict.label}_{unit}_over", 0, greatest)
            if limit is not None:
                over[unit][verdict] = limit
    least_rows = table.integer("admitted_rows_under", 1, _ROWS_MAX)
    least_ppm = table.integer("admitted_ppm_under", 1, spec.PPM)
    reasons = table.table("reasons")
    by_code = {}
    for code in Code:
        limit = None if code is Code.CLEAR else reasons.integer(code, 0, _ROWS_MAX)
        if limit is not None:
            by_code[str(code)] = limit
    reasons.done()
    table.done()
    return FailIf(over["rows"], over["ppm"], least_rows, least_ppm, by_code)


def _verdict(table: Table, key: str, default: str) -> Verdict:
    return _VERDICTS[table.one_of(key, tuple(_VERDICTS), default)]


def _one_if_none(count: int | None) -> int:
    return 1 if count is None else count


def _half_if_none(share_ppm: int | None) -> int:
    return spec.PPM // 2 if share_ppm is None else share_ppm


def _refused(item: str, reason: str, fix: str) -> RefusedInput:
    return RefusedInput("policy-invalid", f"policy: {item}", reason, fix)

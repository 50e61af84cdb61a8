"""Rival claims on one digest (SPEC §12.3): anybody may sign anybody's public text, so first come is not first believed.

Every claim is weighed; those of makers whom the trust file accepts count, and the verdict is the meet over them. So
whoever is accepted can keep a text out by claiming it otherwise, and who is not accepted can neither bring it in nor keep
it out. A claim of which cannot be told whose it is counts too, and is unknown. A claim that its maker disowned is nobody's:
else who stole a key could keep out whatever he signed with it for ever. It counts only while a curator holds it back, so that
nobody disowns his way out of a hold.

A record that supersedes an older one of its maker is told instead of it, but never makes the verdict better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.reasons import ORDER, Code
from ledger.proofs.facts import Node, Presence
from ledger.statements.record import Record
from ledger.statements.superseding import why_without_effect

if TYPE_CHECKING:
    from ledger.origin.judge import Judged

Claim = tuple[bytes, int | None]  # an artifact id, and the row index where the artifact is a `rows` record

_OPENED_ALIKE: Final = "sealed"  # its content is compared opened, which is the caller's matter


class ClaimJudged(NamedTuple):
    """One claim: what its artifact comes to, its node if there is one, whether its maker is accepted or cannot be told.

    `is_held_back`: a curator who counts in full holds or retracted it.
    """

    id: bytes
    row: int | None
    judged: Judged
    node: Node | None
    is_accepted: bool
    is_held_back: bool

    @property
    def counts(self) -> bool:
        """Whether it is weighed."""
        is_disowned = self.node is not None and self.node.presence is Presence.DISOWNED
        return self.is_accepted and (self.is_held_back or not is_disowned)

    @property
    def answerable(self) -> bytes | None:
        """Who answers for it; None if that is not known."""
        if self.node is None:
            return None
        return self.node.anchor if self.node.anchor is not None else self.node.maker


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """The verdict on a row: by which artifact, its level and status, and why.

    `rivals`: artifact ids of the claims of others on the same content, ascending, whether they count or not.
    """

    verdict: Verdict
    code: Code
    artifact_id: bytes | None
    level: Level
    status: Standing
    why: str
    rivals: tuple[bytes, ...] = ()


def unlogged(*, is_deciding: bool) -> RowVerdict:
    """The verdict on a digest that nobody claims."""
    verdict = Verdict.REJECTED if is_deciding else Verdict.UNDECIDED
    why = f"{verdict.label}: no artifact of the log is about it"
    return RowVerdict(verdict, Code.UNLOGGED, None, Level.UNLOGGED, Standing.UNKNOWN, why)


def weigh_claims(claims: Sequence[ClaimJudged], *, is_deciding: bool) -> RowVerdict:
    """The meet over the claims that count; if none does, the one of which most is known says why."""
    if not claims:
        return unlogged(is_deciding=is_deciding)
    counting = [claim for claim in claims if claim.counts]
    told = _told(counting) if counting else min(claims, key=_most_known)
    judged = told.judged
    rivals = tuple(sorted({claim.id for claim in claims if claim.answerable != told.answerable} - {told.id}))
    why = judged.why
    if rivals:
        why += f"; {len(rivals):,} rival claim{'' if len(rivals) == 1 else 's'} on it"
    return RowVerdict(judged.verdict, judged.code, told.id, judged.level, judged.status, why, rivals)


def replaces(newer: Node, older: Node) -> bool:
    """Whether a record supersedes another of its maker over one content, with effect (SPEC §4.3)."""
    if newer.record is None or older.record is None or newer.maker is None or newer.maker != older.maker:
        return False
    if not any(
        parent.rel == "supersedes" and parent.id == older.id and parent.log is None
        for parent in newer.parents
    ):
        return False
    return (
        _is_one_content(newer.record, older.record) and why_without_effect(newer.record, older.record) is None
    )


def _told(counting: Sequence[ClaimJudged]) -> ClaimJudged:
    """The claim that decides: the worst; of equal ones the nearest reason, then the most that is known."""
    by_id = {claim.id: claim for claim in counting}
    replaced = set()
    for newer in counting:
        for parent in newer.node.parents if newer.node is not None else ():
            older = by_id.get(parent.id)
            if older is not None and _takes_its_place(newer, older):
                replaced.add(older.id)
    return min([claim for claim in counting if claim.id not in replaced] or counting, key=_worst)


def _takes_its_place(newer: ClaimJudged, older: ClaimJudged) -> bool:
    """Whether one is told instead of the other, and the verdict is no better by it."""
    if newer.node is None or older.node is None or newer.judged.verdict > older.judged.verdict:
        return False
    return replaces(newer.node, older.node)


def _worst(claim: ClaimJudged) -> tuple[int, int, int, int, int, bytes, int]:
    judged = claim.judged
    row = -1 if claim.row is None else claim.row
    log_index = claim.node.log_index if claim.node is not None and claim.node.log_index is not None else -1
    return (judged.verdict, judged.distance, ORDER[judged.code], -judged.level, log_index, claim.id, row)


def _most_known(claim: ClaimJudged) -> tuple[int, int, bytes, int]:
    row = -1 if claim.row is None else claim.row
    return (-claim.judged.level, ORDER[claim.judged.code], claim.id, row)


def _is_one_content(newer: Record, older: Record) -> bool:
    if _OPENED_ALIKE in (newer.form, older.form):
        return True
    return (newer.form, newer.content) == (older.form, older.content)

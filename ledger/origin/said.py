"""What is said of an artifact, as the verifier weighs it: its own standing, with reasons (SPEC §12.3).

The log's facts say who said what; the trust file says who counts. A curator whom it does not name but the log lists is
heard as one who disputes. What is said of one row counts for that row, and for whoever names that row as a parent; of the
artifact as a whole it leaves a doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from ledger.origin.acceptance import Acceptance
from ledger.origin.lattice import CAPPED, PROPAGATING, Standing
from ledger.origin.reasons import Code, Finding, short
from ledger.proofs.facts import Attestation, Node, Notice, Presence
from ledger.statements import words


class Weighed(NamedTuple):
    """A finding, what it makes of the artifact, and what it makes of what the artifact hands on."""

    standing: Standing
    passed: Standing
    finding: Finding


class Said(NamedTuple):
    """What stands of an artifact: of all of it, of its single rows, and what the latter come to for the whole."""

    whole: tuple[Weighed, ...]
    rows: Mapping[int, tuple[Weighed, ...]]
    doubts: tuple[Weighed, ...]

    def of(self, row: int | None) -> tuple[Weighed, ...]:
        """What counts for a row, or for the artifact as a whole."""
        if row is None:
            return self.whole + self.doubts
        return self.whole + self.rows.get(row, ())

    def is_disputed(self, row: int | None) -> bool:
        """Whether a dispute or refutation stands."""
        return any(each.finding.code in _DISPUTES for each in self.of(row))

    def is_held_back(self, row: int | None) -> bool:
        """Whether a curator who counts in full holds or retracted it."""
        return any(each.finding.code in _HELD_BACK for each in self.of(row))


_HELD_BACK = frozenset({Code.HELD, Code.RETRACTED_BY_CURATOR})
_DISPUTES = frozenset({Code.DISPUTED, Code.REFUTED, Code.ROW_NOTICED})


def weigh(node: Node, acceptance: Acceptance, find: Callable[[bytes], Node | None]) -> Said:
    """All findings on a node. `find` gives the node of a parent, None if it is not at hand."""
    whole = [*_proved(node, find)]
    rows: dict[int, list[Weighed]] = {}
    for notice in node.notices:
        weighed = _notice(node, notice, acceptance)
        (whole if notice.row is None else rows.setdefault(notice.row, [])).append(weighed)
    for attestation in node.attestations:
        if acceptance.refutes(attestation):
            weighed = _refuted(node, attestation)
            (whole if attestation.row is None else rows.setdefault(attestation.row, [])).append(weighed)
    doubts: tuple[Weighed, ...] = ()
    if rows:
        says = f"has notices or refutations on {len(rows):,} of its rows, row {min(rows):,} the first"
        doubts = (_both(Standing.CONDITIONAL, Code.ROW_NOTICED, node.id, says),)
    return Said(tuple(whole), {row: tuple(found) for row, found in rows.items()}, doubts)


def not_at_hand(artifact_id: bytes) -> Said:
    """What is to be said of an artifact of which nothing was proved."""
    return Said(
        (_both(Standing.UNKNOWN, Code.UNPROVED, artifact_id, "is not among what was proved"),), {}, ()
    )


def no_such_row(artifact_id: bytes) -> Weighed:
    """What is to be said of a row that an artifact does not have."""
    return _both(Standing.UNKNOWN, Code.UNPROVED, artifact_id, "has no such row")


def foreign(artifact_id: bytes, log_id: bytes) -> Said:
    """The same of another log's artifact."""
    says = f"stands in another log, {short(log_id)}, of which nothing was proved"
    return Said((_both(Standing.UNKNOWN, Code.FOREIGN, artifact_id, says),), {}, ())


def _proved(node: Node, find: Callable[[bytes], Node | None]) -> Iterator[Weighed]:
    """What of it can be proved at all, and by a key in whose holder nobody need doubt."""
    unknown = Standing.UNKNOWN
    if node.presence is Presence.ABSENT:
        yield _both(unknown, Code.UNLOGGED, node.id, "is not in the log")
    elif node.presence is Presence.UNPROVED:
        yield from not_at_hand(node.id).whole
    elif node.presence is Presence.FAULTY:
        why = node.fault.code if node.fault is not None else "no place without fault"
        yield _both(unknown, Code.FAULTY, node.id, f"breaks a rule of the log ({why})")
    elif node.presence is Presence.ERASED:
        if is_withheld(node):
            yield _both(
                unknown, Code.WITHHELD, node.id, "has no record at hand, and nobody asked to erase it"
            )
        else:
            yield _both(unknown, Code.ERASED, node.id, "is erased: what it said is not known any more")
    elif node.presence is Presence.DISOWNED:
        yield _both(unknown, Code.DISOWNED, node.id, _disowned_words(node))
    for parent in node.parents:
        if parent.log is not None:
            continue
        found = find(parent.id)
        if found is not None and found.presence is Presence.UNPROVED:
            found = None
        # One that is not at hand is told where it stands, unless nothing is handed on from there.
        if (found is None and parent.rel not in PROPAGATING) or (found is not None and is_withheld(found)):
            says = f"names {short(parent.id)} by {parent.rel}, and what that says is kept back"
            yield _both(unknown, Code.WITHHELD, node.id, says)
    if node.contested is not None:
        says = (
            f"is signed by a key that signed two things at one place (evidence at entry {node.contested:,})"
        )
        yield _both(Standing.QUARANTINED, Code.CONTESTED, node.id, says)
    if any(parent.rel == CAPPED for parent in node.parents):
        says = "is trained on other artifacts, and what it learned of them cannot be shown"
        yield _both(Standing.CONDITIONAL, Code.TRAINED_ON, node.id, says)


def is_withheld(node: Node) -> bool:
    """Whether the log does not hold a record that nobody asked to erase."""
    return node.presence is Presence.ERASED and node.fault is not None


def _notice(node: Node, notice: Notice, acceptance: Acceptance) -> Weighed:
    """A maker's own retraction retracts; a curator's word counts in full if he is trusted; any other is a dispute."""
    answerable = node.anchor if node.anchor is not None else node.maker
    is_own = notice.by == answerable and notice.act in words.ACTS_OF_THE_MAKER
    since = f"since entry {notice.log_index:,} by"
    about = f" ({notice.reason})" if notice.reason else ""
    done = {"retract": "retracted", "erase": "to be erased"}.get(notice.act, "")
    code, standing, passed = Code.DISPUTED, Standing.CONDITIONAL, Standing.CONDITIONAL
    says = f"is disputed {since} {short(notice.by)}{about}"
    if is_own and not acceptance.names_curator(notice.by):
        code, standing = Code.RETRACTED_BY_MAKER, Standing.RETRACTED
        says = f"is {done} {since} its own maker {short(notice.by)}{about}"
    elif acceptance.is_curator(notice.by) and done:
        code, standing, passed = Code.RETRACTED_BY_CURATOR, Standing.RETRACTED, Standing.RETRACTED
        says = f"is {done} {since} curator {short(notice.by)}{about}"
    elif acceptance.is_curator(notice.by) and notice.act == "hold":
        code, standing, passed = Code.HELD, Standing.QUARANTINED, Standing.QUARANTINED
        says = f"is held {since} curator {short(notice.by)}{about}"
    return Weighed(standing, passed, Finding(code, node.id, notice.row, says))


def _refuted(node: Node, attestation: Attestation) -> Weighed:
    says = f"has its {attestation.claim} refuted since entry {attestation.log_index:,} by {short(attestation.by)}"
    standing = Standing.CONDITIONAL
    return Weighed(standing, standing, Finding(Code.REFUTED, node.id, attestation.row, says))


def _disowned_words(node: Node) -> str:
    disowning = node.disowned
    if disowning is None:
        return "is disowned by its maker"
    owner = "the anchor of the pair that made it" if disowning.suspect else "its maker"
    return f"is disowned by {owner} since entry {disowning.log_index:,}, and nobody accepted vouches for its authorship"


def _both(standing: Standing, code: Code, artifact_id: bytes, says: str) -> Weighed:
    return Weighed(standing, standing, Finding(code, artifact_id, None, says))

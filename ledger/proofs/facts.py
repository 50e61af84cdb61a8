"""What a trace says of an artifact: its places, what was said about it, and its own status (SPEC §7.4, §7.6, §12).

Facts, not judgements: who disowned it and how late, who vouches, who holds it back. What that is worth, and whose word
counts, is the verifier's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from ledger.fold.faults import Fault
from ledger.proofs.checkpoint import Checkpoint
from ledger.statements import words
from ledger.statements.record import Parent, Record

DESCENT: Final = frozenset({"derived-from", "generated-by", "trained-on", "distilled-from", "quotes"})


class Presence(StrEnum):
    """What of an artifact is in the log."""

    STANDS = "stands"  # a record without fault, under an entry in order; not disowned, or rescued
    DISOWNED = "disowned"  # a record without fault, but each place of it is disowned, and nobody rescued one
    FAULTY = "faulty"  # in no place without fault
    ERASED = "erased"  # its hash stands, its record is not at hand
    ABSENT = "absent"  # no such artifact
    UNPROVED = "unproved"  # nothing is told of it by what is at hand


class Status(StrEnum):
    """What later entries say of an artifact itself (SPEC §12)."""

    RELEASED = "released"
    CONDITIONAL = "conditional"
    QUARANTINED = "quarantined"
    RETRACTED = "retracted"
    DISOWNED = "disowned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Disowning:
    """That a key was cut behind a statement which it signed (SPEC §7.4).

    `event`: the id of the key event that says so, at `log_index`; `late_entries`: how far behind the statement, 0 where a
    `recover` stood before it and came in force behind; `late_ms`: by the log's clock, to where it took effect. `suspect`: it was the pair's delegation
    that was disowned. `rescued_by`: identities that the verifier accepts and that attest the authorship, ascending.
    """

    event: bytes
    log_index: int
    late_entries: int
    late_ms: int
    suspect: bool
    rescued_by: tuple[bytes, ...] = ()


@dataclass(slots=True, unsafe_hash=True)  # not frozen, as `Node` below
class Place:
    """Where a record stands, by verified paths, and why that may not count."""

    log_index: int
    record_index: int
    fault: Fault | None = None
    disowned: Disowning | None = None

    @property
    def stands(self) -> bool:
        """Whether the artifact stands by this place: it is without fault and not disowned."""
        return self.fault is None and self.disowned is None

    @property
    def is_rescued(self) -> bool:
        """Whether it was disowned, and somebody whom the verifier accepts attests the authorship."""
        return self.fault is None and self.disowned is not None and bool(self.disowned.rescued_by)


def place_shown(places: tuple[Place, ...]) -> Place:
    """By which of its places, in log order, an artifact is shown: the first that stands, else the first without fault.

    Whoever rescues one of them rescues all, so this is the place of SPEC §9.1. If all are at fault: the first.
    """
    for place in places:
        if place.stands:
            return place
    for place in places:
        if place.fault is None:
            return place
    return places[0]


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that counts, statement `id`, on the whole artifact or on one `row` of it (SPEC §7.6)."""

    id: bytes
    log_index: int
    by: bytes
    act: str
    reason: str | None
    row: int | None


@dataclass(frozen=True, slots=True)
class Grade:
    """An issuer's endorsement of `subject` that counts; `until` in ms; `listed`: he is a registrar by the rules in force."""

    subject: bytes
    issuer: bytes
    grade: str
    method: str
    until: int | None
    log_index: int
    listed: bool


@dataclass(frozen=True, slots=True)
class Attestation:
    """An issuer's latest attestation of one claim that counts, on the whole artifact or on one `row` of it.

    `anchor`: the human who answers for him, None if there is none. `contested`: evidence of a fork stands under the key
    event that signed it. `endorsements` of him that count, by those whom somebody asked about.
    """

    id: bytes
    log_index: int
    by: bytes
    claim: str
    result: str
    row: int | None
    role: str = ""
    anchor: bytes | None = None
    contested: bool = False
    endorsements: tuple[Grade, ...] = ()

    @property
    def answerable(self) -> bytes:
        """Who answers for it: the anchor of a human or a pair, of others they themselves."""
        return self.by if self.anchor is None else self.anchor


@dataclass(slots=True, unsafe_hash=True)  # frozen it takes eight times as long to make; nobody changes one
class Node:
    """One artifact as the log shows it, by one of its `places` (`place_shown`).

    `maker` is an identity id, `role` its role, `anchor` the human who answers for it (the maker, or the anchor of a
    pair), None if there is none; `key` the key event that signed, `contested` the log index of the evidence of a fork
    under it while it is in force. `parents` are claims of the maker: () unless a place is without fault.
    `may_be_authored`: the own human share of its anchor is not ruled out. `notices` and `attestations` that count;
    `endorsements` of maker and anchor. `attested_by_others`, `endorsed_by_others`: how many identities say something
    that nobody asked about here; it is counted, not verified. `misses_parent`: a local parent is kept back, or not proved:
    whether the record breaks a rule is not known.
    """

    id: bytes
    presence: Presence
    status: Status = Status.UNKNOWN
    fault: Fault | None = None
    record: Record | None = None
    maker: bytes | None = None
    role: str = ""
    anchor: bytes | None = None
    log_index: int | None = None
    record_index: int | None = None
    parents: tuple[Parent, ...] = ()
    may_be_authored: bool = False
    key: bytes | None = None
    contested: int | None = None
    places: tuple[Place, ...] = ()
    notices: tuple[Notice, ...] = ()
    attestations: tuple[Attestation, ...] = ()
    attested_by_others: int = 0
    endorsements: tuple[Grade, ...] = ()
    endorsed_by_others: int = 0
    misses_parent: bool = False

    @property
    def kind(self) -> str:
        """The record's kind; "" if there is no record to read."""
        return self.record.kind if self.record is not None else ""

    @property
    def stance(self) -> str:
        """The record's stance; "" if there is no record to read."""
        return self.record.stance if self.record is not None else ""

    @property
    def since_index(self) -> int | None:
        """The log index that tells its age: of the first place that stands or is rescued (SPEC §7.4), else of the one by which it is shown."""
        for place in self.places:
            if place.stands or place.is_rescued:
                return place.log_index
        return self.log_index

    @property
    def disowned(self) -> Disowning | None:
        """The disowning of the place by which it is shown, rescued or not."""
        for place in self.places:
            if (place.log_index, place.record_index) == (self.log_index, self.record_index):
                return place.disowned
        return None


@dataclass(frozen=True, slots=True)
class Existed:
    """That the first `size` entries of a log existed by `by_ms` (unix milliseconds): by its own clock, or by a quorum's."""

    size: int
    by_ms: int


@dataclass(frozen=True, slots=True)
class Ancestry:
    """All that `root` descends from or refers to, in the log `log_id` up to `checkpoint`.

    `nodes` by artifact id, the root among them. `foreign`: (log id, artifact id) of parents in other logs, of which
    nothing is known here. `humans` and `authors` are identity ids, ascending (SPEC §12); `humans_behind` those who are
    reached only behind an artifact that its maker disowned.
    """

    root: bytes
    log_id: bytes
    checkpoint: Checkpoint
    nodes: Mapping[bytes, Node]
    foreign: frozenset[tuple[bytes, bytes]]
    humans: tuple[bytes, ...]
    authors: tuple[bytes, ...]
    humans_behind: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Ancestries:
    """The ancestries of several `roots` in one log, up to one checkpoint, whose clock is `clock_ms`; nodes are shared.

    `clocks`: where the log's clock told a time behind the artifacts that stand, ascending; empty if nobody asked. `rules` of
    admission in force (SPEC §5.4).
    """

    roots: tuple[bytes, ...]
    log_id: bytes
    checkpoint: Checkpoint
    clock_ms: int
    nodes: Mapping[bytes, Node]
    clocks: tuple[Existed, ...] = ()
    rules: Mapping[str, Any] = field(default_factory=dict)


def own_status(
    presence: Presence,
    places: tuple[Place, ...],
    notices: tuple[Notice, ...],
    *,
    is_contested: bool,
    misses_parent: bool,
) -> Status:
    """The own status of an artifact (SPEC §12): the first that applies.

    `misses_parent`: a parent's record is not at hand, though nothing allowed to erase it.
    """
    if presence is Presence.STANDS and not notices:  # most often
        if is_contested:
            return Status.QUARANTINED
        return Status.UNKNOWN if misses_parent else Status.RELEASED
    whole = {notice.act for notice in notices if notice.row is None}
    sound = [place for place in places if place.fault is None]
    if whole & words.ACTS_OF_THE_MAKER:
        return Status.RETRACTED
    if sound and not any(place.stands or place.is_rescued for place in sound):
        return Status.DISOWNED
    if "hold" in whole or is_contested:
        return Status.QUARANTINED
    if misses_parent or presence not in (Presence.STANDS, Presence.DISOWNED):
        return Status.UNKNOWN
    if "dispute" in whole or any(notice.row is not None for notice in notices):
        return Status.CONDITIONAL
    return Status.RELEASED

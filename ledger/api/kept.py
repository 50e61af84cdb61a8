"""The cosigned log checkpoints that are kept beside a ledger, read again: what the log signed, and what does not hold any more (SPEC §10.9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ledger.datasets.files import printable
from ledger.errors import ProofInvalid, StoreFault
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Checkpoint, open_signed
from ledger.proofs.cosignatures import cosigners
from ledger.proofs.note import Note, parse_note
from ledger.store.cosigned import CosignedNotes, KeptNote

_LOOK: Final = "Move it away; the witnesses can be asked again."


@dataclass(frozen=True, slots=True)
class Kept:
    """A kept note that the log signed, of the size that its name says."""

    name: str
    data: bytes
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class KeptNotes:
    """`notes`: ascending by size; their cosignatures are verified by whoever counts them. `told`: what is no such note, and why."""

    notes: tuple[Kept, ...] = ()
    told: tuple[str, ...] = ()

    def known_sizes(self, size_max: int) -> Mapping[tuple[str, bytes], int]:
        """By name and key id of each key but the log's the greatest size, `size_max` at most, that it is said to have cosigned."""
        found: dict[tuple[str, bytes], int] = {}
        for kept in self.notes:
            if kept.checkpoint.size <= size_max:
                found |= dict.fromkeys(
                    ((line.name, line.key_id) for line in kept.note.signatures), kept.checkpoint.size
                )
        return found


NOTHING_KEPT: Final = KeptNotes()


@dataclass(slots=True)
class _Reading:
    notes: list[Kept] = field(default_factory=list)
    told: list[str] = field(default_factory=list)


def kept_notes(folder: CosignedNotes, vkey: Vkey) -> KeptNotes:
    """All that is kept of the log under `vkey`. Raises nothing for what does not hold: it is told, and not believed."""
    reading = _Reading()
    try:
        found = folder.look()
    except StoreFault as error:
        return KeptNotes(told=(not_counted(error.item, error.reason),))
    for each in found:
        _take(reading, each, vkey)
    return KeptNotes(tuple(reading.notes), tuple(reading.told))


def kept_of(folder: CosignedNotes, vkey: Vkey, checkpoint: Checkpoint) -> Kept | None:
    """The note kept of this very checkpoint; None if there is none that holds."""
    try:
        data = folder.of(checkpoint.size)
    except StoreFault:
        return None
    reading = _Reading()
    if data is not None:
        _take(reading, KeptNote(checkpoint.size, folder.path(checkpoint.size), data), vkey)
    return next((kept for kept in reading.notes if kept.checkpoint == checkpoint), None)


def _take(reading: _Reading, each: KeptNote, vkey: Vkey) -> None:
    name = printable(each.path)
    if each.note is None:
        reason = each.fault.reason if each.fault is not None else "it cannot be read"
        reading.told.append(not_counted(name, reason))
        return
    try:
        note = parse_note(each.note)
        checkpoint, _signed = open_signed(note, [vkey])
    except ProofInvalid as error:
        reading.told.append(not_counted(name, error.reason))
        return
    if checkpoint.size != each.size:
        reading.told.append(
            not_counted(name, f"it is of {checkpoint.size:,} entries, and named as of {each.size:,}")
        )
        return
    if cosigners(note, vkey):
        reading.notes.append(Kept(name, each.note, note, checkpoint))


def not_counted(name: str, reason: str) -> str:
    """What is told of a kept note that does not hold."""
    return (
        f"A cosigned log checkpoint that is kept does not hold, and is not counted: {name}: {reason}. {_LOOK}"
    )

"""Which log checkpoint is judged by: cosigned notes that are given, and what was accepted here before (SPEC §12.1, §12.4).

    accept      decides whether a log may be judged by at all as it is shown, and by which note; nothing is remembered yet
    remember    once it is relied on: whatever is shown later has to hold it

A witness's cosignature need not stand in the log: it is kept beside the ledger, or comes as a file, a note of a log checkpoint
with its lines beneath it. Of the ledger's own checkpoint it joins the ledger's note. One of an older checkpoint tells since when what stands before
it has existed, if the ledger proves to hold it; the proof is verified here, as a stranger would.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from ledger import spec
from ledger.api.kept import NOTHING_KEPT, KeptNotes, not_counted
from ledger.datasets.files import load_file, printable
from ledger.errors import LineageError, ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.origin.moment import cosigned_under
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Existed
from ledger.proofs.note import format_note, join_notes, parse_note
from ledger.proofs.quorum import Cosigned, existed_by
from ledger.signer.remembered import CheckpointMemory

_QUOTED_CHARS_MAX: Final = 128


class GivenNote(NamedTuple):
    """A cosigned note that somebody gives, and what it is called in an error: its file."""

    name: str
    data: bytes


class Head(Protocol):
    """A log as it is shown: a `LogView` is one."""

    note: bytes

    def consistency_path(self, old_size: int) -> Sequence[bytes]:
        """The path from its first `old_size` entries to the checkpoint of `note`."""
        ...

    def root_at(self, size: int) -> bytes:
        """The root of its first `size` entries."""
        ...


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is judged by, for `ledger.origin.moment`.

    `note`: of the checkpoint, with the cosignatures that were given; `cosigned`: what the trust file's witnesses say of it;
    `older`: what they said of its beginnings. `before`: what was accepted last. `untold`: names of notes of older checkpoints
    that the quorum did not cosign, and which tell nothing. `may_be_remembered`: the quorum that the trust file asks for, if
    it does, is met. `told`: what is kept beside the ledger and was not counted, in words.
    """

    note: bytes
    cosigned: Cosigned
    older: tuple[Existed, ...]
    before: Checkpoint | None
    untold: tuple[str, ...]
    may_be_remembered: bool
    told: tuple[str, ...] = ()


def load_notes(paths: Iterable[str | os.PathLike[str]]) -> list[GivenNote]:
    """Cosigned notes in files. Raises RefusedInput `usage` over 64 files, and as `load_file`: `too-large` over 1 MiB."""
    named = list(paths)
    if len(named) > spec.COSIGNED_NOTES_MAX:
        raise RefusedInput(
            "usage",
            f"{len(named)} cosigned log checkpoints",
            f"over {spec.COSIGNED_NOTES_MAX} are not read at once",
            "Give the newest, and the oldest that tell an age.",
        )
    return [GivenNote(printable(path), load_file(path, max_bytes=spec.NOTE_BYTES_MAX)[1]) for path in named]


def accept(
    memory: CheckpointMemory,
    head: Head,
    trust: Trust,
    at_ms: int,
    notes: Iterable[GivenNote] = (),
    kept: KeptNotes = NOTHING_KEPT,
) -> Accepted:
    """By which note is judged, if the log that is shown holds all that was accepted, and all that is given.

    `kept`: cosigned notes that lie beside the ledger (SPEC §10.9). They count as those that are given; but what is wrong with
    one is told, unless it shows that the log signed two histories. Nothing is remembered, and no file is written but evidence. Raises, naming the note that is given: RefusedInput
    `wrong-log`, `checkpoint-behind` if it is of more entries than the ledger has; ProofInvalid `note-invalid`,
    `checkpoint-invalid`, `checkpoint-inconsistent`. Of what was accepted before as `CheckpointMemory.check`.
    """
    of_head = cosigned_under(trust, memory.vkey, head.note, at_ms).checkpoint
    given = by_checkpoint(memory.vkey, trust, at_ms, notes)
    asked = {each.name for same in given.values() for each in same}
    told = _add_kept(given, kept, of_head, (trust, memory.vkey, at_ms))
    note = joined_note([GivenNote("the ledger's log checkpoint", head.note), *given.pop(of_head, [])])
    before = memory.check(note, head.consistency_path, head.root_at)
    older: list[Existed] = []
    untold: list[str] = []
    for checkpoint, same in sorted(given.items(), key=lambda item: item[0].size):
        names = ", ".join(each.name for each in same)
        _check_not_beyond(checkpoint, of_head, names)
        earlier = joined_note(same)
        try:
            memory.check_one_history(earlier, note, head.consistency_path, head.root_at)
        except (ProofInvalid, RefusedInput) as error:
            raise named_error(error, names) from error
        existed = existed_by(cosigned_under(trust, memory.vkey, earlier, at_ms))
        if existed is not None:
            older.append(existed)
        elif trust.has_quorum:
            untold += [each.name for each in same if each.name in asked]
    cosigned = cosigned_under(trust, memory.vkey, note, at_ms)
    return Accepted(
        note,
        cosigned,
        tuple(older),
        None if before is None else before.checkpoint,
        tuple(untold),
        not trust.has_quorum or cosigned.is_met,
        told,
    )


def remember(memory: CheckpointMemory, accepted: Accepted, head: Head) -> bool:
    """Remembers what was accepted, now that it is relied on; whether it is the newest that is remembered.

    False without the quorum that was asked for, and if another process has remembered a greater one since. Raises as
    `CheckpointMemory.remember`: then it must not be relied on.
    """
    return accepted.may_be_remembered and memory.remember(accepted.note, head.consistency_path, head.root_at)


def by_checkpoint(
    log: Vkey, trust: Trust, at_ms: int, notes: Iterable[GivenNote]
) -> dict[Checkpoint, list[GivenNote]]:
    """The notes given, each verified, by what they are of. Raises as `accept`."""
    found: dict[Checkpoint, list[GivenNote]] = {}
    for given in notes:
        try:
            _check_origin(given, log.name)
            checkpoint = cosigned_under(trust, log, given.data, at_ms).checkpoint
        except (ProofInvalid, RefusedInput) as error:
            raise named_error(error, given.name) from error
        found.setdefault(checkpoint, []).append(given)
    return found


def _add_kept(
    given: dict[Checkpoint, list[GivenNote]],
    kept: KeptNotes,
    head: Checkpoint,
    by: tuple[Trust, Vkey, int],
) -> tuple[str, ...]:
    """Puts the kept notes that hold to those given; what is told of the others."""
    told = list(kept.told)
    trust, vkey, at_ms = by
    for each in kept.notes:
        try:
            checkpoint = cosigned_under(trust, vkey, each.data, at_ms).checkpoint
        except ProofInvalid as error:
            told.append(not_counted(each.name, error.reason))
            continue
        if checkpoint.size > head.size:
            told.append(
                not_counted(
                    each.name,
                    f"it is of {checkpoint.size:,} entries, of which the ledger shows {head.size:,}: either it grew a moment ago, or it is "
                    "an older copy",
                )
            )
            continue
        same = [*given.get(checkpoint, []), GivenNote(each.name, each.data)]
        try:
            joined_note(same)
        except LineageError as error:
            told.append(not_counted(each.name, error.reason))
            continue
        given[checkpoint] = same
    return tuple(told)


def _check_origin(given: GivenNote, origin: str) -> None:
    """Says of another log's checkpoint that it is one: else nobody would know why no known key has signed it."""
    other = Checkpoint.parse(parse_note(given.data).text).origin
    if other != origin:
        raise RefusedInput(
            "wrong-log",
            "log checkpoint",
            f"it is of the log {other[:_QUOTED_CHARS_MAX]!a}, not of {origin!r}",
            "Give checkpoints of the log that is judged.",
        )


def _check_not_beyond(checkpoint: Checkpoint, head: Checkpoint, names: str) -> None:
    if checkpoint.size > head.size:
        raise RefusedInput(
            "checkpoint-behind",
            f"ledger of {head.size:,} entries",
            f"its log has signed {checkpoint.size:,}, as {names} shows: the ledger is an older copy, "
            "or the beginning of another history",
            "Take the newest copy of the ledger.",
        )


def joined_note(notes: Sequence[GivenNote]) -> bytes:
    """One note of all that are of one checkpoint; a single one is left as it is."""
    if len(notes) == 1:
        return notes[0].data
    try:
        return format_note(join_notes([parse_note(each.data) for each in notes])).encode()
    except ProofInvalid as error:
        raise named_error(error, ", ".join(each.name for each in notes)) from error


def named_error(error: ProofInvalid | RefusedInput, name: str) -> LineageError:
    """The same error, of the note that brought it about."""
    return type(error)(error.code, f"{name}: {error.item}", error.reason, error.fix)

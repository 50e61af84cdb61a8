"""Cosignature lines, one by one: which of them hold, which are kept, and which notes tell least (SPEC §10.9).

A note collects lines: several witnesses, and each whenever it is asked again. Two lines of one key say all that it has said:
the earliest, by when the checkpoint existed; the latest, when it was still the newest. So a note is bounded, however often
somebody asks.

Notes of many sizes tell ages: an entry existed by the time of the first one behind it. Where too many are kept, the one goes
without which an age is told too young by the least part of itself; never the oldest or the newest of the same witnesses, as
long as others can go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ledger.identity.vkey import TYPE_COSIGNATURE, Vkey
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import Note, NoteSignature, parse_cosignature, verify_note
from ledger.proofs.quorum import ml_dsa_times
from ledger.spec import NOTE_SIGNATURES_MAX

_TIME_BYTES: Final = 8


class Line(NamedTuple):
    """A cosignature line and its time, POSIX seconds."""

    signature: NoteSignature
    time_s: int


def verify_lines(text: str, lines: Sequence[NoteSignature], vkey: Vkey) -> tuple[Line, ...] | None:
    """Those of `lines` that are by `vkey` (type 0x04 or 0x06), over the checkpoint whose text this is; None: no library at hand can tell.

    Raises ProofInvalid `note-invalid` if one of them does not hold, `checkpoint-invalid` if the text is none.
    """
    own = tuple(line for line in lines if _key(line) == (vkey.name, vkey.key_id))
    if not own:
        return ()
    if vkey.signature_type == TYPE_COSIGNATURE:
        verify_note(Note(text, own), [vkey])
    elif ml_dsa_times(Note(text, own), Checkpoint.parse(text), vkey) is None:
        return None
    return tuple(Line(line, parse_cosignature(vkey.signature_type, line.signature).time_s) for line in own)


def cosigners(note: Note, log: Vkey) -> frozenset[tuple[str, bytes]]:
    """Name and key id of every key but the log's that has a line in a note. Nothing is verified."""
    return frozenset(_key(line) for line in note.signatures) - {(log.name, log.key_id)}


def bounded(text: str, lines: Iterable[NoteSignature], log: Vkey) -> Note:
    """A note with the log's line and, of every other key, its earliest line and its latest; at most 64 lines, each once.

    Where that is too much, the latest lines go, then whole keys, those that come last. Raises ProofInvalid `note-invalid`.
    """
    given = tuple(dict.fromkeys(lines))
    logs, by_key = _by_key(given, log)
    earliest = [min(each, key=_time) for each in by_key.values()]
    latest = [max(each, key=_time) for each in by_key.values()]
    kept = list(dict.fromkeys([*logs[:1], *earliest, *latest]))[:NOTE_SIGNATURES_MAX]
    return Note(text, tuple(line for line in given if line in kept))


def one_line_each(note: Note, log: Vkey, *, latest: bool) -> Note:
    """The same note with one line of each key, the latest or the earliest: some readers take no two of one key."""
    logs, by_key = _by_key(note.signatures, log)
    choose = max if latest else min
    return Note(note.text, (*logs[:1], *(choose(lines, key=_time) for lines in by_key.values())))


def without_cosignatures(note: Note, log: Vkey) -> Note:
    """The same note with the log's line alone."""
    return Note(note.text, tuple(_by_key(note.signatures, log)[0][:1]))


def surplus(notes: Mapping[int, Note], log: Vkey, most: int) -> list[int]:
    """The sizes of the notes to let go of, so that `most` (2 at least) are left of those given by their sizes."""
    left = dict(sorted(notes.items()))
    gone = []
    while len(left) > most:
        gone.append(_least_telling(left, log))
        del left[gone[-1]]
    return gone


def _least_telling(notes: Mapping[int, Note], log: Vkey) -> int:
    sizes = list(notes)
    who = [cosigners(note, log) for note in notes.values()]
    times = [_first_time(note, log) for note in notes.values()]
    ends = {first_or_last for each in set(who) for first_or_last in (who.index(each), _last(who, each))}
    ranked = []
    for place in range(1, len(sizes) - 1):
        age_s = max(1, times[-1] - times[place])
        gap_s = max(0, times[place + 1] - times[place])
        ranked.append((place in ends, gap_s / age_s, place))
    return sizes[min(ranked)[2]]


def _last(items: Sequence[object], item: object) -> int:
    return len(items) - 1 - list(reversed(items)).index(item)


def _first_time(note: Note, log: Vkey) -> int:
    """The earliest time that a note's lines tell; 0 if none does."""
    return min(
        (_time(line) for lines in _by_key(note.signatures, log)[1].values() for line in lines), default=0
    )


def _by_key(
    lines: Iterable[NoteSignature], log: Vkey
) -> tuple[list[NoteSignature], dict[tuple[str, bytes], list[NoteSignature]]]:
    logs: list[NoteSignature] = []
    others: dict[tuple[str, bytes], list[NoteSignature]] = {}
    for line in lines:
        own = logs if _key(line) == (log.name, log.key_id) else others.setdefault(_key(line), [])
        own.append(line)
    return logs, others


def _key(line: NoteSignature) -> tuple[str, bytes]:
    return line.name, line.key_id


def _time(line: NoteSignature) -> int:
    """What stands where a cosignature of either type has its time."""
    return int.from_bytes(line.signature[:_TIME_BYTES], "big")

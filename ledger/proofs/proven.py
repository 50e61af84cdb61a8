"""One log of an ancestry proof, verified whole before anything is asked of it (SPEC §11.2).

All entries are held to the log checkpoint by one multiproof, all topics to its status root by another, the records of each
statement to the root that it signs. Then the trace asks as it asks a log. What it asks for and the file does not hold makes
the file incomplete: whoever left it out might have left out what speaks against an artifact.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from ledger.errors import ProofInvalid, RefusedInput
from ledger.fold.topics import Chain, Topic, topic_key, topics_of
from ledger.fold.transition import open_entry
from ledger.identity.vkey import Vkey
from ledger.merkle.multiproof import verify_multiproof
from ledger.merkle.prefix_multiproof import verify_keys
from ledger.merkle.ranges import Range, Ranges, verify_ranges
from ledger.merkle.tree import hash_leaf
from ledger.proofs.ancestry_file import LogPart, Reader, proof_invalid, read_rows
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.points import Point, check_points
from ledger.proofs.traced import BOUNDS, Bounds, FoundPlace, Placed, TracedLog
from ledger.spec import HASH_BYTES, TREE_SIZE_MAX
from ledger.statements.entry import Entry
from ledger.statements.record import Record
from ledger.statements.statement import log_id

_ON_ARTIFACTS: Final = (Topic.NOTICES, Topic.ATTESTATIONS)
_BLOCK: Final = 64  # states of which the greatest time is known
_BEHIND: Final = TREE_SIZE_MAX + 1  # more than any index
_ASK_FOR_MORE: Final = "Ask for a file that holds it: lineage prove, with your own trust file (--trust)."


class RowsHeld(NamedTuple):
    """Rows of a `rows` record that the file proves: ranges, and their digests, 32 bytes each; None where nobody wanted them."""

    ranges: tuple[Range, ...]
    digests: bytes | None

    @property
    def row_count(self) -> int:
        """How many rows they are."""
        return sum(count for _, count in self.ranges)


class ProvenLog(TracedLog):
    """A log as a file shows it. `subjects`: what the file is about, artifact ids; `rows`, by artifact id, are subjects too.

    Methods raise ProofInvalid `proof-incomplete` for what the file does not hold.
    """

    def __init__(self, part: LogPart, vkey: Vkey, bounds: Bounds = BOUNDS) -> None:
        """Verifies all of it but for rows (`read_rows`).

        Raises ProofInvalid `note-invalid`, `checkpoint-invalid`, `consistency-invalid`, `multiproof-invalid`, `status-invalid`,
        `state-wrong`, `genesis-illegal`, `proof-invalid`; RefusedInput `fold-unknown`.
        """
        super().__init__(log_id(str(vkey)), open_checkpoint(part.note, [vkey]), bounds)
        if part.log_id != self.log_id:
            raise proof_invalid("a log checkpoint of another log than it says")
        check_points(part.points, self.checkpoint, vkey)
        self.vkey = vkey
        self.note = part.note
        self.points: tuple[Point, ...] = part.points
        self.subjects = part.subjects
        self.rows: dict[bytes, RowsHeld] = {}
        self._entries = self._open_entries(part)
        self._states_held = [
            log_index
            for log_index, entry in self._entries.items()
            if entry is not None and entry.statement.type == "state"
        ]
        self._runs = _runs(list(self._entries))
        times_ms = [self._time_ms(log_index) for log_index in self._states_held]
        self._times_ms = times_ms
        self._greatest_ms = [max(times_ms[at : at + _BLOCK]) for at in range(0, len(times_ms), _BLOCK)]
        closing = self._begin()
        self._places = self._open_statements(part)
        self._topics = self._open_topics(part, closing["root"])
        self._check_genesis()

    def entry(self, log_index: int) -> Entry | None:
        """An entry of the file."""
        try:
            return self._entries[log_index]
        except KeyError:
            raise _incomplete(f"entry {log_index}") from None

    def topic(self, topic: Topic, subject: bytes) -> Sequence[Placed]:
        """All entries on a topic that the file shows whole."""
        try:
            return self._topics[topic, subject]
        except KeyError:
            raise _incomplete(f"topic {topic.name.lower()} of {subject.hex()[:16]}") from None

    def shows(self, topic: Topic, subject: bytes) -> bool:
        """Whether the file shows a topic whole."""
        return (topic, subject) in self._topics

    def is_silent(self, topics: Iterable[Topic], subject: bytes) -> bool:
        """Whether the file shows that there is none on any of them."""
        shown = self._topics
        return not any(shown.get((topic, subject), True) for topic in topics)

    def find(self, artifact_id: bytes, known: Mapping[int, Entry]) -> list[FoundPlace] | None:  # noqa: ARG002 - all is known
        """Its places in the file; None: it is not in it, and nobody knows."""
        found = self._places.get(artifact_id)
        return None if found is None else list(found)

    def in_order(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """One order is as good as another."""
        return list(artifact_ids)

    def state_behind(self, log_index: int) -> int:
        """The first `state` of the file at or behind an entry."""
        return self._states_held[bisect_left(self._states_held, log_index)]

    def clock_reaching(self, log_index: int, clock_ms: int) -> int | None:
        """As of any log. All states of a file are at hand: whoever asks for many clocks does not walk past all of them each time."""
        first, stop = self._runs[max(bisect_right(self._runs, (log_index, _BEHIND)) - 1, 0)]
        stop = stop if first <= log_index < stop else log_index
        held, times_ms = self._states_held, self._times_ms
        at, heard_ms, reached_ms = bisect_left(held, log_index), 0, None
        while reached_ms is None and at < len(held) and held[at] < stop:
            if at % _BLOCK == 0 and self._greatest_ms[at // _BLOCK] < clock_ms:
                heard_ms = max(heard_ms, self._greatest_ms[at // _BLOCK])
                at += _BLOCK
                continue
            heard_ms = max(heard_ms, times_ms[at])
            reached_ms = times_ms[at] if times_ms[at] >= clock_ms else None
            at += 1
        if reached_ms is None and stop < self.checkpoint.size:
            raise _incomplete(f"entry {stop}")
        self.clock_ms = max(self.clock_ms, heard_ms)
        return reached_ms

    def _time_ms(self, log_index: int) -> int:
        entry = self._entries[log_index]
        return 0 if entry is None else int(entry.statement.body["time"])

    @property
    def artifacts(self) -> Collection[bytes]:
        """The ids of all artifacts of which the file holds a place."""
        return self._places.keys()

    def record(self, artifact_id: bytes) -> Record | None:
        """The record of an artifact in the file; None if it is erased, or cannot be read."""
        for place in self._places.get(artifact_id, ()):
            if place.data is not None:
                try:
                    return self.decoder.decode(place.data, artifact_id)
                except RefusedInput:
                    return None
        return None

    def read_rows(self, reader: Reader, *, keep: bool = False) -> None:
        """The rows that follow this log in a file, each set held to its record. `keep`: their digests are wanted later.

        Raises ProofInvalid `proof-invalid`, `multiproof-invalid`.
        """
        for header in read_rows(reader):
            record = self.record(header.artifact_id)
            if record is None or record.form != "rows":
                raise proof_invalid("rows of what is no record of rows in it")
            kept: list[bytes] = []

            def take(count: int, kept: list[bytes] = kept) -> bytes:
                data = reader.take(HASH_BYTES * count)
                if keep:
                    kept.append(data)
                return data

            ranges = Ranges(header.ranges)
            verify_ranges(ranges, record.row_count, header.hashes, record.content, take)
            held = RowsHeld(header.ranges, b"".join(kept) if keep else None)
            self.rows[header.artifact_id] = held

    def _open_entries(self, part: LogPart) -> dict[int, Entry | None]:
        entries: dict[int, Entry | None] = {}
        leaves: dict[int, bytes] = {}
        for log_index, data in part.entries:
            try:
                entry = entries[log_index] = open_entry(data, self.log_id)
                leaves[log_index] = entry.leaf_hash
            except RefusedInput:
                entries[log_index] = None
                leaves[log_index] = hash_leaf(data)
        if not {0, self.checkpoint.size - 1} <= leaves.keys():
            raise proof_invalid("the first or the last entry of the log is not in it")
        verify_multiproof(leaves, self.checkpoint.size, part.hashes, self.checkpoint.root)
        return entries

    def _open_statements(self, part: LogPart) -> dict[bytes, list[FoundPlace]]:
        places: dict[bytes, list[FoundPlace]] = {}
        for log_index, records, hashes in part.statements:
            entry = self._entries.get(log_index)
            if entry is None or entry.statement.type != "artifacts":
                raise proof_invalid(f"records under entry {log_index}, which signs none, or is not in it")
            count, root = entry.statement.body["count"], entry.statement.body["root"]
            leaves = {record.record_index: record.artifact_id for record in records}
            if count == 1 and leaves == {0: root} and not hashes:  # most often: one alone is its own root
                pass
            else:
                verify_multiproof(leaves, count, hashes, root)
            for record in records:
                place = FoundPlace(log_index, record.record_index, entry, record.data)
                places.setdefault(record.artifact_id, []).append(place)
        return places

    def _open_topics(self, part: LogPart, root: bytes) -> dict[tuple[int, bytes], tuple[Placed, ...]]:
        """Of every topic that the file shows whole, its entries; held to the status root."""
        names: dict[bytes, tuple[int, bytes]] = {}
        for topic, subject in part.topics:
            names[topic_key(Topic(topic), subject)] = (topic, subject)
        names[topic_key(Topic.RULES, self.log_id)] = (Topic.RULES, self.log_id)
        for artifact_id in self._places:
            for topic in _ON_ARTIFACTS:
                names[topic_key(topic, artifact_id)] = (topic, artifact_id)
        found: dict[bytes, list[Placed]] = {}
        for log_index, entry in self._entries.items():
            if entry is not None:
                for key in topics_of(entry.statement):
                    if key in names:
                        found.setdefault(key, []).append((log_index, entry))
        wanted: dict[bytes, bytes | None] = dict.fromkeys(names)
        for key, placed in found.items():
            chain = Chain()
            for log_index, entry in placed:
                chain = chain.extend(log_index, entry.leaf_hash)
            wanted[key] = chain.value()
        verify_keys(root, wanted, part.status)
        return {name: tuple(found.get(key, ())) for key, name in names.items()}


def _runs(indices: Sequence[int]) -> list[Range]:
    """Of ascending indices those that follow one another: of each run the first, and what is behind the last."""
    starts = [index for before, index in pairwise([-2, *indices]) if index != before + 1]
    stops = [before + 1 for before, index in pairwise([*indices, -2]) if index != before + 1]
    return list(zip(starts, stops, strict=True))


def _incomplete(what: str) -> ProofInvalid:
    reason = "it is asked for, and not in the file: nothing that the file says counts without it"
    return ProofInvalid("proof-incomplete", f"ancestry proof: {what}", reason, _ASK_FOR_MORE)

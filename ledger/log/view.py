"""A ledger as of its newest signed checkpoint, for reading and proving (SPEC §10.4, §11).

Between the two transactions of a commit the store holds entries that nobody has signed for yet. A view never shows
them: its bounds come from the note, and what lies beyond (index hits, fold keys, wider tiles) is passed over. It sees
one snapshot, so that a commit made while it is open changes nothing in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.fold.before import StateBefore
from ledger.fold.disowning import disowning, signers_of
from ledger.fold.objects import Delegation, Endorsement, Identity
from ledger.fold.records import Standing
from ledger.fold.state import FoldState
from ledger.fold.subjects import Subject
from ledger.fold.topics import Topic, topic_key
from ledger.fold.transition import open_entry
from ledger.identity.life import KeyEvent
from ledger.identity.vkey import Vkey
from ledger.log.ahead import Ahead, read_ahead
from ledger.log.standing import find_standing, find_subject, leaf_hash_of
from ledger.merkle import prefix
from ledger.merkle.multiproof import multiproof, multiproof_in_levels
from ledger.merkle.prefix_multiproof import prove_keys
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import levels_of, path_in_levels
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.remembered import Segments
from ledger.spec import TILE_WIDTH
from ledger.statements import words
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.record import Record
from ledger.statements.statement import Statement, log_id
from ledger.store import index
from ledger.store.bundles import LENGTH_BYTES, Erased, offsets
from ledger.store.contract import Snapshot, Space, Store, key_u64
from ledger.store.head import decode_head
from ledger.store.reader import StoreReader

_LEAVES_REMEMBERED: Final = 262_144  # of statements whose trees are kept: about 40 MiB
_SEGMENTS_REMEMBERED: Final = 65_536
_STATE: Final = b"\xa4type\xa5state"  # stands in the payload of every `state`
_NODES_REMEMBERED: Final = 32_768  # of the status map: about 16 MiB

Levels = list[Sequence[bytes]]


class ScannedRecord(NamedTuple):
    """A record where it stands: its number in the log, its entry, its index there; `data` None: it is erased."""

    record_number: int
    log_index: int
    record_index: int
    data: bytes | None


class FoundContent(NamedTuple):
    """An artifact about a content that was sought, under which form, and the number of its record."""

    artifact_id: bytes
    form: str
    record_number: int


class _Place(NamedTuple):
    """An entry whose records are those from number `start` up to `stop`."""

    log_index: int
    start: int
    stop: int


class LogView:
    """A `ledger.proofs.source.ProofSource` over a snapshot. Made by `open_view`; not for two threads at once.

    Methods raise StoreFault for what the store does not hold or holds damaged, also for numbers behind the checkpoint.
    """

    def __init__(self, snapshot: Snapshot, note: bytes, checkpoint: Checkpoint, log: bytes) -> None:
        self.note = note
        self.checkpoint = checkpoint
        self.log_id = log
        self._snapshot = snapshot
        last = checkpoint.size - 1
        # The last entry is a state, which has no records: all that are signed for stand before it.
        self.record_count = StoreReader(snapshot, checkpoint.size).record_start(last)
        self._reader = StoreReader(snapshot, checkpoint.size, self.record_count)
        self._paths = PathReader(self._reader.tile_view, checkpoint.size)
        self._state = FoldState(log, self._reader.fold_value, self._reader.status_node)
        closing = open_entry(self._reader.entry(last), log).statement
        if closing.type != "state":
            raise StoreFault(
                "ledger-damaged", f"entry {last}", "no state closes the checkpoint", "Run `lineage audit`."
            )
        self.clock_ms: int = closing.body["time"]
        self._status_root: bytes = closing.body["root"]
        self._closing: dict[str, Any] = closing.body
        self._proofs = prefix.ProofReader(self._state.status_node, self._status_root, _NODES_REMEMBERED)
        self._as_of: FoldState | None = None
        self._levels: OrderedDict[int, Levels] = OrderedDict()
        self._leaves_held = 0
        self._segments = Segments(_SEGMENTS_REMEMBERED)
        self._last_record: tuple[int, bytes | Erased] | None = None  # the last record read
        self._ahead = Ahead()
        self._decoder = RecordDecoder()
        self._located: tuple[int, tuple[int, int]] | None = None  # the last answer: a path is asked for next

    def expect(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """ProofSource. What was read ahead for an earlier call is let go of."""
        self._ahead = read_ahead(self._snapshot, self._reader, artifact_ids)
        return self._ahead.in_order(artifact_ids)

    def entry(self, log_index: int) -> bytes:
        """ProofSource."""
        return self._ahead.entries.pop(log_index, None) or self._reader.entry(log_index)

    def entry_path(self, log_index: int) -> list[bytes]:
        """ProofSource. RefusedInput behind the checkpoint."""
        return self._paths.inclusion_path(log_index)

    def consistency_path(self, old_size: int) -> list[bytes]:
        """That the checkpoint's tree begins with its first `old_size` entries (RFC 6962 §2.1.2). RefusedInput behind the checkpoint."""
        return self._paths.consistency_path(old_size)

    def is_faulty(self, log_index: int) -> bool:
        """ProvingSource."""
        return self.state.is_faulty(log_index)

    def entries_proof(self, indices: Sequence[int]) -> list[bytes]:
        """ProvingSource. RefusedInput behind the checkpoint."""
        return multiproof(self._reader.tile, indices, self.checkpoint.size)

    def root_at(self, size: int) -> bytes:
        """ProvingSource. RefusedInput behind the checkpoint."""
        return self._paths.root_at(size)

    def status_proof_of(self, topic_keys: Collection[bytes]) -> bytes:
        """ProvingSource."""
        return prove_keys(self._state.status_node, self._status_root, topic_keys)

    def records_proof(self, log_index: int, record_indices: Sequence[int]) -> list[bytes]:
        """ProvingSource. RefusedInput for a record that the statement does not have."""
        return multiproof_in_levels(self._levels_of(log_index), record_indices)

    def state_behind(self, log_index: int) -> int:
        """ProofSource. What was found is remembered, and bundles are searched at the speed of memory."""
        closing = self._segments.closing_of(log_index)
        if closing is None:
            start, closing = self._next_state(log_index)
            self._segments.add(start, closing)
        return closing

    def _next_state(self, log_index: int) -> tuple[int, int]:
        """The first `state` at or behind an entry, and from where on none stands before it, as far as that was looked at."""
        number = log_index // TILE_WIDTH
        start = number * TILE_WIDTH
        while number * TILE_WIDTH < self.checkpoint.size:
            bundle = self._bundle(Space.ENTRIES, number)
            for place in self._states_in(bundle, number * TILE_WIDTH) if _STATE in bundle else ():
                if place >= log_index:
                    return start, place
                start = place + 1
            number += 1
        raise StoreFault(
            "ledger-damaged", f"entry {log_index}", "no state stands behind it", "Run `lineage audit`."
        )

    def _states_in(self, bundle: bytes, start: int) -> Iterator[int]:
        for place, (begin, end) in enumerate(_bounds(bundle, erasable=False), start):
            if bundle.find(_STATE, begin, end) >= 0 and self._is_state(place):
                yield place

    def _is_state(self, log_index: int) -> bool:
        if log_index >= self.checkpoint.size:
            return False
        try:
            return self.statement(log_index).type == "state"
        except RefusedInput:
            return False

    def record(self, record_number: int) -> bytes | None:
        """ProofSource."""
        item = self._ahead.records.pop(record_number, None) or self._record(record_number)
        return None if isinstance(item, Erased) else item

    def record_leaf(self, record_number: int) -> bytes:
        """ProofSource."""
        return leaf_hash_of(self._record(record_number))

    def record_path(self, record_number: int) -> list[bytes]:
        """ProofSource. The trees of the last statements are kept, so that many records of one cost little each."""
        log_index, record_index = self.locate(record_number)
        return path_in_levels(self._levels_of(log_index), record_index)

    def locate(self, record_number: int) -> tuple[int, int]:
        """ProofSource."""
        place = self._ahead.places.get(record_number)
        if place is not None:
            return place
        if self._located is None or record_number != self._located[0]:
            self._located = (record_number, self._reader.locate(record_number))
        return self._located[1]

    def record_start(self, log_index: int) -> int:
        """ProofSource."""
        return self._reader.record_start(log_index)

    def statement_records(self, log_index: int) -> Iterator[tuple[bytes, bytes | None]]:
        """(artifact id, record) of all records of an entry, in order; None where only its leaf hash is left."""
        for item in self._reader.records(self.record_start(log_index), self.record_start(log_index + 1)):
            yield leaf_hash_of(item), None if isinstance(item, Erased) else item

    def find_artifact(self, artifact_id: bytes) -> list[int]:
        """ProofSource."""
        found = self._ahead.numbers.pop(artifact_id, None)
        if found is not None:
            return found
        count, record = self.record_count, self._record
        return [
            position
            for position in self._snapshot.positions(index.prefix(artifact_id))
            if position < count and leaf_hash_of(record(position)) == artifact_id
        ]

    def find_subject(self, artifact_id: bytes) -> Subject | None:
        """An artifact that stands, as the fold asks for a subject of an attestation or a notice; None: it does not."""
        return find_subject(self._reader, self.state, artifact_id, self.record_count)

    def find_standing(self, artifact_id: bytes) -> Standing | None:
        """What stands under an artifact id, as the fold asks for a parent; None: nothing does."""
        return find_standing(self._reader, self.state, artifact_id, self.record_count)

    def find_prefix(self, start: bytes) -> list[int]:
        """The numbers of all records whose artifact id begins with `start`, 8 bytes or more, ascending."""
        return self._find_records(start, lambda number: self.record_leaf(number).startswith(start))

    def find_content(self, form: str, digest: bytes, size_bytes: int | None = None) -> list[int]:
        """ProofSource. A record that is erased or cannot be read has no content to be found by.

        `size_bytes` is compared as it stands: of sealed content give the bucket (SPEC §4.2).
        """

        def same(record_number: int) -> bool:
            record = self._read(record_number)
            if record is None:
                return False
            size = record.fields["size"] if size_bytes is None else size_bytes
            return (record.form, record.content, record.fields["size"]) == (form, digest, size)

        return self._find_records(digest, same)

    def find_contents(self, digests: bytes) -> dict[bytes, list[FoundContent]]:
        """Of each of many content digests, one behind the other, what is about it, under whatever form, by its place in the log.

        Digests of which nothing is are left out.
        """
        found: dict[bytes, list[FoundContent]] = {}
        proposed = index.find_many(self._snapshot, digests)
        about: dict[int, list[bytes]] = {}
        for digest, positions in proposed.items():
            for record_number in positions:
                if record_number < self.record_count:
                    about.setdefault(record_number, []).append(digest)
        for record_number, item in self._reader.records_at(sorted(about)):
            record = None if isinstance(item, Erased) else self._decoded(item)
            if record is not None and record.content in about[record_number]:
                content = FoundContent(record.id, record.form, record_number)
                found.setdefault(record.content, []).append(content)
        return found

    def _read(self, record_number: int) -> Record | None:
        """A record, if it is held and can be read."""
        data = self.record(record_number)
        return None if data is None else self._decoded(data)

    def _decoded(self, data: bytes) -> Record | None:
        try:
            return self._decoder.decode(data)
        except RefusedInput:
            return None

    def find_statement(self, statement_id: bytes) -> int | None:
        """ProofSource."""

        def same(position: int) -> bool:
            log_index = index.statement_index(position)
            if log_index is None or log_index >= self.checkpoint.size:
                return False
            try:
                return decode_entry(self.entry(log_index)).statement.id == statement_id
            except RefusedInput:
                return False

        position = index.find(self._snapshot, statement_id, same)
        return None if position is None else index.statement_index(position)

    def topic_entries(self, topic_key: bytes) -> list[int]:
        """ProofSource."""
        last = self.checkpoint.size - 1
        return [log_index for log_index in self._state.topic_entries(topic_key) if log_index < last]

    def status_proof(self, topic_key: bytes) -> list[bytes]:
        """ProofSource. Raises InvariantBroken if the store's status map is damaged."""
        return self._proofs.prove(topic_key)

    @property
    def state(self) -> FoldState:
        """What the fold keeps, as of the checkpoint: for showing, not for proving. For reading only."""
        if self._as_of is None:
            self._as_of = self._state_as_of()
        return self._as_of

    def identity(self, identity_id: bytes) -> Identity | None:
        """An identity as of the checkpoint; which of its key events is in force, the view's `clock_ms` tells."""
        return self.state.identity(identity_id)

    def key_events(self, identity: Identity) -> list[KeyEvent]:
        """All key events of an identity that `identity` gave, ascending."""
        return self.state.key_events(identity)

    def delegations(self, identity: Identity) -> list[Delegation]:
        """All delegations of a pair that `identity` gave, ascending."""
        return self.state.delegations(identity)

    def endorsements(self, subject: bytes) -> list[tuple[bytes, Endorsement]]:
        """Of each issuer the latest endorsement of an identity, with the issuer's id; ascending by log index.

        Whether it was disowned, or has ended by its `until`, is not asked.
        """
        found: dict[bytes, Endorsement] = {}
        for log_index in self.state.topic_entries(topic_key(Topic.ENDORSEMENTS, subject)):
            issuer = self.statement(log_index).by
            latest = self.state.endorsement(subject, issuer)
            if latest is not None and latest.log_index == log_index:
                found[issuer] = latest
        return list(found.items())

    def statement(self, log_index: int) -> Statement:
        """The statement of a well-formed entry. Raises RefusedInput for any other."""
        return open_entry(self.entry(log_index), self.log_id).statement

    def signed_by(self, log_index: int) -> tuple[bytes, ...]:
        """The public keys that signed the ordinary statement in order at `log_index`; () if no such stands there."""
        entry = self._ordinary(log_index)
        return () if entry is None else signers_of(self.state, log_index, entry)

    def disowned_by(self, log_index: int) -> KeyEvent | None:
        """The key event by which the ordinary statement at `log_index` is disowned by now (SPEC §7.4), or None."""
        entry = self._ordinary(log_index)
        return None if entry is None else disowning(self.state, log_index, entry, self.clock_ms)

    def stands(self, record_number: int) -> bool:
        """Whether the entry of a record is in order and not disowned (SPEC §7.4); a fault of the record alone is not looked for."""
        log_index, _ = self.locate(record_number)
        entry = self._ordinary(log_index)
        return entry is not None and disowning(self.state, log_index, entry, self.clock_ms) is None

    def scan_statements(self, containing: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """(log index, entry) of all entries in whose bytes `containing` occurs, such as an identity's id, ascending.

        Bundles without it are passed over at the speed of memory.
        """
        for number, bundle in self._bundles(Space.ENTRIES, self.checkpoint.size, containing):
            start = number * TILE_WIDTH
            for log_index, (begin, end) in enumerate(_bounds(bundle, erasable=False), start):
                if log_index < self.checkpoint.size and (
                    not containing or bundle.find(containing, begin, end) >= 0
                ):
                    yield log_index, bundle[begin:end]

    def scan_records(self, containing: bytes = b"") -> Iterator[ScannedRecord]:
        """All records, ascending; with `containing` those that are held and in whose bytes it occurs, such as a parent's id."""
        place = _Place(0, 0, 0)
        for number, bundle in self._bundles(Space.RECORDS, self.record_count, containing):
            first = number * TILE_WIDTH
            for record_number, (begin, end) in enumerate(_bounds(bundle, erasable=True), first):
                is_erased = not (bundle[begin - 2] or bundle[begin - 1])
                if record_number >= self.record_count:
                    return
                if containing and (is_erased or bundle.find(containing, begin, end) < 0):
                    continue
                place = self._place_of(record_number, place)
                data = None if is_erased else bundle[begin:end]
                yield ScannedRecord(record_number, place.log_index, record_number - place.start, data)

    def _place_of(self, record_number: int, before: _Place) -> _Place:
        """The entry of a record, sought from that of an earlier one on; from afar by its number."""
        log_index, start, stop = before
        if record_number >= stop + TILE_WIDTH:
            log_index, _ = self._reader.locate(record_number)
            start, stop = self.record_start(log_index), self.record_start(log_index + 1)
        while record_number >= stop:
            log_index, start = log_index + 1, stop
            stop = self.record_start(log_index + 1)
        return _Place(log_index, start, stop)

    def _bundles(self, space: Space, count: int, containing: bytes) -> Iterator[tuple[int, bytes]]:
        for number in range(-(-count // TILE_WIDTH)):
            data = self._bundle(space, number)
            if containing in data:
                yield number, data

    def _bundle(self, space: Space, number: int) -> bytes:
        bundle = self._snapshot.get(space, key_u64(number))
        if bundle is None:
            raise StoreFault(
                "ledger-damaged", f"{space}, bundle {number}", "it is missing", "Run `lineage audit`."
            )
        return bytes(bundle)

    def _ordinary(self, log_index: int) -> Entry | None:
        """The ordinary statement's entry at `log_index`, if it is in order."""
        if self.state.is_faulty(log_index):
            return None
        try:
            entry = open_entry(self.entry(log_index), self.log_id)
        except RefusedInput:
            return None
        return entry if entry.statement.type in words.TYPES_ORDINARY else None

    def _state_as_of(self) -> FoldState:
        """The stored state; while a commit is in flight, it is read through that."""
        size = self.checkpoint.size
        stored = decode_head(bytes(self._snapshot.head())).size
        if stored == size:
            return self._state
        reader = StoreReader(self._snapshot, stored)
        taken = []
        for log_index, data in enumerate(reader.entries(size, stored), size):
            try:
                statement = open_entry(data, self.log_id).statement
            except RefusedInput:  # it is none, and has no effect
                continue
            if not self._state.is_faulty(log_index):
                taken.append(statement)
        reads = (reader.fold_value, reader.status_node)
        return StateBefore(self._state, reads, self._closing, size, taken, self.entry)

    def _record(self, record_number: int) -> bytes | Erased:
        """A record, read once while it is asked for again: who finds one wants it next."""
        if self._last_record is None or record_number != self._last_record[0]:
            self._last_record = (record_number, self._reader.record(record_number))
        return self._last_record[1]

    def _find_records(self, digest: bytes, same: Callable[[int], bool]) -> list[int]:
        return index.find_all(
            self._snapshot, digest, lambda position: position < self.record_count and same(position)
        )

    def _levels_of(self, log_index: int) -> Levels:
        levels = self._levels.get(log_index)
        if levels is None:
            return self._remember(log_index)
        self._levels.move_to_end(log_index)
        return levels

    def _remember(self, log_index: int) -> Levels:
        start, stop = self.record_start(log_index), self.record_start(log_index + 1)
        if stop - start == 1:  # the most common statement: no need to walk its whole bundle
            leaf_hashes = [self.record_leaf(start)]
        else:
            leaf_hashes = [leaf_hash_of(item) for item in self._reader.records(start, stop)]
        levels = levels_of(leaf_hashes)
        self._levels[log_index] = levels
        self._leaves_held += stop - start
        while self._leaves_held > _LEAVES_REMEMBERED and len(self._levels) > 1:
            _, oldest = self._levels.popitem(last=False)
            self._leaves_held -= len(oldest[0])
        return levels


def _bounds(bundle: bytes, *, erasable: bool) -> Iterator[tuple[int, int]]:
    """Where each item of a bundle begins and ends, its length apart."""
    starts = offsets(bundle, erasable=erasable)
    return ((start + LENGTH_BYTES, stop) for start, stop in pairwise([*starts, len(bundle)]))


@contextmanager
def open_view(store: Store, vkey: Vkey) -> Iterator[LogView]:
    """The log of `vkey` as of the newest checkpoint that it signed, as long as the context lasts.

    Raises NotFound `log-not-begun` before the first checkpoint, ProofInvalid if the note is not this log's, StoreFault
    or RefusedInput for a damaged store.
    """
    with store.snapshot() as snapshot:
        note = decode_head(bytes(snapshot.head())).note
        if not note:
            raise NotFound(
                "log-not-begun", "ledger", "it holds no signed checkpoint yet", "Run `lineage init`."
            )
        yield LogView(snapshot, note, open_checkpoint(note, [vkey]), log_id(str(vkey)))

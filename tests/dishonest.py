"""An operator who has the log's key and no scruples: any bytes become entries and records, in a tree that is sound.

Sequencing, tiles, status map, state, index and note are exactly those of the honest log; only admission is passed
by, and what the closing `state` says may be altered. What breaks a rule has the effect that the fold gives it: none.
`liar` is another kind of dishonest: a mirror that lies about a log which is sound.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self, cast

from ledger import spec
from ledger.errors import RefusedInput
from ledger.fold.faults import Fault
from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from ledger.identity.vkey import Vkey
from ledger.log.candidate import Candidate
from ledger.log.commit import plan_commit
from ledger.merkle import tiles
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.proofs.note import Sign
from ledger.proofs.source import ProofSource
from ledger.statements import codec
from ledger.statements.entry import Entry, decode_entry, make_entry
from ledger.statements.record import Record
from ledger.statements.statement import Statement, log_id, make_statement
from ledger.store.bundles import Erased, pack, record_items
from ledger.store.contract import Batch, Space, Store, key_u64
from ledger.store.head import Head, decode_head
from ledger.store.reader import StoreReader
from tests.world import World


class DishonestLog:
    """Appends to what `store` holds (nothing, to begin with). A `LogWriter` over the same store must be reopened after."""

    def __init__(self, store: Store, vkey: Vkey, sign: Sign) -> None:
        self.store, self.vkey, self._sign = store, vkey, sign
        self.log_id = log_id(str(vkey))
        with store.snapshot() as snapshot:
            self._raw_head = bytes(snapshot.head())
        self._head = decode_head(self._raw_head)
        self._state = FoldState(self.log_id, self._reader(Space.FOLD), self._reader(Space.STATUS))
        self._waiting: list[Candidate] = []
        self._size, self._records = self._head.size, self._head.records
        self.time_ms = self._state.header.clock_ms + 1
        self.faults: list[Fault] = []

    @classmethod
    def over(cls, world: World) -> Self:
        """The operator of `world` turned dishonest."""
        return cls(world.store, world.vkey, world.sign_note)

    @property
    def size(self) -> int:
        """Entries appended so far, the waiting ones among them."""
        return self._size

    @property
    def record_count(self) -> int:
        """Records appended so far, the waiting ones among them."""
        return self._records

    def append(self, entry: bytes, records: Sequence[bytes] = ()) -> int:
        """The log index at which `entry` stands once a state closes. What the fold says of it is kept in `faults`."""
        log_index = self._size
        _, fault = fold(self._state, log_index, entry, self.time_ms, fold_number=spec.FOLD_VERSION)
        if fault is not None:
            self.faults.append(fault)
        self._waiting.append(Candidate(_any_entry(entry), tuple(map(_any_record, records))))
        self._size += 1
        self._records += len(records)
        return log_index

    def close_with_state(self, *, extra_states: int = 0, **overrides: Any) -> bytes:
        """Ends the commit with a `state` and signs; `overrides` replace root, records, time or fold. Returns the note.

        `extra_states`: so many states more stand before the last, all alike.
        """
        self.append_states(1 + extra_states, **overrides)
        return self.close()

    def append_states(self, count: int = 1, **overrides: Any) -> None:
        """So many states, all alike; `overrides` replace root, records, time or fold."""
        for _ in range(count):
            body = {
                "root": self._state.status_root(),
                "records": self._state.header.records,
                "time": self.time_ms,
                "fold": spec.FOLD_VERSION,
            }
            self.append(make_entry(make_statement("state", self.log_id, body | overrides)).encoded)

    def close(self) -> bytes:
        """Ends the commit as it is, whatever stands last, and signs. Returns the note."""
        self.store_unsigned()
        with self.store.snapshot() as snapshot:
            root = tiles.root(StoreReader(snapshot).tile, self._head.size)
        checkpoint = Checkpoint(self.vkey.name, self._head.size, root)
        note = sign_checkpoint(checkpoint, self._sign, self.vkey.key).encode()
        self._put(Batch(), replace(self._head, note=note))
        return note

    def store_unsigned(self) -> None:
        """The first transaction of a commit, whatever stands last: a crash before the signature leaves this."""
        with self.store.snapshot() as snapshot:
            planned = plan_commit(snapshot, self._head, self._waiting, self._state)
        self._put(planned.batch, planned.head)
        self._waiting = []
        self.time_ms = max(self.time_ms, self._state.header.clock_ms) + 1

    def forge_chain(self, topic_key: bytes, log_index: int, leaf_hash: bytes) -> None:
        """Puts an entry into a chain of the status map to which it does not belong."""
        self._state.extend_chain(topic_key, log_index, leaf_hash)

    def erase(self, record_number: int) -> None:
        """Leaves of a record its leaf hash alone, notice or no notice."""
        number, index = divmod(record_number, spec.TILE_WIDTH)
        key = key_u64(number)
        with self.store.snapshot() as snapshot:
            bundle = bytes(snapshot.get(Space.RECORDS, key) or b"")
        items = [item if isinstance(item, Erased) else bytes(item) for item in record_items(bundle)]
        item = items[index]
        items[index] = item if isinstance(item, Erased) else Erased(_any_record(item).id)
        self._put(Batch(puts=[(Space.RECORDS, key, pack(items))]), self._head)

    def _put(self, batch: Batch, head: Head) -> None:
        raw = head.encode()
        self.store.commit(batch, self._raw_head, raw)
        self._raw_head, self._head = raw, head

    def _reader(self, space: Space) -> Any:
        def read(key: bytes) -> bytes | None:
            with self.store.snapshot() as snapshot:
                found = snapshot.get(space, key)
                return None if found is None else bytes(found)

        return read


def _any_entry(data: bytes) -> Entry:
    try:
        return decode_entry(data)
    except RefusedInput:
        return Entry(data, Statement(data, {"type": "none"}), ())


def _any_record(data: bytes) -> Record:
    try:
        fields = codec.decode(data, spec.ENTRY_BYTES_MAX)
    except RefusedInput:
        fields = None
    if type(fields) is not dict or type(fields.get("content")) is not bytes:
        fields = {"content": bytes(spec.HASH_BYTES)}
    return Record(data, fields)


Lie = Callable[..., Any]  # the honest answer's function, then the arguments it was asked with


class _Liar:
    def __init__(self, source: ProofSource, lies: dict[str, Lie]) -> None:
        self._source, self._lies = source, lies

    def __getattr__(self, name: str) -> Any:
        honest = getattr(self._source, name)
        lie = self._lies.get(name)
        if lie is None:
            return honest
        return partial(lie, honest) if callable(honest) else lie(honest)


def liar(source: ProofSource, **lies: Lie) -> ProofSource:
    """A source that answers as `source` does, but for the methods named: `lie(honest_method, *arguments)`.

    Of the attributes `note` and `checkpoint`: `lie(honest_value)`.
    """
    return cast("ProofSource", _Liar(source, lies))

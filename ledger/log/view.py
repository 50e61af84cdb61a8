"""A ledger as of its newest signed checkpoint, for reading and proving (SPEC §10.4, §11).

Between the two transactions of a commit the store holds entries that nobody has signed for yet. A view never shows
them: its bounds come from the note, and what lies beyond (index hits, fold keys, wider tiles) is passed over. It sees
one snapshot, so that a commit made while it is open changes nothing in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.fold.objects import Delegation, Identity
from ledger.fold.state import FoldState
from ledger.fold.transition import open_entry
from ledger.identity.vkey import Vkey
from ledger.merkle import prefix
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import hash_leaf, levels_of, path_in_levels
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.statements.entry import decode_entry
from ledger.statements.record import decode_record
from ledger.statements.statement import log_id
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.contract import Snapshot, Space, Store
from ledger.store.head import decode_head
from ledger.store.reader import StoreReader

_LEAVES_REMEMBERED: Final = 262_144  # of statements whose trees are kept: about 40 MiB

Levels = list[Sequence[bytes]]


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
        self._paths = PathReader(self._reader.tile, checkpoint.size)
        self._state = FoldState(log, self._get(Space.FOLD), self._get(Space.STATUS))
        closing = open_entry(self._reader.entry(last), log).statement
        if closing.type != "state":
            raise StoreFault(
                "ledger-damaged", f"entry {last}", "no state closes the checkpoint", "Run `lineage audit`."
            )
        self.clock_ms: int = closing.body["time"]
        self._status_root: bytes = closing.body["root"]
        self._levels: OrderedDict[int, Levels] = OrderedDict()
        self._leaves_held = 0
        self._located: tuple[int, tuple[int, int]] | None = None  # the last answer: a path is asked for next

    def entry(self, log_index: int) -> bytes:
        """ProofSource."""
        return self._reader.entry(log_index)

    def entry_path(self, log_index: int) -> list[bytes]:
        """ProofSource. RefusedInput behind the checkpoint."""
        return self._paths.inclusion_path(log_index)

    def record(self, record_number: int) -> bytes | None:
        """ProofSource."""
        item = self._reader.record(record_number)
        return None if isinstance(item, Erased) else item

    def record_leaf(self, record_number: int) -> bytes:
        """ProofSource."""
        return _leaf_hash(self._reader.record(record_number))

    def record_path(self, record_number: int) -> list[bytes]:
        """ProofSource. The trees of the last statements are kept, so that many records of one cost little each."""
        log_index, record_index = self.locate(record_number)
        levels = self._levels.get(log_index)
        if levels is None:
            levels = self._remember(log_index)
        else:
            self._levels.move_to_end(log_index)
        return path_in_levels(levels, record_index)

    def locate(self, record_number: int) -> tuple[int, int]:
        """ProofSource."""
        if self._located is None or record_number != self._located[0]:
            self._located = (record_number, self._reader.locate(record_number))
        return self._located[1]

    def record_start(self, log_index: int) -> int:
        """ProofSource."""
        return self._reader.record_start(log_index)

    def find_artifact(self, artifact_id: bytes) -> list[int]:
        """ProofSource."""
        return self._find_records(artifact_id, lambda number: self.record_leaf(number) == artifact_id)

    def find_prefix(self, start: bytes) -> list[int]:
        """The numbers of all records whose artifact id begins with `start`, 8 bytes or more, ascending."""
        return self._find_records(start, lambda number: self.record_leaf(number).startswith(start))

    def find_content(self, form: str, digest: bytes, size_bytes: int | None = None) -> list[int]:
        """ProofSource. A record that is erased or cannot be read has no content to be found by.

        `size_bytes` is compared as it stands: of sealed content give the bucket (SPEC §4.2).
        """

        def same(record_number: int) -> bool:
            data = self.record(record_number)
            try:
                if data is None:
                    return False
                record = decode_record(data)
                size = record.fields["size"] if size_bytes is None else size_bytes
                return (record.form, record.content, record.fields["size"]) == (form, digest, size)
            except RefusedInput:
                return False

        return self._find_records(digest, same)

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
        return prefix.prove(self._state.status_node, self._status_root, topic_key)

    def identity(self, identity_id: bytes) -> Identity | None:
        """An identity as of the checkpoint, by the fold that the log keeps: for showing, not for proving."""
        return self._state.identity_before(identity_id, self.checkpoint.size)

    def delegations(self, identity: Identity) -> list[Delegation]:
        """All delegations of a pair that `identity` gave, ascending."""
        return self._state.delegations(identity)

    def _find_records(self, digest: bytes, same: Callable[[int], bool]) -> list[int]:
        return index.find_all(
            self._snapshot, digest, lambda position: position < self.record_count and same(position)
        )

    def _remember(self, log_index: int) -> Levels:
        start, stop = self.record_start(log_index), self.record_start(log_index + 1)
        if stop - start == 1:  # the most common statement: no need to walk its whole bundle
            leaf_hashes = [self.record_leaf(start)]
        else:
            leaf_hashes = [_leaf_hash(item) for item in self._reader.records(start, stop)]
        levels = levels_of(leaf_hashes)
        self._levels[log_index] = levels
        self._leaves_held += stop - start
        while self._leaves_held > _LEAVES_REMEMBERED and len(self._levels) > 1:
            _, oldest = self._levels.popitem(last=False)
            self._leaves_held -= len(oldest[0])
        return levels

    def _get(self, space: Space) -> Callable[[bytes], bytes | None]:
        def get(key: bytes) -> bytes | None:
            found = self._snapshot.get(space, key)
            return None if found is None else bytes(found)

        return get


def _leaf_hash(item: bytes | Erased) -> bytes:
    return item.leaf_hash if isinstance(item, Erased) else hash_leaf(item)


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

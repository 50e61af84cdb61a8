"""What a store is: opaque bytes in named spaces, one small head, and a digest index (SPEC §10.4).

A store knows nothing of entries, records or proofs. It keeps byte strings under byte keys in a few *spaces*,
one small opaque *head* that says how far the rest is valid, and an index from the first eight bytes of a
digest to positions. The log writes through `Store.commit`; everybody reads through `Store.snapshot`.

Durability
    When `commit` returns, the batch and the new head have been synced to the medium: they survive the death of
    the process and the loss of power. When `commit` raises, the store holds either all of the batch or nothing
    of it; which of the two is not known to the caller, who must reopen and look at the head. A refusal
    (`head-moved`, or a batch that breaks this contract) is the exception: then nothing was written, for certain.

Poison
    After any other failure of a commit the store object refuses further commits (`writer-poisoned`) until
    `reopen`. The kernel marks pages clean after a failed fsync, so that a second sync may succeed without having
    written anything (Rebello et al., "Can Applications Recover from fsync Failures?", USENIX ATC 2020): to go on
    would be to acknowledge what is not on the medium.

Concurrency
    One writer at a time, by the writer's lock (`ledger.store.lock`); the compare-and-swap of the head is the
    second defence, which catches whoever went past the lock. Any number of readers, in any processes. A snapshot
    sees the store as of one commit, whatever is committed later; it blocks no writer and is blocked by none. It
    belongs to one thread at a time and to the process that opened it: in a forked child it has ended. Keep it
    short, since pages it still sees cannot be reused. A store object may be shared by threads.

An engine over an object store fulfils the same contract without transactions: `commit` uploads each put, and a
manifest naming them, under immutable names that nobody has read yet (a hash of the content); then replaces one
mutable object, the head, which holds the name of the newest manifest beside `new_head`, by a conditional write
(If-Match with the tag that was read); then applies, lazily, puts to their plain keys. Losing the race of the
conditional write is `head-moved`, and what was uploaded is garbage. A snapshot is the manifest it read first.
Hence the interface names no transaction, cursor or page, and a batch is plain data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Final, Protocol, TypeAlias

from ledger.errors import InvariantBroken, StoreFault
from ledger.spec import NOTE_BYTES_MAX

KEY_BYTES_MAX: Final = 511  # LMDB's limit; object names allow more
HEAD_BYTES_MAX: Final = 2 * NOTE_BYTES_MAX  # a checkpoint note and a little more
U64_LIMIT: Final = 2**64
U64_BYTES: Final = 8

Bytes: TypeAlias = bytes | memoryview


class Space(StrEnum):
    """A name space of keys. The digest index is apart: it is written by `Batch.index` and `unindex`, read by `positions`, counted by `index_size`."""

    ENTRIES = "entries"  # u64 bundle number -> bundle of 256 entries
    RECORDS = "records"  # u64 bundle number -> bundle of 256 records
    STARTS = "starts"  # u64 bundle number -> 256 u64: number of records before each entry
    TILES = "tiles"  # u8 level, u64 number -> expanded tile
    STATUS = "status"  # 32-byte hash -> node of the status map
    FOLD = "fold"  # short key -> what the fold remembers


Put: TypeAlias = tuple[Space, bytes, bytes]


@dataclass(slots=True)
class Batch:
    """What one commit changes.

    A key stands at most once in `puts` and `deletes` together. A delete of an absent key has no effect.
    `index` holds (prefix, position) pairs of unsigned 64-bit integers; a pair that stands already, or twice, is
    kept once. `unindex` holds pairs that are let go of, before those of `index` are kept; an absent one has no effect.
    """

    puts: list[Put] = field(default_factory=list)
    deletes: list[tuple[Space, bytes]] = field(default_factory=list)
    index: list[tuple[int, int]] = field(default_factory=list)
    unindex: list[tuple[int, int]] = field(default_factory=list)


class Snapshot(Protocol):
    """The store as of one commit. Raises StoreFault `snapshot-ended` once its context is left."""

    def get(self, space: Space, key: bytes) -> Bytes | None:
        """The value at `key`, or None. A memoryview is valid only while the snapshot is open: copy what stays."""
        ...

    def head(self) -> bytes:
        """The head as of this commit; b"" before the first."""
        ...

    def positions(self, prefix: int) -> list[int]:
        """The positions indexed under a u64 `prefix`, ascending. Different digests may share a prefix."""
        ...

    def positions_of_many(self, prefixes: Iterable[int]) -> dict[int, list[int]]:
        """The same of each of these prefixes under which there are any; much faster, where most have none."""
        ...

    def index_size(self) -> int:
        """How many (prefix, position) pairs the digest index holds."""
        ...

    def last_key(self, space: Space) -> bytes | None:
        """The greatest key of a space in byte order, or None."""
        ...

    def scan(
        self, space: Space, start: bytes = b"", *, reverse: bool = False
    ) -> Iterator[tuple[bytes, Bytes]]:
        """(key, value) in byte order of keys from `start` on, it included.

        Reversed: downwards, from `start` or, where it is b"", from the last key.
        """
        ...


class Store(Protocol):
    """Bytes that survive. See the module for what its methods promise."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A consistent read view of the last commit, to be used in a `with` block."""
        ...

    def commit(self, batch: Batch, expected_head: bytes, new_head: bytes) -> None:
        """Put `batch` and `new_head` on the medium, if the head is `expected_head`; all or nothing.

        Raises StoreFault: `head-moved` (nothing was written), `writer-poisoned`, `store-readonly`, `store-full`,
        `store-failed`; InvariantBroken for a batch that breaks the contract (nothing was written).
        """
        ...

    def reopen(self) -> None:
        """Let go of everything held of the medium, open it anew, and so lift the poison.

        Raises StoreFault `snapshots-open` while a snapshot of this object is open: what it lent may be in use.
        """
        ...

    def close(self) -> None:
        """Let go of the medium; closing twice is harmless. What is asked afterwards raises `store-closed`.

        Raises StoreFault `snapshots-open` as `reopen` does.
        """
        ...


def key_u64(number: int) -> bytes:
    """8 bytes big-endian: byte order of keys is then the order of the numbers."""
    return number.to_bytes(U64_BYTES, "big")


def check_key(key: bytes) -> None:
    """Raises InvariantBroken unless a key has 1 to KEY_BYTES_MAX bytes."""
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise InvariantBroken(
            "key-size", f"store key of {len(key)} bytes", f"keys have 1 to {KEY_BYTES_MAX} bytes"
        )


def grouped(pairs: Iterable[tuple[int, int]]) -> dict[int, list[int]]:
    """Positions by their prefixes, of pairs (prefix, position) in ascending order."""
    found: dict[int, list[int]] = {}
    for prefix, position in pairs:
        found.setdefault(prefix, []).append(position)
    return found


def check_batch(batch: Batch, new_head: bytes) -> None:
    """Raises InvariantBroken if a batch breaks the contract; every engine calls it before it writes."""
    if len(new_head) > HEAD_BYTES_MAX:
        raise InvariantBroken("head-size", "store head", f"{len(new_head)} bytes is over {HEAD_BYTES_MAX}")
    seen: set[tuple[Space, bytes]] = set()
    for place in chain(((space, key) for space, key, _ in batch.puts), batch.deletes):
        check_key(place[1])
        if place in seen:
            raise InvariantBroken("batch-key-twice", f"{place[0]} key {place[1].hex()}", "twice in one batch")
        seen.add(place)
    for prefix, position in chain(batch.index, batch.unindex):
        if not (0 <= prefix < U64_LIMIT and 0 <= position < U64_LIMIT):
            raise InvariantBroken("index-range", f"index pair {prefix}, {position}", "not unsigned 64-bit")


def head_moved(item: str) -> StoreFault:
    """The refusal of a commit whose expected head is not the one in the store."""
    return StoreFault(
        "head-moved",
        item,
        "another writer committed in between; nothing of this commit was written",
        "reopen the ledger and look at its head",
    )


def poisoned(item: str) -> StoreFault:
    """The refusal of every commit after one that failed."""
    return StoreFault(
        "writer-poisoned",
        item,
        "an earlier commit failed, and what it left is not known until the store is read anew",
        "mend the cause (disk space, disk health), then reopen the ledger; nothing acknowledged is lost",
    )


def store_closed(item: str) -> StoreFault:
    """The refusal of a store object that was closed."""
    return StoreFault("store-closed", item, "this store object was closed", "open the ledger again")


def snapshot_ended(item: str) -> StoreFault:
    """The refusal of a snapshot outside its `with` block, or in a forked child."""
    return StoreFault(
        "snapshot-ended",
        item,
        "the snapshot was left, its store closed, or it belongs to the parent of a forked process",
        "take a new snapshot",
    )


def snapshots_open(item: str) -> StoreFault:
    """The refusal to close a store whose snapshots lend out memory."""
    return StoreFault(
        "snapshots-open", item, "a snapshot of it is still open", "leave its `with` block first"
    )

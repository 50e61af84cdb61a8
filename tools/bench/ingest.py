"""What goes into a log: statements of one record, bound by their signatures, and statements of many, bound by hashing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

import lmdb
from nacl.bindings import crypto_sign_open

from ledger.log.commit import recompute
from ledger.log.writer import LogWriter, Submission
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.checkpoint import Checkpoint
from ledger.statements.alike import RecordDecoder
from ledger.store.contract import Batch, Store
from ledger.store.head import decode_head
from ledger.store.index import prefix
from ledger.store.lmdb import LmdbStore
from tools.bench.measure import Row, Settings, Turns, rate_row, seconds, take_turns
from tools.bench.scene import (
    Maker,
    disk_log,
    empty_folder,
    require_appended,
    signed_messages,
    verify_all,
)

SINGLE_TARGET: Final = 0.5
BULK_TARGET: Final = 0.12
_COMMIT: Final = 1_000  # statements of one record a commit
_BULK: Final = 4_096  # records of one statement
_BUNDLE: Final = 256
_BARE_MAP_BYTES: Final = 2**32


def bench_single(settings: Settings) -> list[Row]:
    """One record a statement, verified and durable, against raw verification of the same bytes on as many threads.

    One signer, one lane: the records differ in content alone, as those of one pipeline do.
    """
    rows = []
    for threads in (1, 2):
        turns = _single(settings, threads)
        name = f"ingest-single, {threads} thread{'s' if threads > 1 else ''}"
        rows.append(rate_row(name, turns, ("statements/s", "verifications/s"), SINGLE_TARGET))
    return rows


def _single(settings: Settings, threads: int) -> Turns:
    commits, commit = settings.pick(3, 1), settings.pick(_COMMIT, 50)
    messages: list[bytes] = []
    with disk_log(settings.folder, "single") as world, ThreadPoolExecutor(threads) as pool:
        maker = Maker(world)
        executor = pool if threads > 1 else None

        def ours() -> float:
            submissions = maker.submissions(commits * commit, 1)
            messages[:] = signed_messages(submissions)
            groups = [submissions[at : at + commit] for at in range(0, len(submissions), commit)]
            answers: list[Any] = []
            took_s = seconds(lambda: answers.extend(world.writer.append(group, executor) for group in groups))
            require_appended(list(chain.from_iterable(answers)))
            return len(submissions) / took_s

        def limit() -> float:
            shares = [messages[part::threads] for part in range(threads)]
            run = pool.map if threads > 1 else map
            return len(messages) / seconds(
                lambda: list(run(lambda share: verify_all(share, maker.public_key), shares))
            )

        return take_turns(settings.pick(7, 1), ours, limit)


def bench_bulk(settings: Settings) -> list[Row]:
    """4,096 records a statement, a statement a commit, against the bare loop over the same bytes."""
    statements, each = settings.pick(4, 1), settings.pick(_BULK, 512)
    batch: list[Submission] = []
    before: list[Checkpoint] = []
    with disk_log(settings.folder, "bulk") as world:
        maker = Maker(world)
        bare = _Bare(empty_folder(settings.folder, "bare"), maker.public_key)

        def ours() -> float:
            batch[:] = maker.submissions(statements, each)
            took_s = 0.0
            for submission in batch:
                before[:] = [world.writer.checkpoint] if world.writer.checkpoint else []
                took_s += seconds(partial(_append, world.writer, submission))
            return statements * each / took_s

        def limit() -> float:
            messages = signed_messages(batch)
            took_s = sum(
                seconds(partial(bare.append, message, records))
                for message, (_entry, records) in zip(messages, batch, strict=True)
            )
            return statements * each / took_s

        turns = take_turns(settings.pick(7, 1), ours, limit)
        bare.close()
        row = rate_row("ingest-bulk", turns, ("records/s", "records/s, bare loop"), BULK_TARGET)
        shares = _shares(settings, world.store, batch[-1][1], before[0])
    note = ", ".join(f"{name} {took_s * turns.ours.middle / each:.0%}" for name, took_s in shares)
    return [replace(row, notes=(f"of its time {note} (each taken on its own, in the last statement)",))]


def _append(writer: LogWriter, submission: Submission) -> None:
    require_appended(writer.append([submission]))


class _Bare:
    """Signed records into LMDB with nothing checked but the signature: no parsing, no index, no second path."""

    def __init__(self, folder: Path, public_key: bytes) -> None:
        self._environment = lmdb.open(str(folder), map_size=_BARE_MAP_BYTES)
        self._public_key = public_key
        self._bundles = 0

    def append(self, message: bytes, records: Sequence[bytes]) -> bytes:
        """One verification, the RFC 6962 root, bundles and tile rows in one synced transaction."""
        sha256 = hashlib.sha256
        crypto_sign_open(message, self._public_key)
        leaves = [sha256(b"\0" + record).digest() for record in records]
        level = leaves
        while len(level) > 1:
            nodes = iter(level)
            level = [sha256(b"\1" + left + right).digest() for left, right in zip(nodes, nodes, strict=True)]
        with self._environment.begin(write=True) as txn:
            for at in range(0, len(records), _BUNDLE):
                bundle = b"".join(
                    len(record).to_bytes(2, "big") + record for record in records[at : at + _BUNDLE]
                )
                number = self._bundles.to_bytes(8, "big")
                txn.put(b"r" + number, bundle)
                txn.put(b"t" + number, b"".join(leaves[at : at + _BUNDLE]))
                self._bundles += 1
            txn.put(b"root", level[0])
        return level[0]

    def close(self) -> None:
        self._environment.close()


def _shares(
    settings: Settings, store: Store, records: Sequence[bytes], before: Checkpoint
) -> list[tuple[str, float]]:
    """Seconds that the parts of the last statement's ingest take on their own."""
    with store.snapshot() as snapshot:
        head = decode_head(snapshot.head())
        second_path_s = seconds(lambda: recompute(snapshot, head, before, before.origin))
    decoder = RecordDecoder()
    decoded = [decoder.decode(record) for record in records]
    pairs = [
        (prefix(digest), position)
        for position, record in enumerate(decoded)
        for digest in (record.id, record.content)
    ]
    index = LmdbStore.create(empty_folder(settings.folder, "index"))
    index_s = seconds(lambda: index.commit(Batch(index=pairs), b"", b"head"))
    index.close()
    return [
        ("parsing", seconds(lambda: [decoder.decode(record) for record in records])),
        ("hashing", seconds(lambda: root_of([hash_leaf(record) for record in records]))),
        ("index", index_s),
        ("second path", second_path_s),
    ]

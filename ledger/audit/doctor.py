"""Local health of a ledger's folder: quick looks and samples, each with what would mend it. `audit` is the whole truth.

The doctor only reads. Each check stands alone, so that one that fails hides none of the others; what keeps a check from
being made is itself a finding.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from ledger.audit.finding import Finding
from ledger.audit.rows import examine_rows
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.merkle import tiles
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import hash_leaf, verify_inclusion
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.spec import CLOCK_AHEAD_MAX_S, HASH_BYTES, TILE_HEIGHT, TILE_WIDTH
from ledger.statements.entry import decode_entry
from ledger.statements.record import decode_record
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.contract import Snapshot, Store
from ledger.store.datafile import check_data_file
from ledger.store.folder import Marker, open_folder
from ledger.store.head import Head, decode_head
from ledger.store.lock import LOCK_FILE, WriterLock
from ledger.store.mounts import refuse_network
from ledger.store.reader import StoreReader
from ledger.store.rows_file import RowsFolder

DISK_FREE_LEAST_BYTES: Final = 1_073_741_824  # below this a commit may soon fail
RECORDS_SAMPLED: Final = 256
ENTRIES_SAMPLED: Final = 64
DATA_FILE: Final = "data.mdb"

_FINISH: Final = "Open the ledger for writing: it finishes what was begun."
_AUDIT: Final = "Run `lineage audit` on the folder; if it finds damage, restore a backup."


def doctor(
    folder: Path, open_store: Callable[[], Store], now_ms: int, extra: Iterable[Finding] = ()
) -> list[Finding]:
    """Looks at the ledger in `folder`; `extra` are findings of the caller's own, such as of key files.

    `open_store` opens its store for reading, which is closed in the end; what it raises is a finding. `now_ms` is the caller's clock. Raises nothing that
    concerns the folder, save InvariantBroken.
    """
    findings: list[Finding] = []
    marker: Marker | None = None
    try:
        marker = open_folder(folder)
        findings.append(Finding("marker", ok=True, what=f"log {marker.origin}"))
    except (RefusedInput, StoreFault) as error:
        findings.append(_failed("marker", error))
    data_file = _data_file(folder)
    findings += [data_file, _file_system(folder), _disk_space(folder), _writer(folder)]
    if marker is not None and data_file.ok:  # what is damaged would end the process that maps it
        try:
            store = open_store()
        except (RefusedInput, StoreFault) as error:
            findings.append(_failed("store", error))
        else:
            try:
                with store.snapshot() as snapshot:
                    findings += _look_inside(snapshot, marker, RowsFolder(folder), now_ms)
            except StoreFault as error:
                findings.append(_failed("store", error))
            finally:
                store.close()
    return [*findings, *extra]


def _failed(name: str, error: LineageError) -> Finding:
    return Finding(name, ok=False, what=f"{error.item}: {error.reason}", fix=error.fix or _AUDIT)


def _data_file(folder: Path) -> Finding:
    try:
        size_bytes = check_data_file(folder / DATA_FILE, is_distrusted=True)
    except (RefusedInput, StoreFault) as error:
        return _failed("data file", error)
    return Finding("data file", ok=True, what=f"whole, {size_bytes} bytes")


def _file_system(folder: Path) -> Finding:
    try:
        refuse_network(folder)
    except RefusedInput as error:
        return _failed("file system", error)
    return Finding("file system", ok=True, what="local")


def _disk_space(folder: Path) -> Finding:
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding(
            "disk space", ok=False, what=f"it cannot be told ({error.strerror})", fix="Look to the disk."
        )
    if free < DISK_FREE_LEAST_BYTES:
        return Finding("disk space", ok=False, what=f"{free} bytes are free", fix="Free space on its disk.")
    return Finding("disk space", ok=True, what=f"{free} bytes are free")


def _writer(folder: Path) -> Finding:
    """Who writes now. The lock ends with its holder, so that there is none to be removed by hand."""
    name = "writer"
    if not os.path.lexists(folder / LOCK_FILE):
        return Finding(name, ok=True, what="none has written yet")
    lock = WriterLock(folder)
    holder = lock.holder()
    try:
        is_held = lock.is_held()
    except StoreFault as error:
        return _failed(name, error)
    return Finding(
        name, ok=True, what=f"process {holder or 'unknown'} is writing" if is_held else "none is writing"
    )


def _look_inside(snapshot: Snapshot, marker: Marker, rows: RowsFolder, now_ms: int) -> Iterator[Finding]:
    try:
        head = decode_head(bytes(snapshot.head()))
        if not head.note:
            yield Finding("head", ok=False, what="there is no signed checkpoint yet", fix=_FINISH)
            return
        checkpoint = open_checkpoint(head.note, [Vkey.parse(marker.vkey)])
    except (RefusedInput, StoreFault, ProofInvalid) as error:
        yield _failed("head", error)
        return
    yield _head(head, checkpoint)
    reader = StoreReader(snapshot)
    checks: list[tuple[str, Callable[[], Finding]]] = [
        ("clock", lambda: _clock(reader, checkpoint, now_ms)),
        ("digest index", lambda: _digest_index(reader, checkpoint)),
        ("inclusion", lambda: _inclusion(reader, checkpoint)),
    ]
    for name, check in checks:
        try:
            yield check()
        except (RefusedInput, StoreFault, ProofInvalid) as error:
            yield Finding(name, ok=False, what=f"{error.item}: {error.reason}", fix=_AUDIT)
    try:
        yield from examine_rows(reader, _closing_state(reader, checkpoint)["records"], rows)
    except (RefusedInput, StoreFault) as error:
        yield Finding("rows", ok=False, what=f"{error.item}: {error.reason}", fix=_AUDIT)


def _head(head: Head, checkpoint: Checkpoint) -> Finding:
    if head.size > checkpoint.size:
        return Finding(
            "head",
            ok=False,
            what=f"unfinished commit of entries [{checkpoint.size}, {head.size})",
            fix=_FINISH,
        )
    if head.size < checkpoint.size:
        return Finding(
            "head", ok=False, what=f"it says {head.size} of {checkpoint.size} signed entries", fix=_AUDIT
        )
    return Finding("head", ok=True, what=f"{head.size} entries and {head.records} records, signed")


def _closing_state(reader: StoreReader, checkpoint: Checkpoint) -> dict[str, int]:
    """The body of the last signed entry. Raises RefusedInput `state-wrong` if that is no state."""
    statement = decode_entry(reader.entry(checkpoint.size - 1)).statement
    if statement.type != "state":
        raise RefusedInput("state-wrong", f"entry {checkpoint.size - 1}", "the last signed entry is no state")
    return statement.body


def _clock(reader: StoreReader, checkpoint: Checkpoint, now_ms: int) -> Finding:
    behind_ms = _closing_state(reader, checkpoint)["time"] - now_ms
    if behind_ms > 0:
        return Finding(
            "clock",
            ok=False,
            what=f"this machine's clock is {behind_ms} ms behind the log's last entry",
            fix="Set the clock right. Until then "
            + (
                "nothing is appended: the log signs no time so far ahead."
                if behind_ms > CLOCK_AHEAD_MAX_S * 1_000
                else "new entries bear the time of the last one."
            ),
        )
    return Finding("clock", ok=True, what=f"the last commit is {-behind_ms} ms old")


def _digest_index(reader: StoreReader, checkpoint: Checkpoint) -> Finding:
    records = _closing_state(reader, checkpoint)["records"]
    sample = _spread(records, RECORDS_SAMPLED)
    for number in sample:
        item = reader.record(number)
        if isinstance(item, Erased):
            digests = {"id": item.leaf_hash}
        else:
            digests = {"id": hash_leaf(item), "content": decode_record(item).content}
        for name, digest in digests.items():
            if number not in reader.snapshot.positions(index.prefix(digest)):
                raise StoreFault(
                    "index-differs", f"record number {number}", f"the index does not find its {name}"
                )
    return Finding("digest index", ok=True, what=f"{len(sample)} of {records} records are found by it")


def _inclusion(reader: StoreReader, checkpoint: Checkpoint) -> Finding:
    size = checkpoint.size

    def read_tile(level: int, number: int) -> bytes:
        """A stored tile, at least as wide as the signed size asks, and of a length that a tile has."""
        tile = reader.tile(level, number)
        least = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - number * TILE_WIDTH)
        widths = (width for width in range(least, TILE_WIDTH + 1) if len(tile) == _tile_bytes(width))
        if next(widths, None) is None:
            raise StoreFault("tile-differs", f"tile {level}/{number}", f"{len(tile)} bytes are no tile here")
        return tile

    if tiles.root(read_tile, size) != checkpoint.root:
        raise StoreFault("tree-differs", "log tree", "the stored tiles do not have the signed root")
    paths = PathReader(read_tile, size)
    sample = _spread(size, ENTRIES_SAMPLED)
    for log_index in sample:
        leaf_hash = hash_leaf(reader.entry(log_index))
        verify_inclusion(leaf_hash, log_index, size, paths.inclusion_path(log_index), checkpoint.root)
    return Finding("inclusion", ok=True, what=f"{len(sample)} of {size} entries are under the signed root")


def _tile_bytes(width: int) -> int:
    return (2 * width - width.bit_count()) * HASH_BYTES


def _spread(count: int, most: int) -> list[int]:
    """At most `most` numbers of [0, count), evenly spaced, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [place * (count - 1) // (most - 1) for place in range(most)]

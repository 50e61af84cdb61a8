"""Publication: the log as static files that any web server can serve (SPEC §10.3, C2SP tlog-tiles).

What is published is the newest *signed* checkpoint; entries of a commit in flight are left out. Immutable files come
first, the checkpoint last, each whole or not at all; so whatever stops a publication leaves a folder that verifies at
the checkpoint it had, and the next one goes on from there. Nothing is written that does not hash to the signed root:
the last tile of every level is held to the checkpoint, each full one to its place in the level above, entries to their
leaf hashes.

C2SP lets a log delete a partial tile once the full one stands, and has clients fall back to it. So the partial ones go
before the checkpoint is written: a publication that was stopped still knows, by the old checkpoint, which they are.
One publication a folder at a time.

A bundle with erased records is not immutable (SPEC §8.2): where one is erased since it was published, each of its files is replaced,
partial ones too, and the sidecar of an erased record of rows is removed. That is done last: the checkpoint before need not know of the
notice, and under it the record would be missing. Whoever fetched the files before has them still.

Whoever serves the folder may be able to write in it, and must not thereby write or delete elsewhere as the operator:
nothing is done through a symbolic link below it, and only what a publication writes is removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.log.erasing import erased_records, is_anything_asked
from ledger.log.rows import rows_records
from ledger.log.view import LogView
from ledger.merkle import tiles
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.cosignatures import one_line_each
from ledger.proofs.note import Note, format_note, join_notes, parse_note
from ledger.proofs.rows import check_rows
from ledger.spec import HASH_BYTES, NOTE_BYTES_MAX, TILE_WIDTH
from ledger.statements.statement import log_id
from ledger.store.bundles import BUNDLE_BYTES_MAX, Erased, encode
from ledger.store.contract import Store
from ledger.store.cosigned import FOLDER as COSIGNED_FOLDER
from ledger.store.files import holds, read_regular, refuse_links, write_atomically
from ledger.store.head import decode_head
from ledger.store.reader import StoreReader
from ledger.store.rows_file import FOLDER as ROWS_FOLDER
from ledger.store.rows_file import RowsFolder
from ledger.store.static import CHECKPOINT_PATH, partial_width

ReadRecords = Callable[[int, int], list[bytes | Erased]]  # from which number to which
_FOLDERS = frozenset({"tile", "records", ROWS_FOLDER, COSIGNED_FOLDER})
_NOWHERE = "Publish into an empty folder, or one that does not exist."


@dataclass(frozen=True, slots=True)
class Published:
    """`size` entries and `records` records stand in the folder, of them `files_written` files by this publication.

    `rows_missing` records of rows stand there without their sidecar, which is not at hand, or damaged. `cosigned` older log
    checkpoints stand there with cosignatures. `told`: what was kept and does not hold, and was not published.
    """

    size: int
    records: int
    files_written: int
    rows_missing: int = 0
    cosigned: int = 0
    told: tuple[str, ...] = ()


def publish(
    store: Store, vkey: Vkey, folder: Path, rows: RowsFolder | None = None, cosigned: Sequence[Note] = ()
) -> Published:
    """Brings `folder` to the newest signed checkpoint of the log under `vkey`; made if absent. `rows`: the ledger's sidecars.

    `cosigned`: notes of this log's checkpoints with cosignatures, each signed by `vkey`; those of later ones are left out.

    Raises RefusedInput `checkpoint-missing` (nothing is signed yet), `wrong-log` and `folder-not-empty` (the folder
    is not this log's), `published-ahead` (it is, and newer); ProofInvalid `consistency-invalid` (its checkpoint
    is another history under the same key, or a cosigned note is); StoreFault; InvariantBroken `tree-differs` (the store does not hash to what was signed).
    """
    with store.snapshot() as snapshot:
        head = decode_head(bytes(snapshot.head()))
        if not head.note:
            raise RefusedInput(
                "checkpoint-missing", "ledger", "it has no signed checkpoint yet", "Open it for writing once."
            )
        checkpoint = open_checkpoint(head.note, [vkey])
        reader = StoreReader(snapshot)
        tree = _Tree(reader, checkpoint)
        old = _published(folder, vkey, encode(reader.entry(0)))
        _require_extension(tree, old, folder)

        def records_before(log_index: int) -> int:
            return head.records if log_index >= head.size else reader.record_start(log_index)

        out = _Folder(folder)
        old_size = old.size if old else 0
        for level, number, width in tiles.tiles_between(old_size, checkpoint.size):
            row = tree.row(level, number, width)
            if level == 0:
                start = number * TILE_WIDTH
                entries = list(reader.entries(start, start + width))
                if b"".join(map(hash_leaf, entries)) != row:
                    raise _differs(f"entries [{start}, {start + width}) do not have the hashes of their tile")
                out.put_bundle("tile/entries", number, entries)
            out.put(tiles.tile_path(level, number, width), row)
            out.drop_partials(tiles.tile_path(level, number, TILE_WIDTH), width)
        records = records_before(checkpoint.size)
        for _, number, width in _bundles_between(records_before(old_size) if old else 0, records):
            start = number * TILE_WIDTH
            out.put_bundle("records", number, list(reader.records(start, start + width)))
        view, missing = None, 0
        if rows is not None or is_anything_asked(reader, checkpoint.size):
            view = LogView(snapshot, head.note, checkpoint, log_id(str(vkey)))
        if view is not None and rows is not None:
            missing = sum(not out.put_rows(rows, item.record.id) for item in rows_records(view))
        note, older = _cosigned(head.note, checkpoint, cosigned, tree, vkey)
        for size, data in older.items():
            out.put(f"{COSIGNED_FOLDER}/{size}", data, replace=True)
        out.finish(note)
        if view is not None:
            _replace_erased(out, view, reader, records)
        return Published(checkpoint.size, records, out.written, missing, len(older))


def _replace_erased(out: _Folder, view: LogView, reader: StoreReader, records: int) -> None:
    """What was published of records that are erased by now, and their sidecars."""

    def read(start: int, stop: int) -> list[bytes | Erased]:
        return list(reader.records(start, stop))

    for artifact_id, numbers in erased_records(view).items():
        for number in {each // TILE_WIDTH for each in numbers}:
            out.replace_bundles(number, read, records)
        out.drop_rows(artifact_id)


def _cosigned(
    head_note: bytes, head: Checkpoint, notes: Iterable[Note], tree: _Tree, vkey: Vkey
) -> tuple[bytes, dict[int, bytes]]:
    """The head's note with the lines known of it, and the older ones by size. Of each key one line: more some readers refuse.

    Of the head it is the latest line, which tells how fresh it is; of an older one the earliest, which tells an age.
    """
    note = head_note
    older = {}
    for each in notes:
        checkpoint = Checkpoint.parse(each.text)
        if checkpoint.size > tree.size:
            continue
        if tree.root(checkpoint.size) != checkpoint.root:
            raise ProofInvalid(
                "consistency-invalid",
                f"cosigned log checkpoint of {checkpoint.size:,} entries",
                "it has another root than this ledger had at that size, and the log signed it",
                "Nothing was published under it. Keep it: it and this ledger are two views of one log.",
            )
        if checkpoint == head:
            joined = join_notes([parse_note(head_note), each])
            note = format_note(one_line_each(joined, vkey, latest=True)).encode()
        else:
            older[checkpoint.size] = format_note(one_line_each(each, vkey, latest=False)).encode()
    return note, older


def _bundles_between(old: int, new: int) -> Iterable[tuple[int, int, int]]:
    return (place for place in tiles.tiles_between(old, new) if place[0] == 0)


def _differs(reason: str) -> InvariantBroken:
    return InvariantBroken(
        "tree-differs",
        "publication",
        reason,
        "Nothing more was published. Run `lineage audit` on the ledger.",
    )


class _Tree:
    """The store's tiles under a signed checkpoint, each row checked before it is given out."""

    def __init__(self, reader: StoreReader, checkpoint: Checkpoint) -> None:
        self._reader = reader
        self.size = checkpoint.size

        def last_tile(level: int, number: int) -> bytes:
            width = min(TILE_WIDTH, (checkpoint.size >> 8 * level) - number * TILE_WIDTH)
            return tiles.expand(_split(self._cut(level, number, width)))

        if tiles.root(last_tile, checkpoint.size) != checkpoint.root:
            raise _differs(f"the tiles at size {checkpoint.size} do not have the root that was signed")

    def root(self, size: int) -> bytes:
        """The root of the first `size` entries."""
        return tiles.root(self._reader.tile, size)

    def row(self, level: int, number: int, width: int) -> bytes:
        """The first `width` hashes of a tile. InvariantBroken `tree-differs` unless a full one is in the level above."""
        row = self._cut(level, number, width)
        if width == TILE_WIDTH:
            above = self._cut(level + 1, number // TILE_WIDTH, number % TILE_WIDTH + 1)
            if root_of(_split(row)) != above[-HASH_BYTES:]:
                raise _differs(f"tile {level}/{number} is not the one that the level above has")
        return row

    def _cut(self, level: int, number: int, width: int) -> bytes:
        row = tiles.row(self._reader.tile(level, number))[: width * HASH_BYTES]
        if len(row) != width * HASH_BYTES:
            raise _differs(f"tile {level}/{number} has fewer than {width} hashes")
        return row


def _split(row: bytes) -> list[bytes]:
    return [row[at : at + HASH_BYTES] for at in range(0, len(row), HASH_BYTES)]


def _published(folder: Path, vkey: Vkey, genesis: bytes) -> Checkpoint | None:
    """The checkpoint that stands in the folder already; None if it is empty, or a first publication was stopped.

    What a stopped one left is ours if its first entry is `genesis`, with its length before it.
    """
    try:
        note = read_regular(folder / CHECKPOINT_PATH, NOTE_BYTES_MAX)
    except StoreFault as error:
        if error.code != "file-not-found":
            raise
        names = {found.name for found in folder.iterdir()} if folder.is_dir() else set()
        refuse_links(folder, "tile/entries/000.p")
        entries = folder / "tile" / "entries"
        begun = [
            path for path in (entries / "000", *(entries / "000.p").glob("[1-9]*")) if os.path.lexists(path)
        ]
        foreign = not all(read_regular(path, BUNDLE_BYTES_MAX).startswith(genesis) for path in begun)
        if foreign or not {name for name in names if not name.endswith(".tmp")} <= _FOLDERS:
            raise RefusedInput(
                "folder-not-empty", str(folder), "it holds files that are not this log's", _NOWHERE
            ) from None
        return None
    try:
        return open_checkpoint(note, [vkey])
    except ProofInvalid as error:
        raise RefusedInput(
            "wrong-log", str(folder), f"its checkpoint is not this log's: {error.reason}", _NOWHERE
        ) from error


def _require_extension(tree: _Tree, old: Checkpoint | None, folder: Path) -> None:
    if old is None:
        return
    if old.size > tree.size:
        raise RefusedInput(
            "published-ahead",
            str(folder),
            f"it was published at size {old.size}, this ledger is signed up to {tree.size}",
            "The ledger is an old copy: restore the newer one. Publishing it would show two views of one log.",
        )
    if tree.root(old.size) != old.root:
        raise ProofInvalid(
            "consistency-invalid",
            str(folder),
            f"its checkpoint of size {old.size} has another root than this ledger had at that size",
            "Keep both: they are two views of one log. " + _NOWHERE,
        )


class _Folder:
    """The files of one publication."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._touched: set[Path] = set()
        self.written = 0

    def put(self, path: str, data: bytes, *, replace: bool = False) -> None:
        """Writes a file unless it stands already; other bytes under the same name are refused unless `replace`."""
        refuse_links(self._folder, path)
        target = self._folder / path
        if not os.path.lexists(target) or (replace and not holds(target, data)):
            self.written += 1
        self._touched.add(target.parent)
        write_atomically(target, data, replace=replace)

    def put_bundle(self, kind: str, number: int, items: list[bytes] | list[bytes | Erased]) -> None:
        """A bundle of 1..256 items; one with erased records may take the place of the one that had them.

        Its partial ones go with `replace_bundles`: until the checkpoint is written they are what the old one stands for.
        """
        erased = any(isinstance(item, Erased) for item in items)
        data = b"".join(map(encode, items))
        self.put(tiles.bundle_path(kind, number, len(items)), data, replace=erased)
        if not erased:
            self.drop_partials(tiles.bundle_path(kind, number, TILE_WIDTH), len(items))

    def replace_bundles(self, number: int, read: ReadRecords, records: int) -> None:
        """A bundle of records of which some are erased by now, in every width that stands: none may hold them any longer."""
        start = number * TILE_WIDTH
        full = tiles.bundle_path("records", number, TILE_WIDTH)
        if os.path.lexists(self._folder / full):
            self.drop_partials(full, TILE_WIDTH)
        refuse_links(self._folder, f"{full}.p")
        partials = self._folder / f"{full}.p"
        widths = {partial_width(each.name) for each in partials.iterdir()} if partials.is_dir() else set()
        for width in sorted((widths | {TILE_WIDTH}) - {0}):
            path = tiles.bundle_path("records", number, width)
            if start + width > records or not os.path.lexists(self._folder / path):
                continue
            data = b"".join(map(encode, read(start, start + width)))
            if not holds(self._folder / path, data):
                self.put(path, data, replace=True)

    def drop_rows(self, artifact_id: bytes) -> None:
        """The sidecar of an erased record goes."""
        self._touched.add(RowsFolder(self._folder).folder)
        self.written += RowsFolder(self._folder).destroy(artifact_id)

    def put_rows(self, rows: RowsFolder, artifact_id: bytes) -> bool:
        """A sidecar, unless it stands already; False if it is not at hand, or does not hash to its record."""
        published = RowsFolder(self._folder)
        path = published.path(artifact_id)
        refuse_links(self._folder, f"{ROWS_FOLDER}/{path.name}")
        if not os.path.lexists(path):
            try:
                with rows.open(artifact_id) as sidecar:
                    check_rows(artifact_id, sidecar)
                    published.copy(artifact_id, sidecar)
            except (StoreFault, ProofInvalid) as error:
                if error.code not in ("rows-missing", "rows-damaged", "rows-differ"):
                    raise
                return False
            self.written += 1
        self._touched.add(path.parent)
        return True

    def drop_partials(self, full_path: str, width: int) -> None:
        """Removes the partial files of a tile or bundle whose full one stands; other files stay, and their folder."""
        if width < TILE_WIDTH:
            return
        refuse_links(self._folder, f"{full_path}.p")
        partials = self._folder / f"{full_path}.p"
        if not partials.is_dir():
            return
        for found in list(partials.iterdir()):
            if partial_width(found.name) or _is_half_written(found):
                _remove(found)
        _remove(partials)

    def finish(self, note: bytes) -> None:
        """The checkpoint, when all that it signs is there; and what a publication that was killed left half written."""
        for folder in self._touched | {self._folder}:
            for found in filter(_is_half_written, list(folder.glob(".*.tmp"))):
                _remove(found)
        self.put(CHECKPOINT_PATH, note, replace=True)


def _is_half_written(path: Path) -> bool:
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _remove(path: Path) -> None:
    """Removes a regular file or an empty folder; nothing else."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            path.unlink()
        elif stat.S_ISDIR(mode) and not any(path.iterdir()):
            path.rmdir()
    except OSError as error:
        raise StoreFault("store-failed", str(path), f"it cannot be removed ({error.strerror})") from error

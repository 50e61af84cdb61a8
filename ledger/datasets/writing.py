"""Writes the rows that are kept of a segment, in the part's own format and order.

| format | what is written |
|---|---|
| JSON Lines, text, CSV | the very bytes of each row that is kept, its line's end too; of CSV the header before them; packed anew where the part is packed |
| Parquet | the same columns, types, metadata, compression; row groups of as many rows, or of fewer where they would fill the memory |
| Arrow | the same columns, types, metadata, compression, as the file or stream that it is; record batches as they were, without the rows that are not kept |
| folder of files | copies: a link would change with the input when somebody writes to that |

The part is read once more, and has to be the file that was looked at: its fingerprint and the number of its rows are compared. What is written is a
*piece*, whole under its name or not there; a piece of no rows is a file of no bytes, whatever the format.
"""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from ledger.datasets.arrow import ArrowReader
from ledger.datasets.arrow_values import EXTRA
from ledger.datasets.batches import Table, open_table
from ledger.datasets.files import Fingerprint, RegularFile, file_changed
from ledger.datasets.formats import ARROW, CSV, FILES, GZIP, LINES, PARQUET, TSV, Format
from ledger.datasets.line_formats import TooLong, line_format
from ledger.datasets.outputs import sync_folder, sync_tree, told, writing
from ledger.datasets.parquet_join import join
from ledger.datasets.parquet_reader import ParquetReader
from ledger.datasets.row_files import FileEntry
from ledger.datasets.rows import too_big
from ledger.datasets.streams import Stream, zstd
from ledger.datasets.wanted import Wanted
from ledger.errors import InvariantBroken, StoreFault
from ledger.extras import load

_GZIP_LEVEL: Final = 6
_ZSTD_LEVEL: Final = 3
_GROUP_BYTES_MAX: Final = 67_108_864  # of rows that are held for one row group
_COPY_BYTES: Final = 1_048_576
_KERNEL_BYTES: Final = 268_435_456
_ROWS_SLICE: Final = 8_192


def write_segment(
    path: Path,
    format_: Format,
    fingerprint: Fingerprint,
    bounds: tuple[int, int],
    keep: bytes,
    target: Path,
    files: Sequence[FileEntry] = (),
) -> int:
    """Writes the piece of a segment with these bounds; `keep`: 1 for each row that is kept, 0 for each other. How many are kept.

    `files`: of a folder of files, those of the segment. Raises RefusedInput of the file, file-changed, too-large for a row that may not be kept;
    StoreFault output-failed.
    """
    kept = keep.count(1)
    if kept + keep.count(0) != len(keep):
        raise InvariantBroken("bug", "rows to keep", "a row is neither kept nor left out")
    if not kept:
        with writing(target):
            pass
        return 0
    if format_.name == FILES:
        _copy_files(path, compress(files, keep), target)
    elif format_.name in LINES:
        _write_lines(path, format_, fingerprint, bounds, keep, target)
    else:
        _write_table(path, format_, fingerprint, bounds, keep, target)
    return kept


def write_empty(path: Path, format_: Format, fingerprint: Fingerprint, target: Path) -> None:
    """A file of the part's format and columns without any row. Raises as `write_segment`."""
    if format_.name in LINES:
        with RegularFile(path) as file, writing(target) as out:
            file.check_is(fingerprint)
            with _packed(out, format_.packing) as sink:
                if format_.name in (CSV, TSV):
                    stream = Stream(file, format_.packing)
                    sink.write(line_format(format_.name, Wanted(None), stream.read).header)
        return
    table = open_table(os.fspath(path), fingerprint, format_.name, None)
    try:
        with writing(target) as out, table_writer(table, out):
            pass
    finally:
        table.close()


def _write_lines(
    path: Path, format_: Format, fingerprint: Fingerprint, bounds: tuple[int, int], keep: bytes, target: Path
) -> None:
    with RegularFile(path) as file, writing(target) as out, _packed(out, format_.packing) as sink:
        file.check_is(fingerprint)
        read = Stream(file, format_.packing).read
        if format_.packing is None and format_.name not in (CSV, TSV):
            read = _Between(file, *bounds).read
        rows = line_format(format_.name, Wanted(None), read)
        sink.write(rows.header)
        at = 0
        for block in rows.blocks(read):
            if isinstance(block, TooLong):
                if not block:
                    if keep[at : at + 1] == b"\1":
                        raise too_big()
                    at += 1
                continue
            lines = list(rows.rows(block))
            flags = keep[at : at + len(lines)]
            at += len(lines)
            kept = flags.count(1)
            sink.write(block if kept == len(lines) else b"".join(compress(lines, flags)))
        if at != len(keep):
            raise file_changed(path)
        file.check_is(fingerprint)


class _Between:
    """Reads bytes [start, stop) of a file."""

    def __init__(self, file: RegularFile, start: int, stop: int) -> None:
        self._file = file
        self._at = start
        self._stop = stop

    def read(self, size: int) -> bytes:
        found = self._file.read_at(self._at, min(size, self._stop - self._at))
        self._at += len(found)
        return found


@contextmanager
def _packed(out: IO[bytes], packing: str | None) -> Iterator[Any]:
    """Where to write so that it is packed; the same rows give the same bytes, whenever they are written."""
    if packing is None:
        yield out
    elif packing == GZIP:
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, out, mtime=0) as sink:
            yield sink
    else:
        library = zstd()
        parameter = library.CompressionParameter
        options = {parameter.compression_level: _ZSTD_LEVEL, parameter.checksum_flag: 1}
        with library.ZstdFile(out, "wb", options=options) as sink:
            yield sink
        if not out.tell():  # nothing was written, and no frame begun
            out.write(library.compress(b"", options=options))


def _write_table(
    path: Path, format_: Format, fingerprint: Fingerprint, bounds: tuple[int, int], keep: bytes, target: Path
) -> None:
    if len(keep) != bounds[1] - bounds[0]:
        raise file_changed(path)
    table = open_table(os.fspath(path), fingerprint, format_.name, None)
    arrow = load("pyarrow", EXTRA)
    try:
        with writing(target) as out, table_writer(table, out) as add:
            at = 0
            for batch in table.batches(*bounds):
                for start in range(0, batch.num_rows, _ROWS_SLICE):
                    part = batch.slice(start, _ROWS_SLICE)
                    flags = keep[at : at + part.num_rows]
                    at += part.num_rows
                    kept = flags.count(1)
                    if kept == len(flags):
                        add(part)
                    elif kept:
                        mask = arrow.Array.from_buffers(
                            arrow.uint8(), len(flags), [None, arrow.py_buffer(flags)]
                        )
                        add(part.filter(mask.cast(arrow.bool_())))
    finally:
        table.close()


@contextmanager
def table_writer(table: Table, out: IO[bytes]) -> Iterator[Any]:
    """A function that adds a record batch to a file like the table. Raises OSError; StoreFault output-failed."""
    try:
        with _writer(table, out) as add:
            yield add
    except load("pyarrow", EXTRA).ArrowException as error:  # what is read is told otherwise
        raise StoreFault(
            "output-failed",
            "table",
            f"pyarrow cannot write it ({error})",
            "Write the dataset anew with columns that Parquet and Arrow have in common",
        ) from error


@contextmanager
def _writer(table: Table, out: IO[bytes]) -> Iterator[Any]:
    if isinstance(table, ParquetReader):
        with _ParquetWriter(table, out) as writer:
            yield writer.add
    elif isinstance(table, ArrowReader):
        ipc = load("pyarrow.ipc", EXTRA)
        options = ipc.IpcWriteOptions(compression=table.layout.codec)
        opener = ipc.new_stream if table.is_stream else ipc.new_file
        with opener(out, table.schema, options=options) as sink:
            yield sink.write_batch
    else:
        raise InvariantBroken("bug", "table", "it is of no kind that can be written")


class _ParquetWriter:
    """Writes record batches into row groups like those of a table."""

    def __init__(self, table: ParquetReader, out: IO[bytes]) -> None:
        self._arrow = load("pyarrow", EXTRA)
        self._schema = table.schema
        self._rows_max = max(table.group_rows, 1)
        self._writer = load("pyarrow.parquet", EXTRA).ParquetWriter(out, table.schema, **table.layout())
        self._held: list[Any] = []
        self._held_rows = self._held_bytes = 0

    def add(self, batch: Any) -> None:
        """One batch more."""
        while batch.num_rows:
            part = batch.slice(0, self._rows_max - self._held_rows)
            batch = batch.slice(part.num_rows)
            self._held.append(part)
            self._held_rows += part.num_rows
            self._held_bytes += part.nbytes
            if self._held_rows >= self._rows_max or self._held_bytes >= _GROUP_BYTES_MAX:
                self._write()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._write()
            self._writer.close()
        else:  # it has to be closed while its file is open; what it writes then is thrown away
            with suppress(Exception):
                self._writer.close()

    def _write(self) -> None:
        if self._held:
            group = self._arrow.Table.from_batches(self._held, self._schema)
            self._writer.write_table(group, row_group_size=self._held_rows)
        self._held, self._held_rows, self._held_bytes = [], 0, 0


def _copy_files(folder: Path, files: Iterator[FileEntry], target: Path) -> None:
    """Copies files into a folder, which takes its name when all are there."""
    with told(target), ExitStack() as stack:
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        temporary.mkdir(parents=True)
        stack.callback(shutil.rmtree, temporary, ignore_errors=True)
        for entry in files:
            place = temporary / entry.name
            place.parent.mkdir(parents=True, exist_ok=True)
            with RegularFile(folder / entry.name) as file, place.open("xb") as copy:
                file.check_is(entry.fingerprint)
                for chunk in file.chunks():
                    copy.write(chunk)
                copy.flush()
                os.fsync(copy.fileno())
        sync_tree(temporary)
        if target.is_dir():  # of an earlier run
            shutil.rmtree(target)
        temporary.rename(target)
        stack.pop_all()
        sync_folder(target.parent)


def join_pieces(
    path: Path, format_: Format, fingerprint: Fingerprint, pieces: Sequence[Path], target: Path
) -> None:
    """Makes one file of the pieces of one part, none of which is of no rows, in their order. Raises as `write_segment`."""
    if format_.name == ARROW:
        like = open_table(os.fspath(path), fingerprint, format_.name, None)
        try:
            with writing(target) as out, table_writer(like, out) as add:
                for piece in pieces:
                    _add_piece(piece, format_, add)
        finally:
            like.close()
        return
    with writing(target) as out:
        if format_.name == PARQUET:
            rows = join(pieces, out)
            out.flush()
            _check_joined(out, rows, target)
            return
        for piece in pieces:
            with piece.open("rb") as file:
                _copy(file, out)


def _copy(file: IO[bytes], out: IO[bytes]) -> None:
    """Copies a file: within the system, as far as it can; then whatever is left."""
    out.flush()
    with suppress(AttributeError, OSError):  # another system, or two file systems that cannot
        while os.copy_file_range(file.fileno(), out.fileno(), _KERNEL_BYTES):
            pass
    file.seek(os.lseek(file.fileno(), 0, os.SEEK_CUR))  # both stand behind what was copied
    shutil.copyfileobj(file, out, _COPY_BYTES)


def _check_joined(out: IO[bytes], rows: int, target: Path) -> None:
    """What was joined opens, and says how many rows it has."""
    parquet, arrow = load("pyarrow.parquet", EXTRA), load("pyarrow", EXTRA)
    try:
        found = parquet.read_metadata(out.name).num_rows
    except (OSError, arrow.ArrowException) as error:
        raise InvariantBroken("bug", str(target), f"what was joined is no Parquet ({error})") from error
    if found != rows:
        raise InvariantBroken("bug", str(target), f"{rows} rows were joined, and {found} are there")


def _add_piece(piece: Path, format_: Format, add: Any) -> None:
    with RegularFile(piece) as file:
        known = file.fingerprint
    table = open_table(os.fspath(piece), known, format_.name, None)
    try:
        for batch in table.batches(0, table.row_count):
            add(batch)
    finally:
        table.close()

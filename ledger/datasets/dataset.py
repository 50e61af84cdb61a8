"""A dataset: the parts that a name means, in order, and their rows.

    dataset = open_dataset("data/")                      # or a file, a pattern, several of them
    for row in dataset.rows("text", ("lineage_id",)):    # strict; lenient=True yields FaultyRow for a row that is none
        row.row_index, row.content, row.form, row.cells

A *part* is one file (or one folder of files that are rows). Row indices run on over the parts in order. Opening looks at every part and reads of them no more than
what says how they are laid out (Parquet's footer, Arrow's messages, the header of CSV). A part is known by its fingerprint: whoever reads it later, in
this process or another, refuses it (`file-changed`) if it was written to, or if another file took its place.

A part falls into *segments*, the pieces in which a gate works and can go on: a run of whole lines, of row groups, of record batches or of files, of about
`spec.SEGMENT_BYTES`. What must be unpacked from its beginning on, or be searched for the ends of its rows (packed files, CSV, Arrow streams), is one segment.

What is in memory (rows of Hugging Face's `datasets`, any iterable of mappings) is no dataset of parts: see `ledger.datasets.memory`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

from ledger import spec
from ledger.datasets.batches import open_table
from ledger.datasets.files import Fingerprint, RegularFile, printable
from ledger.datasets.formats import CSV, FILES, LINES, TABLES, TEXT, TSV, Format, format_of
from ledger.datasets.line_formats import read_format
from ledger.datasets.naming import Found, Pattern, RowFiles, could_match, names_of, partition_of, resolve
from ledger.datasets.reading import AnyRow, read_part
from ledger.datasets.row_files import FileEntry, digest_file, fingerprint_of
from ledger.datasets.rows import column_missing, dataset_empty
from ledger.datasets.streams import Stream, line_end
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

_NOTHING: Final = Wanted(None)


class Segment(NamedTuple):
    """A piece of a part: bytes [start, stop) that whole lines fill; of a table, its rows; of a folder of files, those files."""

    part: int
    number: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a dataset, or one folder of files that are rows.

    `name`: where it lies in the dataset, with `/`. `partition`: the cells that its folders' names tell. `columns`: their names and its own, None where only
    its rows say them. `row_count`: None where it takes reading. `ends`: where a table's row groups or record batches end, in rows.
    """

    number: int
    path: Path
    name: str
    format: Format
    fingerprint: Fingerprint
    partition: Mapping[str, str | None]
    columns: tuple[str, ...] | None = None
    row_count: int | None = None
    ends: tuple[int, ...] = ()
    is_stream: bool = False  # an Arrow stream
    files: tuple[FileEntry, ...] = ()

    @property
    def size_bytes(self) -> int:
        """Its length; of a folder of files, theirs together."""
        return self.fingerprint.size_bytes

    @property
    def is_cut(self) -> bool:
        """Whether any of its rows can be gone to without reading those before."""
        plain = self.format.packing is None and self.format.name not in (CSV, TSV)
        return plain and not self.is_stream

    def wanted(self, column: str | None, cells: Sequence[str] = ()) -> Wanted:
        """What is wanted of its rows. Raises RefusedInput `column-missing` where the part itself says that it has no such column."""
        if column is not None and self.columns is not None and column not in self.columns:
            missing = column_missing(column, self.columns)
            raise RefusedInput(missing.code, printable(self.path), missing.reason, missing.fix)
        return Wanted(column, tuple(cells), self.partition)

    def rows(
        self, column: str | None, cells: Sequence[str] = (), *, lenient: bool = False, first_row: int = 0
    ) -> Iterator[AnyRow]:
        """Its rows in order; arguments and errors as of `read_part`, and `column-missing`."""
        return read_part(self, self.wanted(column, cells), lenient=lenient, first_row=first_row)

    def hash_file(self, index: int, before: bytes = b"") -> bytes:
        """SHA-256 of these bytes and the content of a row that is a file. Raises RefusedInput of the file."""
        entry = self.files[index]
        return digest_file(self.path / entry.name, entry.fingerprint, before)

    def begin_of_file(self, index: int, bytes_max: int) -> bytes:
        """The first bytes of a row that is a file. Raises RefusedInput of the file."""
        entry = self.files[index]
        with RegularFile(self.path / entry.name) as file:
            file.check_is(entry.fingerprint)
            return file.read_at(0, min(bytes_max, entry.fingerprint.size_bytes))

    def segments(self, segment_bytes: int = spec.SEGMENT_BYTES) -> list[Segment]:
        """Its pieces, in order. Raises RefusedInput of the file, which is looked at where two pieces of lines meet."""
        if not self.is_cut:
            stop = self.size_bytes if self.row_count is None else self.row_count
            return [Segment(self.number, 0, 0, stop)]
        if self.format.name == FILES:
            ends = _ends_of_files(self.files, segment_bytes)
        elif self.format.name in TABLES:
            ends = _ends_of_groups(self, segment_bytes)
        else:
            ends = _ends_of_lines(self, segment_bytes)
        starts = [0, *ends[:-1]]
        return [Segment(self.number, at, *bounds) for at, bounds in enumerate(zip(starts, ends, strict=True))]


@dataclass(frozen=True, slots=True)
class Dataset:
    """The parts, in order. `is_tree`: what is written of it is a folder, with the parts' names; else one file.

    `hidden`, `companions`, `foreign`: how many names in folders were passed over (`naming.Meant`).
    """

    parts: tuple[Part, ...]
    is_tree: bool
    item: str  # how it is called in an error
    roots: tuple[Path, ...] = ()  # the folders that were named
    patterns: tuple[Pattern, ...] = ()
    hidden: int = 0
    companions: int = 0
    foreign: int = 0

    @property
    def size_bytes(self) -> int:
        """All parts."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def row_count(self) -> int | None:
        """All rows, None where it takes reading to know."""
        counts = [part.row_count for part in self.parts]
        return None if None in counts else sum(filter(None, counts))

    def could_hold(self, path: Path, *, is_folder: bool = False) -> bool:
        """Whether a file, or a folder of files, that comes to be there lies in the dataset, or over it."""
        real = Path(os.path.realpath(path))
        for place in (*(part.path for part in self.parts), *self.roots):
            known = Path(os.path.realpath(place))
            if real in (known, *known.parents) or (known.is_dir() and known in real.parents):
                return True
        return any(could_match(pattern, path, is_folder=is_folder) for pattern in self.patterns)

    def check_column(self, column: str | None) -> None:
        """Raises RefusedInput `column-missing` for the first part that says of itself that it has no such column."""
        for part in self.parts:
            part.wanted(column)

    def rows(
        self, column: str | None, cells: Sequence[str] = (), *, lenient: bool = False
    ) -> Iterator[AnyRow]:
        """The rows of all parts in order, their indices running on. Raises as `Part.rows`; column-missing before the first is read."""
        self.check_column(column)
        return self._rows(column, cells, lenient=lenient)

    def _rows(self, column: str | None, cells: Sequence[str], *, lenient: bool) -> Iterator[AnyRow]:
        row_index = 0
        for part in self.parts:
            for row in part.rows(column, cells, lenient=lenient, first_row=row_index):
                yield row
                row_index += 1

    def segments(self, segment_bytes: int = spec.SEGMENT_BYTES) -> list[Segment]:
        """All pieces, in order."""
        return [segment for part in self.parts for segment in part.segments(segment_bytes)]

    def state(self) -> bytes:
        """SHA-256 over names, formats, lengths and times of change of all its files: other whenever one of them was written to."""
        digest = hashlib.sha256()
        for part in self.parts:
            files = part.files or (FileEntry(part.name, part.fingerprint),)
            words = [part.name, *part.format, *(word for cell in part.partition.items() for word in cell)]
            numbers = [
                each for file in files for each in (file.fingerprint.size_bytes, file.fingerprint.mtime_ns)
            ]
            told = repr((words, numbers, [file.name for file in files]))
            digest.update(hashlib.sha256(told.encode("utf-8", "surrogatepass")).digest())
        return digest.digest()


def open_dataset(
    named: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    format_: str | None = None,
    folder_is: str | None = None,
    partitions: bool = True,
) -> Dataset:
    """What the names mean, looked at and not read.

    `format_`: one of `formats.NAMEABLE`, where the names do not say it; `folder_is`: `shards` or `files`; `partitions`: whether folders `key=value` are columns.

    Raises RefusedInput: those of `naming.resolve`, `format_of`, `RegularFile`, of the tables and CSV headers; dataset-empty for a part without rows, as far as
    that can be seen; NotFound file-not-found.
    """
    names = [named] if isinstance(named, (str, os.PathLike)) else list(named)
    meant = resolve(names, folder_is, format_)
    parts = []
    for number, (item, name) in enumerate(zip(meant.items, names_of(meant), strict=True)):
        if isinstance(item, RowFiles):
            parts.append(_folder(number, item, "" if len(meant.items) == 1 else name))
        else:
            cells = partition_of(item) if partitions else {}
            parts.append(_file(number, item, name, format_of(item.path, format_), cells))
    first = meant.items[0]
    is_tree = len(parts) > 1 or isinstance(first, RowFiles) or first.base is not None
    folders = [item.folder for item in meant.items if isinstance(item, RowFiles)]
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return Dataset(
        tuple(parts),
        is_tree,
        printable(names[0]) + more,
        tuple(dict.fromkeys([*meant.roots, *folders])),
        tuple(meant.patterns),
        meant.hidden,
        meant.companions,
        meant.foreign,
    )


def _folder(number: int, item: RowFiles, name: str) -> Part:
    entries = tuple(
        FileEntry(path.relative_to(item.folder).as_posix(), fingerprint_of(path)) for path in item.files
    )
    status = item.folder.stat()
    sizes = [entry.fingerprint.size_bytes for entry in entries]
    written, changed = (
        max(times) for times in zip(*(entry.fingerprint[-2:] for entry in entries), strict=True)
    )
    known = Fingerprint(status.st_dev, status.st_ino, sum(sizes), written, changed)
    return Part(number, item.folder, name, Format(FILES), known, {}, (), len(entries), files=entries)


def _file(number: int, item: Found, name: str, format_: Format, partition: Mapping[str, str | None]) -> Part:
    """One file as a part, looked at as far as it says how it is laid out."""
    with RegularFile(item.path) as file:
        part = Part(number, item.path, name, format_, file.fingerprint, partition)
        if not file.size_bytes:
            raise dataset_empty(printable(item.path))
        if format_.name in (CSV, TSV):
            names = read_format(item.path, format_.name, _NOTHING, Stream(file, format_.packing).read).names
            return replace(part, columns=_joined(names or (), part))
    if format_.name in LINES:
        return replace(part, columns=tuple(partition)) if format_.name == TEXT else part
    table = open_table(os.fspath(item.path), part.fingerprint, format_.name, _NOTHING)
    try:
        if not table.row_count:
            raise dataset_empty(printable(item.path))
        return replace(
            part,
            columns=_joined(table.names, part),
            row_count=table.row_count,
            ends=table.ends,
            is_stream=table.is_stream,
        )
    finally:
        table.close()


def _joined(names: tuple[str, ...], part: Part) -> tuple[str, ...]:
    return (*names, *(name for name in part.partition if name not in names))


def _ends_of_files(files: Sequence[FileEntry], segment_bytes: int) -> list[int]:
    return _ends([entry.fingerprint.size_bytes for entry in files], segment_bytes)


def _ends_of_groups(part: Part, segment_bytes: int) -> list[int]:
    """Row groups or record batches together, by what a row of the file takes on average."""
    rows = part.row_count or 1
    starts = (0, *part.ends[:-1])
    counts = [end - start for start, end in zip(starts, part.ends, strict=True)]
    sizes = [count * part.size_bytes // rows for count in counts]
    return sorted({part.ends[end - 1] for end in _ends(sizes, segment_bytes)} - {0} | {rows})


def _ends(sizes: Sequence[int], segment_bytes: int) -> list[int]:
    """Where each run of items ends that has no more than so many bytes, or is one item."""
    ends, held = [], 0
    for at, size in enumerate(sizes):
        if held and held + size > segment_bytes:
            ends.append(at)
            held = 0
        held += max(size, 1)
    return [*ends, len(sizes)]


def _ends_of_lines(part: Part, segment_bytes: int) -> list[int]:
    """Where lines end, about so many bytes apart."""
    ends: list[int] = []
    with RegularFile(part.path) as file:
        file.check_is(part.fingerprint)
        at = segment_bytes
        while at < part.size_bytes:
            at = line_end(file, at - 1)
            if at >= part.size_bytes:
                break
            ends.append(at)
            at += segment_bytes
    return [*ends, part.size_bytes]

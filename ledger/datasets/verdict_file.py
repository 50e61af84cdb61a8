"""The verdict file: of every row of a judged dataset what became of it and why, as Parquet that any tool reads (SPEC §12.5).

    with writing_verdicts(piece) as add:                 # one piece: whole or not there
        add(VerdictBlock(row_index, digests, artifact_ids, outcomes, told))
    join_verdicts(pieces, target, about)                 # one file, with what all of it is about
    with open_verdicts(target) as verdicts:
        verdicts.about, verdicts.count
        for block in verdicts.blocks(): ...              # checked, one row group at a time
        verdicts.admitted_flags()                        # a byte a row: 1 admitted

A *block* is a run of rows. What is told of a row is told of many, so a block has each of these once (`told`), and for each row the number of its own.
In the file that is a dictionary of strings a row group; digests and ids lie plain. So a row is written, and read, as a few bytes that are moved, and no object is made of it.

The file comes from strangers too: it is read by `ledger.datasets.plain_parquet`, and nothing in it is believed but what is checked here: that the
rows are all there, in order, with words that a verdict can have. That they are the verdicts of a gate, a manifest says (`ledger.api.manifests`).
"""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets import outputs
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.parquet_join import join
from ledger.datasets.plain_parquet import BINARY, FIXED, INT64, OPTIONAL, PlainFile
from ledger.datasets.verdict_form import (
    CODE,
    COLUMNS,
    DIGEST_AT,
    KEY,
    LEVELS,
    NOTHING,
    ROW_REFUSED,
    VERDICT_AT,
    VERDICTS,
    VERSION,
    WORDS,
    Told,
    VerdictBlock,
    block_of,
    check_about,
    check_digests,
    digests_of,
    invalid,
    metadata_of,
    plain_file,
    reading,
    words_of,
)
from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput, StoreFault
from ledger.extras import load

__all__ = [
    "LEVELS",
    "NOTHING",
    "ROW_REFUSED",
    "VERDICTS",
    "Add",
    "Told",
    "VerdictBlock",
    "VerdictFile",
    "join_verdicts",
    "open_verdicts",
    "writing_verdicts",
]

EXTRA: Final = "parquet"
SCRATCH: Final = ".verdicts-"  # begins the name of a folder in which a verdict file is made
_SMALL_ROWS: Final = spec.VERDICT_GROUP_ROWS // 4  # pieces of fewer rows are written anew, several as one


class _Piece(NamedTuple):
    """A piece that was written, by what it says of itself."""

    path: Path
    first: int
    rows: int
    verdicts: dict[str, int]


Add = Callable[[VerdictBlock], None]


@contextmanager
def writing_verdicts(path: Path) -> Iterator[Add]:
    """A function that adds the next block to a piece, which takes its name when the block of code ends, in place of what was there.

    Raises RefusedInput `extra-missing`; StoreFault `output-failed`; InvariantBroken for blocks that do not follow each other.
    """
    pyarrow, parquet = load("pyarrow", EXTRA), load("pyarrow.parquet", EXTRA)
    options = {
        "compression": "none",
        "use_dictionary": WORDS,
        "dictionary_pagesize_limit": 2 * spec.VERDICT_GROUP_BYTES_MAX,  # never plain in the middle
        "data_page_size": 2 * spec.VERDICT_GROUP_BYTES_MAX,
        "write_statistics": False,
        "store_schema": False,
    }
    schema = _schema(pyarrow)
    with outputs.writing(path) as file, parquet.ParquetWriter(file, schema, **options) as sink:
        rows = _Rows(pyarrow, schema, sink)
        yield rows.add
        rows.flush()
        about = {"v": VERSION, "first": rows.first, "rows": rows.count, "verdicts": rows.verdicts}
        sink.add_key_value_metadata({KEY: json.dumps(about).encode()})


class _Rows:
    """Rows that come in blocks, and go into row groups."""

    def __init__(self, pyarrow: Any, schema: Any, sink: Any) -> None:
        self._arrow = pyarrow
        self._schema = schema
        self._sink = sink
        self.first = -1
        self.count = 0
        self.verdicts: Counter[str] = Counter()
        self._clear()

    def _clear(self) -> None:
        self._digests = bytearray()
        self._artifact_ids = bytearray()
        self._outcomes = array("I")
        self._told: dict[Told, int] = {}

    def add(self, block: VerdictBlock) -> None:
        """The rows behind those before."""
        rows = len(block.outcomes)
        if not len(block.digests) == len(block.artifact_ids) == rows * spec.HASH_BYTES:
            raise _bug("a block has other digests or ids than rows")
        if self.first < 0:
            self.first = block.row_index
        if block.row_index != self.first + self.count or block.row_index < 0:
            raise _bug(f"row {block.row_index} follows row {self.first + self.count - 1}")
        at = 0
        while at < rows:
            if len(self._outcomes) >= spec.VERDICT_GROUP_ROWS:
                self.flush()
            stop = min(rows, at + spec.VERDICT_GROUP_ROWS - len(self._outcomes))
            self._take(block, at, stop)
            at = stop
        self.count += rows

    def _take(self, block: VerdictBlock, start: int, stop: int) -> None:
        at, end = start * spec.HASH_BYTES, stop * spec.HASH_BYTES
        self._digests += memoryview(block.digests)[at:end]
        self._artifact_ids += memoryview(block.artifact_ids)[at:end]
        outcomes = block.outcomes[start:stop]
        places = {
            outcome: self._told.setdefault(block.told[outcome], len(self._told))
            for outcome in sorted(set(outcomes))
        }
        if any(outcome != place for outcome, place in places.items()):
            outcomes = array("I", map(places.__getitem__, outcomes))
        self._outcomes += outcomes

    def flush(self) -> None:
        """Closes the row group, if there is one."""
        rows = len(self._outcomes)
        if not rows:
            return
        told = [_checked(one) for one in self._told]
        try:
            check_digests(self._digests, self._outcomes, told)
        except ValueError as error:
            raise _bug(str(error)) from error
        for outcome, count in Counter(self._outcomes).items():
            self.verdicts[told[outcome].verdict] += count
        first = self.first + self.verdicts.total() - rows
        arrow = self._arrow
        index = self._fixed(arrow.int64(), rows, array("q", range(first, first + rows)))
        digests = self._fixed(arrow.binary(spec.HASH_BYTES), rows, self._digests)
        arrays = [index, digests, self._ids(rows)]
        outcomes = self._fixed(arrow.uint32(), rows, self._outcomes)
        arrays += [self._coded(words, outcomes) for words in zip(*told, strict=True)]
        table = arrow.Table.from_arrays(arrays, schema=self._schema)
        self._sink.write_table(table, row_group_size=rows)
        self._clear()

    def _fixed(self, type_: Any, rows: int, data: Any, present: Any = None) -> Any:
        return self._arrow.Array.from_buffers(type_, rows, [present, self._arrow.py_buffer(data)])

    def _ids(self, rows: int) -> Any:
        """The artifact ids; null where there is none."""
        type_ = self._arrow.binary(spec.HASH_BYTES)
        ids = self._fixed(type_, rows, self._artifact_ids)
        is_there = load("pyarrow.compute", EXTRA).not_equal(ids, self._arrow.scalar(NOTHING, type_))
        return self._fixed(type_, rows, self._artifact_ids, is_there.buffers()[1])

    def _coded(self, words: Sequence[str], outcomes: Any) -> Any:
        """A column of strings: each once, and for each row the number of its own."""
        places: dict[str, int] = {}
        numbers = array("i", (places.setdefault(word, len(places)) for word in words))
        by_row = self._fixed(self._arrow.int32(), len(numbers), numbers).take(outcomes)
        return self._arrow.DictionaryArray.from_arrays(by_row, self._arrow.array(list(places)))


def _checked(told: Told) -> Told:
    """What is written of it: a reason may be of any length and any text."""
    if told.verdict not in VERDICTS or told.level not in LEVELS or not CODE.fullmatch(told.code):
        raise _bug(f"nothing of a row can be told as {told[:3]!a}")
    why = told.why.encode("utf-8", "backslashreplace")
    if len(why) > spec.VERDICT_WHY_BYTES_MAX:
        why = why[: spec.VERDICT_WHY_BYTES_MAX - 3].decode("utf-8", "ignore").encode() + "\u2026".encode()
    return told._replace(why=why.decode())


def _schema(pyarrow: Any) -> Any:
    words = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    types = {INT64: pyarrow.int64(), BINARY: words, FIXED: pyarrow.binary(spec.HASH_BYTES)}
    return pyarrow.schema(
        pyarrow.field(column.name, types[column.type], nullable=column.repetition == OPTIONAL)
        for column in COLUMNS
    )


def join_verdicts(
    pieces: Sequence[Path],
    target: Path,
    about: Mapping[str, Any],
    *,
    replace: bool = False,
    scratch: Path | None = None,
) -> None:
    """Makes one file of the pieces of one run, in their order; they stay. `about`: what the file is about (SPEC §12.5); its counts are held against the pieces.
    `scratch`: a folder on the same file system in which it is made; None: beside `target`.

    Takes the memory of one piece's row group. Raises RefusedInput `file-exists` unless `replace`, `too-large` for the name of a column; StoreFault `output-failed`, also for a piece that is
    missing, damaged or does not follow the one before; InvariantBroken for an `about` that is none.
    """
    if not replace and os.path.lexists(target):
        raise outputs.file_exists(target)
    found = [_read_piece(piece) for piece in pieces]
    _check_pieces(found, about)
    column = about.get("column")
    if isinstance(column, str) and len(column) > spec.VERDICT_COLUMN_CHARS_MAX:
        raise RefusedInput(
            "too-large",
            "column",
            f"its name is longer than {spec.VERDICT_COLUMN_CHARS_MAX:,} characters",
            "Give the column a shorter name",
        )
    try:
        text = json.dumps(check_about(dict(about))).encode()
    except ValueError as error:
        raise _bug(f"of its metadata, {error}") from error
    with outputs.told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=scratch or target.parent) as folder:
            whole = Path(folder) / "whole"
            with outputs.writing(whole) as out:
                join(list(_regrouped(found, Path(folder))), out, {KEY: text})
            with open_verdicts(whole):
                pass  # what was joined is one
            if replace:
                whole.replace(target)
                outputs.sync_folder(target.parent)
            else:
                outputs.give_name(whole, target)


def _read_piece(path: Path) -> _Piece:
    try:
        with RegularFile(path) as file, reading(path):
            fields = metadata_of(plain_file(file))
            return _Piece(path, fields["first"], fields["rows"], dict(fields["verdicts"]))
    except (ProofInvalid, LookupError, TypeError) as error:
        raise _damaged(path, f"it is no piece of a verdict file ({error})") from error


def _check_pieces(pieces: Sequence[_Piece], about: Mapping[str, Any]) -> None:
    """All rows are there, and as many of each verdict as `about` says."""
    at = 0
    verdicts: Counter[str] = Counter()
    for piece in pieces:
        if piece.rows and piece.first != at:
            raise _damaged(
                piece.path, f"it begins with row {piece.first}, and the pieces before end at row {at}"
            )
        at += piece.rows
        verdicts.update(piece.verdicts)
    if at != about.get("count") or any(about.get(verdict) != verdicts[verdict] for verdict in VERDICTS):
        raise _bug(f"the pieces have {at} rows ({dict(verdicts)}), and its metadata says otherwise")


def _regrouped(pieces: Sequence[_Piece], folder: Path) -> Iterator[Path]:
    """The pieces; several small ones behind each other as one, so that what there is to know of a file does not grow with their number."""
    full = [piece for piece in pieces if piece.rows] or list(pieces[:1])
    for is_small, group in groupby(full, lambda piece: piece.rows < _SMALL_ROWS):
        run = list(group)
        if not is_small or len(run) == 1:
            yield from (piece.path for piece in run)
            continue
        gathered = folder / f"{run[0].first}"
        with writing_verdicts(gathered) as add:
            for piece in run:
                for block in _blocks(piece.path, piece.first):
                    add(block)
        yield gathered


def _blocks(path: Path, first: int) -> Iterator[VerdictBlock]:
    """The rows of a piece."""
    try:
        with RegularFile(path) as file, reading(path):
            plain = plain_file(file)
            for number in range(plain.group_count):
                block = block_of(plain, number, first)
                first += len(block.outcomes)
                yield block
    except ProofInvalid as error:
        raise _damaged(path, error.reason) from error


class VerdictFile:
    """A verdict file, open: what it is about, and its rows. Made by `open_verdicts`."""

    def __init__(self, file: RegularFile, plain: PlainFile, about: dict[str, Any]) -> None:
        self.path = file.path
        self.about = about
        self.fingerprint = file.fingerprint
        self._opened = file
        self._file = plain

    @property
    def count(self) -> int:
        """How many rows it says that it has."""
        return int(self.about["count"])

    def blocks(self) -> Iterator[VerdictBlock]:
        """All rows in order, a row group at a time. Raises ProofInvalid `verdicts-invalid` where something is wrong, at the end if rows are missing."""
        row_index = 0
        verdicts: Counter[str] = Counter()
        for number in range(self._file.group_count):
            with reading(self.path):
                block = block_of(self._file, number, row_index)
            for outcome, count in Counter(block.outcomes).items():
                verdicts[block.told[outcome].verdict] += count
            row_index += len(block.outcomes)
            yield block
        self._check_counts(verdicts)

    def check_unchanged(self) -> None:
        """Refuses the file if it was written to since it was opened. Raises RefusedInput `file-changed`."""
        self._opened.check_unchanged()

    def digests(self) -> Iterator[tuple[bytes, bytes]]:
        """For each row group its digests, 32 bytes a row, and what `admitted` says; of these two columns alone. Raises as `blocks`."""
        for number, flags in enumerate(self.admitted()):
            with reading(self.path):
                found = self._file.coded(number, DIGEST_AT).data
            yield found, flags

    def admitted(self) -> Iterator[bytes]:
        """For each row of a row group 1 if it was admitted, else 0; of that column alone. Raises as `blocks`."""
        verdicts: Counter[str] = Counter()
        for number in range(self._file.group_count):
            flags, counts = self._flags(number)
            verdicts.update(counts)
            yield flags
        self._check_counts(verdicts)

    def admitted_flags(self) -> bytes:
        """For each row 1 if it was admitted, else 0: a byte a row. Raises as `blocks`."""
        return b"".join(self.admitted())

    def group_ends(self) -> list[int]:
        """Where each row group ends, in rows."""
        return list(accumulate(map(self._file.row_count, range(self._file.group_count))))

    def group(self, number: int, row_index: int) -> tuple[bytes, bytes]:
        """Of one row group, whose first row has that index, the flags of `admitted` and the digests, 32 bytes a row. Raises ProofInvalid `verdicts-invalid`."""
        flags, _ = self._flags(number)
        with reading(self.path):
            return flags, digests_of(self._file, number, row_index)

    def _flags(self, number: int) -> tuple[bytes, Counter[str]]:
        """For each row of a row group 1 if it was admitted, else 0; and how many rows have each verdict."""
        with reading(self.path):
            column = self._file.coded(number, VERDICT_AT)
            words = words_of(column, VERDICT_AT)
            flags = bytes(word == "admitted" for word in words)
            found = bytes(map(flags.__getitem__, column.numbers))
        verdicts: Counter[str] = Counter()
        for place, count in Counter(column.numbers).items():
            verdicts[words[place]] += count
        return found, verdicts

    def _check_counts(self, verdicts: Counter[str]) -> None:
        if any(verdicts[verdict] != self.about[verdict] for verdict in VERDICTS):
            raise invalid(
                self.path,
                f"its metadata says how many rows have each verdict, and these are others: {dict(verdicts)}",
            )


@contextmanager
def open_verdicts(path: str | os.PathLike[str]) -> Iterator[VerdictFile]:
    """A verdict file whose form and metadata are looked at. Raises ProofInvalid `verdicts-invalid`; NotFound and RefusedInput as `RegularFile`."""
    with RegularFile(path) as file:
        with reading(file.path):
            plain = plain_file(file)
            about = check_about(metadata_of(plain))
            rows = sum(map(plain.row_count, range(plain.group_count)))
            if rows != about["count"]:
                raise ValueError(f"it says that it has {about['count']:,} rows, and there are {rows:,}")
        yield VerdictFile(file, plain, about)


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault(
        "output-failed", printable(path), reason, "Take the piece away, and run the same command again"
    )


def _bug(reason: str) -> InvariantBroken:
    return InvariantBroken("bug", "verdict file", reason)

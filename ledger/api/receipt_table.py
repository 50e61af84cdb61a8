"""The receipts of a dataset's rows in one Parquet file: its form, written and read (SPEC §11.4).

What is read was made by anybody. So the form is strict, what is held at a time bounded, and the reader our own
(`ledger.datasets.plain_parquet`). Nothing in it is believed here: `ledger.api.verifying_rows` checks each statement and each
line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.datasets.plain_parquet import (
    BINARY,
    FIXED,
    INT32,
    INT64,
    MAGIC,
    OPTIONAL,
    REQUIRED,
    Column,
    PlainFile,
)
from ledger.errors import ProofInvalid, StoreFault
from ledger.extras import load
from ledger.spec import HASH_BYTES
from ledger.store.files import open_regular, writing

VERSION: Final = 1
GROUP_BYTES: Final = 16_777_216  # after so many a row group is closed: it is a little greater at most
GROUP_BYTES_MAX: Final = 134_217_728  # of a row group that is read; one line takes 3 MiB at most
_KEY: Final = b"lineage"
_COLUMNS: Final = [
    Column("row_index", INT64, REQUIRED),
    Column("artifact_id", FIXED, REQUIRED, HASH_BYTES),
    Column("record", BINARY, REQUIRED),
    Column("record_index", INT32, REQUIRED),
    Column("statement", INT32, REQUIRED),
    Column("proof", BINARY, OPTIONAL),
    Column("ids", BINARY, OPTIONAL),
]


class Head(NamedTuple):
    """What the lines of one statement share: its receipt, and all its ids, 32 bytes each."""

    proof: bytes
    ids: bytes


class Line(NamedTuple):
    """One row's record; `head` stands at the first line of a statement alone."""

    row_index: int
    artifact_id: bytes
    record: bytes
    record_index: int
    statement: int
    head: Head | None

    @property
    def size_bytes(self) -> int:
        """About what it takes in the file."""
        return 64 + len(self.record) + (len(self.head.proof) + len(self.head.ids) if self.head else 0)


def write_table(path: Path, column: str | None, lines: Iterable[Line]) -> None:
    """Writes the file whole or not at all, in place of what is there. `column`: the one signed; None is the whole row.

    Raises RefusedInput `extra-missing`; StoreFault `store-failed`.
    """
    pyarrow, parquet = load("pyarrow", "parquet"), load("pyarrow.parquet", "parquet")
    schema = _schema(pyarrow)
    about = {"v": VERSION} | ({} if column is None else {"column": column})
    options = {
        "compression": "none",
        "use_dictionary": False,
        "write_statistics": False,
        "store_schema": False,
    }
    with writing(path) as file, parquet.ParquetWriter(file, schema, **options) as writer:
        for group in _groups(lines):
            columns = [list(cells) for cells in zip(*(line[:-1] for line in group), strict=True)]
            columns += [
                [line.head and line.head[part] for line in group] for part in range(len(Head._fields))
            ]
            arrays = [pyarrow.array(cells, field.type) for cells, field in zip(columns, schema, strict=True)]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
        writer.add_key_value_metadata({_KEY: json.dumps(about)})


class Table:
    """A file of receipts, open: which column it says was signed, and its lines. Made by `open_table`."""

    def __init__(self, path: Path, file: PlainFile, column: str | None) -> None:
        self.path = path
        self.column = column
        self._file = file

    def lines(self) -> Iterator[Line]:
        """All lines, in their order. Raises ProofInvalid `receipt-invalid` where the form is broken."""
        statement, row_index = -1, -1
        for number in range(self._file.group_count):
            with _reading(self.path):
                columns = self._file.group(number)
            for row, artifact_id, record, record_index, number_there, proof, ids in zip(
                *columns, strict=True
            ):
                head = None if proof is None or ids is None else Head(proof, ids)
                line = Line(row, artifact_id, record, record_index, number_there, head)
                if line.statement != statement + (head is not None) or (proof is None) != (ids is None):
                    raise _invalid(self.path, f"its statements are not in order at row {line.row_index}")
                if line.row_index <= (-1 if head is not None else row_index):
                    raise _invalid(self.path, f"its rows are not in order at row {line.row_index}")
                statement, row_index = line.statement, line.row_index
                yield line


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """A file of receipts whose form is looked at; a link is followed. Raises ProofInvalid `receipt-invalid`.

    StoreFault for what is no regular file, or cannot be opened.
    """
    try:
        raw = os.fdopen(open_regular(Path(os.path.realpath(path))), "rb")
    except OSError as error:
        raise StoreFault(
            "store-failed", str(path), f"it cannot be read ({error.strerror})", "Look to its permissions."
        ) from error
    with raw:
        with _reading(path):
            file = PlainFile(raw, GROUP_BYTES_MAX)
        if file.columns != _COLUMNS:
            raise _invalid(
                path, f"its columns are not {', '.join(column.name for column in _COLUMNS)} of their types"
            )
        yield Table(path, file, _column(path, file.metadata.get(_KEY, b"")))


def is_table(start: bytes) -> bool:
    """Whether a file that begins so is a Parquet file."""
    return start.startswith(MAGIC)


def _groups(lines: Iterable[Line]) -> Iterator[list[Line]]:
    group: list[Line] = []
    size_bytes = 0
    for line in lines:
        group.append(line)
        size_bytes += line.size_bytes
        if size_bytes >= GROUP_BYTES:
            yield group
            group, size_bytes = [], 0
    if group:
        yield group


def _schema(pyarrow: Any) -> Any:
    types = {
        INT32: pyarrow.int32(),
        INT64: pyarrow.int64(),
        BINARY: pyarrow.binary(),
        FIXED: pyarrow.binary(HASH_BYTES),
    }
    return pyarrow.schema(
        pyarrow.field(column.name, types[column.type], nullable=column.repetition == OPTIONAL)
        for column in _COLUMNS
    )


def _column(path: Path, about: bytes) -> str | None:
    try:
        fields = json.loads(about)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not {"v"} <= set(fields) <= {"v", "column"}:
        raise _invalid(path, "it is no file of receipts: its metadata does not say so")
    column = fields.get("column")
    if (
        fields["v"] != VERSION
        or not isinstance(column, str | None)
        or ("column" in fields and column is None)
    ):
        raise _invalid(path, f"its version is {fields['v']!a}; this program reads {VERSION}")
    return column


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What is not read is no file of receipts."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise _invalid(path, str(error)) from error


def _invalid(path: Path, reason: str) -> ProofInvalid:
    return ProofInvalid(
        "receipt-invalid",
        str(path),
        reason,
        "Have it written again: lineage sign DATASET --rows COLUMN --receipts",
    )

"""A dataset written again with the columns that say where its rows' lineage is (SPEC §4.6).

Nothing else of it is touched: a line of JSON Lines keeps its bytes, and gets two members more; a Parquet column keeps its type.
So each row is the row that was signed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from ledger import spec
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.formats import JSONL, Format, by_name
from ledger.datasets.formats import PARQUET as PARQUET_TABLE
from ledger.datasets.jsonl import row_of_line
from ledger.datasets.opened import PARQUET, TEXT, suffix_of
from ledger.datasets.parquet import open_table
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, row_item
from ledger.errors import RefusedInput
from ledger.extras import load

_TAKEN: Final = (Format(JSONL), Format(PARQUET_TABLE))
_BATCH_ROWS: Final = 65_536
_WHITE_SPACE: Final = b" \t\r\n"  # RFC 8259 §2


class Lineage(NamedTuple):
    """What a row's two columns say, in hex digits; None: null."""

    artifact_id: str | None
    salt: str | None


LineageOf = Callable[[int, Lineage], Lineage]  # of a row index, and of what its columns say already


def check_format(path: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
    """Whether a dataset can be written to `output` with its lineage. Raises RefusedInput `usage`, `extra-missing`."""
    if suffix_of(path) in TEXT:
        raise RefusedInput(
            "usage",
            printable(path),
            "the lines of a text have no columns, so none for their lineage",
            "Write it as JSON Lines or Parquet first.",
        )
    said = by_name(path)
    if said is not None and said not in _TAKEN:
        raise RefusedInput(
            "usage",
            printable(path),
            "only JSON Lines and Parquet, not packed, are written with their lineage",
            "Write it as one of these first.",
        )
    kinds = [_kind(name) for name in (path, output)]
    if kinds[0] != kinds[1]:
        raise RefusedInput(
            "usage",
            printable(output),
            f"a dataset is written in its own format, and by its name this is to be {kinds[1]}",
            f"Give it a name of {kinds[0]}.",
        )
    if kinds[0] == "Parquet":
        load("pyarrow.parquet", "parquet")


def _kind(path: str | os.PathLike[str]) -> str:
    if suffix_of(path) in PARQUET:
        return "Parquet"
    return "text by line" if suffix_of(path) in TEXT else "JSON Lines"


def write_with_lineage(
    dataset: RegularFile, path: str | os.PathLike[str], lineage_of: LineageOf, output: BinaryIO
) -> int:
    """Writes the rows of an open dataset, each with its lineage; how many there were.

    Raises RefusedInput `file-changed`, and as the readers of the formats.
    """
    write = _write_parquet if suffix_of(path) in PARQUET else _write_jsonl
    count = write(dataset, printable(path), lineage_of, output)
    dataset.check_unchanged()
    return count


def _write_jsonl(dataset: RegularFile, item: str, lineage_of: LineageOf, output: BinaryIO) -> int:
    row_index = 0
    while line := dataset.readline(spec.ROW_BYTES_MAX + 2):
        try:
            output.write(_with_members(line, row_index, lineage_of))
        except RefusedInput as error:
            raise RefusedInput(error.code, row_item(item, row_index), error.reason, error.fix) from error
        row_index += 1
    return row_index


def _with_members(line: bytes, row_index: int, lineage_of: LineageOf) -> bytes:
    text = line.rstrip(b"\r\n")
    end = line[len(text) :] or b"\n"
    row = row_of_line(text)
    lineage = lineage_of(row_index, Lineage(row.get(LINEAGE_ID), row.get(LINEAGE_SALT)))
    members = {LINEAGE_ID: lineage.artifact_id, LINEAGE_SALT: lineage.salt}
    if members.keys().isdisjoint(row):
        head = text.rstrip(_WHITE_SPACE).removesuffix(b"}").rstrip(_WHITE_SPACE)
        return head + (b", " if row else b"") + json.dumps(members).encode()[1:] + end
    return _dumped(row | members) + end


def _dumped(row: dict[str, Any]) -> bytes:
    """The JSON of a row whose members are replaced. Raises RefusedInput `json-number-not-finite`."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise RefusedInput(
            "json-number-not-finite",
            "row",
            "it holds a number beyond the range of a double",
            "Write such numbers as strings",
        ) from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # a surrogate that stands alone, in a column that is not signed
        return json.dumps(row).encode()


def _write_parquet(dataset: RegularFile, item: str, lineage_of: LineageOf, output: BinaryIO) -> int:
    arrow, parquet = load("pyarrow", "parquet"), load("pyarrow.parquet", "parquet")
    table = open_table(dataset, item)
    kept = [field for field in table.schema if field.name not in (LINEAGE_ID, LINEAGE_SALT)]
    added = [arrow.field(LINEAGE_ID, arrow.string()), arrow.field(LINEAGE_SALT, arrow.string())]
    schema = arrow.schema([*kept, *added], metadata=table.schema.metadata)
    row_index = 0
    with parquet.ParquetWriter(output, schema) as writer:
        for batch in table.batches(_BATCH_ROWS):
            found = [
                lineage_of(row_index + position, there) for position, there in enumerate(_lineage_in(batch))
            ]
            arrays = [batch.column(field.name) for field in kept]
            arrays += [arrow.array(column, arrow.string()) for column in zip(*found, strict=True)]
            writer.write_batch(arrow.record_batch(arrays, schema=schema))
            row_index += batch.num_rows
    return row_index


def _lineage_in(batch: Any) -> Iterator[Lineage]:
    """What the columns of a batch say already."""
    columns = [
        batch.column(name).to_pylist() if name in batch.schema.names else [None] * batch.num_rows
        for name in (LINEAGE_ID, LINEAGE_SALT)
    ]
    return (Lineage(*cells) for cells in zip(*columns, strict=True))

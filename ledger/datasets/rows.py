"""What every dataset format yields: rows, each the bytes that are hashed and how they became bytes.

A row is named by its artifact and its 0-based row index (SPEC §4.2). Its digest is the SHA-256 of its content, whatever
file format carried it: the same text in JSONL and in another format is the same row.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from ledger import spec
from ledger.datasets.jcs import canonical_json, lone_surrogate
from ledger.errors import RefusedInput

Form = Literal["raw", "jcs"]

_MEDIA: Final[dict[Form, str]] = {"raw": "text/plain", "jcs": "application/json"}


LINEAGE_ID: Final = "lineage_id"  # the column of the artifact ids of rows that are signed (SPEC §4.6)
LINEAGE_SALT: Final = "lineage_salt"  # the column of the salts of sealed rows
_HEX: Final = re.compile(rf"[0-9a-fA-F]{{{2 * spec.HASH_BYTES}}}", re.ASCII)
_COLUMNS_SHOWN: Final = 8  # names of columns in an error
_NAME_SHOWN_CHARS: Final = 40
_NO_CELLS: Final[Mapping[str, Any]] = {}


class Row(NamedTuple):
    """One row: content is the UTF-8 of a string (form raw), or the RFC 8785 form of any other JSON value (form jcs).

    `cells`: of the columns that its reader was asked for, those that the row has, as JSON values.
    """

    row_index: int  # 0-based
    content: bytes
    form: Form
    cells: Mapping[str, Any] = _NO_CELLS

    @property
    def size_bytes(self) -> int:
        """Length of the content in bytes."""
        return len(self.content)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the content (32 bytes)."""
        return hashlib.sha256(self.content).digest()

    def hashed(self, before: bytes) -> bytes:
        """SHA-256 of these bytes and the content: what seals it, for one."""
        return hashlib.sha256(before + self.content).digest()

    @property
    def media(self) -> str:
        """Media type of the content: text/plain or application/json."""
        return _MEDIA[self.form]


def cells_of(row: Mapping[str, Any], names: tuple[str, ...]) -> Mapping[str, Any]:
    """Those of the named members that a row has."""
    return {name: row[name] for name in names if name in row}


def whole_row(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row as it is signed as a whole: without the columns that say where its lineage is (SPEC §4.6).

    They are covered by no digest, so nothing else may stand there. Raises RefusedInput lineage-cell-illegal.
    """
    beside = [name for name in (LINEAGE_ID, LINEAGE_SALT) if name in row]
    if not beside:
        return row
    for name in beside:
        cell = row[name]
        if cell is not None and cell != "" and not (isinstance(cell, str) and _HEX.fullmatch(cell)):
            raise RefusedInput(
                "lineage-cell-illegal",
                "row",
                f"its column {name!a} holds what is no id and no salt, and no digest of the row as a whole covers it",
                "Empty it, or name the column that is meant",
            )
    return {name: value for name, value in row.items() if name not in beside}


def content_of(value: Any) -> tuple[bytes, Form]:
    """Content and form of a cell, or of a whole row. Raises RefusedInput too-large, and those of `canonical_json`."""
    if isinstance(value, str):
        try:
            content = value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise lone_surrogate() from error
        form: Form = "raw"
    else:
        content, form = canonical_json(value), "jcs"
    if len(content) > spec.ROW_BYTES_MAX:  # 1e15 takes 16 bytes in its canonical form
        raise too_big()
    return content, form


def column_of(row: Mapping[str, Any], column: str) -> Any:
    """The cell of a column that every row has to have. Raises RefusedInput column-missing, column-empty."""
    if column not in row:
        raise column_missing(column, list(row))
    value = row[column]
    if value is None or value == "":
        what = "null" if value is None else "the empty string"
        raise RefusedInput(
            "column-empty", "row", f"its column {column!a} is {what}", "Fill it, or leave the row out"
        )
    return value


def column_missing(column: str, names: Sequence[str]) -> RefusedInput:
    """The refusal of a row, or of a dataset, that has these columns and not that one."""
    shown = [ascii(name[:_NAME_SHOWN_CHARS]) for name in names[:_COLUMNS_SHOWN]]
    there = ", ".join(shown) + (", ..." if len(names) > _COLUMNS_SHOWN else "")
    return RefusedInput(
        "column-missing",
        "row",
        f"it has no column {column!a}; it has {there or 'none at all'}",
        "Name a column that every row has",
    )


def too_big() -> RefusedInput:
    """The refusal of a row that is longer than any may be (SPEC §13)."""
    return RefusedInput(
        "too-large",
        "row",
        f"it is longer than {spec.ROW_BYTES_MAX:,} bytes",
        "Split the row, or sign it as a file of its own",
    )


def dataset_empty(item: str) -> RefusedInput:
    """The refusal of a dataset without rows."""
    return RefusedInput("dataset-empty", item, "the file holds no row", "Name a file with rows")


def row_item(item: str, row_index: int, *, is_line: bool = True) -> str:
    """How a row of a dataset is named in an error; `is_line`: an editor shows it as the line of that number."""
    return f"{item}, row {row_index}" + (f" (line {row_index + 1})" if is_line else "")

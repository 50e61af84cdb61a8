"""The formats of a dataset's files, told by a name's suffix; where that says nothing, by how the file begins.

| suffix | format |
|---|---|
| `.jsonl`, `.ndjson` | JSON Lines |
| `.csv`; `.tsv`, `.tab` | comma- or tab-separated values with a header |
| `.txt`, `.text` | text by line |
| `.parquet` | Parquet |
| `.arrow`, `.feather`, `.arrows`, `.ipc` | Arrow IPC, the file or the stream format, which its first bytes tell apart |

All but the last two may be packed: `.gz` or `.zst` behind the suffix. A file of another name is JSON Lines if it begins with an object; Parquet and
Arrow begin with marks of their own. Nothing else is guessed: a text begins like anything, and a wrong guess would be a wrong digest.
"""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Final, NamedTuple

from ledger.datasets.files import RegularFile, printable
from ledger.errors import RefusedInput

JSONL: Final = "jsonl"
TEXT: Final = "text"
CSV: Final = "csv"
TSV: Final = "tsv"
PARQUET: Final = "parquet"
ARROW: Final = "arrow"
FILES: Final = "files"  # a folder each of whose files is a row
MEMORY: Final = "memory"  # rows that are in no file

LINES: Final = frozenset({JSONL, TEXT, CSV, TSV})
TABLES: Final = frozenset({PARQUET, ARROW})
NAMEABLE: Final = (JSONL, TEXT, CSV, TSV, PARQUET, ARROW)

GZIP: Final = "gzip"
ZSTD: Final = "zstd"

_SUFFIXES: Final = {
    ".arrow": ARROW,
    ".arrows": ARROW,
    ".csv": CSV,
    ".feather": ARROW,
    ".ipc": ARROW,
    ".jsonl": JSONL,
    ".ndjson": JSONL,
    ".parquet": PARQUET,
    ".tab": TSV,
    ".text": TEXT,
    ".tsv": TSV,
    ".txt": TEXT,
}
_PACKINGS: Final = {".gz": GZIP, ".zst": ZSTD}
_MARKS: Final = ((b"PAR1", PARQUET), (b"ARROW1", ARROW))
_OLD_FEATHER: Final = b"FEA1"
_HEAD_BYTES: Final = 64
_WHITE_SPACE: Final = b" \t\r\n"


class Format(NamedTuple):
    """What a file is: one of the formats above, and how it is packed, if at all."""

    name: str
    packing: str | None = None


def by_name(path: str | os.PathLike[str]) -> Format | None:
    """The format that a name says, without regard to case; None where it says none. The file is not opened."""
    pure = PurePath(path)
    packing = _PACKINGS.get(pure.suffix.lower())
    if packing is not None:
        pure = pure.with_suffix("")
    name = _SUFFIXES.get(pure.suffix.lower())
    return None if name is None else Format(name, packing)


def format_of(path: str | os.PathLike[str], said: str | None = None) -> Format:
    """The format of a file; `said`: the one that its caller names instead of its suffix (it may be packed all the same).

    Raises RefusedInput: format-unknown; those of `RegularFile`.
    """
    found = by_name(path)
    if said is not None:
        if said not in NAMEABLE:
            raise RefusedInput(
                "format-unknown", f"format {said!a}", "there is no such format", f"Name one of {_listed()}"
            )
        found = Format(said, _PACKINGS.get(PurePath(path).suffix.lower()))
    if found is None:
        found = _by_content(path)
    if found.packing is not None and found.name in TABLES:
        raise RefusedInput(
            "format-unknown",
            printable(path),
            f"a packed {found.name} file cannot be read in parts; the format packs by itself",
            "Unpack the file",
        )
    return found


def _by_content(path: str | os.PathLike[str]) -> Format:
    with RegularFile(path) as file:
        head = file.read_at(0, min(_HEAD_BYTES, file.size_bytes))
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Format(name)
    if head.lstrip(_WHITE_SPACE).startswith(b"{"):
        return Format(JSONL)
    if head.lstrip(_WHITE_SPACE).startswith(b"["):
        reason, fix = "it is one JSON array, which cannot be read row by row", "Write one object a line"
    elif head.startswith(_OLD_FEATHER):
        reason, fix = "it is in Feather's first version, which nobody writes any more", "Write it as .arrow"
    else:
        reason, fix = "neither its name nor its first bytes say its format", "Say its format"
    raise RefusedInput("format-unknown", printable(path), reason, f"{fix}, or name it by one of {_endings()}")


def _listed() -> str:
    return ", ".join(NAMEABLE)


def _endings() -> str:
    return ", ".join(sorted(_SUFFIXES))

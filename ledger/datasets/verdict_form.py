"""The form of a verdict file: its columns, what may stand in them, and what its metadata says (SPEC §12.5).

Read by `ledger.datasets.plain_parquet`; all that is wrong is a ValueError there and here, which `reading` makes a refusal of the file.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from struct import pack
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.files import RegularFile, printable
from ledger.datasets.plain_parquet import (
    BINARY,
    FIXED,
    INT64,
    OPTIONAL,
    REQUIRED,
    Coded,
    Column,
    PlainFile,
)
from ledger.errors import ProofInvalid

VERSION: Final = 1
VERDICTS: Final = ("admitted", "quarantined", "rejected", "undecided")
UNREAD: Final = frozenset({"rejected", "undecided"})  # what may become of a row that no reader takes
LEVELS: Final = ("L0", "L1", "L2", "L3", "L4")
ROW_REFUSED: Final = "row-refused"  # the code of a row that no reader takes; else those of SPEC §12.3
NOTHING: Final = bytes(spec.HASH_BYTES)  # the digest of such a row, and the id of no artifact
KEY: Final = b"lineage"
CODE: Final = re.compile(r"[a-z][a-z-]{0,63}")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
COLUMNS: Final = [
    Column("row_index", INT64, REQUIRED),
    Column("digest", FIXED, REQUIRED, spec.HASH_BYTES),
    Column("artifact_id", FIXED, OPTIONAL, spec.HASH_BYTES),
    Column("verdict", BINARY, REQUIRED),
    Column("code", BINARY, REQUIRED),
    Column("level", BINARY, REQUIRED),
    Column("why", BINARY, REQUIRED),
]
INDEX_AT, DIGEST_AT, ID_AT, VERDICT_AT, CODE_AT, LEVEL_AT, WHY_AT = range(7)
WORDS: Final = [column.name for column in COLUMNS[VERDICT_AT:]]


class Told(NamedTuple):
    """What is said of a row: the labels of SPEC §12.5, and the reason in words."""

    verdict: str
    code: str
    level: str
    why: str


class VerdictBlock(NamedTuple):
    """What became of consecutive rows, the first of which has this index.

    `digests` and `artifact_ids`: 32 bytes a row; zero bytes are the digest of a row that no reader takes, and the id of no artifact.
    `outcomes`: for each row the place, in `told`, of what is told of it (array of "I").
    """

    row_index: int
    digests: bytes
    artifact_ids: bytes
    outcomes: array[int]
    told: Sequence[Told]


def plain_file(file: RegularFile) -> PlainFile:
    """A file, or a piece, with the columns of a verdict file. Raises ValueError."""
    plain = PlainFile(
        file.handle,
        spec.VERDICT_GROUP_BYTES_MAX,
        dictionaries=True,
        footer_bytes_max=spec.VERDICT_FOOTER_BYTES_MAX,
    )
    if plain.columns != COLUMNS:
        names = ", ".join(column.name for column in COLUMNS)
        raise ValueError(f"it is no verdict file: its columns are not {names} of their types")
    if any(plain.row_count(number) > spec.VERDICT_GROUP_ROWS for number in range(plain.group_count)):
        raise ValueError(f"a row group has over {spec.VERDICT_GROUP_ROWS:,} rows")
    return plain


def metadata_of(plain: PlainFile) -> dict[str, Any]:
    """What its metadata says, of which only the version is looked at. Raises ValueError."""
    text = plain.metadata.get(KEY, b"")
    if len(text) > spec.VERDICT_ABOUT_BYTES_MAX:
        raise ValueError("its metadata is too long")
    try:
        fields = json.loads(text)
    except RecursionError as error:
        raise ValueError("its metadata is nested too deep") from error
    except ValueError as error:
        raise ValueError("it is no verdict file: its metadata does not say so") from error
    if not isinstance(fields, dict) or not _is_version(fields.get("v")):
        raise ValueError(f"it is no verdict file of version {VERSION}, which this program reads")
    return fields


def check_about(fields: dict[str, Any]) -> dict[str, Any]:
    """Raises ValueError where the metadata of a verdict file is not what SPEC §12.5 asks for."""
    for name, is_right in _ABOUT.items():
        if name not in fields or not is_right(fields[name]):
            raise ValueError(f"{name!a} is missing, or nothing that may stand there")
    if fields["count"] != sum(fields[verdict] for verdict in VERDICTS):
        raise ValueError("the numbers of its verdicts are not that of its rows")
    return fields


def _is_version(value: Any) -> bool:
    return type(value) is int and value == VERSION


def _number(greatest: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and 0 <= value <= greatest


def _text(chars_max: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and len(value) <= chars_max


def _digest(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


_ABOUT: Final[dict[str, Callable[[Any], bool]]] = {
    "v": _is_version,
    "column": lambda value: value is None or _text(spec.VERDICT_COLUMN_CHARS_MAX)(value),
    "count": _number(spec.INTEGER_MAX),
    **dict.fromkeys(VERDICTS, _number(spec.INTEGER_MAX)),
    "log_origin": _text(spec.ORIGIN_CHARS_MAX),
    "log_id": _digest,
    "checkpoint_size": _number(spec.TREE_SIZE_MAX),
    "checkpoint_root": _digest,
    "checkpoint": _digest,
    "policy": _digest,
    "policy_name": _text(spec.VERDICT_NAME_CHARS_MAX),
    "trust": _digest,
    "at_ms": _number(spec.TIME_MAX_MS),
    "dataset": _text(spec.VERDICT_NAME_CHARS_MAX),
    "ledger": _text(spec.VERDICT_NAME_CHARS_MAX),
}


def block_of(plain: PlainFile, number: int, row_index: int) -> VerdictBlock:
    """The rows of a row group. Raises ValueError."""
    digests = digests_of(plain, number, row_index)
    ids = _ids_of(plain.coded(number, ID_AT))
    columns = [plain.coded(number, place) for place in range(VERDICT_AT, len(COLUMNS))]
    words = [words_of(column, place) for place, column in enumerate(columns, VERDICT_AT)]
    places: dict[tuple[int, ...], int] = {}
    outcomes = array(
        "I",
        [
            places.setdefault(numbers, len(places))
            for numbers in zip(*(column.numbers for column in columns), strict=True)
        ],
    )
    told = [
        Told(*(texts[number] for texts, number in zip(words, numbers, strict=True))) for numbers in places
    ]
    check_digests(digests, outcomes, told)
    return VerdictBlock(row_index, digests, ids, outcomes, told)


def check_digests(digests: bytes | bytearray, outcomes: array[int], told: Sequence[Told]) -> None:
    """Whether nothing is made of a row that no reader takes. Raises ValueError."""
    if NOTHING not in digests:
        return
    may_be = bytes(one.verdict in UNREAD for one in told)
    for number, outcome in enumerate(outcomes):
        at = number * spec.HASH_BYTES
        if not may_be[outcome] and digests[at : at + spec.HASH_BYTES] == NOTHING:
            raise ValueError("a row that no reader takes is neither rejected nor undecided")


def digests_of(plain: PlainFile, number: int, row_index: int) -> bytes:
    """The digests of the rows of a row group, which begin with that one. Raises ValueError."""
    rows = plain.row_count(number)
    if plain.coded(number, INDEX_AT).data != pack(f"<{rows}q", *range(row_index, row_index + rows)):
        raise ValueError(f"the rows from {row_index:,} on are not in order, or some are missing")
    return plain.coded(number, DIGEST_AT).data


def _ids_of(column: Coded) -> bytes:
    """The artifact ids of all rows: zero bytes where there is none."""
    size = spec.HASH_BYTES
    ids = [column.data[at : at + size] for at in range(0, len(column.data), size)]
    if NOTHING in ids:
        raise ValueError("an artifact id is all zero bytes; where there is none, it is null")
    if not column.present:
        return column.data
    found = iter(ids)
    return b"".join(next(found) if is_there else NOTHING for is_there in column.present)


def words_of(column: Coded, place: int) -> list[str]:
    """What a column of words has in its dictionary. Raises ValueError for what is none of the words that may stand there."""
    words = [word.decode("utf-8") for word in column.dictionary]
    if place == WHY_AT:
        is_right = all(len(word) <= spec.VERDICT_WHY_BYTES_MAX for word in column.dictionary)
    elif place == CODE_AT:
        is_right = all(map(CODE.fullmatch, words))
    else:
        is_right = set(words) <= set(VERDICTS if place == VERDICT_AT else LEVELS)
    if not is_right:
        raise ValueError(f"the column {COLUMNS[place].name} has a word that may not stand there")
    return words


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What is not read is no verdict file."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise invalid(path, str(error)) from error


def invalid(path: Path, reason: str) -> ProofInvalid:
    """The refusal of a file that is no verdict file, or not whole."""
    return ProofInvalid(
        "verdicts-invalid",
        printable(path),
        reason,
        "Have it written again: lineage gate DATASET --policy P --verdicts OUT",
    )

"""Shares, dates and parents as people write them, on a command line or in a dataset's cell."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Final, NamedTuple

from ledger.errors import RefusedInput
from ledger.spec import PPM
from ledger.statements.words import RELATIONS

DEFAULT_RELATION: Final = "derived-from"
ROW_DIGITS_MAX: Final = 20
_SHARED: Final = re.compile(r"(?P<name>.+)@(?P<share>[0-9.]+%?)", re.DOTALL)


class WrittenParent(NamedTuple):
    """A parent as written: its relation, what names it, and its share in ppm where stated."""

    relation: str
    name: str
    ppm: int | None


def parse_share(text: str) -> int:
    """Ppm of "70%", "0.7" or "12.5%". Raises RefusedInput `share-illegal`."""
    try:
        value = Decimal(text.removesuffix("%")) * (PPM // 100 if text.endswith("%") else PPM)
        if 0 <= value <= PPM and value == int(value):
            return int(value)
    except InvalidOperation:  # no number, or NaN compared
        pass
    raise RefusedInput(
        "share-illegal",
        f"share '{text}'",
        "it is no share from 0 % to 100 %, in whole parts per million",
        "Write 70%, or 0.7.",
    )


def parse_date_ms(text: str) -> int:
    """Unix milliseconds of an ISO 8601 date or time; UTC where it names no zone. Raises RefusedInput `schema`."""
    try:
        given = datetime.fromisoformat(text)
        return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        raise RefusedInput(
            "schema", f"date '{text}'", "it is no ISO 8601 date", "Write 2027-01-31 or 2027-01-31T12:00Z."
        ) from error


def split_relation(text: str) -> tuple[str, str]:
    """Relation and the rest of [RELATION=]REST. Raises RefusedInput `schema` for a word that is no relation."""
    relation, equals, rest = text.partition("=")
    if not equals:
        return DEFAULT_RELATION, text
    if relation in RELATIONS:
        return relation, rest
    if any(mark in relation for mark in "/.@"):
        return DEFAULT_RELATION, text
    raise RefusedInput(
        "schema",
        f"relation '{relation}'",
        "there is no such relation",
        f"Relations: {', '.join(sorted(RELATIONS))}.",
    )


def split_share(text: str) -> tuple[str, int | None]:
    """Name and ppm of NAME[@SHARE]. Raises RefusedInput `share-illegal`."""
    found = _SHARED.fullmatch(text)
    if found is None:
        return text, None
    ppm = parse_share(found["share"])
    if not ppm:
        raise RefusedInput(
            "share-illegal",
            f"parent '{text}'",
            "a stated share of a parent is more than nothing",
            "Leave @SHARE out if it is unknown.",
        )
    return found["name"], ppm


def split_row(text: str) -> tuple[str, int | None]:
    """Name and row of NAME[:ROW]. Raises RefusedInput `schema` for a row that no dataset has."""
    name, colon, row = text.rpartition(":")
    if colon and not row:
        raise RefusedInput("schema", f"'{text}'", "it names no row", "Write ID:ROW, rows from 0.")
    if not colon or not (row.isascii() and row.isdigit()):
        return text, None
    if len(row) > ROW_DIGITS_MAX:
        raise RefusedInput(
            "schema",
            f"'{name[:ROW_DIGITS_MAX]}:{row[:ROW_DIGITS_MAX]}…'",
            f"no dataset has a row whose number takes {len(row)} digits",
            "Write ID:ROW, rows from 0.",
        )
    return name, int(row)


def parse_parent(text: str) -> WrittenParent:
    """[RELATION=]NAME[@SHARE], where NAME holds neither "=" nor "@". Raises RefusedInput `schema`, `share-illegal`."""
    relation, rest = split_relation(text)
    return WrittenParent(relation, *split_share(rest))

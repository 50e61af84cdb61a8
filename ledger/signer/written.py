"""Shares, dates, parents, licenses and sources as people write them, on a command line or in a dataset's cell."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException, Inexact, localcontext
from typing import Final, NamedTuple

from ledger.errors import RefusedInput
from ledger.spec import PPM
from ledger.statements import words

DEFAULT_RELATION: Final = "derived-from"
ROW_DIGITS_MAX: Final = 20
_SHARED: Final = re.compile(r"(?P<name>.+)@(?P<share>[0-9.]+%?)", re.DOTALL)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUOTED_CHARS_MAX: Final = 80


class WrittenParent(NamedTuple):
    """A parent as written: its relation, what names it, and its share in ppm where stated."""

    relation: str
    name: str
    ppm: int | None


def quoted(text: str) -> str:
    """As much of a text as an error shows: a cell may hold megabytes."""
    return text if len(text) <= _QUOTED_CHARS_MAX else f"{text[:_QUOTED_CHARS_MAX]}…"


def parse_share(text: str) -> int:
    """Ppm of "70%", "0.7" or "12.5%". Raises RefusedInput `share-illegal`."""
    try:
        with localcontext() as exact:
            exact.traps[Inexact] = True  # nothing is rounded, neither up nor down to nothing
            value = Decimal(text.removesuffix("%")) * (PPM // 100 if text.endswith("%") else PPM)
        if 0 <= value <= PPM and value == int(value):
            return int(value)
    except DecimalException:  # no number, NaN compared, or too many digits
        pass
    raise RefusedInput(
        "share-illegal",
        f"share '{quoted(text)}'",
        "it is no share from 0 % to 100 %, in whole parts per million",
        "Write 70%, or 0.7.",
    )


def parse_date_ms(text: str) -> int:
    """Unix milliseconds of an ISO 8601 date or time; UTC where it names no zone. Raises RefusedInput `schema`."""
    try:
        given = datetime.fromisoformat(text)
        return ((given if given.tzinfo else given.replace(tzinfo=UTC)) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError) as error:
        raise RefusedInput(
            "schema",
            f"date '{quoted(text)}'",
            "it is no ISO 8601 date",
            "Write 2027-01-31 or 2027-01-31T12:00Z.",
        ) from error


def check_license(text: str) -> str:
    """An SPDX license expression. Raises RefusedInput `schema`."""
    if not words.LICENSE.fullmatch(text):
        raise RefusedInput(
            "schema",
            f"license '{quoted(text)}'",
            "it is no SPDX license expression",
            "Write it as CC-BY-4.0.",
        )
    return text


def check_uri(text: str) -> str:
    """Where something was found. Raises RefusedInput `schema`."""
    if not words.URI.fullmatch(text):
        raise RefusedInput(
            "schema", f"source '{quoted(text)}'", "it is no URI", "Write it as https://example.org/page."
        )
    return text


def split_relation(text: str) -> tuple[str, str]:
    """Relation and the rest of [RELATION=]REST. Raises RefusedInput `schema` for a word that is no relation."""
    relation, equals, rest = text.partition("=")
    if not equals:
        return DEFAULT_RELATION, text
    if relation in words.RELATIONS:
        return relation, rest
    if any(mark in relation for mark in "/.@"):
        return DEFAULT_RELATION, text
    raise RefusedInput(
        "schema",
        f"relation '{quoted(relation)}'",
        "there is no such relation",
        f"Relations: {', '.join(sorted(words.RELATIONS))}.",
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
            f"parent '{quoted(text)}'",
            "a stated share of a parent is more than nothing",
            "Leave @SHARE out if it is unknown.",
        )
    return found["name"], ppm


def split_row(text: str) -> tuple[str, int | None]:
    """Name and row of NAME[:ROW]. Raises RefusedInput `schema` for a row that no dataset has."""
    name, colon, row = text.rpartition(":")
    if colon and not row:
        raise RefusedInput("schema", f"'{quoted(text)}'", "it names no row", "Write ID:ROW, rows from 0.")
    if not colon or not (row.isascii() and row.isdigit()):
        return text, None
    if len(row) > ROW_DIGITS_MAX:
        raise RefusedInput(
            "schema",
            f"'{quoted(name)}:{row[:ROW_DIGITS_MAX]}…'",
            f"no dataset has a row whose number takes {len(row)} digits",
            "Write ID:ROW, rows from 0.",
        )
    return name, int(row)


def parse_parent(text: str) -> WrittenParent:
    """[RELATION=]NAME[@SHARE], where NAME holds neither "=" nor "@". Raises RefusedInput `schema`, `share-illegal`."""
    relation, rest = split_relation(text)
    return WrittenParent(relation, *split_share(rest))

"""Shares, dates, parents and rows as people write them; each against the naive reading."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.signer import written
from ledger.spec import PPM
from ledger.statements.words import RELATIONS

HEX = st.text("0123456789abcdef", min_size=16, max_size=64)


def refused(code: str, use: Callable[[], object]) -> RefusedInput:
    with pytest.raises(RefusedInput) as raised:
        use()
    assert raised.value.code == code
    assert raised.value.fix
    return raised.value


@given(st.integers(0, PPM))
def test_every_share_that_can_be_stated_can_be_written(ppm: int) -> None:
    percent = f"{ppm // 10_000}.{ppm % 10_000:04d}"
    assert written.parse_share(f"{percent}%") == written.parse_share(percent.rstrip("0") + "%") == ppm
    assert written.parse_share(f"{ppm // PPM}.{ppm % PPM:06d}") == ppm


@given(st.from_regex(r"[0-9]{0,4}(\.[0-9]{0,8})?%?", fullmatch=True))
@example("100%")
@example("1")
@example("100.0001%")
def test_a_share_is_read_as_it_is_written_or_refused(text: str) -> None:
    number = text.removesuffix("%")
    try:
        value = Fraction(number.removesuffix(".") or "x") / (100 if text.endswith("%") else 1) * PPM
    except ValueError:
        value = Fraction(-1)
    if 0 <= value <= PPM and value.denominator == 1:
        assert written.parse_share(text) == value
    else:
        refused("share-illegal", lambda: written.parse_share(text))


@pytest.mark.parametrize(
    "text",
    ["", "%", "-1%", "101%", "1.5", "half", "nan", "inf", "-inf%", "1e9", "0.0000001", "70 %%"],
)
def test_what_is_no_share_is_refused(text: str) -> None:
    assert text in refused("share-illegal", lambda: written.parse_share(text)).item


ZONES: Any = st.none() | st.integers(-1_439, 1_439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(9999, 12, 30), timezones=ZONES))  # noqa: DTZ001
def test_a_time_is_read_to_the_millisecond_in_utc_where_no_zone_is_named(moment: datetime) -> None:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    expected = (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert abs(written.parse_date_ms(moment.isoformat()) - expected) <= 1


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-02-30", "31.01.2024", "\0"])
def test_what_is_no_date_is_refused(text: str) -> None:
    refused("schema", lambda: written.parse_date_ms(text))


@given(
    st.sampled_from([None, *sorted(RELATIONS)]),
    HEX,
    st.none() | st.integers(0, 10**6),
    st.none() | st.integers(1, PPM),
)
def test_a_parent_is_read_as_it_is_written(
    relation: str | None, name: str, row: int | None, ppm: int | None
) -> None:
    text = f"{relation}=" if relation else ""
    text += name + (f":{row}" if row is not None else "")
    text += f"@{ppm / 10_000:.4f}%" if ppm is not None else ""
    parent = written.parse_parent(text)
    assert (parent.relation, parent.ppm) == (relation or "derived-from", ppm)
    assert written.split_row(parent.name) == (name, row)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("made-of=abcd", "schema"),
        ("=abcd", "schema"),
        ("derived-from=abcd@0%", "share-illegal"),
        ("abcd@0", "share-illegal"),
        ("abcd@101%", "share-illegal"),
        ("abcd@1.2.3", "share-illegal"),
    ],
)
def test_what_is_no_parent_is_refused(text: str, code: str) -> None:
    refused(code, lambda: written.parse_parent(text))


def test_what_only_looks_like_a_share_is_part_of_the_name() -> None:
    assert written.split_share("mail@example.org") == ("mail@example.org", None)
    assert written.split_share("a@b@5%") == ("a@b", 50_000)
    assert written.split_relation("dir/a=b") == ("derived-from", "dir/a=b")
    assert written.split_relation("quotes=a=b") == ("quotes", "a=b")


@given(st.text())
def test_a_row_is_what_stands_in_digits_behind_the_last_colon(text: str) -> None:
    head, colon, tail = text.rpartition(":")
    if colon and not tail:
        refused("schema", lambda: written.split_row(text))
    elif colon and tail.isascii() and tail.isdigit() and len(tail) <= written.ROW_DIGITS_MAX:
        assert written.split_row(text) == (head, int(tail))
    else:
        assert written.split_row(text) == (text, None)


def test_a_row_that_no_dataset_has_is_refused_and_not_repeated_at_length() -> None:
    error = refused("schema", lambda: written.split_row("ab" * 32 + ":" + "9" * 10_000))
    assert len(error.item) + len(error.reason) < 200
    assert written.split_row("ab:" + "9" * 20) == ("ab", 10**20 - 1)
    assert math.isfinite(written.split_row("ab:007")[1] or 0)

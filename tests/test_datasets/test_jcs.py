"""RFC 8785's own examples, properties of a canonical form, and what has none."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import jcs
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import RefusedInput
from tests.test_datasets.refusals import refused

# RFC 8785 Appendix B: the bits of a double, and its only text.
NUMBERS = {
    "0000000000000000": b"0",
    "8000000000000000": b"0",
    "0000000000000001": b"5e-324",
    "8000000000000001": b"-5e-324",
    "7fefffffffffffff": b"1.7976931348623157e+308",
    "ffefffffffffffff": b"-1.7976931348623157e+308",
    "44b52d02c7e14af5": b"9.999999999999997e+22",
    "44b52d02c7e14af6": b"1e+23",
    "44b52d02c7e14af7": b"1.0000000000000001e+23",
    "444b1ae4d6e2ef50": b"1e+21",
    "3eb0c6f7a0b5ed8c": b"9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": b"0.000001",
    "41b3de4355555553": b"333333333.3333332",
    "41b3de4355555554": b"333333333.33333325",
    "41b3de4355555555": b"333333333.3333333",
    "41b3de4355555556": b"333333333.3333334",
    "41b3de4355555557": b"333333333.33333343",
    "becbf647612f3696": b"-0.0000033333333333333333",
    "43143ff3c1cb0959": b"1424953923781206.2",
}

# The rest of Appendix B: doubles that print as integers which, read again, no longer fit.
LONG_INTEGERS = (
    "4340000000000000",  # 9007199254740992
    "c340000000000000",  # -9007199254740992
    "4430000000000000",  # 295147905179352830000
    "444b1ae4d6e2ef4e",  # 999999999999999700000
    "444b1ae4d6e2ef4f",  # 999999999999999900000
)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-spec.INTEGER_MAX, spec.INTEGER_MAX)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not 2**53 <= abs(number) < 1e21)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


@given(json_values | st.text(st.characters(exclude_categories=()), max_size=4))
def test_the_short_way_writes_what_the_library_writes(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError):
        with pytest.raises(RefusedInput):
            canonical_json(value)
        return
    assert canonical_json(value) == expected


@pytest.mark.parametrize(
    ("value", "is_plain"),
    [
        ({"b": [1, {"a": None}], "a": "é\x7f\u2028"}, True),
        ([True, False, -spec.INTEGER_MAX], True),
        ("\ud800", True),  # and then refused
        ({"é": 1}, False),
        (1.0, False),
        (spec.INTEGER_MAX + 1, False),
        ([[1.5]], False),
        ({1: 2}, False),
        (b"x", False),
    ],
)
def test_the_short_way_is_taken_where_it_is_known_to_be_right(value: Any, is_plain: bool) -> None:
    assert jcs._is_plain(value) is is_plain


def test_the_short_way_is_no_deeper_than_the_long_one() -> None:
    values: list[Any] = ["x", [], {}]
    for value in values:
        deep: Any = value
        for _ in range(spec.JSON_DEPTH_MAX - (value != "x")):
            deep = [deep]
        assert jcs._is_plain(deep)
        assert not jcs._is_plain([deep])


def double(bits: str) -> float:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    return float(number)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def utf16_units(name: str) -> list[int]:
    encoded = name.encode("utf-16-be")
    return [int.from_bytes(encoded[at : at + 2], "big") for at in range(0, len(encoded), 2)]


def test_numbers_of_rfc_8785_appendix_b() -> None:
    assert len(NUMBERS) + len(LONG_INTEGERS) == 24
    for bits, text in NUMBERS.items():
        assert canonical_json(double(bits)) == text
    for bits in LONG_INTEGERS:
        with refused("json-integer-too-big"):
            canonical_json([double(bits)])


def test_example_of_rfc_8785_section_3_2() -> None:
    text = rb"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical_json(parse_json(text)) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"' + "€".encode() + rb"$\u000f\nA'B\"\\\\\"/" + b'"}'
    )


def test_names_are_sorted_by_utf_16_units() -> None:
    # RFC 8785 §3.2.3: the emoji's surrogates (D83D...) come before U+FB33, though its code point is the greater.
    text = (
        rb'{"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",'
        rb' "1": "One", "\ud83d\ude00": "Emoji", "\u0080": "Control", "\u00f6": "o with diaeresis"}'
    )
    assert [*json.loads(canonical_json(parse_json(text))).values()] == [
        "Carriage Return",
        "One",
        "Control",
        "o with diaeresis",
        "Euro Sign",
        "Emoji",
        "Hebrew Letter Dalet With Dagesh",
    ]


@given(json_values)
def test_the_canonical_form_means_the_same_and_is_its_own(value: Any) -> None:
    canonical = canonical_json(value)
    assert parse_json(canonical) == value
    assert canonical_json(parse_json(canonical)) == canonical


@given(st.dictionaries(st.text(), st.integers(0, 9), min_size=2), st.randoms(use_true_random=False))
def test_neither_order_nor_white_space_nor_escapes_matter(value: dict[str, int], random: Any) -> None:
    names = list(value)
    random.shuffle(names)
    written = json.dumps({name: value[name] for name in names}, indent=3, ensure_ascii=True).encode()
    canonical = canonical_json(parse_json(written))
    assert canonical == canonical_json(value)
    assert [*json.loads(canonical)] == sorted(value, key=utf16_units)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\xef\xbb\xbf{}", "byte-order-mark"),
        (b'"\xff"', "not-utf8"),
        (b'"\xed\xa0\x80"', "not-utf8"),  # a surrogate in UTF-8's clothes
        (b"", "not-json"),
        (b"{'a': 1}", "not-json"),
        (b"{} {}", "not-json"),
        (b'"a\nb"', "not-json"),
        (b"NaN", "not-json"),
        (b"[Infinity]", "not-json"),
        (b"-Infinity", "not-json"),
        (b"9" * 5_000, "not-json"),
        (b'{"a": 1, "\\u0061": 2}', "json-duplicate-key"),
        (b'[{"b": {"a": 1, "c": 2, "a": 1}}]', "json-duplicate-key"),
        (b"[" * 100_000, "json-too-deep"),
    ],
)
def test_text_that_is_refused(text: bytes, code: str) -> None:
    with refused(code):
        parse_json(text)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (2**53, "json-integer-too-big"),
        ([{"a": -(2**53)}], "json-integer-too-big"),
        (float("inf"), "json-number-not-finite"),
        (float("nan"), "json-number-not-finite"),
        (parse_json(b"1e400"), "json-number-not-finite"),
        ("\ud800", "lone-surrogate"),
        ({"\udfff": 1}, "lone-surrogate"),
        ({"a": b"bytes"}, "not-json"),
        ({1: 2}, "not-json"),
        (nested(spec.JSON_DEPTH_MAX + 1), "json-too-deep"),
    ],
)
def test_values_that_have_no_canonical_form(value: Any, code: str) -> None:
    with refused(code):
        canonical_json(value)


def test_the_greatest_integer_and_depth_are_taken() -> None:
    assert canonical_json(spec.INTEGER_MAX) == b"9007199254740991"
    depth = spec.JSON_DEPTH_MAX
    assert canonical_json(nested(depth)) == b"[" * depth + b"]" * depth
    scalar_at_the_bottom: Any = "x"
    for _ in range(depth):
        scalar_at_the_bottom = {"a": scalar_at_the_bottom}
    assert canonical_json(scalar_at_the_bottom) == b'{"a":' * depth + b'"x"' + b"}" * depth


def test_a_duplicate_name_is_shown_without_what_could_upset_a_terminal() -> None:
    with refused("json-duplicate-key", reason_part="\\x1b"):
        parse_json(b'{"\\u001b[2J": 1, "\\u001b[2J": 1}')

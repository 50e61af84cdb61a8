"""One encoding a value: the codec against a naive encoder written from SPEC §3, and against published msgpack."""

from __future__ import annotations

import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import codec
from tests.reference import Raw, is_canonical, pack
from tests.shared import vectors

LIMIT = spec.ENTRY_BYTES_MAX
MIB = 1 << 20

integers = st.one_of(
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.sampled_from(
        [2**exponent + offset for exponent in (5, 7, 8, 15, 16, 31, 32) for offset in (-1, 0, 1)]
    ),
    st.sampled_from([-(2**exponent) + offset for exponent in (5, 7, 15, 31) for offset in (-1, 0, 1)]),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
binaries = st.binary(min_size=1, max_size=300)
values = st.recursive(
    st.one_of(integers, texts, binaries),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=20), st.dictionaries(texts, inner, min_size=1, max_size=20)
    ),
    max_leaves=30,
)
loose_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.floats(),
        st.integers(-(2**64), 2**64),
        st.text(max_size=3),
        st.binary(max_size=3),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(st.text(max_size=3), st.integers(0, 3), st.binary(max_size=1)), inner, max_size=3
        ),
        st.fixed_dictionaries({"parents": inner}),
    ),
    max_leaves=12,
)


def refused(data: bytes, code: str = "not-canonical", limit: int = LIMIT) -> None:
    with pytest.raises(RefusedInput) as caught:
        codec.decode(data, limit)
    assert caught.value.code == code
    assert caught.value.reason
    assert caught.value.fix


def accepted(data: bytes) -> Any:
    value = codec.decode(data, LIMIT)
    assert codec.encode(value) == data
    return value


@given(values)
@settings(max_examples=400)
def test_both_encoders_agree_and_decoding_is_the_inverse(value: Any) -> None:
    if is_canonical(value):
        assert codec.encode(value) == pack(value)
        assert codec.decode(pack(value), LIMIT) == value
    else:
        refused(pack(value))


@given(loose_values)
@settings(max_examples=600)
def test_values_without_an_encoding_are_refused_and_no_others(value: Any) -> None:
    if is_canonical(value):
        assert codec.encode(value) == pack(value)
        return
    with pytest.raises(RefusedInput) as caught:
        codec.encode(value)
    assert caught.value.code == "not-canonical"


@given(values, st.data())
@settings(max_examples=600)
def test_whatever_is_decoded_is_the_one_encoding_of_what_it_says(value: Any, data: st.DataObject) -> None:
    """Bytes are changed, dropped, doubled; what is still accepted is canonical by the naive encoder."""
    encoded = bytearray(pack(value))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(encoded) - 1))
        match data.draw(st.sampled_from(["set", "drop", "double"])):
            case "set":
                encoded[at] = data.draw(st.integers(0, 255))
            case "drop":
                del encoded[at : at + 1]
            case _:
                encoded.insert(at, encoded[at])
        if not encoded:
            return
    try:
        decoded = codec.decode(bytes(encoded), LIMIT)
    except RefusedInput as error:
        assert error.code == "not-canonical"  # noqa: PT017 - both outcomes are legal
    else:
        assert is_canonical(decoded)
        assert pack(decoded) == encoded


@given(st.binary(max_size=64))
@settings(max_examples=600)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decoded = codec.decode(data, LIMIT)
    except RefusedInput as error:
        assert error.code == "not-canonical"  # noqa: PT017
    else:
        assert pack(decoded) == data


def test_published_values() -> None:
    """kawanet/msgpack-test-suite: 85 values in 233 encodings. Of each value of ours exactly one is read."""
    groups = json.loads((vectors("msgpack-test-suite") / "msgpack-test-suite.json").read_text())
    ours = refusals = count = 0
    for case in (case for group in groups.values() for case in group):
        count += 1
        ((kind, value),) = [item for item in case.items() if item[0] != "msgpack"][:1]
        if kind == "bignum":
            value = int(value)
        elif kind == "binary":
            value = bytes.fromhex(value.replace("-", ""))
        encodings = [bytes.fromhex(text.replace("-", "")) for text in case["msgpack"]]
        legal = kind not in ("nil", "bool", "timestamp", "ext") and is_canonical(value)
        read = []
        for encoding in encodings:
            try:
                assert codec.decode(encoding, LIMIT) == value
                read.append(encoding)
            except RefusedInput:
                refusals += 1
        assert read == ([pack(value)] if legal else []), case
        ours += len(read)
    assert (count, ours, refusals) == (85, 41, 192)


@pytest.mark.parametrize(
    "encoded", ["c0", "c2", "c3", "ca00000000", "cb0000000000000000", "cb7ff8000000000000", "c1"]
)
def test_nil_boolean_float_and_the_unused_byte(encoded: str) -> None:
    refused(bytes.fromhex(encoded))
    refused(b"\x91" + bytes.fromhex(encoded))


@pytest.mark.parametrize(
    "encoded",
    [
        *["d40100", "d5010000", "d60100000000", "d7010000000000000000", "c70001", "c7010100", "c700ff"],
        *["d6ff00000000", "d7ff0000000000000000", "c800010100", "c9000000010100"],
        *["d801" + "00" * 16, "c70cff" + "00" * 12],
    ],
)
def test_ext_and_timestamp(encoded: str) -> None:
    refused(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    "value", [None, True, False, 0.0, 1.5, math.nan, (), {1}, object(), 2**53, -(2**53), 2**70]
)
def test_a_value_without_an_encoding(value: Any) -> None:
    for carrier in (value, [value], {"a": value}):
        with pytest.raises(RefusedInput) as caught:
            codec.encode(carrier)
        assert caught.value.code == "not-canonical"


def test_integers_end_at_two_to_the_53() -> None:
    for integer in (2**53 - 1, -(2**53) + 1):
        assert accepted(pack(integer)) == integer
        refused(pack(integer + (1 if integer > 0 else -1)))
    refused(pack(2**64 - 1))
    refused(pack(-(2**63)))


@pytest.mark.parametrize(
    "encoded",
    [
        *["cc7f", "cd00ff", "ce0000ffff", "cf00000000ffffffff", "d07f", "d0e0", "d1ff80", "d2ffff8000"],
        *["d3ffffffff80000000", "d10080", "d90161", "da000161", "db0000000161", "c5000161", "c60000000161"],
        *["dc000101", "dd0000000101", "de0001a16101", "df00000001a16101"],
    ],
)
def test_a_longer_form_or_another_family_than_needed(encoded: str) -> None:
    refused(bytes.fromhex(encoded))


def test_depth() -> None:
    """Eight containers, the outermost counted; whatever they are."""
    for wrap in (lambda inner: [inner], lambda inner: {"a": inner}):
        value: Any = 1
        for _ in range(8):
            value = wrap(value)
        assert accepted(pack(value)) == value
        refused(pack(wrap(value)))
        with pytest.raises(RefusedInput):
            codec.encode(wrap(value))


def test_nesting_without_end_is_refused_by_the_encoder_too() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(RefusedInput) as caught:
        codec.encode(value)
    assert caught.value.code == "not-canonical"


def test_items_and_keys() -> None:
    assert len(accepted(pack([1] * 512))) == 512
    refused(pack([1] * 513))
    for over in ([1] * 513, dict.fromkeys([f"{number:03}" for number in range(33)], 1)):
        with pytest.raises(RefusedInput) as caught:
            codec.encode(over)
        assert caught.value.code == "not-canonical"
    names = [f"{number:03}" for number in range(33)]
    assert len(accepted(pack(dict.fromkeys(names[:32], 1)))) == 32
    refused(pack(dict.fromkeys(names, 1)))


def test_map_keys() -> None:
    def of(*pairs: tuple[Any, int]) -> bytes:
        return bytes([0x80 | len(pairs)]) + b"".join(pack(name) + pack(item) for name, item in pairs)

    accepted(of(("a", 1), ("b", 2)))
    refused(of(("b", 2), ("a", 1)))
    refused(of(("a", 1), ("a", 1)))
    refused(of(("a", 1), ("a", 2)))
    refused(of((1, 1)))
    refused(of((b"a", 1)))
    refused(of((b"a", 1), ("b", 1)))
    refused(of((Raw(b"\xa0"), 1)))
    refused(of((Raw(b"\xc0"), 1)))
    refused(of((Raw(b"\x91\x01"), 1)))


def test_map_order_is_that_of_utf8_not_of_utf16() -> None:
    """U+FF61 sorts behind U+1F600 by UTF-16 code units, before it by UTF-8."""
    accepted(pack({"｡": 1, "😀": 2}))
    refused(b"\x82" + pack("😀") + b"\x02" + pack("｡") + b"\x01")


def test_map_order_is_not_by_length() -> None:
    accepted(b"\x82\xa2aa\x01\xa1b\x02")
    refused(b"\x82\xa1b\x02\xa2aa\x01")


def test_trailing_and_missing_bytes() -> None:
    for value in (1, "text", b"bin", [1, 2], {"a": [1]}):
        encoded = pack(value)
        accepted(encoded)
        refused(encoded + b"\x01")
        refused(encoded + b"\xc0")
        for cut in range(len(encoded)):
            refused(encoded[:cut])


@pytest.mark.parametrize(
    "text", ["eda080", "edb080", "c080", "e080af", "f0808080", "f4908080", "ff", "c2", "e282", "80", "61ff"]
)
def test_what_is_no_utf8(text: str) -> None:
    data = bytes.fromhex(text)
    refused(bytes([0xA0 | len(data)]) + data)
    refused(b"\x81" + bytes([0xA0 | len(data)]) + data + b"\x01")


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    for value in ("\ud800", ["\udfff"], {"\ud800": 1}):
        with pytest.raises(RefusedInput) as caught:
            codec.encode(value)
        assert caught.value.code == "not-canonical"


def test_empty_values_and_the_one_exception() -> None:
    for empty in (b"\x90", b"\x80", b"\xa0", b"\xc4\x00"):
        refused(empty)
        refused(b"\x91" + empty)
        refused(b"\x81\xa1a" + empty)
    assert accepted(pack({"parents": []})) == {"parents": []}
    refused(pack({"a": {"parents": []}}))
    refused(pack([{"parents": []}]))
    refused(pack({"parents": [[]]}))
    refused(pack({"parents": {}}))
    refused(pack({"parents": ""}))


def test_what_was_read_is_read_from_a_view_too() -> None:
    data = pack({"a": [1, b"x"]})
    assert codec.decode(memoryview(data), LIMIT) == {"a": [1, b"x"]}
    assert codec.encode({"a": memoryview(b"x"), "b": bytearray(b"y"), "c": (1, 2)}) == pack(
        {"a": b"x", "b": b"y", "c": [1, 2]}
    )


def test_size_limit_comes_first() -> None:
    data = pack(b"x" * 100)
    assert codec.decode(data, len(data)) == b"x" * 100
    refused(data, "too-large", len(data) - 1)
    refused(b"\xc0" * 10, "too-large", 9)


HOSTILE = {
    "array of 2^32-1 items": b"\xdd\xff\xff\xff\xff",
    "array of 65,535 items": b"\xdc\xff\xff" + b"\x01" * 60_000,
    "map of 2^32-1 keys": b"\xdf\xff\xff\xff\xff",
    "str of 2^32-1 bytes": b"\xdb\xff\xff\xff\xff",
    "bin of 2^32-1 bytes": b"\xc6\xff\xff\xff\xff",
    "ext of 2^32-1 bytes": b"\xc9\xff\xff\xff\xff\x01",
    "nested arrays": b"\x91" * LIMIT,
    "nested arrays that claim 512 items": b"\xdc\x02\x00" * (LIMIT // 3),
    "nested maps that claim 32 keys": b"\xde\x00\x20\xa1a" * (LIMIT // 5),
    "nested map keys": b"\x81" * LIMIT,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_headers_are_refused_within_little_memory(name: str) -> None:
    refused(HOSTILE[name])  # once before: what is imported or cached on the way is not the input's doing
    tracemalloc.start()
    try:
        refused(HOSTILE[name])
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MIB

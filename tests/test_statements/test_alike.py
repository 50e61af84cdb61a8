"""The decoder of many records against decoding each in full: the same answer for every sequence of bytes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import RefusedInput
from ledger.merkle.tree import hash_leaf
from ledger.statements import alike
from ledger.statements.alike import RecordDecoder
from ledger.statements.record import Record, decode_record
from tests.cases import records as cases
from tests.cases.samples import changed, facts, record, some
from tests.reference import pack

LEGAL = [case.data for case in cases.legal()]
REFUSED = [case.data for case in (*cases.refused(), *cases.not_canonical())]
SIZES = [0, 1, 32, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, spec.INTEGER_MAX]

contents = st.binary(min_size=32, max_size=32) | st.sampled_from(
    [
        b"\xa7content\xc4\x20".ljust(32, b"c"),
        b"\xa4size\x01".rjust(32, b"s"),
        b"\xa4size".ljust(32, b"\xa4"),
        b"\xa5maker\xc4\x20".ljust(32, b"m"),
        b"\xa7parents\x91\x82\xa2id\xc4\x20".rjust(32, b"p"),
        b"\xa7parents\x91\x82\xa2id\xc4\x20".ljust(32, b"p"),
        b"\xa2id\xc4\x20".ljust(32, b"i"),
        b"\xa2id\xc4\x20".rjust(32, b"i"),
    ]
)
sizes = st.sampled_from(SIZES) | st.integers(0, spec.INTEGER_MAX)


def outcome(decode: Any, data: bytes) -> tuple[Any, ...]:
    try:
        found: Record = decode(data)
    except RefusedInput as error:
        return (error.code, error.item, error.reason)
    return (found.encoded, found.fields, list(found.fields), found.id)


@st.composite
def families(draw: st.DrawFn) -> list[bytes]:
    """A legal record, and others like it: another content, size, maker or parent, one byte changed, put in or left out."""
    data = draw(st.sampled_from(LEGAL))
    fields = decode_record(data).fields
    family = [data]
    for damage in draw(st.lists(st.booleans(), min_size=1, max_size=4)):
        more: dict[str, Any] = {"maker": draw(contents)} if draw(st.booleans()) else {}
        if fields["parents"] and draw(st.booleans()):
            ids = draw(st.lists(contents, min_size=len(fields["parents"]), max_size=len(fields["parents"])))
            ids = draw(st.sampled_from((ids, sorted(ids))))
            more["parents"] = [
                parent | {"id": each} for parent, each in zip(fields["parents"], ids, strict=True)
            ]
        other = pack(changed(fields, content=draw(contents), size=draw(sizes), **more))
        if damage:
            at = draw(st.integers(0, len(other) - 1))
            other = other[:at] + draw(st.binary(max_size=2)) + other[at + 1 :]
        family.append(other)
    return family


@given(st.lists(families() | st.lists(st.sampled_from(LEGAL + REFUSED), max_size=2), max_size=4))
@settings(max_examples=400)
def test_any_sequence_is_answered_as_by_decoding_each_in_full(sequence: list[list[bytes]]) -> None:
    decoder = RecordDecoder()
    for data in chain.from_iterable(sequence):
        assert outcome(decoder.decode, data) == outcome(decode_record, data)


relations = st.lists(
    st.fixed_dictionaries({"rel": st.sampled_from(("derived-from", "quotes"))}, optional={"ppm": st.just(7)}),
    min_size=2,
    max_size=5,
)


@given(relations, st.lists(st.lists(contents, min_size=5, max_size=5), min_size=2, max_size=5), st.booleans())
@settings(max_examples=300)
def test_parents_in_whatever_order(
    shapes: list[dict[str, Any]], ids: list[list[bytes]], is_sorted: bool
) -> None:
    """Several parents of some shapes: with other ids, in order or not, and some of them twice."""
    decoder = RecordDecoder()
    for some_ids in ids:
        parents = [shape | {"id": each} for shape, each in zip(shapes, some_ids, strict=False)]
        if is_sorted:
            parents.sort(key=pack)
        data = pack(record(parents=parents))
        assert outcome(decoder.decode, data) == outcome(decode_record, data)


def test_parents_out_of_order_are_refused_behind_a_sample() -> None:
    """As many as are cut: each pair of neighbours exchanged, and each made equal to the next."""
    ids = [bytes([number]) * 32 for number in range(15)]
    decoder = RecordDecoder()

    def encoded(some_ids: list[bytes]) -> bytes:
        return pack(record(parents=[{"rel": "quotes", "id": each} for each in some_ids]))

    for data in (encoded(ids), encoded([bytes([number + 100]) * 32 for number in range(15)])):
        assert outcome(decoder.decode, data) == outcome(decode_record, data)
    for at in range(14):
        for pair in ([ids[at + 1], ids[at]], [ids[at], ids[at]]):
            with pytest.raises(RefusedInput):
                decoder.decode(encoded([*ids[:at], *pair, *ids[at + 2 :]]))


def test_every_byte_around_the_two_values_counts() -> None:
    """Each byte of a record changed by itself: the answer is that of decoding in full."""
    data = pack(record(human=600_000, made=7))
    decoder = RecordDecoder()
    for at in range(len(data)):
        for flip in (0x01, 0x20, 0x80):
            decoder.decode(data)
            other = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
            assert outcome(decoder.decode, other) == outcome(decode_record, other)


@pytest.mark.parametrize("size", SIZES)
def test_every_legal_record_with_every_length_of_size(size: int) -> None:
    checked = 0
    for data in LEGAL:
        decoder = RecordDecoder()
        decoder.decode(data)
        other = pack(changed(decode_record(data).fields, content=some("other"), size=size))
        assert outcome(decoder.decode, other) == outcome(decode_record, other)
        checked += 1
    assert checked == len(LEGAL) == 35


def sized(encoded: bytes) -> bytes:
    """A plain record with these bytes in the place of its size."""
    head, _, tail = pack(record(size=77)).partition(b"\xa4size\x4d")
    return head + b"\xa4size" + encoded + tail


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xcc\x05",  # not the shortest
        b"\xcd\x00\x80",
        b"\xcf" + (7).to_bytes(8, "big"),
        b"\xcf" + (spec.INTEGER_MAX + 1).to_bytes(8, "big"),
        b"\xd0\x05",  # the signed family
        b"\xff",  # -1
        b"\xc0",
        b"\xc3",
        b"\xa1a",
        b"\x05\x05",
        b"\xcb" + bytes(8),
    ],
)
def test_a_size_that_is_none_is_refused_behind_a_sample(encoded: bytes) -> None:
    decoder = RecordDecoder()
    decoder.decode(pack(record(size=1)))
    assert outcome(decoder.decode, sized(encoded)) == outcome(decode_record, sized(encoded))
    with pytest.raises(RefusedInput):
        decoder.decode(sized(encoded))


def test_the_limit_of_a_record_holds_behind_a_sample() -> None:
    full = pack(changed(cases.filled_to(spec.RECORD_BYTES_MAX), size=1))
    decoder = RecordDecoder()
    decoder.decode(full)
    longer = pack(changed(decode_record(full).fields, size=2**40))
    assert len(longer) > spec.RECORD_BYTES_MAX
    with pytest.raises(RefusedInput) as error:
        decoder.decode(longer)
    assert error.value.code == "too-large"


def test_a_digest_that_holds_the_key_of_content_makes_no_sample() -> None:
    """`attributed` stands before `content`: were its bytes taken for the key, the content would begin within it."""
    attributed = b"\xa7content\xc4\x20".rjust(22, b"a").ljust(32, b"a")
    rest = bytes(20)
    sample = pack(record(stance="reported", attributed=attributed, content=b"1" * 12 + rest))
    other = pack(record(stance="reported", attributed=attributed, content=b"2" * 12 + rest))
    decoder = RecordDecoder()
    for data in (sample, other):
        assert outcome(decoder.decode, data) == outcome(decode_record, data)


def test_a_digest_that_holds_the_key_of_size_makes_no_sample() -> None:
    """`maker` stands between `content` and `size`: were its bytes taken for the key, a maker could pass for another."""
    sample = pack(record(maker=b"\xa4size\x07".ljust(32, b"m"), size=7))
    other = pack(record(maker=b"\xa4size\x08".ljust(32, b"m"), size=7))
    decoder = RecordDecoder()
    for data in (sample, other):
        assert outcome(decoder.decode, data) == outcome(decode_record, data)


@pytest.mark.parametrize("key", [b"\xa5maker\xc4\x20", b"\xa7parents\x91\x82\xa2id\xc4\x20", b"\xa4size\x07"])
def test_a_digest_that_holds_a_key_makes_no_sample(key: bytes) -> None:
    """Were its bytes taken for the key, what follows would be read as another value."""
    for place in ("maker", "parent", "content"):
        for at in (0, 32 - len(key)):
            held = (bytes(at) + key).ljust(32, b"k")
            for end in (b"1", b"2"):
                fields: dict[str, Any] = {place: held} if place != "parent" else {}
                relation = {"rel": "quotes", "id": held if place == "parent" else some("p")}
                samples = [pack(record(**fields, parents=[relation])), pack(record(**fields, parents=[]))]
                others = [sample.replace(key + b"k", key + end) for sample in samples]
                decoder = RecordDecoder()
                for data in (*samples, *others, *samples[::-1]):
                    assert outcome(decoder.decode, data) == outcome(decode_record, data)


def test_a_digest_that_holds_the_key_of_the_maker_makes_no_sample() -> None:
    """`facts` stand between `content` and `maker`: were their bytes taken for the key, facts could pass for others."""
    key = b"\xa5maker\xc4\x20"
    sample, other = (
        pack(
            record("derived", facts=(facts("derived") or {}) | {"parameters": key.rjust(20, b"f") + end * 12})
        )
        for end in (b"1", b"2")
    )
    decoder = RecordDecoder()
    for data in (sample, other):
        assert outcome(decoder.decode, data) == outcome(decode_record, data)


def test_many_makers_and_their_one_parent_are_checked_in_full_once(monkeypatch: pytest.MonkeyPatch) -> None:
    full = counted(monkeypatch)
    decoder = RecordDecoder()
    rows = []
    for number in range(60):
        names: dict[str, Any] = {
            "content": some(f"row {number}"),
            "maker": some(f"maker {number}"),
            "size": number,
        }
        relation = {"rel": "quotes", "id": some(f"parent {number}")}
        rows += [pack(record(**names, parents=[])), pack(record(**names, parents=[relation]))]
        rows.append(pack(record(**names, parents=[relation | {"ppm": 5}])))
    found = [decoder.decode(data) for data in rows]
    assert [record_.fields for record_ in found] == [decode_record(data).fields for data in rows]
    assert full == rows[:3]


def test_two_parents_are_checked_in_full_unless_they_ascend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their order is that of their ids."""
    full = counted(monkeypatch)
    decoder = RecordDecoder()
    ids = sorted([some("one"), some("two")])
    for pair in (ids, ids[::-1], sorted([some("three"), some("four")])):
        data = pack(record(parents=[{"rel": "quotes", "id": each} for each in pair]))
        assert outcome(decoder.decode, data) == outcome(decode_record, data)
    assert len(full) == 2


def test_no_more_samples_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_SAMPLES_REMEMBERED", 3)
    decoder = RecordDecoder()
    for number in [*range(9), *range(9)]:
        data = pack(record(human=number + 1))
        assert outcome(decoder.decode, data) == outcome(decode_record, data)
        assert len(decoder._samples) <= 3


def test_records_alike_are_checked_in_full_once(monkeypatch: pytest.MonkeyPatch) -> None:
    full = counted(monkeypatch)
    decoder = RecordDecoder()
    rows = [pack(record(content=some(f"row {number}"), size=number)) for number in range(300)]
    ids = [decoder.decode(data, hash_leaf(data)).id for data in rows]
    assert ids == [hash_leaf(data) for data in rows]
    assert full == rows[:1]


def counted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The records that were decoded in full from now on."""
    seen: list[bytes] = []

    def decode(data: bytes) -> Record:
        seen.append(data)
        return decode_record(data)

    monkeypatch.setattr(alike, "decode_record", decode)
    return seen

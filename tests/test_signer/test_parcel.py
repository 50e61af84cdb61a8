"""Parcels as bytes: what is packed comes back, and whatever else lies in a file is told (SPEC §5.3, §10.5)."""

from __future__ import annotations

import tracemalloc

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.signer.parcel import Parcel, Place, pack, place_of, unpack
from tests.world import Actor, World, enrol

ADA: Actor = enrol("ada", World(begin=False).writer.log_id)
ENTRY = ADA.artifacts([ADA.record("parcel")], b"P" * 16)[0].encoded


@given(st.lists(st.lists(st.binary(max_size=40), max_size=5), min_size=1, max_size=5))
def test_parcel_comes_back_with_the_place_of_its_first_statement(records: list[list[bytes]]) -> None:
    parcel = Parcel(tuple((ENTRY, tuple(one)) for one in records))
    assert unpack(pack(parcel)) == (parcel, Place(b"P" * 16, 0))


def test_statement_without_a_lane_has_a_place_of_its_own() -> None:
    bob = enrol("bob", ADA.log)
    places = [place_of(actor.enrolment.statement) for actor in (ADA, bob)]
    assert places == [Place(ADA.id[:16], 0), Place(bob.id[:16], 0)]
    assert unpack(pack(Parcel(((bob.enrolment.encoded, ()),))))[1] == places[1]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_parcel_or_refused(data: bytes) -> None:
    with pytest.raises(RefusedInput) as raised:
        unpack(data)
    assert raised.value.code == "outbox-damaged"


@pytest.mark.parametrize(
    "value",
    [
        [],
        [[]],
        {},
        None,
        7,
        [[ENTRY]],
        [[ENTRY, [], []]],
        [[ENTRY, "text"]],
        [[ENTRY, [7]]],
        [[ENTRY, [None]]],
        [["text", []]],
        [[b"no entry", []]],
        [[[ENTRY], []]],
        [[ENTRY, []], 7],
        [[ENTRY, []], ["text", []]],
    ],
)
def test_other_msgpack_is_refused(value: object) -> None:
    with pytest.raises(RefusedInput) as raised:
        unpack(msgpack.packb(value, use_bin_type=True))
    assert raised.value.code == "outbox-damaged"


def test_cut_short_anywhere_or_longer_is_refused() -> None:
    data = pack(Parcel(((ENTRY, (b"record", b"another")),)))
    for bad in [data[:stop] for stop in range(len(data))] + [data + b"\x00"]:
        with pytest.raises(RefusedInput):
            unpack(bad)


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(RefusedInput):
        unpack(b"\x91" * 100_000)


@pytest.mark.parametrize(
    "item", [b"\x80", b"\x90", b"\xc7\x00\x01", b"\xa2ab", b"\xcd\x01\x01", b"\xc4\x02ab", b"\xc0"]
)
def test_values_that_take_more_room_than_their_bytes_are_refused_before_they_do(item: bytes) -> None:
    """A drainer that dies of one file drains nothing any more."""
    array = b"\xdd" + (50_000).to_bytes(4, "big") + item * 50_000
    data = b"\xdd" + (40).to_bytes(4, "big") + array * 40
    tracemalloc.start()
    try:
        with pytest.raises(RefusedInput) as raised:
            unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data) + 1_000_000
    finally:
        tracemalloc.stop()
    assert raised.value.code == "outbox-damaged"


def test_many_small_statements_are_a_parcel() -> None:
    """As many values as signed statements can be: one record each, none of them longer than a record is."""
    record = ADA.record("small").encoded
    parcel = Parcel(((ENTRY, (record,)),) * 3_000 + ((ENTRY, (record,) * 3_000),))
    assert unpack(pack(parcel))[0] == parcel

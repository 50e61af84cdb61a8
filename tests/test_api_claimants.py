"""Records that are spliced are those that would be made one by one, or refused for the same reason."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.api.claimants import CLAIMANTS_MAX, Claimants
from ledger.api.given import Given
from ledger.errors import InvariantBroken, RefusedInput
from ledger.signer.claims import Claim, Claimant
from ledger.statements import words
from ledger.statements.record import Parent, decode_record

MAKER = b"m" * 32
STAND_IN = b"\xff" * 30
KEY = b"k" * 32


def claimants(role: str) -> Claimants:
    return Claimants(lambda claim: Claimant(MAKER, role, claim, lambda: KEY), lambda _fields: None)


def naive(role: str, given_: Given, claim: Claim) -> bytes:
    """A record made for itself alone."""
    return Claimant(MAKER, role, claim, lambda: KEY).record(
        given_.digest, given_.size_bytes, given_.form, given_.media
    )


def outcome(make: Any) -> bytes | str:
    try:
        return bytes(make())
    except RefusedInput as error:
        return error.code


ids = st.sampled_from(
    [bytes([n]) * 32 for n in (0, 1, 127, 254)] + [STAND_IN + b"\0\0", STAND_IN + b"\0\1", b"short"]
)
parents = st.builds(
    Parent,
    st.sampled_from(sorted(words.RELATIONS)),
    ids,
    st.sampled_from([None, None, None, 5, 2_000_000]),
    st.sampled_from([None, None, None, b"l" * 32]),
    st.sampled_from([None, None, None, 3]),
)
claims = st.builds(
    Claim,
    kind=st.sampled_from([None, *sorted(words.KINDS)]),
    parents=st.lists(parents, max_size=4, unique=True).map(tuple),
    human=st.sampled_from([None, None, 0, 1, 1_000_000, True]),
    machine=st.sampled_from([None, None, 1]),
    reported=st.booleans(),
    author=st.sampled_from([None, None, "R. Example"]),
    rights=st.sampled_from([{}, {"license": "CC-BY-4.0"}]),
    facts=st.sampled_from(
        [
            {},
            {"confidence": 1},
            {"confidence": True},
            {"confidence": 1.0},
            {"evidence": [STAND_IN + b"\0\0"]},
            {"tool": "t", "version": "1", "parameters": STAND_IN + b"\0\1"},
            {"tool": "t", "version": "1", "parameters": b"p" * 32},
            {"name": "m", "version": "1"},
        ]
    ),
)
contents = st.builds(
    Given,
    st.sampled_from([b"c" * 32, os.urandom(32)]),
    st.sampled_from([32, 64, 2**40]),
    st.sampled_from(["raw", "jcs", "sealed"]),
    st.sampled_from(["text/plain", None]),
)


@settings(max_examples=400)
@given(
    role=st.sampled_from(["human", "pair", "machine", "registrar"]),
    asked=st.lists(st.tuples(contents, claims), min_size=1, max_size=6),
)
def test_spliced_records_are_those_made_one_by_one(role: str, asked: list[tuple[Given, Claim]]) -> None:
    quick = claimants(role)
    for content, claim in [*asked, *asked]:
        expected = outcome(lambda content=content, claim=claim: naive(role, content, claim))
        found = outcome(lambda content=content, claim=claim: quick.record(content, claim).record)
        assert found == expected
        if isinstance(found, bytes):
            assert decode_record(found).kind == quick.kind_of(claim)


def test_parents_may_come_in_any_order_and_twice() -> None:
    quick = claimants("human")
    content = Given(b"c" * 32, 3, "raw", "text/plain")
    one, other = Parent("derived-from", b"a" * 32), Parent("evidence", b"a" * 32)
    third = Parent("derived-from", b"\xfe" * 32)
    records = {
        quick.record(content, Claim(parents=order)).record
        for order in ((one, other, third), (third, other, one), (other, one, third, one))
    }
    assert len(records) == 1
    assert len(decode_record(records.pop()).parents) == 3


def test_claims_that_are_remembered_are_bounded() -> None:
    quick = claimants("human")
    content = Given(b"c" * 32, 3, "raw", "text/plain")
    for human in range(CLAIMANTS_MAX + 9):
        quick.record(content, Claim(human=human))
    assert len(quick._known) == CLAIMANTS_MAX


def test_check_is_asked_before_anything_is_made() -> None:
    def refuse(fields: dict[str, Any]) -> None:
        raise RefusedInput("scope-exceeded", fields["kind"], "no", "Ask.")

    quick = Claimants(lambda claim: Claimant(MAKER, "human", claim, lambda: KEY), refuse)
    for plain in (Parent("evidence", b"a" * 32), Parent("quotes", b"a" * 32, 3)):
        for _ in range(2):
            with pytest.raises(RefusedInput, match="work"):
                quick.record(Given(b"c" * 32, 3, "raw", "text/plain"), Claim(parents=(plain,)))


def test_a_claim_that_is_to_be_sealed_is_no_other_claim() -> None:
    """What is remembered of the same claim in the open makes no record of it."""
    made = claimants("human")
    content = Given(b"c" * 32, 5, "raw", "text/plain")
    assert decode_record(made.record(content, Claim()).record).form == "raw"
    with pytest.raises(InvariantBroken, match="sealed"):
        made.record(content, Claim(sealed=True))

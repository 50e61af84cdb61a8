"""The pattern of the most common entry against decoding in full: what it takes, that takes too, and says the same of it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import entry as entries
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.plain import plain_artifacts
from tests.cases import payloads as cases
from tests.cases.samples import payload
from tests.reference import pack

ENTRIES = [case.data for case in cases.entries()]
COUNTS = [1, 2, 127, 128, 255, 256, 65_535, 65_536]
SEQS = [0, 1, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, spec.INTEGER_MAX]
digests = st.binary(min_size=32, max_size=32)


def artifacts(
    count: int, seq: int, *, delegation: bytes | None = None, key_index: int = 0, **fields: Any
) -> bytes:
    body = {"count": count, "root": bytes(range(32))} | (
        {} if delegation is None else {"delegation": delegation}
    )
    made = payload("artifacts") | {"body": body, "seq": seq, "prev": bytes(32)} | fields
    if seq == 0:
        del made["prev"]
    return pack([pack(made), [[0, key_index, bytes(range(64))]]])


PLAIN = [artifacts(count, seq) for count in COUNTS for seq in SEQS] + [artifacts(1, 5, delegation=bytes(32))]


def outcome(found: Entry) -> tuple[Any, ...]:
    statement = found.statement
    fields = [(name, list(value) if name == "body" else value) for name, value in statement.fields.items()]
    return (
        found.encoded,
        found.leaf_hash,
        found.signatures,
        statement.payload,
        statement.id,
        statement.fields,
        fields,
    )


def in_full(data: bytes) -> tuple[Any, ...] | str:
    """What decoding says of an entry when the pattern is not asked."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "plain_artifacts", lambda _data: None)
        try:
            return outcome(decode_entry(data))
        except RefusedInput as error:
            return error.code


def at_a_glance(data: bytes) -> tuple[Any, ...] | str:
    try:
        return outcome(decode_entry(data))
    except RefusedInput as error:
        return error.code


@pytest.mark.parametrize("data", PLAIN)
def test_the_common_entry_is_read_at_a_glance(data: bytes) -> None:
    assert plain_artifacts(data) is not None
    assert at_a_glance(data) == in_full(data)


@given(st.sampled_from(PLAIN + ENTRIES), st.data())
@settings(max_examples=800)
def test_damaged_entries_are_answered_as_in_full(data: bytes, drawn: st.DataObject) -> None:
    for _ in range(drawn.draw(st.integers(0, 2))):
        at = drawn.draw(st.integers(0, len(data) - 1))
        data = data[:at] + drawn.draw(st.binary(max_size=2)) + data[at + drawn.draw(st.integers(0, 2)) :]
    assert at_a_glance(data) == in_full(data)


@pytest.mark.parametrize(
    "data", [artifacts(1, 5), artifacts(300, 0, delegation=bytes(32)), artifacts(65_536, 2**40)]
)
def test_every_bit_counts(data: bytes) -> None:
    """Each bit changed by itself, and each byte put in or left out."""
    for at in range(len(data)):
        for bit in range(8):
            other = data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]
            assert at_a_glance(other) == in_full(other)
        for other in (data[:at] + data[at + 1 :], data[:at] + b"\x01" + data[at:]):
            assert at_a_glance(other) == in_full(other)


@pytest.mark.parametrize(
    ("count", "seq"),
    [
        (b"\x00", b"\x05"),
        (b"\xcc\x05", b"\x05"),
        (b"\xcd\x00\x80", b"\x05"),
        (b"\xce\x00\x01\x00\x01", b"\x05"),
        (b"\xce\x00\x00\xff\xff", b"\x05"),
        (b"\x01", b"\xcc\x7f"),
        (b"\x01", b"\xcd\x00\xff"),
        (b"\x01", b"\xce\x00\x00\xff\xff"),
        (b"\x01", b"\xcf\x00\x00\x00\x00\xff\xff\xff\xff"),
        (b"\x01", b"\xcf\x00\x20\x00\x00\x00\x00\x00\x00"),
        (b"\x01", b"\xd0\x05"),
        (b"\x01", b"\xff"),
    ],
)
def test_a_number_that_is_not_canonical_or_too_great_is_refused(count: bytes, seq: bytes) -> None:
    inner = pack(
        payload("artifacts") | {"body": {"count": 0x77, "root": bytes(32)}, "seq": 0x66, "prev": bytes(32)}
    )
    made = inner.replace(b"\xa5count\x77", b"\xa5count" + count).replace(b"\xa3seq\x66", b"\xa3seq" + seq)
    data = pack([made, [[0, 0, bytes(64)]]])
    assert plain_artifacts(data) is None
    assert isinstance(in_full(data), str)
    assert at_a_glance(data) == in_full(data)


@pytest.mark.parametrize(
    "signatures", [[[1, 0, bytes(64)]], [[0, 8, bytes(64)]], [[0, 0, bytes(64)], [0, 1, bytes(64)]], []]
)
def test_other_signatures_are_read_in_full(signatures: list[Any]) -> None:
    inner = pack(payload("artifacts"))
    data = pack([inner, signatures])
    assert plain_artifacts(data) is None
    assert at_a_glance(data) == in_full(data)

"""Entries: their shape, and that reading and writing them are inverse."""

from __future__ import annotations

import hashlib

import pytest

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements.entry import Signature, decode_entry, make_entry
from ledger.statements.statement import decode_statement
from tests.cases import payloads as cases
from tests.cases.samples import Case, payload
from tests.reference import pack


@pytest.mark.parametrize("case", list(cases.entries()), ids=lambda case: case.name)
def test_entries(case: Case) -> None:
    if case.code:
        with pytest.raises(RefusedInput) as caught:
            decode_entry(case.data)
        assert caught.value.code == case.code
        assert caught.value.reason
        return
    found = decode_entry(case.data)
    assert found.encoded == case.data
    assert found.leaf_hash == hashlib.sha256(b"\x00" + case.data).digest()
    assert make_entry(found.statement, reversed(found.signatures)).encoded == case.data


def test_signatures_may_be_given_in_any_order() -> None:
    statement = decode_statement(pack(payload("artifacts")))
    signatures = [Signature(1, 0, bytes(64)), Signature(0, 3, bytes(64)), Signature(0, 1, bytes(64))]
    assert make_entry(statement, signatures).signatures == tuple(sorted(signatures))


def test_the_largest_payload_with_all_signatures_is_a_legal_entry() -> None:
    """An `evidence` of 60,160 bytes leaves room for its signers: two ml-dsa-44 keys, and some of ed25519."""
    room = spec.ENTRY_BYTES_MAX - spec.EVIDENCE_PAYLOAD_BYTES_MAX
    signatures = [[0, 0, bytes(2420)], [0, 1, bytes(2420)], [0, 2, bytes(64)], [0, 3, bytes(64)]]
    assert len(pack([bytes(1), signatures])) < room

"""Entries: a statement with its signatures, one leaf of the log (SPEC §8.1)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ledger import spec
from ledger.merkle.tree import hash_leaf
from ledger.statements import codec
from ledger.statements.bodies import signatures as check_signatures
from ledger.statements.plain import plain_artifacts
from ledger.statements.schema import refuse
from ledger.statements.statement import Statement, decode_statement

CURRENT, NEXT, RECOVERY = 0, 1, 2  # which keyset of the signer a signature's key index points into


class Signature(NamedTuple):
    """`keyset` is CURRENT, NEXT or RECOVERY; `key_index` points into that keyset's keys."""

    keyset: int
    key_index: int
    signature: bytes


class Entry:
    """A checked entry, but for what its signatures mean. Made by `decode_entry` and `make_entry` only."""

    __slots__ = ("encoded", "leaf_hash", "signatures", "statement")

    def __init__(self, encoded: bytes, statement: Statement, signatures: tuple[Signature, ...]) -> None:
        self.encoded = encoded
        self.statement = statement
        self.signatures = signatures
        self.leaf_hash: bytes = hash_leaf(encoded)


def make_entry(statement: Statement, signatures: Iterable[Signature] = ()) -> Entry:
    """Encodes an entry; signatures may come in any order."""
    ordered = [list(item) for item in sorted(signatures)]
    return decode_entry(codec.encode([statement.payload, ordered] if ordered else [statement.payload]))


def decode_entry(data: bytes) -> Entry:
    """Reads and checks an entry of at most ENTRY_BYTES_MAX bytes.

    Raises RefusedInput `too-large`, `not-canonical`, `schema` or `keyset-illegal`.
    """
    plain = plain_artifacts(data)
    if plain is not None:
        signature = Signature(CURRENT, plain.key_index, plain.signature)
        return Entry(bytes(data), Statement(plain.payload, plain.fields), (signature,))
    fields = codec.decode(data, spec.ENTRY_BYTES_MAX)
    if type(fields) is not list or len(fields) not in (1, 2) or type(fields[0]) is not bytes:
        raise refuse("entry", "it must be [payload, signatures], or [payload] for a state")
    statement = decode_statement(fields[0])
    if (len(fields) == 1) != (statement.type == "state"):
        raise refuse("entry", "every entry but a state has signatures, and a state none")
    signatures: tuple[Signature, ...] = ()
    if len(fields) == 2:
        check_signatures(fields[1], "entry.signatures")
        signatures = tuple(Signature(*item) for item in fields[1])
    return Entry(bytes(data), statement, signatures)

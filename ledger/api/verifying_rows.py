"""Checking the receipts of a dataset's rows, offline, in bounded memory (SPEC §11.4).

First all receipts are checked, statement by statement, and of each row what its record is about is noted, in 77 bytes;
then the rows are read and compared.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from ledger.api.receipt_table import Head, Line, open_table
from ledger.api.salts import parse_salt
from ledger.api.verified import Signer, Verified, signer_of
from ledger.datasets.files import printable
from ledger.datasets.opened import read_rows
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, Row
from ledger.errors import ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.proofs.receipt import Listing, ReceiptFacts, check_statement
from ledger.statements import words
from ledger.statements.record import sealed_content, sealed_size
from ledger.store.salts import Salts, SaltVault

_FORMS: Final = ("", *sorted(words.FORMS))  # by their numbers in a note; "": the receipt does not hold
_CHUNK: Final = 64  # rows whose notes are kept together


class _Note(NamedTuple):
    """What the record of a row is about: the digest of its content, its size and form; who signed it; the artifact's id."""

    digest: bytes
    size_bytes: int
    form: int
    signer: int
    artifact_id: bytes = bytes(32)


_NOTE: Final = Struct("<32sQBI32s")
_FAULTY: Final = _Note(bytes(32), 0, 0, 0, bytes(32))
_WHICH: Final = Struct("<Q")  # at the beginning of a chunk: the rows of it that have a note, a bit for each


class _Notes:
    """Notes by row index, wherever the rows lie: 45 bytes each, and some hundred for each 64 rows of which one has a note."""

    def __init__(self) -> None:
        self._chunks: dict[int, bytearray] = {}
        self.count = 0

    def add(self, row_index: int, note: _Note) -> bool:
        """Keeps a note; False if the row has one."""
        number, place = divmod(row_index, _CHUNK)
        chunk = self._chunks.setdefault(number, bytearray(_WHICH.size))
        (which,) = _WHICH.unpack_from(chunk)
        if which >> place & 1:
            return False
        start = _start(which, place)
        chunk[start:start] = _NOTE.pack(*note)
        _WHICH.pack_into(chunk, 0, which | 1 << place)
        self.count += 1
        return True

    def get(self, row_index: int) -> _Note | None:
        """The note of a row, if there is one."""
        number, place = divmod(row_index, _CHUNK)
        chunk = self._chunks.get(number)
        if chunk is None:
            return None
        (which,) = _WHICH.unpack_from(chunk)
        return _Note(*_NOTE.unpack_from(chunk, _start(which, place))) if which >> place & 1 else None


def _start(which: int, place: int) -> int:
    """Where the note of a place stands in its chunk, or would stand: behind those of the places before it."""
    return _WHICH.size + _NOTE.size * (which & (1 << place) - 1).bit_count()


def verify_rows(outcome: Verified, vkey: Vkey, vault: SaltVault | None = None) -> None:
    """Checks the receipts at `outcome.receipt` and the rows at `outcome.path`, and fills in the rest.

    `vault` has the salts of sealed rows that do not stand in their column `lineage_salt`.
    Raises ProofInvalid `receipt-invalid` for a file whose form is broken; RefusedInput for a dataset that cannot be read.
    """
    notes = _Notes()
    signers: list[tuple[Signer, str]] = []  # with their stances
    _check_lines(outcome, vkey, notes, signers)
    with nullcontext() if vault is None else vault.reading() as salts:
        seen = sum(_verify_row(outcome, row, notes, signers, salts) for row in _rows(outcome))
    if seen < notes.count:
        outcome.fault(
            ProofInvalid(
                "receipt-invalid",
                printable(outcome.receipt),
                f"{notes.count - seen:,} of its rows stand behind the end of the dataset",
            )
        )


def _rows(outcome: Verified) -> Iterator[Row]:
    return read_rows(outcome.path, outcome.column, (LINEAGE_ID, LINEAGE_SALT))


def _verify_row(
    outcome: Verified, row: Row, notes: _Notes, signers: list[tuple[Signer, str]], salts: Salts | None
) -> bool:
    """Counts a row; whether there is a receipt of it."""
    note = notes.get(row.row_index)
    if note is None:
        outcome.unlogged += 1
        return False
    is_sealed = _FORMS[note.form] == "sealed"
    given = row.cells.get(LINEAGE_SALT)
    kept = salts.salt_of(note.artifact_id) if is_sealed and salts is not None else None
    if is_sealed and given is None and kept is None:
        outcome.unlogged += 1  # without its salt nobody can tell what a sealed record is about
        return True
    named = row.cells.get(LINEAGE_ID)
    if note.form and named is not None and str(named).lower() != note.artifact_id.hex():
        outcome.invalid += 1
        reason = f"its {LINEAGE_ID} names another artifact than the one that its receipt proves"
        outcome.fault(_fault(outcome, row.row_index, reason, "lineage-id-differs"))
        return True
    maker = signers[note.signer][0].maker if note.form else b""
    if note.form and _is_about(note, row, maker, kept if given is None else None):
        outcome.count(*signers[note.signer])
        return True
    outcome.invalid += 1
    if kept is not None and given is not None and _is_about(note, row, maker, kept):
        reason = f"its {LINEAGE_SALT} is not the salt under which it was sealed, which this machine keeps"
        outcome.fault(_fault(outcome, row.row_index, reason, "salt-differs"))
    elif note.form:
        other = "the record is about another content than the row"
        reason = f"{other}, or has another salt" if is_sealed else other
        outcome.fault(_fault(outcome, row.row_index, reason))
    return True


def _check_lines(outcome: Verified, vkey: Vkey, notes: _Notes, signers: list[tuple[Signer, str]]) -> None:
    numbers: dict[tuple[Signer, str], int] = {}
    listing: Listing | None = None
    with open_table(Path(outcome.receipt)) as table:
        outcome.column = table.column
        for line in table.lines():
            if line.head is not None:
                listing = _listing(outcome, line.head, vkey)
            note = _FAULTY
            facts = None if listing is None else _facts(outcome, listing, line)
            if facts is not None:
                key = signer_of(facts), facts.record.stance
                number = numbers.setdefault(key, len(numbers))
                if number == len(signers):
                    signers.append(key)
                outcome.size = max(outcome.size, facts.checkpoint.size)
                record = facts.record
                about = (record.content, record.fields["size"], _FORMS.index(record.form))
                note = _Note(*about, number, facts.artifact_id)
            if not notes.add(line.row_index, note):
                raise ProofInvalid(
                    "receipt-invalid", printable(outcome.receipt), f"row {line.row_index} has two lines"
                )


def _listing(outcome: Verified, head: Head, vkey: Vkey) -> Listing | None:
    """The records of a statement, if its receipt holds."""
    try:
        return check_statement(head.proof, vkey).listing(head.ids)
    except ProofInvalid as error:
        outcome.fault(error)
        return None


def _facts(outcome: Verified, listing: Listing, line: Line) -> ReceiptFacts | None:
    """What a line proves, if it does."""
    try:
        facts = listing.check(line.record, line.record_index)
    except ProofInvalid as error:
        outcome.fault(_fault(outcome, line.row_index, error.reason, error.code))
        return None
    if facts.artifact_id != line.artifact_id:
        outcome.fault(_fault(outcome, line.row_index, "the artifact id is not that of the record"))
        return None
    return facts


def _is_about(note: _Note, row: Row, maker: bytes, kept: bytes | None = None) -> bool:
    if _FORMS[note.form] != "sealed":
        held = (row.form, row.size_bytes, hashlib.sha256(row.content).digest())
        return held == (_FORMS[note.form], note.size_bytes, note.digest)
    try:
        salt = parse_salt("salt", str(row.cells[LINEAGE_SALT])) if kept is None else kept
    except RefusedInput:
        return False
    held_sealed = (sealed_size(row.size_bytes), sealed_content(maker, salt, row.content))
    return held_sealed == (note.size_bytes, note.digest)


def _fault(outcome: Verified, row_index: int, reason: str, code: str = "receipt-invalid") -> ProofInvalid:
    return ProofInvalid(code, f"{printable(outcome.receipt)}, row {row_index}", reason)

"""Receipts beside the files and datasets that they are about (SPEC §11.4): where they lie, and how they are written.

What lies there already is replaced only by what proves the same, or more: it may be the only proof that somebody has.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.api.receipt_table import Head, Line, Table, open_table, write_table
from ledger.api.salts import sealed_file
from ledger.datasets.files import load_file, printable, read_file, walk
from ledger.errors import LineageError, NotFound, RefusedInput
from ledger.extras import load
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.proofs.receipt import (
    ReceiptFacts,
    check_receipt,
    check_statement,
    make_entry_proof,
    make_receipt,
    make_statement_receipt,
)
from ledger.signer.signing import Signed
from ledger.spec import RECEIPT_BYTES_MAX, RECEIPT_SUFFIX, ROW_RECEIPTS_SUFFIX
from ledger.store.files import write_atomically

if TYPE_CHECKING:  # who only checks a receipt needs no engine of a store
    from ledger.api.access import Access

_NAMED_MAX: Final = 3  # files that an error names


def receipt_path(path: str | os.PathLike[str]) -> Path:
    """Where the receipt of a file lies."""
    return Path(os.fspath(path) + RECEIPT_SUFFIX)


def row_receipts_path(path: str | os.PathLike[str]) -> Path:
    """Where the receipts of a dataset's rows lie."""
    return Path(os.fspath(path) + ROW_RECEIPTS_SUFFIX)


def receipt_of(view: LogView, artifact_id: bytes, *, bare: bool = False) -> str:
    """As `Ledger.receipt`."""
    numbers = view.find_artifact(artifact_id)
    if not numbers:
        raise NotFound(
            "unlogged", artifact_id.hex()[:16], "no artifact of this log has that id", "Sign it first."
        )
    number = next(filter(view.stands, numbers), numbers[0])
    return make_entry_proof(view, view.locate(number)[0]) if bare else make_receipt(view, number)


def foresee(access: Access, paths: Sequence[str | os.PathLike[str]], *, rows: bool) -> None:
    """As `Ledger.foresee_receipts`."""
    if rows:
        load("pyarrow", "parquet")
        for path in paths:
            _check_table(access.vkey, row_receipts_path(path))
        return
    for file in walk(paths).files:
        path = receipt_path(file)
        facts = receipt_there(access.vkey, path)
        if facts is not None and not _may_be_about(access, facts, file):
            raise not_replaced(printable(path), "it is the receipt of another content than the file has now")


def write_receipts(access: Access, signed: Signed) -> list[Path]:
    """As `Ledger.write_receipts`."""
    _check_labels(signed, rows=False)
    written, kept = [], []
    with access.view() as view:
        for label, artifact_id, log_index in zip(signed.labels, signed.ids, signed.log_indices, strict=True):
            path = receipt_path(str(label))
            there = receipt_there(access.vkey, path)
            if there is not None and there.artifact_id != artifact_id:
                kept.append(path)
                continue
            text = make_receipt(view, number_at(view, artifact_id, log_index))
            write_atomically(path, text.encode(), replace=True)
            written.append(path)
    if kept:
        more = f" and {len(kept) - _NAMED_MAX} more" if len(kept) > _NAMED_MAX else ""
        raise not_replaced(
            ", ".join(printable(path) for path in kept[:_NAMED_MAX]) + more,
            "it is the receipt of another artifact. All was signed, but this receipt not written",
        )
    return written


def write_row_receipts(
    access: Access, path: str | os.PathLike[str], column: str | None, signed: Signed
) -> Path:
    """As `Ledger.write_row_receipts`."""
    _check_labels(signed, rows=True)
    target = row_receipts_path(path)
    if _check_table(access.vkey, target):
        known = set(signed.ids)
        with open_table(target) as table:
            if any(line.artifact_id not in known for line in table.lines()):
                raise not_replaced(
                    printable(target),
                    "it proves artifacts that are not of this dataset. All was signed, but no receipt written",
                )
    with access.view() as view:
        write_table(target, column, _lines(view, signed))
    return target


def _check_labels(signed: Signed, *, rows: bool) -> None:
    """Files have a receipt each, the rows of a dataset one file of them. Raises RefusedInput `usage`."""
    if any(isinstance(label, int) != rows for label in signed.labels):
        raise RefusedInput(
            "usage",
            "receipts",
            f"what was signed are {'files' if rows else 'rows'}",
            f"Use {'write_receipts' if rows else 'write_row_receipts'}.",
        )


def _lines(view: LogView, signed: Signed) -> Iterator[Line]:
    """The lines of all rows, statement by statement; what was erased since has none."""
    place = signed.log_indices.__getitem__
    rows = sorted(range(len(signed.ids)), key=place)  # stable: by row in one statement
    statement = 0
    for log_index, group in groupby(rows, key=place):
        records = list(view.statement_records(log_index))
        where = {artifact_id: record_index for record_index, (artifact_id, _) in enumerate(records)}
        head = None
        for row_index in group:
            record_index = where[signed.ids[row_index]]
            artifact_id, record = records[record_index]
            if record is None:
                continue
            if head is None:
                ids = [item for item, _ in records]
                head = Head(make_statement_receipt(view, log_index, ids).encode(), b"".join(ids))
                yield Line(row_index, artifact_id, record, record_index, statement, head)
            else:
                yield Line(row_index, artifact_id, record, record_index, statement, None)
        statement += head is not None


def number_at(view: LogView, artifact_id: bytes, log_index: int) -> int:
    """The number of the record with this id at this entry."""
    for number in view.find_artifact(artifact_id):
        if view.locate(number)[0] == log_index:
            return number
    raise NotFound(
        "unlogged",
        artifact_id.hex()[:16],
        "it does not stand in the log yet",
        "Append it first: lineage append",
    )


def _may_be_about(access: Access, facts: ReceiptFacts, file: Path) -> bool:
    """Whether a receipt's record is about what a file holds now, as far as that can be told here."""
    record = facts.record
    if record.form == "raw":
        return record.content == read_file(file).digest
    salt = access.keys.salts.salt_of(facts.artifact_id) if record.form == "sealed" else None
    return salt is None or record.content == sealed_file(file, record.maker, salt).digest


def receipt_there(vkey: Vkey, path: Path) -> ReceiptFacts | None:
    """What a receipt of this log says that lies there; None if nothing does. Raises RefusedInput `receipt-exists`."""
    if not os.path.lexists(path):
        return None
    try:
        _, text = load_file(path, max_bytes=RECEIPT_BYTES_MAX)
        return check_receipt(text, vkey)
    except LineageError as error:
        raise not_replaced(printable(path), f"it is no receipt of this log: {error.reason}") from error


def _check_table(vkey: Vkey, path: Path) -> bool:
    """Whether receipts of rows in this log lie there. Raises RefusedInput `receipt-exists` if something else does."""
    if not os.path.lexists(path):
        return False
    try:
        with open_table(path) as table:
            _check_first(vkey, table)
    except LineageError as error:
        raise not_replaced(printable(path), f"it holds no receipts of this log: {error.reason}") from error
    return True


def _check_first(vkey: Vkey, table: Table) -> None:
    first = next(table.lines(), None)
    if first is not None and first.head is not None:
        check_statement(first.head.proof, vkey)


def not_replaced(item: str, reason: str) -> RefusedInput:
    """The refusal to put a receipt in the place of something else."""
    return RefusedInput(
        "receipt-exists",
        item,
        f"{reason}; what is not known to be proved elsewhere is not replaced",
        "Move it away, or write the receipt elsewhere: lineage log proof ID -o FILE",
    )

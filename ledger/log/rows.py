"""The records of form `rows` that a log holds: whose rows are sought and published (SPEC §10.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.log.view import LogView
from ledger.proofs.rows import MARK, rows_record_of
from ledger.statements.record import Record


class RowsRecord(NamedTuple):
    """A record of form `rows`, where it first stands."""

    record_number: int
    log_index: int
    record: Record


def rows_records(view: LogView) -> Iterator[RowsRecord]:
    """Every record of form `rows` that is held and can be read, each once, in log order; bundles without are passed over."""
    seen: set[bytes] = set()
    for scanned in view.scan_records(MARK):
        record = None if scanned.data is None else rows_record_of(scanned.data)
        if record is not None and record.id not in seen:
            seen.add(record.id)
            yield RowsRecord(scanned.record_number, scanned.log_index, record)

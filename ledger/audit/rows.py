"""The sidecars of `rows` records, held to what was signed: all of each by an audit, samples by the doctor (SPEC §10.7).

A sidecar that is missing or does not hash to its record is a fault that leaves the audit incomplete: the record stands all the
same, but nobody could prove a row of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.audit.finding import Finding
from ledger.audit.report import AuditReport
from ledger.errors import LineageError, ProofInvalid, StoreFault
from ledger.fold.faults import Fault
from ledger.proofs.rows import MARK, check_rows, open_rows, prove_row, rows_record_of
from ledger.store.import_journal import unfinished
from ledger.store.reader import StoreReader
from ledger.store.rows_file import RowsFile, RowsFolder

GROUPS_SAMPLED: Final = 8
_NAMED_MAX: Final = 3
_FIX: Final = (
    "Bring it from a published copy of the log, or make it anew: lineage import DATASET --column C --rebuild"
)


class RowsAudit:
    """Looks at the sidecar of each record of form `rows`, once."""

    def __init__(self, rows: RowsFolder, report: AuditReport) -> None:
        self._rows = rows
        self._report = report
        self._seen: set[bytes] = set()

    def take(self, log_index: int, record_index: int, artifact_id: bytes) -> None:
        """Checks the sidecar of a record in order; what is wrong with it is reported."""
        if artifact_id in self._seen:
            return
        self._seen.add(artifact_id)
        try:
            with self._rows.open(artifact_id) as sidecar:
                self._report.rows += check_rows(artifact_id, sidecar).row_count
        except (StoreFault, ProofInvalid) as error:
            text = f"the rows sidecar of the record: {error.reason}"
            self._report.miss(Fault(log_index, error.code, text, record_index))


def examine_rows(reader: StoreReader, record_count: int, rows: RowsFolder) -> Iterator[Finding]:
    """All findings about the sidecars of a log of so many records; none where there are neither records of rows nor sidecars.

    Of each the record, its place and the root over its groups are looked at, of all together some groups and places of the order.
    """
    known: dict[bytes, int] = {}
    wrong: list[tuple[bytes, LineageError]] = []
    for _number, data in reader.records_with(MARK, record_count):
        record = rows_record_of(data)
        if record is None or record.id in known:
            continue
        known[record.id] = record.row_count
        try:
            with rows.open(record.id) as sidecar:
                _sample(record.id, sidecar)
        except (StoreFault, ProofInvalid) as error:
            wrong.append((record.id, error))
    if wrong:
        names = ", ".join(
            f"{artifact_id.hex()[:16]} ({error.reason})" for artifact_id, error in wrong[:_NAMED_MAX]
        )
        more = f" and {len(wrong) - _NAMED_MAX} more" if len(wrong) > _NAMED_MAX else ""
        what = f"{len(wrong)} of {len(known)} imported datasets cannot be searched or proved: {names}{more}"
        yield Finding("rows", ok=False, what=what, fix=_FIX)
    elif known:
        yield Finding(
            "rows", ok=True, what=f"{len(known)} sidecars of {sum(known.values())} rows, samples checked"
        )
    orphans = [artifact_id for artifact_id in rows.ids() if artifact_id not in known]
    if orphans:
        yield Finding(
            "rows, orphans",
            ok=True,
            what=f"{len(orphans)} sidecars belong to no record of the log: an import was interrupted before it was appended. "
            "The same import takes them; else the next one clears them away a day after",
        )


def examine_imports(folder: Path) -> Iterator[Finding]:
    """Imports into the ledger in `folder` that did not come to their end, or are under way."""
    try:
        begun = unfinished(folder)
    except StoreFault as error:
        yield Finding("imports", ok=False, what=f"{error.item}: {error.reason}", fix=error.fix)
        return
    if begun:
        last = begun[-1][-1]
        yield Finding(
            "imports",
            ok=True,
            what=f"{len(begun)} not finished; one stands at row {last.first_row + last.rows} of {last.shard}: "
            "the same command goes on from there",
        )


def _sample(artifact_id: bytes, sidecar: RowsFile) -> None:
    """The root over the groups; some groups down to their digests; some places of the order. Raises ProofInvalid, StoreFault."""
    record = open_rows(artifact_id, sidecar)
    count = sidecar.count
    rows = sorted({place * (count - 1) // (GROUPS_SAMPLED - 1) for place in range(GROUPS_SAMPLED)})
    for row in rows:
        digest, _path = prove_row(record, sidecar, row)
        near = sidecar.order[max(0, row - 1) : row + 2]
        keys = [(sidecar.digest(position), position) for position in near]
        if not digest or keys != sorted(keys):
            raise ProofInvalid(
                "rows-differ", f"rows sidecar of {artifact_id.hex()[:16]}", "its order does not ascend"
            )

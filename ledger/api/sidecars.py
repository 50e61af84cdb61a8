"""The sidecars of `rows` records in a ledger's folder: rows found in them, lost ones made anew, orphans cleared away (SPEC §10.7)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ledger.api.access import Access
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import LineageError, NotFound, ProofInvalid, RefusedInput, StoreFault
from ledger.log.rows import rows_records
from ledger.log.view import LogView
from ledger.proofs.rows import find_row, open_rows, prove_row
from ledger.signer.lanes import pending_parcels
from ledger.spec import ROW_BYTES_MAX
from ledger.store.rows_file import RowsFolder

ORPHAN_S: Final = 86_400.0  # that a sidecar without a record lies before it is cleared away


class RowMatch(NamedTuple):
    """A row of an imported dataset: artifact id of the record, row index; of `copies` equal rows the first.

    `path` proves it: from the row's digest to the content of the record, which is signed (SPEC §11.6).
    """

    id: bytes
    row: int
    copies: int
    digest: bytes
    path: list[bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """What a text, a file or an id may mean: artifacts, and rows of datasets.

    `unsearched`: datasets that stand in the log, and whose rows could not be looked at (artifact id, why). `missing`: what is
    said of it where no artifact was found.
    """

    artifacts: list[bytes] = field(default_factory=list)
    rows: list[RowMatch] = field(default_factory=list)
    unsearched: list[tuple[bytes, str]] = field(default_factory=list)
    missing: NotFound | None = None

    @property
    def ids(self) -> list[bytes]:
        """The artifacts, and behind them the datasets that hold it as a row; each once."""
        return list(dict.fromkeys([*self.artifacts, *(match.id for match in self.rows)]))


def row_digests(content: bytes) -> list[bytes]:
    """The digests that a row with this content may have: of its bytes, and of its JCS form if it is JSON (SPEC §4.2)."""
    if len(content) > ROW_BYTES_MAX:
        return []
    digests = [hashlib.sha256(content).digest()]
    with suppress(RefusedInput):
        digests.append(hashlib.sha256(canonical_json(parse_json(content))).digest())
    return list(dict.fromkeys(digests))


def find_rows(view: LogView, rows: RowsFolder, digests: Sequence[bytes]) -> Found:
    """The rows with one of these digests, in every dataset that stands in the log, in log order."""
    found = Found()
    for item in rows_records(view) if digests else ():
        try:
            found.rows.extend(_rows_in(rows, item.record.id, digests))
        except (StoreFault, ProofInvalid) as error:
            found.unsearched.append((item.record.id, error.reason))
    return found


def _rows_in(rows: RowsFolder, artifact_id: bytes, digests: Sequence[bytes]) -> Iterator[RowMatch]:
    with rows.open(artifact_id) as sidecar:
        record = open_rows(artifact_id, sidecar)
        for digest in digests:
            match = find_row(record, sidecar, digest)
            if match is not None:
                yield RowMatch(artifact_id, match.row, match.copies, digest, match.path)


def prove(rows: RowsFolder, artifact_id: bytes, row: int) -> RowMatch:
    """One row of a dataset by its index. Raises StoreFault, ProofInvalid; RefusedInput `index-out-of-range`."""
    with rows.open(artifact_id) as sidecar:
        digest, path = prove_row(open_rows(artifact_id, sidecar), sidecar, row)
    return RowMatch(artifact_id, row, 1, digest, path)


def sweep(access: Access, view: LogView) -> None:
    """Clears away sidecars whose records were never appended, a day old or more, and what was left half written.

    The caller holds the writer's lock. Where something that was signed waits to be sent, nothing is cleared away: the
    record may be in it.
    """
    rows = access.rows
    rows.sweep(ORPHAN_S)
    old = [artifact_id for artifact_id in rows.ids() if rows.age_s(artifact_id) >= ORPHAN_S]
    orphans = [artifact_id for artifact_id in old if not view.find_artifact(artifact_id)]
    if orphans and not _waits(access):
        for artifact_id in orphans:
            rows.remove(artifact_id)


def _waits(access: Access) -> bool:
    """Whether anything that was signed on this machine has not reached the log."""
    try:
        return bool(access.outbox.waiting()) or any(
            os.path.lexists(identity.lanes) and pending_parcels(identity.lanes)
            for identity in access.keys.identities()
        )
    except LineageError:  # what cannot be read may be one
        return True

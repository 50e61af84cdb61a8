"""What an artifact id stands for, wherever the artifact is by now: in this batch, in the log, or in the outbox on its way there.

A pipeline hands rows from one process to the next faster than the log takes them. What waits in the outbox is signed and
durable, and as good a parent as what is logged: the log takes it first, or refuses both. So what neither the batch nor the
log knows is sought in the parcels that wait; each is read once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ledger.api.access import Access
from ledger.api.batch_item import Item
from ledger.api.finding import find_content
from ledger.api.sidecars import find_rows
from ledger.api.signing import standing_record
from ledger.errors import RefusedInput, StoreFault
from ledger.signer.parcel import unpack
from ledger.spec import BATCH_WAITING_MAX
from ledger.statements.record import Record, decode_record


class Known(NamedTuple):
    """What a row is compared with: the form and digest of an artifact's content, and who sealed it."""

    kind: str
    form: str
    content: bytes
    maker: bytes


class Lookup:
    """Looks artifacts up for one batch. For any thread."""

    def __init__(
        self, access: Access, find: Callable[[bytes], Item | None], maker: Callable[[], bytes]
    ) -> None:
        """`find` knows what is on its way in the batch, all of which is `maker`'s."""
        self._access = access
        self._find = find
        self._maker = maker
        self.renew()

    def renew(self) -> None:
        """In a forked child: nothing of the parent's is kept, its lock least of all."""
        self._lock = threading.Lock()
        self._forget()

    def look_up(self, ids: Iterable[bytes]) -> dict[bytes, Known]:
        """What is known of these artifacts; those of which nothing is are left out. Raises StoreFault."""
        found: dict[bytes, Known] = {}
        missing: list[bytes] = []
        for artifact_id in dict.fromkeys(ids):
            item = self._find(artifact_id)
            if item is not None:
                found[artifact_id] = Known(item.kind, item.form, item.content, self._maker())
            else:
                missing.append(artifact_id)
        for look in (
            self._in_log,
            self._in_outbox,
            self._in_log,
        ):  # what left the outbox meanwhile is in the log
            missing = [artifact_id for artifact_id in missing if artifact_id not in found]
            if missing:
                found |= look(missing)
        return found

    def by_content(self, form: str, digest: bytes) -> list[tuple[bytes, int | None]]:
        """The artifacts of the log with this content; if there are none, the rows of imported datasets: (id, row_index)."""
        with self._access.view() as view:
            artifacts = find_content(view, form, digest)
            if artifacts:
                return [(artifact_id, None) for artifact_id in artifacts]
            return [(match.id, match.row) for match in find_rows(view, self._access.rows, [digest]).rows]

    def _in_log(self, ids: Sequence[bytes]) -> dict[bytes, Known]:
        found = {}
        with self._access.view() as view:
            for artifact_id in ids:
                data = standing_record(view, artifact_id)
                if data is not None:
                    found[artifact_id] = _known(decode_record(data))
        return found

    def _in_outbox(self, ids: Sequence[bytes]) -> dict[bytes, Known]:
        with self._lock:
            found = {artifact_id: self._seen[artifact_id] for artifact_id in ids if artifact_id in self._seen}
            return found if len(found) == len(ids) else found | self._in_parcels(ids)

    def _in_parcels(self, ids: Sequence[bytes]) -> dict[bytes, Known]:
        """Reads the parcels that were not read yet, and remembers as many of their records as may be held."""
        outbox = self._access.outbox
        waiting = outbox.waiting()
        if not self._read_names & {item.path for item in waiting}:
            self._forget()  # what was read is gone: in the log, or refused
        found: dict[bytes, Known] = {}
        for item in waiting:
            if item.path in self._read_names:
                continue
            with suppress(StoreFault, RefusedInput):  # taken by now, or none
                records = _records(outbox.read(item))
                found |= {artifact_id: records[artifact_id] for artifact_id in ids if artifact_id in records}
                if len(self._seen) + len(records) <= BATCH_WAITING_MAX:
                    self._seen |= records
                    self._read_names.add(item.path)
        return found

    def _forget(self) -> None:
        self._seen: dict[bytes, Known] = {}
        self._read_names: set[Path] = set()


def _records(data: bytes) -> dict[bytes, Known]:
    """The records of a parcel by their ids; what is none is left out."""
    parcel, _place = unpack(data)
    found = {}
    for _entry, records in parcel.statements:
        for each in records:
            with suppress(RefusedInput):
                record = decode_record(each)
                found[record.id] = _known(record)
    return found


def _known(record: Record) -> Known:
    return Known(record.kind, record.form, record.content, record.maker)

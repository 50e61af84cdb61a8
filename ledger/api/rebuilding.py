"""Making lost sidecars anew from the dataset that they are about (SPEC §10.7): nothing is signed, no key is opened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from ledger.api.access import Access
from ledger.api.around import Progress
from ledger.api.importing import Gathered, ImportedRecord, Meter, crew_size, gather
from ledger.datasets import shards
from ledger.datasets.crew import Crew
from ledger.datasets.shards import Shard, ShardReader, survey


@dataclass(slots=True)
class RebuiltRows:
    """Records of the log over these rows: `written`, whose sidecar was not there or damaged; `whole`, whose was.

    `unknown`: (path, first row, rows) of what no record of the log is about.
    """

    written: list[ImportedRecord] = field(default_factory=list)
    whole: list[ImportedRecord] = field(default_factory=list)
    unknown: list[tuple[str, int, int]] = field(default_factory=list)


def rebuild_rows(
    access: Access,
    paths: Sequence[str | os.PathLike[str]],
    column: str | None,
    workers: int | None,
    rows_each: int,
    progress: Progress,
) -> RebuiltRows:
    """As `Ledger.rebuild_rows`."""
    looked = survey(paths, column)
    outcome = RebuiltRows()
    meter = Meter(looked.shards, [shards.Progress() for _ in looked.shards], progress)
    with Crew(crew_size(workers, looked.shards)) as crew:
        for shard in looked.shards:
            reader = ShardReader(crew, shard, column, shards.Progress(), rows_each)
            while not reader.is_at_end:
                first_row = reader.progress.rows
                rows = gather(reader, crew, rows_each, partial(meter.show, shard, reader))
                _write(access, shard, first_row, rows, outcome)
    return outcome


def _write(access: Access, shard: Shard, first_row: int, rows: Gathered, outcome: RebuiltRows) -> None:
    """The sidecars of all records of the log that have the root of these rows."""
    root = rows.root()
    path = os.fspath(shard.path)
    with access.view() as view:
        numbers = view.find_content("rows", root)
        records = {view.record_leaf(number): number for number in reversed(numbers)}
        for artifact_id, number in records.items():
            record = view.record(number)
            if record is None:
                continue
            is_new = access.rows.put(artifact_id, record, rows.count, rows.parts())
            found = ImportedRecord(
                artifact_id, path, first_row, rows.count, view.locate(number)[0], is_new=False
            )
            (outcome.written if is_new else outcome.whole).append(found)
    if not records:
        outcome.unknown.append((path, first_row, rows.count))

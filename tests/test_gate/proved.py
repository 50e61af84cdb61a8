"""A town's log in one file, and gates by that file. For tests only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ledger
from ledger.api.gate.result import Gated, GatedRow
from ledger.log.rows import rows_records
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import parse_note
from ledger.proofs.proven import ProvenLog
from tests.test_gate.naive import Claim, Naive
from tests.test_gate.town import TEXT, Town


def sizes_of(notes: Iterable[Path], below: int) -> list[int]:
    """The sizes of log checkpoints in files, as far as they are smaller."""
    found = (Checkpoint.parse(parse_note(note.read_bytes()).text).size for note in notes)
    return [size for size in found if size < below]


def prove_all(town: Town, trust: bytes | None = None, notes: Iterable[Path] = ()) -> bytes:
    """A file about every artifact of a log, and every row of its datasets."""
    with town.open() as door:
        with door.view() as view:
            ids = list(dict.fromkeys(view.record_leaf(number) for number in range(view.record_count)))
            sets = [f"{item.record.id.hex()}:all" for item in rows_records(view)]
            since = sizes_of(notes, view.checkpoint.size)
        data = door.prove([*ids, *sets], trust=trust, since=since).data
    assert data is not None
    return data


def gate_by(town: Town, proof: Any, dataset: Any, *arguments: Any, **options: Any) -> Gated:
    """`ledger.gate` of the column `text` by a file, at the world's time; no ledger and no keys are where it looks."""
    said: dict[str, Any] = {"column": TEXT, "at_ms": town.world.time_ms, "vkey": str(town.world.vkey)}
    if isinstance(dataset, Path):
        said["workers"] = 0
    said["config"] = str(town.folder / "a reader's")
    return ledger.gate(dataset, *arguments, proof=proof, **said | options)


def judged_by(town: Town, proof: Any, dataset: Any, *arguments: Any, **options: Any) -> list[GatedRow]:
    """The verdict on each row in memory."""
    return list(gate_by(town, proof, dataset, *arguments, **options).rows())


def prove_some(
    town: Town,
    artifacts: Iterable[bytes],
    rows: Iterable[str],
    trust: bytes | None = None,
    since: Iterable[int] = (),
) -> bytes:
    """A file about some artifacts, and some rows (ID:FIRST-LAST)."""
    with town.open() as door:
        data = door.prove([*artifacts, *rows], trust=trust, since=since).data
    assert data is not None
    return data


@dataclass(frozen=True)
class NaiveByProof(Naive):
    """The gate's definition, where only what a file holds makes a claim. The log itself is traced: the file lacks no ancestor."""

    file: ProvenLog

    def claims(self, content: bytes, form: str, salt: bytes | None) -> list[Claim]:
        return [
            (artifact_id, row)
            for artifact_id, row in super().claims(content, form, salt)
            if (artifact_id in self.file.artifacts if row is None else self.holds(artifact_id, row))
        ]

    def holds(self, artifact_id: bytes, row: int) -> bool:
        held = self.file.rows.get(artifact_id)
        return held is not None and any(first <= row < first + count for first, count in held.ranges)

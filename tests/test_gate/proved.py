"""A town's log in one file, and gates by that file. For tests only."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ledger
from ledger.api.gate.result import Gated, GatedRow
from ledger.log.rows import rows_records
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import parse_note
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
    config = str(town.folder / "a reader's")
    return ledger.gate(dataset, *arguments, proof=proof, config=config, **said | options)


def judged_by(town: Town, proof: Any, dataset: Any, *arguments: Any, **options: Any) -> list[GatedRow]:
    """The verdict on each row in memory."""
    return list(gate_by(town, proof, dataset, *arguments, **options).rows())

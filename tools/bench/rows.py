"""A dataset signed row by row through the door that people use: rows a second, and the memory that it takes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from tools.bench.measure import Row, Settings, rate_row, seconds, take_turns
from tools.bench.scene import empty_folder

MEMORY_TARGET_MB: Final = 400
COLUMN: Final = "text"


def bench_rows(settings: Settings) -> list[Row]:
    """A million rows of JSON Lines signed in a process of its own, against parsing and hashing the same rows."""
    count = settings.pick(1_000_000, 1_000)
    folder = empty_folder(settings.folder, "rows")
    dataset = folder / "rows.jsonl"
    _write_rows(dataset, count)
    reports: list[dict[str, Any]] = []

    def ours() -> float:
        reports.append(_sign(empty_folder(folder, "ledger-of-rows"), dataset))
        return count / float(reports[-1]["seconds"])

    turns = take_turns(settings.pick(3, 1), ours, lambda: count / seconds(partial(_parse_and_hash, dataset)))
    dataset.unlink()
    peak_mb = max(report["peak_anonymous_mb"] for report in reports)
    start_mb = max(report["start_anonymous_mb"] for report in reports)
    row = rate_row(f"sign-rows, {count:,} rows", turns, ("rows/s", "rows/s, only parsed and hashed"))
    note = f"{peak_mb:.0f} MB of anonymous memory at its peak, {start_mb:.0f} MB before the first row"
    return [
        replace(
            row,
            figure=f"{row.figure}, {peak_mb:.0f} MB",
            target=f"≤ {MEMORY_TARGET_MB} MB",
            met=peak_mb <= MEMORY_TARGET_MB,
            notes=(note,),
        )
    ]


def _write_rows(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            words = " ".join(f"word{(number * step) % 9_973}" for step in range(1, 17))
            file.write(json.dumps({"id": number, COLUMN: f"Row {number}: {words}"}) + "\n")


def _parse_and_hash(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            hashlib.sha256(json.loads(line)[COLUMN].encode()).digest()


def _sign(folder: Path, dataset: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.bench.signer", str(folder), str(dataset), COLUMN]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report

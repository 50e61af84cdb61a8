"""A dataset signed row by row through the door that people use: rows a second, and the memory that it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tools.bench.imports import ROW_BYTES, parse_and_hash, write_rows
from tools.bench.measure import Row, Settings, rate_row, take_turns
from tools.bench.scene import empty_folder

TARGET: Final = 0.15
MEMORY_TARGET_MB: Final = 400
COLUMN: Final = "text"


def bench_rows(settings: Settings) -> list[Row]:
    """A million rows of 1 KB in JSON Lines signed in a process of its own, against parsing and hashing them on both processors."""
    count = settings.pick(1_000_000, 1_000)
    folder = empty_folder(settings.folder, "rows")
    dataset = folder / "rows.jsonl"
    middle = write_rows(dataset, count, ROW_BYTES)
    reports: list[dict[str, Any]] = []

    def ours() -> float:
        reports.append(_sign(empty_folder(folder, "ledger-of-rows"), dataset))
        return count / float(reports[-1]["seconds"])

    turns = take_turns(settings.pick(3, 1), ours, lambda: count / parse_and_hash(dataset, middle, "json"))
    dataset.unlink()
    peak_mb = max(report["peak_anonymous_mb"] for report in reports)
    start_mb = max(report["start_anonymous_mb"] for report in reports)
    units = ("rows/s", "rows/s, only parsed and hashed, both processors")
    row = rate_row(f"sign-rows, {count:,} rows of 1 KB", turns, units, TARGET)
    note = f"{peak_mb:.0f} MB of anonymous memory at its peak, {start_mb:.0f} MB before the first row"
    return [
        replace(
            row,
            figure=f"{row.figure}, {peak_mb:.0f} MB",
            target=f"{row.target}, ≤ {MEMORY_TARGET_MB} MB",
            met=bool(row.met) and peak_mb <= MEMORY_TARGET_MB,
            notes=(note,),
        )
    ]


def _sign(folder: Path, dataset: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.bench.signer", str(folder), str(dataset), COLUMN]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report

"""Legacy data imported through the door that people use, on all processors: rows a second, and the memory that it takes.

The limit is what the same processors come to with everything left out that this project adds: each reads its half of the file, parses
every line and hashes the column. What the fastest parser would come to is told beside it; it is held to no target, since it takes what RFC 8259
leaves open in one way, and this project refuses it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tools.bench.measure import Row, Settings, rate_row, seconds, spread, take_turns
from tools.bench.scene import empty_folder

TARGET: Final = 0.7
MEMORY_TARGET_MB: Final = 400  # of all processes together
ROW_BYTES: Final = 1_000
COLUMN: Final = "text"
_WORDS: Final = 9_973

_LIMIT: Final = """
import sys, json, hashlib
path, start, stop, parser, column = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
loads = json.loads if parser == "json" else __import__("orjson").loads
with open(path, "rb") as file:
    at = start
    file.seek(start)
    for line in file:
        hashlib.sha256(loads(line)[column].encode()).digest()
        at += len(line)
        if at >= stop:
            break
"""


def bench_import(settings: Settings) -> list[Row]:
    """A million rows of 1 KB in JSON Lines; then four million short rows, in several records, for the memory alone."""
    count = settings.pick(1_000_000, 2_000)
    folder = empty_folder(settings.folder, "import")
    dataset = folder / "rows.jsonl"
    cuts = write_rows(dataset, count, ROW_BYTES)
    reports: list[dict[str, Any]] = []
    fastest: list[float] = []

    def ours() -> float:
        reports.append(_import(empty_folder(folder, "ledger"), dataset))
        return count / float(reports[-1]["seconds"])

    def limit() -> float:
        fastest.append(count / parse_and_hash(dataset, cuts, "orjson"))
        return count / parse_and_hash(dataset, cuts, "json")

    turns = take_turns(settings.pick(5, 1), ours, limit)
    dataset.unlink()
    ratios = [count / report["seconds"] / rate for report, rate in zip(reports, fastest, strict=True)]
    peak_mb = max(report["peak_anonymous_mb"] for report in reports)
    many = settings.pick(4_000_000, 4_000)
    write_rows(dataset, many, ROW_BYTES // 10)
    longer = _import(empty_folder(folder, "ledger"), dataset)
    dataset.unlink()
    row = rate_row(
        f"import, {count:,} rows of 1 KB", turns, ("rows/s", "rows/s, only parsed and hashed"), TARGET
    )
    notes = (
        f"{spread(ratios)} of the fastest parser (orjson) and hashing, at {spread(fastest).middle:,.0f} rows/s",
        f"{os.cpu_count()} processors; {reports[-1]['workers']} workers",
    )
    longer_mb = longer["peak_anonymous_mb"]
    memory = Row(
        f"import, memory, {many:,} rows of 100 bytes",
        f"{longer_mb:.0f} MB, all processes",
        f"{peak_mb:.0f} MB for {count:,} rows of 1 KB",
        spread([longer_mb / peak_mb]),
        f"≤ {MEMORY_TARGET_MB} MB",
        max(peak_mb, longer_mb) <= MEMORY_TARGET_MB,
    )
    return [replace(row, notes=notes), memory]


def write_rows(path: Path, count: int, row_bytes: int) -> int:
    """Rows of about so many bytes, no two alike; where the line in the middle of the file begins."""
    words = " ".join(f"word{number * 7 % _WORDS}" for number in range(row_bytes // 4))
    middle = 0
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            if number == count // 2:
                middle = file.tell()
            start = number % 97
            head = json.dumps({"id": number})[:-1] + f', "{COLUMN}": "Row {number}: '
            file.write(f'{head}{words[start : start + row_bytes - len(head) - 3]}"}}\n')
    return middle


def parse_and_hash(path: Path, middle: int, parser: str) -> float:
    """Seconds that two processes take, one for each half of the file."""
    size = path.stat().st_size
    arguments = [
        [str(path), str(start), str(stop), parser, COLUMN] for start, stop in ((0, middle), (middle, size))
    ]

    def work() -> None:
        children = [subprocess.Popen([sys.executable, "-c", _LIMIT, *given]) for given in arguments]
        codes = [child.wait() for child in children]
        if any(codes):
            raise RuntimeError("the limit was not measured")

    return seconds(work)


def _import(folder: Path, dataset: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tools.bench.importer", str(folder), str(dataset), COLUMN]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report

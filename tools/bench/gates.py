"""The gate through the door that people use, on all processors: rows a second with the verdict file, with the admitted rows, and the memory that it takes.

The rows are those of an imported dataset, so that their ancestry is verified once; what is measured is reading, hashing, looking up, judging and writing. The
limit is what as many processes come to with everything left out that this project adds: each reads its half of the file, parses, and hashes the column.
The first verification of many ancestries has a bench of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tools.bench.imports import COLUMN, ROW_BYTES, parse_and_hash, write_rows
from tools.bench.measure import Row, Settings, rate_row, seconds, spread, take_turns
from tools.bench.scene import empty_folder

TARGETS: Final = {"verdicts": 0.5, "admitted": 0.35}
MEMORY_TARGET_MB: Final = 500  # of all processes together
_GROUP_ROWS: Final = 65_536

_PARQUET_LIMIT: Final = """
import sys, hashlib
import pyarrow.parquet as parquet
path, first, stop, column = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
file = parquet.ParquetFile(path)
for group in range(first, stop):
    for value in file.read_row_group(group, columns=[column]).column(0).to_pylist():
        hashlib.sha256(value.encode()).digest()
"""


def bench_gate(settings: Settings) -> list[Row]:
    """A million rows of 1 KB as JSON Lines and as Parquet; then four million short ones, for the memory alone."""
    count = settings.pick(1_000_000, 2_000)
    folder = empty_folder(settings.folder, "gate")
    lines, table = folder / "rows.jsonl", folder / "rows.parquet"
    middle = write_rows(lines, count, ROW_BYTES)
    groups = write_table(lines, table)
    held = empty_folder(folder, "ledger")
    _run("importer", held, lines, COLUMN)
    reports: list[dict[str, Any]] = []
    limits: dict[Path, Callable[[], float]] = {
        lines: lambda: parse_and_hash(lines, middle, "json"),
        table: lambda: parse_and_hash_table(table, groups),
    }
    rows = []
    for dataset, format_ in ((lines, "JSON Lines"), (table, "Parquet")):
        for what, target in TARGETS.items():

            def ours(dataset: Path = dataset, what: str = what) -> float:
                reports.append(_run("gater", held, dataset, COLUMN, what))
                if reports[-1]["admitted"] != count:
                    raise RuntimeError("not all rows were admitted")
                return count / float(reports[-1]["seconds"])

            def limit(dataset: Path = dataset) -> float:
                return count / limits[dataset]()

            turns = take_turns(settings.pick(3, 1), ours, limit)
            name = f"gate, {count:,} rows of 1 KB, {format_}, {_written(what)}"
            rows.append(rate_row(name, turns, ("rows/s", "rows/s, only parsed and hashed"), target))
    lines.unlink()
    table.unlink()
    return [*rows, _memory(settings, folder, max(report["peak_anonymous_mb"] for report in reports))]


def _memory(settings: Settings, folder: Path, peak_mb: float) -> Row:
    many = settings.pick(4_000_000, 4_000)
    dataset = folder / "short.jsonl"
    write_rows(dataset, many, ROW_BYTES // 10)
    held = empty_folder(folder, "longer")
    _run("importer", held, dataset, COLUMN)
    longer_mb = _run("gater", held, dataset, COLUMN, "admitted")["peak_anonymous_mb"]
    dataset.unlink()
    return Row(
        f"gate, memory, {many:,} rows of 100 bytes",
        f"{longer_mb:.0f} MB, all processes",
        f"{peak_mb:.0f} MB for rows of 1 KB",
        spread([longer_mb / peak_mb]),
        f"≤ {MEMORY_TARGET_MB} MB",
        max(peak_mb, longer_mb) <= MEMORY_TARGET_MB,
    )


def _written(what: str) -> str:
    return "verdicts" if what == "verdicts" else "verdicts and admitted rows"


def write_table(lines: Path, table: Path) -> int:
    """The same rows as Parquet; how many row groups there are."""
    import pyarrow as pa
    from pyarrow import parquet

    groups = 0
    schema = pa.schema([("id", pa.int64()), (COLUMN, pa.string())])
    with lines.open(encoding="utf-8") as file, parquet.ParquetWriter(table, schema) as writer:
        while rows := [json.loads(line) for _, line in zip(range(_GROUP_ROWS), file, strict=False)]:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            groups += 1
    return groups


def parse_and_hash_table(table: Path, groups: int) -> float:
    """Seconds that two processes take, one for each half of the row groups."""
    middle = groups // 2
    bounds = [(0, middle), (middle, groups)] if middle else [(0, groups)]

    def work() -> None:
        children = [
            subprocess.Popen(
                [sys.executable, "-c", _PARQUET_LIMIT, str(table), str(first), str(stop), COLUMN]
            )
            for first, stop in bounds
        ]
        codes = [child.wait() for child in children]
        if any(codes):
            raise RuntimeError("the limit was not measured")

    return seconds(work)


def _run(module: str, *arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", f"tools.bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report

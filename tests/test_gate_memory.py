"""The memory that a gate takes, its workers' too: bounded, whatever the number of rows."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger

ROOT = Path(__file__).resolve().parents[1]
LONG = bool(os.environ.get("LINEAGE_LONG"))
FEW, MANY = (400_000, 3_200_000) if LONG else (80_000, 320_000)
GROWTH_MAX_KIB = 65_536 if LONG else 12_288  # the digests of the rows alone would be more
SUFFIXES = ("jsonl", "jsonl.gz", "parquet") if LONG else ("jsonl", "jsonl.gz")

# Blocks and runs are made as much smaller as there are fewer rows than a gate is made for.
CHILD = """
import sys
from ledger import spec
from ledger.api.gate import block
from ledger.cli.main import main
if sys.argv[1] == "small":
    block.ROWS, spec.STRETCH_BYTES, spec.SEGMENT_BYTES = 4_096, 32_768, 1_048_576
sys.exit(main(sys.argv[2:]))
"""


def anonymous_kib(pid: int) -> int:
    """Memory of a process and its children that no file stands behind."""
    found = 0
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (str(pid), *children):
            lines = Path(f"/proc/{each}/status").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon:"))
    return found


def peak_kib(folder: Path, data: Path) -> int:
    """The most that a gate took at any moment it was looked at."""
    arguments = [
        "gate", data, "--policy", "balanced", "--column", "text", "--json", "--workers", "1", "--ledger", folder / "ledger",
        "--admitted", folder / f"out-{data.name}", "--verdicts", folder / f"{data.name}.verdicts",
    ]  # fmt: skip
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, "real" if LONG else "small", *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "LINEAGE_CONFIG": str(folder / "keys")},
    )  # fmt: skip
    peak = 0
    while True:
        try:
            child.wait(0.01)
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, anonymous_kib(child.pid))
    said = child.communicate()[0]
    assert child.returncode == 0, said
    return peak


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="only Linux tells in /proc what memory a process takes"
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_memory_does_not_grow_with_the_rows(tmp_path: Path, suffix: str) -> None:
    ledger.create(tmp_path / "ledger", unencrypted=True, config=str(tmp_path / "keys")).close()
    peaks = []
    for rows in (FEW, MANY):
        data = tmp_path / f"{rows}.{suffix}"
        if suffix == "parquet":
            table = pa.table({"text": [f"row {n}" for n in range(rows)]})
            pq.write_table(table, data, row_group_size=4_096)
        else:
            text = "".join(f'{{"text":"row {n}"}}\n' for n in range(rows)).encode()
            data.write_bytes(gzip.compress(text, 1) if suffix.endswith("gz") else text)
        peaks.append(peak_kib(tmp_path, data))
    assert peaks[1] - peaks[0] < GROWTH_MAX_KIB, peaks

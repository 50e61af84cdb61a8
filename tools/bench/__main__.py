"""`python -m tools.bench [name ...] [--quick] [--markdown]`: runs the benches and prints one table."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tools.bench.ancestry import bench_ancestry
from tools.bench.batches import bench_output, bench_workers
from tools.bench.changelogs import bench_changelogs
from tools.bench.gates import bench_gate
from tools.bench.imports import bench_import
from tools.bench.ingest import bench_bulk, bench_single
from tools.bench.lives import bench_key_state, bench_replay
from tools.bench.measure import Row, Settings, as_markdown, as_text
from tools.bench.reading import bench_audit, bench_proofs, bench_trace
from tools.bench.rows import bench_rows
from tools.bench.startup import bench_help, bench_sign_file
from tools.bench.tracing import bench_tracing

BENCHES: Final[dict[str, Callable[[Settings], list[Row]]]] = {
    "ingest-single": bench_single,
    "ingest-bulk": bench_bulk,
    "proofs": bench_proofs,
    "sign-rows": bench_rows,
    "import": bench_import,
    "gate": bench_gate,
    "help": bench_help,
    "sign-file": bench_sign_file,
    "changelogs": bench_changelogs,
    "audit": bench_audit,
    "trace": bench_trace,
    "first-verification": bench_tracing,
    "ancestry": bench_ancestry,
    "replay-ab": bench_replay,
    "key-state": bench_key_state,
    "output": bench_output,
    "workers": bench_workers,
}
FOLDER: Final = Path(__file__).parents[2] / ".bench"


def run(names: Sequence[str], settings: Settings) -> list[Row]:
    """The rows of the benches of these names, or of all; what they wrote is removed again."""
    settings.folder.mkdir(parents=True)
    try:
        return [row for name in names or BENCHES for row in BENCHES[name](settings)]
    finally:
        shutil.rmtree(settings.folder)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHES)}; none: all")
    parser.add_argument("--quick", action="store_true", help="small numbers: to see that it runs")
    parser.add_argument("--markdown", action="store_true", help="print the README's table")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in BENCHES]
    if unknown:
        parser.error(f"no bench '{unknown[0]}'; there are {', '.join(BENCHES)}")
    rows = run(given.names, Settings(FOLDER / str(os.getpid()), given.quick))
    print(as_markdown(rows) if given.markdown else as_text(rows))


if __name__ == "__main__":
    main()

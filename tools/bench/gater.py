"""One process that gates a dataset, and watches its memory and its workers': `python -m tools.bench.gater FOLDER DATASET COLUMN WHAT`.

FOLDER holds ledger and keys; WHAT is `verdicts`, or `admitted` for the admitted rows too. What is written goes to FOLDER, and is removed again.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Final

import ledger
from ledger.datasets.crew import worker_count
from tools.bench.importer import Watch

POLICY: Final = b"""version = 1
name = "bench"
[reported]
dataset = "L1"
[rows]
work = "L2"
"""


def main(folder: str, dataset: str, column: str, what: str) -> None:
    verdicts = Path(folder, "verdicts.parquet")
    admitted = Path(folder, "admitted" + Path(dataset).suffix) if what == "admitted" else None
    with ledger.open(f"{folder}/ledger", config=f"{folder}/keys", readonly=True) as opened:
        watch = Watch()
        watch.start()
        start_s = time.perf_counter()
        gated = opened.gate(dataset, POLICY, column=column, verdicts=verdicts, admitted=admitted)
        took_s = time.perf_counter() - start_s
        watch.stop()
    report = {
        "rows": gated.tally.rows,
        "admitted": gated.counts["admitted"],
        "seconds": took_s,
        "workers": worker_count(),
        "peak_anonymous_mb": watch.peak_mb,
        "verdicts_bytes": verdicts.stat().st_size,
    }
    for path in filter(None, (verdicts, admitted)):
        path.unlink()
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])

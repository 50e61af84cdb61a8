"""One process that imports a dataset, and watches its memory and its workers': `python -m tools.bench.importer FOLDER DATASET COLUMN`."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Final

import ledger
from ledger.datasets.crew import worker_count

_ANONYMOUS: Final = re.compile(rb"RssAnon:\s+(\d+) kB")
_POLL_S: Final = 0.05


def anonymous_of_all_mb() -> float:
    """Anonymous memory of this process and its children, in MB (10^6 bytes); 0 where the system does not tell."""
    total = 0
    statuses = [Path("/proc/self/status")]
    try:
        for children in Path("/proc/self/task").glob("*/children"):
            statuses += [Path(f"/proc/{pid}/status") for pid in children.read_text().split()]
    except OSError:  # a thread that ended meanwhile
        pass
    for status in statuses:
        try:
            found = _ANONYMOUS.search(status.read_bytes())
        except OSError:
            continue
        total += int(found[1]) * 1_024 if found else 0
    return total / 1e6


class Watch(threading.Thread):
    """Polls until it is stopped; `peak_mb` is the most that was seen."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self.peak_mb = anonymous_of_all_mb()

    def run(self) -> None:
        while not self._ended.wait(_POLL_S):
            self.peak_mb = max(self.peak_mb, anonymous_of_all_mb())

    def stop(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self.join()


def main(folder: str, dataset: str, column: str) -> None:
    config = f"{folder}/keys"
    with ledger.create(f"{folder}/ledger", config=config, unencrypted=True) as opened:
        opened.new_identity("ada", unencrypted=True)
        watch = Watch()
        watch.start()
        start_s = time.perf_counter()
        imported = opened.import_rows(
            [dataset], column, "ada", source="https://example.org/bench", license="NOASSERTION"
        )
        took_s = time.perf_counter() - start_s
        watch.stop()
    report = {
        "rows": imported.rows,
        "records": len(imported.records),
        "seconds": took_s,
        "workers": worker_count(),
        "peak_anonymous_mb": watch.peak_mb,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])

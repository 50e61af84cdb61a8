"""One process that signs a dataset and watches its own memory: `python -m tools.bench.signer FOLDER DATASET COLUMN`.

Anonymous memory (RssAnon of /proc/self/status) is what the process allocated. The pages of the store's file are mapped, and
the system takes them back when it needs them: they do not count.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from pathlib import Path
from typing import Final

import ledger

_STATUS: Final = Path("/proc/self/status")
_ANONYMOUS: Final = re.compile(rb"RssAnon:\s+(\d+) kB")
_POLL_S: Final = 0.02


def anonymous_mb() -> float:
    """Anonymous memory of this process, in MB (10^6 bytes); 0 where the system does not tell."""
    found = _ANONYMOUS.search(_STATUS.read_bytes()) if _STATUS.exists() else None
    return int(found[1]) * 1_024 / 1e6 if found else 0.0


class MemoryWatch(threading.Thread):
    """Polls until it is stopped; `peak_mb` is the most that was seen."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._ended = threading.Event()
        self.peak_mb = anonymous_mb()

    def run(self) -> None:
        while not self._ended.wait(_POLL_S):
            self.peak_mb = max(self.peak_mb, anonymous_mb())

    def stop(self) -> None:
        """Looks a last time and ends the thread."""
        self._ended.set()
        self.join()
        self.peak_mb = max(self.peak_mb, anonymous_mb())


def main(folder: str, dataset: str, column: str) -> None:
    config = f"{folder}/keys"
    with ledger.create(f"{folder}/ledger", config=config, unencrypted=True) as opened:
        opened.new_identity("ada", unencrypted=True)
        start_mb = anonymous_mb()
        watch = MemoryWatch()
        watch.start()
        start_s = time.perf_counter()
        signed = opened.sign_rows(dataset, column, by="ada")
        took_s = time.perf_counter() - start_s
        watch.stop()
    report = {
        "rows": len(signed.ids),
        "seconds": took_s,
        "start_anonymous_mb": start_mb,
        "peak_anonymous_mb": watch.peak_mb,
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])

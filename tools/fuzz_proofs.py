"""Reads random ancestry proofs for a while (SPEC §11.2): `python -m tools.fuzz_proofs SECONDS [SEED]`.

Prints what became of them; ends with an error for a crash, and for more room than a file of 1 MiB may take.
"""

from __future__ import annotations

import sys
import time
import tracemalloc

from tests.test_proofs.fuzz import PEAK_BYTES_MAX, run


def main(seconds: str, seed: str = "1") -> None:
    end = time.monotonic() + float(seconds)
    tracemalloc.start()
    became = run(lambda _tried: time.monotonic() > end, int(seed))
    peak = tracemalloc.get_traced_memory()[1]
    for what, count in became.most_common():
        print(f"{count:>9,}  {what}")
    print(f"{became.total():,} files in {seconds} s, no crash, {peak / 2**20:.1f} MiB at most")
    if peak > PEAK_BYTES_MAX:
        raise SystemExit(f"over {PEAK_BYTES_MAX} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""One process that signs in a batch: `python -m tools.bench.batch_worker FOLDER NAME COUNT RECORDS`.

It says that it is ready, waits for a line, adds COUNT texts, RECORDS a statement, and ends when its block does.
"""

from __future__ import annotations

import sys

import ledger


def main(folder: str, name: str, count: str, records: str) -> None:
    with (
        ledger.open(f"{folder}/ledger", config=f"{folder}/keys", wait_s=600) as opened,
        opened.batch("ada", records=int(records), age_s=60) as batch,
    ):
        print("ready", flush=True)
        sys.stdin.readline()
        for number in range(int(count)):
            batch.add(f"{name} says this as number {number}")


if __name__ == "__main__":
    main(*sys.argv[1:])

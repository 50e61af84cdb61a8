"""One of many workers that sign on one ledger. Run as `python -m tests.batch_worker LEDGER CONFIG NAME TOLD`.

Two threads add artifacts until the standard input ends, or until the process is killed, wherever it stands. What a worker
was told to be signed it writes to the file TOLD, a line of hex each, synced, after its future resolved and never before.
"""

from __future__ import annotations

import os
import queue
import random
import sys
import threading
from pathlib import Path

import ledger
from ledger.api.batch_item import Item


def main(path: str, config: str, name: str, told: str) -> None:
    added: queue.Queue[Item | None] = queue.Queue()
    ended = threading.Event()

    def add(number: int) -> None:
        rng = random.Random(f"{name} {number}")
        while not ended.is_set():
            parents = [item] if rng.random() < 0.3 and (item := last.get(number)) else []
            last[number] = batch.add(f"{name} {number} {rng.random()}", parents=parents)
            added.put(last[number])
            ended.wait(rng.random() * 0.01)

    def note() -> None:
        with Path(told).open("a") as file:
            while (item := added.get()) is not None:
                file.write(item.signed.result(60).hex() + "\n")
                file.flush()
                os.fsync(file.fileno())

    last: dict[int, Item] = {}
    with (
        ledger.open(path, config=config) as opened,
        opened.batch(by="ada", records=8, age_s=0.02) as batch,
    ):
        adders = [threading.Thread(target=add, args=(number,)) for number in range(2)]
        noter = threading.Thread(target=note)
        for thread in (*adders, noter):
            thread.start()
        sys.stdin.read()
        ended.set()
        for thread in adders:
            thread.join()
        added.put(None)
        noter.join()


if __name__ == "__main__":
    main(*sys.argv[1:])

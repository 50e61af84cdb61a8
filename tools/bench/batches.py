"""What an agent waits for, and what many workers on one ledger come to."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import IO, Final

import ledger
from ledger.api import Session
from ledger.statements.record import Parent, make_record
from tools.bench.measure import Row, Settings, rate_row, seconds, spread, take_turns
from tools.bench.scene import empty_folder

OUTPUT_TARGET_US: Final = 200
WORKERS_TARGET: Final = 0.4
WORKERS: Final = 20
_SMALL: Final = 256  # records a statement of each worker
_BULK: Final = 4_096  # of one process alone
_READS: Final = 3  # artifacts read before each output


def bench_output(settings: Settings) -> list[Row]:
    """How long `s.output()` takes to return, while what was added before is signed and logged behind it.

    Against hashing the text and making the record, and nothing else.
    """
    folder = empty_folder(settings.folder, "output")
    with ledger.create(folder / "ledger", config=str(folder / "keys"), unencrypted=True) as opened:
        opened.new_identity("ada", unencrypted=True)
        opened.new_identity(
            "ada+m", "pair", of="ada", substrate={"name": "m", "version": "1"}, unencrypted=True
        )
        with opened.session("ada+m", task="Answer in one sentence.") as session:
            return [_output(session, reads, settings.pick(20_000, 200)) for reads in (0, _READS)]


def _output(session: Session, reads: int, count: int) -> Row:
    read = [session.output(f"source {number}") for number in range(reads)]
    parents = [Parent("derived-from", item.id) for item in read]
    ours, bare = [], []
    for number in range(count):
        for item in read:
            session.read(item)
        text = f"answer {number} after {reads}"
        ours.append(seconds(partial(session.output, text)) * 1e6)
        bare.append(seconds(partial(_bare, text, session.batch.maker, parents)) * 1e6)
    middle = median(ours)
    late = sorted(ours)[int(count * 0.99)]
    return Row(
        f"output, {reads} parents",
        f"{middle:.0f} µs at the median, {late:,.0f} µs at 99 %",
        f"{median(bare):.0f} µs, a record alone",
        spread([median(bare) / middle]),
        f"≤ {OUTPUT_TARGET_US} µs",
        middle <= OUTPUT_TARGET_US,
    )


def _bare(text: str, maker: bytes, parents: list[Parent]) -> bytes:
    content = text.encode()
    digest = hashlib.sha256(content).digest()
    return make_record(
        kind="output",
        maker=maker,
        content=digest,
        size_bytes=len(content),
        media="text/plain",
        parents=parents,
        facts={"parameters": digest},
    ).id


def bench_workers(settings: Settings) -> list[Row]:
    """Twenty processes that sign 256 records a statement, against one that signs 4,096; until the log holds all of it."""
    count = settings.pick(102_400, 1_000)
    workers = settings.pick(WORKERS, 2)

    def rate(processes: int, records: int) -> float:
        folder = empty_folder(settings.folder, "workers")
        config = str(folder / "keys")
        with ledger.create(folder / "ledger", config=config, unencrypted=True) as made:
            made.new_identity("ada", unencrypted=True)
        took_s = _run(folder, processes, count // processes, records)
        with ledger.open(folder / "ledger", config=config) as opened:
            took_s += seconds(opened.drain)
            status = opened.status()
        if status["records"] != count // processes * processes or status["outbox"]["refused"]:
            raise RuntimeError(f"not all of it is in the log: {status}")
        return int(status["records"]) / took_s

    turns = take_turns(settings.pick(3, 1), lambda: rate(workers, _SMALL), lambda: rate(1, _BULK))
    units = ("records/s", f"records/s of one process, {_BULK:,} a statement")
    return [rate_row(f"workers, {workers} with {_SMALL} a statement", turns, units, WORKERS_TARGET)]


def _run(folder: Path, workers: int, count: int, records: int) -> float:
    """Seconds from the moment at which all are ready until the last one has ended."""
    command = [sys.executable, "-m", "tools.bench.batch_worker", str(folder)]
    processes = [
        subprocess.Popen(
            [*command, f"worker {number}", str(count), str(records)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(workers)
    ]
    for process in processes:
        _pipe(process.stdout).readline()
    start_s = time.perf_counter()
    for process in processes:
        _pipe(process.stdin).write("go\n")
        _pipe(process.stdin).flush()
    for process in processes:
        if process.wait():
            raise RuntimeError("a worker failed")
    took_s = time.perf_counter() - start_s
    for process in processes:
        process.communicate()
    return took_s


def _pipe(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise RuntimeError("there is no pipe")
    return pipe

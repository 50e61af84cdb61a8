"""An import killed in the midst of it (SIGKILL), again and again: what stands is whole, and nothing is logged twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ledger.api import audit_folder
from ledger.store.import_journal import unfinished
from tests import reference
from tests.test_api_import import SOURCE, Place, digests

ROOT = Path(__file__).resolve().parents[1]
LONG = bool(os.environ.get("LINEAGE_LONG"))
KILLS = 500 if LONG else 24
ROUNDS_A_LEDGER = 12  # then a new one is begun, which has nothing yet
SHARDS, ROWS, EACH = 3, 60, 10

CHILD = """
import sys
import ledger
path, config, workers, *shards = sys.argv[1:]
with ledger.open(path, config=config) as door:
    print("ready", flush=True)
    done = door.import_rows(
        shards, "text", "ada", source="https://example.org/corpus", license="CC-BY-4.0", rows_each=10, workers=int(workers),
        progress=lambda done, total: print("record", flush=True),
    )
print(done.new, flush=True)
"""


def start(place: Place, shards: list[Path], workers: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", CHILD, str(place.path), place.config, str(workers)]
    child = subprocess.Popen(
        [*command, *map(str, shards)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    assert line == "ready\n", child.communicate()[1]
    return child


def look(place: Place) -> int:
    """What must hold whatever was killed; how many records stand."""
    report = audit_folder(place.path)
    assert report.ok or report.remarks, report.faults
    assert not report.faults, report.faults
    with place.open():  # finishes what a crash left in the log
        pass
    report = audit_folder(place.path)
    assert report.ok, report.faults
    records = place.records()
    assert len({record.id for record in records}) == len(records), "a record was logged twice"
    standing = {record.id.hex() for record in records}
    assert {done.id for journal in unfinished(place.path) for done in journal} <= standing
    return len(records)


@pytest.mark.slow
def test_a_killed_import_leaves_whole_records_and_goes_on(tmp_path: Path) -> None:
    seed = time.time_ns() % 2**32 if LONG else 20_260_117  # the moments differ in any case
    rng = random.Random(seed)
    stood: Counter[str] = Counter()
    for number in range(KILLS // ROUNDS_A_LEDGER):
        folder = tmp_path / str(number)
        folder.mkdir()
        place = Place(folder)
        shards = [place.numbered(ROWS, f"shard{n}.jsonl") for n in range(SHARDS)]
        before = 0
        for _ in range(ROUNDS_A_LEDGER):
            child = start(place, shards, rng.choice((0, 0, 1)))
            assert child.stdout is not None
            for _ in range(rng.randrange(4)):  # so many records, however busy the machine is
                child.stdout.readline()
            try:
                child.wait(rng.random() * 0.03)  # and anywhere in the next one or two
                stood["finished"] += 1
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
                stood["killed"] += 1
            _, told = child.communicate()
            assert not told or child.returncode, told
            now = look(place)
            assert now >= before, f"seed {seed}: a record is gone"
            stood["went on"] += now > before
            stood["orphans"] += len(place.sidecars()) - now
            before = now
        child = start(place, shards, 0)
        out, told = child.communicate()
        assert child.returncode == 0, told
        left = SHARDS * ROWS // EACH - before
        assert int(out.split()[-1]) in (left, left - 1), (
            "one may have waited, signed, in its lane: it is sent first"
        )
        roots = {
            reference.mth(digests(*(f"shard{n} {row}" for row in range(at, at + EACH))))
            for n in range(SHARDS)
            for at in range(0, ROWS, EACH)
        }
        assert {record.content for record in place.records()} == roots
        assert look(place) == len(roots)
        assert list((place.path / "imports").iterdir()) == []
        assert place.sidecars() >= {record.id.hex() for record in place.records()}
    assert stood["killed"] > KILLS // 3, stood
    assert stood["went on"] > 2, stood
    assert SOURCE in CHILD

"""Many processes sign on one ledger and die: what any of them was told to be signed ends up in the log, once (SPEC §10.5)."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

import ledger
from ledger.api import audit_folder
from ledger.statements.entry import decode_entry
from tests.batch_scene import wait_until
from tests.test_store.test_lmdb import REPO

LONG = bool(os.environ.get("LINEAGE_LONG"))
WORKERS = 20
ROUNDS = 20 if LONG else 1
TOLD_LEAST = 5  # of each worker, before any is killed


def told_in(path: Path) -> list[bytes]:
    """The whole lines of what a worker was told; the last one may be cut by its death."""
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [bytes.fromhex(line) for line in lines]


def is_told(path: Path, least: int) -> bool:
    return len(told_in(path)) >= least


def run_workers(folder: Path, rng: random.Random) -> set[bytes]:
    """Twenty workers, half of which are killed; what they were told."""
    whole, keyless = folder / "keys", folder / "keyless"
    processes = []
    files = [folder / f"told-{time.monotonic_ns()}-{number}" for number in range(WORKERS)]
    for number, file in enumerate(files):
        config = whole if number % 4 == 0 else keyless  # one in four could drain
        command = [sys.executable, "-W", "error", "-m", "tests.batch_worker"]
        command += [str(folder / "ledger"), str(config), file.name, str(file)]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, cwd=REPO))
    try:
        wait_until(lambda: all(len(told_in(file)) >= TOLD_LEAST for file in files), "workers are told")
        for number in rng.sample(range(WORKERS), WORKERS // 2):
            least = len(told_in(files[number])) + rng.randint(0, 3)  # so that they die at different steps
            wait_until(partial(is_told, files[number], least), "is told more")
            processes[number].kill()
        for process in processes:
            process.communicate(timeout=120)  # which ends the standard input of those that live
        codes = Counter(process.returncode for process in processes)
        assert codes == {-9: WORKERS // 2, 0: WORKERS // 2}
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return {artifact_id for file in files for artifact_id in told_in(file)}


def test_twenty_workers_half_of_them_killed_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    path, config = tmp_path / "ledger", tmp_path / "keys"
    with ledger.create(path, unencrypted=True, config=str(config)) as made:
        made.new_identity("ada", unencrypted=True)
    shutil.copytree(config, tmp_path / "keyless")
    (log_key,) = (tmp_path / "keyless").glob("logs/*/log.key")
    log_key.unlink()
    rng = random.Random(time.time_ns() if LONG else 7)
    told: set[bytes] = set()
    for _ in range(ROUNDS):
        told |= run_workers(tmp_path, rng)
        with ledger.open(path, config=str(config)) as opened:
            drained = opened.drain()
            assert (drained.refused, drained.left) == ([], [])
            assert opened.status()["outbox"]["refused"] == 0
            with opened.view() as view:
                places = {artifact_id: len(view.find_artifact(artifact_id)) for artifact_id in told}
                statements = [
                    decode_entry(view.entry(log_index)).statement for log_index in range(view.checkpoint.size)
                ]
        assert set(places.values()) == {1}
    lanes = Counter((item.key, item.lane, item.seq) for item in statements if item.type == "artifacts")
    assert max(lanes.values()) == 1
    assert len({lane for _key, lane, _seq in lanes}) >= WORKERS
    assert len(told) >= WORKERS * TOLD_LEAST
    assert audit_folder(path).ok

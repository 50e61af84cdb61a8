"""Processes killed in the midst of it: nothing acknowledged is lost, nothing is signed twice (`tests.kills`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_store.test_lmdb import REPO

LONG = bool(os.environ.get("LINEAGE_LONG"))
KILLS = {"bulk": 3_000 if LONG else 15, "lanes": 2_000 if LONG else 10, "lives": 2_000 if LONG else 10}


@pytest.mark.parametrize("child", KILLS)
def test_killed_process_loses_nothing_that_was_acknowledged(
    child: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = time.time_ns() % 2**32 if LONG else 20_240_229  # the moments differ in any case
    command = [sys.executable, "-W", "error", "-m", "tests.kills", str(tmp_path / "ledgers")]
    command += ["--child", child, "--kills", str(KILLS[child]), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPO, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout}\n{done.stderr}"
    stats = json.loads(done.stdout)
    with capsys.disabled():
        sys.stdout.write(f"\n{child}: {stats}\n")
    assert stats["kills"] == KILLS[child]
    assert stats["acknowledged"] > 5
    assert stats["entries"] > stats["acknowledged"]
    if LONG:
        assert stats["recoveries"] > 100  # deaths between the two transactions of a commit
        assert stats["parcels_waiting" if child == "lanes" else "stood_unacknowledged"] > 100

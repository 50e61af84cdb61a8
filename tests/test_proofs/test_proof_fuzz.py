"""Hostile ancestry proofs: none crashes the reader, and none of 1 MiB costs him much room or work.

Random ones for a while (`make fuzz` for ten minutes), and such as are built to cost: much work by few bytes, or much room. A
quadratic walk would show as twice the lines run by twice the bytes and more. (No test has a stopwatch; what is counted is work.)
In `make long` the files have 1 MiB, and are verified in another process within 60 s of its time and 64 MiB of room.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.proved import verify
from tests.test_origin.facts import BALANCED
from tests.test_proofs import amplified
from tests.test_proofs.fuzz import PEAK_BYTES_MAX, run

ROOT = Path(__file__).resolve().parents[2]
IS_LONG = os.environ.get("LINEAGE_LONG") == "1"
SCALE = 1 if IS_LONG else 8
BASE_BYTES = 0 if IS_LONG else 12_582_912  # what judges hold, whatever the file
CPU_S = 60
FUZZED = 400
NAMES = [make.__name__ for make in amplified.CASES]


def made(name: str, scale: int) -> bytes:
    make: Callable[[int], bytes] = getattr(amplified, name)
    data = make(scale)
    assert len(data) <= amplified.BYTES_MAX // scale + 40_000 * (scale > 1)
    return data


def outcome(data: bytes) -> str:
    try:
        verify(data, amplified.VKEYS, at_ms=2_000_000_000, policy=BALANCED)
    except (ProofInvalid, RefusedInput) as error:
        return error.code
    return "verified"


def test_no_random_file_crashes_the_reader() -> None:
    became = run(lambda tried: tried == FUZZED)
    assert became.total() == FUZZED
    assert became["made_anew: verified"] > FUZZED / 10  # the hostile ones are read to the end
    assert len(became) > 5


@pytest.mark.parametrize("name", NAMES)
def test_room_is_bounded(name: str) -> None:
    data = made(name, SCALE)
    tracemalloc.start()
    try:
        outcome(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < PEAK_BYTES_MAX // SCALE + BASE_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_work_grows_as_the_file_does(name: str) -> None:
    small, large = made(name, 32), made(name, 16)
    work, growth = lines_run(large) / lines_run(small), len(large) / len(small)
    assert work < 1.25 * growth


def lines_run(data: bytes) -> int:
    count = 0

    def of_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return of_line

    before = sys.gettrace()
    sys.settrace(of_line)
    try:
        outcome(data)
    finally:
        sys.settrace(before)
    return count


def test_every_count_that_lies_is_refused() -> None:
    files = amplified.lying_counts(SCALE)
    assert len(files) == 51
    assert {outcome(data) for data in files} == {"proof-invalid", "multiproof-invalid"}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES if IS_LONG else NAMES[:1])
def test_a_file_of_1_mib_is_verified_within_a_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.lineage"
    path.write_bytes(made(name, 1))
    script = (
        "import sys; from pathlib import Path; from tests.test_proofs.test_proof_fuzz import outcome; "
        "print(outcome(Path(sys.argv[1]).read_bytes()))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S)),
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() in {"verified", "proof-invalid", "status-invalid"}

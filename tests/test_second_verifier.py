"""A second verifier, written in another language from SPEC.md alone, and the ledger say the same of every vector of proofs."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.test_vectors import names, stored
from tools.make_vectors import FOLDER

VERIFIER = Path(__file__).with_name("second_verifier")
NODE_LEAST = 18  # the first version that has a test runner
WAITED_S = 300  # a process that takes longer hangs

# Files that both refuse, each by another code: name -> (the second verifier's code, why both are right). Where SPEC.md decides,
# whoever is wrong is corrected.
KNOWN_DIFFERENCES: dict[str, tuple[str, str]] = {}


def node(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs Node, or skips."""
    program = shutil.which("node")
    if program is None:
        pytest.skip(
            f"node is missing: apt-get install nodejs ({NODE_LEAST} or newer) runs the second verifier"
        )
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=60)
    if int(version.stdout.removeprefix("v").split(".")[0]) < NODE_LEAST:
        pytest.skip(f"node is {version.stdout.strip()}: apt-get install nodejs gives {NODE_LEAST} or newer")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=WAITED_S
    )


@cache
def answers() -> dict[str, dict[str, Any]]:
    """By the name of a vector, what the second verifier says: one process reads them all."""
    done = node(VERIFIER / "vectors.mjs", FOLDER)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("name"): line for line in lines}


def test_it_reads_every_vector() -> None:
    assert sorted(answers()) == names("ancestry", "status")


@pytest.mark.parametrize("name", names("ancestry"))
def test_ancestry_vector(name: str) -> None:
    expected, found = stored()[name]["expected"], answers()[name]
    assert found["valid"] is expected["valid"]
    if not expected["valid"]:
        code, _why = KNOWN_DIFFERENCES.get(name, (expected["code"], ""))
        assert found["code"] == code
        return
    subjects = sorted(found["subjects"], key=lambda subject: ("rows" in subject, subject["id"]))
    assert subjects == expected["subjects"]
    assert (found["size"], found["nodes"]) == (expected["size"], expected["nodes"])


@pytest.mark.parametrize("name", names("status"))
def test_status_vector(name: str) -> None:
    expected, found = stored()[name].get("error"), answers()[name]
    assert (found["valid"], found.get("code")) == (expected is None, expected)


def test_known_differences_are_of_vectors() -> None:
    assert set(KNOWN_DIFFERENCES) <= set(names("ancestry"))


def test_its_own_tests() -> None:
    """Random logs, and what SPEC.md shows, by its own hand."""
    done = node("--test", *sorted(VERIFIER.glob("*.test.mjs")))
    assert done.returncode == 0, done.stdout[-20_000:]

"""An independent C2SP tlog-witness, `aics-witness`, as a process on loopback. For tests only.

It takes a Python of 3.12 or newer, which need not be the one that runs the tests: interpreters on PATH and of pyenv are tried
one by one, and run, since a name may be there and fail. It lives in an environment of its own, made once in `.cache`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

VERSION = "0.1.0"
PACKAGE = f"aics-witness=={VERSION}"
LEAST = (3, 12)
NEWEST = 19  # of the names python3.12, python3.13, … that are tried
CACHE = Path(__file__).resolve().parents[1] / ".cache"
ENVIRONMENT = CACHE / f"aics-witness-{VERSION}"
INSTALL_S = 300
START_S = 60
_CAN = f"import ensurepip, sys, venv; sys.exit(sys.version_info < {LEAST})"


def candidates() -> Iterator[str]:
    """Interpreters that may do, this one first."""
    yield sys.executable
    names = [f"python3.{minor}" for minor in range(LEAST[1], NEWEST + 1)] + ["python3"]
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        yield from (found for name in names if (found := shutil.which(name, path=folder)))
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for name in names[:-1]:
        yield from map(str, sorted(root.glob(f"versions/*/bin/{name}")))


def can_run(python: str) -> bool:
    """Whether it is new enough and can make an environment: asked of itself."""
    try:
        return not subprocess.run(
            [python, "-c", _CAN], capture_output=True, timeout=START_S, check=False
        ).returncode
    except (OSError, subprocess.TimeoutExpired):
        return False


@cache
def peer_python() -> Path:
    """The interpreter with the witness; skips the test where there is none and none can be made."""
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / f"{ENVIRONMENT.name}.lock", timeout=INSTALL_S):
        python = ENVIRONMENT / "bin" / "python"
        if _has_it(python):
            return python
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        base = next((found for found in dict.fromkeys(candidates()) if can_run(found)), None)
        if base is None:
            pytest.skip(
                f"no Python of {LEAST[0]}.{LEAST[1]} or newer was found: on PATH or under pyenv (pyenv install 3.13)"
            )
        for command in (
            [base, "-m", "venv", str(ENVIRONMENT)],
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--retries",
                "1",
                PACKAGE,
            ],
        ):
            made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            if made.returncode:
                pytest.skip(f"it could not be installed; try: {' '.join(command)}\n{made.stderr[-500:]}")
        assert _has_it(python), "it was installed, and does not run"
        return python


def _has_it(python: Path) -> bool:
    if not python.exists():
        return False
    ran = subprocess.run(
        [python, "-m", "aics_witness", "--version"],
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    return (ran.returncode, ran.stdout.strip()) == (0, f"aics-witness {VERSION}")


@dataclass
class Peer:
    """A witness that runs. `vkey`: of type 0x04."""

    folder: Path
    url: str
    vkey: str

    def known(self) -> list[dict[str, Any]]:
        """What it holds of each log: origin, size, root (base64), cosigned_at, evidence."""
        logs: list[dict[str, Any]] = json.loads(_run(self.folder, "status", "--json"))["logs"]
        return logs

    def evidence(self) -> list[dict[str, Any]]:
        """The requests that it kept because they show another history."""
        kept: list[dict[str, Any]] = json.loads(_run(self.folder, "evidence"))
        return kept


@contextmanager
def running(folder: Path, origin: str, vkey: str) -> Iterator[Peer]:
    """A fresh witness that knows one log."""
    python = peer_python()
    folder.mkdir()
    _run(folder, "init", "--name", "witness.example/peer", "--listen", "127.0.0.1:0")
    _run(folder, "add-log", "--origin", origin, "--vkey", vkey)
    own = json.loads(_run(folder, "status", "--json"))["witness"]["vkey"]
    said = folder / "said.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "aics_witness", "serve", "-c", "witness.json"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
    with process:
        try:
            yield Peer(folder, _listening(process), own)
        finally:
            process.terminate()
            process.communicate(timeout=START_S)


def _listening(process: subprocess.Popen[str]) -> str:
    """The URL that it says; its end, if it says none."""
    said = ""
    assert process.stderr is not None
    for line in process.stderr:
        said += line
        if "listening on " in line:
            return line.split("listening on ", 1)[1].split(" ", 1)[0].strip()
    raise AssertionError(f"the witness ended: {said}")


def _run(folder: Path, *arguments: str) -> str:
    command = [str(peer_python()), "-m", "aics_witness", arguments[0], "-c", "witness.json", *arguments[1:]]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=START_S, check=True
    ).stdout

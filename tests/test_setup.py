"""`make demo` and `make test` on a bare machine: what is missing is named, and nothing half made is left."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]

# Each is a stand-in for an interpreter: sh, with the real one behind it.
TOO_OLD = """
[ "$1" = --version ] && { echo "Python 3.10.12"; exit 0; }
[ "$1" = -c ] || exit 9
exec "$REAL" -c 'import sys; sys.version_info = (3, 10, 12); exec(sys.argv[1])' "$2"
"""
WITHOUT_VENV = """
case "$*" in *ensurepip*|*"-m venv"*) echo "No module named ensurepip" >&2; exit 1;; esac
exec "$REAL" "$@"
"""
# `-m venv FOLDER` gives a folder whose interpreter writes down what it is asked to do, and ends as $PIP_ENDS says.
WITH_VENV = """
[ "$1 $2" = "-m venv" ] || exec "$REAL" "$@"
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >>"$ASKED"\\nexit $PIP_ENDS\\n' >"$3/bin/python"
chmod +x "$3/bin/python"
"""


def surroundings(**more: object) -> dict[str, str]:
    """Without what an outer `make` hands down."""
    ours = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "VENV"}}
    kept = {name: value for name, value in ours.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return kept | {"REAL": sys.executable, **{name: str(value) for name, value in more.items()}}


def set_up(folder: Path, python: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Runs tools/setup.sh for a virtual environment in `folder`; `python` is a name, or the text of a stand-in."""
    if "\n" in python:
        stand_in = folder / "python"
        stand_in.write_text(f"#!/bin/sh{python}")
        stand_in.chmod(0o755)
        python = str(stand_in)
    command = ["sh", str(REPO / "tools/setup.sh"), python, str(folder / "venv")]
    env = surroundings(**more)
    return subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=env, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("python-that-is-not-there", ("'python-that-is-not-there' was not found", "python3 python3-venv")),
        (TOO_OLD, ("Python 3.10.12 is too old", "3.11 or newer", "make PYTHON=")),
        (WITHOUT_VENV, ("has no venv", "apt-get install python3-venv")),
    ],
    ids=["none", "too old", "without venv"],
)
def test_what_is_missing_is_named(tmp_path: Path, python: str, words: tuple[str, ...]) -> None:
    done = set_up(tmp_path, python)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("setup: ")
    assert done.stderr.count("\n") == 1
    assert [word for word in words if word not in done.stderr] == []
    assert not (tmp_path / "venv").exists()


def test_what_it_installs_is_bound_by_the_constraints(tmp_path: Path) -> None:
    """A second run asks again, in the environment that is there."""
    asked = tmp_path / "asked"
    for runs in (1, 2):
        done = set_up(tmp_path, WITH_VENV, ASKED=asked, PIP_ENDS=0)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        lines = asked.read_text().splitlines()
        assert len(lines) == runs
        assert lines[-1].startswith("-m pip install ")
        assert lines[-1].endswith("-c constraints.txt -e .[dev]")


def test_an_install_that_fails_is_told(tmp_path: Path) -> None:
    done = set_up(tmp_path, WITH_VENV, ASKED=tmp_path / "asked", PIP_ENDS=3)
    assert done.returncode == 1
    assert "setup: installing failed" in done.stderr
    assert "package index" in done.stderr


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here; on Debian: apt-get install make")
@pytest.mark.parametrize("target", ["demo", "test"])
def test_both_commands_set_up_what_they_need_once(tmp_path: Path, target: str) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPO / name, tmp_path / name)
    shutil.copytree(REPO / "tools", tmp_path / "tools", ignore=shutil.ignore_patterns("__pycache__"))

    def planned() -> str:
        command = ["make", "-n", target]
        env = surroundings()
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60, check=True
        ).stdout

    bare = planned()
    assert 'sh tools/setup.sh "python3" ".venv"' in bare
    ready = tmp_path / ".venv/.ready"
    ready.parent.mkdir()
    ready.touch()
    later = max(path.stat().st_mtime for path in tmp_path.rglob("*")) + 10
    os.utime(ready, (later, later))
    assert "setup.sh" not in planned()
    assert planned().strip() == bare.splitlines()[-1].strip()
    os.utime(tmp_path / "constraints.txt", (later + 10, later + 10))
    assert "setup.sh" in planned()

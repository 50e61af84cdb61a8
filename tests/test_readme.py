"""The README's commands are run, in order, and say what the README says. `…` stands for anything; `(exit code 1)` for itself."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXIT_1 = "(exit code 1)"
BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[str, str]]:
    return [(match[1], match[2]) for match in BLOCK.finditer(README)]


def pattern_of(expected: str) -> re.Pattern[str]:
    """The expected output with `…` for anything, also for any number of lines."""
    return re.compile(".*".join(re.escape(part) for part in expected.strip().split("…")), re.DOTALL)


@pytest.fixture
def house(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "LINEAGE_LEDGER": str(tmp_path / "my-ledger"),
        "LINEAGE_CONFIG": str(tmp_path / "keys"),
        "LINEAGE_PASSPHRASE": "only for this test",
    }
    return tmp_path, environment


def test_every_command_of_the_readme_says_what_the_readme_says(house: tuple[Path, dict[str, str]]) -> None:
    folder, environment = house
    commands = 0
    for language, text in blocks():
        if language == "python":
            done = subprocess.run(
                [sys.executable, "-c", text],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith(("(b'", '(b"'))
            commands += 1
            continue
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = subprocess.run(
                shlex.split(command), cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            expected, said, _ = expected.partition(EXIT_1)
            assert done.returncode == bool(said), f"{command}: {done.stderr}"
            assert pattern_of(expected).fullmatch(done.stdout.strip()), f"{command}:\n{done.stdout}"
            commands += 1
    assert commands == 39


def test_the_readme_names_the_two_commands_and_the_makefile_has_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target} " in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert "make test" in (ROOT / ".ci" / "run").read_text()

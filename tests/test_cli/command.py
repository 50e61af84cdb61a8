"""The command line as a user has it: run in this process, its output, exit code and traces on disk looked at."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.cli.main import main

DAY_MS = 86_400_000
RIGHT_NOW_MS = 1_800_000_000_000  # 2027-01-15 08:00 UTC


class Clock:
    """This machine's clock, as it is told."""

    def __init__(self) -> None:
        self.now_ms = RIGHT_NOW_MS

    def pass_days(self, days: float) -> None:
        self.now_ms += int(days * DAY_MS)

    def time_ns(self) -> int:
        return self.now_ms * 1_000_000


@dataclass(frozen=True)
class Ran:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; nothing may stand beside it."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        assert self.out.count("\n") == 1
        return document


class Cli:
    """Commands in a folder of their own, with the ledger and the keys beside it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder / "work"
        self.folder.mkdir()
        self.ledger = folder / "ledger"
        self.config = folder / "keys"
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> Ran:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        output = self._capsys.readouterr()
        return Ran(code, output.out, output.err)

    def json(self, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
        """The document of a command that ends with `code`."""
        ran = self(*arguments, "--json")
        assert ran.code == code, ran.err
        return ran.document

    def refused(self, code: str, *arguments: str | Path) -> dict[str, str]:
        """The error of a command that is refused with `code`, and leaves everything as it was."""
        before = self.traces()
        ran = self(*arguments, "--json")
        assert (ran.code, list(ran.document)) == (2, ["error"]), ran.out
        error: dict[str, str] = ran.document["error"]
        assert set(error) == {"family", "code", "item", "reason", "fix"}
        assert error["code"] == code, error
        assert all(error.values()), error
        assert self.traces() == before
        return error

    def traces(self) -> tuple[int, frozenset[str]]:
        """The log's size; the files of the ledger but for its lock; all that lies among the keys, but for lanes."""
        size = self.json("log", "checkpoint")["size"] if (self.ledger / "data.mdb").is_file() else 0
        files = {path for path in self.ledger.rglob("*") if path.is_file()}
        files -= {self.ledger / "writer.lock", self.ledger / "writer.pid"}
        keys = {path for path in self.config.rglob("*") if "lanes" not in path.parts}
        return size, frozenset(map(os.fspath, files | keys))

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def rows(self, name: str, *rows: dict[str, Any]) -> Path:
        """A JSONL file."""
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def begin(self, *people: str) -> None:
        """A ledger with unencrypted keys, and humans."""
        assert self("init", "--unencrypted").code == 0
        for name in people:
            assert self("identity", "new", name, "--unencrypted").code == 0

    def keys(self, name: str = "operator") -> Path:
        """The folder of an identity's keys."""
        (found,) = self.config.glob(f"logs/*/identities/{name}")
        return found

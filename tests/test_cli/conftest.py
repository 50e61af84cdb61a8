"""A command line whose ledger and keys lie in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents import agent, sockets
from tests.test_cli.command import Cli, Clock
from tests.test_cli.gating import signed

__all__ = ["ada", "agent", "cli", "clock", "signed", "sockets"]


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """No ledger yet; the current folder is `cli.folder`."""
    made = Cli(tmp_path, capsys)
    monkeypatch.setenv("LINEAGE_LEDGER", str(made.ledger))
    monkeypatch.setenv("LINEAGE_CONFIG", str(made.config))
    monkeypatch.delenv("LINEAGE_PASSPHRASE", raising=False)
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def ada(cli: Cli) -> Cli:
    """A ledger and the human ada, her keys in clear."""
    cli.begin("ada")
    return cli


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Every clock of this process; it stands unless it is told to go on."""
    made = Clock()
    monkeypatch.setattr("time.time_ns", made.time_ns)
    return made

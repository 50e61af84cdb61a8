"""Folders whose paths are short enough for a socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_signer.agents import RealAgent, real_agent


@pytest.fixture
def sockets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a")


@pytest.fixture
def agent(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealAgent]:
    """OpenSSH's agent, without keys; skipped where OpenSSH is not installed."""
    with real_agent(sockets, monkeypatch) as started:
        yield started

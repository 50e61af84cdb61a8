"""What others put beside keys and lanes keeps nobody waiting; what is written there is its owner's alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.signer.keyfile import read_key
from ledger.signer.keystore import Keystore
from ledger.signer.lanes import hold_lane
from tests.store_suite import code_of

KEY = bytes(range(32))


@pytest.fixture(params=[0, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_key_file_is_a_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "current.key"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreFault) as error:
        read_key(path, lambda _name: b"")
    assert code_of(error) == "key-file-unreadable"


def test_pipes_beside_keys(tmp_path: Path) -> None:
    keys = Keystore(tmp_path, KEY)
    ann = keys.create("ann", "human", None)
    for name, code in (("enrol.entry", "keys-unwritable"), ("identity.json", "keys-damaged")):
        (ann.folder / name).unlink()
        os.mkfifo(ann.folder / name)
        with pytest.raises(StoreFault) as error:
            keys.find("ann").pending_enrolment()
        assert code_of(error) == code


def test_a_lane_whose_state_is_a_pipe_is_lost(tmp_path: Path) -> None:
    with hold_lane(tmp_path / "lanes", KEY) as lane:
        first = lane.id
    state = tmp_path / "lanes" / first.hex() / "state.json"
    state.unlink()
    os.mkfifo(state)
    with hold_lane(tmp_path / "lanes", KEY) as lane:
        assert lane.id != first


def test_a_lane_is_its_owners(tmp_path: Path, umask: int) -> None:
    with hold_lane(tmp_path / "lanes", KEY):
        files = [path for path in (tmp_path / "lanes").rglob("*") if path.is_file()]
        assert sorted(path.name for path in files) == ["lane.lock", "state.json"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}, umask

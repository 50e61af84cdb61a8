"""The logs whose keys lie here are remembered by their vkeys."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

import ledger
from ledger.api import open_ledger
from ledger.api.verifying import trusted_log
from ledger.errors import RefusedInput
from ledger.identity.vkey import Vkey
from ledger.signer.known_logs import LOG_FILE, known_logs
from ledger.statements.statement import log_id


def made(folder: Path, config: Path) -> Vkey:
    with ledger.create(folder, unencrypted=True, config=str(config)) as door:
        return door.vkey


def test_a_log_is_remembered_when_it_is_made_and_opened_for_writing(tmp_path: Path) -> None:
    config = tmp_path / "keys"
    assert known_logs(config) == []
    vkey = made(tmp_path / "ledger", config)
    assert known_logs(config) == [vkey]
    (noted,) = config.glob(f"logs/*/{LOG_FILE}")
    assert json.loads(noted.read_text()) == {
        "origin": vkey.name,
        "vkey": str(vkey),
        "log_id": log_id(str(vkey)).hex(),
    }
    assert stat.S_IMODE(noted.stat().st_mode) == 0o600
    noted.unlink()
    with open_ledger(tmp_path / "ledger", readonly=True, config=str(config)):
        assert known_logs(config) == []
    with open_ledger(tmp_path / "ledger", config=str(config)):
        assert known_logs(config) == [vkey]


def test_where_no_keys_lie_nothing_is_noted(tmp_path: Path) -> None:
    made(tmp_path / "ledger", tmp_path / "keys")
    with open_ledger(tmp_path / "ledger", config=str(tmp_path / "elsewhere")):
        assert not (tmp_path / "elsewhere").exists()


def test_what_is_damaged_or_of_another_log_is_left_out(tmp_path: Path) -> None:
    config = tmp_path / "keys"
    first, second = made(tmp_path / "one", config), made(tmp_path / "two", config)
    assert sorted(map(str, known_logs(config))) == sorted(map(str, (first, second)))
    noted = {path: path.read_bytes() for path in config.glob(f"logs/*/{LOG_FILE}")}
    one, other = noted
    damages = [
        b"",
        b"[]",
        b"{}",
        b"7",
        b'{"vkey": 7}',
        b'{"vkey": "x"}',
        b"[" * 3_000,
        b"\xff",
        noted[other],
        b" " * 5_000,
    ]
    for damage in damages:
        one.write_bytes(damage)
        assert len(known_logs(config)) == 1, damage
    one.unlink()
    one.mkdir()
    assert len(known_logs(config)) == 1
    with open_ledger(tmp_path / "one", config=str(config)), open_ledger(tmp_path / "two", config=str(config)):
        assert len(known_logs(config)) == 1  # what stands in its way holds nothing up


def test_the_only_log_known_is_trusted_where_no_ledger_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "none"))
    config = tmp_path / "keys"
    with pytest.raises(RefusedInput, match="no log is known") as refusal:
        trusted_log(None, config=str(config))
    assert refusal.value.code == "vkey-missing"
    vkey = made(tmp_path / "one", config)
    assert trusted_log(None, config=str(config)) == (vkey, "keys")
    made(tmp_path / "two", config)
    with pytest.raises(RefusedInput, match="keys of 2 logs") as refusal:
        trusted_log(None, config=str(config))
    assert refusal.value.code == "vkey-missing"

"""What the doctor says of keys that are away, spare, waiting, put aside or readable by others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.signer import changes as changes_module
from ledger.signer.checkup import KeyFinding, examine_keys
from ledger.signer.keychange import change_keys, plan_change
from ledger.signer.keyfile import read_public
from ledger.signer.lanes import hold_lane
from tests.test_signer.scene import RING, WEEK_MS, Scene, code_of
from tests.test_signer.test_left_behind import left_waiting


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def found(scene: Scene) -> dict[str, KeyFinding]:
    """By what they are about."""
    return {finding.name.removeprefix("identity ada, "): finding for finding in examine_keys(scene.keys)}


def bad(scene: Scene) -> list[str]:
    return [name for name, finding in found(scene).items() if not finding.ok]


def test_keys_in_order(scene: Scene) -> None:
    ada = scene.enrol()
    assert set(found(scene)) == {"log's key", "daily key", "spare keys"}
    assert bad(scene) == []
    assert "next.key and recovery.key" in found(scene)["spare keys"].what
    ada.key_file("next").unlink()
    assert "next.key" not in found(scene)["spare keys"].what
    ada.key_file("recovery").unlink()
    assert "spare keys" not in found(scene)
    ada.key_file("current").unlink()
    assert "nothing is signed" in found(scene)["daily key"].what


def test_every_file_of_a_keyset_is_looked_at(scene: Scene) -> None:
    ada = scene.enrol(keys=3, threshold=2)
    assert "3 of 3 daily keys are here; 2 must sign" in found(scene)["daily keys"].what
    assert "next.key and next.2.key and next.3.key" in found(scene)["spare keys"].what
    for path in (ada.key_file("current", 2), ada.key_file("next", 3), ada.folder / "pseudonym.key"):
        path.chmod(0o644)
        assert len(bad(scene)) == 1, path
        path.chmod(0o600)
    assert bad(scene) == []
    ada.key_file("current").unlink()
    assert "2 of 3" in found(scene)["daily keys"].what
    assert "nothing" not in found(scene)["daily keys"].what
    ada.key_file("current", 3).unlink()
    assert "nothing is signed on this machine" in found(scene)["daily keys"].what


def test_a_lost_pseudonym_secret_is_told(scene: Scene) -> None:
    ada = scene.enrol()
    (ada.folder / "pseudonym.key").unlink()
    assert bad(scene) == ["pseudonym secret"]


def test_changes_under_way_and_put_aside(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = scene.enrol()
    key = read_public(ada.key_file("current"))
    assert code_of(lambda: scene.change("rotate", compromised={key: 10_000})) == "compromised-illegal"
    assert "1 changes of keys were refused" in found(scene)["refused changes"].what
    scene.change("recover")
    assert found(scene)["key event 1"].ok
    with monkeypatch.context() as patch:
        patch.setattr(changes_module, "settle", lambda *_: [])
        plan = plan_change(ada, scene.standing(), "rotate")
        assert code_of(lambda: change_keys(scene.door, plan, RING, None)) == "change-lost"
    assert bad(scene) == ["key event 2"]
    scene.sign()
    assert bad(scene) == []
    assert "key event 1" not in found(scene)
    scene.world.time_ms += WEEK_MS
    scene.change("retire")
    assert "retired" in found(scene)["identity ada"].what
    assert bad(scene) == []


def test_parcels_that_wait_and_parcels_that_were_refused(scene: Scene) -> None:
    ada = scene.enrol()
    left_waiting(scene, sent=False)
    assert bad(scene) == ["outbox"]
    with hold_lane(ada.lanes, ada.id) as lane:
        lane.abandon(keep=True)
    assert bad(scene) == []
    assert "1 signed parcels were refused" in found(scene)["refused"].what

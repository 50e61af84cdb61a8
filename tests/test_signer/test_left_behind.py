"""What was signed and not acknowledged, when its lane or its keys go nowhere any more (SPEC §5.3)."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgpack
import pytest

from ledger.api.door import Door
from ledger.errors import InvariantBroken, LineageError, RefusedInput
from ledger.log.writer import Appended
from ledger.merkle.tree import hash_leaf
from ledger.signer import keychange, signing
from ledger.signer.drafts import sign_records
from ledger.signer.keyfile import read_public
from ledger.signer.lanes import hold_lane, pending_parcels, refused_parcels
from tests.test_signer.scene import RING, WEEK_MS, Scene, code_of
from tests.test_signer.steps import crash_at_each
from tests.world import World


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def left_waiting(scene: Scene, *, sent: bool) -> bytes:
    """A record that was signed and kept; `sent`: the log took it, and died before it answered."""
    ada = scene.keys.find("ada")
    record = scene.record()
    signer, standing = scene.keys.unlock(ada, RING), scene.standing()
    with hold_lane(ada.lanes, standing.key_event) as lane:
        parcel = sign_records(signer, lane, scene.door.log_id, standing.key_event, [record], None)
        lane.keep(parcel)
        if sent:
            (result,) = scene.door.append(parcel.statements)
            assert isinstance(result, Appended)
    return record


def compromised(scene: Scene) -> dict[bytes, int]:
    return {read_public(scene.keys.find("ada").key_file("current")): 1}


def test_a_rotation_sends_first_what_waits(scene: Scene) -> None:
    ada = scene.enrol()
    record = left_waiting(scene, sent=False)
    scene.change("rotate")
    assert hash_leaf(record) in scene.door.artifacts
    assert pending_parcels(ada.lanes) == []
    assert refused_parcels(ada.lanes) == []


def test_what_cannot_be_sent_never_holds_up_a_change_of_keys(scene: Scene) -> None:
    ada = scene.enrol()
    left_waiting(scene, sent=False)
    ((path, _entries),) = pending_parcels(ada.lanes)
    path.write_bytes(b"damaged")
    assert scene.change("rotate").state == "in-force"
    assert scene.change("retire").state == "in-force"


def test_a_statement_that_waits_twice_is_found_before_the_log_takes_it(scene: Scene) -> None:
    ada = scene.enrol()
    left_waiting(scene, sent=False)
    ((path, _entries),) = pending_parcels(ada.lanes)
    path.write_bytes(msgpack.packb(msgpack.unpackb(path.read_bytes()) * 2))
    sent = len(scene.door.sent)
    assert code_of(scene.sign) == "outbox-damaged"
    assert len(scene.door.sent) == sent
    assert scene.change("rotate").state == "in-force"
    assert scene.change("retire").state == "in-force"


def test_not_even_a_slip_of_the_outbox_holds_up_a_change_of_keys(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.enrol()

    def slip(*_: object) -> None:
        raise InvariantBroken("lane-misused", "lane", "planned", "x")

    monkeypatch.setattr(keychange, "resend_pending", slip)
    assert scene.change("rotate").state == "in-force"


def test_what_a_thief_left_in_the_outbox_is_not_signed_by_the_new_keys(scene: Scene) -> None:
    """A rotation for theft sends nothing before it; then the log refuses what waits, and it is kept aside."""
    ada = scene.enrol()
    planted = left_waiting(scene, sent=False)
    scene.change("rotate", compromised=compromised(scene))
    assert len(pending_parcels(ada.lanes)) == 1
    assert scene.sign().new == 1
    assert hash_leaf(planted) not in scene.door.artifacts
    assert pending_parcels(ada.lanes) == []
    (kept,) = refused_parcels(ada.lanes)
    assert planted in kept.read_bytes()
    sent = len(scene.door.sent)
    assert scene.sign().new == 1
    assert len(scene.door.sent) == sent + 1  # it is not sent again
    assert scene.sign("ada", planted).new == 1  # its owner may


def test_what_the_log_took_before_the_rotation_is_acknowledged_after_it(scene: Scene) -> None:
    ada = scene.enrol()
    record = left_waiting(scene, sent=True)
    scene.change("rotate", compromised=compromised(scene))
    signed = scene.sign("ada", record)
    assert (signed.new, signed.already_logged) == (0, 1)
    assert pending_parcels(ada.lanes) == []
    assert refused_parcels(ada.lanes) == []


def test_a_statement_without_records_clears_what_was_left_behind_too(scene: Scene) -> None:
    ada = scene.enrol()
    left_waiting(scene, sent=False)
    scene.change("rotate", compromised=compromised(scene))
    signer = scene.keys.unlock(scene.keys.find("ada"), RING)
    body = {"subject": scene.enrol("bob").id, "grade": "known", "method": "in-person"}
    signing.say(scene.door, signer, "endorse", body)
    assert pending_parcels(ada.lanes) == []
    assert len(refused_parcels(ada.lanes)) == 1


def test_a_lane_left_behind_that_another_holds_is_left_to_him(scene: Scene) -> None:
    ada = scene.enrol()
    left_waiting(scene, sent=False)
    scene.change("rotate", compromised=compromised(scene))
    with hold_lane(ada.lanes, ada.id):
        assert scene.sign().new == 1
        assert len(pending_parcels(ada.lanes)) == 1
    assert scene.sign().new == 1
    assert pending_parcels(ada.lanes) == []


def test_a_crash_while_what_was_left_behind_is_cleared_loses_nothing(scene: Scene) -> None:
    ada = scene.enrol()
    planted = left_waiting(scene, sent=False)
    scene.change("rotate", compromised=compromised(scene))
    for _ in crash_at_each(scene.sign):
        assert len(pending_parcels(ada.lanes)) + len(refused_parcels(ada.lanes)) >= 1
    assert any(planted in path.read_bytes() for path in refused_parcels(ada.lanes))
    assert scene.sign().new == 1


def test_a_backup_that_reuses_a_lane_ends_in_an_abandoned_one_and_loses_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    ada = scene.enrol()
    scene.sign()
    shutil.copytree(ada.lanes, tmp_path / "backup")
    (old,) = (path.name for path in ada.lanes.iterdir())
    scene.sign()
    shutil.rmtree(ada.lanes)
    shutil.copytree(tmp_path / "backup", ada.lanes)
    records = [scene.record() for _ in range(3)]
    signed = scene.sign("ada", *records)
    assert (signed.new, signed.already_logged, signed.broken_lanes) == (3, 0, 1)
    assert {hash_leaf(record) for record in records} <= scene.door.artifacts.keys()
    assert '"abandoned": true' in (ada.lanes / old / "state.json").read_text()
    assert pending_parcels(ada.lanes) == []
    (refused,) = refused_parcels(ada.lanes)  # one half of a fork, whose other half the log holds
    assert refused == ada.lanes / old / "out" / "1"
    assert records[0] in refused.read_bytes()
    assert scene.sign().broken_lanes == 0
    with hold_lane(ada.lanes, ada.id) as lane:
        assert lane.id.hex() != old
        assert lane.next_seq == 2


def test_a_broken_lane_with_something_waiting_is_counted_too(scene: Scene, tmp_path: Path) -> None:
    ada = scene.enrol()
    waiting = left_waiting(scene, sent=False)
    shutil.copytree(ada.lanes, tmp_path / "backup")
    assert scene.sign().broken_lanes == 0
    for path in (tmp_path / "backup").glob("*/out/0"):
        path.unlink()
    shutil.rmtree(ada.lanes)
    shutil.copytree(tmp_path / "backup", ada.lanes)
    other = left_waiting(scene, sent=False)  # at the place that the log has from before
    assert scene.sign().broken_lanes == 1
    (refused,) = refused_parcels(ada.lanes)
    assert other in refused.read_bytes()
    assert hash_leaf(waiting) in scene.door.artifacts


def test_a_backup_of_many_lanes_says_its_word_in_a_new_one(scene: Scene, tmp_path: Path) -> None:
    ada = scene.enrol()
    with hold_lane(ada.lanes, ada.id), hold_lane(ada.lanes, ada.id), hold_lane(ada.lanes, ada.id):
        pass
    shutil.copytree(ada.lanes, tmp_path / "backup")
    signer = scene.keys.unlock(ada, RING)
    bob = scene.enrol("bob").id
    body = {"subject": bob, "grade": "known", "method": "in-person"}
    for _ in range(3):
        signing.say(scene.door, signer, "endorse", body)
    shutil.rmtree(ada.lanes)
    shutil.copytree(tmp_path / "backup", ada.lanes)
    for grade in ("verified", "documented", "claimed", "known"):
        signing.say(scene.door, signer, "endorse", body | {"grade": grade})
    endorsement = scene.world.writer.state.endorsement(bob, ada.id)
    assert endorsement is not None
    assert endorsement.grade == "known"


def test_a_log_that_calls_every_lane_broken_is_not_asked_for_ever(scene: Scene) -> None:
    scene.enrol()
    scene.sign()

    def broken(_entry: bytes, _results: list[Appended | LineageError]) -> list[Appended | LineageError]:
        return [RefusedInput("lane-broken", "lane", "planned", "x")]

    scene.door.answer = broken
    sent = len(scene.door.sent)
    assert code_of(scene.sign) == "lane-broken"
    assert len(scene.door.sent) == sent + 2  # the lane that was there, and a new one


def test_the_writers_door_tells_how_an_identity_stands(scene: Scene) -> None:
    """By the log's clock, which is never behind this machine's: so the world's is set far ahead of it."""
    world: World = scene.world
    world.time_ms = 4_000_000_000_000
    ada = scene.enrol()
    door = Door(world.writer, lambda: pytest.fail("no view is asked for"))
    assert door.standing(b"x" * 32) is None
    first = door.standing(ada.id)
    assert first == scene.door.standing(ada.id)
    assert first is not None
    assert (first.key_event, first.kseq, first.last, first.pending) == (ada.id, 0, ada.id, False)
    recover = scene.change("recover")
    waiting = door.standing(ada.id)
    assert waiting is not None
    assert waiting == first._replace(kseq=1, last=recover.id, pending=True)
    world.time_ms += WEEK_MS
    world.writer.tick()
    due = door.standing(ada.id)
    assert due is not None
    assert (due.key_event, due.pending, due.retired) == (recover.id, False, False)
    scene.standing()
    scene.change("retire")
    retired = door.standing(ada.id)
    assert retired is not None
    assert (retired.retired, retired.next, retired.recovery) == (True, b"", b"")


def test_a_delegation_stands_until_it_is_ended(scene: Scene) -> None:
    ada = scene.enrol()
    duo = scene.keys.create("duo", "pair", None, of=ada.id)
    none = scene.standing("duo")
    assert none.delegation is None
    assert code_of(lambda: scene.sign("duo")) == "not-delegated"
    signer = scene.keys.unlock(ada, RING)
    body = {"pair": duo.id, "substrate": {"name": "m", "version": "1"}}
    placed = signing.say(scene.door, signer, "delegate", body)
    assert isinstance(placed, Appended)
    assert scene.standing("duo").delegation == placed.statement_id
    signing.say(scene.door, signer, "undelegate", {"pair": duo.id})
    assert scene.standing("duo").delegation is None
    signing.say(scene.door, signer, "delegate", body)
    assert scene.standing("duo").delegation is not None
    scene.change("rotate", compromised=compromised(scene))
    assert scene.standing("duo").delegation is None  # disowned
    after = scene.keys.unlock(scene.keys.find("ada"), RING)
    signing.say(scene.door, after, "delegate", body)
    assert scene.standing("duo").delegation is not None
    scene.change("retire")
    assert scene.standing("duo").delegation is None

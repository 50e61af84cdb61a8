"""Signing beside the log: whatever dies or fails, no place is signed twice and nothing told signed is lost (SPEC §10.5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.signer.beside import LaneSigner, Put
from ledger.signer.drain import drain
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, Unlocked
from ledger.signer.parcel import Place, unpack
from ledger.signer.passphrases import Passphrases
from ledger.statements.entry import decode_entry
from ledger.statements.record import make_record
from ledger.store.outbox import Outbox
from tests.test_signer.scene import WorldDoor
from tests.test_signer.steps import crash_at_each
from tests.world import World


class Scene:
    """A log, an enrolled identity with key files, and an outbox."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.door = WorldDoor(self.world)
        keys = Keystore(folder / "keys", self.world.log)
        identity = keys.create("ada", "human", None)
        enrolment = identity.pending_enrolment()
        assert enrolment is not None
        self.door.append([(enrolment, ())])
        self.signer: Unlocked = keys.unlock(identity, Keyring(Passphrases()))
        self.outbox = Outbox(folder / "ledger")
        (folder / "ledger").mkdir()
        self.lanes = LaneSigner(self.outbox, self.world.log)

    @property
    def maker(self) -> bytes:
        return self.signer.identity.id

    def record(self, number: int) -> bytes:
        content = number.to_bytes(32, "big")
        return make_record(
            kind="work", maker=self.maker, content=content, size_bytes=number, media="text/plain"
        ).encoded

    def put(self, *numbers: int, key: bytes | None = None, is_alone: bool = False) -> Put:
        records = [self.record(number) for number in numbers]
        return self.lanes.put(self.signer, key or self.maker, None, records, is_alone=is_alone)

    def drained(self) -> int:
        """How many statements come into the log; none is refused."""
        drained = drain(self.door, self.outbox, grace_s=0)
        assert drained.refused == []
        return len(drained.placed)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_statements_follow_each_other_in_one_lane_and_are_logged(scene: Scene) -> None:
    puts = [scene.put(1, 2), scene.put(3)]
    assert puts[0].place.lane == puts[1].place.lane
    assert [put.place.seq for put in puts] == [0, 1]
    for put in puts:
        (waiting,) = (each for each in scene.outbox.waiting() if each.seq == put.place.seq)
        parcel, place = unpack(scene.outbox.read(waiting))
        assert place == put.place
        assert decode_entry(parcel.statements[0][0]).statement.id == put.statement_id
    assert scene.drained() == 2


def test_lane_ends_with_another_key_event_a_refusal_and_a_child(scene: Scene) -> None:
    first = scene.put(1).place
    other = scene.put(2, key=b"k" * 32).place
    again = scene.put(3).place
    scene.lanes.refused(again.lane)
    after = scene.put(4).place
    scene.lanes.refused(first.lane)  # of a lane that is not in use any more
    assert scene.put(5).place == (after.lane, 1)
    assert len({each.lane for each in (first, other, again, after)}) == 4


def test_what_stands_alone_touches_no_other_lane(scene: Scene) -> None:
    before = scene.put(1).place
    alone = [scene.put(number, is_alone=True).place for number in (2, 3)]
    after = scene.put(4).place
    assert after == (before.lane, 1)
    assert len({before.lane, *(place.lane for place in alone)}) == 3
    assert [place.seq for place in alone] == [0, 0]
    assert scene.drained() == 4


def test_signer_that_dies_at_any_step_leaves_a_whole_statement_or_none(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    told: list[Put] = []
    crashes = 0

    def sign() -> None:
        told.append(scene.put(len(told) + 1))
        told.append(scene.put(len(told) + 1))

    for number in crash_at_each(sign):
        crashes = number
        scene.lanes = LaneSigner(scene.outbox, scene.world.log)  # another process
        waiting = {Place(each.lane, each.seq) for each in scene.outbox.waiting()}
        assert unlogged(scene, told) <= waiting
        scene.drained()
    assert crashes >= 6
    scene.drained()
    assert unlogged(scene, told) == set()


def unlogged(scene: Scene, told: list[Put]) -> set[Place]:
    """The places of what was told signed and does not stand in the log."""
    sent = {decode_entry(entry).statement.id for entry in scene.door.sent}
    return {put.place for put in told if put.statement_id not in sent}


def test_what_failed_is_taken_back_and_the_next_stands_in_a_new_lane(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scene.put(1)

    def sync_fails(_folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as failing:
        failing.setattr("ledger.store.files.sync_folder", sync_fails)  # after the parcel has its name
        with pytest.raises(StoreFault, match="No space"):
            scene.put(2)
    assert [each.seq for each in scene.outbox.waiting()] == [0]
    second = scene.put(2)
    assert second.place.lane != first.place.lane
    assert second.place.seq == 0
    assert scene.drained() == 2

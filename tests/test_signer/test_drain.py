"""Draining an outbox: everything that is in order comes into the log once, all else aside with its reason (SPEC §10.5)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import LineageError, StoreFault
from ledger.log.writer import Appended
from ledger.signer.drain import Drained, drain
from ledger.signer.parcel import Parcel, Place, pack, place_of, unpack
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.record import Parent, Record
from ledger.store.outbox import Outbox, name_of
from tests.hostile import PLANTS, within
from tests.test_signer.scene import WorldDoor
from tests.test_signer.steps import crash_at_each
from tests.world import Actor, World, enrol

LANES = [bytes([letter]) * 16 for letter in b"abcd"]


class Scene:
    """A log, an outbox beside it, and who puts into it without ever holding the log."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.door = WorldDoor(self.world)
        self.outbox = Outbox(folder)
        self.ada = self.world.enrol("ada")

    def statement(self, actor: Actor, lane: bytes, *records: Record) -> tuple[bytes, tuple[bytes, ...]]:
        entry, encoded = actor.artifacts(records, lane)
        return entry.encoded, tuple(encoded)

    def put(self, *statements: tuple[bytes, tuple[bytes, ...]]) -> bytes:
        """One parcel; the id of its first statement."""
        first = decode_entry(statements[0][0]).statement
        self.outbox.put(*place_of(first), pack(Parcel(statements)))
        return first.id

    def sign(self, text: str, lane: bytes = LANES[0], actor: Actor | None = None, **fields: Any) -> bytes:
        actor = actor or self.ada
        return self.put(self.statement(actor, lane, actor.record(text, **fields)))

    def drain(self, grace_s: float = 0) -> Drained:
        return drain(self.door, self.outbox, grace_s=grace_s)

    def size(self) -> int:
        """Of the log."""
        checkpoint = self.world.writer.checkpoint
        return checkpoint.size if checkpoint else 0

    def rest(self) -> int:
        """How many parcels wait."""
        return len(self.outbox.waiting())

    def refusals(self) -> list[str]:
        found = [self.outbox.why(path) for path in self.outbox.refused()]
        return [refusal.code if refusal else "unreadable" for refusal in found]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def parents(*records: Record) -> list[Parent]:
    return [Parent("derived-from", record.id) for record in records]


def test_waiting_parcels_come_into_the_log_byte_for_byte(scene: Scene) -> None:
    ids = [scene.sign(f"{lane!r} {number}", lane) for lane in LANES for number in range(3)]
    kept = {
        entry for item in scene.outbox.waiting() for entry, _ in unpack(scene.outbox.read(item))[0].statements
    }
    drained = scene.drain()
    assert sorted(drained.placed) == sorted(ids)
    assert set(scene.door.sent) == kept
    assert drained.records == len(ids) == 12
    assert (drained.refused, drained.left, scene.rest()) == ([], [], 0)
    assert scene.drain() == Drained()


def test_many_parcels_are_one_commit(scene: Scene) -> None:
    for number in range(20):
        scene.sign(f"{number}", bytes([number]) * 16)
    size = scene.size()
    scene.drain()
    assert scene.size() == size + 21  # with one state


def test_batches_are_bounded_by_bytes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.signer.drain._BATCH_BYTES_MAX", 1)
    size = scene.size()
    ids = [scene.sign(f"{number}", LANES[number % 2]) for number in range(6)]
    assert sorted(scene.drain().placed) == sorted(ids)
    assert scene.size() == size + 12  # each with a state


def test_refused_parcel_and_its_followers_go_aside_and_hold_up_nobody(scene: Scene) -> None:
    bob = scene.world.enrol("bob")
    first = scene.sign("first", LANES[0])
    alien = bob.record("of another maker")
    scene.put(scene.statement(scene.ada, LANES[0], alien))
    scene.sign("behind the refused one", LANES[0])
    other = scene.sign("other", LANES[1])
    drained = scene.drain()
    assert set(drained.placed) == {first, other}
    assert [refused.refusal.code for refused in drained.refused] == ["maker-differs", "lane-broken"]
    assert scene.refusals() == ["maker-differs", "lane-broken"]
    assert scene.outbox.waiting() == []
    scene.sign("put later", LANES[0])
    assert [refused.refusal.code for refused in scene.drain().refused] == ["lane-broken"]


def test_refused_within_a_parcel_tells_how_many_stand(scene: Scene) -> None:
    bob = scene.world.enrol("bob")
    records = [scene.ada.record("one"), bob.record("of another"), scene.ada.record("two")]
    scene.put(*(scene.statement(scene.ada, LANES[0], record) for record in records))
    drained = scene.drain()
    assert [(one.refusal.code, one.refusal.placed) for one in drained.refused] == [("maker-differs", 1)]
    assert scene.outbox.refusal(LANES[0], 0) == drained.refused[0].refusal
    assert len(drained.placed) == 1


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_parents_are_found_in_whatever_lane_they_wait(scene: Scene, order: tuple[int, ...]) -> None:
    """A chain of four, each in a lane of its own; the lanes sort in every order."""
    records = [scene.ada.record("0")]
    for number in range(1, 4):
        records.append(scene.ada.record(f"{number}", parents=parents(records[-1])))
    for record, lane in zip(records, order, strict=True):
        scene.put(scene.statement(scene.ada, LANES[lane], record))
        scene.sign(f"behind {lane}", LANES[lane])
    drained = scene.drain()
    assert len(drained.placed) == 8
    assert (drained.refused, drained.left) == ([], [])


def test_parcels_that_help_each_other_statement_by_statement(scene: Scene) -> None:
    chain = [scene.ada.record("0")]
    for number in range(1, 8):
        chain.append(scene.ada.record(f"{number}", parents=parents(chain[-1])))
    for lane in (0, 1):
        scene.put(*(scene.statement(scene.ada, LANES[lane], record) for record in chain[1 - lane :: 2]))
    assert len(scene.drain().placed) == 8


def test_enrolment_and_delegation_wait_beside_what_needs_them(scene: Scene) -> None:
    pair = enrol("pair", scene.world.log, "pair", scene.ada.id)
    delegation = scene.ada.say(
        "delegate", {"pair": pair.id, "substrate": {"name": "m", "version": "1"}}, LANES[3]
    )
    pair.delegation = delegation.statement.id
    ids = [
        scene.sign("by the pair", LANES[0], pair, kind="output"),
        scene.put((delegation.encoded, ())),
        scene.put((pair.enrolment.encoded, ())),
    ]
    assert set(scene.drain().placed) == set(ids)
    assert (scene.rest(), scene.refusals()) == (0, [])


def test_parent_that_comes_nowhere_is_refused_with_its_followers_when_its_time_is_over(scene: Scene) -> None:
    nowhere = scene.ada.record("never signed")
    scene.sign("child", LANES[0], parents=parents(nowhere))
    scene.sign("behind the child", LANES[0])
    other = scene.sign("other", LANES[1])
    drained = scene.drain(grace_s=3_600)
    assert list(drained.placed) == [other]
    assert [left.path.name for left in drained.left] == [name_of(LANES[0], 0), name_of(LANES[0], 1)]
    assert drained.refused == []
    drained = scene.drain(grace_s=0)
    assert [one.refusal.code for one in drained.refused] == ["parent-unknown", "lane-broken"]
    assert (drained.left, scene.rest()) == ([], 0)


def test_time_to_come_is_no_reason_to_wait(scene: Scene) -> None:
    scene.sign("child", parents=parents(scene.ada.record("never signed")))
    os.utime(scene.outbox.waiting()[0].path, (2**40, 2**40))
    assert len(scene.drain(grace_s=3_600).refused) == 1


def test_parent_that_comes_while_its_child_waits_is_in_time(scene: Scene) -> None:
    parent = scene.ada.record("parent")
    scene.sign("child", LANES[0], parents=parents(parent))
    statement = scene.statement(scene.ada, LANES[1], parent)
    passes: list[int] = []

    def put_late(_entry: bytes, results: list[Appended | LineageError]) -> list[Appended | LineageError]:
        passes.append(len(results))
        if len(passes) == 1:
            scene.put(statement)
        return results

    scene.door.answer = put_late
    drained = scene.drain()
    assert len(drained.placed) == 2
    assert drained.refused == []


def test_what_stands_already_is_answered_and_removed(scene: Scene) -> None:
    statement = scene.statement(scene.ada, LANES[0], scene.ada.record("twice"))
    scene.put(statement)
    first = scene.drain()
    scene.put(statement)
    assert scene.drain() == first
    assert scene.outbox.waiting() == []


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_things_go_aside(scene: Scene, plant: Callable[[Path], None]) -> None:
    placed = scene.sign("good", LANES[1])
    plant(scene.outbox.folder / name_of(LANES[0], 0))
    plant(scene.outbox.folder / "foreign")
    with within():
        drained = scene.drain()
    assert list(drained.placed) == [placed]
    assert [one.path.name for one in drained.refused] == [name_of(LANES[0], 0)]
    assert scene.outbox.waiting() == []
    assert [path.name for path in scene.outbox.foreign()] == ["foreign"]


def test_bytes_that_are_no_parcel_and_parcels_of_another_place_go_aside(scene: Scene) -> None:
    good = pack(Parcel((scene.statement(scene.ada, LANES[1], scene.ada.record("good")),)))
    for number, data in enumerate([b"", b"\x90", b"garbage", good[:-1], good]):
        scene.outbox.put(LANES[0], number, data)
    scene.outbox.put(LANES[1], 0, good)
    drained = scene.drain()
    assert len(drained.placed) == 1
    assert scene.refusals() == ["outbox-damaged"] * 5


def test_statement_for_another_log_goes_aside(scene: Scene) -> None:
    stranger = enrol("stranger", World(origin="elsewhere.example/log").log)
    scene.sign("elsewhere", LANES[0], stranger)
    scene.drain()
    assert scene.refusals() == ["wrong-log"]


def test_statement_older_than_a_rotation_goes_aside(scene: Scene) -> None:
    scene.sign("before", LANES[0])
    scene.world.change(scene.ada)
    after = scene.sign("after", LANES[1])
    assert list(scene.drain().placed) == [after]
    assert scene.refusals() == ["key-not-in-force"]


def test_parcel_that_cannot_be_read_now_waits_with_its_followers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        scene.sign(f"{number}", LANES[0])
    placed = scene.sign("other", LANES[1])
    read = Outbox.read

    def failing(self: Outbox, item: Any) -> bytes:
        if (item.lane, item.seq) == (LANES[0], 0):
            raise StoreFault("store-failed", str(item.path), "it cannot be read (Input/output error)")
        return read(self, item)

    monkeypatch.setattr(Outbox, "read", failing)
    drained = scene.drain()
    assert list(drained.placed) == [placed]
    assert [left.path.name for left in drained.left] == [name_of(LANES[0], 0), name_of(LANES[0], 1)]
    monkeypatch.undo()
    assert len(scene.drain().placed) == 2
    assert scene.outbox.refused() == []


class BrokenDoor(WorldDoor):
    """Its log fails at an append: before it, or when everything is in the log but nobody was told."""

    def __init__(self, world: World, number: int, *, late: bool) -> None:
        super().__init__(world)
        self.number = number
        self.late = late

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Appended | LineageError]:
        self.number -= 1
        if self.number or self.late:
            results = super().append(submissions)
            if self.number:
                return results
        raise StoreFault("store-failed", "log", "planned")


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
def test_log_that_fails_loses_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int, *, late: bool
) -> None:
    monkeypatch.setattr("ledger.signer.drain._BATCH_BYTES_MAX", 1)
    ids = {scene.sign(f"{place}", LANES[place % 2]) for place in range(6)}
    with pytest.raises(StoreFault, match="planned"):
        drain(BrokenDoor(scene.world, number, late=late), scene.outbox)
    assert len(scene.outbox.waiting()) == 7 - number
    drained = scene.drain()
    indices = [scene.world.writer.append([(entry, ())]) for entry in scene.door.sent]
    assert len(indices) == 7 - number
    assert (drained.refused, scene.rest()) == ([], 0)
    assert set(drained.placed) <= ids


def test_draining_ends_when_its_time_is_over(scene: Scene) -> None:
    """Somebody puts more with every commit; who drains by the way does not stay for ever."""
    count = 0

    def one_more(_entry: bytes, results: list[Appended | LineageError]) -> list[Appended | LineageError]:
        nonlocal count
        count += 1
        scene.sign(f"more {count}", LANES[0])
        return results

    scene.sign("first", LANES[0])
    scene.door.answer = one_more
    with within():
        drained = drain(scene.door, scene.outbox, most_s=0)
    assert len(drained.placed) == 1
    assert len(scene.outbox.waiting()) == 1


def test_time_that_is_over_ends_it_within_a_pass(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ledger.signer.drain._BATCH_BYTES_MAX", 1)
    for number in range(3):
        scene.sign(f"{number}")
    assert len(drain(scene.door, scene.outbox, most_s=0).placed) == 1
    assert scene.rest() == 2


def test_drainer_that_dies_at_any_step_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Removing and putting aside fail in turn, and whatever would follow in the same process."""
    whole = Scene(tmp_path / "whole")
    fill(whole)
    expected = whole.drain()
    steps = 0
    for number in range(1, 99):
        scene = Scene(tmp_path / f"{number}")
        fill(scene)
        if not dies_at(scene, number):
            break
        steps += 1
        scene.drain()
        assert set(scene.door.artifacts) == set(whole.door.artifacts)
        assert set(scene.door.sent) >= set(whole.door.sent)
        assert sorted(scene.refusals()) == sorted(whole.refusals())
        assert scene.rest() == 0
    assert steps > len(expected.placed) + len(expected.refused)


def fill(scene: Scene) -> None:
    bob = scene.world.enrol("bob")
    for lane in LANES[:2]:
        for number in range(2):
            scene.sign(f"{lane!r} {number}", lane)
    scene.put(scene.statement(scene.ada, LANES[0], bob.record("of another")))
    scene.sign("behind it", LANES[0])


def dies_at(scene: Scene, number: int) -> bool:
    """Drains until its `number`-th step on the disk fails; False if it has fewer."""
    taken = iter(crash_at_each(scene.drain, number))
    return next(taken, None) is not None


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_statement_ends_in_the_log_or_aside(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Random lanes with random parents and random crimes: exactly what a log that is asked one by one would take is taken."""
    scene = Scene(tmp_path_factory.mktemp("ledger"))
    bob = scene.world.enrol("bob")
    records: list[Record] = []
    broken: set[bytes] = set()
    good: set[int] = set()
    lanes: list[bytes] = []
    for number in range(data.draw(st.integers(1, 12))):
        lane = data.draw(st.sampled_from(LANES))
        named = data.draw(st.sets(st.integers(0, number - 1), max_size=2)) if number else set()
        is_bad = data.draw(st.integers(0, 5)) == 0
        maker = bob if is_bad else scene.ada
        records.append(maker.record(f"{number}", parents=parents(*(records[one] for one in sorted(named)))))
        lanes.append(lane)
        if is_bad or lane in broken or not named <= good:
            broken.add(lane)
        else:
            good.add(number)
    statements = [
        scene.statement(scene.ada, lane, record) for lane, record in zip(lanes, records, strict=True)
    ]
    for statement in statements:
        scene.put(statement)
    drained = scene.drain()
    ids = [decode_entry(entry).statement.id for entry, _records in statements]
    assert set(drained.placed) == {ids[number] for number in good}
    assert len(drained.refused) == len(ids) - len(good)
    assert (drained.left, scene.rest()) == ([], 0)


def held_fast(monkeypatch: pytest.MonkeyPatch, name: str, what: str) -> None:
    """The file of that name can be neither renamed nor removed: another user's, in a folder that is not mine alone."""
    real = getattr(Path, what)

    def refusing(self: Path, *args: Any, **fields: Any) -> Any:
        if self.name == name:
            raise PermissionError(1, "Operation not permitted")
        return real(self, *args, **fields)

    monkeypatch.setattr(Path, what, refusing)


def test_what_cannot_be_put_aside_is_told_at_the_end_and_holds_up_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = scene.outbox.put(LANES[0], 0, b"no parcel")
    scene.statement(scene.ada, LANES[0], scene.ada.record("seq 0"))  # in whose place the planted file lies
    scene.sign("follows what cannot be moved", LANES[0])
    others = {scene.sign(f"{number}", lane) for number, lane in enumerate(LANES[1:])}
    held_fast(monkeypatch, planted.name, "rename")
    for _ in range(2):
        with within(), pytest.raises(StoreFault, match="put aside") as raised:
            scene.drain()
        assert (raised.value.code, raised.value.item) == ("outbox-unwritable", str(planted))
    stands = {decode_entry(entry).statement.id for entry in scene.door.sent}
    assert others <= stands
    assert [item.lane for item in scene.outbox.waiting()] == [LANES[0]] * 2


def test_refused_for_what_never_comes_and_not_to_be_moved_ends(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.sign("orphan", LANES[0], parents=parents(scene.ada.record("nowhere")))
    placed = scene.sign("other", LANES[1])
    held_fast(monkeypatch, name_of(LANES[0], 0), "rename")
    with within(), pytest.raises(StoreFault, match="put aside"):
        scene.drain()
    monkeypatch.undo()
    assert scene.drain().refused[0].refusal.code == "parent-unknown"
    assert placed in {decode_entry(entry).statement.id for entry in scene.door.sent}


def test_what_stands_and_cannot_be_removed_holds_up_nobody(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [scene.sign(f"{number}", lane) for number, lane in enumerate(LANES)]
    held_fast(monkeypatch, name_of(LANES[0], 0), "unlink")
    with within(), pytest.raises(StoreFault, match="not permitted"):
        scene.drain()
    assert [item.lane for item in scene.outbox.waiting()] == [LANES[0]]
    monkeypatch.undo()
    assert list(scene.drain().placed) == ids[:1]
    assert scene.rest() == 0


def test_time_that_is_over_ends_it_among_what_is_no_parcel(scene: Scene) -> None:
    """Else whoever fills the folder with garbage has every verb put it all aside first."""
    for number in range(20):
        scene.outbox.put(LANES[0], number, b"no parcel")
    assert len(drain(scene.door, scene.outbox, most_s=0).refused) == 1
    assert scene.rest() == 19


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_key_events_are_found_in_whatever_order_they_lie(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, order: tuple[int, ...]
) -> None:
    """They stand in no lane: the order of their names says nothing."""
    statements: list[tuple[bytes, tuple[bytes, ...]]] = []
    for _ in range(2):
        event = scene.ada.key_event("rotate")
        scene.ada.took(event)
        statements.append((event.encoded, ()))
    statements.append(scene.statement(scene.ada, LANES[0], scene.ada.record("by the newest key")))
    places = [place_of(decode_entry(entry).statement) for entry, _records in statements]
    names = dict(zip(places, order, strict=True))
    for statement in statements:
        scene.put(statement)
    waiting = Outbox.waiting
    monkeypatch.setattr(
        Outbox,
        "waiting",
        lambda self: sorted(waiting(self), key=lambda item: names[Place(item.lane, item.seq)]),
    )
    drained = scene.drain()
    assert (len(drained.placed), drained.refused, scene.rest()) == (3, [], 0)


def test_limit_of_a_parcel_is_what_a_commit_takes() -> None:
    assert spec.PARCEL_BYTES_MAX >= 2 * spec.STATEMENT_RECORDS_BYTES_MAX + spec.ENTRY_BYTES_MAX


def test_scene_signs_what_it_says(scene: Scene) -> None:
    """The statements of this module stand in order: each lane's first has seq 0 and no predecessor."""
    entry: Entry = decode_entry(scene.statement(scene.ada, LANES[0], scene.ada.record("x"))[0])
    assert (entry.statement.fields["seq"], "prev" in entry.statement.fields) == (0, False)

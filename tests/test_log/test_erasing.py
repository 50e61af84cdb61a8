"""When an erasure may be carried out: never what verifier or auditor would call missing, never what is held (SPEC §8.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit.replay import audit_folder, audit_ledger
from ledger.errors import LineageError
from ledger.log.erasing import Asked, Requests, Wait, erase_records
from ledger.log.publish import publish
from ledger.log.view import LogView, open_view
from ledger.merkle.tree import hash_leaf
from ledger.proofs.facts import Presence
from ledger.proofs.trace import trace
from ledger.spec import ERASE_WAIT_S
from ledger.statements.record import Record
from ledger.store import index
from ledger.store.bundles import Erased, pack, record_items
from ledger.store.contract import Space, key_u64
from ledger.store.files import write_atomically
from ledger.store.reader import StoreReader
from tests.faults import Fault, FaultyStore
from tests.world import Actor, World

WEEK_MS = ERASE_WAIT_S * 1_000


class Scene:
    """Ada, her pair, ben, and a curator who is listed; a work of each of the first three."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.ada, self.ben = self.world.enrol("ada"), self.world.enrol("ben")
        self.pair = self.world.pair(self.ada, "pair", {"human": 1_000_000})
        self.curator = self.world.enrol("curator", "curator")
        self.operator = self.world.operator()
        self.list_curator(True)
        self.works = [actor.record(f"work of {actor.name}") for actor in (self.ada, self.pair, self.ben)]
        for actor, work in zip((self.ada, self.pair, self.ben), self.works, strict=True):
            self.world.publish(actor, work)
        self.recovers: set[str] = set()
        self.holds: list[tuple[bytes, bytes]] = []

    def list_curator(self, is_listed: bool) -> None:
        lists: dict[str, Any] = {"curators": [self.curator]} if is_listed else {}
        self.world.rules(self.operator, **lists)

    def asked(self) -> dict[bytes, Asked]:
        with open_view(self.world.store, self.world.vkey) as view:
            return {each.artifact_id: each for each in Requests(view).all()}

    def wait_of(self, work: Record) -> Wait | None:
        found = self.asked().get(work.id)
        return None if found is None else found.wait

    def pass_ms(self, ms: int) -> None:
        self.world.time_ms += ms
        self.world.writer.tick()
        for actor in (self.ada, self.ben, self.curator):
            pending = actor.name in self.recovers
            if pending and ms >= WEEK_MS:
                actor.settle()
                self.recovers.discard(actor.name)


def erase(scene: Scene, by: Actor, work: Record) -> None:
    scene.world.notice(by, "erase", [work.id])


def cut(scene: Scene, actor: Actor, entries: int) -> None:
    """The key is lost from so many entries ago on."""
    checkpoint = scene.world.writer.checkpoint
    assert checkpoint is not None
    start = max(0, checkpoint.size - entries)
    scene.world.change(actor, cuts=[(actor.public_key, start)])


def recover(scene: Scene, actor: Actor, entries: int) -> None:
    if actor.name in scene.recovers:
        return
    checkpoint = scene.world.writer.checkpoint
    assert checkpoint is not None
    start = max(0, checkpoint.size - entries)
    scene.world.change(actor, "recover", cuts=[(actor.public_key, start)])
    scene.recovers.add(actor.name)


_WORK = st.integers(0, 2)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("erase"), st.sampled_from(["ada", "ben", "curator"]), _WORK),
        st.tuples(st.just("pass"), st.sampled_from([1, WEEK_MS - 1, WEEK_MS, WEEK_MS + 5]), st.just(0)),
        st.tuples(st.sampled_from(["hold", "retract", "release"]), st.just("curator"), _WORK),
        st.tuples(st.just("list"), st.booleans(), st.just(0)),
        st.tuples(
            st.sampled_from(["cut", "recover"]), st.sampled_from(["ada", "ben", "curator"]), st.integers(1, 6)
        ),
    ),
    min_size=1,
    max_size=9,
)


def play(scene: Scene, step: tuple[str, object, int]) -> None:
    """One step, unless the log would refuse it."""
    what, who, number = step
    if what == "pass":
        assert isinstance(who, int)
        scene.pass_ms(who)
    elif what == "list":
        scene.list_curator(bool(who))
    else:
        actor: Actor = getattr(scene, str(who))
        if actor.name in scene.recovers and what == "cut":
            return
        if what == "cut":
            cut(scene, actor, number)
        elif what == "recover":
            recover(scene, actor, number)
        else:
            say(scene, actor, what, scene.works[number])


def say(scene: Scene, actor: Actor, act: str, work: Record) -> None:
    body: dict[str, Any] = {"subjects": [[work.id]], "act": act}
    if act == "release":
        standing = [hold for hold, artifact_id in scene.holds if artifact_id == work.id]
        if not standing:
            return
        body["cancels"] = standing[-1]
    lanes = dict(actor.lanes)
    (result,) = scene.world.append((actor.say("notice", body), ()))
    if isinstance(result, LineageError):
        actor.lanes = lanes
    elif act == "hold":
        scene.holds.append((result.statement_id, work.id))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_STEPS)
def test_what_is_due_is_missed_by_nobody(steps: list[tuple[str, object, int]]) -> None:
    """Erased as soon as it is due, whatever is said before and after: verifier and auditor find nothing missing."""
    scene = Scene()
    world = scene.world
    for step in steps:
        play(scene, step)
        asked = scene.asked()
        due = [each.artifact_id for each in asked.values() if each.wait is Wait.DUE]
        with open_view(world.store, world.vkey) as view:
            assert all(not Requests(view).against(each) for each in due)
        erase_records(world.store, due)
    world.writer.tick()
    report = audit_ledger(world.store, world.vkey)
    assert (report.ok, report.faults) == (True, [])
    with open_view(world.store, world.vkey) as view:
        for work in scene.works:
            node = trace(view, work.id, world.vkey).nodes[work.id]
            gone = view.record(view.find_artifact(work.id)[0]) is None
            assert (node.presence is Presence.ERASED, node.fault) == (gone, None)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_STEPS)
def test_what_is_not_due_is_held_early_void_or_missed_by_the_auditor(
    steps: list[tuple[str, object, int]],
) -> None:
    """Nothing is kept waiting without a reason: what an auditor would let pass is due, or said against, or taken back by now.

    Of several notices on one work that which is nearest is told, and one that is void by now may have been due: then nothing is said here.
    """
    scene = Scene()
    world = scene.world
    for step in steps:
        play(scene, step)
    world.writer.tick()
    waits = {work.id: scene.wait_of(work) for work in scene.works}
    for work in scene.works:
        may_be_void = any(what in ("list", "cut", "recover") for what, _who, _number in steps)
        if waits[work.id] is None or (waits[work.id] is Wait.EARLY and not may_be_void):
            erase_records(world.store, [work.id])
            report = audit_ledger(world.store, world.vkey)
            assert [fault.code for fault in report.faults] == ["record-missing"]
            return


def due(scene: Scene) -> list[Wait | None]:
    return [scene.wait_of(work) for work in scene.works]


def test_who_may_ask_and_when() -> None:
    scene = Scene()
    erase(scene, scene.ada, scene.works[0])
    erase(scene, scene.ada, scene.works[1])
    erase(scene, scene.curator, scene.works[2])
    assert due(scene) == [Wait.EARLY] * 3
    asked = scene.asked()
    assert [asked[work.id].is_own for work in scene.works] == [True, True, False]
    least = asked[scene.works[0].id].due_ms - scene.world.time_ms - 2
    scene.pass_ms(least)
    assert scene.wait_of(scene.works[0]) is Wait.EARLY
    scene.pass_ms(0)
    assert due(scene) == [Wait.DUE, Wait.EARLY, Wait.EARLY]
    scene.pass_ms(WEEK_MS)
    assert due(scene) == [Wait.DUE] * 3


def test_what_admission_would_have_refused_is_nobodys_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log that another program wrote: a stranger's erasure, and one of an artifact that did not stand yet."""
    scene = Scene()
    later = scene.ada.record("signed later")
    with monkeypatch.context() as patch:
        patch.setattr("ledger.log.writer.admit_parts", lambda *_arguments: {})
        erase(scene, scene.ben, scene.works[0])
        erase(scene, scene.ada, later)
    scene.world.publish(scene.ada, later)
    scene.pass_ms(WEEK_MS)
    assert scene.asked() == {}
    erase(scene, scene.ada, later)
    assert scene.wait_of(later) is Wait.EARLY


def test_the_nearest_of_several_notices_counts() -> None:
    scene = Scene()
    erase(scene, scene.curator, scene.works[0])
    scene.list_curator(False)
    erase(scene, scene.ada, scene.works[0])
    assert scene.wait_of(scene.works[0]) is Wait.EARLY
    with open_view(scene.world.store, scene.world.vkey) as view:
        assert Requests(view).said_by(scene.curator.id, scene.works[0].id) is None
        own = Requests(view).said_by(scene.ada.id, scene.works[0].id)
        assert own is not None
        assert own.is_own


def test_a_release_of_a_part_releases_a_part() -> None:
    scene = Scene()
    ids = sorted(work.id for work in scene.works)
    hold = scene.world.notice(scene.curator, "hold", *([each] for each in ids)).statement_id
    scene.world.notice(scene.curator, "release", [ids[0]], cancels=hold)

    def against(view: LogView) -> list[bool]:
        return [bool(Requests(view).against(each)) for each in ids]

    with open_view(scene.world.store, scene.world.vkey) as view:
        assert against(view) == [False, True, True]


# The record bytes


def bundle(world: World, number: int = 0) -> bytes:
    with world.store.snapshot() as snapshot:
        return bytes(snapshot.get(Space.RECORDS, key_u64(number)) or b"")


def test_the_hash_stands_in_the_place_of_the_record() -> None:
    scene = Scene()
    world, gone = scene.world, scene.works[1]
    before = record_items(bundle(world))
    with world.store.snapshot() as snapshot:
        pairs = snapshot.index_size()
    assert erase_records(world.store, [gone.id, gone.id, bytes(32)]) == 1
    assert erase_records(world.store, [gone.id]) == 0
    after = record_items(bundle(world))
    assert [bytes(item) if isinstance(item, memoryview) else item for item in after] == [
        bytes(before[0]),  # type: ignore[arg-type]
        *[item for item in after if not isinstance(item, memoryview)],
        bytes(before[2]),  # type: ignore[arg-type]
    ]
    with world.store.snapshot() as snapshot:
        assert snapshot.positions(index.prefix(gone.id)) == [1]
        assert snapshot.positions(index.prefix(gone.content)) == []
        assert snapshot.index_size() == pairs - 1
        assert StoreReader(snapshot).record(0) == scene.works[0].encoded


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("commit", [1, 2])
def test_a_commit_that_fails_leaves_all_or_nothing(fault: Fault, commit: int) -> None:
    scene = Scene()
    world, gone = scene.world, scene.works[0]
    erase(scene, scene.ada, gone)
    scene.pass_ms(WEEK_MS)
    store = FaultyStore(world.store, {commit: fault})
    with pytest.raises(Exception, match="planned fault"):
        erase_records(store, [gone.id])
    assert audit_ledger(world.store, world.vkey).ok
    store.reopen()
    erase_records(store, [gone.id])
    assert audit_ledger(world.store, world.vkey).ok
    assert gone.encoded not in bundle(world)
    World(world.store)  # recovery and the second path take it
    world.publish(scene.ben, scene.ben.record("later"))
    assert audit_ledger(world.store, world.vkey).ok


def wide(records: int) -> tuple[Scene, list[Record]]:
    scene = Scene()
    more = [scene.ada.record(f"number {number} of very many") for number in range(records)]
    scene.world.publish(scene.ada, *more)
    return scene, more


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_published_bundles_are_replaced_in_every_width(tmp_path: Path) -> None:
    scene, more = wide(300)
    world = scene.world
    for number in range(2):  # partial bundles of several widths of the last one stand beside each other
        publish(world.store, world.vkey, tmp_path)
        world.publish(scene.ben, scene.ben.record(f"after {number}"))
    publish(world.store, world.vkey, tmp_path)
    gone = [more[10], more[290]]
    assert sum(any(each.encoded in data for each in gone) for data in files(tmp_path).values()) == 4
    for each in gone:
        erase(scene, scene.ada, each)
    scene.pass_ms(WEEK_MS)
    erase_records(world.store, [each.id for each in gone])
    publish(world.store, world.vkey, tmp_path)
    assert not any(each.encoded in data for each in gone for data in files(tmp_path).values())
    report = audit_folder(tmp_path, world.vkey)
    assert (report.ok, report.faults) == (True, [])
    fresh = tmp_path.with_name("fresh")
    publish(world.store, world.vkey, fresh)
    again = files(tmp_path)
    assert {name: again[name] for name in files(fresh)} == files(fresh)
    written = publish(world.store, world.vkey, tmp_path).files_written
    assert (written, files(tmp_path)) == (0, again)


def test_a_publication_that_was_killed_is_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever file: what stands verifies. Under the checkpoint before, the notice is not known, and no record may be missing."""
    scene, more = wide(300)
    world, gone = scene.world, [more[10], more[290]]
    publish(world.store, world.vkey, tmp_path)
    for each in gone:
        erase(scene, scene.ada, each)
    scene.pass_ms(WEEK_MS)
    erase_records(world.store, [each.id for each in gone])
    world.publish(scene.ben, *(scene.ben.record(f"fills the last bundle {number}") for number in range(250)))
    real = write_atomically
    left = [0]

    def dying(budget: int) -> Callable[..., None]:
        left[0] = budget

        def write(*arguments: object, **options: object) -> None:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            real(*arguments, **options)  # type: ignore[arg-type]

        return write

    for budget in range(40):
        monkeypatch.setattr("ledger.log.publish.write_atomically", dying(budget))
        try:
            publish(world.store, world.vkey, tmp_path)
        except KeyboardInterrupt:
            assert audit_folder(tmp_path, world.vkey).ok
        else:
            break
    assert left[0] > 0
    assert not any(each.encoded in data for each in gone for data in files(tmp_path).values())
    assert hash_leaf(gone[0].encoded) in files(tmp_path)["records/000"]


def test_a_partial_bundle_that_hides_a_record_is_accused(tmp_path: Path) -> None:
    """One of an earlier size may hold what is erased by now, and none may lack what is held."""
    scene, more = wide(300)
    world = scene.world
    publish(world.store, world.vkey, tmp_path)
    world.publish(scene.ben, scene.ben.record("after"))
    publish(world.store, world.vkey, tmp_path)
    path = tmp_path / "records" / "001.p" / "47"
    items: list[bytes | Erased] = [bytes(item) for item in record_items(path.read_bytes())]  # type: ignore[arg-type]
    items[3] = Erased(hash_leaf(items[3]))  # type: ignore[arg-type]
    path.write_bytes(pack(items))
    assert [fault.code for fault in audit_folder(tmp_path, world.vkey).faults] == ["tile-differs"]
    assert more[0].encoded not in path.read_bytes()

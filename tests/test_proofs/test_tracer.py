"""A tracer that traces again and again says what a first trace says, however little or much it remembers.

What it remembers was verified: a source that answers otherwise when it is asked again changes nothing, or is found out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import ProofInvalid, RefusedInput, StoreFault
from ledger.fold.topics import Topic
from ledger.log.view import open_view
from ledger.origin.levels import level_of
from ledger.proofs import replay
from ledger.proofs.facts import Ancestries, Existed, Presence, Status
from ledger.proofs.remembered import Remembered, Segments
from ledger.proofs.trace import Tracer, trace_many
from ledger.proofs.traced import BOUNDS, Bounds
from ledger.proofs.verified import VerifiedLog
from ledger.statements.entry import CURRENT
from ledger.statements.record import Parent
from tests.dishonest import liar
from tests.test_proofs.scene import Scene, change
from tests.test_proofs.test_trace_lies import ANSWERS, Told, altered
from tests.test_proofs.test_trace_many import Counting, plain
from tests.test_proofs.test_trace_random import Play, step
from tests.world import World, keyset_of

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
bounds = st.one_of(st.just(BOUNDS), st.builds(Bounds, *[st.integers(1, 6) for _ in Bounds._fields]))
TIGHT = Bounds(*[1 for _ in Bounds._fields])


def same(found: Ancestries, wanted: Ancestries) -> None:
    assert plain(found.nodes) == plain(wanted.nodes)
    assert list(found.nodes) == list(wanted.nodes)
    for name in ("roots", "log_id", "checkpoint", "clock_ms", "clocks"):
        assert getattr(found, name) == getattr(wanted, name)


def played(plan: list[Any]) -> Play:
    play = Play()
    for name, *arguments in plan:
        getattr(play, name)(*arguments)
    play.commit()
    return play


@SLOW
@given(st.lists(step, max_size=30), st.data())
def test_a_tracer_says_what_a_first_trace_says(plan: list[Any], data: st.DataObject) -> None:
    play = played(plan)
    ids = [record.id for record in play.records] + [bytes(32)]
    batches = data.draw(st.lists(st.lists(st.sampled_from(ids), max_size=4), min_size=1, max_size=5))
    accept = frozenset(play.actors[name].id for name in data.draw(st.sets(st.sampled_from(["ben", "other"]))))
    graders = frozenset([play.actors["registrar"].id])
    world = play.scene.world
    with open_view(world.store, world.vkey) as view:
        tracer = Tracer(view, world.vkey, accept, graders, with_clocks=True, bounds=data.draw(bounds))
        told = [tracer.trace(batch) for batch in batches]
    for batch, found in zip(batches, told, strict=True):
        with open_view(world.store, world.vkey) as view:
            wanted = trace_many(view, batch, world.vkey, accept, graders=graders, with_clocks=True)
        same(found, wanted)


@SLOW
@given(
    st.lists(st.lists(st.integers(0, 9), max_size=2), min_size=1, max_size=8),
    st.permutations(range(8)),
    bounds,
)
def test_no_order_and_no_batches_of_an_honest_log_change_a_node(
    edges: list[list[int]], order: list[int], kept: Bounds
) -> None:
    world = World()
    makers = [world.enrol(name) for name in ("anna", "ben", "cara")]
    ids: list[bytes] = []
    for number, parents in enumerate(edges):
        named = {Parent("derived-from", ids[back % number]) for back in parents} if number else set()
        record = makers[number % 3].record(f"text {number}", parents=sorted(named))
        world.publish(makers[number % 3], record)
        ids.append(record.id)
    world.attest(makers[1], [ids[0]])
    with open_view(world.store, world.vkey) as view:
        wanted = trace_many(view, ids, world.vkey, with_clocks=True)
        tracer = Tracer(view, world.vkey, with_clocks=True, bounds=kept)
        nodes: dict[bytes, Any] = {}
        clocks = set()
        for place in order:
            if place < len(ids):
                found = tracer.trace([ids[place]])
                nodes |= found.nodes
                clocks |= set(found.clocks)
    assert plain(nodes) == plain(wanted.nodes)
    assert clocks == set(wanted.clocks)


@SLOW
@given(st.lists(step, min_size=10, max_size=40))
def test_the_short_way_of_plain_statements_leads_to_the_same(plan: list[Any]) -> None:
    play = played(plan)
    world, ids = play.scene.world, [record.id for record in play.records]
    accept = frozenset([play.actors["ben"].id])
    told = []
    for is_short in (True, False):
        with pytest.MonkeyPatch.context() as patch, open_view(world.store, world.vkey) as view:
            if not is_short:
                patch.setattr(replay, "take_plain", lambda *_arguments: False)
            told.append(trace_many(view, ids, world.vkey, accept, with_clocks=True))
    same(*told)


def after_retiring(scene: Scene) -> None:
    change(scene, scene.ben, "retire")


def under_a_pending_recovery(scene: Scene) -> None:
    change(scene, scene.ben, "recover")
    scene.ben.settle()  # he says so; the log's clock does not


def before_any_delegation(scene: Scene) -> None:
    scene.ben = scene.enrol("ben's", "pair", scene.ben)


def in_a_lane_that_went_on(scene: Scene) -> None:
    lane = b"L" * 16
    entry, records = scene.ben.artifacts([scene.ben.record("skipped")], lane)
    later, more = scene.ben.artifacts([scene.ben.record("before it")], lane)
    scene.log.append(later.encoded, more)
    scene.log.append(entry.encoded, records)


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (after_retiring, "identity-retired"),
        (under_a_pending_recovery, "key-not-in-force"),
        (before_any_delegation, "not-delegated"),
    ],
)
def test_what_is_not_plain_is_judged_in_full(what: Callable[[Scene], None], code: str) -> None:
    scene = Scene()
    what(scene)
    record = scene.ben.record("x")
    scene.put(scene.ben, record)
    scene.log.close_with_state()
    with open_view(scene.world.store, scene.world.vkey) as view:
        node = trace_many(view, [record.id], scene.world.vkey).nodes[record.id]
    assert node.fault is not None
    assert node.fault.code == code


def test_a_statement_behind_a_later_one_of_its_lane_is_not_plain() -> None:
    scene = Scene()
    skipped, before = scene.ben.record("skipped"), scene.ben.record("before it")
    in_a_lane_that_went_on(scene)
    scene.log.close_with_state()
    with open_view(scene.world.store, scene.world.vkey) as view:
        nodes = trace_many(view, [skipped.id, before.id], scene.world.vkey).nodes
    faults = [nodes[record.id].fault for record in (skipped, before)]
    assert faults[0] is not None
    assert faults[0].code == "lane-broken"
    assert faults[1] is None


def test_a_time_that_an_earlier_trace_was_told_is_forgotten() -> None:
    """A `state` out of order told a later time than the last one: who asks for it hears it, and nobody else."""
    scene = Scene()
    first, last = scene.anna.record("first"), scene.anna.record("last")
    scene.put(scene.anna, first)
    scene.log.close_with_state(time=10**12)
    scene.put(scene.anna, last)
    scene.log.close_with_state(time=5)
    with open_view(scene.world.store, scene.world.vkey) as view:
        tracer = Tracer(view, scene.world.vkey, with_clocks=True)
        assert tracer.trace([first.id]).clock_ms == 10**12
        same(tracer.trace([last.id]), trace_many(view, [last.id], scene.world.vkey, with_clocks=True))
        assert tracer.trace([last.id]).clock_ms == 5
        assert tracer.trace([first.id]).clock_ms == 10**12


# --- a source that lies when it is asked again -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@given(
    st.sampled_from(ANSWERS),
    st.integers(0, 30),
    st.integers(0, 7),
    st.integers(0, 400),
    st.sampled_from([BOUNDS, TIGHT]),
    st.integers(0, 4),
)
@settings(max_examples=400, deadline=None)
def test_no_answer_altered_later_raises_a_level(
    told: Told, name: str, turn: int, how: int, where: int, kept: Bounds, before: int
) -> None:
    """Honest for a first trace of some roots, then altered in one answer: it refuses, or says no more than an honest source."""
    asked = -1

    def lie(honest: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal asked
        answer = honest(*arguments)
        if asked < 0:
            return answer
        asked += 1
        return altered(answer, how, where) if asked == turn + 1 else answer

    if name == "entry" and how == 0:
        how = 1
    ids = list(told.honest.nodes)
    with open_view(told.world.store, told.world.vkey) as view:
        source = liar(view, **{name: lie})
        tracer = Tracer(source, told.world.vkey, frozenset([told.scene.ben.id]), bounds=kept)
        tracer.trace(ids[:before])
        asked = 0
        try:
            found = tracer.trace([told.work.id])
        except (ProofInvalid, StoreFault, RefusedInput):
            return
    assert set(found.nodes) <= set(told.honest.nodes)
    for artifact_id, node in found.nodes.items():
        honest = told.honest.nodes[artifact_id]
        assert level_of(node) <= level_of(honest)
        assert node.status in (honest.status, Status.UNKNOWN)


@pytest.mark.parametrize("kept", [BOUNDS, TIGHT])
@pytest.mark.parametrize("name", ["entry", "record"])
def test_another_entry_or_record_at_the_second_asking_is_not_taken(
    told: Told, name: str, kept: Bounds
) -> None:
    """Neighbours of what was verified, whose nodes are known: the wrong one at a known place does not pass."""
    lies = False

    def lie(honest: Callable[..., Any], number: int) -> Any:
        return honest(number ^ 1) if lies else honest(number)

    with open_view(told.world.store, told.world.vkey) as view:
        tracer = Tracer(liar(view, **{name: lie}), told.world.vkey, bounds=kept)
        tracer.trace([told.model.id])
        lies = True
        with pytest.raises(ProofInvalid) as refusal:
            tracer.trace([told.answer.id])
    assert refusal.value.code == "inclusion-invalid"


def test_what_was_absent_is_looked_for_again(told: Told) -> None:
    hides = True

    def lie(honest: Callable[..., Any], artifact_id: bytes) -> Any:
        return [] if hides else honest(artifact_id)

    with open_view(told.world.store, told.world.vkey) as view:
        tracer = Tracer(liar(view, find_artifact=lie), told.world.vkey)
        assert tracer.trace([told.essay.id]).nodes[told.essay.id].presence is Presence.ABSENT
        hides = False
        assert tracer.trace([told.essay.id]).nodes[told.essay.id].presence is Presence.STANDS


def test_a_notice_is_not_hidden_by_a_gap_that_was_shown_before(told: Told) -> None:
    """The map is shown to hold nothing on many artifacts; on the one that is held it holds something."""
    others = [bytes([number]) * 32 for number in range(1, 200)]
    with open_view(told.world.store, told.world.vkey) as view:
        log = VerifiedLog(view, told.world.vkey)
        for other in others:
            assert log.topic(Topic.NOTICES, other) == log.topic(Topic.ATTESTATIONS, other) == ()
        tracer = Tracer(view, told.world.vkey)
        for other in others[:20]:
            tracer.trace([other])
        assert [item.act for item in tracer.trace([told.essay.id]).nodes[told.essay.id].notices] == ["hold"]
        assert len(log.topic(Topic.NOTICES, told.essay.id)) == 1


def test_signatures_held_under_one_keyset_are_verified_under_another() -> None:
    world = World()
    anna = world.enrol("anna")
    record = anna.record("x")
    world.publish(anna, record)
    with open_view(world.store, world.vkey) as view:
        log = VerifiedLog(view, world.vkey)
        entry = log.entry(view.locate(view.find_artifact(record.id)[0])[0])
        assert entry is not None
        for _ in range(2):
            log.check_signatures(entry, {CURRENT: keyset_of("anna")})
            with pytest.raises(RefusedInput, match="does not hold"):
                log.check_signatures(entry, {CURRENT: keyset_of("ben")})
            with pytest.raises(RefusedInput):
                log.check_signatures(entry, {CURRENT: keyset_of("anna", "ben", threshold=2)})


# --- the state behind an artifact ------------------------------------------------------------------------------------


def test_a_later_state_makes_an_artifact_younger_and_no_other_passes(told: Told) -> None:
    record = told.model

    def traced(lie: Callable[..., Any]) -> Ancestries:
        with open_view(told.world.store, told.world.vkey) as view:
            return trace_many(liar(view, state_behind=lie), [record.id], told.world.vkey, with_clocks=True)

    honest = traced(lambda behind, log_index: behind(log_index))
    last = honest.checkpoint.size - 1
    later = traced(lambda _behind, _log_index: last)
    assert later.clocks == (Existed(last + 1, honest.clock_ms),)
    assert all(min(each.by_ms for each in honest.clocks) <= each.by_ms for each in later.clocks)
    assert plain(later.nodes) == plain(honest.nodes)
    for wrong in (0, -1, 1, last + 1, 2**60):
        with pytest.raises(ProofInvalid) as refusal:
            traced(lambda behind, log_index, wrong=wrong: wrong)
        assert refusal.value.code == "state-wrong"
    with pytest.raises(ProofInvalid) as refusal:
        traced(lambda _behind, log_index: log_index)  # the statement itself
    assert refusal.value.code == "state-wrong"


def test_the_view_names_the_first_state_behind_each_entry() -> None:
    scene = Scene()
    for number in range(40):
        scene.put(scene.anna, scene.anna.record(f"{number}"))
        if number % 7 == 3:
            scene.log.close_with_state(extra_states=number % 2)
    scene.log.close_with_state()
    with open_view(scene.world.store, scene.world.vkey) as view:
        size = view.checkpoint.size
        states = [index for index in range(size) if view.statement(index).type == "state"]
        wanted = [min(state for state in states if state >= index) for index in range(size)]
    for order in (range(size), range(size - 1, -1, -1), [*range(0, size, 3), *range(size)]):
        with open_view(scene.world.store, scene.world.vkey) as view:
            assert [view.state_behind(index) for index in order] == [wanted[index] for index in order]
            with pytest.raises(StoreFault):
                view.state_behind(size)


# --- what is remembered ----------------------------------------------------------------------------------------------


def test_what_was_verified_is_not_asked_for_again() -> None:
    world = World()
    anna, ben = world.enrol("anna"), world.enrol("ben")
    base = anna.record("base")
    world.publish(anna, base)
    children = [ben.record(f"child {n}", parents=[Parent("derived-from", base.id)]) for n in range(8)]
    for child in children:
        world.publish(ben, child)
    with open_view(world.store, world.vkey) as view:
        source = Counting(view)
        tracer = Tracer(source, world.vkey)
        for child in children:
            tracer.trace([child.id])
        assert source.asked["record"] == 9
        assert source.asked["entry"] == 9 + 4  # statements; genesis, state and two enrolments
        assert source.asked["entry_path"] < 13  # of some the sibling showed the hash
        before = Counter(source.asked)
        tracer.trace([child.id for child in children])
        assert source.asked == before
        forgetful = Counting(view)
        tracer = Tracer(forgetful, world.vkey, bounds=TIGHT)
        for child in children:
            tracer.trace([child.id])
        assert forgetful.asked["record"] == 9  # the base was used each time
        tracer.trace([children[0].id])
        assert forgetful.asked["record"] > 9


def test_a_tracer_keeps_no_more_than_its_bounds() -> None:
    world = World()
    anna = world.enrol("anna")
    ids = []
    for number in range(60):
        record = anna.record(f"{number}")
        world.publish(anna, record)
        ids.append(record.id)
    kept = Bounds(entries=5, artifacts=4, signatures=3, nodes=40)
    with open_view(world.store, world.vkey) as view:
        tracer = Tracer(view, world.vkey, with_clocks=True, bounds=kept)
        for artifact_id in ids:
            tracer.trace([artifact_id])
            log = tracer._log
            assert isinstance(log, VerifiedLog)
            assert len(tracer._found) <= 2 * kept.artifacts
            assert len(log._signed) <= 2 * kept.signatures
            assert max(len(log._topics), len(log._states)) <= 2 * kept.entries
            assert len(log._tree._known) <= kept.nodes
            assert max(len(log._status._firsts), len(log._status._on_the_way)) <= kept.nodes
            assert len(log._segments._closings) <= kept.entries


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(1, 4)), max_size=60), st.integers(1, 8)
)
def test_memory_forgets_and_never_mixes_up(steps: list[tuple[int, bool, int]], limit: int) -> None:
    memory: Remembered[int, int] = Remembered(limit)
    last: dict[int, int] = {}
    for turn, (key, is_put, weight) in enumerate(steps):
        if is_put:
            memory.put(key, turn, weight)
            last[key] = turn
            assert memory.get(key) == turn
        else:
            assert memory.get(key) in (None, last.get(key))
        assert len(memory) <= 2 * max(limit, 1)
    for key in range(10):
        memory.get(key)


@given(st.sets(st.integers(0, 40), min_size=1), st.lists(st.integers(0, 40), max_size=30), st.integers(1, 5))
def test_segments_say_what_a_walk_says(states: set[int], asked: list[int], limit: int) -> None:
    segments = Segments(limit)
    for place in asked:
        behind = [state for state in states if state >= place]
        known = segments.closing_of(place)
        if known is not None:
            assert known == min(behind)
        elif behind:
            segments.add(place, min(behind))
            assert segments.closing_of(place) == min(behind)


@pytest.mark.parametrize(
    "answer", [list, lambda ids: ids[::-1], lambda ids: ids[1:], lambda ids: [*ids, b"x"], lambda _ids: []]
)
def test_the_source_is_told_of_what_is_not_known_and_asked_next(
    answer: Callable[[list[bytes]], list[bytes]],
) -> None:
    """Whatever order it prefers, or makes up: each is opened, and all are told in the same order."""
    scene = Scene()
    first = [scene.anna.record(f"{number}") for number in range(3)]
    child = scene.anna.record("child", parents=[Parent("quotes", record.id) for record in first[:2]])
    for records in (first, [child]):
        scene.world.must(*scene.anna.artifacts(records))
    told: list[set[bytes]] = []
    with open_view(scene.world.store, scene.world.vkey) as view:

        def lie(_honest: Callable[..., Any], ids: list[bytes]) -> list[bytes]:
            told.append(set(ids))
            return answer(ids)

        source = liar(view, expect=lie)  # and nothing is read ahead
        tracer = Tracer(source, scene.world.vkey)
        roots = [first[2].id, child.id]
        found = tracer.trace(roots)
        assert told == [set(roots), {record.id for record in first[:2]}]
        same(found, trace_many(view, roots, scene.world.vkey))
        tracer.trace([*roots, bytes(32), b"1" * 32])
        assert told[2:] == [{bytes(32), b"1" * 32}]

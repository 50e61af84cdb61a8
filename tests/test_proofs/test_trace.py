"""The trace: what stands, and what is unknown; held to a naive one over random ancestries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LineageError, RefusedInput
from ledger.log.view import LogView, open_view
from ledger.origin.levels import level_of
from ledger.proofs.facts import Ancestry, Presence, Status
from ledger.proofs.trace import trace
from ledger.statements.record import Parent, Record
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.dishonest import Lie
from tests.reference import NaiveLog
from tests.test_proofs.scene import (
    MODEL,
    TOOL,
    Scene,
    level,
    traced,
)
from tests.world import Actor


@pytest.mark.parametrize("engine", ["memory", "lmdb"])
def test_an_ancestry_to_its_humans(engine: str, tmp_path: Path) -> None:
    scene = Scene(MemoryStore() if engine == "memory" else LmdbStore.create(tmp_path / "store"))
    world, anna, ben = scene.world, scene.anna, scene.ben
    essay = ben.record("essay")
    told = anna.record("told", stance="reported")
    case = scene.pair.record("case", "experience", [Parent("evidence", told.id)], human=0)
    shared = scene.pair.record("shared", "work", [Parent("quotes", told.id, 300_000)], human=600_000)
    model = scene.machine.record("model", "model", [Parent("trained-on", essay.id)], facts=MODEL)
    answer = scene.pair.record(
        "answer",
        "output",
        [Parent("generated-by", model.id), Parent("derived-from", case.id), Parent("evidence", shared.id)],
    )
    for actor, records in (
        (ben, [essay]),
        (anna, [told]),
        (scene.pair, [case, shared]),
        (scene.machine, [model]),
        (scene.pair, [answer]),
    ):
        world.must(*actor.artifacts(records))
    ancestry = traced(world, answer)
    assert set(ancestry.nodes) == {item.id for item in (essay, told, case, shared, model, answer)}
    assert {item: level(ancestry, item) for item in ancestry.nodes} == {
        essay.id: 2,
        told.id: 1,
        case.id: 2,
        shared.id: 2,
        model.id: 1,
        answer.id: 2,
    }
    assert {node.status for node in ancestry.nodes.values()} == {Status.RELEASED}
    assert ancestry.humans == tuple(sorted([anna.id, ben.id]))
    assert ancestry.authors == (ben.id,)
    assert traced(world, shared).authors == (anna.id,)
    assert traced(world, case).authors == ()
    assert traced(world, told).humans == ()
    node = ancestry.nodes[answer.id]
    assert (node.kind, node.maker, node.role, node.anchor) == ("output", scene.pair.id, "pair", anna.id)
    assert (node.log_index, node.record_index) == (world.writer.state.header.size - 2, 0)
    assert node.parents == answer.parents
    assert (ancestry.root, ancestry.log_id, ancestry.checkpoint) == (
        answer.id,
        world.log,
        world.writer.checkpoint,
    )
    assert ancestry.nodes[model.id].anchor is None


def test_a_pair_without_a_human_share_in_its_scope_makes_no_author() -> None:
    scene = Scene()
    silent = scene.world.pair(scene.anna, "silent", {"kinds": ["work"]})
    record = silent.record("unstated")
    scene.world.must(*silent.artifacts([record]))
    ancestry = traced(scene.world, record)
    assert (ancestry.humans, ancestry.authors) == ((scene.anna.id,), ())


def test_what_was_said_under_an_earlier_delegation_stays() -> None:
    scene = Scene()
    first, second = scene.pair.record("under the first"), scene.pair.record("under the second", human=1)
    scene.world.must(*scene.pair.artifacts([first]))
    scene.world.delegate(scene.anna, scene.pair, {"kinds": ["output"], "human": 1})
    assert level(traced(scene.world, first), first) == 2
    scene.put(scene.pair, second)
    scene.log.close_with_state()
    node = traced(scene.world, second).nodes[second.id]
    assert node.fault is not None
    assert node.fault.code == "scope-exceeded"


def test_an_absent_artifact_is_unlogged() -> None:
    ancestry = traced(Scene().world, bytes(32))
    node = ancestry.nodes[bytes(32)]
    assert (node.presence, node.fault, node.status) == (Presence.ABSENT, None, Status.UNKNOWN)
    assert (level_of(node), ancestry.humans) == (0, ())


def test_parents_in_other_logs_are_unknown() -> None:
    scene = Scene()
    here = scene.anna.record("here")
    foreign = Parent("derived-from", here.id, log=bytes(31) + b"\x01")
    record = scene.anna.record("crossing", parents=[foreign, Parent("quotes", here.id)])
    scene.world.must(*scene.anna.artifacts([here, record]))
    ancestry = traced(scene.world, record)
    assert ancestry.foreign == {(foreign.log, here.id)}
    assert set(ancestry.nodes) == {here.id, record.id}
    alone = scene.anna.record("alone", parents=[Parent("derived-from", bytes(32), log=bytes(31) + b"\x02")])
    scene.world.must(*scene.anna.artifacts([alone]))
    assert set(traced(scene.world, alone).nodes) == {alone.id}


def test_the_operator_makes_what_nobody_answers_for() -> None:
    scene = Scene()
    operator = Actor("operator", scene.world.log, "operator", scene.world.genesis)
    source = scene.anna.record("source")
    record = operator.record("cut", "derived", [Parent("derived-from", source.id)], facts=TOOL)
    scene.world.must(*scene.anna.artifacts([source]))
    scene.world.must(*operator.artifacts([record]))
    ancestry = traced(scene.world, record)
    assert level(ancestry, record) == 1
    assert ancestry.humans == (scene.anna.id,)


def test_deep_and_wide_ancestries_need_no_stack() -> None:
    """Deeper than Python's recursion limit, and with more paths than could be walked one by one."""
    scene = Scene()
    chain = [scene.anna.record("first")]
    for number in range(2_999):
        parents = {Parent("derived-from", chain[-1].id), Parent("quotes", chain[max(0, number - 1)].id)}
        chain.append(scene.anna.record(f"{number}", parents=parents))
    wide = scene.ben.record("wide", parents=[Parent("quotes", item.id) for item in chain[:250]])
    for start in range(0, 3_000, 1_000):
        scene.world.must(*scene.anna.artifacts(chain[start : start + 1_000]))
    scene.world.must(*scene.ben.artifacts([wide]))
    asked: Counter[str] = Counter()

    def counted(name: str) -> Lie:
        def answer(honest: Callable[..., Any], *arguments: Any) -> Any:
            asked[name] += 1
            return honest(*arguments)

        return answer

    names = ("find_artifact", "record", "record_path", "status_proof", "entry")
    ancestry = traced(scene.world, chain[-1], **{name: counted(name) for name in names})
    assert len(ancestry.nodes) == 3_000
    assert {level_of(node) for node in ancestry.nodes.values()} == {2}
    assert asked["find_artifact"] == asked["record"] == asked["record_path"] == 3_000
    # notices and attestations of all; key events, evidence and endorsements of one maker; the operator's; rules. Most of the
    # former are shown to be absent by proofs that others needed.
    assert 3 + 1 + 1 < asked["status_proof"] < 100
    assert asked["entry"] == 3 + 1 + 1 + 1  # statements, enrolment, genesis, state
    assert len(traced(scene.world, wide).nodes) == 251


def test_the_rules_of_a_later_fold_are_not_guessed() -> None:
    scene = Scene()
    record = scene.anna.record("today")
    scene.put(scene.anna, record)
    scene.log.close_with_state(fold=3)
    with pytest.raises(RefusedInput) as refusal:
        traced(scene.world, record)
    assert refusal.value.code == "fold-unknown"


NAMES = ("anna", "ben", "machine", "pair", "silent")
PLAN = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["work", "work", "experience", "output", "derived", "model", "dataset", "copy"]),
            st.sampled_from(["made", "made", "made", "reported"]),
            st.lists(
                st.tuples(
                    st.integers(0, 40),
                    st.sampled_from(
                        ["derived-from", "derived-from", "generated-by", "trained-on", "quotes", "evidence"]
                    ),
                ),
                max_size=3,
            ),
            st.sampled_from([None, None, 0, 5, 100]),
            st.sampled_from([None] * 7 + ["anna"]),
        ),
        min_size=1,
        max_size=4,
    ).flatmap(lambda records: st.tuples(st.sampled_from(NAMES), st.just(records))),
    min_size=1,
    max_size=9,
)


def planned_record(actor: Actor, number: int, row: Any, before: list[Record]) -> Record:
    """The record that a row of the plan asks for, or a plain work where its parts cannot stand together."""
    kind, stance, wanted, human, _maker = row
    if kind == "copy" and before:
        return before[number % len(before)]
    parents = {Parent(rel, before[place % len(before)].id) for place, rel in wanted if before}
    fields: dict[str, Any] = {"stance": stance, "human": human}
    if kind in ("model", "derived"):
        fields["facts"] = MODEL if kind == "model" else TOOL
    try:
        return actor.record(f"{number}", "work" if kind == "copy" else kind, parents, **fields)
    except LineageError:
        return actor.record(f"{number}")


@given(PLAN, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_it_is_what_the_naive_trace_says(plan: list[Any], random: Any) -> None:
    """Random ancestries with diamonds, copies, wrong makers, kinds, orders: levels, faults and people are the same."""
    scene = Scene()
    silent = scene.world.pair(scene.anna, "silent")
    actors = {
        "anna": scene.anna,
        "ben": scene.ben,
        "machine": scene.machine,
        "pair": scene.pair,
        "silent": silent,
    }
    made: list[Record] = []
    statements = []
    for name, rows in plan:
        records = []
        for row in rows:
            records.append(planned_record(actors[row[4] or name], len(made), row, made))
            made.append(records[-1])
        statements.append((actors[name], records))
    if random.random() < 0.3:
        random.shuffle(statements)
    for actor, records in statements:
        scene.put(actor, *records)
    scene.log.close_with_state()
    with open_view(scene.world.store, scene.world.vkey) as view:
        naive = replayed(view)
        for record in made:
            check_against(naive, trace(view, record.id, scene.world.vkey))


def replayed(view: LogView) -> NaiveLog:
    naive = NaiveLog(view.log_id)
    size = view.checkpoint.size
    for log_index in range(size):
        stop = view.record_start(log_index + 1) if log_index + 1 < size else view.record_count
        records = [view.record(number) or b"" for number in range(view.record_start(log_index), stop)]
        naive.step(log_index, view.entry(log_index), records, 0)
    return naive


def check_against(naive: NaiveLog, ancestry: Ancestry) -> None:
    assert set(ancestry.nodes) == naive.reached(ancestry.root)
    for artifact_id, node in ancestry.nodes.items():
        assert level_of(node) == naive.level(artifact_id)
        faults = [place[0] for place in naive.places.get(artifact_id, [])]
        if level_of(node) == 0:
            assert (None if node.fault is None else node.fault.code) == (faults[0] if faults else None)
    humans, authors = naive.people(ancestry.root)
    assert (set(ancestry.humans), set(ancestry.authors)) == (humans, authors)

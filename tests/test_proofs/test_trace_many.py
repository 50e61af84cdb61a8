"""Several roots in one pass; what attestations say of who said them; the log's clock behind artifacts (SPEC §12, §12.1)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.view import open_view
from ledger.proofs.facts import Ancestries, Ancestry, Existed, Presence
from ledger.proofs.trace import ancestry_of, trace, trace_many
from ledger.statements.record import Parent, Record
from tests.test_proofs.scene import Council, Scene, attest, disown, endorse, evidence_on, later, rules
from tests.world import Actor, World

SLOW = settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow], deadline=None)


def many(
    world: World, *roots: Record | bytes, accept: tuple[Actor, ...] = (), **arguments: Any
) -> Ancestries:
    ids = [root if isinstance(root, bytes) else root.id for root in roots]
    with open_view(world.store, world.vkey) as view:
        return trace_many(view, ids, world.vkey, frozenset(actor.id for actor in accept), **arguments)


def plain(value: Any) -> Any:
    """The same with the bytes of records, which do not compare."""
    if isinstance(value, Ancestry):
        return replace(value, nodes=plain(value.nodes))
    return {
        key: (replace(node, record=None), node.record and node.record.encoded) for key, node in value.items()
    }


class Counting:
    """A source that counts what it is asked."""

    def __init__(self, view: Any) -> None:
        self._view = view
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._view, name)
        if not callable(found):
            return found

        def counted(*arguments: Any) -> Any:
            self.asked[name] += 1
            return found(*arguments)

        return counted


@SLOW
@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 9), st.sampled_from(["derived-from", "quotes", "evidence"])), max_size=3
        ),
        min_size=1,
        max_size=7,
    ),
    st.data(),
)
def test_many_together_are_what_each_is_alone(
    edges: list[list[tuple[int, str]]], data: st.DataObject
) -> None:
    world = World()
    anna, ben = world.enrol("anna"), world.enrol("ben")
    records: list[Record] = []
    for number, parents in enumerate(edges):
        named = {Parent(rel, records[back % number].id) for back, rel in parents} if number else set()
        records.append((anna if number % 2 else ben).record(f"text {number}", parents=sorted(named)))
        world.publish(anna if number % 2 else ben, records[-1])
    world.attest(ben, [records[0].id])
    roots = data.draw(st.lists(st.sampled_from([*(record.id for record in records), bytes(32)]), max_size=5))
    together = many(world, *roots, accept=(ben,))
    assert together.roots == tuple(dict.fromkeys(roots))
    wanted: dict[bytes, Any] = {}
    for root in roots:
        with open_view(world.store, world.vkey) as view:
            alone = trace(view, root, world.vkey, frozenset([ben.id]))
        assert plain(ancestry_of(together, root)) == plain(alone)
        wanted |= alone.nodes
    assert plain(together.nodes) == plain(wanted)


def test_what_is_shared_is_verified_once() -> None:
    world = World()
    anna = world.enrol("anna")
    base = anna.record("base")
    world.publish(anna, base)
    children = [anna.record(f"child {n}", parents=[Parent("derived-from", base.id)]) for n in range(9)]
    for child in children:
        world.publish(anna, child)
    with open_view(world.store, world.vkey) as view:
        source = Counting(view)
        trace_many(source, [child.id for child in children], world.vkey)
        together = source.asked["record"]
        alone = Counting(view)
        for child in children:
            trace_many(alone, [child.id], world.vkey)
    assert together == 10
    assert alone.asked["record"] == 18


def test_no_root_is_an_empty_ancestry_under_a_verified_checkpoint() -> None:
    world = World()
    found = many(world)
    assert (found.roots, dict(found.nodes), found.log_id) == ((), {}, world.log)
    assert found.checkpoint.size == 2


def test_one_that_was_not_traced_is_no_ancestry() -> None:
    with pytest.raises(KeyError):
        ancestry_of(many(World()), bytes(32))


def test_clocks_are_told_where_asked() -> None:
    world = World()
    anna = world.enrol("anna")
    first, second = anna.record("first"), anna.record("second")
    world.publish(anna, first)
    first_clock = world.time_ms
    world.publish(anna, second)
    assert many(world, first, second).clocks == ()
    found = many(world, first, second, bytes(32), with_clocks=True)
    indices = [found.nodes[record.id].log_index for record in (first, second)]
    assert [existed.size for existed in found.clocks] == [(index or 0) + 2 for index in indices]
    assert found.clocks[0].by_ms == first_clock
    assert found.clocks[1] == Existed(found.checkpoint.size, found.clock_ms)


# --- who attests ------------------------------------------------------------------------------------------------


def test_an_attestation_says_who_answers_for_it() -> None:
    council = Council()
    scene = council.scene
    cara = scene.enrol("cara")
    attest(scene, cara, council.work.id)
    attest(scene, council.curator, council.work.id)
    attest(scene, scene.pair, council.rows.id)
    scene.log.close_with_state()
    found = many(scene.world, council.work, council.rows, accept=(cara, scene.pair))
    by = {each.by: each for node in found.nodes.values() for each in node.attestations}
    assert (by[cara.id].role, by[cara.id].anchor, by[cara.id].answerable) == ("human", cara.id, cara.id)
    assert (by[scene.pair.id].role, by[scene.pair.id].answerable) == ("pair", scene.anna.id)
    curator = by[council.curator.id]
    assert (curator.role, curator.anchor, curator.answerable) == ("curator", None, council.curator.id)
    assert not any(each.contested for each in by.values())


def test_a_forked_attestor_is_told() -> None:
    council = Council()
    scene = council.scene
    attest(scene, scene.ben, council.work.id)
    evidence_on(scene, scene.ben, scene.anna)
    scene.log.close_with_state()
    (found,) = many(scene.world, council.work, accept=(scene.ben,)).nodes[council.work.id].attestations
    assert found.contested


def test_graders_make_a_stranger_heard_and_rescue_nothing() -> None:
    council = Council()
    scene, work = council.scene, council.work
    grader, cara, dora = scene.enrol("grader", "registrar"), scene.enrol("cara"), scene.enrol("dora")
    for attestor in (cara, dora):
        attest(scene, attestor, work.id)
    endorse(scene, grader, cara, grade="verified")
    endorse(scene, scene.ben, dora)
    disown(scene, scene.anna, 0)  # the delegation under which the pair signed
    scene.log.close_with_state()
    deaf = many(scene.world, work).nodes[work.id]
    assert (deaf.attestations, deaf.attested_by_others) == ((), 2)
    node = many(scene.world, work, graders=frozenset([grader.id])).nodes[work.id]
    assert [(each.by, each.claim) for each in node.attestations] == [(cara.id, "authorship")]
    assert [(each.issuer, each.grade) for each in node.attestations[0].endorsements] == [
        (grader.id, "verified")
    ]
    assert node.attested_by_others == 1
    assert node.presence is Presence.DISOWNED
    named = many(scene.world, work, accept=(cara,), graders=frozenset([grader.id])).nodes[work.id]
    assert named.presence is Presence.STANDS


def test_an_endorsement_that_ended_gives_no_grade() -> None:
    council = Council()
    scene = council.scene
    grader, cara = scene.enrol("grader", "registrar"), scene.enrol("cara")
    attest(scene, cara, council.work.id)
    endorse(scene, grader, cara, until=scene.log.time_ms + 1_000)
    later(scene, 5_000)
    scene.log.close_with_state()
    (found,) = (
        many(scene.world, council.work, graders=frozenset([grader.id])).nodes[council.work.id].attestations
    )
    assert found.endorsements == ()


def test_a_stolen_key_attests_nothing() -> None:
    scene = Scene()
    work = scene.anna.record("work")
    scene.put(scene.anna, work)
    grader = scene.enrol("grader", "registrar")
    rules(scene)
    endorse(scene, grader, scene.ben)
    attest(scene, scene.ben, work.id)
    disown(scene, scene.ben, 0)
    scene.log.close_with_state()
    node = many(scene.world, work, graders=frozenset([grader.id])).nodes[work.id]
    assert (node.attestations, node.attested_by_others) == ((), 0)

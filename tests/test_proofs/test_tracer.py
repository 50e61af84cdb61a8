"""A tracer that traces again and again says what a first trace says, however little or much it remembers."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.view import open_view
from ledger.proofs.facts import Ancestries
from ledger.proofs.trace import Tracer, trace_many
from ledger.proofs.verified import BOUNDS, Bounds
from tests.test_proofs.test_trace_many import plain
from tests.test_proofs.test_trace_random import Play, step

SLOW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
bounds = st.one_of(st.just(BOUNDS), st.builds(Bounds, *[st.integers(1, 6) for _ in Bounds._fields]))


def same(found: Ancestries, wanted: Ancestries) -> None:
    assert plain(found.nodes) == plain(wanted.nodes)
    assert list(found.nodes) == list(wanted.nodes)
    for name in ("roots", "log_id", "checkpoint", "clock_ms", "clocks"):
        assert getattr(found, name) == getattr(wanted, name)


@SLOW
@given(st.lists(step, max_size=30), st.data())
def test_a_tracer_says_what_a_first_trace_says(plan: list[Any], data: st.DataObject) -> None:
    play = Play()
    for name, *arguments in plan:
        getattr(play, name)(*arguments)
    play.commit()
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

"""Random logs, as a dishonest operator lets them in: what a file proves is what the log itself says, whoever is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ledger.log.view import open_view
from ledger.origin.judge import Judge
from ledger.origin.lattice import Standing
from ledger.origin.levels import Level, level_of
from ledger.origin.moment import Moment
from ledger.origin.proved import FACTS, is_silent
from ledger.origin.trust import own_log_trust
from ledger.proofs.facts import Ancestries, Node, Presence, Status
from ledger.proofs.proven import ProvenLog
from ledger.proofs.recorded import Listeners
from ledger.proofs.trace import Tracer, trace_many
from tests.test_proofs.proving import file_of, part_of, proven
from tests.test_proofs.test_trace_many import plain
from tests.test_proofs.test_trace_random import NAMES, Play, step


def of_no_record(nodes: Mapping[bytes, Node]) -> set[bytes]:
    """Parents that stand nowhere in the log, and their children."""
    absent = {node.id for node in nodes.values() if node.presence is Presence.ABSENT}
    children = {
        node.id
        for node in nodes.values()
        if node.record is not None and absent & {parent.id for parent in node.record.parents}
    }
    return absent | children


def check_silent(log: ProvenLog, found: Ancestries) -> None:
    """What `verify` does not judge, since nothing is said of it, is what the judge would find."""
    if not is_silent(found.nodes):
        event("something is said")
        return
    event("nothing is said")
    moment = Moment(10**15, log.vkey, found.checkpoint, found.clock_ms)
    judge = Judge(found.nodes, FACTS, own_log_trust(found.rules), moment)
    for node in found.nodes.values():
        judged = judge.artifact(node.id)
        assert (judged.level, judged.status, judged.burden) == (level_of(node), Standing.RELEASED, None)


some = st.sets(st.sampled_from(NAMES), max_size=3)


@given(
    st.lists(step, min_size=15, max_size=40),
    st.lists(st.tuples(some, some), min_size=1, max_size=4),
    st.data(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_file_proves_what_the_log_says(
    plan: list[Any], listeners: list[tuple[set[str], set[str]]], data: st.DataObject
) -> None:
    play = Play()
    for name, *arguments in plan:
        getattr(play, name)(*arguments)
    scene = play.scene
    scene.log.close_with_state()
    vkey = scene.world.vkey
    with open_view(scene.world.store, vkey) as view:
        logged = sorted({record.id for record in play.records if view.find_artifact(record.id)})
        subjects = data.draw(st.lists(st.sampled_from(logged), min_size=1, max_size=5, unique=True))
        for_everybody = file_of(part_of(view, vkey, subjects))
        for accepted, grading in listeners:
            accept = frozenset(play.actors[name].id for name in accepted)
            graders = frozenset(play.actors[name].id for name in grading)
            for_one = file_of(part_of(view, vkey, subjects, Listeners(accept, graders)))
            wanted = trace_many(view, subjects, vkey, accept, graders=graders)
            for file in (for_everybody, for_one):
                log = proven(file, vkey)
                assert log.subjects == set(subjects)
                found = Tracer.over(log, accept, graders, with_clocks=True).trace(subjects)
                assert found.nodes.keys() == wanted.nodes.keys()
                undecided = of_no_record(wanted.nodes)
                for artifact_id in undecided:  # a file cannot show that a parent stands nowhere
                    node = found.nodes[artifact_id]
                    assert level_of(node) is Level.UNLOGGED
                    assert node.status not in (Status.RELEASED, Status.CONDITIONAL)
                check_silent(log, found)
                told, said = plain(found.nodes), plain(wanted.nodes)
                assert [told[each] for each in told.keys() - undecided] == [
                    said[each] for each in told.keys() - undecided
                ]
                assert (found.clock_ms, found.checkpoint, found.rules) == (
                    wanted.clock_ms,
                    wanted.checkpoint,
                    wanted.rules,
                )

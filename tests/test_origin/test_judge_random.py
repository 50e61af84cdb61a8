"""Random ancestries under random policies and trust: the fast judge is the naive one; order and less proof never help.

(SPEC §12.3)
"""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.origin.judge import Judge, Judged
from ledger.origin.lattice import Standing, Verdict, passed_over
from ledger.origin.moment import Moment
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust
from ledger.proofs.facts import Node, Presence
from ledger.statements import words
from ledger.statements.record import Parent, Record
from tests.reference_gate import Found, NaiveGate
from tests.test_origin.facts import BALANCED, CURATOR, LISTED, id_of, notice
from tests.test_origin.strategies import ancestries, moments, policies, trusts, worse

NO_DEADLINE = settings(deadline=None)  # a machine may be busy

MANY = settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    deadline=None,
    derandomize=not os.environ.get("LINEAGE_LONG"),  # the same lives each time; others in `make long`
)
PARTS = (ancestries(), policies() | st.just(BALANCED), trusts(), moments())


def by_id(nodes: list[Node]) -> dict[bytes, Node]:
    return {node.id: node for node in nodes}


def all_of(judge: Judge, nodes: list[Node]) -> dict[tuple[bytes, int | None], Judged]:
    return {
        (node.id, row): judge.artifact(node.id, row)
        for node in nodes
        for row in (None, 0, 1, 3)  # of a `rows` record the last is none
        if row is None or node.record is None or node.record.form == "rows" or row == 0
    }


@MANY
@given(*PARTS)
def test_the_fast_judge_is_the_naive_one(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment
) -> None:
    naive = NaiveGate(by_id(nodes), policy, trust, moment)
    for (artifact_id, row), found in all_of(Judge(by_id(nodes), policy, trust, moment), nodes).items():
        told = Found(found.level, found.status, found.verdict, found.code, len(found.path))
        assert told == naive.judge(artifact_id, row), found.why


@MANY
@given(*PARTS, st.randoms(use_true_random=False))
def test_order_makes_no_difference(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment, chance: random.Random
) -> None:
    before = all_of(Judge(by_id(nodes), policy, trust, moment), nodes)
    shuffled = [shuffle(node, chance) for node in nodes]
    chance.shuffle(shuffled)
    assert all_of(Judge(by_id(shuffled), policy, trust, moment), shuffled) == before


def shuffle(node: Node, chance: random.Random) -> Node:
    """The same facts in another order."""
    changed: dict[str, Any] = {
        name: tuple(chance.sample(getattr(node, name), len(getattr(node, name))))
        for name in ("parents", "notices", "attestations", "endorsements")
    }
    return replace(node, **changed)


@MANY
@given(*PARTS)
def test_a_path_leads_where_the_reason_was_found(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment
) -> None:
    known = by_id(nodes)
    for (artifact_id, _), found in all_of(Judge(known, policy, trust, moment), nodes).items():
        at: Node | None = known[artifact_id]
        for step in found.path:
            assert at is not None
            assert (step.rel, step.id, step.row) in {
                (parent.rel, parent.id, parent.row) for parent in at.parents
            }
            at = known.get(step.id)
        assert (found.finding is None) == (found.verdict is Verdict.ADMITTED)
        if found.finding is not None:
            assert found.finding.id == (found.path[-1].id if found.path else artifact_id)
            assert found.finding.says in found.why


# --- less proof, more against it: never better ------------------------------------------------------------------------


@st.composite
def harms(draw: st.DrawFn, nodes: list[Node]) -> list[Node]:
    """One hold or retraction more, or one inclusion, signature, attestation or status proof less."""
    place = draw(st.integers(0, len(nodes) - 1))
    node = nodes[place]
    row = draw(st.sampled_from([None, 0]))
    what = draw(
        st.sampled_from(
            ["drop", "presence", "withhold", "notice", "attestation", "contest", "refute", "grade"]
        )
    )
    if what == "drop":
        return nodes[:place] + nodes[place + 1 :]
    changed = node
    if what == "presence":
        below = [Presence.DISOWNED, Presence.FAULTY, Presence.ERASED, Presence.ABSENT]
        if node.presence not in (Presence.STANDS, Presence.DISOWNED):
            below = below[1:]  # a record at fault that is said to be disowned alone would be worth more
        changed = worse(node, draw(st.sampled_from(below)))
    elif what == "withhold":
        changed = worse(node, Presence.ERASED, withheld=True)
    elif what == "notice":
        by = draw(st.sampled_from([CURATOR, LISTED]))
        act = draw(st.sampled_from(["hold", "retract", "erase", "dispute"]))
        changed = replace(node, notices=(*node.notices, notice(by, act, row, 77)))
    elif what == "attestation":
        left = tuple(item for item in node.attestations if item.result != "confirmed" or draw(st.booleans()))
        changed = replace(node, attestations=left)
    elif what == "refute":
        changed = replace(
            node, attestations=tuple(replace(item, result="refuted") for item in node.attestations)
        )
    elif what == "contest":
        changed = replace(node, contested=99)
    elif what == "grade":
        changed = replace(node, endorsements=())
    return [*nodes[:place], changed, *nodes[place + 1 :]]


@MANY
@given(st.data(), *PARTS)
def test_less_proof_never_makes_better(
    data: st.DataObject, nodes: list[Node], policy: Policy, trust: Trust, moment: Moment
) -> None:
    before = all_of(Judge(by_id(nodes), policy, trust, moment), nodes)
    harmed = data.draw(harms(nodes))
    for _ in range(data.draw(st.integers(0, 2))):
        harmed = data.draw(harms(harmed)) if harmed else harmed
    judge = Judge(by_id(harmed), policy, trust, moment)
    for (artifact_id, row), found in before.items():
        after = judge.artifact(artifact_id, row)
        assert after.verdict <= found.verdict, (found.why, after.why)
        assert after.status <= found.status, (found.why, after.why)
        assert after.level <= found.level, (found.why, after.why)


@MANY
@given(*PARTS, st.integers(0, 3), st.integers(0, 3))
def test_less_is_known_of_its_age_and_it_is_no_older(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment, first: int, second: int
) -> None:
    fewer = replace(moment, older=moment.older[first:], clocks=moment.clocks[second:])
    before = all_of(Judge(by_id(nodes), policy, trust, moment), nodes)
    after = all_of(Judge(by_id(nodes), policy, trust, fewer), nodes)
    for place, found in before.items():
        assert after[place].verdict <= found.verdict
        assert after[place].level <= found.level


@MANY
@given(ancestries(unknown=False), policies(), trusts(), moments(), st.integers(0, 2**32))
def test_other_ids_of_artifacts_change_nothing(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment, salt: int
) -> None:
    """Of people too, but that is what a trust file names."""
    renamed = {node.id: id_of(f"{salt} {node.id.hex()}") for node in nodes}

    def rename(node: Node) -> Node:
        parents = tuple(replace_id(parent, renamed) for parent in node.parents)
        fields = dict(node.record.fields) if node.record is not None else {}
        fields["parents"] = [
            {key: value for key, value in parent._asdict().items() if value is not None} for parent in parents
        ]
        return replace(
            node, id=renamed[node.id], parents=parents, record=Record(b"", fields, renamed[node.id])
        )

    before = all_of(Judge(by_id(nodes), policy, trust, moment), nodes)
    others = [rename(node) for node in nodes]
    after = all_of(Judge(by_id(others), policy, trust, moment), others)
    for (artifact_id, row), found in before.items():
        other = after[renamed[artifact_id], row]
        assert brief(other) == brief(found)


def replace_id(parent: Parent, renamed: dict[bytes, bytes]) -> Parent:
    return parent._replace(id=renamed.get(parent.id, parent.id))


def brief(found: Judged) -> tuple[Any, ...]:
    return found.level, found.status, found.verdict, found.code, len(found.path)


@NO_DEADLINE
@given(st.sampled_from(sorted(words.RELATIONS)), st.sampled_from(Standing), st.sampled_from(Standing))
def test_every_relation_is_monotone_and_never_makes_up_for_the_unknown(
    rel: str, first: Standing, second: Standing
) -> None:
    if first <= second:
        assert passed_over(rel, first) <= passed_over(rel, second)
    assert passed_over(rel, min(first, second)) == min(passed_over(rel, first), passed_over(rel, second))
    assert passed_over(rel, passed_over(rel, first)) == passed_over(rel, first)
    hands_on = rel in ("derived-from", "generated-by", "distilled-from", "trained-on")
    assert passed_over(rel, Standing.UNKNOWN) is (Standing.UNKNOWN if hands_on else Standing.RELEASED)
    best = Standing.CONDITIONAL if rel == "trained-on" else Standing.RELEASED
    assert passed_over(rel, Standing.RELEASED) is best

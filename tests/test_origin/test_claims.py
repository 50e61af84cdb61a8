"""Rival claims on one digest: all are weighed, those of accepted makers count, and the worst of them decides (SPEC §12.3)."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.fold.faults import Fault
from ledger.origin.claims import Claim, RowVerdict, replaces
from ledger.origin.judge import Judge
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.moment import Moment
from ledger.origin.policy import Policy
from ledger.origin.reasons import Code
from ledger.origin.trust import Trust
from ledger.proofs.facts import Node, Presence
from tests.test_origin.facts import (
    ANNA,
    BEN,
    CARA,
    CURATOR,
    INVENTORY,
    PAIR,
    SELF,
    artifact,
    bench,
    disowned,
    id_of,
    notice,
    over,
    rows_of,
    trust_of,
)
from tests.test_origin.strategies import ancestries, moments, policies, trusts
from tests.test_origin.test_judge_random import MANY, by_id, harms

TRUST = trust_of(makers=[ANNA, BEN])
TEXT = id_of("one text")


def claim(name: str, *arguments: Any, **changes: Any) -> Node:
    """An artifact about the one text."""
    return artifact(name, *arguments, **{"content": TEXT} | changes)


def row(*nodes: Node, claims: list[Claim | bytes] | None = None, **changes: Any) -> RowVerdict:
    arguments = {"trust": TRUST} | changes
    return bench(*nodes, **arguments).judge().row([node.id for node in nodes] if claims is None else claims)


GOOD, STRANGERS = claim("good", ANNA), claim("strangers", CARA)
HELD = claim("held", BEN, notices=(notice(CURATOR, "hold"),))
OUTPUT = claim("output", BEN, "output")


def test_nobodys_row_is_unlogged() -> None:
    found = row()
    assert (found.verdict, found.code, found.artifact_id, found.level) == (
        Verdict.REJECTED,
        Code.UNLOGGED,
        None,
        Level.UNLOGGED,
    )
    assert found.why == "rejected: no artifact of the log is about it"
    assert row(policy=INVENTORY).verdict is Verdict.UNDECIDED


def test_one_good_claim_is_enough() -> None:
    found = row(GOOD)
    assert (found.verdict, found.code, found.artifact_id, found.level, found.status) == (
        Verdict.ADMITTED,
        Code.CLEAR,
        GOOD.id,
        Level.ANCHORED,
        Standing.RELEASED,
    )
    assert (found.why, found.rivals) == ("admitted: nothing stands against it", ())


def test_a_stranger_neither_brings_in_nor_keeps_out() -> None:
    alone = row(STRANGERS)
    assert (alone.verdict, alone.code, alone.artifact_id) == (
        Verdict.REJECTED,
        Code.MAKER_NOT_ACCEPTED,
        STRANGERS.id,
    )
    for other in (
        STRANGERS,
        claim("s", CARA, "output"),
        claim("s", CARA, notices=(notice(CURATOR, "hold"),)),
    ):
        found = row(other, GOOD)
        assert (found.verdict, found.artifact_id, found.rivals) == (Verdict.ADMITTED, GOOD.id, (other.id,))
        assert found.why.endswith("; 1 rival claim on it")


def test_the_worst_of_those_who_count_decides() -> None:
    for other, verdict, code in (
        (HELD, Verdict.QUARANTINED, Code.HELD),
        (OUTPUT, Verdict.REJECTED, Code.KIND_NOT_ADMITTED),
    ):
        found = row(GOOD, other)
        assert (found.verdict, found.code, found.artifact_id, found.rivals) == (
            verdict,
            code,
            other.id,
            (GOOD.id,),
        )
    assert row(GOOD, HELD, OUTPUT).artifact_id == OUTPUT.id
    assert len(row(GOOD, HELD, OUTPUT).rivals) == 1  # the other of Ben's is no rival of his own


def test_who_reports_it_counts_too() -> None:
    found = row(GOOD, rows_of("r", BEN), claims=[GOOD.id, (id_of("r"), 4)])
    assert (found.verdict, found.code) == (Verdict.QUARANTINED, Code.NOT_VOUCHED)


def test_claims_of_one_row_are_claims_on_that_row() -> None:
    rows = rows_of("r", ANNA, notices=(notice(CURATOR, "hold", row=4),))
    assert row(rows, claims=[(rows.id, 4)], trust=SELF).code is Code.HELD
    assert row(rows, claims=[(rows.id, 5)], trust=SELF).code is Code.NOT_VOUCHED


def test_whose_claim_cannot_be_told_counts_as_unknown() -> None:
    fault = Fault(7, "maker-differs", "record")
    for other in (Node(id_of("x"), Presence.ERASED), Node(id_of("x"), Presence.FAULTY, fault=fault)):
        found = row(GOOD, other)
        assert (found.verdict, found.status, found.artifact_id) == (
            Verdict.REJECTED,
            Standing.UNKNOWN,
            other.id,
        )
    found = row(GOOD, claims=[GOOD.id, id_of("not proved")])
    assert (found.verdict, found.code) == (Verdict.REJECTED, Code.UNPROVED)


def test_a_disowned_claim_is_nobodys() -> None:
    """Else who stole a key could keep out for ever whatever he signed with it."""
    stolen = disowned(claim("stolen", BEN, "output"))
    found = row(GOOD, stolen)
    assert (found.verdict, found.artifact_id, found.rivals) == (Verdict.ADMITTED, GOOD.id, (stolen.id,))
    assert row(stolen).code is Code.DISOWNED


def test_nobody_disowns_his_way_out_of_a_hold() -> None:
    again = claim("again", BEN)
    assert row(again, disowned(claim("first", BEN))).verdict is Verdict.ADMITTED
    for act in ("hold", "retract"):
        first = disowned(claim("first", BEN, notices=(notice(CURATOR, act),)))
        assert row(again, first).verdict is Verdict.REJECTED
    own = disowned(claim("first", BEN, notices=(notice(BEN, "retract"),)))
    assert row(again, own).verdict is Verdict.ADMITTED


def test_of_good_claims_the_one_of_which_most_is_known_is_told() -> None:
    early, late = claim("b", ANNA, log_index=3), claim("a", BEN, log_index=9)
    assert row(late, early).artifact_id == early.id
    assert row(late, early).rivals == (late.id,)
    same = claim("c", ANNA, log_index=3)
    assert row(early, same).artifact_id == min(early.id, same.id)
    assert row(early, same).rivals == ()


def test_a_claim_named_twice_is_one() -> None:
    assert row(GOOD, claims=[GOOD.id, GOOD.id, (GOOD.id, None)]) == row(GOOD)


# --- supersedes ----------------------------------------------------------------------------------------------------------


def newer(old: Node, kind: str = "work", **changes: Any) -> Node:
    return claim(
        "newer", changes.pop("who", ANNA), kind, [over("supersedes", old)], **{"human": 1_000_000} | changes
    )


def test_a_superseding_claim_is_told_for_the_older_one() -> None:
    old = claim("old", ANNA)
    corrected = newer(old, "output", human=None)
    found = row(old, corrected)
    assert (found.verdict, found.artifact_id, found.code) == (
        Verdict.REJECTED,
        corrected.id,
        Code.KIND_NOT_ADMITTED,
    )
    equal = newer(old, log_index=30)
    assert row(old, equal).artifact_id == equal.id
    unrelated = claim("unrelated", ANNA, log_index=30)
    assert row(old, unrelated).artifact_id == old.id


def test_but_never_makes_the_verdict_better() -> None:
    for old in (
        claim("old", ANNA, notices=(notice(CURATOR, "hold"),)),
        claim("old", ANNA, notices=(notice(ANNA, "retract"),)),
        claim("old", ANNA, rights={"train": "denied"}),
    ):
        found = row(old, newer(old))
        assert (found.artifact_id, found.verdict) == (old.id, row(old).verdict)
        assert row(old, newer(old), claims=[newer(old).id]).verdict is Verdict.ADMITTED


PARENT = artifact("parent", ANNA)
OLD = claim("old", PAIR, "work", [over("derived-from", PARENT, 300_000)], human=200_000, machine=500_000)
SAYS_BETTER: dict[str, tuple[dict[str, Any], bool]] = {
    # what the newer record says, and whether it takes the older one's place
    "the same": ({}, True),
    "less human": ({"human": 100_000}, True),
    "more machine": ({"human": 100_000, "machine": 600_000}, True),
    "more human": ({"human": 200_001, "machine": 499_999}, False),
    "less machine": ({"machine": 499_999}, False),
    "human unstated": ({"human": None}, True),
    "machine unstated": ({"machine": None}, False),
    "a parent's share lowered": ({"ppm": 299_999}, False),
    "a parent's share unstated": ({"ppm": None}, False),
    "a parent's share raised": ({"ppm": 300_001, "human": 199_999}, True),
    "a parent dropped": ({"rel": "evidence", "ppm": None}, False),
    "another kind": ({"kind": "output", "human": 200_000}, True),
    "an experience now": ({"kind": "experience"}, False),
    "only reported now": ({"stance": "reported"}, True),
    "another's": ({"who": ANNA}, False),
    "other content": ({"content": id_of("other")}, False),
    "the same in another form": ({"form": "jcs"}, False),
    "sealed": ({"form": "sealed", "content": id_of("seal")}, True),
}


@pytest.mark.parametrize("name", SAYS_BETTER)
def test_what_supersedes(name: str) -> None:
    changes, takes_place = SAYS_BETTER[name]
    base: dict[str, Any] = {"human": 200_000, "machine": 500_000, "ppm": 300_000, "rel": "derived-from"}
    changes = base | changes
    parents = [over(changes.pop("rel"), PARENT, changes.pop("ppm")), over("supersedes", OLD)]
    new = claim("new", changes.pop("who", PAIR), changes.pop("kind", "work"), parents, **changes)
    assert replaces(new, OLD) is takes_place
    assert not replaces(OLD, new)


def test_reported_never_becomes_made_nor_output_work() -> None:
    for old in (claim("old", ANNA, stance="reported", human=None), claim("old", ANNA, "output")):
        assert not replaces(newer(old, human=None), old)


def test_who_was_not_proved_supersedes_nothing() -> None:
    old = claim("old", ANNA)
    new = newer(old)
    assert replaces(new, old)
    assert not replaces(replace(new, record=None), old)
    assert not replaces(new, replace(old, record=None, maker=None))
    foreign = replace(new, parents=tuple(parent._replace(log=TEXT) for parent in new.parents))
    assert not replaces(foreign, old)


# --- properties ----------------------------------------------------------------------------------------------------------


@MANY
@given(ancestries(), policies(), trusts(), moments(), st.randoms(use_true_random=False), st.data())
def test_the_row_is_the_meet_whatever_the_order(
    nodes: list[Node],
    policy: Policy,
    trust: Trust,
    moment: Moment,
    chance: random.Random,
    data: st.DataObject,
) -> None:
    claims = data.draw(
        st.lists(st.sampled_from([(node.id, None) for node in nodes]), min_size=1, unique=True)
    )
    judge = Judge(by_id(nodes), policy, trust, moment)
    found = judge.row(claims)
    for each in claims:
        alone = judge.row([each])
        counts = alone.code not in (Code.MAKER_NOT_ACCEPTED, Code.DISOWNED)
        assert found.verdict <= alone.verdict or not counts
    assert found.artifact_id in {artifact_id for artifact_id, _ in claims}
    assert set(found.rivals) < {artifact_id for artifact_id, _ in claims} | {b""}
    chance.shuffle(claims)
    assert Judge(by_id(nodes), policy, trust, moment).row(claims) == found


@MANY
@given(ancestries(), policies(), trusts(), moments(), st.data())
def test_less_proof_of_any_claim_never_makes_a_row_better(
    nodes: list[Node], policy: Policy, trust: Trust, moment: Moment, data: st.DataObject
) -> None:
    """Two things apart, which a trace does not lose: that a maker is accepted, and that nobody disowned his claim."""
    claims = data.draw(
        st.lists(st.sampled_from([(node.id, None) for node in nodes]), min_size=1, unique=True)
    )
    before = Judge(by_id(nodes), policy, trust, moment).row(claims)
    harmed = by_id(data.draw(harms(nodes)))
    for node in nodes:
        now = harmed.get(node.id)
        if now is not None and (now.presence is Presence.DISOWNED or now.endorsements != node.endorsements):
            harmed[node.id] = node
    after = Judge(harmed, policy, trust, moment).row(claims)
    assert after.verdict <= before.verdict, (before.why, after.why)

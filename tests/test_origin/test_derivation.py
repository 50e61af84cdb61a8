"""The derivation: the nearest reason, the shortest path to it, in words (SPEC §12.3)."""

from __future__ import annotations

import random

import pytest

from ledger.origin.judge import Judged
from ledger.origin.lattice import Verdict
from ledger.origin.reasons import Code, duration, percent, short
from ledger.proofs.facts import Node, Presence
from ledger.statements.record import Parent
from tests.test_origin.facts import (
    ANNA,
    BEN,
    CURATOR,
    LOG,
    MOMENT,
    PAIR,
    artifact,
    attestation,
    bench,
    id_of,
    judged,
    notice,
    over,
    policy_of,
    rows_of,
    trust_of,
)

HELD = artifact("x", notices=(notice(CURATOR, "hold"),))
CURATOR_ID, X = short(CURATOR.id), short(HELD.id)


def chain(base: Node, *relations: str) -> list[Node]:
    """A work over another over ..., by these relations; from the base on."""
    found = [base]
    for number, rel in enumerate(relations):
        found.append(
            artifact(
                f"c{number}",
                ANNA,
                "work",
                [over(rel, found[-1], 1 if rel == "derived-from" else None)],
                human=999_999,
            )
        )
    return found


def test_the_words_of_the_issue() -> None:
    found = judged(*chain(HELD, "derived-from"))
    assert found.why == (
        f"quarantined: its parent {X} is held since entry 1,204 by curator {CURATOR_ID}; "
        "reaches it through derived-from"
    )
    assert [(step.rel, step.id, step.row) for step in found.path] == [("derived-from", HELD.id, None)]


def test_at_the_row_itself() -> None:
    assert judged(HELD).why == f"quarantined: it is held since entry 1,204 by curator {CURATOR_ID}"
    assert judged(artifact("w")).why == "admitted: nothing stands against it"


@pytest.mark.parametrize(
    ("relations", "told"),
    [
        (["derived-from"] * 2, "derived-from 2 times"),
        (["distilled-from", "derived-from", "derived-from"], "distilled-from, derived-from 2 times"),
        (["derived-from"] * 1_000, "derived-from 1,000 times"),
        (
            ["derived-from", "distilled-from"] * 4,
            "derived-from, distilled-from, derived-from, distilled-from, derived-from, distilled-from, 2 steps more",
        ),
    ],
)
def test_a_longer_path_is_told_from_the_ancestor_on(relations: list[str], told: str) -> None:
    found = judged(*chain(HELD, *relations), policy=policy_of(""))
    assert found.why.endswith(
        f"its ancestor {X} is held since entry 1,204 by curator {CURATOR_ID}; reaches it through {told}"
    )
    assert len(found.path) == len(relations)


def test_a_row_of_the_parent_is_named() -> None:
    rows = rows_of(
        "rows",
        facts={"count": 2_000},
        notices=(notice(CURATOR, "hold", row=1_500),),
        attestations=(attestation(BEN),),
    )
    found = judged(rows, artifact("d", ANNA, "derived", [over("derived-from", rows, None, 1_500)]))
    assert f"quarantined: row 1,500 of its parent {short(rows.id)} is held" in found.why


def test_the_nearest_reason_is_told() -> None:
    near = artifact(
        "near",
        ANNA,
        "work",
        [over("derived-from", HELD, 1)],
        human=999_999,
        notices=(notice(CURATOR, "dispute"),),
    )
    found = judged(HELD, near, artifact("n", ANNA, "work", [over("derived-from", near, 1)], human=999_999))
    assert (found.code, len(found.path)) == (Code.DISPUTED, 1)  # as quarantined as what is held, and nearer
    both = artifact(
        "n", ANNA, "work", [over("derived-from", near, 1), over("derived-from", HELD, 1)], human=999_998
    )
    assert judged(HELD, near, both).code is Code.HELD  # equally near: the order of codes
    own = artifact("n", ANNA, "work", [over("derived-from", HELD, 1)], human=999_999, contested=4)
    assert judged(HELD, own).code is Code.CONTESTED


def test_what_is_worse_is_told_though_it_is_farther() -> None:
    base = artifact("b", notices=(notice(CURATOR, "retract"),))
    found = judged(
        *chain(base, "derived-from", "derived-from"),
        artifact("n", ANNA, "work", [over("derived-from", "c1", 1)], human=999_999, contested=4),
    )
    assert (found.verdict, found.code, len(found.path)) == (Verdict.REJECTED, Code.RETRACTED_BY_CURATOR, 3)


def test_of_two_paths_the_shorter() -> None:
    middle = artifact("m", ANNA, "work", [over("derived-from", HELD, 1)], human=999_999)
    found = judged(
        HELD,
        middle,
        artifact(
            "n", ANNA, "work", [over("derived-from", middle, 1), over("distilled-from", HELD)], human=999_999
        ),
        policy=policy_of(""),
    )
    assert [step.rel for step in found.path] == ["distilled-from"]


def test_of_equal_paths_one_is_told_whatever_the_order() -> None:
    base = HELD
    ways = [
        artifact(f"way {n}", ANNA, "work", [over("derived-from", base, 1)], human=999_999) for n in range(9)
    ]
    told = set()
    chance = random.Random(4)
    for _ in range(20):
        chance.shuffle(ways)
        last = artifact("last", ANNA, "work", [over("derived-from", way, 1) for way in ways], human=999_991)
        told.add(judged(base, *ways, last).path)
    ((first, second),) = told
    assert first.id == min(way.id for way in ways)
    assert second.id == base.id


SAYS = {
    "unlogged": (Node(id_of("y"), Presence.ABSENT), "is not in the log"),
    "reason": (
        artifact("y", notices=(notice(CURATOR, "dispute"),)),
        f"is disputed since entry 1,204 by {CURATOR_ID}",
    ),
    "maker": (
        artifact("y", notices=(notice(ANNA, "retract"),)),
        f"is retracted since entry 1,204 by its own maker {short(ANNA.id)}",
    ),
    "erase": (
        artifact("y", notices=(notice(CURATOR, "erase"),)),
        f"is to be erased since entry 1,204 by curator {CURATOR_ID}",
    ),
    "refuted": (
        artifact("y", attestations=(attestation(BEN, "origin", "refuted"),)),
        f"has its origin refuted since entry 9 by {short(BEN.id)}",
    ),
    "contested": (
        artifact("y", contested=2_000),
        "is signed by a key that signed two things at one place (evidence at entry 2,000)",
    ),
    "shares": (
        artifact("y", PAIR, human=123_400, machine=876_600),
        "is known to be people's by 12.34 %, under 50 %",
    ),
    "foreign": (
        artifact("y", ANNA, "work", [Parent("derived-from", id_of("z"), 1, LOG)], human=999_999),
        f"its parent {short(id_of('z'))} stands in another log, {short(LOG)}, of which nothing was proved",
    ),
}


@pytest.mark.parametrize("name", SAYS)
def test_words(name: str) -> None:
    node, words = SAYS[name]
    assert words in judged(node).why


def test_words_of_what_a_policy_asks() -> None:
    assert judged(artifact("w"), trust=trust_of(makers=[BEN])).why == (
        f"rejected: it is by {short(ANNA.id)}, whom the trust file does not accept as a maker"
    )
    week = policy_of("[age]\nquarantine_s = 604_800\n")
    assert (
        judged(artifact("w"), policy=week).why
        == "quarantined: it is too young: it has existed for 0 s, and 7 d are asked for"
    )
    assert judged(artifact("w", log_index=99_999), policy=week).why.startswith(
        "quarantined: it is too young: nothing that counts tells its age"
    )
    assert "it is vouched for by 0 of 1" in judged(rows_of("r")).why


def test_numbers_in_words() -> None:
    assert [duration(ms) for ms in (0, 999, 61_000, 86_400_000, 90_061_000, -5)] == [
        "0 s",
        "0 s",
        "1 min 1 s",
        "1 d",
        "1 d 1 h",
        "0 s",
    ]
    assert [percent(ppm) for ppm in (0, 1, 10_000, 505_000, 1_000_000)] == [
        "0 %",
        "0.0001 %",
        "1 %",
        "50.5 %",
        "100 %",
    ]


# --- deep and wide ---------------------------------------------------------------------------------------------------


def test_a_diamond_of_depth_40_is_quick() -> None:
    """2⁴⁰ paths, 81 artifacts; and the shortest of them is told."""
    nodes = [HELD]
    last = [HELD]
    for depth in range(40):
        last = [
            artifact(
                f"{side}{depth}",
                ANNA,
                "work",
                [over("derived-from", below, 1) for below in last],
                human=999_998,
            )
            for side in "ab"
        ]
        nodes += last
    found = judged(*nodes)
    assert (found.verdict, found.code, len(found.path)) == (Verdict.QUARANTINED, Code.HELD, 40)


def test_a_chain_of_20_000_needs_no_recursion() -> None:
    nodes = chain(HELD, *["derived-from"] * 20_000)
    found: Judged = bench(*nodes, moment=MOMENT)(nodes[-1])
    assert (found.code, len(found.path)) == (Code.HELD, 20_000)


def test_a_circle_that_is_made_up_is_unknown_and_ends() -> None:
    first, second = (
        artifact("a", ANNA, "work", [over("derived-from", "b")]),
        artifact("b", ANNA, "work", [over("derived-from", "a")]),
    )
    for node in (first, second):
        assert bench(first, second)(node).verdict is Verdict.REJECTED

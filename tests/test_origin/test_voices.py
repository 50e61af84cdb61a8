"""Whose word counts: makers, curators, attestors; independence and control; levels L3 and L4 (SPEC §12, §12.1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.reasons import Code
from ledger.proofs.facts import Node
from tests.test_origin.facts import (
    ANNA,
    BALANCED,
    BEN,
    CARA,
    CURATOR,
    DORA,
    LISTED,
    MACHINE,
    OLD,
    PAIR,
    QUORUM,
    REGISTRAR,
    SELF,
    TRUSTED,
    UNDER_QUORUM,
    Who,
    artifact,
    attestation,
    disowned,
    grade,
    id_of,
    judged,
    notice,
    older,
    over,
    policy_of,
    trust_of,
)

ADMITTED, QUARANTINED, REJECTED = Verdict.ADMITTED, Verdict.QUARANTINED, Verdict.REJECTED


W, W_BEN = artifact("w"), artifact("wb", BEN)


# --- who counts ------------------------------------------------------------------------------------------------------


def test_makers_count_by_name_by_their_anchor_or_by_a_registrars_grade() -> None:
    named = trust_of(makers=[ANNA])
    assert judged(W, trust=named).verdict is ADMITTED
    assert judged(artifact("p", PAIR, human=1_000_000), trust=named).verdict is ADMITTED
    assert judged(W_BEN, trust=named).code is Code.MAKER_NOT_ACCEPTED
    graded = trust_of(f"[registrars]\n{REGISTRAR.id.hex()} = ['verified']\n")
    for word, verdict in (("verified", ADMITTED), ("known", REJECTED)):
        assert (
            judged(artifact("g", BEN, endorsements=(grade(REGISTRAR, BEN, word),)), trust=graded).verdict
            is verdict
        )
    of_anchor = artifact("p", PAIR, human=1_000_000, endorsements=(grade(REGISTRAR, ANNA),))
    assert judged(of_anchor, trust=graded).verdict is ADMITTED
    stranger = artifact("g", BEN, endorsements=(grade(DORA, BEN, listed=True),))
    assert judged(stranger, trust=graded).code is Code.MAKER_NOT_ACCEPTED
    assert judged(W, trust=trust_of("makers = 'all'")).verdict is ADMITTED
    assert judged(W, trust=trust_of()).code is Code.MAKER_NOT_ACCEPTED


def test_ancestors_must_be_by_accepted_makers() -> None:
    derived = artifact("n", ANNA, "work", [over("derived-from", W_BEN, 1)], human=999_999)
    found = judged(W_BEN, derived, trust=trust_of(makers=[ANNA]))
    assert (found.code, len(found.path)) == (Code.MAKER_NOT_ACCEPTED, 1)


def test_curators_that_the_trust_file_does_not_name_dispute() -> None:
    trust = trust_of(makers=[ANNA], curators=[CURATOR])
    for act, code in (("hold", Code.HELD), ("retract", Code.RETRACTED_BY_CURATOR)):
        assert judged(artifact("x", notices=(notice(CURATOR, act),)), trust=trust).code is code
        assert judged(artifact("x", notices=(notice(LISTED, act),)), trust=trust).code is Code.DISPUTED
        assert (
            judged(artifact("x", notices=(notice(LISTED, act),)), trust=trust_of(makers=[ANNA])).code is code
        )
    nobody = trust_of(makers=[ANNA], curators=[])
    assert judged(artifact("x", notices=(notice(CURATOR, "hold"),)), trust=nobody).code is Code.DISPUTED
    own = artifact("x", CURATOR, "model", notices=(notice(CURATOR, "retract"),))
    assert judged(own, trust=trust).code is Code.RETRACTED_BY_CURATOR
    assert judged(own, trust=SELF).code is Code.RETRACTED_BY_MAKER


# --- levels L3 and L4 ------------------------------------------------------------------------------------------------


def level(node: Node, *others: Node, **changes: Any) -> Level:
    arguments: dict[str, Any] = {"policy": BALANCED, "trust": TRUSTED, "moment": UNDER_QUORUM} | changes
    return judged(*others, node, **arguments).level


def test_l3_takes_a_quorum_and_an_independent_voice() -> None:
    vouched = artifact("x", attestations=(attestation(BEN),))
    assert level(vouched) is Level.VOUCHED
    assert level(vouched, trust=SELF) is Level.ANCHORED
    no_quorum = trust_of('tlog_policy = """quorum none\n"""', makers=[ANNA, BEN])
    assert level(vouched, trust=no_quorum) is Level.ANCHORED
    for claim in ("content", "evidence", "origin", "reproduced"):
        assert level(artifact("x", attestations=(attestation(BEN, claim),))) is Level.VOUCHED


NO_VOICE = {
    "nobody": (),
    "of its own maker": (attestation(ANNA),),
    "of its own pair": (attestation(PAIR),),
    "of a stranger": (attestation(DORA),),
    "refuted": (attestation(BEN, result="refuted"),),
    "unclear": (attestation(BEN, result="unclear"),),
    "of one who is contested": (attestation(BEN, contested=True),),
    "of a row": (attestation(BEN, row=2),),
    "of a curator whom nobody names": (attestation(LISTED),),
    "of a grade that nobody may give": (attestation(DORA, grades=[grade(REGISTRAR, DORA)]),),
}


@pytest.mark.parametrize("name", NO_VOICE)
def test_l3_is_not_reached_by_an_attestation(name: str) -> None:
    assert level(artifact("x", attestations=NO_VOICE[name])) is Level.ANCHORED


def test_what_is_reported_or_nobodys_is_never_vouched_to_l3() -> None:
    voices = (attestation(BEN),)
    assert level(artifact("x", stance="reported", human=None, attestations=voices)) is Level.LOGGED
    assert level(artifact("x", MACHINE, "output", attestations=voices)) is Level.LOGGED
    assert level(disowned(artifact("x", attestations=voices))) is Level.LOGGED


def test_control_ends_independence() -> None:
    def under(*people: Who, more: str = "") -> Level:
        group = f"[[controlled]]\nidentities = [{', '.join(repr(who.id.hex()) for who in people)}]\n{more}"
        trust = trust_of(f"{QUORUM}\n{group}", makers=[ANNA, BEN, PAIR])
        return level(artifact("x", attestations=(attestation(BEN),)), trust=trust)

    assert under(CARA, DORA) is Level.VOUCHED
    assert under(ANNA, BEN) is Level.ANCHORED
    chain = f"[[controlled]]\nidentities = ['{BEN.id.hex()}', '{CARA.id.hex()}']\n"
    assert under(ANNA, CARA, more=chain) is Level.ANCHORED
    assert under(ANNA, DORA, more=chain) is Level.VOUCHED


def test_a_pair_is_under_control_with_its_group_and_its_anchor() -> None:
    group = f"[[controlled]]\nidentities = ['{PAIR.id.hex()}', '{BEN.id.hex()}']\n"
    trust = trust_of(f"{QUORUM}\n{group}", makers=[ANNA, BEN, CARA, PAIR])
    of_pair = artifact("x", PAIR, human=1_000_000, attestations=(attestation(BEN),))
    assert level(of_pair, trust=trust) is Level.ANCHORED
    by_pair = artifact("x", CARA, attestations=(attestation(PAIR),))
    assert level(by_pair, trust=trust) is Level.ANCHORED  # whose word it is cannot be told
    both = f"[[controlled]]\nidentities = ['{PAIR.id.hex()}', '{ANNA.id.hex()}', '{BEN.id.hex()}']\n"
    whole = trust_of(f"{QUORUM}\n{both}", makers=[ANNA, BEN, CARA, PAIR])
    assert level(by_pair, trust=whole) is Level.VOUCHED
    assert level(artifact("x", BEN, attestations=(attestation(PAIR),)), trust=whole) is Level.ANCHORED


def test_a_derived_is_vouched_for_by_who_is_independent_of_its_parents_too() -> None:
    trust = trust_of(QUORUM, makers=[ANNA, BEN, CARA, DORA], tools=[CARA])
    for attestor, reached in ((ANNA, Level.ANCHORED), (BEN, Level.ANCHORED), (DORA, Level.VOUCHED)):
        chunk = artifact(
            "d",
            CARA,
            "derived",
            [over("derived-from", W), over("derived-from", W_BEN)],
            attestations=(attestation(attestor),),
        )
        assert level(chunk, W, W_BEN, trust=trust) is reached
    assert level(chunk, W, trust=trust) is Level.ANCHORED  # one parent is not at hand


def experience(**changes: Any) -> Node:
    facts = {"confidence": 700_000, "evidence": [id_of("photo")]}
    fields = {"facts": facts, "human": 1_000_000, "attestations": (attestation(BEN, "evidence"),)} | changes
    return artifact(
        "x",
        ANNA,
        "experience",
        changes.pop("parents", ()),
        **{k: v for k, v in fields.items() if k != "parents"},
    )


def test_l4_takes_all_of_it() -> None:
    assert level(experience(), moment=OLD) is Level.REALITY_BOUND
    named = experience(facts={"confidence": 1}, parents=[over("evidence", W)])
    assert level(named, W, moment=OLD) is Level.REALITY_BOUND


NOT_L4 = {
    "no confidence": experience(facts={"evidence": [id_of("photo")]}),
    "no evidence named": experience(facts={"confidence": 1}),
    "another claim": experience(attestations=(attestation(BEN, "content"),)),
    "checked by its own pair": experience(attestations=(attestation(BEN), attestation(PAIR, "evidence"))),
    "a dispute": experience(notices=(notice(CURATOR, "dispute"),)),
    "a refutation": experience(
        attestations=(attestation(BEN, "evidence"), attestation(CARA, result="refuted"))
    ),
    "no experience": artifact("x", attestations=(attestation(BEN, "evidence"),)),
    "not in what is that old": experience(log_index=8),
}


@pytest.mark.parametrize("name", NOT_L4)
def test_l4_is_not_reached(name: str) -> None:
    assert level(NOT_L4[name], moment=OLD) is Level.VOUCHED


def test_l4_waits_a_week_or_what_the_policy_asks() -> None:
    assert level(experience(), moment=replace(UNDER_QUORUM, older=(older(8, 6),))) is Level.VOUCHED
    longer = policy_of("[age]\nquarantine_s = 864000")
    assert level(experience(), moment=OLD, policy=longer) is Level.VOUCHED
    assert (
        level(experience(), moment=replace(UNDER_QUORUM, older=(older(8, 10),)), policy=longer)
        is Level.REALITY_BOUND
    )

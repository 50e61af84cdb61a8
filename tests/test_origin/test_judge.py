"""What each fact comes to: statuses, ancestors, laundering, by the policies that come with the package (SPEC §12.2, §12.3)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import Undecided
from ledger.fold.faults import Fault
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.reasons import Code
from ledger.proofs.facts import Node, Place, Presence
from ledger.statements.record import Parent
from tests.test_origin.facts import (
    ANNA,
    BEN,
    CARA,
    CURATOR,
    DORA,
    INVENTORY,
    LOG,
    MACHINE,
    OLD,
    PAIR,
    QUORUM,
    REGISTRAR,
    SELF,
    STRICT,
    TOOL,
    TRUSTED,
    UNDER_QUORUM,
    Who,
    artifact,
    attestation,
    bench,
    disowned,
    grade,
    id_of,
    judged,
    notice,
    over,
    policy_of,
    rows_of,
    trust_of,
)

ADMITTED, QUARANTINED, REJECTED = Verdict.ADMITTED, Verdict.QUARANTINED, Verdict.REJECTED


def child(node: Node, rel: str = "derived-from", who: Who = ANNA, **changes: object) -> Node:
    return artifact("child", who, "work", [over(rel, node)], **changes)


# --- what is said of an artifact ----------------------------------------------------------------------------------

FAULT = Fault(7, "share-illegal", "record")
STATES: dict[str, tuple[Node, Standing, Verdict, Code, Standing]] = {
    # what stands there; its status, verdict and code; the status of what is derived from it
    "a work": (artifact("x"), Standing.RELEASED, ADMITTED, Code.CLEAR, Standing.RELEASED),
    "held": (
        artifact("x", notices=(notice(CURATOR, "hold"),)),
        Standing.QUARANTINED,
        QUARANTINED,
        Code.HELD,
        Standing.QUARANTINED,
    ),
    "retracted by its maker": (
        artifact("x", notices=(notice(ANNA, "retract"),)),
        Standing.RETRACTED,
        REJECTED,
        Code.RETRACTED_BY_MAKER,
        Standing.CONDITIONAL,
    ),
    "erased by its maker": (
        artifact("x", notices=(notice(ANNA, "erase"),)),
        Standing.RETRACTED,
        REJECTED,
        Code.RETRACTED_BY_MAKER,
        Standing.CONDITIONAL,
    ),
    "a pair's, retracted by the anchor": (
        artifact("x", PAIR, human=1_000_000, notices=(notice(ANNA, "retract"),)),
        Standing.RETRACTED,
        REJECTED,
        Code.RETRACTED_BY_MAKER,
        Standing.CONDITIONAL,
    ),
    "retracted by a curator": (
        artifact("x", notices=(notice(CURATOR, "retract"),)),
        Standing.RETRACTED,
        REJECTED,
        Code.RETRACTED_BY_CURATOR,
        Standing.RETRACTED,
    ),
    "retracted by both": (
        artifact("x", notices=(notice(ANNA, "retract"), notice(CURATOR, "retract"))),
        Standing.RETRACTED,
        REJECTED,
        Code.RETRACTED_BY_CURATOR,
        Standing.RETRACTED,
    ),
    "disputed": (
        artifact("x", notices=(notice(CURATOR, "dispute"),)),
        Standing.CONDITIONAL,
        QUARANTINED,
        Code.DISPUTED,
        Standing.CONDITIONAL,
    ),
    "refuted": (
        artifact("x", attestations=(attestation(BEN, result="refuted"),)),
        Standing.CONDITIONAL,
        QUARANTINED,
        Code.REFUTED,
        Standing.CONDITIONAL,
    ),
    "refuted by one who is contested": (
        artifact("x", attestations=(attestation(BEN, result="refuted", contested=True),)),
        Standing.CONDITIONAL,
        QUARANTINED,
        Code.REFUTED,
        Standing.CONDITIONAL,
    ),
    "of unclear authorship": (
        artifact("x", attestations=(attestation(BEN, result="unclear"),)),
        Standing.RELEASED,
        ADMITTED,
        Code.CLEAR,
        Standing.RELEASED,
    ),
    "contested": (
        artifact("x", contested=33),
        Standing.QUARANTINED,
        QUARANTINED,
        Code.CONTESTED,
        Standing.QUARANTINED,
    ),
    "disowned": (disowned(artifact("x")), Standing.UNKNOWN, REJECTED, Code.DISOWNED, Standing.UNKNOWN),
    "absent": (
        Node(id_of("x"), Presence.ABSENT),
        Standing.UNKNOWN,
        REJECTED,
        Code.UNLOGGED,
        Standing.UNKNOWN,
    ),
    "erased": (Node(id_of("x"), Presence.ERASED), Standing.UNKNOWN, REJECTED, Code.ERASED, Standing.UNKNOWN),
    "withheld": (
        Node(id_of("x"), Presence.ERASED, fault=Fault(7, "record-missing", "record")),
        Standing.UNKNOWN,
        REJECTED,
        Code.WITHHELD,
        Standing.UNKNOWN,
    ),
    "faulty": (
        Node(id_of("x"), Presence.FAULTY, fault=FAULT, places=(Place(7, 0, FAULT),)),
        Standing.UNKNOWN,
        REJECTED,
        Code.FAULTY,
        Standing.UNKNOWN,
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_what_stands_comes_to(name: str) -> None:
    node, status, verdict, code, _ = STATES[name]
    found = judged(node)
    assert (found.status, found.verdict, found.code, found.path) == (status, verdict, code, ())


@pytest.mark.parametrize("rel", ["derived-from", "generated-by", "distilled-from", "trained-on"])
@pytest.mark.parametrize("name", STATES)
def test_and_hands_it_on(name: str, rel: str) -> None:
    node, *_, handed = STATES[name]
    found = judged(node, child(node, rel))
    assert found.status == (min(handed, Standing.CONDITIONAL) if rel == "trained-on" else handed)
    assert (found.verdict is ADMITTED) == (found.status is Standing.RELEASED)


@pytest.mark.parametrize("rel", ["quotes", "evidence", "corrects", "supersedes"])
@pytest.mark.parametrize("name", STATES)
def test_what_quotes_or_refers_takes_nothing_over(name: str, rel: str) -> None:
    """But whose record is kept back makes its child unknown, over whatever relation."""
    node, *_ = STATES[name]
    found = judged(node, child(node, rel, human=1_000_000))
    assert found.status is (Standing.UNKNOWN if name == "withheld" else Standing.RELEASED)
    assert found.code is (Code.WITHHELD if name == "withheld" else Code.CLEAR)


@pytest.mark.parametrize("rel", ["derived-from", "generated-by", "distilled-from", "trained-on"])
def test_what_was_not_proved_or_stands_elsewhere_is_unknown(rel: str) -> None:
    missing = judged(child(artifact("x"), rel))
    assert (missing.status, missing.verdict, missing.code) == (Standing.UNKNOWN, REJECTED, Code.UNPROVED)
    foreign = judged(artifact("child", ANNA, "work", [Parent(rel, id_of("x"), None, LOG)]))
    assert (foreign.status, foreign.verdict, foreign.code) == (Standing.UNKNOWN, REJECTED, Code.FOREIGN)


@pytest.mark.parametrize("rel", ["quotes", "evidence", "corrects", "supersedes"])
def test_what_it_refers_to_must_be_proved_as_well(rel: str) -> None:
    """Else a source that holds it back would hide what is wrong between the two."""
    found = judged(artifact("child", ANNA, "work", [over(rel, "x")], human=1_000_000))
    assert (found.status, found.verdict, found.code) == (Standing.UNKNOWN, REJECTED, Code.WITHHELD)


def test_an_artifact_that_was_not_proved_is_unknown() -> None:
    found = bench().judge().artifact(id_of("x"))
    assert (found.status, found.verdict, found.code, found.level) == (
        Standing.UNKNOWN,
        REJECTED,
        Code.UNPROVED,
        Level.UNLOGGED,
    )


def test_a_foreign_quotation_takes_nothing_over() -> None:
    found = judged(artifact("child", ANNA, "work", [Parent("quotes", id_of("x"), None, LOG)], human=600_000))
    assert found.verdict is ADMITTED


def test_rescued_authorship_stands_again() -> None:
    event = disowned(artifact("x")).places[0].disowned
    assert event is not None
    place = Place(7, 0, None, replace(event, rescued_by=(BEN.id,)))
    assert judged(artifact("x", places=(place,))).verdict is ADMITTED


# --- rows of `rows` records ------------------------------------------------------------------------------------------

VOUCHED = (attestation(BEN, "origin"),)


@pytest.mark.parametrize(
    ("act", "by", "status", "code"),
    [
        ("hold", CURATOR, Standing.QUARANTINED, Code.HELD),
        ("retract", CURATOR, Standing.RETRACTED, Code.RETRACTED_BY_CURATOR),
        ("retract", ANNA, Standing.RETRACTED, Code.RETRACTED_BY_MAKER),
        ("dispute", CURATOR, Standing.CONDITIONAL, Code.DISPUTED),
    ],
)
def test_a_notice_on_a_row_counts_for_that_row_alone(act: str, by: Who, status: Standing, code: Code) -> None:
    rows = rows_of("rows", attestations=VOUCHED, notices=(notice(by, act, row=5),))
    found = judged(rows, row=5)
    assert (found.status, found.code, found.row) == (status, code, 5)
    assert judged(rows, row=6).verdict is ADMITTED
    whole = judged(rows)
    assert (whole.status, whole.code) == (Standing.CONDITIONAL, Code.ROW_NOTICED)
    of_row, of_other, of_whole = (
        judged(rows, artifact("child", ANNA, "derived", [over("derived-from", rows, None, row)]))
        for row in (5, 6, None)
    )
    assert of_row.status == (Standing.CONDITIONAL if by is ANNA else status)
    assert (of_other.status, of_other.verdict) == (Standing.RELEASED, ADMITTED)
    assert of_whole.status is Standing.CONDITIONAL


def test_a_row_that_it_does_not_have_is_unknown() -> None:
    rows = rows_of("rows", attestations=VOUCHED)
    assert judged(rows, row=99).verdict is ADMITTED
    for node, row in ((rows, 100), (rows, -1), (artifact("w"), 0)):
        found = judged(node, row=row)
        assert (found.status, found.verdict, found.code) == (Standing.UNKNOWN, REJECTED, Code.UNPROVED)
        assert bench(node).judge().row([(node.id, row)]).verdict is REJECTED
    child_of_none = artifact("d", ANNA, "derived", [over("derived-from", rows, None, 100)])
    assert judged(rows, child_of_none).code is Code.UNPROVED


def test_a_row_is_vouched_for_by_itself() -> None:
    rows = rows_of("rows", attestations=(attestation(BEN, "origin", row=5),))
    assert judged(rows, row=5).verdict is ADMITTED
    for row in (6, None):
        assert judged(rows, row=row).code is Code.NOT_VOUCHED
    refuted = rows_of("rows", attestations=(*VOUCHED, attestation(CARA, result="refuted", row=5)))
    assert [judged(refuted, row=row).code for row in (5, 6, None)] == [
        Code.REFUTED,
        Code.CLEAR,
        Code.ROW_NOTICED,
    ]


# --- balanced --------------------------------------------------------------------------------------------------------

W = artifact("w")
W_BEN = artifact("wb", BEN)
OUTPUT = artifact("o", PAIR, "output")
MODEL = artifact("m", ANNA, "model")
CASES: dict[str, tuple[list[Node], Verdict, Code]] = {
    "a work": ([W], ADMITTED, Code.CLEAR),
    "an experience": ([artifact("e", ANNA, "experience", human=900_000)], ADMITTED, Code.CLEAR),
    "a pair's work with its shares": (
        [artifact("p", PAIR, human=700_000, machine=300_000)],
        ADMITTED,
        Code.CLEAR,
    ),
    "a chunk by its own author": (
        [W, artifact("d", ANNA, "derived", [over("derived-from", W)])],
        ADMITTED,
        Code.CLEAR,
    ),
    "a chunk by its author's pair": (
        [W, artifact("d", PAIR, "derived", [over("derived-from", W)])],
        ADMITTED,
        Code.CLEAR,
    ),
    "a pair's work, its anchor's chunk": (
        [artifact("p", PAIR, human=1_000_000), artifact("d", ANNA, "derived", [over("derived-from", "p")])],
        ADMITTED,
        Code.CLEAR,
    ),
    "a work that builds on others": (
        [
            W,
            W_BEN,
            artifact(
                "n",
                ANNA,
                "work",
                [over("derived-from", W, 300_000), over("derived-from", W_BEN, 200_000)],
                human=500_000,
            ),
        ],
        ADMITTED,
        Code.CLEAR,
    ),
    "an output": ([OUTPUT], REJECTED, Code.KIND_NOT_ADMITTED),
    "an abstract": (
        [W, artifact("a", ANNA, "abstract", [over("distilled-from", W)])],
        REJECTED,
        Code.KIND_NOT_ADMITTED,
    ),
    "a model": ([MODEL], REJECTED, Code.KIND_NOT_ADMITTED),
    "a work of a machine's role": ([artifact("mw", MACHINE)], REJECTED, Code.LEVEL_TOO_LOW),
    "a reported row": ([rows_of("r")], QUARANTINED, Code.NOT_VOUCHED),
    "a reported row, vouched for": ([rows_of("r", attestations=VOUCHED)], ADMITTED, Code.CLEAR),
    "a reported row, vouched for by its reporter's pair": (
        [rows_of("r", attestations=(attestation(PAIR, "origin"),))],
        QUARANTINED,
        Code.NOT_VOUCHED,
    ),
    "a reported work": ([artifact("r", ANNA, stance="reported", human=None)], QUARANTINED, Code.NOT_VOUCHED),
    "a reported output": (
        [artifact("r", ANNA, "output", stance="reported")],
        REJECTED,
        Code.KIND_NOT_ADMITTED,
    ),
    "a lab's own rows": ([rows_of("r", stance="made")], QUARANTINED, Code.NOT_VOUCHED),
    "a reported row from a synthetic source": (
        [rows_of("r", attestations=VOUCHED, source={"category": "synthetic"})],
        REJECTED,
        Code.SOURCE_NOT_ALLOWED,
    ),
    "a chunk of a reported row": (
        [rows_of("r"), artifact("d", ANNA, "derived", [over("derived-from", "r", None, 3)])],
        QUARANTINED,
        Code.NOT_VOUCHED,
    ),
    "a chunk of a reported row, vouched for": (
        [
            rows_of("r", attestations=VOUCHED),
            artifact("d", ANNA, "derived", [over("derived-from", "r", None, 3)]),
        ],
        ADMITTED,
        Code.CLEAR,
    ),
    # Laundering
    "a work derived from nine tenths of output": (
        [OUTPUT, artifact("n", ANNA, "work", [over("derived-from", OUTPUT, 900_000)], human=100_000)],
        REJECTED,
        Code.KIND_NOT_ADMITTED,
    ),
    "a work that quotes nine tenths of output": (
        [OUTPUT, artifact("n", ANNA, "work", [over("quotes", OUTPUT, 900_000)], human=100_000)],
        REJECTED,
        Code.HUMAN_SHARE_TOO_SMALL,
    ),
    "a work that quotes output and says nothing": (
        [OUTPUT, artifact("n", ANNA, "work", [over("quotes", OUTPUT)])],
        REJECTED,
        Code.SHARES_UNSTATED,
    ),
    "a work that quotes another's and says nothing": (
        [W_BEN, artifact("n", ANNA, "work", [over("quotes", W_BEN)])],
        ADMITTED,
        Code.CLEAR,
    ),
    "a work that quotes what is erased and says nothing": (
        [Node(id_of("gone"), Presence.ERASED), artifact("n", ANNA, "work", [over("quotes", "gone")])],
        REJECTED,
        Code.SHARES_UNSTATED,
    ),
    "a work that quotes what stands elsewhere and says nothing": (
        [artifact("n", ANNA, "work", [Parent("quotes", id_of("x"), None, LOG)])],
        REJECTED,
        Code.SHARES_UNSTATED,
    ),
    "a work that quotes output by a tenth": (
        [OUTPUT, artifact("n", ANNA, "work", [over("quotes", OUTPUT, 100_000)], human=900_000)],
        ADMITTED,
        Code.CLEAR,
    ),
    "a work of a pair that is nine tenths machine": (
        [artifact("n", PAIR, human=100_000, machine=900_000)],
        REJECTED,
        Code.HUMAN_SHARE_TOO_SMALL,
    ),
    "a work that builds on one that is nine tenths machine": (
        [
            artifact("n", PAIR, human=100_000, machine=900_000),
            artifact("o", ANNA, "work", [over("derived-from", "n", 10_000)], human=990_000),
        ],
        REJECTED,
        Code.HUMAN_SHARE_TOO_SMALL,
    ),
    "a pair that says nothing of its shares": ([artifact("n", PAIR)], REJECTED, Code.SHARES_UNSTATED),
    "a pair that leaves its machine's share open": (
        [artifact("n", PAIR, human=400_000)],
        REJECTED,
        Code.HUMAN_SHARE_TOO_SMALL,
    ),
    "a human who says nothing": ([artifact("n", ANNA, human=None)], ADMITTED, Code.CLEAR),
    "a human who says a little": ([artifact("n", ANNA, human=300_000)], REJECTED, Code.HUMAN_SHARE_TOO_SMALL),
    "a chunk made by a stranger": (
        [W, artifact("d", BEN, "derived", [over("derived-from", W)])],
        REJECTED,
        Code.DERIVED_BY_STRANGER,
    ),
    "a chunk of two authors by one of them": (
        [W, W_BEN, artifact("d", ANNA, "derived", [over("derived-from", W), over("derived-from", W_BEN)])],
        REJECTED,
        Code.DERIVED_BY_STRANGER,
    ),
    "a chunk by a tool that nobody names": (
        [W, artifact("d", TOOL, "derived", [over("derived-from", W)])],
        REJECTED,
        Code.DERIVED_BY_STRANGER,
    ),
    "a chunk that quotes more output than it contains": (
        [
            W,
            OUTPUT,
            artifact("d", ANNA, "derived", [over("derived-from", W, 1), over("quotes", OUTPUT, 999_999)]),
        ],
        REJECTED,
        Code.HUMAN_SHARE_TOO_SMALL,
    ),
    "a work that learned from a model": (
        [MODEL, artifact("n", ANNA, "work", [over("distilled-from", MODEL)], human=1_000_000)],
        REJECTED,
        Code.KIND_NOT_ADMITTED,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_balanced(name: str) -> None:
    nodes, verdict, code = CASES[name]
    found = judged(*nodes)
    assert (found.verdict, found.code) == (verdict, code), found.why


def test_who_quotes_a_stranger_and_says_nothing_is_believed_his_own() -> None:
    """But a stranger's share that is stated counts for nothing."""
    stranger = artifact("s", DORA)
    for share, code in ((None, Code.CLEAR), (600_000, Code.SHARES_UNSTATED)):
        quoting = artifact("n", ANNA, "work", [over("quotes", stranger, share)])
        assert judged(stranger, quoting, trust=trust_of(makers=[ANNA])).code is code


def test_who_reports_what_he_quotes_waits_with_it() -> None:
    """A quotation of a reported row counts once somebody vouches for that."""
    rows = rows_of("r")
    half = [over("quotes", rows, 600_000, 3)]
    waiting = judged(rows, artifact("n", ANNA, "work", half, human=400_000))
    assert (waiting.verdict, waiting.code) == (QUARANTINED, Code.HUMAN_SHARE_TOO_SMALL)
    assert (
        judged(rows_of("r", attestations=VOUCHED), artifact("n", ANNA, "work", half, human=400_000)).verdict
        is ADMITTED
    )


def test_a_tool_that_the_trust_file_names_counts() -> None:
    chunk = artifact("d", TOOL, "derived", [over("derived-from", W), over("derived-from", W_BEN)])
    trust = trust_of(makers=[ANNA, BEN], tools=[TOOL])
    assert judged(W, W_BEN, chunk, trust=trust).verdict is ADMITTED
    of_chunk = artifact("d2", TOOL, "derived", [over("derived-from", chunk)])
    assert judged(W, W_BEN, chunk, of_chunk, trust=trust).verdict is ADMITTED
    again = artifact("d2", ANNA, "derived", [over("derived-from", chunk)])
    assert judged(W, W_BEN, chunk, again, trust=trust).code is Code.DERIVED_BY_STRANGER
    own = artifact("d", TOOL, "derived", [over("derived-from", W)])
    assert (
        judged(W, own, artifact("d2", ANNA, "derived", [over("derived-from", own)]), trust=trust).verdict
        is ADMITTED
    )
    assert (
        judged(artifact("tw", TOOL), trust=trust).code is Code.MAKER_NOT_ACCEPTED
    )  # it derives, and makes nothing


def test_a_named_tool_needs_no_attestation_of_its_own() -> None:
    trust, asking = trust_of(makers=[ANNA, BEN], tools=[TOOL]), policy_of("[attestations]\nleast = 1\n")
    chunk = artifact("d", TOOL, "derived", [over("derived-from", W)])
    assert judged(W, chunk, trust=trust, policy=asking).verdict is ADMITTED
    own = artifact("d", ANNA, "derived", [over("derived-from", W)])
    assert judged(W, own, trust=trust, policy=asking).code is Code.TOO_FEW_ATTESTATIONS


def test_of_too_many_owners_nobody_is_known_to_be_independent() -> None:
    people = [Who(f"author {number}") for number in range(65)]
    asking = policy_of("[rows]\nderived = 'until-vouched'\n")
    trust = trust_of(makers=[*people, BEN], tools=[TOOL])
    for count, code in ((64, Code.CLEAR), (65, Code.NOT_VOUCHED)):
        works = [artifact(f"w{number}", who) for number, who in enumerate(people[:count])]
        parents = [over("derived-from", work) for work in works]
        merged = artifact("d", TOOL, "derived", parents, attestations=(attestation(BEN),))
        assert judged(*works, merged, trust=trust, policy=asking).code is code


# --- strict, inventory -----------------------------------------------------------------------------------------------


def test_strict_admits_what_is_vouched_for_and_a_week_old_throughout() -> None:
    base = artifact("b", ANNA, attestations=(attestation(BEN),), log_index=3)
    derived = artifact(
        "n", ANNA, "work", [over("derived-from", base, 1)], human=999_999, attestations=(attestation(CARA),)
    )
    arguments: dict[str, Any] = {"policy": STRICT, "trust": TRUSTED, "moment": OLD}
    assert judged(base, derived, **arguments).verdict is ADMITTED
    bare = artifact("b", ANNA, log_index=3)
    found = judged(bare, derived, **arguments)
    assert (found.verdict, found.code, len(found.path)) == (REJECTED, Code.LEVEL_TOO_LOW, 1)
    young = judged(base, derived, **arguments | {"moment": UNDER_QUORUM})
    assert (young.verdict, young.code) == (QUARANTINED, Code.TOO_YOUNG)
    assert judged(rows_of("r"), **arguments).code is Code.KIND_NOT_ADMITTED
    held = artifact("b", ANNA, attestations=(attestation(BEN),), notices=(notice(CURATOR, "dispute"),))
    assert judged(held, **arguments).verdict is REJECTED


def test_strict_asks_for_grades() -> None:
    trust = trust_of(
        f"{QUORUM}\n[registrars]\n{REGISTRAR.id.hex()} = ['verified', 'known']", makers=[BEN, CARA]
    )
    for word, verdict in (("verified", ADMITTED), ("known", REJECTED)):
        node = artifact(
            "x", DORA, attestations=(attestation(BEN),), endorsements=(grade(REGISTRAR, DORA, word),)
        )
        assert judged(node, policy=STRICT, trust=trust, moment=OLD).verdict is verdict


def test_strict_without_a_quorum_decides_nothing_and_says_why() -> None:
    for trust in (SELF, trust_of(makers=[ANNA]), trust_of('tlog_policy = """quorum none\n"""')):
        with pytest.raises(Undecided, match=r"trust file") as refusal:
            judged(W, policy=STRICT, trust=trust)
        assert (refusal.value.code, refusal.value.family) == ("undecided", "PolicyDenied")
    with pytest.raises(Undecided, match="has not cosigned"):
        judged(W, policy=STRICT, trust=TRUSTED)


@pytest.mark.parametrize("name", STATES)
def test_inventory_decides_nothing_and_reports_everything(name: str) -> None:
    node, status, _, code, _ = STATES[name]
    found = judged(node, policy=INVENTORY)
    assert (found.status, found.verdict, found.code) == (status, Verdict.UNDECIDED, code)
    assert found.why.startswith("undecided: ")


def test_inventory_works_with_nothing_at_all() -> None:
    found = bench(policy=INVENTORY, trust=trust_of(QUORUM)).judge().row([])
    assert (found.verdict, found.code, found.level) == (Verdict.UNDECIDED, Code.UNLOGGED, Level.UNLOGGED)
    for name in (
        "an output",
        "an abstract",
        "a model",
        "a reported row",
        "a pair that says nothing of its shares",
    ):
        nodes, *_ = CASES[name]
        assert judged(*nodes, policy=INVENTORY).code in (Code.CLEAR, Code.TRAINED_ON)

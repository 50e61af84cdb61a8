"""Random ancestries, policies and trust files for properties of the gate. For tests only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from ledger.fold.faults import Fault
from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.moment import Moment
from ledger.origin.policy import GRADES, Need, Policy, Rights, Unstated
from ledger.origin.trust import Trust
from ledger.proofs.facts import Disowning, Existed, Node, Place, Presence
from ledger.proofs.tlog_policy import TlogPolicy
from ledger.statements import words
from ledger.statements.record import Parent
from tests.test_origin.facts import (
    ANNA,
    BEN,
    CARA,
    COSIGNED,
    CURATOR,
    DAY_MS,
    DORA,
    LISTED,
    LOG,
    MACHINE,
    MOMENT,
    NOW_MS,
    PAIR,
    REGISTRAR,
    SELF,
    TOOL,
    Who,
    artifact,
    attestation,
    grade,
    id_of,
    notice,
)

MAKERS = (*[ANNA] * 6, BEN, BEN, CARA, PAIR, PAIR, TOOL, MACHINE)
VOICES = (BEN, CARA, DORA, PAIR, ANNA, CURATOR, LISTED)
KINDS = (
    *["work"] * 9,
    *["derived"] * 4,
    "experience",
    "experience",
    "dataset",
    "output",
    "model",
    "abstract",
)
RELATIONS = (
    "derived-from",
    "derived-from",
    "derived-from",
    "quotes",
    "trained-on",
    "distilled-from",
    "generated-by",
    "evidence",
    "supersedes",
    "corrects",
)
QUORUM = TlogPolicy((), (), (), "w")
ROWS = (None, None, None, 0, 1)


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def few(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


grades_of = st.tuples(one_of(REGISTRAR, DORA), st.sampled_from(sorted(words.GRADES)), st.booleans())


@st.composite
def attestations(draw: st.DrawFn) -> Any:
    by = draw(st.sampled_from(VOICES))
    given = draw(few(grades_of, 1))
    return attestation(
        by,
        draw(one_of("authorship", "content", "evidence")),
        draw(one_of(*["confirmed"] * 12, "refuted", "unclear")),
        draw(st.sampled_from(ROWS)),
        grades=[grade(issuer, by, word, listed=listed) for issuer, word, listed in given],
        contested=draw(one_of(False, False, False, True)),
    )


@st.composite
def nodes(draw: st.DrawFn, number: int, former: list[Node], *, unknown: bool = True) -> Node:
    """An artifact over former ones; most stand and nothing is said of them."""
    who: Who = draw(st.sampled_from(MAKERS))
    kind = draw(st.sampled_from(KINDS))
    parents = {}
    for back, rel, ppm, row in draw(
        few(
            st.tuples(
                st.integers(0, 9),
                st.sampled_from(RELATIONS),
                one_of(None, None, 100_000, 400_000),
                st.sampled_from(ROWS),
            ),
            3,
        )
    ):
        if former:
            parent = former[-1 - back % len(former)]
            is_rows = parent.record is not None and parent.record.form == "rows"
            shown = (
                ppm
                if rel in ("derived-from", "quotes", "trained-on", "distilled-from", "generated-by")
                else None
            )
            parents[rel, parent.id] = Parent(rel, parent.id, shown, None, row if is_rows else None)
    if unknown and draw(st.integers(0, 59)) == 0:
        parents["quotes", LOG] = Parent(draw(st.sampled_from(RELATIONS)), id_of("elsewhere"), None, LOG)
    acts = [
        notice(by if by is not ANNA else who if who.of is None else ANNA, act, row, 20 + place)
        for place, (by, act, row) in enumerate(
            draw(
                few(
                    st.tuples(
                        one_of(CURATOR, LISTED, ANNA),
                        one_of("hold", "retract", "dispute", "erase"),
                        st.sampled_from(ROWS),
                    ),
                    draw(one_of(*[0] * 12, 1)),
                )
            )
        )
    ]
    said = {(item.by, item.claim, item.row): item for item in draw(few(attestations(), 2))}
    stance = draw(one_of(*["made"] * 9, "reported"))
    fields: dict[str, Any] = {
        "stance": stance,
        "form": "rows" if kind == "dataset" else "raw",
        "human": draw(one_of(None, 1_000_000, 1_000_000, 600_000, 600_000, 100_000))
        if kind in ("work", "experience")
        else None,
        "machine": draw(one_of(None, None, 300_000)) if kind == "work" and who.role == "pair" else None,
    }
    if kind == "dataset":
        fields["facts"] = {"count": 3}
    if kind == "experience":
        fields["facts"] = draw(
            one_of({"confidence": 1, "evidence": [LOG]}, {"stake": "low"}, {"confidence": 5})
        )
    if draw(st.integers(0, 15)) == 0:
        fields["rights"] = {"train": draw(one_of("denied", "allowed", "constrained"))}
    given = draw(few(grades_of, 1))
    node = artifact(
        f"n{number}",
        who,
        kind,
        parents.values(),
        **fields,
        log_index=draw(st.integers(0, 40)),
        notices=tuple(acts),
        attestations=tuple(said.values()),
        contested=draw(one_of(*[None] * 40, 30)),
        endorsements=tuple(grade(issuer, who, word, listed=listed) for issuer, word, listed in given),
    )
    return draw(presences(node)) if unknown else node


@st.composite
def presences(draw: st.DrawFn, node: Node) -> Node:
    return worse(
        node,
        draw(
            one_of(
                *[Presence.STANDS] * 40, Presence.DISOWNED, Presence.FAULTY, Presence.ERASED, Presence.ABSENT
            )
        ),
    )


def worse(node: Node, presence: Presence, *, withheld: bool = False) -> Node:
    """The same artifact, less of which is proved."""
    if presence is Presence.STANDS:
        return node
    if presence is Presence.DISOWNED:
        event = Disowning(id_of("event"), 90, 5, 5, suspect=False)
        return replace(node, presence=presence, places=(Place(node.log_index or 0, 0, None, event),))
    fault = Fault(
        node.log_index or 0, "record-missing" if presence is Presence.ERASED else "schema", "record"
    )
    if presence is Presence.ABSENT or (presence is Presence.ERASED and not withheld):
        return Node(node.id, presence, notices=node.notices)
    return Node(
        node.id,
        presence,
        record=node.record if presence is Presence.FAULTY else None,
        fault=fault,
        notices=node.notices,
    )


@st.composite
def ancestries(draw: st.DrawFn, most: int = 6, *, unknown: bool = True) -> list[Node]:
    found: list[Node] = []
    for number in range(draw(st.integers(1, most))):
        found.append(draw(nodes(number, found, unknown=unknown)))
    return found


levels = one_of(
    *[Level.UNLOGGED] * 4,
    *[Level.LOGGED] * 4,
    Level.ANCHORED,
    Level.ANCHORED,
    Level.VOUCHED,
    Level.REALITY_BOUND,
)


@st.composite
def needs(draw: st.DrawFn, *, reported: bool = False) -> dict[str, Need]:
    """Most kinds may enter; now and then one by a condition."""
    found = {}
    for kind in sorted(words.KINDS):
        if draw(st.integers(0, 9)):
            vouched = draw(one_of(*[False] * 9, True))
            level = Level.LOGGED if vouched or reported else draw(levels)
            found[kind] = Need(level, vouched)
    return found


verdicts = one_of(*[Verdict.ADMITTED] * 5, Verdict.QUARANTINED, Verdict.REJECTED)
some_grades = one_of(*[GRADES] * 6, frozenset({"named", "verified"}))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Each asks for a little, so that what is against one thing is not lost behind another."""
    return Policy(
        bytes(32),
        conditional=draw(verdicts),
        rows=draw(needs()),
        reported=draw(needs(reported=True)),
        ancestors=draw(needs()),
        ancestors_accepted=draw(st.booleans()),
        maker_grades=draw(some_grades),
        quarantine_ms=draw(one_of(*[0] * 6, 8 * DAY_MS)),
        attestations=draw(one_of(*[0] * 8, 1, 2)),
        vouching=draw(one_of(1, 1, 2)),
        claims=draw(one_of(words.CLAIMS, words.CLAIMS, frozenset({"authorship"}))),
        attestor_grades=draw(some_grades),
        independent=draw(one_of(True, True, False)),
        human_least_ppm=draw(one_of(0, 0, 0, 300_000, 500_000, 900_000)),
        unstated={
            "human": draw(one_of(*[Unstated.HUMAN] * 3, Unstated.UNKNOWN)),
            "pair": draw(st.sampled_from(Unstated)),
        },
        derived_by_anyone=draw(st.booleans()),
        rights=Rights(
            train={
                "allowed": Verdict.ADMITTED,
                None: draw(verdicts),
                "denied": draw(verdicts),
                "constrained": draw(verdicts),
            }
        ),
    )


people = one_of(ANNA, BEN, CARA, DORA, PAIR, MACHINE)


@st.composite
def trusts(draw: st.DrawFn) -> Trust:
    if draw(st.integers(0, 2)) == 0:
        return SELF
    left_out = {who.id for who in draw(few(people, 2))}
    makers = frozenset(who.id for who in (ANNA, BEN, CARA, PAIR, MACHINE)) - left_out
    registrars = {REGISTRAR.id: frozenset(draw(few(st.sampled_from(sorted(words.GRADES)), 3)))}
    curators = draw(one_of(None, frozenset({CURATOR.id}), frozenset()))
    control: dict[bytes, bytes] = {}
    group = [who.id for who in draw(st.lists(people, max_size=3))]
    if len(set(group)) > 1:
        control = dict.fromkeys(group, min(group))
    return Trust(
        bytes(32),
        tlog_policy=QUORUM if draw(st.booleans()) else None,
        makers=makers,
        all_makers=draw(one_of(False, False, True)),
        registrars=registrars,
        curators=curators,
        tools=draw(one_of(frozenset(), frozenset({TOOL.id}))),
        control=control,
        voices=makers | registrars.keys() | (curators or frozenset()),
    )


@st.composite
def moments(draw: st.DrawFn) -> Moment:
    existed = tuple(
        Existed(size, NOW_MS - days * DAY_MS)
        for size, days in draw(few(st.tuples(st.integers(1, 50), st.integers(0, 12)), 3))
    )
    return replace(MOMENT, cosigned=COSIGNED, older=existed, clocks=existed)

"""Parts taken out of ancestry proofs of random logs, and all proofs made anew by an honest source: nothing gets better.

(SPEC §11.2.) Whoever makes a file chooses what it holds; so of every part that he may leave out it is tried whether level,
standing, verdict, age or people of anything that is left get better by it, whoever is trusted. What only a dishonest
operator's log holds, and SPEC §9.2 leaves to his word, is left out: whether parents are named rightly of which nothing is shown.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import ProofInvalid
from ledger.fold.topics import Topic, topic_key
from ledger.log.view import LogView, open_view
from ledger.origin.policy import Policy
from ledger.origin.proved import verify
from ledger.origin.trust import Trust, self_trust
from ledger.proofs.ancestry_file import HeldStatement, LogPart
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.proofs.points import Point
from ledger.proofs.tlog_policy import parse_tlog_policy
from ledger.statements.entry import decode_entry
from tests.test_origin.facts import BALANCED, INVENTORY, STRICT
from tests.test_origin.strategies import policies
from tests.test_proofs.proving import file_of, part_of, remembered_signatures
from tests.test_proofs.shapes import FIRST, SECOND
from tests.test_proofs.strength import about_all, check_no_stronger, told_by
from tests.test_proofs.test_trace_random import (
    NAMES,
    Play,
    attesting,
    noticing,
    publishing,
    rotating,
    step,
)

IS_LONG = os.environ.get("LINEAGE_LONG") == "1"
PARTS = ("place", "artifact", "record", "statement", "entry", "topic", "point", "line")
QUORUMS = ("all", "any")

seen: Counter[str] = Counter()  # what was taken out, and what became of it


def _alone(one: Any) -> tuple[Any, ...]:
    return (one,)


def _about_the_last(one: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same, said of the newest artifact, where it is of any."""
    place = {"notice": 3, "attest": 2}.get(one[0])
    return one if place is None else (*one[:place], 0, *one[place + 1 :])


def _one_after_another(episodes: list[tuple[Any, ...]]) -> list[Any]:
    return [one for each in episodes for one in each]


some = st.sets(st.sampled_from(NAMES), max_size=3)
# Something is published, something said of it, perhaps it is published again: what lies in between may be hidden.
episode = st.tuples(
    publishing,
    st.one_of(noticing, attesting, rotating).map(_about_the_last),
    st.one_of(st.just(("again", None, 0)), st.just(("again", None, 0)), step),
)
plans = st.lists(st.one_of(step.map(_alone), step.map(_alone), episode), min_size=4, max_size=12).map(
    _one_after_another
)
taking = st.lists(st.tuples(st.sampled_from(PARTS), st.integers(0, 30)), min_size=2, max_size=3)
judging = st.tuples(
    st.sampled_from((None, "file", "file", "witnesses", "witnesses")),
    some | st.just(set(NAMES)),
    some,
    st.none() | some,
    st.sampled_from(QUORUMS),
    st.sampled_from((BALANCED, STRICT, INVENTORY)) | policies(),
)


@pytest.fixture(autouse=True, scope="module")
def _remembered() -> Iterator[None]:
    with remembered_signatures():
        yield


@cache
def quorum_of(vkey: Any, word: str) -> Any:
    lines = (
        f"log {vkey}\nwitness a {FIRST.vkey}\nwitness b {SECOND.vkey}\ngroup both {word} a b\nquorum both\n"
    )
    return parse_tlog_policy(lines.encode())


def trust_of(play: Play, how: str | None, named: list[set[str] | None], word: str) -> Trust | None:
    """Nobody's file; or one that names makers, registrars and curators, with a quorum or without."""
    if how is None:
        return None
    makers, registrars, curators = (
        None if names is None else frozenset(play.actors[name].id for name in names) for names in named
    )
    grades = frozenset({"known", "verified", "documented"})
    return replace(
        self_trust((makers or frozenset()) | (registrars or frozenset()) | (curators or frozenset())),
        is_self=False,
        all_makers=False,
        makers=makers or frozenset(),
        registrars=dict.fromkeys(sorted(registrars or ()), grades),
        curators=curators,
        tlog_policy=quorum_of(play.scene.world.vkey, word) if how == "witnesses" else None,
    )


def cosigned(play: Play, view: LogView, size: int, time_ms: int) -> bytes:
    world = play.scene.world
    checkpoint = Checkpoint(world.vkey.name, size, view.root_at(size))
    note = sign_checkpoint(checkpoint, world.sign_note, world.vkey.key).encode()
    lines = (FIRST.line(checkpoint, time_ms // 1_000), SECOND.line(checkpoint, time_ms // 1_000 + 7))
    return note + "".join(lines).encode()


def with_points(play: Play, view: LogView, part: LogPart) -> None:
    """Every state that stands in it, cosigned at its own time; its own checkpoint too."""
    points: list[Point] = []
    for log_index, data in part.entries:
        if 1 < log_index < view.checkpoint.size - 1 and len(points) < 5:
            statement = decode_entry(data).statement if data[:1] == b"\x91" else None
            if statement is not None and statement.type == "state":
                size = log_index + 1
                note = cosigned(play, view, size, statement.body["time"])
                points.append(Point(size, view.root_at(size), note, tuple(view.consistency_path(size))))
    part.points = tuple(points)
    part.note = cosigned(play, view, view.checkpoint.size, view.clock_ms)


# --- parts taken out ---------------------------------------------------------------------------------------------------


def take_out(part: LogPart, what: str, number: int) -> bool:
    """Takes something out of a part; False: there is no such thing."""
    statements = part.statements
    places = [(at, index) for at, each in enumerate(statements) for index in range(len(each.records))]
    ids = sorted({record.artifact_id for each in statements for record in each.records})
    if what == "place" and places:
        at, index = places[number % len(places)]
        kept = statements[at].records[:index] + statements[at].records[index + 1 :]
        statements[at] = statements[at]._replace(records=kept)
    elif what in ("artifact", "record") and ids:
        gone = ids[number % len(ids)]
        for at, each in enumerate(statements):
            kept = tuple(
                record if record.artifact_id != gone else record._replace(data=None)
                for record in each.records
                if what == "record" or record.artifact_id != gone
            )
            statements[at] = each._replace(records=kept)
    elif what == "statement" and statements:
        del statements[number % len(statements)]
    elif what == "entry" and len(part.entries) > 2:
        log_index, _ = part.entries.pop(1 + number % (len(part.entries) - 2))
        statements[:] = [each for each in statements if each.log_index != log_index]
    elif what == "topic" and part.topics:
        del part.topics[number % len(part.topics)]
    elif what == "point" and part.points:
        at = number % len(part.points)
        part.points = part.points[:at] + part.points[at + 1 :]
    elif what == "line":
        part.note, has_more = _without_line(part.note, number)
        return has_more
    else:
        return False
    statements[:] = [each for each in statements if each.records]
    held = {record.artifact_id for each in statements for record in each.records}
    part.subjects = part.subjects & held
    return True


def len_of(part: LogPart, what: str) -> int:
    """How many numbers of `take_out` are tried; of entries and topics, which are asked for, a few."""
    records = [record for each in part.statements for record in each.records]
    counts = {
        "place": len(records),
        "artifact": len({record.artifact_id for record in records}),
        "record": len({record.artifact_id for record in records}),
        "statement": len(part.statements),
        "point": len(part.points),
        "line": 2,
    }
    return counts.get(what, 3)


def _without_line(note: bytes, number: int) -> tuple[bytes, bool]:
    """Without one cosignature line; the log's own is the first."""
    text, _, lines = note.partition(b"\n\n")
    own, *others = lines.splitlines(keepends=True)
    if not others:
        return note, False
    del others[number % len(others)]
    return text + b"\n\n" + own + b"".join(others), True


def prove_anew(view: LogView, part: LogPart) -> None:
    """The proofs of what is left, as an honest source makes them."""
    part.hashes = view.entries_proof([log_index for log_index, _ in part.entries])
    keys = {topic_key(Topic(topic), subject) for topic, subject in part.topics}
    keys.add(topic_key(Topic.RULES, part.log_id))
    for each in part.statements:
        for record in each.records:
            keys.add(topic_key(Topic.NOTICES, record.artifact_id))
            keys.add(topic_key(Topic.ATTESTATIONS, record.artifact_id))
    part.status = view.status_proof_of(keys)
    part.statements = [
        HeldStatement(
            each.log_index,
            each.records,
            tuple(view.records_proof(each.log_index, [record.record_index for record in each.records])),
        )
        for each in part.statements
    ]


def copy_of(part: LogPart) -> LogPart:
    return replace(
        part, entries=list(part.entries), topics=list(part.topics), statements=list(part.statements)
    )


@given(plans, judging, st.lists(taking, max_size=3), st.data())
@settings(
    max_examples=2_000 if IS_LONG else 60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_nothing_gets_better_by_what_is_taken_out(
    plan: list[Any], judge: tuple[Any, ...], takings: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    play = Play()
    for name, *arguments in plan:
        getattr(play, name)(*arguments)
    scene = play.scene
    scene.log.close_with_state()
    how, makers, registrars, curators, word, policy = judge
    trust = trust_of(play, how, [makers, registrars, curators], word)
    vkey, at_ms = scene.world.vkey, scene.log.time_ms + 10_000
    with open_view(scene.world.store, vkey) as view:
        logged = sorted({record.id for record in play.records if view.find_artifact(record.id)})
        subjects = data.draw(st.lists(st.sampled_from(logged), min_size=1, max_size=4, unique=True))
        part = part_of(view, vkey, subjects)
        with_points(play, view, part)
        base = told_by(verify(about_all(file_of(part)), [vkey], trust, at_ms=at_ms, policy=policy))
        singles = [[(what, number)] for what in PARTS for number in range(len_of(part, what))]
        for taken in singles + takings:
            left = copy_of(part)
            done = [what for what, number in taken if take_out(left, what, number)]
            if not done:
                continue
            check_inconsistent(left, done, vkey, trust, at_ms, policy, base)
            prove_anew(view, left)
            found = judged(left, vkey, trust, at_ms, policy)
            seen.update(f"{what}: {'refused' if found is None else 'told'}" for what in done)
            if found is not None:
                check_no_stronger(found, base)


def judged(part: LogPart, vkey: Any, trust: Trust | None, at_ms: int, policy: Policy) -> Any:
    try:
        return told_by(verify(file_of(part), [vkey], trust, at_ms=at_ms, policy=policy))
    except ProofInvalid:
        return None


def check_inconsistent(left: LogPart, done: list[str], *judge: Any) -> None:
    """Where the proofs stay as they were they do not hold any more, unless none was of what is gone."""
    *judged_by, base = judge
    found = judged(left, *judged_by)
    if found is not None:
        assert not {"entry"} & set(done)
        check_no_stronger(found, base)


def test_parts_of_every_kind_were_taken_out() -> None:
    """Behind the test above: what was refused for want of it, and what was told without it."""
    told = {what for what in PARTS if seen[f"{what}: told"]}
    refused = {what for what in PARTS if seen[f"{what}: refused"]}
    assert told >= {"place", "artifact", "record", "statement", "point", "line"}
    assert refused >= {"entry", "topic"}

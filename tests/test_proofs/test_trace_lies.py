"""No source that lies is believed: what it alters is refused, or lowers what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, ProofInvalid, RefusedInput, StoreFault
from ledger.fold.topics import Topic, topic_key
from ledger.log.view import open_view
from ledger.merkle.tree import hash_leaf, levels_of, path_in_levels, root_of
from ledger.origin.levels import level_of
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.proofs.facts import Ancestry, Status
from ledger.proofs.source import ProofSource
from ledger.proofs.trace import trace
from ledger.statements.record import Parent
from tests.dishonest import DishonestLog, Lie, liar
from tests.test_proofs.scene import (
    MODEL,
    TOOL,
    Council,
    Scene,
    attest,
    change,
    endorse,
    evidence_on,
    notice,
    rules,
    signed_by,
    traced,
    wait_out,
)
from tests.world import Actor, World, enrol


class Told:
    """An honest log of everything that a trace looks at, and one of its artifacts."""

    def __init__(self) -> None:
        self.scene = scene = Scene()
        self.world = scene.world
        self.essay = scene.ben.record("essay")
        self.world.must(*scene.ben.artifacts([scene.ben.record("filler"), self.essay]))
        self.stale_note = self.world.writer.note
        self.model = scene.machine.record(
            "model", "model", [Parent("trained-on", self.essay.id)], facts=MODEL
        )
        self.world.must(*scene.machine.artifacts([self.model]))
        self.answer = scene.pair.record(
            "answer", "output", [Parent("generated-by", self.model.id), Parent("quotes", self.essay.id)]
        )
        self.world.must(*scene.pair.artifacts([self.answer, scene.pair.record("another", "output")]))
        scene.world.delegate(scene.anna, scene.pair, {"human": 1})
        self.curator = scene.enrol("curator", "curator")
        self.stolen = scene.anna.record("stolen", parents=[Parent("quotes", self.essay.id)])
        scene.put(scene.anna, self.stolen)
        change(scene, scene.anna, cuts=[(scene.anna.public_key, scene.log.size - 1)])
        rules(scene, curators=[self.curator])
        notice(scene, self.curator, "hold", self.essay.id)
        attest(scene, scene.ben, self.stolen.id)
        attest(scene, scene.ben, self.stolen.id, result="refuted")
        evidence_on(scene, scene.ben)
        endorse(scene, self.curator, scene.ben)
        change(scene, scene.machine)
        parents = [Parent("derived-from", item.id) for item in (self.answer, self.stolen)]
        self.work = scene.anna.record("work", "derived", parents, facts=TOOL)
        scene.put(scene.anna, scene.anna.record("filler"), self.work)
        scene.say(scene.anna, "undelegate", {"pair": scene.pair.id})
        scene.log.close_with_state()
        self.honest = self.traced()

    def traced(self, **lies: Lie) -> Ancestry:
        return traced(self.world, self.work, self.scene.ben, **lies)


def test_what_is_there_to_be_hidden(told: Told) -> None:
    """Each lie below is about something that this trace tells."""
    nodes, scene = told.honest.nodes, told.scene
    essay, stolen, answer = (nodes[item.id] for item in (told.essay, told.stolen, told.answer))
    assert set(nodes) == {item.id for item in (told.work, told.answer, told.stolen, told.model, told.essay)}
    assert (essay.status, len(essay.notices), essay.contested is not None) == (Status.QUARANTINED, 1, True)
    assert [item.issuer for item in essay.endorsements] == [told.curator.id]
    assert (stolen.status, [item.result for item in stolen.attestations]) == (Status.DISOWNED, ["refuted"])
    assert (answer.status, answer.anchor) == (Status.RELEASED, scene.anna.id)
    assert (told.honest.humans, told.honest.humans_behind) == (
        tuple(sorted([scene.anna.id, scene.ben.id])),
        (),
    )


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


def drop(topic: Topic, subject: Callable[[Told], bytes]) -> Callable[[Told], dict[str, Lie]]:
    """Hides the last entry on a topic."""

    def lies(told: Told) -> dict[str, Lie]:
        key = topic_key(topic, subject(told))
        return {
            "topic_entries": lambda honest, asked: honest(asked)[:-1] if asked == key else honest(asked),
        }

    return lies


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def other(number: int) -> Lie:
    """Answers about another index or number."""
    return lambda honest, asked: honest(asked + number)


LIES: dict[str, tuple[str, Callable[[Told], dict[str, Lie]]]] = {
    "hides the notice": ("status-invalid", drop(Topic.NOTICES, lambda told: told.essay.id)),
    "hides the evidence": ("status-invalid", drop(Topic.EVIDENCE, lambda told: told.scene.ben.id)),
    "hides that a delegation ended": (
        "status-invalid",
        drop(Topic.DELEGATIONS, lambda told: told.scene.pair.id),
    ),
    "hides an attestation": ("status-invalid", drop(Topic.ATTESTATIONS, lambda told: told.stolen.id)),
    "hides an endorsement": ("status-invalid", drop(Topic.ENDORSEMENTS, lambda told: told.scene.ben.id)),
    "hides a cut": ("status-invalid", drop(Topic.KEY_EVENTS, lambda told: told.scene.anna.id)),
    "hides an enrolment of a curator": (
        "status-invalid",
        drop(Topic.KEY_EVENTS, lambda told: told.curator.id),
    ),
    "hides a rotation": ("status-invalid", drop(Topic.KEY_EVENTS, lambda told: told.scene.machine.id)),
    "hides the rules": ("status-invalid", drop(Topic.RULES, lambda told: told.world.log)),
    "hides all topics": ("status-invalid", lambda _: {"topic_entries": lambda _honest, _key: []}),
    "repeats an entry of a topic": (
        "status-invalid",
        lambda _: {"topic_entries": lambda honest, key: honest(key) * 2},
    ),
    "adds an entry to a topic": (
        "status-invalid",
        lambda _: {"topic_entries": lambda honest, key: [*honest(key), 9]},
    ),
    "adds the state to a topic": (
        "status-invalid",
        lambda told: {"topic_entries": lambda honest, key: [*honest(key), told.honest.checkpoint.size - 1]},
    ),
    "turns a topic round": (
        "status-invalid",
        lambda _: {"topic_entries": lambda honest, key: honest(key)[::-1]},
    ),
    "another status proof": (
        "status-invalid",
        lambda _: {"status_proof": lambda honest, key: honest(flipped(key))},
    ),
    "no status proof": ("status-invalid", lambda _: {"status_proof": lambda _honest, _key: []}),
    "a status proof cut short": (
        "status-invalid",
        lambda _: {"status_proof": lambda honest, key: honest(key)[1:]},
    ),
    "the entry before": ("inclusion-invalid", lambda _: {"entry": other(-1)}),
    "another entry path": ("inclusion-invalid", lambda _: {"entry_path": other(-1)}),
    "no entry path": ("inclusion-invalid", lambda _: {"entry_path": lambda _honest, _index: []}),
    "another record": ("inclusion-invalid", lambda _: {"record": lambda honest, number: honest(number ^ 1)}),
    "an altered record": ("inclusion-invalid", lambda _: {"record": lambda honest, n: flipped(honest(n))}),
    "another record path": ("inclusion-invalid", lambda _: {"record_path": lambda honest, n: honest(n ^ 1)}),
    "a record of another statement": (
        "inclusion-invalid",
        lambda _: {"locate": lambda honest, n: (honest((n + 2) % 5)[0], honest(n)[1])},
    ),
    "another place in the statement": (
        "inclusion-invalid",
        lambda _: {"locate": lambda honest, n: (honest(n)[0], honest(n)[1] ^ 1)},
    ),
    "a record under the genesis": ("inclusion-invalid", lambda _: {"locate": lambda _honest, _n: (0, 0)}),
    "a record behind the log": (
        "inclusion-invalid",
        lambda _: {
            "locate": lambda _honest, _n: (10**6, 0),
            "entry": lambda honest, log_index: honest(log_index % 10**6),
            "entry_path": lambda honest, log_index: honest(log_index % 10**6),
        },
    ),
    "an artifact that is another": (
        "inclusion-invalid",
        lambda _: {"find_artifact": lambda honest, asked: [number - 1 for number in honest(asked)]},
    ),
    "an older checkpoint": ("inclusion-invalid", lambda told: {"note": lambda _: told.stale_note}),
    "an altered checkpoint": (
        "note-invalid",
        lambda told: {"note": lambda note: note.replace(b"\n%d\n" % told.honest.checkpoint.size, b"\n9\n")},
    ),
    "another log's checkpoint": (
        "note-invalid",
        lambda _: {"note": lambda _honest: World(origin="other.example").writer.note},
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_found_out(told: Told, lie: str) -> None:
    code, lies = LIES[lie]
    with pytest.raises(ProofInvalid) as refusal:
        told.traced(**lies(told))
    assert refusal.value.code == code


@contextmanager
def signed_for(world: World, size: int) -> Iterator[ProofSource]:
    """The log up to any size, under a checkpoint that its operator signed for it against the rules."""
    with open_view(world.store, world.vkey) as view:
        hashes = [hash_leaf(view.entry(log_index)) for log_index in range(size)]
        checkpoint = Checkpoint(world.vkey.name, size, root_of(hashes))
        note = sign_checkpoint(checkpoint, world.sign_note, world.vkey.key).encode()
        levels = levels_of(hashes)
        yield liar(
            view,
            note=lambda _: note,
            entry_path=lambda _honest, log_index: path_in_levels(levels, log_index),
        )


def test_a_checkpoint_ends_with_a_state(told: Told) -> None:
    size = told.honest.checkpoint.size - 1
    with signed_for(told.world, size) as source, pytest.raises(ProofInvalid) as refusal:
        trace(source, told.answer.id, told.world.vkey)
    assert refusal.value.code == "state-wrong"


def test_the_status_root_is_that_of_the_last_state(told: Told) -> None:
    """Against an older state of the same log, proofs of the newer map do not hold."""
    size = (told.honest.nodes[told.answer.id].log_index or 0) + 2
    with signed_for(told.world, size) as source, pytest.raises(ProofInvalid) as refusal:
        trace(source, told.answer.id, told.world.vkey)
    assert refusal.value.code == "status-invalid"


def test_a_state_with_a_wrong_root_proves_nothing() -> None:
    scene = Scene()
    record = scene.anna.record("x")
    scene.put(scene.anna, record)
    scene.log.close_with_state(root=bytes(32))
    with pytest.raises(InvariantBroken, match="status map"):
        traced(scene.world, record)


def test_a_log_begins_with_its_genesis() -> None:
    world = World(begin=False)
    log = DishonestLog.over(world)
    log.append(signed_by("thief", world.genesis).encoded)
    log.close_with_state()
    with pytest.raises(ProofInvalid) as refusal:
        traced(world, bytes(32))
    assert refusal.value.code == "genesis-illegal"
    for late in ([], [world.genesis]):
        nothing = World(begin=False)
        headless = DishonestLog.over(nothing)
        for entry in (enrol("anna", nothing.log).enrolment, *late):
            headless.append(entry.encoded)
        headless.close_with_state()
        with pytest.raises(ProofInvalid) as refusal:
            traced(nothing, bytes(32))
        assert refusal.value.code == "genesis-illegal"


def test_a_status_map_holds_no_entry_on_another_subject() -> None:
    """Though the operator signs for a root with such a chain, and every proof in it holds."""
    scene = Scene()
    record = scene.anna.record("x")
    scene.put(scene.anna, record)
    key = topic_key(Topic.NOTICES, record.id)
    scene.log.forge_chain(key, 2, scene.anna.enrolment.leaf_hash)
    scene.log.close_with_state()
    with pytest.raises(ProofInvalid, match="entry 2 is not on it") as refusal:
        traced(scene.world, record)
    assert refusal.value.code == "status-invalid"


ANSWERS = (
    "entry",
    "entry_path",
    "record",
    "record_path",
    "locate",
    "find_artifact",
    "topic_entries",
    "status_proof",
)


def altered(answer: Any, how: int, where: int) -> Any:
    """One answer made another of its type: withheld, cut, doubled, turned round, or a bit or number changed."""
    if answer is None:
        return b"\x80"
    if isinstance(answer, bytes):
        if how == 0:
            return None
        place = where % len(answer)
        return answer[:place] + bytes([answer[place] ^ 1 << how % 8]) + answer[place + 1 :]
    if isinstance(answer, tuple):
        log_index, record_index = answer
        return [(log_index - 1, record_index), (log_index + 1, 0), (log_index, record_index + 1), (2, 0)][
            how % 4
        ]
    if not answer or how == 0:
        return []
    place = where % len(answer)
    item = answer[place]
    changed = item + 1 if isinstance(item, int) else flipped(item)
    return [
        answer[:place] + answer[place + 1 :],
        [*answer, answer[place]],
        answer[::-1],
        [*answer[:place], changed, *answer[place + 1 :]],
    ][how % 4]


@given(st.sampled_from(ANSWERS), st.integers(0, 40), st.integers(0, 7), st.integers(0, 400))
@settings(max_examples=400, deadline=None)
def test_no_altered_answer_raises_a_level(told: Told, name: str, turn: int, how: int, where: int) -> None:
    """One answer of one method is altered, the `turn`-th: the trace refuses, or says no more than before."""
    asked = 0

    def lie(honest: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal asked
        asked += 1
        answer = honest(*arguments)
        return altered(answer, how, where) if asked == turn + 1 else answer

    if name == "entry" and how == 0:
        how = 1
    try:
        ancestry = told.traced(**{name: lie})
    except (ProofInvalid, StoreFault, RefusedInput):
        return
    assert set(ancestry.nodes) <= set(told.honest.nodes)
    for artifact_id, node in ancestry.nodes.items():
        before = told.honest.nodes[artifact_id]
        assert level_of(node) <= level_of(before)
        assert node.status in (before.status, Status.UNKNOWN)
    assert set(ancestry.humans) <= set(told.honest.humans)
    assert set(ancestry.authors) <= set(told.honest.authors)


# --- a place that is left out ------------------------------------------------------------------------------------------


def last_place(honest: Callable[[bytes], list[int]], artifact_id: bytes) -> list[int]:
    return honest(artifact_id)[-1:]


SAID_BETWEEN: dict[str, tuple[Status, Callable[[Council, Actor], object]]] = {
    "hold": (Status.QUARANTINED, lambda c, _: c.say(c.curator, "hold")),
    "dispute": (Status.CONDITIONAL, lambda c, _: c.say(c.curator, "dispute")),
    "retract": (Status.RETRACTED, lambda c, _: c.say(c.scene.anna, "retract")),
    "retract by a curator": (Status.RETRACTED, lambda c, _: c.say(c.curator, "retract")),
    "erase": (Status.RETRACTED, lambda c, _: c.say(c.scene.anna, "erase")),
    "hold of a row": (Status.CONDITIONAL, lambda c, _: c.say(c.curator, "hold", c.rows, 2)),
    "refuted": (Status.RELEASED, lambda c, ben: attest(c.scene, ben, c.work.id, result="refuted")),
}


@pytest.mark.parametrize("what", SAID_BETWEEN)
def test_what_was_said_is_not_undone_by_leaving_the_first_place_out(what: str) -> None:
    council = Council()
    scene, (status, say) = council.scene, SAID_BETWEEN[what]
    say(council, scene.ben)
    scene.put(scene.pair, council.work, council.rows)
    scene.log.close_with_state()
    assert not scene.log.faults
    artifact = council.rows if "row" in what else council.work
    for lies in ({}, {"find_artifact": last_place}):
        ancestry = traced(scene.world, artifact, scene.ben, **lies)
        node = ancestry.nodes[artifact.id]
        assert (node.status, len(node.places)) == (status, 1 if lies else 2)
        assert [each.result for each in node.attestations] == ["refuted"] * (what == "refuted")


def test_what_speaks_for_an_artifact_needs_a_place_before_it() -> None:
    """A `release` and a `confirmed` do not count where it is not shown that the artifact stood; nor allows an `erase` to erase."""
    council = Council()
    scene = council.scene
    number = scene.log.record_count - 2
    hold = council.say(council.curator, "hold")
    council.say(council.curator, "release", cancels=hold)
    attest(scene, scene.ben, council.work.id)
    council.say(scene.anna, "erase", council.rows)
    scene.put(scene.pair, council.work, council.rows)
    wait_out(scene)
    scene.log.close_with_state()
    node = traced(scene.world, council.work, scene.ben).nodes[council.work.id]
    assert (node.status, len(node.attestations)) == (Status.RELEASED, 1)
    node = traced(scene.world, council.work, scene.ben, find_artifact=last_place).nodes[council.work.id]
    assert (node.status, len(node.attestations)) == (Status.QUARANTINED, 0)
    scene.log.erase(number + 1)
    scene.log.erase(scene.log.record_count - 1)
    assert traced(scene.world, council.rows).nodes[council.rows.id].fault is None
    node = traced(scene.world, council.rows, find_artifact=last_place).nodes[council.rows.id]
    assert node.fault is not None
    assert node.fault.code == "record-missing"

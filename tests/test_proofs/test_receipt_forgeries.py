"""Every way to forge a receipt is refused, by the check that SPEC §11.1 numbers and the code of SPEC §14."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.identity.keyset import sign_entry_payload
from ledger.log.view import open_view
from ledger.proofs.receipt import check_receipt, make_entry_proof
from ledger.proofs.tlog_proof import TlogProof
from ledger.statements.entry import CURRENT, Signature, decode_entry, make_entry
from ledger.statements.record import Parent, Record
from ledger.statements.statement import make_statement
from tests.test_proofs.issued import Issued, opened, receipt_of, refused, support_in, with_extra
from tests.test_proofs.scene import MODEL, Scene, delegate, signed_by
from tests.world import Actor, World, enrol, seed_of


@pytest.fixture(scope="module")
def issued() -> Issued:
    return Issued()


Forge = Callable[[Issued, dict[str, Any]], None]


def put(name: str, value: Callable[[Issued, dict[str, Any]], Any]) -> Forge:
    def forge(issued: Issued, extra: dict[str, Any]) -> None:
        extra[name] = value(issued, extra)

    return forge


def resigned(entry: bytes, *more: Signature) -> bytes:
    return signed_by("ben", decode_entry(entry), *more).encoded


def swapped(support: list[list[Any]], place: int, entry: bytes) -> list[list[Any]]:
    return [[index, entry if at == place else old, path] for at, (index, old, path) in enumerate(support)]


def another_log(entry: bytes) -> bytes:
    other = World(origin="other.example")
    return other.enrol("anna").enrolment.encoded + entry[:0]


FORGERIES: dict[str, tuple[str, int, Forge]] = {
    "version": ("schema", 1, put("v", lambda *_: 3)),
    "no version": ("schema", 1, put("v", lambda *_: 0)),
    "unknown key": ("schema", 1, put("more", lambda *_: 1)),
    "record index beyond any statement": ("schema", 1, put("record_index", lambda *_: 65_536)),
    "path element of 31 bytes": ("schema", 1, put("record_path", lambda *_: [bytes(31)])),
    "record path too long": ("schema", 1, put("record_path", lambda *_: [bytes(32)] * 17)),
    "support of two": ("schema", 1, put("support", lambda _, extra: [extra["support"][0][:2]])),
    "support without path": ("schema", 1, put("support", lambda *_: [[1, b"x", b"y"]])),
    "entry is none": ("not-canonical", 1, put("entry", lambda *_: b"no entry")),
    "support is none": (
        "not-canonical",
        1,
        put("support", lambda _, extra: swapped(extra["support"], 1, b"no entry")),
    ),
    "support of another log": (
        "wrong-log",
        1,
        put("support", lambda _, extra: swapped(extra["support"], 0, another_log(extra["entry"]))),
    ),
    "support descends": ("receipt-invalid", 2, put("support", lambda _, extra: extra["support"][::-1])),
    "support twice": ("receipt-invalid", 2, put("support", lambda _, extra: extra["support"][:1] * 2)),
    "entry in its own support": (
        "receipt-invalid",
        2,
        put(
            "support",
            lambda issued, extra: [
                *extra["support"],
                *issued.support(decode_entry(extra["entry"]).statement.id),
            ],
        ),
    ),
    "support not included": (
        "inclusion-invalid",
        2,
        put("support", lambda _, extra: swapped(extra["support"], 0, resigned(extra["support"][0][1]))),
    ),
    "support at another index": (
        "inclusion-invalid",
        2,
        put("support", lambda _, extra: [[1, *extra["support"][0][1:]], *extra["support"][1:]]),
    ),
    "support with another path": (
        "inclusion-invalid",
        2,
        put(
            "support",
            lambda _, extra: [[*extra["support"][0][:2], extra["support"][1][2]], *extra["support"][1:]],
        ),
    ),
    "entry signed by another": (
        "inclusion-invalid",
        2,
        put("entry", lambda _, extra: resigned(extra["entry"])),
    ),
    "entry of another statement": (
        "inclusion-invalid",
        2,
        put("entry", lambda issued, _: opened(issued.of_work)["entry"]),
    ),
    "no anchor": ("delegation-illegal", 3, put("support", lambda _, extra: extra["support"][1:])),
    "no pair": (
        "delegation-illegal",
        3,
        put("support", lambda _, extra: [extra["support"][0], extra["support"][2]]),
    ),
    "no delegation": ("not-delegated", 4, put("support", lambda _, extra: extra["support"][:2])),
    "only the anchor": ("identity-unknown", 4, put("support", lambda _, extra: extra["support"][:1])),
    "a state in the support": (
        "receipt-invalid",
        3,
        put("support", lambda issued, extra: sorted([*extra["support"], *state_entry(issued)])),
    ),
    "another identity in the support": (
        "receipt-invalid",
        5,
        put(
            "support",
            lambda issued, extra: sorted([*extra["support"], *issued.support(issued.scene.ben.id)]),
        ),
    ),
    "the genesis in the support": (
        "receipt-invalid",
        5,
        put(
            "support",
            lambda issued, extra: [*issued.support(issued.world.genesis.statement.id), *extra["support"]],
        ),
    ),
    "record index beyond the count": ("receipt-invalid", 6, put("record_index", lambda *_: 2)),
    "record index of the sibling": ("inclusion-invalid", 6, put("record_index", lambda *_: 0)),
    "the sibling": ("inclusion-invalid", 6, put("record", lambda issued, _: issued.first.encoded)),
    "another record": ("inclusion-invalid", 6, put("record", lambda issued, _: issued.work.encoded)),
    "no record": ("not-canonical", 6, put("record", lambda *_: b"no record")),
    "another record path": ("inclusion-invalid", 6, put("record_path", lambda *_: [bytes(32)])),
    "no record path": ("inclusion-invalid", 6, lambda _, extra: extra.pop("record_path")),
}


def state_entry(issued: Issued) -> list[list[Any]]:
    with open_view(issued.world.store, issued.world.vkey) as view:
        return [[1, view.entry(1), view.entry_path(1)]]


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused_at_its_check(issued: Issued, name: str) -> None:
    code, check, forge = FORGERIES[name]
    extra = opened(issued.of_second)
    forge(issued, extra)
    refused(issued.world, with_extra(issued.of_second, extra), code, check)
    assert check_receipt(issued.of_second, issued.world.vkey).artifact_id == issued.second.id


def test_the_outer_part_and_the_checkpoint_are_held_too(issued: Issued) -> None:
    proof = TlogProof.parse(issued.of_second)
    moved = TlogProof(proof.index - 1, proof.path, proof.checkpoint_note, proof.extra).format()
    refused(issued.world, moved, "inclusion-invalid", 2)
    cut = TlogProof(proof.index, proof.path[1:], proof.checkpoint_note, proof.extra).format()
    refused(issued.world, cut, "inclusion-invalid", 2)
    refused(issued.world, issued.of_second + "\n", "note-invalid", 1)
    refused(World(origin="other.example"), issued.of_second, "note-invalid", 1)
    not_canonical = TlogProof(proof.index, proof.path, proof.checkpoint_note, b"\x00").format()
    refused(issued.world, not_canonical, "schema", 1)
    doubled = TlogProof(proof.index, proof.path, proof.checkpoint_note, (proof.extra or b"") * 2).format()
    refused(issued.world, doubled, "not-canonical", 1)


def dishonest_receipt(scene: Scene, record: Record, *support: bytes | None) -> str:
    """The receipt of the record appended last, whatever it is worth, with the support that is asked for."""
    scene.log.close_with_state()
    with open_view(scene.world.store, scene.world.vkey) as view:
        number = view.find_artifact(record.id)[-1]
        log_index, record_index = view.locate(number)
        extra = {
            "v": 2,
            "entry": view.entry(log_index),
            "record": record.encoded,
            "record_index": record_index,
            "support": support_in(view, *support),
        }
        path = view.record_path(number)
        if path:
            extra["record_path"] = path
        return with_extra(make_entry_proof(view, log_index), extra)


def test_a_forged_rotation_is_refused() -> None:
    """In the log, or not: a thief's keys do not speak for anna."""
    scene = Scene()
    record = scene.anna.record("stolen")
    rotation = scene.anna.key_event("rotate", reveal="thief")
    scene.log.append(rotation.encoded)
    statement = make_statement(
        "artifacts",
        scene.world.log,
        {"count": 1, "root": record.id},
        by=scene.anna.id,
        key=rotation.statement.id,
        lane=scene.lane(),
        seq=0,
    )
    signature = sign_entry_payload(seed_of("thief"), statement.payload)
    scene.log.append(make_entry(statement, [Signature(CURRENT, 0, signature)]).encoded, [record.encoded])
    text = dishonest_receipt(scene, record, scene.anna.id, rotation.statement.id)
    refused(scene.world, text, "commitment-differs", 3)
    refused(scene.world, receipt_of(scene.world, record), "commitment-differs", 3)
    extra = opened(text)
    refused(scene.world, with_extra(text, extra | {"v": 1}), "not-yet", 3)
    extra["support"] = extra["support"][:1]
    refused(scene.world, with_extra(text, extra), "key-not-in-force", 4)


def test_a_forged_enrolment_is_refused() -> None:
    scene = Scene()
    stranger = enrol("stranger", scene.world.log)
    scene.log.append(signed_by("ben", stranger.enrolment).encoded)
    record = stranger.record("from nowhere")
    scene.put(stranger, record)
    refused(scene.world, dishonest_receipt(scene, record, stranger.id), "signature-invalid", 3)


def test_a_forged_signature_is_refused() -> None:
    scene = Scene()
    record = scene.anna.record("forged")
    entry, records = scene.anna.artifacts([record])
    scene.log.append(signed_by("ben", entry).encoded, records)
    refused(scene.world, dishonest_receipt(scene, record, scene.anna.id), "signature-invalid", 4)


def test_a_signer_enrolled_later_is_refused() -> None:
    scene = Scene()
    late = enrol("late", scene.world.log)
    record = late.record("too early")
    scene.put(late, record)
    scene.log.append(late.enrolment.encoded)
    refused(scene.world, dishonest_receipt(scene, record, late.id), "receipt-invalid", 2)


def test_an_entry_of_another_type_holds_no_records() -> None:
    scene = Scene()
    record = scene.anna.record("x")
    entry = scene.anna.say("delegate", {"pair": scene.pair.id, "substrate": MODEL}, scene.lane())
    scene.log.append(entry.encoded, [record.encoded])
    scene.put(scene.anna, record)
    text = dishonest_receipt(scene, record, scene.anna.id)
    extra = opened(text)
    extra["entry"] = entry.encoded
    with open_view(scene.world.store, scene.world.vkey) as view:
        outer = make_entry_proof(view, view.find_statement(entry.statement.id) or 0)
    refused(scene.world, with_extra(outer, extra), "receipt-invalid", 4)


def test_delegations_of_and_by_others_are_refused() -> None:
    """Another pair's delegation; one by another human; one behind the entry; a machine for an anchor."""
    scene = Scene()
    anna, ben, pair = scene.anna, scene.ben, scene.pair

    def orphan(name: str, of: Actor, delegation: bytes | None) -> tuple[Actor, Record]:
        actor = enrol(name, scene.world.log, "pair", of.id)
        scene.log.append(actor.enrolment.encoded)
        actor.delegation = delegation
        record = actor.record(name)
        scene.put(actor, record)
        return actor, record

    stolen, record = orphan("stolen", anna, pair.delegation)
    text = dishonest_receipt(scene, record, anna.id, pair.id, pair.delegation, stolen.id)
    refused(scene.world, text, "not-delegated", 4)

    foreign = enrol("foreign", scene.world.log, "pair", anna.id)
    scene.log.append(foreign.enrolment.encoded)
    by_ben = delegate(scene, ben, foreign)
    record = foreign.record("foreign")
    scene.put(foreign, record)
    text = dishonest_receipt(scene, record, anna.id, ben.id, foreign.id, by_ben.statement.id)
    refused(scene.world, text, "delegation-illegal", 3)

    early, record = orphan("early", anna, bytes(32))
    later = delegate(scene, anna, early)
    text = dishonest_receipt(scene, record, anna.id, early.id, later.statement.id)
    refused(scene.world, text, "receipt-invalid", 2)
    refused(scene.world, dishonest_receipt(scene, record, anna.id, early.id), "not-delegated", 4)

    robot = enrol("robot", scene.world.log, "pair", scene.machine.id)
    scene.log.append(robot.enrolment.encoded)
    by_machine = delegate(scene, scene.machine, robot)
    record = robot.record("robot")
    scene.put(robot, record)
    text = dishonest_receipt(scene, record, scene.machine.id, robot.id, by_machine.statement.id)
    refused(scene.world, text, "delegation-illegal", 3)


RECORD_RULES: dict[str, tuple[str, Callable[[Scene], tuple[Actor, Record]]]] = {
    "maker": ("maker-differs", lambda scene: (scene.ben, scene.anna.record("hers"))),
    "role": ("role-illegal", lambda scene: (scene.machine, scene.machine.record("machine work"))),
    "kinds": ("scope-exceeded", lambda scene: (scene.pair, scene.pair.record("no output"))),
    "human": ("scope-exceeded", lambda scene: (scene.pair, scene.pair.record("x", "experience", human=10))),
    "own log": (
        "schema",
        lambda scene: (
            scene.anna,
            scene.anna.record("x", parents=[Parent("quotes", bytes(32), log=scene.world.log)]),
        ),
    ),
    "count": ("scope-exceeded", lambda scene: (scene.pair, scene.pair.record("x", "experience"))),
}


@pytest.mark.parametrize("rule", RECORD_RULES)
def test_every_rule_that_needs_no_parent_is_checked(rule: str) -> None:
    code, case = RECORD_RULES[rule]
    scene = Scene()
    delegate(scene, scene.anna, scene.pair, {"kinds": ["experience"], "human": 9, "count": 1})
    actor, record = case(scene)
    filler = scene.pair.record("filler", "experience")
    scene.put(actor, *([filler, record] if rule == "count" else [record]))
    support = [actor.id, scene.anna.id, actor.delegation] if actor is scene.pair else [actor.id]
    refused(scene.world, dishonest_receipt(scene, record, *support), code, 4 if rule == "count" else 6)


def test_what_needs_the_log_is_not_proved() -> None:
    """A parent that does not stand before: logged and signed all the same, as SPEC §11.1 says."""
    scene = Scene()
    record = scene.anna.record("orphan", parents=[Parent("derived-from", bytes(32))])
    scene.put(scene.anna, record)
    facts = check_receipt(dishonest_receipt(scene, record, scene.anna.id), scene.world.vkey)
    assert (facts.artifact_id, facts.standing) == (record.id, "unknown")

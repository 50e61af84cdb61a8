"""Every kind of invalid entry and record that a dishonest operator can put into a log, with the code that names it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.identity.keyset import make_keyset, sign_entry_payload
from ledger.log.genesis import make_genesis
from ledger.merkle.tree import hash_leaf, root_of
from ledger.statements import codec
from ledger.statements.entry import CURRENT, NEXT, Signature, make_entry
from ledger.statements.record import Parent, Record
from ledger.statements.statement import keyset_digest, make_statement
from tests.test_audit.scenes import Crime
from tests.world import World, enrol, seed_of

Act = tuple[bytes, list[bytes]]
CRIMES: dict[str, tuple[Callable[[Crime], Act], str, int | None]] = {}


def crime(
    code: str, record_index: int | None = None
) -> Callable[[Callable[[Crime], Act]], Callable[[Crime], Act]]:
    def register(act: Callable[[Crime], Act]) -> Callable[[Crime], Act]:
        CRIMES[act.__name__] = (act, code, record_index)
        return act

    return register


def forged(record: Record, **changes: Any) -> Record:
    """A record with fields changed past every check; None leaves one out."""
    fields = {name: value for name, value in (record.fields | changes).items() if value is not None}
    return Record(codec.encode(fields), fields)


def signed_by(name: str, payload: bytes, keyset: int = CURRENT) -> Signature:
    return Signature(keyset, 0, sign_entry_payload(seed_of(name), payload))


@crime("not-canonical")
def noise(_c: Crime) -> Act:
    return b"\xc1\x00", []


@crime("not-canonical")
def longer_encoding(c: Crime) -> Act:
    good = c.ann.artifacts([c.ann.record("x")], c.lane())[0].encoded
    assert good[0] == 0x92
    return b"\xdc\x00\x02" + good[1:], []


@crime("schema")
def no_entry(_c: Crime) -> Act:
    return codec.encode([b"x", b"y"]), []


@crime("schema")
def unsigned(c: Crime) -> Act:
    statement = c.ann.artifacts([c.ann.record("x")], c.lane())[0].statement
    return codec.encode([statement.payload]), []


@crime("too-large")
def large_payload(c: Crime) -> Act:
    return codec.encode(
        [
            codec.encode({"v": 1, "type": "enrol", "log": c.world.log, "body": {"x": bytes(25_000)}}),
            [[0, 0, bytes(64)]],
        ]
    ), []


@crime("wrong-log")
def another_logs_entry(_c: Crime) -> Act:
    return enrol("ann", World(origin="other.example/log", begin=False).log).enrolment.encoded, []


@crime("misplaced")
def genesis_again(c: Crime) -> Act:
    return c.world.genesis.encoded, []


@crime("misplaced")
def genesis_of_another_operator(c: Crime) -> Act:
    return make_genesis(c.world.vkey, [seed_of(f"thief{n}") for n in range(3)]).encoded, []


@crime("identity-exists")
def enrolled_again(c: Crime) -> Act:
    return c.ann.enrolment.encoded, []


@crime("identity-unknown")
def stranger(c: Crime) -> Act:
    nobody = enrol("nobody", c.world.log)
    return c.over(nobody, nobody.record("x"))


@crime("key-not-in-force")
def other_key_event(c: Crime) -> Act:
    record = c.ann.record("x")
    body = {"count": 1, "root": record.id}
    statement = make_statement(
        "artifacts", c.world.log, body, by=c.ann.id, key=c.bob.id, lane=c.lane(), seq=0
    )
    return c.ann.sign(statement).encoded, [record.encoded]


@crime("keyset-illegal")
def next_is_current(c: Crime) -> Act:
    body = enrol("carl", c.world.log).enrolment.statement.body
    statement = make_statement("enrol", c.world.log, body | {"next": keyset_digest(body["keyset"])})
    return make_entry(statement, [signed_by("carl", statement.payload)]).encoded, []


@crime("key-refused")
def key_of_small_order(c: Crime) -> Act:
    body = enrol("carl", c.world.log).enrolment.statement.body
    statement = make_statement("enrol", c.world.log, body | {"keyset": make_keyset([b"\x01" + bytes(31)])})
    return make_entry(statement, [signed_by("carl", statement.payload)]).encoded, []


@crime("signature-invalid")
def forged_signature(c: Crime) -> Act:
    record = c.bob.record("not mine")
    statement = c.bob.artifacts([record], c.lane())[0].statement
    return make_entry(statement, [signed_by("machine", statement.payload)]).encoded, [record.encoded]


@crime("signature-surplus")
def signature_nobody_asked_for(c: Crime) -> Act:
    record = c.bob.record("x")
    statement = c.bob.artifacts([record], c.lane())[0].statement
    both = [signed_by("bob", statement.payload), signed_by("bob/next", statement.payload, NEXT)]
    return make_entry(statement, both).encoded, [record.encoded]


@crime("lane-broken")
def said_twice(c: Crime) -> Act:
    act = c.over(c.bob, c.bob.record("twice"))
    c.log.append(*act)
    return act


@crime("lane-broken")
def one_dropped(c: Crime) -> Act:
    lane = c.lane()
    first, records = c.bob.artifacts([c.bob.record("kept")], lane)
    c.log.append(first.encoded, records)
    c.bob.artifacts([c.bob.record("dropped")], lane)
    third, records = c.bob.artifacts([c.bob.record("after the gap")], lane)
    return third.encoded, records


@crime("not-delegated")
def pair_without_delegation(c: Crime) -> Act:
    c.mute.delegation = c.pair.delegation
    return c.over(c.mute, c.mute.record("x"))


@crime("not-delegated")
def another_delegation(c: Crime) -> Act:
    c.pair.delegation, kept = c.late.delegation, c.pair.delegation
    act = c.over(c.pair, c.pair.record("x"))
    c.pair.delegation = kept
    return act


@crime("delegation-illegal")
def not_its_anchor(c: Crime) -> Act:
    body = {"pair": c.pair.id, "substrate": {"name": "model", "version": "2"}}
    return c.bob.say("delegate", body, c.lane()).encoded, []


@crime("scope-exceeded")
def too_many(c: Crime) -> Act:
    return c.over(c.pair, *(c.pair.record(str(n)) for n in range(4)))


@crime("scope-exceeded")
def too_late(c: Crime) -> Act:
    return c.over(c.late, c.late.record("x"))


@crime("scope-exceeded", 0)
def human_share_of_a_pair(c: Crime) -> Act:
    return c.over(c.pair, c.pair.record("x", human=1))


@crime("not-canonical", 1)
def record_that_is_none(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("good"), Record(b"\x81\xa1x\xc0", {}))


@crime("schema", 0)
def record_with_another_key(c: Crime) -> Act:
    return c.over(c.ann, forged(c.ann.record("x"), colour="red"))


@crime("record-illegal", 0)
def record_of_two_minds(c: Crime) -> Act:
    return c.over(c.ann, forged(c.ann.record("x"), form="sealed", size=32))


@crime("share-illegal", 1)
def more_than_the_whole(c: Crime) -> Act:
    parents = [{"id": c.rooted.id, "ppm": 600_000, "rel": "derived-from"}]
    return c.over(c.ann, c.ann.record("good too"), forged(c.ann.record("x"), human=500_000, parents=parents))


@crime("role-illegal", 0)
def work_of_a_machine(c: Crime) -> Act:
    return c.over(c.machine, c.machine.record("poem"))


@crime("maker-differs", 1)
def anothers_record(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("mine"), c.bob.record("not mine"), c.ann.record("mine too"))


@crime("parent-unknown", 0)
def parent_out_of_nowhere(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("x", parents=[Parent("derived-from", bytes(range(32)))]))


@crime("parent-unknown", 0)
def parent_behind_it(c: Crime) -> Act:
    parent = c.ann.record("parent that comes later")
    return c.over(c.ann, c.ann.record("child", parents=[Parent("derived-from", parent.id)]), parent)


@crime("parent-kind", 0)
def output_of_a_work(c: Crime) -> Act:
    return c.over(c.machine, c.machine.record("x", "output", parents=[Parent("generated-by", c.rooted.id)]))


@crime("parent-kind", 0)
def row_of_no_dataset(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("x", parents=[Parent("derived-from", c.rooted.id, row=0)]))


@crime("record-duplicate", 2)
def same_record_twice(c: Crime) -> Act:
    return c.over(c.ann, c.ann.record("same"), c.ann.record("other"), c.ann.record("same"))


@crime("root-differs")
def records_under_another_root(c: Crime) -> Act:
    body = {"count": 2, "root": root_of([hash_leaf(b"a"), hash_leaf(b"b")])}
    return c.ann.say("artifacts", body, c.lane()).encoded, [
        c.ann.record("c").encoded,
        c.ann.record("d").encoded,
    ]


def run(act: Callable[[Crime], Act], scene: Crime) -> int:
    entry, records = act(scene)
    return scene.log.append(entry, records)

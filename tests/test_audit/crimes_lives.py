"""What a dishonest operator can let in against the lives of identities and against what they say of each other."""

from __future__ import annotations

from typing import Any

from ledger.identity import ed25519
from ledger.identity.keyset import position_of
from ledger.statements.entry import NEXT, decode_entry, make_entry
from ledger.statements.statement import keyset_digest, make_statement
from tests.test_audit.crimes import Act, crime, signed_by
from tests.test_audit.scenes import Crime
from tests.world import Actor, enrol, evidence, keyset_of, seed_of


def said(c: Crime, actor: Actor, type_: str, **body: Any) -> Act:
    return actor.say(type_, body, c.lane()).encoded, []


def noticed(c: Crime, actor: Actor, act: str, *subject: Any, **body: Any) -> Act:
    return said(c, actor, "notice", act=act, subjects=[list(subject) or [c.rooted.id]], **body)


def told(c: Crime, act: Act) -> bytes:
    """Appends what is honest; the statement's id."""
    c.log.append(*act)
    return decode_entry(act[0]).statement.id


@crime("not-yet")
def keys_of_the_log_changed(c: Crime) -> Act:
    return said(c, c.operator, "rules", mode="open", vkeys=[str(c.world.vkey)])


@crime("commitment-differs")
def rotated_by_a_thief(c: Crime) -> Act:
    """The daily key signs, and reveals a keyset of the thief's."""
    return c.newcomer("robbed").key_event("rotate", reveal="thief").encoded, []


@crime("signature-invalid")
def cut_was_changed(c: Crime) -> Act:
    """The owner's rotation, with an earlier beginning of the theft than he signed."""
    victim = c.newcomer("cut")
    entry = victim.key_event("rotate", cuts=[(victim.public_key, 5)])
    fields = entry.statement.fields
    body = fields["body"] | {"compromised": [[victim.public_key, 4]]}
    place = {name: fields[name] for name in ("by", "kseq", "prev")}
    return make_entry(make_statement("rotate", c.world.log, body, **place), entry.signatures).encoded, []


@crime("key-not-in-force")
def rotated_out(c: Crime) -> Act:
    victim = c.newcomer("rotated")
    act = c.over(victim, victim.record("by the old key"))
    c.event(victim)
    return act


@crime("key-not-in-force")
def recovered_before_its_time(c: Crime) -> Act:
    victim = c.newcomer("early")
    c.event(victim, "recover")
    victim.settle()
    return c.over(victim, victim.record("too early"))


@crime("recovery-pending")
def recovered_twice(c: Crime) -> Act:
    victim = c.newcomer("twice over")
    c.event(victim, "recover")
    return victim.key_event("recover").encoded, []


@crime("key-event-broken")
def key_event_at_a_place_taken(c: Crime) -> Act:
    victim = c.newcomer("forked")
    other = victim.key_event("rotate", recovery=bytes(32))
    c.event(victim)
    return other.encoded, []


@crime("keyset-illegal")
def old_key_used_again(c: Crime) -> Act:
    """The keyset committed to as the next one holds a key that was in force before."""
    again = keyset_of("again", "fresh")
    body = enrol("again", c.world.log).enrolment.statement.body | {"next": keyset_digest(again)}
    enrolment = make_statement("enrol", c.world.log, body)
    c.log.append(make_entry(enrolment, [signed_by("again", enrolment.payload)]).encoded)
    commitments = {"next": bytes([1]) * 32, "recovery": bytes([2]) * 32}
    body = {"keyset": again, **commitments}
    rotation = make_statement("rotate", c.world.log, body, by=enrolment.id, kseq=1, prev=enrolment.id)
    key = ed25519.public_key(seed_of("again"))
    signature = signed_by("again", rotation.payload, NEXT)._replace(key_index=position_of(again, key))
    return make_entry(rotation, [signature]).encoded, []


@crime("compromised-illegal")
def cut_of_a_key_never_had(c: Crime) -> Act:
    cuts = [(ed25519.public_key(seed_of("ann")), 0)]
    return c.newcomer("cutter").key_event("rotate", cuts=cuts).encoded, []


@crime("identity-retired")
def said_after_retirement(c: Crime) -> Act:
    victim = c.newcomer("retired")
    c.event(victim, "retire")
    return c.over(victim, victim.record("from beyond"))


def pair_of(c: Crime, name: str) -> tuple[Actor, Actor]:
    anchor = c.newcomer(name)
    pair = c.newcomer(name + "'s pair", "pair", anchor.id)
    body = {"pair": pair.id, "substrate": {"name": "model", "version": "1"}}
    pair.delegation = told(c, said(c, anchor, "delegate", **body))
    c.log.append(*c.over(pair, pair.record("while it may")))
    return anchor, pair


@crime("not-delegated")
def pair_whose_anchor_is_retired(c: Crime) -> Act:
    anchor, pair = pair_of(c, "gone")
    c.event(anchor, "retire")
    return c.over(pair, pair.record("orphaned"))


@crime("not-delegated")
def pair_after_its_end(c: Crime) -> Act:
    anchor, pair = pair_of(c, "ender")
    told(c, said(c, anchor, "undelegate", pair=pair.id))
    return c.over(pair, pair.record("ended"))


@crime("not-delegated")
def pair_that_a_thief_delegated(c: Crime) -> Act:
    """Its delegation was disowned: from there on it is suspect, and may not speak."""
    anchor, pair = pair_of(c, "framed")
    c.event(anchor, cuts=[(anchor.public_key, 3)])
    return c.over(pair, pair.record("suspect"))


@crime("not-authorised")
def hold_by_who_is_not_listed(c: Crime) -> Act:
    return noticed(c, c.bob, "hold")


@crime("not-authorised")
def rules_by_who_is_not_the_operator(c: Crime) -> Act:
    return said(c, c.bob, "rules", mode="open")


@crime("role-illegal")
def rules_that_list_a_human(c: Crime) -> Act:
    return said(c, c.operator, "rules", mode="open", curators=[c.bob.id])


@crime("not-authorised", 0)
def retraction_of_anothers_work(c: Crime) -> Act:
    return noticed(c, c.bob, "retract")


@crime("subject-unknown", 1)
def attestation_on_nothing(c: Crime) -> Act:
    subjects = sorted([[c.rooted.id], [b"\xff" * 32]])
    return said(c, c.bob, "attest", subjects=subjects, claim="content", result="confirmed")


@crime("subject-unknown", 0)
def dispute_of_a_row_too_far(c: Crime) -> Act:
    table = c.bob.record("rows", "dataset", form="rows", facts={"count": 3})
    told(c, c.over(c.bob, table))
    told(c, noticed(c, c.curator, "dispute", table.id, 2))
    return noticed(c, c.curator, "dispute", table.id, 3)


@crime("notice-illegal")
def release_of_anothers_hold(c: Crime) -> Act:
    hold = told(c, noticed(c, c.curator, "hold"))
    return noticed(c, c.registrar, "release", cancels=hold)


@crime("endorsement-illegal")
def endorsement_of_oneself(c: Crime) -> Act:
    return said(c, c.registrar, "endorse", subject=c.registrar.id, grade="known", method="web")


@crime("evidence-invalid")
def evidence_out_of_thin_air(c: Crime) -> Act:
    """The second payload bears the first one's signature."""
    halves = []
    for text in ("one", "two"):
        before = dict(c.machine.lanes)
        halves.append(c.machine.artifacts([c.machine.record(text, "output")], b"F" * 16)[0])
        c.machine.lanes = before
    forged = make_entry(halves[1].statement, halves[0].signatures)
    return said(c, c.bob, "evidence", **evidence(halves[0], forged))


@crime("not-endorsed")
def let_in_past_the_list(c: Crime) -> Act:
    """Under an allow-list, of which all others are; so it is the last crime of a log."""
    outsider = c.newcomer("outsider")
    for actor in (c.ann, c.bob, c.machine):
        told(c, said(c, c.registrar, "endorse", subject=actor.id, grade="known", method="in-person"))
    told(c, said(c, c.operator, "rules", mode="allow-list", registrars=[c.registrar.id]))
    c.log.append(*c.over(c.pair, c.pair.record("admitted by its anchor")))
    return c.over(outsider, outsider.record("not on the list"))

"""Ordinary statements without records: endorsements, attestations, notices, rules, evidence (SPEC §5.3, §5.4, §7.5).

`judge` asks whether the signer may say it, by the entries before it alone; what each subject of an attestation or a
notice is, takes records (`ledger.fold.subjects`).
"""

from __future__ import annotations

from typing import Any, Final

from ledger.errors import NotYet, RefusedInput
from ledger.fold.authority import is_listed
from ledger.fold.objects import Endorsement, Hold, Identity
from ledger.fold.state import FoldState
from ledger.identity.keyset import check_revealed, check_signatures
from ledger.identity.life import KeyEvent, asked_of, retired
from ledger.statements import words
from ledger.statements.entry import CURRENT, Entry, Signature
from ledger.statements.statement import Statement, decode_statement


def judge(state: FoldState, statement: Statement, signer: Identity, clock_ms: int) -> None:
    """Raises the LineageError that makes such a statement of `signer` faulty."""
    _JUDGES[statement.type](state, statement, signer, clock_ms)


def take_effect(
    state: FoldState, log_index: int, statement: Statement, signed_by: tuple[bytes, ...], clock_ms: int
) -> None:
    """Takes a statement in order into the state; `signed_by`: the public keys that signed it."""
    body = statement.body
    match statement.type:
        case "rules":
            state.header.rules = body
        case "endorse":
            endorsement = Endorsement(
                statement.id, log_index, body["grade"], body["method"], body.get("until"), signed_by
            )
            if "log" not in body:
                state.put_endorsement(body["subject"], statement.by, endorsement)
        case "notice" if body["act"] == "hold":
            subjects = tuple(tuple(subject) for subject in body["subjects"])
            state.put_hold(statement.id, Hold(log_index, statement.by, subjects))
        case "evidence":
            accused = state.identity(decode_statement(body["first"][0]).by)
            if accused is not None:
                state.put_contested(accused.in_force(clock_ms).id, log_index)


def _not_authorised(who: str, reason: str, fix: str) -> RefusedInput:
    return RefusedInput("not-authorised", who, reason, fix)


def _judge_endorse(state: FoldState, statement: Statement, signer: Identity, _clock_ms: int) -> None:
    body = statement.body
    if signer.role in ("machine", "pair"):
        raise _not_authorised(
            signer.role, f"a {signer.role} endorses nobody", "Let a human or a registrar say it."
        )
    if "log" in body:
        if body["log"] == statement.log:
            raise RefusedInput(
                "endorsement-illegal",
                "body.log",
                "it names this log",
                "Leave it out for an identity of this log.",
            )
        return
    subject = state.identity(body["subject"])
    if subject is None:
        raise RefusedInput(
            "identity-unknown",
            f"subject {body['subject'].hex()[:16]}",
            "it is not enrolled in this log",
            "Append its enrolment first, or name its log.",
        )
    if signer.id in (subject.id, subject.anchor):
        raise RefusedInput(
            "endorsement-illegal",
            f"subject {subject.id.hex()[:16]}",
            "nobody endorses himself or his own pair",
            "Ask somebody else.",
        )


def _judge_attest(_state: FoldState, _statement: Statement, signer: Identity, _clock_ms: int) -> None:
    if signer.role == "machine":
        raise _not_authorised("machine", "a machine attests nothing", "Let a human or a pair say it.")


def _judge_notice(state: FoldState, statement: Statement, signer: Identity, _clock_ms: int) -> None:
    body = statement.body
    if body["act"] in words.ACTS_OF_THE_LISTED and not is_listed(state, signer.id):
        raise _not_authorised(
            f"identity {signer.id.hex()[:16]}",
            f"the rules in force do not list it, and only who is listed may {body['act']}",
            "Say it by `lineage attest --result refuted`, or ask the operator to list it.",
        )
    if body["act"] != "release":
        return
    hold = state.hold(body["cancels"])
    reason = ""
    if hold is None:
        reason = "it names no hold that stands before"
    elif hold.by != signer.id:
        reason = "the hold it names is another's"
    elif not {tuple(subject) for subject in body["subjects"]} <= set(hold.subjects):
        reason = "the hold it names is not on all of its subjects"
    if reason:
        raise RefusedInput(
            "notice-illegal", "body.cancels", reason, "Name a hold of your own, and subjects of it."
        )


def _judge_rules(state: FoldState, statement: Statement, signer: Identity, _clock_ms: int) -> None:
    if signer.id != state.header.operator:
        raise _not_authorised(
            f"identity {signer.id.hex()[:16]}", "it is not the operator", "Let the operator say it."
        )
    if "vkeys" in statement.body:
        raise NotYet(
            "not-yet", "body.vkeys", "fold 2 does not build a change of the log's keys", "Leave them out."
        )
    for name, role in (("registrars", "registrar"), ("curators", "curator")):
        for position, identity_id in enumerate(statement.body.get(name, ())):
            listed = state.identity(identity_id)
            where = f"body.{name}[{position}]"
            if listed is None:
                raise RefusedInput(
                    "identity-unknown", where, "it is not enrolled in this log", "Enrol it first."
                )
            if listed.role != role:
                raise RefusedInput("role-illegal", where, f"it is a {listed.role}", f"List a {role}.")


def _judge_evidence(state: FoldState, statement: Statement, _signer: Identity, clock_ms: int) -> None:
    halves = [_opened(statement.body[name]) for name in ("first", "second")]
    by = halves[0].statement.by
    accused = state.identity(by)
    if accused is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity {by.hex()[:16]}",
            "it is not enrolled in this log",
            "Name one that is.",
        )
    if accused.retired:
        raise retired(by)
    in_force = accused.in_force(clock_ms)
    is_key_fork = "key" not in halves[0].statement.fields
    ground = in_force
    if is_key_fork:
        ground = _ground(state, accused, in_force, halves)
    elif halves[0].statement.key != in_force.id:
        raise RefusedInput(
            "key-not-in-force",
            f"key event {halves[0].statement.key.hex()[:16]}",
            f"it is not in force; {in_force.id.hex()[:16]} is",
            "Evidence has a meaning only while the key event that it names is in force.",
        )
    contested = state.contested(in_force.id)
    if contested is not None:
        raise _no_evidence("evidence", f"the identity is contested since log index {contested} already")
    for half in halves:
        try:
            if is_key_fork:
                _check_signed_after(half, ground)
            else:
                check_signatures(half, {CURRENT: in_force.keyset})
        except RefusedInput as error:
            what = f"it is not signed as it would have to be: {error.item}: {error.reason}"
            raise _no_evidence(f"payload {half.statement.id.hex()[:16]}", what) from error


def _ground(state: FoldState, accused: Identity, in_force: KeyEvent, halves: list[Entry]) -> KeyEvent:
    """The key event that two at one place follow: that in force, or that which was when one of them came."""
    kseq = halves[0].statement.fields["kseq"]
    is_next = kseq == accused.kseq + 1
    if not (is_next or accused.last.id in {half.statement.id for half in halves}):
        raise RefusedInput(
            "key-event-broken",
            f"identity {accused.id.hex()[:16]}",
            f"its last key event has kseq {accused.kseq}; these two do not stand there or behind it",
            "Evidence has a meaning only while the key event is in force.",
        )
    before = state.key_event(accused, kseq - 1)
    for half in halves:
        if half.statement.fields["prev"] != before.id:
            raise RefusedInput(
                "key-event-broken",
                f"prev of {half.statement.id.hex()[:16]}",
                "it is not the key event before",
                "Name two that follow one event.",
            )
    first, second = (half.statement.body["keyset"] for half in halves)
    if first != second:
        raise _no_evidence("evidence", "the two reveal two keysets, so two parts of one identity raced")
    if is_next:
        return in_force
    return state.key_event(accused, kseq - 2) if before.vetoed else before


def _no_evidence(item: str, reason: str) -> RefusedInput:
    return RefusedInput(
        "evidence-invalid",
        item,
        reason,
        "Only two payloads that one key event signed are evidence, and once.",
    )


def _check_signed_after(half: Entry, ground: KeyEvent) -> None:
    asked = asked_of(ground, half.statement)
    check_revealed(half.statement.body["keyset"])
    check_signatures(half, asked)


def _opened(half: list[Any]) -> Entry:
    payload, signatures = half
    return Entry(payload, decode_statement(payload), tuple(Signature(*item) for item in signatures))


_JUDGES: Final = {
    "endorse": _judge_endorse,
    "attest": _judge_attest,
    "notice": _judge_notice,
    "rules": _judge_rules,
    "evidence": _judge_evidence,
}

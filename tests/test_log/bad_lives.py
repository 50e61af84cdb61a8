"""What the log refuses of key events and of what identities say about each other and about artifacts, each with its code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.merkle.tree import root_of
from ledger.statements.entry import Entry
from ledger.statements.record import Parent
from ledger.statements.statement import keyset_digest, make_statement
from tests.test_log.scene import ASIDE, Scene, Submission
from tests.world import evidence, keyset_of

NOBODY = b"n" * 32
Make = Callable[[Scene], Submission]


def bare(entry: Entry) -> Submission:
    return entry.encoded, ()


def said(s: Scene, type_: str, body: dict[str, Any], by: str = "ada") -> Submission:
    actor = s.world.operator() if by == "operator" else getattr(s, by)
    return bare(actor.say(type_, body, ASIDE))


def noticed(act: str, by: str = "ada", **body: Any) -> Make:
    return lambda s: said(s, "notice", {"subjects": [[s.work.id]], "act": act, **body}, by)


def attested(*subject: Any, by: str = "ada") -> Make:
    def make(s: Scene) -> Submission:
        subjects = [list(subject) or [s.work.id]]
        return said(s, "attest", {"subjects": subjects, "claim": "content", "result": "unclear"}, by)

    return make


def endorsed(by: str, subject: str, **body: Any) -> Make:
    def make(s: Scene) -> Submission:
        named = NOBODY if subject == "nobody" else getattr(s, subject).id
        return said(s, "endorse", {"subject": named, "grade": "known", "method": "web", **body}, by)

    return make


def event(type_: str = "rotate", by: str = "ada", **arguments: Any) -> Make:
    return lambda s: bare(getattr(s, by).key_event(type_, **arguments))


def event_by_current_key(s: Scene) -> Submission:
    return bare(s.ada.sign(s.ada.key_event("rotate").statement))


def cut(key: bytes | None, start: int) -> Make:
    return lambda s: bare(s.ada.key_event("rotate", cuts=[(key or s.ada.public_key, start)]))


def event_of_nobody(s: Scene) -> Submission:
    body = s.ada.key_event("rotate").statement.body
    statement = make_statement("rotate", s.world.log, body, by=NOBODY, kseq=1, prev=NOBODY)
    return bare(s.ada.sign(statement))


def second_recovery(s: Scene) -> Submission:
    s.world.change(s.ada, "recover")
    return bare(s.ada.key_event("recover"))


def after_retirement(s: Scene) -> Submission:
    s.world.change(s.mech, "retire")
    return said(s, "evidence", forked(s), "mech")


def rotated_out(s: Scene) -> Submission:
    before = said(s, "endorse", {"subject": s.mech.id, "grade": "known", "method": "web"})
    s.world.change(s.ada)
    return before


def recovery_key_too_early(s: Scene) -> Submission:
    """The statement of a recover that still waits."""
    s.world.change(s.ada, "recover")
    key, s.ada.key = s.ada.key, s.ada.last
    act = said(s, "endorse", {"subject": s.mech.id, "grade": "known", "method": "web"})
    s.ada.key = key
    return act


def pair_after_undelegate(s: Scene) -> Submission:
    s.world.undelegate(s.ada, s.duo)
    entry, records = s.duo.artifacts([s.duo.record("late", "output")], ASIDE)
    return entry.encoded, records


def pair_of_a_retired_anchor(s: Scene) -> Submission:
    ann = s.world.enrol("ann")
    pair = s.world.pair(ann, "orphan")
    s.world.change(ann, "retire")
    entry, records = pair.artifacts([pair.record("late", "output")], ASIDE)
    return entry.encoded, records


def shut_out(s: Scene) -> Submission:
    registrar = s.world.enrol("registrar", "registrar")
    s.world.endorse(registrar, s.ada)
    s.world.rules(s.world.operator(), "allow-list", registrars=[registrar])
    entry, records = s.mech.artifacts([s.mech.record("x", "output")], ASIDE)
    return entry.encoded, records


def over_own_limit(s: Scene) -> Submission:
    """A limit on bytes, which no replay judges, holds from the entry behind the `rules` on."""
    s.world.rules(s.world.operator(), limits={"bytes": 500})
    entry, records = s.mech.artifacts([s.mech.record(text, "output") for text in "abcd"], ASIDE)
    return entry.encoded, records


def released_by_another(s: Scene) -> Submission:
    one, other = (s.world.enrol(name, "curator") for name in ("one", "other"))
    s.world.rules(s.world.operator(), curators=[one, other])
    hold = s.world.notice(one, "hold", [s.work.id])
    body = {"subjects": [[s.work.id]], "act": "release", "cancels": hold.statement_id}
    return bare(other.say("notice", body, ASIDE))


def fork_of(s: Scene, *texts: str, key: bytes | None = None) -> dict[str, Any]:
    halves = []
    for text in texts:
        body = {"count": 1, "root": root_of([s.mech.record(text, "output").id])}
        statement = make_statement(
            "artifacts", s.world.log, body, by=s.mech.id, key=key or s.mech.id, lane=b"F" * 16, seq=0
        )
        halves.append(s.mech.sign(statement))
    return evidence(*halves)


def forked(s: Scene) -> dict[str, Any]:
    return fork_of(s, "one", "two")


def forged_fork(s: Scene) -> Submission:
    """One of the two was never signed by the accused."""
    body = forked(s)
    body["first"][1] = body["second"][1]
    return said(s, "evidence", body)


def fork_told_twice(s: Scene) -> Submission:
    s.world.must(s.duo.say("evidence", fork_of(s, "three", "four")))
    return said(s, "evidence", forked(s))


def retracted_by_the_pair(s: Scene) -> Submission:
    """What a pair made, its anchor takes back."""
    record = s.duo.record("mine", "output", parents=[Parent("derived-from", s.work.id)])
    s.world.publish(s.duo, record)
    return bare(s.duo.say("notice", {"subjects": [[record.id]], "act": "retract"}, ASIDE))


BAD_LIVES: dict[str, tuple[str, Make]] = {
    "key event that leaves out a number": ("key-event-broken", event(kseq=2)),
    "key event behind another": ("key-event-broken", event(prev=NOBODY)),
    "key event of nobody": ("identity-unknown", event_of_nobody),
    "key event signed by the daily key": ("signature-surplus", event_by_current_key),
    "keyset nobody committed to": ("commitment-differs", event(reveal="thief")),
    "recovery by the next keyset": ("commitment-differs", event("recover", reveal="ada/next")),
    "commitment to a keyset revealed before": (
        "keyset-illegal",
        event(next=keyset_digest(keyset_of("ada"))),
    ),
    "second recovery": ("recovery-pending", second_recovery),
    "cut of another's key": ("compromised-illegal", cut(b"k" * 32, 0)),
    "cut from its own place on": ("compromised-illegal", cut(None, 1_000)),
    "said after retirement": ("identity-retired", after_retirement),
    "said by a rotated-out key": ("key-not-in-force", rotated_out),
    "said by a recovery that waits": ("key-not-in-force", recovery_key_too_early),
    "pair whose delegation was ended": ("not-delegated", pair_after_undelegate),
    "pair whose anchor is retired": ("not-delegated", pair_of_a_retired_anchor),
    "end of no delegation": ("delegation-illegal", lambda s: said(s, "undelegate", {"pair": s.bare.id})),
    "not on the list": ("not-endorsed", shut_out),
    "more bytes than the rules in force take": ("rules-exceeded", over_own_limit),
    "rules by anybody": ("not-authorised", lambda s: said(s, "rules", {"mode": "open"})),
    "rules with keys of the log": (
        "not-yet",
        lambda s: said(s, "rules", {"mode": "open", "vkeys": [str(s.world.vkey)]}, "operator"),
    ),
    "rules that list a machine": (
        "role-illegal",
        lambda s: said(s, "rules", {"mode": "open", "curators": [s.mech.id]}, "operator"),
    ),
    "rules that list nobody": (
        "identity-unknown",
        lambda s: said(s, "rules", {"mode": "open", "curators": [NOBODY]}, "operator"),
    ),
    "endorsement of oneself": ("endorsement-illegal", endorsed("ada", "ada")),
    "endorsement of one's own pair": ("endorsement-illegal", endorsed("ada", "duo")),
    "endorsement of nobody": ("identity-unknown", endorsed("ada", "nobody")),
    "endorsement by a machine": ("not-authorised", endorsed("mech", "ada")),
    "attestation by a machine": ("not-authorised", attested(by="mech")),
    "attestation on nothing": ("subject-unknown", attested(NOBODY)),
    "attestation on a row of no dataset": (
        "subject-unknown",
        lambda s: attested(s.work.id, 0)(s),
    ),
    "attestation on a row too far": ("subject-unknown", lambda s: attested(s.table.id, 3)(s)),
    "hold by who is not listed": ("not-authorised", noticed("hold")),
    "retraction of another's work": ("not-authorised", noticed("retract", "mech")),
    "retraction by the pair that made it": ("not-authorised", retracted_by_the_pair),
    "release of no hold": ("notice-illegal", noticed("release", cancels=NOBODY)),
    "release of another's hold": ("notice-illegal", released_by_another),
    "evidence that one part did not sign": ("evidence-invalid", forged_fork),
    "evidence told twice": ("evidence-invalid", fork_told_twice),
    "evidence under another key event": (
        "key-not-in-force",
        lambda s: said(s, "evidence", fork_of(s, "one", "two", key=NOBODY)),
    ),
}

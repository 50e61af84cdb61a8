"""SPEC §16.8 and §16.9: a key is stolen and cut off, a recovery is vetoed, others speak of an artifact.

Like the other examples made by the naive code of tests/reference.py and tests/cases alone.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tests.cases.logs import Actor, Script, id_of, keys, public_key, signed
from tests.cases.samples import Fields
from tests.reference import RECOVERY_WAIT_MS, pack, tagged


class Lines(Protocol):
    """A page of examples."""

    def heading(self, number: int, title: str) -> None: ...
    def value(self, name: str, data: bytes) -> None: ...
    def bytes_of(self, name: str, data: bytes) -> None: ...
    def say(self, text: str) -> None: ...


class Lives(NamedTuple):
    """A log of fold 2; `fields` are its statements by name, `at` their log indices."""

    script: Script
    alice: Actor
    record: bytes
    fields: dict[str, Fields]
    at: dict[str, int]
    recover_clock_ms: int


def build_lives() -> Lives:
    """Genesis, state, alice 2, clara 3, a theft 4, state, rotation 6, the record again 7, state, recovery 9, state, veto 11, rules 12, hold 13."""
    script = Script(fold=2).begin()
    alice, clara = script.actor("alice"), script.actor("clara", "curator")
    record = script.work(alice, "Rain all day.")
    fields: dict[str, Fields] = {}
    at: dict[str, int] = {}

    def add(name: str, said: Fields, signer: str, keyset_number: int = 0) -> None:
        fields[name] = said
        at[name] = script.add(
            signed(said, signer, keyset_number=keyset_number), [record] if said["type"] == "artifacts" else ()
        )

    add("theft", script.artifacts(alice, [record]), "alice")
    script.state()
    cut = [[public_key("alice"), at["theft"]]]
    rotation = script.key_event(alice, "rotate", compromised=cut)
    add("rotate", rotation, "alice/next", 1)
    alice.events.append(tagged("statement", pack(rotation)))
    alice.turn("alice/next", alice.events[-1])
    add("again", script.artifacts(alice, [record]), "alice/next")
    script.state()
    recovery = script.key_event(alice, "recover")
    add("recover", recovery, "alice/next/recovery", 2)
    alice.events.append(tagged("statement", pack(recovery)))
    script.state()
    recover_clock_ms = script.time
    veto = script.key_event(alice, "rotate")
    add("veto", veto, "alice/next/next", 1)
    alice.events.append(tagged("statement", pack(veto)))
    alice.turn("alice/next/next", alice.events[-1])
    add("rules", script.say(script.operator, "rules", {"mode": "open", "curators": [clara.id]}), "operator")
    hold = {"subjects": [[id_of(record)]], "act": "hold", "reason": "compromise"}
    add("hold", script.say(clara, "notice", hold), "clara")
    script.state()
    return Lives(script, alice, record, fields, at, recover_clock_ms)


def lives(lines: Lines) -> None:
    """Both sections."""
    example = build_lives()
    at, fields = example.at, example.fields
    lines.heading(8, "A stolen key, a rotation with a cut, a veto")
    lines.say(
        f"A log of fold 2: genesis 0, state 1, alice 2, clara (a curator) 3. Entry {at['theft']}: a thief signs a work with alice's"
    )
    lines.say(
        "daily key. The digests that alice's enrolment commits to are those of these keysets, threshold 1:"
    )
    for name in ("alice/next", "alice/recovery"):
        lines.value(f'keyset digest of "{name}"', tagged("keyset", pack(keys(name))))
    lines.value("the work's artifact id", id_of(example.record))
    lines.bytes_of(
        f"payload: rotate, entry {at['rotate']}, compromised from {at['theft']} on", pack(fields["rotate"])
    )
    lines.value("statement id", tagged("statement", pack(fields["rotate"])))
    lines.bytes_of(
        f"entry {at['rotate']}: its one signature names keyset 1 (next), key 0",
        example.script.entries[at["rotate"]],
    )
    lines.say(
        f"Entry {at['theft']} stays in order and is disowned, {at['rotate'] - at['theft']} entries late. Entry {at['again']}, under the rotation, holds the same record: it stands from there."
    )
    lines.bytes_of(f"payload: recover, entry {at['recover']}", pack(fields["recover"]))
    lines.say(
        f"Its signature names keyset 2. The clock there is {example.recover_clock_ms}: in force where the clock is at least {example.recover_clock_ms + RECOVERY_WAIT_MS}."
    )
    lines.say(
        f"Entry {at['veto']}, a rotate with kseq 3 by the next keyset of entry {at['rotate']}, ends it before: the recover never was in force."
    )
    lines.value("its prev: the recover's statement id", fields["veto"]["prev"])

    lines.heading(9, "Rules and a notice")
    lines.bytes_of(f"payload: rules, entry {at['rules']}: clara is listed", pack(fields["rules"]))
    lines.bytes_of(
        f"payload: notice, entry {at['hold']}: clara holds the work, which is then quarantined",
        pack(fields["hold"]),
    )
    lines.value("topic key of the work's notices", tagged("topic", b"\x05", id_of(example.record)))
    lines.value("statement id, which a release would name", tagged("statement", pack(fields["hold"])))

"""Receipts that are refused: for each rule of SPEC §11.1 one that breaks it and no other, written by naive code alone.

A forger is anybody, the log's operator included: he writes what he likes into the log and signs a checkpoint over it.
What he lacks are the others' keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests import reference
from tests.cases.logs import (
    ORIGIN,
    Actor,
    commitments,
    keys,
    mixed_enrolment,
    parent_of,
    private_key,
    public_key,
    signed,
)
from tests.cases.receipts import HEADER, Parts, ReceiptCase, Scene, b64, content_of, note
from tests.cases.samples import Fields, changed, payload, some, vkey
from tests.reference import Raw, pack, tagged

Change = Callable[[Scene, Parts], None]


def setting(name: str, value: Callable[[Scene, Parts], Any]) -> Change:
    return lambda scene, parts: setattr(parts, name, value(scene, parts))


def extra_of(name: str, value: Callable[[Scene, Fields], Any]) -> Change:
    """Another value in `extra`; None takes the key away."""

    def change(scene: Scene, parts: Parts) -> None:
        parts.extra = changed(parts.extra, **{name: value(scene, parts.extra)})

    return change


def in_support(place: int, at: int, value: Callable[[Scene, Fields], Any]) -> Change:
    """Another index (0), entry (1) or path (2) in one item of the support."""

    def change(scene: Scene, parts: Parts) -> None:
        parts.extra["support"][place][at] = value(scene, parts.extra)

    return change


def loose_base64(_scene: Scene, parts: Parts) -> str:
    """Base64 with a bit set that no byte has: lax readers decode it to the same."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    text = b64(pack(parts.extra))
    bare = text.rstrip("=")
    if bare == text:
        raise ValueError("these bytes leave no bit over")
    return bare[:-1] + digits[digits.index(bare[-1]) + 1] + "=" * (len(text) - len(bare))


def too_long(_scene: Scene, parts: Parts) -> str:
    """`v` as a 16-bit integer: the same value, of another encoding."""
    return b64(pack({**parts.extra, "v": Raw(b"\xcd\x00\x01")}))


TEXTS: tuple[tuple[str, str, str, Change], ...] = (
    ("header", "another first line", "receipt-invalid", setting("header", lambda *_: HEADER[:-1] + "2")),
    ("without-extra", "proves the entry alone", "receipt-invalid", setting("extra", lambda *_: None)),
    ("extra-empty", "extra of no bytes", "receipt-invalid", setting("extra", lambda *_: "")),
    ("extra-base64", "extra in loose base64", "receipt-invalid", setting("extra", loose_base64)),
    (
        "extra-base64-url",
        "extra in the alphabet of URLs",
        "receipt-invalid",
        setting("extra", lambda _, p: b64(pack(p.extra)).replace("+", "-").replace("/", "_")),
    ),
    ("index-zero", "an index with a leading zero", "receipt-invalid", setting("index", lambda *_: "08")),
    ("index-outside", "an index at the tree's size", "receipt-invalid", setting("index", lambda *_: 10)),
    (
        "path-short",
        "a hash of 31 bytes",
        "receipt-invalid",
        setting("path", lambda _, parts: [*parts.path[:-1], bytes(31)]),
    ),
    ("path-65", "a path of 65 hashes", "receipt-invalid", setting("path", lambda *_: [bytes(32)] * 65)),
    ("note-newline", "a line too many", "note-invalid", setting("note", lambda _, parts: parts.note + "\n")),
    (
        "note-signature",
        "the log's signature by another key",
        "note-invalid",
        setting("note", lambda scene, _: note(scene.script, signer="thief")),
    ),
    (
        "vkey-other",
        "a log of the same origin with another key",
        "note-invalid",
        setting("vkey", lambda *_: vkey(ORIGIN, public_key("other log"))),
    ),
    (
        "vkey-other-origin",
        "the same key under another origin",
        "note-invalid",
        setting("vkey", lambda *_: vkey("other.example", public_key("log"))),
    ),
    (
        "checkpoint-other-origin",
        "the log's key signs a checkpoint of another origin",
        "checkpoint-invalid",
        setting("note", lambda scene, _: note(scene.script, origin="other.example")),
    ),
    (
        "checkpoint-extension",
        "a checkpoint with a fourth line",
        "checkpoint-invalid",
        setting("note", lambda scene, _: note(scene.script, more="more\n")),
    ),
    ("extra-encoding", "an integer longer than it need be", "not-canonical", setting("extra", too_long)),
    (
        "extra-trailing",
        "a byte behind extra's map",
        "not-canonical",
        setting("extra", lambda _, parts: b64(pack(parts.extra) + b"\xc0")),
    ),
)

# --- Bad ones: what extra holds ---------------------------------------------------------------------------------------


def forged(entry: bytes, signer: str = "ben") -> bytes:
    """The same payload under somebody else's signature."""
    start = 3 if entry[1] == 0xC4 else 4
    data = entry[start : start + int.from_bytes(entry[2:start], "big")]
    return pack([data, [[0, 0, private_key(signer).sign(reference.pae(data))]]])


def other_log(_scene: Scene, _extra: Fields) -> bytes:
    """An enrolment in a log of another key."""
    return signed(payload("enrol", log=some("other log"), body=Scene().anna.enrolment["body"]), "anna")


EXTRAS: tuple[tuple[str, str, str, Change], ...] = (
    ("v-3", "another version", "schema", extra_of("v", lambda *_: 3)),
    ("v-0", "another version", "schema", extra_of("v", lambda *_: 0)),
    ("unknown-key", "a key that nobody knows", "schema", extra_of("more", lambda *_: 1)),
    ("without-support", "no support at all", "schema", extra_of("support", lambda *_: None)),
    (
        "record-path-empty",
        "a path that is empty, not left out",
        "not-canonical",
        extra_of("record_path", lambda *_: []),
    ),
    ("record-path-17", "longer than any", "schema", extra_of("record_path", lambda *_: [bytes(32)] * 17)),
    ("record-index-65536", "more than any", "schema", extra_of("record_index", lambda *_: 65_536)),
    ("support-of-two", "without paths", "schema", extra_of("support", lambda _, e: [e["support"][0][:2]])),
    ("entry-none", "bytes that are no entry", "not-canonical", extra_of("entry", lambda *_: b"no entry")),
    ("support-none", "support that is no entry", "not-canonical", in_support(1, 1, lambda *_: b"no entry")),
    ("support-other-log", "an enrolment in another log", "wrong-log", in_support(0, 1, other_log)),
    (
        "support-descends",
        "support in descending order",
        "receipt-invalid",
        extra_of("support", lambda _, extra: extra["support"][::-1]),
    ),
    (
        "support-twice",
        "an entry twice in the support",
        "receipt-invalid",
        extra_of("support", lambda _, extra: [extra["support"][0], *extra["support"]]),
    ),
    (
        "support-entry-itself",
        "the entry in its own support",
        "receipt-invalid",
        extra_of("support", lambda scene, extra: [*extra["support"], *scene.support([8])]),
    ),
    (
        "support-not-included",
        "a support entry that the log does not hold",
        "inclusion-invalid",
        in_support(0, 1, lambda _, extra: forged(extra["support"][0][1])),
    ),
    ("support-index", "support at another index", "inclusion-invalid", in_support(0, 0, lambda *_: 3)),
    (
        "support-path",
        "support with another's path",
        "inclusion-invalid",
        in_support(0, 2, lambda _, extra: extra["support"][1][2]),
    ),
    ("path-cut", "a hash less", "inclusion-invalid", setting("path", lambda _, parts: parts.path[1:])),
    ("index-other", "another index", "inclusion-invalid", setting("index", lambda *_: 9)),
    (
        "entry-not-included",
        "the entry under another signature",
        "inclusion-invalid",
        extra_of("entry", lambda _, extra: forged(extra["entry"])),
    ),
    (
        "no-anchor",
        "without the anchor",
        "delegation-illegal",
        extra_of("support", lambda s, _: s.support([5, 6])),
    ),
    (
        "no-pair",
        "without the pair",
        "delegation-illegal",
        extra_of("support", lambda s, _: s.support([2, 6])),
    ),
    (
        "no-delegation",
        "without delegation",
        "not-delegated",
        extra_of("support", lambda s, _: s.support([2, 5])),
    ),
    ("anchor-alone", "nobody signed", "identity-unknown", extra_of("support", lambda s, _: s.support([2]))),
    (
        "surplus-identity",
        "another identity beside",
        "receipt-invalid",
        extra_of("support", lambda scene, _: scene.support([2, 3, 5, 6])),
    ),
    (
        "surplus-genesis",
        "the genesis beside",
        "receipt-invalid",
        extra_of("support", lambda scene, _: scene.support([0, 2, 5, 6])),
    ),
    ("record-index-count", "none there", "receipt-invalid", extra_of("record_index", lambda *_: 2)),
    ("record-index-sibling", "the sibling's", "inclusion-invalid", extra_of("record_index", lambda *_: 0)),
    (
        "record-sibling",
        "the sibling in its place",
        "inclusion-invalid",
        extra_of("record", lambda scene, _: scene.script.records[8][0]),
    ),
    (
        "record-other",
        "a record that nobody signed",
        "inclusion-invalid",
        extra_of("record", lambda scene, _: scene.script.work(scene.pair, "unsigned")),
    ),
    ("record-none", "bytes that are no record", "not-canonical", extra_of("record", lambda *_: b"no record")),
    (
        "record-path-other",
        "other hashes",
        "inclusion-invalid",
        extra_of("record_path", lambda *_: [bytes(32)]),
    ),
    ("record-path-missing", "no path", "inclusion-invalid", extra_of("record_path", lambda *_: None)),
    (
        "content-other",
        "about another content",
        "receipt-invalid",
        setting("content", lambda *_: content_of("third", size=6)),
    ),
    (
        "content-form",
        "the digest under another form",
        "receipt-invalid",
        setting("content", lambda *_: content_of("second", "jcs")),
    ),
    (
        "content-size",
        "a record that states another size than the content has",
        "receipt-invalid",
        setting("content", lambda *_: content_of("second", size=7)),
    ),
)


# --- Bad ones: what a dishonest operator takes into the log ------------------------------------------------------------


def rotation(scene: Scene) -> Fields:
    """A thief's rotation of anna's keys to his."""
    body = {"keyset": keys("thief"), **commitments("thief")}
    return payload("rotate", log=scene.script.log, body=body, by=scene.anna.id, kseq=1, prev=scene.anna.id)


def rotated(scene: Scene, *, in_support: bool) -> Parts:
    fields = rotation(scene)
    at = scene.script.add(signed(fields, "thief", keyset_number=1))
    work = scene.script.work(scene.anna, "stolen")
    said = scene.script.artifacts(scene.anna, [work], key=tagged("statement", pack(fields)), seq=0, prev=None)
    stolen = scene.script.add(signed(said, "thief"), [work])
    return scene.close(stolen, 0, [2, at] if in_support else [2], content_of("stolen"))


def signed_by_another(scene: Scene) -> Parts:
    work = scene.script.work(scene.anna, "forged")
    at = scene.script.add(signed(scene.script.artifacts(scene.anna, [work]), "ben"), [work])
    return scene.close(at, 0, [2], content_of("forged"))


def one_key_of_two(scene: Scene) -> Parts:
    fields = scene.script.enrolment("one", keyset=keys("one", "two", threshold=2))
    twin = Actor("one", "human", fields)
    born = scene.script.add(signed(fields, "one", "two"))
    return scene.alone(twin, [born])


def enrolled(scene: Scene, data: bytes, name: str) -> Parts:
    """Somebody speaks after an enrolment that is not in order."""
    fields = scene.script.enrolment(name)
    born = scene.script.add(data)
    return scene.alone(Actor(name, "human", fields), [born])


def mixed_order(scene: Scene) -> Parts:
    born = scene.script.add(mixed_enrolment(scene.script))
    fields = scene.script.enrolment("mixed")
    return scene.alone(Actor("mixed", "human", fields), [born])


def enrolled_later(scene: Scene, *, in_support: bool) -> Parts:
    late = Actor("late", "human", scene.script.enrolment("late"))
    work = scene.script.work(late, "too early")
    at = scene.script.publish(late, work)
    born = scene.script.add(signed(late.enrolment, "late"))
    return scene.close(at, 0, [born] if in_support else [2], content_of("too early"))


def another_type(scene: Scene) -> Parts:
    """A delegation for an entry: it holds no records."""
    at = scene.script.add(signed(scene.script.delegation(scene.anna, scene.pair), "anna"))
    scene.script.records[at] = [scene.script.work(scene.anna, "of nothing")]
    return scene.close(at, 0, [2], content_of("of nothing"))


def stolen_delegation(scene: Scene) -> Parts:
    """Another pair of anna names the delegation of the first."""
    other = scene.script.actor("other pair", "pair", scene.anna.id)
    return scene.alone(other, [2, 5, 6, 8], delegation=scene.delegation)


def foreign_delegation(scene: Scene) -> Parts:
    """Ben delegates for a pair whose anchor is anna."""
    other = scene.script.actor("other pair", "pair", scene.anna.id)
    delegation = scene.script.delegate(scene.ben, other)
    return scene.alone(other, [2, 3, 8, 9], delegation=delegation)


def later_delegation(scene: Scene) -> Parts:
    """A delegation that stands behind the entry that names it."""
    other = scene.script.actor("other pair", "pair", scene.anna.id)
    fields = scene.script.delegation(scene.anna, other)
    work = scene.script.work(other, "too early")
    at = scene.script.publish(other, work, delegation=tagged("statement", pack(fields)))
    behind = scene.script.add(signed(fields, "anna"))
    return scene.close(at, 0, [2, 8, behind], content_of("too early"))


def forged_delegation(scene: Scene) -> Parts:
    """The pair signs its own delegation in the name of anna."""
    other = scene.script.actor("other pair", "pair", scene.anna.id)
    fields = scene.script.delegation(scene.anna, other)
    scene.script.add(signed(fields, "other pair"))
    return scene.alone(other, [2, 8, 9], delegation=tagged("statement", pack(fields)))


def machine_anchor(scene: Scene) -> Parts:
    """A machine for an anchor, which delegates."""
    other = scene.script.actor("other pair", "pair", scene.machine.id)
    delegation = scene.script.delegate(scene.machine, other)
    return scene.alone(other, [4, 8, 9], delegation=delegation)


def former_delegation(scene: Scene) -> Parts:
    """The delegation before the one that the body names stands beside it."""
    renewed = scene.script.delegate(scene.anna, scene.pair)
    return scene.alone(scene.pair, [2, 5, 6, 8], delegation=renewed)


def single(
    by: str, text: str, kind: str = "work", maker: str = "", **changes: Any
) -> Callable[[Scene], Parts]:
    """One record, which breaks a rule of its own, in a statement that is in order."""

    def build(scene: Scene) -> Parts:
        actor: Actor = getattr(scene, by)
        work = scene.script.work(getattr(scene, maker or by), text, kind, **changes)
        delegation = scene.delegation if by == "pair" else None
        at = scene.script.publish(actor, work, delegation=delegation)
        support = {"anna": [2], "ben": [3], "machine": [4], "pair": [2, 5, 6]}[by]
        return scene.close(at, 0, support, content_of(text))

    return build


def own_log(scene: Scene) -> Parts:
    parent = parent_of(scene.script.work(scene.ben, "source"), log=scene.script.log)
    return single("anna", "quote", parents=[parent])(scene)


def enrolled_with(scene: Scene, **changes: Any) -> Parts:
    """Cat's enrolment with another body."""
    fields = scene.script.enrolment("cat")
    fields = changed(fields, body=changed(fields["body"], **changes))
    born = scene.script.add(signed(fields, "cat"))
    return scene.alone(Actor("cat", "human", fields), [born])


def sealed_too_large(scene: Scene) -> Parts:
    parts = single("anna", "secret", form="sealed", size=64, media=None)(scene)
    parts.content = content_of("secret", "sealed")
    return parts


FORGED: tuple[tuple[str, str, str, Callable[[Scene], Parts]], ...] = (
    ("rotation", "a thief's rotation in the support", "not-yet", lambda s: rotated(s, in_support=True)),
    (
        "rotation-left-out",
        "the key event named is not in the support",
        "key-not-in-force",
        lambda scene: rotated(scene, in_support=False),
    ),
    (
        "enrolment-signature",
        "an enrolment signed by another",
        "signature-invalid",
        lambda scene: enrolled(scene, signed(scene.script.enrolment("cat"), "ben"), "cat"),
    ),
    (
        "enrolment-commitment",
        "an enrolment that commits to the keyset in force",
        "keyset-illegal",
        lambda scene: enrolled_with(scene, next=tagged("keyset", pack(keys("cat")))),
    ),
    ("enrolment-key", "a key with a component of order 8", "key-refused", mixed_order),
    ("signature", "a statement signed by another", "signature-invalid", signed_by_another),
    ("signature-missing", "one signature where two must stand", "signature-missing", one_key_of_two),
    (
        "signer-later",
        "the signer's enrolment stands behind the entry",
        "receipt-invalid",
        lambda scene: enrolled_later(scene, in_support=True),
    ),
    (
        "signer-not-supported",
        "another's enrolment in the place of the signer's",
        "identity-unknown",
        lambda scene: enrolled_later(scene, in_support=False),
    ),
    ("entry-type", "an entry that holds no records", "receipt-invalid", another_type),
    ("delegation-of-another", "another pair's delegation", "not-delegated", stolen_delegation),
    ("delegation-by-another", "by a human who is not its anchor", "delegation-illegal", foreign_delegation),
    ("delegation-later", "a delegation behind the entry", "receipt-invalid", later_delegation),
    (
        "delegation-forged",
        "a delegation that its anchor did not sign",
        "signature-invalid",
        forged_delegation,
    ),
    ("anchor-machine", "a machine for an anchor", "delegation-illegal", machine_anchor),
    ("surplus-delegation", "a former delegation beside", "receipt-invalid", former_delegation),
    (
        "delegation-of-a-human",
        "a human who names a delegation",
        "schema",
        lambda scene: scene.alone(scene.anna, [2], delegation=scene.delegation),
    ),
    ("maker", "a record by another maker", "maker-differs", single("ben", "hers", maker="anna")),
    ("role", "a work by a machine", "role-illegal", single("machine", "machine work")),
    ("own-log", "a parent that names its own log", "schema", own_log),
    (
        "scope-kinds",
        "a kind outside the delegation",
        "scope-exceeded",
        single("pair", "experienced", "experience"),
    ),
    ("scope-human", "more human than delegated", "scope-exceeded", single("pair", "too human", human=201)),
    (
        "record-size",
        "a record that states a byte too many",
        "receipt-invalid",
        single("anna", "long", size=5),
    ),
    ("record-size-sealed", "a bucket too large for the content", "receipt-invalid", sealed_too_large),
)


# --- Bad ones of version 2: key events that do not lead to the one named -----------------------------------------------


def turned(scene: Scene, *types: str) -> list[int]:
    """Key events of anna's in order."""
    return [scene.script.turn(scene.anna, type_) for type_ in types]


def with_gap(scene: Scene) -> Parts:
    _first, second = turned(scene, "rotate", "rotate")
    return scene.alone(scene.anna, [2, second])


def with_later(scene: Scene) -> Parts:
    at = scene.script.publish(scene.anna, scene.script.work(scene.anna, "early"))
    return scene.close(at, 0, [2, *turned(scene, "rotate")], content_of("early"))


def with_former_key(scene: Scene) -> Parts:
    """The entry names the enrolment, and a rotation stands before it."""
    (at,) = turned(scene, "rotate")
    scene.anna.turn("anna", scene.anna.id)
    return scene.alone(scene.anna, [2, at])


def with_others_event(scene: Scene) -> Parts:
    return scene.alone(scene.anna, [2, 3, scene.script.turn(scene.ben, "rotate")])


def with_statement(scene: Scene) -> Parts:
    scene.script.tell(scene.anna, "undelegate", {"pair": scene.pair.id})  # 8
    return scene.alone(scene.anna, [2, 8])


def event_of(scene: Scene, type_: str, *signers: str, number: int, **changes: Any) -> Parts:
    """A key event of anna's that the log holds whatever it is, and an entry that names it."""
    fields = scene.script.key_event(scene.anna, type_, **changes)
    at = scene.script.add(signed(fields, *signers, keyset_number=number))
    name = "anna/recovery" if type_ == "recover" else "anna/next"
    scene.anna.turn(name, tagged("statement", pack(fields)))
    return scene.alone(scene.anna, [2, at])


def recovery_that_keeps_next(scene: Scene) -> Parts:
    kept = commitments("anna")["next"]
    return event_of(scene, "recover", "anna/recovery", number=2, next=kept)


def delegated_before_cut(scene: Scene) -> Parts:
    """The anchor's rotation stands behind the delegation: it is none of the events up to the one that this names."""
    at = scene.script.publish(
        scene.pair, scene.script.work(scene.pair, "by two", human=5), delegation=scene.delegation
    )
    return scene.close(at, 0, [2, 5, 6, *turned(scene, "rotate")], content_of("by two"))


LIVES: tuple[tuple[str, str, str, Callable[[Scene], Parts]], ...] = (
    ("rotated-gap", "a rotation in the middle is left out", "key-event-broken", with_gap),
    ("rotated-later", "a rotation behind the entry", "receipt-invalid", with_later),
    (
        "rotated-former-key",
        "a rotation behind the key event that is named",
        "key-not-in-force",
        with_former_key,
    ),
    ("rotated-other", "another's enrolment and rotation", "receipt-invalid", with_others_event),
    ("support-undelegate", "a statement that supports nothing", "receipt-invalid", with_statement),
    (
        "rotated-by-thief",
        "a keyset that nobody committed to",
        "commitment-differs",
        lambda s: rotated(s, in_support=True),
    ),
    (
        "rotated-signature",
        "a rotation signed by another",
        "signature-invalid",
        lambda scene: event_of(scene, "rotate", "thief", number=1),
    ),
    (
        "rotated-by-current",
        "a rotation signed by the current key",
        "signature-surplus",
        lambda scene: event_of(scene, "rotate", "anna", number=0),
    ),
    (
        "rotated-cut",
        "a rotation that cuts a key which never was",
        "compromised-illegal",
        lambda scene: event_of(scene, "rotate", "anna/next", number=1, compromised=[[some("key"), 0]]),
    ),
    (
        "rotated-cut-later",
        "a rotation that cuts from its own position",
        "compromised-illegal",
        lambda scene: event_of(scene, "rotate", "anna/next", number=1, compromised=[[public_key("anna"), 8]]),
    ),
    ("recovered-next", "a recovery that keeps the next keyset", "keyset-illegal", recovery_that_keeps_next),
    (
        "retired",
        "an entry that names a retirement",
        "identity-retired",
        lambda scene: event_of(scene, "retire", "anna/next", number=1),
    ),
    (
        "pair-anchor-later",
        "the anchor's rotation behind the delegation",
        "receipt-invalid",
        delegated_before_cut,
    ),
)


def bad(name: str, what: str, code: str, parts: Parts) -> ReceiptCase:
    return ReceiptCase(f"receipt/{name}", what, parts.text(), parts.vkey, parts.content, None, code)


def refused() -> Iterator[ReceiptCase]:
    for name, what, code, change in (*TEXTS, *EXTRAS):
        scene = Scene()
        parts = scene.of_two()
        change(scene, parts)
        yield bad(name, what, code, parts)
    for name, what, code, build in FORGED:
        yield bad(name, what, code, build(Scene()))
    for name, what, code, build in LIVES:
        yield bad(name, what, code, build(Scene(2)))

"""Lives of identities in fold 2 (SPEC §7.2-§7.4), good and bad: rotation, recovery, retirement, disowning, pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.cases import algorithms, logs
from tests.cases.logs import Actor, Script, commitments, keys, public_key, signed
from tests.cases.samples import Fields, changed, payload, some
from tests.cases.samples import keyset as keyset_of
from tests.cases.worlds import (
    WAIT_MS,
    People,
    Scenario,
    ended,
    people,
    signatures_of,
    signed_of,
)
from tests.reference import ed25519_mixed_order_key, ed25519_sign_mixed, pack, pae, tagged

THREE = ("a1", "a2", "a3")
NEXT_THREE = ("b1", "b2", "b3")


def digest(keyset: Fields) -> bytes:
    return tagged("keyset", pack(keyset))


def id_of(fields: Fields) -> bytes:
    return tagged("statement", pack(fields))


def home(scope: Fields | None = None) -> People:
    return people(scope, fold=2)


def publish(world: People, text: str, by: Actor | None = None) -> int:
    """A work of the human's (of `by`) in order."""
    actor = by or world.human
    return world.script.publish(actor, world.script.work(actor, text))


def spoken(world: People, by: Actor, text: str = "x", **changes: Any) -> bytes:
    """An entry of a work that will be refused."""
    fields = world.script.artifacts(by, [world.script.work(by, text)])
    return signed(changed(world.script.unsay(by, fields), **changes), by.name)


def committed(**body: Any) -> People:
    """As `home`, with another human who is enrolled with other commitments or keys: `machine` is that one."""
    world = home()
    fields = world.script.enrolment("second", **body)
    second = Actor("second", "human", fields)
    world.script.add(signed(fields, "second"))
    return world._replace(machine=second)


def refused(name: str, what: str, code: str, make: Callable[[People], bytes]) -> Scenario:
    """One faulty key event of the human's at index 6; that he rotates behind it shows that it had no effect."""
    world = home()
    index = world.script.add(make(world))
    publish(world, "after")
    world.script.turn(world.human, "rotate")
    publish(world, "after the rotation")
    return ended(name, what, world.script, (index, code), speaks={world.human.id: world.human.key})


def event(
    type_: str, *signers: str, number: int | None = None, at: int | None = None, **changes: Any
) -> Callable[[People], bytes]:
    """The human's next key event, signed by these (else rightly); `changes` of its body, or of `by`, `kseq`, `prev`."""

    def make(world: People) -> bytes:
        outer = {name: changes[name] for name in ("by", "kseq", "prev") if name in changes}
        inner = {name: value for name, value in changes.items() if name not in outer}
        fields = changed(world.script.key_event(world.human, type_, **inner), **outer)
        names = signers or ("human/recovery" if type_ == "recover" else "human/next",)
        right = 2 if type_ == "recover" else 1
        return signed(fields, *names, keyset_number=right if number is None else number, at=at)

    return make


def good_key_events() -> Iterator[Scenario]:
    world = home()
    publish(world, "before")
    world.script.turn(world.human, "rotate")
    publish(world, "after")
    publish(world, "once more")
    world.script.turn(world.human, "rotate", recovery=commitments("human")["recovery"])
    publish(world, "after the second")
    yield ended(
        "rotate",
        "two rotations: each key event has its own lanes; a recovery keyset that nobody saw may be kept",
        world.script,
        speaks={world.human.id: world.human.key},
        disowned=[],
    )

    script = Script(fold=2).begin()
    three, heirs = keys(*THREE, threshold=2), keys(*NEXT_THREE, threshold=2)
    fields = script.enrolment("three", keyset=three, next=digest(heirs))
    script.add(signed_of(fields, THREE, "a1", "a3"))
    rotation = payload("rotate", log=script.log, by=id_of(fields), kseq=1, prev=id_of(fields))
    rotation["body"] = {"keyset": heirs, **commitments("three/next")}
    script.add(signed_of(rotation, NEXT_THREE, "b2", "b3", number=1))
    yield ended(
        "rotate-two-of-three",
        "two of the three keys that were committed to rotate",
        script,
        speaks={id_of(fields): id_of(rotation)},
    )

    world = home()
    script, human = world.script, world.human
    script.turn(human, "rotate")
    index = script.turn(human, "retire", reason="superseded")
    publish(world, "of the machine's", script.actor("another"))
    yield ended(
        "retire", "a rotation, then the end", script, speaks={human.id: None}, delegated={world.pair.id: None}
    )
    yield from after_retirement(index)

    script = Script(fold=2).begin()
    script.turn(script.operator, "rotate")
    script.tell(script.operator, "rules", {"mode": "open", "limits": {"records": 7}})
    yield ended("rotate-operator", "the operator rotates, and says rules", script)


def after_retirement(index: int) -> Iterator[Scenario]:
    """Whatever a retired identity says."""

    def gone() -> People:
        world = home()
        world.script.turn(world.human, "rotate")
        world.script.turn(world.human, "retire")
        return world

    def makes(world: People) -> Iterator[tuple[str, bytes]]:
        script, human = world.script, world.human
        for type_ in ("rotate", "recover", "retire"):
            yield type_, event(type_, "human/next/next/next")(world)
        yield "artifacts", spoken(world, human)
        yield "delegate", signed(script.unsay(human, script.delegation(human, world.pair)), human.name)
        yield "enrol", signed(script.enrolment("late pair", "pair", human.id), "late pair")

    for number, (name, _) in enumerate(makes(gone())):
        world = gone()
        world.script.add(list(makes(world))[number][1])
        yield ended(
            f"retired-{name}",
            f"{name} of one who is retired",
            world.script,
            (index + 1, "identity-retired"),
            speaks={world.human.id: None},
        )

    world = gone()
    world.script.turn(world.pair, "rotate")
    output = world.script.work(world.pair, "x", "output")
    fields = world.script.artifacts(world.pair, [output], world.delegation)
    at = world.script.add(signed(world.script.unsay(world.pair, fields), world.pair.name))
    yield ended(
        "retired-anchor",
        "a pair whose anchor is retired may rotate its keys, and says nothing",
        world.script,
        (at, "not-delegated"),
        speaks={world.pair.id: world.pair.key},
        delegated={world.pair.id: None},
    )


def recoveries() -> Iterator[Scenario]:
    def pending() -> People:
        """The human publishes (6) and recovers (7); the clock of it is that of the state at 8."""
        world = home()
        publish(world, "before")
        world.script.turn(world.human, "recover")
        world.script.state()
        return world

    def recovered(world: People) -> People:
        world.human.turn("human/recovery", world.human.events[-1])
        return world

    world = pending()
    first = world.human.id
    publish(world, "while it is pending")
    early = world.script.artifacts(world.human, [b"x"], key=world.human.events[-1])
    index = world.script.add(signed(world.script.unsay(world.human, early), "human/recovery"))
    yield ended(
        "recover-one-ms-before",
        "one millisecond before it is in force, a recovery says nothing",
        world.script,
        (index, "key-not-in-force"),
        tick=WAIT_MS - 1,
        speaks={world.human.id: first},
    )

    world = pending()
    late = world.script.add(spoken(world, world.human))
    index = publish(recovered(world), "by the recovered keys")
    yield ended(
        "recover-in-force",
        "when its time has come, a recovery is in force without an entry; the former keys say nothing",
        world.script,
        (late, "key-not-in-force"),
        tick=WAIT_MS,
        speaks={world.human.id: world.human.events[-1]},
    )

    world = pending()
    world.script.turn(world.human, "rotate")
    world.script.state(tick=WAIT_MS - 1)
    publish(world, "after the veto")
    world.script.state(tick=WAIT_MS)
    publish(world, "a week later")
    yield ended(
        "recover-vetoed",
        "a rotation one millisecond before ends the recovery for ever; both count in kseq",
        world.script,
        speaks={world.human.id: world.human.events[1]},
    )

    world = pending()
    world.script.turn(world.human, "retire", reason="compromised")
    world.script.state()
    world.script.state(tick=WAIT_MS)
    yield ended(
        "recover-retired", "a retirement ends a recovery", world.script, speaks={world.human.id: None}
    )

    world = pending()
    world.script.state(tick=WAIT_MS)
    index = world.script.add(event("rotate")(world))
    world.script.turn(recovered(world).human, "rotate")
    publish(world, "after")
    yield ended(
        "recover-too-late-to-veto",
        "once the recovery is in force, its own next keyset rotates, and no other",
        world.script,
        (index, "commitment-differs"),
        speaks={world.human.id: world.human.events[1]},
    )

    world = pending()
    index = world.script.add(event("rotate", "human/recovery/next", **of_recovery())(world))
    publish(world, "after")
    yield ended(
        "recover-not-in-force-rotates",
        "the next keyset of a recovery that is pending rotates nothing",
        world.script,
        (index, "commitment-differs"),
        tick=WAIT_MS - 1,
    )

    world = pending()
    again = {"keyset": keys("human/recovery"), **commitments("again")}
    index = world.script.add(event("recover", **again)(world))
    yield ended(
        "recover-twice",
        "a second recovery while one is pending",
        world.script,
        (index, "recovery-pending"),
        tick=WAIT_MS - 1,
    )

    world = pending()
    world.script.turn(world.human, "rotate")
    world.script.turn(world.human, "recover")
    world.script.state()
    recovered(world).human.turn("human/next/recovery", world.human.events[-1])
    world.script.state(tick=WAIT_MS)
    world.script.turn(world.human, "recover")
    yield ended(
        "recover-anew",
        "recovered after a veto; and again when that recovery is in force",
        world.script,
        speaks={world.human.id: world.human.events[2]},
    )

    world = pending()
    world.script.turn(world.human, "rotate")
    index = world.script.add(
        event("recover", "human/recovery", keyset=keys("human/recovery"), **commitments("x"))(world)
    )
    yield ended(
        "recover-after-the-veto",
        "a veto replaces the recovery keyset too: the one revealed is worth nothing",
        world.script,
        (index, "commitment-differs"),
    )


def of_recovery() -> Fields:
    """The body of a rotation behind a recovery."""
    return {"keyset": keys("human/recovery/next"), **commitments("human/recovery/next")}


def broken_key_events() -> Iterator[Scenario]:
    """Order, commitment, signatures."""
    yield refused("rotate-kseq-gap", "a place is left out", "key-event-broken", event("rotate", kseq=2))
    yield refused(
        "rotate-other-prev", "another event before", "key-event-broken", event("rotate", prev=some("e"))
    )
    yield refused(
        "rotate-unknown", "a rotation of nobody", "identity-unknown", event("rotate", by=some("nobody"))
    )
    yield refused(
        "recover-unknown", "a recovery of nobody", "identity-unknown", event("recover", by=some("n"))
    )
    yield refused(
        "retire-unknown", "the end of nobody", "identity-unknown", event("retire", by=some("nobody"))
    )
    yield refused("retire-kseq-gap", "a place is left out", "key-event-broken", event("retire", kseq=2))
    yield refused(
        "recover-other-prev", "another event before", "key-event-broken", event("recover", prev=some("e"))
    )

    world = home()
    first = world.script.turn(world.human, "rotate")
    again = world.script.add(world.script.entries[first])
    other = world.script.key_event(world.human, "rotate")
    index = world.script.add(
        signed(changed(other, kseq=1, prev=world.human.id), "human/next/next", keyset_number=1)
    )
    publish(world, "after")
    yield ended(
        "rotate-replayed",
        "the same rotation again, and another one in its place",
        world.script,
        (again, "key-event-broken"),
        (index, "key-event-broken"),
    )

    for type_, wrong in (("rotate", "recovery"), ("recover", "next"), ("retire", "recovery")):
        name = f"human/{wrong}"
        yield refused(
            f"{type_}-reveals-{wrong}",
            f"a {type_} by the {wrong} keyset",
            "commitment-differs",
            event(type_, name, keyset=keys(name)),
        )
    yield refused(
        "rotate-other-keyset",
        "a keyset that nobody committed to",
        "commitment-differs",
        event("rotate", "thief", keyset=keys("thief")),
    )
    yield refused(
        "rotate-by-current",
        "the keyset in force again",
        "commitment-differs",
        event("rotate", "human", keyset=keys("human")),
    )
    yield refused(
        "rotate-another-key",
        "the keys that were committed, with a key more",
        "commitment-differs",
        event("rotate", keyset=keys("human/next", "thief")),
    )

    for type_, signer, number in (
        ("rotate", "human", 0),
        ("rotate", "human/next", 0),
        ("rotate", "human/next", 2),
        ("rotate", "human/recovery", 2),
        ("retire", "human", 0),
        ("recover", "human", 0),
        ("recover", "human/recovery", 1),
    ):
        yield refused(
            f"{type_}-by-{signer.split('/')[-1]}-as-{number}",
            f"a {type_} whose signature is of the {signer} key and names keyset {number}",
            "signature-surplus",
            event(type_, signer, number=number),
        )
    yield refused(
        "rotate-signed-by-other", "another key's signature", "signature-invalid", event("rotate", "thief")
    )
    yield refused(
        "recover-signed-by-other", "another key's signature", "signature-invalid", event("recover", "thief")
    )
    yield refused(
        "retire-signed-by-other", "another key's signature", "signature-invalid", event("retire", "thief")
    )
    yield refused(
        "rotate-key-index", "a key index beyond the keyset", "signature-invalid", event("rotate", at=1)
    )

    def by_both(world: People) -> bytes:
        fields = world.script.key_event(world.human, "rotate")
        both = signatures_of(fields, ["human"], "human")
        return logs.joined(fields, both + signatures_of(fields, ["human/next"], "human/next", number=1))

    yield refused("rotate-by-both", "the current keyset signs too", "signature-surplus", by_both)
    yield from thresholds()


def thresholds() -> Iterator[Scenario]:
    """Two of three keys that were committed to must sign."""
    heirs = keys(*NEXT_THREE, threshold=2)
    for type_, name, signers, code in (
        ("rotate", "under", ("b1",), "signature-missing"),
        ("rotate", "over", NEXT_THREE, "signature-surplus"),
        ("recover", "under", ("b3",), "signature-missing"),
        ("recover", "over", NEXT_THREE, "signature-surplus"),
        ("retire", "under", ("b2",), "signature-missing"),
    ):
        commitment = "recovery" if type_ == "recover" else "next"
        world = committed(**{commitment: digest(heirs)})
        fields = world.script.key_event(world.machine, type_, keyset=heirs)
        number = 2 if type_ == "recover" else 1
        index = world.script.add(signed_of(fields, NEXT_THREE, *signers, number=number))
        publish(world, "after", world.machine)
        world.script.add(signed_of(fields, NEXT_THREE, "b1", "b3", number=number))
        yield ended(
            f"{type_}-{name}-threshold",
            f"a {type_} {name} its threshold, then to it",
            world.script,
            (index, code),
        )


def illegal_keysets() -> Iterator[Scenario]:
    """What a key event may reveal and commit to."""

    for type_ in ("rotate", "retire"):
        names = ("second", "second/next")
        world = committed(next=digest(keys(*names)))
        fields = world.script.key_event(world.machine, type_, keyset=keys(*names))
        index = world.script.add(signed_of(fields, names, "second/next", number=1))
        publish(world, "after", world.machine)
        yield ended(
            f"{type_}-key-reused",
            f"a {type_} to a committed keyset that holds a key of the enrolment",
            world.script,
            (index, "keyset-illegal"),
            speaks={world.machine.id: world.machine.id},
        )

    low = keyset_of(("ed25519", b"\x01" + bytes(31)), ed25519=1)
    mixed = keyset_of(("ed25519", ed25519_mixed_order_key(logs.MIXED_SECRET)), ed25519=1)
    for name, keyset in (("low", low), ("mixed", mixed)):
        for type_, commitment, number in (("rotate", "next", 1), ("recover", "recovery", 2)):
            world = committed(**{commitment: digest(keyset)})
            fields = world.script.key_event(world.machine, type_, keyset=keyset)
            bad = bytes(64) if name == "low" else ed25519_sign_mixed(logs.MIXED_SECRET, pae(pack(fields)))
            index = world.script.add(logs.joined(fields, [[number, 0, bad]]))
            publish(world, "after", world.machine)
            yield ended(
                f"{type_}-{name}-order",
                f"a {type_} that reveals a key of {name} order",
                world.script,
                (index, "key-refused"),
            )

    later = keyset_of(
        ("ed25519", public_key("b1")), ("ml-dsa-44", algorithms.PUBLIC_KEY), ed25519=1, ml_dsa_44=1
    )
    for type_, commitment, number in (
        ("rotate", "next", 1),
        ("recover", "recovery", 2),
        ("retire", "next", 1),
    ):
        world = committed(**{commitment: digest(later)})
        fields = world.script.key_event(world.machine, type_, keyset=later)
        position = [name for name, _key in later["keys"]].index("ed25519")
        signatures = [
            [number, position, logs.signature("b1", pack(fields))],
            [number, 1 - position, bytes(2420)],
        ]
        index = world.script.add(logs.joined(fields, signatures))
        publish(world, "after", world.machine)
        yield ended(
            f"{type_}-ml-dsa-44",
            f"a {type_} that reveals a key of an algorithm that is not built",
            world.script,
            (index, "not-yet"),
            speaks={world.machine.id: world.machine.id},
        )
    yield refused(
        "rotate-unknown-algorithm",
        "a keyset of an algorithm that nobody specified",
        "schema",
        event("rotate", keyset={"keys": [["ed448", bytes(32)]], "thresholds": {"ed448": 1}}),
    )

    current, recovery = digest(keys("human")), digest(keys("human/recovery"))
    illegal: tuple[tuple[str, str, Fields], ...] = (
        ("next-is-own", "a commitment to the keyset that it reveals", {"next": digest(keys("human/next"))}),
        (
            "recovery-is-own",
            "a commitment to the keyset that it reveals",
            {"recovery": digest(keys("human/next"))},
        ),
        ("next-is-recovery", "two equal commitments", {"next": recovery, "recovery": recovery}),
        ("next-was-current", "a commitment to the keyset of the enrolment", {"next": current}),
        ("recovery-was-current", "a commitment to the keyset of the enrolment", {"recovery": current}),
    )
    for name, what, changes in illegal:
        yield refused(f"rotate-{name}", what, "keyset-illegal", event("rotate", **changes))
    yield refused(
        "recover-keeps-next",
        "a recovery that commits to the next keyset in force: nobody could tell whether it was vetoed",
        "keyset-illegal",
        event("recover", next=digest(keys("human/next"))),
    )
    yield refused(
        "recover-next-was-current",
        "a commitment to the keyset of the enrolment",
        "keyset-illegal",
        event("recover", next=current),
    )

    world = home()
    world.script.turn(world.human, "recover")
    vetoing = event("rotate", next=recovery)(world)
    index = world.script.add(vetoing)
    world.script.turn(world.human, "rotate")
    yield ended(
        "rotate-next-was-vetoed",
        "a commitment to the keyset of a recovery that it ends: whoever ended it, it was revealed",
        world.script,
        (index, "keyset-illegal"),
    )

    mixture = keys("human/recovery", "fresh")
    world = home()
    world.script.turn(world.human, "recover")
    world.script.turn(world.human, "rotate", next=digest(mixture))
    fields = world.script.key_event(world.human, "rotate", keyset=mixture, **commitments("fresh"))
    index = world.script.add(signed_of(fields, ["human/recovery", "fresh"], "fresh", number=1))
    yield ended(
        "rotate-key-of-vetoed",
        "a keyset that holds a key of a recovery which was ended",
        world.script,
        (index, "keyset-illegal"),
    )

    for type_ in ("rotate", "retire"):
        script = Script(fold=2)
        script.operator.enrolment = script.genesis(next=digest(keys("log")))
        script.begin()
        fields = script.key_event(script.operator, type_, keyset=keys("log"))
        index = script.add(signed(fields, "log", keyset_number=1))
        yield ended(
            f"{type_}-operator-log-key",
            f"a {type_} of the operator to the key of the log",
            script,
            (index, "keyset-illegal"),
        )


def order() -> Iterator[Scenario]:
    """Two faults in one key event: the first of SPEC §9.2 is named."""
    wrong: Fields = {"keyset": keys("thief")}
    yield refused(
        "order-kseq-before-commitment",
        "a gap, and another keyset",
        "key-event-broken",
        event("rotate", "thief", kseq=3, **wrong),
    )
    low = keyset_of(("ed25519", b"\x01" + bytes(31)), ed25519=1)
    yield refused(
        "order-commitment-before-keys",
        "another keyset, of a key of low order",
        "commitment-differs",
        event("rotate", keyset=low),
    )
    yield refused(
        "order-keyset-before-compromised",
        "equal commitments, and a key that never was",
        "keyset-illegal",
        event("rotate", next=some("k"), recovery=some("k"), compromised=[[some("key"), 0]]),
    )
    yield refused(
        "order-compromised-before-signature",
        "a key that never was, wrongly signed",
        "compromised-illegal",
        event("rotate", "thief", compromised=[[some("key"), 0]]),
    )
    yield refused(
        "order-surplus-before-index",
        "signatures of a keyset not asked for, then beyond the one that is",
        "signature-surplus",
        lambda world: logs.joined(
            world.script.key_event(world.human, "rotate"), [[0, 7, bytes(64)], [1, 7, bytes(64)]]
        ),
    )
    world = home()
    world.script.turn(world.human, "recover")
    index = world.script.add(event("recover", "thief", **wrong)(world))
    broken = world.script.add(event("recover", "thief", prev=some("p"), **wrong)(world))
    yield ended(
        "order-pending-before-commitment",
        "a second recovery, by another keyset; and one in no order",
        world.script,
        (index, "recovery-pending"),
        (broken, "key-event-broken"),
    )


def compromised() -> Iterator[Scenario]:
    def names(key: bytes, start: int) -> Callable[[People], bytes]:
        return event("rotate", compromised=[[key, start]])

    own = public_key("human")
    for name, what, key, start in (
        ("unknown", "a key that never was", some("key"), 0),
        ("digest", "the digest of a keyset that was", digest(keys("human")), 0),
        ("other", "another identity's key", public_key("machine"), 0),
        ("revealed", "the key that it reveals", public_key("human/next"), 0),
        ("committed", "a key that is only committed to", public_key("human/recovery"), 0),
        ("long", "a key of no size that keys have", own + b"\x00", 0),
        ("here", "its own position", own, 6),
        ("future", "a later position", own, 2**53 - 1),
    ):
        yield refused(
            f"compromised-{name}", f"compromised from: {what}", "compromised-illegal", names(key, start)
        )
    for type_ in ("recover", "retire"):
        yield refused(
            f"compromised-by-{type_}",
            f"a {type_} that names a key that never was",
            "compromised-illegal",
            event(type_, compromised=[[some("key"), 0]]),
        )
    pair = sorted([[own, 3], [some("key"), 3]], key=lambda item: pack(item[0]))
    yield refused(
        "compromised-second",
        "one key that was, and one that never was",
        "compromised-illegal",
        event("rotate", compromised=pair),
    )


def cuts() -> Iterator[Scenario]:
    """What is disowned, and what not (SPEC §7.4)."""
    own = public_key("human")

    world = home()
    for text in ("a", "b", "c"):  # 6, 7, 8
        publish(world, text)
    world.script.turn(world.human, "rotate", compromised=[[own, 7]])
    publish(world, "b")
    yield ended(
        "cut",
        "disowned from 7 on; the owner signs the same record again, and it stands from there",
        world.script,
        disowned=[(7, world.human.key, False), (8, world.human.key, False)],
    )

    world = home()
    publish(world, "a")  # 6
    world.script.turn(world.human, "rotate", compromised=[[own, 0]])
    publish(world, "b")
    yield ended(
        "cut-from-the-beginning",
        "everything ordinary, the delegation too; no key event",
        world.script,
        disowned=[(4, world.human.key, False), (6, world.human.key, False)],
        delegated={world.pair.id: None},
    )

    world = home()
    for text in ("a", "b", "c"):  # 6, 7, 8
        publish(world, text)
    first = world.script.turn(world.human, "rotate", compromised=[[own, 8]])
    publish(world, "d")
    world.script.turn(
        world.human,
        "rotate",
        compromised=sorted([[own, 6], [public_key("human/next"), first]], key=lambda item: pack(item[0])),
    )
    one, two = world.human.events
    yield ended(
        "cut-twice",
        "a later event disowns more, of its own keys and of those before; what was disowned stays so by the former",
        world.script,
        disowned=[(6, two, False), (7, two, False), (8, one, False), (10, two, False)],
    )

    script = Script(fold=2).begin()
    fields = script.enrolment("three", keyset=keys(*THREE, threshold=2), next=digest(keys("three/next")))
    script.add(signed_of(fields, THREE, "a1", "a2"))  # 2
    three = Actor("three", "human", fields)
    for signers in (("a1", "a2"), ("a2", "a3"), ("a1", "a3")):  # 3, 4, 5
        data = script.work(three, "+".join(signers))
        script.add(signed_of(script.artifacts(three, [data]), THREE, *signers), [data])
    script.turn(three, "rotate", compromised=[[public_key("a1"), 3]])
    yield ended(
        "cut-one-of-three",
        "what a lost key signed falls below the threshold without it; the rest stands",
        script,
        disowned=[(3, three.key, False), (5, three.key, False)],
    )

    def recovering() -> People:
        world = home()
        publish(world, "a")  # 6
        world.script.turn(world.human, "recover", compromised=[[own, 6]])
        publish(world, "b")  # 8
        world.script.state()
        publish(world, "c")  # 10
        world.script.state()  # a second later
        return world

    world = recovering()
    yield ended(
        "cut-pending",
        "a recovery that is pending disowns nothing",
        world.script,
        tick=WAIT_MS - 1001,
        disowned=[],
    )
    world = recovering()
    recovery = world.human.events[0]
    yield ended(
        "cut-recovered",
        "in force, a recovery disowns from the position it names, also what was said while it was pending",
        world.script,
        tick=WAIT_MS - 1000,
        disowned=[(6, recovery, False), (8, recovery, False), (10, recovery, False)],
    )
    world = recovering()
    world.script.turn(world.human, "rotate")
    world.script.state()
    yield ended(
        "cut-vetoed",
        "a recovery that was ended disowns nothing, ever",
        world.script,
        tick=2 * WAIT_MS,
        disowned=[],
    )
    yield from cut_meanings()


def cut_meanings() -> Iterator[Scenario]:
    """What ends when it is disowned, and what does not."""
    own = public_key("human")

    world = home()
    output = world.script.work(world.pair, "x", "output")
    world.script.publish(world.pair, output, delegation=world.delegation)  # 6
    world.script.turn(world.human, "rotate", compromised=[[own, 4]])
    late = world.script.artifacts(world.pair, [output], world.delegation)
    refused_at = world.script.add(signed(world.script.unsay(world.pair, late), "pair"))
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})
    anew = world.script.delegate(world.human, world.pair)
    world.script.publish(world.pair, output, delegation=anew)
    yield ended(
        "cut-delegation",
        "a pair whose delegation is disowned is suspect, and silent until it is delegated anew; it may be ended too",
        world.script,
        (refused_at, "not-delegated"),
        disowned=[(4, world.human.key, False), (6, world.human.key, True)],
        delegated={world.pair.id: anew},
    )

    world = home()
    world.script.turn(world.human, "rotate", compromised=[[own, 5]])
    world.script.publish(world.pair, output, delegation=world.delegation)
    yield ended(
        "cut-behind-the-delegation",
        "a delegation that was signed before the doubtful position stays",
        world.script,
        disowned=[],
        delegated={world.pair.id: world.delegation},
    )

    world = home()
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})  # 6
    world.script.turn(world.human, "rotate", compromised=[[own, 6]])
    yield ended(
        "cut-undelegate",
        "an `undelegate` that is disowned stays as it is",
        world.script,
        disowned=[(6, world.human.key, False)],
        delegated={world.pair.id: None},
    )

    world = home()
    script = world.script
    script.tell(script.operator, "rules", {"mode": "open", "limits": {"records": 1}})  # 6
    script.turn(script.operator, "rotate", compromised=[[public_key("operator"), 6]])
    two = script.artifacts(world.human, [script.work(world.human, "1"), script.work(world.human, "2")])
    index = script.add(signed(script.unsay(world.human, two), "human"))
    yield ended(
        "cut-rules",
        "rules that are disowned stay until the operator says others",
        script,
        (index, "rules-exceeded"),
        disowned=[(6, script.operator.key, False)],
    )

    world = home({"count": 3})
    outputs = [world.script.work(world.pair, f"{number}", "output") for number in range(5)]
    world.script.publish(world.pair, *outputs[:2], delegation=world.delegation)  # 6
    world.script.turn(world.pair, "rotate", compromised=[[public_key("pair"), 6]])
    over = world.script.artifacts(world.pair, outputs[2:4], world.delegation)
    index = world.script.add(signed(world.script.unsay(world.pair, over), world.pair.name))
    world.script.publish(world.pair, outputs[4], delegation=world.delegation)
    yield ended(
        "cut-counts",
        "what is disowned still counts under the delegation; a pair rotates its own keys",
        world.script,
        (index, "scope-exceeded"),
        disowned=[(6, world.pair.key, False)],
    )


def pairs() -> Iterator[Scenario]:
    """`undelegate`, and what a pair without delegation says (SPEC §7.3)."""

    def answer(world: People, delegation: bytes | None, text: str = "x") -> bytes:
        fields = world.script.artifacts(
            world.pair, [world.script.work(world.pair, text, "output")], delegation
        )
        return signed(world.script.unsay(world.pair, fields), world.pair.name)

    world = home({"count": 1})
    output = world.script.work(world.pair, "x", "output")
    world.script.publish(world.pair, output, delegation=world.delegation)
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})
    index = world.script.add(answer(world, world.delegation))
    anew = world.script.delegate(world.human, world.pair, {"count": 1})
    former = world.script.add(answer(world, world.delegation))
    world.script.publish(world.pair, world.script.work(world.pair, "y", "output"), delegation=anew)
    yield ended(
        "undelegate",
        "silent from the entry on; delegated anew, the pair counts from 0, and names the new delegation",
        world.script,
        (index, "not-delegated"),
        (former, "not-delegated"),
        delegated={world.pair.id: anew},
        disowned=[],
    )

    world = home({"until": 1_002_000})
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})
    yield ended(
        "undelegate-after-until",
        "a delegation whose time is over may be ended",
        world.script,
        delegated={world.pair.id: None},
    )

    def ending(by: str, pair: str) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            actors = {"human": world.human, "pair": world.pair, "machine": world.machine}
            actors["nobody"] = Actor("nobody", "pair", world.script.enrolment("nobody"))
            fields = world.script.say(actors[by], "undelegate", {"pair": actors[pair].id})
            return signed(world.script.unsay(actors[by], fields), by)

        return make

    for by, pair in (("machine", "pair"), ("pair", "pair"), ("human", "machine"), ("human", "nobody")):
        yield refused(
            f"undelegate-{pair}-by-{by}",
            f"an `undelegate` of a {pair} by a {by}",
            "delegation-illegal",
            ending(by, pair),
        )
    world = home()
    idle = world.script.actor("idle", "pair", world.human.id)
    never = world.script.say(world.human, "undelegate", {"pair": idle.id})
    index = world.script.add(signed(world.script.unsay(world.human, never), "human"))
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})
    again = world.script.say(world.human, "undelegate", {"pair": world.pair.id})
    twice = world.script.add(signed(world.script.unsay(world.human, again), "human"))
    yield ended(
        "undelegate-twice",
        "of a pair that was never delegated, and of one that is no more",
        world.script,
        (index, "delegation-illegal"),
        (twice, "delegation-illegal"),
    )

    world = home()
    world.script.turn(world.pair, "retire")
    fields = world.script.delegation(world.human, world.pair)
    index = world.script.add(signed(world.script.unsay(world.human, fields), "human"))
    world.script.tell(world.human, "undelegate", {"pair": world.pair.id})
    yield ended(
        "delegate-retired-pair",
        "a pair that is retired is not delegated anew; its delegation may be ended",
        world.script,
        (index, "identity-retired"),
        speaks={world.pair.id: None},
    )

    world = home({"until": 1_002_000})
    late = world.script.add(answer(world, world.delegation))
    other = world.script.add(answer(world, some("delegation")))
    yield ended(
        "order-delegation-before-until",
        "too late; and too late under another delegation",
        world.script,
        (late, "scope-exceeded"),
        (other, "not-delegated"),
    )


def upgrade() -> Iterator[Scenario]:
    script = Script(fold=1).begin()
    human = script.actor("human")  # 2
    early = script.key_event(human, "rotate")
    index = script.add(signed(early, "human/next", keyset_number=1))  # 3
    script.publish(human, script.work(human, "in fold 1"))  # 4
    script.state()
    script.publish(human, script.work(human, "still the first keys"))
    script.fold = 2
    script.state()
    script.turn(human, "rotate")
    script.publish(human, script.work(human, "in fold 2"))
    yield ended(
        "fold-upgrade",
        "a rotation in fold 1 is without effect for ever; the same one in fold 2 is in order",
        script,
        (index, "not-yet"),
        speaks={human.id: human.key},
    )

    script = Script(fold=1).begin()
    human = script.actor("human")
    script.fold = 2
    script.turn(human, "rotate")  # its segment is closed by a state of fold 2
    script.state()
    yield ended(
        "fold-of-the-closing-state",
        "what stands before the first state of fold 2 is folded by it",
        script,
        speaks={human.id: human.key},
    )

    script = Script(fold=2).begin()
    index = script.state(fold=1)
    yield ended("fold-downgrade", "a lesser fold than before", script, (index, "state-wrong"))

    script = Script(fold=2)
    script.add(signed(script.operator.enrolment, "operator"))
    index = script.state(fold=1)
    yield ended(
        "fold-downgrade-of-genesis", "a lesser fold than the genesis says", script, (index, "state-wrong")
    )


def vetoes() -> Iterator[Scenario]:
    """A recovery keyset that shares a key with the next one: the veto may use it (SPEC §7.2)."""
    heirs = ("second/next", "shared")
    for type_ in ("rotate", "retire"):
        world = committed(next=digest(keys(*heirs)), recovery=digest(keys("shared", "second/recovery")))
        script, second = world.script, world.machine
        recovery = script.key_event(second, "recover", keyset=keys("shared", "second/recovery"))
        script.add(signed_of(recovery, ("shared", "second/recovery"), "shared", number=2))
        second.events.append(id_of(recovery))
        cut = {"compromised": [[public_key("shared"), 0]]}
        veto = script.key_event(second, type_, keyset=keys(*heirs), **cut)
        script.add(signed_of(veto, heirs, "shared", number=1))
        if type_ == "rotate":
            second.turn("second/next", id_of(veto))
            data = script.work(second, "by the shared key")
            script.add(signed_of(script.artifacts(second, [data]), heirs, "shared"), [data])
        yield ended(
            f"{type_}-key-of-pending",
            f"a {type_} by a keyset that holds a key of the recovery which it ends; what that key says under it is not cut",
            script,
            speaks={second.id: None if type_ == "retire" else id_of(veto)},
            disowned=[],
        )

    world = committed(next=digest(keys(*heirs)), recovery=digest(keys("shared", "second/recovery")))
    script, second = world.script, world.machine
    recovery = script.key_event(second, "recover", keyset=keys("shared", "second/recovery"))
    recovery["body"]["next"] = digest(keys("heir", "shared"))
    script.add(signed_of(recovery, ("shared", "second/recovery"), "shared", number=2))
    second.events.append(id_of(recovery))
    script.state()
    script.state(tick=WAIT_MS)
    late = script.key_event(second, "rotate", keyset=keys("heir", "shared"), **commitments("heir"))
    index = script.add(signed_of(late, ("heir", "shared"), "heir", number=1))
    yield ended(
        "rotate-key-of-recovered",
        "a keyset that holds a key of a recovery which is in force",
        script,
        (index, "keyset-illegal"),
        speaks={second.id: id_of(recovery)},
    )


def not_built() -> Iterator[Scenario]:
    """Algorithms that are specified only, or by nobody, at birth."""
    script = Script(fold=2).begin()
    index = script.add(algorithms.enrolment(script))
    yield ended(
        "enrol-ml-dsa-44",
        "an enrolment of two algorithms, each of whose signatures holds",
        script,
        (index, "not-yet"),
        identities={script.operator.id: "operator"},
    )
    script = Script(fold=2).begin()
    fields = script.enrolment("new", keyset={"keys": [["ed448", bytes(32)]], "thresholds": {"ed448": 1}})
    index = script.add(signed(fields, "new"))
    yield ended("enrol-unknown-algorithm", "an algorithm that nobody specified", script, (index, "schema"))


def all_lives() -> Iterator[Scenario]:
    for group in (
        good_key_events,
        recoveries,
        broken_key_events,
        illegal_keysets,
        order,
        vetoes,
        compromised,
        cuts,
        pairs,
        upgrade,
        not_built,
    ):
        yield from group()

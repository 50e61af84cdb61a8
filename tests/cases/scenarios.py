"""Whole logs, each with the faults that SPEC §9.2 finds in it, said by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.cases import lives, logs, voices
from tests.cases.logs import Actor, Erased, Script, id_of, keys, parent_of, public_key, signed
from tests.cases.samples import (
    ORDINARY,
    Fields,
    body,
    changed,
    facts,
    in_order,
    parent,
    payload,
    record,
    some,
    vkey,
)
from tests.cases.worlds import People, Scenario, ended, people
from tests.reference import Raw, ed25519_mixed_order_key, mth, pack, tagged


def one_entry(name: str, what: str, code: str, make: Callable[[People], bytes]) -> Scenario:
    """One faulty entry at index 6; a good one behind it shows that the fault had no effect."""
    world = people({"count": 3, "human": 400_000})
    index = world.script.add(make(world))
    world.script.publish(world.human, world.script.work(world.human, "after"))
    return ended(name, what, world.script, (index, code))


def good() -> Iterator[Scenario]:
    """Logs without fault."""
    yield ended("legal-empty", "genesis and states alone", Script().begin())
    world = people({"kinds": ["work", "output"], "until": 2_000_000, "count": 3, "human": 400_000})
    script, human, pair, machine, _ = world
    text = script.work(human, "a walk", human=1_000_000)
    model = script.work(machine, "weights", "model", facts=facts("model"))
    script.publish(human, text)
    script.publish(machine, model)
    output = script.work(
        pair,
        "answer",
        "output",
        machine=500_000,
        parents=in_order([parent_of(model, "generated-by", ppm=1), parent_of(text)]),
    )
    work = script.work(
        pair, "a text of two", human=400_000, machine=100_000, parents=[parent_of(output, ppm=500_000)]
    )
    script.publish(pair, output, work, delegation=world.delegation)
    yield ended(
        "legal-pair", "a human, a machine, a pair; parents in the same and in earlier statements", script
    )

    world = people()
    for lane in (b"A" * 16, b"B" * 16, b"A" * 16):
        world.script.publish(
            world.human, world.script.work(world.human, f"{len(world.script.entries)}"), lane=lane
        )
    world.script.state()
    world.script.publish(world.machine, world.script.work(world.machine, "m", "output"), lane=b"A" * 16)
    yield ended(
        "legal-lanes", "two lanes of one identity, and the same lane bytes under another", world.script
    )

    world = people({"count": 1})
    world.script.publish(
        world.pair, world.script.work(world.pair, "1", "output"), delegation=world.delegation
    )
    again = world.script.delegate(world.human, world.pair, {"count": 1})
    world.script.publish(world.pair, world.script.work(world.pair, "2", "output"), delegation=again)
    free = world.script.delegate(world.human, world.pair)
    three = [world.script.work(world.pair, f"more {n}", "output") for n in range(3)]
    world.script.publish(world.pair, *three, delegation=free)
    yield ended(
        "legal-delegated-anew",
        "each delegation counts from 0; one without scope lifts the former",
        world.script,
    )

    script = Script().begin()
    two = script.enrolment("two", keyset=keys("k1", "k2", "k3", threshold=2))
    order = sorted(("k1", "k2", "k3"), key=public_key)
    data = pack(two)
    script.add(pack([data, [[0, n, logs.signature(order[n], data)] for n in (0, 2)]]))
    yield ended("legal-two-of-three", "an identity of three keys, two of which sign", script)

    world = people()
    rows = pack(record("dataset", "rows", maker=world.human.id))
    world.script.publish(world.human, rows)
    foreign = world.script.work(
        world.human, "by row", parents=in_order([parent(log=some("other log")), parent_of(rows, row=2)])
    )
    world.script.publish(world.human, foreign)
    yield ended("legal-rows", "a parent by row, and one of another log", world.script)

    world = people()
    base = world.script.work(world.human, "erased later")
    index = world.script.publish(world.human, base)
    world.script.records[index] = [Erased(id_of(base))]
    world.script.publish(
        world.human,
        world.script.work(world.human, "child", "derived", parents=[parent_of(base, "derived-from")]),
    )
    yield ended("legal-erased-parent", "a parent that is erased is of unknown kind", world.script)


def births() -> Iterator[Scenario]:
    """Genesis and first entries."""

    def born(name: str, what: str, code: str, *, signer: str = "operator", **changes: Any) -> Scenario:
        script = Script()
        script.add(signed(script.genesis(**changes), signer))
        script.state()
        human = script.enrolment("human")
        script.add(signed(human, "human"))
        return ended(name, what, script, (0, code), *((index, "genesis-illegal") for index in range(1, 4)))

    yield born("genesis-fold-3", "a genesis of a fold that nobody knows", "fold-unknown", fold=3)
    other = vkey(logs.ORIGIN, public_key("another log"))
    own = Script().vkey
    yield born(
        "genesis-other-vkey",
        "a log id that is not that of the first vkey",
        "genesis-illegal",
        vkeys=[other, own],
    )
    yield born(
        "genesis-other-origin",
        "a vkey of another name than the origin",
        "genesis-illegal",
        origin="log.example/other",
    )
    named = vkey("log.example/other", public_key("another log"))
    yield born(
        "genesis-second-vkey-name", "a second vkey of another name", "genesis-illegal", vkeys=[own, named]
    )
    yield born(
        "genesis-vkey-in-keyset",
        "the log's key is the operator's",
        "genesis-illegal",
        signer="log",
        keyset=keys("log"),
    )
    wrong_id = other.replace(other.split("+")[1], "00000000")
    yield born("genesis-vkey-id", "a second vkey with a wrong key id", "key-refused", vkeys=[own, wrong_id])
    low = vkey(logs.ORIGIN, b"\x01" + bytes(31))
    yield born("genesis-vkey-low-order", "a second vkey of low order", "key-refused", vkeys=[own, low])
    mixed = vkey(logs.ORIGIN, ed25519_mixed_order_key(logs.MIXED_SECRET))
    yield born("genesis-vkey-mixed-order", "a second vkey of mixed order", "key-refused", vkeys=[own, mixed])
    yield born(
        "genesis-next-is-current",
        "a commitment to the current keyset",
        "keyset-illegal",
        next=tagged("keyset", pack(keys("operator"))),
    )
    yield born("genesis-signature", "a genesis signed by somebody else", "signature-invalid", signer="human")

    script = Script()
    script.add(signed(script.enrolment("human"), "human"))
    script.add(signed(script.operator.enrolment, "operator"))
    yield ended(
        "genesis-at-1",
        "an enrolment stands at 0, the genesis at 1",
        script,
        (0, "misplaced"),
        (1, "genesis-illegal"),
        (2, "genesis-illegal"),
    )

    script = Script().begin()
    script.add(signed(script.operator.enrolment, "operator"))
    yield ended("genesis-twice", "a second genesis", script, (2, "misplaced"))

    script = Script()
    script.state()
    script.state()
    yield ended(
        "state-at-0",
        "a log that begins with a state",
        script,
        (0, "misplaced"),
        (1, "genesis-illegal"),
        (2, "genesis-illegal"),
    )


def states() -> Iterator[Scenario]:
    """State entries."""
    for name, what, changes in (
        ("state-root", "a root that is not the status map's", {"root": some("root")}),
        ("state-records", "another number of records", {"records": 1}),
        ("state-time", "a time before that of the state before", {"time": 1_000_999}),
    ):
        script = Script().begin()
        script.state(**changes)
        yield ended(name, what, script, (2, "state-wrong"))
    script = Script().begin()
    script.actor("human")
    script.state(fold=3)
    script.actor("another human")
    script.state()
    yield ended(
        "state-fold-3",
        "a fold that nobody knows, then a lesser one: nothing more is judged, from the segment's first entry on",
        script,
        *((index, "fold-unknown") for index in range(2, 7)),
    )

    world = people({"until": 1_006_000})
    world.script.publish(
        world.pair, world.script.work(world.pair, "in time", "output"), delegation=world.delegation
    )
    world.script.state(time=1_005_999)
    late = world.script.artifacts(
        world.pair, [world.script.work(world.pair, "late", "output")], world.delegation
    )
    index = world.script.add(signed(world.script.unsay(world.pair, late), "pair"))
    world.script.state(time=1_006_000, root=some("root"))
    world.script.state(time=1_005_999)
    world.script.time = 1_006_000
    yield ended(
        "state-wrong-turns-the-clock",
        "a state with a wrong root turns the clock; a delegation ends by it",
        world.script,
        (index, "scope-exceeded"),
        (index + 1, "state-wrong"),
        (index + 2, "state-wrong"),
    )


def malformed() -> Iterator[Scenario]:
    """Entries that are not well-formed: no topic, no record, no effect."""
    yield one_entry(
        "malformed-bytes", "bytes that are no msgpack", "not-canonical", lambda _: b"\xc1 nonsense"
    )
    yield one_entry("malformed-empty", "no byte at all", "not-canonical", lambda _: b"")
    yield one_entry("malformed-large", "65,536 bytes", "too-large", lambda _: bytes(65_536))
    yield one_entry(
        "malformed-shape", "an array of three", "schema", lambda _: pack([b"a", [[0, 0, bytes(64)]], 1])
    )
    yield one_entry("malformed-record", "a record as an entry", "schema", lambda _: pack(record()))

    def broken(world: People, **changes: Any) -> bytes:
        return signed(changed(world.script.enrolment("new"), **changes), "new")

    yield one_entry("payload-version", "another version", "schema", lambda world: broken(world, v=2))
    yield one_entry(
        "payload-nil", "nil in a payload", "not-canonical", lambda world: broken(world, by=Raw(b"\xc0"))
    )
    yield one_entry(
        "payload-other-log",
        "another log's statement",
        "wrong-log",
        lambda world: broken(world, log=some("log")),
    )
    bad = {"keys": keys("new")["keys"], "thresholds": {"ed25519": 2}}
    yield one_entry(
        "payload-keyset",
        "a threshold above the number of keys",
        "keyset-illegal",
        lambda world: signed(world.script.enrolment("new", keyset=bad), "new"),
    )

    def foreign_artifacts(world: People) -> bytes:
        fields = world.script.unsay(
            world.human, world.script.artifacts(world.human, [world.script.work(world.human, "x")])
        )
        return signed(changed(fields, log=some("log")), "human")

    yield one_entry(
        "other-log-counts-no-records", "another log's records are not counted", "wrong-log", foreign_artifacts
    )


def not_built() -> Iterator[Scenario]:
    """Types that are specified only: well-formed, so that their topics are extended, and without effect."""
    for type_ in (*ORDINARY, "rotate", "recover", "retire"):
        if type_ in ("artifacts", "delegate"):
            continue

        def make(world: People, type_: str = type_) -> bytes:
            fields = payload(type_, log=world.script.log, by=world.human.id)
            if type_ == "evidence":
                one = payload("undelegate", log=world.script.log, by=world.human.id)
                other = changed(one, body={"pair": some("another pair")})
                halves = [[data, [[0, 0, bytes(64)]]] for data in sorted((pack(one), pack(other)))]
                fields["body"] = {"first": halves[0], "second": halves[1]}
            elif "key" in fields:
                fields["key"] = world.human.id
            return signed(fields, "human")

        yield one_entry(f"not-yet-{type_}", f"a statement of type {type_}", "not-yet", make)
    yield one_entry("not-yet-notice-twice", "an artifact and its row are one topic", "not-yet", two_subjects)


def two_subjects(world: People) -> bytes:
    subjects = sorted([[some("artifact")], [some("artifact"), 1], [some("other")]], key=pack)
    fields = payload(
        "notice", log=world.script.log, by=some("nobody"), body=changed(body("notice"), subjects=subjects)
    )
    return signed(fields, "human")


def identities() -> Iterator[Scenario]:
    """Enrolments, key events, signatures."""
    new = "new"
    yield one_entry(
        "enrol-twice",
        "an enrolment that stands already",
        "identity-exists",
        lambda world: signed(world.human.enrolment, "human"),
    )
    yield one_entry(
        "enrol-low-order",
        "a key that is the neutral point",
        "key-refused",
        lambda world: logs.low_order_enrolment(world.script),
    )
    yield one_entry(
        "enrol-mixed-order",
        "a key of mixed order, whose signature holds",
        "key-refused",
        lambda world: logs.mixed_enrolment(world.script),
    )
    yield one_entry(
        "enrol-ml-dsa",
        "a key of an algorithm that is not built",
        "not-yet",
        lambda world: logs.ml_dsa_enrolment(world.script),
    )
    same = tagged("keyset", pack(keys(new)))
    yield one_entry(
        "enrol-next-is-current",
        "a commitment to the current keyset",
        "keyset-illegal",
        lambda world: signed(world.script.enrolment(new, next=same), new),
    )
    yield one_entry(
        "enrol-recovery-is-current",
        "a commitment to the current keyset",
        "keyset-illegal",
        lambda world: signed(world.script.enrolment(new, recovery=same), new),
    )
    yield one_entry(
        "enrol-next-is-recovery",
        "two equal commitments",
        "keyset-illegal",
        lambda world: signed(world.script.enrolment(new, next=some("k"), recovery=some("k")), new),
    )
    yield one_entry(
        "enrol-pair-of-nobody",
        "a pair of nobody",
        "delegation-illegal",
        lambda world: signed(world.script.enrolment(new, "pair", some("nobody")), new),
    )
    yield one_entry(
        "enrol-pair-of-machine",
        "a pair of a machine",
        "delegation-illegal",
        lambda world: signed(world.script.enrolment(new, "pair", world.machine.id), new),
    )
    yield one_entry(
        "enrol-pair-of-pair",
        "a pair of a pair",
        "delegation-illegal",
        lambda world: signed(world.script.enrolment(new, "pair", world.pair.id), new),
    )
    yield one_entry(
        "enrol-signed-by-other",
        "an enrolment signed by another key",
        "signature-invalid",
        lambda world: signed(world.script.enrolment(new), "human"),
    )
    yield one_entry(
        "enrol-next-signs",
        "a signature of a keyset that is not asked for",
        "signature-surplus",
        lambda world: signed(world.script.enrolment(new), new, keyset_number=1),
    )

    def threshold(*indices: int, first: bytes | None = None) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            order = sorted(("k1", "k2", "k3"), key=public_key)
            data = pack(world.script.enrolment("two", keyset=keys("k1", "k2", "k3", threshold=2)))
            signatures = [[0, n, logs.signature(order[n % 3], data)] for n in indices]
            if first is not None:
                signatures[0][2] = first
            return pack([data, signatures])

        return make

    yield one_entry("signature-missing", "one of two", "signature-missing", threshold(0))
    yield one_entry("signature-surplus", "three of two", "signature-surplus", threshold(0, 1, 2))
    yield one_entry("signature-index", "a key index beyond the keyset", "signature-invalid", threshold(0, 5))
    yield one_entry(
        "signature-one-invalid",
        "two signatures, one of which does not hold",
        "signature-invalid",
        threshold(0, 1, first=bytes(64)),
    )
    yield one_entry(
        "signature-of-other-size",
        "a signature of the size of ml-dsa-44",
        "signature-invalid",
        threshold(0, 1, first=bytes(2420)),
    )

    def said(**changes: Any) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            data = world.script.work(world.human, "said")
            fields = world.script.unsay(world.human, world.script.artifacts(world.human, [data]))
            return signed(changed(fields, **changes), "human")

        return make

    yield one_entry("by-unknown", "a statement by nobody", "identity-unknown", said(by=some("nobody")))
    yield one_entry("key-unknown", "a key event that never was", "key-not-in-force", said(key=some("event")))
    yield one_entry("lane-gap", "a place is left out", "lane-broken", said(seq=5, prev=some("previous")))
    yield one_entry(
        "lane-other-prev", "a predecessor that is not the last", "lane-broken", said(prev=some("previous"))
    )
    yield one_entry("lane-restarted", "a lane that begins again", "lane-broken", said(seq=0, prev=None))
    yield one_entry("lane-new-at-1", "a lane that begins at 1", "lane-broken", said(lane=b"N" * 16))
    yield one_entry(
        "replay",
        "a statement that stands already, again",
        "lane-broken",
        lambda world: world.script.entries[4],
    )
    yield one_entry(
        "signed-by-next",
        "an ordinary statement signed by the next keyset",
        "signature-surplus",
        signed_by_next,
    )
    yield one_entry(
        "signed-by-other",
        "a statement signed by another identity",
        "signature-invalid",
        lambda world: signed(
            world.script.unsay(
                world.human, world.script.artifacts(world.human, [world.script.work(world.human, "x")])
            ),
            "machine",
        ),
    )


def signed_by_next(world: People) -> bytes:
    fields = world.script.unsay(
        world.human, world.script.artifacts(world.human, [world.script.work(world.human, "x")])
    )
    return signed(fields, "human/next", keyset_number=1)


def delegations() -> Iterator[Scenario]:
    """Pairs, delegations, scopes, and the log's own limit."""

    def spoken(delegation: str, count: int = 1) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            named = {"own": world.delegation, "none": None, "other": some("delegation")}[delegation]
            records = [world.script.work(world.pair, f"{number}", "output") for number in range(count)]
            return signed(world.script.artifacts(world.pair, records, named), "pair")

        return make

    yield one_entry("pair-names-none", "a pair that names no delegation", "not-delegated", spoken("none"))
    yield one_entry(
        "pair-names-other", "a pair that names another delegation", "not-delegated", spoken("other")
    )
    yield one_entry("scope-count", "four records where three are allowed", "scope-exceeded", spoken("own", 4))

    def by_human(delegation: bytes) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            data = world.script.work(world.human, "x")
            fields = world.script.unsay(world.human, world.script.artifacts(world.human, [data]))
            fields["body"]["delegation"] = delegation
            return signed(fields, "human")

        return make

    yield one_entry(
        "human-names-delegation", "a human that names a delegation", "schema", by_human(some("delegation"))
    )

    def delegated(by: str, pair: str) -> Callable[[People], bytes]:
        def make(world: People) -> bytes:
            actors = {"human": world.human, "pair": world.pair, "machine": world.machine}
            actors["nobody"] = Actor("nobody", "pair", world.script.enrolment("nobody"))
            fields = world.script.delegation(actors[by], actors[pair])
            return signed(world.script.unsay(actors[by], fields), by)

        return make

    yield one_entry(
        "delegate-by-machine",
        "a delegation by another than the anchor",
        "delegation-illegal",
        delegated("machine", "pair"),
    )
    yield one_entry(
        "delegate-by-itself", "a pair that delegates itself", "delegation-illegal", delegated("pair", "pair")
    )
    yield one_entry(
        "delegate-machine", "a delegation of a machine", "delegation-illegal", delegated("human", "machine")
    )
    yield one_entry(
        "delegate-nobody",
        "a delegation of a pair that is not enrolled",
        "delegation-illegal",
        delegated("human", "nobody"),
    )

    script = Script().begin()
    human = script.actor("human")
    pair = script.actor("pair", "pair", human.id)
    script.add(signed(script.artifacts(pair, [script.work(pair, "x", "output")], some("d")), "pair"))
    yield ended("pair-before-delegation", "a pair that was never delegated", script, (4, "not-delegated"))

    world = people()
    world.script.delegate(world.human, world.pair)
    world.script.publish(
        world.pair, world.script.work(world.pair, "x", "output"), delegation=world.delegation
    )
    yield ended(
        "pair-names-former",
        "a pair that names the delegation before the one in force",
        world.script,
        (7, "not-delegated"),
    )

    world = people({"count": 3})
    records = [world.script.work(world.pair, f"{number}", "output") for number in range(4)]
    world.script.publish(world.pair, *records[:2], delegation=world.delegation)
    over = world.script.artifacts(world.pair, records[2:], world.delegation)
    world.script.add(signed(world.script.unsay(world.pair, over), "pair"))
    world.script.publish(world.pair, records[3], delegation=world.delegation)
    yield ended(
        "scope-count-in-parts",
        "two, then two more where three are allowed, then one",
        world.script,
        (7, "scope-exceeded"),
    )

    world = people({"until": 1_002_000})
    world.script.publish(
        world.pair, world.script.work(world.pair, "x", "output"), delegation=world.delegation
    )
    yield ended(
        "scope-until", "the clock has reached the end of the delegation", world.script, (6, "scope-exceeded")
    )

    script = Script()
    script.add(signed(script.genesis(rules={"mode": "open", "limits": {"records": 1}}), "operator"))
    script.state()
    human = script.actor("human")
    two = [script.work(human, "1"), script.work(human, "2")]
    fields = script.unsay(human, script.artifacts(human, two))
    script.add(signed(fields, "human"), two)
    script.publish(human, two[0])
    yield ended("rules-exceeded", "two records where the log takes one", script, (3, "rules-exceeded"))


def one_record(
    name: str, what: str, code: str, make: Callable[[People], bytes], by: str = "human"
) -> Scenario:
    """A statement in order over three records, of which the second is at fault: its siblings are not touched."""
    world = people({"kinds": ["work", "output"], "human": 400_000})
    actor = {"human": world.human, "pair": world.pair, "machine": world.machine}[by]
    kind = "output" if by != "human" else "work"
    before, after = (world.script.work(actor, text, kind) for text in ("before", "after"))
    delegation = world.delegation if by == "pair" else None
    index = world.script.publish(actor, before, make(world), after, delegation=delegation)
    return ended(name, what, world.script, (index, 1, code))


def records() -> Iterator[Scenario]:
    """Records inside entries that are in order."""
    yield one_record("record-nonsense", "a record that is no msgpack", "not-canonical", lambda _: b"\xc1")
    yield one_record("record-large", "a record of 16,385 bytes", "too-large", lambda _: bytes(16_385))
    yield one_record(
        "record-schema",
        "a record with an unknown kind",
        "schema",
        lambda world: pack(record(maker=world.human.id) | {"kind": "poem"}),
    )
    yield one_record(
        "record-illegal",
        "a work with facts",
        "record-illegal",
        lambda world: world.script.work(world.human, "x", facts={"method": "trace"}),
    )
    yield one_record(
        "record-shares",
        "shares over the whole",
        "share-illegal",
        lambda world: world.script.work(world.human, "x", human=1_000_000, parents=[parent("quotes", ppm=1)]),
    )
    yield one_record(
        "record-of-other",
        "a record by another maker",
        "maker-differs",
        lambda world: world.script.work(world.machine, "x"),
    )
    yield one_record(
        "record-role",
        "a human with a machine share",
        "role-illegal",
        lambda world: world.script.work(world.human, "x", human=1, machine=1),
    )
    yield one_record(
        "record-output-by-human",
        "an output that names no model",
        "role-illegal",
        lambda world: world.script.work(world.human, "x", "output"),
    )
    yield one_record(
        "record-work-by-machine",
        "a work by a machine",
        "role-illegal",
        lambda world: world.script.work(world.machine, "x"),
        "machine",
    )
    yield one_record(
        "record-scope-kind",
        "a kind outside the scope",
        "scope-exceeded",
        lambda world: world.script.work(world.pair, "x", "dataset"),
        "pair",
    )
    yield one_record(
        "record-scope-human",
        "a human share above the scope",
        "scope-exceeded",
        lambda world: world.script.work(world.pair, "x", human=400_001),
        "pair",
    )
    yield one_record(
        "record-parent-unknown",
        "a parent that stands nowhere",
        "parent-unknown",
        lambda world: world.script.work(world.human, "x", parents=[parent()]),
    )
    yield one_record(
        "record-parent-behind",
        "a parent that stands behind",
        "parent-unknown",
        lambda world: world.script.work(
            world.human, "x", parents=[parent_of(world.script.work(world.human, "after"))]
        ),
    )
    yield one_record(
        "record-parent-own-log",
        "a parent that names this log",
        "schema",
        lambda world: world.script.work(world.human, "x", parents=[parent(log=world.script.log)]),
    )
    yield one_record(
        "record-parent-kind",
        "an output generated by what is no model",
        "parent-kind",
        lambda world: world.script.work(
            world.human,
            "x",
            "output",
            parents=[parent_of(world.script.work(world.human, "before"), "generated-by")],
        ),
    )
    yield one_record(
        "record-parent-row",
        "a row of what has no rows",
        "parent-kind",
        lambda world: world.script.work(
            world.human, "x", parents=[parent_of(world.script.work(world.human, "before"), row=0)]
        ),
    )
    yield one_record(
        "record-duplicate",
        "the first record again",
        "record-duplicate",
        lambda world: world.script.work(world.human, "before"),
    )

    world = people()
    rows = pack(record("dataset", "rows", maker=world.human.id))
    child = world.script.work(world.human, "x", parents=[parent_of(rows, row=3)])
    world.script.publish(world.human, rows, child)
    yield ended("record-row-over", "the fourth row of three", world.script, (6, 1, "parent-kind"))

    world = people()
    nonsense, again = b"\xc1", world.script.work(world.human, "x", parents=[parent(name="nowhere")])
    heir = world.script.work(
        world.human, "y", parents=in_order([parent_of(nonsense, "quotes", ppm=1), parent_of(again)])
    )
    world.script.publish(world.human, nonsense, nonsense, again, heir)
    yield ended(
        "record-of-faulty-parents",
        "a faulty record is named rightly by its children; a doubled one is first of all doubled",
        world.script,
        (6, 0, "not-canonical"),
        (6, 1, "record-duplicate"),
        (6, 2, "parent-unknown"),
    )

    world = people()
    twice = world.script.work(world.human, "twice")
    index = world.script.publish(world.human, twice, twice)
    world.script.records[index] = [Erased(id_of(twice)), Erased(id_of(twice))]
    yield ended(
        "record-erased-duplicate",
        "an erased record that stands twice",
        world.script,
        (6, 1, "record-duplicate"),
    )

    world = people()
    one, other = world.script.work(world.human, "one"), world.script.work(world.human, "other")
    index = world.script.publish(world.human, one, other)
    world.script.records[index] = [other, one]
    heir = world.script.work(world.human, "heir", parents=[parent_of(one)])
    world.script.publish(world.human, heir)
    yield ended(
        "records-exchanged",
        "records in another order than signed: nothing of them stands",
        world.script,
        (6, "root-differs"),
        (7, 0, "parent-unknown"),
    )

    world = people()
    fields = world.script.say(world.human, "artifacts", {"count": 2, "root": mth([one])})
    world.script.add(signed(fields, "human"), [one])
    yield ended("records-fewer", "fewer records than the statement counts", world.script, (6, "root-differs"))

    world = people()
    data = world.script.work(world.human, "under a fault")
    refused = world.script.unsay(world.human, world.script.artifacts(world.human, [data]))
    world.script.add(signed(refused, "machine"), [data])
    world.script.publish(world.human, world.script.work(world.human, "heir", parents=[parent_of(data)]))
    yield ended(
        "parent-under-faulty-entry",
        "a record under an entry that is at fault is nobody's parent",
        world.script,
        (6, "signature-invalid"),
        (7, 0, "parent-unknown"),
    )


def order() -> Iterator[Scenario]:
    """Two faults in one entry: the first of SPEC §9.2 is named."""

    def said(code: str, name: str, what: str, changes: Fields, signer: str = "human") -> Scenario:
        def make(world: People) -> bytes:
            data = world.script.work(world.human, "said")
            fields = world.script.unsay(world.human, world.script.artifacts(world.human, [data]))
            fields["body"]["delegation"] = some("delegation")  # wrong too, in step 8
            return signed(changed(fields, **changes), signer)

        return one_entry(f"order-{name}", what, code, make)

    nobody, lane = {"by": some("nobody")}, {"seq": 9, "prev": some("p")}
    elsewhere, event = {"log": some("log")}, {"key": some("k")}
    yield said("wrong-log", "log-before-signer", "another log, nobody's", elsewhere | nobody)
    yield said(
        "identity-unknown", "signer-before-signature", "nobody's, wrongly signed", nobody | lane, "machine"
    )
    yield said(
        "key-not-in-force",
        "key-before-signature",
        "another key event, wrongly signed",
        event | lane,
        "machine",
    )
    yield said(
        "signature-invalid", "signature-before-lane", "wrongly signed, in a broken lane", lane, "machine"
    )
    yield said("lane-broken", "lane-before-delegation", "a broken lane, a delegation of a human", lane)
    yield said("schema", "delegation-last", "a delegation of a human alone", {})
    yield one_entry(
        "order-type-before-signer",
        "a type not built, by nobody",
        "not-yet",
        lambda world: signed(payload("undelegate", log=world.script.log), "human"),
    )
    yield one_entry(
        "order-place-before-keys",
        "a second genesis with wrong keys",
        "misplaced",
        lambda world: signed(world.script.genesis(vkeys=[vkey(logs.ORIGIN, b"\x01" + bytes(31))]), "human"),
    )
    yield one_entry(
        "order-keys-before-anchor",
        "a pair of nobody with equal commitments",
        "keyset-illegal",
        lambda world: signed(
            world.script.enrolment("new", "pair", some("nobody"), next=some("k"), recovery=some("k")), "human"
        ),
    )
    yield one_entry(
        "order-anchor-before-signature",
        "a pair of nobody, wrongly signed",
        "delegation-illegal",
        lambda world: signed(world.script.enrolment("new", "pair", some("nobody")), "human"),
    )
    yield one_entry(
        "order-known-before-signature",
        "known, and wrongly signed",
        "identity-exists",
        lambda world: signed(world.human.enrolment, "machine"),
    )
    yield one_record(
        "order-maker-before-role",
        "another maker, who may not either",
        "maker-differs",
        lambda world: world.script.work(world.human, "x"),
        "machine",
    )
    yield one_record(
        "order-role-before-scope",
        "a share that no pair has, of a kind outside the scope",
        "role-illegal",
        lambda world: world.script.work(world.pair, "x", "dataset", human=1),
        "pair",
    )
    yield one_record(
        "order-scope-before-parents",
        "outside the scope, of an unknown parent",
        "scope-exceeded",
        lambda world: world.script.work(world.pair, "x", "dataset", parents=[parent()]),
        "pair",
    )


def all_scenarios() -> Iterator[Scenario]:
    for group in (good, births, states, malformed, not_built, identities, delegations, records, order):
        yield from group()
    yield from lives.all_lives()
    yield from voices.all_voices()

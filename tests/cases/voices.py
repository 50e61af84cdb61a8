"""What identities say of others in fold 2 (SPEC §5.3, §5.4, §7.5, §7.6), good and bad: endorsements, attestations, notices, rules, forks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.cases import algorithms, logs
from tests.cases.lives import digest, id_of
from tests.cases.logs import Actor, Erased, commitments, keys, public_key, signed
from tests.cases.samples import Fields, changed, payload, some
from tests.cases.samples import keyset as keyset_of
from tests.cases.worlds import WAIT_MS, Scenario, Town, ended, people, signatures_of, town
from tests.reference import pack

FIRST = 14  # the first free place behind `town`


def said(world: Town, by: Actor, type_: str, body: Fields, **changes: Any) -> int:
    """Appends a statement that will be a fault."""
    fields = world.script.say(by, type_, body, **changes)
    return world.script.add(signed(world.script.unsay(by, fields), by.name))


def work(world: Town, by: Actor, text: str = "x") -> int:
    """Appends a work in order."""
    return world.script.publish(by, world.script.work(by, text))


def shut_out(world: Town, by: Actor, text: str = "x") -> int:
    """Appends a work that will be a fault."""
    fields = world.script.artifacts(by, [world.script.work(by, text)])
    return world.script.add(signed(world.script.unsay(by, fields), by.name))


def refused(
    name: str,
    what: str,
    code: str,
    by: str,
    say: Callable[[Town], tuple[str, Fields]],
    place: int | None = None,
) -> Scenario:
    """One faulty statement by one of the town at 14; with `place`, of one subject."""
    world = town()
    actor = {"operator": world.script.operator}.get(by) or getattr(world, by)
    type_, body = say(world)
    if place is None:
        index = said(world, actor, type_, body)
    else:
        world.script.tell(actor, type_, body)
        index = FIRST
    work(world, world.human, "after")
    return ended(name, what, world.script, (index, place, code))


def endorsement(subject: bytes, **changes: Any) -> Fields:
    return changed({"subject": subject, "grade": "known", "method": "in-person"}, **changes)


def attestation(*subjects: list[Any], **changes: Any) -> Fields:
    body = {"subjects": sorted(subjects, key=pack), "claim": "authorship", "result": "confirmed"}
    return changed(body, **changes)


def notice(act: str, *subjects: list[Any], **changes: Any) -> Fields:
    return changed({"subjects": sorted(subjects, key=pack), "act": act}, **changes)


def noticing(act: str, artifact: str) -> Callable[[Town], tuple[str, Fields]]:
    """A notice on one of the town's artifacts."""
    return lambda world: ("notice", notice(act, [getattr(world, artifact)]))


def endorsements() -> Iterator[Scenario]:
    world = town()
    script = world.script
    for issuer, grade in (
        (world.registrar, "verified"),
        (world.curator, "claimed"),
        (world.other, "known"),
        (script.operator, "documented"),
    ):
        script.tell(issuer, "endorse", endorsement(world.human.id, grade=grade))
        script.tell(issuer, "endorse", endorsement(world.machine.id, grade=grade))
    script.tell(world.other, "endorse", endorsement(world.pair.id))
    script.tell(world.registrar, "endorse", endorsement(world.human.id, grade="documented"))
    script.tell(world.other, "endorse", endorsement(world.human.id, until=1))
    script.tell(world.human, "endorse", endorsement(world.human.id, log=some("other log")))
    script.tell(world.curator, "endorse", endorsement(some("stranger"), log=some("other log")))
    yield ended(
        "endorse",
        "everybody but machines and pairs; the latest of an issuer counts, until it ends; "
        "of another log's identities nothing is compared, and it says nothing of this log's",
        script,
        grades={
            world.human.id: {
                world.registrar.id: "documented",
                world.curator.id: "claimed",
                script.operator.id: "documented",
            },
            world.pair.id: {world.other.id: "known"},
        },
    )

    def of(who: str) -> Callable[[Town], tuple[str, Fields]]:
        return lambda world: (
            "endorse",
            endorsement(getattr(world, who).id)
            if hasattr(world, who)
            else endorsement(some("nobody"), log=world.script.log if who == "stranger" else None),
        )

    for by, who, code in (
        ("machine", "human", "not-authorised"),
        ("pair", "other", "not-authorised"),
        ("human", "nobody", "identity-unknown"),
        ("human", "human", "endorsement-illegal"),
        ("registrar", "registrar", "endorsement-illegal"),
        ("human", "pair", "endorsement-illegal"),
        ("human", "stranger", "endorsement-illegal"),
        ("machine", "nobody", "not-authorised"),
    ):
        yield refused(f"endorse-{who}-by-{by}", f"a {by} endorses {who}", code, by, of(who))

    world = town()
    script = world.script
    script.tell(world.registrar, "endorse", endorsement(world.human.id))  # 14
    script.tell(world.registrar, "endorse", endorsement(world.other.id))  # 15
    script.turn(world.registrar, "rotate", compromised=[[public_key("registrar"), 15]])
    yield ended(
        "cut-endorsement",
        "an endorsement that is disowned counts no more",
        script,
        grades={world.human.id: {world.registrar.id: "known"}, world.other.id: {}},
        disowned=[(15, world.registrar.key, False)],
    )


def listed() -> Iterator[Scenario]:
    """The allow-list (SPEC §5.4)."""
    world = town()
    script = world.script
    early = script.say(world.registrar, "endorse", endorsement(world.other.id))
    script.add(signed(early, "registrar"))
    script.tell(script.operator, "rules", world.rules())  # 15
    out = shut_out(world, world.human)
    answer = script.work(world.pair, "x", "output")
    refused_answer = script.artifacts(world.pair, [answer], world.delegation)
    pair_out = script.add(signed(script.unsay(world.pair, refused_answer), "pair"))
    dull = said(world, world.machine, "attest", attestation([world.text]))
    script.turn(world.machine, "rotate")
    script.actor("new")
    work(world, world.other)
    script.tell(world.curator, "attest", attestation([world.text]))
    script.tell(world.registrar, "endorse", endorsement(world.human.id))
    work(world, world.human)
    script.publish(world.pair, answer, delegation=world.delegation)
    script.tell(script.operator, "rules", world.rules("open"))
    script.tell(world.machine, "artifacts", {"count": 1, "root": some("r")})
    script.records[len(script.entries) - 1] = [Erased(some("r"))]
    yield ended(
        "allow-list",
        "who is not endorsed enrols and turns keys alone; an endorsement from before counts; a pair by its anchor's",
        script,
        (out, "not-endorsed"),
        (pair_out, "not-endorsed"),
        (dull, "not-endorsed"),
    )

    world = town()
    script = world.script
    script.tell(world.registrar, "endorse", endorsement(world.human.id, until=script.time + 2000))
    script.tell(script.operator, "rules", world.rules())
    work(world, world.human)
    script.state()
    late = shut_out(world, world.human)
    script.state()
    script.tell(world.registrar, "endorse", endorsement(world.human.id))
    work(world, world.human, "again")
    script.tell(world.registrar, "endorse", endorsement(world.human.id, until=1))
    over = shut_out(world, world.human)
    yield ended(
        "allow-list-until",
        "an endorsement ends when the clock has reached its `until`, or by another that has ended",
        script,
        (late, "not-endorsed"),
        (over, "not-endorsed"),
        grades={world.human.id: {}},
    )

    world = town()
    script = world.script
    unlisted = script.actor("unlisted", "registrar")
    for by in (unlisted, world.curator, world.other, script.operator):
        script.tell(by, "endorse", endorsement(world.human.id))
    script.tell(world.registrar, "endorse", endorsement(world.human.id, log=some("other log")))
    script.tell(script.operator, "rules", world.rules())
    index = shut_out(world, world.human)
    script.tell(script.operator, "rules", world.rules(registrars=sorted([world.registrar.id, unlisted.id])))
    work(world, world.human)
    script.tell(script.operator, "rules", {"mode": "allow-list"})
    later = shut_out(world, world.human)
    judge = said(world, world.registrar, "endorse", endorsement(world.other.id))
    yield ended(
        "allow-list-issuers",
        "only a listed registrar's endorsement admits, and only while he is listed",
        script,
        (index, "not-endorsed"),
        (later, "not-endorsed"),
        (judge, "not-endorsed"),
    )

    world = town()
    script = world.script
    script.tell(world.registrar, "endorse", endorsement(world.human.id))  # 14
    script.tell(world.registrar, "endorse", endorsement(world.human.id, grade="verified"))  # 15
    script.tell(world.registrar, "endorse", endorsement(world.other.id))  # 16
    script.tell(script.operator, "rules", world.rules())
    work(world, world.human)
    work(world, world.other)
    script.turn(world.registrar, "rotate", compromised=[[public_key("registrar"), 15]])
    index = shut_out(world, world.other)
    work(world, world.human, "by the one before it")
    script.tell(world.registrar, "endorse", endorsement(world.other.id))
    work(world, world.other, "again")
    yield ended(
        "allow-list-disowned",
        "a disowned endorsement admits nobody, and replaces none that stood before it",
        script,
        (index, "not-endorsed"),
        grades={
            world.human.id: {world.registrar.id: "known"},
            world.other.id: {world.registrar.id: "known"},
        },
    )

    world = town()
    script = world.script
    script.tell(world.registrar, "endorse", endorsement(world.human.id))
    script.turn(world.registrar, "retire")
    script.tell(script.operator, "rules", world.rules())
    work(world, world.human)
    broken = script.artifacts(world.other, [b"x"], seq=4, prev=some("p"))
    order = script.add(signed(script.unsay(world.other, broken), "other"))
    idle = script.actor("idle pair", "pair", world.other.id)
    silent = script.artifacts(idle, [b"x"], some("delegation"))
    pair = script.add(signed(script.unsay(idle, silent), "idle pair"))
    yield ended(
        "order-around-the-mode",
        "the lane is judged before the mode, the mode before the delegation; who is retired has endorsed",
        script,
        (order, "lane-broken"),
        (pair, "not-endorsed"),
    )


def attestations() -> Iterator[Scenario]:
    world = town()
    script = world.script
    for attestor in (world.other, world.pair, world.curator, script.operator, world.human):
        script.tell(attestor, "attest", attestation([world.text], [world.rows], [world.rows, 2]))
    script.tell(world.other, "attest", attestation([world.text], result="refuted", evidence=[some("e")]))
    script.records[12] = [Erased(world.rows)]
    script.tell(world.other, "attest", attestation([world.rows, 3]))
    yield ended(
        "attest", "everybody but machines, of artifacts and of rows; an erased record has every row", script
    )

    yield refused(
        "attest-by-machine",
        "a machine attests",
        "not-authorised",
        "machine",
        lambda world: ("attest", attestation([world.text])),
    )
    for act in ("attest", "hold"):
        by = "other" if act == "attest" else "curator"

        def say(act: str, make: Callable[[Town], list[list[Any]]]) -> Callable[[Town], tuple[str, Fields]]:
            if act == "attest":
                return lambda world: ("attest", attestation(*make(world)))
            return lambda world: ("notice", notice(act, *make(world)))

        for name, what, make in (
            ("unknown", "of an artifact that stands nowhere", lambda _: [[some("artifact")]]),
            ("row-over", "of the fourth row of three", lambda world: [[world.rows, 3]]),
            ("row-of-none", "of a row of what has no rows", lambda world: [[world.text, 0]]),
        ):
            yield refused(f"{act}-{name}", f"{act} {what}", "subject-unknown", by, say(act, make), 0)

    world = town()
    script = world.script
    nonsense = b"\xc1"
    script.publish(world.human, nonsense)  # 14
    faulty = script.artifacts(world.human, [script.work(world.human, "never")])
    at = script.add(signed(script.unsay(world.human, faulty), "machine"), [script.work(world.human, "never")])
    never = logs.id_of(script.work(world.human, "never"))
    subjects: list[list[Any]] = sorted(
        [[world.text], [logs.id_of(nonsense)], [logs.id_of(nonsense), 9], [never], [world.rows, 3]], key=pack
    )
    script.tell(world.other, "attest", attestation(*subjects))  # 16
    bad = sorted(subjects.index(subject) for subject in ([never], [world.rows, 3]))
    yield ended(
        "attest-each-alone",
        "a subject at fault touches no other; a record that cannot be read stands; one under a faulty entry does not",
        script,
        (14, 0, "not-canonical"),
        (at, "signature-invalid"),
        *((16, place, "subject-unknown") for place in bad),
    )


def notices() -> Iterator[Scenario]:
    world = town()
    script = world.script
    hold = script.tell(
        world.curator, "notice", notice("hold", [world.text], [world.rows, 1], reason="rights")
    )
    script.tell(world.registrar, "notice", notice("dispute", [world.output]))
    script.tell(world.curator, "notice", notice("release", [world.text], cancels=hold))
    script.tell(world.curator, "notice", notice("release", [world.rows, 1], cancels=hold))
    script.tell(world.curator, "notice", notice("release", [world.rows, 1], cancels=hold))
    script.tell(world.human, "notice", notice("retract", [world.text], [world.output], reason="error"))
    script.tell(world.human, "notice", notice("erase", [world.output], reason="privacy"))
    script.tell(world.curator, "notice", notice("retract", [world.text], [world.rows, 0]))
    held = script.tell(world.registrar, "notice", notice("hold", [world.output]))
    script.tell(script.operator, "rules", {"mode": "open"})
    script.tell(world.registrar, "notice", notice("release", [world.output], cancels=held))
    yield ended(
        "notice",
        "every act: by who is listed; a release by who held, listed or not; a retraction by maker, anchor, or listed",
        script,
    )

    for act in ("hold", "dispute"):
        for by in ("human", "operator", "pair", "machine"):
            yield refused(
                f"{act}-by-{by}",
                f"a {act} by who is not listed",
                "not-authorised",
                by,
                noticing(act, "text"),
            )
    for act in ("retract", "erase"):
        for by, artifact in (
            ("other", "text"),
            ("pair", "text"),
            ("pair", "output"),
            ("machine", "output"),
            ("operator", "rows"),
        ):
            yield refused(
                f"{act}-{artifact}-by-{by}",
                f"{act} of {artifact} by a {by} who does not answer for it",
                "not-authorised",
                by,
                noticing(act, artifact),
                0,
            )

    world = town()
    script = world.script
    script.records[11] = [Erased(world.text)]
    script.records[13] = [Erased(world.output)]
    both = sorted([[world.text], [world.output], [world.rows]], key=pack)
    script.tell(world.human, "notice", notice("erase", *both))
    script.tell(world.pair, "notice", notice("erase", *both))
    yield ended(
        "erase-erased",
        "of an erased record its signer is taken for its maker; a pair erases nothing",
        script,
        *((FIRST + 1, place, "not-authorised") for place in range(3)),
    )

    world = town()
    script = world.script
    stolen = script.work(world.human, "signed by another first")
    script.publish(world.other, stolen)  # 14, at fault
    script.publish(world.human, stolen)  # 15
    script.records[14] = script.records[15] = [Erased(logs.id_of(stolen))]
    script.tell(world.human, "notice", notice("retract", [logs.id_of(stolen)]))
    script.tell(world.other, "notice", notice("retract", [logs.id_of(stolen)]))
    yield ended(
        "retract-erased-twice-signed",
        "of an erased record with two places, the signer of the first is taken for its maker",
        script,
        (16, 0, "not-authorised"),
    )

    world = town()
    script = world.script
    script.publish(world.other, script.work(world.human, "another's"))  # 14, at fault
    stolen = logs.id_of(script.work(world.human, "another's"))
    script.tell(world.human, "notice", notice("retract", [stolen]))
    script.tell(world.other, "notice", notice("retract", [stolen]))
    yield ended(
        "retract-of-named-maker",
        "a record is its maker's to retract, whoever signed it",
        script,
        (14, 0, "maker-differs"),
        (16, 0, "not-authorised"),
    )
    yield from own_statuses()
    yield from releases()


def own_statuses() -> Iterator[Scenario]:
    """What notices and cuts make of artifacts (SPEC §12)."""
    world = town()
    script = world.script
    script.tell(world.curator, "notice", notice("hold", [world.text]))
    script.tell(world.registrar, "notice", notice("dispute", [world.output]))
    script.tell(world.curator, "notice", notice("hold", [world.rows, 1]))
    yield ended(
        "own-status-listed",
        "a hold on the whole, a dispute, and a hold on one row",
        script,
        statuses={world.text: "quarantined", world.output: "conditional", world.rows: "conditional"},
    )

    world = town()
    script = world.script
    for artifact, act in ((world.text, "hold"), (world.output, "dispute"), (world.rows, "retract")):
        script.tell(world.curator, "notice", notice(act, [artifact]))
    script.tell(script.operator, "rules", world.rules("open", curators=None))
    script.tell(world.human, "notice", notice("retract", [world.output]))
    script.tell(script.operator, "rules", {"mode": "open"})
    yield ended(
        "own-status-delisted",
        "what a curator could say only because he was listed ends with that; what a maker or his anchor says does not",
        script,
        statuses={world.text: "released", world.output: "retracted", world.rows: "released"},
    )

    world = town()
    script = world.script
    hold = script.tell(world.curator, "notice", notice("hold", [world.text], [world.rows]))
    script.tell(world.curator, "notice", notice("release", [world.text], cancels=hold))
    script.tell(world.curator, "notice", notice("release", [world.rows], cancels=hold))  # 16
    script.turn(world.curator, "rotate", compromised=[[public_key("curator"), 16]])
    yield ended(
        "own-status-released",
        "a release ends a hold on what it names; one that is disowned ends nothing",
        script,
        statuses={world.text: "released", world.rows: "quarantined"},
        disowned=[(16, world.curator.key, False)],
    )

    world = town()
    script = world.script
    script.tell(world.other, "attest", attestation([world.text]))
    script.turn(world.human, "rotate", compromised=[[public_key("human"), 11]])
    script.publish(world.human, script.work(world.human, "a walk"))
    yield ended(
        "own-status-signed-again",
        "of two disowned artifacts one is signed again",
        script,
        statuses={world.text: "released", world.rows: "disowned", world.output: "released"},
    )

    world = town()
    script = world.script
    one, other = pair_of_works(world, world.human)
    script.tell(world.machine, "evidence", fork(by_current(one, "human"), by_current(other, "human")))
    script.turn(world.human, "retire")
    yield ended(
        "own-status-contested",
        "under a key event that is contested, and stays so where the identity ends",
        script,
        statuses={world.text: "quarantined", world.rows: "quarantined", world.output: "released"},
        contested=[world.human.id],
    )


def releases() -> Iterator[Scenario]:
    """Releases that release nothing."""

    def held() -> tuple[Town, bytes]:
        world = town()
        hold = notice("hold", [world.text], [world.rows, 1])
        return world, world.script.tell(world.curator, "notice", hold)

    cases: tuple[tuple[str, str, str, Callable[[Town, bytes], Fields]], ...] = (
        (
            "of-another",
            "another's hold",
            "registrar",
            lambda world, hold: notice("release", [world.text], cancels=hold),
        ),
        (
            "of-nothing",
            "what is no statement",
            "curator",
            lambda world, _hold: notice("release", [world.text], cancels=some("hold")),
        ),
        (
            "of-other-subject",
            "a subject that is not held",
            "curator",
            lambda world, hold: notice("release", [world.output], cancels=hold),
        ),
        (
            "of-one-subject-more",
            "a subject that is held, and one that is not",
            "curator",
            lambda world, hold: notice("release", [world.text], [world.output], cancels=hold),
        ),
        (
            "of-whole-for-row",
            "the whole of what is held by row",
            "curator",
            lambda world, hold: notice("release", [world.rows], cancels=hold),
        ),
    )
    for name, what, by, make in cases:
        world, hold = held()
        index = said(world, getattr(world, by), "notice", make(world, hold))
        yield ended(f"release-{name}", f"a release of {what}", world.script, (index, "notice-illegal"))

    world, _ = held()
    dispute = world.script.tell(world.curator, "notice", notice("dispute", [world.text]))
    index = said(world, world.curator, "notice", notice("release", [world.text], cancels=dispute))
    yield ended("release-of-dispute", "a release of a dispute", world.script, (index, "notice-illegal"))


def rules() -> Iterator[Scenario]:
    world = town()
    script = world.script
    two = [script.work(world.human, "1"), script.work(world.human, "2")]
    script.tell(script.operator, "rules", world.rules("open", limits={"records": 1}))
    over = script.add(signed(script.unsay(world.human, script.artifacts(world.human, two)), "human"))
    script.tell(script.operator, "rules", {"mode": "open"})
    script.publish(world.human, *two)
    index = said(world, world.curator, "notice", notice("hold", [world.text]))
    yield ended(
        "rules",
        "rules replace the former ones whole: limits and lists that they do not name are gone",
        script,
        (over, "rules-exceeded"),
        (index, "not-authorised"),
    )

    def body(**changes: Any) -> Callable[[Town], tuple[str, Fields]]:
        def make(world: Town) -> tuple[str, Fields]:
            named = {
                name: sorted(
                    getattr(world, item).id if hasattr(world, item) else some(item) for item in items
                )
                for name, items in changes.items()
            }
            return "rules", {"mode": "open"} | named

        return make

    for by in ("human", "registrar", "curator", "machine"):
        yield refused(f"rules-by-{by}", f"rules by a {by}", "not-authorised", by, body())
    for name, what, code, changes in (
        (
            "unknown-registrar",
            "a registrar who is not enrolled",
            "identity-unknown",
            {"registrars": ["nobody"]},
        ),
        ("unknown-curator", "a curator who is not enrolled", "identity-unknown", {"curators": ["nobody"]}),
        (
            "human-registrar",
            "a human among the registrars",
            "role-illegal",
            {"registrars": ["registrar", "human"]},
        ),
        ("curator-registrar", "a curator among the registrars", "role-illegal", {"registrars": ["curator"]}),
        ("registrar-curator", "a registrar among the curators", "role-illegal", {"curators": ["registrar"]}),
        (
            "registrars-before-curators",
            "an unknown curator, and before him a registrar of another role",
            "role-illegal",
            {"registrars": ["human"], "curators": ["nobody"]},
        ),
    ):
        yield refused(f"rules-{name}", what, code, "operator", body(**changes))
    yield refused(
        "rules-vkeys",
        "rules with keys of the log",
        "not-yet",
        "operator",
        lambda world: ("rules", {"mode": "open", "vkeys": [world.script.vkey]}),
    )
    yield refused(
        "order-operator-before-vkeys",
        "keys of the log, by a human",
        "not-authorised",
        "human",
        lambda world: ("rules", {"mode": "open", "vkeys": [world.script.vkey]}),
    )


def half(fields: Fields, signatures: list[list[Any]]) -> list[Any]:
    return [pack(fields), sorted(signatures)]


def fork(*halves: list[Any]) -> Fields:
    """The body of an `evidence`."""
    first, second = sorted(halves, key=lambda each: pack(each[0]))
    return {"first": first, "second": second}


def pair_of_works(world: Town, actor: Actor, **changes: Any) -> tuple[Fields, Fields]:
    """Two payloads at one place of a lane; the lane stays where it is."""
    made = [
        changed(world.script.unsay(actor, world.script.artifacts(actor, [text], lane=b"F" * 16)), **changes)
        for text in (b"one", b"two")
    ]
    return made[0], made[1]


def by_current(fields: Fields, name: str) -> list[Any]:
    return half(fields, [[0, 0, logs.signature(name, pack(fields))]])


def rotation_of(world: Town, by: Actor, recovery: str) -> Fields:
    """A rotation by the keyset committed to; `recovery` tells one from another."""
    return world.script.key_event(by, "rotate", recovery=some(recovery))


def by_next(fields: Fields, name: str) -> list[Any]:
    return half(fields, [[1, 0, logs.signature(name, pack(fields))]])


def forks() -> Iterator[Scenario]:
    """Evidence in order (SPEC §7.5)."""
    world = town()
    script, human = world.script, world.human
    one, other = pair_of_works(world, human)
    script.tell(world.machine, "evidence", fork(by_current(one, "human"), by_current(other, "human")))  # 14
    work(world, human, "contested, and heard")
    yield ended(
        "evidence",
        "two payloads at one place, brought by a machine: contested, and nothing refused for it",
        script,
        contested=[human.id],
    )

    world = town()
    script, human = world.script, world.human
    one, other = pair_of_works(world, human)
    body = fork(by_current(one, "human"), by_current(other, "human"))
    script.tell(script.operator, "rules", world.rules())
    script.tell(world.other, "evidence", body)
    script.turn(human, "rotate")
    index = said(world, world.machine, "evidence", body)
    yield ended(
        "evidence-until-rotated",
        "under an allow-list, by one who is not endorsed; a rotation ends it, and the same evidence says nothing more",
        script,
        (index, "key-not-in-force"),
        contested=[],
    )

    for name, admitted in (("rotations", False), ("rotation-admitted", True)):
        world = town()
        script, human = world.script, world.human
        one, other = (rotation_of(world, human, text) for text in ("one", "two"))
        if admitted:
            script.add(signed(one, "human/next", keyset_number=1))
            human.events.append(id_of(one))
            human.turn("human/next", id_of(one))
        script.tell(world.other, "evidence", fork(by_next(one, "human/next"), by_next(other, "human/next")))
        script.tell(human, "attest", attestation([world.text]))
        yield ended(
            f"evidence-{name}",
            "two rotations behind one event"
            + (", of which one stands" if admitted else ", of which none stands"),
            script,
            contested=[human.id],
            speaks={human.id: human.key},
        )

    world = town()
    script, human = world.script, world.human
    recovery = script.key_event(human, "recover")
    ending, turning = script.key_event(human, "retire"), script.key_event(human, "rotate")
    recovered = half(recovery, [[2, 0, logs.signature("human/recovery", pack(recovery))]])
    index = said(world, world.other, "evidence", fork(recovered, by_next(turning, "human/next")))
    script.tell(world.other, "evidence", fork(by_next(ending, "human/next"), by_next(turning, "human/next")))
    script.turn(human, "rotate")
    yield ended(
        "evidence-of-two-types",
        "a rotation that races a recovery is no fork, one and a retirement are; it blocks no key event",
        script,
        (index, "evidence-invalid"),
        contested=[],
    )

    world = town()
    script, human = world.script, world.human
    one, other = pair_of_works(world, human)
    body = fork(by_current(one, "human"), by_current(other, "human"))
    script.tell(world.other, "evidence", body)
    again = said(world, world.machine, "evidence", body)
    rotations = [by_next(rotation_of(world, human, text), "human/next") for text in ("one", "two")]
    more = said(world, world.machine, "evidence", fork(*rotations))
    script.turn(human, "retire")
    gone = said(world, world.machine, "evidence", body)
    yield ended(
        "evidence-once",
        "one fork is told once under a key event; whoever is retired stays contested, and is accused no more",
        script,
        (again, "evidence-invalid"),
        (more, "evidence-invalid"),
        (gone, "identity-retired"),
        contested=[human.id],
    )

    world = town()
    script, human = world.script, world.human
    script.turn(human, "recover")
    script.state()
    one, other = (rotation_of(world, human, text) for text in ("one", "two"))
    script.add(signed(one, "human/next", keyset_number=1))
    human.events.append(id_of(one))
    human.turn("human/next", id_of(one))
    script.state(tick=WAIT_MS - 1)
    script.state(tick=WAIT_MS)
    script.tell(world.other, "evidence", fork(by_next(one, "human/next"), by_next(other, "human/next")))
    yield ended(
        "evidence-of-a-veto",
        "two rotations that end a recovery: the one that does not stand is asked as the one that does",
        script,
        contested=[human.id],
    )

    world = town()
    script, human = world.script, world.human
    script.turn(human, "recover")
    script.state()
    one, other = (rotation_of(world, human, text) for text in ("one", "two"))
    script.state(tick=WAIT_MS)
    index = said(
        world, world.other, "evidence", fork(by_next(one, "human/next"), by_next(other, "human/next"))
    )
    yield ended(
        "evidence-too-late-to-veto",
        "two rotations behind a recovery that is in force meanwhile, by the keyset that could have ended it",
        script,
        (index, "evidence-invalid"),
        contested=[],
    )

    world = town()
    script, human = world.script, world.human
    one, other = pair_of_works(world, human)
    script.turn(human, "recover")
    script.tell(world.other, "evidence", fork(by_current(one, "human"), by_current(other, "human")))
    script.state()
    script.tell(world.other, "attest", attestation([world.text]))
    yield ended(
        "evidence-until-recovered",
        "a recovery that comes into force ends it too",
        script,
        tick=WAIT_MS,
        contested=[],
    )

    world = town()
    script, human = world.script, world.human
    script.turn(human, "recover", recovery=commitments("human")["next"])
    pending = human.events[-1]
    script.state()
    veto = script.key_event(human, "rotate")
    script.add(signed(veto, "human/next", keyset_number=1))
    body = {"keyset": keys("human/next"), **commitments("elsewhere")}
    other = payload("recover", log=script.log, by=human.id, kseq=2, prev=pending, body=body)
    recovered = half(other, [[2, 0, logs.signature("human/next", pack(other))]])
    index = said(world, world.other, "evidence", fork(by_next(veto, "human/next"), recovered))
    yield ended(
        "evidence-asked-otherwise",
        "a rotation that ended a recovery stands; what only that recovery would have asked for is no fork of it",
        script,
        (index, "evidence-invalid"),
        contested=[],
    )

    world = town()
    script, other_human = world.script, world.other
    one, other = pair_of_works(world, world.human)
    script.tell(other_human, "evidence", fork(by_current(one, "human"), by_current(other, "human")))  # 14
    script.turn(other_human, "rotate", compromised=[[public_key("other"), 14]])
    yield ended(
        "cut-evidence",
        "evidence speaks for itself: who brought it may disown it, the fork stays",
        script,
        contested=[world.human.id],
        disowned=[(14, other_human.key, False)],
    )
    yield from no_forks()


def no_forks() -> Iterator[Scenario]:
    """Evidence that is none."""

    def refused_fork(
        name: str, what: str, code: str, make: Callable[[Town], tuple[list[Any], list[Any]]]
    ) -> Scenario:
        world = town()
        index = said(world, world.other, "evidence", fork(*make(world)))
        work(world, world.human, "after")
        return ended(f"evidence-{name}", what, world.script, (index, code), contested=[])

    def works(first: str, second: str, **changes: Any) -> Callable[[Town], tuple[list[Any], list[Any]]]:
        def make(world: Town) -> tuple[list[Any], list[Any]]:
            one, other = sorted(pair_of_works(world, world.human, **changes), key=pack)
            return by_current(one, first), by_current(other, second)

        return make

    yield refused_fork(
        "of-nobody", "payloads of nobody", "identity-unknown", works("human", "human", by=some("nobody"))
    )
    yield refused_fork(
        "other-key",
        "under a key event that never was",
        "key-not-in-force",
        works("human", "human", key=some("k")),
    )
    yield refused_fork("first-forged", "the first is another's", "evidence-invalid", works("thief", "human"))
    yield refused_fork(
        "second-forged", "the second is another's", "evidence-invalid", works("human", "thief")
    )

    def surplus(world: Town) -> tuple[list[Any], list[Any]]:
        one, other = pair_of_works(world, world.human)
        more = half(other, [*by_current(other, "human")[1], [1, 0, bytes(64)]])
        return by_current(one, "human"), more

    yield refused_fork("surplus", "a signature that nobody asks for", "evidence-invalid", surplus)

    def wrong_number(world: Town) -> tuple[list[Any], list[Any]]:
        one, other = pair_of_works(world, world.human)
        return by_current(one, "human"), by_next(other, "human")

    yield refused_fork(
        "wrong-keyset", "a signature that names another keyset", "evidence-invalid", wrong_number
    )

    def rotations(
        signers: tuple[str, str], number: int = 1, **changes: Any
    ) -> Callable[[Town], tuple[list[Any], list[Any]]]:
        def make(world: Town) -> tuple[list[Any], list[Any]]:
            made = [changed(rotation_of(world, world.human, text), **changes) for text in ("one", "two")]
            one, other = (
                half(fields, [[number, 0, logs.signature(name, pack(fields))]])
                for fields, name in zip(sorted(made, key=pack), signers, strict=True)
            )
            return one, other

        return make

    own = ("human/next", "human/next")
    yield refused_fork(
        "rotations-of-nobody", "rotations of nobody", "identity-unknown", rotations(own, by=some("nobody"))
    )
    yield refused_fork(
        "rotations-other-prev", "behind another event", "key-event-broken", rotations(own, prev=some("event"))
    )
    yield refused_fork("rotations-gap", "a place is left out", "key-event-broken", rotations(own, kseq=2))
    yield refused_fork(
        "rotations-forged", "one is another's", "evidence-invalid", rotations(("human/next", "thief"))
    )
    yield refused_fork(
        "rotations-by-current",
        "signed by the current keyset",
        "evidence-invalid",
        rotations(("human", "human"), 0),
    )

    def revealing(keyset: Fields, signatures: Callable[[Fields], list[list[Any]]]) -> Any:
        def make(world: Town) -> tuple[list[Any], list[Any]]:
            made = [
                world.script.key_event(world.human, "rotate", keyset=keyset, recovery=some(text))
                for text in ("one", "two")
            ]
            return half(made[0], signatures(made[0])), half(made[1], signatures(made[1]))

        return make

    yield refused_fork(
        "other-commitment",
        "two rotations to a keyset that nobody committed to",
        "evidence-invalid",
        revealing(keys("thief"), lambda fields: [[1, 0, logs.signature("thief", pack(fields))]]),
    )
    yield from late_forks()


def late_forks() -> Iterator[Scenario]:
    """Evidence about events that others followed, and by keysets of two algorithms."""
    world = town()
    script, human = world.script, world.human
    one, other = (rotation_of(world, human, text) for text in ("one", "two"))
    script.add(signed(one, "human/next", keyset_number=1))
    human.events.append(id_of(one))
    human.turn("human/next", id_of(one))
    script.turn(human, "rotate")
    late = said(
        world, world.other, "evidence", fork(by_next(one, "human/next"), by_next(other, "human/next"))
    )
    yield ended(
        "evidence-rotations-late",
        "two rotations, one of which stands, and another behind it",
        script,
        (late, "key-event-broken"),
        contested=[],
    )

    world = town()
    script, human = world.script, world.human
    made = [rotation_of(world, human, text) for text in ("one", "two", "three")]
    script.add(signed(made[0], "human/next", keyset_number=1))
    human.events.append(id_of(made[0]))
    human.turn("human/next", id_of(made[0]))
    index = said(
        world, world.other, "evidence", fork(*(by_next(fields, "human/next") for fields in made[1:]))
    )
    yield ended(
        "evidence-rotations-elsewhere",
        "two rotations at a place where a third one stands",
        script,
        (index, "key-event-broken"),
        contested=[],
    )

    later = keyset_of(
        ("ed25519", public_key("b1")), ("ml-dsa-44", algorithms.PUBLIC_KEY), ed25519=1, ml_dsa_44=1
    )
    home = people(fold=2)
    script = home.script
    enrolment = script.enrolment("second", next=digest(later))
    second = Actor("second", "human", enrolment)
    script.add(signed(enrolment, "second"))
    halves = []
    for text in ("one", "two"):
        fields = script.key_event(second, "rotate", keyset=later, recovery=some(text))
        signatures = signatures_of(fields, ["b1"], "b1", number=1)
        halves.append(half(fields, [*signatures, [1, 1, bytes(2420)]]))
    fields = script.say(home.human, "evidence", fork(*halves))
    index = script.add(signed(script.unsay(home.human, fields), "human"))
    yield ended(
        "evidence-ml-dsa-44",
        "two rotations that reveal a key of an algorithm that is not built",
        script,
        (index, "evidence-invalid"),
        contested=[],
    )
    yield from silent_pairs()


def silent_pairs() -> Iterator[Scenario]:
    """What a pair says that may not speak."""
    home = people({"until": 1_002_000}, fold=2)
    script = home.script
    late = [
        script.add(signed(script.unsay(home.pair, script.say(home.pair, type_, body)), "pair"))
        for type_, body in (
            ("attest", attestation([some("artifact")])),
            ("notice", notice("retract", [some("artifact")])),
        )
    ]
    script.tell(home.human, "undelegate", {"pair": home.pair.id})
    gone = [
        script.add(signed(script.unsay(home.pair, script.say(home.pair, type_, body)), "pair"))
        for type_, body in (
            ("attest", attestation([some("artifact")])),
            ("endorse", endorsement(home.human.id)),
        )
    ]
    yield ended(
        "pair-says",
        "what a pair says behind its `until`, and without a delegation",
        script,
        *((index, "scope-exceeded") for index in late),
        *((index, "not-delegated") for index in gone),
    )

    home = people(fold=2)
    script = home.script
    script.tell(home.human, "undelegate", {"pair": home.pair.id})
    made = []
    for text in (b"one", b"two"):
        fields = script.unsay(home.human, script.artifacts(home.human, [text], lane=b"F" * 16))
        made.append(by_current(fields, "human"))
    fields = script.say(home.pair, "evidence", fork(*made))
    index = script.add(signed(script.unsay(home.pair, fields), "pair"))
    yield ended(
        "evidence-by-silent-pair",
        "a pair without delegation says nothing, evidence neither",
        script,
        (index, "not-delegated"),
    )


def all_voices() -> Iterator[Scenario]:
    for group in (endorsements, listed, attestations, notices, rules, forks):
        yield from group()

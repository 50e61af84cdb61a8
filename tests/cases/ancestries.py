"""Ancestry proofs that hold, each of a shape of its own, and what each says (SPEC §11.2, §12).

Status, level and people are those of the naive log; `standing`, and what a file cannot show, is told by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.cases.ancestry_files import AncestryCase, Asked, File, Log, Reading, prove, reprove
from tests.cases.logs import Actor, Erased, Script, id_of, keys, parent_of, public_key, signed
from tests.cases.receipts import b64
from tests.cases.replay import clocks
from tests.cases.samples import Fields, some
from tests.cases.voices import by_current, fork
from tests.cases.worlds import WAIT_MS
from tests.reference import NaiveLog, mth, pack, tagged

AT_MS = 10**15  # the moment at which all of them are judged
SALT = some("salt")
UNPROVED = ("unproved", "unknown", "L0")
ERASED = ("erased", "retracted", "L0")
WITHHELD = ("erased", "unknown", "L0")
BEHIND_A_GAP = ("stands", "unknown", "L0")

Told = tuple[str, str, str]  # presence, status, level


class Home:
    """Genesis 0, state 1, anna 2, ben 3, a machine 4, anna's pair 5, its delegation 6, a curator 7, a registrar 8, rules that list both 9, state 10."""

    def __init__(self, scope: Fields | None = None) -> None:
        self.script = script = Script(fold=2).begin()
        self.anna, self.ben = script.actor("anna"), script.actor("ben")
        self.machine = script.actor("machine", "machine")
        self.pair = script.actor("pair", "pair", self.anna.id)
        self.delegation = script.delegate(self.anna, self.pair, scope)
        self.curator = script.actor("curator", "curator")
        self.registrar = script.actor("registrar", "registrar")
        self.rules("open")
        script.state()

    def rules(self, mode: str, *curators: Actor) -> None:
        listed = sorted(each.id for each in curators or (self.curator,))
        body = {"mode": mode, "registrars": [self.registrar.id], "curators": listed}
        self.script.tell(self.script.operator, "rules", body)

    def put(self, by: Actor, text: str, kind: str = "work", *parents: Fields, **changes: Any) -> bytes:
        """One record, published by its maker; the record."""
        record = self.script.work(by, text, kind, parents=sorted(parents, key=pack), **changes)
        self.publish(by, record)
        return record

    def publish(self, by: Actor, *records: bytes, **changes: Any) -> int:
        delegation = self.delegation if by.role == "pair" else None
        return self.script.publish(by, *records, delegation=delegation, **changes)

    def rows(self, by: Actor, count: int = 5, **changes: Any) -> tuple[bytes, list[bytes]]:
        """A dataset of rows; its record and its digests."""
        digests = [some(f"row {row}") for row in range(count)]
        stated = {"facts": {"count": count}, "content": mth(digests), "size": 99} | changes
        record = self.script.work(by, "rows", "dataset", form="rows", **stated)
        self.publish(by, record)
        return record, digests

    def notice(self, by: Actor, act: str, record: bytes, *row: int, **more: Any) -> bytes:
        body = {"subjects": [[id_of(record), *row]], "act": act, **more}
        return self.script.tell(by, "notice", body)

    def attest(self, by: Actor, record: bytes, result: str = "confirmed", claim: str = "authorship") -> None:
        body = {"subjects": [[id_of(record)]], "claim": claim, "result": result}
        self.script.tell(by, "attest", body)

    def endorse(self, subject: Actor, **more: Any) -> None:
        body = {"subject": subject.id, "grade": "verified", "method": "document", **more}
        self.script.tell(self.registrar, "endorse", body)

    def later(self, ms: int = WAIT_MS) -> None:
        """The clock goes on, and two states say so."""
        self.script.state()
        self.script.state(tick=ms)

    def contest(self, who: Actor) -> None:
        """Evidence that somebody signed two statements at one place."""
        script = self.script
        halves = [
            by_current(script.unsay(who, script.artifacts(who, [text], lane=b"F" * 16)), who.name)
            for text in (b"one", b"two")
        ]
        script.tell(self.machine, "evidence", fork(*halves))

    def sealed(self, by: Actor, data: bytes, **changes: Any) -> bytes:
        """A sealed record of up to 32 bytes, published."""
        content = tagged("sealed", by.id, SALT, data)
        return self.put(by, "", form="sealed", size=32, media=None, content=content, **changes)

    def profiled(self, data: bytes) -> Actor:
        """Somebody whose enrolment names a sealed profile."""
        profile = tagged("profile", tagged("keyset", pack(keys("nora"))), SALT, data)
        nora = Actor("nora", "human", self.script.enrolment("nora", profile=profile))
        self.script.add(signed(nora.enrolment, "nora"))
        return nora


def naive_of(script: Script) -> NaiveLog:
    """The naive log behind the last entry; of erased records it reads nothing."""
    naive = NaiveLog(script.log)
    for index, (data, clock) in enumerate(
        zip(script.entries, clocks(script.log, script.entries), strict=True)
    ):
        items = script.records.get(index, [])
        naive.step(index, data, [b"" if isinstance(item, Erased) else item for item in items], clock)
    return naive


def told_of(naive: NaiveLog, name: bytes, accepted: set[bytes]) -> Told:
    """Presence, own status and level."""
    if naive.place(name, accepted) is not None:
        presence = "stands"
    else:
        presence = "faulty" if all(place.fault for place in naive.places[name]) else "disowned"
    return presence, naive.standing(name, accepted), f"L{naive.level(name, accepted)}"


def expected_of(
    script: Script,
    asked: Asked,
    standing: str | Mapping[bytes, str],
    by_hand: Mapping[bytes, Told],
    people: tuple[Sequence[Actor], Sequence[Actor]] | None,
) -> dict[str, Any]:
    """What a verifier says of a file."""
    naive = naive_of(script)
    rules = naive.fold.rules
    accepted = {*rules.get("registrars", ()), *rules.get("curators", ())}
    found = {
        name: by_hand.get(name) or told_of(naive, name, accepted) for name in Reading(script, asked).artifacts
    }
    nodes = found | dict(by_hand)

    def subject(name: bytes, rows: list[tuple[int, int]] | None) -> dict[str, Any]:
        if people is None:
            humans, authors = (sorted(each.hex() for each in some_) for some_ in naive.people(name, accepted))
        else:
            humans, authors = (sorted(actor.id.hex() for actor in actors) for actors in people)
        presence, status, level = nodes[name]
        return {
            "id": name.hex(),
            **({"row": None} if rows is None else {"rows": [list(each) for each in rows]}),
            "presence": presence,
            "status": status,
            "standing": standing if isinstance(standing, str) else standing[name],
            "level": level,
            "humans": humans,
            "authors": authors,
        }

    told = [subject(name, None) for name in sorted(asked.subjects)]
    return {
        "valid": True,
        "size": len(script.entries),
        "subjects": told + [subject(name, asked.rows[name][1]) for name in sorted(asked.rows)],
        "nodes": {
            name.hex(): dict(zip(("presence", "status", "level"), nodes[name], strict=True))
            for name in sorted(nodes)
        },
    }


def good(
    name: str,
    what: str,
    home: Home,
    *records: bytes,
    standing: str | Mapping[bytes, str] = "released",
    nodes: Mapping[bytes, Told] | None = None,
    people: tuple[Sequence[Actor], Sequence[Actor]] | None = None,
    change: Callable[[File], None] = lambda file: None,
    closed: bool = False,
    **asked: Any,
) -> AncestryCase:
    """A file about these records. `nodes`: what is told by hand; `closed`: the log ends in a state already."""
    if not closed:
        home.script.state()
    wanted = Asked([record if len(record) == 32 else id_of(record) for record in records], **asked)
    file = File([prove(home.script, wanted)])
    change(file)
    expected = expected_of(home.script, wanted, standing, nodes or {}, people)
    return AncestryCase(f"ancestry/good-{name}", what, home.script.vkey, file.encoded(), expected)


def legal() -> Iterator[AncestryCase]:
    """All of them."""
    for group in (
        ancestors,
        collections,
        secrets,
        notices,
        attestations,
        keys_lost,
        keys_changed,
        rules,
        files,
    ):
        yield from group()


def ancestors() -> Iterator[AncestryCase]:
    home = Home()
    yield good("human", "a human's one record", home, home.put(home.anna, "alone"))

    home = Home()
    works = [home.script.work(home.ben, f"{row} of seven") for row in range(7)]
    home.publish(home.ben, *works)
    yield good("of-seven", "the fifth of seven records of one statement", home, works[4])

    home = Home({"human": 200_000, "kinds": ["work", "derived"]})
    source = home.put(home.ben, "source")
    essay = home.put(home.pair, "essay", "work", parent_of(source), human=100_000)
    cut = home.put(home.anna, "cut", "derived", parent_of(essay, "derived-from"))
    yield good(
        "chain", "a chain by a human, a pair whose scope allows a human share, and another human", home, cut
    )

    home = Home()
    work = home.put(home.pair, "unstated")
    yield good("pair", "a pair without a scope: its anchor answers for it, and is no author", home, work)

    home = Home()
    work = home.put(home.anna, "by a machine", human=0)
    yield good("no-share", "a human who states no share of her own", home, work)

    home = Home()
    yield good(
        "reported", "what somebody only reports", home, home.put(home.anna, "found", stance="reported")
    )

    home = Home()
    data = home.put(home.ben, "training text")
    model = home.put(home.machine, "weights", "model", parent_of(data, "trained-on"))
    answer = home.put(home.machine, "answer", "output", parent_of(model, "generated-by"))
    yield good(
        "output", "an output by a model that was trained on a work", home, answer, standing="conditional"
    )

    home = Home()
    ancestor = home.put(home.ben, "ancestor")
    parents = [home.put(by, "parent", "work", parent_of(ancestor)) for by in (home.anna, home.ben)]
    child = home.put(home.anna, "child", "work", *(parent_of(each) for each in parents))
    yield good("diamond", "two parents that quote the same ancestor", home, child)

    home = Home()
    first, second = home.script.work(home.anna, "first"), None
    second = home.script.work(home.anna, "second", parents=[parent_of(first)])
    home.publish(home.anna, first, home.script.work(home.anna, "between"), second)
    yield good("siblings", "a parent in the same statement", home, second)

    home = Home()
    both = [home.put(home.anna, "one"), home.put(home.ben, "other")]
    yield good("two-subjects", "two subjects that have nothing to do with each other", home, *both)

    home = Home()
    parent = home.put(home.ben, "parent")
    child = home.put(home.anna, "child", "work", parent_of(parent))
    yield good("parent-too", "a subject and its parent, a subject too", home, child, parent)

    home = Home()
    work = home.put(home.anna, "twice")
    home.put(home.ben, "between")
    home.publish(home.anna, work)
    yield good("two-places", "a record that its maker logged twice: it is written once", home, work)

    home = Home()
    work = home.put(home.anna, "borrowed")
    home.publish(home.ben, work)
    yield good("stolen-place", "a record that another logged too, which is a fault of that place", home, work)

    home = Home()
    work = home.script.work(home.anna, "not his")
    home.publish(home.ben, work)
    yield good("faulty", "a record whose only place is at fault", home, work, standing="unknown")

    home = Home()
    work = home.put(home.machine, "a machine's work")
    child = home.put(home.anna, "child", "work", parent_of(work, "evidence"))
    yield good(
        "faulty-parent", "a child of a record at fault, by a relation that hands on nothing", home, child
    )

    home = Home()
    foreign = {"rel": "derived-from", "id": some("elsewhere"), "log": some("another log")}
    cut = home.put(home.anna, "cut", "derived", foreign)
    yield good("foreign", "a parent in another log", home, cut, standing="unknown")

    home = Home()
    gone = home.put(home.ben, "left out")
    cut = home.put(home.anna, "cut", "derived", parent_of(gone, "derived-from"))
    nodes = {id_of(gone): UNPROVED, id_of(cut): BEHIND_A_GAP}
    yield good(
        "unproved",
        "a file without the parent: nothing is told of it, and it is unknown whether the child breaks a rule",
        home,
        cut,
        standing="unknown",
        nodes=nodes,
        people=((home.anna,), ()),
        without=[id_of(gone)],
    )

    home = Home()
    for word in ("one", "two", "three"):
        home.put(home.anna, word)
    yield good(
        "lane",
        "the fourth statement of a lane, whose first three are not in it",
        home,
        home.put(home.anna, "four"),
    )


def collections() -> Iterator[AncestryCase]:
    home = Home()
    record, digests = home.rows(home.anna)
    yield good("rows", "a range of rows of a dataset", home, rows={id_of(record): (digests, [(1, 2)])})

    home = Home()
    record, digests = home.rows(home.anna, 9, stance="reported")
    yield good(
        "two-ranges",
        "two ranges, with one row between them",
        home,
        rows={id_of(record): (digests, [(0, 3), (4, 5)])},
    )

    home = Home()
    record, digests = home.rows(home.anna, 1)
    yield good(
        "one-row",
        "a dataset of one row, which is a subject, and so is the dataset",
        home,
        record,
        rows={id_of(record): (digests, [(0, 1)])},
    )

    home = Home()
    record, digests = home.rows(home.anna)
    home.script.state()
    home.notice(home.curator, "dispute", record, 3)
    yield good(
        "row-disputed",
        "one row of the dataset is disputed, and it is among those proved",
        home,
        standing="conditional",
        rows={id_of(record): (digests, [(2, 3)])},
    )

    home = Home()
    one, digests = home.rows(home.anna)
    two, others = home.rows(home.ben, 3)
    child = home.put(home.ben, "cut", "derived", parent_of(one, "derived-from", row=4))
    rows = {id_of(one): (digests, [(0, 5)]), id_of(two): (others, [(2, 1)])}
    yield good("two-sets", "two sets of rows, and a subject that descends from a row", home, child, rows=rows)


def disclosing(*items: tuple[int, bytes, bytes, bytes]) -> Callable[[File], None]:
    return lambda file: file.disclosed.extend(items)


def secrets() -> Iterator[AncestryCase]:
    home = Home()
    yield good(
        "sealed", "a sealed record, of which nothing is disclosed", home, home.sealed(home.anna, b"secret")
    )

    home = Home()
    record = home.sealed(home.anna, b"secret")
    yield good(
        "disclosed",
        "a sealed record and its content",
        home,
        record,
        change=disclosing((1, id_of(record), SALT, b"secret")),
    )

    home = Home()
    nora = home.profiled(b"Nora, Example Street")
    record = home.put(nora, "hers")
    change = disclosing((2, nora.id, SALT, b"Nora, Example Street"))
    yield good("profile", "the sealed profile of a maker", home, record, change=change)

    home = Home()
    nora = home.profiled(b"Nora")
    record = home.sealed(nora, b"secret")
    change = disclosing((1, id_of(record), SALT, b"secret"), (2, nora.id, SALT, b"Nora"))
    yield good("both-disclosed", "a content and a profile", home, record, change=change)


def erase(home: Home, record: bytes, **more: Any) -> None:
    """The record is gone from the log's store, wherever it stood."""
    home.notice(home.ben, "erase", record, **more)


def forget(home: Home, record: bytes) -> None:
    for index, items in home.script.records.items():
        home.script.records[index] = [Erased(id_of(record)) if item == record else item for item in items]


def notices() -> Iterator[AncestryCase]:
    for act, status, standing, passed in (
        ("hold", "quarantined", "quarantined", "quarantined"),
        ("dispute", "conditional", "conditional", "conditional"),
        ("retract", "retracted", "retracted", "retracted"),
    ):
        home = Home()
        parent = home.put(home.ben, "parent")
        child = home.put(home.anna, "child", "derived", parent_of(parent, "derived-from"))
        home.script.state()
        home.notice(home.curator, act, parent)
        standings = {id_of(parent): standing, id_of(child): passed}
        case = good(
            f"{act}-by-curator", f"{act} of the parent by a curator", home, parent, child, standing=standings
        )
        if case.expected["nodes"][id_of(parent).hex()]["status"] != status:
            raise ValueError(f"{act} comes to another status")
        yield case

    home = Home()
    parent = home.put(home.ben, "parent")
    child = home.put(home.anna, "child", "derived", parent_of(parent, "derived-from"))
    home.notice(home.ben, "retract", parent)
    standings = {id_of(parent): "retracted", id_of(child): "conditional"}
    yield good(
        "retracted",
        "its maker retracts the parent: the child is conditional",
        home,
        parent,
        child,
        standing=standings,
    )

    home = Home()
    work = home.put(home.anna, "work")
    held_by = home.notice(home.curator, "hold", work)
    home.script.state()
    home.notice(home.curator, "release", work, cancels=held_by)
    yield good("hold-released", "a hold that was released", home, work)

    home = Home()
    work = home.put(home.anna, "work")
    home.notice(home.curator, "hold", work)
    other = home.script.actor("other curator", "curator")
    home.rules("open", other)
    yield good("delisted", "a hold by a curator who is not listed any more", home, work)

    home = Home()
    work = home.put(home.anna, "work")
    home.notice(home.curator, "hold", work)
    home.put(home.ben, "beside")
    lost(home, 12, home.curator)
    yield good("hold-disowned", "a hold that was disowned: how late, nobody asks", home, work)

    home = Home()
    parent = home.put(home.ben, "erased")
    child = home.put(home.anna, "child", "derived", parent_of(parent, "derived-from"))
    erase(home, parent)
    home.later()
    forget(home, parent)
    yield good(
        "erased",
        "a parent that was erased a week after the notice: the child is without fault, what it stems from unknown",
        home,
        child,
        standing="unknown",
        nodes={id_of(parent): ERASED, id_of(child): ("stands", "released", "L2")},
        people=((home.anna,), ()),
        clocks=True,
        closed=True,
    )

    home = Home()
    parent = home.put(home.ben, "erased")
    erase(home, parent)
    home.later()
    forget(home, parent)
    yield good(
        "erased-subject",
        "an erased record as the subject",
        home,
        id_of(parent),
        standing="unknown",
        nodes={id_of(parent): ERASED},
        people=((), ()),
        clocks=True,
        closed=True,
    )

    home = Home()
    parent = home.put(home.ben, "withheld")
    child = home.put(home.anna, "child", "derived", parent_of(parent, "derived-from"))
    forget(home, parent)
    yield good(
        "withheld",
        "a parent whose record is said to be erased, without a notice",
        home,
        child,
        standing="unknown",
        nodes={id_of(parent): WITHHELD, id_of(child): BEHIND_A_GAP},
        people=((home.anna,), ()),
        clocks=True,
    )

    home = Home()
    parent = home.put(home.ben, "erased too early")
    child = home.put(home.anna, "child", "derived", parent_of(parent, "derived-from"))
    erase(home, parent)
    home.later(WAIT_MS - 1)
    forget(home, parent)
    yield good(
        "erased-early",
        "a parent whose record is gone a millisecond before it may be",
        home,
        child,
        standing="unknown",
        nodes={id_of(parent): ERASED, id_of(child): BEHIND_A_GAP},
        people=((home.anna,), ()),
        clocks=True,
        closed=True,
    )

    home = Home()
    work = home.put(home.anna, "work")
    first = len(home.script.entries) - 1
    home.notice(home.curator, "hold", work)
    home.publish(home.anna, work)
    yield good(
        "held-before",
        "held before its second place, and its first left out: the hold counts all the same",
        home,
        work,
        standing="quarantined",
        without_entries=[first],
    )


def attestations() -> Iterator[AncestryCase]:
    home = Home()
    work = home.put(home.anna, "work")
    home.attest(home.registrar, work)
    yield good("attested", "a work whose authorship a listed registrar confirms", home, work)

    home = Home()
    work = home.put(home.anna, "work")
    home.attest(home.curator, work, "refuted", "content")
    yield good("refuted", "a work that a listed curator refutes", home, work, standing="conditional")

    home = Home()
    work = home.put(home.anna, "work")
    home.attest(home.ben, work, "refuted", "content")
    yield good("refuted-by-anybody", "a refutation by somebody who is not listed", home, work)

    home = Home()
    work = home.put(home.anna, "work")
    home.endorse(home.ben)
    home.attest(home.ben, work, "refuted", "content")
    yield good(
        "refuted-by-endorsed",
        "a refutation by somebody whom a listed registrar endorses",
        home,
        work,
        standing="conditional",
    )

    home = Home()
    work = home.put(home.anna, "work")
    home.script.tell(home.script.operator, "rules", {"mode": "open", "curators": [home.curator.id]})
    home.attest(home.ben, work, "refuted", "content")
    yield good(
        "attestor-left-out",
        "where no registrar is listed any more, a refutation by somebody of whom the file shows nothing",
        home,
        work,
        change=leaving_out(home, home.ben.id, 3),
    )

    home = Home()
    work = home.put(home.anna, "work")
    home.attest(home.curator, work, "refuted")
    home.attest(home.curator, work)
    yield good("taken-back", "a refutation that its issuer took back", home, work)


def leaving_out(home: Home, who: bytes, birth: int) -> Callable[[File], None]:
    """Somebody is not shown: none of his topics is listed, and his enrolment is not in the file."""

    def change(file: File) -> None:
        log = file.logs[0]
        log.topics = [each for each in log.topics if each[1] != who]
        log.entries = [each for each in log.entries if each[0] != birth]
        reprove(home.script, log)

    return change


def lost(home: Home, at: int, who: Actor | None = None) -> int:
    """Somebody rotates, and disowns what the daily key signed from an entry on."""
    who = who or home.anna
    return home.script.turn(who, "rotate", compromised=[[public_key(who.name), at]])


def keys_lost() -> Iterator[AncestryCase]:
    home = Home()
    work = home.put(home.anna, "forged")
    child = home.put(home.ben, "child", "derived", parent_of(work, "derived-from"))
    home.script.state()
    lost(home, 11)
    standings = {id_of(work): "unknown", id_of(child): "unknown"}
    yield good(
        "disowned",
        "a work signed with a key that was lost, and a child of it",
        home,
        work,
        child,
        standing=standings,
        clocks=True,
    )

    home = Home()
    work = home.put(home.anna, "early")
    lost(home, 12)
    yield good("cut-behind", "the key was lost behind it", home, work, clocks=True)

    home = Home()
    work = home.put(home.pair, "by the pair")
    lost(home, 6)
    yield good("suspect", "a pair whose delegation is disowned", home, work, standing="unknown", clocks=True)

    home = Home()
    work = home.put(home.anna, "mine")
    lost(home, 11)
    home.attest(home.registrar, work)
    yield good(
        "rescued", "a disowned work whose authorship a listed registrar confirms", home, work, clocks=True
    )

    home = Home()
    work = home.put(home.anna, "mine")
    lost(home, 11)
    home.endorse(home.ben)
    home.attest(home.ben, work)
    yield good(
        "rescued-by-endorsed",
        "whom a listed registrar endorses rescues nothing",
        home,
        work,
        standing="unknown",
        clocks=True,
    )

    home = Home()
    work = home.put(home.anna, "mine")
    lost(home, 11)
    home.publish(home.anna, work)
    yield good("signed-again", "a disowned work that its owner signed again", home, work, clocks=True)

    home = Home()
    work = home.put(home.anna, "contested")
    home.contest(home.anna)
    yield good(
        "contested",
        "its maker signed two statements at one place",
        home,
        work,
        standing="quarantined",
        clocks=True,
    )

    home = Home()
    work = home.put(home.anna, "before")
    home.contest(home.anna)
    home.script.turn(home.anna, "rotate")
    yield good("healed", "contested, until another key event was in force", home, work, clocks=True)


def keys_changed() -> Iterator[AncestryCase]:
    home = Home()
    home.script.turn(home.anna, "rotate")
    home.script.turn(home.anna, "rotate")
    yield good("rotated", "signed under the second rotation", home, home.put(home.anna, "late"))

    home = Home()
    work = home.put(home.anna, "before")
    home.script.turn(home.anna, "retire")
    yield good("retired", "by somebody who retired since", home, work)

    home = Home()
    work = home.put(home.anna, "before")
    home.script.turn(home.anna, "recover", compromised=[[public_key("anna"), 11]])
    yield good("recover-pending", "a recovery is pending that would disown it", home, work, clocks=True)

    home = Home()
    work = home.put(home.anna, "before")
    home.script.turn(home.anna, "recover", compromised=[[public_key("anna"), 11]])
    home.later()
    yield good(
        "recovered",
        "a recovery in force disowns it",
        home,
        work,
        standing="unknown",
        clocks=True,
        closed=True,
    )

    home = Home()
    home.script.turn(home.anna, "recover")
    home.later()
    home.anna.turn("anna/recovery", home.anna.events[-1])
    yield good(
        "by-recovery", "signed under a recovery in force", home, home.put(home.anna, "late"), clocks=True
    )

    home = Home()
    work = home.put(home.anna, "before")
    home.script.turn(home.anna, "recover", compromised=[[public_key("anna"), 11]])
    home.script.turn(home.anna, "rotate")
    home.later()
    yield good("vetoed", "a recovery that a rotation ended", home, work, clocks=True, closed=True)

    home = Home()
    home.script.tell(home.anna, "undelegate", {"pair": home.pair.id})
    work = home.put(home.pair, "too late")
    yield good("undelegated", "by a pair whose delegation ended", home, work, standing="unknown")

    home = Home()
    home.delegation = home.script.delegate(home.anna, home.pair, {"human": 1})
    yield good("renewed", "by a pair under the second of two delegations", home, home.put(home.pair, "later"))

    home = Home({"until": 1_004_000})
    work = home.put(home.pair, "in time")
    yield good("scope-until", "by a pair whose delegation ends later", home, work, clocks=True)

    home = Home()
    both = home.script.enrolment("one", keyset=keys("one", "two", threshold=2))
    twin = Actor("one", "human", both)
    home.script.add(signed(both, "one", "two"))
    work = home.script.work(twin, "by two keys")
    home.script.add(signed(home.script.artifacts(twin, [work]), "one", "two"), [work])
    yield good("two-keys", "by a keyset of two keys, both of which must sign", home, work)


def rules() -> Iterator[AncestryCase]:
    home = Home()
    home.endorse(home.anna)
    home.rules("allow-list")
    yield good("endorsed", "under an allow-list, by who is endorsed", home, home.put(home.anna, "let in"))

    home = Home()
    home.endorse(home.anna, until=1_010_000)
    home.rules("allow-list")
    work = home.put(home.anna, "let in")
    home.later()
    yield good(
        "endorsed-until",
        "under an allow-list, by an endorsement that ended since",
        home,
        work,
        clocks=True,
        closed=True,
    )

    home = Home()
    home.endorse(home.anna, until=1_002_500)
    home.rules("allow-list")
    work = home.put(home.anna, "shut out")
    yield good(
        "endorsement-ended",
        "by an endorsement that had ended: not endorsed",
        home,
        work,
        standing="unknown",
        clocks=True,
    )

    home = Home()
    home.rules("allow-list")
    work = home.put(home.anna, "shut out")
    yield good("not-endorsed", "under an allow-list, by nobody's endorsement", home, work, standing="unknown")

    home = Home()
    home.endorse(home.anna)
    home.rules("allow-list")
    yield good("pair-endorsed", "a pair whose anchor is endorsed", home, home.put(home.pair, "let in"))


def another_log() -> Log:
    """A file's part of a log of which nobody has the vkey; its id is greater than ours or less, as it happens."""
    home = Home()
    record, digests = home.rows(home.anna)
    home.script.state()
    log = prove(home.script, Asked([id_of(record)], {id_of(record): (digests, [(0, 2)])}))
    log.id = some("another log")
    return log


def files() -> Iterator[AncestryCase]:
    home = Home()
    home.put(home.ben, "earlier")
    home.script.state()
    work = home.put(home.anna, "work")
    yield good("point", "a point without a note", home, work, points={2: False})

    home = Home()
    home.put(home.ben, "earlier")
    home.script.state()
    work = home.put(home.anna, "work")
    yield good(
        "points",
        "points with and without notes, of all sizes but the last",
        home,
        work,
        points={2: True, 7: False, 11: True, 13: False},
    )

    home = Home()
    work = home.put(home.anna, "work")
    home.script.state()
    for word in ("one", "two", "three"):
        home.put(home.ben, word)
        home.script.state()
    yield good("grown", "a log that has grown since, of which the file holds little", home, work, closed=True)

    home = Home()
    work = home.put(home.anna, "work")
    home.script.add(b"\xc1 no entry at all")
    yield good(
        "no-entry", "an entry that cannot be read stands among those that it holds", home, work, clocks=True
    )

    for fold in (1, 2):
        home = Home.__new__(Home)
        home.script = Script(fold=1).begin()
        home.anna = home.script.actor("anna")
        home.script.fold = fold
        work = home.put(home.anna, "work")
        what = "a log of fold 1" if fold == 1 else "a log that moved on to fold 2 with its second commit"
        yield good(f"fold-{fold}", what, home, work)

    def cosign(file: File) -> None:
        file.logs[0].note += f"— witness.example/w {b64(some('key id')[:4] + bytes(72))}\n".encode()

    home = Home()
    yield good(
        "cosigned",
        "a line of a witness whom nobody here knows",
        home,
        home.put(home.anna, "work"),
        change=cosign,
    )

    home = Home()
    works = [home.script.work(home.anna, f"{row}") for row in range(5)]
    home.publish(home.anna, *works)
    yield good("whole-statement", "all records of a statement: no hash leads to them", home, *works)


def unknown() -> Iterator[AncestryCase]:
    """Files that are in order, and of whose logs one is unknown, or the only one."""
    home = Home()
    work = home.put(home.anna, "work")
    home.script.state()
    log = prove(home.script, Asked([id_of(work)]))
    two = File(sorted([log, another_log()], key=lambda each: each.id)).encoded()
    refused = {"valid": False, "code": "log-not-trusted"}
    yield AncestryCase(
        "ancestry/bad-log-unknown-beside",
        "a second log, of which nothing is known",
        home.script.vkey,
        two,
        refused,
    )
    one = File([another_log()]).encoded()
    yield AncestryCase(
        "ancestry/bad-log-unknown", "a log of another vkey alone", home.script.vkey, one, refused
    )

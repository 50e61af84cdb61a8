"""What rows of a dataset are, how they came to be so, and what a gate must say of them. For tests only.

Each truth makes one row, or copies of it, and states verdict, code and level under three sets of terms:

    own      `balanced`, without a trust file: this ledger alone is trusted
    named    `balanced`, under a trust file of its own
    strict   `strict`, under the same trust file and a quorum of two made-up witnesses, more than a week later
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.log.view import open_view
from ledger.statements.record import Parent, Record
from tests.test_gate.town import DAY_MS, MODEL_FACTS, TOOL_FACTS, WITNESSES, Row, Town
from tests.world import Actor

TERMS: Final = ("own", "named", "strict")
SAME: Final = ""
NEVER_LOGGED: Final = "rejected unlogged L0"
LOW: Final = "rejected level-too-low L2"
OUT: Final = "rejected maker-not-accepted"
LITTLE: Final = "rejected human-share-too-small"
NO_KIND: Final = "rejected kind-not-admitted"
IN: Final = "admitted clear"
WAITS: Final = "quarantined not-vouched L1"
EVIDENT: Final = {"confidence": 800_000, "stake": "high", "evidence": [bytes(32)]}


@dataclass(frozen=True)
class Truth:
    """How a row came to be, what makes it so, and what it comes to; `is_late`: only the last week's log checkpoint holds it."""

    how: str
    make: Callable[[Makers], Row | str]
    own: str
    named: str = SAME
    strict: str = LOW
    copies: int = 1
    is_late: bool = False

    def expected(self, terms: str) -> str:
        stated = {"own": self.own, "named": self.named or self.own, "strict": self.strict or self.own}
        return stated[terms]


@dataclass(repr=False)  # texts are in no message
class Makers:
    """People, and what they do to texts. `about`: by the name of a truth, the artifact by which it has to be told."""

    town: Town
    texts: Iterator[str]
    corpus: Record = field(init=False)
    held_corpus: Record = field(init=False)
    about: dict[str, bytes] = field(default_factory=dict)
    to_erase: list[Record] = field(default_factory=list)
    cut: int = 0
    _rows: dict[str, tuple[int, str]] = field(default_factory=dict)
    _waiting: list[Callable[[], Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.town.world
        for name in ("anna", "ben", "cara", "dora", "erin", "finn", "importer"):
            setattr(self, name, world.enrol(name))
        self.tool, self.machine = world.enrol("tool", "machine"), world.enrol("machine", "machine")
        self.pair = world.pair(self.anna, "pair", {"human": 1_000_000})
        self.curator, self.listed = world.enrol("curator", "curator"), world.enrol("listed", "curator")
        self.registrar = world.enrol("registrar", "registrar")
        world.rules(world.operator(), curators=[self.curator, self.listed], registrars=[self.registrar])
        world.endorse(self.registrar, self.dora, "verified")
        self.model = self.town.sign(self.anna, "weights", "model", facts=MODEL_FACTS)
        names = ("plain", "held", "vouched", "disputed", "twice", "both", "parent held", "parent vouched",
                 "parent plain", "rival", "signed too", "retracted")  # fmt: skip
        texts = {name: next(self.texts) for name in names}
        order = [*names, "twice", "both"]
        self._rows = {name: (order.index(name), texts[name]) for name in names}
        self.corpus = self.town.rows(self.importer, [texts[name] for name in order])
        for name, row in (("vouched", 2), ("twice", 4), ("both", 5), ("both", 13), ("parent vouched", 7)):
            assert order[row] == name
            world.attest(self.curator, [self.corpus.id, row], claim="origin")
        world.notice(self.curator, "hold", [self.corpus.id, 1])
        world.notice(self.curator, "hold", [self.corpus.id, 6])
        world.notice(self.curator, "dispute", [self.corpus.id, 3])
        world.notice(self.curator, "retract", [self.corpus.id, 11])
        self.bad = next(self.texts)
        self.held_corpus = self.town.rows(self.importer, [self.bad, next(self.texts)])
        world.notice(self.curator, "hold", [self.held_corpus.id])

    anna: Actor = field(init=False)
    ben: Actor = field(init=False)
    cara: Actor = field(init=False)
    dora: Actor = field(init=False)
    erin: Actor = field(init=False)
    finn: Actor = field(init=False)
    importer: Actor = field(init=False)

    @property
    def named(self) -> bytes:
        """A trust file that knows some of the people."""
        makers = [self.anna, self.ben, self.erin, self.finn, self.importer]
        listed = ", ".join(repr(actor.id.hex()) for actor in makers)
        return (
            f"makers = [{listed}]\ncurators = ['{self.curator.id.hex()}']\ntools = ['{self.tool.id.hex()}']\n"
            f"[registrars]\n{self.registrar.id.hex()} = ['verified']\n"
        ).encode()

    @property
    def witnessed(self) -> bytes:
        """The same, with a quorum."""
        first, second = (each.vkey for each in WITNESSES)
        text = (
            f"log {self.town.world.vkey}\nwitness a {first}\nwitness b {second}\ngroup g all a b\nquorum g\n"
        )
        return f'tlog_policy = """\n{text}"""\n'.encode() + self.named

    # How texts come to be signed

    def text(self) -> str:
        return next(self.texts)

    def signed(self, actor: Actor, **fields: Any) -> str:
        text = self.text()
        self.town.work(actor, text, **fields)
        return text

    def said(self, act: str, by: Actor | None, **body: Any) -> str:
        """A work of Anna's of which somebody says something."""
        text = self.text()
        record = self.town.work(self.anna, text)
        self.town.world.notice(by or self.curator, act, [record.id], **body)
        return text

    def attested(self, by: Actor, result: str = "confirmed", claim: str = "content", **fields: Any) -> str:
        text = self.text()
        record = self.town.work(self.anna, text, **fields)
        self.town.world.attest(by, [record.id], claim=claim, result=result)
        return text

    def reported(self, by: Actor, *attestors: Actor) -> str:
        text = self.text()
        record = self.town.sign(by, text, stance="reported")
        for attestor in attestors:
            self.town.world.attest(attestor, [record.id], claim="origin")
        return text

    def released(self) -> str:
        text = self.text()
        record = self.town.work(self.anna, text)
        held = self.town.world.notice(self.curator, "hold", [record.id])
        self.town.world.notice(self.curator, "release", [record.id], cancels=held.statement_id)
        return text

    def row(self, name: str) -> str:
        return self._rows[name][1]

    def row_parent(self, name: str, ppm: int = 400_000) -> str:
        text = self.text()
        parent = Parent("derived-from", self.corpus.id, ppm, None, self._rows[name][0])
        self.town.work(self.anna, text, parent, human=1_000_000 - ppm)
        return text

    def child(self, rel: str, parent: Record, ppm: int | None = 400_000, human: int = 600_000) -> str:
        text = self.text()
        self.town.work(self.anna, text, Parent(rel, parent.id, ppm), human=human)
        return text

    def under(self, act: str, by: Actor | None = None, rel: str = "derived-from") -> str:
        """A child of a work of Ben's of which something is said."""
        parent = self.town.work(self.ben, self.text())
        text = self.child(rel, parent, None if rel in ("evidence", "corrects") else 400_000)
        self.town.world.notice(by or self.curator, act, [parent.id])
        return text

    def derived(self, by: Actor, *, attested: bool = False) -> str:
        parent = self.town.work(self.anna, self.text())
        if attested:
            self.town.world.attest(self.ben, [parent.id], claim="content")
        text = self.text()
        self.town.sign(by, text, "derived", Parent("derived-from", parent.id), facts=TOOL_FACTS)
        return text

    def output(self, by: Actor) -> Record:
        fields: dict[str, Any] = {} if by.role == "human" else {"machine": 1_000_000}
        return self.town.sign(by, self.text(), "output", Parent("generated-by", self.model.id), **fields)

    def output_row(self, by: Actor) -> str:
        text = self.text()
        self.town.sign(by, text, "output", Parent("generated-by", self.model.id))
        return text

    def sealed(self, *, bring: bytes | None, held: bool = False) -> Row:
        row = Row(self.said("hold", None) if held else self.text())
        self.town.seal(self.anna, row, b"s" * 32)
        return Row(row.text, bring)

    def foreign(self) -> str:
        text = self.text()
        parent = Parent("derived-from", bytes([5]) * 32, 100_000, b"another log" + bytes(21))
        self.town.work(self.anna, text, parent, human=900_000)
        return text

    def abstract(self) -> str:
        text, parent = self.text(), self.town.work(self.anna, self.text())
        self.town.sign(self.anna, text, "abstract", Parent("distilled-from", parent.id))
        return text

    def superseded(self, how: str, *, hold: bool = False) -> str:
        text = self.text()
        older = self.town.work(self.anna, text)
        newer = self.town.work(self.anna, text, Parent("supersedes", older.id), human=900_000)
        if hold:
            self.town.world.notice(self.curator, "hold", [older.id])
        self.about[how] = older.id if hold else newer.id
        return text

    def rivals(self, how: str, kind: str = "work") -> str:
        text = self.text()
        self.about[how] = self.town.work(self.anna, text).id
        if kind == "work":
            self.town.work(self.cara, text, human=999_999)
        else:
            self.town.sign(self.cara, text, kind, Parent("generated-by", self.model.id))
        return text

    def unstated(self, actor: Actor) -> str:
        text = self.text()
        self.town.sign(actor, text)
        return text

    def other_form(self) -> str:
        text = self.text()
        self.town.sign(self.anna, text, form="jcs", media="application/json", human=1_000_000)
        return text

    def also(self, actor: Actor, name: str) -> str:
        """A row of the import that somebody signs besides."""
        self.town.work(actor, self.row(name))
        return self.row(name)

    def own_rows(self) -> str:
        text = self.text()
        self.town.rows(self.anna, [text, self.text()], stance="made")
        return text

    def nine_tenths(self, rel: str) -> str:
        return self.child(rel, self.output(self.pair), 900_000, human=100_000)

    def experience(self, *attestors: Actor) -> str:
        text = self.text()
        record = self.town.sign(self.anna, text, "experience", human=1_000_000, facts=EVIDENT)
        for attestor in attestors:
            self.town.world.attest(attestor, [record.id], claim="evidence")
        return text

    def edited(self) -> str:
        text = self.signed(self.anna)
        return text[:-1] + chr(ord(text[-1]) ^ 1)

    # Erin lost her key, and Finn signed two things at one place

    def disowned(self, *sayings: str) -> str:
        """A work of Erin's behind her cut, and what becomes of it."""
        world, text = self.town.world, self.text()
        if not self.cut:
            self.cut = checkpoint_of(self.town).size
        record = self.town.work(self.erin, text)
        says: dict[str, Callable[[], Any]] = {
            "rescued": lambda: world.attest(self.curator, [record.id], claim="authorship"),
            "held": lambda: world.notice(self.curator, "hold", [record.id]),
            "again": lambda: self.town.work(self.erin, text),
            "another's too": lambda: self.town.work(self.anna, text),
        }
        self._waiting += [says[saying] for saying in sayings]
        return text

    def settle(self) -> None:
        """Erin's rotation with the cut, the evidence against Finn, and what is said after that."""
        self.town.world.change(self.erin, cuts=[(self.erin.public_key, self.cut)])
        self.town.contest(self.finn, self.ben)
        for say in self._waiting:
            say()

    def erased(self, *, child: bool) -> str:
        """A text whose record is erased, or the child of one."""
        text = self.text()
        if child:
            parent = self.town.work(self.anna, self.text())
            self.town.work(self.anna, text, Parent("derived-from", parent.id, 300_000), human=700_000)
        else:
            parent = self.town.work(self.anna, text)
        self.town.world.notice(self.anna, "erase", [parent.id])
        self.to_erase.append(parent)
        return text


def checkpoint_of(town: Town) -> Any:
    with open_view(town.world.store, town.world.vkey) as view:
        return view.checkpoint


TRUTHS: Final = (
    # signed
    Truth("signed by a human", lambda m: m.signed(m.anna), f"{IN} L2", copies=3),
    Truth("signed, its share unstated", lambda m: m.unstated(m.anna), f"{IN} L2"),
    Truth("signed by a stranger", lambda m: m.signed(m.cara), f"{IN} L2", f"{OUT} L2", f"{OUT} L2"),
    Truth("signed by one endorsed", lambda m: m.signed(m.dora), f"{IN} L2"),
    Truth("signed by a pair", lambda m: m.signed(m.pair, human=600_000, machine=400_000), f"{IN} L2"),
    Truth("by a pair, share unstated", lambda m: m.unstated(m.pair), "rejected shares-unstated L2"),
    Truth("by a pair, little human", lambda m: m.signed(m.pair, human=499_999), f"{LITTLE} L2"),
    Truth("edited by a byte", lambda m: m.edited(), NEVER_LOGGED, strict=SAME),
    Truth("never signed", lambda m: m.text(), NEVER_LOGGED, strict=SAME, copies=2),
    Truth("signed as another form", lambda m: m.other_form(), NEVER_LOGGED, strict=SAME),
    Truth("no row at all", lambda _: "", "rejected row-refused L0", strict=SAME, copies=2),
    # sealed
    Truth("sealed, with its salt", lambda m: m.sealed(bring=b"s" * 32), f"{IN} L2"),
    Truth(
        "sealed, and held as it is open",
        lambda m: m.sealed(bring=b"s" * 32, held=True),
        "quarantined held L2",
    ),
    Truth("sealed, with another salt", lambda m: m.sealed(bring=b"t" * 32), NEVER_LOGGED, strict=SAME),
    Truth("sealed, without a salt", lambda m: m.sealed(bring=None), NEVER_LOGGED, strict=SAME),
    # attested
    Truth("attested", lambda m: m.attested(m.ben), f"{IN} L2", strict=f"{IN} L3"),
    Truth(
        "attested lately",
        lambda m: m.attested(m.ben),
        f"{IN} L2",
        strict="quarantined too-young L3",
        is_late=True,
    ),
    Truth("attested by its pair", lambda m: m.attested(m.pair), f"{IN} L2"),
    Truth("attested by a stranger", lambda m: m.attested(m.cara), f"{IN} L2"),
    Truth(
        "refuted by a curator",
        lambda m: m.attested(m.curator, "refuted"),
        "quarantined refuted L2",
        strict="rejected refuted L2",
    ),
    Truth(
        "refuted by a maker",
        lambda m: m.attested(m.ben, "refuted"),
        f"{IN} L2",
        "quarantined refuted L2",
        "rejected refuted L2",
    ),
    Truth("refuted by a stranger", lambda m: m.attested(m.cara, "refuted"), f"{IN} L2"),
    # reported
    Truth("reported", lambda m: m.reported(m.anna), WAITS, strict=f"{NO_KIND} L1"),
    Truth("reported by a stranger", lambda m: m.reported(m.cara), WAITS, f"{OUT} L1", f"{OUT} L1"),
    Truth(
        "reported, vouched for", lambda m: m.reported(m.anna, m.curator), f"{IN} L1", strict=f"{NO_KIND} L1"
    ),
    Truth(
        "reported, vouched by a maker",
        lambda m: m.reported(m.anna, m.ben),
        WAITS,
        f"{IN} L1",
        f"{NO_KIND} L1",
    ),
    Truth(
        "reported, vouched by its own", lambda m: m.reported(m.anna, m.pair), WAITS, strict=f"{NO_KIND} L1"
    ),
    Truth(
        "reported, vouched by one endorsed",
        lambda m: m.reported(m.anna, m.dora),
        f"{IN} L1",
        strict=f"{NO_KIND} L1",
    ),
    # of an import
    Truth("imported", lambda m: m.row("plain"), WAITS, strict=f"{NO_KIND} L1", copies=2),
    Truth("imported, the row held", lambda m: m.row("held"), "quarantined held L1", strict=f"{NO_KIND} L1"),
    Truth("imported, the row vouched for", lambda m: m.row("vouched"), f"{IN} L1", strict=f"{NO_KIND} L1"),
    Truth(
        "imported, the row disputed",
        lambda m: m.row("disputed"),
        "quarantined disputed L1",
        strict="rejected disputed L1",
    ),
    Truth(
        "imported, the row retracted",
        lambda m: m.row("retracted"),
        "rejected retracted-by-curator L1",
        strict=SAME,
    ),
    Truth("imported twice, one vouched for", lambda m: m.row("twice"), WAITS, strict=f"{NO_KIND} L1"),
    Truth("imported twice, both vouched for", lambda m: m.row("both"), f"{IN} L1", strict=f"{NO_KIND} L1"),
    Truth("imported, all of it held", lambda m: m.bad, "quarantined held L1", strict=f"{NO_KIND} L1"),
    Truth("imported, and a maker's", lambda m: m.also(m.anna, "signed too"), WAITS, strict=f"{NO_KIND} L1"),
    Truth(
        "imported, claimed by a stranger", lambda m: m.also(m.cara, "rival"), WAITS, strict=f"{NO_KIND} L1"
    ),
    Truth("child of a held row", lambda m: m.row_parent("parent held"), "quarantined held L2"),
    Truth("child of a vouched row", lambda m: m.row_parent("parent vouched"), f"{IN} L2"),
    Truth("child of a reported row", lambda m: m.row_parent("parent plain"), "quarantined not-vouched L2"),
    Truth(
        "child of the whole import", lambda m: m.child("derived-from", m.corpus), "quarantined row-noticed L2"
    ),
    Truth(
        "rows of a maker's own", lambda m: m.own_rows(), "quarantined not-vouched L2", strict=f"{NO_KIND} L2"
    ),
    # later words
    Truth(
        "retracted by its maker",
        lambda m: m.said("retract", m.anna),
        "rejected retracted-by-maker L2",
        strict=SAME,
    ),
    Truth(
        "retracted by a curator",
        lambda m: m.said("retract", None),
        "rejected retracted-by-curator L2",
        strict=SAME,
    ),
    Truth("held", lambda m: m.said("hold", None), "quarantined held L2", copies=2),
    Truth("held and released", lambda m: m.released(), f"{IN} L2"),
    Truth(
        "held by one not named",
        lambda m: m.said("hold", m.listed),
        "quarantined held L2",
        "quarantined disputed L2",
        "rejected disputed L2",
    ),
    Truth(
        "disputed",
        lambda m: m.said("dispute", None),
        "quarantined disputed L2",
        strict="rejected disputed L2",
    ),
    Truth("to be erased", lambda m: m.said("erase", m.anna), "rejected retracted-by-maker L2", strict=SAME),
    Truth("erased", lambda m: m.erased(child=False), NEVER_LOGGED, strict=SAME),
    Truth("child of an erased one", lambda m: m.erased(child=True), "rejected erased L2"),
    Truth("child of another log's", lambda m: m.foreign(), "rejected foreign L2"),
    Truth(
        "child of a retracted one", lambda m: m.under("retract", m.ben), "quarantined retracted-by-maker L2"
    ),
    Truth("child of one taken back", lambda m: m.under("retract"), "rejected retracted-by-curator L2"),
    Truth("child of a held one", lambda m: m.under("hold"), "quarantined held L2"),
    Truth("it corrects a held one", lambda m: m.under("hold", rel="corrects"), f"{IN} L2"),
    # keys
    Truth("signed before the cut", lambda m: m.signed(m.erin), f"{IN} L2"),
    Truth("disowned", lambda m: m.disowned(), "rejected disowned L1", strict=SAME),
    Truth("disowned, rescued", lambda m: m.disowned("rescued"), f"{IN} L2", strict=f"{IN} L3"),
    Truth("disowned, signed again", lambda m: m.disowned("again"), f"{IN} L2"),
    Truth("disowned, and another's", lambda m: m.disowned("another's too"), f"{IN} L2"),
    Truth(
        "disowned, held, another's",
        lambda m: m.disowned("another's too", "held"),
        "rejected disowned L1",
        strict=SAME,
    ),
    Truth("contested", lambda m: m.signed(m.finn), "quarantined contested L2"),
    # kinds
    Truth("derived by its owner", lambda m: m.derived(m.anna), f"{IN} L2"),
    Truth("derived by the owner's pair", lambda m: m.derived(m.pair), f"{IN} L2"),
    Truth(
        "derived by a stranger", lambda m: m.derived(m.ben), "rejected derived-by-stranger L2", strict=SAME
    ),
    Truth(
        "derived by a tool",
        lambda m: m.derived(m.tool, attested=True),
        "rejected derived-by-stranger L1",
        f"{IN} L1",
        f"{IN} L1",
    ),
    Truth(
        "derived by another machine",
        lambda m: m.derived(m.machine),
        "rejected derived-by-stranger L1",
        f"{OUT} L1",
        f"{OUT} L1",
    ),
    Truth("output of a pair", lambda m: m.output_row(m.pair), f"{NO_KIND} L2", strict=SAME),
    Truth(
        "output of a machine", lambda m: m.output_row(m.machine), f"{NO_KIND} L1", f"{OUT} L1", f"{OUT} L1"
    ),
    Truth("abstract", lambda m: m.abstract(), f"{NO_KIND} L2", strict=SAME),
    Truth("experience", lambda m: m.experience(), f"{IN} L2"),
    Truth("experience, checked", lambda m: m.experience(m.ben), f"{IN} L2", strict=f"{IN} L4"),
    Truth("nine tenths output, quoted", lambda m: m.nine_tenths("quotes"), f"{LITTLE} L2"),
    Truth("nine tenths output, used", lambda m: m.nine_tenths("derived-from"), f"{NO_KIND} L2"),
    Truth("a quoted output, the lesser part", lambda m: m.child("quotes", m.output(m.pair)), f"{IN} L2"),
    # rights, rivals, corrections
    Truth(
        "not for training", lambda m: m.signed(m.anna, rights={"train": "denied"}), "rejected train-denied L2"
    ),
    Truth(
        "for some training",
        lambda m: m.signed(m.anna, rights={"train": "constrained"}),
        "quarantined train-constrained L2",
    ),
    Truth(
        "synthetic by its own word",
        lambda m: m.signed(m.anna, source={"category": "synthetic"}),
        "rejected source-not-allowed L2",
    ),
    Truth("a rival claims it too", lambda m: m.rivals("a rival claims it too"), f"{IN} L2"),
    Truth(
        "a rival calls it output",
        lambda m: m.rivals("a rival calls it output", "output"),
        f"{NO_KIND} L2",
        f"{IN} L2",
    ),
    Truth("corrected", lambda m: m.superseded("corrected"), f"{IN} L2"),
    Truth(
        "corrected, the older held",
        lambda m: m.superseded("corrected, the older held", hold=True),
        "quarantined held L2",
    ),
)


@dataclass(repr=False)
class Scene:
    """A town, its dataset, and what is true of each row."""

    town: Town
    people: Makers
    rows: list[Row]
    how: list[str]
    notes: tuple[Path, ...]

    def expected(self, terms: str) -> list[tuple[str, str]]:
        truths = {truth.how: truth.expected(terms) for truth in TRUTHS}
        return [(how, truths[how]) for how in self.how]

    def terms(self, name: str) -> dict[str, Any]:
        """Arguments of `Ledger.gate`."""
        at_ms = self.town.world.time_ms
        return {
            "own": {"policy": "balanced", "at_ms": at_ms},
            "named": {"policy": "balanced", "trust": self.people.named, "at_ms": at_ms},
            "strict": {
                "policy": "strict",
                "trust": self.people.witnessed,
                "at_ms": at_ms + DAY_MS // 24,
                "checkpoints": self.notes,
            },
        }[name]


def build(folder: Path, texts: Iterator[str]) -> Scene:
    """The dataset of all truths, its copies far from one another."""
    town = Town(folder)
    people = Makers(town, texts)
    made = {truth.how: _row(truth.make(people)) for truth in TRUTHS if not truth.is_late}
    people.settle()
    early = town.note("early.note", town.world.time_ms)
    town.world.time_ms += 8 * DAY_MS
    made |= {truth.how: _row(truth.make(people)) for truth in TRUTHS if truth.is_late}
    late = town.note("late.note", town.world.time_ms)
    for record in people.to_erase:
        town.erase(record)
    how = [truth.how for copy in range(3) for truth in TRUTHS if truth.copies > copy]
    return Scene(town, people, [made[each] for each in how], how, (early, late))


def _row(made: Row | str) -> Row:
    return made if isinstance(made, Row) else Row(made)

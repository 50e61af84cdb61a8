"""Ancestry proofs that are refused: for each rule of SPEC §11.2 one that breaks it and, but for what follows from it, no other.

A forger is anybody, the log's operator included: he writes what he likes into log and status map, and signs a log checkpoint
over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.cases import statuses
from tests.cases.ancestries import SALT, Home, another_log, forget, unknown
from tests.cases.ancestry_files import (
    AGAIN,
    ERASED,
    HELD,
    SUBJECT,
    AncestryCase,
    Asked,
    File,
    Log,
    Point,
    Rows,
    Shown,
    Statement,
    held,
    number,
    point_of,
    prove,
    reprove,
    status_map,
    wanted_of,
)
from tests.cases.logs import ORIGIN, Script, id_of, parent_of, private_key, public_key, signed
from tests.cases.receipts import b64, note, sha
from tests.cases.replay import leaf_of
from tests.cases.samples import some, vkey
from tests.cases.worlds import WAIT_MS
from tests.reference import mth, multiproof, prefix_multiproof, prefix_root, tagged


class Base:
    """A log, and a file of it that holds."""

    def __init__(self, home: Home, *subjects: bytes, **asked: Any) -> None:
        home.script.state()
        self.home, self.script = home, home.script
        self.asked = Asked(subjects, **asked)
        self.file = File([prove(home.script, self.asked)])

    @property
    def log(self) -> Log:
        return self.file.logs[0]

    def again(self) -> None:
        """The file of a log that was written on since."""
        self.file = File([prove(self.script, self.asked)])

    def without(self, index: int) -> None:
        """An entry is left out, and the log proof is that of the others."""
        self.log.entries = [each for each in self.log.entries if each[0] != index]
        self.log.hashes = multiproof({index for index, _ in self.log.entries}, self.script.entries)

    def renote(self, text: str) -> None:
        """A note that the log signs over another text."""
        self.log.note = signed_note(self.script, text)


def signed_note(script: Script, text: str, signer: str = "log") -> bytes:
    key_id = bytes.fromhex(script.vkey.split("+")[1])
    return f"{text}\n— {ORIGIN} {b64(key_id + private_key(signer).sign(text.encode()))}\n".encode()


def other_note(text: str, name: str) -> bytes:
    """A note that another log's key alone signed, under some name."""
    key_id = bytes.fromhex(vkey(name, public_key("other log")).split("+")[1])
    line = b64(key_id + private_key("other log").sign(text.encode()))
    return f"{text}\n— {name} {line}\n".encode()


def plain() -> Base:
    """A work (12) by anna over a source (11) by ben; what is beside the point 13, state 14."""
    home = Home()
    source = home.put(home.ben, "source")
    work = home.put(home.anna, "work", "derived", parent_of(source, "derived-from"))
    home.put(home.ben, "beside")
    return Base(home, id_of(work))


def grown() -> Base:
    """The same with points of 2 (with a note), 7 and 11 entries."""
    base = plain()
    for size, has_note in ((2, True), (7, False), (11, True)):
        base.log.points.append(point_of(base.script, size, has_note=has_note))
    return base


def copies() -> Base:
    """Three records by anna (11), the first and last of them subjects; the last alone once more (12), and again (13); state 14."""
    home = Home()
    works = [home.script.work(home.anna, word) for word in ("first", "second", "third")]
    home.publish(home.anna, *works)
    home.publish(home.anna, works[2])
    home.publish(home.anna, works[2])
    return Base(home, id_of(works[0]), id_of(works[2]))


def dataset() -> Base:
    """A work by ben (11), and rows 1, 2 and 5 of a dataset of seven (12) by anna and row 0 of one of two (13) by ben."""
    home = Home()
    work = home.put(home.ben, "work")
    record, digests = home.rows(home.anna, 7)
    other, others = home.rows(home.ben, 2)
    rows = {id_of(record): (digests, [(1, 2), (5, 1)]), id_of(other): (others, [(0, 1)])}
    return Base(home, id_of(work), rows=rows)


def secrets() -> Base:
    """A sealed record (12) by nora, whose enrolment (11) names a profile; both are disclosed. A work (13) by ben, a subject too."""
    home = Home()
    nora = home.profiled(b"Nora")
    record = home.sealed(nora, b"secret")
    work = home.put(home.ben, "work")
    base = Base(home, id_of(record), id_of(work))
    base.file.disclosed = [(1, id_of(record), SALT, b"secret"), (2, nora.id, SALT, b"Nora")]
    return base


Change = Callable[[Base], Any]
Bad = tuple[str, str, Callable[[], Base], Change]


def refused() -> Iterator[AncestryCase]:
    """All of them."""
    for code, groups in GROUPS.items():
        for group in groups:
            for name, what, make, change in group():
                base = make()
                change(base)
                expected = {"valid": False, "code": code}
                yield AncestryCase(
                    f"ancestry/bad-{name}", what, base.script.vkey, base.file.encoded(), expected
                )
    yield from unknown()


def claim(name: str, more: int) -> Change:
    """A count or length that is told too great."""
    return lambda base: base.file.claims.update({name: more})


def swap(items: list[Any], at: int = 0) -> None:
    items[at], items[at + 1] = items[at + 1], items[at]


def outer() -> Iterator[Bad]:
    """The parts of the file."""

    def cut(base: Base) -> None:
        encoded = base.file.encoded()[:-1]
        base.file = File([], magic=b"")
        base.file.encoded = lambda: encoded  # type: ignore[method-assign]

    def empty(base: Base) -> None:
        base.file.encoded = lambda: b""  # type: ignore[method-assign]

    def logs(base: Base, *, ascending: bool) -> None:
        two = sorted([base.log, another_log()], key=lambda log: log.id, reverse=not ascending)
        base.file.logs = two

    yield "empty", "no byte", plain, empty
    yield "cut", "the last byte is missing", plain, cut
    yield (
        "magic",
        "a magic of another version",
        plain,
        lambda base: setattr(base.file, "magic", b"lineage/ancestry/v2\n"),
    )
    yield "behind", "a byte behind the last part", plain, lambda base: setattr(base.file, "tail", b"\x00")
    yield "logs-0", "no log", plain, lambda base: base.file.logs.clear()
    yield "logs-17", "seventeen logs", plain, lambda base: base.file.logs.extend(many_logs())
    yield "logs-more", "a log is said to follow", plain, claim("logs", 1)
    yield "logs-descending", "logs in descending order", plain, lambda base: logs(base, ascending=False)
    yield "logs-twice", "a log twice", plain, lambda base: base.file.logs.append(base.log)


def many_logs() -> list[Log]:
    """Sixteen logs of which nobody knows anything, and of which little is told; their ids are the greatest."""
    return [Log(b"\xff" * 31 + number(each, 1), b"note", [], [], [], [], b"", [], []) for each in range(16)]


def points() -> Iterator[Bad]:
    """Points, by their form."""

    def of_size(size: int) -> Change:
        return lambda base: setattr(base.log.points[0 if size < 2 else -1], "size", size)

    def many(base: Base) -> None:
        point = base.log.points[0]
        base.log.points = [Point(1 + size, point.root, b"", []) for size in range(65)]

    def noted(size: int, signer: str = "log") -> Change:
        """The note of the first point is of another size, or of another key."""

        def change(base: Base) -> None:
            earlier = Script(fold=2)
            earlier.entries = base.script.entries[:size]
            base.log.points[0].note = note(earlier, signer=signer).encode()

        return change

    def of_another_root(base: Base) -> None:
        base.log.points[0].note = signed_note(base.script, f"{ORIGIN}\n2\n{b64(some('root'))}\n")

    def of_another_log(base: Base) -> None:
        text = f"log.example/other\n2\n{b64(base.log.points[0].root)}\n"
        base.log.points[0].note = other_note(text, "log.example/other")

    yield "points-65", "sixty-five points", grown, many
    yield "points-descending", "points in descending order", grown, lambda base: swap(base.log.points)
    yield "points-twice", "a point twice", grown, lambda base: base.log.points.append(base.log.points[-1])
    yield "point-0", "a point of no entries", grown, of_size(0)
    yield "point-n", "a point of all entries", grown, of_size(15)
    yield "point-beyond", "a point of more entries than the log has", grown, of_size(16)
    yield "point-note-size", "a point whose note is of another size", grown, noted(3)
    yield "point-note-key", "a point whose note another key signed", grown, noted(2, "other")
    yield "point-note-root", "a point whose note is of another root", grown, of_another_root
    yield "point-note-log", "a point whose note is another log's", grown, of_another_log
    yield (
        "point-note-none",
        "a point whose note is none",
        grown,
        lambda base: setattr(base.log.points[0], "note", b"note"),
    )


def consistency() -> Iterator[Bad]:
    def last(base: Base) -> list[bytes]:
        return base.log.points[1].hashes

    yield "point-hash-missing", "a point whose last hash is missing", grown, lambda base: last(base).pop()
    yield (
        "point-hash-surplus",
        "a point with a hash too many",
        grown,
        lambda base: last(base).append(bytes(32)),
    )
    yield (
        "point-hash-wrong",
        "a point with a wrong hash",
        grown,
        lambda base: last(base).__setitem__(0, bytes(32)),
    )
    yield (
        "point-root",
        "a point of another root",
        grown,
        lambda base: setattr(base.log.points[1], "root", some("root")),
    )


def entries() -> Iterator[Bad]:
    """Entries and topics, by their form."""

    def empty(base: Base) -> None:
        base.log.entries[5] = (base.log.entries[5][0], b"")

    def set_topics(change: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]) -> Change:
        return lambda base: setattr(base.log, "topics", change(base.log.topics))

    yield "note-empty", "a log checkpoint of no bytes", plain, lambda base: setattr(base.log, "note", b"")
    yield "entries-none", "no entries", plain, lambda base: setattr(base.log, "entries", [])
    yield "entries-descending", "entries in descending order", plain, lambda base: swap(base.log.entries, 4)
    yield (
        "entries-twice",
        "an entry twice",
        plain,
        lambda base: base.log.entries.insert(4, base.log.entries[4]),
    )
    yield "entry-empty", "an entry of no bytes", plain, empty
    yield "entry-0", "entry 0 is missing", plain, lambda base: base.without(0)
    yield "entry-last", "the last entry is missing", plain, lambda base: base.without(14)
    yield "topics-descending", "topics in descending order", plain, lambda base: swap(base.log.topics, 3)
    yield "topics-twice", "a topic twice", plain, set_topics(lambda topics: [topics[0], *topics])
    yield "topic-0", "a topic of number 0", plain, set_topics(lambda topics: [(0, some("x")), *topics])
    for topic, name in ((5, "notices"), (6, "the rules"), (7, "attestations"), (8, "a number that is none")):
        yield f"topic-{topic}", f"{name} among the topics that are listed", plain, listing(topic)


def listing(topic: int) -> Change:
    """A topic of some number is listed behind the others."""
    return lambda base: base.log.topics.append((topic, some("x")))


def records() -> Iterator[Bad]:
    """Statements and records, by their form."""

    def statements(base: Base) -> list[Statement]:
        return base.log.statements

    def shown(base: Base) -> list[Shown]:
        return base.log.statements[0].records

    def what(value: int) -> Change:
        return lambda base: setattr(base.log.statements[1].records[0], "what", value)

    def again(value: int) -> Change:
        return lambda base: setattr(base.log.statements[2].records[0], "data", number(value, 4))

    def twice(base: Base) -> None:
        statements(base)[1].records[0] = Shown(0, HELD, shown(base)[1].data)

    def twice_erased(base: Base) -> None:
        statements(base)[1].records[0] = Shown(0, ERASED, sha(b"\x00" + shown(base)[1].data[2:]))

    def under(index: int) -> Change:
        def change(base: Base) -> None:
            statements(base)[0].index = index

        return change

    def under_none(base: Base) -> None:
        """The entry of the statement is left out."""
        base.without(11)

    def under_nonsense(base: Base) -> None:
        at = base.script.add(b"\xc1")
        base.script.state()
        base.again()
        base.log.entries = sorted([*base.log.entries, (at, b"\xc1")])
        reprove(base.script, base.log)
        statements(base).append(Statement(at, [Shown(0, HELD, held(b"x"))], []))

    yield (
        "statements-descending",
        "statements in descending order",
        dataset,
        lambda base: swap(statements(base)),
    )
    yield (
        "statements-twice",
        "a statement twice, of a record that is said again",
        copies,
        lambda base: statements(base).append(statements(base)[2]),
    )
    yield (
        "statement-empty",
        "a statement of no records",
        copies,
        lambda base: statements(base)[1].records.clear(),
    )
    yield "statement-type", "records under an enrolment", plain, under(2)
    yield "statement-no-entry", "records under an entry that is not in the file", plain, under_none
    yield "statement-malformed", "records under an entry that cannot be read", plain, under_nonsense
    yield "records-descending", "records in descending order", copies, lambda base: swap(shown(base))
    yield (
        "records-twice",
        "two records of one index",
        copies,
        lambda base: setattr(shown(base)[1], "index", 0),
    )
    yield (
        "record-empty",
        "a record of no bytes",
        copies,
        lambda base: setattr(shown(base)[0], "data", bytes(2)),
    )
    yield "what-3", "a record of no known sort", copies, what(3)
    yield "what-127", "a record of no known sort, all bits but the high one", copies, what(127)
    yield "what-again-subject", "a record said again, as a subject", copies, what(AGAIN | SUBJECT)
    yield "again-itself", "a record that is said to be itself", copies, again(3)
    yield "again-later", "a record that is said to be a later one", copies, again(2**32 - 1)
    yield "again-again", "a record that is said to be one that is said again itself", copies, again(2)
    yield "artifact-twice", "an artifact whose record stands there twice", copies, twice
    yield "artifact-twice-erased", "an artifact that stands there, and is erased too", copies, twice_erased


def rows() -> Iterator[Bad]:
    """Rows, by their form."""

    def ranges(*values: tuple[int, int]) -> Change:
        """Other ranges of the first set, with as many digests."""

        def change(base: Base) -> None:
            first = base.log.rows[0]
            first.ranges = list(values)
            first.digests = (first.digests * 8)[: sum(count for _, count in values) % 64]

        return change

    def of(name: Callable[[Base], bytes]) -> Change:
        def change(base: Base) -> None:
            base.log.rows = [Rows(name(base), [(0, 1)], [], [some("row")])]

        return change

    def of_erased(base: Base) -> None:
        rows_id = base.log.rows[0].id
        for index, items in base.script.records.items():
            for statement in base.log.statements:
                if statement.index == index and leaf_of(items[0]) == rows_id:
                    statement.records[0] = Shown(0, ERASED, rows_id)

    yield "rows-descending", "sets of rows in descending order", dataset, lambda base: swap(base.log.rows)
    yield "rows-twice", "a set of rows twice", dataset, lambda base: base.log.rows.insert(0, base.log.rows[0])
    yield "rows-none", "a set of no ranges", dataset, ranges()
    yield "range-empty", "a range of no rows", dataset, ranges((1, 2), (5, 0))
    yield "ranges-touch", "ranges that touch", dataset, ranges((1, 2), (3, 1))
    yield "ranges-overlap", "ranges that overlap", dataset, ranges((1, 2), (2, 1))
    yield "ranges-descending", "ranges in descending order", dataset, ranges((5, 1), (1, 2))
    yield "rows-beyond", "a range that ends behind row 1,048,576", dataset, ranges((1, 2), (2**20, 1))
    yield (
        "rows-far",
        "a range that ends behind the greatest number",
        dataset,
        ranges((1, 2), (2**32 - 1, 2**32 - 1)),
    )
    yield "rows-unknown", "rows of an artifact that is not in the file", dataset, of(lambda _base: some("x"))
    yield "rows-of-raw", "rows of a record of another form", dataset, of(lambda base: base.asked.subjects[0])
    yield "rows-of-erased", "rows of a record that is erased", dataset, of_erased


def disclosed() -> Iterator[Bad]:
    """What is disclosed."""

    def item(at: int, place: int, value: Any) -> Change:
        def change(base: Base) -> None:
            items = base.file.disclosed
            parts: list[Any] = list(items[at])
            parts[place] = value(base) if callable(value) else value
            what, name, salt, data = parts
            items[at] = (what, name, salt, data)

        return change

    def erased(base: Base) -> None:
        for statement in base.log.statements:
            for each in statement.records:
                name = sha(b"\x00" + each.data[2:])
                if name == base.file.disclosed[0][1]:
                    each.what, each.data = ERASED | SUBJECT, name

    def of(data: bytes, **fields: Any) -> Callable[[], Base]:
        """One record, whose content the log binds to these bytes as if they were sealed in 32."""

        def make() -> Base:
            home = Home()
            content = tagged("sealed", home.anna.id, SALT, data)
            record = home.put(home.anna, "", size=32, content=content, **fields)
            base = Base(home, id_of(record))
            base.file.disclosed = [(1, id_of(record), SALT, data)]
            return base

        return make

    def nothing(base: Base) -> None:
        """It is refused as it is."""

    sealed = {"form": "sealed", "media": None}
    yield "disclosed-descending", "in descending order", secrets, lambda base: swap(base.file.disclosed)
    yield (
        "disclosed-twice",
        "the same twice",
        secrets,
        lambda base: base.file.disclosed.append(base.file.disclosed[1]),
    )
    yield "disclosed-what-0", "of sort 0", secrets, item(0, 0, 0)
    yield "disclosed-what-3", "of sort 3", secrets, item(1, 0, 3)
    yield "disclosed-empty", "a content of no bytes", of(b"", **sealed), nothing
    yield "disclosed-salt", "a content under another salt", secrets, item(0, 2, some("other salt"))
    yield "disclosed-content", "another content", secrets, item(0, 3, b"Secret")
    yield "disclosed-size", "a content that is greater than its record says", of(b"x" * 33, **sealed), nothing
    yield "disclosed-not-sealed", "a content of a record that is not sealed", of(b"x", form="raw"), nothing
    yield (
        "disclosed-unknown",
        "a content of an artifact that is not in the file",
        secrets,
        item(0, 1, some("x")),
    )
    yield "disclosed-erased", "a content of a record that is erased", secrets, erased
    yield "profile-salt", "a profile under another salt", secrets, item(1, 2, some("other salt"))
    yield "profile-other", "another profile", secrets, item(1, 3, b"Ben")
    yield (
        "profile-none",
        "a profile of an identity that names none",
        secrets,
        item(1, 1, lambda base: base.home.ben.id),
    )
    yield (
        "profile-unknown",
        "a profile of an identity whose key events are not listed",
        secrets,
        item(1, 1, some("x")),
    )


def multiproofs() -> Iterator[Bad]:
    """Hashes that do not lead to the root."""

    def hashes(
        of: Callable[[Base], list[bytes]], name: str, what: str, make: Callable[[], Base]
    ) -> Iterator[Bad]:
        yield f"{name}-hash-missing", f"{what}: the last hash is missing", make, lambda base: of(base).pop()
        yield (
            f"{name}-hash-surplus",
            f"{what}: a hash too many",
            make,
            lambda base: of(base).append(bytes(32)),
        )
        yield (
            f"{name}-hash-wrong",
            f"{what}: a wrong hash",
            make,
            lambda base: of(base).__setitem__(0, bytes(32)),
        )

    def another_entry(base: Base) -> None:
        index, data = base.log.entries[4]
        base.log.entries[4] = (index, data[:-1] + bytes([data[-1] ^ 1]))

    def moved(base: Base) -> None:
        """The enrolment 3 stands as entry 4, which is not in the file."""
        base.log.entries = [(4 if index == 3 else index, data) for index, data in base.log.entries]

    def another_record(base: Base) -> None:
        first = base.log.statements[0].records[0]
        base.log.statements[0].records[0] = Shown(
            0, first.what, held(base.script.work(base.home.anna, "other"))
        )
        reprove(base.script, base.log)

    def another_erased(base: Base) -> None:
        first = base.log.statements[0].records[0]
        base.log.statements[0].records[0] = Shown(0, first.what | ERASED, some("other"))
        reprove(base.script, base.log)

    def moved_record(base: Base) -> None:
        base.log.statements[0].records[0].index = 1

    def outside(base: Base) -> None:
        base.log.statements[1].records[0].index = 1

    def another_row(base: Base) -> None:
        base.log.rows[0].digests[1] = some("other row")

    def ranges(*values: tuple[int, int]) -> Change:
        def change(base: Base) -> None:
            first = base.log.rows[0]
            first.ranges = list(values)
            first.digests = [some(f"row {row}") for at, count in values for row in range(at, at + count)]

        return change

    def seven(base: Base) -> None:
        """The set of the dataset of seven rows stands first."""
        base.log.rows.sort(key=lambda each: -len(each.digests))
        del base.log.rows[1]

    def of_seven(change: Change) -> Change:
        def both(base: Base) -> None:
            seven(base)
            change(base)

        return both

    yield from hashes(lambda base: base.log.hashes, "log", "the log proof", plain)
    yield (
        "log-hashes-swapped",
        "the log proof: two hashes in the other order",
        plain,
        lambda base: swap(base.log.hashes),
    )
    yield "entry-changed", "an entry is another in its last bit", plain, another_entry
    yield "entry-moved", "an entry under another index", plain, moved
    yield from hashes(lambda base: base.log.statements[0].hashes, "record", "a statement's records", copies)
    yield "record-other", "a record that the statement does not sign", copies, another_record
    yield (
        "record-other-erased",
        "the hash of a record that the statement does not sign",
        copies,
        another_erased,
    )
    what = "a hash beside the one record of a statement, which is its root"
    yield "record-alone-hash", what, plain, lambda base: base.log.statements[0].hashes.append(bytes(32))
    yield "record-moved", "a record under another index", copies, moved_record
    yield "record-outside", "a record behind the last of its statement", copies, outside
    yield from (
        (name, what, make, of_seven(change))
        for name, what, make, change in hashes(
            lambda base: base.log.rows[0].hashes, "row", "a set of rows", dataset
        )
    )
    yield "row-other", "the digest of a row is another", dataset, of_seven(another_row)
    yield "rows-moved", "rows under other indices", dataset, of_seven(ranges((2, 2), (5, 1)))
    yield "rows-outside", "a row behind the last of the dataset", dataset, of_seven(ranges((1, 2), (7, 1)))
    yield "rows-astride", "a range that ends behind the last row", dataset, of_seven(ranges((1, 2), (5, 3)))


def checkpoints() -> Iterator[Bad]:
    def other_key(base: Base) -> None:
        base.log.note = note(base.script, signer="other").encode()

    def by_another(base: Base) -> None:
        base.log.note = other_note(f"{ORIGIN}\n15\n{b64(mth(base.script.entries))}\n", ORIGIN)

    def of_another_log(base: Base) -> None:
        root = b64(mth(base.script.entries))
        base.log.note = other_note(f"log.example/other\n15\n{root}\n", "log.example/other")

    yield "note-signature", "a log checkpoint whose signature does not hold", plain, other_key
    yield "note-log", "another log's log checkpoint", plain, of_another_log
    yield "note-key", "a log checkpoint that another key alone signed", plain, by_another
    yield (
        "note-none",
        "a log checkpoint that is no note",
        plain,
        lambda base: setattr(base.log, "note", b"note"),
    )
    yield (
        "note-not-utf8",
        "a log checkpoint that is no text",
        plain,
        lambda base: setattr(base.log, "note", b"\xff" + base.log.note),
    )


def unsigned() -> Iterator[Bad]:
    def text(line: Callable[[Base], str]) -> Change:
        return lambda base: base.renote(line(base))

    def root(base: Base) -> str:
        return b64(mth(base.script.entries))

    yield (
        "note-origin",
        "a log checkpoint of another origin",
        plain,
        text(lambda base: f"log.example/other\n15\n{root(base)}\n"),
    )
    yield (
        "note-extension",
        "a log checkpoint of four lines",
        plain,
        text(lambda base: f"{ORIGIN}\n15\n{root(base)}\nmore\n"),
    )
    yield (
        "note-size",
        "a log checkpoint whose size is no decimal",
        plain,
        text(lambda base: f"{ORIGIN}\n015\n{root(base)}\n"),
    )


def statuses_broken() -> Iterator[Bad]:
    """The status proof of the entries, topics and artifacts that stand in the file."""

    def proof(change: Callable[[bytes], bytes]) -> Change:
        return lambda base: setattr(base.log, "status", change(base.log.status))

    def without_entries(base: Base) -> None:
        """Key events are listed, and the one that there is is not in the file."""
        base.log.topics = sorted([*base.log.topics, (1, base.home.machine.id)])
        reprove(base.script, base.log)

    def unlisted(base: Base) -> None:
        del base.log.topics[0]

    def left_out(said: Callable[[Home, bytes], Any]) -> Change:
        """Something is said, and the entry left out, as if nobody had said it."""

        def change(base: Base) -> None:
            record = base.script.records[12][0]
            if isinstance(record, bytes):
                said(base.home, record)
            base.script.state()
            base.again()
            base.without(15)

        return change

    yield "status-cut", "the last byte of the status proof is missing", plain, proof(lambda data: data[:-1])
    yield "status-behind", "a byte behind the status proof", plain, proof(lambda data: data + b"\x00")
    yield "status-empty", "no status proof", plain, proof(lambda data: b"")
    yield "status-last", "another last byte", plain, proof(lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    yield "status-no-key", "of a map that holds nothing", plain, proof(lambda data: b"\x05")
    yield (
        "topic-without-entries",
        "a topic is listed, and its entry is not in the file",
        plain,
        without_entries,
    )
    yield (
        "topic-unlisted",
        "a topic that the status proof says something of, and that is not listed",
        plain,
        unlisted,
    )
    yield (
        "notice-left-out",
        "a hold on the subject is left out",
        plain,
        left_out(lambda home, record: home.notice(home.curator, "hold", record)),
    )
    yield (
        "attestation-left-out",
        "a refutation of the subject is left out",
        plain,
        left_out(lambda home, record: home.attest(home.curator, record, "refuted")),
    )
    yield (
        "rotation-left-out",
        "a rotation that disowns the subject is left out",
        plain,
        left_out(
            lambda home, _record: home.script.turn(
                home.anna, "rotate", compromised=[[public_key("anna"), 11]]
            )
        ),
    )
    yield "rules-left-out", "an entry of the rules is left out", plain, lambda base: base.without(9)
    yield (
        "evidence-left-out",
        "evidence against the maker is left out",
        plain,
        left_out(lambda home, _record: home.contest(home.anna)),
    )
    yield (
        "undelegation-left-out",
        "the end of a delegation that the maker gave is left out",
        plain,
        left_out(lambda home, _record: home.script.tell(home.anna, "undelegate", {"pair": home.pair.id})),
    )
    yield (
        "endorsement-left-out",
        "an endorsement of the maker is left out",
        plain,
        left_out(lambda home, _record: home.endorse(home.anna)),
    )
    yield from maps_broken()


def maps_broken() -> Iterator[Bad]:
    """The operator puts the root of a map that is none into the last state: each way of SPEC §11.2 to be none."""

    def by(make: Callable[[dict[bytes, bytes], statuses.Wanted], bytes]) -> Change:
        """The status proof that `make` gives, under the root to which it leads."""

        def change(base: Base) -> None:
            entries, wanted = status_map(base.script), wanted_of(base.script, base.log)
            proof = make(entries, wanted)
            base.script.entries.pop()
            base.script.state(tick=0, root=statuses.leads_to(wanted, proof))
            base.again()
            base.log.status = proof

        return change

    def honest(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        return prefix_multiproof(entries, set(wanted))

    def in_two(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> tuple[int, bytes, bytes]:
        """The root's depth, and the proofs of its two sides."""
        depth = honest(entries, wanted)[1]
        sides = []
        for bit in (0, 1):
            part, asked = (
                {key for key in keys if (int.from_bytes(key, "big") >> (255 - depth)) & 1 == bit}
                for keys in (entries, wanted)
            )
            sides.append(prefix_multiproof({key: entries[key] for key in part}, asked))
        return depth, sides[0], sides[1]

    def written(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        depth, left, right = in_two(entries, wanted)
        return statuses.aside(depth, bytes(32)) + left + right

    def deeper(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        """Below the root, on the way to the left, a node of the root's depth, whose right side is empty of what is asked."""
        depth, left, right = in_two(entries, wanted)
        return statuses.to_node(depth) + statuses.to_node(depth) + left + bytes(32) + right

    def prefixed(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        """The map has another node at its root, whose prefix holds no key of those that are asked for."""
        shown = min(wanted)
        aside = bytes([shown[0] ^ 0xFF]) + bytes(31)
        return statuses.aside(8, aside) + bytes(32) + bytes(32)

    def bits_behind(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        depth, left, right = in_two(entries, wanted)
        return statuses.aside(depth, bytes(31) + b"\x01") + left + right

    def lost_value(entries: dict[bytes, bytes], wanted: statuses.Wanted) -> bytes:
        """A map without the log's rules."""
        rules = {key for key, value in wanted.items() if value is not None}
        one = min(rules)
        return honest({key: value for key, value in entries.items() if key != one}, wanted)

    def wrong_chain(base: Base) -> None:
        entries, wanted = status_map(base.script), wanted_of(base.script, base.log)
        one = min(key for key, value in wanted.items() if value is not None)
        changed = entries | {one: some("value")}
        base.script.entries.pop()
        base.script.state(tick=0, root=prefix_root(changed))
        base.again()
        base.log.status = prefix_multiproof(changed, set(wanted))

    def value_of_none(base: Base) -> None:
        entries, wanted = status_map(base.script), wanted_of(base.script, base.log)
        one = min(key for key, value in wanted.items() if value is None)
        changed = entries | {one: some("value")}
        base.script.entries.pop()
        base.script.state(tick=0, root=prefix_root(changed))
        base.again()
        base.log.status = prefix_multiproof(changed, set(wanted))

    yield "map-0x02", "0x02 where 0x01 says it", plain, by(written)
    yield "map-depth", "a node that is no deeper than the last", plain, by(deeper)
    yield "map-prefix-bits", "a prefix with a bit behind its depth", plain, by(bits_behind)
    yield (
        "map-aside",
        "a node beside all keys that are asked for, of which some have a value",
        plain,
        by(prefixed),
    )
    yield "map-lacks", "a key that has a value is shown absent", plain, by(lost_value)
    yield "map-wrong-chain", "another value than that of the entries", plain, wrong_chain
    yield "map-more", "a topic has a value, and no entry", plain, value_of_none


def states() -> Iterator[Bad]:
    def no_state(base: Base) -> None:
        base.home.put(base.home.ben, "behind the last state")
        base.again()

    def malformed(base: Base) -> None:
        base.script.add(b"\xc1")
        base.again()

    yield "last-no-state", "the last entry is no state", plain, no_state
    yield "last-malformed", "the last entry cannot be read", plain, malformed


def genesis() -> Iterator[Bad]:
    def without(base: Base) -> None:
        """A log whose entry 0 is an enrolment."""
        script = Script(fold=2)
        anna = script.actor("anna")
        script.state()
        record = script.work(anna, "work")
        script.publish(anna, record)
        script.state()
        base.script, base.asked = script, Asked([id_of(record)])
        base.again()

    def unsigned_genesis(base: Base) -> None:
        script = Script(fold=2)
        script.add(signed(script.operator.enrolment, "another"))
        script.state()
        anna = script.actor("anna")
        record = script.work(anna, "work")
        script.publish(anna, record)
        script.state()
        base.script, base.asked = script, Asked([id_of(record)])
        base.again()

    yield "genesis-none", "entry 0 is no genesis", plain, without
    yield "genesis-unsigned", "a genesis whose signature does not hold", plain, unsigned_genesis


def folds() -> Iterator[Bad]:
    def later(base: Base) -> None:
        base.script.entries.pop()
        base.script.fold = 3
        base.script.state(tick=0)
        base.again()

    yield "fold-3", "a last state of a fold number that nobody knows", plain, later


def incomplete() -> Iterator[Bad]:
    """All parts hold, and something that the trace asks for is not in the file."""

    def unlisted(topic: int, who: Callable[[Home], bytes]) -> Change:
        def change(base: Base) -> None:
            base.log.topics.remove((topic, who(base.home)))
            reprove(base.script, base.log)

        return change

    def paired() -> Base:
        home = Home()
        return Base(home, id_of(home.put(home.pair, "by a pair")))

    def pending() -> Base:
        """A recovery that was in force where anna signed: 11, states 12 and 13, a work by ben 14, hers 15, state 16."""
        home = Home()
        home.script.turn(home.anna, "recover")
        home.later()
        home.anna.turn("anna/recovery", home.anna.events[-1])
        home.put(home.ben, "between")
        return Base(home, id_of(home.put(home.anna, "late")), clocks=True)

    def closed() -> Base:
        """Under an allow-list."""
        home = Home()
        home.endorse(home.anna)
        home.rules("allow-list")
        return Base(home, id_of(home.put(home.anna, "let in")))

    def ended() -> Base:
        """The same by an endorsement that ends: 11, rules 12, the work 13, one by ben 14, state 15."""
        home = Home()
        home.endorse(home.anna, until=2_000_000)
        home.rules("allow-list")
        work = home.put(home.anna, "let in")
        home.put(home.ben, "shut out")
        return Base(home, id_of(work), clocks=True)

    def attested() -> Base:
        home = Home()
        work = home.put(home.anna, "work")
        home.attest(home.registrar, work)
        return Base(home, id_of(work))

    def attested_by_ben() -> Base:
        home = Home()
        work = home.put(home.anna, "work")
        home.attest(home.ben, work, "refuted", "content")
        return Base(home, id_of(work))

    def refuted() -> Base:
        base = attested_by_ben()
        base.home.endorse(base.home.ben)
        base.script.state()
        base.again()
        return base

    def erased() -> Base:
        """A record (11) that is gone, a notice to erase it 12, states 13 to 15: the last a week later."""
        home = Home()
        record = home.put(home.ben, "erased")
        home.notice(home.ben, "erase", record)
        home.later(5)
        home.script.time += WAIT_MS
        forget(home, record)
        return Base(home, id_of(record), clocks=True)

    def borrowed() -> Base:
        """A work by anna that ben alone logged, and held."""
        home = Home()
        work = home.script.work(home.anna, "borrowed")
        home.publish(home.ben, work)
        home.notice(home.curator, "hold", work)
        return Base(home, id_of(work))

    anna, ben = (lambda home: home.anna.id), (lambda home: home.ben.id)
    yield "unlisted-key-events", "the maker's key events", plain, unlisted(1, anna)
    yield "unlisted-parent-key-events", "key events of a parent's maker", plain, unlisted(1, ben)
    yield "unlisted-endorsements", "endorsements of the maker", plain, unlisted(3, anna)
    yield "unlisted-evidence", "evidence against the maker", plain, unlisted(4, anna)
    yield (
        "unlisted-listed",
        "key events of a curator whom the rules list",
        plain,
        unlisted(1, lambda home: home.curator.id),
    )
    yield (
        "unlisted-operator",
        "the operator's key events",
        plain,
        unlisted(1, lambda home: home.script.operator.id),
    )
    yield "unlisted-delegations", "a pair's delegations", paired, unlisted(2, lambda home: home.pair.id)
    yield "unlisted-anchor", "key events of a pair's anchor", paired, unlisted(1, anna)
    yield "unlisted-anchor-evidence", "evidence against a pair's anchor", paired, unlisted(4, anna)
    yield (
        "unlisted-registrar",
        "key events of who endorsed the maker, under an allow-list",
        closed,
        unlisted(1, lambda home: home.registrar.id),
    )
    yield (
        "unlisted-attestor",
        "evidence against an attestor who is listed",
        attested,
        unlisted(4, lambda home: home.registrar.id),
    )
    what = "the state that says that a recovery was in force before another behind it does"
    yield "entry-of-recovery", what, pending, lambda base: base.without(13)
    what = "a state of the week after which a record may be erased"
    yield "entry-of-erasure", what, erased, lambda base: base.without(14)
    what = "key events of the maker whom a record names, though another signed it"
    yield "unlisted-record-maker", what, borrowed, unlisted(1, anna)
    what = "endorsements of an attestor who is not listed: a listed registrar may have endorsed him"
    yield "unlisted-attestor-endorsements", what, attested_by_ben, unlisted(3, ben)
    what = "endorsements of an attestor whom a listed registrar endorsed"
    yield "unlisted-refuter-endorsements", what, refuted, unlisted(3, ben)
    yield (
        "entry-before-state",
        "an entry between one whose clock is asked for and the next state",
        ended,
        lambda base: base.without(14),
    )
    yield (
        "entry-before-recovery",
        "an entry before the state that says that a recovery was in force",
        pending,
        lambda base: base.without(12),
    )


GROUPS: dict[str, list[Callable[[], Iterator[Bad]]]] = {
    "proof-invalid": [outer, points, entries, records, rows, disclosed],
    "consistency-invalid": [consistency],
    "multiproof-invalid": [multiproofs],
    "note-invalid": [checkpoints],
    "checkpoint-invalid": [unsigned],
    "status-invalid": [statuses_broken],
    "state-wrong": [states],
    "genesis-illegal": [genesis],
    "fold-unknown": [folds],
    "proof-incomplete": [incomplete],
}

"""Ancestry proofs (SPEC §11.2), written by naive code alone: their parts, their bytes, and what one holds of a log.

What is put into a file is found by reading all of the log: more than is asked for may stand in it, never less.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgpack

from ledger.errors import LineageError
from ledger.statements.entry import decode_entry
from tests import reference
from tests.cases.logs import Script
from tests.cases.receipts import note, sha
from tests.cases.replay import leaf_of
from tests.cases.samples import Fields
from tests.reference import mth, prefix_multiproof, tagged

Wanted = dict[bytes, bytes | None]
MAGIC = b"lineage/ancestry/v1\n"
HELD, ERASED, AGAIN, SUBJECT = 0, 1, 2, 0x80
LISTED = (1, 2, 3, 4)


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


@dataclass
class Point:
    size: int
    root: bytes
    note: bytes
    hashes: list[bytes]


@dataclass
class Shown:
    """A record: its index, `what`, and what stands behind that."""

    index: int
    what: int
    data: bytes


@dataclass
class Statement:
    index: int
    records: list[Shown]
    hashes: list[bytes]


@dataclass
class Rows:
    id: bytes
    ranges: list[tuple[int, int]]
    hashes: list[bytes]
    digests: list[bytes]


@dataclass
class Log:
    """The parts of one log in a file."""

    id: bytes
    note: bytes
    points: list[Point]
    entries: list[tuple[int, bytes]]
    hashes: list[bytes]
    topics: list[tuple[int, bytes]]
    status: bytes
    statements: list[Statement]
    rows: list[Rows]


@dataclass
class File:
    """A file taken apart. `claims`: by how much the count or length of that name is told too great; `tail`: what follows the end."""

    logs: list[Log]
    disclosed: list[tuple[int, bytes, bytes, bytes]] = field(default_factory=list)
    magic: bytes = MAGIC
    claims: dict[str, int] = field(default_factory=dict)
    tail: bytes = b""

    def encoded(self) -> bytes:
        """Its bytes."""
        parts = [self.magic, self._count("logs", len(self.logs), 1)]
        for log in self.logs:
            parts += self._log(log)
        parts.append(self._count("disclosed", len(self.disclosed), 2))
        for what, name, salt, data in self.disclosed:
            parts += [number(what, 1), name, salt, self._count("content", len(data), 4), data]
        return b"".join(parts) + self.tail

    def _count(self, name: str, count: int, size: int) -> bytes:
        return number(count + self.claims.get(name, 0), size)

    def _hashes(self, name: str, hashes: Sequence[bytes]) -> bytes:
        return self._count(name, len(hashes), 4) + b"".join(hashes)

    def _log(self, log: Log) -> Iterator[bytes]:
        yield log.id + self._count("note", len(log.note), 4) + log.note
        yield self._count("points", len(log.points), 1)
        for point in log.points:
            yield (
                number(point.size, 8)
                + point.root
                + self._count("point note", len(point.note), 4)
                + point.note
            )
            yield self._hashes("point hashes", point.hashes)
        yield self._count("entries", len(log.entries), 4)
        for index, data in log.entries:
            yield number(index, 8) + self._count("entry", len(data), 2) + data
        yield self._hashes("log proof", log.hashes)
        yield self._count("topics", len(log.topics), 4)
        yield b"".join(number(topic, 1) + subject for topic, subject in log.topics)
        yield self._count("status", len(log.status), 4) + log.status
        yield self._count("statements", len(log.statements), 4)
        for statement in log.statements:
            yield number(statement.index, 8) + self._count("records", len(statement.records), 4)
            yield b"".join(
                number(each.index, 4) + number(each.what, 1) + each.data for each in statement.records
            )
            yield self._hashes("record proof", statement.hashes)
        yield self._count("sets", len(log.rows), 4)
        for rows in log.rows:
            yield rows.id + self._count("ranges", len(rows.ranges), 4)
            yield b"".join(number(first, 4) + number(count, 4) for first, count in rows.ranges)
            yield self._hashes("row proof", rows.hashes)
            yield b"".join(rows.digests)


def held(record: bytes) -> bytes:
    """What stands behind a record's `what` where all of it is there."""
    return number(len(record), 2) + record


def hashes_of(wanted: Collection[int], leaves: Sequence[bytes], start: int = 0) -> list[bytes]:
    """The multiproof over leaf hashes, of some of which nothing else is left."""
    if not set(wanted) & set(range(start, start + len(leaves))):
        return [root_of(leaves)]
    if len(leaves) == 1:
        return []
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashes_of(wanted, leaves[:left], start) + hashes_of(wanted, leaves[left:], start + left)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The RFC 6962 root over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    left = 1 << ((len(leaves) - 1).bit_length() - 1)
    return sha(b"\x01" + root_of(leaves[:left]) + root_of(leaves[left:]))


class Asked(NamedTuple):
    """What to put into a file of the artifacts `subjects` and of rows: {artifact id: (all digests, ranges)}.

    `without`: artifacts that are left out, and their ancestors; `without_entries`, by log index, also places. `points`: sizes,
    and whether with a note. `clocks`: all entries from each that is there to the state behind it.
    """

    subjects: Sequence[bytes]
    rows: Mapping[bytes, tuple[list[bytes], list[tuple[int, int]]]] = {}
    without: Collection[bytes] = ()
    without_entries: Collection[int] = ()
    points: Mapping[int, bool] = {}
    clocks: bool = False


def fields_of(data: bytes) -> Fields:
    """What the statement of an entry says; nothing, if it is not well-formed."""
    try:
        entry = decode_entry(data)
    except LineageError:
        return {}
    fields: Fields = entry.statement.fields
    return fields if "by" in fields else fields | {"by": tagged("statement", entry.statement.payload)}


class Reading:
    """All of a log, read for the sake of a file."""

    def __init__(self, script: Script, asked: Asked) -> None:
        self.script = script
        self.asked = asked
        self.fields = [fields_of(data) for data in script.entries]
        self.places: dict[bytes, list[tuple[int, int]]] = {}
        self.records: dict[bytes, bytes | None] = {}
        for index, items in script.records.items():
            for position, item in enumerate(items):
                if index not in asked.without_entries:
                    self.places.setdefault(leaf_of(item), []).append((index, position))
                    self.records[leaf_of(item)] = item if isinstance(item, bytes) else None
        self.artifacts = self._reached([*asked.subjects, *asked.rows])
        self.people = {script.operator.id}
        while (more := self.people | self._asked_about()) != self.people:
            self.people = more
        self.indices = sorted(self._entries())

    def _reached(self, wanted: Sequence[bytes]) -> list[bytes]:
        found: list[bytes] = []
        waiting = list(wanted)
        while waiting:
            name = waiting.pop(0)
            if name in found or name in self.asked.without or name not in self.places:
                continue
            found.append(name)
            record = self.records[name]
            if record is not None:
                waiting += [
                    parent["id"] for parent in msgpack.unpackb(record)["parents"] if "log" not in parent
                ]
        return found

    def on_topic(self, topic: int, subject: bytes) -> list[int]:
        """The entries on a topic."""
        links = self.script._roots.topics.get(tagged("topic", number(topic, 1), subject), ())
        return [index for index, _leaf in links]

    def _spoken(self) -> set[int]:
        """Entries that say something of what is asked about."""
        found = set(self.on_topic(6, self.script.log))
        for name in self.artifacts:
            found |= {index for index, _ in self.places[name]}
            found |= {*self.on_topic(5, name), *self.on_topic(7, name)}
        for who in self.people:
            for topic in LISTED:
                found |= set(self.on_topic(topic, who))
        return found

    def _asked_about(self) -> set[bytes]:
        found = set()
        for index in self._spoken():
            fields = self.fields[index]
            found.add(fields["by"])
            if fields["type"] == "rules":
                found |= {*fields["body"].get("registrars", ()), *fields["body"].get("curators", ())}
        for name in self.artifacts:
            record = self.records[name]
            if record is not None:
                found.add(msgpack.unpackb(record)["maker"])
        births = {fields["by"]: fields for fields in self.fields if fields.get("type") == "enrol"}
        anchors = {births[who]["body"].get("of") for who in found | self.people if who in births}
        return (found | anchors) & {*births, self.script.operator.id}

    def _entries(self) -> set[int]:
        last = len(self.fields) - 1
        found = {0, last} | self._spoken()
        for index in list(found):
            behind = next(
                at for at in range(index, last + 1) if self.fields[at].get("type") == "state" or at == last
            )
            found |= set(range(index, behind + 1)) if self.asked.clocks else {behind}
            if self.asked.clocks and self.fields[index].get("type") in ("recover", "notice"):
                found |= set(range(index, last + 1))  # whichever state says that a week is over
        return found - set(self.asked.without_entries)


def prove(script: Script, asked: Asked) -> Log:
    """What a file is to hold of a log."""
    reading = Reading(script, asked)
    topics = sorted((topic, who) for who in reading.people for topic in LISTED)
    log = Log(
        script.log,
        note(script).encode(),
        [point_of(script, size, has_note=has_note) for size, has_note in sorted(asked.points.items())],
        [(index, script.entries[index]) for index in reading.indices],
        [],
        topics,
        b"",
        _statements(script, reading),
        [],
    )
    for name, (digests, ranges) in sorted(asked.rows.items()):
        wanted = {row for first, count in ranges for row in range(first, first + count)}
        hashes = reference.multiproof(wanted, digests)
        log.rows.append(Rows(name, ranges, hashes, [digests[row] for row in sorted(wanted)]))
    reprove(script, log)
    return log


def reprove(script: Script, log: Log) -> None:
    """Log proof and status proof of the entries, topics and artifacts that are in it."""
    log.hashes = reference.multiproof({index for index, _ in log.entries}, script.entries)
    log.status = prefix_multiproof(status_map(script), set(wanted_of(script, log)))


def status_map(script: Script) -> dict[bytes, bytes]:
    """Key -> chain value of all of a log."""
    fold = script._roots
    return {key: fold._chain_value(links) for key, links in fold.topics.items()}


def wanted_of(script: Script, log: Log) -> Wanted:
    """The keys that a file asks the status map for, with their values."""
    names = [*log.topics, (6, log.id)]
    for statement in log.statements:
        for each in statement.records:
            if each.what % SUBJECT != AGAIN:
                name = each.data if each.what % SUBJECT == ERASED else sha(b"\x00" + each.data[2:])
                names += [(5, name), (7, name)]
    keys = [tagged("topic", number(topic, 1), subject) for topic, subject in names]
    values = status_map(script)
    return {key: values.get(key) for key in keys}


def point_of(script: Script, size: int, *, has_note: bool = True) -> Point:
    """An earlier tree of the same log."""
    earlier = Script(fold=script.fold)
    earlier.entries = script.entries[:size]
    signed = note(earlier).encode() if has_note else b""
    return Point(size, mth(earlier.entries), signed, reference.proof(size, script.entries))


def _statements(script: Script, reading: Reading) -> list[Statement]:
    by_entry: dict[int, list[tuple[int, bytes]]] = {}
    for name in reading.artifacts:
        for index, position in reading.places[name]:
            by_entry.setdefault(index, []).append((position, name))
    found = []
    numbers: dict[bytes, int] = {}
    count = 0
    for index, placed in sorted(by_entry.items()):
        records = []
        for position, name in sorted(placed):
            if name in numbers:
                records.append(Shown(position, AGAIN, number(numbers[name], 4)))
            else:
                flag = SUBJECT if name in reading.asked.subjects else 0
                record = reading.records[name]
                shown = (ERASED | flag, name) if record is None else (HELD | flag, held(record))
                records.append(Shown(position, *shown))
                numbers[name] = count
            count += 1
        leaves = [leaf_of(item) for item in script.records[index]]
        found.append(Statement(index, records, hashes_of([position for position, _ in placed], leaves)))
    return found


class AncestryCase(NamedTuple):
    """A file, the vkey that the verifier trusts, and what it comes to under trust in this log alone."""

    name: str
    what: str
    vkey: str
    file: bytes
    expected: dict[str, Any]


Change = Callable[[File], None]

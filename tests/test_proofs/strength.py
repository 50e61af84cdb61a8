"""Which of two things proved is the stronger: level, standing, verdict, age, people, and what is known. For tests only.

A file says whom it is about (its subjects), and nobody signs that. So each subject of a changed file is held to what the
unchanged one says of the same artifact, subject there or not: `everything` is a file that is about all it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.origin.lattice import Standing
from ledger.origin.levels import Level, level_of
from ledger.origin.proved import Proved, ProvedLog, SubjectProved, verify
from ledger.proofs.facts import Presence
from ledger.statements.record import Parent
from tests.test_proofs.proving import WholeLog, read_whole, write_whole
from tests.test_proofs.shapes import Shape

Name = tuple[bytes, bytes]  # log id, artifact id
_NEVER = -(10**18)  # less than any age


class Worth(NamedTuple):
    """Each the greater, the stronger."""

    level: int
    standing: int
    verdict: int


@dataclass
class Told:
    """What is told of every artifact: of its rows, by row; and of the log, by log id."""

    worth: dict[Name, Worth] = field(default_factory=dict)
    rows: dict[tuple[bytes, bytes, int], Worth] = field(default_factory=dict)
    people: dict[Name, tuple[frozenset[bytes], frozenset[bytes]]] = field(default_factory=dict)
    known: dict[Name, tuple[bool, int]] = field(default_factory=dict)
    ages: dict[Name, int] = field(default_factory=dict)
    footing: dict[bytes, tuple[int, ...]] = field(default_factory=dict)
    doubted: set[Name] = field(default_factory=set)
    reached: dict[Name, set[Name]] = field(default_factory=dict)
    is_whole: bool = True


def about_all(data: bytes) -> bytes:
    """The same file, about every artifact that it holds."""
    logs, disclosed = read_whole(data)
    told = []
    for part, rows in logs:
        ids = {record.artifact_id for statement in part.statements for record in statement.records}
        part.subjects = frozenset(ids)
        told.append(WholeLog(part, rows))
    return write_whole(told, disclosed)


def everything(shape: Shape) -> Told:
    """What a shape's file tells, at most."""
    return told_by(
        verify(about_all(shape.data), shape.vkeys, shape.trust, at_ms=shape.at_ms, policy=shape.policy)
    )


def told_by(proved: Proved) -> Told:
    told = Told(is_whole=not proved.unknown_logs and not any(each.missing for each in proved.logs))
    for each in proved.logs:
        _tell(each, told)
    return told


def _tell(proved: ProvedLog, told: Told) -> None:
    log_id = proved.log.log_id
    footing = proved.footing
    told.footing[log_id] = (
        footing.is_cosigned,
        footing.is_audited,
        _NEVER if footing.fresh_ms is None else footing.fresh_ms,
        -len(proved.missing),
    )
    for node in proved.ancestries.nodes.values():
        name = log_id, node.id
        told.known[name] = node.presence is not Presence.UNPROVED, level_of(node)
        if any(_is_doubted(proved, parent) for parent in node.parents):
            told.doubted.add(name)
        # What does not stand may be shown by an earlier place than that by which it stood: it did exist by then, and is worth less.
        age_ms = footing.age_ms(node.since_index) if node.presence is Presence.STANDS else None
        told.ages[name] = _NEVER if age_ms is None else age_ms
    spoken = {(subject.id, subject.row) for subject in proved.subjects if subject.row is not None}
    for subject in proved.subjects:
        worth = _worth(subject)
        if subject.row is None and not subject.rows:
            told.worth[log_id, subject.id] = worth
        elif subject.row is not None:
            told.rows[log_id, subject.id, subject.row] = worth
        for first, count in subject.rows:
            for row in range(first, first + count):
                if (subject.id, row) not in spoken:
                    told.rows[log_id, subject.id, row] = worth
        ancestry = proved.ancestry(subject.id)
        humans = frozenset(ancestry.humans)
        told.reached[log_id, subject.id] = {(log_id, node) for node in ancestry.nodes}
        told.people[log_id, subject.id] = humans, humans | frozenset(ancestry.humans_behind)


def _is_doubted(proved: ProvedLog, parent: Parent) -> bool:
    gone = (Presence.UNPROVED, Presence.ERASED)
    return parent.log is None and proved.ancestries.nodes[parent.id].presence in gone


def _worth(subject: SubjectProved) -> Worth:
    return Worth(subject.level, subject.standing, -2 if subject.verdict is None else subject.verdict)


def check_no_stronger(told: Told, base: Told) -> None:
    """Asserts that nothing in `told` is stronger than in `base`.

    Of a child whose parent is not shown, it is not known whether it is at fault for that parent (SPEC §9.1): its standing is
    unknown then, and its level counts for nothing.
    """
    assert base.is_whole or not told.is_whole
    for name, worth in told.worth.items():
        if name in told.doubted:
            assert worth.standing == Standing.UNKNOWN or base.known[name] == told.known[name], (name, worth)
            told.worth[name] = worth._replace(level=0)
    _check_less(told.worth, base.worth)
    _check_less(told.rows, base.rows)
    for name, (humans, all_humans) in told.people.items():
        if told.reached[name] & told.doubted:
            continue
        assert humans <= base.people[name][0]
        assert all_humans <= base.people[name][1]
    for name, (is_known, level) in told.known.items():
        was_known, level_before = base.known.get(name, (False, Level.UNLOGGED))
        assert is_known <= was_known
        if name not in told.doubted:
            assert level <= level_before
            assert told.ages[name] <= base.ages.get(name, _NEVER)
    for log_id, values in told.footing.items():
        assert all(one <= other for one, other in zip(values, base.footing[log_id], strict=True))


def _check_less(told: Mapping[Any, Worth], base: Mapping[Any, Worth]) -> None:
    for name, worth in told.items():
        assert all(one <= other for one, other in zip(worth, base[name], strict=True)), (name, worth)

"""Descendants: what names an artifact, and what names that (SPEC §12). A fact of the records; what it means is policy.

One forward pass is enough: whatever is in order stands behind its parents. A record at fault that stands before its
parent is met where it stands again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.proofs.facts import DESCENT
from ledger.statements.record import Parent, Record


@dataclass(frozen=True, slots=True)
class Descendant:
    """An artifact that names a subject, or a descendant of one, at its first place behind that.

    `through`: the parents by which it does. `descends`: along one path from a subject to it, content or origin passes at
    every step (`DESCENT`); else it only refers: by evidence, correction or replacement.
    """

    record_number: int
    id: bytes
    record: Record
    through: tuple[Parent, ...]
    descends: bool


@dataclass(slots=True)
class _Touched:
    """What of an artifact is touched: all of it (`rows` None), or some rows; and whether descent leads there."""

    descends: bool
    rows: set[int] | None = field(default_factory=set)


def descendants(
    records: Iterable[tuple[int, bytes, Record | None]], subjects: Iterable[Sequence[Any]]
) -> Iterator[Descendant]:
    """Every artifact touched by `subjects` ([artifact id] or [artifact id, row_index]), once, in log order.

    `records`: (record number, artifact id, record) of a log, ascending; None for one that cannot be read. Where a row
    is the subject, a child that names another row of that artifact is not touched; one that names the whole is. A
    subject that descends from another is told too. It descends if what names it at its first place says so.
    """
    touched: dict[bytes, _Touched] = {}
    for artifact_id, *row in subjects:
        entry = touched.setdefault(artifact_id, _Touched(descends=True))
        if not row:
            entry.rows = None
        elif entry.rows is not None:
            entry.rows.add(row[0])
    told: set[bytes] = set()
    for record_number, artifact_id, record in records:
        if record is None or artifact_id in told:
            continue
        through = tuple(parent for parent in record.parents if _is_touched(parent, touched.get(parent.id)))
        if not through:
            continue
        told.add(artifact_id)
        descends = any(parent.rel in DESCENT and touched[parent.id].descends for parent in through)
        known = touched.get(artifact_id)
        touched[artifact_id] = _Touched(descends or (known is not None and known.descends), rows=None)
        yield Descendant(record_number, artifact_id, record, through, descends)


def _is_touched(parent: Parent, touched: _Touched | None) -> bool:
    if touched is None or parent.log is not None:
        return False
    return touched.rows is None or parent.row is None or parent.row in touched.rows

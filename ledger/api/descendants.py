"""Descendants: what names an artifact, and what names that, by one pass over the records of a log (SPEC §12).

A parent stands before its child, so that one pass in log order meets every descendant behind what it descends from.
The list is complete as far as the records are held.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.api.around import Progress, silent
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.merkle.tree import hash_leaf
from ledger.origin.descendants import descendants
from ledger.statements.alike import RecordDecoder
from ledger.statements.record import Record

_SEARCHED_MAX: Final = 8  # ids that are looked for in a record's bytes; of more, every record is decoded
_PATH_MAX: Final = 64  # steps of a path that are told

Subject = Sequence[Any]  # [artifact id] or [artifact id, row_index], as in a notice


@dataclass(frozen=True, slots=True)
class Touched:
    """A record that names one of the subjects, or a descendant of one, as it first stands.

    `parent` is what it names, by `relation`, `generation` steps from a subject. `descends`: a chain of relations by which
    origin passes leads to a subject (SPEC §12); else it only refers. `stands`: its place is in order, and not disowned.
    """

    id: bytes
    kind: str
    maker: bytes
    log_index: int
    record_index: int
    parent: bytes
    relation: str
    generation: int
    descends: bool
    stands: bool


def touched_by(view: LogView, subjects: Iterable[Subject], progress: Progress = silent) -> Iterator[Touched]:
    """Every artifact that descends from a subject or refers to it, in log order, each once; no subject is its own."""
    named = [list(subject) for subject in subjects]
    family: dict[bytes, int] = {subject[0]: 0 for subject in named}  # artifact id: generation
    for found in descendants(_records(view, family, progress), named):
        if found.id in family:
            continue
        edge = min(found.through, key=lambda parent: family[parent.id])
        family[found.id] = family[edge.id] + 1
        log_index, record_index = view.locate(found.record_number)
        yield Touched(
            found.id,
            found.record.kind,
            found.record.maker,
            log_index,
            record_index,
            edge.id,
            edge.rel,
            family[found.id],
            found.descends,
            view.stands(found.record_number),
        )


def _records(
    view: LogView, family: Mapping[bytes, int], progress: Progress
) -> Iterator[tuple[int, bytes, Record | None]]:
    """The records that may name one of the family, which grows meanwhile; those that cannot be read name nothing."""
    decoder = RecordDecoder()
    for number, _log_index, _record_index, data in view.scan_records():
        progress(number, view.record_count)
        if data is None or not family:
            continue
        if len(family) <= _SEARCHED_MAX and not any(artifact_id in data for artifact_id in family):
            continue
        artifact_id = hash_leaf(data)
        try:
            record = decoder.decode(data, artifact_id)
        except RefusedInput:
            continue
        yield number, artifact_id, record


def path_of(found: Mapping[bytes, Touched], artifact_id: bytes) -> list[str]:
    """The relations from a descendant up to what was asked for, at most so many that a person reads them."""
    path: list[str] = []
    while artifact_id in found and len(path) < _PATH_MAX:
        path.append(found[artifact_id].relation)
        artifact_id = found[artifact_id].parent
    return path

"""Ancestry proofs made from a ledger (SPEC §11.2): whom a file is about, which earlier log checkpoints it carries, and where it goes."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final

from ledger import spec
from ledger.api import finding
from ledger.api.access import Access
from ledger.api.around import now_ms
from ledger.api.disclosing import disclosed
from ledger.api.gate.admitted_claims import admitted_subjects
from ledger.api.kept import Kept, kept_notes
from ledger.datasets.files import RegularFile, printable
from ledger.errors import NotFound, RefusedInput
from ledger.fold.topics import Topic
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.merkle.ranges import Range
from ledger.origin.moment import cosigned_under
from ledger.origin.trust import Trust
from ledger.proofs.ancestry_file import CONTENT, MAGIC, PROFILE, Disclosed, LogPart, RowsToWrite, write_file
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.cosignatures import cosigners
from ledger.proofs.note import format_note, join_notes, parse_note
from ledger.proofs.points import Point
from ledger.proofs.recorded import Listeners, record_ancestry
from ledger.proofs.row_sets import row_digests, rows_header
from ledger.proofs.rows import open_rows
from ledger.store.files import writing
from ledger.store.rows_file import RowsFolder

_ROWS: Final = re.compile(
    r"(?P<id>[0-9a-f]{16,64}):(?P<rows>all|(?P<first>[0-9]{1,9})-(?P<last>[0-9]{1,9}))",
    re.ASCII | re.IGNORECASE,
)

Named = str | os.PathLike[str] | bytes


@dataclass(frozen=True, slots=True)
class Proof:
    """An ancestry proof that was made: about so many artifacts and rows of datasets, with so many other `ancestors`, at `checkpoint`.

    `points`: sizes of the earlier log checkpoints in it. `left_out`: identities who attest or endorse and are not shown, since they are too many;
    whose trust file names one of them needs a file that was made for it. `disclosed`: what is sealed and opened in it. `told`: what was passed over, in words. `data`: its bytes,
    where no file was named; else it is `path`, of `size_bytes`.
    """

    artifacts: int
    rows: int
    ancestors: int
    checkpoint: Checkpoint
    points: tuple[int, ...]
    left_out: int
    size_bytes: int
    disclosed: tuple[Disclosed, ...] = ()
    told: tuple[str, ...] = ()
    data: bytes | None = None
    path: Path | None = None


@dataclass(slots=True)
class Subjects:
    """Whom a proof is about: artifact ids, and rows by the id of their `rows` record."""

    artifacts: dict[bytes, None] = field(default_factory=dict)
    rows: dict[bytes, list[int] | range] = field(default_factory=dict)

    def add_row(self, artifact_id: bytes, row: int) -> None:
        """One row more."""
        self.rows[artifact_id] = [*self.rows.get(artifact_id, ()), row]

    def add_rows(self, artifact_id: bytes, rows: range) -> None:
        """Rows that follow one another, besides those that were named before."""
        before = self.rows.get(artifact_id)
        self.rows[artifact_id] = rows if before is None else sorted({*before, *rows})

    @property
    def traced(self) -> list[bytes]:
        """All artifacts whose ancestry is asked for."""
        return list(dict.fromkeys([*self.artifacts, *sorted(self.rows)]))


def prove(
    access: Access,
    named: Sequence[Named],
    output: Path | None = None,
    *,
    trust: Trust | None = None,
    since: Iterable[int] = (),
    disclose: Sequence[str | Disclosed] = (),
    gated: str | os.PathLike[str] | None = None,
) -> Proof:
    """As `Ledger.prove`."""
    if output is not None:
        _check_output(output)
    with access.view() as view:
        subjects = _subjects(access, view, named, gated)
        shown = [
            each if isinstance(each, Disclosed) else disclosed(access, view, each)
            for each in dict.fromkeys(disclose)
        ]
        listeners = None if trust is None or trust.is_self else Listeners(trust.accept, trust.graders)
        written = record_ancestry(view, access.vkey, subjects.traced, listeners)
        part = written.part
        _check_shown(part, shown)
        part.subjects = frozenset(subjects.artifacts)
        kept = kept_notes(access.cosigned, access.vkey)
        part.note = _head_note(view, kept.notes)
        part.points = _points(view, access.vkey, kept.notes, _positions(part, subjects), trust, since)
        rows = [
            _rows_to_write(access.rows, artifact_id, wanted)
            for artifact_id, wanted in sorted(subjects.rows.items())
        ]
        opened = sorted(set(shown))
        pieces = write_file([(part, rows)], opened)
        data = None
        if output is None:
            data = b"".join(pieces)
            size_bytes = len(data)
        else:
            size_bytes = _write(output, pieces)
        return Proof(
            len(subjects.artifacts),
            sum(each.header.row_count for each in rows),
            len(_artifacts(part) - set(subjects.traced)),
            view.checkpoint,
            tuple(point.size for point in part.points),
            written.left_out,
            size_bytes,
            tuple(opened),
            kept.told,
            data,
            output,
        )


# Whom it is about


def _subjects(
    access: Access, view: LogView, named: Sequence[Named], gated: str | os.PathLike[str] | None
) -> Subjects:
    found = Subjects()
    for name in named:
        _add_named(access, view, name, found)
    if gated is not None:
        admitted = admitted_subjects(access, view, gated)
        found.artifacts.update(dict.fromkeys(admitted.artifacts))
        for artifact_id, rows in admitted.rows.items():
            found.rows[artifact_id] = sorted({*found.rows.get(artifact_id, ()), *rows})
    if not found.traced:
        if gated is not None:
            reason, fix = "none of its rows was admitted", "Prove what is to be shown: lineage prove FILE|ID…"
            raise RefusedInput("no-rows", printable(gated), reason, fix)
        raise RefusedInput("usage", "proof", "nothing is named that it should be about", "Name files or ids.")
    return found


def _add_named(access: Access, view: LogView, name: Named, found: Subjects) -> None:
    if isinstance(name, bytes):
        if not view.find_artifact(name):
            raise _unlogged(name.hex()[:16])
        found.artifacts[name] = None
        return
    text = os.fspath(name)
    ranged = _ROWS.fullmatch(text)
    if ranged and not Path(text).exists():
        artifact_id = finding.resolve_id(view, ranged["id"])
        with access.rows.open(artifact_id) as rows:
            count = open_rows(artifact_id, rows).row_count
        whole = range(count)
        if ranged["first"] is not None:
            whole = range(int(ranged["first"]), int(ranged["last"]) + 1)
            if not whole or whole.stop > count:
                reason, fix = (
                    f"the dataset has {count:,} rows",
                    "Rows count from 0, and the last is one of them.",
                )
                raise RefusedInput("index-out-of-range", printable(text), reason, fix)
        found.add_rows(artifact_id, whole)
        return
    matched = finding.search(view, access.rows, access.keys.salts, text)
    found.artifacts.update(dict.fromkeys(matched.artifacts))
    for match in matched.rows:
        found.add_row(match.id, match.row)
    if not matched.artifacts and not matched.rows:
        raise matched.missing or _unlogged(printable(text))


def _unlogged(item: str) -> NotFound:
    return NotFound("unlogged", item, "no artifact of this log is meant by that", "Sign it first.")


def _ranges(rows: list[int] | range) -> list[Range]:
    if isinstance(rows, range):
        return [(rows.start, len(rows))]
    ordered = sorted(set(rows))
    cuts = [
        0,
        *(at for at, (one, other) in enumerate(pairwise(ordered), 1) if other != one + 1),
        len(ordered),
    ]
    return [(ordered[start], stop - start) for start, stop in pairwise(cuts)]


def _rows_to_write(folder: RowsFolder, artifact_id: bytes, wanted: list[int] | range) -> RowsToWrite:
    with folder.open(artifact_id) as rows:
        header = rows_header(open_rows(artifact_id, rows), rows, _ranges(wanted))

    def digests() -> Iterator[bytes]:
        with folder.open(artifact_id) as rows:
            yield from row_digests(rows, header.ranges)

    return RowsToWrite(header, digests)


def _check_shown(part: LogPart, shown: Iterable[Disclosed]) -> None:
    """Raises RefusedInput `usage` for something disclosed that the file is not about: it would prove nothing there."""
    artifacts = _artifacts(part)
    for item in shown:
        if item.what == CONTENT and item.id not in artifacts:
            reason = "the proof holds no such artifact"
            raise RefusedInput(
                "usage", f"disclose {item.id.hex()[:16]}", reason, "Name it as a subject, too."
            )
        if item.what == PROFILE and (Topic.KEY_EVENTS, item.id) not in part.topics:
            reason = "nobody in the proof is this identity"
            fix = "Prove something that it made, or leave its profile out."
            raise RefusedInput("usage", f"disclose {item.id.hex()[:16]}", reason, fix)


# Log checkpoints


def _head_note(view: LogView, kept: Sequence[Kept]) -> bytes:
    """The view's own note, with the cosignatures that are kept of it."""
    same = [each.note for each in kept if each.checkpoint == view.checkpoint]
    return format_note(join_notes([parse_note(view.note), *same])).encode()


def _artifacts(part: LogPart) -> set[bytes]:
    """All artifacts of which a file holds a place."""
    return {record.artifact_id for statement in part.statements for record in statement.records}


def _positions(part: LogPart, subjects: Subjects) -> list[int]:
    """The log indices at which subjects stand, ascending."""
    wanted = set(subjects.traced)
    return [
        statement.log_index
        for statement in part.statements
        if any(record.artifact_id in wanted for record in statement.records)
    ]


def _points(
    view: LogView,
    vkey: Vkey,
    kept: Sequence[Kept],
    positions: Sequence[int],
    trust: Trust | None,
    since: Iterable[int],
) -> tuple[Point, ...]:
    size = view.checkpoint.size
    wanted: dict[int, bytes | None] = {}
    for each in since:
        if not 1 <= each <= size:
            raise RefusedInput(
                "checkpoint-behind",
                f"since {each:,}",
                f"the log has {size:,} entries here",
                "Whoever remembers a greater size has seen a newer copy of this log: ask that one.",
            )
        if each < size:
            wanted[each] = None
    older = [each for each in kept if each.checkpoint.size < size]
    useful = _useful(older, vkey, positions, trust)
    room = spec.PROOF_POINTS_MAX - len(wanted)
    if room < 0:
        raise RefusedInput(
            "usage", "since", f"over {spec.PROOF_POINTS_MAX} sizes", "Name those that matter to the reader."
        )
    for note in _thinned(useful, room):
        if note.checkpoint.root == view.root_at(note.checkpoint.size):
            wanted[note.checkpoint.size] = note.data
    return tuple(
        Point(each, view.root_at(each), note, tuple(view.consistency_path(each)))
        for each, note in sorted(wanted.items())
    )


def _thinned(useful: Sequence[Kept], room: int) -> Sequence[Kept]:
    """As many as there is room for, the oldest among them, and of the others one in so many."""
    return useful[:: -(-len(useful) // room)] if useful and room else ()


def _useful(kept: Sequence[Kept], vkey: Vkey, positions: Sequence[int], trust: Trust | None) -> list[Kept]:
    """Which notes tell an age: of each subject the oldest one behind it that the quorum cosigned, where it is known; else that of most witnesses, and that of any."""
    if trust is not None and trust.has_quorum:
        at_ms = now_ms()
        met = [each for each in kept if cosigned_under(trust, vkey, each.data, at_ms).is_met]
        chosen = {first.checkpoint.size: first for first in _first_behind(met, positions)}
    else:
        weights = [len(set(cosigners(each.note, vkey))) for each in kept]
        most = max(weights, default=0)
        heavy = [each for each, weight in zip(kept, weights, strict=True) if weight == most]
        found = [*_first_behind(kept, positions), *_first_behind(heavy, positions)]
        chosen = {first.checkpoint.size: first for first in found}
    return [chosen[size] for size in sorted(chosen)]


def _first_behind(kept: Sequence[Kept], positions: Sequence[int]) -> Iterator[Kept]:
    sizes = [each.checkpoint.size for each in kept]
    for place in sorted({bisect_right(sizes, position) for position in positions}):
        if place < len(kept):
            yield kept[place]


# Where it goes


def _check_output(output: Path) -> None:
    """A proof replaces a proof, or an empty file: what it is about is soon named by mistake. Raises RefusedInput `file-exists`."""
    if not os.path.lexists(output):
        return
    with RegularFile(output) as file:
        if file.readline(len(MAGIC)) in (b"", MAGIC):
            return
    raise RefusedInput(
        "file-exists",
        printable(output),
        "it exists already and is no ancestry proof, so that it is not replaced",
        "Name another file, or move it away.",
    )


def _write(output: Path, pieces: Iterable[bytes]) -> int:
    size_bytes = 0
    with writing(output) as file:
        for piece in pieces:
            file.write(piece)
            size_bytes += len(piece)
    return size_bytes

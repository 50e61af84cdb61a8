"""One run of the gate: over the files of a dataset, in pieces that are finished one by one; or over rows in memory (SPEC §12.6)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.api.access import Access, Progress, silent
from ledger.api.gate.claims import ClaimFinder
from ledger.api.gate.column import ROWS as COLUMN_ROWS
from ledger.api.gate.column import choose_column
from ledger.api.gate.judging import Judging, Terms
from ledger.api.gate.partial import SUFFIX, Partial, open_partial
from ledger.api.gate.result import Gated
from ledger.api.gate.rows_sets import RowsSets
from ledger.api.gate.salted import Salted
from ledger.api.gate.terms import BY_OPERATOR, OWN_CLOCK, RIVALS_HERE, SELF_TRUSTED
from ledger.api.gate.verdicts import JudgedBlock, RowJudge
from ledger.datasets.crew import Crew, worker_count
from ledger.datasets.dataset import Dataset, Segment
from ledger.datasets.looking import Looked, look
from ledger.datasets.memory import MemoryDataset
from ledger.datasets.outputs import file_exists
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT
from ledger.datasets.staging import Staging
from ledger.datasets.verdict_file import VerdictBlock, join_verdicts, open_verdicts, writing_verdicts
from ledger.errors import ProofInvalid, RefusedInput
from ledger.log.view import LogView
from ledger.origin.lattice import Verdict
from ledger.origin.tally import Tally

_CELLS: Final = (LINEAGE_ID, LINEAGE_SALT)
AUTO: Final = ""  # the column is found out


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where what is written goes; None: it is not."""

    admitted: Path | None = None
    verdicts: Path | None = None
    report: Path | None = None

    @property
    def partial(self) -> Path | None:
        """Where unfinished work lies, if there is anything to go on with."""
        out = self.admitted or self.verdicts
        return None if out is None else out.with_name(out.name + SUFFIX)

    def check(self, *, resume: bool) -> None:
        """Raises RefusedInput `usage`, `file-exists`: nothing is written over."""
        named = [path for path in (self.admitted, self.verdicts, self.report) if path is not None]
        if len({os.path.realpath(path) for path in named}) < len(named):
            raise RefusedInput("usage", "outputs", "two of them have one name", "Name each apart.")
        if resume and self.partial is None:
            raise RefusedInput(
                "usage",
                "--resume",
                "nothing is written that could be gone on with",
                "Name --admitted or --verdicts.",
            )
        for path in named:
            # What an interrupted run finished is compared when everything else is there, too.
            if os.path.lexists(path) and not (resume and path == self.verdicts):
                raise file_exists(path)


@dataclass(slots=True)
class _Context:
    """What a run has at hand in one view of the log."""

    judging: Judging
    sets: RowsSets
    judge: RowJudge
    about: dict[str, Any]


class Scene(NamedTuple):
    """Where and by what is judged. `relied`: called when it is certain that something is judged by this log checkpoint."""

    access: Access
    view: LogView
    terms: Terms
    relied: Callable[[], object]


@contextmanager
def _context(scene: Scene, crew: Crew) -> Iterator[_Context]:
    access, view, terms, relied = scene
    judging = Judging(view, access.vkey, terms)
    relied()
    sets = RowsSets(view, access.rows, crew, judging.spoken)
    if terms.policy.decides:
        judging.check_searched(sets.unsearched)
    with access.keys.salts.reading() as salts:
        finder = ClaimFinder(view, sets, Salted(view, salts))
        yield _Context(judging, sets, RowJudge(finder, judging), _about(access, view, terms))


def digest_of(text: str) -> str:
    """SHA-256 of a text, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _about(access: Access, view: LogView, terms: Terms) -> dict[str, Any]:
    checkpoint = view.checkpoint
    return {
        "v": 1,
        "log_origin": access.marker.origin,
        "log_id": access.marker.log_id.hex(),
        "checkpoint_size": checkpoint.size,
        "checkpoint_root": checkpoint.root.hex(),
        "checkpoint": digest_of(checkpoint.body()),
        "policy": terms.policy.digest.hex(),
        "policy_name": terms.policy.name,
        "trust": terms.trust.digest.hex(),
        "at_ms": terms.at_ms,
        "ledger": version("lineage-ledger"),
    }


class Reading(NamedTuple):
    """How a dataset of files is gone through. `column` AUTO: it is found out; None: the row as a whole."""

    column: str | None = AUTO
    resume: bool = False
    workers: int | None = None
    progress: Progress = silent


def gate_files(scene: Scene, dataset: Dataset, outputs: Outputs, reading: Reading) -> Gated:
    """Gates the files of a dataset."""
    with ExitStack() as stack:
        crew = stack.enter_context(Crew(worker_count() if reading.workers is None else reading.workers))
        context = stack.enter_context(_context(scene, crew))
        column = reading.column
        if column == AUTO:
            rows = dataset.rows(None, lenient=True)
            column = choose_column(dataset.item, rows, scene.view, context.sets)
        about = context.about | {"column": column, "dataset": dataset.item.rsplit("/", 1)[-1]}
        segments = dataset.segments()
        partial = None
        if outputs.partial is not None:
            binding = _binding(about, dataset, outputs, scene.terms)
            partial = stack.enter_context(open_partial(outputs.partial, binding, resume=reading.resume))
        run = _Run(dataset, segments, outputs, partial, crew, reading.progress)
        tally = run.go(context.judge, column)
        gated = _gated(about, tally, context, resumed=run.resumed_rows)
        run.publish(gated)
        return gated


def gate_memory(scene: Scene, rows: Any, column: str | None) -> Gated:
    """Gates rows in memory; they are read once more for whatever is asked of them afterwards."""
    source = MemoryDataset(rows)
    with Crew(0) as crew, _context(scene, crew) as context:
        if column == AUTO:
            first = source
            if source.is_read_once:
                begin = list(islice(rows, COLUMN_ROWS))
                first, source = MemoryDataset(begin), MemoryDataset(chain(begin, rows))
            column = choose_column(source.item, first.rows(None, lenient=True), scene.view, context.sets)
        about = context.about | {"column": column, "dataset": source.item}
        tally = Tally()
        blocks = [judged.verdicts for judged in context.judge.blocks(source.look(column, _CELLS), tally)]
        gated = _gated(about, tally, context)
        gated._source, gated._blocks = source, blocks  # noqa: SLF001 - its own maker
        return gated


def _gated(about: dict[str, Any], tally: Tally, context: _Context, resumed: int = 0) -> Gated:
    counts = {verdict: tally.verdicts.get(verdict.label, 0) for verdict in Verdict}
    whole = about | {"count": tally.rows} | {each.label: rows for each, rows in counts.items()}
    policy, footing = context.judging.terms.policy, context.judging.footing
    notes = [SELF_TRUSTED] if footing.is_self else [OWN_CLOCK] if footing.is_by_own_clock else []
    notes += [] if footing.is_audited else [BY_OPERATOR]
    notes.append(RIVALS_HERE)
    notes += [f"Not searched: the dataset {each.hex()[:16]}: {why}" for each, why in context.sets.unsearched]
    gated = Gated(whole, tally, (), tuple(notes), footing.is_self, resumed_rows=resumed)
    by_verdict = dict(counts)
    del by_verdict[Verdict.UNDECIDED]
    gated.failures = policy.failures(by_verdict, gated.reasons)
    return gated


def _binding(about: dict[str, Any], dataset: Dataset, outputs: Outputs, terms: Terms) -> dict[str, Any]:
    """What all pieces of a run have in common."""
    wanted = [str(path.absolute()) if path else None for path in (outputs.admitted, outputs.verdicts)]
    names = ("log_id", "checkpoint_size", "checkpoint_root", "policy", "trust", "at_ms", "column", "ledger")
    witnessed = [] if terms.cosigned is None else sorted(map(repr, (terms.cosigned, *terms.older)))
    return {name: about[name] for name in names} | {
        "state": dataset.state().hex(),
        "outputs": wanted,
        "witnessed": digest_of("\n".join(witnessed)),
    }


@dataclass(slots=True)
class _Piece:
    """A segment that is at work."""

    segment: Segment
    tally: Tally = field(default_factory=Tally)
    keep: bytearray = field(default_factory=bytearray)
    rows: int = 0


class _Run:
    """The segments of a dataset, one after the other; each is finished for itself."""

    def __init__(
        self,
        dataset: Dataset,
        segments: Sequence[Segment],
        outputs: Outputs,
        partial: Partial | None,
        crew: Crew,
        progress: Progress,
    ) -> None:
        self._dataset = dataset
        self._segments = segments
        self._outputs = outputs
        self._partial = partial
        self._crew = crew
        self._progress = progress
        self._staging = None if outputs.admitted is None else Staging(outputs.admitted, dataset, segments)
        self._waiting: list[tuple[_Piece, Future[Any]]] = []
        self._tally = Tally()
        self.resumed_rows = 0

    def go(self, judge: RowJudge, column: str | None) -> Tally:
        """Judges and writes all that is not finished; what was counted in all of it."""
        finished = self._finished()
        runs = look(self._crew, self._dataset, column, _CELLS, segments=self._segments, finished=finished)
        for segment, of_segment in _by_segment(runs):
            self._one(judge, segment, of_segment)
        for piece, answer in self._waiting:
            answer.result()
            self._finish(piece)
        self._waiting.clear()
        return self._tally

    def publish(self, gated: Gated) -> None:
        """Gives what was written its names."""
        verdicts = self._outputs.verdicts
        if verdicts is not None and self._partial is not None:
            if os.path.lexists(verdicts):
                _check_same(verdicts, gated)
            else:
                pieces = [self._partial.verdicts(segment) for segment in self._segments]
                join_verdicts(pieces, verdicts, dict(gated.about))
            gated.verdicts = verdicts
        if self._staging is not None:
            gated.admitted = self._staging.publish()
        if self._partial is not None:
            self._partial.remove()

    def _finished(self) -> dict[Segment, int]:
        found: dict[Segment, int] = {}
        for segment in self._segments if self._partial is not None else ():
            known = self._partial.finished(segment) if self._partial is not None else None
            if known is not None:
                found[segment], tally = known
                self._tally.merge(tally)
        self.resumed_rows = sum(found.values())
        return found

    def _one(self, judge: RowJudge, segment: Segment, runs: Iterable[Looked]) -> None:
        piece = _Piece(segment)
        with self._writing(segment) as add:
            for judged in judge.blocks(runs, piece.tally):
                add(judged.verdicts)
                if self._staging is not None:
                    piece.keep += judged.keep
                piece.rows += judged.block.row_count
                self._report(judged, piece)
        if self._staging is None:
            self._finish(piece)
            return
        self._waiting.append((piece, self._staging.submit(self._crew, segment, bytes(piece.keep))))
        piece.keep = bytearray()
        while self._waiting and self._waiting[0][1].done():
            first, answer = self._waiting.pop(0)
            answer.result()
            self._finish(first)

    @contextmanager
    def _writing(self, segment: Segment) -> Iterator[Callable[[VerdictBlock], None]]:
        if self._partial is None or self._outputs.verdicts is None:
            yield lambda _block: None
            return
        with writing_verdicts(self._partial.verdicts(segment)) as add:
            yield add

    def _finish(self, piece: _Piece) -> None:
        if self._partial is not None:
            self._partial.finish(piece.segment, piece.rows, piece.tally)
        self._tally.merge(piece.tally)

    def _report(self, judged: JudgedBlock, piece: _Piece) -> None:
        """Rows that are judged, of about how many there are."""
        run = judged.block.runs[-1]
        done = run.row_index + run.batch.row_count
        total = self._dataset.row_count
        if total is None:
            before = sum(part.size_bytes for part in self._dataset.parts[: run.part.number])
            at = run.batch.end if run.batch.end >= 0 else piece.segment.start
            total = round(done * self._dataset.size_bytes / (before + at)) if before + at else None
        self._progress(done, total)


def _by_segment(runs: Iterable[Looked]) -> Iterator[tuple[Segment, Iterator[Looked]]]:
    """The runs of each segment."""
    runs = iter(runs)
    for first in runs:

        def of_segment(run: Looked = first) -> Iterator[Looked]:
            yield run
            while not run.is_last:
                run = next(runs)
                yield run

        yield first.segment, of_segment()


def _check_same(path: Path, gated: Gated) -> None:
    """Raises RefusedInput `file-exists` unless the verdict file that is there is the one that an interrupted run finished."""
    try:
        with open_verdicts(path) as held:
            is_same = dict(held.about) == dict(gated.about)
    except (ProofInvalid, RefusedInput):
        is_same = False
    if not is_same:
        raise file_exists(path)

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

from ledger import spec
from ledger.api.around import Progress, silent
from ledger.api.gate.claims import ClaimFinder
from ledger.api.gate.column import ROWS as COLUMN_ROWS
from ledger.api.gate.column import check_column, choose_column
from ledger.api.gate.judging import Judging, Terms
from ledger.api.gate.partial import SUFFIX, Partial, is_named, open_partial
from ledger.api.gate.result import Gated
from ledger.api.gate.salted import Salted
from ledger.api.gate.shown import ShownLog, ShownRows
from ledger.api.gate.terms import BY_OPERATOR, OWN_CLOCK
from ledger.api.gate.verdicts import JudgedBlock, RowJudge
from ledger.datasets.crew import Crew, worker_count
from ledger.datasets.dataset import Dataset, Segment
from ledger.datasets.looking import Looked, look
from ledger.datasets.memory import MemoryDataset
from ledger.datasets.outputs import check_folder, file_exists, told
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT
from ledger.datasets.staging import Staging, check_apart
from ledger.datasets.verdict_file import VerdictBlock, join_verdicts, open_verdicts, writing_verdicts
from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.lattice import Verdict
from ledger.origin.tally import Tally
from ledger.statements.statement import log_id

_CELLS: Final = (LINEAGE_ID, LINEAGE_SALT)
_NOTES_MAX: Final = 16  # datasets that were not searched and are named
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
        return out.with_name(out.name + SUFFIX) if out is not None and out.name else None

    @property
    def named(self) -> list[Path]:
        """All of them."""
        return [path for path in (self.admitted, self.verdicts, self.report) if path is not None]

    @property
    def is_admitted_named(self) -> bool:
        """Whether an interrupted run came so far that its admitted rows have their name."""
        return (
            self.admitted is not None and self.partial is not None and is_named(self.partial, self.admitted)
        )

    def check(self, *, resume: bool) -> None:
        """Raises RefusedInput `usage`, `file-exists`: nothing is written over; StoreFault `output-failed` where nothing could be written, as far as can be told before."""
        named = self.named
        if any(path == Path() or "\0" in str(path) for path in named):
            raise RefusedInput(
                "usage", "outputs", "one of them has no name, or a zero byte in it", "Name a file."
            )
        if len({os.path.realpath(path) for path in named}) < len(named):
            raise RefusedInput("usage", "outputs", "two of them have one name", "Name each apart.")
        partial = None if self.partial is None else Path(os.path.realpath(self.partial))
        if any(partial in (real := Path(os.path.realpath(path)), *real.parents) for path in named):
            raise RefusedInput(
                "usage",
                "outputs",
                "one of them lies where unfinished work does, which is removed when it is finished",
                "Name it elsewhere.",
            )
        if resume and self.partial is None:
            raise RefusedInput(
                "usage",
                "--resume",
                "nothing is written that could be gone on with",
                "Name --admitted or --verdicts.",
            )
        for path in named:
            # What an interrupted run finished is compared when everything else is there, too.
            is_own = resume and (path == self.verdicts or (path == self.admitted and self.is_admitted_named))
            if os.path.lexists(path) and not is_own:
                raise file_exists(path)
            check_folder(path)


@dataclass(slots=True)
class _Context:
    """What a run has at hand of a log as it is shown."""

    shown: ShownLog
    judging: Judging
    sets: ShownRows
    judge: RowJudge
    about: dict[str, Any]


class Scene(NamedTuple):
    """Where and by what is judged. `relied`: called when it is certain that something is judged by this log checkpoint."""

    shown: ShownLog
    terms: Terms
    relied: Callable[[], object]


@contextmanager
def _context(scene: Scene, crew: Crew) -> Iterator[_Context]:
    shown, terms, relied = scene
    judging = Judging(shown, terms)
    relied()
    sets = shown.rows(crew, judging.spoken)
    if terms.policy.decides:
        judging.check_searched(sets.unsearched)
    with shown.salts() as salts:
        finder = ClaimFinder(shown, sets, Salted(shown, salts))
        yield _Context(shown, judging, sets, RowJudge(finder, judging), _about(shown, terms))


def _about(shown: ShownLog, terms: Terms) -> dict[str, Any]:
    checkpoint = shown.checkpoint
    return {
        "v": 1,
        "log_origin": shown.vkey.name,
        "log_id": log_id(str(shown.vkey)).hex(),
        "checkpoint_size": checkpoint.size,
        "checkpoint_root": checkpoint.root.hex(),
        "checkpoint": checkpoint.digest.hex(),
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
            said = dict.fromkeys(name for part in dataset.parts for name in part.columns or ())
            column = choose_column(dataset, list(said), scene.shown, context.sets)
        elif column is not None and any(part.columns is None for part in dataset.parts):
            check_column(dataset, column)
        about = context.about | {"column": column, "dataset": dataset.item.rsplit("/", 1)[-1]}
        segments = dataset.segments(spec.SEGMENT_BYTES)
        for path in outputs.named:
            check_apart(path, dataset)
        staging = None
        if outputs.admitted is not None and not (reading.resume and outputs.is_admitted_named):
            staging = Staging(outputs.admitted, dataset, segments)
        partial = None
        if outputs.partial is not None:
            binding = _binding(about, dataset, outputs, scene)
            partial = stack.enter_context(open_partial(outputs.partial, binding, resume=reading.resume))
        run = _Run(dataset, segments, outputs, (partial, staging), crew, reading.progress)
        tally = run.go(context.judge, column)
        gated = _gated(about, tally, context, resumed=run.resumed_rows)
        gated.notes = (*gated.notes, *_left_out(dataset))
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
            column = choose_column(first, (), scene.shown, context.sets)
        about = context.about | {"column": column, "dataset": source.item}
        tally = Tally()
        blocks = [judged.verdicts for judged in context.judge.blocks(source.look(column, _CELLS), tally)]
        gated = _gated(about, tally, context)
        gated._source, gated._blocks = source, blocks  # noqa: SLF001 - its own maker
        return gated


def _left_out(dataset: Dataset) -> list[str]:
    counts = (
        (dataset.hidden, "hidden"),
        (dataset.companions, "receipts, salts and proofs beside their files"),
        (dataset.foreign, "of no dataset format"),
    )
    told = [f"{count:,} {what}" for count, what in counts if count]
    return [f"Files and folders left out: {', '.join(told)}."] if told else []


def _gated(about: dict[str, Any], tally: Tally, context: _Context, resumed: int = 0) -> Gated:
    counts = {verdict: tally.verdicts.get(verdict.label, 0) for verdict in Verdict}
    whole = about | {"count": tally.rows} | {each.label: rows for each, rows in counts.items()}
    policy, footing = context.judging.terms.policy, context.judging.footing
    notes = (
        [context.shown.self_trusted] if footing.is_self else [OWN_CLOCK] if footing.is_by_own_clock else []
    )
    notes += [] if footing.is_audited else [BY_OPERATOR]
    notes.append(context.shown.rivals)
    unsearched = context.sets.unsearched
    notes += [f"Not searched: the dataset {each.hex()[:16]}: {why}" for each, why in unsearched[:_NOTES_MAX]]
    if len(unsearched) > _NOTES_MAX:
        notes.append(f"Not searched: {len(unsearched) - _NOTES_MAX:,} datasets more.")
    gated = Gated(whole, tally, (), tuple(notes), footing.is_self, resumed_rows=resumed)
    by_verdict = dict(counts)
    del by_verdict[Verdict.UNDECIDED]
    gated.failures = policy.failures(by_verdict, gated.reasons)
    return gated


def _binding(about: dict[str, Any], dataset: Dataset, outputs: Outputs, scene: Scene) -> dict[str, Any]:
    """What all pieces of a run have in common."""
    wanted = [str(path.absolute()) if path else None for path in (outputs.admitted, outputs.verdicts)]
    names = ("log_id", "checkpoint_size", "checkpoint_root", "policy", "trust", "at_ms", "column", "ledger")
    terms = scene.terms
    witnessed = [] if terms.cosigned is None else sorted(map(repr, (terms.cosigned, *terms.older)))
    return {name: about[name] for name in names} | {
        "proof": scene.shown.proof,
        "state": dataset.state().hex(),
        "outputs": wanted,
        "witnessed": hashlib.sha256("\n".join(witnessed).encode()).hexdigest(),
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
        unfinished: tuple[Partial | None, Staging | None],
        crew: Crew,
        progress: Progress,
    ) -> None:
        self._dataset = dataset
        self._segments = segments
        self._outputs = outputs
        self._partial, self._staging = unfinished
        self._crew = crew
        self._progress = progress
        self._waiting: list[tuple[_Piece, Future[Any]]] = []
        self._tally = Tally()
        self.resumed_rows = 0

    def go(self, judge: RowJudge, column: str | None) -> Tally:
        """Judges and writes all that is not finished; what was counted in all of it."""
        finished = self._finished()
        if self.resumed_rows:
            self._progress(self.resumed_rows, None)  # from where on rows are counted
        runs = look(self._crew, self._dataset, column, _CELLS, segments=self._segments, finished=finished)
        for segment, of_segment in _by_segment(runs):
            self._one(judge, segment, of_segment)
        for piece, answer in self._waiting:
            answer.result()
            self._finish(piece)
        self._waiting.clear()
        return self._tally

    def publish(self, gated: Gated) -> None:
        """Gives what was written its names, when all of it is there."""
        admitted = None if self._staging is None else self._staging.assemble()
        verdicts = self._outputs.verdicts
        if verdicts is not None and self._partial is not None:
            if os.path.lexists(verdicts):
                _check_same(verdicts, gated)
            else:
                pieces = [self._partial.verdicts(segment) for segment in self._segments]
                scratch = _beside(self._partial.folder, verdicts)
                join_verdicts(pieces, verdicts, dict(gated.about), scratch=scratch)
            gated.verdicts = verdicts
        if self._staging is not None and self._partial is not None and admitted is not None:
            self._partial.name(admitted)
            self._staging.publish()
        gated.admitted = self._outputs.admitted
        if self._partial is not None:
            self._partial.remove()

    def _finished(self) -> dict[Segment, int]:
        found: dict[Segment, int] = {}
        if self._partial is None:
            return found
        has_verdicts = self._outputs.verdicts is not None and os.path.lexists(self._outputs.verdicts)
        for segment in self._segments:
            verdicts, admitted = self._pieces(segment)
            if has_verdicts:  # under their own name, where they are compared
                verdicts = None
            if self._staging is not None and self._staging.is_put(segment.part):
                admitted = None
            known = self._partial.finished(segment, (verdicts, admitted))
            if known is not None:
                found[segment], tally = known
                self._tally.merge(tally)
        self.resumed_rows = sum(found.values())
        return found

    def _pieces(self, segment: Segment) -> tuple[Path | None, Path | None]:
        """Where the pieces of a segment lie: verdicts, and admitted rows; None: there are none."""
        verdicts = admitted = None
        if self._partial is not None and self._outputs.verdicts is not None:
            verdicts = self._partial.verdicts(segment)
        if self._staging is not None:
            admitted = self._staging.path(segment)
        return verdicts, admitted

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
            self._partial.finish(piece.segment, piece.rows, piece.tally, self._pieces(piece.segment))
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


def _beside(folder: Path, out: Path) -> Path | None:
    """The folder, if what is made in it can take a name where `out` is to be: nothing then stays elsewhere if that is interrupted."""
    with told(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        return folder if folder.stat().st_dev == out.parent.stat().st_dev else None


def _check_same(path: Path, gated: Gated) -> None:
    """Raises RefusedInput `file-exists` unless the verdict file that is there is the one that an interrupted run finished."""
    try:
        with open_verdicts(path) as held:
            is_same = dict(held.about) == dict(gated.about)
    except (ProofInvalid, RefusedInput):
        is_same = False
    if not is_same:
        raise file_exists(path)

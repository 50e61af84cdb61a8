"""Looks at all rows of a dataset with a crew of workers, and tells of them in order: digests, forms, faults, what they say of their lineage.

    with Crew(worker_count()) as crew:
        for run in look(crew, dataset, "text", (LINEAGE_ID, LINEAGE_SALT)):
            run.row_index                     # of the run's first row, in the dataset
            run.batch.digests, .forms         # 32 bytes and one number a row
            for offset, error in run.errors(): ...
            for offset, cells in run.cells(): ...
            run.is_last                       # of its segment: all of that was read

Faulty rows are told and passed over (`wanted`: lenient); what ends the reading is raised where it stands, behind the runs before it. Some runs are out at any time, so
memory does not grow with the dataset, and the order of the answers is that of the rows, whoever was quicker.

Files whose rows can be gone to directly are read by the workers. What has to be unpacked or searched for the ends of its rows is read here, and handed out in blocks.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import Dataset, Part, Segment
from ledger.datasets.files import RegularFile, file_changed, printable
from ledger.datasets.formats import FILES, LINES, TABLES
from ledger.datasets.gathered import Gathered, RowBatch, cell_of, row_batch_of
from ledger.datasets.line_formats import LineFormat, TooLong, line_item, read_format
from ledger.datasets.look_tasks import packed_wanted
from ledger.datasets.reading import reached
from ledger.datasets.rows import LINEAGE_SALT, dataset_empty, row_item, too_big
from ledger.datasets.streams import Stream
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

_AHEAD_LEAST: Final = 8  # runs that are out at once
_AHEAD_EACH: Final = 96  # more of them for each worker: while what was looked at is judged, the workers go on
_WEIGHT_ROWS: Final = 2_048  # of a table that count as much as a run of lines
_WEIGHT_HELD: Final = 8  # of a run that is held in memory itself
_DENSE_ROWS: Final = 8_192  # of a run: where runs have more rows, fewer of them are out
_TABLE_ROWS_MAX: Final = 65_536  # rows of a table in one run
_FILES_MAX: Final = 256  # files that are rows, in one run
_FILES_BYTES_MAX: Final = 67_108_864
_BEGIN_BYTES: Final = 65_536  # by which the lines of a segment are known to be short
_LINES_MAX: Final = 32_768  # of a run, about
_NO_CONTENTS: Final[frozenset[int]] = frozenset()


# Looks at a run, and keeps the contents of the rows at these offsets, counted from the run's first row. The run may be a part of one: the
# rows from one offset on up to another, if it can be gone to directly.
Ask = Callable[[frozenset[int]], Future[Any]]
HashBehind = Callable[[bytes], bytes]  # gives SHA-256 of some bytes and a row's content behind them
AskPart = Callable[[frozenset[int], int, int], Future[Any]]


class Looked(NamedTuple):
    """A run of rows that stand together in one segment.

    `row_index`: the first row's, in the dataset; `part_row`: in its part; `line`: where it begins in the file, of lines.
    `ask` looks at it once more; `held_bytes`: what is kept in memory for that.
    """

    part: Part
    segment: Segment
    batch: RowBatch
    row_index: int
    part_row: int
    line: int
    names: tuple[str, ...]  # of the cells asked for
    is_last: bool
    ask: Ask | None = None
    held_bytes: int = 0
    ask_part: AskPart | None = None

    def errors(self) -> Iterator[tuple[int, RefusedInput]]:
        """The faulty rows: offset in the run, and why it is none."""
        for offset, reason, line in self.batch.faults:
            code, why, fix = self.batch.reasons[reason]
            yield offset, RefusedInput(code, self._where(offset, line), why, fix)

    def cells(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows that have any of the cells asked for, those which are not null: offset in the run, and the cells."""
        found: dict[int, dict[str, Any]] = {}
        for offset, name, value in self.batch.cells:
            found.setdefault(offset, {})[self.names[name]] = cell_of(value)
        yield from sorted(found.items())

    def salted(self) -> Iterator[tuple[int, dict[str, Any], HashBehind]]:
        """The rows that bring a salt: offset in the run, cells, and what hashes their content. That raises RefusedInput of a file."""
        contents = dict(self.batch.sealed)
        for offset, cells in self.cells():
            if LINEAGE_SALT in cells:
                yield offset, cells, self._hash_behind(offset, contents)

    def contents(self, offsets: Iterable[int], bytes_max: int = spec.ROW_BYTES_MAX) -> dict[int, bytes]:
        """The contents of some rows, by their offsets, cut after so many bytes; faulty rows have none. The run is read once more.

        Raises RefusedInput of the file, file-changed where it is another by now; and as `look`.
        """
        wanted = frozenset(offsets)
        if self.part.format.name == FILES:
            return {at: self.part.begin_of_file(self.part_row + at, bytes_max) for at in wanted}
        if not wanted or self.ask is None:
            return {}
        first = 0 if self.ask_part is None else min(wanted)
        stop = self.batch.row_count if self.ask_part is None else max(wanted) + 1
        shifted = frozenset(at - first for at in wanted)
        try:
            answer = self.ask(wanted) if self.ask_part is None else self.ask_part(shifted, first, stop)
            again = row_batch_of(answer.result())
        except RefusedInput as error:
            raise reached(error, printable(self.part.path), self.part_row) from error
        if again.digests != self.batch.digests[first * spec.HASH_BYTES : stop * spec.HASH_BYTES]:
            raise file_changed(self.part.path)
        return {first + at: content[:bytes_max] for at, content in again.sealed if at in shifted}

    def behind(self, offsets: Iterable[int]) -> Iterator[tuple[int, HashBehind]]:
        """Of these rows what hashes their content. Raises as `contents`."""
        is_files = self.part.format.name == FILES
        contents = {} if is_files else self.contents(offsets)
        for at in offsets if is_files else contents:
            yield at, self._hash_behind(at, contents)

    def _hash_behind(self, offset: int, contents: Mapping[int, bytes]) -> HashBehind:
        """Of a row that is a file the content stays there, and is read when it is hashed."""
        if self.part.format.name == FILES:
            return partial(self.part.hash_file, self.part_row + offset)
        return partial(_hash_behind, contents[offset])

    def _where(self, offset: int, line: int) -> str:
        part, row = self.part, self.part_row + offset
        if part.format.name == FILES:
            return printable(part.path / part.files[row].name)
        item = printable(part.path)
        if part.format.name not in LINES:
            return row_item(item, row, is_line=False)
        return line_item(item, row, self.line + line)


def _hash_behind(content: bytes, before: bytes) -> bytes:
    return hashlib.sha256(before + content).digest()


class _Asked(NamedTuple):
    """A run that is out."""

    segment: Segment
    answer: Future[Any]
    is_last: bool
    wanted: Wanted
    line: int = 0  # lines before the part's first row
    ask: Ask | None = None
    held_bytes: int = 0
    ask_part: AskPart | None = None
    weight: int = 1  # how many runs of lines it takes as much memory as


def look(
    crew: Crew,
    dataset: Dataset,
    column: str | None,
    cells: Sequence[str] = (),
    *,
    segments: Sequence[Segment] | None = None,
    finished: Mapping[Segment, int] | None = None,
) -> Iterator[Looked]:
    """All rows in order, in runs. `finished`: segments that are passed over, with the rows that each is known to have; `segments`: all of them, where they are known.

    Raises RefusedInput as `Dataset.rows(lenient=True)`; StoreFault `worker-died`.
    """
    dataset.check_column(column)
    known = finished or {}
    plan = _plan(
        crew, dataset, column, tuple(cells), dataset.segments() if segments is None else segments, known
    )
    ahead = _AHEAD_LEAST + _AHEAD_EACH * crew.size if crew.size else 1
    return _in_order(dataset, plan, ahead, crew.size + 1)


class _Skipped(NamedTuple):
    """A segment that is passed over."""

    segment: Segment
    rows: int
    weight: int = 0


def _in_order(
    dataset: Dataset, plan: Iterator[_Asked | _Skipped], ahead: int, ahead_least: int
) -> Iterator[Looked]:
    """The answers, in order. `ahead`: the weight of all that is out at once; `ahead_least`: runs that keep all workers at work."""
    out: deque[_Asked | _Skipped] = deque()
    row_index = part_row = line = weight = 0
    dense = ahead  # by how much rows of a run take more memory than its weight says: of none is known before the first answer
    end = 0  # in the file, of the last line that was read
    number = -1
    while True:
        least = min(ahead, ahead_least)
        while (weight * dense < ahead or len(out) < least) and (asked := next(plan, None)) is not None:
            out.append(asked)
            weight += asked.weight
        if not out:
            return
        asked = out.popleft()
        weight -= asked.weight
        segment = asked.segment
        part = dataset.parts[segment.part]
        if number != segment.part:
            number, part_row, line, end = segment.part, 0, 0, 0
        if isinstance(asked, _Skipped):
            row_index, part_row, end = row_index + asked.rows, part_row + asked.rows, segment.stop
            line = part_row
            continue
        batch = _answer(asked, part, part_row)
        dense = max(1, batch.row_count // (_DENSE_ROWS * asked.weight))
        line = line or asked.line
        if batch.first >= 0:
            if batch.first != end:  # two workers saw two states of the file
                raise file_changed(part.path)
            end = batch.end
        found = Looked(
            part,
            segment,
            batch,
            row_index,
            part_row,
            line,
            asked.wanted.cells,
            asked.is_last,
            asked.ask,
            asked.held_bytes,
            asked.ask_part,
        )
        row_index, part_row = row_index + batch.row_count, part_row + batch.row_count
        line += batch.lines
        if asked.is_last and not part_row and not part.is_cut:
            raise dataset_empty(printable(part.path))
        yield found
        if batch.ended is not None:
            raise reached(
                RefusedInput(batch.ended[0], "row", *batch.ended[1:]), printable(part.path), part_row
            )


def _answer(asked: _Asked, part: Part, part_row: int) -> RowBatch:
    try:
        return row_batch_of(asked.answer.result())
    except RefusedInput as error:
        raise reached(error, printable(part.path), part_row) from error


def _plan(
    crew: Crew,
    dataset: Dataset,
    column: str | None,
    cells: tuple[str, ...],
    segments: Sequence[Segment],
    finished: Mapping[Segment, int],
) -> Iterator[_Asked | _Skipped]:
    """Hands out the runs, in order."""
    for segment in segments:
        part = dataset.parts[segment.part]
        if segment in finished:
            yield _Skipped(segment, finished[segment])
            continue
        wanted = part.wanted(column, cells)
        if part.format.name == FILES:
            yield from _ask_files(crew, part, segment, wanted)
        elif part.format.name in TABLES:
            yield from _ask_rows(crew, part, segment, wanted)
        elif part.is_cut:
            yield from _ask_lines(crew, part, segment, wanted)
        else:
            yield from _ask_blocks(crew, part, segment, wanted)


def _ask_lines(crew: Crew, part: Part, segment: Segment, wanted: Wanted) -> Iterator[_Asked]:
    step = _stretch_bytes(part, segment)
    for start in range(segment.start, segment.stop, step):
        stop = min(start + step, segment.stop)
        ask = _asking(crew, "look at lines", part, wanted, start, stop)
        yield _Asked(segment, ask(_NO_CONTENTS), stop == segment.stop, wanted, ask=ask)


def _stretch_bytes(part: Part, segment: Segment) -> int:
    """How many bytes a run of lines has: fewer where they are short, since a digest takes more room than such a line."""
    with RegularFile(part.path) as file:
        begin = file.read_at(segment.start, min(_BEGIN_BYTES, segment.stop - segment.start))
    lines = begin.count(b"\n") + 1
    return min(spec.STRETCH_BYTES, max(len(begin) * _LINES_MAX // lines, 1))


def _asking_part(crew: Crew, part: Part, wanted: Wanted, run: int) -> AskPart:
    """Of the run of a table that begins with row `run`: no more of it need be read than the rows that are asked for."""

    def ask(contents: frozenset[int], first: int, stop: int) -> Future[Any]:
        return _asking(crew, "look at rows", part, wanted, run + first, run + stop)(contents)

    return ask


def _asking(crew: Crew, task: str, part: Part, wanted: Wanted, start: int, stop: int) -> Ask:
    path, fingerprint = os.fspath(part.path), list(part.fingerprint)

    def ask(contents: frozenset[int]) -> Future[Any]:
        packed = packed_wanted(replace(wanted, contents=contents))
        submit = crew.submit_first if contents else crew.submit
        return submit(task, path, fingerprint, part.format.name, packed, start, stop)

    return ask


def _ask_rows(crew: Crew, part: Part, segment: Segment, wanted: Wanted) -> Iterator[_Asked]:
    at = segment.start
    for group_end in part.ends:
        while at < min(group_end, segment.stop):
            stop = min(at + _TABLE_ROWS_MAX, group_end, segment.stop)
            ask = _asking(crew, "look at rows", part, wanted, at, stop)
            ask_part = _asking_part(crew, part, wanted, at)
            weight = 1 + (stop - at) // _WEIGHT_ROWS
            yield _Asked(
                segment,
                ask(_NO_CONTENTS),
                stop == segment.stop,
                wanted,
                ask=ask,
                ask_part=ask_part,
                weight=weight,
            )
            at = stop


def _ask_files(crew: Crew, part: Part, segment: Segment, wanted: Wanted) -> Iterator[_Asked]:
    folder, packed = os.fspath(part.path), packed_wanted(wanted)
    at = segment.start
    while at < segment.stop:
        stop, size_bytes = at, 0
        while stop < min(segment.stop, at + _FILES_MAX) and (stop == at or size_bytes < _FILES_BYTES_MAX):
            size_bytes += part.files[stop].fingerprint.size_bytes
            stop += 1
        entries = [[entry.name, list(entry.fingerprint)] for entry in part.files[at:stop]]
        yield _Asked(
            segment, crew.submit("look at files", folder, entries, packed), stop == segment.stop, wanted
        )
        at = stop


def _ask_blocks(crew: Crew, part: Part, segment: Segment, wanted: Wanted) -> Iterator[_Asked]:
    """Reads the part here; what ends that is the answer behind the runs before it."""
    try:
        with RegularFile(part.path) as file:
            file.check_is(part.fingerprint)
            stream = Stream(file, part.format.packing)
            format_ = read_format(part.path, part.format.name, wanted, stream.read)
            yield from _ask_stream(crew, part, segment, wanted, format_, stream)
            file.check_is(part.fingerprint)
        yield _Asked(segment, known(RowBatch()), True, wanted, format_.header_lines)
    except RefusedInput as error:
        failed: Future[Any] = Future()
        failed.set_exception(error)
        yield _Asked(segment, failed, True, wanted)


def _ask_stream(
    crew: Crew, part: Part, segment: Segment, wanted: Wanted, format_: LineFormat, stream: Stream
) -> Iterator[_Asked]:
    held: list[bytes] = []
    held_bytes = 0
    is_first = True

    def asked(answer: Future[Any], ask: Ask | None = None, size_bytes: int = 0) -> _Asked:
        return _Asked(
            segment, answer, False, wanted, format_.header_lines, ask, size_bytes, weight=_WEIGHT_HELD
        )

    def ask_held() -> _Asked:
        block, first = b"".join(held), is_first

        def ask(contents: frozenset[int]) -> Future[Any]:
            packed = packed_wanted(replace(wanted, contents=contents))
            submit = crew.submit_first if contents else crew.submit
            return submit("look at block", part.format.name, packed, format_.header, block, first)

        return asked(ask(_NO_CONTENTS), ask, len(block))

    ended: RefusedInput | None = None
    blocks = format_.blocks(stream.read)
    while True:
        try:
            block = next(blocks, None)
        except RefusedInput as error:  # what was read before are rows all the same
            ended, block = error, None
        is_block = block is not None and not isinstance(block, TooLong)
        if held and (not is_block or held_bytes >= spec.STRETCH_BYTES):
            yield ask_held()
            held, held_bytes, is_first = [], 0, False
        if block is None:
            break
        if not isinstance(block, TooLong):
            held.append(block)
            held_bytes += len(block)
        elif block:
            yield asked(known(_one_too_long(wanted, block)))
            is_first = False
    if ended is not None:
        raise ended


def _one_too_long(wanted: Wanted, lines: int) -> RowBatch:
    found = Gathered(wanted.cells)
    found.fault(too_big())
    found.lines = lines
    return found.batch()


def known(batch: RowBatch) -> Future[Any]:
    """An answer that is there already."""
    answer: Future[Any] = Future()
    answer.set_result(batch)
    return answer

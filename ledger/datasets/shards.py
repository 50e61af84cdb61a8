"""Shards: the files of a dataset that is imported, looked at before the first is read, then digested in order (SPEC §10.7).

What can be seen without reading a shard whole (that it is empty, no Parquet, has no such column, is not to be opened) is seen before
anything is signed. Then parts of it go out to a crew, and their digests come back in the order of the rows, whoever was
quicker: the first row that is refused is the first one in the file.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.crew import Crew
from ledger.datasets.digests import NO_LINE, Digested, Fault
from ledger.datasets.files import Fingerprint, RegularFile, check_in_place, file_changed, printable, walk
from ledger.datasets.formats import Format, by_name
from ledger.datasets.look_tasks import packed_wanted
from ledger.datasets.naming import Found, partition_of
from ledger.datasets.opened import PARQUET as PARQUET_SUFFIXES
from ledger.datasets.opened import TEXT as TEXT_SUFFIXES
from ledger.datasets.opened import suffix_of
from ledger.datasets.rows import column_missing, dataset_empty, row_item
from ledger.datasets.stretches import Stretch
from ledger.datasets.tables import RowGroups, look_into
from ledger.datasets.tasks import JSONL, PARQUET, TEXT, digested_of
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

JSONL_SUFFIXES: Final = frozenset({".jsonl", ".ndjson"})
_TAKEN: Final = (Format(JSONL), Format(TEXT), Format(PARQUET))
_PARTS_MAX: Final = 256  # parts that are out, or back and not asked for yet
_PARTS_LEAST: Final = 8
_TABLE_ROWS_MAX: Final = 131_072  # rows of a table in one part
_TABLE_PARTS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Shard:
    """One file, as it was when it was first looked at; `groups` where it is Parquet; `partition`: the cells that its folders tell."""

    path: Path
    format: str
    fingerprint: Fingerprint
    groups: RowGroups | None = None
    partition: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """Its length."""
        return self.fingerprint.size_bytes


class Survey(NamedTuple):
    """The shards that some paths mean; and how many files of folders were passed over: hidden ones, receipts and salts, and such
    as are of no dataset format.
    """

    shards: list[Shard]
    hidden: int
    companions: int
    foreign: int


def survey(paths: Sequence[str | os.PathLike[str]], column: str | None) -> Survey:
    """Looks at every shard, in the order in which they will be read; nothing but Parquet's footers is read.

    A file that is named is taken by its suffix, JSON Lines where that says nothing; in a folder only files with a suffix of
    JSON Lines, Parquet or text count. Raises RefusedInput as `walk` and `look_into`; dataset-empty, column-missing, no-paths.
    """
    walked = walk(paths)
    named = {os.path.realpath(path) for path in paths}
    known = JSONL_SUFFIXES | PARQUET_SUFFIXES | TEXT_SUFFIXES
    wanted = [path for path in walked.files if os.path.realpath(path) in named or suffix_of(path) in known]
    if not wanted:
        raise RefusedInput(
            "no-paths",
            printable(paths[0]),
            "no file in it is of a dataset format, by its name",
            f"Name a file itself, or use one of the suffixes {', '.join(sorted(known))}",
        )
    folders = [Path(path) for path in paths if Path(path).is_dir()]
    shards = [_look_at(path, column, _partition(path, folders)) for path in wanted]
    return Survey(shards, walked.hidden_count, walked.companion_count, len(walked.files) - len(wanted))


def _partition(path: Path, folders: Sequence[Path]) -> Mapping[str, str | None]:
    """The columns that the folders below the one that was named tell (SPEC §4.2)."""
    base = next((folder for folder in folders if path.is_relative_to(folder)), None)
    return partition_of(Found(path, base))


def _look_at(path: Path, column: str | None, partition: Mapping[str, str | None]) -> Shard:
    suffix = suffix_of(path)
    with RegularFile(path) as file:
        fingerprint = file.fingerprint
    said = by_name(path)
    if said is not None and said not in _TAKEN:
        raise RefusedInput(
            "format-unknown",
            printable(path),
            "import takes JSON Lines, texts and Parquet, not packed, and its name says another format",
            "Write it as one of these, or sign its rows",
        )
    if suffix in PARQUET_SUFFIXES:
        groups = look_into(path, None if column in partition else column)
        return Shard(path, PARQUET, fingerprint, groups, partition)
    if suffix in TEXT_SUFFIXES and column is not None:
        missing = column_missing(column, ())
        raise RefusedInput(
            missing.code, printable(path), "a text is taken by line, and has no columns", "Take whole lines"
        )
    if not fingerprint.size_bytes:
        raise dataset_empty(printable(path))
    return Shard(path, TEXT if suffix in TEXT_SUFFIXES else JSONL, fingerprint, partition=partition)


@dataclass(slots=True)
class Progress:
    """How far a shard is read: `rows` rows, which end at byte `offset` of its lines.

    `checked` bytes from its beginning on have the checksums whose chain is `chain` (SPEC §10.7); of a table, all of them.
    """

    rows: int = 0
    offset: int = 0
    checked: int = 0
    chain: bytes = b""


def checked_to(crew: Crew, shard: Shard, progress: Progress, stop: int) -> Progress:
    """The same progress with the chain over the shard's first `stop` bytes, from where it was checked before on.

    Raises RefusedInput of the file.
    """
    chain = progress.chain
    waiting: deque[Future[Any]] = deque()
    for start in range(progress.checked, stop, spec.STRETCH_BYTES):
        end = min(start + spec.STRETCH_BYTES, stop)
        waiting.append(crew.submit("checksum", os.fspath(shard.path), list(shard.fingerprint), start, end))
        if len(waiting) >= _PARTS_MAX:
            chain = _extended(chain, waiting.popleft().result())
    for answer in waiting:
        chain = _extended(chain, answer.result())
    return replace(progress, checked=stop, chain=chain)


def _extended(chain: bytes, crc: int) -> bytes:
    """The chain with the checksum of the next stretch."""
    return hashlib.sha256(chain + crc.to_bytes(4, "big")).digest()


class ShardReader:
    """The digests of a shard's rows, from where a progress stands on; its own `progress` goes on as they are taken.

    Of lines the chain goes on, too, stretch by stretch, as far as they were read. Parts end where `rows_each` rows do.
    """

    def __init__(
        self, crew: Crew, shard: Shard, column: str | None, progress: Progress, rows_each: int = spec.ROWS_MAX
    ) -> None:
        """Raises RefusedInput of the file."""
        self.progress = replace(progress)
        self._crew = crew
        self._shard = shard
        self._column = column
        self._rows_each = rows_each
        self._out: deque[tuple[Stretch, Future[Any]]] = deque()
        if shard.groups is None:
            begun = -progress.offset % spec.STRETCH_BYTES  # bytes of its stretch behind the offset
            if progress.offset > progress.checked:
                stop = min(progress.offset + begun, shard.size_bytes)
                self.progress = checked_to(crew, shard, progress, stop)
            self._plan = self._lines()
        else:
            self._plan = self._tables(shard.groups)
        self._bytes_in = self._rows_in = 1  # of the parts that came back

    def take(self) -> Digested:
        """The next digests, no more than up to the end of a group of `rows_each`; none only where the shard has ended.

        Raises RefusedInput that names file and row of the first row that is refused, and of the file itself.
        """
        while self._fill():
            stretch, answer = self._out.popleft()
            found = digested_of(answer.result())
            self._came(stretch, found)
            room = self._rows_each - self.progress.rows % self._rows_each
            if found.rows > room:
                found = self._cut(stretch, found, room)
            elif found.fault is not None:
                if not found.rows:
                    raise self._refused(found.fault)
                self._out.appendleft((stretch, _known(Digested(b"", 0, 0, found.fault))))
            if found.rows:
                self.progress.rows += found.rows
                self.progress.offset = max(self.progress.offset, found.end)
                if self.is_at_end:
                    self._read_on()
                return found
        return Digested(b"", 0, 0)

    @property
    def is_at_end(self) -> bool:
        """Whether all rows were taken."""
        groups = self._shard.groups
        if groups is None:
            return self.progress.offset >= self._shard.size_bytes
        return self.progress.rows >= groups.row_count

    def check_unchanged(self) -> None:
        """Refuse the shard if it was written to, or another file took its place. Raises RefusedInput `file-changed`."""
        check_in_place(self._shard.path, self._shard.fingerprint)

    def _came(self, stretch: Stretch, found: Digested) -> None:
        """What an answer says of the file: its lines go on where the last ones ended; and its bytes."""
        self._bytes_in += stretch.stop - stretch.start
        self._rows_in += found.rows
        if found.first not in (NO_LINE, self.progress.offset):
            raise file_changed(self._shard.path)
        if self._shard.groups is None and found.fault is None and stretch.stop > self.progress.checked:
            self.progress.checked = stretch.stop
            self.progress.chain = _extended(self.progress.chain, found.crc)

    def _read_on(self) -> None:
        """The stretches into which the last line reaches: no line begins in them, but their bytes are part of what was read."""
        while self._fill():
            stretch, answer = self._out.popleft()
            self._came(stretch, digested_of(answer.result()))

    def _cut(self, stretch: Stretch, found: Digested, room: int) -> Digested:
        """The first `room` rows of a stretch, read once more; the others are asked for anew."""
        wanted = Stretch(found.first, stretch.stop, at_line=True, rows_max=room)
        head = digested_of(self._ask(wanted).result())
        if (head.rows, head.fault) != (room, None) or not found.digests.startswith(head.digests):
            raise file_changed(self._shard.path)
        rest = Stretch(head.end, stretch.stop)
        self._out.appendleft((rest, self._ask(rest)))
        return head

    def _refused(self, fault: Fault) -> RefusedInput:
        item = printable(self._shard.path)
        where = row_item(item, self.progress.rows, is_line=self._shard.groups is None)
        return RefusedInput(fault.code, where, fault.reason, fault.fix)

    def _fill(self) -> bool:
        """Hands out parts, as many as may be out; whether any is."""
        while len(self._out) < self._parts_max():
            stretch = next(self._plan, None)
            if stretch is None:
                break
            self._out.append((stretch, self._ask(stretch)))
        return bool(self._out)

    def _parts_max(self) -> int:
        """So many that a crew never waits, and that their digests do not fill the memory."""
        if self._shard.groups is not None:
            return _TABLE_PARTS_MAX
        rows_each = max(1, self._rows_in * spec.STRETCH_BYTES // self._bytes_in)
        return max(_PARTS_LEAST, min(_PARTS_MAX, spec.ROWS_MAX // rows_each))

    def _ask(self, stretch: Stretch) -> Future[Any]:
        path, fingerprint = os.fspath(self._shard.path), list(self._shard.fingerprint)
        wanted = packed_wanted(Wanted(self._column, (), self._shard.partition))
        if self._shard.groups is None:
            return self._crew.submit("lines", path, fingerprint, self._shard.format, wanted, list(stretch))
        return self._crew.submit("rows", path, fingerprint, wanted, stretch.start, stretch.stop)

    def _lines(self) -> Iterator[Stretch]:
        """Stretches of bytes; all but the first begin at a multiple of their length."""
        at, is_first = self.progress.offset, True
        while at < self._shard.size_bytes:
            stop = min(at - at % spec.STRETCH_BYTES + spec.STRETCH_BYTES, self._shard.size_bytes)
            yield Stretch(at, stop, at_line=is_first)
            at, is_first = stop, False

    def _tables(self, groups: RowGroups) -> Iterator[Stretch]:
        """Ranges of rows: whole row groups, or parts of one; none goes over the end of a group of `rows_each`."""
        at = self.progress.rows
        for end in groups.ends:
            while at < end:
                stop = min(at + _TABLE_ROWS_MAX, at - at % self._rows_each + self._rows_each, end)
                yield Stretch(at, stop)
                at = stop


def _known(found: Digested) -> Future[Any]:
    """An answer that is there already."""
    answer: Future[Any] = Future()
    answer.set_result(found)
    return answer

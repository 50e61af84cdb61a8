"""Importing legacy data: records of form `rows` over the shards of a dataset, reported (SPEC §4.2, §10.7).

A shard is cut into records of up to 1,048,576 rows; each is a statement of its own, with one signature. Workers parse and hash; this process
gathers digests, makes the sidecar durable, then has the record appended, then writes down how far it has come. So whatever ends it,
a record that stands has its sidecar, and the same import goes on behind it. What is read again makes the same record,
which is known by its id: nothing is logged twice.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.api.access import Access
from ledger.api.around import Progress, unseen
from ledger.api.sidecars import sweep
from ledger.datasets import shards
from ledger.datasets.crew import Crew, worker_count
from ledger.datasets.digests import RAW, Digested
from ledger.datasets.files import printable
from ledger.datasets.shards import Shard, ShardReader, checked_to, survey
from ledger.errors import LineageError, PolicyDenied, RefusedInput, StoreFault
from ledger.fold.authority import check_mode
from ledger.log.view import LogView
from ledger.merkle.order import merge_runs
from ledger.merkle.tree import root_of
from ledger.signer import signing
from ledger.signer.keystore import Unlocked
from ledger.signer.signing import Signed
from ledger.signer.written import check_license, check_uri
from ledger.statements.record import Parent, Record
from ledger.statements.rows import make_rows_record
from ledger.store.import_journal import Done, Journal, hold_journal

ALONE_BYTES: Final = 8 * spec.STRETCH_BYTES  # up to here starting workers would take longer than the work
_SLICE_ROWS: Final = 16_384  # rows whose part of the tree is made at once; a multiple of the rows of a group


class Terms(NamedTuple):
    """What is said of every row alike: where it is from, what may be done with it, what it descends from."""

    source: dict[str, Any]
    rights: dict[str, str]
    parents: tuple[Parent, ...] = ()


class ImportedRecord(NamedTuple):
    """A record over rows [first_row, first_row + rows) of the file at `path`; `is_new`: it was appended now."""

    id: bytes
    path: str
    first_row: int
    rows: int
    log_index: int
    is_new: bool


@dataclass(slots=True)
class Imported:
    """What an import came to. Of folders, so many files were passed over: hidden ones, receipts and salts, and of no dataset format."""

    records: list[ImportedRecord] = field(default_factory=list)
    hidden_files: int = 0
    companions: int = 0
    foreign_files: int = 0

    @property
    def rows(self) -> int:
        """All rows of the records."""
        return sum(record.rows for record in self.records)

    @property
    def new(self) -> int:
        """How many records were appended now; the others stood before."""
        return sum(record.is_new for record in self.records)


@dataclass(frozen=True, slots=True)
class Import:
    """What is to be imported, and how. `column` None: the row as a whole, or a line. `rows_each`: rows of one record, at most."""

    paths: Sequence[str | os.PathLike[str]]
    column: str | None
    terms: Terms
    workers: int | None = None
    restart: bool = False
    rows_each: int = spec.ROWS_MAX

    def key(self, maker: bytes) -> str:
        """By which the same import is known again: who says what of which files."""
        paths = [os.path.realpath(path) for path in self.paths]
        parents = [
            [value.hex() if isinstance(value, bytes) else value for value in parent]
            for parent in self.terms.parents
        ]
        said = [
            maker.hex(),
            self.column,
            self.terms.source,
            self.terms.rights,
            parents,
            self.rows_each,
            paths,
        ]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def import_rows(access: Access, by: str, asked: Import, progress: Progress) -> Imported:
    """As `Ledger.import_rows`."""
    signer = access.unlock(by)
    looked = survey(asked.paths, asked.column)
    _check_terms(asked.terms)
    _make_record(
        signer.identity.id, asked, bytes(spec.HASH_BYTES), 1, 0, is_text=True
    )  # whether it may be said at all
    _foresee(access, signer)
    outcome = Imported(hidden_files=looked.hidden, companions=looked.companions, foreign_files=looked.foreign)
    with hold_journal(access.path, asked.key(signer.identity.id)) as journal:
        if asked.restart:
            journal.forget()
        with Crew(crew_size(asked.workers, looked.shards)) as crew:
            importer = _Importer(access, signer, asked, crew, journal, outcome)
            try:
                importer.run(looked.shards, progress)
            except (RefusedInput, PolicyDenied, StoreFault) as error:
                raise _told(error, outcome) from error
        journal.forget()
    return outcome


def _check_terms(terms: Terms) -> None:
    """What people get wrong most, in words of their own. Raises RefusedInput `schema`."""
    check_uri(str(terms.source.get("uri", "")))
    check_license(terms.rights.get("license", ""))


def crew_size(workers: int | None, found: Sequence[Shard]) -> int:
    """How many workers: as many as were asked for, else what this machine has, none for little."""
    if workers is not None:
        return workers
    return worker_count() if sum(shard.size_bytes for shard in found) > ALONE_BYTES else 0


def _foresee(access: Access, signer: Unlocked) -> None:
    """What would be refused in the end is refused before anything is read. Clears away what earlier imports left.

    Raises RefusedInput as the log would, PolicyDenied `not-endorsed`.
    """
    with access.door() as door:
        signing.standing_of(door, signer.identity)
        with access.view() as view:
            identity = view.identity(signer.identity.id)
            if identity is not None and view.state.header.rules.get("mode") == "allow-list":
                check_mode(view.state, identity, view.clock_ms)
            sweep(access, view)


def _told(error: LineageError, outcome: Imported) -> LineageError:
    """The same error, which tells what stands."""
    if not outcome.records:
        return error
    last = outcome.records[-1]
    stands = f"{len(outcome.records):,} records of {outcome.rows:,} rows stand in the log, the last one at log index {last.log_index}"
    reason = f"{error.reason}. Before it {stands}; the same command goes on behind them"
    return type(error)(error.code, error.item, reason, error.fix)


def _make_record(
    maker: bytes, asked: Import, root: bytes, count: int, size_bytes: int, *, is_text: bool
) -> Record:
    return make_rows_record(
        maker=maker,
        root=root,
        count=count,
        size_bytes=size_bytes,
        column=asked.column,
        is_text=is_text,
        parents=asked.terms.parents,
        rights=asked.terms.rights,
        source=asked.terms.source,
    )


class Gathered:
    """The rows of one record while they come: their digests, and what workers make of them."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._trees: list[Future[Any]] = []
        self._sent = 0  # bytes of digests
        self.digests = bytearray()
        self.size_bytes = 0
        self.forms = 0
        self.groups = b""

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.digests) // spec.HASH_BYTES

    def add(self, part: Digested) -> None:
        """The next rows."""
        self.digests += part.digests
        self.size_bytes += part.size_bytes
        self.forms |= part.forms
        while len(self.digests) - self._sent >= _SLICE_ROWS * spec.HASH_BYTES:
            self._send(self._sent + _SLICE_ROWS * spec.HASH_BYTES)

    def root(self) -> bytes:
        """The root over all rows; no more are added."""
        if self._sent < len(self.digests):
            self._send(len(self.digests))
        self.groups = b"".join(tree.result()[0] for tree in self._trees)
        return root_of(
            [self.groups[at : at + spec.HASH_BYTES] for at in range(0, len(self.groups), spec.HASH_BYTES)]
        )

    def parts(self) -> list[bytes | bytearray]:
        """What stands in a sidecar behind the record (SPEC §10.7). After `root`."""
        order = merge_runs([tree.result()[1] for tree in self._trees])
        return [self.digests, order, self.groups]

    def _send(self, stop: int) -> None:
        part = bytes(self.digests[self._sent : stop])
        self._trees.append(self._crew.submit("tree", part, self._sent // spec.HASH_BYTES))
        self._sent = stop


def gather(reader: ShardReader, crew: Crew, rows_each: int, show: Callable[[], None]) -> Gathered:
    """The rows of the next record of a shard that is not at its end. Raises RefusedInput as `ShardReader.take`."""
    rows = Gathered(crew)
    while rows.count < rows_each:
        part = reader.take()
        if not part.rows:
            break
        rows.add(part)
        show()
    reader.check_unchanged()
    return rows


class _Importer:
    """One run of one import."""

    def __init__(
        self, access: Access, signer: Unlocked, asked: Import, crew: Crew, journal: Journal, outcome: Imported
    ) -> None:
        self._access = access
        self._signer = signer
        self._asked = asked
        self._crew = crew
        self._journal = journal
        self._outcome = outcome
        self._done: dict[str, list[Done]] = {}
        for item in journal.done:
            self._done.setdefault(item.shard, []).append(item)

    def run(self, found: Sequence[Shard], progress: Progress) -> None:
        """All shards, each from where it was left; first all that was read before is looked at again."""
        begun = [self._resume(shard) for shard in found]
        meter = Meter(found, begun, progress)
        for shard, at in zip(found, begun, strict=True):
            self._run(shard, at, meter)
        order = {os.fspath(shard.path): place for place, shard in enumerate(found)}
        self._outcome.records.sort(key=lambda record: (order[record.path], record.first_row))

    def _resume(self, shard: Shard) -> shards.Progress:
        """How far a shard was imported. Raises RefusedInput `shard-changed`."""
        done = self._done.get(os.path.realpath(shard.path), [])
        if not done:
            return shards.Progress()
        last = done[-1]
        if (last.size_bytes, last.mtime_ns) != (shard.size_bytes, shard.fingerprint.mtime_ns):
            raise _shard_changed(shard, last, "its size or its time of change is another")
        if checked_to(self._crew, shard, shards.Progress(), last.checked).chain.hex() != last.chain:
            raise _shard_changed(
                shard, last, "its content is another, though not its size and time of change"
            )
        with self._access.view() as view:
            placed = [self._placed(view, item) for item in done]
        standing = [log_index for log_index in placed if log_index is not None]
        if len(standing) < len(done):
            return (
                shards.Progress()
            )  # the log, or a sidecar, was put back from an older copy: all is read again
        for item, log_index in zip(done, standing, strict=True):
            self._outcome.records.append(
                ImportedRecord(
                    bytes.fromhex(item.id),
                    os.fspath(shard.path),
                    item.first_row,
                    item.rows,
                    log_index,
                    is_new=False,
                )
            )
        return shards.Progress(
            last.first_row + last.rows, last.offset, last.checked, bytes.fromhex(last.chain)
        )

    def _placed(self, view: LogView, done: Done) -> int | None:
        """The log index of a record that stands in the log, and whose sidecar is there."""
        artifact_id = bytes.fromhex(done.id)
        number = next(filter(view.stands, view.find_artifact(artifact_id)), None)
        if number is None or not self._access.rows.is_there(artifact_id):
            return None
        return view.locate(number)[0]

    def _run(self, shard: Shard, at: shards.Progress, meter: Meter) -> None:
        if shard.groups is not None and not at.checked:
            at = checked_to(self._crew, shard, at, shard.size_bytes)
        reader = ShardReader(self._crew, shard, self._asked.column, at, self._asked.rows_each)
        while not reader.is_at_end:
            first_row = reader.progress.rows
            rows = gather(reader, self._crew, self._asked.rows_each, partial(meter.show, shard, reader))
            self._append(shard, reader, rows, first_row)

    def _append(self, shard: Shard, reader: ShardReader, rows: Gathered, first_row: int) -> None:
        """One record: first its sidecar, then the log, then the journal."""
        root = rows.root()
        record = _make_record(
            self._signer.identity.id,
            self._asked,
            root,
            rows.count,
            rows.size_bytes,
            is_text=rows.forms == RAW,
        )
        is_placed = self._access.rows.put(record.id, record.encoded, rows.count, rows.parts())
        signed = Signed(ids=[record.id])
        try:
            with self._access.door() as door:
                signing.append_records(door, self._signer, [record.encoded], signed, unseen)
        except (RefusedInput, PolicyDenied):
            if is_placed:
                self._drop(record.id)
            raise
        (log_index,) = signed.log_indices
        self._outcome.records.append(
            ImportedRecord(
                record.id, os.fspath(shard.path), first_row, rows.count, log_index, bool(signed.new)
            )
        )
        at = reader.progress
        self._journal.add(
            Done(
                shard=os.path.realpath(shard.path),
                size_bytes=shard.size_bytes,
                mtime_ns=shard.fingerprint.mtime_ns,
                id=record.id.hex(),
                first_row=first_row,
                rows=rows.count,
                offset=at.offset,
                checked=at.checked,
                chain=at.chain.hex(),
                is_last=reader.is_at_end,
            )
        )

    def _drop(self, artifact_id: bytes) -> None:
        """Takes back the sidecar of a record that was refused, unless somebody else had it appended meanwhile."""
        with self._access.view() as view:
            if not view.find_artifact(artifact_id):
                self._access.rows.remove(artifact_id)


class Meter:
    """Rows done of those that there are to do, which is estimated by the bytes that they took so far."""

    def __init__(self, found: Sequence[Shard], begun: Sequence[shards.Progress], progress: Progress) -> None:
        self._progress = progress
        self._bytes = 0.0  # of shards that are done, and were to be read
        self._rows = 0
        self._begun = dict(zip(map(id, found), begun, strict=True))
        self._all_bytes = sum(
            shard.size_bytes - _bytes_done(shard, at) for shard, at in zip(found, begun, strict=True)
        )
        self._shard: Shard | None = None
        self._last: tuple[float, int] = (0.0, 0)

    def show(self, shard: Shard, reader: ShardReader) -> None:
        """How far a shard is by now."""
        at = reader.progress
        if self._shard is not shard:
            self._bytes += self._last[0]
            self._rows += self._last[1]
            self._shard = shard
        begun = self._begun[id(shard)]
        self._last = (_bytes_done(shard, at) - _bytes_done(shard, begun), at.rows - begun.rows)
        done_bytes, done_rows = self._bytes + self._last[0], self._rows + self._last[1]
        total = round(done_rows * self._all_bytes / done_bytes) if done_bytes else None
        self._progress(done_rows, total)


def _bytes_done(shard: Shard, at: shards.Progress) -> float:
    if shard.groups is None:
        return at.offset
    return shard.size_bytes * at.rows / shard.groups.row_count


def _shard_changed(shard: Shard, done: Done, how: str) -> RefusedInput:
    return RefusedInput(
        "shard-changed",
        printable(shard.path),
        f"since {done.first_row + done.rows:,} rows of it were imported it changed: {how}",
        "Put it back as it was and run the same command, or import it as it is now, from its first row: --restart. "
        "What was logged stays",
    )

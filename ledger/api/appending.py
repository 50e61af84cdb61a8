"""Appending statement files: signed there, appended here (SPEC §11.5).

Each statement is answered on its own, as the log answers everybody: it stands now, it stood there before, or it was refused for a
reason. What it names may come with another file, so that a refusal for what is unknown counts only when a whole round
over all files brought nothing more, or after many rounds: then the same command goes on. Where the log's key is not, the statements go into the outbox and wait.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ledger import spec
from ledger.api.access import Access
from ledger.api.door import Door
from ledger.api.draining import NOT_HERE
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.fold.transition import open_entry
from ledger.signer.drain import MENDABLE
from ledger.signer.parcel import Parcel, pack, place_of
from ledger.signer.statement_file import Statement, open_statements
from ledger.statements.entry import decode_entry
from ledger.store.outbox import Outbox

APPENDED: Final = "appended"
KNOWN: Final = "known"  # it stood there before
REFUSED: Final = "refused"
WAITS: Final = "waits"  # in the outbox

_ROUNDS_MAX: Final = (
    16  # over all files: each may bring but one statement more, and the writer's lock is held
)
_BATCH_BYTES_MAX: Final = spec.COMMIT_BYTES_MAX // 2  # of statements that are sent at once
Progress = Callable[[int], None]  # statements answered


@dataclass(slots=True)
class Answer:
    """What became of a statement; `number` counts from 0 in its file.

    `id` and `type` are None where its bytes are no statement, `log_index` where it does not stand, `error` where it was not refused.
    """

    number: int
    outcome: str
    records: int
    id: bytes | None = None
    type: str | None = None
    log_index: int | None = None
    error: LineageError | None = None


@dataclass(slots=True)
class FileAppended:
    """What became of a file: of each of its statements; `error`: why it was refused whole."""

    path: Path
    answers: list[Answer] = field(default_factory=list)
    error: LineageError | None = None

    def count(self, outcome: str) -> int:
        """How many of its statements came to this."""
        return sum(answer.outcome == outcome for answer in self.answers)


def append_files(
    access: Access, paths: Sequence[str | os.PathLike[str]], progress: Progress
) -> list[FileAppended]:
    """As `Ledger.append_files`."""
    files = [FileAppended(Path(path)) for path in paths]
    try:
        with access.door() as door:
            _append_all(door, files, progress)
    except RefusedInput as error:
        if error.code not in NOT_HERE:
            raise
        _put_all(access.outbox, access.marker.log_id, files, progress)
    return files


def _append_all(door: Door, files: Sequence[FileAppended], progress: Progress) -> None:
    """All files once, and again those with statements that another one may have mended, while that helps, and not for ever."""
    answered = 0

    def tell(count: int) -> None:
        nonlocal answered
        answered += count
        progress(answered)

    for file in files:
        _append_file(door, file, tell)
    for _ in range(_ROUNDS_MAX):
        moved = False
        for file in files:
            if any(map(_is_mendable, file.answers)):
                before = file.count(REFUSED)
                _append_file(door, file, tell)
                moved = moved or file.count(REFUSED) < before
        if not moved:
            break


def _is_mendable(answer: Answer) -> bool:
    return answer.error is not None and answer.error.code in MENDABLE


def _append_file(door: Door, file: FileAppended, tell: Progress) -> None:
    """The statements of a file; if it was read before, those that were refused then."""
    answers = iter(list(file.answers))
    for batch in _batches(file):
        again = [next(answers, None) for _ in batch]
        asked = [
            (number, statement)
            for (number, statement), before in zip(batch, again, strict=True)
            if before is None or before.outcome == REFUSED
        ]
        results = door.append([statement for _number, statement in asked])
        for (number, statement), result in zip(asked, results, strict=True):
            answer = _described(number, statement)
            if isinstance(result, LineageError):
                answer.outcome, answer.error = REFUSED, result
            else:
                answer.log_index = result.log_index
                answer.outcome = KNOWN if result.known else APPENDED
            file.answers[number : number + 1] = [answer]
        tell(len(asked))


def _batches(file: FileAppended) -> Iterator[list[tuple[int, Statement]]]:
    """The statements of a whole file with their numbers, as many as go to the log together. A file that is none is told."""
    try:
        with open_statements(file.path) as statements:
            batch: list[tuple[int, Statement]] = []
            size_bytes = 0
            for number, (entry, records) in enumerate(statements):
                batch.append((number, (entry, records)))
                size_bytes += len(entry) + sum(map(len, records))
                if size_bytes > _BATCH_BYTES_MAX or len(batch) >= spec.COMMIT_ENTRIES_MAX:
                    yield batch
                    batch, size_bytes = [], 0
            if batch:
                yield batch
    except (RefusedInput, StoreFault) as error:
        file.error = _changed(file.path) if file.answers else error


def _changed(path: Path) -> RefusedInput:
    """It was whole when it was looked at first, and statements of it were sent since."""
    return RefusedInput(
        "file-changed",
        str(path),
        "it changed while it was read; what is told of its statements holds all the same",
        "Copy it again from where it was signed, and append that: what stands already is no harm.",
    )


def _described(number: int, statement: Statement) -> Answer:
    entry, records = statement
    try:
        decoded = decode_entry(entry).statement
    except RefusedInput as error:
        return Answer(number, REFUSED, len(records), error=error)
    return Answer(number, WAITS, len(records), decoded.id, decoded.type)


def _put_all(outbox: Outbox, log: bytes, files: Sequence[FileAppended], progress: Progress) -> None:
    """Each statement of this log as a parcel of its own. Raises StoreFault `outbox-unwritable`; the same once more is then no harm."""
    done = 0
    for file in files:
        for batch in _batches(file):
            file.answers += [_put(outbox, log, number, statement) for number, statement in batch]
            done += len(batch)
            progress(done)


def _put(outbox: Outbox, log: bytes, number: int, statement: Statement) -> Answer:
    answer = _described(number, statement)
    if answer.error is not None:
        return answer
    entry, records = statement
    try:
        place = place_of(open_entry(entry, log).statement)
        outbox.put(*place, pack(Parcel(((entry, tuple(records)),))))
    except RefusedInput as error:  # another log's: no waiting mends that
        answer.outcome, answer.error = REFUSED, error
    except StoreFault as error:
        if error.code != "outbox-taken":
            raise
        answer.outcome, answer.error = REFUSED, error
    return answer

"""A pool: many threads of one process append, and few commits carry them (group commit).

Leader and followers: whoever finds no commit under way becomes the leader and commits all that is queued, within the
bounds of one commit; who comes meanwhile queues up for the next. The more threads wait, the greater the groups grow,
with no timer at all: two syncs to the disk are shared by all of a group (DeWitt et al., "Implementation Techniques
for Main Memory Database Systems", SIGMOD 1984, on group commit).

A leader leads until its own statement is through, and then hands over to one who waits. From a coroutine:
`await asyncio.to_thread(pool.submit, entry, records)`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from ledger import spec
from ledger.errors import LineageError, StoreFault
from ledger.log.candidate import check_bytes
from ledger.log.writer import Appended, LogWriter, Submission, group_end


@dataclass(slots=True, eq=False)
class _Waiting:
    """A submission in the queue, the monotonic time at which it came (s), and in the end its answer."""

    submission: Submission
    since_s: float
    answer: Appended | LineageError | None = None


class Pool:
    """Shares one writer among threads. Nobody else may use that writer meanwhile."""

    def __init__(
        self,
        writer: LogWriter,
        *,
        executor: Executor | None = None,
        max_wait_s: float = 0,
        max_entries: int = spec.COMMIT_ENTRIES_MAX,
    ) -> None:
        """A leader waits for company until the oldest in the queue has waited `max_wait_s`, or `max_entries` are there."""
        self._writer = writer
        self._executor = executor
        self._max_wait_s = max_wait_s
        self._max_entries = min(max_entries, spec.COMMIT_ENTRIES_MAX)
        self._changed = threading.Condition()
        self._queue: list[_Waiting] = []
        self._leading = False

    def submit(self, entry: bytes, records: Sequence[bytes] = ()) -> Appended:
        """Appends one statement; returns once it is durable and under a signed checkpoint.

        Raises RefusedInput or PolicyDenied if it is refused; StoreFault if its commit failed, and from then on for
        everybody: reopen the ledger, and send it again.
        """
        check_bytes(entry, records)
        mine = _Waiting((entry, records), time.monotonic())
        try:
            if self._queued(mine):
                self._lead(mine)
        finally:
            if mine.answer is None:  # this thread was stopped: what was not committed yet is not to be
                with self._changed:
                    self._queue = [item for item in self._queue if item is not mine]
        if isinstance(mine.answer, Appended):
            return mine.answer
        raise mine.answer or _group_failed("it got no answer")

    def _queued(self, mine: _Waiting) -> bool:
        """Queues up; True if this thread is to lead now, False if its answer came."""
        with self._changed:
            self._queue.append(mine)
            self._changed.notify_all()
            while mine.answer is None and self._leading:
                self._changed.wait()
            if mine.answer is None:
                self._leading = True
            return mine.answer is None

    def _lead(self, mine: _Waiting) -> None:
        try:
            while mine.answer is None:
                self._commit(self._next_group())
        finally:
            with self._changed:
                self._leading = False
                self._changed.notify_all()

    def _next_group(self) -> list[_Waiting]:
        """What goes into one commit, from the front of the queue; waits for company first, as far as is wanted."""
        with self._changed:
            until_s = self._queue[0].since_s + self._max_wait_s
            while len(self._queue) < self._max_entries and (left_s := until_s - time.monotonic()) > 0:
                self._changed.wait(left_s)
            number = group_end([item.submission for item in self._queue[: self._max_entries]], 0)
            group, self._queue = self._queue[:number], self._queue[number:]
            return group

    def _commit(self, group: list[_Waiting]) -> None:
        answers: Sequence[Appended | LineageError] = ()
        reason = "the thread that committed it was stopped"
        try:
            answers = self._writer.append([item.submission for item in group], self._executor)
        except Exception as error:
            reason = str(error)
            raise
        finally:
            with self._changed:
                for item, answer in zip(
                    group, answers or map(_group_failed, [reason] * len(group)), strict=True
                ):
                    item.answer = answer
                self._changed.notify_all()


def _group_failed(reason: str) -> StoreFault:
    return StoreFault(
        "commit-failed",
        "submission",
        f"the commit it was part of did not come to its end: {reason}",
        "Reopen the ledger and send it again; what stands already is answered with its place.",
    )

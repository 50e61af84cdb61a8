"""What a batch holds at any moment, shared by its callers and its two threads: a monitor, with one lock.

    added -> queue -> cut (one statement's worth) -> sent (durable in the outbox) -> answered

The queue is bounded: who adds faster than the disk takes waits in `add`. What was sent is bounded too: where nobody writes
the log for long, the oldest are let go of. They are durable, and their futures say that they wait; only the place of
their statement is remembered, so that a refusal is still heard of.

A thread that dies breaks the whole: everybody who waits is told why, and nobody adds any more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ledger import spec
from ledger.api.batch_item import Item, State, move
from ledger.errors import LineageError, NotFound, RefusedInput, StoreFault
from ledger.signer.beside import Put
from ledger.signer.parcel import Place

FAILURES_KEPT: Final = 1_024  # of a batch, to be told one by one; more are counted


@dataclass(slots=True, eq=False)
class Sent:
    """A statement in the outbox; `items` is None when they were let go of."""

    put: Put
    count: int
    items: Sequence[Item] | None


@dataclass(frozen=True, slots=True)
class Cut:
    """When a statement is cut: as soon as so many records wait, or so many bytes of them, or the oldest for so long."""

    records: int
    size_bytes: int
    age_s: float


class Flow:
    """The state of one batch; a `Home` of its items."""

    def __init__(self, cut: Cut, late_receipt: Callable[[Item], None]) -> None:
        """`late_receipt` brings a receipt that is asked for when no thread is there to bring it."""
        self._cut = cut
        self._late_receipt = late_receipt
        self.lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        self._work = threading.Condition(self.lock)  # for who cuts
        self._room = threading.Condition(self.lock)  # for who adds, or waits until all is signed
        self._news = threading.Condition(self.lock)  # for who looks for answers
        self._queue: deque[Item] = deque()
        self._queued_bytes = 0
        self._queued_anew = 0  # of the queue: what was not signed before
        self._flying: dict[bytes, Item] = {}  # queued or sent, by artifact id
        self._sent: dict[Place, Sent] = {}  # in the order in which it was
        self._held: deque[Sent] = deque()  # of that, whose items are held, and some that were answered since
        self._held_records = 0
        self._wanted: list[Item] = []  # placed or left, whose receipts were asked for since
        self._in_hand = 0
        self._added = self._handled = self._flush_to = 0
        self._threads = 0
        self._is_ending = self._is_answered = self._is_over = False
        self._broken: LineageError | None = None
        self._failed: dict[bytes, Item] = {}
        self._failed_more = 0
        self._first_error: LineageError | None = None
        self.left_behind = 0  # signed, and not known to be in the log when the batch was over

    # Whoever adds

    def add(self, item: Item) -> tuple[Item, bool]:
        """Queues an item; if the same artifact is on its way already, that one and False. Waits for room.

        Raises StoreFault `batch-full` if there is none for a minute, `batch-broken`; RefusedInput `batch-ended`.
        """
        size_bytes = _size_bytes(item)
        with self.lock:
            self._wait_for_room(size_bytes)
            self._check_open()
            known = self._flying.get(item.id)
            if known is not None:
                return known, False
            item.since_s = time.monotonic()
            was_empty = not self._queue
            self._enqueue(item, size_bytes)
            self._added += 1
            if was_empty or self._is_full():
                self._work.notify()
        return item, True

    def find(self, artifact_id: bytes) -> Item | None:
        """An item that is on its way."""
        with self.lock:
            return self._flying.get(artifact_id)

    def flush(self) -> None:
        """Returns when all that was added before is signed, or failed. Raises StoreFault `batch-broken`."""
        with self.lock:
            wanted = self._added
            self._flush_to = max(self._flush_to, wanted)
            self._work.notify()
            while self._handled < wanted and self._broken is None:
                self._room.wait()
            self._check_whole()

    def bring_receipt(self, item: Item) -> None:
        """Home: whoever looks for answers brings it; once that is over, nobody."""
        with self.lock:
            if self._threads and not self._is_answered:
                self._wanted.append(item)
                self._news.notify()
                return
        self._late_receipt(item)

    # Whoever cuts

    def take(self) -> list[Item]:
        """What the next statement is to sign, when it is due; nothing when all is over."""
        with self.lock:
            self._in_hand = 0
            self._handled = self._added - self._queued_anew
            self._room.notify_all()
            self._news.notify()
            while self._broken is not None or not (self._queue and self._is_due()):
                if self._is_over:
                    return []
                self._work.wait(self._time_left_s())
            items: list[Item] = []
            size_bytes = 0
            while self._queue and len(items) < self._cut.records:
                more_bytes = len(self._queue[0].record)
                if items and size_bytes + more_bytes > self._cut.size_bytes:
                    break
                item = self._queue.popleft()
                items.append(item)
                size_bytes += more_bytes
                self._queued_bytes -= _size_bytes(item)
                self._queued_anew -= not item.tries
            self._in_hand = len(items)
            return items

    def were_sent(self, put: Put, items: Sequence[Item]) -> None:
        """A statement over these items is durable in the outbox."""
        for item in items:
            item.keep, item.seal = (), None
        self._mend(items)
        move(self, items, State.SIGNED)
        sent = Sent(put, len(items), items)
        with self.lock:
            self._sent[put.place] = sent
            self._held.append(sent)
            self._held_records += len(items)
            let_go = self._let_go()
            self._news.notify()
        self._leave(let_go)

    def were_placed(self, items: Sequence[Item]) -> list[Item]:
        """The log holds these items; those whose receipts are waited for."""
        self._land(items)
        self._mend(items)
        move(self, items, State.PLACED)
        return [item for item in items if item.wants_receipt]

    def have_failed(self, items: Sequence[Item], error: LineageError) -> None:
        """These items come to nothing, for this reason."""
        if not items:
            return
        self._land(items)
        with self.lock:
            self._first_error = self._first_error or error
            for item in items:
                if len(self._failed) < FAILURES_KEPT:
                    self._failed[item.id] = item
                else:
                    self._failed_more += 1
        move(self, items, State.FAILED, error)

    def were_lost(self, count: int, error: LineageError) -> None:
        """So many were let go of, refused, and cannot be looked at any more."""
        with self.lock:
            self._failed_more += count
            self._first_error = self._first_error or error

    # Whoever looks for answers

    def await_news(self, pause_s: float) -> list[Item] | None:
        """Waits until something happened, or `pause_s` seconds while something waits; items whose receipts are asked for.

        None when nobody looks for answers any more.
        """
        with self.lock:
            if not (self._wanted or self._is_answered):
                self._news.wait(pause_s if self._sent else None)
            if self._is_answered:
                return None
            wanted, self._wanted = self._wanted, []
            return wanted

    def sent(self) -> list[Sent]:
        """What was sent and is not answered, in the order in which it was."""
        with self.lock:
            return list(self._sent.values())

    def answered(self, sent: Sequence[Sent]) -> None:
        """These statements are answered; what became of their items is told by `were_placed`, `have_failed`, `again`."""
        with self.lock:
            for each in sent:
                del self._sent[each.put.place]
                if each.items is not None:
                    self._held_records -= each.count
                    each.items = None
            self._room.notify_all()

    def again(self, items: Sequence[Item]) -> None:
        """These were signed, and are to be signed again: they go first."""
        with self.lock:
            for item in reversed(items):
                item.tries += 1
                self._enqueue(item, _size_bytes(item), is_first=True)
            self._work.notify()

    # Whoever ends it

    def end(self) -> None:
        """Nothing is added any more; what is queued is due."""
        with self.lock:
            self._is_ending = True
            self._work.notify()
            self._room.notify_all()

    def await_answers(self, wait_s: float) -> bool:
        """Waits until all is answered; False if `wait_s` seconds were too short, or it broke."""
        until_s = time.monotonic() + wait_s
        with self.lock:
            while (self._sent or self._queue or self._in_hand) and self._broken is None:
                left_s = until_s - time.monotonic()
                if left_s <= 0:
                    return False
                self._room.wait(left_s)
            return self._broken is None

    @property
    def is_broken(self) -> bool:
        """Whether a thread of it died."""
        return self._broken is not None

    def look_no_more(self) -> None:
        """Who looks for answers is to end."""
        with self.lock:
            self._is_ending = self._is_answered = True
            self._news.notify_all()

    def over(self) -> None:
        """Who cuts is to end, when all that is queued is signed. Nobody looks for answers any more."""
        with self.lock:
            self._is_ending = self._is_answered = self._is_over = True
            self._work.notify_all()

    def thread_began(self) -> None:
        """A thread begins that will tell when it ends."""
        with self.lock:
            self._threads += 1

    def thread_ended(self, error: BaseException | None) -> None:
        """A thread has ended, by an error if it broke. The last one tells all who wait still."""
        with self.lock:
            self._threads -= 1
            if error is not None:
                self._broken = self._broken or _broken_by(error)
                self._first_error = self._first_error or self._broken
                self._is_answered = self._is_over = True
            for condition in (self._work, self._room, self._news):
                condition.notify_all()
            if self._threads:
                return
            flying, broken = list(self._flying.values()), self._broken
            wanted, self._wanted = self._wanted, []
            self._flying.clear()
            self._queue.clear()
            self._sent.clear()
            self._held.clear()
        left = [item for item in flying if item.was_signed]
        self.left_behind += len(left)
        self._leave([*wanted, *left])
        self.have_failed([item for item in flying if not item.was_signed], broken or ended())

    def unheard(self, *, unsigned_only: bool = False) -> tuple[int, LineageError | None]:
        """How many artifacts came to nothing, and the first reason: those not signed, and those refused that nobody asked for.

        `unsigned_only`: those not signed.
        """
        with self.lock:
            failed, more, first = list(self._failed.values()), self._failed_more, self._first_error
            broken = self._broken
        unheard = [
            item for item in failed if not item.was_signed or not (unsigned_only or item.is_refusal_heard)
        ]
        if unheard:
            first = unheard[0].error
        return len(unheard) + more, (first if unheard or more else broken)

    def leave_parent(self, error: LineageError) -> None:
        """In a forked child: all that was added belongs to the parent, and nothing of it comes to an end here."""
        items = [*self._flying.values(), *self._wanted]
        was_ending = self._is_ending
        self.lock = threading.Lock()
        self._begin()
        self._is_ending = was_ending
        for item in items:
            item.leave_parent(error)

    # With the lock held

    def _check_open(self) -> None:
        self._check_whole()
        if self._is_ending:
            raise ended()

    def _check_whole(self) -> None:
        if self._broken is not None:
            raise self._broken

    def _has_room(self, size_bytes: int) -> bool:
        is_short = len(self._queue) < spec.BATCH_QUEUE_RECORDS_MAX
        return not self._queue or (is_short and self._queued_bytes + size_bytes <= spec.BATCH_QUEUE_BYTES_MAX)

    def _wait_for_room(self, size_bytes: int) -> None:
        until_s = time.monotonic() + spec.BATCH_ADD_WAIT_S
        while not self._has_room(size_bytes) and self._broken is None:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                raise StoreFault(
                    "batch-full",
                    "batch",
                    f"{len(self._queue)} artifacts wait to be signed, and the disk took none for {spec.BATCH_ADD_WAIT_S} s",
                    "Look to the ledger's folder and its disk; add more slowly.",
                )
            self._room.wait(left_s)

    def _enqueue(self, item: Item, size_bytes: int, *, is_first: bool = False) -> None:
        (self._queue.appendleft if is_first else self._queue.append)(item)
        self._queued_bytes += size_bytes
        self._queued_anew += not item.tries
        self._flying[item.id] = item

    def _is_full(self) -> bool:
        return len(self._queue) >= self._cut.records or self._queued_bytes >= self._cut.size_bytes

    def _is_due(self) -> bool:
        is_asked = self._is_ending or self._is_over or self._handled < self._flush_to
        return is_asked or self._is_full() or bool(self._queue[0].tries) or self._age_left_s() <= 0

    def _age_left_s(self) -> float:
        return self._queue[0].since_s + self._cut.age_s - time.monotonic()

    def _time_left_s(self) -> float | None:
        return max(self._age_left_s(), 0) if self._queue else None

    def _let_go(self) -> list[Item]:
        """The oldest items of what was sent, if more are held than may be."""
        let_go: list[Item] = []
        while self._held_records > spec.BATCH_WAITING_MAX:
            sent = self._held.popleft()
            if sent.items is not None:
                let_go += sent.items
                self._held_records -= sent.count
                sent.items = None
        while self._held and self._held[0].items is None:
            self._held.popleft()
        for item in let_go:
            self._flying.pop(item.id, None)
        return let_go

    # Without it

    def _mend(self, items: Iterable[Item]) -> None:
        """What failed before and was added once more is no failure."""
        with self.lock:
            for item in items:
                self._failed.pop(item.id, None)

    def _land(self, items: Iterable[Item]) -> None:
        with self.lock:
            for item in items:
                self._flying.pop(item.id, None)

    def _leave(self, items: Sequence[Item]) -> None:
        for item in items:
            move(self, [item], State.LEFT, waits(item.id))


def waits(artifact_id: bytes) -> NotFound:
    """What is told of a receipt that may come, but not to who asks now."""
    return NotFound(
        "receipt-waits",
        f"artifact {artifact_id.hex()[:16]}",
        "it is signed and durable in the outbox, and the log does not hold it yet",
        "Ask again later: l.receipt(id). Whoever holds the log's key appends it: lineage append",
    )


def ended() -> RefusedInput:
    """The refusal of what is added when the block has ended, or before it began."""
    return RefusedInput(
        "batch-ended",
        "batch",
        "nothing can be added outside of its block",
        "Add inside of `with l.batch(by=…) as b:`.",
    )


def _broken_by(error: BaseException) -> LineageError:
    """What everybody is told when a thread of the batch died of `error`."""
    if isinstance(error, LineageError):
        return error
    fault = StoreFault(
        "batch-broken",
        "batch",
        f"its thread ended by {type(error).__name__}: {error}",
        "What was told to be signed is in the outbox; add the rest in a new batch.",
    )
    fault.__cause__ = error
    return fault


def _size_bytes(item: Item) -> int:
    return len(item.record) + sum(map(len, item.keep))

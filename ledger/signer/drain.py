"""Draining: what lies in a ledger's outbox goes into its log, byte for byte, or aside with the reason (SPEC §10.5).

Parcels go in the order of their lanes, many of them at once. Each answer is one parcel's own: what is refused, cannot be
read or is no parcel holds up nobody else. But what follows it in its lane is sent all the same, and is refused by the log
as the fork of a chain that broke.

What a parcel names may wait in another lane, or be signed elsewhere in this moment: its signer's enrolment or key event, a
delegation, a parent. So a refusal for what is unknown counts only of a parcel that has lain there for `grace_s` seconds, and when
nothing else helps any more: when two passes in a row placed nothing. One would not do, as a reading of the outbox need
not show what was put while it was made.

Nothing is removed before the log acknowledged it. If the log fails, the rest stays and is sent again: what stands by then is
answered with its place. A single file that can be neither removed nor put aside (a folder that somebody else made under a
parcel's name) stays too, is told at the end, and holds up nobody else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.signer.logdoor import LogDoor
from ledger.signer.parcel import Parcel, Place, unpack
from ledger.statements.entry import decode_entry
from ledger.store.outbox import Outbox, Refusal, Waiting

# What another parcel may mend: see the module's text.
MENDABLE: Final = frozenset(
    {
        *("parent-unknown", "subject-unknown", "identity-unknown", "not-delegated", "delegation-illegal"),
        *("key-not-in-force", "key-event-broken"),
    }
)
GRACE_S: Final = 2.0  # in which whoever signs a parent has it put
_BATCH_BYTES_MAX: Final = spec.COMMIT_BYTES_MAX // 2  # of parcels that are sent at once
_LOST: Final = frozenset(
    {"not-a-regular-file", "too-large", "link-refused"}
)  # no waiting makes them readable


class Refused(NamedTuple):
    """A parcel that was put aside, and where it lies now."""

    path: Path
    refusal: Refusal


class Left(NamedTuple):
    """A parcel that stays in the outbox."""

    path: Path
    reason: str


@dataclass(slots=True)
class Drained:
    """What a draining came to: `placed` log indices by statement id (those that stood there before too)."""

    placed: dict[bytes, int] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    records: int = 0


class _Sent(NamedTuple):
    """A parcel as it goes to the log."""

    waiting: Waiting
    parcel: Parcel


class _Held(NamedTuple):
    """Why a lane waits: the first parcel of it that was not taken, its refusal, and how many statements of it stand."""

    waiting: Waiting
    error: LineageError
    placed: int


def _no_progress(_records: int) -> None:
    """Nobody looks."""


def drain(
    door: LogDoor,
    outbox: Outbox,
    progress: Callable[[int], None] = _no_progress,
    most_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Drained:
    """Takes what waits until nothing moves any more, or `most_s` seconds have passed. `progress`: records placed.

    A parcel waits `grace_s` seconds for what another one may bring, over this draining and later ones.

    Raises StoreFault or InvariantBroken as the log's append does, or if the outbox cannot be read: what was not placed by then
    is as it was. StoreFault too, when all else is done, for a parcel that could not be removed or put aside.
    """
    return _Drain(door, outbox, progress, grace_s).run(None if most_s is None else time.monotonic() + most_s)


class _Drain:
    """One draining, over several passes."""

    def __init__(
        self, door: LogDoor, outbox: Outbox, progress: Callable[[int], None], grace_s: float
    ) -> None:
        self._door = door
        self._outbox = outbox
        self._progress = progress
        self._grace_s = grace_s
        self._drained = Drained()
        self._held: dict[bytes, _Held] = {}  # lanes that wait in this pass, and for what
        self._unread: set[bytes] = set()  # lanes of which something cannot be read in this pass
        self._moved = False  # whether this pass placed anything
        self._immovable: dict[Path, StoreFault] = {}  # what can be neither removed nor put aside, and why
        self._until_s = math.inf

    def run(self, until_s: float | None) -> Drained:
        """Passes, until there is nothing to do."""
        self._until_s = math.inf if until_s is None else until_s
        self._outbox.sweep()
        stuck: set[bytes] = set()  # lanes that waited in a pass that placed nothing
        while self._pass():
            late = {lane for lane, held in self._held.items() if self._is_late(held)}
            if not self._moved and late and late <= stuck:
                self._give_up(late)
                stuck = set()
                continue
            if not self._moved and not late:
                break
            stuck = set() if self._moved else late
        for fault in self._immovable.values():
            raise fault
        return self._drained

    def _pass(self) -> bool:
        """Everything that waits, once; False if the time is over."""
        self._held, self._unread, self._moved = {}, set(), False
        self._drained.left.clear()
        for batch in self._batches(self._outbox.waiting()):
            self._send(batch)
        return time.monotonic() < self._until_s

    def _is_late(self, held: _Held) -> bool:
        """Whether what it waits for has had its time to come."""
        try:
            age_s = time.time() - held.waiting.path.lstat().st_mtime
            return not 0 <= age_s < self._grace_s  # a time to come is none that it was put at
        except OSError:
            return False

    def _batches(self, waiting: Sequence[Waiting]) -> Iterator[list[_Sent]]:
        """The parcels that can be read, in order, as many as fit into memory together."""
        batch: list[_Sent] = []
        size_bytes = count = 0
        for position, item in enumerate(waiting):
            if position and time.monotonic() >= self._until_s:
                break
            if batch and (
                size_bytes + item.size_bytes > _BATCH_BYTES_MAX or count >= spec.COMMIT_ENTRIES_MAX
            ):
                yield batch
                batch, size_bytes, count = [], 0, 0
            if item.path in self._immovable:
                self._unread.add(item.lane)
                self._leave(item, self._immovable[item.path].reason)
                continue
            if item.lane in self._unread or item.lane in self._held:
                self._leave(item, "it follows one that waits, in its lane")
                continue
            parcel = self._open(item)
            if parcel is not None:
                batch.append(_Sent(item, parcel))
                size_bytes += item.size_bytes
                count += len(parcel.statements)
        if batch:
            yield batch

    def _open(self, item: Waiting) -> Parcel | None:
        """A parcel; None if it was put aside, or cannot be read now."""
        try:
            parcel, place = unpack(self._outbox.read(item))
            if place == Place(item.lane, item.seq):
                return parcel
            reason = "what it holds belongs to another place"
            error = LineageError("outbox-damaged", str(item.path), reason, "Find out who put it there.")
        except RefusedInput as refused:
            error = refused
        except StoreFault as fault:
            if fault.code not in _LOST:
                self._unread.add(item.lane)
                self._leave(item, fault.reason)
                return None
            error = fault
        self._refuse(item, error, 0)
        return None

    def _send(self, batch: Sequence[_Sent]) -> None:
        results = iter(self._door.append([one for sent in batch for one in sent.parcel.statements]))
        for waiting, parcel in batch:
            refused: LineageError | None = None
            placed = 0
            for entry, records in parcel.statements:
                result = next(results)
                if not isinstance(result, LineageError):
                    placed += refused is None
                    self._note(entry, len(records), result.log_index)
                elif refused is None:
                    refused = result
            self._answer(waiting, refused, placed)
        self._progress(self._drained.records)

    def _note(self, entry: bytes, record_count: int, log_index: int) -> None:
        statement_id = decode_entry(entry).statement.id
        if statement_id not in self._drained.placed:
            self._drained.placed[statement_id] = log_index
            self._drained.records += record_count
            self._moved = True

    def _answer(self, waiting: Waiting, refused: LineageError | None, placed: int) -> None:
        """What becomes of a parcel whose first `placed` statements stand in the log."""
        if refused is None:
            try:
                self._outbox.remove(waiting)
            except StoreFault as fault:
                self._immovable[waiting.path] = fault
            self._moved = True
        elif refused.code in MENDABLE or (refused.code == "lane-broken" and waiting.lane in self._held):
            self._held.setdefault(waiting.lane, _Held(waiting, refused, placed))
            self._leave(waiting, refused.reason)
        else:
            self._refuse(waiting, refused, placed)

    def _give_up(self, lanes: Iterable[bytes]) -> None:
        """The first parcel of each of these lanes is refused for what it waits for; its followers see it then."""
        for held in map(self._held.__getitem__, sorted(lanes)):
            self._refuse(held.waiting, held.error, held.placed)

    def _refuse(self, item: Waiting, error: LineageError, placed: int) -> None:
        refusal = Refusal(error.code, error.item, error.reason, error.fix, placed)
        try:
            self._drained.refused.append(Refused(self._outbox.refuse(item, refusal), refusal))
        except StoreFault as fault:
            self._immovable[item.path] = fault
            self._unread.add(item.lane)
            self._leave(item, fault.reason)

    def _leave(self, item: Waiting, reason: str) -> None:
        self._drained.left.append(Left(item.path, reason))

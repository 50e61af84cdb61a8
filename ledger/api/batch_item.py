"""An artifact on its way into the log, and the two futures by which it is told how far it came.

It is *queued*, then *signed* (its statement is durable in the outbox), then *placed* (the log holds it); or it *failed*,
before it was signed or when the log refused what was. Of what is signed and not waited for any more the futures say so: it
is *left* to whoever drains the outbox.

A future is made only when somebody asks for it: of a million rows nobody looks at most, and a receipt costs more than
its record.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, TypeVar

from ledger.errors import LineageError
from ledger.statements.record import decode_record

T = TypeVar("T")


class State(IntEnum):
    """How far an item came."""

    QUEUED = 0
    SIGNED = 1
    PLACED = 2
    LEFT = 3
    FAILED = 4


class Home(Protocol):
    """Where an item belongs."""

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Guards states and futures; held for an instant, and never while a future is told anything."""
        ...

    def bring_receipt(self, item: Item) -> None:
        """Somebody wants the receipt of an item that is placed or left."""
        ...


class Told(Future[T]):
    """A future that knows whether somebody took its answer."""

    def __init__(self) -> None:
        super().__init__()
        self.is_heard = False

    def renew(self) -> None:
        """As if it had never been waited for: nobody is told, and no lock is held."""
        super().__init__()

    def result(self, timeout: float | None = None) -> T:
        """As of every future."""
        try:
            return super().result(timeout)
        finally:
            self.is_heard = self.is_heard or self.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """As of every future."""
        try:
            return super().exception(timeout)
        finally:
            self.is_heard = self.is_heard or self.done()


class Seal(NamedTuple):
    """What opens a sealed content: the SHA-256 of it (32 bytes), and its salt."""

    digest: bytes
    salt: bytes


class Item:
    """One artifact that was added. `id` (32 bytes) is its artifact id, known before it is logged.

    `signed` and `receipt` are futures (`concurrent.futures`; from a coroutine: `asyncio.wrap_future`). Later, or in another
    process, ask the ledger: `l.receipt(item.id)`.
    """

    __slots__ = (
        "_home",
        "_receipt",
        "_signed",
        "content",
        "doubts",
        "error",
        "form",
        "id",
        "keep",
        "kind",
        "parents",
        "record",
        "seal",
        "since_s",
        "state",
        "tries",
        "was_signed",
    )

    def __init__(
        self,
        home: Home,
        artifact_id: bytes,
        record: bytes,
        kind: str,
        form: str,
        content: bytes,
        *,
        parents: tuple[bytes, ...] = (),
        keep: tuple[bytes, ...] = (),
        seal: Seal | None = None,
    ) -> None:
        """`content`: its digest (32 bytes). `keep`: what is to be kept beside the log before it is signed; `seal`: likewise in the vault."""
        self._home = home
        self.id = artifact_id
        self.record = record
        self.kind = kind
        self.form = form
        self.content = content
        self.parents = parents  # ids
        self.keep = keep
        self.seal = seal
        self.doubts: frozenset[bytes] = frozenset()  # ids that it descends from, and that nobody here knows
        self.since_s = 0.0  # monotonic, when it was added
        self.tries = 0  # how often it was signed and refused for another's fault
        self.state = State.QUEUED
        self.was_signed = False
        self.error: LineageError | None = None
        self._signed: Told[bytes] | None = None
        self._receipt: Told[str] | None = None

    def __repr__(self) -> str:
        return f"Item({self.kind} {self.id.hex()[:16]}, {self.state.name.lower()})"

    @property
    def signed(self) -> Future[bytes]:
        """Resolved with the artifact id once its statement is durable in the outbox, or stood in the log before.

        Raises what kept it from being signed: StoreFault `outbox-unwritable`, or RefusedInput with the code of its reason.
        """
        with self._home.lock:
            future, is_new = _handed_out(self._signed)
            self._signed = future
            was_signed, error = self.was_signed, self.error
        if is_new and was_signed:
            tell(future, self.id)
        elif is_new and error is not None:
            tell(future, error=error)
        return future

    @property
    def receipt(self) -> Future[str]:
        """Resolved with the text of its `.tlog-proof` (SPEC §11.1) once the log holds it.

        Raises the reason for which it was not signed or was refused; NotFound `receipt-waits` if it is signed and the
        batch ended before the log held it.
        """
        with self._home.lock:
            future, is_new = _handed_out(self._receipt)
            self._receipt = future
            state, error = self.state, self.error
        if is_new and state is State.FAILED:
            tell(future, error=error)
        elif is_new and state in (State.PLACED, State.LEFT):
            self._home.bring_receipt(self)
        return future

    @property
    def wants_receipt(self) -> bool:
        """Whether somebody waits for it."""
        with self._home.lock:
            return self._receipt is not None and not self._receipt.done()

    @property
    def is_refusal_heard(self) -> bool:
        """Whether somebody took the answer that it was refused after it was signed."""
        with self._home.lock:
            return self._receipt is not None and self._receipt.is_heard

    def tell_receipt(self, text: str | None = None, error: LineageError | None = None) -> None:
        """Tells whoever waits for the receipt. For one thread at a time."""
        with self._home.lock:
            future = self._receipt
        if future is not None and not future.done():
            tell(future, text, error)

    def leave_parent(self, error: LineageError) -> None:
        """In a forked child: who waits here for an answer that the parent gets is told that it does not come."""
        for future, is_told in ((self._signed, self.was_signed), (self._receipt, False)):
            if future is not None and not is_told:
                future.renew()  # : its lock may have been held by a thread that is no more
                future.set_exception(error)
        self.state, self.error = State.FAILED, error

    def step(self, state: State, error: LineageError | None) -> list[tuple[Told[Any], bytes | None]]:
        """The next state, and whom to tell what; the lock is held."""
        told: list[tuple[Told[Any], bytes | None]] = []
        if not self.was_signed and self._signed is not None:
            told.append((self._signed, self.id))
        if error is not None and self._receipt is not None and not self._receipt.done():
            told.append((self._receipt, None))
        self.state = state
        if state is State.FAILED:
            self.error = error
        else:
            self.was_signed = True
        return told


def signed_item(home: Home, data: bytes) -> Item:
    """An item made anew from a record that was signed before. Raises RefusedInput for what is no record."""
    record = decode_record(data)
    parents = tuple(parent.id for parent in record.parents)
    item = Item(home, record.id, data, record.kind, record.form, record.content, parents=parents)
    item.state, item.was_signed = State.SIGNED, True
    return item


def move(home: Home, items: Iterable[Item], state: State, error: LineageError | None = None) -> None:
    """The next state of items of one home, told to all who asked. Of what FAILED or is LEFT, `error` is what they hear."""
    with home.lock:
        told = [each for item in items for each in item.step(state, error)]
    for future, result in told:
        tell(future, result, error)


def tell(future: Told[T], result: T | None = None, error: LineageError | None = None) -> None:
    """Resolves a future, unless whoever asked for it has given it up."""
    if not future.set_running_or_notify_cancel():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]


def _handed_out(future: Told[T] | None) -> tuple[Told[T], bool]:
    """The future to be handed out; a new one if there is none, or if who asked for it gave it up."""
    if future is None or future.cancelled():
        return Told(), True
    return future, False

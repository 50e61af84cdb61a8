"""Which batch collects what is derived here: the innermost whose block this code runs in (`ledger.derive`).

A task and `asyncio.to_thread` know it by their context; a thread that was started otherwise has none of it. There the only
batch that is open in this process is meant; if several are, none is.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api.batch import Batch

OPEN: Final[WeakSet[Batch]] = WeakSet()  # whose block has begun and not ended
_INNERMOST: Final[ContextVar[Batch | None]] = ContextVar("lineage batch", default=None)


def enter(batch: Batch) -> Token[Batch | None]:
    """The block of a batch begins in this context."""
    return _INNERMOST.set(batch)


def leave(token: Token[Any] | None) -> None:
    """It ends."""
    with suppress(ValueError):  # in another context than it began in: that one is gone
        if token is not None:
            _INNERMOST.reset(token)


def active_batch() -> Batch:
    """The batch that collects here. Raises RefusedInput `no-batch`."""
    batch = _INNERMOST.get()
    if batch is not None and batch in OPEN:
        return batch
    if len(OPEN) == 1:
        return next(iter(OPEN))
    raise RefusedInput(
        "no-batch",
        "derived artifact",
        f"{len(OPEN)} batches are open here, and this thread is in the block of none"
        if len(OPEN)
        else "no batch is open here to sign it",
        "Run it inside of `with l.batch(by=…):` or a session; a worker process that was not forked there opens a ledger and "
        "a batch of its own.",
    )

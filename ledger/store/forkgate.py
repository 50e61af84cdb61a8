"""A gate that keeps a process from being forked while another of its threads is inside the store's engine.

A forked child has one thread. What the others had in hand it inherits as it lay: the frames of a thread that is no more hold
what their variables named for ever, and a call into the engine that was under way never ends. A handle of the engine that
is held so cannot be let go of in the child, and LMDB's binding would wait for that call, or refuse to open the
environment a second time. So whatever touches a handle stands inside `with uses:`, and a fork waits until nobody is there.

The way in costs no lock, as millions go through: who uses a handle counts himself in, and then looks whether somebody forks.
Who forks says so first, and looks at the counts then. Whoever comes second sees the other, since the interpreter's lock
orders both. The fork waits for a use that is under way, a commit say, and for no longer than `FORK_WAIT_S`.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Final
from weakref import WeakSet

FORK_WAIT_S: Final = 30.0  # then it is forked all the same, and the child may be refused its store
_POLL_S: Final = 0.0005


class Uses:
    """How many uses of some handles are under way. For one thread at a time."""

    __slots__ = ("__weakref__", "count")

    def __init__(self) -> None:
        self.count = 0
        _ALL.add(self)

    def __enter__(self) -> None:
        self.count += 1
        if Gate.is_closed:
            Gate.wait(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.count -= 1


_ALL: Final[WeakSet[Uses]] = WeakSet()


class Gate:
    """The one gate of this process. It is closed while the process is being forked."""

    is_closed = False
    _forker = 0  # the thread that forks: what it uses meanwhile keeps nobody waiting
    _forking = threading.Lock()  # held by it: one fork at a time
    _opened = threading.Condition()
    in_child = threading.Lock()  # held while a forked child opens anew what its parent had open

    @classmethod
    def wait(cls, uses: Uses) -> None:
        """Counts a use out again, and in when nobody forks."""
        while cls.is_closed and cls._forker != threading.get_ident():
            uses.count -= 1
            with cls._opened:
                cls._opened.wait_for(lambda: not cls.is_closed)
            uses.count += 1

    @classmethod
    def close(cls) -> None:
        """Before a fork: nobody comes in any more, and who is inside comes out."""
        until_s = time.monotonic() + FORK_WAIT_S
        cls._forking.acquire(timeout=FORK_WAIT_S)
        cls._forker = threading.get_ident()
        cls.is_closed = True
        while any(uses.count for uses in list(_ALL)) and time.monotonic() < until_s:
            time.sleep(_POLL_S)

    @classmethod
    def open(cls) -> None:
        """After it, in the parent."""
        with cls._opened:
            cls.is_closed = False
            cls._opened.notify_all()
        with suppress(RuntimeError):  # it waited too long for another fork
            cls._forking.release()

    @classmethod
    def renew(cls) -> None:
        """After it, in the child: it is alone."""
        cls._opened = threading.Condition()
        cls._forking = threading.Lock()
        cls.in_child = threading.Lock()
        for uses in list(_ALL):  # of threads that are no more, should the wait have been too short
            uses.count = 0
        cls.is_closed = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=Gate.close, after_in_parent=Gate.open, after_in_child=Gate.renew)

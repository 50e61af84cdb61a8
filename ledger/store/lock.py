"""The writer's lock: one writer a ledger, whoever it is, until it ends.

A lock of the operating system (flock(2), or its like on Windows) on `writer.lock` in the ledger's folder. The
system lets go of it when its holder dies, so that no stale lock is ever to be removed by hand. The holder's
process id stands in `writer.pid` beside it: the lock file itself may not be readable while locked (Windows), and
older versions of the lock library empty it when somebody tries.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from ledger.errors import StoreFault, WriterBusy
from ledger.spec import WRITER_WAIT_S

LOCK_FILE = "writer.lock"
PID_FILE = "writer.pid"


class WriterLock:
    """The writer's lock of the ledger in `folder`. Use: `with WriterLock(folder).acquire(wait_s): ...`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(str(folder / LOCK_FILE), thread_local=False)

    def acquire(self, wait_s: float = WRITER_WAIT_S) -> Self:
        """Take the lock, waiting up to `wait_s` seconds (0: not at all).

        Raises WriterBusy `writer-busy`, which names the holder, and StoreFault `store-failed` where the file
        cannot be locked at all.
        """
        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout:
            holder = self.holder()
            raise WriterBusy(
                "writer-busy",
                str(self._folder),
                f"another writer holds its lock (process {holder})"
                if holder
                else "another writer holds its lock",
                "wait for it to end, or for longer; its lock ends with its process",
            ) from None
        except (OSError, NotImplementedError) as error:
            raise StoreFault(
                "store-failed",
                str(self._folder / LOCK_FILE),
                f"it cannot be locked ({error})",
                "look to the permissions of the ledger's folder",
            ) from error
        with suppress(OSError):  # the process id is only advice
            (self._folder / PID_FILE).write_text(f"{os.getpid()}\n", encoding="ascii")
        return self

    def holder(self) -> int | None:
        """The process id that the last holder left, or None."""
        try:
            return int((self._folder / PID_FILE).read_text(encoding="ascii"))
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        """Let go; harmless if not held."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

"""The writer's lock: one writer a ledger, whoever it is, until it ends.

A lock of the operating system (flock(2), or its like on Windows) on `writer.lock` in the ledger's folder. The
system lets go of it when its holder dies, so that no stale lock is ever to be removed by hand. The holder's
process id stands in `writer.pid` beside it: the lock file itself may not be readable while locked (Windows), and
older versions of the lock library empty it when somebody tries.

flock asks for no right but to open the file: so `writer.lock` is its owner's alone (0600), or whoever may read it could
keep the writer out. `writer.pid` is for all to read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from ledger.errors import StoreFault, WriterBusy
from ledger.spec import WRITER_WAIT_S
from ledger.store.files import PRIVATE, PUBLIC, open_regular, open_to_write, read_regular

LOCK_FILE = "writer.lock"
PID_FILE = "writer.pid"
_PID_BYTES_MAX = 32


@contextmanager
def locked(
    path: Path, wait_s: float, make_folder: Callable[[Path], object], busy: tuple[str, str], fix: str
) -> Iterator[None]:
    """Holds the lock of what lies beside `path`, whose folder is made if need be; other processes and threads wait `wait_s` seconds.

    Raises StoreFault with the code and the reason of `busy` if that was in vain; `store-failed`, with `fix`, where it cannot be locked.
    """
    lock = FileLock(path, timeout=wait_s, thread_local=False, mode=PRIVATE)
    try:
        make_folder(path.parent)
        os.close(open_to_write(path, PRIVATE))
        lock.acquire()
    except Timeout as error:
        code, reason = busy
        fix_busy = "Wait for it to end; its lock ends with its process."
        raise StoreFault(code, str(path), reason, fix_busy) from error
    except (OSError, NotImplementedError) as error:
        raise StoreFault("store-failed", str(path), f"it cannot be locked ({error})", fix) from error
    try:
        yield
    finally:
        lock.release()


class WriterLock:
    """The writer's lock of the ledger in `folder`. Use: `with WriterLock(folder).acquire(wait_s): ...`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(str(folder / LOCK_FILE), thread_local=False, mode=PRIVATE)

    def acquire(self, wait_s: float = WRITER_WAIT_S) -> Self:
        """Take the lock, waiting up to `wait_s` seconds (0: not at all).

        Raises WriterBusy `writer-busy`, which names the holder, and StoreFault `store-failed` or
        `not-a-regular-file` where the file cannot be locked at all.
        """
        try:
            os.close(open_to_write(self._folder / LOCK_FILE, PRIVATE))
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
            raise _unlockable(self._folder / LOCK_FILE, error) from error
        with (
            suppress(OSError, StoreFault),  # the process id is only advice
            os.fdopen(open_to_write(self._folder / PID_FILE, PUBLIC, os.O_TRUNC), "wb") as file,
        ):
            file.write(f"{os.getpid()}\n".encode())
        return self

    def is_held(self) -> bool:
        """Whether somebody holds it now. Writes nothing; for an instant it holds the lock itself.

        Raises StoreFault `store-failed` or `not-a-regular-file` where that cannot be told.
        """
        path = self._folder / LOCK_FILE
        try:
            os.close(open_regular(path, os.O_RDWR))
            self._lock.acquire(timeout=0)
        except FileNotFoundError:
            return False
        except Timeout:
            return True
        except (OSError, NotImplementedError) as error:
            raise _unlockable(path, error) from error
        self._lock.release()
        return False

    def holder(self) -> int | None:
        """The process id that the last holder left, or None."""
        try:
            return int(read_regular(self._folder / PID_FILE, _PID_BYTES_MAX))
        except (StoreFault, ValueError):
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


def _unlockable(path: Path, error: Exception) -> StoreFault:
    return StoreFault(
        "store-failed",
        str(path),
        f"it cannot be locked ({error})",
        "look to the permissions of the ledger's folder",
    )

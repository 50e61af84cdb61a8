"""What a stranger puts into a folder that others read; and a limit on how long they let themselves be kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WAIT_MAX_S = 10  # far more than the work takes


class LateError(BaseException):
    """The time is over; not among the errors that those who read files take for the disk's."""


@contextmanager
def within(seconds: int = WAIT_MAX_S) -> Iterator[None]:
    """Raises LateError in the block if it takes longer, be it that a system call waits for ever."""

    def late(*_: Any) -> None:
        raise LateError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pipe(path: Path) -> None:
    """Nobody writes into it: whoever opens it as a file waits."""
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    """A terabyte of zeros that takes no room on the disk."""
    path.touch()
    os.truncate(path, 2**40)


def folder(path: Path) -> None:
    path.mkdir()


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


PLANTS: list[Callable[[Path], None]] = [pipe, endless, sparse, folder, link_to_itself]

"""Every step to the disk in turn fails: what a crash between two steps leaves behind."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Crash(OSError):
    """The planned failure of one step."""


def crash_at_each(use: Callable[[], object], first: int = 1) -> Iterator[int]:
    """Runs `use` with its n-th sync, rename or removal failing, for n from `first`; ends when nothing is left to fail.

    Yields n after each failure, so that the caller looks at what it left. A step fails before it has an effect, and
    all that would follow it in the same process fails too, as a dead process does nothing more. A file that fails to
    sync loses its second half, as one may whose pages never came to the disk.
    """
    number = first
    while True:
        steps = _Steps(number)
        with pytest.MonkeyPatch.context() as patch:
            for owner, name in (
                *((os, "fsync"), (os, "link")),
                *((Path, "rename"), (Path, "replace"), (Path, "unlink")),
            ):
                patch.setattr(owner, name, steps.before(getattr(owner, name)))
            try:
                use()
                failed = False
            except Exception:  # noqa: BLE001  (whatever it became on its way up)
                failed = True
        assert failed == (steps.taken >= number)
        if not failed:
            return
        yield number
        number += 1


_FSYNC = os.fsync


def _tear(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        os.ftruncate(descriptor, status.st_size // 2)


class _Steps:
    def __init__(self, number: int) -> None:
        self._number = number
        self.taken = 0

    def before(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **fields: Any) -> Any:
            self.taken += 1
            if self.taken >= self._number:
                if self.taken == self._number and real is _FSYNC:
                    _tear(args[0])
                raise Crash(5, "planned")
            return real(*args, **fields)

        return step

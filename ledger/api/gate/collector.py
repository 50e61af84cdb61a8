"""Python's collector of cycles, kept away from many objects among which there are no cycles.

A trace of many artifacts makes some twenty objects of each, and keeps them. The collector would walk them again and again
while they are made, and once more when it is let in again: a fifth of the time. So it waits until the trace is over, and then
what is there is handed to it as old, without a walk (`gc.freeze`, and back). What is dropped is freed all the same. Since the
collector counts anew from there, it is run here once in so many artifacts, so that the cycles of others do not pile up.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from typing import Final

MANY: Final = 1_024  # artifacts: fewer are left to the collector
BETWEEN_COLLECTIONS: Final = 262_144  # artifacts


class _Walk:
    """How many artifacts were handed over as old since the collector walked all there is; of the whole process, as it is."""

    handed_over = 0


@contextmanager
def uncollected(made: Sized) -> Iterator[None]:
    """Without the collector. `made`: one item for each artifact that is traced meanwhile, roots at least."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if len(made) >= MANY:
            _hand_over(len(made))
        gc.enable()


def _hand_over(count: int) -> None:
    _Walk.handed_over += count
    if _Walk.handed_over >= BETWEEN_COLLECTIONS:
        _Walk.handed_over = 0
        gc.collect()
    elif not gc.get_freeze_count():  # else somebody froze something, which must stay so
        gc.freeze()
        gc.unfreeze()

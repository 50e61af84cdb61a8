"""What verbs take from around them: this machine's clock, and who watches how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[int, int | None], None]  # done, total where it is known


def silent(_done: int, _total: int | None) -> None:
    """No progress is shown."""


def unseen(_count: int) -> None:
    """Nobody looks how many it were."""


def now_ms() -> int:
    """Unix milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000

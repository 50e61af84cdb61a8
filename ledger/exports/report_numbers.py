"""Numbers as people read them, and as they are: nothing is rounded to all or to nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")
_PPM: Final = 1_000_000
NBSP: Final = "\u00a0"


def percent(part: int, whole: int) -> str:
    """A share with one decimal. All is 100 % and nothing 0 %; what is nearly so says that it is not quite."""
    if part == whole:
        return f"100{NBSP}%" if whole else f"0{NBSP}%"
    if part == 0:
        return f"0{NBSP}%"
    tenths = (2_000 * part + whole) // (2 * whole)  # rounded half up, in integers
    if tenths == 0:
        return f"<{NBSP}0.1{NBSP}%"
    if tenths >= 1_000:
        return f">{NBSP}99.9{NBSP}%"
    return f"{tenths // 10}.{tenths % 10}{NBSP}%"


def share(ppm: int) -> str:
    """Parts per million as a percentage, exactly."""
    whole, part = divmod(ppm, _PPM // 100)
    return f"{whole}{'.' if part else ''}{f'{part:04}'.rstrip('0')}{NBSP}%"


def rows(count: int) -> str:
    """A number of rows."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def size(size_bytes: int) -> str:
    """A size in the unit that suits it; powers of a thousand."""
    value, unit = size_bytes, 0
    while value >= 999_950 and unit < len(_UNITS) - 2:
        value, unit = value // 1_000, unit + 1
    if value < 1_000 and unit == 0:
        return f"{value:,}{NBSP}{_UNITS[0] if value != 1 else 'byte'}"
    tenths = (value + 50) // 100
    return f"{tenths // 10:,}.{tenths % 10}{NBSP}{_UNITS[unit + 1]}"


def moment(time_ms: int) -> str:
    """A time in UTC; a number that is no time of a calendar as it is."""
    try:
        return f"{datetime.fromtimestamp(time_ms // 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return f"{time_ms:,} ms"

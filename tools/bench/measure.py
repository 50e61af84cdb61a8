"""Turns, spreads and rows: how a figure is taken and shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

COLUMNS: Final = ("what", "figure", "limit", "ratio", "target", "met")


class Settings(NamedTuple):
    """Where files may be put (on a disk, not in memory), and whether small numbers are enough."""

    folder: Path
    quick: bool

    def pick(self, full: int, quick: int) -> int:
        """The number that the settings ask for."""
        return quick if self.quick else full


class Spread(NamedTuple):
    """The median of several measurements, the least and the most of them."""

    middle: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} [{self.least:.2f}-{self.most:.2f}]"


def spread(values: Sequence[float]) -> Spread:
    """The spread of one or more values."""
    return Spread(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Turns:
    """What ours and the limit came to, turn by turn, both in the same unit (the more, the better)."""

    ours: Spread
    limit: Spread
    ratio: Spread


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `met` is None where nothing is aimed at. `notes` stand below the table."""

    name: str
    figure: str
    limit: str
    ratio: Spread | None
    target: str = "-"
    met: bool | None = None
    notes: tuple[str, ...] = ()

    def cells(self) -> tuple[str, ...]:
        """As many as there are COLUMNS."""
        met = {None: "-", True: "yes", False: "no"}[self.met]
        ratio = str(self.ratio) if self.ratio else "-"
        return (self.name, self.figure, self.limit, ratio, self.target, met)


def take_turns(count: int, ours: Callable[[], float], limit: Callable[[], float]) -> Turns:
    """Calls both `count` times in turn; each returns its rate."""
    rates, limits = [], []
    for _ in range(count):
        rates.append(ours())
        limits.append(limit())
    ratios = [rate / bound for rate, bound in zip(rates, limits, strict=True)]
    return Turns(spread(rates), spread(limits), spread(ratios))


def seconds(work: Callable[[], object]) -> float:
    """Wall seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def rate_row(name: str, turns: Turns, units: tuple[str, str], least_ratio: float | None = None) -> Row:
    """The row of two rates; `units` of ours and of the limit, such as "records/s"."""
    return Row(
        name,
        f"{turns.ours.middle:,.0f} {units[0]}",
        f"{turns.limit.middle:,.0f} {units[1]}",
        turns.ratio,
        "-" if least_ratio is None else f"ratio ≥ {least_ratio}",
        None if least_ratio is None else turns.ratio.middle >= least_ratio,
    )


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal, with its notes."""
    lines = [COLUMNS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([*shown, *_notes(rows)])


def as_markdown(rows: Sequence[Row]) -> str:
    """The table for a README, with its notes."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *(row.cells() for row in rows)]
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*shown, *(f"\n{note}" for note in _notes(rows))])


def _notes(rows: Sequence[Row]) -> list[str]:
    return [f"{row.name}: {note}" for row in rows for note in row.notes]

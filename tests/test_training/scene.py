"""A dataset and the verdict file of it, made without a ledger: of each row the digest that a plain reading of it gives, and a verdict that the test chose."""

from __future__ import annotations

import random
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.datasets.dataset import open_dataset
from ledger.datasets.verdict_file import (
    NOTHING,
    VERDICTS,
    Told,
    VerdictBlock,
    join_verdicts,
    writing_verdicts,
)
from ledger.datasets.wanted import FaultyRow
from tests.test_datasets.test_verdict_file import ABOUT

TOLD = [Told(verdict, "clear", "L2", "") for verdict in VERDICTS]
ADMITTED, QUARANTINED, REJECTED, UNDECIDED = range(4)


def digests_of(dataset: Any, column: str | None, **options: Any) -> list[bytes]:
    """What the plain readers say of each row; zero bytes: it is none."""
    rows = open_dataset(dataset, **options).rows(column, lenient=True)
    return [NOTHING if isinstance(row, FaultyRow) else row.digest for row in rows]


def write_verdicts(
    path: Path, digests: Sequence[bytes], outcomes: Sequence[int], column: str | None, **about: Any
) -> Path:
    """A verdict file of rows with these digests and verdicts (places in `VERDICTS`)."""
    piece = path.with_name(path.name + ".piece")
    with writing_verdicts(piece) as add:
        add(VerdictBlock(0, b"".join(digests), NOTHING * len(digests), array("I", outcomes), TOLD))
    counts = Counter(VERDICTS[outcome] for outcome in outcomes)
    told = {verdict: counts[verdict] for verdict in VERDICTS}
    join_verdicts(
        [piece], path, ABOUT | {"column": column, "count": len(digests)} | told | about, replace=True
    )
    piece.unlink()
    return path


def judge(
    dataset: Any, path: Path, column: str | None, outcomes: Sequence[int] | None = None, **options: Any
) -> list[bool]:
    """Writes the verdict file of a dataset at `path`; returns which rows are admitted. Rows that are none are rejected."""
    digests = digests_of(dataset, column, **options)
    chance = random.Random(len(digests))
    chosen = outcomes or [chance.choice([ADMITTED, ADMITTED, QUARANTINED, REJECTED]) for _ in digests]
    chosen = [REJECTED if one == NOTHING else each for one, each in zip(digests, chosen, strict=True)]
    write_verdicts(path, digests, chosen, column)
    return [each == ADMITTED for each in chosen]

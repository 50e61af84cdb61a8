"""What a gate leaves, made by hand: a dataset, its verdict file, the rows that were admitted."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.api import Ledger
from ledger.datasets.verdict_file import (
    NOTHING,
    VERDICTS,
    Told,
    VerdictBlock,
    join_verdicts,
    writing_verdicts,
)
from ledger.statements.statement import log_id

CYCLE = (
    "admitted",
    "admitted",
    "rejected",
    "quarantined",
    "admitted",
)  # what becomes of rows, one after the other


def texts(count: int) -> list[str]:
    return [f"The text of row {number}." for number in range(count)]


def verdict_of(number: int) -> str:
    return CYCLE[number % len(CYCLE)]


def write_data(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("".join(json.dumps({"text": row}) + "\n" for row in rows))
    return path


def about(door: Ledger, told: Sequence[str], **changed: Any) -> dict[str, Any]:
    """The metadata of a verdict file of this log's newest checkpoint."""
    checkpoint = door.checkpoint()
    verdicts = Counter(told)
    return {
        "v": 1,
        "column": "text",
        "count": len(told),
        **{verdict: verdicts[verdict] for verdict in VERDICTS},
        "log_origin": checkpoint.origin,
        "log_id": log_id(str(door.vkey)).hex(),
        "checkpoint_size": checkpoint.size,
        "checkpoint_root": checkpoint.root.hex(),
        "checkpoint": hashlib.sha256(checkpoint.body().encode()).hexdigest(),
        "policy": "4" * 64,
        "policy_name": "balanced",
        "trust": "0" * 64,
        "at_ms": 1_700_000_000_000,
        "dataset": "data.jsonl",
        "ledger": "0.1.0",
        **changed,
    }


def write_verdicts(
    path: Path,
    door: Ledger,
    rows: Sequence[str | None],
    told: Sequence[str] | None = None,
    ids: Sequence[bytes] | None = None,
    **changed: Any,
) -> Path:
    """The verdict file of these texts; None is a row that no reader takes. `told`: their verdicts, by default those of the cycle."""
    told = [verdict_of(number) for number in range(len(rows))] if told is None else told
    digests = b"".join(NOTHING if row is None else hashlib.sha256(row.encode()).digest() for row in rows)
    found = b"".join(ids or [NOTHING if n % 3 == 0 else bytes([1 + n % 250]) * 32 for n in range(len(rows))])
    words = [Told(verdict, "held", "L2", f"{verdict}: so it is") for verdict in VERDICTS]
    piece = path.with_name(path.name + ".piece")
    with writing_verdicts(piece) as add:
        add(VerdictBlock(0, digests, found, array("I", map(VERDICTS.index, told)), words))
    join_verdicts([piece], path, about(door, told, **changed), replace=True)
    piece.unlink()
    return path

"""A ledger, a dataset of which some rows are signed, and the gate before it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_cli.command import Cli

SIGNED, ROWS = 6, 10
TEXTS = [
    f"row {n} is long enough that nobody guesses it from its digest as it should be" for n in range(ROWS)
]
POLICY = 'version = 1\nname = "mine"\n[rows]\nwork = "L2"\n'


@pytest.fixture
def signed(ada: Cli) -> Cli:
    """A ledger in which the first six of ten texts are works of ada's, and whose log checkpoint is remembered; `d.jsonl` has all ten."""
    some = ada.rows("signed.jsonl", *({"text": text} for text in TEXTS[:SIGNED]))
    ada.json("sign", some, "--rows", "text", "--by", "ada")
    ada.rows("d.jsonl", *({"text": text, "n": n} for n, text in enumerate(TEXTS)))
    gate(ada, "signed.jsonl", "--policy", "balanced", "--column", "text")
    return ada


def gate(cli: Cli, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    """The document of a gate without workers, which are slow to start."""
    return cli.json("gate", *arguments, "--workers", "0", code=code)


def counts(document: dict[str, Any]) -> tuple[int, ...]:
    """Rows, and how many are admitted, quarantined, rejected, undecided."""
    return tuple(document[name] for name in ("rows", "admitted", "quarantined", "rejected", "undecided"))

"""What `sign` writes beside what it signed: receipts, salts, a dataset with its lineage.

What was signed stays signed, whatever becomes of them: each is tried, and what could not be written is told.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ledger.cli.common import plural, printable
from ledger.errors import InvariantBroken, LineageError, RefusedInput

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.signing import Signed


class Travelling(Protocol):
    """Who writes salts and datasets; with a ledger or without."""

    def foresee_salts(self, paths: Sequence[str]) -> None: ...
    def write_salts(self, signed: Signed) -> list[Path]: ...
    def foresee_lineage(self, path: str, output: str) -> None: ...
    def write_lineage(self, path: str, output: str, signed: Signed) -> Path: ...


class Part(NamedTuple):
    """One thing that was to be written: where it lies, or why it does not. `name` is its key in the one document."""

    name: str
    paths: Sequence[Path]
    error: LineageError | None
    words: str

    def line(self) -> str:
        """Where it lies, in words."""
        first = printable(str(self.paths[0]))
        more = f", and {plural(len(self.paths) - 1, 'other')} beside their files" if self.paths[1:] else ""
        return f"  {self.words.format(first=first, more=more)}"


@dataclass(frozen=True, slots=True)
class Beside:
    """All that was written beside."""

    parts: list[Part] = field(default_factory=list)

    @property
    def errors(self) -> list[LineageError]:
        return [part.error for part in self.parts if part.error is not None]

    def lines(self) -> list[str]:
        """In words."""
        return [part.line() for part in self.parts if part.paths]

    def fields(self) -> dict[str, Any]:
        """For the one document."""
        found: dict[str, Any] = {}
        for part in self.parts:
            paths = [str(path) for path in part.paths]
            found[part.name] = paths if part.name != "with_lineage" else (paths[0] if paths else None)
            if part.error is not None:
                error = part.error
                found[f"{part.name}_error"] = {
                    "code": error.code,
                    "item": error.item,
                    "reason": error.reason,
                }
        return found


def check_options(args: argparse.Namespace) -> None:
    """Whether what is to be written goes with what is signed. Raises RefusedInput `usage`."""
    if args.salt_beside and not args.sealed:
        raise RefusedInput("usage", "--salt-beside", "only what is sealed has a salt", "Say --sealed too.")
    if args.salt_beside and args.rows is not None:
        raise RefusedInput(
            "usage",
            "--salt-beside",
            "the salts of rows travel in a column of their dataset",
            "Say --with-lineage OUT instead.",
        )
    if args.with_lineage is not None and args.rows is None:
        raise RefusedInput(
            "usage", "--with-lineage", "only a dataset has columns for it", "Say --rows COLUMN too."
        )


def foresee(args: argparse.Namespace, ledger: Travelling) -> None:
    """Whether salts and dataset could be written, before anything is signed. Raises RefusedInput."""
    if args.salt_beside:
        ledger.foresee_salts(args.paths)
    if args.with_lineage is not None and len(args.paths) == 1:
        ledger.foresee_lineage(args.paths[0], args.with_lineage)


def foresee_receipts(args: argparse.Namespace, ledger: Ledger) -> None:
    """Whether receipts could be written, before anything is signed. Raises RefusedInput."""
    if args.receipts:
        paths = args.paths if args.with_lineage is None else [args.with_lineage]
        ledger.foresee_receipts(paths, rows=args.rows is not None)


def write(args: argparse.Namespace, ledger: Travelling, signed: Signed) -> Beside:
    """Writes salts and dataset of what was signed by these arguments."""
    found = Beside()
    if args.salt_beside:
        words = "Salts: {first}{more}. Whoever has one can check what its file's record is about"
        found.parts.append(_written("salts", words, lambda: ledger.write_salts(signed)))
    if args.with_lineage is not None:
        salts = " and salt: whoever has it can check what the records are about" if args.sealed else ""
        words = "With its lineage: {first}, each row with its id" + salts
        found.parts.append(
            _written(
                "with_lineage",
                words,
                lambda: [ledger.write_lineage(args.paths[0], args.with_lineage, signed)],
            )
        )
    return found


def write_receipts(args: argparse.Namespace, ledger: Ledger, signed: Signed, found: Beside) -> None:
    """Writes the receipts; those of rows beside the dataset that travels."""
    if not args.receipts:
        return
    words = "Receipts: {first}{more}. Check them, wherever they travel: lineage verify FILE"
    column = None if args.rows == "." else args.rows
    dataset = args.paths[0] if args.with_lineage is None else args.with_lineage
    found.parts.append(
        _written("receipts", words, lambda: ledger.write_receipts(signed))
        if args.rows is None
        else _written("receipts", words, lambda: [ledger.write_row_receipts(dataset, column, signed)])
    )


def _written(name: str, words: str, use: Callable[[], Sequence[Path]]) -> Part:
    try:
        return Part(name, use(), None, words)
    except InvariantBroken:
        raise
    except LineageError as error:
        return Part(name, (), error, words)

"""`sign --receipts`: what was signed stays signed, whatever becomes of its receipts."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ledger.cli.common import plural, printable
from ledger.errors import InvariantBroken, LineageError

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.signing import Signed


@dataclass(frozen=True, slots=True)
class Receipts:
    """The receipts that were written, and why others were not."""

    paths: list[Path] = field(default_factory=list)
    error: LineageError | None = None

    def words(self) -> str:
        """Where they lie."""
        first = printable(str(self.paths[0]))
        more = f", and {plural(len(self.paths) - 1, 'other')} beside their files" if self.paths[1:] else ""
        return f"  Receipts: {first}{more}. Check them, wherever they travel: lineage verify FILE"

    def fields(self) -> dict[str, Any]:
        """For the one document."""
        fields: dict[str, Any] = {"receipts": [str(path) for path in self.paths]}
        if self.error is not None:
            error = self.error
            fields["receipts_error"] = {"code": error.code, "item": error.item, "reason": error.reason}
        return fields


def write_receipts(args: argparse.Namespace, ledger: Ledger, signed: Signed) -> Receipts:
    """Writes the receipts of what `sign` signed by these arguments."""
    try:
        if args.rows is None:
            return Receipts(ledger.write_receipts(signed))
        column = None if args.rows == "." else args.rows
        return Receipts([ledger.write_row_receipts(args.paths[0], column, signed)])
    except InvariantBroken:
        raise
    except LineageError as error:
        return Receipts(error=error)

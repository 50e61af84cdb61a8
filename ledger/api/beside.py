"""The verbs of a ledger that write beside what was signed: receipts, salts, and a dataset with its lineage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ledger.api import receipts, travelling
from ledger.api.access import Access
from ledger.signer.keystore import Keystore
from ledger.signer.signing import Signed


class Travels:
    """Part of what has keys: a ledger, or keys whose ledger is elsewhere."""

    keys: Keystore

    def foresee_salts(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        """Whether salts could be written beside these files. Raises RefusedInput `salt-exists`."""
        travelling.foresee_salts(self.keys.salts, paths)

    def write_salts(self, signed: Signed) -> list[Path]:
        """Writes beside each file that `sign` signed sealed its salt, FILE.salt (SPEC §11.4); where they lie.

        The salt of another artifact is not replaced: RefusedInput `salt-exists`, when all others are written. Raises `usage`
        for what was not sealed on this machine.
        """
        return travelling.write_salts(self.keys.salts, signed)

    def foresee_lineage(self, path: str | os.PathLike[str], output: str | os.PathLike[str]) -> None:
        """Whether `write_lineage` could write a dataset there.

        Raises RefusedInput `file-exists`, `usage` for a text or a name of another format, `extra-missing`; NotFound `file-not-found`.
        """
        travelling.foresee_lineage(path, output)

    def write_lineage(
        self, path: str | os.PathLike[str], output: str | os.PathLike[str], signed: Signed
    ) -> Path:
        """Writes the dataset whose rows `sign_rows` signed once more, with their ids and salts (SPEC §4.6); where it lies.

        It is in the same format, there whole or not at all, for its owner alone to read; nothing is overwritten. Raises as
        `foresee_lineage`; RefusedInput `file-changed` if it is not the dataset any more that was signed.
        """
        return travelling.write_lineage(self.keys.salts, path, output, signed)


class Beside(Travels):
    """Part of `Ledger`."""

    _access: Access

    def foresee_receipts(self, paths: Sequence[str | os.PathLike[str]], *, rows: bool = False) -> None:
        """Whether receipts could be written beside these files (`rows`: datasets), before anything is signed.

        Raises RefusedInput `receipt-exists` where something lies that is no receipt of the file in this log, and
        `extra-missing`.
        """
        receipts.foresee(self._access, paths, rows=rows)

    def write_receipts(self, signed: Signed) -> list[Path]:
        """Writes beside each file that `sign` signed its receipt, FILE.tlog-proof (SPEC §11.4); where they lie.

        A receipt of another artifact is not replaced: RefusedInput `receipt-exists`, when all others are written.
        """
        return receipts.write_receipts(self._access, signed)

    def write_row_receipts(self, path: str | os.PathLike[str], column: str | None, signed: Signed) -> Path:
        """Writes the receipts of all rows that `sign_rows` signed, DATASET.receipts.parquet (SPEC §11.4); where they lie.

        What is there is replaced if it proves nothing else. Raises RefusedInput `receipt-exists`, `extra-missing`.
        """
        return receipts.write_row_receipts(self._access, path, column, signed)

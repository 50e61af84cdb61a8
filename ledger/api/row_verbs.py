"""The verbs of a ledger about legacy data and its rows. `ledger.api.ledger.Ledger` has them; this is no class of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ledger import spec
from ledger.api import importing, rebuilding, sidecars
from ledger.api.access import Access
from ledger.api.around import Progress, silent
from ledger.api.importing import Import, Imported, Terms
from ledger.api.rebuilding import RebuiltRows
from ledger.api.sidecars import RowMatch
from ledger.errors import RefusedInput
from ledger.statements.record import Parent


class RowVerbs:
    """Import of legacy data, and search in it."""

    _access: Access

    def import_rows(
        self,
        paths: Sequence[str | os.PathLike[str]],
        column: str | None,
        by: str,
        *,
        source: str,
        license: str,  # noqa: A002 - what it is called everywhere else
        category: str | None = None,
        train: str | None = None,
        parents: Sequence[Parent] = (),
        progress: Progress = silent,
        workers: int | None = None,
        restart: bool = False,
        rows_each: int = spec.ROWS_MAX,
    ) -> Imported:
        """Imports datasets as reported: `rows` records over their shards, one signature for up to `rows_each` rows (SPEC §10.7).

        `column`: what of each row; None: the row as a whole, or a line. `source`: a URI; `license`: an SPDX expression, NOASSERTION
        where nobody knows; `category` and `train` as in SPEC §4. Files are JSON Lines, Parquet or text by line. `workers`:
        processes that read; None: as many as there are processors, 0: this one alone.

        What was imported before is not logged again. After an interruption the same call goes on behind the last record that stands;
        `restart`: from the first row. Raises RefusedInput naming file and row for the first row that is refused: nothing of its
        record is appended; `file-changed`, `shard-changed`; PolicyDenied `not-endorsed`; StoreFault `import-busy`, `worker-died`.
        """
        _check_numbers(workers, rows_each)
        uri: dict[str, Any] = {"uri": source}
        terms = Terms(
            uri | ({} if category is None else {"category": category}),
            {"license": license} | ({} if train is None else {"train": train}),
            tuple(parents),
        )
        asked = Import(paths, column, terms, workers, restart, rows_each)
        return importing.import_rows(self._access, by, asked, progress)

    def rebuild_rows(
        self,
        paths: Sequence[str | os.PathLike[str]],
        column: str | None,
        *,
        progress: Progress = silent,
        workers: int | None = None,
        rows_each: int = spec.ROWS_MAX,
    ) -> RebuiltRows:
        """Makes the sidecars of imported datasets anew from the data, where they are lost or damaged; signs nothing.

        `rows_each` as when they were imported. Raises RefusedInput as `import_rows` for what cannot be read.
        """
        _check_numbers(workers, rows_each)
        return rebuilding.rebuild_rows(self._access, paths, column, workers, rows_each, progress)

    def prove_row(self, artifact_id: bytes, row: int) -> RowMatch:
        """A row's digest, and the path that proves it in its dataset (SPEC §11.6).

        Raises StoreFault `rows-missing`, `rows-damaged`; ProofInvalid `rows-differ`; RefusedInput `index-out-of-range`.
        """
        return sidecars.prove(self._access.rows, artifact_id, row)


def _check_numbers(workers: int | None, rows_each: int) -> None:
    """Raises RefusedInput `usage` for numbers that nothing could be done with."""
    if not 1 <= rows_each <= spec.ROWS_MAX:
        raise RefusedInput(
            "usage",
            "rows_each",
            f"a record is over 1 to {spec.ROWS_MAX:,} rows",
            "Leave it out: the most is best.",
        )
    if workers is not None and workers < 0:
        raise RefusedInput("usage", "workers", "there are 0 of them or more", "Leave it out, or say 0.")

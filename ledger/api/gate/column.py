"""Which column of a dataset is gated, where nobody says it: the one that was signed or imported (SPEC §12.6).

The first rows are looked up under each column, and as a whole; the column under which most are found is the one. Where none is found, the column that the
log's imports name, or the only one that holds text, is as good a guess as there is; else it has to be said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol

from ledger.api.gate.block import RowDigests
from ledger.api.gate.shown import ShownLog, ShownRows
from ledger.datasets.jcs import parse_json
from ledger.datasets.reading import AnyRow
from ledger.datasets.row_files import FileRow
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, Row, column_missing, content_of
from ledger.errors import RefusedInput

ROWS: Final = 256  # that are looked up
_BYTES_MAX: Final = 4_194_304  # … behind which none is
_COLUMNS_MAX: Final = 256
_WHOLE: Final = None


class Rows(Protocol):
    """Whose column is asked for: a dataset of files, or rows in memory."""

    @property
    def item(self) -> str: ...

    def rows(
        self, column: str | None, cells: Sequence[str] = (), *, lenient: bool = False
    ) -> Iterator[AnyRow]:
        """The rows, as `Dataset.rows`."""
        ...


def choose_column(dataset: Rows, said: Sequence[str], shown: ShownLog, sets: ShownRows) -> str | None:
    """The column, None for the row as a whole. `said`: the names of columns that the dataset itself says, if it does.

    Raises RefusedInput `column-unclear`, and as the rows' reader.
    """
    first = list(_first(dataset.rows(_WHOLE, lenient=True)))
    read = [row for row in first if isinstance(row, Row)]
    if any(isinstance(row, FileRow) for row in first) or any(row.form == "raw" for row in read):
        # files that are rows, and lines, have no columns
        return _WHOLE
    members = [parse_json(row.content) for row in read]
    names = (_names(members) or list(said))[:_COLUMNS_MAX]
    digests: dict[str | None, list[bytes]] = {_WHOLE: [hashlib.sha256(row.content).digest() for row in read]}
    for name in names:
        if read:
            digests[name] = [digest for each in members if (digest := _digest(each, name)) is not None]
        else:  # some column is of a type that no row as a whole may hold
            alone = _first(dataset.rows(name, lenient=True))
            digests[name] = [row.digest for row in alone if isinstance(row, Row)]
    found = _found(shown, sets, {digest for each in digests.values() for digest in each})
    hits = {name: sum(digest in found for digest in each) for name, each in digests.items()}
    best = [name for name, count in hits.items() if count and count == max(hits.values())]
    if len(best) == 1:
        return best[0]
    candidates = best or [name for name in sets.columns if name in names] or _of_text(members, names)
    if len(candidates) == 1:
        return candidates[0]
    listed = ", ".join(ascii(name) for name in names[:8])
    reason = (
        "several of its columns were signed"
        if best
        else "none of its first rows is in the log under any column"
    )
    raise RefusedInput(
        "column-unclear",
        dataset.item,
        f"{reason}; it has {listed or 'no column'}",
        "Say which: --column C, or --whole-row.",
    )


def check_column(dataset: Rows, column: str) -> None:
    """Raises RefusedInput `column-missing` where no row of the first has a column, though some are rows: it is a name that was mistyped."""
    first = [row for row in _first(dataset.rows(_WHOLE, lenient=True)) if isinstance(row, Row)]
    names = _names([parse_json(row.content) for row in first if row.form == "jcs"])
    if names and column not in names:
        missing = column_missing(column, names)
        reason = f"{missing.reason}, as far as its first {len(first):,} rows tell"
        raise RefusedInput(missing.code, dataset.item, reason, missing.fix)


def _first(rows: Iterable[AnyRow]) -> Iterator[AnyRow]:
    """The rows that are looked up: some, and no more than so many bytes of them, which parsed take many times that."""
    size_bytes = 0
    for row in islice(rows, ROWS):
        yield row
        size_bytes += len(row.content) if isinstance(row, Row) else 0
        if size_bytes >= _BYTES_MAX:
            return


def _names(members: Iterable[Any]) -> list[str]:
    """The columns that any row has, in the order in which they come."""
    return list(dict.fromkeys(name for each in members if isinstance(each, dict) for name in each))


def _digest(members: Mapping[str, Any], name: str) -> bytes | None:
    value = members.get(name)
    try:
        return None if value is None or value == "" else hashlib.sha256(content_of(value)[0]).digest()
    except RefusedInput:
        return None


def _found(shown: ShownLog, sets: ShownRows, digests: set[bytes]) -> set[bytes]:
    """Those about which there is anything."""
    listed = sorted(digests)
    digests_listed = RowDigests(b"".join(listed))
    stretches, by_digest = sets.find(digests_listed)
    inside = (digest for stretch in stretches for digest in listed[stretch.start : stretch.stop])
    return {*shown.find_contents(digests_listed.data), *by_digest, *inside}


def _of_text(members: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """The columns in which every row that has anything has text."""
    rows = list(members)
    beside = (LINEAGE_ID, LINEAGE_SALT)
    found = []
    for name in names:
        cells = [cell for row in rows if (cell := row.get(name)) is not None]
        if name not in beside and cells and all(isinstance(cell, str) for cell in cells):
            found.append(name)
    return found

"""Which column of a dataset is gated, where nobody says it: the one that was signed or imported (SPEC §12.6).

The first rows are looked up under each column, and as a whole; the column under which most are found is the one. Where none is found, the column that the
log's imports name, or the only one that holds text, is as good a guess as there is; else it has to be said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from ledger.api.gate.rows_sets import RowsSets
from ledger.datasets.jcs import parse_json
from ledger.datasets.reading import AnyRow
from ledger.datasets.row_files import FileRow
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, Row, content_of
from ledger.errors import RefusedInput
from ledger.log.view import LogView

ROWS: Final = 256  # that are looked up
_COLUMNS_MAX: Final = 256
_WHOLE: Final = None


def choose_column(item: str, rows: Iterable[AnyRow], view: LogView, sets: RowsSets) -> str | None:
    """The column, None for the row as a whole. `rows`: read as a whole, some from the first on; `item`: the dataset's name.

    Raises RefusedInput `column-unclear`, and as the rows' reader.
    """
    first = list(islice(rows, ROWS))
    read = [row for row in first if isinstance(row, Row)]
    if any(isinstance(row, FileRow) for row in first) or any(row.form == "raw" for row in read):
        # files that are rows, and lines, have no columns
        return _WHOLE
    members = [parse_json(row.content) for row in read]
    names = list(dict.fromkeys(name for each in members if isinstance(each, dict) for name in each))[
        :_COLUMNS_MAX
    ]
    digests: dict[str | None, list[bytes]] = {_WHOLE: [hashlib.sha256(row.content).digest() for row in read]}
    for name in names:
        digests[name] = [digest for each in members if (digest := _digest(each, name)) is not None]
    found = _found(view, sets, {digest for each in digests.values() for digest in each})
    hits = {name: sum(digest in found for digest in each) for name, each in digests.items()}
    best = [name for name, count in hits.items() if count and count == max(hits.values())]
    if len(best) == 1:
        return best[0]
    candidates = best or [name for name in sets.columns if name in names] or _of_text(members, names)
    if len(candidates) == 1:
        return candidates[0]
    shown = ", ".join(ascii(name) for name in names[:8])
    reason = (
        "several of its columns were signed"
        if best
        else "none of its first rows is in the log under any column"
    )
    raise RefusedInput(
        "column-unclear",
        item,
        f"{reason}; it has {shown or 'no column'}",
        "Say which: --column C, or --whole-row.",
    )


def _digest(members: Mapping[str, Any], name: str) -> bytes | None:
    value = members.get(name)
    try:
        return None if value is None or value == "" else hashlib.sha256(content_of(value)[0]).digest()
    except RefusedInput:
        return None


def _found(view: LogView, sets: RowsSets, digests: set[bytes]) -> set[bytes]:
    """Those about which there is anything."""
    listed = sorted(digests)
    stretches, by_digest = sets.find(listed)
    inside = (digest for stretch in stretches for digest in listed[stretch.start : stretch.stop])
    return {*view.find_contents(listed), *by_digest, *inside}


def _of_text(members: Iterable[Mapping[str, Any]], names: Iterable[str]) -> list[str]:
    """The columns in which every row has text."""
    rows = list(members)
    beside = (LINEAGE_ID, LINEAGE_SALT)
    return [
        name for name in names if name not in beside and all(isinstance(row.get(name), str) for row in rows)
    ]

"""The record over the rows of a shard, which are reported (SPEC §4.2, §4.5): one record, one signature, 32 bytes a row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final

from ledger import spec
from ledger.statements import words
from ledger.statements.record import Parent, Record, make_record

MEDIA_TEXT: Final = "text/plain"  # every row is a string, or a line
MEDIA_JSON: Final = "application/json"  # some row is another JSON value


def column_facts(column: str | None) -> dict[str, Any]:
    """How `facts` name a column: by its name, or where that is outside the charset by its digest; None: whole rows."""
    if column is None:
        return {}
    if words.NAME.match(column):
        return {"column": column}
    digest = hashlib.sha256(spec.TAG_COLUMN + column.encode("utf-8", "surrogatepass")).digest()
    return {"column_digest": digest}


def make_rows_record(
    *,
    maker: bytes,
    root: bytes,
    count: int,
    size_bytes: int,
    column: str | None,
    is_text: bool,
    parents: Iterable[Parent] = (),
    rights: dict[str, str] | None = None,
    source: dict[str, Any] | None = None,
) -> Record:
    """The record of `count` reported rows with this root, whose contents have `size_bytes` together.

    `is_text`: every row is a string or a line. Raises RefusedInput with the code of what SPEC §4 forbids.
    """
    return make_record(
        kind="dataset",
        maker=maker,
        stance="reported",
        content=root,
        form="rows",
        size_bytes=size_bytes,
        media=MEDIA_TEXT if is_text else MEDIA_JSON,
        parents=parents,
        rights=rights or None,
        source=source or None,
        facts={"count": count, **column_facts(column)},
    )

"""Which later claim replaces an earlier one of the same maker over the same content (SPEC §4.3).

A `supersedes` corrects; it must not launder. So it replaces only what it does not make look better: whoever wants to claim more
than he did leaves both claims standing, and readers weigh both.
"""

from __future__ import annotations

from typing import Final

from ledger.statements.legal import RELATIONS
from ledger.statements.record import Parent, Record

_MADE_BY_HUMANS: Final = ("work", "experience")


def why_without_effect(newer: Record, older: Record) -> str | None:
    """Why `newer`, which names `older` by `supersedes`, does not replace it; None: it does.

    That both are about one content, opened where it is sealed, is the caller's to know.
    """
    if newer.maker != older.maker:
        return "it is another maker's"
    if (newer.stance, older.stance) == ("made", "reported"):
        return "it would turn 'reported' into 'made'"
    if newer.kind != older.kind and newer.kind in _MADE_BY_HUMANS:
        return f"it would turn '{older.kind}' into '{newer.kind}'"
    if newer.fields.get("human", 0) > older.fields.get("human", 0):
        return "it would raise the human share"
    if newer.fields.get("machine", 0) < older.fields.get("machine", 0):
        return "it would lower the machine share"
    shares = {_edge(parent): parent.ppm or 0 for parent in newer.parents}
    for parent in older.parents:
        if not RELATIONS[parent.rel].share:
            continue
        if _edge(parent) not in shares:
            return f"it would drop a parent '{parent.rel}'"
        if shares[_edge(parent)] < (parent.ppm or 0):
            return f"it would lower the share of a parent '{parent.rel}'"
    return None


def _edge(parent: Parent) -> tuple[str, bytes, bytes | None, int | None]:
    return parent.rel, parent.id, parent.log, parent.row

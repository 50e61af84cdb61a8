"""The health of a ledger's outbox: what waits in it, what was refused, what does not belong there (SPEC §10.5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.audit.finding import Finding
from ledger.errors import StoreFault
from ledger.store.outbox import Outbox

_NAMED_MAX: Final = 3
_LATE_MS: Final = 60_000  # who drains has taken a parcel by then


def examine_outbox(folder: Path, now_ms: int) -> Iterator[Finding]:
    """All findings about the outbox of the ledger in `folder`; none where there is nothing in it. `now_ms`: the caller's clock."""
    outbox = Outbox(folder)
    try:
        waiting, refused, foreign = outbox.waiting(), outbox.refused(), outbox.foreign()
    except StoreFault as error:
        yield Finding(
            "outbox",
            ok=False,
            what=f"{error.item}: {error.reason}",
            fix=error.fix or "Look to the folder and its disk; what waits in it is not lost.",
        )
        return
    if waiting:
        is_late = any(_is_late(parcel.path, now_ms) for parcel in waiting)
        yield Finding(
            "outbox",
            ok=not is_late,
            what=f"{len(waiting)} signed parcels wait in {outbox.folder}",
            fix="Where the log's key is, run: lineage append" if is_late else "",
        )
    if refused:
        why = outbox.why(refused[-1])
        reason = f"; one of them: {why.code}, {why.reason}" if why is not None else ""
        yield Finding(
            "outbox, refused",
            ok=True,
            what=f"{len(refused)} signed parcels were refused and are not in the log; they lie in "
            f"{outbox.refused_folder}{reason}: sign again what is yours, then remove them",
        )
    if foreign:
        names = ", ".join(repr(path.name) for path in foreign[:_NAMED_MAX])
        more = f" and {len(foreign) - _NAMED_MAX} more" if len(foreign) > _NAMED_MAX else ""
        yield Finding(
            "outbox, foreign",
            ok=False,
            what=f"{names}{more} in {outbox.folder} are no parcels: nothing is done with them",
            fix="Find out who put them there, and move them away.",
        )


def _is_late(path: Path, now_ms: int) -> bool:
    """Whether a parcel has waited so long that nobody seems to come for it; of one that is gone by now, False."""
    try:
        return now_ms - path.lstat().st_mtime * 1_000 > _LATE_MS
    except OSError:
        return False

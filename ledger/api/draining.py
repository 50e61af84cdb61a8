"""The outbox of a ledger, emptied by whoever holds the log's key and gets the writer's lock (SPEC §10.5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from ledger.api.access import Access
from ledger.api.around import unseen
from ledger.api.door import Door
from ledger.errors import RefusedInput, StoreFault, WriterBusy
from ledger.signer.drain import GRACE_S, Drained, drain
from ledger.store.outbox import Outbox

PAUSE_S: Final = 0.2  # between two looks into the outbox
NOT_HERE: Final = frozenset({"key-file-missing", "passphrase-missing", "passphrase-wrong"})


def drain_here(
    access: Access,
    progress: Callable[[int], None] = unseen,
    *,
    wait_s: float | None = None,
    most_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Drained:
    """Empties the outbox, as `signer.drain`. `wait_s`: for another writer (0: not at all; None: as the ledger was opened for).

    Raises RefusedInput if the log's key cannot be opened here, WriterBusy; StoreFault and InvariantBroken as the log does:
    what was not placed by then is as it was.
    """
    with access.writer(wait_s) as writer:
        door = Door(writer, access.view)
        try:
            return drain(door, access.outbox, progress, most_s, grace_s)
        finally:
            door.close()


def drain_now(
    access: Access,
    progress: Callable[[int], None] = unseen,
    *,
    wait_s: float | None = 0,
    most_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Drained | None:
    """As `drain_here`; None if this process may not: no key of the log that it can open, or another one writes."""
    try:
        return drain_here(access, progress, wait_s=wait_s, most_s=most_s, grace_s=grace_s)
    except WriterBusy:
        return None
    except RefusedInput as error:
        if error.code in NOT_HERE:
            return None
        raise


def follow(access: Access, pause_s: float) -> Iterator[Drained]:
    """Empties the outbox again and again, for as long as it is asked: each draining that came to something, or waited in vain.

    Between two looks it sleeps `pause_s` seconds and holds no lock. Raises as `drain_here`, but for another writer, who is
    waited for.
    """
    left: set[Path] = set()
    is_first = True
    while True:
        try:
            if is_first or access.outbox.waiting():  # who cannot drain at all hears of it at once
                is_first = False
                drained = drain_here(access)
                if drained.placed or drained.refused or {item.path for item in drained.left} - left:
                    yield drained
                left = {item.path for item in drained.left}
        except WriterBusy:
            pass
        time.sleep(pause_s)


def waiting_in(outbox: Outbox) -> dict[str, Any]:
    """What `status` says of an outbox: parcels that wait and that were refused, and what there keeps it from being read."""
    try:
        return {
            "folder": str(outbox.folder),
            "waiting": len(outbox.waiting()),
            "refused": len(outbox.refused()),
            "foreign": len(outbox.foreign()),
        }
    except StoreFault as error:
        return {"folder": str(outbox.folder), "error": error.reason}

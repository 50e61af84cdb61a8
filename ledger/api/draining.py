"""The outbox of a ledger, emptied by whoever holds the log's key and gets the writer's lock (SPEC §10.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ledger.api.access import Access, unseen
from ledger.api.door import Door
from ledger.errors import RefusedInput, StoreFault, WriterBusy
from ledger.signer.drain import GRACE_S, Drained, drain
from ledger.store.outbox import Outbox

NOT_HERE: Final = frozenset({"key-file-missing", "passphrase-missing", "passphrase-wrong"})


def drain_now(
    access: Access,
    wait_s: float | None = None,
    progress: Callable[[int], None] = unseen,
    most_s: float | None = None,
    grace_s: float = GRACE_S,
) -> Drained | None:
    """Empties the outbox; None if this process may not: no key of the log that it can open, or another one writes.

    `wait_s`: for the other one (0: not at all; None: as the ledger was opened for). The rest as `signer.drain`. Raises
    StoreFault and InvariantBroken as the log does; what was not placed by then is as it was.
    """
    try:
        with access.writer(wait_s) as writer:
            door = Door(writer, access.view)
            try:
                return drain(door, access.outbox, progress, most_s, grace_s)
            finally:
                door.close()
    except WriterBusy:
        return None
    except RefusedInput as error:
        if error.code in NOT_HERE:
            return None
        raise


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

"""How a pair stood in the log when this machine signed by it last: kept beside its keys, for signing without the log.

<identity>/standing.json     {key_event, delegation}, in hex

Of others the keys themselves tell: the event that put them in place lies beside them. What is noted is a memory, and may be
old: the log alone knows what is in force, and refuses what was signed by anything else.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Final, NamedTuple

from ledger.errors import StoreFault
from ledger.signer.keystore import LocalIdentity
from ledger.signer.logdoor import Standing
from ledger.store.files import read_regular, write_atomically

STANDING_FILE: Final = "standing.json"
_BYTES_MAX: Final = 4_096


class LocalStanding(NamedTuple):
    """What is taken to be in force: the statement ids (32 bytes) of a key event and, of a pair, of its delegation."""

    key_event: bytes
    delegation: bytes | None


def remember_standing(identity: LocalIdentity, standing: Standing) -> None:
    """Notes how the log has a pair that just signed there; where that cannot be noted, nothing else is held up."""
    now = LocalStanding(standing.key_event, standing.delegation)
    if now.delegation is None or standing_seen(identity) == now:
        return
    fields = {"key_event": now.key_event.hex(), "delegation": now.delegation.hex()}
    with suppress(StoreFault):
        data = json.dumps(fields).encode() + b"\n"
        write_atomically(identity.folder / STANDING_FILE, data, replace=True, private=True)


def standing_seen(identity: LocalIdentity) -> LocalStanding | None:
    """The last standing that this machine saw in the log; None if it saw none."""
    try:
        fields: Any = json.loads(read_regular(identity.folder / STANDING_FILE, _BYTES_MAX))
        return LocalStanding(
            bytes.fromhex(fields["key_event"]), bytes.fromhex(fields.get("delegation") or "") or None
        )
    except (StoreFault, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None

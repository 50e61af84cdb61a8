"""The few names people import; wires the rooms; no logic of its own (SPEC §1).

    import ledger

    with ledger.open("my-ledger") as l:
        signed = l.sign(["notes.md"], by="ada")
        print(l.trace(signed.ids[0]).humans)

A `Ledger` is one ledger folder, with the key store of this machine's user beside it. Reading needs neither lock nor key.
"""

from __future__ import annotations

from ledger.api.health import audit_folder, examine
from ledger.api.ledger import OPERATOR, Ledger, Paths, Progress
from ledger.api.opening import create_ledger, default_origin, open_ledger

__all__ = [
    "OPERATOR",
    "Ledger",
    "Paths",
    "Progress",
    "audit_folder",
    "create_ledger",
    "default_origin",
    "examine",
    "open_ledger",
]

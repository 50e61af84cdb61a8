"""The few names people import; wires the rooms; no logic of its own (SPEC §1).

    import ledger

    with ledger.open("my-ledger") as l:
        signed = l.sign(["notes.md"], by="ada")
        print(l.trace(signed.ids[0]).humans)

A `Ledger` is one ledger folder, with the key store of this machine's user beside it. Reading needs neither lock nor key.

Importing it loads none of it: each name brings its own module, so that who checks a file needs no engine of a store.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ledger.api.access import OPERATOR
    from ledger.api.around import Progress
    from ledger.api.batch import Batch
    from ledger.api.batch_item import Item
    from ledger.api.descendants import Touched, path_of
    from ledger.api.effects import Effects, Loss
    from ledger.api.finding import ids_found
    from ledger.api.health import audit_folder, examine, rebuild
    from ledger.api.importing import Imported, ImportedRecord
    from ledger.api.keys import Foreseen, KeyChange
    from ledger.api.ledger import Ledger, Paths
    from ledger.api.manifests import SignedManifest
    from ledger.api.opening import create_ledger, default_origin, open_ledger
    from ledger.api.rebuilding import RebuiltRows
    from ledger.api.saying import Subject, read_entry
    from ledger.api.session import Session
    from ledger.api.sidecars import Found, RowMatch
    from ledger.api.verified import Verified
    from ledger.api.verifying import receipts_of, trusted_log, verify, verify_receipt
    from ledger.api.verifying_manifest import VerifiedManifest, verify_manifest

__all__ = [
    "OPERATOR",
    "Batch",
    "Effects",
    "Foreseen",
    "Found",
    "Imported",
    "ImportedRecord",
    "Item",
    "KeyChange",
    "Ledger",
    "Loss",
    "Paths",
    "Progress",
    "RebuiltRows",
    "RowMatch",
    "Session",
    "SignedManifest",
    "Subject",
    "Touched",
    "Verified",
    "VerifiedManifest",
    "audit_folder",
    "create_ledger",
    "default_origin",
    "examine",
    "ids_found",
    "open_ledger",
    "path_of",
    "read_entry",
    "rebuild",
    "receipts_of",
    "trusted_log",
    "verify",
    "verify_manifest",
    "verify_receipt",
]

_HOMES: Final = {
    "Batch": "ledger.api.batch",
    "Effects": "ledger.api.effects",
    "Foreseen": "ledger.api.keys",
    "Found": "ledger.api.sidecars",
    "Imported": "ledger.api.importing",
    "ImportedRecord": "ledger.api.importing",
    "Item": "ledger.api.batch_item",
    "KeyChange": "ledger.api.keys",
    "Ledger": "ledger.api.ledger",
    "Loss": "ledger.api.effects",
    "OPERATOR": "ledger.api.access",
    "Paths": "ledger.api.ledger",
    "Progress": "ledger.api.around",
    "RebuiltRows": "ledger.api.rebuilding",
    "RowMatch": "ledger.api.sidecars",
    "Session": "ledger.api.session",
    "SignedManifest": "ledger.api.manifests",
    "Subject": "ledger.api.saying",
    "Touched": "ledger.api.descendants",
    "Verified": "ledger.api.verified",
    "VerifiedManifest": "ledger.api.verifying_manifest",
    "audit_folder": "ledger.api.health",
    "create_ledger": "ledger.api.opening",
    "default_origin": "ledger.api.opening",
    "examine": "ledger.api.health",
    "ids_found": "ledger.api.finding",
    "open_ledger": "ledger.api.opening",
    "path_of": "ledger.api.descendants",
    "read_entry": "ledger.api.saying",
    "rebuild": "ledger.api.health",
    "receipts_of": "ledger.api.verifying",
    "trusted_log": "ledger.api.verifying",
    "verify": "ledger.api.verifying",
    "verify_manifest": "ledger.api.verifying_manifest",
    "verify_receipt": "ledger.api.verifying",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(name)

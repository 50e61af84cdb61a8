"""The beginning of a log: entry 0 (SPEC §10.2)."""

from __future__ import annotations

from typing import Any

from ledger import spec
from ledger.identity import ed25519
from ledger.identity.keyset import make_keyset, sign_entry_payload
from ledger.identity.vkey import Vkey
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.statement import keyset_digest, log_id, make_statement


def make_genesis(vkey: Vkey, operator_seeds: list[bytes], rules: dict[str, Any] | None = None) -> Entry:
    """The signed genesis of a log under `vkey`; the seeds are the operator's current, next and recovery keys.

    Raises RefusedInput `schema` if the vkey's name is no origin (SPEC §3.1).
    """
    keysets = [make_keyset([ed25519.public_key(seed)]) for seed in operator_seeds]
    body = {
        "origin": vkey.name,
        "vkeys": [str(vkey)],
        "keyset": keysets[0],
        "next": keyset_digest(keysets[1]),
        "recovery": keyset_digest(keysets[2]),
        "rules": rules or {"mode": "open"},
        "fold": spec.FOLD_VERSION,
    }
    statement = make_statement("genesis", log_id(str(vkey)), body)
    signature = sign_entry_payload(operator_seeds[0], statement.payload)
    return make_entry(statement, [Signature(CURRENT, 0, signature)])

"""Which logs a key store holds keys for: remembered beside them, so that their vkeys are known where no ledger is.

<config>/logs/<first 16 hex digits of the log id>/log.json     {origin, vkey, log_id}
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.errors import LineageError, StoreFault
from ledger.identity.vkey import Vkey
from ledger.statements.statement import log_id
from ledger.store.files import read_regular, write_atomically

LOG_FILE: Final = "log.json"
_BYTES_MAX: Final = 4_096


def remember_log(folder: Path, vkey: Vkey) -> None:
    """Notes whose keys lie in this folder of a key store, if any lie there and it is not noted.

    It is a convenience: where it cannot be noted, nothing else is held up.
    """
    text = str(vkey)
    fields = {"origin": vkey.name, "vkey": text, "log_id": log_id(text).hex()}
    if folder.is_dir() and _read(folder) != vkey:
        with suppress(StoreFault):
            write_atomically(
                folder / LOG_FILE, json.dumps(fields).encode() + b"\n", replace=True, private=True
            )


def known_logs(config: Path) -> list[Vkey]:
    """The first vkeys of the logs whose keys lie under a config folder; what is damaged, or another's, is left out."""
    try:
        folders = sorted(path for path in (config / "logs").iterdir() if path.is_dir())
    except OSError:  # there is none, or it cannot be read
        return []
    return [vkey for vkey in map(_read, folders) if vkey is not None]


def _read(folder: Path) -> Vkey | None:
    """The vkey noted in a folder, if it is that of the folder's log."""
    try:
        vkey = Vkey.parse(json.loads(read_regular(folder / LOG_FILE, _BYTES_MAX))["vkey"])
    except (LineageError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return vkey if log_id(str(vkey)).hex().startswith(folder.name) else None

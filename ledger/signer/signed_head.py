"""What the log's key signed last: so that it never signs two roots for one size (SPEC §10.1).

A ledger's folder may be restored from an older copy; the key does not forget with it. The memory lies beside the key, is
written and synced before a signature leaves, and only ever grows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledger.errors import StoreFault
from ledger.proofs.checkpoint import Checkpoint
from ledger.store.files import read_regular, write_atomically

_MEMORY_BYTES_MAX: Final = 4_096

Sign = Callable[[bytes], bytes]


def remembering(path: Path, sign: Sign) -> Sign:
    """`sign` for checkpoints of one log, refusing what contradicts the newest one signed before.

    What it returns raises StoreFault `log-rolled-back` or `key-memory-damaged`; then nothing is signed.
    """

    def guarded(message: bytes) -> bytes:
        checkpoint = Checkpoint.parse(message.decode())
        if checkpoint.size > check_head(path, checkpoint):
            newest = {"size": checkpoint.size, "root": checkpoint.root.hex()}
            write_atomically(path, json.dumps(newest).encode() + b"\n", replace=True, private=True)
        return sign(message)

    return guarded


def check_head(path: Path, checkpoint: Checkpoint) -> int:
    """The greatest size signed before, which the head of a log must not fall behind or contradict.

    Raises StoreFault `log-rolled-back` or `key-memory-damaged`.
    """
    size, root = _remembered(path)
    if checkpoint.size < size or (checkpoint.size == size and checkpoint.root.hex() != root):
        raise StoreFault(
            "log-rolled-back",
            f"log checkpoint of {checkpoint.size} entries",
            f"the log's key has signed one of {size} entries that it contradicts: the ledger's folder is an older copy",
            "Put the newest copy of the folder back; a log cannot go back. If it is lost, make a new ledger.",
        )
    return size


def _remembered(path: Path) -> tuple[int, str]:
    """Size and root (hex) of the newest checkpoint signed; (0, "") before the first."""
    try:
        fields = json.loads(read_regular(path, _MEMORY_BYTES_MAX))
        size, root = fields["size"], fields["root"]
        if type(size) is not int or size < 0 or type(root) is not str:
            raise TypeError
    except StoreFault as error:
        if error.code == "file-not-found":
            return 0, ""
        raise StoreFault("key-memory-damaged", str(path), error.reason, error.fix) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StoreFault(
            "key-memory-damaged",
            str(path),
            "it does not say what the log's key signed last",
            "Restore it from a copy; without it the key could sign two histories.",
        ) from error
    return size, root

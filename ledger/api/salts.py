"""The salt of sealed content, as it travels: 64 hex digits, in `FILE.salt` or in a row's column (SPEC §4.2).

Whoever has the salt can tell what a sealed record is about; so it is never in a receipt, and never in the log.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from ledger import spec
from ledger.datasets.files import RegularFile, load_file, printable
from ledger.errors import RefusedInput
from ledger.proofs.receipt import Content

_HEX: Final = re.compile(rf"[0-9a-f]{{{2 * spec.SALT_BYTES}}}", re.ASCII | re.IGNORECASE)
_FILE_BYTES_MAX: Final = 256


def parse_salt(item: str, text: str) -> bytes:
    """The 32 bytes of a salt in hex. Raises RefusedInput `schema`; the salt itself is never in an error."""
    if _HEX.fullmatch(text) is None:
        raise RefusedInput(
            "schema",
            item,
            f"it is no salt: it takes {2 * spec.SALT_BYTES} hex digits",
            "Look to where it was kept.",
        )
    return bytes.fromhex(text)


def salt_path(path: str | os.PathLike[str]) -> Path:
    """Where the salt of a sealed file lies."""
    return Path(os.fspath(path) + spec.SALT_SUFFIX)


def salt_beside(path: str | os.PathLike[str]) -> bytes | None:
    """The salt that lies beside a file, if one does. Raises RefusedInput `schema` for what is none."""
    place = salt_path(path)
    if not os.path.lexists(place):
        return None
    text = load_file(place, max_bytes=_FILE_BYTES_MAX)[1].decode("ascii", "replace")
    return parse_salt(printable(place), text.removesuffix("\n"))


def sealed_file(path: str | os.PathLike[str], maker: bytes, salt: bytes) -> Content:
    """A file's content as `maker` seals it under a salt, read in bounded memory."""
    digest = hashlib.sha256(spec.TAG_SEALED + maker + salt)
    with RegularFile(path) as file:
        for chunk in file.chunks():
            digest.update(chunk)
        return Content("sealed", digest.digest(), file.size_bytes)

"""The salt of sealed content, as it travels: 64 hex digits, in `FILE.salt` or in a row's column (SPEC §4.2).

Whoever has the salt can tell what a sealed record is about; so it is never in a receipt, and never in the log. Where it is at
home: `ledger.store.salts`.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.files import RegularFile, load_file, printable
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT
from ledger.errors import RefusedInput
from ledger.proofs.receipt import Content
from ledger.statements.record import sealed_content

_HEX: Final = re.compile(rf"[0-9a-f]{{{2 * spec.SALT_BYTES}}}", re.ASCII | re.IGNORECASE)
_FILE_BYTES_MAX: Final = 256
FindSalt = Callable[[bytes], bytes | None]  # of an artifact id: the salt of its content, if it is kept here


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


class Sealed(NamedTuple):
    """A sealed artifact: its id, its maker and the digest of its content, 32 bytes each."""

    artifact_id: bytes
    maker: bytes
    digest: bytes

    def is_about(self, content: bytes, salt: bytes) -> bool:
        """Whether its content is this one under that salt."""
        return sealed_content(self.maker, salt, content) == self.digest


def row_salt(cell: Any, sealed: Sealed, content: bytes, find_salt: FindSalt | None) -> bytes:
    """The salt under which a row is the artifact of its `lineage_id`: that of its column, else the one kept here (SPEC §4.6).

    Raises RefusedInput `salt-missing`, `salt-differs`, `lineage-id-differs`, `cell-illegal`, `schema`.
    """
    item = f"column '{LINEAGE_SALT}'"
    if cell is not None and not isinstance(cell, str):
        raise RefusedInput("cell-illegal", item, "it is no salt", "Write 64 hex digits, or null.")
    given = None if cell is None else parse_salt(item, cell)
    if given is not None and sealed.is_about(content, given):
        return given
    kept = None if find_salt is None else find_salt(sealed.artifact_id)
    if kept is None:
        raise _unknown_salt(item, is_given=given is not None)
    if not sealed.is_about(content, kept):
        raise id_differs()
    if given is not None:
        raise RefusedInput(
            "salt-differs",
            item,
            "it is not the salt under which the row was sealed, which this machine keeps",
            "Set it to null, and the one that is kept counts; or bring the one that was written.",
        )
    return kept


def _unknown_salt(item: str, *, is_given: bool) -> RefusedInput:
    fix = f"Bring the {LINEAGE_SALT} that was written with the id; or take both away to sign the row anew."
    if is_given:
        return RefusedInput(
            "salt-differs",
            item,
            "under it the artifact of the row's id is about another content: the salt, the id or the row was changed",
            fix,
        )
    return RefusedInput(
        "salt-missing",
        item,
        "the artifact of the row's id is sealed, and without its salt nobody can tell whether it is the row's",
        fix,
    )


def id_differs() -> RefusedInput:
    """The refusal of a row whose id is another content's."""
    return RefusedInput(
        "lineage-id-differs",
        f"column '{LINEAGE_ID}'",
        "the artifact of this id has another content than the row: one was changed after it was signed",
        "Take the id away to sign the row anew, with the old id as its parent if it descends from it.",
    )

"""A folder each of whose files is a row: its content is the file's bytes, its form raw (SPEC §4.2).

A file may be far longer than a row of a table, as it may be where it is signed by itself; so its digest is taken while it is read, and its content is
held only by who asks for it. The salt of a sealed one lies beside it, in `FILE.salt` (SPEC §11.4), and is its cell `lineage_salt`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.datasets.files import Fingerprint, RegularFile, load_file, printable
from ledger.datasets.media import guess_media
from ledger.datasets.rows import LINEAGE_SALT, Form, cells_of
from ledger.datasets.wanted import Wanted
from ledger.errors import RefusedInput

_SALT_FILE_BYTES_MAX: Final = 256


class FileEntry(NamedTuple):
    """A file that is a row: its name below the folder, with `/`, and its fingerprint."""

    name: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class FileRow:
    """A row that is a file. It answers what a `Row` answers; its content is read when it is asked for."""

    row_index: int
    path: Path
    digest: bytes
    size_bytes: int
    fingerprint: Fingerprint
    cells: Mapping[str, Any]
    form: Form = "raw"

    @property
    def content(self) -> bytes:
        """The file's bytes. Raises RefusedInput `too-large` where a row may not be that long; of the file; `file-changed`."""
        found, content = load_file(self.path)
        if found.digest != self.digest:
            raise RefusedInput(
                "file-changed",
                printable(self.path),
                "it changed since its digest was taken",
                "Wait until nothing writes to it",
            )
        return content

    def hashed(self, before: bytes) -> bytes:
        """SHA-256 of these bytes and the content, in bounded memory: what seals it, for one. Raises as `content`, but for its length."""
        return digest_file(self.path, self.fingerprint, before)

    @property
    def media(self) -> str:
        """By its name."""
        return guess_media(self.path)


def digest_file(path: str | os.PathLike[str], fingerprint: Fingerprint, before: bytes = b"") -> bytes:
    """SHA-256 of these bytes and a file's, which has that fingerprint. Raises RefusedInput of the file."""
    digest = hashlib.sha256(before)
    with RegularFile(path) as file:
        file.check_is(fingerprint)
        for chunk in file.chunks():
            digest.update(chunk)
    return digest.digest()


def file_row(path: Path, fingerprint: Fingerprint, row_index: int, wanted: Wanted) -> FileRow:
    """A file as a row. Raises RefusedInput of the file."""
    cells = dict(cells_of(wanted.partition, wanted.cells))
    if LINEAGE_SALT in wanted.cells:
        salt = _salt_beside(path)
        if salt is not None:
            cells[LINEAGE_SALT] = salt
    digest = digest_file(path, fingerprint)
    return FileRow(row_index, path, digest, fingerprint.size_bytes, fingerprint, cells)


def fingerprint_of(path: Path) -> Fingerprint:
    """By which a file is known again. Raises RefusedInput of the file."""
    with RegularFile(path) as file:
        return file.fingerprint


def _salt_beside(path: Path) -> str | None:
    """What the file of a salt says; whether it is one, who needs it looks."""
    place = Path(os.fspath(path) + spec.SALT_SUFFIX)
    if not os.path.lexists(place):
        return None
    return load_file(place, max_bytes=_SALT_FILE_BYTES_MAX)[1].decode("ascii", "replace").removesuffix("\n")

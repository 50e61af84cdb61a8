"""From a content that a person holds to the sealed artifacts about it, by the salts that are kept here or travel with it (SPEC §4.2).

Sealed content is bound to its maker, whom a salt that travels does not name: so it is tried under everybody who sealed
anything in this log.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, NamedTuple, Self

from ledger import spec
from ledger.datasets.files import RegularFile
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.statements.record import decode_record, sealed_size
from ledger.store.salts import SaltVault

_SEALED: Final = b"\xa4form\xa6sealed"
# A maker as records hold it, or what looks like one: the maker is among what is found.
_MAKER: Final = re.compile(rb"(?=\xa5maker\xc4\x20(.{32}))", re.DOTALL)


class HeldContent(NamedTuple):
    """A content at hand: its SHA-256, its size, and the digest of it behind a prefix."""

    digest: bytes
    size_bytes: int
    behind: Callable[[bytes], bytes]

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """Content in memory."""
        return cls(
            hashlib.sha256(content).digest(),
            len(content),
            lambda prefix: hashlib.sha256(prefix + content).digest(),
        )

    @classmethod
    def of_file(cls, path: Path, digest: bytes, size_bytes: int) -> Self:
        """Content that is read anew each time, in bounded memory."""
        return cls(digest, size_bytes, lambda prefix: _file_behind(path, prefix))


def _file_behind(path: Path, prefix: bytes) -> bytes:
    digest = hashlib.sha256(prefix)
    with RegularFile(path) as file:
        for chunk in file.chunks():
            digest.update(chunk)
    return digest.digest()


class Opened(NamedTuple):
    """Sealed artifacts of the log about a content; the salts that were found for it here, of whatever is not in the log too."""

    ids: list[bytes]
    salts: frozenset[bytes]


def find_by_vault(view: LogView, vault: SaltVault, contents: Iterable[HeldContent]) -> Opened:
    """What was sealed on this machine."""
    found: list[bytes] = []
    salts = set()
    with vault.reading() as opened:
        for content in contents:
            for kept in opened.of_content(content.digest):
                salts.add(kept.salt)
                makers = {maker for maker in [sealer_of(view, kept.artifact_id)] if maker is not None}
                if kept.artifact_id in _find(view, content, kept.salt, makers):
                    found.append(kept.artifact_id)
    return Opened(found, frozenset(salts))


def find_by_salt(view: LogView, salt: bytes, contents: Iterable[HeldContent]) -> list[bytes]:
    """What anybody sealed under a salt; reads every record of the log once."""
    makers = sealers(view)
    return [artifact_id for content in contents for artifact_id in _find(view, content, salt, makers)]


def sealers(view: LogView) -> set[bytes]:
    """The ids of all who sealed anything in a log; reads every record once.

    Nobody else's: whoever could put more of them into one record would make every row that brings a salt dear.
    """
    makers: set[bytes] = set()
    for record in view.scan_records(_SEALED):
        if record.data is not None and not makers.issuperset(_MAKER.findall(record.data)):
            maker = _sealed_by(record.data)
            if maker is not None:
                makers.add(maker)
    return makers


def _sealed_by(data: bytes) -> bytes | None:
    """The maker of a sealed record; None of any other."""
    try:
        record = decode_record(data)
    except RefusedInput:  # no record of §4: it has no content
        return None
    return record.maker if record.form == "sealed" else None


def _find(view: LogView, content: HeldContent, salt: bytes, makers: Iterable[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for maker in makers:
        digest = content.behind(spec.TAG_SEALED + maker + salt)
        numbers = view.find_content("sealed", digest, sealed_size(content.size_bytes))
        found += map(view.record_leaf, numbers)
    return found


def sealer_of(view: LogView, artifact_id: bytes) -> bytes | None:
    """The maker of an artifact, if the log holds its record."""
    for number in view.find_artifact(artifact_id):
        data = view.record(number)
        try:
            if data is not None:
                return decode_record(data).maker
        except RefusedInput:  # its leaf stands there, and no record of §4: it has no content
            continue
    return None

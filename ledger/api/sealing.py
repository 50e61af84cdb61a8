"""Sealing: the log gets a digest that nobody can guess at, and the vault the salt that opens it (SPEC §4.2, §10.8).

A salt belongs to one content under one claim of one maker. So the same signing once more finds the same salt, and with it the
same record; and of two records nobody can tell that they are about the same content, not even where many rows say
"yes" and differ in what is claimed of them: their salts are different ones.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from ledger import spec
from ledger.api.contents import Content, Contents
from ledger.datasets.files import RegularFile, file_changed
from ledger.merkle.tree import hash_leaf
from ledger.signer.claims import Claimant
from ledger.statements.record import sealed_size
from ledger.store.salts import Kept, Salts


class SaltRaceError(Exception):
    """Another process has sealed one of the contents under the same claim meanwhile; read once more, its salt is found."""


def seal(claimant: Claimant, salts: Salts, content: Content) -> Content:
    """The content as it is signed sealed, under the salt that it has or a new one, which waits in `salts` to be kept."""
    claim, sealed = _known(claimant, salts, content)
    if sealed is not None:
        return sealed
    salt = secrets.token_bytes(spec.SALT_BYTES)
    sealed = _under(claimant, content, salt)
    salts.add(claim, content.digest, Kept(_artifact_id(claimant, sealed), salt))
    return sealed


def known_sealed(claimant: Claimant, salts: Salts, content: Content) -> Content | None:
    """The content as it was sealed before under the same claim; None: it was not."""
    return _known(claimant, salts, content)[1]


def sealed_contents(claimant: Claimant, salts: Salts, contents: Iterable[Content]) -> Contents:
    """The contents, sealed but for those that the log holds. When the last was given their salts are durable.

    Raises SaltRaceError, RefusedInput `file-changed`, and as `Salts.flush`.
    """
    for content in contents:
        yield content if content.held is not None else seal(claimant, salts, content)
        if salts.pending >= spec.VAULT_PENDING_MAX:
            _flush(salts)
    _flush(salts)


def _flush(salts: Salts) -> None:
    if salts.flush():
        raise SaltRaceError


def _known(claimant: Claimant, salts: Salts, content: Content) -> tuple[bytes, Content | None]:
    """What tells the content under its claim from all others, without a salt; and how it was sealed before."""
    claim = claimant.record(content.digest, content.size_bytes, "sealed", None, content.said)
    for kept in salts.of_claim(claim):
        sealed = _under(claimant, content, kept.salt)
        if _artifact_id(claimant, sealed) == kept.artifact_id:
            return claim, sealed
    return claim, None


def _artifact_id(claimant: Claimant, sealed: Content) -> bytes:
    return hash_leaf(claimant.record(sealed.digest, sealed.size_bytes, "sealed", None, sealed.said))


def _under(claimant: Claimant, content: Content, salt: bytes) -> Content:
    prefix = spec.TAG_SEALED + claimant.maker + salt
    if isinstance(content.opened, Path):
        digest = _file_digest(content.opened, prefix, content.digest)
    else:
        digest = hashlib.sha256(prefix + content.opened).digest()
    return content._replace(
        digest=digest, size_bytes=sealed_size(content.size_bytes), form="sealed", media=None
    )


def _file_digest(path: Path, prefix: bytes, expected: bytes) -> bytes:
    """The digest of prefix and file, which must still have the SHA-256 `expected`. Raises RefusedInput `file-changed`."""
    digest, plain = hashlib.sha256(prefix), hashlib.sha256()
    with RegularFile(path) as file:
        for chunk in file.chunks():
            digest.update(chunk)
            plain.update(chunk)
    if plain.digest() != expected:
        raise file_changed(path)
    return digest.digest()

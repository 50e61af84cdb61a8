"""The local content store: bytes by the digest that a record names, kept beside the log and never in it, so that they can be erased."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ledger.errors import StoreFault
from ledger.spec import ROW_BYTES_MAX
from ledger.store.files import destroy, is_to_destroy, read_regular, write_atomically


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


class ContentStore:
    """Files `content/<2 hex>/<62 hex>` in a ledger's folder, for their owner alone: the log is public, they are not."""

    def __init__(self, ledger_folder: Path) -> None:
        self._folder = ledger_folder / "content"

    def path(self, digest: bytes) -> Path:
        """Where content with this digest lies, if it is kept."""
        name = digest.hex()
        return self._folder / name[:2] / name[2:]

    def put(self, content: bytes, digest: bytes | None = None) -> bytes:
        """Keeps content under its SHA-256, or under the digest (32 bytes) that it has when it is sealed; returns that.

        Keeping it again changes nothing.
        """
        name = _sha256(content) if digest is None else digest
        write_atomically(self.path(name), content, private=True)
        return name

    def remove(self, digest: bytes) -> None:
        """Lets go of content, if it is kept. Raises StoreFault `store-failed`."""
        try:
            self.path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise StoreFault(
                "store-failed", str(self.path(digest)), f"it cannot be removed ({error.strerror})"
            ) from error

    def is_kept(self, digest: bytes) -> bool:
        """Whether there is anything to destroy under a digest: content, or what a crash left of it."""
        return is_to_destroy(self.path(digest))

    def destroy(self, digest: bytes) -> bool:
        """Forgets content for good, as `ledger.store.files.destroy`; whether there was any."""
        return destroy(self.path(digest))

    def get(self, digest: bytes, hash_: Callable[[bytes], bytes] = _sha256) -> bytes | None:
        """The content, or None if it is not kept; `hash_` makes its digest, where it is sealed.

        Raises StoreFault `content-damaged`, and as `read_regular` does.
        """
        try:
            content = read_regular(self.path(digest), ROW_BYTES_MAX)
        except StoreFault as error:
            if error.code == "file-not-found":
                return None
            raise
        if hash_(content) != digest:
            raise StoreFault(
                "content-damaged",
                str(self.path(digest)),
                "it is not what its name says",
                "Restore it from a copy, or remove it.",
            )
        return content

"""The local content store: bytes by their SHA-256, kept beside the log and never in it, so that they can be erased."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ledger.errors import StoreFault
from ledger.spec import ROW_BYTES_MAX
from ledger.store.files import read_regular, write_atomically


class ContentStore:
    """Files `content/<2 hex>/<62 hex>` in a ledger's folder, for their owner alone: the log is public, they are not."""

    def __init__(self, ledger_folder: Path) -> None:
        self._folder = ledger_folder / "content"

    def path(self, digest: bytes) -> Path:
        """Where content with this digest lies, if it is kept."""
        name = digest.hex()
        return self._folder / name[:2] / name[2:]

    def put(self, content: bytes) -> bytes:
        """Keeps content; returns its digest. Keeping it again changes nothing."""
        digest = hashlib.sha256(content).digest()
        write_atomically(self.path(digest), content, private=True)
        return digest

    def remove(self, digest: bytes) -> None:
        """Lets go of content, if it is kept. Raises StoreFault `store-failed`."""
        try:
            self.path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise StoreFault(
                "store-failed", str(self.path(digest)), f"it cannot be removed ({error.strerror})"
            ) from error

    def get(self, digest: bytes) -> bytes | None:
        """The content, or None if it is not kept. Raises StoreFault `content-damaged`, and as `read_regular` does."""
        try:
            content = read_regular(self.path(digest), ROW_BYTES_MAX)
        except StoreFault as error:
            if error.code == "file-not-found":
                return None
            raise
        if hashlib.sha256(content).digest() != digest:
            raise StoreFault(
                "content-damaged",
                str(self.path(digest)),
                "it is not what its name says",
                "Restore it from a copy, or remove it.",
            )
        return content

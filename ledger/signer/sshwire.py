"""The few words of SSH's binary language in which keys and agents speak (RFC 4251 §5, RFC 4253 §6.6, RFC 8709).

A string is u32 length ‖ bytes. An Ed25519 public key is string "ssh-ed25519" ‖ string key (32 bytes), a signature
string "ssh-ed25519" ‖ string signature (64 bytes). What comes from elsewhere is read strictly: nothing is filled up
where bytes are missing, and nothing may follow.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from ledger.spec import KEY_BYTES, SIGNATURE_BYTES

ED25519: Final = "ssh-ed25519"
_U32_BYTES: Final = 4


class Malformed(ValueError):
    """Bytes that do not say what they should; raised by this module and by nothing else."""


class Reader:
    """Reads one value after the other. Every method raises Malformed where bytes are missing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise Malformed("it ends too early")
        self._at += count
        return taken

    def u32(self) -> int:
        """An unsigned integer of four bytes."""
        return int.from_bytes(self.take(_U32_BYTES), "big")

    def string(self) -> bytes:
        """A string."""
        return self.take(self.u32())

    def rest(self) -> bytes:
        """All that was not read yet."""
        return self.take(len(self._data) - self._at)

    def end(self) -> None:
        """Raises Malformed unless all was read."""
        if self._at != len(self._data):
            raise Malformed("something follows its end")


def string(data: bytes) -> bytes:
    """The bytes of a string."""
    return len(data).to_bytes(_U32_BYTES, "big") + data


def ed25519_blob(public: bytes) -> bytes:
    """The SSH form of an Ed25519 public key (32 bytes)."""
    return string(ED25519.encode()) + string(public)


def key_type(blob: bytes) -> str:
    """The name of a public key's type, as `ssh-ed25519`. Raises Malformed."""
    return Reader(blob).string().decode("ascii", "replace")


def ed25519_public(blob: bytes) -> bytes | None:
    """The Ed25519 public key (32 bytes) of an SSH form; None if it is of another type, or is none."""
    return _typed(blob, KEY_BYTES)


def ed25519_signature(blob: bytes) -> bytes | None:
    """The Ed25519 signature (64 bytes) of an SSH form; None if it is of another type, or is none."""
    return _typed(blob, SIGNATURE_BYTES)


def _typed(blob: bytes, size: int) -> bytes | None:
    reader = Reader(blob)
    try:
        kind, value = reader.string(), reader.string()
        reader.end()
    except Malformed:
        return None
    return value if kind == ED25519.encode() and len(value) == size else None


def fingerprint(blob: bytes) -> str:
    """How `ssh-add -l` names a public key: SHA256:… without padding."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def public_line(text: str) -> bytes:
    """The SSH form of the key in a public key file's line, `TYPE BASE64 [COMMENT]`. Raises Malformed."""
    parts = text.split(maxsplit=2)
    try:
        blob = base64.b64decode(parts[1], validate=True)
        if key_type(blob) == parts[0]:
            return blob
    except (ValueError, IndexError) as error:
        raise Malformed("it is no line of a public key") from error
    raise Malformed("its type is not that of its key")

"""Key files: one Ed25519 seed a file, encrypted at rest (argon2id, then XSalsa20-Poly1305).

A key file is JSON, so that its owner can see what it is: the public key in clear, how the seed is protected, and
the sealed seed. Files are made with mode 0600 and never overwritten. Without a passphrase the seed stands in clear,
which the caller must have asked for by name.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from nacl import pwhash, secret, utils
from nacl.exceptions import CryptoError

from ledger.errors import RefusedInput, StoreFault
from ledger.identity import ed25519

FORMAT: Final = "lineage-key"
VERSION: Final = 1
ARGON2_MEMORY_BYTES: Final = 67_108_864  # 64 MiB
ARGON2_PASSES: Final = 3
ARGON2_MEMORY_BYTES_MAX: Final = 1_073_741_824  # a file that asks for more is refused before it is tried
ARGON2_PASSES_MAX: Final = 64
KEY_FILE_BYTES_MAX: Final = 4_096

Passphrase = Callable[[str], bytes]  # asked with what it is for


def write_key(path: Path, seed: bytes, passphrase: bytes | None) -> None:
    """Writes a new key file, encrypted unless `passphrase` is None. Raises StoreFault if it exists or cannot be written."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "algorithm": "ed25519",
        "public": ed25519.public_key(seed).hex(),
    }
    if passphrase is None:
        fields |= {"protection": "none", "secret": seed.hex()}
    else:
        salt = utils.random(pwhash.argon2id.SALTBYTES)
        box = secret.SecretBox(_stretch(passphrase, salt, ARGON2_PASSES, ARGON2_MEMORY_BYTES))
        fields |= {
            "protection": "argon2id+secretbox",
            "salt": salt.hex(),
            "passes": ARGON2_PASSES,
            "memory_bytes": ARGON2_MEMORY_BYTES,
            "secret": bytes(box.encrypt(seed)).hex(),
        }
    write_private(path, (json.dumps(fields, indent=1) + "\n").encode())


def write_private(path: Path, data: bytes) -> None:
    """Creates a file that its owner alone may read, synced with its folder. Never overwrites."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except FileExistsError as error:
        raise StoreFault(
            "key-file-exists",
            str(path),
            "it exists already",
            "Keys are never overwritten; choose another name.",
        ) from error
    except OSError as error:
        raise StoreFault(
            "key-file-unwritable", str(path), f"it cannot be written: {error.strerror}"
        ) from error


def sync_folder(folder: Path) -> None:
    """Makes a new or renamed name in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_public(path: Path) -> bytes:
    """The public key of a key file, without its secret."""
    return bytes.fromhex(_read(path)["public"])


def read_key(path: Path, passphrase: Passphrase) -> bytes:
    """The seed of a key file. Raises RefusedInput `passphrase-wrong` or `key-file-damaged`."""
    fields = _read(path)
    try:
        sealed = bytes.fromhex(fields["secret"])
        seed = sealed if fields["protection"] == "none" else _open(path, fields, sealed, passphrase)
        matches = ed25519.public_key(seed).hex() == fields["public"]
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, f"a field is missing or ill-formed ({error})") from error
    if not matches:
        raise _damaged(path, "its secret does not belong to its public key")
    return seed


def _open(path: Path, fields: dict[str, Any], sealed: bytes, passphrase: Passphrase) -> bytes:
    passes, memory_bytes = int(fields["passes"]), int(fields["memory_bytes"])
    if not (0 < passes <= ARGON2_PASSES_MAX and 8192 <= memory_bytes <= ARGON2_MEMORY_BYTES_MAX):
        raise _damaged(path, "its argon2id parameters are out of range")
    key = _stretch(passphrase(path.name), bytes.fromhex(fields["salt"]), passes, memory_bytes)
    try:
        return bytes(secret.SecretBox(key).decrypt(sealed))
    except CryptoError as error:
        raise RefusedInput(
            "passphrase-wrong",
            str(path),
            "the passphrase does not open it (or the file was changed)",
            "Set LINEAGE_PASSPHRASE, use --passphrase-file, or type it again.",
        ) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > KEY_FILE_BYTES_MAX:
            raise _damaged(path, "it is too large for a key file")
        fields = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise RefusedInput(
            "key-file-missing",
            str(path),
            "there is no such key file",
            "Was it moved away? Bring it back, or name another identity.",
        ) from error
    except OSError as error:
        raise StoreFault("key-file-unreadable", str(path), f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise _damaged(path, "it is no JSON") from error
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise _damaged(path, "it is no key file of this program")
    if fields.get("version") != VERSION:
        raise RefusedInput(
            "key-file-newer", str(path), "it was written by a newer version", "Upgrade lineage-ledger."
        )
    return fields


def _stretch(passphrase: bytes, salt: bytes, passes: int, memory_bytes: int) -> bytes:
    return bytes(
        pwhash.argon2id.kdf(
            secret.SecretBox.KEY_SIZE, passphrase, salt, opslimit=passes, memlimit=memory_bytes
        )
    )


def _damaged(path: Path, reason: str) -> RefusedInput:
    return RefusedInput("key-file-damaged", str(path), reason, "Restore it from a copy.")

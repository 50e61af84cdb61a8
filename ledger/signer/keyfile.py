"""Key files: one Ed25519 seed a file, encrypted at rest (argon2id, RFC 9106; then XSalsa20-Poly1305, NaCl secretbox).

A key file is JSON, so that its owner can see what it is: the public key in clear, how the seed is protected, and
the sealed seed. Files are made with mode 0600 and never overwritten. Without a passphrase the seed stands in clear,
which the caller must have asked for by name.

A key that lies elsewhere has a file too, of version 2 and without a secret: its protection says who holds it, the user's
`ssh-agent`, or an `external` signer that is given to the process (SPEC §10.6). Each protection has its own exact
fields, so that no edit of one word turns one kind of file into another.

A file is read strictly before a passphrase is asked for, and its argon2id parameters are bounded before they are
used: who can put a file in place of another must not be able to stop the machine with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nacl import pwhash, secret, utils
from nacl.exceptions import CryptoError

from ledger.errors import RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.spec import KEY_BYTES
from ledger.store.files import read_regular, sync_folder

FORMAT: Final = "lineage-key"
VERSION: Final = 1  # of files that hold their secret
VERSION_ELSEWHERE: Final = 2  # of files whose secret lies elsewhere
ARGON2_MEMORY_BYTES: Final = 67_108_864  # 64 MiB
ARGON2_PASSES: Final = 3
ARGON2_MEMORY_BYTES_MAX: Final = 1_073_741_824  # a file that asks for more is refused before it is tried
ARGON2_PASSES_MAX: Final = 64
KEY_FILE_BYTES_MAX: Final = 4_096
COMMENT_CHARS_MAX: Final = 128  # what is remembered of what its holder calls a key

IN_CLEAR: Final = "none"
ENCRYPTED: Final = "argon2id+secretbox"
SSH_AGENT: Final = "ssh-agent"
EXTERNAL: Final = "external"
_SEALED_BYTES: Final = secret.SecretBox.NONCE_SIZE + ed25519.SEED_BYTES + secret.SecretBox.MACBYTES
_COMMON_FIELDS: Final = {"format", "version", "algorithm", "public", "protection"}
_FIELDS: Final = {
    IN_CLEAR: _COMMON_FIELDS | {"secret"},
    ENCRYPTED: _COMMON_FIELDS | {"secret", "salt", "passes", "memory_bytes"},
    SSH_AGENT: _COMMON_FIELDS | {"comment"},
    EXTERNAL: _COMMON_FIELDS | {"comment"},
}

Passphrase = Callable[[str], bytes]  # asked with what it is for


def write_key(path: Path, seed: bytes, passphrase: bytes | None) -> None:
    """Writes a new key file, encrypted unless `passphrase` is None. Raises StoreFault if it exists or cannot be written."""
    fields = _common(VERSION, ed25519.public_key(seed))
    if passphrase is None:
        fields |= {"protection": IN_CLEAR, "secret": seed.hex()}
    else:
        salt = utils.random(pwhash.argon2id.SALTBYTES)
        box = secret.SecretBox(_stretch(passphrase, salt, ARGON2_PASSES, ARGON2_MEMORY_BYTES))
        fields |= {
            "protection": ENCRYPTED,
            "salt": salt.hex(),
            "passes": ARGON2_PASSES,
            "memory_bytes": ARGON2_MEMORY_BYTES,
            "secret": bytes(box.encrypt(seed)).hex(),
        }
    _write_fields(path, fields)


def write_elsewhere(path: Path, public: bytes, protection: str, comment: str) -> None:
    """Writes the key file of a public key (32 bytes) whose secret lies elsewhere; raises as `write_key`.

    `protection` is SSH_AGENT or EXTERNAL; of the `comment`, as its holder calls the key, the beginning is kept.
    """
    fields = _common(VERSION_ELSEWHERE, public)
    _write_fields(path, fields | {"protection": protection, "comment": comment[:COMMENT_CHARS_MAX]})


def _common(version: int, public: bytes) -> dict[str, Any]:
    return {"format": FORMAT, "version": version, "algorithm": "ed25519", "public": public.hex()}


def _write_fields(path: Path, fields: dict[str, Any]) -> None:
    write_private(path, (json.dumps(fields, indent=1) + "\n").encode())


def write_private(path: Path, data: bytes) -> None:
    """Creates a file that its owner alone may read, synced with its folder, or leaves none. Never overwrites.

    Raises StoreFault `key-file-exists` or `key-file-unwritable`.
    """
    with disk_told(path, "key-file-unwritable"):
        _write_new(path, data)


def _write_new(path: Path, data: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise StoreFault(
            "key-file-exists",
            str(path),
            "it exists already",
            "Keys are never overwritten; choose another name.",
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise


@contextmanager
def disk_told(path: Path, code: str) -> Iterator[None]:
    """Turns what the disk fails in into a StoreFault of this code."""
    try:
        yield
    except OSError as error:
        raise StoreFault(
            code,
            str(path),
            f"the disk refuses: {error.strerror or error}",
            "Look to the folder, its permissions and its disk; nothing that was acknowledged is lost.",
        ) from error


def make_private_folder(folder: Path) -> None:
    """Makes a folder that its owner alone may enter, those above it too where absent, durably. Raises OSError."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def read_public(path: Path) -> bytes:
    """The public key (32 bytes) of a key file, without its secret. Raises as `read_key`, but for the passphrase."""
    return load_key_file(path).public


def read_key(path: Path, passphrase: Passphrase) -> bytes:
    """The seed (32 bytes) of a key file; `passphrase` is asked only if it is encrypted, with the file's name.

    Raises RefusedInput `passphrase-wrong`, `key-elsewhere`, `key-file-missing`, `key-file-newer` or `key-file-damaged`;
    StoreFault `key-file-unreadable` or `memory-short`.
    """
    return open_key_file(load_key_file(path), passphrase)


@dataclass(frozen=True, slots=True)
class Stretch:
    """How a passphrase becomes a key."""

    salt: bytes
    passes: int
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What the key file at `path` held when it was read: `data` is all of it.

    `sealed` is the seed itself where `stretch` is None, and empty where the secret lies elsewhere; `comment` is how its holder calls it
    there.
    """

    path: Path
    data: bytes = field(repr=False)
    public: bytes
    protection: str
    sealed: bytes = field(default=b"", repr=False)
    stretch: Stretch | None = None
    comment: str = ""

    @property
    def lies_elsewhere(self) -> bool:
        """Whether it holds no secret."""
        return self.protection in (SSH_AGENT, EXTERNAL)


def load_key_file(path: Path) -> KeyFile:
    """A key file, read strictly and not opened. Raises as `read_public`."""
    data = read_key_file(path)
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is no JSON") from error
    if type(fields) is not dict or fields.get("format") != FORMAT:
        raise _damaged(path, "it is no key file of this program")
    version = fields.get("version")
    if type(version) is int and version > VERSION_ELSEWHERE:
        raise RefusedInput(
            "key-file-newer", str(path), "it was written by a newer version", "Upgrade lineage-ledger."
        )
    if type(version) is not int or version not in (VERSION, VERSION_ELSEWHERE):
        raise _damaged(path, "its version is none that there was")
    return _parse(path, data, fields)


def open_key_file(file: KeyFile, passphrase: Passphrase) -> bytes:
    """The seed of a key file that was read. Raises as `read_key`."""
    if file.lies_elsewhere:
        raise RefusedInput(
            "key-elsewhere",
            str(file.path),
            f"its secret lies elsewhere ({file.protection}), and here the secret itself is needed",
            "Name a key file that holds its secret.",
        )
    seed = file.sealed if file.stretch is None else _open(file, file.stretch, passphrase)
    if ed25519.public_key(seed) != file.public:
        raise _damaged(file.path, "its secret does not belong to its public key")
    return seed


def _open(file: KeyFile, stretch: Stretch, passphrase: Passphrase) -> bytes:
    answer = passphrase(file.path.name)
    try:
        key = _stretch(answer, stretch.salt, stretch.passes, stretch.memory_bytes)
    except (CryptoError, MemoryError) as error:  # libsodium tells nothing else of a failed allocation
        raise StoreFault(
            "memory-short",
            str(file.path),
            f"argon2id did not get its {stretch.memory_bytes} bytes of memory",
            "Free some memory and try again.",
        ) from error
    try:
        return bytes(secret.SecretBox(key).decrypt(file.sealed))
    except CryptoError as error:
        raise RefusedInput(
            "passphrase-wrong",
            str(file.path),
            "the passphrase does not open it (or the file was changed)",
            "Set LINEAGE_PASSPHRASE, use --passphrase-file, or type it again.",
        ) from error


def read_key_file(path: Path) -> bytes:
    """A key file as it is, to be copied. Raises as `read_public`, but for what is wrong within."""
    try:
        return read_regular(path, KEY_FILE_BYTES_MAX)
    except StoreFault as error:
        if error.code == "file-not-found":
            raise RefusedInput(
                "key-file-missing",
                str(path),
                "there is no such key file",
                "Was it moved away? Bring it back, or name another identity.",
            ) from error
        if error.code == "too-large":
            raise _damaged(path, "it is too large for a key file") from error
        raise StoreFault("key-file-unreadable", str(path), error.reason, error.fix) from error


def _parse(path: Path, data: bytes, fields: dict[str, Any]) -> KeyFile:
    protection = fields.get("protection")
    if type(protection) is not str or protection not in _FIELDS or fields.get("algorithm") != "ed25519":
        raise _damaged(path, "it names an algorithm or a protection that does not exist")
    if fields.keys() != _FIELDS[protection]:
        raise _damaged(path, "a field is missing, or one too many")
    lies_elsewhere = "secret" not in fields
    if fields["version"] != (VERSION_ELSEWHERE if lies_elsewhere else VERSION):
        raise _damaged(path, "its version has no such protection")
    public = _hex(path, fields, "public", KEY_BYTES)
    if lies_elsewhere:
        comment = fields["comment"]
        if type(comment) is not str or len(comment) > COMMENT_CHARS_MAX:
            raise _damaged(path, "'comment' is no short text")
        return KeyFile(path, data, public, protection, comment=comment)
    if protection == IN_CLEAR:
        return KeyFile(path, data, public, protection, _hex(path, fields, "secret", ed25519.SEED_BYTES))
    sealed = _hex(path, fields, "secret", _SEALED_BYTES)
    return KeyFile(path, data, public, protection, sealed, _stretch_of(path, fields))


def _stretch_of(path: Path, fields: dict[str, Any]) -> Stretch:
    """The argon2id parameters of an encrypted file, none of them beyond what this machine is asked for."""
    passes, memory_bytes = fields["passes"], fields["memory_bytes"]
    if (
        type(passes) is not int
        or type(memory_bytes) is not int
        or not pwhash.argon2id.OPSLIMIT_MIN <= passes <= ARGON2_PASSES_MAX
        or not pwhash.argon2id.MEMLIMIT_MIN <= memory_bytes <= ARGON2_MEMORY_BYTES_MAX
    ):
        raise _damaged(path, "its argon2id parameters are out of range")
    return Stretch(_hex(path, fields, "salt", pwhash.argon2id.SALTBYTES), passes, memory_bytes)


def _hex(path: Path, fields: dict[str, Any], name: str, size: int) -> bytes:
    text = fields[name]
    try:
        value = bytes.fromhex(text)
    except (TypeError, ValueError):
        value = b""
    if len(value) != size or value.hex() != text:
        raise _damaged(path, f"'{name}' is not {size} bytes in hex")
    return value


def _stretch(passphrase: bytes, salt: bytes, passes: int, memory_bytes: int) -> bytes:
    return bytes(
        pwhash.argon2id.kdf(
            secret.SecretBox.KEY_SIZE, passphrase, salt, opslimit=passes, memlimit=memory_bytes
        )
    )


def _damaged(path: Path, reason: str) -> RefusedInput:
    return RefusedInput("key-file-damaged", str(path), reason, "Restore it from a copy.")

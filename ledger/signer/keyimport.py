"""Ed25519 keys that were made elsewhere: OpenSSH private keys, and PEM PKCS#8, encrypted or not.

`cryptography` reads them; what stands around the key is looked at here first. It would stretch a passphrase for as
long as a file asks, hours or gigabytes, so the costs are read and bounded before; and the public key that an OpenSSH
file shows is held to the one that its secret gives. PEM shows none, and has nothing else to check a secret by:
whoever imports one should compare the fingerprint. A file that others may read is refused, as `ssh` does: an identity
lasts, and nobody knows who has that key by now.
"""

from __future__ import annotations

import base64
import binascii
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

from cryptography.exceptions import InternalError, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from ledger.errors import RefusedInput, StoreFault
from ledger.extras import load
from ledger.signer import sshwire
from ledger.signer.keyfile import FORMAT, Passphrase
from ledger.signer.passphrases import Passphrases
from ledger.signer.signers import SeedSigner
from ledger.signer.sshwire import Malformed, Reader
from ledger.store.files import read_regular

FILE_BYTES_MAX: Final = 65_536
BCRYPT_ROUNDS_MAX: Final = 4_096  # of an OpenSSH key; ssh-keygen writes 16 or 24
ITERATIONS_MAX: Final = 10_000_000  # of PBKDF2; OpenSSL writes 2,048, careful people 600,000
SCRYPT_BLOCKS_MAX: Final = 8_388_608  # N·r·p of scrypt, 128 bytes each: 1 GiB
DER_DEPTH_MAX: Final = 8  # nested sequences of an algorithm's parameters
HOW: Final = "Use --import-passphrase-file, or run it on a terminal."
HOW_IN_PYTHON: Final = "Give its passphrase to import_key."

_PEM: Final = re.compile(  # nothing in it can match in two ways: a long file is read through once
    rb"-----BEGIN ([A-Z0-9 ]+)-----(?P<body>[A-Za-z0-9+/=\s]*)-----END \1-----"
)
_OPENSSH: Final = b"OPENSSH PRIVATE KEY"
_PKCS8: Final = b"PRIVATE KEY"
_PKCS8_ENCRYPTED: Final = b"ENCRYPTED PRIVATE KEY"
_MAGIC: Final = b"openssh-key-v1\0"
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")  # the DER of 1.3.6.1.4.1.11591.4.11
_DER_SEQUENCE: Final = 0x30
_DER_INTEGER: Final = 0x02

_Loader = Callable[[bytes, bytes | None], object]


def import_key(path: Path, passphrases: Passphrases) -> SeedSigner:
    """The key in a private key file of OpenSSH or in PEM; `passphrases` open it if it is encrypted.

    Raises RefusedInput `key-unfit` (another algorithm, a public key, a certificate), `key-file-damaged`, `key-file-exposed`,
    `key-file-missing`, `passphrase-wrong`, `passphrase-missing`, `extra-missing`; StoreFault as `read_regular`.
    """
    kind, pem, body = _pem(path, _read(path))
    public: bytes | None = None
    loader: _Loader = load_pem_private_key
    is_encrypted = kind == _PKCS8_ENCRYPTED
    if kind == _OPENSSH:
        loader = load_ssh_private_key
        public, is_encrypted = _openssh_header(path, body)
        if is_encrypted:
            load("bcrypt", "ssh")
    elif is_encrypted:
        _check_costs(path, body)
    seed = passphrases.open_by(partial(_open, path, pem, loader, is_encrypted), str(path), str(path))
    signer = SeedSigner(seed)
    if public is not None and signer.public_key != public:
        raise _damaged(path, "its secret does not belong to its public key")
    return signer


def _read(path: Path) -> bytes:
    """The bytes of a private key file that nobody else may read; a link to one is followed."""
    try:
        data = read_regular(path.resolve(), FILE_BYTES_MAX)
    except StoreFault as error:
        if error.code not in ("file-not-found", "too-large"):
            raise
        if error.code == "too-large":
            raise _damaged(path, "it is too large for a private key") from error
        raise RefusedInput(
            "key-file-missing", str(path), "there is no such file", "Name the file of the private key."
        ) from error
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name != "nt" and mode & 0o077:
        raise RefusedInput(
            "key-file-exposed",
            str(path),
            f"it has mode {mode:04o}: others on this machine may have read it",
            f"If nobody did: chmod 600 '{path}'. Else make a new key.",
        )
    return data


def _pem(path: Path, data: bytes) -> tuple[bytes, bytes, bytes]:
    """What kind of key a file holds, its first block as it stands, and that decoded. Raises RefusedInput for all else."""
    found = _PEM.search(data)
    if found is None:
        _refuse_text(path, data)
    kind = found[1]
    if kind in (b"PUBLIC KEY", b"CERTIFICATE") or kind.endswith(b" PUBLIC KEY"):
        raise _public(path, kind.decode().lower())
    if kind not in (_OPENSSH, _PKCS8, _PKCS8_ENCRYPTED):
        raise _unfit(path, f"it is of the kind {kind.decode()}, which holds no Ed25519 key")
    try:
        return kind, found[0], base64.b64decode(b"".join(found["body"].split()), validate=True)
    except binascii.Error as error:
        raise _damaged(path, "its text is no base64") from error


def _refuse_text(path: Path, data: bytes) -> NoReturn:
    """Says of a file that is no PEM what it is, as far as that can be told."""
    first = data[:200].lstrip().split(maxsplit=1)[:1]
    if first and re.fullmatch(rb"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[A-Za-z0-9@.-]+", first[0]):
        raise _public(path, "certificate" if b"-cert-v" in first[0] else "public key")
    if data.startswith(b"PuTTY-User-Key-File"):
        raise RefusedInput(
            "key-unfit",
            str(path),
            "it is a key file of PuTTY",
            "Turn it into one of OpenSSH: puttygen FILE -O private-openssh-new -o NEW",
        )
    if FORMAT.encode() in data[:200]:
        raise RefusedInput(
            "key-unfit",
            str(path),
            "it is a key file of this program already, and belongs to an identity",
            "A key serves one identity. Leave the option out, and a new key is drawn.",
        )
    raise _damaged(path, "it is no private key of OpenSSH, and no PEM")


def _openssh_header(path: Path, body: bytes) -> tuple[bytes, bool]:
    """The public key that the file shows, and whether its secret is encrypted, at a cost that is bounded."""
    try:
        reader = Reader(body)
        if reader.take(len(_MAGIC)) != _MAGIC:
            raise _damaged(path, "it does not begin as a private key of OpenSSH does")
        cipher, derivation, options = reader.string(), reader.string(), Reader(reader.string())
        if reader.u32() != 1:
            raise _damaged(path, "it does not hold exactly one key")
        blob = reader.string()
        public = sshwire.ed25519_public(blob)
        if public is None:
            kind = sshwire.key_type(blob)
            hardware = ", whose secret is in a security key" if kind.startswith("sk-") else ""
            raise _unfit(path, f"its key is of type {kind}{hardware}")
        if cipher == derivation == b"none":
            return public, False
        options.string()
        rounds = options.u32()
    except Malformed as error:
        raise _damaged(path, str(error)) from error
    if not 1 <= rounds <= BCRYPT_ROUNDS_MAX:
        raise _costly(path, f"{rounds} rounds of bcrypt, of at most {BCRYPT_ROUNDS_MAX}")
    return public, True


def _check_costs(path: Path, body: bytes) -> None:
    """Whether the passphrase of an encrypted PKCS#8 key can be tried in bounded time and memory (RFC 8018, RFC 7914)."""
    try:
        _tag, outer, _rest = _der(body)
        _tag, algorithm, _rest = _der(outer)
        numbers = list(_integers(algorithm, DER_DEPTH_MAX))
    except Malformed as error:
        raise _damaged(path, str(error)) from error
    if not numbers or min(numbers) < 1:
        raise _damaged(path, "it does not say how its passphrase is stretched")
    if _SCRYPT in algorithm:
        if math.prod(numbers[:3]) > SCRYPT_BLOCKS_MAX:
            raise _costly(
                path, f"scrypt with N, r, p = {numbers[:3]}, of which the product is over {SCRYPT_BLOCKS_MAX}"
            )
    elif max(numbers) > ITERATIONS_MAX:
        raise _costly(path, f"{max(numbers)} iterations, of at most {ITERATIONS_MAX}")


def _integers(data: bytes, depth: int) -> Iterator[int]:
    """All INTEGERs within some DER, in their order."""
    while data:
        tag, value, data = _der(data)
        if tag == _DER_INTEGER:
            yield int.from_bytes(value, "big", signed=True)
        elif tag == _DER_SEQUENCE and depth:
            yield from _integers(value, depth - 1)


def _der(data: bytes) -> tuple[int, bytes, bytes]:
    """Tag and content of the first DER element, and what follows it. Raises Malformed."""
    reader = Reader(data)
    tag, size = reader.take(2)
    if size >= 0x80:
        count = size & 0x7F
        if not 1 <= count <= 3:
            raise Malformed("a length in it is none that a key has")
        size = int.from_bytes(reader.take(count), "big")
    return tag, reader.take(size), reader.rest()


def _open(path: Path, pem: bytes, loader: _Loader, is_encrypted: bool, passphrase: Passphrase) -> bytes:
    """The seed in a block; the passphrase is asked for if it is encrypted."""
    answer = passphrase(path.name) if is_encrypted else None
    if answer == b"":
        raise _wrong(path)
    try:
        key = loader(pem, answer)
    except UnsupportedAlgorithm as error:
        raise _unfit(path, f"its cipher or algorithm is not known here ({error})") from error
    except (ValueError, TypeError, InvalidTag, InternalError) as error:
        if is_encrypted:
            raise _wrong(path) from error
        raise _damaged(path, "what it holds is no key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unfit(path, f"it holds another key ({type(key).__name__.removesuffix('PrivateKey')})")
    return key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())


def _unfit(path: Path, reason: str) -> RefusedInput:
    fix = "Statements are signed by Ed25519 alone: ssh-keygen -t ed25519"
    return RefusedInput("key-unfit", str(path), reason, fix)


def _public(path: Path, what: str) -> RefusedInput:
    fix = "Name the private key: the file without .pub. If an ssh-agent holds it: --agent FILE.pub"
    return RefusedInput("key-unfit", str(path), f"it is a {what}; what signs is the private key", fix)


def _damaged(path: Path, reason: str) -> RefusedInput:
    return RefusedInput(
        "key-file-damaged", str(path), reason, "Name a whole private key file, or a copy of it."
    )


def _costly(path: Path, reason: str) -> RefusedInput:
    fix = "If that is meant, write it anew with less: ssh-keygen -p -a 100 -f FILE, or openssl pkcs8 -topk8"
    return RefusedInput("key-file-damaged", str(path), f"to try a passphrase it asks for {reason}", fix)


def _wrong(path: Path) -> RefusedInput:
    return RefusedInput(
        "passphrase-wrong",
        str(path),
        "the passphrase does not open it (or the file was changed)",
        "Give this file's own passphrase, not that of the ledger's keys: --import-passphrase-file",
    )

r"""Verifier keys of logs and witnesses: `<name>+<hex key id>+<base64(type ‖ key)>` (C2SP signed-note, SPEC §3.1).

    key id = SHA-256(name ‖ "\n" ‖ type ‖ key)[:4]

A vkey has one spelling. Its text is what a log id hashes, so that two spellings would be two logs.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import RefusedInput
from ledger.identity import ed25519
from ledger.identity.c2sp_text import as_text, decode_base64, encode_base64
from ledger.spec import KEY_BYTES, NOTE_BYTES_MAX

TYPE_ED25519: Final = 0x01
TYPE_COSIGNATURE: Final = 0x04
TYPE_COSIGNATURE_ML_DSA_44: Final = 0x06

KEY_ID_BYTES: Final = 4

_KEY_BYTES_BY_TYPE: Final = {
    TYPE_ED25519: KEY_BYTES,
    TYPE_COSIGNATURE: KEY_BYTES,
    TYPE_COSIGNATURE_ML_DSA_44: 1312,
}
_HEX_DIGITS: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Vkey:
    """A verifier key: `name`, `key_id` (4 bytes), `signature_type` (one byte), `key` (32 bytes for Ed25519).

    Raises RefusedInput "key-refused" if a part is malformed, the id is not the one computed, or the key is unsafe.
    """

    name: str
    key_id: bytes
    signature_type: int
    key: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise vkey_refused(
                self.name, "the key name is empty, or holds a space, a control character or '+'"
            )
        if not 0 <= self.signature_type <= 0xFF or not self.key:
            raise vkey_refused(self.name, "signature type or key is missing")
        if len(self.key) != _KEY_BYTES_BY_TYPE.get(self.signature_type, len(self.key)):
            raise vkey_refused(self.name, f"{len(self.key)} bytes are no key of its signature type")
        if self.key_id != compute_key_id(self.name, self.signature_type, self.key):
            raise vkey_refused(self.name, "the key id is not that of its name, type and key")
        if self.signature_type in {TYPE_ED25519, TYPE_COSIGNATURE}:
            ed25519.check_public_key(self.key)
            ed25519.check_prime_order(self.key)

    @classmethod
    def make(cls, name: str, key: bytes, signature_type: int = TYPE_ED25519) -> Self:
        """The vkey of `key` under `name`, its id computed. Raises RefusedInput "key-refused"."""
        if not is_key_name(name) or not 0 <= signature_type <= 0xFF:
            raise vkey_refused(name, "no key name, or no signature type")
        return cls(name, compute_key_id(name, signature_type, key), signature_type, key)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `<name>+<hex key id>+<base64>`, in its one spelling. Raises RefusedInput "key-refused"."""
        parts = text.split("+", 2) if as_text(text, NOTE_BYTES_MAX) is not None else []
        if len(parts) != 3:
            raise vkey_refused(text, "is not <name>+<key id>+<key>")
        name, identifier, encoded = parts
        if len(identifier) != 2 * KEY_ID_BYTES or not _HEX_DIGITS.issuperset(identifier):
            raise vkey_refused(text, "the key id is not eight lowercase hexadecimal digits")
        material = decode_base64(encoded)
        if not material:
            raise vkey_refused(text, "the key is not canonical base64")
        return cls(name, bytes.fromhex(identifier), material[0], material[1:])

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.signature_type]) + self.key)}"


def is_key_name(name: str) -> bool:
    """Whether `name` may stand in a signature line: not empty, no Unicode space, no '+', no control character."""
    return (
        name != ""
        and "+" not in name
        and not any(character.isspace() or character < " " for character in name)
        and as_text(name, NOTE_BYTES_MAX) is not None
    )


def compute_key_id(name: str, signature_type: int, key: bytes) -> bytes:
    """SHA-256(name ‖ newline ‖ type ‖ key)[:4] (C2SP signed-note, Signatures)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([signature_type]) + key).digest()[:KEY_ID_BYTES]


def vkey_refused(
    item: str, reason: str, fix: str = "Copy the vkey again, whole, from its owner."
) -> RefusedInput:
    """The error of a vkey that cannot be used."""
    return RefusedInput("key-refused", f"vkey {item[:96]!r}", reason, fix)

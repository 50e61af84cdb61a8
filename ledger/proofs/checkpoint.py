"""Checkpoints: a log's promise of its size and root, signed (C2SP tlog-checkpoint; SPEC §10.1).

    <origin>
    <tree size, decimal>
    <base64 of the RFC 6962 root, 32 bytes>

signed as a note by the key whose name is the origin. C2SP allows opaque extension lines; ours has none, because no
monitor could audit them and some cosignatures leave them out: a checkpoint with a fourth line is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from ledger.errors import ProofInvalid
from ledger.identity.c2sp_text import (
    as_text,
    decode_base64,
    decode_decimal,
    encode_base64,
    has_control_character,
)
from ledger.identity.vkey import TYPE_ED25519, Vkey
from ledger.proofs.note import Note, Sign, Verified, parse_note, sign_note, verify_note
from ledger.spec import HASH_BYTES, NOTE_BYTES_MAX, TREE_SIZE_MAX


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` (one line, its character set is the caller's matter), `size` in leaves, `root` (32 bytes).

    Raises ProofInvalid "checkpoint-invalid" if it could not be written as a checkpoint.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        origin = as_text(self.origin, NOTE_BYTES_MAX)
        if not origin or "\n" in origin or has_control_character(origin):
            raise _checkpoint_invalid("the origin is empty or not one line of text")
        if not 0 <= self.size <= TREE_SIZE_MAX:
            raise _checkpoint_invalid(f"tree size {self.size} is not within 0 to {TREE_SIZE_MAX}")
        if len(self.root) != HASH_BYTES:
            raise _checkpoint_invalid(f"the root has {len(self.root)} bytes, not {HASH_BYTES}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a checkpoint note, unsigned: three lines. Raises ProofInvalid "checkpoint-invalid"."""
        lines = text.split("\n", 4)
        if len(lines) > 4:
            raise _checkpoint_invalid("extension lines follow the root; the ledger's checkpoints have none")
        if len(lines) < 4 or lines[3]:
            raise _checkpoint_invalid("is not three lines: origin, tree size, root")
        size = decode_decimal(lines[1], TREE_SIZE_MAX)
        if size is None:
            raise _checkpoint_invalid(f"the tree size is no decimal from 0 to {TREE_SIZE_MAX}")
        root = decode_base64(lines[2])
        if root is None:
            raise _checkpoint_invalid("the root is not canonical base64")
        return cls(lines[0], size, root)

    def body(self) -> str:
        """The three lines that are signed: inverse of `parse`."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the note text signed, by which a manifest names it (SPEC §4.5); 32 bytes."""
        return hashlib.sha256(self.body().encode()).digest()


class Signed(NamedTuple):
    """A note, and the checkpoint in it, which the log signed."""

    note: bytes
    checkpoint: Checkpoint


def sign_checkpoint(checkpoint: Checkpoint, sign: Sign, public_key: bytes) -> str:
    """The checkpoint as a note signed (Ed25519, type 0x01) under its origin's name.

    Whoever calls this vouches that no inconsistent checkpoint was signed before. Raises as `sign_note` does.
    """
    return sign_note(checkpoint.body(), checkpoint.origin, sign, public_key)


def open_checkpoint(note: bytes | str, vkeys: Sequence[Vkey]) -> Checkpoint:
    """The checkpoint of `note`, if a key among `vkeys` named as its origin signed it as the log (type 0x01).

    `vkeys` may hold witnesses' keys too: theirs must hold but do not speak for the log. Raises ProofInvalid
    "note-invalid" or "checkpoint-invalid".
    """
    return open_signed(parse_note(note), vkeys)[0]


def open_signed(note: Note, vkeys: Sequence[Vkey]) -> tuple[Checkpoint, list[Verified]]:
    """As `open_checkpoint`, of a note that was read; and the known keys that signed it, as `verify_note` tells them."""
    verified = verify_note(note, vkeys)
    checkpoint = Checkpoint.parse(note.text)
    if not any(
        key.vkey.signature_type == TYPE_ED25519 and key.vkey.name == checkpoint.origin for key in verified
    ):
        raise _checkpoint_invalid(f"no known key of the log {checkpoint.origin} signed it")
    return checkpoint, verified


def _checkpoint_invalid(reason: str) -> ProofInvalid:
    return ProofInvalid(
        "checkpoint-invalid", "log checkpoint", reason, "Fetch it again; if it stays so, do not trust it."
    )

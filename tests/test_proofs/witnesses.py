"""Made-up witnesses that cosign, by 0x04 and 0x06. For tests only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.identity import ed25519
from ledger.identity.c2sp_text import encode_base64
from ledger.identity.vkey import TYPE_COSIGNATURE, TYPE_COSIGNATURE_ML_DSA_44, Vkey
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.proofs.note import NoteSignature
from tests.world import seed_of

ORIGIN = "log.example/w"
LOG_SEED = seed_of("a log")
LOG = Vkey.make(ORIGIN, ed25519.public_key(LOG_SEED))
CHECKPOINT = Checkpoint(ORIGIN, 9, bytes(range(32)))


@dataclass(frozen=True)
class Cosigner:
    """A witness by the name of its key; `is_ml_dsa`: of type 0x06."""

    name: str
    is_ml_dsa: bool = False

    @property
    def vkey(self) -> Vkey:
        if self.is_ml_dsa:
            return Vkey.make(
                self.name, _ml_dsa(self.name).public_key().public_bytes_raw(), TYPE_COSIGNATURE_ML_DSA_44
            )
        return Vkey.make(self.name, ed25519.public_key(seed_of(self.name)), TYPE_COSIGNATURE)

    def line(self, checkpoint: Checkpoint, time_s: int) -> str:
        """Its cosignature line, with its newline; written from C2SP tlog-cosignature, not by the ledger."""
        time = time_s.to_bytes(8, "big")
        if self.is_ml_dsa:
            name, origin = (
                bytes([len(each)]) + each for each in (self.name.encode(), checkpoint.origin.encode())
            )
            message = b"subtree/v1\n\x00" + name + time + origin
            message += bytes(8) + checkpoint.size.to_bytes(8, "big") + checkpoint.root
            signature = _ml_dsa(self.name).sign(message)
        else:
            text = f"{checkpoint.origin}\n{checkpoint.size}\n{encode_base64(checkpoint.root)}\n"
            message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
            signature = ed25519.sign(seed_of(self.name), message)
        return f"{NoteSignature(self.name, self.vkey.key_id, time + signature)}\n"


def _ml_dsa(name: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

    return MLDSA44PrivateKey.from_seed_bytes(seed_of(name))


def note(*lines: str, checkpoint: Checkpoint = CHECKPOINT) -> str:
    """The checkpoint, signed by its log, with these lines beneath."""
    signed = sign_checkpoint(checkpoint, lambda message: ed25519.sign(LOG_SEED, message), LOG.key)
    return signed + "".join(lines)


def policy_text(witnesses: dict[str, Cosigner], *rest: str) -> bytes:
    """A policy that knows the log and these witnesses."""
    lines = [f"log {LOG}", *(f"witness {name} {witness.vkey}" for name, witness in witnesses.items()), *rest]
    return "".join(f"{line}\n" for line in lines).encode()

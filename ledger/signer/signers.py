"""Who signs: a seed in this process, or somebody outside of it (SPEC §10.6).

A *signer* has a public key and signs bytes. A seed in memory is one; the user's ssh-agent is one; any object of that
shape is one, so that a key may stay in an HSM or with a KMS. What a signer outside returns is believed in nothing: it
is held to the public key by the one rule of SPEC §6.1 before it is kept or sent, and waited for no longer than
`spec.SIGNER_WAIT_S`.

What is signed begins with `DSSEv1 ` (SPEC §6), which nothing does that SSH signs (a login begins with the length of
its session id, whose first byte is 0; `ssh-keygen -Y sign` with `SSHSIG`). So one key may serve both, and neither
signature passes for the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.signer.keyfile import EXTERNAL, SSH_AGENT, write_elsewhere, write_key

SHOWN_DIGITS: Final = 16  # hex digits of a public key in words
_REASON_CHARS_MAX: Final = 200  # of what a signer outside says when it fails


class Signer(Protocol):
    """Somebody who signs under one Ed25519 key. The two members are all that is asked of an HSM's or a KMS's object.

    It may be called from several threads at once, and from another than the one that it was made in.
    """

    @property
    def public_key(self) -> bytes:
        """32 bytes (RFC 8032)."""
        ...

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes) of pure Ed25519 over the message itself. Whatever it raises is told to who asked."""
        ...


@dataclass(frozen=True, slots=True)
class CallableSigner:
    """A Signer made of a public key (32 bytes) and a function from message to signature (64 bytes)."""

    public_key: bytes
    function: Callable[[bytes], bytes]

    def sign(self, message: bytes) -> bytes:
        """What the function returns."""
        return self.function(message)


class SeedSigner:
    """A key whose seed is in this process's memory. Never printed."""

    def __init__(self, seed: bytes) -> None:
        """`seed`: 32 bytes. Raises RefusedInput `key-refused` on another size."""
        self.public_key: Final = ed25519.public_key(seed)
        self._seed = seed

    def sign(self, message: bytes) -> bytes:
        return ed25519.sign(self._seed, message)

    def write(self, path: Path, passphrase: bytes | None) -> None:
        """Keeps it as a new key file, encrypted unless `passphrase` is None. Raises StoreFault."""
        write_key(path, self._seed, passphrase)

    def __repr__(self) -> str:
        return f"SeedSigner({self.public_key.hex()[:SHOWN_DIGITS]})"


class OutsideSigner:
    """A signer outside of this process, held to its word: what `sign` returns is valid under `public_key`."""

    def __init__(self, signer: Signer, protection: str = EXTERNAL, comment: str = "") -> None:
        """`protection`, `comment`: as its key file will say. Raises RefusedInput `key-refused` for a key that may not be revealed.

        A signer under SSH_AGENT bounds its waiting itself.
        """
        self.public_key: Final = _public_key_of(signer)
        self.protection = protection
        self.comment = comment
        self._signer = signer
        self._late: threading.Thread | None = None

    def sign(self, message: bytes) -> bytes:
        """The signature (64 bytes).

        Raises StoreFault `signer-failed`, `signer-late`, `signature-wrong`, or as an agent: then nothing was signed as far as anybody
        here knows, and whoever asked must not sign anything else at that place (SPEC §5.3).
        """
        answer = self._signer.sign(message) if self.protection == SSH_AGENT else self._ask(message)
        if type(answer) is not bytes or len(answer) != spec.SIGNATURE_BYTES:
            size = f"{len(answer)} bytes" if isinstance(answer, bytes) else f"a {type(answer).__name__}"
            raise self._fault("signature-wrong", f"it answered {size}, not a signature of 64 bytes")
        if not ed25519.verify(self.public_key, message, answer):
            raise self._fault("signature-wrong", "its signature does not hold over what it was asked to sign")
        return answer

    def write(self, path: Path, _passphrase: bytes | None) -> None:
        """Keeps where it lies as a new key file, which holds no secret. Raises StoreFault."""
        write_elsewhere(path, self.public_key, self.protection, self.comment)

    def _ask(self, message: bytes) -> Any:
        """The answer, waited for in a thread of its own: nobody else's code can be made to come back."""
        if self._late is not None and self._late.is_alive():
            raise self._fault("signer-late", "it has not answered an earlier question yet")
        outcome = _Outcome()

        def ask() -> None:
            try:
                outcome.answer = self._signer.sign(message)
            except BaseException as error:  # noqa: BLE001 - an exit in that thread would be lost, and its answer waited for
                outcome.error = error

        thread = threading.Thread(target=ask, name="lineage signer", daemon=True)
        thread.start()
        try:
            thread.join(spec.SIGNER_WAIT_S)
        finally:  # somebody may have lost patience
            self._late = thread if thread.is_alive() else None
        if self._late is not None:
            raise self._fault("signer-late", f"it did not answer within {spec.SIGNER_WAIT_S} s")
        if isinstance(outcome.error, LineageError):
            raise outcome.error
        if outcome.error is not None:
            said = f"{type(outcome.error).__name__}: {outcome.error}"[:_REASON_CHARS_MAX]
            raise self._fault("signer-failed", f"it failed: {said}") from outcome.error
        return outcome.answer

    def _fault(self, code: str, reason: str) -> StoreFault:
        return StoreFault(
            code,
            f"signer of key {self.public_key.hex()[:SHOWN_DIGITS]}… ({self.protection})",
            reason,
            "Nothing was kept or sent. See that it holds that key and answers, then try again.",
        )

    def __repr__(self) -> str:
        return f"OutsideSigner({self.public_key.hex()[:SHOWN_DIGITS]}, {self.protection})"


KnownSigner = SeedSigner | OutsideSigner  # one that can be kept as a key file


@dataclass(slots=True)
class _Outcome:
    answer: Any = field(default=None)
    error: BaseException | None = None


def known(signer: Signer) -> KnownSigner:
    """A signer as this module keeps one: whoever is not ours is outside. Raises as `OutsideSigner`."""
    return signer if isinstance(signer, SeedSigner | OutsideSigner) else OutsideSigner(signer)


def is_outside(signer: Signer) -> bool:
    """Whether what it is asked to sign leaves this process."""
    return not isinstance(signer, SeedSigner)


def _public_key_of(signer: Signer) -> bytes:
    try:
        public = getattr(signer, "public_key", None)
    except Exception as error:
        raise StoreFault(
            "signer-failed",
            f"signer {type(signer).__name__}",
            f"it does not say its public key ({type(error).__name__}: {error})"[:_REASON_CHARS_MAX],
            "See that it is there, then try again.",
        ) from error
    if type(public) is not bytes or not callable(getattr(signer, "sign", None)):
        raise RefusedInput(
            "key-refused",
            f"signer {type(signer).__name__}",
            "it has no public_key of 32 bytes and no function sign",
            "Give an object that has both, or ledger.CallableSigner(public_key, function).",
        )
    ed25519.check_public_key(public)
    ed25519.check_prime_order(public)
    return public

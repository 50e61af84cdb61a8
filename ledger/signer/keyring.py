"""What opens key files in one process: passphrases, the ssh-agent, and the signers that were given to it (SPEC §10.6).

A key file is opened once: its seed is remembered by the bytes of the whole file, for as long as the ring is in use. A
file that was changed is another one and is opened anew, a copy is not; a passphrase that was wrong opened nothing, so
that nothing of it is remembered.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

from ledger.errors import RefusedInput
from ledger.signer import sshagent
from ledger.signer.keyfile import EXTERNAL, SSH_AGENT, KeyFile, load_key_file
from ledger.signer.passphrases import Passphrases, shown
from ledger.signer.signers import KnownSigner, OutsideSigner, SeedSigner, Signer, known


class Keyring:
    """Opens key files, for any number of threads. Call `forget` when done."""

    def __init__(self, passphrases: Passphrases, signers: Iterable[Signer] = ()) -> None:
        """`signers`: who signs for the keys that lie with nobody whom this program knows. Raises as `take`."""
        self.passphrases = passphrases
        self._outside: dict[bytes, OutsideSigner] = {}
        self._seeds: dict[bytes, bytes] = {}  # by all bytes of their files
        self._lock = threading.Lock()
        self._pid = os.getpid()
        for signer in signers:
            self.take(signer)

    def take(self, signer: Signer) -> KnownSigner:
        """Takes a signer in, so that `signer` finds it. Raises RefusedInput `key-refused`, StoreFault `signer-failed`."""
        taken = known(signer)
        if isinstance(taken, OutsideSigner) and taken.protection == EXTERNAL:
            self._outside[taken.public_key] = taken
        return taken

    def signer(self, path: Path) -> KnownSigner:
        """Who signs for a key file.

        Raises RefusedInput `signer-missing`, StoreFault, or as `Passphrases.open_file` and `sshagent.find_key`.
        """
        file = load_key_file(path)
        if file.protection == SSH_AGENT:
            return sshagent.find_key(file.public)
        if file.protection == EXTERNAL:
            return self._given(file)
        return SeedSigner(self._seed(file))

    def secret(self, path: Path) -> bytes:
        """The seed (32 bytes) of a key file. Raises RefusedInput `key-elsewhere`, StoreFault, or as `Passphrases.open_file`."""
        return self._seed(load_key_file(path))

    def unasked(self) -> Keyring:
        """The same ring for a thread that nobody watches: it asks nobody for a passphrase. What it opens is remembered here too."""
        other = Keyring(self.passphrases.unasked())
        other._outside, other._seeds = self._outside, self._seeds
        return other

    def forget(self) -> None:
        """Lets go of all seeds; whoever signs later opens the files anew."""
        self._seeds.clear()

    def _given(self, file: KeyFile) -> OutsideSigner:
        given = self._outside.get(file.public)
        if given is None:
            raise RefusedInput(
                "signer-missing",
                shown(file.path),
                f"an external signer has to sign with public key {file.public.hex()}, and none was given to this process",
                "Give it from Python: ledger.open(…, signers=[signer]); a command cannot.",
            )
        return given

    def _seed(self, file: KeyFile) -> bytes:
        with self._held():  # one at a time: a person is asked once, and 64 MiB are taken once
            seed = self._seeds.get(file.data)
            if seed is None:
                seed = self.passphrases.open_file(file)
                self._seeds[file.data] = seed
            return seed

    def _held(self) -> threading.Lock:
        """The lock; another one in a forked child, since a thread of its parent may have held that."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock

"""Where passphrases come from: given once, tried on every key file, asked for only where that fails."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ledger.errors import RefusedInput
from ledger.signer.keyfile import read_key


Ask = Callable[[str], bytes]  # asked with the name of the key file


class Passphrases:
    """The passphrases of one process. They are kept in memory for as long as it lives."""

    def __init__(self, known: bytes | None = None, ask: Ask | None = None) -> None:
        """`known` from a file or the environment; `ask` a person, None where there is none."""
        self._known = [known] if known is not None else []
        self._ask = ask

    def open(self, path: Path) -> bytes:
        """The seed of a key file. Raises RefusedInput `passphrase-wrong`, `passphrase-missing`, or as `read_key`."""
        for known in self._known:
            try:
                return read_key(path, partial(_answer, known))
            except RefusedInput as error:
                if error.code != "passphrase-wrong" or self._ask is None:
                    raise
        return read_key(path, self._asked)

    def for_new_keys(self) -> bytes:
        """The passphrase that protects new key files. Raises RefusedInput `passphrase-missing`."""
        return self._known[0] if self._known else self._asked("new keys")

    def _asked(self, name: str) -> bytes:
        if self._ask is None:
            raise RefusedInput(
                "passphrase-missing",
                name,
                "it is encrypted, and no passphrase was given",
                "Set LINEAGE_PASSPHRASE, use --passphrase-file, or run it on a terminal.",
            )
        answer = self._ask(name)
        self._known.insert(0, answer)
        return answer


def _answer(known: bytes, _name: str) -> bytes:
    return known

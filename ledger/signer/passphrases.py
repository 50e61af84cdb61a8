"""Where passphrases come from: given once, tried on every key file, asked for only where that fails."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Self

from ledger.errors import RefusedInput
from ledger.signer.keyfile import KeyFile, Passphrase, load_key_file, open_key_file

VARIABLE: Final = "LINEAGE_PASSPHRASE"
NEW_KEYS: Final = "new keys"  # what `Ask` is asked for when keys are made: twice, then
TRIES: Final = 3  # how often a person is asked for one key file

HOW: Final = f"Set {VARIABLE}, use --passphrase-file, or run it on a terminal."

Ask = Callable[[str], bytes]  # asked with what is to be opened, or with NEW_KEYS


class Passphrases:
    """The passphrases of one process. They are kept in memory for as long as it lives."""

    def __init__(self, known: bytes | None = None, ask: Ask | None = None, how: str = HOW) -> None:
        """`known` from a file or the environment; `ask` a person, None where there is none; `how` one would be given."""
        self._known = [known] if known is not None else []
        self._ask = ask
        self._how = how

    @classmethod
    def from_environment(cls, ask: Ask | None = None) -> Self:
        """LINEAGE_PASSPHRASE, if it is set."""
        known = os.environ.get(VARIABLE)
        return cls(os.fsencode(known) if known is not None else None, ask)

    def open(self, path: Path) -> bytes:
        """The seed of a key file. Raises RefusedInput `passphrase-wrong`, `passphrase-missing`, or as `read_key`."""
        return self.open_file(load_key_file(path))

    def open_file(self, file: KeyFile) -> bytes:
        """The seed of a key file that was read. Raises as `open`."""
        return self.open_by(partial(open_key_file, file), shown(file.path), str(file.path))

    def open_by(self, read: Callable[[Passphrase], bytes], name: str, item: str) -> bytes:
        """What `read` gives with the right passphrase, which it asks for if it needs one. A person is asked for it by `name`.

        Raises RefusedInput `passphrase-missing` for `item`, or as `read`; `passphrase-wrong` once nobody has another.
        """
        for known in self._known:
            try:
                return read(partial(_answer, known))
            except RefusedInput as error:
                if error.code != "passphrase-wrong" or self._ask is None:
                    raise
        for _ in range(TRIES - 1):
            try:
                return self._open_asking(read, name, item)
            except RefusedInput as error:
                if error.code != "passphrase-wrong":
                    raise
        return self._open_asking(read, name, item)

    def unasked(self) -> Passphrases:
        """The same passphrases, for a thread that nobody watches: where they do not suffice, nobody is asked."""
        other = Passphrases()
        other._known = self._known
        return other

    def for_new_keys(self) -> bytes:
        """The passphrase that protects new key files. Raises RefusedInput `passphrase-missing`."""
        if not self._known:
            if self._ask is None:
                raise RefusedInput(
                    "passphrase-missing",
                    NEW_KEYS,
                    "they are to be encrypted, and no passphrase was given",
                    f"Set {VARIABLE}, use --passphrase-file, run it on a terminal, or say --unencrypted.",
                )
            self._known.append(self._ask(NEW_KEYS))
        if not self._known[0]:
            raise RefusedInput(
                "passphrase-missing",
                NEW_KEYS,
                "the passphrase given is empty, which protects nothing",
                "Give another, or say --unencrypted.",
            )
        return self._known[0]

    def _open_asking(self, read: Callable[[Passphrase], bytes], name: str, item: str) -> bytes:
        """Asks only if a passphrase is needed, and remembers the answer only if it was right."""
        answers: list[bytes] = []

        def ask(_name: str) -> bytes:
            if self._ask is None:
                raise RefusedInput(
                    "passphrase-missing", item, "it is encrypted, and no passphrase was given", self._how
                )
            answers.append(self._ask(name))
            return answers[0]

        opened = read(ask)
        self._known[:0] = answers
        return opened


def _answer(known: bytes, _name: str) -> bytes:
    return known


def shown(path: Path) -> str:
    """A key file as its owner knows it: "ada (current.key)"; one that lies elsewhere, by its path."""
    if path.parent.parent.name == "identities":
        return f"{path.parent.name} ({path.name})"
    return f"the log ({path.name})" if path.name == "log.key" else str(path)

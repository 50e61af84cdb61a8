"""The key store: names, roles and key files of the identities of one log, in the user's config folder.

    <config>/logs/<first 16 hex digits of the log id>/log.key                 the log's own key
                                                    /identities/NAME/identity.json
                                                                    /current.key  signs every day
                                                                    /next.key     signs a rotation: move it away
                                                                    /recovery.key signs a recovery: move it away
                                                                    /enrol.entry  until the log acknowledged it
                                                                    /lanes/       see `ledger.signer.lanes`

Secrets never lie in the ledger's folder: a ledger is made to be copied and published.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.identity.keyset import Keyset, make_keyset, sign_entry_payload
from ledger.signer import keyfile
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.statement import Statement, keyset_digest, make_statement

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z", re.ASCII)
KEY_NAMES: Final = ("current", "next", "recovery")


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """An identity whose keys this machine holds; `of` is a pair's anchor."""

    name: str
    id: bytes
    role: str
    folder: Path
    of: bytes | None = None

    @property
    def lanes(self) -> Path:
        return self.folder / "lanes"

    def key_file(self, which: str) -> Path:
        """`which` is current, next or recovery."""
        return self.folder / f"{which}.key"

    def pending_enrolment(self) -> bytes | None:
        """The signed enrolment, until the log acknowledged it."""
        path = self.folder / "enrol.entry"
        return path.read_bytes() if path.exists() else None

    def enrolled(self) -> None:
        """The log holds the enrolment."""
        (self.folder / "enrol.entry").unlink(missing_ok=True)


class Unlocked:
    """An identity with its daily key in memory: what signs. Never written, never printed."""

    def __init__(self, identity: LocalIdentity, seed: bytes) -> None:
        self.identity = identity
        self._seed = seed
        self.keyset: Keyset = make_keyset([ed25519.public_key(seed)])

    def sign(self, statement: Statement) -> Entry:
        """The entry of a statement, signed by the one current key."""
        signature = sign_entry_payload(self._seed, statement.payload)
        return make_entry(statement, [Signature(CURRENT, 0, signature)])

    def __repr__(self) -> str:
        return f"Unlocked({self.identity.name})"


class Keystore:
    """The identities of one log on this machine."""

    def __init__(self, config: Path, log_id: bytes) -> None:
        self.log_id = log_id
        self.folder = config / "logs" / log_id.hex()[:16]

    @property
    def log_key_file(self) -> Path:
        return self.folder / "log.key"

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Makes the folder of a new log's keys; if the block fails, it is removed again."""
        try:
            self.folder.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise StoreFault(
                "keys-unwritable", str(self.folder), f"it cannot be made: {error.strerror}"
            ) from error
        try:
            yield
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def names(self) -> list[str]:
        """The names of all identities here, sorted."""
        folder = self.folder / "identities"
        if not folder.is_dir():
            return []
        return sorted(path.name for path in folder.iterdir() if NAME.match(path.name) and path.is_dir())

    def identities(self) -> list[LocalIdentity]:
        """All identities here, by name."""
        return [self.find(name) for name in self.names()]

    def find(self, name: str) -> LocalIdentity:
        """The identity of that name, or of that id in hex (8 digits or more). Raises NotFound."""
        folder = self.folder / "identities" / name
        if NAME.match(name) and folder.is_dir():
            return _load(folder)
        for known in self.names():
            identity = _load(self.folder / "identities" / known)
            if len(name) >= 8 and identity.id.hex().startswith(name.lower()):
                return identity
        raise NotFound(
            "name-unknown",
            f"identity '{name}'",
            "this machine holds no keys under that name for this ledger",
            f"Known here: {', '.join(self.names()) or 'none'}. Make one: lineage identity new {name}",
        )

    def unlock(self, identity: LocalIdentity, passphrase: keyfile.Passphrase) -> Unlocked:
        """Opens the daily key. Raises RefusedInput `passphrase-wrong`, `key-file-missing` or `key-file-damaged`."""
        return Unlocked(identity, keyfile.read_key(identity.key_file("current"), passphrase))

    def create(
        self, name: str, role: str, passphrase: bytes | None, *, of: bytes | None = None
    ) -> LocalIdentity:
        """Makes keys and a signed enrolment, all or nothing; the enrolment is then to be appended.

        Raises RefusedInput `name-taken` or `name-illegal`.
        """
        seeds = [os.urandom(ed25519.SEED_BYTES) for _ in KEY_NAMES]
        keysets = [make_keyset([ed25519.public_key(seed)]) for seed in seeds]
        body = {
            "role": role,
            "keyset": keysets[0],
            "next": keyset_digest(keysets[1]),
            "recovery": keyset_digest(keysets[2]),
        }
        if of is not None:
            body["of"] = of
        statement = make_statement("enrol", self.log_id, body)
        entry = make_entry(
            statement, [Signature(CURRENT, 0, sign_entry_payload(seeds[0], statement.payload))]
        )
        return self.keep(name, role, seeds, statement.id, passphrase, of=of, enrolment=entry.encoded)

    def keep(
        self,
        name: str,
        role: str,
        seeds: list[bytes],
        identity_id: bytes,
        passphrase: bytes | None,
        *,
        of: bytes | None = None,
        enrolment: bytes | None = None,
    ) -> LocalIdentity:
        """Stores the three keys of an identity under `name`; the folder appears whole or not at all."""
        self.check_free(name)
        parent = self.folder / "identities"
        try:
            parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        except OSError as error:
            raise StoreFault(
                "keys-unwritable", str(parent), f"it cannot be written: {error.strerror}"
            ) from error
        try:
            for which, seed in zip(KEY_NAMES, seeds, strict=True):
                keyfile.write_key(made / f"{which}.key", seed, passphrase)
            about = {"name": name, "id": identity_id.hex(), "role": role, "of": of.hex() if of else ""}
            keyfile.write_private(made / "identity.json", (json.dumps(about, indent=1) + "\n").encode())
            if enrolment is not None:
                keyfile.write_private(made / "enrol.entry", enrolment)
            made.rename(parent / name)
            keyfile.sync_folder(parent)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return _load(parent / name)

    def check_free(self, name: str) -> None:
        """Raises RefusedInput unless an identity may be made under that name."""
        if not NAME.match(name):
            raise RefusedInput(
                "name-illegal",
                f"name '{name}'",
                "names are letters, digits, '.', '_', '+' and '-', at most 64",
                "Choose another.",
            )
        if (self.folder / "identities" / name).exists():
            raise RefusedInput(
                "name-taken", f"identity '{name}'", "it exists already", "Choose another name."
            )


def _load(folder: Path) -> LocalIdentity:
    try:
        about = json.loads((folder / "identity.json").read_bytes())
        return LocalIdentity(
            str(about["name"]),
            bytes.fromhex(about["id"]),
            str(about["role"]),
            folder,
            bytes.fromhex(about["of"]) or None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreFault(
            "keys-damaged",
            str(folder),
            "identity.json is missing or damaged",
            "Restore the folder from a copy.",
        ) from error

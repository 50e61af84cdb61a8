"""The key store: names, roles and key files of the identities of one log, in the user's config folder.

    <config>/logs/<first 16 hex digits of the log id>/log.key                 the log's own key
                                                    /log.signed               the newest log checkpoint that it signed
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
from ledger.proofs.checkpoint import Checkpoint
from ledger.signer import keyfile
from ledger.signer.signed_head import Sign, check_head, remembering
from ledger.spec import ENTRY_BYTES_MAX, HASH_BYTES
from ledger.statements.entry import CURRENT, Entry, Signature, make_entry
from ledger.statements.statement import Statement, keyset_digest, make_statement
from ledger.store.files import read_regular, sync_folder

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z", re.ASCII)
KEY_NAMES: Final = ("current", "next", "recovery")
_ABOUT_BYTES_MAX: Final = 4_096
FAULT: Final = "keys-unwritable"  # the code of what the disk fails in here
ID_DIGITS_MIN: Final = 8  # hex digits of an id that may stand for a name


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
        try:
            return read_regular(path, ENTRY_BYTES_MAX)
        except StoreFault as error:
            if error.code == "file-not-found":
                return None
            raise StoreFault(FAULT, str(path), error.reason, error.fix) from error

    def enrolled(self) -> None:
        """The log holds the enrolment."""
        path = self.folder / "enrol.entry"
        with keyfile.disk_told(path, FAULT):
            path.unlink(missing_ok=True)


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

    def log_signer(self, seed: bytes) -> Sign:
        """The signer of the log's checkpoints, which never contradicts what it signed before."""
        return remembering(self._signed_file, lambda message: ed25519.sign(seed, message))

    def check_head(self, checkpoint: Checkpoint) -> None:
        """Whether a log's head is what its key signed last. Raises StoreFault `log-rolled-back`."""
        check_head(self._signed_file, checkpoint)

    @property
    def _signed_file(self) -> Path:
        return self.folder / "log.signed"

    @contextmanager
    def creating(self) -> Iterator[None]:
        """Makes the folder of a new log's keys; if the block fails, it is removed again."""
        with keyfile.disk_told(self.folder, FAULT):
            keyfile.make_private_folder(self.folder.parent)
            self.folder.mkdir(mode=0o700)
        try:
            with keyfile.disk_told(self.folder, FAULT):
                sync_folder(self.folder.parent)
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
        """The identity of that name, or whose id begins so in hex (8 digits or more).

        Raises NotFound `name-unknown`; RefusedInput `name-ambiguous` if ids of several begin so.
        """
        folder = self.folder / "identities" / name
        if NAME.match(name) and folder.is_dir():
            return _load(folder)
        found = [one for one in self.identities() if one.id.hex().startswith(name.lower())]
        if len(name) < ID_DIGITS_MIN or not found:
            raise NotFound(
                "name-unknown",
                f"identity '{name}'",
                "this machine holds no keys under that name for this ledger",
                f"Known here: {', '.join(self.names()) or 'none'}. Make one: lineage identity new {name}",
            )
        if len(found) > 1:
            raise RefusedInput(
                "name-ambiguous",
                f"identity '{name}'",
                f"the ids of several begin so: {', '.join(one.name for one in found)}",
                "Give its name, or more digits.",
            )
        return found[0]

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
        with keyfile.disk_told(parent, FAULT):
            keyfile.make_private_folder(parent)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            for which, seed in zip(KEY_NAMES, seeds, strict=True):
                keyfile.write_key(made / f"{which}.key", seed, passphrase)
            about = {"name": name, "id": identity_id.hex(), "role": role, "of": of.hex() if of else ""}
            keyfile.write_private(made / "identity.json", (json.dumps(about, indent=1) + "\n").encode())
            if enrolment is not None:
                keyfile.write_private(made / "enrol.entry", enrolment)
            self._name(made, name)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return _load(parent / name)

    def _name(self, made: Path, name: str) -> None:
        with keyfile.disk_told(made.parent, FAULT):
            try:
                made.rename(made.with_name(name))
            except OSError:
                self.check_free(name)  # somebody else was faster
                raise
            sync_folder(made.parent)

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
    """The identity in `folder`, whose name is the folder's."""
    try:
        about = json.loads(read_regular(folder / "identity.json", _ABOUT_BYTES_MAX))
        identity_id, of = bytes.fromhex(about["id"]), bytes.fromhex(about["of"])
        if len(identity_id) != HASH_BYTES or len(of) not in (0, HASH_BYTES):
            raise ValueError
        return LocalIdentity(folder.name, identity_id, str(about["role"]), folder, of or None)
    except (StoreFault, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreFault(
            "keys-damaged",
            str(folder),
            "identity.json is missing or damaged",
            "Restore the folder from a copy.",
        ) from error

"""The key store: names, roles and key files of the identities of one log, in the user's config folder.

    <config>/logs/<first 16 hex digits of the log id>/log.key                 the log's own key
                                                    /log.signed               the newest log checkpoint that it signed
                                                    /log.json                 its vkey, see `ledger.signer.known_logs`
                                                    /salts.sqlite salts.key   what opens sealed contents, see `ledger.store.salts`
                                                    /identities/NAME/identity.json
                                                                    /current.key  signs every day
                                                                    /next.key     signs a rotation: move it away
                                                                    /recovery.key signs a recovery: move it away
                                                                    /pseudonym.key  behind the authors it reports
                                                                    /profile.sealed  see `ledger.signer.profiles`
                                                                    /enrol.entry  until the log acknowledged it
                                                                    /lanes/       see `ledger.signer.lanes`
                                                                    /change/ former/ refused/  see `.changes`

A keyset of several keys has a file for each (`ledger.signer.keygroup`), also of a key whose secret lies elsewhere.
Secrets never lie in the ledger's folder: a ledger is made to be copied and published.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.identity.keyset import Keyset, make_keyset
from ledger.proofs.checkpoint import Checkpoint
from ledger.signer import keyfile
from ledger.signer.keygroup import (
    KEY_NAMES,
    KeyGroup,
    check_shape,
    file_name,
    find_files,
    open_keys,
    sign_to_threshold,
)
from ledger.signer.keyring import Keyring
from ledger.signer.newkeys import NONE_GIVEN, GivenKeys, NewKeys, check_once
from ledger.signer.profiles import Profile, write_profile
from ledger.signer.signed_head import Sign, check_head, remembering
from ledger.signer.signers import Signer, is_outside
from ledger.spec import ENTRY_BYTES_MAX, HASH_BYTES, KEY_BYTES
from ledger.statements.entry import CURRENT, Entry, make_entry
from ledger.statements.statement import Statement, keyset_digest, make_statement, profile_digest
from ledger.store.files import read_regular, sync_folder
from ledger.store.salts import SaltVault

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}\Z", re.ASCII)
ABOUT_FILE: Final = "identity.json"
PSEUDONYM_FILE: Final = "pseudonym.key"
FORMER: Final = "former"  # of each key event that put keys out of use: those keys
_ABOUT_BYTES_MAX: Final = 4_096
FAULT: Final = "keys-unwritable"  # the code of what the disk fails in here
ID_DIGITS_MIN: Final = 8  # hex digits of an id that may stand for a name


@dataclass(frozen=True, slots=True)
class LocalIdentity:
    """An identity whose keys this machine holds; `of` is a pair's anchor.

    `kseq` is the number of the key event whose keys lie here, `groups` what keysets they belong to (none is remembered
    of an identity made by an early version, which has one key of each). `retired`: the log holds its `retire`.
    `derives_pseudonyms`: it was made before identities had a pseudonym secret of their own.
    """

    name: str
    id: bytes
    role: str
    folder: Path
    of: bytes | None = None
    kseq: int = 0
    groups: tuple[KeyGroup, ...] = ()
    retired: bool = False
    derives_pseudonyms: bool = False

    @property
    def lanes(self) -> Path:
        return self.folder / "lanes"

    def key_file(self, which: str, number: int = 1) -> Path:
        """`which` is current, next or recovery; `number` counts the files of a keyset from 1."""
        return self.folder / file_name(which, number)

    def group(self, which: str) -> KeyGroup | None:
        """The keyset of that name; None if it is not remembered and its one file is not here.

        Raises as `read_public` for a file that cannot be read.
        """
        for group in self.groups:
            if group.which == which:
                return group
        try:
            return KeyGroup(which, (keyfile.read_public(self.key_file(which)),))
        except RefusedInput as error:
            if error.code == "key-file-missing":
                return None
            raise

    def about(self) -> bytes:
        """What `identity.json` holds of it; the name is the folder's, and stands there for the reader."""
        fields = {
            "name": self.name,
            "id": self.id.hex(),
            "role": self.role,
            "of": self.of.hex() if self.of else "",
            "kseq": self.kseq,
            "retired": self.retired,
            "derives_pseudonyms": self.derives_pseudonyms,
            "keysets": {
                group.which: {"keys": [key.hex() for key in group.keys], "threshold": group.threshold}
                for group in self.groups
            },
        }
        return (json.dumps(fields, indent=1) + "\n").encode()

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
    """An identity with who signs for its daily keys, as many as must sign. What is secret of it is never written, never printed."""

    def __init__(self, identity: LocalIdentity, *signers: Signer) -> None:
        self.identity = identity
        self._signers = signers
        group = next((group for group in identity.groups if group.which == "current"), None)
        self.keyset: Keyset = group.keyset if group else make_keyset([each.public_key for each in signers])

    @property
    def asks_outside(self) -> bool:
        """Whether what it signs leaves this process to be signed."""
        return any(map(is_outside, self._signers))

    def sign(self, statement: Statement) -> Entry:
        """The entry of a statement, signed to the threshold of the current keyset. Raises as the signers; then there is none."""
        return make_entry(
            statement, sign_to_threshold(CURRENT, self.keyset, self._signers, statement.payload)
        )

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

    @property
    def salts(self) -> SaltVault:
        """The salts of what these identities sealed."""
        return SaltVault(self.folder)

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
            return load_identity(folder)
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

    def unlock(self, identity: LocalIdentity, keyring: Keyring) -> Unlocked:
        """Opens as many daily keys as must sign.

        Raises RefusedInput `passphrase-wrong`, `key-file-missing` or `key-file-damaged`, or as `Keyring.signer`.
        """
        group = identity.group("current")
        if group is None:
            return Unlocked(
                identity, keyring.signer(identity.key_file("current"))
            )  # which says what is missing
        return Unlocked(identity, *open_keys(group, find_files(group, identity.folder), keyring.signer))

    def pseudonym_secret(self, identity: LocalIdentity, keyring: Keyring) -> bytes:
        """The secret (32 bytes) behind the pseudonyms of the authors that an identity reports.

        It is never changed, whatever becomes of the keys: a pseudonym stands for one author for ever. Raises as `Keyring.secret`.
        """
        path = identity.folder / PSEUDONYM_FILE
        if os.path.lexists(path) or not identity.derives_pseudonyms:
            return keyring.secret(path)
        return derived_pseudonym_secret(keyring.secret(_first_daily_key(identity)))

    def create(
        self,
        name: str,
        role: str,
        passphrase: bytes | None,
        *,
        of: bytes | None = None,
        keys: int = 1,
        threshold: int = 1,
        given: GivenKeys = NONE_GIVEN,
        profile: Profile | None = None,
    ) -> LocalIdentity:
        """Makes keys and a signed enrolment, all or nothing; the enrolment is then to be appended.

        Each of the three keysets has `keys` keys of which `threshold` must sign, the first of them those `given`. `profile`: what the
        enrolment seals; it is kept with the keys, durable when this returns. Raises
        RefusedInput `name-taken`, `name-illegal`, `threshold-illegal`, `keyset-illegal` or `key-refused`, or as the signers.
        """
        check_shape(keys, threshold)
        new = [NewKeys(which, getattr(given, which), keys, threshold) for which in KEY_NAMES]
        check_once(new)
        current, next_, recovery = (each.group.keyset for each in new)
        body = {
            "role": role,
            "keyset": current,
            "next": keyset_digest(next_),
            "recovery": keyset_digest(recovery),
        }
        if of is not None:
            body["of"] = of
        if profile is not None:
            body["profile"] = profile_digest(keyset_digest(current), profile.salt, profile.content)
        statement = make_statement("enrol", self.log_id, body)
        signers = new[0].signers[:threshold]
        entry = make_entry(statement, sign_to_threshold(CURRENT, current, signers, statement.payload))
        return self.keep(
            name, role, new, statement.id, passphrase, of=of, enrolment=entry.encoded, profile=profile
        )

    def keep(
        self,
        name: str,
        role: str,
        new: Sequence[NewKeys],
        identity_id: bytes,
        passphrase: bytes | None,
        *,
        of: bytes | None = None,
        enrolment: bytes | None = None,
        profile: Profile | None = None,
    ) -> LocalIdentity:
        """Stores the keys of an identity under `name`; the folder appears whole or not at all.

        `new` are its current, next and recovery keys.
        """
        self.check_free(name)
        parent = self.folder / "identities"
        with keyfile.disk_told(parent, FAULT):
            keyfile.make_private_folder(parent)
            made = Path(tempfile.mkdtemp(prefix=".new-", dir=parent))
        try:
            for keys in new:
                for file, signer in keys.files():
                    signer.write(made / file, passphrase)
            keyfile.write_key(made / PSEUDONYM_FILE, os.urandom(ed25519.SEED_BYTES), passphrase)
            groups = tuple(keys.group for keys in new)
            about = LocalIdentity(name, identity_id, role, made, of, 0, groups).about()
            keyfile.write_private(made / ABOUT_FILE, about)
            if profile is not None:
                write_profile(made, profile)
            if enrolment is not None:
                keyfile.write_private(made / "enrol.entry", enrolment)
            self._name(made, name)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        return load_identity(parent / name)

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


def derived_pseudonym_secret(first_daily_key: bytes) -> bytes:
    """The pseudonym secret of an identity made before it had one of its own, from the seed of its first daily key."""
    return hashlib.blake2b(b"lineage pseudonyms", key=first_daily_key, digest_size=32).digest()


def _first_daily_key(identity: LocalIdentity) -> Path:
    """Where the first daily key of an identity lies, or would lie: what the first change put away, or the current one."""
    folder = identity.folder / FORMER
    numbers = (
        [int(path.name) for path in folder.iterdir() if path.name.isdecimal()] if folder.is_dir() else []
    )
    if not numbers and not identity.kseq:
        return identity.key_file("current")
    return folder / str(min(numbers, default=1)) / file_name("current")


def load_identity(folder: Path) -> LocalIdentity:
    """The identity in `folder`, whose name is the folder's. Raises StoreFault `keys-damaged`."""
    try:
        about = json.loads(read_regular(folder / ABOUT_FILE, _ABOUT_BYTES_MAX))
        identity_id, of = bytes.fromhex(about["id"]), bytes.fromhex(about["of"])
        if len(identity_id) != HASH_BYTES or len(of) not in (0, HASH_BYTES):
            raise ValueError
        return LocalIdentity(
            folder.name, identity_id, str(about["role"]), folder, of or None, **_keys_of(about)
        )
    except (
        StoreFault,
        RefusedInput,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise StoreFault(
            "keys-damaged",
            str(folder),
            "identity.json is missing or damaged",
            "Restore the folder from a copy.",
        ) from error


def _keys_of(about: dict[str, Any]) -> dict[str, Any]:
    """The fields of a LocalIdentity that early versions did not write."""
    if "keysets" not in about:
        return {"derives_pseudonyms": True}
    kseq, retired, derives = about["kseq"], about["retired"], about["derives_pseudonyms"]
    if type(kseq) is not int or kseq < 0 or type(retired) is not bool or type(derives) is not bool:
        raise ValueError
    groups = tuple(_group(which, kept) for which, kept in about["keysets"].items())
    return {"kseq": kseq, "groups": groups, "retired": retired, "derives_pseudonyms": derives}


def _group(which: str, kept: dict[str, Any]) -> KeyGroup:
    keys, threshold = tuple(bytes.fromhex(key) for key in kept["keys"]), kept["threshold"]
    if which not in KEY_NAMES or any(len(key) != KEY_BYTES for key in keys) or len(set(keys)) != len(keys):
        raise ValueError
    if type(threshold) is not int:
        raise ValueError
    check_shape(len(keys), threshold)
    return KeyGroup(which, keys, threshold)

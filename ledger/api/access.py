"""What the verbs of a ledger share: its folder, this user's keys for it, the writer's lock, the log as a signer knows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger.api.around import now_ms
from ledger.api.door import Door
from ledger.errors import LineageError, StoreFault
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView, open_view
from ledger.log.writer import LogWriter
from ledger.signer.changes import changes_of
from ledger.signer.drain import drain
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, LocalIdentity, Unlocked
from ledger.signer.known_logs import remember_log
from ledger.signer.passphrases import Passphrases
from ledger.signer.remembered import CheckpointMemory
from ledger.signer.signers import Signer
from ledger.signer.signing import standing_of
from ledger.statements.statement import log_id
from ledger.store.content import ContentStore
from ledger.store.cosigned import CosignedNotes
from ledger.store.folder import MARKER_FILE, Marker, open_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from ledger.store.outbox import Outbox
from ledger.store.rows_file import RowsFolder

OPERATOR: Final = "operator"  # under which the key store keeps the operator's keys
DRAINING_MAX_S: Final = (
    2.0  # that a verb spends on what others left in the outbox, before and after its own work
)


class Access:
    """One ledger's folder and keys, opened. Close it when done."""

    def __init__(
        self,
        path: Path,
        config: Path,
        passphrases: Passphrases,
        signers: Iterable[Signer] = (),
        *,
        readonly: bool,
        wait_s: float,
    ) -> None:
        """Raises RefusedInput `not-a-ledger`, `ledger-newer`; StoreFault `ledger-damaged`; or as `Keyring.take`."""
        self.keyring = Keyring(passphrases, signers)
        self.path = path
        self.marker: Marker = open_folder(path)
        self.vkey = vkey_of(self.marker, path)
        self.keys = Keystore(config, self.marker.log_id)
        self.checkpoints = CheckpointMemory(config, self.vkey)
        self.content = ContentStore(path)
        self.outbox = Outbox(path)
        self.rows = RowsFolder(path)
        self.cosigned = CosignedNotes(path)
        self._readonly = readonly
        self.wait_s = wait_s  # for another writer
        self.store = LmdbStore(path, readonly=readonly)
        if not readonly:
            remember_log(self.keys.folder, self.vkey)

    def close(self) -> None:
        """Lets go of the folder, and of what was secret."""
        self.keyring.forget()
        self.store.close()

    @property
    def passphrases(self) -> Passphrases:
        """What opens encrypted key files."""
        return self.keyring.passphrases

    @contextmanager
    def view(self) -> Iterator[LogView]:
        """The log as of its newest signed checkpoint."""
        with open_view(self.store, self.vkey) as view:
            yield view

    def check_writable(self) -> None:
        """Raises StoreFault `store-readonly` if it was opened for reading only."""
        if self._readonly:
            raise StoreFault(
                "store-readonly", str(self.path), "it was opened for reading only", "Open it for writing."
            )

    @contextmanager
    def writer(self, wait_s: float | None = None) -> Iterator[LogWriter]:
        """The log's writer, under its lock; it waits for another one `wait_s` seconds, or as long as the ledger was opened for.

        Opening it finishes a commit that a crash left. Raises StoreFault `writer-busy`, and as its parts.
        """
        self.check_writable()
        seed = self.keyring.secret(self.keys.log_key_file)
        with WriterLock(self.path).acquire(self.wait_s if wait_s is None else wait_s):
            writer = LogWriter(self.store, self.vkey, self.keys.log_signer(seed), now_ms)
            if writer.checkpoint is not None:
                self.keys.check_head(writer.checkpoint)
            yield writer

    @contextmanager
    def door(self) -> Iterator[Door]:
        """The log as a signer knows it, under the writer's lock; what waits in the outbox is taken along, before and after."""
        with self.writer() as writer:
            door = Door(writer, self.view)
            try:
                self._drain_along(door)
                yield door
                self._drain_along(door)
            finally:
                door.close()

    def _drain_along(self, door: Door) -> None:
        """Whatever is wrong with the outbox stops no verb: `lineage status` and `lineage append` tell of it."""
        with suppress(StoreFault):
            drain(door, self.outbox, most_s=DRAINING_MAX_S)

    def unlock(self, name: str) -> Unlocked:
        """An identity with who signs for its daily keys; a change of keys that a crash left is carried through first."""
        return self.keys.unlock(self.settled(name), self.keyring)

    def settled(self, name: str) -> LocalIdentity:
        """An identity of this machine whose key files are those that the log has in force, if they are here."""
        identity = self.keys.find(name)
        if not changes_of(identity):
            return identity
        with self.door() as door:
            standing_of(door, identity)
        return self.keys.find(name)

    def new_passphrase(self, *, unencrypted: bool) -> bytes | None:
        """What protects new key files; None: nothing does. Raises RefusedInput `passphrase-missing`."""
        return None if unencrypted else self.passphrases.for_new_keys()


def vkey_of(marker: Marker, folder: Path) -> Vkey:
    """The vkey of a marker whose parts agree. Raises StoreFault `ledger-damaged`."""
    try:
        vkey = Vkey.parse(marker.vkey)
    except LineageError as error:
        reason = f"its vkey is none: {error.reason}"
    else:
        if (vkey.name, log_id(marker.vkey)) == (marker.origin, marker.log_id):
            return vkey
        reason = "its vkey, origin and log id do not belong together"
    raise StoreFault(
        "ledger-damaged",
        str(folder / MARKER_FILE),
        reason,
        "Restore it from a backup: it never changes after the ledger was made.",
    )

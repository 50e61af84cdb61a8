"""A ledger on this machine: its folder, and the key store of this machine's user beside it."""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ledger.api.contents import Content, Keep, file_contents, keeping, row_contents
from ledger.api.door import Door
from ledger.api.finding import find_bytes, find_file
from ledger.datasets.files import printable, walk
from ledger.errors import LineageError, NotFound, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.log.publish import Published, publish
from ledger.log.view import LogView, open_view
from ledger.log.writer import LogWriter
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.receipt import make_entry_proof, make_receipt
from ledger.proofs.trace import Ancestry, trace
from ledger.signer import signing
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keystore import Keystore, LocalIdentity, Unlocked
from ledger.signer.lanes import pending_parcels
from ledger.signer.passphrases import Passphrases
from ledger.signer.signing import Signed
from ledger.signer.spool import Spool
from ledger.spec import GUESSABLE_BYTES, HASH_BYTES
from ledger.statements.bodies import BODIES
from ledger.statements.statement import log_id
from ledger.store.content import ContentStore
from ledger.store.folder import MARKER_FILE, Marker, open_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock

ID_CHARS_LEAST: Final = 16  # hex digits that name an artifact
HEX: Final = re.compile(r"[0-9a-f]{1,64}", re.ASCII | re.IGNORECASE)
FULL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
OPERATOR: Final = "operator"  # under which the key store keeps the operator's keys
Progress = Callable[[int, int | None], None]  # done, total where it is known


class Paths(NamedTuple):
    """The inclusion paths of a record in its statement of `record_count` records, and of the statement in the log."""

    record_count: int
    record_path: list[bytes]
    log_path: list[bytes]


def silent(_done: int, _total: int | None) -> None:
    """No progress is shown."""


def now_ms() -> int:
    """Unix milliseconds by this machine's clock."""
    return time.time_ns() // 1_000_000


class Ledger:
    """One ledger on this machine. Made by `open_ledger` and `create_ledger`; close it, or use `with`."""

    def __init__(
        self, path: Path, config: Path, passphrases: Passphrases, *, readonly: bool, wait_s: float
    ) -> None:
        """Raises RefusedInput `not-a-ledger`, `ledger-newer`; StoreFault `ledger-damaged`."""
        self.path = path
        self.marker: Marker = open_folder(path)
        self.vkey = vkey_of(self.marker, path)
        self.keys = Keystore(config, self.marker.log_id)
        self.content = ContentStore(path)
        self._passphrases = passphrases
        self._readonly = readonly
        self._wait_s = wait_s
        self._store = LmdbStore(path, readonly=readonly)

    def close(self) -> None:
        """Lets go of the folder."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Identities

    def new_identity(
        self,
        name: str,
        role: str = "human",
        *,
        of: str | None = None,
        substrate: dict[str, Any] | None = None,
        scope: dict[str, Any] | None = None,
        unencrypted: bool = False,
    ) -> LocalIdentity:
        """Makes keys under `name` and enrols them. `of` names a pair's anchor; with `substrate` it delegates the pair at once.

        Whatever can be refused is refused before a key is made. Raises RefusedInput `name-taken`, `name-illegal`,
        `name-unknown`, `passphrase-missing`, `passphrase-wrong`, `role-illegal`, `delegation-illegal` or `schema`.
        """
        anchor = self.keys.find(of) if of is not None else None
        if (role == "pair") != (anchor is not None):
            raise RefusedInput(
                "role-illegal",
                f"identity '{name}'",
                "a pair, and only a pair, has an anchor",
                "Say --role pair --of ANCHOR.",
            )
        if anchor is not None and anchor.role != "human":
            raise RefusedInput(
                "delegation-illegal",
                f"anchor '{anchor.name}'",
                f"it is a {anchor.role}; the anchor of a pair is a human",
                "Name a human identity with --of.",
            )
        self.keys.check_free(name)
        signer = None
        if anchor is not None and substrate is not None:
            BODIES["delegate"](_delegation(bytes(HASH_BYTES), substrate, scope), "delegation")
            signer = self._unlock(anchor)
        passphrase = None if unencrypted else self._passphrases.for_new_keys()
        with self._door() as door:
            if anchor is not None:
                signing.standing_of(door, anchor)
            identity = self.keys.create(name, role, passphrase, of=anchor.id if anchor else None)
            signing.enrol_pending(door, identity)
            if signer is not None and substrate is not None:
                signing.say(door, signer, "delegate", _delegation(identity.id, substrate, scope))
        return identity

    def delegate(
        self, anchor: str, pair: str, substrate: dict[str, Any], scope: dict[str, Any] | None = None
    ) -> int:
        """Lets a pair speak, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput if it may not."""
        local = self.keys.find(pair)
        body = _delegation(local.id, substrate, scope)
        BODIES["delegate"](body, "delegation")
        signer = self._unlock(self.keys.find(anchor))
        with self._door() as door:
            signing.enrol_pending(door, signer.identity)
            signing.enrol_pending(door, local)
            return signing.say(door, signer, "delegate", body).log_index

    # Signing

    def sign(
        self,
        paths: Sequence[str | os.PathLike[str]],
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
    ) -> Signed:
        """Signs files and folders, each file an artifact of form `raw`. All are read before any is signed."""
        walked = walk(paths)
        claimant = self._claimant(by, claim)
        signed = self._sign(
            by, claimant, lambda keep: file_contents(walked.files, keep), progress, len(walked.files)
        )
        signed.hidden_files = walked.hidden_count
        return signed

    def sign_rows(
        self,
        path: str | os.PathLike[str],
        column: str | None,
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
        *,
        author_column: str | None = None,
    ) -> Signed:
        """Signs every row of a JSONL dataset: one column, or with None the whole row as JCS.

        `author_column`: the column that names the author of each row, who is reported by a pseudonym. All rows are read
        before any is signed.
        """
        claimant = self._claimant(by, claim, names_authors=author_column is not None)
        return self._sign(
            by, claimant, lambda keep: row_contents(path, column, author_column, keep), progress, None
        )

    def _claimant(self, by: str, claim: Claim | None, *, names_authors: bool = False) -> Claimant:
        identity = self.keys.find(by)
        return Claimant(
            identity.id,
            identity.role,
            claim or Claim(),
            lambda: self._pseudonym_key(identity),
            names_authors=names_authors,
        )

    def _sign(
        self,
        by: str,
        claimant: Claimant,
        read: Callable[[Keep | None], Iterable[Content]],
        progress: Progress,
        total: int | None,
    ) -> Signed:
        signer = self._unlock(self.keys.find(by))  # first: a wrong passphrase shows before a long reading
        signed = Signed()
        with Spool() as spool:
            with keeping(self.content) as keep:
                contents = read(keep if claimant.kind == "experience" else None)
                _draft(claimant, contents, spool, signed, lambda done: progress(done, total))
            with self._door() as door:
                signing.append_records(door, signer, spool, signed, lambda done: progress(done, spool.count))
        return signed

    # Reading

    @contextmanager
    def view(self) -> Iterator[LogView]:
        """The log as of its newest signed checkpoint: the source of all proofs."""
        with open_view(self._store, self.vkey) as view:
            yield view

    def resolve(self, text: str | os.PathLike[str]) -> bytes:
        """The artifact id that a person means: an id in hex (16 digits or more) or a file that was signed.

        Raises NotFound `unlogged`; RefusedInput `ambiguous` if several artifacts have that content.
        """
        with self.view() as view:
            found = self.find(view, text)
        if len(found) > 1:
            raise RefusedInput(
                "ambiguous",
                printable(Path(text)),
                f"{len(found)} artifacts of this log are meant by it",
                f"Name one by its id: {', '.join(artifact_id.hex()[:16] for artifact_id in found)}",
            )
        return found[0]

    def find(self, view: LogView, text: str | os.PathLike[str]) -> list[bytes]:
        """All artifact ids that an id in hex, or a file's content, may mean; in log order. Raises NotFound `unlogged`."""
        named = os.fspath(text)
        if HEX.fullmatch(named) and not Path(named).exists():
            named = named.lower()
            if len(named) < ID_CHARS_LEAST:
                raise NotFound(
                    "file-not-found",
                    named,
                    f"there is no such file, and as an id it is too short: it takes {ID_CHARS_LEAST} digits",
                    "Check the path, or give more of the id.",
                )
            found = [
                view.record_leaf(number)
                for number in view.find_prefix(bytes.fromhex(named[: len(named) & ~1]))
            ]
            found = [artifact_id for artifact_id in found if artifact_id.hex().startswith(named)]
            reason = "no artifact of this log has that id"
        else:
            found = find_file(view, named)
            reason = "no artifact of this log has this content; one changed byte is enough for that"
        if not found:
            raise NotFound(
                "unlogged", printable(Path(named)), reason, "Sign it, or look into another ledger."
            )
        return list(dict.fromkeys(found))

    def find_all(self, text: str | os.PathLike[str]) -> list[bytes]:
        """As `find`, in a view of its own."""
        with self.view() as view:
            return self.find(view, text)

    def find_text(self, text: str) -> list[bytes]:
        """The ids of all artifacts whose content is this text in UTF-8. Raises NotFound `unlogged`."""
        content = text.encode(
            "utf-8", "surrogateescape"
        )  # as an argument of bytes that are no UTF-8 comes in
        with self.view() as view:
            found = find_bytes(view, content)
        if not found:
            raise NotFound(
                "unlogged",
                "text",
                "no artifact of this log has this content",
                "Is it the whole text, to the letter?",
            )
        return found

    def checkpoint(self) -> Checkpoint:
        """The newest signed log checkpoint."""
        with self.view() as view:
            return view.checkpoint

    def checkpoint_note(self) -> str:
        """The same as its C2SP note."""
        with self.view() as view:
            return view.note.decode()

    def receipt(self, artifact_id: bytes, *, bare: bool = False) -> str:
        """The `.tlog-proof` of an artifact (SPEC §11.1); `bare`: of its log entry alone. Raises NotFound `unlogged`."""
        with self.view() as view:
            numbers = view.find_artifact(artifact_id)
            if not numbers:
                raise NotFound(
                    "unlogged",
                    artifact_id.hex()[:16],
                    "no artifact of this log has that id",
                    "Sign it first.",
                )
            if bare:
                return make_entry_proof(view, view.locate(numbers[0])[0])
            return make_receipt(view, numbers[0])

    def trace(self, artifact_id: bytes, view: LogView | None = None) -> Ancestry:
        """The whole ancestry of an artifact, every step verified (SPEC §12); of one that is not logged, a root that is absent.

        Raises ProofInvalid. Give one `view` for many artifacts: it remembers the trees of large statements.
        """
        if view is not None:
            return trace(view, artifact_id, self.vkey)
        with self.view() as opened:
            return trace(opened, artifact_id, self.vkey)

    def paths(self, ancestry: Ancestry) -> Paths | None:
        """How the root of an ancestry is reached from the log checkpoint; None if it stands nowhere."""
        node = ancestry.nodes[ancestry.root]
        if node.log_index is None or node.record_index is None:
            return None
        with self.view() as view:
            first = view.record_start(node.log_index)
            count = view.record_start(node.log_index + 1) - first
            return Paths(count, view.record_path(first + node.record_index), view.entry_path(node.log_index))

    def show_identity(self, name: str) -> dict[str, Any]:
        """What the log knows of an identity, by a name on this machine or by its id. Raises NotFound."""
        with self.view() as view:
            local = self._find_local(name)
            wanted = local.id if local else bytes.fromhex(name) if FULL_ID.fullmatch(name) else None
            identity = view.identity(wanted) if wanted else None
            delegations = view.delegations(identity) if identity else []
        if identity is None:
            raise NotFound(
                "identity-unknown",
                f"identity '{name}'",
                "neither this machine nor the log knows it",
                "Give a name here, or all 64 digits of its id.",
            )
        return {
            "id": identity.id.hex(),
            "name": local.name if local else None,
            "role": identity.role,
            "anchor": identity.anchor.hex() if identity.anchor else None,
            "log_index": identity.born,
            "key_event": identity.in_force(view.clock_ms).id.hex(),
            "delegations": [
                {
                    "log_index": item.log_index,
                    "substrate": f"{item.substrate['name']}@{item.substrate['version']}",
                    "scope": item.scope or {},
                }
                for item in delegations
            ],
        }

    def status(self) -> dict[str, Any]:
        """Where everything is, and what waits to be sent."""
        with self.view() as view:
            identities = [
                {
                    "name": item.name,
                    "id": item.id.hex(),
                    "role": item.role,
                    "enrolled": view.identity(item.id) is not None,
                    "pending": len(pending_parcels(item.lanes)),
                }
                for item in self.keys.identities()
                if item.name != OPERATOR
            ]
            return {
                "ledger": str(self.path),
                "log_origin": self.marker.origin,
                "vkey": self.marker.vkey,
                "keys": str(self.keys.folder),
                "size": view.checkpoint.size,
                "records": view.record_count,
                "clock_ms": view.clock_ms,
                "identities": identities,
            }

    def _find_local(self, name: str) -> LocalIdentity | None:
        try:
            return self.keys.find(name)
        except NotFound:
            return None

    # The log

    def publish(self, folder: Path) -> Published:
        """Writes the log as a static tree of C2SP tiles (SPEC §10.3)."""
        return publish(self._store, self.vkey, folder)

    def sign_checkpoint(self) -> None:
        """Commits a state alone, so that the newest log checkpoint carries the time of now."""
        with self._writer() as writer:
            writer.tick()

    # Keys and locks

    def _unlock(self, identity: LocalIdentity) -> Unlocked:
        return Unlocked(identity, self._passphrases.open(identity.key_file("current")))

    def _pseudonym_key(self, identity: LocalIdentity) -> bytes:
        """The secret behind an identity's pseudonyms: derived from its daily key, never stored."""
        seed = self._passphrases.open(identity.key_file("current"))
        return hashlib.blake2b(b"lineage pseudonyms", key=seed, digest_size=32).digest()

    @contextmanager
    def _writer(self) -> Iterator[LogWriter]:
        """The log's writer, under its lock. Opening it finishes a commit that a crash left."""
        if self._readonly:
            raise StoreFault(
                "store-readonly", str(self.path), "it was opened for reading only", "Open it for writing."
            )
        seed = self._passphrases.open(self.keys.log_key_file)
        with WriterLock(self.path).acquire(self._wait_s):
            writer = LogWriter(self._store, self.vkey, self.keys.log_signer(seed), now_ms)
            if writer.checkpoint is not None:
                self.keys.check_head(writer.checkpoint)
            yield writer

    @contextmanager
    def _door(self) -> Iterator[Door]:
        with self._writer() as writer:
            door = Door(writer, self.view)
            try:
                yield door
            finally:
                door.close()


def _draft(
    claimant: Claimant,
    contents: Iterable[Content],
    spool: Spool,
    signed: Signed,
    progress: Callable[[int], None],
) -> None:
    """The records of all contents, each once, into the spool; their labels and ids in order into `signed`."""
    seen: set[bytes] = set()
    labels: list[str | int] = []
    for done, content in enumerate(contents, 1):
        record = claimant.record(
            content.digest, content.size_bytes, content.form, content.media, content.author
        )
        artifact_id = hash_leaf(record)
        labels.append(content.label)
        signed.ids.append(artifact_id)
        signed.guessable += content.form == "raw" and content.size_bytes < GUESSABLE_BYTES
        if artifact_id not in seen:
            seen.add(artifact_id)
            spool.add(record)
        progress(done)
    are_rows = bool(labels) and isinstance(labels[0], int)
    signed.labels = range(len(labels)) if are_rows else labels  # a million row indices need not be held


def _delegation(pair: bytes, substrate: dict[str, Any], scope: dict[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"pair": pair, "substrate": substrate}
    return body | {"scope": scope} if scope else body


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

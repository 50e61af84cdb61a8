"""The few names people import; wires the rooms; no logic of its own (SPEC §1).

    import ledger

    with ledger.open("my-ledger") as l:
        signed = l.sign(["notes.md"], by="ada")
        print(l.trace(signed.ids[0]).humans)

A `Ledger` is one ledger folder, with the key store of this machine's user beside it. Reading needs neither lock nor key.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ledger.audit import replay
from ledger.audit.report import AuditReport
from ledger.datasets.experience import check_experience
from ledger.datasets.files import load_file, printable, read_file, walk
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.media import guess_media
from ledger.errors import LineageError, NotFound, RefusedInput
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.log.publish import Published, publish
from ledger.log.view import LogView, open_view
from ledger.log.writer import Appended, LogWriter
from ledger.merkle.tree import hash_leaf
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.receipt import make_entry_proof, make_receipt
from ledger.proofs.trace import Ancestry, trace
from ledger.signer import keyfile, signing
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keystore import Keystore, LocalIdentity, Unlocked
from ledger.signer.lanes import pending_parcels
from ledger.signer.passphrases import Passphrases
from ledger.signer.places import config_folder, ledger_folder
from ledger.signer.signing import Signed, Standing
from ledger.signer.spool import Spool
from ledger.spec import WRITER_WAIT_S
from ledger.statements.statement import log_id
from ledger.store.content import ContentStore
from ledger.store.folder import Marker, creating_folder, open_folder
from ledger.store.lmdb import LmdbStore
from ledger.store.lock import WriterLock
from ledger.store.static import CHECKPOINT_PATH

HEX_ID: Final = re.compile(r"[0-9a-f]{16,64}", re.ASCII)
FULL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
OPERATOR: Final = "operator"  # under which the key store keeps the operator's keys
Progress = Callable[[int, int | None], None]  # done, total where it is known


class Content(NamedTuple):
    """One content to be signed: `label` is its path or row index; `digest` has 32 bytes."""

    label: str | int
    digest: bytes
    size_bytes: int
    form: str
    media: str


class Paths(NamedTuple):
    """The inclusion paths of a record in its statement of `record_count` records, and of the statement in the log."""

    record_count: int
    record_path: list[bytes]
    log_path: list[bytes]


def _silent(_done: int, _total: int | None) -> None:
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
        self.vkey = Vkey.parse(self.marker.vkey)
        self.keys = Keystore(config, self.marker.log_id)
        self.content = ContentStore(path)
        self._passphrases = passphrases
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
        self, name: str, role: str = "human", *, of: str | None = None, unencrypted: bool = False
    ) -> LocalIdentity:
        """Makes keys under `name` and enrols them; `of` names a pair's anchor.

        Raises RefusedInput `name-taken`, `name-illegal`, `name-unknown`, `passphrase-missing` or `role-illegal`.
        """
        anchor = self.keys.find(of) if of is not None else None
        if (role == "pair") != (anchor is not None):
            raise RefusedInput(
                "role-illegal",
                f"identity '{name}'",
                "a pair, and only a pair, has an anchor",
                "Say --role pair --of ANCHOR.",
            )
        self.keys.check_free(name)
        passphrase = None if unencrypted else self._passphrases.for_new_keys()
        with self._door() as door:
            if anchor is not None:
                signing.enrol_pending(door, anchor)
            identity = self.keys.create(name, role, passphrase, of=anchor.id if anchor else None)
            signing.enrol_pending(door, identity)
        return identity

    def delegate(
        self, anchor: str, pair: str, substrate: dict[str, Any], scope: dict[str, Any] | None = None
    ) -> int:
        """Lets a pair speak, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput if it may not."""
        local = self.keys.find(pair)
        body: dict[str, Any] = {"pair": local.id, "substrate": substrate}
        if scope:
            body["scope"] = scope
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
        progress: Progress = _silent,
    ) -> Signed:
        """Signs files and folders, each file an artifact of form `raw`. Nothing is signed unless all can be."""
        walked = walk(paths)

        def contents(kind: str) -> Iterator[Content]:
            for path in walked.files:
                file = read_file(path) if kind != "experience" else self._keep_experience(path)
                yield Content(printable(path), file.digest, file.size_bytes, "raw", guess_media(path))

        signed = self._sign(contents, by, claim or Claim(), progress, len(walked.files))
        signed.hidden_files = walked.hidden_count
        return signed

    def sign_rows(
        self,
        path: str | os.PathLike[str],
        column: str | None,
        by: str,
        claim: Claim | None = None,
        progress: Progress = _silent,
    ) -> Signed:
        """Signs every row of a JSONL dataset: one column, or with None the whole row as JCS."""

        def contents(kind: str) -> Iterator[Content]:
            for row in read_jsonl(path, column):
                if kind == "experience":
                    check_experience(row.content)
                    self.content.put(row.content)
                digest = hashlib.sha256(row.content).digest()
                yield Content(row.row_index, digest, row.size_bytes, row.form, row.media)

        return self._sign(contents, by, claim or Claim(), progress, None)

    def _keep_experience(self, path: Path) -> Any:
        """An experience's content is checked, and always kept in the content store (SPEC §4.1)."""
        file, content = load_file(path)
        check_experience(content)
        self.content.put(content)
        return file

    def _sign(
        self,
        contents: Callable[[str], Iterable[Content]],
        by: str,
        claim: Claim,
        progress: Progress,
        total: int | None,
    ) -> Signed:
        identity = self.keys.find(by)
        claimant = Claimant(identity.id, identity.role, claim, lambda: self._pseudonym_key(identity))
        signed = Signed()
        seen: set[bytes] = set()
        with Spool() as spool:
            for done, content in enumerate(contents(claimant.kind), 1):
                record = claimant.record(content.digest, content.size_bytes, content.form, content.media)
                artifact_id = hash_leaf(record)
                signed.labels.append(content.label)
                signed.ids.append(artifact_id)
                if artifact_id not in seen:
                    seen.add(artifact_id)
                    spool.add(record)
                progress(done, total)
            seen.clear()
            signer = self._unlock(identity)
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
        """The artifact id that a person means: an id in hex (16 digits or more), or a file that was signed.

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
        if HEX_ID.fullmatch(named) and not Path(named).exists():
            found = [
                view.record_leaf(number)
                for number in view.find_prefix(bytes.fromhex(named[: len(named) & ~1]))
            ]
            found = [artifact_id for artifact_id in found if artifact_id.hex().startswith(named)]
            reason = "no artifact of this log has that id"
        else:
            found = self.find_content(view, read_file(named).digest)
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
        with self.view() as view:
            found = self.find_content(view, hashlib.sha256(text.encode()).digest())
        if not found:
            raise NotFound(
                "unlogged",
                "text",
                "no artifact of this log has this content",
                "Is it the whole text, to the letter?",
            )
        return found

    def find_content(self, view: LogView, digest: bytes) -> list[bytes]:
        """The ids of all artifacts with a content digest, in log order."""
        return list(dict.fromkeys(view.record_leaf(number) for number in view.find_content(digest)))

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

    def trace(self, artifact_id: bytes) -> Ancestry:
        """The whole ancestry of an artifact, every step verified (SPEC §12). Raises NotFound `unlogged`, ProofInvalid."""
        with self.view() as view:
            return trace(view, artifact_id, self.vkey)

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
            "log_index": identity.events[0].log_index,
            "key_event": identity.in_force.id.hex(),
            "delegations": [
                {
                    "log_index": item.log_index,
                    "substrate": f"{item.substrate['name']}@{item.substrate['version']}",
                    "scope": item.scope or {},
                }
                for item in identity.delegations
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
        seed = self._passphrases.open(self.keys.log_key_file)
        with WriterLock(self.path).acquire(self._wait_s):
            yield LogWriter(self._store, self.vkey, lambda message: ed25519.sign(seed, message), now_ms)

    @contextmanager
    def _door(self) -> Iterator[_Door]:
        with self._writer() as writer:
            door = _Door(writer, self.view)
            try:
                yield door
            finally:
                door.close()


class _Door:
    """The log as a signer knows it (`ledger.signer.signing.LogDoor`)."""

    def __init__(self, writer: LogWriter, open_: Callable[[], AbstractContextManager[LogView]]) -> None:
        self._writer = writer
        self._open = open_
        self._held = ExitStack()
        self._view: LogView | None = None

    def close(self) -> None:
        """Ends the view that answers `find_artifact`; the next question opens one anew."""
        self._view = None
        self._held.close()

    @property
    def log_id(self) -> bytes:
        return self._writer.log_id

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Appended | LineageError]:
        self.close()
        return self._writer.append(submissions)

    def standing(self, identity_id: bytes) -> Standing | None:
        identity = self._writer.state.identity(identity_id)
        if identity is None:
            return None
        delegation = identity.delegations[-1].id if identity.delegations else None
        return Standing(identity.in_force.id, delegation)

    def find_artifact(self, artifact_id: bytes) -> int | None:
        if self._view is None:
            self._view = self._held.enter_context(self._open())
        numbers = self._view.find_artifact(artifact_id)
        return self._view.locate(numbers[0])[0] if numbers else None


def open_ledger(
    path: str | os.PathLike[str] | None = None,
    *,
    readonly: bool = False,
    passphrases: Passphrases | None = None,
    config: str | None = None,
    wait_s: float = WRITER_WAIT_S,
) -> Ledger:
    """Opens the ledger in `path` (default: LINEAGE_LEDGER, else the platform's data folder).

    Without `passphrases` the environment's LINEAGE_PASSPHRASE is used where a key is needed. A second writer waits
    `wait_s` seconds for the first. Raises RefusedInput `not-a-ledger`, `ledger-newer`, `network-filesystem`;
    StoreFault `ledger-damaged`.
    """
    given = passphrases or passphrases_from_environment()
    folder = ledger_folder(os.fspath(path) if path is not None else None)
    return Ledger(folder, config_folder(config), given, readonly=readonly, wait_s=wait_s)


def create_ledger(
    path: str | os.PathLike[str] | None = None,
    *,
    origin: str | None = None,
    unencrypted: bool = False,
    passphrases: Passphrases | None = None,
    config: str | None = None,
    wait_s: float = WRITER_WAIT_S,
) -> Ledger:
    """Makes a ledger, its log's key and its operator's keys, all or nothing, and opens it.

    Raises RefusedInput `ledger-exists`, `folder-not-empty`, `schema` (an origin outside SPEC §3.1),
    `passphrase-missing`; StoreFault.
    """
    given = passphrases or passphrases_from_environment()
    folder = ledger_folder(os.fspath(path) if path is not None else None)
    passphrase = None if unencrypted else given.for_new_keys()
    seeds = [os.urandom(ed25519.SEED_BYTES) for _ in range(4)]
    vkey = Vkey.make(origin or default_origin(), ed25519.public_key(seeds[0]))
    genesis = make_genesis(vkey, seeds[1:])
    marker = Marker(vkey.name, str(vkey), log_id(str(vkey)))
    keys = Keystore(config_folder(config), marker.log_id)
    with creating_folder(folder, marker), keys.creating():
        keyfile.write_key(keys.log_key_file, seeds[0], passphrase)
        keys.keep(OPERATOR, "operator", seeds[1:], genesis.statement.id, passphrase)
        store = LmdbStore.create(folder)
        try:
            LogWriter(store, vkey, lambda message: ed25519.sign(seeds[0], message), now_ms).begin(genesis)
        finally:
            store.close()
    return Ledger(folder, config_folder(config), given, readonly=False, wait_s=wait_s)


def audit_folder(folder: Path, vkey: str | None = None, progress: Progress = _silent) -> AuditReport:
    """Replays a ledger's folder, or a published one, from nothing but its bytes (SPEC §9, §10).

    `vkey` says whose log it must be; without it a ledger's marker or the copy's own genesis is believed, and the report
    says so. Raises RefusedInput `not-a-ledger` if the folder is neither.
    """
    trusted = Vkey.parse(vkey) if vkey else None
    if (folder / CHECKPOINT_PATH).is_file():
        return replay.audit_folder(folder, trusted, progress)
    marker = open_folder(folder)
    store = LmdbStore(folder, readonly=True)
    try:
        report = replay.audit_ledger(store, trusted or Vkey.parse(marker.vkey), progress)
        report.self_trusted = trusted is None
        return report
    finally:
        store.close()


def default_origin() -> str:
    """An origin with a random part, so that copies and namesakes differ (SPEC §10.2)."""
    return f"localhost/lineage/{os.urandom(8).hex()}"


def passphrases_from_environment() -> Passphrases:
    """LINEAGE_PASSPHRASE, if it is set; nobody is asked."""
    known = os.environ.get("LINEAGE_PASSPHRASE")
    return Passphrases(known.encode() if known is not None else None)

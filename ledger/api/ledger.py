"""A ledger on this machine: its folder, and the key store of this machine's user beside it.

The one class that people import; each verb lives in the module of its theme beside this one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from ledger.api import (
    appending,
    descendants,
    draining,
    finding,
    histories,
    identities,
    keys,
    saying,
    signing,
)
from ledger.api.access import Access, Progress, silent, unseen
from ledger.api.appending import FileAppended
from ledger.api.beside import Beside
from ledger.api.descendants import Touched
from ledger.api.foreseeing import WouldSign
from ledger.api.keys import Foreseen, KeyChange
from ledger.api.lookups import Lookups
from ledger.api.places import first_index_since
from ledger.api.saying import Subject
from ledger.errors import LineageError, NotFound
from ledger.log.publish import Published, publish
from ledger.log.view import LogView
from ledger.log.writer import Appended
from ledger.origin.history import History
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Ancestry
from ledger.proofs.receipt import make_entry_proof, make_receipt
from ledger.proofs.trace import trace
from ledger.signer.changes import Outcome
from ledger.signer.claims import Claim
from ledger.signer.drain import Drained
from ledger.signer.keystore import LocalIdentity
from ledger.signer.passphrases import Passphrases
from ledger.signer.signing import Signed


class Paths(NamedTuple):
    """The inclusion paths of a record in its statement of `record_count` records, and of the statement in the log."""

    record_count: int
    record_path: list[bytes]
    log_path: list[bytes]


class Ledger(Beside, Lookups):
    """One ledger on this machine. Made by `open_ledger` and `create_ledger`; close it, or use `with`.

    Names (`by`, `anchor`, `name`) are those of identities whose keys are here, or the beginning of their ids; where an
    identity is only spoken about, all 64 digits of its id do as well. Every verb that writes raises RefusedInput or
    PolicyDenied with the code for which the log refuses (SPEC §14), and has then done nothing.
    """

    def __init__(
        self, path: Path, config: Path, passphrases: Passphrases, *, readonly: bool, wait_s: float
    ) -> None:
        """Raises RefusedInput `not-a-ledger`, `ledger-newer`; StoreFault `ledger-damaged`."""
        self._access = Access(path, config, passphrases, readonly=readonly, wait_s=wait_s)
        self.path = path
        self.marker = self._access.marker
        self.vkey = self._access.vkey
        self.keys = self._access.keys
        self.content = self._access.content

    def close(self) -> None:
        """Lets go of the folder."""
        self._access.close()

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
        keys: int = 1,
        threshold: int = 1,
        unencrypted: bool = False,
    ) -> LocalIdentity:
        """Makes keys under `name` and enrols them. `of` names a pair's anchor; with `substrate` it delegates the pair at once.

        Each keyset has `keys` keys, of which `threshold` must sign. Whatever can be refused is refused before a key is
        made. Raises RefusedInput `name-taken`, `name-illegal`, `name-unknown`, `passphrase-missing`, `passphrase-wrong`,
        `role-illegal`, `threshold-illegal`, `delegation-illegal` or `schema`.
        """
        shape = (keys, threshold)
        return identities.new_identity(
            self._access, name, role, of, substrate, scope, shape, unencrypted=unencrypted
        )

    def delegate(
        self, anchor: str, pair: str, substrate: dict[str, Any], scope: dict[str, Any] | None = None
    ) -> int:
        """Lets a pair speak, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput if it may not."""
        return identities.delegate(self._access, anchor, pair, substrate, scope)

    def undelegate(self, anchor: str, pair: str) -> int:
        """Ends a pair's delegation, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput `delegation-illegal`."""
        return identities.undelegate(self._access, anchor, identities.find_id(self._access, pair))

    def show_identity(self, name: str) -> dict[str, Any]:
        """What the log knows of an identity, by a name on this machine or by its id. Raises NotFound."""
        return identities.show(self._access, name)

    def list_identities(self) -> list[dict[str, Any]]:
        """The identities whose keys are on this machine, the operator among them, and how each stands in the log."""
        return identities.listed(self._access)

    def identity_id(self, name: str) -> bytes:
        """The id that a name on this machine, the beginning of an id here, or a whole id in hex means. Raises NotFound."""
        return identities.find_id(self._access, name)

    def foresee(self, name: str, change: KeyChange, progress: Progress = silent) -> Foreseen:
        """What a change of keys would say, and what it would disown (SPEC §7.4). Changes nothing, opens no key.

        Raises RefusedInput `identity-retired`, `recovery-pending`, `key-file-missing`, `key-file-foreign`,
        `commitment-differs`, `compromised-illegal`, `schema`.
        """
        return keys.foresee(self._access, name, change, progress)

    def change_keys(self, name: str, change: KeyChange, *, unencrypted: bool = False) -> Outcome:
        """Rotates, recovers or retires an identity (SPEC §7.2). Raises as `foresee`, and as the log refuses it.

        New key files are encrypted by the passphrase, or `unencrypted`. After a crash the next verb of this identity
        carries the change through.
        """
        return keys.carry_out(self._access, name, change, unencrypted=unencrypted)

    def settle_keys(self, name: str) -> None:
        """Puts the keys in place that the log has in force, where a crash or a wait kept them.

        Raises RefusedInput `change-pending` if a change was signed and kept that the log does not hold.
        """
        keys.make_ready(self._access, name)

    def kept_changes(self, name: str) -> list[tuple[str, list[int]]]:
        """Changes of keys that were signed and kept, and that the log does not hold: type, and where their cuts begin."""
        return keys.kept_of(self._access, name)

    def foresee_kept(self, name: str, type_: str, progress: Progress = silent) -> Foreseen:
        """As `foresee`, of a change that was kept. Raises RefusedInput `usage` if there is none, `change-pending`."""
        return keys.foresee_kept(self._access, name, type_, progress)

    def resume_keys(self, name: str, type_: str) -> Outcome:
        """Sends the change that was kept. Raises as `foresee_kept`, and as the log refuses it."""
        return keys.resume(self._access, name, type_)

    def discard_keys(self, name: str, type_: str) -> None:
        """Puts the change aside that was kept, and that the log does not hold. Raises as `foresee_kept`."""
        keys.put_aside(self._access, name, type_)

    def clock_ms(self) -> int:
        """The log's clock, in unix ms."""
        with self.view() as view:
            return view.clock_ms

    def names(self) -> dict[bytes, str]:
        """The names of the identities here, by id; what is damaged is left out, `list_identities` says why."""
        return identities.names_of(self._access)

    def pending_recovery(self, name: str) -> int | None:
        """The log index of the recovery of an identity that waits to come into force. Raises NotFound."""
        return identities.pending_recovery(self._access, name)

    def history(self, name: str, gap_ms: int, progress: Progress = silent) -> History:
        """The whole life of an identity as one time line; silences longer than `gap_ms` are told. Raises NotFound."""
        return histories.history_of(self._access, name, gap_ms, progress)

    # Signing

    def sign(
        self,
        paths: Sequence[str | os.PathLike[str]],
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
    ) -> Signed:
        """Signs files and folders, each file an artifact of form `raw`, or sealed. All are read before any is signed.

        What stands in the log already is left out; what stood there and was disowned is signed again.
        """
        return signing.sign_files(self._access, paths, by, claim, progress)

    def sign_rows(
        self,
        path: str | os.PathLike[str],
        column: str | None,
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
        *,
        columns: Mapping[str, str] | None = None,
    ) -> Signed:
        """Signs every row of a dataset (JSONL, Parquet, text by line): one column, or with None the row as a whole.

        `columns`: what each row says of itself, and in which column: kind, parents, made_at, license, attributed (its
        author, who is reported by a pseudonym), human, source. A row whose `lineage_id` names an artifact about it is
        that artifact and not signed anew (SPEC §4.6). All rows are read before any is signed.
        """
        return signing.sign_rows(self._access, path, column, by, claim, progress, columns or {})

    def foresee_signing(
        self,
        paths: Sequence[str | os.PathLike[str]],
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
    ) -> WouldSign:
        """What `sign` would come to. Makes nothing, asks for no passphrase; raises as `sign` would."""
        return signing.foresee_files(self._access, paths, by, claim, progress)

    def foresee_signing_rows(
        self,
        path: str | os.PathLike[str],
        column: str | None,
        by: str,
        claim: Claim | None = None,
        progress: Progress = silent,
        *,
        columns: Mapping[str, str] | None = None,
    ) -> WouldSign:
        """What `sign_rows` would come to. Makes nothing, asks for no passphrase; raises as `sign_rows` would."""
        return signing.foresee_rows(self._access, path, column, by, claim, progress, columns or {})

    def sign_again(
        self, named: Sequence[str | os.PathLike[str]], by: str, progress: Progress = silent
    ) -> Signed:
        """Signs the very records again that `by` made about these files or ids, where a cut of keys disowned them (SPEC §7.4).

        They stand from there on. Raises NotFound `unlogged` for what `by` never signed.
        """
        with self.view() as view:
            found = [(os.fspath(text), finding.find(view, text, self.keys.salts)) for text in named]
        return signing.sign_again(self._access, found, by, progress)

    # What is said about others, and about the log

    def endorse(
        self,
        subject: str,
        by: str,
        grade: str,
        method: str,
        *,
        until: int | None = None,
        log: bytes | None = None,
    ) -> int:
        """Grades an identity (SPEC §7.6); the log index. `until`: unix ms; `log`: the other log in which `subject` is an id."""
        return saying.endorse(self._access, by, subject, grade, method, until, log)

    def end_endorsement(self, subject: str, by: str) -> int:
        """Ends what `by` said of an identity; the log index. Raises NotFound if he said nothing."""
        return saying.end_endorsement(self._access, by, subject)

    def attest(
        self, subjects: Sequence[Subject], by: str, claim: str, result: str, evidence: Iterable[bytes] = ()
    ) -> list[int]:
        """Says what `by` found out about artifacts, or rows of them (SPEC §7.6); the log indices of the statements.

        A statement takes 512 subjects. `evidence`: digests of 32 bytes.
        """
        return saying.attest(self._access, by, subjects, claim, result, evidence)

    def notice(
        self,
        subjects: Sequence[Subject],
        by: str,
        act: str,
        *,
        reason: str | None = None,
        cancels: bytes | None = None,
    ) -> list[int]:
        """Says hold, release, retract, erase or dispute of artifacts, or rows of them (SPEC §7.6); the log indices.

        A `release` names the hold that it `cancels`; without, each standing hold of `by` on the subjects is released.
        """
        return saying.notice(self._access, by, subjects, act, reason, cancels)

    def rules(self) -> dict[str, Any]:
        """The rules of admission in force (SPEC §5.4)."""
        return saying.rules_of(self._access)

    def set_rules(self, rules: dict[str, Any]) -> int:
        """Replaces the rules of admission whole, signed by the operator; the log index. Empty parts are left out."""
        return saying.set_rules(self._access, rules)

    def contest(self, entries: Sequence[bytes], by: str) -> int:
        """Logs two entries with different payloads at one place as evidence of a fork (SPEC §7.5); the log index.

        Raises RefusedInput `evidence-invalid`, `schema`, `key-not-in-force`, `key-event-broken`, `identity-unknown`.
        """
        return saying.contest(self._access, by, entries)

    def append_entries(
        self, entries: Iterable[bytes], records: Mapping[int, Sequence[bytes]] | None = None
    ) -> list[Appended | LineageError]:
        """Submits entries as they are, in order; for each its place, or the error for which the log refuses it.

        `records`: by the position of an `artifacts` entry, the records that it signs, in their order. What stands in the
        log already is answered with its place. This is what every other verb ends in: the codes are the same.
        """
        return saying.append_entries(self._access, entries, records)

    def append_files(
        self, paths: Sequence[str | os.PathLike[str]], progress: Callable[[int], None] = unseen
    ) -> list[FileAppended]:
        """Appends statement files (SPEC §11.5), each statement answered on its own; once more is no harm.

        Where this machine cannot open the log's key they are put into the outbox, durable, and wait. A file that is none, or
        not whole, is told and nothing of it appended. `progress`: statements answered.
        """
        return appending.append_files(self._access, paths, progress)

    def drain(self, progress: Callable[[int], None] = unseen) -> Drained:
        """Appends what waits in the outbox (SPEC §10.5). `progress`: records placed.

        Raises RefusedInput if the log's key cannot be opened here, StoreFault `writer-busy`; nothing of it is lost.
        """
        return draining.drain_here(self._access, progress)

    def follow(self, pause_s: float = draining.PAUSE_S) -> Iterator[Drained]:
        """Drains again and again, `pause_s` seconds apart, for as long as it is asked. Raises as `drain`, but waits for others."""
        return draining.follow(self._access, pause_s)

    # Reading

    @contextmanager
    def view(self) -> Iterator[LogView]:
        """The log as of its newest signed checkpoint: the source of all proofs."""
        with self._access.view() as view:
            yield view

    def first_index_since(self, time_ms: int) -> int | None:
        """The first log index whose clock is at or after a time (SPEC §9.5); None if the log ends before."""
        with self.view() as view:
            log_index = first_index_since(view, time_ms)
            return log_index if log_index < view.checkpoint.size else None

    def checkpoint(self) -> Checkpoint:
        """The newest signed log checkpoint."""
        with self.view() as view:
            return view.checkpoint

    def checkpoint_note(self) -> str:
        """The same as its C2SP note."""
        with self.view() as view:
            return view.note.decode()

    def receipt(self, artifact_id: bytes, *, bare: bool = False) -> str:
        """The `.tlog-proof` of an artifact by its first place that stands, else its first (SPEC §11.1).

        `bare`: of its log entry alone. Raises NotFound `unlogged`.
        """
        with self.view() as view:
            numbers = view.find_artifact(artifact_id)
            if not numbers:
                raise NotFound(
                    "unlogged",
                    artifact_id.hex()[:16],
                    "no artifact of this log has that id",
                    "Sign it first.",
                )
            number = next(filter(view.stands, numbers), numbers[0])
            return make_entry_proof(view, view.locate(number)[0]) if bare else make_receipt(view, number)

    def trace(
        self, artifact_id: bytes, view: LogView | None = None, accept: Iterable[bytes] = ()
    ) -> Ancestry:
        """The whole ancestry of an artifact, every step verified (SPEC §12); of one that is not logged, a root that is absent.

        `accept`: ids of identities whose attestations and endorsements you believe; theirs of authorship rescue what was
        disowned. Raises ProofInvalid. Give one `view` for many artifacts: it remembers the trees of large statements.
        """
        if view is not None:
            return trace(view, artifact_id, self.vkey, frozenset(accept))
        with self.view() as opened:
            return trace(opened, artifact_id, self.vkey, frozenset(accept))

    def paths(self, ancestry: Ancestry) -> Paths | None:
        """How the root of an ancestry is reached from the log checkpoint; None if it stands nowhere."""
        node = ancestry.nodes[ancestry.root]
        if node.log_index is None or node.record_index is None:
            return None
        with self.view() as view:
            first = view.record_start(node.log_index)
            count = view.record_start(node.log_index + 1) - first
            return Paths(count, view.record_path(first + node.record_index), view.entry_path(node.log_index))

    def descendants(self, subjects: Iterable[Subject], progress: Progress = silent) -> list[Touched]:
        """Everything that descends from these artifacts, or rows of them, or refers to them; in log order (SPEC §12).

        One pass over all records: complete as far as they are held.
        """
        with self.view() as view:
            return list(descendants.touched_by(view, subjects, progress))

    def status(self) -> dict[str, Any]:
        """Where everything is, and what waits to be sent."""
        with self.view() as view:
            return {
                "ledger": str(self.path),
                "log_origin": self.marker.origin,
                "vkey": self.marker.vkey,
                "keys": str(self.keys.folder),
                "size": view.checkpoint.size,
                "records": view.record_count,
                "clock_ms": view.clock_ms,
                "mode": view.state.header.rules.get("mode"),
                "outbox": draining.waiting_in(self._access.outbox),
                "identities": identities.people(self._access, view),
            }

    # The log

    def publish(self, folder: Path) -> Published:
        """Writes the log as a static tree of C2SP tiles (SPEC §10.3)."""
        return publish(self._access.store, self.vkey, folder)

    def sign_checkpoint(self) -> None:
        """Commits a state alone, so that the newest log checkpoint carries the time of now."""
        with self._access.writer() as writer:
            writer.tick()

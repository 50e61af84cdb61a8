"""A ledger on this machine: its folder, and the key store of this machine's user beside it.

The one class that people import; each verb lives in the module of its theme beside this one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from ledger import spec
from ledger.api import (
    appending,
    cosigning,
    descendants,
    draining,
    erasing,
    finding,
    identities,
    manifests,
    receipts,
    saying,
    signing,
)
from ledger.api.access import Access
from ledger.api.appending import FileAppended
from ledger.api.around import Progress, silent, unseen
from ledger.api.batch import Batch
from ledger.api.beside import Beside
from ledger.api.cosigning import Cosigning
from ledger.api.descendants import Touched
from ledger.api.erasure_verbs import ErasureVerbs
from ledger.api.foreseeing import WouldSign
from ledger.api.gate.terms import Named
from ledger.api.gate.verbs import GateVerbs
from ledger.api.identity_verbs import IdentityVerbs
from ledger.api.kept import kept_notes
from ledger.api.lookups import Lookups
from ledger.api.manifests import SignedManifest
from ledger.api.places import first_index_since
from ledger.api.proof_verbs import ProofVerbs
from ledger.api.row_verbs import RowVerbs
from ledger.api.saying import Subject
from ledger.api.session import Artifact, Session
from ledger.errors import LineageError, RefusedInput
from ledger.log.publish import Published, publish
from ledger.log.view import LogView
from ledger.log.writer import Appended
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Ancestry
from ledger.proofs.trace import trace
from ledger.signer.claims import Claim
from ledger.signer.drain import Drained
from ledger.signer.passphrases import Passphrases
from ledger.signer.signers import Signer
from ledger.signer.signing import Signed


class Paths(NamedTuple):
    """The inclusion paths of a record in its statement of `record_count` records, and of the statement in the log."""

    record_count: int
    record_path: list[bytes]
    log_path: list[bytes]


class Ledger(IdentityVerbs, Beside, Lookups, RowVerbs, GateVerbs, ProofVerbs, ErasureVerbs):
    """One ledger on this machine. Made by `open_ledger` and `create_ledger`; close it, or use `with`.

    Names (`by`, `anchor`, `name`) are those of identities whose keys are here, or the beginning of their ids; where an
    identity is only spoken about, all 64 digits of its id do as well. Every verb that writes raises RefusedInput or
    PolicyDenied with the code for which the log refuses (SPEC §14), and has then done nothing.
    """

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
        """Raises RefusedInput `not-a-ledger`, `ledger-newer`, `key-refused`; StoreFault `ledger-damaged`, `signer-failed`."""
        self._access = Access(path, config, passphrases, signers, readonly=readonly, wait_s=wait_s)
        self.path = path
        self.marker = self._access.marker
        self.vkey = self._access.vkey
        self.keys = self._access.keys
        self.content = self._access.content

    def close(self) -> None:
        """Lets go of the folder, and of the keys that were opened."""
        self._access.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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

    def batch(
        self,
        by: str,
        *,
        records: int = spec.BATCH_RECORDS,
        size_bytes: int = spec.STATEMENT_RECORDS_BYTES_MAX,
        age_s: float = spec.BATCH_AGE_S,
        wait_s: float | None = None,
    ) -> Batch:
        """Collects artifacts from many threads and tasks, and signs them in the background: see `ledger.api.batch`.

        A statement is signed as soon as so many `records`, or `size_bytes` of them, wait, or the oldest waits for `age_s`
        seconds. When the block ends it waits `wait_s` seconds for the log; None: as long as the ledger was opened for
        where this process can write the log, else not at all.

        Opening it raises RefusedInput `name-unknown`, `identity-unknown`, `identity-retired`, `keys-not-in-force`,
        `not-delegated`, `scope-exceeded`, `passphrase-missing`, `passphrase-wrong`; PolicyDenied `not-endorsed`; StoreFault
        `store-readonly`.
        """
        return Batch(self._access, by, records=records, size_bytes=size_bytes, age_s=age_s, wait_s=wait_s)

    def session(
        self,
        by: str,
        task: Artifact | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        batch: Batch | None = None,
        **options: Any,
    ) -> Session:
        """One line of an agent's work, for `with` or `async with`: see `ledger.api.session`.

        `task`: a text, or an artifact. `parameters` of all generation, any JSON object. `options` as of `batch`; or a
        `batch` of `by` whose block is open, which many sessions may share.
        """
        if batch is not None and (options or batch.by != by):
            raise RefusedInput(
                "usage", "session", "a batch that is open has its signer and options", "Name either."
            )
        shared = batch or self.batch(by, **options)
        return Session(self._access, shared, task, parameters=parameters, owns_batch=batch is None)

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

    def sign_manifest(
        self, verdicts: str | os.PathLike[str], by: str, progress: Progress = silent
    ) -> SignedManifest:
        """Signs what a gate decided: a `dataset` of form `manifest` over all rows of a verdict file (SPEC §12.5). Its receipt is written beside, as `VERDICTS.tlog-proof`.

        `progress`: rows read. Raises ProofInvalid `verdicts-invalid`; Undecided where a row is undecided; RefusedInput `wrong-log` for a file of another log,
        `receipt-exists` where another receipt lies there, before anything is signed; and as `sign`.
        """
        return manifests.sign_manifest(self._access, verdicts, by, progress)

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
        An `erase` is only said here: `erase` and `carry_out_erasures` carry it out.
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
        """The same as its C2SP note, with the cosignatures that are kept of it (SPEC §10.9)."""
        with self.view() as view:
            return cosigning.note_with_kept(self._access, view.note, view.checkpoint)

    def receipt(self, artifact_id: bytes, *, bare: bool = False) -> str:
        """The `.tlog-proof` of an artifact by its first place that stands, else its first (SPEC §11.1).

        `bare`: of its log entry alone. Raises NotFound `unlogged`.
        """
        with self.view() as view:
            return receipts.receipt_of(view, artifact_id, bare=bare)

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
                "erasures": erasing.status_of(self._access, view),
                "identities": identities.people(self._access, view),
            }

    # The log

    def publish(self, folder: Path) -> Published:
        """Writes the log as a static tree of C2SP tiles, the sidecars of its `rows` records, and the cosignatures that are kept (SPEC §10.3)."""
        kept = kept_notes(self._access.cosigned, self.vkey)
        notes = [each.note for each in kept.notes]
        published = publish(self._access.store, self.vkey, folder, self._access.rows, notes)
        return replace(published, told=kept.told)

    def sign_checkpoint(self) -> None:
        """Commits a state alone, so that the newest log checkpoint carries the time of now."""
        with self._access.writer() as writer:
            writer.tick()

    def cosign(
        self,
        witnesses: Sequence[str] = (),
        trust: Named | Trust | None = None,
        *,
        fresh: bool = False,
        wait_s: float = spec.WITNESS_WAIT_S,
    ) -> Cosigning:
        """Has the newest log checkpoint cosigned by C2SP tlog-witnesses, and keeps what they gave (SPEC §10.9).

        `witnesses`: of each "VKEY URL", or a name or URL of the trust file's tlog_policy; none: all of it that have a URL. `trust`: a
        trust file or its bytes. `fresh`: a new one is signed first, so that its time is now. `wait_s`: for each witness. One that
        fails keeps no other from being asked: `answers` tells.

        Raises, before anything is signed or anybody asked, RefusedInput `witness-unknown`, `usage`, `key-refused`, `trust-invalid`,
        `tlog-policy-invalid`; PolicyDenied `log-not-trusted`; StoreFault `store-readonly`; later StoreFault where nothing can be kept.
        """
        return cosigning.cosign(self._access, witnesses, trust, wait_s, fresh=fresh)

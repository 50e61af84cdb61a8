"""Ancestry proofs checked (SPEC §11.2): the pure verdict, with the files, the clock and the trusted log that it needs.

No ledger and no key is needed. What was accepted of the log on this machine before is compared by `ledger.api.known_proofs`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ledger.api.around import now_ms
from ledger.api.gate.terms import Named, read_policy, trust_named
from ledger.api.known_proofs import Known, compare_proof, remember_proof
from ledger.api.salts import salt_beside, sealed_file
from ledger.api.verifying import Trusted, salts_here, trusted_log
from ledger.datasets.files import RegularFile, load_file, printable, read_file
from ledger.datasets.jcs import canonical_json, parse_json
from ledger.errors import ProofInvalid, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.origin.policy import Policy
from ledger.origin.proved import Proved, ProvedLog, Read, verify
from ledger.origin.trust import Trust
from ledger.proofs.ancestry_file import CONTENT, MAGIC
from ledger.proofs.receipt import Content
from ledger.signer.places import config_folder
from ledger.signer.remembered import CheckpointMemory
from ledger.statements.record import Record, sealed_size


@dataclass(frozen=True, slots=True)
class ContentChecked:
    """What became of a content that was given: of which subjects it is the content; none of them, and why."""

    path: str
    subjects: tuple[bytes, ...]
    fault: ProofInvalid | None = None


@dataclass(frozen=True, slots=True)
class VerifiedAncestry:
    """An ancestry proof that holds, and what it comes to. `trusted`: by which logs' vkeys, and why these. `at_ms`: as of when.

    `known`: of each of its logs how the file stands to what was accepted here before; empty where nobody wanted to know.
    """

    proved: Proved
    trusted: tuple[Trusted, ...]
    at_ms: int
    contents: tuple[ContentChecked, ...] = ()
    known: tuple[Known, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every subject is well, and every content given is a subject's."""
        return self.proved.ok and all(each.fault is None for each in self.contents)


def verify_ancestry(
    proof: str | os.PathLike[str] | bytes,
    trust: Named | Trust | None = None,
    *,
    at_ms: int | None = None,
    policy: Named | Policy | None = None,
    contents: Sequence[str | os.PathLike[str]] = (),
    tree: str | os.PathLike[str] | None = None,
    remember: bool = True,
    vkey: str | None = None,
    ledger: str | None = None,
    config: str | None = None,
) -> VerifiedAncestry:
    """Checks an ancestry proof, a file or its bytes, as of `at_ms` (unix ms; None: now); and that `contents` are what its subjects are about.

    `trust`: a trust file, its bytes, or None for trust in the log alone. `policy`: as of `Ledger.gate`; None: facts alone. `vkey`: of the log; else those of the trust
    file, else that of the ledger at hand, else of the only log that is known here (`ledger`, `config`).

    `remember`: the log checkpoint is held against the one that was accepted on this machine before, by the file's points or a copy of the log in `tree`, and remembered (SPEC
    §12.4); without it nothing on this machine is looked at or written.

    Raises ProofInvalid where the file does not hold or is not complete, `checkpoint-inconsistent` with the evidence kept; RefusedInput for what cannot be read, `fold-unknown`, `vkey-missing`.
    """
    believed = trust_named(trust)
    named = None if policy is None else read_policy(policy)
    time_ms = now_ms() if at_ms is None else at_ms
    trusted = trusted_logs(believed, vkey, ledger, config)
    with opened_proof(proof) as read:
        vkeys = [each.vkey for each in trusted]
        proved = verify(read, vkeys, believed, at_ms=time_ms, policy=named)
    checker = _ContentChecker(proved, config)
    checked = tuple(checker.check(os.fspath(path)) for path in contents)
    known = tuple(_compare(each, time_ms, tree, config) for each in proved.logs) if remember else ()
    return VerifiedAncestry(proved, trusted, time_ms, checked, known)


def _compare(proved: ProvedLog, at_ms: int, tree: str | os.PathLike[str] | None, config: str | None) -> Known:
    """Holds a log of a file against what was accepted here before, and remembers it, since it is relied on from here on."""
    log = proved.log
    memory = CheckpointMemory(config_folder(config), log.vkey)
    if tree is None:
        known = compare_proof(memory, log.note, log.points)
    else:
        from ledger.api.copies import open_copy  # noqa: PLC0415 - it loads the engine of a store

        with open_copy(tree, log.vkey) as copy:
            known = compare_proof(memory, log.note, log.points, copy)
    if not proved.missing:
        remember_proof(memory, known, proved.trust, at_ms)
    return known


def trusted_logs(
    trust: Trust | None, vkey: str | None, ledger: str | None = None, config: str | None = None
) -> tuple[Trusted, ...]:
    """The logs by whose vkeys a proof is checked: the one given, else those of the trust file, else as `trusted_log`."""
    listed = trust.tlog_policy.logs if trust is not None and trust.tlog_policy is not None else ()
    if vkey is None and listed:
        return tuple(Trusted(known.vkey, "trust") for known in listed)
    return (trusted_log(vkey, ledger, config),)


def is_ancestry(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as an ancestry proof does. Raises as `RegularFile`."""
    with RegularFile(path) as file:
        return file.readline(len(MAGIC)) == MAGIC


@contextmanager
def opened_proof(proof: str | os.PathLike[str] | bytes) -> Iterator[Read]:
    """What reads on in a proof: as many bytes as it likes, none at the end. Raises as `RegularFile`."""
    if isinstance(proof, bytes):
        yield io.BytesIO(proof).read
        return
    with RegularFile(proof) as file:
        chunks = file.chunks()
        yield lambda _count: next(chunks, b"")


class _ContentChecker:
    """Compares contents with what the subjects of a proof are about."""

    def __init__(self, proved: Proved, config: str | None) -> None:
        self._records: list[tuple[Vkey, Record]] = []
        for each in proved.logs:
            for artifact_id in sorted(each.log.subjects):
                record = each.log.record(artifact_id)
                if record is not None:
                    self._records.append((each.log.vkey, record))
        self._salts = {item.id: item.salt for item in proved.disclosed if item.what == CONTENT}
        self._config = config

    def check(self, path: str) -> ContentChecked:
        forms = {record.form for _, record in self._records}
        found: set[bytes] = set()
        if "raw" in forms:
            file = read_file(path)
            found.update(self._about(Content("raw", file.digest, file.size_bytes)))
        if "jcs" in forms:
            found.update(self._about_json(path))
        for vkey, record in self._records:
            if record.form == "sealed":
                found.update(self._about_sealed(path, vkey, record))
        if found:
            return ContentChecked(path, tuple(sorted(found)))
        reason = "no subject of the proof is about what it holds now"
        if "sealed" in forms:
            reason += ", as far as salts are at hand (disclosed in the proof, beside the file, or kept here)"
        error = ProofInvalid("content-differs", printable(path), reason, "Is it the file that was signed?")
        return ContentChecked(path, (), error)

    def _about(self, content: Content) -> Iterator[bytes]:
        for _, record in self._records:
            if (record.form, record.content, record.fields["size"]) == (
                content.form,
                content.digest,
                content.size_bytes,
            ):
                yield record.id

    def _about_json(self, path: str) -> Iterable[bytes]:
        try:
            canonical = canonical_json(parse_json(load_file(path)[1]))
        except RefusedInput:  # it is no JSON
            return ()
        return self._about(Content("jcs", hashlib.sha256(canonical).digest(), len(canonical)))

    def _about_sealed(self, path: str, vkey: Vkey, record: Record) -> Iterator[bytes]:
        for salt in self._salts_of(path, vkey, record):
            content = sealed_file(path, record.maker, salt)
            size = content.size_bytes
            if (
                content.digest == record.content
                and size is not None
                and sealed_size(size) == record.fields["size"]
            ):
                yield record.id

    def _salts_of(self, path: str, vkey: Vkey, record: Record) -> set[bytes]:
        found = {self._salts[record.id]} if record.id in self._salts else set()
        beside = salt_beside(path)
        found |= set() if beside is None else {beside}
        kept = salts_here(vkey, self._config).salt_of(record.id)
        return found if kept is None else found | {kept}

"""The trace: from an artifact, record by record, to the humans it descends from (SPEC §12).

Nothing that the source says is believed. An answer that does not hold (a path, a status proof, a checkpoint) is
ProofInvalid: the source lies or is damaged. A record or entry that holds but breaks a rule is a named fault of its
place, and an artifact stands by its first place without fault. What cannot be decided is *unknown*, never fine.

Two passes, neither recursive, so that an ancestry may be as deep and as wide as a log: the first opens every artifact
that is named, once, with all its places; the second judges each record, since where its parents stand and of what kind
they are is known by then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ledger.errors import ProofInvalid, RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Identity
from ledger.fold.records import UNREAD, FindStanding, Standing, judge_record, standing_of
from ledger.fold.topics import Topic
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import hash_leaf, verify_inclusion
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.signers import Signed, Signers
from ledger.proofs.source import ProofSource
from ledger.proofs.verified import VerifiedLog, unbuilt
from ledger.statements.record import Parent, Record, decode_record

DESCENT: Final = frozenset({"derived-from", "generated-by", "trained-on", "distilled-from", "quotes"})


class Presence(StrEnum):
    """What of an artifact is in the log."""

    STANDS = "stands"  # a record without fault, under an entry in order
    FAULTY = "faulty"  # in no place without fault
    ERASED = "erased"  # its hash stands, its record is not at hand
    ABSENT = "absent"  # no such artifact


class Status(StrEnum):
    """What later entries say of an artifact. Fold 1 yields `released` and `unknown`; the others are reserved."""

    RELEASED = "released"
    CONDITIONAL = "conditional"
    QUARANTINED = "quarantined"
    RETRACTED = "retracted"
    DISOWNED = "disowned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """One artifact as the log shows it. All but `id`, `presence`, `status` and `fault` are of the place by which it stands.

    `maker` is an identity id, `role` its role, `anchor` the human who answers for it (the maker, or the anchor of a
    pair), None if there is none. `parents` are claims of the maker: [] unless the artifact stands.
    `may_be_authored`: the own human share of its anchor is not ruled out.
    """

    id: bytes
    presence: Presence
    status: Status = Status.UNKNOWN
    fault: Fault | None = None
    record: Record | None = None
    maker: bytes | None = None
    role: str = ""
    anchor: bytes | None = None
    log_index: int | None = None
    record_index: int | None = None
    parents: tuple[Parent, ...] = ()
    may_be_authored: bool = False

    @property
    def kind(self) -> str:
        """The record's kind; "" if there is no record to read."""
        return self.record.kind if self.record is not None else ""

    @property
    def stance(self) -> str:
        """The record's stance; "" if there is no record to read."""
        return self.record.stance if self.record is not None else ""


@dataclass(frozen=True, slots=True)
class Ancestry:
    """All that `root` descends from or refers to, in the log `log_id` up to `checkpoint`.

    `nodes` by artifact id, the root among them. `foreign`: (log id, artifact id) of parents in other logs, of which
    nothing is known here. `humans` and `authors` are identity ids, ascending (SPEC §12).
    """

    root: bytes
    log_id: bytes
    checkpoint: Checkpoint
    nodes: Mapping[bytes, Node]
    foreign: frozenset[tuple[bytes, bytes]]
    humans: tuple[bytes, ...]
    authors: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record stands, by verified paths."""

    log_index: int
    record_index: int
    signed: Signed


@dataclass(slots=True)
class _Opened:
    """An artifact after the first pass: its places in log order, and its record or why there is none to judge."""

    places: list[_Place] = field(default_factory=list)
    record: Record | None = None
    illegible: RefusedInput | None = None


def trace(source: ProofSource, artifact_id: bytes, vkey: Vkey) -> Ancestry:
    """The verified ancestry of an artifact in the log of `vkey`, its first verifier key.

    Each distinct artifact is verified once. Raises ProofInvalid for an answer of `source` that does not hold,
    RefusedInput `fold-unknown` for a log of later rules, and what `source` raises.
    """
    log = VerifiedLog(source, vkey)
    return _Trace(log, Signers(log)).run(artifact_id)


class _Trace:
    def __init__(self, log: VerifiedLog, signers: Signers) -> None:
        self._log = log
        self._signers = signers
        self._statements: dict[int, Signed] = {}
        self._opened: dict[bytes, _Opened] = {}

    def run(self, root: bytes) -> Ancestry:
        waiting = [root]
        while waiting:
            artifact_id = waiting.pop()
            if artifact_id not in self._opened:
                opened = self._opened[artifact_id] = self._open(artifact_id)
                if opened.record is not None and any(place.signed.fault is None for place in opened.places):
                    waiting += [parent.id for parent in opened.record.parents if parent.log is None]
        nodes = {node.id: node for node in _reached(root, self._node)}
        descent = list(_reached(root, nodes.__getitem__, DESCENT))
        return Ancestry(
            root,
            self._log.log_id,
            self._log.checkpoint,
            nodes,
            frozenset(
                (parent.log, parent.id)
                for node in nodes.values()
                for parent in node.parents
                if parent.log is not None
            ),
            _anchors(node for node in descent if node.stance == "made"),
            _anchors(node for node in descent if node.may_be_authored),
        )

    def _open(self, artifact_id: bytes) -> _Opened:
        opened = _Opened()
        for record_number in self._log.source.find_artifact(artifact_id):
            opened.places.append(self._place(artifact_id, record_number))
            data = self._log.source.record(record_number)
            if data is None:
                continue
            if hash_leaf(data) != artifact_id:
                raise ProofInvalid(
                    "inclusion-invalid",
                    f"record {record_number}",
                    "it is not the artifact that was asked for",
                )
            try:
                opened.record = decode_record(data)
            except RefusedInput as error:
                opened.illegible = error
        opened.places.sort(key=lambda place: (place.log_index, place.record_index))
        return opened

    def _place(self, artifact_id: bytes, record_number: int) -> _Place:
        log_index, record_index = self._log.source.locate(record_number)
        signed = self._statements.get(log_index)
        if signed is None:
            entry = self._log.entry(log_index)
            if entry is None or entry.statement.type != "artifacts":
                raise ProofInvalid("inclusion-invalid", f"entry {log_index}", "no records stand under it")
            signed = self._statements[log_index] = self._signers.judge(log_index, entry)
        path = self._log.source.record_path(record_number)
        verify_inclusion(artifact_id, record_index, signed.count, path, signed.root)
        return _Place(log_index, record_index, signed)

    def _node(self, artifact_id: bytes) -> Node:
        opened = self._opened[artifact_id]
        if not opened.places:
            return Node(artifact_id, Presence.ABSENT)
        record, faults, former = opened.record, [], -1
        for place in opened.places:
            fault = self._judge(opened, place, copy=place.log_index == former)
            if fault is None and record is not None:
                return self._standing_node(artifact_id, record, place)
            faults.append(fault)
            former = place.log_index
        first = opened.places[0]
        return Node(
            artifact_id,
            Presence.FAULTY if record is not None or opened.illegible else Presence.ERASED,
            fault=faults[0] or self._erasure_fault(artifact_id, first),
            record=record,
            log_index=first.log_index,
            record_index=first.record_index,
        )

    def _judge(self, opened: _Opened, place: _Place, *, copy: bool) -> Fault | None:
        """The fault of a place: of its entry, or of the record there; None also where there is no record to judge."""
        signed = place.signed
        if signed.fault is not None or signed.signer is None:
            return signed.fault
        if copy:
            what = "record: it stands before in the same statement"
            return Fault(place.log_index, "record-duplicate", what, place.record_index)
        error = opened.illegible
        if opened.record is not None:
            try:
                judge_record(opened.record, signed.signer, self._log.log_id, self._find_before(place))
            except RefusedInput as refused:
                error = refused
        return None if error is None else fault_of(error, place.log_index, place.record_index)

    def _find_before(self, child: _Place) -> FindStanding:
        """What stands under an id before a place: asked for the parents of the record there (SPEC §9.1)."""

        def find(artifact_id: bytes) -> Standing | None:
            opened = self._opened[artifact_id]
            for place in opened.places:
                before = (place.log_index, place.record_index) < (child.log_index, child.record_index)
                if before and place.signed.fault is None:
                    return UNREAD if opened.record is None else standing_of(opened.record)
            return None

        return find

    def _standing_node(self, artifact_id: bytes, record: Record, place: _Place) -> Node:
        signer = place.signed.signer
        role = signer.role if signer is not None else ""
        unknown = (
            unbuilt(self._log.topic(Topic.NOTICES, artifact_id))
            or self._log.rules_unknown
            or place.signed.unknown
            or any(self._unread(parent) for parent in record.parents)
        )
        return Node(
            artifact_id,
            Presence.STANDS,
            Status.UNKNOWN if unknown else Status.RELEASED,
            record=record,
            maker=record.maker,
            role=role,
            anchor=_anchor_of(signer),
            log_index=place.log_index,
            record_index=place.record_index,
            parents=record.parents,
            may_be_authored=_may_be_authored(record, signer),
        )

    def _unread(self, parent: Parent) -> bool:
        """Whether a local parent's record is not at hand, so that nobody can check what joins it to its child."""
        if parent.log is not None:
            return False
        opened = self._opened[parent.id]
        return opened.record is None and opened.illegible is None

    def _erasure_fault(self, artifact_id: bytes, place: _Place) -> Fault | None:
        """A record may be missing only where a notice asks for it (SPEC §8.2)."""
        for _, entry in self._log.topic(Topic.NOTICES, artifact_id):
            body = entry.statement.body
            if body["act"] == "erase" and [artifact_id] in body["subjects"]:
                return None
        what = "record: the log does not hold it, and no notice asks to erase it"
        return Fault(place.log_index, "record-missing", what, place.record_index)


def _reached(
    root: bytes, node_of: Callable[[bytes], Node], relations: frozenset[str] | None = None
) -> Iterator[Node]:
    """The nodes reached from `root` over local parents (of these relations), each once, in no order to rely on."""
    seen, waiting = {root}, [root]
    while waiting:
        node = node_of(waiting.pop())
        yield node
        for parent in node.parents:
            if (
                parent.log is None
                and parent.id not in seen
                and (relations is None or parent.rel in relations)
            ):
                seen.add(parent.id)
                waiting.append(parent.id)


def _anchors(nodes: Iterable[Node]) -> tuple[bytes, ...]:
    return tuple(sorted({node.anchor for node in nodes if node.anchor is not None}))


def _anchor_of(signer: Identity | None) -> bytes | None:
    if signer is None:
        return None
    return signer.id if signer.role == "human" else signer.anchor


def _may_be_authored(record: Record, signer: Identity | None) -> bool:
    """Whether the maker's anchor may have an own human share in a record (SPEC §12, `authors`)."""
    if record.stance != "made" or record.kind not in {"work", "experience"} or signer is None:
        return False
    if record.fields.get("human") == 0:
        return False
    if signer.role == "pair":
        return bool(signer.delegation and (signer.delegation.scope or {}).get("human"))
    return signer.role == "human"

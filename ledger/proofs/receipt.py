"""Receipts: proof in one small file that a record was signed and stands in the log (SPEC §11.1).

A receipt is a C2SP tlog-proof of the entry, so that any tool of that family checks inclusion. Its `extra` brings what
makes the entry speak: the entry, the record with its path under the statement's root, and the *support*, the entries
that made the signer who he was (`ledger.proofs.support`).

Many records of one statement share all of that but record and path. So their receipts are one proof of the statement, a
receipt without its record, and the list of all ids under its root (SPEC §11.4): whoever checked the two checks each
record by its hash alone.

It proves *logged and signed*, not what was said later: its standing is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import NotFound, PolicyDenied, ProofInvalid, RefusedInput
from ledger.fold.objects import Identity
from ledger.fold.records import UNREAD, check_root, judge_record
from ledger.fold.transition import open_entry
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import hash_leaf, root_of, verify_inclusion
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.proofs.note import parse_note
from ledger.proofs.source import ProofSource
from ledger.proofs.support import ITEMS_MAX, Support, receipt_invalid, support_of
from ledger.proofs.tlog_proof import PATH_HASHES_MAX, TlogProof
from ledger.statements import codec, schema
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import decode_entry
from ledger.statements.record import Record, decode_record, sealed_size
from ledger.statements.statement import Statement, log_id

VERSION: Final = 2  # of the receipts made here; 1 has the types of fold 1 alone (SPEC §11.1)
STANDING: Final = "unknown"  # rotation, notice, disowning: a receipt cannot show that there are none

_RECORD_PATH_MAX: Final = (spec.STATEMENT_RECORDS_MAX - 1).bit_length()


class Content(NamedTuple):
    """What a verifier holds: the digest of its content under a form. Digests of different forms are never compared.

    `size_bytes`: the content's size by SPEC §4.2, where it is known; of sealed content its own, not the bucket.
    """

    form: str
    digest: bytes
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What a valid receipt proves. Ids have 32 bytes; `anchor` and `delegation` (a statement id) are a pair's.

    `content_checked`: the record's content is the one the verifier holds. `standing` is always "unknown".
    """

    artifact_id: bytes
    record: Record
    statement_id: bytes
    log_index: int
    record_index: int
    maker: bytes
    role: str
    anchor: bytes | None
    delegation: bytes | None
    checkpoint: Checkpoint
    content_checked: bool
    standing: str = STANDING

    def about(self, content: Content) -> ReceiptFacts:
        """The same of a record that is about this content. Raises ProofInvalid as `check_receipt`."""
        with _check(6):
            _check_content(self.record, content)
        return replace(self, content_checked=True)


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A statement over records that a receipt proved, checks 1 to 5 of SPEC §11.1; `signer` as the support tells of him."""

    statement: Statement
    log_index: int
    checkpoint: Checkpoint
    signer: Identity

    def check(self, data: bytes, record_index: int, path: Sequence[bytes]) -> ReceiptFacts:
        """Check 6 but for its content, of one record by its path. Raises ProofInvalid as `check_receipt`."""
        with _check(6):
            body = self.statement.body
            if record_index >= body["count"]:
                raise receipt_invalid(f"the statement has {body['count']} records, none at {record_index}")
            record = decode_record(data)
            verify_inclusion(record.id, record_index, body["count"], path, body["root"])
            return _judged(self, record, record_index)

    def listing(self, ids: bytes) -> Listing:
        """The statement's records by the list of all their ids, 32 bytes each. Raises ProofInvalid as `check_receipt`."""
        with _check(6):
            listed = [ids[start : start + spec.HASH_BYTES] for start in range(0, len(ids), spec.HASH_BYTES)]
            check_root(self.statement, listed)
        return Listing(self, listed)


class Listing:
    """The records of a checked statement, each known by its hash in the checked list of all ids. Not for two threads at once."""

    def __init__(self, statement: CheckedStatement, ids: list[bytes]) -> None:
        """Made by `CheckedStatement.listing`."""
        self._statement = statement
        self._ids = ids
        self._decoder = RecordDecoder()

    def check(self, data: bytes, record_index: int) -> ReceiptFacts:
        """Check 6 but for its content, of one record by its id in the list. Raises ProofInvalid as `check_receipt`."""
        with _check(6):
            artifact_id = hash_leaf(data)
            if not 0 <= record_index < len(self._ids) or self._ids[record_index] != artifact_id:
                raise receipt_invalid(f"the record is not the statement's at {record_index}")
            record = self._decoder.decode(data, artifact_id)
            return _judged(self._statement, record, record_index)


def make_receipt(source: ProofSource, record_number: int) -> str:
    """The receipt of a record, as the text of a `.tlog-proof` file.

    The leaves are hashed again on the way: raises ProofInvalid `inclusion-invalid` if the source is damaged. NotFound
    `record-missing` for an erased record; what `ledger.proofs.support` raises; and what `source` raises.
    """
    log_index, record_index = source.locate(record_number)
    record = source.record(record_number)
    if record is None:
        raise NotFound("record-missing", f"record {record_number}", "it was erased; its hash alone is left")
    path = source.record_path(record_number)
    extra: dict[str, Any] = {"record": record, "record_index": record_index}
    if path:
        extra["record_path"] = path
    text, statement = _statement_receipt(source, log_index, extra)
    verify_inclusion(hash_leaf(record), record_index, statement.body["count"], path, statement.body["root"])
    return text


def make_statement_receipt(source: ProofSource, log_index: int, ids: Sequence[bytes]) -> str:
    """The receipt of an `artifacts` statement without its records, whose `ids` stand beside it (SPEC §11.4).

    Raises as `make_receipt`.
    """
    text, statement = _statement_receipt(source, log_index, {})
    if root_of(ids) != statement.body["root"]:
        raise ProofInvalid(
            "inclusion-invalid",
            f"entry {log_index}",
            "its records do not hash to the root that it signs",
            "Audit the log.",
        )
    return text


def make_entry_proof(source: ProofSource, log_index: int) -> str:
    """The bare tlog-proof of an entry, any entry: that it stands in the log, and no more. Raises as `make_receipt`."""
    return _entry_proof(source, log_index)[0].format()


def check_entry_proof(text: bytes | str, vkey: Vkey, entry: bytes) -> tuple[int, Checkpoint]:
    """The log index at which `entry` stands by a tlog-proof, and the checkpoint. `extra` is not looked at.

    Raises ProofInvalid `receipt-invalid`, `note-invalid`, `checkpoint-invalid` or `inclusion-invalid`.
    """
    proof = TlogProof.parse(text)
    checkpoint = open_checkpoint(proof.checkpoint_note, [vkey])
    verify_inclusion(hash_leaf(entry), proof.index, checkpoint.size, proof.path, checkpoint.root)
    return proof.index, checkpoint


def check_receipt(text: bytes | str, vkey: Vkey, content: Content | None = None) -> ReceiptFacts:
    """Checks a receipt under the log's first vkey; with `content`, that the record is about it.

    Raises ProofInvalid, whose item names the check of SPEC §11.1 that failed and whose code is that of SPEC §14.
    """
    statement, extra = _open_receipt(text, vkey, _EXTRA)
    facts = statement.check(extra["record"], extra["record_index"], extra.get("record_path", []))
    return facts if content is None else facts.about(content)


def check_statement(text: bytes | str, vkey: Vkey) -> CheckedStatement:
    """Checks the receipt of a statement as `make_statement_receipt` makes it (SPEC §11.4). Raises as `check_receipt`."""
    return _open_receipt(text, vkey, _STATEMENT_EXTRA)[0]


def _open_receipt(
    text: bytes | str, vkey: Vkey, schema_of_extra: schema.Check
) -> tuple[CheckedStatement, dict[str, Any]]:
    """Checks 1 to 5 of SPEC §11.1; `extra` with its record still to be checked."""
    with _check(1):
        proof = TlogProof.parse(text)
        checkpoint = _open_checkpoint(proof, vkey)
        log = log_id(str(vkey))
        extra = _open_extra(proof.extra, schema_of_extra)
        entry = open_entry(extra["entry"], log)
        support = [(item[0], open_entry(item[1], log), item[2]) for item in extra["support"]]
    with _check(2):
        indices = [log_index for log_index, _, _ in support]
        if any(former >= later for former, later in pairwise([*indices, proof.index])):
            raise receipt_invalid("the support does not ascend, or does not stand before the entry")
        for log_index, item, path in [*support, (proof.index, entry, proof.path)]:
            verify_inclusion(item.leaf_hash, log_index, checkpoint.size, path, checkpoint.root)
    with _check(3):
        replay = Support(log, extra["v"])
        for log_index, supporting, _ in support:
            replay.take(log_index, supporting)
    with _check(4):
        statement = entry.statement
        if statement.type != "artifacts":
            raise receipt_invalid(f"an entry of type '{statement.type}' holds no records")
        replay.judge(proof.index, entry)
    with _check(5):
        signer = replay.signer(statement)
    return CheckedStatement(statement, proof.index, checkpoint, signer), extra


def _open_checkpoint(proof: TlogProof, vkey: Vkey) -> Checkpoint:
    try:
        return open_checkpoint(proof.checkpoint_note, [vkey])
    except ProofInvalid as error:
        claimed = Checkpoint.parse(parse_note(proof.checkpoint_note).text).origin
        if claimed == vkey.name:
            raise
        reason = (
            f"{error.reason}: it says that it is of log {claimed!a}, and that of {vkey.name!a} is trusted"
        )
        raise ProofInvalid(error.code, error.item, reason) from error


def _judged(statement: CheckedStatement, record: Record, record_index: int) -> ReceiptFacts:
    """What check 6 asks of a record that is known to be the statement's."""
    signer = statement.signer
    # A parent of unknown kind passes: that parents stand before, and of what kind, needs the log.
    judge_record(record, signer, statement.statement.log, lambda _artifact_id: UNREAD)
    return ReceiptFacts(
        artifact_id=record.id,
        record=record,
        statement_id=statement.statement.id,
        log_index=statement.log_index,
        record_index=record_index,
        maker=signer.id,
        role=signer.role,
        anchor=signer.anchor,
        delegation=statement.statement.body.get("delegation"),
        checkpoint=statement.checkpoint,
        content_checked=False,
    )


def _check_content(record: Record, content: Content) -> None:
    if (content.form, content.digest) != (record.form, record.content):
        other = ", or has another salt" if content.form == "sealed" else ""
        raise receipt_invalid(f"the record is about another content{other}")
    if content.size_bytes is None:
        return
    size = sealed_size(content.size_bytes) if content.form == "sealed" else content.size_bytes
    if record.fields["size"] != size:
        raise receipt_invalid(
            f"the record states a size of {record.fields['size']} bytes; the content's is {size}"
        )


def _statement_receipt(
    source: ProofSource, log_index: int, record_fields: dict[str, Any]
) -> tuple[str, Statement]:
    proof, entry_bytes = _entry_proof(source, log_index)
    statement = decode_entry(entry_bytes).statement
    extra = {"v": VERSION, "entry": entry_bytes, "support": support_of(source, statement)} | record_fields
    text = TlogProof(proof.index, proof.path, proof.checkpoint_note, codec.encode(extra)).format()
    return text, statement


def _entry_proof(source: ProofSource, log_index: int) -> tuple[TlogProof, bytes]:
    entry = source.entry(log_index)
    path = source.entry_path(log_index)
    checkpoint = source.checkpoint
    verify_inclusion(hash_leaf(entry), log_index, checkpoint.size, path, checkpoint.root)
    return TlogProof(log_index, tuple(path), source.note.decode()), entry


def _open_extra(extra: bytes | None, check: schema.Check) -> dict[str, Any]:
    if extra is None:
        raise receipt_invalid("it has no extra data: it proves that an entry stands, and tells of no record")
    fields: dict[str, Any] = codec.decode(extra, spec.RECEIPT_BYTES_MAX)
    check(fields, "receipt")
    return fields


def _support(value: Any, where: str) -> None:
    if type(value) is not list or len(value) != 3:
        raise schema.refuse(where, "it must be [log index, entry, path]")
    schema.integer(0, spec.TREE_SIZE_MAX - 1)(value[0], f"{where}[0]")
    schema.binary_up_to(spec.ENTRY_BYTES_MAX)(value[1], f"{where}[1]")
    schema.array(schema.digest, PATH_HASHES_MAX)(value[2], f"{where}[2]")


_OF_STATEMENT: Final = {
    "v": schema.integer(1, VERSION),
    "entry": schema.binary_up_to(spec.ENTRY_BYTES_MAX),
    "support": schema.array(_support, ITEMS_MAX),
}
_OF_RECORD: Final = {
    "record": schema.binary_up_to(spec.RECORD_BYTES_MAX),
    "record_index": schema.integer(0, spec.STATEMENT_RECORDS_MAX - 1),
}
_STATEMENT_EXTRA: Final = schema.exact(_OF_STATEMENT)
_EXTRA: Final = schema.exact(
    _OF_STATEMENT | _OF_RECORD, {"record_path": schema.array(schema.digest, _RECORD_PATH_MAX)}
)


@contextmanager
def _check(number: int) -> Iterator[None]:
    """Whatever refuses a part of the receipt makes the receipt invalid, and the error names the check."""
    try:
        yield
    except (RefusedInput, PolicyDenied, ProofInvalid) as error:
        raise ProofInvalid(
            error.code,
            f"receipt, check {number} of SPEC §11.1: {error.item}",
            error.reason,
            "Ask the log for the receipt again; if it stays so, do not rely on it.",
        ) from error

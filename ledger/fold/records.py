"""Records of an `artifacts` entry: are they the statement's, and is each in order (SPEC §9.2)?

A record is judged alone: a stranger may hold one record and none of its siblings, and must come to the same
answer. Only the root binds them together, and only who holds all of them can check it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import PolicyDenied, RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Identity
from ledger.merkle.tree import root_of
from ledger.statements import legal, words
from ledger.statements.alike import RecordDecoder
from ledger.statements.record import Record
from ledger.statements.statement import Statement


class Standing(NamedTuple):
    """What stands under an artifact id; `kind` is "" where the record is erased, missing or cannot be read."""

    kind: str
    row_count: int = 0


UNREAD: Final = Standing("")
_PLAIN: Final = {kind: Standing(kind) for kind in words.KINDS}
FindStanding = Callable[[bytes], Standing | None]  # None: no such artifact stands before


def check_root(statement: Statement, leaf_hashes: Sequence[bytes]) -> None:
    """Whether these are the records that an `artifacts` statement signs, in order. Raises RefusedInput `root-differs`."""
    body = statement.body
    if len(leaf_hashes) != body["count"]:
        raise RefusedInput(
            "root-differs",
            "records",
            f"there are {len(leaf_hashes)}, the statement signs {body['count']}",
            "Bring the records that were signed, all and in order.",
        )
    if root_of(leaf_hashes) != body["root"]:
        raise RefusedInput(
            "root-differs",
            "records",
            "they do not hash to the root that the statement signs",
            "Bring the records that were signed, in order.",
        )


def _duplicate() -> RefusedInput:
    return RefusedInput(
        "record-duplicate", "record", "it stands before in the same statement", "Sign it once."
    )


def judge_record(record: Record, signer: Identity, log: bytes, find: FindStanding) -> None:
    """Raises RefusedInput if the record may not stand where it stands.

    `signer` as of the entry; `find` knows what stands before the record, in earlier entries and in this one.
    """
    if record.maker != signer.id:
        raise RefusedInput(
            "maker-differs",
            "record.maker",
            "it is not the identity that signed the statement",
            "Sign it as its maker.",
        )
    legal.check_maker(record.fields, signer.role)
    if signer.role == "pair" and signer.delegation is not None:
        _check_scope(record, signer.delegation.scope or {})
    for position, parent in enumerate(record.fields["parents"]):
        where = f"record.parents[{position}]"
        if "log" in parent:
            if parent["log"] == log:
                raise RefusedInput(
                    "schema", f"{where}.log", "a parent in this log names no log", "Leave it out."
                )
            continue
        standing = find(parent["id"])
        if standing is None:
            raise RefusedInput(
                "parent-unknown",
                where,
                f"artifact {parent['id'].hex()[:16]} does not stand before it in this log",
                "Append the parent first, or name the log it stands in.",
            )
        if standing.kind:
            legal.check_relation(record.kind, parent["rel"], standing.kind, where)
            if parent.get("row", -1) >= standing.row_count:
                raise RefusedInput(
                    "parent-kind",
                    f"{where}.row",
                    f"the parent has {standing.row_count} rows",
                    "Name one of them, counted from 0, or the whole artifact.",
                )


def _check_scope(record: Record, scope: Mapping[str, Any]) -> None:
    """What a pair's delegation says of single records (SPEC §7.3)."""
    fix = "Let the anchor delegate anew."
    if record.kind not in scope.get("kinds", words.KINDS):
        raise RefusedInput(
            "scope-exceeded", "record.kind", f"the delegation does not cover '{record.kind}'", fix
        )
    human, cap = record.fields.get("human", 0), scope.get("human", 0)
    if human > cap:
        raise RefusedInput(
            "scope-exceeded", "record.human", f"it states {human} ppm, the delegation allows {cap}", fix
        )


def fold_records(
    log_index: int,
    statement: Statement,
    signer: Identity,
    *,
    records: Sequence[bytes | None],
    leaf_hashes: Sequence[bytes],
    find: FindStanding,
) -> tuple[list[Fault], list[Standing]]:
    """Judges the records of an entry in order that stands in the log; None stands for an erased one.

    Returns the faults, and what stands now under each record's id: nothing, if they are not the statement's. Total.
    """
    try:
        check_root(statement, leaf_hashes)
    except RefusedInput as error:
        return [fault_of(error, log_index)], []
    faults: list[Fault] = []
    standings: list[Standing] = []
    before: dict[bytes, Standing] = {}
    known = _with(before, find)
    decoder = RecordDecoder()
    for position, data in enumerate(records):
        standing = before.get(leaf_hashes[position], UNREAD)
        try:
            if leaf_hashes[position] in before:
                raise _duplicate()
            if data is not None:
                record = decoder.decode(data, leaf_hashes[position])
                standing = standing_of(record)
                judge_record(record, signer, statement.log, known)
        except RefusedInput as error:
            faults.append(fault_of(error, log_index, position))
        standings.append(standing)
        before[leaf_hashes[position]] = standing
    return faults, standings


def standing_of(record: Record) -> Standing:
    """What children may know of a record that stands."""
    fields = record.fields
    return _PLAIN[fields["kind"]] if fields["form"] != "rows" else Standing(record.kind, record.row_count)


def admit_records(
    statement: Statement, signer: Identity, records: Sequence[Record], find: FindStanding
) -> dict[bytes, Standing]:
    """Whether every record may be appended; what stands then, by artifact id.

    Raises RefusedInput naming the first that may not.
    """
    before: dict[bytes, Standing] = {}
    known = _with(before, find)
    for position, record in enumerate(records):
        try:
            if record.id in before:
                raise _duplicate()
            judge_record(record, signer, statement.log, known)
        except RefusedInput as error:
            raise type(error)(
                error.code, f"record {position}: {error.item}", error.reason, error.fix
            ) from error
        before[record.id] = standing_of(record)
    return before


def check_sizes(records: Sequence[bytes], limits: Mapping[str, int]) -> None:
    """The limits on the bytes of one statement's records (SPEC §5.4, §13).

    Raises RefusedInput `too-large`, or PolicyDenied `rules-exceeded` over a limit of this log's own.
    """
    total = sum(map(len, records))
    own_limit = limits.get("bytes", total)
    reason, fix = f"they have {total} bytes together, the limit is", "Sign fewer at a time."
    if total > spec.STATEMENT_RECORDS_BYTES_MAX:
        raise RefusedInput("too-large", "records", f"{reason} {spec.STATEMENT_RECORDS_BYTES_MAX}", fix)
    if total > own_limit:
        raise PolicyDenied("rules-exceeded", "records", f"{reason} {own_limit}", fix)


def _with(before: Mapping[bytes, Standing], find: FindStanding) -> FindStanding:
    def known(artifact_id: bytes) -> Standing | None:
        return before.get(artifact_id) or find(artifact_id)

    return known

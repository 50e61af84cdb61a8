"""Subjects of attestations and notices: does each stand, and may the signer say this of it (SPEC §9.2, step 9)?

A subject is judged alone, like a record: who lacks its record reaches the same state, and a fault of one touches no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ledger.errors import RefusedInput
from ledger.fold.authority import is_listed
from ledger.fold.faults import Fault, fault_of
from ledger.fold.state import FoldState
from ledger.statements import words
from ledger.statements.statement import Statement


class Subject(NamedTuple):
    """An artifact that stands before a position: its maker, and its rows (None: its record is not at hand).

    Where the record is not at hand, the maker is the signer of its first place in order.
    """

    maker: bytes
    row_count: int | None


FindSubject = Callable[[bytes], Subject | None]  # None: no such artifact stands before


def answerable_for(state: FoldState, maker: bytes) -> bytes:
    """Who may take back what `maker` made: the anchor of a pair, of others they themselves (SPEC §5.3)."""
    identity = state.identity(maker)
    return maker if identity is None or identity.anchor is None else identity.anchor


def judge_subject(state: FoldState, statement: Statement, subject: list[Any], find: FindSubject) -> None:
    """Raises RefusedInput `subject-unknown` or `not-authorised`; `state` as of before the statement."""
    found = find(subject[0])
    item = f"artifact {subject[0].hex()[:16]}"
    if found is None:
        raise RefusedInput(
            "subject-unknown", item, "it does not stand before in this log", "Sign it first, or mend the id."
        )
    if len(subject) == 2 and found.row_count is not None and subject[1] >= found.row_count:
        raise RefusedInput(
            "subject-unknown",
            item,
            f"it has {found.row_count} rows, none at {subject[1]}",
            "Name the whole artifact, or a row that it has.",
        )
    if statement.body.get("act") not in words.ACTS_OF_THE_MAKER:
        return
    if statement.by != answerable_for(state, found.maker) and not is_listed(state, statement.by):
        raise RefusedInput(
            "not-authorised",
            item,
            f"the signer is neither its maker, or for a pair its anchor, nor listed, and may not {statement.body['act']} it",
            "Say it by `lineage attest --result refuted`.",
        )


def fold_subjects(state: FoldState, log_index: int, statement: Statement, find: FindSubject) -> list[Fault]:
    """The faults of the subjects of an entry in order that stands in the log, each with its place. Total."""
    faults = []
    for position, subject in enumerate(statement.body.get("subjects", ())):
        try:
            judge_subject(state, statement, subject, find)
        except RefusedInput as error:
            faults.append(fault_of(error, log_index, position))
    return faults


def admit_subjects(state: FoldState, statement: Statement, find: FindSubject) -> None:
    """Whether all subjects may be named. Raises RefusedInput naming the first that may not."""
    for position, subject in enumerate(statement.body.get("subjects", ())):
        try:
            judge_subject(state, statement, subject, find)
        except RefusedInput as error:
            raise type(error)(
                error.code, f"subject {position}: {error.item}", error.reason, error.fix
            ) from error

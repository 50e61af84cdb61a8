"""Candidates: submitted statements, checked as far as that needs no place in the log (SPEC §9.2).

Parsing, the records' root, and the signatures under the keyset that was in force when it was looked at; the writer
looks again at all that may have changed since. Only signatures go to other threads: verifying one lets go of the
interpreter's lock, parsing holds it, and threads that do both in turn wait for each other more than they gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from ledger import spec
from ledger.errors import RefusedInput
from ledger.fold.records import check_root, check_sizes
from ledger.fold.transition import SignatureCheck, open_entry
from ledger.identity.keyset import Keyset, check_signatures
from ledger.merkle.tree import hash_leaf
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import CURRENT, Entry
from ledger.statements.record import Record

_SHARE = 16  # entries that a thread verifies at a time: handing over one costs as much as parsing it
NEVER_SUBMITTED = frozenset({"genesis", "state"})  # the log's own entries (SPEC §10.2)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A well-formed entry with the records it signs (none unless its type is `artifacts`)."""

    entry: Entry
    records: tuple[Record, ...] = ()


def check_bytes(entry: bytes, records: Sequence[bytes]) -> None:
    """Whether a submission is bytes, which nobody can change later. Raises RefusedInput `schema`."""
    if not isinstance(entry, bytes) or not all(isinstance(record, bytes) for record in records):
        raise RefusedInput("schema", "submission", "entry and records are bytes", "Pass them encoded.")


def open_candidate(
    entry_bytes: bytes,
    records: Sequence[bytes],
    log: bytes,
    decoder: RecordDecoder | None = None,
) -> Candidate:
    """Parses and checks a submission on its own. Raises RefusedInput with the code of SPEC §14 that applies.

    The limits of the log's own rules are for admission, which knows the rules at its place. `decoder` may have seen records of earlier submissions, which these are like.
    """
    check_bytes(entry_bytes, records)
    entry = open_entry(entry_bytes, log)
    statement = entry.statement
    if statement.type in NEVER_SUBMITTED:
        raise RefusedInput(
            "misplaced",
            f"statement of type '{statement.type}'",
            "only the log itself writes it",
            "Do not submit it.",
        )
    if statement.type != "artifacts":
        if records:
            raise RefusedInput(
                "root-differs",
                "records",
                f"a statement of type '{statement.type}' signs none",
                "Leave them out.",
            )
        return Candidate(entry)
    if len(records) > spec.STATEMENT_RECORDS_MAX:
        raise RefusedInput("too-large", "records", f"a statement has at most {spec.STATEMENT_RECORDS_MAX}")
    check_sizes(records, {})
    ids = [hash_leaf(data) for data in records]
    check_root(statement, ids)
    decode = (decoder or RecordDecoder()).decode
    opened = []
    for position, data in enumerate(records):
        try:
            opened.append(decode(data, ids[position]))
        except RefusedInput as error:
            raise type(error)(
                error.code, f"record {position}: {error.item}", error.reason, error.fix
            ) from error
    return Candidate(entry, tuple(opened))


def _valid(asked: Sequence[tuple[Entry, Keyset]]) -> list[tuple[bytes, Keyset]]:
    """The leaf hashes of those that are signed as asked, each with its keyset."""
    found = []
    for entry, keyset in asked:
        try:
            check_signatures(entry, {CURRENT: keyset})
        except RefusedInput:
            continue
        found.append((entry.leaf_hash, keyset))
    return found


class SignatureMemo:
    """Signatures of one group found valid ahead, so that the writer need not verify them again.

    An entry's signatures are valid under a keyset or not, whatever the log holds: only which keyset is asked for
    can change, and that is part of what is remembered.
    """

    def __init__(self) -> None:
        self._valid: dict[bytes, Keyset] = {}

    def verify_ahead(self, asked: Sequence[tuple[Entry, Keyset]], executor: Executor | None) -> None:
        """Verifies entries under current keysets, on the threads of `executor` if there is one.

        A fault is left for the writer to find and report.
        """
        shares = [asked[at : at + _SHARE] for at in range(0, len(asked), _SHARE)]
        for valid in (executor.map if executor else map)(_valid, shares):
            self._valid.update(valid)

    @property
    def check(self) -> SignatureCheck:
        """What `ledger.fold.transition.judge` asks: remembered, or verified now."""

        def check(entry: Entry, asked: Mapping[int, Keyset]) -> None:
            known = self._valid.pop(entry.leaf_hash, None)
            if known is None or asked != {CURRENT: known}:
                check_signatures(entry, asked)

        return check

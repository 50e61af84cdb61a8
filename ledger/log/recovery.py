"""Recovery: what stands behind the signed checkpoint is folded again before it is signed (SPEC §10.4).

A commit in flight was admitted by a writer that is gone. What it left may as well have been put there by somebody
else who may write to the folder, and a checkpoint over it would speak for it. So admission is asked again: of every
entry and record, by the state as it stood before them. That state is gone too, since the first transaction stored the
one behind them; it is put together from what the last signed `state` says, the entries of the topics and identities
concerned, and the stored state, and must lead to the stored one.

What is believed of the stored state: the log's rules, earlier delegations and what was used of them, and how far lanes
had come. Who may write to the folder can plant a whole commit that agrees with all of it (SPEC §15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ledger.errors import InvariantBroken, PolicyDenied, RefusedInput
from ledger.fold.objects import Identity
from ledger.fold.records import admit_records
from ledger.fold.state import FoldState
from ledger.fold.topics import topics_of
from ledger.fold.transition import advance, open_entry
from ledger.log.candidate import Candidate, open_candidate
from ledger.log.standing import find_standing
from ledger.merkle.tree import hash_leaf
from ledger.proofs.partial import judge_partially
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement
from ledger.store.bundles import Erased
from ledger.store.contract import Snapshot, Space
from ledger.store.head import Head
from ledger.store.reader import StoreReader


def check_unsigned(snapshot: Snapshot, head: Head, signed_size: int, state: FoldState) -> None:
    """Whether admission would take the entries from `signed_size` on, and come to `state`, which is stored behind them.

    `ledger.log.commit.recompute` has found their tree, records and closing `state` whole. Raises InvariantBroken
    `commit-unadmitted`, or StoreFault if something cannot be read.
    """
    reader = StoreReader(snapshot, head.size, head.records)
    try:
        _fold_again(reader, head, signed_size, state)
    except (RefusedInput, PolicyDenied) as error:
        raise _unadmitted(f"{error.item}: {error.reason} ({error.code})") from error


def _fold_again(reader: StoreReader, head: Head, start: int, state: FoldState) -> None:
    opened = _candidates(reader, head, start, state)
    before = _state_before(reader, start, [item.entry.statement for item in opened], state)
    clock_ms = opened[-1].entry.statement.body["time"]
    for log_index, item in enumerate(opened, start):
        statement = item.entry.statement
        judge_partially(before, log_index, item.entry, clock_ms)
        signer = before.identity(statement.by) if item.records else None
        if signer is not None:
            find = partial(find_standing, reader, state, stop=before.header.records)
            admit_records(statement, signer, item.records, find)
        advance(before, log_index, item.entry, clock_ms, in_order=True)
    pairs, nodes = before.take_changes()
    for space, expected in ((Space.FOLD, pairs), (Space.STATUS, nodes)):
        for key, value in expected.items():
            if reader.snapshot.get(space, key) != value:
                raise _unadmitted(f"the stored state is not the one that it leads to ({space} {key.hex()})")


def _candidates(reader: StoreReader, head: Head, start: int, state: FoldState) -> list[Candidate]:
    """The entries as they were submitted; the log's own, first and last, as it wrote them."""
    log, limits = state.header.log_id, state.header.rules.get("limits", {})
    decoder = RecordDecoder()
    found = []
    for log_index, data in enumerate(reader.entries(start, head.size), start):
        if log_index in (0, head.size - 1):
            found.append(Candidate(open_entry(data, log)))
            continue
        items = reader.records(reader.record_start(log_index), reader.record_start(log_index + 1))
        records = [item for item in items if not isinstance(item, Erased)]
        found.append(open_candidate(data, records, log, limits, decoder))
    return found


def _state_before(
    reader: StoreReader, start: int, statements: Sequence[Statement], state: FoldState
) -> FoldState:
    """The state behind entry `start` - 1, as far as `statements`, which follow it, concern it."""
    before = FoldState(state.header.log_id, read_status_node=reader.status_node)
    if not start:
        return before
    closing = open_entry(reader.entry(start - 1), state.header.log_id).statement.body
    before.header = replace(
        state.header,
        size=start,
        records=closing["records"],
        clock_ms=closing["time"],
        fold_number=closing["fold"],
        status_root=closing["root"],
    )
    for topic in {topic for statement in statements for topic in topics_of(statement)}:
        for log_index in state.topic_entries(topic):
            if log_index < start:
                before.extend_chain(topic, log_index, hash_leaf(reader.entry(log_index)))
    if before.status_root() != closing["root"]:
        raise _unadmitted("the chains of its topics do not begin as the last signed state has them")
    for identity_id in {found for statement in statements for found in _concerned(statement)}:
        identity = state.identity_before(identity_id, start)
        if identity is not None:
            _check_keys(reader, state, identity)
            before.put_identity(_unspent(identity, statements))
    return before


def _concerned(statement: Statement) -> list[bytes]:
    """The identities that judging a statement asks for."""
    named = (statement.body.get("pair"), statement.body.get("of"))
    return [statement.by, *(item for item in named if item is not None)]


def _check_keys(reader: StoreReader, state: FoldState, identity: Identity) -> None:
    """Whether the keysets are those of the statements that the key events name: their ids commit to them."""
    events = state.key_events(identity)
    named = [identity.id, *(event.id for event in events[1:])]
    for event, statement_id in zip(events, named, strict=True):
        statement = decode_entry(reader.entry(event.log_index)).statement
        if not statement_id == event.id == statement.id or statement.body.get("keyset") != event.keyset:
            raise _unadmitted(
                f"the keys of identity {identity.id.hex()[:16]} are not those of its key events"
            )


def _unspent(identity: Identity, statements: Sequence[Statement]) -> Identity:
    """The identity before `statements` spent records of the delegation that was in force."""
    delegation = identity.delegation
    if delegation is None:
        return identity
    used = sum(
        item.body["count"]
        for item in statements
        if item.by == identity.id and item.body.get("delegation") == delegation.id
    )
    before = max(delegation.records_used - used, 0)
    return replace(identity, delegation=replace(delegation, records_used=before))


def _unadmitted(reason: str) -> InvariantBroken:
    return InvariantBroken(
        "commit-unadmitted",
        "unsigned commit",
        f"what stands behind the signed checkpoint would not be admitted: {reason}",
        "Nothing was signed. Find out who wrote to the folder, and restore a copy that ends at the signed checkpoint.",
    )

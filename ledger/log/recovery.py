"""Recovery: what stands behind the signed checkpoint is folded again before it is signed (SPEC §10.4).

A commit in flight was admitted by a writer that is gone. What it left may as well have been put there by somebody
else who may write to the folder, and a checkpoint over it would speak for it. So admission is asked again: of every
entry and record, by the state as it stood before them. That state is gone too, since the first transaction stored the
one behind them; it is read through the stored state (`ledger.fold.before`), held to what the last signed `state` says of
the topics concerned and to the statements of the key events concerned, and must lead to the stored one.

What is believed of the stored state: which key events there are, delegations, endorsements and holds, what was used, which entries
are in order, and how far lanes had come. Who may write to the folder can plant a whole commit that agrees with all of it (SPEC §15).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ledger.errors import InvariantBroken, PolicyDenied, RefusedInput
from ledger.fold.before import StateBefore
from ledger.fold.objects import Identity
from ledger.fold.segments import closing_state
from ledger.fold.state import FoldState
from ledger.fold.topics import Topic, topic_key, topics_of
from ledger.fold.transition import advance, judge, open_entry
from ledger.identity.life import key_event_of
from ledger.log.admission import admit_parts
from ledger.log.candidate import Candidate, open_candidate
from ledger.log.standing import find_standing, find_subject
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
    opened = _candidates(reader, head, start, state.header.log_id)
    before = _state_before(reader, start, [item.entry.statement for item in opened], state)
    closing = opened[-1].entry.statement.body
    before.header.fold_number = max(before.header.fold_number, closing["fold"])
    for log_index, item in enumerate(opened, start):
        stop = before.header.records
        judge(before, log_index, item.entry, closing["time"])
        admit_parts(
            before,
            item,
            partial(find_standing, reader, state, stop=stop),
            partial(find_subject, reader, state, stop=stop),
        )
        advance(before, log_index, item.entry, closing["time"], in_order=True)
    pairs, nodes = before.take_changes()
    for space, expected in ((Space.FOLD, pairs), (Space.STATUS, nodes)):
        for key, value in expected.items():
            if reader.snapshot.get(space, key) != value:
                raise _unadmitted(f"the stored state is not the one that it leads to ({space} {key.hex()})")


def _candidates(reader: StoreReader, head: Head, start: int, log: bytes) -> list[Candidate]:
    """The entries as they were submitted; the log's own, first and last, as it wrote them."""
    decoder = RecordDecoder()
    found = []
    for log_index, data in enumerate(reader.entries(start, head.size), start):
        if log_index in (0, head.size - 1):
            found.append(Candidate(open_entry(data, log)))
            continue
        items = reader.records(reader.record_start(log_index), reader.record_start(log_index + 1))
        records = [item for item in items if not isinstance(item, Erased)]
        found.append(open_candidate(data, records, log, decoder))
    return found


def _state_before(
    reader: StoreReader, start: int, statements: Sequence[Statement], state: FoldState
) -> FoldState:
    """The state behind entry `start` - 1, whose chains on the topics of `statements` are held to what was signed."""
    log = state.header.log_id
    if not start:
        return FoldState(log, read_status_node=reader.status_node)
    before = _CheckedState(reader, start, statements, state)
    topics = {topic for statement in statements for topic in topics_of(statement)}
    if not all(map(before.begins_as_signed, {topic_key(Topic.RULES, log), *topics})):
        raise _unadmitted("the chains of its topics do not begin as the last signed state has them")
    return before


class _CheckedState(StateBefore):
    """The state before an unsigned commit, whose identities are held to the statements of their key events."""

    def __init__(
        self, reader: StoreReader, start: int, statements: Sequence[Statement], state: FoldState
    ) -> None:
        self._reader = reader
        closing = open_entry(reader.entry(start - 1), state.header.log_id).statement.body
        super().__init__(
            state, (reader.fold_value, reader.status_node), closing, start, statements, reader.entry
        )

    def _identity(self, identity_id: bytes) -> Identity | None:
        identity = super()._identity(identity_id)
        if identity is not None:
            self._check_keys(identity)
        return identity

    def _check_keys(self, identity: Identity) -> None:
        """Whether the key events are what the statements say that they name: their ids commit to all but the clock."""
        for kseq, event in enumerate(self._later.key_events(identity)):
            statement = decode_entry(self._reader.entry(event.log_index)).statement
            is_next = statement.by == identity.id and statement.fields.get("kseq", 0) == kseq
            clock_ms = self._clock_at(event.log_index) if event.type == "recover" else 0
            if not is_next or key_event_of(statement, event.log_index, clock_ms) != replace(
                event, vetoed=False
            ):
                raise _unadmitted(
                    f"the keys of identity {identity.id.hex()[:16]} are not those of its key events"
                )

    def _clock_at(self, log_index: int) -> int:
        closing = closing_state(self._reader.entry, self.header.log_id, log_index, self._size)
        if closing is None:
            raise _unadmitted(f"no state closes the commit of the recovery at log index {log_index}")
        return closing.time_ms


def _unadmitted(reason: str) -> InvariantBroken:
    return InvariantBroken(
        "commit-unadmitted",
        "unsigned commit",
        f"what stands behind the signed checkpoint would not be admitted: {reason}",
        "Nothing was signed. Find out who wrote to the folder, and restore a copy that ends at the signed checkpoint.",
    )

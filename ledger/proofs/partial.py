"""The fold over some entries of a log, by who does not have the others (SPEC §9.2, last paragraph; §11.1).

A stranger runs the log's own transition function over the entries at hand, in log order, in a state that knows only
them. What an entry needs of the rest of the log is granted by the operator's word: that its lane led up to it, and
that its pair had records left. What the entries at hand contradict is not granted: a statement that stands behind a
later one of its lane is as broken here as in the log.
"""

from __future__ import annotations

from ledger import spec
from ledger.errors import LineageError
from ledger.fold.objects import Identity, Lane
from ledger.fold.state import FoldState
from ledger.fold.transition import SignatureCheck, advance, judge
from ledger.identity.keyset import check_signatures
from ledger.statements import words
from ledger.statements.entry import CURRENT, Entry
from ledger.statements.statement import Statement

CLOCK_UNKNOWN_MS = -1  # before every time, so that no delegation has ended by it


def judge_partially(
    state: FoldState,
    log_index: int,
    entry: Entry,
    clock_ms: int = CLOCK_UNKNOWN_MS,
    verify: SignatureCheck = check_signatures,
) -> None:
    """Raises the LineageError that makes a well-formed entry faulty, as far as `state` knows the log before it.

    `verify` may remember signatures checked before.
    """
    if entry.statement.type in words.TYPES_ORDINARY:
        _grant_lane(state, entry.statement)
    judge(state, log_index, entry, clock_ms, verify)


def take(state: FoldState, log_index: int, entry: Entry, clock_ms: int = CLOCK_UNKNOWN_MS) -> None:
    """Judges an entry and takes its effect into `state`. Raises as `judge_partially` does, and changes nothing then."""
    judge_partially(state, log_index, entry, clock_ms)
    advance(state, log_index, entry, clock_ms, in_order=True)


def take_plain(
    state: FoldState, log_index: int, entry: Entry, signer: Identity, verify: SignatureCheck
) -> bool:
    """Takes in an `artifacts` statement in order, as `take` does, where nothing but signature and lane can be wrong with it.

    So it is where `signer`, who is no pair and has no `recover` pending, names his last key event, and the rules are open and without
    limits: most of a log. False, and nothing changed: judge it in full, and learn what is wrong.
    """
    header, fields = state.header, entry.statement.fields
    event, body, rules = signer.last, fields["body"], header.rules
    if (
        fields["key"] != event.id
        or signer.before is not None
        or signer.role == "pair"
        or event.type == "retire"
        or "delegation" in body
        or rules.get("mode") != "open"
        or "limits" in rules
        or header.fold_number not in spec.FOLDS_KNOWN
        or not log_index
    ):
        return False
    seq, prev = fields["seq"], fields.get("prev")
    lane = state.lane(signer.id, event.id, fields["lane"])
    is_granted = prev is not None and (lane is None or seq > lane.next_seq)
    if not is_granted and (seq, prev) != ((lane.next_seq, lane.last) if lane else (0, None)):
        return False
    try:
        verify(entry, {CURRENT: event.keyset})
    except LineageError:
        return False
    header.records += body["count"]
    header.size = log_index + 1
    state.put_lane(signer.id, event.id, fields["lane"], Lane(seq + 1, entry.statement.id))
    return True


def _grant_lane(state: FoldState, statement: Statement) -> None:
    if statement.prev is None:
        return
    lane = state.lane(statement.by, statement.key, statement.lane)
    if lane is None or statement.seq > lane.next_seq:
        state.put_lane(statement.by, statement.key, statement.lane, Lane(statement.seq, statement.prev))

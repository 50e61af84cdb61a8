"""The support of a receipt: the key events and the delegation that made a signer who he was (SPEC §11.1).

Whoever checks it folds them in log order with the log's own function, knowing nothing before, between or behind. So
order, roles, commitments, keys and delegation are judged as the log judged them. Clocks are not in it, but one thing
depends on them: whether a `recover` was in force where the next event came. That shows by the commitment which the next
event keeps, since a `recover` must commit to another `next`; or by being named. Each identity gets a made-up clock that
agrees, below all real times, so that no delegation ends by it.
"""

from __future__ import annotations

from typing import Any, Final

from ledger import spec
from ledger.errors import NotFound, ProofInvalid, RefusedInput
from ledger.fold.objects import Identity
from ledger.fold.state import FoldState
from ledger.fold.transition import advance
from ledger.identity.life import Life
from ledger.proofs.partial import judge_partially
from ledger.proofs.source import ProofSource
from ledger.statements import words
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.statement import Statement, keyset_digest

ITEMS_MAX: Final = spec.CODEC_ARRAY_MAX
_TYPES: Final = words.TYPES_KEY_EVENT | {"genesis", "enrol", "delegate"}
_WAIT_MS: Final = spec.RECOVERY_WAIT_S * 1_000
_CLOCK_MS: Final = -(ITEMS_MAX + 2) * _WAIT_MS


class Support:
    """The fold over a support, entry by entry. Methods raise the LineageError that refuses an entry."""

    def __init__(self, log: bytes, fold_number: int) -> None:
        self._state = FoldState(log)
        self._fold_number = fold_number
        self._clocks_ms: dict[bytes, int] = {}
        self._keys: dict[bytes, bytes] = {}  # of each delegation: the key event that it names
        self._count = 0

    def take(self, log_index: int, entry: Entry) -> None:
        """The next entry of the support. ProofInvalid `receipt-invalid` for a type that supports nothing."""
        statement = entry.statement
        if statement.type not in _TYPES:
            raise receipt_invalid(f"an entry of type '{statement.type}' in the support")
        clock_ms = self._judge(log_index, entry)
        advance(self._state, log_index, entry, clock_ms, in_order=True)
        self._count += 1
        if statement.type == "delegate":
            self._keys[statement.id] = statement.key

    def judge(self, log_index: int, entry: Entry) -> None:
        """Whether the entry that is supported is in order, as far as that is known."""
        self._judge(log_index, entry)

    def signer(self, statement: Statement) -> Identity:
        """Who signed the statement supported, if the support is what it takes to know him, and nothing else."""
        signer = self._state.identity(statement.by)
        if signer is None:
            raise receipt_invalid("the support does not hold the signer's enrolment")
        needed = self._events_up_to(signer.id, statement.key)
        if signer.anchor is not None:
            needed += 1 + self._events_up_to(signer.anchor, self._keys[statement.body["delegation"]])
        if self._count != needed:
            raise receipt_invalid("the support holds more than the signer's key events and delegation")
        return signer

    def _judge(self, log_index: int, entry: Entry) -> int:
        state, statement = self._state, entry.statement
        state.header.fold_number = self._fold_number
        # The rules in force are not at hand, nor do they touch what is proved.
        state.header.rules = {"mode": "open"}
        life = state.identity(statement.by)
        clock_ms = self._clocks_ms.get(statement.by, _CLOCK_MS)
        if life is not None and life.before is not None and _relies_on_last(life, statement):
            clock_ms += _WAIT_MS
        self._clocks_ms[statement.by] = clock_ms
        judge_partially(state, log_index, entry, clock_ms)
        return clock_ms

    def _events_up_to(self, identity_id: bytes, key: bytes) -> int:
        identity = self._state.identity(identity_id)
        ids = [] if identity is None else [event.id for event in self._state.key_events(identity)]
        return ids.index(key) + 1


def support_of(source: ProofSource, statement: Statement) -> list[list[Any]]:
    """[log index, entry, path] of the signer's key events up to the one named and, for a pair, of what it rests on.

    Raises NotFound `statement-unknown` for what the log does not hold, ProofInvalid `receipt-invalid` where the statement
    names what is no key event, and RefusedInput `too-large`.
    """
    found = _events(source, statement)
    delegation = statement.body.get("delegation")
    if delegation is not None:
        delegate = _find(source, delegation)
        found += [delegate, *_events(source, delegate[1].statement)]
    if len(found) > ITEMS_MAX:
        raise RefusedInput(
            "too-large",
            "receipt",
            f"its support has {len(found)} entries, at most {ITEMS_MAX} fit",
            "Trace the artifact in the log itself.",
        )
    return [
        [log_index, entry.encoded, source.entry_path(log_index)]
        for log_index, entry in sorted(found, key=lambda item: item[0])
    ]


def receipt_invalid(reason: str) -> ProofInvalid:
    """The refusal of a receipt whose parts do not agree."""
    return ProofInvalid("receipt-invalid", "receipt", reason)


def _relies_on_last(life: Life, statement: Statement) -> bool:
    """Whether a statement can only follow if the last key event of its signer, a `recover`, was in force there."""
    if statement.type in words.TYPES_ORDINARY:
        return statement.key == life.last.id
    committed = life.last.recovery if statement.type == "recover" else life.last.next
    return keyset_digest(statement.body["keyset"]) == committed


def _events(source: ProofSource, statement: Statement) -> list[tuple[int, Entry]]:
    """The key events from the one that a statement names back to its signer's event 0."""
    found = [_find(source, statement.key)]
    while (event := found[-1][1].statement).id != statement.by:
        if event.type not in words.TYPES_KEY_EVENT or event.prev is None:
            raise receipt_invalid("the key event that the statement names is none of its signer")
        found.append(_find(source, event.prev))
    return found


def _find(source: ProofSource, statement_id: bytes) -> tuple[int, Entry]:
    log_index = source.find_statement(statement_id)
    if log_index is None:
        raise NotFound(
            "statement-unknown",
            f"statement {statement_id.hex()[:16]}",
            "the log does not hold it",
            "Audit it.",
        )
    return log_index, decode_entry(source.entry(log_index))

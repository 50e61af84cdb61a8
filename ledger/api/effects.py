"""What a change of keys would come to, told before it is made: what it disowns, which pairs, what descends from that.

A `rotate`, `recover` or `retire` that names a key as compromised from a log index on disowns what that key signed from
there on (SPEC §7.4). Nothing is erased by it, but nothing takes it back either, so that its maker should see it first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger.api.around import Progress
from ledger.api.descendants import Touched, touched_by
from ledger.api.places import Clock
from ledger.errors import RefusedInput
from ledger.fold.authority import delegation_in_force
from ledger.fold.objects import Identity
from ledger.identity.life import KeyEvent
from ledger.log.view import LogView
from ledger.spec import KEYS_MAX
from ledger.statements import words
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement

SHOWN_MAX: Final = 5  # descendants and artifacts that a person is shown
_HEX_LEAST: Final = 8  # digits of a public key that name it


@dataclass(slots=True)
class Loss:
    """The statements of one identity that would be disowned: how many of each type, their artifacts, first and last.

    `first` and `last` are log indices, `first_ms` and `last_ms` the log's clock there; None while there are none.
    """

    by: bytes
    statements: Counter[str] = field(default_factory=Counter)
    artifacts: int = 0
    first: int | None = None
    last: int | None = None
    first_ms: int | None = None
    last_ms: int | None = None

    def add(self, log_index: int, clock_ms: int, statement: Statement) -> None:
        """One statement more, in log order."""
        self.statements[statement.type] += 1
        self.artifacts += statement.body["count"] if statement.type == "artifacts" else 0
        if self.first is None:
            self.first, self.first_ms = log_index, clock_ms
        self.last, self.last_ms = log_index, clock_ms


@dataclass(slots=True)
class Effects:
    """What a key event of `identity` would do to what stands now, at a log of `size` entries and the clock `clock_ms`.

    `own`: its own statements. `suspects`: pairs whose delegation would be disowned, with what they said under it.
    `silenced`: pairs that would no more speak. `artifacts`: the first of those that would stand no more, `artifact_count`
    of them in all; `descendant_count` others descend from them or refer to them, `descendants` are the first.
    """

    identity: bytes
    size: int
    clock_ms: int
    own: Loss
    suspects: list[Loss] = field(default_factory=list)
    silenced: list[bytes] = field(default_factory=list)
    artifacts: list[bytes] = field(default_factory=list)
    artifact_count: int = 0
    descendants: list[Touched] = field(default_factory=list)
    descendant_count: int = 0
    descendant_makers: int = 0


def keys_since(
    identity: Identity, events: Sequence[KeyEvent], clock_ms: int, since: int, named: Sequence[str]
) -> dict[bytes, int]:
    """What `compromised` says if the daily keys are in doubt from log index `since` on: that index, by public key.

    `named`: which keys, by their beginning in hex or their number (from 1) among the daily ones, if not all that were
    daily then. Raises RefusedInput `compromised-illegal`.
    """
    ranges = _in_force(events, clock_ms)
    daily = [bytes(key) for _algorithm, key in identity.in_force(clock_ms).keyset["keys"]]
    doubted = [key for event, end in ranges if end is None or end > since for key in _keys(event)]
    if named:
        every = [key for event in events for key in _keys(event)]
        doubted = [_named(text, daily, every) for text in named]
    found = dict.fromkeys(doubted, since)
    if len(found) > KEYS_MAX:
        raise RefusedInput(
            "compromised-illegal",
            f"{len(found)} keys",
            f"they were daily keys since log index {since}, and one event names at most {KEYS_MAX}",
            "Say which of them are in doubt with --key.",
        )
    return found


def _keys(event: KeyEvent) -> list[bytes]:
    return [bytes(key) for _algorithm, key in event.keyset["keys"]]


def _in_force(events: Sequence[KeyEvent], clock_ms: int) -> list[tuple[KeyEvent, int | None]]:
    """The events that were ever in force, each with the log index at which the next one followed, None for the last.

    A `recover` takes over without an entry: until the next event, it counts from its own index on.
    """
    ever = [event for event in events if event.was_in_force(clock_ms)]
    # What the keys before a recover signed until it took over is in doubt too.
    entered = [event.log_index for event in ever if event.type != "recover"]
    return [
        (event, next((log_index for log_index in entered if log_index > event.log_index), None))
        for event in ever
    ]


def _named(text: str, daily: Sequence[bytes], every: Sequence[bytes]) -> bytes:
    if text.isdecimal() and len(text) < _HEX_LEAST:
        if 1 <= int(text) <= len(daily):
            return sorted(daily)[int(text) - 1]
    elif len(text) >= _HEX_LEAST:
        found = {key for key in every if key.hex().startswith(text.lower())}
        if len(found) == 1:
            return found.pop()
    raise RefusedInput(
        "compromised-illegal",
        f"key '{text}'",
        "it is none of this identity's keys, or several",
        f"Its daily keys, from 1: {', '.join(key.hex()[:16] for key in sorted(daily))}.",
    )


def effects_of(
    view: LogView, identity: Identity, cuts: Mapping[bytes, int], *, retires: bool, progress: Progress
) -> Effects:
    """What disowning by `cuts` (from log index, by public key of the identity) does, and for `retires` its retirement."""
    clock = Clock(view)
    effects = Effects(identity.id, view.checkpoint.size, view.clock_ms, Loss(identity.id))
    lost: list[int] = []  # log indices of artifacts entries
    suspects: dict[bytes, Loss] = {}
    start = 0 if retires else min(cuts.values(), default=view.checkpoint.size)
    for log_index, statement in _statements_of(view, identity.id, start):
        if statement.type == "delegate" and retires:
            _silence(view, effects, statement.body["pair"])
        if not _is_cut(view, log_index, cuts):
            continue
        effects.own.add(log_index, clock.at(log_index), statement)
        if statement.type == "artifacts":
            lost.append(log_index)
        if statement.type == "delegate":
            pair = statement.body["pair"]
            loss = suspects.setdefault(pair, Loss(pair))
            lost += _said_under(view, pair, statement.id, loss)
    effects.suspects = list(suspects.values())
    _count_lost(view, effects, lost, progress)
    return effects


def _statements_of(view: LogView, identity_id: bytes, start: int = 0) -> Iterator[tuple[int, Statement]]:
    """The ordinary statements of an identity from a log index on that are in order, in log order."""
    for log_index, data in view.scan_statements(containing=identity_id):
        if log_index < start:
            continue
        try:
            statement = decode_entry(data).statement
        except RefusedInput:
            continue
        is_its_own = statement.type in words.TYPES_ORDINARY and statement.by == identity_id
        if is_its_own and not view.state.is_faulty(log_index):
            yield log_index, statement


def _is_cut(view: LogView, log_index: int, cuts: Mapping[bytes, int]) -> bool:
    """Whether `cuts` would disown a statement that stands now."""
    signed_by = view.signed_by(log_index) if cuts and log_index >= min(cuts.values()) else ()
    return any(key in cuts and cuts[key] <= log_index for key in signed_by) and not view.disowned_by(
        log_index
    )


def _silence(view: LogView, effects: Effects, pair_id: bytes) -> None:
    pair = view.identity(pair_id)
    if pair is None or pair_id in effects.silenced:
        return
    if delegation_in_force(view.state, pair, view.clock_ms) is not None:
        effects.silenced.append(pair_id)


def _said_under(view: LogView, pair_id: bytes, delegation_id: bytes, loss: Loss) -> list[int]:
    """Adds what a pair said under a delegation to `loss`; the log indices of the artifacts among it."""
    span = _span_of(view, pair_id, delegation_id)
    clock = Clock(view)
    found = []
    for log_index, statement in _statements_of(view, pair_id, span.start):
        if log_index in span and not view.disowned_by(log_index):
            loss.add(log_index, clock.at(log_index), statement)
            if statement.type == "artifacts":
                found.append(log_index)
    return found


def _span_of(view: LogView, pair_id: bytes, delegation_id: bytes) -> range:
    """The log indices at which a pair may speak under a delegation."""
    pair = view.identity(pair_id)
    delegations = view.delegations(pair) if pair is not None else []
    for place, delegation in enumerate(delegations):
        if delegation.id == delegation_id:
            later = delegations[place + 1].log_index if place + 1 < len(delegations) else view.checkpoint.size
            return range(delegation.log_index, min(later, delegation.ended or later))
    return range(0)


def _count_lost(view: LogView, effects: Effects, lost: Sequence[int], progress: Progress) -> None:
    """The artifacts that stand nowhere else, and their descendants."""
    gone: dict[bytes, None] = {}
    for log_index in lost:
        for number in range(view.record_start(log_index), view.record_start(log_index + 1)):
            gone[view.record_leaf(number)] = None
    places = set(lost)
    for artifact_id in [artifact_id for artifact_id in gone if _stands_elsewhere(view, artifact_id, places)]:
        del gone[artifact_id]
    effects.artifacts = list(gone)[:SHOWN_MAX]
    effects.artifact_count = len(gone)
    makers = set()
    for found in touched_by(view, ([artifact_id] for artifact_id in gone), progress):
        makers.add(found.maker)
        effects.descendant_count += 1
        if len(effects.descendants) < SHOWN_MAX:
            effects.descendants.append(found)
    effects.descendant_makers = len(makers)


def _stands_elsewhere(view: LogView, artifact_id: bytes, lost: set[int]) -> bool:
    numbers = view.find_artifact(artifact_id)
    return len(numbers) > 1 and any(
        view.stands(number) and view.locate(number)[0] not in lost for number in numbers
    )

"""What the fold knows of each thing: identities, delegations, endorsements, lanes, holds, the log's own facts (SPEC §9).

Each says from which log index on it is so, so that the state before a position can be told from a later one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ledger.identity.life import KeyEvent, Life
from ledger.merkle import prefix


@dataclass(frozen=True, slots=True)
class Delegation:
    """By which a pair speaks, until another replaces it or `ended`, the log index of an `undelegate` (SPEC §7.3).

    `signed_by`: the anchor's public keys that signed it.
    """

    id: bytes
    log_index: int
    substrate: dict[str, Any]
    scope: dict[str, Any] | None
    signed_by: tuple[bytes, ...]
    records_used: int = 0
    ended: int | None = None


@dataclass(frozen=True, slots=True)
class Identity(Life):
    """An enrolled identity as of now.

    Of a pair: its `anchor`, the last `delegation`, and how many `former` ones stand before that. Former delegations and
    key events the state keeps apart, so that an identity costs the same however long it lives.
    """

    role: str
    anchor: bytes | None = None
    delegation: Delegation | None = None
    former: int = 0


@dataclass(frozen=True, slots=True)
class Endorsement:
    """An issuer's latest grade of a subject; `until` (ms), `former`: how many of that issuer stand before it."""

    id: bytes
    log_index: int
    grade: str
    method: str
    until: int | None
    signed_by: tuple[bytes, ...]
    former: int = 0


@dataclass(frozen=True, slots=True)
class Revealed:
    """A public key that an identity revealed at `log_index`.

    `cut`: every statement from this log index on that the key signed is disowned; `cut_at`: where the log came to know it.
    Each of its `cuts` was lower than those before; they are kept apart.
    """

    log_index: int
    cut: int | None = None
    cut_at: int | None = None
    cuts: int = 0


@dataclass(frozen=True, slots=True)
class Cut:
    """One cut of a key: from log index `start` on, by the key event of number `kseq`, known to the log from `log_index` on."""

    start: int
    kseq: int
    log_index: int


@dataclass(frozen=True, slots=True)
class Hold:
    """A `hold` that stands in the log, by whom and on which subjects; what released it is told by its releases."""

    log_index: int
    by: bytes
    subjects: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a lane stands: its next `seq`, and the id of its last statement."""

    next_seq: int
    last: bytes


@dataclass(slots=True)
class Header:
    """The log's own facts: ids, rules in force, clock (ms), fold number, entries and records so far, root of the status map.

    `faults` counts the entries that are not in order, `cuts` the keys that were cut.
    """

    log_id: bytes
    size: int = 0
    records: int = 0
    faults: int = 0
    cuts: int = 0
    clock_ms: int = 0
    fold_number: int = 1
    status_root: bytes = prefix.EMPTY_ROOT
    operator: bytes = b""
    origin: str = ""
    vkeys: list[str] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)


def delegation_count(identity: Identity) -> int:
    """How many delegations a pair ever had."""
    return identity.former + (identity.delegation is not None)


def spend(identity: Identity, count: int) -> Identity:
    """The identity after `count` records more under its delegation in force, if it has one."""
    last = identity.delegation
    if last is None:
        return identity
    return replace(identity, delegation=replace(last, records_used=last.records_used + count))


def key_event_from(value: dict[str, Any]) -> KeyEvent:
    """A key event from the fields in which it is kept."""
    value["compromised"] = tuple((key, start) for key, start in value["compromised"])
    return KeyEvent(**value)


def delegation_from(value: dict[str, Any]) -> Delegation:
    """A delegation from the fields in which it is kept."""
    value["signed_by"] = tuple(value["signed_by"])
    return Delegation(**value)


def identity_from(value: dict[str, Any]) -> Identity:
    """An identity from the fields in which it is kept."""
    value["last"] = key_event_from(value["last"])
    if value["before"] is not None:
        value["before"] = key_event_from(value["before"])
    if value["delegation"] is not None:
        value["delegation"] = delegation_from(value["delegation"])
    return Identity(**value)


def endorsement_from(value: dict[str, Any]) -> Endorsement:
    """An endorsement from the fields in which it is kept."""
    value["signed_by"] = tuple(value["signed_by"])
    return Endorsement(**value)


def hold_from(value: dict[str, Any]) -> Hold:
    """A hold from the fields in which it is kept."""
    value["subjects"] = tuple(tuple(subject) for subject in value["subjects"])
    return Hold(**value)


def earlier_delegation(delegation: Delegation | None, log_index: int) -> Delegation | None:
    """A delegation given before `log_index` as it stood then, or None. What was used of it then is not known."""
    if delegation is not None and delegation.ended is not None and delegation.ended >= log_index:
        return replace(delegation, ended=None)
    return delegation

"""The fold's state: identities, delegations, lanes, chains and the log's own facts up to a position (SPEC §9).

The state reads through a function, so that an auditor keeps it in memory and the log keeps it in its store; both
run the same rules over it. What changed since the last `take_changes` is handed out as opaque pairs of bytes,
whose encoding is the ledger folder's own business and part of no signed byte. What is read back is held to the shapes
that were handed out: who may write the folder may have put anything there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgpack

from ledger import spec
from ledger.errors import InvariantBroken
from ledger.fold import stored
from ledger.fold.topics import Chain
from ledger.identity.keyset import Keyset
from ledger.merkle import prefix
from ledger.statements.schema import Check

OBJECTS_REMEMBERED: Final = 65_536  # decoded identities, lanes and chains kept between commits

Read = Callable[[bytes], bytes | None]


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One key event in order: from `log_index` on, `keyset` is in force."""

    id: bytes
    log_index: int
    type: str
    keyset: Keyset


@dataclass(frozen=True, slots=True)
class Delegation:
    """By which a pair speaks, until another replaces it (SPEC §7.3)."""

    id: bytes
    log_index: int
    substrate: dict[str, Any]
    scope: dict[str, Any] | None
    records_used: int = 0


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled identity; `events` ascend, the last is in force.

    Of a pair: its `anchor`, the `delegation` in force, and how many `former` ones stand before that. These the state
    keeps apart, so that an identity costs the same however often it was delegated.
    """

    id: bytes
    role: str
    events: tuple[KeyEvent, ...]
    next: bytes
    recovery: bytes
    anchor: bytes | None = None
    delegation: Delegation | None = None
    former: int = 0

    @property
    def in_force(self) -> KeyEvent:
        return self.events[-1]


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a lane stands: its next `seq`, and the id of its last statement."""

    next_seq: int
    last: bytes


@dataclass(slots=True)
class Header:
    """The log's own facts: ids, rules in force, clock (ms), fold number, entries and records so far, root of the status map.

    `faults` counts the entries that are not in order.
    """

    log_id: bytes
    size: int = 0
    records: int = 0
    faults: int = 0
    clock_ms: int = 0
    fold_number: int = spec.FOLD_VERSION
    status_root: bytes = prefix.EMPTY_ROOT
    operator: bytes = b""
    origin: str = ""
    vkeys: list[str] = field(default_factory=list)
    rules: dict[str, Any] = field(default_factory=dict)


class FoldState:
    """What the entries up to `header.size` mean. Changed by `ledger.fold.transition` only."""

    def __init__(self, log_id: bytes, read: Read | None = None, read_status_node: Read | None = None) -> None:
        """`read` and `read_status_node` give what earlier `take_changes` handed out; none: an empty log."""
        self._read = read or (lambda _key: None)
        self._read_node = read_status_node or (lambda _key: None)
        self._objects: dict[bytes, Any] = {}
        self._dirty: set[bytes] = set()
        self._nodes: dict[bytes, bytes] = {}
        self._pending: dict[bytes, bytes] = {}
        header = self._read(b"h")
        self.header = (
            stored.decoded(b"h", header, stored.HEADER, lambda value: Header(**value))
            if header
            else Header(log_id)
        )
        if self.header.log_id != log_id:
            raise InvariantBroken(
                "wrong-log", "fold state", "it belongs to another log", "Run `lineage audit`."
            )

    def identity(self, identity_id: bytes) -> Identity | None:
        """The identity as of now, or None if it is not enrolled."""
        found: Identity | None = self._get(b"i" + identity_id, stored.IDENTITY, _identity_of)
        return found

    def identity_before(self, identity_id: bytes, log_index: int) -> Identity | None:
        """The identity by what stands before `log_index`; None if it was not enrolled.

        What was used of its delegation then is not known, only what was used of it in all.
        """
        identity = self.identity(identity_id)
        if identity is None or identity.events[0].log_index >= log_index:
            return None
        events = tuple(event for event in identity.events if event.log_index < log_index)
        count = bisect_left(
            range(_count(identity)),
            log_index,
            key=lambda number: self._delegation(identity, number).log_index,
        )
        delegation = self._delegation(identity, count - 1) if count else None
        return replace(identity, events=events, delegation=delegation, former=max(count - 1, 0))

    def delegations(self, identity: Identity) -> list[Delegation]:
        """All delegations of a pair, ascending; the last is in force."""
        return [self._delegation(identity, number) for number in range(_count(identity))]

    def lane(self, by: bytes, key: bytes, lane: bytes) -> Lane | None:
        """The lane, or None if it was not opened."""
        found: Lane | None = self._get(b"l" + by + key + lane, stored.LANE, lambda value: Lane(**value))
        return found

    def chain(self, topic: bytes) -> Chain:
        """The chain of entries under a topic key."""
        found: Chain | None = self._get(b"t" + topic, stored.CHAIN, lambda value: Chain(*value))
        return found or Chain()

    def topic_entries(self, topic: bytes) -> list[int]:
        """The log indices of a chain's entries, ascending. Raises StoreFault `ledger-damaged`."""
        length = self.chain(topic).length
        if length > self.header.size:  # a chain extends once an entry
            raise stored.damaged(b"t" + topic)
        found: list[int] = []
        for number in range(length):
            key = _place(topic, number)
            log_index = self._get(key, stored.NUMBER, int)
            if log_index is None or not (found[-1] if found else -1) < log_index < self.header.size:
                raise stored.damaged(key)
            found.append(log_index)
        return found

    def is_faulty(self, log_index: int) -> bool:
        """Whether the entry at `log_index` is not in order."""
        return self.header.faults > 0 and self._get(_fault_key(log_index), stored.FAULT, bool) is not None

    def put_fault(self, log_index: int) -> None:
        """Stores that the entry at `log_index` is not in order."""
        self.header.faults += 1
        self._put(_fault_key(log_index), True)

    def put_identity(self, identity: Identity) -> None:
        """Stores an identity as of now."""
        self._put(b"i" + identity.id, identity)

    def put_delegation(self, pair: Identity, delegation: Delegation) -> None:
        """Stores that `delegation` is in force for a pair, and the one that it replaces apart."""
        if pair.delegation is not None:
            self._put(_delegation_key(pair.id, pair.former), pair.delegation)
        self.put_identity(replace(pair, delegation=delegation, former=_count(pair)))

    def put_lane(self, by: bytes, key: bytes, lane: bytes, value: Lane) -> None:
        """Stores where a lane stands."""
        self._put(b"l" + by + key + lane, value)

    def extend_chain(self, topic: bytes, log_index: int, leaf_hash: bytes) -> None:
        """One entry more on a topic; the status map follows when its root is asked for."""
        chain = self.chain(topic)
        self._put(_place(topic, chain.length), log_index)
        extended = chain.extend(log_index, leaf_hash)
        self._put(b"t" + topic, extended)
        self._pending[topic] = extended.value()

    def status_root(self) -> bytes:
        """The root of the status map over all entries so far."""
        if self._pending:
            root, nodes = prefix.update(self.status_node, self.header.status_root, self._pending)
            self.header.status_root = root
            self._nodes.update(nodes)
            self._pending = {}
        return self.header.status_root

    def status_node(self, digest: bytes) -> bytes:
        """The preimage of a node of the status map. Raises InvariantBroken if it is not held."""
        node = self._nodes.get(digest) or self._read_node(digest)
        if node is None:
            raise InvariantBroken(
                "status-invalid",
                "status map",
                f"node {digest.hex()[:16]} is missing",
                "Run `lineage doctor`.",
            )
        return node

    def take_changes(self) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
        """What changed since the last call: pairs for `read`, and nodes by hash for `read_status_node`."""
        self.status_root()  # what chains were extended is remembered nowhere else
        changes = {key: _pack(self._objects[key]) for key in self._dirty}
        changes[b"h"] = _pack(self.header)
        nodes = self._nodes
        self._dirty, self._nodes = set(), {}
        if len(self._objects) > OBJECTS_REMEMBERED:
            self._objects = {}
        return changes, nodes

    def _delegation(self, identity: Identity, number: int) -> Delegation:
        found = identity.delegation
        if number != identity.former:
            found = self._get(
                _delegation_key(identity.id, number), stored.DELEGATION, lambda value: Delegation(**value)
            )
        if found is None:
            raise stored.damaged(_delegation_key(identity.id, number))
        return found

    def _get(self, key: bytes, check: Check, make: Callable[[Any], Any]) -> Any:
        if key in self._objects:
            return self._objects[key]
        kept = self._read(key)
        if kept is None:
            return None
        value = stored.decoded(key, kept, check, make)
        self._objects[key] = value
        return value

    def _put(self, key: bytes, value: Any) -> None:
        self._objects[key] = value
        self._dirty.add(key)


def spend(identity: Identity, count: int) -> Identity:
    """The identity after `count` records more under its delegation in force, if it has one."""
    last = identity.delegation
    if last is None:
        return identity
    return replace(identity, delegation=replace(last, records_used=last.records_used + count))


def _count(identity: Identity) -> int:
    return identity.former + (identity.delegation is not None)


def _delegation_key(pair: bytes, number: int) -> bytes:
    return b"d" + pair + number.to_bytes(8, "big")


def _place(topic: bytes, number: int) -> bytes:
    return b"n" + topic + number.to_bytes(8, "big")


def _fault_key(log_index: int) -> bytes:
    return b"x" + log_index.to_bytes(8, "big")


def _pack(value: Any) -> bytes:
    return bytes(msgpack.packb(value, default=_fields_of, use_bin_type=True, strict_types=True))


def _fields_of(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}


def _identity_of(value: dict[str, Any]) -> Identity:
    value["events"] = tuple(KeyEvent(**event) for event in value["events"])
    if value["delegation"] is not None:
        value["delegation"] = Delegation(**value["delegation"])
    return Identity(**value)

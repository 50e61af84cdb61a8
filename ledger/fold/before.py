"""The fold's state as it stood before a position, told from the one that is kept of later (SPEC §10.4).

A log keeps one state, the newest. Everything in it says from which log index on it is so: so an earlier state is not kept, but read
through the later one, value by value as it is asked for. What nothing says is taken from the entries in between: where lanes
stood and what was spent of a delegation; and from the entries before: which rules were in force.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ledger.fold import stored
from ledger.fold.objects import Endorsement, Identity, Lane, Revealed
from ledger.fold.state import FoldState, Read
from ledger.fold.topics import Chain, Topic, topic_key
from ledger.fold.transition import open_entry
from ledger.merkle import prefix
from ledger.merkle.tree import hash_leaf
from ledger.statements import words
from ledger.statements.schema import Check
from ledger.statements.statement import Statement

Reads = tuple[Read, Read]  # the later state's values by key, and the status map's nodes by hash


class StateBefore(FoldState):
    """The state behind a signed `state` entry, while `later` has taken entries more. Like any state, it may be led on."""

    def __init__(
        self,
        later: FoldState,
        reads: Reads,
        closing: Mapping[str, Any],
        size: int,
        taken: Sequence[Statement],
        entry_at: Callable[[int], bytes],
    ) -> None:
        """`closing`: the body of the `state` at `size` - 1; `taken`: what `later` took since, all in order.

        `reads` gives what `later` stores, `entry_at` the entries before `size`.
        """
        super().__init__(later.header.log_id, *reads)
        self._later = later
        self._entry_at = entry_at
        self._size = size
        self._root: bytes = closing["root"]
        self._spent: dict[bytes, int] = {}
        self._lanes: dict[bytes, Lane | None] = {}
        self.header = replace(
            later.header,
            size=size,
            records=closing["records"],
            clock_ms=closing["time"],
            fold_number=closing["fold"],
            status_root=self._root,
        )
        for statement in taken:
            self._undo(statement)
        self.header.rules = self._rules()
        for identity_id in {item.by for item in taken if item.type in words.TYPES_KEY_EVENT}:
            self.header.cuts -= self._cut_since(identity_id)

    def begins_as_signed(self, topic: bytes) -> bool:
        """Whether a topic's chain is the one under the root of the signed state."""
        chain = self.chain(topic)
        return prefix.lookup(self.status_node, self._root, topic) == (chain.value() if chain.length else None)

    def _undo(self, statement: Statement) -> None:
        if statement.type not in words.TYPES_ORDINARY:
            return
        place = statement.by + statement.key + statement.lane
        if place not in self._lanes:
            prev = statement.prev
            self._lanes[place] = None if prev is None else Lane(statement.seq, prev)
        delegation = statement.body.get("delegation")
        if delegation is not None:
            self._spent[delegation] = self._spent.get(delegation, 0) + statement.body["count"]

    def _rules(self) -> dict[str, Any]:
        log = self.header.log_id
        for log_index in reversed(self.topic_entries(topic_key(Topic.RULES, log))):
            if not self.is_faulty(log_index):
                statement = open_entry(self._entry_at(log_index), log).statement
                rules: dict[str, Any] = (
                    statement.body["rules"] if statement.type == "genesis" else statement.body
                )
                return rules
        return {}

    def _cut_since(self, identity_id: bytes) -> int:
        """How many of an identity's keys were cut since, and not before."""
        identity = self._later.identity(identity_id)
        events = self._later.key_events(identity) if identity is not None else []
        count = 0
        for key in {key for event in events for key, _start in event.cuts}:
            known, before = self._later.revealed(identity_id, key), self.revealed(identity_id, key)
            is_cut = known is not None and known.cut is not None
            count += is_cut and (before is None or before.cut is None)
        return count

    def _get(self, key: bytes, check: Check, make: Callable[[Any], Any]) -> Any:
        if key not in self._objects:
            kept = self._read(key)
            value = None if kept is None else self._before(key, stored.decoded(key, kept, check, make))
            if key[:1] == b"l" and key[1:] in self._lanes:
                value = self._lanes[key[1:]]
            if value is None:
                return None
            self._objects[key] = value
        return self._objects[key]

    def _before(self, key: bytes, value: Any) -> Any:
        """What stood at `key` before, where `value` stands now; None: nothing."""
        number = int.from_bytes(key[-8:], "big")
        found: Any = value
        match key[:1]:
            case b"i":
                return self._identity(key[1:])
            case b"k" | b"d":
                identity = self.identity(key[1:-8])
                kept = 0 if identity is None else identity.kseq if key[:1] == b"k" else identity.former
                return value if number < kept else None
            case b"p":
                return self._revealed(key[1:33], key[33:], value)
            case b"t":
                return self._chain(key[1:])
            case b"n":
                return value if value < self._size else None
            case b"e":
                return self._endorsement(key[1:33], key[33:])
            case b"f":
                latest = self.endorsement(key[1:33], key[33:65])
                return value if latest is not None and number < latest.former else None
            case b"c" | b"q":
                return value if value < self._size else None
            case b"o" | b"u":
                return value if value.log_index < self._size else None
        return found

    def _identity(self, identity_id: bytes) -> Identity | None:
        """The identity by what stood before, and what it had spent."""
        identity = self._later.identity_before(identity_id, self._size)
        if identity is None or identity.delegation is None:
            return identity
        delegation = identity.delegation
        used = delegation.records_used - self._spent.get(delegation.id, 0)
        return replace(identity, delegation=replace(delegation, records_used=max(used, 0)))

    def _revealed(self, identity_id: bytes, key: bytes, known: Revealed) -> Revealed | None:
        if known.log_index >= self._size:
            return None
        if known.cut_at is None or known.cut_at < self._size:
            return known
        count = bisect_left(
            range(known.cuts),
            self._size,
            key=lambda number: self._later.cut(identity_id, key, number).log_index,
        )
        if not count:
            return Revealed(known.log_index)
        last = self._later.cut(identity_id, key, count - 1)
        return Revealed(known.log_index, last.start, last.log_index, count)

    def _endorsement(self, subject: bytes, issuer: bytes) -> Endorsement | None:
        known = self._later.endorsements(subject, issuer)
        return next((item for item in known if item.log_index < self._size), None)

    def _chain(self, topic: bytes) -> Chain:
        chain = Chain()
        for log_index in self._later.topic_entries(topic):
            if log_index < self._size:
                chain = chain.extend(log_index, hash_leaf(self._entry_at(log_index)))
        return chain

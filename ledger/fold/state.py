"""The fold's state: identities, delegations, lanes, chains and the log's own facts up to a position (SPEC §9).

The state reads through a function, so that an auditor keeps it in memory and the log keeps it in its store; both
run the same rules over it. What changed since the last `take_changes` is handed out as opaque pairs of bytes,
whose encoding is the ledger folder's own business and part of no signed byte. What is read back is held to the shapes
that were handed out: who may write the folder may have put anything there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final

import msgpack

from ledger.errors import InvariantBroken
from ledger.fold import objects, stored
from ledger.fold.objects import (
    Cut,
    Delegation,
    Endorsement,
    Header,
    Hold,
    Identity,
    Lane,
    Revealed,
    delegation_count,
    earlier_delegation,
)
from ledger.fold.topics import Chain
from ledger.identity.life import KeyEvent, after
from ledger.merkle import prefix
from ledger.statements.schema import Check
from ledger.statements.statement import keyset_digest

OBJECTS_REMEMBERED: Final = 65_536  # decoded identities, lanes and chains kept between commits

Read = Callable[[bytes], bytes | None]


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
        found: Identity | None = self._get(b"i" + identity_id, stored.IDENTITY, objects.identity_from)
        return found

    def identity_before(self, identity_id: bytes, log_index: int) -> Identity | None:
        """The identity by what stands before `log_index`; None if it was not enrolled.

        What was used of its delegation then is not known, only what was used of it in all.
        """
        identity = self.identity(identity_id)
        if identity is None or identity.born >= log_index:
            return None
        return self._delegated_before(self._life_before(identity, log_index), log_index)

    def key_events(self, identity: Identity) -> list[KeyEvent]:
        """All key events up to the last of `identity`, ascending."""
        return [self.key_event(identity, number) for number in range(identity.kseq + 1)]

    def spoke_last(self, identity: Identity, clock_ms: int) -> KeyEvent:
        """The key event in force; of a retired identity, the one that was before it retired."""
        if not identity.retired:
            return identity.in_force(clock_ms)
        event = self.key_event(identity, identity.kseq - 1)
        return self.key_event(identity, identity.kseq - 2) if event.vetoed else event

    def delegations(self, identity: Identity) -> list[Delegation]:
        """All delegations of a pair, ascending."""
        return [self._delegation(identity, number) for number in range(delegation_count(identity))]

    def revealed(self, identity_id: bytes, key: bytes) -> Revealed | None:
        """What is known of a public key; None if the identity did not reveal it."""
        found: Revealed | None = self._get(
            _revealed_key(identity_id, key), stored.REVEALED, lambda value: Revealed(**value)
        )
        return found

    def revealed_keyset(self, identity_id: bytes, digest: bytes) -> int | None:
        """Where the identity revealed the keyset of a digest, or None."""
        found: int | None = self._get(_keyset_key(identity_id, digest), stored.NUMBER, int)
        return found

    def is_disowned(
        self, identity_id: bytes, log_index: int, signed_by: Iterable[bytes], clock_ms: int
    ) -> bool:
        """Whether an ordinary statement at `log_index`, signed by these keys of the identity, is disowned by now (SPEC §7.4)."""
        identity = self.identity(identity_id)
        if identity is None:
            return False
        due = identity.last.cuts if identity.before and not identity.pending(clock_ms) else ()
        if not (due or self.header.cuts):
            return False
        for key in signed_by:
            known = self.revealed(identity_id, key)
            starts = [start for cut, start in due if cut == key]
            if known is not None and known.cut is not None:
                starts.append(known.cut)
            if any(start <= log_index for start in starts):
                return True
        return False

    def disowned_by(
        self, identity_id: bytes, log_index: int, signed_by: Iterable[bytes], clock_ms: int
    ) -> KeyEvent | None:
        """The first key event that disowns such a statement, as far as it is known by now."""
        identity = self.identity(identity_id)
        keys = tuple(signed_by)
        if identity is None or not self.is_disowned(identity_id, log_index, keys, clock_ms):
            return None
        numbers = [
            self.cut(identity_id, key, self._first_cut(identity_id, key, known.cuts, log_index)).kseq
            for key in keys
            if (known := self.revealed(identity_id, key)) and known.cut is not None and known.cut <= log_index
        ]
        return self.key_event(identity, min(numbers, default=identity.kseq))  # else by a recover in force

    def cut(self, identity_id: bytes, key: bytes, number: int) -> Cut:
        """A key's cut of that number, below the `cuts` of what is known of the key."""
        place = _cut_key(identity_id, key, number)
        found: Cut | None = self._get(place, stored.CUT, lambda value: Cut(**value))
        if found is None:
            raise stored.damaged(place)
        return found

    def _first_cut(self, identity_id: bytes, key: bytes, count: int, log_index: int) -> int:
        """The number of the first cut that reaches down to `log_index`: each goes lower than those before."""
        return bisect_left(
            range(count), 1, key=lambda number: self.cut(identity_id, key, number).start <= log_index
        )

    def contested(self, key_event_id: bytes) -> int | None:
        """The log index of the first evidence of a fork under a key event, or None."""
        found: int | None = self._get(b"c" + key_event_id, stored.NUMBER, int)
        return found

    def endorsement(self, subject: bytes, issuer: bytes) -> Endorsement | None:
        """An issuer's latest endorsement of a subject, or None."""
        found: Endorsement | None = self._get(
            b"e" + subject + issuer, stored.ENDORSEMENT, objects.endorsement_from
        )
        return found

    def endorsements(self, subject: bytes, issuer: bytes) -> Iterator[Endorsement]:
        """All endorsements of a subject by an issuer, the latest first."""
        latest = self.endorsement(subject, issuer)
        if latest is None:
            return
        yield latest
        for number in range(latest.former - 1, -1, -1):
            key = _endorsement_key(subject, issuer, number)
            found = self._get(key, stored.ENDORSEMENT, objects.endorsement_from)
            if found is None or found.former != number:
                raise stored.damaged(key)
            yield found

    def hold(self, statement_id: bytes) -> Hold | None:
        """The hold that a statement said, or None."""
        found: Hold | None = self._get(b"o" + statement_id, stored.HOLD, objects.hold_from)
        return found

    def put_identity(self, identity: Identity) -> None:
        """Stores an identity as of now."""
        self._put(b"i" + identity.id, identity)

    def put_birth(self, identity: Identity) -> None:
        """Stores a new identity, and what it reveals."""
        self.put_identity(identity)
        self._reveal(identity.id, identity.last)

    def put_key_event(self, identity: Identity, event: KeyEvent, clock_ms: int) -> None:
        """Stores that `event` follows the identity's last, and what it reveals and cuts."""
        former, before = after(identity, event, clock_ms)
        self._put(_key_event_key(identity.id, identity.kseq), former)
        if former.type == "recover":  # in force by now or never
            self._take_cuts(identity.id, identity.kseq, former, event.log_index)
        self.put_identity(replace(identity, kseq=identity.kseq + 1, last=event, before=before))
        self._reveal(identity.id, event)
        if event.type != "recover":
            self._take_cuts(identity.id, identity.kseq + 1, event, event.log_index)

    def put_delegation(self, pair: Identity, delegation: Delegation) -> None:
        """Stores that `delegation` is in force for a pair, and the one that it replaces apart."""
        if pair.delegation is not None:
            self._put(_delegation_key(pair.id, pair.former), pair.delegation)
        self.put_identity(replace(pair, delegation=delegation, former=delegation_count(pair)))

    def put_contested(self, key_event_id: bytes, log_index: int) -> None:
        """Stores that a key event is contested from `log_index` on; a second evidence is not in order (SPEC §7.5)."""
        self._put(b"c" + key_event_id, log_index)

    def put_endorsement(self, subject: bytes, issuer: bytes, endorsement: Endorsement) -> None:
        """Stores an issuer's latest endorsement of a subject, and the one that it replaces apart."""
        former = self.endorsement(subject, issuer)
        if former is not None:
            self._put(_endorsement_key(subject, issuer, former.former), former)
            endorsement = replace(endorsement, former=former.former + 1)
        self._put(b"e" + subject + issuer, endorsement)

    def put_hold(self, statement_id: bytes, hold: Hold) -> None:
        """Stores a hold."""
        self._put(b"o" + statement_id, hold)

    def _reveal(self, identity_id: bytes, event: KeyEvent) -> None:
        keys = [bytes(key) for _algorithm, key in event.keyset["keys"]]
        for key in keys:
            if self.revealed(identity_id, key) is None:
                self._put(_revealed_key(identity_id, key), Revealed(event.log_index))
        self._put(_keyset_key(identity_id, keyset_digest(event.keyset)), event.log_index)

    def _take_cuts(self, identity_id: bytes, kseq: int, event: KeyEvent, log_index: int) -> None:
        """What an event cuts, from `log_index` on, where it is known to be in force."""
        for key, start in event.cuts:
            known = self.revealed(identity_id, key)
            if known is not None and (known.cut is None or start < known.cut):
                self.header.cuts += known.cut is None
                self._put(_cut_key(identity_id, key, known.cuts), Cut(start, kseq, log_index))
                cut = replace(known, cut=start, cut_at=log_index, cuts=known.cuts + 1)
                self._put(_revealed_key(identity_id, key), cut)

    def _life_before(self, identity: Identity, log_index: int) -> Identity:
        if identity.last.log_index < log_index:
            return identity
        events = range(identity.kseq)
        kseq = bisect_left(events, log_index, key=lambda number: self._stands_at(identity, number)) - 1
        last = self.key_event(identity, kseq)
        if last.vetoed:
            last = replace(last, vetoed=False)
        # A recover is taken only where none is pending: what stands before it was in force (SPEC §7.2).
        before = self.key_event(identity, kseq - 1) if last.type == "recover" else None
        return replace(identity, kseq=kseq, last=last, before=before)

    def _delegated_before(self, identity: Identity, log_index: int) -> Identity:
        count = delegation_count(identity)
        if not count:
            return identity
        numbers = range(count)
        count = bisect_left(
            numbers, log_index, key=lambda number: self._delegation(identity, number).log_index
        )
        delegation = self._delegation(identity, count - 1) if count else None
        return replace(
            identity, delegation=earlier_delegation(delegation, log_index), former=max(count - 1, 0)
        )

    def key_event(self, identity: Identity, number: int) -> KeyEvent:
        """The key event of that number, at most the identity's `kseq`."""
        if number == identity.kseq:
            return identity.last
        if number < 0:  # the events before a position do not begin with the one of birth
            raise stored.damaged(b"i" + identity.id)
        key = _key_event_key(identity.id, number)
        found: KeyEvent | None = self._get(key, stored.KEY_EVENT, objects.key_event_from)
        if found is None:
            raise stored.damaged(key)
        return found

    def _stands_at(self, identity: Identity, number: int) -> int:
        """The log index of a key event. A search looks at many, and reads only the one that it finds whole."""
        key = _key_event_key(identity.id, number)
        if key in self._objects:
            return self.key_event(identity, number).log_index
        return stored.log_index_in(key, self._read(key))

    def _delegation(self, identity: Identity, number: int) -> Delegation:
        found = identity.delegation
        if number != identity.former:
            found = self._get(
                _delegation_key(identity.id, number), stored.DELEGATION, objects.delegation_from
            )
        if found is None:
            raise stored.damaged(_delegation_key(identity.id, number))
        return found

    def lane(self, by: bytes, key: bytes, lane: bytes) -> Lane | None:
        """The lane, or None if it was not opened."""
        place = b"l" + by + key + lane
        found: Lane | None = self._objects.get(place)
        if found is None:
            found = self._get(place, stored.LANE, lambda value: Lane(**value))
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

    def _get(self, key: bytes, check: Check, make: Callable[[Any], Any]) -> Any:
        found = self._objects.get(key)
        if found is not None:
            return found
        kept = self._read(key)
        if kept is None:
            return None
        value = stored.decoded(key, kept, check, make)
        self._objects[key] = value
        return value

    def _put(self, key: bytes, value: Any) -> None:
        self._objects[key] = value
        self._dirty.add(key)


def _delegation_key(pair: bytes, number: int) -> bytes:
    return b"d" + pair + number.to_bytes(8, "big")


def _key_event_key(identity_id: bytes, number: int) -> bytes:
    return b"k" + identity_id + number.to_bytes(8, "big")


def _revealed_key(identity_id: bytes, key: bytes) -> bytes:
    return b"p" + identity_id + key


def _cut_key(identity_id: bytes, key: bytes, number: int) -> bytes:
    return b"u" + identity_id + key + number.to_bytes(8, "big")


def _keyset_key(identity_id: bytes, digest: bytes) -> bytes:
    return b"q" + identity_id + digest


def _endorsement_key(subject: bytes, issuer: bytes, number: int) -> bytes:
    return b"f" + subject + issuer + number.to_bytes(8, "big")


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

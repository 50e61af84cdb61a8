"""A source whose every answer is verified under one signed checkpoint (SPEC §9.4, §10.2, §12).

The checkpoint's last entry is a `state`, and the status map whose root it names says for every topic and subject
which entries there are. So a topic's entries, each included at its index and together hashing to the chain value in
the map, are all there are; and where the map holds nothing, there are none. Whether that root is right takes a replay
of the whole log: until an auditor who did it cosigns, completeness is the operator's word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import LineageError, ProofInvalid, RefusedInput
from ledger.fold.state import FoldState
from ledger.fold.topics import Chain, Topic, topic_key, topics_of
from ledger.fold.transition import open_entry
from ledger.identity.keyset import Keyset, check_signatures
from ledger.identity.vkey import Vkey
from ledger.merkle import prefix
from ledger.merkle.tree import ProvenTree, hash_leaf
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.partial import take
from ledger.proofs.remembered import Remembered, Segments
from ledger.proofs.source import ProofSource
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import Entry
from ledger.statements.statement import log_id

Placed = tuple[int, Entry]  # a log index and the well-formed entry there

_ASK_AGAIN = "Ask another copy of the log; if it says the same, keep both as evidence."


class Bounds(NamedTuple):
    """How much of what was verified is remembered between traces.

    In each of two generations: `entries` of topics, `artifacts` with their entries, that `signatures` of an entry hold.
    `nodes` of the log's tree, and of the status map.
    """

    entries: int = 16_384
    artifacts: int = 16_384
    signatures: int = 65_536
    nodes: int = 131_072


BOUNDS: Final = Bounds()


class VerifiedLog:
    """A log up to the checkpoint that `source` holds. What was verified is remembered, within bounds.

    Every method raises ProofInvalid for an answer that does not hold: `inclusion-invalid`, `status-invalid`.
    """

    def __init__(self, source: ProofSource, vkey: Vkey, bounds: Bounds = BOUNDS) -> None:
        """Opens checkpoint, state and genesis under the log's first vkey.

        Raises ProofInvalid `note-invalid`, `checkpoint-invalid`, `state-wrong` or `genesis-illegal`; RefusedInput
        `fold-unknown` if this version does not know the rules that the log follows by now.
        """
        self.source = source
        self.log_id = log_id(str(vkey))
        self.checkpoint = open_checkpoint(source.note, [vkey])
        self._topics: Remembered[bytes, tuple[Placed, ...]] = Remembered(bounds.entries)
        self._entries: Remembered[int, tuple[Entry | None, frozenset[bytes]]] = Remembered(bounds.entries)
        self._signed: Remembered[bytes, Mapping[int, Keyset]] = Remembered(bounds.signatures)
        self._states: Remembered[int, dict[str, Any]] = Remembered(bounds.entries)
        self._segments = Segments(bounds.entries)
        self.decoder = RecordDecoder()
        self._tree = ProvenTree(self.checkpoint.size, self.checkpoint.root, bounds.nodes)
        closing = self._open_state()
        self._status = prefix.ProvenMap(closing["root"], bounds.nodes)
        self.clock_ms: int = closing["time"]
        self.fold_number: int = closing["fold"]
        self._closing_ms = self.clock_ms
        self._check_genesis()

    def begin(self) -> None:
        """Another trace begins: `clock_ms` is again that of the checkpoint, until a `state` that is asked for says more.

        So a trace says the same whatever was traced before.
        """
        self.clock_ms = self._closing_ms

    def entry(self, log_index: int) -> Entry | None:
        """The entry at an index of the checkpoint's tree; None if it is not well-formed (SPEC §8.2)."""
        data = self.source.entry(log_index)
        try:
            entry = open_entry(data, self.log_id)
        except RefusedInput:
            entry = None
        leaf_hash = hash_leaf(data) if entry is None else entry.leaf_hash
        self._tree.verify(leaf_hash, log_index, self.source.entry_path)
        return entry

    def topic(self, topic: Topic, subject: bytes) -> tuple[Placed, ...]:
        """All well-formed entries on a subject, in log order; empty if there are none."""
        key = topic_key(topic, subject)
        if self._status.is_absent(key):
            return ()
        found = self._topics.get(key)
        if found is None:
            found = self._complete(key)
            self._topics.put(key, found, 1 + len(found))
        return found

    def is_silent(self, topics: Iterable[Topic], subject: bytes) -> bool:
        """Whether it is known already that nothing stands on any of these topics of a subject. False: ask for each."""
        is_absent = self._status.is_absent
        return all(is_absent(topic_key(topic, subject)) for topic in topics)

    def check_signatures(self, entry: Entry, asked: Mapping[int, Keyset]) -> None:
        """As `ledger.identity.keyset.check_signatures`; what held over an entry under these keysets is not verified again."""
        if self._signed.get(entry.leaf_hash) != asked:
            check_signatures(entry, asked)
            self._signed.put(entry.leaf_hash, asked)

    def state_at(self, log_index: int) -> tuple[int, dict[str, Any]]:
        """(log index, body) of the first well-formed `state` at or after an index: it tells clock and fold number there.

        That no earlier state told a later time or a greater number (SPEC §9.5, §9.6) is the operator's word.
        """
        closing = self._segments.closing_of(log_index)
        if closing is None:
            passed = log_index
            while closing is None:
                entry = self.entry(passed)
                if entry is not None and entry.statement.type == "state":
                    closing = passed
                    self._states.put(closing, entry.statement.body)
                else:
                    passed += 1
                    closing = self._segments.closing_of(passed)
            self._segments.add(log_index, closing)
        return closing, self._heard(closing)

    def clock_behind(self, log_index: int) -> tuple[int, int]:
        """(log index, time in ms) of a `state` at or behind an index, as the source names it: the first, if it is honest.

        What stood there existed by then. One that names a later state makes it younger, and nothing else.
        """
        closing = self.source.state_behind(log_index)
        if not log_index <= closing < self.checkpoint.size:
            reason = f"the source names entry {closing} as the state behind it"
            raise ProofInvalid("state-wrong", f"entry {log_index}", reason, _ASK_AGAIN)
        return closing, int(self._heard(closing)["time"])

    def _heard(self, closing: int) -> dict[str, Any]:
        """The body of the `state` at an index; what it tells of the clock is heard."""
        body = self._states.get(closing)
        if body is None:
            entry = self.entry(closing)
            if entry is None or entry.statement.type != "state":
                raise ProofInvalid("state-wrong", f"entry {closing}", "it is no state", _ASK_AGAIN)
            body = entry.statement.body
            self._states.put(closing, body)
        self.clock_ms = max(self.clock_ms, body["time"])
        return body

    def clock_at(self, log_index: int) -> int:
        """The log's clock at an index, in ms, by the state that closes its segment."""
        return int(self.state_at(log_index)[1]["time"])

    def clock_reaching(self, log_index: int, clock_ms: int) -> int | None:
        """The clock at the first index from `log_index` on where it is at least `clock_ms`; None if it is not yet."""
        while log_index < self.checkpoint.size:
            closing, body = self.state_at(log_index)
            if body["time"] >= clock_ms:
                return int(body["time"])
            log_index = closing + 1
        return None

    def fold_at(self, log_index: int) -> int:
        """The fold number by which the entry at an index is judged. Raises RefusedInput `fold-unknown`."""
        return _known_fold(self.state_at(log_index)[1]["fold"])

    def _complete(self, key: bytes) -> tuple[Placed, ...]:
        indices = self.source.topic_entries(key)
        item = f"topic {key.hex()[:16]}"
        if any(former >= later for former, later in pairwise([-1, *indices, self.checkpoint.size - 1])):
            raise ProofInvalid(
                "status-invalid", item, "its entries do not ascend, or stand behind the log", _ASK_AGAIN
            )
        found: list[Placed] = []
        chain = Chain()
        for log_index in indices:
            entry, keys = self._with_topics(log_index)
            if entry is None or key not in keys:
                raise ProofInvalid("status-invalid", item, f"entry {log_index} is not on it", _ASK_AGAIN)
            chain = chain.extend(log_index, entry.leaf_hash)
            found.append((log_index, entry))
        value = chain.value() if found else None
        self._status.verify(key, value, self.source.status_proof(key))
        return tuple(found)

    def _with_topics(self, log_index: int) -> tuple[Entry | None, frozenset[bytes]]:
        """An entry and its topic keys, remembered: one may be on 512 topics."""
        found = self._entries.get(log_index)
        if found is None:
            entry = self.entry(log_index)
            keys = frozenset(topics_of(entry.statement)) if entry is not None else frozenset()
            found = entry, keys
            self._entries.put(log_index, found, 1 + len(keys))
        return found

    def _open_state(self) -> dict[str, Any]:
        last = self.checkpoint.size - 1
        entry = self.entry(last)
        if entry is None or entry.statement.type != "state":
            raise ProofInvalid(
                "state-wrong", f"entry {last}", "the last entry of a checkpoint is no state", _ASK_AGAIN
            )
        body = entry.statement.body
        _known_fold(body["fold"])
        self._states.put(last, body)
        return body

    def _check_genesis(self) -> None:
        entries = self.topic(Topic.RULES, self.log_id)
        try:
            log_index, genesis = entries[0] if entries else (0, None)
            if log_index != 0 or genesis is None:
                raise RefusedInput("genesis-illegal", "entry 0", "it is no genesis of this log")
            take(FoldState(self.log_id), 0, genesis)
        except LineageError as error:
            raise ProofInvalid("genesis-illegal", error.item, error.reason, _ASK_AGAIN) from error


def _known_fold(number: int) -> int:
    if number not in spec.FOLDS_KNOWN:
        raise RefusedInput(
            "fold-unknown",
            f"fold {number}",
            "this version does not know its rules",
            "Upgrade lineage-ledger.",
        )
    return number

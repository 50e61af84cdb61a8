"""A source whose every answer is verified under one signed checkpoint (SPEC §9.4, §10.2, §12).

The checkpoint's last entry is a `state`, and the status map whose root it names says for every topic and subject
which entries there are. So a topic's entries, each included at its index and together hashing to the chain value in
the map, are all there are; and where the map holds nothing, there are none. Whether that root is right takes a replay
of the whole log: until an auditor who did it cosigns, completeness is the operator's word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

from ledger.errors import ProofInvalid, RefusedInput
from ledger.fold.topics import Chain, Topic, topic_key, topics_of
from ledger.fold.transition import open_entry
from ledger.identity.vkey import Vkey
from ledger.merkle import prefix
from ledger.merkle.tree import ProvenTree, hash_leaf, verify_inclusion
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.remembered import Remembered
from ledger.proofs.source import ProofSource
from ledger.proofs.traced import ASK_AGAIN, BOUNDS, Bounds, FoundPlace, Placed, TracedLog
from ledger.statements.entry import Entry
from ledger.statements.statement import Statement, log_id


class VerifiedLog(TracedLog):
    """A log up to the checkpoint that `source` holds. What was verified is remembered, within bounds.

    Every method raises ProofInvalid for an answer that does not hold: `inclusion-invalid`, `status-invalid`.
    """

    def __init__(self, source: ProofSource, vkey: Vkey, bounds: Bounds = BOUNDS) -> None:
        """Opens checkpoint, state and genesis under the log's first vkey.

        Raises ProofInvalid `note-invalid`, `checkpoint-invalid`, `state-wrong` or `genesis-illegal`; RefusedInput
        `fold-unknown` if this version does not know the rules that the log follows by now.
        """
        super().__init__(log_id(str(vkey)), open_checkpoint(source.note, [vkey]), bounds)
        self.source = source
        self._topics: Remembered[bytes, tuple[Placed, ...]] = Remembered(bounds.entries)
        self._entries: Remembered[int, tuple[Entry | None, frozenset[bytes]]] = Remembered(bounds.entries)
        self._tree = ProvenTree(self.checkpoint.size, self.checkpoint.root, bounds.nodes)
        closing = self._begin()
        self._status = prefix.ProvenMap(closing["root"], bounds.nodes)
        self._check_genesis()

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

    def find(self, artifact_id: bytes, known: Mapping[int, Entry]) -> list[FoundPlace]:
        """Its places, by verified paths; none: the source knows of none."""
        source = self.source
        found = []
        for record_number in source.find_artifact(artifact_id):
            log_index, record_index = source.locate(record_number)
            entry = known.get(log_index) or self.entry(log_index)
            if entry is None or entry.statement.type != "artifacts":
                raise ProofInvalid("inclusion-invalid", f"entry {log_index}", "no records stand under it")
            self._check_place(artifact_id, record_number, record_index, entry.statement)
            data = source.record(record_number)
            if data is not None and hash_leaf(data) != artifact_id:
                raise ProofInvalid(
                    "inclusion-invalid",
                    f"record {record_number}",
                    "it is not the artifact that was asked for",
                )
            found.append(FoundPlace(log_index, record_index, entry, data))
        return found

    def in_order(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """As the source would rather be asked for them: neighbours share pages and the nodes of their paths."""
        return self.source.expect(artifact_ids)

    def state_behind(self, log_index: int) -> int:
        """As the source says."""
        return self.source.state_behind(log_index)

    def _check_place(
        self, artifact_id: bytes, record_number: int, record_index: int, statement: Statement
    ) -> None:
        body = statement.body
        if (record_index, body["count"], body["root"]) != (0, 1, artifact_id):  # one alone is its own root
            path = self.source.record_path(record_number)
            verify_inclusion(artifact_id, record_index, body["count"], path, body["root"])

    def _complete(self, key: bytes) -> tuple[Placed, ...]:
        indices = self.source.topic_entries(key)
        item = f"topic {key.hex()[:16]}"
        if any(former >= later for former, later in pairwise([-1, *indices, self.checkpoint.size - 1])):
            raise ProofInvalid(
                "status-invalid", item, "its entries do not ascend, or stand behind the log", ASK_AGAIN
            )
        found: list[Placed] = []
        chain = Chain()
        for log_index in indices:
            entry, keys = self._with_topics(log_index)
            if entry is None or key not in keys:
                raise ProofInvalid("status-invalid", item, f"entry {log_index} is not on it", ASK_AGAIN)
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

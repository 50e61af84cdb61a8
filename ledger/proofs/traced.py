"""A log as a trace asks for it, whoever answers: a source whose every answer is verified, or one file (SPEC §12).

What both have in common stands here: the clock and the fold number of an index by the `state` that closes its segment,
signatures that are verified once, and the genesis. How an entry, a topic or an artifact is known to be the log's is the
matter of who answers (`ledger.proofs.verified`, `ledger.proofs.proven`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ledger.errors import LineageError, ProofInvalid, RefusedInput
from ledger.fold.state import FoldState
from ledger.fold.topics import Topic
from ledger.fold.transition import check_fold
from ledger.identity.keyset import Keyset, check_signatures
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.partial import take
from ledger.proofs.remembered import Remembered, Segments
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import Entry

Placed = tuple[int, Entry]  # a log index and the well-formed entry there

ASK_AGAIN: Final = "Ask another copy of the log; if it says the same, keep both as evidence."


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


class FoundPlace(NamedTuple):
    """Where a record stands, by what was verified: under `entry`, well-formed and of type `artifacts`; `data` None: it is erased."""

    log_index: int
    record_index: int
    entry: Entry
    data: bytes | None


class TracedLog(ABC):
    """A log up to one signed checkpoint. What was verified is remembered, within bounds.

    Methods raise ProofInvalid for an answer that does not hold, or is not to be had.
    """

    def __init__(self, log: bytes, checkpoint: Checkpoint, bounds: Bounds) -> None:
        self.log_id = log
        self.checkpoint = checkpoint
        self.decoder = RecordDecoder()
        self.clock_ms = 0
        self.fold_number = 0
        self._closing_ms = 0
        self._reached: dict[tuple[int, int], int | None] = {}  # of this trace: what was walked for was heard
        self._signed: Remembered[bytes, Mapping[int, Keyset]] = Remembered(bounds.signatures)
        self._states: Remembered[int, dict[str, Any]] = Remembered(bounds.entries)
        self._segments = Segments(bounds.entries)

    @abstractmethod
    def entry(self, log_index: int) -> Entry | None:
        """The entry at an index of the checkpoint's tree; None if it is not well-formed (SPEC §8.2)."""

    @abstractmethod
    def topic(self, topic: Topic, subject: bytes) -> Sequence[Placed]:
        """All well-formed entries on a subject, in log order; empty if there are none."""

    @abstractmethod
    def is_silent(self, topics: Iterable[Topic], subject: bytes) -> bool:
        """Whether it is known already that nothing stands on any of these topics of a subject. False: ask for each."""

    @abstractmethod
    def find(self, artifact_id: bytes, known: Mapping[int, Entry]) -> list[FoundPlace] | None:
        """The places of an artifact, as far as they are at hand; None: nothing is told of it. `known`: entries that were verified."""

    @abstractmethod
    def in_order(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """The same, in the order in which they are best asked for, each once."""

    @abstractmethod
    def state_behind(self, log_index: int) -> int:
        """The log index of a `state` at or behind an entry: the first, if who answers is honest. It is not verified."""

    def begin(self) -> None:
        """Another trace begins: `clock_ms` is again that of the checkpoint, until a `state` that is asked for says more.

        So a trace says the same whatever was traced before.
        """
        self.clock_ms = self._closing_ms
        self._reached = {}

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
        closing = self.state_behind(log_index)
        if not log_index <= closing < self.checkpoint.size:
            reason = f"the source names entry {closing} as the state behind it"
            raise ProofInvalid("state-wrong", f"entry {log_index}", reason, ASK_AGAIN)
        return closing, int(self._heard(closing)["time"])

    def _heard(self, closing: int) -> dict[str, Any]:
        """The body of the `state` at an index; what it tells of the clock is heard."""
        body = self._states.get(closing)
        if body is None:
            entry = self.entry(closing)
            if entry is None or entry.statement.type != "state":
                raise ProofInvalid("state-wrong", f"entry {closing}", "it is no state", ASK_AGAIN)
            body = entry.statement.body
            self._states.put(closing, body)
        self.clock_ms = max(self.clock_ms, body["time"])
        return body

    def clock_at(self, log_index: int) -> int:
        """The log's clock at an index, in ms, by the state that closes its segment."""
        return int(self.state_at(log_index)[1]["time"])

    def clock_reaching(self, log_index: int, clock_ms: int) -> int | None:
        """The clock at the first index from `log_index` on where it is at least `clock_ms`; None if it is not yet.

        All states up to there are walked once a trace, though thousands of artifacts may hang on one notice or key event.
        """
        asked = log_index, clock_ms
        if asked not in self._reached:
            self._reached[asked] = self._walk_to(log_index, clock_ms)
        return self._reached[asked]

    def _walk_to(self, log_index: int, clock_ms: int) -> int | None:
        while log_index < self.checkpoint.size:
            closing, body = self.state_at(log_index)
            if body["time"] >= clock_ms:
                return int(body["time"])
            log_index = closing + 1
        return None

    def fold_at(self, log_index: int) -> int:
        """The fold number by which the entry at an index is judged. Raises RefusedInput `fold-unknown`."""
        number: int = self.state_at(log_index)[1]["fold"]
        check_fold(number)
        return number

    def _begin(self) -> dict[str, Any]:
        """Opens the `state` that closes the checkpoint, whose body it returns: its clock, its fold number. Then the rest can be asked."""
        last = self.checkpoint.size - 1
        entry = self.entry(last)
        if entry is None or entry.statement.type != "state":
            raise ProofInvalid(
                "state-wrong", f"entry {last}", "the last entry of a checkpoint is no state", ASK_AGAIN
            )
        body = entry.statement.body
        check_fold(body["fold"])
        self.fold_number = body["fold"]
        self.clock_ms = self._closing_ms = body["time"]
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
            raise ProofInvalid("genesis-illegal", error.item, error.reason, ASK_AGAIN) from error

"""Who signed: identities replayed from their own entries, and statements judged against them (SPEC §7, §9.2, §12).

An identity is what its key events say, and for a pair those of its anchor and its delegations. All of them are at hand
by status proofs, so the fold over them alone gives the identity that the log's fold gives, but for lanes and counts
(`ledger.proofs.partial`).
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import PolicyDenied, RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Identity
from ledger.fold.state import FoldState
from ledger.fold.topics import Topic
from ledger.proofs.partial import CLOCK_UNKNOWN_MS, judge_partially, take
from ledger.proofs.verified import Placed, VerifiedLog, unbuilt
from ledger.statements.entry import Entry


@dataclass(frozen=True, slots=True)
class Signer:
    """An identity's whole life, held by a `state` of its entries; `unknown`: the verifier does not build all of it."""

    id: bytes
    state: FoldState
    unknown: bool

    def as_of(self, log_index: int) -> Identity | None:
        """The identity as it stood before an entry: only what stands at smaller indices. None if it was not enrolled."""
        return self.state.identity_before(self.id, log_index)


@dataclass(frozen=True, slots=True)
class Signed:
    """An `artifacts` statement: its records' `root` and `count`, its signer then (None: not enrolled), its fault."""

    id: bytes
    root: bytes
    count: int
    signer: Identity | None
    unknown: bool
    fault: Fault | None


class Signers:
    """The identities that one trace meets, each replayed once. Raises ProofInvalid as VerifiedLog does."""

    def __init__(self, log: VerifiedLog) -> None:
        self._log = log
        self._known: dict[bytes, Signer] = {}

    def signer(self, identity_id: bytes) -> Signer:
        """An identity of the log, by all entries that concern it."""
        if identity_id not in self._known:
            self._known[identity_id] = self._replay(identity_id)
        return self._known[identity_id]

    def judge(self, log_index: int, entry: Entry) -> Signed:
        """What an `artifacts` entry, included at `log_index`, is worth by the entries on its signer."""
        statement = entry.statement
        known = self.signer(statement.by)
        signer = known.as_of(log_index)
        state = FoldState(self._log.log_id)
        state.header.rules = self._log.rules
        if signer is not None:
            state.put_identity(signer)
        fault = None
        try:
            judge_partially(state, log_index, entry, self._clock_ms(log_index, signer))
        except (RefusedInput, PolicyDenied) as error:
            fault = fault_of(error, log_index)
        body = statement.body
        return Signed(statement.id, body["root"], body["count"], signer, known.unknown, fault)

    def _clock_ms(self, log_index: int, signer: Identity | None) -> int:
        """The clock, where a delegation in force ends by it; it costs a search for the next state."""
        if signer is None or signer.delegation is None or "until" not in (signer.delegation.scope or {}):
            return CLOCK_UNKNOWN_MS
        return self._log.clock_at(log_index)

    def _replay(self, identity_id: bytes) -> Signer:
        entries = self._entries_on(identity_id)
        births = [entry for _, entry in entries if entry.statement.id == identity_id]
        if births and "of" in births[0].statement.body:
            anchor = births[0].statement.body["of"]
            entries += self._entries_on(anchor) + self._log.topic(Topic.DELEGATIONS, identity_id)
        state = FoldState(self._log.log_id)
        for log_index, entry in sorted(dict(entries).items()):
            try:
                take(state, log_index, entry)
            except (RefusedInput, PolicyDenied):
                continue  # a fault: it stands in the chain without effect
        return Signer(identity_id, state, unbuilt(entries))

    def _entries_on(self, identity_id: bytes) -> tuple[Placed, ...]:
        return self._log.topic(Topic.KEY_EVENTS, identity_id) + self._log.topic(Topic.EVIDENCE, identity_id)

"""The writer: the one that changes the log's head, exactly in the order of SPEC §10.4.

    admit (fold, refusing faults) -> indices -> state entry -> one synced transaction -> second path over what is
    stored -> sign the checkpoint -> a second synced transaction -> acknowledge

Nothing is acknowledged before the last step. Opening a log runs the same second path and signature over whatever a
crash left behind the first transaction; it never truncates. After any fault in between, the writer refuses to go on
(`writer-poisoned`): what it has in memory and what is on disk may differ, and only reopening tells.

The writer trusts its store to keep what it synced, and nothing else: not the bytes that it handed over a moment ago.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.fold.records import UNREAD, Standing, admit_records, standing_of
from ledger.fold.state import FoldState
from ledger.fold.transition import advance, judge
from ledger.identity.vkey import Vkey
from ledger.log.candidate import Candidate, SignatureMemo, open_candidate
from ledger.log.commit import plan_commit, recompute
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proofs.note import Sign
from ledger.statements.entry import Entry, decode_entry, make_entry
from ledger.statements.record import decode_record
from ledger.statements.statement import Statement, log_id, make_statement
from ledger.store import index
from ledger.store.bundles import Erased
from ledger.store.contract import Batch, Snapshot, Space, Store
from ledger.store.head import Head, decode_head
from ledger.store.reader import StoreReader

Clock = Callable[[], int]  # unix milliseconds
Submission = tuple[bytes, Sequence[bytes]]  # an entry and the records that it signs


@dataclass(frozen=True, slots=True)
class Appended:
    """The statement stands at `log_index`, its first record at `record_number`; `known`: it stood there before."""

    statement_id: bytes
    log_index: int
    record_number: int
    known: bool = False


class LogWriter:
    """Appends to one log. Its caller holds the writer's lock (`ledger.store.lock`) for as long as it lives."""

    def __init__(self, store: Store, vkey: Vkey, sign: Sign, clock: Clock) -> None:
        """Opens the log and finishes what a crash left. Raises StoreFault, InvariantBroken or ProofInvalid."""
        self._store = store
        self._vkey = vkey
        self._sign = sign
        self._clock = clock
        self._poisoned = False
        self.log_id = log_id(str(vkey))
        with store.snapshot() as snapshot:
            self._raw_head = bytes(snapshot.head())
            self._head = decode_head(self._raw_head)
        self._signed = self._open_note(self._head.note)
        self._state = self._open_state()
        self._memo = SignatureMemo()
        if self._head.size > (self._signed.size if self._signed else 0):
            self._finish()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The newest signed checkpoint; None before the genesis."""
        return self._signed

    @property
    def note(self) -> bytes:
        """The newest signed checkpoint as its note."""
        return self._head.note

    @property
    def state(self) -> FoldState:
        """The fold's state behind the last entry. For reading only."""
        return self._state

    def begin(self, genesis: Entry) -> None:
        """Entry 0 and the first state: the first checkpoint has size 2 (SPEC §10.2)."""
        self._guard()
        if self._head.size:
            raise RefusedInput("misplaced", "genesis", "this log has begun already", "Open it instead.")
        judge(self._state, 0, genesis, self._now())
        advance(self._state, 0, genesis, in_order=True)
        self._commit([Candidate(genesis)])

    def append(
        self, submissions: Sequence[Submission], executor: Executor | None = None
    ) -> list[Appended | LineageError]:
        """Appends statements in order; for each its place, or why it was refused. Others are not held up.

        `executor`: threads that verify signatures. Returns after everything appended is durable and under a signed
        checkpoint. Raises StoreFault or InvariantBroken if a commit fails: then reopen.
        """
        self._guard()
        results: list[Appended | LineageError] = []
        start = 0
        while start < len(submissions):
            stop = self._group_end(submissions, start)
            results += self._append_group(submissions[start:stop], executor)
            start = stop
        return results

    def tick(self) -> None:
        """A commit of a state alone: the clock goes on and a fresh checkpoint is signed."""
        self._guard()
        self._commit([])

    def _group_end(self, submissions: Sequence[Submission], start: int) -> int:
        """Where a commit ends, by number and bytes: at least one statement, at most what fits."""
        size_bytes = 0
        for stop in range(start, len(submissions)):
            entry, records = submissions[stop]
            size_bytes += len(entry) + sum(map(len, records))
            if stop > start and (
                stop - start >= spec.COMMIT_ENTRIES_MAX or size_bytes > spec.COMMIT_BYTES_MAX
            ):
                return stop
        return len(submissions)

    def _append_group(
        self, submissions: Sequence[Submission], executor: Executor | None
    ) -> list[Appended | LineageError]:
        run = executor.map if executor else map
        opened = list(run(self._open, submissions))
        accepted: list[Candidate] = []
        results: list[Appended | LineageError] = []
        known: dict[bytes, Appended] = {}
        with self._store.snapshot() as snapshot:
            admit = _Admission(StoreReader(snapshot), self._state, self._memo, self._now())
            record_number = self._head.records
            for candidate in opened:
                if isinstance(candidate, LineageError):
                    results.append(candidate)
                    continue
                statement = candidate.entry.statement
                before = known.get(statement.id) or admit.known(statement)
                if before:
                    results.append(replace(before, known=True))
                    continue
                log_index = self._head.size + len(accepted)
                try:
                    admit.judge(log_index, candidate)
                except LineageError as error:
                    results.append(error)
                    continue
                advance(self._state, log_index, candidate.entry, in_order=True)
                admit.taken(candidate)
                accepted.append(candidate)
                known[statement.id] = Appended(statement.id, log_index, record_number)
                record_number += len(candidate.records)
                results.append(known[statement.id])
        if accepted:
            self._commit(accepted, admit.clock_ms)
        return results

    def _open(self, submission: Submission) -> Candidate | LineageError:
        entry, records = submission
        try:
            candidate = open_candidate(
                entry, records, self.log_id, self._state.header.rules.get("limits", {})
            )
        except LineageError as error:
            return error
        statement = candidate.entry.statement
        if statement.type == "enrol":
            self._memo.verify_ahead(candidate, statement.body["keyset"])
        else:
            signer = self._state.identity(statement.by)
            if signer is not None:
                self._memo.verify_ahead(candidate, signer.in_force.keyset)
        return candidate

    def _commit(self, accepted: list[Candidate], clock_ms: int | None = None) -> None:
        """From accepted entries to a signed, durable checkpoint. Poisons the writer unless it comes to its end."""
        self._poisoned = True
        state_entry = self._state_entry(self._now() if clock_ms is None else clock_ms)
        log_index = self._head.size + len(accepted)
        judge(self._state, log_index, state_entry, state_entry.statement.body["time"])
        advance(self._state, log_index, state_entry, in_order=True)
        with self._store.snapshot() as snapshot:
            planned = plan_commit(snapshot, self._head, [*accepted, Candidate(state_entry)], self._state)
        self._store_head(planned.batch, planned.head)
        self._finish()
        self._poisoned = False

    def _finish(self) -> None:
        """The second path, the signature, the second transaction: also what recovery runs."""
        with self._store.snapshot() as snapshot:
            checkpoint = recompute(snapshot, self._head, self._signed, self._vkey.name)
        note = sign_checkpoint(checkpoint, self._sign, self._vkey.key).encode()
        self._store_head(Batch(), replace(self._head, note=note))
        self._signed = checkpoint

    def _store_head(self, batch: Batch, head: Head) -> None:
        raw = head.encode()
        self._store.commit(batch, self._raw_head, raw)
        self._raw_head, self._head = raw, head

    def _state_entry(self, clock_ms: int) -> Entry:
        body = {
            "root": self._state.status_root(),
            "records": self._state.header.records,
            "time": clock_ms,
            "fold": spec.FOLD_VERSION,
        }
        return make_entry(make_statement("state", self.log_id, body))

    def _now(self) -> int:
        """The clock, never before the last state's (SPEC §9.5)."""
        return max(self._clock(), self._state.header.clock_ms)

    def _open_note(self, note: bytes) -> Checkpoint | None:
        return open_checkpoint(note, [self._vkey]) if note else None

    def _open_state(self) -> FoldState:
        def read(space: Space) -> Callable[[bytes], bytes | None]:
            def get(key: bytes) -> bytes | None:
                with self._store.snapshot() as snapshot:
                    found = snapshot.get(space, key)
                    return None if found is None else bytes(found)

            return get

        return FoldState(self.log_id, read(Space.FOLD), read(Space.STATUS))

    def _guard(self) -> None:
        if self._poisoned:
            raise StoreFault(
                "writer-poisoned",
                "log writer",
                "an earlier commit did not come to its end",
                "Reopen the ledger: it finishes or drops that commit; nothing acknowledged is lost.",
            )


class _Admission:
    """Admission of one group against a snapshot, the state, and what the group itself brought before."""

    def __init__(self, reader: StoreReader, state: FoldState, memo: SignatureMemo, clock_ms: int) -> None:
        self._reader = reader
        self._state = state
        self._memo = memo
        self._fresh: dict[bytes, Standing] = {}
        self.clock_ms = clock_ms

    def known(self, statement: Statement) -> Appended | None:
        """Where the statement stands already, its leaf read again rather than believed to be there."""
        snapshot: Snapshot = self._reader.snapshot

        def same(position: int) -> bool:
            log_index = index.statement_index(position)
            return log_index is not None and _statement_at(self._reader, log_index) == statement.payload

        position = index.find(snapshot, statement.id, same)
        log_index = None if position is None else index.statement_index(position)
        if log_index is None:
            return None
        return Appended(statement.id, log_index, self._reader.record_start(log_index), known=True)

    def judge(self, log_index: int, candidate: Candidate) -> None:
        """Raises the LineageError for which the statement is refused."""
        statement = candidate.entry.statement
        judge(self._state, log_index, candidate.entry, self.clock_ms, self._memo.check)
        if statement.type == "artifacts":
            signer = self._state.identity(statement.by)
            if signer is not None:
                admit_records(statement, signer, candidate.records, self._find)

    def taken(self, candidate: Candidate) -> None:
        """What later candidates of the group may name as parents."""
        for record in candidate.records:
            self._fresh[record.id] = standing_of(record)

    def _find(self, artifact_id: bytes) -> Standing | None:
        fresh = self._fresh.get(artifact_id)
        if fresh is not None:
            return fresh
        found: list[Standing] = []

        def same(position: int) -> bool:
            if index.statement_index(position) is not None:
                return False
            item = self._reader.record(position)
            if isinstance(item, Erased):
                found[:] = [UNREAD]
                return item.leaf_hash == artifact_id
            record = decode_record(item)
            found[:] = [standing_of(record)]
            return record.id == artifact_id

        return None if index.find(self._reader.snapshot, artifact_id, same) is None else found[0]


def _statement_at(reader: StoreReader, log_index: int) -> bytes:
    return decode_entry(reader.entry(log_index)).statement.payload

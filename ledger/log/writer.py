"""The writer: the one that changes the log's head, exactly in the order of SPEC §10.4.

    admit (fold, refusing faults) -> indices -> state entry -> one synced transaction -> second path over what is
    stored -> sign the checkpoint -> a second synced transaction -> acknowledge

Nothing is acknowledged before the last step. Opening a log runs the same second path and signature over whatever a
crash left behind the first transaction; it never truncates. After any fault in between, the writer refuses to go on
(`writer-poisoned`): what it has in memory and what is on disk may differ, and only reopening tells. What the fold
refuses is an answer; everything else that goes wrong during admission is such a fault, since the state has then
taken entries that were not committed.

What recovery signs it first folds again (`ledger.log.recovery`): the writer's admission of it is not remembered.

The writer trusts its store to keep what it synced, and nothing else: not the bytes that it handed over a moment ago.
What it reads back later is checked as far as its own hash or place can tell; the rest is for the audit: old entries
and records, the fold's state but for its header, the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ledger import spec
from ledger.errors import InvariantBroken, LineageError, PolicyDenied, RefusedInput, StoreFault
from ledger.fold.records import Standing
from ledger.fold.state import FoldState
from ledger.fold.subjects import Subject
from ledger.fold.transition import advance, judge, open_entry
from ledger.identity.keyset import Keyset
from ledger.identity.vkey import Vkey
from ledger.log.admission import admit_parts
from ledger.log.candidate import Candidate, SignatureMemo, open_candidate
from ledger.log.commit import check_stored, plan_commit, recompute
from ledger.log.recovery import check_unsigned
from ledger.log.standing import find_standing, find_subject
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proofs.note import Sign
from ledger.statements import words
from ledger.statements.alike import RecordDecoder
from ledger.statements.entry import Entry, decode_entry, make_entry
from ledger.statements.statement import Statement, log_id, make_statement
from ledger.store import index
from ledger.store.contract import Batch, Snapshot, Space, Store, head_moved
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
    """Appends to one log. For one thread at a time; see `ledger.log.pool` for many.

    Its caller holds the writer's lock (`ledger.store.lock`) for as long as it lives.
    """

    def __init__(self, store: Store, vkey: Vkey, sign: Sign, clock: Clock) -> None:
        """Opens the log and finishes what a crash left.

        Raises StoreFault, InvariantBroken or ProofInvalid; RefusedInput `fold-unknown`.
        """
        self._store = store
        self._vkey = vkey
        self._sign = sign
        self._clock = clock
        self._poisoned = False
        self._decoder = RecordDecoder()
        self.log_id = log_id(str(vkey))
        with store.snapshot() as snapshot:
            self._raw_head = bytes(snapshot.head())
        self._head = decode_head(self._raw_head)
        self._signed = open_checkpoint(self._head.note, [vkey]) if self._head.note else None
        self._state = FoldState(self.log_id, self._read(Space.FOLD), self._read(Space.STATUS))
        self._check_fold_number()
        if self._head.size:
            with store.snapshot() as snapshot:
                checkpoint = recompute(snapshot, self._head, self._signed, vkey.name)
                self._check_state(StoreReader(snapshot))
                if checkpoint != self._signed:
                    check_unsigned(
                        snapshot, self._head, self._signed.size if self._signed else 0, self._state
                    )
            if checkpoint != self._signed:
                self._finish(checkpoint)
        # From its next commit on the log follows the newest rules (SPEC §9.6).
        self._state.header.fold_number = spec.FOLD_VERSION

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
        """Entry 0 and the first state: the first checkpoint has size 2 (SPEC §10.2).

        Raises RefusedInput `misplaced` if the log has begun, and for a genesis that is faulty or another log's.
        """
        self._guard()
        if self._head.size:
            raise RefusedInput("misplaced", "genesis", "this log has begun already", "Open it instead.")
        genesis = open_entry(genesis.encoded, self.log_id)
        clock_ms = self.now_ms()
        judge(self._state, 0, genesis, clock_ms)
        with self._to_its_end():
            advance(self._state, 0, genesis, clock_ms, in_order=True)
            self._commit([Candidate(genesis)], clock_ms)

    def append(
        self, submissions: Sequence[Submission], executor: Executor | None = None
    ) -> list[Appended | LineageError]:
        """Appends statements in order; for each its place, or why it was refused. Others are not held up.

        `executor`: threads that verify signatures. Returns after everything appended is durable and under a signed
        checkpoint. What is refused is RefusedInput or PolicyDenied. Raises StoreFault or InvariantBroken if a commit
        fails: then reopen and send all again, since what is known already is answered with its place.
        """
        self._guard()
        results: list[Appended | LineageError] = []
        start = 0
        while start < len(submissions):
            stop = group_end(submissions, start)
            results += self._append_group(submissions[start:stop], executor)
            start = stop
        return results

    def tick(self) -> None:
        """A commit of a state alone: the clock goes on and a fresh checkpoint is signed."""
        self._guard()
        if not self._head.size:
            raise RefusedInput("misplaced", "state", "this log has not begun", "Begin it with a genesis.")
        clock_ms = self.now_ms()
        with self._to_its_end():
            self._commit([], clock_ms)

    def _append_group(
        self, submissions: Sequence[Submission], executor: Executor | None
    ) -> list[Appended | LineageError]:
        opened = [self._open(submission) for submission in submissions]
        memo = SignatureMemo()
        clock_ms = self.now_ms()
        memo.verify_ahead([asked for item in opened for asked in self._asked(item, clock_ms)], executor)
        with self._to_its_end():
            with self._store.snapshot() as snapshot:
                admission = _Admission(StoreReader(snapshot), self._state, self._head, memo, clock_ms)
                results = [admission.take(item) if isinstance(item, Candidate) else item for item in opened]
            if admission.accepted:
                self._commit(admission.accepted, clock_ms)
        return results

    def _open(self, submission: Submission) -> Candidate | LineageError:
        entry, records = submission
        try:
            return open_candidate(entry, records, self.log_id, self._decoder)
        except (RefusedInput, PolicyDenied) as error:
            return error

    def _asked(self, opened: Candidate | LineageError, clock_ms: int) -> Iterator[tuple[Entry, Keyset]]:
        """The entry and the keyset that it will most likely be judged by, if one is known yet."""
        if not isinstance(opened, Candidate):
            return
        statement = opened.entry.statement
        if statement.type == "enrol":
            yield opened.entry, statement.body["keyset"]
        elif statement.type in words.TYPES_ORDINARY and (signer := self._state.identity(statement.by)):
            yield opened.entry, signer.in_force(clock_ms).keyset

    def _commit(self, accepted: list[Candidate], clock_ms: int) -> None:
        """From entries that the state has taken to a signed, durable checkpoint."""
        state_entry = self._state_entry(clock_ms)
        log_index = self._head.size + len(accepted)
        judge(self._state, log_index, state_entry, clock_ms)
        advance(self._state, log_index, state_entry, clock_ms, in_order=True)
        with self._store.snapshot() as snapshot:
            self._check_head(snapshot)
            planned = plan_commit(snapshot, self._head, [*accepted, Candidate(state_entry)], self._state)
        self._store_head(planned.batch, planned.head)
        decoded = {item.entry.encoded: item.entry.statement for item in accepted}
        with self._store.snapshot() as snapshot:
            check_stored(snapshot, planned.batch)
            checkpoint = recompute(snapshot, self._head, self._signed, self._vkey.name, decoded)
        self._finish(checkpoint)

    def _finish(self, checkpoint: Checkpoint) -> None:
        """The signature and the second transaction, after the second path: also what recovery runs."""
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

    def now_ms(self) -> int:
        """The log's clock at a commit made now, in ms: never before the last state's.

        Raises StoreFault `clock-behind` if that lies far ahead of this machine's clock (SPEC §9.5).
        """
        now_ms, last_ms = self._clock(), self._state.header.clock_ms
        if last_ms > now_ms + spec.CLOCK_AHEAD_MAX_S * 1_000:
            raise StoreFault(
                "clock-behind",
                "this machine's clock",
                f"it is {(last_ms - now_ms) // 1_000} s behind the log's last time; the log signs no time so far ahead",
                "Set the clock right, or wait until it has caught up.",
            )
        return max(now_ms, last_ms)

    def _read(self, space: Space) -> Callable[[bytes], bytes | None]:
        """What the state reads through."""

        def read(key: bytes) -> bytes | None:
            with self._store.snapshot() as snapshot:
                found = snapshot.get(space, key)
                return None if found is None else bytes(found)

        return read

    def _check_state(self, reader: StoreReader) -> None:
        """Whether the fold's state is the one that the last entry, a `state`, was written with."""
        header, head = self._state.header, self._head
        last = decode_entry(reader.entry(head.size - 1)).statement.body
        stands = (head.size, head.records, last.get("root"), last.get("time"))
        if stands != (header.size, header.records, header.status_root, header.clock_ms):
            raise _damaged("fold state", "it is not the one that the last entry of the log was written with")

    def _check_fold_number(self) -> None:
        """A log that follows rules which are not known here is not led on (SPEC §9.6)."""
        number = self._state.header.fold_number
        if number > spec.FOLD_VERSION:
            raise RefusedInput(
                "fold-unknown",
                "ledger",
                f"its log is folded by number {number}; this version writes {spec.FOLD_VERSION}",
                "Upgrade lineage-ledger.",
            )

    def _check_head(self, snapshot: Snapshot) -> None:
        """Whether nobody else wrote since: the lock forbids it, and the store would refuse the commit."""
        if snapshot.head() != self._raw_head:
            raise head_moved("log writer")

    @contextmanager
    def _to_its_end(self) -> Iterator[None]:
        """Poisons the writer unless the block comes to its end."""
        self._poisoned = True
        yield
        self._poisoned = False

    def _guard(self) -> None:
        if self._poisoned:
            raise StoreFault(
                "writer-poisoned",
                "log writer",
                "an earlier commit did not come to its end",
                "Reopen the ledger: it finishes or drops that commit; nothing acknowledged is lost.",
            )


def group_end(submissions: Sequence[Submission], start: int) -> int:
    """Where the commit that begins at `start` ends, by number and bytes: one statement at least, else what fits.

    What signs no records costs more than its bytes say: each of its subjects is looked up, and is a chain of its own.
    """
    size_bytes = said_bytes = 0
    for stop in range(start, len(submissions)):
        entry, records = submissions[stop]
        size_bytes += len(entry) + sum(map(len, records))
        said_bytes += 0 if records else len(entry)
        is_full = size_bytes > spec.COMMIT_BYTES_MAX or said_bytes > spec.COMMIT_SAID_BYTES_MAX
        if stop > start and (stop - start >= spec.COMMIT_ENTRIES_MAX or is_full):
            return stop
    return len(submissions)


class _Admission:
    """Admission of one group against a snapshot, the state, and what the group itself brought before."""

    def __init__(
        self, reader: StoreReader, state: FoldState, head: Head, memo: SignatureMemo, clock_ms: int
    ) -> None:
        """`clock_ms`: the log's clock at the group, the time of the `state` that will close it."""
        self.accepted: list[Candidate] = []
        self._reader = reader
        self._state = state
        self._memo = memo
        self._clock_ms = clock_ms
        self._size = head.size
        self._records = self._stored_records = head.records
        self._appended: dict[bytes, Appended] = {}
        self._fresh: dict[bytes, Standing] = {}
        self._makers: dict[bytes, bytes] = {}  # of what is fresh

    def take(self, candidate: Candidate) -> Appended | LineageError:
        """Takes a candidate into the state and gives its place, the old one if it is known; or why it is refused."""
        statement = candidate.entry.statement
        before = self._appended.get(statement.id) or self._stored(statement)
        if before:
            return replace(before, known=True)
        log_index = self._size + len(self.accepted)
        try:
            judge(self._state, log_index, candidate.entry, self._clock_ms, self._memo.check)
            standings = admit_parts(self._state, candidate, self._find, self._find_named)
        except (RefusedInput, PolicyDenied) as error:
            return error
        advance(self._state, log_index, candidate.entry, self._clock_ms, in_order=True)
        appended = Appended(statement.id, log_index, self._records)
        self._appended[statement.id] = appended
        self._records += len(candidate.records)
        self._fresh.update(standings)
        self._makers.update(dict.fromkeys(standings, statement.by))
        self.accepted.append(candidate)
        return appended

    def _stored(self, statement: Statement) -> Appended | None:
        """Where the statement stands already, its leaf read again rather than believed to be there."""

        def same(position: int) -> bool:
            log_index = index.statement_index(position)
            return log_index is not None and self._payload(log_index) == statement.payload

        position = index.find(self._reader.snapshot, statement.id, same)
        log_index = None if position is None else index.statement_index(position)
        if log_index is None:
            return None
        return Appended(statement.id, log_index, self._reader.record_start(log_index))

    def _payload(self, log_index: int) -> bytes:
        try:
            return decode_entry(self._reader.entry(log_index)).statement.payload
        except RefusedInput as error:  # our damage, not the caller's fault
            raise _damaged(f"entry {log_index}", f"what is stored is no entry ({error})") from error

    def _find(self, artifact_id: bytes) -> Standing | None:
        fresh = self._fresh.get(artifact_id)
        return fresh or find_standing(self._reader, self._state, artifact_id, self._stored_records)

    def _find_named(self, artifact_id: bytes) -> Subject | None:
        fresh = self._fresh.get(artifact_id)
        if fresh is not None:
            return Subject(self._makers[artifact_id], fresh.row_count)
        return find_subject(self._reader, self._state, artifact_id, self._stored_records)


def _damaged(item: str, reason: str) -> InvariantBroken:
    """What is stored is not what a writer leaves."""
    return InvariantBroken(
        "tree-differs",
        item,
        reason,
        "Keep the folder as it is, check disk and memory, and run `lineage audit`.",
    )

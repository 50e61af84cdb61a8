"""The audit: everything that a log says, computed again from its entries and records, and compared (SPEC §9, §10).

Nothing is trusted but the vkey: the note is verified, the tree is hashed anew, the fold is replayed, every record is
judged, and what a ledger's store keeps beside is held to the outcome. What breaks a rule is named with its place, and
the audit goes on: a fault has no effect on what follows (SPEC §9.1). An audit never raises for what the log holds; what it
could not look at makes it *incomplete*, and that is never ok.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.audit.erasures import Erasures
from ledger.audit.index import IndexAudit
from ledger.audit.records import RecordAudit
from ledger.audit.report import AuditReport, entries_named
from ledger.audit.rows import RowsAudit
from ledger.audit.sources import FolderSource, LedgerSource, Source
from ledger.audit.storage import StorageAudit
from ledger.audit.tree import TreeAudit
from ledger.errors import RefusedInput, StoreFault
from ledger.fold.disowning import disowning
from ledger.fold.faults import Fault
from ledger.fold.segments import closing_state
from ledger.fold.state import FoldState
from ledger.fold.subjects import fold_subjects
from ledger.fold.transition import SignatureCheck, fold, open_entry
from ledger.identity.keyset import check_signatures
from ledger.identity.vkey import Vkey
from ledger.spec import FOLDS_KNOWN, TILE_WIDTH
from ledger.statements import words
from ledger.statements.entry import Entry
from ledger.statements.statement import log_id
from ledger.store.contract import Store
from ledger.store.index import statement_position
from ledger.store.rows_file import RowsFolder

Progress = Callable[[int, int], None]  # done and total, in steps: two for each entry

_BUNDLES_KEPT: Final = 32  # of entries: a segment of an honest log is read once
_WITH_CONSEQUENCES: Final = words.TYPES_KEY_EVENT | {"attest", "notice", "rules"}


def audit_ledger(
    store: Store, vkey: Vkey, progress: Progress | None = None, rows: RowsFolder | None = None
) -> AuditReport:
    """Audits a ledger's store, as of now; `vkey` is the marker's.

    `rows`: where its sidecars lie; None: it is asked of the log alone, and whether rows can be proved is not said.
    """
    with store.snapshot() as snapshot:
        return audit(LedgerSource(snapshot, vkey), progress, rows=rows)


def audit_folder(
    folder: Path,
    vkey: Vkey | None = None,
    progress: Progress | None = None,
    rows: RowsFolder | None = None,
) -> AuditReport:
    """Audits a published folder; `rows` as above. Without `vkey` the genesis names it, and the report is `self_trusted`."""
    return audit(FolderSource(folder, vkey), progress, rows=rows)


def audit(
    source: Source,
    progress: Progress | None = None,
    verify: SignatureCheck = check_signatures,
    rows: RowsFolder | None = None,
) -> AuditReport:
    """Replays all that `source` holds up to its checkpoint. `verify` may remember signatures checked before."""
    report = AuditReport()
    source.open(report)
    size = source.size
    if not size or source.vkey is None:
        if not report.fault_count:
            report.miss(Fault(0, "genesis-illegal", "the log has no entry 0"))
        return report

    def advance(done: int) -> None:
        if progress is not None:
            progress(done, 2 * size)

    tree = TreeAudit(source, report)
    tree.run(report.checkpoint.root if report.checkpoint else None, advance)
    is_ledger = isinstance(source, LedgerSource)
    sidecars = RowsAudit(rows, report) if rows is not None else None
    replay = _Replay(source, report, log_id(str(source.vkey)), tree.readable, sidecars, keeps_index=is_ledger)
    replay.run(verify, lambda done: advance(size + done))
    if isinstance(source, LedgerSource):
        _audit_storage(source, report, replay, verify)
    return report


def _audit_storage(
    source: LedgerSource, report: AuditReport, replay: _Replay, verify: SignatureCheck
) -> None:
    """Holds what a ledger keeps beside to the replay, which goes on over a commit in flight: its effect is stored."""
    storage = StorageAudit(source, report)
    faults_before = report.fault_count
    storage.compare_layout()
    is_laid_out = report.fault_count == faults_before
    if source.is_ahead and replay.is_complete and is_laid_out:
        source.extend()
        replay.go_on(verify)
    storage.compare_starts(replay.starts)
    if source.is_ahead or not replay.is_complete:
        report.incomplete = True
        return
    records = replay.state.header.records
    storage.compare_state(replay.pairs, replay.nodes, records)
    if replay.index is not None:
        storage.compare_index(replay.index, replay.starts, records)


class _Replay:
    """The fold over the entries, in segments that a well-formed state closes (SPEC §9.5, §9.6)."""

    def __init__(
        self,
        source: Source,
        report: AuditReport,
        log: bytes,
        stop: int,
        sidecars: RowsAudit | None,
        keeps_index: bool,
    ) -> None:
        self._source = source
        self._report = report
        self._log = log
        self._stop = stop
        self._entries = lru_cache(_BUNDLES_KEPT)(source.entries)
        self.pairs: dict[bytes, bytes] = {}
        self.nodes: dict[bytes, bytes] = {}
        self.starts = array("Q")  # how many records stand before each entry
        self.index = IndexAudit() if keeps_index else None
        self.state = FoldState(log, self.pairs.get, self.nodes.get)
        self._records = RecordAudit(source, report, self.index, sidecars)
        self._erasures = Erasures()
        self._cuts = False

    @property
    def is_complete(self) -> bool:
        """Whether every entry was folded."""
        return self.state.header.size == self._source.size

    def run(self, verify: SignatureCheck, advance: Callable[[int], None]) -> None:
        """Folds the genesis, then segment by segment; faults, and where it had to stop, are reported."""
        try:
            if not self._stop or not self._step(0, 0, 1, verify):
                return
            if self._source.size == 1:
                self._accuse_open_end(0)
        except StoreFault as error:
            self._miss_next(error)
        else:
            self._fold_segments(1, verify, advance)
        self._records.finish(self._erasures.allowed)
        self._say_how_far()

    def go_on(self, verify: SignatureCheck) -> None:
        """Folds on, when the source was extended behind the signed entries; how far was said already."""
        self._entries.cache_clear()
        self._stop = self._source.size
        self._fold_segments(self.state.header.size, verify, lambda _done: None)
        self._records.finish(self._erasures.allowed)

    def _fold_segments(self, start: int, verify: SignatureCheck, advance: Callable[[int], None]) -> None:
        try:
            while start < self._stop:
                closing = closing_state(self._entry, self._log, start, self._stop)
                if closing is None:
                    self._accuse_open_end(start)
                    break
                end, time_ms, number = closing
                if number not in FOLDS_KNOWN:
                    text = f"{entries_named(start, end + 1)} are folded by number {number}, which this version does not know"
                    self._report.miss(Fault(end, "fold-unknown", text))
                    break
                clock_ms = max(self.state.header.clock_ms, time_ms)
                self._erasures.settle(self.state, clock_ms)
                for log_index in range(start, end + 1):
                    self._step(log_index, clock_ms, number, verify)
                self._keep_changes()
                start = end + 1
                advance(start)
        except StoreFault as error:
            self._miss_next(error)

    def _miss_next(self, error: StoreFault) -> None:
        """The entry that comes next cannot be read, though it could a moment ago."""
        at = self.state.header.size
        self._report.miss(Fault(at, error.code, f"entry {at}: {error.item}: {error.reason}"))

    def _say_how_far(self) -> None:
        header, size = self.state.header, self._source.size
        self._report.size, self._report.records = header.size, header.records
        kinds = Counter(key[:1] for key in self.pairs)
        self._report.identities = kinds[b"i"]
        self._report.key_events = kinds[b"k"]  # each but the last of an identity is kept apart
        self._report.disowned = self._disowned() if self._cuts else 0
        if header.size == size:
            return
        self._report.incomplete = True
        self._report.remarks.append(f"Not replayed: {entries_named(header.size, size)}.")

    def _disowned(self) -> int:
        """How many statements are disowned by now; only where a key event says that a key was lost, all are looked at again."""
        count = 0
        for log_index in range(self.state.header.size):
            if self.state.is_faulty(log_index):
                continue
            try:
                entry = open_entry(self._entry(log_index), self._log)
            except (RefusedInput, StoreFault):
                continue
            count += disowning(self.state, log_index, entry, self.state.header.clock_ms) is not None
        return count

    def _accuse_open_end(self, start: int) -> None:
        """Entries that no state closes; where reading had to stop before the end, one may stand behind."""
        size = self._source.size
        if self._stop == size:
            text = f"{entries_named(start, size)} are in the log, but no well-formed state stands last"
            self._report.accuse(Fault(size - 1, "state-wrong", text))

    def _keep_changes(self) -> None:
        pairs, nodes = self.state.take_changes()
        self.pairs.update(pairs)
        self.nodes.update(nodes)

    def _entry(self, log_index: int) -> bytes:
        return self._entries(log_index // TILE_WIDTH)[log_index % TILE_WIDTH]

    def _step(self, log_index: int, clock_ms: int, number: int, verify: SignatureCheck) -> bool:
        """One entry and its records. False if it is entry 0 and no genesis in order: then there is no log.

        No clock and no fold number but its own matter to a genesis.
        """
        start = self.state.header.records
        entry, fault = fold(
            self.state, log_index, self._entry(log_index), clock_ms, verify, fold_number=number
        )
        if fault is not None and log_index == 0:
            text = f"entry 0 is no genesis in order ({fault.code}): {fault.what}"
            self._report.miss(Fault(0, "genesis-illegal", text))
            return False
        if fault is not None:
            self._report.accuse(fault)
        self.starts.append(start)
        if entry is None:
            if self.index is not None:
                self.index.allow(statement_position(log_index))
            return True
        statement = entry.statement
        if self.index is not None:
            self.index.expect(statement.id, statement_position(log_index))
        if statement.type == "artifacts":
            signer = self.state.identity(statement.by) if fault is None else None
            self._records.take(log_index, statement, start, signer)
        elif fault is None and statement.type in _WITH_CONSEQUENCES:
            self._follow(log_index, entry, clock_ms)
        return True

    def _follow(self, log_index: int, entry: Entry, clock_ms: int) -> None:
        """What an entry in order without records leads to: subjects that it may not name, erasures, disowned statements."""
        statement = entry.statement
        self._cuts |= "compromised" in statement.body
        find = self._records.finder(statement)
        faults = fold_subjects(self.state, log_index, statement, find)
        for fault in faults:
            self._report.accuse(fault)
        at_fault = {fault.record_index for fault in faults}
        self._erasures.take(self.state, log_index, entry, clock_ms, at_fault, find)

"""What an audit says: faults, each with its place, and whether anything could not be looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ledger.fold.faults import Fault
from ledger.proofs.checkpoint import Checkpoint

FAULTS_KEPT: Final = 1_000  # faults that a report names; more are counted


@dataclass(slots=True)
class AuditReport:
    """The outcome of one audit, filled while it runs.

    `checkpoint` is the log checkpoint that was audited; its signature held unless a fault says otherwise. `size` and
    `records` are what was replayed, `rows` those of imported datasets whose digests were hashed, `identities` those enrolled, the operator's among them, `key_events` their rotations,
    recoveries and retirements, `disowned` the statements that were disowned by the end. `faults` are the first
    FAULTS_KEPT of `fault_count`; the log_index of one that concerns a range is the range's first, and its text names
    the range. `self_trusted`: the vkey came from the log itself. `remarks` are no faults.
    """

    checkpoint: Checkpoint | None = None
    note: bytes = b""
    size: int = 0
    records: int = 0
    rows: int = 0
    identities: int = 0
    key_events: int = 0
    disowned: int = 0
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    incomplete: bool = False
    self_trusted: bool = False
    remarks: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything was looked at and nothing is at fault."""
        return self.checkpoint is not None and not self.fault_count and not self.incomplete

    def accuse(self, fault: Fault) -> None:
        """Takes down a fault."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)

    def miss(self, fault: Fault) -> None:
        """Takes down a fault that keeps the audit from being complete."""
        self.incomplete = True
        self.accuse(fault)


def entries_named(start: int, stop: int) -> str:
    """How a fault's text names the entries of [start, stop)."""
    return f"entry {start}" if stop == start + 1 else f"entries [{start}, {stop})"

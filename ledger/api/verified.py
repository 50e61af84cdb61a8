"""What became of a receipt: counted, by whom, and what did not hold (SPEC §11.4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ledger.errors import ProofInvalid
from ledger.proofs.receipt import STANDING, ReceiptFacts

LEVEL: Final = "L1"  # what a receipt supports: a greater level takes the log (SPEC §12)
PROVES: Final = "logged and signed"
UNKNOWN: Final = ("standing", "time", "ancestry")  # what no receipt tells
FAULTS_KEPT_MAX: Final = 16  # of one receipt


class Signer(NamedTuple):
    """Who signed: an identity, its role, and of a pair its anchor. Ids have 32 bytes."""

    maker: bytes
    role: str
    anchor: bytes | None

    @property
    def human(self) -> bytes | None:
        """Who answers for what was made: a human, or the anchor of a pair."""
        return self.anchor if self.role == "pair" else self.maker if self.role == "human" else None


@dataclass(slots=True)
class Verified:
    """What became of one receipt of `path`.

    `facts` are those of a file's receipt that holds. Of a dataset's rows `verified`, `unlogged` and `invalid` count, and `column` was
    compared. `made_by` counts the artifacts that hold by their signers, those of stance `made` alone; `reported_by` the
    others. `size` is that of the greatest log checkpoint. `faults` are the first, of `fault_count`.
    """

    path: str
    receipt: str
    is_table: bool = False
    column: str | None = None
    facts: ReceiptFacts | None = None
    verified: int = 0
    unlogged: int = 0
    invalid: int = 0
    made_by: Counter[Signer] = field(default_factory=Counter)
    reported_by: Counter[Signer] = field(default_factory=Counter)
    size: int = 0
    faults: list[ProofInvalid] = field(default_factory=list)
    fault_count: int = 0
    standing: str = STANDING

    @property
    def ok(self) -> bool:
        """Whether everything has a receipt, and each holds."""
        return not (self.fault_count or self.unlogged or self.invalid) and self.verified > 0

    @property
    def humans(self) -> frozenset[bytes]:
        """The ids of the people who answer for what they made, here or by a pair of theirs."""
        return frozenset(signer.human for signer in self.made_by if signer.human is not None)

    def fault(self, error: ProofInvalid) -> None:
        """Notes what does not hold."""
        self.fault_count += 1
        if len(self.faults) < FAULTS_KEPT_MAX:
            self.faults.append(error)

    def count(self, signer: Signer, stance: str) -> None:
        """Notes one artifact that holds."""
        (self.made_by if stance == "made" else self.reported_by)[signer] += 1
        self.verified += 1


def signer_of(facts: ReceiptFacts) -> Signer:
    """Who signed what a receipt is about."""
    return Signer(facts.maker, facts.role, facts.anchor)

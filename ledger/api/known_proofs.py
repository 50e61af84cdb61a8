"""A proof file and what was accepted here before: is it the same history? (SPEC §12.4, §11.2)

Whether a file holds is decided without any memory. Whoever has one asks besides whether the log told him the same before:

    first           nothing was accepted of this log yet: the file is, for the log's signature alone
    same            the very log checkpoint that was accepted
    extends         it holds all that was accepted: by a point of the file, or by a copy of the log at hand
    behind          older than what was accepted; that it is its beginning, only a copy at hand proves
    not-compared    greater than what was accepted, and nothing at hand says how the two belong together

An older file is no fault: a proof lives for years, and says what was so at its checkpoint. Two histories are: then the log is
convicted, and the evidence that shows it to anybody is kept. What was not compared is never remembered, nor what a quorum
that is asked for did not cosign: whatever is shown later would be held to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from ledger.errors import RefusedInput
from ledger.origin.moment import cosigned_under
from ledger.origin.trust import Trust
from ledger.proofs.checkpoint import Checkpoint, Signed, open_checkpoint
from ledger.proofs.points import Point
from ledger.proofs.views import by_path, compare
from ledger.signer.remembered import CheckpointMemory

if TYPE_CHECKING:  # else whoever verifies a proof would load the engine of a store
    from ledger.api.copies import LogCopy

Outcome = Literal["first", "same", "extends", "behind", "not-compared"]
By = Literal["signature", "root", "point", "copy", "nothing"]

_RELIED_ON: Final = frozenset({"first", "same", "extends"})
_NO_PATH: Final = "no-path"


@dataclass(frozen=True, slots=True)
class Known:
    """How a file's log checkpoint, `signed`, stands to `before`, the one accepted last; `by`: what shows it.

    `why`: what kept it from being compared, if anything did. `proofs`: by size, roots and paths to the file's checkpoint.
    """

    outcome: Outcome
    by: By
    signed: Signed
    before: Checkpoint | None
    why: str = ""
    proofs: dict[int, tuple[bytes, tuple[bytes, ...]]] = field(default_factory=dict, repr=False)

    @property
    def is_compared(self) -> bool:
        """Whether the file is shown to tell the history that was accepted."""
        return self.by in ("root", "point", "copy")

    @property
    def words(self) -> str:
        """One line for a person."""
        size = self.signed.checkpoint.size
        accepted = self.before.size if self.before is not None else 0
        how = {"point": "by the file itself", "copy": "by the copy of the log at hand"}.get(
            self.by, "by its root"
        )
        if self.outcome == "first":
            return f"no log checkpoint was accepted here before: that of {size:,} entries is, for its signature alone"
        if self.outcome == "same":
            return f"the log checkpoint of {size:,} entries that was accepted here before"
        if self.outcome == "extends":
            return f"it holds all {accepted:,} entries of the log checkpoint that was accepted here before ({how})"
        if self.outcome == "behind":
            proved = f"its beginning ({how})" if self.is_compared else f"not compared: {self.why}"
            return f"older than what was accepted here: {size:,} entries, of {accepted:,}; {proved}"
        return f"not compared with the {accepted:,} entries that were accepted here before: {self.why}"

    @property
    def fix(self) -> str:
        """How it is compared, where it was not; else empty."""
        if self.before is None or self.is_compared:
            return ""
        needed = max(self.before.size, self.signed.checkpoint.size)
        copy = f"name a copy of the log of {needed:,} entries or more: --tree DIR"
        if self.outcome == "behind":
            return f"To compare it, {copy}"
        return f"Ask for a file with the proof (lineage prove … --since {self.before.size}), or {copy}"

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {
            "outcome": self.outcome,
            "compared": self.is_compared,
            "by": self.by,
            "size": self.signed.checkpoint.size,
            "accepted_size": self.before.size if self.before is not None else None,
            "why": self.why or None,
            "fix": self.fix or None,
        }


def compare_proof(
    memory: CheckpointMemory, note: bytes, points: Iterable[Point], copy: LogCopy | None = None
) -> Known:
    """How a file's log checkpoint stands to what was accepted of this log before. Nothing is remembered yet.

    `note` and `points` were verified (`check_points`); what a copy at hand says is verified here. Raises ProofInvalid
    `checkpoint-inconsistent`, with the evidence kept, for two histories among the file, what was accepted and the copy's own
    log checkpoint; `note-invalid`, `checkpoint-invalid`; StoreFault `checkpoint-memory-damaged`, and what the copy lacks.
    """
    signed = Signed(note, open_checkpoint(note, [memory.vkey]))
    proofs = {point.size: (point.root, point.path) for point in points}
    before = memory.newest()
    if copy is not None:
        _check_copy(memory, copy, [signed, before])
    if before is None:
        return Known("first", "signature", signed, None, proofs=proofs)
    return _compared(memory, signed, before, proofs, copy)


def remember_proof(memory: CheckpointMemory, known: Known, trust: Trust, at_ms: int) -> bool:
    """Remembers a file's log checkpoint, now that it is relied on; whether it is the newest that is remembered.

    False for what was not compared or is behind; without the quorum that `trust` asks for, as of `at_ms`; and if another
    process has remembered one since that is greater, or to which nothing in the file leads. Raises as
    `CheckpointMemory.remember`: then it must not be relied on.
    """
    note = known.signed.note
    if known.outcome not in _RELIED_ON:
        return False
    if trust.has_quorum and not cosigned_under(trust, memory.vkey, note, at_ms).is_met:
        return False

    def prove(size: int) -> tuple[bytes, ...]:
        if size not in known.proofs:
            raise RefusedInput(
                _NO_PATH,
                f"log checkpoint of {size:,} entries",
                "it was remembered meanwhile",
                "Verify again.",
            )
        return known.proofs[size][1]

    try:
        return memory.remember(note, prove, lambda size: known.proofs[size][0])
    except RefusedInput as error:
        if error.code == _NO_PATH:
            return False
        raise


def _compared(
    memory: CheckpointMemory,
    signed: Signed,
    before: Signed,
    proofs: dict[int, tuple[bytes, tuple[bytes, ...]]],
    copy: LogCopy | None,
) -> Known:
    """Of something that was accepted."""
    size, accepted = signed.checkpoint.size, before.checkpoint.size
    by: By = "root" if size == accepted or not accepted else "copy"
    if accepted in proofs:
        by = "point"
        found = by_path(before, signed, *proofs[accepted])
    else:
        found = compare(before, signed, copy)
    if found.views is not None:
        raise memory.convicted(found.views)
    if found.histories == "undecided":
        outcome: Outcome = "behind" if size < accepted else "not-compared"
        return Known(outcome, "nothing", signed, before.checkpoint, found.why, proofs)
    if by == "copy" and accepted < size and copy is not None:
        path = tuple(copy.consistency_path(accepted, size))
        proofs[accepted] = before.checkpoint.root, path
    outcome = "same" if size == accepted else "extends" if size > accepted else "behind"
    return Known(outcome, by, signed, before.checkpoint, "", proofs)


def _check_copy(memory: CheckpointMemory, copy: LogCopy, others: Iterable[Signed | None]) -> None:
    """That the copy's own log checkpoint tells no other history than these, as far as its tiles show it."""
    for other in others:
        if other is None:
            continue
        views = compare(other, copy.signed, copy).views
        if views is not None:
            raise memory.convicted(views)

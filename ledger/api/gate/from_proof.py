"""A file that proves ancestries as a gate asks it: no ledger, no key, nothing of this machine but what was accepted here before (SPEC §11.2, §12.6).

Who made the file chose what stands in it. So what it holds is proved, and what it lacks is unknown: a claim that is not in it is not
found, and a parent that is not in it admits nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol

from ledger.api.accepted import Accepted, GivenNote, by_checkpoint, joined_note, named_error
from ledger.api.gate.proven_rows import ProvenRows
from ledger.api.gate.shown import Spoken
from ledger.api.gate.terms import SELF_TRUSTED_LOG
from ledger.api.known_proofs import Known, compare_proof, remember_proof
from ledger.datasets.crew import Crew
from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.moment import cosigned_under
from ledger.origin.proved import existed_of_points
from ledger.origin.trust import Trust
from ledger.proofs.ancestry_file import CONTENT, Disclosed
from ledger.proofs.points import Point
from ledger.proofs.proven import ProvenLog
from ledger.proofs.quorum import existed_by
from ledger.proofs.trace import Tracer
from ledger.signer.remembered import CheckpointMemory
from ledger.spec import HASH_BYTES
from ledger.statements.record import Record

RIVALS_IN_FILE: Final = "Rival claims: only those in the proof were looked at."


class InFile(NamedTuple):
    """A record of the file that is about a content."""

    artifact_id: bytes
    form: str


class DisclosedSalt(NamedTuple):
    """A sealed artifact, and its salt."""

    artifact_id: bytes
    salt: bytes


class DisclosedSalts:
    """The salts that a file discloses. A `ledger.api.gate.shown.KeptSalts`."""

    def __init__(self, disclosed: Iterable[Disclosed]) -> None:
        self._by_content: dict[bytes, list[DisclosedSalt]] = {}
        for item in disclosed:
            if item.what == CONTENT:
                salt = DisclosedSalt(item.id, item.salt)
                self._by_content.setdefault(hashlib.sha256(item.data).digest(), []).append(salt)

    def of_contents(self, digests: Iterable[bytes]) -> dict[bytes, list[DisclosedSalt]]:
        """KeptSalts."""
        known = self._by_content
        return {digest: known[digest] for digest in digests if digest in known} if known else {}


class Comparison(Protocol):
    """How a file's log checkpoint stands to what was accepted of its log before (SPEC §12.4)."""

    @property
    def words(self) -> str:
        """One line for a person."""
        ...

    def remember(self, trust: Trust, at_ms: int) -> object:
        """Remembers the checkpoint, now that it is relied on, if it may be."""
        ...


Compare = Callable[[bytes, Sequence[Point]], Comparison]


@dataclass(frozen=True, slots=True)
class HeldAgainst:
    """A `Comparison` with what this machine remembers (`ledger.api.known_proofs`)."""

    memory: CheckpointMemory
    known: Known

    @property
    def words(self) -> str:
        """Comparison."""
        known = self.known
        if known.before is None or known.is_compared:
            return known.words
        since = f", or ask for one that is made with --since {known.before.size}"
        how = f"lineage verify PROOF --tree DIR{since if known.outcome == 'not-compared' else ''}"
        return f"{known.words}. To compare it: {how}"

    def remember(self, trust: Trust, at_ms: int) -> bool:
        """Comparison."""
        return remember_proof(self.memory, self.known, trust, at_ms)


class ShownProof:
    """A `ledger.api.gate.shown.ShownLog` over one log of a file. `digest`: of the file.

    `memory`: what was accepted of the log before, and where notes that convict it are kept. `compare`: holds the file's note and points against it, and raises
    ProofInvalid `checkpoint-inconsistent` for another history; None: as `compare_proof` does.
    """

    self_trusted = SELF_TRUSTED_LOG
    rivals = RIVALS_IN_FILE

    def __init__(
        self,
        log: ProvenLog,
        disclosed: Iterable[Disclosed],
        digest: bytes,
        memory: CheckpointMemory,
        compare: Compare | None = None,
    ) -> None:
        self.vkey = log.vkey
        self.checkpoint = log.checkpoint
        self.proof = digest.hex()
        self._log = log
        self._disclosed = disclosed
        self._memory = memory
        self._compare = compare or self._held_against
        self._comparison: Comparison | None = None
        self._judged: tuple[Trust, int] | None = None

    def rules(self) -> Mapping[str, Any]:
        """ShownLog."""
        return self._rules

    @cached_property
    def _rules(self) -> Mapping[str, Any]:
        return Tracer.over(self._log).trace(()).rules

    def tracer(self, accept: frozenset[bytes], graders: frozenset[bytes], *, with_clocks: bool) -> Tracer:
        """ShownLog."""
        return Tracer.over(self._log, accept, graders, with_clocks=with_clocks)

    def find_contents(self, digests: bytes) -> dict[bytes, list[InFile]]:
        """ShownLog: among all artifacts of the file, whether it is about them or they are ancestors."""
        about = self._about
        pieces = (digests[at : at + HASH_BYTES] for at in range(0, len(digests), HASH_BYTES))
        return {digest: about[digest] for digest in pieces if digest in about} if about else {}

    @cached_property
    def _about(self) -> dict[bytes, list[InFile]]:
        found: dict[bytes, list[InFile]] = {}
        for record in self._records():
            found.setdefault(record.content, []).append(InFile(record.id, record.form))
        return found

    def _records(self) -> Iterator[Record]:
        for artifact_id in self._log.artifacts:
            record = self._log.record(artifact_id)
            if record is not None:
                yield record

    def rows(self, crew: Crew, spoken: Spoken) -> ProvenRows:  # noqa: ARG002 - nothing is left to hash
        """ShownLog."""
        return ProvenRows(self._log, spoken)

    def sealers(self) -> set[bytes]:
        """ShownLog."""
        return {record.maker for record in self._records() if record.form == "sealed"}

    def sealer_of(self, artifact_id: bytes) -> bytes | None:
        """ShownLog."""
        record = self._log.record(artifact_id)
        return None if record is None else record.maker

    def salts(self) -> AbstractContextManager[DisclosedSalts]:
        """ShownLog: those that the file discloses."""
        return nullcontext(DisclosedSalts(self._disclosed))

    def accept(self, trust: Trust, at_ms: int, notes: Iterable[GivenNote]) -> Accepted:
        """ShownLog. What a note of an earlier checkpoint says counts if the file has a point of its size.

        Raises RefusedInput `wrong-log`, `checkpoint-behind`; ProofInvalid `note-invalid`, `checkpoint-inconsistent`; and as `compare`.
        """
        log = self._log
        given = by_checkpoint(log.vkey, trust, at_ms, notes)
        own = GivenNote("the proof's log checkpoint", log.note)
        note = joined_note([own, *given.pop(log.checkpoint, [])])
        older = list(existed_of_points(log, trust, at_ms))
        untold: list[str] = []
        unproved: list[str] = []
        points = {point.size: point for point in log.points}
        for checkpoint, same in sorted(given.items(), key=lambda item: item[0].size):
            names = ", ".join(each.name for each in same)
            if checkpoint.size > self.checkpoint.size:
                raise self._is_behind(checkpoint.size, names)
            point = points.get(checkpoint.size)
            if point is None and checkpoint.size < self.checkpoint.size:
                unproved += [each.name for each in same]
                continue
            paths = {} if point is None else {point.size: point.path}
            noted = [] if point is None or point.note is None else [GivenNote("the proof's", point.note)]
            try:
                self._memory.check_one_history(joined_note(same), note, paths.__getitem__)
                earlier = joined_note([*noted, *same])
            except (ProofInvalid, RefusedInput) as error:
                raise named_error(error, names) from error
            existed = existed_by(cosigned_under(trust, log.vkey, earlier, at_ms))
            if existed is not None:
                older.append(existed)
            elif trust.has_quorum:
                untold += [each.name for each in same]
        self._comparison = comparison = self._compare(note, log.points)
        self._judged = trust, at_ms
        cosigned = cosigned_under(trust, log.vkey, note, at_ms)
        may_be_remembered = not trust.has_quorum or cosigned.is_met
        told = [f"Log checkpoint: {comparison.words}."]
        if unproved:
            told.append(
                f"Telling nothing, since the proof leads from none of their sizes: {', '.join(unproved)}."
            )
        return Accepted(note, cosigned, tuple(older), None, tuple(untold), may_be_remembered, tuple(told))

    def _held_against(self, note: bytes, points: Sequence[Point]) -> HeldAgainst:
        return HeldAgainst(self._memory, compare_proof(self._memory, note, points))

    def _is_behind(self, size: int, names: str) -> RefusedInput:
        return RefusedInput(
            "checkpoint-behind",
            f"proof of a log of {self.checkpoint.size:,} entries",
            f"its log has signed {size:,}, as {names} shows: what was said since is not in the proof",
            "Ask for a newer one (lineage prove), or leave that note out.",
        )

    def remember(self, accepted: Accepted) -> None:
        """ShownLog. As far as it was compared."""
        if accepted.may_be_remembered and self._comparison is not None and self._judged is not None:
            self._comparison.remember(*self._judged)

    def names(self) -> Mapping[str, str]:
        """ShownLog: none."""
        return {}

"""All claims on each row of a block: artifacts about its digest, rows of imported datasets, sealed artifacts (SPEC §12.3)."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from ledger.api.gate.block import Block
from ledger.api.gate.salted import Salted
from ledger.api.gate.shown import ShownLog, ShownRows, Stretch
from ledger.datasets.gathered import FAULTY, JCS, RAW
from ledger.origin.claims import Claim

Claims = tuple[Claim, ...]

NO_CLAIM: Final[Claims] = ()
NO_ROW: Final[Claims] = ((b"", None),)  # stands for a row that no reader takes
_FORM_NUMBERS: Final = {"raw": RAW, "jcs": JCS}


class Claimed:
    """The claims of each row of a block: `distinct` sets of them, and for each row the number of its own, in `numbers`."""

    def __init__(self, row_count: int) -> None:
        self.distinct: list[Claims] = [NO_CLAIM]
        self.numbers = array("I", bytes(4 * row_count))
        self._known: dict[Claims, int] = {NO_CLAIM: 0}

    def __getitem__(self, at: int) -> Claims:
        return self.distinct[self.numbers[at]]

    def number(self, claims: Claims) -> int:
        """The number of a set of claims."""
        found = self._known.setdefault(claims, len(self.distinct))
        if found == len(self.distinct):
            self.distinct.append(claims)
        return found

    def add(self, at: int, more: Sequence[Claim]) -> None:
        """Claims more on one row."""
        self.numbers[at] = self.number(_joined(self[at], more))

    def add_stretches(self, stretches: Sequence[Stretch]) -> None:
        """The claims of stretches, which may overlap, on rows that have no others yet."""
        cuts = sorted({at for stretch in stretches for at in (stretch.start, stretch.stop)})
        for start, stop in pairwise(cuts):
            there = [each.claim for each in stretches if each.start <= start and stop <= each.stop]
            number = self.number(_joined(NO_CLAIM, there))
            self.numbers[start:stop] = array("I", [number]) * (stop - start)


class ClaimFinder:
    """Finds the claims of one run's rows, in a log as it is shown."""

    def __init__(self, shown: ShownLog, rows: ShownRows, salted: Salted) -> None:
        self._shown = shown
        self._rows = rows
        self._salted = salted

    def find(self, block: Block) -> Claimed:
        """Of each row its claims, each once, in an order that is the same for the same claims; `NO_ROW` of a faulty row.

        Raises StoreFault and ProofInvalid where what is stored does not hold; RefusedInput of a file that is read once more.
        """
        claimed = Claimed(block.row_count)
        stretches, by_digest = self._rows.find(block.digests)
        claimed.add_stretches(stretches)
        about = self._shown.find_contents(block.digests.data)
        if about or by_digest:
            for at, digest in enumerate(block.digests):
                if digest in about or digest in by_digest:
                    form = block.forms[at]
                    more: list[Claim] = [
                        (each.artifact_id, None)
                        for each in about.get(digest, ())
                        if _FORM_NUMBERS.get(each.form) == form
                    ]
                    claimed.add(at, [*more, *by_digest.get(digest, ())])
        for at, artifact_id in self._salted.find(block):
            claimed.add(at, [(artifact_id, None)])
        if block.has_faulty:
            number = claimed.number(NO_ROW)
            for at, form in enumerate(block.forms):
                if form == FAULTY:
                    claimed.numbers[at] = number
        return claimed


def _joined(claims: Claims, more: Sequence[Claim]) -> Claims:
    """Each claim once, ascending, so that equal sets are equal tuples."""
    if not more:
        return claims
    if not claims and len(more) == 1:
        return (more[0],)
    return tuple(sorted({*claims, *more}, key=_order))


def _order(claim: Claim) -> tuple[bytes, int]:
    return claim[0], -1 if claim[1] is None else claim[1]

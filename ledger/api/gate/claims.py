"""All claims on each row of a block: artifacts about its digest, rows of imported datasets, sealed artifacts (SPEC §12.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.api.gate.block import Block
from ledger.api.gate.rows_sets import RowsSets
from ledger.api.gate.salted import Salted
from ledger.datasets.gathered import FAULTY, JCS, RAW
from ledger.log.view import LogView
from ledger.origin.claims import Claim

Claims = tuple[Claim, ...]

NO_CLAIM: Final[Claims] = ()
NO_ROW: Final[Claims] = ((b"", None),)  # stands for a row that no reader takes
_FORM_NUMBERS: Final = {"raw": RAW, "jcs": JCS}


class ClaimFinder:
    """Finds the claims of one run's rows, in one view of the log."""

    def __init__(self, view: LogView, rows: RowsSets, salted: Salted) -> None:
        self._view = view
        self._rows = rows
        self._salted = salted

    def find(self, block: Block) -> list[Claims]:
        """Of each row its claims, each once, in an order that is the same for the same claims; `NO_ROW` of a faulty row.

        Raises StoreFault and ProofInvalid where what is stored does not hold; RefusedInput of a file that is read once more.
        """
        stretches, by_digest = self._rows.find(block.digests)
        found: list[Claims] = [NO_CLAIM] * block.row_count
        for start, stop, claim in stretches:
            alone = (claim,)
            for at in range(start, stop):
                found[at] = _joined(found[at], alone) if found[at] else alone
        about = self._view.find_contents(dict.fromkeys(block.digests))
        if about or by_digest:
            for at, digest in enumerate(block.digests):
                if digest in about or digest in by_digest:
                    form = block.forms[at]
                    more: list[Claim] = [
                        (each.artifact_id, None)
                        for each in about.get(digest, ())
                        if _FORM_NUMBERS.get(each.form) == form
                    ]
                    found[at] = _joined(found[at], [*more, *by_digest.get(digest, ())])
        for at, artifact_id in self._salted.find(block):
            found[at] = _joined(found[at], [(artifact_id, None)])
        if block.has_faulty:
            for at, form in enumerate(block.forms):
                if form == FAULTY:
                    found[at] = NO_ROW
        return found


def _joined(claims: Claims, more: Sequence[Claim]) -> Claims:
    """Each claim once, ascending, so that equal sets are equal tuples."""
    if not more:
        return claims
    if not claims and len(more) == 1:
        return (more[0],)
    return tuple(sorted({*claims, *more}, key=_order))


def _order(claim: Claim) -> tuple[bytes, int]:
    return claim[0], -1 if claim[1] is None else claim[1]

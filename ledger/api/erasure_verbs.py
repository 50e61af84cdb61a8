"""The verbs of a ledger about erasures. `ledger.api.ledger.Ledger` has them; this is no class of its own."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.api import erasing
from ledger.api.access import Access
from ledger.api.erasing import Erasure, Foreseen, Left
from ledger.api.saying import Subject
from ledger.log.erasing import Asked


class ErasureVerbs:
    """What is erased, and when (SPEC §8.2, §10.10)."""

    _access: Access

    def erase(
        self,
        subjects: Sequence[Subject],
        by: str,
        *,
        reason: str | None = None,
        although_shared: bool = False,
    ) -> Erasure:
        """Says `erase` of artifacts, or rows of them; of whole ones for which `by` answers, salt and kept content go from this machine at once.

        That cannot be undone: a sealed record is then about nothing. Salts stay while somebody listed holds or retracted the
        artifact. A content that another artifact has stays, unless `although_shared`. Record bytes wait (`carry_out_erasures`).
        A notice of `by` that stands already is not said again, so that doing it once more finishes what was cut short.
        Raises as `notice`; StoreFault `vault-busy`, `vault-failed`, `store-failed`.
        """
        return erasing.erase_own(self._access, by, subjects, reason, although_shared=although_shared)

    def foresee_erase(self, subjects: Sequence[Subject], by: str) -> Foreseen:
        """What `erase` would destroy on this machine at once. Changes nothing, opens no key. Raises NotFound `name-unknown`."""
        return erasing.foresee(self._access, by, subjects)

    def erasures(self) -> list[tuple[Asked, Left]]:
        """Every erasure of a whole artifact that was asked for, by whom, whether it is due, and what of it is here."""
        with self._access.view() as view:
            return erasing.asked_here(self._access, view)

    def carry_out_erasures(
        self, *, records: bool = False, scrub: bool = False, although_shared: bool = False
    ) -> Erasure:
        """Carries out here what is due, whoever asked for it: salts and kept contents, and with `records` record bytes and rows sidecars.

        `scrub`: overwrites what the data file remembers of erased records, while nobody else has the ledger open. What is published
        is replaced by the next `publish`. Once more is no harm. Raises StoreFault `store-shared` where somebody has it open (what
        was erased is), `snapshots-open`, and as `erase`.
        """
        return erasing.carry_out(
            self._access, records=records, scrubbed=scrub, although_shared=although_shared
        )

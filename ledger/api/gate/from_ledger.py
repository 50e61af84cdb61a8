"""A ledger as a gate asks it: its view of the log, its sidecars, this machine's salts, and what was accepted here before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from ledger.api.accepted import Accepted, GivenNote, accept, remember
from ledger.api.access import Access
from ledger.api.gate.shown import Spoken
from ledger.api.gate.sidecar_sets import SidecarSets
from ledger.api.kept import kept_notes
from ledger.api.unsealing import sealer_of, sealers
from ledger.datasets.crew import Crew
from ledger.log.view import FoundContent, LogView
from ledger.origin.trust import Trust
from ledger.proofs.trace import Tracer
from ledger.store.salts import Salts

SELF_TRUSTED: Final = "Self-trusted: no trust file was given, so everybody enrolled in this ledger is believed, and the log's own clock tells the time."
RIVALS_HERE: Final = "Rival claims were searched in this ledger alone."


class ShownLedger:
    """A `ledger.api.gate.shown.ShownLog`."""

    self_trusted = SELF_TRUSTED
    rivals = RIVALS_HERE
    proof = None

    def __init__(self, access: Access, view: LogView) -> None:
        self._access = access
        self._view = view
        self.vkey = access.vkey
        self.checkpoint = view.checkpoint

    def rules(self) -> Mapping[str, Any]:
        """ShownLog."""
        return self._view.state.header.rules

    def tracer(self, accept: frozenset[bytes], graders: frozenset[bytes], *, with_clocks: bool) -> Tracer:
        """ShownLog."""
        return Tracer(self._view, self.vkey, accept, graders, with_clocks=with_clocks)

    def find_contents(self, digests: bytes) -> dict[bytes, list[FoundContent]]:
        """ShownLog."""
        return self._view.find_contents(digests)

    def rows(self, crew: Crew, spoken: Spoken) -> SidecarSets:
        """ShownLog."""
        return SidecarSets(self._view, self._access.rows, crew, spoken)

    def sealers(self) -> set[bytes]:
        """ShownLog. Reads every record once."""
        return sealers(self._view)

    def sealer_of(self, artifact_id: bytes) -> bytes | None:
        """ShownLog."""
        return sealer_of(self._view, artifact_id)

    def salts(self) -> AbstractContextManager[Salts]:
        """ShownLog. Raises as `SaltVault.reading`."""
        return self._access.keys.salts.reading()

    def accept(self, trust: Trust, at_ms: int, notes: Iterable[GivenNote]) -> Accepted:
        """ShownLog."""
        kept = kept_notes(self._access.cosigned, self.vkey)
        return accept(self._access.checkpoints, self._view, trust, at_ms, notes, kept)

    def remember(self, accepted: Accepted) -> bool:
        """ShownLog."""
        return remember(self._access.checkpoints, accepted, self._view)

    def names(self) -> Mapping[str, str]:
        """ShownLog: those whose keys are on this machine."""
        return {identity.id.hex(): identity.name for identity in self._access.keys.identities()}

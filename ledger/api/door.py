"""The log as a signer knows it: the writer behind what `ledger.signer.logdoor.LogDoor` asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from ledger.errors import LineageError
from ledger.fold.authority import delegation_in_force
from ledger.fold.state import FoldState
from ledger.log.view import LogView
from ledger.log.writer import Appended, LogWriter
from ledger.signer.logdoor import Standing


class Door:
    """A writer that is held, and views of what it has signed. Close it when done."""

    def __init__(self, writer: LogWriter, open_: Callable[[], AbstractContextManager[LogView]]) -> None:
        self._writer = writer
        self._open = open_
        self._held = ExitStack()
        self._places: StandingPlaces | None = None

    def close(self) -> None:
        """Ends the view that answers `find_artifact`; the next question opens one anew."""
        self._places = None
        self._held.close()

    @property
    def log_id(self) -> bytes:
        """The id that every statement names."""
        return self._writer.log_id

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Appended | LineageError]:
        """Appends (entry, records) in order; a known statement is answered with its place."""
        self.close()
        return self._writer.append(submissions)

    def standing(self, identity_id: bytes) -> Standing | None:
        """None if the identity is not enrolled."""
        return standing_in(self._writer.state, identity_id, self._writer.now_ms())

    def find_artifact(self, artifact_id: bytes) -> int | None:
        """The log index under which an artifact stands already; None also if all of its places are disowned."""
        if self._places is None:
            self._places = StandingPlaces(self._held.enter_context(self._open()))
        return self._places.find(artifact_id)


class StandingPlaces:
    """Where artifacts stand, in one view of a log: asked of many, it looks at each statement once."""

    def __init__(self, view: LogView) -> None:
        self._view = view
        self._stands: dict[int, bool] = {}  # by log index: whether its statement is in order and not disowned

    def find(self, artifact_id: bytes) -> int | None:
        """The log index under which an artifact stands; None also if all of its places are disowned."""
        for number in self._view.find_artifact(artifact_id):
            log_index, _ = self._view.locate(number)
            if log_index not in self._stands:
                self._stands[log_index] = self._view.stands(number)
            if self._stands[log_index]:
                return log_index
        return None


def standing_in(state: FoldState, identity_id: bytes, clock_ms: int) -> Standing | None:
    """How an identity stands behind the last entry of `state`, where the log's clock is `clock_ms`; None: not enrolled."""
    identity = state.identity(identity_id)
    if identity is None:
        return None
    event = identity.in_force(clock_ms)
    delegation = delegation_in_force(state, identity, clock_ms)
    return Standing(
        key_event=event.id,
        delegation=None if delegation is None else delegation.id,
        kseq=identity.kseq,
        last=identity.last.id,
        pending=identity.pending(clock_ms) is not None,
        retired=identity.retired,
        keyset=event.keyset,
        next=event.next,
        recovery=event.recovery,
    )

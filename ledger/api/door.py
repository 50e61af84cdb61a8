"""The log as a signer knows it: the writer behind what `ledger.signer.signing.LogDoor` asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack

from ledger.errors import LineageError
from ledger.log.view import LogView
from ledger.log.writer import Appended, LogWriter
from ledger.signer.signing import Standing


class Door:
    """A writer that is held, and views of what it has signed. Close it when done."""

    def __init__(self, writer: LogWriter, open_: Callable[[], AbstractContextManager[LogView]]) -> None:
        self._writer = writer
        self._open = open_
        self._held = ExitStack()
        self._view: LogView | None = None

    def close(self) -> None:
        """Ends the view that answers `find_artifact`; the next question opens one anew."""
        self._view = None
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
        identity = self._writer.state.identity(identity_id)
        if identity is None:
            return None
        delegation = identity.delegation.id if identity.delegation else None
        return Standing(identity.in_force.id, delegation)

    def find_artifact(self, artifact_id: bytes) -> int | None:
        """The log index under which an artifact stands already, or None."""
        if self._view is None:
            self._view = self._held.enter_context(self._open())
        numbers = self._view.find_artifact(artifact_id)
        return self._view.locate(numbers[0])[0] if numbers else None

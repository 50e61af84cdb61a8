"""The log as a signer knows it: what it is asked, and what it answers (SPEC §5.3, §7.2).

Whether the log stands in this process or far away is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from ledger.errors import LineageError
from ledger.identity.keyset import Keyset


class Standing(NamedTuple):
    """How an identity stands in the log now.

    `key_event` is the one in force, with its `keyset` and the digests `next` and `recovery` that it commits to;
    `delegation` a pair's. `kseq` and `last` are of the last event, which may be a `recover` that is still `pending`.
    """

    key_event: bytes
    delegation: bytes | None
    kseq: int
    last: bytes
    pending: bool
    retired: bool
    keyset: Keyset
    next: bytes
    recovery: bytes


class Placed(Protocol):
    """Where a statement stands."""

    @property
    def log_index(self) -> int:
        """Its 0-based index in the log."""
        ...


class LogDoor(Protocol):
    """What a signer asks of a log."""

    @property
    def log_id(self) -> bytes:
        """The id that every statement names."""
        ...

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> Sequence[Placed | LineageError]:
        """Appends (entry, records) in order; a known statement is answered with its place."""
        ...

    def standing(self, identity_id: bytes) -> Standing | None:
        """None if the identity is not enrolled."""
        ...

    def find_artifact(self, artifact_id: bytes) -> int | None:
        """The log index under which an artifact stands already, or None."""
        ...

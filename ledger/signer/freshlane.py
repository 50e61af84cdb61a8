"""A fresh lane: one that a process, or a file, opens for itself and nobody ever uses again (SPEC §5.3).

Its id is 16 random bytes, and what it knows, its next seq and its last statement, is in memory alone. So nothing that
lies on a disk, and no backup that is put back, can make anybody sign a place twice. It ends with the process, in a
forked child, with the first write that failed, and with the first refusal; then another one is opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ledger import spec
from ledger.errors import InvariantBroken
from ledger.statements.entry import decode_entry


class FreshLane:
    """A lane of this process for one key event. For one thread at a time.

    Statements are signed (`signer.drafts`) and kept inside `with lane.using():`, and each is told by `advance` there.
    """

    def __init__(self, key_event: bytes) -> None:
        """`key_event`: the statement id (32 bytes) of the event in force of who signs in it."""
        self.id: Final = os.urandom(spec.LANE_BYTES)
        self.key_event: Final = key_event
        self._pid = os.getpid()
        self._next_seq = 0
        self._last: bytes | None = None
        self._is_spent = False
        self._is_used = False

    @property
    def is_usable(self) -> bool:
        """Whether anything may still be signed in it: by this process, and nothing went wrong."""
        return not self._is_spent and self._pid == os.getpid()

    @property
    def next_seq(self) -> int:
        """The seq of the next statement. Raises InvariantBroken `lane-misused` outside of `using`."""
        self._check_used()
        return self._next_seq

    @property
    def last(self) -> bytes | None:
        """The id of the statement before the next one; None at seq 0. Raises as `next_seq`."""
        self._check_used()
        return self._last

    @contextmanager
    def using(self) -> Iterator[None]:
        """Signs and keeps in here. A block that fails ends the lane: what it signed may have been seen, or not.

        Raises InvariantBroken `lane-misused` if the lane has ended, is another process's, or is being used.
        """
        if not self.is_usable or self._is_used:
            raise self._misused("it has ended, or is another process's, or is being used")
        self._is_used = True
        signed_before = self._next_seq
        try:
            yield
        except BaseException:
            self._is_spent = True
            raise
        finally:
            self._is_used = False
            self._is_spent = self._is_spent or self._next_seq == signed_before

    def advance(self, entry: bytes) -> None:
        """An entry was signed at `next_seq`: the lane goes on behind it.

        Raises InvariantBroken `lane-misused` if it stands elsewhere.
        """
        self._check_used()
        statement = decode_entry(entry).statement
        place = tuple(statement.fields.get(name) for name in ("lane", "key", "seq", "prev"))
        if place != (self.id, self.key_event, self._next_seq, self._last):
            raise self._misused(f"the entry is not that of seq {self._next_seq} in it")
        self._next_seq, self._last = self._next_seq + 1, statement.id

    def end(self) -> None:
        """Nothing is signed in it any more: the log refused something of it, or other keys are in force."""
        self._is_spent = True

    def _check_used(self) -> None:
        if not (self._is_used and self.is_usable):
            raise self._misused("something is to be signed in it outside of `using`")

    def _misused(self, reason: str) -> InvariantBroken:
        return InvariantBroken("lane-misused", f"lane {self.id.hex()}", reason, "Open a new one.")

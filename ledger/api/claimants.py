"""Records of one identity under whatever is claimed of each, quickly (SPEC §4).

Whoever signs as he goes names other parents each time, and else says the same. So a record is made once with ids that
stand for its parents, checked like any other, and the next ones are spliced: content, size, and the parents' ids. That may be
done where each parent is a relation and an id alone, for such parents are ordered by their ids (SPEC §4.3): the
first id stands for the least.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ledger.api.given import Given
from ledger.signer.claims import Claim, Claimant
from ledger.spec import HASH_BYTES
from ledger.statements.record import Parent

CLAIMANTS_MAX: Final = 256  # claims that are remembered
_STANDS_FOR: Final = b"\xff" * (HASH_BYTES - 2)  # begins an id that stands for another; no digest does


class Made(NamedTuple):
    """A record and its kind."""

    record: bytes
    kind: str


class Claimants:
    """Makes records, remembering how. For any thread."""

    def __init__(self, make: Callable[[Claim], Claimant], check: Callable[[dict[str, Any]], None]) -> None:
        """`make` gives who makes records under a claim; `check` is asked once of each about the fields of his records."""
        self._make = make
        self._check = check
        self.renew()

    def renew(self) -> None:
        """In a forked child: no thread of the parent holds its lock."""
        self._lock = threading.Lock()
        self._known: OrderedDict[Any, Claimant] = OrderedDict()

    def kind_of(self, claim: Claim) -> str:
        """The kind of a record under a claim. Raises RefusedInput."""
        return claim.kind or self._make(claim).kind

    def record(self, given: Given, claim: Claim) -> Made:
        """The record of a content. Raises RefusedInput with the code of what SPEC §4 forbids, and as `check`."""
        if all(map(_is_plain, claim.parents)):
            parents = sorted(set(claim.parents), key=_by_id)
            claimant = self._remembered(claim, given, parents)
            if claimant is not None:
                record = _record(claimant, given)
                for number, parent in enumerate(parents):
                    record = record.replace(_stand_in(number), parent.id, 1)
                return Made(record, claimant.kind)
        claimant = self._checked(claim, given)
        return Made(_record(claimant, given), claimant.kind)

    def _remembered(self, claim: Claim, given: Given, parents: list[Parent]) -> Claimant | None:
        """Who makes such records, with stand-ins for parents; None if one of these could be taken for something else."""
        key = (
            *(claim.kind, claim.human, claim.machine, claim.reported, claim.author, claim.made, claim.sealed),
            *(_frozen(claim.rights), _frozen(claim.source), _frozen(claim.facts)),
            tuple(parent.rel for parent in parents),
        )
        with self._lock:
            claimant = self._known.get(key)
        if claimant is None:
            stand_ins = tuple(Parent(parent.rel, _stand_in(number)) for number, parent in enumerate(parents))
            claimant = self._checked(replace(claim, parents=stand_ins), given)
            record = _record(claimant, given)
            if any(record.count(stand_in.id) != 1 for stand_in in stand_ins):
                return None
            with self._lock:
                self._known[key] = claimant
                if len(self._known) > CLAIMANTS_MAX:
                    self._known.popitem(last=False)
        return claimant

    def _checked(self, claim: Claim, given: Given) -> Claimant:
        claimant = self._make(claim)
        self._check(claimant.fields(given.form, given.media))
        return claimant


def _record(claimant: Claimant, given: Given) -> bytes:
    return claimant.record(given.digest, given.size_bytes, given.form, given.media)


def _stand_in(number: int) -> bytes:
    return _STANDS_FOR + number.to_bytes(2, "big")


def _is_plain(parent: Parent) -> bool:
    is_id = type(parent.id) is bytes and len(parent.id) == HASH_BYTES
    return (
        is_id
        and not parent.id.startswith(_STANDS_FOR)
        and parent.ppm is None
        and parent.log is None
        and parent.row is None
    )


def _by_id(parent: Parent) -> tuple[bytes, int, str]:
    """As parents that are a relation and an id are ordered by their bytes: a str begins with its length."""
    return parent.id, len(parent.rel), parent.rel


def _frozen(value: Any) -> Any:
    """The same as something that can be a key."""
    if not value:
        return ()
    if isinstance(value, dict):
        return tuple(sorted((name, _frozen(item)) for name, item in value.items()))
    return tuple(map(_frozen, value)) if isinstance(value, list | tuple) else (type(value), value)

"""One log, folded twice: by the ledger and by the naive fold. Both give the same kind of answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ledger.errors import LineageError
from ledger.fold.records import Standing, fold_records
from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from ledger.statements.entry import decode_entry
from tests.cases.logs import Erased
from tests.reference import NaiveFold

Records = Mapping[int, Sequence[bytes | Erased]]
Fault = tuple[int, int | None, str]  # log_index, record_index, code
Reload = Callable[[FoldState], FoldState]


class Outcome(NamedTuple):
    """What a log means: its faults, the status root behind each entry, and the identities with their roles."""

    faults: list[Fault]
    status_roots: list[bytes]
    identities: dict[bytes, str]


def clocks(log: bytes, entries: Sequence[bytes]) -> list[int]:
    """The log's clock at each index (SPEC §9.5), in ms."""
    return _closing(_of_states(log, entries, "time"), 0)


def fold_numbers(log: bytes, entries: Sequence[bytes]) -> list[int]:
    """The fold number at each index (SPEC §9.6)."""
    return _closing(_of_states(log, entries, "fold"), 1)


def _of_states(log: bytes, entries: Sequence[bytes], name: str) -> list[int | None]:
    """What each well-formed `state` says under `name`; None for all other entries."""
    found: list[int | None] = []
    for data in entries:
        try:
            fields = decode_entry(data).statement.fields
        except LineageError:
            fields = {"type": "", "log": b""}
        found.append(fields["body"][name] if (fields["type"], fields["log"]) == ("state", log) else None)
    return found


def _closing(said: list[int | None], none: int) -> list[int]:
    """At each index what the first state at or after it says, or the greatest of an earlier one if that is greater."""
    result = []
    for index in range(len(said)):
        following = next((number for number in said[index:] if number is not None), none)
        result.append(max([following, *(number for number in said[:index] if number is not None)]))
    return result


def leaf_of(item: bytes | Erased) -> bytes:
    return item.leaf_hash if isinstance(item, Erased) else hashlib.sha256(b"\x00" + item).digest()


def by_ledger(
    log: bytes, entries: Sequence[bytes], records: Records, reload: Reload | None = None
) -> Outcome:
    """The ledger's fold; `reload` may exchange the state behind each entry."""
    state = FoldState(log)
    faults: list[Fault] = []
    roots: list[bytes] = []
    standings: dict[bytes, Standing] = {}
    known: dict[bytes, str] = {}
    closings = zip(clocks(log, entries), fold_numbers(log, entries), strict=True)
    for index, (data, (clock, number)) in enumerate(zip(entries, closings, strict=True)):
        entry, fault = fold(state, index, data, clock, fold_number=number if index else 1)
        if fault is not None:
            faults.append((index, None, fault.code))
        elif entry is not None and entry.statement.type == "artifacts":
            signer = state.identity(entry.statement.by)
            items = records.get(index, [])
            leaves = [leaf_of(item) for item in items]
            if signer is None:
                raise LookupError("an entry in order has a signer")
            found, standing = fold_records(
                index,
                entry.statement,
                signer,
                records=[None if isinstance(item, Erased) else item for item in items],
                leaf_hashes=leaves,
                find=standings.get,
            )
            faults += [(index, each.record_index, each.code) for each in found]
            if standing:
                standings.update(zip(leaves, standing, strict=True))
        elif entry is not None and entry.statement.type in ("genesis", "enrol"):
            identity = state.identity(entry.statement.id)
            known[entry.statement.id] = identity.role if identity else "none"
        roots.append(state.status_root())
        if reload is not None:
            state = reload(state)
    return Outcome(faults, roots, known)


def by_naive(log: bytes, entries: Sequence[bytes], records: Records) -> Outcome:
    """The naive fold of tests/reference.py."""
    state = NaiveFold(log)
    faults: list[Fault] = []
    roots: list[bytes] = []
    held: dict[bytes, bytes | None] = {}
    closings = zip(clocks(log, entries), fold_numbers(log, entries), strict=True)
    for index, (data, (clock, number)) in enumerate(zip(entries, closings, strict=True)):
        code = state.step(index, data, clock, number)
        if code is not None:
            faults.append((index, None, code))
        else:
            fields = decode_entry(data).statement.fields
            if fields["type"] == "artifacts":
                items = records.get(index, [])
                leaves = [leaf_of(item) for item in items]
                plain = [None if isinstance(item, Erased) else item for item in items]
                found = state.records(fields, plain, leaves, held)
                faults += [(index, record_index, each) for record_index, each in found]
                if (None, "root-differs") not in found:
                    held.update(zip(leaves, plain, strict=True))
        roots.append(state.status_root())
    return Outcome(faults, roots, {name: identity["role"] for name, identity in state.identities.items()})

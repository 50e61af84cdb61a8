"""One log, folded twice: by the ledger and by the naive fold. Both give the same kind of answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ledger.errors import LineageError
from ledger.fold.authority import counting_endorsement, delegation_in_force
from ledger.fold.disowning import disowning
from ledger.fold.faults import Fault as LedgerFault
from ledger.fold.objects import Identity
from ledger.fold.records import Standing, fold_records
from ledger.fold.state import FoldState
from ledger.fold.subjects import Subject, fold_subjects
from ledger.fold.transition import fold
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.record import decode_record
from ledger.statements.statement import Statement
from tests.cases.logs import Erased
from tests.cases.samples import Fields
from tests.reference import NaiveFold, NaiveLog

Records = Mapping[int, Sequence[bytes | Erased]]
Fault = tuple[int, int | None, str]  # log_index, record_index, code
Reload = Callable[[FoldState], FoldState]


class Outcome(NamedTuple):
    """What a log means: its faults, the status root behind each entry; and behind the last one:

    `identities`: their roles. `speaks`: by which key event each speaks (None: retired). `delegated`: by which delegation
    each pair does (None: by none). `contested`: of whom a fork is proved, ascending. `disowned`: (log index, by which key
    event, whether by the delegation) of each statement in order. `grades`: by subject and issuer, those that count.
    """

    faults: list[Fault]
    status_roots: list[bytes]
    identities: dict[bytes, str]
    speaks: dict[bytes, bytes | None]
    delegated: dict[bytes, bytes | None]
    contested: list[bytes]
    disowned: list[tuple[int, bytes, bool]]
    grades: dict[bytes, dict[bytes, str]]


def clocks(log: bytes, entries: Sequence[bytes]) -> list[int]:
    """The log's clock at each index (SPEC §9.5), in ms."""
    return _closing(_of_states(log, entries, "time"), 0)


def fold_numbers(log: bytes, entries: Sequence[bytes]) -> list[int]:
    """The fold number at each index (SPEC §9.6); that of the genesis is its own."""
    said = _of_states(log, entries, "fold")
    fields = _fields_of(entries[0]) if entries else {}
    if fields and (fields["type"], fields["log"]) == ("genesis", log):
        said[0] = fields["body"]["fold"]
    return _closing(said, 1)


def _of_states(log: bytes, entries: Sequence[bytes], name: str) -> list[int | None]:
    """What each well-formed `state` says under `name`; None for all other entries."""
    found: list[int | None] = []
    for data in entries:
        fields = _fields_of(data)
        is_state = bool(fields) and (fields["type"], fields["log"]) == ("state", log)
        found.append(fields["body"][name] if is_state else None)
    return found


def _fields_of(entry: bytes) -> Fields:
    """What the statement of an entry says; nothing, if it is not well-formed."""
    try:
        return decode_entry(entry).statement.fields
    except LineageError:
        return {}


def _closing(said: list[int | None], none: int) -> list[int]:
    """At each index what the first state at or after it says, or the greatest of an earlier one if that is greater."""
    result = []
    for index in range(len(said)):
        following = next((number for number in said[index:] if number is not None), none)
        result.append(max([following, *(number for number in said[:index] if number is not None)]))
    return result


def leaf_of(item: bytes | Erased) -> bytes:
    return item.leaf_hash if isinstance(item, Erased) else hashlib.sha256(b"\x00" + item).digest()


class _Held(NamedTuple):
    """An artifact that stands: what a child may know of it, what one may who speaks about it, and who signed it first."""

    standing: Standing
    subject: Subject
    signer: bytes


def by_ledger(
    log: bytes, entries: Sequence[bytes], records: Records, reload: Reload | None = None
) -> Outcome:
    """The ledger's fold; `reload` may exchange the state behind each entry."""
    state = FoldState(log)
    faults: list[Fault] = []
    roots: list[bytes] = []
    held: dict[bytes, _Held] = {}
    in_order: dict[int, Entry] = {}
    closings = zip(clocks(log, entries), fold_numbers(log, entries), strict=True)
    for index, (data, (clock, number)) in enumerate(zip(entries, closings, strict=True)):
        entry, fault = fold(state, index, data, clock, fold_number=number)
        if fault is not None:
            faults.append((index, None, fault.code))
        elif entry is not None:
            in_order[index] = entry
            found = _told_of(state, index, entry.statement, records.get(index, []), held)
            faults += [(index, each.record_index, each.code) for each in found]
        roots.append(state.status_root())
        if reload is not None:
            state = reload(state)
    return _meaning(state, faults, roots, in_order, max(clocks(log, entries), default=0))


def _told_of(
    state: FoldState,
    index: int,
    statement: Statement,
    items: Sequence[bytes | Erased],
    held: dict[bytes, _Held],
) -> list[LedgerFault]:
    """The faults of the records or subjects of an entry in order; `held` takes in what stands."""
    if statement.type in ("attest", "notice"):

        def subject(artifact_id: bytes) -> Subject | None:
            return held[artifact_id].subject if artifact_id in held else None

        return fold_subjects(state, index, statement, subject)
    signer = state.identity(statement.by) if statement.type == "artifacts" else None
    if signer is None:
        return []
    leaves = [leaf_of(item) for item in items]
    found, standing = fold_records(
        index,
        statement,
        signer,
        records=[None if isinstance(item, Erased) else item for item in items],
        leaf_hashes=leaves,
        find=lambda artifact_id: held[artifact_id].standing if artifact_id in held else None,
    )
    for item, leaf, each in zip(items, leaves, standing, strict=bool(standing)):
        first = held[leaf].signer if leaf in held else signer.id
        held[leaf] = _Held(each, _subject_of(item, first), first)
    return found


def _subject_of(item: bytes | Erased, signer: bytes) -> Subject:
    """Who made it, and its rows; `signer`, and unknown, where it cannot be read."""
    try:
        record = decode_record(b"" if isinstance(item, Erased) else item)
    except LineageError:
        return Subject(signer, None)
    return Subject(record.maker, record.row_count)


def _meaning(
    state: FoldState, faults: list[Fault], roots: list[bytes], in_order: dict[int, Entry], clock: int
) -> Outcome:
    """What a state says behind the last entry."""
    born = [e.statement.id for e in in_order.values() if e.statement.type in ("genesis", "enrol")]
    known = {name: _known(state, name) for name in born}
    disowned = []
    for index, entry in in_order.items():
        event = disowning(state, index, entry, clock)
        if event is not None:
            own = any(event.id == each.id for each in state.key_events(known[entry.statement.by]))
            disowned.append((index, event.id, not own))
    grades = {name: {issuer: _grade(state, name, issuer, clock) for issuer in known} for name in known}
    return Outcome(
        faults,
        roots,
        {name: identity.role for name, identity in known.items()},
        {name: None if one.retired else one.in_force(clock).id for name, one in known.items()},
        {name: _delegation(state, one, clock) for name, one in known.items() if one.role == "pair"},
        sorted(
            name
            for name, one in known.items()
            if state.contested(state.spoke_last(one, clock).id) is not None
        ),
        disowned,
        {
            name: {who: grade for who, grade in by.items() if grade}
            for name, by in grades.items()
            if any(by.values())
        },
    )


def _known(state: FoldState, name: bytes) -> Identity:
    identity = state.identity(name)
    if identity is None:
        raise LookupError("an enrolment in order enrols")
    return identity


def _grade(state: FoldState, subject: bytes, issuer: bytes, clock: int) -> str:
    found = counting_endorsement(state, issuer, subject, clock)
    return "" if found is None else found.grade


def _delegation(state: FoldState, pair: Identity, clock: int) -> bytes | None:
    found = delegation_in_force(state, pair, clock)
    return None if found is None else found.id


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
            elif fields["type"] in ("attest", "notice"):
                found = state.subjects(fields, held)
                faults += [(index, position, each) for position, each in found]
        roots.append(state.status_root())
    said = [(one["index"], state.disowning(one)) for one in state.said]
    return Outcome(
        faults,
        roots,
        {name: identity["role"] for name, identity in state.identities.items()},
        {name: state.who_speaks(name) for name in state.identities},
        {name: state.delegation_of(name) for name, one in state.identities.items() if one["role"] == "pair"},
        sorted(name for name in state.identities if state.is_contested(name)),
        [(index, *found) for index, found in said if found is not None],
        {name: state.grades(name) for name in state.identities if state.grades(name)},
    )


def own_statuses(log: bytes, entries: Sequence[bytes], records: Records) -> dict[bytes, str]:
    """The naive own status (SPEC §12) of every artifact behind the last entry; nobody's attestations are accepted."""
    naive = NaiveLog(log)
    closings = zip(clocks(log, entries), fold_numbers(log, entries), strict=True)
    for index, (data, (clock, number)) in enumerate(zip(entries, closings, strict=True)):
        items = [item for item in records.get(index, []) if not isinstance(item, Erased)]
        naive.step(index, data, items, clock, number)
    return {artifact: naive.standing(artifact) for artifact in naive.places}

"""The entries that speak of one identity, brought together as its history."""

from __future__ import annotations

from collections.abc import Iterator

from ledger.api.access import Access
from ledger.api.around import Progress
from ledger.api.identities import find_identity
from ledger.api.places import Clock
from ledger.errors import RefusedInput
from ledger.fold.objects import Identity
from ledger.log.view import LogView
from ledger.origin.history import Act, History, Life, tell
from ledger.statements import words
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement


def history_of(access: Access, name: str, gap_ms: int, progress: Progress) -> History:
    """As `Ledger.history`."""
    with access.view() as view:
        identity = find_identity(access, view, name)
        anchor = view.identity(identity.anchor) if identity.anchor else None
        life = Life(
            identity,
            view.key_events(identity),
            view.delegations(identity),
            view.key_events(anchor) if anchor is not None else (),
            view.clock_ms,
        )
        return tell(life, _acts(view, identity, progress), Clock(view).at, gap_ms)


def _acts(view: LogView, identity: Identity, progress: Progress) -> Iterator[Act]:
    clock = Clock(view)
    size = view.checkpoint.size
    for log_index, data in _entries_about(view, identity):
        progress(log_index, size)
        try:
            entry = decode_entry(data)
        except RefusedInput:
            continue
        if not _is_about(entry.statement, identity.id) or view.state.is_faulty(log_index):
            continue
        event = None
        if entry.statement.type in words.TYPES_ORDINARY:
            event = view.disowned_by(log_index)
        yield Act(log_index, clock.at(log_index), entry, event.log_index if event else None)


def _entries_about(view: LogView, identity: Identity) -> Iterator[tuple[int, bytes]]:
    """Its birth, whose id stands nowhere in it, then every entry that holds its id."""
    yield identity.born, view.entry(identity.born)
    for log_index, data in view.scan_statements(containing=identity.id):
        if log_index != identity.born:
            yield log_index, data


def _is_about(statement: Statement, identity_id: bytes) -> bool:
    """Whether a statement is of an identity, or speaks of it; an anchor's word on its pair is the pair's matter."""
    if statement.type == "state":
        return False
    body = statement.body
    return (
        statement.by == identity_id
        or identity_id in (body.get("pair"), body.get("subject"))
        or (statement.type == "evidence")
    )

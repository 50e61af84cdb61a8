"""Which statements are disowned: what a cut of a key does to what the key signed (SPEC §7.4)."""

from __future__ import annotations

from ledger.fold.objects import Identity
from ledger.fold.state import FoldState
from ledger.identity.keyset import signing_keys
from ledger.identity.life import KeyEvent
from ledger.statements import words
from ledger.statements.entry import Entry


def disowning(state: FoldState, log_index: int, entry: Entry, clock_ms: int) -> KeyEvent | None:
    """The key event that disowns an entry in order at `log_index` by now: of its signer, or of the anchor of a pair.

    None: it is not disowned, as all that is no ordinary statement. As long as nothing was cut this costs a look at
    two identities.
    """
    statement = entry.statement
    signer = state.identity(statement.by) if statement.type in words.TYPES_ORDINARY else None
    if signer is None:
        return None
    if _may_cut(state, signer, clock_ms):
        found = state.disowned_by(signer.id, log_index, signers_of(state, log_index, entry), clock_ms)
        if found is not None:
            return found
    anchor = state.identity(signer.anchor) if signer.anchor is not None else None
    if anchor is None or not _may_cut(state, anchor, clock_ms):
        return None
    then = state.identity_before(signer.id, log_index)
    if then is None or then.delegation is None:
        return None
    return state.disowned_by(anchor.id, then.delegation.log_index, then.delegation.signed_by, clock_ms)


def signers_of(state: FoldState, log_index: int, entry: Entry) -> tuple[bytes, ...]:
    """The public keys that signed an ordinary statement in order; () if `state` does not know the key event that it names."""
    then = state.identity_before(entry.statement.by, log_index)
    if then is None:
        return ()
    named = [event for event in (then.last, then.before) if event and event.id == entry.statement.key]
    return signing_keys(entry, named[0].keyset) if named else ()


def _may_cut(state: FoldState, identity: Identity, clock_ms: int) -> bool:
    """Whether anything of this identity may be disowned: a key was cut, or a `recover` that cuts is in force by the clock."""
    is_due = identity.before is not None and identity.pending(clock_ms) is None
    return state.header.cuts > 0 or (is_due and bool(identity.last.cuts))

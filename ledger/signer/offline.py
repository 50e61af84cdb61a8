"""Signing without the log at hand: what a key store knows by itself, and statements into a file (SPEC §5.3, §11.5).

Which key event is in force the log alone knows. Here it is the one that put the keys in place that lie on this machine; if they were
changed elsewhere since, the log refuses what is signed (`key-not-in-force`), and nothing worse happens. A file has a lane of
its own, so that it can be lost, or appended twice, without harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ledger import spec
from ledger.errors import RefusedInput, StoreFault
from ledger.merkle.tree import hash_leaf
from ledger.signer.changes import changes_of
from ledger.signer.drafts import chunks, sign_records
from ledger.signer.freshlane import FreshLane
from ledger.signer.keystore import FORMER, LocalIdentity, Unlocked
from ledger.signer.seen import LocalStanding, standing_seen
from ledger.signer.signing import Signed
from ledger.signer.statement_file import StatementWriter
from ledger.statements.entry import decode_entry
from ledger.store.files import read_regular


def local_standing(identity: LocalIdentity) -> LocalStanding:
    """How an identity stands as far as this machine knows.

    Raises RefusedInput `identity-retired`, `change-pending`, `standing-unknown`, and `not-delegated` for a pair.
    """
    item = f"identity '{identity.name}'"
    if identity.retired:
        raise RefusedInput(
            "identity-retired",
            item,
            "it is retired: nothing that it says is valid any more",
            "Sign by another.",
        )
    if changes_of(identity):
        raise RefusedInput(
            "change-pending",
            item,
            "a change of its keys was signed and is not known to be through",
            "Sign anything by it where the ledger is: the change is carried through first.",
        )
    seen = standing_seen(identity)
    key_event = _key_event_here(identity) or (seen.key_event if seen is not None else None)
    if key_event is None:
        raise RefusedInput(
            "standing-unknown",
            item,
            "its keys were changed, and this machine does not know by which event",
            f"Copy its whole folder anew from where its keys were changed, to {identity.folder}",
        )
    delegation = seen.delegation if seen is not None else None
    if identity.role == "pair" and delegation is None:
        raise RefusedInput(
            "not-delegated",
            item,
            "this machine knows of no delegation by its anchor",
            f"Sign once by it where the ledger is, then copy its folder from there to {identity.folder}",
        )
    return LocalStanding(key_event, delegation)


def _key_event_here(identity: LocalIdentity) -> bytes | None:
    """The event that put the keys in place which lie here; None if it is not kept here."""
    if identity.kseq == 0:
        return identity.id
    try:
        event = read_regular(
            identity.folder / FORMER / str(identity.kseq) / "event.entry", spec.ENTRY_BYTES_MAX
        )
        return decode_entry(event).statement.id
    except (StoreFault, RefusedInput):
        return None


def add_records(
    file: StatementWriter,
    log_id: bytes,
    signer: Unlocked,
    records: Iterable[bytes],
    signed: Signed,
    progress: Callable[[int], None],
) -> None:
    """Signs records into a statement file in as few statements as fit, and fills in `signed`.

    The signer's enrolment stands before them, unless the log is known to hold it. `signed.log_indices` are the
    statements' numbers in the file. Raises as `local_standing`.
    """
    standing = local_standing(signer.identity)
    enrolment = signer.identity.pending_enrolment()
    if enrolment is not None:
        file.add(enrolment, ())
    lane = FreshLane(standing.key_event)
    places: dict[bytes, int] = {}
    for group in chunks(records):
        with lane.using():
            parcel = sign_records(signer, lane, log_id, standing.key_event, group, standing.delegation)
            ((entry, signed_records),) = parcel.statements
            number = file.add(entry, signed_records)
            lane.advance(entry)
        places |= dict.fromkeys(map(hash_leaf, group), number)
        signed.new += len(group)
        progress(signed.new)
    signed.log_indices = [places[artifact_id] for artifact_id in signed.ids]

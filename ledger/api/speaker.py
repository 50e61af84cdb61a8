"""Who speaks, as the log has it now: what a statement that is signed beside the log must name, and what bounds it (SPEC §7).

It is read where the log can be read; neither the writer's lock nor a key is needed. What changes between this and the place
where the statement will stand, the log judges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ledger.errors import RefusedInput
from ledger.fold.authority import check_mode, check_pair
from ledger.fold.objects import Identity
from ledger.fold.records import UNREAD, Standing, standing_of
from ledger.identity.keyset import Keyset
from ledger.log.view import LogView
from ledger.signer.keystore import LocalIdentity
from ledger.spec import STATEMENT_RECORDS_BYTES_MAX, STATEMENT_RECORDS_MAX
from ledger.statements.record import decode_record


class Speaker(NamedTuple):
    """An identity that may sign: under which key event (its id, its keyset) and delegation.

    `records_max`, `bytes_max`: of one statement, by the log's rules. `records_left`: what the delegation's scope leaves of
    its count; None: it bounds none.
    """

    identity: Identity
    key_event: bytes
    keyset: Keyset
    delegation: bytes | None
    records_max: int
    bytes_max: int
    records_left: int | None


def speaker_in(view: LogView, local: LocalIdentity, now_ms: int) -> Speaker:
    """How an identity of this machine stands in the log.

    Raises RefusedInput `identity-unknown`, `identity-retired`, `not-delegated`, `scope-exceeded`; PolicyDenied
    `not-endorsed`.
    """
    clock_ms = max(now_ms, view.clock_ms)
    identity = view.identity(local.id)
    if identity is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity '{local.name}'",
            "it is not enrolled in this log",
            "If its enrolment waits, append it first: lineage append. Else make a new identity.",
        )
    if identity.retired:
        raise RefusedInput(
            "identity-retired",
            f"identity '{local.name}'",
            "it is retired: nothing that it says is valid any more",
            "Sign by another identity.",
        )
    rules = view.state.header.rules
    if rules.get("mode") == "allow-list":
        check_mode(view.state, identity, clock_ms)
    delegation = check_pair(view.state, identity, clock_ms) if identity.role == "pair" else None
    event = identity.in_force(clock_ms)
    limits: Mapping[str, int] = rules.get("limits", {})
    count = (delegation.scope or {}).get("count") if delegation is not None else None
    return Speaker(
        identity,
        event.id,
        event.keyset,
        None if delegation is None else delegation.id,
        min(STATEMENT_RECORDS_MAX, limits.get("records", STATEMENT_RECORDS_MAX)),
        min(STATEMENT_RECORDS_BYTES_MAX, limits.get("bytes", STATEMENT_RECORDS_BYTES_MAX)),
        None if delegation is None or count is None else max(0, count - delegation.records_used),
    )


def standing_under(view: LogView, artifact_id: bytes) -> Standing | None:
    """What stands in the log under an artifact id, as its children are judged by it; None: nothing."""
    found: Standing | None = None
    for number in view.find_artifact(artifact_id):
        if view.state.is_faulty(view.locate(number)[0]):
            continue
        data = view.record(number)
        if data is None:
            found = UNREAD
            continue
        try:
            return standing_of(decode_record(data))
        except RefusedInput:
            found = UNREAD
    return found

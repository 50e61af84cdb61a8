"""From records to as few signed statements as fit, one code path for one record and for a million (SPEC §5.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from ledger import spec
from ledger.merkle.tree import hash_leaf, root_of
from ledger.signer.keystore import Unlocked
from ledger.signer.parcel import Parcel
from ledger.statements.statement import make_statement


class OpenLane(Protocol):
    """A lane as who signs in it knows it."""

    @property
    def id(self) -> bytes:
        """Its 16 bytes."""
        ...

    @property
    def next_seq(self) -> int:
        """The seq of the next statement."""
        ...

    @property
    def last(self) -> bytes | None:
        """The id of the statement before; None at seq 0."""
        ...


def chunks(
    records: Iterable[bytes],
    count_max: int = spec.STATEMENT_RECORDS_MAX,
    bytes_max: int = spec.STATEMENT_RECORDS_BYTES_MAX,
) -> Iterator[list[bytes]]:
    """Records in order, in groups that one statement may sign."""
    group: list[bytes] = []
    size_bytes = 0
    for record in records:
        if group and (len(group) >= count_max or size_bytes + len(record) > bytes_max):
            yield group
            group, size_bytes = [], 0
        group.append(record)
        size_bytes += len(record)
    if group:
        yield group


def sign_records(
    signer: Unlocked,
    lane: OpenLane,
    log: bytes,
    key_event: bytes,
    records: Sequence[bytes],
    delegation: bytes | None,
) -> Parcel:
    """The parcel of one `artifacts` statement, next in the lane. `delegation` stands for a pair, and only there."""
    body: dict[str, Any] = {"count": len(records), "root": root_of([hash_leaf(record) for record in records])}
    if delegation is not None:
        body["delegation"] = delegation
    return sign_ordinary(signer, lane, log, key_event, "artifacts", body, tuple(records))


def sign_ordinary(
    signer: Unlocked,
    lane: OpenLane,
    log: bytes,
    key_event: bytes,
    type_: str,
    body: dict[str, Any],
    records: tuple[bytes, ...] = (),
) -> Parcel:
    """The parcel of one ordinary statement, next in the lane."""
    statement = make_statement(
        type_,
        log,
        body,
        by=signer.identity.id,
        key=key_event,
        lane=lane.id,
        seq=lane.next_seq,
        prev=lane.last,
    )
    return Parcel(((signer.sign(statement).encoded, records),))

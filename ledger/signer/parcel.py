"""Parcels: signed statements with the records that they sign, as one thing to be kept and sent (SPEC §5.3, §10.5).

As bytes a parcel is msgpack, [[entry, [record, ...]], ...]. It is never signed over, only what it carries is; so
there is no canonical form to hold it to, and whoever reads one checks what it says of itself: its first statement's place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn

import msgpack

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement

_ITEM_BYTES_LEAST: Final = 24  # an entry and a record have more than 100; each statement counts five values
_ITEMS_FREE: Final = 8


@dataclass(frozen=True, slots=True)
class Parcel:
    """Signed statements with their records, in lane order: (entry, records)."""

    statements: tuple[tuple[bytes, tuple[bytes, ...]], ...]


class Place(NamedTuple):
    """Where a parcel is kept: the lane (16 bytes) and seq of its first statement."""

    lane: bytes
    seq: int


def place_of(statement: Statement) -> Place:
    """The place of a statement; of one that stands in no lane (an enrolment) one of its own, by its id."""
    fields = statement.fields
    if "lane" in fields:
        return Place(fields["lane"], fields["seq"])
    return Place(statement.id[: spec.LANE_BYTES], 0)


def pack(parcel: Parcel) -> bytes:
    """The bytes of a parcel."""
    statements = [[entry, list(records)] for entry, records in parcel.statements]
    return bytes(msgpack.packb(statements, use_bin_type=True))


def unpack(data: bytes) -> tuple[Parcel, Place]:
    """A parcel of one statement at least, and the place of its first one, which alone was decoded.

    Raises RefusedInput `outbox-damaged`.
    """
    try:
        statements = _unpacked(data)
        parcel = Parcel(tuple((entry, tuple(records)) for entry, records in statements))
        kinds = {type(item) for entry, records in parcel.statements for item in (entry, *records)}
        if kinds == {bytes}:
            return parcel, place_of(decode_entry(parcel.statements[0][0]).statement)
    except (ValueError, TypeError, LookupError, msgpack.UnpackException, RefusedInput) as error:
        raise _damaged() from error
    raise _damaged()


def _unpacked(data: bytes) -> Any:
    """Arrays and byte strings. Other values are refused, and more of them than signed statements could be.

    Anybody may have put the file there: one byte that says "a map" takes seventy in memory, and a drainer that dies of a
    file drains nothing any more.
    """
    items = 0

    def count(array: list[Any]) -> list[Any]:
        nonlocal items
        items += 1 + len(array)
        if items > len(data) // _ITEM_BYTES_LEAST + _ITEMS_FREE:
            raise ValueError("there are more values than its bytes could sign")
        return array

    return msgpack.unpackb(
        data,
        raw=False,
        list_hook=count,
        object_pairs_hook=_refuse,
        ext_hook=_refuse,
        max_array_len=spec.STATEMENT_RECORDS_MAX,
        max_str_len=0,
        max_ext_len=0,
    )


def _refuse(*_value: object) -> NoReturn:
    raise ValueError("it holds what no parcel holds")


def _damaged() -> RefusedInput:
    return RefusedInput(
        "outbox-damaged",
        "parcel",
        "it holds no signed statements",
        "Find out who put it there; what it was, only its signer can sign again.",
    )

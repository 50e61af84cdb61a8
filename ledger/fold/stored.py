"""The shapes in which the fold's state is kept in a ledger's folder (SPEC §10.4), and the check of what is read back.

Who may write the folder may have put anything there. So each value is held to its shape before the fold believes it,
by the checks that the signed bodies are held to; whether it is the right one, an audit tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgpack

from ledger import spec
from ledger.errors import RefusedInput, StoreFault
from ledger.statements import bodies, schema, words
from ledger.statements.schema import Check, array, code, digest, exact, integer, refuse, text

_Made = TypeVar("_Made")

NUMBER: Final = integer(0, spec.INTEGER_MAX)
_MISSHAPEN: Final = (  # what reading and checking any bytes may raise
    ValueError,
    TypeError,
    LookupError,
    RecursionError,
    msgpack.UnpackException,
    RefusedInput,
)


def damaged(key: bytes) -> StoreFault:
    """The fault of a value that is not what a fold leaves at `key`."""
    return StoreFault(
        "ledger-damaged",
        f"fold state, key {key.hex()[:18]}",
        "it is not what a fold leaves there",
        "Run `lineage audit`; restore a backup of the ledger's folder.",
    )


def decoded(key: bytes, stored: bytes, check: Check, make: Callable[[Any], _Made]) -> _Made:
    """What `make` makes of a stored value that has the shape `check`. Raises StoreFault `ledger-damaged`."""
    try:
        value = msgpack.unpackb(stored, raw=False)
        check(value, "value")
        return make(value)
    except _MISSHAPEN as error:
        raise damaged(key) from error


def log_index_in(key: bytes, kept: bytes | None) -> int:
    """The `log_index` in a stored value of whose other fields nothing is asked. Raises StoreFault `ledger-damaged`."""
    try:
        log_index = msgpack.unpackb(kept or b"", raw=False)["log_index"]
        NUMBER(log_index, "log_index")
    except _MISSHAPEN as error:
        raise damaged(key) from error
    return int(log_index)


def _or(nothing: Any, check: Check) -> Check:
    """`nothing` stands before there is something to check."""

    def checked(value: Any, where: str) -> None:
        if value != nothing:
            check(value, where)

    return checked


def _delegation(value: Any, where: str) -> None:
    _DELEGATION(value, where)
    body = {"pair": value["id"], "substrate": value["substrate"]}
    if value["scope"] is not None:
        body["scope"] = value["scope"]
    bodies.BODIES["delegate"](body, where)


def _anything(_value: Any, _where: str) -> None:
    """Is checked elsewhere."""


def _fault(value: Any, where: str) -> None:
    if value is not True:
        raise refuse(where, "it must be true")


def _chain(value: Any, where: str) -> None:
    if type(value) is not list or len(value) != 2:
        raise refuse(where, "it must be an array of 2 items")
    NUMBER(value[0], where)
    digest(value[1], where)


def _key_event(value: Any, where: str) -> None:
    _KEY_EVENT(value, where)
    if value["type"] != "retire":
        digest(value["next"], where)
        digest(value["recovery"], where)


def _truth(value: Any, where: str) -> None:
    if type(value) is not bool:
        raise refuse(where, "it must be true or false")


_WORD: Final = code(frozenset({"genesis", "enrol", "rotate", "recover", "retire"}))
_SIGNED_BY: Final = array(schema.binary(spec.KEY_BYTES), spec.KEYS_MAX)
_DELEGATION: Final = exact(
    {
        "id": digest,
        "log_index": NUMBER,
        "substrate": _anything,
        "scope": _anything,
        "signed_by": _SIGNED_BY,
        "records_used": NUMBER,
        "ended": _or(None, NUMBER),
    }
)
_CUT: Final = bodies.tuple_of(schema.binary_up_to(spec.PAYLOAD_BYTES_MAX), NUMBER)
_KEY_EVENT: Final = exact(
    {
        "id": digest,
        "log_index": NUMBER,
        "clock_ms": NUMBER,
        "type": _WORD,
        "keyset": bodies.keyset,
        "next": _or(b"", digest),
        "recovery": _or(b"", digest),
        "compromised": _or([], array(_CUT, spec.KEYS_MAX)),
        "vetoed": _truth,
    }
)

HEADER: Final = exact(
    {
        "log_id": digest,
        "size": NUMBER,
        "records": NUMBER,
        "faults": NUMBER,
        "cuts": NUMBER,
        "clock_ms": NUMBER,
        "fold_number": NUMBER,
        "status_root": digest,
        "operator": _or(b"", digest),
        "origin": _or("", text(words.ORIGIN)),
        "vkeys": _or([], bodies.vkeys),
        "rules": _or({}, bodies.BODIES["rules"]),
    }
)
IDENTITY: Final = exact(
    {
        "id": digest,
        "born": NUMBER,
        "kseq": NUMBER,
        "last": _key_event,
        "before": _or(None, _key_event),
        "role": code(words.ROLES),
        "anchor": _or(None, digest),
        "delegation": _or(None, _delegation),
        "former": NUMBER,
    }
)
ENDORSEMENT: Final = exact(
    {
        "id": digest,
        "log_index": NUMBER,
        "grade": code(words.GRADES),
        "method": code(words.METHODS_ENDORSE),
        "until": _or(None, NUMBER),
        "signed_by": _SIGNED_BY,
        "former": NUMBER,
    }
)
REVEALED: Final = exact(
    {"log_index": NUMBER, "cut": _or(None, NUMBER), "cut_at": _or(None, NUMBER), "cuts": NUMBER}
)
CUT: Final = exact({"start": NUMBER, "kseq": NUMBER, "log_index": NUMBER})
HOLD: Final = exact({"log_index": NUMBER, "by": digest, "subjects": bodies.SUBJECTS})
LANE: Final = exact({"next_seq": NUMBER, "last": digest})
DELEGATION: Final[Check] = _delegation
KEY_EVENT: Final[Check] = _key_event
CHAIN: Final[Check] = _chain
FAULT: Final[Check] = _fault

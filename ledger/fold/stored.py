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
from ledger.statements import bodies, words
from ledger.statements.schema import Check, array, code, digest, exact, integer, refuse, text

_Made = TypeVar("_Made")

NUMBER: Final = integer(0, spec.INTEGER_MAX)
_KEY_EVENTS_MAX: Final = spec.TREE_SIZE_MAX  # an entry each


def damaged(key: bytes) -> StoreFault:
    """The fault of a value that is not what a fold leaves at `key`."""
    return StoreFault(
        "ledger-damaged",
        f"fold state, key {key.hex()[:18]}",
        "it is not what a fold leaves there",
        "Run `lineage audit`; restore a backup, or rebuild from a published copy of the log.",
    )


def decoded(key: bytes, stored: bytes, check: Check, make: Callable[[Any], _Made]) -> _Made:
    """What `make` makes of a stored value that has the shape `check`. Raises StoreFault `ledger-damaged`."""
    try:
        value = msgpack.unpackb(stored, raw=False)
        check(value, "value")
        return make(value)
    except (
        ValueError,
        TypeError,
        LookupError,
        RecursionError,
        msgpack.UnpackException,
        RefusedInput,
    ) as error:
        raise damaged(key) from error


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


_WORD: Final = code(frozenset({"genesis", "enrol", "rotate", "recover", "retire"}))
_DELEGATION: Final = exact(
    {"id": digest, "log_index": NUMBER, "substrate": _anything, "scope": _anything, "records_used": NUMBER}
)
_EVENT: Final = exact({"id": digest, "log_index": NUMBER, "type": _WORD, "keyset": bodies.keyset})

HEADER: Final = exact(
    {
        "log_id": digest,
        "size": NUMBER,
        "records": NUMBER,
        "faults": NUMBER,
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
        "role": code(words.ROLES),
        "events": array(_EVENT, _KEY_EVENTS_MAX),
        "next": digest,
        "recovery": digest,
        "anchor": _or(None, digest),
        "delegation": _or(None, _delegation),
        "former": NUMBER,
    }
)
LANE: Final = exact({"next_seq": NUMBER, "last": digest})
DELEGATION: Final[Check] = _delegation
CHAIN: Final[Check] = _chain
FAULT: Final[Check] = _fault

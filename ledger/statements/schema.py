"""Small exact checks from which the schemas of bodies are made (SPEC §3, rule 7).

A check takes a decoded value and the place it stands at ("body.scope.until"), and raises RefusedInput
`schema` or returns nothing. Unknown keys are refused: what a reader does not understand was not signed for
that reader.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import codec

Check = Callable[[Any, str], None]


def refuse(where: str, reason: str) -> RefusedInput:
    """The error of a value that does not fit its place."""
    return RefusedInput("schema", where, reason, "SPEC §4, §5 and §7 list what may stand there.")


def binary(size_bytes: int) -> Check:
    """A bin of exactly `size_bytes`."""

    def check(value: Any, where: str) -> None:
        if type(value) is not bytes or len(value) != size_bytes:
            raise refuse(where, f"it must be a bin of {size_bytes} bytes")

    return check


def binary_up_to(limit_bytes: int) -> Check:
    """A non-empty bin of at most `limit_bytes`."""

    def check(value: Any, where: str) -> None:
        if type(value) is not bytes or not 0 < len(value) <= limit_bytes:
            raise refuse(where, f"it must be a bin of 1 to {limit_bytes} bytes")

    return check


def integer(least: int, greatest: int) -> Check:
    """An integer in [least, greatest]."""

    def check(value: Any, where: str) -> None:
        if type(value) is not int or not least <= value <= greatest:
            raise refuse(where, f"it must be an integer from {least} to {greatest}")

    return check


def code(allowed: frozenset[str]) -> Check:
    """One word of a closed list."""

    def check(value: Any, where: str) -> None:
        if type(value) is not str or value not in allowed:
            raise refuse(where, f"it must be one of {', '.join(sorted(allowed))}")

    return check


def text(pattern: re.Pattern[str]) -> Check:
    """A str in a closed character set (SPEC §3.1)."""

    def check(value: Any, where: str) -> None:
        if type(value) is not str or not pattern.match(value):
            raise refuse(where, "it is no str of the closed character set of SPEC §3.1, or too long")

    return check


def array(item: Check, most: int, *, ascending: bool = False) -> Check:
    """An array of 1 to `most` items; `ascending`: strictly, by encoded bytes, so that it has one order."""

    def check(value: Any, where: str) -> None:
        if type(value) is not list or not 0 < len(value) <= most:
            raise refuse(where, f"it must be an array of 1 to {most} items")
        for position, element in enumerate(value):
            item(element, f"{where}[{position}]")
        if ascending:
            strictly_ascending([codec.encode(element) for element in value], where)

    return check


def strictly_ascending(keys: list[Any], where: str) -> None:
    """Raises unless each key is greater than the one before."""
    for position in range(1, len(keys)):
        if keys[position - 1] >= keys[position]:
            raise refuse(f"{where}[{position}]", "the array is not strictly ascending")


def exact(
    required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, *, one_of: bool = False
) -> Check:
    """A map with all of `required`, any of `optional` and nothing else; `one_of`: at least one key."""
    known = {**required, **(optional or {})}
    required_names = required.keys()

    def check(value: Any, where: str) -> None:
        if type(value) is not dict:
            raise refuse(where, "it must be a map")
        if not required_names <= value.keys():
            missing = next(name for name in required if name not in value)
            raise refuse(f"{where}.{missing}", "it is missing")
        if one_of and not value:
            raise refuse(where, "it is empty")
        for name, item in value.items():
            item_check = known.get(name)
            if item_check is None:
                raise refuse(f"{where}.{name[:64]}", "this key is unknown")
            item_check(item, f"{where}.{name}")

    return check


digest = binary(spec.HASH_BYTES)
time_ms = integer(0, spec.TIME_MAX_MS)
digests_ascending = array(digest, spec.EVIDENCE_DIGESTS_MAX, ascending=True)

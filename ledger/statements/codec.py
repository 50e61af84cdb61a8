"""Canonical msgpack: each value has one encoding, and a decoder refuses the rest (SPEC §3).

`decode` unpacks with every size bounded, walks the value once for what msgpack allows and we do not (nil,
booleans, floats, empty containers, unsorted keys), then packs it again and compares: the packer always
writes the shortest form, so whatever differs was not canonical. That one comparison covers integer
families, header widths, duplicate keys and everything else a hand-written checker might forget.
"""

from __future__ import annotations

from typing import Any

import msgpack

from ledger import spec
from ledger.errors import RefusedInput

_MAY_BE_EMPTY = "parents"  # the one array that always stands (SPEC §3, rule 5)


def encode(value: Any) -> bytes:
    """The only bytes of `value`; map keys may come in any order.

    Raises RefusedInput `not-canonical` for a value that has no canonical form (nil, float, empty list, ...).
    """
    try:
        ordered = _order(value)
        _check(ordered, 1, "")
        return bytes(msgpack.packb(ordered, use_bin_type=True))
    except (ValueError, RecursionError) as error:  # a str that is no UTF-8; nesting without end
        raise _refuse(f"cannot be encoded: {error}") from error


def decode(data: bytes | memoryview, limit_bytes: int) -> Any:
    """The value of canonical `data`, which holds at most `limit_bytes`.

    Raises RefusedInput `too-large` or `not-canonical`.
    """
    if len(data) > limit_bytes:
        raise RefusedInput(
            "too-large",
            "value",
            f"it has {len(data)} bytes, the limit is {limit_bytes}",
            "Split it, or leave out what is optional.",
        )
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=spec.CODEC_ARRAY_MAX,
            max_map_len=spec.CODEC_MAP_MAX,
            max_ext_len=0,
        )
    except (ValueError, TypeError, RecursionError) as error:
        # UnicodeDecodeError, ExtraData, FormatError, StackError and OutOfData are ValueErrors.
        raise _refuse(f"is no canonical msgpack: {type(error).__name__} {error}".rstrip()) from error
    _check(value, 1, "")
    if msgpack.packb(value, use_bin_type=True) != data:
        raise _refuse("is not the shortest encoding of its value, or repeats a map key")
    return value


def _order(value: Any) -> Any:
    """The same value with every map's keys ascending (code-point order is UTF-8 byte order)."""
    if type(value) is dict:
        try:
            return {key: _order(value[key]) for key in sorted(value)}
        except TypeError as error:
            raise _refuse("has a map key that is no str") from error
    if type(value) in (list, tuple):
        return [_order(item) for item in value]
    if type(value) in (memoryview, bytearray):
        return bytes(value)
    return value


def _check(value: Any, depth: int, key: str) -> None:
    kind = type(value)
    if kind is bytes or kind is str:
        if not value:
            raise _refuse(f"holds an empty {kind.__name__} at '{key}'; leave the key out instead")
    elif kind is int:
        if not -spec.INTEGER_MAX <= value <= spec.INTEGER_MAX:
            raise _refuse(f"holds an integer beyond 2^53-1 at '{key}'")
    elif kind is dict:
        _check_map(value, depth, key)
    elif kind is list:
        _check_array(value, depth, key)
    else:
        raise _refuse(f"holds a {kind.__name__} at '{key}', which signed bytes never do")


def _check_map(value: dict[Any, Any], depth: int, key: str) -> None:
    if depth > spec.CODEC_DEPTH_MAX:
        raise _refuse(f"nests more than {spec.CODEC_DEPTH_MAX} containers")
    if not value or len(value) > spec.CODEC_MAP_MAX:
        raise _refuse(f"holds a map of {len(value)} keys at '{key}'; 1 to {spec.CODEC_MAP_MAX} are allowed")
    previous = ""
    for name, item in value.items():
        if type(name) is not str:
            raise _refuse(f"has a map key that is no str at '{key}'")
        if name <= previous:
            raise _refuse(f"has map key '{name[:64]}' out of order after '{previous[:64]}'")
        previous = name
        kind = type(item)
        if not item or (kind is not bytes and kind is not str):  # most values are strings, and not empty
            _check(item, depth + 1, name)


def _check_array(value: list[Any], depth: int, key: str) -> None:
    if depth > spec.CODEC_DEPTH_MAX:
        raise _refuse(f"nests more than {spec.CODEC_DEPTH_MAX} containers")
    if len(value) > spec.CODEC_ARRAY_MAX:
        raise _refuse(f"holds an array of {len(value)} items; the limit is {spec.CODEC_ARRAY_MAX}")
    if not value and not (depth == 2 and key == _MAY_BE_EMPTY):
        raise _refuse(f"holds an empty array at '{key}'; leave the key out instead")
    for item in value:
        _check(item, depth + 1, key)


def _refuse(reason: str) -> RefusedInput:
    return RefusedInput("not-canonical", "value", reason, "Encode it by SPEC §3.")

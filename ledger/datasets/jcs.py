"""JSON in one reading only, and back to its only bytes (RFC 8785, the JSON Canonicalization Scheme).

RFC 8259 leaves open what a reader does with a name that stands twice, with a surrogate that stands alone and with a
number that no double holds. Two readers may then see two texts in one digest. RFC 8785 builds on I-JSON (RFC 7493),
which forbids the first two; here all three are refused, and so are NaN and Infinity, which are no JSON at all.

Depth is bounded by a number, not by the stack that happens to be left, so that a value is refused everywhere or nowhere: a reader that counts the
brackets of a line has no need to look closer at most of them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Final, NoReturn

from ledger import spec
from ledger.errors import RefusedInput

_ITEM: Final = "JSON value"  # callers that know a better name put it in place of this one
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_OPENING: Final = b"[{"
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{]}"))


def parse_json(text: bytes) -> Any:
    """Read one JSON text, UTF-8 without a byte order mark, as a tree of dict, list, str, int, float, bool and None.

    Raises RefusedInput: byte-order-mark, not-utf8, not-json, json-duplicate-key, json-too-deep.
    """
    if text.startswith(_BYTE_ORDER_MARK):
        raise RefusedInput(
            "byte-order-mark",
            _ITEM,
            "it starts with a byte order mark (EF BB BF), which RFC 8259 forbids in JSON",
            "Save the file as UTF-8 without BOM",
        )
    if opens_many(text):
        _check_depth(text)
    try:
        return _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RefusedInput(
            "not-utf8",
            _ITEM,
            f"byte {error.start + 1} is not UTF-8",
            "Convert the file to UTF-8; unpack it first if it is compressed",
        ) from error
    except json.JSONDecodeError as error:
        # The decoder's message and column; never the text, which may be private.
        raise RefusedInput(
            "not-json",
            _ITEM,
            f"no JSON: {error.msg} at character {error.pos + 1}",
            "Mend it, or leave it out",
        ) from error
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:  # int() limits the digits it converts
        raise RefusedInput(
            "not-json", _ITEM, "a number has thousands of digits", "Write a number that long as a string"
        ) from error


def opens_many(text: bytes) -> bool:
    """Whether a JSON text has so many brackets that it might be nested too deeply."""
    return text.count(b"[") + text.count(b"{") > spec.JSON_DEPTH_MAX


def _check_depth(text: bytes) -> None:
    """Raises RefusedInput `json-too-deep` by the brackets alone, before a decoder uses the stack for them."""
    depth = 0
    for bracket in _STRING.sub(b"", text).translate(None, _NO_BRACKETS):
        depth += 1 if bracket in _OPENING else -1
        if depth > spec.JSON_DEPTH_MAX:
            raise too_deep()


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value: names sorted by UTF-16 units, no white space, numbers as ECMAScript prints them.

    The canonical form of a canonical form is itself: a double that prints as a long integer is refused like the integer.

    Raises RefusedInput: json-too-deep, json-integer-too-big, json-number-not-finite, lone-surrogate, not-json.
    """
    if _is_plain(value):
        try:
            return _PLAIN.encode(value).encode()
        except UnicodeEncodeError as error:
            raise lone_surrogate() from error
    import rfc8785  # noqa: PLC0415  # lazily: plain rows never need it

    _check(value)
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError as error:
        raise _integer_too_big() from error
    except rfc8785.FloatDomainError as error:
        raise RefusedInput(
            "json-number-not-finite",
            _ITEM,
            "it holds a number beyond the range of a double",
            "Write such numbers as strings",
        ) from error
    except ValueError as error:  # CanonicalizationError, or a name's UnicodeEncodeError as it is
        if isinstance(error, UnicodeEncodeError) or isinstance(error.__cause__, UnicodeEncodeError):
            raise lone_surrogate() from error
        raise RefusedInput("not-json", _ITEM, f"no JSON value: {error}", "Give JSON types only") from error


def lone_surrogate() -> RefusedInput:
    """The refusal of a string that has no UTF-8 form."""
    return RefusedInput(
        "lone-surrogate",
        _ITEM,
        r"a string holds a surrogate that stands alone (such as \ud800), which has no UTF-8 form",
        "Write the character as UTF-8, or as both halves of its surrogate pair",
    )


def _is_plain(value: Any) -> bool:
    """Whether the standard encoder writes the canonical form: names in ASCII, whose code points are their UTF-16 units; no float.

    The two escape the same characters in the same way. What is too deep or too big is not plain: it is refused elsewhere.
    """
    level: list[Any] = [value]
    for _ in range(spec.JSON_DEPTH_MAX + 1):
        below: list[Any] = []
        has_containers = False
        for each in level:
            kind = type(each)
            has_containers = has_containers or kind is dict or kind is list
            if kind is dict:
                if not all(type(name) is str and name.isascii() for name in each):
                    return False
                below += each.values()
            elif kind is list:
                below += each
            elif kind is int:
                if not -spec.INTEGER_MAX <= each <= spec.INTEGER_MAX:
                    return False
            elif kind is not str and kind is not bool and each is not None:
                return False
        if not has_containers:
            return True
        level = below
    return False


def _check(value: Any) -> None:
    level: list[Any] = [value]
    for _ in range(spec.JSON_DEPTH_MAX + 1):
        # Breadth first: each round steps from the values of one level to the members of its containers.
        if any(isinstance(each, float) and _prints_as_long_integer(each) for each in level):
            raise _integer_too_big()
        containers = [each for each in level if isinstance(each, (dict, list))]
        if not containers:
            return
        level = [
            member for each in containers for member in (each.values() if isinstance(each, dict) else each)
        ]
    raise too_deep()


def _prints_as_long_integer(number: float) -> bool:
    """Whether ECMAScript prints it in digits alone, beyond the integers that are taken: what is written is read again."""
    return spec.INTEGER_MAX < abs(number) < 1e21


def _integer_too_big() -> RefusedInput:
    return RefusedInput(
        "json-integer-too-big",
        _ITEM,
        f"it holds an integer beyond ±{spec.INTEGER_MAX} (2^53 - 1), which JSON readers round",
        "Write integers that long as strings",
    )


def too_deep() -> RefusedInput:
    """The refusal of a value that is nested deeper than any may be (SPEC §13)."""
    return RefusedInput(
        "json-too-deep",
        _ITEM,
        f"objects and arrays are nested deeper than {spec.JSON_DEPTH_MAX}",
        "Flatten it, or keep the nested part as a string",
    )


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise RefusedInput(
            "json-duplicate-key",
            _ITEM,
            f"the name {twice[:80]!a} stands twice in one object, and readers differ in which they take",
            "Keep one of them",
        )
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise RefusedInput("not-json", _ITEM, f"{name} is no JSON", "Use null, or leave the member out")


_PLAIN: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object_without_duplicates, parse_constant=_refuse_constant
)
# (value, where it ends) of the JSON value with which a text begins: no white space is passed over, what follows is not looked at.
# It is the very decoder of `parse_json`, for readers of many short texts; whatever it raises, `parse_json` explains. A text that `opens_many` brackets is
# left to that, too: how deep it may be is not this one's matter.
scan_json: Final = _DECODER.raw_decode

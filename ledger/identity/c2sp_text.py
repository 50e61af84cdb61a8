"""The words that C2SP text formats share: strict base64, decimals, lines within a limit.

signed-note, tlog-checkpoint and tlog-proof are text that is signed or hashed, so each value may have one spelling:
RFC 4648 §4 base64 with padding and zero trailing bits, decimals without leading zeros, UTF-8, lines that end in
U+000A and in nothing else. Functions return None for another spelling; the caller knows the item to name.
"""

from __future__ import annotations

import base64


def encode_base64(data: bytes) -> str:
    """RFC 4648 §4, with padding."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes | None:
    """The bytes of which `text` is the one RFC 4648 §4 spelling; None if there are none."""
    try:
        data = base64.b64decode(text)
    except ValueError:
        return None
    # The decoder passes over foreign characters and trailing bits; encoding again shows whether there were any.
    return data if encode_base64(data) == text else None


def decode_decimal(text: str, maximum: int) -> int | None:
    """The number of which `text` is the ASCII decimal without leading zeros, at most `maximum`; None otherwise."""
    # The length is compared first: int() of a long string takes quadratic time.
    if len(text) > len(str(maximum)) or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if str(number) == text and number <= maximum else None


def as_text(data: bytes | str, size_max: int) -> str | None:
    """`data` as text of at most `size_max` bytes of UTF-8; None if it is longer or not UTF-8."""
    if len(data) > size_max:  # before anything is allocated; a character has at least one byte
        return None
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        return text if len(text.encode("utf-8")) <= size_max else None
    except UnicodeError:
        return None


def has_control_character(text: str) -> bool:
    """Whether `text` holds an ASCII control character (below U+0020) other than newline (C2SP signed-note)."""
    return any(character < " " and character != "\n" for character in text)

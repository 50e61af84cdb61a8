"""The most common entry of a log, read at one glance (SPEC §5, §8.1).

An `artifacts` statement with one signature of the current keyset has one encoding, whose keys stand at known places: the
canonical form of SPEC §3 leaves no choice. So a pattern over the bytes says all that decoding and checking in full would say of
it, at a tenth of the cost. Whatever the pattern does not match may be in order all the same, and is decoded in full; what it
matches is in order, and decoding it in full gives the same fields. Integers are matched in their shortest form alone.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from ledger import spec

_INTEGER: Final = (  # at most 2^53 - 1
    rb"([\x00-\x7f]|\xcc[\x80-\xff]|\xcd(?!\x00)..|\xce(?!\x00\x00)....|\xcf(?!\x00{4})\x00[\x00-\x1f].{6})"
)
_COUNT: Final = rb"([\x01-\x7f]|\xcc[\x80-\xff]|\xcd(?!\x00)..|\xce\x00\x01\x00\x00)"
_DIGEST: Final = rb"\xc4\x20(.{32})"
_ENTRY: Final = re.compile(
    rb"\x92(?:\xc4(.)|\xc5(?!\x00)(..))"  # [payload of so many bytes,
    rb"([\x88\x89])\xa4body([\x82\x83])\xa5count%(count)b(?:\xaadelegation%(digest)b)?\xa4root%(digest)b"
    rb"\xa2by%(digest)b\xa3key%(digest)b\xa4lane\xc4\x10(.{16})\xa3log%(digest)b(?:\xa4prev%(digest)b)?"
    rb"\xa3seq%(integer)b\xa4type\xa9artifacts\xa1v\x01"
    rb"\x91\x93\x00([\x00-\x07])\xc4\x40(.{64})"  # [[current, key index, signature]]]
    % {b"count": _COUNT, b"digest": _DIGEST, b"integer": _INTEGER},
    re.DOTALL,
)
_TAIL_BYTES: Final = 1 + 1 + 1 + 1 + 2 + spec.SIGNATURE_BYTES  # of the signatures


class Plain(NamedTuple):
    """A payload, its fields, and the one signature on it, of the key `key_index` of the current keyset."""

    payload: bytes
    fields: dict[str, Any]
    key_index: int
    signature: bytes


def plain_artifacts(data: bytes) -> Plain | None:
    """What an entry holds if it is such a one; None: decode it in full."""
    match = _ENTRY.fullmatch(data)
    if match is None:
        return None
    (
        short,
        long,
        head,
        body_head,
        count,
        delegation,
        root,
        by,
        key,
        lane,
        log,
        prev,
        seq,
        key_index,
        signature,
    ) = match.groups()
    size = int.from_bytes(short or long, "big")
    if len(data) != 1 + (2 if short else 3) + size + _TAIL_BYTES:  # 0x92, and the header of the payload
        return None
    if (head == b"\x89") != (prev is not None) or (seq == b"\x00") != (prev is None):
        return None
    body: dict[str, Any] = {"count": _number(count)}
    if delegation is not None:
        body["delegation"] = delegation
    if (body_head == b"\x83") != (delegation is not None):
        return None
    body["root"] = root
    fields: dict[str, Any] = {"body": body, "by": by, "key": key, "lane": lane, "log": log}
    if prev is not None:
        fields["prev"] = prev
    fields["seq"] = _number(seq)
    fields["type"] = "artifacts"
    fields["v"] = spec.FORMAT_VERSION
    payload_at = len(data) - _TAIL_BYTES - size
    return Plain(data[payload_at:-_TAIL_BYTES], fields, key_index[0], signature)


def _number(encoded: bytes) -> int:
    """An integer in its shortest form: one byte alone, or a header byte and the number."""
    return encoded[0] if len(encoded) == 1 else int.from_bytes(encoded[1:], "big")

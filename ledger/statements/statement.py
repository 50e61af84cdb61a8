"""Statements: what an identity signs (SPEC §5, §6).

A payload names its log, so that it cannot be replayed into another; its key event, so that a verifier knows
which keys must have signed; and its place in a lane, so that a gap or a fork shows.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import codec, schema, words
from ledger.statements.bodies import BODIES, PAYLOAD_LIMITS_BYTES
from ledger.statements.schema import digest, exact, integer

_PAE_HEAD: Final = b"DSSEv1 %d %b" % (len(spec.PAYLOAD_TYPE), spec.PAYLOAD_TYPE.encode())
_LIMIT_BYTES: Final = max(spec.PAYLOAD_BYTES_MAX, *PAYLOAD_LIMITS_BYTES.values())
_TYPE: Final = schema.code(words.TYPES)
_COMMON: Final = {
    "v": integer(spec.FORMAT_VERSION, spec.FORMAT_VERSION),
    "type": _TYPE,
    "log": digest,
    "body": lambda _value, _where: None,  # by type, below
}
_BARE: Final = exact(_COMMON)
_KEY_EVENT: Final = exact(
    {**_COMMON, "by": digest, "kseq": integer(1, spec.INTEGER_MAX), "prev": digest},
)
_ORDINARY: Final = exact(
    {
        **_COMMON,
        "by": digest,
        "key": digest,
        "lane": schema.binary(spec.LANE_BYTES),
        "seq": integer(0, spec.INTEGER_MAX),
    },
    {"prev": digest},
)


class Statement:
    """A checked payload, its fields and its id. Made by `decode_statement` and `make_statement` only.

    `by` is the signer; for `enrol` and `genesis` the identity that they make; not defined for `state`.
    """

    __slots__ = ("by", "fields", "id", "payload", "type")

    def __init__(self, payload: bytes, fields: dict[str, Any]) -> None:
        self.payload = payload
        self.fields = fields
        self.id = statement_id(payload)
        self.type: str = fields["type"]
        self.by: bytes = fields.get("by", self.id)

    @property
    def log(self) -> bytes:
        return bytes(self.fields["log"])

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = self.fields["body"]
        return body

    @property
    def key(self) -> bytes:
        key: bytes = self.fields["key"]
        return key

    @property
    def lane(self) -> bytes:
        lane: bytes = self.fields["lane"]
        return lane

    @property
    def seq(self) -> int:
        seq: int = self.fields["seq"]
        return seq

    @property
    def prev(self) -> bytes | None:
        return self.fields.get("prev")


def statement_id(payload: bytes) -> bytes:
    """SPEC §2."""
    return hashlib.sha256(spec.TAG_STATEMENT + payload).digest()


def log_id(vkey_text: str) -> bytes:
    """The id of the log whose genesis names this vkey first (SPEC §2)."""
    return hashlib.sha256(spec.TAG_LOG + vkey_text.encode()).digest()


def keyset_digest(keyset: dict[str, Any]) -> bytes:
    """What `next` and `recovery` commit to (SPEC §2, §7.1)."""
    return hashlib.sha256(spec.TAG_KEYSET + codec.encode(keyset)).digest()


def profile_digest(keyset: bytes, salt: bytes, profile: bytes) -> bytes:
    """What an enrolment's `profile` commits to (SPEC §2): `keyset` is the digest of its keyset, `salt` has 32 bytes."""
    return hashlib.sha256(spec.TAG_PROFILE + keyset + salt + profile).digest()


def pre_authentication_encoding(payload: bytes) -> bytes:
    """The bytes that a signature covers: DSSE v1 PAE with our payload type (SPEC §6)."""
    return b"%b %d %b" % (_PAE_HEAD, len(payload), payload)


def make_statement(type_: str, log: bytes, body: dict[str, Any], **fields: Any) -> Statement:
    """Builds a statement; `fields` are by, key, lane, seq, prev, kseq as SPEC §5.1 asks; None is left out."""
    present = {name: value for name, value in fields.items() if value is not None}
    return decode_statement(
        codec.encode({"v": spec.FORMAT_VERSION, "type": type_, "log": log, "body": body, **present})
    )


def decode_statement(payload: bytes) -> Statement:
    """Reads and checks a payload. Raises RefusedInput `too-large`, `not-canonical`, `schema` or `keyset-illegal`."""
    fields = _decode_fields(payload)
    _check_fields(fields)
    if fields["type"] == "evidence":
        _check_fork(fields)
    return Statement(bytes(payload), fields)


def _decode_fields(payload: bytes) -> dict[str, Any]:
    """The payload's map, its type and the size that its type allows."""
    fields = codec.decode(payload, _LIMIT_BYTES)
    if type(fields) is not dict:
        raise schema.refuse("payload", "it must be a map")
    _TYPE(fields.get("type"), "payload.type")
    limit_bytes = PAYLOAD_LIMITS_BYTES.get(fields["type"], spec.PAYLOAD_BYTES_MAX)
    if len(payload) > limit_bytes:
        raise RefusedInput(
            "too-large",
            "payload",
            f"it has {len(payload)} bytes, the limit of '{fields['type']}' is {limit_bytes}",
        )
    return fields


def _check_fields(fields: dict[str, Any]) -> None:
    """The keys of SPEC §5.1, then the body."""
    kind: str = fields["type"]
    if kind in words.TYPES_BARE:
        _BARE(fields, "payload")
    elif kind in words.TYPES_KEY_EVENT:
        _KEY_EVENT(fields, "payload")
    else:
        _ORDINARY(fields, "payload")
        if ("prev" in fields) == (fields["seq"] == 0):
            raise schema.refuse("payload.prev", "it is left out exactly when seq is 0")
    BODIES[kind](fields["body"], "body")


def _check_fork(fields: dict[str, Any]) -> None:
    """Evidence holds two statements of one log at one place (SPEC §5.2). They differ, since they ascend strictly."""
    first, second = (_half(fields["body"][name][0], f"body.{name}[0]") for name in ("first", "second"))
    places = ("by", "key", "lane", "seq") if "lane" in first else ("by", "kseq")
    if any(name not in first or first[name] != second.get(name) for name in places):
        raise schema.refuse("body", "its two payloads do not stand at one place of one identity")
    if not first["log"] == second["log"] == fields["log"]:
        raise schema.refuse("body", "its two payloads are of another log")


def _half(payload: bytes, where: str) -> dict[str, Any]:
    """The fields of a payload within an `evidence`. Whatever is wrong in it is `schema`; it holds no evidence itself."""
    try:
        fields = _decode_fields(payload)
        if fields["type"] == "evidence":
            raise schema.refuse(where, "evidence of evidence proves nothing that the inner one does not")
        _check_fields(fields)
    except RefusedInput as error:
        raise schema.refuse(where, f"{error.item}: {error.reason}") from error
    return fields

"""Records: what is claimed about an artifact, and its only bytes (SPEC §4).

A record knows nothing of where it stands. Its id is the RFC 6962 leaf hash of its bytes, so that a record
is its own proof leaf and the same claim is the same artifact everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.merkle.tree import hash_leaf
from ledger.statements import codec, legal, schema, words
from ledger.statements.schema import refuse


class Parent(NamedTuple):
    """One parent of a record (SPEC §4.3): share in ppm where stated, `log` for another log's artifact, `row` of a `rows` record."""

    rel: str
    id: bytes
    ppm: int | None = None
    log: bytes | None = None
    row: int | None = None


class Record:
    """A checked record: its bytes and its fields. Made by `decode_record`, `make_record` and `RecordDecoder` only."""

    __slots__ = ("encoded", "fields", "id")

    def __init__(self, encoded: bytes, fields: dict[str, Any], artifact_id: bytes | None = None) -> None:
        """`artifact_id` is given where the bytes were hashed before."""
        self.encoded = encoded
        self.fields = fields
        self.id: bytes = artifact_id or hash_leaf(encoded)

    @property
    def kind(self) -> str:
        return str(self.fields["kind"])

    @property
    def maker(self) -> bytes:
        return bytes(self.fields["maker"])

    @property
    def stance(self) -> str:
        return str(self.fields["stance"])

    @property
    def content(self) -> bytes:
        return bytes(self.fields["content"])

    @property
    def form(self) -> str:
        return str(self.fields["form"])

    @property
    def row_count(self) -> int:
        """How many rows a record of form `rows` commits to; 0 for every other form."""
        return int(self.fields["facts"]["count"]) if self.form == "rows" else 0

    @property
    def parents(self) -> tuple[Parent, ...]:
        items = self.fields["parents"]
        return tuple(
            [
                Parent(item["rel"], item["id"], item.get("ppm"), item.get("log"), item.get("row"))
                for item in items
            ]
            if items
            else ()
        )


def make_record(
    *,
    kind: str,
    maker: bytes,
    content: bytes,
    size_bytes: int,
    stance: str = "made",
    form: str = "raw",
    media: str | None = None,
    parents: Iterable[Parent] = (),
    **optional: Any,
) -> Record:
    """Builds a record. `optional` holds human, machine, made, attributed, rights, source, facts.

    Parents may come in any order. Raises RefusedInput with the code of what SPEC §4 forbids.
    """
    fields: dict[str, Any] = {
        "v": spec.FORMAT_VERSION,
        "kind": kind,
        "maker": maker,
        "stance": stance,
        "content": content,
        "form": form,
        "size": size_bytes,
        "parents": sorted((_parent_map(parent) for parent in parents), key=codec.encode),
    }
    if media is not None:
        fields["media"] = media
    fields.update((name, value) for name, value in optional.items() if value is not None)
    return decode_record(codec.encode(fields))


def decode_record(data: bytes) -> Record:
    """Reads and checks a record of at most RECORD_BYTES_MAX bytes, but for its maker's role and its parents' kinds.

    Raises RefusedInput `too-large`, `not-canonical`, `schema`, `record-illegal` or `share-illegal`.
    """
    fields = codec.decode(data, spec.RECORD_BYTES_MAX)
    check_record_fields(fields)
    return Record(bytes(data), fields)


def check_record_fields(fields: Any) -> None:
    """The schema of SPEC §4, then what the record's own parts say of each other."""
    _SCHEMA(fields, "record")
    parents = fields["parents"]
    if parents:
        _check_parents(parents)
    _check_facts(fields)
    legal.check_itself(fields)


def sealed_content(maker: bytes, salt: bytes, content: bytes) -> bytes:
    """The digest of sealed content (SPEC §2); `maker` is an identity id, `salt` has 32 bytes."""
    return hashlib.sha256(spec.TAG_SEALED + maker + salt + content).digest()


def sealed_size(size_bytes: int) -> int:
    """The bucket that a sealed record states instead of its size (SPEC §4.2)."""
    return max(32, 1 << max(0, size_bytes - 1).bit_length())


def _parent_map(parent: Parent) -> dict[str, Any]:
    return {name: value for name, value in parent._asdict().items() if value is not None}


def _parents(value: Any, where: str) -> None:
    if type(value) is not list or len(value) > spec.PARENTS_MAX:
        raise refuse(where, f"it must be an array of at most {spec.PARENTS_MAX} parents")
    for position, parent in enumerate(value):
        _PARENT(parent, f"{where}[{position}]")


def _check_parents(parents: list[dict[str, Any]]) -> None:
    schema.strictly_ascending([codec.encode(parent) for parent in parents], "record.parents")
    seen = set()
    for position, parent in enumerate(parents):
        edge = (parent["rel"], parent["id"], parent.get("log"), parent.get("row"))
        if edge in seen:
            raise refuse(f"record.parents[{position}]", "this relation to this artifact is stated twice")
        seen.add(edge)


_PARENT: Final = schema.exact(
    {"rel": schema.code(words.RELATIONS), "id": schema.digest},
    {"ppm": schema.integer(1, spec.PPM), "log": schema.digest, "row": schema.integer(0, spec.ROWS_MAX - 1)},
)
_SHARE: Final = schema.integer(0, spec.PPM)
_NAME: Final = schema.text(words.NAME)

_SCHEMA: Final = schema.exact(
    {
        "v": schema.integer(spec.FORMAT_VERSION, spec.FORMAT_VERSION),
        "kind": schema.code(words.KINDS),
        "maker": schema.digest,
        "stance": schema.code(words.STANCES),
        "content": schema.digest,
        "form": schema.code(words.FORMS),
        "size": schema.integer(0, spec.INTEGER_MAX),
        "parents": _parents,
    },
    {
        "media": schema.text(words.MEDIA),
        "human": _SHARE,
        "machine": _SHARE,
        "made": schema.time_ms,
        "attributed": schema.digest,
        "rights": schema.exact(
            {}, {"license": schema.text(words.LICENSE), "train": schema.code(words.TRAIN)}, one_of=True
        ),
        "source": schema.exact(
            {},
            {
                "uri": schema.text(words.URI),
                "category": schema.code(words.CATEGORIES),
                "retrieved": schema.time_ms,
            },
            one_of=True,
        ),
        "facts": lambda _value, _where: None,  # by kind and form, below
    },
)

_FACTS_REQUIRED: Final = {
    "derived": schema.exact({"tool": _NAME, "version": _NAME, "parameters": schema.digest}),
    "model": schema.exact({"name": _NAME, "version": _NAME}, {"family": _NAME}),
    "rows": schema.exact(
        {"count": schema.integer(1, spec.ROWS_MAX)}, {"column": _NAME, "column_digest": schema.digest}
    ),
    "manifest": schema.exact(
        {
            "checkpoint": schema.digest,
            "policy": schema.digest,
            "trust": schema.digest,
            "time": schema.time_ms,
            "count": schema.integer(1, spec.INTEGER_MAX),
        }
    ),
}
_FACTS_OPTIONAL: Final = {
    "experience": schema.exact(
        {},
        {
            "confidence": _SHARE,
            "stake": schema.code(words.STAKES),
            "evidence": schema.digests_ascending,
        },
        one_of=True,
    ),
    "output": schema.exact({"parameters": schema.digest}),
    "abstract": schema.exact({"method": schema.code(words.METHODS_ABSTRACT)}),
}


def _check_facts(fields: dict[str, Any]) -> None:
    kind = fields["kind"]
    topic = fields["form"] if kind == "dataset" else kind
    where = "record.facts"
    if topic in _FACTS_REQUIRED:
        if "facts" not in fields:
            raise legal.illegal(where, f"a record of kind '{kind}' and form '{fields['form']}' states facts")
        _FACTS_REQUIRED[topic](fields["facts"], where)
        if topic == "rows" and {"column", "column_digest"} <= fields["facts"].keys():
            raise refuse(where, "it names its column twice")
    elif "facts" in fields:
        if topic not in _FACTS_OPTIONAL:
            raise legal.illegal(
                where, f"a record of kind '{kind}' and form '{fields['form']}' states no facts"
            )
        _FACTS_OPTIONAL[topic](fields["facts"], where)

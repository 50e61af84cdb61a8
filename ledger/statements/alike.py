"""Decoding many records of which most differ from the one before in content and size alone (SPEC §4).

The rows of a dataset are such records, and to check each in full costs most of their ingest. So a record that was checked in
full is cut at the two values, and one that has the same bytes around them is known to be in order too: nothing that
SPEC §3 and §4 ask for depends on the digest, and on the size nothing but that it is a canonical integer within bounds.
Sealed records and manifests are left out, since their size is bound to more. Whatever does not fit is decoded in full,
and is the sample for the next.

The cut is unmistakable: the two keys are sought in their encoded form, and if either occurs more than once, be it within a
digest, there is no cut.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgpack

from ledger import spec
from ledger.statements.record import Record, decode_record

_CONTENT: Final = b"\xa7content\xc4\x20"
_SIZE: Final = b"\xa4size"
_SIZE_BOUND: Final = frozenset({"sealed", "manifest"})  # forms whose size is bound to more than a range


class _Cut(NamedTuple):
    """The bytes around content and size, and the fields, of a record that was checked."""

    head: bytes
    middle: bytes
    tail: bytes
    fields: dict[str, Any]


class RecordDecoder:
    """Decodes records one after the other; remembers the last that was checked in full. Not for two threads at once."""

    def __init__(self) -> None:
        self._cut: _Cut | None = None

    def decode(self, data: bytes, artifact_id: bytes | None = None) -> Record:
        """What `decode_record` returns, or raises, for the same bytes; `artifact_id` if their hash is known already."""
        fields = self._fields_alike(data)
        if fields is None:
            record = decode_record(data)
            self._cut = _cut(record)
            return record
        return Record(data, fields, artifact_id)

    def _fields_alike(self, data: bytes) -> dict[str, Any] | None:
        if self._cut is None or len(data) > spec.RECORD_BYTES_MAX:
            return None
        head, middle, tail, fields = self._cut
        content_at = len(head)
        middle_at = content_at + spec.HASH_BYTES
        size_at = middle_at + len(middle)
        if not (data.startswith(head) and data.startswith(middle, middle_at) and data.endswith(tail)):
            return None
        encoded = data[size_at : len(data) - len(tail)]
        size = int.from_bytes(
            encoded[1:] or encoded, "big"
        )  # one byte alone, or a header byte and the number
        if size > spec.INTEGER_MAX or msgpack.packb(size) != encoded:
            return None
        return {**fields, "content": data[content_at:middle_at], "size": size}


def _cut(record: Record) -> _Cut | None:
    data, form = record.encoded, record.form
    if form in _SIZE_BOUND or data.count(_CONTENT) != 1 or data.count(_SIZE) != 1:
        return None
    content_at = data.index(_CONTENT) + len(_CONTENT)
    middle_at = content_at + spec.HASH_BYTES
    size_at = data.index(_SIZE) + len(_SIZE)
    tail_at = size_at + len(msgpack.packb(record.fields["size"]))
    return _Cut(data[:content_at], data[middle_at:size_at], data[tail_at:], record.fields)

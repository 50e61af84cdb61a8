"""Many records that differ in content and size alone, made by splicing (SPEC §4).

Building and checking a record costs tens of microseconds, a million rows of one dataset differ in two fields. So the first
record is built and checked like any other, cut at the two fields, and the rest are spliced. What is spliced is
parsed and checked in full by the log, like everybody's records.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack

from ledger import spec
from ledger.errors import InvariantBroken
from ledger.statements import codec
from ledger.statements.record import Parent, make_record

_SENTINEL_CONTENT: Final = bytes(range(spec.HASH_BYTES))
_SENTINEL_SIZE: Final = 1 << 40  # which sealed content may have, too; encoded in nine bytes


class RecordTemplate:
    """Records that share everything but content and size. Arguments as of `make_record`."""

    def __init__(
        self,
        *,
        kind: str,
        maker: bytes,
        form: str,
        media: str | None,
        stance: str = "made",
        parents: tuple[Parent, ...] = (),
        **optional: Any,
    ) -> None:
        """Raises RefusedInput with the code of what SPEC §4 forbids."""
        sample = make_record(
            kind=kind,
            maker=maker,
            content=_SENTINEL_CONTENT,
            size_bytes=_SENTINEL_SIZE,
            stance=stance,
            form=form,
            media=media,
            parents=parents,
            **optional,
        )
        self.fields: Final = sample.fields  # of a record with other content and size
        content = codec.encode("content") + codec.encode(_SENTINEL_CONTENT)
        size = codec.encode("size") + codec.encode(_SENTINEL_SIZE)
        head, found, rest = sample.encoded.partition(content)
        middle, found_size, self._tail = rest.partition(size)
        if not found or not found_size or size in self._tail:
            raise InvariantBroken("schema", "record template", "its two fields were not found, each once")
        self._head = head + content[: -spec.HASH_BYTES]
        self._middle = middle + codec.encode("size")

    def encode(self, content: bytes, size_bytes: int) -> bytes:
        """The record's bytes for a content digest (32 bytes) and a size."""
        return b"%b%b%b%b%b" % (self._head, content, self._middle, msgpack.packb(size_bytes), self._tail)

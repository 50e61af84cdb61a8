"""Decoding many records that differ in content, size, maker and the ids of their parents alone (SPEC §4).

The rows of a dataset are such records, and so is what many people sign in the same way; to check each in full costs most of
their ingest. So a record that was checked in full is cut at these values, and one that has the same bytes around them is known
to be in order too: nothing that SPEC §3 and §4 ask for depends on a digest but the order of parents, which is looked at (an id
is the first thing in a parent's encoding by which two of one shape can differ), and on the size nothing but that it is a canonical integer within bounds. Sealed records and manifests are left out,
since their size is bound to more. Whatever does not fit is decoded in full, and is a sample for those to come.

The cut is unmistakable: the keys are sought in their encoded form, and if one occurs more than once, be it within a digest,
there is no cut. Where a record is cut that was not checked does not matter: if its pieces are those of a sample, it is that
sample with other values.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.statements.record import Record, decode_record

_CONTENT: Final = b"\xa7content\xc4\x20"
_MAKER: Final = b"\xa5maker\xc4\x20"
_PARENTS: Final = b"\xa7parents"
_PARENTS_CUT_MAX: Final = 15  # whose number stands in one byte
_PARENT_ID: Final = b"\xa2id\xc4\x20"  # in each of them first
_SIZE: Final = b"\xa4size"
_SIZE_BOUND: Final = frozenset({"sealed", "manifest"})  # forms whose size is bound to more than a range
_SAMPLES_REMEMBERED: Final = 1_024  # about 2 KiB each
_INTEGER_BYTES: Final = {**dict.fromkeys(range(0x80), 1), 0xCC: 2, 0xCD: 3, 0xCE: 5, 0xCF: 9}  # by the first
_SHORTEST: Final = {  # by how many bytes an integer has: the first one, and the least and the greatest number so written
    1: (0, 0, 0x7F),
    2: (0xCC, 0x80, 0xFF),
    3: (0xCD, 0x100, 0xFFFF),
    5: (0xCE, 0x1_0000, 0xFFFF_FFFF),
    9: (0xCF, 0x1_0000_0000, spec.INTEGER_MAX),
}
_NO_INTEGER: Final = (0, 1, 0)
_PIECES_FIXED: Final = 4  # of a cut; behind them one for each parent


class _Sample(NamedTuple):
    """A record that was checked, as the bytes around its values: where each piece begins when the sizes are left out, and its fields.

    `parents_at`: where the ids of its parents stand; none if they are not cut out.
    """

    around: tuple[bytes, ...]
    content_at: int
    maker_at: int
    parents_at: tuple[int, ...]
    size_at: int
    fields: dict[str, Any]


class RecordDecoder:
    """Decodes records one after the other; remembers some that were checked in full. Not for two threads at once."""

    def __init__(self) -> None:
        self._samples: dict[tuple[bytes, ...], _Sample] = {}
        self._last: _Sample | None = None
        self._one_but_last: _Sample | None = None

    def decode(self, data: bytes, artifact_id: bytes | None = None) -> Record:
        """What `decode_record` returns, or raises, for the same bytes; `artifact_id` if their hash is known already."""
        sample = self._last
        if sample is None or not _is_like(data, sample):
            sample = self._one_but_last  # one with a parent and one without it may alternate
            if sample is None or not _is_like(data, sample):
                cut = _cut(data)
                sample = None if cut is None else self._samples.get(cut.around)
                if sample is None:
                    return self._decoded(data, cut)
            self._last, self._one_but_last = sample, self._last
        fields = _fields_of(data, sample)
        return decode_record(data) if fields is None else Record(data, fields, artifact_id)

    def _decoded(self, data: bytes, cut: _Sample | None) -> Record:
        """A record decoded in full, and a sample from now on if it was cut at its values."""
        record = decode_record(data)
        if cut is not None and _is_cut_at_its_values(record, cut):
            if len(self._samples) >= _SAMPLES_REMEMBERED:
                self._samples.clear()
            self._one_but_last = self._last
            self._last = self._samples[cut.around] = cut._replace(fields=record.fields)
        return record


def _cut(data: bytes) -> _Sample | None:
    """Where the keys stand first; of no record yet that was checked."""
    content_at = data.find(_CONTENT) + len(_CONTENT)
    maker_at = data.find(_MAKER, content_at + spec.HASH_BYTES) + len(_MAKER)
    size_at = data.find(_SIZE, maker_at + spec.HASH_BYTES) + len(_SIZE)
    if not len(_CONTENT) <= content_at < maker_at - spec.HASH_BYTES < maker_at < size_at - spec.HASH_BYTES:
        return None
    size_end = size_at + _INTEGER_BYTES.get(data[size_at] if size_at < len(data) else 0xC0, len(data))
    if size_end > len(data) or len(data) > spec.RECORD_BYTES_MAX:
        return None
    middle = data[content_at + spec.HASH_BYTES : maker_at]
    parents_at = _parents_at(data, maker_at + spec.HASH_BYTES, size_at)
    begins = [maker_at, *parents_at]
    ends = [*parents_at, size_at]
    rest = [data[begin + spec.HASH_BYTES : end] for begin, end in zip(begins, ends, strict=True)]
    around = (data[size_end:], data[:content_at], middle, *rest)
    return _Sample(around, content_at, maker_at, parents_at, size_at, {})


def _parents_at(data: bytes, start: int, stop: int) -> tuple[int, ...]:
    """Where the ids of all parents seem to stand; () if there are none, or too many, or something else seems so."""
    at = data.find(_PARENTS, start, stop) + len(_PARENTS)
    if at < start or at >= stop or not 0x91 <= data[at] <= 0x90 + _PARENTS_CUT_MAX:
        return ()
    count = data[at] - 0x90
    found = []
    while (at := data.find(_PARENT_ID, at, stop)) >= 0:
        at += len(_PARENT_ID)
        found.append(at)
        at += spec.HASH_BYTES
    return tuple(found) if len(found) == count and found[-1] + spec.HASH_BYTES <= stop else ()


def _is_like(data: bytes, sample: _Sample) -> bool:
    """Whether `data` has the bytes of the sample up to its size, and at its end."""
    around, content_at, maker_at, parents_at, _size_at, _ = sample
    return (
        data.startswith(around[3], maker_at + spec.HASH_BYTES)
        and data.startswith(around[2], content_at + spec.HASH_BYTES)
        and data.startswith(around[1])
        and data.endswith(around[0])
        and all(
            data.startswith(piece, at + spec.HASH_BYTES)
            for piece, at in zip(around[_PIECES_FIXED:], parents_at, strict=True)
        )
    )


def _is_cut_at_its_values(record: Record, cut: _Sample) -> bool:
    """Whether each of the keys occurs once, the size is bound to nothing, and what seems to be parents' ids are theirs."""
    data = record.encoded
    parents = record.fields["parents"] if cut.parents_at else ()
    return (
        record.form not in _SIZE_BOUND
        and all(data.count(key) == 1 for key in (_CONTENT, _MAKER, _SIZE))
        and [parent["id"] for parent in parents] == _ids(data, cut.parents_at)
    )


def _ids(data: bytes, parents_at: tuple[int, ...]) -> list[bytes]:
    return [data[at : at + spec.HASH_BYTES] for at in parents_at]


def _fields_of(data: bytes, sample: _Sample) -> dict[str, Any] | None:
    """The fields of what is like a sample; None if what stands in the place of its size is none, it is too long, or the ids of its parents do not ascend.

    Those of two shapes need not; then it is decoded in full.
    """
    around, content_at, maker_at, parents_at, size_at, fields = sample
    encoded = data[size_at : len(data) - len(around[0])]
    size = int.from_bytes(encoded[1:] or encoded, "big")  # one byte alone, or a header byte and the number
    head, least, most = _SHORTEST.get(len(encoded), _NO_INTEGER)
    if (
        not least <= size <= most
        or (encoded[0] != head and len(encoded) != 1)
        or len(data) > spec.RECORD_BYTES_MAX
    ):
        return None
    content = data[content_at : content_at + spec.HASH_BYTES]
    maker = data[maker_at : maker_at + spec.HASH_BYTES]
    if not parents_at:
        return {**fields, "content": content, "maker": maker, "size": size}
    ids = _ids(data, parents_at)
    if any(one >= other for one, other in pairwise(ids)):
        return None
    parents = [{**parent, "id": each} for parent, each in zip(fields["parents"], ids, strict=True)]
    return {**fields, "content": content, "maker": maker, "parents": parents, "size": size}

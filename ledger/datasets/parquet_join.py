"""Joins Parquet files of one schema without decoding a row: their pages as they are, one behind the other, under one footer.

A Parquet file is a mark, pages, a footer in Thrift's compact protocol (parquet.thrift, `FileMetaData`), the footer's length, a mark. All that is absolute in
it are the places of pages; so the pages of each file are copied whole, and in its footer's row groups every place is moved by as much. What was
joined is opened and counted before it is taken for whole. Of a footer that was read its row groups are kept in their few bytes, so that many pieces
take little room.

The files are pieces that this program wrote itself, a moment or an interrupted run ago: what is odd about one is a fault of the disk, not of a stranger.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

from ledger.datasets.files import printable
from ledger.datasets.parquet_reader import varint
from ledger.errors import StoreFault

_MARK: Final = b"PAR1"
_TAIL_BYTES: Final = 8
_COPY_BYTES: Final = 1_048_576
_BINARY, _LIST, _SET, _MAP, _STRUCT = 8, 9, 10, 11, 12  # types of the protocol
_TRUE, _FALSE, _BYTE, _DOUBLE = 1, 2, 3, 7
_NUM_ROWS, _ROW_GROUPS, _PAIRS = 3, 4, 5  # fields of FileMetaData
_COLUMNS, _GROUP_OFFSET, _ORDINAL = 1, 5, 7  # of RowGroup
_CHUNK_OFFSET, _META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6  # of ColumnChunk
_PLACES: Final = (
    9,
    10,
    11,
    14,
)  # of ColumnMetaData: pages of data, index and dictionary, and the Bloom filter
_ORDINAL_MAX: Final = 32_767

Struct = dict[int, tuple[int, Any]]  # by field number: type and value


def join(pieces: Sequence[Path], out: IO[bytes], metadata: Mapping[bytes, bytes] | None = None) -> int:
    """Writes one file of the pieces, in their order; how many rows it has. Raises StoreFault `output-failed` for a piece that is damaged.

    `metadata`: key-value metadata in place of that of the pieces, in which they may then differ.
    """
    out.write(_MARK)
    joined: Struct | None = None
    groups: list[bytes] = []
    for piece in pieces:
        with piece.open("rb") as file:
            footer, pages_end = _footer(file, piece)
            if metadata is not None:
                footer.pop(_PAIRS, None)
            moved = out.tell() - len(_MARK)
            for group in footer[_ROW_GROUPS][1][1]:
                _move(group, moved, len(groups))
                encoded = bytearray()
                _write_struct(encoded, group)
                groups.append(bytes(encoded))
            footer[_ROW_GROUPS] = (footer[_ROW_GROUPS][0], (_STRUCT, []))
            file.seek(len(_MARK))
            _copy(file, out, pages_end - len(_MARK), piece)
        if joined is None:
            joined = footer
        else:
            if {**footer, _NUM_ROWS: 0} != {**joined, _NUM_ROWS: 0}:
                raise _damaged(piece, "it has other columns than the piece before it")
            joined[_NUM_ROWS] = (joined[_NUM_ROWS][0], joined[_NUM_ROWS][1] + footer[_NUM_ROWS][1])
    if joined is None:
        raise _damaged(Path(), "there is no piece")
    joined[_ROW_GROUPS] = (_LIST, (_STRUCT, groups))
    if metadata:
        pairs = [{1: (_BINARY, key), 2: (_BINARY, value)} for key, value in metadata.items()]
        joined[_PAIRS] = (_LIST, (_STRUCT, pairs))
    data = bytearray()
    _write_struct(data, dict(sorted(joined.items())))
    out.write(data)
    out.write(len(data).to_bytes(4, "little") + _MARK)
    rows: int = joined[_NUM_ROWS][1]
    return rows


def _footer(file: IO[bytes], piece: Path) -> tuple[Struct, int]:
    """A file's footer, and where its pages end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    begin = size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != _MARK or begin < len(_MARK):
        raise _damaged(piece, "it has no footer")
    file.seek(begin)
    data = file.read(size - _TAIL_BYTES - begin)
    try:
        footer, end = _read_struct(data, 0)
        _ = footer[_NUM_ROWS], footer[_ROW_GROUPS][1][1]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise _damaged(piece, "its footer cannot be read") from error
    if end != len(data):
        raise _damaged(piece, "its footer has something behind it")
    return footer, begin


def _move(group: Struct, by: int, ordinal: int) -> None:
    """Moves every place in a row group, and gives it its number."""
    _shift(group, _GROUP_OFFSET, by)
    if _ORDINAL in group:
        group[_ORDINAL] = (group[_ORDINAL][0], ordinal)
        if ordinal > _ORDINAL_MAX:
            del group[_ORDINAL]
    for chunk in group[_COLUMNS][1][1]:
        for field in (_CHUNK_OFFSET, _OFFSET_INDEX, _COLUMN_INDEX):
            _shift(chunk, field, by)
        for field in _PLACES:
            _shift(chunk[_META][1], field, by)


def _shift(struct: Struct, field: int, by: int) -> None:
    """Moves a place, where there is one: 0 is none."""
    if field in struct and struct[field][1]:
        kind, place = struct[field]
        struct[field] = (kind, place + by)


def _copy(file: IO[bytes], out: IO[bytes], size: int, piece: Path) -> None:
    before = out.tell()
    while size:
        chunk = file.read(min(size, _COPY_BYTES))
        if not chunk:
            raise _damaged(piece, f"it ends {size} bytes too soon, {out.tell() - before} were read")
        out.write(chunk)
        size -= len(chunk)


def _damaged(piece: Path, reason: str) -> StoreFault:
    return StoreFault(
        "output-failed", printable(piece), reason, "Take the piece away, and run the same command again"
    )


def _read_struct(data: bytes, at: int) -> tuple[Struct, int]:
    """A struct that begins at a place, and where it ends. Raises IndexError, ValueError."""
    struct: Struct = {}
    number = 0
    while True:
        head = data[at]
        at += 1
        if not head:
            return struct, at
        kind, step = head & 0x0F, head >> 4
        if step:
            number += step
        else:
            value, at = varint(data, at)
            number = _from_zigzag(value)
        if kind in (_TRUE, _FALSE):  # the type is the value
            struct[number] = (kind, None)
            continue
        found, at = _read_value(data, at, kind)
        struct[number] = (kind, found)


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind == _STRUCT:
        return _read_struct(data, at)
    if kind in (_LIST, _SET):
        head = data[at]
        item, count, at = head & 0x0F, head >> 4, at + 1
        if count == 0x0F:
            count, at = varint(data, at)
        items = []
        for _ in range(count):
            if item in (_TRUE, _FALSE):
                value, at = data[at], at + 1
            else:
                value, at = _read_value(data, at, item)
            items.append(value)
        return (item, items), at
    if kind == _BINARY:
        length, at = varint(data, at)
        return _taken(data, at, length)
    if kind == _DOUBLE:
        return _taken(data, at, 8)
    if kind == _BYTE:
        return data[at], at + 1
    if kind == _MAP or kind > _STRUCT:
        raise ValueError(f"type {kind} is in no footer")
    value, at = varint(data, at)
    return _from_zigzag(value), at


def _taken(data: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(data):
        raise IndexError
    return data[at : at + length], at + length


def _from_zigzag(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def _write_struct(data: bytearray, struct: Struct) -> None:
    before = 0
    for number, (kind, value) in struct.items():
        step = number - before
        before = number
        if 0 < step < 16:
            data.append(step << 4 | kind)
        else:
            data.append(kind)
            _write_varint(data, number << 1)
        if kind not in (_TRUE, _FALSE):
            _write_value(data, kind, value)
    data.append(0)


def _write_value(data: bytearray, kind: int, value: Any) -> None:
    if kind == _STRUCT and isinstance(value, bytes):
        data += value  # it was written before
    elif kind == _STRUCT:
        _write_struct(data, value)
    elif kind in (_LIST, _SET):
        item, items = value
        if len(items) < 0x0F:
            data.append(len(items) << 4 | item)
        else:
            data.append(0xF0 | item)
            _write_varint(data, len(items))
        for each in items:
            if item in (_TRUE, _FALSE):
                data.append(each)
            else:
                _write_value(data, item, each)
    elif kind == _BINARY:
        _write_varint(data, len(value))
        data += value
    elif kind == _DOUBLE:
        data += value
    elif kind == _BYTE:
        data.append(value)
    else:
        _write_varint(data, value << 1 if value >= 0 else (-value << 1) - 1)


def _write_varint(data: bytearray, value: int) -> None:
    while value >= 0x80:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    data.append(value)

"""The plainest Parquet files, read: flat, neither compressed nor coded, one row group held at a time (SPEC §11.4).

Receipts come from strangers, and the common library ends the whole process at some damaged footers, and unpacks
whatever a page claims to hold. So files that are checked are read here, in the one form that they may have: PLAIN data
pages (parquet.thrift, `DataPageHeader`) under a footer in Thrift's compact protocol. What is read cannot take more room
than a few times the bytes that hold it, and every length is held against the bytes that are there. A value of Thrift may
take a hundred times its byte in memory, so footer and page headers are short. Column chunks lie one behind the other, so
that no byte is read twice, however many row groups name it. Files are written by the common library.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain, repeat
from struct import Struct, unpack_from
from typing import Any, BinaryIO, Final, NamedTuple

MAGIC: Final = b"PAR1"
INT32, INT64, BINARY, FIXED = 1, 2, 6, 7  # physical types (parquet.thrift, `Type`)
REQUIRED, OPTIONAL = 0, 1

_FOOTER_BYTES_MAX: Final = 4_194_304
_PAGE_HEADER_BYTES_MAX: Final = 65_536
_TAIL: Final = Struct("<I4s")  # the footer's length, and the magic
_LENGTH: Final = Struct("<I")
_DEPTH_MAX: Final = 8
_VARINT_BYTES_MAX: Final = 10
_DATA_PAGE: Final = 0
_PLAIN: Final = 0
_RLE: Final = 3
_FIXED_FORMATS: Final = {INT32: ("i", 4), INT64: ("q", 8)}

Fields = dict[int, Any]  # a Thrift struct by field id


class Column(NamedTuple):
    """A column of the schema; `size_bytes` of a value is 0 but for FIXED."""

    name: str
    type: int
    repetition: int
    size_bytes: int = 0


class PlainFile:
    """A file whose footer was read: its columns, its key-value metadata, and how many row groups it has.

    All that is wrong with a file is a ValueError; what the disk says, an OSError.
    """

    def __init__(self, file: BinaryIO, group_bytes_max: int) -> None:
        self._file = file
        self._group_bytes_max = group_bytes_max
        self._end = file.seek(0, os.SEEK_END)
        if self._end < _TAIL.size or self._read(0, len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin as a Parquet file does")
        length, magic = _TAIL.unpack(self._read(self._end - _TAIL.size, _TAIL.size))
        if magic != MAGIC or length > min(_FOOTER_BYTES_MAX, self._end - _TAIL.size):
            raise ValueError(
                "it does not end as a Parquet file does: it was cut short, or its footer is too long"
            )
        footer = _Compact(self._read(self._end - _TAIL.size - length, length)).struct()
        self.columns = list(_columns(_list(footer, 2)))
        pairs = [_struct(item) for item in _list(footer, 5, [])]
        self.metadata = {_bytes(pair, 1): _bytes(pair, 2) for pair in pairs}
        self._groups = [_struct(item) for item in _list(footer, 4)]
        self._check_chunks()

    @property
    def group_count(self) -> int:
        """The number of row groups."""
        return len(self._groups)

    def group(self, number: int) -> list[list[Any]]:
        """The values of each column in a row group: int, bytes, or None where a value is null."""
        group = self._groups[number]
        row_count = _int(group, 3)
        chunks = _chunks(group)
        size_bytes = sum(_int(chunk, 7) for chunk in chunks)
        if len(chunks) != len(self.columns) or not row_count <= size_bytes <= self._group_bytes_max:
            raise ValueError(f"a row group of {row_count} rows says that it takes {size_bytes} bytes")
        return [
            self._column(chunk, column, row_count) for chunk, column in zip(chunks, self.columns, strict=True)
        ]

    def _check_chunks(self) -> None:
        """Each column chunk is plain, and begins where the one before has ended, or behind that; an empty one is nowhere."""
        place = len(MAGIC)
        for chunk in chain.from_iterable(map(_chunks, self._groups)):
            if _int(chunk, 4) != 0 or 11 in chunk:
                raise ValueError("a column is compressed or coded by a dictionary; it must be plain")
            start, size_bytes = _int(chunk, 9), _int(chunk, 7)
            if not size_bytes:
                continue
            if start < place:
                raise ValueError("its columns do not lie one behind the other")
            place = start + size_bytes

    def _column(self, chunk: Fields, column: Column, row_count: int) -> list[Any]:
        data = self._read(_int(chunk, 9), _int(chunk, 7))
        values: list[Any] = []
        place = 0
        while place < len(data):
            reader = _Compact(data, place, place + _PAGE_HEADER_BYTES_MAX)
            header = reader.struct()
            place = reader.place + _int(header, 3)
            page = _struct(header.get(5))
            if _int(header, 1) != _DATA_PAGE or _int(page, 2) != _PLAIN or _int(page, 3) != _RLE:
                raise ValueError(f"a page of column {column.name} is coded; it must be plain")
            count = _int(page, 1)
            if place > len(data) or count > row_count:
                raise ValueError(f"a page of column {column.name} goes beyond its end")
            values += _values(data[reader.place : place], column, count)
        if len(values) != row_count:
            raise ValueError(f"column {column.name} has {len(values)} values in {row_count} rows")
        return values

    def _read(self, start: int, length: int) -> bytes:
        if start + length > self._end:
            raise ValueError("it was cut short")
        self._file.seek(start)
        data = self._file.read(length)
        if len(data) != length:
            raise ValueError("it was cut short while it was read")
        return data


def _chunks(group: Fields) -> list[Fields]:
    """What is said of the column chunks of a row group (parquet.thrift, `ColumnMetaData`)."""
    return [_struct(_struct(item).get(3)) for item in _list(group, 1)]


def _columns(elements: list[Any]) -> Iterator[Column]:
    """The columns of a flat schema."""
    root, *leaves = [_struct(element) for element in elements] or [{}]
    if root.get(5) != len(leaves):
        raise ValueError("its columns are nested")
    for leaf in leaves:
        repetition = _int(leaf, 3)
        if repetition not in (REQUIRED, OPTIONAL):
            raise ValueError("a column holds lists")
        yield Column(_bytes(leaf, 4).decode(), _int(leaf, 1), repetition, _int(leaf, 2, 0))


def _values(page: bytes, column: Column, count: int) -> list[Any]:
    """The values of a page; None for a null."""
    if column.repetition == REQUIRED:
        return _plain(page, column, count)
    length = _LENGTH.unpack_from(page)[0] if len(page) >= _LENGTH.size else len(page)
    start = _LENGTH.size + length
    if start > len(page):
        raise ValueError(f"a page of column {column.name} is cut short")
    levels = _levels(page[_LENGTH.size : start], count)
    present = iter(_plain(page[start:], column, sum(levels)))
    return [next(present) if level else None for level in levels]


def _plain(data: bytes, column: Column, count: int) -> list[Any]:
    """`count` values in PLAIN encoding, that take all of `data`."""
    if column.type == BINARY:
        values, place = [], 0
        while place + _LENGTH.size <= len(data):
            start = place + _LENGTH.size
            place = start + _LENGTH.unpack_from(data, place)[0]
            values.append(data[start:place])
        if place != len(data) or len(values) != count:
            raise ValueError(f"a page of column {column.name} has other values than it says")
        return values
    code, size_bytes = _FIXED_FORMATS.get(column.type, ("", column.size_bytes))
    if size_bytes < 1 or count * size_bytes != len(data):
        raise ValueError(f"a page of column {column.name} has other values than it says")
    if code:
        return list(unpack_from(f"<{count}{code}", data))
    return [data[place : place + size_bytes] for place in range(0, len(data), size_bytes)]


def _levels(data: bytes, count: int) -> list[int]:
    """Which of `count` values are there (1) and which are null (0): RLE and bit-packed runs of width 1."""
    levels: list[int] = []
    reader = _Compact(data)
    while len(levels) < count:
        header = reader.varint()
        run = header >> 1
        if header & 1 and run <= -(-(count - len(levels)) // 8):  # the last 8 may go beyond the end
            packed = reader.take(run)
            levels += chain.from_iterable((byte >> bit & 1 for bit in range(8)) for byte in packed)
        elif not header & 1 and run <= count - len(levels):
            levels += repeat(reader.take(1)[0] & 1, run)
        else:
            raise ValueError("a run of nulls is longer than its page")
    if any(levels[count:]) or reader.place != len(data):
        raise ValueError("a page has other nulls than it says")
    return levels[:count]


class _Compact:
    """Thrift's compact protocol: values by their types, structs as maps from field ids."""

    def __init__(self, data: bytes, place: int = 0, end: int | None = None) -> None:
        """Reads from `place` on, and nothing from `end` on."""
        self._data = data
        self._end = len(data) if end is None else min(end, len(data))
        self.place = place

    def take(self, length: int) -> bytes:
        """The next bytes."""
        start, self.place = self.place, self.place + length
        if self.place > self._end:
            raise ValueError("a value goes beyond its end")
        return self._data[start : self.place]

    def varint(self) -> int:
        """The next unsigned number, 7 bits a byte, the lowest first."""
        value = 0
        for byte_index in range(_VARINT_BYTES_MAX):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << 7 * byte_index
            if byte < 0x80:
                return value
        raise ValueError("a number has no end")

    def struct(self, depth: int = 0) -> Fields:
        """The next struct."""
        fields: Fields = {}
        field_id = 0
        while head := self.take(1)[0]:
            delta, kind = head >> 4, head & 0x0F
            field_id = field_id + delta if delta else self._signed()
            if field_id in fields:
                raise ValueError("a field stands twice")
            fields[field_id] = kind == 1 if kind in (1, 2) else self._value(kind, depth + 1)
        return fields

    def _signed(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            raise ValueError("it is nested too deep")
        if kind in (1, 2, 3):
            return self.take(1)[0]
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            head = self.take(1)[0]
            count = head >> 4 if head >> 4 != 15 else self.varint()
            return [self._value(head & 0x0F, depth + 1) for _ in range(count)]
        if kind == 12:
            return self.struct(depth)
        raise ValueError("a field is of no known type")


def _int(fields: Fields, field_id: int, default: int | None = None) -> int:
    """A number that is not negative."""
    value = fields.get(field_id, default)
    if type(value) is not int or value < 0:
        raise ValueError("a number is missing, or negative")
    return value


def _bytes(fields: Fields, field_id: int) -> bytes:
    value = fields.get(field_id)
    if type(value) is not bytes:
        raise ValueError("a text is missing")
    return value


def _list(fields: Fields, field_id: int, default: list[Any] | None = None) -> list[Any]:
    value = fields.get(field_id, default)
    if type(value) is not list:
        raise ValueError("a list is missing")
    return value


def _struct(value: Any) -> Fields:
    if type(value) is not dict:
        raise ValueError("a struct is missing")
    return value

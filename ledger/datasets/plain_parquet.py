"""The plainest Parquet files, read: flat and not compressed, one row group held at a time (SPEC §11.4, §12.5).

Receipts and verdict files come from strangers, and the common library ends the whole process at some damaged footers, and unpacks
whatever a page claims to hold. So files that are checked are read here, in the one form that they may have: PLAIN data
pages (parquet.thrift, `DataPageHeader`) under a footer in Thrift's compact protocol. What is read cannot take more room
than a few times the bytes that hold it, and every length is held against the bytes that are there. A value of Thrift may
take a hundred times its byte in memory, so page headers are short, few values of a footer are held at once, and of a row group only
where its columns lie. Column chunks lie one behind the other, so
that no byte is read twice, however many row groups name it. Files are written by the common library.

Where the caller allows it, strings may be coded by a dictionary: each once, in a page before the others, which then hold
its numbers in as few bits as they take (`RLE_DICTIONARY`). A dictionary has no more values than its row group has rows, and a run of numbers
is no longer than its page says, so that this makes no more of a few bytes than a row group may have anyway.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain, repeat
from struct import Struct, unpack_from
from typing import Any, BinaryIO, Final, NamedTuple

MAGIC: Final = b"PAR1"
INT32, INT64, BINARY, FIXED = 1, 2, 6, 7  # physical types (parquet.thrift, `Type`)
REQUIRED, OPTIONAL = 0, 1

FOOTER_BYTES_MAX: Final = 4_194_304
_FOOTER_VALUES_MAX: Final = 65_536  # of a footer, or of one row group in it, that are held at once
_PAGE_HEADER_BYTES_MAX: Final = 65_536
_TAIL: Final = Struct("<I4s")  # the footer's length, and the magic
_LENGTH: Final = Struct("<I")
_DEPTH_MAX: Final = 8
_VARINT_BYTES_MAX: Final = 10
_DATA_PAGE: Final = 0
_DICTIONARY_PAGE: Final = 2
_PLAIN: Final = 0
_RLE: Final = 3
_RLE_DICTIONARY: Final = 8
_NUMBER_BITS_MAX: Final = 32  # of a value's number in its dictionary
_FIXED_FORMATS: Final = {INT32: ("i", 4), INT64: ("q", 8)}

_LIST: Final = 9  # a type of the protocol
_NONE: Final[Mapping[int, Callable[[Any], Any]]] = {}

Fields = dict[int, Any]  # a Thrift struct by field id


class Column(NamedTuple):
    """A column of the schema; `size_bytes` of a value is 0 but for FIXED."""

    name: str
    type: int
    repetition: int
    size_bytes: int = 0


class Coded(NamedTuple):
    """A column of a row group as it is coded, so that nothing is made of a value that nobody asks for.

    `present`: which rows have a value, a number 1 or 0 for each; empty where all have. `data`: values of a fixed length, one behind the other.
    `dictionary`, `numbers`: of strings, each value, and for each row that has one the number of its own.
    """

    present: list[int]
    data: bytes = b""
    dictionary: tuple[bytes, ...] = ()
    numbers: Sequence[int] = ()


class _Chunk(NamedTuple):
    """Where a column of a row group lies, and whether it may begin with a dictionary."""

    start: int
    size_bytes: int
    has_dictionary: bool


class _Group(NamedTuple):
    row_count: int
    chunks: tuple[_Chunk, ...]


class PlainFile:
    """A file whose footer was read: its columns, its key-value metadata, and how many row groups it has.

    All that is wrong with a file is a ValueError; what the disk says, an OSError.
    """

    def __init__(
        self,
        file: BinaryIO,
        group_bytes_max: int,
        *,
        dictionaries: bool = False,
        footer_bytes_max: int = FOOTER_BYTES_MAX,
    ) -> None:
        """`dictionaries`: whether strings may be coded by one; they are then read by `coded` alone."""
        self._file = file
        self._group_bytes_max = group_bytes_max
        self._dictionaries = dictionaries
        self._end = file.seek(0, os.SEEK_END)
        if self._end < _TAIL.size or self._read(0, len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin as a Parquet file does")
        length, magic = _TAIL.unpack(self._read(self._end - _TAIL.size, _TAIL.size))
        if magic != MAGIC or length > min(footer_bytes_max, self._end - _TAIL.size):
            raise ValueError(
                "it does not end as a Parquet file does: it was cut short, or its footer is too long"
            )
        reader = _Compact(self._read(self._end - _TAIL.size - length, length), values_max=_FOOTER_VALUES_MAX)
        footer = reader.struct(each={4: _group})
        self.columns = list(_columns(_list(footer, 2)))
        pairs = [_struct(item) for item in _list(footer, 5, [])]
        self.metadata = {_bytes(pair, 1): _bytes(pair, 2) for pair in pairs}
        self._groups: list[_Group] = _list(footer, 4)
        self._check_chunks()

    @property
    def group_count(self) -> int:
        """The number of row groups."""
        return len(self._groups)

    def row_count(self, number: int) -> int:
        """How many rows a row group says that it has."""
        return self._groups[number].row_count

    def group(self, number: int) -> list[list[Any]]:
        """The values of each column in a row group: int, bytes, or None where a value is null."""
        return [self._column(number, place) for place in range(len(self.columns))]

    def coded(self, number: int, place: int) -> Coded:
        """The column at a place, of a row group, as it is coded."""
        column = self.columns[place]
        present: list[int] = []
        data: list[bytes] = []
        dictionary: list[bytes] = []
        numbers: list[int] = []
        for page in self._pages(number, place):
            if column.type != BINARY and (page.is_dictionary or page.encoding != _PLAIN):
                raise _coded(column)
            levels, body = (
                ([], page.data) if page.is_dictionary else _split(page.data, column, page.value_count)
            )
            count = sum(levels) if levels else page.value_count
            present += levels
            if page.encoding == _RLE_DICTIONARY:
                numbers += _numbers(body, count, len(dictionary))
            elif column.type == BINARY:
                if not page.is_dictionary:
                    numbers += range(len(dictionary), len(dictionary) + count)
                dictionary += _plain(body, column, count)
            else:
                if count * _size_of(column) != len(body):
                    raise _other_values(column)
                data.append(body)
        return Coded([] if all(present) else present, b"".join(data), tuple(dictionary), numbers)

    def _check_chunks(self) -> None:
        """Each column chunk is plain, and begins where the one before has ended, or behind that; an empty one is nowhere."""
        place = len(MAGIC)
        for chunk in chain.from_iterable(group.chunks for group in self._groups):
            if chunk.has_dictionary and not self._dictionaries:
                raise ValueError("a column is coded by a dictionary; it must be plain")
            if not chunk.size_bytes:
                continue
            if chunk.start < place:
                raise ValueError("its columns do not lie one behind the other")
            place = chunk.start + chunk.size_bytes

    def _column(self, number: int, place: int) -> list[Any]:
        column = self.columns[place]
        values: list[Any] = []
        for page in self._pages(number, place):
            if page.is_dictionary or page.encoding != _PLAIN:
                raise _coded(column)
            values += _values(page.data, column, page.value_count)
        return values

    def _pages(self, number: int, place: int) -> Iterator[_Page]:
        """The pages of a column in a row group, which hold a value for each of its rows."""
        group, column = self._groups[number], self.columns[place]
        size_bytes = sum(chunk.size_bytes for chunk in group.chunks)
        if len(group.chunks) != len(self.columns) or not (
            group.row_count <= size_bytes <= self._group_bytes_max
        ):
            raise ValueError(f"a row group of {group.row_count} rows says that it takes {size_bytes} bytes")
        chunk = group.chunks[place]
        data = self._read(chunk.start, chunk.size_bytes)
        at = rows = 0
        while at < len(data):
            page, at = _page(data, at, column, group.row_count, dictionary=chunk.has_dictionary and not at)
            rows += 0 if page.is_dictionary else page.value_count
            yield page
        if rows != group.row_count:
            raise ValueError(f"column {column.name} has {rows} values in {group.row_count} rows")

    def _read(self, start: int, length: int) -> bytes:
        if start + length > self._end:
            raise ValueError("it was cut short")
        self._file.seek(start)
        data = self._file.read(length)
        if len(data) != length:
            raise ValueError("it was cut short while it was read")
        return data


class _Page(NamedTuple):
    data: bytes
    value_count: int
    encoding: int
    is_dictionary: bool


def _page(data: bytes, at: int, column: Column, row_count: int, *, dictionary: bool) -> tuple[_Page, int]:
    """The page that begins at a place, and where it ends. `dictionary`: whether it may be one; pages behind may be coded by it only then."""
    reader = _Compact(data, at, at + _PAGE_HEADER_BYTES_MAX)
    header = reader.struct()
    end = reader.place + _int(header, 3)
    is_dictionary = dictionary and _int(header, 1) == _DICTIONARY_PAGE
    page = _struct(header.get(7 if is_dictionary else 5))
    count, encoding = _int(page, 1), _int(page, 2)
    if not is_dictionary and (_int(header, 1) != _DATA_PAGE or _int(page, 3) != _RLE):
        raise _coded(column)
    if encoding != _PLAIN and (encoding != _RLE_DICTIONARY or is_dictionary):
        raise _coded(column)
    if end > len(data) or count > row_count:
        raise ValueError(f"a page of column {column.name} goes beyond its end")
    return _Page(data[reader.place : end], count, encoding, is_dictionary), end


def _group(value: Any) -> _Group:
    """What is kept of a row group (parquet.thrift, `RowGroup`, `ColumnMetaData`)."""
    group = _struct(value)
    chunks = [_struct(_struct(item).get(3)) for item in _list(group, 1)]
    if any(_int(chunk, 4) != 0 for chunk in chunks):
        raise ValueError("a column is compressed; it must be plain")
    return _Group(
        _int(group, 3),
        tuple(_Chunk(_int(chunk, 11 if 11 in chunk else 9), _int(chunk, 7), 11 in chunk) for chunk in chunks),
    )


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
    levels, body = _split(page, column, count)
    if column.repetition == REQUIRED:
        return _plain(body, column, count)
    present = iter(_plain(body, column, sum(levels)))
    return [next(present) if level else None for level in levels]


def _split(page: bytes, column: Column, count: int) -> tuple[list[int], bytes]:
    """Which of the values of a page are there, and these; of a column without nulls the former says nothing."""
    if column.repetition == REQUIRED:
        return [], page
    length = _LENGTH.unpack_from(page)[0] if len(page) >= _LENGTH.size else len(page)
    start = _LENGTH.size + length
    if start > len(page):
        raise ValueError(f"a page of column {column.name} is cut short")
    return _levels(page[_LENGTH.size : start], count), page[start:]


def _size_of(column: Column) -> int:
    return _FIXED_FORMATS.get(column.type, ("", column.size_bytes))[1]


def _plain(data: bytes, column: Column, count: int) -> list[Any]:
    """`count` values in PLAIN encoding, that take all of `data`."""
    if column.type == BINARY:
        values, place = [], 0
        while place + _LENGTH.size <= len(data):
            start = place + _LENGTH.size
            place = start + _LENGTH.unpack_from(data, place)[0]
            values.append(data[start:place])
        if place != len(data) or len(values) != count:
            raise _other_values(column)
        return values
    code, size_bytes = _FIXED_FORMATS.get(column.type, ("", column.size_bytes))
    if size_bytes < 1 or count * size_bytes != len(data):
        raise _other_values(column)
    if code:
        return list(unpack_from(f"<{count}{code}", data))
    return [data[place : place + size_bytes] for place in range(0, len(data), size_bytes)]


def _other_values(column: Column) -> ValueError:
    return ValueError(f"a page of column {column.name} has other values than it says")


def _coded(column: Column) -> ValueError:
    return ValueError(f"a page of column {column.name} is coded; it must be plain")


def _levels(data: bytes, count: int) -> list[int]:
    """Which of `count` values are there (1) and which are null (0)."""
    return _runs(data, 1, count)


def _numbers(data: bytes, count: int, size: int) -> list[int]:
    """The numbers of `count` values in a dictionary of `size` values: their width in bits, and the runs."""
    width = data[0] if data else _NUMBER_BITS_MAX + 1
    if width > _NUMBER_BITS_MAX:
        raise ValueError("a page does not say how wide its numbers are")
    numbers = _runs(data[1:], width, count)
    if numbers and max(numbers) >= size:
        raise ValueError("a page names a value that is not in its dictionary")
    return numbers


def _runs(data: bytes, width: int, count: int) -> list[int]:
    """`count` numbers of `width` bits that take all of `data`: RLE and bit-packed runs."""
    numbers: list[int] = []
    reader = _Compact(data)
    while len(numbers) < count:
        header = reader.varint()
        run = header >> 1
        if header & 1 and run <= -(-(count - len(numbers)) // 8):  # the last 8 may go beyond the end
            numbers += _unpacked(reader.take(run * width), width, run)
        elif not header & 1 and run <= count - len(numbers):
            value = int.from_bytes(reader.take(-(-width // 8)), "little")
            if value >> width:
                raise ValueError("a number takes more bits than its page says")
            numbers += repeat(value, run)
        else:
            raise ValueError("a run of numbers, or of nulls, is longer than its page")
    if any(numbers[count:]) or reader.place != len(data):
        raise ValueError("a page has other numbers, or nulls, than it says")
    return numbers[:count]


def _unpacked(data: bytes, width: int, groups: int) -> Iterator[int]:
    """Numbers packed eight in `width` bytes, the first in the lowest bits."""
    if not width:
        return repeat(0, 8 * groups)
    if 8 % width == 0:
        return chain.from_iterable(map(_in_a_byte(width).__getitem__, data))
    mask, shifts = (1 << width) - 1, range(0, 8 * width, width)
    eights = (int.from_bytes(data[at : at + width], "little") for at in range(0, len(data), width))
    return (eight >> shift & mask for eight in eights for shift in shifts)


@cache
def _in_a_byte(width: int) -> list[tuple[int, ...]]:
    """For each byte the numbers of 1, 2, 4 or 8 bits that are packed in it."""
    mask = (1 << width) - 1
    return [tuple(byte >> shift & mask for shift in range(0, 8, width)) for byte in range(256)]


class _Compact:
    """Thrift's compact protocol: values by their types, structs as maps from field ids."""

    def __init__(
        self, data: bytes, place: int = 0, end: int | None = None, values_max: int | None = None
    ) -> None:
        """Reads from `place` on, and nothing from `end` on; `values_max` values at most, where that is said."""
        self._data = data
        self._values_max = self._values_left = values_max
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

    def struct(self, depth: int = 0, each: Mapping[int, Callable[[Any], Any]] = _NONE) -> Fields:
        """The next struct. `each`: by field, what is kept of each item of a list; they count as many values together as one."""
        fields: Fields = {}
        field_id = 0
        while head := self.take(1)[0]:
            delta, kind = head >> 4, head & 0x0F
            field_id = field_id + delta if delta else self._signed()
            if field_id in fields:
                raise ValueError("a field stands twice")
            self._count_value()
            if field_id in each and kind == _LIST:
                fields[field_id] = self._kept(each[field_id], depth + 1)
            else:
                fields[field_id] = kind == 1 if kind in (1, 2) else self._value(kind, depth + 1)
        return fields

    def _kept(self, keep: Callable[[Any], Any], depth: int) -> list[Any]:
        """What is kept of each item of a list; only one of them is held as it was."""
        kept = []
        kind, count = self._list_head()
        left = self._values_left
        for _ in range(count):
            self._values_left = self._values_max
            kept.append(keep(self._value(kind, depth + 1)))
        self._values_left = left
        return kept

    def _list_head(self) -> tuple[int, int]:
        """Of which type the items of a list are, and how many."""
        head = self.take(1)[0]
        return head & 0x0F, head >> 4 if head >> 4 != 15 else self.varint()

    def _count_value(self) -> None:
        if self._values_left is not None:
            self._values_left -= 1
            if self._values_left < 0:
                raise ValueError("its footer has too many values")

    def _signed(self) -> int:
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEPTH_MAX:
            raise ValueError("it is nested too deep")
        self._count_value()
        if kind in (1, 2, 3):
            return self.take(1)[0]
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self.take(8)
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            item, count = self._list_head()
            return [self._value(item, depth + 1) for _ in range(count)]
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

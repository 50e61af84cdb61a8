"""The reader of plain Parquet files, against the common library, and against whoever writes them to do harm."""

from __future__ import annotations

import io
import random
import tracemalloc
from collections.abc import Callable
from functools import partial
from struct import iter_unpack
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.datasets.plain_parquet import (
    BINARY,
    FIXED,
    INT32,
    INT64,
    OPTIONAL,
    REQUIRED,
    Column,
    PlainFile,
    _Compact,
    _levels,
    _numbers,
    _runs,
)

BYTES_MAX = 1 << 26
ROW = st.tuples(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**31), 2**31 - 1),
    st.binary(max_size=40),
    st.binary(min_size=5, max_size=5),
    st.none() | st.binary(max_size=40),
    st.none() | st.integers(0, 2**63 - 1),
)
SCHEMA = pa.schema(
    [
        pa.field("a", pa.int64(), nullable=False),
        pa.field("b", pa.int32(), nullable=False),
        pa.field("c", pa.binary(), nullable=False),
        pa.field("d", pa.binary(5), nullable=False),
        pa.field("e", pa.binary()),
        pa.field("f", pa.int64()),
    ]
)
COLUMNS = [
    Column("a", INT64, REQUIRED),
    Column("b", INT32, REQUIRED),
    Column("c", BINARY, REQUIRED),
    Column("d", FIXED, REQUIRED, 5),
    Column("e", BINARY, OPTIONAL),
    Column("f", INT64, OPTIONAL),
]


def written(
    rows: list[tuple[Any, ...]], about: dict[str, str] | None = None, group_rows: int = 7, **options: Any
) -> bytes:
    table = pa.Table.from_arrays(
        [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(SCHEMA)],
        schema=SCHEMA,
    )
    file = io.BytesIO()
    plain: dict[str, Any] = {"compression": "none", "use_dictionary": False, "store_schema": False}
    with pq.ParquetWriter(file, SCHEMA, **({"write_statistics": False} | plain | options)) as writer:
        writer.write_table(table, row_group_size=group_rows)
        if about is not None:
            writer.add_key_value_metadata(about)
    return file.getvalue()


def read(data: bytes) -> list[tuple[Any, ...]]:
    file = PlainFile(io.BytesIO(data), BYTES_MAX)
    return [row for number in range(file.group_count) for row in zip(*file.group(number), strict=True)]


@settings(deadline=None)
@given(st.lists(ROW, max_size=40), st.booleans(), st.sampled_from([1, 30, 1 << 20]))
def test_it_reads_what_the_common_library_wrote(
    rows: list[tuple[Any, ...]], statistics: bool, page_bytes: int
) -> None:
    data = written(rows, write_statistics=statistics, data_page_size=page_bytes, write_batch_size=3)
    assert read(data) == rows
    library = pq.read_table(io.BytesIO(data)).to_pydict()
    assert list(zip(*library.values(), strict=True)) == rows
    assert PlainFile(io.BytesIO(data), BYTES_MAX).columns == COLUMNS


def test_long_runs_of_nulls_are_read() -> None:
    chance = random.Random(5)
    rows: list[tuple[Any, ...]] = [
        (number, 0, b"", b"12345", None if number % 3_000 else b"x", chance.choice([None, 7]))
        for number in range(10_000)
    ]
    data = written(rows, group_rows=10_000)
    assert read(data) == rows


def test_metadata_is_read() -> None:
    file = PlainFile(io.BytesIO(written([], {"lineage": "{}", "other": "é"})), BYTES_MAX)
    assert file.metadata == {b"lineage": b"{}", b"other": "é".encode()}
    assert file.group_count in (0, 1)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"compression": "gzip"}, "compressed"),
        ({"use_dictionary": True}, "dictionary"),
        ({"column_encoding": {"c": "DELTA_BYTE_ARRAY"}}, "coded"),
        ({"column_encoding": {"a": "DELTA_BINARY_PACKED"}}, "coded"),
        ({"column_encoding": {"a": "BYTE_STREAM_SPLIT"}}, "coded"),
        ({"data_page_version": "2.0"}, "struct is missing"),
    ],
)
def test_other_forms_are_refused(options: dict[str, Any], reason: str) -> None:
    rows = [(number, 1, b"same", b"12345", b"same", None) for number in range(20)]
    with pytest.raises(ValueError, match=reason):
        read(written(rows, **options))


def test_nested_columns_are_refused() -> None:
    for type_ in (pa.list_(pa.int64()), pa.struct([("x", pa.int64())])):
        file = io.BytesIO()
        pq.write_table(
            pa.table({"a": pa.array([None], type_)}), file, compression="none", use_dictionary=False
        )
        with pytest.raises(ValueError, match=r"nested|lists"):
            PlainFile(file, BYTES_MAX)


def test_a_row_group_may_be_too_great() -> None:
    data = written([(1, 1, b"x" * 5_000, b"12345", None, None)])
    assert len(PlainFile(io.BytesIO(data), 6_000).group(0)) == len(COLUMNS)
    with pytest.raises(ValueError, match="row group"):
        PlainFile(io.BytesIO(data), 5_000).group(0)


def test_damage_is_a_value_error_and_takes_no_room() -> None:
    """Each byte of a file in one of its bits, and many lengths: nothing but ValueError, and memory within bounds."""
    rows = [(number, 1, b"abc", b"12345", b"x" if number % 3 else None, number) for number in range(5)]
    data = written(rows, {"lineage": "{}"})
    mutants = [data[:length] for length in range(0, len(data), 5)]
    mutants += [
        data[:place] + bytes([data[place] ^ 1 << (place + shift) % 8]) + data[place + 1 :]
        for place in range(len(data))
        for shift in (0, 3)
    ]
    refused = 0
    tracemalloc.start()
    _, held_bytes = tracemalloc.get_traced_memory()
    for mutant in mutants:
        try:
            read(mutant)
        except ValueError:
            refused += 1
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused > len(data) // 2
    assert peak_bytes - held_bytes < 1_000_000


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(data)
    footer = data + len(data).to_bytes(4, "little") + b"PAR1"
    with pytest.raises(ValueError, match=r"."):
        read(b"PAR1" + footer)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f\x01", 8),  # a run of 2^62
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01", 8),  # as many packed groups
        (b"\x10", 8),  # a run without its value
        (b"", 8),
        (b"\x10\x01\x00", 8),  # a byte too many
        (b"\x03\xff\x01", 8),  # a second group, of a null that is there
        (b"\x80" * 11, 8),  # a number without end
        (b"\x00\x01" * 4, 8),  # empty runs alone
    ],
)
def test_bad_runs_of_nulls_are_refused(data: bytes, count: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        _levels(data, count)


def test_runs_of_nulls() -> None:
    assert _levels(b"\x10\x01", 8) == [1] * 8
    assert _levels(b"\x03\x05", 3) == [1, 0, 1]
    assert _levels(b"\x06\x00\x03\x81", 11) == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert _levels(b"", 0) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\x1c" * 20,  # structs in structs without end
        b"\x1c" * 100_000,
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # a list that says it has 2^32 items
        b"\x18\xff\xff\xff\xff\x0f",  # a text that says it has as many bytes
        b"\x15\x02\x05\x02\x02\x00",  # field 1 twice
        b"\x1d\x00",  # no such type
        b"\x15",
    ],
)
def test_bad_structs_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        _Compact(data).struct()


def varint(value: int) -> bytes:
    rest = value >> 7
    return bytes([value & 0x7F | 0x80]) + varint(rest) if rest else bytes([value])


def thrift(value: dict[int, Any] | list[Any] | int | bytes) -> bytes:
    """A value in the compact protocol, naively: numbers as i64, lists of structs."""
    if isinstance(value, int):
        return varint(value << 1 ^ value >> 63)
    if isinstance(value, bytes):
        return varint(len(value)) + value
    if isinstance(value, list):
        return b"\xfc" + varint(len(value)) + b"".join(map(thrift, value))
    kinds = {int: b"\x06", bytes: b"\x08", list: b"\x09", dict: b"\x0c"}
    return (
        b"".join(kinds[type(item)] + varint(number << 1) + thrift(item) for number, item in value.items())
        + b"\x00"
    )


def handmade(
    levels: bytes, values: bytes, count: int, row_count: int, page_bytes: int | None = None
) -> bytes:
    """A file of one nullable column of one page."""
    body = len(levels).to_bytes(4, "little") + levels + values
    size = len(body) if page_bytes is None else page_bytes
    page = thrift({1: 0, 2: size, 3: size, 5: {1: count, 2: 0, 3: 3, 4: 3}}) + body
    schema = [{4: b"schema", 5: 1}, {1: BINARY, 3: OPTIONAL, 4: b"a"}]
    chunk = {1: BINARY, 4: 0, 5: count, 6: len(page), 7: len(page), 9: 4}
    footer = thrift({1: 1, 2: schema, 3: row_count, 4: [{1: [{3: chunk}], 2: len(page), 3: row_count}]})
    return b"PAR1" + page + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def test_numbers_of_values_are_held_against_the_bytes() -> None:
    """A page that claims a million million nulls in three bytes must not be believed."""
    value = b"\x01\x00\x00\x00x"
    assert read(handmade(b"\x02\x01", value, 1, 1)) == [(b"x",)]
    assert read(handmade(b"\x02\x01\x04\x00", value, 3, 3)) == [(b"x",), (None,), (None,)]
    many = 10**12
    for count, row_count in ((many, many), (many, 1), (1, many), (2, 1), (1, 2), (0, 1)):
        with pytest.raises(ValueError, match=r"row group|goes beyond|values in|nulls"):
            read(handmade(varint(count << 1) + b"\x00", b"", count, row_count))
    for size in (0, 6, 12, 10**12):
        with pytest.raises(ValueError, match=r"."):
            read(handmade(b"\x02\x01", value, 1, 1, size))
    for mutant in (value[:-1], value + b"\x00", b"\xff\xff\xff\xff", b""):
        with pytest.raises(ValueError, match="other values"):
            read(handmade(b"\x02\x01", mutant, 1, 1))


def footed(groups: list[dict[int, Any]], more: bytes = b"", body: bytes = b"") -> bytes:
    """A file of one nullable column whose footer says what it is told; `more` are further fields, already encoded."""
    schema = [{4: b"schema", 5: 1}, {1: BINARY, 3: OPTIONAL, 4: b"a"}]
    footer = thrift({1: 1, 2: schema, 3: 1, 4: groups})[:-1] + more + b"\x00"
    return b"PAR1" + body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def empty_structs(count: int) -> bytes:
    """A field that nobody knows: so many structs of one byte each, which take seventy times as much in memory."""
    return b"\x09" + varint(20 << 1) + b"\xfc" + varint(count) + bytes(count)


def peak_bytes_of(use: Callable[[], object]) -> int:
    """The most memory that a refusal took, beyond what was held before."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"."):
            use()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_footer_that_is_all_structs_takes_no_room() -> None:
    data = footed([], empty_structs(5_000_000))
    assert peak_bytes_of(lambda: PlainFile(io.BytesIO(data), BYTES_MAX)) < len(data)
    assert PlainFile(io.BytesIO(footed([], empty_structs(1_000))), BYTES_MAX).group_count == 0


def test_a_page_header_that_is_all_structs_takes_no_room() -> None:
    header = empty_structs(3_000_000) + b"\x00"
    chunk = {1: BINARY, 4: 0, 5: 1, 7: len(header), 9: 4}
    data = footed([{1: [{3: chunk}], 3: 1}], body=header)
    assert peak_bytes_of(lambda: read(data)) < 3 * len(data)


def test_packed_levels_beyond_the_page_take_no_room() -> None:
    groups = 500_000
    levels = varint(groups << 1 | 1) + bytes(groups)
    data = handmade(levels, b"", 1, 1)
    assert peak_bytes_of(lambda: read(data)) < 6 * len(data)
    assert _levels(b"\x03\x01", 1) == [1]  # eight are packed at a time, of which the last few may be none


def test_no_byte_is_in_two_columns() -> None:
    """Else a small file has as many rows as its footer has lines, each over the same great value."""
    data = written([(number, 1, b"abc", b"12345", b"x", number) for number in range(14)])
    assert PlainFile(io.BytesIO(data), BYTES_MAX).group_count == 2
    value = b"\x01\x00\x00\x00x"
    page = thrift({1: 0, 2: 11, 3: 11, 5: {1: 1, 2: 0, 3: 3, 4: 3}}) + b"\x02\x00\x00\x00\x02\x01" + value
    chunk = {1: BINARY, 4: 0, 5: 1, 7: len(page), 9: 4}
    behind = chunk | {9: 4 + len(page)}
    groups = [{1: [{3: one}], 3: 1} for one in (chunk, behind, chunk)]
    assert read(footed(groups[:2], body=page * 2)) == [(b"x",)] * 2
    for bad in ([groups[0], groups[0]], groups, [{1: [{3: chunk | {9: 3}}], 3: 1}]):
        with pytest.raises(ValueError, match="one behind the other"):
            read(footed(bad, body=page * 2))


def coded_rows(file: PlainFile) -> list[tuple[Any, ...]]:
    """The rows of a file, of each column as it is coded."""
    rows: list[tuple[Any, ...]] = []
    for number in range(file.group_count):
        columns = []
        for place, column in enumerate(file.columns):
            coded = file.coded(number, place)
            if column.type == BINARY:
                values: list[Any] = [coded.dictionary[one] for one in coded.numbers]
            else:
                code, size = {INT32: ("<i", 4), INT64: ("<q", 8)}.get(column.type, ("5s", 5))
                values = [one for (one,) in iter_unpack(code, coded.data)]
                assert len(values) * size == len(coded.data)
            there = iter(values)
            columns.append(
                [next(there) if one else None for one in coded.present] if coded.present else values
            )
        rows += zip(*columns, strict=True)
    return rows


@settings(deadline=None)
@given(
    st.lists(ROW, max_size=40),
    st.sampled_from([[], ["c"], ["c", "e"]]),
    st.sampled_from([5, 1 << 20]),
    st.sampled_from([1, 1 << 20]),
    st.sampled_from([3, 40]),
)
def test_strings_in_dictionaries_are_read_where_that_is_allowed(
    rows: list[tuple[Any, ...]], names: list[str], limit_bytes: int, page_bytes: int, group_rows: int
) -> None:
    """Dictionaries that are whole, and those that the library gave up in the middle of a column."""
    data = written(
        rows,
        None,
        group_rows,
        use_dictionary=names,
        dictionary_pagesize_limit=limit_bytes,
        data_page_size=page_bytes,
        write_batch_size=3,
    )
    assert coded_rows(PlainFile(io.BytesIO(data), BYTES_MAX, dictionaries=True)) == rows
    if rows and names:
        with pytest.raises(ValueError, match="dictionary"):
            PlainFile(io.BytesIO(data), BYTES_MAX)
        with pytest.raises(ValueError, match="coded"):
            PlainFile(io.BytesIO(data), BYTES_MAX, dictionaries=True).group(0)


def test_other_columns_have_no_dictionary() -> None:
    rows = [(number, 1, b"same", b"12345", b"same", 1) for number in range(20)]
    for place, name in enumerate("abcdef"):
        data = written(rows, use_dictionary=[name])
        file = PlainFile(io.BytesIO(data), BYTES_MAX, dictionaries=True)
        if name in "ce":
            assert len(file.coded(0, place).dictionary) == 1
        else:
            with pytest.raises(ValueError, match="coded"):
                file.coded(0, place)


def packed(numbers: list[int], width: int) -> bytes:
    """Numbers as one bit-packed run, naively: bit by bit, the lowest first."""
    groups = -(-len(numbers) // 8)
    bits = "".join(f"{number:0{width}b}"[::-1] if width else "" for number in numbers).ljust(
        8 * width * groups, "0"
    )
    body = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    return varint(groups << 1 | 1) + body


@given(st.data(), st.integers(0, 20))
def test_runs_of_numbers(data: st.DataObject, width: int) -> None:
    number = st.integers(0, (1 << width) - 1)
    first, last = (data.draw(st.lists(number, min_size=8, max_size=8)) for _ in range(2))
    run, value = data.draw(st.integers(1, 300)), data.draw(number)
    last = last[: data.draw(st.integers(1, 8))]
    encoded = (
        packed(first, width)
        + varint(run << 1)
        + value.to_bytes(-(-width // 8), "little")
        + packed(last, width)
    )
    numbers = [*first, *[value] * run, *last]
    assert _runs(encoded, width, len(numbers)) == numbers
    assert _numbers(bytes([width]) + encoded, len(numbers), 1 << width) == numbers
    for wrong in (encoded[:-1], encoded + b"\0"):
        if width:
            with pytest.raises(ValueError, match=r"."):
                _runs(wrong, width, len(numbers))
    if max(numbers):
        with pytest.raises(ValueError, match="not in its dictionary"):
            _numbers(bytes([width]) + encoded, len(numbers), max(numbers))


@pytest.mark.parametrize(
    ("data", "width", "count"),
    [
        (b"\x06\x02", 1, 3),  # a number of two bits in a run of one
        (b"\x03\xff", 1, 3),  # numbers behind the last
        (b"\x03\x08", 1, 3),
    ],
)
def test_bits_that_mean_nothing_are_zero(data: bytes, width: int, count: int) -> None:
    with pytest.raises(ValueError, match=r"more bits|other numbers"):
        _runs(data, width, count)


@pytest.mark.parametrize("data", [b"", b"\x21\x02\x00", b"\xff"])
def test_numbers_without_a_width_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="wide"):
        _numbers(data, 1, 1)


def in_dictionary(pages: list[bytes], row_count: int, has_dictionary: bool = True) -> bytes:
    """A file of one column of strings, by its pages."""
    body = b"".join(pages)
    schema = [{4: b"schema", 5: 1}, {1: BINARY, 3: REQUIRED, 4: b"a"}]
    chunk = {1: BINARY, 4: 0, 5: row_count, 7: len(body), 9: 4} | ({11: 4} if has_dictionary else {})
    footer = thrift({1: 1, 2: schema, 3: row_count, 4: [{1: [{3: chunk}], 3: row_count}]})
    return b"PAR1" + body + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def dictionary_page(values: list[bytes], count: int | None = None) -> bytes:
    body = b"".join(len(value).to_bytes(4, "little") + value for value in values)
    return (
        thrift({1: 2, 2: len(body), 3: len(body), 7: {1: len(values) if count is None else count, 2: 0}})
        + body
    )


def number_page(body: bytes, count: int) -> bytes:
    return thrift({1: 0, 2: len(body), 3: len(body), 5: {1: count, 2: 8, 3: 3, 4: 3}}) + body


def test_dictionaries_are_held_against_the_rows() -> None:
    """A run of a few bytes is no longer than its row group, and that no longer than its bytes."""

    def strings(data: bytes) -> list[bytes]:
        coded = PlainFile(io.BytesIO(data), BYTES_MAX, dictionaries=True).coded(0, 0)
        return [coded.dictionary[number] for number in coded.numbers]

    values, numbers = dictionary_page([b"x", b"y"]), number_page(b"\x01\x04\x01\x02\x00", 3)
    assert strings(in_dictionary([values, numbers], 3)) == [b"y", b"y", b"x"]
    many = 10**12
    for pages, row_count in (
        ([values, number_page(b"\x00" + varint(many << 1), many)], many),
        ([values, number_page(b"\x00" + varint(many << 1), 3)], 3),
        ([values, number_page(b"\x00" + varint(many << 1), many)], 3),
        ([dictionary_page([b""] * 4), number_page(b"\x00\x06", 3)], 3),  # more values than rows
        ([dictionary_page([b"x"], 2), numbers], 3),
        ([values, values, numbers], 3),
        ([numbers, values], 3),
        ([values], 3),
        ([values, numbers, numbers], 3),
        ([values, number_page(b"\x01\x06\x02", 3)], 3),  # of one bit there is no 2
        ([values, number_page(b"\x02\x06\x02", 3)], 3),
    ):
        with pytest.raises(ValueError, match=r"."):
            strings(in_dictionary(pages, row_count))
    for pages in ([values, numbers], [numbers]):
        with pytest.raises(ValueError, match=r"struct is missing|dictionary"):
            strings(in_dictionary(pages, 3, has_dictionary=False))


def test_many_row_groups_take_little_room() -> None:
    """Of a footer that is allowed to be long; one of all structs does not get so far."""
    chunk: dict[int, Any] = {1: BINARY, 4: 0, 5: 1, 7: 0, 9: 4}
    long = footed([{1: [{3: chunk}], 2: 0, 3: 0}] * 20_000)
    tracemalloc.start()
    file = PlainFile(io.BytesIO(long), BYTES_MAX, footer_bytes_max=1 << 24)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.group_count == 20_000
    assert peak_bytes < 15 * len(long)
    chunk[20] = [{}] * 3_000_000
    for bad in (footed([], empty_structs(3_000_000)), footed([{1: [{3: chunk}], 3: 0}])):
        file_of = partial(PlainFile, io.BytesIO(bad), BYTES_MAX, footer_bytes_max=1 << 24)
        assert peak_bytes_of(file_of) < 6 * len(bad)

"""How an Arrow IPC file or stream is laid out: where each record batch stands, how many rows it has, and what it takes when it is unpacked.

Formats: Arrow Columnar Format, "Serialization and Interprocess Communication": a message is a length, a flatbuffer and a body; a stream is a
schema, dictionaries and record batches, and an end mark; a file is a stream between two marks, and behind it a footer that says where each message stands. pyarrow loads a
message whole, and believes what a packed buffer says of its length. So the messages are looked at first: what would take more room than a batch may is refused before
anything of it is read. Only the few fields that say so are read here; everything else is pyarrow's matter.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ledger import spec
from ledger.datasets.files import RegularFile
from ledger.errors import RefusedInput

FILE_MARK: Final = b"ARROW1"
_CONTINUATION: Final = 0xFFFFFFFF
_PREFIX_BYTES: Final = 8
_FILE_HEAD_BYTES: Final = 8  # the mark, padded
_FILE_TAIL_BYTES: Final = 10  # the footer's length, the mark
_METADATA_BYTES_MAX: Final = 16_777_216  # of one message or footer
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # Message.fbs, `MessageHeader`
_BLOCK_BYTES: Final = 24
_BUFFER_BYTES: Final = 16


class Damaged(Exception):
    """The bytes are not laid out as Arrow's are."""


@dataclass(slots=True)
class Layout:
    """`ends`: in rows, where each record batch ends; `is_stream`, or a file with a footer.

    `codec`: how the buffers of the batches are packed (`lz4`, `zstd`), if they are.
    """

    is_stream: bool
    ends: list[int] = field(default_factory=list)
    dictionary_bytes: int = 0
    codec: str | None = None


def layout_of(file: RegularFile) -> Layout:
    """Looks at every message. Raises Damaged; RefusedInput that names no row: batch-too-large."""
    try:
        if file.read_at(0, min(len(FILE_MARK), file.size_bytes)) == FILE_MARK:
            return _file_layout(file)
        return _stream_layout(file)
    except (struct.error, IndexError, OverflowError) as error:
        raise Damaged("a message does not say where its parts are") from error


def _file_layout(file: RegularFile) -> Layout:
    layout = Layout(is_stream=False)
    tail_at = file.size_bytes - _FILE_TAIL_BYTES
    if tail_at < _FILE_HEAD_BYTES or file.read_at(tail_at + 4, len(FILE_MARK)) != FILE_MARK:
        raise Damaged("it is cut short: its end mark is missing")
    (length,) = struct.unpack("<i", file.read_at(tail_at, 4))
    if not 0 < length <= min(tail_at - _FILE_HEAD_BYTES, _METADATA_BYTES_MAX):
        raise Damaged("its footer has no such length")
    footer = _Flat(file.read_at(tail_at - length, length))
    root = footer.root()
    for slot in (2, 3):  # Footer.dictionaries, Footer.recordBatches
        for at in footer.vector(root, slot, _BLOCK_BYTES):
            offset, metadata_bytes, body_bytes = struct.unpack_from("<qi4xq", footer.data, at)
            if offset < _FILE_HEAD_BYTES or metadata_bytes < 0 or body_bytes < 0:
                raise Damaged("its footer names a message outside the file")
            if offset + metadata_bytes + body_bytes > tail_at - length:
                raise Damaged("its footer names a message outside the file")
            message = _message(file, offset)
            if message is None or message.body_at + message.body_bytes > tail_at - length:
                raise Damaged("its footer names a message outside the file")
            _add(file, layout, message, _DICTIONARY if slot == 2 else _BATCH)
    return layout


def _stream_layout(file: RegularFile) -> Layout:
    layout = Layout(is_stream=True)
    at = 0
    expected: tuple[int, ...] = (_SCHEMA,)
    while True:
        message = _message(file, at)
        if message is None:
            break
        if message.kind not in expected:
            raise Damaged("its messages are in no order that a stream has")
        if message.kind != _SCHEMA:
            _add(file, layout, message, message.kind)
        expected = (_DICTIONARY, _BATCH)
        at = message.body_at + message.body_bytes
    if expected == (_SCHEMA,):
        raise Damaged("it begins with no schema")
    if at + _PREFIX_BYTES != file.size_bytes:
        raise Damaged("there is something behind its end mark")
    return layout


@dataclass(frozen=True, slots=True)
class _Message:
    flat: _Flat
    kind: int
    header: int  # where the header's table is
    body_at: int
    body_bytes: int


def _message(file: RegularFile, at: int) -> _Message | None:
    """The message at a place; None for the end mark. Raises Damaged."""
    if at + _PREFIX_BYTES > file.size_bytes:
        raise Damaged("it is cut short: its end mark is missing")
    mark, length = struct.unpack("<Ii", file.read_at(at, _PREFIX_BYTES))
    if mark != _CONTINUATION:
        raise Damaged("a message does not begin as one (versions before 0.15 wrote it otherwise)")
    if length == 0:
        return None
    begin = at + _PREFIX_BYTES
    if not 0 < length <= min(file.size_bytes - begin, _METADATA_BYTES_MAX):
        raise Damaged("it is cut short in a message, or a message has no such length")
    flat = _Flat(file.read_at(begin, length))
    root = flat.root()
    kind = flat.number(root, 1, "<B")
    body_bytes = flat.number(root, 3, "<q")
    header = flat.child(root, 2)
    if header is None or not 0 <= body_bytes <= file.size_bytes - begin - length:
        raise Damaged("it is cut short in the body of a message")
    return _Message(flat, kind, header, begin + length, body_bytes)


def _add(file: RegularFile, layout: Layout, message: _Message, expected: int) -> None:
    """One dictionary or record batch more."""
    if message.kind != expected:
        raise Damaged("its footer takes one message for another")
    batch: int | None = message.header
    if message.kind == _DICTIONARY:
        batch = message.flat.child(message.header, 1)  # DictionaryBatch.data
        if batch is None:
            raise Damaged("a dictionary holds nothing")
    unpacked_bytes = _unpacked(file, message, batch, layout)
    if message.kind == _DICTIONARY:
        layout.dictionary_bytes += unpacked_bytes
        _check_size(layout.dictionary_bytes, "its dictionaries take")
        return
    _check_size(unpacked_bytes, f"record batch {len(layout.ends)} takes")
    rows = message.flat.number(batch, 0, "<q")
    before = layout.ends[-1] if layout.ends else 0
    if not 0 <= rows <= 2**48:
        raise Damaged("a record batch has no such number of rows")
    layout.ends.append(before + rows)


def _unpacked(file: RegularFile, message: _Message, batch: int | None, layout: Layout) -> int:
    """What a record batch takes with its buffers unpacked; each begins with its length, if they are packed."""
    if batch is None:
        return 0
    compression = message.flat.child(batch, 3)
    if compression is None:
        return message.body_bytes
    layout.codec = "zstd" if message.flat.number(compression, 0, "<b") else "lz4"
    total_bytes = 0
    for at in message.flat.vector(batch, 2, _BUFFER_BYTES):
        offset, length = struct.unpack_from("<qq", message.flat.data, at)
        if length == 0:
            continue
        if offset < 0 or length < 8 or offset + length > message.body_bytes:
            raise Damaged("a buffer lies outside its message")
        (size_bytes,) = struct.unpack("<q", file.read_at(message.body_at + offset, 8))
        total_bytes += max(size_bytes, length)
    return max(total_bytes, message.body_bytes)


def _check_size(size_bytes: int, what: str) -> None:
    if size_bytes > spec.ARROW_BATCH_BYTES_MAX:
        raise RefusedInput(
            "batch-too-large",
            "row",
            f"{what} {size_bytes:,} bytes, and {spec.ARROW_BATCH_BYTES_MAX:,} is the most that is read at once",
            "Write it in smaller record batches, as pyarrow's write_table(table, max_chunksize=10_000) does",
        )


class _Flat:
    """A flatbuffer: tables whose slots say where their fields are. What lies outside of it raises IndexError or struct.error."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def root(self) -> int:
        """Where the outermost table is."""
        return self._unsigned(0)

    def child(self, table: int, slot: int) -> int | None:
        """Where the table in a slot is, if it is there."""
        at = self._field(table, slot)
        return None if at is None else at + self._unsigned(at)

    def number(self, table: int | None, slot: int, kind: str) -> int:
        """A number, 0 if it is left out."""
        at = None if table is None else self._field(table, slot)
        if at is None:
            return 0
        value: int = struct.unpack_from(kind, self.data, at)[0]
        return value

    def vector(self, table: int, slot: int, item_bytes: int) -> Iterator[int]:
        """Where each item of a vector of structs is."""
        begin = self.child(table, slot)
        if begin is None:
            return
        count = self._unsigned(begin)
        if begin + 4 + count * item_bytes > len(self.data):
            raise IndexError
        yield from range(begin + 4, begin + 4 + count * item_bytes, item_bytes)

    def _field(self, table: int, slot: int) -> int | None:
        slots = table - int(struct.unpack_from("<i", self.data, table)[0])
        if slots < 0:
            raise IndexError
        (length,) = struct.unpack_from("<H", self.data, slots)
        at = 4 + 2 * slot
        if at + 2 > length:
            return None
        (offset,) = struct.unpack_from("<H", self.data, slots + at)
        return table + offset if offset else None

    def _unsigned(self, at: int) -> int:
        value: int = struct.unpack_from("<I", self.data, at)[0]
        return value

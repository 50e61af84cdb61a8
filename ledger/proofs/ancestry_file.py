r"""Ancestry proofs as bytes (SPEC §11.2): parts that are read and written, of which nothing is believed yet.

    lineage/ancestry/v1\n   u8 logs: each  log id, checkpoint, points, entries, log proof, topics, status proof, statements, rows
                            u16 disclosed: each  what, id, salt, content

A value has one encoding, so that no two files say the same: numbers are big-endian and of fixed size, lists ascend, what is
the same stands once. Reading is strict and refuses at the first byte that is not so; it holds what it has read, and never
allocates for what a length only claims. Rows, which may be very many, pass by (`ledger.proofs.proven`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.fold.topics import Topic
from ledger.merkle.ranges import Range
from ledger.merkle.tree import hash_leaf
from ledger.proofs.points import Point

MAGIC: Final = b"lineage/ancestry/v1\n"
CONTENT: Final = 1  # what is disclosed: the content of a sealed artifact
PROFILE: Final = 2  # the sealed profile of an identity

_U8: Final = struct.Struct(">B")
_U16: Final = struct.Struct(">H")
_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_ENTRY: Final = struct.Struct(">QH")
_RECORD: Final = struct.Struct(">IB")
_RANGE: Final = struct.Struct(">II")
_STATEMENT: Final = struct.Struct(">QI")
_HELD, _ERASED, _AGAIN, _SUBJECT = 0, 1, 2, 0x80  # `what` of a record
_TOPICS_LISTED: Final = range(Topic.KEY_EVENTS, Topic.EVIDENCE + 1)
_READ_BYTES: Final = 262_144  # that are asked for at once
_HASH: Final = spec.HASH_BYTES


class HeldRecord(NamedTuple):
    """A record of a statement: its index there, its artifact id, and its bytes; None: it is erased."""

    record_index: int
    artifact_id: bytes
    data: bytes | None


class HeldStatement(NamedTuple):
    """Records that stand under an entry, ascending, and the multiproof that leads from them to its root."""

    log_index: int
    records: tuple[HeldRecord, ...]
    hashes: tuple[bytes, ...]


class RowsHeader(NamedTuple):
    """Rows of a `rows` record: ranges, and the multiproof that leads from their digests to its content."""

    artifact_id: bytes
    ranges: tuple[Range, ...]
    hashes: tuple[bytes, ...]

    @property
    def row_count(self) -> int:
        """How many rows they are."""
        return sum(count for _, count in self.ranges)


class RowsToWrite(NamedTuple):
    """A header, and what gives the digests of its rows, in pieces."""

    header: RowsHeader
    digests: Callable[[], Iterable[bytes]]


@dataclass(slots=True)
class LogPart:
    """What a file holds of one log, but for rows. `entries`: (log index, bytes); `topics`: (topic, subject); `subjects`: artifact ids."""

    log_id: bytes
    note: bytes
    points: tuple[Point, ...] = ()
    entries: list[tuple[int, bytes]] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    topics: list[tuple[int, bytes]] = field(default_factory=list)
    status: bytes = b""
    statements: list[HeldStatement] = field(default_factory=list)
    subjects: frozenset[bytes] = frozenset()


class Disclosed(NamedTuple):
    """`what` is CONTENT of the artifact `id`, or PROFILE of the identity `id`; with the salt under which it was sealed."""

    what: int
    id: bytes
    salt: bytes
    data: bytes


class Reader:
    """A file from its first byte to its last. What reads on, `read(n)`, gives some more bytes, about n of them; none at the end.

    Methods raise ProofInvalid `proof-invalid`.
    """

    def __init__(self, read: bytes | Callable[[int], bytes]) -> None:
        """All of it, or what reads on in it."""
        self._data = read if isinstance(read, bytes) else b""
        self._read = _nothing_more if isinstance(read, bytes) else read
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next so many bytes."""
        stop = self._at + count
        if stop > len(self._data):
            self._fill(count)
            stop = count
        data = self._data[self._at : stop]
        self._at = stop
        return data

    def number(self, form: struct.Struct) -> int:
        """The next number."""
        value: int = form.unpack(self.take(form.size))[0]
        return value

    def sized(self, form: struct.Struct, least: int, most: int, what: str) -> bytes:
        """The next length, and as many bytes."""
        length = self.number(form)
        if not least <= length <= most:
            raise proof_invalid(f"{what} of {length:,} bytes, where {least:,} to {most:,} may stand")
        return self.take(length)

    def hashes(self) -> list[bytes]:
        """A list of hashes."""
        data = self.take(_HASH * self.number(_U32))
        return [data[at : at + _HASH] for at in range(0, len(data), _HASH)]

    def end(self) -> None:
        """That nothing follows."""
        if self._at < len(self._data) or self._read(1):
            raise proof_invalid("there is something behind its end")

    def _fill(self, count: int) -> None:
        parts = [self._data[self._at :]]
        held = len(parts[0])
        while held < count:
            part = self._read(_READ_BYTES)
            if not part:
                raise proof_invalid("it is cut short")
            parts.append(part)
            held += len(part)
        self._data, self._at = b"".join(parts), 0


def _nothing_more(_count: int) -> bytes:
    return b""


def read_logs(reader: Reader) -> Iterator[LogPart]:
    """The logs of a file, each of which the caller reads the rows before he goes on (`read_rows`)."""
    if reader.take(len(MAGIC)) != MAGIC:
        raise proof_invalid("it does not begin as an ancestry proof does")
    count = reader.number(_U8)
    if not 1 <= count <= spec.PROOF_LOGS_MAX:
        raise proof_invalid(f"{count} logs, where 1 to {spec.PROOF_LOGS_MAX} may stand")
    before = b""
    for _ in range(count):
        part = _read_log(reader)
        if part.log_id <= before:
            raise proof_invalid("its logs do not ascend")
        before = part.log_id
        yield part


def read_rows(reader: Reader) -> Iterator[RowsHeader]:
    """The headers of a log's rows; behind each the caller takes the digests, 32 bytes a row, before he goes on."""
    before = b""
    for _ in range(reader.number(_U32)):
        artifact_id = reader.take(_HASH)
        if artifact_id <= before:
            raise proof_invalid("its sets of rows do not ascend")
        before = artifact_id
        ranges = [_RANGE.unpack(reader.take(_RANGE.size)) for _ in range(reader.number(_U32))]
        stop = -1
        for first, count in ranges:
            if first <= stop or not count or first + count > spec.ROWS_MAX:
                raise proof_invalid("ranges of rows do not ascend, touch, or lie outside")
            stop = first + count
        if not ranges:
            raise proof_invalid("a set of no rows")
        yield RowsHeader(artifact_id, tuple(ranges), tuple(reader.hashes()))


def read_disclosed(reader: Reader) -> list[Disclosed]:
    """What is disclosed; then the file ends."""
    found = []
    before = b""
    for _ in range(reader.number(_U16)):
        name = reader.take(1 + _HASH)
        if name <= before or name[0] not in (CONTENT, PROFILE):
            raise proof_invalid("what is disclosed does not ascend, or is of no known sort")
        before = name
        salt = reader.take(spec.SALT_BYTES)
        data = reader.sized(_U32, 1, spec.PROOF_DISCLOSED_BYTES_MAX, "something disclosed")
        found.append(Disclosed(name[0], name[1:], salt, data))
    reader.end()
    return found


def proof_invalid(reason: str) -> ProofInvalid:
    """The refusal of a file that is not what SPEC §11.2 says."""
    fix = "Ask for the file again; if it stays so, do not rely on it."
    return ProofInvalid("proof-invalid", "ancestry proof", reason, fix)


# Reading the parts of a log


def _read_log(reader: Reader) -> LogPart:
    log_id = reader.take(_HASH)
    note = reader.sized(_U32, 1, spec.NOTE_BYTES_MAX, "a log checkpoint")
    points = tuple(_read_points(reader))
    part = LogPart(log_id, note, points, list(_read_entries(reader)), reader.hashes())
    part.topics = list(_read_topics(reader))
    part.status = reader.take(reader.number(_U32))
    _read_statements(reader, part)
    return part


def _read_points(reader: Reader) -> Iterator[Point]:
    count = reader.number(_U8)
    if count > spec.PROOF_POINTS_MAX:
        raise proof_invalid(f"{count} points, over {spec.PROOF_POINTS_MAX}")
    for _ in range(count):
        size, root = reader.number(_U64), reader.take(_HASH)
        note = reader.sized(_U32, 0, spec.NOTE_BYTES_MAX, "the note of a point")
        yield Point(size, root, note or None, tuple(reader.hashes()))


def _read_entries(reader: Reader) -> Iterator[tuple[int, bytes]]:
    before = -1
    for _ in range(reader.number(_U32)):
        log_index, length = _ENTRY.unpack(reader.take(_ENTRY.size))
        if log_index <= before or not length:
            raise proof_invalid("its entries do not ascend, or one is empty")
        before = log_index
        yield log_index, reader.take(length)


def _read_topics(reader: Reader) -> Iterator[tuple[int, bytes]]:
    before = b""
    for _ in range(reader.number(_U32)):
        data = reader.take(1 + _HASH)
        if data <= before or data[0] not in _TOPICS_LISTED:
            raise proof_invalid("its topics do not ascend, or one is none that is listed")
        before = data
        yield data[0], data[1:]


def _read_statements(reader: Reader, part: LogPart) -> None:
    known: list[HeldRecord] = []
    whats: list[int] = []
    ids: set[bytes] = set()
    subjects = set()
    before = -1
    for _ in range(reader.number(_U32)):
        log_index, count = _STATEMENT.unpack(reader.take(_STATEMENT.size))
        if log_index <= before or not count:
            raise proof_invalid("its statements do not ascend, or one has no records")
        before, last, records = log_index, -1, []
        for _ in range(count):
            record_index, what = _RECORD.unpack(reader.take(_RECORD.size))
            if record_index <= last:
                raise proof_invalid("records of a statement do not ascend")
            last = record_index
            sort = what & ~_SUBJECT
            if what == _AGAIN:
                number = reader.number(_U32)
                if number >= len(known) or whats[number] == _AGAIN:
                    raise proof_invalid("a record is said to be one that does not stand before it")
                held = known[number]._replace(record_index=record_index)
            elif sort in (_HELD, _ERASED):
                held = _read_record(reader, record_index, sort)
                if held.artifact_id in ids:
                    raise proof_invalid("an artifact stands in it twice")
                ids.add(held.artifact_id)
                if what & _SUBJECT:
                    subjects.add(held.artifact_id)
            else:
                raise proof_invalid("a record of no known sort")
            known.append(held)
            whats.append(sort)
            records.append(held)
        part.statements.append(HeldStatement(log_index, tuple(records), tuple(reader.hashes())))
    part.subjects = frozenset(subjects)


def _read_record(reader: Reader, record_index: int, sort: int) -> HeldRecord:
    if sort == _ERASED:
        return HeldRecord(record_index, reader.take(_HASH), None)
    data = reader.sized(_U16, 1, spec.ENTRY_BYTES_MAX, "a record")
    return HeldRecord(record_index, hash_leaf(data), data)


# Writing


def write_file(
    logs: Sequence[tuple[LogPart, Sequence[RowsToWrite]]], disclosed: Sequence[Disclosed] = ()
) -> Iterator[bytes]:
    """The bytes of a file, in pieces. What is given ascends already, as a reader asks."""
    yield MAGIC + _U8.pack(len(logs))
    for part, rows in logs:
        yield from _log(part)
        yield _U32.pack(len(rows))
        for each in rows:
            header = each.header
            ranges = b"".join(_RANGE.pack(*each) for each in header.ranges)
            yield header.artifact_id + _U32.pack(len(header.ranges)) + ranges + _hashes(header.hashes)
            yield from each.digests()
    yield _U16.pack(len(disclosed))
    for item in disclosed:
        yield _U8.pack(item.what) + item.id + item.salt + _U32.pack(len(item.data)) + item.data


def _log(part: LogPart) -> Iterator[bytes]:
    yield part.log_id + _U32.pack(len(part.note)) + part.note + _U8.pack(len(part.points))
    for point in part.points:
        note = point.note or b""
        yield _U64.pack(point.size) + point.root + _U32.pack(len(note)) + note + _hashes(point.path)
    yield _U32.pack(len(part.entries))
    yield b"".join([_ENTRY.pack(log_index, len(entry)) + entry for log_index, entry in part.entries])
    yield _hashes(part.hashes)
    yield _U32.pack(len(part.topics))
    yield b"".join(_U8.pack(topic) + subject for topic, subject in part.topics)
    yield _U32.pack(len(part.status)) + part.status
    yield _U32.pack(len(part.statements))
    numbers: dict[bytes, int] = {}
    number = 0
    for statement in part.statements:
        pieces = [_STATEMENT.pack(statement.log_index, len(statement.records))]
        for record in statement.records:
            pieces.append(_record(record, numbers, part.subjects))
            numbers.setdefault(record.artifact_id, number)
            number += 1
        pieces.append(_hashes(statement.hashes))
        yield b"".join(pieces)


def _record(record: HeldRecord, numbers: dict[bytes, int], subjects: frozenset[bytes]) -> bytes:
    first = numbers.get(record.artifact_id)
    if first is not None:
        return _RECORD.pack(record.record_index, _AGAIN) + _U32.pack(first)
    flag = _SUBJECT if record.artifact_id in subjects else 0
    if record.data is None:
        return _RECORD.pack(record.record_index, _ERASED | flag) + record.artifact_id
    return _RECORD.pack(record.record_index, _HELD | flag) + _U16.pack(len(record.data)) + record.data


def _hashes(hashes: Sequence[bytes]) -> bytes:
    return _U32.pack(len(hashes)) + b"".join(hashes)

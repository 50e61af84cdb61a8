r"""Statement files: what was signed without the log at hand, to be appended anywhere (SPEC §11.5).

    lineage/statement-file/v1\n
    then of each statement   u32 length, entry; u32 count of records; of each record u16 length, record
    at the end               u32 0; u32 count of statements; SHA-256 of all bytes before it

All numbers are big-endian. Whatever is missing at the end, or differs anywhere, is found by one reading, before anything
is appended: a file is refused whole or taken statement by statement. The digest guards against accidents alone; what the
statements are worth their signatures say, to the log. Reading and writing hold one statement at a time.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from ledger import spec
from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.store.files import open_regular, writing

TAG: Final = b"lineage/statement-file/v1\n"
_TAG_ANY: Final = b"lineage/statement-file/v"
_U32: Final = struct.Struct(">I")
_U16: Final = struct.Struct(">H")

Statement = tuple[bytes, Sequence[bytes]]  # an entry and the records that it signs


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class StatementWriter:
    """A statement file that is being written. Made by `writing_statements`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.count = 0
        self._put(TAG)

    def add(self, entry: bytes, records: Sequence[bytes]) -> int:
        """The next statement; its 0-based number in the file. Raises OSError, which `writing_statements` tells."""
        parts = [_U32.pack(len(entry)), entry, _U32.pack(len(records))]
        for record in records:
            parts += (_U16.pack(len(record)), record)
        self._put(b"".join(parts))
        self.count += 1
        return self.count - 1

    def end(self) -> None:
        """What a reader must find behind the last statement."""
        self._put(_U32.pack(0) + _U32.pack(self.count))
        self._file.write(self._digest.digest())

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


@contextmanager
def writing_statements(path: Path) -> Iterator[StatementWriter]:
    """A new statement file: there whole and durable when the block ends, and not at all if it fails. Never overwrites.

    Raises RefusedInput `file-exists`; StoreFault `store-failed`.
    """
    if os.path.lexists(path):
        raise _taken(path)
    try:
        with writing(path, replace=False) as file:
            writer = StatementWriter(file)
            yield writer
            writer.end()
    except StoreFault as error:
        if error.code == "file-exists":  # somebody else made it meanwhile
            raise _taken(path) from error
        raise


class StatementFile:
    """A statement file that was found whole. Made by `open_statements`; it may be read as often as one likes."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        """Raises RefusedInput `not-a-statement-file`, `statement-file-newer`, `statement-file-damaged`."""
        self._file = file
        self.path = path
        self.count = sum(1 for _ in self)

    def __iter__(self) -> Iterator[Statement]:
        """The statements in order. Raises as the constructor, should the file have changed since."""
        self._file.seek(0)
        digest = hashlib.sha256()
        self._check_tag(digest)
        count = 0
        while length := self._number(_U32, digest):
            yield self._statement(length, digest)
            count += 1
        if self._number(_U32, digest) != count:
            raise self._damaged("it does not hold as many statements as it says")
        found = self._file.read(spec.HASH_BYTES)
        if len(found) < spec.HASH_BYTES:
            raise self._damaged("it is cut short")
        if found != digest.digest():
            raise self._damaged("its bytes do not have the digest at its end")
        if self._file.read(1):
            raise self._damaged("there is something behind its end")

    def _check_tag(self, digest: _Digest) -> None:
        tag = self._file.read(len(TAG))
        if not tag.startswith(_TAG_ANY[: len(tag)]) or not tag:
            raise RefusedInput(
                "not-a-statement-file",
                str(self.path),
                "it does not begin as a statement file does",
                "Give a file that `lineage sign --offline -o` wrote.",
            )
        if len(tag) < len(TAG):
            raise self._damaged("it is cut short")
        if tag != TAG:
            raise RefusedInput(
                "statement-file-newer",
                str(self.path),
                "it is of another version than 1",
                "Upgrade lineage-ledger.",
            )
        digest.update(tag)

    def _statement(self, length: int, digest: _Digest) -> Statement:
        if length > spec.ENTRY_BYTES_MAX:
            raise self._damaged(f"an entry of {length} bytes is over the limit")
        entry = self._bytes(length, digest)
        count = self._number(_U32, digest)
        if count > spec.STATEMENT_RECORDS_MAX:
            raise self._damaged(f"a statement of {count} records is over the limit")
        records: list[bytes] = []
        size_bytes = 0
        for _ in range(count):
            records.append(self._bytes(self._number(_U16, digest), digest))
            size_bytes += len(records[-1])
            if size_bytes > spec.STATEMENT_RECORDS_BYTES_MAX:
                raise self._damaged("the records of a statement are over the limit together")
        return entry, records

    def _number(self, kind: struct.Struct, digest: _Digest) -> int:
        (number,) = kind.unpack(self._bytes(kind.size, digest))
        return int(number)

    def _bytes(self, length: int, digest: _Digest) -> bytes:
        data = self._file.read(length)
        if len(data) < length:
            raise self._damaged("it is cut short")
        digest.update(data)
        return data

    def _damaged(self, reason: str) -> RefusedInput:
        return RefusedInput(
            "statement-file-damaged",
            str(self.path),
            reason,
            "Copy it again from where it was signed; nothing of it was appended.",
        )


@contextmanager
def open_statements(path: Path) -> Iterator[StatementFile]:
    """A statement file, whole; a link is not followed, and no pipe waited for.

    Raises NotFound `file-not-found`; RefusedInput as `StatementFile`; StoreFault `not-a-regular-file`, `store-failed`.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            yield StatementFile(file, path)
    except FileNotFoundError:
        raise NotFound("file-not-found", str(path), "there is no such file", "Name another.") from None
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"it cannot be read ({error.strerror})",
            "Look to the file and its disk.",
        ) from error


def _taken(path: Path) -> RefusedInput:
    return RefusedInput("file-exists", str(path), "it exists already", "Name another file, or move it away.")

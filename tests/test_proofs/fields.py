"""Where each field of an ancestry proof stands, read from SPEC §11.2 alone and not by the ledger's reader. For tests only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

MAGIC = b"lineage/ancestry/v1\n"


class Field(NamedTuple):
    """`name`: what it is; parts of a part have its name before theirs. It is data[start:stop], its length before it with it."""

    name: str
    start: int
    stop: int


def fields_of(data: bytes) -> list[Field]:
    """All fields of a valid file, those that hold others too, in the order in which they end."""
    return list(_Map(data).read())


class _Map:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._found: list[Field] = []

    def read(self) -> list[Field]:
        self._plain("magic", len(MAGIC))
        with self._field("logs"):
            for _ in range(self._number("logs.count", 1)):
                with self._field("log"):
                    self._log()
        with self._field("disclosed"):
            for _ in range(self._number("disclosed.count", 2)):
                with self._field("disclosed.item"):
                    self._plain("disclosed.what", 1)
                    self._plain("disclosed.id", 32)
                    self._plain("disclosed.salt", 32)
                    self._sized("disclosed.bytes", 4)
        assert self._at == len(self._data)
        return self._found

    def _log(self) -> None:
        self._plain("log id", 32)
        self._sized("checkpoint", 4)
        with self._field("points"):
            for _ in range(self._number("points.count", 1)):
                with self._field("point"):
                    self._plain("point.size", 8)
                    self._plain("point.root", 32)
                    self._sized("point.note", 4)
                    self._hashes("point.path")
        with self._field("entries"):
            for _ in range(self._number("entries.count", 4)):
                with self._field("entry"):
                    self._plain("entry.index", 8)
                    self._sized("entry.bytes", 2)
        self._hashes("log proof")
        with self._field("topics"):
            for _ in range(self._number("topics.count", 4)):
                with self._field("topic"):
                    self._plain("topic.number", 1)
                    self._plain("topic.subject", 32)
        self._sized("status proof", 4)
        with self._field("statements"):
            for _ in range(self._number("statements.count", 4)):
                with self._field("statement"):
                    self._statement()
        with self._field("rows"):
            for _ in range(self._number("rows.count", 4)):
                with self._field("rows.set"):
                    self._rows()

    def _statement(self) -> None:
        self._plain("statement.index", 8)
        for _ in range(self._number("statement.count", 4)):
            with self._field("record"):
                self._plain("record.index", 4)
                what = self._number("record.what", 1) & 0x7F
                if what == 0:
                    self._sized("record.bytes", 2)
                else:
                    self._plain("record.hash" if what == 1 else "record.again", 32 if what == 1 else 4)
        self._hashes("statement.hashes")

    def _rows(self) -> None:
        self._plain("rows.id", 32)
        rows = 0
        with self._field("ranges"):
            for _ in range(self._number("ranges.count", 4)):
                with self._field("range"):
                    self._plain("range.first", 4)
                    rows += self._number("range.rows", 4)
        self._hashes("rows.hashes")
        for _ in range(rows):
            self._plain("rows.digest", 32)

    @contextmanager
    def _field(self, name: str) -> Iterator[None]:
        start = self._at
        yield
        self._found.append(Field(name, start, self._at))

    def _plain(self, name: str, count: int) -> bytes:
        with self._field(name):
            self._at += count
        assert self._at <= len(self._data)
        return self._data[self._at - count : self._at]

    def _number(self, name: str, count: int) -> int:
        return int.from_bytes(self._plain(name, count), "big")

    def _sized(self, name: str, count: int) -> None:
        with self._field(name):
            self._plain(f"{name}.content", self._number(f"{name}.length", count))

    def _hashes(self, name: str) -> None:
        with self._field(name):
            for _ in range(self._number(f"{name}.count", 4)):
                self._plain(f"{name}.one", 32)

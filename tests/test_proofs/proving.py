"""Ancestry proofs made in a test, and read again. For tests only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import NamedTuple

import pytest

from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.proofs.ancestry_file import (
    Disclosed,
    LogPart,
    Reader,
    RowsHeader,
    RowsToWrite,
    read_disclosed,
    read_logs,
    read_rows,
    write_file,
)
from ledger.proofs.points import Point
from ledger.proofs.proven import ProvenLog
from ledger.proofs.recorded import Listeners, record_ancestry


def part_of(
    view: LogView,
    vkey: Vkey,
    subjects: Collection[bytes],
    listeners: Listeners | None = None,
    points: Sequence[Point] = (),
) -> LogPart:
    """What a file of these subjects is to hold."""
    part = record_ancestry(view, vkey, subjects, listeners).part
    part.points = tuple(points)
    return part


def file_of(part: LogPart, disclosed: Sequence[Disclosed] = ()) -> bytes:
    """A file of one log without rows."""
    return b"".join(write_file([(part, [])], disclosed))


def read_part(data: bytes) -> LogPart:
    """The one log of a file without rows, which ends where it should."""
    reader = Reader(data)
    (part,) = _logs(reader)
    read_disclosed(reader)
    return part


def _logs(reader: Reader) -> list[LogPart]:
    found = []
    for part in read_logs(reader):
        assert reader.take(4) == bytes(4)  # no rows
        found.append(part)
    return found


def proven(data: bytes, vkey: Vkey) -> ProvenLog:
    """The log in a file without rows."""
    return ProvenLog(read_part(data), vkey)


class WholeLog(NamedTuple):
    """A log of a file, and its rows with their digests."""

    part: LogPart
    rows: list[tuple[RowsHeader, bytes]]


def read_whole(data: bytes) -> tuple[list[WholeLog], list[Disclosed]]:
    """All that a file holds, of which nothing is believed."""
    reader = Reader(data)
    logs = [
        WholeLog(part, [(header, reader.take(32 * header.row_count)) for header in read_rows(reader)])
        for part in read_logs(reader)
    ]
    return logs, read_disclosed(reader)


def write_whole(logs: Sequence[WholeLog], disclosed: Sequence[Disclosed] = ()) -> bytes:
    """The file that `read_whole` reads."""
    return b"".join(
        write_file(
            [
                (part, [RowsToWrite(header, partial(_once, digests)) for header, digests in rows])
                for part, rows in logs
            ],
            disclosed,
        )
    )


def _once(digests: bytes) -> list[bytes]:
    return [digests]


@contextmanager
def remembered_signatures() -> Iterator[None]:
    """The same signatures are verified thousands of times; only their outcome is remembered, by all their bytes."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("verify", "check_prime_order", "check_public_key"):
            patch.setattr(ed25519, name, cache(getattr(ed25519, name)))
        yield

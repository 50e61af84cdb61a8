"""Ancestry proofs made in a test, and read again. For tests only."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger.identity.vkey import Vkey
from ledger.log.view import LogView
from ledger.proofs.ancestry_file import Disclosed, LogPart, Reader, read_disclosed, read_logs, write_file
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
    return record_ancestry(view, vkey, subjects, listeners, points).part


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

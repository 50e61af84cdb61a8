"""The verifier of a file alone: where there is no net and no store, and in little memory however long the rows are."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import ProofInvalid
from ledger.log.view import open_view
from ledger.merkle.groups import joined_groups, leaf_hashes_of
from ledger.merkle.tree import root_of
from ledger.origin.proved import Proved, verify
from ledger.proofs.ancestry_file import RowsToWrite, write_file
from ledger.proofs.row_sets import row_digests, rows_header
from ledger.statements.record import Parent, Record, make_record
from tests.test_proofs.proving import file_of, part_of
from tests.test_tidy import REFUSING
from tests.world import Actor, World

ROOT = Path(__file__).resolve().parents[2]
AT_MS = 4_000_000_000_000
SCRIPT = """
import sys
from ledger.identity.vkey import Vkey
from ledger.origin.proved import verify
found = verify(sys.stdin.buffer.read(), [Vkey.parse(sys.argv[1])], at_ms=int(sys.argv[2]))
(subject,) = found.logs[0].subjects
print(found.ok, subject.level.code, subject.standing.label, len(found.logs[0].humans))
"""


def test_a_file_is_verified_where_net_and_stores_are_refused() -> None:
    world = World()
    anna = world.enrol("anna")
    first = anna.record("first")
    second = anna.record("second", parents=[Parent("derived-from", first.id)])
    world.publish(anna, first)
    world.publish(anna, second)
    with open_view(world.store, world.vkey) as view:
        data = file_of(part_of(view, world.vkey, [second.id]))
    script = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{REFUSING}\n{SCRIPT}"
    result = subprocess.run(
        [sys.executable, "-c", script, str(world.vkey), str(AT_MS)],
        input=data,
        capture_output=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, b"True L2 released 1\n"), result.stderr.decode()


class Rows:
    """A sidecar in memory, without an order."""

    order: tuple[int, ...] = ()
    record = b""

    def __init__(self, count: int) -> None:
        self.count = count
        self.data = b"".join(hashlib.sha256(b"row %d" % row).digest() for row in range(count))

    def digests(self, start: int, stop: int) -> bytes:
        return self.data[32 * start : 32 * min(stop, self.count)]

    def digest(self, row: int) -> bytes:
        return self.digests(row, row + 1)

    def groups(self) -> bytes:
        return joined_groups(self.data)


class RowsScene:
    """A dataset of rows in a log."""

    def __init__(self, count: int) -> None:
        self.world = World()
        self.ada: Actor = self.world.enrol("ada")
        self.rows = Rows(count)
        self.record: Record = make_record(
            kind="dataset",
            maker=self.ada.id,
            content=root_of(leaf_hashes_of(self.rows.data)),
            size_bytes=count,
            form="rows",
            facts={"count": count},
            stance="reported",
            media="text/plain",
        )
        self.world.publish(self.ada, self.record)

    def file(self, *ranges: tuple[int, int], digests: bytes | None = None) -> bytes:
        with open_view(self.world.store, self.world.vkey) as view:
            part = part_of(view, self.world.vkey, [self.record.id])
        part.subjects = frozenset()
        header = rows_header(self.record, self.rows, ranges)

        def pieces() -> Iterator[bytes]:
            if digests is None:
                yield from row_digests(self.rows, ranges)
            else:
                yield digests

        return b"".join(write_file([(part, [RowsToWrite(header, pieces)])]))

    def verify(self, data: bytes, *, keep_rows: bool = False) -> Proved:
        return verify(data, [self.world.vkey], at_ms=AT_MS, keep_rows=keep_rows)


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 300, 1_000])
def test_rows_of_a_dataset(count: int) -> None:
    scene = RowsScene(count)
    choices: set[tuple[tuple[int, int], ...]] = {((0, count),), ((count - 1, 1),), ((0, 1),)}
    choices |= {((0, 1), (count // 2, count // 3)), ((1, count - 2),)} if count > 6 else set()
    for ranges in choices:
        found = scene.verify(scene.file(*ranges), keep_rows=True)
        (subject,) = found.logs[0].subjects
        assert (found.ok, subject.rows, subject.row, subject.level.code) == (True, ranges, None, "L1")
        held = found.logs[0].log.rows[scene.record.id]
        assert held.digests == b"".join(scene.rows.digests(first, first + many) for first, many in ranges)


def test_a_row_that_is_another_is_refused() -> None:
    scene = RowsScene(300)
    held = scene.rows.digests(10, 20)
    for at in range(0, len(held), 32):
        spoiled = held[:at] + bytes(32) + held[at + 32 :]
        with pytest.raises(ProofInvalid) as error:
            scene.verify(scene.file((10, 10), digests=spoiled))
        assert error.value.code == "multiproof-invalid"


def test_rows_that_nobody_keeps_take_no_memory() -> None:
    scene = RowsScene(200_000)
    data = scene.file((0, 200_000))
    at = 0

    def read(count: int) -> bytes:
        nonlocal at
        part = data[at : at + count]
        at += len(part)
        return part

    tracemalloc.start()
    try:
        found = verify(read, [scene.world.vkey], at_ms=AT_MS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.ok
    assert peak < len(data) / 2

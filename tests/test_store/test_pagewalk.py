"""A data file that somebody else made: it is refused or it is read, and never the end of the process (SIGBUS)."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.store.contract import Batch, Space, key_u64
from ledger.store.datafile import check_data_file
from ledger.store.lmdb import LmdbStore
from tests.store_suite import code_of

ROOT = Path(__file__).resolve().parents[2]
PAGE_BYTES = 4_096
READ_ALL = """
import sys
from collections import Counter
from pathlib import Path
from random import Random

from ledger.errors import LineageError
from ledger.store.contract import Space
from ledger.store.lmdb import LmdbStore

folder, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
data = folder / "data.mdb"
raw, chance, outcomes = data.read_bytes(), Random(seed), Counter()
for _ in range(rounds):
    changed = bytearray(raw)
    page = chance.randrange(2, len(raw) // 4096) * 4096
    for _ in range(chance.randrange(1, 5)):
        place = chance.choice([chance.randrange(64), chance.randrange(4096)])
        changed[page + place] = chance.choice([0, 255, chance.randrange(256)])
    data.write_bytes(changed)
    try:
        store = LmdbStore(folder, readonly=True, is_distrusted=True)
        try:
            with store.snapshot() as snapshot:
                for space in Space:
                    for key, value in snapshot.scan(space):
                        snapshot.get(space, key)
                        sum(bytes(value))
                for prefix in range(8):
                    snapshot.positions(prefix)
                snapshot.head()
        finally:
            store.close()
        outcomes["read"] += 1
    except LineageError as error:
        outcomes[error.code] += 1
print(sorted(outcomes.items()))
"""


def fill(folder: Path, rounds: int = 6) -> None:
    """A store with every kind of page: branches, runs of pages, and keys of the index with 1, some and many values."""
    chance = random.Random(5)
    store, head = LmdbStore.create(folder), b""
    for number in range(rounds):
        sizes = [chance.choice([10, 500, 3_000, 9_000]) for _ in range(60)]
        batch = Batch(
            puts=[
                (Space.FOLD, chance.randbytes(chance.randrange(9, 100)), chance.randbytes(size))
                for size in sizes
            ],
            index=[
                (chance.choice([1, 2, chance.randrange(3, 3_000)]), chance.getrandbits(64))
                for _ in range(2_000)
            ],
        )
        batch.puts.append((Space.ENTRIES, key_u64(number), chance.randbytes(60_000)))
        store.commit(batch, head, b"%d" % number)
        head = b"%d" % number
    store.close()


def test_what_this_program_wrote_is_whole(tmp_path: Path) -> None:
    for rounds in (0, 1, 2, 12):
        folder = tmp_path / f"{rounds}"
        fill(folder, rounds)
        file = folder / "data.mdb"
        assert check_data_file(file, is_distrusted=True) >= file.stat().st_size > 0


def test_changed_bytes_never_end_the_process(tmp_path: Path) -> None:
    fill(tmp_path / "s")
    for seed in range(3):
        folder = tmp_path / f"s{seed}"
        shutil.copytree(tmp_path / "s", folder)
        done = subprocess.run(
            [sys.executable, "-c", READ_ALL, str(folder), str(seed), "60"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stderr[-500:]
        assert "'ledger-damaged'" in done.stdout
        assert "'read'" in done.stdout


def pages_of(raw: bytes, flags: int) -> list[int]:
    """The numbers of the pages whose flags are these."""
    return [
        number
        for number in range(2, len(raw) // PAGE_BYTES)
        if raw[number * PAGE_BYTES + 10 : number * PAGE_BYTES + 12] == flags.to_bytes(2, sys.byteorder)
        and raw[number * PAGE_BYTES : number * PAGE_BYTES + 8] == number.to_bytes(8, sys.byteorder)
    ]


def is_refused(file: Path) -> bool:
    try:
        check_data_file(file, is_distrusted=True)
    except StoreFault as error:
        return error.code == "ledger-damaged"
    return False


@pytest.mark.parametrize("flags", [0x01, 0x02, 0x22])
def test_pages_that_do_not_add_up_are_refused(tmp_path: Path, flags: int) -> None:
    """For each kind of page: a lower end beyond the page, and a first node that lies outside it."""
    fill(tmp_path / "s")
    file = tmp_path / "s" / "data.mdb"
    raw = file.read_bytes()
    refused = 0
    for number in pages_of(raw, flags):
        for place in (12, 16):
            if (flags, place) == (0x22, 16):
                continue  # values without nodes
            changed = bytearray(raw)
            start = number * PAGE_BYTES + place
            changed[start : start + 2] = b"\xfe\xff"
            file.write_bytes(changed)
            refused += is_refused(file)
    assert refused >= 4  # the others are pages that no tree reaches any more


def test_a_page_in_two_places_is_refused(tmp_path: Path) -> None:
    """Else a few pages pass for a tree that no scan comes to the end of."""
    fill(tmp_path / "s")
    file = tmp_path / "s" / "data.mdb"
    raw = file.read_bytes()
    reasons = []
    for number in pages_of(raw, 0x01):
        changed = bytearray(raw)
        start = number * PAGE_BYTES
        nodes = [start + int.from_bytes(raw[start + at : start + at + 2], sys.byteorder) for at in (16, 18)]
        changed[nodes[1] : nodes[1] + 6] = raw[nodes[0] : nodes[0] + 6]
        file.write_bytes(changed)
        try:
            check_data_file(file, is_distrusted=True)
        except StoreFault as error:
            reasons.append(error.reason)
    assert any("two places" in reason for reason in reasons)


def test_a_stated_size_beyond_every_file_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "s", 1)
    file = tmp_path / "s" / "data.mdb"
    raw = bytearray(file.read_bytes())
    for meta in (0, PAGE_BYTES):
        raw[meta + 16 + 120 : meta + 16 + 128] = (2**60).to_bytes(8, sys.byteorder)
    file.write_bytes(raw)
    with pytest.raises(StoreFault) as error:
        LmdbStore(tmp_path / "s")
    assert code_of(error) == "ledger-damaged"

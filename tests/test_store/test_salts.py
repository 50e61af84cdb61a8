"""The vault: what is kept is found and durable, what is destroyed is nowhere, and what is damaged is told."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import LineageError
from ledger.store import salts
from ledger.store.salts import DATABASE_FILE, KEY_FILE, Kept, SaltVault

ROOT = Path(__file__).resolve().parents[2]


def digest(*parts: Any) -> bytes:
    return hashlib.sha256(repr(parts).encode()).digest()


def kept(number: int) -> Kept:
    return Kept(digest("artifact", number), digest("salt", number))


def keep(vault: SaltVault, *numbers: int) -> None:
    with vault.writing() as opened:
        for number in numbers:
            opened.add(digest("claim", number), digest("content", number), kept(number))
        opened.flush()


@pytest.fixture
def vault(tmp_path: Path) -> SaltVault:
    return SaltVault(tmp_path / "keys")


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    assert raised.value.fix
    return raised.value.code


# One vault against the naive reference: lists of what was kept.
MOVES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 5), st.integers(0, 3)),
        st.tuples(st.sampled_from(["flush", "reopen", "forget"]), st.just(0), st.just(0)),
        st.tuples(st.just("destroy"), st.integers(0, 30), st.just(0)),
    ),
    max_size=30,
)


class Reference:
    """What the vault says it does, on lists."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, bytes, Kept]] = []
        self.pending: list[tuple[bytes, bytes, Kept]] = []

    def of_claim(self, claim: bytes) -> list[Kept]:
        return [one for each, _, one in self.kept + self.pending if each == claim]

    def of_content(self, content: bytes) -> list[Kept]:
        return [one for _, each, one in self.kept if each == content]

    def destroy(self, artifact_id: bytes) -> int:
        before = len(self.kept)
        self.kept = [each for each in self.kept if each[2].artifact_id != artifact_id]
        return before - len(self.kept)


@settings(max_examples=60, deadline=None)
@given(MOVES)
def test_what_is_kept_is_found(tmp_path_factory: Any, moves: list[tuple[str, int, int]]) -> None:
    vault = SaltVault(tmp_path_factory.mktemp("vault") / "keys")
    reference = Reference()
    scope = vault.writing()
    opened = scope.__enter__()
    for number, (move, one, other) in enumerate(moves):
        if move == "add":
            item = digest("claim", one), digest("content", other), kept(number)
            opened.add(*item)
            reference.pending.append(item)
        elif move == "destroy":
            assert vault.destroy([kept(one).artifact_id]) == reference.destroy(kept(one).artifact_id)
        else:
            if move == "flush":
                known = {claim for claim, _, _ in reference.kept}
                assert opened.flush() == len(known & {claim for claim, _, _ in reference.pending})
                # of one flush the order is not told
                reference.kept += sorted(reference.pending, key=lambda item: item[2].artifact_id)
            if move != "forget":
                assert opened.pending == (0 if move == "flush" else len(reference.pending))
            if move in ("reopen", "forget"):
                scope.__exit__(None, None, None)
                scope = vault.writing()
                opened = scope.__enter__()
            reference.pending = []
        for claim in range(6):
            assert opened.of_claim(digest("claim", claim)) == reference.of_claim(digest("claim", claim))
        for content in range(4):
            found = opened.of_content(digest("content", content))
            assert found == reference.of_content(digest("content", content))
        for artifact in range(len(moves)):
            salt = next((each.salt for _, _, each in reference.kept if each == kept(artifact)), None)
            assert opened.salt_of(kept(artifact).artifact_id) == salt
    scope.__exit__(None, None, None)
    assert vault.check() == len(reference.kept)


def test_reading_makes_nothing(vault: SaltVault) -> None:
    with vault.reading() as opened:
        assert opened.of_claim(b"x") == opened.of_content(digest(1)) == []
        assert opened.salt_of(digest(1)) is None
    assert (vault.check(), vault.destroy([digest(1)]), vault.salt_of(digest(1))) == (0, 0, None)
    assert not vault.path.parent.exists()


def test_its_owner_alone_may_read_it_whatever_the_umask_is(vault: SaltVault) -> None:
    before = os.umask(0)
    try:
        keep(vault, *range(3))
    finally:
        os.umask(before)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in vault.path.parent.iterdir()}
    assert files == {DATABASE_FILE: 0o600, KEY_FILE: 0o600, f"{DATABASE_FILE}-journal": 0o600}
    assert stat.S_IMODE(vault.path.parent.stat().st_mode) == 0o700


def bytes_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_what_is_destroyed_is_in_no_file_and_the_rest_is_whole(vault: SaltVault) -> None:
    numbers = list(range(3_000))
    for start in range(0, len(numbers), 500):
        keep(vault, *numbers[start : start + 500])
    hashed = lookups(vault, numbers)
    gone, left = numbers[::3], [number for number in numbers if number % 3]
    there = bytes_in(vault.path.parent)
    assert all(kept(number).salt in there for number in numbers)
    assert vault.destroy(kept(number).artifact_id for number in gone) == len(gone)
    there = bytes_in(vault.path.parent)
    for number in gone:
        assert not any(each in there for each in (*kept(number), *hashed[number]))
    assert [vault.salt_of(kept(number).artifact_id) for number in left] == [kept(n).salt for n in left]
    assert vault.check() == len(left)
    keep(vault, *gone[:5])  # and the vault goes on
    assert vault.check() == len(left) + 5


@pytest.mark.parametrize("defence", ["VACUUM", "_overwrite"])
def test_each_thing_that_destroying_does_is_needed(
    vault: SaltVault, monkeypatch: pytest.MonkeyPatch, defence: str
) -> None:
    """Without it, something of what was destroyed is still in the vault's files. (Of a VACUUM a newer SQLite may not be in need.)"""
    monkeypatch.setattr("secrets.token_bytes", lambda size: b"k" * size)  # the same pages in every run
    real = sqlite3.connect
    if defence == "_overwrite":
        monkeypatch.setattr(salts, "_overwrite", lambda _path: None)
    else:
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=NoVacuum))
    for start in range(0, 6_000, 500):
        keep(vault, *range(start, start + 500))
    gone = range(0, 6_000, 3)
    hashed = lookups(vault, gone)
    vault.destroy(kept(number).artifact_id for number in gone)
    there = bytes_in(vault.path.parent)
    assert any(each in there for number in gone for each in (*kept(number), *hashed[number]))


@pytest.mark.parametrize("overwrites", [True, False])
def test_destroying_that_was_cut_short_has_overwritten_the_salts(
    vault: SaltVault, monkeypatch: pytest.MonkeyPatch, overwrites: bool
) -> None:
    """Before the database is rebuilt; not so where SQLite does not overwrite what it deletes."""
    if not overwrites:
        pragmas = [pragma.replace("secure_delete = ON", "secure_delete = OFF") for pragma in salts._PRAGMAS]
        monkeypatch.setattr(salts, "_PRAGMAS", pragmas)
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=NoVacuum))
    for start in range(0, 3_000, 500):
        keep(vault, *range(start, start + 500))
    vault.destroy(kept(number).artifact_id for number in range(2_000))
    there = bytes_in(vault.path.parent)
    assert any(kept(number).salt in there for number in range(2_000)) != overwrites


class NoVacuum(sqlite3.Connection):
    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        return super().execute("SELECT 1" if sql == "VACUUM" else sql, *rest)


def lookups(vault: SaltVault, numbers: Iterable[int]) -> dict[int, list[bytes]]:
    """By what each is found."""
    with vault.reading() as opened:
        return {
            number: [
                opened._hashed(what, digest(what.decode(), number)).to_bytes(8, "big", signed=True)
                for what in (b"claim", b"content")
            ]
            for number in numbers
        }


def test_the_database_alone_confirms_no_guess(vault: SaltVault, tmp_path: Path) -> None:
    """Its look-ups are under a key that lies elsewhere: another key finds nothing, and nothing in it is a plain hash."""
    content, claim = hashlib.sha256(b"yes").digest(), b"a claim"
    with vault.writing() as opened:
        opened.add(claim, content, kept(1))
        opened.flush()
    there = vault.path.read_bytes()
    assert content not in there
    assert content[:8] not in there
    assert hashlib.blake2b(content, digest_size=8, person=b"content").digest() not in there
    other = SaltVault(tmp_path / "other")
    keep(other, 2)
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    shutil.copy(vault.path, stolen / DATABASE_FILE)
    thief = SaltVault(stolen)
    with thief.reading() as opened:
        assert opened.salt_of(kept(1).artifact_id) == kept(1).salt  # salts are what is stolen
    assert code_of(lambda: look(thief, content)) == "vault-damaged"
    shutil.copy(other.path.parent / KEY_FILE, stolen / KEY_FILE)
    assert code_of(lambda: look(thief, content)) == "vault-damaged"


def look(vault: SaltVault, content: bytes) -> list[Kept]:
    with vault.reading() as opened:
        return opened.of_content(content)


def test_what_was_flushed_survives_the_process(vault: SaltVault) -> None:
    """Killed right behind `flush`, with more that waits: the first is there, and the vault is in order."""
    script = f"""
import os, signal
from pathlib import Path
from ledger.store.salts import SaltVault, Kept
with SaltVault(Path({os.fspath(vault.path.parent)!r})).writing() as opened:
    opened.add(b"one", bytes(32), Kept(b"a" * 32, b"s" * 32))
    opened.flush()
    opened.add(b"two", bytes(32), Kept(b"b" * 32, b"t" * 32))
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert ended.returncode == -9
    assert (vault.salt_of(b"a" * 32), vault.salt_of(b"b" * 32)) == (b"s" * 32, None)
    assert vault.check() == 1


def keep_many(arguments: tuple[str, int]) -> int:
    folder, worker = arguments
    rivals = 0
    for number in range(20):
        with SaltVault(Path(folder)).writing() as opened:
            own = worker * 1_000 + number
            opened.add(digest("claim", own), digest("content", own), kept(own))
            if not opened.of_claim(b"the same of all"):
                opened.add(b"the same of all", digest("all"), Kept(digest("of", own), digest("own", own)))
            rivals += opened.flush()
    return rivals


def test_many_processes_at_once_lose_nothing_and_agree(vault: SaltVault) -> None:
    """Also on who makes the vault. Of one claim the first that was kept is the first for everybody."""
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        rivals = pool.map(keep_many, [(os.fspath(vault.path.parent), worker) for worker in range(6)])
    with vault.reading() as opened:
        for worker in range(6):
            for number in range(20):
                own = worker * 1_000 + number
                assert opened.of_claim(digest("claim", own)) == [kept(own)]
        shared = opened.of_claim(b"the same of all")
    assert len(shared) == 1 + sum(rivals)


def test_a_vault_that_is_held_is_waited_for_and_then_told(
    vault: SaltVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(vault, 1)
    monkeypatch.setattr(salts, "VAULT_WAIT_S", 0.05)
    other = sqlite3.connect(vault.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert code_of(lambda: keep(vault, 2)) == "vault-busy"
    finally:
        other.close()
    keep(vault, 2)
    assert vault.check() == 2


def test_a_full_disk_is_told_and_what_was_kept_is_there(vault: SaltVault) -> None:
    keep(vault, *range(100))
    with vault.writing() as opened:
        connection = opened._connection
        assert connection is not None
        connection.execute("PRAGMA max_page_count = 1")
        for number in range(1_000, 3_000):
            opened.add(digest("claim", number), digest("content", number), kept(number))
        assert code_of(opened.flush) == "vault-failed"
        assert opened.pending == 2_000
        connection.execute("PRAGMA max_page_count = 100000")
        assert opened.flush() == 0  # what waited goes on waiting
    assert vault.check() == 2_100


def test_what_is_damaged_is_told(vault: SaltVault) -> None:
    keep(vault, *range(500))
    database, key = vault.path.read_bytes(), (vault.path.parent / KEY_FILE).read_bytes()
    for damaged in (b"", b"no database at all" * 300, database[: len(database) // 2], database[:100]):
        vault.path.write_bytes(damaged)
        assert code_of(lambda: look(vault, digest(1))) == "vault-damaged"
    vault.path.write_bytes(database)
    for damaged in (b"", key[:-1], key + b"x", bytes(32)):
        (vault.path.parent / KEY_FILE).write_bytes(damaged)
        assert code_of(vault.check) == "vault-damaged"
        assert code_of(lambda: keep(vault, 900)) == "vault-damaged"
        assert vault.salt_of(kept(1).artifact_id) == kept(1).salt  # which needs no key
    (vault.path.parent / KEY_FILE).write_bytes(key)
    assert vault.check() == 500


def test_a_newer_vault_and_another_database_are_refused(vault: SaltVault) -> None:
    keep(vault, 1)
    for application, layout, code in (
        (salts._APPLICATION, 2, "vault-newer"),
        (0, 2, "vault-damaged"),
        (1, 1, "vault-damaged"),
    ):
        with sqlite3.connect(vault.path) as connection:
            connection.execute(f"PRAGMA application_id = {application}")
            connection.execute(f"PRAGMA user_version = {layout}")
        connection.close()
        for use in (vault.check, lambda: keep(vault, 2), lambda: vault.destroy([digest(1)])):
            assert code_of(use) == code


def test_a_link_in_its_place_is_refused(vault: SaltVault, tmp_path: Path) -> None:
    elsewhere = SaltVault(tmp_path / "elsewhere")
    keep(elsewhere, 1)
    vault.path.parent.mkdir()
    vault.path.symlink_to(elsewhere.path)
    assert code_of(vault.check) == "not-a-regular-file"
    assert code_of(lambda: keep(vault, 2)) == "not-a-regular-file"


def test_a_network_file_system_is_refused_for_keeping(
    vault: SaltVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salts, "filesystem_type", lambda _path: "nfs4")
    assert code_of(lambda: keep(vault, 1)) == "network-filesystem"
    assert not vault.path.exists()


def test_sizes_are_held(vault: SaltVault) -> None:
    with vault.writing() as opened:
        for one in (Kept(b"x", b"s" * 32), Kept(b"a" * 32, b"s" * 31)):
            with pytest.raises(ValueError, match=r"^$"):
                opened.add(b"claim", bytes(32), one)

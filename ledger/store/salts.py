"""The vault: the salts of sealed contents, on this machine alone (SPEC §10.8).

A sealed record says nothing of its content to anybody who lacks its salt, and nothing to anybody once the salt is gone: a
salt that is lost takes the record's worth with it, and a salt that is destroyed is how sealed content is forgotten. So a
salt is durable before its record is appended, and can be destroyed alone.

An engine of its own, SQLite, because of what the log's store cannot do: LMDB copies a page to change it and leaves the old
one as it was, so that a salt would live on in free pages; and it takes one writer for all that it holds. SQLite overwrites
what is deleted (`secure_delete`), keeps many processes apart by itself, and comes with Python. Three things it leaves to us:

* A rollback journal holds pages as they were, with salts in them. It is kept (PERSIST) instead of deleted, so that they do not lie
  in the disk's free blocks, and is overwritten when something is destroyed.
* A page that is split keeps copies of what moved from it. So the database is rebuilt (VACUUM) when something is destroyed.
* Closing any descriptor of a file drops this process's locks on it (POSIX). So nothing here opens the database by itself.

What flash memory, a file system that copies on write, and backups remember is out of reach.

Contents and claims are looked up by 8 bytes of a keyed hash, whose key lies in a file of its own: whoever has the database
alone learns nothing from them, and confirms a guess as he could with the salts and the log, by hashing it under one salt after the
other. Eight bytes may meet by chance: whoever looks up compares what he finds.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from ledger.errors import RefusedInput, StoreFault
from ledger.spec import HASH_BYTES, SALT_BYTES, VAULT_WAIT_S
from ledger.store.files import PRIVATE, read_regular, refuse_irregular, sync_folder, write_atomically
from ledger.store.mounts import NETWORK_TYPES, filesystem_type

DATABASE_FILE: Final = "salts.sqlite"
KEY_FILE: Final = "salts.key"
_JOURNAL_SUFFIX: Final = "-journal"
_LAYOUT: Final = 1  # `user_version` of the database
_APPLICATION: Final = 0x4C53_4C54  # `application_id`: "LSLT"
_KEY_BYTES: Final = 32
_CHUNK_BYTES: Final = 1_048_576
_SCHEMA: Final = (
    "CREATE TABLE salts (artifact BLOB NOT NULL UNIQUE, claim INTEGER NOT NULL, content INTEGER NOT NULL, salt BLOB NOT NULL)",
    "CREATE INDEX by_claim ON salts (claim)",
    "CREATE INDEX by_content ON salts (content)",
    "CREATE TABLE lookup (key_check INTEGER NOT NULL)",
)
_PRAGMAS: Final = (
    "journal_mode = PERSIST",
    "synchronous = FULL",  # a commit is on the medium when it returns
    "secure_delete = ON",
    "temp_store = MEMORY",  # no salt in a temporary file
    "trusted_schema = OFF",
    "cache_size = -65536",  # KiB: keys of look-ups lie scattered
)
_DAMAGED: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_SCHEMA", "SQLITE_MISMATCH")
_BUSY: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")


class Kept(NamedTuple):
    """An artifact and the salt under which its content is sealed, 32 bytes each."""

    artifact_id: bytes
    salt: bytes


class SaltVault:
    """The salts of one log on this machine, in a folder that its owner alone may enter. Several processes may use it at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / DATABASE_FILE

    @contextmanager
    def reading(self) -> Iterator[Salts]:
        """The salts as they are; none, if there is no vault yet. For one thread.

        Raises RefusedInput `vault-newer`; StoreFault `vault-busy`, `vault-damaged`, `vault-failed`.
        """
        if not os.path.lexists(self.path):
            yield Salts(None, self._folder)
            return
        with _opened(self.path) as connection:
            yield Salts(connection, self._folder)

    @contextmanager
    def writing(self) -> Iterator[Salts]:
        """The same, to keep salts in; the vault is made where there is none.

        Raises as `reading`; RefusedInput `network-filesystem`.
        """
        _refuse_network(self._folder)
        self._make()
        with _opened(self.path) as connection:
            _prepare(connection, self._folder)
            yield Salts(connection, self._folder)

    def salt_of(self, artifact_id: bytes) -> bytes | None:
        """The salt of one artifact, if it is kept. Raises as `reading`."""
        with self.reading() as salts:
            return salts.salt_of(artifact_id)

    def destroy(self, artifact_ids: Iterable[bytes]) -> int:
        """Forgets the salts of these artifacts and all that would find them; how many there were.

        When this returns, the vault's files hold no copy of them. Called again it finishes what a crash cut short. Takes
        seconds for a million salts, and as much memory as is left of them. Raises as `reading`.
        """
        if not os.path.lexists(self.path):
            return 0
        with _opened(self.path) as connection, _told(self.path):
            before = connection.total_changes
            with _transaction(connection):
                connection.executemany(
                    "DELETE FROM salts WHERE artifact = ?", ((each,) for each in artifact_ids)
                )
            count = connection.total_changes - before
            connection.execute("VACUUM")
            with _transaction(connection, "EXCLUSIVE"):  # nobody else writes to the journal meanwhile
                _overwrite(self.path.with_name(DATABASE_FILE + _JOURNAL_SUFFIX))
        return count

    def check(self) -> int:
        """How many salts are kept, when every page was found in order. Raises as `reading`."""
        with self.reading() as salts:
            return salts.check()

    def _make(self) -> None:
        """An empty file for its owner alone, which appears at once, so that no descriptor of it is ever closed here."""
        if os.path.lexists(self.path):
            return
        with _disk_told(self.path):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            made = self.path.with_name(f".{DATABASE_FILE}.{secrets.token_hex(8)}")
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
            try:
                os.link(made, self.path)
            except FileExistsError:  # somebody else was faster
                pass
            finally:
                made.unlink()
            sync_folder(self._folder)


class Salts:
    """The vault, opened. Made by `SaltVault`. What is added waits in memory until `flush`."""

    def __init__(self, connection: sqlite3.Connection | None, folder: Path) -> None:
        self._connection = connection
        self._folder = folder
        self._path = folder / DATABASE_FILE
        self._key: bytes | None = None
        self._pending: list[tuple[bytes, int, int, bytes]] = []
        self._pending_claims: dict[int, list[Kept]] = {}

    @property
    def pending(self) -> int:
        """How many salts wait to be kept."""
        return len(self._pending)

    def salt_of(self, artifact_id: bytes) -> bytes | None:
        """The salt of an artifact, if it is kept."""
        found = self._select("SELECT artifact, salt FROM salts WHERE artifact = ?", artifact_id)
        return found[0].salt if found else None

    def of_claim(self, claim: bytes) -> list[Kept]:
        """What may have been kept under this claim, whatever bytes tell it from others; in the order of keeping."""
        if self._connection is None:
            return []
        hashed = self._hashed(b"claim", claim)
        found = self._select("SELECT artifact, salt FROM salts WHERE claim = ? ORDER BY rowid", hashed)
        return found + self._pending_claims.get(hashed, [])

    def of_content(self, digest: bytes) -> list[Kept]:
        """What may have been kept about a content, by its SHA-256; in the order of keeping, what is pending left out."""
        if self._connection is None:
            return []
        hashed = self._hashed(b"content", digest)
        return self._select("SELECT artifact, salt FROM salts WHERE content = ? ORDER BY rowid", hashed)

    def of_contents(self, digests: Iterable[bytes]) -> dict[bytes, list[Kept]]:
        """The same of each of many contents; those of which nothing is kept are left out."""
        connection = self._connection
        if connection is None:
            return {}
        with _told(self._path):
            if connection.execute("SELECT 1 FROM salts LIMIT 1").fetchone() is None:
                return {}
        found = {digest: self.of_content(digest) for digest in digests}
        return {digest: kept for digest, kept in found.items() if kept}

    def add(self, claim: bytes, content: bytes, kept: Kept) -> None:
        """A new salt, of an artifact with this claim and about the content with this SHA-256; kept by `flush`."""
        if len(kept.artifact_id) != HASH_BYTES or len(kept.salt) != SALT_BYTES:
            raise ValueError
        hashed = self._hashed(b"claim", claim)
        self._pending.append((kept.artifact_id, hashed, self._hashed(b"content", content), kept.salt))
        self._pending_claims.setdefault(hashed, []).append(kept)

    def flush(self) -> int:
        """Keeps what waits: it is durable when this returns. Of how many claims somebody else has kept a salt meanwhile.

        Both are kept then, and his is the first. Raises as `SaltVault.writing`; what waits goes on waiting.
        """
        connection = self._connection
        if connection is None or not self._pending:
            return 0
        with _told(self._path), _transaction(connection):
            rivals = sum(
                connection.execute("SELECT 1 FROM salts WHERE claim = ? LIMIT 1", (claim,)).fetchone()
                is not None
                for claim in self._pending_claims
            )
            connection.executemany("INSERT OR IGNORE INTO salts VALUES (?, ?, ?, ?)", sorted(self._pending))
        self._pending.clear()
        self._pending_claims.clear()
        return rivals

    def check(self) -> int:
        """As `SaltVault.check`."""
        if self._connection is None:
            return 0
        with _told(self._path):
            ((said,), *more) = self._connection.execute("PRAGMA quick_check(1)").fetchall()
            if said != "ok" or more:
                raise _damaged(self._path, str(said))
            ((count,),) = self._connection.execute("SELECT count(*) FROM salts").fetchall()
        if count:
            self._lookup_key()
        return int(count)

    def _select(self, query: str, value: bytes | int) -> list[Kept]:
        if self._connection is None:
            return []
        with _told(self._path):
            return [Kept(*row) for row in self._connection.execute(query, (value,))]

    def _hashed(self, what: bytes, data: bytes) -> int:
        if self._key is None:
            self._key = self._lookup_key()
        return _hashed(self._key, what, data)

    def _lookup_key(self) -> bytes:
        """The key of the look-ups, which is the one that this database was begun with."""
        if self._connection is None:
            raise ValueError
        path = self._folder / KEY_FILE
        try:
            key = read_regular(path, _KEY_BYTES)
        except StoreFault as error:
            raise _damaged(path, error.reason) from error
        with _told(self._path):
            checks = self._connection.execute("SELECT key_check FROM lookup").fetchall()
        if len(key) != _KEY_BYTES or checks != [(_hashed(key, b"check", b""),)]:
            raise _damaged(path, "it is not the key that belongs to the salts beside it")
        return key


def _hashed(key: bytes, what: bytes, data: bytes) -> int:
    """Eight bytes of a keyed hash, as SQLite holds integers."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=key, person=what).digest(), signed=True)


def _prepare(connection: sqlite3.Connection, folder: Path) -> None:
    """Lays a new database out, and draws the key of its look-ups; one process does, whoever is first."""
    path = folder / DATABASE_FILE
    with _told(path):
        if connection.execute("PRAGMA user_version").fetchone() == (_LAYOUT,):
            return
        with _transaction(connection):
            if connection.execute("PRAGMA user_version").fetchone() == (_LAYOUT,):
                return
            for statement in _SCHEMA:
                connection.execute(statement)
            key = secrets.token_bytes(_KEY_BYTES)
            write_atomically(folder / KEY_FILE, key, replace=True, private=True)
            connection.execute("INSERT INTO lookup VALUES (?)", (_hashed(key, b"check", b""),))
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_LAYOUT}")


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    refuse_irregular(path)
    with _told(path):
        # Never made by being opened: a file of SQLite's own making would be everybody's to read.
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=VAULT_WAIT_S, isolation_level=None
        )
    with closing(connection):
        with _told(path):
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}").fetchall()
            ((layout,),) = connection.execute("PRAGMA user_version").fetchall()
            ((application,),) = connection.execute("PRAGMA application_id").fetchall()
        if layout > _LAYOUT and application == _APPLICATION:
            raise RefusedInput(
                "vault-newer", str(path), f"its layout is number {layout}", "Use a newer version of lineage."
            )
        if (layout, application) not in ((0, 0), (_LAYOUT, _APPLICATION)):
            raise _damaged(path, "it is no vault of salts")
        yield connection


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _overwrite(path: Path) -> None:
    """Nothing is left of what a file held; the caller sees to it that nobody uses it meanwhile."""
    with _disk_told(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0))
        except FileNotFoundError:
            return
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            left = os.fstat(descriptor).st_size
            while left > 0:
                left -= file.write(bytes(min(left, _CHUNK_BYTES))) or 0
            os.fsync(descriptor)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what SQLite fails in into a StoreFault."""
    try:
        yield
    except sqlite3.Error as error:
        name = str(getattr(error, "sqlite_errorname", ""))
        if name.startswith(_BUSY):
            raise StoreFault(
                "vault-busy",
                str(path),
                f"other processes kept salts for {VAULT_WAIT_S} seconds and more",
                "Try again.",
            ) from error
        if name.startswith(_DAMAGED) or "no such table" in str(error):
            raise _damaged(path, str(error)) from error
        raise StoreFault(
            "vault-failed",
            str(path),
            f"salts could not be read or kept ({error})",
            "Look to the folder and its disk; nothing was signed whose salt is not kept.",
        ) from error


@contextmanager
def _disk_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreFault(
            "vault-failed",
            str(path),
            f"the disk refuses: {error.strerror or error}",
            "Look to the folder and its disk; nothing was signed whose salt is not kept.",
        ) from error


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault(
        "vault-damaged",
        str(path),
        f"the vault of salts is damaged: {reason}",
        f"Restore {DATABASE_FILE} and {KEY_FILE} together from a copy; salts that travel beside their files still open them.",
    )


def _refuse_network(folder: Path) -> None:
    kind = filesystem_type(folder)
    if kind in NETWORK_TYPES:
        raise RefusedInput(
            "network-filesystem",
            str(folder),
            f"it lies on a network file system ({kind}), whose locks do not keep several writers apart",
            "Keep the keys on a local disk: set LINEAGE_CONFIG.",
        )

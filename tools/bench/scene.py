"""What the benches measure on: a log on disk, and submissions that are made outside of the measured time."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nacl.bindings import crypto_sign_open

from ledger.errors import LineageError
from ledger.log.writer import Appended, Submission
from ledger.statements.entry import decode_entry
from ledger.statements.record import Record
from ledger.statements.statement import pre_authentication_encoding
from ledger.statements.template import RecordTemplate
from ledger.store.lmdb import LmdbStore
from tests.world import Actor, World

TEXT_BYTES: Final = 400  # what a record says its content has: nobody looks


def empty_folder(parent: Path, name: str) -> Path:
    """A folder of that name with nothing in it."""
    folder = parent / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def disk_log(folder: Path, name: str) -> Iterator[World]:
    """A log over LMDB in a fresh folder, begun; removed in the end."""
    path = empty_folder(folder, name)
    store = LmdbStore.create(path)
    try:
        yield World(store)
    finally:
        store.close()
        shutil.rmtree(path)


def bare_record(encoded: bytes) -> Record:
    """A record of which nothing is looked at but its bytes and its id, and so nothing is decoded."""
    return Record(encoded, {})


class Maker:
    """Records and statements of one human, no two alike."""

    def __init__(self, world: World) -> None:
        self.actor: Actor = world.enrol("ada")
        self._template = RecordTemplate(
            kind="work", maker=self.actor.id, form="raw", media="text/plain", human=1_000_000
        )
        self._number = 0

    @property
    def public_key(self) -> bytes:
        """The key under which everything is signed."""
        return bytes(self.actor.enrolment.statement.body["keyset"]["keys"][0][1])

    def records(self, count: int) -> list[Record]:
        """Records over contents that nobody has."""
        made = []
        for _ in range(count):
            self._number += 1
            content = hashlib.sha256(b"content %d" % self._number).digest()
            made.append(bare_record(self._template.encode(content, TEXT_BYTES)))
        return made

    def submissions(self, statements: int, records_each: int) -> list[Submission]:
        """Signed statements, next in one lane."""
        return [
            (entry.encoded, records)
            for entry, records in (
                self.actor.artifacts(self.records(records_each)) for _ in range(statements)
            )
        ]


def signed_messages(submissions: list[Submission]) -> list[bytes]:
    """What a raw verification is given of each: the signature and the bytes that it covers."""
    messages = []
    for encoded, _records in submissions:
        entry = decode_entry(encoded)
        covered = pre_authentication_encoding(entry.statement.payload)
        messages.append(entry.signatures[0].signature + covered)
    return messages


def verify_all(messages: list[bytes], public_key: bytes) -> None:
    """Raw verification of `signed_messages`, and nothing else."""
    for message in messages:
        crypto_sign_open(message, public_key)


def require_appended(results: list[Appended | LineageError]) -> None:
    """Raises the first refusal: a bench of refusals would measure nothing."""
    for result in results:
        if isinstance(result, LineageError):
            raise result

"""A ledger with people who sign in batches. For tests only."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import audit_folder
from ledger.api.batch import Batch
from ledger.errors import LineageError, StoreFault
from ledger.statements.record import Record, decode_record
from ledger.store.lock import WriterLock
from ledger.store.outbox import Outbox
from tests.test_store.test_lmdb import REPO

SUBSTRATE = {"name": "small-model", "version": "1"}


class Place:
    """A ledger, ada, and her pair; nothing is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"
        self.config = folder / "keys"
        self.outbox = Outbox(self.path)
        with ledger.create(self.path, unencrypted=True, config=str(self.config)) as made:
            made.new_identity("ada", unencrypted=True)
            made.new_identity(
                "ada+m",
                "pair",
                of="ada",
                substrate=SUBSTRATE,
                scope={"human": 1_000_000},
                unencrypted=True,
            )

    def open(self, *, keyless: bool = False, **options: Any) -> ledger.Ledger:
        """`keyless`: as a worker opens it, who does not have the log's key."""
        config = self.config
        if keyless:
            config = self.folder / "keyless"
            if not config.exists():
                shutil.copytree(self.config, config)
                (log_key,) = config.glob("logs/*/log.key")
                log_key.unlink()
        return ledger.open(self.path, config=str(config), **options)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def drain(self) -> None:
        with self.open() as opened:
            opened.drain()

    def places(self, artifact_id: bytes) -> int:
        """In how many places an artifact stands."""
        with self.open(readonly=True) as opened, opened.view() as view:
            return len(view.find_artifact(artifact_id))

    def record(self, artifact_id: bytes) -> Record:
        with self.open(readonly=True) as opened, opened.view() as view:
            data = view.record(view.find_artifact(artifact_id)[0])
        assert data is not None
        return decode_record(data)

    def statements(self) -> list[int]:
        """How many records each `artifacts` entry has."""
        with self.open(readonly=True) as opened, opened.view() as view:
            found = [view.statement(log_index) for log_index in range(view.checkpoint.size)]
        return [item.body["count"] for item in found if item.type == "artifacts"]

    def refused(self) -> list[str]:
        """The codes of what was put aside."""
        return [why.code for path in self.outbox.refused() if (why := self.outbox.why(path)) is not None]

    def is_sound(self) -> bool:
        return audit_folder(self.path).ok


@contextmanager
def writing(place: Place) -> Iterator[None]:
    """Somebody else writes the log meanwhile."""
    with WriterLock(place.path).acquire(0):
        yield


@contextmanager
def ending_in(kind: type[BaseException], words: str) -> Iterator[None]:
    """The block ends by this error, as a batch's block does where something came to nothing."""
    with pytest.raises(kind, match=words):
        yield


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


def error_of(future: Any) -> str:
    """The code of what a future came to, which is waited for."""
    error = future.exception(30)
    assert isinstance(error, LineageError), error
    return error.code


class FullDisk:
    """A disk that takes no parcel while it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        self.puts = 0
        real = Outbox.put

        def put(outbox: Outbox, lane: bytes, seq: int, data: bytes) -> Path:
            self.puts += 1
            if self.is_full:
                raise StoreFault("outbox-unwritable", "outbox", "No space left on device", "Make room.")
            return real(outbox, lane, seq, data)

        monkeypatch.setattr(Outbox, "put", put)


def quick(opened: ledger.Ledger, by: str = "ada", **options: Any) -> Batch:
    """A batch that cuts as soon as it can."""
    return opened.batch(by, **{"age_s": 0.0, **options})


def run_elsewhere(place: Place, text: str) -> None:
    """Runs a line in another process, where `opened` is the ledger with all keys."""
    lines = f"with ledger.open({str(place.path)!r}, config={str(place.config)!r}) as opened:\n    {text}"
    command = [sys.executable, "-W", "error", "-c", f"import ledger\n{lines}"]
    subprocess.run(command, check=True, cwd=REPO, timeout=60)


def wait_until(is_so: Callable[[], bool], what: str, most_s: float = 60) -> None:
    """Polls; a test that waits for another thread or process says for what."""
    until_s = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < until_s, what
        time.sleep(0.005)

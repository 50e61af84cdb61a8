"""What an import has done, so that it can go on after it was interrupted (SPEC §10.7).

    imports/<64 hex digits>.jsonl   one line for each record that stands in the log
                            .lock   held by who imports

A line is written after its record was acknowledged and its sidecar is durable, and is synced. So a journal may know less than the log, never more;
what it does not know is read again, and found to be logged. A last line that is cut short was not finished, and is left out. The journal
of an import that came to its end is removed.

It is this machine's memory, and nothing is proved by it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ledger.errors import StoreFault
from ledger.spec import HASH_BYTES, STRETCH_BYTES
from ledger.store.files import (
    PRIVATE,
    make_folders,
    open_to_write,
    read_regular,
    refuse_links,
    write_atomically,
)

FOLDER: Final = "imports"
BYTES_MAX: Final = 1_073_741_824  # of a journal: some millions of records
_FORMAT: Final = "lineage-import-v1"
_PRIVATE_FOLDER: Final = 0o700
_SUFFIX: Final = ".jsonl"
_FIX: Final = (
    "Look to the folder and its disk, then run the same command: what stands in the log is not logged again."
)


@dataclass(frozen=True, slots=True)
class Done:
    """One record of a shard that stands in the log.

    `shard` is the file's real path; its size and time of change as it was read. The record `id` (hex) is of `rows` rows from
    `first_row` on, which end at byte `offset`; of the first `checked` bytes the checksums' chain (hex) was `chain`. `is_last` of its shard.
    """

    shard: str
    size_bytes: int
    mtime_ns: int
    id: str
    first_row: int
    rows: int
    offset: int
    checked: int
    chain: str
    is_last: bool


class Journal:
    """The journal of one import, held. Made by `hold_journal`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.done, self._is_whole = _read(path)

    def add(self, done: Done) -> None:
        """One record more, durably. Raises StoreFault `store-failed`."""
        if not self._is_whole:  # it is not there yet, or ends in the midst of a line
            lines = [_head(), *map(_line, self.done), _line(done)]
            write_atomically(self._path, b"".join(lines), replace=True, private=True)
            self._is_whole = True
        else:
            try:
                with os.fdopen(open_to_write(self._path, PRIVATE, os.O_APPEND), "ab", buffering=0) as file:
                    file.write(_line(done))
                    os.fsync(file.fileno())
            except OSError as error:
                self._is_whole = False
                raise _unwritable(self._path, error) from error
        self.done.append(done)

    def forget(self) -> None:
        """Begins anew, or ends: nothing is remembered any more. Raises StoreFault `store-failed`."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self._path, error) from error
        self.done, self._is_whole = [], False


@contextmanager
def hold_journal(ledger: Path, key: str) -> Iterator[Journal]:
    """The journal of the import that `key` (64 hex digits) stands for. What cannot be read is taken for none.

    Raises StoreFault `import-busy` if another process is at the same import, `store-failed`, `link-refused`.
    """
    folder = ledger / FOLDER
    refuse_links(ledger, FOLDER)
    path = folder / f"{key}{_SUFFIX}"
    lock = FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False, mode=PRIVATE)
    try:
        make_folders(folder, _PRIVATE_FOLDER)
        lock.acquire()
    except Timeout:
        raise StoreFault(
            "import-busy",
            str(ledger),
            "another process is at this very import",
            "Wait for it to end; what it logs is not logged again.",
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        for left_over in folder.glob(f".{path.name}.*.tmp"):  # of a holder that died
            with suppress(OSError):
                left_over.unlink()
        yield Journal(path)
    finally:
        with suppress(OSError):  # while it is held: nobody waits for it
            path.with_suffix(".lock").unlink()
        lock.release()


def unfinished(ledger: Path) -> list[list[Done]]:
    """What each import has done that did not come to its end, or is under way. Raises StoreFault `store-failed`."""
    try:
        paths = sorted((ledger / FOLDER).glob(f"*{_SUFFIX}"))
    except OSError as error:
        raise _unwritable(ledger / FOLDER, error) from error
    return [done for path in paths if (done := _read(path)[0])]


def _head() -> bytes:
    return json.dumps({"format": _FORMAT, "stretch_bytes": STRETCH_BYTES}).encode() + b"\n"


def _line(done: Done) -> bytes:
    return json.dumps(asdict(done)).encode() + b"\n"


def _read(path: Path) -> tuple[list[Done], bool]:
    """What a journal says, up to what is no line of one; and whether that is all that it holds."""
    try:
        data = read_regular(path, BYTES_MAX)
    except StoreFault:
        return [], False
    head, *lines = data.split(b"\n")
    if head + b"\n" != _head():
        return [], False
    found: list[Done] = []
    for line in lines[:-1]:  # behind the last end stands nothing, or what was not finished
        try:
            fields: Any = json.loads(line)
            done = Done(**fields)
        except (ValueError, TypeError, RecursionError):
            return found, False
        if not _is_sound(done):
            return found, False
        found.append(done)
    return found, bool(lines) and not lines[-1]


def _is_sound(done: Done) -> bool:
    texts = (done.shard, done.id, done.chain)
    numbers = (done.size_bytes, done.mtime_ns, done.first_row, done.rows, done.offset, done.checked)
    if not all(type(text) is str for text in texts) or type(done.is_last) is not bool:
        return False
    if not all(type(number) is int for number in numbers) or min(done.first_row, done.rows, done.offset) < 0:
        return False
    try:
        return len(bytes.fromhex(done.id)) == HASH_BYTES and len(bytes.fromhex(done.chain)) in (0, HASH_BYTES)
    except ValueError:
        return False


def _unwritable(path: Path, error: OSError) -> StoreFault:
    return StoreFault("store-failed", str(path), f"it cannot be written ({error.strerror})", _FIX)

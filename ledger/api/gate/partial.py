"""What a gate has finished, so that it can go on after it was interrupted: `OUT.partial/` (SPEC §12.6).

    run.json                what it is bound to: log checkpoint, policy, trust, time, the dataset's state, column, outputs
    tally/PPPPPP-NNNNNN     of a finished segment: its rows, and what was counted in it
    verdicts/PPPPPP-NNNNNN  its piece of the verdict file
    pieces/…                its piece of the admitted rows (`ledger.datasets.staging`)

A segment is finished when its tally is there, which is written last. Whatever differs from what the run was bound to refuses: pieces of two runs are
never put together.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgpack
from filelock import FileLock, Timeout

from ledger.datasets.dataset import Segment
from ledger.datasets.files import printable
from ledger.datasets.outputs import told
from ledger.errors import NotFound, RefusedInput, StoreFault
from ledger.origin.tally import Tally, unpacked
from ledger.spec import GATE_RUN_BYTES_MAX, GATE_TALLY_BYTES_MAX
from ledger.store.files import read_regular, write_atomically

SUFFIX: Final = ".partial"
_RUN: Final = "run.json"
_LOCK: Final = "lock"
_WORDS: Final = {
    "log_id": "the log",
    "checkpoint_size": "the log checkpoint",
    "checkpoint_root": "the log checkpoint",
    "policy": "the policy",
    "trust": "the trust file",
    "witnessed": "the cosigned log checkpoints",
    "at_ms": "the time",
    "state": "the dataset, its size or time of change",
    "column": "the column",
    "outputs": "the outputs asked for",
    "ledger": "the version of this program",
}


class Partial:
    """The folder of one run. Made by `open_partial`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def verdicts(self, segment: Segment) -> Path:
        """Where the piece of the verdict file of a segment lies."""
        return self.folder / "verdicts" / _name(segment)

    def finish(self, segment: Segment, rows: int, tally: Tally) -> None:
        """Says that a segment is finished. Raises StoreFault `store-failed`."""
        data = msgpack.packb([rows, tally.packed()], use_bin_type=True)
        write_atomically(self._tally(segment), data, replace=True)

    def finished(self, segment: Segment) -> tuple[int, Tally] | None:
        """Rows and counts of a segment that is finished; None: it is not. Raises RefusedInput `resume-damaged`."""
        path = self._tally(segment)
        try:
            data = read_regular(path, GATE_TALLY_BYTES_MAX)
        except StoreFault as error:
            if error.code == "file-not-found":
                return None
            raise
        try:
            rows, packed = msgpack.unpackb(data, strict_map_key=False)
            return int(rows), unpacked(packed)
        except (ValueError, TypeError, msgpack.UnpackException, RefusedInput) as error:
            raise _damaged(path) from error

    def remove(self) -> None:
        """Lets go of all of it; what cannot be removed stays."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _tally(self, segment: Segment) -> Path:
        return self.folder / "tally" / _name(segment)


def bound_to(folder: Path) -> dict[str, Any] | None:
    """What an unfinished run in a folder is bound to; None if there is none. Raises RefusedInput `resume-damaged`."""
    path = folder / _RUN
    try:
        bound = json.loads(read_regular(path, GATE_RUN_BYTES_MAX))
    except StoreFault as error:
        if error.code == "file-not-found":
            return None
        raise
    except (ValueError, RecursionError) as error:
        raise _damaged(path) from error
    if not isinstance(bound, dict) or set(bound) != set(_WORDS):
        raise _damaged(path)
    return bound


@contextmanager
def open_partial(folder: Path, binding: Mapping[str, Any], *, resume: bool) -> Iterator[Partial]:
    """The folder of a new run, or of the one that goes on, while nobody else works in it.

    Raises RefusedInput `run-unfinished` where one lies there and nobody says that it goes on, `resume-differs`, `resume-damaged`, `gate-busy`; NotFound
    `nothing-to-resume`; StoreFault `store-failed`.
    """
    bound = bound_to(folder)
    if resume and bound is None:
        raise NotFound(
            "nothing-to-resume", printable(folder), "no unfinished run lies there", "Leave --resume out."
        )
    if bound is not None and not resume:
        raise RefusedInput(
            "run-unfinished",
            printable(folder),
            "an unfinished run lies there",
            "Go on with it by --resume, or remove the folder.",
        )
    if bound is not None and bound != dict(binding):
        differing = dict.fromkeys(_WORDS[key] for key in _WORDS if bound[key] != binding[key])
        raise RefusedInput(
            "resume-differs",
            printable(folder),
            f"the unfinished run there is another: {', '.join(differing)} differ{'s' if len(differing) == 1 else ''}",
            "Run it as it was begun, or remove the folder and begin anew.",
        )
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RefusedInput(
            "gate-busy", printable(folder), "another process works in it", "Wait until it has ended."
        ) from error
    try:
        if bound is None:
            write_atomically(folder / _RUN, json.dumps(dict(binding)).encode() + b"\n", replace=True)
        yield Partial(folder)
    finally:
        lock.release()


def _name(segment: Segment) -> str:
    return f"{segment.part:06d}-{segment.number:06d}"


def _damaged(path: Path) -> RefusedInput:
    return RefusedInput(
        "resume-damaged", printable(path), "it is damaged", "Remove the folder it lies in, and begin anew."
    )

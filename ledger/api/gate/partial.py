"""What a gate has finished, so that it can go on after it was interrupted: `OUT.partial/` (SPEC §12.6).

    run.json                what it is bound to: log checkpoint, policy, trust, time, the dataset's state, column, outputs
    tally/PPPPPP-NNNNNN     of a finished segment: its rows, what was counted in it, and length and time of change of its pieces
    verdicts/PPPPPP-NNNNNN  its piece of the verdict file
    pieces/…                its piece of the admitted rows (`ledger.datasets.staging`)
    naming.json             the admitted rows, put together: by which they are known again under their own name

A segment is finished when its tally is there, which is written last. Whatever differs from what the run was bound to refuses: pieces of two runs are
never put together, and what a folder held before a run began is removed first. A run that fails before any segment is finished leaves nothing.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgpack
from filelock import FileLock, Timeout

from ledger.datasets.dataset import Segment
from ledger.datasets.files import printable
from ledger.datasets.outputs import told
from ledger.datasets.staging import PIECES, TREE
from ledger.datasets.verdict_file import SCRATCH
from ledger.errors import LineageError, NotFound, RefusedInput, StoreFault
from ledger.origin.tally import Tally, unpacked
from ledger.spec import GATE_RUN_BYTES_MAX, GATE_TALLY_BYTES_MAX
from ledger.store.files import read_regular, write_atomically

SUFFIX: Final = ".partial"
_RUN: Final = "run.json"
_LOCK: Final = "lock"
_TALLIES: Final = "tally"
_NAMING: Final = "naming.json"
_NAMES: Final = frozenset({_RUN, _LOCK, _TALLIES, "verdicts", _NAMING, PIECES, TREE})
_WORDS: Final = {
    "log_id": "the log",
    "checkpoint_size": "the log checkpoint",
    "checkpoint_root": "the log checkpoint",
    "policy": "the policy",
    "trust": "the trust file",
    "proof": "the proof file",
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

    def finish(self, segment: Segment, rows: int, tally: Tally, pieces: Sequence[Path | None]) -> None:
        """Says that a segment is finished, and what its pieces are. Raises StoreFault `store-failed`."""
        with told(self.folder):
            marks = [None if piece is None else _mark(piece) for piece in pieces]
        data = msgpack.packb([rows, tally.packed(), marks], use_bin_type=True)
        write_atomically(self._tally(segment), data, replace=True)

    def finished(self, segment: Segment, pieces: Sequence[Path | None]) -> tuple[int, Tally] | None:
        """Rows and counts of a segment that is finished; None: it is not. `pieces`: as they were told, None for one that is not needed any more.

        Raises RefusedInput `resume-damaged` for what is said of it, and for a piece that is missing or another.
        """
        path = self._tally(segment)
        try:
            data = read_regular(path, GATE_TALLY_BYTES_MAX)
        except StoreFault as error:
            if error.code == "file-not-found":
                return None
            raise
        try:
            rows, packed, marks = msgpack.unpackb(data, strict_map_key=False)
            found = int(rows), unpacked(packed)
            for piece, mark in zip(pieces, marks, strict=True):
                if piece is not None:
                    _check_mark(piece, mark)
        except (ValueError, TypeError, msgpack.UnpackException, RefusedInput) as error:
            if isinstance(error, RefusedInput) and error.code == "resume-damaged":
                raise
            raise _damaged(path) from error
        return found

    @property
    def has_finished(self) -> bool:
        """Whether any segment is finished."""
        return any((self.folder / _TALLIES).glob("[!.]*"))

    def name(self, whole: Path) -> None:
        """Says what is about to take the name of the admitted rows. Raises StoreFault `store-failed`."""
        with told(whole):
            known = _identity(whole)
        write_atomically(self.folder / _NAMING, json.dumps(known).encode() + b"\n", replace=True)

    def begin(self, binding: Mapping[str, Any]) -> None:
        """A new run: what lies in the folder is another's, of which nothing was finished, or which is over."""
        with told(self.folder):
            for path in self.folder.iterdir():
                if path.name != _LOCK:
                    _remove(path)
        write_atomically(self.folder / _RUN, json.dumps(dict(binding)).encode() + b"\n", replace=True)

    def remove(self) -> None:
        """Lets go of all that runs make; what cannot be removed stays, and so does what somebody else put there."""
        with suppress(OSError):
            (self.folder / _RUN).unlink()  # first: without it the rest is nothing that goes on
        with suppress(OSError):
            for path in list(self.folder.iterdir()):
                if _is_own(path.name):
                    _remove(path)
            self.folder.rmdir()

    def _tally(self, segment: Segment) -> Path:
        return self.folder / _TALLIES / _name(segment)


def unfinished_rows(folder: Path) -> int | None:
    """How many rows are finished of the unfinished run in a folder; None: no run lies there that could go on."""
    try:
        if bound_to(folder) is None:
            return None
        tallies = [path.read_bytes() for path in (folder / _TALLIES).glob("[!.]*")]
        return sum(int(msgpack.unpackb(data, strict_map_key=False)[0]) for data in tallies)
    except (LineageError, OSError, ValueError, TypeError, LookupError, msgpack.UnpackException):
        return None


def is_named(folder: Path, out: Path) -> bool:
    """Whether the admitted rows that are there are those of the unfinished run in a folder, which was interrupted behind their naming."""
    try:
        known = json.loads(read_regular(folder / _NAMING, GATE_RUN_BYTES_MAX))
        return bool(known == _identity(out))
    except (StoreFault, OSError, ValueError, RecursionError):
        return False


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

    Raises RefusedInput `run-unfinished` where one lies there and nobody says that it goes on, or where something else does, `resume-differs`, `resume-damaged`, `gate-busy`; NotFound
    `nothing-to-resume`; StoreFault `store-failed`.
    """
    _check_own(folder)
    if resume and bound_to(folder) is None:
        raise NotFound(
            "nothing-to-resume", printable(folder), "no unfinished run lies there", "Leave --resume out."
        )
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK)
        is_ours = _take(lock)
    if not is_ours:
        raise RefusedInput(
            "gate-busy", printable(folder), "another process works in it", "Wait until it has ended."
        )
    try:
        partial = Partial(folder)
        is_new = _check_new(partial, bound_to(folder), binding, resume=resume)
        try:
            if is_new:
                partial.begin(binding)
            yield partial
        except BaseException:
            if not partial.has_finished:
                partial.remove()
            raise
    finally:
        lock.release()


def _check_own(folder: Path) -> None:
    """Raises RefusedInput `run-unfinished` where somebody keeps there what no run made: it would be removed with the rest."""
    with told(folder):
        is_link = folder.is_symlink()
        foreign = [] if is_link or not folder.is_dir() else [path.name for path in folder.iterdir()]
    foreign = sorted(name for name in foreign if not _is_own(name))
    if is_link or foreign:
        reason = (
            "it is a link" if is_link else f"{printable(foreign[0])} lies there, and no gate put it there"
        )
        raise RefusedInput(
            "run-unfinished",
            printable(folder),
            f"unfinished work goes there, and {reason}",
            "Move it away, or name another output.",
        )


def _is_own(name: str) -> bool:
    """Whether runs give a name to what they make; what is only being written begins with a dot."""
    return name in _NAMES or (name.startswith(".") and (name.endswith(".tmp") or name.startswith(SCRATCH)))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _take(lock: FileLock) -> bool:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    return True


def _check_new(
    partial: Partial, bound: Mapping[str, Any] | None, binding: Mapping[str, Any], *, resume: bool
) -> bool:
    """Whether a new run begins, not one goes on that is bound to the same. Raises RefusedInput `run-unfinished`, `resume-differs`."""
    if bound is None:
        return True
    if not resume:
        if partial.has_finished:
            raise RefusedInput(
                "run-unfinished",
                printable(partial.folder),
                "an unfinished run lies there",
                "Go on with it by --resume, or remove the folder.",
            )
        return True
    if bound != dict(binding):
        differing = dict.fromkeys(_WORDS[key] for key in _WORDS if bound[key] != binding[key])
        if _WORDS["checkpoint_root"] in differing:
            differing.pop(_WORDS["witnessed"], None)  # of another checkpoint other witnesses speak
        raise RefusedInput(
            "resume-differs",
            printable(partial.folder),
            f"the unfinished run there is another: {', '.join(differing)} differ{'s' if len(differing) == 1 else ''}",
            "Run it as it was begun, or remove the folder and begin anew.",
        )
    return False


def _mark(piece: Path) -> list[int]:
    """By which a piece is known again; nothing but that it is there of a folder, out of which files are moved."""
    status = piece.lstat()
    return [] if piece.is_dir() else [status.st_size, status.st_mtime_ns]


def _check_mark(piece: Path, mark: object) -> None:
    try:
        is_same = _mark(piece) == mark
    except OSError:
        is_same = False
    if not is_same:
        raise _damaged(piece)


def _identity(path: Path) -> list[int]:
    status = path.lstat()
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def _name(segment: Segment) -> str:
    return f"{segment.part:06d}-{segment.number:06d}"


def _damaged(path: Path) -> RefusedInput:
    return RefusedInput(
        "resume-damaged",
        printable(path),
        "it is missing or damaged",
        "Remove the .partial folder, and begin anew.",
    )

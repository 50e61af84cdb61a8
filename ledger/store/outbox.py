"""The outbox of a ledger: what was signed beside it and waits for whoever may write the log (SPEC §10.5).

    outbox/<lane, 32 hex digits>-<seq, 20 digits>.parcel   bytes that nobody here understands
    outbox/refused/                                        what the log refused, each with <name>.json that says why

A process that signs holds neither the writer's lock nor the log's key. It puts its bytes here, and may say "signed" as
soon as `put` returned: they are on the medium under their name. Whoever holds both takes them away: into the log, or
aside. A lane is one process's, which puts its parcels in order; so a parcel that is there has all that precede it there, or
taken already.

readdir(3) does not say whether it shows a name that is made while it reads. So a listing reads twice: of the second
reading only what is not behind the first one's last of its lane counts, and then no parcel before it can be missing.

Names that begin with a dot are files half written, of a process that may have died. Other names are not touched. Of those
that are well formed any may be a link, a pipe or a giant: what is read is a regular file of bounded size.
"""

from __future__ import annotations

import json
import os
import re
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import RefusedInput, StoreFault
from ledger.store.files import read_regular, refuse_links, sync_folder, write_atomically

FOLDER: Final = "outbox"
REFUSED: Final = "refused"
_NAME: Final = re.compile(r"(?P<lane>[0-9a-f]{32})-(?P<seq>[0-9]{20})\.parcel\Z", re.ASCII)
_ASIDE: Final = re.compile(r"[0-9a-f]{32}-[0-9]{20}\.parcel(\.[0-9]+)?\Z", re.ASCII)
_WHY: Final = ".json"
_WHY_BYTES_MAX: Final = 65_536
_UNFINISHED_S: Final = 86_400  # after which nobody writes to an unfinished file any more
_FIX: Final = "Look to the folder, its permissions and its disk; what was told to be signed is not lost."


class Waiting(NamedTuple):
    """A parcel that lies in the outbox: its lane (16 bytes), the seq of its first statement, and its size."""

    lane: bytes
    seq: int
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a parcel was put aside; `placed` of its statements, the first ones, stand in the log all the same."""

    code: str
    item: str
    reason: str
    fix: str
    placed: int = 0


def name_of(lane: bytes, seq: int) -> str:
    """The name of the parcel of a lane (16 bytes) that begins at `seq`."""
    return f"{lane.hex()}-{seq:020}.parcel"


class Outbox:
    """The outbox of the ledger in a folder. Nothing is made before the first `put`; any process may use it at any time."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self.folder = ledger / FOLDER
        self.refused_folder = self.folder / REFUSED

    def put(self, lane: bytes, seq: int, data: bytes) -> Path:
        """Makes a parcel durable under its place: when this returns, it may be called signed. The same again is no work.

        Raises StoreFault `outbox-unwritable`, and then it is to count as never signed; `outbox-taken` if another one has
        its place; RefusedInput `too-large`.
        """
        if len(data) > spec.PARCEL_BYTES_MAX:
            raise RefusedInput(
                "too-large",
                f"parcel of lane {lane.hex()}",
                f"it has {len(data)} bytes, the limit is {spec.PARCEL_BYTES_MAX}",
                "Sign fewer records at once.",
            )
        path = self.folder / name_of(lane, seq)
        self._refuse_links()
        try:
            is_there = os.path.lexists(path)
            write_atomically(path, data, private=True)
            if is_there:  # put by somebody whose last step may have failed
                sync_folder(self.folder)
        except OSError as error:
            raise _unwritable(path, error) from error
        except StoreFault as error:
            if error.code in ("tile-differs", "not-a-regular-file"):
                raise StoreFault(
                    "outbox-taken",
                    str(path),
                    "something else has the place of this parcel",
                    "Look what it is; no lane has two parcels at one place.",
                ) from error
            raise StoreFault("outbox-unwritable", str(path), error.reason, _FIX) from error
        return path

    def waiting(self) -> list[Waiting]:
        """The parcels that may be taken now, by lane and seq, none without those before it. Raises StoreFault."""
        before = self._names()
        last: dict[bytes, int] = {}
        for lane, seq in before:
            last[lane] = max(seq, last.get(lane, 0))
        found = []
        for lane, seq in sorted(self._names()):
            if seq > last.get(lane, -1):
                continue
            path = self.folder / name_of(lane, seq)
            with suppress(FileNotFoundError):  # taken by now
                found.append(Waiting(lane, seq, path, _size_bytes(path)))
        return found

    def read(self, parcel: Waiting) -> bytes:
        """The bytes of a parcel. Raises StoreFault `too-large`, `not-a-regular-file`, `file-not-found`, `store-failed`."""
        return read_regular(parcel.path, spec.PARCEL_BYTES_MAX)

    def remove(self, parcel: Waiting) -> None:
        """The log holds all of it. Raises StoreFault `outbox-unwritable`."""
        try:
            parcel.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(parcel.path, error) from error

    def refuse(self, parcel: Waiting, refusal: Refusal) -> Path:
        """Puts a parcel aside, replacing nothing; where it lies now. Its reason is there before it is.

        Raises StoreFault `outbox-unwritable`.
        """
        fields = {name: getattr(refusal, name) for name in Refusal.__slots__}
        path = self._aside(parcel.path.name)[-1]
        try:
            self._refuse_links()
            why = path.with_name(path.name + _WHY)
            write_atomically(why, json.dumps(fields, indent=1).encode() + b"\n", replace=True, private=True)
            parcel.path.rename(path)
            sync_folder(self.refused_folder)
            sync_folder(self.folder)
        except (StoreFault, OSError) as error:
            why_not = error.reason if isinstance(error, StoreFault) else error.strerror or error
            raise StoreFault(
                "outbox-unwritable", str(parcel.path), f"it cannot be put aside: {why_not}", _FIX
            ) from error
        return path

    def is_waiting(self, lane: bytes, seq: int) -> bool:
        """Whether the parcel still lies there. Once it does not: see `refusal`; if there is none, the log holds all of it."""
        return os.path.lexists(self.folder / name_of(lane, seq))

    def refusal(self, lane: bytes, seq: int) -> Refusal | None:
        """Why a parcel was put aside, the latest time; None if it was not, or if that cannot be read any more."""
        path = self.refused_path(lane, seq)
        return self.why(path) if path is not None else None

    def refused_path(self, lane: bytes, seq: int) -> Path | None:
        """Where a parcel lies that was put aside, the latest time; None if it was not."""
        *found, _free = self._aside(name_of(lane, seq))
        return found[-1] if found else None

    def refused(self) -> list[Path]:
        """What was put aside, by name. Raises StoreFault `store-failed`."""
        self._refuse_links()
        return [path for path in _listed(self.refused_folder) if _ASIDE.match(path.name)]

    def why(self, refused: Path) -> Refusal | None:
        """The reason beside a file of `refused`; None if it cannot be read."""
        try:
            fields: Any = json.loads(read_regular(refused.with_name(refused.name + _WHY), _WHY_BYTES_MAX))
            refusal = Refusal(**fields)
        except (StoreFault, ValueError, TypeError, RecursionError):
            return None
        texts = (refusal.code, refusal.item, refusal.reason, refusal.fix)
        is_right = all(type(text) is str for text in texts) and type(refusal.placed) is int
        return refusal if is_right else None

    def foreign(self) -> list[Path]:
        """What lies in the outbox and is neither a parcel's name nor unfinished: nobody touches it. Raises StoreFault."""
        return [
            path
            for path in _listed(self.folder)
            if not (path.name == REFUSED or path.name.startswith(".") or _NAME.match(path.name))
        ]

    def sweep(self) -> int:
        """Removes what a process left half written a day ago or more; how many. Nothing of it was told to be signed."""
        removed = 0
        for path in _listed(self.folder):
            if path.name.startswith(".") and path.name.endswith(".tmp"):
                with suppress(OSError):
                    if time.time() - path.lstat().st_mtime > _UNFINISHED_S:
                        path.unlink()
                        removed += 1
        return removed

    def _names(self) -> list[tuple[bytes, int]]:
        self._refuse_links()
        matches = (_NAME.match(path.name) for path in _listed(self.folder))
        return [(bytes.fromhex(match["lane"]), int(match["seq"])) for match in matches if match]

    def _aside(self, name: str) -> list[Path]:
        """The files that a parcel of that name was put aside to, in order, and the next one, which is free."""
        paths = [self.refused_folder / name]
        while os.path.lexists(paths[-1]):
            paths.append(self.refused_folder / f"{name}.{len(paths) + 1}")
        return paths

    def _refuse_links(self) -> None:
        """Raises StoreFault `link-refused`: what lies behind a link is not this ledger's; `store-failed`."""
        try:
            refuse_links(self._ledger, f"{FOLDER}/{REFUSED}")
        except StoreFault as error:
            raise StoreFault(error.code, error.item, error.reason, error.fix or _FIX) from error


def _size_bytes(path: Path) -> int:
    """Of a regular file; 0 of anything else. Raises FileNotFoundError; StoreFault if the folder may not be searched."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreFault(
            "store-failed", str(path), f"it cannot be looked at ({error.strerror})", _FIX
        ) from error
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _listed(folder: Path) -> list[Path]:
    """What is in a folder, by name; nothing where it is absent."""
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreFault(
            "store-failed", str(folder), f"it cannot be read ({error.strerror})", _FIX
        ) from error


def _unwritable(path: Path, error: OSError) -> StoreFault:
    return StoreFault("outbox-unwritable", str(path), f"the disk refuses: {error.strerror or error}", _FIX)

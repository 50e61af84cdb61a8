"""Lanes and the outbox: a client's memory of what it signed (SPEC §5.3).

A signed payload is on disk before anybody sees it, and leaves the disk only after the log acknowledged it. A crash at
any moment leaves either nothing, or a *parcel* of signed statements that is sent again byte for byte. So one place in
a lane is never signed twice, which is the one thing an honest signer must not do. A signer outside of this process
may have signed what its asker never heard of: so the lane notes that it asks, and gives a place that was asked for no
other payload.

    lanes/<32 hex digits>/lane.lock   held while a process uses the lane; freed when the process dies
                          state.json  key event, next seq, last statement id, asked, abandoned
                          out/<seq>   a parcel: statements from that seq on, signed and not yet acknowledged

Names that begin with a dot are files half written; nobody reads them, and the next one of that name takes their place.
A lane whose state was lost or cannot be read is never used again. One that was abandoned may keep what waited in
it, so that its owner can see what was refused; nobody sends it again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput, StoreFault
from ledger.signer.keyfile import disk_told, make_private_folder
from ledger.signer.parcel import Parcel, Place, pack, unpack
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement
from ledger.store.files import PRIVATE, open_to_write, read_regular, sync_folder

FAULT: Final = "lane-unwritable"  # the code of every StoreFault of this module
_LOCK_FILE: Final = "lane.lock"
_STATE_FILE: Final = "state.json"
_OUT: Final = "out"
_STATE_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class _State:
    """What `state.json` holds; `key` and `last` in hex, `last` empty at seq 0. Early versions wrote neither `kept` nor `asked`."""

    key: str
    next_seq: int = 0
    last: str = ""
    abandoned: bool = False
    kept: bool = False  # what waited when it was abandoned
    asked: bool = False  # a signer outside was asked to sign at `next_seq`


class Lane:
    """A lane that this process holds. Made by `hold_lane`; every method raises StoreFault if the disk fails."""

    def __init__(self, folder: Path, state: _State, *, is_new: bool = False) -> None:
        """`is_new`: this holder opened it, so that nobody can have signed in it before."""
        self._folder = folder
        self._state = state
        self.id = bytes.fromhex(folder.name)
        self.is_new = is_new

    @property
    def next_seq(self) -> int:
        return self._state.next_seq

    @property
    def last(self) -> bytes | None:
        """The id of the lane's last acknowledged statement; None at seq 0."""
        return bytes.fromhex(self._state.last) or None

    def pending(self) -> Parcel | None:
        """What was signed here and not acknowledged: send it again before anything new.

        Raises RefusedInput `outbox-damaged`.
        """
        if self._state.abandoned:
            return None
        with disk_told(self._folder, FAULT):
            for seq, path in _parcels(self._folder):
                if seq > self.next_seq:
                    raise _damaged(path)  # the state is an older one: what follows it was signed already
                if seq == self.next_seq:
                    return self._continuing(path)
                path.unlink()  # acknowledged; the process died before it was removed
        return None

    def asks(self) -> None:
        """A signer outside is about to be asked for the next statement: if nothing is kept of it, the lane has ended."""
        with disk_told(self._folder, FAULT):
            self._save(replace(self._state, asked=True))

    def keep(self, parcel: Parcel) -> None:
        """Makes a parcel durable before it is sent. Its first statement has seq `next_seq`.

        Raises InvariantBroken `lane-misused` for what would sign a place twice, or leave the lane's order.
        """
        with disk_told(self._folder, FAULT):
            if self._state.abandoned or any(seq >= self.next_seq for seq, _path in _parcels(self._folder)):
                raise _misused(
                    self._folder, "it is abandoned, or what was signed there waits to be sent again"
                )
            self._check_places(parcel)
            _write(self._folder / _OUT / str(self.next_seq), pack(parcel))

    def acknowledged(self, parcel: Parcel) -> None:
        """The log holds the parcel: the lane goes on behind it. Raises InvariantBroken `lane-misused`."""
        with disk_told(self._folder, FAULT):
            last = self._check_places(parcel)
            path = self._folder / _OUT / str(self.next_seq)
            self._save(replace(self._state, next_seq=last.seq + 1, last=last.id.hex(), asked=False))
            path.unlink(missing_ok=True)

    def abandon(self, *, keep: bool = False) -> None:
        """After a refusal: nothing is ever signed in this lane again. With `keep` what waited in it stays there."""
        with disk_told(self._folder, FAULT):
            self._save(replace(self._state, abandoned=True, kept=keep))
            for path in () if keep else (self._folder / _OUT).iterdir():
                path.unlink()

    def _continuing(self, path: Path) -> Parcel:
        """The parcel in a file, all of whose statements continue the lane: found here, before the log takes any."""
        parcel = _parcel(path)
        try:
            self._check_places(parcel)
        except (InvariantBroken, RefusedInput) as error:
            raise _damaged(path) from error
        return parcel

    def _check_places(self, parcel: Parcel) -> Statement:
        """Whether the parcel continues the lane; its last statement."""
        seq, prev, last = self.next_seq, self.last, None
        for entry, _records in parcel.statements:
            last = decode_entry(entry).statement
            place = tuple(last.fields.get(name) for name in ("lane", "key", "seq", "prev"))
            if place != (self.id, bytes.fromhex(self._state.key), seq, prev):
                raise _misused(self._folder, f"a statement of the parcel is not the one of seq {seq} in it")
            seq, prev = seq + 1, last.id
        if last is None:
            raise _misused(self._folder, "the parcel is empty")
        return last

    def _save(self, state: _State) -> None:
        _save_state(self._folder, state)
        self._state = state


@contextmanager
def hold_lane(lanes: Path, key_event: bytes) -> Iterator[Lane]:
    """Holds a free lane of `key_event` in the folder `lanes`, one with pending statements first; opens one if none is free.

    Two holders, threads or processes, never have the same lane. Raises StoreFault if the folder cannot be written.
    """
    with disk_told(lanes, FAULT):
        lane, lock = _take(lanes, key_event)
    try:
        yield lane
    finally:
        lock.release()


def hold_left_behind(lanes: Path, key_event: bytes) -> Iterator[Lane]:
    """The lanes of other key events in which something waits, each held while it is handed out; not those in use.

    Raises StoreFault if the folder cannot be read.
    """
    with disk_told(lanes, FAULT):
        folders = [folder for folder, state in _waiting(lanes) if state.key != key_event.hex()]
    for folder in folders:
        lock = _lock_of(folder)
        with disk_told(folder, FAULT):
            try:
                lock.acquire()
            except Timeout:
                continue
        try:
            state = _load_state(folder)  # again, as the last holder left it
            if state is not None:
                yield Lane(folder, state)
        finally:
            lock.release()


def pending_parcels(lanes: Path) -> list[tuple[Path, Sequence[bytes]]]:
    """What waits in all lanes of an identity, for `lineage status`: (file, entries). Raises as `Lane.pending`."""
    with disk_told(lanes, FAULT):
        found = [
            path
            for folder, state in _waiting(lanes)
            for seq, path in _parcels(folder)
            if seq >= state.next_seq
        ]
        return [(path, [entry for entry, _records in _parcel(path).statements]) for path in found]


def refused_parcels(lanes: Path) -> list[Path]:
    """The files of what was signed, refused and never logged, in all lanes of an identity."""
    with disk_told(lanes, FAULT):
        return [
            path
            for folder, state in _lanes_with_parcels(lanes)
            for seq, path in _parcels(folder)
            if state.kept and seq >= state.next_seq
        ]


def _waiting(lanes: Path) -> list[tuple[Path, _State]]:
    """The lanes that are not abandoned, in which something lies."""
    return [(folder, state) for folder, state in _lanes_with_parcels(lanes) if not state.abandoned]


def _lanes_with_parcels(lanes: Path) -> list[tuple[Path, _State]]:
    """By name; a lane whose state was lost counts as one of no key event."""
    if not lanes.is_dir():
        return []
    folders = [folder for folder in sorted(lanes.iterdir()) if (folder / _OUT).is_dir() and _parcels(folder)]
    return [(folder, _load_state(folder) or _State("")) for folder in folders]


def _take(lanes: Path, key_event: bytes) -> tuple[Lane, FileLock]:
    """A lane and the lock that holds it."""
    make_private_folder(lanes)
    for folder in sorted(lanes.iterdir(), key=_pending_first):
        if _usable(folder, key_event) is None:
            continue
        lock = _lock_of(folder)
        try:
            lock.acquire()
        except Timeout:
            continue
        state = _usable(folder, key_event)  # again, as the last holder left it
        if state is not None:
            return Lane(folder, state), lock
        lock.release()
    return _open_lane(lanes, key_event)


def _open_lane(lanes: Path, key_event: bytes) -> tuple[Lane, FileLock]:
    """A new lane, locked before its state makes it one that others would take."""
    folder = lanes / os.urandom(spec.LANE_BYTES).hex()
    make_private_folder(folder / _OUT)
    lock = _lock_of(folder)
    lock.acquire()
    try:
        state = _State(key_event.hex())
        _save_state(folder, state)
    except BaseException:
        lock.release()
        raise
    return Lane(folder, state, is_new=True), lock


def _lock_of(folder: Path) -> FileLock:
    return FileLock(folder / _LOCK_FILE, timeout=0, thread_local=False, mode=PRIVATE)


def _pending_first(folder: Path) -> tuple[bool, str]:
    return not ((folder / _OUT).is_dir() and _parcels(folder)), folder.name


def _parcels(folder: Path) -> list[tuple[int, Path]]:
    """The parcels of a lane by their first seq, ascending."""
    paths = [path for path in (folder / _OUT).iterdir() if path.name.isascii() and path.name.isdigit()]
    return sorted((int(path.name), path) for path in paths)


def _usable(folder: Path, key_event: bytes) -> _State | None:
    state = _load_state(folder)
    if state is None or state.abandoned or state.key != key_event.hex():
        return None
    if state.asked and all(seq < state.next_seq for seq, _path in _parcels(folder)):
        return None  # somebody outside may have signed what nobody here has
    return state


def _load_state(folder: Path) -> _State | None:
    """The lane's state, or None where it was lost."""
    try:
        fields: Any = json.loads(read_regular(folder / _STATE_FILE, _STATE_BYTES_MAX))
        state = _State(**fields)
        sizes = [len(bytes.fromhex(text)) for text in (folder.name, state.key, state.last)]
    except (StoreFault, ValueError, TypeError, RecursionError):
        return None
    if sizes not in ([spec.LANE_BYTES, spec.HASH_BYTES, size] for size in (0, spec.HASH_BYTES)):
        return None
    if type(state.next_seq) is not int or {
        type(flag) for flag in (state.abandoned, state.kept, state.asked)
    } != {bool}:
        return None
    return state if state.next_seq >= 0 and (state.next_seq == 0) == (not state.last) else None


def _save_state(folder: Path, state: _State) -> None:
    _write(folder / _STATE_FILE, json.dumps(asdict(state)).encode())


def _write(path: Path, data: bytes) -> None:
    """Puts a file in place durably, whole or not at all; the lane's lock keeps others from its unfinished name."""
    unfinished = path.with_name(f".{path.name}")
    with os.fdopen(open_to_write(unfinished, PRIVATE, os.O_TRUNC), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
    sync_folder(path.parent)


def _parcel(path: Path) -> Parcel:
    try:
        data = read_regular(path, spec.PARCEL_BYTES_MAX)
    except StoreFault as error:
        raise StoreFault(FAULT, str(path), error.reason, error.fix) from error
    try:
        parcel, place = unpack(data)
    except RefusedInput as error:
        raise _damaged(path) from error
    if place != Place(bytes.fromhex(path.parents[1].name), int(path.name)):
        raise _damaged(path)
    return parcel


def _damaged(path: Path) -> RefusedInput:
    return RefusedInput(
        "outbox-damaged",
        str(path),
        "it holds no signed statements that continue its lane",
        "Move its lane's folder away; a new lane is opened.",
    )


def _misused(folder: Path, reason: str) -> InvariantBroken:
    return InvariantBroken(
        "lane-misused", f"lane {folder.name}", reason, "Hold the lane, and send what waits first."
    )

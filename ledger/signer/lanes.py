"""Lanes and the outbox: a client's memory of what it signed (SPEC §5.3).

A signed payload is on disk before anybody sees it, and leaves the disk only after the log acknowledged it. A crash
at any moment leaves either nothing, or a *parcel* of signed statements that is sent again byte for byte. So one place
in a lane is never signed twice, which is the one thing an honest signer must not do.

    lanes/<32 hex digits>/lane.lock   held while a process uses the lane; freed when the process dies
                          state.json  key event, next seq, last statement id, abandoned
                          out/<seq>   a parcel: statements from that seq on, signed and not yet acknowledged
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
from filelock import FileLock, Timeout

from ledger import spec
from ledger.errors import RefusedInput, StoreFault
from ledger.signer.keyfile import sync_folder
from ledger.statements.entry import decode_entry


@dataclass(frozen=True, slots=True)
class Parcel:
    """Signed statements with their records, in lane order: (entry, records)."""

    statements: tuple[tuple[bytes, tuple[bytes, ...]], ...]


class Lane:
    """A lane that this process holds. Made by `hold_lane`."""

    def __init__(self, folder: Path, lane_id: bytes, state: dict[str, Any]) -> None:
        self._folder = folder
        self._state = state
        self.id = lane_id

    @property
    def next_seq(self) -> int:
        return int(self._state["next_seq"])

    @property
    def last(self) -> bytes | None:
        """The id of the lane's last acknowledged statement; None at seq 0."""
        last = self._state["last"]
        return bytes.fromhex(last) if last else None

    def pending(self) -> Parcel | None:
        """What was signed here and not acknowledged: send it again before anything new."""
        files = sorted((self._folder / "out").glob("[0-9]*"), key=lambda path: int(path.name))
        for path in files:
            if int(path.name) < self.next_seq:  # acknowledged; the process died before it was removed
                path.unlink()
                continue
            return _parcel(path)
        return None

    def keep(self, parcel: Parcel) -> None:
        """Makes a parcel durable before it is sent. Its first statement has seq `next_seq`."""
        data = msgpack.packb(
            [[entry, list(records)] for entry, records in parcel.statements], use_bin_type=True
        )
        out = self._folder / "out"
        _write_synced(out / f".{self.next_seq}", data)
        (out / f".{self.next_seq}").rename(out / str(self.next_seq))
        sync_folder(out)

    def acknowledged(self, parcel: Parcel) -> None:
        """The log holds the parcel: the lane goes on behind it."""
        path = self._folder / "out" / str(self.next_seq)
        last = decode_entry(parcel.statements[-1][0]).statement
        self._save({**self._state, "next_seq": last.seq + 1, "last": last.id.hex()})
        path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """After a refusal: nothing is ever signed in this lane again."""
        self._save({**self._state, "abandoned": True})
        for path in (self._folder / "out").iterdir():
            path.unlink()

    def _save(self, state: dict[str, Any]) -> None:
        _save_state(self._folder, state)
        self._state = state


@contextmanager
def hold_lane(lanes: Path, key_event: bytes) -> Iterator[Lane]:
    """Holds a free lane of `key_event` in the folder `lanes`, one with pending statements first; opens one if none is free.

    Raises StoreFault if the folder cannot be written.
    """
    try:
        lanes.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in sorted(lanes.iterdir(), key=_pending_first):
            state = _load_state(folder)
            if state is None or state["abandoned"] or state["key"] != key_event.hex():
                continue
            lock = FileLock(folder / "lane.lock", timeout=0)
            try:
                with lock:
                    state = _load_state(folder)  # as the last holder left it
                    if state is not None and not state["abandoned"]:
                        yield Lane(folder, bytes.fromhex(folder.name), state)
                        return
            except Timeout:
                continue
        folder, state = _open_lane(lanes, key_event)
    except OSError as error:
        raise StoreFault("lane-unwritable", str(lanes), f"it cannot be used: {error.strerror}") from error
    with FileLock(folder / "lane.lock", timeout=0):
        yield Lane(folder, bytes.fromhex(folder.name), state)


def _open_lane(lanes: Path, key_event: bytes) -> tuple[Path, dict[str, Any]]:
    folder = lanes / os.urandom(spec.LANE_BYTES).hex()
    (folder / "out").mkdir(parents=True, mode=0o700)
    state = {"key": key_event.hex(), "next_seq": 0, "last": "", "abandoned": False}
    _save_state(folder, state)
    sync_folder(lanes)
    return folder, state


def _pending_first(folder: Path) -> tuple[bool, str]:
    out = folder / "out"
    return (not (out.is_dir() and any(out.iterdir())), folder.name)


def _load_state(folder: Path) -> dict[str, Any] | None:
    """The lane's state, or None where it was lost: such a lane is never used again."""
    try:
        state = json.loads((folder / "state.json").read_bytes())
        if not isinstance(state, dict) or {"key", "next_seq", "last", "abandoned"} - state.keys():
            return None
        bytes.fromhex(folder.name)
    except (OSError, ValueError):
        return None
    return state


def _save_state(folder: Path, state: dict[str, Any]) -> None:
    _write_synced(folder / ".state.json", json.dumps(state).encode())
    (folder / ".state.json").rename(folder / "state.json")
    sync_folder(folder)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _parcel(path: Path) -> Parcel:
    try:
        statements = msgpack.unpackb(path.read_bytes(), raw=False, max_array_len=spec.STATEMENT_RECORDS_MAX)
        return Parcel(tuple((entry, tuple(records)) for entry, records in statements))
    except (ValueError, TypeError) as error:
        raise RefusedInput(
            "outbox-damaged",
            str(path),
            "it holds no signed statements",
            "Move its lane's folder away; a new lane is opened.",
        ) from error


def pending_parcels(lanes: Path) -> list[tuple[Path, Sequence[bytes]]]:
    """What waits in all lanes of an identity, for `lineage status`: (file, entries)."""
    if not lanes.is_dir():
        return []
    files = sorted(path for path in lanes.glob("*/out/[0-9]*"))
    return [(path, [entry for entry, _records in _parcel(path).statements]) for path in files]

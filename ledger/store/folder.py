"""The folder that a ledger lives in, and the marker that says so.

`ledger.json` holds {"format": "lineage-ledger", "store_version": 2, "origin", "vkey", "log_id"}: what a program must
know before it opens the store, and a person who finds the folder. It is written last, so that a folder either
holds a whole ledger or none; while one is being made, `.creating` keeps a second maker out.

The store version says in which shapes things are kept: 1 was that of fold 1. What is kept in older shapes is not read, but
made anew (`ledger.log.rebuild`), and then the marker says so.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import RefusedInput, StoreFault
from ledger.spec import HASH_BYTES, STORE_VERSION
from ledger.store.files import read_regular, sync_folder, write_atomically

MARKER_FILE: Final = "ledger.json"
_CREATING_FILE: Final = ".creating"
_FORMAT: Final = "lineage-ledger"
_MARKER_BYTES_MAX: Final = 65_536


@dataclass(frozen=True, slots=True)
class Marker:
    """Whose log a folder holds: its origin, its first verifier key (C2SP signed-note), its 32-byte id."""

    origin: str
    vkey: str
    log_id: bytes


def open_folder(path: Path) -> Marker:
    """Read the marker of a ledger's folder.

    Raises RefusedInput `not-a-ledger` (no folder, or no marker in it), `ledger-newer` and `ledger-older`; StoreFault
    `ledger-damaged` (an unreadable marker), `not-a-regular-file` and `store-failed`.
    """
    marker, version = read_marker(path)
    if version < STORE_VERSION:
        raise RefusedInput(
            "ledger-older",
            str(path),
            f"its store version is {version}; this program keeps version {STORE_VERSION}",
            "run `lineage doctor --rebuild`: it makes what is kept beside the log anew from the log",
        )
    return marker


def read_marker(path: Path) -> tuple[Marker, int]:
    """The marker and its store version, which may be an older one. Raises as `open_folder` does."""
    fields = _fields(path)
    version = fields["store_version"]
    if version > STORE_VERSION:
        raise RefusedInput(
            "ledger-newer",
            str(path),
            f"its store version is {version}; this program knows up to {STORE_VERSION}",
            "upgrade lineage-ledger",
        )
    try:
        origin, vkey, log_id = fields["origin"], fields["vkey"], bytes.fromhex(fields["log_id"])
    except (KeyError, TypeError, ValueError):
        raise _damaged(path / MARKER_FILE) from None
    if not isinstance(origin, str) or not isinstance(vkey, str) or len(log_id) != HASH_BYTES:
        raise _damaged(path / MARKER_FILE)
    return Marker(origin, vkey, log_id), version


def renew_marker(path: Path) -> None:
    """Says that the store is of this program's version from now on; whole or not at all, and nothing else is changed.

    Raises as `read_marker` does.
    """
    marker, _version = read_marker(path)
    _write(path, marker, replace=True)


def _write(path: Path, marker: Marker, *, replace: bool = False) -> None:
    fields = {"format": _FORMAT, "store_version": STORE_VERSION, "origin": marker.origin}
    fields |= {"vkey": marker.vkey, "log_id": marker.log_id.hex()}
    write_atomically(path / MARKER_FILE, json.dumps(fields, indent=2).encode() + b"\n", replace=replace)


def _fields(path: Path) -> dict[str, Any]:
    """What stands in the marker file, with a store version; the rest is as it may be."""
    marker = path / MARKER_FILE
    try:
        raw = read_regular(marker, _MARKER_BYTES_MAX)
    except StoreFault as error:
        if error.code == "too-large":
            raise _damaged(marker) from None
        if error.code != "file-not-found":
            raise
        raise RefusedInput(
            "not-a-ledger",
            str(path),
            f"there is no {MARKER_FILE} in it",
            "name the folder of a ledger, or make one with `lineage init`",
        ) from None
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise _damaged(marker) from None
    if not isinstance(fields, dict) or fields.get("format") != _FORMAT:
        raise _damaged(marker)
    version = fields.get("store_version")
    if type(version) is not int or version < 1:
        raise _damaged(marker)
    return fields


def _damaged(marker: Path) -> StoreFault:
    return StoreFault(
        "ledger-damaged",
        str(marker),
        "it is not the marker of a ledger",
        "restore it from a backup: it never changes but for the store version",
    )


def _not_empty(path: Path, reason: str) -> RefusedInput:
    return RefusedInput(
        "folder-not-empty", str(path), reason, "name an empty folder, or one that does not exist"
    )


@contextmanager
def creating_folder(path: Path, marker: Marker) -> Iterator[Path]:
    """Make a ledger's folder: the block puts everything into it, then the marker is written.

    `path` is made if absent (0755; a ledger is public), and must be empty otherwise. If the block or the marker
    fails, everything is removed again. Raises RefusedInput `ledger-exists`, `folder-not-empty`; StoreFault
    `store-failed`.
    """
    made = _claim(path)
    try:
        yield path
        (path / _CREATING_FILE).unlink()
        _write(path, marker)
        sync_folder(path.parent)
    except BaseException:
        _empty(path)
        if made:
            with suppress(OSError):
                path.rmdir()
        raise


def _claim(path: Path) -> bool:
    """Make `path` and keep others out of it; True if it was absent."""
    if (path / MARKER_FILE).exists():
        raise RefusedInput("ledger-exists", str(path), "it holds a ledger already", "open it instead")
    try:
        made = not path.exists()
        path.mkdir(mode=0o755, parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise _not_empty(path, "it holds files, but no ledger")
        (path / _CREATING_FILE).touch(mode=0o644, exist_ok=False)
    except FileExistsError:
        raise _not_empty(path, "it is no folder, or somebody makes a ledger in it right now") from None
    except OSError as error:
        raise StoreFault("store-failed", str(path), f"it cannot be made ({error.strerror})") from error
    return made


def _empty(path: Path) -> None:
    for found in path.iterdir():
        if found.is_dir() and not found.is_symlink():
            shutil.rmtree(found, ignore_errors=True)
        else:
            with suppress(OSError):
                found.unlink()

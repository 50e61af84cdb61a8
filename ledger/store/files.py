"""Files that are there whole or not at all.

POSIX rename(2) replaces a name atomically, but neither a file's bytes nor its name are on the medium before fsync
of the file and of its folder (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). So: a temporary
file in the same folder, fsync, rename, fsync of the folder; for every folder made on the way, fsync of its parent.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from ledger.errors import StoreFault


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the medium; without effect where a folder cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    sync_folder(folder.parent)


def write_atomically(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write a file durably, mode 0644, its folders made where absent; a reader sees all of it or nothing.

    Without `replace` a path names one content for ever: the same bytes again are no work, others raise StoreFault
    `tile-differs`. With it (the checkpoint) the newer content takes the place of the older. Any failure of the
    disk raises StoreFault `store-failed` and leaves what was there.
    """
    try:
        if not replace and path.exists():
            if path.read_bytes() != data:
                raise StoreFault(
                    "tile-differs",
                    str(path),
                    "it was published with other bytes",
                    "publish into an empty folder, and compare the two with `lineage audit`",
                )
            return
        _make_folders(path.parent)
        _write_new(path, data)
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"it cannot be written ({error.strerror})",
            "look to the folder and its disk",
        ) from error


def _write_new(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)

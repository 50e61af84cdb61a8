"""Files that are there whole or not at all.

POSIX rename(2) replaces a name atomically, but neither a file's bytes nor its name are on the medium before fsync
of the file and of its folder (Pillai et al., "All File Systems Are Not Created Equal", OSDI 2014). So: a temporary
file in the same folder, fsync, rename, fsync of the folder; for every folder made on the way, fsync of its parent.

Others may have put names into a folder. So what is read is a regular file of bounded size: no pipe keeps the reader
waiting, no device or sparse file fills its memory; and below a folder no symbolic link leads elsewhere.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from ledger.errors import StoreFault

PUBLIC: Final = 0o644
PRIVATE: Final = 0o600
_PUBLIC_FOLDER: Final = 0o755
_PRIVATE_FOLDER: Final = 0o700
_PIECE_BYTES: Final = 1_048_576
# POSIX flags; a platform that lacks one lacks what it guards against
_CAREFUL_FLAGS: Final = sum(
    getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_BINARY")
)


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = PRIVATE) -> int:
    """A descriptor of a regular file, opened with `flags` of os.open; a link is not followed, nothing is waited for.

    `mode` is that of a file which O_CREAT makes. Raises StoreFault `not-a-regular-file`; OSError as os.open does.
    """
    try:
        descriptor = os.open(path, flags | _CAREFUL_FLAGS, mode)
    except IsADirectoryError:
        raise _irregular(path) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket, or a pipe that nobody reads
            raise _irregular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _irregular(path)
    return descriptor


def open_to_write(path: Path, mode: int, flags: int = 0) -> int:
    """A descriptor of a regular file to be written, made where absent, which has this mode whatever the umask is.

    Raises as `open_regular`.
    """
    descriptor = open_regular(path, os.O_WRONLY | os.O_CREAT | flags, mode)
    try:
        if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def refuse_irregular(path: Path) -> None:
    """For what others open by name: raises StoreFault `not-a-regular-file` if something else has it, `store-failed`."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise _irregular(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreFault("store-failed", str(path), f"it cannot be looked at ({error.strerror})") from error


def read_regular(path: Path, limit_bytes: int) -> bytes:
    """The bytes of a regular file of at most `limit_bytes`; a link is not followed, nothing is waited for.

    Raises StoreFault `file-not-found`, `not-a-regular-file`, `too-large`, `store-failed`.
    """
    try:
        with os.fdopen(open_regular(path), "rb", buffering=0) as raw:
            status = os.fstat(raw.fileno())
            if status.st_size > limit_bytes:
                raise StoreFault(
                    "too-large",
                    str(path),
                    f"it has {status.st_size} bytes, over {limit_bytes}",
                    "fetch it again, or restore it from a backup",
                )
            chunks = []
            left = status.st_size
            while left and (chunk := raw.read(left)):
                chunks.append(chunk)
                left -= len(chunk)
            return b"".join(chunks)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreFault(
            "file-not-found", str(path), "there is no such file", "restore it from a backup"
        ) from None
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"it cannot be read ({error.strerror})",
            "look to the folder and its disk",
        ) from error


def _irregular(path: Path) -> StoreFault:
    return StoreFault(
        "not-a-regular-file",
        str(path),
        "it is a link, a pipe, a device or a folder",
        "put a regular file in its place, or remove it",
    )


def refuse_links(folder: Path, name: str) -> None:
    """Raises StoreFault `link-refused` if `name` or a folder on the way to it, below `folder`, is a symbolic link."""
    path = folder
    for part in name.split("/"):
        path /= part
        try:
            is_link = path.is_symlink()
        except OSError as error:
            raise StoreFault("store-failed", str(path), f"it cannot be read ({error.strerror})") from error
        if is_link:
            raise StoreFault(
                "link-refused",
                str(path),
                f"it is a symbolic link, where only files and folders of {folder} belong",
                "remove it",
            )


def holds(path: Path, data: bytes) -> bool:
    """Whether a regular file has exactly these bytes. Raises StoreFault as `read_regular` does."""
    try:
        return read_regular(path, len(data)) == data
    except StoreFault as error:
        if error.code != "too-large":
            raise
        return False


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the medium; without effect where a folder cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folders(folder: Path, mode: int = _PUBLIC_FOLDER) -> None:
    """Makes a folder, those above it too where absent, durably. Raises OSError."""
    if folder.is_dir():
        return
    make_folders(folder.parent, mode)
    folder.mkdir(mode=mode, exist_ok=True)
    sync_folder(folder.parent)


def dying_name(path: Path) -> Path:
    """The name that `destroy` gives a file before it is overwritten: what a crash leaves under it is no content any more."""
    return path.with_name(f".{path.name}.destroyed.tmp")


def is_to_destroy(path: Path) -> bool:
    """Whether `destroy` finds anything: the file, or what a crash left of an earlier call."""
    return os.path.lexists(path) or os.path.lexists(dying_name(path))


def destroy(path: Path) -> bool:
    """Takes a file away for good: it loses its name, is overwritten, and removed; whether there was anything.

    A reader finds all of it or nothing, whatever stops this; called again it finishes. What flash memory, a file system that
    copies on write, and backups remember is out of reach. A link loses its name alone. Raises StoreFault `store-failed`.
    """
    dying = dying_name(path)
    try:
        with suppress(FileNotFoundError):
            path.replace(dying)
            sync_folder(path.parent)
        if not os.path.lexists(dying):
            return False
        if stat.S_ISREG(dying.lstat().st_mode):
            with os.fdopen(open_regular(dying, os.O_WRONLY), "wb", buffering=0) as file:
                overwrite(file, 0, os.fstat(file.fileno()).st_size)
                os.fsync(file.fileno())
        dying.unlink()
        sync_folder(path.parent)
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"it cannot be destroyed ({error.strerror})",
            "look to the folder and its disk, and do it once more",
        ) from error
    return True


def overwrite(file: BinaryIO, start: int, stop: int) -> None:
    """Zeros in the place of bytes [start, stop) of a file that is open for writing without a buffer. Raises OSError."""
    file.seek(start)
    while start < stop:
        start += file.write(bytes(min(stop - start, _PIECE_BYTES)))


def write_atomically(path: Path, data: bytes, *, replace: bool = False, private: bool = False) -> None:
    """Write a file durably, its folders made where absent; a reader sees all of it or nothing.

    Its mode is 0644, or with `private` 0600 and 0700 for folders that are made.

    Without `replace` a path names one content for ever: the same bytes again are no work, others raise StoreFault
    `tile-differs`. With it (the checkpoint) the newer content takes the place of the older. Any failure of the
    disk raises StoreFault `store-failed`, what is there and is no file `not-a-regular-file`; both leave what was there.
    """
    try:
        if not replace and os.path.lexists(path):
            if not holds(path, data):
                raise StoreFault(
                    "tile-differs",
                    str(path),
                    "it was published with other bytes",
                    "publish into an empty folder, and compare the two with `lineage audit`",
                )
            return
        make_folders(path.parent, _PRIVATE_FOLDER if private else _PUBLIC_FOLDER)
        with writing(path, PRIVATE if private else PUBLIC) as file:
            file.write(data)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def writing(path: Path, mode: int = PUBLIC, *, replace: bool = True) -> Iterator[BinaryIO]:
    """A file to be written piece by piece, that takes the place of `path` when the block ends; if it fails, nothing does.

    The folder is there. Raises StoreFault `store-failed`; without `replace` `file-exists` for a name that somebody has, even
    if it was made a moment ago.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(path)
            else:
                _name_anew(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error


def _name_anew(temporary: Path, path: Path) -> None:
    """Gives a file its name unless something has it: rename(2) would replace that, link(2) does not."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise _taken(path) from None
        temporary.replace(path)
    else:
        with suppress(OSError):  # a second name of it is no harm
            temporary.unlink()


def _taken(path: Path) -> StoreFault:
    return StoreFault("file-exists", str(path), "it exists already", "name another file, or move it away")


def _unwritable(path: Path, error: OSError) -> StoreFault:
    return StoreFault(
        "store-failed",
        str(path),
        f"it cannot be written ({error.strerror})",
        "look to the folder and its disk",
    )

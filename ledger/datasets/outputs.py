"""Files that come to be whole or not at all: written under another name, on the medium before they take their own, and never over something else."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from ledger.datasets.files import printable
from ledger.errors import RefusedInput, StoreFault

_NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextmanager
def writing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes the name `target` when the block ends, in place of what was there; if the block fails, nothing does.

    Folders above it are made. Raises StoreFault `output-failed`.
    """
    with told(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            with temporary.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        sync_folder(target.parent)


@contextmanager
def told(target: Path) -> Iterator[None]:
    """What the system refuses meanwhile is told as StoreFault `output-failed`."""
    try:
        yield
    except OSError as error:
        raise StoreFault(
            "output-failed",
            printable(target),
            f"it cannot be written ({error.strerror or type(error).__name__})",
            "Look to the folder and its disk, then run the same command again",
        ) from error


def check_folder(target: Path) -> None:
    """Whether a file could be made there, before hours of work for it. Raises StoreFault `output-failed` if it is known that none can."""
    with told(target):
        above = next(folder for folder in target.absolute().parents if os.path.lexists(folder))
        if not above.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(above, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def give_name(source: Path, target: Path) -> None:
    """Moves a file or folder to a name that nothing has yet. Raises RefusedInput `file-exists`, StoreFault `output-failed`."""
    with told(target):
        if os.path.lexists(target):
            raise file_exists(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            source.rename(target)
        else:
            _link(source, target)
        sync_folder(target.parent)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)  # refuses a name that somebody took since
    except FileExistsError as error:
        raise file_exists(target) from error
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        source.rename(target)
    else:
        source.unlink()


def file_exists(target: Path) -> RefusedInput:
    """The refusal to write over something."""
    return RefusedInput(
        "file-exists", printable(target), "it is there already", "Name another output, or take it away first"
    )


def sync_folder(folder: Path) -> None:
    """Puts the names in a folder on the medium; without effect where a folder cannot be opened (Windows). Raises OSError."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """The same for every folder below. Raises OSError."""
    for path, _, _ in os.walk(folder):
        sync_folder(Path(path))

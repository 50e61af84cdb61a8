"""Files as artifacts: which files a path means, and the digest of what one holds.

A digest is worth having only if it is of bytes that stood in the file together. So a file is looked at before it is
opened (opening a pipe or a device may block, or act), looked at again once open (the name may have changed hands), and
once more after its last byte: one that grew, shrank or was written to meanwhile is refused, not signed in part.

Inside a folder a symbolic link may not lead out of it: whoever signs a folder means what is in it. A link that is named
directly is followed, for the caller named it.

What travels beside a file (a receipt, a salt, an ancestry proof) is no content of the folder that both lie in, and is passed over there.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, NamedTuple, Self

from ledger import spec
from ledger.errors import NotFound, RefusedInput

_CHUNK_BYTES: Final = 1_048_576
COMPANION_SUFFIXES: Final = (
    spec.RECEIPT_SUFFIX,
    spec.ROW_RECEIPTS_SUFFIX,
    spec.SALT_SUFFIX,
    spec.ANCESTRY_SUFFIX,
)
# O_NONBLOCK: should a pipe take the file's name after it was looked at, opening it returns at once.
_OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file's content by its digest: SHA-256 of its bytes (32 bytes), and how many they are."""

    path: Path
    digest: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Walk:
    """The regular files that some paths mean, each once; how many names inside folders were passed over.

    `hidden_count` begin with a dot; `companion_count` are receipts, salts or proofs of a file beside them.
    """

    files: list[Path]
    hidden_count: int
    companion_count: int = 0


class Fingerprint(NamedTuple):
    """By which a file is known again: where it lies, its length, when it was last written to, and when it was last changed in any way (ns).

    The time of writing is whatever the file's owner says it is (utime(2)); the last one nobody can set back. Where the system has no such time, it is that
    of the file's making.
    """

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


class RegularFile:
    """A regular file open for reading, which can tell whether it changed since it was opened.

    Raises NotFound: file-not-found; RefusedInput: dangling-link, link-loop, is-a-folder, not-a-regular-file, unreadable,
    too-large, file-changed.
    """

    def __init__(self, name: str | os.PathLike[str]) -> None:
        path = self._path = _named(name)
        _check_regular(_stat(path), path)
        try:
            descriptor = os.open(path, _OPEN_FLAGS)
        except OSError as error:
            raise unreadable(error, path) from error
        self._file = os.fdopen(descriptor, "rb")
        try:
            status = os.fstat(descriptor)
            _check_regular(status, path)
            self.fingerprint = _fingerprint(status)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    @property
    def size_bytes(self) -> int:
        """The file's length when it was opened."""
        return self.fingerprint.size_bytes

    @property
    def path(self) -> Path:
        """Its name."""
        return self._path

    @property
    def handle(self) -> BinaryIO:
        """The open file itself, for a library that reads it."""
        return self._file

    def readline(self, max_bytes: int) -> bytes:
        """The next line with its end, or the first max_bytes of it; empty at the end of the file."""
        try:
            return self._file.readline(max_bytes)
        except OSError as error:
            raise unreadable(error, self._path) from error

    def read_at(self, offset: int, size: int) -> bytes:
        """The bytes at [offset, offset + size), which were there when it was opened. Raises RefusedInput `file-changed`."""
        try:
            self._file.seek(offset)
            found = self._file.read(size)
        except OSError as error:
            raise unreadable(error, self._path) from error
        if len(found) != size:
            raise file_changed(self._path)
        return found

    def chunks(self) -> Iterator[bytes]:
        """The bytes from here on, some at a time; checks at the end that they are what the file held when opened."""
        read_bytes = 0
        try:
            while chunk := self._file.read(_CHUNK_BYTES):
                read_bytes += len(chunk)
                if read_bytes > self.size_bytes:  # somebody appends as fast as we read
                    raise file_changed(self._path)
                yield chunk
        except OSError as error:
            raise unreadable(error, self._path) from error
        if read_bytes != self.size_bytes:  # some kernel file systems state a size that is not the content's
            raise file_changed(self._path)
        self.check_unchanged()

    def check_unchanged(self) -> None:
        """Refuse the file if its size or its time of change is no longer what it was when it was opened."""
        self.check_is(self.fingerprint)

    def check_is(self, known: Fingerprint) -> None:
        """Refuse the file if it is another one, or changed, since its fingerprint was taken. Raises RefusedInput `file-changed`."""
        if _fingerprint(os.fstat(self._file.fileno())) != known:
            raise file_changed(self._path)


def fingerprint_of(path: str | os.PathLike[str]) -> Fingerprint:
    """The fingerprint of a file that is not opened. Raises as `RegularFile`."""
    return _fingerprint(_stat(_named(path)))


def read_file(path: str | os.PathLike[str]) -> FileContent:
    """Digest and size of a regular file, read in bounded memory; raises what `RegularFile` raises."""
    digest = hashlib.sha256()
    with RegularFile(path) as file:
        for chunk in file.chunks():
            digest.update(chunk)
        return FileContent(Path(path), digest.digest(), file.size_bytes)


def load_file(
    path: str | os.PathLike[str], *, max_bytes: int = spec.ROW_BYTES_MAX
) -> tuple[FileContent, bytes]:
    """The same, and the content itself, of one reading; for content that has to be looked into.

    Raises what `RegularFile` raises, and RefusedInput too-large beyond max_bytes, before anything is read.
    """
    with RegularFile(path) as file:
        if file.size_bytes > max_bytes:
            raise _too_big(Path(path), max_bytes)
        content = b"".join(file.chunks())
        return FileContent(Path(path), hashlib.sha256(content).digest(), len(content)), content


def walk(paths: Iterable[str | os.PathLike[str]]) -> Walk:
    """The files that the paths mean, in the order of the paths; a folder's own in the byte order of their paths.

    Folders are walked to the bottom, and links to folders left to the folder they lead to; names inside them that begin with a dot are passed over and counted, and so are receipts
    and salts of a file beside them (SPEC §11.4). A file reached twice is listed once, where it is first reached. Every path is looked at before anything is returned.

    Raises RefusedInput: no-paths, folder-empty, link-leaves-folder, and those of `RegularFile`.
    """
    named = [_named(path) for path in paths]
    if not named:
        raise RefusedInput("no-paths", "paths", "no file or folder is named", "Name at least one")
    files: dict[str, Path] = {}  # by real path
    hidden_count = companion_count = 0
    for path in named:
        found = [path]
        status = _stat(path)
        if stat.S_ISDIR(status.st_mode):
            found, hidden, companions = _walk_folder(path)
            hidden_count += hidden
            companion_count += companions
        else:
            _check_regular(status, path)
        for file in found:
            files.setdefault(os.path.realpath(file), file)
    for file in files.values():
        # Opened once, so that one without permission is named before the first is read.
        with RegularFile(file):
            pass
    return Walk(list(files.values()), hidden_count, companion_count)


def printable(path: str | os.PathLike[str]) -> str:
    """A path as text that is safe to print, whatever bytes its name holds."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def _walk_folder(folder: Path) -> tuple[list[Path], int, int]:
    """Its files, and how many hidden names and companions were passed over."""
    real_folder = os.path.realpath(folder)
    found: list[Path] = []
    hidden_count = companion_count = 0
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        try:
            paths = list(current.iterdir())
        except OSError as error:
            raise unreadable(error, current) from error
        names = {path.name for path in paths}
        for path in paths:
            if path.name.startswith("."):
                hidden_count += 1
                continue
            if any(path.name.endswith(end) and path.name[: -len(end)] in names for end in COMPANION_SUFFIXES):
                companion_count += 1
                continue
            status = _stat(path)
            is_folder = stat.S_ISDIR(status.st_mode)
            if path.is_symlink():
                _check_link_stays(path, folder, real_folder)
                if is_folder:
                    continue  # its files are found under their own names, and a loop has no end
            if is_folder:
                waiting.append(path)
            else:
                _check_regular(status, path)
                found.append(path)
    if not found:
        beside = f" but {hidden_count} hidden" if hidden_count else ""
        raise RefusedInput(
            "folder-empty",
            printable(folder),
            f"the folder holds no file{beside}",
            "Name a folder with files, or a hidden file itself",
        )
    return sorted(found, key=os.fsencode), hidden_count, companion_count


def _check_link_stays(path: Path, folder: Path, real_folder: str) -> None:
    target = os.path.realpath(path)
    if os.path.commonpath([target, real_folder]) != real_folder:
        raise RefusedInput(
            "link-leaves-folder",
            printable(path),
            f"the link leads out of the folder {printable(folder)}",
            "Name its target itself if it is meant, or take the link away",
        )


def _named(path: str | os.PathLike[str]) -> Path:
    name = os.fspath(path)
    if not name or "\0" in name:  # Path("") would mean the folder we are in
        what = "holds a zero byte" if name else "is empty"
        raise NotFound("file-not-found", f"path {name!a}", f"the path {what}", "Check the path")
    return Path(path)


def check_in_place(path: str | os.PathLike[str], known: Fingerprint) -> None:
    """Refuse a path that leads to another file than it did, or to one that changed. Raises RefusedInput `file-changed`."""
    named = _named(path)
    if _fingerprint(_stat(named)) != known:
        raise file_changed(named)


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(error, path) from error


def _check_regular(status: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise RefusedInput("is-a-folder", printable(path), "it is a folder, not a file", "Name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise RefusedInput(
            "not-a-regular-file",
            printable(path),
            f"it is a {_kind(status.st_mode)}, which holds no bytes of its own",
            "Write its content to a file first",
        )
    if status.st_size > spec.CONTENT_BYTES_MAX:
        raise _too_big(path, spec.CONTENT_BYTES_MAX)


def _fingerprint(status: os.stat_result) -> Fingerprint:
    return Fingerprint(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "pipe"
    if stat.S_ISSOCK(mode):
        return "socket"
    return "device"


def unreadable(error: OSError, path: Path) -> RefusedInput:
    """The refusal of a path that the system would not let us read."""
    item = printable(path)
    if error.errno == errno.ELOOP:
        return RefusedInput("link-loop", item, "the link leads round in a circle", "Mend or remove the link")
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        if path.is_symlink():
            return RefusedInput(
                "dangling-link", item, "the link leads to a file that is not there", "Mend or remove the link"
            )
        return NotFound("file-not-found", item, "there is no such file or folder", "Check the path")
    reason = error.strerror or type(error).__name__
    return RefusedInput(
        "unreadable", item, f"it cannot be read ({reason})", "Check its permissions and its disk"
    )


def file_changed(path: str | os.PathLike[str]) -> RefusedInput:
    """The refusal of a file that did not stay as it was."""
    return RefusedInput(
        "file-changed",
        printable(path),
        "it changed while it was read",
        "Wait until nothing writes to it, or copy it and name the copy",
    )


def _too_big(path: Path, max_bytes: int) -> RefusedInput:
    return RefusedInput(
        "too-large",
        printable(path),
        f"it is longer than {max_bytes:,} bytes",
        "Split it, or name a smaller file",
    )

"""The bytes of a file from its beginning to its end, unpacked where it is packed, in pieces; and the lines that they fall into.

Nothing here is held whole: a file that unpacks to a thousand times its size costs time, and no more memory than the longest row allowed. What a
packed file says is checked where it ends (gzip's CRC-32, zstd's checksum), so rows have been read before damage behind them is met:
act on none of a file's rows before all of it was read.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

from ledger import spec
from ledger.datasets.files import RegularFile, unreadable
from ledger.datasets.formats import GZIP
from ledger.errors import RefusedInput
from ledger.extras import load

PIECE_BYTES: Final = 65_536  # read at once: what is larger costs a fresh mapping of memory each time
_WINDOW_LOG_MAX: Final = 27  # of zstd: 128 MiB, what its own tools allow
_ENDS_BYTES: Final = 2  # CR and LF

Read = Callable[[int], bytes]  # at most so many bytes more; none at the end


def zstd() -> Any:
    """The module that packs and unpacks zstd: the standard library's, or its backport. Raises RefusedInput `extra-missing`."""
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    return load(name, "zstd")


class Stream:
    """Reads a file's bytes, unpacked. Raises RefusedInput that names no row, for it knows none: compressed-damaged, extra-missing."""

    def __init__(self, file: RegularFile, packing: str | None) -> None:
        self._file = file
        self._packing = packing
        self._source: Any = file.handle
        self._damage: tuple[type[Exception], ...] = ()
        if packing == GZIP:
            self._source = gzip.GzipFile(fileobj=file.handle, mode="rb")
            self._damage = (EOFError, gzip.BadGzipFile, zlib.error)
        elif packing is not None:
            library = zstd()
            limits = {library.DecompressionParameter.window_log_max: _WINDOW_LOG_MAX}
            self._source = library.ZstdFile(file.handle, "rb", options=limits)
            self._damage = (EOFError, library.ZstdError)

    def read(self, size: int) -> bytes:
        """At most `size` bytes more; none at the end. What was unpacked before damage is met comes before that is told."""
        try:
            found: bytes = self._source.read(size) if self._packing is None else self._source.read1(size)
        except self._damage as error:
            raise self._refusal(error) from error
        except OSError as error:
            raise unreadable(error, self._file.path) from error
        return found

    def _refusal(self, error: Exception) -> RefusedInput:
        if isinstance(error, EOFError):
            reason = f"the {self._packing} data is cut short: it stops before its end mark"
        else:
            reason = f"the {self._packing} data is damaged ({str(error).rstrip('.') or type(error).__name__})"
        return RefusedInput("compressed-damaged", "row", reason, "Fetch or pack the file anew")


def blocks_of_lines(read: Read) -> Iterator[bytes | None]:
    """Blocks of whole lines, each line with its end but perhaps the last; None in place of a line that is longer than a row may be.

    A line that is too long is told as soon as that is sure, and passed over when the next block is asked for.
    """
    begun: list[bytes] = []  # of a line that is not whole yet
    begun_bytes = 0
    while piece := read(PIECE_BYTES):
        whole = piece.rfind(b"\n") + 1
        if whole:
            yield b"".join([*begun, piece[:whole]])
            begun, begun_bytes = [], 0
        if whole < len(piece):
            begun.append(piece[whole:])
            begun_bytes += len(piece) - whole
        if begun_bytes > spec.ROW_BYTES_MAX + _ENDS_BYTES:
            yield None
            rest = _behind_line(read)
            begun, begun_bytes = [], 0
            # What stands behind the long line in its last piece is looked at as if it were read just now.
            whole = rest.rfind(b"\n") + 1
            if whole:
                yield rest[:whole]
            if whole < len(rest):
                begun, begun_bytes = [rest[whole:]], len(rest) - whole
    if begun:
        yield b"".join(begun)


def _behind_line(read: Read) -> bytes:
    """Reads to the end of a line; what was read behind it."""
    while piece := read(PIECE_BYTES):
        end = piece.find(b"\n") + 1
        if end:
            return piece[end:]
    return b""


def line_end(file: RegularFile, at: int) -> int:
    """Where the line that holds the byte at a place ends, in the file."""
    while at < file.size_bytes:
        piece = file.read_at(at, min(PIECE_BYTES, file.size_bytes - at))
        end = piece.find(b"\n") + 1
        if end:
            return at + end
        at += len(piece)
    return file.size_bytes

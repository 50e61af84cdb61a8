"""Stretches: parts of a shard's lines that can be read apart, by whoever has time (SPEC §10.7).

A stretch is a range of bytes. To it belong the lines that *begin* in it; so each line belongs to exactly one of consecutive stretches,
and none of their readers needs to know how many lines stand before. A line that begins in one and ends in another
is read to its end by the first, and passed over by the second.

What is read is one state of one file: before and after each stretch the file must have the fingerprint that it had when it
was first looked at.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from ledger import spec
from ledger.datasets.digests import NO_LINE, Digested, Digests, Fault
from ledger.datasets.files import Fingerprint, RegularFile
from ledger.datasets.rows import too_big
from ledger.errors import RefusedInput

_PIECE_BYTES: Final = 65_536  # read at once: what is larger costs a fresh mapping of memory each time
_ENDS_BYTES: Final = 2  # CR and LF

DigestLines = Callable[
    [Iterator[bytes], Digests], None
]  # adds every line; RefusedInput at the first that is no row


class Stretch(NamedTuple):
    """Bytes [start, stop) of a file. `at_line`: a line begins at `start`; else where one does has to be found.

    `rows_max`: how many of its lines are wanted.
    """

    start: int
    stop: int
    at_line: bool = True
    rows_max: int | None = None


def digest_stretch(
    path: str, fingerprint: Fingerprint, stretch: Stretch, digest_lines: DigestLines
) -> Digested:
    """The digests of the lines that begin in a stretch of the file with that fingerprint.

    Raises RefusedInput of the file itself, as `RegularFile`; of a line that is no row the outcome tells.
    """
    with RegularFile(path) as file:
        file.check_is(fingerprint)
        reader = _Reader(file, stretch)
        found = Digests()
        fault = None
        read_bytes = 0
        for lines, size_bytes in reader.lines():
            wanted: Iterator[bytes] = iter(lines)
            if stretch.rows_max is not None:
                wanted = islice(lines, stretch.rows_max - len(found.hashes))
            try:
                digest_lines(wanted, found)
            except RefusedInput as error:
                fault = Fault.of(error)
                break
            read_bytes += size_bytes if stretch.rows_max is None else lines.tell()
            if stretch.rows_max == len(found.hashes):
                break
        else:
            if reader.is_too_long:
                fault = Fault.of(too_big())
        file.check_is(fingerprint)
    end = NO_LINE if reader.first == NO_LINE else reader.first + read_bytes
    return Digested(
        b"".join(found.hashes), found.size_bytes, found.forms, fault, reader.first, end, reader.crc
    )


def checksum(path: str, fingerprint: Fingerprint, start: int, stop: int) -> int:
    """The CRC-32 of bytes [start, stop) of a file. Raises as `digest_stretch`."""
    crc = 0
    with RegularFile(path) as file:
        file.check_is(fingerprint)
        for at in range(start, stop, _PIECE_BYTES):
            crc = zlib.crc32(file.read_at(at, min(_PIECE_BYTES, stop - at)), crc)
        file.check_is(fingerprint)
    return crc


class _Reader:
    """Reads the lines of a stretch, many at once. When all are read, `crc` is that of the stretch's bytes."""

    def __init__(self, file: RegularFile, stretch: Stretch) -> None:
        self.first = stretch.start if stretch.at_line else NO_LINE
        self.crc = 0
        self.is_too_long = (
            False  # the line behind those that were given has no end within what a row may have
        )
        self._line_max = spec.ROW_BYTES_MAX + _ENDS_BYTES
        self._file = file
        self._stop = stretch.stop
        self._at = stretch.start
        if not stretch.at_line and file.read_at(stretch.start - 1, 1) == b"\n":
            self.first = stretch.start

    def lines(self) -> Iterator[tuple[io.BytesIO, int]]:
        """Whole lines, each with its end but perhaps the file's last, and how many bytes they are together."""
        begun = b""  # of a line that is not whole yet
        while self._at < self._stop:
            piece = self._piece(self._stop)
            self.crc = zlib.crc32(piece, self.crc)
            if self.first == NO_LINE:
                piece = self._behind_first_end(piece)
            data = begun + piece
            whole = data.rfind(b"\n") + 1
            if whole:
                yield io.BytesIO(data[:whole]), whole
            begun = data[whole:]
            if len(begun) > self._line_max:
                break
        if begun:
            yield from self._last(begun)

    def _last(self, begun: bytes) -> Iterator[tuple[io.BytesIO, int]]:
        """The line that goes on behind the stretch."""
        while self._at < self._file.size_bytes and len(begun) <= self._line_max:
            piece = self._piece(self._file.size_bytes)
            whole = piece.find(b"\n") + 1
            begun += piece[:whole] if whole else piece
            if whole:
                break
        if len(begun) > self._line_max:
            self.is_too_long = True
        else:
            yield io.BytesIO(begun), len(begun)

    def _behind_first_end(self, piece: bytes) -> bytes:
        """What follows the end of a line that began before the stretch."""
        begin = piece.find(b"\n") + 1
        if not begin:
            return b""
        rest = piece[begin:]
        if rest or self._at < self._stop:
            self.first = self._at - len(rest)
        return rest

    def _piece(self, stop: int) -> bytes:
        piece = self._file.read_at(self._at, min(_PIECE_BYTES, stop - self._at))
        self._at += len(piece)
        return piece

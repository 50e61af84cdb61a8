"""Real text with authors and real duplicates: the Debian changelogs that a Debian machine carries.

Format: Debian Policy §4.4. An entry is a header `package (version) distribution; urgency=...`, a body indented by two
spaces, and a trailer ` -- Name <address>  date`. Packages built from one source carry the same changelog, each in its own
folder: these copies are kept, for they are what duplicates look like in the wild. A folder that is only a link to another
is the same file, and read once.

Names and addresses are personal data. The author is there to be counted and pseudonymised, never to be printed or kept:
it is left out of the entry's repr, so that not even a failing test shows it.
"""

from __future__ import annotations

import gzip
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

DOC: Final = Path("/usr/share/doc")
REASON: Final = (
    "no /usr/share/doc/*/changelog.Debian.gz here: it takes a Debian or Ubuntu machine; slim container images leave the "
    "documents out (see /etc/dpkg/dpkg.cfg.d), so delete the path-exclude lines there and reinstall some packages, "
    "such as: apt-get install --reinstall linux-libc-dev"
)

_HEADER: Final = re.compile(r"(?P<package>[A-Za-z0-9][A-Za-z0-9+.-]*) \((?P<version>[^()\s]+)\)[^;]*;.*")
_TRAILER: Final = re.compile(r" -- (?P<author>.*<[^>]*>) ? ?(?P<date>\S.*)")
_AUTHOR_LINE: Final = re.compile(r"[ \t]*(?:[*+-][ \t]+)?\[[^\[\]\n]*\][ \t]*:?[ \t]*")
_ADDRESS: Final = re.compile(r"<?[\w.+%~=-]+@[\w-]+(?:\.[\w-]+)*>?")


@dataclass(frozen=True, slots=True)
class ChangelogEntry:
    """One upload: what changed, without the trailer; who and when stand apart."""

    package: str
    version: str
    text: str
    author: str = field(repr=False)
    date: str


def available(doc: Path = DOC) -> bool:
    """Whether this machine carries changelogs; if not, `REASON` tells how to get them."""
    return next(doc.glob("*/changelog.Debian.gz"), None) is not None


def read_changelogs(doc: Path = DOC) -> Iterator[ChangelogEntry]:
    """Every entry of every changelog, in the order of the folders' names; a file reached by two names is read once."""
    seen: set[tuple[int, int]] = set()
    for path in sorted(doc.glob("*/changelog.Debian.gz")):
        status = path.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield from parse_changelog(gzip.decompress(path.read_bytes()))


def parse_changelog(content: bytes) -> Iterator[ChangelogEntry]:
    """The entries of one changelog. Lines outside an entry (old formats, an editor's settings) are passed over."""
    header: re.Match[str] | None = None
    body: list[str] = []
    for raw_line in content.split(b"\n"):
        line = _decode(raw_line).rstrip()
        if found := _HEADER.fullmatch(line):
            header, body = found, []
        elif header is None:
            continue
        elif trailer := _TRAILER.fullmatch(line):
            text = textwrap.dedent("\n".join(body)).strip("\n")
            yield ChangelogEntry(
                header["package"], header["version"], text, trailer["author"], trailer["date"]
            )
            header = None
        elif not line or line[0] in " \t":
            body.append(line)


def scrub(text: str) -> str:
    """The text without `[ Name ]` lines, and with `<address>` for each e-mail address. Names inside sentences stay."""
    kept = [line for line in text.split("\n") if not _AUTHOR_LINE.fullmatch(line)]
    return _ADDRESS.sub("<address>", "\n".join(kept)).strip("\n")


def _decode(line: bytes) -> str:
    """UTF-8, or Latin-1, which entries older than Debian's move to UTF-8 are in and which never fails."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("latin-1")

"""What is to be signed, read from files and datasets as the digests that records name (SPEC §4.2)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from ledger.datasets.experience import check_experience
from ledger.datasets.files import load_file, printable, read_file
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.media import guess_media
from ledger.errors import RefusedInput
from ledger.store.content import ContentStore

Keep = Callable[[bytes], None]  # checks an experience's content and keeps it


class Content(NamedTuple):
    """One content to be signed: `label` is its path or 0-based row index, `digest` has 32 bytes.

    `author` is whom a row names as its author, where its dataset has a column for that.
    """

    label: str | int
    digest: bytes
    size_bytes: int
    form: str
    media: str
    author: str | None = None


def file_contents(files: Sequence[Path], keep: Keep | None) -> Iterator[Content]:
    """Each file as content of form `raw`; `keep` is given where they are experiences. Raises RefusedInput."""
    for path in files:
        if keep is None:
            file = read_file(path)
        else:
            file, content = load_file(path)
            keep(content)
        yield Content(os.fspath(path), file.digest, file.size_bytes, "raw", guess_media(path))


def row_contents(
    path: str | os.PathLike[str], column: str | None, author_column: str | None, keep: Keep | None
) -> Iterator[Content]:
    """Each row of a JSONL dataset: one column, or with None the whole row as JCS. Raises RefusedInput."""
    authors = _authors(path, author_column) if author_column is not None else iter(())
    for row, author in zip_longest(read_jsonl(path, column), authors):
        if row is None or (author is None) != (author_column is None):
            raise RefusedInput(
                "file-changed",
                printable(path),
                "it changed while it was read",
                "Wait until nothing writes to it.",
            )
        if keep is not None:
            keep(row.content)
        digest = hashlib.sha256(row.content).digest()
        yield Content(row.row_index, digest, row.size_bytes, row.form, row.media, author)


def _authors(path: str | os.PathLike[str], column: str) -> Iterator[str]:
    """The author whom each row names: a second reading of the file, in step with the first."""
    for row in read_jsonl(path, column):
        if row.form != "raw":
            raise RefusedInput(
                "author-not-text",
                f"{printable(path)}, row {row.row_index} (line {row.row_index + 1})",
                f"its column {column!a} is no string, so it names no author",
                "Name a column of strings.",
            )
        yield row.content.decode()


@contextmanager
def keeping(store: ContentStore) -> Iterator[Keep]:
    """An experience's content is always kept beside the log (SPEC §4.1); what a failed block kept anew is removed."""
    new: list[bytes] = []

    def keep(content: bytes) -> None:
        check_experience(content)
        digest = hashlib.sha256(content).digest()
        if not store.path(digest).exists():
            new.append(digest)
        store.put(content)

    try:
        yield keep
    except BaseException:
        for digest in new:
            store.remove(digest)
        raise

"""Media types: a table of our own, in the charset that records allow."""

from __future__ import annotations

import re

import pytest

from ledger import spec
from ledger.datasets import media
from ledger.datasets.media import guess_media


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("note.txt", "text/plain"),
        ("a/b.c/note.MD", "text/markdown"),
        ("record.json", "application/json"),
        ("rows.jsonl", "application/x-ndjson"),
        ("photo.png", "image/png"),
        ("archive.tar.gz", "application/gzip"),
        ("README", "application/octet-stream"),
        (".txt", "application/octet-stream"),
        ("note.unknown", "application/octet-stream"),
        ("json", "application/octet-stream"),
    ],
)
def test_the_last_suffix_decides(name: str, expected: str) -> None:
    assert guess_media(name) == expected


def test_every_media_type_may_stand_in_a_record() -> None:
    charset = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*")  # SPEC §3.1
    types = [*media._BY_SUFFIX.values(), media.DEFAULT]
    assert len(types) > 20
    for media_type in types:
        assert charset.fullmatch(media_type)
        assert len(media_type) <= spec.MEDIA_CHARS_MAX
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in media._BY_SUFFIX)

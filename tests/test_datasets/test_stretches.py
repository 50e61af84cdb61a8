"""Stretches of lines: whatever a file holds and wherever it is cut, the digests and refusals are those of the slow reader."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import jsonl, lines, stretches
from ledger.datasets.crew import Crew
from ledger.datasets.digests import JCS, NO_LINE, RAW, Digests
from ledger.datasets.files import RegularFile, fingerprint_of
from ledger.datasets.jsonl import read_jsonl
from ledger.datasets.lines import read_lines
from ledger.datasets.rows import Row
from ledger.datasets.shards import Progress, Shard, ShardReader, checked_to
from ledger.datasets.stretches import Stretch, checksum, digest_stretch
from ledger.datasets.tasks import JSONL, TEXT
from ledger.errors import RefusedInput
from tests.test_datasets.refusals import refused

Outcome = tuple[
    list[bytes], int, int, tuple[str, str, str, str] | None
]  # digests, bytes, forms; code, item, reason, fix

GOOD = [
    b'{"text":"x"}',
    b'{"text": "Stra\xc3\x9fe \xe6\xbc\xa2\xe5\xad\x97", "n": 1}',
    b'{"text":"\\ud83d\\ude00 \\u0000"}',
    b' {"text":"x"}  ',
    b'{"text":"x"}\r',
    b'{"text":{"b":[1,2.5,null,true],"a":"x"}}',
    b'{"text":[]}',
    b'{"text":12}',
    b'{"n":{"text":1},"text":"inner"}',
    b'{"text":"' + b"y" * 80 + b'"}',
]
ODD = [
    b"",
    b" \t\r",
    b"\xef\xbb\xbf{}",
    b'{"text":"x","text":"y"}',
    b'{"n":{"a":1,"a":2},"text":"x"}',
    b'{"text":"\\ud800"}',
    b'{"text":"x","n":"\\udc00"}',
    b'{"text":"\xff"}',
    b'{"text":null}',
    b'{"text":""}',
    b'{"n":1}',
    b"{}",
    b"[]",
    b'"text"',
    b"7",
    b"NaN",
    b'{"text":NaN}',
    b'{"text":"x","n":Infinity}',
    b'{"text":9007199254740993}',
    b'{"text":"x","n":9007199254740993}',
    b'{"text":1e400}',
    b'{"text":"x"} {"text":"y"}',
    b'{"text":"x"},',
    b'{"text":"x"',
    b'{"text":"' + b"z" * 150 + b'"}',
    *(b'{"text":"' + b"z" * count + b'"}' for count in (88, 89, 90, 91, 92)),  # 99 bytes and more
    b'{"text":"x"}' + b" " * 150,
    b'{"text":"x"}' + b"\r" * 150,
    b'{"text":' + b"[" * 70 + b"]" * 70 + b"}",
    b'{"text":"x","n":' + b"[" * 70 + b"]" * 70 + b"}",
    b"x" * 400,
]
LINES = st.lists(
    st.one_of(
        st.sampled_from(GOOD),
        st.sampled_from(GOOD),
        st.sampled_from(GOOD),
        st.sampled_from(ODD),
        st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
        st.dictionaries(
            st.sampled_from(["text", "n", "a"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
                lambda below: st.lists(below, max_size=2),
                max_leaves=3,
            ),
        ).map(lambda row: json.dumps(row).encode()),
    ),
    min_size=1,
    max_size=12,
)


SIZES = st.tuples(st.integers(1, 300), st.sampled_from([1, 16, 1_000]), st.integers(1, 5))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of 100 bytes at most, read in pieces of 16: every boundary is met within a few lines."""
    monkeypatch.setattr(spec, "ROW_BYTES_MAX", 100)
    monkeypatch.setattr(stretches, "_PIECE_BYTES", 16)


def slowly(rows: Iterator[Row]) -> Outcome:
    digests, size_bytes, forms = [], 0, 0
    try:
        for row in rows:
            digests.append(hashlib.sha256(row.content).digest())
            size_bytes += row.size_bytes
            forms |= RAW if row.form == "raw" else JCS
    except RefusedInput as error:
        return digests, size_bytes, forms, (error.code, error.item, error.reason, error.fix)
    return digests, size_bytes, forms, None


def shard_of(path: Path, format_: str) -> Shard:
    with RegularFile(path) as file:
        return Shard(path, format_, file.fingerprint)


def in_stretches(shard: Shard, column: str | None, rows_each: int, progress: Progress) -> Outcome:
    digests, size_bytes, forms = b"", 0, 0
    error = None
    with Crew(0) as crew:
        reader = ShardReader(crew, shard, column, progress, rows_each)
        try:
            while not reader.is_at_end:
                part = reader.take()
                assert part.rows <= rows_each - (reader.progress.rows - part.rows) % rows_each
                digests, size_bytes, forms = (
                    digests + part.digests,
                    size_bytes + part.size_bytes,
                    forms | part.forms,
                )
        except RefusedInput as refusal:
            error = (refusal.code, refusal.item, refusal.reason, refusal.fix)
        at = reader.progress
        assert checked_to(crew, shard, Progress(), at.checked).chain == at.chain
    return [digests[at : at + 32] for at in range(0, len(digests), 32)], size_bytes, forms, error


Sizes = tuple[int, int, int]  # of a stretch and of what is read at once, in bytes; of a record, in rows


def compare(path: Path, content: bytes, format_: str, column: str | None, sizes: Sizes) -> None:
    path.write_bytes(content)
    slow = slowly(read_jsonl(path, column) if format_ == JSONL else read_lines(path))
    stretch, piece, rows_each = sizes
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spec, "STRETCH_BYTES", stretch)
        patch.setattr(stretches, "_PIECE_BYTES", piece)
        assert in_stretches(shard_of(path, format_), column, rows_each, Progress()) == slow


@settings(max_examples=400, deadline=None)
@given(
    LINES,
    st.booleans(),
    st.sampled_from(["text", "text", "text", None, "n"]),
    SIZES,
)
@example([b'{"text":"x"}', b'{"text":"x","text":"y"}'], True, "text", (13, 16, 1))
@example([b'{"text":"x"}'] * 3 + [b'{"text":"' + b"y" * 400 + b'"}'], True, "text", (20, 16, 2))
@example([b'{"text":"' + b"y" * 90 + b'"}'] * 2, True, "text", (1_000, 1_000, 2))
def test_json_lines_are_the_rows_of_the_slow_reader(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[bytes],
    is_ended: bool,
    column: str | None,
    sizes: Sizes,
) -> None:
    content = b"\n".join(rows) + b"\n" * is_ended
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    compare(path, content or b"\n", JSONL, column, sizes)


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=1, max_size=300), SIZES)
@example(b"\n\n\r\n", (1, 1, 1))
@example(b"\xef\xbb\xbfa\n", (2, 16, 2))
@example(b"a\n\xef\xbb\xbfa\n", (2, 16, 2))
@example(b"a\n" + b"x" * 103 + b"\n", (7, 16, 2))
@example(b"a\n" + b"x" * 100 + b"\r\n" + b"y" * 101, (7, 16, 2))
def test_lines_of_a_text_are_the_rows_of_the_slow_reader(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, sizes: Sizes
) -> None:
    path = tmp_path_factory.mktemp("lines") / "rows.txt"
    compare(path, content, TEXT, None, sizes)
    compare(path, content.replace(b"\xff", b"\n").decode("latin-1").encode(), TEXT, None, sizes)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(GOOD), min_size=1, max_size=12),
    st.integers(1, 200),
    st.integers(1, 4),
    st.data(),
)
def test_reading_goes_on_from_wherever_a_record_ended(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[bytes],
    stretch: int,
    rows_each: int,
    data: st.DataObject,
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(b"\n".join(rows) + b"\n")
    shard = shard_of(path, JSONL)
    whole = slowly(read_jsonl(path, "text"))[0]
    with pytest.MonkeyPatch.context() as patch, Crew(0) as crew:
        patch.setattr(spec, "STRETCH_BYTES", stretch)
        reader = ShardReader(crew, shard, "text", Progress(), rows_each)
        wanted = data.draw(st.integers(1, -(-len(rows) // rows_each))) * rows_each
        while reader.progress.rows < min(wanted, len(rows)):
            reader.take()
        at = reader.progress
        left = Progress(at.rows, at.offset, at.checked, at.chain)  # as a journal remembers it
        assert checked_to(crew, shard, Progress(), left.checked).chain == left.chain
        assert in_stretches(shard, "text", rows_each, left)[0] == whole[left.rows :]
        end = ShardReader(crew, shard, "text", left, rows_each)
        while not end.is_at_end:
            end.take()
        assert end.progress.chain == checked_to(crew, shard, Progress(), shard.size_bytes).chain


def test_a_line_belongs_to_the_stretch_that_it_begins_in(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    content = b"ab\ncdefgh\n\ni"
    path.write_bytes(content)
    known = shard_of(path, TEXT).fingerprint

    def found(start: int, stop: int, rows_max: int | None = None) -> tuple[list[bytes], int, int]:
        digest = partial(lines.digest_lines, start == 0)
        answer = digest_stretch(str(path), known, Stretch(start, stop, start == 0, rows_max), digest)
        assert answer.fault is None
        assert answer.crc == zlib.crc32(content[start:stop]) or rows_max is not None
        hashes = [answer.digests[at : at + 32] for at in range(0, len(answer.digests), 32)]
        return hashes, answer.first, answer.end

    def of(*texts: bytes) -> list[bytes]:
        return [hashlib.sha256(text).digest() for text in texts]

    assert found(0, 12) == (of(b"ab", b"cdefgh", b"", b"i"), 0, 12)
    assert found(0, 3) == (of(b"ab"), 0, 3)
    assert found(0, 4) == (of(b"ab", b"cdefgh"), 0, 10)
    assert found(3, 4) == (of(b"cdefgh"), 3, 10)
    assert found(4, 10) == ([], NO_LINE, NO_LINE)
    assert found(4, 11) == (of(b""), 10, 11)
    assert found(11, 12) == (of(b"i"), 11, 12)
    assert found(0, 12, 2) == (of(b"ab", b"cdefgh"), 0, 10)


def test_the_short_way_is_taken_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison above would compare the slow reader with itself, or the fast way would decide alone."""
    asked: list[bytes] = []

    def parse_line(line: bytes, column: str | None) -> Any:
        asked.append(line)
        return original(line, column)

    original = jsonl.parse_line
    monkeypatch.setattr(jsonl, "parse_line", parse_line)
    found = Digests()
    jsonl.digest_lines("text", iter([line + b"\n" for line in GOOD]), found)
    assert len(found.hashes) == len(GOOD)
    assert [line[:-1] for line in asked] == [GOOD[3], *GOOD[5:8]]
    assert found.forms == RAW | JCS


def test_a_file_that_is_another_or_changes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a\nb\n")
    known = shard_of(path, TEXT).fingerprint
    digest = partial(lines.digest_lines, True)
    for other in (
        known._replace(inode=known.inode + 1),
        known._replace(device=known.device + 1),
        known._replace(size_bytes=5),
        known._replace(mtime_ns=known.mtime_ns + 1),
        known._replace(ctime_ns=known.ctime_ns + 1),
    ):
        with refused("file-changed", "rows.txt"):
            digest_stretch(str(path), other, Stretch(0, 4), digest)
        with refused("file-changed", "rows.txt"):
            checksum(str(path), other, 0, 4)

    def write_meanwhile(_lines: Iterator[bytes], _found: Digests) -> None:
        path.write_bytes(b"a\nb\nc\n")

    with refused("file-changed", "rows.txt"):
        digest_stretch(str(path), known, Stretch(0, 4), write_meanwhile)


def test_a_file_that_shrinks_under_its_reader_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"a\n" * 40)
    known = shard_of(path, TEXT).fingerprint

    def cut(_lines: Iterator[bytes], _found: Digests) -> None:
        path.write_bytes(b"a\n")

    with refused("file-changed", "rows.txt"):
        digest_stretch(str(path), known, Stretch(0, 80), cut)


def test_stretches_that_do_not_meet_are_a_change(tmp_path: Path) -> None:
    """Two workers that saw two states of a file between them: what one ends and the other begins with differs."""
    path = tmp_path / "rows.txt"
    path.write_bytes(b"aaa\nbbb\nccc\n")
    shard = shard_of(path, TEXT)

    class Shifting(Crew):
        def submit(self, name: str, *arguments: Any) -> Any:
            if name == "lines" and arguments[-1][0] >= 4:
                path.write_bytes(b"aaaaaaa\nccc\n")
                changed = fingerprint_of(path)
                arguments = (arguments[0], list(changed), *arguments[2:])
            return super().submit(name, *arguments)

    with pytest.MonkeyPatch.context() as patch, Shifting(0) as crew:
        patch.setattr(spec, "STRETCH_BYTES", 4)
        reader = ShardReader(crew, shard, None, Progress(), 10)
        with refused("file-changed", "rows.txt"):
            while not reader.is_at_end:
                reader.take()

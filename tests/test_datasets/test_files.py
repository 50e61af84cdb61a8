"""Files and folders: digests of whole files only, and every kind of path that is none named before anything is read."""

from __future__ import annotations

import hashlib
import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import spec
from ledger.datasets import files
from ledger.datasets.files import FileContent, load_file, printable, read_file, walk
from ledger.errors import NotFound
from tests.test_datasets.refusals import refused


def made(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def unix_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)  # a socket's name is at most 107 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock")
    return tmp_path / "sock"


def test_digest_and_size_are_of_the_bytes(tmp_path: Path) -> None:
    for content in (b"", b"abc", bytes(range(256)) * 20_000):
        path = made(tmp_path / "f", content)
        expected = FileContent(path, hashlib.sha256(content).digest(), len(content))
        assert read_file(path) == expected
        assert load_file(str(path), max_bytes=len(content) or 1) == (expected, content)


def test_a_large_file_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(64 * 1_048_576)
    tracemalloc.start()
    try:
        assert read_file(path).size_bytes == 64 * 1_048_576
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * 1_048_576


def test_load_file_refuses_before_it_reads(tmp_path: Path) -> None:
    path = made(tmp_path / "f", b"abcd")
    with refused("too-large", "f", "3 bytes"):
        load_file(path, max_bytes=3)


def test_a_sparse_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "f", b"abcd")
    monkeypatch.setattr(spec, "CONTENT_BYTES_MAX", 3)
    for act in (read_file, lambda path: walk([path])):
        with refused("too-large", "f"):
            act(path)


@pytest.mark.parametrize("reader", [read_file, load_file, lambda path: walk([path])])
class TestWhatIsNoFile:
    """Every reader refuses the same, and none of them blocks."""

    def test_a_missing_file(self, tmp_path: Path, reader: object) -> None:
        assert callable(reader)
        made(tmp_path / "f")
        for missing in (tmp_path / "gone", tmp_path / "f" / "below", "", "zero\0byte"):
            with pytest.raises(NotFound) as caught:
                reader(missing)
            assert caught.value.code == "file-not-found"
            assert caught.value.fix

    def test_a_dangling_link(self, tmp_path: Path, reader: object) -> None:
        assert callable(reader)
        (tmp_path / "link").symlink_to("gone")
        with refused("dangling-link", "link"):
            reader(tmp_path / "link")

    def test_a_link_to_itself(self, tmp_path: Path, reader: object) -> None:
        assert callable(reader)
        (tmp_path / "link").symlink_to("link")
        with refused("link-loop", "link"):
            reader(tmp_path / "link")

    def test_a_pipe(self, tmp_path: Path, reader: object) -> None:
        assert callable(reader)
        os.mkfifo(tmp_path / "pipe")
        with refused("not-a-regular-file", "pipe", "pipe"):
            reader(tmp_path / "pipe")

    def test_a_socket(self, unix_socket: Path, reader: object) -> None:
        assert callable(reader)
        with refused("not-a-regular-file", "sock", "socket"):
            reader(unix_socket)

    def test_a_device(self, reader: object) -> None:
        assert callable(reader)
        with refused("not-a-regular-file", "/dev/null", "device"):
            reader("/dev/null")

    def test_a_file_that_may_not_be_read(
        self, tmp_path: Path, reader: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Root reads everything, so the refusal is the system call's, made here.
        assert callable(reader)
        path = made(tmp_path / "secret")

        def denied(name: object, flags: int) -> int:
            assert name == path
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", denied)
        with refused("unreadable", "secret", "Permission denied"):
            reader(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with refused("is-a-folder", tmp_path.name):
        read_file(tmp_path)


def test_a_pipe_put_in_the_files_place_is_neither_waited_for_nor_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "f")
    real_open = os.open

    def swap_and_open(name: Path, flags: int) -> int:
        path.unlink()
        os.mkfifo(path)
        assert flags & os.O_NONBLOCK, "opening would wait for a writer"
        return real_open(name, flags)

    monkeypatch.setattr(os, "open", swap_and_open)
    with refused("not-a-regular-file", "f", "pipe"):
        read_file(path)


def test_a_file_that_vanishes_before_it_is_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(tmp_path / "f")
    real_open = os.open

    def vanish_and_open(name: Path, flags: int) -> int:
        path.unlink()
        return real_open(name, flags)

    monkeypatch.setattr(os, "open", vanish_and_open)
    with refused("file-not-found", "f"):
        walk([path])


@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, change: str) -> None:
    path = made(tmp_path / "f", b"abc" * 1_000_000)
    os.utime(path, ns=(0, 0))
    with files.RegularFile(path) as file:
        chunks = file.chunks()
        assert len(next(chunks)) == 1_048_576
        if change == "grow":
            with path.open("ab") as other:
                other.write(b"more")
        elif change == "shrink":
            os.truncate(path, 2_000_000)
        else:
            path.write_bytes(b"xyz" * 1_000_000)  # the same size
        with refused("file-changed", "f"):
            list(chunks)


def test_a_file_that_grows_as_fast_as_it_is_read_comes_to_an_end(tmp_path: Path) -> None:
    path = made(tmp_path / "f", b"x" * 1_048_576)
    with files.RegularFile(path) as file:
        chunks = file.chunks()
        assert len(next(chunks)) == 1_048_576
        with path.open("ab") as other:
            other.write(b"x" * 1_048_576)
        with refused("file-changed", "f"):
            next(chunks)


def test_a_file_whose_stated_size_is_not_its_contents_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As under /sys, where every file says 4,096 bytes.
    path = made(tmp_path / "f", b"abc")
    real_fstat = os.fstat

    def overstated(descriptor: int) -> os.stat_result:
        fields = list(real_fstat(descriptor)[:10])
        fields[6] = 4_096
        return os.stat_result(fields)

    monkeypatch.setattr(os, "fstat", overstated)
    with refused("file-changed", "f"):
        read_file(path)


def test_a_failing_disk_is_a_refusal(tmp_path: Path) -> None:
    path = made(tmp_path / "f", b"abc")
    with files.RegularFile(path) as file:
        os.dup2(os.open(tmp_path, os.O_RDONLY), file._file.fileno())  # reading a folder fails: EISDIR
        with refused("unreadable", "f", "directory"):
            list(file.chunks())


def test_walk_takes_folders_in_byte_order_and_paths_in_theirs(tmp_path: Path) -> None:
    for name in ("b/z", "b/a/é", "b/a-1", "b/a/z", "b/B", "b/.git/config", "b/a/.hidden", "last", ".named"):
        made(tmp_path / name)
    found = walk([tmp_path / "last", str(tmp_path / "b"), tmp_path / ".named"])
    assert [file.relative_to(tmp_path).as_posix() for file in found.files] == [
        "last",
        "b/B",
        "b/a-1",
        "b/a/z",
        "b/a/é",
        "b/z",
        ".named",
    ]
    assert found.hidden_count == 2


@given(st.sets(st.lists(st.sampled_from(["a", "b", "é", "a-", "A"]), min_size=1, max_size=3).map(tuple)))
def test_walk_finds_every_file_once_in_byte_order(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[tuple[str, ...]]
) -> None:
    folder = tmp_path_factory.mktemp("walk")
    # A name cannot be a file and a folder: folders get a suffix of their own.
    made_files = {made(folder.joinpath(*(f"{part}.d" for part in parts[:-1]), parts[-1])) for parts in wanted}
    if not made_files:
        with refused("folder-empty"):
            walk([folder])
        return
    assert walk([folder, *made_files, folder]).files == sorted(made_files, key=os.fsencode)


def test_what_travels_beside_a_file_is_passed_over_inside_a_folder(tmp_path: Path) -> None:
    beside = ("a.md.tlog-proof", "a.md.salt", "b/rows.jsonl.receipts.parquet")
    kept = ("a.md", "alone.md.tlog-proof", "b/.salt.md", "b/a.md.salt", "b/rows.jsonl", "salt")
    for name in (*beside, *kept):
        made(tmp_path / "d" / name)
    found = walk([tmp_path / "d"])
    assert [file.relative_to(tmp_path / "d").as_posix() for file in found.files] == [
        name for name in kept if name != "b/.salt.md"
    ]
    assert (found.companion_count, found.hidden_count) == (3, 1)
    named = tmp_path / "d" / beside[0]
    assert walk([named]) == files.Walk([named], 0, 0)


def test_an_empty_folder_is_refused_and_a_hidden_file_does_not_fill_it(tmp_path: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    with refused("folder-empty", "empty"):
        walk([tmp_path / "empty"])
    made(tmp_path / "empty" / ".hidden")
    with refused("folder-empty", "empty", "1 hidden"):
        walk([tmp_path / "empty"])
    with refused("no-paths"):
        walk([])


def test_a_link_may_not_lead_out_of_its_folder(tmp_path: Path) -> None:
    outside = made(tmp_path / "folder-of-others" / "f")
    made(tmp_path / "folder" / "own")
    link = tmp_path / "folder" / "link"
    for target in (outside, outside.parent):
        link.symlink_to(target)
        with refused("link-leaves-folder", "link"):
            walk([tmp_path / "folder"])
        link.unlink()
    named = tmp_path / "named"
    named.symlink_to(outside)
    assert walk([named]).files == [named]


def test_links_inside_a_folder_list_no_file_twice_and_end(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    made(folder / "a" / "f")
    (folder / "b").symlink_to("a", target_is_directory=True)
    (folder / "a" / "up").symlink_to("..", target_is_directory=True)
    (folder / "g").symlink_to("a/f")
    assert walk([folder]).files == [folder / "a" / "f"]


@pytest.mark.parametrize("kind", ["pipe", "dangling-link", "link-loop"])
def test_one_bad_name_in_a_folder_refuses_the_whole(tmp_path: Path, kind: str) -> None:
    made(tmp_path / "folder" / "good")
    bad = tmp_path / "folder" / "bad"
    if kind == "pipe":
        os.mkfifo(bad)
    else:
        bad.symlink_to("gone" if kind == "dangling-link" else "bad")
    with refused("not-a-regular-file" if kind == "pipe" else kind, "bad"):
        walk([tmp_path / "folder"])


def test_a_folder_that_may_not_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path / "folder" / "f")

    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", denied)
    with refused("unreadable", "folder", "Permission denied"):
        walk([tmp_path / "folder"])


def test_a_name_that_is_no_utf_8_is_read_and_shown(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9\n\x1b[2J")
    path = made(tmp_path / name)
    assert walk([tmp_path]).files == [path]
    assert printable(name) == r"caf\xe9\n\x1b[2J"
    assert printable("漢字 é") == "漢字 é"
    with refused("file-not-found", r"caf\xe9\n"):
        read_file(tmp_path / "gone" / name)

"""Cosigned notes that are kept: whole or not at all, whoever else has put names there (SPEC §10.9)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import spec
from ledger.errors import StoreFault
from ledger.store.cosigned import FOLDER, CosignedNotes
from tests.hostile import within


def test_nothing_is_made_before_something_is_kept(tmp_path: Path) -> None:
    notes = CosignedNotes(tmp_path)
    assert (notes.sizes(), notes.look(), notes.all(), notes.of(3)) == ([], [], [], None)
    assert list(tmp_path.iterdir()) == []


def test_notes_are_kept_by_size(tmp_path: Path) -> None:
    notes = CosignedNotes(tmp_path)
    for size in (70, 3, 2**48):
        notes.put(size, b"note of %d" % size)
    notes.put(70, b"another one")
    assert notes.sizes() == [3, 70, 2**48]
    assert notes.all() == [b"note of 3", b"another one", b"note of %d" % 2**48]
    assert notes.of(70) == b"another one"
    assert notes.path(70) == tmp_path / FOLDER / "00000000000000000070.note"
    notes.drop(70)
    notes.drop(70)
    assert CosignedNotes(tmp_path).sizes() == [3, 2**48]


def test_other_names_are_not_touched(tmp_path: Path) -> None:
    notes = CosignedNotes(tmp_path)
    notes.put(3, b"note")
    others = [
        "3.note",
        "00000000000000000004.note.bak",
        "0000000000000000000x.note",
        "\N{ARABIC-INDIC DIGIT ZERO}" * 20 + ".note",
        "README",
    ]
    for name in others:
        (notes.folder / name).write_bytes(b"other")
    with notes.held():
        notes.put(5, b"five")
    assert notes.sizes() == [3, 5]
    assert all((notes.folder / name).read_bytes() == b"other" for name in others)


@pytest.mark.parametrize(
    ("plant", "code"),
    [
        (lambda path: path.symlink_to("/etc/hostname"), "not-a-regular-file"),
        (lambda path: path.mkdir(), "not-a-regular-file"),
        (os.mkfifo, "not-a-regular-file"),
        (lambda path: path.write_bytes(bytes(spec.NOTE_BYTES_MAX + 1)), "too-large"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, plant: Callable[[Path], object], code: str) -> None:
    notes = CosignedNotes(tmp_path)
    notes.put(3, b"three")
    with within(10):
        plant(notes.path(4))
        first, second = notes.look()
    assert (first.note, first.fault) == (b"three", None)
    assert second.note is None
    assert second.fault is not None
    assert second.fault.code == code
    assert notes.all() == [b"three"]
    with pytest.raises(StoreFault):
        notes.of(4)


def test_nothing_is_done_through_a_link(tmp_path: Path) -> None:
    ledger, elsewhere = tmp_path / "ledger", tmp_path / "elsewhere"
    ledger.mkdir()
    elsewhere.mkdir()
    (ledger / FOLDER).symlink_to(elsewhere)
    notes = CosignedNotes(ledger)
    for use in (
        lambda: notes.put(3, b"x"),
        notes.look,
        lambda: notes.of(3),
        lambda: notes.held().__enter__(),
    ):
        with pytest.raises(StoreFault) as error:
            use()
        assert error.value.code == "link-refused"
    assert list(elsewhere.iterdir()) == []


def test_of_too_many_the_first_and_the_last_are_read(tmp_path: Path) -> None:
    notes = CosignedNotes(tmp_path)
    notes.put(0, b"0")
    for size in range(1, 3 * spec.COSIGNED_KEPT_MAX):
        notes.path(size).write_bytes(b"x")
    half = spec.COSIGNED_KEPT_MAX
    assert notes.sizes() == [
        *range(half),
        *range(3 * spec.COSIGNED_KEPT_MAX - half, 3 * spec.COSIGNED_KEPT_MAX),
    ]


def test_one_replaces_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = CosignedNotes(tmp_path)
    monkeypatch.setattr(spec, "COSIGNED_WAIT_S", 0)
    with notes.held(), pytest.raises(StoreFault) as error, CosignedNotes(tmp_path).held():
        pass
    assert error.value.code == "cosigned-busy"
    with CosignedNotes(tmp_path).held():  # it ends with its holder
        pass


KILLED = """
import os, sys
from pathlib import Path
from ledger.store.cosigned import CosignedNotes
from ledger.store import files

notes = CosignedNotes(Path(sys.argv[1]))
with notes.held():
    os.fsync = lambda _descriptor: os._exit(9)
    notes.put(3, b"half of it")
"""


def test_what_a_process_that_died_left_is_cleared_away(tmp_path: Path) -> None:
    notes = CosignedNotes(tmp_path)
    notes.put(3, b"whole")
    ran = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert ran.returncode == 9
    assert len(list(notes.folder.glob(".*.tmp"))) == 1
    assert notes.all() == [b"whole"]
    with notes.held():
        notes.put(3, b"whole and more")
    assert list(notes.folder.glob(".*.tmp")) == []
    assert notes.all() == [b"whole and more"]


@pytest.mark.parametrize("is_persisted", [False, True])
def test_a_write_that_fails_leaves_one_or_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_persisted: bool
) -> None:
    """Lost; or persisted, but reported as failed: the note is the old one or the new one, and the next asking mends it."""
    notes = CosignedNotes(tmp_path)
    notes.put(3, b"old")
    replace = Path.replace

    def fails(self: Path, target: Path) -> None:
        if is_persisted:
            replace(self, target)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fails)
        with pytest.raises(StoreFault) as error:
            notes.put(3, b"new")
        assert error.value.code == "store-failed"
    assert notes.of(3) == (b"new" if is_persisted else b"old")
    notes.put(3, b"new")
    assert notes.of(3) == b"new"

"""The outbox of a ledger: durable or never signed, in order, nothing replaced, nobody kept waiting (SPEC §10.5)."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import LineageError, StoreFault
from ledger.store import outbox as outbox_module
from ledger.store.outbox import Outbox, Refusal, name_of
from tests.hostile import PLANTS, within
from tests.test_signer.steps import crash_at_each

A, B = b"a" * 16, b"b" * 16
WHY = Refusal("key-not-in-force", "statement", "it was rotated", "Sign it again.", 2)


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    return raised.value.code


def places(outbox: Outbox) -> list[tuple[bytes, int]]:
    return [(parcel.lane, parcel.seq) for parcel in outbox.waiting()]


def test_put_parcels_are_found_in_lane_order_and_removed(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    assert [*outbox.waiting(), *outbox.refused(), *outbox.foreign()] == []
    assert not outbox.folder.exists()
    for lane, seq in ((B, 0), (A, 0), (A, 2), (A, 10), (B, 1)):
        outbox.put(lane, seq, lane + bytes([seq]))
    assert places(outbox) == [(A, 0), (A, 2), (A, 10), (B, 0), (B, 1)]
    for parcel in outbox.waiting():
        assert outbox.read(parcel) == parcel.lane + bytes([parcel.seq])
        assert parcel.size_bytes == 17
        assert outbox.is_waiting(parcel.lane, parcel.seq)
        outbox.remove(parcel)
        assert not outbox.is_waiting(parcel.lane, parcel.seq)
        outbox.remove(parcel)  # a second time is no fault
    assert outbox.waiting() == []


def test_outbox_is_its_owners_alone(tmp_path: Path) -> None:
    path = Outbox(tmp_path).put(A, 0, b"data")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_same_bytes_again_are_no_work_and_others_are_refused(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    path = outbox.put(A, 0, b"data")
    assert outbox.put(A, 0, b"data") == path
    assert code_of(lambda: outbox.put(A, 0, b"other")) == "outbox-taken"
    assert path.read_bytes() == b"data"


def test_parcel_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "PARCEL_BYTES_MAX", 4)
    Outbox(tmp_path).put(A, 0, b"four")
    assert code_of(lambda: Outbox(tmp_path).put(A, 1, b"5five")) == "too-large"
    assert places(Outbox(tmp_path)) == [(A, 0)]


def test_put_that_fails_at_any_step_leaves_the_whole_parcel_or_none(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(B, 0, b"before")
    steps = 0
    for steps in crash_at_each(lambda: outbox.put(A, 0, b"whole" * 100)):  # noqa: B007
        left = outbox.folder / name_of(A, 0)
        assert not left.exists() or left.read_bytes() == b"whole" * 100
        left.unlink(missing_ok=True)
        assert places(outbox) == [(B, 0)]
    assert steps == 3  # the file, its name, the folder
    assert places(outbox) == [(A, 0), (B, 0)]


def test_name_that_was_not_synced_is_synced_when_it_is_put_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")
    synced: list[Path] = []
    monkeypatch.setattr(outbox_module, "sync_folder", synced.append)
    outbox.put(A, 0, b"data")
    assert synced == [outbox.folder]


@pytest.mark.parametrize("name", ["write", "fsync"])
def test_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(B, 0, b"before")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if name == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(os, "fdopen", full)
    with pytest.raises(StoreFault, match="No space left") as raised:
        outbox.put(A, 0, b"data")
    assert raised.value.code == "outbox-unwritable"
    assert [path.name for path in outbox.folder.iterdir()] == [name_of(B, 0)]


PLACES = st.sets(st.tuples(st.sampled_from([A, B]), st.integers(0, 9)))


@settings(deadline=None)
@given(lengths=st.tuples(*[st.integers(0, 3)] * 6), missed_first=PLACES, missed_then=PLACES)
def test_listing_beside_writers_never_has_a_gap(
    tmp_path_factory: pytest.TempPathFactory,
    lengths: tuple[int, ...],
    missed_first: set[tuple[bytes, int]],
    missed_then: set[tuple[bytes, int]],
) -> None:
    """Lanes are put in order. A reading shows all that was there before it, and of what is made meanwhile anything."""
    before, during_first, during_then = (
        {
            (lane, seq)
            for lane, counts in ((A, lengths[:3]), (B, lengths[3:]))
            for seq in range(sum(counts[:part]), sum(counts[: part + 1]))
        }
        for part in range(3)
    )
    shown = [
        before | (during_first - missed_first),
        before | during_first | (during_then - missed_then),
    ]
    outbox = Outbox(tmp_path_factory.mktemp("ledger"))
    for lane, seq in before | during_first | during_then:
        outbox.put(lane, seq, b"data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "_names", lambda _self: list(shown.pop(0)))
        found = places(outbox)
    for lane in (A, B):
        seqs = [seq for one, seq in found if one == lane]
        assert seqs == list(range(len(seqs)))
    assert set(found) >= before


def test_refused_parcel_lies_aside_with_its_reason(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for data in (b"first", b"second"):
        outbox.put(A, 7, data)
        (parcel,) = outbox.waiting()
        assert outbox.refuse(parcel, WHY).read_bytes() == data
    assert outbox.waiting() == []
    assert [path.read_bytes() for path in outbox.refused()] == [b"first", b"second"]
    assert [outbox.why(path) for path in outbox.refused()] == [WHY, WHY]
    assert outbox.refusal(A, 7) == WHY
    assert outbox.refusal(A, 8) is None
    assert outbox.foreign() == []


def test_reason_is_there_before_the_parcel_is_gone(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")
    (parcel,) = outbox.waiting()
    steps = 0
    for steps in crash_at_each(lambda: outbox.refuse(parcel, WHY)):  # noqa: B007
        assert outbox.is_waiting(A, 0) or outbox.refusal(A, 0) == WHY
        if not outbox.is_waiting(A, 0):
            outbox.put(A, 0, b"data")
            for path in outbox.refused_folder.iterdir():
                path.unlink()
    assert steps > 3
    assert outbox.refusal(A, 0) == WHY


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{}", b'{"code": 1}', b"\xff", b"[" * 9_999, b'{"code":"a","item":1}']
)
def test_reason_that_cannot_be_read_is_none(tmp_path: Path, text: bytes) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")
    path = outbox.refuse(outbox.waiting()[0], WHY)
    path.with_name(path.name + ".json").write_bytes(text)
    assert outbox.refused() == [path]
    assert outbox.why(path) is outbox.refusal(A, 0) is None


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_parcel_keeps_nobody_and_can_be_put_aside(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(B, 0, b"data")
    plant(outbox.folder / name_of(A, 0))
    with within():
        planted, _other = outbox.waiting()
        assert code_of(lambda: outbox.read(planted)) in ("not-a-regular-file", "too-large")
        assert code_of(lambda: outbox.put(A, 0, b"mine")) == "outbox-taken"
        outbox.refuse(planted, WHY)
    assert places(outbox) == [(B, 0)]
    assert outbox.refusal(A, 0) == WHY


def test_foreign_names_are_told_and_left(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")
    names = ["notes.txt", name_of(B, 0).upper(), name_of(B, 0) + "\n", "b.parcel", name_of(B, 0) + ".2"]
    for name in names:
        (outbox.folder / name).write_bytes(b"x")
    assert places(outbox) == [(A, 0)]
    assert sorted(path.name for path in outbox.foreign()) == sorted(names)


def test_outbox_that_is_a_link_is_refused(tmp_path: Path) -> None:
    elsewhere, ledger = tmp_path / "elsewhere", tmp_path / "ledger"
    Outbox(elsewhere).put(A, 0, b"data")
    ledger.mkdir()
    (ledger / "outbox").symlink_to(elsewhere / "outbox")
    outbox = Outbox(ledger)
    for use in (outbox.waiting, outbox.refused, lambda: outbox.put(B, 0, b"data")):
        assert code_of(use) == "link-refused"
    assert places(Outbox(elsewhere)) == [(A, 0)]


def test_what_was_left_half_written_is_swept_after_a_day(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    path = outbox.put(A, 0, b"data")
    old, new = (path.with_name(f".{name_of(B, seq)}.0011223344556677.tmp") for seq in (0, 1))
    for unfinished in (old, new):
        unfinished.write_bytes(b"half")
    os.utime(old, (0, 0))
    os.utime(path, (0, 0))
    assert places(outbox) == [(A, 0)]
    assert outbox.sweep() == 1
    assert [one.exists() for one in (path, old, new)] == [True, False, True]


def test_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")

    def denied(_self: Path) -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", denied)
    for use in (outbox.waiting, outbox.refused, outbox.foreign):
        assert code_of(use) == "store-failed"


def test_folder_that_may_not_be_searched_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its names can be listed, and no file in it looked at."""
    outbox = Outbox(tmp_path)
    outbox.put(A, 0, b"data")
    lstat = Path.lstat

    def denied(self: Path) -> Any:
        if self.suffix == ".parcel":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return lstat(self)

    monkeypatch.setattr(Path, "lstat", denied)
    with pytest.raises(StoreFault) as raised:
        outbox.waiting()
    assert (raised.value.code, bool(raised.value.fix)) == ("store-failed", True)

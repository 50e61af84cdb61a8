"""Processes that are forked: readers that inherit a ledger, and workers that inherit a batch."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkContext
from pathlib import Path

import pytest

import ledger
from ledger.api.batch import Batch
from ledger.statements.entry import decode_entry
from ledger.store import forkgate
from ledger.store.forkgate import Gate, Uses
from tests.batch_scene import Place, code_of, error_of, quick, wait_until

FORK: ForkContext = multiprocessing.get_context("fork")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def in_child(run: Callable[[], object], *, most_s: float = 60) -> int:
    """The exit code of a forked child that runs this: 0 if it came to its end."""
    pid = os.fork()
    if not pid:
        code = 1
        with suppress(BaseException):
            run()
            code = 0
        os._exit(code)
    ended: list[int] = []

    def is_ended() -> bool:
        found, status = os.waitpid(pid, os.WNOHANG)
        ended.extend([os.waitstatus_to_exitcode(status)] if found else [])
        return bool(ended)

    try:
        wait_until(is_ended, "the child comes to its end", most_s)
    except AssertionError:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        raise
    return ended[0]


@contextmanager
def busy(*uses: Callable[[], object]) -> Iterator[None]:
    """Threads that do this again and again meanwhile."""
    ended = threading.Event()

    def work(use: Callable[[], object]) -> None:
        while not ended.is_set():
            use()

    threads = [threading.Thread(target=work, args=(use,)) for use in uses]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


# Readers


class Loader:
    """A data loader's dataset: opened in the parent, read in its workers."""

    def __init__(self, opened: ledger.Ledger, ids: list[bytes]) -> None:
        self.opened = opened
        self.ids = ids

    def __call__(self, index: int) -> tuple[int, int]:
        with self.opened.view() as view:
            number = view.find_artifact(self.ids[index])[0]
            assert view.record(number) is not None
        return index, len(self.opened.trace(self.ids[index]).humans)


LOADERS: list[Loader] = []


def load(index: int) -> tuple[int, int]:
    return LOADERS[0](index)


@pytest.mark.parametrize("is_readonly", [True, False])
def test_workers_of_a_data_loader_read_what_their_parent_opened(place: Place, is_readonly: bool) -> None:
    with place.open() as opened, opened.batch("ada") as batch:
        ids = [batch.add(f"{number}").id for number in range(20)]
    with place.open(readonly=is_readonly) as opened:
        LOADERS[:] = [Loader(opened, ids)]
        with opened.view() as view, FORK.Pool(3) as pool:
            assert pool.map(load, range(20)) == [(number, 1) for number in range(20)]
            assert view.find_artifact(ids[0])  # the parent's own view goes on
        assert load(3) == (3, 1)
        if not is_readonly:
            with quick(opened) as batch:
                assert batch.add("later").receipt.result(30)
    assert place.is_sound()


def test_child_reads_with_many_threads_at_once(place: Place) -> None:
    """The first that comes opens the store anew, for all of them."""
    with place.open() as opened:
        with opened.batch("ada") as batch:
            item = batch.add("one")

        def read() -> None:
            found: list[int] = []
            threads = [
                threading.Thread(target=lambda: found.append(len(opened.trace(item.id).humans)))
                for _ in range(8)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert found == [1] * 8

        for _ in range(5):
            assert in_child(read) == 0


def test_fork_while_other_threads_read_and_write(place: Place) -> None:
    """What they have in hand would be held for ever in the child, and the store refused to it."""
    with place.open() as opened, quick(opened) as batch:
        item = batch.add("one")
        item.receipt.result(30)

        def write() -> None:
            batch.add(os.urandom(8).hex()).receipt.result(30)

        with busy(lambda: opened.trace(item.id), lambda: opened.receipt(item.id), write):
            for _ in range(30):
                assert in_child(lambda: opened.trace(item.id)) == 0
    assert place.is_sound()


# The gate that a fork waits at


def test_fork_waits_until_nobody_is_inside_and_lets_nobody_in() -> None:
    uses, other = Uses(), Uses()
    told: list[str] = []
    entered, may_leave = threading.Event(), threading.Event()

    def stay() -> None:
        with uses:
            entered.set()
            may_leave.wait(30)
            told.append("left")

    def come_late() -> None:
        with other:
            told.append("came")

    inside = threading.Thread(target=stay)
    late = threading.Thread(target=come_late)
    inside.start()
    assert entered.wait(30)

    def close() -> None:
        Gate.close()
        told.append("closed")

    closing = threading.Thread(target=close)
    closing.start()
    wait_until(lambda: Gate.is_closed, "it is closed")
    late.start()
    assert told == []
    may_leave.set()
    closing.join(30)
    assert told == ["left", "closed"]
    Gate.open()
    late.join(30)
    inside.join(30)
    assert told == ["left", "closed", "came"]
    assert (uses.count, other.count) == (0, 0)


def test_fork_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forkgate, "FORK_WAIT_S", 0.05)
    uses = Uses()
    with uses:
        assert in_child(lambda: os._exit(uses.count)) == 0
    assert not Gate.is_closed


# Workers that inherit a batch


def test_child_signs_in_a_lane_of_its_own(place: Place) -> None:
    with place.open() as opened:
        with quick(opened) as batch:
            batch.add("of the parent").signed.result(30)

            def work() -> None:
                item = batch.add("of the child")
                assert item.signed.result(30)
                batch.flush()

            assert in_child(work) == 0
            batch.add("of the parent again").receipt.result(30)
        ids = [opened.find_text(text)[0] for text in ("of the parent", "of the child", "of the parent again")]
        with opened.view() as view:
            entries = [view.entry(view.locate(view.find_artifact(each)[0])[0]) for each in ids]
    places = [decode_entry(entry).statement for entry in entries]
    assert places[0].lane == places[2].lane != places[1].lane
    assert [item.seq for item in places] == [0, 0, 1]
    assert place.is_sound()


def test_child_does_not_wait_for_what_its_parent_added(place: Place) -> None:
    with place.open() as opened, opened.batch("ada", age_s=3_600) as batch:
        item = batch.add("of the parent")
        signed, receipt = item.signed, item.receipt

        def work() -> None:
            for future in (signed, receipt, item.signed, item.receipt):
                assert error_of(future) == "batch-of-parent"
            assert batch.find(item.id) is None
            again = batch.add("of the parent")  # which the child cannot know to come
            batch.flush()
            assert again.signed.done()

        assert in_child(work) == 0
        batch.flush()
        assert item.receipt.result(30)
        assert receipt.result(30)
    assert place.places(item.id) in (1, 2)
    assert place.is_sound()


def test_child_that_leaves_the_block_signs_its_own_and_not_its_parents(place: Place) -> None:
    with place.open() as opened:
        batch = opened.batch("ada", age_s=3_600)
        batch.__enter__()
        batch.add("of the parent")

        def work() -> None:
            batch.add("of the child")
            batch.__exit__(None, None, None)
            assert code_of(lambda: batch.add("late")) == "batch-ended"

        assert in_child(work) == 0
        assert len(place.outbox.waiting()) == 1
        batch.__exit__(None, None, None)
        for text in ("of the parent", "of the child"):
            opened.drain()
            assert len(opened.find_text(text)) == 1


def add_and_end(batch: Batch, text: str) -> None:
    batch.add(text)


def test_worker_of_multiprocessing_signs_before_it_ends(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada", age_s=3_600) as batch:
            process = FORK.Process(target=add_and_end, args=(batch, "of a worker"))
            process.start()
            process.join(60)
            assert process.exitcode == 0
        opened.drain()
        assert opened.find_text("of a worker")
    assert place.is_sound()


def test_fork_in_the_midst_of_all_threads_loses_nothing(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada", records=4, age_s=0.001) as batch:
            texts: list[str] = []

            def add() -> None:
                texts.append(f"thread {os.urandom(8).hex()}")
                batch.add(texts[-1]).signed.result(30)

            def work() -> None:
                for number in range(3):
                    batch.add(f"child {os.getpid()} {number}")
                batch.flush()

            with busy(add, add):
                for _ in range(10):
                    assert in_child(work) == 0
        opened.drain()
        assert {len(opened.find_text(text)) for text in texts} == {1}
        assert opened.status()["records"] == len(texts) + 30
    assert place.refused() == []
    assert place.is_sound()

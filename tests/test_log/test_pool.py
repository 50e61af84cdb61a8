"""Many threads, few commits: every submission gets its own answer (`ledger.log.pool`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.log.pool import Pool
from ledger.log.writer import Appended
from ledger.statements.entry import decode_entry
from ledger.store.memory import MemoryStore
from tests.faults import Fault, FaultyStore
from tests.test_log.scene import Scene, Submission, entries_of, scene

WAIT_S = 30  # a bound on what would hang, never a delay


class Gate:
    """The log's key, held back until somebody opens the gate: a leader at work, for as long as a test wants."""

    def __init__(self, s: Scene) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        honest = s.world.sign_note

        def sign(message: bytes) -> bytes:
            self.reached.set()
            assert self.open.wait(WAIT_S)
            return honest(message)

        s.world.writer._sign = sign


def submissions(s: Scene, number: int) -> list[Submission]:
    """Statements in lanes of their own, so that their order does not matter."""
    said = [s.ada.artifacts([s.ada.record(f"t{n}")], n.to_bytes(16, "big")) for n in range(number)]
    return [(entry.encoded, records) for entry, records in said]


def until_queued(pool: Pool, number: int) -> None:
    with pool._changed:
        assert pool._changed.wait_for(lambda: len(pool._queue) >= number, WAIT_S)


def commits(s: Scene) -> list[int]:
    """The number of statements in each commit so far."""
    sizes, width = [], 0
    for data in entries_of(s.world):
        if decode_entry(data).statement.type == "state":
            sizes.append(width)
            width = 0
        else:
            width += 1
    return sizes


def start(pool: Pool, executor: ThreadPoolExecutor, group: Sequence[Submission]) -> list[Future[Appended]]:
    return [executor.submit(pool.submit, entry, records) for entry, records in group]


def answers(futures: Sequence[Future[Appended]]) -> list[Appended | LineageError]:
    found: list[Appended | LineageError] = []
    for future in futures:
        error = future.exception(WAIT_S)
        assert error is None or isinstance(error, LineageError)
        found.append(future.result() if error is None else error)
    return found


def test_one_thread_is_one_commit_each() -> None:
    s = scene()
    before = len(commits(s))
    pool = Pool(s.world.writer)
    for entry, records in submissions(s, 3):
        placed = pool.submit(entry, records)
        assert decode_entry(entries_of(s.world)[placed.log_index]).statement.id == placed.statement_id
    assert commits(s)[before:] == [1, 1, 1]
    again = pool.submit(entry, records)
    assert (again.log_index, again.known) == (placed.log_index, True)


def test_who_comes_during_a_commit_shares_the_next() -> None:
    s = scene()
    before = len(commits(s))
    pool, gate = Pool(s.world.writer), Gate(s)
    group = submissions(s, 9)
    with ThreadPoolExecutor(9) as executor:
        first = start(pool, executor, group[:1])
        assert gate.reached.wait(WAIT_S)
        rest = start(pool, executor, group[1:])
        until_queued(pool, 8)
        gate.open.set()
        found = answers(first + rest)
    assert commits(s)[before:] == [1, 8]
    places = [placed.log_index for placed in found if isinstance(placed, Appended)]
    assert len(set(places)) == 9
    ids = [decode_entry(data).statement.id for data in entries_of(s.world)]
    for (entry, _records), place in zip(group, places, strict=True):
        assert ids[place] == decode_entry(entry).statement.id


def test_commits_are_bounded_by_number_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit, value, sizes in (
        ("COMMIT_ENTRIES_MAX", 3, [1, 3, 3, 1]),
        ("COMMIT_BYTES_MAX", 1_200, [1, 2, 2, 2, 1]),
    ):
        s = scene()
        before = len(commits(s))
        group = submissions(s, 8)
        size = len(group[0][0]) + len(group[0][1][0])
        assert 2 * size <= 1_200 < 3 * size
        with monkeypatch.context() as patch:
            patch.setattr(spec, limit, value)
            pool, gate = Pool(s.world.writer), Gate(s)
            with ThreadPoolExecutor(8) as executor:
                first = start(pool, executor, group[:1])
                assert gate.reached.wait(WAIT_S)
                rest = start(pool, executor, group[1:])
                until_queued(pool, 7)
                gate.open.set()
                answers(first + rest)
        assert commits(s)[before:] == sizes


def test_leader_waits_for_company_until_enough_are_there() -> None:
    s = scene()
    before = len(commits(s))
    pool = Pool(s.world.writer, max_wait_s=1_000, max_entries=4)
    with ThreadPoolExecutor(4) as executor:
        answers(start(pool, executor, submissions(s, 4)))
    assert commits(s)[before:] == [4]


def test_leader_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    now = iter([100.0, 100.0, 107.5])  # came, began to wait, looked again
    monkeypatch.setattr("ledger.log.pool.time.monotonic", lambda: next(now))
    pool = Pool(s.world.writer, max_wait_s=7)
    waits: list[float] = []
    monkeypatch.setattr(pool._changed, "wait", waits.append)
    ((entry, records),) = submissions(s, 1)
    assert not pool.submit(entry, records).known
    assert waits == [7.0]


def test_everybody_gets_his_own_answer() -> None:
    s = scene()
    pool, gate = Pool(s.world.writer), Gate(s)
    group = submissions(s, 6)
    group[2] = (b"", ())
    group[4] = (s.world.genesis.encoded, ())
    with ThreadPoolExecutor(6) as executor:
        first = start(pool, executor, group[:1])
        assert gate.reached.wait(WAIT_S)
        rest = start(pool, executor, group[1:])
        until_queued(pool, 5)
        gate.open.set()
        found = answers(first + rest)
    assert [item.code if isinstance(item, LineageError) else "" for item in found] == [
        *("", "", "not-canonical", "", "misplaced", "")
    ]


def test_what_is_no_bytes_harms_nobody_else() -> None:
    s = scene()
    pool = Pool(s.world.writer)
    wrongs: list[Any] = [("text", ()), (b"", ["text"]), (b"", [b"", None])]
    for entry, records in wrongs:
        with pytest.raises(RefusedInput) as error:
            pool.submit(entry, records)
        assert error.value.code == "schema"
    assert not pool.submit(*submissions(s, 1)[0]).known


def test_failed_commit_fails_all_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commit under way fails for its leader, the queued ones for theirs, later ones at once."""
    for fault in Fault:
        store = FaultyStore(MemoryStore(), {})
        s = scene(store)
        group = submissions(s, 7)
        pool, gate = Pool(s.world.writer), Gate(s)
        store.plan = {store.commits + 2: fault}  # the second transaction of the leader's commit
        with ThreadPoolExecutor(7) as executor:
            first = start(pool, executor, group[:1])
            assert gate.reached.wait(WAIT_S)
            rest = start(pool, executor, group[1:6])
            until_queued(pool, 5)
            gate.open.set()
            found = answers(first + rest)
        assert all(isinstance(item, StoreFault) for item in found)
        assert len({id(item) for item in found}) == 6  # an exception belongs to one thread
        with pytest.raises(StoreFault):
            pool.submit(*group[6])
        assert pool._queue == []
        store.reopen()
        s.world.writer = s.world.open()
        pool = Pool(s.world.writer)
        known = [pool.submit(entry, records).known for entry, records in group]
        assert known == [True] + [False] * 6  # its first transaction stood, and was finished


def test_members_of_a_failed_group_are_told() -> None:
    store = FaultyStore(MemoryStore(), {})
    s = scene(store)
    group = submissions(s, 5)
    pool, gate = Pool(s.world.writer), Gate(s)
    store.plan = {store.commits + 3: Fault.LOST}  # the first transaction of the second commit
    with ThreadPoolExecutor(5) as executor:
        first = start(pool, executor, group[:1])
        assert gate.reached.wait(WAIT_S)
        rest = start(pool, executor, group[1:])
        until_queued(pool, 4)
        gate.open.set()
        found = answers(first + rest)
    assert isinstance(found[0], Appended)
    codes = sorted(item.code for item in found[1:] if isinstance(item, LineageError))
    assert codes == ["commit-failed"] * 3 + ["store-failed"]
    assert all(isinstance(item, StoreFault) and item.fix for item in found[1:])


def test_what_an_earlier_commit_took_is_answered_though_a_later_one_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of one queue, two commits: a commit is what fails or stands, not all that waited together."""
    monkeypatch.setattr(spec, "COMMIT_ENTRIES_MAX", 3)
    store = FaultyStore(MemoryStore(), {})
    s = scene(store)
    group = submissions(s, 6)
    pool, gate = Pool(s.world.writer, max_entries=6), Gate(s)
    store.plan = {store.commits + 5: Fault.LOST}
    with ThreadPoolExecutor(6) as executor:
        first = start(pool, executor, group[:1])
        assert gate.reached.wait(WAIT_S)
        rest = start(pool, executor, group[1:])
        until_queued(pool, 5)
        monkeypatch.setattr(pool, "_max_entries", 6)
        gate.open.set()
        found = answers(first + rest)
    assert sum(isinstance(item, Appended) for item in found) == 1 + 3
    assert sum(isinstance(item, StoreFault) for item in found) == 2


class Stopped(BaseException):
    """What a thread is stopped by, such as KeyboardInterrupt."""


def test_leader_that_is_stopped_hands_over_and_takes_back_what_was_not_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    s = scene()
    pool = Pool(s.world.writer, max_wait_s=1)

    def stop(_left_s: float) -> None:
        raise Stopped

    entry, records = submissions(s, 1)[0]
    size = len(entries_of(s.world))
    with monkeypatch.context() as patch:
        patch.setattr(pool._changed, "wait", stop)
        with pytest.raises(Stopped):
            pool.submit(entry, records)
    assert (pool._queue, pool._leading) == ([], False)
    assert len(entries_of(s.world)) == size
    pool._max_wait_s = 0
    assert not pool.submit(entry, records).known


def test_leader_that_is_stopped_in_a_commit_fails_its_group() -> None:
    s = scene()
    pool = Pool(s.world.writer)

    def stop(_message: bytes) -> bytes:
        raise Stopped

    s.world.writer._sign = stop
    entry, records = submissions(s, 1)[0]
    with pytest.raises(Stopped):
        pool.submit(entry, records)
    with pytest.raises(StoreFault) as error:
        pool.submit(entry, records)
    assert error.value.code == "writer-poisoned"
    assert (pool._queue, pool._leading) == ([], False)


def test_threads_at_once_lose_and_double_nothing() -> None:
    s = scene()
    group = submissions(s, 60)
    together = threading.Barrier(12)
    with ThreadPoolExecutor(2) as verifiers, ThreadPoolExecutor(12) as executor:
        pool = Pool(s.world.writer, executor=verifiers)

        def use(number: int) -> list[Appended]:
            together.wait(WAIT_S)
            return [pool.submit(entry, records) for entry, records in group[number::12]]

        placed = [item for found in executor.map(use, range(12)) for item in found]
    entries = entries_of(s.world)
    ids = [decode_entry(data).statement.id for data in entries]
    assert len(placed) == len({item.statement_id for item in placed}) == 60
    assert all(ids[item.log_index] == item.statement_id for item in placed)
    assert s.world.writer.checkpoint
    assert s.world.writer.checkpoint.size == len(entries)


def test_coroutines_append_through_threads() -> None:
    s = scene()
    pool = Pool(s.world.writer)
    group = submissions(s, 10)

    async def all_at_once() -> list[Appended]:
        return await asyncio.gather(*[asyncio.to_thread(pool.submit, *item) for item in group])

    placed = asyncio.run(all_at_once())
    assert [item.statement_id for item in placed] == [decode_entry(entry).statement.id for entry, _ in group]

"""Lanes and outbox: no place is signed twice, whatever fails, whoever else is there (SPEC §5.3)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from ledger.errors import InvariantBroken, StoreFault
from ledger.signer import lanes as lanes_module
from ledger.signer.lanes import Lane, hold_lane, hold_left_behind, pending_parcels, refused_parcels
from ledger.signer.parcel import Parcel
from ledger.statements.entry import decode_entry
from ledger.statements.statement import make_statement
from tests.test_signer.steps import crash_at_each
from tests.test_store.test_lmdb import REPO
from tests.world import Actor, World, enrol

ADA: Actor = enrol("ada", World(begin=False).writer.log_id)
KEY = ADA.id


def parcel_in(lane: Lane, text: str, count: int = 1) -> Parcel:
    """Signed statements, next in the lane, over one record each."""
    statements, seq, prev = [], lane.next_seq, lane.last
    for number in range(count):
        record = ADA.record(f"{text} {number}")
        body = {"count": 1, "root": record.id}
        place = {"by": KEY, "key": KEY, "lane": lane.id, "seq": seq, "prev": prev}
        entry = ADA.sign(make_statement("artifacts", ADA.log, body, **place))
        statements.append((entry.encoded, (record.encoded,)))
        seq, prev = seq + 1, entry.statement.id
    return Parcel(tuple(statements))


def send(lane: Lane, text: str, count: int = 1) -> Parcel:
    parcel = parcel_in(lane, text, count)
    lane.keep(parcel)
    lane.acknowledged(parcel)
    return parcel


def held_id(lanes: Path, key: bytes = KEY) -> bytes:
    with hold_lane(lanes, key) as lane:
        return lane.id


def test_lane_counts_and_names_its_predecessor(tmp_path: Path) -> None:
    with hold_lane(tmp_path / "lanes", KEY) as lane:
        assert (lane.next_seq, lane.last, lane.pending()) == (0, None, None)
        first = send(lane, "first", 3)
        assert (lane.next_seq, lane.last) == (3, decode_entry(first.statements[-1][0]).statement.id)
        kept = parcel_in(lane, "second")
        lane.keep(kept)
        assert lane.pending() == kept
        assert [list(entries) for _path, entries in pending_parcels(tmp_path / "lanes")] == [
            [kept.statements[0][0]]
        ]
    with hold_lane(tmp_path / "lanes", KEY) as again:
        assert (again.id, again.next_seq, again.pending()) == (lane.id, 3, kept)
        again.acknowledged(kept)
        assert (again.next_seq, again.pending()) == (4, None)
    assert pending_parcels(tmp_path / "lanes") == []
    assert pending_parcels(tmp_path / "none") == []


def test_free_lane_is_used_again_and_a_held_one_is_not(tmp_path: Path) -> None:
    one = held_id(tmp_path)
    assert held_id(tmp_path) == one
    with hold_lane(tmp_path, KEY) as first, hold_lane(tmp_path, KEY) as second:
        assert first.id == one != second.id
        with hold_lane(tmp_path, KEY) as third:
            assert third.id not in (first.id, second.id)
    assert len(list(tmp_path.iterdir())) == 3
    assert held_id(tmp_path) in {first.id, second.id, third.id}


@pytest.mark.parametrize("abandon", [False, True])
def test_lane_is_looked_at_again_once_it_is_held(
    abandon: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the first look and the lock, another one held the lane, signed in it, and let go."""
    one = held_id(tmp_path)
    real = lanes_module._lock_of
    sent: list[Parcel] = []

    def other_first(folder: Path) -> FileLock:
        monkeypatch.setattr(lanes_module, "_lock_of", real)
        with hold_lane(tmp_path, KEY) as lane:
            assert lane.id == one
            sent.append(send(lane, "other"))
            if abandon:
                lane.abandon()
        return real(folder)

    monkeypatch.setattr(lanes_module, "_lock_of", other_first)
    with hold_lane(tmp_path, KEY) as lane:
        assert (lane.id == one) == (not abandon)
        assert lane.next_seq == (0 if abandon else 1)
    assert len(sent) == 1


@pytest.mark.parametrize("error", [None, KeyError("mine")])
def test_lock_is_let_go_with_the_block(
    error: Exception | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: list[FileLock] = []
    real = lanes_module._lock_of

    def lock_of(folder: Path) -> FileLock:
        locks.append(real(folder))
        return locks[-1]

    monkeypatch.setattr(lanes_module, "_lock_of", lock_of)
    for number in (1, 2):  # a new lane, and an old one
        try:
            with hold_lane(tmp_path, KEY):
                assert [lock.is_locked for lock in locks] == [False] * (number - 1) + [True]
                if error is not None:
                    raise error
        except KeyError:
            assert error is not None
        assert [lock.is_locked for lock in locks] == [False] * number


def test_lane_of_another_key_event_is_not_used(tmp_path: Path) -> None:
    one = held_id(tmp_path)
    other = held_id(tmp_path, b"k" * 32)
    assert one != other
    assert (held_id(tmp_path), held_id(tmp_path, b"k" * 32)) == (one, other)


def test_lane_with_something_pending_comes_first(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as a, hold_lane(tmp_path, KEY) as b, hold_lane(tmp_path, KEY) as c:
        lanes = sorted([a, b, c], key=lambda lane: lane.id)
        lanes[2].keep(parcel_in(lanes[2], "waits"))
        (tmp_path / lanes[1].id.hex() / "out" / ".0").touch()  # half written: nothing that waits
    with hold_lane(tmp_path, KEY) as first, hold_lane(tmp_path, KEY) as second:
        assert (first.id, second.id) == (lanes[2].id, lanes[0].id)


def test_threads_never_share_a_lane(tmp_path: Path) -> None:
    together = threading.Barrier(4)
    ids: list[bytes] = []

    def use() -> None:
        together.wait(30)
        with hold_lane(tmp_path, KEY) as lane:
            ids.append(lane.id)
            together.wait(30)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 4


HOLD = """
import sys
from pathlib import Path
from ledger.signer.lanes import hold_lane
with hold_lane(Path(sys.argv[1]), bytes.fromhex(sys.argv[2])) as lane:
    print(lane.id.hex(), flush=True)
    sys.stdin.readline()
"""


def test_processes_never_share_a_lane_and_death_frees_it(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", HOLD, str(tmp_path), KEY.hex()]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=REPO) for _ in range(2)]
    try:
        ids = {child.stdout.readline().strip() for child in children if child.stdout}
        assert len(ids) == 2
        assert held_id(tmp_path).hex() not in ids
    finally:
        for child in children:
            child.kill()
            child.communicate()
    with hold_lane(tmp_path, KEY) as a, hold_lane(tmp_path, KEY) as b, hold_lane(tmp_path, KEY) as c:
        assert ids < {a.id.hex(), b.id.hex(), c.id.hex()}


@pytest.mark.parametrize("error", [OSError(2, "mine"), TimeoutError(), KeyError("mine"), GeneratorExit()])
def test_what_the_holder_raises_is_his_own(error: BaseException, tmp_path: Path) -> None:
    one = held_id(tmp_path)
    with pytest.raises(type(error)) as raised, hold_lane(tmp_path, KEY):
        raise error
    assert raised.value is error
    with pytest.raises(type(error)), hold_lane(tmp_path / "new", KEY):
        raise error
    assert held_id(tmp_path) == one


def test_timeout_of_another_lock_is_the_holders_own(tmp_path: Path) -> None:
    with pytest.raises(Timeout), hold_lane(tmp_path, KEY):
        raise Timeout("another lock")


FRESH = {"key": KEY.hex(), "next_seq": 0, "last": "", "abandoned": False}
LOST: dict[str, str | None] = {
    "gone": None,
    "empty": "",
    "no JSON": "{",
    "nested": "[" * 5_000,
    "no map": "[]",
    "a field more": json.dumps(FRESH | {"x": 1}),
    "a field less": json.dumps({"next_seq": 0, "last": "", "abandoned": False}),
    "negative seq": json.dumps(FRESH | {"next_seq": -1, "last": KEY.hex()}),
    "seq is text": json.dumps(FRESH | {"next_seq": "0"}),
    "seq is true": json.dumps(FRESH | {"next_seq": True, "last": KEY.hex()}),
    "no last": json.dumps(FRESH | {"next_seq": 1}),
    "last too soon": json.dumps(FRESH | {"last": KEY.hex()}),
    "short last": json.dumps(FRESH | {"next_seq": 1, "last": "00"}),
    "abandoned is 0": json.dumps(FRESH | {"abandoned": 0}),
}


@pytest.mark.parametrize("name", LOST)
def test_lane_whose_state_was_lost_is_never_used_again(name: str, tmp_path: Path) -> None:
    one = held_id(tmp_path)
    state = tmp_path / one.hex() / "state.json"
    right = state.read_text()
    text = LOST[name]
    state.unlink() if text is None else state.write_text(text)
    assert held_id(tmp_path) != one
    shutil.rmtree(tmp_path / held_id(tmp_path).hex())
    state.write_text(right)
    assert held_id(tmp_path) == one


def test_what_is_no_lane_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / ("ab" * 16)).touch()
    for name in ("short", "ab" * 15, "zz" * 16, "ab" * 17):
        (tmp_path / name / "out").mkdir(parents=True)
        (tmp_path / name / "state.json").write_text(json.dumps(FRESH))
    before = {path.name for path in tmp_path.iterdir()}
    one = held_id(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before | {one.hex()}


def test_kept_parcel_is_never_replaced(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        kept = parcel_in(lane, "first")
        lane.keep(kept)
        for parcel in (parcel_in(lane, "second"), kept):
            with pytest.raises(InvariantBroken) as error:
                lane.keep(parcel)
            assert error.value.code == "lane-misused"
        assert lane.pending() == kept


def misplaced(lane: Lane) -> list[Parcel]:
    other = enrol("bob", ADA.log)
    body = {"count": 1, "root": b"r" * 32}
    places = [
        {"seq": lane.next_seq + 1, "prev": KEY},
        {"seq": lane.next_seq, "prev": b"p" * 32},
        {"lane": b"x" * 16, "seq": lane.next_seq, "prev": lane.last},
        {"key": other.id, "seq": lane.next_seq, "prev": lane.last},
    ]
    wrong = [
        Parcel(
            (
                (
                    ADA.sign(
                        make_statement(
                            "artifacts", ADA.log, body, **({"by": KEY, "key": KEY, "lane": lane.id} | place)
                        )
                    ).encoded,
                    (),
                ),
            )
        )
        for place in places
    ]
    two = parcel_in(lane, "two", 2).statements
    return [
        *wrong,
        Parcel(()),
        Parcel(two[1:]),
        Parcel(two[::-1]),
        Parcel((two[0], two[0])),
        Parcel(((other.enrolment.encoded, ()),)),
    ]


def test_parcel_that_does_not_continue_the_lane_is_refused(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        send(lane, "first")
        for parcel in misplaced(lane):
            for use in (lane.keep, lane.acknowledged):
                with pytest.raises(InvariantBroken) as error:
                    use(parcel)
                assert error.value.code == "lane-misused"
        assert (lane.next_seq, lane.pending()) == (1, None)
        send(lane, "second")


def test_abandoned_lane_signs_nothing_more(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        lane.keep(parcel_in(lane, "refused"))
        lane.abandon()
        assert lane.pending() is None
        with pytest.raises(InvariantBroken):
            lane.keep(parcel_in(lane, "more"))
    assert pending_parcels(tmp_path) == []
    with hold_lane(tmp_path, KEY) as other:
        assert other.id != lane.id
    left = tmp_path / lane.id.hex() / "out" / "0"
    left.write_bytes(b"what a crash left")
    assert pending_parcels(tmp_path) == []


def test_abandoned_lane_may_keep_what_was_refused_and_sends_it_no_more(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        lane.keep(parcel_in(lane, "refused"))
        lane.abandon(keep=True)
        assert lane.pending() is None
    assert pending_parcels(tmp_path) == []
    assert refused_parcels(tmp_path) == [tmp_path / lane.id.hex() / "out" / "0"]
    assert list(hold_left_behind(tmp_path, b"k" * 32)) == []
    with hold_lane(tmp_path, KEY) as other:
        assert other.id != lane.id


def test_acknowledged_parcel_that_a_crash_left_is_removed(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        parcel = parcel_in(lane, "first")
        lane.keep(parcel)
        path = tmp_path / lane.id.hex() / "out" / "0"
        data = path.read_bytes()
        lane.acknowledged(parcel)
        path.write_bytes(data)
    assert pending_parcels(tmp_path) == []
    with hold_lane(tmp_path, KEY) as again:
        assert (again.id, again.pending()) == (lane.id, None)
        assert not path.exists()


def test_folder_removed_while_held_is_told(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        parcel = parcel_in(lane, "first")
        lane.keep(parcel)
        shutil.rmtree(tmp_path / lane.id.hex())
        uses: list[Callable[[], object]] = [
            lane.pending,
            lambda: lane.keep(parcel),
            lambda: lane.acknowledged(parcel),
            lane.abandon,
        ]
        for use in uses:
            with pytest.raises(StoreFault) as error:
                use()
            assert error.value.code == "lane-unwritable"
            assert error.value.fix
    assert held_id(tmp_path) != lane.id


def test_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFault) as error, hold_lane(tmp_path / "file" / "lanes", KEY):
        pass
    assert error.value.code == "lane-unwritable"


class Log:
    """A log that remembers everything it was ever sent, and refuses on wish."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.standing: dict[tuple[bytes, int], bytes] = {}

    def append(self, parcel: Parcel) -> None:
        for entry, _records in parcel.statements:
            statement = decode_entry(entry).statement
            self.sent.append(entry)
            assert self.standing.setdefault((statement.lane, statement.seq), entry) == entry


def session(lanes: Path, log: Log, texts: Sequence[str]) -> None:
    """What a client does: what waits is sent first, then each text is signed, kept, sent and crossed off."""
    for text in texts:
        with hold_lane(lanes, KEY) as lane:
            while (parcel := lane.pending()) is not None:
                log.append(parcel)
                lane.acknowledged(parcel)
            parcel = parcel_in(lane, text, 2)
            lane.keep(parcel)
            log.append(parcel)
            lane.acknowledged(parcel)


def kept_in(lanes: Path) -> list[bytes]:
    return [entry for _path, entries in pending_parcels(lanes) for entry in entries]


def test_crash_between_any_two_steps_signs_no_place_twice(tmp_path: Path) -> None:
    log = Log()
    number, resent = 0, 0

    def use() -> None:
        nonlocal number
        number += 1  # never the same text twice: what is signed anew differs from what was signed
        session(lanes, log, [f"{number} a", f"{number} b"])

    for begun in (False, True):
        lanes = tmp_path / str(begun)
        if begun:
            session(lanes, log, ["before"])
        for step in crash_at_each(use):
            waiting = kept_in(lanes)
            before = len(log.sent)
            session(lanes, log, [f"after {step}"])
            assert log.sent[before : before + len(waiting)] == waiting  # first, and byte for byte
            resent += bool(waiting)
            assert kept_in(lanes) == []
        assert step >= 12
    assert resent >= 8


def test_crash_while_a_lane_is_abandoned_frees_no_place(tmp_path: Path) -> None:
    lanes = tmp_path / "lanes"
    gone: set[bytes] = set()
    texts = iter(range(1_000))

    def use() -> None:
        with hold_lane(lanes, KEY) as lane:
            assert lane.id not in gone
            if lane.pending() is None:
                lane.keep(parcel_in(lane, str(next(texts))))
            lane.abandon()

    for _ in crash_at_each(use):
        for folder in lanes.iterdir():
            state = (
                json.loads((folder / "state.json").read_text()) if (folder / "state.json").exists() else {}
            )
            if state.get("abandoned"):
                gone.add(bytes.fromhex(folder.name))
    assert gone
    with hold_lane(lanes, KEY) as lane:
        assert lane.id not in gone

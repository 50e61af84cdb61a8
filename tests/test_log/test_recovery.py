"""Faults between any two steps of a commit, and what a store gives back that was not put into it (SPEC §10.4).

Faults are planned: every commit of a scenario fails in both ways that a medium has, alone and twice in a row; the
signer fails; a byte is changed on its way into the store, in every space. What must hold after each of them is said
once, in `Story.check`.

What no test here can ask for: damage that comes after a commit was read back. Of that the writer finds a status node
that is not what its hash says, the header of the fold's state, the peaks of the tree and whatever it meets that
cannot be read; the rest (old entries and records, identities and lanes, the index) is for the audit to find.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.log import commit as commit_module
from ledger.log import writer as writer_module
from ledger.log.writer import Appended
from ledger.merkle import tiles
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import hash_leaf, root_of, verify_consistency
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.statements.entry import decode_entry
from ledger.store.contract import Batch, Snapshot, Space, Store
from ledger.store.head import Head, decode_head
from ledger.store.memory import MemoryStore
from ledger.store.reader import StoreReader, tile_key
from tests.faults import Fault, FaultyStore, fault_pairs
from tests.test_log.scene import ASIDE, Scene, Submission, codes, entries_of, scene
from tests.world import World, enrol, seed_of

LONG = bool(os.environ.get("LINEAGE_LONG"))


class Notary:
    """The log's key, which remembers every checkpoint that it was ever asked to sign."""

    def __init__(self, faults: dict[int, Callable[[bytes], bytes]] | None = None) -> None:
        self.asked: list[Checkpoint] = []
        self._faults = faults or {}

    def attach(self, world: World) -> None:
        honest = world.sign_note

        def sign(message: bytes) -> bytes:
            self.asked.append(Checkpoint.parse(message.decode()))
            return self._faults.get(len(self.asked), honest)(message)

        world.sign_note = sign  # type: ignore[method-assign]


class Story:
    """A log's beginning: commits of several kinds, each repeated until it is acknowledged."""

    def __init__(self, store: Store, notary: Notary) -> None:
        self.store, self.notary = store, notary
        self.world = World(store, begin=False)
        notary.attach(self.world)
        self.world.writer = self._reopened()
        self.faults = 0
        self.placed: dict[bytes, Appended] = {}

    def run(self) -> None:
        self._until_done(self._begin)
        for group in self._groups():
            self._until_done(partial(self._append, group))
        self._until_done(self._tick)

    def _begin(self) -> None:
        if self.world.writer.checkpoint is None:
            self.world.writer.begin(self.world.genesis)

    def _tick(self) -> None:
        self.world.writer.tick()  # of the writer that is there now

    def _append(self, group: list[Submission]) -> None:
        results = self.world.writer.append(group)
        for (entry, _records), result in zip(group, results, strict=True):
            assert isinstance(result, Appended), result
            assert decode_entry(entry).statement.id == result.statement_id
            before = self.placed.setdefault(result.statement_id, result)
            assert before.log_index == result.log_index  # what was acknowledged stays where it was

    def _groups(self) -> Iterator[list[Submission]]:
        ada, duo = enrol("ada", self.world.log), None
        yield [(ada.enrolment.encoded, ())]
        duo = enrol("duo", self.world.log, "pair", ada.id)
        grant = ada.say("delegate", {"pair": duo.id, "substrate": {"name": "m", "version": "1"}}, ASIDE)
        yield [(duo.enrolment.encoded, ()), (grant.encoded, ())]
        duo.delegation = grant.statement.id
        first = ada.artifacts([ada.record(text) for text in "abc"])
        yield [(first[0].encoded, first[1]), *(_said(duo.artifacts([duo.record(t, "output")])) for t in "de")]
        yield [_said(ada.artifacts([ada.record("f")]))]

    def _until_done(self, step: Callable[[], None]) -> None:
        while True:
            try:
                step()
                return
            except (StoreFault, ProofInvalid, Interrupted):
                self.faults += 1
            with pytest.raises(StoreFault) as error:
                step()
            assert error.value.code == "writer-poisoned"
            self.world.writer = self._reopened()

    def _reopened(self) -> Any:
        """Reopening is the normal path; the fault may strike there too."""
        while True:
            self.store.reopen()
            try:
                return self.world.open()
            except (StoreFault, ProofInvalid, Interrupted):
                self.faults += 1

    def check(self) -> None:
        """Everything acknowledged stands where it was said to, once; all checkpoints ever asked for agree."""
        self.world.writer = self._reopened()
        entries = entries_of(self.world)
        ids = [decode_entry(data).statement.id for data in entries]
        assert len(set(ids)) == len(ids)
        assert len(self.placed) == 7
        for statement_id, placed in self.placed.items():
            assert ids[placed.log_index] == statement_id
        for again in self._groups():
            results = self.world.writer.append(again)
            assert all(isinstance(result, Appended) and result.known for result in results)
        assert entries_of(self.world) == entries
        hashes = [hash_leaf(data) for data in entries]
        for asked in self.notary.asked:
            assert asked.root == root_of(hashes[: asked.size])
        with self.world.store.snapshot() as snapshot:
            reader = StoreReader(snapshot)
            assert open_checkpoint(decode_head(snapshot.head()).note, [self.world.vkey]).size == len(entries)
            for one, other in combinations(sorted(self.notary.asked, key=lambda c: c.size), 2):
                path = PathReader(reader.tile, other.size).consistency_path(one.size)
                verify_consistency(one.size, one.root, other.size, other.root, path)


class Interrupted(Exception):
    """The signer's own failure."""


def _said(said: tuple[Any, list[bytes]]) -> Submission:
    return said[0].encoded, said[1]


def clean_commits() -> int:
    store = FaultyStore(MemoryStore(), {})
    story = Story(store, Notary())
    story.run()
    story.check()
    assert story.faults == 0
    return store.commits


COMMITS = 12  # of the story: two for each of genesis, four groups and a tick


def test_story_without_faults() -> None:
    assert clean_commits() == COMMITS


@pytest.mark.parametrize("number", range(1, COMMITS + 1))
def test_every_commit_fails_in_every_way_alone_and_twice(number: int) -> None:
    plans: list[dict[int, Fault]] = [{number: fault} for fault in Fault]
    plans += fault_pairs(number)
    for plan in plans:
        story = Story(FaultyStore(MemoryStore(), plan), Notary())
        story.run()
        assert story.faults == len(plan)
        story.check()


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(1, 30), st.sampled_from(Fault), max_size=12))
def test_any_plan_of_faults_is_survived(plan: dict[int, Fault]) -> None:
    store = FaultyStore(MemoryStore(), plan)
    story = Story(store, Notary())
    story.run()
    assert story.faults == sum(number <= store.commits for number in plan)
    story.check()


def refuse(_message: bytes) -> bytes:
    raise Interrupted


def agent_gone(_message: bytes) -> bytes:
    raise StoreFault("agent-gone", "signer", "the agent does not answer")


def _sign_as(name: str, message: bytes) -> bytes:
    return ed25519.sign(seed_of(name), message)


FAULTY_SIGNERS: dict[str, Callable[[bytes], bytes]] = {
    "raises": refuse,
    "raises a fault of the machine": agent_gone,
    "signs with another key": lambda message: _sign_as("eve", message),
    "signs another message": lambda _message: _sign_as("log key of log.example/test", b"other"),
    "returns too little": lambda _message: b"s" * 63,
    "returns nothing": lambda _message: b"",
}


@pytest.mark.parametrize("name", FAULTY_SIGNERS)
def test_signer_that_fails_stops_the_log_until_it_is_reopened(name: str) -> None:
    for number in range(1, COMMITS // 2 + 1):
        for numbers in ([number], [number, number + 1]):
            notary = Notary(dict.fromkeys(numbers, FAULTY_SIGNERS[name]))
            story = Story(MemoryStore(), notary)
            story.run()
            assert story.faults == len(numbers)
            story.check()


def test_lost_commit_leaves_no_trace_in_the_state() -> None:
    """The state in memory had taken the enrolment; what is reopened has not."""
    world = World(FaultyStore(MemoryStore(), {3: Fault.LOST}))
    ada = enrol("ada", world.log)
    with pytest.raises(StoreFault):
        world.must(ada.enrolment)
    assert world.writer.state.identity(ada.id) is not None
    world.store.reopen()
    world.writer = world.open()
    assert world.writer.state.identity(ada.id) is None
    assert codes(world.append(ada.artifacts([ada.record("x")]))) == ["identity-unknown"]


def test_persisted_commit_is_finished_when_the_log_is_opened() -> None:
    world = World(FaultyStore(MemoryStore(), {3: Fault.PERSISTED}))
    ada = enrol("ada", world.log)
    with pytest.raises(StoreFault):
        world.must(ada.enrolment)
    with world.store.snapshot() as snapshot:
        head = decode_head(snapshot.head())
        assert (head.size, open_checkpoint(head.note, [world.vkey]).size) == (4, 2)
    world.store.reopen()
    world.writer = world.open()
    assert world.writer.checkpoint
    assert world.writer.checkpoint.size == 4
    assert world.must(ada.enrolment).known


# The second path


class FlippingStore:
    """`inner`, whose next commit after `arm` stores one byte otherwise than it was handed."""

    def __init__(self) -> None:
        self.inner = MemoryStore()
        self._place: tuple[Space, bytes, int] | None = None

    def arm(self, place: tuple[Space, bytes, int]) -> None:
        self._place = place

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        return self.inner.snapshot()

    def commit(self, batch: Batch, expected_head: bytes, new_head: bytes) -> None:
        if self._place is not None and batch.puts:
            batch = flipped(batch, self._place)
            self._place = None
        self.inner.commit(batch, expected_head, new_head)

    def reopen(self) -> None:
        self.inner.reopen()

    def close(self) -> None:
        self.inner.close()


def flipped(batch: Batch, place: tuple[Space, bytes, int]) -> Batch:
    """A copy of the batch with one bit of one put changed."""
    puts = [
        (s, k, v[: place[2]] + bytes([v[place[2]] ^ 1]) + v[place[2] + 1 :] if (s, k) == place[:2] else v)
        for s, k, v in batch.puts
    ]
    assert puts != batch.puts
    return Batch(puts, batch.deletes, batch.index)


def last_commit(s: Scene) -> Callable[[], object]:
    """A commit that touches every space: an enrolment, and records behind older ones."""
    bob = enrol("bob", s.world.log)
    said = s.ada.artifacts([s.ada.record("x"), s.ada.record("y")])
    return lambda: s.world.append((bob.enrolment, ()), said)


def places_of(new_only: bool) -> dict[Space, list[tuple[Space, bytes, int]]]:
    """Every byte that the last commit puts; of entries, records and starts, on wish, only what they grew by."""
    s = scene(FlippingStore())
    batches: list[Batch] = []
    old: dict[tuple[Space, bytes], int] = {}
    with s.world.store.snapshot() as snapshot:
        for space in (Space.ENTRIES, Space.RECORDS, Space.STARTS):
            old |= {(space, key): len(value) for key, value in snapshot.scan(space)}
    plan = commit_module.plan_commit

    def planned(*args: Any) -> Any:
        right = plan(*args)
        batches.append(right.batch)
        return right

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "plan_commit", planned)
        last_commit(s)()
    places: dict[Space, list[tuple[Space, bytes, int]]] = {space: [] for space in Space}
    for space, key, value in batches[0].puts:
        start = old.get((space, key), 0) if new_only else 0
        places[space] += [(space, key, at) for at in range(start, len(value))]
    return places


def some(places: list[tuple[Space, bytes, int]]) -> list[tuple[Space, bytes, int]]:
    """All of them at length; else about a hundred, spread."""
    return places if LONG else places[:: max(1, len(places) // 100)]


def check_caught(s: Scene, use: Callable[[], object]) -> None:
    """Nothing is signed, the writer stops, and readers still see the old head."""
    notary = Notary()
    notary.attach(s.world)
    s.world.writer._sign = s.world.sign_note
    with s.world.store.snapshot() as snapshot:
        note = decode_head(snapshot.head()).note
    with pytest.raises((InvariantBroken, StoreFault)) as error:
        use()
    assert error.value.code in {"tree-differs", "bundle-damaged", "record-missing", "entry-missing"}
    assert notary.asked == []
    with pytest.raises(StoreFault) as poisoned:
        s.world.writer.tick()
    assert poisoned.value.code == "writer-poisoned"
    with s.world.store.snapshot() as snapshot:
        assert decode_head(snapshot.head()).note == note


@pytest.mark.parametrize("space", Space)
def test_store_that_changes_a_byte_is_caught_before_anything_is_signed(space: Space) -> None:
    places = some(places_of(new_only=False)[space])
    assert len(places) > 30
    for place in places:
        store = FlippingStore()
        s = scene(store)
        use = last_commit(s)
        store.arm(place)
        check_caught(s, use)


@pytest.mark.parametrize("space", [Space.ENTRIES, Space.RECORDS, Space.STARTS, Space.TILES])
def test_second_path_alone_finds_a_changed_byte(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch itself is wrong, by our fault or the memory's: the store gives back what it was handed."""
    places = some(places_of(new_only=True)[space])
    assert len(places) > 15
    for place in places:
        s = scene()
        use = last_commit(s)
        plan = commit_module.plan_commit

        def planned(*args: Any, place: Any = place, plan: Any = plan) -> Any:
            right = plan(*args)
            return commit_module.Planned(flipped(right.batch, place), right.head)

        with monkeypatch.context() as patch:
            patch.setattr(writer_module, "plan_commit", planned)
            check_caught(s, use)
        with pytest.raises((InvariantBroken, StoreFault)):
            s.world.open()  # and recovery, which knows nothing but what is stored, finds it again


def test_wrong_tile_under_a_full_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full tile whose row and inner nodes agree, but not with the tile above it."""
    s = scene()
    group = [s.ada.artifacts([s.ada.record(str(number))]) for number in range(520)]
    plan = commit_module.plan_commit

    def planned(*args: Any) -> Any:
        right = plan(*args)
        puts = [(p[0], p[1], b"".join([p[2]])) for p in right.batch.puts]
        for at, (space, key, value) in enumerate(puts):
            if (space, key) == (Space.TILES, tile_key(0, 1)):
                row = [bytes(32), *(value[n : n + 32] for n in range(32, 256 * 32, 32))]
                puts[at] = (space, key, tiles.expand(row))
        assert puts != right.batch.puts
        return commit_module.Planned(Batch(puts, [], right.batch.index), right.head)

    monkeypatch.setattr(writer_module, "plan_commit", planned)
    check_caught(s, lambda: s.world.append(*group))


@pytest.mark.parametrize(
    "wrong", [{"size": 1}, {"size": -1}, {"records": 1}, {"records": -1}, {"records": 2**40}]
)
def test_wrong_head_is_found(wrong: dict[str, int]) -> None:
    s = scene()
    with s.world.store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
    right = decode_head(raw)
    head = Head(right.size + wrong.get("size", 0), right.records + wrong.get("records", 0), right.note)
    s.world.store.commit(Batch(), raw, head.encode())
    with pytest.raises((InvariantBroken, StoreFault)):
        s.world.open()
    s.world.store.commit(Batch(), head.encode(), raw)
    assert s.world.open().checkpoint == s.world.writer.checkpoint


def test_last_entry_that_is_no_state_is_not_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    plan = commit_module.plan_commit

    def without_state(snapshot: Any, head: Any, accepted: Any, state: Any) -> Any:
        return plan(snapshot, head, accepted[:-1], state)

    monkeypatch.setattr(writer_module, "plan_commit", without_state)
    check_caught(s, last_commit(s))


def test_state_of_the_fold_that_was_damaged_later_is_found_when_opened() -> None:
    s = scene()
    with s.world.store.snapshot() as snapshot:
        raw, header = bytes(snapshot.head()), bytes(snapshot.get(Space.FOLD, b"h") or b"")
    root = s.world.writer.state.header.status_root
    assert root in header
    changed = header.replace(root, bytes(32))
    s.world.store.commit(Batch([(Space.FOLD, b"h", changed)]), raw, raw)
    with pytest.raises(InvariantBroken) as error:
        s.world.open()
    assert error.value.code == "tree-differs"


def test_status_node_that_was_damaged_later_never_reaches_a_signature() -> None:
    """Whatever byte of whatever node: the log stops, or did not need that node."""
    s = scene()
    with s.world.store.snapshot() as snapshot:
        nodes = [(key, bytes(value)) for key, value in snapshot.scan(Space.STATUS)]
    s.world.enrol("bob")
    right = s.world.writer.state.header.status_root
    stopped = 0
    for key, value in nodes:
        for at in range(0, len(value), 1 if LONG else 11):
            damaged = scene()
            with damaged.world.store.snapshot() as snapshot:
                raw = bytes(snapshot.head())
            batch = flipped(Batch([(Space.STATUS, key, value)]), (Space.STATUS, key, at))
            damaged.world.store.commit(batch, raw, raw)
            damaged.world.writer = damaged.world.open()
            try:
                damaged.world.enrol("bob")
            except InvariantBroken:
                stopped += 1
            else:
                assert damaged.world.writer.state.header.status_root == right
    assert stopped > 5


def test_peaks_that_were_damaged_later_are_found_when_opened() -> None:
    s = scene()
    with s.world.store.snapshot() as snapshot:
        raw = bytes(snapshot.head())
        ((key, value),) = [(key, bytes(value)) for key, value in snapshot.scan(Space.TILES)]
    s.world.store.commit(Batch([(Space.TILES, key, value[:-1] + bytes([value[-1] ^ 1]))]), raw, raw)
    with pytest.raises(InvariantBroken) as error:
        s.world.open()
    assert error.value.code == "tree-differs"


def test_refusals_before_a_fault_are_told_when_sent_again() -> None:
    """A group with refusals whose commit fails: sent again, every statement gets its own answer."""
    world = World(FaultyStore(MemoryStore(), {5: Fault.LOST}))
    ada = world.enrol("ada")
    good = ada.artifacts([ada.record("x")])
    group: list[Submission] = [(b"", ()), (good[0].encoded, good[1]), (world.genesis.encoded, ())]
    with pytest.raises(StoreFault):
        world.writer.append(group)
    world.store.reopen()
    world.writer = world.open()
    results = world.writer.append(group)
    assert codes(results) == ["not-canonical", "", "misplaced"]
    assert all(isinstance(result, Appended | RefusedInput) for result in results)
    assert not any(isinstance(result, LineageError) for result in results[1:2])

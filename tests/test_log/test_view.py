"""A view shows what was signed and nothing else, whatever lies behind it in the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.errors import NotFound, ProofInvalid, RefusedInput, StoreFault
from ledger.fold.topics import Chain, Topic, topic_key
from ledger.log import view as view_module
from ledger.log.view import LogView, open_view
from ledger.merkle import prefix
from ledger.merkle.tree import hash_leaf, root_of, verify_consistency, verify_inclusion
from ledger.proofs.receipt import check_receipt, make_receipt
from ledger.proofs.source import ProofSource
from ledger.proofs.trace import trace
from ledger.statements.entry import decode_entry
from ledger.store import index
from ledger.store.contract import Batch, Store
from ledger.store.lmdb import LmdbStore
from ledger.store.memory import MemoryStore
from tests.dishonest import DishonestLog
from tests.faults import Fault, FaultyStore
from tests.world import World, enrol

MakeStore = Callable[[Path], Store]
ENGINES: list[MakeStore] = [lambda _folder: MemoryStore(), lambda folder: LmdbStore.create(folder / "store")]


@pytest.fixture(params=ENGINES, ids=["memory", "lmdb"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    make: MakeStore = request.param
    return World(FaultyStore(make(tmp_path), {}))


def fill(world: World) -> list[bytes]:
    """600 records under 305 statements (tiles of two levels, a commit of many); their ids in log order."""
    anna, ben = world.enrol("anna"), world.enrol("ben")
    submissions, ids = [], []
    for number in range(305):
        maker, lane = (anna, ben)[number % 2], b"%016d" % number
        count = 296 if number == 7 else 1
        records = [maker.record(f"{number}/{position}") for position in range(count)]
        submissions.append(maker.artifacts(records, lane))
        ids += [record.id for record in records]
    for result in world.append(*submissions):
        assert not isinstance(result, Exception)
    return ids


def check_status(view: LogView, key: bytes) -> int:
    """How many entries a topic has, after its proof was verified against the root that the last entry names."""
    root = decode_entry(view.entry(view.checkpoint.size - 1)).statement.body["root"]
    chain = Chain()
    for log_index in view.topic_entries(key):
        chain = chain.extend(log_index, hash_leaf(view.entry(log_index)))
    prefix.verify(root, key, chain.value() if chain.length else None, view.status_proof(key))
    return chain.length


def test_every_answer_holds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view_module, "_LEAVES_REMEMBERED", 40)
    ids = fill(world)
    with open_view(world.store, world.vkey) as view:
        source: ProofSource = view
        checkpoint = source.checkpoint
        assert (checkpoint.size, view.record_count, view.log_id) == (312, 600, world.log)
        assert source.note == world.writer.note
        for log_index in range(checkpoint.size):
            leaf_hash = hash_leaf(source.entry(log_index))
            verify_inclusion(
                leaf_hash, log_index, checkpoint.size, source.entry_path(log_index), checkpoint.root
            )
            statement = decode_entry(source.entry(log_index)).statement
            assert source.find_statement(statement.id) == log_index
        tree = [hash_leaf(source.entry(log_index)) for log_index in range(checkpoint.size)]
        for old_size in (1, 2, 255, 256, 257, 300, 311, 312):
            old_root = root_of(tree[:old_size])
            path = view.consistency_path(old_size)
            verify_consistency(old_size, old_root, checkpoint.size, checkpoint.root, path)
        for number, artifact_id in enumerate(ids):
            log_index, record_index = source.locate(number)
            assert source.record_start(log_index) + record_index == number
            assert source.record_leaf(number) == artifact_id
            data = source.record(number)
            assert data is not None
            assert hash_leaf(data) == artifact_id
            assert source.find_artifact(artifact_id) == [number]
            body = decode_entry(source.entry(log_index)).statement.body
            verify_inclusion(
                artifact_id, record_index, body["count"], source.record_path(number), body["root"]
            )
        assert view._leaves_held == sum(len(levels[0]) for levels in view._levels.values()) <= 40
        assert check_status(view, topic_key(Topic.RULES, world.log)) == 1
        assert check_status(view, topic_key(Topic.NOTICES, ids[0])) == 0
        assert source.find_artifact(bytes(32)) == []
        assert source.find_statement(bytes(32)) is None


@pytest.mark.parametrize("fault", list(Fault))
def test_a_commit_in_flight_is_not_seen(world: World, fault: Fault) -> None:
    """The first transaction of a commit is on disk, its checkpoint is not signed (or signed, if it was reported only)."""
    fill(world)
    store = world.store
    assert isinstance(store, FaultyStore)
    anna = world.enrol("later")
    before = world.writer.note
    newcomer = enrol("newcomer", world.log, "pair", anna.id)
    record = anna.record("unsigned")
    delegation = anna.say(
        "delegate", {"pair": newcomer.id, "substrate": {"name": "m", "version": "1"}}, b"d" * 16
    )
    store.plan = {store.commits + 2: fault}
    with pytest.raises(StoreFault):
        world.append((newcomer.enrolment, []), anna.artifacts([record]), (delegation, []))
    seen = fault is Fault.PERSISTED
    with open_view(store, world.vkey) as view:
        size = view.checkpoint.size
        assert (view.note == before) == (not seen)
        assert size == (318 if seen else 314)
        assert view.find_artifact(record.id) == ([600] if seen else [])
        assert view.find_content(record.form, record.content) == ([600] if seen else [])
        assert view.find_statement(newcomer.id) == (314 if seen else None)
        assert (view.identity(newcomer.id) is not None) == seen
        assert check_status(view, topic_key(Topic.KEY_EVENTS, newcomer.id)) == seen
        assert check_status(view, topic_key(Topic.DELEGATIONS, anna.id)) == seen
        assert check_status(view, topic_key(Topic.KEY_EVENTS, anna.id)) == 1
        assert trace(view, record.id, world.vkey).nodes[record.id].presence == (
            "stands" if seen else "absent"
        )
        tree = [hash_leaf(view.entry(log_index)) for log_index in range(size)]
        for old_size in (256, 312, size):
            path = view.consistency_path(old_size)
            verify_consistency(old_size, root_of(tree[:old_size]), size, view.checkpoint.root, path)
            assert view.root_at(old_size) == root_of(tree[:old_size])
        for ask_size in (view.consistency_path, view.root_at):
            with pytest.raises(RefusedInput):
                ask_size(size + 1)
        for ask in (view.entry, view.record_start):
            with pytest.raises(StoreFault):
                ask(size)
        for ask_record in (view.record, view.record_leaf, view.locate, view.record_path):
            with pytest.raises(StoreFault):
                ask_record(view.record_count)
        assert check_receipt(make_receipt(view, 599), world.vkey).checkpoint.size == size
    store.plan = {}
    store.reopen()
    world.writer = world.open()
    with open_view(store, world.vkey) as view:
        assert view.find_artifact(record.id) == [600]


def test_an_identity_is_shown_as_of_the_checkpoint(world: World) -> None:
    anna = world.enrol("anna")
    pair = world.pair(anna, "pair")
    store = world.store
    assert isinstance(store, FaultyStore)
    store.plan = {store.commits + 2: Fault.LOST}
    with pytest.raises(StoreFault):
        world.delegate(anna, pair, {"human": 1})
    with open_view(store, world.vkey) as view:
        shown = view.identity(pair.id)
        assert shown is not None
        assert [item.id for item in view.delegations(shown)] == [pair.delegation]
        assert shown.delegation is not None
        assert shown.delegation.scope is None
        assert shown.anchor == anna.id
        assert view.identity(bytes(32)) is None


def test_a_view_stays_as_it_was_opened(world: World) -> None:
    anna = world.enrol("anna")
    with open_view(world.store, world.vkey) as view:
        size, key = view.checkpoint.size, topic_key(Topic.KEY_EVENTS, anna.id)
        record = anna.record("meanwhile")
        world.must(*anna.artifacts([record]))
        assert view.find_artifact(record.id) == []
        assert view.entry_path(size - 1)
        assert check_status(view, key) == 1
    with open_view(world.store, world.vkey) as view:
        assert view.checkpoint.size == size + 2
        assert view.clock_ms == world.time_ms


def test_without_a_checkpoint_of_this_log_there_is_no_view(world: World) -> None:
    empty = World(begin=False)
    with pytest.raises(NotFound) as nothing, open_view(empty.store, empty.vkey):
        pass
    assert nothing.value.code == "log-not-begun"
    with pytest.raises(ProofInvalid) as other, open_view(world.store, World(origin="other.example").vkey):
        pass
    assert other.value.code == "note-invalid"


def test_all_places_and_all_claims_are_found(world: World) -> None:
    anna, ben = world.enrol("anna"), world.enrol("ben")
    record = anna.record("said twice")
    world.must(*anna.artifacts([record, anna.record("between")]))
    world.must(*ben.artifacts([ben.record("said twice")]))
    world.must(*anna.artifacts([record]))
    with open_view(world.store, world.vkey) as view:
        assert view.find_artifact(record.id) == [0, 3]
        assert view.find_content(record.form, record.content) == [0, 2, 3]
        assert view.find_artifact(record.content) == []
        assert view.find_content(record.form, record.id) == []
        assert view.find_statement(record.id) is None


def test_the_index_only_proposes(world: World) -> None:
    """Every position under a digest's prefix, far ones too: the full digest decides, within the signed bounds."""
    anna = world.enrol("anna")
    record = anna.record("one")
    world.must(*anna.artifacts([record, anna.record("two")]))
    positions = [0, 1, 2, 9_999, *map(index.statement_position, (0, 1, 2, 3, 4, 5, 6, 9_999))]
    batch = Batch(
        index=[
            (index.prefix(digest), position)
            for digest in (record.id, record.content, anna.id)
            for position in positions
        ]
    )
    with world.store.snapshot() as snapshot:
        head = snapshot.head()
    world.store.commit(batch, head, head)
    with open_view(world.store, world.vkey) as view:
        assert view.find_artifact(record.id) == [0]
        assert view.find_content(record.form, record.content) == [0]
        assert view.find_statement(anna.id) == 2
        assert view.find_artifact(anna.id) == []


def test_of_an_erased_record_the_hash_is_left(world: World) -> None:
    anna = world.enrol("anna")
    records = [anna.record(text) for text in ("one", "two", "three")]
    world.must(*anna.artifacts(records))
    with open_view(world.store, world.vkey) as view:
        path = view.record_path(1)
    DishonestLog.over(world).erase(1)
    with open_view(world.store, world.vkey) as view:
        assert view.record(1) is None
        assert view.record_leaf(1) == records[1].id
        assert view.record_path(1) == path
        assert view.find_artifact(records[1].id) == [1]
        assert view.find_content(records[1].form, records[1].content) == []
        with pytest.raises(NotFound, match="erased"):
            make_receipt(view, 1)


def test_what_cannot_be_read_is_not_found_by_content(world: World) -> None:
    """Entries and records that no decoder takes stand in the sequence; a search passes them over."""
    anna = world.enrol("anna")
    record = anna.record("one")
    log = DishonestLog.over(world)
    entry, _ = anna.artifacts([record])
    garbage = b"\x00" + record.encoded
    log.append(b"no entry at all")
    log.append(entry.encoded, [garbage])
    log.close_with_state()
    batch = Batch(
        index=[
            (index.prefix(record.content), 0),
            (index.prefix(entry.statement.id), index.statement_position(4)),
        ]
    )
    with world.store.snapshot() as snapshot:
        head = snapshot.head()
    world.store.commit(batch, head, head)
    with open_view(world.store, world.vkey) as view:
        assert view.find_content(record.form, record.content) == []
        assert view.find_artifact(hash_leaf(garbage)) == [0]
        assert view.find_statement(entry.statement.id) == 5


def test_a_checkpoint_that_no_state_closes_is_damage(world: World) -> None:
    log = DishonestLog.over(world)
    log.append(world.genesis.encoded)
    log.close()
    with pytest.raises(StoreFault, match="no state") as damage, open_view(world.store, world.vkey):
        pass
    assert damage.value.code == "ledger-damaged"

"""Kills a process that appends, again and again, and looks at what it left. Run as `python -m tests.kills`.

A run is made of rounds. In each a forked child opens the ledger and appends as fast as it can, telling through a pipe
what it is about to send and what was acknowledged; after a random time it is killed (SIGKILL), wherever it stands.
Then the parent opens the ledger, by the path that everybody takes after a crash, and checks what must hold. The parent
has no store open when it forks, and one thread.

Three kinds of children: one that appends statements in bulk, one that signs in lanes with an outbox, and one whose commits
are whole lives of identities, with their key events and what they say of each other.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import select
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgpack

from ledger.audit.replay import audit_ledger
from ledger.log.writer import Appended
from ledger.merkle.proofs import PathReader
from ledger.merkle.tree import Frontier, hash_leaf, root_of, verify_consistency, verify_inclusion
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint
from ledger.signer.lanes import Lane, hold_lane, pending_parcels
from ledger.signer.parcel import Parcel
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.record import Parent
from ledger.statements.statement import Statement, make_statement
from ledger.store.head import decode_head
from ledger.store.lmdb import LmdbStore
from ledger.store.reader import StoreReader
from tests.world import Actor, World, enrol, evidence

ROUNDS_A_LEDGER: Final = 250  # then a new one is begun, so that a round stays quick
LIFE_MAX_S: Final = 0.15  # of a child, after its first message
Message = list[Any]
Tell = Callable[[Message], None]
Place = tuple[bytes, bytes, bytes, int]


def world_of(folder: Path) -> World:
    world = World(LmdbStore(folder / "store"))
    world.time_ms = world.writer.state.header.clock_ms
    return world


def append_in_bulk(folder: Path, number: int, tell: Tell) -> None:
    """The child that appends groups of statements, in a lane of its own."""
    rng = random.Random(number)
    world = world_of(folder)
    ada = enrol("ada", world.log)
    lane = number.to_bytes(16, "big")
    while True:
        group = []
        for _ in range(rng.randint(1, 8)):
            texts = [f"{number} {rng.random()}" for _ in range(rng.randint(1, 4))]
            entry, records = ada.artifacts([ada.record(text) for text in texts], lane)
            group.append((entry.encoded, records))
        tell(["send", group])
        placed = world.writer.append(group)
        tell(
            ["placed", [[item.statement_id, item.log_index] for item in placed if isinstance(item, Appended)]]
        )


def sign_in_lanes(folder: Path, number: int, tell: Tell) -> None:
    """The child that signs parcels, keeps them, sends them and crosses them off; what waits is sent first."""
    rng = random.Random(number)
    world = world_of(folder)
    ada = enrol("ada", world.log)
    while True:
        with hold_lane(folder / "lanes", ada.id) as lane:
            for _ in range(rng.randint(1, 3)):
                parcel = lane.pending()
                if parcel is None:
                    parcel = parcel_in(lane, ada, f"{number} {rng.random()}", rng.randint(1, 3))
                    lane.keep(parcel)
                tell(["kept", [entry for entry, _records in parcel.statements]])
                placed = world.writer.append(parcel.statements)
                lane.acknowledged(parcel)
                tell(
                    [
                        "placed",
                        [
                            [item.statement_id, item.log_index]
                            for item in placed
                            if isinstance(item, Appended)
                        ],
                    ]
                )


def live_lives(folder: Path, number: int, tell: Tell) -> None:
    """The child whose commits hold whole lives: born, delegating, robbed, rotated, recovered, spoken of, retired."""
    world = world_of(folder)
    for turn in itertools.count():
        group = [(entry.encoded, records) for entry, records in life(world.log, f"{number} {turn}")]
        tell(["send", group])
        placed = world.writer.append(group)
        assert all(isinstance(item, Appended) for item in placed), placed
        tell(
            ["placed", [[item.statement_id, item.log_index] for item in placed if isinstance(item, Appended)]]
        )


def life(log: bytes, name: str) -> Iterator[tuple[Entry, Sequence[bytes]]]:
    """Statements of two identities and a pair, each as it follows the others."""
    ada, bob = enrol(f"ada {name}", log), enrol(f"bob {name}", log)
    pair = enrol(f"pair {name}", log, "pair", ada.id)
    for actor in (ada, bob, pair):
        yield actor.enrolment, ()
    work = ada.record(f"work {name}")
    for turn in range(2):
        body = {"pair": pair.id, "substrate": {"name": "model", "version": str(turn)}}
        grant = ada.say("delegate", body)
        pair.delegation = grant.statement.id
        yield grant, ()
        yield ada.artifacts([work])
        yield pair.artifacts([pair.record(f"{name} {turn}", parents=[Parent("derived-from", work.id)])])
        rotation = ada.key_event("rotate", cuts=[(ada.public_key, 1)])
        yield rotation, ()
        ada.took(rotation)
    yield ada.say("delegate", body), ()
    yield ada.say("undelegate", {"pair": pair.id}), ()
    yield bob.say("endorse", {"subject": ada.id, "grade": "known", "method": "web"}), ()
    yield bob.say("attest", {"subjects": [[work.id]], "claim": "content", "result": "confirmed"}), ()
    yield ada.say("notice", {"subjects": [[work.id]], "act": "retract"}), ()
    halves = []
    for text in "xy":
        lanes = dict(bob.lanes)
        halves.append(bob.artifacts([bob.record(text)], b"F" * 16)[0])
        bob.lanes = lanes
    yield ada.say("evidence", evidence(*halves)), ()
    for type_ in ("recover", "rotate", "retire"):
        event = bob.key_event(type_)
        yield event, ()
        bob.took(event)


def parcel_in(lane: Lane, ada: Actor, text: str, count: int) -> Parcel:
    statements, seq, prev = [], lane.next_seq, lane.last
    for number in range(count):
        record = ada.record(f"{text} {number}")
        place = {"by": ada.id, "key": ada.id, "lane": lane.id, "seq": seq, "prev": prev}
        statement = make_statement("artifacts", ada.log, {"count": 1, "root": record.id}, **place)
        statements.append((ada.sign(statement).encoded, (record.encoded,)))
        seq, prev = seq + 1, statement.id
    return Parcel(tuple(statements))


def place_of(statement: Statement) -> Place:
    return statement.by, statement.key, statement.lane, statement.seq


def killed_child(run: Callable[[Tell], None], rng: random.Random) -> Iterator[Message]:
    """Forks a child, gives it a random time to live, kills it; all whole messages that it sent."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:  # nothing of the parent may run in the child
        with contextlib.suppress(BaseException):
            os.close(read_end)
            run(lambda message: _write_all(write_end, msgpack.packb(message, use_bin_type=True)))
        os._exit(1)
    os.close(write_end)
    data = b""
    try:
        select.select([read_end], [], [], 10)
        until_s = time.monotonic() + rng.uniform(0, LIFE_MAX_S)
        while (left_s := until_s - time.monotonic()) > 0:
            if select.select([read_end], [], [], left_s)[0]:
                data += os.read(read_end, 1 << 20)
        os.kill(pid, signal.SIGKILL)
        while chunk := os.read(read_end, 1 << 20):
            data += chunk
    finally:
        os.close(read_end)
        _pid, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status), "the child ended by itself"
    unpacker = msgpack.Unpacker(raw=False, max_buffer_size=0)
    unpacker.feed(data)
    yield from unpacker


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class Ledger:
    """One ledger, and all that is known of it from outside."""

    def __init__(self, folder: Path, child: Callable[[Path, int, Tell], None], rng: random.Random) -> None:
        self.folder, self.child, self.rng = folder, child, rng
        self.stats: Counter[str] = Counter()
        self.frontier = Frontier()
        self.signed: list[Checkpoint] = []
        self.ids: list[bytes] = []  # by log index
        self.placed: dict[bytes, int] = {}  # acknowledged: statement id -> log index
        self.kept: dict[Place, bytes] = {}  # every payload that was ever in an outbox
        folder.mkdir(parents=True)
        LmdbStore.create(folder / "store").close()
        world = World(LmdbStore(folder / "store"))
        world.enrol("ada")
        self.world = world
        world.store.close()

    def round(self, number: int) -> None:
        """One life of a child, and what must hold after its death."""
        sent: list[Any] = []
        for kind, items in killed_child(lambda tell: self.child(self.folder, number, tell), self.rng):
            if kind == "send":
                sent = items
            elif kind == "kept":
                self.keep(items)
            else:
                sent = []
                self.acknowledge({bytes(statement_id): log_index for statement_id, log_index in items})
        self.stats["kills"] += 1
        for _path, entries in pending_parcels(self.folder / "lanes"):
            self.keep(list(entries))
            self.stats["parcels_waiting"] += 1
        self.world.store.reopen()
        self.look()
        self.send_again(sent)
        self.world.store.close()

    def keep(self, entries: list[bytes]) -> None:
        """No place was ever signed twice."""
        for entry in entries:
            place = place_of(decode_entry(entry).statement)
            assert self.kept.setdefault(place, entry) == entry, f"signed twice: {place}"

    def acknowledge(self, places: dict[bytes, int]) -> None:
        for statement_id, log_index in places.items():
            assert self.placed.setdefault(statement_id, log_index) == log_index
        self.stats["acknowledged"] += len(places)

    def look(self) -> None:
        """Before recovery and after it: signed heads that agree, and everything acknowledged beneath them."""
        with self.world.store.snapshot() as snapshot:
            head = decode_head(snapshot.head())
        before = open_checkpoint(head.note, [self.world.vkey])
        self.stats["recoveries"] += head.size > before.size
        self.world.writer = self.world.open()
        self.world.time_ms = self.world.writer.state.header.clock_ms
        after = self.world.writer.checkpoint
        assert after is not None
        assert after.size == head.size, "recovery truncates nothing and adds nothing"
        with self.world.store.snapshot() as snapshot:
            reader = StoreReader(snapshot, after.size, self.world.writer.state.header.records)
            for signed in (before, after):
                self.check_consistent(reader, signed)
            self.check_acknowledged(reader, after)

    def check_consistent(self, reader: StoreReader, signed: Checkpoint) -> None:
        last = self.signed[-1] if self.signed else None
        assert last is None or signed.size >= last.size, "a signed head was lost"
        start = self.frontier.size
        entries = list(reader.entries(start, signed.size))
        self.frontier = self.frontier.append([hash_leaf(data) for data in entries])
        assert self.frontier.root() == signed.root
        for log_index, data in enumerate(entries, start):
            self.check_entry(reader, log_index, data)
        if last is not None:
            path = PathReader(reader.tile, signed.size).consistency_path(last.size)
            verify_consistency(last.size, last.root, signed.size, signed.root, path)
        self.signed.append(signed)

    def check_entry(self, reader: StoreReader, log_index: int, data: bytes) -> None:
        statement = decode_entry(data).statement
        self.ids.append(statement.id)
        if statement.type != "artifacts":
            return
        start, count = reader.record_start(log_index), statement.body["count"]
        records = [bytes(item) for item in reader.records(start, start + count) if isinstance(item, bytes)]
        assert root_of([hash_leaf(item) for item in records]) == statement.body["root"]
        if self.kept:
            assert self.kept[place_of(statement)] == data, "the log holds another than what was kept"

    def check_acknowledged(self, reader: StoreReader, signed: Checkpoint) -> None:
        """All are where they were said to be; the newest and some older ones by a proof of inclusion."""
        assert len(set(self.ids)) == len(self.ids), "a statement stands twice"
        assert all(self.ids[log_index] == statement_id for statement_id, log_index in self.placed.items())
        paths = PathReader(reader.tile, signed.size)
        indices = list(self.placed.values())
        for log_index in {*indices[-30:], *self.rng.sample(indices, min(30, len(indices)))}:
            data = reader.entry(log_index)
            assert decode_entry(data).statement.id == self.ids[log_index]
            path = paths.inclusion_path(log_index)
            verify_inclusion(hash_leaf(data), log_index, signed.size, path, signed.root)

    def send_again(self, sent: list[Any]) -> None:
        """What was sent and not acknowledged: known where it stands, else appended now."""
        stood = dict(zip(self.ids, range(len(self.ids)), strict=True))
        group = [(bytes(entry), [bytes(record) for record in records]) for entry, records in sent]
        for (entry, _records), placed in zip(group, self.world.writer.append(group), strict=True):
            statement_id = decode_entry(entry).statement.id
            assert isinstance(placed, Appended), placed
            assert placed.known == (statement_id in stood)
            assert placed.log_index == stood.get(statement_id, placed.log_index)
            self.stats["stood_unacknowledged"] += placed.known
            self.acknowledge({statement_id: placed.log_index})

    def finish(self) -> None:
        """At last everything once more, from the first entry on; and every parcel ever kept stands in the log."""
        self.world.store.reopen()
        self.world.writer = self.world.open()
        ada = enrol("ada", self.world.log)
        for _ in range(len(pending_parcels(self.folder / "lanes"))):
            with hold_lane(self.folder / "lanes", ada.id) as lane:
                while (parcel := lane.pending()) is not None:
                    assert all(
                        isinstance(item, Appended) for item in self.world.writer.append(parcel.statements)
                    )
                    lane.acknowledged(parcel)
        self.look()
        with self.world.store.snapshot() as snapshot:
            reader = StoreReader(snapshot, self.signed[-1].size)
            entries = list(reader.entries(0, self.signed[-1].size))
        assert root_of([hash_leaf(data) for data in entries]) == self.signed[-1].root
        assert set(self.kept.values()) <= set(entries), "a kept parcel is not in the log"
        report = audit_ledger(self.world.store, self.world.vkey)
        assert report.ok, report.faults
        self.stats["entries"] += len(entries)
        self.world.store.close()
        shutil.rmtree(self.folder)


CHILDREN: Final = {"bulk": append_in_bulk, "lanes": sign_in_lanes, "lives": live_lives}


def main() -> None:
    """Prints what happened as one JSON object; an assertion that fails ends it otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--child", choices=CHILDREN, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    stats: Counter[str] = Counter()
    for first in range(0, arguments.kills, ROUNDS_A_LEDGER):
        ledger = Ledger(arguments.folder / str(first), CHILDREN[arguments.child], rng)
        for number in range(first, min(first + ROUNDS_A_LEDGER, arguments.kills)):
            ledger.round(arguments.seed + number)
        ledger.finish()
        stats += ledger.stats
    sys.stdout.write(json.dumps(stats) + "\n")


if __name__ == "__main__":
    main()

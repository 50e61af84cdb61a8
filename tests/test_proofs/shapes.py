"""Valid ancestry proofs of at most 8 KiB, one in each shape, and what they are judged by. For tests only.

All but the second log of one are of logs with one name and one key: as if a dishonest operator showed a view of his log in each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ledger import spec
from ledger.identity.keyset import sign_entry_payload
from ledger.identity.vkey import Vkey
from ledger.log.view import open_view
from ledger.origin.policy import Policy
from ledger.origin.trust import Trust, parse_trust
from ledger.proofs.ancestry_file import CONTENT, PROFILE, Disclosed, LogPart, RowsHeader
from ledger.proofs.points import Point
from ledger.statements import codec
from ledger.statements.entry import CURRENT, Signature, make_entry
from ledger.statements.record import Parent, Record, make_record, sealed_content, sealed_size
from ledger.statements.statement import keyset_digest, make_statement
from tests import reference
from tests.test_origin.facts import BALANCED, STRICT
from tests.test_proofs.proving import WholeLog, part_of, write_whole
from tests.test_proofs.scene import (
    TOOL,
    Scene,
    attest,
    change,
    evidence_on,
    later,
    notice,
    rules,
    thief_of,
    wait_out,
)
from tests.test_proofs.witnesses import Cosigner
from tests.world import Actor, World, keyset_of, seed_of

BYTES_MAX = 8_192
WEEK_MS = 604_800_000
SALT = bytes(range(32))
FIRST, SECOND = Cosigner("witness.example/1"), Cosigner("witness.example/2")
SHARE: dict[str, Any] = {"human": 1_000_000}


@dataclass(frozen=True)
class Shape:
    """A file, the vkeys by which it is verified, whose word counts, and when."""

    name: str
    data: bytes
    vkeys: tuple[Vkey, ...]
    at_ms: int
    trust: Trust | None = None
    policy: Policy = BALANCED


def cosigned(world: World, at_ms: int, *witnesses: Cosigner) -> bytes:
    """The log's newest note, with lines of these witnesses."""
    with open_view(world.store, world.vkey) as view:
        lines = "".join(witness.line(view.checkpoint, at_ms // 1_000) for witness in witnesses)
        return view.note + lines.encode()


def point_of(world: World, size: int, note: bytes | None = None) -> Point:
    with open_view(world.store, world.vkey) as view:
        return Point(size, view.root_at(size), note, tuple(view.consistency_path(size)))


def trust_of(vkey: Vkey, *makers: Actor, rest: str = "") -> Trust:
    """These makers, and a quorum of both witnesses."""
    named = ", ".join(repr(actor.id.hex()) for actor in makers)
    lines = f"witness a {FIRST.vkey}\nwitness b {SECOND.vkey}\ngroup both all a b\nquorum both\n"
    return parse_trust(f'makers = [{named}]\ntlog_policy = """\nlog {vkey}\n{lines}"""\n{rest}'.encode())


def believing(*makers: Actor, rest: str = "") -> Trust:
    """These makers, and no witness."""
    return parse_trust(f"makers = [{', '.join(repr(actor.id.hex()) for actor in makers)}]\n{rest}".encode())


class Play:
    """A scene in which a shape is played."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.anna, self.ben, self.pair = self.scene.anna, self.scene.ben, self.scene.pair

    def work(self, actor: Actor, text: str, kind: str = "work", *parents: Parent, **fields: Any) -> Record:
        if kind == "work" and not parents and actor.role == "human":
            fields = SHARE | fields
        record = actor.record(text, kind, parents, **fields)
        self.scene.put(actor, record)
        return record

    def part(self, *subjects: Record) -> LogPart:
        self.scene.log.close_with_state()
        world = self.scene.world
        with open_view(world.store, world.vkey) as view:
            return part_of(view, world.vkey, [subject.id for subject in subjects])

    def shape(
        self,
        *subjects: Record,
        rows: Sequence[tuple[RowsHeader, bytes]] = (),
        disclosed: Sequence[Disclosed] = (),
        **judged_by: Any,
    ) -> Shape:
        part = self.part(*subjects)
        assert not self.scene.log.faults
        if rows:
            part.subjects -= {header.artifact_id for header, _ in rows}
        data = write_whole([WholeLog(part, list(rows))], disclosed)
        return Shape("", data, (self.scene.world.vkey,), self.scene.log.time_ms, **judged_by)


def one_record() -> Shape:
    play = Play()
    return play.shape(play.work(play.anna, "one"))


def derived_with_a_pair() -> Shape:
    play = Play()
    first = play.work(play.anna, "first")
    answer = play.work(play.pair, "answer", "output", Parent("quotes", first.id))
    chunk = play.work(play.scene.machine, "chunk", "derived", Parent("derived-from", first.id), facts=TOOL)
    work = play.work(play.pair, "work", "work", Parent("derived-from", first.id, 900_000), human=100_000)
    last = play.work(
        play.pair,
        "last",
        "work",
        Parent("derived-from", work.id, 900_000),
        Parent("quotes", answer.id),
        human=100_000,
    )
    return play.shape(last, chunk)


def reported() -> Shape:
    play = Play()
    record = play.work(play.anna, "told", "work", stance="reported", human=None)
    attest(play.scene, play.ben, record.id, claim="origin")
    return play.shape(record, trust=believing(play.anna, play.ben))


def sealed_and_disclosed() -> Shape:
    play = Play()
    content = b"sealed words"
    record = make_record(
        kind="work",
        maker=play.anna.id,
        content=sealed_content(play.anna.id, SALT, content),
        size_bytes=sealed_size(len(content)),
        form="sealed",
        human=1_000_000,
    )
    play.scene.put(play.anna, record)
    return play.shape(record, disclosed=[Disclosed(CONTENT, record.id, SALT, content)])


def profile_disclosed() -> Shape:
    play = Play()
    scene, profile = play.scene, b"Cara, who writes"
    keyset = keyset_of("cara")
    digest = hashlib.sha256(spec.TAG_PROFILE + keyset_digest(keyset) + SALT + profile).digest()
    body = {
        "role": "human",
        "keyset": keyset,
        "next": keyset_digest(keyset_of("cara/next")),
        "recovery": keyset_digest(keyset_of("cara/recovery")),
        "profile": digest,
    }
    statement = make_statement("enrol", scene.world.log, body)
    signature = sign_entry_payload(seed_of("cara"), statement.payload)
    cara = Actor("cara", scene.world.log, "human", make_entry(statement, [Signature(CURRENT, 0, signature)]))
    scene.log.append(cara.enrolment.encoded)
    return play.shape(play.work(cara, "hers"), disclosed=[Disclosed(PROFILE, cara.id, SALT, profile)])


def rows_with_ranges() -> Shape:
    """Nine rows of eleven, of one of which something is said."""
    play = Play()
    digests = [hashlib.sha256(b"row %d" % row).digest() for row in range(11)]
    record = play.anna.record("rows", "dataset", form="rows", facts={"count": 11}, stance="reported")
    record = type(record)(*_with_content(record, reference.mth(digests)))
    play.scene.put(play.anna, record)
    curator = play.scene.enrol("curator", "curator")
    rules(play.scene, curators=[curator])
    notice(play.scene, curator, "dispute", record.id, 3)
    attest(play.scene, play.ben, record.id, claim="origin")
    ranges = ((1, 4), (6, 3), (10, 1))
    wanted = [row for first, count in ranges for row in range(first, first + count)]
    header = RowsHeader(record.id, ranges, tuple(reference.multiproof(set(wanted), digests)))
    rows = [(header, b"".join(digests[row] for row in wanted))]
    return play.shape(record, rows=rows, trust=believing(play.anna, play.ben))


def _with_content(record: Record, content: bytes) -> tuple[bytes, dict[str, Any]]:
    fields = record.fields | {"content": content}
    return codec.encode(fields), fields


def one_of_five() -> Shape:
    """Two records of a statement of five; one of them stands twice in the log."""
    play = Play()
    records = [play.anna.record(f"number {number}", **SHARE) for number in range(5)]
    play.scene.put(play.anna, *records)
    play.scene.put(play.anna, records[3])
    return play.shape(records[1], records[3])


def vouched() -> Shape:
    """L3: attested, and cosigned by a quorum."""
    play = Play()
    work = play.work(play.anna, "work")
    attest(play.scene, play.ben, work.id)
    return _cosigned(play, work)


def _cosigned(play: Play, work: Record, *noted: tuple[int, bytes | None]) -> Shape:
    part = play.part(work)
    assert not play.scene.log.faults
    world, at_ms = play.scene.world, play.scene.log.time_ms
    part.note = cosigned(world, at_ms, FIRST, SECOND)
    part.points = tuple(point_of(world, size, note) for size, note in noted)
    trust = trust_of(world.vkey, play.anna, play.ben)
    return Shape("", write_whole([WholeLog(part, [])]), (world.vkey,), at_ms, trust, STRICT)


def reality_bound() -> Shape:
    """L4: of an age that a point's note tells; another point has none."""
    play = Play()
    scene = play.scene
    facts = {"confidence": 900_000, "evidence": [bytes(31) + b"\1"]}
    case = play.work(play.anna, "case", "experience", human=1_000_000, facts=facts)
    attest(scene, play.ben, case.id, claim="evidence")
    scene.log.close_with_state()
    size, note = scene.log.size, cosigned(scene.world, scene.log.time_ms, FIRST, SECOND)
    later(scene, WEEK_MS + 1_000)
    return _cosigned(play, case, (2, None), (size, note))


def pointed_without_notes() -> Shape:
    play = Play()
    work = play.work(play.anna, "work")
    part = play.part(work)
    world = play.scene.world
    part.points = tuple(point_of(world, size) for size in (1, 4, play.scene.log.size - 1))
    return Shape("", write_whole([WholeLog(part, [])]), (world.vkey,), play.scene.log.time_ms)


def disowned() -> Shape:
    play = Play()
    thief = thief_of(play.scene, play.anna)
    work = play.work(thief, "stolen")
    change(play.scene, play.anna, cuts=[(thief.public_key, 0)])
    return play.shape(work)


def rescued() -> Shape:
    play = Play()
    work = play.work(play.anna, "hers, as ben knows")
    attest(play.scene, play.ben, work.id)
    change(play.scene, play.anna, cuts=[(play.anna.public_key, 0)])
    return play.shape(work, trust=believing(play.anna, play.ben))


def _with_curator(play: Play) -> Actor:
    curator = play.scene.enrol("curator", "curator")
    rules(play.scene, curators=[curator])
    return curator


def held() -> Shape:
    """A hold on the parent; one on the child was released."""
    play = Play()
    parent = play.work(play.anna, "parent")
    child = play.work(play.anna, "child", "work", Parent("derived-from", parent.id, 500_000), human=500_000)
    curator = _with_curator(play)
    notice(play.scene, curator, "hold", parent.id)
    hold = notice(play.scene, curator, "hold", child.id)
    notice(play.scene, curator, "release", child.id, cancels=hold.statement.id)
    return play.shape(child)


def retracted() -> Shape:
    play = Play()
    work = play.work(play.anna, "work")
    notice(play.scene, play.anna, "retract", work.id)
    return play.shape(work)


def erased() -> Shape:
    """An erased parent, asked to be erased a week ago."""
    play = Play()
    scene = play.scene
    parent = play.work(play.anna, "gone")  # no other shape holds this record
    number = scene.log.record_count - 1
    child = play.work(play.anna, "child", "work", Parent("quotes", parent.id))
    notice(scene, play.anna, "erase", parent.id)
    later(scene, WEEK_MS)
    scene.log.close_with_state()
    scene.log.erase(number)
    return play.shape(child)


def contested() -> Shape:
    play = Play()
    work = play.work(play.anna, "work")
    evidence_on(play.scene, play.anna)
    return play.shape(work)


def recovering() -> Shape:
    """A `recover` waits; what is said meanwhile is said by the key that it would end."""
    play = Play()
    thief = thief_of(play.scene, play.anna)
    change(play.scene, play.anna, "recover", cuts=[(thief.public_key, play.scene.log.size - 1)])
    work = play.work(thief, "meanwhile")
    return play.shape(work)


def recovered() -> Shape:
    """A `recover` came in force, and cut what stood behind it."""
    play = Play()
    thief = thief_of(play.scene, play.anna)
    change(play.scene, play.anna, "recover", cuts=[(thief.public_key, play.scene.log.size - 1)])
    work = play.work(thief, "meanwhile")
    wait_out(play.scene, play.anna)
    return play.shape(work)


def of_two_logs() -> Shape:
    play = Play()
    work = play.work(play.anna, "work")
    here = WholeLog(play.part(work), [])
    other = World(origin="log.example/other")
    cara = other.enrol("cara")
    child = cara.record("child", "work", [Parent("quotes", work.id, log=play.scene.world.log)], human=500_000)
    other.publish(cara, child)
    with open_view(other.store, other.vkey) as view:
        there = WholeLog(part_of(view, other.vkey, [child.id]), [])
    logs = sorted([here, there], key=lambda each: each.part.log_id)
    return Shape("", write_whole(logs), (play.scene.world.vkey, other.vkey), play.scene.log.time_ms)


MAKERS: tuple[Callable[[], Shape], ...] = (
    one_record,
    derived_with_a_pair,
    reported,
    sealed_and_disclosed,
    profile_disclosed,
    rows_with_ranges,
    one_of_five,
    vouched,
    reality_bound,
    pointed_without_notes,
    disowned,
    rescued,
    held,
    retracted,
    erased,
    contested,
    recovering,
    recovered,
    of_two_logs,
)


@cache
def all_shapes() -> tuple[Shape, ...]:
    """One of each."""
    return tuple(replace(make(), name=make.__name__) for make in MAKERS)

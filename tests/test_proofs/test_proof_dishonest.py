"""A dishonest operator, or whoever makes a file, is played: each lie is caught, and SPEC §11.2 says by whom in the same words."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from ledger.errors import ProofInvalid
from ledger.fold.topics import Topic, topic_key
from ledger.log.view import LogView, open_view
from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level
from ledger.origin.proved import Proved, verify
from ledger.proofs.ancestry_file import LogPart
from ledger.proofs.points import Point
from ledger.proofs.recorded import record_ancestry
from ledger.proofs.source import ProvingSource
from ledger.statements.entry import decode_entry, make_entry
from ledger.statements.record import Parent, Record
from tests.dishonest import liar
from tests.test_audit.scenes import audit_world, named
from tests.test_origin.facts import BALANCED, STRICT, policy_of
from tests.test_proofs.proving import file_of, part_of
from tests.test_proofs.scene import attest, change, later, notice, rules, thief_of
from tests.test_proofs.shapes import FIRST, SECOND, WEEK_MS, Play, cosigned, point_of, trust_of
from tests.test_proofs.test_proof_omissions import prove_anew
from tests.world import Actor

SPEC = Path(__file__).resolve().parents[2] / "SPEC.md"
STRANGER, QUORUM, AUDITOR, READER = (
    "a stranger, by the file",
    "a quorum of witnesses",
    "an auditor, by replay",
    "who remembers a log checkpoint",
)
CASES: dict[str, tuple[str, Callable[[], None]]] = {}


def case(what: str, who: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    def register(play: Callable[[], None]) -> Callable[[], None]:
        CASES[what] = who, play
        return play

    return register


class Held(Play):
    """Anna's work, on which a curator lays a hold; `hold` is where it stands."""

    def __init__(self, *, said: str = "hold", more: bytes | None = None) -> None:
        super().__init__()
        self.curator: Actor = self.scene.enrol("curator", "curator")
        rules(self.scene, curators=[self.curator])
        self.record = self.work(self.anna, "work")
        self.hold = self.scene.log.size
        if more is None:
            notice(self.scene, self.curator, said, self.record.id)
        else:
            self.scene.log.append(more)

    @property
    def vkey(self) -> Any:
        return self.scene.world.vkey

    def told(self, part: LogPart, **judged_by: Any) -> Proved:
        terms: dict[str, Any] = {"at_ms": self.scene.log.time_ms, "policy": BALANCED}
        return verify(file_of(part), [self.vkey], **terms | judged_by)

    def refused(self, part: LogPart, code: str) -> None:
        with pytest.raises(ProofInvalid) as caught:
            self.told(part)
        assert caught.value.code == code

    def anew(self, part: LogPart) -> None:
        with open_view(self.scene.world.store, self.vkey) as view:
            prove_anew(view, part)


def without(part: LogPart, log_index: int) -> None:
    assert log_index in {each for each, _ in part.entries}
    part.entries = [each for each in part.entries if each[0] != log_index]


def only(proved: Proved) -> tuple[Level, Standing, Verdict | None]:
    (subject,) = proved.logs[0].subjects
    return subject.level, subject.standing, subject.verdict


def age_ms(proved: Proved) -> int:
    (log,) = proved.logs
    node = log.subjects[0].node
    assert node is not None
    found = log.footing.age_ms(node.log_index)
    assert found is not None
    return found


@case("a revocation is left out: `rotate` with `compromised`, its entry or the topic with it", STRANGER)
def revocation() -> None:
    play = Held(more=b"\x00")
    thief = thief_of(play.scene, play.anna)
    stolen = play.work(thief, "stolen")
    at = play.scene.log.size
    change(play.scene, play.anna, cuts=[(thief.public_key, at - 1)])
    honest = play.part(stolen)
    assert only(play.told(honest)) == (Level.LOGGED, Standing.UNKNOWN, Verdict.REJECTED)
    part = play.part(stolen)
    without(part, at)
    play.anew(part)
    play.refused(part, "status-invalid")
    part.topics.remove((Topic.KEY_EVENTS, play.anna.id))
    play.anew(part)
    play.refused(part, "proof-incomplete")


@case("a notice is left out", STRANGER)
def notice_left_out() -> None:
    play = Held()
    assert only(play.told(play.part(play.record)))[1:] == (Standing.QUARANTINED, Verdict.QUARANTINED)
    part = play.part(play.record)
    without(part, play.hold)
    play.anew(part)
    play.refused(part, "status-invalid")


@case("absence is proved under the wrong topic", STRANGER)
def wrong_topic() -> None:
    play = Held()
    part = play.part(play.record)
    without(part, play.hold)
    with open_view(play.scene.world.store, play.vkey) as view:
        part.hashes = view.entries_proof([log_index for log_index, _ in part.entries])
        keys = {topic_key(Topic(topic), subject) for topic, subject in part.topics}
        keys.add(topic_key(Topic.RULES, part.log_id))
        keys.add(topic_key(Topic.ATTESTATIONS, play.record.id))
        for instead in (None, Topic.EVIDENCE, Topic.ENDORSEMENTS):
            other = set() if instead is None else {topic_key(instead, play.record.id)}
            part.status = view.status_proof_of(keys | other)
            play.refused(part, "status-invalid")
    part = play.part(play.record)
    part.topics = sorted({(4 if topic == 1 else topic, subject) for topic, subject in part.topics})
    play.anew(part)
    play.refused(part, "proof-incomplete")


@case("an entry is rewritten, or put in another place", STRANGER)
def rewritten() -> None:
    play = Held()
    part = play.part(play.record)
    milder = notice(play.scene, play.curator, "dispute", play.record.id).encoded
    honest = list(part.entries)
    part.entries = [(at, milder if at == play.hold else data) for at, data in honest]
    play.refused(part, "multiproof-invalid")
    data = dict(honest)
    assert {play.hold, play.hold - 1} <= data.keys()
    data[play.hold], data[play.hold - 1] = data[play.hold - 1], data[play.hold]
    part.entries = sorted(data.items())
    play.refused(part, "multiproof-invalid")


@case("an entry is put into the log that its maker did not sign so", STRANGER)
def forged() -> None:
    play = Held(more=b"\x00")
    record = play.anna.record("never hers", human=1_000_000)
    entry, encoded = play.anna.artifacts([play.anna.record("hers")], b"l" * 16)
    forged, _ = play.anna.artifacts([record], b"m" * 16)
    play.scene.log.append(
        make_entry(forged.statement, entry.signatures).encoded, [record.encoded for _ in encoded]
    )
    play.scene.log.close_with_state()
    with open_view(play.scene.world.store, play.vkey) as view:
        found = play.told(part_of(view, play.vkey, [record.id]))
    assert only(found) == (Level.UNLOGGED, Standing.UNKNOWN, Verdict.REJECTED)
    assert "signature-invalid" in found.logs[0].subjects[0].why


def two_views() -> tuple[Held, Held]:
    """Of one size: one with the hold, one where something without effect stands in its place."""
    honest, other = Held(), Held(more=b"\x00")
    for play in (honest, other):
        play.scene.log.close_with_state()
    assert honest.scene.log.size == other.scene.log.size
    return honest, other


@case("two views of the log are shown", QUORUM)
def views_cosigned() -> None:
    honest, other = two_views()
    at_ms = honest.scene.log.time_ms
    trust = trust_of(honest.vkey, honest.anna, honest.ben)
    seen = cosigned(honest.scene.world, at_ms, FIRST, SECOND)  # what the witnesses saw, once
    with open_view(other.scene.world.store, other.vkey) as view:
        part = part_of(view, other.vkey, [other.record.id])
    assert only(other.told(part)) == (Level.ANCHORED, Standing.RELEASED, Verdict.ADMITTED)
    (log,) = other.told(part, trust=trust).logs
    assert [each.code for each in log.missing] == ["quorum-unmet"]
    assert log.subjects[0].standing is Standing.UNKNOWN
    part.note += b"".join(seen.splitlines(keepends=True)[-2:])
    with pytest.raises(ProofInvalid) as caught:
        other.told(part, trust=trust)
    assert caught.value.code == "note-invalid"
    part.note = seen
    other.refused(part, "multiproof-invalid")


@case("two views of the log are shown, one after the other", READER)
def views_remembered() -> None:
    honest, other = two_views()
    size = honest.scene.log.size
    remembered = point_of(honest.scene.world, size)
    other.scene.log.close_with_state()
    with open_view(other.scene.world.store, other.vkey) as view:
        part = part_of(view, other.vkey, [other.record.id])
        path = tuple(view.consistency_path(size))
    part.points = (point_of(other.scene.world, size),)
    assert part.points[0].root != remembered.root  # he sees it: SPEC §12.4
    part.points = (Point(size, remembered.root, None, path),)
    other.refused(part, "consistency-invalid")


@case("the log's clock is set back, so that a record is older", QUORUM)
def back_dated() -> None:
    play = Held(more=b"\x00")
    attest(play.scene, play.ben, play.record.id)
    play.scene.log.close_with_state()  # the clock of a week ago, though it is today
    size = play.scene.log.size
    later(play.scene, WEEK_MS)
    play.scene.log.close_with_state()
    today_ms = play.scene.log.time_ms
    trust = trust_of(play.vkey, play.anna, play.ben)
    with open_view(play.scene.world.store, play.vkey) as view:
        part = part_of(view, play.vkey, [play.record.id])
    old = point_of(play.scene.world, size)
    part.note = cosigned(play.scene.world, today_ms, FIRST, SECOND)
    part.points = (old,)
    assert age_ms(play.told(part)) >= WEEK_MS  # without witnesses it is the operator's word
    found = play.told(part, trust=trust, policy=STRICT)
    assert age_ms(found) < 1_000
    (log,) = found.logs
    assert (log.subjects[0].verdict, log.subjects[0].code) == (Verdict.QUARANTINED, "too-young")


@case("the log's clock is set forward", QUORUM)
def post_dated() -> None:
    play = Held()
    part = play.part(play.record)
    now_ms = play.scene.log.time_ms - 301_000 - 1_000
    part.note = cosigned(play.scene.world, now_ms, FIRST, SECOND)
    with pytest.raises(ProofInvalid) as caught:
        play.told(part, trust=trust_of(play.vkey, play.anna, play.ben))
    assert caught.value.code == "state-wrong"


@case("a `state` names the root of another fold, under which a notice is absent", AUDITOR)
def other_fold() -> None:
    other, play = Held(more=b"\x00"), Held()
    other.scene.log.close_with_state()
    with open_view(other.scene.world.store, other.vkey) as lying:
        play.scene.log.close_with_state(root=lying_root(lying))
        with open_view(play.scene.world.store, play.vkey) as view:
            source = liar(
                view,
                topic_entries=lambda _honest, key: lying.topic_entries(key),
                status_proof_of=lambda _honest, keys: lying.status_proof_of(keys),
            )
            part = record_ancestry(cast("ProvingSource", source), play.vkey, [play.record.id]).part
    # Until an auditor cosigned, it is the operator's word.
    assert only(play.told(part)) == (Level.ANCHORED, Standing.RELEASED, Verdict.ADMITTED)
    assert ("state-wrong",) in {each[1:2] for each in named(audit_world(play.scene.world))}
    (log,) = play.told(part, policy=policy_of("[checkpoint]\nauditor = true\n")).logs
    assert [each.code for each in log.missing] == ["auditor-missing"]
    assert log.subjects[0].standing is Standing.UNKNOWN


def lying_root(view: LogView) -> bytes:
    root: bytes = decode_entry(view.entry(view.checkpoint.size - 1)).statement.body["root"]
    return root


@case("a later `state` is shown for the first behind a record", STRANGER)
def later_state() -> None:
    play = Held(more=b"\x00")
    play.scene.log.close_with_state()
    first = play.scene.log.size - 1
    later(play.scene, WEEK_MS)
    ages = []
    for is_honest in (True, False):
        part = play.part(play.record)
        if not is_honest:
            without(part, first)
            play.anew(part)
        ages.append(age_ms(play.told(part)))
    assert ages[0] >= WEEK_MS > ages[1]  # it makes it younger, and nothing else


@case("a later `state` is shown for the one that a clock is asked of", STRANGER)
def later_state_asked() -> None:
    play = Held(more=b"\x00")
    change(play.scene, play.ben, "recover")
    work = play.work(play.ben, "meanwhile")
    play.scene.log.close_with_state()
    first = play.scene.log.size - 1
    part = play.part(work)
    without(part, first)
    play.anew(part)
    play.refused(part, "proof-incomplete")


@case("the first place of an artifact is left out, so that a notice stands before it", STRANGER)
def other_places() -> None:
    play = Held()
    play.scene.put(play.anna, play.record)
    part = play.part(play.record)
    assert len(part.statements) == 2
    del part.statements[0]
    play.anew(part)
    found = play.told(part)
    assert only(found) == (Level.ANCHORED, Standing.QUARANTINED, Verdict.QUARANTINED)


@case("a record is said to be erased that is held", STRANGER)
def erased_instead() -> None:
    play = Held(more=b"\x00")
    child = play.work(play.ben, "child", "work", Parent("quotes", play.record.id), human=1_000_000)
    for erased in (play.record, child):
        part = play.part(child)
        part.statements = [
            each._replace(records=tuple(_erase(record, erased) for record in each.records))
            for each in part.statements
        ]
        found = play.told(part)
        assert only(found)[1:] == (Standing.UNKNOWN, Verdict.REJECTED)
        nodes = found.logs[0].ancestries.nodes.values()
        faults = {node.fault.code for node in nodes if node.fault is not None}
        assert "record-missing" in faults or erased is play.record


def _erase(held: Any, record: Record) -> Any:
    return held._replace(data=None) if held.artifact_id == record.id else held


@case("cosignatures of another log checkpoint stand beneath it", STRANGER)
def borrowed_lines() -> None:
    play = Held(more=b"\x00")
    play.scene.log.close_with_state()
    before = cosigned(play.scene.world, play.scene.log.time_ms, FIRST, SECOND)
    part = play.part(play.record)
    part.note += b"".join(before.splitlines(keepends=True)[-2:])
    with pytest.raises(ProofInvalid) as caught:
        play.told(part, trust=trust_of(play.vkey, play.anna))
    assert caught.value.code == "note-invalid"


@pytest.mark.parametrize("what", CASES)
def test_it_is_caught(what: str) -> None:
    CASES[what][1]()


def test_the_specification_says_so() -> None:
    text = SPEC.read_text().partition("### 11.2")[2].partition("### 11.3")[0]
    rows = re.findall(r"^\| (.*?) \| (.*?) \| .*? \|$", text.partition("| what is tried |")[2], re.MULTILINE)
    assert dict(rows[1:] if rows[0][0].startswith("-") else rows) == {
        what: who for what, (who, _) in CASES.items()
    }

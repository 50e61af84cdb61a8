"""Random logs of whole lives, as a dishonest operator lets them in: the trace says what the naive log says of each artifact.

The naive log reads every entry; a trace reads some, by status proofs. Both must come to the same places, faults,
disownings, notices, levels, statuses and people.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.log.view import LogView, open_view
from ledger.origin.levels import level_of
from ledger.proofs.facts import Ancestry, Node
from ledger.proofs.trace import trace
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements.entry import Entry, decode_entry
from ledger.statements.record import Parent, Record
from tests.reference import NaiveLog
from tests.test_proofs.scene import (
    Scene,
    attest,
    delegate,
    endorse,
    evidence_on,
    notice,
    rules,
    thief_of,
)

NAMES = ("anna", "ben", "pair", "other", "machine", "registrar", "curator")
KINDS = ("work", "work", "work", "output", "dataset")
RELATIONS = ("derived-from", "derived-from", "quotes", "evidence")
ACTS = ("hold", "hold", "release", "retract", "erase", "dispute")
SCOPES = (None, {"human": 9}, {"kinds": ["work"]}, {"until": 3})

who = st.sampled_from(NAMES)
makers = st.sampled_from(("anna", "pair", "ben", "other", "pair", "machine"))
voices = st.sampled_from(("curator", "registrar", "anna", "ben", "curator", "pair"))
humans = st.sampled_from(("anna", "anna", "ben"))
near = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4))  # how far back
publishing = st.tuples(
    st.just("publish"),
    makers,
    st.sampled_from(KINDS),
    st.lists(st.tuples(near, st.integers(0, 3)), max_size=2),
)
rotating = st.tuples(
    st.just("change"),
    st.sampled_from(("anna", "anna", "pair", "ben", "curator", "registrar")),
    st.sampled_from(("rotate",) * 7 + ("recover",) * 4 + ("retire",)),
    st.sampled_from((None, 1, 2, 3, 4, 9)),
)
attesting = st.tuples(
    st.just("attest"),
    st.sampled_from(("ben", "ben", "ben", "other", "curator", "anna", "machine")),
    near,
    st.sampled_from(("authorship", "authorship", "authorship", "content")),
    st.sampled_from(("confirmed", "confirmed", "confirmed", "refuted")),
)
noticing = st.tuples(
    st.just("notice"), voices, st.sampled_from(ACTS), near, st.sampled_from((None, None, None, 0, 3))
)
step = st.one_of(
    publishing,
    publishing,
    rotating,
    rotating,
    attesting,
    noticing,
    noticing,
    attesting,
    st.tuples(st.just("again"), st.sampled_from((None, None, None, "ben")), near),
    st.tuples(st.just("steal"), who),
    st.tuples(st.just("forge"), near, near),
    st.tuples(st.just("delegate"), humans, st.sampled_from(SCOPES)),
    st.tuples(st.just("undelegate"), humans),
    st.tuples(
        st.just("endorse"),
        st.sampled_from(("registrar", "registrar", "ben")),
        who,
        st.sampled_from((None, None, 3)),
    ),
    st.tuples(
        st.just("rules"), st.sampled_from(("open", "open", "allow-list")), st.sampled_from((0, 1, 2, 3, 3, 3))
    ),
    st.tuples(st.just("evidence"), makers, who),
    st.tuples(st.just("commit")),
    st.tuples(st.just("week")),
)


class Play:
    """A scene in which a plan is carried out; `records` are those made so far, `stolen` former keys of actors."""

    def __init__(self) -> None:
        self.scene = scene = Scene()
        self.actors = {
            "anna": scene.anna,
            "ben": scene.ben,
            "pair": scene.pair,
            "machine": scene.machine,
            "registrar": scene.enrol("registrar", "registrar"),
            "curator": scene.enrol("curator", "curator"),
            "other": scene.enrol("other", "pair", scene.ben),
        }
        delegate(scene, scene.ben, self.actors["other"], {"human": 1})
        rules(scene, curators=[self.actors["curator"]], registrars=[self.actors["registrar"]])
        self.records = [scene.anna.record("first"), scene.pair.record("second")]
        scene.put(scene.anna, self.records[0])
        scene.put(scene.pair, self.records[1])
        self.stolen = [thief_of(scene, actor) for actor in self.actors.values()]
        self.holds: list[Entry] = []

    def record(self, number: int) -> Record:
        return self.records[-1 - number % len(self.records)]

    def publish(self, name: str, kind: str, parents: list[tuple[int, int]]) -> None:
        actor = self.actors[name]
        named = {Parent(RELATIONS[rel % len(RELATIONS)], self.record(number).id) for number, rel in parents}
        fields: dict[str, Any] = {}
        if kind == "dataset":
            fields = {"form": "rows", "facts": {"count": 3}}
        if kind == "output" and actor.role not in ("machine", "pair"):
            kind = "work"
        record = actor.record(f"{len(self.records)}", kind, named, **fields)
        self.records.append(record)
        self.scene.put(actor, record)

    def again(self, name: str | None, number: int) -> None:
        """A record once more, by its maker or by somebody else."""
        record = self.record(number)
        makers = {actor.id: actor for actor in self.actors.values()}
        self.scene.put(makers[record.maker] if name is None else self.actors[name], record)

    def steal(self, name: str) -> None:
        self.stolen.append(thief_of(self.scene, self.actors[name]))

    def forge(self, thief: int, number: int) -> None:
        """With keys as they once were, a new record or an older one again."""
        actor = self.stolen[-1 - thief % len(self.stolen)]
        if number % 2:
            self.records.append(actor.record(f"forged {len(self.records)}"))
        self.scene.put(actor, self.record(number))

    def change(self, name: str, type_: str, cut: int | None) -> None:
        scene, actor = self.scene, self.actors[name]
        faults = len(scene.log.faults)
        cuts = [] if cut is None else [(actor.public_key, max(scene.log.size - 1 - 2 * cut, 0))]
        entry = actor.key_event(type_, cuts=cuts)
        scene.log.append(entry.encoded)
        if len(scene.log.faults) == faults:
            actor.took(entry)

    def delegate(self, name: str, scope: dict[str, Any] | None) -> None:
        pair = self.actors["pair" if name == "anna" else "other"]
        if scope is not None and "until" in scope:
            scope = {"until": self.scene.log.time_ms + scope["until"], "human": 1}
        delegate(self.scene, self.actors[name], pair, scope)

    def undelegate(self, name: str) -> None:
        pair = self.actors["pair" if name == "anna" else "other"]
        self.scene.say(self.actors[name], "undelegate", {"pair": pair.id})

    def notice(self, name: str, act: str, number: int, row: int | None) -> None:
        more = {"cancels": self.holds[-1].statement.id} if act == "release" and self.holds else {}
        if act == "release" and not self.holds:
            act = "hold"
        subject = self.record(number).id
        entry = notice(self.scene, self.actors[name], act, subject, *([] if row is None else [row]), **more)
        if act == "hold":
            self.holds.append(entry)

    def attest(self, name: str, number: int, claim: str, result: str) -> None:
        attest(self.scene, self.actors[name], self.record(number).id, claim=claim, result=result)

    def endorse(self, name: str, subject: str, until: int | None) -> None:
        body = {} if until is None else {"until": self.scene.log.time_ms + until}
        endorse(self.scene, self.actors[name], self.actors[subject], **body)

    def rules(self, mode: str, lists: int) -> None:
        named = {}
        if lists & 1:
            named["curators"] = [self.actors["curator"]]
        if lists & 2:
            named["registrars"] = [self.actors["registrar"]]
        rules(self.scene, mode, **named)

    def evidence(self, accused: str, by: str) -> None:
        evidence_on(self.scene, self.actors[accused], self.actors[by])

    def commit(self) -> None:
        self.scene.log.close_with_state()

    def week(self) -> None:
        self.commit()
        self.scene.log.time_ms += RECOVERY_WAIT_S * 1_000
        for actor in self.actors.values():
            actor.settle()


def replayed(view: LogView) -> NaiveLog:
    """The naive log behind all entries; each is judged by the clock of the state that closes its commit."""
    naive = NaiveLog(view.log_id)
    size = view.checkpoint.size
    clock_ms, clocks = 0, [0] * size
    for log_index in reversed(range(size)):
        statement = decode_entry(view.entry(log_index)).statement
        if statement.type == "state":
            clock_ms = statement.body["time"]
        clocks[log_index] = clock_ms
    for log_index in range(size):
        stop = view.record_start(log_index + 1) if log_index + 1 < size else view.record_count
        records = [view.record(number) or b"" for number in range(view.record_start(log_index), stop)]
        naive.step(log_index, view.entry(log_index), records, clocks[log_index])
    return naive


def check_places(naive: NaiveLog, node: Node, accept: set[bytes]) -> None:
    places = naive.places[node.id]
    assert [place.fault and place.fault.code for place in node.places] == [place.fault for place in places]
    rescuers = sorted(naive.rescuers(node.id, accept)) if any(not place.fault for place in places) else []
    for found, place in zip(node.places, places, strict=True):
        disowning = None if place.fault or place.statement is None else naive.fold.disowning(place.statement)
        if disowning is None:
            assert found.disowned is None
        else:
            assert found.disowned is not None
            assert (found.disowned.event, found.disowned.suspect) == disowning
            assert list(found.disowned.rescued_by) == rescuers
            assert min(found.disowned.late_entries, found.disowned.late_ms) >= 0


def check_node(naive: NaiveLog, node: Node, accept: set[bytes], listed: set[bytes]) -> None:
    check_places(naive, node, accept)
    assert level_of(node) == naive.level(node.id, accept)
    assert node.status == naive.standing(node.id, accept)
    assert Counter((item.act, item.row is None) for item in node.notices) == Counter(naive.notices(node.id))
    if node.maker is not None:
        for identity in {node.maker, node.anchor or node.maker}:
            grades = naive.fold.grades(identity)
            told = {item.issuer: item.grade for item in node.endorsements if item.subject == identity}
            assert told == {issuer: grade for issuer, grade in grades.items() if issuer in accept | listed}


def check_ancestry(naive: NaiveLog, ancestry: Ancestry, accept: set[bytes], listed: set[bytes]) -> None:
    assert set(ancestry.nodes) == naive.reached(ancestry.root)
    for node in ancestry.nodes.values():
        check_node(naive, node, accept, listed)
    humans, authors = naive.people(ancestry.root, accept)
    assert (set(ancestry.humans), set(ancestry.authors)) == (humans, authors)
    assert set(ancestry.humans_behind) == naive.humans_behind(ancestry.root, accept)


@given(st.lists(step, min_size=15, max_size=40))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_trace_says_what_the_whole_log_says(plan: list[Any]) -> None:
    play = Play()
    for name, *arguments in plan:
        getattr(play, name)(*arguments)
    scene = play.scene
    scene.log.close_with_state()
    faults = {fault.log_index: fault.code for fault in scene.log.faults}
    listed = {play.actors[name].id for name in ("curator", "registrar")}
    with open_view(scene.world.store, scene.world.vkey) as view:
        naive = replayed(view)
        for record in play.records:
            if not view.find_artifact(record.id):
                continue
            for names in ((), ("ben", "other", "curator")):
                accept = {play.actors[name].id for name in names}
                ancestry = trace(view, record.id, scene.world.vkey, frozenset(accept))
                check_ancestry(naive, ancestry, accept, listed)
                for place in ancestry.nodes[record.id].places:
                    code = faults.get(place.log_index)
                    assert code is None or (place.fault is not None and place.fault.code == code)

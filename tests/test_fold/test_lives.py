"""Random lives of several identities, against the naive model of tests/reference.py (SPEC §7).

Every statement goes into the log, in order or not, as a dishonest operator would have it; both models say what is at
fault, who could speak at every position, who is contested, what is disowned. Flaws are drawn as often as right steps.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.fold.authority import counting_endorsement, delegation_in_force
from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.log.genesis import make_genesis
from ledger.spec import FOLD_VERSION, RECOVERY_WAIT_S
from ledger.statements.entry import NEXT, RECOVERY, Entry, decode_entry, make_entry
from ledger.statements.statement import keyset_digest, make_statement
from tests.reference import NaiveFold
from tests.world import ORIGIN, Actor, enrol, evidence, keyset_of, seed_of

WEEK_MS = RECOVERY_WAIT_S * 1_000
NAMES = ("ada", "bob", "cleo", "ada+m", "reg", "cur")
ROLES = {"ada+m": "pair", "reg": "registrar", "cur": "curator"}

who = st.sampled_from(NAMES)
maybe = st.integers(0, 5)
keys = st.tuples(st.sampled_from(("current", "next", "recovery")), st.integers(0, 3), st.integers(0, 40))


class Lives(RuleBasedStateMachine):
    """`made`: actors by name; `names`: by key event id the names of the keysets (current, next, recovery) it leads to."""

    @initialize()
    def begin(self) -> None:
        seed = seed_of("log key of " + ORIGIN)
        vkey = Vkey.make(ORIGIN, ed25519.public_key(seed))
        genesis = make_genesis(
            vkey, [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
        )
        self.log = genesis.statement.log
        self.state, self.naive = FoldState(self.log), NaiveFold(self.log)
        self.clock = 1_000_000
        self.entries: list[bytes] = []
        self.clocks: list[int] = []
        self.verdicts: list[str | None] = []
        self.names: dict[bytes, tuple[str, str, str]] = {}
        self.made: dict[str, Actor] = {}
        self.log_entry(genesis)
        self.take_in(Actor("operator", self.log, "operator", genesis))
        for name in NAMES:
            self.enrol(name)
        self.tick(1)

    def take_in(self, actor: Actor) -> None:
        self.made[actor.name] = actor
        self.names[actor.id] = (actor.current, actor.next, actor.recovery)

    def enrol(self, name: str) -> None:
        of = self.made["ada"].id if name == "ada+m" else None
        actor = enrol(name, self.log, ROLES.get(name, "human"), of)
        self.log_entry(actor.enrolment)
        self.take_in(actor)

    def log_entry(self, entry: Entry) -> str | None:
        """Into both models, whatever it is; they must agree on its fault."""
        index, data = len(self.entries), entry.encoded
        _, fault = fold(self.state, index, data, self.clock, fold_number=FOLD_VERSION)
        code = self.naive.step(index, data, self.clock)
        assert (fault.code if fault else None) == code, (index, entry.statement.fields, fault, code)
        self.entries.append(data)
        self.clocks.append(self.clock)
        self.verdicts.append(code)
        return code

    def speaker(self, name: str) -> Actor:
        """An actor whose keys are those that the model says are in force."""
        actor = self.made[name]
        actor.key = self.naive.in_force(actor.id)["id"]
        actor.current, actor.next, actor.recovery = self.names[actor.key]
        last = self.naive.events[actor.id][-1]
        actor.last, actor.kseq = last["id"], len(self.naive.events[actor.id]) - 1
        return actor

    def say(self, name: str, type_: str, body: dict[str, Any], stale: int = 0) -> str | None:
        """An ordinary statement; `stale` 1: by the first key event, whatever is in force; 2: by another's key."""
        actor = self.speaker(name)
        if stale == 1:
            actor.key, actor.current = actor.id, name
        before = dict(actor.lanes)
        entry = actor.say(type_, body)
        if stale == 2:
            entry = make_entry(entry.statement, actor.sign(entry.statement, name="thief").signatures)
        code = self.log_entry(entry)
        if code is not None:
            actor.lanes = before
        return code

    @rule(name=who, records=st.integers(1, 3), stale=maybe)
    def publish(self, name: str, records: int, stale: int) -> None:
        body: dict[str, Any] = {"count": records, "root": bytes([len(self.entries) % 256]) * 32}
        delegation = self.naive.delegation_of(self.made[name].id)
        if name == "ada+m":
            body["delegation"] = delegation or bytes(32)
        self.say(name, "artifacts", body, stale)

    @rule(name=who, type_=st.sampled_from(("rotate", "rotate", "rotate", "recover")), back=st.integers(0, 20))
    def right_key_event(self, name: str, type_: str, back: int) -> None:
        """As it should be; it cuts the key that spoke until now, from some entries back."""
        actor = self.speaker(name)
        cuts = [(actor.public_key, max(len(self.entries) - back, 0))] if back else []
        self.take_key_event(name, actor.key_event(type_, cuts=cuts))

    def take_key_event(self, name: str, entry: Entry) -> None:
        actor, reveal = self.made[name], self.made[name].next
        if entry.statement.type == "recover":
            reveal = actor.recovery
        if self.log_entry(entry) is None:
            number = actor.kseq + 1
            self.names[entry.statement.id] = (reveal, f"{name}/next{number}", f"{name}/recovery{number}")

    @rule(
        name=who,
        type_=st.sampled_from(("rotate", "rotate", "recover", "retire")),
        cut=keys,
        flaw=st.integers(0, 8),
    )
    def key_event(self, name: str, type_: str, cut: tuple[str, int, int], flaw: int) -> None:
        """With a flaw, or cutting any key at any place."""
        actor = self.speaker(name)
        if type_ == "retire" and not flaw and cut[2] % 8:  # lives that end at once tell little
            type_ = "rotate"
        which, generation, start = cut
        lost = (
            f"{name}/{which}{generation}"
            if generation
            else (name if which == "current" else f"{name}/{which}")
        )
        cuts = [(ed25519.public_key(seed_of(lost)), start)] if start % 2 else []
        reveal = actor.recovery if type_ == "recover" else actor.next
        overrides: dict[str, Any] = {}
        match flaw:
            case 1:
                overrides = {"kseq": actor.kseq + 2}
            case 2:
                overrides = {"prev": actor.id}
            case 3:
                reveal = actor.recovery if reveal == actor.next else actor.next
            case 4:
                reveal = "somebody else"
            case 5 if type_ != "retire":
                overrides = {"next": keyset_digest(keyset_of(actor.next if type_ == "recover" else name))}
        entry = actor.key_event(type_, reveal=reveal, cuts=cuts, **overrides)
        statement = entry.statement
        if flaw == 6:
            entry = actor.sign(statement, NEXT if type_ == "recover" else RECOVERY, reveal)
        elif flaw == 7:
            entry = make_entry(statement, [*entry.signatures, *actor.sign(statement).signatures])
        elif flaw == 8:
            entry = actor.sign(statement, RECOVERY if type_ == "recover" else NEXT, "thief")
        self.take_key_event(name, entry)

    @rule(anchor=st.sampled_from(("ada", "ada", "bob")), scope=maybe, stale=maybe)
    def delegate(self, anchor: str, scope: int, stale: int) -> None:
        body: dict[str, Any] = {
            "pair": self.made["ada+m"].id,
            "substrate": {"name": "model", "version": str(scope)},
        }
        if scope == 1:
            body["scope"] = {"count": 2}
        elif scope == 2:
            body["scope"] = {"until": self.clock + WEEK_MS // 2}
        self.say(anchor, "delegate", body, stale)

    @rule(anchor=st.sampled_from(("ada", "ada", "bob")))
    def undelegate(self, anchor: str) -> None:
        self.say(anchor, "undelegate", {"pair": self.made["ada+m"].id})

    @rule(name=who, subject=who, ends=maybe, stale=maybe)
    def endorse(self, name: str, subject: str, ends: int, stale: int) -> None:
        body: dict[str, Any] = {"subject": self.made[subject].id, "grade": "known", "method": "web"}
        if ends < 2:
            body["until"] = self.clock + ends * WEEK_MS
        if ends == 5:
            body["log"] = self.log
        self.say(name, "endorse", body, stale)

    @rule(by=st.sampled_from(("operator", "operator", "ada")), mode=st.booleans(), listed=st.integers(0, 7))
    def new_rules(self, by: str, mode: bool, listed: int) -> None:
        body: dict[str, Any] = {"mode": "allow-list" if mode else "open"}
        if listed & 1:
            body["registrars"] = [self.made["reg"].id]
        if listed & 2:
            body["curators"] = [self.made["reg" if listed & 4 else "cur"].id]
        self.say(by, "rules", body)

    @rule(by=who, act=st.sampled_from(("hold", "release", "dispute", "retract")), which=st.integers(0, 9))
    def notice(self, by: str, act: str, which: int) -> None:
        body: dict[str, Any] = {"subjects": [[bytes([which % 3]) * 32]], "act": act}
        if act == "release":
            holds = [decode_entry(data).statement for data in self.entries if b"hold" in data]
            body["cancels"] = holds[which % len(holds)].id if holds else bytes(32)
        self.say(by, "notice", body)

    @rule(by=who, subject=maybe, stale=maybe)
    def attest(self, by: str, subject: int, stale: int) -> None:
        body = {"subjects": [[bytes([subject]) * 32]], "claim": "authorship", "result": "confirmed"}
        self.say(by, "attest", body, stale)

    @rule(by=who, accused=who, flaw=maybe)
    def fork(self, by: str, accused: str, flaw: int) -> None:
        """Evidence of two ordinary payloads, or of two key events."""
        actor = self.speaker(accused)
        if flaw == 1:
            actor.key, actor.current = actor.id, accused
        if flaw in (2, 3):
            one = actor.key_event("rotate")
            other = actor.key_event("rotate" if flaw == 2 else "recover", recovery=bytes([7]) * 32)
            halves = [one, other]
        else:
            halves = [self.payload(actor, number) for number in range(2)]
        if flaw == 4:
            halves[0] = actor.sign(halves[0].statement, name="thief")
        self.say(by, "evidence", evidence(*halves))

    def payload(self, actor: Actor, number: int) -> Entry:
        statement = make_statement(
            "artifacts",
            self.log,
            {"count": 1, "root": bytes([number]) * 32},
            by=actor.id,
            key=actor.key,
            lane=b"F" * 16,
            seq=0,
        )
        return actor.sign(statement)

    @rule(step=st.sampled_from((1, 1_000, WEEK_MS // 2, WEEK_MS - 1, WEEK_MS)))
    def tick(self, step: int) -> None:
        """A state closes the segment; the next one's clock is `step` later."""
        body = {
            "root": self.state.status_root(),
            "records": self.state.header.records,
            "time": self.clock,
            "fold": FOLD_VERSION,
        }
        assert self.log_entry(make_entry(make_statement("state", self.log, body))) is None
        self.clock += step
        self.naive.now = self.clock

    @invariant()
    def the_same_speak_now(self) -> None:
        for actor in self.made.values():
            identity = self.state.identity(actor.id)
            assert identity is not None
            speaks = None if identity.retired else identity.in_force(self.clock).id
            assert speaks == self.naive.who_speaks(actor.id)
            if not identity.retired:
                contested = self.state.contested(identity.in_force(self.clock).id) is not None
                assert contested == self.naive.is_contested(actor.id)
            graded = {
                other.id
                for other in self.made.values()
                if counting_endorsement(self.state, other.id, actor.id, self.clock)
            }
            assert graded == self.naive.grades(actor.id).keys()
        pair = self.state.identity(self.made["ada+m"].id)
        assert pair is not None
        delegation = delegation_in_force(self.state, pair, self.clock)
        assert (delegation.id if delegation else None) == self.naive.delegation_of(pair.id)

    def teardown(self) -> None:
        if not hasattr(self, "state"):
            return
        for index, clock in enumerate(self.clocks):
            for actor in self.made.values():
                identity = self.state.identity_before(actor.id, index)
                found = identity.in_force(clock).id if identity and not identity.retired else None
                assert found == self.naive.who_speaks(actor.id, index, clock), (index, actor.name)
        for one in self.naive.said:
            expected = self.naive.disowned(one["by"], one["key"], one["index"], one["signers"])
            event = self.state.disowned_by(one["by"], one["index"], one["signers"], self.clock)
            assert (event.id if event else None) == expected
            assert self.state.is_disowned(one["by"], one["index"], one["signers"], self.clock) == bool(
                expected
            )


Lives.TestCase.settings = settings(
    max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestLives = Lives.TestCase

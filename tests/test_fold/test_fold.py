"""The fold against a naive one over made-up logs, good and bad; and over states that were saved and read again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, PolicyDenied, RefusedInput
from ledger.fold.records import admit_records, check_root, check_sizes
from ledger.fold.state import FoldState
from ledger.fold.transition import fold, judge, open_entry
from ledger.spec import STATEMENT_RECORDS_BYTES_MAX
from ledger.statements.record import decode_record
from tests.cases import logs
from tests.cases.logs import Actor, Erased, Script, id_of, keys, parent_of, signed
from tests.cases.replay import by_ledger, by_naive
from tests.cases.samples import Fields, changed, facts, in_order, parent, payload, some
from tests.cases.scenarios import all_scenarios
from tests.reference import own_shares, pack, tagged

KINDS = ("work", "output", "model", "dataset", "experience", "abstract", "derived")
ROLES = ("human", "machine", "registrar", "pair", "pair")
SCOPES: tuple[Fields | None, ...] = (
    None,
    {"count": 2},
    {"until": 1_004_000},
    {"kinds": ["work", "output"]},
    {"human": 5},
)


class Writer:
    """Writes a log from small numbers: each choice is taken modulo what there is to choose from."""

    def __init__(self, limit: int, scope: int) -> None:
        rules: Fields = {"mode": "open"} | ({"limits": {"records": limit}} if limit else {})
        self.script = Script()
        self.script.operator.enrolment = self.script.genesis(rules=rules)
        self.script.begin()
        human = self.script.actor("first")
        pair = self.script.actor("its pair", "pair", human.id)
        self.actors = [self.script.operator, human, pair]
        self.delegations: dict[bytes, list[bytes]] = {}
        self.written: list[bytes] = []
        if scope >= 0:
            self.delegate(1, 2, scope)

    def enrol(self, role: int, of: int, flaw: int) -> None:
        name, anchor = f"actor {len(self.actors)}", self.actors[of % len(self.actors)]
        kind = ROLES[role % len(ROLES)]
        known = anchor.id if flaw != 1 else some("nobody")
        fields = self.script.enrolment(name, kind, known if kind == "pair" else None)
        if flaw == 2:
            fields["body"]["next"] = tagged("keyset", pack(keys(name)))
        if flaw == 3:
            self.script.add(logs.mixed_enrolment(self.script))
        elif flaw == 4:
            self.script.add(logs.ml_dsa_enrolment(self.script))
        elif flaw == 5:
            self.script.add(signed(anchor.enrolment, anchor.name))
        elif flaw == 6:
            self.script.add(signed(fields, anchor.name))
        else:
            self.actors.append(Actor(name, kind, fields))
            self.script.add(signed(fields, name))

    def delegate(self, by: int, pair: int, scope: int) -> None:
        anchor, other = self.actors[by % len(self.actors)], self.actors[pair % len(self.actors)]
        wanted = [actor for actor in self.actors if actor.enrolment["body"].get("of") == anchor.id]
        other = wanted[pair % len(wanted)] if wanted and scope < 10 else other
        fields = self.script.delegation(anchor, other, SCOPES[scope % len(SCOPES)])
        self.delegations.setdefault(other.id, []).append(tagged("statement", pack(fields)))
        self.script.add(signed(fields, anchor.name))

    def publish(self, by: int, kinds: list[int], flaw: int) -> None:
        actor = self.actors[by % len(self.actors)]
        records = [self.record(actor, choice) for choice in kinds]
        named = self.delegations.get(actor.id, [None])[0 if flaw == 1 else -1]
        lane = (b"L" if flaw % 2 else b"M") * 16
        fields = self.script.artifacts(actor, records, named, lane=lane)
        changes: dict[int, Fields] = {
            2: {"seq": fields["seq"] + 1, "prev": some("p")},
            3: {"prev": some("p")} if "prev" in fields else {},
            4: {"by": some("nobody")},
            5: {"key": some("event")},
            6: {"log": some("log")},
        }
        data = signed(changed(fields, **changes.get(flaw, {})), actor.name if flaw != 7 else "nobody")
        if flaw in changes or flaw == 7:
            self.script.unsay(actor, fields)
        held: list[bytes | Erased] = list(records)
        if flaw == 8:
            held = [Erased(id_of(item)) for item in records]
        if flaw == 9:
            held = held[::-1]
        self.script.add(data, held)
        self.written += records

    def record(self, actor: Actor, choice: int) -> bytes:
        fitting = [kind for kind in KINDS if own_shares(kind, actor.role) != "-"]
        kind = (fitting if choice % 7 else KINDS)[choice % len(fitting)]
        relation = {"output": "generated-by", "derived": "derived-from", "abstract": "distilled-from"}.get(
            kind, "quotes" if choice % 3 else "evidence"
        )
        parents = [parent()] if choice % 11 == 0 else []
        if self.written and choice % 4:
            parents.append(parent_of(self.written[choice % len(self.written)], relation))
        human = 5 if choice % 3 == 0 and "h" in own_shares(kind, actor.role) else None
        if choice % 13 == 0:
            return b"\xc1"
        stated = facts(kind) if kind in ("derived", "model") else None
        maker = self.actors[0] if choice % 17 == 0 else actor
        text = str(choice % 4)
        return self.script.work(maker, text, kind, facts=stated, parents=in_order(parents), human=human)

    def state(self, flaw: int) -> None:
        flaws: dict[int, Fields] = {
            1: {"root": some("r")},
            2: {"records": 999},
            3: {"time": 5},
            4: {"fold": 3},
        }
        self.script.state(**flaws.get(flaw, {}))

    def strange(self, which: int) -> None:
        operator = self.script.operator
        match which % 5:
            case 0:
                self.script.add(b"\xc1 strange")
            case 1:
                self.script.add(signed(operator.enrolment, "operator"))
            case 2:
                fields = payload("attest", log=self.script.log, by=operator.id, key=operator.id)
                self.script.add(signed(fields, "operator"))
            case 3:
                self.script.add(self.script.entries[which % len(self.script.entries)])
            case _:
                self.script.add(pack([pack(payload("state", log=some("other log")))]))


numbers = st.integers(0, 30)
flaws = st.one_of(st.just(0), st.integers(0, 9))
steps = st.one_of(
    st.tuples(st.just("enrol"), numbers, numbers, st.one_of(st.just(0), st.integers(0, 6))),
    st.tuples(st.just("delegate"), numbers, numbers, numbers),
    st.tuples(st.just("publish"), numbers, st.lists(numbers, min_size=1, max_size=3), flaws),
    st.tuples(st.just("state"), st.integers(0, 4)),
    st.tuples(st.just("strange"), numbers),
)


def write(limit: int, scope: int, choices: list[Any]) -> Script:
    writer = Writer(limit, scope)
    for name, *arguments in choices:
        getattr(writer, name)(*arguments)
    writer.script.time += 10_000
    writer.script.state()
    return writer.script


@given(st.sampled_from([0, 0, 2]), st.integers(-1, 4), st.lists(steps, min_size=3, max_size=14))
@settings(max_examples=250, deadline=None)
def test_the_fold_is_the_naive_fold(limit: int, scope: int, choices: list[Any]) -> None:
    script = write(limit, scope, choices)
    assert by_ledger(script.log, script.entries, script.records) == by_naive(
        script.log, script.entries, script.records
    )


class Saved:
    """What `take_changes` handed out, as a store would keep it."""

    def __init__(self) -> None:
        self.pairs: dict[bytes, bytes] = {}
        self.nodes: dict[bytes, bytes] = {}

    def reload(self, state: FoldState) -> FoldState:
        pairs, nodes = state.take_changes()
        self.pairs.update(pairs)
        self.nodes.update(nodes)
        return FoldState(state.header.log_id, self.pairs.get, self.nodes.get)


@given(st.lists(steps, min_size=3, max_size=10))
@settings(max_examples=60, deadline=None)
def test_a_state_that_was_saved_behind_every_entry_is_the_same(choices: list[Any]) -> None:
    script = write(0, 1, choices)
    plain = by_ledger(script.log, script.entries, script.records)
    assert by_ledger(script.log, script.entries, script.records, Saved().reload) == plain


def test_a_state_that_was_saved_at_any_one_place_is_the_same() -> None:
    """Every scenario, saved and read again at each cut; what the fold asks for later is all in the saved pairs."""
    cuts = 0
    for scenario in list(all_scenarios())[::4]:
        script = scenario.script
        plain = by_ledger(script.log, script.entries, script.records)
        for cut in range(len(script.entries)):
            saved = Saved()

            def reload_once(state: FoldState, saved: Saved = saved, cut: int = cut) -> FoldState:
                return saved.reload(state) if state.header.size == cut + 1 else state

            assert by_ledger(script.log, script.entries, script.records, reload_once) == plain
            cuts += 1
    assert cuts > 150


def test_chains_that_no_state_closed_yet_survive_a_save() -> None:
    """The status map follows only when its root is asked for; a save asks."""
    script = Script().begin()
    script.actor("human")
    state = FoldState(script.log)
    for index, data in enumerate(script.entries):
        fold(state, index, data, 0, fold_number=1)
    before = FoldState(script.log)
    for index, data in enumerate(script.entries):
        fold(before, index, data, 0, fold_number=1)
    assert Saved().reload(state).status_root() == before.status_root()


def test_a_state_of_another_log_is_not_read() -> None:
    saved = Saved()
    saved.reload(FoldState(some("log")))
    with pytest.raises(InvariantBroken) as caught:
        FoldState(some("other log"), saved.pairs.get, saved.nodes.get)
    assert caught.value.code == "wrong-log"


def test_a_missing_status_node_is_a_damaged_ledger() -> None:
    script = Script().begin()
    state = FoldState(script.log)
    for index, data in enumerate(script.entries):
        fold(state, index, data, 0, fold_number=1)
    saved = Saved()
    saved.reload(state)
    damaged = FoldState(script.log, saved.pairs.get, lambda _digest: None)
    damaged.extend_chain(some("topic"), 9, some("leaf"))
    with pytest.raises(InvariantBroken) as caught:
        damaged.status_root()
    assert caught.value.code == "status-invalid"


def test_a_chain_lists_its_entries() -> None:
    script = Script().begin()
    human = script.actor("human")
    pair = script.actor("pair", "pair", human.id)
    places = [script.add(signed(script.delegation(human, pair), "human")) for _ in range(3)]
    state = FoldState(script.log)
    for index, data in enumerate(script.entries):
        fold(state, index, data, 0, fold_number=1)
    key = tagged("topic", b"\x02", pair.id)
    assert state.topic_entries(key) == places
    assert state.chain(key).length == 3
    assert Saved().reload(state).topic_entries(key) == places
    assert state.topic_entries(some("no topic")) == []


def test_judging_changes_nothing() -> None:
    """What `judge` refuses or takes leaves root, lanes and identities as they were."""
    script = Script().begin()
    human = script.actor("human")
    state = FoldState(script.log)
    for index, data in enumerate(script.entries):
        fold(state, index, data, 0, fold_number=1)
    state.take_changes()
    entry = open_entry(signed(script.delegation(human, human), "human"), script.log)
    with pytest.raises(RefusedInput) as caught:
        judge(state, 3, entry, 0)
    assert caught.value.code == "delegation-illegal"
    good = open_entry(signed(script.artifacts(human, [b"x"], lane=b"N" * 16), "human"), script.log)
    judge(state, 3, good, 0)
    changes, nodes = state.take_changes()
    assert set(changes) == {b"h"}
    assert nodes == {}


def test_admission_names_the_record_and_takes_what_the_fold_takes() -> None:
    """Every scenario with records: admission refuses the statement for the first fault that the fold finds in it."""
    compared = 0
    for scenario in all_scenarios():
        script = scenario.script
        for index in script.records:
            state = FoldState(script.log)
            for place, data in enumerate(script.entries[:index]):
                fold(state, place, data, 1_000_000, fold_number=1)
            items = [item for item in script.records[index] if not isinstance(item, Erased)]
            found = [code for at, which, code in scenario.expected if at == index and which is not None]
            faults = [code for at, which, code in scenario.expected if at == index and which is None]
            if faults or not found or len(items) != len(script.records[index]):
                continue
            entry = open_entry(script.entries[index], script.log)
            signer = state.identity(entry.statement.by)
            assert signer is not None
            with pytest.raises(RefusedInput) as caught:
                admit_records(
                    entry.statement, signer, [decode_record(item) for item in items], lambda _id: None
                )
            assert caught.value.code == found[0]
            compared += 1
    assert compared >= 20


def test_sizes_of_records_together() -> None:
    check_sizes([b"x" * 10], {"bytes": 10})
    with pytest.raises(PolicyDenied) as denied:
        check_sizes([b"x" * 10], {"bytes": 9})
    assert denied.value.code == "rules-exceeded"
    block = b"x" * (STATEMENT_RECORDS_BYTES_MAX // 4)
    check_sizes([block] * 4, {})
    with pytest.raises(RefusedInput) as refused:
        check_sizes([block, block, block, block, b"x"], {})
    assert refused.value.code == "too-large"


def test_the_root_is_that_of_all_records_in_order() -> None:
    script = Script().begin()
    human = script.actor("human")
    one, other = script.work(human, "1"), script.work(human, "2")
    statement = open_entry(signed(script.artifacts(human, [one, other]), "human"), script.log).statement
    check_root(statement, [id_of(one), id_of(other)])
    for wrong in ([id_of(other), id_of(one)], [id_of(one)], [], [id_of(one), id_of(other), id_of(other)]):
        with pytest.raises(RefusedInput) as caught:
            check_root(statement, wrong)
        assert caught.value.code == "root-differs"

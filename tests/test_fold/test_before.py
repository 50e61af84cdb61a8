"""The state before a commit, read through the one behind it, is the one that stood: at every place of a log (SPEC §10.4)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from ledger.errors import RefusedInput, StoreFault
from ledger.fold.before import StateBefore
from ledger.fold.state import FoldState
from ledger.fold.topics import Topic, topic_key
from ledger.fold.transition import fold, open_entry
from tests.cases.lives import digest, id_of
from tests.cases.logs import Actor, Script, commitments, keys, public_key, signed
from tests.cases.logs import id_of as artifact_id
from tests.cases.replay import clocks, fold_numbers
from tests.cases.samples import payload, some
from tests.cases.voices import attestation, by_current, endorsement, fork, notice
from tests.cases.worlds import WAIT_MS, signed_of
from tests.reference import pack
from tests.test_fold.told import asked, state_of

HEIRS, OTHERS = ("second/next", "shared"), ("shared", "second/recovery")


class Walk(Script):
    """A log in which a state stands behind every entry, so that each is once the first of an unsigned commit."""

    def add(self, data: bytes, records: Any = ()) -> int:
        index = super().add(data, records)
        if data[:1] != b"\x91":  # else it is that state
            self.state()
        return index


def walk() -> Script:
    """Everything twice or thrice: delegations that are spent, ended, replaced; endorsements; cuts; forks; rules; lanes."""
    script = Walk(fold=1).begin()
    human, curator = script.actor("human"), script.actor("curator", "curator")
    pair = script.actor("pair", "pair", human.id)
    first = script.delegate(human, pair, {"count": 9})
    answers = [script.work(pair, str(number), "output") for number in range(6)]
    for answer in answers[:2]:
        script.publish(pair, answer, delegation=first)
    script.publish(pair, *answers[2:4], delegation=first)
    script.fold = 2
    script.state()
    second = script.delegate(human, pair)
    script.publish(pair, answers[4], delegation=second)
    script.tell(human, "undelegate", {"pair": pair.id})
    third = script.delegate(human, pair)
    script.publish(pair, answers[5], delegation=third)
    script.tell(script.operator, "rules", {"mode": "open", "curators": [curator.id]})
    wrong = script.say(human, "rules", {"mode": "allow-list"})
    script.add(signed(script.unsay(human, wrong), "human"))
    text = script.work(human, "a work")
    script.publish(human, text)
    script.tell(curator, "attest", attestation([artifact_id(text)]))
    for number in range(3):
        script.tell(curator, "endorse", endorsement(human.id, until=script.time + number))
        script.tell(human, "endorse", endorsement(curator.id))
    for _ in range(2):
        script.tell(curator, "notice", notice("hold", [artifact_id(text)]))
    made = [script.unsay(human, script.artifacts(human, [item], lane=b"F" * 16)) for item in (b"1", b"2")]
    script.tell(curator, "evidence", fork(*(by_current(fields, "human") for fields in made)))
    cuts_of(script, human, pair)
    shared_key(script)
    script.tell(script.operator, "rules", {"mode": "open"})
    script.turn(script.operator, "rotate", compromised=[[public_key("operator"), 9]])
    script.tell(script.operator, "rules", {"mode": "open", "limits": {"records": 9}})
    return script


def cuts_of(script: Script, human: Actor, pair: Actor) -> None:
    """One key cut deeper and deeper, by rotations, a recovery that came into force, none by one that was vetoed."""
    own = public_key("human")
    script.turn(human, "rotate", compromised=[[own, 30]])
    script.turn(human, "rotate", compromised=sorted([[own, 26], [public_key("human/next"), 54]], key=by_key))
    script.turn(human, "recover", compromised=[[own, 20]])
    script.state(tick=WAIT_MS)
    human.turn(human.name + "/recovery", human.events[-1])
    script.publish(human, script.work(human, "recovered"))
    script.turn(human, "rotate", compromised=[[own, 24]])
    script.turn(human, "recover", compromised=[[own, 4]])
    script.publish(human, script.work(human, "while it is pending"))
    script.turn(human, "rotate")
    script.turn(pair, "rotate", compromised=[[public_key("pair"), 12]])
    script.turn(human, "rotate", compromised=[[own, 12]])


def by_key(cut: list[Any]) -> bytes:
    return pack(cut[0])


def shared_key(script: Script) -> None:
    """A veto that shares a key with what it ends; then the end."""
    fields = script.enrolment("second", next=digest(keys(*HEIRS)), recovery=digest(keys(*OTHERS)))
    script.add(signed(fields, "second"))
    body = {"keyset": keys(*OTHERS), **commitments("x")}
    recovery = payload("recover", log=script.log, by=id_of(fields), kseq=1, prev=id_of(fields), body=body)
    script.add(signed_of(recovery, OTHERS, "shared", number=2))
    body = {"keyset": keys(*HEIRS), **commitments("y")}
    veto = payload("rotate", log=script.log, by=id_of(fields), kseq=2, prev=id_of(recovery), body=body)
    script.add(signed_of(veto, HEIRS, "shared", number=1))
    ending = payload("retire", log=script.log, by=id_of(fields), kseq=3, prev=id_of(veto))
    ending["body"] = {"keyset": keys("y/next"), "reason": "ended"}
    script.add(signed(ending, "y/next", keyset_number=1))


@cache
def written() -> tuple[Script, list[int]]:
    """The log, and the sizes at which a state stands last."""
    script = walk()
    return script, [at + 1 for at, data in enumerate(script.entries) if data[:1] == b"\x91"]


def kept(script: Script, size: int) -> tuple[FoldState, dict[bytes, bytes], dict[bytes, bytes]]:
    """A state as a folder keeps it, with what was kept."""
    pairs, nodes = state_of(script, size).take_changes()
    return FoldState(script.log, pairs.get, nodes.get), pairs, nodes


def before(script: Script, size: int, later_size: int) -> tuple[StateBefore, dict[bytes, bytes]]:
    """The state at `size`, through that at `later_size`; and what that keeps."""
    later, pairs, nodes = kept(script, later_size)
    closing = open_entry(script.entries[size - 1], script.log).statement.body
    taken = []
    for log_index in range(size, later_size):
        try:
            statement = open_entry(script.entries[log_index], script.log).statement
        except RefusedInput:
            continue
        if not later.is_faulty(log_index):
            taken.append(statement)
    reads = (pairs.get, nodes.get)
    return StateBefore(later, reads, closing, size, taken, script.entries.__getitem__), pairs


def lengths(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """A commit of one entry at every place; longer ones; and all that came since."""
    for position, size in enumerate(sizes[:-1]):
        yield from ((size, later) for later in {sizes[position + 1], sizes[-1], *sizes[position + 5 :: 17]})


def test_the_log_has_everything() -> None:
    script, sizes = written()
    state, pairs, _ = kept(script, sizes[-1])
    assert {key[:1] for key in pairs} == {bytes([kind]) for kind in b"cdefhiklnopqtux"}
    faulty = [open_entry(data, script.log) for at, data in enumerate(script.entries) if state.is_faulty(at)]
    assert [entry.statement.type for entry in faulty] == ["rules"]
    assert len(sizes) > 40


def test_every_value_before_every_commit_is_the_one_that_stood() -> None:
    script, sizes = written()
    stood = {size: kept(script, size) for size in sizes}
    compared = 0
    for size, later_size in lengths(sizes):
        expected, own, _ = stood[size]
        found, pairs = before(script, size, later_size)
        assert found.header.status_root == expected.header.status_root
        for name in ("size", "records", "cuts", "clock_ms", "fold_number", "operator", "vkeys", "rules"):
            assert getattr(found.header, name) == getattr(expected.header, name), (name, size, later_size)
        for key in pairs.keys() | own.keys():
            if key[:1] in (b"h", b"x"):
                continue
            if key[:1] == b"u" and key not in own:
                with pytest.raises(StoreFault):
                    asked(found, key)
                continue
            assert asked(found, key) == asked(expected, key), (key, size, later_size)
            if key[:1] == b"t":
                assert found.chain(key[1:]) == expected.chain(key[1:])
                assert found.begins_as_signed(key[1:])
            compared += 1
    assert compared > 10_000


def test_a_state_before_is_led_on_to_the_one_behind_it() -> None:
    """As recovery leads it on: whatever it takes, it takes as the first one did."""
    script, sizes = written()
    clock, number = clocks(script.log, script.entries), fold_numbers(script.log, script.entries)
    for size, later_size in lengths(sizes):
        if later_size == sizes[-1] and size != sizes[0]:
            continue
        state, pairs = before(script, size, later_size)
        state.header.faults = state_of(script, size).header.faults
        for at in range(size, later_size):
            fold(state, at, script.entries[at], clock[at], fold_number=number[at])
        changes, _ = state.take_changes()
        assert changes[b"h"] == pairs[b"h"]
        assert all(pairs[key] == value for key, value in changes.items())


def test_a_chain_that_does_not_begin_as_signed_is_told() -> None:
    script, sizes = written()
    found, _ = before(script, sizes[-3], sizes[-1])
    rules = topic_key(Topic.RULES, script.log)
    assert found.begins_as_signed(rules)
    assert found.begins_as_signed(some("topic of nothing"))
    found._root = before(script, sizes[3], sizes[-1])[0]._root
    assert not found.begins_as_signed(rules)

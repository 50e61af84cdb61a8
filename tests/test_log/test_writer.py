"""Admission, sequencing and the second path of the log's writer (SPEC §9.2, §10.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ledger import spec
from ledger.errors import InvariantBroken, LineageError, RefusedInput, StoreFault
from ledger.fold import transition
from ledger.identity import ed25519
from ledger.identity.keyset import Keyset, make_keyset
from ledger.log import writer as writer_module
from ledger.log.candidate import SignatureMemo, open_candidate
from ledger.log.genesis import make_genesis
from ledger.log.writer import Appended, group_end
from ledger.merkle.tree import hash_leaf, root_of
from ledger.proofs.checkpoint import open_checkpoint
from ledger.statements.entry import CURRENT, NEXT, Entry, decode_entry, make_entry
from ledger.statements.record import Parent
from ledger.store.reader import StoreReader
from tests.test_log.bad_lives import BAD_LIVES
from tests.test_log.scene import (
    ASIDE,
    TOOL,
    Submission,
    codes,
    entries_of,
    last_entry,
    scene,
    signed,
    two_key_actor,
)
from tests.test_log.test_admission import BAD
from tests.world import World, enrol, keyset_of, seed_of


def test_rules_of_the_log_are_policy() -> None:
    world = World(begin=False)
    seeds = [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
    world.writer.begin(
        make_genesis(world.vkey, seeds, {"mode": "open", "limits": {"records": 2, "bytes": 400}})
    )
    ada = world.enrol("ada")
    for number, size, code in ((3, 1, "rules-exceeded"), (2, 1, ""), (1, 300, "rules-exceeded")):
        records = [ada.record(str(n), source={"uri": "a:" + "u" * size}) for n in range(number)]
        results = world.append(ada.artifacts(records, bytes([number]) * 16))
        assert codes(results) == [code]
        if isinstance(results[0], LineageError):
            assert results[0].family == "PolicyDenied"


def test_resent_statement_is_known_and_its_leaf_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.ada.record("x")])
    placed = s.world.must(entry, records)
    note = s.world.writer.note
    again = s.world.must(entry, records)
    assert again == replace(placed, known=True)
    assert not placed.known
    assert s.world.writer.note == note  # nothing was committed
    assert s.world.append((entry, records), (entry, records)) == [again, again]
    assert s.world.must(s.ada.enrolment).log_index == 2
    monkeypatch.setattr(StoreReader, "entry", lambda *_: b"\xc1")
    with pytest.raises(InvariantBroken) as error:
        s.world.append((entry, records))
    assert error.value.code == "tree-differs"
    with pytest.raises(StoreFault):
        s.world.writer.tick()  # poisoned


def test_digests_that_share_their_prefix_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All digests collide in the index; the log comes to the same bytes."""
    notes = []
    for collide in (False, True):
        if collide:
            monkeypatch.setattr("ledger.store.index.prefix", lambda _digest: 0)
            monkeypatch.setattr("ledger.log.commit.prefix", lambda _digest: 0)
        s = scene()
        entry, records = s.ada.artifacts([s.ada.record("q", parents=[Parent("quotes", s.work.id)])])
        unknown = s.ada.artifacts([s.ada.record("u", parents=[Parent("quotes", b"u" * 32)])], ASIDE)
        assert codes(s.world.append((entry, records), unknown)) == ["", "parent-unknown"]
        assert s.world.must(entry, records).known
        wrong = s.ada.artifacts([s.ada.record("w", parents=[Parent("quotes", s.model.id)])], b"W" * 16)
        assert codes(s.world.append(wrong)) == ["parent-kind"]
        notes.append(s.world.writer.note)
    assert notes[0] == notes[1]


def test_same_statement_twice_in_one_call() -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.ada.record("x")])
    first, second = s.world.append((entry, records), (entry, records))
    assert isinstance(first, Appended)
    assert second == replace(first, known=True)
    by, enrolment_, _seeds = two_key_actor(s.world, 1)
    one, two = s.world.append((enrolment_, ()), (enrolment_, ()))
    assert isinstance(one, Appended)
    assert (one.statement_id, one.known) == (by, False)
    assert two == replace(one, known=True)


def test_refused_copy_does_not_make_the_good_one_known() -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.ada.record("x")])
    forged = make_entry(entry.statement, signed(entry.statement.payload, [seed_of("eve")]))
    results = s.world.append((forged, records), (entry, records))
    assert codes(results) == ["signature-invalid", ""]
    assert isinstance(results[1], Appended)
    assert not results[1].known


@pytest.mark.parametrize("where", ["same statement", "same call", "earlier commit"])
def test_parent_that_stands_before_is_found(where: str) -> None:
    s = scene()
    parent = s.ada.record("parent")
    children = [
        s.ada.record(str(n), "derived", parents=[Parent("derived-from", parent.id)], facts=TOOL)
        for n in range(2)
    ]
    if where == "same statement":
        groups = [[[parent, *children]]]
    elif where == "same call":
        groups = [[[parent], children]]
    else:
        groups = [[[parent]], [children]]
    for group in groups:
        assert set(codes(s.world.append(*[s.ada.artifacts(records) for records in group]))) == {""}


def test_parent_in_a_later_or_refused_statement_of_the_call_is_unknown() -> None:
    s = scene()
    parent = s.ada.record("parent")
    child_ = s.ada.record("c", "derived", parents=[Parent("derived-from", parent.id)], facts=TOOL)
    forged, records = s.ada.artifacts([parent], ASIDE)
    forged = make_entry(forged.statement, signed(forged.statement.payload, [seed_of("eve")]))
    results = s.world.append(
        (forged, records), s.ada.artifacts([child_], b"C" * 16), s.ada.artifacts([parent])
    )
    assert codes(results) == ["signature-invalid", "parent-unknown", ""]


def test_enrolment_and_first_statement_in_one_call() -> None:
    world = World()
    ada = enrol("ada", world.log)
    results = world.append(
        (ada.enrolment, ()), ada.artifacts([ada.record("x")]), ada.artifacts([ada.record("y")])
    )
    assert codes(results) == ["", "", ""]
    assert world.writer.checkpoint
    assert world.writer.checkpoint.size == 2 + 3 + 1


def test_scope_counts_over_the_statements_of_one_call() -> None:
    s = scene()
    results = s.world.append(*[s.duo.artifacts([s.duo.record(text, "output")]) for text in "abc"])
    assert codes(results) == ["", "", "scope-exceeded"]


def test_scope_ends_by_the_clock_of_the_state_that_closes_the_commit() -> None:
    s = scene()
    s.world.time_ms = 1_999_998
    assert codes(s.world.append(s.duo.artifacts([s.duo.record("a", "output")]))) == [""]
    assert s.world.writer.state.header.clock_ms == 1_999_999  # the clock at the entry
    assert codes(s.world.append(s.duo.artifacts([s.duo.record("b", "output")]))) == ["scope-exceeded"]


def test_threads_give_the_same_results() -> None:
    outcomes = []
    for threads in (False, True):
        s = scene()
        group: list[Submission] = []
        for number in range(40):
            entry, records = s.ada.artifacts([s.ada.record(str(number))])
            group.append((entry.encoded, records))
        for name in sorted(BAD.keys() - BAD_LIVES.keys())[:20]:
            if name not in ("another log's", "pair under an old delegation", "one signature too many"):
                group.insert(len(group) // 2, BAD[name][1](s))
        s.ada.delegation = None
        with ThreadPoolExecutor(2) as executor:
            results = s.world.writer.append(group, executor if threads else None)
        outcomes.append((codes(results), s.world.writer.note))
        assert len({code for code in outcomes[-1][0] if code}) > 5
        assert outcomes[-1][0].count("") == 40
    assert outcomes[0] == outcomes[1]


def test_group_ends_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "COMMIT_ENTRIES_MAX", 3)
    monkeypatch.setattr(spec, "COMMIT_BYTES_MAX", 100)
    small: Submission = (b"e" * 10, [b"r" * 10])
    large: Submission = (b"e" * 60, [b"r" * 30, b"r" * 30])
    assert group_end([small] * 7, 0) == 3
    assert group_end([small] * 7, 6) == 7
    assert group_end([small, small, large], 0) == 2
    assert group_end([large, large], 0) == 1
    assert group_end([(b"e" * 40, [b"r" * 60]), small], 0) == 1
    assert group_end([(b"e" * 20, [b"r" * 60]), small], 0) == 2


def test_a_group_holds_few_statements_that_sign_no_records(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of their subjects costs what a record costs, and a chain of its own."""
    monkeypatch.setattr(spec, "COMMIT_SAID_BYTES_MAX", 25)
    said: Submission = (b"e" * 10, [])
    signing: Submission = (b"e" * 10, [b"r"])
    assert group_end([said] * 7, 0) == 2
    assert group_end([signing] * 7, 0) == 7
    assert group_end([said, signing, said, signing, said], 0) == 4


def test_groups_become_commits_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    before = s.world.writer.checkpoint
    assert before
    monkeypatch.setattr(spec, "COMMIT_ENTRIES_MAX", 2)
    results = s.world.append(*[s.ada.artifacts([s.ada.record(str(number))]) for number in range(5)])
    size = before.size
    assert [r.log_index for r in results if isinstance(r, Appended)] == [size + n for n in (0, 1, 3, 4, 6)]
    types = [decode_entry(data).statement.type for data in entries_of(s.world)[size:]]
    assert types == ["artifacts", "artifacts", "state"] * 2 + ["artifacts", "state"]


def test_record_numbers_follow_on() -> None:
    s = scene()
    first, second, third = s.world.append(
        s.ada.artifacts([s.ada.record("a"), s.ada.record("b")]),
        (enrol("bob", s.world.log).enrolment, ()),
        s.ada.artifacts([s.ada.record("c")]),
    )
    numbers = [r.record_number for r in (first, second, third) if isinstance(r, Appended)]
    assert numbers == [3, 5, 5]
    with s.world.store.snapshot() as snapshot:
        reader = StoreReader(snapshot)
        assert [reader.locate(n) for n in (3, 4, 5)] == [(14, 0), (14, 1), (16, 0)]
        assert reader.record(4) == s.ada.record("b").encoded


def test_nothing_accepted_commits_nothing() -> None:
    s = scene()
    note, size = s.world.writer.note, len(entries_of(s.world))
    assert codes(s.world.append()) == []
    assert codes(s.world.writer.append([(b"", ())])) == ["not-canonical"]
    assert (s.world.writer.note, len(entries_of(s.world))) == (note, size)


def test_tick_is_a_state_alone() -> None:
    s = scene()
    before = s.world.writer.checkpoint
    assert before
    s.world.writer.tick()
    checkpoint = open_checkpoint(s.world.writer.note, [s.world.vkey])
    assert checkpoint == s.world.writer.checkpoint
    assert checkpoint.size == before.size + 1
    assert decode_entry(last_entry(s.world)).statement.type == "state"
    assert checkpoint.root == root_of([hash_leaf(data) for data in entries_of(s.world)])


def test_time_never_goes_back() -> None:
    s = scene()
    times = []
    for now in (2_000_000, 1_900_000, 1_700_001, 2_000_001):
        s.world.time_ms = now
        s.world.writer.tick()
        times.append(decode_entry(last_entry(s.world)).statement.body["time"])
    assert times == [2_000_001, 2_000_001, 2_000_001, 2_000_002]
    s.world.writer = s.world.open()
    s.world.time_ms = 1_900_000
    s.world.writer.tick()
    assert decode_entry(last_entry(s.world)).statement.body["time"] == 2_000_002


def test_clock_far_behind_signs_nothing_and_harms_nothing() -> None:
    s = scene()
    s.world.time_ms = 2_000_000
    s.world.writer.tick()
    note = s.world.writer.note
    entry, records = s.ada.artifacts([s.ada.record("x")])
    for use in (s.world.writer.tick, lambda: s.world.must(entry, records)):
        s.world.time_ms = 2_000_001 - spec.CLOCK_AHEAD_MAX_S * 1_000 - 2
        with pytest.raises(StoreFault) as error:
            use()
        assert error.value.code == "clock-behind"
    assert s.world.writer.note == note
    s.world.time_ms += 1
    assert not s.world.must(entry, records).known


def test_state_entry_says_what_the_fold_says() -> None:
    s = scene()
    state = decode_entry(last_entry(s.world)).statement.body
    header = s.world.writer.state.header
    assert state == {
        "root": header.status_root,
        "records": 3,
        "time": header.clock_ms,
        "fold": spec.FOLD_VERSION,
    }


def test_log_begins_once() -> None:
    world = World()
    for writer in (world.writer, world.open()):
        with pytest.raises(RefusedInput) as error:
            writer.begin(world.genesis)
        assert error.value.code == "misplaced"
        assert writer.checkpoint
        assert writer.checkpoint.size == 2
    world.writer = world.open()
    world.enrol("ada")


def test_empty_store_takes_nothing_but_a_genesis() -> None:
    world = World(begin=False)
    assert (world.writer.checkpoint, world.writer.note) == (None, b"")
    ada = enrol("ada", world.log)
    assert codes(world.append((ada.enrolment, ()))) == ["misplaced"]
    with pytest.raises(RefusedInput) as error:
        world.writer.tick()
    assert error.value.code == "misplaced"
    with world.store.snapshot() as snapshot:
        assert snapshot.head() == b""
    assert world.open().checkpoint is None
    world.writer.begin(world.genesis)
    assert not world.must(ada.enrolment).known


def other_vkey(world: World) -> Entry:
    return make_genesis(
        World(begin=False, origin="other.example/log").vkey, [seed_of("o"), seed_of("o/n"), seed_of("o/r")]
    )


def unsigned(world: World) -> Entry:
    statement = world.genesis.statement
    return make_entry(statement, signed(statement.payload, [seed_of("eve")]))


def key_of_the_log(world: World) -> Entry:
    return make_genesis(world.vkey, [world.seed, seed_of("o/n"), seed_of("o/r")])


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (other_vkey, "wrong-log"),
        (unsigned, "signature-invalid"),
        (key_of_the_log, "genesis-illegal"),
        (lambda world: enrol("ada", world.log).enrolment, "misplaced"),
    ],
)
def test_bad_genesis_is_refused_and_a_good_one_may_follow(make: Callable[[World], Entry], code: str) -> None:
    world = World(begin=False)
    with pytest.raises(RefusedInput) as error:
        world.writer.begin(make(world))
    assert error.value.code == code
    with world.store.snapshot() as snapshot:
        assert snapshot.head() == b""
    world.writer.begin(world.genesis)
    assert world.writer.state.header.origin == world.vkey.name


def test_memo_asks_again_when_the_keyset_changed() -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.work])
    candidate = open_candidate(entry.encoded, records, s.world.log)
    mine, other = keyset_of("ada"), keyset_of("eve")
    asked: list[tuple[dict[int, Keyset], str]] = [
        ({CURRENT: other}, "signature-invalid"),
        ({CURRENT: mine, NEXT: other}, "signature-missing"),
        ({NEXT: mine}, "signature-surplus"),
        ({CURRENT: make_keyset([ed25519.public_key(seed_of("ada"))] * 1, 2)}, "signature-missing"),
    ]
    for keysets, code in asked:
        memo = SignatureMemo()
        memo.verify_ahead([(candidate.entry, mine)], None)
        with pytest.raises(RefusedInput) as error:
            memo.check(candidate.entry, keysets)
        assert error.value.code == code
    memo = SignatureMemo()
    memo.verify_ahead([(candidate.entry, other)], None)  # does not hold, so nothing is remembered
    with pytest.raises(RefusedInput):
        memo.check(candidate.entry, {CURRENT: other})
    memo.check(candidate.entry, {CURRENT: mine})


def test_memo_spares_the_writer_the_second_verification(monkeypatch: pytest.MonkeyPatch) -> None:
    s = scene()
    entry, records = s.ada.artifacts([s.work])
    candidate = open_candidate(entry.encoded, records, s.world.log)
    memo = SignatureMemo()
    memo.verify_ahead([(candidate.entry, keyset_of("ada"))], None)
    monkeypatch.setattr("ledger.log.candidate.check_signatures", refuse_all)
    memo.check(candidate.entry, {CURRENT: keyset_of("ada")})
    with pytest.raises(RefusedInput):  # once: what was taken out of the memo is verified again
        memo.check(candidate.entry, {CURRENT: keyset_of("ada")})


def refuse_all(*_: object) -> None:
    raise RefusedInput("signature-invalid", "test", "every signature is refused")


def test_second_writer_past_the_lock_is_told_and_writes_nothing() -> None:
    s = scene()
    second = s.world.open()
    s.world.writer.tick()
    size = len(entries_of(s.world))
    for use in (second.tick, lambda: second.append([s.bad([s.work])])):
        with pytest.raises(StoreFault) as error:
            use()
        assert error.value.code in {"head-moved", "writer-poisoned"}
    assert len(entries_of(s.world)) == size
    s.world.writer.tick()
    assert s.world.open().checkpoint == s.world.writer.checkpoint


@pytest.mark.parametrize("fault", [StoreFault, InvariantBroken, KeyboardInterrupt])
def test_fault_of_our_own_during_admission_is_no_refusal(
    fault: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state has taken the first statement by then, and must never be written."""
    s = scene()
    group = [s.ada.artifacts([s.ada.record(text)]) for text in "ab"]
    judged: list[int] = []
    real = transition.judge

    def judge(state: Any, log_index: int, *rest: Any) -> None:
        judged.append(log_index)
        if len(judged) == 2:
            raise fault("test", "store", "planned") if issubclass(fault, LineageError) else fault
        real(state, log_index, *rest)

    monkeypatch.setattr(writer_module, "judge", judge)
    with pytest.raises(fault):
        s.world.append(*group)
    monkeypatch.undo()
    assert len(judged) == 2
    for use in (
        s.world.writer.tick,
        lambda: s.world.append(*group),
        lambda: s.world.writer.begin(s.world.genesis),
    ):
        with pytest.raises(StoreFault) as error:
            use()
        assert error.value.code == "writer-poisoned"
        assert "eopen" in error.value.fix
    s.world.writer = s.world.open()
    assert codes(s.world.append(*group)) == ["", ""]


def test_log_of_another_vkey_is_not_opened() -> None:
    world = World()
    other = World(begin=False, origin="other.example/log")
    other.store = world.store
    with pytest.raises(LineageError) as error:
        other.open()
    assert error.value.code == "note-invalid"


def test_root_is_that_of_all_entries_at_every_size() -> None:
    """Past one tile's width, with commits of many sizes."""
    s = scene()
    number = 0
    for width in (1, 2, 250, 3, 40):
        group = []
        for _ in range(width):
            group.append(s.ada.artifacts([s.ada.record(str(number))]))
            number += 1
        assert set(codes(s.world.append(*group))) == {""}
        data = entries_of(s.world)
        assert s.world.writer.checkpoint
        assert s.world.writer.checkpoint.size == len(data)
        assert s.world.writer.checkpoint.root == root_of([hash_leaf(item) for item in data])
    digest = hashlib.sha256(b"".join(entries_of(s.world))).hexdigest()
    s.world.writer = s.world.open()
    assert hashlib.sha256(b"".join(entries_of(s.world))).hexdigest() == digest

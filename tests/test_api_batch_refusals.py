"""What the log refuses of a batch reaches those concerned, and holds up nobody else (SPEC §5.3, §10.5)."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.api import batch_work, draining
from ledger.api.batch import Batch
from ledger.api.batch_item import Item, State
from ledger.api.keys import KeyChange
from ledger.api.speaker import speaker_in
from ledger.errors import LineageError, PolicyDenied, RefusedInput, StoreFault
from ledger.signer.passphrases import Passphrases
from ledger.statements.record import Parent
from ledger.store.outbox import Refusal
from tests.batch_scene import (
    FullDisk,
    Place,
    code_of,
    ending_in,
    error_of,
    quick,
    run_elsewhere,
    wait_until,
    writing,
)

NOWHERE = Parent("derived-from", b"\1" * 32)  # a parent that stands in no log


DRAIN_AT_ONCE = "ledger.api.draining.drain_here(opened._access, grace_s=0)"


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("place"))


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a parcel waits for is refused as soon as nothing else helps."""
    monkeypatch.setattr(batch_work, "drain_here", partial(draining.drain_here, grace_s=0))


def good_and_bad(batch: Batch, count: int, bad: int) -> list[Item]:
    return [batch.add(f"{number}", parents=[NOWHERE] if number == bad else ()) for number in range(count)]


@pytest.mark.parametrize("records", [1, 2, 8])
@pytest.mark.parametrize("bad", [0, 3, 7])
def test_one_that_is_refused_fails_alone(place: Place, records: int, bad: int) -> None:
    with place.open() as opened, quick(opened, records=records) as batch:
        items = good_and_bad(batch, 8, bad)
        batch.flush()  # all of them were told to be signed
        assert error_of(items[bad].receipt) == "parent-unknown"
        for item in items[:bad] + items[bad + 1 :]:
            assert item.receipt.result(30) == opened.receipt(item.id)
    assert [place.places(item.id) for item in items] == [number != bad for number in range(8)]
    assert place.outbox.waiting() == []
    assert place.is_sound()


def test_refusal_that_nobody_asked_for_raises_when_the_block_ends(place: Place) -> None:
    with (
        place.open() as opened,
        ending_in(RefusedInput, r"1 artifact of the batch of 'ada'.*record.parents"),
        opened.batch("ada") as batch,
    ):
        items = good_and_bad(batch, 3, 1)
    assert [place.places(item.id) for item in items] == [1, 0, 1]


def test_what_descends_from_what_was_refused_is_refused(place: Place) -> None:
    with place.open() as opened, quick(opened, records=2) as batch:
        bad, *good = good_and_bad(batch, 3, 0)
        child = batch.add("child", parents=[bad, good[0]])
        grandchild = batch.add("grandchild", parents=[child])
        other = batch.add("other", parents=[good[1]])
        codes = [error_of(item.receipt) for item in (bad, child, grandchild)]
        assert other.receipt.result(30)
    assert codes == ["parent-unknown"] * 3
    assert place.is_sound()


def test_parent_of_a_kind_that_does_not_fit_is_told_before_it_is_signed(place: Place) -> None:
    with (
        place.open() as opened,
        ending_in(RefusedInput, "1 artifact of the batch"),
        quick(opened) as batch,
    ):
        model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
        wrong = Parent("derived-from", model.id)
        assert code_of(lambda: batch.add("x", parents=[wrong])) == "parent-kind"  # it is on its way here
        model.receipt.result(30)
        item = batch.add("x", parents=[wrong])
        other = batch.add("y")
        assert error_of(item.signed) == "parent-kind"
        assert other.signed.result(30)
        assert code_of(batch.flush) == "parent-kind"
        batch.add("x", parents=[Parent("evidence", model.id)])
    assert place.refused() == []


def test_faults_that_only_the_log_sees_are_found_one_by_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is not foreseen here, the log's word counts."""
    monkeypatch.setattr(batch_work, "judge_record", lambda *_arguments: None)
    with place.open() as opened:
        with quick(opened) as batch:
            model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
            model.receipt.result(30)
        with opened.batch("ada", age_s=3_600) as batch:
            wrong = Parent("derived-from", model.id)
            items = [batch.add(f"{n}", parents=[wrong] if n in (2, 5) else ()) for n in range(7)]
            batch.flush()
            codes = [error_of(items[n].receipt) for n in (2, 5)]
    assert codes == ["parent-kind"] * 2
    assert [place.places(item.id) for item in items] == [1, 1, 0, 1, 1, 0, 1]
    assert place.is_sound()


def test_innocent_that_is_refused_again_and_again_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that refuses every lane (a bug, or an enemy): no endless signing."""
    monkeypatch.setattr(batch_work, "drain_here", lambda *_a, **_o: refuse_all(place))
    with place.open() as opened, quick(opened) as batch:
        assert error_of(batch.add("one").receipt) == "lane-broken"
    assert len(place.outbox.refused()) == spec.BATCH_TRIES_MAX + 1


def refuse_all(place: Place) -> None:
    for waiting in place.outbox.waiting():
        place.outbox.refuse(waiting, Refusal("lane-broken", "lane", "it is broken", "Open a new one."))


def test_refused_statement_that_was_let_go_of_is_signed_again_without_its_fault(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "BATCH_WAITING_MAX", 1)
    monkeypatch.setattr(batch_work, "judge_record", lambda *_arguments: None)
    with place.open() as opened:
        with quick(opened) as batch:
            model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
            model.receipt.result(30)
        wrong = Parent("derived-from", model.id)
        with (
            ending_in(RefusedInput, "1 artifact of the batch"),
            opened.batch("ada", records=3, age_s=3_600) as batch,
            writing(place),
        ):
            items = [batch.add(f"{n}", parents=[wrong] if n == 1 else ()) for n in range(9)]
            batch.flush()
            assert batch.find(items[0].id) is None
    assert [place.places(item.id) for item in items] == [1, 0, *[1] * 7]
    assert place.is_sound()


def test_refused_statement_that_was_let_go_of_and_is_gone_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "BATCH_WAITING_MAX", 1)
    with (
        place.open(keyless=True) as opened,
        ending_in(StoreFault, r"2 artifacts of the batch.*not there any more"),
        opened.batch("ada", records=2, age_s=3_600) as batch,
        writing(place),
    ):
        lost = [batch.add("one"), batch.add("two")]
        batch.flush()
        good = [batch.add("three"), batch.add("four")]
        batch.flush()
        assert batch.find(lost[0].id) is None
        for waiting in place.outbox.waiting():
            if waiting.seq == 0:
                waiting.path.unlink()
            else:  # its lane is broken
                place.outbox.refuse(
                    waiting, Refusal("lane-broken", "lane", "it is broken", "Open a new one.")
                )
        wait_until(
            lambda: len(place.outbox.waiting()) == 1, "what its lane's fault had refused is signed anew"
        )
    place.drain()
    assert [place.places(item.id) for item in (*lost, *good)] == [0, 0, 1, 1]


def test_what_is_in_doubt_is_signed_apart_so_that_its_refusal_hurts_nobody(place: Place) -> None:
    """By then nobody may be there who would sign the rest again."""
    with place.open(keyless=True) as opened, opened.batch("ada") as batch:
        items = good_and_bad(batch, 8, 3)
        child = batch.add("child", parents=[items[2], items[3]])
        other = batch.add("other", parents=[items[2]])
        batch.flush()
        later = batch.add("later, in the same lane")
    run_elsewhere(place, DRAIN_AT_ONCE)
    assert [place.places(item.id) for item in items] == [1, 1, 1, 0, 1, 1, 1, 1]
    assert [place.places(item.id) for item in (child, other, later)] == [0, 1, 1]
    assert place.refused() == ["parent-unknown"]
    assert place.is_sound()


def test_parent_that_waits_for_another_process_is_no_doubt(place: Place) -> None:
    with place.open(keyless=True) as opened:
        with opened.batch("ada") as batch:
            parent = batch.add("parent")
        with opened.batch("ada") as batch:
            child = batch.add("child", parents=[parent.id])
            good = batch.add("good")
            batch.flush()
            assert child.doubts == frozenset()
    place.drain()
    assert [place.places(item.id) for item in (parent, child, good)] == [1, 1, 1]
    assert place.statements() == [1, 2]


# Changes of keys, delegations and rules meanwhile

ROTATE = "opened.change_keys('ada', ledger.api.KeyChange('rotate'), unencrypted=True)"


def test_what_was_signed_under_old_keys_comes_back_with_that_reason(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open(keyless=True) as opened, quick(opened) as batch:
        with opened.view() as view:
            before = speaker_in(view, opened.keys.find("ada"), 0)
        run_elsewhere(place, ROTATE)
        monkeypatch.setattr(batch_work, "speaker_in", lambda *_arguments: before)  # it had looked just before
        items = [batch.add("one"), batch.add("two")]
        batch.flush()
        run_elsewhere(place, DRAIN_AT_ONCE)
        assert {error_of(item.receipt) for item in items} == {"key-not-in-force"}
    assert place.refused() == ["key-not-in-force"] * len(place.refused())
    assert place.refused()


def test_keys_that_were_changed_elsewhere_are_told(place: Place) -> None:
    with (
        place.open(keyless=True) as opened,
        ending_in(RefusedInput, "1 artifact of the batch.*other keys"),
        quick(opened) as batch,
    ):
        old = batch.add("under the old keys")
        old.signed.result(30)
        run_elsewhere(place, ROTATE)  # which takes along what waits
        assert old.receipt.result(30)
        assert error_of(batch.add("under keys that are not here").signed) == "keys-not-in-force"
    with place.open(keyless=True) as opened:
        assert code_of(quick(opened).__enter__) == "keys-not-in-force"


def test_batch_goes_on_under_new_keys_that_are_here(place: Place) -> None:
    with place.open() as opened:
        with quick(opened) as batch:
            batch.add("old").receipt.result(30)
            opened.change_keys("ada", KeyChange("rotate"), unencrypted=True)
            new = batch.add("new")
            assert new.receipt.result(30)
        with opened.view() as view:
            log_index, _ = view.locate(view.find_artifact(new.id)[0])
            statement = view.statement(log_index)
            identity = view.identity(opened.identity_id("ada"))
    assert identity is not None
    assert statement.fields["key"] == identity.last.id != identity.id
    assert statement.fields["seq"] == 0
    assert place.is_sound()


def test_batch_goes_on_under_a_new_delegation(place: Place) -> None:
    with place.open() as opened:
        with quick(opened, "ada+m") as batch:
            batch.add("old").receipt.result(30)
            opened.delegate("ada", "ada+m", {"name": "m", "version": "2"})
            new = batch.add("new")
            assert new.receipt.result(30)
        with opened.view() as view:
            log_index, _ = view.locate(view.find_artifact(new.id)[0])
            pair = view.identity(opened.identity_id("ada+m"))
            assert pair is not None
            assert pair.delegation is not None
            assert view.statement(log_index).body["delegation"] == pair.delegation.id
    assert place.is_sound()


def test_scope_that_was_widened_meanwhile_counts_at_the_call(place: Place) -> None:
    with place.open() as opened:
        opened.delegate("ada", "ada+m", {"name": "m", "version": "2"}, {"kinds": ["output"]})
        with quick(opened, "ada+m") as batch:
            assert code_of(lambda: batch.add("x", kind="work", human=1)) == "scope-exceeded"
            opened.delegate("ada", "ada+m", {"name": "m", "version": "3"}, {"human": 1_000_000})
            assert batch.add("x", kind="work", human=1).receipt.result(30)
    assert place.is_sound()


def test_who_is_silenced_meanwhile_is_told(place: Place) -> None:
    with (
        place.open() as opened,
        ending_in(RefusedInput, "2 artifacts"),
        quick(opened, "ada+m") as pair,
        ending_in(RefusedInput, "1 artifact"),
        quick(opened) as ada,
    ):
        pair.add("one").receipt.result(30)
        opened.undelegate("ada", "ada+m")
        assert error_of(pair.add("two").signed) == "not-delegated"
        opened.change_keys("ada", KeyChange("retire"))
        assert error_of(pair.add("three").signed) == "not-delegated"
        assert error_of(ada.add("four").receipt) == "identity-retired"


def test_whoever_may_not_sign_is_told_before_he_adds(place: Place) -> None:
    with place.open(readonly=True) as opened:
        assert code_of(opened.batch("ada").__enter__) == "store-readonly"
    with place.open() as opened:
        assert code_of(opened.batch("nobody").__enter__) == "name-unknown"
        assert code_of(opened.session("nobody").__enter__) == "name-unknown"
        opened.undelegate("ada", "ada+m")
        assert code_of(opened.batch("ada+m").__enter__) == "not-delegated"
        opened.delegate("ada", "ada+m", {"name": "m", "version": "1"}, {"until": 1})
        assert code_of(opened.batch("ada+m").__enter__) == "scope-exceeded"
        opened.set_rules({"mode": "allow-list"})
        assert code_of(opened.batch("ada").__enter__) == "not-endorsed"
        opened.set_rules({"mode": "open"})
        opened.change_keys("ada", KeyChange("retire"))
        assert code_of(opened.batch("ada").__enter__) == "identity-retired"


def test_limits_of_the_logs_rules_are_kept(place: Place) -> None:
    with place.open() as opened:
        opened.set_rules({"mode": "open", "limits": {"records": 3, "bytes": 450}})
        with opened.batch("ada") as batch:
            sizes = {len(batch.add(f"{number}").record) for number in range(7)}
    (size_bytes,) = sizes
    assert 450 // 3 < size_bytes < 450 // 2
    assert place.statements() == [2, 2, 2, 1]
    assert place.is_sound()


def test_rule_that_came_meanwhile_is_told_to_all_of_a_statement(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open(keyless=True) as opened, opened.batch("ada", age_s=3_600) as batch:
        with opened.view() as view:
            before = speaker_in(view, opened.keys.find("ada"), 0)
        run_elsewhere(place, "opened.set_rules({'mode': 'open', 'limits': {'records': 1}})")
        monkeypatch.setattr(batch_work, "speaker_in", lambda *_arguments: before)
        items = [batch.add("one"), batch.add("two")]
        batch.flush()
        run_elsewhere(place, "opened.drain()")
        for item in items:
            assert isinstance(item.receipt.exception(30), PolicyDenied)
            assert error_of(item.receipt) == "rules-exceeded"


# Keys that are encrypted


def test_person_is_asked_once_and_never_by_a_thread(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(name: str) -> bytes:
        asked.append(f"{threading.current_thread() is threading.main_thread()} {name}")
        return b"secret"

    config = str(tmp_path / "keys")
    with ledger.create(tmp_path / "l", config=config, passphrases=Passphrases(b"secret")) as made:
        made.new_identity("ada")
    with ledger.open(tmp_path / "l", config=config, passphrases=Passphrases(ask=ask)) as opened:
        with quick(opened) as batch:
            for number in range(3):
                assert batch.add(f"{number}").receipt.result(30)
        assert asked == ["True ada (current.key)"]


def test_logs_key_under_another_passphrase_is_not_asked_for(tmp_path: Path) -> None:
    asked: list[str] = []

    def ask(name: str) -> bytes:
        asked.append(name)
        return b"hers"

    config = str(tmp_path / "keys")
    with ledger.create(tmp_path / "l", config=config, passphrases=Passphrases(b"the log's")) as made:
        made.new_identity("ada", unencrypted=True)
    with ledger.open(tmp_path / "l", config=config, passphrases=Passphrases(b"hers", ask)) as opened:
        with quick(opened) as batch:
            item = batch.add("one")
            assert item.signed.result(30)
        assert error_of(item.receipt) == "receipt-waits"
    assert asked == []


# Whatever happens, in whatever order


class Steps:
    """What happens to a batch, and what must come of it."""

    def __init__(self, place: Place, disk: FullDisk, batch: Batch) -> None:
        self.place, self.disk, self.batch = place, disk, batch
        self.items: list[Item] = []
        self.bad: set[bytes] = set()
        self.parents: dict[bytes, list[Item]] = {}
        self.children: set[int] = set()

    def is_good(self, item: Item) -> bool:
        """Whether it was told signed, and nothing that it descends from came to nothing."""
        parents = self.parents.get(item.id, [])
        return item.was_signed and item.id not in self.bad and all(map(self.is_good, parents))

    def add(self, number: int) -> None:
        self.items.append(self.batch.add(f"good {number}"))

    def add_child(self, number: int) -> None:
        parents = [self.items[number % len(self.items)]] if self.items else []
        item = self.batch.add(f"child {number}", parents=parents)
        self.items.append(item)
        self.parents[item.id] = parents

    def add_bad(self, number: int) -> None:
        item = self.batch.add(f"bad {number}", parents=[NOWHERE])
        self.items.append(item)
        self.bad.add(item.id)

    def flush(self, _number: int) -> None:
        with suppress(LineageError):
            self.batch.flush()

    def fill_disk(self, _number: int) -> None:
        self.disk.is_full = not self.disk.is_full

    def fork(self, number: int) -> None:
        pid = os.fork()
        if not pid:
            code = 1
            with suppress(BaseException):
                self.disk.is_full = False
                self.batch.add(f"of a child {number}")
                self.batch.flush()
                code = 0
            os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        self.children.add(number)


STEPS = ("add", "add_child", "add_bad", "flush", "fill_disk", "fork")


@settings(
    max_examples=int(os.environ.get("LINEAGE_EXAMPLES", "15")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 30)), max_size=25),
    records=st.integers(1, 6),
    is_keyless=st.booleans(),
)
def test_whatever_happens_what_was_told_signed_is_logged_once_or_refused_with_its_reason(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]], records: int, is_keyless: bool
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        disk = FullDisk(monkeypatch)
        disk.is_full = False
        with (
            place.open(keyless=is_keyless) as opened,
            suppress(LineageError),
            quick(opened, records=records) as batch,
        ):
            story = Steps(place, disk, batch)
            for name, number in steps:
                getattr(story, name)(number)
    with place.open() as opened:
        draining.drain_here(opened._access, grace_s=0)
    assert place.outbox.waiting() == []
    for item in story.items:
        assert item.signed.done()
        assert item.receipt.done()
        if story.is_good(item):
            assert item.state is not State.FAILED
            assert place.places(item.id) == 1, item
        else:
            assert item.state in (State.FAILED, State.LEFT)
            assert place.places(item.id) == 0 or item.state is State.FAILED
    with place.open(readonly=True) as opened:
        for number in story.children:
            (artifact_id,) = opened.find_text(f"of a child {number}")
            assert opened.receipt(artifact_id)
    assert place.is_sound()

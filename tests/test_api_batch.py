"""Batches: what is added returns at once, is told when it is durable and when it is logged, and never silently lost."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from ledger import spec
from ledger.api import active, draining
from ledger.api.batch import Batch
from ledger.api.batch_item import Item
from ledger.api.batch_work import Answers, Signing
from ledger.errors import InvariantBroken, LineageError, RefusedInput, StoreFault
from ledger.proofs.receipt import Content, check_receipt
from ledger.statements.record import Parent
from ledger.store.content import ContentStore
from ledger.store.lock import WriterLock
from ledger.store.outbox import Outbox
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


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_what_is_added_is_told_signed_and_then_logged(place: Place) -> None:
    with place.open() as opened:
        with quick(opened) as batch:
            item = batch.add("a text")
            assert item.signed.result(30) == item.id
            text = item.receipt.result(30)
            facts = check_receipt(text, opened.vkey, Content("raw", hashlib.sha256(b"a text").digest(), 6))
            assert facts.artifact_id == item.id
        assert opened.receipt(item.id)
        assert opened.trace(item.id).humans
    assert place.record(item.id).kind == "work"
    assert place.is_sound()


def test_nobody_is_told_signed_before_it_is_in_the_outbox(place: Place) -> None:
    seen: list[int] = []
    with writing(place), place.open(keyless=True) as opened, quick(opened, records=1) as batch:
        for number in range(3):
            item = batch.add(f"{number}")
            item.signed.add_done_callback(lambda _future: seen.append(len(place.outbox.waiting())))
            batch.flush()
    assert seen == [1, 2, 3]


def test_contents_and_claims_of_every_kind(place: Place) -> None:
    file = place.file("notes.md", "notes")
    with place.open() as opened, opened.batch("ada") as batch:
        text = batch.add("notes")
        path = batch.add(file)
        data = batch.add(b"\0\1", media="application/x-thing")
        value = batch.add({"b": 1, "a": [None, True]}, human="70%")
        child = batch.add(
            "child",
            parents=[text, path.id, f"quotes={data.id.hex()}@20%", Parent("evidence", value.id)],
            machine=None,
            human=0.5,
            rights={"license": "CC-BY-4.0"},
            made=5,
        )
        said = batch.add(
            "hearsay", reported=True, author="R. Example", source={"uri": "https://example.org/"}
        )
        model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
        output = batch.add("generated", kind="output", parents=[model])
    records = {item: place.record(item.id) for item in (text, path, data, value, child, said, output)}
    assert [(each.form, each.fields["media"]) for each in records.values()] == [
        ("raw", "text/plain"),
        ("raw", "text/markdown"),
        ("raw", "application/x-thing"),
        ("jcs", "application/json"),
        ("raw", "text/plain"),
        ("raw", "text/plain"),
        ("raw", "text/plain"),
    ]
    assert records[text].content == records[path].content
    assert records[value].fields["human"] == 700_000
    assert records[child].fields["human"] == 500_000
    assert set(records[child].parents) == {
        Parent("derived-from", text.id),
        Parent("derived-from", path.id),
        Parent("quotes", data.id, 200_000),
        Parent("evidence", value.id),
    }
    assert records[said].stance == "reported"
    assert "attributed" in records[said].fields
    assert records[output].parents == (Parent("generated-by", model.id),)
    assert place.statements() == [8]
    assert place.is_sound()


def test_experience_is_checked_at_the_call_and_kept(place: Place) -> None:
    told = dict.fromkeys(("case", "pattern", "constraints", "uncertainty", "consequence"), "said")
    with place.open() as opened:
        with opened.batch("ada") as batch:
            assert (
                code_of(lambda: batch.add({**told, "case": " "}, kind="experience"))
                == "experience-incomplete"
            )
            assert code_of(lambda: batch.add("no JSON", kind="experience")) == "not-json"
            item = batch.add(told, kind="experience", facts={"confidence": 1, "stake": "low"})
        kept = opened.content.get(item.content)
        assert kept is not None
        assert b'"case":"said"' in kept


def test_experience_that_is_logged_already_is_kept_all_the_same(place: Place) -> None:
    told = dict.fromkeys(("case", "pattern", "constraints", "uncertainty", "consequence"), "said")
    with place.open() as opened:
        for _ in range(2):
            with quick(opened) as batch:
                item = batch.add(told, kind="experience")
            assert opened.content.get(item.content) is not None
            opened.content.remove(item.content)
    assert place.statements() == [1]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "poem"}, "schema"),
        ({"kind": "output"}, "role-illegal"),
        ({"kind": "derived"}, "record-illegal"),
        ({"human": 2_000_000}, "schema"),
        ({"human": "120%"}, "share-illegal"),
        ({"machine": 1}, "share-illegal"),
        ({"author": "R. Example"}, "record-illegal"),
        ({"parents": ["no id"]}, "schema"),
        ({"parents": [b"short"]}, "schema"),
        ({"parents": [f"eats={'0' * 64}"]}, "schema"),
        ({"facts": {"x": 1}}, "record-illegal"),
        ({"rights": {"license": "?"}}, "schema"),
    ],
)
def test_illegal_is_refused_at_the_call(place: Place, fields: dict[str, object], code: str) -> None:
    with place.open() as opened, opened.batch("ada") as batch:
        assert code_of(lambda: batch.add("text", **fields)) == code  # type: ignore[arg-type]
    assert place.statements() == []


def test_contents_that_are_none_are_refused_at_the_call(place: Place) -> None:
    with place.open() as opened, opened.batch("ada") as batch:
        assert code_of(lambda: batch.add("\ud800")) == "lone-surrogate"
        assert code_of(lambda: batch.add({"x": float("nan")})) == "json-number-not-finite"
        assert code_of(lambda: batch.add(object())) == "not-json"
        assert code_of(lambda: batch.add(place.folder / "absent")) == "file-not-found"
        assert code_of(lambda: batch.add(place.folder)) == "is-a-folder"


def test_scope_of_a_pair_is_held_at_the_call_and_its_count_when_it_is_cut(place: Place) -> None:
    with place.open() as opened:
        opened.delegate("ada", "ada+m", {"name": "m", "version": "2"}, {"kinds": ["output"], "count": 3})
        with ending_in(RefusedInput, "2 artifacts of the batch"), opened.batch("ada+m") as batch:
            assert code_of(lambda: batch.add("x", kind="work", human=1)) == "scope-exceeded"
            items = [batch.add(f"{number}") for number in range(5)]
    assert [item.signed.exception() is None for item in items] == [True] * 3 + [False] * 2
    assert error_of(items[4].receipt) == "scope-exceeded"
    assert place.statements() == [3]


def test_what_is_on_its_way_or_logged_is_not_signed_twice(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada") as batch:
            assert batch.add("one") is batch.add("one")
        with quick(opened) as batch:
            again, other = batch.add("one"), batch.add("two")
            assert again.signed.result(30) == again.id
            assert again.receipt.result(30) == opened.receipt(again.id)
            assert other.receipt.result(30)
    assert place.statements() == [1, 1]
    assert place.places(again.id) == 1


def test_statements_are_cut_by_count_bytes_and_age(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada", records=3, age_s=3_600) as batch:
            for number in range(7):
                batch.add(f"count {number}")
        with opened.batch("ada", size_bytes=400, age_s=3_600) as batch:
            size_bytes = len(batch.add("bytes 0").record)
            batch.add("bytes 1")
            batch.add("bytes 2")
        with opened.batch("ada", age_s=0) as batch:
            batch.add("age 0").signed.result(30)
            batch.add("age 1").signed.result(30)
    assert 200 > size_bytes > 134
    assert place.statements() == [3, 3, 1, 2, 1, 1, 1]


def test_nothing_is_cut_before_its_time_unless_it_is_flushed(place: Place) -> None:
    with place.open() as opened, opened.batch("ada", age_s=3_600) as batch:
        item = batch.add("one")
        assert not item.signed.done()
        batch.flush()
        assert item.signed.done()
        batch.flush()  # nothing to do


def test_many_threads_add_at_once(place: Place) -> None:
    items: list[Item] = []

    def add(number: int) -> None:
        items.extend([batch.add(f"{number % 4} {count}") for count in range(100)])  # each text twice

    with place.open() as opened, opened.batch("ada", records=32, age_s=0.01) as batch:
        threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    ids = {item.id for item in items}
    assert len(ids) == 400
    with place.open(readonly=True) as opened, opened.view() as view:
        assert {len(view.find_artifact(artifact_id)) for artifact_id in ids} == {1}
    assert sum(place.statements()) == 400
    assert place.is_sound()


def test_tasks_add_and_await(place: Place) -> None:
    async def work(batch: Batch, number: int) -> str:
        item = batch.add(f"task {number}")
        await asyncio.wrap_future(item.signed)
        return await asyncio.wrap_future(item.receipt)

    async def run() -> list[str]:
        with place.open() as opened:
            async with quick(opened) as batch:
                receipts = await asyncio.gather(*(work(batch, number) for number in range(20)))
                item = batch.add("given up")
                given_up = asyncio.wrap_future(item.receipt)
                given_up.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await given_up
                await asyncio.sleep(0)  # the loop tells the future
                receipts.append(await asyncio.wrap_future(item.receipt))
        return receipts

    assert len(set(asyncio.run(run()))) == 21
    assert place.is_sound()


def test_future_that_was_given_up_can_be_asked_for_again(place: Place) -> None:
    with place.open() as opened, opened.batch("ada", age_s=3_600) as batch:
        item = batch.add("one")
        first = item.receipt
        assert item.receipt is first
        assert first.cancel()
        second = item.receipt
        assert second is not first
        batch.flush()
        assert second.result(30)
        with pytest.raises(CancelledError):
            first.result(0)


# Without the log's key, or its lock


def test_worker_needs_neither_key_nor_lock(place: Place) -> None:
    with writing(place), place.open(keyless=True) as opened:
        with quick(opened) as batch:
            asked, other = batch.add("asked"), batch.add("other")
            assert asked.signed.result(30) == asked.id
            receipt = asked.receipt
        assert error_of(receipt) == "receipt-waits"
        assert code_of(lambda: opened.receipt(asked.id)) == "unlogged"
    place.drain()
    with place.open(keyless=True) as opened:
        assert opened.receipt(asked.id)
    assert {place.places(item.id) for item in (asked, other)} == {1}


def test_receipt_comes_when_somebody_else_drains(place: Place) -> None:
    with place.open(keyless=True) as opened, quick(opened) as batch:
        item = batch.add("one")
        item.signed.result(30)
        receipt = item.receipt
        run_elsewhere(place, "opened.drain()")
        assert receipt.result(30) == opened.receipt(item.id)


def test_receipt_asked_for_when_all_is_over_is_looked_up(place: Place) -> None:
    with place.open(keyless=True) as opened:
        with quick(opened) as batch:
            items = [batch.add(f"{number}") for number in range(2)]
        assert error_of(items[0].receipt) == "receipt-waits"
        run_elsewhere(place, "opened.drain()")
        assert items[1].receipt.result(0) == opened.receipt(items[1].id)
    assert items[1].receipt.result(0)


def test_receipt_asked_for_when_the_ledger_is_closed_is_told(place: Place) -> None:
    with place.open() as opened, quick(opened) as batch:
        item = batch.add("one")
    assert error_of(item.receipt) == "store-closed"


def test_who_waits_for_the_lock_is_waited_for(place: Place) -> None:
    lock = WriterLock(place.path).acquire(0)
    with place.open() as opened, quick(opened) as batch:
        item = batch.add("one")
        item.signed.result(30)
        threading.Timer(0.1, lock.release).start()
    assert place.places(item.id) == 1


def test_block_waits_for_the_log_as_long_as_it_is_told(place: Place) -> None:
    with writing(place), place.open() as opened:
        with quick(opened, wait_s=0) as batch:
            item = batch.add("one")
        assert error_of(item.receipt) == "receipt-waits"
        with quick(opened, wait_s=0.3) as batch:
            item = batch.add("two")
        assert error_of(item.receipt) == "receipt-waits"
    place.drain()
    assert place.is_sound()


# What fails


def test_full_disk_is_told_and_the_same_goes_on_when_there_is_room(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    with place.open() as opened, quick(opened) as batch:
        item = batch.add("one")
        assert error_of(item.signed) == "outbox-unwritable"
        assert error_of(item.receipt) == "outbox-unwritable"
        assert code_of(batch.flush) == "outbox-unwritable"
        disk.is_full = False
        again = batch.add("one")
        assert again is not item
        assert again.receipt.result(30)
        batch.flush()
    assert place.places(item.id) == 1
    assert place.is_sound()


def test_what_could_not_be_made_durable_raises_when_the_block_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    FullDisk(monkeypatch)
    with place.open() as opened:
        with (
            ending_in(StoreFault, r"3 artifacts of the batch of 'ada'.*No space"),
            opened.batch("ada") as batch,
        ):
            items = [batch.add(f"{number}") for number in range(3)]
        assert {error_of(item.signed) for item in items} == {"outbox-unwritable"}
        error = ValueError("mine")
        with ending_in(ValueError, "mine"), opened.batch("ada") as batch:
            batch.add("one")
            fail(error)
    assert "No space" in str(error.__notes__)
    assert place.outbox.waiting() == []
    assert place.statements() == []


def fail(error: Exception) -> None:
    raise error


def test_what_was_added_before_the_block_failed_is_signed(place: Place) -> None:
    with place.open() as opened, ending_in(ValueError, "mine"), opened.batch("ada") as batch:
        item = batch.add("one")
        fail(ValueError("mine"))
    assert item.signed.done()
    place.drain()
    assert place.places(item.id) == 1


def test_content_that_cannot_be_kept_fails_its_experience_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = dict.fromkeys(("case", "pattern", "constraints", "uncertainty", "consequence"), "said")

    def full(*_arguments: object) -> bytes:
        raise StoreFault("store-failed", "content", "No space left on device", "Make room.")

    with place.open() as opened, ending_in(StoreFault, "No space"), quick(opened) as batch:
        monkeypatch.setattr(ContentStore, "put", full)
        item = batch.add(told, kind="experience")
        assert error_of(item.signed) == "store-failed"
        assert batch.add("a work").receipt.result(30)


def test_what_was_kept_for_what_could_not_be_signed_is_removed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = dict.fromkeys(("case", "pattern", "constraints", "uncertainty", "consequence"), "said")
    FullDisk(monkeypatch)
    with place.open() as opened:
        with ending_in(StoreFault, "No space"), quick(opened) as batch:
            item = batch.add(told, kind="experience")
        assert opened.content.get(item.content) is None


def test_log_that_cannot_be_written_is_told_when_the_block_ends(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise StoreFault("store-full", "ledger", "the disk is full", "Make room.")

    monkeypatch.setattr("ledger.api.batch_work.drain_here", full)
    with place.open() as opened:
        with ending_in(StoreFault, "the disk is full"), quick(opened) as batch:
            item = batch.add("one")
            assert item.signed.result(30) == item.id
        assert error_of(item.receipt) == "receipt-waits"
    monkeypatch.undo()
    place.drain()
    assert place.places(item.id) == 1


def test_log_that_could_not_be_written_once_is_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = 0

    def failing_once(*arguments: Any, **options: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreFault("clock-behind", "clock", "it is behind", "Wait.")
        return draining.drain_here(*arguments, **options)

    monkeypatch.setattr("ledger.api.batch_work.drain_here", failing_once)
    monkeypatch.setattr("ledger.api.batch_work.FAULT_PAUSE_S", 0.01)
    with place.open() as opened, quick(opened) as batch:
        assert batch.add("one").receipt.result(30)
    assert tries > 1


@pytest.mark.parametrize("which", [Signing, Answers])
@pytest.mark.parametrize(
    "error", [RuntimeError("a bug"), InvariantBroken("tree-differs", "log", "it is damaged", "Stop.")]
)
def test_thread_that_dies_leaves_nobody_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch, which: type, error: Exception
) -> None:
    def die(*_arguments: object) -> None:
        raise error

    code = error.code if isinstance(error, LineageError) else "batch-broken"
    with place.open() as opened:
        with ending_in(LineageError, "a bug|damaged"), quick(opened) as batch:
            monkeypatch.setattr(which, "_put" if which is Signing else "_look", die)
            item = batch.add("one")
            told = item.receipt.exception(30)
            assert isinstance(told, LineageError)
            assert told.code == (code if which is Signing else "receipt-waits")
            assert (item.signed.exception(30) is None) == (which is Answers)
            assert code_of(lambda: batch.add("two")) == code
            assert code_of(batch.flush) == code
        assert code_of(lambda: batch.add("two")) == code


def test_thread_that_cannot_be_started_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, started = threading.Thread.start, 0

    def start(thread: threading.Thread) -> None:
        nonlocal started
        started += 1
        if started == 2:
            raise RuntimeError("can't start new thread")
        real(thread)

    with place.open() as opened:
        monkeypatch.setattr(threading.Thread, "start", start)
        batch = opened.batch("ada")
        with pytest.raises(RuntimeError, match="can't start"):
            batch.__enter__()
        assert code_of(lambda: batch.add("one")) == "batch-broken"
        monkeypatch.undo()
        with quick(opened) as batch:
            assert batch.add("one").receipt.result(30)
    assert len(active.OPEN) == 0


def test_nothing_is_added_before_or_after_the_block(place: Place) -> None:
    with place.open() as opened:
        batch = opened.batch("ada")
        assert code_of(lambda: batch.add("one")) == "batch-ended"
        with batch:
            batch.add("one")
        assert code_of(lambda: batch.add("two")) == "batch-ended"
        assert code_of(batch.__enter__) == "batch-ended"


def test_who_adds_faster_than_the_disk_takes_waits(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "BATCH_QUEUE_RECORDS_MAX", 4)
    monkeypatch.setattr(spec, "BATCH_ADD_WAIT_S", 0.05)
    disk = threading.Event()
    real = Outbox.put

    def put(*arguments: Any) -> Path:
        assert disk.wait(30)
        return real(*arguments)

    monkeypatch.setattr(Outbox, "put", put)
    with place.open() as opened, quick(opened, records=1) as batch:
        codes = [code_of(lambda: [batch.add(f"{number}") for number in range(9)])]
        codes.append(code_of(lambda: batch.add("x" * 10)))
        monkeypatch.setattr(spec, "BATCH_ADD_WAIT_S", 30)
        adding = threading.Thread(target=batch.add, args=("patient",))
        adding.start()
        disk.set()
        adding.join(30)
        assert not adding.is_alive()
    assert codes == ["batch-full"] * 2
    assert 5 <= sum(place.statements()) <= 7


def test_bytes_that_wait_are_bounded_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "BATCH_QUEUE_BYTES_MAX", 300)
    monkeypatch.setattr(spec, "BATCH_ADD_WAIT_S", 0.01)
    with place.open() as opened, opened.batch("ada", age_s=3_600) as batch:
        assert code_of(lambda: [batch.add(f"{number}") for number in range(9)]) == "batch-full"


def test_what_nobody_drains_is_let_go_of_and_still_heard_of(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "BATCH_WAITING_MAX", 2)
    with place.open(keyless=True) as opened, quick(opened, records=1) as batch:
        items = [batch.add(f"{number}") for number in range(5)]
        batch.flush()
        assert error_of(items[0].receipt) == "receipt-waits"
        assert batch.find(items[0].id) is None
        assert batch.find(items[4].id) is items[4]
        run_elsewhere(place, "opened.drain()")
        assert items[4].receipt.result(30)
        assert items[1].receipt.result(30) == opened.receipt(items[1].id)
    assert sum(place.statements()) == 5


def test_what_was_taken_away_is_told(place: Place) -> None:
    def take_away() -> None:
        (waiting,) = place.outbox.waiting()
        waiting.path.unlink()

    with (
        writing(place),
        place.open(keyless=True) as opened,
        ending_in(StoreFault, r"1 artifact of the batch.*not there any more"),
        quick(opened) as batch,
    ):
        heard = batch.add("heard of")
        heard.signed.result(30)
        take_away()
        assert error_of(heard.receipt) == "outbox-damaged"
        unheard = batch.add("unheard of")
        unheard.signed.result(30)
        take_away()
        wait_until(lambda: batch.find(unheard.id) is None, "it is missed")

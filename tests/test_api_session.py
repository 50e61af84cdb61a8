"""Sessions: what an agent makes names what it read, and is checked at the call (SPEC §4)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import active
from ledger.api.session import Session
from ledger.datasets.jcs import canonical_json
from ledger.statements import words
from ledger.statements.legal import RELATIONS, default_relation
from ledger.statements.record import Parent, Record, decode_record
from tests.batch_scene import FullDisk, Place, code_of, ending_in, error_of

TOLD: dict[str, Any] = {
    "case": "A queue filled up at night.",
    "pattern": "Slow consumers hide behind retries.",
    "constraints": "One broker, no priorities.",
    "uncertainty": "Whether it holds for two brokers.",
    "consequence": "Two hours of orders were late.",
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def record_of(item: ledger.Item) -> Record:
    return decode_record(item.record)


def parents_of(item: ledger.Item) -> set[Parent]:
    return set(record_of(item).parents)


def test_outputs_name_what_was_read_since_the_last_one(place: Place) -> None:
    file = place.file("notes.md", "notes")
    with place.open() as opened:
        opened.sign([file], by="ada")
        with opened.session("ada+m") as session:
            notes = session.read(file)
            assert session.read("notes") == session.read(str(file)) == session.read(notes.hex()) == notes
            first = session.output("first")
            assert parents_of(first) == {Parent("derived-from", notes)}
            second = session.output("second")
            assert parents_of(second) == set()
            assert record_of(second).fields["machine"] == 1_000_000
            assert session.read(first) == first.id
            assert session.read(second.id) == second.id
            third = session.output("third")
            work = session.work("of a human, beside the machine", human="80%", machine="20%")
            named = session.output("named", parents=[notes])
    assert parents_of(third) == {Parent("derived-from", first.id), Parent("derived-from", second.id)}
    assert parents_of(work) == set()
    assert parents_of(named) == {Parent("derived-from", notes)}
    assert {place.places(item.id) for item in (first, second, third, work, named)} == {1}
    assert place.is_sound()


def test_work_experience_and_derived_end_no_reading_and_an_output_does(place: Place) -> None:
    with place.open() as opened, opened.session("ada+m") as session:
        source = session.work("source", human=1_000_000)
        session.read(source)
        made = [
            session.work("work", human=1),
            session.derived("SOURCE", "upper", "1"),
            session.abstract("abstract", method="summary"),
            session.experience(**TOLD),
            session.output("output"),
            session.output("nothing read"),
        ]
    assert [{parent.rel for parent in parents_of(item)} for item in made] == [
        {"derived-from"},
        {"derived-from"},
        {"distilled-from"},
        {"derived-from"},
        {"derived-from"},
        set(),
    ]
    assert place.is_sound()


def test_relation_that_goes_without_saying_is_legal_whatever_was_read(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada") as batch:
            model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
            model.receipt.result(30)
        with opened.session("ada+m") as session:
            session.read(model.id)
            output = session.output("run")
            session.read(output)
            experience = session.experience(**TOLD)
            session.read(model)
            assert code_of(lambda: session.work("of no model", human=1)) == "parent-kind"
            session.work("of no model", human=1, parents=[])
    assert parents_of(output) == {Parent("generated-by", model.id)}
    assert parents_of(experience) == {Parent("evidence", output.id)}
    assert place.is_sound()


@pytest.mark.parametrize("kind", sorted(words.KINDS))
@pytest.mark.parametrize("parent_kind", sorted(words.KINDS))
def test_default_relations_are_legal_or_refused(kind: str, parent_kind: str) -> None:
    legal = {name for name, each in RELATIONS.items() if parent_kind in each.parents.get(kind, ())}
    meant = {"distilled-from"} if kind == "abstract" else {"derived-from", "generated-by"}
    if kind == "experience":
        meant |= {"evidence"}
    if legal & meant:
        assert default_relation(kind, parent_kind) in legal & meant
    else:
        assert code_of(lambda: default_relation(kind, parent_kind)) == "parent-kind"
    assert default_relation(kind) in RELATIONS


def test_rows_are_read_by_their_index(place: Place) -> None:
    data = place.file("old.jsonl", "".join(f'{{"text": "old row {n}"}}\n' for n in range(3)))
    with place.open() as opened:
        (rows,) = opened.import_rows(
            [data], "text", "ada", source="https://example.org/old", license="CC0-1.0", workers=0
        ).records
        with opened.session("ada+m", (rows.id, 0)) as session:
            assert session.read((rows.id, 2)) == rows.id
            session.read((rows.id.hex(), 2))
            item = session.output("of two rows")
            session.read(rows.id)
            whole = session.output("of all rows")
            explicit = session.output("of one", parents=[(rows.id, 1)])
            for row in (3, -1):
                assert code_of(partial(session.read, (rows.id, row))) == "unlogged"
            assert code_of(lambda: session.read((item, 0))) == "unlogged"
    relation = "derived-from"
    assert parents_of(item) == {Parent(relation, rows.id, row=0), Parent(relation, rows.id, row=2)}
    assert parents_of(whole) == {Parent(relation, rows.id, row=0), Parent(relation, rows.id)}
    assert parents_of(explicit) == {Parent(relation, rows.id, row=1)}
    assert place.is_sound()


def test_row_of_an_imported_dataset_is_read_by_its_text(place: Place) -> None:
    data = place.folder / "old.jsonl"
    data.write_text("".join(f'{{"text": "old row {n}"}}\n' for n in range(4)))
    with place.open() as door:
        imported = door.import_rows(
            [data], "text", "ada", source="https://example.org/old", license="CC0-1.0", workers=0
        )
        with door.session(by="ada+m") as session:
            read = session.read("old row 2")
            item = session.output("what the model made of it")
    dataset = imported.records[0].id
    assert read == dataset
    assert parents_of(item) == {Parent("derived-from", dataset, row=2)}


def test_what_is_not_logged_and_not_of_the_session_is_not_read(place: Place) -> None:
    file = place.file("never.md", "never signed")
    with place.open(keyless=True) as opened:
        with opened.batch("ada") as other:
            elsewhere = other.add("of another batch")
        with opened.session("ada+m") as session:
            unlogged: list[Any] = [
                file,
                "no such text",
                b"\1" * 32,
                "0" * 64,
                elsewhere,
                elsewhere.id,
                "never.md",
            ]
            assert {code_of(partial(session.read, what)) for what in unlogged} == {"unlogged"}
            none: list[Any] = [b"short", 7, None, (7, 0), ["x"]]
            assert {code_of(partial(session.read, what)) for what in none} == {"schema"}
            assert code_of(lambda: session.read(place.folder / "absent")) == "file-not-found"
            assert parents_of(session.output("nothing was read")) == set()


def test_what_its_maker_superseded_is_not_what_is_read(place: Place) -> None:
    """Nor is a sealed content read where its salt is not."""
    path, secret = place.file("note.txt", "a note"), place.file("secret.txt", "a secret")
    with place.open() as opened:
        (old,) = opened.sign([path], "ada").ids
        claim = ledger.Claim(human=500_000, parents=(ledger.Parent("supersedes", old),))
        (new,) = opened.sign([path], "ada", claim).ids
        (sealed,) = opened.sign([secret], "ada", ledger.Claim(sealed=True)).ids
        with opened.session("ada") as session:
            assert [session.read(each) for each in ("a note", path, "a secret", secret)] == [
                new,
                new,
                sealed,
                sealed,
            ]


def test_content_of_two_artifacts_is_ambiguous(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada") as batch:
            batch.add("twice")
            batch.add("twice", human="50%")
        with opened.session("ada+m") as session:
            assert code_of(lambda: session.read("twice")) == "ambiguous"
            assert code_of(lambda: session.read(place.file("twice.txt", "twice"))) == "ambiguous"


def test_what_was_refused_is_not_read(place: Place) -> None:
    with (
        place.open() as opened,
        ending_in(ledger.errors.RefusedInput, "1 artifact"),
        opened.session("ada+m", age_s=0) as session,
    ):
        with opened.batch("ada") as batch:
            model = batch.add("weights", kind="model", facts={"name": "m", "version": "1"})
        bad = session.output("bad", parents=[Parent("derived-from", model.id)])
        assert error_of(bad.signed) == "parent-kind"
        assert code_of(lambda: session.read(bad)) == "parent-kind"


def test_more_than_an_artifact_names_is_refused_with_the_way_out(place: Place) -> None:
    with place.open() as opened, opened.session("ada+m", age_s=3_600) as session:
        works = [session.work(f"{number}", human=1) for number in range(257)]
        for work in works:
            session.read(work)
        assert code_of(lambda: session.output("too many")) == "too-large"
        session.output("some", parents=works[:200])
        session.output("none")


# The task


def test_text_as_task_is_in_the_parameters_of_outputs_and_kept(place: Place) -> None:
    task = "Summarise what the night shift wrote."
    with place.open() as opened:
        with opened.session("ada+m", task, parameters={"temperature": 0}) as session:
            plain = session.output("one")
            more = session.output("two", parameters={"seed": 7})
            work = session.work("three", human=1)
        for item, told in (
            (plain, {"task": task, "parameters": {"temperature": 0}}),
            (more, {"task": task, "parameters": {"temperature": 0, "seed": 7}}),
        ):
            data = canonical_json(told)
            assert record_of(item).fields["facts"] == {"parameters": hashlib.sha256(data).digest()}
            assert opened.content.get(hashlib.sha256(data).digest()) == data
    assert "facts" not in record_of(work).fields
    assert task not in str(record_of(plain).fields)


def test_session_without_task_says_nothing_of_it(place: Place) -> None:
    with place.open() as opened, opened.session("ada+m") as session:
        assert "facts" not in record_of(session.output("one")).fields


@pytest.mark.parametrize("how", ["item", "id", "hex", "path"])
def test_artifact_as_task_stays_read(place: Place, how: str) -> None:
    with place.open() as opened:
        with opened.batch("ada") as batch:
            item = batch.add("The task, in all its length.")
            item.receipt.result(30)
        task: Any = {
            "item": item,
            "id": item.id,
            "hex": item.id.hex(),
            "path": place.file("task.txt", "The task, in all its length."),
        }[how]
        with opened.session("ada+m", task) as session:
            other = session.work("other", human=1)
            session.read(other)
            first, second = session.output("first"), session.output("second")
            named = session.output("named", parents=[other])
    always = Parent("derived-from", item.id)
    assert parents_of(first) == {always, Parent("derived-from", other.id)}
    assert parents_of(second) == {always}
    assert parents_of(named) == {Parent("derived-from", other.id)}
    assert "facts" not in record_of(first).fields
    assert place.is_sound()


def test_task_that_is_not_logged_is_refused_when_the_session_begins(place: Place) -> None:
    with place.open() as opened:
        assert code_of(opened.session("ada+m", b"\1" * 32).__enter__) == "unlogged"
        assert code_of(opened.session("ada+m", place.folder / "absent").__enter__) == "file-not-found"
        assert code_of(opened.session("ada+m", "x", parameters={"x": object()}).__enter__) == "not-json"
        with opened.session("ada+m") as session:  # what failed left nothing open
            session.output("one")
    assert len(active.OPEN) == 0


def test_parameters_that_could_not_be_kept_are_kept_with_the_next_output(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    with (
        place.open() as opened,
        ending_in(ledger.errors.StoreFault, "1 artifact"),
        opened.session("ada+m", "the task", age_s=0) as session,
    ):
        assert error_of(session.output("one").signed) == "outbox-unwritable"
        data = canonical_json({"task": "the task"})
        assert opened.content.get(hashlib.sha256(data).digest()) is None
        disk.is_full = False
        assert session.output("two").signed.result(30)
        assert opened.content.get(hashlib.sha256(data).digest()) == data


# Experiences


def test_experience_is_whole_and_its_evidence_is_named(place: Place) -> None:
    log = place.file("run.log", "it failed\n")
    with place.open() as opened:
        with opened.session("ada+m") as session:
            output = session.output("what was tried")
            item = session.experience(
                **TOLD,
                evidence=[log, "ab" * 32, b"\2" * 32, output, log],
                confidence=0.8,
                stake="high",
                human="10%",
            )
            other = session.experience(**{**TOLD, "case": "another"}, confidence="25%")
        data = canonical_json(TOLD)
        assert opened.content.get(item.content) == data
        assert json.loads(data) == TOLD
    assert record_of(item).form == "jcs"
    assert record_of(item).fields["facts"] == {
        "confidence": 800_000,
        "stake": "high",
        "evidence": sorted([hashlib.sha256(b"it failed\n").digest(), b"\xab" * 32, b"\2" * 32]),
    }
    assert record_of(item).fields["human"] == 100_000
    assert parents_of(item) == {Parent("evidence", output.id)}
    assert record_of(other).fields["facts"] == {"confidence": 250_000}
    assert place.is_sound()


@pytest.mark.parametrize("part", TOLD)
@pytest.mark.parametrize("value", ["", " \n", None, 7])
def test_experience_with_an_empty_part_is_refused_at_the_call(place: Place, part: str, value: Any) -> None:
    with place.open() as opened, opened.session("ada+m") as session:
        told: dict[str, Any] = {**TOLD, part: value}
        assert code_of(lambda: session.experience(**told)) == "experience-incomplete"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda s: s.experience(**TOLD, stake="huge"), "schema"),
        (lambda s: s.experience(**TOLD, confidence=1.5), "share-illegal"),
        (lambda s: s.experience(**TOLD, confidence=2_000_000), "schema"),
        (lambda s: s.experience(**TOLD, evidence=["not a digest"]), "schema"),
        (lambda s: s.experience(**TOLD, evidence=[Path("absent")]), "file-not-found"),
        (lambda s: s.work("x", human=2_000_000), "schema"),
        (lambda s: s.work("x", machine=1), "share-illegal"),
        (lambda s: s.abstract("x"), "record-illegal"),
        (lambda s: s.abstract("x", method="magic", parents=[b"1" * 32]), "schema"),
        (lambda s: s.derived("x", "tool", "1"), "record-illegal"),
        (lambda s: s.derived("x", "no tool!", "1", parents=[b"1" * 32]), "schema"),
        (lambda s: s.derived("x", "tool", "1", object(), parents=[b"1" * 32]), "not-json"),
        (lambda s: s.output("x", human=1), "role-illegal"),
        (lambda s: s.output("x", parameters={"x": float("inf")}), "json-number-not-finite"),
        (lambda s: s.output("\ud800"), "lone-surrogate"),
    ],
)
def test_illegal_is_refused_at_the_call(place: Place, make: Callable[[Session], object], code: str) -> None:
    with place.open() as opened, opened.session("ada+m") as session:
        assert code_of(lambda: make(session)) == code
    assert place.statements() == []


def test_scope_is_held_at_the_call(place: Place) -> None:
    with place.open() as opened:
        opened.delegate("ada", "ada+m", {"name": "m", "version": "2"}, {"kinds": ["output", "experience"]})
        with opened.session("ada+m") as session:
            assert code_of(lambda: session.work("x")) == "scope-exceeded"
            assert code_of(lambda: session.experience(**TOLD, human=1)) == "scope-exceeded"
            session.experience(**TOLD)
            session.output("x")
    assert place.statements() == [2]


# Its block


def test_sessions_share_a_batch(place: Place) -> None:
    with place.open() as opened:
        with opened.batch("ada+m") as batch:
            with (
                opened.session("ada+m", "one", batch=batch) as one,
                opened.session("ada+m", "two", batch=batch) as two,
            ):
                item = one.output("of one")
                two.read(item)
                other = two.output("of two")
            assert not item.signed.done() or item.was_signed
            assert code_of(lambda: opened.session("ada", batch=batch)) == "usage"
            assert code_of(lambda: opened.session("ada+m", batch=batch, records=3)) == "usage"
        assert code_of(lambda: two.output("late")) == "batch-ended"
    assert parents_of(other) == {Parent("derived-from", item.id)}
    assert place.statements() == [2]


def test_session_of_a_task(place: Place) -> None:
    async def run() -> tuple[ledger.Item, str]:
        with place.open() as opened:
            async with opened.session("ada+m", "asynchronous", age_s=0.001) as session:
                items = await asyncio.gather(
                    *(asyncio.to_thread(session.output, f"{number}") for number in range(8))
                )
                assert await asyncio.wrap_future(items[0].signed) == items[0].id
                session.read(items[0])
                item = session.output("last")
                text = await asyncio.wrap_future(item.receipt)
            with pytest.raises(ledger.errors.NotFound):
                async with opened.session("ada+m", b"\1" * 32):
                    pass
        return item, text

    item, text = asyncio.run(run())
    assert text
    assert len(parents_of(item)) == 1
    assert len(active.OPEN) == 0
    assert place.is_sound()


def test_reads_of_many_threads_are_all_named(place: Place) -> None:
    with place.open() as opened, opened.session("ada+m", age_s=0.01) as session:
        works = [session.work(f"{number}", human=1) for number in range(40)]
        threads = [threading.Thread(target=session.read, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        item = session.output("of all")
    assert {parent.id for parent in parents_of(item)} == {work.id for work in works}

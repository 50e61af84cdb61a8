"""Deterministic tools in a pipeline: lineage survives whatever a function of rows does (SPEC §4.6)."""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import os
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ledger
from ledger.api.derive import columns_of, rows_of
from ledger.api.given import Given
from ledger.errors import RefusedInput
from ledger.merkle.tree import hash_leaf
from ledger.signer.beside import LaneSigner
from ledger.statements.record import Parent, Record, sealed_content
from tests.batch_scene import FullDisk, Place, code_of, ending_in, quick

Row = dict[str, Any]


@ledger.derive("upper", "1.0", {"locale": "C"})
def upper(row: Row) -> Row:
    """In capitals."""
    return {**row, "text": row["text"].upper()}


@ledger.derive("chunk", "2.1", {"words": 1})
def chunk(row: Row) -> Iterator[Row]:
    for number, word in enumerate(row["text"].split()):
        yield {**row, "text": word, "chunk": number}


@ledger.derive("long", "1", {"least": 4})
def long(row: Row) -> bool:
    return len(row["text"]) >= 4


@ledger.derive("long-rows", "1", {"least": 4})
def long_rows(row: Row) -> Row | None:
    return row if len(row["text"]) >= 4 else None


@ledger.derive("trim", "1")
def trim(row: Row) -> Row:
    row["text"] = row["text"].strip()  # in place, as functions of rows may
    return row


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def signed_rows(place: Place, *texts: str) -> list[Row]:
    """Rows that ada signed, with their ids."""
    path = place.folder / "rows.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    with place.open() as opened:
        ids = opened.sign_rows(path, "text", by="ada").ids
    return [{"text": text, "lineage_id": each.hex()} for text, each in zip(texts, ids, strict=True)]


def parent_of(place: Place, row: Row) -> tuple[Record, str]:
    """The record that a row is, and the id of its one parent."""
    record = place.record(bytes.fromhex(row["lineage_id"]))
    (parent,) = record.parents
    assert parent == Parent("derived-from", parent.id)
    return record, parent.id.hex()


def test_changed_rows_are_derived_and_unchanged_ones_keep_their_id(place: Place) -> None:
    low, high = signed_rows(place, "in small letters", "HIGH")
    with place.open() as opened, opened.batch("ada"):
        derived, same = upper(low), upper(high)
    assert same == high
    assert derived["text"] == "IN SMALL LETTERS"
    record, parent = parent_of(place, derived)
    assert parent == low["lineage_id"]
    assert record.kind == "derived"
    assert record.fields["facts"] == {
        "tool": "upper",
        "version": "1.0",
        "parameters": hashlib.sha256(b'{"locale":"C"}').digest(),
    }
    assert record.content == hashlib.sha256(b"IN SMALL LETTERS").digest()
    assert record.fields["media"] == "text/plain"
    with place.open() as opened:
        assert len(opened.trace(record.id).humans) == 1
    assert place.statements() == [2, 1]
    assert place.is_sound()


def test_steps_compose_before_anything_is_logged(place: Place) -> None:
    rows = signed_rows(place, "  one two three four  ")
    with place.open(keyless=True) as opened, opened.batch("ada", age_s=3_600) as batch:
        words = [word for row in rows for word in chunk(upper(trim(row)))]
        kept = [row for row in words if long(row)]
        again = [row for row in map(long_rows, words) if row is not None]
        batch.flush()
    assert [row["text"] for row in kept] == ["THREE", "FOUR"]
    assert kept == again
    assert [row["chunk"] for row in kept] == [2, 3]
    place.drain()
    _, third = parent_of(place, kept[0])
    _, second = parent_of(place, {"lineage_id": third})
    _, first = parent_of(place, {"lineage_id": second})
    assert first == rows[0]["lineage_id"]
    assert place.statements() == [1, 6]  # trimmed, in capitals, four words
    assert place.is_sound()


def test_function_that_changes_its_row_in_place_is_no_liar(place: Place) -> None:
    (row,) = signed_rows(place, " padded ")
    before = row["lineage_id"]
    with place.open() as opened, opened.batch("ada"):
        trimmed = trim(row)
    assert parent_of(place, trimmed)[1] == before


def test_columns_are_done_row_by_row(place: Place) -> None:
    rows = signed_rows(place, "one two", "three", "FOUR")
    with place.open() as opened, opened.batch("ada"):
        columns = upper.batched(columns_of(rows))
        chunks = chunk.batched(columns)
        kept = long.batched(chunks)
        assert long.batched({"text": [], "lineage_id": []}) == {}
    assert columns["text"] == ["ONE TWO", "THREE", "FOUR"]
    assert columns["lineage_id"][2] == rows[2]["lineage_id"]
    assert chunks["text"] == ["ONE", "TWO", "THREE", "FOUR"]
    assert chunks["lineage_id"][2] == columns["lineage_id"][1]
    assert kept["text"] == ["THREE", "FOUR"]
    assert place.is_sound()


def test_function_of_columns_says_where_its_rows_come_from(place: Place) -> None:
    rows = signed_rows(place, "a", "b", "c")

    def lower_all(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"text": [text.upper() for text in columns["text"]]}

    def pick(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"text": ["c!", "a!"], "lineage_row": [2, 0]}

    def lose(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
        return {"text": ["which?"]}

    tool = ledger.derive("columns", "1")
    with place.open() as opened, opened.batch("ada"):
        same = tool(lower_all, batched=True)(columns_of(rows))
        picked = tool(pick, batched=True).batched(columns_of(rows))
        assert code_of(lambda: tool(lose, batched=True)(columns_of(rows))) == "column-missing"
        for wrong in ([3, 0], [-1, 0], ["0", 1], [True, 0]):
            function = tool(lambda _c, wrong=wrong: {"text": ["x", "y"], "lineage_row": wrong}, batched=True)
            assert code_of(partial(function, columns_of(rows))) == "cell-illegal"
    ids = [row["lineage_id"] for row in rows]
    assert [parent_of(place, row)[1] for row in rows_of(same)] == ids
    assert [parent_of(place, row)[1] for row in rows_of(picked)] == [ids[2], ids[0]]
    assert set(picked) == {"text", "lineage_id"}


def test_whole_rows_and_values_of_other_kinds(place: Place) -> None:
    path = place.folder / "whole.jsonl"
    path.write_text('{"a": 1, "b": "x"}\n')
    with place.open() as opened:
        (whole,) = opened.sign_rows(path, None, by="ada").ids
        with opened.batch("ada") as batch:
            value = batch.add({"n": 1})
            rows: list[Row] = [{"a": 1, "b": "x", "lineage_id": whole.hex()}]

            @ledger.derive("drop-b", "1", column=None)
            def drop_b(row: Row) -> Row:
                return {"a": row["a"]}

            @ledger.derive("add-one", "1", column="v")
            def add_one(row: Row) -> Row:
                return {"v": {"n": row["v"]["n"] + 1}}

            dropped = drop_b(rows[0])
            added = add_one({"v": {"n": 1}, "lineage_id": value.id.hex()})
    assert dropped == {"a": 1, "lineage_id": dropped["lineage_id"]}
    record, parent = parent_of(place, dropped)
    assert (record.form, record.content, parent) == ("jcs", hashlib.sha256(b'{"a":1}').digest(), whole.hex())
    assert parent_of(place, added)[0].content == hashlib.sha256(b'{"n":2}').digest()
    assert place.is_sound()


def test_row_that_lacks_the_column_leaves_it_as_it_was(place: Place) -> None:
    """`datasets.map` merges what a function returns into the row."""
    (row,) = signed_rows(place, "a text")
    with place.open() as opened, opened.batch("ada"):
        counted = ledger.derive("count", "1")(lambda row: {"length": len(row["text"])})(row)
    assert counted == {"length": 6, "lineage_id": row["lineage_id"]}


# What is refused


def test_row_that_is_not_what_its_id_says_is_refused(place: Place) -> None:
    row, other = signed_rows(place, "a text", "another")
    with place.open() as opened, opened.batch("ada"):
        for wrong, code in (
            ({**row, "text": "a text!"}, "lineage-id-differs"),
            ({**row, "lineage_id": other["lineage_id"]}, "lineage-id-differs"),
            ({**row, "lineage_id": "0" * 64}, "lineage-id-unknown"),
            ({**row, "lineage_id": "0" * 63}, "cell-illegal"),
            ({**row, "lineage_id": 7}, "cell-illegal"),
            ({**row, "text": ["a text"]}, "lineage-id-differs"),
            ({**row, "text": ""}, "column-empty"),
            ({"lineage_id": row["lineage_id"]}, "column-missing"),
            ([row], "row-not-object"),
        ):
            assert code_of(partial(upper, wrong)) == code, wrong
            assert code_of(partial(long, wrong)) == code
        wrong_columns: list[tuple[Any, str]] = [
            ({"text": ["a text", "x"], "lineage_id": [row["lineage_id"]] * 2}, "lineage-id-differs"),
            ({"text": ["a text"], "lineage_id": []}, "row-not-object"),
            ([row], "row-not-object"),
        ]
        for columns, code in wrong_columns:
            assert code_of(partial(upper.batched, columns)) == code
    assert place.statements() == [2]


def test_result_that_is_no_row_is_refused(place: Place) -> None:
    (row,) = signed_rows(place, "a text")
    with place.open() as opened, opened.batch("ada"):
        for result in ("text", 7, [1], [{"text": "x"}, None], object()):
            function = ledger.derive("odd", "1")(lambda _row, result=result: result)
            assert code_of(partial(function, row)) == "row-not-object"
        assert code_of(lambda: ledger.derive("empty", "1")(lambda row: {"text": ""})(row)) == "column-empty"


@pytest.mark.parametrize(
    ("arguments", "options", "code"),
    [
        (("no tool!", "1"), {}, "schema"),
        (("tool", ""), {}, "schema"),
        (("tool", 1), {}, "schema"),
        (("tool", "1", object()), {}, "not-json"),
        (("tool", "1", {"x": float("nan")}), {}, "json-number-not-finite"),
        (("tool", "1"), {"unsigned": "maybe"}, "usage"),
    ],
)
def test_tool_that_cannot_be_named_is_refused_where_it_is_written(
    arguments: tuple[Any, ...], options: dict[str, Any], code: str
) -> None:
    assert code_of(lambda: ledger.derive(*arguments, **options)) == code


def test_row_without_id_is_refused_reported_or_passed_over(place: Place) -> None:
    row: Row = {"text": "of nobody", "lineage_id": None}
    with place.open() as opened, opened.batch("ada"):
        tools = {
            how: ledger.derive("upper", "1", unsigned=how)(lambda row: {"text": row["text"].upper()})
            for how in ("refuse", "report", "skip")
        }
        assert code_of(partial(tools["refuse"], row)) == "lineage-id-missing"
        assert code_of(partial(tools["refuse"], {"text": "x"})) == "lineage-id-missing"
        reported = tools["report"](row)
        assert tools["skip"](row) == {"text": "OF NOBODY"}
        assert tools["skip"].batched({"text": ["x"]}) == {"text": ["X"]}
    record, parent = parent_of(place, reported)
    source = place.record(bytes.fromhex(parent))
    assert (source.kind, source.stance) == ("work", "reported")
    assert source.content == hashlib.sha256(b"of nobody").digest()
    assert record.kind == "derived"
    assert place.is_sound()


def test_row_without_id_is_found_by_its_content(place: Place) -> None:
    signed, other = signed_rows(place, "signed here", "another")
    data = place.file("old.jsonl", "".join(f'{{"text": "old row {n}"}}\n' for n in (0, 1, 1)))
    tool = ledger.derive("upper", "1", unsigned="find")(lambda row: {"text": row["text"].upper()})
    with place.open() as opened:
        (imported,) = opened.import_rows(
            [data], "text", "ada", source="https://example.org/old", license="CC0-1.0", workers=0
        ).records
        with opened.batch("ada") as batch:
            batch.add("signed here", human="40%").receipt.result(30)
            for text in ("signed here", "nowhere"):
                assert code_of(partial(tool, {"text": text})) == "lineage-id-missing"
            first = tool({"text": "another"})
            old = tool({"text": "old row 0"})
            copied = tool({"text": "old row 1"})
            same = ledger.derive("none", "1", unsigned="find")(lambda row: row)({"text": "old row 0"})
    assert signed["text"] == "signed here"
    assert parent_of(place, first)[1] == other["lineage_id"]
    for row, index in ((old, 0), (copied, 1)):
        record = place.record(bytes.fromhex(row["lineage_id"]))
        assert record.parents == (Parent("derived-from", imported.id, row=index),)
    assert same == {"text": "old row 0"}


def test_without_a_batch_it_says_what_to_do(place: Place) -> None:
    (row,) = signed_rows(place, "a text")
    with pytest.raises(RefusedInput, match=r"no batch is open.*with l.batch") as raised:
        upper(row)
    assert raised.value.code == "no-batch"
    assert code_of(ledger.derive("x", "1").__enter__) == "no-batch"


# Which batch


def test_innermost_block_is_meant_and_sessions_count(place: Place) -> None:
    (row,) = signed_rows(place, "a text")
    with place.open() as opened:
        with opened.batch("ada"):
            with opened.session("ada+m") as session:
                made = session.output("by the machine")
                inner = upper({"text": "by the machine", "lineage_id": made.id.hex()})
            outer = upper(row)
        pair, ada = opened.identity_id("ada+m"), opened.identity_id("ada")
    assert place.record(bytes.fromhex(inner["lineage_id"])).maker == pair
    assert place.record(bytes.fromhex(outer["lineage_id"])).maker == ada


def test_thread_without_context_finds_the_only_batch_and_no_other(place: Place) -> None:
    (row,) = signed_rows(place, "a text")
    found: list[str] = []

    def work() -> None:
        try:
            found.append(upper(row)["text"])
        except RefusedInput as error:
            found.append(error.code)

    def in_thread() -> None:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    async def in_task() -> None:
        await asyncio.gather(asyncio.to_thread(work), asyncio.create_task(as_task()))

    async def as_task() -> None:
        work()

    with place.open() as opened:
        with opened.batch("ada"):
            in_thread()
            with opened.batch("ada+m"):
                in_thread()
                asyncio.run(in_task())
        in_thread()
    assert found == ["A TEXT", "no-batch", "A TEXT", "A TEXT", "no-batch"]


def test_coroutine_function_keeps_its_lineage(place: Place) -> None:
    (row,) = signed_rows(place, "a text")

    @ledger.derive("slow", "1")
    async def slow(row: Row) -> Row:
        await asyncio.sleep(0)
        return {"text": row["text"].upper()}

    async def run() -> Row:
        async with opened.batch("ada"):
            derived: Row = await slow(row)
            return derived

    with place.open() as opened:
        derived = asyncio.run(run())
    assert parent_of(place, derived)[1] == row["lineage_id"]


def test_context_gives_ids_and_ends_durable(place: Place) -> None:
    rows = signed_rows(place, "one two", "three")
    with place.open() as opened, opened.batch("ada", age_s=3_600) as batch:
        with ledger.derive("split", "1") as tool:
            made = [each for row in rows for each in tool.of(row, [{"text": t} for t in row["text"].split()])]
            assert tool.of(rows[0], None) is None
        assert place.outbox.waiting() or batch.find(bytes.fromhex(made[0]["lineage_id"])) is None
    assert [row["text"] for row in made] == ["one", "two", "three"]
    assert made[2] == rows[1]
    assert parent_of(place, made[0])[1] == parent_of(place, made[1])[1] == rows[0]["lineage_id"]


def test_context_whose_rows_could_not_be_made_durable_raises(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = signed_rows(place, "a text")
    FullDisk(monkeypatch)
    with (
        place.open() as opened,
        ending_in(ledger.errors.StoreFault, "No space"),
        opened.batch("ada"),
        ending_in(ledger.errors.StoreFault, "No space"),
        ledger.derive("x", "1") as tool,
    ):
        tool.of(row, {"text": "another"})


# Sealed rows


def test_what_was_sealed_stays_sealed(place: Place) -> None:
    salt = os.urandom(32)
    with place.open() as opened, opened.batch("ada") as batch:
        digest = sealed_content(batch.maker, salt, b"private words")
        item = batch.take(Given(digest, 32, "sealed", None), ledger.Claim())
        row = {"text": "private words", "lineage_id": item.id.hex(), "lineage_salt": salt.hex()}
        first, second = chunk(row)
        same = long_rows(row)
        again = upper(first)
        for wrong, code in (
            ({**row, "lineage_salt": "0" * 64}, "salt-differs"),
            ({**row, "lineage_salt": None}, "salt-missing"),
            ({**row, "lineage_salt": "short"}, "schema"),
            ({**row, "text": "other words"}, "salt-differs"),  # one of the two, and nobody knows which
        ):
            assert code_of(partial(upper, wrong)) == code
    assert same == row
    for made, text in ((first, b"private"), (second, b"words"), (again, b"PRIVATE")):
        record, _parent = parent_of(place, made)
        assert record.form == "sealed"
        assert record.fields["size"] == 32
        assert record.content == sealed_content(record.maker, bytes.fromhex(made["lineage_salt"]), text)
    assert len({row["lineage_salt"], first["lineage_salt"], second["lineage_salt"]}) == 3
    assert place.is_sound()


def test_the_salts_of_what_was_derived_are_kept_before_it_is_signed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the vault, by which the rows are found and told again where no salt travels with them."""
    path = place.folder / "rows.jsonl"
    path.write_text('{"text": "private words"}\n{"text": "more of them"}\n')
    with place.open() as door:
        signed = door.sign_rows(path, "text", "ada", ledger.Claim(sealed=True))
        vault = door.keys.salts
    seen: list[bool] = []
    real = LaneSigner.put

    def look(self: Any, signer: Any, key: Any, delegation: Any, records: Any, **options: Any) -> Any:
        seen.extend(vault.salt_of(hash_leaf(record)) is not None for record in records)
        return real(self, signer, key, delegation, records, **options)

    monkeypatch.setattr(LaneSigner, "put", look)
    rows = [
        {"text": text, "lineage_id": artifact_id.hex()}
        for text, artifact_id in zip(("private words", "more of them"), signed.ids, strict=True)
    ]
    with place.open() as opened, opened.batch("ada"):
        made = [upper(row) for row in rows]
        assert code_of(partial(upper, {**rows[0], "text": "other words"})) == "lineage-id-differs"
    assert seen == [True, True]
    assert all("lineage_salt" not in row for row in made)
    with place.open() as door:
        assert [door.find_text(row["text"]) for row in made] == [
            [bytes.fromhex(row["lineage_id"])] for row in made
        ]


def test_rows_that_are_not_sealed_have_no_salt_among_those_that_are(place: Place) -> None:
    (row,) = signed_rows(place, "a text")
    with place.open() as opened, opened.batch("ada"):
        derived = upper({**row, "lineage_salt": None})
    assert derived["lineage_salt"] is None


# Workers


def test_functions_are_what_they_were_for_who_pickles_or_shows_them() -> None:
    assert upper.__name__ == "upper"
    assert upper.__doc__ == "In capitals."
    copy = pickle.loads(pickle.dumps(upper))
    assert copy._derivation.facts == upper._derivation.facts
    assert copy.__wrapped__ is upper.__wrapped__


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_derive_and_what_they_return_is_durable(place: Place, method: str) -> None:
    rows = signed_rows(place, *(f"row {number}" for number in range(6)))
    context = multiprocessing.get_context(method)
    with place.open() as opened, opened.batch("ada"):
        if method == "spawn":
            with context.Pool(1) as pool, pytest.raises(RefusedInput, match="no batch is open"):
                pool.map(upper, rows)
            return
        with context.Pool(2) as pool:
            derived = pool.map(upper, rows)
        with context.Pool(2) as pool:  # another one, which has not seen what the first one did
            words = [word for each in pool.map(chunk, derived) for word in each]
            columns = pool.map(long.batched, [columns_of(words)])
    assert [row["text"] for row in words] == [t for n in range(6) for t in ("ROW", str(n))]
    assert columns == [{}]  # none is long enough
    for row, source in zip(derived, rows, strict=True):
        assert parent_of(place, row)[1] == source["lineage_id"]
    for number, word in enumerate(words):
        assert parent_of(place, word)[1] == derived[number // 2]["lineage_id"]
    assert place.is_sound()


@ledger.derive("report", "1", unsigned="report")
def report(row: Row) -> Row:
    return row


def test_row_that_a_worker_reports_is_durable_when_it_returns(place: Place) -> None:
    with place.open(keyless=True) as opened, opened.batch("ada"):
        with multiprocessing.get_context("fork").Pool(1) as pool:
            (row,) = pool.map(report, [{"text": "of nobody"}])
        assert place.outbox.waiting()
    place.drain()
    assert place.record(bytes.fromhex(row["lineage_id"])).stance == "reported"


def worker(path: str, config: str, rows: list[Row]) -> list[Row]:
    with ledger.open(path, config=config) as opened, opened.batch("ada"):
        return [upper(row) for row in rows]


def test_worker_that_was_not_forked_opens_its_own(place: Place) -> None:
    rows = signed_rows(place, "one", "two")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        derived = pool.apply(worker, (str(place.path), str(place.config), rows))
    assert [parent_of(place, row)[1] for row in derived] == [row["lineage_id"] for row in rows]


def test_what_a_worker_cannot_make_durable_is_not_returned(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = signed_rows(place, "a text")
    with place.open() as opened, opened.batch("ada"):
        FullDisk(monkeypatch)
        with (
            multiprocessing.get_context("fork").Pool(1) as pool,
            pytest.raises(ledger.errors.StoreFault, match="No space"),
        ):
            pool.map(upper, [row])


# Whatever a pipeline does


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text("ab \u00e9", min_size=1, max_size=12).filter(str.strip), min_size=1, max_size=6),
    steps=st.lists(st.sampled_from([upper, chunk, long_rows, trim, long]), max_size=5),
    flushes=st.booleans(),
    is_batched=st.booleans(),
)
def test_every_row_descends_step_by_step_from_a_signed_one(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    steps: list[Any],
    flushes: bool,
    is_batched: bool,
) -> None:
    place = Place(tmp_path_factory.mktemp("place"))
    rows = signed_rows(place, *texts)
    ids = {row["lineage_id"] for row in rows}
    with place.open() as opened, quick(opened) as batch:
        for step in steps:
            if is_batched and rows:
                rows = rows_of(step.batched(columns_of(rows)))
            else:
                rows = [out for row in rows for out in flat(row, step({**row}))]
            if flushes:
                batch.flush()
    for row in rows:
        artifact_id, hops = row["lineage_id"], 0
        record = place.record(bytes.fromhex(artifact_id))
        assert record.content == hashlib.sha256(row["text"].encode()).digest()
        while artifact_id not in ids:
            _record, artifact_id = parent_of(place, {"lineage_id": artifact_id})
            hops += 1
        assert hops <= len(steps)
    assert place.is_sound()


def flat(row: Row, result: Any) -> list[Row]:
    if isinstance(result, list):
        return result
    if isinstance(result, bool):
        return [row] if result else []
    return [] if result is None else [result]

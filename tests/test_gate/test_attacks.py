"""What a stranger, a dataset's author, or whoever writes where a gate writes might try, and what it comes to (SPEC §12.6, §15)."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ledger.api.gate import column, partial
from ledger.api.unsealing import sealers
from ledger.datasets.jcs import parse_json
from ledger.datasets.staging import Staging
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.statements.record import make_record, sealed_content
from tests.test_gate.town import Row, Town, brief, rows_record, trust_of
from tests.world import Actor


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


@contextmanager
def refused(code: str, family: type[LineageError] = RefusedInput) -> Iterator[None]:
    with pytest.raises(family) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert caught.value.fix


# The folder of unfinished work


def two_makers(town: Town) -> tuple[Path, bytes]:
    """A dataset of a work of Anna and of one of Eve, and a trust file that takes Anna's word alone."""
    anna, eve = town.world.enrol("anna"), town.world.enrol("eve")
    town.work(anna, "good")
    town.work(eve, "evil")
    return town.jsonl(["good", "evil"]), trust_of(anna)


@pytest.mark.parametrize("what", ["file", "folder", "link"])
def test_what_somebody_keeps_under_the_name_of_unfinished_work_is_left_alone(town: Town, what: str) -> None:
    """Whoever may make a name beside the outputs could else have any folder emptied by the gate."""
    data, _ = two_makers(town)
    target = town.folder / "verdicts.parquet"
    folder = target.with_name(target.name + partial.SUFFIX)
    theirs = town.folder / "theirs"
    thesis = theirs / ("thesis" if what == "file" else "tally of mine/thesis")
    thesis.parent.mkdir(parents=True)
    (theirs / "pieces").mkdir(exist_ok=True)
    thesis.write_text("mine")
    if what == "link":
        folder.symlink_to(theirs)
    else:
        theirs.rename(folder)
    before = sorted(path.name for path in folder.rglob("*"))
    for resume in (False, True):
        with refused("run-unfinished"):
            town.gate(data, verdicts=target, resume=resume)
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert not target.exists()


def test_what_is_put_beside_unfinished_work_stays_when_that_is_finished(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = two_makers(town)
    target = town.folder / "verdicts.parquet"
    folder = target.with_name(target.name + partial.SUFFIX)
    real = partial.Partial.remove

    def late(self: partial.Partial) -> None:
        (folder / "thesis").write_text("mine")
        real(self)

    monkeypatch.setattr(partial.Partial, "remove", late)
    town.gate(data, verdicts=target)
    assert [path.name for path in folder.iterdir()] == ["thesis"]


# Rows


@pytest.mark.parametrize("depth", [63, 64, 500, 970, 980, 985, 990, 1_000, 5_000])
@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
def test_how_deep_a_row_may_be_does_not_depend_on_the_stack_that_is_left(
    town: Town, depth: int, name: str
) -> None:
    """Nesting where nobody looks; the row is looked at twice for its sample, from two places of the program."""
    data, _ = two_makers(town)
    nested = '{"text": "good", "x": ' + "[" * depth + '"[[{\\"[["' + "]" * depth + "}\n"
    text = nested.replace("\n", " \n") + '{"text": "good"}\n'
    data = town.folder / name
    if name.endswith(".gz"):
        data.write_bytes(gzip.compress(text.encode()))
    else:
        data.write_text(text)
    expected = "admitted clear L2" if depth < 64 else "rejected row-refused L0"
    for workers in (0, 2):
        judged = town.judged(data, workers=workers)
        assert [brief(row) for row in judged] == [expected, "admitted clear L2"]
        if depth >= 64:
            assert "nested deeper than 64" in judged[0].why


@pytest.mark.skipif(os.name == "nt", reason="Windows tells no time of change; see it on a POSIX system")
@pytest.mark.parametrize(
    "name", ["data.jsonl", "data.jsonl.gz", "data.csv", "data.parquet", "data.arrow", "files"]
)
def test_rows_that_are_put_in_place_of_those_judged_are_not_written(
    town: Town, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Of the same length, in the same file, whose time of writing is set back: the dataset's author can do all that."""
    two_makers(town)
    data = town.folder / name
    judged = None if name == "files" else "text"

    def write(word: str) -> Path:
        rows = pa.table({"text": [word]})
        path = data / "row.txt" if name == "files" else data
        path.parent.mkdir(exist_ok=True)
        with path.open("r+b" if path.exists() else "xb") as file:
            if name == "files":
                file.write(word.encode())
            elif name.endswith(".parquet"):
                pq.write_table(rows, file, compression="none")
            elif name.endswith(".arrow"):
                with pa.ipc.new_file(file, rows.schema) as sink:
                    sink.write_table(rows)
            elif name.endswith(".csv"):
                file.write(f"text\n{word}\n".encode())
            else:
                line = json.dumps({"text": word}).encode() + b"\n"
                file.write(gzip.compress(line, mtime=0) if name.endswith(".gz") else line)
        return path

    path = write("good")
    real = Staging.submit

    def swapping(self: Staging, *arguments: Any) -> Any:
        status = path.stat()
        write("evil")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.stat().st_size == status.st_size
        return real(self, *arguments)

    monkeypatch.setattr(Staging, "submit", swapping)
    out = town.folder / f"out-{name}"
    with refused("file-changed"):
        town.gate(data, column=judged, folder_is="files" if name == "files" else None, admitted=out)
    assert not out.exists()


# What strangers and thieves log


def test_what_a_thief_imported_holds_up_nobody_once_it_is_disowned(town: Town) -> None:
    """His dataset has no sidecar, and never will; but a hold on it is not got rid of by disowning it."""
    data, _ = two_makers(town)
    bob, curator = town.world.enrol("bob"), town.world.enrol("curator", "curator")
    town.world.rules(town.world.operator(), curators=[curator])
    key = bob.public_key
    records = [rows_record(bob, [text]) for text in ("one", "two")]
    first = town.world.publish(bob, *records).log_index
    with refused("rows-missing", StoreFault):
        town.gate(data)
    town.reopen().change(bob, cuts=[(key, first)])
    assert [brief(row) for row in town.judged(data)] == ["admitted clear L2"] * 2
    town.reopen().notice(curator, "hold", [records[1].id, 0])
    with refused("rows-missing", StoreFault):
        town.gate(data)


def test_datasets_of_strangers_that_are_not_at_hand_are_counted_and_a_few_named(town: Town) -> None:
    data, trust = two_makers(town)
    eve = town.world.enrol("another")
    town.world.publish(eve, *(rows_record(eve, [f"row {number}"]) for number in range(5_000)))
    gated = town.gate(data, trust=trust)
    assert gated.counts["admitted"] == 1
    notes = [note for note in gated.notes if note.startswith("Not searched")]
    assert len(notes) == 17
    assert notes[-1] == "Not searched: 4,984 datasets more."


def test_nobody_makes_sealers_of_what_he_puts_into_a_record(town: Town) -> None:
    """Each row that brings a salt is hashed once for everybody who sealed anything, and evidence is any 32 bytes."""
    eve, bob, anna = (town.world.enrol(name) for name in ("eve", "bob", "anna"))
    salt = bytes([7]) * 32
    row = Row("anna's", salt)

    def evil(actor: Actor, number: int, facts: dict[str, Any]) -> None:
        record = make_record(
            kind="experience",
            maker=actor.id,
            content=sealed_content(actor.id, salt, b"%d" % number),
            size_bytes=32,
            form="sealed",
            media=None,
            human=1_000_000,
            facts=facts,
        )
        town.world.publish(actor, record)

    looks = b"\xa5maker\xc4\x20"
    # What looks like the beginning of a maker ends a digest; the next one, behind its own two bytes, would be the maker.
    evil(eve, 1, {"evidence": [bytes([number]) + bytes(23) + looks for number in range(64)]})
    town.seal(anna, row, salt)
    evil(bob, 2, {"evidence": [bytes(24) + looks, anna.id]})
    with town.view() as view:
        assert sealers(view) == {eve.id, bob.id, anna.id}
    assert [brief(each) for each in town.judged([row.cells])] == ["admitted clear L2"]


# What would be found out when everything is judged, or eat the memory before anything is


@pytest.mark.parametrize("at_ms", [-1, 2**53, 1.5, True, "1700000000000", float("nan")])
def test_what_is_no_time_is_refused_before_anything_is_judged(town: Town, at_ms: Any) -> None:
    data, _ = two_makers(town)
    for dataset in (data, [{"text": "good"}]):
        with refused("usage"):
            town.gate(dataset, at_ms=at_ms, **({"verdicts": town.folder / "v"} if dataset is data else {}))
    assert not (town.folder / "v.partial").exists()


@pytest.mark.parametrize(
    "name", ["out.jsonl.partial", "out.jsonl.partial/v.parquet", "link/verdicts/v.parquet"]
)
def test_no_output_lies_where_unfinished_work_is_removed(town: Town, name: str) -> None:
    data, _ = two_makers(town)
    (town.folder / "link").symlink_to("out.jsonl.partial")
    for kind in ("verdicts", "report"):
        with refused("usage"):
            town.gate(data, admitted=town.folder / "out.jsonl", **{kind: town.folder / name})
    assert not (town.folder / "out.jsonl").exists()


def test_a_policys_name_that_no_verdict_file_holds_is_refused_before_anything_is_judged(town: Town) -> None:
    data, _ = two_makers(town)
    policy = b'version = 1\nname = "%s"\n[rows]\nwork = "L2"\n'
    with refused("policy-invalid"):
        town.gate(data, policy % (b"a" * 1_025), verdicts=town.folder / "v.parquet")
    assert (
        town.gate(data, policy % (b"a" * 1_024), verdicts=town.folder / "v.parquet").counts["admitted"] == 2
    )


def test_the_column_is_found_out_in_bounded_memory(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of many empty lists takes forty times its room when it is parsed; 256 of 4 MiB would be looked at together."""
    two_makers(town)
    monkeypatch.setattr(column, "_BYTES_MAX", 200_000)
    fat = [{"text": "good", "x": [[]] * 20_000} for _ in range(60)]
    data = town.folder / "fat.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in fat))
    read = 0
    real = parse_json

    def counted(content: bytes) -> Any:
        nonlocal read
        read += len(content)
        return real(content)

    monkeypatch.setattr(column, "parse_json", counted)
    gated = town.gate(data, column="")
    assert gated.about["column"] == "text"
    assert gated.counts["admitted"] == 60
    assert 200_000 <= read < 400_000


# What no digest covers


@pytest.mark.parametrize("name", ["lineage_id", "lineage_salt"])
@pytest.mark.parametrize(
    "cell", ["Unsigned words.", "0" * 63, "0" * 64 + "\n", 7, ["0" * 64], {"more": "words"}]
)
def test_nothing_unsigned_rides_along_in_a_row_that_is_judged_as_a_whole(
    town: Town, name: str, cell: Any
) -> None:
    """The two columns of lineage are no part of the row; else their cells would be admitted whatever they say."""
    anna = town.world.enrol("anna")
    body = b'{"text":"good"}'
    record = make_record(
        kind="work",
        maker=anna.id,
        content=hashlib.sha256(body).digest(),
        size_bytes=len(body),
        form="jcs",
        media="application/json",
        human=1_000_000,
    )
    town.world.publish(anna, record)
    data = town.folder / "data.jsonl"
    rows: list[dict[str, Any]] = [{name: cell}, {name: None}, {name: ""}, {name: record.id.hex().upper()}, {}]
    data.write_text("".join(json.dumps({"text": "good"} | row) + "\n" for row in rows))
    table = [{"text": "good"} | row for row in rows]
    expected = ["rejected row-refused L0"] + ["admitted clear L2"] * 4
    assert [brief(row) for row in town.judged(data, column=None)] == expected
    assert [brief(row) for row in town.judged(table, column=None)] == expected


def test_a_cell_that_is_nested_without_end_is_one_bad_row(town: Town) -> None:
    two_makers(town)
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    gated = town.gate([{"text": "good"}, {"text": "good", "lineage_id": deep}], column="text")
    assert gated.counts["admitted"] == 1
    assert gated.tally.refused == {"json-too-deep": 1}


def test_an_output_with_a_zero_byte_in_its_name_is_none(town: Town) -> None:
    data = town.folder / "zero.jsonl"
    data.write_text('{"text": "good"}\n')
    with refused("usage", RefusedInput):
        town.gate(data, column="text", verdicts="a\0b")

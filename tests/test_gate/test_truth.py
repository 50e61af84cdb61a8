"""Every verdict on a dataset whose truth is known: of Debian changelogs where there are some, and of made-up text (SPEC §12.3, §12.6)."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.api.gate.result import Gated, GatedRow
from tests import changelogs
from tests.test_datasets.carriers import arrow, parquet
from tests.test_datasets.test_memory import FakeDataset, FakeIterable
from tests.test_gate.town import brief, digest
from tests.test_gate.truths import TERMS, TRUTHS, Scene, build

LEAST_CHARS = 40  # of a changelog's entry


def made_up() -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f'Line {number} of a text, "quoted", with ümlauts\nand a second line.'


def of_changelogs() -> Iterator[str]:
    seen = set()
    for entry in changelogs.read_changelogs():
        text = changelogs.scrub(entry.text)
        if len(text) >= LEAST_CHARS and text not in seen and text[-1].isascii() and "\0" not in text:
            seen.add(text)
            yield text


@pytest.fixture(scope="module", params=["changelogs", "made up"])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    if request.param == "changelogs" and not changelogs.available():
        pytest.skip(changelogs.REASON)
    texts = of_changelogs() if request.param == "changelogs" else made_up()
    return build(tmp_path_factory.mktemp("town"), texts)


def table_of(scene: Scene) -> Any:
    return arrow.Table.from_pylist([row.cells for row in scene.rows])


def jsonl(scene: Scene) -> Path:
    return scene.town.jsonl(scene.rows)


def parquet_file(scene: Scene) -> Path:
    path = scene.town.folder / "data.parquet"
    parquet.write_table(table_of(scene), path, row_group_size=7)
    return path


def csv_file(scene: Scene) -> Path:
    path = scene.town.folder / "data.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "lineage_salt"], quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: cell or "" for name, cell in row.cells.items()} for row in scene.rows)
    return path


CARRIERS: dict[str, Any] = {
    "jsonl": jsonl,
    "parquet": parquet_file,
    "csv": csv_file,
    "rows": lambda scene: [row.cells for row in scene.rows],
    "table": table_of,
    "dataset": lambda scene: FakeDataset(table_of(scene)),
    "iterable": lambda scene: FakeIterable(table_of(scene), is_known=True),
}


def told(scene: Scene, rows: list[GatedRow]) -> list[tuple[str, str]]:
    return [(how, brief(row)) for how, row in zip(scene.how, rows, strict=True)]


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_every_verdict_is_right(scene: Scene, carrier: str, terms: str) -> None:
    rows = scene.town.judged(CARRIERS[carrier](scene), **scene.terms(terms))
    assert told(scene, rows) == scene.expected(terms)
    for number, (row, gated) in enumerate(zip(scene.rows, rows, strict=True)):
        assert gated.row_index == number
        assert gated.digest == (digest(row.text) if row.text else bytes(32))
        assert (gated.artifact_id is None) == (gated.level == "L0"), scene.how[number]
        assert gated.why.startswith(gated.verdict) or gated.code == "row-refused"


@pytest.mark.parametrize("terms", TERMS)
def test_it_is_told_by_the_artifact_that_decides(scene: Scene, terms: str) -> None:
    rows = scene.town.judged(CARRIERS["rows"](scene), **scene.terms(terms))
    by_how = dict(zip(scene.how, rows, strict=True))
    for how, artifact_id in scene.people.about.items():
        if terms == "named":
            assert by_how[how].artifact_id == artifact_id, how
    of_corpus = scene.people.corpus.id
    for how in ("imported", "imported, the row held", "imported, and a maker's"):
        assert by_how[how].artifact_id == of_corpus, how


@pytest.mark.parametrize("terms", TERMS)
def test_the_verdict_file_and_the_admitted_rows_say_the_same(scene: Scene, terms: str) -> None:
    path, verdicts = jsonl(scene), scene.town.folder / f"verdicts {terms}.parquet"
    admitted = scene.town.folder / f"admitted {terms}.jsonl"
    for each in (verdicts, admitted):
        each.unlink(missing_ok=True)
    gated = scene.town.gate(path, verdicts=verdicts, admitted=admitted, **scene.terms(terms))
    expected = scene.expected(terms)
    rows = parquet.read_table(verdicts).to_pylist()
    found = [
        (how, f"{row['verdict']} {row['code']} {row['level']}")
        for how, row in zip(scene.how, rows, strict=True)
    ]
    assert found == expected
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line, (_, says) in zip(lines, expected, strict=True) if says.startswith("admitted")]
    assert admitted.read_bytes() == b"".join(kept)
    check_counts(gated, expected)


def check_counts(gated: Gated, expected: list[tuple[str, str]]) -> None:
    words = [says.split() for _, says in expected]
    assert {label: count for label, count in gated.counts.items() if count} == Counter(
        each[0] for each in words
    )
    assert gated.reasons == Counter(each[1] for each in words)
    assert gated.tally.reasons == Counter((each[0], each[1]) for each in words)


def test_memory_gives_back_what_was_admitted(scene: Scene) -> None:
    source = CARRIERS["rows"](scene)
    gated = scene.town.gate(source, **scene.terms("named"))
    expected = [
        row
        for row, (_, says) in zip(source, scene.expected("named"), strict=True)
        if says.startswith("admitted")
    ]
    assert gated.admitted_rows() == expected


def test_the_inventory_decides_nothing_and_says_the_same_of_each_row(scene: Scene) -> None:
    at_ms = scene.town.world.time_ms
    rows = scene.town.judged(CARRIERS["jsonl"](scene), "inventory", at_ms=at_ms)
    assert {row.verdict for row in rows} == {"undecided"}
    levels = [(how, says.split()[-1]) for how, says in scene.expected("own")]
    found = [(how, row.level) for how, row in zip(scene.how, rows, strict=True)]
    differ = {how for (how, level), (_, other) in zip(levels, found, strict=True) if level != other}
    # where several claims decide otherwise, another of them is told
    assert differ <= {
        "imported, and a maker's",
        "imported, claimed by a stranger",
        "disowned, held, another's",
    }


def test_the_table_names_each_truth_once() -> None:
    assert len({truth.how for truth in TRUTHS}) == len(TRUTHS) >= 70
    codes = {truth.expected(terms).split()[1] for truth in TRUTHS for terms in TERMS}
    assert len(codes) >= 20

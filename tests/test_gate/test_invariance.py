"""Nothing but a row's own claims makes its verdict: not order, blocks, batches, workers, segments, nor how a sidecar is searched (SPEC §12.6)."""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.api.gate import block, judging, rows_sets, sidecar_sets
from ledger.api.gate.result import GatedRow
from ledger.api.gate.rows_sets import RowsSets
from ledger.api.gate.shown import Stretch
from ledger.datasets import memory
from ledger.datasets.dataset import Dataset
from ledger.statements.record import Record
from tests.test_gate.test_truth import made_up, parquet_file, told
from tests.test_gate.town import Town, brief
from tests.test_gate.truths import Scene, build
from tests.world import Actor


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build(tmp_path_factory.mktemp("town"), made_up())


@pytest.mark.parametrize("seed", range(4))
def test_order_makes_no_difference(scene: Scene, seed: int) -> None:
    places = list(range(len(scene.rows)))
    random.Random(seed).shuffle(places)
    shuffled = Scene(
        scene.town,
        scene.people,
        [scene.rows[at] for at in places],
        [scene.how[at] for at in places],
        scene.notes,
    )
    rows = scene.town.judged(scene.town.jsonl(shuffled.rows, "shuffled.jsonl"), **scene.terms("named"))
    assert told(shuffled, rows) == shuffled.expected("named")
    alone = scene.town.judged([scene.rows[places[0]].cells], **scene.terms("named"))
    assert told(shuffled, [*alone, *rows[1:]]) == shuffled.expected("named")


@pytest.mark.parametrize("rows", [1, 7, 131_072])
@pytest.mark.parametrize("artifacts", [1, 3, 4_096])
def test_blocks_and_batches_make_no_difference(
    scene: Scene, rows: int, artifacts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block, "ROWS", rows)
    monkeypatch.setattr(judging, "_ARTIFACTS", artifacts)
    monkeypatch.setattr(memory, "_RUN_ROWS", 5)
    batches = spied(monkeypatch, judging, "Batch")
    blocks = spied(monkeypatch, block, "Block")
    found = scene.town.judged([row.cells for row in scene.rows], **scene.terms("strict"))
    assert told(scene, found) == scene.expected("strict")
    assert (len(blocks) > 1) == (rows < len(scene.rows))
    assert (len(batches) > len(blocks)) == (artifacts < 100)


def spied(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[Any]:
    """What is made of a class from now on."""
    made: list[Any] = []
    real = getattr(module, name)

    def make(*arguments: Any) -> Any:
        made.append(real(*arguments))
        return made[-1]

    monkeypatch.setattr(module, name, make)
    return made


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("carrier", ["jsonl", "parquet"])
def test_workers_and_segments_make_no_difference(
    scene: Scene, carrier: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = scene.town.jsonl(scene.rows) if carrier == "jsonl" else parquet_file(scene)
    segments: list[int] = []
    real = Dataset.segments

    @functools.wraps(real)
    def small(self: Dataset, _: int) -> Any:
        found = real(self, 1_500)
        segments.append(len(found))
        return found

    monkeypatch.setattr(Dataset, "segments", small)
    monkeypatch.setattr(spec, "STRETCH_BYTES", 700)
    found = scene.town.judged(path, workers=workers, **scene.terms("named"))
    assert min(segments) > 3
    assert told(scene, found) == scene.expected("named")


# --- the three ways in which a sidecar is searched ----------------------------------------------------------------------

WAYS = {
    "aligned": {"_ALIGNED_LEAST": 1, "_TRIES_MAX": 10_000, "_SEEK_ROWS": 0},
    "scanned": {"_ALIGNED_LEAST": 10**9, "_SEEK_ROWS": 10**9, "_CHUNK": 256, "_GROUPS_HERE": 0},
    "sought": {"_ALIGNED_LEAST": 10**9, "_SEEK_ROWS": 0},
}


def home_of(name: str) -> ModuleType:
    """The module that a constant of a way lies in."""
    return sidecar_sets if hasattr(sidecar_sets, name) else rows_sets


COUNT = 700  # rows of an import: three groups


class Import:
    """An import of three groups with copies in it, of which nothing is said; another with some of the same rows, of which something is."""

    def __init__(self, folder: Path) -> None:
        self.town = Town(folder)
        world = self.town.world
        self.anna: Actor = world.enrol("anna")
        self.curator: Actor = world.enrol("curator", "curator")
        world.rules(world.operator(), curators=[self.curator])
        self.texts = [f"row {number % 650}" for number in range(COUNT)]
        self.quiet: Record = self.town.rows(self.anna, self.texts)
        self.spoken: Record = self.town.rows(self.anna, self.texts[300:600])
        world.notice(self.curator, "hold", [self.spoken.id, 0], [self.spoken.id, 260])
        for row in (3, 299):
            world.attest(self.curator, [self.spoken.id, row], claim="origin")
        world.attest(self.curator, [self.quiet.id], claim="origin")
        self.town.work(self.anna, "row 5", human=400_000)
        self.known = {f"row {at}": "admitted clear L1" for at in range(650)}
        self.known |= {f"row {at}": "quarantined not-vouched L1" for at in range(300, 600)}
        self.known |= {f"row {at}": "quarantined held L1" for at in (300, 560)}
        self.known |= {f"row {at}": "admitted clear L1" for at in (303, 599)}
        self.known["row 5"] = "rejected human-share-too-small L2"

    def expected(self, texts: list[str]) -> list[str]:
        return [self.known.get(text, "rejected unlogged L0") for text in texts]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Import:
    return Import(tmp_path_factory.mktemp("import"))


edits = st.lists(
    st.tuples(
        st.sampled_from(["drop", "insert", "swap", "repeat", "from"]),
        st.integers(0, COUNT - 1),
        st.integers(0, COUNT - 1),
    ),
    max_size=6,
)


def edited(texts: list[str], changes: list[tuple[str, int, int]]) -> list[str]:
    rows = list(texts)
    for what, first, second in changes:
        at, other = first % len(rows), second % len(rows)
        if what == "drop":
            del rows[at : at + 1 + second % 40]
        elif what == "insert":
            rows.insert(at, f"strange {second}")
        elif what == "swap":
            rows[at], rows[other] = rows[other], rows[at]
        elif what == "repeat":
            rows[at:at] = rows[other : other + 90]
        else:
            rows = rows[at:] + rows[:at]
        rows = rows or ["left"]
    return rows


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=edits, rows=st.sampled_from([100, 256, 131_072]))
def test_the_three_ways_say_the_same(
    imported: Import, changes: list[tuple[str, int, int]], rows: int
) -> None:
    texts = edited(imported.texts, changes)
    source = [{"text": text} for text in texts]
    expected = imported.expected(texts)
    for tuning in ({}, *WAYS.values()):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(block, "ROWS", rows)
            patch.setattr(memory, "_RUN_ROWS", min(rows, 1_024))
            for name, value in tuning.items():
                patch.setattr(home_of(name), name, value)
            found = imported.town.judged(source)
        assert [brief(row) for row in found] == expected


@pytest.mark.parametrize("way", WAYS)
def test_each_way_is_taken_where_it_should_be(
    imported: Import, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in WAYS[way].items():
        monkeypatch.setattr(home_of(name), name, value)
    taken: set[str] = set()

    def watched(name: str, real: Any) -> Any:
        def watch(self: RowsSets[Any], *arguments: Any) -> Iterator[Any]:
            for each in real(self, *arguments):
                taken.add(name)
                yield each

        return watch

    for name in ("_align", "_sought", "_members"):
        monkeypatch.setattr(RowsSets, name, watched(name, getattr(RowsSets, name)))
    found: list[GatedRow] = imported.town.judged([{"text": text} for text in imported.texts])
    assert [brief(row) for row in found] == imported.expected(imported.texts)
    assert ("_align" in taken) == (way == "aligned")
    assert ("_sought" in taken) == (way == "sought")


def test_a_stretch_is_no_longer_than_what_is_alike(imported: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows behind a dataset's end, and a row changed in the midst of a stretch, are no part of it."""
    monkeypatch.setattr(rows_sets, "_ALIGNED_LEAST", 1)
    stretches: list[Stretch] = []
    real = RowsSets._align

    def watch(self: RowsSets[Any], *arguments: Any) -> Iterator[Stretch]:
        for each in real(self, *arguments):
            stretches.append(each)
            yield each

    monkeypatch.setattr(RowsSets, "_align", watch)
    texts = [*imported.texts, "beyond", *imported.texts[:10]]
    texts[400] = "changed"
    rows = imported.town.judged([{"text": text} for text in texts])
    assert [brief(row) for row in rows] == imported.expected(texts)
    assert [(each.start, each.stop) for each in stretches] == [(0, 400), (401, 700), (701, 711)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("held", [0, 1, 2])
def test_of_several_imports_of_the_same_rows_each_counts(
    tmp_path: Path, held: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them is held, and whether it was imported first or last."""
    for name, value in WAYS[way].items():
        monkeypatch.setattr(home_of(name), name, value)
    town = Town(tmp_path)
    world = town.world
    anna, curator = world.enrol("anna"), world.enrol("curator", "curator")
    world.rules(world.operator(), curators=[curator])
    texts = [f"row {number}" for number in range(9)]
    records = [town.rows(anna, texts, made=made) for made in range(3)]
    world.attest(curator, *([record.id] for record in records), claim="origin")
    world.notice(curator, "hold", [records[held].id])
    rows = town.judged([{"text": text} for text in [*texts, "strange"]])
    assert [brief(row) for row in rows] == ["quarantined held L1"] * 9 + ["rejected unlogged L0"]
    assert [row.artifact_id for row in rows] == [records[held].id] * 9 + [None]

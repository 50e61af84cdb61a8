"""From a verdict file back to artifacts and rows of datasets: everything that was admitted, and what is said of its copies (SPEC §12.5)."""

from __future__ import annotations

import json
import random
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.api.gate import admitted_claims
from ledger.api.gate.admitted_claims import AdmittedSubjects, admitted_subjects
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault, Undecided
from tests import gated
from tests.test_gate import stories
from tests.test_gate.proved import judged_by
from tests.test_gate.stories import Cast, Step
from tests.test_gate.test_naive import BALANCED, RANDOM, cells
from tests.test_gate.town import Town

COUNT = 700


class Imports:
    """One dataset that is vouched for as a whole, with copies far from one another; another of some of whose rows something is said."""

    def __init__(self, folder: Path) -> None:
        self.town = town = Town(folder)
        world = town.world
        self.anna, self.curator = world.enrol("anna"), world.enrol("curator", "curator")
        world.rules(world.operator(), curators=[self.curator])
        self.texts = [f"row {number}" for number in range(COUNT)]
        self.texts[600] = self.texts[5]
        self.plain = town.rows(self.anna, self.texts)
        world.attest(self.curator, [self.plain.id], claim="origin")
        self.others = [f"other {number}" for number in range(20)]
        self.others[15] = self.others[3]
        self.spoken = town.rows(self.anna, self.others)
        world.attest(self.curator, [self.spoken.id], claim="origin")
        world.attest(self.curator, [self.spoken.id, 15], claim="content")
        self.works = [town.work(self.anna, f"work {number}") for number in range(3)]

    def subjects(self, rows: list[Any], name: str = "v.parquet", **options: Any) -> AdmittedSubjects:
        path = self.town.folder / name
        path.unlink(missing_ok=True)
        self.town.gate(self.town.jsonl(rows, "data.jsonl"), verdicts=path, **options)
        return self.of(path)

    def of(self, path: Path) -> AdmittedSubjects:
        with self.town.open() as door, door.view() as view:
            return admitted_subjects(door._access, view, path)


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> Imports:
    return Imports(tmp_path_factory.mktemp("imports"))


def test_a_dataset_that_was_admitted_whole_is_all_its_rows(imports: Imports) -> None:
    found = imports.subjects(imports.texts)
    assert found == ([], {imports.plain.id: array("I", range(COUNT))})


def test_the_same_order_tells_copies_apart_where_rows_are_missing(imports: Imports) -> None:
    """Of the row that has a copy, each is the one in its place, though rows before it were not admitted."""
    rows = imports.texts.copy()
    rows[2] = rows[599] = "changed"
    found = imports.subjects(rows)
    assert list(found.rows[imports.plain.id]) == [row for row in range(COUNT) if row not in (2, 599)]


def test_a_part_of_a_dataset_is_that_part(imports: Imports) -> None:
    rows = imports.texts[500:]
    rows[99] = "changed"
    found = imports.subjects(rows)
    assert list(found.rows[imports.plain.id]) == [row for row in range(500, COUNT) if row != 599]


def test_in_another_order_each_digest_is_some_row(imports: Imports) -> None:
    found = imports.subjects([*reversed(imports.texts), *imports.texts[:3]])
    assert list(found.rows[imports.plain.id]) == [row for row in range(COUNT) if row != 600]


def test_of_a_digest_of_which_a_row_is_spoken_of_all_rows_are_taken(imports: Imports) -> None:
    found = imports.subjects([imports.others[3], imports.others[7]])
    assert {artifact_id: list(rows) for artifact_id, rows in found.rows.items()} == {
        imports.spoken.id: [3, 7, 15]
    }


def test_artifacts_are_named_once_and_datasets_ascend(imports: Imports) -> None:
    found = imports.subjects(["work 1", "row 9", "strange", "work 0", "work 1", "other 1", "row 8"])
    assert found.artifacts == [imports.works[1].id, imports.works[0].id]
    assert list(found.rows) == sorted([imports.plain.id, imports.spoken.id])
    assert list(found.rows[imports.plain.id]) == [8, 9]


@pytest.mark.parametrize(
    "tuned", [("_SEEK_ROWS", 0), ("_SEEK_ROWS", 10**9), ("_TRIES_MAX", 0), ("_CHUNK", 7)]
)
def test_rows_in_no_order_are_found_in_each_way(
    imports: Imports, tuned: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Digests which their dataset has twice are its first rows."""
    monkeypatch.setattr(admitted_claims, *tuned)
    rows = [*imports.texts, *imports.others]
    random.Random(7).shuffle(rows)
    found = imports.subjects(rows)
    assert {artifact_id: list(rows) for artifact_id, rows in found.rows.items()} == {
        imports.plain.id: [row for row in range(COUNT) if row != 600],
        imports.spoken.id: list(range(20)),
    }


def test_many_datasets_in_turn_with_few_sidecars_open(
    imports: Imports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admitted_claims, "_OPEN_MAX", 1)
    rows = [text for pair in zip(imports.texts, imports.others, strict=False) for text in pair]
    found = imports.subjects(rows)
    assert {artifact_id: len(rows) for artifact_id, rows in found.rows.items()} == {
        imports.plain.id: 20,
        imports.spoken.id: 20,
    }


def test_what_decides_nothing_is_refused(imports: Imports) -> None:
    with pytest.raises(Undecided, match="nothing is decided"):
        imports.subjects(["work 1"], policy="inventory")


def test_a_file_of_another_log_is_refused(imports: Imports, tmp_path: Path) -> None:
    with imports.town.open() as door:
        path = gated.write_verdicts(tmp_path / "v.parquet", door, ["work 1"], ["admitted"], log_id="4" * 64)
    assert refused(imports, path, RefusedInput) == "wrong-log"


def test_a_file_of_a_newer_checkpoint_is_refused(imports: Imports, tmp_path: Path) -> None:
    with imports.town.open() as door:
        path = gated.write_verdicts(
            tmp_path / "v.parquet", door, ["work 1"], ["admitted"], checkpoint_size=door.checkpoint().size + 1
        )
    assert refused(imports, path, RefusedInput) == "checkpoint-behind"


def test_a_row_that_was_admitted_by_nothing_is_refused(imports: Imports, tmp_path: Path) -> None:
    with imports.town.open() as door:
        path = gated.write_verdicts(tmp_path / "v.parquet", door, ["work 1"], ["admitted"], [bytes(32)])
    assert refused(imports, path, ProofInvalid) == "verdicts-invalid"


def test_a_row_that_is_not_in_its_dataset_is_refused(imports: Imports, tmp_path: Path) -> None:
    with imports.town.open() as door:
        ids = [imports.plain.id]
        path = gated.write_verdicts(tmp_path / "v.parquet", door, ["strange"], ["admitted"], ids)
    assert refused(imports, path, ProofInvalid) == "rows-differ"


def test_a_dataset_whose_sidecar_is_gone_is_refused(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "town")
    path = tmp_path / "v.parquet"
    imports.town.gate(imports.town.jsonl(["row 9"]), verdicts=path)
    imports.town.sidecar(imports.plain).unlink()
    assert refused(imports, path, StoreFault) == "rows-missing"


def refused(imports: Imports, path: Path, family: type[LineageError]) -> str:
    with pytest.raises(family) as caught:
        imports.of(path)
    return caught.value.code


# What it is for


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast.enrol(tmp_path_factory.mktemp("gated") / "town")


@RANDOM
@given(story=stories.steps, rows=stories.rows, is_named=st.booleans())
def test_what_was_admitted_is_admitted_by_a_proof_of_it(
    cast: Cast, story: list[Step], rows: list[tuple[Any, bytes | None]], is_named: bool
) -> None:
    """Whatever else there is to say of those rows: all of them, and for the same reason."""
    played = cast.copy(cast.town.folder.with_name("played"))
    played.play(story)
    town = played.town
    trust = played.trust() if is_named else None
    data, verdicts = town.folder / "data.jsonl", town.folder / "v.parquet"
    data.write_text("".join(json.dumps(row) + "\n" for row in cells(rows)))
    before = list(town.gate(data, BALANCED, trust, verdicts=verdicts).rows())
    admitted = [row for row in before if row.is_admitted]
    if not admitted:
        return
    with town.open() as door:
        proof = door.prove([], gated=verdicts, trust=trust).data
    after = judged_by(town, proof, cells(rows), BALANCED, trust)
    assert [row for row in after if row.row_index in {each.row_index for each in admitted}] == admitted

"""The gate by a proof file says of every row what the gate by the ledger says, as far as the file holds its claims (SPEC §12.6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.origin.policy import Policy
from ledger.origin.proved import open_file
from ledger.origin.trust import parse_trust, self_trust
from tests.test_gate import stories
from tests.test_gate.naive import all_of
from tests.test_gate.proved import NaiveByProof, judged_by, prove_all, prove_some
from tests.test_gate.stories import Cast, Step
from tests.test_gate.test_naive import BALANCED, RANDOM, TUNINGS, cells, said, tuned
from tests.test_gate.test_truth import CARRIERS, made_up, told
from tests.test_gate.truths import TERMS, Scene, build
from tests.test_origin.strategies import policies


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return build(tmp_path_factory.mktemp("town"), made_up())


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast.enrol(tmp_path_factory.mktemp("stories") / "town")


@pytest.mark.parametrize("terms", TERMS)
def test_every_verdict_is_right(scene: Scene, terms: str) -> None:
    given = scene.terms(terms)
    proof = prove_all(scene.town, given.get("trust"), given.get("checkpoints", ()))
    source = CARRIERS["rows"](scene)
    rows = judged_by(scene.town, proof, source, **given)
    assert told(scene, rows) == scene.expected(terms)
    assert rows == scene.town.judged(source, **given)


@RANDOM
@given(
    story=stories.steps,
    rows=stories.rows,
    policy=st.just(BALANCED) | st.just(BALANCED) | policies(),
    is_named=st.booleans(),
    tunings=TUNINGS,
)
def test_a_file_about_the_whole_log_says_what_the_log_says(
    cast: Cast,
    story: list[Step],
    rows: list[tuple[Any, bytes | None]],
    policy: Policy,
    is_named: bool,
    tunings: dict[Any, int],
) -> None:
    played = cast.copy(cast.town.folder.with_name("played"))
    played.play(story)
    trust = played.trust() if is_named else None
    believed = None if trust is None else parse_trust(trust)
    proof = prove_all(played.town, trust)
    expected = played.town.judged(cells(rows), policy, believed)
    with tuned(tunings):
        assert judged_by(played.town, proof, cells(rows), policy, believed) == expected


@RANDOM
@given(story=stories.steps, rows=stories.rows, is_named=st.booleans(), tunings=TUNINGS, data=st.data())
def test_a_file_about_a_part_of_the_log_makes_claims_of_that_part(
    cast: Cast,
    story: list[Step],
    rows: list[tuple[Any, bytes | None]],
    is_named: bool,
    tunings: dict[Any, int],
    data: st.DataObject,
) -> None:
    played = cast.copy(cast.town.folder.with_name("part"))
    played.play(story)
    town, world = played.town, played.town.world
    with town.view() as view:
        logged = [record for record in played.records if view.find_artifact(record.id)]
    subjects, parts = [played.model.id], []
    for record in logged:
        if data.draw(st.booleans()):
            if record.form == "rows" and data.draw(st.booleans()):
                held = data.draw(st.sets(st.integers(0, record.row_count - 1), min_size=1))
                parts += [f"{record.id.hex()}:{row}" for row in held]
            else:
                subjects.append(record.id)
    trust = played.trust() if is_named else None
    proof = prove_some(town, subjects, parts, trust)
    (log,) = open_file(proof, [world.vkey]).logs
    with town.view() as view:
        curators = view.state.header.rules.get("curators", ())
        believed = self_trust(curators) if trust is None else parse_trust(trust)
        naive = NaiveByProof(view, world.vkey, town.path, BALANCED, believed, world.time_ms, log)
        expected = all_of(naive, rows)
    with tuned(tunings):
        found = judged_by(town, proof, cells(rows), BALANCED, trust)
    assert [said(row) for row in found] == expected

"""The gate is its own definition: whatever the log and the dataset, it says what the naive one says, row by row (SPEC §12.6)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.api.gate import block, judging, rows_sets, sidecar_sets
from ledger.api.gate.result import GatedRow
from ledger.api.policies import shipped_policy
from ledger.datasets import memory
from ledger.origin.policy import Policy, parse_policy
from ledger.origin.trust import Trust, own_log_trust, parse_trust, self_trust
from tests.test_gate import stories
from tests.test_gate.naive import Naive, Said, all_of
from tests.test_gate.stories import Cast, Step
from tests.test_origin.strategies import policies

BALANCED, INVENTORY = (parse_policy(shipped_policy(name)) for name in ("balanced", "inventory"))
RANDOM = settings(
    max_examples=1_000 if os.environ.get("LINEAGE_LONG") else 80,
    suppress_health_check=list(HealthCheck),
    deadline=None,
    report_multiple_bugs=False,
    derandomize=not os.environ.get("LINEAGE_LONG"),
)
TUNINGS = st.fixed_dictionaries(
    {
        (block, "ROWS"): st.sampled_from([1, 4, 131_072]),
        (judging, "_ARTIFACTS"): st.sampled_from([1, 2, 4_096]),
        (memory, "_RUN_ROWS"): st.sampled_from([1, 3, 1_024]),
        (rows_sets, "_CHUNK"): st.sampled_from([1, 65_536]),
        (sidecar_sets, "_GROUPS_HERE"): st.sampled_from([0, 1_024]),
        (rows_sets, "_SEEK_ROWS"): st.sampled_from([0, 1, 400]),
        (rows_sets, "_ALIGNED_LEAST"): st.sampled_from([1, 2, 64]),
    }
)


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    return Cast.enrol(tmp_path_factory.mktemp("naive") / "town")


@contextmanager
def tuned(tunings: dict[Any, int]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for (module, name), value in tunings.items():
            patch.setattr(module, name, value)
        yield


def naively(played: Cast, policy: Policy, trust: Trust, rows: list[tuple[Any, bytes | None]]) -> list[Said]:
    town = played.town
    with town.view() as view:
        believed = trust
        if trust.is_self:
            believed = own_log_trust(view.state.header.rules)
        naive = Naive(view, town.world.vkey, town.path, policy, believed, town.world.time_ms)
        return all_of(naive, rows)


def said(row: GatedRow) -> Said:
    why = "" if row.code == "row-refused" else row.why
    return Said(row.digest, row.artifact_id, row.verdict, row.code, row.level, why)


def cells(rows: list[tuple[Any, bytes | None]]) -> list[dict[str, Any]]:
    return [{"text": value, "lineage_salt": None if salt is None else salt.hex()} for value, salt in rows]


@RANDOM
@given(
    story=stories.steps,
    rows=stories.rows,
    policy=st.just(BALANCED) | st.just(BALANCED) | policies(),
    is_named=st.booleans(),
    is_file=st.booleans(),
    tunings=TUNINGS,
)
def test_the_gate_is_the_naive_one(
    cast: Cast,
    story: list[Step],
    rows: list[tuple[Any, bytes | None]],
    policy: Policy,
    is_named: bool,
    is_file: bool,
    tunings: dict[Any, int],
) -> None:
    played = cast.copy(cast.town.folder.with_name("played"))
    played.play(story)
    trust = parse_trust(played.trust()) if is_named else self_trust()
    expected = naively(played, policy, trust, rows)
    source: Any = cells(rows)
    if is_file:
        source = played.town.folder / "data.jsonl"
        source.write_text("".join(json.dumps(row) + "\n" for row in cells(rows)))
    with tuned(tunings):
        found = played.town.judged(source, policy, trust if is_named else None)
    assert [said(row) for row in found] == expected

"""Written logs: the ledger's fold and the naive one find what was said by hand, and agree on all else."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from tests.cases.replay import by_ledger, by_naive, own_statuses
from tests.cases.scenarios import all_scenarios
from tests.cases.worlds import Scenario

MEANINGS = {
    "contested": 27,
    "delegated": 8,
    "disowned": 19,
    "grades": 4,
    "identities": 1,
    "speaks": 82,
    "statuses": 5,
}


@cache
def scenarios() -> dict[str, Scenario]:
    return {scenario.name: scenario for scenario in all_scenarios()}


def test_names_are_unique() -> None:
    assert len(scenarios()) == len(list(all_scenarios()))


@pytest.mark.parametrize("name", list(scenarios()))
def test_scenario(name: str) -> None:
    scenario = scenarios()[name]
    script = scenario.script
    naive = by_naive(script.log, script.entries, script.records)
    assert naive.faults == scenario.expected
    for meaning, said in scenario.means.items():
        found: Any
        if meaning == "statuses":
            found = own_statuses(script.log, script.entries, script.records)
        else:
            found = getattr(naive, meaning)
        assert ({key: found.get(key, {}) for key in said} if isinstance(said, dict) else found) == said, (
            meaning
        )
    assert by_ledger(script.log, script.entries, script.records) == naive


def test_what_is_said_by_hand() -> None:
    """Every kind of meaning is said of several logs: the naive fold is held to somebody who read the text."""
    said = [meaning for scenario in scenarios().values() for meaning in scenario.means]
    assert {meaning: said.count(meaning) for meaning in set(said)} == MEANINGS

"""Written logs: the ledger's fold and the naive one find the faults that were said by hand, and no others."""

from __future__ import annotations

import pytest

from tests.cases.replay import by_ledger, by_naive
from tests.cases.scenarios import Scenario, all_scenarios


@pytest.mark.parametrize("scenario", list(all_scenarios()), ids=lambda scenario: scenario.name)
def test_scenario(scenario: Scenario) -> None:
    script = scenario.script
    found = by_ledger(script.log, script.entries, script.records)
    naive = by_naive(script.log, script.entries, script.records)
    assert naive.faults == scenario.expected
    assert found == naive

"""What scenarios are made of: a log, its actors, and what somebody who reads SPEC says of it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.cases import logs
from tests.cases.logs import Actor, Script, public_key
from tests.cases.samples import Fields, record
from tests.reference import pack

Expected = tuple[int, int | None, str]

WAIT_MS = 604_800_000  # SPEC §7.2: how long a `recover` is pending


class Scenario(NamedTuple):
    """A log, its id, and every fault: (log_index, record_index or None, code).

    `means`: some of what it means behind its last entry, by the names of `tests.cases.replay.Meaning`.
    """

    name: str
    what: str
    script: Script
    expected: list[Expected]
    means: Fields


class People(NamedTuple):
    script: Script
    human: Actor
    pair: Actor
    machine: Actor
    delegation: bytes


def people(scope: dict[str, Any] | None = None, fold: int = 1) -> People:
    """Genesis 0, state 1, human 2, pair 3, delegation 4, machine 5."""
    script = Script(fold=fold).begin()
    human = script.actor("human")
    pair = script.actor("pair", "pair", human.id)
    delegation = script.delegate(human, pair, scope)
    return People(script, human, pair, script.actor("machine", "machine"), delegation)


def ended(
    name: str,
    what: str,
    script: Script,
    *faults: tuple[int, str] | Expected,
    tick: int = 1000,
    **means: Any,
) -> Scenario:
    """Closes the log with a state, `tick` ms after the one before."""
    script.state(tick=tick)
    expected = [(fault[0], None, fault[1]) if len(fault) == 2 else fault for fault in faults]
    return Scenario(f"log/{name}", what, script, expected, means)


class Town(NamedTuple):
    """Those who judge, and what there is to judge: `text` (11) and `rows` (12, of three rows) by the human, `output` (13) by the pair."""

    script: Script
    human: Actor
    pair: Actor
    machine: Actor
    delegation: bytes
    registrar: Actor
    curator: Actor
    other: Actor
    text: bytes
    rows: bytes
    output: bytes

    def rules(self, mode: str = "allow-list", **changes: Any) -> Fields:
        """A body of `rules` that lists both."""
        lists = {"registrars": [self.registrar.id], "curators": [self.curator.id]}
        return {name: item for name, item in ({"mode": mode} | lists | changes).items() if item is not None}


def town(fold: int = 2) -> Town:
    """As `people`, then registrar 6, curator 7, another human 8, rules 9 (open, both listed), state 10, artifacts 11 to 13."""
    home = people(fold=fold)
    script = home.script
    registrar = script.actor("registrar", "registrar")
    curator = script.actor("curator", "curator")
    other = script.actor("other")
    text = script.work(home.human, "a walk")
    rows = pack(record("dataset", "rows", maker=home.human.id))
    output = script.work(home.pair, "an answer", "output")
    result = Town(*home, registrar, curator, other, *(logs.id_of(item) for item in (text, rows, output)))
    script.tell(script.operator, "rules", result.rules("open"))
    script.state()
    script.publish(home.human, text)
    script.publish(home.human, rows)
    script.publish(home.pair, output, delegation=home.delegation)
    return result


def signed_of(fields: Fields, names: Sequence[str], *signers: str, number: int = 0) -> bytes:
    """An entry that some of a keyset's keys sign: `names` are those of all keys in it."""
    return logs.joined(fields, signatures_of(fields, names, *signers, number=number))


def signatures_of(fields: Fields, names: Sequence[str], *signers: str, number: int = 0) -> list[list[Any]]:
    order = sorted(names, key=public_key)
    data = pack(fields)
    return sorted([number, order.index(name), logs.signature(name, data)] for name in signers)

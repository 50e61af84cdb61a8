"""The same bytes say the same in another process, time zone, locale and hash seed; and what is shared is looked at once (SPEC §11.2)."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ledger.log.view import open_view
from ledger.origin import proved
from ledger.origin.judge import Judge
from ledger.origin.levels import Level
from ledger.origin.proved import Proved, verify
from ledger.proofs.proven import ProvenLog
from ledger.statements.record import Parent, Record
from tests.test_origin.facts import BALANCED
from tests.test_proofs import amplified
from tests.test_proofs.proving import file_of, part_of
from tests.test_proofs.scene import Scene
from tests.test_proofs.shapes import all_shapes

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "import json; from tests.test_proofs.test_proof_anywhere import dumps; print(json.dumps(dumps()))"


def plain(value: Any) -> Any:
    """A value as JSON has it. Of a mapping and a tuple the order is kept: it must be the same too."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Record):
        return value.id.hex()
    if isinstance(value, Mapping):
        return [[plain(key), plain(each)] for key, each in value.items()]
    if isinstance(value, (frozenset, set)):
        return sorted(json.dumps(plain(each)) for each in value)
    if isinstance(value, (tuple, list)):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    return value


def dump(found: Proved) -> dict[str, Any]:
    """All that is told of a file."""
    logs = [
        {
            "log": each.log.log_id.hex(),
            "subjects": plain(each.subjects),
            "nodes": plain(each.ancestries.nodes),
            "missing": plain(each.missing),
            "people": plain([each.humans, each.unknowns]),
            "ancestries": [
                plain((one.humans, one.authors, one.humans_behind))
                for one in map(each.ancestry, each.ancestries.roots)
            ],
        }
        for each in found.logs
    ]
    return {"ok": found.ok, "level": found.level.code, "logs": logs}


def dumps() -> list[Any]:
    return [
        [
            shape.name,
            hashlib.sha256(shape.data).hexdigest(),
            dump(verify(shape.data, shape.vkeys, shape.trust, at_ms=shape.at_ms, policy=shape.policy)),
        ]
        for shape in all_shapes()
    ]


def test_the_same_bytes_say_the_same_anywhere() -> None:
    here = json.loads(json.dumps(dumps()))
    assert len(here) == len(all_shapes())
    for zone, locale, seed in (("UTC", "C", "0"), ("Pacific/Kiritimati", "tr_TR.UTF-8", "4242")):
        env = os.environ | {"TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
        told = subprocess.run(
            [sys.executable, "-c", SCRIPT], cwd=ROOT, env=env, capture_output=True, text=True, check=True
        )
        assert json.loads(told.stdout) == here


def test_a_diamond_of_depth_40_is_made_and_verified_once_for_each_artifact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two parents a level, each derived from both below: 2⁴⁰ paths, 81 artifacts."""
    scene = Scene()
    records = [scene.anna.record("root", human=1_000_000)]
    below = [records[0].id]
    for level in range(40):
        parents = [Parent("derived-from", each, 1_000_000 // len(below)) for each in below]
        both = [scene.anna.record(f"{level} {side}", "work", parents) for side in (0, 1)]
        records += both
        below = [each.id for each in both]
    scene.put(scene.anna, *records)
    scene.log.close_with_state()
    vkey = scene.world.vkey
    counted = {"opened": 0, "judged": 0}
    for owner, name, what in ((ProvenLog, "find", "opened"), (Judge, "_open", "judged")):
        real = getattr(owner, name)

        def counting(self: Any, *arguments: Any, real: Any = real, what: str = what) -> Any:
            counted[what] += 1
            return real(self, *arguments)

        monkeypatch.setattr(owner, name, counting)
    with open_view(scene.world.store, vkey) as view:
        data = file_of(part_of(view, vkey, below))
    found = verify(data, [vkey], at_ms=scene.log.time_ms, policy=BALANCED)
    (log,) = found.logs
    assert found.ok
    assert (found.level, len(log.ancestries.nodes), len(records)) == (Level.ANCHORED, 81, 81)
    assert counted == {"opened": 81, "judged": 81}
    assert log.humans == log.ancestry(below[0]).humans == (scene.anna.id,)
    assert len(data) < 81 * 512


def test_judges_that_let_go_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of very many subjects a file's judges hold what they came to for a few; and judge nothing much more than twice."""
    data = amplified.deep_chain(16)
    whole = dump(verify(data, amplified.VKEYS, at_ms=2_000_000_000, policy=BALANCED))
    opened: list[bytes] = []
    greatest = 0
    real = Judge._open

    def counting(self: Judge, artifact_id: bytes, node: Any) -> Any:
        nonlocal greatest
        opened.append(artifact_id)
        greatest = max(greatest, self.size)
        return real(self, artifact_id, node)

    monkeypatch.setattr(Judge, "_open", counting)
    monkeypatch.setattr(proved, "_JUDGED", 8)
    erased = amplified.many_erased(64)
    verify(erased, amplified.VKEYS, at_ms=2_000_000_000, policy=BALANCED)
    count = 27_500 // 64
    assert (len(opened), greatest) == (2 * count, 8)
    opened.clear()
    assert dump(verify(data, amplified.VKEYS, at_ms=2_000_000_000, policy=BALANCED)) == whole
    assert len(set(opened)) == 3_000 // 16
    assert len(opened) < 3 * 2 * len(set(opened))

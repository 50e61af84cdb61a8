"""What the doctor says of an outbox (SPEC §10.5)."""

from __future__ import annotations

import time
from pathlib import Path

from ledger.audit.outbox import examine_outbox
from ledger.store.outbox import Outbox, Refusal

LANE = b"l" * 16


def look(folder: Path, later_s: int = 61) -> dict[str, tuple[bool, str]]:
    found = list(examine_outbox(folder, time.time_ns() // 1_000_000 + later_s * 1_000))
    assert all(finding.ok or finding.fix for finding in found)
    return {finding.name: (finding.ok, finding.what) for finding in found}


def test_nothing_is_said_of_an_outbox_with_nothing_in_it(tmp_path: Path) -> None:
    assert look(tmp_path) == {}
    outbox = Outbox(tmp_path)
    outbox.put(LANE, 0, b"data")
    outbox.remove(outbox.waiting()[0])
    assert look(tmp_path) == {}


def test_what_waits_what_was_refused_and_what_is_foreign_is_told(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for seq in range(3):
        outbox.put(LANE, seq, b"data")
    outbox.refuse(outbox.waiting()[0], Refusal("wrong-log", "statement", "it names another log", ""))
    for name in "abcd":
        (outbox.folder / name).touch()
    found = look(tmp_path)
    assert {name: ok for name, (ok, _what) in found.items()} == {
        "outbox": False,
        "outbox, refused": True,
        "outbox, foreign": False,
    }
    assert look(tmp_path, 0)["outbox"][0]  # whoever drains may be on his way
    assert found["outbox"][1].startswith("2 signed parcels wait")
    assert "wrong-log, it names another log" in found["outbox, refused"][1]
    assert "'a', 'b', 'c' and 1 more" in found["outbox, foreign"][1]


def test_outbox_that_cannot_be_read_is_a_finding(tmp_path: Path) -> None:
    Outbox(tmp_path / "elsewhere").put(LANE, 0, b"data")
    (tmp_path / "outbox").symlink_to(tmp_path / "elsewhere" / "outbox")
    ok, what = look(tmp_path)["outbox"]
    assert not ok
    assert "symbolic link" in what

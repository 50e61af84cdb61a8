"""The bench runs and says something of each thing that it measures. How fast anything is, no test asserts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.bench.__main__ import BENCHES, main, run
from tools.bench.measure import COLUMNS, Row, Settings, Spread, as_markdown, as_text, spread, take_turns
from tools.bench.signer import MemoryWatch, anonymous_mb

ROWS = {
    "import": 2,
    "gate": 5,
    "ingest-single": 2,
    "ingest-bulk": 1,
    "proofs": 2,
    "audit": 1,
    "trace": 1,
    "key-state": 2,
    "output": 2,
    "workers": 1,
    "sign-file": 1,
}


@pytest.mark.parametrize("name", ROWS)
def test_cheap_benches_run_on_small_numbers(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "bench"
    rows = run([name], Settings(folder, quick=True))
    assert len(rows) == ROWS[name]
    for row in rows:
        assert row.name.startswith(name)
        assert row.ratio is not None
        assert 0 < row.ratio.least <= row.ratio.middle <= row.ratio.most
        assert row.met in (None, False, True)
        assert len(row.cells()) == len(COLUMNS)
    assert not folder.exists()


def test_bulk_says_where_its_time_goes(tmp_path: Path) -> None:
    (row,) = run(["ingest-bulk"], Settings(tmp_path / "bench", quick=True))
    assert all(part in row.notes[0] for part in ("parsing", "hashing", "index", "second path"))


def test_turns_alternate_and_ratios_are_taken_turn_by_turn() -> None:
    asked: list[str] = []
    rates = {"ours": iter([1.0, 6.0, 5.0]), "limit": iter([2.0, 3.0, 10.0])}

    def ask(which: str) -> float:
        asked.append(which)
        return next(rates[which])

    turns = take_turns(3, lambda: ask("ours"), lambda: ask("limit"))
    assert asked == ["ours", "limit"] * 3
    assert turns.ratio == Spread(0.5, 0.5, 2.0)
    assert turns.ours == Spread(5.0, 1.0, 6.0) == spread([6.0, 1.0, 5.0])


def test_table_has_a_line_a_row_and_its_notes() -> None:
    rows = [Row("one", "1/s", "2/s", Spread(0.5, 0.4, 0.6), "ratio ≥ 0.4", met=True, notes=("of its time",))]
    rows.append(Row("another", "-", "-", None))
    text, markdown = as_text(rows).split("\n"), as_markdown(rows).split("\n")
    assert [line.split()[0] for line in text] == ["what", "one", "another", "one:"]
    assert markdown[2] == "| one | 1/s | 2/s | 0.50 [0.40-0.60] | ratio ≥ 0.4 | yes |"
    assert markdown[3] == "| another | - | - | - | - | - |"
    assert markdown[-1] == "one: of its time"


def test_memory_watch_sees_what_was_allocated_between_its_looks() -> None:
    before = anonymous_mb()
    if not before:
        pytest.skip("no RssAnon in /proc/self/status here: it takes Linux")
    watch = MemoryWatch()
    watch.start()
    held = bytearray(b"x") * 50_000_000
    watch.stop()
    assert len(held) == 50_000_000
    assert watch.peak_mb >= before + 45


def test_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["ingest"])
    assert "no bench 'ingest'" in capsys.readouterr().err
    assert "ingest-single" in str(BENCHES)

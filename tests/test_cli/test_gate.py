"""`lineage gate`, as its user has it: what it says, what it writes, how it ends."""

from __future__ import annotations

import gzip
import itertools
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ledger
from ledger.cli.common import Reporter
from ledger.datasets.verdict_file import open_verdicts
from tests.test_cli.command import Cli
from tests.test_cli.gating import POLICY, ROWS, SIGNED, TEXTS, counts, gate


def test_it_says_what_became_of_the_rows_and_why(signed: Cli) -> None:
    ran = signed("gate", "d.jsonl", "--policy", "balanced", "--workers", "0")
    assert ran.code == 0, ran.err
    assert ran.err == ""
    lines = ran.out.splitlines()
    assert lines[0] == "d.jsonl: 10 rows, column 'text'"
    assert re.fullmatch(r"by the policy balanced, as of \S+ \S+ UTC, log checkpoint of 6 entries", lines[1])
    assert [line.split() for line in lines[3:6]] == [
        ["admitted", "6", "60.00", "%"],
        ["quarantined", "0", "0.00", "%"],
        ["rejected", "4", "40.00", "%"],
    ]
    assert [line.split() for line in lines[8:10]] == [
        ["admitted", "6", "clear"],
        ["rejected", "4", "unlogged"],
    ]
    assert "  row 6: rejected: no artifact of the log is about it" in lines
    assert "Self-trusted: no trust file was given" in ran.out
    assert "Status by the operator's word" in ran.out


def test_the_document_has_the_keys_that_are_kept(signed: Cli) -> None:
    document = gate(signed, "d.jsonl", "--policy", "balanced")
    assert counts(document) == (10, 6, 0, 4, 0)
    assert document["reasons"] == {"clear": 6, "unlogged": 4}
    assert document["levels"] == {"L0": 4, "L2": 6}
    assert document["refused"] == {}
    assert (document["failures"], document["files"], document["manifest"]) == ([], {}, None)
    assert document["self_trusted"] is True
    judged_by = document["judged_by"]
    assert (judged_by["column"], judged_by["dataset"], judged_by["checkpoint_size"]) == ("text", "d.jsonl", 6)


def test_what_is_admitted_is_written_byte_for_byte(signed: Cli) -> None:
    data = (signed.folder / "d.jsonl").read_bytes().splitlines(keepends=True)
    document = gate(
        signed, "d.jsonl", "--policy", "balanced", "--admitted", "new/a.jsonl", "--verdicts", "new/v.parquet"
    )
    assert document["files"] == {"admitted": "new/a.jsonl", "verdicts": "new/v.parquet"}
    assert (signed.folder / "new/a.jsonl").read_bytes() == b"".join(data[:SIGNED])
    with open_verdicts(signed.folder / "new/v.parquet") as verdicts:
        assert verdicts.count == ROWS
        assert bytes(verdicts.admitted_flags()) == b"\1" * 6 + b"\0" * 4
    table = pq.read_table(signed.folder / "new/v.parquet")
    assert table.column("why").to_pylist()[6] == "rejected: no artifact of the log is about it"
    assert sorted(path.name for path in (signed.folder / "new").iterdir()) == ["a.jsonl", "v.parquet"]


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_strict_ends_with_1_if_any_row_was_not_admitted(
    signed: Cli, options: tuple[str, ...], code: int
) -> None:
    gate(signed, "d.jsonl", "--policy", "balanced", *options, code=code)
    gate(signed, "signed.jsonl", "--policy", "balanced", *options, code=0)


@pytest.mark.parametrize(
    ("key", "is_met"),
    [
        ("rejected_rows_over = 3", True),
        ("rejected_rows_over = 4", False),
        ("rejected_ppm_over = 399999", True),
        ("admitted_rows_under = 7", True),
        ("admitted_rows_under = 6", False),
        ("[fail_if.reasons]\nunlogged = 3", True),
    ],
)
def test_a_threshold_of_the_policy_ends_with_1_and_is_said(signed: Cli, key: str, is_met: bool) -> None:
    path = signed.write("mine.toml", f"{POLICY}[fail_if]\n{key}\n")
    arguments = ("d.jsonl", "--policy", path, "--admitted", "a.jsonl")
    document = gate(signed, *arguments, code=int(is_met))
    assert bool(document["failures"]) is is_met
    assert len((signed.folder / "a.jsonl").read_bytes().splitlines()) == SIGNED, "decided is decided"
    (signed.folder / "a.jsonl").unlink()
    ran = signed("gate", *arguments, "--workers", "0")
    assert ("FAILED: " in ran.out) is is_met
    assert "by the policy mine," in ran.out


def test_inventory_decides_nothing_and_counts_everything(signed: Cli) -> None:
    document = gate(signed, "d.jsonl", "--policy", "inventory", "--verdicts", "v.parquet")
    assert counts(document) == (10, 0, 0, 0, 10)
    assert document["reasons"] == {"clear": 6, "unlogged": 4}
    error = signed.refused("usage", "gate", "d.jsonl", "--policy", "inventory", "--admitted", "a.jsonl")
    assert "decides nothing" in error["reason"]


def test_without_a_quorum_strict_decides_nothing_and_names_what_is_missing(signed: Cli) -> None:
    error = signed.refused("undecided", "gate", "d.jsonl", "--policy", "strict", "--admitted", "a.jsonl")
    assert "tlog_policy" in error["reason"]
    assert "--trust" in error["fix"]
    assert not list(signed.folder.glob("a.jsonl*"))


@pytest.mark.parametrize(
    "time", ["2027-01-15T09:00:00Z", "2027-01-15T10:00:00+01:00", "1800003600000", "2027-01-15 09:00:00Z"]
)
def test_a_time_is_said_in_iso_8601_or_unix_milliseconds(signed: Cli, time: str) -> None:
    document = gate(signed, "d.jsonl", "--policy", "balanced", "--at", time)
    judged_by = document["judged_by"]
    assert judged_by["at_ms"] == 1_800_003_600_000
    assert (
        "as of 2027-01-15 09:00:00 UTC"
        in signed("gate", "d.jsonl", "--policy", "balanced", "--at", time, "--workers", "0").out
    )


@pytest.mark.parametrize(
    "time",
    ["tomorrow", "2027-01-15", "2027-01-15T09:00:00", "", "-1", "9007199254740992", "1960-01-01T00:00:00Z"],
)
def test_what_is_no_time_is_refused(signed: Cli, time: str) -> None:
    error = signed.refused("usage", "gate", "d.jsonl", "--policy", "balanced", f"--at={time}")
    assert "2026-11-27T12:00:00Z" in error["fix"]


def test_the_column_is_the_one_that_was_signed(signed: Cli) -> None:
    data = signed.rows("two.jsonl", *({"a": f"other {n}", "b": text} for n, text in enumerate(TEXTS)))
    assert gate(signed, data, "--policy", "balanced")["judged_by"]["column"] == "b"
    whole = signed.rows("whole.jsonl", {"a": "x", "b": "y"}, {"a": "z", "b": "w"})
    signed.json("sign", whole, "--rows", ".", "--by", "ada")
    document = gate(signed, whole, "--policy", "balanced")
    assert (document["judged_by"]["column"], document["admitted"]) == (None, 2)
    assert "2 rows, the whole row" in signed("gate", whole, "--policy", "balanced", "--workers", "0").out
    assert counts(gate(signed, "d.jsonl", "--policy", "balanced", "--whole-row"))[1] == 0
    assert counts(gate(signed, "d.jsonl", "--policy", "balanced", "--column", "n"))[1] == 0


def test_a_column_beside_one_that_no_row_as_a_whole_may_hold_is_found(signed: Cli) -> None:
    table = pa.table({"image": pa.array([b"\x89PNG"] * ROWS, pa.binary()), "text": TEXTS})
    pq.write_table(table, signed.folder / "d.parquet")
    document = gate(signed, "d.parquet", "--policy", "balanced", "--admitted", "a.parquet")
    assert (document["judged_by"]["column"], document["admitted"]) == ("text", SIGNED)
    assert pq.read_table(signed.folder / "a.parquet") == table.slice(0, SIGNED)


def test_a_column_that_cannot_be_told_is_asked_for(signed: Cli) -> None:
    data = signed.rows("two.jsonl", {"a": "never signed", "b": "nor this"})
    error = signed.refused("column-unclear", "gate", data, "--policy", "balanced", "--admitted", "a.jsonl")
    assert "'a', 'b'" in error["reason"]
    assert "--column" in error["fix"]
    one = signed.rows("one.jsonl", {"a": "never signed", "n": 1}, {"a": None, "n": 2})
    assert gate(signed, one, "--policy", "balanced")["judged_by"]["column"] == "a", "the only one of text"


def test_several_datasets_patterns_and_folders(signed: Cli) -> None:
    lines = (signed.folder / "d.jsonl").read_bytes()
    for name in ("parts/lang=en/a.jsonl", "parts/lang=fr/b.jsonl", "other/c.jsonl"):
        (signed.folder / name).parent.mkdir(parents=True)
        (signed.folder / name).write_bytes(lines)
    (signed.folder / "other/c.jsonl.gz").write_bytes(gzip.compress(lines))
    (signed.folder / "parts/.hidden").write_text("x")
    both = gate(signed, "parts", "other/c.jsonl", "--policy", "balanced", "--admitted", "both")
    assert counts(both) == (30, 18, 0, 12, 0)
    assert both["judged_by"]["dataset"] == "parts and 1 more"
    assert any("1 hidden" in note for note in both["notes"])
    found = sorted(
        path.relative_to(signed.folder / "both").as_posix() for path in signed.folder.glob("both/**/*.*")
    )
    assert found == ["other/c.jsonl", "parts/lang=en/a.jsonl", "parts/lang=fr/b.jsonl"]
    assert counts(gate(signed, "parts/*/*.jsonl", "--policy", "balanced"))[0] == 20
    assert counts(gate(signed, "other/*", "--policy", "balanced", "--admitted", "packed"))[0] == 20
    assert gzip.decompress((signed.folder / "packed/c.jsonl.gz").read_bytes()).count(b"\n") == SIGNED
    assert counts(gate(signed, "parts", "--policy", "balanced", "--column", "lang"))[3] == 20
    lang = ("--column", "lang", "--no-partitions")
    assert (
        "lang" in signed.refused("column-missing", "gate", "parts", "--policy", "balanced", *lang)["reason"]
    )


def test_a_folder_of_files_a_row_each(signed: Cli) -> None:
    (signed.folder / "files").mkdir()
    for n, text in enumerate(TEXTS):
        (signed.folder / f"files/{n}.md").write_text(text)
    document = gate(signed, "files", "--policy", "balanced", "--admitted", "kept", "--verdicts", "v.parquet")
    assert counts(document) == (10, 6, 0, 4, 0)
    assert sorted(path.name for path in (signed.folder / "kept").iterdir()) == [
        f"{n}.md" for n in range(SIGNED)
    ]


def test_a_format_that_the_name_does_not_say(signed: Cli) -> None:
    (signed.folder / "d.jsonl").rename(signed.folder / "d")
    assert counts(gate(signed, "d", "--policy", "balanced", "--format", "jsonl"))[1] == SIGNED
    assert (
        "--format"
        in signed.refused("usage", "gate", "d", "--policy", "balanced", "--format", "xml")["reason"]
    )
    text = signed.write("lines", "".join(text + "\n" for text in TEXTS))
    assert counts(gate(signed, text, "--policy", "balanced", "--format", "text"))[1] == SIGNED


def test_workers_make_no_difference(signed: Cli) -> None:
    documents = [
        signed.json("gate", "d.jsonl", "--policy", "balanced", "--at", "1800000000000", "--workers", workers)
        for workers in ("0", "2")
    ]
    assert documents[0] == documents[1]
    for wrong in ("x", "-1", "1025", "1.5"):
        signed.refused("usage", "gate", "d.jsonl", "--policy", "balanced", f"--workers={wrong}")


def test_rival_claims_and_the_trust_file(signed: Cli) -> None:
    assert signed("identity", "new", "eve", "--unencrypted").code == 0
    signed.json("sign", "signed.jsonl", "--rows", "text", "--by", "eve")
    who = signed.json("identity", "show", "ada")["id"]
    trust = signed.write("trust.toml", f'makers = ["{who}"]\n')
    ran = signed("gate", "d.jsonl", "--policy", "balanced", "--trust", trust, "--workers", "0")
    assert ran.code == 0, ran.err
    assert "Rows with rival claims: 6" in ran.out
    assert "Self-trusted" not in ran.out
    assert "No quorum of witnesses is asked for: times are the log's own word" in ran.out
    nobody = signed.write("nobody.toml", "makers = []\n")
    document = gate(signed, "d.jsonl", "--policy", "balanced", "--trust", nobody)
    assert document["reasons"] == {"maker-not-accepted": 6, "unlogged": 4}


def test_a_log_checkpoint_in_a_file_is_read_and_a_wrong_one_decides_nothing(signed: Cli) -> None:
    with ledger.open(signed.ledger, config=str(signed.config), readonly=True) as door, door.view() as view:
        note = signed.write("note", view.note)
    assert counts(gate(signed, "d.jsonl", "--policy", "balanced", "--checkpoint", note))[1] == SIGNED
    broken = signed.write("broken", "no note")
    error = signed.refused("note-invalid", "gate", "d.jsonl", "--policy", "balanced", "--checkpoint", broken)
    assert "broken" in error["item"], "and it ends with 2, not with the 1 of a threshold"


def test_progress_is_told_of_about_how_many(signed: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(Reporter, "progress", lambda _self, done, total: told.append((done, total)))
    gate(signed, "d.jsonl", "--policy", "balanced")
    assert told == [(10, 10)]


def test_progress_counts_from_where_it_began_and_only_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = itertools.count(50.0, 10.0)
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    reporter = Reporter(as_json=False)
    for done in (1_000, 2_000, 3_000):
        reporter.progress(done, 5_000)
    shown = capsys.readouterr().err.split("\r\033[K")
    assert shown[1:] == [
        "1,000 of 5,000",
        "2,000 of 5,000, 30 s left (100/s)",
        "3,000 of 5,000, 20 s left (100/s)",
    ]
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    Reporter(as_json=False).progress(1, 2)
    assert capsys.readouterr().err == ""


def test_hostile_names_and_reasons_stay_text(signed: Cli) -> None:
    data = signed.write("d.jsonl", json.dumps({"text": "x", "\x1b[31m": 1}) + "\n")
    for arguments in (("--column", "\x1b[32m"), ("--whole-row",)):
        ran = signed("gate", data, "--policy", "balanced", *arguments, "--workers", "0")
        assert "\x1b" not in ran.out + ran.err

"""`lineage import`, and what the other commands do with imported rows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ledger.cli.common import Reporter
from ledger.merkle.tree import hash_leaf, verify_inclusion
from ledger.statements.record import decode_record
from tests.test_cli.command import Cli

SAID = ("--source", "https://example.org/corpus", "--license", "CC-BY-4.0")


@pytest.fixture
def rows(ada: Cli) -> Path:
    return ada.rows("rows.jsonl", *({"text": f"row {n}", "n": n} for n in range(12)))


def test_it_says_what_stands_where(ada: Cli, rows: Path) -> None:
    ran = ada("import", rows, "--column", "text", *SAID)
    assert ran.code == 0, ran.err
    assert ran.out.startswith("Imported by 'ada': 12 rows in 1 record: 1 new\n")
    assert f"at log index 4  {rows}, rows 0 to 11\n" in ran.out
    assert "Level L1, reported" in ran.out
    document = ada.json("import", rows, "--column", "text", *SAID)
    assert set(document) == {"records", "rows", "new", "already_logged"}
    assert (document["rows"], document["new"], document["already_logged"]) == (12, 0, 1)
    (record,) = document["records"]
    assert {name: record[name] for name in ("path", "first_row", "rows", "log_index")} == {
        "path": str(rows), "first_row": 0, "rows": 12, "log_index": 4,
    }  # fmt: skip
    assert re.fullmatch(r"[0-9a-f]{64}", record["id"])
    assert "1 already logged" in ada("import", rows, "--column", "text", *SAID).out


def test_a_text_is_taken_by_line_and_a_folder_by_its_shards(ada: Cli) -> None:
    folder = ada.folder / "shards"
    folder.mkdir()
    for name in ("a.txt", "b.txt", ".hidden.txt", "README"):
        (folder / name).write_text(f"{name} 1\n{name} 2\n")
    ran = ada("import", folder / "a.txt", *SAID)
    assert (ran.code, "2 rows in 1 record" in ran.out) == (0, True), ran.err
    ran = ada("import", folder, "--whole-row", *SAID)
    assert "4 rows in 2 records: 1 new, 1 already logged" in ran.out
    assert "Hidden files and folders left out: 1" in ran.err
    assert "Files of no dataset format left out: 1" in ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "item"),
    [
        ((), "usage", "--column"),
        (("--column", "text"), "usage", "--source"),
        (("--column", "text", "--source", "https://example.org"), "usage", "--license"),
        (("--column", "text", "--whole-row", *SAID), "usage", "import"),
        (("--column", "text", "--source", "example", "--license", "MIT"), "schema", "source 'example'"),
        (
            ("--column", "text", "--source", "https://example.org", "--license", "for free!"),
            "schema",
            "license",
        ),
        (("--column", "text", *SAID, "--category", "books"), "usage", "import"),
        (("--column", "body", *SAID), "column-missing", "rows.jsonl, row 0 (line 1)"),
        (("--column", "text", *SAID, "--by", "nobody"), "name-unknown", "nobody"),
        (("--column", "text", *SAID, "--parent", "ab" * 32), "unlogged", "ab" * 32),
        (("--column", "text", "--rebuild", "--source", "https://example.org"), "usage", "--source"),
        (("--column", "text", "--rebuild", "--parent", "x"), "usage", "--parent"),
        (("--column", "text", "--rebuild", "--restart"), "usage", "--restart"),
    ],
)
def test_what_is_wrong_with_the_arguments_is_told(
    ada: Cli, rows: Path, arguments: tuple[str, ...], code: str, item: str
) -> None:
    assert item in ada.refused(code, "import", rows, *arguments)["item"]


def test_a_bad_row_is_named_with_what_stands(ada: Cli) -> None:
    path = ada.write("rows.jsonl", '{"text":"a"}\n{"text":""}\n')
    error = ada.refused("column-empty", "import", path, "--column", "text", *SAID)
    assert error["item"] == f"{path}, row 1 (line 2)"
    assert "stand in the log" not in error["reason"], "nothing stands"


def test_a_row_is_traced_by_its_text_its_file_and_its_number(ada: Cli, rows: Path) -> None:
    (record,) = ada.json("import", rows, "--column", "text", *SAID)["records"]
    by_text = ada.json("trace", "--text", "row 7")
    assert (by_text["id"], by_text["row_index"], by_text["level"]) == (record["id"], 7, "L1")
    assert by_text["kind"] == "dataset"
    assert by_text["humans"] == []
    assert by_text["rows"] == [{"id": record["id"], "row_index": 7, "copies": 1}]
    assert by_text["unsearched"] == []
    data = _record(ada, record["id"])
    path = [bytes.fromhex(item) for item in by_text["row_path"]]
    verify_inclusion(
        hash_leaf(bytes.fromhex(by_text["row_digest"])), 7, 12, path, decode_record(data).content
    )
    file = ada.write("a row", "row 7")
    assert ada.json("trace", file)["row_index"] == 7
    assert ada.json("trace", f"{record['id'][:16]}:7")["row_path"] == by_text["row_path"]
    ran = ada("trace", "--text", "row 7")
    assert f"row 7 of 12 of dataset {record['id'][:16]}: reported, not made" in ran.out
    assert "L1 logged, released, reported by human ada" in ran.out
    assert ada("trace", "--text", "row 12").code == 1
    assert ada("trace", f"{record['id'][:16]}:12").code == 2


def _record(cli: Cli, artifact_id: str) -> bytes:
    import ledger

    with ledger.open(cli.ledger, config=str(cli.config), readonly=True) as door, door.view() as view:
        (number,) = view.find_artifact(bytes.fromhex(artifact_id))
        return view.record(number) or b""


def test_equal_rows_and_what_could_not_be_searched_are_told(ada: Cli) -> None:
    path = ada.write("rows.txt", "a\nb\nb\n")
    (record,) = ada.json("import", path, *SAID)["records"]
    assert "the first of 2 equal rows" in ada("trace", "--text", "b").out
    (ada.ledger / "rows" / record["id"]).unlink()
    ran = ada("trace", "--text", "b", "--json")
    assert ran.code == 1
    assert ran.document["level"] == "L0"
    assert [item["id"] for item in ran.document["unsearched"]] == [record["id"]]
    ran = ada("trace", "--text", "b")
    assert (ran.code, "could not be looked at" in ran.out) == (1, True)
    work = ada.write("work.md", "b")
    ada("sign", work)
    ran = ada("trace", work)
    assert (ran.code, "Not searched: the rows of 1 imported dataset" in ran.out) == (0, True)


def test_a_missing_sidecar_fails_audit_and_doctor_and_is_told_when_published(ada: Cli, rows: Path) -> None:
    (record,) = ada.json("import", rows, "--column", "text", *SAID)["records"]
    assert ada.json("audit")["rows"] == 12
    assert "12 rows hashed" in ada("audit").out
    assert ada.json("log", "publish", "public")["rows_missing"] == 0
    path = ada.ledger / "rows" / record["id"]
    path.unlink()
    document = ada.json("audit", code=1)
    assert (document["ok"], document["incomplete"]) == (False, True)
    assert [fault["code"] for fault in document["faults"]] == ["rows-missing"]
    assert ada("doctor").code == 1
    ran = ada("log", "publish", "another")
    assert (ran.code, "Rows sidecars that are not at hand" in ran.err) == (0, True)
    assert ada.json("audit", "another", code=1)["incomplete"]
    ran = ada("import", rows, "--column", "text", "--rebuild")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "Made anew: 1 sidecar; whole were 0")
    assert path.exists()
    assert ada("doctor").code == 0
    document = ada.json("import", rows, "--column", "n", "--rebuild", code=1)
    assert (document["rebuilt"], document["whole"]) == ([], [])
    assert document["unknown"] == [{"path": str(rows), "first_row": 0, "rows": 12}]
    assert "no record of this log is about them" in ada("import", rows, "--column", "n", "--rebuild").out


def test_rows_are_subjects_and_parents_by_their_numbers(ada: Cli, rows: Path) -> None:
    (record,) = ada.json("import", rows, "--column", "text", *SAID)["records"]
    short = record["id"][:16]
    assert ada("identity", "new", "bea", "--unencrypted").code == 0
    said = ada.json("attest", f"{short}:11", "--claim", "content", "--result", "refuted", "--by", "bea")
    assert said["subjects"] == [{"id": record["id"], "row_index": 11}]
    assert ada("attest", f"{short}:12", "--claim", "content", "--result", "refuted", "--by", "bea").code == 2
    ran = ada("trace", "--text", "row 11")
    assert "other identity: counted, not verified" in ran.out
    work = ada.write("work.md", "a work that quotes it")
    (signed,) = ada.json("sign", work, "--parent", f"quotes={short}:11", "--by", "ada")["artifacts"]
    (parent,) = decode_record(_record(ada, signed["id"])).parents
    assert (parent.rel, parent.id.hex(), parent.row) == ("quotes", record["id"], 11)
    other = ada.write("other.md", "another")
    ada.refused("parent-kind", "sign", other, "--parent", f"quotes={short}:12@10%", "--by", "ada")
    derived = ada.rows("clean.jsonl", {"text": "clean", "from": f"derived-from={short}:3"})
    ada.json("sign", derived, "--rows", "text", "--map", "parents=from", "--by", "ada")
    clean = ada.json(
        "import", derived, "--column", "text", *SAID, "--by", "ada", "--parent", f"{short}:3@50%"
    )
    (parent,) = decode_record(_record(ada, clean["records"][0]["id"])).parents
    assert (parent.rel, parent.row, parent.ppm) == ("derived-from", 3, 500_000)


def test_progress_has_a_rate_and_the_time_left(ada: Cli, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int | None]] = []
    monkeypatch.setattr(Reporter, "progress", lambda _self, done, total: told.append((done, total)))
    assert ada("import", rows, "--column", "text", *SAID).code == 0
    assert told == [(12, 12)]


def test_names_of_any_bytes_are_printed_harmlessly(ada: Cli) -> None:
    name = os.fsencode(ada.folder) + b"/\x1b[31m\xff.jsonl"
    try:
        with open(name, "wb") as file:  # noqa: PTH123 - a name that no Path shows
            file.write(b'{"text":"x"}\n')
    except OSError:
        pytest.skip("this file system takes no such name: a Linux file system does")
    ran = ada("import", os.fsdecode(name), "--column", "text", *SAID)
    assert ran.code == 0, ran.err
    assert "\x1b" not in ran.out + ran.err
    assert r"\x1b[31m\udcff.jsonl" in ran.out

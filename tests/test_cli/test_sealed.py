"""Sealed content on the command line: where the salts are, what finds and proves it, and what is told when they differ."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from ledger.spec import GUESSABLE_BYTES
from tests.test_cli.command import Cli

EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}


def leave(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_CONFIG", str(cli.folder / "nobody"))


def test_the_salt_stays_in_the_vault_or_lies_beside_if_that_is_asked(ada: Cli) -> None:
    ada.write("diary.md", "dear diary")
    ran = ada("sign", "diary.md", "--by", "ada", "--sealed")
    assert (ran.code, ran.err) == (0, "")  # short, and yet nobody can guess it
    assert not (ada.folder / "diary.md.salt").exists()
    document = ada.json("sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside")
    assert (document["new"], document["already_logged"]) == (0, 1)
    assert document["salts"] == ["diary.md.salt"]
    salt = ada.folder / "diary.md.salt"
    assert len(salt.read_text()) == 65
    assert stat.S_IMODE(salt.stat().st_mode) == 0o600
    assert salt.read_text().strip() not in json.dumps(document)


def test_what_can_be_guessed_is_told_how_it_cannot(ada: Cli) -> None:
    ada.write("short.md", "x" * (GUESSABLE_BYTES - 1))
    assert "--sealed" in ada("sign", "short.md", "--by", "ada").err


def test_a_sealed_file_is_traced_named_as_parent_and_verified(
    ada: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.write("diary.md", "dear diary")
    ada.write("child.md", "child")
    document = ada.json("sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside", "--receipts")
    (artifact,) = document["artifacts"]
    assert ada.json("trace", "diary.md")["id"] == artifact["id"]
    ada("sign", "child.md", "--by", "ada", "--parent", "diary.md@40%")
    (parent,) = ada.json("trace", "child.md")["parents"]
    assert (parent["id"], parent["share_ppm"]) == (artifact["id"], 400_000)
    assert ada("notice", "retract", "diary.md", "--by", "ada", "--yes").code == 0
    assert ada.json("trace", "diary.md", code=1)["status"] == "retracted"
    vkey = ada.json("status")["vkey"]
    leave(ada, monkeypatch)
    assert ada.json("verify", "diary.md", "--vkey", vkey)["ok"]
    assert ada.json("trace", "diary.md", code=1)["id"] == artifact["id"]
    salt = (ada.folder / "diary.md.salt").read_text().strip()
    (ada.folder / "diary.md.salt").unlink()
    assert ada.json("trace", "diary.md", code=1)["id"] is None
    assert ada.json("trace", "diary.md", "--salt", salt, code=1)["id"] == artifact["id"]
    assert ada.json("trace", "--text", "dear diary", "--salt", salt, code=1)["id"] == artifact["id"]
    assert ada.json("trace", "diary.md", "--salt", "ab" * 32, code=1)["level"] == "L0"
    assert ada.json("verify", "diary.md", "--vkey", vkey, code=2)["error"]["code"] == "salt-missing"
    assert ada.json("verify", "diary.md", "--vkey", vkey, "--salt", salt)["ok"]
    assert "not-it" not in ada("trace", "diary.md", "--salt", salt[:-2]).out
    assert ada.json("trace", "diary.md", "--salt", salt[:-2], code=2)["error"]["code"] == "schema"


def test_one_changed_byte_is_not_the_artifact_any_more(ada: Cli) -> None:
    ada.write("diary.md", "dear diary")
    ada("sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside")
    ada.write("diary.md", "Dear diary")
    ran = ada("trace", "diary.md")
    assert (ran.code, "L0 unlogged" in ran.out, "diary.md.salt" in ran.out) == (1, True, True)


def test_a_salt_that_does_not_match_is_told_and_what_to_do(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.write("diary.md", "dear diary")
    ada("sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside", "--receipts")
    vkey = ada.json("status")["vkey"]
    ada.write("diary.md.salt", "ab" * 32 + "\n")
    error = ada.refused("salt-differs", "trace", "diary.md")
    assert error["item"] == "diary.md.salt"
    assert "--salt-beside" in error["fix"]
    ran = ada("verify", "diary.md")
    assert (ran.code, "NOT proved" in ran.out, "[salt-differs]" in ran.out) == (1, True, True)
    assert ada.json("verify", "diary.md", "--salt", "cd" * 32, code=1)["faults"][0]["code"] == "salt-differs"
    error = ada.refused("salt-exists", "sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside")
    assert error["item"] == "diary.md.salt"
    leave(ada, monkeypatch)
    (fault,) = ada.json("verify", "diary.md", "--vkey", vkey, code=1)["faults"]
    assert (fault["code"], "another salt" in fault["reason"]) == ("receipt-invalid", True)


def test_rows_travel_with_their_ids_and_salts(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.rows("data.jsonl", {"text": "yes"}, {"text": "no"}, {"text": "yes"})
    out = ["--with-lineage", "out.jsonl", "--receipts"]
    document = ada.json("sign", "data.jsonl", "--rows", "text", "--by", "ada", "--sealed", *out)
    assert (document["with_lineage"], document["receipts"]) == ("out.jsonl", ["out.jsonl.receipts.parquet"])
    rows = [json.loads(line) for line in (ada.folder / "out.jsonl").read_text().splitlines()]
    assert [row["lineage_id"] for row in rows] == [item["id"] for item in document["artifacts"]]
    assert all(row["lineage_salt"] not in json.dumps(document) for row in rows)
    again = ada.json("sign", "out.jsonl", "--rows", "text", "--by", "ada")
    assert (again["new"], again["already_logged"]) == (0, 2)
    ran = ada(
        "sign", "data.jsonl", "--rows", "text", "--by", "ada", "--sealed", "--with-lineage", "again.jsonl"
    )
    assert "With its lineage: again.jsonl" in ran.out
    vkey = ada.json("status")["vkey"]
    leave(ada, monkeypatch)
    assert ada.json("verify", "out.jsonl", "--vkey", vkey)["rows"] == {
        "verified": 3,
        "unlogged": 0,
        "invalid": 0,
    }
    # without its salt a row is unlogged; with another it is invalid
    rows[0]["lineage_salt"], rows[1]["lineage_salt"] = None, rows[0]["lineage_salt"]
    ada.rows("out.jsonl", *rows)
    assert ada.json("verify", "out.jsonl", "--vkey", vkey, code=1)["rows"] == {
        "verified": 1,
        "unlogged": 1,
        "invalid": 1,
    }


def test_a_dataset_with_another_rows_salt_or_id_is_refused_by_row(ada: Cli) -> None:
    ada.rows("data.jsonl", {"text": "yes"}, {"text": "no"})
    ada("sign", "data.jsonl", "--rows", "text", "--by", "ada", "--sealed", "--with-lineage", "out.jsonl")
    rows = [json.loads(line) for line in (ada.folder / "out.jsonl").read_text().splitlines()]
    for name, code in (("lineage_salt", "salt-differs"), ("lineage_id", "lineage-id-differs")):
        swapped = [rows[0], {**rows[1], name: rows[0][name]}]
        ada.rows("bad.jsonl", *swapped)
        error = ada.refused(code, "sign", "bad.jsonl", "--rows", "text", "--by", "ada")
        assert error["item"].startswith("bad.jsonl, row 1 (line 2), column 'lineage_")
    ada.rows("bad.jsonl", rows[0], {**rows[1], "text": "No"})
    ada.refused("lineage-id-differs", "sign", "bad.jsonl", "--rows", "text", "--by", "ada")


def test_an_unsealed_dataset_gets_its_ids_too(ada: Cli) -> None:
    rows = [{"text": f"a text that is long enough to be unguessable, number {number}"} for number in range(3)]
    ada.rows("data.jsonl", *rows)
    document = ada.json("sign", "data.jsonl", "--rows", "text", "--by", "ada", "--with-lineage", "out.jsonl")
    found = [json.loads(line) for line in (ada.folder / "out.jsonl").read_text().splitlines()]
    assert [row["lineage_id"] for row in found] == [item["id"] for item in document["artifacts"]]
    assert {row["lineage_salt"] for row in found} == {None}


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ["diary.md", "--salt-beside"]),
        ("usage", ["data.jsonl", "--rows", "text", "--sealed", "--salt-beside"]),
        ("usage", ["diary.md", "--sealed", "--with-lineage", "out.md"]),
        ("usage", ["lines.txt", "--rows", ".", "--with-lineage", "out.txt"]),
        ("usage", ["data.jsonl", "--rows", "text", "--with-lineage", "out.parquet"]),
        ("file-exists", ["data.jsonl", "--rows", "text", "--with-lineage", "data.jsonl"]),
        ("file-not-found", ["data.jsonl", "--rows", "text", "--with-lineage", "no/out.jsonl"]),
        ("no-paths", ["data.jsonl", "diary.md", "--rows", "text", "--with-lineage", "out.jsonl"]),
        ("usage", ["diary.md", "--again", "--sealed"]),
        ("usage", ["diary.md", "--again", "--dry-run"]),
    ],
)
@pytest.mark.parametrize("more", [(), ("--dry-run",)])
def test_what_does_not_go_together_is_refused_before_anything_is_signed(
    ada: Cli, code: str, arguments: list[str], more: tuple[str, ...]
) -> None:
    ada.write("diary.md", "dear diary")
    ada.write("lines.txt", "one\n")
    ada.rows("data.jsonl", {"text": "one"})
    before = sorted(ada.folder.iterdir())
    error = ada.refused(code, "sign", *arguments, "--by", "ada", *more)
    assert sorted(ada.folder.iterdir()) == before
    assert error["fix"]


def test_what_is_signed_stays_signed_whatever_becomes_of_the_salts(
    ada: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told on stderr, in the document and by the exit code."""
    from ledger.api import travelling
    from ledger.errors import StoreFault

    def full(*_arguments: object, **_options: object) -> None:
        raise StoreFault("store-failed", "diary.md.salt", "it cannot be written", "Free some space.")

    ada.write("diary.md", "dear diary")
    monkeypatch.setattr(travelling, "write_atomically", full)
    ran = ada("sign", "diary.md", "--by", "ada", "--sealed", "--salt-beside", "--json")
    assert ran.code == 2
    assert ran.document["new"] == 1
    assert (ran.document["salts"], ran.document["salts_error"]["code"]) == ([], "store-failed")
    assert "Not written: diary.md.salt" in ran.err
    monkeypatch.undo()


def test_a_folder_is_sealed_and_its_salts_are_no_content(ada: Cli) -> None:
    (ada.folder / "diary").mkdir()
    for number in range(10):
        ada.write(f"diary/{number}.md", f"day {number}")
    options = ("--by", "ada", "--sealed", "--salt-beside", "--receipts")
    ran = ada("sign", "diary", *options)
    assert "Salts: diary/0.md.salt, and 9 others beside their files" in ran.out
    again = ada("sign", "diary", *options)
    assert "10 already logged" in again.out
    assert "left out: 20" in again.err


def test_a_sealed_experience_shows_its_case_to_who_has_the_salt(
    ada: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada.write("incident.json", json.dumps(EXPERIENCE))
    document = ada.json("sign", "incident.json", "--by", "ada", "--kind", "experience", "--sealed")
    artifact = document["artifacts"][0]["id"]
    assert "case: some case" in ada("trace", artifact).out
    leave(ada, monkeypatch)
    assert "some case" not in ada("trace", artifact).out


def test_sealing_without_the_ledger(ada: Cli) -> None:
    ada.write("diary.md", "dear diary")
    ada.rows("data.jsonl", {"text": "yes"})
    offline = ("--by", "ada", "--offline", "--sealed")
    document = ada.json("sign", "diary.md", *offline, "--salt-beside", "-o", "f.statement")
    assert document["salts"] == ["diary.md.salt"]
    ran = ada(
        "sign", "data.jsonl", "--rows", "text", *offline, "-o", "r.statement", "--with-lineage", "out.jsonl"
    )
    assert "With its lineage: out.jsonl" in ran.out
    ran = ada("trace", "diary.md")
    assert (ran.code, "not in this log yet" in ran.out) == (1, True)
    assert ada("append", "f.statement", "r.statement").code == 0
    assert ada.json("trace", "diary.md")["id"] == document["artifacts"][0]["id"]
    assert ada.json("sign", "out.jsonl", "--rows", "text", "--by", "ada")["already_logged"] == 1
    assert ada.json("sign", "diary.md", "--by", "ada", "--sealed")["already_logged"] == 1


def test_the_doctor_looks_at_the_vault(ada: Cli) -> None:
    def salts() -> dict[str, object] | None:
        found = [item for item in ada.json("doctor", code=code)["findings"] if item["name"] == "salts"]
        return found[0] if found else None

    code = 0
    assert salts() is None
    ada.write("diary.md", "dear diary")
    ada("sign", "diary.md", "--by", "ada", "--sealed")
    found = salts()
    assert found is not None
    assert found["ok"]
    assert "1 in " in str(found["what"])
    (vault,) = ada.config.rglob("salts.sqlite")
    vault.chmod(0o644)
    code = 1
    found = salts()
    assert found is not None
    assert (found["ok"], "chmod 600" in str(found["fix"])) == (False, True)
    vault.chmod(0o600)
    shutil.copy(vault, vault.with_name("copy"))
    vault.write_bytes(vault.read_bytes()[:-4096])
    found = salts()
    assert found is not None
    assert not found["ok"]


def test_no_salt_is_in_the_ledger_folder(ada: Cli) -> None:
    ada.write("diary.md", "dear diary")
    ada("sign", "diary.md", "--by", "ada", "--sealed")
    (vault,) = ada.config.rglob("salts.sqlite")
    assert not list(Path(ada.ledger).rglob("*salt*"))
    assert vault.is_relative_to(ada.config)

"""`sign --receipts` and `verify`: receipts that travel (SPEC §11.4)."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from tests.test_cli.command import Cli

LONG = "A text that is long enough for nobody to guess it, which is why it has no note on the side.\n"


@pytest.fixture
def away(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Files with their receipts, and then neither ledger nor keys."""
    ada.write("notes.md", LONG)
    ada.rows("data.jsonl", *({"text": f"{LONG} {number}", "n": number} for number in range(5)))
    ada.json("sign", "notes.md", "--receipts")
    ada.json("sign", "data.jsonl", "--rows", "text", "--receipts")
    ada.write("vkey", ada.json("status")["vkey"])
    monkeypatch.setenv("LINEAGE_LEDGER", str(ada.folder / "no-ledger"))
    monkeypatch.setenv("LINEAGE_CONFIG", str(ada.folder / "no-keys"))
    shutil.rmtree(ada.ledger)
    shutil.rmtree(ada.config)
    return ada


def vkey(cli: Cli) -> str:
    return (cli.folder / "vkey").read_text()


def test_sign_writes_receipts_beside_files_and_rows(ada: Cli) -> None:
    (ada.folder / "d").mkdir()
    for name in ("a", "b"):
        ada.write(f"d/{name}.md", LONG + name)
    rows = ada.rows("data.jsonl", {"text": LONG}, {"text": LONG + "2"})
    document = ada.json("sign", "d", "--receipts")
    assert document["receipts"] == ["d/a.md.tlog-proof", "d/b.md.tlog-proof"]
    assert all((ada.folder / path).is_file() for path in document["receipts"])
    ran = ada("sign", rows, "--rows", "text", "--receipts")
    assert (ran.code, "Receipts: " in ran.out, "lineage verify" in ran.out) == (0, True, True)
    again = ada.json("sign", rows, "--rows", ".", "--receipts", code=2)
    assert again["receipts_error"]["code"] == "receipt-exists"
    assert (again["new"], again["receipts"]) == (2, [])
    assert "receipts" not in ada.json("sign", rows, "--rows", "text")


def test_receipts_in_a_folder_are_not_signed_with_it(ada: Cli) -> None:
    (ada.folder / "d").mkdir()
    ada.write("d/a.md", LONG)
    ada.json("sign", "d", "--receipts")
    ran = ada("sign", "d", "--receipts")
    assert (ran.code, "1 already logged" in ran.out) == (0, True)
    assert "Receipts, salts and proofs beside their files left out: 1" in ran.err


def test_what_lies_there_is_found_before_anything_is_signed(ada: Cli) -> None:
    ada.write("notes.md", LONG)
    ada.write("notes.md.tlog-proof", "my own notes")
    error = ada.refused("receipt-exists", "sign", "notes.md", "--receipts")
    assert "notes.md.tlog-proof" in error["item"]
    ada.rows("data.jsonl", {"text": LONG})
    ada.write("data.jsonl.receipts.parquet", b"PAR1")
    ada.refused("receipt-exists", "sign", "data.jsonl", "--rows", "text", "--receipts")
    ada.refused("usage", "sign", "notes.md", "--again", "--receipts")


def test_without_the_library_nothing_is_signed(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    ada.rows("data.jsonl", {"text": LONG})
    error = ada.refused("extra-missing", "sign", "data.jsonl", "--rows", "text", "--receipts")
    assert error["fix"] == "Run: pip install 'lineage-ledger[parquet]'"


def test_a_receipt_is_verified_where_nothing_else_is(away: Cli) -> None:
    document = away.json("verify", "notes.md", "--vkey", vkey(away))
    (file,) = document["files"]
    assert document == {
        "ok": True,
        "level": "L1",
        "proves": "logged and signed",
        "humans": [file["signers"][0]["maker"]],
        "unknown": ["standing", "time", "ancestry"],
        "standing": "unknown",
        "faults": [],
        "trusted": {"vkey": vkey(away), "because": "given"},
        "files": [file],
    }
    assert file == {
        "path": "notes.md",
        "receipt": "notes.md.tlog-proof",
        "ok": True,
        "checkpoint_size": 6,
        "id": file["id"],
        "kind": "work",
        "stance": "made",
        "log_index": 4,
        "record_index": 0,
        "signers": [
            {"maker": file["signers"][0]["maker"], "role": "human", "stance": "made", "artifacts": 1}
        ],
        "faults": [],
    }
    ran = away("verify", "notes.md", "--vkey", vkey(away))
    assert ran.code == 0
    for words in (
        "notes.md: logged and signed (L1)",
        f"signed by  {file['signers'][0]['maker'][:16]} (human)",
        "before the log had 6 entries",
        "Standing: unknown.",
        "by the vkey that you gave.",
    ):
        assert words in ran.out


def test_rows_are_verified_and_counted(away: Cli) -> None:
    document = away.json("verify", "data.jsonl", "notes.md", "--vkey", vkey(away))
    assert document["rows"] == {"verified": 5, "unlogged": 0, "invalid": 0}
    assert (document["files"][0]["column"], len(document["files"])) == ("text", 2)
    assert document["files"][0]["signers"][0]["artifacts"] == 5
    rows = [json.loads(line) for line in (away.folder / "data.jsonl").read_text().splitlines()]
    rows[1]["text"] += "."
    away.rows("data.jsonl", *rows, {"text": "new"})
    document = away.json("verify", "data.jsonl", "--vkey", vkey(away), code=1)
    assert document["rows"] == {"verified": 4, "unlogged": 1, "invalid": 1}
    assert (document["ok"], document["level"], document["proves"]) == (False, "L0", None)
    assert [fault["code"] for fault in document["faults"]] == ["receipt-invalid"]
    ran = away("verify", "data.jsonl", "--vkey", vkey(away))
    assert ran.code == 1
    for words in ("4 rows logged and signed", "1 without a receipt", "1 invalid", "row 1: "):
        assert words in ran.out


def test_of_several_files_each_has_its_faults(away: Cli) -> None:
    away.write("notes.md", LONG + "!")
    document = away.json("verify", "data.jsonl", "notes.md", "--vkey", vkey(away), code=1)
    assert [len(file["faults"]) for file in document["files"]] == [0, 1]
    assert document["files"][1]["faults"] == document["faults"]


def test_a_negative_verdict_ends_with_1(away: Cli) -> None:
    away.write("notes.md", LONG + "!")
    ran = away("verify", "notes.md", "--vkey", vkey(away))
    assert (ran.code, "notes.md: NOT proved" in ran.out) == (1, True)
    assert "Standing" not in ran.out
    document = away.json("verify", "notes.md", "--vkey", vkey(away), code=1)
    assert (document["ok"], document["humans"], document["files"][0]["signers"]) == (False, [], [])
    receipt = away.folder / "data.jsonl.receipts.parquet"
    receipt.write_bytes(receipt.read_bytes()[:-9])
    document = away.json("verify", "data.jsonl", "--vkey", vkey(away), code=1)
    assert document["faults"][0]["code"] == "receipt-invalid"


def test_usage_ends_with_2(away: Cli) -> None:
    trusted = ("--vkey", vkey(away))
    bare = away.write("bare.md", LONG)
    for code, arguments in (
        ("vkey-missing", ["notes.md"]),
        ("key-refused", ["notes.md", "--vkey", "log.example"]),
        ("receipt-missing", ["notes.md", bare, *trusted]),
        ("file-not-found", ["nowhere.md", *trusted]),
        ("file-not-found", ["notes.md", "--receipt", "nowhere", *trusted]),
        ("usage", ["notes.md", "data.jsonl", "--receipt", "notes.md.tlog-proof", *trusted]),
        ("usage", ["notes.md", "data.jsonl", "--salt", "ab" * 32, *trusted]),
        ("schema", ["notes.md", "--salt", "ab", *trusted]),
        ("file-not-found", ["proof.lineage", *trusted]),
        ("not-a-ledger", ["notes.md", "--ledger", away.folder]),
    ):
        ran = away("verify", *arguments, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (2, code), arguments
        assert ran.document["error"]["fix"], arguments


def test_the_receipt_may_lie_elsewhere(away: Cli) -> None:
    (away.folder / "downloads").mkdir()
    shutil.move(away.folder / "notes.md.tlog-proof", away.folder / "downloads" / "r")
    receipt = Path("downloads", "r")
    assert away("verify", "notes.md", "--vkey", vkey(away)).code == 2
    assert away.json("verify", "notes.md", "--receipt", receipt, "--vkey", vkey(away))["ok"]


def test_receipts_of_file_and_rows_are_both_checked(ada: Cli) -> None:
    rows = ada.rows("data.jsonl", {"text": LONG}, {"text": LONG + "2"})
    ada.json("sign", rows, "--rows", "text", "--receipts")
    ada.json("sign", rows, "--receipts")
    document = ada.json("verify", "data.jsonl")
    assert [file["receipt"] for file in document["files"]] == [
        "data.jsonl.tlog-proof",
        "data.jsonl.receipts.parquet",
    ]
    assert (document["trusted"]["because"], document["rows"]["verified"]) == ("ledger", 2)
    assert "by the ledger at hand (self-trusted)" in ada("verify", "data.jsonl").out


def test_a_receipt_of_another_log_is_no_proof(
    away: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "other"))
    monkeypatch.setenv("LINEAGE_CONFIG", str(tmp_path / "other-keys"))
    away.begin("eve")
    document = away.json("verify", "notes.md", code=1)
    assert [fault["code"] for fault in document["faults"]] == ["note-invalid"]
    assert "it says that it is of log 'localhost/lineage/" in document["faults"][0]["reason"]
    assert document["trusted"]["because"] == "ledger"


def test_a_pairs_human_is_named(ada: Cli) -> None:
    ada(
        "identity",
        "new",
        "ada+model",
        "--role",
        "pair",
        "--of",
        "ada",
        "--substrate",
        "family/m@1",
        "--unencrypted",
    )
    ada.write("made.md", LONG)
    ran = ada("sign", "made.md", "--by", "ada+model", "--receipts")
    assert ran.code == 0, ran.err
    (signer,) = ada.json("verify", "made.md")["files"][0]["signers"]
    assert ada.json("verify", "made.md")["humans"] == [signer["anchor"]]
    assert f"(pair), answered for by {signer['anchor'][:16]} (human)" in ada("verify", "made.md").out


def test_a_vkey_moves_no_cursor(away: Cli) -> None:
    """The name in a vkey is whatever its owner chose."""
    hostile = Vkey.make("log\x9b31m.example\u202e", ed25519.public_key(b"k" * 32))
    ran = away("verify", "notes.md", "--vkey", str(hostile))
    assert ran.code == 1
    assert ran.out.replace("\n", "").isprintable()
    assert "log\\x9b31m.example\\u202e" in ran.out


def test_a_receipt_that_is_named_itself_names_its_file(away: Cli) -> None:
    for receipt, about in (
        ("notes.md.tlog-proof", "notes.md"),
        ("data.jsonl.receipts.parquet", "data.jsonl"),
    ):
        ran = away("verify", receipt, "--vkey", vkey(away), "--json")
        error = ran.document["error"]
        assert (ran.code, error["code"]) == (2, "receipt-missing")
        assert error["fix"] == f"Name what it is about: lineage verify {about}"


def test_content_that_is_no_json_is_named(ada: Cli) -> None:
    """Of several files, which?"""
    rows = ada.rows("one.jsonl", {"a": LONG})
    (signed,) = ada.json("sign", rows, "--rows", ".")["artifacts"]
    ada.write("row.json", "no json")
    ada.json("log", "proof", signed["id"], "-o", "row.json.tlog-proof")
    ran = ada("verify", "row.json", "--json")
    assert (ran.code, ran.document["error"]["item"]) == (2, "row.json")

"""`--offline`: keys and signatures where no ledger is, appended where it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ledger.signer.statement_file import open_statements
from ledger.statements.entry import decode_entry
from tests.test_cli.command import Cli


@pytest.fixture
def away(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    """The ledger is at home, and here is a machine without it; the log's vkey."""
    vkey = str(ada.json("status")["vkey"])
    leave(ada, monkeypatch)
    return vkey


def leave(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    go(cli, monkeypatch, cli.folder.parent / "away")


def come_home(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    go(cli, monkeypatch, cli.folder.parent)


def go(cli: Cli, monkeypatch: pytest.MonkeyPatch, to: Path) -> None:
    cli.ledger, cli.config = to / "ledger", to / "keys"
    monkeypatch.setenv("LINEAGE_CONFIG", str(cli.config))
    monkeypatch.setenv("LINEAGE_LEDGER", str(cli.ledger))


def types(path: Path) -> list[str]:
    with open_statements(path) as file:
        return [decode_entry(entry).statement.type for entry, _records in file]


def test_made_and_signed_away_appended_at_home(ada: Cli, away: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = ada.json(
        "identity", "new", "bob", "--unencrypted", "--offline", "--log", away, "-o", "bob.statement"
    )
    ada.write("notes.md", "notes from afar")
    rows = ada.rows("data.jsonl", {"text": "row 0"}, {"text": "row 1"})
    signed = ada.json(
        "sign", "notes.md", "--offline", "--log", away, "-o", "notes.statement", "--license", "CC0-1.0"
    )
    (artifact,) = signed["artifacts"]
    assert artifact == {"id": artifact["id"], "path": "notes.md", "statement": 1}
    assert (signed["new"], signed["output"]) == (1, "notes.statement")
    ran = ada(
        *("sign", rows, "--rows", "text", "--by", "bob", "--offline", "--log", away, "-o", "rows.statement"),
        *("--parent", artifact["id"]),
    )
    assert (ran.code, "lineage append rows.statement" in ran.out) == (0, True)
    assert not ada.ledger.exists()
    assert types(ada.folder / "notes.statement") == ["enrol", "artifacts"]
    come_home(ada, monkeypatch)
    appended = ada.json("append", "rows.statement", "notes.statement", "bob.statement")
    assert (appended["appended"], appended["known"], appended["refused"]) == (3, 2, 0)
    traced = ada.json("trace", "notes.md")
    assert made["id"] in str(traced)
    assert "bob" not in ada("identity", "list").out


def test_words_name_the_next_command(ada: Cli, away: str) -> None:
    ran = ada("identity", "new", "bob", "--unencrypted", "--offline", "--log", away, "-o", "b.statement")
    assert ran.code == 0
    assert "lineage append b.statement" in ran.out
    ada.write("a.md", "a")
    ran = ada("sign", "a.md", "--offline", "--log", away, "-o", "a.statement")
    assert "Signed by 'bob' into a.statement: 1 artifact" in ran.out


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ["--offline"]),
        ("usage", ["-o", "new.statement"]),
        ("usage", ["--log", "VKEY"]),
        ("log-unknown", ["--offline", "-o", "new.statement"]),
        ("not-offline", ["--offline", "-o", "new.statement", "--again"]),
        ("not-offline", ["--offline", "-o", "new.statement", "--receipts"]),
        ("key-refused", ["--offline", "-o", "new.statement", "--log", "no vkey"]),
    ],
)
def test_refusals(ada: Cli, monkeypatch: pytest.MonkeyPatch, code: str, arguments: list[str]) -> None:
    leave(ada, monkeypatch)
    ada.write("notes.md", "notes")
    assert ada.refused(code, "sign", "notes.md", "--by", "ada", *arguments)["fix"]
    assert not (ada.folder / "new.statement").exists()


def test_refusals_that_know_the_log(ada: Cli, away: str) -> None:
    ada.write("notes.md", "notes")
    offline = ["--offline", "--log", away]
    new = ["identity", "new", "bob", "--unencrypted", *offline]
    ada.refused("usage", *new)
    ada.refused("file-exists", *new, "-o", "notes.md")
    ada.refused("not-offline", *new, "-o", "n", "--role", "pair", "--of", "ada")
    ada.refused("name-unknown", "sign", "notes.md", *offline, "-o", "n")
    assert ada(*new, "-o", "bob.statement").code == 0
    sign = ["sign", "notes.md", *offline, "-o"]
    ada.refused("file-exists", *sign, "notes.md")
    ada.refused("not-offline", *sign, "n", "--kind", "experience")
    ada.refused("schema", *sign, "n", "--parent", "notes.md")
    ada.refused("file-not-found", "sign", "none.md", *offline, "-o", "n")
    assert not (ada.folder / "n").exists()


def test_what_is_left_out_and_what_can_be_guessed_is_said_offline_too(ada: Cli, away: str) -> None:
    assert ada("identity", "new", "bob", "--unencrypted", "--offline", "--log", away, "-o", "b").code == 0
    folder = ada.folder / "d"
    folder.mkdir()
    for name in (".hidden", "a.md", "a.md.tlog-proof"):
        (folder / name).write_text("short")
    ran = ada("sign", folder, "--offline", "--log", away, "-o", "d.statement")
    assert ran.code == 0
    for words in (
        "Hidden files and folders left out: 1",
        "beside their files left out: 1",
        "under 64 bytes: 1",
    ):
        assert words in ran.err


def test_pair_signs_offline_once_it_has_signed_at_home(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice that an error gives is one that helps."""
    new = ("identity", "new", "ada+model", "--role", "pair", "--of", "ada", "--substrate", "m@1")
    assert ada(*new, "--unencrypted").code == 0
    for name in ("first.md", "second.md"):
        ada.write(name, f"Written by both of us, {name}.")
    offline = ("sign", "second.md", "--by", "ada+model", "--offline", "-o", "second.statement")
    shutil.copytree(ada.config, ada.folder.parent / "away" / "keys")
    leave(ada, monkeypatch)
    assert "Sign once by it where the ledger is" in ada.refused("not-delegated", *offline)["fix"]
    come_home(ada, monkeypatch)
    assert ada("sign", "first.md", "--by", "ada+model").code == 0
    shutil.rmtree(ada.folder.parent / "away")
    shutil.copytree(ada.config, ada.folder.parent / "away" / "keys")
    leave(ada, monkeypatch)
    assert ada(*offline).code == 0
    come_home(ada, monkeypatch)
    assert ada.json("append", "second.statement")["appended"] == 1

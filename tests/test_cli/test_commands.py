"""What every command does when all is well, and the documents that programs may count on."""

from __future__ import annotations

import argparse
import json
import stat
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.cli.main import build_parser, main
from ledger.spec import GUESSABLE_BYTES
from tests.test_cli.command import Cli

EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}
LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "


def parsers() -> list[argparse.ArgumentParser]:
    """The parser of every command and verb."""
    found, waiting = [], [build_parser()]
    while waiting:
        parser = waiting.pop()
        found.append(parser)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()
    return found


def test_every_help_shows_an_example() -> None:
    every = parsers()
    assert len(every) == 1 + 16 + 12 + 6 + 5  # lineage; its commands; the verbs of identity, log and notice
    for parser in every:
        assert any(line.startswith("  lineage ") for line in parser.format_help().splitlines()), parser.prog


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.prog)
def test_help_ends_well_and_goes_to_stdout(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*parser.prog.split()[1:], "--help"])
    assert ended.value.code == 0
    assert parser.prog in capsys.readouterr().out


@pytest.mark.parametrize("parser", parsers()[1:], ids=lambda parser: parser.prog)
def test_every_example_is_a_legal_command_line(parser: argparse.ArgumentParser) -> None:
    import shlex

    lines = [line.strip() for line in parser.format_help().split("examples:\n")[1].splitlines()]
    for line in lines:
        args = build_parser().parse_args(shlex.split(line)[1:])
        assert callable(args.run), line


def test_without_a_command_help_is_printed_and_the_exit_code_is_2(cli: Cli) -> None:
    ran = cli()
    assert (ran.code, ran.out) == (2, "")
    assert "lineage init" in ran.err


def test_version(cli: Cli) -> None:
    ran = cli("--version")
    assert (ran.code, ran.out.split()[0], ran.err) == (0, "lineage", "")


def test_init_makes_a_ledger_and_keys_that_only_their_owner_reads(cli: Cli) -> None:
    document = cli.json("init", "--unencrypted", "--origin", "log.example/one")
    assert {"log_origin", "vkey"} <= document.keys()
    assert document["log_origin"] == "log.example/one"
    assert document["vkey"].startswith("log.example/one+")
    files = list(cli.config.rglob("*.key"))
    assert len(files) == 5, "the log's, three of the operator and his secret of pseudonyms"
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert not list(cli.ledger.rglob("*.key"))


def test_origins_differ_by_default(cli: Cli, tmp_path: Path) -> None:
    one = cli.json("init", "--unencrypted")
    other = cli.json("init", "--unencrypted", "--ledger", tmp_path / "other")
    assert one["log_origin"] != other["log_origin"]


def test_identities_are_made_listed_and_shown(ada: Cli) -> None:
    pair = ada.json(
        "identity",
        "new",
        "ada+m",
        "--role",
        "pair",
        "--of",
        "ada",
        "--substrate",
        "model@1.0",
        "--unencrypted",
    )
    assert {"id", "role"} <= pair.keys()
    assert pair["role"] == "pair"
    listed = {item["name"]: item for item in ada.json("identity", "list")["identities"]}
    assert set(listed) == {"ada", "ada+m", "operator"}
    shown = ada.json("identity", "show", "ada+m")
    assert (shown["id"], shown["anchor"]) == (pair["id"], listed["ada"]["id"])
    assert [item["substrate"] for item in shown["delegations"]] == ["model@1.0"]
    assert ada.json("identity", "show", pair["id"]) == shown


def test_a_delegation_is_changed(ada: Cli) -> None:
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--unencrypted")
    scope = ("--kinds", "output,experience", "--until", "2100-01-31", "--count", "9", "--human-up-to", "20%")
    document = ada.json(
        "identity", "delegate", "p", "--substrate", "model@1.1", "--weights", "ab" * 32, *scope
    )
    assert document["log_index"] == 6
    (delegation,) = ada.json("identity", "show", "p")["delegations"]
    assert delegation["scope"] == {
        "kinds": ["output", "experience"],
        "until": 4_105_036_800_000,
        "count": 9,
        "human": 200_000,
    }
    assert "until 2100-01-31" in ada("identity", "show", "p").out


def test_signing_files_and_folders(ada: Cli) -> None:
    first = ada.write("a.md", LONG)
    folder = ada.folder / "more"
    folder.mkdir()
    (folder / "b.md").write_text(LONG + "b")
    (folder / ".hidden").write_text("not meant")
    document = ada.json("sign", first, folder, "--by", "ada")
    assert document.keys() >= {"artifacts", "new", "already_logged"}
    assert (document["new"], document["already_logged"]) == (2, 0)
    assert [item["path"] for item in document["artifacts"]] == [str(first), str(folder / "b.md")]
    assert {item["log_index"] for item in document["artifacts"]} == {4}
    again = ada.json("sign", first, "--by", "ada")
    assert (again["new"], again["already_logged"]) == (0, 1)
    assert again["artifacts"] == document["artifacts"][:1]


def test_hidden_files_left_out_are_said_on_stderr(ada: Cli) -> None:
    ada.write("a.md", LONG)
    ada.write(".secret", LONG)
    ran = ada("sign", ada.folder)
    assert "left out: 1" in ran.err
    assert ".secret" not in ran.out


def test_signing_rows(ada: Cli) -> None:
    data = ada.rows("d.jsonl", *({"text": text} for text in (LONG, LONG + "2", LONG)))
    document = ada.json("sign", data, "--rows", "text")
    assert [item["row_index"] for item in document["artifacts"]] == [0, 1, 2]
    ids = [item["id"] for item in document["artifacts"]]
    assert ids[0] == ids[2] != ids[1]
    assert (document["new"], document["already_logged"]) == (2, 0)
    assert "1 copies" in ada("sign", data, "--rows", "text").out
    whole = ada.json("sign", data, "--rows", ".")
    assert (whole["new"], whole["artifacts"][0]["id"] != ids[0]) == (2, True)


def test_short_contents_are_named_once_on_stderr(ada: Cli) -> None:
    texts = ("x" * (GUESSABLE_BYTES - 1), "x" * GUESSABLE_BYTES, "short")
    data = ada.rows("d.jsonl", *({"text": text, "n": 1} for text in texts))
    assert f"Contents under {GUESSABLE_BYTES} bytes: 2." in ada("sign", data, "--rows", "text").err
    assert ada("sign", ada.write("a.md", LONG)).err == ""
    assert ada("sign", data, "--rows", "n").err == "", "a number's content is of form jcs"


def test_an_experience_is_kept_and_its_case_is_shown(ada: Cli) -> None:
    file = ada.write("e.json", json.dumps(EXPERIENCE))
    signed = ada.json("sign", file, "--kind", "experience", "--confidence", "80%", "--stake", "low")
    assert len(list((ada.ledger / "content").rglob("*"))) == 2
    assert "case: some case" in ada("trace", signed["artifacts"][0]["id"]).out


def trace_keys(document: dict[str, Any]) -> int:
    """How many artifacts the tree holds; each has the keys that are kept."""
    assert document.keys() >= {"id", "level", "kind", "maker", "humans", "status", "parents"}
    return 1 + sum(trace_keys(parent) for parent in document["parents"])


def test_a_trace_reaches_the_humans(ada: Cli) -> None:
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    source, summary = ada.write("s@home.md", LONG), ada.write("out.md", LONG + "!")
    ada("sign", source, "--by", "ada")
    ada(
        "sign", summary, "--by", "p", "--parent", f"derived-from={source}@60%", "--parent", f"quotes={source}"
    )
    document = ada.json("trace", summary)
    assert trace_keys(document) == 3
    human = ada.json("identity", "show", "ada")["id"]
    assert document["humans"] == document["authors"] == [human]
    assert [(item["relation"], item["share_ppm"]) for item in document["parents"]] in (
        [("derived-from", 600_000), ("quotes", None)],
        [("quotes", None), ("derived-from", 600_000)],
    )
    assert document["level"] == "L2"
    words = ada("trace", summary).out
    assert "derived-from 60 %" in words
    assert f"ada ({human})" in words
    assert "Not proven" in words
    assert ada.json("trace", document["id"][:16].upper()) == document
    assert ada.json("trace", "--text", LONG + "!") == document


def test_a_trace_is_cut_where_it_is_told_to(ada: Cli) -> None:
    names = [ada.write(f"{number}.md", LONG + str(number)) for number in range(4)]
    ada("sign", names[0])
    for former, name in pairwise(names):
        ada("sign", name, "--parent", former)
    assert trace_keys(ada.json("trace", names[3])) == 4
    cut = ada.json("trace", names[3], "--depth", "1")
    assert (trace_keys(cut), cut["parents"][0]["cut"]) == (2, 1)
    assert "--depth shows them" in ada("trace", names[3], "--depth", "1").out


def test_rival_claims_are_told(ada: Cli) -> None:
    ada("identity", "new", "eve", "--unencrypted")
    file = ada.write("a.md", LONG)
    ada("sign", file, "--by", "ada")
    rival = ada.json("sign", file, "--by", "eve")["artifacts"][0]["id"]
    assert ada.json("trace", file)["rivals"] == [rival]
    assert "First come is not first believed" in ada("trace", file).out


def test_what_is_not_logged_is_a_negative_verdict(ada: Cli) -> None:
    for what in (("trace", ada.write("a.md", LONG)), ("trace", "ab" * 8), ("trace", "--text", "never seen")):
        document = ada.json(*what, code=1)
        assert (document["level"], document["status"], trace_keys(document)) == ("L0", "unknown", 1)
        assert ada(*what).code == 1


def test_reported_text_has_no_humans(ada: Cli) -> None:
    file = ada.write("a.md", LONG)
    ada(
        "sign", file, "--reported", "Some Body", "--license", "CC-BY-4.0", "--source", "https://example.org/x"
    )
    document = ada.json("trace", file)
    assert (document["level"], document["humans"]) == ("L1", [])


def test_what_is_unknown_never_ends_well(ada: Cli) -> None:
    """A parent in another log: the record stands, what it descends from is not known here."""
    file = ada.write("a.md", LONG)
    foreign = ledger.Parent("derived-from", bytes(32), 500_000, log=b"l" * 32)
    with ledger.open() as door:
        door.sign([file], "ada", ledger.Claim(parents=(foreign,)))
    document = ada.json("trace", file, code=1)
    assert trace_keys(document) == 2
    assert document["parents"][0]["log"] == (b"l" * 32).hex()
    assert "of another log: unknown" in ada("trace", file).out


def test_the_checkpoint_is_renewed_on_request(ada: Cli) -> None:
    old = ada.json("log", "checkpoint")
    assert old.keys() >= {"origin", "size", "root", "note"}
    new = ada.json("log", "checkpoint", "--fresh")
    assert new["size"] == old["size"] + 1
    assert ada("log", "checkpoint").out == new["note"]


def test_proofs_are_written_or_printed(ada: Cli) -> None:
    file = ada.write("a.md", LONG)
    ada("sign", file)
    document = ada.json("log", "proof", file)
    assert document["proof"].startswith("c2sp.org/tlog-proof@v1\n")
    out = ada.folder / "a.md.tlog-proof"
    assert ada.json("log", "proof", file, "-o", out)["path"] == str(out)
    assert out.read_text() == document["proof"]
    bare = ada.json("log", "proof", document["id"], "--bare")["proof"]
    assert len(bare) < len(document["proof"])


def test_a_proof_takes_the_place_of_no_other_file(ada: Cli) -> None:
    """Whoever names the file itself for its proof would lose it."""
    note = ada.write("note.md", LONG)
    ada.json("sign", note)
    assert ada.refused("file-exists", "log", "proof", note, "-o", note)["fix"]
    assert note.read_text() == LONG
    empty = ada.write("proof", "")
    for _ in range(2):  # an empty file, then a proof
        assert ada("log", "proof", note, "-o", empty).code == 0
    assert empty.read_text().startswith("c2sp.org/tlog-proof@v1\n")


def test_a_published_copy_is_audited_like_the_ledger(ada: Cli) -> None:
    ada("sign", ada.write("a.md", LONG))
    vkey = ada.json("status")["vkey"]
    public = ada.folder / "public"
    assert ada.json("log", "publish", public)["size"] == 6
    reports = [ada.json("audit"), ada.json("audit", ada.ledger), ada.json("audit", public, "--vkey", vkey)]
    for report in reports:
        assert (report["ok"], report["size"], report["records"], report["faults"]) == (True, 6, 1, [])
    assert [report["self_trusted"] for report in reports] == [True, True, False]


def test_an_audit_that_finds_a_fault_or_a_gap_is_negative(ada: Cli) -> None:
    ada("sign", ada.write("a.md", LONG))
    ada("log", "publish", ada.folder / "public")
    (bundle,) = (ada.folder / "public" / "records").rglob("1")
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(data)
    report = ada.json("audit", ada.folder / "public", code=1)
    assert report["ok"] is False
    assert {"log_index", "what"} <= report["faults"][0].keys()
    assert "FAULTY" in ada("audit", ada.folder / "public").out
    bundle.unlink()
    assert ada.json("audit", ada.folder / "public", code=1)["incomplete"] is True


def test_a_copy_of_another_log_is_no_copy_of_this_one(ada: Cli, tmp_path: Path) -> None:
    ada("log", "publish", ada.folder / "public")
    other = ada.json("init", "--unencrypted", "--ledger", tmp_path / "other")["vkey"]
    assert ada.json("audit", ada.folder / "public", "--vkey", other, code=1)["ok"] is False


def test_status_says_where_everything_is(ada: Cli) -> None:
    document = ada.json("status")
    assert (document["ledger"], document["size"]) == (str(ada.ledger), 4)
    assert [(item["name"], item["pending"], item["enrolled"]) for item in document["identities"]] == [
        ("ada", 0, True)
    ]
    assert "ada" in ada("status").out


def test_the_doctor_finds_a_fresh_ledger_healthy_and_advises(ada: Cli) -> None:
    document = ada.json("doctor")
    assert document["ok"] is True
    words = ada("doctor").out
    assert "NOT encrypted" in words
    assert "next.key and recovery.key are still on this machine" in words


def test_the_doctor_names_what_is_wrong_with_keys(ada: Cli) -> None:
    key = ada.keys("ada") / "current.key"
    key.chmod(0o644)
    (wrong,) = (item for item in ada.json("doctor", code=1)["findings"] if not item["ok"])
    assert wrong["fix"] == f"Run: chmod 600 '{key}'"
    key.chmod(0o600)
    key.write_text("{}")
    (wrong,) = (item for item in ada.json("doctor", code=1)["findings"] if not item["ok"])
    assert str(key) in wrong["what"]
    key.unlink()
    assert "is not here" in ada("doctor").out


def test_the_doctor_of_no_ledger(cli: Cli) -> None:
    document = cli.json("doctor", code=1)
    assert not any(item["name"].startswith("identity") for item in document["findings"])


def test_encrypted_keys_ask_for_their_passphrase(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "correct horse")
    assert cli("init").code == 0
    assert cli("identity", "new", "ada").code == 0
    assert "argon2id" in (cli.keys("ada") / "current.key").read_text()
    file = cli.write("a.md", LONG)
    assert cli.json("sign", file)["new"] == 1
    monkeypatch.delenv("LINEAGE_PASSPHRASE")
    assert cli.json("trace", file)["level"] == "L2", "reading takes no passphrase"
    secret = cli.write("passphrase", "correct horse\n")
    assert cli.json("sign", file, "--passphrase-file", secret)["already_logged"] == 1
    assert "NOT encrypted" not in cli("doctor").out

"""A wrong signing is corrected by `supersedes`; a row is a parent by its number; the examples of `sign` run."""

from __future__ import annotations

import argparse
import json
import shlex
from typing import Any

import pytest

from ledger.cli.main import build_parser
from tests.test_cli.command import Cli

TEXT = "a text that is long enough that nobody guesses it from the digest that the log holds of it. "
EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}


def signed(cli: Cli, *arguments: str) -> str:
    return str(cli.json("sign", *arguments, "--by", "ada")["artifacts"][0]["id"])


@pytest.fixture
def corrected(ada: Cli) -> tuple[Cli, str, str]:
    """notes.md, signed as all Ada's own, and then as seven tenths; the two ids."""
    ada.write("notes.md", TEXT)
    old = signed(ada, "notes.md")
    return ada, old, signed(ada, "notes.md", "--human", "70%", "--parent", f"supersedes={old[:16]}")


def test_the_correction_is_what_the_file_means_from_then_on(corrected: tuple[Cli, str, str]) -> None:
    cli, old, new = corrected
    document = cli.json("trace", "notes.md")
    assert (document["id"], document["rivals"], document["superseded"]) == (new, [], [old])
    assert [(parent["relation"], parent["id"]) for parent in document["parents"]] == [("supersedes", old)]
    ran = cli("trace", "notes.md")
    assert ran.out.startswith(f"work {new[:16]}")
    assert f"Superseded by its maker: {old[:16]}" in ran.out
    assert "Rival claims" not in ran.out
    cli.write("child.md", "child")
    cli("sign", "child.md", "--by", "ada", "--parent", "notes.md@50%")  # which is not ambiguous
    assert cli.json("trace", "child.md")["parents"][0]["id"] == new
    assert cli.json("trace", old)["id"] == old  # by its id everything is found


def test_corrections_of_corrections(corrected: tuple[Cli, str, str]) -> None:
    cli, old, new = corrected
    last = signed(cli, "notes.md", "--human", "60%", "--parent", f"supersedes={new}")
    document = cli.json("trace", "notes.md")
    assert (document["id"], document["rivals"]) == (last, [])
    assert set(document["superseded"]) == {old, new}


def test_what_claims_more_replaces_nothing_and_is_told(corrected: tuple[Cli, str, str]) -> None:
    cli, old, new = corrected
    arguments = ("sign", "notes.md", "--by", "ada", "--parent", f"supersedes={new}")
    reason = "it would raise the human share"
    foreseen = cli.json(*arguments, "--dry-run")
    assert foreseen["supersedes_in_vain"] == {new: reason}
    assert reason in cli(*arguments, "--dry-run").out
    ran = cli(*arguments)
    assert (ran.code, f"without effect: {reason}. Both claims count." in ran.err) == (0, True)
    document = cli.json("trace", "notes.md")
    assert (document["id"], len(document["rivals"]), document["superseded"]) == (new, 1, [old])
    last = document["rivals"][0]
    document = cli.json("trace", last)
    assert document["supersedes_in_vain"] == {new: reason}
    assert reason in cli("trace", last).out
    cli.refused("ambiguous", "sign", "notes.md", "--by", "ada", "--kind", "dataset", "--parent", "notes.md")


def test_another_makers_claim_is_a_rival(corrected: tuple[Cli, str, str]) -> None:
    cli, old, new = corrected
    cli("identity", "new", "bea", "--unencrypted")
    ran = cli("sign", "notes.md", "--by", "bea", "--human", "10%", "--parent", f"supersedes={new}")
    assert "another maker's" in ran.err
    document = cli.json("trace", "notes.md")
    assert (document["id"], len(document["rivals"]), document["superseded"]) == (new, 1, [old])


def test_another_content_is_not_corrected(corrected: tuple[Cli, str, str]) -> None:
    cli, _old, new = corrected
    cli.write("other.md", TEXT * 2)
    ran = cli("sign", "other.md", "--by", "ada", "--human", "10%", "--parent", f"supersedes={new}")
    assert "another content" in ran.err
    assert cli.json("trace", "notes.md")["id"] == new


def test_a_correction_that_was_disowned_corrects_nothing(corrected: tuple[Cli, str, str]) -> None:
    cli, old, new = corrected
    since = cli.json("trace", new)["log_index"]
    assert cli("identity", "rotate", "ada", "--compromised", str(since), "--yes", "--unencrypted").code == 0
    document = cli.json("trace", "notes.md")
    assert (document["id"], document["rivals"], document["superseded"]) == (old, [new], [])


@pytest.mark.parametrize("first", [(), ("--sealed",)])
@pytest.mark.parametrize("second", [(), ("--sealed",)])
def test_sealed_and_plain_claims_correct_each_other(
    ada: Cli, first: tuple[str, ...], second: tuple[str, ...]
) -> None:
    ada.write("notes.md", TEXT)
    old = signed(ada, "notes.md", *first)
    new = signed(ada, "notes.md", *second, "--human", "70%", "--parent", f"supersedes={old}")
    document = ada.json("trace", "notes.md")
    assert (document["id"], document["rivals"], document["superseded"]) == (new, [], [old])


def test_a_correction_looks_the_same_from_a_folder(ada: Cli) -> None:
    (ada.folder / "notes").mkdir()
    for number in range(3):
        ada.write(f"notes/{number}.md", TEXT + str(number))
    document = ada.json("sign", "notes", "--by", "ada")
    old = document["artifacts"][1]["id"]
    ran = ada("sign", "notes/1.md", "--by", "ada", "--human", "50%", "--parent", f"supersedes={old}")
    assert (ran.code, ran.err) == (0, "")
    assert ada.json("trace", "notes/1.md")["superseded"] == [old]


# Rows as parents.


def test_a_row_of_a_dataset_is_a_parent(ada: Cli) -> None:
    from tests.test_api import Place
    from tests.test_api_row_map import logged_rows

    place = Place.__new__(Place)
    place.folder, place.path, place.config = ada.folder, ada.ledger, str(ada.config)
    place.ada = bytes.fromhex(ada.json("identity", "show", "ada")["id"])
    rows = logged_rows(place, count=3).hex()
    ada.write("a.md", TEXT)
    for more in (["--dry-run"], []):
        document = ada.json("sign", "a.md", "--by", "ada", "--parent", f"quotes={rows[:20]}:2@40%", *more)
    (parent,) = ada.json("trace", document["artifacts"][0]["id"])["parents"]
    assert (parent["relation"], parent["id"], parent["share_ppm"]) == ("quotes", rows, 400_000)
    foreseen = ada("sign", "a.md", "--by", "ada", "--parent", f"quotes={rows}:2@40%", "--dry-run")
    assert f"quotes 40 %: {rows[:16]}:2" in foreseen.out
    for row, code in (("3", "parent-kind"), ("1048576", "schema"), ("9" * 40, "schema"), ("", "schema")):
        for more in (["--dry-run"], []):
            ada.refused(code, "sign", "a.md", "--by", "ada", "--parent", f"{rows}:{row}", *more)
    ada.write("b:2", "a file whose name looks like a row")
    ada("sign", "b:2", "--by", "ada")
    assert ada("sign", "a.md", "--by", "ada", "--parent", "b:2@10%").code == 0
    ada.refused("parent-kind", "sign", "a.md", "--by", "ada", "--parent", "b:2:0")


# The examples.


def examples() -> list[str]:
    (commands,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    text = commands.choices["sign"].format_help().split("examples:\n")[1]
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_examples_of_sign_do_what_they_say(ada: Cli) -> None:
    pair = ("--role", "pair", "--of", "ada", "--substrate", "small@1", "--unencrypted")
    assert ada("identity", "new", "ada+model", *pair).code == 0
    for name in ("notes.md", "summary.md", "diary.md"):
        ada.write(name, TEXT + name)
    ada.write("incident.json", json.dumps(EXPERIENCE))
    ada.rows("data.jsonl", {"text": TEXT + "1"}, {"text": TEXT + "2"})
    ada.rows("old.jsonl", {"text": TEXT + "3", "writer": "Grace", "url": "https://example.org/3"})
    lines = examples()
    assert len(lines) >= 11
    known = ""
    for line in lines:
        ran = ada(*shlex.split(line.replace("4f2a9c01d3e4b5a6", known))[1:])
        assert ran.code == 0, (line, ran.err)
        known = known or ada.json("trace", "notes.md")["id"][:16]
    for name in ("diary.md.salt", "data.lineage.jsonl", "notes.statement"):
        assert (ada.folder / name).is_file()


def test_the_help_of_sign_is_in_groups(ada: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """Every option stands in a group that says what it is about, but for --help; and the first lines say how to begin."""
    (commands,) = [a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction)]
    parser: Any = commands.choices["sign"]
    titles = {
        group.title: [action for action in group._group_actions if action.option_strings]
        for group in parser._action_groups
    }
    assert [action.dest for action in titles["options"]] == ["help"]
    assert {
        "what is claimed of it",
        "content that nobody shall guess",
        "what is written beside it",
    } <= titles.keys()
    assert all(len(actions) <= 8 for actions in titles.values())
    assert parser.format_help().splitlines()[0] == "usage: lineage sign PATH... [options]"

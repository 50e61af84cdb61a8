"""The first `sign` on a terminal offers ledger and identity; the shell completes."""

from __future__ import annotations

import getpass
import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.cli import common, first
from tests.test_cli.command import Cli

LINEAGE = Path(sys.executable).parent / "lineage"


@pytest.fixture
def person(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(cli, monkeypatch)


class Person:
    """Somebody at a terminal, who types these answers."""

    def __init__(self, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cli = cli
        self.asked: list[str] = []
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(first, "is_terminal", lambda: True)
        monkeypatch.setattr(common, "is_terminal", lambda: True)
        monkeypatch.setattr(getpass, "getpass", self._typed)
        monkeypatch.setenv("LOGNAME", "grace h.")
        (cli.folder / "note.md").write_text(
            "The crane stopped at the same bolt as last year, and this time we looked at it.\n"
        )

    def _typed(self, prompt: str) -> str:
        self.asked.append(prompt)
        return "correct horse"

    def answers(self, *lines: str) -> None:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_the_first_sign_offers_ledger_and_identity_and_asks_for_one_passphrase_once(person: Person) -> None:
    person.answers("", "")
    ran = person.cli("sign", "note.md")
    assert ran.code == 0, ran.err
    assert "Signed by 'grace-h'" in ran.out
    assert "Make one? [Y/n]" in ran.err
    assert "a person called 'grace-h'" in ran.err
    assert person.asked == ["A passphrase for the new keys: ", "The same again: "]


def test_who_is_named_is_who_is_offered(person: Person) -> None:
    person.answers("y", "yes")
    ran = person.cli("sign", "note.md", "--by", "ada")
    assert ran.code == 0, ran.err
    assert "Signed by 'ada'" in ran.out


@pytest.mark.parametrize("lines", [("n",), ("No",), ()])
def test_who_says_no_gets_the_error_that_names_the_next_command(
    person: Person, lines: tuple[str, ...]
) -> None:
    person.answers(*lines)
    ran = person.cli("sign", "note.md")
    assert ran.code == 2
    assert "lineage init" in ran.err
    assert not person.cli.ledger.exists()


def test_a_ledger_without_an_identity_is_offered_one_and_no_second_ledger(person: Person) -> None:
    assert person.cli("init", "--unencrypted").code == 0
    person.answers("")
    ran = person.cli("sign", "note.md")
    assert ran.code == 0, ran.err
    assert "Make one?" not in ran.err
    assert "a person called 'grace-h'" in ran.err


def test_who_has_an_identity_is_asked_nothing(person: Person) -> None:
    person.cli.begin("ada")
    person.answers()
    ran = person.cli("sign", "note.md")
    assert ran.code == 0, ran.err
    assert "[Y/n]" not in ran.err


def test_a_script_is_asked_nothing(cli: Cli) -> None:
    (cli.folder / "note.md").write_text("x")
    ran = cli("sign", "note.md")
    assert ran.code == 2
    assert "lineage init" in ran.err
    assert "[Y/n]" not in ran.err


def test_json_is_never_asked(person: Person) -> None:
    person.answers("", "")
    assert person.cli("sign", "note.md", "--json").code == 2
    assert not person.cli.ledger.exists()


def test_a_real_terminal_is_offered_both(cli: Cli) -> None:
    (cli.folder / "note.md").write_text(
        "The harbour was closed, so we counted the containers by hand, twice.\n"
    )
    ours, theirs = pty.openpty()
    os.write(ours, b"\n\n")
    done = subprocess.run(
        [LINEAGE, "sign", "note.md", "--by", "ada"],
        cwd=cli.folder,
        env={**os.environ, "LINEAGE_PASSPHRASE": "only for this test"},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    said = os.read(ours, 65_536).decode()
    os.close(ours)
    assert done.returncode == 0, said
    assert "There is no ledger in" in said
    assert b"Signed by 'ada'" in done.stdout


def completions(cli: Cli, line: str, shell: str = "bash") -> list[str]:
    """What the shell is answered, asked as argcomplete's own shell function asks."""
    answers = cli.folder / "answers"
    subprocess.run(
        [LINEAGE],
        cwd=cli.folder,
        env={
            **os.environ,
            "_ARGCOMPLETE": "1",
            "_ARGCOMPLETE_SHELL": shell,
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_IFS": "\n",
        },
        check=True,
    )
    return [word.strip() for word in answers.read_text().split("\n") if word.strip()]


def test_the_shell_completes_commands_options_and_names(ada: Cli) -> None:
    assert {"sign", "status"} <= set(completions(ada, "lineage s"))
    assert "--rows" in completions(ada, "lineage sign --ro")
    assert completions(ada, "lineage sign --by a") == ["ada"]
    assert "ada" in completions(ada, "lineage identity show ")


def test_the_shell_completes_a_gate(ada: Cli) -> None:
    ada.rows("data.jsonl", {"text": "x"})
    ada.write("best.toml", "version = 1\n")
    assert "gate" in completions(ada, "lineage g")
    assert completions(ada, "lineage gate d") == ["data.jsonl"]
    assert set(completions(ada, "lineage gate data.jsonl --policy b")) == {"balanced", "best.toml"}
    assert completions(ada, "lineage gate data.jsonl --sign-by a") == ["ada"]
    assert completions(ada, "lineage gate data.jsonl --format p") == ["parquet"]
    assert completions(ada, "lineage gate data.jsonl --folder-is s") == ["shards"]
    assert {"--admitted", "--at"} <= set(completions(ada, "lineage gate data.jsonl --a"))


def test_where_there_is_no_ledger_the_shell_completes_no_names(cli: Cli) -> None:
    assert completions(cli, "lineage sign --by a") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_a_shell_runs(cli: Cli, shell: str) -> None:
    ran = cli("completion", shell)
    assert ran.code == 0
    assert "_ARGCOMPLETE" in ran.out


def test_bash_takes_it(ada: Cli) -> None:
    script = ada("completion", "bash").out + "\ncomplete -p lineage\n"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "lineage" in done.stdout

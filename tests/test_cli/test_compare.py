"""`lineage log compare`: what somebody does who is shown log checkpoints, and has the log's vkey alone (SPEC §12.4)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.log.publish import publish
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.views import HEADER
from ledger.statements.statement import log_id
from ledger.store.memory import MemoryStore
from tests.histories import FORKED, HONEST, VKEY
from tests.test_cli.command import Cli
from tests.world import World

TRUSTED = ("--vkey", str(VKEY))


class Given:
    """Notes of two histories in files, and published copies of a log's."""

    def __init__(self, cli: Cli) -> None:
        self.cli = cli
        self.mine, self.same, self.more, self.lie, self.greater = (
            cli.write(f"{name}.note", history.note(size))
            for name, history, size in (
                ("mine", HONEST, 20),
                ("same", HONEST, 20),
                ("more", HONEST, 30),
                ("lie", FORKED, 20),
                ("greater", FORKED, 30),
            )
        )

    def log(self, name: str, *people: str) -> tuple[Path, Path, str]:
        """A published copy of a log that enrolled these people; its note in a file, its vkey."""
        world = World(MemoryStore())
        for person in people:
            world.enrol(person)
        folder = self.cli.folder / name
        publish(world.store, world.vkey, folder)
        note = self.cli.write(f"{name}.note", (folder / "checkpoint").read_bytes())
        return folder, note, str(world.vkey)


@pytest.fixture
def given(cli: Cli) -> Given:
    return Given(cli)


def test_two_notes_of_one_size_tell_one_history_or_two(cli: Cli, given: Given) -> None:
    document = cli.json("log", "compare", given.mine, given.same, *TRUSTED)
    assert document == {
        "histories": "one",
        "convicted": False,
        "log_origin": VKEY.name,
        "log_id": log_id(str(VKEY)).hex(),
        "earlier": {"size": 20, "root": HONEST.checkpoint(20).root.hex()},
        "later": {"size": 20, "root": HONEST.checkpoint(20).root.hex()},
        "root_in_later": None,
        "why": None,
        "fix": None,
        "evidence": None,
        "trusted": {"vkey": str(VKEY), "because": "given"},
    }
    assert cli("log", "compare", given.mine, given.same, *TRUSTED).out.startswith("One history: both are of")
    document = cli.json("log", "compare", given.mine, given.lie, *TRUSTED, code=1)
    assert (document["histories"], document["convicted"]) == ("two", True)
    assert document["root_in_later"] == document["later"]["root"] != document["earlier"]["root"]
    ran = cli("log", "compare", given.mine, given.lie, *TRUSTED)
    assert ran.out.startswith(f"TWO histories: the log {VKEY.name} is convicted.")
    assert "Trusted: " in ran.out


def test_notes_of_different_sizes_are_not_decided_without_a_copy(cli: Cli, given: Given) -> None:
    for other in (given.more, given.greater):
        for files in ((given.mine, other), (other, given.mine)):
            document = cli.json("log", "compare", *files, *TRUSTED, code=1)
            assert (document["histories"], document["convicted"]) == ("undecided", False)
            assert document["why"]
            assert "--tree DIR" in document["fix"]
            assert (document["earlier"]["size"], document["later"]["size"]) == (20, 30)
    ran = cli("log", "compare", given.mine, given.more, *TRUSTED)
    assert (ran.code, ran.out.startswith("Not decided: ")) == (1, True)


def test_evidence_is_written_and_is_enough_by_itself(cli: Cli, given: Given) -> None:
    document = cli.json("log", "compare", given.mine, given.lie, *TRUSTED, "-o", "found.views", code=1)
    assert document["evidence"] == "found.views"
    text = (cli.folder / "found.views").read_text()
    assert text.startswith(f"{HEADER}\n")
    for path in (given.mine, given.lie):
        path.unlink()  # who is shown the evidence has nothing else
    shown = cli.json("log", "compare", "found.views", *TRUSTED, code=1)
    assert shown == document | {"evidence": None}
    # The same once more is no work; another file is not replaced, and what convicts nobody is not written.
    cli.json("log", "compare", "found.views", *TRUSTED, "-o", "found.views", code=1)
    cli.write("taken", "something else")
    cli.refused("file-exists", "log", "compare", "found.views", *TRUSTED, "-o", "taken")
    assert (cli.folder / "taken").read_text() == "something else"
    ran = cli("log", "compare", given.same, given.same, *TRUSTED, "-o", "none.views")
    assert "none, and nothing was written" in ran.out
    assert not (cli.folder / "none.views").exists()


def test_evidence_that_convicts_nobody_is_no_verdict_on_the_log(cli: Cli, given: Given) -> None:
    cli("log", "compare", given.mine, given.lie, *TRUSTED, "-o", "found.views")
    text = (cli.folder / "found.views").read_text()
    stranger = World(MemoryStore()).vkey
    for name, changed, vkey in (
        ("other", text, str(stranger)),
        ("framed", text.replace("\n20\n", "\n21\n"), str(VKEY)),
        ("cut", text[:-1], str(VKEY)),
    ):
        path = cli.write(name, changed)
        ran = cli("log", "compare", path, "--vkey", vkey, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (1, "views-invalid")
        assert name in ran.document["error"]["item"]
        assert "convicts nobody" in ran.document["error"]["fix"]


def test_by_a_copy_of_the_log_any_two_notes_are_decided(cli: Cli, given: Given) -> None:
    _, mine, vkey = given.log("mine", "anna", "ben")
    _, more, _ = given.log("more", "anna", "ben", "cara")
    folder, newest, _ = given.log("public", "anna", "ben", "cara", "dora")
    other, lie, _ = given.log("other", "anna", "mallory", "nick", "olga", "paul")
    trusted = ("--vkey", vkey)
    ran = cli("log", "compare", mine, more, "--tree", folder, *trusted)
    assert (ran.code, "holds all" in ran.out) == (0, True)
    assert cli.json("log", "compare", more, mine, "--tree", folder, *trusted)["histories"] == "one"
    # A note alone is compared with the copy's own log checkpoint.
    document = cli.json("log", "compare", mine, "--tree", folder, *trusted)
    assert document["later"]["size"] == open_checkpoint(newest.read_bytes(), [World().vkey]).size
    document = cli.json("log", "compare", mine, "--tree", other, *trusted, "-o", "found.views", code=1)
    assert document["convicted"]
    shown = cli.json("log", "compare", "found.views", *trusted, code=1)
    assert (shown["earlier"], shown["later"]) == (document["earlier"], document["later"])
    # Of the notes nothing would be known; but the copy at hand is of another history than one of them.
    assert cli.json("log", "compare", mine, lie, "--tree", other, *trusted, code=1)["histories"] == "two"
    assert cli.json("log", "compare", mine, more, "--tree", other, *trusted, code=1)["histories"] == "two"
    # A copy that ends too early decides nothing.
    short, _, _ = given.log("short", "anna")
    document = cli.json("log", "compare", mine, more, "--tree", short, *trusted, code=1)
    assert document["histories"] == "undecided"
    assert "fewer than" in document["why"]


def test_the_ledger_at_hand_serves_as_vkey_and_as_copy(ada: Cli) -> None:
    ada.write("old.note", ada("log", "checkpoint").out)
    ada("log", "checkpoint", "--fresh")
    document = ada.json("log", "compare", "old.note", "--tree", ada.ledger)
    assert (document["histories"], document["trusted"]["because"]) == ("one", "ledger")
    assert document["earlier"]["size"] < document["later"]["size"]


def test_what_cannot_be_compared_is_refused(cli: Cli, given: Given) -> None:
    cli("log", "compare", given.mine, given.lie, *TRUSTED, "-o", "found.views")
    folder, _, _ = given.log("public", "anna")
    compare = ("log", "compare")
    for files in ((given.mine,), (given.mine, "found.views"), (given.mine, given.same, given.lie)):
        assert cli.refused("usage", *compare, *files, *TRUSTED)["fix"]
    cli.refused("wrong-log", *compare, given.mine, "--tree", folder, *TRUSTED)
    cli.refused("not-a-ledger", *compare, given.mine, "--tree", cli.folder, *TRUSTED)
    cli.refused("file-not-found", *compare, given.mine, "nowhere", *TRUSTED)
    cli.refused("vkey-missing", *compare, given.mine, given.same)
    assert cli.refused("usage", *compare, "found.views", "--tree", folder, "--vkey", given.log("x", "a")[2])
    for name, data in (("text", b"some text\n"), ("unsigned", given.mine.read_bytes().split(b"\n\n")[0])):
        ran = cli(*compare, given.mine, cli.write(name, data), *TRUSTED, "--json")
        assert (ran.code, ran.document["error"]["code"]) == (1, "note-invalid")
        assert name in ran.document["error"]["item"]
    given.log("stranger", "anna")
    ran = cli(*compare, given.mine, "stranger.note", *TRUSTED, "--json")
    assert (ran.code, ran.document["error"]["code"]) == (1, "note-invalid")

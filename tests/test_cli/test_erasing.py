"""`lineage notice erase`, `lineage log erase`, sealed profiles: what is said before, what is done, what is told (SPEC §8.2, §10.10)."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ledger.cli import common
from ledger.cli.common import Reporter
from tests.test_cli.command import Cli, Clock

LONG = "a text of some length that nobody guesses, for whoever reads it "


@pytest.fixture
def town(ada: Cli) -> Cli:
    """Ada, and a curator whom the log lists; `a.md` sealed, `b.md` open."""
    ada("identity", "new", "cur", "--role", "curator", "--unencrypted")
    assert ada("log", "rules", "--curator", "cur").code == 0
    assert ada("sign", ada.write("a.md", LONG + "a"), "--by", "ada", "--sealed").code == 0
    assert ada("sign", ada.write("b.md", LONG + "b"), "--by", "ada").code == 0
    return ada


def salts(town: Cli) -> bytes:
    (path,) = town.config.glob("logs/*/salts.sqlite")
    return path.read_bytes()


def test_ones_own_goes_when_it_was_confirmed(town: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    before = salts(town)
    artifact_id = town.json("trace", "a.md")["id"]
    town.refused("usage", "notice", "erase", "a.md", "--by", "ada")
    asked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(common, "is_terminal", lambda: True)
        patch.setattr(Reporter, "note", lambda _self, text: asked.append(text))
        patch.setattr("sys.stdin", io.StringIO("n\n"))
        town.refused("usage", "notice", "erase", "a.md", "--by", "ada")
    assert salts(town) == before
    assert any("1 salt and 0 kept contents are destroyed" in text and "backups" in text for text in asked)
    ran = town("notice", "erase", "a.md", "--by", "ada", "--reason", "privacy", "--yes")
    assert ran.code == 0
    assert "Destroyed here: 1 salt, 0 kept contents" in ran.out
    assert salts(town) != before
    assert town.json("trace", "a.md", code=1)["id"] is None
    assert town.json("trace", artifact_id, code=1)["status"] == "retracted"
    again = town.json("notice", "erase", artifact_id, "--by", "ada", "--yes")
    assert (again["log_indices"], again["salts"]) == ([], 0)


def test_what_is_due_is_told_and_carried_out(town: Cli, clock: Clock) -> None:
    town("notice", "erase", "a.md", "b.md", "--by", "ada", "--yes")
    status = town.json("status")["erasures"]
    assert (status["due"], status["records"], status["waiting"], status["held"]) == (0, 0, 2, 0)
    assert "not due: 2" in town("status").out
    early = town.json("log", "erase", "--records", "--yes")
    assert (early["artifacts"], early["records"]) == (0, 0)
    clock.pass_days(7.01)
    town("log", "checkpoint", "--fresh")
    status = town.json("status")["erasures"]
    assert (status["due"], status["records"], status["waiting"]) == (0, 2, 0)
    assert "records that may go: 2 (lineage log erase --records)" in town("status").out
    listed = town.json("log", "erase", "--dry-run")["erasures"]
    assert [(each["state"], each["here"]["records"]) for each in listed] == [("due", 1)] * 2
    assert "due; here: 1 record" in town("log", "erase", "--dry-run").out
    town.refused("usage", "log", "erase", "--records")
    kept = town("log", "erase", "--yes")
    assert "Records stay: add --records" in kept.out
    ran = town("log", "erase", "--records", "--yes")
    assert ran.code == 0
    assert "2 records" in ran.out
    assert "lineage log publish" in ran.out
    assert "--scrub" in ran.out
    assert "Overwritten in the data file" in town("log", "erase", "--scrub", "--yes").out
    assert town.json("log", "erase", "--dry-run")["erasures"][0]["here"]["records"] == 0
    assert town.json("audit")["ok"] is True
    assert town("status").out.count("erasures") == 0
    assert town.json("trace", "b.md", code=1)["id"] is None


def test_what_is_held_waits_and_it_is_told_for_whom(town: Cli, clock: Clock) -> None:
    town("notice", "hold", "a.md", "--by", "cur")
    ran = town("notice", "erase", "a.md", "--by", "ada", "--yes")
    assert "Waits while somebody listed holds or retracted it: 1 artifact" in ran.out
    clock.pass_days(8)
    done = town.json("log", "erase", "--records", "--yes")
    assert (done["artifacts"], len(done["held"])) == (0, 1)
    told = town("log", "erase", "--dry-run").out
    assert "held or retracted by cur" in told
    assert "its salt, 1 record" in told
    assert "waiting while somebody listed" in town("status").out


def test_of_anothers_nothing_goes_at_once(town: Cli) -> None:
    before = salts(town)
    ran = town("notice", "erase", "a.md", "--by", "cur", "--yes")
    assert "not the signer's own" in ran.out
    assert salts(town) == before


def test_nothing_to_erase_is_no_error(town: Cli) -> None:
    assert "Nobody asked" in town("log", "erase", "--dry-run").out
    assert town.json("log", "erase", "--records", "--scrub", "--yes")["artifacts"] == 0


def test_a_profile_is_made_shown_and_erased(town: Cli) -> None:
    who = town.write("who.txt", "Bea Example of Exampletown")
    assert town("identity", "new", "bea", "--profile", who, "--unencrypted").code == 0
    facts = town.json("identity", "show", "bea")
    assert facts["profile"]["kept"] is True
    assert "sealed, kept here" in town("identity", "show", "bea").out
    town.refused("usage", "identity", "erase-profile", "bea")
    assert town.json("identity", "erase-profile", "bea", "--yes") == {"name": "bea", "erased": True}
    assert town.json("identity", "erase-profile", "bea", "--yes")["erased"] is False
    shown = town.json("identity", "show", "bea")["profile"]
    assert shown == {"digest": facts["profile"]["digest"], "kept": False}
    assert "not kept here" in town("identity", "show", "bea").out
    left = [path for path in town.config.rglob("*") if path.is_file() and b"Exampletown" in path.read_bytes()]
    assert left == []


def test_a_profile_that_is_none_makes_no_identity(town: Cli) -> None:
    town.refused("file-not-found", "identity", "new", "bea", "--profile", "nowhere", "--unencrypted")
    large: Path = town.write("large", "x" * 65_537)
    town.refused("too-large", "identity", "new", "bea", "--profile", large, "--unencrypted")
    town.refused("schema", "identity", "new", "bea", "--profile", town.write("none", ""), "--unencrypted")

"""`lineage prove`, and `lineage verify` of what it wrote, as a stranger has them: one file, no ledger, no network (SPEC §11.2)."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.cli import proof_document, proof_words
from ledger.proofs.ancestry_file import MAGIC
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.note import parse_note
from ledger.statements.record import Parent
from ledger.store.cosigned import CosignedNotes
from tests.test_cli.command import DAY_MS, RIGHT_NOW_MS, Cli, Clock
from tests.test_cli.gating import gate
from tests.test_proofs.witnesses import Cosigner

LINEAGE = Path(sys.executable).with_name("lineage")
NOTES = "A text that is long enough for nobody to guess it, which is why it has no note on the side.\n"
SUMMARY = "What comes of it, in words that are long enough for nobody to guess them from their digest.\n"
ROWS = [f"imported row {n} is long enough that nobody guesses it from its digest as it is" for n in range(9)]
KEYS = {
    *("ok", "proof", "level", "humans", "authors", "humans_behind", "unknown", "faults", "fault_count"),
    *(
        "trusted",
        "files",
        "contents",
        "subjects",
        "artifacts",
        "disclosed",
        "compared",
        "logs",
        "unknown_logs",
    ),
    *(
        "checkpoint",
        "fresh_as_of_ms",
        "existed_by_ms",
        "at_ms",
        "cosigned",
        "audited",
        "self_trusted",
        "missing",
    ),
}


@pytest.fixture
def story(clock: Clock, ada: Cli) -> Cli:
    """ada's notes, and bob's summary of them, of one morning."""
    clock.now_ms = RIGHT_NOW_MS
    assert ada("identity", "new", "bob", "--unencrypted").code == 0
    ada.write("notes.md", NOTES)
    ada.write("summary.md", SUMMARY)
    ada.json("sign", "notes.md", "--by", "ada")
    ada.json("sign", "summary.md", "--by", "bob", "--parent", f"derived-from={id_of(ada, 'notes.md')}@40%")
    return ada


def id_of(cli: Cli, name: str) -> str:
    return str(cli.json("trace", name, code=0)["id"])


def who(cli: Cli, name: str) -> str:
    return str(cli.json("identity", "show", name)["id"])


def leave(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> str:
    """From here on there is neither ledger nor key; gives the log's vkey."""
    vkey = str(cli.json("status")["vkey"])
    shutil.rmtree(cli.ledger)
    shutil.rmtree(cli.config)
    monkeypatch.setenv("LINEAGE_LEDGER", str(cli.folder / "no-ledger"))
    monkeypatch.setenv("LINEAGE_CONFIG", str(cli.folder / "no-keys"))
    return vkey


# lineage prove


def test_one_file_has_its_proof_beside_it_and_says_how_others_check_it(story: Cli) -> None:
    document = story.json("prove", "summary.md")
    path = story.folder / "summary.md.lineage"
    vkey = story.json("status")["vkey"]
    assert document == {
        "path": "summary.md.lineage",
        "size_bytes": path.stat().st_size,
        "artifacts": 1,
        "rows": 0,
        "ancestors": 1,
        "checkpoint": {key: story.json("log", "checkpoint")[key] for key in ("origin", "size", "root")},
        "since": [],
        "disclosed": [],
        "left_out": 0,
        "told": [],
        "vkey": vkey,
        "check": f"lineage verify summary.md.lineage --vkey {vkey}",
    }
    assert path.read_bytes().startswith(MAGIC)
    ran = story("prove", "summary.md")
    assert (ran.code, ran.err) == (0, "")
    for words in (
        f"Wrote summary.md.lineage: 1 artifact, with 1 ancestor; {path.stat().st_size:,} bytes",
        "as of      the log checkpoint of 10 entries of",
        f"Others check it, offline, with: lineage verify summary.md.lineage --vkey {vkey}",
    ):
        assert words in ran.out
    assert story("prove", "notes.md").out.startswith("Wrote notes.md.lineage: 1 artifact, with no ancestors;")


def test_what_is_said_to_check_it_checks_it(story: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    command = story.json("prove", "summary.md", "-o", "a name's.lineage")["check"]
    leave(story, monkeypatch)
    assert story(*shlex.split(command)[1:]).code == 0


def test_several_subjects_rows_and_earlier_log_checkpoints_in_one_file(story: Cli) -> None:
    story.rows("imported.jsonl", *({"text": text} for text in ROWS))
    story.json("import", "imported.jsonl", "--column", "text", "--source", "https://example.org/", "--license", "CC0-1.0", "--by", "ada")  # fmt: skip
    dataset = id_of_row(story, ROWS[3])
    arguments = ("notes.md", "summary.md", f"{dataset}:0-3", f"{dataset}:7", "-o", "all.lineage")
    document = story.json("prove", *arguments, "--since", "4", "--since", "8")
    assert (document["artifacts"], document["rows"], document["ancestors"]) == (2, 5, 0)
    assert document["since"] == [4, 8]
    ran = story("prove", *arguments, "--since", "4", "--since", "8")
    assert "2 artifacts and 5 rows, with no ancestors" in ran.out
    assert "since      4, 8 entries" in ran.out
    found = story.json("verify", "all.lineage")
    assert (found["ok"], found["level"], found["logs"][0]["since"]) == (True, "L1", [4, 8])
    assert [item["level"] for item in found["subjects"] if "rows" not in item] == ["L2", "L2"]
    (rows,) = [item for item in found["subjects"] if "rows" in item]
    assert (rows["id"], rows["rows"], rows["level"], rows["kind"]) == (
        dataset,
        [[0, 3], [7, 7]],
        "L1",
        "dataset",
    )
    words = story("verify", "all.lineage").out
    assert f"Standing of {dataset[:16]}:0-3 and 1 range more: released" in words
    whole = story.json("prove", f"{dataset}:all", "-o", "rows.lineage")
    assert (whole["artifacts"], whole["rows"]) == (0, len(ROWS))


def id_of_row(cli: Cli, text: str) -> str:
    return str(cli.json("trace", "--text", text)["id"])


def test_what_a_gate_admitted_is_proved_and_a_row_with_a_notice_is_told_apart(signed: Cli) -> None:
    gate(signed, "d.jsonl", "--policy", "balanced", "--verdicts", "v.parquet")
    document = signed.json("prove", "--gated", "v.parquet", "-o", "admitted.lineage")
    assert document["artifacts"] == 6
    assert signed.json("verify", "admitted.lineage")["ok"]
    ran = signed("verify", "admitted.lineage")
    assert "admitted.lineage: proved: 6 subjects, all well" in ran.out
    assert "  L2 anchored      released                6\n" in ran.out
    bad = [item["id"] for item in signed.json("verify", "admitted.lineage")["subjects"]][2:4]
    signed.json("notice", "retract", *bad, "--by", "ada", "--yes")
    signed.json("prove", "--gated", "v.parquet", "-o", "admitted.lineage")
    after = signed("verify", "admitted.lineage")
    assert (after.code, "NOT well: 6 subjects, 4 of them well" in after.out) == (1, True)
    assert "  L2 anchored      retracted               2\n" in after.out
    for each in bad:
        assert f"NOT well: {each}: it is retracted since entry 6 by its own maker" in after.out
    found = signed.json("verify", "admitted.lineage", code=1)
    assert [(fault["code"], fault["item"]) for fault in found["faults"]] == [
        ("retracted-by-maker", each) for each in sorted(bad)
    ]


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ()),
        ("usage", ("notes.md", "summary.md")),
        ("usage", ("--gated", "v.parquet")),
        ("usage", ("notes.md", "--output=")),
        ("usage", ("4f2a9c01d3e4b5a6",)),
        ("usage", ("4f2a9c01d3e4b5a6:0-9",)),
        ("usage", ("notes.md", "--since=x")),
        ("file-not-found", ("nothing.md",)),
        ("file-not-found", ("notes.md", "--trust=none.toml")),
        ("unlogged", ("unsigned.md",)),
        ("unlogged", ("4f2a9c01d3e4b5a6", "-o", "x.lineage")),
        ("checkpoint-behind", ("notes.md", "--since=11")),
        ("file-exists", ("notes.md", "-o", "notes.md")),
        ("is-a-folder", (".", "-o", "x.lineage")),
    ],
)
def test_what_cannot_be_proved_is_refused_and_nothing_is_written(
    story: Cli, code: str, arguments: tuple[str, ...]
) -> None:
    story.write(
        "unsigned.md", "nobody signed this text, which is as long as the others are and more than that"
    )
    before = sorted(path.name for path in story.folder.iterdir())
    error = story.refused(code, "prove", *arguments)
    assert sorted(path.name for path in story.folder.iterdir()) == before
    if arguments == ("unsigned.md",):
        assert "lineage prove --gated V" in error["fix"]


def test_a_file_called_like_an_id_has_its_proof_beside_it(story: Cli) -> None:
    story.write("4f2a9c01d3e4b5a6", NOTES)
    assert story.json("prove", "4f2a9c01d3e4b5a6")["path"] == "4f2a9c01d3e4b5a6.lineage"


def test_who_is_left_out_and_what_was_passed_over_is_told(
    story: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.json(
        "attest", id_of(story, "notes.md"), "--claim", "authorship", "--result", "confirmed", "--by", "bob"
    )
    monkeypatch.setattr("ledger.spec.PROOF_STRANGERS_MAX", 0)
    (story.ledger / "cosigned").mkdir()
    (story.ledger / "cosigned" / f"{4:020}.note").write_text("no note")
    ran = story("prove", "notes.md")
    assert (ran.code, "left out   1 identity who attest or endorse" in ran.out) == (0, True)
    assert "A cosigned log checkpoint that is kept does not hold, and is not counted" in ran.err
    document = story.json("prove", "notes.md")
    assert (document["left_out"], len(document["told"])) == (1, 1)


def test_a_proof_beside_its_file_is_not_signed_with_the_folder(story: Cli) -> None:
    (story.folder / "d").mkdir()
    shutil.copy(story.folder / "notes.md", story.folder / "d" / "notes.md")
    assert story("prove", "d/notes.md").code == 0
    ran = story("sign", "d", "--by", "ada")
    assert (ran.code, "1 already logged" in ran.out, "1 new" in ran.out) == (0, True, False)
    assert "Receipts, salts and proofs beside their files left out: 1" in ran.err


# lineage verify


def test_it_is_verified_where_nothing_else_is(story: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, note, summary = (who(story, "ada"), who(story, "bob"), id_of(story, "notes.md"), id_of(story, "summary.md"))  # fmt: skip
    at = story.json("prove", "summary.md")["checkpoint"]
    vkey = leave(story, monkeypatch)
    found = story.json("verify", "summary.md.lineage", "--vkey", vkey)
    assert set(found) == KEYS
    assert (found["ok"], found["level"], found["faults"], found["unknown"]) == (True, "L2", [], [])
    assert found["humans"] == found["authors"] == sorted([ada, bob])
    assert found["trusted"] == {"vkey": vkey, "because": "given"}
    (subject,) = found["subjects"]
    assert subject == {
        "id": summary,
        "log": found["logs"][0]["log_id"],
        "ok": True,
        "level": "L2",
        "kind": "work",
        "maker": bob,
        "standing": "released",
        "status": "released",
        "verdict": None,
        "code": "clear",
        "why": "nothing stands against it",
        "humans": sorted([ada, bob]),
        "authors": sorted([ada, bob]),
        "human_count": 2,
        "existed_by_ms": RIGHT_NOW_MS,
    }
    artifacts = {item["id"]: item for item in found["artifacts"]}
    assert set(artifacts) == {note, summary}
    assert artifacts[summary]["parents"] == [
        {"relation": "derived-from", "share_ppm": 400_000, "id": note, "row_index": None, "log": None}
    ]
    assert (artifacts[note]["maker"], artifacts[note]["humans"]) == (ada, [ada])
    assert found["checkpoint"] == at
    assert (found["fresh_as_of_ms"], found["existed_by_ms"], found["at_ms"]) == (RIGHT_NOW_MS,) * 3
    assert (found["cosigned"], found["audited"], found["self_trusted"], found["missing"]) == (
        False,
        False,
        True,
        [],
    )


def test_it_says_in_words_what_a_person_asks(story: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, bob, note, summary = (who(story, "ada"), who(story, "bob"), id_of(story, "notes.md"), id_of(story, "summary.md"))  # fmt: skip
    story.json("prove", "summary.md")
    vkey = leave(story, monkeypatch)
    ran = story("verify", "summary.md.lineage", "summary.md", "--vkey", vkey)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[:3] == [
        "summary.md.lineage: proved: L2 anchored, released",
        f"work {summary[:16]}  L2 anchored, released, made by human {bob[:16]}",
        f"  derived-from 40 %: work {note[:16]}  L2 anchored, released, made by human {ada[:16]}, own share human 100 %",
    ]
    for words in (
        "Standing: released: nothing stands against it",
        f"Humans who answer for it: {', '.join(sorted([ada, bob]))}",
        f"Authors among them:       {', '.join(sorted([ada, bob]))}",
        "Unknown among its ancestors: none",
        "Fresh as of: 2027-01-15 08:00:00 UTC, by the log's own clock",
        "Existed by:  2027-01-15 08:00:00 UTC",
        "Judged as of 2027-01-15 08:00:00 UTC",
        f"Content: summary.md is what {summary[:16]} is about",
        "Status by the operator's word: no auditor of the trust file cosigned this log checkpoint.",
        "Compared: no log checkpoint was accepted here before: that of 10 entries is, for its signature alone",
        f"Trusted: {vkey.split('+')[0]}, by the vkey that you gave.",
    ):
        assert words in lines
    assert "Self-trusted: no trust file was given, so everybody enrolled in this log is believed" in ran.out
    assert "Rival claims were not searched" in ran.out
    assert "Not proven: " in ran.out


def test_the_same_file_says_what_was_so_and_a_new_one_says_retracted(story: Cli) -> None:
    story.json("prove", "notes.md", "-o", "old.lineage")
    story.json("prove", "summary.md", "-o", "child.lineage")
    story.json("notice", "retract", id_of(story, "notes.md"), "--by", "ada", "--yes")
    assert story.json("verify", "old.lineage")["subjects"][0]["standing"] == "released"
    story.json("prove", "notes.md", "-o", "new.lineage")
    found = story.json("verify", "new.lineage", code=1)
    assert (found["ok"], found["subjects"][0]["standing"]) == (False, "retracted")
    assert [fault["code"] for fault in found["faults"]] == ["retracted-by-maker"]
    ran = story("verify", "new.lineage")
    assert (ran.code, ran.out.splitlines()[0]) == (1, "new.lineage: NOT well: L2 anchored, retracted")
    assert "[retracted-by-maker]" in ran.out
    assert story.json("verify", "child.lineage")["subjects"][0]["standing"] == "released"
    story.json("prove", "summary.md", "-o", "child.lineage")
    child = story.json("verify", "child.lineage")
    assert (child["subjects"][0]["standing"], child["subjects"][0]["code"]) == (
        "conditional",
        "retracted-by-maker",
    )
    assert (
        story.json("verify", "child.lineage", "--policy", "balanced", code=1)["subjects"][0]["verdict"]
        == "quarantined"
    )


def test_a_checkpoint_that_is_too_old_decides_nothing(story: Cli) -> None:
    trust = story.write("t.toml", 'makers = "all"\nmax_checkpoint_age_s = 86400\n')
    story.json("prove", "summary.md")
    arguments = ("verify", "summary.md.lineage", "--trust", trust, "--at")
    assert story.json(*arguments, str(RIGHT_NOW_MS + DAY_MS))["ok"]
    late = story.json(*arguments, "2027-01-16T09:00:01+01:00", code=1)
    assert (late["ok"], late["subjects"][0]["standing"], late["at_ms"]) == (
        False,
        "unknown",
        RIGHT_NOW_MS + DAY_MS + 1_000,
    )
    assert [lack["code"] for lack in late["missing"]] == ["checkpoint-too-old"]
    assert [fault["code"] for fault in late["faults"]] == ["checkpoint-too-old"]
    ran = story(*arguments, str(RIGHT_NOW_MS + DAY_MS + 1_000))
    assert ran.code == 1
    assert ran.out.startswith("summary.md.lineage: NOT decided: L2 anchored, unknown\n")
    assert "Standing: unknown, for what is missing" in ran.out
    assert "  Ask for a newer proof: lineage prove" in ran.out
    assert "Self-trusted" not in ran.out
    early = story(*arguments, "0")
    assert "Judged as of 1970-01-01 00:00:00 UTC, before this log checkpoint was there" in early.out


def test_a_quorum_cosigned_it_and_an_older_checkpoint_tells_its_age(story: Cli, clock: Clock) -> None:
    one, other = Cosigner("witness.example/one"), Cosigner("witness.example/two")
    cosign(story, one, other)
    clock.pass_days(9)
    story.json("log", "checkpoint", "--fresh")
    cosign(story, one, other)
    vkey = story.json("status")["vkey"]
    trust = story.write(
        "t.toml",
        f'makers = "all"\nauditors = ["{other.vkey}"]\ntlog_policy = """\nlog {vkey}\nwitness one {one.vkey}\nquorum one\n"""\n',
    )
    document = story.json("prove", "notes.md", "--trust", trust)
    assert document["since"] == [10]
    found = story.json("verify", "notes.md.lineage", "--trust", trust)
    assert (found["ok"], found["cosigned"], found["audited"], found["self_trusted"]) == (
        True,
        True,
        True,
        False,
    )
    assert (found["existed_by_ms"], found["fresh_as_of_ms"]) == (RIGHT_NOW_MS, RIGHT_NOW_MS + 9 * DAY_MS)
    assert found["trusted"]["because"] == "trust"
    ran = story("verify", "notes.md.lineage", "--trust", trust)
    assert "Fresh as of: 2027-01-24 08:00:00 UTC, cosigned by a quorum: one" in ran.out
    assert "Status by the word of an auditor of your trust file: witness.example/two" in ran.out
    assert "Existed by:  2027-01-15 08:00:00 UTC" in ran.out
    assert ", by your trust file." in ran.out
    assert "operator's word" not in ran.out
    more = trust.read_text().replace(
        "quorum one", f"witness three {Cosigner('witness.example/3').vkey}\ngroup g all one three\nquorum g"
    )
    unmet = story("verify", "notes.md.lineage", "--trust", story.write("more.toml", more))
    assert (unmet.code, "[quorum-unmet]" in unmet.out, "lineage log checkpoint --witness" in unmet.out) == (
        1,
        True,
        True,
    )
    assert "Fresh as of: unknown, not cosigned by the quorum of your trust file" in unmet.out
    assert "Existed by: 2027" not in unmet.out


def cosign(cli: Cli, *witnesses: Cosigner) -> None:
    """The newest log checkpoint, cosigned now, is kept."""
    document = cli.json("log", "checkpoint")
    checkpoint = Checkpoint(document["origin"], document["size"], bytes.fromhex(document["root"]))
    now_s = time.time_ns() // 10**9
    note = document["note"] + "".join(each.line(checkpoint, now_s) for each in witnesses)
    assert len(parse_note(note).signatures) == 1 + len(witnesses)
    CosignedNotes(cli.ledger).put(checkpoint.size, note.encode())


def test_a_policy_judges_it_and_says_so(story: Cli) -> None:
    story.json("prove", "summary.md")
    found = story.json("verify", "summary.md.lineage", "--policy", "balanced")
    assert (found["subjects"][0]["verdict"], found["ok"]) == ("admitted", True)
    ran = story("verify", "summary.md.lineage", "--policy", "balanced")
    assert "Standing: released\nVerdict: admitted: nothing stands against it\n" in ran.out
    trust = story.write("t.toml", f'makers = ["{who(story, "bob")}"]\n')
    rejected = story.json("verify", "summary.md.lineage", "--policy", "balanced", "--trust", trust, code=1)
    (subject,) = rejected["subjects"]
    assert (subject["standing"], subject["verdict"], subject["code"]) == (
        "released",
        "rejected",
        "maker-not-accepted",
    )
    assert rejected["faults"] == [
        {"code": "maker-not-accepted", "item": subject["id"], "reason": subject["why"]}
    ]
    strict = story("verify", "summary.md.lineage", "--policy", "strict")
    assert (strict.code, "[quorum-missing]" in strict.out, "NOT decided" in strict.out) == (1, True, True)
    nothing = story("verify", "summary.md.lineage", "--policy", "inventory")
    assert (nothing.code, "Verdict: undecided: this policy decides nothing" in nothing.out) == (1, True)


def test_contents_are_compared_with_the_subjects_alone(story: Cli) -> None:
    story.json("prove", "summary.md")
    summary = id_of(story, "summary.md")
    found = story.json("verify", "summary.md", "summary.md.lineage", "notes.md", code=1)
    assert found["contents"] == [
        {"path": "summary.md", "subjects": [summary], "ok": True},
        {"path": "notes.md", "subjects": [], "ok": False},
    ]
    assert [(item["path"], item["proof"], item["ok"], item["ids"]) for item in found["files"]] == [
        ("summary.md", "summary.md.lineage", True, [summary]),
        ("notes.md", "summary.md.lineage", False, []),
    ]
    assert [fault["code"] for fault in found["faults"]] == ["content-differs"]
    ran = story("verify", "summary.md.lineage", "notes.md")
    assert ran.out.startswith(
        "summary.md.lineage: NOT well: L2 anchored, released; 1 file not what it is about\n"
    )
    assert "lineage gate DATASET --proof F.lineage" in ran.out
    assert (
        "NOT well: notes.md: no subject of the proof is about what it holds now [content-differs]" in ran.out
    )


def test_a_file_is_checked_by_the_proof_beside_it(story: Cli) -> None:
    story.json("prove", "notes.md")
    found = story.json("verify", "notes.md")
    assert (found["proof"], found["contents"][0]["ok"]) == ("notes.md.lineage", True)
    story.json("log", "proof", "notes.md", "-o", "notes.md.tlog-proof")
    assert story.json("verify", "notes.md")["proves"] == "logged and signed", "a receipt, as it always was"
    assert story.json("verify", "notes.md", "--at", "2027-01-15T08:00:00Z")["proof"] == "notes.md.lineage"
    story.write("notes.md", NOTES + "changed")
    assert story.json("verify", "notes.md", "--policy", "balanced", code=1)["ok"] is False


def test_what_is_unknown_is_named(story: Cli) -> None:
    elsewhere, its_log = b"e" * 32, b"l" * 32
    story.write("quoting.md", SUMMARY + "and more")
    with ledger.open(story.ledger, config=str(story.config)) as door:
        parent = Parent("derived-from", elsewhere, log=its_log)
        door.sign(["quoting.md"], by="ada", claim=ledger.Claim(parents=(parent,)))
    story.json("prove", "quoting.md")
    found = story.json("verify", "quoting.md.lineage", code=1)
    assert found["unknown"] == [{"id": elsewhere.hex(), "what": "foreign", "log": its_log.hex()}]
    assert (found["subjects"][0]["standing"], found["subjects"][0]["code"]) == ("unknown", "foreign")
    ran = story("verify", "quoting.md.lineage")
    assert f"Unknown among its ancestors: {elsewhere.hex()[:16]} (of another log)" in ran.out
    assert f"derived-from: artifact {elsewhere.hex()[:16]} of another log: unknown" in ran.out


def test_what_is_disclosed_is_told_and_opens_a_sealed_content(
    story: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.write("sealed.md", "secret")
    artifact_id = story.json("sign", "sealed.md", "--by", "ada", "--sealed")["artifacts"][0]["id"]
    story.refused("not-sealed", "prove", "notes.md", "--disclose", "notes.md", "-o", "x.lineage")
    story.refused("usage", "prove", "notes.md", "--disclose", "sealed.md", "-o", "x.lineage")
    closed = story.json("prove", "sealed.md", "-o", "closed.lineage")
    opened = story.json("prove", "sealed.md", "--disclose", "sealed.md", "-o", "open.lineage")
    part = {"id": artifact_id, "what": "content", "size_bytes": 6}
    assert (closed["disclosed"], opened["disclosed"]) == ([], [part])
    ran = story("prove", "sealed.md", "--disclose", "sealed.md", "-o", "open.lineage")
    assert f"disclosed  the content of {artifact_id[:16]}, 6 bytes" in ran.out
    assert b"secret" not in (story.folder / "closed.lineage").read_bytes()
    vkey = leave(story, monkeypatch)
    assert story.json("verify", "open.lineage", "sealed.md", "--vkey", vkey)["disclosed"] == [part]
    words = story("verify", "open.lineage", "--vkey", vkey).out
    assert f"Disclosed: the content of {artifact_id[:16]}, 6 bytes" in words
    hidden = story.json("verify", "closed.lineage", "sealed.md", "--vkey", vkey, code=1)
    assert hidden["disclosed"] == []
    assert "as far as salts are at hand" in hidden["faults"][0]["reason"]


def test_it_is_compared_with_what_was_accepted_here_before(story: Cli) -> None:
    memory = story.traces()[1]
    story.json("prove", "notes.md", "-o", "old.lineage")
    assert story.json("verify", "old.lineage", "--no-memory")["compared"] == []
    assert proof_words.NOT_COMPARED in story("verify", "old.lineage", "--no-memory").out
    assert story.traces()[1] == memory, "and nothing is remembered"
    assert compared(story, "old.lineage") == ("first", 10)
    assert compared(story, "old.lineage") == ("same", 10)
    story.write("more.md", NOTES + "and more")
    story.json("sign", "more.md", "--by", "ada")
    story.json("prove", "notes.md", "-o", "new.lineage")
    assert compared(story, "new.lineage") == ("not-compared", 12)
    ran = story("verify", "new.lineage")
    assert "Compared: not compared with the 10 entries that were accepted here before" in ran.out
    assert "--since 10" in ran.out, "how to ask for one that is"
    assert compared(story, "new.lineage", "--tree", story.ledger) == ("extends", 12)
    assert compared(story, "old.lineage") == ("behind", 10)
    assert story("verify", "old.lineage").code == 0, "an older file is no fault"
    story.json("log", "checkpoint", "--fresh")
    story.json("prove", "notes.md", "--since", "12", "-o", "since.lineage")
    assert compared(story, "since.lineage") == ("extends", 13)


def compared(cli: Cli, *arguments: str | Path) -> tuple[str, int]:
    """How a file stands to what was accepted, and the size of its own log checkpoint."""
    document = cli.json("verify", *arguments)
    (known,) = document["compared"]
    assert known["log"] == document["logs"][0]["log_id"]
    return known["outcome"], known["size"]


def test_two_histories_convict_the_log_and_nothing_counts(
    story: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(story.ledger, story.folder / "fork")
    for folder in (story.ledger, story.folder / "fork"):
        story.write("more.md", f"{NOTES} {folder.name}")
        shutil.copytree(story.config, story.folder / f"keys of {folder.name}")
        options = ("--ledger", folder)
        monkeypatch.setenv("LINEAGE_CONFIG", str(story.folder / f"keys of {folder.name}"))
        story.json("sign", "more.md", "--by", "ada", *options)
        story.json("prove", "more.md", "-o", f"{folder.name}.lineage", *options)
        monkeypatch.setenv("LINEAGE_CONFIG", str(story.config))
    assert compared(story, "ledger.lineage") == ("first", 12)
    found = story.json("verify", "fork.lineage", code=1)
    assert (found["ok"], [fault["code"] for fault in found["faults"]]) == (False, ["checkpoint-inconsistent"])
    assert set(found) == KEYS
    ran = story("verify", "fork.lineage")
    assert (ran.code, "NOT proved, and nothing in it counts" in ran.out) == (1, True)
    assert ".views" in ran.out, "where the evidence lies"


def test_a_disowned_ancestor_is_explained_and_nobody_vanishes_with_it(story: Cli) -> None:
    at = story.json("trace", "notes.md")["log_index"]
    story.json("identity", "rotate", "ada", "--compromised", str(at), "--unencrypted", "--yes")
    story.json("prove", "notes.md", "summary.md", "-o", "both.lineage")
    found = story.json("verify", "both.lineage", code=1)
    assert [item["status"] for item in found["subjects"]].count("disowned") == 1
    ran = story("verify", "both.lineage")
    assert "by a rotation of" in ran.out
    assert "Disowned: the key's owner said later" in ran.out


def test_who_is_reached_only_behind_what_was_disowned_is_told_apart(story: Cli) -> None:
    assert story("identity", "new", "eve", "--unencrypted").code == 0
    for name, by, parent in (("a", "eve", ""), ("b", "ada", "a"), ("c", "bob", "b")):
        story.write(name, f"{NOTES} {name}")
        more = ("--parent", f"derived-from={id_of(story, parent)}@40%") if parent else ()
        story.json("sign", name, "--by", by, *more)
    at = story.json("trace", "b")["log_index"]
    story.json("identity", "rotate", "ada", "--compromised", str(at), "--unencrypted", "--yes")
    story.json("prove", "c")
    found = story.json("verify", "c.lineage", code=1)
    assert (found["humans"], found["humans_behind"]) == ([who(story, "bob")], [who(story, "eve")])
    assert f"Behind what was disowned: {who(story, 'eve')}" in story("verify", "c.lineage").out


def test_who_answers_for_it_need_not_be_its_author(story: Cli) -> None:
    story.write("copied.md", SUMMARY + "by a tool")
    story.json("sign", "copied.md", "--by", "bob", "--human", "0%", "--parent", f"quotes={id_of(story, 'notes.md')}@40%")  # fmt: skip
    story.json("prove", "copied.md")
    found = story.json("verify", "copied.md.lineage")
    both, author = sorted([who(story, "ada"), who(story, "bob")]), [who(story, "ada")]
    assert (found["humans"], found["authors"]) == (both, author)
    assert (found["subjects"][0]["humans"], found["subjects"][0]["authors"]) == (both, author)


def test_what_is_younger_than_every_cosignature_existed_by_no_known_time(story: Cli) -> None:
    witness = Cosigner("witness.example/one")
    cosign(story, witness)
    story.write("younger.md", NOTES + "and younger")
    story.json("sign", "younger.md", "--by", "ada")
    vkey = story.json("status")["vkey"]
    text = f'makers = "all"\ntlog_policy = """\nlog {vkey}\nwitness one {witness.vkey}\nquorum one\n"""\n'
    trust = story.write("t.toml", text)
    story.json("prove", "notes.md", "younger.md", "--trust", trust, "-o", "both.lineage")
    found = story.json("verify", "both.lineage", "--trust", trust, code=1)
    times = {item["existed_by_ms"] for item in found["subjects"]}
    assert (times, found["existed_by_ms"], found["fresh_as_of_ms"]) == ({RIGHT_NOW_MS, None}, None, None)
    assert "Existed by: unknown" in story("verify", "both.lineage", "--trust", trust).out


# What does not hold, and what is no proof


@pytest.mark.parametrize("cut", [0, 7, len(MAGIC), 900, -1])
def test_a_file_that_was_cut_short_is_a_negative_verdict(story: Cli, cut: int) -> None:
    story.json("prove", "summary.md")
    story.write("cut.lineage", (story.folder / "summary.md.lineage").read_bytes()[:cut])
    found = story.json("verify", "cut.lineage", code=1)
    assert set(found) == KEYS
    assert (found["ok"], found["level"], found["humans"], found["subjects"]) == (False, "L0", [], [])
    assert [fault["code"] for fault in found["faults"]] == ["proof-invalid"]
    ran = story("verify", "cut.lineage")
    assert (ran.code, ran.err) == (1, "")
    assert ran.out.startswith(
        "cut.lineage: NOT proved, and nothing in it counts\n  fault      ancestry proof: "
    )
    assert "Ask for the file again" in ran.out


def test_every_document_of_one_kind_has_the_same_keys(story: Cli) -> None:
    story.json("prove", "summary.md")
    assert set(story.json("verify", "summary.md.lineage", "--vkey", other_log(story), code=1)) == KEYS


def other_log(cli: Cli) -> str:
    return str(cli.json("init", "--unencrypted", "--ledger", cli.folder / "other")["vkey"])


def test_another_logs_vkey_proves_nothing(story: Cli) -> None:
    story.json("prove", "summary.md")
    log_id = story.json("verify", "summary.md.lineage")["logs"][0]["log_id"]
    vkey = other_log(story)
    found = story.json("verify", "summary.md.lineage", "--vkey", vkey, code=1)
    assert (found["ok"], found["level"], found["unknown_logs"], found["logs"]) == (False, "L0", [log_id], [])
    assert [fault["code"] for fault in found["faults"]] == [proof_document.LOG_UNKNOWN]
    ran = story("verify", "summary.md.lineage", "--vkey", vkey)
    assert ran.out.startswith("summary.md.lineage: NOT proved: it is of no log that is trusted here\n")
    assert "--vkey VKEY" in ran.out
    assert "Self-trusted" not in ran.out, "nothing is trusted of it"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ("notes.md", "--trust", "t.toml")),
        ("usage", ("notes.md", "summary.md", "--policy", "balanced")),
        ("usage", ("a.lineage", "--salt", "00" * 32)),
        ("usage", ("a.lineage", "--receipt", "notes.md.tlog-proof")),
        ("usage", ("a.lineage", "b.lineage")),
        ("usage", ("a.lineage", "--at", "tomorrow")),
        ("usage", ("a.lineage", "--depth", "-1")),
        ("usage", ("a.lineage", "--no-memory", "--tree", ".")),
        ("usage", ("notes.md", "--no-memory")),
        ("usage", ("notes.md", "--tree", ".")),
        ("usage", ("--manifest", "v.parquet", "--data", "d", "--at", "0")),
        ("file-not-found", ("none.lineage",)),
        ("file-not-found", ("a.lineage", "none.md")),
        ("file-not-found", ("a.lineage", "--trust", "none.toml")),
        ("file-not-found", ("a.lineage", "--policy", "none.toml")),
        ("trust-invalid", ("a.lineage", "--trust", "wrong.toml")),
        ("key-refused", ("a.lineage", "--vkey", "nonsense")),
        ("receipt-missing", ("notes.md.tlog-proof",)),
        ("is-a-folder", (".",)),
    ],
)
def test_what_goes_not_together_is_no_verdict(story: Cli, code: str, arguments: tuple[str, ...]) -> None:
    story.json("prove", "summary.md", "-o", "a.lineage")
    story.json("prove", "notes.md", "-o", "b.lineage")
    story.json("log", "proof", "notes.md", "-o", "notes.md.tlog-proof")
    story.write("t.toml", 'makers = "all"\n')
    story.write("wrong.toml", "makes = 1\n")
    story.refused(code, "verify", *arguments)


def test_without_any_vkey_at_hand_it_is_asked_for(story: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    story.json("prove", "summary.md")
    leave(story, monkeypatch)
    ran = story("verify", "summary.md.lineage", "--json")
    assert (ran.code, ran.document["error"]["code"]) == (2, "vkey-missing")
    assert "--vkey" in ran.document["error"]["fix"]


def test_deep_ancestries_are_drawn_as_far_as_asked(story: Cli) -> None:
    story.json("prove", "summary.md")
    ran = story("verify", "summary.md.lineage", "--depth", "0")
    assert "… 1 parents more, and theirs: --depth shows them" in ran.out
    assert ran.code == 0


def test_what_a_stranger_wrote_stays_text(story: Cli) -> None:
    story.json("prove", "summary.md")
    shutil.copy(story.folder / "summary.md.lineage", story.folder / "\x1b[31m.lineage")
    for name in ("\x1b[31m.lineage", "\x1b[32m.lineage"):
        ran = story("verify", name)
        assert "\x1b" not in ran.out + ran.err


# Anywhere, for ever


def test_zone_language_and_process_make_no_difference(story: Cli) -> None:
    if not LINEAGE.exists():
        pytest.skip(f"no command {LINEAGE}: install the project into this environment (pip install -e .)")
    story.json("prove", "summary.md", "notes.md", "-o", "a.lineage")
    trust = story.write("t.toml", 'makers = "all"\nmax_checkpoint_age_s = 86400\n')
    arguments = (LINEAGE, "verify", "a.lineage", "--trust", trust, "--policy", "balanced", "--no-memory")
    found: dict[bool, set[bytes]] = {True: set(), False: set()}
    for zone, locale, seed in (
        ("UTC", "C", "0"),
        ("Pacific/Chatham", "C.UTF-8", "1"),
        ("Asia/Kathmandu", "tr_TR.UTF-8", "2"),
    ):
        environment = os.environ | {"TZ": zone, "LC_ALL": locale, "LANG": locale, "PYTHONHASHSEED": seed}
        for as_json in (True, False):
            more = ["--json"] if as_json else []
            ran = subprocess.run(
                [*arguments, "--at", "2027-01-15T20:00:00Z", *more],
                env=environment,
                capture_output=True,
                check=True,
                timeout=60,
            )
            assert ran.stderr == b""
            found[as_json].add(ran.stdout)
    assert len(found[False]) == 1
    (document,) = map(json.loads, found[True])
    assert (document["ok"], document["at_ms"]) == (True, RIGHT_NOW_MS + DAY_MS // 2)


def test_faults_are_counted_and_the_first_told(signed: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    gate(signed, "d.jsonl", "--policy", "balanced", "--verdicts", "v.parquet")
    signed.json("prove", "--gated", "v.parquet", "-o", "a.lineage")
    nobody = signed.write("nobody.toml", "makers = []\n")
    monkeypatch.setattr(proof_document, "FAULTS_TOLD_MAX", 2)
    monkeypatch.setattr(proof_words, "FAULTS_SHOWN_MAX", 4)
    arguments: tuple[Any, ...] = ("verify", "a.lineage", "--policy", "balanced", "--trust", nobody)
    found = signed.json(*arguments, code=1)
    assert (len(found["faults"]), found["fault_count"]) == (2, 6)
    ran = signed(*arguments)
    assert ran.out.count("[maker-not-accepted]") == 4
    assert "NOT well: 2 more" in ran.out


def test_people_of_each_artifact_are_told_as_long_as_they_are_not_too_many(
    story: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file of many people behind many artifacts would else make a document of any size."""
    story.json("prove", "summary.md")
    told = story.json("verify", "summary.md.lineage")
    assert all(len(each["humans"]) == each["human_count"] for each in [*told["subjects"], *told["artifacts"]])
    monkeypatch.setattr(proof_document, "PEOPLE_TOLD_MAX", 1)
    counted = story.json("verify", "summary.md.lineage")
    for each, before in zip(
        [*counted["subjects"], *counted["artifacts"]], [*told["subjects"], *told["artifacts"]], strict=True
    ):
        assert (each["humans"], each["human_count"]) == (None, len(before["humans"]))
    assert counted["humans"] == told["humans"]

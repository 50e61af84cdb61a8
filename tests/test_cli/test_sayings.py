"""What identities say of others and of the log: grades, forks, attestations, notices, rules."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.errors import RefusedInput
from ledger.signer import signing
from ledger.signer.logdoor import Placed
from ledger.spec import SUBJECTS_MAX
from tests.test_cli.command import Cli

LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "


@pytest.fixture
def town(ada: Cli) -> Cli:
    """Ada and bea, ada's pair, a registrar and a curator; `a.md` of ada's."""
    ada("identity", "new", "bea", "--unencrypted")
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    ada("identity", "new", "reg", "--role", "registrar", "--unencrypted")
    ada("identity", "new", "cur", "--role", "curator", "--unencrypted")
    assert ada("sign", ada.write("a.md", LONG), "--by", "ada").code == 0
    return ada


def listed(town: Cli) -> Cli:
    assert town("log", "rules", "--registrar", "reg", "--curator", "cur").code == 0
    return town


def test_rules_are_shown_changed_and_dropped(town: Cli) -> None:
    assert town.json("log", "rules") == {
        "mode": "open",
        "limits": {},
        "registrars": [],
        "curators": [],
        "log_index": None,
    }
    reg, cur = (town.json("identity", "show", name)["id"] for name in ("reg", "cur"))
    changed = town.json("log", "rules", "--registrar", "reg", "--curator", cur, "--records", "100")
    assert (changed["registrars"], changed["curators"], changed["limits"]) == ([reg], [cur], {"records": 100})
    assert changed["log_index"] is not None
    changed = town.json(
        "log", "rules", "--mode", "allow-list", "--drop", "cur", "--records", "0", "--bytes", "5000"
    )
    assert (changed["mode"], changed["registrars"], changed["curators"]) == ("allow-list", [reg], [])
    assert changed["limits"] == {"bytes": 5000}
    assert town.json("log", "rules") == changed | {"log_index": None}
    assert "allow-list" in town("status").out
    assert town.json("audit")["ok"] is True


def test_an_allow_list_without_a_registrar_is_warned_of(town: Cli) -> None:
    changed = town("log", "rules", "--mode", "allow-list", "--json")
    assert (changed.code, changed.document["mode"]) == (0, "allow-list")
    assert "nobody but the operator can append" in changed.err
    assert town("log", "rules").err == "", "asked for, and not changed"
    assert town("log", "rules", "--registrar", "reg").err == ""
    assert town("log", "rules", "--curator", "cur").err == ""
    assert "nobody but the operator and the curators can" in town("log", "rules", "--drop", "reg").err
    assert town("log", "rules", "--mode", "open").err == ""


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("role-illegal", ("--registrar", "ada")),
        ("role-illegal", ("--curator", "reg")),
        ("identity-unknown", ("--registrar", "nobody")),
        ("identity-unknown", ("--registrar", "ab" * 32)),
        ("identity-unknown", ("--drop", "cur")),
        ("schema", ("--records", "65537")),
        ("usage", ("--mode", "closed")),
    ],
)
def test_rules_that_are_refused(town: Cli, code: str, arguments: tuple[str, ...]) -> None:
    town.refused(code, "log", "rules", *arguments)


def test_an_allow_list_admits_whom_a_listed_registrar_endorses(town: Cli) -> None:
    listed(town)("log", "rules", "--mode", "allow-list")
    file = town.write("b.md", LONG + "b")
    error = town.refused("not-endorsed", "sign", file, "--by", "ada")
    assert "registrar" in error["fix"]
    town.refused("not-endorsed", "sign", file, "--by", "p")
    endorse = ("identity", "endorse", "ada", "--grade", "verified", "--method", "document")
    said = town.json(*endorse, "--by", "reg")
    assert (said["grade"], said["ended"]) == ("verified", False)
    assert town.json("sign", file, "--by", "ada")["new"] == 1
    assert town.json("sign", file, "--by", "p")["new"] == 1, "an anchor's endorsement lets its pairs in"
    assert town.json("identity", "endorse", "ada", "--end", "--by", "reg")["ended"] is True
    town.refused("not-endorsed", "sign", town.write("c.md", LONG + "c"), "--by", "ada")
    assert town.json("audit")["ok"] is True


def test_grades_reach_identities_and_traces(town: Cli) -> None:
    endorse = (
        "identity",
        "endorse",
        "ada",
        "--grade",
        "verified",
        "--method",
        "document",
        "--until",
        "2100-01-01",
    )
    assert "opens no allow-list" in town(*endorse, "--by", "reg").out
    listed(town)
    (grade,) = town.json("identity", "show", "ada")["endorsements"]
    assert (grade["grade"], grade["listed"], grade["until"]) == ("verified", True, 4_102_444_800_000)
    assert "verified (document) by registrar reg" in town("identity", "show", "ada").out
    (grade,) = town.json("trace", "a.md")["endorsements"]
    assert (grade["issuer"], grade["listed"]) == (town.json("identity", "show", "reg")["id"], True)
    assert "is verified (document) by registrar reg" in town("trace", "a.md").out
    town("log", "rules", "--drop", "reg")
    assert town.json("identity", "show", "ada")["endorsements"][0]["listed"] is False


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ("ada", "--by", "reg")),
        ("usage", ("ada", "--grade", "known", "--by", "reg")),
        ("usage", ("ada", "--end", "--grade", "known", "--method", "web", "--by", "reg")),
        ("usage", ("ada", "--grade", "famous", "--method", "web", "--by", "reg")),
        ("identity-unknown", ("nobody", "--grade", "known", "--method", "web", "--by", "reg")),
        ("identity-unknown", ("ab" * 32, "--grade", "known", "--method", "web", "--by", "reg")),
        ("identity-unknown", ("ada", "--end", "--by", "reg")),
        ("endorsement-illegal", ("ada", "--grade", "known", "--method", "web", "--by", "ada")),
        ("endorsement-illegal", ("p", "--grade", "known", "--method", "web", "--by", "ada")),
        ("not-authorised", ("bea", "--grade", "known", "--method", "web", "--by", "p")),
        ("usage", ("ab" * 32, "--end", "--log", "cd" * 32, "--by", "reg")),
        ("schema", ("ada", "--grade", "known", "--method", "web", "--by", "reg", "--until", "soon")),
        ("schema", ("ada", "--grade", "known", "--method", "web", "--by", "reg", "--log", "ab")),
        ("name-unknown", ("ada", "--grade", "known", "--method", "web")),
    ],
)
def test_endorsements_that_are_refused(town: Cli, code: str, arguments: tuple[str, ...]) -> None:
    town.refused(code, "identity", "endorse", *arguments)


def test_an_identity_of_another_log_is_endorsed_by_its_id(town: Cli) -> None:
    arguments = ("identity", "endorse", "ab" * 32, "--grade", "known", "--method", "web", "--by", "bea")
    assert town.json(*arguments, "--log", "cd" * 32)["subject"] == "ab" * 32
    town.refused("schema", "identity", "endorse", "ada", *arguments[3:], "--log", "cd" * 32)


def test_attestations_show_and_rescue_where_they_are_accepted(town: Cli) -> None:
    at = town.json("trace", "a.md")["log_index"]
    said = town.json("attest", "a.md", "--claim", "authorship", "--result", "confirmed", "--by", "bea")
    assert (len(said["log_indices"]), said["subjects"][0]["row_index"]) == (1, None)
    town("identity", "rotate", "ada", "--compromised", str(at), "--unencrypted", "--yes")
    document = town.json("trace", "a.md", code=1)
    assert (document["status"], document["attestations"], document["attested_by_others"]) == (
        "disowned",
        [],
        1,
    )
    assert "counted, not verified" in town("trace", "a.md").out
    document = town.json("trace", "a.md", "--accept", "bea")
    bea = town.json("identity", "show", "bea")["id"]
    assert (document["status"], document["level"]) == ("released", "L2")
    assert document["disowned"]["rescued_by"] == [bea]
    assert (document["attestations"][0]["by"], document["attested_by_others"]) == (bea, 0)
    assert "rescued by bea" in town("trace", "a.md", "--accept", bea).out
    assert town.json("trace", "a.md", "--accept", "reg", code=1)["status"] == "disowned"
    for unknown in ("nobody", "ab" * 32, document["id"]):
        town.refused("identity-unknown", "trace", "a.md", "--accept", unknown)


def test_attestations_on_rows_and_with_evidence(town: Cli) -> None:
    data = town.rows("d.jsonl", {"text": LONG + "1"}, {"text": LONG + "2"})
    row = town.json("sign", data, "--rows", "text", "--by", "ada")["artifacts"][1]["id"]
    evidence = ("--evidence", "ff" * 32, "ab" * 32, "ab" * 32)
    attest = ("--claim", "content", "--result", "refuted", "--by", "bea")
    assert len(town.json("attest", row, "a.md", *attest, *evidence)["subjects"]) == 2
    town.refused("subject-unknown", "attest", f"{row}:0", *attest)
    town.refused("unlogged", "attest", "ab" * 32, *attest)
    town.refused("schema", "attest", f"{row}:", *attest)
    town.refused("schema", "attest", row, *attest, "--evidence", "abc")
    town.refused("usage", "attest", row, "--claim", "beauty", "--result", "refuted")
    town("identity", "new", "bot", "--role", "machine", "--unencrypted")
    town.refused("not-authorised", "attest", row, *attest[:-1], "bot")


def test_a_curator_holds_and_releases(town: Cli) -> None:
    hold = ("notice", "hold", "a.md", "--by", "cur", "--reason", "rights")
    town.refused("not-authorised", *hold)
    listed(town)
    town.refused("notice-illegal", "notice", "release", "a.md", "--by", "cur")
    assert town.json(*hold)["reason"] == "rights"
    document = town.json("trace", "a.md", code=1)
    assert document["status"] == "quarantined"
    (held,) = document["notices"]
    assert (held["act"], held["reason"], held["row_index"]) == ("hold", "rights", None)
    assert "held back by cur" in town("trace", "a.md").out
    town.refused("notice-illegal", "notice", "release", "a.md", "--by", "ada")
    town.refused("notice-illegal", "notice", "release", "a.md", "--by", "cur", "--cancels", "ab" * 32)
    town.refused("schema", "notice", "release", "a.md", "--by", "cur", "--cancels", "ab")
    town(*hold)
    assert len(town.json("notice", "release", "a.md", "--by", "cur")["log_indices"]) == 2, "both holds"
    assert town.json("trace", "a.md")["status"] == "released"
    town.refused("notice-illegal", "notice", "release", "a.md", "--by", "cur")


def test_one_hold_is_released_by_its_name(town: Cli) -> None:
    hold = ("notice", "hold", "a.md", "--by", "cur")
    listed(town)(*hold)
    town(*hold)
    first, second = town.json("trace", "a.md", code=1)["notices"]
    town("notice", "release", "a.md", "--by", "cur", "--cancels", first["statement"])
    assert town.json("trace", "a.md", code=1)["notices"] == [second]


def test_a_dispute_makes_it_conditional(town: Cli) -> None:
    dispute = ("notice", "dispute", "a.md", "--by", "cur", "--reason", "error")
    error = listed(town).refused("usage", *dispute)
    assert "cannot be undone" in error["reason"], "a dispute does not end"
    assert town(*dispute, "--yes").code == 0
    document = town.json("trace", "a.md", code=1)
    assert document["status"] == "conditional"
    assert "disputed by cur" in town("trace", "a.md").out


@pytest.mark.parametrize("act", ["retract", "erase"])
def test_the_maker_takes_back_for_good_and_is_asked(town: Cli, act: str) -> None:
    town.refused("usage", "notice", act, "a.md", "--by", "ada")
    town.refused("not-authorised", "notice", act, "a.md", "--by", "bea", "--yes")
    ran = town("notice", act, "a.md", "--by", "ada", "--reason", "error", "--yes")
    assert ran.code == 0
    assert "--descendants" in ran.out
    assert ("Due in a week" in ran.out) == (act == "erase")
    document = town.json("trace", "a.md", code=1)
    assert (document["status"], document["notices"][0]["act"]) == ("retracted", act)
    assert town.json("audit")["ok"] is True


def test_an_anchor_retracts_what_her_pair_made_and_the_pair_does_not(town: Cli) -> None:
    town("sign", town.write("out.md", LONG + "out"), "--by", "p")
    town.refused("not-authorised", "notice", "retract", "out.md", "--by", "p", "--yes")
    assert town("notice", "retract", "out.md", "--by", "ada", "--yes").code == 0


def fork(town: Cli, tmp_path: Path) -> tuple[Path, Path]:
    """A backup of ledger and keys is used beside them: two statements of bea's at one place, as receipts."""
    town("sign", town.write("seed.md", LONG + "seed"), "--by", "bea")
    backup = tmp_path / "backup"
    shutil.copytree(town.ledger, backup / "ledger")
    shutil.copytree(town.config, backup / "keys")
    one, other = town.write("one.md", LONG + "1"), town.write("other.md", LONG + "other")
    receipts = town.folder / "one.tlog-proof", town.folder / "other.tlog-proof"
    town("sign", one, "--by", "bea")
    assert town("log", "proof", one, "-o", receipts[0]).code == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINEAGE_LEDGER", str(backup / "ledger"))
        patch.setenv("LINEAGE_CONFIG", str(backup / "keys"))
        assert town("sign", other, "--by", "bea").code == 0
        assert town("log", "proof", other, "-o", receipts[1]).code == 0
    return receipts


def test_a_fork_is_shown_by_anybody_who_holds_both_receipts(town: Cli, tmp_path: Path) -> None:
    one, other = fork(town, tmp_path)
    before = town.json("trace", "one.md")
    assert before["status"] == "released"
    town.refused("evidence-invalid", "identity", "contest", one, one, "--by", "ada")
    said = town.json("identity", "contest", other, one, "--by", "ada")
    bea = town.json("identity", "show", "bea")
    assert (said["accused"], bea["contested"]) == (bea["id"], said["log_index"])
    assert "CONTESTED" in town("identity", "list").out
    document = town.json("trace", "one.md", code=1)
    assert (document["status"], document["contested"]) == ("quarantined", said["log_index"])
    assert "contested: its signer signed two statements" in town("trace", "one.md").out
    assert town.json("sign", town.write("still.md", LONG + "still"), "--by", "bea")["new"] == 1
    assert town("identity", "rotate", "bea", "--unencrypted").code == 0
    assert town.json("identity", "show", "bea")["contested"] is None
    assert town.json("trace", "one.md")["status"] == "released"
    assert town.json("audit")["ok"] is True


def test_who_retires_stays_contested(town: Cli, tmp_path: Path) -> None:
    said = town.json("identity", "contest", *fork(town, tmp_path), "--by", "ada")
    town("identity", "retire", "bea", "--reason", "ended", "--yes")
    bea = town.json("identity", "show", "bea")
    assert (bea["retired"], bea["contested"]) == (True, said["log_index"])
    assert town.json("trace", "one.md", code=1)["status"] == "quarantined"


def test_what_is_no_evidence_is_refused(town: Cli, tmp_path: Path) -> None:
    one, other = fork(town, tmp_path)
    contest = ("identity", "contest")
    town.refused("file-not-found", *contest, one, town.folder / "absent", "--by", "ada")
    town.refused("not-canonical", *contest, one, town.write("junk", b"\xc1\xc1"), "--by", "ada")
    for junk in (b"c2sp.org/tlog-proof@v1\n", one.read_bytes()[:-9], b"c2sp.org/tlog-proof@v9\nindex 0\n"):
        broken = town.write("broken.tlog-proof", junk)
        ran = town(*contest, one, broken, "--by", "ada")
        assert (ran.code, str(broken) in ran.err) == (2, True), "no verdict on anybody"
    bare = town.folder / "bare.tlog-proof"
    town("log", "proof", "one.md", "--bare", "-o", bare)
    town.refused("schema", *contest, bare, other, "--by", "ada")
    proof = town.folder / "a.tlog-proof"
    town("log", "proof", "a.md", "-o", proof)
    town.refused("schema", *contest, proof, other, "--by", "ada")
    index = town.json("trace", "one.md")["log_index"]
    with ledger.open() as door, door.view() as view:
        entry = town.write("one.entry", view.entry(index))
    assert town("identity", "contest", entry, other, "--by", "ada").code == 0


def test_doctor_rebuilds_what_follows_from_the_log(town: Cli) -> None:
    document = town.json("doctor", "--rebuild")
    assert document["ok"] is True
    assert document["rebuilt"]["changed"] == 0
    assert document["rebuilt"]["entries"] == town.json("status")["size"]
    assert "Rebuilt from" in town("doctor", "--rebuild").out
    assert town.json("sign", town.write("b.md", LONG + "b"), "--by", "ada")["new"] == 1


def crowd(town: Cli, by: str, count: int) -> list[str]:
    """The artifacts of as many rows, by their ids ascending."""
    data = town.rows(f"{by}.jsonl", *({"text": f"{LONG}{number}"} for number in range(count)))
    signed = town.json("sign", data, "--rows", "text", "--by", by)
    return sorted(item["id"] for item in signed["artifacts"] if item["row_index"] is not None)


def test_many_subjects_are_all_named_or_none(town: Cli) -> None:
    foreign = crowd(town, "bea", 64)[-1]
    own = [item for item in crowd(town, "ada", 2 * SUBJECTS_MAX) if item < foreign][: SUBJECTS_MAX + 1]
    last = f"artifact {own[-1][:16]}"
    retract = ("notice", "retract", *own[:-1])
    error = town.refused("not-authorised", *retract, foreign, "--by", "ada", "--yes")
    assert error["item"] == f"artifact {foreign[:16]}", "it is in the second statement"
    assert town.refused("subject-unknown", *retract, f"{own[-1]}:0", "--by", "ada", "--yes")["item"] == last
    hold = listed(town).json("notice", "hold", *own[:-1], "--by", "cur")
    (held,) = town.json("trace", own[0], code=1)["notices"]
    release = ("notice", "release", "--by", "cur", "--cancels", held["statement"])
    error = town.refused("notice-illegal", *release, *own)
    assert (error["item"], len(hold["log_indices"])) == (last, 1)
    said = town.json("notice", "retract", *own, own[0], "--by", "ada", "--yes")
    assert (len(said["log_indices"]), len(said["subjects"])) == (2, len(own))
    assert town.json("trace", own[-1], code=1)["status"] == "retracted"


def test_what_was_said_before_a_failure_is_told(town: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    own = crowd(town, "ada", SUBJECTS_MAX + 1)
    say = signing.say
    said: list[Placed] = []

    def once(*arguments: Any) -> Placed:
        if said:
            raise RefusedInput("schema", "the second", "it is refused", "Do not.")
        said.append(say(*arguments))
        return said[0]

    monkeypatch.setattr(signing, "say", once)
    ran = town("notice", "retract", *own, "--by", "ada", "--yes")
    assert ran.code == 2
    assert f"1 of 2 statements were said before, at log index {said[0].log_index}" in " ".join(
        ran.err.split()
    )


def test_a_file_whose_name_holds_a_colon_is_that_file(town: Cli) -> None:
    meant = []
    for name in ("notes", "notes:3", "plan:2024", "end:"):
        town.write(name, LONG + name)
        meant.append(town.json("sign", name, "--by", "ada")["artifacts"][0]["id"])
        said = town.json("attest", name, "--claim", "origin", "--result", "unclear", "--by", "bea")
        assert said["subjects"] == [{"id": meant[-1], "row_index": None}]
    assert len(set(meant)) == len(meant)


def test_a_subject_named_twice_is_one(town: Cli) -> None:
    artifact_id = town.json("trace", "a.md")["id"]
    attest = ("--claim", "content", "--result", "unclear", "--by", "bea")
    said = town.json("attest", artifact_id, "a.md", artifact_id, *attest)
    assert said["subjects"] == [{"id": artifact_id, "row_index": None}]
    assert "1 subject (" in town("attest", "a.md", artifact_id, *attest).out


@pytest.mark.parametrize("digits", [21, 5_000])
def test_a_row_of_too_many_digits_is_refused(town: Cli, digits: int) -> None:
    row = f"{town.json('trace', 'a.md')['id']}:{'1' * digits}"
    error = town.refused("schema", "notice", "retract", row, "--by", "ada", "--yes")
    assert f"{digits} digits" in error["reason"]
    assert len(error["item"]) < 100

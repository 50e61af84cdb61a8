"""Keys stolen, lost, changed and ended: what the commands do, refuse, foresee and show."""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.spec import RECOVERY_WAIT_S
from tests.test_cli.command import RIGHT_NOW_MS, Cli, Clock

LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "


@pytest.fixture
def stolen(ada: Cli) -> Cli:
    """Ada signed `mine.md`; then a thief with her daily key `forged.md`, on which her pair built `built.md`."""
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    for name in ("mine.md", "forged.md", "built.md"):
        ada.write(name, LONG + name)
    assert ada("sign", "mine.md", "--by", "ada").code == 0
    assert ada("sign", "forged.md", "--by", "ada").code == 0
    assert ada("sign", "built.md", "--by", "p", "--parent", "forged.md@50%").code == 0
    return ada


STOLEN_AT = 10  # the log index of forged.md
ROTATE = ("identity", "rotate", "ada", "--unencrypted", "--yes")


def nodes(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The artifacts of a trace, by the names of kinds."""
    found = {document["kind"]: document}
    for parent in document["parents"]:
        found |= nodes(parent)
    return found


def test_a_rotation_puts_the_next_keys_in_force_and_disowns_nothing(ada: Cli) -> None:
    ada("sign", ada.write("a.md", LONG))
    folder = ada.keys("ada")
    before = {name: (folder / name).read_bytes() for name in ("current.key", "next.key", "recovery.key")}
    document = ada.json("identity", "rotate", "ada", "--unencrypted")
    assert (document["type"], document["state"], document["kseq"]) == ("rotate", "in-force", 1)
    assert document["effects"]["artifacts"] == 0
    assert (folder / "current.key").read_bytes() == before["next.key"]
    after = [(folder / name).read_bytes() for name in before]
    assert not set(after[1:]) & set(before.values()), "new next and recovery keys were drawn"
    shown = ada.json("identity", "show", "ada")
    assert (shown["key_event"], shown["key_event_type"]) == (document["key_event"], "rotate")
    assert ada.json("trace", "a.md")["status"] == "released"
    assert ada.json("sign", ada.write("b.md", LONG + "b"))["new"] == 1
    assert ada.json("audit")["ok"] is True


def test_who_signs_where_a_copy_of_his_keys_signed_is_told(ada: Cli) -> None:
    ada("sign", ada.write("a.md", LONG), "--by", "ada")
    shutil.copytree(ada.config, ada.folder.parent / "copy")
    ada("sign", ada.write("stolen.md", LONG + "stolen"), "--by", "ada")
    shutil.rmtree(ada.config)
    shutil.copytree(ada.folder.parent / "copy", ada.config)
    (log,) = ada.config.glob("logs/*")
    (log / "log.signed").unlink()  # else the log's key remembers, and the older copy signs nothing
    ran = ada("sign", ada.write("b.md", LONG + "b"), "--by", "ada")
    assert ran.code == 0
    assert "an older copy of the keys was restored, or they are stolen" in ran.err
    assert "stolen" not in ada("sign", ada.write("c.md", LONG + "c"), "--by", "ada").err


def test_a_rotation_says_what_to_do_next(stolen: Cli) -> None:
    words = stolen(*ROTATE, "--compromised", str(STOLEN_AT)).out
    folder = stolen.keys("ada")
    for told in (f"{folder / 'next.key'}", f"{folder / 'recovery.key'}", "--again --by ada"):
        assert told in words


def test_a_dry_run_tells_what_a_cut_would_disown_and_changes_nothing(stolen: Cli) -> None:
    before = (stolen.traces(), {path: path.read_bytes() for path in stolen.config.rglob("*.key")})
    arguments = ("identity", "rotate", "ada", "--compromised", str(STOLEN_AT), "--dry-run")
    document = stolen.json(*arguments)
    words = stolen(*arguments).out
    assert before == (stolen.traces(), {path: path.read_bytes() for path in stolen.config.rglob("*.key")})
    effects = document["effects"]
    assert effects["disowned"]["statements"] == {"artifacts": 1}
    assert (effects["disowned"]["first"], effects["disowned"]["last"]) == (STOLEN_AT, STOLEN_AT)
    assert effects["artifacts_first"] == [stolen.json("trace", "forged.md")["id"]]
    (later,) = effects["descendants_first"]
    assert (later["id"], later["relation"]) == (stolen.json("trace", "built.md")["id"], "derived-from")
    assert effects["suspect_pairs"] == []
    for told in (
        f"from log index {STOLEN_AT} on is not mine",
        "1 statement over artifacts (1 artifact)",
        "later artifacts that descend from that or refer to it: 1, by 1 maker",
        "Nothing is erased",
        "nothing was changed",
    ):
        assert told in words


def test_a_cut_shows_in_every_trace_and_the_owner_signs_again(stolen: Cli) -> None:
    assert stolen.json("trace", "built.md")["status"] == "released"
    at = stolen.json(*ROTATE, "--compromised", str(STOLEN_AT))["log_index"]
    assert stolen.json("trace", "mine.md")["status"] == "released"
    root = stolen.json("trace", "built.md", code=1)
    forged = nodes(root)["work"]
    assert (root["status"], forged["status"], forged["presence"]) == ("released", "disowned", "disowned")
    assert (forged["level"], forged["humans"]) == ("L1", [])
    assert forged["disowned"]["log_index"] == at
    assert forged["disowned"]["late_entries"] == at - STOLEN_AT
    assert forged["disowned"]["suspect"] is False
    words = stolen("trace", "built.md").out
    assert f"disowned {at - STOLEN_AT} entries (" in words
    assert f"later by a rotation of ada at log index {at}" in words
    signed = stolen.json("sign", "forged.md", "--again", "--by", "ada")
    assert (signed["new"], signed["again"], signed["already_logged"]) == (1, 1, 0)
    assert signed["artifacts"][0]["id"] == forged["id"]
    root = stolen.json("trace", "built.md")
    assert nodes(root)["work"]["log_index"] == signed["artifacts"][0]["log_index"]
    assert (
        f"signed again at log index {signed['artifacts'][0]['log_index']}" in stolen("trace", "built.md").out
    )
    again = stolen.json("sign", "forged.md", forged["id"], "--again", "--by", "ada")
    assert (again["new"], again["already_logged"]) == (0, 1)
    assert stolen.json("audit")["ok"] is True


def test_signing_the_same_file_the_same_way_signs_what_was_disowned_again(stolen: Cli) -> None:
    stolen(*ROTATE, "--compromised", str(STOLEN_AT))
    signed = stolen.json("sign", "mine.md", "forged.md", "--by", "ada")
    assert (signed["new"], signed["again"], signed["already_logged"]) == (1, 1, 1)
    stolen.write("new.md", LONG + "new")
    signed = stolen.json("sign", "new.md", "forged.md", "--by", "ada")
    assert (signed["new"], signed["again"], signed["already_logged"]) == (1, 0, 1)


def test_signing_again_takes_no_new_claims_and_only_what_one_signed(stolen: Cli) -> None:
    stolen.refused("usage", "sign", "forged.md", "--again", "--by", "ada", "--license", "CC0-1.0")
    stolen.refused("usage", "sign", "forged.md", "--again", "--by", "ada", "--parent", "mine.md")
    stolen.refused("unlogged", "sign", "forged.md", "--again", "--by", "p")
    stolen.refused("unlogged", "sign", "ab" * 8, "--again", "--by", "ada")


def test_descendants_of_what_was_disowned_are_listed(stolen: Cli) -> None:
    deeper, referring = stolen.write("deeper.md", LONG + "!!"), stolen.write("says.md", LONG + "??")
    stolen("sign", deeper, "--by", "p", "--parent", "built.md")
    stolen("sign", referring, "--by", "ada", "--parent", "corrects=forged.md")
    document = stolen.json("trace", "forged.md", "--descendants")
    found = document["descendants"]
    assert [item["path"] for item in found] == [
        ["derived-from"],
        ["derived-from", "derived-from"],
        ["corrects"],
    ]
    assert [(item["descends"], item["generation"], item["stands"]) for item in found] == [
        (True, 1, True),
        (True, 2, True),
        (False, 1, True),
    ]
    words = stolen("trace", "forged.md", "--descendants").out
    assert "derived-from of derived-from" in words
    assert "refers only" in words
    assert "descendants" not in stolen.json("trace", "forged.md")
    assert stolen.json("trace", deeper, "--descendants")["descendants"] == []
    assert "Nothing in this log descends from it" in stolen("trace", deeper, "--descendants").out


def test_a_pair_that_a_thief_delegated_is_suspect(ada: Cli) -> None:
    at = ada.json("status")["size"]
    ada("identity", "new", "q", "--role", "pair", "--of", "ada", "--substrate", "m@1", "--unencrypted")
    ada("sign", ada.write("q.md", LONG), "--by", "q")
    arguments = ("identity", "rotate", "ada", "--compromised", str(at), "--unencrypted")
    (suspect,) = ada.json(*arguments, "--dry-run")["effects"]["suspect_pairs"]
    assert (suspect["statements"], suspect["artifacts"]) == ({"artifacts": 1}, 1)
    assert "the pair q (" in ada(*arguments, "--dry-run").out
    ada(*arguments, "--yes")
    document = ada.json("trace", "q.md", code=1)
    assert (document["status"], document["disowned"]["suspect"]) == ("disowned", True)
    assert "suspect, its delegation disowned" in ada("trace", "q.md").out
    assert ada.json("identity", "show", "q")["delegations"][0]["end"] == "disowned by its anchor"
    ada.refused("not-delegated", "sign", ada.write("r.md", LONG + "r"), "--by", "q")
    assert ada.json("identity", "delegate", "q", "--substrate", "m@2")["log_index"]
    assert ada.json("sign", "q.md", "--by", "q")["again"] == 1


def test_the_first_index_in_doubt_may_be_a_date(clock: Clock, stolen: Cli) -> None:
    """`stolen` was made at one moment; what is signed from the next day on is in doubt."""
    clock.pass_days(1)
    stolen("sign", stolen.write("late.md", LONG + "late"), "--by", "ada")
    at = stolen.json("trace", "late.md")["log_index"]
    plan = ("identity", "rotate", "ada", "--dry-run", "--compromised-since")
    assert stolen.json(*plan, "2027-01-16")["compromised"][0][1] == at
    assert stolen.json(*plan, "2027-01-15T08:00")["compromised"][0][1] == 0, "the whole of the log"
    stolen.refused("compromised-illegal", *plan, "2028-01-01")
    stolen.refused("schema", *plan, "yesterday")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("usage", ("--compromised", "10")),
        ("compromised-illegal", ("--compromised", "999", "--yes")),
        ("usage", ("--compromised", "-1", "--yes")),
        ("usage", ("--compromised", "1", "--compromised-since", "2027-01-01", "--yes")),
        ("usage", ("--key", "1", "--yes")),
        ("compromised-illegal", ("--compromised", "10", "--key", "2", "--yes")),
        ("compromised-illegal", ("--compromised", "10", "--key", "deadbeef", "--yes")),
        ("key-file-missing", ("--next-key", "absent.key")),
        ("threshold-illegal", ("--keys", "2", "--threshold", "3")),
        ("threshold-illegal", ("--keys", "9")),
    ],
)
def test_rotations_that_are_refused_leave_everything(
    stolen: Cli, code: str, arguments: tuple[str, ...]
) -> None:
    stolen.refused(code, "identity", "rotate", "ada", "--unencrypted", *arguments)
    assert stolen.json("sign", stolen.write("x.md", LONG + "x"), "--by", "ada")["new"] == 1


def test_new_keys_are_encrypted_or_it_is_said(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ada.refused("passphrase-missing", "identity", "rotate", "ada")
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "correct horse")
    assert ada("identity", "rotate", "ada").code == 0
    assert "argon2id" in (ada.keys("ada") / "next.key").read_text()


def test_keys_that_were_moved_away_are_brought_by_their_file(ada: Cli) -> None:
    safe = ada.folder / "safe"
    safe.mkdir()
    for name in ("next.key", "recovery.key"):
        (ada.keys("ada") / name).rename(safe / name)
    rotate = ("identity", "rotate", "ada", "--unencrypted")
    error = ada.refused("key-file-missing", *rotate)
    assert "next.key" in error["item"]
    ada.refused("key-file-foreign", *rotate, "--next-key", safe / "recovery.key")
    assert ada.json(*rotate, "--next-key", safe / "next.key")["state"] == "in-force"
    assert ada.json("sign", ada.write("a.md", LONG))["new"] == 1


def test_what_cannot_be_undone_is_asked_on_a_terminal(stolen: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    command = ("identity", "rotate", "ada", "--unencrypted", "--compromised", str(STOLEN_AT))
    size = stolen.json("status")["size"]
    monkeypatch.setattr("ledger.cli.common.is_terminal", lambda: True)
    for answer in ("\n", "n\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        ran = stolen(*command)
        assert (ran.code, stolen.json("status")["size"]) == (2, size)
        assert "1 statement over artifacts" in ran.err
        assert "Go on? [y/N]" in ran.err
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert stolen(*command).code == 0
    assert stolen.json("identity", "show", "ada")["compromised"][0]["from"] == STOLEN_AT


def test_a_recovery_waits_a_week_and_then_holds(clock: Clock, ada: Cli) -> None:
    ada("sign", ada.write("a.md", LONG))
    document = ada.json("identity", "recover", "ada", "--unencrypted")
    assert (document["state"], document["type"]) == ("waiting", "recover")
    pending = ada.json("identity", "show", "ada")["pending_recovery"]
    assert pending == {
        "log_index": document["log_index"],
        "in_force_ms": RIGHT_NOW_MS + RECOVERY_WAIT_S * 1_000,
    }
    for command in ("show", "list"):
        assert "RECOVERY PENDING" in ada("identity", command, *(["ada"] if command == "show" else [])).out
    assert "RECOVERY PENDING" in ada("status").out
    assert ada.json("status")["identities"][0]["keys_wait"] == ["recover"]
    ada.refused("recovery-pending", "identity", "recover", "ada", "--unencrypted")
    old = ada.json("identity", "show", "ada")["key_event"]
    clock.pass_days(6.9)
    assert ada.json("sign", ada.write("b.md", LONG + "b"))["new"] == 1
    assert ada.json("identity", "show", "ada")["key_event"] == old
    clock.pass_days(0.2)
    assert ada.json("sign", ada.write("c.md", LONG + "c"))["new"] == 1
    shown = ada.json("identity", "show", "ada")
    assert (shown["key_event"], shown["pending_recovery"]) == (document["key_event"], None)
    assert shown["keys_wait"] == []
    assert ada.json("audit")["ok"] is True


def test_a_recovery_that_disowns_does_so_once_it_is_in_force(clock: Clock, stolen: Cli) -> None:
    recover = ("identity", "recover", "ada", "--unencrypted", "--compromised", str(STOLEN_AT))
    assert stolen.json(*recover, "--dry-run")["effects"]["artifacts"] == 1
    stolen(*recover)
    assert stolen.json("trace", "forged.md")["status"] == "released"
    clock.pass_days(8)
    stolen("log", "checkpoint", "--fresh")
    document = stolen.json("trace", "forged.md", code=1)
    assert document["status"] == "disowned"
    assert document["disowned"]["late_ms"] >= RECOVERY_WAIT_S * 1_000
    assert "by a recovery of ada" in stolen("trace", "forged.md").out


def test_a_rotation_ends_a_pending_recovery(clock: Clock, ada: Cli) -> None:
    ada("identity", "recover", "ada", "--unencrypted")
    ada.refused("usage", "identity", "rotate", "ada", "--unencrypted")
    rotated = ada.json("identity", "rotate", "ada", "--unencrypted", "--yes")
    clock.pass_days(8)
    assert ada.json("sign", ada.write("a.md", LONG))["new"] == 1
    shown = ada.json("identity", "show", "ada")
    assert (shown["key_event"], shown["pending_recovery"], shown["keys_wait"]) == (
        rotated["key_event"],
        None,
        [],
    )


def test_who_is_retired_says_nothing_more_and_silences_his_pairs(stolen: Cli) -> None:
    retire = ("identity", "retire", "ada", "--reason", "ended")
    plan = stolen.json(*retire, "--dry-run")
    assert plan["effects"]["silenced_pairs"] == [stolen.json("identity", "show", "p")["id"]]
    assert "the pair p (" in stolen(*retire, "--dry-run").out
    stolen.refused("usage", *retire)
    assert stolen.json(*retire, "--yes")["state"] == "in-force"
    assert stolen.json("trace", "built.md")["status"] == "released", "what was said before stays"
    shown = stolen.json("identity", "show", "ada")
    assert shown["retired"] is True
    assert "retired" in stolen("identity", "list").out
    file = stolen.write("late.md", LONG + "late")
    stolen.refused("identity-retired", "sign", file, "--by", "ada")
    stolen.refused("not-delegated", "sign", file, "--by", "p")
    for verb in (("rotate", "ada"), ("recover", "ada"), ("retire", "ada", "--reason", "ended", "--yes")):
        options = ("--unencrypted",) if verb[0] != "retire" else ()
        stolen.refused("identity-retired", "identity", *verb, *options)
    stolen.refused("identity-retired", "identity", "delegate", "p", "--substrate", "m@2")
    assert stolen.json("audit")["ok"] is True


def test_a_pair_that_cannot_speak_already_does_not_fall_silent(stolen: Cli) -> None:
    """Its delegation is disowned, so that the retirement of its anchor takes nothing from it."""
    stolen.json(*ROTATE, "--compromised", "0")
    plan = stolen.json("identity", "retire", "ada", "--reason", "ended", "--dry-run")
    assert plan["effects"]["silenced_pairs"] == []


def test_a_delegation_is_ended_by_the_anchor_at_once(stolen: Cli) -> None:
    stolen.refused("delegation-illegal", "identity", "undelegate", "ada")
    stolen.refused("identity-unknown", "identity", "undelegate", "nobody")
    document = stolen.json("identity", "undelegate", "p")
    shown = stolen.json("identity", "show", "p")
    assert (document["pair"], shown["delegations"][0]["in_force"]) == (shown["id"], False)
    assert shown["delegations"][0]["end"] == f"ended by its anchor at log index {document['log_index']}"
    assert "not delegated" in stolen("identity", "list").out
    stolen.refused("delegation-illegal", "identity", "undelegate", "p")
    file = stolen.write("late.md", LONG + "late")
    stolen.refused("not-delegated", "sign", file, "--by", "p")
    stolen("identity", "delegate", "p", "--substrate", "m@2")
    assert stolen.json("sign", file, "--by", "p")["new"] == 1


def test_keysets_of_several_keys(cli: Cli) -> None:
    cli.begin("ada")
    new = ("identity", "new", "lab", "--role", "curator", "--unencrypted")
    cli.refused("threshold-illegal", *new, "--keys", "2", "--threshold", "3")
    cli.refused("threshold-illegal", *new, "--keys", "0")
    assert (
        cli(
            "identity", "new", "lab", "--role", "curator", "--unencrypted", "--keys", "3", "--threshold", "2"
        ).code
        == 0
    )
    folder = cli.keys("lab")
    assert len(list(folder.glob("current*.key"))) == 3
    assert "2 of 3 keys sign" in cli("identity", "show", "lab").out
    reported = ("--reported", "--kind", "dataset", "--by", "lab")
    (folder / "current.2.key").rename(cli.folder / "elsewhere.key")
    assert cli.json("sign", cli.write("a.md", LONG), *reported)["new"] == 1
    (folder / "current.key").unlink()
    cli.refused("key-file-missing", "sign", cli.write("b.md", LONG + "b"), *reported)
    (folder / "next.3.key").rename(cli.folder / "safe.key")
    assert (
        cli.json("identity", "rotate", "lab", "--unencrypted", "--keys", "1", "--threshold", "1")["kseq"] == 1
    )
    assert cli.json("identity", "show", "lab")["keys"] == 3, "the revealed keyset is that of before"
    assert cli.json("sign", "b.md", *reported)["new"] == 1


def test_one_of_several_keys_is_named_as_stolen(cli: Cli) -> None:
    cli.begin()
    new = ("identity", "new", "ada", "--unencrypted", "--keys", "3")
    assert cli(*new).code == 0
    folder = cli.keys("ada")
    cli("sign", cli.write("first.md", LONG))
    for name in ("current.key", "current.3.key"):  # so that the second key signs
        shutil.move(folder / name, cli.folder / name)
    cli("sign", cli.write("second.md", LONG + "2"))
    import json

    stolen = json.loads((folder / "current.2.key").read_text())
    public = str(next(value for name, value in stolen.items() if "public" in name))
    cut = ("identity", "rotate", "ada", "--unencrypted", "--compromised", "0", "--key", public[:16], "--yes")
    assert len(cli.json(*cut)["compromised"]) == 1
    assert cli.json("trace", "first.md")["status"] == "released"
    assert cli.json("trace", "second.md", code=1)["status"] == "disowned"


def test_a_change_of_keys_that_a_crash_left_is_carried_through(
    ada: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ledger.log.writer import LogWriter

    class KilledError(BaseException):
        pass

    def kill(*_arguments: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(LogWriter, "append", kill)
        with pytest.raises(KilledError):
            ada("identity", "rotate", "ada", "--unencrypted")
    assert ada.json("identity", "show", "ada")["keys_wait"] == ["rotate"]
    assert "a change of keys waits (rotate)" in ada("status").out
    assert ada.json("sign", ada.write("a.md", LONG))["new"] == 1
    shown = ada.json("identity", "show", "ada")
    assert (shown["key_event_type"], shown["keys_wait"]) == ("rotate", [])


def test_a_copy_of_the_keys_elsewhere_is_told_that_they_are_not_in_force(stolen: Cli, tmp_path: Path) -> None:
    """The thief goes on with the key that was rotated away."""
    thief = tmp_path / "thief"
    shutil.copytree(stolen.config, thief)
    stolen(*ROTATE, "--compromised", str(STOLEN_AT))
    file = stolen.write("more.md", LONG + "more")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LINEAGE_CONFIG", str(thief))
        ran = stolen("sign", file, "--by", "ada", "--json")
        assert (ran.code, ran.document["error"]["code"]) == (2, "keys-not-in-force")
        ran = stolen("identity", "rotate", "ada", "--unencrypted", "--json")
        assert (ran.code, ran.document["error"]["code"]) == (2, "commitment-differs")


def unsent(ada: Cli, *arguments: str) -> dict[str, Any]:
    """The error of a change of keys whose sending fails: it is signed and kept, and the log does not hold it."""
    from ledger.errors import StoreFault
    from ledger.log.writer import LogWriter

    def full(*_arguments: object) -> None:
        raise StoreFault("disk-full", "the disk", "it is full", "Free some space.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LogWriter, "append", full)
        ran = ada("identity", *arguments, "--json")
    assert ran.code == 2
    return dict(ran.document["error"])


def test_a_kept_change_is_neither_doubled_nor_replaced(stolen: Cli) -> None:
    error = unsent(stolen, *ROTATE[1:], "--compromised", "8")
    assert error["code"] == "disk-full"
    assert "the rotate is signed and kept" in error["reason"]
    size = stolen.json("status")["size"]
    other = ("--compromised", str(STOLEN_AT))
    for arguments in ((*ROTATE, *other), (*ROTATE, "--dry-run"), ("identity", "recover", "ada", "--dry-run")):
        error = stolen.refused("change-pending", *arguments)
        assert "a rotate that disowns from log index 8 on" in error["reason"]
        assert "lineage identity rotate ada --resume" in error["fix"]
    stolen.refused("change-pending", "identity", "retire", "ada", "--reason", "ended", "--discard")
    stolen.refused("usage", "identity", "rotate", "ada", "--resume")
    assert stolen.json("status")["size"] == size
    stolen.json(*ROTATE, "--discard")
    assert stolen.json("identity", "show", "ada")["keys_wait"] == []
    assert stolen.json(*ROTATE, *other)["state"] == "in-force"
    assert [cut["from"] for cut in stolen.json("identity", "show", "ada")["compromised"]] == [STOLEN_AT]
    stolen.refused("usage", *ROTATE, "--discard")
    stolen.refused("usage", *ROTATE, "--resume")


def test_a_kept_change_is_carried_through_when_asked(stolen: Cli) -> None:
    unsent(stolen, *ROTATE[1:], "--compromised", str(STOLEN_AT))
    size = stolen.json("status")["size"]
    document = stolen.json(*ROTATE, "--resume")
    assert (document["compromised"][0][1], document["log_index"]) == (STOLEN_AT, size)
    assert document["effects"]["artifacts"] == 1
    assert stolen.json("identity", "show", "ada")["key_event"] == document["key_event"]
    assert stolen.json("trace", "forged.md", code=1)["status"] == "disowned"


def test_signing_that_carries_a_retirement_through_says_so(ada: Cli) -> None:
    unsent(ada, "retire", "ada", "--reason", "ended", "--yes")
    ran = ada("sign", ada.write("a.md", LONG), "--by", "ada")
    assert ran.code == 2
    assert "a retire of 'ada' that was signed and kept is sent first" in ran.err


@pytest.mark.parametrize("retires", [False, True])
def test_keys_that_a_crash_left_unmoved_are_put_in_place_first(ada: Cli, retires: bool) -> None:
    from ledger.signer import changes

    class KilledError(BaseException):
        pass

    def kill(*_arguments: object) -> None:
        raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "_finish", kill)
        with pytest.raises(KilledError):
            ada("identity", "rotate", "ada", "--unencrypted")
    before = {path: path.read_bytes() for path in ada.config.rglob("*.key")}
    error = ada.refused("change-pending", "identity", "rotate", "ada", "--dry-run")
    assert "the log holds its rotate" in error["reason"]
    assert before == {path: path.read_bytes() for path in ada.config.rglob("*.key")}
    if retires:
        assert ada.json("identity", "retire", "ada", "--reason", "ended", "--yes")["kseq"] == 2
    else:
        assert ada.json("identity", "rotate", "ada", "--unencrypted")["kseq"] == 2


def test_after_ones_own_recovery_the_next_change_goes_on_from_it(clock: Clock, ada: Cli) -> None:
    recover = ada("identity", "recover", "ada", "--unencrypted").out
    assert str(ada.keys("ada") / "change" / "1") in recover
    clock.pass_days(8)
    ada.refused("change-pending", "identity", "rotate", "ada", "--dry-run")
    assert ada.json("identity", "rotate", "ada", "--unencrypted")["kseq"] == 2


def test_a_damaged_identity_does_not_hinder_another(ada: Cli) -> None:
    assert ada("identity", "new", "bob", "--unencrypted").code == 0
    ada("sign", ada.write("a.md", LONG), "--by", "ada")
    (ada.keys("bob") / "identity.json").write_text("broken")
    assert ada.json("identity", "rotate", "ada", "--unencrypted")["state"] == "in-force"
    assert ada("trace", "a.md").code == 0
    assert [item["name"] for item in ada.json("status")["identities"]] == ["ada"]
    assert ada("identity", "show", "ada").code == 0


def test_a_retirement_says_that_it_ends_and_a_theft_since_when(stolen: Cli) -> None:
    retire = ("identity", "retire", "ada", "--reason")
    assert stolen(*retire, "ended", "--dry-run").out.startswith(
        "'ada' ends for good: nothing it says from here on"
    )
    stolen.refused("usage", *retire, "compromised", "--dry-run")
    assert stolen.json(*retire, "compromised", "--compromised", "10", "--dry-run")["compromised"]


def test_a_rotation_names_the_recovery_that_it_ends(stolen: Cli) -> None:
    at = stolen.json("identity", "recover", "ada", "--unencrypted", "--compromised", "8")["log_index"]
    words = stolen("identity", "rotate", "ada", "--dry-run").out
    assert f"This ends the pending recovery of log index {at}" in words
    assert "from log index 8 on" in words
    signed = stolen("sign", stolen.write("x.md", LONG + "x"), "--by", "ada")
    assert f"RECOVERY PENDING since log index {at}" in signed.err
    stolen(*ROTATE)
    assert "RECOVERY" not in stolen("sign", stolen.write("y.md", LONG + "y"), "--by", "ada").err


def test_a_dry_run_refuses_the_shape_that_would_be_refused(ada: Cli) -> None:
    ada.refused(
        "threshold-illegal", "identity", "rotate", "ada", "--keys", "0", "--threshold", "9", "--dry-run"
    )

"""`sign --dry-run`: it says what `sign` would do, and does nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import common
from tests.test_cli.command import Cli

EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}
TEXT = "a text that is long enough to be told apart by its digest, and not by whoever guesses. "


def everything(cli: Cli) -> dict[str, bytes]:
    """Every file of work, ledger and keys, and its bytes; but for the lock of LMDB's readers."""
    found = {}
    for folder in (cli.folder, cli.ledger, cli.config):
        for path in folder.rglob("*"):
            if path.is_file() and path.name not in ("lock.mdb", "writer.lock"):
                found[str(path)] = path.read_bytes()
    return found


def dry(cli: Cli, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The document of a dry run that leaves everything as it was, to the byte."""
    before = everything(cli)
    document = cli.json("sign", *arguments, "--dry-run", code=code)
    assert everything(cli) == before
    return document


def pair(cli: Cli, *scope: str) -> None:
    arguments = ("--role", "pair", "--of", "ada", "--substrate", "small@1", "--unencrypted", *scope)
    assert cli("identity", "new", "ada+m", *arguments).code == 0


@pytest.fixture
def scene(ada: Cli) -> Cli:
    """Files and datasets of every kind, one of them signed, and a pair."""
    pair(ada)
    ada.write("notes.md", TEXT)
    ada.write("other.md", TEXT * 2)
    ada.write("incident.json", json.dumps(EXPERIENCE))
    ada.rows(
        "data.jsonl",
        {"text": TEXT + "1", "k": "work", "who": "Grace"},
        {"text": TEXT + "2", "k": None, "who": "Lin"},
    )
    assert ada("sign", "notes.md", "--by", "ada").code == 0
    return ada


CASES: list[list[str]] = [
    ["notes.md", "--by", "ada"],
    ["notes.md", "other.md", "--by", "ada"],
    ["other.md", "--by", "ada+m", "--parent", "notes.md@40%"],
    ["other.md", "--by", "ada", "--human", "70%", "--parent", "quotes=notes.md@10%"],
    ["other.md", "--by", "ada", "--sealed"],
    [
        "other.md",
        "--by",
        "ada",
        "--license",
        "CC-BY-4.0",
        "--train",
        "denied",
        "--source",
        "https://example.org/x",
    ],
    ["incident.json", "--by", "ada", "--kind", "experience", "--confidence", "80%", "--stake", "low"],
    ["other.md", "--by", "ada", "--kind", "derived", "--tool", "lower@1", "--parent", "notes.md"],
    ["data.jsonl", "--rows", "text", "--by", "ada"],
    ["data.jsonl", "--rows", ".", "--by", "ada", "--sealed"],
    ["data.jsonl", "--rows", "text", "--by", "ada", "--map", "kind=k"],
]


@pytest.mark.parametrize("arguments", CASES, ids=" ".join)
def test_it_says_what_signing_then_does(scene: Cli, arguments: list[str]) -> None:
    """Counts, kinds, forms, shares and ids are those of the records that are signed."""
    foreseen = dry(scene, *arguments)
    signed = scene.json("sign", *arguments)
    assert (foreseen["new"], foreseen["already_logged"]) == (signed["new"], signed["already_logged"])
    assert foreseen["count"] == len(signed["artifacts"])
    ids = [item["id"] for item in foreseen.get("artifacts", ())]
    if "--sealed" in arguments:
        assert set(ids) <= {None}
    elif ids:
        assert ids == [item["id"] for item in signed["artifacts"]]
    counted: dict[tuple[Any, ...], int] = {}
    for item in signed["artifacts"]:
        traced = record(scene, item["id"])
        key = (traced["kind"], traced["form"], traced.get("human"), traced.get("machine"))
        counted[key] = counted.get(key, 0) + 1
    claims = {
        (each["kind"], each["form"], each["human_ppm"], each["machine_ppm"]): each["count"]
        for each in foreseen["claims"]
    }
    assert claims == counted
    after = dry(scene, *arguments)
    assert (after["new"], after["already_logged"]) == (0, foreseen["count"])
    if "--sealed" in arguments and "artifacts" in after:  # what was sealed here is known by its salt
        assert [item["id"] for item in after["artifacts"]] == [item["id"] for item in signed["artifacts"]]


def record(cli: Cli, artifact_id: str) -> dict[str, Any]:
    import ledger
    from ledger.statements.record import decode_record

    with ledger.open(cli.ledger, config=str(cli.config), readonly=True) as door, door.view() as view:
        (number,) = view.find_artifact(bytes.fromhex(artifact_id))
        return decode_record(view.record(number) or b"").fields


def test_parents_shares_rights_and_source_are_shown(scene: Cli) -> None:
    rights = ("--license", "CC-BY-4.0", "--train", "constrained", "--source", "https://example.org/x")
    arguments = (
        "other.md",
        "--by",
        "ada+m",
        "--machine",
        "30%",
        "--parent",
        "quotes=notes.md@20%",
        "--parent",
        "evidence=notes.md",
    )
    document = dry(scene, *arguments, *rights)
    notes = scene.json("trace", "notes.md")["id"]
    (claim,) = document["claims"]
    assert sorted(claim["parents"], key=lambda parent: str(parent["relation"])) == [
        {"relation": "evidence", "id": notes, "row_index": None, "share_ppm": None},
        {"relation": "quotes", "id": notes, "row_index": None, "share_ppm": 200_000},
    ]
    assert (claim["human_ppm"], claim["machine_ppm"]) == (None, 300_000)
    assert (claim["unknown_ppm"], claim["unstated"]) == ({"least": 500_000, "greatest": 500_000}, [])
    assert document["rights"] == {"license": "CC-BY-4.0", "train": "constrained"}
    assert document["source"] == {"uri": "https://example.org/x"}
    ran = scene("sign", *arguments, *rights, "--dry-run")
    for words in ("own share  machine 30 %", "quotes 20 %", "unknown    50 %", "CC-BY-4.0, training constrained", "https://example.org/x", "dry run: nothing was signed"):  # fmt: skip
        assert words in ran.out, ran.out


@pytest.mark.parametrize(
    ("options", "unknown", "unstated"),
    [
        ([], (0, 0), []),  # a work without parents: all human
        (["--human", "60%"], (400_000, 400_000), []),
        (["--parent", "notes.md"], (0, 1_000_000), ["human", "derived-from"]),
        (["--human", "60%", "--parent", "notes.md"], (0, 400_000), ["derived-from"]),
        (["--human", "60%", "--parent", "notes.md@10%"], (300_000, 300_000), []),
        (["--human", "60%", "--parent", "notes.md@40%"], (0, 0), []),
        (["--human", "100%", "--parent", "notes.md"], (0, 0), []),  # the parent has none
        (["--parent", "evidence=notes.md"], (0, 0), []),
        (["--reported"], (1_000_000, 1_000_000), []),
        (["--reported", "--parent", "notes.md"], (0, 1_000_000), ["derived-from"]),
    ],
)
def test_what_stays_unknown(
    scene: Cli, options: list[str], unknown: tuple[int, int], unstated: list[str]
) -> None:
    (claim,) = dry(scene, "other.md", "--by", "ada", *options)["claims"]
    assert (claim["unknown_ppm"]["least"], claim["unknown_ppm"]["greatest"]) == unknown
    assert claim["unstated"] == unstated


def test_rows_are_counted_by_what_is_claimed_of_them(scene: Cli) -> None:
    scene.rows(
        "many.jsonl",
        {"text": TEXT + "1", "k": None, "from": None},
        {"text": TEXT + "2", "k": None, "from": "quotes=row:0@25%"},
        {"text": TEXT + "3", "k": None, "from": "quotes=row:1@25%"},
        {"text": TEXT + "1", "k": None, "from": None},
        {"text": TEXT + "4", "k": "dataset", "from": None},
    )
    mapped = ("--map", "kind=k,parents=from")
    scene("sign", "many.jsonl", "--rows", "text", "--by", "ada", *mapped)
    scene.rows(
        "more.jsonl",
        *(json.loads(line) for line in (scene.folder / "many.jsonl").read_text().splitlines()),
        {"text": TEXT + "5", "k": None, "from": "quotes=row:4@25%"},
    )
    document = dry(scene, "more.jsonl", "--rows", "text", "--by", "ada", *mapped)
    assert (document["count"], document["new"], document["already_logged"], document["copies"]) == (
        6,
        1,
        4,
        1,
    )
    claims = [
        (each["kind"], each["count"], [p["relation"] for p in each["parents"]]) for each in document["claims"]
    ]
    assert claims == [("work", 3, ["quotes"]), ("work", 2, []), ("dataset", 1, [])]
    assert document["claims"][0]["parents"][0]["id"] is None  # each row names its own
    assert document["columns"] == {"kind": "k", "parents": "from"}
    ran = scene("sign", "more.jsonl", "--rows", "text", "--by", "ada", *mapped, "--dry-run")
    assert "6 rows: 1 new, 4 already logged, 1 copies of others among them" in ran.out
    assert "quotes 25 %: as each row says" in ran.out
    assert "says kind (column 'k'), parents (column 'from')" in ran.out


def test_rows_with_an_id_are_that_artifact(scene: Cli) -> None:
    scene("sign", "data.jsonl", "--rows", "text", "--by", "ada", "--with-lineage", "out.jsonl")
    document = dry(scene, "out.jsonl", "--rows", "text", "--by", "ada+m")
    assert (document["with_lineage_id"], document["new"], document["already_logged"]) == (2, 0, 2)
    assert document["claims"] == []


def test_no_passphrase_is_asked_for(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "correct horse")
    assert cli("init").code == 0
    assert cli("identity", "new", "ada").code == 0
    monkeypatch.delenv("LINEAGE_PASSPHRASE")
    monkeypatch.setattr(common, "is_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: pytest.fail("somebody was asked"))
    cli.write("notes.md", TEXT)
    cli.rows("data.jsonl", {"text": TEXT, "who": "Grace"})
    assert dry(cli, "notes.md", "--by", "ada")["new"] == 1
    assert dry(cli, "notes.md", "--by", "ada", "--sealed")["new"] == 1
    # pseudonyms take a secret: so nothing is said of what the log holds
    for arguments in (
        ("notes.md", "--reported", "Grace"),
        ("data.jsonl", "--rows", "text", "--reported", "--map", "attributed=who"),
    ):
        document = dry(cli, *arguments, "--by", "ada")
        assert (document["new"], document["already_logged"], document["attributed"]) == (None, None, True)
        assert {item["id"] for item in document.get("artifacts", [{"id": None}])} == {None}
    assert "Grace" not in cli("sign", "notes.md", "--by", "ada", "--reported", "Grace", "--dry-run").out


def test_it_makes_neither_ledger_nor_identity(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a terminal, where `sign` would offer both."""
    from ledger.cli import first

    monkeypatch.setattr(first, "is_terminal", lambda: True)
    cli.write("notes.md", TEXT)
    ran = cli("sign", "notes.md", "--dry-run")
    assert (ran.code, cli.ledger.exists()) == (2, False)
    cli("init", "--unencrypted")
    cli.refused("name-unknown", "sign", "notes.md", "--dry-run")


def test_whoever_may_not_sign_is_told_so(ada: Cli) -> None:
    ada.write("notes.md", TEXT)
    ada("identity", "new", "p", "--role", "pair", "--of", "ada", "--unencrypted")
    ada.refused("not-delegated", "sign", "notes.md", "--by", "p", "--dry-run")
    ada("identity", "delegate", "p", "--substrate", "m@1", "--kinds", "dataset")
    ada.refused("scope-exceeded", "sign", "notes.md", "--by", "p", "--dry-run")
    assert dry(ada, "notes.md", "--by", "p", "--kind", "dataset")["new"] == 1
    ada("identity", "new", "old", "--unencrypted")
    assert ada("identity", "retire", "old", "--reason", "ended", "--yes").code == 0
    ada.refused("identity-retired", "sign", "notes.md", "--by", "old", "--dry-run")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("file-not-found", ["absent.md", "--by", "ada"]),
        ("role-illegal", ["other.md", "--by", "ada", "--kind", "output"]),
        ("share-illegal", ["other.md", "--by", "ada", "--human", "80%", "--parent", "notes.md@40%"]),
        ("unlogged", ["notes.md", "--by", "ada", "--parent", "other.md"]),
        (
            "parent-kind",
            ["other.md", "--by", "ada", "--kind", "abstract", "--parent", "distilled-from=notes.md:3"],
        ),
        ("experience-not-object", ["bad.json", "--by", "ada", "--kind", "experience"]),
        ("column-missing", ["data.jsonl", "--rows", "body", "--by", "ada"]),
        ("cell-illegal", ["data.jsonl", "--rows", "text", "--by", "ada", "--map", "kind=who"]),
        ("usage", ["notes.md", "--by", "ada", "--map", "kind=k"]),
    ],
)
def test_what_would_be_refused_is_refused(scene: Cli, code: str, arguments: list[str]) -> None:
    scene.write("bad.json", "[]")
    before = everything(scene)
    assert scene.refused(code, "sign", *arguments, "--dry-run")["code"] == code
    assert everything(scene) == before
    assert scene.refused(code, "sign", *arguments)["code"] == code


def test_a_refusal_that_the_log_would_give_names_the_row(scene: Cli) -> None:
    notes = scene.json("trace", "notes.md")["id"]
    rows: list[dict[str, str | None]] = [
        {"text": "one", "from": None},
        {"text": "two", "from": f"generated-by={notes}", "k": "dataset"},
    ]
    scene.rows("bad.jsonl", *(dict[str, str | None](k=None) | row for row in rows))
    error = scene.refused(
        "parent-kind",
        "sign",
        "bad.jsonl",
        "--rows",
        "text",
        "--by",
        "ada",
        "--map",
        "parents=from,kind=k",
        "--dry-run",
    )
    assert error["item"] == "bad.jsonl, row 1 (line 2), record.parents[0]"


def test_without_the_ledger_nothing_is_said_of_the_log(
    scene: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "no ledger"))
    for arguments in (
        ("notes.md", "--by", "ada"),
        ("notes.md", "--by", "ada", "--sealed"),
        ("data.jsonl", "--rows", "text", "--by", "ada", "--map", "kind=k"),
    ):
        document = dry(scene, *arguments, "--offline")
        assert (document["new"], document["already_logged"]) == (None, None)
        assert document["count"] == sum(each["count"] for each in document["claims"])
    ran = scene("sign", "notes.md", "--by", "ada", "--offline", "--dry-run")
    assert "is not known here" in ran.out
    ran = scene("sign", "incident.json", "--by", "ada", "--kind", "experience", "--offline", "--dry-run")
    assert "kind 'experience'" in ran.err


def test_more_claims_than_are_told_apart_are_counted(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.api import foreseeing

    monkeypatch.setattr(foreseeing, "GROUPS_MAX", 3)
    ada.rows("data.jsonl", *({"text": f"{TEXT}{number}", "h": f"{number}%"} for number in range(10)))
    document = dry(ada, "data.jsonl", "--rows", "text", "--by", "ada", "--map", "human=h")
    assert (len(document["claims"]), document["of_more_claims"]) == (3, 7)
    ran = ada("sign", "data.jsonl", "--rows", "text", "--by", "ada", "--map", "human=h", "--dry-run")
    assert "… and 7 of which other things are claimed" in ran.out

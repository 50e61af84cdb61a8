"""`lineage log checkpoint --witness`: what is printed, what it exits with, what is refused (SPEC §10.9)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.proofs.note import parse_note
from tests.loopback import http, sized
from tests.made_witness import MadeWitness, witnessing
from tests.test_cli.command import Cli
from tests.test_cli.gating import gate
from tests.test_proofs.witnesses import Cosigner

A, B = Cosigner("witness.example/a"), Cosigner("witness.example/b", is_ml_dsa=True)


@pytest.fixture
def a() -> Iterator[MadeWitness]:
    with witnessing(A) as (witness, _server):
        yield witness


@pytest.fixture
def b() -> Iterator[MadeWitness]:
    with witnessing(B) as (witness, _server):
        yield witness


def named(witness: MadeWitness) -> str:
    return f"{witness.cosigners[0].vkey} {witness.url}"


def trust(cli: Cli, quorum: str, **witnesses: MadeWitness) -> Path:
    """A trust file that believes everybody, and these witnesses."""
    lines = [f"witness {name} {each.cosigners[0].vkey} {each.url}" for name, each in witnesses.items()]
    text = "".join(f"{line}\n" for line in (*lines, f"group g {quorum}", "quorum g"))
    return cli.write("trust.toml", f'makers = "all"\ntlog_policy = """\n{text}"""\n')


def test_the_cosigned_note_is_the_result(ada: Cli, a: MadeWitness, b: MadeWitness) -> None:
    ran = ada("log", "checkpoint", "--witness", named(a), "--witness", named(b))
    assert ran.code == 0
    note = parse_note(ran.out)
    assert [line.name for line in note.signatures][1:] == [A.name, B.name]
    assert [line.partition(": ")[0] for line in ran.err.splitlines()] == [
        f"Cosigned by {A.name}",
        f"Cosigned by {B.name}",
    ]
    (path,) = (ada.ledger / "cosigned").glob("*.note")
    assert path.read_text() == ran.out
    assert ada("log", "checkpoint").out == ran.out  # from now on it is shown so


def test_the_document(ada: Cli, a: MadeWitness, b: MadeWitness) -> None:
    b.instead = lambda _request: http(403, b"who are you?\n")
    document = ada.json("log", "checkpoint", "--witness", named(a), "--witness", named(b), code=1)
    assert set(document) == {"origin", "size", "root", "note", "ok", "witnesses", "quorum", "told"}
    assert (document["ok"], document["quorum"], document["told"]) == (False, None, [])
    first, second = document["witnesses"]
    assert set(first) == {"name", "vkey", "url", "cosigned", "times_s", "requests", "error", "remark"}
    assert (first["name"], first["url"], first["vkey"]) == (A.name, a.url, str(A.vkey))
    assert (first["cosigned"], len(first["times_s"]), first["requests"], first["error"]) == (True, 1, 1, None)
    assert (second["cosigned"], second["times_s"]) == (False, [])
    assert second["error"]["code"] == "witness-refused"
    assert all(second["error"].values())


def test_who_has_not_cosigned_is_named_with_the_reason(ada: Cli, a: MadeWitness, b: MadeWitness) -> None:
    a.instead = lambda _request: http(404, b"\x1b[31munknown log\n")
    ran = ada("log", "checkpoint", "--witness", named(a), "--witness", named(b))
    assert ran.code == 1
    assert [line.name for line in parse_note(ran.out).signatures][1:] == [B.name]
    assert ran.err.isprintable() or "\x1b" not in ran.err
    first, second, third = ran.err.splitlines()
    assert first.startswith(f"NOT cosigned by {A.name}: witness {a.url}: it does not know this log")
    assert "lineage status" in second
    assert third.startswith(f"Cosigned by {B.name}: ")


def test_all_of_the_trust_file_and_its_quorum(ada: Cli, a: MadeWitness, b: MadeWitness) -> None:
    one, both = trust(ada, "any a b", a=a, b=b).read_text(), trust(ada, "all a b", a=a, b=b).read_text()
    file = ada.write("trust.toml", both)
    ran = ada("log", "checkpoint", "--fresh", "--witness", "--trust", file)
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == "Quorum of the trust file: met, by 2 witnesses"
    b.instead = lambda _request: sized(10**9)
    ran = ada("log", "checkpoint", "--fresh", "--witness", "--trust", file)
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == "Quorum of the trust file: NOT met, by 1 witness"
    ada.write("trust.toml", one)
    document = ada.json("log", "checkpoint", "--witness", "--trust", file)
    assert document["ok"]
    assert document["quorum"]["met"]
    assert document["quorum"]["witnesses"] == ["a"]
    assert document["quorum"]["existed_by_s"] <= document["quorum"]["fresh_as_of_s"]
    assert [each["cosigned"] for each in document["witnesses"]] == [True, False]
    assert ada.json("log", "checkpoint", "--witness", "a", "--trust", file)["ok"]


def test_a_gate_then_needs_no_file(signed: Cli, a: MadeWitness) -> None:
    file = trust(signed, "all a", a=a)
    policy = signed.write(
        "p.toml", 'version = 1\nname = "q"\n[checkpoint]\nquorum = true\n[rows]\nwork = "L2"\n'
    )
    arguments = ("signed.jsonl", "--policy", policy, "--trust", file, "--column", "text")
    assert gate(signed, *arguments, code=2)["error"]["code"] == "undecided"
    signed.json("log", "checkpoint", "--witness", "--trust", file)
    assert gate(signed, *arguments)["admitted"] == 6


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--witness",), "usage"),
        (("--witness", ""), "usage"),
        (("--witness", "--witness"), "usage"),
        (("--trust", "trust.toml"), "usage"),
        (("--witness", "--witness", "a", "--trust", "trust.toml"), "usage"),
        (("--witness", "https://witness.example/w1"), "witness-unknown"),
        (("--witness", "c", "--trust", "trust.toml"), "witness-unknown"),
        (("--witness", "--trust", "nothing.toml"), "file-not-found"),
        (("--witness", "--trust", "broken.toml"), "trust-invalid"),
        (("--witness", f"{A.vkey} witness.example/w1"), "usage"),
        (("--witness", f"{A.vkey}https://witness.example/w1"), "usage"),
        (("--fresh", "--witness", "c", "--trust", "trust.toml"), "witness-unknown"),
        (("--witness", "\x1b[2J"), "witness-unknown"),
        (("--witness", "\udcff"), "witness-unknown"),
    ],
)
def test_what_is_refused_asks_nobody_and_keeps_nothing(
    ada: Cli, a: MadeWitness, arguments: tuple[str, ...], code: str
) -> None:
    trust(ada, "all a", a=a)
    ada.write("broken.toml", "makers = [")
    error = ada.refused(code, "log", "checkpoint", *arguments)
    assert error["fix"]
    assert a.statuses == []


def test_what_is_said_on_a_terminal_moves_no_cursor(ada: Cli) -> None:
    ran = ada("log", "checkpoint", "--witness", "\x1b[2J")
    assert ran.code == 2
    assert "\x1b" not in ran.err


def test_a_name_moves_no_cursor_either(ada: Cli) -> None:
    """U+009B begins a control sequence, and may stand in the name of a key."""
    with witnessing(Cosigner("witness.example/\x9b2J")) as (witness, _server):
        ran = ada("log", "checkpoint", "--witness", named(witness))
    assert ran.code == 0
    assert "\x9b" not in ran.err
    assert "\\x9b2J" in ran.err


def test_publish_tells_what_stands_there(ada: Cli, a: MadeWitness) -> None:
    ada.json("log", "checkpoint", "--witness", named(a))
    ada.json("log", "checkpoint", "--fresh", "--witness", named(a))
    assert ada.json("log", "publish", "public")["cosigned"] == 1
    (path, *_rest) = sorted((ada.ledger / "cosigned").glob("*.note"))
    path.write_bytes(b"garbage")
    ran = ada("log", "publish", "again")
    assert ran.code == 0
    assert str(path) in ran.err
    vkey = json.loads((ada.ledger / "ledger.json").read_text())["vkey"]
    for copy in ("public", "again"):
        assert ada("audit", copy, "--vkey", vkey).code == 0

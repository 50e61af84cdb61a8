"""`lineage gate --proof`: what it says, what it leaves alone, how it ends (SPEC §12.6)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import ledger
from ledger.datasets.verdict_file import open_verdicts
from tests.test_cli.command import Cli
from tests.test_cli.gating import ROWS, SIGNED, counts, gate


@pytest.fixture
def proved(signed: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`all.lineage`, about the six works that are signed; the ledger and its keys are gone, its vkey is in `vkey`."""
    gate(signed, "d.jsonl", "--policy", "balanced", "--verdicts", "v.parquet")
    with ledger.open(signed.ledger, config=str(signed.config)) as door:
        (signed.folder / "vkey").write_text(str(door.vkey))
        door.prove([], signed.folder / "all.lineage", gated=signed.folder / "v.parquet")
    shutil.rmtree(signed.ledger)
    shutil.rmtree(signed.config)
    (signed.folder / "v.parquet").unlink()
    return signed


def options(proved: Cli) -> tuple[str, ...]:
    return ("--policy", "balanced", "--proof", "all.lineage", "--vkey", (proved.folder / "vkey").read_text())


def test_it_judges_where_no_ledger_is(proved: Cli) -> None:
    outputs = ("--admitted", "a.jsonl", "--verdicts", "v.parquet", "--report", "r.html")
    document = gate(proved, "d.jsonl", *options(proved), *outputs)
    assert counts(document) == (ROWS, SIGNED, 0, ROWS - SIGNED, 0)
    assert document["judged_by"]["column"] == "text"
    assert document["self_trusted"] is True
    data = (proved.folder / "d.jsonl").read_bytes().splitlines(keepends=True)
    assert (proved.folder / "a.jsonl").read_bytes() == b"".join(data[:SIGNED])
    with open_verdicts(proved.folder / "v.parquet") as verdicts:
        assert bytes(verdicts.admitted_flags()) == b"\1" * SIGNED + b"\0" * (ROWS - SIGNED)
    assert not proved.ledger.exists()


def test_it_says_what_it_did_not_look_at(proved: Cli) -> None:
    ran = proved("gate", "d.jsonl", *options(proved), "--workers", "0")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert "Rival claims: only those in the proof were looked at." in lines
    assert any(line.startswith("Log checkpoint: ") for line in lines)
    assert lines[-1].endswith("by the vkey that you gave.")
    assert "this ledger" not in ran.out


@pytest.mark.parametrize("more", [("--ledger", "elsewhere"), ("--sign-by", "ada", "--verdicts", "v.parquet")])
def test_what_only_a_ledger_can_do_does_not_go_with_it(proved: Cli, more: tuple[str, ...]) -> None:
    error = proved.refused("usage", "gate", "d.jsonl", *options(proved), *more)
    assert error["item"] == more[0]


def test_a_vkey_goes_with_a_proof_alone(proved: Cli) -> None:
    error = proved.refused("usage", "gate", "d.jsonl", "--policy", "balanced", "--vkey", options(proved)[-1])
    assert error["item"] == "--vkey"


def test_without_a_vkey_it_asks_for_one(proved: Cli) -> None:
    error = proved.refused("vkey-missing", "gate", "d.jsonl", *options(proved)[:-2])
    assert "--vkey" in error["fix"]


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        ("cut", "proof-invalid"),
        ("longer", "proof-invalid"),
        ("flipped", "multiproof-invalid"),
        ("none", "file-not-found"),
        ("other", "proof-invalid"),
    ],
)
def test_a_damaged_file_ends_it_with_2_and_no_output(proved: Cli, harm: str, code: str) -> None:
    path = proved.folder / "all.lineage"
    data = bytearray(path.read_bytes())
    found = data.index(b"\xa4type\xa9artifacts")
    data[found + 6] ^= 32
    harmed = {"cut": path.read_bytes()[:-1], "longer": path.read_bytes() + b"\0", "flipped": bytes(data)}
    path.write_bytes(harmed.get(harm, b"no proof"))
    if harm == "none":
        path.unlink()
    outputs = ("--admitted", "a.jsonl", "--verdicts", "v.parquet", "--report", "r.html")
    proved.refused(code, "gate", "d.jsonl", *options(proved), *outputs, "--workers", "0")
    assert sorted(each.name for each in Path(proved.folder).glob("[avr].*")) == []

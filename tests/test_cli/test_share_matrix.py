"""The table of SPEC §4.4 through the command line: who may make what, and which own shares he may state."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from ledger.spec import PPM
from tests.test_cli.command import Cli

KINDS = ("work", "experience", "abstract", "output", "derived", "model", "dataset")
BY = {"human": "ada", "pair": "ada+m", "machine": "m", "curator": "cura"}
EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}
# SPEC §4.4, line by line: None where the kind is illegal, else the own shares that may be stated.
TABLE: dict[str, dict[str, str | None]] = {
    "work": {"human": "h", "pair": "hm", "machine": None, "curator": None},
    "experience": {"human": "h", "pair": "hm", "machine": None, "curator": None},
    "abstract": {"human": "", "pair": "m", "machine": "m", "curator": None},
    "output": {"human": "", "pair": "m", "machine": "m", "curator": None},
    "derived": {"human": "", "pair": "", "machine": "", "curator": ""},
    "model": {"human": "", "pair": "", "machine": "", "curator": ""},
    "dataset": {"human": "", "pair": "m", "machine": "m", "curator": ""},
}
# What a kind needs besides (SPEC §4.1).
NEEDS = {
    "abstract": ("--parent", "distilled-from=notes.md"),
    "derived": ("--tool", "lower@1", "--parent", "derived-from=notes.md"),
    "model": ("--model", "small@1"),
}
STATED = {
    "": (),
    "h": ("--human", "30%"),
    "m": ("--machine", "30%"),
    "hm": ("--human", "30%", "--machine", "30%"),
}


@pytest.fixture
def scene(ada: Cli) -> Cli:
    ada.write("notes.md", "a note to descend from")
    ada.write("weights.bin", "the weights")
    ada.write("content.json", json.dumps(EXPERIENCE))
    new = ("identity", "new")
    pair = ("--role", "pair", "--of", "ada", "--substrate", "small@1", "--human-up-to", "100%")
    assert ada(*new, "ada+m", *pair, "--unencrypted").code == 0
    for role in ("machine", "curator"):
        assert ada(*new, BY[role], "--role", role, "--unencrypted").code == 0
    assert ada("sign", "notes.md", "--by", "ada").code == 0
    assert ada("sign", "weights.bin", "--by", "ada", "--kind", "model", "--model", "small@1").code == 0
    return ada


def needs(kind: str, role: str) -> tuple[str, ...]:
    if kind == "output" and role in ("human", "curator"):
        return ("--parent", "generated-by=weights.bin")
    return NEEDS.get(kind, ())


def expected(kind: str, role: str, stated: str) -> str | None:
    """The code of the refusal; None: it is signed."""
    allowed = TABLE[kind][role]
    if stated == "m" and kind in ("work", "experience"):
        return "share-illegal"  # machine text alone is no work, whoever says so
    if allowed is None or not set(stated) <= set(allowed):
        return "role-illegal"
    return None


@pytest.mark.parametrize("role", BY)
@pytest.mark.parametrize("sealed", [(), ("--sealed",)], ids=["plain", "sealed"])
def test_every_line_of_the_table(scene: Cli, role: str, sealed: tuple[str, ...]) -> None:
    """By a dry run and by a signing alike."""
    for kind, stated in product(KINDS, STATED):
        arguments = [
            "content.json",
            "--by",
            BY[role],
            "--kind",
            kind,
            *needs(kind, role),
            *STATED[stated],
            *sealed,
        ]
        code = expected(kind, role, stated)
        for more in (["--dry-run"], []):
            document = scene.json("sign", *arguments, *more, code=0 if code is None else 2)
            told = document.get("error", {}).get("code")
            assert told == code, (kind, role, stated, document)
        if code is None:
            fields = shares(scene, document["artifacts"][0]["id"])
            assert fields == stated_or_default(kind, role, stated), (kind, role, stated)


def stated_or_default(kind: str, role: str, stated: str) -> tuple[int | None, int | None]:
    """(human, machine) in ppm: a work without parents is all human, an output without parents all machine (DESIGN: defaults)."""
    if stated:
        return 300_000 if "h" in stated else None, 300_000 if "m" in stated else None
    if needs(kind, role):
        return None, None
    if kind in ("work", "experience") and role == "human":
        return PPM, None
    if kind == "output" and role in ("pair", "machine"):
        return None, PPM
    return None, None


def shares(cli: Cli, artifact_id: str) -> tuple[int | None, int | None]:
    from tests.test_cli.test_dry_run import record

    fields = record(cli, artifact_id)
    return fields.get("human"), fields.get("machine")


@pytest.mark.parametrize("role", BY)
def test_whoever_reports_states_no_share_and_may_report_every_kind(scene: Cli, role: str) -> None:
    for kind, stated in product(KINDS, STATED):
        arguments = [
            "content.json",
            "--by",
            BY[role],
            "--kind",
            kind,
            *NEEDS.get(kind, ()),
            *STATED[stated],
            "--reported",
        ]
        document: dict[str, Any] = scene.json("sign", *arguments, code=2 if stated else 0)
        if stated:
            assert document["error"]["code"] == "share-illegal"
        else:
            assert shares(scene, document["artifacts"][0]["id"]) == (None, None)


def test_a_pair_states_no_more_of_a_human_than_its_anchor_allowed(scene: Cli) -> None:
    scene("identity", "delegate", "ada+m", "--substrate", "small@1", "--human-up-to", "20%")
    for share, code in (("20%", None), ("20.0001%", "scope-exceeded")):
        for more in ((), ("--dry-run",)):
            arguments = ("content.json", "--by", "ada+m", "--kind", "work", "--human", share, *more)
            document = scene.json("sign", *arguments, code=0 if code is None else 2)
            assert document.get("error", {}).get("code") == code


def test_an_output_by_a_human_names_its_model(scene: Cli) -> None:
    scene.refused("role-illegal", "sign", "content.json", "--by", "ada", "--kind", "output")
    scene.refused("role-illegal", "sign", "content.json", "--by", "ada", "--kind", "output", "--dry-run")


def test_the_shares_are_no_more_than_the_whole(scene: Cli) -> None:
    whole = ("content.json", "--by", "ada", "--human", "60%", "--parent", "notes.md@40%")
    assert scene("sign", *whole).code == 0
    scene.refused("share-illegal", "sign", *whole, "--parent", "quotes=notes.md@0.0001%")


def test_an_author_is_reported_and_never_in_the_clear(scene: Cli) -> None:
    document = scene.json("sign", "content.json", "--by", "ada", "--reported", "Grace Hopper")
    from tests.test_cli.test_dry_run import record

    fields = record(scene, document["artifacts"][0]["id"])
    assert (fields["stance"], len(fields["attributed"])) == ("reported", 32)
    assert b"Grace" not in b"".join(path.read_bytes() for path in scene.ledger.rglob("*") if path.is_file())

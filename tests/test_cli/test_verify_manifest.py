"""`verify --manifest`: data beside what a gate said of it, where neither ledger nor keys are (SPEC §12.5)."""

from __future__ import annotations

import json
import shutil

import pytest

import ledger
from tests import gated
from tests.test_cli.command import Cli

TEXTS = gated.texts(10)
ADMITTED = [text for number, text in enumerate(TEXTS) if gated.verdict_of(number) == "admitted"]


@pytest.fixture
def away(ada: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A verdict file with its receipt, the data that was judged and what was admitted, and then neither ledger nor keys."""
    gated.write_data(ada.folder / "data.jsonl", TEXTS)
    gated.write_data(ada.folder / "kept.jsonl", ADMITTED)
    with ledger.open(ada.ledger, config=str(ada.config)) as door:
        gated.write_verdicts(ada.folder / "v.parquet", door, TEXTS, dataset="<b>\x1b[31m")
        door.sign_manifest(ada.folder / "v.parquet", "ada")
        ada.write("vkey", str(door.vkey))
    monkeypatch.setenv("LINEAGE_LEDGER", str(ada.folder / "no-ledger"))
    monkeypatch.setenv("LINEAGE_CONFIG", str(ada.folder / "no-keys"))
    shutil.rmtree(ada.ledger)
    shutil.rmtree(ada.config)
    return ada


def arguments(cli: Cli, data: str = "kept.jsonl") -> list[str]:
    vkey = (cli.folder / "vkey").read_text()
    return ["verify", "--manifest", "v.parquet", "--data", data, "--vkey", vkey]


def test_what_was_admitted_is_told(away: Cli) -> None:
    document = away.json(*arguments(away))
    manifest = document["manifest"]
    assert document == {
        "ok": True,
        "level": "L1",
        "proves": "logged and signed",
        "humans": [manifest["maker"]],
        "unknown": ["standing", "time", "ancestry"],
        "standing": "unknown",
        "faults": [],
        "matches": "admitted",
        "rows": 10,
        "admitted": 6,
        "data_rows": 6,
        "column": "text",
        "path": "v.parquet",
        "receipt": "v.parquet.tlog-proof",
        "data": "kept.jsonl",
        "manifest": manifest,
        "trusted": {"vkey": (away.folder / "vkey").read_text(), "because": "given"},
    }
    assert set(manifest) == {
        "id",
        "log_index",
        "maker",
        "role",
        "checkpoint_size",
        "checkpoint_root",
        "policy",
        "trust",
        "at_ms",
    }
    ran = away(*arguments(away))
    assert ran.code == 0
    assert "kept.jsonl: exactly the 6 rows that were admitted, of 10 judged" in ran.out
    assert "self-trusted" in ran.out
    assert "Standing: unknown" in ran.out


def test_what_was_judged_is_told_with_a_warning(away: Cli) -> None:
    ran = away(*arguments(away, "data.jsonl"))
    assert ran.code == 0
    assert "all 10 rows that were judged" in ran.out
    assert "4 of them were NOT admitted" in ran.out
    assert away.json(*arguments(away, "data.jsonl"))["matches"] == "judged"


def test_what_differs_is_a_negative_verdict(away: Cli) -> None:
    gated.write_data(away.folder / "kept.jsonl", [*ADMITTED[:2], *ADMITTED[3:]])
    document = away.json(*arguments(away), code=1)
    assert (document["ok"], document["level"], document["matches"], document["humans"]) == (
        False,
        "L0",
        None,
        [],
    )
    (fault, *_) = document["faults"]
    assert (fault["code"], fault["item"]) == ("manifest-differs", "kept.jsonl, row 2")
    assert fault["fix"]
    ran = away(*arguments(away))
    assert ran.code == 1
    assert "NOT what was gated" in ran.out
    assert "row 4 of the judged dataset is missing here" in ran.out


def test_several_files_and_a_receipt_elsewhere(away: Cli) -> None:
    (away.folder / "v.parquet.tlog-proof").rename(away.folder / "elsewhere")
    gated.write_data(away.folder / "a.jsonl", TEXTS[:3])
    gated.write_data(away.folder / "b.jsonl", TEXTS[3:])
    given = arguments(away, "a.jsonl")
    given.insert(5, "b.jsonl")
    assert away.refused("receipt-missing", *given)["fix"].startswith("Name it: --receipt")
    assert away.json(*given, "--receipt", "elsewhere")["matches"] == "judged"


def test_another_column_is_named(away: Cli) -> None:
    (away.folder / "kept.jsonl").write_text(
        (away.folder / "kept.jsonl").read_text().replace('"text"', '"body"')
    )
    assert away.json(*arguments(away), code=1)["faults"]
    document = away.json(*arguments(away), "--column", "body")
    assert (document["matches"], document["column"]) == ("admitted", "body")


def test_a_column_that_nobody_but_the_file_names_is_told_to_be_unsigned(away: Cli) -> None:
    """Whoever hands on the file can have it name another, and put what was judged there, and anything where it belongs."""
    judged = [json.loads(line)["text"] for line in (away.folder / "kept.jsonl").read_text().splitlines()]
    (away.folder / "kept.jsonl").write_text(
        "".join(json.dumps({"text": "another", "memo": text}) + "\n" for text in judged)
    )
    file = away.folder / "v.parquet"
    changed = file.read_bytes().replace(b'"column": "text"', b'"column": "memo"')
    assert changed != file.read_bytes()
    file.write_bytes(changed)
    ran = away(*arguments(away))
    assert ran.code == 0
    assert "column 'memo', as the verdict file says, which is not signed" in ran.out
    assert "not signed" not in away(*arguments(away), "--column", "memo").out
    assert away(*arguments(away), "--column", "text").code == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (["verify"], "nothing is named"),
        (["verify", "--manifest", "v.parquet"], "no data"),
        (["verify", "--data", "kept.jsonl"], "none is named"),
        (["verify", "v.parquet", "--column", "c"], "none is named"),
        (["verify", "v.parquet", "--manifest", "v.parquet", "--data", "kept.jsonl"], "at once"),
        (
            ["verify", "--manifest", "v.parquet", "--data", "kept.jsonl", "--salt", "0" * 64],
            "without any salt",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(away: Cli, changed: list[str], says: str) -> None:
    assert says in away.refused("usage", *changed)["reason"]


def test_data_that_cannot_be_read_decides_nothing(away: Cli) -> None:
    away.refused("file-not-found", *arguments(away, "none.jsonl"))
    away.write("broken.parquet", b"PAR1" * 10)
    away.refused("not-parquet", *arguments(away, "broken.parquet"))


def test_the_file_alone_points_to_the_data(away: Cli) -> None:
    vkey = (away.folder / "vkey").read_text()
    assert "--manifest v.parquet" in away.refused("not-yet", "verify", "v.parquet", "--vkey", vkey)["fix"]

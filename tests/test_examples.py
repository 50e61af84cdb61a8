"""The examples run as they are written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

import ledger
from ledger.signer.passphrases import Passphrases
from ledger.statements.record import Parent
from tests.batch_scene import SUBSTRATE
from tests.test_api import Place
from tests.test_store.test_lmdb import REPO

FILES = ("examples/incidents/label-service-outage.json", "examples/notes/slow-is-worse-than-down.md")


def test_agent_without_a_model_signs_what_it_learned(tmp_path: Path) -> None:
    shutil.copytree(REPO / "examples", tmp_path / "examples")
    config = str(tmp_path / "keys")
    passphrases = Passphrases(b"only for this test")
    with ledger.create(tmp_path / "ledger", config=config, passphrases=passphrases) as made:
        made.new_identity("ada")
        made.new_identity("ada+model", "pair", of="ada", substrate=SUBSTRATE)
        sources = [
            made.sign([tmp_path / file], by="ada", claim=ledger.Claim(kind=kind)).ids[0]
            for file, kind in zip(FILES, ("experience", "work"), strict=True)
        ]
    environment = {
        **os.environ,
        "LINEAGE_LEDGER": str(tmp_path / "ledger"),
        "LINEAGE_CONFIG": config,
        "LINEAGE_PASSPHRASE": "only for this test",
    }
    command = [sys.executable, "-W", "error", "examples/agent.py", "ada+model", *FILES]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(line.split() for line in done.stdout.splitlines())
    assert list(said) == ["answer", "experience"]
    answer, experience = (bytes.fromhex(each) for each in said.values())
    with ledger.open(tmp_path / "ledger", config=config, readonly=True) as opened:
        ada = opened.identity_id("ada")
        ancestry = opened.trace(experience)
        assert ancestry.humans == (ada,)
        records = [ancestry.nodes[node].record for node in (answer, experience)]
        parents = {record.id: record.parents for record in records if record is not None}
    assert set(parents[answer]) == {Parent("derived-from", source) for source in sources}
    assert parents[experience] == (Parent("evidence", answer),)


@pytest.mark.parametrize("loader", ["plain", "torch"])
def test_training_reads_what_the_gate_admitted(tmp_path: Path, loader: str) -> None:
    """By a plain loop where PyTorch is not installed, by its DataLoader where it is; and not at all where a row was changed."""
    if loader == "torch":
        pytest.importorskip(
            "torch", reason="PyTorch is not installed: pip install 'lineage-ledger[train-tests]'"
        )
    else:
        (tmp_path / "torch.py").write_text("raise ImportError('not installed')")
    place, dataset, verdicts = Place(tmp_path), tmp_path / "data.jsonl", tmp_path / "verdicts.parquet"
    place.sign("signed by ada", "ada again")
    texts = ["signed by ada", "by nobody", "ada again"]
    dataset.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    with place.open() as door:
        assert door.gate(dataset, verdicts=verdicts, workers=1).counts["admitted"] == 2
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPO}"}
    command = [sys.executable, str(REPO / "examples/train.py"), str(dataset), str(verdicts)]

    def trained() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    pairs = {pair for text in (texts[0], texts[2]) for pair in pairwise(text)}
    done = trained()
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"trained on 2 of 3 rows: {len(pairs)} pairs of characters\n"
    dataset.write_text(dataset.read_text().replace("ada again", "changed"))
    done = trained()
    assert (done.returncode, done.stdout) == (1, "")
    assert "another row than the one that was judged as row 2" in done.stderr

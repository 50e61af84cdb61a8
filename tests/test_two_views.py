"""An operator shows two people two histories of his log, with proof files that are sound: who compares convicts him (SPEC §12.4)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import ledger
from ledger.api.known_proofs import Known
from ledger.api.verifying_ancestry import verify_ancestry
from ledger.cli.main import main
from ledger.errors import ProofInvalid
from ledger.signer.remembered import EVIDENCE, CheckpointMemory


class Operator:
    """One log, kept twice: with its keys, and the memory of what they signed, in two places."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with ledger.create(folder / "honest", unencrypted=True, config=str(folder / "honest keys")) as door:
            door.new_identity("ada", unencrypted=True)
            self.vkey = door.vkey

    def fork(self) -> None:
        """From here on another one is told something else."""
        shutil.copytree(self.folder / "honest", self.folder / "lie")
        shutil.copytree(self.folder / "honest keys", self.folder / "lie keys")

    def sign(self, which: str, *texts: str) -> int:
        """Each text is signed by a commit of its own; the log's size."""
        with self.open(which) as door:
            for text in texts:
                path = self.folder / "text.md"
                path.write_text(text)
                door.sign([path], by="ada")
            return door.checkpoint().size

    def file(self, which: str, text: str, *since: int) -> bytes:
        """A proof file about what was signed."""
        path = self.folder / "text.md"
        path.write_text(text)
        with self.open(which) as door:
            made = door.prove([path], since=since).data
        assert made is not None
        return made

    def open(self, which: str) -> ledger.Ledger:
        return ledger.open(self.folder / which, config=str(self.folder / f"{which} keys"))


class Reader:
    """Somebody elsewhere, who has the log's vkey and remembers what he accepted."""

    def __init__(self, folder: Path, operator: Operator) -> None:
        self.config = str(folder / "reader")
        self.memory = CheckpointMemory(folder / "reader", operator.vkey)

    def read(self, file: bytes, tree: Path | None = None) -> Known:
        """Verifies a file, which holds by itself; it is compared with what he remembers, and then relied on."""
        found = verify_ancestry(file, vkey=str(self.memory.vkey), config=self.config, tree=tree)
        assert found.ok
        (known,) = found.known
        return known

    @property
    def size(self) -> int:
        newest = self.memory.newest()
        return newest.checkpoint.size if newest is not None else 0


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture
def reader(tmp_path: Path, operator: Operator) -> Reader:
    return Reader(tmp_path, operator)


def test_an_honest_log_is_followed_from_file_to_file(operator: Operator, reader: Reader) -> None:
    first = operator.sign("honest", "one")
    old = operator.file("honest", "one")
    assert reader.read(old).outcome == "first"
    assert (reader.read(old).outcome, reader.size) == ("same", first)
    second = operator.sign("honest", "two")
    assert reader.read(operator.file("honest", "two")).outcome == "not-compared"
    assert reader.size == first
    assert reader.read(operator.file("honest", "two", first)).outcome == "extends"
    assert reader.size == second
    third = operator.sign("honest", "three")
    assert reader.read(operator.file("honest", "three"), operator.folder / "honest").by == "copy"
    assert reader.size == third
    assert (reader.read(old).outcome, reader.read(old).is_compared) == ("behind", False)
    assert reader.read(old, operator.folder / "honest").is_compared
    assert reader.size == third


@pytest.mark.parametrize("by", ["size", "since", "tree", "older"])
def test_two_views_are_evidence_that_a_third_party_checks(
    operator: Operator, reader: Reader, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    operator.sign("honest", "one")
    operator.fork()
    honest = operator.sign("honest", "two", "three")
    lies = {"size": ("two!", "three!"), "older": ("two!",)}.get(by, ("two!", "three!", "four!"))
    lie = operator.sign("lie", *lies)
    assert (lie > honest) - (lie < honest) == {"size": 0, "older": -1}.get(by, 1)
    reader.read(operator.file("honest", "two"))
    file = operator.file("lie", "two!", *[honest] * (by == "since"))
    tree = {"tree": operator.folder / "lie", "older": operator.folder / "honest"}.get(by)
    with pytest.raises(ProofInvalid) as error:
        reader.read(file, tree)
    assert error.value.code == "checkpoint-inconsistent"
    assert reader.size == honest
    (evidence,) = (reader.memory.folder / EVIDENCE).glob("*.views")
    assert f"lineage log compare {evidence} --vkey '{operator.vkey}'" in error.value.fix

    # Somebody else has that file and the vkey, and nothing more.
    shown = shutil.copy(evidence, operator.folder / "shown.views")
    for gone in ("honest", "lie", "honest keys", "lie keys", "reader"):
        shutil.rmtree(operator.folder / gone)
    capsys.readouterr()
    assert main(["log", "compare", str(shown), "--vkey", str(operator.vkey), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["histories"], document["convicted"]) == ("two", True)
    assert {document["earlier"]["size"], document["later"]["size"]} <= {honest, lie}

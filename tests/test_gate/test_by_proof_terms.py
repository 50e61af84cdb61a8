"""By what a gate by a proof judges: which log, which log checkpoints and cosignatures; and what it refuses (SPEC §12.6)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger import spec
from ledger.api.gate.by_proof import gate_by_proof
from ledger.api.gate.from_proof import Comparison
from ledger.api.proving import prove
from ledger.errors import LineageError, ProofInvalid, RefusedInput, Undecided
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.origin.proved import open_file
from ledger.origin.trust import Trust
from ledger.proofs.ancestry_file import CONTENT, Disclosed
from ledger.proofs.checkpoint import Checkpoint, sign_checkpoint
from ledger.proofs.points import Point
from ledger.signer.remembered import CheckpointMemory
from ledger.store.cosigned import CosignedNotes
from ledger.store.folder import MARKER_FILE
from tests.test_gate.proved import gate_by, judged_by, prove_all, prove_some
from tests.test_gate.town import DAY_MS, TEXT, WITNESSES, Row, Town, brief, trust_of
from tests.world import seed_of

SALT = b"s" * 32
STRANGE = Vkey.make("other.example/log", ed25519.public_key(seed_of("another log")))


class Scene:
    """Anna's work, and an import with a vouched row and a held one; two log checkpoints that both witnesses saw, a week apart."""

    def __init__(self, folder: Path) -> None:
        self.town = town = Town(folder)
        world = town.world
        self.anna, self.curator = world.enrol("anna"), world.enrol("curator", "curator")
        world.rules(world.operator(), curators=[self.curator])
        self.work = town.work(self.anna, "a work")
        self.sealed = town.seal(self.anna, Row("a secret"), SALT)
        world.attest(self.curator, [self.work.id], claim="authorship")
        self.early = town.note("early.note", world.time_ms)
        self.early_ms = world.time_ms
        world.time_ms += 8 * DAY_MS
        self.rows = town.rows(self.anna, ["vouched", "held", "silent"])
        world.attest(self.curator, *([self.rows.id, row] for row in (0, 1)), claim="origin")
        world.notice(self.curator, "hold", [self.rows.id, 1])
        self.late = town.note("late.note", world.time_ms)
        self.texts = ["a work", "vouched", "held", "silent", "strange"]
        self.expected = [
            "admitted clear L2",
            "admitted clear L1",
            "quarantined held L1",
            "quarantined not-vouched L1",
            "rejected unlogged L0",
        ]

    @property
    def source(self) -> list[dict[str, str]]:
        return [{TEXT: text} for text in self.texts]

    @property
    def witnessed(self) -> bytes:
        first, second = (each.vkey for each in WITNESSES)
        lines = (
            f"log {self.town.world.vkey}\nwitness a {first}\nwitness b {second}\ngroup g all a b\nquorum g\n"
        )
        more = f'tlog_policy = """\n{lines}"""\ncurators = ["{self.curator.id.hex()}"]\n'
        return more.encode() + trust_of(self.anna)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.fixture
def proof(scene: Scene) -> bytes:
    return prove_all(scene.town)


AGED = b'version = 1\n[rows]\nwork = "L1"\n[age]\nquarantine_s = 604800\n'


# Which log


def test_it_is_of_the_log_whose_vkey_is_given(scene: Scene, proof: bytes) -> None:
    found = gate_by(scene.town, proof, scene.source)
    assert [brief(row) for row in found.rows()] == scene.expected
    assert found.is_self_trusted
    assert found.notes[0].startswith(
        "Self-trusted: no trust file was given, so everybody enrolled in this log"
    )
    assert "Rival claims: only those in the proof were looked at." in found.notes
    assert found.notes[-1] == f"Trusted: {scene.town.world.vkey.name}, by the vkey that you gave."
    with scene.town.view() as view:
        assert found.about["log_id"] == view.log_id.hex()
        assert found.about["log_origin"] == scene.town.world.vkey.name
        assert found.about["checkpoint"] == view.checkpoint.digest.hex()


def test_a_trust_file_names_the_log(scene: Scene) -> None:
    proof = prove_all(scene.town, scene.witnessed)
    options = {"checkpoints": [scene.late], "vkey": None, "at_ms": scene.town.world.time_ms}
    found = gate_by(scene.town, proof, scene.source, "balanced", scene.witnessed, **options)
    assert [row.verdict for row in found.rows()] == [each.split()[0] for each in scene.expected]
    assert found.notes[-1].endswith("by the trust file.")


def test_without_any_vkey_nothing_is_judged(
    scene: Scene, proof: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "none"))
    assert refused(scene, proof, vkey=None).code == "vkey-missing"


def test_the_ledger_at_hand_names_the_log_and_is_not_opened(
    scene: Scene, proof: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = tmp_path / "marked"
    marked.mkdir()
    (marked / MARKER_FILE).write_bytes((scene.town.path / MARKER_FILE).read_bytes())
    monkeypatch.setenv("LINEAGE_LEDGER", str(marked))
    found = gate_by(scene.town, proof, scene.source, vkey=None)
    assert [brief(row) for row in found.rows()] == scene.expected
    assert found.notes[-1].endswith("by the ledger at hand.")


def test_another_log_is_none_that_counts(scene: Scene, proof: bytes) -> None:
    error = refused(scene, proof, vkey=str(STRANGE))
    assert error.code == "log-unknown"
    with scene.town.view() as view:
        assert view.log_id.hex()[:16] in error.reason


def test_a_log_that_the_trust_file_does_not_list_decides_nothing(scene: Scene, proof: bytes) -> None:
    listed = f'tlog_policy = """\nlog {STRANGE}\nquorum none\n"""\nmakers = "all"\n'.encode()
    with pytest.raises(Undecided, match="the log is none that the trust file's tlog_policy lists"):
        gate_by(scene.town, proof, scene.source, "balanced", listed)


# Which rows


def test_all_rows_that_are_named_are_in_the_file(scene: Scene) -> None:
    """However often their dataset is named, and whether one by one or as ranges."""
    name = scene.rows.id.hex()
    for named in (
        [f"{name}:2", f"{name}:0-1"],
        [f"{name}:0-0", f"{name}:2-2"],
        [f"{name}:0-1", f"{name}:1-2"],
    ):
        (log,) = open_file(prove_some(scene.town, [], named), [scene.town.world.vkey]).logs
        expected = ((0, 1), (2, 1)) if "0-0" in named[0] else ((0, 3),)
        assert log.rows[scene.rows.id].ranges == expected, named


# What is said beside it that does not go with it


@pytest.mark.parametrize("option", [{"path": "ledger"}, {"sign_by": "anna"}])
def test_what_only_a_ledger_can_do_is_refused(scene: Scene, proof: bytes, option: dict[str, Any]) -> None:
    error = refused(scene, proof, **option)
    assert (error.code, error.item) == ("usage", next(iter(option)))


def test_a_vkey_is_of_a_proof(scene: Scene) -> None:
    with pytest.raises(RefusedInput) as caught:
        ledger.gate(scene.source, path=scene.town.path, vkey=str(scene.town.world.vkey))
    assert (caught.value.code, caught.value.item) == ("usage", "vkey")


# A file that does not hold


def test_no_flipped_byte_admits_anything_more(scene: Scene, proof: bytes, tmp_path: Path) -> None:
    """Every 37th byte: the file is refused, and no output is there."""
    verdicts, data = tmp_path / "v.parquet", scene.town.jsonl(scene.texts, "flipped.jsonl")
    for at in range(0, len(proof), 37):
        path = tmp_path / "f.lineage"
        path.write_bytes(proof[:at] + bytes([proof[at] ^ 1]) + proof[at + 1 :])
        with pytest.raises((ProofInvalid, RefusedInput)) as caught:
            gate_by(scene.town, path, data, verdicts=verdicts)
        assert caught.value.code in REFUSALS
        assert sorted(each.name for each in tmp_path.iterdir()) == ["f.lineage"]


REFUSALS = {
    "proof-invalid",
    "proof-incomplete",
    "multiproof-invalid",
    "status-invalid",
    "consistency-invalid",
    "checkpoint-invalid",
    "note-invalid",
    "state-wrong",
    "genesis-illegal",
    "log-unknown",
}


def test_a_file_that_was_made_for_anybody_serves_a_trust_file(scene: Scene, proof: bytes) -> None:
    trust = trust_of(scene.anna, more=f"curators = ['{scene.curator.id.hex()}']\n")
    rows = judged_by(scene.town, proof, scene.source, "balanced", trust)
    assert [row.verdict for row in rows] == [each.split()[0] for each in scene.expected]


def test_a_trust_file_that_asks_for_whom_the_file_does_not_show_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of too many who attest, some are left out; who trusts one of them needs a file that was made for him."""
    scene = Scene(tmp_path / "town")
    stranger = scene.town.world.enrol("stranger")
    scene.town.world.attest(stranger, [scene.work.id], claim="content")
    trust = trust_of(scene.anna, stranger)
    with monkeypatch.context() as patch:
        patch.setattr(spec, "PROOF_STRANGERS_MAX", 0)
        for_anybody, for_one = prove_all(scene.town), prove_all(scene.town, trust)
    with pytest.raises(ProofInvalid) as caught:
        gate_by(scene.town, for_anybody, scene.source, "balanced", trust)
    assert caught.value.code == "proof-incomplete"
    assert next(iter(judged_by(scene.town, for_one, scene.source, "balanced", trust))).verdict == "admitted"


# Cosigned log checkpoints


def aged(scene: Scene, proof: bytes, **options: Any) -> list[str]:
    at_ms = scene.town.world.time_ms
    rows = judged_by(
        scene.town, proof, [{TEXT: "a work"}], AGED, scene.witnessed, **{"at_ms": at_ms} | options
    )
    return [f"{row.verdict} {row.code}" for row in rows]


def test_a_note_of_an_earlier_checkpoint_tells_an_age_if_the_file_leads_from_it(scene: Scene) -> None:
    bare = prove_all(scene.town, scene.witnessed)
    led = prove_all(scene.town, scene.witnessed, [scene.early])
    assert aged(scene, led, checkpoints=[scene.late]) == ["quarantined too-young"]
    assert aged(scene, led, checkpoints=[scene.late, scene.early]) == ["admitted clear"]
    assert aged(scene, bare, checkpoints=[scene.late, scene.early]) == ["quarantined too-young"]
    gated = gate_by(
        scene.town, bare, scene.source, AGED, scene.witnessed, checkpoints=[scene.late, scene.early]
    )
    assert any(note.startswith("Telling nothing, since the proof leads from none") for note in gated.notes)


def test_without_the_quorum_nothing_is_decided(scene: Scene) -> None:
    proof = prove_all(scene.town, scene.witnessed)
    with pytest.raises(Undecided, match="quorum"):
        aged(scene, proof)


def test_what_the_file_brings_of_witnesses_counts(tmp_path: Path) -> None:
    """Both notes are kept beside the log, which puts them into the file."""
    scene = Scene(tmp_path / "town")
    town = scene.town
    kept = CosignedNotes(town.path)
    for note in (scene.early, scene.late):
        kept.put(*sized(note.read_bytes()))
    assert aged(scene, prove_all(town, scene.witnessed)) == ["admitted clear"]
    kept.path(sized(scene.early.read_bytes())[0]).unlink()
    assert aged(scene, prove_all(town, scene.witnessed)) == ["quarantined too-young"]


def sized(note: bytes) -> tuple[int, bytes]:
    return int(note.splitlines()[1]), note


def test_halves_of_a_quorum_in_the_file_and_beside_it_are_one(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "town")
    town = scene.town
    kept = CosignedNotes(town.path)
    halves = {}
    for name, note in (("early", scene.early), ("late", scene.late)):
        *lines, first, second = note.read_bytes().splitlines(keepends=True)
        kept.put(*sized(b"".join([*lines, first])))
        halves[name] = tmp_path / name
        halves[name].write_bytes(b"".join([*lines, second]))
    proof = prove_all(town, notes=[scene.early])
    assert aged(scene, proof, checkpoints=[halves["late"], halves["early"]]) == ["admitted clear"]
    assert aged(scene, proof, checkpoints=[halves["late"]]) == ["quarantined too-young"]
    with pytest.raises(Undecided):
        aged(scene, proof, checkpoints=[halves["early"]])


def test_a_note_behind_the_file_refuses_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "town")
    proof = prove_all(scene.town)
    world = scene.town.reopen()
    world.enrol("later")
    after = scene.town.note("after.note", world.time_ms)
    error = refused(scene, proof, checkpoints=[after])
    assert (error.code, "after.note" in error.reason) == ("checkpoint-behind", True)


@pytest.mark.parametrize("is_head", [False, True])
def test_a_note_of_another_history_convicts_the_log(scene: Scene, tmp_path: Path, is_head: bool) -> None:
    """Signed by the log, of a size that the file tells of, and of another root."""
    note = (scene.late if is_head else scene.early).read_bytes()
    forged = tmp_path / "forged.note"
    world = scene.town.world
    other = Checkpoint(world.vkey.name, sized(note)[0], b"r" * 32)
    forged.write_text(sign_checkpoint(other, partial(ed25519.sign, world.seed), world.vkey.key))
    proof = prove_all(scene.town, notes=[scene.early])
    with pytest.raises(ProofInvalid) as caught:
        gate_by(scene.town, proof, scene.source, checkpoints=[forged], config=str(tmp_path / "keys"))
    assert caught.value.code == "checkpoint-inconsistent"
    assert "forged.note" in caught.value.item
    assert len(list((tmp_path / "keys").rglob("evidence/*.note"))) == 2


# What was accepted before


def told(scene: Scene, proof: bytes, config: Path, *terms: Any, **options: Any) -> str:
    gated = gate_by(scene.town, proof, scene.source, *terms, config=str(config), **options)
    return next(note for note in gated.notes if note.startswith("Log checkpoint: "))


def accepted(scene: Scene, config: Path) -> int | None:
    newest = CheckpointMemory(config, scene.town.world.vkey).newest()
    return None if newest is None else newest.checkpoint.size


def test_what_is_judged_by_is_remembered_and_what_comes_later_is_held_against_it(tmp_path: Path) -> None:
    scene, config = Scene(tmp_path / "town"), tmp_path / "keys"
    first = prove_all(scene.town)
    assert "no log checkpoint was accepted here before" in told(scene, first, config)
    before = accepted(scene, config)
    assert "that was accepted here before" in told(scene, first, config)
    scene.town.reopen().enrol("later")
    later, led = prove_all(scene.town), prove_some(scene.town, [scene.work.id], [], since=[before or 0])
    line = told(scene, later, config)
    assert "not compared with the" in line
    assert line.endswith(
        f"To compare it: lineage verify PROOF --tree DIR, or ask for one that is made with --since {before}."
    )
    assert accepted(scene, config) == before
    assert "by the file itself" in told(scene, led, config)
    assert accepted(scene, config) == (before or 0) + 2
    line = told(scene, first, config)
    assert "older than what was accepted here" in line
    assert line.endswith("To compare it: lineage verify PROOF --tree DIR.")


def test_what_decides_nothing_and_what_the_quorum_did_not_see_is_not_remembered(
    scene: Scene, proof: bytes, tmp_path: Path
) -> None:
    with pytest.raises(Undecided):
        told(scene, proof, tmp_path, "strict")
    quorum = prove_all(scene.town, scene.witnessed)
    told(scene, quorum, tmp_path, "inventory", scene.witnessed)
    assert accepted(scene, tmp_path) is None
    told(scene, quorum, tmp_path, "inventory", scene.witnessed, checkpoints=[scene.late])
    assert accepted(scene, tmp_path) is not None


def test_another_history_than_was_accepted_is_refused(scene: Scene, proof: bytes, tmp_path: Path) -> None:
    world = scene.town.world
    with scene.town.view() as view:
        other = Checkpoint(world.vkey.name, view.checkpoint.size, b"r" * 32)
    note = sign_checkpoint(other, partial(ed25519.sign, world.seed), world.vkey.key).encode()
    CheckpointMemory(tmp_path, world.vkey).remember(note, lambda _size: ())
    with pytest.raises(ProofInvalid) as caught:
        told(scene, proof, tmp_path)
    assert caught.value.code == "checkpoint-inconsistent"


class Watched:
    """A comparison that is watched."""

    words = "as it was before"

    def __init__(self) -> None:
        self.asked: list[tuple[bytes, int]] = []
        self.remembered: list[int] = []

    def __call__(self, note: bytes, points: Sequence[Point]) -> Comparison:
        self.asked.append((note, len(points)))
        return self

    def remember(self, trust: Trust, at_ms: int) -> None:
        assert trust.is_self
        self.remembered.append(at_ms)


def test_it_is_compared_before_anything_is_judged_and_remembered_when_it_is_relied_on(scene: Scene) -> None:
    proof, watched = prove_all(scene.town, notes=[scene.early]), Watched()
    options: Any = {"column": TEXT, "at_ms": 5 + scene.town.world.time_ms}
    vkey = str(scene.town.world.vkey)
    gated = gate_by_proof(scene.source, proof=proof, vkey=vkey, compare=watched, **options)
    with scene.town.view() as view:
        assert watched.asked == [(view.note, 1)]
    assert watched.remembered == [options["at_ms"]]
    assert "Log checkpoint: as it was before." in gated.notes


def test_what_decides_nothing_asks_nobody_to_remember(scene: Scene, proof: bytes) -> None:
    watched = Watched()
    vkey = str(scene.town.world.vkey)
    with pytest.raises(Undecided):
        gate_by_proof(scene.source, "strict", proof=proof, vkey=vkey, compare=watched, column=TEXT)
    assert not watched.remembered


# Sealed rows


def test_a_sealed_row_is_found_by_a_salt_that_it_brings_or_that_the_file_discloses(scene: Scene) -> None:
    town = scene.town
    proof = prove_some(town, [scene.sealed.id], [])
    row = Row("a secret", SALT)
    assert [brief(each) for each in judged_by(town, proof, [row.cells])] == ["admitted clear L2"]
    silent = [Row("a secret").cells]
    assert [brief(each) for each in judged_by(town, proof, silent)] == ["rejected unlogged L0"]
    said = [Disclosed(CONTENT, scene.sealed.id, SALT, b"a secret")]
    with town.open() as door:
        disclosing = prove(door._access, [scene.sealed.id], disclose=said).data
    assert [brief(each) for each in judged_by(town, disclosing, silent)] == ["admitted clear L2"]


# Nothing of a ledger


NO_LMDB = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "lmdb":
            raise ImportError("lmdb is refused")
sys.meta_path.insert(0, Refuse())
import ledger
rows = ledger.gate(sys.argv[1], proof=sys.argv[2], vkey=sys.argv[3], config=sys.argv[4], column="text", verdicts=sys.argv[5], report=sys.argv[6], workers=0)
print([row.verdict for row in rows.rows()])
assert "lmdb" not in sys.modules
try:
    import lmdb
except ImportError:
    print("refused")
"""


def test_no_engine_of_a_store_is_loaded(scene: Scene, proof: bytes, tmp_path: Path) -> None:
    path = tmp_path / "f.lineage"
    path.write_bytes(proof)
    data = scene.town.jsonl(scene.texts, "few.jsonl")
    arguments = [
        data,
        path,
        scene.town.world.vkey,
        tmp_path / "keys",
        tmp_path / "v.parquet",
        tmp_path / "r.html",
    ]
    ran = subprocess.run(
        [sys.executable, "-c", NO_LMDB, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    verdicts = [each.split()[0] for each in scene.expected]
    assert ran.stdout.splitlines() == [str(verdicts), "refused"]
    assert (tmp_path / "r.html").exists()


def refused(scene: Scene, proof: bytes, **options: Any) -> LineageError:
    with pytest.raises(RefusedInput) as caught:
        gate_by(scene.town, proof, scene.source, **options)
    return caught.value

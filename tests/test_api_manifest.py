"""Manifests: signed of verdict files, and checked where there is no ledger, against whoever changes anything (SPEC §12.5)."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.api import manifests, verifying_manifest
from ledger.api.receipts import receipt_path
from ledger.api.verifying import verify
from ledger.api.verifying_manifest import VerifiedManifest, verify_manifest
from ledger.datasets.crew import Crew
from ledger.datasets.dataset import open_dataset
from ledger.datasets.verdict_file import VerdictFile, open_verdicts
from ledger.errors import (
    NotFound,
    NotYet,
    ProofInvalid,
    RefusedInput,
    StoreFault,
    Undecided,
)
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.receipt import make_receipt
from ledger.signer.claims import Claim
from ledger.signer.signing import Signed, append_records
from ledger.statements.record import decode_record, make_record
from tests import gated
from tests.reference import manifest_root

COUNT = 30


class Place:
    """A ledger with ada, and what was gated by it; one in a module, since no test changes what it holds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = str(folder / "keys")
        self.door = ledger.create(folder / "ledger", unencrypted=True, config=self.config)
        self.ada = self.door.new_identity("ada", unencrypted=True).id
        self.vkey: Vkey = self.door.vkey
        self.texts = gated.texts(COUNT)
        self.data = gated.write_data(folder / "data.jsonl", self.texts)
        self.verdicts = gated.write_verdicts(folder / "verdicts.parquet", self.door, self.texts)
        self.signed = self.door.sign_manifest(self.verdicts, "ada")
        self.admitted = [text for n, text in enumerate(self.texts) if gated.verdict_of(n) == "admitted"]
        self.kept = gated.write_data(folder / "kept.jsonl", self.admitted)

    def record(self) -> dict[str, Any]:
        with self.door.view() as view:
            (number,) = view.find_artifact(self.signed.id)
            data = view.record(number)
        assert data is not None
        return decode_record(data).fields

    def check(self, data: Path, verdicts: Path | None = None, **options: Any) -> VerifiedManifest:
        return verify_manifest(verdicts or self.verdicts, data, self.vkey, workers=0, **options)

    def sign_fields(self, target: Path, **changed: Any) -> None:
        """A receipt of another record, like that of the manifest but for some fields; signed by ada all the same."""
        fields = self.record() | changed
        record = make_record(
            kind=fields["kind"],
            maker=self.ada,
            content=fields["content"],
            size_bytes=fields["size"],
            stance=fields["stance"],
            form=fields["form"],
            media=fields["media"],
            facts=fields.get("facts"),
        )
        access = self.door._access
        with access.door() as door:
            append_records(
                door, access.unlock("ada"), [record.encoded], Signed(ids=[record.id]), lambda _: None
            )
        target.write_text(self.door.receipt(record.id))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("manifest"))
    yield made
    made.door.close()


def fault(outcome: VerifiedManifest, code: str = "manifest-differs") -> ProofInvalid:
    assert (outcome.ok, outcome.matches) == (False, "")
    first = outcome.faults[0]
    assert first.code == code, first
    assert first.reason
    assert first.fix
    return first


class TestSigning:
    """A verdict file becomes a record that says what it says, with a receipt beside it."""

    def test_the_record_is_that_of_the_definition(self, place: Place) -> None:
        fields = place.record()
        with open_verdicts(place.verdicts) as file:
            (block,) = file.blocks()
            about = file.about
        rows = []
        for n, outcome in enumerate(block.outcomes):
            at = slice(32 * n, 32 * n + 32)
            artifact_id = block.artifact_ids[at]
            rows.append(
                (block.digests[at], artifact_id if any(artifact_id) else None, block.told[outcome].verdict)
            )
        assert fields["content"] == manifest_root(rows)
        assert (fields["kind"], fields["form"], fields["stance"]) == ("dataset", "manifest", "made")
        assert (fields["size"], fields["parents"], fields["maker"]) == (65 * COUNT, [], place.ada)
        assert fields["facts"] == {
            "checkpoint": bytes.fromhex(about["checkpoint"]),
            "policy": bytes.fromhex("4" * 64),
            "trust": bytes(32),
            "time": about["at_ms"],
            "count": COUNT,
        }
        assert place.signed.rows == COUNT
        assert place.signed.is_new
        assert place.signed.receipt == place.folder / "verdicts.parquet.tlog-proof"

    def test_once_more_is_the_same(self, place: Place) -> None:
        before = place.signed.receipt.read_text()
        size = place.door.checkpoint().size
        again = place.door.sign_manifest(place.verdicts, "ada")
        assert (again.id, again.log_index, again.is_new) == (place.signed.id, place.signed.log_index, False)
        assert place.door.checkpoint().size == size
        assert place.check(place.data).ok
        assert before

    def test_undecided_rows_are_in_no_manifest(self, place: Place, tmp_path: Path) -> None:
        told = ["admitted"] * (COUNT - 1) + ["undecided"]
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts, told)
        size = place.door.checkpoint().size
        with pytest.raises(Undecided) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.reason.startswith("of 1 of its rows nothing is decided")
        assert error.value.item == str(path)
        assert error.value.fix
        assert place.door.checkpoint().size == size
        assert not receipt_path(path).exists()

    def test_no_rows_are_in_no_manifest(self, place: Place, tmp_path: Path) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, [])
        with pytest.raises(RefusedInput) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.code == "dataset-empty"

    def test_another_log_signs_it_not(self, place: Place, tmp_path: Path) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts, log_id="5" * 64)
        with pytest.raises(RefusedInput) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.code == "wrong-log"

    def test_what_lies_there_is_found_before_anything_is_signed(self, place: Place, tmp_path: Path) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts[:3])
        size = place.door.checkpoint().size
        for there in ("my own notes", place.signed.receipt.read_text()):
            receipt_path(path).write_text(there)
            with pytest.raises(RefusedInput) as error:
                place.door.sign_manifest(path, "ada")
            assert error.value.code == "receipt-exists"
            assert receipt_path(path).read_text() == there
        assert place.door.checkpoint().size == size

    def test_a_receipt_made_meanwhile_is_not_replaced(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts[:4])

        def late(*arguments: Any) -> str:
            receipt_path(path).write_text("mine")
            return make_receipt(*arguments)

        monkeypatch.setattr(manifests, "make_receipt", late)
        with pytest.raises(StoreFault) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.code == "file-exists"
        assert receipt_path(path).read_text() == "mine"

    def test_a_file_that_changes_meanwhile_is_not_signed(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts[:5])
        size = place.door.checkpoint().size
        tree_of = manifests.tree_of

        def late(*arguments: Any) -> Any:
            tree = tree_of(*arguments)
            with path.open("ab") as file:
                file.write(b"more")
            return tree

        monkeypatch.setattr(manifests, "tree_of", late)
        with pytest.raises(RefusedInput) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.code == "file-changed"
        assert place.door.checkpoint().size == size

    def test_a_damaged_file_is_not_signed(self, place: Place, tmp_path: Path) -> None:
        path = tmp_path / "v"
        path.write_bytes(place.verdicts.read_bytes()[:-9])
        with pytest.raises(ProofInvalid) as error:
            place.door.sign_manifest(path, "ada")
        assert error.value.code == "verdicts-invalid"


class TestRight:
    """Data that is what was judged, or what was admitted; in whatever file it comes."""

    def test_judged_and_admitted(self, place: Place) -> None:
        for data, matches, rows in (
            (place.data, "judged", COUNT),
            (place.kept, "admitted", len(place.admitted)),
        ):
            outcome = place.check(data)
            assert (outcome.ok, outcome.matches, outcome.data_rows, outcome.faults) == (
                True,
                matches,
                rows,
                [],
            )
            assert outcome.facts is not None
            assert outcome.facts.artifact_id == place.signed.id
            assert outcome.signer is not None
            assert outcome.signer.human == place.ada
            assert outcome.about["admitted"] == len(place.admitted)

    def test_in_another_format_and_in_several_files(self, place: Place, tmp_path: Path) -> None:
        pq.write_table(
            pa.table({"n": range(COUNT), "text": place.texts}), tmp_path / "d.parquet", row_group_size=7
        )
        assert place.check(tmp_path / "d.parquet").matches == "judged"
        (tmp_path / "k.jsonl.gz").write_bytes(gzip.compress(place.kept.read_bytes()))
        assert place.check(tmp_path / "k.jsonl.gz").matches == "admitted"
        parts = [
            gated.write_data(tmp_path / f"{at:02}.jsonl", place.texts[at : at + 11])
            for at in range(0, COUNT, 11)
        ]
        outcome = verify_manifest(place.verdicts, parts, place.vkey, workers=1)
        assert outcome.matches == "judged"
        assert verify_manifest(place.verdicts, parts[::-1], place.vkey, workers=0).matches == ""

    def test_another_column(self, place: Place, tmp_path: Path) -> None:
        path = tmp_path / "d.jsonl"
        path.write_text("".join(json.dumps({"body": text}) + "\n" for text in place.texts))
        assert place.check(path, column="body").matches == "judged"
        assert "no reader takes it" in fault(place.check(path)).reason
        pq.write_table(pa.table({"body": place.texts}), tmp_path / "d.parquet")
        with pytest.raises(RefusedInput) as error:  # the file says itself that it has no such column
            place.check(tmp_path / "d.parquet")
        assert error.value.code == "column-missing"

    def test_rows_that_no_reader_takes(self, place: Place, tmp_path: Path) -> None:
        rows = [*place.texts[:2], None, *place.texts[3:6]]
        verdicts = gated.write_verdicts(tmp_path / "v", place.door, rows)
        place.door.sign_manifest(verdicts, "ada")
        data = tmp_path / "d.jsonl"
        data.write_text(
            "".join("{broken\n" if row is None else json.dumps({"text": row}) + "\n" for row in rows)
        )
        assert place.check(data, verdicts).matches == "judged"
        fault(place.check(gated.write_data(data, place.texts[:6]), verdicts))

    def test_all_admitted_and_none(self, place: Place, tmp_path: Path) -> None:
        for verdict in ("admitted", "rejected"):
            verdicts = gated.write_verdicts(tmp_path / verdict, place.door, place.texts, [verdict] * COUNT)
            place.door.sign_manifest(verdicts, "ada")
            assert place.check(place.data, verdicts).matches == "judged"
            fault(place.check(place.kept, verdicts))

    def test_a_pair_answers_by_its_anchor(self, place: Place, tmp_path: Path) -> None:
        place.door.new_identity(
            "quill", "pair", of="ada", substrate={"name": "m", "version": "1"}, unencrypted=True
        )
        verdicts = gated.write_verdicts(tmp_path / "v", place.door, place.texts)
        place.door.sign_manifest(verdicts, "quill")
        outcome = place.check(place.data, verdicts)
        assert outcome.ok
        assert outcome.signer is not None
        assert (outcome.signer.role, outcome.signer.human) == ("pair", place.ada)


Change = Callable[[list[str]], list[str]]
CHANGES: list[tuple[str, Change, int, str]] = [
    ("swapped", lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], 4, "changed places"),
    ("dropped", lambda rows: rows[:4] + rows[5:], 4, "is missing here"),
    ("dropped first", lambda rows: rows[1:], 0, "is missing here"),
    ("dropped last", lambda rows: rows[:-1], -1, "the data ends here"),
    ("doubled", lambda rows: [*rows[:5], rows[4], *rows[5:]], 5, "once more"),
    ("doubled last", lambda rows: [*rows, rows[-1]], -1, "once more"),
    ("added", lambda rows: [*rows[:4], "new", *rows[4:]], 4, "too many"),
    ("added last", lambda rows: [*rows, "new"], -1, "behind the last"),
    ("changed", lambda rows: [*rows[:4], rows[4] + " ", *rows[5:]], 4, "content is not"),
    ("reversed", lambda rows: rows[::-1], 0, "content is not"),
]


class TestWrong:
    """Anything else is told by its row."""

    @pytest.mark.parametrize(
        ("name", "change", "row", "says"), CHANGES, ids=[change[0] for change in CHANGES]
    )
    @pytest.mark.parametrize("which", ["judged", "admitted"])
    @pytest.mark.parametrize("size", [1, 1 << 20])
    def test_data(
        self,
        place: Place,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        name: str,
        change: Change,
        row: int,
        says: str,
        which: str,
        size: int,
    ) -> None:
        rows = place.texts if which == "judged" else place.admitted
        monkeypatch.setattr(spec, "STRETCH_BYTES", size)  # of lines that are compared at once
        changed = change(list(rows))
        data = gated.write_data(tmp_path / "d.jsonl", changed)
        found = fault(place.check(data))
        want = min(len(rows), len(changed)) if row < 0 else row
        assert found.item.endswith(f"d.jsonl, row {want}"), name
        assert says in found.reason
        assert f"compared with those {which}" in found.reason
        assert (
            f"{len(changed)} rows here, {COUNT} were judged, {len(place.admitted)} admitted" in found.reason
        )
        if row == 4 and name in ("dropped", "changed"):
            judged = 4 if which == "judged" else place.texts.index(place.admitted[4])
            assert f"row {judged} of the judged dataset" in found.reason

    def test_few_faults_of_many(self, place: Place, tmp_path: Path) -> None:
        outcome = place.check(gated.write_data(tmp_path / "d.jsonl", ["other"] * COUNT))
        assert [one.item.rpartition(" ")[2] for one in outcome.faults] == ["0", "1", "2", "3"]

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(st.integers(0, 5), max_size=8),
        st.lists(st.sampled_from(gated.CYCLE), min_size=6, max_size=6),
    )
    def test_only_those_two_orders_hold(
        self, place: Place, tmp_path_factory: pytest.TempPathFactory, picked: list[int], told: list[str]
    ) -> None:
        """Against the definition, on any choice of rows."""
        if not picked:
            return
        folder = tmp_path_factory.mktemp("picked")
        rows = place.texts[:6]
        verdicts = gated.write_verdicts(folder / "v", place.door, rows, told)
        with open_verdicts(verdicts) as file:
            outcome = VerifiedManifest("", "", "", column="text")
            dataset = open_dataset(gated.write_data(folder / "d.jsonl", [rows[number] for number in picked]))
            with Crew(0) as crew:
                verifying_manifest._compare(outcome, file, crew, dataset, lambda *_: None)
        admitted = [number for number in range(6) if told[number] == "admitted"]
        want = "judged" if picked == list(range(6)) else "admitted" if picked == admitted else ""
        assert outcome.matches == want
        assert bool(outcome.faults) == (not want)

    def test_data_that_cannot_be_read_is_not_decided(self, place: Place, tmp_path: Path) -> None:
        (tmp_path / "d.jsonl.gz").write_bytes(gzip.compress(place.data.read_bytes())[:-20])
        with pytest.raises(RefusedInput):
            place.check(tmp_path / "d.jsonl.gz")
        with pytest.raises(NotFound):
            place.check(tmp_path / "nowhere.jsonl")

    def test_a_verdict_file_of_other_rows(self, place: Place, tmp_path: Path) -> None:
        """Each thing that the root binds, changed; with the receipt of the right one, and data that fit the wrong."""
        told = [gated.verdict_of(number) for number in range(COUNT)]
        ids = [bytes([7]) * 32] * COUNT
        other = list(told)
        other[2] = "admitted"
        for name, rows, verdicts, artifact_ids in (
            ("verdict", place.texts, other, None),
            ("rows", [*place.texts[:-1], "another"], told, None),
            ("order", [place.texts[1], place.texts[0], *place.texts[2:]], told, None),
            ("ids", place.texts, told, ids),
        ):
            path = gated.write_verdicts(
                tmp_path / name, place.door, rows, verdicts, artifact_ids, **self.about(place)
            )
            shutil.copy(place.signed.receipt, receipt_path(path))
            assert "not those that were signed" in fault(place.check(place.data, path)).reason
        path = gated.write_verdicts(tmp_path / "same", place.door, place.texts, **self.about(place))
        shutil.copy(place.signed.receipt, receipt_path(path))
        assert place.check(place.data, path).ok

    def about(self, place: Place) -> dict[str, Any]:
        with open_verdicts(place.verdicts) as file:
            return {name: file.about[name] for name in ("checkpoint_size", "checkpoint_root", "checkpoint")}

    @pytest.mark.parametrize(
        ("changed", "says"),
        [
            ({"checkpoint": "6" * 64}, "another checkpoint"),
            ({"policy": "6" * 64}, "another policy"),
            ({"trust": "6" * 64}, "another trust"),
            ({"at_ms": 5}, "another time"),
            ({"log_id": "6" * 64}, "not trusted"),
            ({"checkpoint_size": 2}, "origin, size or root"),
            ({"checkpoint_root": "6" * 64}, "origin, size or root"),
            ({"log_origin": "log.example/other"}, "origin, size or root"),
            ({"log_origin": ""}, "origin, size or root"),
        ],
    )
    def test_metadata_that_was_not_signed(
        self, place: Place, tmp_path: Path, changed: dict[str, Any], says: str
    ) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts, **(self.about(place) | changed))
        shutil.copy(place.signed.receipt, receipt_path(path))
        assert says in fault(place.check(place.data, path)).reason

    def test_another_count(self, place: Place, tmp_path: Path) -> None:
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts[:-1], **self.about(place))
        shutil.copy(place.signed.receipt, receipt_path(path))
        assert "another count" in fault(place.check(place.data, path)).reason

    def test_undecided_rows(self, place: Place, tmp_path: Path) -> None:
        path = gated.write_verdicts(
            tmp_path / "v", place.door, place.texts, ["undecided"] * COUNT, **self.about(place)
        )
        shutil.copy(place.signed.receipt, receipt_path(path))
        assert "nothing is decided" in fault(place.check(place.data, path)).reason

    def test_a_checkpoint_that_came_later(self, place: Place, tmp_path: Path) -> None:
        """Nobody judges under a log checkpoint in which his manifest stands already."""
        later = Checkpoint(place.vkey.name, 1_000, b"r" * 32)
        said: dict[str, Any] = {
            "checkpoint_size": 1_000,
            "checkpoint_root": later.root.hex(),
            "checkpoint": later.digest.hex(),
        }
        path = gated.write_verdicts(tmp_path / "v", place.door, place.texts, **said)
        place.door.sign_manifest(path, "ada")
        assert "before the log checkpoint" in fault(place.check(place.data, path)).reason

    def test_a_receipt_of_something_else(self, place: Place, tmp_path: Path) -> None:
        receipt = tmp_path / "r"
        note = tmp_path / "note.md"
        note.write_text("A text that is long enough for nobody to guess, which is why no note is given.\n")
        signed = place.door.sign([note], "ada")
        receipt.write_text(place.door.receipt(signed.ids[0]))
        assert "form 'raw'" in fault(place.check(place.data, receipt=receipt)).reason
        place.sign_fields(receipt, stance="reported")
        assert "(reported)" in fault(place.check(place.data, receipt=receipt)).reason

    def test_a_receipt_that_does_not_hold(self, place: Place, tmp_path: Path) -> None:
        whole = place.signed.receipt.read_text()
        for text in ("", whole[:-10], whole.replace("\n", "\r\n"), "x" * (spec.RECEIPT_BYTES_MAX + 1)):
            (tmp_path / "r").write_text(text)
            outcome = place.check(place.data, receipt=tmp_path / "r")
            assert not outcome.ok
            assert outcome.facts is None
            assert outcome.faults[0].code in {"receipt-invalid", "note-invalid", "checkpoint-invalid"}
        with pytest.raises(NotFound) as error:
            place.check(place.data, receipt=tmp_path / "none")
        assert error.value.code == "receipt-missing"

    def test_another_log_is_not_trusted(self, place: Place, tmp_path: Path) -> None:
        other = ledger.create(tmp_path / "ledger", unencrypted=True, config=str(tmp_path / "keys"))
        with other:
            vkey = other.vkey
        outcome = verify_manifest(place.verdicts, place.data, vkey, workers=0)
        assert not outcome.ok
        assert outcome.faults[0].code == "note-invalid"

    def test_a_file_that_changes_meanwhile(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "v"
        shutil.copy(place.verdicts, path)
        shutil.copy(place.signed.receipt, receipt_path(path))
        compare = verifying_manifest._compare

        def late(*arguments: Any) -> None:
            compare(*arguments)
            with path.open("r+b") as file:
                file.write(b"PAR1")
            path.touch()

        monkeypatch.setattr(verifying_manifest, "_compare", late)
        with pytest.raises(RefusedInput) as error:
            place.check(place.data, path)
        assert error.value.code == "file-changed"


def test_memory_does_not_grow_with_the_rows(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row groups one at a time, beside each other: a thousand rows a group, and as many groups as one likes."""
    monkeypatch.setattr(spec, "VERDICT_GROUP_ROWS", 1_000)
    monkeypatch.setattr(spec, "STRETCH_BYTES", 16_384)
    peaks = []
    for count in (4_000, 40_000):
        rows = gated.texts(count)
        data = gated.write_data(tmp_path / "d.jsonl", rows)
        verdicts = gated.write_verdicts(tmp_path / f"v{count}", place.door, rows)
        del rows
        tracemalloc.start()
        place.door.sign_manifest(verdicts, "ada")
        assert place.check(data, verdicts).ok
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_verify_of_the_file_alone_names_the_way(place: Place) -> None:
    with pytest.raises(NotYet, match="--manifest"):
        verify(place.verdicts, place.signed.receipt, place.vkey)


def test_rows_are_read_twice_and_blocks_once(place: Place) -> None:
    """Two readers of one open file do not disturb each other."""
    with open_verdicts(place.verdicts) as file:
        assert isinstance(file, VerdictFile)
        for (digests, flags), block in zip(file.digests(), file.blocks(), strict=True):
            assert digests == block.digests
            assert flags == bytes(block.told[outcome].verdict == "admitted" for outcome in block.outcomes)


def test_sealed_rows_are_compared_as_they_are(place: Place, tmp_path: Path) -> None:
    """The digest in a verdict file is that of the content as it is read, whatever the record holds."""
    data = gated.write_data(tmp_path / "d.jsonl", place.texts[:5])
    signed = place.door.sign_rows(data, "text", "ada", Claim(kind="work", sealed=True))
    verdicts = gated.write_verdicts(tmp_path / "v", place.door, place.texts[:5], ids=signed.ids)
    place.door.sign_manifest(verdicts, "ada")
    assert place.check(data, verdicts).matches == "judged"

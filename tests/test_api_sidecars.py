"""Sidecars beside the log: published, audited, looked at by the doctor, missed, damaged, made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.api import KeyChange, audit_folder, examine
from ledger.api.rebuilding import RebuiltRows
from ledger.audit.report import AuditReport
from ledger.errors import NotFound, ProofInvalid, RefusedInput, StoreFault
from tests.test_api_import import Place, place, refused

__all__ = ["place"]


@pytest.fixture
def filled(place: Place) -> Place:
    """Three records of rows, and a work beside them."""
    place.import_(place.numbered(25))
    work = place.folder / "work.md"
    work.write_text("a work")
    with place.open() as door:
        door.sign([work], "ada")
    return place


def sidecar(place: Place, number: int) -> Path:
    return place.path / "rows" / place.records()[number].id.hex()


def publish(place: Place, name: str = "public") -> tuple[Path, int, int]:
    folder = place.folder / name
    with place.open(readonly=True) as door:
        published = door.publish(folder)
    return folder, published.files_written, published.rows_missing


def faults(report: AuditReport) -> list[tuple[int, int | None, str]]:
    assert not report.ok
    return [(fault.log_index, fault.record_index, fault.code) for fault in report.faults]


def remove(path: Path) -> None:
    path.unlink()


def flip_digest(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-32 - 4 * 10 - 5] ^= 1  # the last row's digest
    path.write_bytes(content)


def swap_order(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-40:-32] = content[-36:-32] + content[-40:-36]
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def take_another(path: Path) -> None:
    other = next(item for item in sorted(path.parent.iterdir()) if item != path)
    path.write_bytes(other.read_bytes())


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (remove, "rows-missing"),
    (flip_digest, "rows-differ"),
    (swap_order, "rows-differ"),
    (cut, "rows-damaged"),
    (take_another, "rows-differ"),
    (make_folder, "not-a-regular-file"),
]


@pytest.mark.parametrize(("damage", "code"), DAMAGES)
def test_what_is_missing_or_damaged_is_incomplete_and_named_everywhere(
    filled: Place, damage: Callable[[Path], None], code: str
) -> None:
    public, _, missing = publish(filled)
    assert missing == 0
    report = audit_folder(public)
    assert report.ok
    assert report.rows == 25
    damage(sidecar(filled, 1))
    damage(public / "rows" / filled.records()[1].id.hex())
    (place_of,) = {fault[:2] for folder in (filled.path, public) for fault in faults(audit_folder(folder))}
    assert place_of[1] == 0
    for folder in (filled.path, public):
        report = audit_folder(folder)
        assert faults(report) == [(place_of[0], 0, code)]
        assert report.incomplete
        assert report.rows == 15, "the others are looked at all the same"
    if code != "not-a-regular-file":
        _, _, missing = publish(filled, "another")
        assert missing == 1


@pytest.mark.parametrize(("damage", "code"), DAMAGES)
def test_a_search_says_what_it_could_not_search(
    filled: Place, damage: Callable[[Path], None], code: str
) -> None:
    records = filled.records()
    damage(sidecar(filled, 1))
    with filled.open(readonly=True) as door:
        found = door.search_text("row 3")
        assert [match.row for match in found.rows] == [3]
        if damage is swap_order:  # nothing shows it but an audit, which reads all of it
            assert found.unsearched == []
            return
        lost = door.search_text("row 19" if damage is flip_digest else "row 13")
        assert [artifact_id for artifact_id, _ in lost.unsearched] in ([records[1].id], [])
        if damage is not flip_digest:
            assert lost.unsearched
        assert lost.rows == [], "nothing is shown that is not proved"
        with pytest.raises(NotFound) as caught:
            door.find_text("row 13" if damage is not flip_digest else "row 19")
        assert caught.value.code == "unlogged"
        if lost.unsearched:
            assert "could not be looked at" in caught.value.reason
            assert "--rebuild" in caught.value.fix
        if damage is remove:
            with pytest.raises(StoreFault):
                door.search(f"{records[1].id.hex()}:3")
        if damage is flip_digest:
            with pytest.raises(ProofInvalid):
                door.prove_row(records[1].id, 3)


@pytest.mark.parametrize(("damage", "code"), DAMAGES)
def test_the_doctor_tells(filled: Place, damage: Callable[[Path], None], code: str) -> None:
    found = {item.name: item for item in examine(str(filled.path), filled.config)}
    assert found["rows"].ok
    assert "3 sidecars of 25 rows" in found["rows"].what
    damage(sidecar(filled, 2))
    found = {item.name: item for item in examine(str(filled.path), filled.config)}
    assert not found["rows"].ok
    assert "1 of 3" in found["rows"].what
    assert "--rebuild" in found["rows"].fix
    assert all(item.ok for name, item in found.items() if name != "rows")


def test_a_ledger_without_rows_has_no_finding_about_them(place: Place) -> None:
    assert not any("rows" in name or name == "imports" for name in place.findings())
    assert publish(place)[2] == 0
    assert not (place.folder / "public" / "rows").exists()


def test_what_is_published_is_the_same_file_and_goes_on(filled: Place) -> None:
    public, written, _ = publish(filled)
    for record in filled.records():
        name = record.id.hex()
        assert (public / "rows" / name).read_bytes() == (filled.path / "rows" / name).read_bytes()
    assert publish(filled)[1] == 0, "nothing is written twice"
    filled.import_(filled.numbered(5, "more.jsonl"))
    assert publish(filled)[1] > 0
    assert audit_folder(public).ok
    assert written > 3


def test_a_publication_that_was_stopped_is_taken_up(filled: Place) -> None:
    public, _, _ = publish(filled)
    (public / "checkpoint").unlink()
    (public / "rows" / filled.records()[0].id.hex()).unlink()
    (public / "rows" / ".x.tmp").write_bytes(b"half")
    assert publish(filled)[2] == 0
    assert audit_folder(public).ok
    assert not (public / "rows" / ".x.tmp").exists()


def test_a_sidecar_that_came_back_is_published(filled: Place) -> None:
    path = sidecar(filled, 0)
    aside = filled.folder / "aside"
    shutil.move(path, aside)
    public, _, missing = publish(filled)
    assert missing == 1
    assert audit_folder(public).incomplete
    shutil.move(aside, path)
    assert publish(filled)[1:] == (1, 0)
    assert audit_folder(public).ok


def test_no_link_in_a_published_folder_is_followed(filled: Place) -> None:
    public = filled.folder / "public"
    public.mkdir()
    (filled.folder / "elsewhere").mkdir()
    (public / "rows").symlink_to(filled.folder / "elsewhere")
    with pytest.raises((StoreFault, RefusedInput)):
        publish(filled)
    assert list((filled.folder / "elsewhere").iterdir()) == []


def test_a_sidecar_beside_the_log_that_is_nobodys_does_no_harm(filled: Place) -> None:
    stranger = filled.path / "rows" / ("ab" * 32)
    stranger.write_bytes(b"x")
    assert audit_folder(filled.path).ok
    with filled.open(readonly=True) as door:
        assert door.search_text("row 3").unsearched == []
    assert filled.findings()["rows, orphans"]
    assert publish(filled)[2] == 0
    assert not (filled.folder / "public" / "rows" / stranger.name).exists()


def rebuild(place: Place, *paths: Path, column: str | None = "text") -> RebuiltRows:
    with place.open(readonly=True) as door:
        return door.rebuild_rows(list(paths), column, rows_each=10, workers=0)


@pytest.mark.parametrize(("damage", "code"), DAMAGES[:-1])
def test_a_sidecar_is_made_anew_from_the_dataset(
    filled: Place, damage: Callable[[Path], None], code: str
) -> None:
    path = sidecar(filled, 1)
    whole, size = path.read_bytes(), filled.size()
    damage(path)
    rebuilt = rebuild(filled, filled.folder / "rows.jsonl")
    assert path.read_bytes() == whole
    assert filled.size() == size, "nothing is signed"
    assert [(item.first_row, item.rows) for item in rebuilt.written] == [(10, 10)]
    assert [item.first_row for item in rebuilt.whole] == [0, 20]
    assert rebuilt.unknown == []
    assert audit_folder(filled.path).ok


def test_rows_that_no_record_is_about_are_told(filled: Place) -> None:
    path = filled.folder / "rows.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[3]["text"] = "changed"
    filled.jsonl("rows.jsonl", *rows)
    rebuilt = rebuild(filled, path)
    assert rebuilt.unknown == [(str(path), 0, 10)]
    assert len(rebuilt.whole) == 2
    assert rebuild(filled, path, column="n").unknown == [
        (str(path), at, rows) for at, rows in ((0, 10), (10, 10), (20, 5))
    ]
    with refused("column-missing"):
        rebuild(filled, path, column="absent")


def test_every_claim_on_the_same_rows_gets_its_sidecar(filled: Place) -> None:
    with filled.open() as door:
        door.new_identity("bea", unencrypted=True)
    path = filled.folder / "rows.jsonl"
    filled.import_(path, by="bea")
    shutil.rmtree(filled.path / "rows")
    assert len(rebuild(filled, path).written) == 6
    assert audit_folder(filled.path).ok


def test_a_record_that_is_signed_again_asks_for_one_sidecar(filled: Place) -> None:
    """After a cut of keys, say: one artifact, one sidecar, looked at once."""
    first = filled.records()[0].id.hex()
    with filled.open() as door:
        door.change_keys("ada", KeyChange("rotate", since=0), unencrypted=True)
        assert door.sign_again([first], "ada").again == 1
        assert [match.row for match in door.search_text("row 3").rows] == [3]
    report = audit_folder(filled.path)
    assert report.ok
    assert report.rows == 25
    assert filled.import_(filled.folder / "rows.jsonl").new == 2, "the other two stand again, too"
    assert audit_folder(filled.path).ok

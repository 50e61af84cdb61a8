"""Importing legacy data through the Python door: what is logged, what is found again, what is refused and leaves nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger import spec
from ledger.api import Imported, audit_folder, examine
from ledger.api import importing as room
from ledger.datasets.shards import ShardReader
from ledger.errors import LineageError, NotFound, PolicyDenied, RefusedInput, StoreFault
from ledger.log.view import LogView
from ledger.origin.levels import level_of
from ledger.proofs.rows import check_row
from ledger.signer import signing
from ledger.signer.claims import Claim
from ledger.statements.record import Parent, Record, decode_record
from ledger.store import files, rows_file
from tests import reference

SOURCE, LICENSE = "https://example.org/corpus", "CC-BY-4.0"


class Place:
    """A ledger with the human ada, and datasets beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.config = folder / "ledger", str(folder / "keys")
        with ledger.create(self.path, unencrypted=True, config=self.config) as made:
            made.new_identity("ada", unencrypted=True)

    def open(self, **options: Any) -> ledger.Ledger:
        return ledger.open(self.path, config=self.config, **options)

    def jsonl(self, name: str, *rows: Any) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def numbered(self, count: int, name: str = "rows.jsonl") -> Path:
        word = Path(name).stem.removesuffix("s")
        return self.jsonl(name, *({"text": f"{word} {n}", "n": n} for n in range(count)))

    def import_(self, *paths: Path, column: str | None = "text", **options: Any) -> Imported:
        said: dict[str, Any] = {"source": SOURCE, "license": LICENSE, "rows_each": 10, "workers": 0} | options
        with self.open() as door:
            return door.import_rows(list(paths), column, said.pop("by", "ada"), **said)

    def records(self) -> list[Record]:
        """All records of form rows in the log, in order."""
        with self.open(readonly=True) as door, door.view() as view:
            data = [view.record(number) or b"" for number in range(view.record_count)]
        return [record for record in map(decode_record, data) if record.form == "rows"]

    def size(self) -> int:
        with self.open(readonly=True) as door:
            return door.checkpoint().size

    def sidecars(self) -> set[str]:
        folder = self.path / "rows"
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def is_whole(self) -> bool:
        """Whether the audit finds nothing, and everything is remembered that should be, and nothing else."""
        report = audit_folder(self.path)
        assert report.ok, report.faults
        assert self.sidecars() == {record.id.hex() for record in self.records()}
        return list((self.path / "imports").iterdir()) == []

    def findings(self) -> dict[str, bool]:
        return {item.name: item.ok for item in examine(str(self.path), self.config)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def digests(*contents: str) -> list[bytes]:
    return [hashlib.sha256(content.encode()).digest() for content in contents]


@contextmanager
def refused(code: str, family: type[LineageError] = RefusedInput, told: str = "") -> Iterator[None]:
    with pytest.raises(family) as caught:
        yield
    assert caught.value.code == code, caught.value
    assert told in caught.value.reason, caught.value.reason
    assert caught.value.fix


def test_a_shard_is_one_record_with_one_signature(place: Place) -> None:
    path = place.jsonl("rows.jsonl", *({"text": text, "n": 1} for text in ("Straße", "b", "b")))
    before = place.size()
    imported = place.import_(path, category="archive", train="constrained", rows_each=spec.ROWS_MAX)
    (record,) = place.records()
    assert record.fields == {
        "v": 1,
        "kind": "dataset",
        "form": "rows",
        "stance": "reported",
        "maker": record.maker,
        "content": reference.mth(digests("Straße", "b", "b")),
        "size": 9,
        "media": "text/plain",
        "parents": [],
        "facts": {"count": 3, "column": "text"},
        "source": {"uri": SOURCE, "category": "archive"},
        "rights": {"license": LICENSE, "train": "constrained"},
    }
    assert place.size() == before + 2, "a statement and a state"
    (told,) = imported.records
    assert (told.id, told.path, told.first_row, told.rows, told.log_index, told.is_new) == (
        record.id, str(path), 0, 3, before, True,
    )  # fmt: skip
    assert (imported.rows, imported.new) == (3, 1)
    expected = reference.sidecar(record.encoded, digests("Straße", "b", "b"))
    assert (place.path / "rows" / record.id.hex()).read_bytes() == expected
    assert place.is_whole()


def test_whole_rows_lines_and_other_cells(place: Place) -> None:
    rows = place.jsonl("rows.jsonl", {"b": 1, "a": "x", "lineage_id": None}, {"b": 2.0, "a": None})
    mixed = place.jsonl("mixed.jsonl", {"text": "x"}, {"text": [1]})
    odd = place.jsonl("odd.jsonl", {"the text": "x"})
    text = place.folder / "rows.txt"
    text.write_bytes(b"one\r\n\ntwo")
    place.import_(rows, column=None)
    place.import_(text, column=None)
    place.import_(mixed)
    place.import_(odd, column="the text")
    found = [(record.fields["media"], record.fields["facts"], record.content) for record in place.records()]
    column_digest = hashlib.sha256(b"lineage/column/v1\nthe text").digest()
    assert found == [
        ("application/json", {"count": 2}, reference.mth(digests('{"a":"x","b":1}', '{"a":null,"b":2}'))),
        ("text/plain", {"count": 3}, reference.mth(digests("one", "", "two"))),
        ("application/json", {"count": 2, "column": "text"}, reference.mth(digests("x", "[1]"))),
        ("text/plain", {"count": 1, "column_digest": column_digest}, reference.mth(digests("x"))),
    ]
    assert place.is_whole()


def test_the_same_data_is_not_logged_twice(place: Place) -> None:
    path = place.numbered(25)
    first = place.import_(path)
    size = place.size()
    again = place.import_(path)
    assert [record[:5] for record in again.records] == [record[:5] for record in first.records]
    assert (first.new, again.new, again.rows) == (3, 0, 25)
    assert place.size() == size
    copy = place.numbered(25, "elsewhere/rows.jsonl")
    both = place.import_(copy, path)
    assert (both.new, both.rows, len(both.records)) == (0, 50, 6)
    assert [record.path for record in both.records] == [str(copy)] * 3 + [str(path)] * 3
    other = place.import_(path, source="https://example.org/other")
    assert other.new == 3, "told in other words it is another claim"
    assert place.is_whole()


def test_more_rows_behind_are_new_records_alone(place: Place) -> None:
    place.import_(place.numbered(20))
    assert place.import_(place.numbered(25)).new == 1
    assert [record.row_count for record in place.records()] == [10, 10, 5]


def test_a_row_is_found_proved_and_has_its_level(place: Place) -> None:
    path = place.jsonl("rows.jsonl", *({"text": f"row {n % 20}"} for n in range(25)))
    place.import_(path)
    first, second, third = place.records()
    with place.open(readonly=True) as door:
        found = door.search_text("row 3")
        assert [(match.id, match.row, match.copies) for match in found.rows] == [
            (first.id, 3, 1),
            (third.id, 3, 1),
        ]
        assert (found.artifacts, found.unsearched) == ([], [])
        assert door.find_text("row 3") == found.ids == [first.id, third.id]
        match = found.rows[0]
        assert match.digest == digests("row 3")[0]
        check_row(first, match.row, match.digest, match.path)
        assert door.prove_row(second.id, 9) == door.search_text("row 19").rows[0]
        assert door.search(f"{second.id.hex()[:16]}:9").rows[0] == door.prove_row(second.id, 9)
        assert level_of(door.trace(first.id).nodes[first.id]).code == "L1"
        with refused("unlogged", NotFound):
            door.find_text("row 20")
        with refused("index-out-of-range"):
            door.search(f"{second.id.hex()}:10")
        with refused("unlogged", NotFound):
            door.search(f"{'ab' * 32}:0")
    file = place.folder / "a row"
    file.write_bytes(b"row 7")
    with place.open(readonly=True) as door:
        assert door.find_all(file) == [first.id]
        assert [match.row for match in door.search(file).rows] == [7]


def test_whole_rows_are_found_however_they_are_written(place: Place) -> None:
    place.import_(place.jsonl("rows.jsonl", {"b": 1, "a": "x"}), column=None)
    with place.open(readonly=True) as door:
        assert [match.row for match in door.search_text('{ "a": "x",  "b": 1.0 }').rows] == [0]


def test_what_was_signed_stands_before_rows(place: Place) -> None:
    place.import_(place.jsonl("rows.jsonl", {"text": "hello"}))
    work = place.folder / "work.md"
    work.write_text("hello")
    with place.open() as door:
        signed = door.sign([work], "ada")
        (dataset,) = [record.id for record in place_records(door)]
        assert door.find_text("hello") == [signed.ids[0], dataset]


def place_records(door: ledger.Ledger) -> list[Record]:
    with door.view() as view:
        data = [view.record(number) or b"" for number in range(view.record_count)]
    return [record for record in map(decode_record, data) if record.form == "rows"]


def test_of_many_equal_rows_the_first_is_shown_and_all_are_counted(place: Place) -> None:
    path = place.folder / "rows.txt"
    path.write_bytes(b"a\n" + b"\n" * 600 + b"b\n")
    place.import_(path, column=None, rows_each=1_000)
    with place.open(readonly=True) as door:
        (match,) = door.search_text("").rows
    assert (match.row, match.copies) == (1, 600)


def test_rows_are_subjects_and_parents(place: Place) -> None:
    place.import_(place.numbered(10))
    (dataset,) = place.records()
    with place.open() as door:
        door.new_identity("bea", unencrypted=True)
        door.attest([(dataset.id, 9)], "bea", "content", "refuted")
        door.notice([(dataset.id, 3)], "ada", "retract", reason="rights")
        with refused("subject-unknown"):
            door.attest([(dataset.id, 10)], "bea", "content", "refuted")
        assert [(item.act, item.row) for item in door.trace(dataset.id).nodes[dataset.id].notices] == [
            ("retract", 3)
        ]
        work = place.folder / "work.md"
        work.write_text("a work that quotes a row")
        quoting = Claim(parents=(Parent("quotes", dataset.id, row=9),))
        signed = door.sign([work], "ada", quoting)
        assert door.trace(signed.ids[0]).nodes[signed.ids[0]].parents == quoting.parents
        work.write_text("another")
        with refused("parent-kind"):
            door.sign([work], "ada", Claim(parents=(Parent("quotes", dataset.id, row=10),)))


def test_parents_and_machines_and_pairs(place: Place) -> None:
    place.import_(place.numbered(3, "a.jsonl"))
    (raw,) = place.records()
    with place.open() as door:
        door.new_identity("bot", "machine", unencrypted=True)
        door.new_identity(
            "ada+bot", "pair", of="ada", substrate={"name": "m", "version": "1"}, unencrypted=True
        )
    clean = place.jsonl("b.jsonl", {"text": "clean"})
    for by in ("bot", "ada+bot"):
        place.import_(clean, by=by, parents=[Parent("derived-from", raw.id, 500_000)])
    records = place.records()[1:]
    assert [record.parents for record in records] == [(Parent("derived-from", raw.id, 500_000),)] * 2
    assert len({record.maker for record in records}) == 2
    assert place.is_whole()


# What is refused


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        ({"source": "no uri"}, "schema", ""),
        ({"source": "/local/path"}, "schema", ""),
        ({"license": "free for all!"}, "schema", ""),
        ({"license": ""}, "schema", ""),
        ({"category": "books"}, "schema", ""),
        ({"train": "maybe"}, "schema", ""),
        ({"by": "nobody"}, "name-unknown", ""),
        ({"column": "body"}, "column-missing", "'text'"),
        ({"parents": [Parent("trained-on", bytes(32))]}, "record-illegal", ""),
        ({"rows_each": 0}, "usage", ""),
        ({"rows_each": spec.ROWS_MAX + 1}, "usage", ""),
        ({"workers": -1}, "usage", ""),
        ({"parents": [Parent("derived-from", bytes(32))]}, "parent-unknown", ""),
    ],
)
def test_what_may_not_be_said_is_refused_and_leaves_nothing(
    place: Place, options: dict[str, Any], code: str, told: str
) -> None:
    path, size = place.numbered(3), place.size()
    with refused(code, LineageError, told):
        place.import_(path, **options)
    assert place.size() == size
    assert place.sidecars() == set()


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b'{"n":1}', "column-missing"),
        (b'{"text":null}', "column-empty"),
        (b"", "row-blank"),
        (b'{"text":"x","text":"y"}', "json-duplicate-key"),
        (b'{"text":"\xff"}', "not-utf8"),
        (b'{"text":"\\ud800"}', "lone-surrogate"),
        (b'{"text":9007199254740993}', "json-integer-too-big"),
        (b'{"text":"x"', "not-json"),
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_row_is_named_and_records_before_it_stand_and_are_told(
    place: Place, row: bytes, code: str, workers: int
) -> None:
    path = place.numbered(40)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:33], row, *lines[34:]]))
    with pytest.raises(RefusedInput) as caught:
        place.import_(path, workers=workers)
    error = caught.value
    assert (error.code, error.item) == (code, f"{path}, row 33 (line 34)")
    assert "3 records of 30 rows stand in the log" in error.reason
    assert [record.row_count for record in place.records()] == [10, 10, 10]
    assert place.sidecars() == {record.id.hex() for record in place.records()}
    with refused(code, told="3 records of 30 rows"):  # once more is no change of the shard
        place.import_(path, workers=workers)
    path.write_bytes(b"\n".join([*lines[:33], *lines[34:]]))  # it is mended: another file by now
    with refused("shard-changed", told="30 rows"):
        place.import_(path, workers=workers)
    assert place.import_(path, workers=workers, restart=True).new == 1
    assert place.is_whole()


def test_a_byte_order_mark_is_refused(place: Place) -> None:
    path = place.folder / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text":"x"}\n')
    with refused("byte-order-mark"):
        place.import_(path)


def test_one_bad_shard_is_seen_before_the_first_is_imported(place: Place) -> None:
    good, size = place.numbered(3), place.size()
    empty = place.folder / "z.jsonl"
    empty.write_bytes(b"")
    with refused("dataset-empty"):
        place.import_(good, empty)
    assert place.size() == size


def test_an_allow_list_is_asked_before_anything_is_read(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.open() as door:
        door.new_identity("reg", "registrar", unencrypted=True)
        door.set_rules({"mode": "allow-list", "registrars": [door.keys.find("reg").id]})
    path, size = place.numbered(3), place.size()
    with monkeypatch.context() as patch, refused("not-endorsed", PolicyDenied):
        patch.setattr(room, "ShardReader", None)
        place.import_(path)
    assert (place.size(), place.sidecars()) == (size, set())
    monkeypatch.setattr(room, "check_mode", lambda *_: None)  # as if the rules came a moment later
    with refused("not-endorsed", PolicyDenied):
        place.import_(path)
    assert (place.size(), place.sidecars()) == (size, set()), "what is refused takes its sidecar with it"


def test_a_scope_that_allows_no_datasets_refuses_them(place: Place) -> None:
    with place.open() as door:
        door.new_identity(
            "ada+bot", "pair", of="ada", substrate={"name": "m", "version": "1"},
            scope={"kinds": ["output"]}, unencrypted=True,
        )  # fmt: skip
    with refused("scope-exceeded", LineageError):
        place.import_(place.numbered(3), by="ada+bot")
    assert place.sidecars() == set()


def test_a_retired_identity_imports_nothing(place: Place) -> None:
    with place.open() as door:
        door.change_keys("ada", ledger.api.KeyChange("retire"), unencrypted=True)
    with refused("identity-retired"):
        place.import_(place.numbered(3))
    assert place.sidecars() == set()


# Interruptions


class Stopped(BaseException):
    """Somebody pressed Ctrl-C."""


def stop_behind(records: int) -> Callable[..., Any]:
    """`append_records`, which is stopped before record number `records`."""
    original, left = signing.append_records, records

    def append(*arguments: Any, **options: Any) -> None:
        nonlocal left
        if not left:
            raise Stopped
        left -= 1
        original(*arguments, **options)

    return append


def reads_from(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows from which shards are read from here on."""
    started: list[int] = []

    class Reader(ShardReader):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            started.append(self.progress.rows)

    monkeypatch.setattr(room, "ShardReader", Reader)
    return started


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_the_same_command_goes_on_behind_the_last_record(
    place: Place, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [place.numbered(35, "a.jsonl"), place.numbered(25, "b.jsonl")]
    if kind == "parquet":
        paths = [as_parquet(path) for path in paths]
    interrupted(place, monkeypatch, *paths, records=5)
    assert len(place.records()) == 5
    assert place.findings()["imports"]
    started = reads_from(monkeypatch)
    done = place.import_(*paths)
    assert started == [35, 10]
    assert (done.new, len(done.records), done.rows) == (2, 7, 60)
    assert [(Path(item.path).name[0], item.first_row) for item in done.records] == [
        ("a", 0), ("a", 10), ("a", 20), ("a", 30), ("b", 0), ("b", 10), ("b", 20),
    ]  # fmt: skip
    assert place.is_whole()
    assert len(place.records()) == 7


def as_parquet(path: Path) -> Path:
    arrow = pytest.importorskip(
        "pyarrow", reason="Parquet is not read: pip install 'lineage-ledger[parquet]'"
    )
    from pyarrow import parquet

    rows = [json.loads(line) for line in path.read_text().splitlines()]
    target = path.with_suffix(".parquet")
    parquet.write_table(arrow.Table.from_pylist(rows), target, row_group_size=7)
    return target


def interrupted(place: Place, monkeypatch: pytest.MonkeyPatch, *paths: Path, records: int = 2) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(signing, "append_records", stop_behind(records))
        with pytest.raises(Stopped):
            place.import_(*paths)


@pytest.mark.parametrize("change", ["size", "time", "content", "content of a finished shard"])
def test_a_shard_that_changed_meanwhile_is_refused_and_never_mixed(
    place: Place, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = place.numbered(10, "a.jsonl"), place.numbered(35, "b.jsonl")
    interrupted(place, monkeypatch, first, second, records=3)
    path = first if change == "content of a finished shard" else second
    status = path.stat()
    content = path.read_bytes()
    if change == "size":
        path.write_bytes(content + b'{"text":"more"}\n')
    elif change.startswith("content"):
        path.write_bytes(content.replace(b'"n": 3}', b'"n": 4}', 1))
    os.utime(path, ns=(0, status.st_mtime_ns + (change == "time")))
    size = place.size()
    with refused("shard-changed", told="its "):
        place.import_(first, second)
    assert place.size() == size
    assert (place.import_(first, second, restart=True).rows) == (46 if change == "size" else 45)
    assert place.is_whole()


@pytest.mark.parametrize("change", ["grow", "shrink", "replace", "touch"])
def test_a_shard_that_changes_while_it_is_imported_is_refused_before_its_record_is_signed(
    place: Place, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(35)

    def meddle(done: int, _total: int | None) -> None:
        if done < 20 or meddled:
            return
        meddled.append(done)
        if change == "grow":
            with path.open("a") as file:
                file.write('{"text":"more"}\n')
        elif change == "shrink":
            os.truncate(path, 900)
        elif change == "touch":
            os.utime(path, ns=(0, 1))
        else:
            copy = place.folder / "copy"
            copy.write_bytes(path.read_bytes())
            os.utime(copy, ns=(0, path.stat().st_mtime_ns))
            copy.replace(path)

    meddled: list[int] = []
    with refused("file-changed", told="1 records of 10 rows stand"):
        place.import_(path, progress=meddle)
    assert meddled == [20]
    assert [record.row_count for record in place.records()] == [10]
    assert len(place.sidecars()) == 1


def test_a_change_that_comes_after_the_last_row_is_read_is_seen(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(10)
    original = ShardReader.take

    def take(reader: ShardReader) -> Any:
        found = original(reader)
        with path.open("a") as file:
            file.write('{"text":"more"}\n')
        return found

    monkeypatch.setattr(ShardReader, "take", take)
    with refused("file-changed"):
        place.import_(path)
    assert place.records() == []


def test_a_log_put_back_from_an_older_copy_gets_its_records_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal is no proof: a record that it names and the log lacks is read again."""
    path = place.numbered(35)
    interrupted(place, monkeypatch, path)
    started = reads_from(monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(LogView, "stands", lambda *_: False)
        patch.setattr(LogView, "find_artifact", lambda *_: [])
        place.import_(path)
    assert started == [0]


def test_a_sidecar_lost_meanwhile_is_made_anew_by_the_import_that_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(35)
    interrupted(place, monkeypatch, path)
    (place.path / "rows" / place.records()[0].id.hex()).unlink()
    assert place.import_(path).new == 2
    assert place.is_whole()


def test_another_command_knows_nothing_of_it_and_logs_nothing_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(35)
    interrupted(place, monkeypatch, path)
    other = place.numbered(5, "other.jsonl")
    done = place.import_(other, path)
    assert (done.new, done.rows) == (3, 40), "the five rows, and the two records that were not there"


def test_a_crash_between_sidecar_and_log_leaves_an_orphan_that_is_taken(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(10)
    interrupted(place, monkeypatch, path, records=0)
    assert (len(place.sidecars()), place.records()) == (1, [])
    assert place.findings()["rows, orphans"]
    assert audit_folder(place.path).ok
    (orphan,) = (place.path / "rows").iterdir()
    inode = orphan.stat().st_ino
    place.import_(path)
    assert orphan.stat().st_ino == inode
    assert place.is_whole()


def test_an_old_orphan_is_cleared_away_unless_something_that_was_signed_waits(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(place, monkeypatch, place.numbered(10), records=0)
    (orphan,) = (place.path / "rows").iterdir()
    half = orphan.with_name(f".{orphan.name}.0123.tmp")
    half.write_bytes(b"half")
    other = place.numbered(3, "other.jsonl")
    place.import_(other)
    assert orphan.exists(), "it is young: somebody may be at it"
    assert half.exists()
    os.utime(orphan, (1, 1))
    os.utime(half, (1, 1))
    outbox = place.path / "outbox"
    outbox.mkdir()
    parcel = outbox / f"{'ab' * 16}-{0:020}.parcel"
    with monkeypatch.context() as patch:
        patch.setattr("ledger.api.access.drain", lambda *_, **__: None)
        parcel.write_bytes(b"x")
        place.import_(other)
        assert orphan.exists(), "its record may be in what waits"
        parcel.unlink()
        place.import_(other)
    assert not orphan.exists()
    assert not half.exists()
    assert place.sidecars() == {record.id.hex() for record in place.records()}


def test_what_waits_in_a_lane_keeps_its_sidecar(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signed, kept, and not yet sent when the process died: the next signing sends it, a day later too."""
    path = place.numbered(10)

    def die(*_: Any) -> Any:
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(signing, "_answer", die)
        with pytest.raises(Stopped):
            place.import_(path)
    (orphan,) = (place.path / "rows").iterdir()
    os.utime(orphan, (1, 1))
    assert place.records() == []
    with place.open() as door:  # another identity's import clears away nothing of hers
        door.new_identity("bea", unencrypted=True)
    place.import_(place.numbered(3, "other.jsonl"), by="bea")
    assert orphan.exists()
    work = place.folder / "work.md"
    work.write_text("a work")
    with place.open() as door:
        door.sign([work], "ada")
    assert orphan.name in {record.id.hex() for record in place.records()}
    assert audit_folder(place.path).ok


def test_a_full_disk_leaves_nothing_half_done(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path, size = place.numbered(25), place.size()

    wrote: list[Path] = []

    @contextmanager
    def writing(target: Path) -> Iterator[Any]:
        wrote.append(target)
        if len(wrote) == 2:
            raise OSError(28, "No space left on device")
        with files.writing(target) as file:
            yield file

    with monkeypatch.context() as patch:
        patch.setattr(rows_file, "writing", writing)
        with refused("store-failed", StoreFault, "1 records of 10 rows stand"):
            place.import_(path)
    assert (place.size(), len(place.records())) == (size + 2, 1)
    assert place.sidecars() == {place.records()[0].id.hex()}
    assert place.import_(path).new == 2
    assert place.is_whole()


def test_others_write_to_the_log_between_two_records(place: Place) -> None:
    path, work = place.numbered(35), place.folder / "work.md"
    with place.open() as door:
        door.new_identity("bea", unencrypted=True)

        def sign(done: int, _total: int | None) -> None:
            work.write_text(f"a work of hers, when {done} rows were read")
            door.sign([work], "bea")

        done = door.import_rows(
            [path], "text", "ada", source=SOURCE, license=LICENSE, rows_each=10, workers=0, progress=sign
        )
    assert done.new == 4
    assert place.is_whole()


def test_a_ledger_that_is_read_only_imports_nothing(place: Place) -> None:
    path = place.numbered(3)
    with place.open(readonly=True) as door, refused("store-readonly", StoreFault):
        door.import_rows([path], "text", "ada", source=SOURCE, license=LICENSE)


def test_workers_make_the_same_records_as_this_process_alone(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.numbered(3_000)
    monkeypatch.setattr(spec, "STRETCH_BYTES", 5_000)
    place.import_(path, workers=2, rows_each=1_000)
    alone = place.import_(path, workers=0, rows_each=1_000)
    assert (alone.new, len(alone.records)) == (0, 3)
    assert place.is_whole()


def test_progress_tells_rows_done_and_an_estimate_of_all(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [place.numbered(40, "a.jsonl"), place.numbered(40, "b.jsonl")]
    told: list[tuple[int, int | None]] = []
    place.import_(*paths, progress=lambda done, total: told.append((done, total)))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (80, 80)
    assert all(total is not None and 60 <= total <= 100 for _, total in told)
    interrupted(place, monkeypatch, place.numbered(40, "c.jsonl"))
    told.clear()
    place.import_(place.folder / "c.jsonl", progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (20, 20), "what is left to do, for the time that is left"

"""Sealed content: what the log holds gives nothing away; with its salt it is found and checked everywhere, without it nowhere."""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ledger
from ledger import spec
from ledger.api import audit_folder, offline, travelling
from ledger.api.sealing import seal
from ledger.datasets.opened import read_rows
from ledger.datasets.with_lineage import write_with_lineage
from ledger.errors import InvariantBroken, LineageError, StoreFault
from ledger.signer.claims import Claimant
from ledger.signer.passphrases import Passphrases
from ledger.statements.record import Parent, Record, decode_record, sealed_content, sealed_size
from ledger.store.salts import Kept, Salts, SaltVault
from tests.test_api import Place

SEALED = ledger.Claim(sealed=True)
EXPERIENCE = {
    name: f"some {name}" for name in ("case", "pattern", "constraints", "uncertainty", "consequence")
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def file(place: Place, name: str, content: str | bytes) -> Path:
    path = place.folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def dataset(place: Place, *rows: Mapping[str, Any], name: str = "data.jsonl") -> Path:
    return file(place, name, "".join(json.dumps(row) + "\n" for row in rows))


def refused(use: Callable[[], object]) -> LineageError:
    with pytest.raises(LineageError) as raised:
        use()
    assert raised.value.reason
    assert raised.value.fix
    return raised.value


def record_of(place: Place, artifact_id: bytes) -> Record:
    with place.open() as door, door.view() as view:
        return decode_record(view.record(view.find_artifact(artifact_id)[0]) or b"")


def vault(place: Place) -> SaltVault:
    """The salts of the one log on the machine, whether its ledger is open or not."""
    (folder,) = Path(place.config).glob("logs/*")
    return SaltVault(folder)


def salt_of(place: Place, artifact_id: bytes) -> bytes:
    salt = vault(place).salt_of(artifact_id)
    assert salt is not None
    return salt


def elsewhere(place: Place, config: str = "other keys") -> ledger.Ledger:
    """The same ledger as somebody has it who holds no keys and no salts."""
    return ledger.open(place.path, config=str(place.folder / config), readonly=True)


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


# What is logged, and what is not.


def test_the_record_is_about_the_content_under_its_salt(place: Place) -> None:
    path = file(place, "diary.md", "Nobody shall guess this.")
    with place.open() as door:
        signed = door.sign([path], "ada", ledger.Claim(sealed=True, rights={"train": "denied"}))
    record = record_of(place, signed.ids[0])
    salt = salt_of(place, signed.ids[0])
    assert (record.form, record.content) == ("sealed", sealed_content(place.ada, salt, path.read_bytes()))
    assert (record.fields["size"], record.kind, record.fields["human"]) == (32, "work", spec.PPM)
    assert record.fields["rights"] == {"train": "denied"}
    assert "media" not in record.fields
    assert signed.guessable == 0
    assert audit_folder(place.path).ok


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5, unique=True))
def test_size_is_a_bucket_and_content_is_found_again(tmp_path_factory: Any, contents: list[bytes]) -> None:
    place = Place(tmp_path_factory.mktemp("sizes"))
    paths = [file(place, f"{number}.bin", content) for number, content in enumerate(contents)]
    with place.open() as door:
        signed = door.sign(paths, "ada", SEALED)
        for content, path, artifact_id in zip(contents, paths, signed.ids, strict=True):
            assert door.find_all(path) == [door.resolve(path)] == [artifact_id]
            least = 32
            while least < len(content):
                least *= 2
            with door.view() as view:
                data = view.record(view.find_artifact(artifact_id)[0]) or b""
            assert decode_record(data).fields["size"] == least == sealed_size(len(content))


def test_neither_content_nor_salt_is_in_the_ledger_its_copies_or_receipts(place: Place) -> None:
    content = b"a sentence that must not get out, nor its plain digest"
    path = file(place, "secret.md", content)
    rows = dataset(place, {"text": content.decode() + " either"}, {"text": "nor this"})
    with place.open() as door:
        signed = door.sign([path], "ada", SEALED)
        row_signed = door.sign_rows(rows, "text", "ada", SEALED)
        receipts = [*door.write_receipts(signed), door.write_row_receipts(rows, "text", row_signed)]
        door.publish(place.folder / "public")
    public = everything_in(place.path) + everything_in(place.folder / "public")
    public += b"".join(receipt.read_bytes() for receipt in receipts)
    hidden = [content, content + b" either", b"nor this"]
    hidden += [hashlib.sha256(each).digest() for each in hidden]
    salts = [salt_of(place, each) for each in signed.ids + row_signed.ids]
    assert len(set(salts)) == 3
    for each in hidden + salts:
        assert each not in public
        assert each.hex().encode() not in public


def test_salts_are_durable_before_anything_is_signed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the very moment in which the log gets the record, another reader finds its salt."""
    from ledger.signer import signing

    seen: list[bool] = []
    append = signing.append_records

    def look(door: Any, signer: Any, records: Any, signed: Any, progress: Any) -> None:
        seen.extend(vault(place).salt_of(artifact_id) is not None for artifact_id in signed.ids)
        append(door, signer, records, signed, progress)

    monkeypatch.setattr(signing, "append_records", look)
    with place.open() as door:
        door.sign_rows(place.rows("one", "two", "three"), "text", "ada", SEALED)
    assert seen == [True] * 3


def test_what_cannot_keep_its_salt_is_not_signed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_self: Salts) -> int:
        raise StoreFault("vault-failed", "salts", "the disk is full", "Free some space.")

    before = place.records()
    monkeypatch.setattr(Salts, "flush", fails)
    with place.open() as door:
        error = refused(lambda: door.sign([file(place, "x", "x")], "ada", SEALED))
    assert (error.code, place.records()) == ("vault-failed", before)


# Idempotence, and what may not be seen.


def test_the_same_signing_again_finds_the_same_record(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    rows = place.rows("one", "two", "two")
    with place.open() as door:
        first, first_rows = door.sign([path], "ada", SEALED), door.sign_rows(rows, "text", "ada", SEALED)
        again, again_rows = door.sign([path], "ada", SEALED), door.sign_rows(rows, "text", "ada", SEALED)
    assert (first.new, again.new, again.already_logged) == (1, 0, 1)
    assert (first_rows.new, again_rows.new, again_rows.already_logged) == (2, 0, 2)
    assert (again.ids, again_rows.ids) == (first.ids, first_rows.ids)
    assert first_rows.ids[1] == first_rows.ids[2]


def test_from_the_log_nobody_sees_which_contents_are_the_same(place: Place) -> None:
    """Not across claims, and not across makers: else the many `yes` of a survey would give themselves away."""
    rows = dataset(
        place, *({"text": "yes", "when": number} for number in range(5)), {"text": "no", "when": 9}
    )
    with place.open() as door:
        door.new_identity("bea", unencrypted=True)
        signed = door.sign_rows(rows, "text", "ada", SEALED, columns={"made_at": "when"})
        other = door.sign_rows(rows, "text", "bea", SEALED, columns={"made_at": "when"})
    contents = [record_of(place, each).content for each in signed.ids + other.ids]
    assert len(set(contents)) == len(contents) == 12
    with place.open() as door:
        assert set(door.find_text("yes")) == set(signed.ids[:5] + other.ids[:5])
        assert set(door.find_text("no")) == {signed.ids[5], other.ids[5]}


def sign_at_once(arguments: tuple[str, str]) -> list[str]:
    folder, path = arguments
    with ledger.open(Path(folder) / "ledger", config=str(Path(folder) / "keys"), wait_s=120) as door:
        return [each.hex() for each in door.sign([path], "ada", SEALED).ids]


def test_processes_that_seal_the_same_file_at_once_make_one_record(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    before = len(place.records())
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        ids = pool.map(sign_at_once, [(str(place.folder), str(path))] * 8, chunksize=1)
    assert len({each for (each,) in ids}) == 1
    assert len(place.records()) == before + 1


def test_who_loses_the_race_takes_the_other_salt(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process keeps a salt for the same content and claim between the look-up and the keeping."""
    path = file(place, "diary.md", "dear diary")
    rivals: list[list[str]] = []
    flush = Salts.flush

    def late(self: Salts) -> int:
        monkeypatch.setattr(Salts, "flush", flush)
        claim, rival = next(iter(self._pending_claims.items()))
        rivals.append([rival[0].artifact_id.hex()])
        # the same content and claim, under the rival's own salt
        with vault(place).writing() as other:
            other._pending = [(b"r" * 32, claim, 0, b"s" * 32)]
            other._pending_claims = {claim: []}
            assert other.flush() == 0
        return flush(self)

    monkeypatch.setattr(Salts, "flush", late)
    with place.open() as door:
        signed = door.sign([path], "ada", SEALED)
    assert rivals == [
        [signed.ids[0].hex()]
    ]  # what was kept under the same 8 bytes is not this content's: ours stands


def test_two_who_race_make_one_record(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second looks before the first has kept its salt, and keeps his own after it."""
    path = file(place, "diary.md", "dear diary")
    of_claim = Salts.of_claim
    looked: list[bool] = []

    def blind(self: Salts, claim: bytes) -> list[Kept]:
        looked.append(True)
        return [] if len(looked) == 2 else of_claim(self, claim)

    monkeypatch.setattr(Salts, "of_claim", blind)
    with place.open() as door:
        first = door.sign([path], "ada", SEALED)
        second = door.sign([path], "ada", SEALED)
    assert len(looked) == 3  # the second read the file once more, and found the salt then
    assert (second.ids, second.new, second.already_logged) == (first.ids, 0, 1)


def test_a_claim_that_is_to_be_sealed_makes_no_other_record() -> None:
    claimant = Claimant(bytes(32), "human", SEALED, lambda: bytes(32))
    with pytest.raises(InvariantBroken, match="sealed"):
        claimant.record(bytes(32), 5, "raw", "text/plain")


def test_a_file_that_changes_between_two_readings_is_not_sealed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(place, "diary.md", "dear diary")
    before = place.records()

    def late(claimant: Any, salts: Any, content: Any) -> Any:
        path.write_text("bear diary")
        return seal(claimant, salts, content)

    monkeypatch.setattr("ledger.api.sealing.seal", late)
    with place.open() as door:
        assert refused(lambda: door.sign([path], "ada", SEALED)).code == "file-changed"
    assert place.records() == before


# Finding it again.


@pytest.mark.parametrize("size", [9, spec.ROW_BYTES_MAX + 1])
def test_a_file_is_found_where_its_salt_is(place: Place, size: int) -> None:
    path = file(place, "diary.md", b"x" * size)
    with place.open() as door:
        (artifact_id,) = door.sign([path], "ada", SEALED).ids
        assert door.find_all(path) == [artifact_id]
        (salt_file,) = door.write_salts(door.sign([path], "ada", SEALED))
    with elsewhere(place) as stranger:
        assert stranger.find_all(path) == [artifact_id]
        assert stranger.find_all(path, salt=bytes.fromhex(salt_file.read_text())) == [artifact_id]
        salt_file.rename(place.folder / "away")
        assert refused(lambda: stranger.find_all(path)).code == "unlogged"
        error = refused(lambda: stranger.find_all(path, salt=bytes(32)))
        assert (error.code, "under that salt" in error.reason) == ("unlogged", True)


def test_a_text_is_found_by_the_vault_or_by_its_salt(place: Place) -> None:
    with place.open() as door:
        signed = door.sign_rows(place.rows("one", "two"), "text", "ada", SEALED)
        assert door.find_text("one") == signed.ids[:1]
    salt = salt_of(place, signed.ids[0])
    with elsewhere(place) as stranger:
        assert stranger.find_text("one", salt=salt) == signed.ids[:1]
        for text, given_salt in (("one", None), ("one", bytes(32)), ("two", salt), ("One", salt)):
            error = refused(partial(stranger.find_text, text, salt=given_salt))
            assert error.code == "unlogged"


def test_json_is_found_as_the_row_that_it_is(place: Place) -> None:
    rows = dataset(place, {"b": 1, "a": "x"})
    with place.open() as door:
        signed = door.sign_rows(rows, None, "ada", SEALED)
        assert door.find_text('{ "b" : 1, "a": "x" }') == signed.ids


def test_a_salt_that_travels_is_tried_under_every_maker(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        for number in range(4):
            door.new_identity(f"p{number}", unencrypted=True)
            signed = door.sign([path], f"p{number}", SEALED)
        (salt,) = door.write_salts(signed)
    with elsewhere(place) as stranger:
        assert salt.exists()
        assert stranger.find_all(path) == signed.ids


def test_an_erased_or_strange_record_does_not_stop_the_search(place: Place) -> None:
    """A record whose bytes only look as if they named a maker is tried in vain."""
    path = file(place, "diary.md", "dear diary")
    fake = b"\xa5maker\xc4\x20"
    claim = ledger.Claim(
        kind="derived",
        parents=(),
        facts={"tool": "t", "version": "1", "parameters": fake + bytes(32 - len(fake))},
        sealed=True,
    )
    with place.open() as door:
        (parent,) = door.sign([path], "ada", SEALED).ids
        claim = ledger.Claim(**{**_fields(claim), "parents": (Parent("derived-from", parent),)})
        signed = door.sign([file(place, "other.md", "other")], "ada", claim)
        (salt,) = door.write_salts(signed)
    assert fake in place.records()[-1]
    with elsewhere(place) as stranger:
        assert salt.exists()
        assert stranger.find_all(place.folder / "other.md") == signed.ids


def _fields(claim: ledger.Claim) -> dict[str, Any]:
    return {name: getattr(claim, name) for name in claim.__slots__}


def test_plain_and_sealed_claims_about_a_file_are_found_together(place: Place) -> None:
    path = file(place, "notes.md", "the same content")
    with place.open() as door:
        plain, sealed = door.sign([path], "ada").ids, door.sign([path], "ada", SEALED).ids
        assert door.find_all(path) == plain + sealed
        assert refused(lambda: door.resolve(path)).code == "ambiguous"
        assert door.find_all(path, salt=salt_of(place, sealed[0])) == sealed


def test_a_salt_beside_that_is_another_files_is_told(place: Place) -> None:
    path, other = file(place, "a.md", "content of a"), file(place, "b.md", "content of b")
    with place.open() as door:
        signed = door.sign([path, other], "ada", SEALED)
        salt_a, salt_b = door.write_salts(signed)
    for text, code, reason in (
        (salt_b.read_text(), "salt-differs", "a.md.salt"),
        ("no salt at all", None, "was not used"),  # what is no salt is no other salt
    ):
        salt_a.write_text(text)
        with place.open() as door:
            if code is None:
                assert door.find_all(path) == signed.ids[:1]
            else:
                error = refused(lambda: door.find_all(path))
                assert (error.code, error.item) == (code, str(salt_a))
        with elsewhere(place) as stranger:
            error = refused(lambda: stranger.find_all(path))
            assert (error.code, reason in error.reason) == ("unlogged", True)


def test_a_file_that_is_not_sealed_may_lie_beside_anything(place: Place) -> None:
    path = file(place, "soup", "recipe")
    file(place, "soup.salt", "a pinch")
    with place.open() as door:
        signed = door.sign([path], "ada")
        assert door.find_all(path) == signed.ids
        file(place, "soup.salt", "ab" * 32)
        assert door.find_all(path) == signed.ids


def test_an_id_takes_no_salt(place: Place) -> None:
    with place.open() as door:
        signed = door.sign([file(place, "a", "a")], "ada", SEALED)
        assert door.find_all(signed.ids[0].hex()) == signed.ids
        assert refused(lambda: door.find_all(signed.ids[0].hex(), salt=bytes(32))).code == "usage"


def test_a_destroyed_salt_takes_the_artifact_with_it(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        first = door.sign([path], "ada", SEALED)
        assert door.keys.salts.destroy(first.ids) == 1
        assert refused(lambda: door.find_all(path)).code == "unlogged"
        again = door.sign([path], "ada", SEALED)
    assert (again.new, again.ids != first.ids) == (1, True)


def test_a_sealed_file_is_a_parent_and_can_be_signed_again(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        (parent,) = door.sign([path], "ada", SEALED).ids
        claim = ledger.Claim(parents=(Parent("derived-from", door.resolve(path), 400_000),))
        (child,) = door.sign([file(place, "child.md", "child")], "ada", claim).ids
        assert [each.id for each in door.trace(child).nodes[child].parents] == [parent]
        assert door.trace(child).humans == (place.ada,)
        assert door.sign_again([path], "ada").already_logged == 1


# Receipts.


def test_a_receipt_of_a_sealed_file_is_checked_by_the_vault_too(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        signed = door.sign([path], "ada", SEALED)
        door.write_receipts(signed)
        vkey = door.marker.vkey
    here = {"vkey": vkey, "config": place.config}
    away = {"vkey": vkey, "config": str(place.folder / "nobody")}
    assert ledger.verify_receipt(path, **here).ok
    assert refused(lambda: ledger.verify_receipt(path, **away)).code == "salt-missing"
    assert ledger.verify_receipt(path, salt=salt_of(place, signed.ids[0]), **away).ok
    with place.open() as door:
        (salt,) = door.write_salts(signed)
    assert ledger.verify_receipt(path, **away).ok
    salt.write_text("ab" * 32 + "\n")
    for options, code in ((here, "salt-differs"), (away, "receipt-invalid")):
        (fault,) = ledger.verify_receipt(path, **options).faults
        assert fault.code == code
    (fault,) = ledger.verify_receipt(path, salt=b"t" * 32, **here).faults
    assert (fault.code, fault.item) == ("salt-differs", "salt")
    salt.unlink()
    path.write_text("bear diary")
    (fault,) = ledger.verify_receipt(path, **here).faults
    assert fault.code == "receipt-invalid"


def test_receipts_of_sealed_rows_are_checked_by_the_vault_too(place: Place) -> None:
    texts = ["one", "two", "three", "four"]
    rows = place.rows(*texts)
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        door.write_row_receipts(rows, "text", signed)
        options = {"vkey": door.marker.vkey, "config": place.config}
    assert ledger.verify_receipt(rows, **options).verified == 4
    salts = [salt_of(place, each).hex() for each in signed.ids]
    # a salt in its row, none (the vault has it), another row's, none and another text
    cells = [(texts[0], salts[0]), (texts[1], None), (texts[2], salts[0]), ("fours", None)]
    dataset(place, *({"text": text, "lineage_salt": salt} for text, salt in cells), name="rows.jsonl")
    outcome = ledger.verify_receipt(rows, **options)
    assert (outcome.verified, outcome.unlogged, outcome.invalid) == (2, 0, 2)
    assert [fault.code for fault in outcome.faults] == ["salt-differs", "receipt-invalid"]
    options["config"] = str(place.folder / "nobody")
    outcome = ledger.verify_receipt(rows, **options)
    assert (outcome.verified, outcome.unlogged, outcome.invalid) == (1, 2, 1)


def test_receipts_are_foreseen_for_sealed_files(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        door.write_receipts(door.sign([path], "ada", SEALED))
        door.foresee_receipts([path])
        path.write_text("bear diary")
        assert refused(lambda: door.foresee_receipts([path])).code == "receipt-exists"


# Salts that travel.


def test_a_salt_lies_beside_its_file_for_its_owner_alone(place: Place) -> None:
    folder = place.folder / "diaries"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.md").write_text(f"day {number}")
    with place.open() as door:
        door.foresee_salts([folder])
        signed = door.sign([folder], "ada", SEALED)
        written = door.write_salts(signed)
        assert [path.name for path in written] == ["0.md.salt", "1.md.salt", "2.md.salt"]
        for path, artifact_id in zip(written, signed.ids, strict=True):
            assert path.read_text() == salt_of(place, artifact_id).hex() + "\n"
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        again = door.sign([folder], "ada", SEALED)
        assert (again.companions, again.already_logged) == (3, 3)
        assert door.write_salts(again) == written
        door.foresee_salts([folder])


@pytest.mark.parametrize("there", ["ab" * 32 + "\n", "a pinch", "", "ab" * 31])
def test_what_lies_where_a_salt_would_is_not_replaced(place: Place, there: str) -> None:
    paths = [file(place, name, name) for name in ("a.md", "b.md", "c.md")]
    occupied = file(place, "b.md.salt", there)
    with place.open() as door:
        error = refused(lambda: door.foresee_salts(paths))
        assert (error.code, error.item) == ("salt-exists", str(occupied))
        signed = door.sign(paths, "ada", SEALED)
        error = refused(lambda: door.write_salts(signed))
    assert (error.code, error.item) == ("salt-exists", str(occupied))
    assert occupied.read_text() == there
    assert (place.folder / "a.md.salt").exists()
    assert (place.folder / "c.md.salt").exists() == there.startswith("ab" * 32)


def test_only_what_was_sealed_here_has_a_salt_to_write(place: Place) -> None:
    with place.open() as door:
        plain = door.sign([file(place, "a.md", "a")], "ada")
        assert refused(lambda: door.write_salts(plain)).code == "usage"
        rows = door.sign_rows(place.rows("a"), "text", "ada", SEALED)
        assert refused(lambda: door.write_salts(rows)).code == "usage"


# Rows whose ids and salts travel.


def test_a_dataset_with_its_lineage_is_that_dataset_anywhere(place: Place) -> None:
    rows = place.rows("one", "two", "three")
    out = place.folder / "out.jsonl"
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        assert door.write_lineage(rows, out, signed) == out
        again = door.sign_rows(out, "text", "ada")
        assert (again.ids, again.new, again.already_logged) == (signed.ids, 0, 3)
        door.new_identity("bea", unencrypted=True)
        assert door.sign_rows(out, "text", "bea", SEALED).ids == signed.ids
    away = Path(shutil.move(str(Path(place.config) / "logs"), str(place.folder / "moved")))
    with ledger.open(place.path, config=place.config, readonly=True) as stranger:
        found = [json.loads(line) for line in out.read_text().splitlines()]
        for row, artifact_id in zip(found, signed.ids, strict=True):
            assert stranger.find_text(row["text"], salt=bytes.fromhex(row["lineage_salt"])) == [artifact_id]
    shutil.move(str(away), str(Path(place.config) / "logs"))


def held(place: Place, rows: Path, *, config: str | None = None) -> ledger.Signed:
    """Signs rows by bea, who holds no salts of ada's unless her keys are ada's machine's."""
    with ledger.open(place.path, config=config or place.config) as door:
        return door.sign_rows(rows, "text", "bea")


def test_a_sealed_id_takes_its_salt(place: Place) -> None:
    texts = ["one", "two"]
    with place.open() as door:
        signed = door.sign_rows(place.rows(*texts), "text", "ada", SEALED)
        door.new_identity("bea", unencrypted=True)
    other = place.folder / "bea's machine"
    shutil.copytree(place.config, other)
    for path in other.rglob("salts.*"):
        path.unlink()
    ids, salts = [each.hex() for each in signed.ids], [salt_of(place, each).hex() for each in signed.ids]

    def rows(*cells: Any) -> Path:
        both = zip(texts, ids, cells, strict=True)
        return dataset(place, *({"text": t, "lineage_id": i, "lineage_salt": s} for t, i, s in both))

    def code(path: Path, config: Path | None) -> tuple[str, str]:
        error = refused(lambda: held(place, path, config=str(config) if config else None))
        return error.code, error.item.removeprefix(f"{path}, row 1 (line 2), ")

    for config in (None, other):
        assert held(place, rows(*salts), config=str(config) if config else None).ids == signed.ids
        assert code(rows(salts[0], salts[0]), config) == ("salt-differs", "column 'lineage_salt'")
        assert code(rows(salts[0], salts[1][:-2]), config) == ("schema", "column 'lineage_salt'")
        assert code(rows(salts[0], 7), config) == ("cell-illegal", "column 'lineage_salt'")
    assert held(place, rows(salts[0], None)).ids == signed.ids  # the vault has it
    assert code(rows(salts[0], None), other) == ("salt-missing", "column 'lineage_salt'")
    texts[1] = "two, changed"
    assert code(rows(*salts), None) == ("lineage-id-differs", "column 'lineage_id'")
    assert code(rows(salts[0], None), None) == ("lineage-id-differs", "column 'lineage_id'")
    assert code(rows(*salts), other) == ("salt-differs", "column 'lineage_salt'")


def test_a_salt_without_an_id_says_nothing(place: Place) -> None:
    rows = dataset(
        place, {"text": "one", "lineage_salt": "ab" * 32}, {"text": "two", "lineage_salt": "no salt"}
    )
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
    assert signed.new == 2
    assert salt_of(place, signed.ids[0]) != b"\xab" * 32


def test_salts_that_came_with_rows_travel_on(place: Place) -> None:
    """Who holds no vault writes a dataset anew: ids stay, and so do the salts of others."""
    rows, first, second = (
        place.rows("one", "two"),
        place.folder / "first.jsonl",
        place.folder / "second.jsonl",
    )
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        door.write_lineage(rows, first, signed)
        door.new_identity("bea", unencrypted=True)
    for path in Path(place.config).rglob("salts.*"):
        path.unlink()
    with place.open() as door:
        door.write_lineage(first, second, door.sign_rows(first, "text", "bea"))
    assert second.read_bytes() == first.read_bytes()


# Experiences.


def test_the_content_of_a_sealed_experience_is_kept_and_opened_by_its_salt(place: Place) -> None:
    content = json.dumps(EXPERIENCE).encode()
    path = file(place, "incident.json", content)
    with place.open() as door:
        signed = door.sign([path], "ada", ledger.Claim(kind="experience", sealed=True))
    record = record_of(place, signed.ids[0])
    with place.open() as door:
        assert door.kept_content(record) == content
        assert door.content.path(record.content).is_file()
        assert not door.content.path(hashlib.sha256(content).digest()).exists()
    with elsewhere(place) as stranger:
        assert stranger.kept_content(record) is None
    with place.open() as door:
        door.content.path(record.content).write_bytes(content + b" ")
        assert refused(lambda: door.kept_content(record)).code == "content-damaged"
        door.keys.salts.destroy(signed.ids)
        assert door.kept_content(record) is None


def test_sealed_experiences_in_rows_are_kept_too(place: Place) -> None:
    rows = dataset(place, {"e": EXPERIENCE}, {"e": {**EXPERIENCE, "case": "another"}})
    with place.open() as door:
        signed = door.sign_rows(rows, "e", "ada", ledger.Claim(kind="experience", sealed=True))
    records = [record_of(place, each) for each in signed.ids]
    with place.open() as door:
        cases = [json.loads(door.kept_content(record) or b"")["case"] for record in records]
    assert cases == ["some case", "another"]


# Without the ledger.


def test_what_was_sealed_offline_is_sealed_where_it_was_signed(place: Place) -> None:
    path, rows = file(place, "diary.md", "dear diary"), place.rows("one", "two")
    with place.open() as door:
        vkey = door.marker.vkey
    laptop = str(place.folder / "laptop")
    keys = offline.open_keys(vkey, laptop, Passphrases())
    offline.new_identity_offline(keys, "lin", place.folder / "lin.statement", unencrypted=True)
    outputs = [place.folder / "f.statement", place.folder / "r.statement"]
    signed = offline.sign_files_offline(keys, [path], outputs[0], "lin", SEALED)
    row_signed = offline.sign_rows_offline(keys, rows, "text", outputs[1], "lin", SEALED)
    (salt,) = keys.write_salts(signed)
    keys.write_lineage(rows, place.folder / "out.jsonl", row_signed)
    again = offline.sign_files_offline(keys, [path], place.folder / "g.statement", "lin", SEALED)
    assert again.ids == signed.ids  # its salt is found where it was drawn
    written = b"".join(output.read_bytes() for output in outputs)
    assert bytes.fromhex(salt.read_text()) not in written
    assert b"dear diary" not in written
    with place.open() as door:
        error = refused(lambda: door.find_all(path))
        assert (error.code, "diary.md.salt" in error.reason) == ("unlogged", True)
    with ledger.open(place.path, config=laptop, readonly=True) as door:
        error = refused(lambda: door.find_all(path))
        assert (error.code, "not in this log yet" in error.reason) == ("unlogged", True)
    with place.open() as door:
        door.append_files([place.folder / "lin.statement", *outputs])
        assert door.find_all(path) == signed.ids
        assert door.sign_rows(place.folder / "out.jsonl", "text", "ada").already_logged == 2


def test_the_vault_of_a_log_is_its_own(place: Place, tmp_path: Path) -> None:
    """Two logs on one machine share no salt."""
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        first = door.sign([path], "ada", SEALED)
        here = door.keys.salts.path
    with ledger.create(tmp_path / "second", unencrypted=True, config=place.config) as other:
        other.new_identity("ada", unencrypted=True)
        assert refused(lambda: other.find_all(path)).code == "unlogged"
        second = other.sign([path], "ada", SEALED)
        assert other.keys.salts.path != here
        assert other.keys.salts.salt_of(first.ids[0]) is None
    assert SaltVault(here.parent).salt_of(first.ids[0]) is not None
    assert second.ids != first.ids
    assert {stat.S_IMODE(os.stat(one).st_mode) for one in Path(place.config).rglob("salts.*")} == {0o600}  # noqa: PTH116


# A dataset written again, as far as a ledger has to do with it.


@pytest.mark.parametrize("name", ["data.jsonl", "data.parquet"])
@pytest.mark.parametrize("column", ["text", None])
@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_dataset_is_written_with_its_lineage_in_every_format(
    place: Place, name: str, column: str | None, is_sealed: bool
) -> None:
    pytest.importorskip("pyarrow", reason="pip install 'lineage-ledger[parquet]'")
    from tests.test_api_row_map import dataset as any_dataset

    rows = any_dataset(place, *({"text": f"row {number}", "n": number} for number in range(5)), name=name)
    out = place.folder / f"out.{name.partition('.')[2]}"
    with place.open() as door:
        door.foresee_lineage(rows, out)
        signed = door.sign_rows(rows, column, "ada", ledger.Claim(sealed=is_sealed))
        assert door.write_lineage(rows, out, signed) == out
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
        again = door.sign_rows(out, column, "ada", ledger.Claim(sealed=True))
        assert (again.ids, again.new, again.already_logged) == (signed.ids, 0, 5)
        door.write_row_receipts(out, column, again)
        vkey = door.marker.vkey
    assert ledger.verify_receipt(out, vkey=vkey, config=str(place.folder / "nobody")).verified == 5
    cells = [row.cells for row in read_rows(out, column, ("lineage_salt",))]
    assert all((row["lineage_salt"] is not None) == is_sealed for row in cells)


def test_nothing_is_overwritten_and_nothing_half_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = place.rows("one", "two")
    out = file(place, "out.jsonl", "somebody's")
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        for output in (out, rows):
            assert refused(partial(door.foresee_lineage, rows, output)).code == "file-exists"
            assert refused(partial(door.write_lineage, rows, output, signed)).code == "file-exists"
        missing = place.folder / "no" / "out.jsonl"
        assert refused(lambda: door.foresee_lineage(rows, missing)).code == "file-not-found"
        assert out.read_text() == "somebody's"
        out.unlink()
        before = {path.name for path in place.folder.iterdir()}
        # somebody else writes there meanwhile

        def late(*arguments: Any) -> int:
            out.write_text("somebody's")
            return write_with_lineage(*arguments)

        monkeypatch.setattr(travelling, "write_with_lineage", late)
        assert refused(lambda: door.write_lineage(rows, out, signed)).code == "file-exists"
        assert out.read_text() == "somebody's"
        assert {path.name for path in place.folder.iterdir()} == before | {"out.jsonl"}


def test_a_full_disk_leaves_no_dataset(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, out = place.rows("one", "two"), place.folder / "out.jsonl"

    def full(*_arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        before = {path.name for path in place.folder.iterdir()}
        monkeypatch.setattr(travelling, "write_with_lineage", full)
        assert refused(lambda: door.write_lineage(rows, out, signed)).code == "store-failed"
    assert {path.name for path in place.folder.iterdir()} == before


@pytest.mark.parametrize("change", ["other rows", "fewer rows", "another file"])
def test_another_dataset_than_was_signed_gets_no_lineage(place: Place, change: str) -> None:
    rows, out = place.rows("one", "two"), place.folder / "out.jsonl"
    with place.open() as door:
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        if change == "another file":
            rows = Path(shutil.copy(rows, place.folder / "copy.jsonl"))
        else:
            rows.write_text(json.dumps({"text": "six"}) + "\n")
            if change == "other rows":
                rows.write_text((json.dumps({"text": "six"}) + "\n") * 2)
        assert refused(lambda: door.write_lineage(rows, out, signed)).code == "file-changed"
        signed = door.sign_rows(rows, "text", "ada", SEALED)
        signed.ids.pop()  # as if it had more rows than were signed
        assert refused(lambda: door.write_lineage(rows, out, signed)).code == "file-changed"
        assert not out.exists()
        assert (
            refused(lambda: door.write_lineage(rows, out, ledger.Signed(ids=signed.ids))).code
            == "file-changed"
        )

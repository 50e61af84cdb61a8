"""What survives an erasure, place by place: the table of SPEC §10.10, line by line."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import ledger
from ledger.api import audit_folder, proving
from ledger.api.disclosing import disclosed
from ledger.api.offline import open_keys, sign_files_offline
from ledger.proofs.facts import Presence
from ledger.signer.passphrases import Passphrases
from ledger.store.contract import Space
from ledger.store.index import prefix
from ledger.store.lmdb import LmdbStore
from tests.test_api_erasing import EXPERIENCE, Clock, Town

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = ("salt", "content", "record", "digest")
NOTE = "a note that was sealed where no ledger was, and appended later"
WHO = b"Ann Example of Exampletown, who must be forgotten"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def table() -> dict[str, tuple[str, ...]]:
    """Of each place in SPEC: what becomes of salt, content, record and digest there."""
    text = (ROOT / "SPEC.md").read_text(encoding="utf-8")
    lines = text.partition("| where | salt | content | record | digest |\n")[2].splitlines()[1:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return {row[0]: tuple(row[1:]) for row in rows}


def bytes_in(*folders: Path) -> bytes:
    """All that stands in files, and their names."""
    paths = [path for folder in folders for path in sorted([folder, *folder.rglob("*")])]
    return b"".join(str(path).encode() + b"\n" + path.read_bytes() for path in paths if path.is_file())


@dataclass
class Scene:
    """A sealed experience of ada's with all that is made of it, a dataset that she imported, her profile; and who copied what."""

    town: Town
    secrets: dict[str, list[bytes]] = field(default_factory=dict)
    ids: list[bytes] = field(default_factory=list)
    salt: bytes = b""

    def __post_init__(self) -> None:
        town, folder = self.town, self.town.folder
        path, note = town.write("ea.json", json.dumps(EXPERIENCE)), town.write("note.md", NOTE)
        data = town.rows("a row of hers", "another row of hers")
        keys = open_keys(town.vkey(), config=town.config, passphrases=Passphrases(b"x"))
        sign_files_offline(keys, [note], folder / "note.statement", "ada", ledger.Claim(sealed=True))
        with town.open() as door:
            door.new_identity("ann", unencrypted=True, profile=WHO)
            door.append_files([folder / "note.statement"])
            signed = door.sign([path], "ada", ledger.Claim(kind="experience", sealed=True))
            door.import_rows([data], "text", "ada", source="https://example.org/rows", license="CC0-1.0")
            rows = door.find_text("a row of hers")[0]
            self.ids = [signed.ids[0], door.resolve(note), rows]
            door.write_receipts(signed)
            shutil.move(folder / "ea.json.tlog-proof", folder / "receipts")
            with door.view() as view:
                shown = [disclosed(door._access, view, name) for name in (str(path), str(note), "ann")]
            (folder / "proofs").write_bytes(door.prove(self.ids).data or b"")
            proof = proving.prove(door._access, self.ids, disclose=shown[:2])
            (folder / "disclosing").write_bytes(proof.data or b"")
            for name in ("public", "old copy"):
                door.publish(folder / name)
        (folder / "ea.json.salt").write_text(shown[0].salt.hex())
        for name in ("ledger", "keys"):
            shutil.copytree(folder / name, folder / "backup" / name)
        records = [town.record(each) for each in self.ids]
        self.salt = shown[0].salt
        self.secrets = {
            "salt": [each.salt for each in shown],
            "content": [path.read_bytes(), NOTE.encode(), WHO],
            "record": [record.encoded for record in records],
            "digest": [*(record.content for record in records), hashlib.sha256(b"a row of hers").digest()],
        }

    def erase(self) -> None:
        with self.town.open() as door:
            door.erase([(each,) for each in self.ids], "ada", reason="privacy")
            door.erase_profile("ann")
        self.town.clock.wait()
        done = self.town.carry_out(records=True, scrub=True)
        assert (done.records, done.sidecars, done.held, done.shared) == (3, 1, [], [])
        with self.town.open() as door:
            door.publish(self.town.folder / "public")

    def keys(self) -> Path:
        (folder,) = (self.town.folder / "keys").glob("logs/*")
        return folder

    def stored(self) -> bytes:
        """The records of the store, as who reads them gets them."""
        store = LmdbStore(self.town.path, readonly=True)
        try:
            with store.snapshot() as snapshot:
                return b"".join(bytes(value) for _key, value in snapshot.scan(Space.RECORDS))
        finally:
            store.close()

    def indexed(self) -> bytes:
        """The digests, whole, of which the index finds the first bytes."""
        store = LmdbStore(self.town.path, readonly=True)
        try:
            with store.snapshot() as snapshot:
                known = [each for found in self.secrets.values() for each in found]
                return b"".join(each for each in known if snapshot.positions(prefix(each)))
        finally:
            store.close()

    def vault(self) -> bytes:
        return bytes_in(*self.keys().glob("salts*"))


LOOK: dict[str, Callable[[Scene], bytes]] = {
    "entries and tiles, published": lambda s: bytes_in(s.town.folder / "public" / "tile"),
    "records of the store": Scene.stored,
    "digest index: 8 bytes of it": Scene.indexed,
    "`data.mdb`, once it is scrubbed": lambda s: bytes_in(s.town.path / "data.mdb"),
    "rows sidecars": lambda s: bytes_in(s.town.path / "rows"),
    "content store: the digest as a name": lambda s: names_joined(s.town.path / "content"),
    "vault": Scene.vault,
    "profile among the keys": lambda s: bytes_in(s.keys() / "identities" / "ann"),
    "a published copy, until it is published anew": lambda s: bytes_in(s.town.folder / "old copy"),
    "a published copy, then": lambda s: bytes_in(s.town.folder / "public"),
    "receipts made before": lambda s: opened(s.town.folder / "receipts"),
    "ancestry proofs made before": lambda s: bytes_in(s.town.folder / "proofs"),
    "ancestry proofs in which it was disclosed": lambda s: bytes_in(s.town.folder / "disclosing"),
    "statement files": lambda s: bytes_in(s.town.folder / "note.statement"),
    "a file that was signed, `.salt` beside it": lambda s: bytes_in(
        s.town.folder / "ea.json", s.town.folder / "ea.json.salt"
    ),
    "backups of ledger and keys": lambda s: bytes_in(s.town.folder / "backup"),
}


def names_joined(folder: Path) -> bytes:
    """Kept contents, each behind the digest that its name is."""
    return b"".join(
        (path.parent.name + path.name).encode() + b"\n" + path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )


def opened(path: Path) -> bytes:
    """A receipt with what it holds in base64 decoded."""
    data = path.read_bytes()
    return data + b"".join(
        base64.b64decode(line) for line in data.split() if re.fullmatch(rb"[A-Za-z0-9+/]{80,}=*", line)
    )


def found_in(scene: Scene, where: str) -> dict[str, bool]:
    data = LOOK[where](scene)
    return {
        name: any(secret in data or secret.hex().encode() in data for secret in secrets)
        for name, secrets in scene.secrets.items()
    }


def told(before: bool, after: bool) -> str:
    return {(False, False): "never", (True, False): "goes", (True, True): "stays"}[before, after]


def test_every_place_of_the_table_keeps_what_it_says(tmp_path: Path, clock: Clock) -> None:
    expected = table()
    assert list(expected) == list(LOOK)
    scene = Scene(Town(tmp_path, clock))
    before = {where: found_in(scene, where) for where in LOOK}
    scene.erase()
    after = {where: found_in(scene, where) for where in LOOK}
    seen = {where: tuple(told(before[where][name], after[where][name]) for name in COLUMNS) for where in LOOK}
    assert seen == expected
    check_what_stands(scene)


def check_what_stands(scene: Scene) -> None:
    """What is gone is erased, what was proved is proved, and the log is whole."""
    town, folder = scene.town, scene.town.folder
    assert town.is_sound()
    report = audit_folder(folder / "public")
    assert (report.ok, report.faults) == (True, [])
    with town.open() as door:
        vkey = str(door.vkey)
        for artifact_id in scene.ids:
            assert door.trace(artifact_id).nodes[artifact_id].presence is Presence.ERASED
    shutil.copy(folder / "receipts", folder / "ea.json.tlog-proof")
    assert ledger.verify_receipt(folder / "ea.json", vkey=vkey, salt=scene.salt).ok
    for name in ("proofs", "disclosing"):
        verified = ledger.verify((folder / name).read_bytes(), vkey=vkey)
        assert verified.ok, name

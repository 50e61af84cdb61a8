"""The key store: identities whole or not at all, found by one name and no other."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import LineageError, NotFound, RefusedInput
from ledger.identity import ed25519
from ledger.identity.keyset import check_signatures, make_keyset
from ledger.signer.keyfile import read_key, read_public
from ledger.signer.keygroup import KEY_NAMES
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, LocalIdentity
from ledger.signer.lanes import hold_lane
from ledger.signer.newkeys import NewKeys
from ledger.signer.passphrases import Passphrases
from ledger.signer.signers import SeedSigner
from ledger.statements.entry import CURRENT, decode_entry
from ledger.statements.statement import keyset_digest, make_statement
from tests.test_signer.steps import crash_at_each
from tests.world import World, seed_of

LOG = World(begin=False).writer.log_id


def no_passphrase(_name: str) -> bytes:
    raise AssertionError("a passphrase was asked for")


@pytest.fixture
def keys(tmp_path: Path) -> Keystore:
    return Keystore(tmp_path / "config", LOG)


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as error:
        use()
    assert error.value.fix
    return error.value.code


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_identity_is_made_whole(keys: Keystore) -> None:
    made = keys.create("ada", "human", None)
    assert made == keys.find("ada") == keys.identities()[0]
    assert (made.name, made.role, made.of, keys.names()) == ("ada", "human", None, ["ada"])
    entry = decode_entry(made.pending_enrolment() or b"")
    assert entry.statement.id == made.id
    publics = [read_public(made.key_file(which)) for which in KEY_NAMES]
    assert len(set(publics)) == 3
    body = entry.statement.body
    assert body["keyset"] == make_keyset(publics[:1])
    digests = [keyset_digest(make_keyset([public])) for public in publics[1:]]
    assert [body["next"], body["recovery"]] == digests
    check_signatures(entry, {CURRENT: body["keyset"]})
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
    assert keys.folder.name == LOG.hex()[:16]


def test_log_takes_the_enrolment_and_what_the_identity_signs(keys: Keystore) -> None:
    world = World()
    ada = keys.create("ada", "human", None)
    duo = keys.create("duo", "pair", None, of=ada.id)
    assert duo.of == ada.id == keys.find("duo").of
    for identity in (ada, duo):
        world.must(decode_entry(identity.pending_enrolment() or b""))
        identity.enrolled()
        assert identity.pending_enrolment() is None
        identity.enrolled()  # harmless
    signer = keys.unlock(ada, Keyring(Passphrases()))
    body = {"pair": duo.id, "substrate": {"name": "m", "version": "1"}}
    world.must(
        signer.sign(make_statement("delegate", LOG, body, by=ada.id, key=ada.id, lane=b"l" * 16, seq=0))
    )
    shown = repr(signer) + repr(signer.identity)
    assert read_key(ada.key_file("current"), no_passphrase).hex() not in shown
    assert "ada" in repr(signer)


def test_encrypted_keys_open_with_their_passphrase_alone(
    keys: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.signer.keyfile.ARGON2_MEMORY_BYTES", 8_192)
    ada = keys.create("ada", "human", b"secret")
    assert keys.unlock(ada, Keyring(Passphrases(b"secret"))).identity == ada
    assert code_of(lambda: keys.unlock(ada, Keyring(Passphrases(b"")))) == "passphrase-wrong"
    ada.key_file("current").unlink()
    assert code_of(lambda: keys.unlock(ada, Keyring(Passphrases()))) == "key-file-missing"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a b", "ä", "a" * 65, "-a", "a\n", "../ada", "a\0"]
)
def test_illegal_names_are_refused(name: str, keys: Keystore) -> None:
    assert code_of(lambda: keys.create(name, "human", None)) == "name-illegal"
    assert not keys.folder.exists()
    with pytest.raises(NotFound):
        keys.find(name)


def test_taken_name_is_refused_and_kept(keys: Keystore) -> None:
    made = keys.create("ada", "human", None)
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    assert code_of(lambda: keys.create("ada", "machine", None)) == "name-taken"
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before
    assert tree(keys.folder / "identities") == sorted(["ada", *(f"ada/{path.name}" for path in before)])


def test_name_that_another_process_took_meanwhile_is_refused(
    keys: Keystore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one came between the check and the rename."""
    first = keys.create("ada", "human", None)
    real, checks = Keystore.check_free, 0

    def check_free(self: Keystore, name: str) -> None:
        nonlocal checks
        checks += 1
        if checks > 1:
            real(self, name)

    monkeypatch.setattr(Keystore, "check_free", check_free)
    assert code_of(lambda: keys.create("ada", "human", None)) == "name-taken"
    assert checks == 2
    assert keys.find("ada") == first
    assert [path.name for path in (keys.folder / "identities").iterdir()] == ["ada"]


def test_failure_at_any_step_leaves_a_whole_identity_or_none(keys: Keystore) -> None:
    keys.create("eve", "human", None)
    folder = keys.folder / "identities"
    seen = []
    for _ in crash_at_each(lambda: keys.create("ada", "human", None)):
        seen.append(keys.names())
        if "ada" in keys.names():  # only the sync behind the rename failed
            ada = keys.find("ada")
            assert decode_entry(ada.pending_enrolment() or b"").statement.id == ada.id
            assert all(read_key(ada.key_file(which), no_passphrase) for which in KEY_NAMES)
            shutil.rmtree(ada.folder)
        assert [path.name for path in folder.iterdir()] == ["eve"]  # and no secret is left lying about
    assert len(seen) >= 10
    assert keys.names() == ["ada", "eve"]


def test_every_new_name_is_synced_in_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is of no use if the folder that it lies in is lost with the power."""
    synced: set[Path] = set()
    for module in ("keyfile", "keystore", "lanes"):
        monkeypatch.setattr(f"ledger.signer.{module}.sync_folder", synced.add)
    keys = Keystore(tmp_path / "config" / "lineage", LOG)
    with keys.creating():
        ada = keys.create("ada", "human", None)
    with hold_lane(ada.lanes, ada.id):
        pass
    made = [path for path in tmp_path.rglob("*") if path.name != "lane.lock"]
    assert len(made) >= 14
    renamed = {path.name for path in synced if path.name.startswith(".new-")}
    assert len(renamed) == 1
    for path in made:
        assert path.parent in synced or path.parent == ada.folder, path


def test_process_that_died_while_it_made_one_leaves_no_name(keys: Keystore) -> None:
    keys.create("ada", "human", None)
    (keys.folder / "identities" / ".new-x1").mkdir()
    (keys.folder / "identities" / "a file").touch()
    (keys.folder / "identities" / "file").touch()
    assert keys.names() == ["ada"]
    assert [identity.name for identity in keys.identities()] == ["ada"]


def with_id(keys: Keystore, name: str, id_hex: str) -> LocalIdentity:
    new = [NewKeys(which, [SeedSigner(seed_of(name + which))], 1, 1) for which in KEY_NAMES]
    return keys.keep(name, "human", new, bytes.fromhex(id_hex.ljust(64, "0")), None)


def test_identity_is_found_by_the_beginning_of_its_id(keys: Keystore) -> None:
    ada, bob = with_id(keys, "ada", "0123456789"), with_id(keys, "bob", "0123456780")
    assert keys.find("0123456789") == ada
    assert keys.find("0123456780ab"[:10].upper()) == bob
    assert keys.find(ada.id.hex()) == ada
    with pytest.raises(RefusedInput) as error:
        keys.find("012345678")
    assert error.value.code == "name-ambiguous"
    assert "ada" in error.value.reason
    assert "bob" in error.value.reason
    for unknown in ("0123456", "01234567891", "", ada.id.hex() + "0", "nobody"):
        with pytest.raises(NotFound) as missing:
            keys.find(unknown)
        assert missing.value.code == "name-unknown"
    named = with_id(keys, "01234567", "ff")
    assert keys.find("01234567") == named  # a name is a name


def test_damaged_identity_is_told(keys: Keystore) -> None:
    ada = keys.create("ada", "human", None)
    path = ada.folder / "identity.json"
    right = json.loads(path.read_text())
    sets = right["keysets"]
    key = sets["current"]["keys"][0]
    groups: list[Any] = [
        None,
        [],
        {"current": None},
        {"current": {"keys": [key]}},
        {"tomorrow": sets["current"]},
        {"current": {"keys": [key, key], "threshold": 1}},
        {"current": {"keys": [key[2:]], "threshold": 1}},
        {"current": {"keys": [key], "threshold": 2}},
        {"current": {"keys": [key], "threshold": 0}},
        {"current": {"keys": [key], "threshold": True}},
        {"current": {"keys": [], "threshold": 1}},
    ]
    wrongs = [right | {"id": "00"}, right | {"id": "zz"}, right | {"of": "00"}, right | {"id": None}, [], {}]
    wrongs += [right | {"kseq": -1}, right | {"kseq": "1"}, right | {"kseq": True}, right | {"retired": 0}]
    wrongs += [right | {"derives_pseudonyms": None}, *(right | {"keysets": group} for group in groups)]
    for text in (*map(json.dumps, wrongs), "", "[" * 5_000):
        path.write_text(text)
        assert code_of(lambda: keys.find("ada")) == "keys-damaged"
    path.unlink()
    assert code_of(lambda: keys.find("ada")) == "keys-damaged"


def test_folder_that_was_renamed_is_another_name(keys: Keystore) -> None:
    ada = keys.create("ada", "human", None)
    ada.folder.rename(ada.folder.with_name("ida"))
    assert keys.names() == ["ida"]
    assert (keys.find("ida").name, keys.find("ida").id) == ("ida", ada.id)


def began(keys: Keystore) -> None:
    with keys.creating():
        keys.create("ada", "human", None)


def test_keys_of_a_new_log_are_removed_if_making_it_fails(keys: Keystore) -> None:
    for _ in crash_at_each(lambda: began(keys)):
        assert not keys.folder.exists()
    shutil.rmtree(keys.folder)
    assert not keys.folder.exists()
    with keys.creating():
        keys.create("ada", "human", None)
    assert code_of(lambda: keys.creating().__enter__()) == "keys-unwritable"
    assert keys.names() == ["ada"]


def test_folder_that_cannot_be_written_is_told(keys: Keystore, monkeypatch: pytest.MonkeyPatch) -> None:
    keys.folder.parent.parent.mkdir()
    keys.folder.parent.write_text("a file in the way")
    assert code_of(lambda: keys.create("ada", "human", None)) == "keys-unwritable"
    keys.folder.parent.unlink()

    def fail(**_: object) -> str:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkdtemp", fail)
    assert code_of(lambda: keys.create("ada", "human", None)) == "keys-unwritable"


def test_enrolment_that_cannot_be_read_or_removed_is_told(keys: Keystore) -> None:
    ada = keys.create("ada", "human", None)
    (ada.folder / "enrol.entry").unlink()
    (ada.folder / "enrol.entry").mkdir()
    assert code_of(ada.pending_enrolment) == "keys-unwritable"
    assert code_of(ada.enrolled) == "keys-unwritable"
    shutil.rmtree(ada.folder)
    assert ada.pending_enrolment() is None


def test_seeds_are_drawn_anew(keys: Keystore) -> None:
    seeds = set()
    for name in "abc":
        made = keys.create(name, "human", None)
        seeds |= {read_key(made.key_file(which), no_passphrase) for which in KEY_NAMES}
    assert len(seeds) == 9
    assert {len(seed) for seed in seeds} == {ed25519.SEED_BYTES}

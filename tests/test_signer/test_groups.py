"""Keysets of several files, identities of early versions, and the secret behind pseudonyms."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ledger.identity import ed25519
from ledger.identity.keyset import check_signatures
from ledger.signer.changes import changes_of
from ledger.signer.keychange import plan_change
from ledger.signer.keyfile import read_public, write_key
from ledger.signer.keygroup import file_name
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import LocalIdentity
from ledger.signer.passphrases import Passphrases
from ledger.statements.entry import CURRENT, decode_entry
from tests.test_signer.scene import OPEN, RING, Scene, cheap_argon2, code_of, group_keyset, refusal_of
from tests.world import seed_of


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize(("keys", "threshold"), [(1, 1), (2, 1), (3, 2), (3, 3), (8, 5)])
def test_a_group_signs_to_its_threshold_and_no_further(keys: int, threshold: int, scene: Scene) -> None:
    ada = scene.enrol(keys=keys, threshold=threshold)
    assert [len(group.keys) for group in ada.groups] == [keys] * 3
    assert len(list(ada.folder.glob("*.key"))) == 3 * keys + 1
    assert scene.sign().new == 1
    entry = decode_entry(scene.door.sent[-1])
    assert len(entry.signatures) == threshold
    check_signatures(entry, {CURRENT: group_keyset(ada, "current")})
    assert scene.change("rotate").state == "in-force"
    scene.check()
    assert len(decode_entry(scene.door.sent[-1]).signatures) == threshold
    assert scene.sign().new == 1


@pytest.mark.parametrize(("keys", "threshold"), [(0, 1), (9, 1), (1, 0), (1, 2), (2, -1)])
def test_a_group_that_nobody_can_sign_for_is_not_made(keys: int, threshold: int, scene: Scene) -> None:
    refused = code_of(lambda: scene.keys.create("ada", "human", None, keys=keys, threshold=threshold))
    assert refused == "threshold-illegal"
    assert scene.keys.names() == []


def test_two_of_three_sign_while_the_third_is_away(scene: Scene, tmp_path: Path) -> None:
    ada = scene.enrol(keys=3, threshold=2)
    files = [ada.key_file("current", number) for number in (1, 2, 3)]
    assert [path.name for path in files] == ["current.key", "current.2.key", "current.3.key"]
    keyset = group_keyset(ada, "current")
    indices = {path.name: [key for _, key in keyset["keys"]].index(read_public(path)) for path in files}
    for away in files:
        away.rename(tmp_path / away.name)
        assert scene.sign().new == 1
        signed = [each.key_index for each in decode_entry(scene.door.sent[-1]).signatures]
        assert signed == sorted(indices[path.name] for path in files if path != away)
        assert scene.keys.unlock(ada, RING).keyset == keyset
        (tmp_path / away.name).rename(away)
    for away in files[1:]:
        away.rename(tmp_path / away.name)
    short = refusal_of(scene.sign)
    assert (short.code, short.item) == ("key-file-missing", str(files[1]))
    assert "2 keys must sign, and 1 are here" in short.reason
    assert "current.2.key" in short.fix
    assert "current.3.key" in short.fix
    assert "current.key" not in short.fix


def test_a_group_rotates_while_one_of_its_files_is_away(scene: Scene, tmp_path: Path) -> None:
    ada = scene.enrol(keys=3, threshold=2)
    next_ = group_keyset(ada, "next")
    away = {number: tmp_path / f"{number}" for number in (1, 3)}
    for number, path in away.items():
        ada.key_file("next", number).rename(path)
    assert code_of(lambda: scene.change("rotate")) == "key-file-missing"
    scene.change("rotate", key_files=[away[3]])
    after = scene.keys.find("ada")
    assert group_keyset(after, "current") == next_ == scene.standing().keyset
    assert sorted(path.name for path in after.folder.glob("current*")) == ["current.2.key", "current.3.key"]
    assert scene.sign().new == 1
    away[1].rename(after.key_file("current"))
    after.key_file("current", 2).unlink()
    assert scene.sign().new == 1
    scene.change("rotate")
    scene.check()


def test_a_key_that_does_not_open_leaves_it_to_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cheap_argon2(monkeypatch)
    ada = scene.keys.create("ada", "human", b"right", keys=3, threshold=2)
    for number, wrong in ((1, b"another"), (2, b"a third")):
        path = ada.key_file("current", number)
        seed = Passphrases(b"right").open(path)
        path.unlink()
        write_key(path, seed, wrong)
        if number == 1:
            assert scene.keys.unlock(ada, Keyring(Passphrases(b"right"))).keyset == group_keyset(
                ada, "current"
            )
    failed = refusal_of(lambda: scene.keys.unlock(ada, Keyring(Passphrases(b"right"))))
    assert (failed.code, failed.item) == ("passphrase-wrong", str(ada.key_file("current")))


def test_a_file_counts_for_what_it_holds(scene: Scene) -> None:
    """Another key under the name of one that is missing signs nothing."""
    ada = scene.enrol(keys=2, threshold=2)
    path = ada.key_file("current", 2)
    path.unlink()
    write_key(path, seed_of("another"), None)
    missing = refusal_of(scene.sign)
    assert (missing.code, missing.item) == ("key-file-missing", str(path))
    path.write_text("{")
    assert code_of(scene.sign) == "key-file-damaged"


def made_early(scene: Scene, name: str = "ada") -> LocalIdentity:
    """An identity as the first version kept it."""
    made = scene.enrol(name)
    about = json.loads((made.folder / "identity.json").read_text())
    early = {key: about[key] for key in ("name", "id", "role", "of")}
    (made.folder / "identity.json").write_text(json.dumps(early))
    (made.folder / "pseudonym.key").unlink()
    return scene.keys.find(name)


def derived(seed: bytes) -> bytes:
    return hashlib.blake2b(b"lineage pseudonyms", key=seed, digest_size=32).digest()


def test_an_identity_of_an_early_version_signs_and_rotates(scene: Scene) -> None:
    ada = made_early(scene)
    assert (ada.groups, ada.kseq, ada.derives_pseudonyms) == ((), 0, True)
    assert scene.sign().new == 1
    first = OPEN(ada.key_file("current"))
    secret = scene.keys.pseudonym_secret(ada, RING)
    assert secret == derived(first)
    scene.change("rotate")
    scene.check()
    assert scene.sign().new == 1
    after = scene.keys.find("ada")
    assert OPEN(after.folder / "pseudonym.key") == secret
    scene.change("rotate")
    assert scene.keys.pseudonym_secret(scene.keys.find("ada"), RING) == secret


def test_an_early_identity_brings_its_next_key_from_elsewhere(scene: Scene, tmp_path: Path) -> None:
    ada = made_early(scene)
    ada.key_file("next").rename(tmp_path / "away")
    assert code_of(lambda: scene.change("rotate")) == "key-file-missing"
    write_key(tmp_path / "wrong", seed_of("wrong"), None)
    assert code_of(lambda: scene.change("rotate", key_files=[tmp_path / "wrong"])) == "commitment-differs"
    assert changes_of(ada) == []
    scene.change("rotate", key_files=[tmp_path / "away"])
    scene.check()


def test_an_early_identity_retires(scene: Scene) -> None:
    ada = made_early(scene)
    assert scene.change("retire").state == "in-force"
    assert scene.keys.find("ada").retired
    assert scene.keys.find("ada").derives_pseudonyms
    standing = scene.door.standing(ada.id)
    assert standing is not None
    assert code_of(lambda: plan_change(ada, standing, "rotate")) == "identity-retired"


@pytest.mark.parametrize("rotations", [1, 2])
def test_the_first_daily_key_may_be_found_again(scene: Scene, tmp_path: Path, rotations: int) -> None:
    """It was away at the first rotation: the pseudonyms wait for it, and no other key takes its place."""
    ada = made_early(scene)
    ada.key_file("current").rename(tmp_path / "away")
    for _ in range(rotations):
        scene.change("rotate")
    after = scene.keys.find("ada")
    missing = refusal_of(lambda: scene.keys.pseudonym_secret(after, RING))
    assert (missing.code, missing.item) == (
        "key-file-missing",
        str(ada.folder / "former" / "1" / "current.key"),
    )
    (tmp_path / "away").rename(missing.item)
    assert scene.keys.pseudonym_secret(after, RING) == derived(OPEN(Path(missing.item)))


def test_a_pseudonym_secret_is_one_for_ever_and_nobody_elses(scene: Scene) -> None:
    secrets = set()
    for name in ("ada", "bob"):
        scene.enrol(name)
        secret = scene.keys.pseudonym_secret(scene.keys.find(name), RING)
        scene.change("rotate", name)
        scene.change("rotate", name)
        after = scene.keys.find(name)
        assert scene.keys.pseudonym_secret(after, RING) == secret
        secrets.add(secret)
        assert ed25519.public_key(secret) in scene.publics(name)
        (after.folder / "pseudonym.key").unlink()
        assert code_of(lambda after=after: scene.keys.pseudonym_secret(after, RING)) == "key-file-missing"  # type: ignore[misc]
    assert len(secrets) == 2


def test_file_names_count_from_one() -> None:
    assert [file_name("next", number) for number in (1, 2, 8)] == ["next.key", "next.2.key", "next.8.key"]

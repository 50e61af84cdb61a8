"""Key files: what is written can be read, what was changed is told, and nothing is ever overwritten."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.signer import keyfile
from ledger.signer.keyfile import make_private_folder, read_key, read_public, write_key, write_private
from tests.world import seed_of

SEED = seed_of("key file")
RIGHT = b"correct horse"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least argon2id that libsodium does, so that a test may make many files."""
    monkeypatch.setattr(keyfile, "ARGON2_MEMORY_BYTES", 8_192)
    monkeypatch.setattr(keyfile, "ARGON2_PASSES", 1)


def answer(passphrase: bytes) -> Callable[[str], bytes]:
    return lambda _name: passphrase


def never(_name: str) -> bytes:
    raise AssertionError("a passphrase was asked for")


def code_of(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as error:
        use()
    assert error.value.fix
    return error.value.code


def test_encrypted_key_comes_back_and_its_seed_stands_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    write_key(path, SEED, RIGHT)
    asked: list[str] = []

    def ask(name: str) -> bytes:
        asked.append(name)
        return RIGHT

    assert read_key(path, ask) == SEED
    assert asked == ["a.key"]
    assert read_public(path) == ed25519.public_key(SEED)
    assert SEED.hex() not in path.read_text()
    fields = json.loads(path.read_text())
    assert (fields["passes"], fields["memory_bytes"]) == (3, 64 * 2**20)
    assert code_of(lambda: read_key(path, answer(b"wrong"))) == "passphrase-wrong"
    assert code_of(lambda: read_key(path, answer(b""))) == "passphrase-wrong"


def test_same_seed_and_passphrase_give_another_file(tmp_path: Path, cheap: None) -> None:
    texts = []
    for name in "ab":
        write_key(tmp_path / name, SEED, RIGHT)
        texts.append(json.loads((tmp_path / name).read_text()))
    assert texts[0]["salt"] != texts[1]["salt"]
    assert texts[0]["secret"][:48] != texts[1]["secret"][:48]  # the nonce


def test_unencrypted_key_comes_back_without_a_question(tmp_path: Path) -> None:
    write_key(tmp_path / "a.key", SEED, None)
    assert read_key(tmp_path / "a.key", never) == SEED


@pytest.mark.parametrize("mask", [0, 0o022])
def test_only_the_owner_may_read(mask: int, tmp_path: Path) -> None:
    before = os.umask(mask)
    try:
        write_key(tmp_path / "a.key", SEED, None)
        make_private_folder(tmp_path / "x" / "y")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600
    for folder in ("x", "x/y"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o700


def test_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_text("mine")
    assert code_of(lambda: write_key(path, SEED, None)) == "key-file-exists"
    assert path.read_text() == "mine"
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "absent")
    assert code_of(lambda: write_key(link, SEED, None)) == "key-file-exists"
    assert not (tmp_path / "absent").exists()


def test_folder_that_is_absent_is_told(tmp_path: Path) -> None:
    assert code_of(lambda: write_key(tmp_path / "absent" / "a.key", SEED, None)) == "key-file-unwritable"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_file_that_was_not_finished_is_not_left(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises((StoreFault, KeyboardInterrupt)):
            write_private(tmp_path / "a.key", b"secret")
    assert list(tmp_path.iterdir()) == []
    write_private(tmp_path / "a.key", b"secret")


def test_absent_and_unreadable_files_are_told(tmp_path: Path) -> None:
    absent = tmp_path / "absent.key"
    assert (
        code_of(lambda: read_key(absent, never)) == code_of(lambda: read_public(absent)) == "key-file-missing"
    )
    assert code_of(lambda: read_key(tmp_path, never)) == "key-file-unreadable"
    assert code_of(lambda: read_public(tmp_path)) == "key-file-unreadable"


ENCRYPTED_CHANGES: dict[str, list[Any]] = {
    "format": ["lineage-kez", None, 1, ["lineage-key"]],
    "version": [0, -1, 1.0, True, "1", None],
    "algorithm": ["ml-dsa-44", None, ""],
    "public": ["", "00", "zz" * 32, 7, None, "AB" * 32, " " + "ab" * 32, ["ab" * 32]],
    "protection": ["none", "", None, "argon2i+secretbox", ["none"]],
    "salt": ["", "00" * 15, "00" * 17, None, 16, "zz" * 16],
    "passes": [0, -1, 65, 2**64, 1.0, 1e999, "1", True, None],
    "memory_bytes": [0, 8_191, 2**30 + 1, 2**70, 8192.0, "8192", None],
    "secret": ["", "00", "00" * 71, "00" * 73, None, 5],
}


def written(path: Path, passphrase: bytes | None) -> dict[str, Any]:
    write_key(path, SEED, passphrase)
    fields: dict[str, Any] = json.loads(path.read_text())
    return fields


@pytest.mark.parametrize("name", ENCRYPTED_CHANGES)
def test_every_damaged_field_is_told_before_a_passphrase_is_asked(
    name: str, tmp_path: Path, cheap: None
) -> None:
    path = tmp_path / "a.key"
    fields = written(path, RIGHT)
    assert set(fields) == set(ENCRYPTED_CHANGES)
    changes = [fields | {name: value} for value in ENCRYPTED_CHANGES[name]]
    changes.append({key: value for key, value in fields.items() if key != name})
    for changed in changes:
        path.write_text(json.dumps(changed))
        assert code_of(lambda: read_key(path, never)) == "key-file-damaged"
        assert code_of(lambda: read_public(path)) == "key-file-damaged"


@pytest.mark.parametrize("name", ["public", "secret", "salt", "protection", "algorithm", "extra"])
def test_damaged_unencrypted_file_is_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    fields = written(path, None)
    for value in ("", "00" * 31, "00" * 33, None, "argon2id+secretbox"):
        path.write_text(json.dumps(fields | {name: value}))
        assert code_of(lambda: read_key(path, never)) == "key-file-damaged"
    other = ed25519.public_key(seed_of("other")).hex()
    for changed in ({"public": other}, {"secret": seed_of("other").hex()}):
        path.write_text(json.dumps(fields | changed))
        assert code_of(lambda: read_key(path, never)) == "key-file-damaged"


def test_changed_secret_or_other_public_key_does_not_pass_for_the_right_one(
    tmp_path: Path, cheap: None
) -> None:
    path = tmp_path / "a.key"
    fields = written(path, RIGHT)
    for at in range(0, len(fields["secret"]), 7):
        digit = "1" if fields["secret"][at] != "1" else "2"
        changed = fields["secret"][:at] + digit + fields["secret"][at + 1 :]
        path.write_text(json.dumps(fields | {"secret": changed}))
        assert code_of(lambda: read_key(path, answer(RIGHT))) == "passphrase-wrong"
    path.write_text(json.dumps(fields | {"public": ed25519.public_key(seed_of("other")).hex()}))
    assert code_of(lambda: read_key(path, answer(RIGHT))) == "key-file-damaged"


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 4_000, b'{"format": "lineage-key"}', b" " * 4_097],
)
def test_file_that_is_none_is_told(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    path.write_bytes(data)
    assert code_of(lambda: read_key(path, never)) == "key-file-damaged"
    assert code_of(lambda: read_public(path)) == "key-file-damaged"


def test_file_of_any_length_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    write_key(path, SEED, None)
    data = path.read_bytes()
    path.write_bytes(data.ljust(keyfile.KEY_FILE_BYTES_MAX))
    assert read_key(path, never) == SEED
    path.write_bytes(data.ljust(keyfile.KEY_FILE_BYTES_MAX + 1))
    assert code_of(lambda: read_key(path, never)) == "key-file-damaged"


def test_newer_file_is_told_as_newer(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    fields = written(path, None)
    path.write_text(
        json.dumps(
            {"format": fields["format"], "version": keyfile.VERSION_ELSEWHERE + 1, "something": "else"}
        )
    )
    assert code_of(lambda: read_key(path, never)) == "key-file-newer"


def test_costly_parameters_are_refused_before_they_are_used(
    tmp_path: Path, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.key"
    fields = written(path, RIGHT)
    monkeypatch.setattr(keyfile, "_stretch", lambda *_: never(""))
    for change in ({"passes": 65}, {"memory_bytes": 2**30 + 1}, {"passes": 2**40, "memory_bytes": 2**40}):
        path.write_text(json.dumps(fields | change))
        assert code_of(lambda: read_key(path, answer(RIGHT))) == "key-file-damaged"


def test_memory_that_is_not_granted_is_no_wrong_passphrase(
    tmp_path: Path, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nacl.exceptions import RuntimeError as NaclRuntimeError

    path = tmp_path / "a.key"
    write_key(path, SEED, RIGHT)
    for error in (MemoryError(), NaclRuntimeError("key derivation")):

        def fail(*_: object, error: Exception = error) -> bytes:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(keyfile, "_stretch", fail)
            assert code_of(lambda: read_key(path, answer(RIGHT))) == "memory-short"


def test_refusal_of_the_one_who_asks_is_his_own(tmp_path: Path, cheap: None) -> None:
    """An error of the passphrase callable is not taken for one of the file's."""
    write_key(tmp_path / "a.key", SEED, RIGHT)

    def ask(_name: str) -> bytes:
        raise RefusedInput("passphrase-missing", "test", "nobody is there", "x")

    assert code_of(lambda: read_key(tmp_path / "a.key", ask)) == "passphrase-missing"

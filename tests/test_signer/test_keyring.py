"""One unlock a process: each key file is opened once, a changed one anew, and nothing of a wrong passphrase is remembered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.errors import LineageError
from ledger.identity import ed25519
from ledger.signer import keyfile
from ledger.signer import keyring as keyring_module
from ledger.signer.keyfile import read_public, write_elsewhere, write_key
from ledger.signer.keyring import Keyring
from ledger.signer.passphrases import Passphrases
from ledger.signer.signers import CallableSigner
from tests.agents import fake_agent, holding, signature
from tests.test_signer.scene import cheap_argon2, code_of, refusal_of
from tests.world import seed_of


@pytest.fixture
def stretched(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """How often argon2id was run for each salt: a file has one of its own."""
    cheap_argon2(monkeypatch)
    real, counted = keyfile._stretch, Counter[bytes]()

    def count(passphrase: bytes, salt: bytes, passes: int, memory_bytes: int) -> bytes:
        counted[salt] += 1
        return real(passphrase, salt, passes, memory_bytes)

    monkeypatch.setattr(keyfile, "_stretch", count)
    return counted


def ring(known: bytes | None = b"right") -> Keyring:
    return Keyring(Passphrases(known))


def test_a_file_is_opened_once_and_a_copy_of_it_not_at_all(tmp_path: Path, stretched: Counter[bytes]) -> None:
    write_key(tmp_path / "a.key", seed_of("a"), b"right")
    stretched.clear()
    keys = ring()
    for _ in range(1_000):
        assert keys.secret(tmp_path / "a.key") == seed_of("a")
    (tmp_path / "b.key").write_bytes((tmp_path / "a.key").read_bytes())
    assert keys.signer(tmp_path / "b.key").public_key == ed25519.public_key(seed_of("a"))
    assert list(stretched.values()) == [1]
    keys.forget()
    assert keys.secret(tmp_path / "a.key") == seed_of("a")
    assert list(stretched.values()) == [2]


def test_a_file_that_was_changed_is_opened_anew(tmp_path: Path, stretched: Counter[bytes]) -> None:
    path = tmp_path / "a.key"
    keys = ring()
    for name in ("one", "two"):
        path.unlink(missing_ok=True)
        write_key(path, seed_of(name), b"right")
        assert keys.secret(path) == seed_of(name)
    path.unlink()
    assert code_of(lambda: keys.secret(path)) == "key-file-missing"
    path.write_text("{}")
    assert code_of(lambda: keys.secret(path)) == "key-file-damaged"


def test_a_wrong_passphrase_is_not_remembered(tmp_path: Path, stretched: Counter[bytes]) -> None:
    path = tmp_path / "a.key"
    write_key(path, seed_of("a"), b"right")
    stretched.clear()
    answers = [b"wrong", b"wrong", b"wrong", b"another", b"right"]
    asked: list[str] = []

    def ask(name: str) -> bytes:
        asked.append(name)
        return answers.pop(0)

    keys = Keyring(Passphrases(b"given", ask))
    assert code_of(lambda: keys.secret(path)) == "passphrase-wrong"
    assert (len(asked), sum(stretched.values())) == (3, 4)
    for _ in range(3):
        assert keys.secret(path) == seed_of("a")
    assert (len(asked), sum(stretched.values())) == (5, 7)


def test_many_threads_ask_one_person_once(tmp_path: Path, stretched: Counter[bytes]) -> None:
    path = tmp_path / "a.key"
    write_key(path, seed_of("a"), b"right")
    stretched.clear()
    asked: list[str] = []
    gate = threading.Barrier(8)

    def ask(name: str) -> bytes:
        assert keys._lock.locked(), "the others wait"
        asked.append(name)
        return b"right"

    keys = Keyring(Passphrases(None, ask))
    seeds: list[bytes] = []

    def use() -> None:
        gate.wait(10)
        seeds.append(keys.secret(path))

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seeds == [seed_of("a")] * 8
    assert (len(asked), sum(stretched.values())) == (1, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork; any Unix can")
def test_a_forked_child_does_not_wait_for_a_thread_that_it_does_not_have(tmp_path: Path) -> None:
    write_key(tmp_path / "a.key", seed_of("a"), None)
    keys = ring()
    with keys._held():
        child = os.fork()
        if child == 0:
            os._exit(0 if keys.secret(tmp_path / "a.key") == seed_of("a") else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_the_bytes_of_a_file_decide_even_between_two_readings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is replaced as soon as it was read: what was read is what is opened and remembered."""
    path = tmp_path / "a.key"
    cheap_argon2(monkeypatch)
    write_key(path, seed_of("one"), b"right")
    first = path.read_bytes()

    def read_and_replace(_path: Path) -> keyfile.KeyFile:
        read = keyfile.load_key_file(path)
        path.unlink()
        write_key(path, seed_of("two"), b"right")
        return read

    keys = ring()
    with monkeypatch.context() as patch:
        patch.setattr(keyring_module, "load_key_file", read_and_replace)
        assert keys.secret(path) == seed_of("one")
    assert keys.secret(path) == seed_of("two")
    path.write_bytes(first)
    assert keys.secret(path) == seed_of("one")


# Keys that lie elsewhere


def elsewhere(path: Path, protection: str, name: str = "ada", comment: str = "hers") -> Path:
    write_elsewhere(path, ed25519.public_key(seed_of(name)), protection, comment)
    return path


def test_each_kind_of_file_has_its_signer(
    tmp_path: Path, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = ed25519.public_key(seed_of("ada"))
    kms = CallableSigner(public, lambda message: ed25519.sign(seed_of("ada"), message))
    keys = Keyring(Passphrases(), [kms])
    write_key(tmp_path / "file.key", seed_of("ada"), None)
    with fake_agent(sockets, monkeypatch, holding()):
        for path in (
            tmp_path / "file.key",
            elsewhere(tmp_path / "agent.key", "ssh-agent"),
            elsewhere(tmp_path / "kms.key", "external"),
        ):
            assert read_public(path) == public
            assert keys.signer(path).sign(b"words") == ed25519.sign(seed_of("ada"), b"words")
    for name in ("agent.key", "kms.key"):
        refused = refusal_of(lambda name=name: keys.secret(tmp_path / name))  # type: ignore[misc]
        assert refused.code == "key-elsewhere"
        assert code_of(lambda name=name: keyfile.read_key(tmp_path / name, never)) == "key-elsewhere"  # type: ignore[misc]


def never(_name: str) -> bytes:
    raise AssertionError("a passphrase was asked for")


def test_another_signer_than_the_one_named_does_not_do(tmp_path: Path) -> None:
    path = elsewhere(tmp_path / "kms.key", "external")
    eve = ed25519.public_key(seed_of("eve"))
    missing = refusal_of(
        lambda: Keyring(Passphrases(), [CallableSigner(eve, lambda message: message)]).signer(path)
    )
    assert missing.code == "signer-missing"
    assert ed25519.public_key(seed_of("ada")).hex() in missing.reason


def test_a_file_of_a_key_elsewhere_holds_no_secret_and_no_long_story(tmp_path: Path) -> None:
    path = elsewhere(tmp_path / "a.key", "ssh-agent", comment="x" * 100_000)
    fields = json.loads(path.read_text())
    assert set(fields) == {"format", "version", "algorithm", "public", "protection", "comment"}
    assert (fields["version"], len(fields["comment"])) == (2, 128)
    assert seed_of("ada").hex() not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert code_of(lambda: elsewhere(path, "ssh-agent")) == "key-file-exists"
    for comment in ("x" * 129, None, 7, ["x"]):
        path.write_text(json.dumps(fields | {"comment": comment}))
        assert code_of(lambda: read_public(path)) == "key-file-damaged"


def edits(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """A key file with its protection changed to each other one, alone and with the version that goes with it."""
    return [
        fields | {"protection": protection, "version": version}
        for protection in ("none", "argon2id+secretbox", "ssh-agent", "external", "pgp", "", None, ["none"])
        for version in (1, 2)
        if (protection, version) != (fields["protection"], fields["version"])
    ]


@pytest.mark.parametrize("made", ["encrypted", "clear", "ssh-agent", "external"])
def test_one_word_turns_no_kind_of_file_into_another(
    made: str, tmp_path: Path, stretched: Counter[bytes]
) -> None:
    """But for the two that hold no secret: who is asked instead has not got the key, and is held to it if he has."""
    path = tmp_path / "a.key"
    if made in ("encrypted", "clear"):
        write_key(path, seed_of("ada"), b"right" if made == "encrypted" else None)
    else:
        elsewhere(path, made)
    fields = json.loads(path.read_text())
    told = Counter[str]()
    for edited in edits(fields):
        path.write_text(json.dumps(edited))
        if {made, str(edited["protection"])} == {"ssh-agent", "external"} and edited["version"] == 2:
            assert keyfile.load_key_file(path).public == ed25519.public_key(seed_of("ada"))
            continue
        told[code_of(lambda: ring().signer(path))] += 1
    assert set(told) == {"key-file-damaged"}
    assert told["key-file-damaged"] >= 13


def test_a_file_rewritten_to_ask_an_agent_gets_nothing_from_it(
    tmp_path: Path, sockets: Path, monkeypatch: pytest.MonkeyPatch, stretched: Counter[bytes]
) -> None:
    """Somebody replaced an encrypted file by one that asks his agent, which signs by his key, or by none."""
    path = tmp_path / "a.key"
    write_key(path, seed_of("ada"), b"right")
    public = read_public(path)
    path.unlink()
    elsewhere(path, "ssh-agent")

    def forge(_kind: int, _fields: bytes) -> bytes:
        return signature(ed25519.sign(seed_of("eve"), b"words"))

    with fake_agent(sockets, monkeypatch, holding(answer=forge)):
        signer = ring().signer(path)
        assert signer.public_key == public
        assert code_of(lambda: signer.sign(b"words")) == "signature-wrong"
    with fake_agent(sockets, monkeypatch, holding(("eve",))):
        assert code_of(lambda: ring().signer(path)) == "agent-key-missing"


# A ledger


def made(tmp_path: Path, **options: Any) -> tuple[Path, str]:
    path, config = tmp_path / "ledger", str(tmp_path / "keys")
    with ledger.create(path, config=config, passphrases=Passphrases(b"right")) as opened:
        opened.new_identity("ada", **options)
    return path, config


def test_a_ledger_that_signs_a_thousand_times_opens_each_key_once(
    tmp_path: Path, stretched: Counter[bytes]
) -> None:
    """The log's key and the daily key; the readings in between need none."""
    path, config = made(tmp_path)
    stretched.clear()
    file = tmp_path / "a.txt"
    with ledger.open(path, config=config, passphrases=Passphrases(b"right")) as opened:
        for turn in range(10):
            file.write_text(f"a text of its own, number {turn}, which is long enough")
            assert opened.sign([file], by="ada").new == 1
        for _ in range(990):
            opened._access.unlock("ada")
        with opened._access.writer(), opened.view() as view:
            assert view.record_count == 10
        assert list(stretched.values()) == [1, 1]
        held = opened._access.keyring
    held.secret(opened.keys.log_key_file)
    assert sum(stretched.values()) == 3, "a ledger that was closed has forgotten"


def test_a_rotation_is_noticed_and_its_key_not_opened_twice(
    tmp_path: Path, stretched: Counter[bytes]
) -> None:
    path, config = made(tmp_path)
    file = tmp_path / "a.txt"
    with ledger.open(path, config=config, passphrases=Passphrases(b"right")) as opened:
        for turn in range(2):
            file.write_text(f"before the rotation, number {turn}, which is long enough for that")
            opened.sign([file], by="ada")
        stretched.clear()
        opened.change_keys("ada", ledger.api.KeyChange("rotate"))
        assert sum(stretched.values()) == 3, "the next key was opened, two new ones were written"
        file.write_text("after the rotation, by the key that was the next one until now")
        assert opened.sign([file], by="ada").new == 1
        assert sum(stretched.values()) == 3, "its copy is the daily key now, and was opened before"


def test_a_process_beside_it_that_rotates_is_noticed(tmp_path: Path, stretched: Counter[bytes]) -> None:
    path, config = made(tmp_path)
    file = tmp_path / "a.txt"

    def sign(opened: ledger.Ledger, words: str) -> None:
        file.write_text(words * 20)
        assert opened.sign([file], by="ada").new == 1

    with ledger.open(path, config=config, passphrases=Passphrases(b"right")) as opened:
        sign(opened, "one")
        env = os.environ | {
            "LINEAGE_LEDGER": str(path),
            "LINEAGE_CONFIG": config,
            "LINEAGE_PASSPHRASE": "right",
        }
        main = "from ledger.cli.main import entry_point; entry_point()"
        command = [sys.executable, "-c", main, "identity", "rotate", "ada"]
        subprocess.run(command, env=env, check=True, timeout=60, capture_output=True)
        sign(opened, "two")


def test_without_the_right_passphrase_a_ledger_signs_nothing_and_says_so_each_time(
    tmp_path: Path, stretched: Counter[bytes]
) -> None:
    path, config = made(tmp_path)
    file = tmp_path / "a.txt"
    file.write_text("words")
    stretched.clear()
    with ledger.open(path, config=config, passphrases=Passphrases(b"wrong")) as opened:
        refusals: list[Callable[[], object]] = [
            lambda: opened.sign([file], by="ada"),
            opened.sign_checkpoint,
        ]
        for use in refusals * 2:
            with pytest.raises(LineageError) as refused:
                use()
            assert refused.value.code == "passphrase-wrong"
    assert sorted(stretched.values()) == [2, 2]

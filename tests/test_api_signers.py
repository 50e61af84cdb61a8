"""Signers of one's own from Python: an HSM, a KMS, any object or function, given to a ledger that is opened."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import KeyChange, offline
from ledger.errors import LineageError
from ledger.identity import ed25519
from ledger.signer.keyfile import write_elsewhere
from ledger.signer.parcel import place_of
from ledger.signer.passphrases import Passphrases
from ledger.statements.statement import decode_statement
from tests.agents import fake_agent, holding
from tests.test_signer.test_keyimport import CHEAP_SSH, KEY, openssh, written
from tests.world import seed_of

PUBLIC = ed25519.public_key(seed_of("kms"))


class Kms:
    """A signer of one's own; `answer` may do something else than sign."""

    def __init__(self, name: str = "kms") -> None:
        self.name = name
        self.answer: Callable[[bytes], Any] = self.right

    @property
    def public_key(self) -> bytes:
        return ed25519.public_key(seed_of(self.name))

    def right(self, message: bytes) -> bytes:
        return ed25519.sign(seed_of(self.name), message)

    def sign(self, message: bytes) -> Any:
        return self.answer(message)


class Place:
    """A ledger whose ada has her daily key with `kms`."""

    def __init__(self, folder: Path) -> None:
        self.path, self.config = folder / "ledger", str(folder / "keys")
        self.file = folder / "a.txt"
        self.kms = Kms()
        with ledger.create(self.path, config=self.config, unencrypted=True) as made:
            made.new_identity("ada", given=ledger.GivenKeys(current=[self.kms]), unencrypted=True)
            assert made.daily_keys("ada")[0]["lies"] == "external"
            self.sign(made, "at once: the signer that made her is known to the ledger from then on")

    def open(self, *signers: ledger.Signer) -> ledger.Ledger:
        return ledger.open(self.path, config=self.config, signers=signers)

    def sign(self, opened: ledger.Ledger, words: str) -> int:
        self.file.write_text(words)
        return opened.sign([self.file], by="ada").new


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def size_of(opened: ledger.Ledger) -> int:
    return opened.checkpoint().size


def test_a_signer_is_given_when_a_ledger_is_opened(place: Place) -> None:
    function = ledger.CallableSigner(PUBLIC, place.kms.right)
    signers: list[ledger.Signer] = [place.kms, function]
    for number, signer in enumerate(signers):
        with place.open(Kms("another"), signer) as opened:
            assert place.sign(opened, f"words, number {number}, and some more of them") == 1
    with place.open() as opened, pytest.raises(LineageError) as refused:
        place.sign(opened, "not without")
    error = refused.value
    assert (error.code, error.item) == ("signer-missing", "ada (current.key)")
    assert PUBLIC.hex() in error.reason
    assert "signers=[" in error.fix


def test_a_signer_that_fails_leaves_the_log_and_the_lanes_as_they_were(place: Place) -> None:
    with place.open(place.kms) as opened:
        before = size_of(opened)
        for answer, code in (
            (lambda message: ed25519.sign(seed_of("eve"), message), "signature-wrong"),
            (lambda message: place.kms.right(message)[:63], "signature-wrong"),
            (lambda _message: 1 / 0, "signer-failed"),
        ):
            place.kms.answer = answer
            with pytest.raises(LineageError) as refused:
                place.sign(opened, "words that are not signed")
            assert refused.value.code == code
            assert size_of(opened) == before
            (ada,) = opened.status()["identities"]
            assert ada["pending"] == 0
        place.kms.answer = place.kms.right
        assert place.sign(opened, "words that are signed") == 1
        assert [item["contested"] for item in opened.list_identities()] == [None, None]


def test_an_external_key_says_everything_that_a_file_says(place: Place) -> None:
    """Delegations, endorsements, attestations: all that is signed is signed by the one way."""
    with place.open(place.kms) as opened:
        opened.new_identity(
            "ada+m",
            "pair",
            of="ada",
            substrate={"name": "m", "version": "1"},
            unencrypted=True,
        )
        opened.new_identity("bob", unencrypted=True)
        place.file.write_text("what bob made, who has his key in a file")
        signed = opened.sign([place.file], by="bob")
        opened.attest([(signed.ids[0],)], "ada", "content", "confirmed")
        opened.endorse("bob", "ada", "known", "in-person")
        opened.undelegate("ada", "ada+m")
        (grade,) = opened.show_identity("bob")["endorsements"]
        assert grade["issuer"] == opened.identity_id("ada").hex()
        (delegation,) = opened.show_identity("ada+m")["delegations"]
        assert "ended by its anchor" in delegation["end"]
        assert opened.trace(signed.ids[0]).nodes[signed.ids[0]].attested_by_others == 1


def test_it_rotates_to_a_signer_and_away_from_one(place: Place) -> None:
    second = Kms("second")
    with place.open(place.kms) as opened:
        opened.change_keys(
            "ada", KeyChange("rotate", given=ledger.GivenKeys(next=[second])), unencrypted=True
        )
        assert opened.daily_keys("ada")[0]["lies"] == "file"
        assert opened.change_keys("ada", KeyChange("rotate"), unencrypted=True).state == "in-force"
        assert opened.daily_keys("ada")[0]["lies"] == "external"
        assert place.sign(opened, "by the second signer") == 1
    with place.open(place.kms) as opened, pytest.raises(LineageError) as refused:
        place.sign(opened, "the first one is over")
    assert refused.value.code == "signer-missing"
    with place.open(second) as opened:
        assert opened.change_keys("ada", KeyChange("rotate"), unencrypted=True).state == "in-force"
        assert place.sign(opened, "by a file again") == 1


@pytest.mark.parametrize("type_", ["rotate", "recover", "retire"])
def test_keys_are_given_only_where_a_change_commits_to_some(type_: str, place: Place) -> None:
    given = ledger.GivenKeys(current=[Kms("x")]) if type_ != "retire" else ledger.GivenKeys(next=[Kms("x")])
    with place.open(place.kms) as opened, pytest.raises(LineageError) as refused:
        opened.change_keys("ada", KeyChange(type_, given=given), unencrypted=True)
    assert refused.value.code == "usage"


def test_offline_a_signer_is_given_with_the_keys(place: Place, tmp_path: Path) -> None:
    output = tmp_path / "a.statement"
    place.file.write_text("signed on another machine, by a signer that is given there")
    keys = offline.open_keys(None, place.config, Passphrases())
    with pytest.raises(LineageError) as refused:
        offline.sign_files_offline(keys, [place.file], output, "ada")
    assert refused.value.code == "signer-missing"
    assert not output.exists()
    keys = offline.open_keys(None, place.config, Passphrases(), [place.kms])
    place.kms.answer = lambda message: place.kms.right(message[1:])
    with pytest.raises(LineageError) as refused:
        offline.sign_files_offline(keys, [place.file], output, "ada")
    assert refused.value.code == "signature-wrong"
    assert not output.exists()
    place.kms.answer = place.kms.right
    offline.sign_files_offline(keys, [place.file], output, "ada")
    with place.open() as opened:
        (answered,) = opened.append_files([output])
        assert answered.count("appended") == 1


def test_the_logs_key_lies_in_a_file(place: Place) -> None:
    """A commit must not wait for somebody outside: what says otherwise is refused before the log is touched."""
    with place.open(place.kms) as opened:
        key = opened.keys.log_key_file
        before, public = size_of(opened), opened.vkey.key
    key.rename(key.with_name("away"))
    write_elsewhere(key, public, "external", "")
    log_signer = ledger.CallableSigner(public, lambda message: message)
    with place.open(place.kms, log_signer) as opened:
        for use in (opened.sign_checkpoint, lambda: place.sign(opened, "words"), opened.drain):
            with pytest.raises(LineageError) as refused:
                use()
            assert refused.value.code == "key-elsewhere"
        assert size_of(opened) == before
    key.unlink()
    key.with_name("away").rename(key)
    with place.open(place.kms) as opened:
        assert place.sign(opened, "words") == 1


def test_a_ledger_is_not_opened_with_a_signer_that_is_none(place: Place) -> None:
    for signer in (object(), ledger.CallableSigner(bytes(32), place.kms.right)):
        with pytest.raises(LineageError) as refused:
            place.open(signer)  # type: ignore[arg-type]
        assert refused.value.code == "key-refused"
    with place.open(place.kms) as opened:  # and it is not left open
        assert place.sign(opened, "words") == 1


def test_a_key_of_the_agent_and_a_key_of_a_file_are_given_alike(
    place: Place, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = ledger.import_key(written(tmp_path / "k", openssh(encryption=CHEAP_SSH)), b"right")
    assert imported.public_key == KEY.public_key().public_bytes_raw()
    with pytest.raises(LineageError) as refused:
        ledger.import_key(tmp_path / "k")
    assert (refused.value.code, refused.value.fix) == (
        "passphrase-missing",
        "Give its passphrase to import_key.",
    )
    with (
        fake_agent(tmp_path_factory.mktemp("a"), monkeypatch, holding(("eve",))),
        place.open() as opened,
    ):
        given = ledger.GivenKeys(current=[ledger.agent_key("eve")], next=[imported])
        opened.new_identity("eve", given=given, unencrypted=True)
        assert opened.daily_keys("eve")[0] == {
            "public": ed25519.public_key(seed_of("eve")).hex(),
            "lies": "ssh-agent",
            "encrypted": False,
            "comment": "eve",
        }
        place.file.write_text("by a key of the agent")
        assert opened.sign([place.file], by="eve").new == 1
        assert opened.change_keys("eve", KeyChange("rotate"), unencrypted=True).state == "in-force"
        assert opened.daily_keys("eve")[0]["public"] == imported.public_key.hex()


def test_a_batch_is_signed_by_a_signer_of_ones_own(place: Place) -> None:
    """In the background, from any thread; what the signer does not sign has failed, and its place gets nothing else."""
    asked: list[bytes] = []

    def remember(message: bytes) -> bytes:
        asked.append(message)
        return place.kms.right(message)

    def fail(message: bytes) -> bytes:
        asked.append(message)
        raise ConnectionError("the KMS is away")

    place.kms.answer = remember
    with place.open(place.kms) as opened:
        batch = opened.batch(by="ada", age_s=0).__enter__()
        first = batch.add("what is signed at first, and stands in the log in the end")
        first.signed.result(30)
        place.kms.answer = fail
        lost = batch.add("what the signer does not sign, so that it was never said")
        error = lost.signed.exception(30)
        place.kms.answer = remember
        last = batch.add("what is signed when the signer is back")
        last.receipt.result(30)
        with pytest.raises(LineageError, match="1 artifact of the batch") as told:
            batch.__exit__(None, None, None)
        for refused in (error, told.value):
            assert isinstance(refused, LineageError)
            assert (refused.code, refused.family) == ("signer-failed", "StoreFault")
        assert opened.find_all(first.id.hex()) == [first.id]
        assert opened.find_all(last.id.hex()) == [last.id]
        with pytest.raises(LineageError) as unknown:
            opened.find_all(lost.id.hex())
        assert unknown.value.code == "unlogged"
        assert opened.status()["outbox"]["waiting"] == 0
    places = [place_of(decode_statement(message.split(b" ", 4)[4])) for message in asked]
    assert len(set(places)) == len(places) == 3


def test_legacy_data_is_imported_by_a_signer_of_ones_own(place: Place, tmp_path: Path) -> None:
    shard = tmp_path / "old.txt"
    shard.write_text("".join(f"line {number}\n" for number in range(100)))

    def imported(opened: ledger.Ledger) -> int:
        source, license_ = "https://example.org/old", "CC0-1.0"
        return opened.import_rows([shard], None, "ada", source=source, license=license_).rows

    with place.open(place.kms) as opened:
        place.kms.answer = lambda message: place.kms.right(message)[:-1]
        with pytest.raises(LineageError) as refused:
            imported(opened)
        assert refused.value.code == "signature-wrong"
        place.kms.answer = place.kms.right
        assert imported(opened) == 100

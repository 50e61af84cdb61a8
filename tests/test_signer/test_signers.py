"""Signers outside of the process: held to their key, waited for and no longer; and whatever they do, no place is signed twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.merkle.tree import hash_leaf
from ledger.signer import lanes as lanes_module
from ledger.signer import signing
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import LocalIdentity
from ledger.signer.newkeys import GivenKeys
from ledger.signer.passphrases import Passphrases
from ledger.signer.signers import CallableSigner, OutsideSigner, SeedSigner, Signer, known
from ledger.signer.signing import Signed
from ledger.statements.statement import decode_statement
from tests.test_signer.scene import Scene, code_of, refusal_of
from tests.world import seed_of

SEED = seed_of("kms")
PUBLIC = ed25519.public_key(SEED)
MESSAGE = b"some words"
RIGHT = ed25519.sign(SEED, MESSAGE)


def right(message: bytes) -> bytes:
    return ed25519.sign(SEED, message)


class Hsm:
    """A signer as others would write one."""

    public_key = PUBLIC

    def sign(self, message: bytes) -> bytes:
        return right(message)


def test_a_seed_an_object_and_a_function_sign_alike() -> None:
    signers: list[Signer] = [SeedSigner(SEED), Hsm(), CallableSigner(PUBLIC, right)]
    for signer in signers:
        assert (known(signer).public_key, known(signer).sign(MESSAGE)) == (PUBLIC, RIGHT)
    assert known(signers[0]) is signers[0]
    outside = known(signers[1])
    assert known(outside) is outside


def test_a_seed_is_not_shown() -> None:
    for shown in (repr(SeedSigner(SEED)), repr(known(Hsm())), str(Keyring(Passphrases(b"secret words")))):
        assert SEED.hex() not in shown
        assert "secret words" not in shown


async def late(message: bytes) -> bytes:
    return right(message)


def fails(_message: bytes) -> bytes:
    raise ConnectionError("the HSM is asleep")


def leaves(_message: bytes) -> bytes:
    raise SystemExit(3)


WRONG: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "another key's": (lambda message: ed25519.sign(seed_of("eve"), message), "signature-wrong"),
    "over its digest": (lambda message: right(hash_leaf(message)), "signature-wrong"),
    "63 bytes": (lambda message: right(message)[:-1], "signature-wrong"),
    "65 bytes": (lambda message: right(message) + b"\0", "signature-wrong"),
    "text": (lambda message: right(message).hex(), "signature-wrong"),
    "a bytearray": (lambda message: bytearray(right(message)), "signature-wrong"),
    "nothing": (lambda _message: None, "signature-wrong"),
    "all zero": (lambda _message: bytes(64), "signature-wrong"),
    "R the identity, S nothing": (lambda _message: bytes([1]) + bytes(63), "signature-wrong"),
    "a failure": (fails, "signer-failed"),
    "an exit": (leaves, "signer-failed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_and_is_no_signature(name: str) -> None:
    function, code = WRONG[name]
    wrong = refusal_of(lambda: known(CallableSigner(PUBLIC, function)).sign(MESSAGE))
    assert (type(wrong), wrong.code) == (StoreFault, code)
    assert PUBLIC.hex()[:16] in wrong.item
    if function is fails:
        assert "the HSM is asleep" in wrong.reason


def test_what_a_signer_of_this_program_says_is_passed_on() -> None:
    said = RefusedInput("agent-refuses", "x", "y", "z")

    def refuse(_message: bytes) -> bytes:
        raise said

    assert refusal_of(lambda: known(CallableSigner(PUBLIC, refuse)).sign(MESSAGE)) is said


def test_a_coroutine_is_no_signature() -> None:
    made: list[Any] = []

    def ask(message: bytes) -> Any:
        made.append(late(message))
        return made[-1]

    wrong = refusal_of(lambda: known(CallableSigner(PUBLIC, ask)).sign(MESSAGE))
    made[0].close()
    assert wrong.code == "signature-wrong"
    assert "coroutine" in wrong.reason


def test_a_late_answer_is_not_taken_and_not_mixed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "SIGNER_WAIT_S", 0.05)
    released, answered = threading.Event(), threading.Event()

    def slow(message: bytes) -> bytes:
        released.wait()
        answered.set()
        return right(message)

    signer = known(CallableSigner(PUBLIC, slow))
    first = refusal_of(lambda: signer.sign(b"the first"))
    assert (type(first), first.code) == (StoreFault, "signer-late")
    again = refusal_of(lambda: signer.sign(MESSAGE))
    assert again.code == "signer-late"
    assert "earlier" in again.reason
    released.set()
    assert answered.wait(10)
    thread = signer._late  # type: ignore[union-attr]
    assert thread is not None
    thread.join(10)
    assert signer.sign(MESSAGE) == RIGHT


class Silent:
    @property
    def public_key(self) -> bytes:
        raise ConnectionError("no route to the KMS")

    def sign(self, message: bytes) -> bytes:
        return right(message)


@pytest.mark.parametrize(
    ("signer", "code"),
    [
        (object(), "key-refused"),
        (CallableSigner(PUBLIC[:31], right), "key-refused"),
        (CallableSigner(PUBLIC + b"\0", right), "key-refused"),
        (CallableSigner(PUBLIC.hex(), right), "key-refused"),  # type: ignore[arg-type]
        (CallableSigner(bytes([1]) + bytes(31), right), "key-refused"),
        (CallableSigner(ed25519._PROBE_KEY, right), "key-refused"),
        (type("Mute", (), {"public_key": PUBLIC})(), "key-refused"),
        (Silent(), "signer-failed"),
    ],
)
def test_a_signer_that_is_none_is_refused_before_it_is_asked(signer: Any, code: str) -> None:
    assert code_of(lambda: known(signer)) == code
    assert code_of(lambda: Keyring(Passphrases(), [signer])) == code


# What becomes of a lane


class Kms:
    """An external signer whose answers a test changes; it remembers all that it was asked to sign."""

    def __init__(self, name: str = "kms") -> None:
        self.seed = seed_of(name)
        self.public_key = ed25519.public_key(self.seed)
        self.asked: list[bytes] = []
        self.answer: Callable[[bytes], Any] = self.right

    def right(self, message: bytes) -> bytes:
        return ed25519.sign(self.seed, message)

    def sign(self, message: bytes) -> Any:
        self.asked.append(message)
        return self.answer(message)

    def places(self) -> dict[tuple[Any, ...], set[bytes]]:
        """What it was asked to sign at each place of a lane."""
        found: dict[tuple[Any, ...], set[bytes]] = {}
        for message in self.asked:
            payload = message.split(b" ", 4)[4]
            fields = decode_statement(payload).fields
            if "lane" in fields:
                place = tuple(fields[name] for name in ("by", "key", "lane", "seq"))
                found.setdefault(place, set()).add(payload)
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def kms(scene: Scene) -> Kms:
    """The external signer of ada's daily key."""
    made = Kms()
    scene.enrol(given=GivenKeys(current=[made]))
    return made


def ring(*signers: Signer) -> Keyring:
    return Keyring(Passphrases(), signers)


def sign(scene: Scene, kms: Kms, name: str = "ada") -> bytes:
    """A new text, signed; its artifact id."""
    record = scene.record(name)
    signer = scene.keys.unlock(scene.keys.find(name), ring(kms))
    signed = Signed(ids=[hash_leaf(record)])
    signing.append_records(scene.door, signer, [record], signed, lambda _done: None)
    return signed.ids[0]


def lanes_of(ada: LocalIdentity) -> list[Path]:
    return sorted(ada.lanes.iterdir()) if ada.lanes.exists() else []


def test_it_signs_again_and_again_in_one_lane(scene: Scene, kms: Kms) -> None:
    for _ in range(3):
        assert scene.door.find_artifact(sign(scene, kms)) is not None
    assert [place[3] for place in kms.places()] == [0, 1, 2]
    assert len(lanes_of(scene.keys.find("ada"))) == 1


def stop(_message: bytes) -> bytes:
    raise RuntimeError("stopped")


FAILURES: dict[str, Callable[[bytes], Any]] = {
    **{name: function for name, (function, _code) in WRONG.items()},
    "stopped": stop,
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_keeps_sends_and_frames_nobody(name: str, scene: Scene, kms: Kms) -> None:
    """Whatever it was asked to sign, it may have signed: that place gets no other payload."""
    sign(scene, kms)
    size = len(scene.door.sent)
    kms.answer = FAILURES[name]
    for _ in range(2):
        with pytest.raises(LineageError):
            sign(scene, kms)
    assert len(scene.door.sent) == size
    ada = scene.keys.find("ada")
    assert lanes_module.pending_parcels(ada.lanes) == []
    kms.answer = kms.right
    artifact_id = sign(scene, kms)
    assert scene.door.find_artifact(artifact_id) is not None
    assert len(scene.door.sent) == size + 1
    assert len(kms.places()) == 4
    assert all(len(payloads) == 1 for payloads in kms.places().values())
    sign(scene, kms)
    assert len(lanes_of(ada)) == 3, "the lanes of the two failures are over, the third one goes on"


def test_a_crash_between_the_signature_and_its_keeping_frames_nobody(
    scene: Scene, kms: Kms, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(scene, kms)

    def die(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lanes_module.Lane, "keep", die)
        with pytest.raises(KeyboardInterrupt):
            sign(scene, kms)
    sign(scene, kms)
    assert len(kms.places()) == 3
    assert all(len(payloads) == 1 for payloads in kms.places().values())


def test_what_was_kept_and_not_sent_is_sent_as_it_is(scene: Scene, kms: Kms) -> None:
    """The lane asked, got its signature and kept it: it is over no more than any other."""

    def lost(_entry: bytes, _results: Any) -> list[Any]:
        raise StoreFault("x", "i", "r", "f")

    sign(scene, kms)
    scene.door.answer = lost
    with pytest.raises(StoreFault):
        sign(scene, kms)
    scene.door.answer = None
    asked = len(kms.asked)
    sign(scene, kms)
    assert len(kms.asked) == asked + 1, "what waited was not signed again"
    assert len(lanes_of(scene.keys.find("ada"))) == 1
    assert all(len(payloads) == 1 for payloads in kms.places().values())


def test_a_seed_in_memory_ends_no_lane(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was signed in a process that died is nobody's."""
    scene.enrol("bob")
    with monkeypatch.context() as patch:
        patch.setattr(lanes_module.Lane, "keep", fails)
        with pytest.raises(TypeError):
            scene.sign("bob")
    scene.sign("bob")
    assert len(lanes_of(scene.keys.find("bob"))) == 1


# Groups that mix all kinds


def test_a_group_may_mix_files_and_signers(scene: Scene, tmp_path: Path) -> None:
    one, two = Kms("one"), Kms("two")
    ada = scene.enrol(keys=3, threshold=2, given=GivenKeys(current=[one, two]))
    assert ada.groups[0].keys[:2] == (one.public_key, two.public_key)

    def signers(*given: Signer) -> Iterator[bytes]:
        unlocked = scene.keys.unlock(ada, ring(*given))
        return iter(signer.public_key for signer in unlocked._signers)

    file = ada.groups[0].keys[2]
    assert list(signers(one, two)) == [one.public_key, two.public_key]
    assert list(signers(two)) == [two.public_key, file]
    assert list(signers(one)) == [one.public_key, file]
    missing = refusal_of(lambda: scene.keys.unlock(ada, ring()))
    assert (missing.code, missing.item) == ("signer-missing", "ada (current.key)")
    assert one.public_key.hex() in missing.reason
    assert "signers=[" in missing.fix
    for answer in (one.right, fails):
        one.answer = answer
        scene.standing()
    signed = Signed(ids=[hash_leaf(scene.record())])
    one.answer = fails
    unlocked = scene.keys.unlock(ada, ring(one, two))
    with pytest.raises(StoreFault):
        signing.append_records(
            scene.door, unlocked, [scene.record_of(signed.ids[0], "ada")], signed, lambda _: None
        )


def test_keys_that_were_given_stand_in_their_keysets_and_are_kept(scene: Scene) -> None:
    outside, imported = Kms(), SeedSigner(seed_of("imported"))
    recovery = SeedSigner(seed_of("recovery"))
    ada = scene.enrol(given=GivenKeys([outside], [imported], [recovery]))
    assert [group.keys for group in ada.groups] == [
        (outside.public_key,),
        (imported.public_key,),
        (recovery.public_key,),
    ]
    assert [signer.public_key for signer in (ring().signer(ada.key_file("next")),)] == [imported.public_key]
    assert scene.change("rotate").state == "in-force"
    scene.check()
    assert scene.sign().new == 1, "the key that was imported is the daily one now"


@pytest.mark.parametrize(
    "given",
    [
        GivenKeys(current=[Hsm()], next=[Hsm()]),
        GivenKeys(next=[SeedSigner(SEED)], recovery=[Hsm()]),
        GivenKeys(current=[Hsm(), Hsm()]),
    ],
)
def test_one_key_in_two_places_is_refused(given: GivenKeys, scene: Scene) -> None:
    refused = refusal_of(lambda: scene.keys.create("ada", "human", None, keys=2, threshold=2, given=given))
    assert refused.code == "keyset-illegal"
    assert scene.keys.names() == []


def test_more_keys_than_a_keyset_has_are_refused(scene: Scene) -> None:
    given = GivenKeys(current=[Kms("one"), Kms("two")])
    refused = refusal_of(lambda: scene.keys.create("ada", "human", None, given=given))
    assert refused.code == "threshold-illegal"
    assert "--keys 2" in refused.fix
    assert scene.keys.names() == []


@pytest.mark.parametrize("name", FAILURES)
def test_who_does_not_sign_his_enrolment_is_not_enrolled(name: str, scene: Scene) -> None:
    kms = Kms()
    kms.answer = FAILURES[name]
    with pytest.raises(LineageError):
        scene.keys.create("ada", "human", None, given=GivenKeys(current=[kms]))
    assert scene.keys.names() == []
    assert not (scene.keys.folder / "identities").exists()


# Key events


def test_a_key_outside_may_be_the_next_one(scene: Scene) -> None:
    """It is committed to, signs the rotation that reveals it, and is the daily key from then on."""
    kms = Kms()
    scene.enrol()
    scene.change("rotate", options={"given": GivenKeys(next=[kms])}, keyring=ring(kms))
    scene.check()
    assert code_of(lambda: scene.change("rotate")) == "signer-missing"
    kms.answer = lambda message: kms.right(message + b"!")
    assert code_of(lambda: scene.change("rotate", keyring=ring(kms))) == "signature-wrong"
    assert scene.standing().kseq == 1
    kms.answer = kms.right
    assert scene.change("rotate", keyring=ring(kms)).kseq == 2
    scene.check()
    assert scene.door.find_artifact(sign(scene, kms)) is not None


@pytest.mark.parametrize("type_", ["rotate", "recover"])
def test_a_key_that_the_identity_had_is_not_committed_to_again(type_: str, scene: Scene) -> None:
    ada = scene.enrol()
    for which in ("current", "next", "recovery"):
        again = SeedSigner(ring().secret(ada.key_file(which)))
        options = {"given": GivenKeys(next=[again]), "former": {ada.groups[0].keys[0]}}
        refused = refusal_of(lambda options=options: scene.change(type_, options=options))  # type: ignore[misc]
        assert refused.code == "keyset-illegal"
    assert scene.standing().kseq == 0
    scene.check()


def test_an_outside_signer_shows_its_key_and_not_more() -> None:
    assert repr(OutsideSigner(Hsm())) == f"OutsideSigner({PUBLIC.hex()[:16]}, external)"

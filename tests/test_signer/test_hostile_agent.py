"""An agent that lies, dies, waits or floods: nothing that it says is believed, and nothing takes longer than it may."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import StoreFault
from ledger.identity import ed25519
from ledger.signer.sshagent import agent_keys, choose_key, find_key
from ledger.signer.sshwire import ed25519_blob, fingerprint, string
from tests.agents import fake_agent, frame, holding, listing, message_of, signature
from tests.test_signer.scene import code_of, refusal_of
from tests.world import seed_of

ADA = ed25519.public_key(seed_of("ada"))
EVE = ed25519.public_key(seed_of("eve"))
BLOB = ed25519_blob(ADA)
MESSAGE = b"DSSEv1 29 some type 3 abc"
RIGHT = ed25519.sign(seed_of("ada"), MESSAGE)
L = 2**252 + 27742317777372353535851937790883648493
LOW_ORDER = bytes.fromhex(
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
)  # y = -1, order 2
MIXED_ORDER = ed25519._PROBE_KEY


def s_plus_l(raw: bytes) -> bytes:
    """The same words under a second signature, where S is not held below L."""
    return raw[:32] + (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "another key's": lambda message: signature(ed25519.sign(seed_of("eve"), message)),
    "over other bytes": lambda message: signature(ed25519.sign(seed_of("ada"), message + b"!")),
    "over the message wrapped as security keys do": lambda message: signature(
        ed25519.sign(seed_of("ada"), bytes(32) + b"\1" + bytes(4) + message)
    ),
    "R of low order, S nothing": lambda _message: signature(LOW_ORDER + bytes(32)),
    "R the identity, S nothing": lambda _message: signature(bytes([1]) + bytes(63)),
    "S beyond L": lambda message: signature(s_plus_l(ed25519.sign(seed_of("ada"), message))),
    "all zero": lambda _message: signature(bytes(64)),
    "63 bytes": lambda message: signature(ed25519.sign(seed_of("ada"), message)[:63]),
    "65 bytes": lambda message: signature(ed25519.sign(seed_of("ada"), message) + b"\0"),
    "nothing": lambda _message: signature(b""),
    "another type": lambda message: signature(
        ed25519.sign(seed_of("ada"), message), b"sk-ssh-ed25519@openssh.com"
    ),
    "something behind it": lambda message: frame(
        14, string(string(b"ssh-ed25519") + string(ed25519.sign(seed_of("ada"), message)) + b"!")
    ),
    "something behind the answer": lambda message: frame(
        14, string(string(b"ssh-ed25519") + string(ed25519.sign(seed_of("ada"), message))) + b"!"
    ),
    "no signature in it": lambda _message: frame(14),
    "a length that is not there": lambda _message: frame(14, b"\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_no_signature(name: str, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_kind: int, fields: bytes) -> bytes:
        return WRONG[name](message_of(fields))

    with fake_agent(sockets, monkeypatch, holding(answer=answer)):
        signer = find_key(ADA)
        wrong = refusal_of(lambda: signer.sign(MESSAGE))
        assert type(wrong) is StoreFault
        assert wrong.code in ("signature-wrong", "agent-failed")


def test_a_right_answer_is_one(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above would pass for any agent."""
    with fake_agent(sockets, monkeypatch, holding()):
        assert find_key(ADA).sign(MESSAGE) == RIGHT


BROKEN: dict[str, bytes] = {
    "no answer": b"",
    "half a length": b"\0\0",
    "half an answer": signature(RIGHT)[:-1],
    "an empty answer": string(b""),
    "an endless answer": b"\xff\xff\xff\xff" + bytes(1_000),
    "an answer beyond the limit": (spec.AGENT_ANSWER_BYTES_MAX + 1).to_bytes(4, "big") + bytes(8),
    "another answer": frame(6),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_agent_that_dies_in_the_middle(name: str, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a list or of a signature. An answer that was not asked for counts as a refusal to sign: why, is asked then."""
    cut = BROKEN[name] or None
    with fake_agent(sockets, monkeypatch, holding(answer=lambda _kind, _fields: cut), dies=True):
        signer = find_key(ADA)
        failed = refusal_of(lambda: signer.sign(MESSAGE))
        assert failed.code == ("agent-refuses" if name == "another answer" else "agent-failed")
    with fake_agent(sockets, monkeypatch, lambda _kind, _fields: cut, dies=True):
        assert code_of(agent_keys) == "agent-failed"


def test_an_agent_that_never_answers_is_waited_for_no_longer_than_told(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spec, "SIGNER_WAIT_S", 0.05)
    released: list[threading.Event] = []

    def answer(_kind: int, _fields: bytes) -> None:
        released[0].wait()

    with fake_agent(sockets, monkeypatch, holding(answer=answer)) as agent:
        released.append(agent.released)
        signer = find_key(ADA)
        late = refusal_of(lambda: signer.sign(MESSAGE))
        assert (type(late), late.code) == (StoreFault, "signer-late")
        agent.answer = holding()
        assert signer.sign(MESSAGE) == RIGHT


def test_an_agent_that_answers_byte_by_byte_gains_no_time(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time and the whole would be right, but it does not come in time."""
    with fake_agent(sockets, monkeypatch, lambda _kind, _fields: listing((BLOB, "x" * 200))) as agent:
        assert len(agent_keys()) == 1
        agent.pause_s = 0.005
        assert code_of(lambda: agent_keys(0.2)) == "signer-late"


def test_time_that_ran_out_between_two_pieces_is_told_too(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(0, 100)
    with fake_agent(sockets, monkeypatch, holding()):
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: next(clock))
            assert code_of(agent_keys) == "signer-late"
        assert len(agent_keys()) == 1


def test_an_answer_is_taken_up_to_the_limit(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame_bytes = len(listing((BLOB, ""))) - 4
    for over in (0, 1):
        comment = b"x" * (spec.AGENT_ANSWER_BYTES_MAX - frame_bytes + over)
        with fake_agent(sockets, monkeypatch, lambda _kind, _fields, said=comment: listing((BLOB, said))):  # type: ignore[misc]
            if over:
                assert code_of(agent_keys) == "agent-failed"
            else:
                assert len(agent_keys()) == 1


LISTS: dict[str, tuple[bytes, str]] = {
    "a key more than it claims": (listing((BLOB, "a"), count=0), "agent-failed"),
    "a key less than it claims": (listing((BLOB, "a"), count=2), "agent-failed"),
    "as many as a number can say": (listing((BLOB, "a"), count=2**32 - 1), "agent-failed"),
    "no count": (frame(12), "agent-failed"),
    "a key that ends nowhere": (frame(12, b"\0\0\0\1\xff\xff\xff\xff"), "agent-failed"),
    "not a list": (frame(6), "agent-failed"),
    "no keys": (listing(), "agent-locked"),
    "keys that are none": (
        listing((b"", ""), (b"\xff", "x"), (b"\0\0\0\x0bssh-ed25519", "y")),
        "agent-key-missing",
    ),
    "the key as a security key's": (
        listing((string(b"sk-ssh-ed25519@openssh.com") + string(ADA) + string(b"ssh:"), "ada")),
        "agent-key-missing",
    ),
    "the key with something behind it": (listing((BLOB + b"!", "ada")), "agent-key-missing"),
    "another key under its comment": (listing((ed25519_blob(EVE), "ada")), "agent-key-missing"),
}


@pytest.mark.parametrize("name", LISTS)
def test_a_list_that_does_not_hold_the_key(name: str, sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, code = LISTS[name]

    def answer(kind: int, _fields: bytes) -> bytes:
        return data if kind == 11 else frame(5)

    with fake_agent(sockets, monkeypatch, answer):
        assert code_of(lambda: find_key(ADA)) == code


def test_a_thousand_keys_and_comments_that_nobody_can_read_hide_none(
    sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"key {number}" for number in range(1_000)]
    blobs = [(ed25519_blob(ed25519.public_key(seed_of(name))), b"caf\xe9\x1b[2J") for name in names]
    malformed = (string(b"ecdsa-sha2-nistp256") + string(b"nistp256") + string(b"\4junk"), b"\xff")

    def answer(kind: int, _fields: bytes) -> bytes:
        return listing(malformed, *blobs, (BLOB, "ada")) if kind == 11 else frame(5)

    with fake_agent(sockets, monkeypatch, answer):
        assert len(agent_keys()) == 1_002
        assert find_key(ADA).public_key == choose_key("ada").public_key == ADA
        missing = refusal_of(lambda: choose_key("nobody"))
        assert "and 994 more" in missing.reason
        assert len(missing.reason) < 1_000


def test_a_comment_is_only_a_name(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is swapped between two keys after one was chosen: who signs is the key, not the comment."""
    keys = [(BLOB, "mine"), (ed25519_blob(EVE), "other")]

    def answer(kind: int, fields: bytes) -> bytes | None:
        return listing(*keys) if kind == 11 else holding(("ada", "eve"))(kind, fields)

    with fake_agent(sockets, monkeypatch, answer):
        chosen = choose_key("mine")
        keys[:] = [(BLOB, "other"), (ed25519_blob(EVE), "mine")]
        assert find_key(chosen.public_key).public_key == ADA
        assert chosen.sign(MESSAGE) == RIGHT


@pytest.mark.parametrize(("key", "words"), [(LOW_ORDER, "low order"), (MIXED_ORDER, "prime order")])
def test_a_key_that_may_not_be_revealed_is_refused_before_it_signs(
    key: bytes, words: str, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_agent(
        sockets, monkeypatch, lambda _kind, _fields: listing((ed25519_blob(key), "bad"))
    ) as agent:
        for use in (lambda: choose_key("bad"), lambda: find_key(key)):
            refused = refusal_of(use)
            assert refused.code == "key-refused"
            assert words in refused.reason
        assert {kind for kind, _fields in agent.requests} == {11}


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (b"sk-ssh-ed25519@openssh.com", "security key"),
        (b"ssh-ed25519-cert-v01@openssh.com", "certificate"),
        (b"ssh-rsa", "ssh-rsa"),
        (b"\xff\xfe", "type"),
    ],
)
def test_a_key_that_signs_something_else_is_refused(
    kind: bytes, word: str, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = string(kind) + string(ADA) + string(b"ssh:")
    with fake_agent(sockets, monkeypatch, lambda _kind, _fields: listing((blob, "hers"))):
        for text in ("hers", fingerprint(blob)):
            refused = refusal_of(lambda text=text: choose_key(text))  # type: ignore[misc]
            assert refused.code == "key-unfit"
            assert word in refused.reason


def test_what_is_sent_is_the_key_and_the_message(sockets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_agent(sockets, monkeypatch, holding()) as agent:
        find_key(ADA).sign(MESSAGE)
        assert agent.requests == [(11, b""), (13, string(BLOB) + string(MESSAGE) + bytes(4))]


ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=60).map(lambda data: frame(12, data)),
    st.binary(max_size=90).map(lambda data: frame(14, data)),
    st.binary(max_size=90).map(signature),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(said=ANSWERS)
def test_whatever_it_says_is_told_as_a_failure(
    said: bytes, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in (holding(answer=lambda _kind, _fields: said or None), lambda _kind, _fields: said or None):
        with monkeypatch.context() as patch, fake_agent(sockets, patch, answer, dies=True):
            assert code_of(lambda: find_key(ADA).sign(MESSAGE)).startswith(("agent-", "signature-"))

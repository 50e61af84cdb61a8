"""Our side of the ssh-agent protocol, with OpenSSH's own agent: what it signs, and each way in which it does not."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from ledger.errors import RefusedInput, StoreFault
from ledger.identity import ed25519
from ledger.signer import sshwire
from ledger.signer.sshagent import agent_keys, choose_key, find_key
from ledger.signer.sshwire import public_line
from tests.agents import RealAgent
from tests.test_signer.scene import code_of, refusal_of

MESSAGE = b"DSSEv1 29 some type 3 abc"


def public_of(path: Path) -> bytes:
    public = sshwire.ed25519_public(public_line(path.with_name(path.name + ".pub").read_text()))
    assert public is not None
    return public


@pytest.mark.parametrize("size", [0, 1, 24_576, 100_000])
def test_the_agent_signs_the_very_bytes(agent: RealAgent, size: int) -> None:
    """Pure Ed25519 over the message itself, nothing wrapped around it: what SPEC §6.1 verifies."""
    path = agent.key()
    agent.add(path)
    signer = find_key(public_of(path))
    message = os.urandom(size)
    assert ed25519.verify(public_of(path), message, signer.sign(message))
    assert signer.public_key == public_of(path)


def test_another_client_sees_the_same_keys_and_gets_the_same_signatures(agent: RealAgent) -> None:
    import paramiko

    for name, kind in (("a", "ed25519"), ("b", "ed25519"), ("c", "ecdsa"), ("d", "rsa")):
        agent.add(agent.key(name, kind=kind, comment=f"key {name}"))
    theirs = paramiko.Agent()
    try:
        ours = agent_keys()
        assert [key.blob for key in ours] == [bytes(key.blob) for key in theirs.get_keys()]
        assert [key.comment for key in ours] == [key.comment for key in theirs.get_keys()]
        assert [key.fingerprint for key in ours] == [key.fingerprint for key in theirs.get_keys()]
        assert [key.public is None for key in ours] == [False, False, True, True]
        for key, other in zip(ours[:2], theirs.get_keys(), strict=False):
            signed = sshwire.ed25519_signature(other.sign_ssh_data(MESSAGE))
            assert choose_key(key.fingerprint).sign(MESSAGE) == signed
    finally:
        theirs.close()


def test_a_key_is_chosen_by_fingerprint_comment_or_file(agent: RealAgent) -> None:
    path, other = agent.key("one", comment="ada at home"), agent.key("two", comment="bob")
    agent.add(path)
    agent.add(other)
    shown = subprocess.run(
        ["ssh-add", "-l"], env=agent.env, check=True, capture_output=True, text=True
    ).stdout
    fingerprint = shown.splitlines()[0].split()[1]
    for text in (fingerprint, fingerprint + "=", "ada at home", f"{path}.pub"):
        chosen = choose_key(text)
        assert (chosen.public_key, chosen.comment) == (public_of(path), "ada at home")
    for text in ("ada", "SHA256:x", "", f"{path}.pub2", fingerprint[:-1], "ada at home\0"):
        assert code_of(lambda text=text: choose_key(text)) == "agent-key-missing"  # type: ignore[misc]
    refused = refusal_of(lambda: choose_key(str(path)))
    assert (refused.code, refused.item) == ("key-unfit", str(path))
    assert ".pub" in refused.fix


def test_a_key_that_the_agent_does_not_have_is_told_with_those_it_has(agent: RealAgent) -> None:
    agent.add(agent.key("one", comment="the only one"))
    absent = agent.key("two")
    refused = refusal_of(lambda: choose_key(f"{absent}.pub"))
    assert refused.code == "agent-key-missing"
    assert "the only one" in refused.reason
    assert "ssh-add" in refused.fix
    assert code_of(lambda: find_key(public_of(absent))) == "agent-key-missing"


def test_a_comment_that_two_keys_have_names_none(agent: RealAgent) -> None:
    for name in ("one", "two"):
        agent.add(agent.key(name, comment="laptop"))
    refused = refusal_of(lambda: choose_key("laptop"))
    assert refused.code == "name-ambiguous"
    assert refused.reason.count("SHA256:") == 2


def test_of_a_key_and_others_of_its_name_the_one_that_can_sign_is_meant(agent: RealAgent) -> None:
    """`ssh-add` gives a certificate to the agent beside its key, under one comment."""
    authority, path = agent.key("ca"), agent.key("one", comment="laptop")
    agent.add(agent.key("r", kind="rsa", comment="laptop"))
    subprocess.run(
        ["ssh-keygen", "-q", "-s", str(authority), "-I", "id", "-n", "me", f"{path}.pub"],
        check=True,
        timeout=60,
    )
    agent.add(path)
    assert len(agent_keys()) == 3
    assert choose_key("laptop").public_key == public_of(path)
    refused = refusal_of(lambda: choose_key(f"{path}-cert.pub"))
    assert refused.code == "key-unfit"
    assert "certificate" in refused.reason


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_another_type_is_refused(agent: RealAgent, kind: str) -> None:
    path = agent.key(kind=kind)
    agent.add(path)
    for text in ("k", f"{path}.pub"):
        refused = refusal_of(lambda text=text: choose_key(text))  # type: ignore[misc]
        assert refused.code == "key-unfit"
        assert kind in refused.reason
        assert "ssh-keygen -t ed25519" in refused.fix


def test_no_agent_at_all(monkeypatch: pytest.MonkeyPatch, sockets: Path) -> None:
    plain = sockets / "file"
    plain.touch()
    for path, words in ((None, "is not set"), ("", "is not set"), (sockets / "gone", "No such file")):
        if path is None:
            monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
        else:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        refused = refusal_of(agent_keys)
        assert (type(refused), refused.code) == (RefusedInput, "agent-missing")
        assert words in refused.reason
        assert "ssh-agent" in refused.fix
    for path in (plain, "x" * 200):
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        assert code_of(agent_keys) == "agent-missing"


def test_an_agent_that_is_gone_since(agent: RealAgent) -> None:
    path = agent.key()
    agent.add(path)
    signer = find_key(public_of(path))
    agent.end()
    assert code_of(lambda: signer.sign(MESSAGE)) == "agent-missing"


def test_a_locked_agent_is_told_from_one_without_keys(agent: RealAgent) -> None:
    path = agent.key()
    empty = refusal_of(lambda: find_key(public_of(path)))
    assert (empty.code, empty.reason) == ("agent-key-missing", "the agent has no key")
    agent.add(path)
    signer = find_key(public_of(path))
    agent.add("-x")
    for use in (lambda: find_key(public_of(path)), lambda: choose_key("k"), lambda: signer.sign(MESSAGE)):
        locked = refusal_of(use)
        assert locked.code == "agent-locked"
        assert "ssh-add -X" in locked.fix
    agent.add("-X")
    assert signer.sign(MESSAGE)
    agent.add("-D")
    assert code_of(lambda: signer.sign(MESSAGE)) == "agent-key-missing"


def test_a_key_that_is_gone_since(agent: RealAgent) -> None:
    path, other = agent.key("one"), agent.key("two")
    agent.add(path)
    agent.add(other)
    signer = find_key(public_of(path))
    agent.add("-d", path)
    refused = refusal_of(lambda: signer.sign(MESSAGE))
    assert refused.code == "agent-key-missing"
    assert "two" in refused.reason


def test_a_confirmation_that_is_refused_and_one_that_is_given(agent: RealAgent) -> None:
    path = agent.key()
    agent.add("-c", path)
    signer = find_key(public_of(path))
    agent.confirms(False)
    refused = refusal_of(lambda: signer.sign(MESSAGE))
    assert (type(refused), refused.code) == (RefusedInput, "agent-refuses")
    assert "ssh-add -c" in refused.fix
    agent.confirms(True)
    assert ed25519.verify(public_of(path), MESSAGE, signer.sign(MESSAGE))


def test_a_key_that_is_bound_to_destinations(agent: RealAgent) -> None:
    path, host = agent.key(), agent.key("host")
    known = agent.folder / "known_hosts"
    known.write_text("host.example " + (agent.folder / "host.pub").read_text())
    agent.add("-H", known, "-h", "host.example", path)
    signer = choose_key("k")
    refused = refusal_of(lambda: signer.sign(MESSAGE))
    assert refused.code == "agent-refuses"
    assert "ssh-add -h" in refused.fix
    assert public_of(host) != signer.public_key


def test_many_threads_ask_at_once(agent: RealAgent) -> None:
    """Each conversation has a connection of its own."""
    path = agent.key()
    agent.add(path)
    signer = find_key(public_of(path))
    failed: list[object] = []

    def sign(number: int) -> None:
        for turn in range(20):
            message = f"{number} {turn}".encode()
            if not ed25519.verify(signer.public_key, message, signer.sign(message)):
                failed.append(message)

    threads = [threading.Thread(target=sign, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_an_agent_that_is_stopped_is_waited_for_no_longer_than_told(
    agent: RealAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    os.kill(agent.pid, signal.SIGSTOP)
    try:
        late = refusal_of(lambda: agent_keys(0.05))
        assert (type(late), late.code) == (StoreFault, "signer-late")
        monkeypatch.setattr("ledger.spec.SIGNER_WAIT_S", 0.05)
        assert code_of(agent_keys) == "signer-late"
    finally:
        os.kill(agent.pid, signal.SIGCONT)

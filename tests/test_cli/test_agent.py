"""`lineage` with keys that were made elsewhere: in the ssh-agent, in files of OpenSSH and in PEM."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ledger.identity import ed25519
from ledger.signer.keyfile import write_elsewhere
from ledger.signer.sshwire import ed25519_blob, fingerprint
from tests.agents import RealAgent, fake_agent, frame, holding, listing, message_of, signature
from tests.test_cli.command import Cli, Clock
from tests.test_signer.test_keyimport import CHEAP_SSH, KEY, RSA, openssh, pem, written
from tests.test_signer.test_sshagent import public_of
from tests.world import seed_of

LONG = "long enough that nobody guesses it from its digest, as sixty-four bytes are. "
FINGERPRINT = fingerprint(ed25519_blob(KEY.public_key().public_bytes_raw()))
PUBLIC = KEY.public_key().public_bytes_raw().hex()


@pytest.fixture
def log(cli: Cli) -> Cli:
    """A ledger with keys in clear, and nobody in it."""
    cli.begin()
    return cli


@pytest.fixture
def held(log: Cli, agent: RealAgent) -> Cli:
    """The human ada, whose daily key is in an agent."""
    agent.add(agent.key(comment="ada at home"))
    assert log("identity", "new", "ada", "--agent", "ada at home", "--unencrypted").code == 0
    return log


def test_a_daily_key_stays_in_the_agent(log: Cli, agent: RealAgent) -> None:
    path = agent.key(comment="ada at home")
    agent.add(path)
    ran = log("identity", "new", "ada", "--agent", f"{path}.pub", "--unencrypted")
    assert "daily key in the ssh-agent (ada at home)" in ran.out
    folder = log.keys("ada")
    fields = json.loads((folder / "current.key").read_text())
    assert (fields["protection"], fields["public"]) == ("ssh-agent", public_of(path).hex())
    assert "secret" not in fields
    assert "secret" in json.loads((folder / "next.key").read_text()), "a thief of the agent cannot rotate"
    assert log.json("sign", log.write("a.md", LONG), "--by", "ada")["new"] == 1
    where = {
        "public": public_of(path).hex(),
        "lies": "ssh-agent",
        "encrypted": False,
        "comment": "ada at home",
    }
    (listed,) = (item for item in log.json("identity", "list")["identities"] if item["name"] == "ada")
    (status,) = log.json("status")["identities"]
    for facts in (listed, status, log.json("identity", "show", "ada")):
        assert facts["daily_keys"] == [where]
    for command in (("identity", "list"), ("identity", "show", "ada"), ("status",)):
        assert "in the ssh-agent (ada at home)" in log(*command).out
    assert log.json("audit")["ok"] is True


def test_the_doctor_says_whether_the_agent_has_it(held: Cli, agent: RealAgent) -> None:
    assert "the ssh-agent has it (ada at home)" in held("doctor").out
    agent.add("-D")
    gone = held("doctor")
    assert gone.code == 0, "it may come back"
    assert "the ssh-agent does not have it now" in gone.out
    agent.end()
    assert "no agent answers" in held("doctor").out


def test_where_keys_in_files_lie_is_told_too(log: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    log("identity", "new", "ada", "--unencrypted")
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "right")
    log("identity", "new", "bob")
    assert "daily key  in a file, NOT encrypted" in log("identity", "show", "ada").out
    assert "daily key  in a file, encrypted" in log("identity", "show", "bob").out
    assert "daily key" not in log("identity", "list").out
    (log.keys("ada") / "current.key").unlink()
    (log.keys("bob") / "current.key").write_text("{")
    assert "daily key not on this machine" in log("identity", "list").out
    assert "daily key in a file that cannot be read" in log("status").out
    shutil.copy(log.keys("ada") / "next.key", log.keys("ada") / "current.key")
    assert "daily key not on this machine" in log("identity", "list").out, "another key lies there"


REFUSALS = {
    "agent-missing": ("no agent", "ssh-agent"),
    "agent-locked": ("locked", "ssh-add -X"),
    "agent-key-missing": ("not this one", "ssh-add FILE"),
    "agent-refuses": ("does not sign", "ssh-add -c"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_a_key_that_does_not_sign_signs_nothing(code: str, log: Cli, agent: RealAgent) -> None:
    path = agent.key("k")
    agent.add("-c", path)
    log("identity", "new", "ada", "--agent", f"{path}.pub", "--unencrypted")
    file = log.write("a.md", LONG)
    if code == "agent-missing":
        agent.end()
    elif code == "agent-locked":
        agent.add("-x")
    elif code == "agent-key-missing":
        agent.add("-d", path)
        agent.add(agent.key("other"))
    else:
        agent.confirms(False)
    error = log.refused(code, "sign", file, "--by", "ada")
    words, fix = REFUSALS[code]
    assert words in error["reason"]
    assert fix in error["fix"]
    assert log.json("status")["identities"][0]["pending"] == 0
    if code == "agent-refuses":
        agent.confirms(True)
        assert log.json("sign", file, "--by", "ada")["new"] == 1


@pytest.mark.parametrize("how", ["declined", "destinations", "rsa", "absent", "certificate"])
def test_a_key_that_cannot_sign_makes_no_identity(how: str, log: Cli, agent: RealAgent) -> None:
    path = agent.key("k", kind="rsa" if how == "rsa" else "ed25519")
    code = {"declined": "agent-refuses", "destinations": "agent-refuses", "absent": "agent-key-missing"}
    if how == "declined":
        agent.add("-c", path)
        agent.confirms(False)
    elif how == "destinations":
        agent.key("host")
        known = log.write("known", "host.example " + (agent.folder / "host.pub").read_text())
        agent.add("-H", known, "-h", "host.example", path)
    elif how == "rsa":
        agent.add(path)
    named: Path | str = f"{path}.pub"
    if how == "certificate":
        agent.add(path)
        named = log.write("cert.pub", "ssh-ed25519-cert-v01@openssh.com AAAA x")
    log.refused(code.get(how, "key-unfit"), "identity", "new", "ada", "--agent", named, "--unencrypted")


def test_an_agent_that_lies_makes_nobody_say_anything(
    log: Cli, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_agent(sockets, monkeypatch, holding()) as liar:
        log("identity", "new", "ada", "--agent", "ada", "--unencrypted")
        file = log.write("a.md", LONG)
        liar.answer = holding(
            answer=lambda _kind, fields: signature(ed25519.sign(seed_of("eve"), message_of(fields)))
        )
        error = log.refused("signature-wrong", "sign", file, "--by", "ada")
        assert error["family"] == "StoreFault"
        log.refused("signature-wrong", "identity", "new", "eve", "--agent", "ada", "--unencrypted")
        liar.answer = holding()
        assert log.json("sign", file, "--by", "ada")["new"] == 1
    assert log.json("audit")["ok"] is True


HOSTILE = "\x1b[31mred\rforged\n\u202e"


def test_a_hostile_comment_never_reaches_the_terminal_raw(
    log: Cli, sockets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = ed25519_blob(ed25519.public_key(seed_of("ada")))

    def answer(kind: int, fields: bytes) -> bytes | None:
        return listing((blob, HOSTILE * 100)) if kind == 11 else holding()(kind, fields) or frame(5)

    with fake_agent(sockets, monkeypatch, answer):
        listed = log("identity", "new", "x", "--agent", "nobody", "--unencrypted")
        named = listed.err.split("(")[0].split()[-1]
        assert log("identity", "new", "ada", "--agent", named, "--unencrypted").code == 0
        runs = [listed, *(log(*command) for command in (("status",), ("identity", "list"), ("doctor",)))]
        runs.append(log("identity", "show", "ada"))
    for ran in runs:
        assert not set("\x1b\r\u202e") & set(ran.out + ran.err)


def test_daily_keys_of_an_agent_and_of_files_make_one_group(log: Cli, agent: RealAgent) -> None:
    for name in ("one", "two"):
        agent.add(agent.key(name))
    imported = written(log.folder / "k", openssh())
    shape = ("--keys", "4", "--threshold", "3", "--unencrypted")
    given = ("--agent", "one", "--agent", "two", "--current-key", imported)
    log("identity", "new", "lab", "--role", "curator", *shape, *given)
    lies = [key["lies"] for key in log.json("identity", "show", "lab")["daily_keys"]]
    assert lies == ["ssh-agent", "ssh-agent", "file", "file"]
    for change in ((), ("-d", agent.folder / "two")):
        if change:
            agent.add(*change)
        assert log("sign", log.write("a.md", LONG + str(change)), "--reported", "--by", "lab").code == 0
    agent.add("-D")
    log.refused("agent-key-missing", "sign", log.write("b.md", LONG + "b"), "--reported", "--by", "lab")


def test_a_rotation_commits_to_a_key_of_the_agent(held: Cli, agent: RealAgent) -> None:
    """So that the daily key is in the agent again after the next rotation."""
    agent.add(agent.key("n", comment="the next one"))
    shown = held("identity", "rotate", "ada", "--unencrypted", "--new-next-agent", "the next one")
    assert "Move this one away" in shown.out
    assert "recovery.key" in shown.out
    assert "/next.key" not in shown.out
    assert held.json("identity", "show", "ada")["daily_keys"][0]["lies"] == "file"
    held.refused(
        "keyset-illegal", "identity", "rotate", "ada", "--unencrypted", "--new-next-agent", "the next one"
    )
    agent.add("-D")
    held.refused("agent-key-missing", "identity", "rotate", "ada", "--unencrypted")
    agent.add(agent.folder / "n")
    assert held.json("identity", "rotate", "ada", "--unencrypted")["state"] == "in-force"
    assert held.json("identity", "show", "ada")["daily_keys"][0]["comment"] == "the next one"
    assert held.json("sign", held.write("a.md", LONG))["new"] == 1
    assert held.json("audit")["ok"] is True


def test_the_key_that_was_daily_is_not_committed_to(held: Cli) -> None:
    """It would be refused when it is revealed, and the identity would be stuck."""
    before = held.json("identity", "show", "ada")["key_event"]
    held.refused(
        "keyset-illegal", "identity", "rotate", "ada", "--unencrypted", "--new-next-agent", "ada at home"
    )
    assert held.json("identity", "show", "ada")["key_event"] == before
    assert held("identity", "rotate", "ada", "--unencrypted").code == 0
    held.refused(
        "keyset-illegal", "identity", "rotate", "ada", "--unencrypted", "--new-next-agent", "ada at home"
    )


def test_signing_offline_by_an_agents_key(held: Cli, agent: RealAgent) -> None:
    file, output = held.write("a.md", LONG), held.folder / "a.statement"
    agent.add("-x")
    assert held("sign", file, "--offline", "-o", output).code == 2
    assert not output.exists()
    agent.add("-X")
    assert held("sign", file, "--offline", "-o", output).code == 0
    assert held.json("append", output)["appended"] == 1
    agent.add(agent.key("two"))
    made = held.folder / "bob.statement"
    held("identity", "new", "bob", "--offline", "-o", made, "--agent", "two", "--unencrypted")
    assert held("append", made).code == 0
    assert held.json("identity", "show", "bob")["daily_keys"][0]["lies"] == "ssh-agent"


def test_an_external_key_is_named_with_what_to_do(log: Cli) -> None:
    log("identity", "new", "ada", "--unencrypted")
    path = log.keys("ada") / "current.key"
    public = bytes.fromhex(json.loads(path.read_text())["public"])
    path.unlink()
    write_elsewhere(path, public, "external", "")
    error = log.refused("signer-missing", "sign", log.write("a.md", LONG))
    assert error["item"] == "ada (current.key)"
    assert public.hex() in error["reason"]
    assert "ledger.open(" in error["fix"]
    assert "daily key with an external signer" in log("status").out
    assert "an external signer has it" in log("doctor").out


# Imported keys


def test_a_daily_key_is_imported_and_encrypted_like_a_new_one(
    log: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINEAGE_PASSPHRASE", "of the ledger")
    file = written(log.folder / "id_ed25519", openssh(encryption=CHEAP_SSH))
    right = log.write("pass", "right\n")
    command = ("identity", "new", "ada", "--current-key", file)
    log.refused("passphrase-missing", *command)
    log.refused("passphrase-wrong", *command, "--import-passphrase-file", log.write("wrong", "of the ledger"))
    ran = log(*command, "--import-passphrase-file", right)
    assert ran.code == 0
    assert f"copied key {FINGERPRINT}; {file} still holds it" in ran.err
    fields = json.loads((log.keys("ada") / "current.key").read_text())
    assert (fields["protection"], fields["public"]) == ("argon2id+secretbox", PUBLIC)
    assert log.json("sign", log.write("a.md", LONG))["new"] == 1, "its passphrase is the ledger's now"
    secret = KEY.private_bytes_raw().hex()
    assert secret not in ran.out + ran.err
    assert not [path for path in log.config.rglob("*.key") if secret in path.read_text()]


def test_all_three_keys_are_imported_and_serve(log: Cli) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    keys = {which: Ed25519PrivateKey.generate() for which in ("current", "next", "recovery")}
    options: list[str | Path] = []
    for which, key in keys.items():
        options += [f"--{which}-key", written(log.folder / which, pem(key))]
    log("identity", "new", "ada", "--unencrypted", *options)
    for which, key in keys.items():
        fields = json.loads((log.keys("ada") / f"{which}.key").read_text())
        assert fields["public"] == key.public_key().public_bytes_raw().hex()
    assert log.json("identity", "rotate", "ada", "--unencrypted")["state"] == "in-force"
    assert log.json("sign", log.write("a.md", LONG))["new"] == 1


def test_keys_that_are_one_key_are_refused(log: Cli) -> None:
    file = written(log.folder / "k", openssh())
    other = written(log.folder / "k.pem", pem())
    for options in (
        ("--current-key", file, "--next-key", other),
        ("--next-key", file, "--recovery-key", file),
    ):
        log.refused("keyset-illegal", "identity", "new", "ada", "--unencrypted", *options)
    two = ("--current-key", file, "--current-key", file)
    log.refused("threshold-illegal", "identity", "new", "ada", "--unencrypted", *two)


def test_what_cannot_be_imported_leaves_nothing(log: Cli, cli: Cli) -> None:
    exposed = written(log.folder / "exposed", openssh())
    exposed.chmod(0o644)
    cases: dict[str, tuple[Path | str, ...]] = {
        "key-unfit": (written(log.folder / "rsa", openssh(RSA)),),
        "key-file-damaged": (log.write("damaged", openssh()[:100]),),
        "key-file-exposed": (exposed,),
        "key-file-missing": (log.folder / "absent",),
        "path-illegal": ("",),
    }
    (log.folder / "damaged").chmod(0o600)
    for code, files in cases.items():
        for file in files:
            for option in ("--current-key", "--next-key", "--recovery-key"):
                log.refused(code, "identity", "new", "ada", "--unencrypted", option, file)


def test_a_rotation_commits_to_an_imported_key(log: Cli, clock: Clock) -> None:
    log("identity", "new", "ada", "--unencrypted")
    file = written(log.folder / "k", openssh())
    options = ("--unencrypted", "--new-next-key", file)
    dry = log("identity", "rotate", "ada", *options, "--dry-run")
    assert "still holds" not in dry.err
    ran = log("identity", "rotate", "ada", *options)
    assert f"{file} still holds it" in ran.err
    assert json.loads((log.keys("ada") / "next.key").read_text())["public"] == PUBLIC
    log.refused("keyset-illegal", "identity", "recover", "ada", *options)
    assert log.json("identity", "rotate", "ada", "--unencrypted")["state"] == "in-force"
    assert log.json("identity", "show", "ada")["daily_keys"][0]["public"] == PUBLIC
    other = written(log.folder / "k2", openssh(RSA))
    log.refused("key-unfit", "identity", "recover", "ada", "--unencrypted", "--new-recovery-key", other)


def test_the_operator_does_not_get_the_logs_key(log: Cli) -> None:
    """SPEC §7.2; the log would refuse it only when it is revealed."""
    (key,) = log.config.glob("logs/*/log.key")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    seed = bytes.fromhex(json.loads(key.read_text())["secret"])
    file = written(log.folder / "k", openssh(Ed25519PrivateKey.from_private_bytes(seed)))
    log.refused("keyset-illegal", "identity", "rotate", "operator", "--unencrypted", "--new-next-key", file)


@pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen not found: apt-get install openssh-client"
)
def test_one_key_imported_and_held_by_the_agent_signs_alike(log: Cli, agent: RealAgent) -> None:
    path = agent.key()
    agent.add(path)
    log("identity", "new", "ada", "--current-key", path, "--unencrypted")
    log("identity", "new", "bob", "--agent", f"{path}.pub", "--unencrypted")
    facts = [log.json("identity", "show", name)["daily_keys"][0] for name in ("ada", "bob")]
    assert [fact["lies"] for fact in facts] == ["file", "ssh-agent"]
    assert facts[0]["public"] == facts[1]["public"]

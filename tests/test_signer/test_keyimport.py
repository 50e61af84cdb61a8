"""Keys that were made elsewhere: what can sign comes over as it is, and everything else is told for what it is."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import LineageError
from ledger.identity import ed25519 as ours
from ledger.signer import keyimport
from ledger.signer.keyfile import write_key
from ledger.signer.keyimport import import_key
from ledger.signer.passphrases import Passphrases
from ledger.signer.sshwire import string
from tests.test_signer.scene import code_of, refusal_of
from tests.world import seed_of

SEED = seed_of("imported")
KEY = ed25519.Ed25519PrivateKey.from_private_bytes(SEED)
RSA = rsa.generate_private_key(65_537, 2_048)
CHEAP_SSH = form.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(b"right")
CHEAP_PEM = form.BestAvailableEncryption(b"right")
NOTHING = Passphrases()


def pem(key: object = KEY, encryption: form.KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined, no-any-return]
        form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption or form.NoEncryption()
    )


def openssh(key: object = KEY, encryption: form.KeySerializationEncryption | None = None) -> bytes:
    return key.private_bytes(  # type: ignore[attr-defined, no-any-return]
        form.Encoding.PEM, form.PrivateFormat.OpenSSH, encryption or form.NoEncryption()
    )


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def never(_name: str) -> bytes:
    raise AssertionError("a passphrase was asked for")


@pytest.mark.parametrize("data", [pem(), openssh()])
def test_a_key_in_clear_comes_over_without_a_question(data: bytes, tmp_path: Path) -> None:
    signer = import_key(written(tmp_path / "k", data), Passphrases(b"unused", never))
    assert signer.public_key == ours.public_key(SEED)
    assert signer.sign(b"words") == KEY.sign(b"words")
    signer.write(tmp_path / "ours.key", None)
    assert SEED.hex() in (tmp_path / "ours.key").read_text()


@pytest.mark.parametrize("data", [pem(encryption=CHEAP_PEM), openssh(encryption=CHEAP_SSH)])
def test_an_encrypted_key_takes_its_passphrase(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "k", data)
    asked: list[str] = []
    answers = [b"wrong", b"", b"right"]

    def ask(name: str) -> bytes:
        asked.append(name)
        return answers.pop(0)

    assert import_key(path, Passphrases(None, ask)).public_key == ours.public_key(SEED)
    assert asked == [str(path)] * 3
    assert import_key(path, Passphrases(b"right", never)).public_key == ours.public_key(SEED)
    for known in (b"wrong", b"right\n", b""):
        refused = refusal_of(lambda known=known: import_key(path, Passphrases(known)))  # type: ignore[misc]
        assert refused.code == "passphrase-wrong"
        assert "--import-passphrase-file" in refused.fix
    missing = refusal_of(lambda: import_key(path, Passphrases(how=keyimport.HOW)))
    assert missing.code == "passphrase-missing"
    assert "--import-passphrase-file" in missing.fix


@pytest.mark.skipif(
    shutil.which("ssh-keygen") is None, reason="ssh-keygen not found: apt-get install openssh-client"
)
@pytest.mark.parametrize("passphrase", ["", "right"])
@pytest.mark.parametrize("form_", [(), ("-m", "PKCS8")])
def test_keys_of_ssh_keygen_come_over(passphrase: str, form_: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "k"
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-a", "1", "-f", str(path), *form_]
    subprocess.run(command, check=True, timeout=60)
    public = path.with_name("k.pub").read_text().split()[1]
    signer = import_key(path, Passphrases(passphrase.encode() or None))
    assert base64.b64decode(public).endswith(string(signer.public_key))


UNFIT: dict[str, tuple[Callable[[], bytes], str]] = {
    "RSA in PEM": (lambda: pem(RSA), "RSA"),
    "RSA of OpenSSH": (lambda: openssh(RSA), "ssh-rsa"),
    "RSA in its own PEM": (
        lambda: RSA.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.TraditionalOpenSSL, form.NoEncryption()
        ),
        "RSA PRIVATE KEY",
    ),
    "ECDSA in PEM": (lambda: pem(ec.generate_private_key(ec.SECP256R1())), "EC"),
    "ECDSA of OpenSSH": (lambda: openssh(ec.generate_private_key(ec.SECP256R1())), "ecdsa-sha2-nistp256"),
    "Ed448": (lambda: pem(ed448.Ed448PrivateKey.generate()), "Ed448"),
    "X25519": (lambda: pem(x25519.X25519PrivateKey.generate()), "X25519"),
    "an encrypted RSA key": (lambda: pem(RSA, CHEAP_PEM), "RSA"),
    "a public key in PEM": (
        lambda: KEY.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo),
        "public key",
    ),
    "a public key of OpenSSH": (
        lambda: KEY.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH) + b" me\n",
        "public key",
    ),
    "another public key": (lambda: b"ecdsa-sha2-nistp256 AAAA x\n", "public key"),
    "a certificate": (lambda: b"ssh-ed25519-cert-v01@openssh.com AAAA x\n", "certificate"),
    "an X.509 certificate": (
        lambda: b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "certificate",
    ),
    "a key of PuTTY": (lambda: b"PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "PuTTY"),
    "a security key's handle": (lambda: openssh_file(b"sk-ssh-ed25519@openssh.com"), "security key"),
}


def openssh_file(kind: bytes, cipher: bytes = b"none", kdf: bytes = b"none", options: bytes = b"") -> bytes:
    """A file of OpenSSH's shape around a key of some type."""
    blob = string(kind) + string(bytes(32)) + (string(b"ssh:") if kind.startswith(b"sk-") else b"")
    body = b"openssh-key-v1\0" + string(cipher) + string(kdf) + string(options) + b"\0\0\0\1"
    body += string(blob) + string(bytes(64))
    return (
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n"
        + base64.encodebytes(body)
        + b"-----END OPENSSH PRIVATE KEY-----\n"
    )


@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_sign_is_told_for_what_it_is(name: str, tmp_path: Path) -> None:
    make, word = UNFIT[name]
    path = written(tmp_path / "k", make())
    refused = refusal_of(lambda: import_key(path, Passphrases(b"right")))
    assert (refused.code, refused.item) == ("key-unfit", str(path))
    assert word in refused.reason


def test_a_key_file_of_this_program_is_told(tmp_path: Path) -> None:
    write_key(tmp_path / "a.key", SEED, None)
    refused = refusal_of(lambda: import_key(tmp_path / "a.key", NOTHING))
    assert refused.code == "key-unfit"
    assert SEED.hex() not in str(refused)


DAMAGED = [
    b"",
    b"\0" * 100,
    b"{}",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\n-----END OPENSSH PRIVATE KEY-----\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBK\n-----END ENCRYPTED PRIVATE KEY-----\n",
    openssh().replace(b"OPENSSH PRIVATE KEY", b"PRIVATE KEY"),
    pem().replace(b"PRIVATE KEY", b"OPENSSH PRIVATE KEY"),
    pem()[: len(pem()) // 2],
    openssh()[:200] + openssh()[300:],
    pem() + b" " * 70_000,
    b"-----BEGIN PRIVATE KEY-----" + b" " * 65_000,
    b"-----BEGIN PRIVATE KEY-----\n" * 2_300,
    b"-----BEGIN " + b"A " * 32_000,
]


@pytest.mark.parametrize("data", DAMAGED)
def test_a_damaged_file_is_told(data: bytes, tmp_path: Path) -> None:
    path = written(tmp_path / "k", data)
    assert code_of(lambda: import_key(path, Passphrases(b"right"))) == "key-file-damaged"


def test_a_secret_under_another_public_key_is_refused(tmp_path: Path) -> None:
    """Whoever looks at the file sees one key, and another would sign."""
    eve = ours.public_key(seed_of("eve"))
    data = base64.b64decode(b"".join(openssh().splitlines()[1:-1])).replace(ours.public_key(SEED), eve)
    text = b"-----BEGIN OPENSSH PRIVATE KEY-----\n%s-----END OPENSSH PRIVATE KEY-----\n"
    path = written(tmp_path / "k", text % base64.encodebytes(data))
    refused = refusal_of(lambda: import_key(path, NOTHING))
    assert refused.code == "key-file-damaged"
    assert "does not belong" in refused.reason


@pytest.mark.parametrize("data", [pem(), openssh(), pem(encryption=CHEAP_PEM), openssh(encryption=CHEAP_SSH)])
def test_a_flipped_byte_is_told_as_far_as_it_can_be(data: bytes, tmp_path: Path) -> None:
    """Every byte of the file. PEM has nothing to check a secret by: its fingerprint is shown to who imports it."""
    path = tmp_path / "k"
    told = Counter[str]()
    for at in range(len(data)):
        written(path, data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        told[outcome(path)] += 1
    assert set(told) <= {"the key", "key-file-damaged", "key-unfit", "passphrase-wrong", "another key"}
    assert ("another key" in told) == (b"OPENSSH" not in data)
    assert told["the key"] + told["another key"] < len(data) // 2


def outcome(path: Path) -> str:
    try:
        signer = import_key(path, Passphrases(b"right"))
    except LineageError as error:
        return error.code
    return "the key" if signer.public_key == ours.public_key(SEED) else "another key"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    kind=st.sampled_from(["OPENSSH PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"]),
    body=st.binary(max_size=120),
)
def test_whatever_stands_in_a_block_is_told(kind: str, body: bytes, tmp_path: Path) -> None:
    data = f"-----BEGIN {kind}-----\n{base64.encodebytes(body).decode()}-----END {kind}-----\n".encode()
    path = written(tmp_path / "k", data)
    assert code_of(lambda: import_key(path, Passphrases(b"right"))) in ("key-file-damaged", "key-unfit")


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def pkcs8(derivation: bytes) -> bytes:
    """An encrypted PKCS#8 key whose passphrase is stretched so."""
    cipher = der(0x30, der(6, bytes.fromhex("60864801650304012a")) + der(4, bytes(16)))
    algorithm = der(0x30, der(6, bytes.fromhex("2a864886f70d01050d")) + der(0x30, derivation + cipher))
    body = base64.encodebytes(der(0x30, algorithm + der(4, bytes(64))))
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + body + b"-----END ENCRYPTED PRIVATE KEY-----\n"


def pbkdf2(iterations: int) -> bytes:
    hmac = der(0x30, der(6, bytes.fromhex("2a864886f70d0209")) + der(5, b""))
    parameters = der(0x30, der(4, bytes(8)) + integer(iterations) + hmac)
    return der(0x30, der(6, bytes.fromhex("2a864886f70d01050c")) + parameters)


def scrypt(n: int, r: int, p: int) -> bytes:
    parameters = der(0x30, der(4, bytes(16)) + integer(n) + integer(r) + integer(p))
    return der(0x30, der(6, bytes.fromhex("2b06010401da47040b")) + parameters)


COSTLY = [
    *(pkcs8(pbkdf2(iterations)) for iterations in (10_000_001, 2**31 - 1, 2**40, 0, -1)),
    *(pkcs8(scrypt(*costs)) for costs in ((2**21, 8, 1), (2**30, 8, 1), (16_384, 8, 2**20), (2, 2**30, 1))),
    pkcs8(scrypt(0, 8, 1)),
    pkcs8(der(0x30, b"")),
    *(
        openssh_file(b"ssh-ed25519", b"aes256-ctr", b"bcrypt", string(bytes(16)) + rounds.to_bytes(4, "big"))
        for rounds in (0, 4_097, 2**32 - 1)
    ),
]


@pytest.mark.parametrize("data", COSTLY)
def test_a_file_that_asks_for_hours_or_gigabytes_is_refused_before_they_are_spent(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is a passphrase asked for, nor the library called."""
    for loader in ("load_ssh_private_key", "load_pem_private_key"):
        monkeypatch.setattr(keyimport, loader, lambda *_: never(""))
    path = written(tmp_path / "k", data)
    assert code_of(lambda: import_key(path, Passphrases(b"right", never))) == "key-file-damaged"


def test_what_a_careful_person_writes_is_not_too_costly(tmp_path: Path) -> None:
    """Refused as wrong, which is what it is: the library was asked."""
    for derivation in (pbkdf2(600_000), scrypt(2**15, 8, 1)):
        assert outcome(written(tmp_path / "k", pkcs8(derivation))) == "passphrase-wrong"


@pytest.mark.skipif(os.name == "nt", reason="modes say nothing there; any Unix has them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777, 0o610])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    path = written(tmp_path / "k", openssh())
    path.chmod(mode)
    refused = refusal_of(lambda: import_key(path, NOTHING))
    assert refused.code == "key-file-exposed"
    assert f"{mode:04o}" in refused.reason
    assert "chmod 600" in refused.fix
    path.chmod(0o400)
    assert import_key(path, NOTHING)


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    written(tmp_path / "k", openssh())
    link = tmp_path / "link"
    link.symlink_to("k")
    assert import_key(link, NOTHING).public_key == ours.public_key(SEED)
    (tmp_path / "k").chmod(0o644)
    assert code_of(lambda: import_key(link, NOTHING)) == "key-file-exposed"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    assert code_of(lambda: import_key(tmp_path / "absent", NOTHING)) == "key-file-missing"
    assert code_of(lambda: import_key(tmp_path, NOTHING)) == "not-a-regular-file"
    os.mkfifo(tmp_path / "pipe")
    assert code_of(lambda: import_key(tmp_path / "pipe", NOTHING)) == "not-a-regular-file"
    link = tmp_path / "loop"
    link.symlink_to("loop")
    with suppress(RuntimeError):  # before Python 3.13 a loop is told so
        assert code_of(lambda: import_key(link, NOTHING)) in (
            "key-file-missing",
            "store-failed",
            "not-a-regular-file",
        )


def test_an_encrypted_openssh_key_names_the_extra_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    path = written(tmp_path / "k", openssh(encryption=CHEAP_SSH))
    refused = refusal_of(lambda: import_key(path, Passphrases(b"right", never)))
    assert refused.code == "extra-missing"
    assert "lineage-ledger[ssh]" in refused.fix
    for data in (openssh(), pem(), pem(encryption=CHEAP_PEM)):
        assert import_key(written(tmp_path / "other", data), Passphrases(b"right"))

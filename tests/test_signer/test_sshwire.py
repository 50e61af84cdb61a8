"""SSH's strings and keys: what is written is read, and nothing else passes for it."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.signer.sshwire import (
    Malformed,
    Reader,
    ed25519_blob,
    ed25519_public,
    ed25519_signature,
    fingerprint,
    key_type,
    public_line,
    string,
)

KEY = bytes(range(32))


@given(parts=st.lists(st.binary(max_size=40), max_size=5), rest=st.binary(max_size=5))
def test_strings_are_read_as_they_were_written(parts: list[bytes], rest: bytes) -> None:
    data = b"".join(map(string, parts))
    reader = Reader(data + rest)
    assert [reader.string() for _ in parts] == parts
    assert reader.rest() == rest
    reader.end()
    for cut in range(len(data)):
        shorter = Reader(data[:cut])
        with pytest.raises(Malformed):
            list(map(Reader.string, [shorter] * len(parts)))


@given(blob=st.binary(max_size=80))
def test_only_a_key_is_a_key(blob: bytes) -> None:
    public = ed25519_public(blob)
    assert public is None or ed25519_blob(public) == blob
    signature = ed25519_signature(blob)
    assert signature is None or string(b"ssh-ed25519") + string(signature) == blob


def test_a_key_has_one_form() -> None:
    blob = ed25519_blob(KEY)
    assert (ed25519_public(blob), key_type(blob)) == (KEY, "ssh-ed25519")
    for other in (blob + b"\0", blob[:-1], ed25519_blob(KEY[:31]), ed25519_blob(KEY + b"\0"), b""):
        assert ed25519_public(other) is None
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode()
    assert fingerprint(blob) == "SHA256:" + digest.rstrip("=")
    with pytest.raises(Malformed):
        Reader(b"x").end()


def test_a_line_of_a_public_key() -> None:
    text = base64.b64encode(ed25519_blob(KEY)).decode()
    for line in (f"ssh-ed25519 {text}", f"ssh-ed25519 {text} ada at home\n", f"  ssh-ed25519\t{text}\n"):
        assert public_line(line) == ed25519_blob(KEY)
    for line in ("", "ssh-ed25519", f"ssh-rsa {text}", f"ssh-ed25519 {text[:-4]}*", "ssh-ed25519 AAAA", text):
        with pytest.raises(Malformed):
            public_line(line)

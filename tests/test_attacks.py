"""What an attacker found in the whole: each was possible once."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import ledger
from ledger.api import audit_folder
from ledger.cli.main import main
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.statements.record import make_record
from tests.reference import ed25519_mixed_order_key


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LINEAGE_CONFIG", str(tmp_path / "keys"))
    monkeypatch.setenv("LINEAGE_LEDGER", str(tmp_path / "l"))
    with ledger.create(tmp_path / "l", unencrypted=True) as made:
        made.new_identity("ada", unencrypted=True)
    return tmp_path


def test_a_digest_under_another_form_is_not_the_file(folder: Path) -> None:
    """A thief logs the digest of somebody's file as sealed content, or as the root of rows."""
    (folder / "mine.txt").write_text("mine, not yet logged")
    digest = hashlib.sha256(b"mine, not yet logged").digest()
    forms: list[dict[str, Any]] = [
        {"kind": "work", "form": "sealed", "size_bytes": 32},
        {"kind": "dataset", "form": "rows", "media": "text/plain", "size_bytes": 20, "facts": {"count": 1}},
        {"kind": "work", "form": "jcs", "media": "application/json", "size_bytes": 20},
        {"kind": "work", "form": "raw", "media": "text/plain", "size_bytes": 21},
    ]
    from ledger.signer import signing
    from ledger.signer.signing import Signed

    with ledger.open(folder / "l") as opened:
        thief = opened.keys.find("ada")
        records = [make_record(maker=thief.id, content=digest, **form).encoded for form in forms]
        with opened._access.door() as door:
            signing.append_records(door, opened._access.unlock("ada"), records, Signed(), lambda _done: None)
        with pytest.raises(LineageError) as refused:
            opened.resolve(folder / "mine.txt")
        assert refused.value.code == "unlogged"
        signed = opened.sign([folder / "mine.txt"], by="ada")
        assert opened.resolve(folder / "mine.txt") == signed.ids[0]


def test_an_older_copy_put_back_is_not_signed_again(folder: Path) -> None:
    shutil.copy(folder / "l" / "data.mdb", folder / "old.mdb")
    (folder / "a.txt").write_text("a")
    with ledger.open(folder / "l") as opened:
        opened.sign([folder / "a.txt"], by="ada")
    shutil.copy(folder / "old.mdb", folder / "l" / "data.mdb")
    (folder / "b.txt").write_text("b")
    with ledger.open(folder / "l") as opened:
        for attempt in (lambda: opened.sign([folder / "b.txt"], by="ada"), opened.sign_checkpoint):
            with pytest.raises(StoreFault) as refused:
                attempt()
            assert refused.value.code == "log-rolled-back"


def test_a_checkpoint_dropped_into_a_ledger_does_not_vouch_for_it(folder: Path) -> None:
    with ledger.open(folder / "l") as opened:
        opened.publish(folder / "public")
    for path in (folder / "public").iterdir():
        path.rename(folder / "l" / path.name)
    with pytest.raises(RefusedInput) as refused:
        audit_folder(folder / "l")
    assert refused.value.code == "ambiguous"


@pytest.mark.parametrize(("key", "value"), [("log_id", "00" * 32), ("origin", "evil.example/x")])
def test_a_marker_whose_parts_disagree_is_not_audited_as_if_sound(folder: Path, key: str, value: str) -> None:
    marker = folder / "l" / "ledger.json"
    fields = json.loads(marker.read_text())
    marker.write_text(json.dumps({**fields, key: value}))
    for vkey in (None, fields["vkey"]):
        with pytest.raises(StoreFault) as refused:
            audit_folder(folder / "l", vkey)
        assert refused.value.code == "ledger-damaged"


def test_another_log_is_not_audited_under_a_vkey_that_is_not_its_own(folder: Path) -> None:
    with ledger.create(folder / "m", unencrypted=True) as made:
        foreign = made.marker.vkey
    with pytest.raises(RefusedInput) as refused:
        audit_folder(folder / "l", foreign)
    assert refused.value.code == "wrong-log"


def test_a_vkey_of_mixed_order_is_refused() -> None:
    with pytest.raises(RefusedInput) as refused:
        Vkey.make("log.example/a", ed25519_mixed_order_key(7))
    assert refused.value.code == "key-refused"


@pytest.mark.parametrize("content", [b"no json", b"[]", b"{}", b'{"case": 1}', b"[" * 5000])
def test_trace_shows_an_experience_whose_content_is_none(
    folder: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever signs with other tools may call anything an experience; content of that digest may lie here."""
    from ledger.signer import signing
    from ledger.signer.signing import Signed

    with ledger.open(folder / "l") as opened:
        digest = opened.content.put(content)
        maker = opened.keys.find("ada")
        record = make_record(
            kind="experience",
            maker=maker.id,
            content=digest,
            size_bytes=len(content),
            media="application/json",
        )
        with opened._access.door() as door:
            signing.append_records(
                door, opened._access.unlock(maker.name), [record.encoded], Signed(), lambda _done: None
            )
    assert main(["trace", record.id.hex()]) == 0
    assert "case:" not in capsys.readouterr().out

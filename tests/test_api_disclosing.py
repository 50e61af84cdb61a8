"""Sealed profiles, and what a proof may disclose: what was named, and what is signed, and nothing else (SPEC §2, §10.8, §11.2)."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

import ledger
from ledger import spec
from ledger.api import audit_folder
from ledger.api.disclosing import disclosed
from ledger.api.offline import new_identity_offline, open_keys
from ledger.errors import LineageError
from ledger.proofs.ancestry_file import CONTENT, PROFILE, Disclosed
from ledger.signer.keystore import LocalIdentity
from ledger.signer.passphrases import Passphrases
from ledger.signer.profiles import PROFILE_FILE, read_profile
from ledger.statements.record import decode_record, sealed_content
from ledger.statements.statement import keyset_digest, profile_digest
from tests.test_api import Place
from tests.test_api_sealed import EXPERIENCE, SEALED, everything_in, file, salt_of

WHO = b"Bea Example, born in Exampletown"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def code(use: Callable[[], object]) -> str:
    with pytest.raises(LineageError) as raised:
        use()
    assert raised.value.fix
    return raised.value.code


def show(place: Place, name: str | Path | bytes) -> Disclosed:
    text = name.hex() if isinstance(name, bytes) else str(name)
    with place.open(readonly=True) as door, door.view() as view:
        return disclosed(door._access, view, text)


def with_profile(place: Place, profile: bytes = WHO) -> bytes:
    with place.open() as door:
        return door.new_identity("bea", unencrypted=True, profile=profile).id


# Profiles


def test_a_profile_is_sealed_into_the_enrolment_and_kept_with_the_keys(place: Place) -> None:
    bea = with_profile(place)
    with place.open() as door, door.view() as view:
        identity = view.identity(bea)
        assert identity is not None
        body = view.statement(identity.born).body
        shown = door.show_identity("bea")
        folder = door.keys.find("bea").folder
        assert door.show_identity("ada")["profile"] is None
    kept = read_profile(folder)
    assert kept is not None
    assert kept.content == WHO
    assert body["profile"] == profile_digest(keyset_digest(body["keyset"]), kept.salt, WHO)
    assert shown["profile"] == {"digest": body["profile"].hex(), "kept": True}
    assert stat.S_IMODE((folder / PROFILE_FILE).stat().st_mode) == 0o600
    assert audit_folder(place.path).ok
    public = everything_in(place.path)
    for secret in (WHO, kept.salt, kept.salt.hex().encode()):
        assert secret not in public


def test_two_profiles_of_the_same_words_do_not_look_alike(place: Place) -> None:
    with place.open() as door:
        made = [door.new_identity(name, unencrypted=True, profile=WHO) for name in ("bea", "cal")]
        shown = [door.show_identity(each.name)["profile"]["digest"] for each in made]
    assert shown[0] != shown[1]


@pytest.mark.parametrize(("size", "expected"), [(0, "schema"), (spec.PROFILE_BYTES_MAX + 1, "too-large")])
def test_a_profile_has_its_bounds_and_nothing_is_made_beyond_them(
    place: Place, size: int, expected: str
) -> None:
    with place.open() as door:
        assert code(lambda: door.new_identity("bea", unencrypted=True, profile=bytes(size))) == expected
        assert "bea" not in door.names().values()
        door.new_identity("cal", unencrypted=True, profile=bytes(spec.PROFILE_BYTES_MAX))


def test_it_is_there_before_the_enrolment_is_sent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.signer import signing

    seen: list[bool] = []
    real = signing.enrol_pending

    def look(door: object, identity: LocalIdentity) -> None:
        seen.append(read_profile(identity.folder) is not None)
        real(door, identity)  # type: ignore[arg-type]

    monkeypatch.setattr(signing, "enrol_pending", look)
    with_profile(place)
    assert seen == [True]


def test_it_outlives_a_rotation_and_is_made_offline_too(place: Place, tmp_path: Path) -> None:
    bea = with_profile(place)
    with place.open() as door:
        vkey = door.marker.vkey
        door.change_keys("bea", ledger.api.KeyChange("rotate"), unencrypted=True)
    assert show(place, "bea")[:2] == (PROFILE, bea)
    statement = tmp_path / "cal.statement"
    keys = open_keys(vkey, config=place.config, passphrases=Passphrases(b"x"))
    made = new_identity_offline(keys, "cal", statement, unencrypted=True, profile=WHO)
    with place.open() as door:
        door.append_files([statement])
    assert show(place, "cal") == (PROFILE, made.id, show(place, "cal")[2], WHO)


def test_it_is_erased_alone(place: Place) -> None:
    bea = with_profile(place)
    with place.open() as door:
        folder = door.keys.find("bea").folder
        assert door.erase_profile("bea")
        assert not door.erase_profile("bea")
        assert door.show_identity("bea")["profile"]["kept"] is False
        assert door.sign([file(place, "later.md", "she goes on signing")], "bea").new == 1
    assert WHO not in everything_in(folder)
    assert code(lambda: show(place, "bea")) == code(lambda: show(place, bea)) == "profile-missing"
    assert audit_folder(place.path).ok


def test_a_profile_that_was_exchanged_is_not_disclosed(place: Place) -> None:
    with_profile(place)
    with place.open() as door:
        path = door.keys.find("bea").folder / PROFILE_FILE
    data = path.read_bytes()
    path.write_bytes(data[:-1] + b"?")
    assert code(lambda: show(place, "bea")) == "salt-differs"
    path.write_bytes(data[:32])
    assert code(lambda: show(place, "bea")) == "keys-damaged"


def test_a_profile_is_disclosed_by_name_and_by_id(place: Place) -> None:
    bea = with_profile(place)
    what, identity_id, salt, content = show(place, "bea")
    assert (what, identity_id, content, len(salt)) == (PROFILE, bea, WHO, spec.SALT_BYTES)
    assert show(place, bea) == show(place, "bea")
    assert code(lambda: show(place, "ada")) == "not-sealed"
    assert code(lambda: show(place, place.ada)) == "not-sealed"


# Contents


def record_holds(place: Place, found: Disclosed) -> bool:
    """As who verifies it sees it."""
    _what, artifact_id, salt, content = found
    with place.open(readonly=True) as door, door.view() as view:
        record = decode_record(view.record(view.find_artifact(artifact_id)[0]) or b"")
    return sealed_content(record.maker, salt, content) == record.content


def test_a_sealed_file_is_disclosed_with_the_salt_of_the_vault_or_beside(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        artifact_id = door.sign([path], "ada", SEALED).ids[0]
    salt = salt_of(place, artifact_id)
    assert show(place, path) == (CONTENT, artifact_id, salt, b"dear diary")
    assert record_holds(place, show(place, path))
    assert code(lambda: show(place, artifact_id)) == "content-missing"
    with place.open() as door:
        door.erase([(artifact_id,)], "ada")
    assert code(lambda: show(place, artifact_id)) == "salt-missing"
    assert code(lambda: show(place, path)) == "unlogged"
    file(place, "diary.md.salt", salt.hex())
    assert show(place, path) == (CONTENT, artifact_id, salt, b"dear diary")


def test_a_sealed_experience_is_disclosed_by_its_id(place: Place) -> None:
    path = file(place, "ea.json", json.dumps(EXPERIENCE))
    with place.open() as door:
        artifact_id = door.sign([path], "ada", ledger.Claim(kind="experience", sealed=True)).ids[0]
    assert show(place, artifact_id) == show(place, path) == show(place, artifact_id[:10])
    assert show(place, path)[3] == path.read_bytes()


def test_a_sealed_row_is_disclosed_as_it_was_sealed(place: Place) -> None:
    """A whole row is sealed in its canonical form: a file with the same JSON otherwise written opens it."""
    rows = file(place, "rows.jsonl", json.dumps({"b": 1, "a": "x"}) + "\n")
    one = file(place, "row.json", '{ "b": 1.0,\n "a": "x" }')
    with place.open() as door:
        artifact_id = door.sign_rows(rows, None, "ada", SEALED).ids[0]
    found = show(place, one)
    assert (found[1], found[3]) == (artifact_id, b'{"a":"x","b":1}')
    assert record_holds(place, found)


def test_what_is_not_sealed_unknown_too_large_or_two_is_refused(place: Place) -> None:
    open_, secret = file(place, "open.md", "for all"), file(place, "secret.md", "not for all")
    large = file(place, "large.bin", bytes(spec.PROOF_DISCLOSED_BYTES_MAX + 1))
    empty = file(place, "empty", "")
    with place.open() as door:
        plain = door.sign([open_], "ada").ids[0]
        door.sign([secret, large, empty], "ada", SEALED)
        door.new_identity("bea", unencrypted=True)
    assert code(lambda: show(place, open_)) == code(lambda: show(place, plain)) == "not-sealed"
    assert code(lambda: show(place, file(place, "other.md", "nobody signed it"))) == "unlogged"
    assert code(lambda: show(place, bytes(32))) == "unlogged"
    assert code(lambda: show(place, "nobody")) == "file-not-found"
    assert code(lambda: show(place, large)) == "too-large"
    assert code(lambda: show(place, empty)) == "schema"
    with place.open() as door:
        door.sign([secret], "bea", SEALED)
    assert code(lambda: show(place, secret)) == "ambiguous"


def test_a_name_that_is_a_file_and_an_identity_discloses_neither(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    bea = with_profile(place)
    monkeypatch.chdir(place.folder)
    path = file(place, "bea", "a file of this name")
    with place.open() as door:
        artifact_id = door.sign([path], "ada", SEALED).ids[0]
    assert code(lambda: show(place, "bea")) == "ambiguous"
    assert show(place, "./bea")[1] == artifact_id
    assert show(place, bea)[:2] == (PROFILE, bea)


def test_an_erased_record_has_nothing_to_disclose(place: Place) -> None:
    path = file(place, "diary.md", "dear diary")
    with place.open() as door:
        artifact_id = door.sign([path], "ada", SEALED).ids[0]
        from ledger.log.erasing import erase_records

        erase_records(door._access.store, [artifact_id])
    assert code(lambda: show(place, artifact_id)) == "not-sealed"

"""Statements of every type: a legal example, a refusal a rule, and every key missing, doubled or of another type."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import words
from ledger.statements.statement import (
    decode_statement,
    keyset_digest,
    log_id,
    make_statement,
    pre_authentication_encoding,
)
from tests.cases import payloads as cases
from tests.cases.samples import KEY_EVENTS, ORDINARY, TYPES, Case, body, changed, keyset, payload, some, vkey
from tests.reference import pack, pae, tagged

CODES = ("schema", "keyset-illegal", "not-canonical")


def refusal(data: bytes) -> RefusedInput:
    with pytest.raises(RefusedInput) as caught:
        decode_statement(data)
    assert caught.value.reason
    return caught.value


def test_the_samples_cover_every_type() -> None:
    assert set(TYPES) == words.TYPES
    assert set(KEY_EVENTS) == words.TYPES_KEY_EVENT
    assert set(ORDINARY) == words.TYPES_ORDINARY


@pytest.mark.parametrize("case", list(cases.legal()), ids=lambda case: case.name)
def test_legal_payloads(case: Case) -> None:
    found = decode_statement(case.data)
    assert found.payload == case.data
    assert found.id == tagged("statement", case.data)
    assert pack(found.fields) == case.data


@pytest.mark.parametrize("case", list(cases.refused()), ids=lambda case: case.name)
def test_refused_payloads(case: Case) -> None:
    assert refusal(case.data).code == case.code


@pytest.mark.parametrize("type_", TYPES)
def test_every_key_is_required_or_optional_and_no_other_is_known(type_: str) -> None:
    fields = payload(type_)
    missing = []
    for name in fields:
        assert refusal(pack(changed(fields, **{name: None}))).code == "schema", name
    for name in fields["body"]:
        try:
            decode_statement(pack(changed(fields, body=changed(fields["body"], **{name: None}))))
        except RefusedInput as error:
            assert error.code in CODES  # noqa: PT017 - optional keys do not raise
            missing.append(name)
    assert missing == REQUIRED[type_]
    assert refusal(pack(changed(fields, zzz=1))).code == "schema"
    assert refusal(pack(changed(fields, body=changed(fields["body"], zzz=1)))).code == "schema"


BIRTH = ["keyset", "next", "recovery"]
REQUIRED = {
    "genesis": ["origin", "vkeys", *BIRTH, "rules", "fold"],
    "enrol": ["role", *BIRTH],
    "rotate": BIRTH,
    "recover": BIRTH,
    "retire": ["keyset", "reason"],
    "state": ["root", "records", "time", "fold"],
    "artifacts": ["count", "root"],
    "delegate": ["pair", "substrate"],
    "undelegate": ["pair"],
    "endorse": ["subject", "grade", "method"],
    "attest": ["subjects", "claim", "result"],
    "notice": ["subjects", "act"],
    "rules": ["mode"],
    "evidence": ["first", "second"],
}


@pytest.mark.parametrize("type_", TYPES)
def test_a_value_of_another_type_is_refused_at_every_place(type_: str) -> None:
    fields = payload(type_)
    places = list(_places(fields))
    assert len(places) >= 8
    for place, value in places:
        for other in (1 << 52, "~", b"\x00", ["~"], {"~": 1}):
            if type(other) is type(value) and not isinstance(value, str | bytes | list | dict):
                continue
            if isinstance(value, bytes) and isinstance(other, bytes) and place[-2:] == (0, 0):
                continue  # a compromised key may have any size
            assert refusal(pack(_put(fields, place, other))).code in CODES, (place, other)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield (*place, name), item
        yield from _places(item, (*place, name))


def _put(fields: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = changed(fields) if isinstance(fields, dict) else list(fields)
    copy[place[0]] = value if len(place) == 1 else _put(copy[place[0]], place[1:], value)
    return copy


def test_two_full_payloads_with_all_signatures_of_a_keyset_fit_into_an_evidence() -> None:
    data = cases.full_evidence()
    body_ = decode_statement(data).body
    assert [len(body_[name][0]) for name in ("first", "second")] == [spec.PAYLOAD_BYTES_MAX] * 2
    assert len(data) <= spec.EVIDENCE_PAYLOAD_BYTES_MAX


def test_digests_and_ids_are_those_of_the_text() -> None:
    assert log_id("name+00000000+AQ") == tagged("log", b"name+00000000+AQ")
    keys = keyset(("ed25519", some("key")), ed25519=1)
    assert keyset_digest(keys) == tagged("keyset", pack(keys))
    assert pre_authentication_encoding(b"") == pae(b"")
    assert pre_authentication_encoding(b"x" * 12) == pae(b"x" * 12)
    assert pae(b"ab") == b"DSSEv1 41 application/vnd.lineage.statement+msgpack 2 ab"


def test_the_fields_of_an_ordinary_statement() -> None:
    fields = payload("artifacts")
    made = make_statement(
        "artifacts",
        fields["log"],
        body("artifacts"),
        by=fields["by"],
        key=fields["key"],
        lane=fields["lane"],
        seq=3,
        prev=fields["prev"],
    )
    assert made.payload == pack(fields)
    assert (made.type, made.log, made.body) == ("artifacts", fields["log"], body("artifacts"))
    assert (made.by, made.key, made.lane) == (fields["by"], fields["key"], fields["lane"])
    assert (made.seq, made.prev) == (3, fields["prev"])


def test_who_is_born_signs_for_himself() -> None:
    made = decode_statement(pack(payload("enrol")))
    assert made.by == made.id == hashlib.sha256(b"lineage/statement/v1\n" + made.payload).digest()
    assert made.prev is None


@pytest.mark.parametrize("chars", [1, 127, 128])
def test_the_longest_vkey_is_read(chars: int) -> None:
    text = vkey("l" * chars)
    assert len(text) == chars + 1 + 8 + 1 + 44
    fields = payload("genesis", body=changed(body("genesis"), vkeys=[text], origin="l" * chars))
    assert decode_statement(pack(fields)).body["vkeys"] == [text]


def test_a_vkey_name_of_129_characters_is_refused() -> None:
    assert (
        refusal(pack(payload("genesis", body=changed(body("genesis"), vkeys=[vkey("l" * 129)])))).code
        == "schema"
    )


def test_evidence_within_evidence_is_refused() -> None:
    """Also where it is nested: one look inside is enough, and nothing recurses."""
    inner = payload("undelegate")
    outer = changed(inner, type="evidence", body={**_halves(inner, payload("undelegate"))})
    assert decode_statement(pack(outer)).type == "evidence"
    twice = changed(inner, type="evidence", body={**_halves(outer, payload("undelegate"))})
    with pytest.raises(RefusedInput, match="evidence of evidence") as refused:
        decode_statement(pack(twice))
    assert refused.value.code == "schema"


def _halves(one: Any, other: Any) -> dict[str, Any]:
    if one == other:
        other = changed(other, body={"pair": some("another pair")})
    first, second = sorted((pack(one), pack(other)))
    return {"first": [first, [[0, 0, bytes(64)]]], "second": [second, [[0, 0, bytes(64)]]]}

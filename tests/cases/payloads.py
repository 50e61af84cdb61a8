"""Payloads and entries: each type once, and for each rule of SPEC §5, §7.1 and §8.1 one that breaks it and no other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.cases.samples import (
    KEY_EVENTS,
    ORDINARY,
    TYPES,
    Case,
    Fields,
    body_with,
    changed,
    entry,
    fork,
    keyset,
    payload,
    some,
    vkey,
)
from tests.reference import Raw, pack

ONE_KEY = ("ed25519", some("key"))
OTHER_KEY = ("ed25519", some("other key"))


def ml_dsa(name: str) -> tuple[str, bytes]:
    """Bytes of the size of an ML-DSA-44 key."""
    return "ml-dsa-44", (some(name) * 41)


def ordered(count: int, name: str = "identity") -> list[bytes]:
    return sorted(some(f"{name} {number}") for number in range(count))


def subjects(count: int) -> list[list[Any]]:
    return sorted(([some(f"artifact {number}")] for number in range(count)), key=pack)


def filled_to(size_bytes: int, next_: bytes = b"n" * 32) -> bytes:
    """A `rotate` of this many bytes: a compromised key, which may have any size, fills it."""
    least = len(pack(body_with("rotate", next=next_, compromised=[[bytes(300), 7]])))
    return pack(body_with("rotate", next=next_, compromised=[[bytes(300 + size_bytes - least), 7]]))


def full_evidence() -> bytes:
    """Two payloads of 24,576 bytes, each with the eight signatures of a keyset that has two keys of ml-dsa-44."""
    signatures = [[1, index, bytes(64 if index < 6 else 2420)] for index in range(8)]
    halves = [[filled_to(24_576, name * 32), signatures] for name in (b"a", b"b")]
    return pack(payload("evidence", body={"first": halves[0], "second": halves[1]}))


def legal() -> Iterator[Case]:
    """Every type, every choice that a schema leaves, the limits themselves."""

    def good(name: str, what: str, fields: Any) -> Case:
        return Case(f"payload/legal-{name}", what, "payload", pack(fields))

    for type_ in TYPES:
        yield good(type_, f"a statement of type {type_}", payload(type_))
    for type_ in ORDINARY:
        yield good(f"{type_}-first", "the first of its lane", payload(type_, seq=0, prev=None))
    for role in ("machine", "registrar", "curator"):
        yield good(f"enrol-{role}", f"a {role}", body_with("enrol", role=role, profile=None))
    yield good("enrol-pair", "a pair names its anchor", body_with("enrol", role="pair", of=some("anchor")))
    yield good(
        "release", "a release names the hold", body_with("notice", act="release", cancels=some("hold"))
    )
    yield good(
        "genesis-8-vkeys",
        "eight vkeys",
        body_with("genesis", vkeys=[vkey(key=some(f"key {n}")) for n in range(8)]),
    )
    eight = keyset(*[("ed25519", some(f"key {n}")) for n in range(8)], ed25519=8)
    yield good("keyset-8-of-8", "eight keys, all of which sign", body_with("enrol", keyset=eight))
    both = keyset(ONE_KEY, ml_dsa("a"), ml_dsa("b"), ed25519=1, ml_dsa_44=2)
    yield good("keyset-two-algorithms", "keys of both algorithms", body_with("enrol", keyset=both))
    yield good("notice-512", "512 subjects", body_with("notice", subjects=subjects(512)))
    rows = sorted([[some("artifact")], [some("artifact"), 0], [some("artifact"), 1_048_575]], key=pack)
    yield good("notice-rows", "an artifact and two of its rows", body_with("notice", subjects=rows))
    yield good("rules-256", "256 registrars", body_with("rules", registrars=ordered(256)))
    yield good("delegate-plain", "a delegation without scope", body_with("delegate", scope=None))
    kinds = sorted(("work", "experience", "abstract", "output", "derived", "model", "dataset"), key=pack)
    scope = {"kinds": kinds, "human": 1_000_000, "until": 2**53 - 1, "count": 2**53 - 1}
    yield good("delegate-all", "a scope at all of its limits", body_with("delegate", scope=scope))
    model = {"name": "quill", "version": "2", "model": some("model")}
    yield good("delegate-model", "a substrate by artifact", body_with("delegate", substrate=model))
    yield good(
        "compromised-any-key",
        "a compromised key of any size",
        body_with("rotate", compromised=[[b"\x01", 2**53 - 1]]),
    )
    events = payload("retire"), payload("rotate")
    yield good("evidence-key-events", "two key events of one number", payload("evidence", body=fork(*events)))
    yield Case("payload/legal-bytes-24576", "24,576 bytes", "payload", filled_to(24_576))
    yield Case("payload/legal-evidence-large", "two full payloads", "payload", full_evidence())


WRONG_BODIES: tuple[tuple[str, str, str, Fields], ...] = (
    ("origin-capital", "an origin with a capital letter", "genesis", {"origin": "Log.example"}),
    ("origin-newline", "an origin with a newline at the end", "genesis", {"origin": "log.example\n"}),
    ("origin-129", "an origin of 129 characters", "genesis", {"origin": "l" * 129}),
    ("origin-lineage", "an origin that begins like a domain tag", "genesis", {"origin": "lineage/log"}),
    ("origin-dot-first", "an origin that begins with a dot", "genesis", {"origin": ".log"}),
    ("vkeys-9", "nine vkeys", "genesis", {"vkeys": [vkey(key=some(f"key {n}")) for n in range(9)]}),
    ("vkeys-twice", "one vkey twice", "genesis", {"vkeys": [vkey(), vkey()]}),
    ("vkey-newline", "a vkey with a newline at the end", "genesis", {"vkeys": [vkey() + "\n"]}),
    ("vkey-name-dot-first", "a vkey whose name is no origin", "genesis", {"vkeys": [vkey(".log.example")]}),
    ("vkey-cosigner", "a vkey of type 0x04", "genesis", {"vkeys": [vkey(kind=4)]}),
    ("vkey-type-0", "a vkey of type 0x00", "genesis", {"vkeys": [vkey(kind=0)]}),
    ("vkey-id-capital", "a key id in capitals", "genesis", {"vkeys": ["log.example/test+ABCDEF01+AQ" + "A" * 42]}),
    ("vkey-padding", "base64 with padding", "genesis", {"vkeys": ["log.example/test+abcdef01+AQ" + "A" * 41 + "="]}),
    ("genesis-allow-list", "a genesis with an allow-list", "genesis", {"rules": {"mode": "allow-list"}}),
    ("genesis-registrars", "a genesis that lists a registrar", "genesis", {"rules": {"mode": "open", "registrars": [some("r")]}}),
    ("genesis-rules-vkeys", "a genesis whose rules hold vkeys", "genesis", {"rules": {"mode": "open", "vkeys": [vkey()]}}),
    ("genesis-fold-0", "a fold number of 0", "genesis", {"fold": 0}),
    ("limits-records-0", "a limit of 0 records", "genesis", {"rules": {"mode": "open", "limits": {"records": 0}}}),
    ("limits-records-over", "a limit of 65,537 records", "genesis", {"rules": {"mode": "open", "limits": {"records": 65_537}}}),
    ("limits-bytes-over", "a limit above 64 MiB", "genesis", {"rules": {"mode": "open", "limits": {"bytes": 67_108_865}}}),
    ("limits-unknown", "a limit of something else", "genesis", {"rules": {"mode": "open", "limits": {"parents": 3}}}),
    ("role-operator", "nobody enrols as operator", "enrol", {"role": "operator"}),
    ("role-unknown", "a role that does not exist", "enrol", {"role": "oracle"}),
    ("pair-without-of", "a pair without anchor", "enrol", {"role": "pair"}),
    ("human-with-of", "a human with an anchor", "enrol", {"of": some("anchor")}),
    ("profile-short", "a profile digest of 16 bytes", "enrol", {"profile": bytes(16)}),
    ("next-short", "a commitment of 31 bytes", "enrol", {"next": bytes(31)}),
    ("recovery-text", "a commitment as str", "enrol", {"recovery": "r" * 32}),
    ("compromised-descending", "compromised keys in descending order", "rotate", {"compromised": [[b"b", 1], [b"a", 1]]}),
    ("compromised-twice", "one compromised key twice", "rotate", {"compromised": [[b"a", 1], [b"a", 2]]}),
    ("compromised-9", "nine compromised keys", "rotate", {"compromised": [[bytes([n + 1]), 1] for n in range(9)]}),
    ("compromised-negative", "a compromise before the log", "recover", {"compromised": [[b"a", -1]]}),
    ("retire-reason-unknown", "a reason outside the list", "retire", {"reason": "bored"}),
    ("retire-with-next", "a retirement that commits to a next keyset", "retire", {"next": some("next")}),
    ("state-records-negative", "a negative count", "state", {"records": -1}),
    ("state-fold-0", "a fold number of 0", "state", {"fold": 0}),
    ("state-time-2-53", "a time of -1", "state", {"time": -1}),
    ("artifacts-count-0", "a statement over no record", "artifacts", {"count": 0}),
    ("artifacts-count-over", "65,537 records", "artifacts", {"count": 65_537}),
    ("artifacts-root-short", "a root of 31 bytes", "artifacts", {"root": bytes(31)}),
    ("substrate-twice", "weights by digest and by artifact", "delegate", {"substrate": {"name": "q", "version": "1", "weights": some("w"), "model": some("m")}}),
    ("substrate-without-version", "a substrate without version", "delegate", {"substrate": {"name": "q"}}),
    ("scope-kinds-descending", "kinds in another order than that of their bytes", "delegate", {"scope": {"kinds": ["output", "work"]}}),
    ("scope-kinds-alphabetical", "kinds in the order of the alphabet", "delegate", {"scope": {"kinds": ["derived", "model"]}}),
    ("scope-kind-unknown", "a kind that does not exist", "delegate", {"scope": {"kinds": ["poem"]}}),
    ("scope-human-0", "a scope that states no human share by 0", "delegate", {"scope": {"human": 0}}),
    ("scope-human-over", "a scope above the whole", "delegate", {"scope": {"human": 1_000_001}}),
    ("scope-count-0", "a scope over no record", "delegate", {"scope": {"count": 0}}),
    ("undelegate-scope", "an end with a scope", "undelegate", {"scope": {"count": 1}}),
    ("endorse-grade-unknown", "a grade outside the list", "endorse", {"grade": "famous"}),
    ("endorse-method-unknown", "a method outside the list", "endorse", {"method": "hearsay"}),
    ("attest-claim-unknown", "a claim outside the list", "attest", {"claim": "beauty"}),
    ("attest-result-unknown", "a result outside the list", "attest", {"result": "maybe"}),
    ("attest-evidence-65", "65 digests", "attest", {"evidence": ordered(65)}),
    ("attest-evidence-descending", "digests in descending order", "attest", {"evidence": ordered(2)[::-1]}),
    ("notice-act-unknown", "an act outside the list", "notice", {"act": "praise"}),
    ("notice-reason-unknown", "a reason outside the list", "notice", {"reason": "taste"}),
    ("release-without-cancels", "a release that names no hold", "notice", {"act": "release"}),
    ("hold-with-cancels", "a hold that names a hold", "notice", {"cancels": some("hold")}),
    ("subjects-descending", "subjects in descending order", "notice", {"subjects": subjects(2)[::-1]}),
    ("subjects-twice", "one subject twice", "notice", {"subjects": subjects(1) * 2}),
    ("subject-of-three", "a subject with three items", "notice", {"subjects": [[some("artifact"), 1, 2]]}),
    ("subject-row-over", "a row index of 1,048,576", "notice", {"subjects": [[some("artifact"), 1_048_576]]}),
    ("rules-mode-unknown", "a mode outside the list", "rules", {"mode": "closed"}),
    ("rules-registrars-257", "257 registrars", "rules", {"registrars": ordered(257)}),
    ("rules-curators-descending", "curators in descending order", "rules", {"curators": ordered(2)[::-1]}),
    ("rules-vkeys-twice", "one vkey twice", "rules", {"vkeys": [vkey(), vkey()]}),
)  # fmt: skip

WRONG_ENVELOPES: tuple[tuple[str, str, Fields], ...] = (
    ("v-2", "another version", payload("artifacts", v=2)),
    ("type-unknown", "a type that does not exist", payload("artifacts", type="poem")),
    ("log-short", "a log id of 31 bytes", payload("artifacts", log=bytes(31))),
    ("by-short", "an identity id of 31 bytes", payload("artifacts", by=bytes(31))),
    ("lane-15", "a lane of 15 bytes", payload("artifacts", lane=bytes(15))),
    ("lane-17", "a lane of 17 bytes", payload("artifacts", lane=bytes(17))),
    ("seq-negative", "a negative place", payload("artifacts", seq=-1)),
    ("seq-0-with-prev", "a first statement that names a former one", payload("artifacts", seq=0)),
    (
        "seq-1-without-prev",
        "a later statement that names no former one",
        payload("artifacts", seq=1, prev=None),
    ),
    ("kseq-0", "a key event that claims to be the first", payload("rotate", kseq=0)),
    ("kseq-without-prev", "a key event without predecessor", payload("rotate", prev=None)),
    ("key-event-in-lane", "a key event in a lane", payload("rotate", lane=some("lane")[:16])),
    ("enrol-with-by", "an enrolment by somebody", payload("enrol", by=some("identity"))),
    ("state-with-by", "a state by somebody", payload("state", by=some("identity"))),
    ("unknown-key", "a key that nobody knows", payload("artifacts", note="hello")),
    ("body-array", "a body that is an array", payload("artifacts", body=[1])),
)

KEYSETS: tuple[tuple[str, str, str, Fields], ...] = (
    ("keys-descending", "keys in descending order", "keyset-illegal", {"keys": keyset(ONE_KEY, OTHER_KEY)["keys"][::-1], "thresholds": {"ed25519": 1}}),
    ("keys-twice", "one key twice", "keyset-illegal", {"keys": [list(ONE_KEY)] * 2, "thresholds": {"ed25519": 1}}),
    ("threshold-over", "two of one key", "keyset-illegal", keyset(ONE_KEY, ed25519=2)),
    ("threshold-9", "nine of one key", "keyset-illegal", keyset(ONE_KEY, ed25519=9)),
    ("threshold-missing", "keys of two algorithms, a threshold for one", "keyset-illegal", keyset(ONE_KEY, ml_dsa("a"), ed25519=1)),
    ("threshold-surplus", "a threshold for an algorithm without key", "keyset-illegal", keyset(ONE_KEY, ed25519=1, ml_dsa_44=1)),
    ("ml-dsa-3", "three keys of ml-dsa-44", "keyset-illegal", keyset(ml_dsa("a"), ml_dsa("b"), ml_dsa("c"), ml_dsa_44=1)),
    ("key-31", "an ed25519 key of 31 bytes", "keyset-illegal", keyset(("ed25519", bytes(31)), ed25519=1)),
    ("key-of-other-size", "an ml-dsa-44 key of 32 bytes", "keyset-illegal", keyset(("ml-dsa-44", bytes(32)), ml_dsa_44=1)),
    ("key-2000", "a key of 2,000 bytes", "keyset-illegal", keyset(("ed25519", bytes(2000)), ed25519=1)),
    ("threshold-0", "a threshold of 0", "schema", keyset(ONE_KEY, ed25519=0)),
    ("algorithm-unknown", "an algorithm that does not exist", "schema", keyset(("rsa", bytes(32)), rsa=1)),
    ("threshold-unknown", "a threshold of an unknown algorithm", "schema", keyset(ONE_KEY, ed25519=1, rsa=1)),
    ("keys-9", "nine keys", "schema", keyset(*[("ed25519", some(f"key {n}")) for n in range(9)], ed25519=1)),
    ("key-text", "a key as str", "schema", {"keys": [["ed25519", "k" * 32]], "thresholds": {"ed25519": 1}}),
    ("key-of-three", "a key with three parts", "schema", {"keys": [["ed25519", bytes(32), 1]], "thresholds": {"ed25519": 1}}),
    ("keys-missing", "a keyset without keys", "schema", {"thresholds": {"ed25519": 1}}),
    ("thresholds-missing", "a keyset without thresholds", "schema", {"keys": [list(ONE_KEY)]}),
)  # fmt: skip


def forks() -> Iterator[tuple[str, str, Fields]]:
    """Bodies of `evidence` that prove no fork."""
    one = payload("undelegate")
    good = fork()
    yield (
        "evidence-descending",
        "payloads in descending order",
        {"first": good["second"], "second": good["first"]},
    )
    yield "evidence-equal", "one payload twice", {"first": good["first"], "second": good["first"]}
    yield "evidence-other-lane", "payloads of two lanes", fork(one, changed(one, lane=bytes(16)))
    yield "evidence-other-seq", "payloads at two places", fork(one, changed(one, seq=9))
    yield "evidence-other-by", "payloads of two identities", fork(one, changed(one, by=some("another")))
    yield "evidence-other-key", "payloads of two key events", fork(one, changed(one, key=some("another")))
    foreign = [changed(fields, log=some("other log")) for fields in (one, payload("endorse"))]
    yield "evidence-foreign", "payloads of another log", fork(*foreign)
    yield (
        "evidence-other-log",
        "payloads of two logs",
        fork(one, changed(payload("endorse"), log=some("other log"))),
    )
    yield "evidence-states", "two states", fork(payload("state"), body_with("state", records=9))
    yield "evidence-mixed", "a key event and an ordinary statement", fork(one, payload("rotate"))
    yield (
        "evidence-other-kseq",
        "two key events of two numbers",
        fork(payload("rotate"), payload("rotate", kseq=2)),
    )
    inner = changed(one, type="evidence", body=good)
    yield "evidence-of-evidence", "evidence within evidence", fork(one, inner)
    broken = pack(changed(one, note="x"))
    yield (
        "evidence-of-nonsense",
        "a payload that breaks a schema",
        {**good, "second": [broken, good["second"][1]]},
    )
    yield "evidence-unsigned", "a payload without signatures", {**good, "first": [good["first"][0]]}


def refused() -> Iterator[Case]:
    """One broken rule each."""

    def bad(name: str, what: str, fields: Any, code: str = "schema") -> Case:
        return Case(f"payload/{name}", what, "payload", pack(fields), code)

    for name, what, type_, changes in WRONG_BODIES:
        yield bad(name, what, body_with(type_, **changes))
    for name, what, fields in WRONG_ENVELOPES:
        yield bad(name, what, fields)
    for name, what, code, wrong in KEYSETS:
        yield bad(f"keyset-{name}", what, body_with("enrol", keyset=wrong), code)
    for name, what, wrong in forks():
        yield bad(name, what, payload("evidence", body=wrong))
    for type_ in KEY_EVENTS:
        yield bad(
            f"{type_}-keyset",
            "a key event with a bad keyset",
            body_with(type_, keyset=KEYSETS[2][3]),
            "keyset-illegal",
        )
    yield bad("array", "a payload that is an array", [1])
    yield bad("genesis-vkeys-empty", "no vkey", body_with("genesis", vkeys=Raw(b"\x90")), "not-canonical")
    yield bad(
        "lane-nil",
        "nil instead of leaving a key out",
        payload("artifacts", prev=Raw(b"\xc0")),
        "not-canonical",
    )
    yield Case(
        "payload/trailing-byte",
        "a byte behind it",
        "payload",
        pack(payload("enrol")) + b"\x01",
        "not-canonical",
    )
    yield Case("payload/bytes-24577", "24,577 bytes", "payload", filled_to(24_577), "too-large")
    yield Case(
        "payload/bytes-60161", "60,161 bytes, whatever they are", "payload", bytes(60_161), "too-large"
    )


def entries() -> Iterator[Case]:
    """SPEC §8.1."""
    base = payload("artifacts")
    signature = [0, 0, bytes(64)]

    def case(name: str, what: str, fields: Any, code: str = "") -> Case:
        return Case(f"entry/{name}", what, "entry", pack(fields), code)

    all_places = [[code, index, bytes(2420 if index < 2 else 64)] for code in range(3) for index in range(8)]
    yield case("legal-one", "one signature", entry(base))
    yield case("legal-state", "a state has none", [pack(payload("state"))])
    yield case("legal-24", "24 signatures", entry(base, all_places))
    yield case("state-signed", "a signed state", entry(payload("state")), "schema")
    yield case("unsigned", "a statement without signatures", [pack(base)], "schema")
    yield case("three-parts", "a third part", [*entry(base), 1], "schema")
    yield case("map", "an entry that is a map", {"payload": pack(base)}, "schema")
    yield case("payload-inline", "a payload that is no bin", [base, [signature]], "schema")
    yield case("payload-text", "a payload as str", ["payload", [signature]], "schema")
    yield case("signature-63", "a signature of 63 bytes", entry(base, [[0, 0, bytes(63)]]), "schema")
    yield case("signature-text", "a signature as str", entry(base, [[0, 0, "s" * 64]]), "schema")
    yield case("signature-of-two", "a signature without key index", entry(base, [[0, bytes(64)]]), "schema")
    yield case("signature-keyset-3", "a fourth keyset", entry(base, [[3, 0, bytes(64)]]), "schema")
    yield case("signature-index-8", "a ninth key", entry(base, [[0, 8, bytes(64)]]), "schema")
    yield case(
        "signatures-descending",
        "signatures in descending order",
        entry(base, [[0, 1, bytes(64)], signature]),
        "schema",
    )
    yield case(
        "signatures-twice",
        "two signatures of one key",
        entry(base, [signature, [0, 0, b"\x01" * 64]]),
        "schema",
    )
    yield case(
        "signatures-empty", "an empty array of signatures", [pack(base), Raw(b"\x90")], "not-canonical"
    )
    yield case(
        "payload-bad", "a payload that is not canonical", [pack(base) + b"\x01", [signature]], "not-canonical"
    )
    yield case(
        "payload-schema",
        "a payload that breaks its schema",
        [pack(payload("artifacts", v=2)), [signature]],
        "schema",
    )
    yield case(
        "payload-large",
        "a payload that is too large",
        [filled_to(24_577), [signature]],
        "too-large",
    )
    keys = body_with("enrol", keyset=KEYSETS[2][3])
    yield case("payload-keyset", "a payload with a bad keyset", [pack(keys), [signature]], "keyset-illegal")
    yield Case(
        "entry/trailing-byte", "a byte behind it", "entry", pack(entry(base)) + b"\x00", "not-canonical"
    )
    yield Case("entry/bytes-65536", "65,536 bytes, whatever they are", "entry", bytes(65_536), "too-large")
    yield Case("entry/record", "a record is no entry", "entry", pack({"v": 1}), "schema")

"""One legal example of everything that is signed, as plain dicts: an illegal one is a legal one with one change."""

from __future__ import annotations

import base64
import hashlib
from copy import deepcopy
from typing import Any, NamedTuple

from tests.reference import mth, pack, tagged

Fields = dict[str, Any]


class Case(NamedTuple):
    """`data` is read as `kind` (record, payload, entry); `code` is its refusal, "" if it is legal."""

    name: str
    what: str
    kind: str
    data: bytes
    code: str = ""


def some(name: str) -> bytes:
    """A fixed digest for a made-up name: no id or key that anybody has."""
    return hashlib.sha256(b"sample " + name.encode()).digest()


def changed(fields: Fields, **changes: Any) -> Fields:
    """A deep copy with other values; None takes a key away."""
    result = deepcopy(fields) | changes
    return {name: value for name, value in result.items() if value is not None}


# --- Records (SPEC §4) ------------------------------------------------------------------------------------------------

PARENTS_NEEDED = {"abstract": "distilled-from", "derived": "derived-from", "output": "generated-by"}


def parent(rel: str = "evidence", name: str = "parent", **more: Any) -> Fields:
    return {"rel": rel, "id": some(name), **more}


def in_order(parents: list[Fields]) -> list[Fields]:
    return sorted(parents, key=pack)


def facts(kind: str, form: str = "raw") -> Fields | None:
    """All facts that a record of this kind and form may state."""
    by_topic: dict[str, Fields] = {
        "experience": {
            "confidence": 800_000,
            "stake": "high",
            "evidence": sorted([some("log of the run"), some("photo")]),
        },
        "derived": {"tool": "pandoc", "version": "3.1.2", "parameters": some("parameters")},
        "model": {"name": "quill", "version": "2.0", "family": "quill-base"},
        "output": {"parameters": some("generation")},
        "abstract": {"method": "gradient"},
        "rows": {"count": 3, "column": "text"},
        "manifest": {
            "checkpoint": some("note"),
            "policy": some("policy"),
            "trust": some("trust"),
            "time": 1_700_000_000_000,
            "count": 3,
        },
    }
    return by_topic.get(form if kind == "dataset" else kind)


def record(kind: str = "work", form: str = "raw", **changes: Any) -> Fields:
    """A legal record that a human may make (of an `output`: with the model that it names)."""
    fields: Fields = {
        "v": 1,
        "kind": kind,
        "maker": some("maker"),
        "stance": "made",
        "content": some("content"),
        "form": form,
        "size": {"sealed": 64, "manifest": 195}.get(form, 1234),
        "parents": [parent(PARENTS_NEEDED[kind])] if kind in PARENTS_NEEDED else [],
    }
    if form != "sealed":
        fields["media"] = "text/plain"
    stated = facts(kind, form)
    if stated is not None:
        fields["facts"] = stated
    return changed(fields, **changes)


def artifact_id(fields: Fields) -> bytes:
    return mth([pack(fields)])


# --- Statements (SPEC §5, §7) -----------------------------------------------------------------------------------------

ORDINARY = ("artifacts", "delegate", "undelegate", "endorse", "attest", "notice", "rules", "evidence")
KEY_EVENTS = ("rotate", "recover", "retire")
TYPES = ("genesis", "enrol", "state", *KEY_EVENTS, *ORDINARY)


def keyset(*keys: tuple[str, bytes], **thresholds: int) -> Fields:
    """A keyset; `ed25519=1` or `ml_dsa_44=1` are thresholds."""
    return {
        "keys": sorted((list(key) for key in keys), key=pack),
        "thresholds": {name.replace("ml_dsa_44", "ml-dsa-44"): number for name, number in thresholds.items()},
    }


def vkey(name: str = "log.example/test", key: bytes = b"", kind: int = 1) -> str:
    """A vkey whose key id is right; its key is no point that anybody has the secret of, unless it is given."""
    material = bytes([kind]) + (key or some("log key"))
    key_id = hashlib.sha256(name.encode() + b"\n" + material).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(material).decode()}"


def body(type_: str) -> Fields:
    """A body with every optional key that may stand beside the others."""
    if type_ == "evidence":
        return fork()
    births = {
        "keyset": keyset(("ed25519", some("key")), ed25519=1),
        "next": some("next keyset"),
        "recovery": some("recovery keyset"),
    }
    compromised = [[some("key"), 7]]
    subjects = [[some("artifact")]]
    bodies: dict[str, Fields] = {
        "genesis": {
            "origin": "log.example/test",
            "vkeys": [vkey()],
            **births,
            "rules": {"mode": "open", "limits": {"records": 100, "bytes": 1_000_000}},
            "fold": 1,
        },
        "enrol": {"role": "human", **births, "profile": some("profile")},
        "rotate": {**births, "compromised": compromised},
        "recover": {**births, "compromised": compromised},
        "retire": {"keyset": births["keyset"], "reason": "ended", "compromised": compromised},
        "state": {"root": some("root"), "records": 5, "time": 1_700_000_000_000, "fold": 1},
        "artifacts": {"count": 2, "root": some("records"), "delegation": some("delegation")},
        "delegate": {
            "pair": some("pair"),
            "substrate": {"name": "quill", "version": "2.0", "family": "base", "weights": some("weights")},
            "scope": {"kinds": ["work", "output"], "until": 1_800_000_000_000, "count": 10, "human": 400_000},
        },
        "undelegate": {"pair": some("pair")},
        "endorse": {
            "subject": some("subject"),
            "grade": "known",
            "method": "in-person",
            "until": 1_800_000_000_000,
            "log": some("other log"),
        },
        "attest": {
            "subjects": subjects,
            "claim": "authorship",
            "result": "confirmed",
            "evidence": [some("evidence")],
        },
        "notice": {"subjects": [[some("artifact"), 4]], "act": "hold", "reason": "rights"},
        "rules": {
            "mode": "allow-list",
            "registrars": [some("registrar")],
            "curators": [some("curator")],
            "vkeys": [vkey()],
            "limits": {"records": 100},
        },
    }
    return deepcopy(bodies[type_])


def fork(first: Fields | None = None, second: Fields | None = None) -> Fields:
    """The body of an `evidence` with two payloads, ascending."""
    one = first or payload("undelegate")
    other = second or changed(one, body={"pair": some("another pair")})
    pair = sorted(pack(fields) for fields in (one, other))
    signatures = [[0, 0, bytes(64)]]
    return {"first": [pair[0], signatures], "second": [pair[1], deepcopy(signatures)]}


def payload(type_: str, **changes: Any) -> Fields:
    """A statement that obeys every schema; nobody signed it."""
    fields: Fields = {"v": 1, "type": type_, "log": some("log"), "body": body(type_)}
    if type_ in KEY_EVENTS:
        fields |= {"by": some("identity"), "kseq": 1, "prev": some("previous")}
    elif type_ not in ("genesis", "enrol", "state"):
        fields |= {
            "by": some("identity"),
            "key": some("key event"),
            "lane": some("lane")[:16],
            "seq": 3,
            "prev": some("previous"),
        }
    return changed(fields, **changes)


def body_with(type_: str, **changes: Any) -> Fields:
    """A payload whose body has other values; None takes a key away."""
    return payload(type_, body=changed(body(type_), **changes))


def entry(fields: Fields | None = None, signatures: Any = None) -> list[Any]:
    """An entry whose shape is right; its one signature is 64 zero bytes."""
    return [pack(fields or payload("artifacts")), signatures or [[0, 0, bytes(64)]]]


def statement_id(fields: Fields) -> bytes:
    return tagged("statement", pack(fields))

"""The body of every statement type, as schemas (SPEC §5.2, §5.4, §7.1)."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import codec, schema, words
from ledger.statements.schema import Check, array, code, digest, exact, integer, refuse, text, time_ms

PAYLOAD_LIMITS_BYTES: Final = {"evidence": spec.EVIDENCE_PAYLOAD_BYTES_MAX}
_ALGORITHM: Final = code(frozenset(words.ALGORITHMS))


def keyset(value: Any, where: str) -> None:
    """A keyset's schema and the agreement of its keys and thresholds (SPEC §7.1). Raises RefusedInput."""
    _KEYSET(value, where)
    keys = value["keys"]
    if any(codec.encode(one) >= codec.encode(other) for one, other in pairwise(keys)):
        raise _illegal(f"{where}.keys", "the keys are not strictly ascending")
    counts: dict[str, int] = {}
    for position, (algorithm, key) in enumerate(keys):
        size = words.ALGORITHMS[algorithm][0]
        if len(key) != size:
            raise _illegal(f"{where}.keys[{position}]", f"a key of '{algorithm}' has {size} bytes")
        counts[algorithm] = counts.get(algorithm, 0) + 1
    if counts.get("ml-dsa-44", 0) > spec.KEYS_ML_DSA_MAX:
        raise _illegal(f"{where}.keys", f"at most {spec.KEYS_ML_DSA_MAX} keys are of 'ml-dsa-44'")
    thresholds = value["thresholds"]
    if thresholds.keys() != counts.keys():
        raise _illegal(where, "every algorithm among the keys has one threshold, and no other has")
    for algorithm, threshold in thresholds.items():
        if threshold > counts[algorithm]:
            raise _illegal(where, f"the threshold of '{algorithm}' is over the number of its keys")


def _illegal(where: str, reason: str) -> RefusedInput:
    return RefusedInput("keyset-illegal", where, reason, "SPEC §7.1 says how a keyset is made.")


def _key(value: Any, where: str) -> None:
    if type(value) is not list or len(value) != 2:
        raise refuse(where, "it must be [algorithm, public key]")
    _ALGORITHM(value[0], f"{where}[0]")
    _BIN(value[1], f"{where}[1]")


def tuple_of(*checks: Check) -> Check:
    """An array of as many items as there are checks, one for each."""

    def check(value: Any, where: str) -> None:
        if type(value) is not list or len(value) != len(checks):
            raise refuse(where, f"it must be an array of {len(checks)} items")
        for position, item in enumerate(checks):
            item(value[position], f"{where}[{position}]")

    return check


def _subject(value: Any, where: str) -> None:
    if type(value) is not list or len(value) not in (1, 2):
        raise refuse(where, "a subject is [artifact id] or [artifact id, row index]")
    digest(value[0], f"{where}[0]")
    if len(value) == 2:
        integer(0, spec.ROWS_MAX - 1)(value[1], f"{where}[1]")


def _compromised(value: Any, where: str) -> None:
    array(tuple_of(_BIN, integer(0, spec.INTEGER_MAX)), spec.KEYS_MAX)(value, where)
    schema.strictly_ascending([codec.encode(item[0]) for item in value], where)


def _substrate(value: Any, where: str) -> None:
    exact({"name": _NAME, "version": _NAME}, {"family": _NAME, "weights": digest, "model": digest})(
        value, where
    )
    if "weights" in value and "model" in value:
        raise refuse(where, "it names its weights twice, by digest and by artifact")


def vkeys(value: Any, where: str) -> None:
    """The verifier keys of a log (SPEC §3.1), each once. Raises RefusedInput."""
    array(text(_VKEY), spec.VKEYS_MAX)(value, where)
    if len(set(value)) != len(value):
        raise refuse(where, "a vkey stands twice")


def _notice(value: Any, where: str) -> None:
    exact(
        {"subjects": SUBJECTS, "act": code(words.ACTS)},
        {"reason": code(words.REASONS), "cancels": digest},
    )(value, where)
    if ("cancels" in value) != (value["act"] == "release"):
        raise refuse(f"{where}.cancels", "a release, and only a release, names the hold it cancels")


def _genesis(value: Any, where: str) -> None:
    _GENESIS(value, where)
    rules = value["rules"]
    if rules["mode"] != "open" or not rules.keys() <= {"mode", "limits"}:
        raise refuse(
            f"{where}.rules", "a genesis begins with mode 'open' and without lists: nobody is enrolled yet"
        )


def _enrol(value: Any, where: str) -> None:
    exact(
        {"role": code(words.ROLES_ENROLLED), **_KEYS},
        {"of": digest, "profile": digest},
    )(value, where)
    if ("of" in value) != (value["role"] == "pair"):
        raise refuse(f"{where}.of", "a pair, and only a pair, names its anchor")


def _fork(value: Any, where: str) -> None:
    _FORK(value, where)
    if codec.encode(value["first"][0]) >= codec.encode(value["second"][0]):
        raise refuse(where, "the two payloads are not ascending")


def signatures(value: Any, where: str) -> None:
    """The signatures of an entry (SPEC §8.1): [keyset 0-2, key index, signature], ascending by the first two."""
    _SIGNATURES(value, where)
    schema.strictly_ascending([item[:2] for item in value], where)


def _signature(value: Any, where: str) -> None:
    if type(value) is not bytes or len(value) not in _SIGNATURE_SIZES:
        raise refuse(where, "it must be a bin of 64 bytes (ed25519) or 2,420 (ml-dsa-44)")


_NAME: Final = text(words.NAME)
_BIN: Final = schema.binary_up_to(spec.PAYLOAD_BYTES_MAX)
_SIGNATURE_SIZES: Final = frozenset(size for _, size in words.ALGORITHMS.values())
_VKEY: Final = re.compile(  # SPEC §3.1: base64 of 0x01 ‖ key begins with A and one of Q-Z, a-f
    r"[a-z0-9][a-z0-9._/-]{0,127}\+[0-9a-f]{8}\+A[Q-Za-f][A-Za-z0-9+/]{42}\Z", re.ASCII
)
SUBJECTS: Final = array(_subject, spec.SUBJECTS_MAX, ascending=True)
_IDENTITIES: Final = array(digest, spec.RULES_IDENTITIES_MAX, ascending=True)

_KEYSET: Final = exact(
    {
        "keys": array(_key, spec.KEYS_MAX),
        "thresholds": exact({}, dict.fromkeys(words.ALGORITHMS, integer(1, spec.INTEGER_MAX)), one_of=True),
    }
)
_KEYS: Final[dict[str, Check]] = {"keyset": keyset, "next": digest, "recovery": digest}
_RULES: Final = exact(
    {"mode": code(words.MODES)},
    {
        "registrars": _IDENTITIES,
        "curators": _IDENTITIES,
        "vkeys": vkeys,
        "limits": exact(
            {},
            {
                "records": integer(1, spec.STATEMENT_RECORDS_MAX),
                "bytes": integer(1, spec.STATEMENT_RECORDS_BYTES_MAX),
            },
            one_of=True,
        ),
    },
)
_GENESIS: Final = exact(
    {
        "origin": text(words.ORIGIN),
        "vkeys": vkeys,
        **_KEYS,
        "rules": _RULES,
        "fold": integer(1, spec.INTEGER_MAX),
    }
)
_SIGNATURES: Final = array(
    tuple_of(integer(0, 2), integer(0, spec.KEYS_MAX - 1), _signature),
    3 * spec.KEYS_MAX,
)
_SIGNED: Final = tuple_of(_BIN, signatures)
_FORK: Final = exact({"first": _SIGNED, "second": _SIGNED})
_ROTATION: Final = exact(_KEYS, {"compromised": _compromised})

BODIES: Final[dict[str, Check]] = {
    "genesis": _genesis,
    "enrol": _enrol,
    "rotate": _ROTATION,
    "recover": _ROTATION,
    "retire": exact({"keyset": keyset, "reason": code(words.REASONS_RETIRE)}, {"compromised": _compromised}),
    "state": exact(
        {
            "root": digest,
            "records": integer(0, spec.INTEGER_MAX),
            "time": time_ms,
            "fold": integer(1, spec.INTEGER_MAX),
        }
    ),
    "artifacts": exact(
        {"count": integer(1, spec.STATEMENT_RECORDS_MAX), "root": digest}, {"delegation": digest}
    ),
    "delegate": exact(
        {"pair": digest, "substrate": _substrate},
        {
            "scope": exact(
                {},
                {
                    "kinds": array(code(words.KINDS), spec.KINDS_MAX, ascending=True),
                    "until": time_ms,
                    "count": integer(1, spec.INTEGER_MAX),
                    "human": integer(1, spec.PPM),
                },
                one_of=True,
            )
        },
    ),
    "undelegate": exact({"pair": digest}),
    "endorse": exact(
        {"subject": digest, "grade": code(words.GRADES), "method": code(words.METHODS_ENDORSE)},
        {"until": time_ms, "log": digest},
    ),
    "attest": exact(
        {"subjects": SUBJECTS, "claim": code(words.CLAIMS), "result": code(words.RESULTS)},
        {"evidence": schema.digests_ascending},
    ),
    "notice": _notice,
    "rules": _RULES,
    "evidence": _fork,
}

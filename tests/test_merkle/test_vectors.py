"""The published RFC 6962 proofs of transparency-dev/merkle, good and bad, by the verdict each asks for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ledger.errors import ProofInvalid
from ledger.merkle import tree
from tests.shared import vectors


def _cases(name: str) -> list[dict[str, Any]]:
    cases = json.loads((vectors("transparency-dev-merkle") / name).read_text())
    assert len(cases) == 98
    assert sum(case["wantErr"] for case in cases.values()) == 92
    return list(cases.values())


def _bytes(text: str | None) -> bytes:
    return base64.b64decode(text or "", validate=True)


def _path(case: dict[str, Any]) -> list[bytes]:
    return [_bytes(text) for text in case["proof"] or []]


def test_inclusion() -> None:
    for case in _cases("inclusion.json"):
        proof = _bytes(case["leafHash"]), case["leafIdx"], case["treeSize"], _path(case), _bytes(case["root"])
        if case["wantErr"]:
            with pytest.raises(ProofInvalid):
                tree.verify_inclusion(*proof)
        else:
            tree.verify_inclusion(*proof)


def test_consistency() -> None:
    for case in _cases("consistency.json"):
        proof = case["size1"], _bytes(case["root1"]), case["size2"], _bytes(case["root2"]), _path(case)
        if case["wantErr"]:
            with pytest.raises(ProofInvalid):
                tree.verify_consistency(*proof)
        else:
            tree.verify_consistency(*proof)

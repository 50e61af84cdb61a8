"""The log's key remembers what it signed: never two roots for one size, never a smaller log."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.errors import StoreFault
from ledger.proofs.checkpoint import Checkpoint
from ledger.signer.signed_head import remembering


def message(size: int, root: int) -> bytes:
    return Checkpoint("log.example/a", size, bytes([root]) * 32).body().encode()


def test_a_growing_log_is_signed_and_remembered_over_processes(tmp_path: Path) -> None:
    path = tmp_path / "log.signed"
    assert remembering(path, lambda _: b"first")(message(2, 1)) == b"first"
    assert remembering(path, lambda _: b"again")(message(2, 1)) == b"again"
    assert remembering(path, lambda _: b"more")(message(5, 2)) == b"more"


@pytest.mark.parametrize(("size", "root"), [(5, 3), (4, 2), (2, 1)])
def test_what_contradicts_it_is_not_signed(tmp_path: Path, size: int, root: int) -> None:
    path = tmp_path / "log.signed"
    remembering(path, lambda _: b"")(message(5, 2))
    signed: list[bytes] = []
    with pytest.raises(StoreFault, match="older copy") as refused:
        remembering(path, lambda body: signed.append(body) or b"")(message(size, root))  # type: ignore[func-returns-value]
    assert refused.value.code == "log-rolled-back"
    assert not signed


def test_it_is_remembered_before_the_signature_leaves(tmp_path: Path) -> None:
    """A signer that dies after signing has signed all the same."""
    path = tmp_path / "log.signed"

    def dies(_body: bytes) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remembering(path, dies)(message(5, 2))
    with pytest.raises(StoreFault):
        remembering(path, lambda _: b"")(message(5, 3))


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"size": -1, "root": ""}', b'{"size": "5", "root": ""}', b"\xff"]
)
def test_a_damaged_memory_signs_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.signed"
    path.write_bytes(content)
    with pytest.raises(StoreFault) as refused:
        remembering(path, lambda _: b"")(message(5, 2))
    assert refused.value.code == "key-memory-damaged"

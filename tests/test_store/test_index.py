"""Eight bytes of a digest propose; the whole digest decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.store import index
from ledger.store.contract import Batch
from ledger.store.memory import MemoryStore

DIGESTS = st.tuples(st.sampled_from([bytes(8), b"\xff" * 8, b"abcdefgh"]), st.integers(0, 2)).map(
    lambda parts: parts[0] + bytes([parts[1]]) * 24
)


@given(st.lists(DIGESTS, max_size=20), st.lists(DIGESTS, max_size=20))
def test_agrees_with_a_search_by_whole_digests(records: list[bytes], statements: list[bytes]) -> None:
    at = dict(enumerate(records)) | {index.statement_position(i): d for i, d in enumerate(statements)}
    store = MemoryStore()
    store.commit(Batch(index=[(index.prefix(digest), p) for p, digest in at.items()]), b"", b"1")
    with store.snapshot() as snapshot:
        for digest in {*records, *statements, b"absent" + bytes(26), b"abcdefgh" + b"\x09" * 24}:

            def check(position: int, digest: bytes = digest) -> bool:
                return at[position] == digest

            expected = sorted(p for p, d in at.items() if d == digest)
            assert index.find_all(snapshot, digest, check) == expected
            assert index.find(snapshot, digest, check) == (expected[0] if expected else None)


def test_prefix_and_positions() -> None:
    assert index.prefix(bytes(range(32))) == 0x0001020304050607
    assert index.statement_position(5) == 2**63 + 5
    assert index.statement_index(2**63 + 5) == 5
    assert index.statement_index(2**63 - 1) is None


@pytest.mark.parametrize("confirmed", [[], [3], [3, 9]])
def test_find_asks_no_further_than_needed(confirmed: list[int]) -> None:
    store = MemoryStore()
    store.commit(Batch(index=[(1, 9), (1, 3), (1, 2)]), b"", b"1")
    asked: list[int] = []

    def check(position: int) -> bool:
        asked.append(position)
        return position in confirmed

    with store.snapshot() as snapshot:
        assert index.find(snapshot, bytes(7) + b"\x01" + bytes(24), check) == (
            confirmed[0] if confirmed else None
        )
    assert asked == ([2, 3] if confirmed else [2, 3, 9])

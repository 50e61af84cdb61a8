"""Groups of leaves: the same root and paths as the whole tree has, by its definition."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import RefusedInput
from ledger.merkle import groups
from ledger.merkle.groups import GROUP, group_count, group_hashes, leaf_hashes_of, path_in_groups
from ledger.merkle.tree import hash_leaf, root_of, verify_inclusion
from tests import reference

SIZES = (1, 2, 255, 256, 257, 511, 512, 513, 700, 1_024, 1_025)


def inputs(size: int) -> list[bytes]:
    return [row.to_bytes(32, "big") for row in range(size)]


def test_every_path_of_every_small_tree_in_small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUP", 4)
    for size in range(1, 131):
        data = inputs(size)
        leaves = [hash_leaf(item) for item in data]
        hashes = group_hashes(leaves)
        assert len(hashes) == group_count(size)
        assert root_of(hashes) == reference.mth(data)
        for row in range(size):
            start = row - row % 4
            assert path_in_groups(leaves[start : start + 4], hashes, row) == reference.path(row, data)


@pytest.mark.parametrize("size", SIZES)
def test_paths_of_true_groups(size: int) -> None:
    data = inputs(size)
    leaves = leaf_hashes_of(b"".join(data))
    assert leaves == [hash_leaf(item) for item in data]
    hashes = group_hashes(leaves)
    root = reference.mth(data)
    assert root_of(hashes) == root
    for row in {0, size // 3, size // 2, size - 1, min(size - 1, GROUP), min(size - 1, GROUP - 1)}:
        start = row - row % GROUP
        path = path_in_groups(leaves[start : start + GROUP], hashes, row)
        assert path == reference.path(row, data)
        verify_inclusion(leaves[row], row, size, path, root)


@settings(deadline=None)
@given(st.integers(1, 2_000), st.data())
def test_any_row_of_any_tree(size: int, data: st.DataObject) -> None:
    row = data.draw(st.integers(0, size - 1))
    leaves = leaf_hashes_of(b"".join(inputs(size)))
    start = row - row % GROUP
    path = path_in_groups(leaves[start : start + GROUP], group_hashes(leaves), row)
    verify_inclusion(leaves[row], row, size, path, root_of(leaves))


def test_what_is_not_there_has_no_path() -> None:
    leaves = leaf_hashes_of(b"".join(inputs(300)))
    hashes = group_hashes(leaves)
    for group, index in ((leaves[:GROUP], 512), (leaves[:GROUP], -1), (leaves[GROUP:], 300)):
        with pytest.raises(RefusedInput) as caught:
            path_in_groups(group, hashes, index)
        assert caught.value.code == "index-out-of-range"
    with pytest.raises(RefusedInput) as caught:
        path_in_groups([b"short"], hashes, 0)
    assert caught.value.code == "hash-malformed"

"""Bundles read as they were packed, and strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InvariantBroken, StoreFault
from ledger.store.bundles import Erased, encode, item, items, pack, record_items
from tests.store_suite import code_of

WHOLE = st.binary(min_size=1, max_size=40)
ERASED = st.binary(min_size=32, max_size=32).map(Erased)


def naive_pack(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)


def plain(found: Any) -> Any:
    return found if isinstance(found, Erased) else bytes(found)


@given(st.lists(WHOLE, min_size=1, max_size=256))
def test_items_are_those_packed(parts: Any) -> None:
    bundle = pack(parts)
    assert bundle == naive_pack(parts)
    assert [bytes(part) for part in items(bundle)] == parts
    assert [bytes(part) for part in items(memoryview(bundle))] == parts
    assert [plain(item(bundle, i)) for i in range(len(parts))] == parts


@given(st.lists(st.one_of(WHOLE, ERASED), min_size=1, max_size=30))
def test_records_are_those_packed_erased_ones_among_them(parts: Any) -> None:
    bundle = pack(parts)
    assert [plain(part) for part in record_items(bundle)] == parts
    assert [plain(item(bundle, i, erasable=True)) for i in range(len(parts))] == parts
    if any(isinstance(part, Erased) for part in parts):
        with pytest.raises(StoreFault) as error:
            items(bundle)
        assert code_of(error) == "bundle-damaged"


def test_greatest_item_and_bundle() -> None:
    parts = [b"x" * 65_535] * 256
    assert [len(part) for part in items(pack(parts))] == [65_535] * 256
    assert encode(b"x" * 258)[:2] == b"\x01\x02"


@given(st.lists(st.one_of(WHOLE, ERASED), min_size=1, max_size=5), st.data())
def test_every_cut_that_is_not_between_items_is_damage(parts: Any, data: Any) -> None:
    bundle = pack(parts)
    between = {len(pack(parts[:n])) if n else 0 for n in range(len(parts) + 1)}
    cut = data.draw(st.integers(0, len(bundle)))
    if cut in between:
        assert len(record_items(bundle[:cut])) == sorted(between).index(cut)
    else:
        with pytest.raises(StoreFault) as error:
            record_items(bundle[:cut])
        assert code_of(error) == "bundle-damaged"


@pytest.mark.parametrize("bundle", [b"\0", b"\0\1x\0", b"\0\2x", b"\0\0", naive_pack([b"x"] * 257)])
def test_damage_is_told(bundle: bytes) -> None:
    with pytest.raises(StoreFault) as error:
        items(bundle)
    assert code_of(error) == "bundle-damaged"


@pytest.mark.parametrize("index", [-1, 2, 300])
def test_item_outside_its_bundle_is_told(index: int) -> None:
    with pytest.raises(StoreFault) as error:
        item(pack([b"a", b"b"]), index)
    assert code_of(error) == "bundle-damaged"


@pytest.mark.parametrize("parts", [[], [b""], [b"x" * 65_536], [b"x"] * 257, [Erased(b"short")]])
def test_what_no_bundle_holds_is_refused(parts: Any) -> None:
    with pytest.raises(InvariantBroken):
        pack(parts)

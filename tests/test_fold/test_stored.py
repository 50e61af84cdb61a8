"""What the fold reads back is held to its shape: who may write the folder may have put anything there."""

from __future__ import annotations

import msgpack
import pytest

from ledger.errors import LineageError, StoreFault
from ledger.fold.state import FoldState
from ledger.merkle.tree import hash_leaf
from tests.store_suite import code_of

LOG = bytes(range(32))
TOPIC = b"t" * 32
JUNK = [
    *(
        b"",
        b"\xc0",
        b"\x90",
        b"\x80",
        b"\xff",
        b"\xcf" + b"\xff" * 8,
        b"\xa1x",
        b"\xdd\xff\xff\xff\xff",
    ),
    *(b"\x92\xcf" + b"\xff" * 8 + b"\xa1x", b"\x92\xce\x05\xff\xff\xff\xc4\x20" + b"a" * 32, b"\x91" * 2_000),
    *(b"\x81\x01\x02", b"\x92\x05\x05", b"\xc4\x02hi", b"z" * 65),
]


@pytest.fixture
def kept() -> dict[bytes, bytes]:
    state = FoldState(LOG)
    for log_index in (3, 5, 8):
        state.extend_chain(TOPIC, log_index, hash_leaf(b"%d" % log_index))
    state.header.size = 9
    return state.take_changes()[0]


def test_what_was_kept_is_read_back(kept: dict[bytes, bytes]) -> None:
    assert FoldState(LOG, kept.get).topic_entries(TOPIC) == [3, 5, 8]


def test_junk_is_damage(kept: dict[bytes, bytes]) -> None:
    count = 0
    for key in kept:
        for junk in JUNK if key != b"h" else JUNK[1:]:  # no header at all is an empty log
            with pytest.raises(StoreFault) as error:
                FoldState(LOG, {**kept, key: junk}.get).topic_entries(TOPIC)
            assert code_of(error) == "ledger-damaged"
            count += 1
    assert count == 5 * len(JUNK) - 1


@pytest.mark.parametrize("key", [b"i" + LOG, b"l" + LOG * 2 + LOG[:16]])
def test_junk_of_identities_and_lanes_is_damage(kept: dict[bytes, bytes], key: bytes) -> None:
    for junk in JUNK:
        state = FoldState(LOG, {**kept, key: junk}.get)
        with pytest.raises(LineageError) as error:
            state.identity(LOG) if key[:1] == b"i" else state.lane(LOG, LOG, LOG[:16])
        assert code_of(error) == "ledger-damaged"


@pytest.mark.parametrize("length", [4, 10, 2**62])
def test_a_chain_longer_than_what_there_is_is_not_walked(kept: dict[bytes, bytes], length: int) -> None:
    read: list[bytes] = []
    stored = {**kept, b"t" + TOPIC: msgpack.packb([length, b"h" * 32])}

    def find(key: bytes) -> bytes | None:
        read.append(key)
        return stored.get(key)

    with pytest.raises(StoreFault) as error:
        FoldState(LOG, find).topic_entries(TOPIC)
    assert code_of(error) == "ledger-damaged"
    assert len(read) <= 6


@pytest.mark.parametrize("numbers", [(3, 3, 8), (5, 3, 8), (3, 5, 9)])
def test_the_entries_of_a_chain_ascend_within_the_log(
    kept: dict[bytes, bytes], numbers: tuple[int, ...]
) -> None:
    places = sorted(key for key in kept if key[:1] == b"n")
    changed = {**kept, **{key: msgpack.packb(number) for key, number in zip(places, numbers, strict=True)}}
    with pytest.raises(StoreFault) as error:
        FoldState(LOG, changed.get).topic_entries(TOPIC)
    assert code_of(error) == "ledger-damaged"

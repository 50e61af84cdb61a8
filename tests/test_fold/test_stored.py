"""What the fold reads back is held to its shape: who may write the folder may have put anything there."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgpack
import pytest

from ledger.errors import LineageError, StoreFault
from ledger.fold.state import FoldState
from ledger.merkle.tree import hash_leaf
from tests.cases.logs import public_key, signed
from tests.cases.voices import by_current, endorsement, fork, notice, pair_of_works
from tests.cases.worlds import town
from tests.store_suite import code_of
from tests.test_fold.told import asked, state_of

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


@pytest.mark.parametrize(
    "chain", [["word", TOPIC], [True, TOPIC], [-1, TOPIC], [1.5, TOPIC], [3, b"short"], [3, 3], [3, TOPIC, 1]]
)
def test_a_chain_is_a_length_and_a_head(kept: dict[bytes, bytes], chain: list[Any]) -> None:
    assert FoldState(LOG, {**kept, b"t" + TOPIC: msgpack.packb([3, TOPIC])}.get).chain(TOPIC).length == 3
    with pytest.raises(StoreFault) as error:
        FoldState(LOG, {**kept, b"t" + TOPIC: msgpack.packb(chain)}.get).chain(TOPIC)
    assert code_of(error) == "ledger-damaged"


@pytest.mark.parametrize("numbers", [(3, 3, 8), (5, 3, 8), (3, 5, 9)])
def test_the_entries_of_a_chain_ascend_within_the_log(
    kept: dict[bytes, bytes], numbers: tuple[int, ...]
) -> None:
    places = sorted(key for key in kept if key[:1] == b"n")
    changed = {**kept, **{key: msgpack.packb(number) for key, number in zip(places, numbers, strict=True)}}
    with pytest.raises(StoreFault) as error:
        FoldState(LOG, changed.get).topic_entries(TOPIC)
    assert code_of(error) == "ledger-damaged"


Pairs = dict[bytes, bytes]

# Of what is kept as a map: the values that fit nowhere, but for the fields named where they do.
MISFITS: list[Any] = [-1, 2**53, 1.5, True, None, "word", b"short", b"", [], {}, [[]], {"word": 1}]
FITTING: dict[str, list[Any]] = {
    name: [None] for name in ("anchor", "before", "cut", "cut_at", "delegation", "ended", "scope", "until")
}
FITTING |= {"compromised": [[]], "vkeys": [[]], "rules": [{}], "operator": [b""]}
FITTING |= {"origin": ["word"], "vetoed": [True]}
KEY = b"k" * 32
MORE_MISFITS: dict[str, list[Any]] = {
    "signed_by": [[b"short"], [KEY] * 9, [KEY, 1]],
    "compromised": [[[b"", 3]], [["word", 3]], [[KEY, -1]], [[KEY]], [[KEY, 3]] * 9],
    "subjects": [[[b"short"]], [[KEY, -1]], [[KEY, 1, 1]], [[KEY], [LOG]]],
    "keyset": [{"keys": [["ed25519", KEY]], "thresholds": {"ed25519": 2}}],
    "type": ["artifacts"],
    "vetoed": [0, 1],
    "substrate": [{"name": "model"}],
    "scope": [{"count": 0}, {"words": 1}],
    "origin": ["lineage/log", "a log"],
    "vkeys": [["word"]],
    "rules": [{"mode": "closed"}],
}


@pytest.fixture(scope="module")
def everything() -> tuple[FoldState, Pairs]:
    """A state with a value of every kind, and what was kept of it."""
    world = town()
    script, human = world.script, world.human
    one, other = pair_of_works(world, human)
    script.tell(world.machine, "evidence", fork(by_current(one, "human"), by_current(other, "human")))
    script.tell(world.curator, "notice", notice("hold", [world.text], [world.rows, 1]))
    for grade in ("known", "verified", "documented"):
        script.tell(world.registrar, "endorse", endorsement(human.id, grade=grade))
    script.tell(world.registrar, "endorse", endorsement(world.other.id, until=9))
    script.delegate(human, world.pair, {"count": 3})
    script.tell(human, "undelegate", {"pair": world.pair.id})
    script.turn(human, "rotate", compromised=[[public_key("human"), 12]])
    script.turn(human, "recover", compromised=[[public_key("human"), 11]])
    script.turn(world.curator, "recover")
    script.turn(world.curator, "rotate")
    for _ in range(2):
        script.turn(world.other, "rotate")
    script.turn(world.other, "retire")
    script.add(signed(script.artifacts(world.machine, [b"x"]), "thief"))
    script.state()
    state = state_of(script)
    return state, state.take_changes()[0]


def damage(state: FoldState, pairs: Pairs, key: bytes, value: bytes | None) -> str:
    """The code with which a state is told that `value` (nothing) stands at `key`; "" if it believes that."""
    changed = {name: item for name, item in pairs.items() if name != key} | ({key: value} if value else {})
    try:
        asked(FoldState(state.header.log_id, changed.get), key)
    except LineageError as error:
        return error.code
    return ""


def test_every_kind_of_value_is_read_back_as_it_was(everything: tuple[FoldState, Pairs]) -> None:
    state, pairs = everything
    assert {key[:1] for key in pairs} == {bytes([kind]) for kind in b"cdefhiklnopqtux"}
    again = FoldState(state.header.log_id, pairs.get)
    for key in pairs:
        assert asked(again, key) == asked(state, key)


def test_junk_of_every_kind_is_damage(everything: tuple[FoldState, Pairs]) -> None:
    state, pairs = everything
    for key in pairs:
        junk = JUNK[1:]  # nothing at all is what stands before there is something
        if key[:1] in (b"n", b"q", b"c"):  # where a number stands
            junk = [item for item in junk if type(msgpack_of(item)) is not int]
        assert {damage(state, pairs, key, item) for item in junk} == {"ledger-damaged"}, key


def msgpack_of(data: bytes) -> Any:
    try:
        return msgpack.unpackb(data)
    except (ValueError, RecursionError):
        return None


def fields_of(value: dict[str, Any], *path: str) -> Iterator[tuple[str, ...]]:
    """The place of every field, of what is kept within it too."""
    for name, item in value.items():
        yield (*path, name)
        if name in ("last", "before", "delegation") and type(item) is dict:
            yield from fields_of(item, *path, name)


def with_field(value: dict[str, Any], path: tuple[str, ...], item: Any) -> bytes:
    """A value as it is kept, with another item at `path`."""
    changed = deepcopy(value)
    place = changed
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = item
    return bytes(msgpack.packb(changed))


def test_a_field_of_another_shape_is_damage(everything: tuple[FoldState, Pairs]) -> None:
    """Every field of every map, with every misfit; and with a field less, or one more."""
    state, pairs = everything
    names, count = set(), 0
    for key, kept in pairs.items():
        value = msgpack.unpackb(kept)
        if type(value) is not dict:
            continue
        for path in fields_of(value):
            misfits = [item for item in MISFITS if item not in FITTING.get(path[-1], [])]
            for item in misfits + MORE_MISFITS.get(path[-1], []):
                if is_ended(value, path) and item == b"":
                    continue
                found = damage(state, pairs, key, with_field(value, path, item))
                assert found == "ledger-damaged", (key[:1], path, item)
                count += 1
            names.add((key[:1], *path))
        for other in ({**value, "more": 1}, dict(list(value.items())[1:])):
            assert damage(state, pairs, key, msgpack.packb(other)) == "ledger-damaged"
    assert {key for key, *_ in names} == {bytes([kind]) for kind in b"defhiklopu"}
    assert len(names) > 75
    assert count > 3_500


def is_ended(value: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Whether a place is a commitment of a retirement, which makes none."""
    for name in path[:-1]:
        value = value[name]
    return path[-1] in ("next", "recovery") and value.get("type") == "retire"


def test_only_a_retirement_commits_to_nothing(everything: tuple[FoldState, Pairs]) -> None:
    state, pairs = everything
    ended = [key for key, kept in pairs.items() if key[:1] == b"i" and b"retire" in kept]
    assert len(ended) == 1
    value = msgpack.unpackb(pairs[ended[0]])
    assert (value["last"]["next"], value["last"]["recovery"]) == (b"", b"")
    for name in ("next", "recovery"):
        assert damage(state, pairs, ended[0], with_field(value, ("last", name), b"short")) == "ledger-damaged"


@pytest.mark.parametrize("kind", [b"k", b"d", b"f", b"n", b"u"])
def test_what_is_counted_and_not_there_is_damage(everything: tuple[FoldState, Pairs], kind: bytes) -> None:
    """A number says that it was kept."""
    state, pairs = everything
    keys = [key for key in pairs if key[:1] == kind]
    assert keys
    assert {damage(state, pairs, key, None) for key in keys} == {"ledger-damaged"}


def test_former_endorsements_are_counted_down(everything: tuple[FoldState, Pairs]) -> None:
    """One that names itself, or a later one, would be walked for ever."""
    state, pairs = everything
    keys = sorted(key for key in pairs if key[:1] == b"f")
    assert len(keys) == 2
    for number, key in enumerate(keys):
        value = msgpack.unpackb(pairs[key])
        assert value["former"] == number
        for other in (number + 1, number + 2, 2**53 - 1):
            assert damage(state, pairs, key, with_field(value, ("former",), other)) == "ledger-damaged"


@pytest.mark.parametrize("change", [{"log_index": 2**52}, {"type": "recover"}])
def test_a_life_that_does_not_begin_at_birth_is_damage(
    everything: tuple[FoldState, Pairs], change: dict[str, Any]
) -> None:
    """An event 0 behind the position asked of, or one that needs another before it."""
    state, pairs = everything
    key = next(key for key in pairs if key[:1] == b"k" and key[-8:] == bytes(8))
    identity = state.identity(key[1:33])
    assert identity is not None
    changed = {**pairs, key: msgpack.packb(msgpack.unpackb(pairs[key]) | change)}
    assert (
        FoldState(state.header.log_id, pairs.get).identity_before(identity.id, identity.born + 1) is not None
    )
    with pytest.raises(StoreFault) as error:
        FoldState(state.header.log_id, changed.get).identity_before(identity.id, identity.born + 1)
    assert code_of(error) == "ledger-damaged"


def test_a_search_among_key_events_believes_no_other_shape(everything: tuple[FoldState, Pairs]) -> None:
    """It reads of each that it passes its place alone."""
    state, pairs = everything
    keys = sorted(key for key in pairs if key[:1] == b"k" and key[-8:] == bytes(7) + b"\x01")
    assert len(keys) == 3
    for key in keys:
        identity = state.identity(key[1:33])
        assert identity is not None
        value = msgpack.unpackb(pairs[key])
        misfits = [with_field(value, ("log_index",), item) for item in MISFITS]
        for junk in [None, *JUNK, *misfits]:
            found = FoldState(state.header.log_id, {**pairs, key: junk}.get)
            with pytest.raises(StoreFault) as error:
                found.identity_before(identity.id, identity.last.log_index)
            assert code_of(error) == "ledger-damaged"

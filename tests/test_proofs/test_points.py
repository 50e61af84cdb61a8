"""Points of a proof file: each is verified, and none believed (SPEC §11.2)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.errors import ProofInvalid
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.proofs.points import Point, check_points
from tests.histories import FORKED, HONEST, SIZE, VKEY, History
from tests.test_proofs.witnesses import Cosigner, note

LATER = 30
STRANGER = Vkey.make(VKEY.name, ed25519.public_key(bytes([7]) * 32))


def point(size: int, *, history: History = HONEST, later: int = LATER, noted: bool = False) -> Point:
    signed = history.note(size) if noted else None
    return Point(size, history.checkpoint(size).root, signed, tuple(history.prove(later)(size)))


def refused(*points: Point, vkey: Vkey = VKEY) -> str:
    with pytest.raises(ProofInvalid) as error:
        check_points(points, HONEST.checkpoint(LATER), vkey)
    return error.value.code


def test_points_of_every_size_with_and_without_a_note_hold() -> None:
    for later in range(1, SIZE + 1):
        points = [point(size, later=later, noted=bool(size % 2)) for size in range(1, later)]
        check_points(points, HONEST.checkpoint(later), VKEY)


def test_a_path_of_another_history_or_a_changed_one_does_not_hold() -> None:
    good = point(20)
    for bad in (
        point(20, history=FORKED),
        good._replace(root=FORKED.checkpoint(20).root),
        good._replace(path=good.path[:-1]),
        good._replace(path=(bytes(32), *good.path[1:])),
        good._replace(path=(*good.path, bytes(32))),
        good._replace(size=19),
    ):
        assert refused(point(5), bad) == "consistency-invalid"


@pytest.mark.parametrize(
    "sizes", [(0,), (LATER,), (LATER + 1,), (5, 5), (6, 5)], ids=["none", "all", "beyond", "twice", "falling"]
)
def test_sizes_ascend_within_the_checkpoint(sizes: tuple[int, ...]) -> None:
    points = [point(size) if 0 < size < LATER else point(5)._replace(size=size) for size in sizes]
    assert refused(*points) == "proof-invalid"


def test_a_note_is_the_logs_own_and_of_that_very_tree() -> None:
    good = point(20)
    witness = Cosigner("witness.example/a")
    unsigned = HONEST.note(20).split(b"\n\n")[0] + b"\n\n"
    for lie in (
        HONEST.note(19),
        note(checkpoint=replace(HONEST.checkpoint(20), size=19)).encode(),  # the log signs whatever it likes
        FORKED.note(20),  # another root
        unsigned + witness.line(HONEST.checkpoint(20), 5).encode(),  # a witness's word alone
        b"",
        b"no note",
    ):
        assert refused(good._replace(note=lie)) == "proof-invalid"
    assert refused(point(20, noted=True), vkey=STRANGER) == "proof-invalid"
    check_points([good._replace(note=HONEST.note(20))], HONEST.checkpoint(LATER), VKEY)

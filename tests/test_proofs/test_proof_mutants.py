"""Ancestry proofs with a byte or a field changed: none says more than the file that was changed, and none ends the reader.

(SPEC §11.2.) Every byte is flipped, dropped and doubled, every field put in the place of every field of its kind, in files of
each shape. In `make long` all of it; else a sample drawn with a fixed seed. What is tried, and what became of it, is counted.
"""

from __future__ import annotations

import functools
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.proved import verify
from tests.test_proofs.fields import Field, fields_of
from tests.test_proofs.proving import remembered_signatures
from tests.test_proofs.shapes import BYTES_MAX, MAKERS, Shape, all_shapes
from tests.test_proofs.strength import Told, check_no_stronger, everything, told_by

IS_LONG = os.environ.get("LINEAGE_LONG") == "1"
SAMPLED = 1_000  # of bytes, and as many of fields
FLIPS = {"lowest bit": 0x01, "highest bit": 0x80, "all bits": 0xFF}
FIELDS = 75
REFUSALS = {
    "proof-invalid",
    "proof-incomplete",
    "multiproof-invalid",
    "status-invalid",
    "consistency-invalid",
    "note-invalid",
    "checkpoint-invalid",
    "state-wrong",
    "genesis-illegal",
    "fold-unknown",
}
WHOLE = {"log", "logs"}  # the place of one valid log taken by another: that is another valid file


@pytest.fixture(autouse=True, scope="module")
def _remembered() -> Iterator[None]:
    with remembered_signatures():
        yield


class Mutant(NamedTuple):
    """A change of a file of a shape: what it is, and data[start:stop] replaced."""

    kind: str
    shape: int
    start: int
    stop: int
    put: bytes

    def apply(self, data: bytes) -> bytes:
        return data[: self.start] + self.put + data[self.stop :]


def of_bytes(number: int, data: bytes) -> Iterator[Mutant]:
    for at in range(len(data)):
        for kind, bits in FLIPS.items():
            yield Mutant(kind, number, at, at + 1, bytes([data[at] ^ bits]))
        yield Mutant("dropped", number, at, at + 1, b"")
        yield Mutant("doubled", number, at, at, data[at : at + 1])


def of_fields(shapes: Sequence[Shape]) -> Iterator[Mutant]:
    """Every field taken out, doubled, and in its place each other field of its name that is anywhere."""
    by_name: dict[str, dict[bytes, None]] = {}
    fields: list[list[Field]] = []
    for shape in shapes:
        fields.append(fields_of(shape.data))
        for name, start, stop in fields[-1]:
            by_name.setdefault(name, {})[shape.data[start:stop]] = None
    for number, (shape, found) in enumerate(zip(shapes, fields, strict=True)):
        for name, start, stop in found:
            held = shape.data[start:stop]
            if held and name not in WHOLE:
                yield Mutant("taken out", number, start, stop, b"")
            yield Mutant("twice", number, start, start, held or b"\0")
            if name not in WHOLE:
                for other in by_name[name]:
                    if other != held:
                        yield Mutant("swapped", number, start, stop, other)


class Tally:
    """What became of mutants; the first that is stronger, or that is refused as nothing is, fails."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        self.shapes = shapes
        self.bases: list[Told] = [everything(shape) for shape in shapes]
        self.tried: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()

    def run(self, mutants: Iterator[Mutant] | Sequence[Mutant]) -> None:
        for mutant in mutants:
            shape = self.shapes[mutant.shape]
            self.tried[mutant.kind] += 1
            data = mutant.apply(shape.data)
            try:
                proved = verify(data, shape.vkeys, shape.trust, at_ms=shape.at_ms, policy=shape.policy)
            except (ProofInvalid, RefusedInput) as error:
                self.refused[mutant.kind] += 1
                self.codes[error.code] += 1
                continue
            except BaseException as error:
                raise AssertionError(f"{shape.name}: {mutant}") from error
            assert data != shape.data
            try:
                check_no_stronger(told_by(proved), self.bases[mutant.shape])
            except (AssertionError, KeyError) as error:
                raise AssertionError(f"{shape.name}: {mutant}") from error


@functools.cache
def tally() -> Tally:
    return Tally(all_shapes())


def sampled(mutants: list[Mutant], count: int) -> list[Mutant]:
    return random.Random(7).sample(mutants, count)


def test_the_shapes_are_what_they_are_called() -> None:
    shapes = all_shapes()
    assert len(shapes) == len(MAKERS) == len({shape.data for shape in shapes})
    levels = {}
    for shape, base in zip(shapes, tally().bases, strict=True):
        assert len(shape.data) <= BYTES_MAX
        levels[shape.name] = max(worth.level for worth in (*base.worth.values(), *base.rows.values()))
    assert (levels["reported"], levels["vouched"], levels["reality_bound"]) == (1, 3, 4)
    assert levels["disowned"] == levels["recovered"] == 1


def test_no_byte_makes_a_file_say_more() -> None:
    found = Tally(all_shapes())
    mutants = [each for number, shape in enumerate(found.shapes) for each in of_bytes(number, shape.data)]
    size = sum(len(shape.data) for shape in found.shapes)
    assert len(mutants) == (len(FLIPS) + 2) * size
    found.run(mutants if IS_LONG else sampled(mutants, SAMPLED))
    wanted = dict.fromkeys([*FLIPS, "dropped", "doubled"], size) if IS_LONG else {}
    assert found.tried.total() == (len(mutants) if IS_LONG else SAMPLED)
    assert wanted.items() <= found.tried.items()
    # What is dropped or doubled is refused. So is what is flipped, but for the log id (another log's file, of which nothing is
    # known), whom the file is about, and the number of a record that stands there twice.
    for kind in ("dropped", "doubled"):
        assert found.refused[kind] == found.tried[kind] > 100
    for kind in FLIPS:
        assert found.tried[kind] * 0.96 < found.refused[kind] <= found.tried[kind]
    assert found.codes.keys() <= REFUSALS


def test_no_field_of_another_file_makes_a_file_say_more() -> None:
    found = Tally(all_shapes())
    mutants = list(of_fields(found.shapes))
    assert len(mutants) > 40_000
    found.run(mutants if IS_LONG else sampled(mutants, SAMPLED))
    assert found.tried.total() == (len(mutants) if IS_LONG else SAMPLED)
    for kind in ("taken out", "twice"):
        assert found.refused[kind] == found.tried[kind] > 20
    assert found.tried["swapped"] * 0.99 < found.refused["swapped"] <= found.tried["swapped"]
    assert found.codes.keys() <= REFUSALS


def test_a_file_with_every_field_of_each_other_is_tried() -> None:
    """The field map has all the format's fields, so that each is changed."""
    names = {name for shape in all_shapes() for name, _, _ in fields_of(shape.data)}
    assert len(names) == FIELDS

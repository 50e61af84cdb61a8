"""Ancestry proofs made at random out of valid ones, for whoever reads them. For tests, and `make fuzz`.

Half are files with bytes and fields changed; they end at the first hash that does not hold. So the others are changed inside,
entries and records too, and then made anew by an operator who signs whatever he likes: what is read of them is hostile and holds.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from ledger.errors import ProofInvalid, RefusedInput
from ledger.origin.proved import verify
from ledger.statements import codec
from tests.test_proofs.fields import Field, fields_of
from tests.test_proofs.forge import VKEY, Forge
from tests.test_proofs.proving import WholeLog, read_whole, write_whole
from tests.test_proofs.shapes import Shape, all_shapes

NUMBERS = (0, 1, 2, 127, 255, 2**16 - 1, 2**31, 2**32 - 1, 2**53, 2**63, 2**64 - 1)
PEAK_BYTES_MAX = 67_108_864  # of room for a file of 1 MiB


class Seed(NamedTuple):
    shape: Shape
    fields: list[Field]


def seeds() -> list[Seed]:
    return [Seed(shape, fields_of(shape.data)) for shape in all_shapes()]


def of_bytes(chance: random.Random, held: list[Seed]) -> bytes:
    """A file with one to four changes: bits, numbers, fields of other files, pieces twice or gone."""
    seed = chance.choice(held)
    data = seed.shape.data
    for _ in range(chance.randint(1, 4)):
        data = _changed(chance, data, seed, held)
    return data


def _changed(chance: random.Random, data: bytes, seed: Seed, held: list[Seed]) -> bytes:
    what = chance.randrange(6) if data else 2
    field = chance.choice(seed.fields)
    start, stop = min(field.start, len(data)), min(field.stop, len(data))
    if what == 0:
        at = chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if what == 1:
        number = chance.choice(NUMBERS) & ((1 << 8 * (stop - start)) - 1) if stop - start <= 8 else 0
        return data[:start] + number.to_bytes(stop - start, "big") + data[stop:]
    if what == 2:
        other = chance.choice(held)
        same = [each for each in other.fields if each.name == field.name]
        put = same[chance.randrange(len(same))] if same else other.fields[0]
        return data[:start] + other.shape.data[put.start : put.stop] + data[stop:]
    if what == 3:
        return data[:stop] + data[start:]
    if what == 4:
        return data[:start] + data[stop:]
    return data[: chance.randrange(len(data) + 1)]


def of_values(chance: random.Random, value: object, depth: int = 0) -> object:
    """A decoded value with something in it changed."""
    if isinstance(value, dict) and value and (depth == 0 or chance.random() < 0.8):
        key = chance.choice(sorted(value))
        changed = dict(value)
        if chance.random() < 0.1:
            del changed[key]
        else:
            changed[key] = of_values(chance, value[key], depth + 1)
        return changed
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        put = [] if chance.random() < 0.1 else [of_values(chance, value[at], depth + 1)]
        return value[:at] + put * chance.choice((1, 1, 1, 2)) + value[at + 1 :]
    if isinstance(value, bytes) and value and chance.random() < 0.7:
        at = chance.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 1 << chance.randrange(8)]) + value[at + 1 :]
    return chance.choice((0, 1, -1, 2**53 - 1, "", "hold", b"", bytes(32), None, True, [], {}))


def of_entry(chance: random.Random, data: bytes) -> bytes:
    """An entry that its maker did not sign so, or that is none."""
    try:
        outer = codec.decode(data, 65_535)
        payload = codec.decode(outer[0], 65_535)
        return codec.encode([codec.encode(of_values(chance, payload)), *outer[1:]])
    except (RefusedInput, ValueError, TypeError, IndexError):
        return data[: chance.randrange(len(data))]


def made_anew(chance: random.Random, held: list[Seed]) -> bytes:
    """A log of the entries of some file, some of them changed, doubled, gone or in another order, under a key of its own."""
    logs, disclosed = read_whole(chance.choice(held).shape.data)
    part, rows = chance.choice(logs)
    forge = Forge()
    moved: dict[int, int] = {}
    entries = list(part.entries[1:-1])
    if chance.random() < 0.2:
        chance.shuffle(entries)
    for log_index, data in entries:
        for _ in range(chance.choice((1, 1, 1, 1, 1, 1, 0, 2))):
            mine = codec_of_log(data, part.log_id, forge.log)
            moved[log_index] = forge.put(of_entry(chance, mine) if chance.random() < 0.3 else mine)
    forge.topics |= set(part.topics)
    for each in sorted(part.statements, key=lambda each: moved.get(each.log_index, -1)):
        if each.log_index in moved:
            forge.statements.append(each._replace(log_index=moved[each.log_index]))
    made = forge.part(part.subjects)
    if chance.random() < 0.3 and made.topics:
        del made.topics[chance.randrange(len(made.topics))]
    return write_whole([WholeLog(made, rows if chance.random() < 0.5 else [])], disclosed)


def codec_of_log(data: bytes, before: bytes, after: bytes) -> bytes:
    """The entry as one of another log: its signatures do not hold any more."""
    return data.replace(before, after)


def run(is_over: Callable[[int], bool], seed: int = 1) -> Counter[str]:
    """Tries files until it is over; whatever is raised but a refusal is a crash. What became of them, by code."""
    chance = random.Random(seed)
    held = seeds()
    became: Counter[str] = Counter()
    while not is_over(became.total()):
        make = chance.choice((of_bytes, made_anew))
        data = make(chance, held)
        shape = chance.choice(held).shape
        try:
            verify(data, [*shape.vkeys, VKEY], shape.trust, at_ms=shape.at_ms, policy=shape.policy)
            became[f"{make.__name__}: verified"] += 1
        except (ProofInvalid, RefusedInput) as error:
            became[f"{make.__name__}: {error.code}"] += 1
        except BaseException as error:
            raise AssertionError(f"a crash, by {data.hex()}") from error
    return became

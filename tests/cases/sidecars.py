"""Rows sidecars, written by naive code alone: good ones with the paths of their rows, and one broken rule each (SPEC §10.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from tests.cases.samples import record
from tests.reference import mth, pack, path, sidecar

HEAD_BYTES = 24  # magic, count and length


class SidecarCase(NamedTuple):
    """A sidecar as a file, and the artifact id that it is named by. Bad ones: `code`; good ones: of some rows digest and path."""

    name: str
    what: str
    file: bytes
    artifact_id: bytes
    code: str = ""
    rows: dict[int, tuple[bytes, list[bytes]]] = {}  # noqa: RUF012 - a NamedTuple's default is shared, and never written


def digests_of(count: int, equal: int = 1) -> list[bytes]:
    """The first `equal` rows are the same text."""
    return [hashlib.sha256(b"row %d" % max(0, row - equal + 1)).digest() for row in range(count)]


def record_of(digests: list[bytes]) -> bytes:
    """The record over these rows."""
    return pack(
        record("dataset", "rows", content=mth(digests), facts={"count": len(digests), "column": "text"})
    )


def leaf(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def good(count: int, what: str, equal: int = 1) -> SidecarCase:
    digests = digests_of(count, equal)
    data = record_of(digests)
    shown = sorted({0, count // 2, count - 1})
    rows = {row: (digests[row], path(row, digests)) for row in shown}
    return SidecarCase(f"rows/good-{count}-{equal}", what, sidecar(data, digests), leaf(data), rows=rows)


def legal() -> Iterator[SidecarCase]:
    """Sidecars that are as they should be."""
    yield good(1, "one row: its path is empty")
    yield good(5, "five rows, two of which are equal: they stand by their row index in the order", equal=2)
    yield good(256, "a group that is full")
    yield good(257, "a second group, of one row")


def refused() -> Iterator[SidecarCase]:
    """Each breaks one rule of a sidecar of five rows."""
    digests = digests_of(5)
    data = record_of(digests)
    whole = sidecar(data, digests)
    digests_at = HEAD_BYTES + len(data)
    order_at = digests_at + 5 * 32
    order = [whole[order_at + 4 * place : order_at + 4 * place + 4] for place in range(5)]

    def bad(name: str, what: str, file: bytes, code: str = "rows-differ", named: bytes = data) -> SidecarCase:
        return SidecarCase(f"rows/bad-{name}", what, file, leaf(named), code)

    def ordered(places: list[bytes]) -> bytes:
        return whole[:order_at] + b"".join(places) + whole[order_at + 20 :]

    def flipped(at: int) -> bytes:
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]

    other = digests_of(6)[1:]
    yield bad("magic", "another beginning", b"L" + whole[1:], "rows-damaged")
    yield bad("cut", "a byte too few", whole[:-1], "rows-damaged")
    yield bad("long", "a byte too many", whole + b"\0", "rows-damaged")
    yield bad("empty", "no byte at all", b"", "rows-damaged")
    yield bad("no-rows", "a count of 0", whole[:16] + bytes(4) + whole[20:], "rows-damaged")
    yield bad(
        "count-over",
        "a count of 1,048,577",
        whole[:16] + (2**20 + 1).to_bytes(4, "big") + whole[20:],
        "rows-damaged",
    )
    yield bad(
        "record-over",
        "a record of 16,385 bytes",
        whole[:20] + (16_385).to_bytes(4, "big") + whole[24:],
        "rows-damaged",
    )
    yield bad("name", "the name of another record", whole, named=record_of(other))
    yield bad("digest", "a digest that was changed", flipped(digests_at + 40))
    yield bad("group", "a group's hash that was changed", flipped(len(whole) - 1))
    yield bad(
        "order-twice",
        "a row that stands twice in the order, and another not at all",
        ordered([*order[:4], order[0]]),
    )
    yield bad("order-swapped", "two rows out of turn", ordered([order[1], order[0], *order[2:]]))
    yield bad(
        "order-row", "a row index that there is no row for", ordered([*order[:4], (5).to_bytes(4, "big")])
    )
    yield bad("other-rows", "whole in itself, but not what was signed", sidecar(data, other))
    work = pack(record("work", "raw"))
    yield bad("work", "a record that is of no rows", sidecar(work, digests), named=work)
    fewer = record_of(digests_of(4))
    yield bad("count-differs", "a record over another number of rows", sidecar(fewer, digests), named=fewer)

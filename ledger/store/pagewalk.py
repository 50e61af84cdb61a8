"""A walk over all pages that an LMDB data file's trees reach, with plain reads: may they be read through the map?

LMDB (0.9, `mdb.c`) checks of a page its number and little more: counts, offsets and lengths are believed, and some of
what it does not expect ends the process (`mdb_cassert`). Hence each page is held to what a reader of it computes:

    page      u64 number, u16 pad, u16 flags, u16 lower, u16 upper; then (lower - 16) / 2 offsets of nodes
    branch    nodes of u48 page number, u16 key size, key
    leaf      nodes of u32 data size, u16 flags, u16 key size, key; and data, or the page where a run of pages with it
              begins, or 48 bytes about a tree, or a small page of the key's other values
    leaf 2    the values of one key, `pad` bytes each, without nodes

What a tree may hold depends on what it is: the tree of free pages, the main tree (whose values are the named trees), a
plain tree, the index (integer keys, many fixed-size values each) or the tree of one key's many values. Comparisons of
integers read 8 bytes whatever a key's size says, so that these have 8.

No page may be reached twice: else a few pages pass for a tree without end. So the walk takes time in proportion to the
file, and the memory of a bit for each page.

The same walk tells which bytes of the file the trees hold, for who overwrites the rest (`ledger.store.scrub`).
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple, Self

HEADER: Final = struct.Struct("=QHHHH")
TREE: Final = struct.Struct("=IHHQQQQQ")  # pad, flags, depth, branch, leaf, overflow pages, entries, root
_NODE: Final = struct.Struct("=HHHH")  # low and high half of size (or page number), flags, key size
_U64: Final = struct.Struct("=Q")
_BRANCH: Final = 0x01
_LEAF: Final = 0x02
_LEAF2: Final = 0x22
_SUB_PAGE: Final = 0x40
_TRANSIENT: Final = 0xC010  # page flags that mean something in a writer's memory only
_IN_LINE: Final = 0
_BIG: Final = 0x01
_SUB_TREE: Final = 0x02
_VALUES: Final = 0x04
_VALUE_TREE: Final = _VALUES | _SUB_TREE
_NO_ROOT: Final = 2**64 - 1
_DEPTH_MAX: Final = 32  # the stack of a cursor
_META_PAGES: Final = 2
_PLAIN: Final = 0x00
_FREE: Final = 0x08  # INTEGERKEY
_INDEX: Final = 0x3C  # DUPSORT, INTEGERKEY, DUPFIXED, INTEGERDUP
_OF_KEY: Final = 0x18  # INTEGERKEY, DUPFIXED
_MAIN: Final = -1  # a plain tree, of trees


def _nobody(_held: Held) -> None:
    """Nobody asks which pages there are."""


class Broken(Exception):
    """What is wrong with a page."""


class Tree(NamedTuple):
    """A tree as its parent describes it (MDB_db)."""

    pad: int
    flags: int
    root: int

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """From 48 bytes."""
        pad, flags, *_, root = TREE.unpack(data)
        return cls(pad, flags, root)


class _Todo(NamedTuple):
    number: int
    kind: int
    depth: int


class Held(NamedTuple):
    """What a tree holds on consecutive pages: from page `first` to `last`, of whose bytes [start, stop) say nothing."""

    first: int
    last: int
    start: int
    stop: int


def walk_pages(
    file: BinaryIO,
    page_bytes: int,
    pages: int,
    free: Tree,
    main: Tree,
    tell: Callable[[Held], None] = _nobody,
) -> None:
    """Visits every page under both roots; `pages` is how many there may be. Raises Broken.

    `tell` is told of every page, and of every run of pages, that they reach.
    """
    _Walk(file, page_bytes, pages, tell).visit(free, main)


class _Walk:
    def __init__(self, file: BinaryIO, page_bytes: int, pages: int, tell: Callable[[Held], None]) -> None:
        self._file = file
        self._page_bytes = page_bytes
        self._pages = pages
        self._tell = tell
        self._runs: list[tuple[int, int]] = []

    def visit(self, free: Tree, main: Tree) -> None:
        todo: list[_Todo] = []
        for tree, flags, kind in ((free, _FREE, _FREE), (main, _PLAIN, _MAIN)):
            if tree.flags != flags:
                raise Broken(f"a meta page states flags {tree.flags:#x} of a tree")
            todo += self._root(tree, kind, 1)
        with mmap.mmap(-1, self._pages // 8 + 1) as seen:  # the system gives its pages as they are touched
            while todo:
                at = todo.pop()
                if seen[at.number >> 3] >> (at.number & 7) & 1:
                    raise Broken(f"page {at.number} is in two places")
                seen[at.number >> 3] |= 1 << (at.number & 7)
                todo += self._page(at)
        self._check_runs()

    def _hold(self, number: int, start: int, stop: int) -> None:
        """A page of a tree, of which the bytes from `start` to `stop` are unused."""
        at = number * self._page_bytes
        self._tell(Held(number, number, at + start, at + stop))

    def _check_number(self, number: int) -> int:
        if not _META_PAGES <= number < self._pages:
            raise Broken(
                f"the file was cut short or changed: it has {self._pages} pages, and page {number} is in use"
            )
        return number

    def _root(self, tree: Tree, kind: int, depth: int) -> list[_Todo]:
        return [] if tree.root == _NO_ROOT else [_Todo(self._check_number(tree.root), kind, depth)]

    def _page(self, at: _Todo) -> Iterator[_Todo]:
        self._file.seek(at.number * self._page_bytes)
        page = self._file.read(self._page_bytes)
        if len(page) < self._page_bytes:
            raise Broken(f"the file was cut short: it ends before page {at.number}")
        number, pad, flags, lower, upper = HEADER.unpack_from(page)
        flags &= ~_TRANSIENT
        count = (lower - HEADER.size) // 2
        if number != at.number or flags not in (_BRANCH, _LEAF, _LEAF2) or at.depth > _DEPTH_MAX:
            raise Broken(f"page {at.number} is not a page of a tree")
        if (
            not HEADER.size + 2 <= lower <= upper <= self._page_bytes
            or lower % 2
            or (flags == _LEAF2) > (at.kind == _OF_KEY)
        ):
            raise Broken(f"page {at.number} does not add up")
        if flags == _LEAF2:
            used = HEADER.size + count * _U64.size
            if used > self._page_bytes or pad != _U64.size:
                raise Broken(f"page {at.number} has values that leave it")
            self._hold(at.number, used, self._page_bytes)
            return
        self._hold(at.number, lower, upper)
        try:
            nodes = [
                (place, *_node(page, place)) for place in struct.unpack_from(f"={count}H", page, HEADER.size)
            ]
            if flags == _BRANCH:
                yield from self._branch(at, nodes)
            elif at.kind == _OF_KEY:
                raise Broken(f"page {at.number} is not a page of a key's values")
            else:
                yield from self._leaf(at, page, nodes)
        except struct.error:
            raise Broken(f"page {at.number} has a node that leaves the page") from None

    def _branch(self, at: _Todo, nodes: list[tuple[int, int, int, int, int]]) -> Iterator[_Todo]:
        if len(nodes) < 2 and at.kind != _FREE:  # LMDB may leave one alone there
            raise Broken(f"page {at.number} does not branch")
        keys_are_integers = at.kind in (_FREE, _INDEX, _OF_KEY)
        for index, (place, low, high, top, key_bytes) in enumerate(nodes):
            if place + _NODE.size + key_bytes > self._page_bytes or (
                index and keys_are_integers and key_bytes != _U64.size
            ):
                raise Broken(f"page {at.number} has a node that leaves the page")
            yield _Todo(self._check_number(low | high << 16 | top << 32), at.kind, at.depth + 1)

    def _leaf(self, at: _Todo, page: bytes, nodes: list[tuple[int, int, int, int, int]]) -> Iterator[_Todo]:
        keys_are_integers = at.kind in (_FREE, _INDEX)
        for place, low, high, flags, key_bytes in nodes:
            data = place + _NODE.size + key_bytes
            size = low | high << 16
            if data + (_U64.size if flags == _BIG else size) > self._page_bytes or (
                keys_are_integers and key_bytes != _U64.size
            ):
                raise Broken(f"page {at.number} has a node that leaves the page")
            if at.kind == _INDEX:
                if flags != _IN_LINE or size != _U64.size:
                    yield from self._values(at, page[data : data + size], flags)
            elif at.kind == _MAIN and flags == _SUB_TREE:
                yield from self._named(at, page[data : data + size])
            elif flags == _BIG:
                start: int = _U64.unpack_from(page, data)[0]
                stop = start + (HEADER.size + size + self._page_bytes - 1) // self._page_bytes
                self._check_number(start)
                self._runs.append((start, self._check_number(stop - 1)))
                used = start * self._page_bytes + HEADER.size + size
                self._tell(Held(start, stop - 1, used, stop * self._page_bytes))
            elif flags != _IN_LINE:
                raise Broken(f"page {at.number} has a node of a kind that does not belong there")

    def _named(self, at: _Todo, data: bytes) -> list[_Todo]:
        if len(data) != TREE.size:
            raise Broken(f"page {at.number} has a tree of {len(data)} bytes")
        tree = Tree.unpack(data)
        if tree.flags not in (_PLAIN, _INDEX):
            raise Broken(f"page {at.number} has a tree of flags {tree.flags:#x}")
        return self._root(tree, tree.flags, 1)

    def _values(self, at: _Todo, data: bytes, flags: int) -> list[_Todo]:
        """The values of one key of the index: in a small page within the node, or in a tree of their own."""
        if flags == _VALUE_TREE and len(data) == TREE.size:
            tree = Tree.unpack(data)
            if tree.flags == _OF_KEY and tree.pad == _U64.size:
                return self._root(tree, _OF_KEY, 1)
        elif flags == _VALUES and len(data) > HEADER.size:
            _, pad, kind, lower, _ = HEADER.unpack_from(data)
            count = (lower - HEADER.size) // 2
            if (
                kind & ~_TRANSIENT == _LEAF2 | _SUB_PAGE
                and pad == _U64.size
                and count >= 1
                and not lower % 2
                and HEADER.size + count * _U64.size <= len(data)
            ):
                return []
        raise Broken(f"page {at.number} has a key whose values do not add up")

    def _check_runs(self) -> None:
        """Each value that fills pages has them for itself."""
        before = 0
        for start, last in sorted(self._runs):
            if start <= before:
                raise Broken(f"page {start} is in two places")
            before = last


def _node(page: bytes, place: int) -> tuple[int, int, int, int]:
    """(low half, high half, flags, key size) of a node; MDB_node swaps the halves on big-endian machines."""
    low, high, flags, key_bytes = _NODE.unpack_from(page, place)
    return (low, high, flags, key_bytes) if sys.byteorder == "little" else (high, low, flags, key_bytes)

"""Where the artifacts of an ancestry stand when it is drawn: layers, the row at the top, its origins at the bottom.

Sugiyama's method made small (Sugiyama, Tagawa, Toda 1981): each artifact stands below all that descend from it; within a
layer it stands near the middle of its children; a layer that is too wide goes on in further lines. An ancestry has no
circle, but what is drawn here comes from files: where there is one all the same, it is cut at some edge, and nothing hangs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.origin.tally import SampleNode

TOP: Final = 26
_NAMED_MAX: Final = 12  # artifacts of a drawing whose edges are named; of a greater one the list names them
_WIDTH: Final = 360  # of every drawing, so that it fits on a telephone
_CLEAR: Final = 30  # how far an edge keeps from the middle of an artifact that it passes


@dataclass(frozen=True, slots=True)
class Edge:
    """From a child to its parent, by their places among the nodes."""

    child: int
    parent: int
    relation: str
    share_ppm: int | None


@dataclass(frozen=True, slots=True)
class Layout:
    """`nodes` each once, the root first; `spots`: (x, y) and line of each; the size of the drawing; `is_named`: there is room to name edges."""

    nodes: tuple[SampleNode, ...]
    edges: tuple[Edge, ...]
    spots: tuple[tuple[int, int], ...]
    lines: tuple[int, ...]
    width: int
    height: int
    is_named: bool


def lay_out(given: Sequence[SampleNode]) -> Layout:
    """The same nodes in the same order are laid out the same."""
    nodes = tuple(
        {node.id: node for node in reversed(given)}[each] for each in dict.fromkeys(n.id for n in given)
    )
    places = {node.id: place for place, node in enumerate(nodes)}
    edges = tuple(
        Edge(place, places[parent_id], relation, share_ppm)
        for place, node in enumerate(nodes)
        for relation, parent_id, share_ppm in dict.fromkeys(node.parents)
        if parent_id in places and places[parent_id] != place
    )
    is_named = len(nodes) <= _NAMED_MAX
    line_max, pitch_y = (3, 104) if is_named else (6, 72)
    lines = _in_lines(_layers(len(nodes), edges), edges, line_max)
    spots: dict[int, tuple[int, int]] = {}
    line_of: dict[int, int] = {}
    pitch_x = _WIDTH // line_max
    width = _WIDTH if len(nodes) > 1 else 2 * TOP + 8
    for number, line in enumerate(lines):
        left = (width - (len(line) - 1) * pitch_x) // 2
        for column, place in enumerate(line):
            spots[place] = (left + column * pitch_x, TOP + number * pitch_y)
            line_of[place] = number
    height = 2 * TOP + max(len(lines) - 1, 0) * pitch_y
    order = range(len(nodes))
    return Layout(
        nodes,
        edges,
        tuple(spots[each] for each in order),
        tuple(line_of[each] for each in order),
        width,
        height,
        is_named,
    )


def _layers(count: int, edges: Sequence[Edge]) -> list[int]:
    """The layer of each: one more than the greatest of its children, in topological order."""
    parents: list[list[int]] = [[] for _ in range(count)]
    waits = [0] * count
    for edge in edges:
        parents[edge.child].append(edge.parent)
        waits[edge.parent] += 1
    layers, done = [0] * count, [False] * count
    ready = deque(place for place in range(count) if waits[place] == 0)
    while not all(done):
        if not ready:  # a circle: it is cut where it is first met
            ready.append(done.index(False))
        place = ready.popleft()
        if done[place]:
            continue
        done[place] = True
        for parent in parents[place]:
            if not done[parent]:
                layers[parent] = max(layers[parent], layers[place] + 1)
                waits[parent] -= 1
                if waits[parent] == 0:
                    ready.append(parent)
    return layers


def _in_lines(layers: Sequence[int], edges: Sequence[Edge], line_max: int) -> list[list[int]]:
    """The places by line, from left to right."""
    middle: dict[int, float] = {}
    lines: list[list[int]] = []
    for layer in sorted(set(layers)):
        members = [place for place, each in enumerate(layers) if each == layer]
        middle |= {place: _middle(place, edges, middle) for place in members}
        members.sort(key=lambda place: (middle[place], place))
        count = -(-len(members) // line_max)
        size = -(-len(members) // count)
        for start in range(0, len(members), size):
            line = members[start : start + size]
            lines.append(line)
            middle |= {place: column - (len(line) - 1) / 2 for column, place in enumerate(line)}
    return lines


def _middle(place: int, edges: Sequence[Edge], middle: Mapping[int, float]) -> float:
    above = [middle[edge.child] for edge in edges if edge.parent == place and edge.child in middle]
    return sum(above) / len(above) if above else 0.0


def way_past(layout: Layout, edge: Edge) -> int | None:
    """At which x an edge passes the lines between its ends without touching what stands there; None if there are none."""
    between = range(layout.lines[edge.child] + 1, layout.lines[edge.parent])
    if not between:
        return None
    start = (layout.spots[edge.child][0] + layout.spots[edge.parent][0]) // 2
    taken = [spot[0] for spot, line in zip(layout.spots, layout.lines, strict=True) if line in between]
    for step in range(layout.width):
        for x in (start + step, start - step):
            if 6 <= x <= layout.width - 6 and all(abs(x - each) >= _CLEAR for each in taken):
                return x
    return start


def path_to(layout: Layout, target: int) -> frozenset[int]:
    """The places of the edges on a shortest way from the root to a node; none if there is no way."""
    came: dict[int, int | None] = {0: None}  # by node: the edge over which it was reached
    waiting = deque([0])
    while waiting:
        place = waiting.popleft()
        for number, edge in enumerate(layout.edges):
            if edge.child == place and edge.parent not in came:
                came[edge.parent] = number
                waiting.append(edge.parent)
    found: set[int] = set()
    step = came.get(target)
    while step is not None:
        found.add(step)
        step = came[layout.edges[step].child]
    return frozenset(found)

"""An ancestry drawn: what the row is at the top, what it comes from below, and people where they stand.

A shape for each kind, a sign for who made it, the way to the artifact that decides in the colour of the verdict. The
drawing has numbers only; the list beside it says the rest in words, and says all of it again for who does not see.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Final

from ledger.exports.report_charts import verdict_class, verdict_word
from ledger.exports.report_layout import Edge, Layout, lay_out, path_to, way_past
from ledger.exports.report_markup import Tag, cut, foreign
from ledger.exports.report_numbers import NBSP, share
from ledger.origin.tally import Sample, SampleNode

_R: Final = 17
_SAYS_CHARS_MAX: Final = 200
_LABELS_MAX: Final = 2  # edges that are named above one artifact; more are counted
_LABEL_LINE: Final = 13
_ROLES: Final = {"human": "a person", "pair": "a person with a machine", "machine": "a machine"}

Naming = Callable[[bytes], Tag | str]


def drawn(sample: Sample, name_of: Naming) -> Tag | None:
    """The ancestry of a sample, None if nothing of it is known."""
    if not sample.nodes:
        return None
    layout = lay_out(sample.nodes)
    decides = _decides(sample, layout)
    alone = " alone" if len(layout.nodes) == 1 else ""
    return Tag(
        "div",
        _picture(sample, layout, decides),
        _listed(sample, layout, decides, name_of),
        class_=f"kin{alone}",
    )


def legend(occurring: Collection[str]) -> Tag:
    """What the shapes and signs mean; `occurring`: which kinds there are."""
    kinds = [kind for kind in (*_SHAPES, "") if kind in occurring]
    items = [
        Tag(
            "li",
            Tag(
                "svg",
                _shape(kind, 11, 11, 9),
                viewBox="0 0 22 22",
                width="22",
                height="22",
                aria_hidden="true",
            ),
            kind or "not known",
        )
        for kind in kinds
    ]
    for role, words in (*_ROLES.items(), ("reported", "somebody else: only reported")):
        wide = 28 if role == "pair" else 18
        sign = Tag(
            "svg",
            *_sign(role, 8, 11),
            viewBox=f"0 0 {wide} 22",
            width=str(wide),
            height="22",
            aria_hidden="true",
        )
        items.append(Tag("li", sign, f"by {words}"))
    return Tag("ul", *items, class_="legend")


def _decides(sample: Sample, layout: Layout) -> int | None:
    """The place of the artifact at which the reason was found: as the sample says, else the first with something wrong."""
    for place, node in enumerate(layout.nodes):
        if node.id == sample.decides or (sample.decides is None and node.says):
            return place
    return None


def _picture(sample: Sample, layout: Layout, decides: int | None) -> Tag:
    way = frozenset() if decides is None else path_to(layout, decides)
    verdict = verdict_class(sample.verdict)
    svg = Tag(
        "svg",
        Tag(
            "title", f"Ancestry of row {sample.row_index:,}: {len(layout.nodes)} artifacts, listed beside it"
        ),
        role="img",
        viewBox=f"0 0 {layout.width} {layout.height}",
        width=str(layout.width),
        height=str(layout.height),
    )
    order = sorted(range(len(layout.edges)), key=lambda number: (number in way, number))
    for number in order:
        svg.add(*_edge(layout, layout.edges[number], f"edge on line-{verdict}" if number in way else "edge"))
    for place in range(len(layout.nodes)):
        svg.add(*_labels(layout, place))
    for place, node in enumerate(layout.nodes):
        x, y = layout.spots[place]
        ring = (
            Tag("circle", cx=str(x), cy=str(y), r=str(_R + 6), class_=f"ring line-{verdict}")
            if place == decides
            else None
        )
        number_text = Tag("text", str(place + 1), x=str(x), y=str(y + 5))
        svg.add(
            Tag(
                "g",
                ring,
                _shape(node.kind, x, y, _R),
                number_text,
                *_sign(_signed_by(node), x + _R - 2, y - _R + 4),
            )
        )
    return svg


def _edge(layout: Layout, edge: Edge, style: str) -> tuple[Tag, ...]:
    (x1, y1), (x2, y2) = layout.spots[edge.child], layout.spots[edge.parent]
    y1, y2 = y1 + _R, y2 - _R - 7
    past = way_past(layout, edge)
    if past is None:
        middle = (y1 + y2) // 2
        path = f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
    else:
        high, low = y1 + 44, y2 - 44
        path = f"M{x1} {y1}C{x1} {y1 + 26} {past} {high - 26} {past} {high}L{past} {low}C{past} {low + 26} {x2} {y2 - 26} {x2} {y2}"
    tip = f"{x2 - 5},{y2 - 1} {x2 + 5},{y2 - 1} {x2},{y2 + 7}"
    return Tag("path", d=path, class_=style), Tag("polygon", points=tip, class_="head-of")


def _labels(layout: Layout, place: int) -> list[Tag]:
    """The edges that come to an artifact, named above it."""
    coming = [edge for edge in layout.edges if edge.parent == place] if layout.is_named else []
    words = [f"{len(coming)} edges"] if len(coming) > _LABELS_MAX else [_edge_words(edge) for edge in coming]
    x, y = layout.spots[place]
    return [
        Tag("text", text, x=str(x), y=str(y - _R - 14 - _LABEL_LINE * number), class_="on-edge")
        for number, text in enumerate(reversed(words))
    ]


def _edge_words(edge: Edge) -> str:
    relation = cut(edge.relation, 16)
    return relation if edge.share_ppm is None else f"{relation} {share(edge.share_ppm)}"


def _signed_by(node: SampleNode) -> str:
    return "reported" if node.stance == "reported" else node.role


def _sign(who: str, x: int, y: int) -> list[Tag]:
    """A person, a chip, or both; quotation marks for what is only reported."""
    if who == "reported":
        return [Tag("text", "\u201c", x=str(x + 2), y=str(y + 14), class_="glyph")]
    signs = []
    if who in ("human", "pair"):
        path = f"M{x - 3} {y - 4}a3 3 0 1 1 6 0a3 3 0 1 1 -6 0zM{x - 6} {y + 6}a6 6 0 0 1 12 0z"
        signs.append(Tag("path", d=path, class_="glyph"))
    if who in ("pair", "machine"):
        left = x + 8 if who == "pair" else x - 5
        path = f"M{left} {y - 4}h10v10h-10zM{left + 3} {y - 1}v4h4v-4z"
        signs.append(Tag("path", d=path, class_="glyph"))
    return signs


def _shape(kind: str, x: int, y: int, r: int) -> Tag:
    draw = _SHAPES.get(kind)
    if draw is None:
        return Tag("circle", cx=str(x), cy=str(y), r=str(r), class_="shape gone")
    machine = " machine" if kind in ("output", "model", "abstract") else ""
    return Tag("path", d=draw(x, y, r), class_=f"shape{machine}")


def _circle(x: int, y: int, r: int) -> str:
    return f"M{x - r} {y}a{r} {r} 0 1 1 {2 * r} 0a{r} {r} 0 1 1 {-2 * r} 0z"


def _double_circle(x: int, y: int, r: int) -> str:
    return _circle(x, y, r) + _circle(x, y, r - 4)


def _square(x: int, y: int, r: int) -> str:
    side = r - 2
    return f"M{x - side} {y - side}h{2 * side}v{2 * side}h{-2 * side}z"


def _hexagon(x: int, y: int, r: int) -> str:
    half = r // 2
    return f"M{x - r} {y}l{half} {-r + 2}h{2 * (r - half)}l{half} {r - 2}l{-half} {r - 2}h{-2 * (r - half)}z"


def _diamond(x: int, y: int, r: int) -> str:
    far = r + 2
    return f"M{x} {y - far}l{far} {far}l{-far} {far}l{-far} {-far}z"


def _triangle(x: int, y: int, r: int) -> str:
    return f"M{x} {y + r + 1}l{-r - 3} {-2 * r + 3}h{2 * r + 6}z"


def _stack(x: int, y: int, r: int) -> str:
    side = r - 3
    return f"M{x - r} {y - side}h{2 * r}v{2 * side}h{-2 * r}zM{x - r + 3} {y - side}v-4h{2 * r - 6}v4"


_SHAPES: Final[dict[str, Callable[[int, int, int], str]]] = {
    "work": _circle,
    "experience": _double_circle,
    "derived": _diamond,
    "output": _square,
    "abstract": _triangle,
    "model": _hexagon,
    "dataset": _stack,
}


def _listed(sample: Sample, layout: Layout, decides: int | None, name_of: Naming) -> Tag:
    numbers = {node.id: place + 1 for place, node in enumerate(layout.nodes)}
    found = Tag("ol")
    for place, node in enumerate(layout.nodes):
        text = Tag("div", *_described(node, name_of), _descent(node, numbers))
        says = foreign(node.says, _SAYS_CHARS_MAX) if node.says else None
        if place == decides:
            text.add(Tag("div", verdict_word(sample.verdict, "decides"), ": " if says else None, says))
        elif says:
            text.add(Tag("div", says))
        found.add(Tag("li", Tag("span", str(place + 1), class_="no n"), text))
    if sample.nodes_left:
        more = f"{sample.nodes_left:,} more artifacts of this ancestry are not drawn."
        found.add(Tag("li", Tag("span"), Tag("div", more, class_="soft")))
    return found


def _described(node: SampleNode, name_of: Naming) -> list[Tag | str]:
    found: list[Tag | str] = [Tag("strong", foreign(node.kind, 24) if node.kind else "not known")]
    if node.maker is not None:
        found += [" reported by " if node.stance == "reported" else " by ", name_of(node.maker)]
        found.append(f", {_ROLES[node.role]}" if node.role in _ROLES else "")
    state = Tag("div", class_="soft")
    for word in (node.level, node.status):
        if word:
            state.add(foreign(word, 24), " \u00b7 ")
    return [*found, state.add(Tag("code", f"{node.id.hex()[:8]}\u2026"))]


def _descent(node: SampleNode, numbers: Mapping[bytes, int]) -> Tag | None:
    told: defaultdict[str, list[str]] = defaultdict(list)
    elsewhere = 0
    for relation, parent_id, share_ppm in dict.fromkeys(node.parents):
        if parent_id in numbers:
            part = "" if share_ppm is None else f" ({share(share_ppm)})"
            told[relation].append(f"{numbers[parent_id]}{part}")
        else:
            elsewhere += 1
    words = [
        Tag("span", foreign(relation, 24), f"{NBSP}{', '.join(parents)}")
        for relation, parents in told.items()
    ]
    if elsewhere:
        words.append(Tag("span", f"{elsewhere:,} parent{'' if elsewhere == 1 else 's'} not drawn"))
    if not words:
        return None
    line = Tag("div")
    for place, word in enumerate(words):
        line.add("; " if place else "\u2192 ", word)
    return line

"""HTML and SVG that are safe by construction: a tree of tags, in which text can be nothing but text.

Rows, names, columns, licences and URIs are whatever somebody wrote. So there is no way to put a string into a page as
markup: a child that is a string is text, an attribute's value is a value, and tags, attributes, classes and targets are
those of short closed lists. What is refused here is our own mistake, and raises InvariantBroken.

Escaping keeps text from becoming markup; it does not keep it from lying. Characters that no eye sees (controls, zero-width
ones, those that turn the direction of what follows) are therefore written out, and `foreign` sets text that is not ours
apart from ours: in a `bdi`, so that its direction ends where it ends, and cut to a length.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

from ledger.errors import InvariantBroken

_TAGS: Final = frozenset(
    {
        *(
            "main",
            "header",
            "nav",
            "section",
            "aside",
            "footer",
            "figure",
            "figcaption",
            "div",
            "details",
            "summary",
        ),
        *("h1", "h2", "h3", "p", "blockquote", "ol", "ul", "li", "dl", "dt", "dd"),
        *("table", "caption", "thead", "tbody", "tr", "th", "td"),
        *("a", "bdi", "code", "span", "strong"),
        *("svg", "g", "title", "rect", "circle", "path", "polygon", "text"),
    }
)
_DRAWN: Final = frozenset({"rect", "circle", "path", "polygon"})
_ATTRIBUTES: Final = frozenset(
    {
        *("aria-hidden", "aria-label", "class", "href", "id", "open", "role", "scope"),
        *("cx", "cy", "d", "height", "points", "r", "rx", "viewBox", "width", "x", "y"),
    }
)
_CLOSED: Final = re.compile(
    r"[a-zA-Z0-9 .,%-]*"
)  # no letter of it ends a value, and no function or address is written with them
_FREE: Final = frozenset({"aria-label"})
_TARGET: Final = re.compile(r"#[a-z][a-z0-9-]*")

# What no eye sees, or what turns the direction of its neighbours; and half characters, which no UTF-8 holds.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]"
)
_SPACES: Final = re.compile(r"[ \t\r\n]+")
_STACKED: Final = (
    re.compile(  # marks above and below one letter: more than four would cover the lines around it
        "([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
        "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
    )
)


class Tag:
    """An element; its children are elements and text. None and "" are left out."""

    __slots__ = ("attributes", "children", "name")

    def __init__(self, name: str, *children: Tag | str | None, **attributes: str | None) -> None:
        """Attributes by keyword: `class_`, `aria_label`; None leaves one out. Raises InvariantBroken for what is in no list."""
        if name not in _TAGS:
            raise InvariantBroken("bug", name, "it is no tag of a report")
        self.name = name
        self.children = [child for child in children if child is not None and child != ""]
        self.attributes: dict[str, str] = {}
        for key, value in attributes.items():
            if value is not None:
                attribute = key.rstrip("_").replace("_", "-")
                _check(attribute, value)
                self.attributes[attribute] = value

    def add(self, *children: Tag | str | None) -> Tag:
        """The same element with more children."""
        self.children += [child for child in children if child is not None and child != ""]
        return self

    def __str__(self) -> str:
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        """The page's text, piece by piece."""
        attributes = "".join(f' {key}="{escaped(value)}"' for key, value in self.attributes.items())
        if self.name in _DRAWN and not self.children:
            yield f"<{self.name}{attributes}/>"
            return
        yield f"<{self.name}{attributes}>"
        for child in self.children:
            if isinstance(child, Tag):
                yield from child.pieces()
            else:
                yield escaped(child)
        yield f"</{self.name}>"


def _check(attribute: str, value: str) -> None:
    if attribute not in _ATTRIBUTES:
        raise InvariantBroken("bug", attribute, "it is no attribute of a report")
    closed = _TARGET if attribute == "href" else _CLOSED
    if attribute not in _FREE and not closed.fullmatch(value):
        raise InvariantBroken("bug", attribute, "its value is none that a report writes")


def escaped(text: str) -> str:
    """Text as it stands in a page, whether between tags or in quotes."""
    return html.escape(seen(text), quote=True)


def seen(text: str) -> str:
    """Text with everything written out that no eye sees; line ends and tabs stay."""
    return _UNSEEN.sub(_written_out, _STACKED.sub(r"\1", text))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"[U+{code:04X}]"


def cut(text: str, chars_max: int) -> str:
    """At most so many characters of it, with a mark where some are left out."""
    return text if len(text) <= chars_max else text[: chars_max - 1] + "\u2026"


def one_line(text: str) -> str:
    """Text without line ends."""
    return _SPACES.sub(" ", text).strip(" ")


def coded(text: str) -> list[Tag | str]:
    """Our own words; what stands between backticks is what a person types."""
    return [Tag("code", part) if place % 2 else part for place, part in enumerate(text.split("`"))]


def foreign(text: str, chars_max: int = 200) -> Tag:
    """Text that is not ours: on one line, cut, apart from what stands around it."""
    return Tag("bdi", cut(one_line(text), chars_max), class_="f")

"""Reads a page as a browser would, strictly: balanced tags, and nothing that loads, runs or leads elsewhere. For tests only."""

from __future__ import annotations

import re
from html.parser import HTMLParser

VOID = frozenset({"meta"})
FORBIDDEN = frozenset(
    [
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "img",
        "image",
        "base",
        "form",
        "input",
        "button",
        "audio",
        "video",
        "source",
        "use",
        "foreignobject",
        "animate",
        "set",
    ]
)
ATTRIBUTES = frozenset(
    [
        "aria-hidden",
        "aria-label",
        "charset",
        "class",
        "content",
        "cx",
        "cy",
        "d",
        "height",
        "href",
        "http-equiv",
        "id",
        "lang",
        "name",
        "open",
        "points",
        "r",
        "role",
        "rx",
        "scope",
        "viewbox",
        "width",
        "x",
        "y",
    ]
)

Structure = list[tuple[str, tuple[str, ...]]]


class Page(HTMLParser):
    """`structure`: each tag with the names of its attributes, in order; `faults`: what a report must not have."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.structure: Structure = []
        self.faults: list[str] = []
        self.texts: list[str] = []
        self.targets: set[str] = set()
        self.ids: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        if self._open:
            self.faults.append(f"left open: {self._open}")
        self.faults += [f"no such id: {target}" for target in self.targets - set(self.ids)]
        if len(self.ids) != len(set(self.ids)):
            self.faults.append("an id twice")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.structure.append((tag, tuple(name for name, _ in attrs)))
        if tag in FORBIDDEN:
            self.faults.append(f"tag {tag}")
        for name, value in attrs:
            if name not in ATTRIBUTES:
                self.faults.append(f"attribute {name}")
            if name == "href" and not re.fullmatch(r"#[a-z]+", value or ""):
                self.faults.append(f"leads to {value}")
            if name == "href":
                self.targets.add((value or "").removeprefix("#"))
            if name == "id":
                self.ids.append(value or "")
            if tag != "meta" and re.search(r"url\(|:|//", value or ""):
                self.faults.append(f"an address in {name}: {value}")
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
            if re.search(r"url\(|@import|expression|</|https?:", data):
                self.faults.append("the style loads something")
        else:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"an instruction: {data}")

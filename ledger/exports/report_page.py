"""The gate's report: one HTML file that needs nothing else, to be looked at rather than read.

It decides nothing and is decided by nothing (SPEC §12.6): it draws a tally of what was decided. The same tally gives the
same bytes. No script, no font, no picture and no address is loaded, whatever a row says, and the browser is told so too
(Content-Security-Policy), in case that something here is wrong.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from ledger.errors import StoreFault
from ledger.exports import report_parts as sections
from ledger.exports.report_about import ReportAbout
from ledger.exports.report_markup import Tag, cut, escaped, one_line
from ledger.exports.report_style import STYLE
from ledger.origin.tally import Tally
from ledger.store.files import make_folders, writing

_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)
_TITLE_CHARS_MAX: Final = 80


def render_report(about: ReportAbout, tally: Tally) -> str:
    """The page as text, under 300 kB whatever was counted."""
    parts = {
        "Why": sections.reasons(tally) if tally.rows else None,
        "Rows to look at": sections.samples(about, tally),
        "Levels": sections.origin(tally) if tally.rows else None,
        "Who": sections.people(about, tally) if tally.rows else None,
        "Rights and sources": sections.rights(tally) if tally.rows else None,
        "Unreadable, rivals": sections.oddities(tally),
        "Limits": sections.limits(about),
        "Digests": sections.digests(about, tally),
    }
    there = {name: part for name, part in parts.items() if part is not None}
    links = (Tag("li", Tag("a", name, href=f"#{part.attributes['id']}")) for name, part in there.items())
    header = sections.answer(about, tally)
    nav = Tag("nav", Tag("ol", *links), aria_label="On this page")
    footer = Tag(
        "footer",
        Tag("p", "Made by lineage gate. No part of this page comes from elsewhere, and none leads there."),
    )
    head = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escaped('Gate report: ' + cut(one_line(about.dataset), _TITLE_CHARS_MAX))}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n"
    )
    return f"{head}<body>\n{Tag('main', header, nav, *there.values())}\n{footer}\n</body>\n</html>\n"


def write_report(path: Path, about: ReportAbout, tally: Tally, *, replace: bool = False) -> None:
    """Writes the page, whole or not at all; its folder is made where absent.

    Raises StoreFault `file-exists` where something has that name already and `replace` is not said, `store-failed` where the
    disk refuses.
    """
    if not replace and os.path.lexists(path):
        raise StoreFault("file-exists", str(path), "it exists already", "name another file, or move it away")
    data = render_report(about, tally).encode()
    try:
        make_folders(path.parent)
    except OSError as error:
        raise StoreFault(
            "store-failed",
            str(path),
            f"its folder cannot be made ({error.strerror})",
            "look to the folder and its disk",
        ) from error
    with writing(path, replace=replace) as file:
        file.write(data)

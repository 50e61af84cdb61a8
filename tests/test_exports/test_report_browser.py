"""The report in a real browser: nothing overflows sideways, nothing is fetched, light and dark are both there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.exports.report_page import write_report
from tests.test_exports.scenes import SCENES

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
WIDTHS = (320, 390, 768, 1280)
UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"
OVER = """[...document.querySelectorAll('body *')].filter(each => {
  const box = each.getBoundingClientRect();
  return box.width && !each.closest('svg') && (box.right > innerWidth + 1 || box.left < -1);
}).map(each => each.tagName + '.' + each.className).slice(0, 5)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        pytest.skip("no Chromium on the PATH; on Debian: apt-get install chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="pip install -e '.[dev]' brings playwright"
    )
    # Root has no user namespaces to shut the page into; what is looked at is our own.
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=executable, args=[*QUIET, *sandbox])
        yield opened
        opened.close()


def look(browser: Any, path: Path, width: int, scheme: str, media: str = "screen") -> tuple[Any, list[str]]:
    """A page that shows the file, and what it asked for or complained of."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda request: heard.append(request.url) if request.url != path.as_uri() else None)
    page.emulate_media(media=media, color_scheme=scheme)
    page.goto(path.as_uri())
    page.evaluate(UNFOLD)
    return page, heard


@pytest.mark.parametrize("name", SCENES)
def test_nothing_overflows_and_nothing_is_fetched(browser: Any, tmp_path: Path, name: str) -> None:
    path = tmp_path / "report.html"
    write_report(path, *SCENES[name]())
    page, heard = look(browser, path, WIDTHS[0], "light")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme, media in (("light", "screen"), ("dark", "screen"), ("light", "print")):
            page.emulate_media(media=media, color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (width, scheme, media)
            assert page.evaluate(OVER) == [], (width, scheme, media)
    assert heard == []
    assert page.evaluate("document.scripts.length") == 0
    page.context.close()


def test_light_and_dark_differ_and_paper_is_light(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(path, *SCENES["realistic"]())
    found = {}
    for scheme, media in (("light", "screen"), ("dark", "screen"), ("dark", "print")):
        page, _ = look(browser, path, 1280, scheme, media)
        style = "getComputedStyle(document.body)"
        found[scheme, media] = page.evaluate(f"[{style}.color, {style}.backgroundColor, {style}.colorScheme]")
        page.context.close()
    assert found["light", "screen"] == ["rgb(27, 31, 36)", "rgb(250, 249, 246)", "light dark"]
    assert found["dark", "screen"] == ["rgb(236, 234, 228)", "rgb(20, 23, 27)", "light dark"]
    assert found["dark", "print"] == ["rgb(27, 31, 36)", "rgb(255, 255, 255)", "light"]


def test_the_charts_are_seen(browser: Any, tmp_path: Path) -> None:
    """Every drawing has a size, every bar its part of the track, and the names of edges stay within their drawing."""
    path = tmp_path / "report.html"
    write_report(path, *SCENES["realistic"]())
    for width in (390, 1280):
        page, _ = look(browser, path, width, "light")
        sizes = page.evaluate(
            "[...document.querySelectorAll('svg')].filter(each => getComputedStyle(each).display !== 'none')"
            ".map(each => { const box = each.getBoundingClientRect(); return Math.min(box.width, box.height); })"
        )
        assert len(sizes) > 50
        assert min(sizes) > 5
        outside = page.evaluate(
            "[...document.querySelectorAll('.kin text')].filter(each => { const box = each.getBoundingClientRect(),"
            " all = each.ownerSVGElement.getBoundingClientRect(); return box.left < all.left - 1 || box.right > all.right + 1; })"
            ".map(each => each.textContent)"
        )
        assert outside == []
        page.context.close()


def test_a_page_that_overflows_or_fetches_is_found(browser: Any, tmp_path: Path) -> None:
    """The tests above would pass if nothing were measured."""
    path = tmp_path / "bad.html"
    path.write_text("<body style='margin:0'><div style='width:2000px'>x</div><img src='other.png'>")
    page, heard = look(browser, path, 390, "light")
    assert page.evaluate("document.documentElement.scrollWidth") > 390
    assert page.evaluate(OVER) == ["DIV."]
    assert any("other.png" in each for each in heard)
    page.context.close()

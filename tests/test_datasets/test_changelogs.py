"""The reader of Debian changelogs, on a changelog made up for it, and on the machine's own where there are any."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.changelogs import REASON, ChangelogEntry, available, parse_changelog, read_changelogs, scrub

MADE_UP = """\
teapot (2.1-3) unstable; urgency=medium

  [ R. Example ]
  * Keep the lid on while pouring. (Closes: #000002)
    - Thanks to A. Sample <a.sample@teapot.example> for the report.

  [ B. Pattern ]
  * d/control: depend on saucer (>= 1.0).

 -- R. Example <r@teapot.example>  Mon, 02 Jan 2023 13:06:21 +0100

teapot (2.1-2) unstable; urgency=low
  * Straßenfest: café, 漢字.

 -- B. Pattern <b@teapot.example>  Sun, 01 Jan 2023 09:00:00 +0000

teapot (2.1-1) experimental; urgency=low

  * Never finished.

teapot (2.0-1) unstable; urgency=low

  * First release.

 -- B. Pattern <b@teapot.example>  Sat, 31 Dec 2022 09:00:00 +0000

Fri May 24 07:37:54 MDT 1996  B. Pattern <b@teapot.example>

  * An older format, which is passed over.

# Older entries have been removed from this changelog.
"""


def entries_of(text: str | bytes) -> list[ChangelogEntry]:
    return list(parse_changelog(text if isinstance(text, bytes) else text.encode()))


def test_entries_are_header_body_and_trailer() -> None:
    entries = entries_of(MADE_UP)
    assert [(entry.package, entry.version) for entry in entries] == [
        ("teapot", "2.1-3"),
        ("teapot", "2.1-2"),
        ("teapot", "2.0-1"),
    ]
    assert [entry.author for entry in entries] == [
        "R. Example <r@teapot.example>",
        "B. Pattern <b@teapot.example>",
        "B. Pattern <b@teapot.example>",
    ]
    assert entries[0].date == "Mon, 02 Jan 2023 13:06:21 +0100"
    assert entries[1].text == "* Straßenfest: café, 漢字."


def test_the_text_is_the_body_alone() -> None:
    text = entries_of(MADE_UP)[0].text
    assert text.startswith("[ R. Example ]\n* Keep the lid on")
    assert text.endswith("* d/control: depend on saucer (>= 1.0).")
    assert "r@teapot.example" not in text
    assert "unstable" not in text


def test_the_author_is_not_shown_by_repr() -> None:
    shown = repr(entries_of(MADE_UP)[1])
    assert "Straßenfest" in shown
    assert "Pattern" not in shown
    assert "b@teapot.example" not in shown


def test_latin_1_lines_are_read_beside_utf_8_lines() -> None:
    lines = MADE_UP.split("\n")
    mixed = b"\n".join(line.encode("latin-1" if "First" in line else "utf-8") for line in lines)
    mixed = mixed.replace(b"First release", "Première".encode("latin-1"))
    texts = [entry.text for entry in entries_of(mixed)]
    assert texts[1:] == ["* Straßenfest: café, 漢字.", "* Première."]


def test_scrub_takes_author_lines_and_addresses_away() -> None:
    scrubbed = scrub(entries_of(MADE_UP)[0].text)
    assert scrubbed == (
        "* Keep the lid on while pouring. (Closes: #000002)\n"
        "  - Thanks to A. Sample <address> for the report.\n\n"
        "* d/control: depend on saucer (>= 1.0)."
    )


def test_scrub_keeps_brackets_and_at_signs_that_name_nobody() -> None:
    text = "* Drop postinst [amd64 only].\n* Reword @samp{} and a @ b."
    assert scrub(text) == text
    assert scrub("(mail me: some.body+list@mail.example.org, now)") == "(mail me: <address>, now)"


def test_copies_are_kept_and_links_are_read_once(tmp_path: Path) -> None:
    assert not available(tmp_path)
    for package in ("teapot", "teapot-data"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "changelog.Debian.gz").write_bytes(gzip.compress(MADE_UP.encode()))
    (tmp_path / "teapot-link").symlink_to("teapot", target_is_directory=True)
    assert available(tmp_path)
    texts = [entry.text for entry in read_changelogs(tmp_path)]
    assert len(texts) == 6
    assert texts[:3] == texts[3:]


@pytest.mark.skipif(not available(), reason=REASON)
def test_the_changelogs_of_this_machine_are_read() -> None:
    entries = list(read_changelogs())
    assert all(entry.package and entry.author.endswith(">") for entry in entries)
    texts = [entry.text for entry in entries]
    assert not any("\n -- " in text for text in texts)
    assert len(set(texts)) > len(texts) // 10, "hardly any distinct text: is this a changelog at all?"

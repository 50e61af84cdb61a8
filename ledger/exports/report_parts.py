"""The parts of a report, in the order of what matters: the answer, its reasons, rows to look at, then what they are made of."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Final

from ledger.exports import report_tables as tables
from ledger.exports.report_about import ReportAbout
from ledger.exports.report_charts import COLUMNS, MARKS, bar, field, spoken, verdict_class, verdict_word
from ledger.exports.report_graph import drawn, legend
from ledger.exports.report_markup import Tag, coded, cut, foreign
from ledger.exports.report_numbers import moment, percent, rows, size
from ledger.exports.report_words import LIMITS, REASONS, VERDICT_WORDS, VERDICTS
from ledger.origin.tally import Sample, Tally

_REASONS_MAX: Final = 60
_SAMPLES_BYTES_MAX: Final = 110_000  # of all that is shown of samples; the others are only named
_TEXT_CHARS_MAX: Final = 480
_TEXT_LINES_MAX: Final = 8
_NAME_CHARS_MAX: Final = 120
_CLEAR: Final = "clear"
_LINE_END: Final = re.compile("\r\n|\r|\n")


def answer(about: ReportAbout, tally: Tally) -> Tag:
    """The head of the page: the answer, as a sentence, as a picture and as numbers."""
    counts = tables.verdict_counts(tally)
    header = Tag(
        "header",
        Tag("p", "Gate report \u00b7 Lineage Ledger", class_="eyebrow"),
        Tag("h1", _headline(counts, tally.rows)),
        _what(about, tally),
    )
    if tally.rows:
        header.add(
            Tag(
                "figure",
                *(field(counts, tally.rows, columns) for columns in COLUMNS),
                Tag("figcaption", _field_words(tally), class_="small soft"),
                class_="waffle",
            )
        )
        tiles = Tag("div", class_="tiles")
        shown = [
            verdict
            for verdict in VERDICTS
            if counts[verdict] or (verdict != VERDICTS[-1] and not counts[VERDICTS[-1]])
        ]
        for verdict in shown:
            tiles.add(
                Tag(
                    "div",
                    verdict_word(verdict),
                    Tag("span", f"{counts[verdict]:,}", class_="big n"),
                    Tag(
                        "span",
                        f"{percent(counts[verdict], tally.rows)} \u00b7 {VERDICT_WORDS[verdict]}",
                        class_="of",
                    ),
                    class_=f"tile edge-{verdict}",
                )
            )
        header.add(tiles)
    if about.notes:
        notes = Tag("ul", *(Tag("li", foreign(note, 600)) for note in about.notes))
        header.add(
            Tag(
                "aside",
                Tag("h2", "Before you rely on it"),
                notes,
                class_="care",
                aria_label="Before you rely on it",
            )
        )
    return header


def _headline(counts: dict[str, int], whole: int) -> str:
    if not whole:
        return "The dataset has no rows"
    if counts["undecided"] == whole:
        return f"Nothing was decided about {rows(whole)}"
    if counts["admitted"] == whole:
        return "The row may enter training" if whole == 1 else f"All {rows(whole)} may enter training"
    if not counts["admitted"]:
        return "The row may not enter training" if whole == 1 else f"None of {rows(whole)} may enter training"
    return f"{counts['admitted']:,} of {rows(whole)} may enter training"


def _what(about: ReportAbout, tally: Tally) -> Tag:
    column = (
        ["column ", Tag("strong", foreign(about.column, 60))] if about.column is not None else ["whole rows"]
    )
    return Tag(
        "p",
        Tag("strong", foreign(about.dataset, _NAME_CHARS_MAX)),
        ", ",
        *column,
        f", {size(tally.size_bytes)}, judged under the policy ",
        Tag("strong", foreign(about.policy_name, 60)),
        f" on {moment(about.at_ms)}, at log checkpoint {about.checkpoint_size:,} of ",
        foreign(about.log_origin, _NAME_CHARS_MAX),
        ".",
        class_="what",
    )


def _field_words(tally: Tally) -> str:
    if tally.rows <= MARKS:
        return f"One mark is one row. {spoken(tables.verdict_counts(tally), tally.rows)}"
    return f"One mark stands for about {(tally.rows + MARKS // 2) // MARKS:,} rows; a verdict that is rarer still has one."


def reasons(tally: Tally) -> Tag:
    """Every code with its rows, what it means and what can be done: what stands against rows first, by weight."""
    section = Tag(
        "section",
        Tag("h2", "Why"),
        Tag(
            "p",
            "Each row counts once, under the reason nearest to it. A bar is as long as its share of all rows.",
        ),
        id="why",
    )
    ordered = _by_weight(tally)
    listed = Tag("ol", class_="reasons")
    for (verdict, code), count in ordered[:_REASONS_MAX]:
        explained = REASONS.get(code)
        words = (
            Tag("p", *coded(explained.means), " ", Tag("span", *coded(explained.do), class_="do"))
            if explained
            else None
        )
        word = verdict_word(verdict)
        number = Tag("span", f"{count:,} \u00b7 {percent(count, tally.rows)}", class_="n")
        head = Tag("div", Tag("h3", Tag("code", foreign(code, 48))), word, number, class_="head")
        listed.add(Tag("li", head, bar({verdict_class(verdict): count}, tally.rows), words))
    if len(ordered) > _REASONS_MAX:
        listed.add(
            Tag(
                "li",
                f"{len(ordered) - _REASONS_MAX:,} more, with {rows(sum(n for _, n in ordered[_REASONS_MAX:]))}",
            )
        )
    return section.add(listed)


def _by_weight(tally: Tally) -> list[tuple[tuple[str, str], int]]:
    there = [(key, count) for key, count in tally.reasons.items() if count > 0]
    return sorted(there, key=lambda item: (item[0][1] == _CLEAR, -item[1], item[0]))


def samples(about: ReportAbout, tally: Tally) -> Tag | None:
    """One row for each verdict and reason, with its text and its ancestry; None if there are none.

    Of each verdict the first that has an ancestry is unfolded to begin with.
    """
    alike: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in sorted(tally.samples, key=lambda each: each.row_index):
        alike[sample.verdict, sample.code].append(sample)
    if not alike:
        return None
    weight = {key: place for place, (key, _) in enumerate(_by_weight(tally))}
    order = sorted(alike, key=lambda key: (weight.get(key, len(weight)), key))
    cards: list[Tag] = []
    used_bytes = left = 0
    drawable = [key for key in order if alike[key][0].nodes]
    opened = set({verdict: (verdict, code) for verdict, code in reversed(drawable)}.values())
    for key in order:
        card = _card(about, alike[key], is_open=key in opened)
        used_bytes += len(str(card).encode())
        if used_bytes > _SAMPLES_BYTES_MAX:
            left += 1
            continue
        cards.append(card)
    occurring = {node.kind for sample in tally.samples for node in sample.nodes}
    section = Tag(
        "section",
        Tag("h2", "Rows to look at"),
        Tag(
            "p",
            "The first row of each reason, with what it comes from: the row is number 1, its origins stand below.",
        ),
        legend(occurring) if occurring else None,
        Tag("div", *cards, class_="samples"),
        id="rows",
    )
    if left:
        section.add(
            Tag(
                "p",
                f"{left:,} more are not shown, for the size of this page; the verdict file has them all.",
                class_="soft",
            )
        )
    return section


def _card(about: ReportAbout, alike: list[Sample], *, is_open: bool) -> Tag:
    sample = alike[0]
    verdict = verdict_class(sample.verdict)
    head = Tag(
        "summary",
        verdict_word(sample.verdict),
        Tag("code", foreign(sample.code, 48)),
        Tag("span", f"row {sample.row_index:,} \u00b7 ", foreign(sample.level, 8), class_="n"),
    )
    body = Tag("div", class_="sample")
    if sample.text:
        body.add(Tag("blockquote", Tag("bdi", _beginning(sample.text)), class_=f"edge-{verdict}"))
    body.add(Tag("p", foreign(sample.why, 600), class_="why") if sample.why else None)
    body.add(drawn(sample, lambda identity: about.person(identity.hex())))
    if not sample.nodes:
        body.add(
            Tag("p", "No artifact is known of it, so there is no ancestry to draw.", class_="soft small why")
        )
    others = ", ".join(f"{each.row_index:,}" for each in alike[1:])
    if others:
        body.add(
            Tag(
                "p",
                f"Also with this reason: row{'s' if len(alike) > 2 else ''} {others}.",
                class_="soft small why",
            )
        )
    digest = sample.digest.hex()
    body.add(
        Tag("p", "Digest of the row ", Tag("code", digest), class_="soft small why")
        if any(sample.digest)
        else None
    )
    return Tag("details", head, body, open="" if is_open else None)


def _beginning(text: str) -> str:
    lines = _LINE_END.split(cut(text, _TEXT_CHARS_MAX))
    more = ["\u2026"] if len(lines) > _TEXT_LINES_MAX else []
    return "\n".join(lines[:_TEXT_LINES_MAX] + more)


def origin(tally: Tally) -> Tag:
    """Levels and kinds."""
    return Tag(
        "section",
        Tag("h2", "How much is known"),
        Tag(
            "p",
            "A level is a fact about one row\u2019s own artifact. It does not pass from parents to children.",
        ),
        Tag("div", tables.levels(tally), tables.kinds(tally), class_="two"),
        id="levels",
    )


def people(about: ReportAbout, tally: Tally) -> Tag:
    """Makers, and who answers for them."""
    return Tag(
        "section",
        Tag("h2", "Who"),
        Tag(
            "p",
            "Who signed what the rows are, and who answers for it: a person, where there is one. Names are those at hand.",
        ),
        Tag("div", tables.anchors(about, tally), tables.makers(about, tally), class_="two"),
        id="who",
    )


def rights(tally: Tally) -> Tag:
    """Licences and sources."""
    return Tag(
        "section",
        Tag("h2", "Rights and sources"),
        Tag("p", "As stated by whoever signed. Nobody has looked whether it is true."),
        Tag("div", tables.licenses(tally), tables.sources(tally), class_="two"),
        id="rights",
    )


def oddities(tally: Tally) -> Tag | None:
    """Rows that cannot be read, and rival claims; None if there is neither."""
    unread = tables.refused(tally)
    if unread is None and not tally.rivals:
        return None
    section = Tag("section", Tag("h2", "Unreadable rows and rival claims"), id="oddities")
    if tally.rivals:
        section.add(
            Tag(
                "p",
                f"{rows(tally.rivals)} ({percent(tally.rivals, tally.rows)}) have rival claims: more than one identity says what "
                "the content is. Only makers whom the trust file accepts count; the worst of their claims decides.",
            )
        )
    return section.add(unread)


def limits(about: ReportAbout) -> Tag:
    """What a signature cannot do, and by whose word all this stands."""
    trust = (
        "Self-trusted: no trust file was given, so this ledger alone is believed, and whoever is enrolled in it."
        if not about.trust
        else None
    )
    told = [trust] if trust else ["Trusted by the file ", Tag("strong", foreign(about.trust, 80)), "."]
    listed = Tag("ul", *(Tag("li", Tag("strong", head), rest) for head, rest in LIMITS), class_="limits")
    return Tag(
        "section",
        Tag("h2", "What this cannot tell you"),
        Tag(
            "p",
            *told,
            " The time is told by ",
            foreign(about.time_by, 120),
            ". This page decides nothing: the verdict file does.",
        ),
        listed,
        id="limits",
    )


def digests(about: ReportAbout, tally: Tally) -> Tag:
    """All that is needed to come to the same verdicts again."""
    listed = Tag("dl")
    column = foreign(about.column, _NAME_CHARS_MAX) if about.column is not None else "whole rows"
    trust = foreign(about.trust, _NAME_CHARS_MAX) if about.trust else "none: self-trusted"
    for term, *values in (
        ("Dataset", foreign(about.dataset, _NAME_CHARS_MAX)),
        ("Rows", f"{tally.rows:,}, {size(tally.size_bytes)}; ", column),
        ("Policy", foreign(about.policy_name, 80), _hex(about.policy_sha256, "sha256 ")),
        ("Trust", trust, _hex(about.trust_sha256, "sha256 ")),
        ("Judged at", f"{moment(about.at_ms)} ({about.at_ms}), by ", foreign(about.time_by, 120)),
        ("Log", foreign(about.log_origin, _NAME_CHARS_MAX), _hex(about.log_id, "id ")),
        ("Log checkpoint", f"{about.checkpoint_size:,} entries", _hex(about.checkpoint_root, "root ")),
        ("Manifest", _hex(about.manifest, "artifact ") or "not signed"),
        ("Program", foreign(f"lineage-ledger {about.version}", 60)),
    ):
        listed.add(Tag("div", Tag("dt", term), Tag("dd", *values)))
    return Tag(
        "section",
        Tag("h2", "To compute it again"),
        Tag(
            "p",
            "The same rows, log checkpoint, policy, trust and time give the same verdicts on any machine, for ever.",
        ),
        listed,
        id="again",
    )


def _hex(digest: str, before: str) -> Tag | None:
    return Tag("div", before, Tag("code", foreign(digest, 80)), class_="small") if digest.strip("0") else None

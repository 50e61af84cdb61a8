"""Tables of a report: who, what kind, which licence, from where; each line with its rows, a bar and its verdicts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from ledger.exports.report_about import ReportAbout
from ledger.exports.report_charts import bar, parts
from ledger.exports.report_markup import Tag, foreign
from ledger.exports.report_numbers import percent, rows
from ledger.exports.report_words import KINDS, LEVELS, STANCES, TRAIN, VERDICTS
from ledger.origin.tally import REST, Tally

LINES_MAX: Final = 15  # of one table; the rest is counted together
_NAME_CHARS_MAX: Final = 90
_ROLES: Final = {"human": "a person", "pair": "a person with a machine", "machine": "a machine"}

Subject = tuple[str, ...]
Counts = Mapping[str, int]


def by_subject(counter: Mapping[Any, int]) -> dict[Subject, Counter[str]]:
    """Rows by subject and verdict, of keys that end in the verdict; most rows first, what was counted together last."""
    found: defaultdict[Subject, Counter[str]] = defaultdict(Counter)
    for key, count in counter.items():
        if count > 0:
            found[key[:-1]][key[-1]] += count
    return dict(sorted(found.items(), key=lambda item: (item[0][0] == REST, -item[1].total(), item[0])))


def table(
    caption: str, heading: str, counted: Mapping[Subject, Counts], whole: int, label: Callable[[Subject], Tag]
) -> Tag:
    """One line a subject, its rows and their verdicts."""
    body = Tag("tbody")
    for subject, counts in list(counted.items())[:LINES_MAX]:
        body.add(_line(label(subject), counts, whole))
    over = list(counted.items())[LINES_MAX:]
    if over:
        left: Counter[str] = Counter()
        for _, counts in over:
            left.update(counts)
        body.add(_line(Tag("span", _over_words(counted, len(over)), class_="soft"), left, whole))
    head = Tag("tr", Tag("th", heading, scope="col"), Tag("th", "rows", scope="col", class_="n"))
    return Tag("table", Tag("caption", caption), Tag("thead", head), body)


def _over_words(counted: Mapping[Subject, Counts], over: int) -> str:
    """How many are counted together; those that a tally counted together already (REST) are not known one by one."""
    if not any(subject[0] == REST for subject in counted):
        return f"{over:,} more together"
    return f"{over - 1:,} more, and all others, together" if over > 1 else "all others together"


def _line(label: Tag, counts: Counts, whole: int) -> Tag:
    total = sum(counts.values())
    drawn = (bar(counts, whole), parts(counts)) if total else ()
    name = Tag("th", label, *drawn, scope="row")
    number = Tag(
        "td", Tag("strong", f"{total:,}"), Tag("div", percent(total, whole), class_="soft small"), class_="n"
    )
    return Tag("tr", name, number)


def levels(tally: Tally) -> Tag:
    """L4 down to L0, each with its word."""
    found: defaultdict[Subject, Counter[str]] = defaultdict(Counter)
    for level in LEVELS:
        found[(level,)] = Counter()
    for (level, verdict), count in sorted(tally.levels.items()):
        found[(level,)][verdict] += count

    def label(subject: Subject) -> Tag:
        name, meaning = LEVELS.get(subject[0], ("", ""))
        told = Tag("div", meaning, class_="small soft") if meaning else None
        return Tag("span", Tag("span", foreign(subject[0], 24), class_="name"), f" {name}", told)

    return table("How much is known of each row\u2019s origin", "level", found, tally.rows, label)


def kinds(tally: Tally) -> Tag:
    """Kind and stance."""

    def label(subject: Subject) -> Tag:
        kind, stance = subject
        meaning = ", ".join(each for each in (KINDS.get(kind, ""), STANCES.get(stance, "")) if each)
        name = foreign(kind, 24) if kind else "none"
        return Tag("span", Tag("span", name, class_="name"), Tag("div", meaning, class_="small soft"))

    return table("What the rows are", "kind", by_subject(tally.kinds), tally.rows, label)


def makers(about: ReportAbout, tally: Tally) -> Tag:
    """Who signed what the rows are."""

    def label(subject: Subject) -> Tag:
        identity, role = subject
        told = Tag("div", _ROLES.get(role) or foreign(role, 24), class_="small soft") if role else None
        return Tag("span", about.person(identity), told)

    return table("Who signed", "maker", by_subject(tally.makers), tally.rows, label)


def anchors(about: ReportAbout, tally: Tally) -> Tag:
    """Who answers for it: the person, also behind a machine; where there is none, whoever signed."""
    return table(
        "Who answers for it",
        "who",
        by_subject(tally.anchors),
        tally.rows,
        lambda subject: about.person(subject[0]),
    )


def licenses(tally: Tally) -> Tag:
    """Licences, and consent to training."""

    def label(subject: Subject) -> Tag:
        license_, train = subject
        if license_ == REST:
            return Tag("span", "all others together", class_="soft")
        name = (
            Tag("span", foreign(license_, _NAME_CHARS_MAX), class_="name")
            if license_
            else Tag("span", "no licence stated", class_="soft")
        )
        consent = TRAIN.get(train) or foreign(train, 24)
        return Tag("span", name, Tag("div", consent, class_="small soft"))

    return table("Under which licence", "licence", by_subject(tally.licenses), tally.rows, label)


def sources(tally: Tally) -> Tag:
    """Categories and addresses. An address is text: no reader of the report is led there."""

    def label(subject: Subject) -> Tag:
        category, uri = subject
        if category == REST:
            return Tag("span", "all others together", class_="soft")
        if not category and not uri:
            return Tag("span", "no source stated", class_="soft")
        name = (
            Tag("span", foreign(uri, _NAME_CHARS_MAX), class_="name")
            if uri
            else Tag("span", "no address", class_="soft")
        )
        return Tag("span", name, Tag("div", foreign(category, 32), class_="small soft") if category else None)

    return table("Where it comes from", "source", by_subject(tally.sources), tally.rows, label)


def refused(tally: Tally) -> Tag | None:
    """Rows that no reader takes, by the reader's code; None if there are none."""
    if not tally.refused.total():
        return None
    order = sorted(tally.refused.items(), key=lambda item: (-item[1], item[0]))
    body = Tag("tbody")
    for code, count in order[:LINES_MAX]:
        number = Tag("td", Tag("strong", f"{count:,}"), class_="n")
        body.add(Tag("tr", Tag("th", Tag("code", foreign(code, 48)), scope="row"), number))
    if len(order) > LINES_MAX:
        left = sum(count for _, count in order[LINES_MAX:])
        body.add(
            Tag(
                "tr",
                Tag("th", f"{len(order) - LINES_MAX:,} more codes together", scope="row"),
                Tag("td", f"{left:,}", class_="n"),
            )
        )
    head = Tag(
        "tr", Tag("th", "the reader\u2019s code", scope="col"), Tag("th", "rows", scope="col", class_="n")
    )
    caption = f"{rows(tally.refused.total())} that no reader takes"
    return Tag("table", Tag("caption", caption), Tag("thead", head), body)


def verdict_counts(tally: Tally) -> dict[str, int]:
    """Rows by verdict, in the order in which they are shown; what is no verdict is undecided."""
    found = dict.fromkeys(VERDICTS, 0)
    for verdict, count in tally.verdicts.items():
        found[verdict if verdict in found else VERDICTS[-1]] += count
    return found

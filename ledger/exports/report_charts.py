"""Charts of a report, drawn as SVG: marks of the verdicts, a field of marks for the answer, bars for the rest.

Each verdict has a colour and a shape: a disc, a diamond, a cross, a ring. Charts are never the only place where something
is said: beside each stand its numbers as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.exports.report_markup import Tag, foreign
from ledger.exports.report_numbers import percent, rows
from ledger.exports.report_words import VERDICTS

MARKS: Final = 200  # marks of the field, if there are so many rows
COLUMNS: Final = (40, 20)  # of the field where there is room, and on a telephone
_PITCH: Final = 20
_LEAST_PERMILLE: Final = 5  # of a bar that is drawn for the smallest part, so that it can be seen
_OTHER: Final = VERDICTS[-1]


def verdict_class(verdict: str) -> str:
    """The class of a verdict; what is none looks like undecided."""
    return verdict if verdict in VERDICTS else _OTHER


def mark(verdict: str) -> Tag:
    """The small mark of a verdict, beside its word."""
    drawn = Tag("path", d=_shape(verdict, 6, 6, 5), class_=f"fill-{verdict_class(verdict)}")
    return Tag("svg", drawn, class_="mark", viewBox="0 0 12 12", aria_hidden="true")


def verdict_word(verdict: str, words: str | None = None) -> Tag:
    """A verdict's mark and word, or other `words` of ours, in its colour."""
    told = foreign(verdict, 24) if words is None else words
    return Tag("span", mark(verdict), told, class_=f"word {verdict_class(verdict)}")


def field(counts: Mapping[str, int], whole: int, columns: int) -> Tag:
    """The answer as one picture: one mark for each row, or for each two-hundredth of them, in so many columns."""
    marks = shared_out(counts, min(whole, MARKS))
    total = sum(marks.values())
    lines = -(-total // columns) or 1
    drawn, place = [], 0
    for verdict, count in marks.items():
        shapes = []
        for number in range(place, place + count):
            column, line = divmod(number, lines)
            shapes.append(_shape(verdict, column * _PITCH + 10, line * _PITCH + 10, 7))
        place += count
        drawn.append(Tag("path", d="".join(shapes), class_=f"fill-{verdict_class(verdict)}"))
    told = ", ".join(f"{percent(counts[verdict], whole)} {verdict}" for verdict in marks)
    return Tag(
        "svg",
        Tag("title", told),
        *drawn,
        role="img",
        viewBox=f"0 0 {columns * _PITCH} {lines * _PITCH}",
        class_="broad" if columns == max(COLUMNS) else "narrow",
        width=str(columns * _PITCH),
        height=str(lines * _PITCH),
    )


def shared_out(counts: Mapping[str, int], marks: int) -> dict[str, int]:
    """So many marks by verdict, in their order: in proportion, but at least one for what there is. Largest remainders."""
    there = [verdict for verdict in VERDICTS if counts.get(verdict, 0) > 0]
    whole = sum(counts[verdict] for verdict in there)
    if not whole or marks < len(there):
        return {}
    found = {verdict: max(counts[verdict] * marks // whole, 1) for verdict in there}
    while (left := marks - sum(found.values())) != 0:
        # What is owed most gets a mark, or what has most too much gives one up.
        owed = {verdict: counts[verdict] * marks - found[verdict] * whole for verdict in there}
        if left > 0:
            found[max(there, key=owed.__getitem__)] += 1
        else:
            found[min((each for each in there if found[each] > 1), key=owed.__getitem__)] -= 1
    return found


def bar(counts: Mapping[str, int], whole: int) -> Tag:
    """A bar as long as these rows are of the whole, cut by verdict. What it says stands beside it as text."""
    drawn = [Tag("rect", class_="track", width="100%", height="10", rx="2")]
    at_permille = 0
    for verdict in VERDICTS:
        count = counts.get(verdict, 0)
        if count <= 0 or whole <= 0:
            continue
        wide = max(min(count * 1_000 // whole, 1_000), _LEAST_PERMILLE)
        at_permille = min(at_permille, 1_000 - wide)
        drawn.append(
            Tag(
                "rect",
                class_=f"fill-{verdict}",
                x=_percent(at_permille),
                width=_percent(wide),
                height="10",
                rx="2",
            )
        )
        at_permille += wide
    return Tag("svg", *drawn, class_="bar", width="100%", height="10", aria_hidden="true")


def parts(counts: Mapping[str, int]) -> Tag:
    """The same as text: how many rows have which verdict."""
    told = [
        Tag("span", mark(verdict), f"{counts[verdict]:,} {verdict}")
        for verdict in VERDICTS
        if counts.get(verdict, 0) > 0
    ]
    return Tag("div", *told, class_="parts")


def _percent(permille: int) -> str:
    return f"{permille // 10}.{permille % 10}%"


def _shape(verdict: str, x: int, y: int, half: int) -> str:
    """A path around (x, y)."""
    if verdict == "admitted":
        return f"M{x - half} {y}a{half} {half} 0 1 1 {2 * half} 0a{half} {half} 0 1 1 {-2 * half} 0z"
    if verdict == "quarantined":
        return f"M{x} {y - half}l{half} {half}l{-half} {half}l{-half} {-half}z"
    if verdict == "rejected":
        arm = half // 3 or 1  # half the width of an arm, along the axes
        reach = half - arm
        return (
            f"M{x - reach - arm} {y - reach}l{arm} {-arm}l{reach} {reach}l{reach} {-reach}l{arm} {arm}"
            f"l{-reach} {reach}l{reach} {reach}l{-arm} {arm}l{-reach} {-reach}l{-reach} {reach}l{-arm} {-arm}l{reach} {-reach}z"
        )
    inner = half - 2
    return (
        f"M{x - half} {y}a{half} {half} 0 1 1 {2 * half} 0a{half} {half} 0 1 1 {-2 * half} 0z"
        f"M{x - inner} {y}a{inner} {inner} 0 1 0 {2 * inner} 0a{inner} {inner} 0 1 0 {-2 * inner} 0z"
    )


def spoken(counts: Mapping[str, int], whole: int) -> str:
    """The whole answer in one sentence, for who hears the page."""
    told = "; ".join(f"{rows(counts[verdict])} {verdict}" for verdict in VERDICTS if counts.get(verdict, 0))
    return f"Of {rows(whole)}: {told or 'none'}."

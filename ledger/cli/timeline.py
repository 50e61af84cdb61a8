"""The history of an identity as one page: a time line drawn by hand in SVG, and what happened as a list.

The page stands alone. It loads nothing, runs nothing, and every word in it that comes from the log is escaped. Light and
dark follow the reader's system; on a narrow screen the drawing scrolls sideways, so that its words stay legible.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from ledger.cli.common import duration, moment, plural
from ledger.cli.history_words import Who, lane_words, moment_words, span_words

if TYPE_CHECKING:
    from ledger.origin.history import History, LaneLine, Moment, Span

BEGINNING: Final = (
    "<!doctype html>\n<!-- lineage identity history -->\n"  # by which a page is known as one of these
)
LANES_DRAWN_MAX: Final = 40
_WIDTH: Final = 1080
_LEFT: Final = 132  # where time begins; labels stand before it
_RIGHT: Final = 24
_TOP: Final = 46
_ROW: Final = 34
_BAR: Final = 20
_LEAST: Final = 5  # pixels of a bar, so that a moment is seen
_CHAR: Final = 6.6  # pixels of a character in a bar
_TICKS: Final = 6

_STYLE: Final = """
:root{color-scheme:light dark;--page:#fbfaf7;--card:#fff;--ink:#23211c;--soft:#6d685d;--rule:#e3dfd5;--key:#35629a;
--key2:#5580b4;--lane:#2f7a5e;--substrate:#7d5519;--substrate2:#9a6a24;--bad:#b3392f;--gap:#f0ede5;--mark:#23211c}
@media(prefers-color-scheme:dark){:root{--page:#16171a;--card:#1e2024;--ink:#e9e6df;--soft:#9d988c;--rule:#33363c;--key:#78a6dd;
--key2:#a3c3ea;--lane:#62b894;--substrate:#d9a455;--substrate2:#e9c690;--bad:#ec7c70;--gap:#2a2d33;--mark:#e9e6df}}
*,::before{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1128px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;margin:36px 0 12px}
.id{color:var(--soft);font:13px/1.4 ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.numbers{display:flex;flex-wrap:wrap;gap:12px;margin:24px 0;padding:0;list-style:none}
.numbers li{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:10px 16px;min-width:104px;flex:1 0 auto}
.numbers b{display:block;white-space:nowrap;font-size:22px;line-height:1.25;font-variant-numeric:tabular-nums}
.numbers span{color:var(--soft);font-size:13px}
.numbers .bad b{color:var(--bad)}
.chart{background:var(--card);border:1px solid var(--rule);border-radius:12px;overflow-x:auto;padding:8px 0}
.chart svg{display:block;width:100%;min-width:860px;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif;fill:var(--ink)}
svg .soft{fill:var(--soft)} svg .on{fill:#fff} @media(prefers-color-scheme:dark){svg .on{fill:#14161a}}
svg .grid{stroke:var(--rule)} svg .silence{fill:var(--gap)} svg .key0{fill:var(--key)} svg .key1{fill:var(--key2)}
svg .substrate0{fill:var(--substrate)} svg .substrate1{fill:var(--substrate2)} svg .lane{fill:var(--lane)}
svg .bad{fill:var(--bad)} svg .hatch{stroke:var(--bad)} svg .mark{fill:var(--mark)} svg .line{stroke:var(--mark)}
svg .halo{stroke:var(--card);stroke-width:4px;paint-order:stroke}
svg .lost{fill:url(#hatch);stroke:var(--bad)} svg .bare{fill:var(--card)}
ol.moments{list-style:none;margin:0;padding:0;border-left:2px solid var(--rule)}
ol.moments li{position:relative;padding:0 0 14px 20px;overflow-wrap:anywhere}
ol.moments li::before{content:"";position:absolute;left:-6px;top:8px;width:10px;height:10px;border-radius:50%;background:var(--key)}
ol.moments li.bad::before{background:var(--bad)} ol.moments li.pair::before{background:var(--substrate)}
ol.moments li.gap{color:var(--soft)} ol.moments li.gap::before{background:var(--page);border:2px solid var(--soft)}
time{color:var(--soft);font-size:13px;display:block;font-variant-numeric:tabular-nums}
ul.lanes{list-style:none;margin:0;padding:0}
ul.lanes li{padding:10px 0;border-top:1px solid var(--rule)}
code{font:13px ui-monospace,Menlo,Consolas,monospace}
.legend{display:flex;flex-wrap:wrap;gap:6px 18px;color:var(--soft);font-size:13px;margin:12px 2px}
.legend i{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;vertical-align:-1px}
footer{color:var(--soft);font-size:13px;margin-top:40px;border-top:1px solid var(--rule);padding-top:16px}
"""

_HATCH: Final = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" y1="0" x2="0" y2="6" stroke-width="3"/></pattern></defs>'
)
_PAIR_WORDS: Final = frozenset({"delegate", "undelegate"})
_BAD_WORDS: Final = frozenset({"evidence", "retire", "recover"})


def page(history: History, who: Who, origin: str) -> str:
    """The whole page as HTML. `origin` is the log's."""
    name = who(history.id)
    anchor = f" of {who(history.anchor)}" if history.anchor else ""
    return f"""{BEGINNING}<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(name)}: history in {escape(origin)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(name)}</h1>
<div>{escape(history.role)}{escape(anchor)}, in the log since {escape(moment(history.from_ms))}</div>
<div class="id">{history.id.hex()}</div>
<ul class="numbers">{_numbers(history)}</ul>
<div class="chart">{_drawing(history)}</div>
{_legend(history)}
<h2>What happened</h2>
<ol class="moments">{_moments(history, who)}</ol>
<h2>Lanes</h2>
{_lanes(history)}
<footer>Log {escape(origin)}, up to {escape(moment(history.clock_ms))}. Times are the log's clock, by its operator's word; claimed
times never count. A signature proves control of a key: not humanity, authorship or truth.</footer>
</main>
</body>
</html>
"""


def _numbers(history: History) -> str:
    said = sum(line.statements for line in history.lanes)
    counted = [
        (said, "statement"),
        (history.records, "record"),
        (len(history.spans_of("key")), "set of keys"),
    ]
    if history.role == "pair":
        counted.append((len(history.spans_of("substrate")), "substrate"))
    counted.append((len(history.lanes), "lane"))
    numbers = []
    for count, name in counted:
        number, _, label = plural(
            count, name, name.replace("set ", "sets ") if " " in name else None
        ).partition(" ")
        numbers.append((number, label, ""))
    numbers.append((_age(history), "in the log", ""))
    if history.disowned:
        numbers.append((f"{history.disowned:,}", "disowned", ' class="bad"'))
    return "".join(
        f"<li{css}><b>{escape(number)}</b><span>{escape(label)}</span></li>" for number, label, css in numbers
    )


def _age(history: History) -> str:
    """How long it is in the log, in one unit."""
    return " ".join(duration(history.clock_ms - history.from_ms).split()[:2])


class _Axis:
    """Where a time stands in the drawing."""

    def __init__(self, history: History) -> None:
        self.from_ms = history.from_ms
        self.whole_ms = max(1, history.clock_ms - history.from_ms)
        self.end_ms = history.clock_ms

    def x(self, time_ms: int | None) -> float:
        """The place of a time; of None that of now."""
        time_ms = self.end_ms if time_ms is None else min(max(time_ms, self.from_ms), self.end_ms)
        share = (time_ms - self.from_ms) / self.whole_ms
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def bar(self, from_ms: int, until_ms: int | None) -> tuple[float, float]:
        """Where a bar begins and how wide it is, wide enough to be seen."""
        begin, end = self.x(from_ms), self.x(until_ms)
        begin = min(begin, _WIDTH - _RIGHT - _LEAST)
        return begin, round(max(end - begin, _LEAST), 1)


def _drawing(history: History) -> str:
    axis = _Axis(history)
    rows = [_spans_row(axis, history.spans_of("key"), "key")]
    labels = ["keys"]
    if history.role == "pair":
        rows.append(_spans_row(axis, history.spans_of("substrate"), "substrate"))
        labels.append("substrate")
    rows.append(_marks_row(axis, history.moments))
    labels.append("events")
    for line in history.lanes[:LANES_DRAWN_MAX]:
        rows.append(_lane_row(axis, line))
        labels.append(f"lane {line.lane.hex()[:6]}")
    height = _TOP + len(rows) * _ROW + 14
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Time line of keys, events and lanes">',
        _HATCH,
        *_silences(axis, history, height),
        *_grid(axis, height),
    ]
    for number, (label, row) in enumerate(zip(labels, rows, strict=True)):
        y = _TOP + number * _ROW
        parts.append(f'<text class="soft" x="16" y="{y + 19}">{escape(label)}</text>')
        parts.append(f'<g transform="translate(0 {y + 4})">{row}</g>')
    parts += _contested(axis, history, height)
    return "".join([*parts, "</svg>"])


def _grid(axis: _Axis, height: int) -> list[str]:
    parts = []
    for number in range(_TICKS + 1):
        time_ms = axis.from_ms + axis.whole_ms * number // _TICKS
        x = axis.x(time_ms)
        anchor = "start" if number == 0 else "end" if number == _TICKS else "middle"
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{_TOP - 12}" y2="{height - 10}"/>')
        parts.append(
            f'<text class="soft" x="{x}" y="{_TOP - 20}" text-anchor="{anchor}">{escape(_tick(time_ms, axis))}</text>'
        )
    return parts


def _tick(time_ms: int, axis: _Axis) -> str:
    """A time at the axis: as fine as the whole asks for."""
    day, _, rest = moment(time_ms).partition(" ")
    hour = rest.removesuffix(" UTC")
    if axis.whole_ms > 12 * 86_400_000:
        return day
    if axis.whole_ms > 600_000:
        return f"{day[5:]} {hour[:5]}"
    return hour if axis.whole_ms > 10_000 else f"{hour}.{time_ms % 1000:03d}"


def _spans_row(axis: _Axis, spans: Sequence[Span], css: str) -> str:
    parts = []
    for number, span in enumerate(spans):
        x, width = axis.bar(span.from_ms, span.until_ms)
        is_lost = span.end == "disowned"
        parts.append(
            f'<g><title>{escape(_title(span, axis.end_ms))}</title><rect class="{css}{number % 2}" x="{x}" y="0" '
            f'width="{width}" height="{_BAR}" rx="4"/>'
        )
        if is_lost:
            parts.append(_lost(x, width))
        if width > len(span.label) * _CHAR + 12 and not is_lost:
            parts.append(f'<text class="on" x="{x + 7}" y="14">{escape(span.label)}</text>')
        parts.append("</g>")
    return "".join(parts)


def _lost(x: float, width: float) -> str:
    """The part of a bar that is disowned: hatched, on bare ground."""
    place = f'x="{x}" y="0" width="{width}" height="{_BAR}" rx="4"'
    return f'<rect class="bare" {place}/><rect class="lost" {place}/>'


def _title(span: Span, clock_ms: int) -> str:
    return f"{span_words(span, clock_ms)}, from {moment(span.from_ms)}"


def _marks_row(axis: _Axis, moments: Sequence[Moment]) -> str:
    parts = []
    for item in moments:
        x = axis.x(item.clock_ms)
        css = "bad" if item.what in _BAD_WORDS or "compromised" in item.about else "mark"
        parts.append(
            f"<g><title>{escape(f'{item.what}, {moment(item.clock_ms)}, log index {item.log_index}')}</title>"
            f'<path class="{css}" d="M{x} 2l8 8l-8 8l-8 -8z"/></g>'
        )
    return "".join(parts)


def _lane_row(axis: _Axis, line: LaneLine) -> str:
    x, width = axis.bar(line.from_ms, line.until_ms)
    words = lane_words(line)
    parts = [
        f'<g><title>{escape(words)}</title><rect class="lane" x="{x}" y="0" width="{width}" height="{_BAR}" rx="4"/>'
    ]
    if line.disowned:
        parts += [_lost(*axis.bar(from_ms, until_ms)) for from_ms, until_ms in line.lost]
    label = f"{plural(line.statements, 'statement')}, {plural(line.records, 'record')}"
    room = len(label) * _CHAR
    if width > room + 14 and not line.disowned:
        parts.append(f'<text class="on" x="{x + 7}" y="14">{escape(label)}</text>')
    elif x + width + room < _WIDTH - _RIGHT:
        parts.append(f'<text x="{x + width + 6}" y="14">{escape(label)}</text>')
    elif x - room > _LEFT:
        parts.append(f'<text x="{x - 6}" y="14" text-anchor="end">{escape(label)}</text>')
    else:
        parts.append(f'<text class="halo" x="{x + 7}" y="14">{escape(label)}</text>')
    return "".join([*parts, "</g>"])


def _silences(axis: _Axis, history: History, height: int) -> list[str]:
    """Silences lie behind everything else."""
    parts = []
    for span in (*history.spans_of("silence"), *history.spans_of("undelegated")):
        x, width = axis.bar(span.from_ms, span.until_ms)
        parts.append(
            f'<g><title>{escape(_title(span, axis.end_ms))}</title><rect class="silence" x="{x}" y="{_TOP - 8}" '
            f'width="{width}" height="{height - _TOP - 4}"/></g>'
        )
    return parts


def _contested(axis: _Axis, history: History, height: int) -> list[str]:
    """A fork marks its time across all rows."""
    parts = []
    for span in history.spans_of("contested"):
        x, width = axis.bar(span.from_ms, span.until_ms)
        parts.append(
            f'<g><title>{escape(_title(span, axis.end_ms))}</title><rect class="lost" fill-opacity="0.35" x="{x}" '
            f'y="{_TOP - 8}" width="{width}" height="{height - _TOP - 4}"/></g>'
        )
    return parts


def _legend(history: History) -> str:
    items = [("var(--key)", "keys in force"), ("var(--lane)", "lanes: what it said, device by device")]
    if history.role == "pair":
        items.insert(1, ("var(--substrate)", "substrate: the pair stays the same over a change"))
    if history.disowned or any(span.end == "disowned" for span in history.spans):
        items.append(("repeating-linear-gradient(45deg,var(--bad) 0 3px,transparent 3px 6px)", "disowned"))
    if any(span.kind in ("silence", "undelegated") for span in history.spans):
        items.append(("var(--gap)", f"silent for over {duration(history.gap_ms)}, or not delegated"))
    return (
        '<div class="legend">'
        + "".join(
            f'<span><i style="background:{colour}"></i>{escape(words)}</span>' for colour, words in items
        )
        + "</div>"
    )


def _moments(history: History, who: Who) -> str:
    """Moments and gaps, in the order of time."""
    lines: list[tuple[int, int, str]] = []
    for item in history.moments:
        css = "bad" if item.what in _BAD_WORDS or "compromised" in item.about else ""
        css = "pair" if item.what in _PAIR_WORDS else css
        words = f"<time>{escape(moment(item.clock_ms))}, log index {item.log_index}</time>"
        words += escape(moment_words(item, history, who))
        lines.append((item.clock_ms, item.log_index, f'<li class="{css}">{words}</li>'))
    for span in history.spans:
        if span.kind in ("silence", "undelegated"):
            words = f"<time>{escape(moment(span.from_ms))}</time>{escape(span_words(span, history.clock_ms))}"
            lines.append((span.from_ms, history.clock_ms, f'<li class="gap">{words}</li>'))
    return "\n".join(line for _, _, line in sorted(lines))


def _lanes(history: History) -> str:
    if not history.lanes:
        return "<p>None: it has said nothing beside its key events.</p>"
    drawn = "".join(
        f"<li><code>{line.lane.hex()[:16]}</code> {escape(lane_words(line))}"
        f"<time>{escape(moment(line.from_ms))} to {escape(moment(line.until_ms))}, log index {line.first_index} to "
        f"{line.last_index}</time></li>"
        for line in history.lanes
    )
    return f'<ul class="lanes">{drawn}</ul>'

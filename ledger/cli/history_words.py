"""The history of an identity in words, and as a time line of characters for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import duration, moment, plural, printable, short

if TYPE_CHECKING:
    from ledger.origin.history import History, LaneLine, Moment, Span

Who = Callable[[bytes], str]

LABEL_CHARS: Final = 12
WRAP_CHARS: Final = 36  # where the words of a long line go on
LANES_SHOWN_MAX: Final = 12
MOMENTS_SHOWN_MAX: Final = 60
COLUMNS_LEAST: Final = 80
COLUMNS_MOST: Final = 120
_MARKS: Final = {"silence": "·", "undelegated": "-", "contested": "!"}
_ENDS: Final = {
    "": "",
    "replaced": "replaced by the next",
    "undelegated": "ended by its anchor",
    "disowned": "disowned by its anchor",
    "anchor-retired": "ended with its anchor",
}


def who_by(names: Mapping[bytes, str]) -> Who:
    """Names of identities where this machine knows them, else the beginning of their ids."""
    return lambda identity_id: names.get(identity_id) or short(identity_id)


def headline(history: History, who: Who) -> list[str]:
    """Who it is, and how much there is of it."""
    anchor = f", of {who(history.anchor)}" if history.anchor else ""
    name = who(history.id)
    shown = f"{name} ({short(history.id)})" if name != short(history.id) else name
    return [f"{history.role} {shown}{anchor}", f"in the log since {moment(history.from_ms)}", counts(history)]


def counts(history: History) -> str:
    """How much there is of it, in numbers."""
    said = sum(line.statements for line in history.lanes)
    parts = [plural(len(history.spans_of("key")), "set of keys", "sets of keys")]
    if history.role == "pair":
        parts.append(plural(len(history.spans_of("substrate")), "substrate"))
    disowned = f" ({history.disowned:,} disowned)" if history.disowned else ""
    parts += [
        plural(len(history.lanes), "lane"),
        plural(said, "statement") + disowned,
        plural(history.records, "record"),
    ]
    return ", ".join(parts)


def moment_words(item: Moment, history: History, who: Who) -> str:
    """What happened at one moment, in a line."""
    about = item.about
    words = _WORDS[item.what](about, history, who)
    if "compromised" in about:
        starts = ", ".join(str(start) for _key, start in about["compromised"])
        words += f": what the keys before signed from log index {starts} on is disowned"
    if "disowned_at" in about:
        words += f" (disowned at log index {about['disowned_at']})"
    return words


def _born(about: Mapping[str, Any], _history: History, who: Who) -> str:
    of = f" of {who(about['of'])}" if "of" in about else ""
    return f"enrolled as {about.get('role', 'operator')}{of}{_keys(about)}"


def _keys(about: Mapping[str, Any]) -> str:
    needed = sum(about["thresholds"].values())
    return f", {needed} of {about['keys']} keys sign" if about["keys"] > 1 else ""


def _delegated(about: Mapping[str, Any], history: History, who: Who) -> str:
    if about["pair"] == history.id:
        return f"delegated by {who(about['by'])} on {printable(about['substrate'])}"
    return f"delegated the pair {who(about['pair'])} on {printable(about['substrate'])}"


def _undelegated(about: Mapping[str, Any], history: History, who: Who) -> str:
    if about["pair"] == history.id:
        return f"delegation ended by {who(about['by'])}"
    return f"ended the delegation of the pair {who(about['pair'])}"


def _endorsed(about: Mapping[str, Any], history: History, who: Who) -> str:
    until = f" until {moment(about['until'])}" if "until" in about else ""
    grade = f"{about['grade']} ({about['method']}){until}"
    if about["subject"] == history.id:
        return f"endorsed as {grade} by {who(about['by'])}"
    return f"endorsed {who(about['subject'])} as {grade}"


def _contested(about: Mapping[str, Any], _history: History, who: Who) -> str:
    return f"contested: two statements of type '{about['kind']}' at one place, shown by {who(about['by'])}"


_WORDS: Final[dict[str, Callable[[Mapping[str, Any], History, Who], str]]] = {
    "genesis": _born,
    "enrol": _born,
    "rotate": lambda about, _history, _who: f"rotated to the next keys{_keys(about)}",
    "recover": lambda about, _history, _who: f"recovery said{_keys(about)}: pending for a week",
    "recovered": lambda about, _history, _who: (
        f"the recovery of log index {about['log_index']} came into force"
    ),
    "vetoed": lambda about, _history, _who: (
        f"the recovery of log index {about['log_index']} was ended by a {about['by']}"
    ),
    "retire": lambda about, _history, _who: f"retired ({about['reason']})",
    "delegate": _delegated,
    "undelegate": _undelegated,
    "endorse": _endorsed,
    "evidence": _contested,
}


def span_words(span: Span, clock_ms: int) -> str:
    """A span in a line: how long, and why it ended."""
    length = duration((span.until_ms if span.until_ms is not None else clock_ms) - span.from_ms)
    match span.kind:
        case "silence":
            return f"said nothing for {length}" + (", until now" if span.until_ms is None else "")
        case "undelegated":
            return f"could not speak for {length}: not delegated" + (
                ", until now" if span.until_ms is None else ""
            )
        case "contested":
            return f"contested for {length}" + (", until now" if span.until_ms is None else "")
        case "substrate":
            end = _ENDS.get(span.end, span.end)
            return f"on {printable(span.label)} for {length}{f', {end}' if end else ', until now'}"
    return f"keys of {span.label} for {length}"


def lane_words(line: LaneLine) -> str:
    """A lane in a line."""
    disowned = f" ({line.disowned:,} disowned)" if line.disowned else ""
    return (
        f"seq {line.first_seq}-{line.last_seq}, {plural(line.statements, 'statement')}{disowned}, "
        f"{plural(line.records, 'record')}"
    )


def text(history: History, who: Who, columns: int) -> str:
    """The whole history for a terminal of so many columns, of which 80 to 120 are used."""
    columns = min(max(columns, COLUMNS_LEAST), COLUMNS_MOST)
    lines = [*headline(history, who), "", *_chart(history, columns), "", "What happened"]
    shown = list(history.moments[:MOMENTS_SHOWN_MAX])
    lines += [
        f"  {moment(item.clock_ms)}  {item.log_index:>7}  {moment_words(item, history, who)}"
        for item in shown
    ]
    if len(history.moments) > len(shown):
        lines.append(f"  … and {len(history.moments) - len(shown):,} more (--json and --report tell all)")
    lines += ["", "Lanes"]
    for line in history.lanes[:LANES_SHOWN_MAX]:
        lines.append(
            f"  {line.lane.hex()[:8]}  log index {line.first_index} to {line.last_index}, {moment(line.from_ms)} to "
            f"{moment(line.until_ms)}"
        )
        lines.append(f"            {lane_words(line)}")
    if len(history.lanes) > LANES_SHOWN_MAX:
        lines.append(f"  … and {len(history.lanes) - LANES_SHOWN_MAX:,} more (--json tells all)")
    if not history.lanes:
        lines.append("  none: it has said nothing beside its key events")
    gaps = [span for span in history.spans if span.kind in ("silence", "undelegated")]
    lines += ["", f"Gaps (silences over {duration(history.gap_ms)} by the log's clock)"]
    lines += [f"  {moment(span.from_ms)}  {span_words(span, history.clock_ms)}" for span in gaps]
    if not gaps:
        lines.append("  none")
    return "\n".join(part for line in lines for part in _wrapped(line, columns))


def _wrapped(line: str, columns: int) -> list[str]:
    """A line that is too long, in several."""
    if len(line) <= columns:
        return [line]
    return textwrap.wrap(line, columns, subsequent_indent=" " * WRAP_CHARS, drop_whitespace=True)


def _chart(history: History, columns: int) -> list[str]:
    """Rows of characters over one axis of time."""
    width = columns - LABEL_CHARS
    begin, end = moment(history.from_ms), moment(history.clock_ms)
    lines = [" " * LABEL_CHARS + begin + end.rjust(width - len(begin))]
    lines.append(_row("keys", history.spans_of("key"), history, width))
    if history.role == "pair":
        lines.append(_row("substrate", history.spans_of("substrate"), history, width))
    for line in history.lanes[:LANES_SHOWN_MAX]:
        begin_at, end_at = _columns(history, line.from_ms, line.until_ms, width)
        cells = [" "] * begin_at + ["█"] * (end_at - begin_at)
        for from_ms, until_ms in line.lost:
            lost_at, found_at = _columns(history, from_ms, until_ms, width)
            cells[lost_at:found_at] = "▒" * (found_at - lost_at)
        lines.append(f"lane {line.lane.hex()[:4]}".ljust(LABEL_CHARS) + "".join(cells))
    for kind, mark in _MARKS.items():
        spans = history.spans_of(kind)
        if spans:
            cells = [" "] * width
            for span in spans:
                begin_at, end_at = _columns(history, span.from_ms, span.until_ms, width)
                cells[begin_at:end_at] = mark * (end_at - begin_at)
            lines.append(kind.ljust(LABEL_CHARS) + "".join(cells).rstrip())
    if history.disowned:
        lines.append(" " * LABEL_CHARS + "▒ disowned")
    return lines


def _row(label: str, spans: Sequence[Span], history: History, width: int) -> str:
    """Spans that follow each other, each with its label where it fits; an upright begins each."""
    cells = [" "] * width
    for span in spans:
        begin, end = _columns(history, span.from_ms, span.until_ms, width)
        words = printable(span.label)[: max(0, end - begin - 2)]
        cells[begin:end] = ("│" + words).ljust(end - begin, "─")
    return label.ljust(LABEL_CHARS) + "".join(cells).rstrip()


def _columns(history: History, from_ms: int, until_ms: int | None, width: int) -> tuple[int, int]:
    """From which column to before which a time reaches: one at least."""
    whole = max(1, history.clock_ms - history.from_ms)
    begin = (from_ms - history.from_ms) * width // whole
    until = until_ms if until_ms is not None else history.clock_ms
    end = -(-(until - history.from_ms) * width // whole)
    begin = min(max(begin, 0), width - 1)
    return begin, min(max(end, begin + 1), width)


def document(history: History) -> dict[str, Any]:
    """The history for a program."""
    return {
        "id": history.id.hex(),
        "role": history.role,
        "anchor": history.anchor.hex() if history.anchor else None,
        "from_ms": history.from_ms,
        "clock_ms": history.clock_ms,
        "gap_ms": history.gap_ms,
        "statements": dict(history.types),
        "records": history.records,
        "disowned": history.disowned,
        "moments": [
            {
                "clock_ms": item.clock_ms,
                "log_index": item.log_index,
                "what": item.what,
                **{name: _plain(value) for name, value in item.about.items() if name != "log_index"},
            }
            for item in history.moments
        ],
        "spans": [
            {
                "kind": span.kind,
                "label": span.label,
                "from_ms": span.from_ms,
                "until_ms": span.until_ms,
                "log_index": span.log_index,
                "end": span.end,
            }
            for span in history.spans
        ],
        "lanes": [
            {
                "key_event": line.key_event.hex(),
                "lane": line.lane.hex(),
                "from_ms": line.from_ms,
                "until_ms": line.until_ms,
                "first": line.first_index,
                "last": line.last_index,
                "first_seq": line.first_seq,
                "last_seq": line.last_seq,
                "statements": line.statements,
                "records": line.records,
                "disowned": line.disowned,
            }
            for line in history.lanes
        ],
    }


def _plain(value: Any) -> Any:
    """A detail as JSON holds it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value

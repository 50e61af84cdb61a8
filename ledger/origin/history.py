"""The life of one identity as a time line: key events, delegations, endorsements, forks, lanes, silences (SPEC §7, §9.5).

A pair is worth its continuity: it stays the same identity over changes of its substrate, and what it did not say
shows as well as what it said. The facts follow from the entries that speak of the identity, their places and the log's
clock, and from nothing else; claimed times never count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger.fold.objects import Delegation, Identity
from ledger.identity.life import KeyEvent
from ledger.statements import words
from ledger.statements.entry import Entry
from ledger.statements.statement import Statement, decode_statement

_KEY_TYPES: Final = words.TYPES_KEY_EVENT | {"enrol", "genesis"}


class Act(NamedTuple):
    """An entry in order that the identity made, or that speaks of it; `disowned_at`: where its signer disowned it."""

    log_index: int
    clock_ms: int
    entry: Entry
    disowned_at: int | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at one place. `what` is a statement's type, `recovered` or `vetoed`; `about` its details."""

    clock_ms: int
    log_index: int
    what: str
    about: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted, from a moment to another; `until_ms` is None while it does.

    `kind`: key (an event in force), substrate (a delegation in force), contested, silence, undelegated. `end` says why
    it ended: replaced, undelegated, disowned, anchor-retired, retired, or "".
    """

    kind: str
    from_ms: int
    until_ms: int | None
    label: str = ""
    log_index: int | None = None
    end: str = ""


@dataclass(slots=True)
class LaneLine:
    """One lane under a key event: its statements and their records, first and last; how many of them are disowned.

    `lost`: from when to when (ms) they are, without one between that is not; `is_losing`: the last one is disowned.
    """

    key_event: bytes
    lane: bytes
    first_index: int
    from_ms: int
    last_index: int = 0
    until_ms: int = 0
    first_seq: int = 0
    last_seq: int = 0
    statements: int = 0
    records: int = 0
    disowned: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)
    is_losing: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """The life of an identity up to the clock `clock_ms`. Moments, spans and lanes ascend; `types` counts its statements."""

    id: bytes
    role: str
    anchor: bytes | None
    from_ms: int
    clock_ms: int
    gap_ms: int
    moments: tuple[Moment, ...]
    spans: tuple[Span, ...]
    lanes: tuple[LaneLine, ...]
    types: Counter[str]
    records: int
    disowned: int

    def spans_of(self, kind: str) -> list[Span]:
        """The spans of one kind."""
        return [span for span in self.spans if span.kind == kind]


class Life(NamedTuple):
    """What the fold keeps of an identity, at a log's clock: its key events, a pair's delegations, its anchor's key events."""

    identity: Identity
    events: Sequence[KeyEvent]
    delegations: Sequence[Delegation]
    anchor_events: Sequence[KeyEvent]
    clock_ms: int


def tell(life: Life, acts: Iterable[Act], clock_at: Callable[[int], int], gap_ms: int) -> History:
    """The history from `acts`, in log order; `clock_at` gives the log's clock (ms) at an index of any of them."""
    identity = life.identity
    moments: list[Moment] = []
    lanes: dict[tuple[bytes, bytes], LaneLine] = {}
    types: Counter[str] = Counter()
    spoken: list[int] = []
    disowned_at: dict[int, int] = {}
    for act in acts:
        statement = act.entry.statement
        moments += _moments_of(act, identity.id)
        if act.disowned_at is not None:
            disowned_at[act.log_index] = act.disowned_at
        if statement.by != identity.id:
            continue
        spoken.append(act.clock_ms)
        types[statement.type] += 1
        if statement.type in words.TYPES_ORDINARY:
            _extend(lanes, act)
    moments += _recoveries(life, clock_at)
    spans = [*_key_spans(life, clock_at), *_contested(life, moments), *_silences(life, spoken, gap_ms)]
    if identity.role == "pair":
        spans += _delegated(life, clock_at, disowned_at, gap_ms)
    lines = tuple(lanes.values())
    return History(
        identity.id,
        identity.role,
        identity.anchor,
        clock_at(identity.born),
        life.clock_ms,
        gap_ms,
        tuple(sorted(moments, key=lambda moment: (moment.clock_ms, moment.log_index))),
        tuple(sorted(spans, key=lambda span: (span.from_ms, span.log_index or 0))),
        lines,
        types,
        sum(line.records for line in lines),
        sum(line.disowned for line in lines),
    )


def _moments_of(act: Act, identity_id: bytes) -> list[Moment]:
    """What an act means in the life of the identity; most statements are a lane's matter, and no moment."""
    statement, body = act.entry.statement, act.entry.statement.body
    about: dict[str, Any] = {}
    match statement.type:
        case "artifacts" | "attest" | "notice" | "rules":
            return []
        case kind if kind in _KEY_TYPES:
            about = _key_event_facts(statement)
        case "delegate":
            name = f"{body['substrate']['name']}@{body['substrate']['version']}"
            about = {"pair": body["pair"], "by": statement.by, "substrate": name}
        case "undelegate":
            about = {"pair": body["pair"], "by": statement.by}
        case "endorse":
            about = {"subject": body["subject"], "by": statement.by}
            about |= {name: body[name] for name in ("grade", "method", "until") if name in body}
        case "evidence":
            accused = decode_statement(body["first"][0])
            about = {"accused": accused.by, "by": statement.by, "kind": accused.type}
            if accused.by != identity_id:
                return []
    if act.disowned_at is not None:
        about["disowned_at"] = act.disowned_at
    return [Moment(act.clock_ms, act.log_index, statement.type, about)]


def _key_event_facts(statement: Statement) -> dict[str, Any]:
    body = statement.body
    about: dict[str, Any] = {
        "keys": len(body["keyset"]["keys"]),
        "thresholds": dict(body["keyset"]["thresholds"]),
    }
    about |= {name: body[name] for name in ("role", "of", "reason") if name in body}
    if "compromised" in body:
        about["compromised"] = [(bytes(key), start) for key, start in body["compromised"]]
    return about


def _extend(lanes: dict[tuple[bytes, bytes], LaneLine], act: Act) -> None:
    statement = act.entry.statement
    place = statement.key, statement.lane
    if place not in lanes:
        lanes[place] = LaneLine(*place, act.log_index, act.clock_ms, first_seq=statement.seq)
    line, is_lost = lanes[place], act.disowned_at is not None
    if is_lost and line.is_losing:
        line.lost[-1] = (line.lost[-1][0], act.clock_ms)
    elif is_lost:
        line.lost.append((act.clock_ms, act.clock_ms))
    line.is_losing = is_lost
    line.last_index, line.until_ms, line.last_seq = act.log_index, act.clock_ms, statement.seq
    line.statements += 1
    line.records += statement.body["count"] if statement.type == "artifacts" else 0
    line.disowned += is_lost


def _recoveries(life: Life, clock_at: Callable[[int], int]) -> list[Moment]:
    """How each `recover` came out, where it did: in force by the clock, or ended by the event after it."""
    found = []
    for event, later in zip(life.events, [*life.events[1:], None], strict=True):
        if event.type != "recover":
            continue
        if event.vetoed and later is not None:
            about = {"log_index": event.log_index, "by": later.type}
            found.append(Moment(clock_at(later.log_index), later.log_index, "vetoed", about))
        elif event.due_ms <= life.clock_ms:
            found.append(Moment(event.due_ms, event.log_index, "recovered", {"log_index": event.log_index}))
    return found


def _begin_ms(event: KeyEvent, clock_at: Callable[[int], int]) -> int:
    """From when on an event is in force, if nothing ends it before."""
    return event.due_ms if event.type == "recover" else clock_at(event.log_index)


def _key_spans(life: Life, clock_at: Callable[[int], int]) -> list[Span]:
    ever = [event for event in life.events if event.was_in_force(life.clock_ms)]
    begins = [_begin_ms(event, clock_at) for event in ever]
    spans = []
    for place, (event, begin) in enumerate(zip(ever, begins, strict=True)):
        if event.type == "retire":
            continue
        is_last = place + 1 == len(ever)
        until = None if is_last else begins[place + 1]
        end = "" if is_last else ever[place + 1].type
        spans.append(Span("key", begin, until, event.type, event.log_index, end))
    return spans


def _contested(life: Life, moments: Sequence[Moment]) -> list[Span]:
    """From the evidence until another key event than a `retire` is in force (SPEC §7.5)."""
    begins = {
        event.log_index: event.due_ms if event.type == "recover" else None
        for event in life.events
        if event.type != "retire" and not event.vetoed
    }
    times = {moment.log_index: moment.clock_ms for moment in moments if moment.what in _KEY_TYPES}
    ends = sorted(due or times.get(place, 0) for place, due in begins.items())
    spans = []
    for moment in moments:
        if moment.what == "evidence":
            until = next((end for end in ends if moment.clock_ms < end <= life.clock_ms), None)
            label = str(moment.about["kind"])
            spans.append(Span("contested", moment.clock_ms, until, label, moment.log_index))
    return spans


def _silences(life: Life, spoken: Sequence[int], gap_ms: int) -> list[Span]:
    """The times in which the identity said nothing for longer than `gap_ms`."""
    ended = [] if life.identity.retired else [life.clock_ms]
    return [
        Span("silence", former, later if later != life.clock_ms or not ended else None)
        for former, later in pairwise([*sorted(spoken), *ended])
        if later - former > gap_ms
    ]


def _delegated(
    life: Life, clock_at: Callable[[int], int], disowned_at: dict[int, int], gap_ms: int
) -> list[Span]:
    """On which substrate a pair could speak, and when on none."""
    retired = next((event.log_index for event in life.anchor_events if event.type == "retire"), None)
    spans: list[Span] = []
    for place, delegation in enumerate(life.delegations):
        later = life.delegations[place + 1].log_index if place + 1 < len(life.delegations) else None
        ends = {
            "replaced": later,
            "undelegated": delegation.ended,
            "disowned": disowned_at.get(delegation.log_index),
            "anchor-retired": retired,
        }
        why, end = min(
            ((why, end) for why, end in ends.items() if end is not None and end > delegation.log_index),
            key=lambda item: item[1],
            default=("", None),
        )
        label = f"{delegation.substrate['name']}@{delegation.substrate['version']}"
        until = None if end is None else clock_at(end)
        spans.append(
            Span("substrate", clock_at(delegation.log_index), until, label, delegation.log_index, why)
        )
    return spans + _undelegated(spans, clock_at(life.identity.born), gap_ms)


def _undelegated(delegated: Sequence[Span], born_ms: int, gap_ms: int) -> list[Span]:
    if not delegated:
        return [Span("undelegated", born_ms, None)]
    found = []
    if delegated[0].from_ms - born_ms > gap_ms:  # a pair is enrolled a moment before it is delegated
        found.append(Span("undelegated", born_ms, delegated[0].from_ms))
    for former, later in zip(delegated, [*delegated[1:], None], strict=True):
        if former.until_ms is not None and former.end != "replaced":
            found.append(Span("undelegated", former.until_ms, later.from_ms if later else None, former.end))
    return found

"""What `lineage trace` says of each artifact, in words for a person and in fields for a program."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import duration, moment, percent, plural, printable, short

if TYPE_CHECKING:
    from ledger.api import Found, Touched
    from ledger.proofs.facts import Ancestries, Ancestry, Attestation, Disowning, Grade, Node, Notice, Place
    from ledger.statements.record import Parent

CASE_CHARS: Final = 100
SAID_SHOWN_MAX: Final = 6  # notices, attestations and grades of one artifact that a person is shown
_SAID: Final = {
    "hold": "held back",
    "retract": "retracted",
    "erase": "retracted, its erasure asked for",
    "dispute": "disputed",
}
_EVENTS: Final = {"rotate": "rotation", "recover": "recovery", "retire": "retirement"}


@dataclass(frozen=True, slots=True)
class Known:
    """What this machine knows beside the ancestry: names of identities, cases of experiences, the types of key events by log index.

    `accepting`: the option by which somebody's word is taken.
    """

    names: Mapping[bytes, str] = field(default_factory=dict)
    cases: Mapping[bytes, str] = field(default_factory=dict)
    events: Mapping[int, str] = field(default_factory=dict)
    accepting: str = "--accept"

    def who(self, identity_id: bytes) -> str:
        """An identity as a person may know it."""
        name = self.names.get(identity_id)
        return f"{name} ({short(identity_id)})" if name else short(identity_id)


def walk(
    ancestry: Ancestry, depth_max: int, visit: Callable[[Node | None, Parent | None, int, bool], None]
) -> None:
    """Visits the tree from the root, a shared ancestor whole where it is first met; `Node` is None for another log's."""
    seen: set[bytes] = set()
    waiting: list[tuple[bytes, Parent | None, int]] = [(ancestry.root, None, 0)]
    while waiting:
        artifact_id, edge, depth = waiting.pop()
        if edge is not None and edge.log is not None:
            visit(None, edge, depth, False)
            continue
        node = ancestry.nodes[artifact_id]
        again = artifact_id in seen
        visit(node, edge, depth, again)
        seen.add(artifact_id)
        if not again and depth < depth_max:
            waiting += [(parent.id, parent, depth + 1) for parent in reversed(node.parents)]


def tree(ancestry: Ancestry, known: Known, depth_max: int) -> list[str]:
    """The ancestry as lines, each generation further in."""
    lines: list[str] = []

    def visit(node: Node | None, edge: Parent | None, depth: int, again: bool) -> None:
        indent = "  " * depth
        how = f"{edge.rel}{f' {percent(edge.ppm)}' if edge.ppm else ''}: " if edge else ""
        if node is None:
            lines.append(f"{indent}{how}artifact {short(edge.id) if edge else ''} of another log: unknown")
            return
        lines.append(f"{indent}{how}{_words(node, known)}{'  (shown above)' if again else ''}")
        if again:
            return
        lines.extend(f"{indent}    {line}" for line in said_of(node, known))
        if node.id in known.cases:
            case = textwrap.shorten(printable(known.cases[node.id]), CASE_CHARS, placeholder=" …")
            lines.append(f"{indent}    case: {case}")
        if node.parents and depth >= depth_max:
            lines.append(f"{indent}  … {len(node.parents)} parents more, and theirs: --depth shows them")

    walk(ancestry, depth_max, visit)
    return lines


def _words(node: Node, known: Known) -> str:
    from ledger.origin.levels import level_of

    level = level_of(node)
    text = f"{node.kind or 'artifact'} {short(node.id)}  {level.code} {level.label}, {node.status}"
    if node.maker is not None:
        made = "made" if node.stance == "made" else "reported"
        text += f", {made} by {node.role} {known.who(node.maker)}"
    shares = [
        f"{share} {percent(node.record.fields[share])}"
        for share in ("human", "machine")
        if node.record and share in node.record.fields
    ]
    if shares:
        text += f", own share {' + '.join(shares)}"
    if node.fault is not None:
        text += f"; FAULT {node.fault.code}: {printable(node.fault.what)}"
    return text


def said_of(node: Node, known: Known) -> list[str]:
    """What later entries say of an artifact, a line each: disowned, signed again, held, contested, attested, graded."""
    lines = [line for place in node.places for line in _disowned_words(place, node, known)]
    if node.contested is not None:
        lines.append(
            f"contested: its signer signed two statements at one place (evidence at log index {node.contested})"
        )
    lines += _first_of([_notice_words(item, known) for item in node.notices])
    lines += _first_of([_attestation_words(item, known) for item in node.attestations])
    if node.attested_by_others:
        lines.append(
            f"attested by {plural(node.attested_by_others, 'other identity', 'other identities')}: counted, not verified ({known.accepting})"
        )
    lines += _first_of([_grade_words(item, known) for item in node.endorsements])
    return lines


def _first_of(lines: list[str]) -> list[str]:
    if len(lines) <= SAID_SHOWN_MAX:
        return lines
    return [*lines[:SAID_SHOWN_MAX], f"… and {len(lines) - SAID_SHOWN_MAX} more (--json lists all)"]


def _disowned_words(place: Place, node: Node, known: Known) -> list[str]:
    disowning = place.disowned
    if disowning is None:
        return []
    event = _EVENTS.get(known.events.get(disowning.log_index, ""), "change of keys")
    late = f"{plural(disowning.late_entries, 'entry', 'entries')} ({duration(disowning.late_ms)}) later"
    owner = node.anchor if disowning.suspect else node.maker
    of = f" of {known.names.get(owner) or short(owner)}" if owner else ""
    is_shown = (place.log_index, place.record_index) == (node.log_index, node.record_index)
    where = "" if is_shown else f"its place at log index {place.log_index}: "
    what = "suspect, its delegation disowned" if disowning.suspect else "disowned"
    lines = [f"{where}{what} {late} by a {event}{of} at log index {disowning.log_index}"]
    if disowning.rescued_by:
        rescuers = ", ".join(map(known.who, disowning.rescued_by))
        lines.append(f"rescued by {rescuers}: accepted by you, and attests the authorship")
    elif not is_shown and node.presence == "stands":
        lines.append(f"signed again at log index {node.log_index}: it stands from there")
    return lines


def _notice_words(item: Notice, known: Known) -> str:
    row = f" (row {item.row})" if item.row is not None else ""
    reason = f": {item.reason}" if item.reason else ""
    return f"{_SAID.get(item.act, item.act)}{row} by {known.who(item.by)} since log index {item.log_index}{reason}"


def _attestation_words(item: Attestation, known: Known) -> str:
    row = f" (row {item.row})" if item.row is not None else ""
    return f"{item.claim} {item.result}{row} by {known.who(item.by)}, log index {item.log_index}"


def _grade_words(item: Grade, known: Known) -> str:
    until = f" until {moment(item.until)}" if item.until is not None else ""
    by = (
        f"registrar {known.who(item.issuer)}, listed"
        if item.listed
        else f"{known.who(item.issuer)}, not listed"
    )
    return f"{known.who(item.subject)} is {item.grade} ({item.method}) by {by}{until}"


def row_lines(matches: Found, ancestry: Ancestry) -> list[str]:
    """Which row it is, if what was found is one of an imported dataset; the dataset itself is the root of the tree."""
    if matches.artifacts or not matches.rows:
        return []
    match = matches.rows[0]
    record = ancestry.nodes[ancestry.root].record
    count = f" of {record.row_count:,}" if record is not None else ""
    path = f"{len(match.path)} hashes lead from the row's digest to the signed record"
    lines = [
        f"row {match.row:,}{count} of dataset {short(match.id)}: reported, not made, by who signed it ({path})"
    ]
    if match.copies > 1:
        lines.append(f"    the first of {match.copies:,} equal rows of that dataset")
    return lines


def row_fields(matches: Found) -> dict[str, Any]:
    """The rows that were found, for a program; that of the root by itself, with what proves it."""
    fields: dict[str, Any] = {
        "rows": [
            {"id": item.id.hex(), "row_index": item.row, "copies": item.copies} for item in matches.rows
        ],
        "unsearched": [{"id": item.hex(), "reason": reason} for item, reason in matches.unsearched],
    }
    if matches.rows and not matches.artifacts:
        match = matches.rows[0]
        path = [item.hex() for item in match.path]
        fields |= {"row_index": match.row, "row_digest": match.digest.hex(), "row_path": path}
    return fields


def people(ancestry: Ancestry, known: Known) -> list[str]:
    """The humans of an ancestry, by their whole ids."""

    def listed(identities: tuple[bytes, ...]) -> str:
        return ", ".join(
            f"{known.names[item]} ({item.hex()})" if item in known.names else item.hex()
            for item in identities
        )

    lines = [
        f"Humans who answer for it: {listed(ancestry.humans) or 'none'}",
        f"Authors among them:       {listed(ancestry.authors) or 'none'}",
    ]
    if ancestry.humans_behind:
        lines.append(f"Behind what was disowned: {listed(ancestry.humans_behind)}")
    return lines


def explanations(ancestry: Ancestry) -> list[str]:
    """What the rarer words of the tree mean, where they occur."""
    nodes = ancestry.nodes.values()
    lines = []
    if any(node.presence == "disowned" for node in nodes):
        lines.append(
            "Disowned: the key's owner said later that somebody else had it. It stays visible, nobody answers for it, and\n"
            "no human is counted by way of it."
        )
    if any(place.disowned is not None and place.disowned.suspect for node in nodes for place in node.places):
        lines.append("Suspect: what let this pair speak was signed by a key that its owner disowned.")
    if any(node.status == "quarantined" for node in nodes):
        lines.append("Quarantined: held back by a curator whom the log lists, or its signer is contested.")
    return lines


def descendant_lines(found: list[Touched], known: Known) -> list[str]:
    """The descendants, in log order, each with the relations that lead up to the artifact asked for."""
    from ledger.api import path_of

    if not found:
        return ["Nothing in this log descends from it or refers to it (as far as records are held)."]
    by_id = {item.id: item for item in found}
    lines = [f"Descends from it, or refers to it: {plural(len(found), 'artifact')} of this log"]
    for item in found:
        path = " of ".join(path_of(by_id, item.id))
        marks = "" if item.descends else ", refers only"
        marks += "" if item.stands else ", does not stand"
        lines.append(
            f"  {item.kind} {short(item.id)} by {known.who(item.maker)}, log index {item.log_index}: {path}{marks}"
        )
    return lines


def document(ancestry: Ancestry, depth_max: int) -> dict[str, Any]:
    """The JSON tree; a shared ancestor's parents stand where it is first met, elsewhere `shown_before` says so."""
    from ledger.origin.people import humans_of_nodes

    path: list[dict[str, Any]] = []
    humans = humans_of_nodes(ancestry)

    def visit(node: Node | None, edge: Parent | None, depth: int, again: bool) -> None:
        item = _fields(node, edge, humans, again=again)
        del path[depth:]
        if path:
            path[-1]["parents"].append(item)
        path.append(item)
        if node is not None and node.parents and depth >= depth_max and not again:
            item["cut"] = len(node.parents)

    walk(ancestry, depth_max, visit)
    found = path[0]
    found["authors"] = [item.hex() for item in ancestry.authors]
    found["humans_behind"] = [item.hex() for item in ancestry.humans_behind]
    found["checkpoint"] = {"origin": ancestry.checkpoint.origin, "size": ancestry.checkpoint.size}
    return found


def flat(ancestries: Ancestries, humans: Mapping[bytes, frozenset[bytes]]) -> list[dict[str, Any]]:
    """Every artifact once, by id, its parents by their ids."""
    found = []
    for artifact_id in sorted(ancestries.nodes):
        node = ancestries.nodes[artifact_id]
        item = _fields(node, None, humans, again=False)
        item["parents"] = [_edge_fields(edge) for edge in node.parents]
        found.append(item)
    return found


def _edge_fields(edge: Parent) -> dict[str, Any]:
    return {
        "relation": edge.rel,
        "share_ppm": edge.ppm,
        "id": edge.id.hex(),
        "row_index": edge.row,
        "log": edge.log.hex() if edge.log else None,
    }


def _fields(
    node: Node | None, edge: Parent | None, humans: Mapping[bytes, frozenset[bytes]], *, again: bool
) -> dict[str, Any]:
    from ledger.origin.levels import level_of

    item: dict[str, Any] = {"relation": edge.rel, "share_ppm": edge.ppm} if edge else {}
    if node is None:
        return item | {
            "id": edge.id.hex() if edge else None,
            "log": edge.log.hex() if edge and edge.log else None,
            "level": "L0",
            "kind": None,
            "maker": None,
            "humans": [],
            "status": "unknown",
            "parents": [],
        }
    item |= {
        "id": node.id.hex(),
        "level": level_of(node).code,
        "kind": node.kind or None,
        "maker": node.maker.hex() if node.maker else None,
        "humans": sorted(human.hex() for human in humans[node.id]),
        "status": str(node.status),
        "presence": str(node.presence),
        "log_index": node.log_index,
        "record_index": node.record_index,
        "fault": node.fault.code if node.fault else None,
        "parents": [],
    }
    if again:
        item["shown_before"] = True
        return item
    return item | _said_fields(node)


def _said_fields(node: Node) -> dict[str, Any]:
    return {
        "anchor": node.anchor.hex() if node.anchor else None,
        "disowned": _disowned_fields(node.disowned),
        "places": [
            {
                "log_index": place.log_index,
                "record_index": place.record_index,
                "stands": place.stands,
                "fault": place.fault.code if place.fault else None,
                "disowned": _disowned_fields(place.disowned),
            }
            for place in node.places
        ],
        "contested": node.contested,
        "notices": [
            {
                "statement": item.id.hex(),
                "log_index": item.log_index,
                "by": item.by.hex(),
                "act": item.act,
                "reason": item.reason,
                "row_index": item.row,
            }
            for item in node.notices
        ],
        "attestations": [
            {
                "statement": item.id.hex(),
                "log_index": item.log_index,
                "by": item.by.hex(),
                "claim": item.claim,
                "result": item.result,
                "row_index": item.row,
            }
            for item in node.attestations
        ],
        "attested_by_others": node.attested_by_others,
        "endorsements": [
            {
                "subject": item.subject.hex(),
                "issuer": item.issuer.hex(),
                "grade": item.grade,
                "method": item.method,
                "until": item.until,
                "log_index": item.log_index,
                "listed": item.listed,
            }
            for item in node.endorsements
        ],
        "endorsed_by_others": node.endorsed_by_others,
    }


def _disowned_fields(disowning: Disowning | None) -> dict[str, Any] | None:
    if disowning is None:
        return None
    return {
        "key_event": disowning.event.hex(),
        "log_index": disowning.log_index,
        "late_entries": disowning.late_entries,
        "late_ms": disowning.late_ms,
        "suspect": disowning.suspect,
        "rescued_by": [item.hex() for item in disowning.rescued_by],
    }


def touched_fields(found: list[Touched]) -> list[dict[str, Any]]:
    """The descendants for a program."""
    from ledger.api import path_of

    by_id = {item.id: item for item in found}
    return [
        {
            "id": item.id.hex(),
            "kind": item.kind,
            "maker": item.maker.hex(),
            "log_index": item.log_index,
            "record_index": item.record_index,
            "parent": item.parent.hex(),
            "relation": item.relation,
            "path": path_of(by_id, item.id),
            "generation": item.generation,
            "descends": item.descends,
            "stands": item.stands,
        }
        for item in found
    ]

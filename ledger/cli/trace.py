"""`lineage trace`: the ancestry of an artifact as a tree to its humans."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for, percent, printable, short
from ledger.errors import NotFound, RefusedInput

if TYPE_CHECKING:
    from ledger.api import Ledger, Paths
    from ledger.proofs.trace import Ancestry, Node
    from ledger.statements.record import Parent

DEPTH_MAX: Final = 64  # levels that are drawn; JSON of a deeper one could not be read back by many parsers
RIVALS_SHOWN_MAX: Final = 8
CASE_CHARS: Final = 100

PROVEN: Final = """Proven: every record above is under its signer's signature and in the log, and no later entry on its makers' keys,
delegations or notices was left out (the status map, by the operator's word until an auditor cosigns)."""
NOT_PROVEN: Final = """Not proven: that a key's owner is human, wrote it, or tells the truth; when it was made (only that it existed by its
log checkpoint); the shares, which are claims."""


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "trace",
        "Show where a file, an artifact or a text comes from, down to its humans.",
        """
        lineage trace summary.md
        lineage trace 4f2a9c01d3e4b5a6 --json
        lineage trace --text "a sentence as it stands in the dataset"
        """,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "artifact", metavar="FILE|ID", nargs="?", help="a file, or an artifact id (16 hex digits or more)"
    )
    what.add_argument("--text", metavar="TEXT", help="the text itself: a row, a sentence")
    parser.add_argument(
        "--depth",
        metavar="N",
        type=at_least_0,
        default=DEPTH_MAX,
        help="generations to show, at most (default: %(default)s)",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the artifact stands and nothing in its ancestry is unknown; else 1."""
    with open_for(args) as ledger:
        try:
            found = ledger.find_text(args.text) if args.text is not None else ledger.find_all(args.artifact)
        except NotFound as error:
            if error.code != "unlogged":
                raise
            unlogged: dict[str, Any] = {
                "id": None,
                "level": "L0",
                "kind": None,
                "maker": None,
                "status": "unknown",
                "humans": [],
                "parents": [],
            }
            reporter.result(unlogged, f"L0 unlogged: {printable(error.item)}: {printable(error.reason)}")
            return 1
        ancestry = ledger.trace(found[0])
        names = _names(ledger)
        cases = _cases(ledger, ancestry)
        paths = ledger.paths(ancestry)
    document = _document(ancestry, min(args.depth, DEPTH_MAX))
    document["rivals"] = [item.hex() for item in found[1:]]
    lines = _tree(ancestry, names, cases, args.depth)
    if paths is not None:
        document["record_path"] = [item.hex() for item in paths.record_path]
        document["log_path"] = [item.hex() for item in paths.log_path]
        lines.append(_where(ancestry, paths))
    lines += ["", *_people(ancestry, names)]
    if len(found) > 1:
        rivals = ", ".join(short(item) for item in found[1:][:RIVALS_SHOWN_MAX])
        lines.append(
            f"Rival claims: {len(found) - 1} more artifacts have this content: {rivals}. First come is not first believed."
        )
    lines += [
        "",
        f"Log checkpoint: {ancestry.checkpoint.origin}, {ancestry.checkpoint.size:,} entries (self-trusted: this ledger's own key).",
        PROVEN,
        NOT_PROVEN,
    ]
    reporter.result(document, "\n".join(lines))
    return 0 if _is_well(ancestry) else 1


def _where(ancestry: Ancestry, paths: Paths) -> str:
    """The way from the record to the log checkpoint, in words."""
    node = ancestry.nodes[ancestry.root]
    return (
        f"It is record {node.record_index} of {paths.record_count:,} in its statement ({len(paths.record_path)} hashes "
        f"lead to the signed root), at log index {node.log_index} of {ancestry.checkpoint.size:,} "
        f"({len(paths.log_path)} hashes)."
    )


def _is_well(ancestry: Ancestry) -> bool:
    return not ancestry.foreign and all(node.status == "released" for node in ancestry.nodes.values())


def _names(ledger: Ledger) -> Mapping[bytes, str]:
    return {item.id: item.name for item in ledger.keys.identities()}


def _cases(ledger: Ledger, ancestry: Ancestry) -> Mapping[bytes, str]:
    """The case of each experience whose content is kept here."""
    from ledger.datasets.experience import check_experience
    from ledger.datasets.jcs import parse_json

    cases = {}
    for node in ancestry.nodes.values():
        if node.record is None or node.kind != "experience":
            continue
        content = ledger.content.get(node.record.content)
        try:
            if content is not None:
                check_experience(content)
                cases[node.id] = parse_json(content)["case"]
        except RefusedInput:  # others sign what they like as an experience; there is nothing to show then
            continue
    return cases


def _walk(
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


def _tree(
    ancestry: Ancestry, names: Mapping[bytes, str], cases: Mapping[bytes, str], depth_max: int
) -> list[str]:
    lines: list[str] = []

    def visit(node: Node | None, edge: Parent | None, depth: int, again: bool) -> None:
        indent = "  " * depth
        how = f"{edge.rel}{f' {percent(edge.ppm)}' if edge.ppm else ''}: " if edge else ""
        if node is None:
            lines.append(f"{indent}{how}artifact {short(edge.id) if edge else ''} of another log: unknown")
            return
        lines.append(f"{indent}{how}{_words(node, names)}{'  (shown above)' if again else ''}")
        if again:
            return
        if node.id in cases:
            lines.append(
                f"{indent}    case: {textwrap.shorten(printable(cases[node.id]), CASE_CHARS, placeholder=' …')}"
            )
        if node.parents and depth >= depth_max:
            lines.append(f"{indent}  … {len(node.parents)} parents more, and theirs: --depth shows them")

    _walk(ancestry, depth_max, visit)
    return lines


def _words(node: Node, names: Mapping[bytes, str]) -> str:
    from ledger.origin.levels import level_of

    level = level_of(node)
    text = f"{node.kind or 'artifact'} {short(node.id)}  {level.code} {level.label}, {node.status}"
    if node.maker is not None:
        name = names.get(node.maker)
        made = "made" if node.stance == "made" else "reported"
        text += f", {made} by {node.role} {f'{name} ({short(node.maker)})' if name else short(node.maker)}"
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


def _people(ancestry: Ancestry, names: Mapping[bytes, str]) -> list[str]:
    def listed(identities: tuple[bytes, ...]) -> str:
        return ", ".join(
            f"{names[item]} ({item.hex()})" if item in names else item.hex() for item in identities
        )

    return [
        f"Humans who answer for it: {listed(ancestry.humans) or 'none'}",
        f"Authors among them:       {listed(ancestry.authors) or 'none'}",
    ]


def _document(ancestry: Ancestry, depth_max: int) -> dict[str, Any]:
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

    _walk(ancestry, depth_max, visit)
    document = path[0]
    document["authors"] = [item.hex() for item in ancestry.authors]
    document["checkpoint"] = {"origin": ancestry.checkpoint.origin, "size": ancestry.checkpoint.size}
    return document


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
        "log_index": node.log_index,
        "record_index": node.record_index,
        "fault": node.fault.code if node.fault else None,
        "parents": [],
    }
    if again:
        item["shown_before"] = True
    return item

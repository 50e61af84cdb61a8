"""`lineage trace`: the ancestry of an artifact as a tree to its humans, and its descendants."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ledger.cli import trace_words
from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for, plural, printable, short
from ledger.errors import NotFound, RefusedInput

if TYPE_CHECKING:
    from ledger.api import Found, Ledger, Paths, Touched
    from ledger.cli.trace_words import Known
    from ledger.proofs.facts import Ancestry

DEPTH_MAX: Final = 64  # levels that are drawn; JSON of a deeper one could not be read back by many parsers
RIVALS_SHOWN_MAX: Final = 8

PROVEN: Final = """Proven: every record above is under its signer's signature and in the log, and no later entry on its makers' keys,
delegations or notices was left out (the status map, by the operator's word until an auditor cosigns)."""
NOT_PROVEN: Final = """Not proven: that a key's owner is human, wrote it, or tells the truth; when it was made (only that it existed by its
log checkpoint); the shares, which are claims."""


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "trace",
        "Show where a file, an artifact, a text or a row comes from, down to its humans; or what came of it.",
        """
        lineage trace summary.md
        lineage trace 4f2a9c01d3e4b5a6 --json
        lineage trace notes.md --descendants
        lineage trace --text "a sentence as it stands in the dataset"
        lineage trace 4f2a9c01d3e4b5a6:17
        """,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "artifact",
        metavar="FILE|ID",
        nargs="?",
        help="a file, an artifact id (16 hex digits or more), or ID:ROW for a row of an imported dataset",
    )
    what.add_argument("--text", metavar="TEXT", help="the text itself: a row, a sentence")
    parser.add_argument(
        "--salt",
        metavar="HEX",
        help="look for FILE or TEXT sealed under this salt alone (default: not sealed, and under FILE.salt and the salts kept here)",
    )
    parser.add_argument(
        "--depth",
        metavar="N",
        type=at_least_0,
        default=DEPTH_MAX,
        help="generations to show, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--descendants",
        action="store_true",
        help="list also what descends from it or refers to it, which reads every record of the log",
    )
    parser.add_argument(
        "--accept",
        metavar="ID",
        action="append",
        default=[],
        help="an identity whose word you take: its attestations of authorship rescue what was disowned; may be repeated",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """0 if the artifact stands and all of its ancestry is released; else 1."""
    from ledger.api import Found, ids_found

    matches = Found()
    with open_for(args) as ledger:
        try:
            matches = _search(args, ledger)
            found = ids_found(matches)
        except NotFound as error:
            if error.code != "unlogged":
                raise
            return _unlogged(error, matches, reporter)
        former = ledger.superseded(matches.artifacts) if len(matches.artifacts) > 1 else {}
        claims = Claims(*[item for item in found if item not in former], former=tuple(former))
        claims.in_vain = ledger.without_effect(claims.root)
        ancestry = ledger.trace(claims.root, accept=_accepted(ledger, args.accept))
        known = _known(ledger, ancestry)
        paths = ledger.paths(ancestry)
        touched = ledger.descendants([(claims.root,)], reporter.progress) if args.descendants else None
    document = trace_words.document(ancestry, min(args.depth, DEPTH_MAX))
    document["rivals"] = [item.hex() for item in claims.rivals]
    document["superseded"] = [item.hex() for item in claims.former]
    document["supersedes_in_vain"] = {item.hex(): reason for item, reason in claims.in_vain.items()}
    document |= trace_words.row_fields(matches)
    if paths is not None:
        document["record_path"] = [item.hex() for item in paths.record_path]
        document["log_path"] = [item.hex() for item in paths.log_path]
    if touched is not None:
        document["descendants"] = trace_words.touched_fields(touched)
    shown = _lines(ancestry, known, claims, matches, paths, touched, args.depth)
    reporter.result(document, "\n".join(shown))
    return 0 if _is_well(ancestry) else 1


class Claims:
    """What was claimed of one content: the first claim that nobody superseded, its rivals, and what was superseded.

    `in_vain`: what the first names by `supersedes` without effect, and why.
    """

    def __init__(self, root: bytes, *rivals: bytes, former: tuple[bytes, ...] = ()) -> None:
        self.root = root
        self.rivals = rivals
        self.former = former
        self.in_vain: Mapping[bytes, str] = {}


def _search(args: argparse.Namespace, ledger: Ledger) -> Found:
    """All artifacts and rows that are meant. Raises as `Ledger.search`."""
    from ledger.api.salts import parse_salt

    salt = parse_salt("--salt", args.salt) if args.salt is not None else None
    if args.text is not None:
        return ledger.search_text(args.text, salt=salt)
    return ledger.search(args.artifact, salt=salt)


def _accepted(ledger: Ledger, texts: list[str]) -> list[bytes]:
    """Whose word is taken. Raises NotFound `identity-unknown` for who is no identity of the log: a slip would go unseen."""
    found = []
    with ledger.view() as view:
        for text in texts:
            identity_id = ledger.identity_id(text)
            if view.identity(identity_id) is None:
                raise NotFound(
                    "identity-unknown",
                    f"--accept {text}",
                    "the log knows no such identity",
                    "Give a name here, or all 64 digits of an identity's id.",
                )
            found.append(identity_id)
    return found


def _unlogged(error: NotFound, matches: Found, reporter: Reporter) -> int:
    document: dict[str, Any] = {
        "id": None,
        "level": "L0",
        "kind": None,
        "maker": None,
        "status": "unknown",
        "humans": [],
        "parents": [],
    }
    document |= trace_words.row_fields(matches)
    reporter.result(document, f"L0 unlogged: {printable(error.item)}: {printable(error.reason)}")
    return 1


def _lines(
    ancestry: Ancestry,
    known: Known,
    claims: Claims,
    matches: Found,
    paths: Paths | None,
    touched: list[Touched] | None,
    depth_max: int,
) -> list[str]:
    lines = [*trace_words.row_lines(matches, ancestry), *trace_words.tree(ancestry, known, depth_max)]
    if paths is not None:
        lines.append(_where(ancestry, paths))
    lines += ["", *trace_words.people(ancestry, known), *trace_words.explanations(ancestry)]
    if claims.former:
        earlier = ", ".join(map(short, claims.former[:RIVALS_SHOWN_MAX]))
        lines.append(
            f"Superseded by its maker: {earlier}. An earlier claim about this content, which counts no more."
        )
    for older, reason in claims.in_vain.items():
        lines.append(f"It supersedes {short(older)} without effect: {reason}. Both claims count.")
    if claims.rivals:
        rivals = ", ".join(map(short, claims.rivals[:RIVALS_SHOWN_MAX]))
        lines.append(
            f"Rival claims: {len(claims.rivals)} more artifacts have this content: {rivals}. First come is not first believed."
        )
    if matches.unsearched:
        lines.append(
            f"Not searched: the rows of {plural(len(matches.unsearched), 'imported dataset')} ({matches.unsearched[0][1]}); rivals may stand there."
        )
    if touched is not None:
        lines += ["", *trace_words.descendant_lines(touched, known)]
    return [
        *lines,
        "",
        f"Log checkpoint: {printable(ancestry.checkpoint.origin)}, {ancestry.checkpoint.size:,} entries (self-trusted: this ledger's own key).",
        PROVEN,
        NOT_PROVEN,
    ]


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


def _known(ledger: Ledger, ancestry: Ancestry) -> Known:
    names = ledger.names()
    places = {
        place.disowned.log_index
        for node in ancestry.nodes.values()
        for place in node.places
        if place.disowned is not None
    }
    with ledger.view() as view:
        events = {log_index: view.statement(log_index).type for log_index in places}
    return trace_words.Known(names, _cases(ledger, ancestry), events)


def _cases(ledger: Ledger, ancestry: Ancestry) -> Mapping[bytes, str]:
    """The case of each experience whose content is kept here."""
    from ledger.datasets.experience import check_experience
    from ledger.datasets.jcs import parse_json

    cases = {}
    for node in ancestry.nodes.values():
        if node.record is None or node.kind != "experience":
            continue
        content = ledger.kept_content(node.record)
        try:
            if content is not None:
                check_experience(content)
                cases[node.id] = parse_json(content)["case"]
        except RefusedInput:  # others sign what they like as an experience; there is nothing to show then
            continue
    return cases

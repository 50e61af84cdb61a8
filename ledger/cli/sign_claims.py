"""What `lineage sign` claims of what it signs: the options of kind, parents, shares, rights and source, and their values."""

from __future__ import annotations

import argparse
import os
import re
from typing import TYPE_CHECKING, Any

from ledger.cli.common import parse_share, parse_versioned
from ledger.errors import NotYet, RefusedInput

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.claims import Claim
    from ledger.statements.record import Parent

NOBODY = ""  # --reported without an author
SHARED = re.compile(r"(?P<name>.+)@(?P<share>[0-9.]+%?)", re.DOTALL)  # a parent with its share
MAPPED = ("kind", "parents", "author")  # what --map may take from a column; `author` is built


def add_claims(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "--map",
        metavar="author=COLUMN",
        help="with --rows and --reported: COLUMN names each row's author, who is logged as a pseudonym only",
    )
    parser.add_argument(
        "--kind",
        metavar="KIND",
        help="work, experience, abstract, output, derived, model or dataset (default: a human's is a work, a pair's or machine's an output)",
    )
    parser.add_argument(
        "--parent",
        metavar="[RELATION=]ID[@SHARE]",
        action="append",
        default=[],
        help="what it descends from: an artifact id (16 hex digits or more) or a signed file; may be repeated (default relation: derived-from)",
    )
    parser.add_argument(
        "--human",
        metavar="SHARE",
        help="the signer's own human share, as 70%% (default: 100%% of a work without parents)",
    )
    parser.add_argument(
        "--machine",
        metavar="SHARE",
        help="the machine's own share (default: 100%% of an output without parents)",
    )
    parser.add_argument(
        "--reported",
        metavar="AUTHOR",
        nargs="?",
        const=NOBODY,
        help="the signer did not make it; AUTHOR is logged as a pseudonym only",
    )
    _add_facts(parser)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what else is claimed")
    group.add_argument("--license", metavar="SPDX", help="for example CC-BY-4.0")
    group.add_argument(
        "--train", choices=("allowed", "denied", "constrained"), help="whether it may be trained on"
    )
    group.add_argument("--source", metavar="URI", help="where it was found")
    group.add_argument("--confidence", metavar="SHARE", help="of an experience, as 80%%")
    group.add_argument(
        "--stake", choices=("none", "low", "moderate", "high", "critical"), help="of an experience"
    )
    group.add_argument("--tool", metavar="NAME@VERSION", help="of a derived artifact: the deterministic tool")
    group.add_argument("--model", metavar="NAME@VERSION", help="of a model: its name")


def refuse_claims(args: argparse.Namespace) -> None:
    """What is signed again is signed as it stands. Raises RefusedInput `usage`."""
    options = ["rows", "map", "kind", "human", "machine", "reported", "license", "train", "source"]
    options += ["confidence", "stake", "tool", "model"]
    given = [name for name in options if getattr(args, name) is not None] + ["parent"] * bool(args.parent)
    given += ["receipts"] * args.receipts
    if given:
        raise RefusedInput(
            "usage",
            f"--{given[0]}",
            "with --again the records are signed as they stand in the log",
            "Leave it out; or sign anew without --again.",
        )


def author_column_of(args: argparse.Namespace) -> str | None:
    """The column that --map names for `author`. Raises RefusedInput."""
    if args.map is None:
        return None
    what, _, column = args.map.partition("=")
    if what not in MAPPED or not column or "," in column:
        raise RefusedInput("usage", f"--map '{args.map}'", "it maps no author", "Write --map author=COLUMN.")
    if what != "author":
        raise NotYet(
            "not-yet", f"--map {what}", "this version maps authors alone", "Sign each kind by itself."
        )
    if args.rows is None:
        raise RefusedInput("usage", "--map", "only rows have columns", "Add --rows COLUMN.")
    return str(column)


def claim_of(args: argparse.Namespace, ledger: Ledger) -> Claim:
    """The claim that the options make of all that is signed. Raises RefusedInput, and as `Ledger.resolve` of parents."""
    from ledger.signer.claims import Claim

    rights = {
        name: value for name, value in (("license", args.license), ("train", args.train)) if value is not None
    }
    facts: dict[str, Any] = {}
    if args.confidence is not None:
        facts["confidence"] = parse_share(args.confidence)
    if args.stake:
        facts["stake"] = args.stake
    for option, first in (("tool", "tool"), ("model", "name")):
        named = getattr(args, option)
        if named is not None:
            facts[first], facts["version"] = parse_versioned(f"--{option}", named)
    if args.tool is not None:
        facts["parameters"] = _no_parameters()
    return Claim(
        kind=args.kind,
        parents=tuple(_parent(text, ledger) for text in args.parent),
        human=parse_share(args.human) if args.human is not None else None,
        machine=parse_share(args.machine) if args.machine is not None else None,
        reported=args.reported is not None,
        author=_author(args.reported),
        rights=rights,
        source={"uri": args.source} if args.source is not None else {},
        facts=facts,
    )


def _author(reported: str | None) -> str | None:
    """The AUTHOR of --reported AUTHOR; a file in its place was meant to be signed."""
    if not reported:
        return None
    if _exists(reported):
        raise RefusedInput(
            "usage",
            f"--reported '{reported}'",
            "it stands where the author's name is expected, and is a file",
            "Name the files first: lineage sign FILE --reported",
        )
    return reported


def _exists(name: str) -> bool:
    return os.path.exists(name)  # noqa: PTH110 - unlike a Path, it never raises: any text may be asked for


def _no_parameters() -> bytes:
    """The digest of no parameters: of the empty JSON object."""
    import hashlib

    return hashlib.sha256(b"{}").digest()


def _parent(text: str, ledger: Ledger) -> Parent:
    """[RELATION=]ID[@SHARE]; ID may be a signed file."""
    from ledger.statements.legal import RELATIONS
    from ledger.statements.record import Parent

    relation, equals, rest = text.partition("=")
    if not equals or relation not in RELATIONS or _exists(text):
        if equals and not any(mark in relation for mark in "/.@") and not _exists(text):
            raise RefusedInput(
                "schema",
                f"relation '{relation}'",
                "there is no such relation",
                f"Relations: {', '.join(RELATIONS)}.",
            )
        relation, rest = "derived-from", text
    found = SHARED.fullmatch(rest)
    if found is None or _exists(rest):
        return Parent(relation, ledger.resolve(rest))
    ppm = parse_share(found["share"])
    if not ppm:
        raise RefusedInput(
            "share-illegal",
            f"parent '{text}'",
            "a stated share of a parent is more than nothing",
            "Leave @SHARE out if it is unknown.",
        )
    return Parent(relation, ledger.resolve(found["name"]), ppm)

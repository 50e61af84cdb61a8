"""What `lineage sign` claims of what it signs: the options of kind, parents, shares, rights and source, and their values."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, Protocol

from ledger.cli.common import parse_versioned
from ledger.errors import RefusedInput
from ledger.signer.written import (
    DEFAULT_RELATION,
    check_license,
    check_uri,
    parse_share,
    split_relation,
    split_row,
    split_share,
)

if TYPE_CHECKING:
    from ledger.signer.claims import Claim
    from ledger.statements.record import Parent

MAPPED = ("kind", "parents", "made_at", "license", "attributed", "human", "source")
ALIASES = {"author": "attributed"}
NOBODY = ""  # --reported without an author


class Resolves(Protocol):
    """What a claim asks of a ledger."""

    def resolve(self, text: str) -> bytes:
        """The id of the one artifact that is meant."""
        ...


def add_claims(parser: argparse.ArgumentParser) -> None:
    """Adds the options."""
    group = parser.add_argument_group("what is claimed of it")
    group.add_argument(
        "--kind",
        metavar="KIND",
        help="work, experience, abstract, output, derived, model or dataset (default: a human's is a work, a pair's or machine's an output)",
    )
    group.add_argument(
        "--parent",
        metavar="[RELATION=]ID[:ROW][@SHARE]",
        action="append",
        default=[],
        help="what it descends from: an artifact id (16 hex digits or more) or a signed file; :ROW is one row of an imported dataset; may be repeated (default relation: derived-from)",
    )
    group.add_argument(
        "--human",
        metavar="SHARE",
        help="the signer's own human share, as 70%% (default: 100%% of a work without parents)",
    )
    group.add_argument(
        "--machine",
        metavar="SHARE",
        help="the machine's own share (default: 100%% of an output without parents)",
    )
    group.add_argument(
        "--reported",
        metavar="AUTHOR",
        nargs="?",
        const=NOBODY,
        help="the signer did not make it; AUTHOR is logged as a pseudonym only",
    )
    group.add_argument(
        "--map",
        metavar="WHAT=COLUMN,…",
        action="append",
        help="with --rows: what each row says of itself in a column: kind, parents, made_at, license, attributed (its author, with --reported), human, source; null says nothing",
    )
    _add_facts(parser)


def _add_facts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("rights, source, and facts of some kinds")
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


def add_sealing(parser: argparse.ArgumentParser) -> None:
    """Adds the options of sealed content."""
    group = parser.add_argument_group("content that nobody shall guess")
    group.add_argument(
        "--sealed",
        action="store_true",
        help="log a digest under a secret salt, which this machine keeps: without it nobody can tell what the record is about",
    )
    group.add_argument(
        "--salt-beside",
        action="store_true",
        help="with --sealed: write the salt beside each file too, FILE.salt, for whoever shall be able to check it",
    )


def refuse_claims(args: argparse.Namespace) -> None:
    """What is signed again is signed as it stands. Raises RefusedInput `usage`."""
    options = ["rows", "map", "kind", "human", "machine", "reported", "license", "train", "source"]
    options += ["confidence", "stake", "tool", "model"]
    given = [name for name in options if getattr(args, name) is not None] + ["parent"] * bool(args.parent)
    flags = ("receipts", "sealed", "salt_beside", "dry_run")
    given += [name for name in flags if getattr(args, name)] + ["with_lineage"] * (
        args.with_lineage is not None
    )
    if given:
        raise RefusedInput(
            "usage",
            f"--{given[0].replace('_', '-')}",
            "with --again the records are signed as they stand in the log",
            "Leave it out; or sign anew without --again.",
        )


def columns_of(args: argparse.Namespace) -> dict[str, str]:
    """The columns that --map names, by what is taken from them. Raises RefusedInput `usage`."""
    columns: dict[str, str] = {}
    if args.map and args.rows is None:
        raise RefusedInput("usage", "--map", "only rows have columns", "Add --rows COLUMN.")
    for item in [item for text in args.map or () for item in text.split(",")]:
        what, _, column = item.partition("=")
        what = ALIASES.get(what, what)
        if what not in MAPPED or not column or what in columns:
            raise RefusedInput(
                "usage",
                f"--map '{item}'",
                "it says nothing twice, and no more than it knows"
                if what in columns
                else "it maps nothing that is known",
                f"Write WHAT=COLUMN, each once: {', '.join(MAPPED)}.",
            )
        columns[what] = column
    return columns


def claim_of(args: argparse.Namespace, ledger: Resolves) -> Claim:
    """The claim that the options make of all that is signed. Raises RefusedInput, and as `Ledger.resolve` of parents."""
    from ledger.signer.claims import Claim

    rights = {
        name: value for name, value in (("license", args.license), ("train", args.train)) if value is not None
    }
    if args.license is not None:
        check_license(args.license)
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
        parents=tuple(parse_parent(text, ledger) for text in args.parent),
        human=parse_share(args.human) if args.human is not None else None,
        machine=parse_share(args.machine) if args.machine is not None else None,
        reported=args.reported is not None,
        author=_author(args.reported),
        rights=rights,
        source={"uri": check_uri(args.source)} if args.source is not None else {},
        facts=facts,
        sealed=args.sealed,
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


def parse_parent(text: str, ledger: Resolves) -> Parent:
    """[RELATION=]ID[:ROW][@SHARE]; ID may be a signed file, whose name may look like anything. Raises as `Resolves.resolve`."""
    from ledger.statements.record import Parent

    relation, rest = (DEFAULT_RELATION, text) if _exists(text) else split_relation(text)
    shared, ppm = (rest, None) if _exists(rest) else split_share(rest)
    name, row = (shared, None) if _exists(shared) else split_row(shared)
    return Parent(relation, ledger.resolve(name), ppm, row=row)

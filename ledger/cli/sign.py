"""`lineage sign`: files, folders, and the rows of a dataset."""

from __future__ import annotations

import argparse
import json
import os
import re
from typing import TYPE_CHECKING, Any

from ledger.cli.common import (
    Reporter,
    add_common,
    command,
    only_identity,
    open_for,
    parse_share,
    parse_versioned,
    printable,
    short,
    tell_kept,
    tell_pending_recovery,
)
from ledger.cli.receipts import Receipts, write_receipts
from ledger.errors import NotYet, RefusedInput
from ledger.spec import GUESSABLE_BYTES

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.claims import Claim
    from ledger.signer.signing import Signed
    from ledger.statements.record import Parent

WHOLE_ROW = "."  # --rows .: the row as a whole
NOBODY = ""  # --reported without an author
SHOWN_MAX = 8  # artifacts that a person is shown one by one
SHARED = re.compile(r"(?P<name>.+)@(?P<share>[0-9.]+%?)", re.DOTALL)  # a parent with its share
MAPPED = ("kind", "parents", "author")  # what --map may take from a column; `author` is built


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "sign",
        "Sign files and folders, or every row of a JSONL dataset, and append them to the log.",
        """
        lineage sign notes.md --by ada
        lineage sign incident.json --by ada --kind experience --confidence 80%
        lineage sign summary.md --by ada+model --parent derived-from=notes.md@60%
        lineage sign data.jsonl --rows text --by ada
        lineage sign old.jsonl --rows . --by ada --reported --license CC-BY-4.0
        lineage sign old.jsonl --rows text --map author=writer --by ada --reported
        lineage sign notes.md 4f2a9c01d3e4b5a6 --again --by ada
        """,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file or a folder; hidden files are left out"
    )
    parser.add_argument("--by", metavar="NAME", help="who signs (default: the only identity here)")
    parser.add_argument(
        "--rows", metavar="COLUMN", help="PATH is JSONL: sign each row's COLUMN; '.' is the whole row"
    )
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
    parser.add_argument(
        "--again",
        action="store_true",
        help="PATH, or an artifact id: sign your very records of it again that a cut of stolen keys disowned",
    )
    parser.add_argument(
        "--receipts",
        action="store_true",
        help="write beside each file its receipt, FILE.tlog-proof; beside a dataset those of its rows, PATH.receipts.parquet",
    )
    _add_facts(parser)
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


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


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs, and says where everything stands."""
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        tell_kept(reporter, ledger, by)
        if args.again:
            _refuse_claims(args)
            signed = ledger.sign_again(args.paths, by, reporter.progress)
            tell_pending_recovery(reporter, ledger, by)
            return _tell(reporter, signed, by, "path")
        if args.receipts:
            ledger.foresee_receipts(args.paths, rows=args.rows is not None)
        claim = _claim(args, ledger)
        author_column = _author_column(args)
        if args.rows is None:
            signed = ledger.sign(args.paths, by, claim, reporter.progress)
        elif len(args.paths) == 1:
            column = None if args.rows == WHOLE_ROW else args.rows
            signed = ledger.sign_rows(
                args.paths[0], column, by, claim, reporter.progress, author_column=author_column
            )
        else:
            raise RefusedInput(
                "no-paths", "--rows", "it takes one dataset at a time", "Run it once for each."
            )
        tell_pending_recovery(reporter, ledger, by)
        receipts = write_receipts(args, ledger, signed) if args.receipts else None
    return _tell(reporter, signed, by, "row_index" if args.rows is not None else "path", receipts)


def _refuse_claims(args: argparse.Namespace) -> None:
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


def _tell(reporter: Reporter, signed: Signed, by: str, label: str, receipts: Receipts | None = None) -> int:
    """What was signed, and what a signer should know about it; 2 if its receipts could not be written."""
    reporter.done()
    if reporter.wants_json:
        _write_json(reporter, signed, label, receipts)
    else:
        reporter.write(_words(signed, by) + "\n")
        if receipts is not None and receipts.paths:
            reporter.write(receipts.words() + "\n")
    if signed.hidden_files:
        reporter.note(f"Hidden files and folders left out: {signed.hidden_files:,}")
    if signed.guessable:
        reporter.note(
            f"Contents under {GUESSABLE_BYTES} bytes: {signed.guessable:,}. The log holds only their digests, "
            "but whoever guesses one can confirm it."
        )
    if signed.broken_lanes:
        reporter.note(
            f"Somebody signed with the key of '{by}' where this machine would have: an older copy of the keys was restored, "
            f"or they are stolen. What stands in the log: lineage identity history {by}"
        )
    if receipts is not None and receipts.error is not None:
        reporter.note(f"Receipts: {printable(str(receipts.error))}")
        return 2
    return 0


def _author_column(args: argparse.Namespace) -> str | None:
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


def _claim(args: argparse.Namespace, ledger: Ledger) -> Claim:
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


def _write_json(reporter: Reporter, signed: Signed, label: str, receipts: Receipts | None) -> None:
    """One document, written piece by piece: a million rows are not held twice."""
    write = reporter.write
    write('{"artifacts": [')
    for position, (name, artifact_id, log_index) in enumerate(
        zip(signed.labels, signed.ids, signed.log_indices, strict=True)
    ):
        item = {"id": artifact_id.hex(), label: name, "log_index": log_index}
        write((", " if position else "") + json.dumps(item))
    counts = {"new": signed.new, "again": signed.again, "already_logged": signed.already_logged}
    write("], " + json.dumps(counts | (receipts.fields() if receipts is not None else {}))[1:] + "\n")


def _words(signed: Signed, by: str) -> str:
    lines = []
    for name, artifact_id, log_index in list(zip(signed.labels, signed.ids, signed.log_indices, strict=True))[
        :SHOWN_MAX
    ]:
        place = f"row {name}" if isinstance(name, int) else printable(name)
        lines.append(f"  {short(artifact_id)}  at log index {log_index}  {place}")
    rest = len(signed.ids) - len(lines)
    if rest:
        lines.append(f"  … and {rest:,} more (--json lists all)")
    copies = len(signed.ids) - signed.new - signed.already_logged
    counts = f"Signed by '{by}': {signed.new:,} new"
    counts += f" ({signed.again:,} of them again, after being disowned)" if signed.again else ""
    counts += f", {signed.already_logged:,} already logged" if signed.already_logged else ""
    counts += f", {copies:,} copies of others among them" if copies else ""
    return "\n".join([counts, *lines])

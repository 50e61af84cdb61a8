"""`lineage sign`: files, folders, and the rows of a dataset."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ledger.cli import first, offline
from ledger.cli.common import (
    Reporter,
    add_common,
    command,
    only_identity,
    open_for,
    printable,
    short,
    tell_kept,
    tell_left_out,
    tell_pending_recovery,
)
from ledger.cli.receipts import Receipts, write_receipts
from ledger.cli.sign_claims import add_claims, claim_of, columns_of, refuse_claims
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.signer.signing import Signed

WHOLE_ROW = "."  # --rows .: the row as a whole
SHOWN_MAX = 8  # artifacts that a person is shown one by one


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "sign",
        "Sign files and folders, or every row of a dataset, and append them to the log.",
        """
        lineage sign notes.md --by ada
        lineage sign incident.json --by ada --kind experience --confidence 80%
        lineage sign summary.md --by ada+model --parent derived-from=notes.md@60%
        lineage sign data.jsonl --rows text --by ada
        lineage sign old.jsonl --rows . --by ada --reported --license CC-BY-4.0
        lineage sign old.jsonl --rows text --map attributed=writer,source=url --by ada --reported
        lineage sign notes.md 4f2a9c01d3e4b5a6 --again --by ada
        lineage sign notes.md --by ada --offline -o notes.statement
        """,
    )
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file or a folder; hidden files are left out"
    )
    parser.add_argument("--by", metavar="NAME", help="who signs (default: the only identity here)")
    parser.add_argument(
        "--rows",
        metavar="COLUMN",
        help="PATH is a dataset (.jsonl, .parquet, .txt by line): sign each row's COLUMN; '.' is the whole row",
    )
    add_claims(parser)
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
    offline.add_options(parser)
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs, and says where everything stands."""
    if offline.is_asked(args):
        return offline.run_sign(args, reporter)
    first.offer(args, reporter)
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        tell_kept(reporter, ledger, by)
        if args.again:
            refuse_claims(args)
            signed = ledger.sign_again(args.paths, by, reporter.progress)
            tell_pending_recovery(reporter, ledger, by)
            return _tell(reporter, signed, by, "path")
        if args.receipts:
            ledger.foresee_receipts(args.paths, rows=args.rows is not None)
        claim = claim_of(args, ledger)
        columns = columns_of(args)
        if args.rows is None:
            signed = ledger.sign(args.paths, by, claim, reporter.progress)
        elif len(args.paths) == 1:
            column = None if args.rows == WHOLE_ROW else args.rows
            signed = ledger.sign_rows(args.paths[0], column, by, claim, reporter.progress, columns=columns)
        else:
            raise RefusedInput(
                "no-paths", "--rows", "it takes one dataset at a time", "Run it once for each."
            )
        tell_pending_recovery(reporter, ledger, by)
        receipts = write_receipts(args, ledger, signed) if args.receipts else None
    return _tell(reporter, signed, by, "row_index" if args.rows is not None else "path", receipts)


def _tell(reporter: Reporter, signed: Signed, by: str, label: str, receipts: Receipts | None = None) -> int:
    """What was signed, and what a signer should know about it; 2 if its receipts could not be written."""
    reporter.done()
    if reporter.wants_json:
        _write_json(reporter, signed, label, receipts)
    else:
        reporter.write(_words(signed, by) + "\n")
        if receipts is not None and receipts.paths:
            reporter.write(receipts.words() + "\n")
    tell_left_out(reporter, signed)
    if signed.broken_lanes:
        reporter.note(
            f"Somebody signed with the key of '{by}' where this machine would have: an older copy of the keys was restored, "
            f"or they are stolen. What stands in the log: lineage identity history {by}"
        )
    if receipts is not None and receipts.error is not None:
        reporter.note(f"Receipts: {printable(str(receipts.error))}")
        return 2
    return 0


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

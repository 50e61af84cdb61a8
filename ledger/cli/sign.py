"""`lineage sign`: files, folders, and the rows of a dataset."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from ledger.cli import beside, dry_run, first, offline
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
    tell_not_walked,
    tell_pending_recovery,
)
from ledger.cli.sign_claims import add_claims, add_sealing, claim_of, columns_of, refuse_claims
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.claims import Claim
    from ledger.signer.signing import Signed

WHOLE_ROW = "."  # --rows .: the row as a whole
CORRECTIONS_LOOKED_AT_MAX = 256  # for what they do not correct
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
        lineage sign summary.md --by ada+model --parent derived-from=notes.md@60% --dry-run
        lineage sign notes.md --by ada --human 70% --parent supersedes=4f2a9c01d3e4b5a6
        lineage sign diary.md --by ada --sealed --salt-beside
        lineage sign data.jsonl --rows text --by ada
        lineage sign old.jsonl --rows . --by ada --reported --license CC-BY-4.0
        lineage sign old.jsonl --rows text --map attributed=writer,source=url --by ada --reported
        lineage sign data.jsonl --rows text --by ada --sealed --with-lineage data.lineage.jsonl
        lineage sign notes.md 4f2a9c01d3e4b5a6 --again --by ada
        lineage sign notes.md --by ada --offline -o notes.statement
        """,
    )
    parser.usage = "lineage sign PATH... [options]"
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a file or a folder; hidden files are left out"
    )
    group = parser.add_argument_group("what is signed, and by whom")
    group.add_argument("--by", metavar="NAME", help="who signs (default: the only identity here)")
    group.add_argument(
        "--rows",
        metavar="COLUMN",
        help="PATH is a dataset (.jsonl, .parquet, .txt by line): sign each row's COLUMN; '.' is the whole row",
    )
    group.add_argument(
        "--again",
        action="store_true",
        help="PATH, or an artifact id: sign your very records of it again that a cut of stolen keys disowned",
    )
    group.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be signed; make nothing, ask for no passphrase",
    )
    add_claims(parser)
    add_sealing(parser)
    _add_outputs(parser)
    offline.add_options(parser)
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is written beside it")
    group.add_argument(
        "--receipts",
        action="store_true",
        help="beside each file its receipt, FILE.tlog-proof; beside a dataset (that of --with-lineage, if given) those of its rows, DATASET.receipts.parquet",
    )
    group.add_argument(
        "--with-lineage",
        metavar="OUT",
        help="with --rows: the dataset once more, each row with its lineage_id, and its lineage_salt if it is sealed",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs, and says where everything stands."""
    beside.check_options(args)
    if args.rows is not None and len(args.paths) != 1 and not args.again:
        raise RefusedInput("no-paths", "--rows", "it takes one dataset at a time", "Run it once for each.")
    if offline.is_asked(args):
        return offline.run_sign(args, reporter)
    if args.dry_run:
        return _run_dry(args, reporter)
    first.offer(args, reporter)
    with open_for(args, readonly=False) as ledger:
        by = only_identity(ledger, args.by)
        tell_kept(reporter, ledger, by)
        if args.again:
            refuse_claims(args)
            signed = ledger.sign_again(args.paths, by, reporter.progress)
            tell_pending_recovery(reporter, ledger, by)
            return _tell(reporter, signed, by, "path", beside.Beside())
        beside.foresee_receipts(args, ledger)
        beside.foresee(args, ledger)
        claim = claim_of(args, ledger)
        signed = _sign(args, reporter, ledger, by, claim)
        tell_pending_recovery(reporter, ledger, by)
        _tell_supersedes(reporter, ledger, claim, signed)
        written = beside.write(args, ledger, signed)
        beside.write_receipts(args, ledger, signed, written)
    return _tell(reporter, signed, by, "row_index" if args.rows is not None else "path", written)


def _sign(args: argparse.Namespace, reporter: Reporter, ledger: Ledger, by: str, claim: Claim) -> Signed:
    columns = columns_of(args)
    if args.rows is None:
        return ledger.sign(args.paths, by, claim, reporter.progress)
    column = None if args.rows == WHOLE_ROW else args.rows
    return ledger.sign_rows(args.paths[0], column, by, claim, reporter.progress, columns=columns)


def _run_dry(args: argparse.Namespace, reporter: Reporter) -> int:
    dry_run.refuse_again(args)
    with open_for(args) as ledger:
        by = only_identity(ledger, args.by)
        beside.foresee(args, ledger)
        claim, columns = claim_of(args, ledger), columns_of(args)
        if args.rows is None:
            found = ledger.foresee_signing(args.paths, by, claim, reporter.progress)
        else:
            column = None if args.rows == WHOLE_ROW else args.rows
            found = ledger.foresee_signing_rows(
                args.paths[0], column, by, claim, reporter.progress, columns=columns
            )
    dry_run.tell(reporter, found, is_rows=args.rows is not None)
    tell_not_walked(reporter, found.hidden_files, found.companions)
    return 0


def _tell_supersedes(reporter: Reporter, ledger: Ledger, claim: Claim, signed: Signed) -> None:
    """A correction that replaces nothing is no error, and not what was meant."""
    if not any(parent.rel == "supersedes" for parent in claim.parents):
        return
    told: set[tuple[bytes, str]] = set()
    for artifact_id in signed.ids[:CORRECTIONS_LOOKED_AT_MAX]:
        for older, reason in ledger.without_effect(artifact_id).items():
            if (older, reason) not in told:
                told.add((older, reason))
                reporter.note(
                    f"{short(artifact_id)} supersedes {short(older)} without effect: {reason}. Both claims count."
                )


def _tell(reporter: Reporter, signed: Signed, by: str, label: str, written: beside.Beside) -> int:
    """What was signed, and what a signer should know about it; 2 if something beside it could not be written."""
    reporter.done()
    if reporter.wants_json:
        _write_json(reporter, signed, label, written)
    else:
        reporter.write("\n".join([_words(signed, by), *written.lines()]) + "\n")
    tell_left_out(reporter, signed)
    if signed.broken_lanes:
        reporter.note(
            f"Somebody signed with the key of '{by}' where this machine would have: an older copy of the keys was restored, "
            f"or they are stolen. What stands in the log: lineage identity history {by}"
        )
    for error in written.errors:
        reporter.note(f"Not written: {printable(str(error))}")
    return 2 if written.errors else 0


def _write_json(reporter: Reporter, signed: Signed, label: str, written: beside.Beside) -> None:
    """One document, written piece by piece: a million rows are not held twice."""
    write = reporter.write
    write('{"artifacts": [')
    for position, (name, artifact_id, log_index) in enumerate(
        zip(signed.labels, signed.ids, signed.log_indices, strict=True)
    ):
        item = {"id": artifact_id.hex(), label: name, "log_index": log_index}
        write((", " if position else "") + json.dumps(item))
    counts = {"new": signed.new, "again": signed.again, "already_logged": signed.already_logged}
    write("], " + json.dumps(counts | written.fields())[1:] + "\n")


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

"""`lineage audit`: replays everything, and accuses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ledger.cli.common import Reporter, add_common, command, printable

SHOWN_MAX = 50  # faults that a person is shown


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "audit",
        "Replay a ledger, or a published copy of one: every signature, rule, root and record.",
        """
        lineage audit ./my-ledger
        lineage audit ./public --vkey 'localhost/lineage/5d1f…+a1b2c3d4+AZ…'
        """,
    )
    parser.add_argument(
        "folder", metavar="DIR", nargs="?", help="a ledger's folder or a published one (default: the ledger)"
    )
    parser.add_argument(
        "--vkey", metavar="VKEY", help="the log's verifier key; without it a copy vouches for itself"
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Audits; 0 only if it is whole and without a fault."""
    from ledger.api import audit_folder
    from ledger.signer.places import ledger_folder

    folder = ledger_folder(args.folder if args.folder is not None else args.ledger)
    report = audit_folder(folder, args.vkey, reporter.progress)
    faults = [
        {
            "log_index": fault.log_index,
            "record_index": fault.record_index,
            "code": fault.code,
            "what": fault.what,
        }
        for fault in report.faults
    ]
    document = {
        "ok": report.ok,
        "size": report.size,
        "records": report.records,
        "rows": report.rows,
        "incomplete": report.incomplete,
        "self_trusted": report.self_trusted,
        "fault_count": report.fault_count,
        "faults": faults,
        "remarks": report.remarks,
    }
    reporter.result(document, _words(report, folder))
    return 0 if report.ok else 1


def _words(report: Any, folder: Path) -> str:
    verdict = (
        "ok" if report.ok else "INCOMPLETE" if report.incomplete and not report.fault_count else "FAULTY"
    )
    rows = f", {report.rows:,} rows hashed" if report.rows else ""
    lines = [
        f"{printable(str(folder))}: {verdict}: {report.size:,} entries, {report.records:,} records replayed{rows}"
    ]
    for fault in report.faults[:SHOWN_MAX]:
        place = f"log index {fault.log_index}"
        if fault.record_index is not None:
            place += f", record {fault.record_index}"
        lines.append(f"  {place}: {fault.code}: {printable(fault.what)}")
    if report.fault_count > len(report.faults[:SHOWN_MAX]):
        lines.append(f"  … {report.fault_count:,} faults in all (--json lists more)")
    lines += [f"  note: {printable(note)}" for note in report.remarks]
    if report.ok:
        lines.append("Every signature, lane, parent, rule, record, status root and checkpoint holds.")
    if report.self_trusted:
        lines.append("Self-trusted: no --vkey was given, so this shows consistency, not whose log it is.")
    lines.append("Not shown: that no other view of this log exists; that what was signed is true, or human.")
    return "\n".join(lines)

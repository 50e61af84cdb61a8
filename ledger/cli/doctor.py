"""`lineage doctor`: local health."""

from __future__ import annotations

import argparse
from typing import Any

from ledger.cli.common import Reporter, add_common, add_wait, command, plural, printable


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "doctor",
        "Check this machine's side of a ledger: disk, files, keys, index, clock.",
        """
        lineage doctor
        lineage doctor --rebuild
        """,
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make what is derived from the log anew, out of its entries; needed once for a ledger of an earlier version",
    )
    add_common(parser)
    add_wait(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Looks; changes nothing but with --rebuild what follows from the log."""
    from ledger.api import examine, rebuild

    lines = []
    document: dict[str, Any] = {}
    if args.rebuild:
        rebuilt = rebuild(args.ledger, args.wait)
        document["rebuilt"] = {
            "entries": rebuilt.entries,
            "changed": rebuilt.changed,
            "store_version": rebuilt.store_version,
        }
        lines.append(
            f"Rebuilt from {plural(rebuilt.entries, 'entry', 'entries')}: {plural(rebuilt.changed, 'value')} changed"
        )
    findings = examine(args.ledger)
    ok = all(finding.ok for finding in findings)
    document |= {
        "ok": ok,
        "findings": [
            {"name": item.name, "ok": item.ok, "what": item.what, "fix": item.fix} for item in findings
        ],
    }
    for item in findings:
        lines.append(f"{'ok  ' if item.ok else 'BAD '} {item.name}: {printable(item.what)}")
        if item.fix:
            lines.append(f"      {printable(item.fix)}")
    reporter.result(document, "\n".join(lines))
    return 0 if ok else 1

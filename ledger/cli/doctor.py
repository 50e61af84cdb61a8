"""`lineage doctor`: local health."""

from __future__ import annotations

import argparse
from typing import Any

from ledger.cli.common import Reporter, add_common, command, printable


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "doctor",
        "Check this machine's side of a ledger: disk, files, keys, index, clock.",
        "lineage doctor",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Looks; changes nothing."""
    from ledger.api import examine

    findings = examine(args.ledger)
    ok = all(finding.ok for finding in findings)
    document = {
        "ok": ok,
        "findings": [
            {"name": item.name, "ok": item.ok, "what": item.what, "fix": item.fix} for item in findings
        ],
    }
    lines = []
    for item in findings:
        lines.append(f"{'ok  ' if item.ok else 'BAD '} {item.name}: {printable(item.what)}")
        if item.fix:
            lines.append(f"      {printable(item.fix)}")
    reporter.result(document, "\n".join(lines))
    return 0 if ok else 1

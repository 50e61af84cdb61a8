"""`lineage status`: where am I."""

from __future__ import annotations

import argparse
from typing import Any

from ledger.cli import erase
from ledger.cli.common import Reporter, add_common, command, moment, open_for, printable
from ledger.cli.identity import standing_words


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "status",
        "Where the ledger and the keys are, and what waits to be sent.",
        "lineage status --json",
    )
    add_common(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Reads; changes nothing."""
    with open_for(args) as ledger:
        status = ledger.status()
    lines = [
        f"ledger      {printable(status['ledger'])}",
        f"log origin  {printable(status['log_origin'])}",
        f"vkey        {printable(status['vkey'])}",
        f"checkpoint  {status['size']:,} entries, {status['records']:,} records, {moment(status['clock_ms'])}",
        f"keys        {printable(status['keys'])}",
        f"admission   {status['mode']}",
    ]
    for item in status["identities"]:
        waits = "".join(f", {words}" for words in standing_words(item))
        lines.append(f"  {item['name']:<20} {item['role']:<10} {item['id'][:16]}{waits}")
    lines += outbox_words(status["outbox"])
    lines += erase.status_words(status["erasures"])
    if not status["identities"]:
        lines.append("  no identities yet. Next: lineage identity new NAME")
    reporter.result(status, "\n".join(lines))
    return 0


def outbox_words(outbox: dict[str, Any]) -> list[str]:
    """What waits in the outbox, and what was refused there; nothing where there is nothing."""
    if "error" in outbox:
        return [f"outbox      cannot be read: {printable(outbox['error'])}"]
    words = {
        "waiting": "signed and waiting: lineage append",
        "refused": "refused, with the reason beside each",
        "foreign": "files that do not belong there",
    }
    told = [f"{outbox[name]:,} {text}" for name, text in words.items() if outbox[name]]
    return [f"outbox      {'; '.join(told)} ({printable(outbox['folder'])})"] if told else []

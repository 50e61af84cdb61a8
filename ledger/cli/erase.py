"""Erasing: what `lineage notice erase` destroys at once, and `lineage log erase`, which carries out what is due."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, command, confirm, moment, open_for, plural, short

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.api import Ledger, Subject
    from ledger.api.erasing import Erasure, Left
    from ledger.log.erasing import Asked

_LISTED_MAX: Final = 20
_WHY: Final = {  # by `ledger.log.erasing.Wait`
    "due": "due",
    "early": "not before {due} by the log's clock",
    "held": "waits: held or retracted by {against}, who is listed",
    "void": "void: its signer was disowned, or is not listed any more",
}
SURVIVES: Final = (
    "What this machine cannot take back: copies that others fetched, backups, receipts and proofs that were given away, salts that lie "
    "beside their files, and what a disk remembers."
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What both take."""
    parser.add_argument(
        "--although-shared",
        action="store_true",
        help="destroy kept contents also where another artifact of the log has them too",
    )


def add_verb(verbs: Any) -> None:
    """Adds `log erase`."""
    parser = command(
        verbs,
        "erase",
        "Carry out, on this machine, the erasures that are due: a week of the log's clock after their notice. Salts and kept contents "
        "go, and with --records the bytes of records.",
        """
        lineage log erase --dry-run
        lineage log erase --records --scrub
        lineage log publish ./public
        """,
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what is due and what waits; change nothing"
    )
    parser.add_argument(
        "--records",
        action="store_true",
        help="put the hash in the place of the records themselves, and remove their rows sidecars",
    )
    parser.add_argument(
        "--scrub",
        action="store_true",
        help="overwrite what the data file remembers of them; nobody else may have the ledger open meanwhile",
    )
    add_options(parser)
    add_common(parser, writes=True, confirms=True)
    parser.set_defaults(run=run_erase)


def run_erase(args: argparse.Namespace, reporter: Reporter) -> int:
    """Shows what is due, asks, and carries it out."""
    with open_for(args, readonly=args.dry_run) as ledger:
        found = ledger.erasures()
        names = ledger.names()
        if args.dry_run:
            reporter.result({"erasures": [_facts(*each) for each in found]}, _listing(found, names))
            return 0
        confirm(args, reporter, f"{_listing(found, names)}\n{_what(args)}\n{SURVIVES}")
        done = ledger.carry_out_erasures(
            records=args.records, scrub=args.scrub, although_shared=args.although_shared
        )
    reporter.result(document(done), _told(done, args))
    return 0


def _what(args: argparse.Namespace) -> str:
    words = "Salts and kept contents of what is due are destroyed here"
    if args.records:
        words += ", and the records, of which the log keeps the hashes"
    return words + (". What the data file remembers is overwritten." if args.scrub else ".")


def _listing(found: Sequence[tuple[Asked, Left]], names: dict[bytes, str]) -> str:
    if not found:
        return "Nobody asked to erase anything."
    lines = [f"Asked to erase: {plural(len(found), 'artifact')}"]
    for asked, left in found[:_LISTED_MAX]:
        against = ", ".join(names.get(each, short(each)) for each in asked.against)
        why = _WHY[asked.wait.value].format(due=moment(asked.due_ms), against=against)
        who = names.get(asked.by, short(asked.by))
        lines.append(
            f"  {short(asked.artifact_id)}  by {who} at log index {asked.log_index}; {why}; here: {_left(left)}"
        )
    if len(found) > _LISTED_MAX:
        lines.append(f"  and {len(found) - _LISTED_MAX:,} more (--json tells all)")
    return "\n".join(lines)


def _left(left: Left) -> str:
    parts = [
        "its salt" if left.salt else "",
        plural(left.contents, "kept content") if left.contents else "",
        plural(left.records, "record") if left.records else "",
        "its rows sidecar" if left.sidecar else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing"


def _facts(asked: Asked, left: Left) -> dict[str, Any]:
    return {
        "id": asked.artifact_id.hex(),
        "log_index": asked.log_index,
        "by": asked.by.hex(),
        "due_ms": asked.due_ms,
        "state": asked.wait.value,
        "against": [each.hex() for each in asked.against],
        "here": {
            "salt": left.salt,
            "contents": left.contents,
            "records": left.records,
            "rows": left.sidecar,
        },
    }


def document(done: Erasure) -> dict[str, Any]:
    """What an erasure came to, for programs."""
    return {
        "artifacts": done.artifacts,
        "salts": done.salts,
        "contents": done.contents,
        "records": done.records,
        "rows": done.sidecars,
        "held": [each.hex() for each in done.held],
        "shared": [
            {"digest": each.digest.hex(), "by": None if each.by is None else each.by.hex()}
            for each in done.shared
        ],
        "overwritten_bytes": done.overwritten,
    }


def _told(done: Erasure, args: argparse.Namespace) -> str:
    lines = [f"Due: {plural(done.artifacts, 'artifact')}. {_destroyed(done)}"]
    lines += stays(done)
    if done.records:
        lines.append("Replace the published copy too: lineage log publish DIR")
    if done.overwritten is not None:
        lines.append(f"Overwritten in the data file: {done.overwritten:,} bytes that no tree of it reaches")
    elif done.records:
        lines.append("The data file may remember them until it is scrubbed: lineage log erase --scrub")
    if done.artifacts and not args.records:
        lines.append("Records stay: add --records to put their hashes in their place")
    return "\n".join(lines)


def _destroyed(done: Erasure) -> str:
    parts = [plural(done.salts, "salt"), plural(done.contents, "kept content")]
    if done.records:
        parts.append(plural(done.records, "record"))
    if done.sidecars:
        parts.append(plural(done.sidecars, "rows sidecar"))
    return f"Destroyed here: {', '.join(parts)}"


def stays(done: Erasure) -> list[str]:
    """What was not destroyed, and why."""
    lines = []
    if done.held:
        named = ", ".join(map(short, done.held[:3]))
        lines.append(
            f"Waits while somebody listed holds or retracted it: {plural(len(done.held), 'artifact')} ({named})"
        )
    for each in done.shared[:3]:
        who = "an artifact that waits to be appended" if each.by is None else f"artifact {short(each.by)}"
        lines.append(
            f"Stays: kept content {short(each.digest)}, which {who} has too; erase that as well, or say --although-shared"
        )
    return lines


def warning(ledger: Ledger, subjects: Sequence[Subject], by: str) -> str:
    """What `notice erase` destroys at once, and what it leaves: said before it is asked for."""
    foreseen = ledger.foresee_erase(subjects, by)
    lines = []
    if foreseen.salts or foreseen.contents:
        lines.append(
            f"At once, on this machine: {plural(foreseen.salts, 'salt')} and {plural(foreseen.contents, 'kept content')} are destroyed. "
            "A sealed record without its salt is about nothing, for good."
        )
    if foreseen.held:
        lines.append(
            f"Salts that stay while somebody listed holds or retracted the artifact: {foreseen.held:,}"
        )
    lines.append(
        "The records are retracted now. Their bytes can go a week later: lineage log erase --records"
    )
    return "\n".join([*lines, SURVIVES])


def told_at_once(done: Erasure) -> str:
    """What `notice erase` did."""
    lines = (
        [f"{_destroyed(done)}"] if done.artifacts else ["Destroyed here: nothing; it is not the signer's own"]
    )
    return "\n".join([*lines, *stays(done), "Due in a week, by the log's clock: lineage log erase --records"])


def status_words(erasures: dict[str, Any]) -> list[str]:
    """What `lineage status` says; nothing where nobody asked for anything."""
    if "error" in erasures:
        return [f"erasures    cannot be told: {erasures['error']}"]
    words = []
    if erasures["due"]:
        words.append(f"due with something of it here: {erasures['due']:,} (lineage log erase)")
    if erasures["records"]:
        words.append(f"records that may go: {erasures['records']:,} (lineage log erase --records)")
    if erasures["waiting"]:
        words.append(f"not due: {erasures['waiting']:,}, the next from {moment(erasures['next_due_ms'])} on")
    if erasures["held"]:
        words.append(f"waiting while somebody listed holds or retracted them: {erasures['held']:,}")
    return [f"erasures    {'; '.join(words)}"] if words else []

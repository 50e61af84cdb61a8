"""`lineage append`: what was signed elsewhere, from statement files and from the outbox."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, command, open_for, plural, printable, short
from ledger.errors import NotFound, RefusedInput, StoreFault

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.api.appending import Answer, FileAppended
    from ledger.errors import LineageError
    from ledger.signer.drain import Drained
    from ledger.store.outbox import Refusal

_SHOWN_MAX: Final = 20  # refused statements of a file that a person is shown


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "append",
        "Append what was signed elsewhere: statement files, or what waits in the ledger's outbox. Once more is no harm.",
        """
        lineage append field-notes.statement
        lineage append *.statement --json
        lineage append
        lineage append --follow
        """,
    )
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="what `lineage sign --offline -o FILE` wrote; without FILE: what waits in the outbox",
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on appending what comes into the outbox, until interrupted; with --json a document a line",
    )
    add_common(parser, writes=True)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Exit code 0: nothing was refused; 1: something was; 2: a file could not be read."""
    if args.follow and args.files:
        raise RefusedInput(
            "usage", "--follow", "it follows the outbox, not files", "Append the files first, then follow."
        )
    with open_for(args, readonly=False) as ledger:
        if args.follow:
            return _follow(ledger, reporter)
        if not args.files:
            drained = ledger.drain(lambda records: reporter.progress(records, None))
            reporter.result(
                _drained_fields(drained), _drained_words(drained) or "Nothing waits in the outbox."
            )
            return 1 if drained.refused else 0
        files = ledger.append_files(args.files, lambda count: reporter.progress(count, None))
    _tell_files(reporter, files)
    if any(isinstance(file.error, NotFound | StoreFault) for file in files):
        return 2
    return 1 if any(file.error or file.count("refused") for file in files) else 0


def _follow(ledger: Ledger, reporter: Reporter) -> int:
    """Each draining as it happens. An interruption is how it ends."""
    code = 0
    reporter.note("Appending what comes into the outbox; interrupt to end.")
    try:
        for drained in ledger.follow():
            reporter.result(_drained_fields(drained), _drained_words(drained))
            reporter.flush()
            code = 1 if drained.refused else code
    except KeyboardInterrupt:
        reporter.done()
    return code


def _drained_fields(drained: Drained) -> dict[str, Any]:
    return {
        "statements": len(drained.placed),
        "records": drained.records,
        "refused": [{"path": str(path), **_refusal_fields(refusal)} for path, refusal in drained.refused],
        "left": [{"path": str(path), "reason": reason} for path, reason in drained.left],
    }


def _refusal_fields(refusal: Refusal | LineageError) -> dict[str, str]:
    return {name: getattr(refusal, name) for name in ("code", "item", "reason", "fix")}


def _drained_words(drained: Drained) -> str:
    lines = []
    if drained.placed:
        statements, records = plural(len(drained.placed), "statement"), plural(drained.records, "record")
        lines.append(f"From the outbox: {statements} with {records}")
    for path, refusal in drained.refused:
        lines.append(
            f"  refused  {refusal.code}: {printable(refusal.reason)}. {printable(refusal.fix)}".rstrip()
        )
        lines.append(f"           kept in {printable(str(path))}")
    lines += [f"  waits    {printable(path.name)}: {printable(reason)}" for path, reason in drained.left]
    return "\n".join(lines)


def _tell_files(reporter: Reporter, files: list[FileAppended]) -> None:
    outcomes = ("appended", "known", "refused", "waits")
    counts = {outcome: sum(file.count(outcome) for file in files) for outcome in outcomes}
    if not reporter.wants_json:
        reporter.result({}, "\n".join(line for file in files for line in _file_words(file)))
        return
    write = reporter.write  # piece by piece: a file may hold very many
    write('{"files": [')
    for position, file in enumerate(files):
        error = None if file.error is None else _refusal_fields(file.error)
        head = json.dumps({"path": str(file.path), "error": error})
        write(f'{", " if position else ""}{head[:-1]}, "statements": [')
        for answer in file.answers:
            write((", " if answer.number else "") + json.dumps(_answer_fields(answer)))
        write("]}")
    write("], " + json.dumps(counts)[1:] + "\n")


def _answer_fields(answer: Answer) -> dict[str, Any]:
    return {
        "number": answer.number,
        "id": None if answer.id is None else answer.id.hex(),
        "type": answer.type,
        "records": answer.records,
        "outcome": answer.outcome,
        "log_index": answer.log_index,
        "error": None if answer.error is None else _refusal_fields(answer.error),
    }


def _file_words(file: FileAppended) -> list[str]:
    name = printable(str(file.path))
    failed = []
    if file.error is not None:
        failed = [f"{name}: refused: {printable(file.error.reason)}. {printable(file.error.fix)}"]
    if failed and not file.answers:
        return failed
    words = {"appended": "appended", "known": "known already", "refused": "refused", "waits": "in the outbox"}
    told = [f"{file.count(outcome):,} {word}" for outcome, word in words.items() if file.count(outcome)]
    lines = [*failed, f"{name}: {', '.join(told) or 'it holds no statement'}"]
    refused = [answer for answer in file.answers if answer.error is not None]
    for answer in refused[:_SHOWN_MAX]:
        error = answer.error
        if error is not None:
            said = f"{answer.type or 'no statement'} {short(answer.id) if answer.id else ''}".strip()
            lines.append(
                f"  {said}: {error.code}: {printable(error.reason)}. {printable(error.fix)}".rstrip()
            )
    if len(refused) > _SHOWN_MAX:
        lines.append(f"  … and {len(refused) - _SHOWN_MAX:,} more (--json lists all)")
    if file.count("waits"):
        lines.append("  They wait for whoever holds the log's key: lineage append")
    return lines

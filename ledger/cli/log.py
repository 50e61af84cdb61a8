"""`lineage log`: checkpoint, proof, publish; `rules`, `compare` and `erase` stand in modules of their own."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from ledger.cli import compare, cosigning, erase, rules
from ledger.cli.common import Reporter, add_common, command, open_for, printable
from ledger.errors import RefusedInput


def add(commands: Any) -> None:
    """Adds the command and its verbs."""
    parser = command(
        commands,
        "log",
        "The log itself: its checkpoint, proofs of inclusion, a static copy for others, whether it told one history, who may append, and what is erased.",
        """
        lineage log checkpoint
        lineage log proof notes.md -o notes.md.tlog-proof
        lineage log publish ./public
        lineage log compare mine.note yours.note --tree ./public
        lineage log rules
        lineage log erase --dry-run
        """,
    )
    verbs = parser.add_subparsers(metavar="VERB", dest="verb", required=True)
    checkpoint = command(
        verbs,
        "checkpoint",
        "Print the newest signed log checkpoint (a C2SP note); have witnesses cosign it.",
        """
        lineage log checkpoint --fresh
        lineage log checkpoint --fresh --witness --trust trust.toml
        lineage log checkpoint --witness 'witness.example/w1+c8cde85a+BGWP… https://witness.example/w1'
        """,
    )
    checkpoint.add_argument(
        "--fresh",
        action="store_true",
        help="sign a new one first, so that its time is now (needs the log's key)",
    )
    cosigning.add_options(checkpoint)
    add_common(checkpoint, writes=True)
    checkpoint.set_defaults(run=run_checkpoint)

    proof = command(
        verbs,
        "proof",
        "Write the receipt of an artifact: a C2SP .tlog-proof that verifies offline.",
        """
        lineage log proof notes.md -o notes.md.tlog-proof
        lineage log proof 4f2a9c01d3e4b5a6 --bare
        """,
    )
    proof.add_argument(
        "artifact", metavar="FILE|ID", help="a signed file, or an artifact id (16 hex digits or more)"
    )
    proof.add_argument("-o", "--output", metavar="FILE", help="default: print it")
    proof.add_argument(
        "--bare",
        action="store_true",
        help="the log entry's proof alone, without the record and its signer's keys",
    )
    add_common(proof)
    proof.set_defaults(run=run_proof)

    publish = command(
        verbs,
        "publish",
        "Write or update a static copy of the log: C2SP tiles, readable by any tlog-tiles client.",
        "lineage log publish ./public",
    )
    publish.add_argument("folder", metavar="DIR")
    add_common(publish)
    publish.set_defaults(run=run_publish)
    compare.add_verb(verbs)
    rules.add_verb(verbs)
    erase.add_verb(verbs)


def run_checkpoint(args: argparse.Namespace, reporter: Reporter) -> int:
    """Prints the note. 1: witnesses were asked, and not all have cosigned; or the trust file's quorum is not met."""
    cosigning.check_options(args)
    with open_for(args, readonly=not (args.fresh or args.witness)) as ledger:
        if args.witness:
            return cosigning.run(args, ledger, reporter)
        if args.fresh:
            ledger.sign_checkpoint()
        note = ledger.checkpoint_note()
        checkpoint = ledger.checkpoint()
    document = {
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "note": note,
    }
    reporter.result(document, note.rstrip("\n"))
    return 0


def run_proof(args: argparse.Namespace, reporter: Reporter) -> int:
    """Writes or prints the proof."""
    with open_for(args) as ledger:
        artifact_id = ledger.resolve(args.artifact)
        text = ledger.receipt(artifact_id, bare=args.bare)
    document: dict[str, Any] = {"id": artifact_id.hex()}
    if args.output:
        from ledger.store.files import write_atomically

        _refuse_other(args.output)
        write_atomically(Path(args.output), text.encode(), replace=True)
        document["path"] = args.output
        reporter.result(
            document,
            f"Wrote {printable(args.output)}: logged and signed; whether it still stands is not in it",
        )
    else:
        document["proof"] = text
        reporter.result(document, text.rstrip("\n"))
    return 0


def _refuse_other(output: str) -> None:
    """A proof replaces a proof, or an empty file: the file that it is about is soon named by mistake. Raises RefusedInput."""
    from ledger.datasets.files import RegularFile
    from ledger.proofs.tlog_proof import HEADER

    if not os.path.lexists(output):
        return
    with RegularFile(output) as file:
        if file.readline(len(HEADER) + 1) in (b"", HEADER.encode() + b"\n"):
            return
    raise RefusedInput(
        "file-exists",
        output,
        "it exists already and is no proof, so that it is not replaced",
        "Name another file, or move it away.",
    )


def run_publish(args: argparse.Namespace, reporter: Reporter) -> int:
    """Publishes up to the newest signed checkpoint."""
    with open_for(args) as ledger:
        published = ledger.publish(Path(args.folder))
        vkey = ledger.marker.vkey
    document = {"folder": args.folder, "size": published.size, "files_written": published.files_written}
    document |= {"rows_missing": published.rows_missing, "cosigned": published.cosigned}
    reporter.result(
        document,
        f"Published {published.size:,} entries to {printable(args.folder)} ({published.files_written:,} files written)\n"
        f"Others check it with: lineage audit {shlex.quote(printable(args.folder))} --vkey '{vkey}'",
    )
    for told in published.told:
        reporter.note(printable(told))
    if published.rows_missing:
        reporter.note(
            f"Rows sidecars that are not at hand, or damaged, and were not published: {published.rows_missing:,}. An audit of the "
            "copy will call it incomplete. Make them anew: lineage import DATASET --column C --rebuild"
        )
    return 0

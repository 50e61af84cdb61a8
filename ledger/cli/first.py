"""The first minutes: who signs before there is a ledger, or an identity, is offered both (on a terminal; a script is told)."""

from __future__ import annotations

import argparse
import getpass
import re
import sys

from ledger.cli.common import Reporter, is_terminal, passphrases, printable

_NO = ("n", "no")


def offer(args: argparse.Namespace, reporter: Reporter) -> None:
    """Makes what is missing to sign, if somebody is there who says so. Without, nothing is made and errors say what to do."""
    if args.json or not is_terminal():
        return
    from ledger.signer.places import ledger_folder
    from ledger.store.folder import MARKER_FILE

    folder = ledger_folder(args.ledger)
    if not (folder / MARKER_FILE).exists():
        if not _agreed(f"There is no ledger in {printable(str(folder))} yet. Make one? [Y/n] "):
            return
        _make_ledger(args, reporter)
    _offer_identity(args, reporter)


def _make_ledger(args: argparse.Namespace, reporter: Reporter) -> None:
    from ledger.api import create_ledger

    with create_ledger(args.ledger, passphrases=passphrases(args)) as made:
        reporter.note(f"Made a ledger: log origin {made.marker.origin}, keys in {made.keys.folder}")


def _offer_identity(args: argparse.Namespace, reporter: Reporter) -> None:
    """Offers the identity that --by names, or one called as the user, where this machine has none for the ledger."""
    from ledger.api import OPERATOR, open_ledger

    with open_ledger(args.ledger, passphrases=passphrases(args), wait_s=args.wait) as ledger:
        if any(item.name != OPERATOR for item in ledger.keys.identities()):
            return
        name = args.by or _default_name()
        if not _agreed(f"There is no identity here yet. Make keys for a person called '{name}'? [Y/n] "):
            return
        identity = ledger.new_identity(name)
    reporter.note(
        f"Enrolled human '{name}', id {identity.id.hex()[:16]}\n"
        f"Move these two away from this machine soon; they undo a theft of the daily key:\n"
        f"  {identity.key_file('next')}\n  {identity.key_file('recovery')}"
    )


def _default_name() -> str:
    """The user's name on this machine, as far as a name of an identity may hold it; it stays on this machine."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):  # no name in the environment, none in the system's table
        name = ""
    return re.sub(r"[^A-Za-z0-9._+-]", "-", name).strip("._+-") or "me"


def _agreed(question: str) -> bool:
    """Enter means yes; the end of the input means no."""
    print(question, end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    return bool(answer) and answer.strip().lower() not in _NO

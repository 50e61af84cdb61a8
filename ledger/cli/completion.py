"""`lineage completion`: the shell completes commands, options and names.

argcomplete (an extra) asks this very parser, so that nothing here knows the commands a second time. Names of identities
are read from the key store; nothing else is looked at, and no key is opened.
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from ledger.cli.common import Reporter, command
from ledger.extras import load

SHELLS: Final = ("bash", "zsh", "fish")
ASKED: Final = "_ARGCOMPLETE"  # in the environment of a process that is only asked how a line may go on
_NAMES: Final = frozenset({"by", "sign_by", "of", "name", "anchor"})  # arguments that hold an identity's name


def add(commands: Any) -> None:
    """Adds the command."""
    parser = command(
        commands,
        "completion",
        'Print what makes your shell complete `lineage`. In ~/.bashrc or ~/.zshrc: eval "$(lineage completion bash)"; '
        "in fish: lineage completion fish | source",
        """
        lineage completion bash
        lineage completion fish
        """,
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=run, json=False)


def run(args: argparse.Namespace, reporter: Reporter) -> int:
    """Prints; changes nothing. Raises RefusedInput `extra-missing`."""
    text = load("argcomplete", "complete").shellcode(["lineage"], shell=args.shell)
    reporter.write(text if text.endswith("\n") else text + "\n")
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process. Only where `ASKED` stands in the environment."""
    for action in _actions(parser):
        if action.dest in _NAMES and action.choices is None:
            action.completer = _names  # type: ignore[attr-defined]
        elif action.dest == "policy":
            action.completer = _policies  # type: ignore[attr-defined]
    load("argcomplete", "complete").autocomplete(parser)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every argument of a parser and of the commands below it."""
    found: list[argparse.Action] = []
    for action in parser._actions:  # noqa: SLF001 - argparse tells its arguments in no other way; argcomplete does the same
        found.append(action)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for below in action.choices.values():
                found += _actions(below)
    return found


def _names(parsed_args: argparse.Namespace, **_asked: Any) -> list[str]:
    """The names of this machine's identities for the ledger at hand; none where there is no ledger."""
    from ledger.errors import LineageError
    from ledger.signer.keystore import Keystore
    from ledger.signer.places import config_folder, ledger_folder
    from ledger.store.folder import open_folder

    try:
        marker = open_folder(ledger_folder(getattr(parsed_args, "ledger", None)))
        return Keystore(config_folder(None), marker.log_id).names()
    except (LineageError, OSError):
        return []


def _policies(prefix: str, **_asked: Any) -> list[str]:
    """The policies that come with the package, and files."""
    from ledger.api.policies import POLICIES_SHIPPED

    files: list[str] = load("argcomplete.completers", "complete").FilesCompleter()(prefix)
    return [*POLICIES_SHIPPED, *files]

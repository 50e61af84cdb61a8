"""`lineage log rules`: who may append, and by whose word."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from ledger.cli.common import Reporter, add_common, at_least_0, command, open_for
from ledger.errors import NotFound

if TYPE_CHECKING:
    from ledger.api import Ledger

_LISTS: Final = ("registrars", "curators")
_LIMITS: Final = ("records", "bytes")


def add_verb(verbs: Any) -> None:
    """Adds the verb."""
    rules = command(
        verbs,
        "rules",
        "Show the log's rules of admission; with options, change them, signed by the operator.",
        """
        lineage log rules
        lineage log rules --registrar registry --curator board
        lineage log rules --mode allow-list
        lineage log rules --drop board
        """,
    )
    rules.add_argument(
        "--mode",
        choices=("open", "allow-list"),
        help="open: any enrolled identity appends; allow-list: whom a listed registrar endorses",
    )
    for name, role in (
        ("registrar", "its endorsements open an allow-list"),
        ("curator", "it may hold and dispute"),
    ):
        rules.add_argument(
            f"--{name}",
            metavar="ID",
            action="append",
            default=[],
            help=f"list this {name} too: {role}; may be repeated",
        )
    rules.add_argument(
        "--drop",
        metavar="ID",
        action="append",
        default=[],
        help="list this identity no more; may be repeated",
    )
    rules.add_argument(
        "--records", metavar="N", type=at_least_0, help="records a statement, at most; 0: no limit"
    )
    rules.add_argument(
        "--bytes", metavar="N", type=at_least_0, help="bytes of records a statement, at most; 0: no limit"
    )
    add_common(rules, writes=True)
    rules.set_defaults(run=run_rules)


def run_rules(args: argparse.Namespace, reporter: Reporter) -> int:
    """Shows the rules in force, or replaces them: what no option names stays."""
    changes = any((args.mode, args.registrar, args.curator, args.drop)) or not (
        args.records is None and args.bytes is None
    )
    with open_for(args, readonly=not changes) as ledger:
        rules = ledger.rules()
        log_index = None
        if changes:
            rules = _changed(args, ledger, rules)
            log_index = ledger.set_rules(rules)
        names = ledger.names()
    if changes and rules["mode"] == "allow-list" and not rules.get("registrars"):
        curators = " and the curators" if rules.get("curators") else ""
        reporter.note(
            f"No registrar is listed: nobody but the operator{curators} can append until one is, and endorses others. "
            "List one: lineage log rules --registrar ID"
        )
    document: dict[str, Any] = {
        "mode": rules["mode"],
        "limits": rules.get("limits", {}),
        "log_index": log_index,
    }
    document |= {name: [item.hex() for item in rules.get(name, ())] for name in _LISTS}
    lines = (
        []
        if log_index is None
        else [f"The operator changed the rules at log index {log_index}. In force now:"]
    )
    lines.append(f"mode        {rules['mode']}")
    for name in _LISTS:
        listed = [
            f"{names[item]} ({item.hex()})" if item in names else item.hex() for item in rules.get(name, ())
        ]
        lines.append(f"{name:<11} {', '.join(listed) or 'none'}")
    lines += [f"{name:<11} {rules.get('limits', {}).get(name, 'no limit of this log')}" for name in _LIMITS]
    reporter.result(document, "\n".join(lines))
    return 0


def _changed(args: argparse.Namespace, ledger: Ledger, rules: dict[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {"mode": args.mode or rules["mode"]}
    dropped = {ledger.identity_id(text) for text in args.drop}
    before = {item for name in _LISTS for item in rules.get(name, ())}
    for identity_id in dropped - before:
        raise NotFound(
            "identity-unknown",
            f"--drop {identity_id.hex()[:16]}",
            "the rules in force do not list it",
            "See: lineage log rules",
        )
    for name, added in zip(_LISTS, (args.registrar, args.curator), strict=True):
        listed = {*rules.get(name, ()), *(ledger.identity_id(text) for text in added)}
        changed[name] = sorted(listed - dropped)
    limits = dict(rules.get("limits", {}))
    limits |= {name: value for name in _LIMITS if (value := getattr(args, name)) is not None}
    changed["limits"] = {name: value for name, value in limits.items() if value}
    return changed

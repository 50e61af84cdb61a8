"""`lineage identity`: new, show, list, delegate."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ledger.cli.common import (
    Reporter,
    add_common,
    at_least_0,
    command,
    moment,
    open_for,
    parse_share,
    parse_versioned,
    percent,
    printable,
    short,
)
from ledger.errors import RefusedInput

if TYPE_CHECKING:
    from ledger.signer.keystore import LocalIdentity


def add(commands: Any) -> None:
    """Adds the command and its verbs."""
    parser = command(
        commands,
        "identity",
        "A person's, a machine's or a pair's keys.",
        """
        lineage identity new ada
        lineage identity new ada+model --role pair --of ada --substrate model@1.0
        lineage identity list
        """,
    )
    verbs = parser.add_subparsers(metavar="VERB", dest="verb", required=True)
    _add_new(verbs)
    show = command(verbs, "show", "What the log knows of an identity.", "lineage identity show ada")
    show.add_argument("name", metavar="NAME", help="a name here, or all 64 digits of an identity id")
    add_common(show)
    show.set_defaults(run=run_show)
    listing = command(
        verbs, "list", "The identities whose keys are on this machine.", "lineage identity list --json"
    )
    add_common(listing)
    listing.set_defaults(run=run_list)
    delegate = command(
        verbs,
        "delegate",
        "Let a pair speak, or change its substrate or scope. Signed by its anchor.",
        """
        lineage identity delegate ada+model --substrate model@1.1
        lineage identity delegate ada+model --substrate model@1.1 --kinds output,experience --count 1000
        """,
    )
    delegate.add_argument("name", metavar="PAIR")
    _add_delegation(delegate, required=True)
    add_common(delegate, writes=True)
    delegate.set_defaults(run=run_delegate)


def _add_new(verbs: Any) -> None:
    new = command(
        verbs,
        "new",
        "Make keys under NAME and enrol them in the log.",
        """
        lineage identity new ada
        lineage identity new bench --role machine
        lineage identity new ada+model --role pair --of ada --substrate model@1.0
        """,
    )
    new.add_argument("name", metavar="NAME", help="for this machine only; the log never sees it")
    new.add_argument(
        "--role",
        choices=("human", "machine", "pair", "registrar", "curator"),
        default="human",
        help="default: %(default)s",
    )
    new.add_argument("--of", metavar="ANCHOR", help="the human that a pair belongs to")
    new.add_argument("--unencrypted", action="store_true", help="keep the keys in clear")
    _add_delegation(new, required=False)
    add_common(new, writes=True)
    new.set_defaults(run=run_new)


def _add_delegation(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument(
        "--substrate", metavar="NAME@VERSION", required=required, help="the machine that a pair runs on"
    )
    parser.add_argument("--weights", metavar="HEX", help="SHA-256 of the substrate's weights")
    parser.add_argument("--kinds", metavar="KIND,…", help="scope: only these kinds")
    parser.add_argument("--until", metavar="DATE", help="scope: until 2027-01-31 (UTC), by the log's clock")
    parser.add_argument("--count", metavar="N", type=at_least_0, help="scope: at most N records")
    parser.add_argument(
        "--human-up-to", metavar="SHARE", help="scope: human shares the pair may state (default: none)"
    )


def _substrate(args: argparse.Namespace) -> dict[str, Any]:
    name, version = parse_versioned("--substrate", args.substrate)
    substrate: dict[str, Any] = {"name": name, "version": version}
    if args.weights is not None:
        try:
            substrate["weights"] = bytes.fromhex(args.weights)
        except ValueError as error:
            raise RefusedInput(
                "schema", "--weights", "it is no hex", "Give 64 hex digits, as sha256sum prints."
            ) from error
    return substrate


def _scope(args: argparse.Namespace) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    if args.kinds is not None:
        scope["kinds"] = sorted(
            args.kinds.split(","), key=lambda kind: (len(kind), kind)
        )  # as they are encoded
    if args.until is not None:
        scope["until"] = _date_ms(args.until)
    if args.count is not None:
        scope["count"] = args.count
    if args.human_up_to is not None:
        scope["human"] = parse_share(args.human_up_to)
    return scope


def _date_ms(text: str) -> int:
    from datetime import UTC, datetime

    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RefusedInput(
            "schema", f"date '{text}'", "it is no ISO 8601 date", "Write 2027-01-31 or 2027-01-31T12:00Z."
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def run_new(args: argparse.Namespace, reporter: Reporter) -> int:
    """Makes and enrols an identity; a pair with --substrate is delegated at once."""
    delegates = args.substrate is not None
    scope = _scope(args)
    if delegates and args.role != "pair":
        raise RefusedInput(
            "role-illegal", "--substrate", "only a pair has one", "Say --role pair --of ANCHOR."
        )
    if (scope or args.weights is not None) and not delegates:
        raise RefusedInput(
            "schema",
            "delegation",
            "a scope and weights are a delegation's, and no substrate is named",
            "Add --substrate NAME@VERSION.",
        )
    substrate = _substrate(args) if delegates else None
    with open_for(args, readonly=False) as ledger:
        identity = ledger.new_identity(
            args.name,
            args.role,
            of=args.of,
            substrate=substrate,
            scope=scope,
            unencrypted=args.unencrypted,
        )
    document = {
        "id": identity.id.hex(),
        "role": identity.role,
        "name": identity.name,
        "keys": str(identity.folder),
    }
    reporter.result(document, _welcome(identity, delegated=delegates))
    return 0


def _welcome(identity: LocalIdentity, *, delegated: bool) -> str:
    lines = [
        f"Enrolled {identity.role} '{identity.name}'",
        "",
        f"  id    {identity.id.hex()}",
        f"  keys  {identity.folder}",
        "",
    ]
    lines += [
        "Move these two away from this machine now; they undo a theft of the daily key:",
        f"  {identity.key_file('next')}",
        f"  {identity.key_file('recovery')}",
        "",
    ]
    if identity.role == "pair" and not delegated:
        lines.append(f"Next: lineage identity delegate {identity.name} --substrate NAME@VERSION")
    else:
        lines.append(f"Next: lineage sign FILE --by {identity.name}")
    return "\n".join(lines)


def run_list(args: argparse.Namespace, reporter: Reporter) -> int:
    """Lists what the key store holds for this ledger."""
    with open_for(args) as ledger:
        known = ledger.keys.identities()
    rows = [
        {"name": item.name, "id": item.id.hex(), "role": item.role, "of": item.of.hex() if item.of else None}
        for item in known
    ]
    text = "\n".join(f"{item.name:<20} {item.role:<10} {item.id.hex()}" for item in known)
    reporter.result({"identities": rows}, text or "No identities here yet. Next: lineage identity new NAME")
    return 0


def run_show(args: argparse.Namespace, reporter: Reporter) -> int:
    """Shows the log's side of an identity."""
    with open_for(args) as ledger:
        facts = ledger.show_identity(args.name)
    lines = [f"{facts['role']} {facts['id']}"]
    if facts["name"]:
        lines.append(f"  name       {facts['name']} (on this machine)")
    lines.append(f"  enrolled   at log index {facts['log_index']}")
    lines.append(f"  key event  {facts['key_event'][:16]} in force")
    if facts["anchor"]:
        lines.append(f"  anchor     {facts['anchor']}")
    for item in facts["delegations"]:
        scope = ", ".join(_scope_words(item["scope"])) or "no limits, no human share"
        lines.append(f"  delegated  at log index {item['log_index']} on {item['substrate']}: {scope}")
    reporter.result(facts, "\n".join(lines))
    return 0


def _scope_words(scope: dict[str, Any]) -> list[str]:
    words = []
    if "kinds" in scope:
        words.append("kinds " + ", ".join(scope["kinds"]))
    if "until" in scope:
        words.append(f"until {moment(scope['until'])}")
    if "count" in scope:
        words.append(f"{scope['count']} records")
    if "human" in scope:
        words.append(f"human share up to {percent(scope['human'])}")
    return words


def run_delegate(args: argparse.Namespace, reporter: Reporter) -> int:
    """Signs a delegation by the pair's anchor, whose keys must be here."""
    with open_for(args, readonly=False) as ledger:
        pair = ledger.keys.find(args.name)
        if pair.of is None:
            raise RefusedInput(
                "delegation-illegal",
                f"identity '{args.name}'",
                f"it is a {pair.role}, not a pair",
                "Name a pair.",
            )
        anchor = ledger.keys.find(pair.of.hex())
        log_index = ledger.delegate(anchor.name, pair.name, _substrate(args), _scope(args))
    document = {
        "pair": pair.id.hex(),
        "anchor": anchor.id.hex(),
        "substrate": args.substrate,
        "log_index": log_index,
    }
    reporter.result(
        document,
        f"'{anchor.name}' delegated '{pair.name}' ({short(pair.id)}) on {printable(args.substrate)}, at log index {log_index}",
    )
    return 0

"""`lineage identity`: new, show, list, delegate, undelegate; its other verbs stand in modules of their own."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ledger.cli import endorse, given, history, keychange, offline
from ledger.cli.common import (
    Reporter,
    add_common,
    at_least_0,
    command,
    confirm,
    moment,
    open_for,
    parse_digest,
    parse_versioned,
    percent,
    plural,
    printable,
    short,
)
from ledger.errors import RefusedInput
from ledger.signer.written import parse_date_ms, parse_share

if TYPE_CHECKING:
    from ledger.api import Ledger
    from ledger.signer.keystore import LocalIdentity


def add(commands: Any) -> None:
    """Adds the command and its verbs."""
    parser = command(
        commands,
        "identity",
        "A person's, a machine's or a pair's keys and life.",
        """
        lineage identity new ada
        lineage identity new ada+model --role pair --of ada --substrate model@1.0
        lineage identity list
        lineage identity rotate ada --compromised 57 --dry-run
        lineage identity history ada
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
    undelegate = command(
        verbs,
        "undelegate",
        "End a pair's delegation at once. Signed by its anchor; the pair says nothing more until it is delegated anew.",
        "lineage identity undelegate ada+model",
    )
    undelegate.add_argument("name", metavar="PAIR", help="a name here, or all 64 digits of the pair's id")
    add_common(undelegate, writes=True)
    undelegate.set_defaults(run=run_undelegate)
    forget = command(
        verbs,
        "erase-profile",
        "Destroy the sealed profile that is kept of an identity here, and its salt. The enrolment stays, and names a digest of nothing.",
        "lineage identity erase-profile ada",
    )
    forget.add_argument("name", metavar="NAME")
    add_common(forget, confirms=True)
    forget.set_defaults(run=run_erase_profile)
    keychange.add_verbs(verbs)
    endorse.add_verbs(verbs)
    history.add_verbs(verbs)


def _add_new(verbs: Any) -> None:
    new = command(
        verbs,
        "new",
        "Make keys under NAME and enrol them in the log.",
        """
        lineage identity new ada
        lineage identity new bench --role machine
        lineage identity new ada+model --role pair --of ada --substrate model@1.0
        lineage identity new lab --role curator --keys 3 --threshold 2
        lineage identity new ada --agent ~/.ssh/id_ed25519.pub
        lineage identity new ada --current-key ~/.ssh/id_ed25519
        lineage identity new ada --offline --log VKEY -o ada.statement
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
    new.add_argument(
        "--keys",
        metavar="N",
        type=at_least_0,
        default=1,
        help="keys in each keyset, each in a file of its own (default: 1)",
    )
    new.add_argument(
        "--threshold",
        metavar="M",
        type=at_least_0,
        default=1,
        help="how many of them must sign together (default: 1)",
    )
    new.add_argument(
        "--profile",
        metavar="FILE",
        help="seal what FILE says of it into the enrolment: the log gets a digest, the keys' folder the profile and its salt",
    )
    given.add_to_new(new)
    _add_delegation(new, required=False)
    offline.add_options(new)
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
        substrate["weights"] = parse_digest("--weights", args.weights)
    return substrate


def _scope(args: argparse.Namespace) -> dict[str, Any]:
    scope: dict[str, Any] = {}
    if args.kinds is not None:
        scope["kinds"] = sorted(
            args.kinds.split(","), key=lambda kind: (len(kind), kind)
        )  # as they are encoded
    if args.until is not None:
        scope["until"] = parse_date_ms(args.until)
    if args.count is not None:
        scope["count"] = args.count
    if args.human_up_to is not None:
        scope["human"] = parse_share(args.human_up_to)
    return scope


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
    if offline.is_asked(args):
        return offline.run_new(args, reporter)
    substrate = _substrate(args) if delegates else None
    keys = given.given_to_new(args)
    with open_for(args, readonly=False) as ledger:
        identity = ledger.new_identity(
            args.name,
            args.role,
            of=args.of,
            substrate=substrate,
            scope=scope,
            keys=args.keys,
            threshold=args.threshold,
            given=keys,
            unencrypted=args.unencrypted,
            profile=offline.profile_of(args),
        )
        daily = ledger.daily_keys(identity.name)
    given.tell_copied(args, reporter)
    document = {
        "id": identity.id.hex(),
        "role": identity.role,
        "name": identity.name,
        "keys": str(identity.folder),
        "daily_keys": daily,
    }
    reporter.result(document, _welcome(identity, daily, delegated=delegates))
    return 0


def _welcome(identity: LocalIdentity, daily: list[dict[str, Any]], *, delegated: bool) -> str:
    lines = [
        f"Enrolled {identity.role} '{identity.name}'",
        "",
        f"  id    {identity.id.hex()}",
        f"  keys  {identity.folder}",
        *([f"  daily key {given.where_words(daily)}"] if given.lie_elsewhere(daily) else []),
        "",
        *keychange.advice(identity),
        "",
    ]
    if identity.role == "pair" and not delegated:
        lines.append(f"Next: lineage identity delegate {identity.name} --substrate NAME@VERSION")
    else:
        lines.append(f"Next: lineage sign FILE --by {identity.name}")
    return "\n".join(lines)


def run_list(args: argparse.Namespace, reporter: Reporter) -> int:
    """Lists what the key store holds for this ledger, and how each stands in the log."""
    with open_for(args) as ledger:
        rows = ledger.list_identities()
    lines = []
    for item in rows:
        lines.append(f"{item['name']:<20} {item['role']:<10} {item['id']}")
        lines += [f"  {words}" for words in standing_words(item)]
    reporter.result(
        {"identities": rows}, "\n".join(lines) or "No identities here yet. Next: lineage identity new NAME"
    )
    return 0


def standing_words(item: dict[str, Any]) -> list[str]:
    """What of an identity's standing in the log a person should know; nothing, if there is nothing to know."""
    lines = []
    if not item["enrolled"]:
        lines.append("not enrolled yet: sign anything to enrol it")
    if given.lie_elsewhere(item["daily_keys"]):
        lines.append(f"daily key {given.where_words(item['daily_keys'])}")
    if item["pending"]:
        lines.append(f"{plural(item['pending'], 'parcel')} wait to be sent: sign anything to send them")
    if item["keys_wait"]:
        lines.append(
            f"a change of keys waits ({', '.join(item['keys_wait'])}): sign anything to carry it through"
        )
    if item.get("retired"):
        lines.append("retired: nothing later of it is valid")
    pending = item.get("pending_recovery")
    if pending:
        lines.append(
            f"RECOVERY PENDING since log index {pending['log_index']}: in force from {moment(pending['in_force_ms'])} on. "
            "If it is not yours, rotate now: that ends it"
        )
    if item.get("contested") is not None:
        lines.append(
            f"CONTESTED: it signed two statements at one place (evidence at log index {item['contested']})"
        )
    if item.get("delegated") is False and not item.get("retired"):
        lines.append("not delegated: lineage identity delegate lets it speak")
    return lines


def run_show(args: argparse.Namespace, reporter: Reporter) -> int:
    """Shows the log's side of an identity."""
    with open_for(args) as ledger:
        facts = ledger.show_identity(args.name)
        names = _names(ledger)
    lines = [f"{facts['role']} {facts['id']}"]
    if facts["name"]:
        lines.append(f"  name       {facts['name']} (on this machine)")
    lines.append(f"  enrolled   at log index {facts['log_index']}")
    lines.append(f"  key event  {_key_words(facts)}")
    if facts["daily_keys"]:
        lines.append(f"  daily key  {given.where_words(facts['daily_keys'])}")
    known = facts | {"enrolled": True, "pending": 0, "daily_keys": []}
    lines += [f"  {words}" for words in standing_words(known)]
    for cut in facts["compromised"]:
        lines.append(
            f"  disowned   what key {cut['key'][:16]} signed from log index {cut['from']} on, said at log index {cut['log_index']}"
        )
    if facts["anchor"]:
        lines.append(f"  anchor     {facts['anchor']}")
    if facts["profile"]:
        kept = "kept here" if facts["profile"]["kept"] else "not kept here"
        lines.append(f"  profile    sealed, {kept} (digest {facts['profile']['digest'][:16]})")
    for item in facts["delegations"]:
        scope = ", ".join(_scope_words(item["scope"])) or "no limits, no human share"
        end = "" if item["in_force"] else f" ({item['end']})"
        lines.append(f"  delegated  at log index {item['log_index']} on {item['substrate']}: {scope}{end}")
    for item in facts["endorsements"]:
        lines.append(f"  grade      {_grade_words(item, names)}")
    reporter.result(facts, "\n".join(lines))
    return 0


def run_erase_profile(args: argparse.Namespace, reporter: Reporter) -> int:
    """Asks, and destroys profile and salt."""
    with open_for(args) as ledger:
        name = ledger.keys.find(args.name).name
        confirm(
            args,
            reporter,
            f"The profile of '{name}' and its salt are destroyed here: nobody can show any more what its enrolment sealed. "
            "Copies, backups, and whoever got it disclosed keep it.",
        )
        was_there = ledger.erase_profile(name)
    told = "Destroyed the profile of" if was_there else "No profile is kept here of"
    reporter.result({"name": name, "erased": was_there}, f"{told} '{name}'")
    return 0


def _names(ledger: Ledger) -> dict[str, str]:
    return {identity_id.hex(): name for identity_id, name in ledger.names().items()}


def _key_words(facts: dict[str, Any]) -> str:
    words = f"{facts['key_event'][:16]} in force ({facts['key_event_type']} at log index {facts['key_event_log_index']})"
    if facts["keys"] > 1:
        needed = sum(facts["thresholds"].values())
        words += f", {needed} of {facts['keys']} keys sign"
    return words


def _grade_words(item: dict[str, Any], names: dict[str, str]) -> str:
    who = names.get(item["issuer"], item["issuer"][:16])
    words = f"{item['grade']} ({item['method']}) by {item['issuer_role'] or 'identity'} {who}, log index {item['log_index']}"
    words += ", listed" if item["listed"] else ", not listed as a registrar"
    if item["until"] is not None:
        words += f", {'ended' if item['ended'] else 'until'} {moment(item['until'])}"
    return words + (", disowned" if item["disowned"] else "")


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


def run_undelegate(args: argparse.Namespace, reporter: Reporter) -> int:
    """Ends a delegation by the pair's anchor, whose keys must be here."""
    with open_for(args, readonly=False) as ledger:
        facts = ledger.show_identity(args.name)
        if facts["anchor"] is None:
            raise RefusedInput(
                "delegation-illegal",
                f"identity '{args.name}'",
                f"it is a {facts['role']}, not a pair",
                "Name a pair.",
            )
        anchor = ledger.keys.find(facts["anchor"])
        log_index = ledger.undelegate(anchor.name, args.name)
    document = {"pair": facts["id"], "anchor": facts["anchor"], "log_index": log_index}
    reporter.result(
        document,
        f"'{anchor.name}' ended the delegation of '{printable(args.name)}' at log index {log_index}: it says nothing more from there on",
    )
    return 0

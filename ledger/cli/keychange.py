"""`lineage identity rotate | recover | retire`: changes of keys, with a look ahead at what each would disown."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from ledger.cli import given
from ledger.cli.common import (
    Reporter,
    add_common,
    at_least_0,
    command,
    confirm,
    duration,
    moment,
    open_for,
    plural,
    short,
)
from ledger.errors import RefusedInput
from ledger.signer.written import parse_date_ms

if TYPE_CHECKING:
    from ledger.api import Effects, Foreseen, Ledger, Loss
    from ledger.identity.life import KeyEvent
    from ledger.signer.changes import Outcome
    from ledger.signer.keystore import LocalIdentity

_DONE: Final = {"rotate": "Rotated", "recover": "Recovery said for", "retire": "Retired"}
_WORDS: Final = {  # of statement types, where a person counts them: one, and several
    "artifacts": ("statement over artifacts", "statements over artifacts"),
    "delegate": ("delegation", "delegations"),
    "undelegate": ("end of a delegation", "ends of delegations"),
    "endorse": ("endorsement", "endorsements"),
    "attest": ("attestation", "attestations"),
    "notice": ("notice", "notices"),
    "rules": ("change of the log's rules", "changes of the log's rules"),
    "evidence": ("evidence of a fork", "pieces of evidence"),
}
_STAYS: Final = ("undelegate", "rules", "evidence")  # disowned, they stay as they are (SPEC §7.4)


def add_verbs(verbs: Any) -> None:
    """Adds the three verbs."""
    rotate = command(
        verbs,
        "rotate",
        "Put the next keys in force. With --compromised: disown what a stolen daily key signed. Ends a pending recovery.",
        """
        lineage identity rotate ada
        lineage identity rotate ada --compromised 57 --dry-run
        lineage identity rotate ada --compromised-since 2027-01-31 --next-key /media/stick/next.key
        lineage identity rotate ada --new-next-key ~/.ssh/ada_next
        """,
    )
    _add_cut(rotate)
    rotate.add_argument(
        "--next-key",
        metavar="FILE",
        action="append",
        default=[],
        help="where the next key lies; may be repeated",
    )
    _add_new_keys(rotate)
    add_common(rotate, writes=True, confirms=True)
    rotate.set_defaults(run=run_rotate)

    recover = command(
        verbs,
        "recover",
        "Get an identity back with its recovery keys: in force after a week, unless the next keys end it before.",
        """
        lineage identity recover ada --recovery-key /media/stick/recovery.key
        lineage identity recover ada --compromised 57 --dry-run
        """,
    )
    _add_cut(recover)
    recover.add_argument(
        "--recovery-key",
        metavar="FILE",
        action="append",
        default=[],
        help="where the recovery key lies; may be repeated",
    )
    _add_new_keys(recover)
    add_common(recover, writes=True)
    recover.set_defaults(run=run_recover)

    retire = command(
        verbs,
        "retire",
        "End an identity for good: nothing later of it is valid, and its pairs fall silent.",
        """
        lineage identity retire ada --reason superseded --dry-run
        lineage identity retire ada --reason compromised --compromised 57 --yes
        """,
    )
    retire.add_argument("--reason", choices=("ended", "superseded", "compromised"), required=True)
    _add_cut(retire)
    retire.add_argument(
        "--next-key",
        metavar="FILE",
        action="append",
        default=[],
        help="where the next key lies; may be repeated",
    )
    add_common(retire, writes=True, confirms=True)
    retire.set_defaults(run=run_retire)


def _add_cut(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    since = parser.add_mutually_exclusive_group()
    since.add_argument(
        "--compromised",
        metavar="INDEX",
        type=at_least_0,
        help="the first log index in doubt: what the daily keys signed from there on is disowned",
    )
    since.add_argument(
        "--compromised-since", metavar="DATE", help="the same by the log's clock, as 2027-01-31T12:00Z (UTC)"
    )
    parser.add_argument(
        "--key",
        metavar="HEX|N",
        action="append",
        default=[],
        help="which key is in doubt, if the identity has several: its public key's beginning, or its number from 1",
    )
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--dry-run", action="store_true", help="say what would be disowned, and change nothing")
    kept.add_argument(
        "--resume",
        action="store_true",
        help="carry through the one that was signed and kept, but never logged",
    )
    kept.add_argument(
        "--discard", action="store_true", help="put the one aside that was signed and kept, but never logged"
    )


def _add_new_keys(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keys", metavar="N", type=at_least_0, help="keys in each new keyset (default: as before)"
    )
    parser.add_argument(
        "--threshold", metavar="M", type=at_least_0, help="how many of them must sign (default: as before)"
    )
    parser.add_argument("--unencrypted", action="store_true", help="keep the new keys in clear")
    given.add_to_change(parser)


def run_rotate(args: argparse.Namespace, reporter: Reporter) -> int:
    """The next keys come into force."""
    return _run(args, reporter, "rotate", key_files=args.next_key, **_new_keys(args))


def run_recover(args: argparse.Namespace, reporter: Reporter) -> int:
    """The recovery keys come into force, after a week."""
    return _run(args, reporter, "recover", key_files=args.recovery_key, **_new_keys(args))


def _new_keys(args: argparse.Namespace) -> dict[str, Any]:
    """The keysets that a change commits to; of keys given none is opened where nothing is made."""
    makes = not (args.dry_run or args.resume or args.discard)
    keys = {"given": given.given_to_change(args)} if makes else {}
    return {"shape": (args.keys, args.threshold), **keys}


def run_retire(args: argparse.Namespace, reporter: Reporter) -> int:
    """The identity ends."""
    return _run(args, reporter, "retire", key_files=args.next_key, reason=args.reason)


def _run(args: argparse.Namespace, reporter: Reporter, type_: str, **options: Any) -> int:
    from ledger.api import KeyChange

    if options.get("reason") == "compromised" and not (_names_cut(args) or args.resume or args.discard):
        raise RefusedInput(
            "usage",
            "--reason compromised",
            "nothing says since when, so that all the thief signed would stand",
            "Say --compromised INDEX or --compromised-since DATE, or another reason.",
        )
    with open_for(args, readonly=args.dry_run) as ledger:
        if args.discard:
            return _discard(args, reporter, ledger, type_)
        change = KeyChange(type_, since=_since(args, ledger), keys=args.key, **options)
        if args.resume:
            foreseen = ledger.foresee_kept(args.name, type_, reporter.progress)
        else:
            if not args.dry_run:
                ledger.settle_keys(args.name)
            foreseen = ledger.foresee(args.name, change, reporter.progress)
        names = ledger.names()
        lines = effect_lines(foreseen, args.name, names)
        document = _document(foreseen, is_dry_run=args.dry_run)
        if args.dry_run:
            reporter.result(document, "\n".join([*lines, "", "This was a dry run: nothing was changed."]))
            return 0
        if _is_asked(foreseen, is_kept=args.resume):
            confirm(args, reporter, "\n".join(lines))
        if args.resume:
            outcome = ledger.resume_keys(args.name, type_)
        else:
            outcome = ledger.change_keys(args.name, change, unencrypted=getattr(args, "unencrypted", False))
        identity = ledger.keys.find(args.name)
        clock_ms = ledger.clock_ms()
    if "given" in options:
        given.tell_copied(args, reporter)
    document |= {
        "key_event": outcome.id.hex(),
        "kseq": outcome.kseq,
        "state": outcome.state,
        "log_index": outcome.log_index,
        "keys": str(identity.folder),
    }
    is_done = outcome.state == "in-force"
    lines = effect_lines(foreseen, args.name, names, is_done=is_done)
    reporter.result(document, "\n".join(_outcome_lines(outcome, identity, lines, foreseen, clock_ms)))
    return 0


def _document(foreseen: Foreseen, *, is_dry_run: bool) -> dict[str, Any]:
    return {
        "id": foreseen.identity.id.hex(),
        "type": foreseen.type,
        "dry_run": is_dry_run,
        "compromised": [[key.hex(), start] for key, start in sorted(foreseen.cuts.items())],
        "ends_recovery": foreseen.ends.log_index if foreseen.ends is not None else None,
        "effects": effects_document(foreseen.effects),
    }


def _names_cut(args: argparse.Namespace) -> bool:
    return args.compromised is not None or args.compromised_since is not None


def _is_asked(foreseen: Foreseen, *, is_kept: bool) -> bool:
    """Whether it is asked first: what disowns, ends something, or was signed at another time."""
    if foreseen.type == "recover":  # it waits for a week, and may be ended
        return False
    return foreseen.type == "retire" or bool(foreseen.cuts) or foreseen.ends is not None or is_kept


def _discard(args: argparse.Namespace, reporter: Reporter, ledger: Ledger, type_: str) -> int:
    """Puts a kept change aside."""
    ledger.discard_keys(args.name, type_)
    identity = ledger.keys.find(args.name)
    reporter.result(
        {"id": identity.id.hex(), "type": type_, "discarded": True},
        f"The {type_} of '{args.name}' that was signed and kept is put aside; the keys in force stay.\n"
        f"It lies in {identity.folder / 'refused'}, with the keys that were drawn for it.",
    )
    return 0


def _since(args: argparse.Namespace, ledger: Ledger) -> int | None:
    if args.compromised_since is None:
        since: int | None = args.compromised
        return since
    since = ledger.first_index_since(parse_date_ms(args.compromised_since))
    if since is None:
        raise RefusedInput(
            "compromised-illegal",
            f"--compromised-since '{args.compromised_since}'",
            "nothing in the log is as late as that",
            "Name an earlier time, or leave it out.",
        )
    return since


def effect_lines(
    foreseen: Foreseen, name: str, names: Mapping[bytes, str], *, is_done: bool = False
) -> list[str]:
    """What a change of keys comes to, or came to, in words for somebody who never did one."""
    effects = foreseen.effects
    lines = []
    if foreseen.type == "retire":
        lines.append(f"'{name}' ends for good: nothing it says from here on is valid.")
    if foreseen.ends is not None:
        lines.append(_ended_words(foreseen.ends))
    if not foreseen.cuts:
        lines.append("No key is called stolen, so nothing is disowned: all that was signed stays as it is.")
    else:
        verb = "is" if is_done else "would be"
        since = min(foreseen.cuts.values())
        lines += [
            f"'{name}' says: what my daily key signed from log index {since} on is not mine. It {verb} disowned:",
            *_own_lines(effects),
        ]
    for loss in effects.suspects:
        pair = _who(loss.by, names)
        lines.append(f"  the pair {pair} becomes suspect, since its delegation was signed in that time:")
        lines.append(
            f"    {_range(loss)}" if loss.first is not None else "    it has said nothing under it so far"
        )
    for pair_id in effects.silenced:
        lines.append(f"  the pair {_who(pair_id, names)} falls silent: its anchor ends")
    if effects.artifact_count:
        shown = ", ".join(short(item) for item in effects.artifacts)
        more = " …" if effects.artifact_count > len(effects.artifacts) else ""
        lines.append(f"  artifacts that stand nowhere else: {effects.artifact_count:,} ({shown}{more})")
    lines += _descendant_lines(effects, names)
    if foreseen.cuts:
        lines += [
            "Nothing is erased: it all stays visible in the log, and each piece shows how late it was disowned",
            _lateness(effects),
        ]
    return lines


def _ended_words(recovery: KeyEvent) -> str:
    words = f"This ends the pending recovery of log index {recovery.log_index}"
    if recovery.cuts:
        words += f", and with it what that would disown from log index {min(start for _key, start in recovery.cuts)} on"
    return words + "."


def _lateness(effects: Effects) -> str:
    """How late the earliest of what is disowned is."""
    losses = [loss for loss in (effects.own, *effects.suspects) if loss.first is not None]
    if not losses:
        return "(there is nothing of that kind)."
    entries = effects.size - min(loss.first or 0 for loss in losses)
    late_ms = effects.clock_ms - min(loss.first_ms or 0 for loss in losses)
    return f"(up to {plural(entries, 'entry', 'entries')}, {duration(late_ms)})."


def _own_lines(effects: Effects) -> list[str]:
    own = effects.own
    if own.first is None:
        return ["  nothing: that key signed nothing since then that still stands"]
    lines = [f"  {_range(own)}"]
    kept = [_WORDS[type_][1] for type_ in _STAYS if own.statements[type_]]
    if kept:
        lines.append(f"  of these stay as they are until you say otherwise: {', '.join(kept)}")
    return lines


def _range(loss: Loss) -> str:
    counted = ", ".join(plural(count, *_WORDS[type_]) for type_, count in loss.statements.items())
    artifacts = f" ({plural(loss.artifacts, 'artifact')})" if loss.artifacts else ""
    place = f"log index {loss.first} ({moment(loss.first_ms or 0)})"
    if loss.last != loss.first:
        place += f" to {loss.last} ({moment(loss.last_ms or 0)})"
    return f"{counted}{artifacts}, {place}"


def _descendant_lines(effects: Effects, names: Mapping[bytes, str]) -> list[str]:
    count = effects.descendant_count
    if not count:
        return ["  nothing else in the log descends from that"] if effects.artifact_count else []
    lines = [
        f"  later artifacts that descend from that or refer to it: {count:,}, by {plural(effects.descendant_makers, 'maker')}"
    ]
    lines += [
        f"    {item.kind} {short(item.id)} by {_who(item.maker, names)}, {item.relation} {short(item.parent)}, "
        f"log index {item.log_index}"
        for item in effects.descendants
    ]
    if count > len(effects.descendants):
        lines.append(
            f"    … and {count - len(effects.descendants):,} more: lineage trace ID --descendants lists them"
        )
    return lines


def _who(identity_id: bytes, names: Mapping[bytes, str]) -> str:
    return f"{names[identity_id]} ({short(identity_id)})" if identity_id in names else short(identity_id)


def _outcome_lines(
    outcome: Outcome, identity: LocalIdentity, effects: list[str], foreseen: Foreseen, clock_ms: int
) -> list[str]:
    name = identity.name
    lines = [f"{_DONE[outcome.type]} '{name}' at log index {outcome.log_index}", "", *effects, ""]
    if outcome.type == "retire":
        return [*lines, "Nothing that it says from here on is valid. Its keys may be destroyed."]
    if outcome.state == "waiting":
        from ledger.spec import RECOVERY_WAIT_S

        lines.append(
            f"It waits: the recovery comes into force at {moment(clock_ms + RECOVERY_WAIT_S * 1_000)} by the log's clock, "
            "unless whoever holds the next keys rotates before. Until then the keys of before go on."
        )
        lines.append(
            f"Then: lineage sign FILE --by {name} (the first command that signs puts the new keys in place)"
        )
        return [*lines, "", *_waiting_advice(identity, outcome.kseq)]
    lines += advice(identity)
    if foreseen.cuts:
        lines += ["", f"Next: sign again what is still yours: lineage sign FILE|ID… --again --by {name}"]
    return lines


def _waiting_advice(identity: LocalIdentity, kseq: int) -> list[str]:
    """Where the new keys of a recovery lie until it is in force, that should not stay here then."""
    folder = identity.folder / "change" / str(kseq)
    return [
        "Once it is in force, move its new next and recovery keys away from this machine. Until then they lie in",
        f"  {folder}",
    ]


def advice(identity: LocalIdentity) -> list[str]:
    """What to do with the keys that lie here and should not stay."""
    from ledger.signer.whereabouts import FILE, whereabouts

    spare = [key for which in ("next", "recovery") for key in whereabouts(identity, which)]
    files = [identity.folder / key.file for key in spare if key.lies == FILE]
    if not files:
        return []
    these = {1: "this one", 2: "these two"}.get(len(files), f"these {len(files)}")
    undo = "it undoes" if len(files) == 1 else "they undo"
    return [
        f"Move {these} away from this machine now; {undo} a theft of the daily key:",
        *(f"  {file}" for file in files),
    ]


def effects_document(effects: Effects) -> dict[str, Any]:
    """The same for programs."""
    return {
        "disowned": _loss_document(effects.own),
        "suspect_pairs": [_loss_document(loss) for loss in effects.suspects],
        "silenced_pairs": [pair.hex() for pair in effects.silenced],
        "artifacts": effects.artifact_count,
        "artifacts_first": [item.hex() for item in effects.artifacts],
        "descendants": effects.descendant_count,
        "descendant_makers": effects.descendant_makers,
        "descendants_first": [
            {
                "id": item.id.hex(),
                "kind": item.kind,
                "maker": item.maker.hex(),
                "relation": item.relation,
                "parent": item.parent.hex(),
                "log_index": item.log_index,
            }
            for item in effects.descendants
        ],
        "size": effects.size,
        "clock_ms": effects.clock_ms,
    }


def _loss_document(loss: Loss) -> dict[str, Any]:
    return {
        "id": loss.by.hex(),
        "statements": dict(loss.statements),
        "artifacts": loss.artifacts,
        "first": loss.first,
        "last": loss.last,
        "first_ms": loss.first_ms,
        "last_ms": loss.last_ms,
    }

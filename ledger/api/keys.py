"""Changes of keys: rotate, recover, retire, each with a look ahead at what it would disown (SPEC §7.2, §7.4)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ledger.api.access import Access
from ledger.api.around import Progress, now_ms
from ledger.api.door import standing_in
from ledger.api.effects import Effects, effects_of, keys_since
from ledger.api.identities import find_identity
from ledger.errors import InvariantBroken, RefusedInput, StoreFault
from ledger.fold.objects import Identity
from ledger.identity.life import KeyEvent
from ledger.log.view import LogView
from ledger.signer import signing
from ledger.signer.changes import Change, Outcome, changes_of, discard, settle
from ledger.signer.keychange import Plan, change_keys, plan_change
from ledger.signer.keygroup import check_shape
from ledger.signer.keystore import LocalIdentity
from ledger.signer.logdoor import Standing
from ledger.signer.newkeys import NONE_GIVEN, GivenKeys


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of keys as its owner asks for it: `type` is rotate, recover or retire.

    `since`: the first log index at which the daily keys are in doubt, None if none is; `keys`: which of them, if not all
    (hex of a public key, or its number). `key_files`: where the next or recovery keys lie, if not at home. `reason` is a
    retirement's. `shape`: (keys, threshold) of the keysets drawn anew, by default as before; `given`: their first keys, if
    not drawn.
    """

    type: str
    since: int | None = None
    keys: Sequence[str] = ()
    key_files: Sequence[str | os.PathLike[str]] = ()
    reason: str = "ended"
    shape: tuple[int | None, int | None] = field(default=(None, None))
    given: GivenKeys = NONE_GIVEN


class Foreseen(NamedTuple):
    """What a change of keys says, and what it would do.

    `cuts`: the log index from which on a public key is disowned. `ends`: the recovery that waits, and is ended by it.
    """

    type: str
    identity: LocalIdentity
    cuts: dict[bytes, int]
    ends: KeyEvent | None
    effects: Effects


def foresee(access: Access, name: str, change: KeyChange, progress: Progress) -> Foreseen:
    """As `Ledger.foresee`."""
    identity = access.keys.find(name)
    with access.view() as view:
        clock_ms = max(view.clock_ms, now_ms())
        standing = standing_in(view.state, identity.id, clock_ms)
        if standing is None:
            raise _not_enrolled(name)
        _refuse_kept(view, identity)
        _refuse_unsettled(identity, standing)
        plan = _plan(view, identity, standing, change)
        return _foreseen(access, view, identity, plan.type, plan.body, progress)


def foresee_kept(access: Access, name: str, type_: str, progress: Progress) -> Foreseen:
    """As `Ledger.foresee_kept`."""
    identity = access.keys.find(name)
    with access.view() as view:
        kept = _kept_of(view, identity, type_)
        return _foreseen(access, view, identity, type_, kept.statement.body, progress)


def kept_of(access: Access, name: str) -> list[tuple[str, list[int]]]:
    """As `Ledger.kept_changes`."""
    identity = access.keys.find(name)
    if not changes_of(identity):
        return []
    with access.view() as view:
        return [(change.statement.type, _starts(change)) for change in _unlogged(view, identity)]


def make_ready(access: Access, name: str) -> None:
    """As `Ledger.settle_keys`."""
    identity = access.keys.find(name)
    if identity.pending_enrolment() is None and not changes_of(identity):
        return
    with access.door() as door:
        signing.enrol_pending(door, identity)
        with access.view() as view:
            _refuse_kept(view, identity)
        settle(door, identity)


def resume(access: Access, name: str, type_: str) -> Outcome:
    """As `Ledger.resume_keys`."""
    with access.door() as door:
        identity = access.keys.find(name)
        with access.view() as view:
            kept = _kept_of(view, identity, type_)
        for outcome in settle(door, identity):
            if outcome.id == kept.statement.id:
                return outcome
    raise InvariantBroken(
        "change-lost", f"identity '{name}'", "its kept change of keys is gone", "Report it."
    )


def put_aside(access: Access, name: str, type_: str) -> None:
    """As `Ledger.discard_keys`."""
    with access.door():  # nobody else writes to the log meanwhile, and a commit that a crash left is finished
        identity = access.keys.find(name)
        with access.view() as view:
            kept = _kept_of(view, identity, type_)
        discard(identity, kept)


def _foreseen(
    access: Access,
    view: LogView,
    identity: LocalIdentity,
    type_: str,
    body: Mapping[str, Any],
    progress: Progress,
) -> Foreseen:
    known = find_identity(access, view, identity.name)
    cuts = {bytes(key): start for key, start in body.get("compromised", ())}
    ends = None if type_ == "recover" else known.pending(max(view.clock_ms, now_ms()))
    effects = effects_of(view, known, cuts, retires=type_ == "retire", progress=progress)
    return Foreseen(type_, identity, cuts, ends, effects)


def _unlogged(view: LogView, identity: LocalIdentity) -> list[Change]:
    """The changes that were signed and kept, and that the log does not hold."""
    known: Identity | None = view.identity(identity.id)
    logged = {event.id for event in view.key_events(known)} if known is not None else set()
    return [change for change in changes_of(identity) if change.statement.id not in logged]


def _starts(change: Change) -> list[int]:
    """The log indices from which on a change disowns a key."""
    return sorted({start for _key, start in change.statement.body.get("compromised", ())})


def _kept_of(view: LogView, identity: LocalIdentity, type_: str) -> Change:
    """The change of that type that was kept and that the log does not hold. Raises RefusedInput `change-pending`, `usage`."""
    kept = _unlogged(view, identity)
    if not kept:
        raise RefusedInput(
            "usage",
            f"identity '{identity.name}'",
            "no change of keys was kept that the log does not hold",
            "Leave out --resume and --discard.",
        )
    if kept[0].statement.type != type_:
        _refuse_kept(view, identity)
    return kept[0]


def _refuse_kept(view: LogView, identity: LocalIdentity) -> None:
    """Of two changes, one would be made that nobody meant."""
    for change in _unlogged(view, identity):
        type_, starts = change.statement.type, _starts(change)
        command = f"lineage identity {type_} {identity.name}"
        if type_ == "retire":
            command += f" --reason {change.statement.body['reason']}"
        cut = f" that disowns from log index {starts[0]} on" if starts else ""
        raise RefusedInput(
            "change-pending",
            f"identity '{identity.name}'",
            f"a {type_}{cut} was signed earlier and kept, and the log does not hold it",
            f"Carry it through: {command} --resume; or put it aside: {command} --discard",
        )


def _refuse_unsettled(identity: LocalIdentity, standing: Standing) -> None:
    """The key files are those of before a change that the log has in force."""
    for change in changes_of(identity):
        if change.statement.type != "recover" or standing.key_event == change.statement.id:
            raise RefusedInput(
                "change-pending",
                f"identity '{identity.name}'",
                f"the log holds its {change.statement.type}, whose new keys are not in place here yet",
                f"Any signing puts them in place, as does this without --dry-run: lineage sign FILE --by {identity.name}",
            )


def _not_enrolled(name: str) -> RefusedInput:
    return RefusedInput(
        "identity-unknown",
        f"identity '{name}'",
        "it is not enrolled in this log yet: its enrolment was not sent, or refused",
        f"Send it by signing anything: lineage sign FILE --by {name}",
    )


def carry_out(access: Access, name: str, change: KeyChange, *, unencrypted: bool) -> Outcome:
    """As `Ledger.change_keys`."""
    _check_given(change)
    passphrase = None
    if change.type != "retire":
        passphrase = access.new_passphrase(unencrypted=unencrypted)
    with access.door() as door:
        identity = access.keys.find(name)
        signing.enrol_pending(door, identity)
        with access.view() as view:
            _refuse_kept(view, identity)
        settle(door, identity)
        identity = access.keys.find(name)
        standing = door.standing(identity.id)
        if standing is None:
            raise _not_enrolled(name)
        with access.view() as view:
            plan = _plan(view, identity, standing, change)
            former = _revealed(view, identity)
        former.add(access.vkey.key)  # which the log's operator may not have
        for external in change.given.all():
            access.keyring.take(external)
        keys, threshold = change.shape
        try:
            return change_keys(
                door,
                plan,
                access.keyring,
                passphrase,
                keys=keys,
                threshold=threshold,
                given=change.given,
                former=former,
            )
        except StoreFault as error:
            raise _telling_kept(error, identity, plan) from error


def _revealed(view: LogView, identity: LocalIdentity) -> set[bytes]:
    """Every public key that an identity revealed in the log."""
    known = view.identity(identity.id)
    events = view.key_events(known) if known is not None else []
    return {bytes(key) for event in events for _algorithm, key in event.keyset["keys"]}


def _telling_kept(error: StoreFault, identity: LocalIdentity, plan: Plan) -> StoreFault:
    """The failure of a change; if the change was kept, that is told with it."""
    if all(change.kseq != plan.kseq for change in changes_of(identity)):
        return error
    told = f"; the {plan.type} is signed and kept: the next command that signs by '{identity.name}' sends it"
    fix = f"{error.fix} Then repeat the command with --resume; --discard takes the {plan.type} back, unless the log holds it."
    return StoreFault(error.code, error.item, error.reason + told, fix)


def _check_given(change: KeyChange) -> None:
    if change.given.current or (change.type == "retire" and change.given.all()):
        raise RefusedInput(
            "usage",
            f"keys given to a {change.type}",
            "it draws no keyset for them: it reveals the one that was committed to, and commits to others",
            "Give `next` and `recovery` of a rotate or recover alone.",
        )


def _plan(view: LogView, identity: LocalIdentity, standing: Standing, change: KeyChange) -> Plan:
    cuts: dict[bytes, int] = {}
    if change.since is not None:
        _check_since(view, change.since)
        known = view.identity(identity.id)
        if known is not None:
            cuts = keys_since(known, view.key_events(known), view.clock_ms, change.since, change.keys)
    elif change.keys:
        raise RefusedInput(
            "usage",
            "--key",
            "it says which key is in doubt, and nothing says since when",
            "Add --compromised INDEX.",
        )
    plan = plan_change(
        identity,
        standing,
        change.type,
        key_files=[Path(path) for path in change.key_files],
        compromised=cuts,
        reason=change.reason,
    )
    if change.type != "retire":
        keys, threshold = change.shape
        check_shape(
            len(plan.group.keys) if keys is None else keys,
            plan.group.threshold if threshold is None else threshold,
        )
    return plan


def _check_since(view: LogView, since: int) -> None:
    if not 0 <= since < view.checkpoint.size:
        raise RefusedInput(
            "compromised-illegal",
            f"log index {since}",
            f"the log has {view.checkpoint.size} entries so far, so that nothing stands there",
            "Name the first log index that is in doubt.",
        )

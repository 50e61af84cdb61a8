"""Changes of keys: rotate, recover, retire, each with a look ahead at what it would disown (SPEC §7.2, §7.4)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ledger.api.access import Access, Progress, now_ms
from ledger.api.door import standing_in
from ledger.api.effects import Effects, effects_of, keys_since
from ledger.api.identities import find_identity
from ledger.errors import RefusedInput
from ledger.log.view import LogView
from ledger.signer import signing
from ledger.signer.changes import Outcome, settle
from ledger.signer.keychange import Plan, change_keys, plan_change
from ledger.signer.keystore import LocalIdentity
from ledger.signer.logdoor import Standing


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A change of keys as its owner asks for it: `type` is rotate, recover or retire.

    `since`: the first log index at which the daily keys are in doubt, None if none is; `keys`: which of them, if not all
    (hex of a public key, or its number). `key_files`: where the next or recovery keys lie, if not at home. `reason` is a
    retirement's. `shape`: (keys, threshold) of the keysets drawn anew, by default as before.
    """

    type: str
    since: int | None = None
    keys: Sequence[str] = ()
    key_files: Sequence[str | os.PathLike[str]] = ()
    reason: str = "ended"
    shape: tuple[int | None, int | None] = field(default=(None, None))


class Foreseen(NamedTuple):
    """What a change of keys would say, and what it would do."""

    plan: Plan
    effects: Effects


def foresee(access: Access, name: str, change: KeyChange, progress: Progress) -> Foreseen:
    """As `Ledger.foresee`."""
    identity = access.keys.find(name)
    with access.view() as view:
        find_identity(access, view, name)
        standing = standing_in(view.state, identity.id, max(view.clock_ms, now_ms()))
        if standing is None:
            raise RefusedInput(
                "identity-unknown",
                f"identity '{name}'",
                "it is not enrolled in this log",
                "Sign anything to enrol it.",
            )
        plan = _plan(view, identity, standing, change)
        known = find_identity(access, view, name)
        cuts = {bytes(key): start for key, start in plan.body.get("compromised", ())}
        return Foreseen(
            plan, effects_of(view, known, cuts, retires=change.type == "retire", progress=progress)
        )


def carry_out(access: Access, name: str, change: KeyChange, *, unencrypted: bool) -> Outcome:
    """As `Ledger.change_keys`."""
    passphrase = None
    if change.type != "retire":
        passphrase = access.new_passphrase(unencrypted=unencrypted)
    with access.door() as door:
        identity = access.keys.find(name)
        signing.enrol_pending(door, identity)
        settle(door, identity)
        identity = access.keys.find(name)
        standing = door.standing(identity.id)
        if standing is None:
            raise RefusedInput(
                "identity-unknown",
                f"identity '{name}'",
                "it is not enrolled in this log",
                "Make a new identity.",
            )
        with access.view() as view:
            plan = _plan(view, identity, standing, change)
        keys, threshold = change.shape
        return change_keys(door, plan, access.passphrases.open, passphrase, keys=keys, threshold=threshold)


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
    return plan_change(
        identity,
        standing,
        change.type,
        key_files=[Path(path) for path in change.key_files],
        compromised=cuts,
        reason=change.reason,
    )


def _check_since(view: LogView, since: int) -> None:
    if not 0 <= since < view.checkpoint.size:
        raise RefusedInput(
            "compromised-illegal",
            f"log index {since}",
            f"the log has {view.checkpoint.size} entries so far, so that nothing stands there",
            "Name the first log index that is in doubt.",
        )

"""Identities: made, delegated, shown (SPEC §7)."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Final

from ledger.api.access import OPERATOR, Access
from ledger.api.around import now_ms
from ledger.errors import LineageError, NotFound, RefusedInput
from ledger.fold.objects import Delegation, Endorsement, Identity
from ledger.log.view import LogView
from ledger.signer import signing
from ledger.signer.changes import changes_of
from ledger.signer.keygroup import check_shape
from ledger.signer.keystore import LocalIdentity
from ledger.signer.lanes import pending_parcels
from ledger.signer.newkeys import GivenKeys
from ledger.signer.profiles import destroy_profile, new_profile, read_profile
from ledger.signer.whereabouts import whereabouts
from ledger.spec import HASH_BYTES
from ledger.statements.bodies import BODIES

FULL_ID: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def new_identity(
    access: Access,
    name: str,
    role: str,
    of: str | None,
    substrate: dict[str, Any] | None,
    scope: dict[str, Any] | None,
    shape: tuple[int, int],
    given: GivenKeys,
    *,
    unencrypted: bool,
    profile: bytes | None,
) -> LocalIdentity:
    """As `Ledger.new_identity`; `shape`: how many keys a keyset has, and how many of them must sign."""
    sealed = None if profile is None else new_profile(profile)
    anchor = access.keys.find(of) if of is not None else None
    if (role == "pair") != (anchor is not None):
        raise RefusedInput(
            "role-illegal",
            f"identity '{name}'",
            "a pair, and only a pair, has an anchor",
            "Say --role pair --of ANCHOR.",
        )
    if anchor is not None and anchor.role != "human":
        raise RefusedInput(
            "delegation-illegal",
            f"anchor '{anchor.name}'",
            f"it is a {anchor.role}; the anchor of a pair is a human",
            "Name a human identity with --of.",
        )
    access.keys.check_free(name)
    check_shape(*shape)
    signer = None
    if anchor is not None and substrate is not None:
        BODIES["delegate"](_delegation(bytes(HASH_BYTES), substrate, scope), "delegation")
        signer = access.unlock(anchor.name)
    passphrase = access.new_passphrase(unencrypted=unencrypted)
    keys, threshold = shape
    with access.door() as door:
        if anchor is not None:
            signing.standing_of(door, anchor)
        for external in given.all():
            access.keyring.take(external)
        identity = access.keys.create(
            name,
            role,
            passphrase,
            of=anchor.id if anchor else None,
            keys=keys,
            threshold=threshold,
            given=given,
            profile=sealed,
        )
        signing.enrol_pending(door, identity)
        if signer is not None and substrate is not None:
            signing.say(door, signer, "delegate", _delegation(identity.id, substrate, scope))
    return identity


def delegate(
    access: Access, anchor: str, pair: str, substrate: dict[str, Any], scope: dict[str, Any] | None
) -> int:
    """As `Ledger.delegate`."""
    local = access.keys.find(pair)
    body = _delegation(local.id, substrate, scope)
    BODIES["delegate"](body, "delegation")
    signer = access.unlock(anchor)
    with access.door() as door:
        signing.enrol_pending(door, signer.identity)
        signing.enrol_pending(door, local)
        return signing.say(door, signer, "delegate", body).log_index


def undelegate(access: Access, anchor: str, pair: bytes) -> int:
    """As `Ledger.undelegate`."""
    signer = access.unlock(anchor)
    with access.door() as door:
        return signing.say(door, signer, "undelegate", {"pair": pair}).log_index


def find_id(access: Access, name: str) -> bytes:
    """The id that a name on this machine, the beginning of an id here, or a whole id in hex means. Raises NotFound."""
    local = find_local(access, name)
    if local is not None:
        return local.id
    if FULL_ID.fullmatch(name.lower()):
        return bytes.fromhex(name)
    raise _unknown(name)


def find_local(access: Access, name: str) -> LocalIdentity | None:
    """The identity of that name whose keys are here, or None."""
    try:
        return access.keys.find(name)
    except NotFound:
        return None


def find_identity(access: Access, view: LogView, name: str) -> Identity:
    """What the log knows of an identity, by a name here or by its id. Raises NotFound `identity-unknown`."""
    identity = view.identity(find_id(access, name))
    if identity is None:
        raise _unknown(name)
    return identity


def _unknown(name: str) -> NotFound:
    return NotFound(
        "identity-unknown",
        f"identity '{name}'",
        "neither this machine nor the log knows it",
        "Give a name here, or all 64 digits of its id.",
    )


def show(access: Access, name: str) -> dict[str, Any]:
    """As `Ledger.show_identity`."""
    with access.view() as view:
        identity = find_identity(access, view, name)
        local = find_local(access, name)
        return {
            "id": identity.id.hex(),
            "name": local.name if local else None,
            "role": identity.role,
            "anchor": identity.anchor.hex() if identity.anchor else None,
            "log_index": identity.born,
            "profile": _profile_facts(view, identity, local),
            **life_of(view, identity),
            "delegations": [_delegation_facts(view, identity, item) for item in view.delegations(identity)],
            "endorsements": [
                _endorsement_facts(view, issuer, item) for issuer, item in view.endorsements(identity.id)
            ],
            "keys_wait": _waiting(local),
            "daily_keys": daily_keys(local) if local else [],
        }


def _profile_facts(view: LogView, identity: Identity, local: LocalIdentity | None) -> dict[str, Any] | None:
    """The sealed profile that an enrolment names, and whether it is kept here; None: it names none."""
    digest = view.statement(identity.born).body.get("profile")
    if digest is None:
        return None
    return {"digest": digest.hex(), "kept": local is not None and read_profile(local.folder) is not None}


def erase_profile(access: Access, name: str) -> bool:
    """As `Ledger.erase_profile`."""
    return destroy_profile(access.keys.find(name).folder)


def daily_keys(local: LocalIdentity) -> list[dict[str, Any]]:
    """Where each daily key of an identity of this machine lies, for programs."""
    return [
        {
            "public": None if key.public is None else key.public.hex(),
            "lies": key.lies,
            "encrypted": key.encrypted,
            "comment": key.comment,
        }
        for key in whereabouts(local)
    ]


def listed(access: Access) -> list[dict[str, Any]]:
    """As `Ledger.list_identities`."""
    with access.view() as view:
        return [_listed(view, item) for item in access.keys.identities()]


def _listed(view: LogView, item: LocalIdentity) -> dict[str, Any]:
    identity = view.identity(item.id)
    facts: dict[str, Any] = {
        "name": item.name,
        "id": item.id.hex(),
        "role": item.role,
        "of": item.of.hex() if item.of else None,
        "enrolled": identity is not None,
        "pending": len(pending_parcels(item.lanes)),
        "keys_wait": _waiting(item),
        "daily_keys": daily_keys(item),
    }
    if identity is None:
        return facts
    facts |= life_of(view, identity)
    if identity.role == "pair":
        facts["delegated"] = delegation_end(view, identity, identity.delegation) is None
    return facts


def people(access: Access, view: LogView) -> list[dict[str, Any]]:
    """The identities whose keys are here, but for the operator and what is damaged: what `status` says of them."""
    found = []
    for name in access.keys.names():
        if name != OPERATOR:
            with suppress(LineageError):  # one that is damaged hides no other
                found.append(_listed(view, access.keys.find(name)))
    return found


def names_of(access: Access) -> dict[bytes, str]:
    """As `Ledger.names`."""
    found = {}
    for name in access.keys.names():
        with suppress(LineageError):
            found[access.keys.find(name).id] = name
    return found


def pending_recovery(access: Access, name: str) -> int | None:
    """As `Ledger.pending_recovery`."""
    with access.view() as view:
        pending = find_identity(access, view, name).pending(max(view.clock_ms, now_ms()))
    return pending.log_index if pending is not None else None


def life_of(view: LogView, identity: Identity) -> dict[str, Any]:
    """What speaks for an identity by now, and what is about to change that."""
    in_force, pending = identity.in_force(view.clock_ms), identity.pending(view.clock_ms)
    keyset = in_force.keyset
    events = view.key_events(identity)
    # A retirement ends no contest (SPEC §7.5): what was in force before it tells.
    spoke = view.state.spoke_last(identity, view.clock_ms)
    return {
        "key_event": in_force.id.hex(),
        "key_event_type": in_force.type,
        "key_event_log_index": in_force.log_index,
        "keys": len(keyset["keys"]),
        "thresholds": dict(keyset["thresholds"]),
        "retired": identity.retired,
        "pending_recovery": None
        if pending is None
        else {"log_index": pending.log_index, "in_force_ms": pending.due_ms},
        "contested": view.state.contested(spoke.id),
        "compromised": [
            {"key": key.hex(), "from": start, "log_index": event.log_index}
            for event in events
            if event.was_in_force(view.clock_ms)
            for key, start in event.cuts
        ],
    }


def delegation_end(view: LogView, pair: Identity, delegation: Delegation | None) -> str | None:
    """Why a delegation is in force no more, in words; None if it is, by now and whatever its scope says."""
    anchor = view.identity(pair.anchor) if pair.anchor else None
    if delegation is None:
        return "its anchor has not delegated it"
    if delegation.ended is not None:
        return f"ended by its anchor at log index {delegation.ended}"
    if view.disowned_by(delegation.log_index) is not None:
        return "disowned by its anchor"
    if anchor is not None and anchor.retired:
        return "its anchor is retired"
    if pair.delegation is not None and delegation.id != pair.delegation.id:
        return "replaced by a later one"
    if "until" in (delegation.scope or {}) and view.clock_ms >= (delegation.scope or {})["until"]:
        return "its time is over"
    return None


def _delegation_facts(view: LogView, pair: Identity, item: Delegation) -> dict[str, Any]:
    end = delegation_end(view, pair, item)
    return {
        "log_index": item.log_index,
        "substrate": f"{item.substrate['name']}@{item.substrate['version']}",
        "scope": item.scope or {},
        "in_force": end is None,
        "end": end,
    }


def _endorsement_facts(view: LogView, issuer: bytes, item: Endorsement) -> dict[str, Any]:
    found = view.identity(issuer)
    return {
        "issuer": issuer.hex(),
        "issuer_role": found.role if found else None,
        "grade": item.grade,
        "method": item.method,
        "until": item.until,
        "log_index": item.log_index,
        "listed": issuer in view.state.header.rules.get("registrars", ()),
        "ended": item.until is not None and item.until <= view.clock_ms,
        "disowned": view.disowned_by(item.log_index) is not None,
    }


def _waiting(local: LocalIdentity | None) -> list[str]:
    """The types of the key events that this machine made and that are not through."""
    return [change.statement.type for change in changes_of(local)] if local else []


def _delegation(pair: bytes, substrate: dict[str, Any], scope: dict[str, Any] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"pair": pair, "substrate": substrate}
    return body | {"scope": scope} if scope else body

"""Signing at a log's door: enrol what is pending, resend what is unanswered, sign what is new (SPEC §5.3).

The log is an argument, known by what it answers (`ledger.signer.logdoor`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ledger.errors import LineageError, PolicyDenied, RefusedInput
from ledger.merkle.tree import hash_leaf
from ledger.signer.changes import settle
from ledger.signer.drafts import chunks, sign_ordinary, sign_records
from ledger.signer.keystore import LocalIdentity, Unlocked
from ledger.signer.lanes import Lane, hold_lane, hold_left_behind, pending_parcels
from ledger.signer.logdoor import LogDoor, Placed, Standing
from ledger.signer.parcel import Parcel
from ledger.signer.seen import remember_standing


@dataclass(slots=True)
class Signed:
    """What a signing came to: for each content its label, artifact id and log index.

    `labels` are paths or 0-based row indices. `new` artifacts were appended, `already_logged` ones stood there before.
    `again` of the new ones had been there and were disowned (SPEC §7.4).
    `hidden_files` and `companions` (receipts, salts and proofs beside their files) were left out.
    `dataset_stamp` tells the state of the dataset in which rows were read.
    `guessable` contents are so short that their digest gives them away (`spec.GUESSABLE_BYTES`).
    `broken_lanes` were refused as `lane-broken`: an older copy of them was brought back, or somebody else signs in them by
    the same keys. What was refused is kept (`lanes.refused_parcels`).
    """

    labels: Sequence[str | int] = ()
    ids: list[bytes] = field(default_factory=list)
    log_indices: list[int] = field(default_factory=list)
    new: int = 0
    already_logged: int = 0
    again: int = 0
    hidden_files: int = 0
    companions: int = 0
    guessable: int = 0
    broken_lanes: int = 0
    dataset_stamp: tuple[int, ...] = ()


def enrol_pending(door: LogDoor, identity: LocalIdentity) -> None:
    """Appends an enrolment that the log has not acknowledged. Raises the LineageError for which it is refused."""
    entry = identity.pending_enrolment()
    if entry is None:
        return
    (result,) = door.append([(entry, ())])
    if isinstance(result, LineageError):
        raise result
    identity.enrolled()


def standing_of(door: LogDoor, identity: LocalIdentity) -> Standing:
    """How the identity stands, its pending enrolment and key events carried through first.

    Raises RefusedInput `identity-unknown`, `identity-retired`, or the LineageError for which one of them is refused.
    """
    enrol_pending(door, identity)
    settle(door, identity)
    return checked(door.standing(identity.id), identity)


def checked(standing: Standing | None, identity: LocalIdentity) -> Standing:
    """A standing under which something may be said. Raises RefusedInput `identity-unknown`, `identity-retired`."""
    if standing is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity '{identity.name}'",
            "it is not enrolled in this log",
            "Was the ledger restored from an older copy? Make a new identity.",
        )
    if standing.retired:
        raise RefusedInput(
            "identity-retired",
            f"identity '{identity.name}'",
            "it is retired: nothing that it says is valid any more",
            "Sign by another identity.",
        )
    return standing


def check_delegated(standing: Standing, identity: LocalIdentity) -> None:
    """Whether records may be signed under this standing. Raises RefusedInput `not-delegated` for a pair that may not speak."""
    if identity.role == "pair" and standing.delegation is None:
        raise RefusedInput(
            "not-delegated",
            f"pair '{identity.name}'",
            "no delegation by its anchor is in force",
            f"Run: lineage identity delegate {identity.name} --substrate NAME@VERSION",
        )


def say(door: LogDoor, signer: Unlocked, type_: str, body: dict[str, Any]) -> Placed:
    """Signs and appends one ordinary statement without records. Raises the LineageError for which it is refused."""
    standing = _standing_to_sign(door, signer)
    resend_pending(door, signer.identity, standing.key_event)
    placed = _say(
        door,
        signer,
        standing.key_event,
        lambda lane: sign_ordinary(signer, lane, door.log_id, standing.key_event, type_, body),
    )
    remember_standing(signer.identity, standing)
    return placed


def append_records(
    door: LogDoor, signer: Unlocked, records: Iterable[bytes], signed: Signed, progress: Callable[[int], None]
) -> None:
    """Appends the records that are not logged yet, in as few statements as fit, and fills in `signed`.

    What was appended before a failure stays, durable; signing the same again goes on behind it.
    """
    standing = _standing_to_sign(door, signer)
    check_delegated(standing, signer.identity)
    resend_pending(door, signer.identity, standing.key_event, signed)
    places = dict.fromkeys(
        signed.ids, -1
    )  # from the first on, so that a million ids are held once and not twice
    for group in chunks(_unknown(door, records, places)):
        make = partial(_sign_group, door, signer, standing, group)
        log_index = _say(door, signer, standing.key_event, make, signed).log_index
        for record in group:
            places[hash_leaf(record)] = log_index
        signed.new += len(group)
        progress(signed.new)
    remember_standing(signer.identity, standing)
    signed.already_logged = len(places) - signed.new
    signed.log_indices = [places[artifact_id] for artifact_id in signed.ids]


def resend_pending(
    door: LogDoor, identity: LocalIdentity, key_event: bytes, signed: Signed | None = None
) -> None:
    """Sends what a crash left in the lanes, before anything asks what the log knows: else it would be signed twice.

    A lane of a former key event goes nowhere any more: what waits in it the log may hold already; else it is refused,
    and kept aside. By the new keys it is not signed of itself, as a thief of the old ones may have left it there.
    Broken lanes are counted in `signed`.
    """
    for lane in hold_left_behind(identity.lanes, key_event):
        _flushed(door, lane, signed)
    for _ in pending_parcels(identity.lanes):
        with ready_lane(door, identity, key_event, signed):  # takes a lane with something pending first
            pass


@contextmanager
def ready_lane(
    door: LogDoor, identity: LocalIdentity, key_event: bytes, signed: Signed | None = None
) -> Iterator[Lane]:
    """A lane with nothing pending: what waited in it is sent first, byte for byte.

    A lane whose pending parcel is refused is abandoned, and another is taken; the records of such a parcel were never
    acknowledged, lie aside, and are signed anew by whoever signs them again.
    """
    while True:
        with hold_lane(identity.lanes, key_event) as lane:
            if _flushed(door, lane, signed):
                yield lane
                return


def _flushed(door: LogDoor, lane: Lane, signed: Signed | None) -> bool:
    """Whether nothing is pending in the lane any more; False if it was abandoned."""
    while (pending := lane.pending()) is not None:
        try:
            _answer(door, lane, pending, keep=True)
        except (RefusedInput, PolicyDenied) as error:
            _count_broken(error, signed)
            return False
    return True


def _count_broken(error: LineageError, signed: Signed | None) -> None:
    if signed is not None and error.code == "lane-broken":
        signed.broken_lanes += 1


def _standing_to_sign(door: LogDoor, signer: Unlocked) -> Standing:
    """As `standing_of`; RefusedInput `keys-not-in-force` if the keys in memory are not those that the log has in force."""
    standing = standing_of(door, signer.identity)
    if standing.keyset != signer.keyset:
        raise keys_not_in_force(signer.identity)
    return standing


def keys_not_in_force(identity: LocalIdentity) -> RefusedInput:
    """The refusal of keys that lie here and that the log does not have in force."""
    return RefusedInput(
        "keys-not-in-force",
        f"identity '{identity.name}'",
        "the log has other keys in force for it: they were changed just now, or on another machine",
        "Try again; if that does not help, bring the newest copy of its folder.",
    )


def _say(
    door: LogDoor,
    signer: Unlocked,
    key_event: bytes,
    make: Callable[[Lane], Parcel],
    signed: Signed | None = None,
) -> Placed:
    """Makes, keeps and sends a parcel; in a new lane if the log shows that its lane is an older copy (SPEC §5.3)."""
    while True:
        with ready_lane(door, signer.identity, key_event, signed) as lane:
            if signer.asks_outside:
                lane.asks()
            parcel = make(lane)
            lane.keep(parcel)
            try:
                return _answer(door, lane, parcel)
            except RefusedInput as error:
                _count_broken(error, signed)
                if error.code != "lane-broken" or lane.is_new:
                    raise


def _sign_group(
    door: LogDoor, signer: Unlocked, standing: Standing, group: Sequence[bytes], lane: Lane
) -> Parcel:
    return sign_records(signer, lane, door.log_id, standing.key_event, group, standing.delegation)


def _answer(door: LogDoor, lane: Lane, parcel: Parcel, *, keep: bool = False) -> Placed:
    """Appends a kept parcel; the place of its last statement. A refusal abandons the lane and is raised.

    `keep`: nobody will be told of the refusal, so that what was refused stays where it lies. So it does if its lane is
    broken: it may be one half of a fork, which is evidence (SPEC §7.5).
    """
    placed: list[Placed] = []
    for result in door.append(parcel.statements):
        if isinstance(result, LineageError):
            lane.abandon(keep=keep or result.code == "lane-broken")
            raise result
        placed.append(result)
    lane.acknowledged(parcel)
    return placed[-1]


def _unknown(door: LogDoor, records: Iterable[bytes], places: dict[bytes, int]) -> Iterator[bytes]:
    """The records that are not logged yet; the others' places are noted."""
    for record in records:
        artifact_id = hash_leaf(record)
        log_index = door.find_artifact(artifact_id)
        if log_index is None:
            yield record
        else:
            places[artifact_id] = log_index

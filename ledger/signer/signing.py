"""Signing at a log's door: enrol what is pending, resend what is unanswered, sign what is new (SPEC §5.3).

The log is an argument, known by what it answers. Whether it stands in this process or far away is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ledger.errors import LineageError, PolicyDenied, RefusedInput
from ledger.merkle.tree import hash_leaf
from ledger.signer.drafts import chunks, sign_ordinary, sign_records
from ledger.signer.keystore import LocalIdentity, Unlocked
from ledger.signer.lanes import Lane, Parcel, hold_lane, pending_parcels


class Standing(NamedTuple):
    """How an identity stands in the log now: its key event in force, and a pair's delegation in force."""

    key_event: bytes
    delegation: bytes | None


class Placed(Protocol):
    """Where a statement stands."""

    @property
    def log_index(self) -> int:
        """Its 0-based index in the log."""
        ...


class LogDoor(Protocol):
    """What a signer asks of a log."""

    @property
    def log_id(self) -> bytes:
        """The id that every statement names."""
        ...

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> Sequence[Placed | LineageError]:
        """Appends (entry, records) in order; a known statement is answered with its place."""
        ...

    def standing(self, identity_id: bytes) -> Standing | None:
        """None if the identity is not enrolled."""
        ...

    def find_artifact(self, artifact_id: bytes) -> int | None:
        """The log index under which an artifact stands already, or None."""
        ...


@dataclass(slots=True)
class Signed:
    """What a signing came to: for each content its label, artifact id and log index.

    `labels` are paths or 0-based row indices. `new` artifacts were appended, `already_logged` ones stood there before.
    `guessable` contents are so short that their digest gives them away (`spec.GUESSABLE_BYTES`).
    """

    labels: Sequence[str | int] = ()
    ids: list[bytes] = field(default_factory=list)
    log_indices: list[int] = field(default_factory=list)
    new: int = 0
    already_logged: int = 0
    hidden_files: int = 0
    guessable: int = 0


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
    """How the identity stands, its pending enrolment appended first. Raises RefusedInput `identity-unknown`."""
    enrol_pending(door, identity)
    standing = door.standing(identity.id)
    if standing is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity '{identity.name}'",
            "it is not enrolled in this log",
            "Was the ledger restored from an older copy? Make a new identity.",
        )
    return standing


def say(door: LogDoor, signer: Unlocked, type_: str, body: dict[str, Any]) -> Placed:
    """Signs and appends one ordinary statement without records. Raises the LineageError for which it is refused."""
    standing = standing_of(door, signer.identity)
    with ready_lane(door, signer.identity, standing.key_event) as lane:
        parcel = sign_ordinary(signer, lane, door.log_id, standing.key_event, type_, body)
        return _send(door, lane, parcel)


def append_records(
    door: LogDoor, signer: Unlocked, records: Iterable[bytes], signed: Signed, progress: Callable[[int], None]
) -> None:
    """Appends the records that are not logged yet, in as few statements as fit, and fills in `signed`.

    What was appended before a failure stays, durable; signing the same again goes on behind it.
    """
    standing = standing_of(door, signer.identity)
    if signer.identity.role == "pair" and standing.delegation is None:
        raise RefusedInput(
            "not-delegated",
            f"pair '{signer.identity.name}'",
            "its anchor has not delegated it",
            f"Run: lineage identity delegate {signer.identity.name} --substrate NAME@VERSION",
        )
    resend_pending(door, signer.identity, standing.key_event)
    places = dict.fromkeys(
        signed.ids, -1
    )  # from the first on, so that a million ids are held once and not twice
    for group in chunks(_unknown(door, records, places)):
        with ready_lane(door, signer.identity, standing.key_event) as lane:
            parcel = sign_records(signer, lane, door.log_id, standing.key_event, group, standing.delegation)
            log_index = _send(door, lane, parcel).log_index
        for record in group:
            places[hash_leaf(record)] = log_index
        signed.new += len(group)
        progress(signed.new)
    signed.already_logged = len(places) - signed.new
    signed.log_indices = [places[artifact_id] for artifact_id in signed.ids]


def resend_pending(door: LogDoor, identity: LocalIdentity, key_event: bytes) -> None:
    """Sends what a crash left in the lanes, before anything asks what the log knows: else it would be signed twice."""
    for _ in pending_parcels(identity.lanes):
        with ready_lane(door, identity, key_event):  # takes a lane with something pending first
            pass


@contextmanager
def ready_lane(door: LogDoor, identity: LocalIdentity, key_event: bytes) -> Iterator[Lane]:
    """A lane with nothing pending: what waited in it is sent first, byte for byte.

    A lane whose pending parcel is refused is abandoned, and another is taken; the records of such a parcel were never
    acknowledged, and are signed anew by whoever signs them again.
    """
    while True:
        with hold_lane(identity.lanes, key_event) as lane:
            if _flushed(door, lane):
                yield lane
                return


def _flushed(door: LogDoor, lane: Lane) -> bool:
    """Whether nothing is pending in the lane any more; False if it was abandoned."""
    while (pending := lane.pending()) is not None:
        try:
            _answer(door, lane, pending)
        except (RefusedInput, PolicyDenied):
            return False
    return True


def _send(door: LogDoor, lane: Lane, parcel: Parcel) -> Placed:
    lane.keep(parcel)
    return _answer(door, lane, parcel)


def _answer(door: LogDoor, lane: Lane, parcel: Parcel) -> Placed:
    """Appends a kept parcel; the place of its last statement. A refusal abandons the lane and is raised."""
    placed: list[Placed] = []
    for result in door.append(parcel.statements):
        if isinstance(result, LineageError):
            lane.abandon()
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

"""Signing beside the log: groups of records in a fresh lane of this process, each put into the outbox (SPEC §5.3, §10.5).

Neither the writer's lock nor the log's key is needed. When `put` returned, the statement is on the medium under its place,
and may be called signed; whoever can write the log takes it there. Whatever goes wrong ends the lane, and the next group
begins another one: no place is signed twice, and what was refused holds up nothing that is signed later.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from ledger.errors import StoreFault
from ledger.signer.drafts import sign_records
from ledger.signer.freshlane import FreshLane
from ledger.signer.keystore import Unlocked
from ledger.signer.parcel import Place, pack
from ledger.statements.entry import decode_entry
from ledger.store.outbox import Outbox, Waiting, name_of


class Put(NamedTuple):
    """A statement that is durable in the outbox: where, and its id (32 bytes)."""

    place: Place
    statement_id: bytes


class LaneSigner:
    """Signs in lanes of this process, one after the other. `put` is for one thread at a time."""

    def __init__(self, outbox: Outbox, log_id: bytes) -> None:
        self._outbox = outbox
        self._log_id = log_id
        self._lane: FreshLane | None = None
        self._refused: set[bytes] = set()

    def put(
        self,
        signer: Unlocked,
        key_event: bytes,
        delegation: bytes | None,
        records: Sequence[bytes],
        *,
        is_alone: bool = False,
    ) -> Put:
        """Signs one statement over the records and makes it durable. `key_event` is the one in force, `delegation` a pair's.

        `is_alone`: in a lane of its own, so that its refusal touches no other statement. Raises StoreFault
        `outbox-unwritable`, RefusedInput `too-large`: then it counts as never signed.
        """
        lane = FreshLane(key_event) if is_alone else self._lane_of(key_event)
        with lane.using():
            parcel = sign_records(signer, lane, self._log_id, key_event, records, delegation)
            place = Place(lane.id, lane.next_seq)
            try:
                self._outbox.put(*place, pack(parcel))
            except StoreFault:
                self._take_back(place)
                raise
            ((entry, _records),) = parcel.statements
            lane.advance(entry)
        return Put(place, decode_entry(entry).statement.id)

    def refused(self, lane: bytes) -> None:
        """The log refused something of a lane: nothing more is signed in it. Any thread may tell."""
        self._refused.add(lane)

    def _lane_of(self, key_event: bytes) -> FreshLane:
        lane = self._lane
        if lane is not None and lane.id in self._refused:
            lane.end()
        if lane is None or not lane.is_usable or lane.key_event != key_event:
            lane = self._lane = FreshLane(key_event)
        return lane

    def _take_back(self, place: Place) -> None:
        """What failed may lie there all the same; if it can be taken away, nobody logs what was told to be unsigned."""
        path = self._outbox.folder / name_of(*place)
        with suppress(StoreFault):
            self._outbox.remove(Waiting(*place, path, 0))

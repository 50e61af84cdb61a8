"""What the two threads of a batch do: one signs into the outbox, the other looks what became of it (SPEC §5.3, §10.5).

Who signs looks into the log first: what stands there already is told so and left out, and the signer's key event, delegation
and scope are read anew for each statement, so that a change of keys is seen. A parent that is not found may wait in
the outbox of another process; the log judges it in the end.

Who looks for answers drains the outbox, if this process can open the log's key without asking anybody and gets the
writer's lock. Else it asks the outbox, now and then, whether somebody else did.

A refused statement is refused whole. What of it is at fault is told the reason; what is not, and what followed in its
lane, is signed again in a new lane, so that nothing which was told to be signed is lost for another's fault.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.api.access import DRAINING_MAX_S, Access
from ledger.api.around import now_ms
from ledger.api.batch_flow import Flow, Sent, waits
from ledger.api.batch_item import Item, signed_item
from ledger.api.door import StandingPlaces
from ledger.api.draining import NOT_HERE, drain_here
from ledger.api.known import Lookup
from ledger.api.receipts import receipt_of
from ledger.api.speaker import Speaker, speaker_in, standing_under
from ledger.errors import (
    InvariantBroken,
    LineageError,
    NotFound,
    PolicyDenied,
    RefusedInput,
    StoreFault,
    WriterBusy,
)
from ledger.fold.records import UNREAD, Standing, judge_record
from ledger.log.view import LogView
from ledger.signer.beside import LaneSigner
from ledger.signer.keystore import LocalIdentity, Unlocked
from ledger.signer.parcel import unpack
from ledger.signer.signing import keys_not_in_force
from ledger.spec import BATCH_TRIES_MAX, PARCEL_BYTES_MAX
from ledger.statements.record import decode_record
from ledger.store.files import read_regular
from ledger.store.outbox import Refusal
from ledger.store.salts import Kept

PAUSE_LEAST_S: Final = 0.01  # between two looks for an answer, doubled as long as none comes
PAUSE_MOST_S: Final = 0.25
FAULT_PAUSE_S: Final = 1.0  # after the log could not be written
_OF_RECORD: Final = re.compile(
    r"record (?P<position>[0-9]+): ", re.ASCII
)  # whom a refusal of a statement names
_BY_RULES: Final = frozenset({"not-endorsed", "rules-exceeded"})


class Signing:
    """Cuts what is queued into statements, signs them and puts them into the outbox. One thread runs it."""

    def __init__(self, access: Access, flow: Flow, signer: Unlocked, lookup: Lookup) -> None:
        self._access = access
        self._flow = flow
        self._signer = signer
        self._lookup = lookup
        self._lanes = LaneSigner(access.outbox, access.marker.log_id)

    @property
    def lookup(self) -> Lookup:
        """What is on its way from other processes."""
        return self._lookup

    @property
    def identity(self) -> LocalIdentity:
        """Who signs."""
        return self._signer.identity

    def run(self) -> None:
        """Until the batch is over. Raises what nobody can mend."""
        while items := self._flow.take():
            try:
                with self._access.view() as view:
                    groups = list(self._groups(view, self._due(view, items)))
            except InvariantBroken:
                raise
            except LineageError as error:  # those that were told of already are no more on their way
                self._flow.have_failed([item for item in items if self._flow.find(item.id) is item], error)
                continue
            for speaker, group in groups:
                self._put(speaker, group)

    def refused(self, lane: bytes) -> None:
        """The log refused something of a lane."""
        self._lanes.refused(lane)

    def _due(self, view: LogView, items: Sequence[Item]) -> list[Item]:
        """Those that do not stand in the log; the others are told so, what is to be kept of them being kept."""
        places = StandingPlaces(view)
        is_there = [places.find(item.id) is not None for item in items]
        there = [item for item, found in zip(items, is_there, strict=True) if found]
        for content in {content for item in there for content in item.keep}:
            self._access.content.put(content)
        for item in self._flow.were_placed(there):
            item.tell_receipt(receipt_of(view, item.id))
        return [item for item, found in zip(items, is_there, strict=True) if not found]

    def _groups(self, view: LogView, items: Sequence[Item]) -> Iterator[tuple[Speaker, list[Item]]]:
        """The items that the log would take, as far as is known here, in as many statements as its rules ask for."""
        if not items:
            return
        speaker = self._speaker(view)
        judge = Judge(view, self._flow, speaker, self._lookup)
        good = [item for item in items if judge.knows_parents(item) or judge.accepts(item)]
        if speaker.records_left is not None:
            left = max(0, speaker.records_left - sum(sent.count for sent in self._flow.sent()))
            self._flow.have_failed(good[left:], _count_exceeded())
            good = good[:left]
        by_doubts: dict[frozenset[bytes], list[Item]] = {frozenset(): []}
        for item in good:
            by_doubts.setdefault(item.doubts, []).append(item)
        for each in by_doubts.values():
            yield from ((speaker, group) for group in _groups(each, speaker.records_max, speaker.bytes_max))

    def _speaker(self, view: LogView) -> Speaker:
        """As the log has it now, with the keys in memory that it has in force. Raises RefusedInput `keys-not-in-force`."""
        identity = self._signer.identity
        speaker = speaker_in(view, identity, now_ms())
        if speaker.keyset == self._signer.keyset:
            return speaker
        keys = self._access.keys
        with suppress(RefusedInput, StoreFault):
            self._signer = keys.unlock(keys.find(identity.name), self._access.keyring.unasked())
        if speaker.keyset != self._signer.keyset:
            raise keys_not_in_force(identity)
        return speaker

    def _put(self, speaker: Speaker, items: Sequence[Item]) -> None:
        """Signs one statement. Whatever fails here fails for these items alone."""
        kept: list[bytes] = []
        try:
            for content in {content for item in items for content in item.keep}:
                if not self._is_kept(content):
                    kept.append(self._access.content.put(content))  # noqa: PERF401 - what a failure leaves is known
            self._keep_salts(items)
            records = [item.record for item in items]
            put = self._lanes.put(
                self._signer,
                speaker.key_event,
                speaker.delegation,
                records,
                is_alone=bool(items[0].doubts),
            )
        except InvariantBroken:
            raise
        except LineageError as error:
            for digest in kept:
                with suppress(StoreFault):
                    self._access.content.remove(digest)
            self._flow.have_failed(items, error)
        else:
            self._flow.were_sent(put, items)

    def _keep_salts(self, items: Sequence[Item]) -> None:
        """Salts are durable before what is sealed under them is signed (SPEC §10.8)."""
        sealed = [(item.id, item.seal) for item in items if item.seal is not None]
        if not sealed:
            return
        with self._access.keys.salts.writing() as salts:
            for artifact_id, seal in sealed:
                salts.add(artifact_id, seal.digest, Kept(artifact_id, seal.salt))
            salts.flush()

    def _is_kept(self, content: bytes) -> bool:
        return self._access.content.path(hashlib.sha256(content).digest()).exists()


class Judge:
    """Judges items as the log will, by what is known here, and fails those that it would refuse.

    A parent that nobody here knows may come from elsewhere, or not. What descends from it is in doubt, and is signed apart
    from all that is not: if it comes to be refused, when nobody may be there to sign the rest again, it is refused alone.
    """

    def __init__(self, view: LogView, flow: Flow, speaker: Speaker, lookup: Lookup | None) -> None:
        """`lookup` knows what is on its way from other processes; without, what is not known here does not come."""
        self._view = view
        self._flow = flow
        self._speaker = speaker
        self._lookup = lookup
        self._refused: set[bytes] = set()
        self._doubts: set[bytes] = set()  # of the item that is judged

    def knows_parents(self, item: Item) -> bool:
        """Whether all parents are on their way here still: then they were looked at when it was added."""
        parents = [parent for parent in map(self._flow.find, item.parents) if parent is not None]
        if len(parents) < len(item.parents):
            return False
        item.doubts = frozenset().union(*(parent.doubts for parent in parents))
        return True

    def accepts(self, item: Item) -> bool:
        """Whether it may be signed; if not, it has failed."""
        self._doubts = set()
        try:
            judge_record(decode_record(item.record), self._speaker.identity, self._view.log_id, self._find)
        except LineageError as error:
            self.refuse(item, error)
            return False
        item.doubts = frozenset(self._doubts)
        return True

    def refuse(self, item: Item, error: LineageError) -> None:
        """It has failed, and what names it as a parent fails with it."""
        self._refused.add(item.id)
        self._flow.have_failed([item], error)

    def _find(self, artifact_id: bytes) -> Standing | None:
        if artifact_id in self._refused:
            return None
        item = self._flow.find(artifact_id)
        if item is not None:
            self._doubts |= item.doubts
            return Standing(item.kind)
        standing = standing_under(self._view, artifact_id)
        if standing is None and self._lookup is not None:
            known = self._lookup.look_up([artifact_id]).get(artifact_id)
            if known is None:
                self._doubts.add(artifact_id)
            return UNREAD if known is None or known.form == "rows" else Standing(known.kind)
        return standing


class Answers:
    """Looks what became of what was put into the outbox. One thread runs it."""

    def __init__(self, access: Access, flow: Flow, signing: Signing, *, may_drain: bool) -> None:
        """`may_drain`: this process has opened the log's key."""
        self._access = access
        self._flow = flow
        self._signing = signing
        self._may_drain = may_drain
        self._next_try_s = 0.0
        self.fault: LineageError | None = None  # why the log could not be written the last time

    @property
    def may_come(self) -> bool:
        """Whether it is worth while to wait for an answer: this process can write the log."""
        return self._may_drain and self.fault is None

    def run(self) -> None:
        """Until nobody looks any more. Raises what nobody can mend."""
        pause_s = PAUSE_LEAST_S
        while (wanted := self._flow.await_news(pause_s)) is not None:
            self._drain()
            is_news = self._look()
            self._bring(wanted)
            pause_s = PAUSE_LEAST_S if is_news else min(2 * pause_s, PAUSE_MOST_S)

    def drain_rest(self, until_s: float) -> None:
        """When all of this batch is answered: appends what else waits in the outbox, if that can be done by then."""
        if self.may_come and self._access.outbox.waiting():
            self._drain_now(max(0, until_s - time.monotonic()))

    def _drain(self) -> None:
        if self._may_drain and self._flow.sent() and time.monotonic() >= self._next_try_s:
            self._drain_now(0)

    def _drain_now(self, wait_s: float) -> None:
        try:
            drain_here(self._access, wait_s=wait_s, most_s=DRAINING_MAX_S)
            self.fault = None
        except WriterBusy:
            pass
        except InvariantBroken:
            raise
        except LineageError as error:
            self.fault = error
            self._next_try_s = time.monotonic() + FAULT_PAUSE_S

    def _look(self) -> bool:
        """Whether anything was answered: what is not in the outbox any more stands in the log, or was refused."""
        gone: list[Sent] = []
        waiting: set[bytes] = set()  # lanes; what follows in them waits, too
        for sent in self._flow.sent():
            place = sent.put.place
            if place.lane in waiting or self._access.outbox.is_waiting(*place):
                waiting.add(place.lane)
            else:
                gone.append(sent)
        if not gone:
            return False
        answered: list[Sent] = []
        again: list[Item] = []
        try:
            with self._access.view() as view:
                for sent in gone:
                    again += self._answer(view, sent)
                    answered.append(sent)
        except StoreFault as fault:
            self.fault = fault
        finally:
            self._flow.again(again)
            self._flow.answered(answered)
        return bool(answered)

    def _answer(self, view: LogView, sent: Sent) -> list[Item]:
        """Tells the items of a statement that left the outbox; those that are to be signed again."""
        place = sent.put.place
        refusal = self._access.outbox.refusal(*place)
        if refusal is None and view.find_statement(sent.put.statement_id) is not None:
            for item in self._flow.were_placed(sent.items or ()):
                item.tell_receipt(receipt_of(view, item.id))
            return []
        items = self._items(sent)
        if refusal is None:
            self._flow.have_failed(items, _taken_away(self._access.outbox.folder))
            return []
        self._signing.refused(place.lane)
        return self._innocent(view, items, refusal)

    def _items(self, sent: Sent) -> Sequence[Item]:
        """The items of a statement; of one that was let go of, made anew from what was refused."""
        if sent.items is not None:
            return sent.items
        path = self._access.outbox.refused_path(*sent.put.place)
        try:
            if path is None:
                raise _taken_away(self._access.outbox.folder)
            parcel, _place = unpack(read_regular(path, PARCEL_BYTES_MAX))
            return [
                signed_item(self._flow, data) for _entry, records in parcel.statements for data in records
            ]
        except (StoreFault, RefusedInput) as error:
            self._flow.were_lost(sent.count, error)
            return ()

    def _innocent(self, view: LogView, items: Sequence[Item], refusal: Refusal) -> list[Item]:
        """Fails those for which a statement was refused; the others, which are to be signed again."""
        kind = PolicyDenied if refusal.code in _BY_RULES else RefusedInput
        error = kind(refusal.code, refusal.item, refusal.reason, refusal.fix)
        named = _OF_RECORD.match(refusal.item)
        good = list(items)
        if named is not None:
            own = kind(refusal.code, refusal.item[named.end() :], refusal.reason, refusal.fix)
            good = self._judged(view, items, int(named["position"]), own)
        elif refusal.code != "lane-broken":
            good = []
            self._flow.have_failed(items, error)
        late = [item for item in good if item.tries >= BATCH_TRIES_MAX]
        self._flow.have_failed(late, error)
        return [item for item in good if item.tries < BATCH_TRIES_MAX]

    def _judged(self, view: LogView, items: Sequence[Item], named: int, error: LineageError) -> list[Item]:
        """Those without fault in a statement that was refused for the item at `named`."""
        try:
            speaker = speaker_in(view, self._signing.identity, now_ms())
        except (RefusedInput, PolicyDenied) as silenced:
            self._flow.have_failed(items, silenced)
            return []
        lookup = None if error.code == "parent-unknown" else self._signing.lookup
        judge = Judge(view, self._flow, speaker, lookup)
        good = []
        for position, item in enumerate(items):
            if not judge.accepts(item):
                continue
            if position == named:
                judge.refuse(item, error)
            else:
                good.append(item)
        return good

    def _bring(self, wanted: Sequence[Item]) -> None:
        """The receipts that were asked for late."""
        for item in wanted:
            bring_receipt(self._access, item)


def bring_receipt(access: Access, item: Item) -> None:
    """Tells whoever waits for the receipt of an item: its text, or that it waits, or why it cannot be read."""
    try:
        with access.view() as view:
            text = receipt_of(view, item.id)
    except NotFound:
        item.tell_receipt(error=waits(item.id))
    except LineageError as error:
        item.tell_receipt(error=error)
    else:
        item.tell_receipt(text)


def opens_log_key(access: Access) -> bool:
    """Whether the log's key can be opened here without asking anybody; it is open then. Raises RefusedInput, StoreFault."""
    try:
        access.keyring.unasked().secret(access.keys.log_key_file)
    except RefusedInput as error:
        if error.code in NOT_HERE:
            return False
        raise
    return True


def _groups(items: Sequence[Item], records_max: int, bytes_max: int) -> Iterator[list[Item]]:
    """Items in order, in groups that one statement may sign."""
    group: list[Item] = []
    size_bytes = 0
    for item in items:
        if group and (len(group) >= records_max or size_bytes + len(item.record) > bytes_max):
            yield group
            group, size_bytes = [], 0
        group.append(item)
        size_bytes += len(item.record)
    if group:
        yield group


def _count_exceeded() -> RefusedInput:
    return RefusedInput(
        "scope-exceeded",
        "delegation",
        "its count of records is used up",
        "Let the anchor delegate anew.",
    )


def _taken_away(folder: Path) -> StoreFault:
    return StoreFault(
        "outbox-damaged",
        str(folder),
        "what was signed is not there any more, and the log does not hold it",
        "Find out who took it away, and sign it again.",
    )

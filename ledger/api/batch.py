"""A batch: artifacts from many threads and tasks, signed in the background by as few statements as fit (SPEC §5.3, §10.5).

    with l.batch(by="ada") as b:
        item = b.add("a text")          # returns at once; item.id is known
        item.signed.result()            # its statement is durable: whatever dies now, it is not lost
        item.receipt.result()           # the log holds it

`add` is the one way in. `Ledger.sign` inside of the block signs as it does outside: it answers with places in the log, which
a batch does not know when it returns, so that collecting it silently would change what it says.

A batch needs neither the writer's lock nor the log's key. It signs in a lane of its own process, into the outbox of the
ledger, and is told signed when that is durable. If this process can open the log's key without asking, and nobody else
writes, it appends what waits there, its own and others'; else whoever can does.

When the block ends, all that was added is signed. What could not be raises; so does what the log refused, unless whoever
asked for its future has heard of it. What the log does not hold by then is not lost and not hidden: its receipt says
`receipt-waits`.

A forked child does not go on with its parent's batch: what was added before belongs to the parent. What the child adds is
signed in a lane and by threads of its own; since no block ends there, it flushes itself, or lets multiprocessing do it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import Token
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from ledger import spec
from ledger.api import active
from ledger.api.access import Access
from ledger.api.around import now_ms
from ledger.api.batch_flow import Cut, Flow, ended
from ledger.api.batch_item import Item
from ledger.api.batch_work import Answers, Signing, bring_receipt, opens_log_key
from ledger.api.claimants import Claimants
from ledger.api.given import Given, Named, content_given, parents_given, share_given
from ledger.api.known import Known, Lookup
from ledger.api.speaker import Speaker, speaker_in
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.fold.records import UNREAD, judge_record
from ledger.merkle.tree import hash_leaf
from ledger.signer.claims import Claim, Claimant
from ledger.signer.keystore import Unlocked
from ledger.signer.signing import keys_not_in_force, standing_of
from ledger.statements import legal
from ledger.statements.record import Record

_LOOK_S: Final = 0.1  # between two looks whether it is worth while to wait longer


class Batch:
    """Made by `Ledger.batch`; see the module. Use it `with`, or `async with`."""

    def __init__(
        self,
        access: Access,
        by: str,
        *,
        records: int = spec.BATCH_RECORDS,
        size_bytes: int = spec.STATEMENT_RECORDS_BYTES_MAX,
        age_s: float = spec.BATCH_AGE_S,
        wait_s: float | None = None,
    ) -> None:
        """As `Ledger.batch`."""
        self.by: Final = by
        self._access = access
        self._wait_s = wait_s
        cut = Cut(
            max(1, min(records, spec.STATEMENT_RECORDS_MAX)),
            max(1, min(size_bytes, spec.STATEMENT_RECORDS_BYTES_MAX)),
            max(0.0, age_s),
        )
        self._flow = Flow(cut, lambda item: bring_receipt(access, item))
        self._lookup = Lookup(access, self._flow.find, lambda: self.maker)
        self._starting = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._answers: Answers | None = None
        self._signer: Unlocked | None = None
        self._speaker: Speaker | None = None
        self._may_drain = False
        self._is_child = False
        self._claimants = Claimants(self._claimant, self._check)
        self._token: Token[Any] | None = None

    # What it takes

    def add(
        self,
        content: Any,
        *,
        kind: str | None = None,
        parents: Iterable[Named] = (),
        human: float | str | None = None,
        machine: float | str | None = None,
        media: str | None = None,
        made: int | None = None,
        rights: dict[str, str] | None = None,
        source: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
        reported: bool = False,
        author: str | None = None,
    ) -> Item:
        """Adds an artifact, and returns at once; from any thread or task.

        `content`: a str is text, bytes are bytes, a `Path` is a file, anything else is a JSON value. `parents`: ids, rows
        (id, row_index), what `add` returned, "RELATION=ID@SHARE", or `Parent`. Shares are ppm (an int), "70%" or 0.7; all else
        as of `Claim`. What is on its way already is returned as it is.

        Raises RefusedInput for whatever SPEC §4 or the delegation's scope forbids, as far as that is known here. It waits only
        while `spec.BATCH_QUEUE_RECORDS_MAX` artifacts wait for the disk (StoreFault `batch-full` if that takes a minute);
        in a coroutine, `asyncio.to_thread` waits elsewhere.
        """
        given = content_given(content, kind, media)
        claim = Claim(
            kind=kind,
            human=share_given(human),
            machine=share_given(machine),
            reported=reported,
            author=author,
            made=made,
            rights=rights or {},
            source=source or {},
            facts=facts or {},
        )
        if parents:
            kind = self._claimants.kind_of(claim)
            claim = replace(claim, parents=parents_given(parents, kind, self.kind_of))
        return self.take(given, claim)

    def take(self, given: Given, claim: Claim) -> Item:
        """Adds a content that was read, under a claim. Raises as `add`."""
        record, kind = self._claimants.record(given, claim)
        for parent in claim.parents:
            item = self._flow.find(parent.id)
            if item is not None:
                legal.check_relation(kind, parent.rel, item.kind, f"parent {parent.id.hex()[:16]}")
        item = Item(
            self._flow,
            hash_leaf(record),
            record,
            kind,
            given.form,
            given.digest,
            parents=tuple(parent.id for parent in claim.parents),
            keep=given.keep,
            seal=given.seal,
        )
        self._start()
        return self._flow.add(item)[0]

    def flush(self) -> None:
        """Returns when all that was added before is signed, durable. Raises as the block's end does, if something is not."""
        self._flow.flush()
        failure = self._failure(unsigned_only=True)
        if failure is not None:
            raise failure

    def find(self, artifact_id: bytes) -> Item | None:
        """An artifact of this batch that the log is not known to hold yet."""
        return self._flow.find(artifact_id)

    def kind_of(self, artifact_id: bytes) -> str:
        """The kind of an artifact of this batch that is on its way; "" of all others."""
        item = self._flow.find(artifact_id)
        return item.kind if item is not None else ""

    def look_up(self, ids: Iterable[bytes]) -> dict[bytes, Known]:
        """What these artifacts are, wherever they are by now: those that are known."""
        return self._lookup.look_up(ids)

    def by_content(self, form: str, digest: bytes) -> list[tuple[bytes, int | None]]:
        """The artifacts of the log with this content; if there are none, the rows of imported datasets: (id, row_index)."""
        return self._lookup.by_content(form, digest)

    def salt_of(self, artifact_id: bytes) -> bytes | None:
        """The salt of a sealed artifact, if this machine keeps it."""
        return self._access.keys.salts.salt_of(artifact_id)

    @property
    def maker(self) -> bytes:
        """The id (32 bytes) of the identity that signs. Raises RefusedInput `batch-ended` outside of the block."""
        return self._open_speaker().identity.id

    @property
    def is_inherited(self) -> bool:
        """Whether this process was forked from the one that opened it, so that no block ends here."""
        return self._is_child

    # Its block

    def __enter__(self) -> Self:
        self._open()
        self._enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._close(error)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        self._enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        await asyncio.to_thread(self._close, error)

    def _open(self) -> None:
        """Whatever keeps it from signing is told before anything is added."""
        access = self._access
        access.check_writable()
        if self._signer is not None:
            raise ended()
        signer = access.unlock(self.by)
        with access.view() as view:
            is_enrolled = view.identity(signer.identity.id) is not None
        if not is_enrolled and signer.identity.pending_enrolment() is not None:
            with access.door() as door:
                standing_of(door, signer.identity)
        with access.view() as view:
            speaker = speaker_in(view, signer.identity, now_ms())
        if speaker.keyset != signer.keyset:
            raise keys_not_in_force(signer.identity)
        self._may_drain = opens_log_key(access)
        self._signer, self._speaker = signer, speaker
        active.OPEN.add(self)
        try:
            self._start()
        except BaseException:
            active.OPEN.discard(self)
            raise

    def _enter(self) -> None:
        self._token = active.enter(self)

    def _leave(self) -> None:
        active.leave(self._token)
        self._token = None

    def _close(self, error: BaseException | None) -> None:
        """Signs what was added, waits for answers if that is worth while, ends the threads; raises what nobody heard of."""
        flow = self._flow
        flow.end()
        try:
            with suppress(LineageError):  # told below
                flow.flush()
            if error is None:
                self._await_answers(time.monotonic() + self._patience_s())
        finally:
            flow.look_no_more()
            for thread in self._threads[1:]:
                thread.join()
            flow.over()
            for thread in self._threads[:1]:
                thread.join()
            active.OPEN.discard(self)
        failure = self._failure()
        if failure is not None and error is not None:
            error.add_note(f"And of the batch: {failure}")
        elif failure is not None:
            raise failure

    def _patience_s(self) -> float:
        """How long the end of the block waits for the log."""
        if self._wait_s is not None:
            return self._wait_s
        return self._access.wait_s if self._answers is not None and self._answers.may_come else 0

    def _await_answers(self, until_s: float) -> None:
        """Waits as long as answers may come; then takes along what others left, forked workers for one."""
        answers = self._answers
        if answers is None:
            return
        while not self._flow.await_answers(max(0, min(_LOOK_S, until_s - time.monotonic()))):
            is_vain = self._flow.is_broken or not (answers.may_come or self._wait_s)
            if is_vain or time.monotonic() >= until_s:
                return
        answers.drain_rest(until_s)

    def _failure(self, *, unsigned_only: bool = False) -> LineageError | None:
        count, first = self._flow.unheard(unsigned_only=unsigned_only)
        if first is None and not unsigned_only and self._answers is not None and self._flow.left_behind:
            first = self._answers.fault  # signed, and the log cannot be written
        if first is None or not count:
            return first
        return type(first)(
            first.code,
            f"{count} artifact{'s' if count > 1 else ''} of the batch of '{self.by}'",
            f"the first: {first.item}: {first.reason}",
            first.fix,
        )

    # Its threads

    def _start(self) -> None:
        """Starts the threads of this process, if they do not run yet."""
        if self._threads or self._signer is None:
            return
        with self._starting:
            if self._threads:
                return
            signing = Signing(self._access, self._flow, self._signer, self._lookup)
            self._answers = Answers(self._access, self._flow, signing, may_drain=self._may_drain)
            threads = [self._thread("signs", signing.run), self._thread("looks", self._answers.run)]
            for thread in threads:
                self._flow.thread_began()
                try:
                    thread.start()
                except RuntimeError as error:  # the system grants no more of them
                    self._flow.thread_ended(error)
                    raise
            self._threads = threads
            if self._is_child:
                _at_end_of_child(self)

    def _thread(self, name: str, run: Callable[[], None]) -> threading.Thread:
        return threading.Thread(
            target=self._run, args=(run,), name=f"lineage batch of {self.by} ({name})", daemon=True
        )

    def _run(self, run: Callable[[], None]) -> None:
        """A thread that never ends without telling who waits for it."""
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - everybody who waits is told, and the block's end raises it
            self._flow.thread_ended(error)
        else:
            self._flow.thread_ended(None)

    # What it says of what it takes

    def _open_speaker(self) -> Speaker:
        if self._speaker is None:
            raise ended()
        return self._speaker

    def _claimant(self, claim: Claim) -> Claimant:
        identity, access = self._open_speaker().identity, self._access
        return Claimant(
            identity.id,
            identity.role,
            claim,
            lambda: access.keys.pseudonym_secret(access.keys.find(self.by), access.keyring),
        )

    def _check(self, fields: dict[str, Any]) -> None:
        """Whether its signer may make such records; of their parents only what each says of itself."""
        try:
            self._judge(fields)
        except RefusedInput as error:
            if error.code != "scope-exceeded" or self._signer is None:
                raise
            with self._access.view() as view:  # its anchor may have delegated it anew
                self._speaker = speaker_in(view, self._signer.identity, now_ms())
            self._judge(fields)

    def _judge(self, fields: dict[str, Any]) -> None:
        signer = self._open_speaker().identity
        judge_record(Record(b"", fields, b""), signer, self._access.marker.log_id, lambda _id: UNREAD)

    def leave_parent(self) -> None:
        """In a forked child: what is on its way is the parent's; what is added here is signed here."""
        self._starting = threading.Lock()
        self._threads, self._answers = [], None
        self._may_drain = False  # the store is open for reading only here
        self._is_child = True
        self._lookup.renew()
        self._claimants.renew()
        self._flow.leave_parent(
            StoreFault(
                "batch-of-parent",
                f"batch of '{self.by}'",
                "it was added before this process was forked: its answer comes to the parent",
                "Ask in the parent, or the ledger: l.receipt(id).",
            )
        )


def _at_end_of_child(batch: Batch) -> None:
    """A forked child ends without a block: what it added is signed before, if it ends in order."""
    atexit.register(batch.flush)
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # whose children run no atexit
        util.Finalize(None, batch.flush, exitpriority=100)


def _after_fork_in_child() -> None:
    for batch in list(active.OPEN):
        batch.leave_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

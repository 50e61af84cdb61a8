"""One replay of the entries at hand, in log order, by the log's own transition function (SPEC §12).

Who spoke for whom depends on all that stood before: keys that were rotated, delegations that ended, lists that admit.
So the entries that a trace needs are folded together, once, as if they were the log; `ledger.proofs.partial` says what
they are granted. The clock and the fold number are asked only where something depends on them, since each answer
takes the next `state`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger.errors import PolicyDenied, RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Identity
from ledger.fold.state import FoldState
from ledger.fold.subjects import FindSubject, judge_subject
from ledger.fold.transition import advance
from ledger.identity.keyset import signing_keys
from ledger.identity.life import KeyEvent
from ledger.proofs.facts import Disowning
from ledger.proofs.partial import CLOCK_UNKNOWN_MS, judge_partially, take_plain
from ledger.proofs.traced import TracedLog
from ledger.statements import words
from ledger.statements.entry import Entry
from ledger.statements.statement import Statement, decode_statement

_CUTTING = frozenset({"rotate", "recover", "retire"})
_SUBJECTS_OF = frozenset({"attest", "notice"})


_Rows = Mapping[bytes, Sequence[int | None]]
_NO_ROWS: Final[_Rows] = MappingProxyType({})


class Spoken(NamedTuple):
    """An ordinary entry as it was judged where it stands.

    `signer` as of the entry (None: not enrolled then), `signed_by` his public keys that signed it. `rows`: of an
    attestation or notice, by artifact id that is asked about, the rows that are its subjects without fault; None: the whole.
    `doubtful`: likewise of artifacts that stand at no place at hand before it, but do behind it: who has not the whole log
    cannot know whether they stood (SPEC §12).
    """

    log_index: int
    statement: Statement
    signer: Identity | None
    signed_by: tuple[bytes, ...] = ()
    fault: Fault | None = None
    rows: _Rows = _NO_ROWS
    doubtful: _Rows = _NO_ROWS


class PartialReplay:
    """The `state` behind all `entries`, and what each ordinary one of them is worth. Raises as TracedLog does."""

    def __init__(
        self,
        log: TracedLog,
        entries: Mapping[int, Entry],
        asked: frozenset[bytes],
        find: FindSubject,
        find_behind: FindSubject,
        spoken: dict[int, Spoken],
    ) -> None:
        """Replays `entries`, the genesis among them, and fills `spoken` with the ordinary ones, by log index.

        `asked`: the artifacts whose attestations and notices are judged; for one of them `find` is asked, who knows by
        `spoken` what stood before, then `find_behind`, who tells it wherever it stands.
        """
        self.state = FoldState(log.log_id)
        self.spoken = spoken
        self._log = log
        self._asked = asked
        self._find = find
        self._find_behind = find_behind
        self._clock_ms = CLOCK_UNKNOWN_MS  # the greatest so far: no state turns it back
        self._cut: set[bytes] = set()  # whose keys were ever cut, or may be: nobody else's word is disowned
        self._is_anybody_accused = False
        recovered: list[bytes] = []
        for log_index in sorted(entries):
            entry = entries[log_index]
            if self._take_plain(log_index, entry):
                continue
            self._step(log_index, entry)
            statement = entry.statement
            if statement.type == "evidence":
                self._is_anybody_accused = True
            elif statement.type == "recover":
                recovered.append(statement.by)
            elif statement.type in _CUTTING and "compromised" in statement.body:
                self._cut.add(statement.by)
        self._cut.update(recovered)
        for identity_id in recovered:
            self._look_for_its_time(identity_id)

    def _look_for_its_time(self, identity_id: bytes) -> None:
        """A clock that reached a `recover` once stays there, whatever time a later state tells (SPEC §9.5)."""
        identity = self.state.identity(identity_id)
        if identity is not None and identity.before is not None:
            self._log.clock_reaching(identity.last.log_index, identity.last.due_ms)

    def disowning(self, spoken: Spoken) -> Disowning | None:
        """By what a statement in order is disowned as of the checkpoint, itself or with its delegation (SPEC §7.4).

        How late it was asks for the clock, there and where it took effect.
        """
        found = self._disowned_by(spoken)
        return None if found is None else self._disowned(spoken, found[0], is_suspect=found[1])

    def is_disowned(self, spoken: Spoken) -> bool:
        """Whether there is such a disowning; how late it was is nobody's matter."""
        return self._disowned_by(spoken) is not None

    def _disowned_by(self, spoken: Spoken) -> tuple[KeyEvent, bool] | None:
        """The key event that disowns a statement, and whether it is by its delegation."""
        signer = spoken.signer
        if not self._cut or signer is None or not (signer.id in self._cut or signer.anchor in self._cut):
            return None
        event = self.own_disowning(spoken)
        if event is not None:
            return event, False
        given = signer.delegation
        if given is None or signer.anchor is None:
            return None
        event = self.state.disowned_by(signer.anchor, given.log_index, given.signed_by, self._log.clock_ms)
        return None if event is None else (event, True)

    def own_disowning(self, spoken: Spoken) -> KeyEvent | None:
        """The key event of its signer by which a statement in order is disowned as of the checkpoint."""
        if spoken.signer is None:
            return None
        return self.state.disowned_by(
            spoken.signer.id, spoken.log_index, spoken.signed_by, self._log.clock_ms
        )

    def contested(self, spoken: Spoken) -> int | None:
        """The log index of the evidence of a fork under the key event that signed, until another is in force.

        A `retire` ends nothing there (SPEC §7.5).
        """
        signer = self.state.identity(spoken.statement.by) if self._is_anybody_accused else None
        if signer is None:
            return None
        last = self.state.spoke_last(signer, self._log.clock_ms)
        return self.state.contested(last.id) if last.id == spoken.statement.key else None

    def taken_effect(self, event: KeyEvent) -> int:
        """The clock (ms) where a key event that was in force by the checkpoint came into force."""
        if event.type != "recover":
            return self._log.clock_at(event.log_index)
        reached = self._log.clock_reaching(event.log_index, event.due_ms)
        return self._log.clock_ms if reached is None else reached

    def _disowned(self, spoken: Spoken, event: KeyEvent, *, is_suspect: bool) -> Disowning:
        late_ms = self.taken_effect(event) - self._log.clock_at(spoken.log_index)
        late_entries = max(event.log_index - spoken.log_index, 0)
        return Disowning(event.id, event.log_index, late_entries, max(late_ms, 0), is_suspect)

    def _take_plain(self, log_index: int, entry: Entry) -> bool:
        """Whether an entry is one of most, in order: then it is taken in."""
        statement = entry.statement
        if statement.type != "artifacts":
            return False
        signer = self.state.identity(statement.by)
        if signer is None or not take_plain(self.state, log_index, entry, signer, self._log.check_signatures):
            return False
        signed_by = signing_keys(entry, signer.last.keyset)
        self.spoken[log_index] = Spoken(log_index, statement, signer, signed_by)
        return True

    def _step(self, log_index: int, entry: Entry) -> None:
        state, statement = self.state, entry.statement
        header, kind = state.header, statement.type
        if kind not in words.TYPES_BUILT[header.fold_number]:
            header.fold_number = max(header.fold_number, self._log.fold_at(log_index))
        signer = None if kind in words.TYPES_BARE else state.identity(statement.by)
        clock_ms = CLOCK_UNKNOWN_MS
        if kind == "recover" or (signer is not None and self._needs_clock(statement, signer)):
            clock_ms = self._clock_ms = max(self._clock_ms, self._log.clock_at(log_index))
        if kind not in words.TYPES_ORDINARY:
            signer = None
        fault: Fault | None = None
        signed_by: tuple[bytes, ...] = ()
        rows = doubtful = _NO_ROWS
        try:
            judge_partially(state, log_index, entry, clock_ms, self._log.check_signatures)
            if signer is not None:
                signed_by = signing_keys(entry, signer.in_force(clock_ms).keyset)
                if kind in _SUBJECTS_OF:
                    rows, doubtful = self._rows(statement)
        except (RefusedInput, PolicyDenied) as error:
            fault = fault_of(error, log_index)
        advance(state, log_index, entry, clock_ms, in_order=fault is None)
        if kind in words.TYPES_ORDINARY:
            self.spoken[log_index] = Spoken(log_index, statement, signer, signed_by, fault, rows, doubtful)

    def _rows(self, statement: Statement) -> tuple[_Rows, _Rows]:
        """Of the artifacts asked about, what are subjects without fault; and what may be such."""
        rows: dict[bytes, list[int | None]] = {}
        doubtful: dict[bytes, list[int | None]] = {}
        for subject in statement.body["subjects"]:
            if subject[0] in self._asked:
                stands = self._find(subject[0]) is not None
                try:
                    judge_subject(self.state, statement, subject, self._find if stands else self._find_behind)
                except RefusedInput:
                    continue
                found = rows if stands else doubtful
                found.setdefault(subject[0], []).append(subject[1] if len(subject) == 2 else None)
        return rows, doubtful

    def _accused(self, statement: Statement) -> Identity | None:
        return self.state.identity(decode_statement(statement.body["first"][0]).by)

    def _needs_clock(self, statement: Statement, signer: Identity) -> bool:
        """Whether something that is judged here, or that follows from it, depends on the clock."""
        if signer.before is not None or (signer.delegation is not None and self._may_end(signer)):
            return True
        if statement.type == "evidence":
            accused = self._accused(statement)
            return accused is not None and accused.before is not None
        return self.state.header.rules["mode"] != "open" and self._ends_admission(signer)

    def _may_end(self, signer: Identity) -> bool:
        """Whether a delegation in force ends by the clock, or comes to be disowned by it."""
        if signer.delegation is None or signer.anchor is None:
            return False
        anchor = self.state.identity(signer.anchor)
        return "until" in (signer.delegation.scope or {}) or (
            anchor is not None and anchor.before is not None
        )

    def _ends_admission(self, signer: Identity) -> bool:
        """Whether an endorsement by which an allow-list may admit ends by the clock, or comes to be disowned by it."""
        for registrar in self.state.header.rules.get("registrars", ()):
            issuer = self.state.identity(registrar)
            is_pending = issuer is not None and issuer.before is not None
            for found in self.state.endorsements(signer.anchor or signer.id, registrar):
                if is_pending or found.until is not None:
                    return True
                if not self.state.is_disowned(registrar, found.log_index, found.signed_by, CLOCK_UNKNOWN_MS):
                    break  # it counts, and no earlier one
        return False

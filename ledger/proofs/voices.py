"""What is said of artifacts and identities, and counts as of the checkpoint (SPEC §7.4, §7.6, §8.2).

What is disowned is left out first; then the latest of each issuer counts. What an issuer could say only because the
rules listed him counts while they list him.

Who leaves an earlier place of an artifact out must not undo by that what was said against it in between. So what names an
artifact that stands only behind it, as far as is at hand, counts if it speaks against it, and else does not (SPEC §12).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from ledger.fold.authority import counting_endorsement, is_listed
from ledger.fold.subjects import answerable_for
from ledger.fold.topics import Topic
from ledger.proofs.facts import Attestation, Grade, Notice
from ledger.proofs.gather import Gathering, Said
from ledger.proofs.replay import PartialReplay, Spoken
from ledger.proofs.traced import TracedLog
from ledger.spec import ERASE_WAIT_S
from ledger.statements import words

_WAIT_MS: Final = ERASE_WAIT_S * 1_000


@dataclass(frozen=True, slots=True)
class About:
    """An artifact, who answers for it (its maker, or a pair's anchor), and where things are said of it."""

    artifact_id: bytes
    answerable: bytes | None
    said: Said


class Voices:
    """What counts, by the entries that a replay has judged. Raises ProofInvalid as TracedLog does."""

    def __init__(
        self, log: TracedLog, gathering: Gathering, replay: PartialReplay, accept: frozenset[bytes]
    ) -> None:
        self._log = log
        self._gathering = gathering
        self._replay = replay
        self._accept = accept
        self._grades: dict[bytes, tuple[tuple[Grade, ...], int]] = {}
        self._delistings: dict[int, int | None] = {}  # one `erase` may name hundreds of artifacts

    def notices(self, about: About) -> tuple[Notice, ...]:
        """The holds, retractions, erasures and disputes that count, in log order."""
        if not about.said.notices:
            return ()
        counting = [
            spoken for spoken in self._spoken(about.said.notices) if not self._replay.is_disowned(spoken)
        ]
        released = {
            (spoken.statement.body["cancels"], row)
            for spoken in counting
            if spoken.statement.body["act"] == "release"
            for row in spoken.rows.get(about.artifact_id, ())
        }
        found = []
        for spoken in counting:
            statement, body = spoken.statement, spoken.statement.body
            if body["act"] == "release" or not self._is_entitled(spoken, about):
                continue
            found += [
                Notice(statement.id, spoken.log_index, statement.by, body["act"], body.get("reason"), row)
                for row in self._rows(spoken, about)
                if (statement.id, row) not in released
            ]
        return tuple(found)

    def attestations(self, about: About) -> tuple[Attestation, ...]:
        """Of each issuer the latest on a subject and claim, in log order."""
        latest: dict[tuple[Any, ...], Attestation] = {}
        for spoken in self._spoken(about.said.attestations):
            if self._replay.is_disowned(spoken):
                continue
            statement, body = spoken.statement, spoken.statement.body
            for row in self._rows(spoken, about):
                latest[statement.by, body["claim"], row] = Attestation(
                    statement.id,
                    spoken.log_index,
                    statement.by,
                    body["claim"],
                    body["result"],
                    row,
                    **self._issuer(spoken),
                )
        return tuple(sorted(latest.values(), key=_place_of))

    def _issuer(self, spoken: Spoken) -> dict[str, Any]:
        """What an attestation says of who said it."""
        if spoken.signer is None:
            return {}
        return {
            "role": spoken.signer.role,
            "anchor": spoken.signer.id if spoken.signer.role == "human" else spoken.signer.anchor,
            "contested": self._replay.contested(spoken) is not None,
            "endorsements": self.grades(spoken.signer.id)[0],
        }

    def rescuers(self, attestations: Iterable[Attestation], answerable: bytes | None) -> tuple[bytes, ...]:
        """Whose attestations rescue a disowned place of an artifact that is `answerable`'s (SPEC §7.4), ascending."""
        return tuple(
            sorted(
                found.by
                for found in attestations
                if found.by in self._accept
                and (found.claim, found.result, found.row) == ("authorship", "confirmed", None)
                and answerable_for(self._replay.state, found.by) != answerable
            )
        )

    def grades(self, subject: bytes) -> tuple[tuple[Grade, ...], int]:
        """The endorsements of an identity that count, by issuer; and how many others endorse it, unverified."""
        if subject not in self._grades:
            issuers, others = self._gathering.issuers(subject)
            found = [grade for issuer in issuers if (grade := self._grade(subject, issuer)) is not None]
            self._grades[subject] = tuple(found), others
        return self._grades[subject]

    def asked_to_erase(self, about: About) -> bool:
        """Whether a record may be missing: an `erase` of the whole of it stood for a week (SPEC §8.2)."""
        for spoken in self._spoken(about.said.notices):
            if spoken.statement.body["act"] == "erase" and None in spoken.rows.get(about.artifact_id, ()):
                due_ms = self._log.clock_at(spoken.log_index) + _WAIT_MS
                reached_ms = self._log.clock_reaching(spoken.log_index, due_ms)
                if reached_ms is not None and not (
                    self._was_disowned(spoken, due_ms, reached_ms)
                    or self._was_delisted(spoken, about, due_ms)
                ):
                    return True
        return False

    def _spoken(self, indices: Iterable[int]) -> list[Spoken]:
        """What was said there; of one at fault no subject is without fault."""
        return [self._replay.spoken[log_index] for log_index in indices]

    def _rows(self, spoken: Spoken, about: About) -> Iterator[int | None]:
        """The rows of an artifact, or None for the whole of it, of which it is said so that it may count."""
        yield from spoken.rows.get(about.artifact_id, ())
        is_against = spoken.statement.type == "notice" or spoken.statement.body["result"] == "refuted"
        if is_against and about.answerable is not None:
            yield from spoken.doubtful.get(about.artifact_id, ())

    def _is_entitled(self, spoken: Spoken, about: About) -> bool:
        """Whether the issuer may say it still: some may only while they are listed."""
        statement = spoken.statement
        is_own = statement.body["act"] not in words.ACTS_OF_THE_LISTED and statement.by == about.answerable
        return is_own or is_listed(self._replay.state, statement.by)

    def _grade(self, subject: bytes, issuer: bytes) -> Grade | None:
        state = self._replay.state
        found = counting_endorsement(state, issuer, subject, self._log.clock_ms)
        if found is None:
            return None
        listed = issuer in state.header.rules.get("registrars", ())
        return Grade(subject, issuer, found.grade, found.method, found.until, found.log_index, listed)

    def _was_disowned(self, spoken: Spoken, due_ms: int, reached_ms: int) -> bool:
        """Whether an `erase` was disowned by where the clock reached `due_ms`; it jumped to `reached_ms` there."""
        event = self._replay.own_disowning(spoken)
        if event is None:
            return False
        if event.type == "recover":  # in force without an entry
            return self._replay.taken_effect(event) <= reached_ms
        return self._log.clock_at(event.log_index) < due_ms

    def _was_delisted(self, spoken: Spoken, about: About, due_ms: int) -> bool:
        """Whether the issuer, who answers not for the artifact, was taken off the lists before `due_ms`."""
        if spoken.statement.by == about.answerable:
            return False
        if spoken.log_index not in self._delistings:
            self._delistings[spoken.log_index] = self._delisted_at(spoken)
        log_index = self._delistings[spoken.log_index]
        return log_index is not None and self._log.clock_at(log_index) < due_ms

    def _delisted_at(self, spoken: Spoken) -> int | None:
        """The log index of the first rules behind a statement that do not list its issuer."""
        for log_index, entry in self._log.topic(Topic.RULES, self._log.log_id):
            said = self._replay.spoken.get(log_index)
            if log_index < spoken.log_index or said is None or said.fault is not None:
                continue
            body = entry.statement.body
            if spoken.statement.by not in (*body.get("registrars", ()), *body.get("curators", ())):
                return log_index
        return None


def _place_of(found: Attestation) -> tuple[int, int]:
    return found.log_index, -1 if found.row is None else found.row

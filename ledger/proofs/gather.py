"""Which entries of a log a trace needs: the smallest set that decides who spoke for whom (SPEC §12).

Completeness comes from status proofs: of each topic asked for, all entries are at hand. What is taken from them is
what can have an effect on the ancestry. So no number of strangers who endorse, attest and accuse makes a trace slow:
their endorsements and attestations are counted, their notices have no effect, and none of their keys is looked up. Whoever
lets registrars say whose attestations count has one topic more to read for each stranger, once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from ledger.fold.topics import Topic
from ledger.proofs.traced import Placed, TracedLog
from ledger.statements.entry import Entry


class Said(NamedTuple):
    """The log indices of notices and attestations that may count, ascending; how many others attest something."""

    notices: tuple[int, ...]
    attestations: tuple[int, ...]
    attested_by_others: int


NOTHING: Final = Said((), (), 0)
_ON_ARTIFACTS: Final = (Topic.NOTICES, Topic.ATTESTATIONS)


class Gathering:
    """The entries of one trace, by log index, closed under *who signed that*. Raises ProofInvalid as TracedLog does.

    `accept`: the identities whose word the verifier takes; `graders`: those whose endorsement makes him listen to an
    attestation. `registrars` and `curators` of any rules are listened to.
    """

    def __init__(
        self, log: TracedLog, accept: frozenset[bytes], graders: frozenset[bytes] = frozenset()
    ) -> None:
        self.entries: dict[int, Entry] = {}
        self._log = log
        self._waiting: list[bytes] = []
        self._speakers: set[bytes] = set()
        self._subjects: set[bytes] = set()
        self._anchors: dict[bytes, bytes | None] = {}
        rules = log.topic(Topic.RULES, log.log_id)
        operator = rules[0][1].statement.by  # the genesis
        rules = tuple(item for item in rules if item[1].statement.by == operator)
        bodies = [entry.statement.body.get("rules", entry.statement.body) for _, entry in rules]
        self._listed = frozenset(
            identity
            for body in bodies
            for name in ("registrars", "curators")
            for identity in body.get(name, ())
        )
        self._is_listening = self._listed | accept | graders
        self._graders = graders
        self._heard: dict[bytes, bool] = {}
        self._ever_closed = any(body["mode"] != "open" for body in bodies)
        self._take(rules)
        self._waiting += self._listed
        self._close()

    def add(self, log_index: int, entry: Entry) -> None:
        """An entry of the ancestry itself, and all that says who its signer was and what is said of him."""
        by = entry.statement.by
        if by in self._subjects and not self._waiting:  # all of that is at hand
            self.entries.setdefault(log_index, entry)
            return
        self._take([(log_index, entry)])
        self._add_subject(by)
        self._close()

    def anchor_of(self, identity_id: bytes) -> bytes | None:
        """The anchor that a pair names in its enrolment; None for whoever is no pair."""
        if identity_id not in self._anchors:
            events = self._log.topic(Topic.KEY_EVENTS, identity_id)
            births = [entry.statement for _, entry in events if entry.statement.id == identity_id]
            self._anchors[identity_id] = births[0].body.get("of") if births else None
        return self._anchors[identity_id]

    def about_artifact(self, artifact_id: bytes, makers: Collection[bytes]) -> Said:
        """What is said of an artifact that may count; `makers`: whoever may be its maker."""
        if self._log.is_silent(_ON_ARTIFACTS, artifact_id):  # most often
            return NOTHING
        placed = self._log.topic(Topic.NOTICES, artifact_id)
        attested = self._log.topic(Topic.ATTESTATIONS, artifact_id)
        if not placed and not attested:
            return NOTHING
        answerable = {self.anchor_of(maker) or maker for maker in makers}
        notices = self._said_by(self._listed | answerable, placed)
        heard = {by for by in {entry.statement.by for _, entry in attested} if self._is_heard(by)}
        attestations = self._said_by(heard, attested)
        self._waiting += makers  # whose anchors may say what follows from the enrolments
        self._take(notices + attestations)
        for attestor in sorted(heard):
            self._add_subject(attestor)
        self._close()
        indices = [tuple(log_index for log_index, _ in found) for found in (notices, attestations)]
        return Said(indices[0], indices[1], _others(attested, heard))

    def issuers(self, subject: bytes) -> tuple[list[bytes], int]:
        """Whose endorsements of an identity can count here, ascending, and how many others endorse it."""
        said = self._log.topic(Topic.ENDORSEMENTS, subject)
        found = {entry.statement.by for _, entry in self._said_by(self._is_listening, said)}
        return sorted(found), _others(said, self._is_listening)

    def _is_heard(self, attestor: bytes) -> bool:
        """Whether an attestation of his may count: he is listened to, or endorsed by a grader."""
        if attestor in self._is_listening:
            return True
        if attestor not in self._heard:
            said = self._log.topic(Topic.ENDORSEMENTS, attestor) if self._graders else ()
            self._heard[attestor] = bool(self._said_by(self._graders, said))
        return self._heard[attestor]

    def _add_subject(self, identity_id: bytes) -> None:
        """A maker or attestor, or the anchor of one: evidence and endorsements of him are facts of the artifact."""
        subject: bytes | None = identity_id
        while subject is not None and subject not in self._subjects:
            self._subjects.add(subject)
            self._waiting.append(subject)
            self._take(self._log.topic(Topic.EVIDENCE, subject))
            self._take_endorsements(subject)
            subject = self.anchor_of(subject)

    def _close(self) -> None:
        while self._waiting:
            identity_id = self._waiting.pop()
            if identity_id not in self._speakers:
                self._speakers.add(identity_id)
                self._add_speaker(identity_id)

    def _add_speaker(self, identity_id: bytes) -> None:
        """All that says whether an identity might speak, and by which keys."""
        self._take(self._log.topic(Topic.KEY_EVENTS, identity_id))
        anchor = self.anchor_of(identity_id)
        if anchor is not None:
            # What others say of the pair, or the pair of itself, has no effect (SPEC §7.3); without a delegation it says
            # nothing. So the anchor comes along with what he signed.
            self._take(
                item
                for item in self._said_by({anchor}, self._log.topic(Topic.DELEGATIONS, identity_id))
                if item[1].statement.body["pair"] == identity_id
            )
        elif self._ever_closed:
            self._take_endorsements(identity_id)

    def _take_endorsements(self, subject: bytes) -> None:
        self._take(self._said_by(self._is_listening, self._log.topic(Topic.ENDORSEMENTS, subject)))

    def _take(self, placed: Iterable[Placed]) -> None:
        for log_index, entry in placed:
            if log_index not in self.entries:
                self.entries[log_index] = entry
                self._waiting.append(entry.statement.by)

    @staticmethod
    def _said_by(speakers: Collection[bytes], placed: Iterable[Placed]) -> list[Placed]:
        return [item for item in placed if item[1].statement.by in speakers]


def _others(placed: Iterable[Placed], known: Collection[bytes]) -> int:
    return len({entry.statement.by for _, entry in placed}.difference(known))

"""An ancestry proof verified and judged: bytes, trust and a time in, typed facts out (SPEC §11.2, §12).

Pure: no file, network, store or clock of its own. The same bytes under the same trust, policy and time say the same anywhere
and for ever. It fails closed: what does not hold is ProofInvalid, what the file does not show is unknown, and where the trust
file asks for more than the file offers (a log that it lists, a quorum, freshness) nothing in it is valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

from ledger import spec
from ledger.fold.topics import Topic
from ledger.identity.vkey import Vkey
from ledger.merkle.ranges import Range, Ranges
from ledger.origin.judge import Judge, Judged
from ledger.origin.lattice import CAPPED, Standing, Verdict
from ledger.origin.levels import Level, level_of
from ledger.origin.moment import Footing, Missing, Moment, cosigned_under, missing
from ledger.origin.policy import Need, Policy, Rights
from ledger.origin.reasons import Code
from ledger.origin.trust import Trust, own_log_trust
from ledger.proofs.ancestry_file import (
    CONTENT,
    Disclosed,
    Reader,
    proof_invalid,
    read_disclosed,
    read_logs,
    read_rows,
)
from ledger.proofs.facts import Ancestries, Ancestry, Existed, Node, Presence, Status
from ledger.proofs.proven import ProvenLog
from ledger.proofs.quorum import existed_before
from ledger.proofs.trace import People, Tracer, ancestry_of, people_of
from ledger.statements import words
from ledger.statements.record import sealed_size
from ledger.statements.statement import keyset_digest, log_id

Read = Callable[[int], bytes]

_ALL: Final = {kind: Need(Level.UNLOGGED) for kind in words.KINDS}
FACTS: Final = Policy(
    digest=bytes(spec.HASH_BYTES),
    name="facts",
    decides=False,
    rows=_ALL,
    reported=_ALL,
    ancestors=_ALL,
    ancestors_accepted=False,
    human_least_ppm=0,
    derived_by_anyone=True,
    rights=Rights(train=dict.fromkeys(("allowed", "constrained", "denied", None), Verdict.ADMITTED)),
)  # asks for nothing: it tells what stands against an artifact, and decides nothing
_FINE: Final = frozenset({Standing.RELEASED, Standing.CONDITIONAL})
_GONE: Final = frozenset({Presence.ERASED, Presence.UNPROVED, Presence.ABSENT})
_JUDGED: Final = 4_096  # artifacts of which a judge holds what they came to
_SKIPPED: Final = 65_536  # bytes of a stranger's rows that are passed over at once


class Unknown(NamedTuple):
    """An ancestor of which nothing is known. `what`: erased, unproved, absent, or foreign: in the log `log`, else b""."""

    id: bytes
    what: str
    log: bytes


@dataclass(frozen=True, slots=True)
class SubjectProved:
    """What a file proves of one of its subjects.

    `id`: an artifact id; `rows`: of a `rows` record the ranges that are proved, () for any other subject; `row`: one of these
    rows of which something is said by itself. `standing`: after all that the file shows of its ancestors; `code` (SPEC §12.3) and
    `why` in words: of the verdict under the policy, without one (`verdict` None) of the standing. `node`: its own facts.
    """

    id: bytes
    node: Node | None
    level: Level
    standing: Standing
    why: str
    verdict: Verdict | None = None
    code: str | None = None
    row: int | None = None
    rows: tuple[Range, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is logged, nothing stands against it, and the policy admits it."""
        is_fine = self.level >= Level.LOGGED and self.standing in _FINE
        return is_fine and self.verdict in (None, Verdict.ADMITTED)


@dataclass(slots=True)
class ProvedLog:
    """What a file proves of one log under a trust file. `missing`: what that asks for and the file does not offer.

    `trust`: as given, or trust in this log alone; `moment`: checkpoint, cosignatures, times. `log`: what the file holds.
    """

    log: ProvenLog
    trust: Trust
    moment: Moment
    footing: Footing
    missing: tuple[Missing, ...]
    subjects: tuple[SubjectProved, ...]
    ancestries: Ancestries

    def ancestry(self, subject: bytes) -> Ancestry:
        """The ancestry of one subject, and its people."""
        return ancestry_of(self.ancestries, subject)

    @property
    def humans(self) -> tuple[bytes, ...]:
        """The humans who answer for the ancestry of any subject (SPEC §12), ascending."""
        return self.people.humans

    @property
    def people(self) -> People:
        """All people in the ancestry of any subject."""
        return people_of(self.ancestries, self.ancestries.roots)

    def existed_by_ms(self, subject: SubjectProved) -> int | None:
        """By when a subject existed (SPEC §12.1), unix milliseconds; None if nothing that counts says so."""
        age_ms = None if subject.node is None else self.footing.age_ms(subject.node.since_index)
        return None if age_ms is None else self.footing.at_ms - age_ms

    @property
    def unknowns(self) -> tuple[Unknown, ...]:
        """Ancestors, over whatever relation, of which nothing is known, ascending: erased, in another log, or not in the file; one that several logs are said to hold, for each of these."""
        nodes = self.ancestries.nodes.values()
        found = {Unknown(node.id, str(node.presence), b"") for node in nodes if node.presence in _GONE}
        found |= {
            Unknown(each.id, "foreign", each.log)
            for node in nodes
            for each in node.parents
            if each.log is not None
        }
        return tuple(sorted(found))


@dataclass(slots=True)
class Proved:
    """A file whose every part holds. `unknown_logs`: logs in it of which no vkey is at hand; their subjects are unknown."""

    logs: tuple[ProvedLog, ...]
    unknown_logs: tuple[bytes, ...] = ()
    disclosed: tuple[Disclosed, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether something is proved, every subject is well, and the trust file asks for nothing more."""
        subjects = [subject for each in self.logs for subject in each.subjects]
        is_whole = not self.unknown_logs and not any(each.missing for each in self.logs)
        return bool(subjects) and is_whole and all(subject.ok for subject in subjects)

    @property
    def level(self) -> Level:
        """The least level of its subjects."""
        if self.unknown_logs:
            return Level.UNLOGGED
        levels = (subject.level for each in self.logs for subject in each.subjects)
        return min(levels, default=Level.UNLOGGED)


def verify(
    proof: bytes | Read,
    logs: Sequence[Vkey],
    trust: Trust | None = None,
    *,
    at_ms: int,
    policy: Policy | None = None,
    keep_rows: bool = False,
) -> Proved:
    """Verifies an ancestry proof, and judges its subjects as of `at_ms` (unix milliseconds).

    `proof`: its bytes, or what reads on in them: about so many, none at the end. `logs`: the first vkeys of the logs that are
    believed to be what they are called. `trust`: None trusts each of these logs alone. `policy`: None tells facts alone.
    `keep_rows`: the digests of rows are kept for `ProvenLog.rows`.

    Raises ProofInvalid, with the codes of SPEC §11.2; RefusedInput `fold-unknown`; and what `proof` raises.
    """
    held = open_file(proof, logs, keep_rows=keep_rows)
    judged = tuple(judge_log(log, trust, at_ms, policy) for log in held.logs)
    return Proved(judged, held.unknown_logs, held.disclosed)


class OpenedFile(NamedTuple):
    """A file whose every part holds, of which nothing is judged yet. As `Proved`."""

    logs: tuple[ProvenLog, ...]
    unknown_logs: tuple[bytes, ...]
    disclosed: tuple[Disclosed, ...]


def open_file(proof: bytes | Read, logs: Sequence[Vkey], *, keep_rows: bool = False) -> OpenedFile:
    """The parts of an ancestry proof, verified. Arguments and errors as of `verify`."""
    reader = Reader(proof)
    known = {log_id(str(vkey)): vkey for vkey in logs}
    opened: list[ProvenLog] = []
    unknown: list[bytes] = []
    for part in read_logs(reader):
        vkey = known.get(part.log_id)
        if vkey is None:
            unknown.append(part.log_id)
            _pass_over(reader)
            continue
        log = ProvenLog(part, vkey)
        log.read_rows(reader, keep=keep_rows)
        opened.append(log)
    disclosed = read_disclosed(reader)
    for item in disclosed:
        _check_disclosed(item, opened, may_be_unknown=bool(unknown))
    return OpenedFile(tuple(opened), tuple(unknown), tuple(disclosed))


def judge_log(log: ProvenLog, trust: Trust | None, at_ms: int, policy: Policy | None = None) -> ProvedLog:
    """Judges the subjects of one log of a file, under a trust file or trust in it alone. Raises as `verify`."""
    believed, graders = _listeners(log, trust)
    tracer = Tracer.over(log, believed.accept, graders, with_clocks=not believed.has_quorum)
    wanted = dict.fromkeys([*sorted(log.subjects), *sorted(log.rows)])
    traced = tracer.trace(wanted)
    moment = _moment(log, believed, at_ms, traced)
    footing = Footing(believed, moment)
    lacks = missing(replace(FACTS, decides=True) if policy is None else policy, footing)
    # Of most ancestries nothing is said at all: then there is nothing to judge.
    facts = judges = None
    if not is_silent(traced.nodes):
        facts = _Judges(partial(Judge, traced.nodes, FACTS, believed, moment))
    if policy is not None and not lacks:
        judges = _Judges(partial(Judge, traced.nodes, policy, believed, moment))
    subjects = tuple(
        _subject(
            None if facts is None else facts.next(),
            None if judges is None else judges.next(),
            traced.nodes[artifact_id],
            row,
            ranges,
            lacks,
        )
        for artifact_id in wanted
        for row, ranges in _parts(log, traced.nodes[artifact_id])
    )
    return ProvedLog(log, believed, moment, footing, lacks, subjects, traced)


def is_silent(nodes: Mapping[bytes, Node]) -> bool:
    """Whether each artifact stands, is at hand, and nothing is said of any: so each is released, and its level is that of its record."""
    return all(
        node.status is Status.RELEASED
        and node.presence is Presence.STANDS
        and not (node.notices or node.attestations or node.misses_parent)
        and all(parent.log is None and parent.rel != CAPPED for parent in node.parents)
        for node in nodes.values()
    )


class _Judges:
    """Judges of one policy, one after another: a file of very many subjects is judged without holding what each came to.

    A new one has to judge again what subjects share. It comes when twice that was judged, so that it costs as much at most.
    """

    def __init__(self, make: Callable[[], Judge]) -> None:
        self._make = make
        self._judge = make()
        self._asked = 0
        self._limit = _JUDGED

    def next(self) -> Judge:
        """Who judges the next subject."""
        size = self._judge.size
        if self._asked == 1:
            self._limit = max(self._limit, 2 * size)
        if size > self._limit:
            self._judge, self._asked = self._make(), 0
        self._asked += 1
        return self._judge


def _listeners(log: ProvenLog, trust: Trust | None) -> tuple[Trust, frozenset[bytes]]:
    """Whom to trust, and whose endorsements make an attestor heard."""
    if trust is not None and not trust.is_self:
        return trust, trust.graders
    rules = Tracer.over(log).trace(()).rules
    believed = own_log_trust(rules) if trust is None else trust
    return believed, frozenset(rules.get("registrars", ()))


def _moment(log: ProvenLog, trust: Trust, at_ms: int, traced: Ancestries) -> Moment:
    cosigned = cosigned_under(trust, log.vkey, log.note, at_ms)
    older = tuple(existed_of_points(log, trust, at_ms))
    return Moment(at_ms, log.vkey, log.checkpoint, traced.clock_ms, cosigned, older, traced.clocks)


def existed_of_points(log: ProvenLog, trust: Trust, at_ms: int) -> Iterator[Existed]:
    """What the quorum of a trust file said of the file's points. Raises ProofInvalid `note-invalid`."""
    for point in log.points:
        if point.note is not None:
            of_point = cosigned_under(trust, log.vkey, point.note, at_ms)
            existed = existed_before(of_point, log.checkpoint, point.path)
            if existed is not None:
                yield existed


def _parts(log: ProvenLog, node: Node) -> Iterator[tuple[int | None, tuple[Range, ...]]]:
    """Of an artifact that is a subject: (None, ()). Of rows: one row of which nothing is said, and each of which something is."""
    if node.id in log.subjects:
        yield None, ()
    held = log.rows.get(node.id)
    if held is None:
        return
    said = {notice.row for notice in node.notices if notice.row is not None}
    said |= {each.row for each in node.attestations if each.row is not None}
    ranges = Ranges(held.ranges)
    spoken = [row for row in sorted(said) if ranges.within(row, row + 1)]
    if len(spoken) < held.row_count:
        yield next(row for row in _rows(held.ranges) if row not in said), held.ranges
    for row in spoken:
        yield row, ()


def _rows(ranges: Iterable[Range]) -> Iterator[int]:
    for first, count in ranges:
        yield from range(first, first + count)


def _subject(
    facts: Judge | None,
    judge: Judge | None,
    node: Node,
    row: int | None,
    ranges: tuple[Range, ...],
    lacks: tuple[Missing, ...],
) -> SubjectProved:
    level, standing, code, why = level_of(node), Standing.RELEASED, Code.CLEAR, "nothing stands against it"
    if facts is not None:
        found: Judged = facts.artifact(node.id, row)
        level, standing, code = found.level, found.status, found.code
        why = found.why.partition(": ")[2]
    told_row = row if not ranges else None
    if lacks:
        why = "; ".join(each.what for each in lacks)
        return SubjectProved(
            node.id, node, level, Standing.UNKNOWN, why, None, lacks[0].code, told_row, ranges
        )
    if judge is None:
        return SubjectProved(node.id, node, level, standing, why, None, str(code), told_row, ranges)
    decided = judge.row([(node.id, row)])
    return SubjectProved(
        node.id,
        node,
        level,
        standing,
        decided.why.partition(": ")[2],
        decided.verdict,
        str(decided.code),
        told_row,
        ranges,
    )


def _pass_over(reader: Reader) -> None:
    """The rows of a log of which nothing is known."""
    for header in read_rows(reader):
        left = spec.HASH_BYTES * header.row_count
        while left:
            left -= len(reader.take(min(left, _SKIPPED)))


def _check_disclosed(item: Disclosed, logs: Iterable[ProvenLog], *, may_be_unknown: bool) -> None:
    """Raises ProofInvalid `proof-invalid` unless it is what some log of the file committed to."""
    for log in logs:
        if item.what == CONTENT and item.id in log.artifacts:
            record = log.record(item.id)
            if record is None or record.form != "sealed":
                raise proof_invalid(f"a content of {item.id.hex()[:16]}, which is not sealed, or erased")
            digest = hashlib.sha256(spec.TAG_SEALED + record.maker + item.salt + item.data).digest()
            if (digest, sealed_size(len(item.data))) != (record.content, record.fields["size"]):
                raise proof_invalid(f"another content than {item.id.hex()[:16]} is about, or another salt")
            return
        if item.what != CONTENT and log.shows(Topic.KEY_EVENTS, item.id):
            for _, entry in log.topic(Topic.KEY_EVENTS, item.id):
                body = entry.statement.body
                if entry.statement.id == item.id and "profile" in body:
                    keyset = keyset_digest(body["keyset"])
                    data = spec.TAG_PROFILE + keyset + item.salt + item.data
                    if hashlib.sha256(data).digest() == body["profile"]:
                        return
            raise proof_invalid(f"another profile than the enrolment of {item.id.hex()[:16]} commits to")
    if not may_be_unknown:
        raise proof_invalid(f"something disclosed of {item.id.hex()[:16]}, which is not in it")

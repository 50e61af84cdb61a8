"""The judge: from a verified ancestry, a policy and a trust file to a verdict with its shortest reason (SPEC §12.3).

One pass over an ancestry, parents first, none of it recursive: of every artifact is kept what it hands on (a standing of the
lattice, and the worst burden), once, so that whatever shares an ancestor shares its judgement. A diamond of depth 40 has 41
artifacts, not 2⁴⁰ paths.

Nothing is read here but arguments. Nodes are facts that `ledger.proofs.trace` verified; a node that is not there was not
proved, and what was not proved is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ledger.origin.acceptance import Acceptance
from ledger.origin.burden import Burden, burden_at, lesser, lesser_over
from ledger.origin.claims import Claim, ClaimJudged, RowVerdict, weigh_claims
from ledger.origin.lattice import PROPAGATING, Standing, Verdict, passed_over, verdict_on
from ledger.origin.levels import Level, level_of, level_under
from ledger.origin.moment import Footing, Moment, check_decidable
from ledger.origin.policy import Policy
from ledger.origin.reasons import Code, Finding, Step, Through, derive
from ledger.origin.rules import Case, Ruled, Rules
from ledger.origin.said import Said, Weighed, foreign, no_such_row, not_at_hand, weigh
from ledger.origin.shares import Worth
from ledger.origin.trust import Trust
from ledger.proofs.facts import DESCENT, Node, Presence
from ledger.statements.record import Parent

REALITY_AGE_MS = 604_800_000  # quarantine that an L4 experience has served at least (SPEC §12)
_MACHINE_KINDS = frozenset({"output", "abstract", "model"})
_OWNERS_MAX = 64  # of a tool's work: more are as good as unknown
_OTHER_ROW = -1  # any row of which nothing is said by itself
_NO_ROW = -2  # one that the artifact does not have


@dataclass(frozen=True, slots=True)
class Judged:
    """What an artifact, or a `row` of it, comes to; `burden`: the reason, None if nothing stands against it.

    `row` is None too for a row of which nothing is said by itself: all those come to the same.
    """

    id: bytes
    row: int | None
    level: Level
    status: Standing
    verdict: Verdict
    burden: Burden | None

    @property
    def finding(self) -> Finding | None:
        """The reason, where it was found."""
        return None if self.burden is None else self.burden.finding

    @property
    def code(self) -> Code:
        """The reason's code."""
        return Code.CLEAR if self.burden is None else self.burden.finding.code

    @property
    def distance(self) -> int:
        """How many edges lie between the artifact and the reason."""
        return 0 if self.burden is None else self.burden.through.steps

    @property
    def path(self) -> tuple[Step, ...]:
        """The edges that lead from the artifact to where the reason was found."""
        return () if self.burden is None else self.burden.path()

    @property
    def why(self) -> str:
        """The verdict and its reason in words."""
        through = Through() if self.burden is None else self.burden.through
        return derive(self.verdict.label, self.finding, through)


@dataclass(frozen=True, slots=True)
class _Handed:
    """What an artifact, or a row of it, hands on to its children."""

    standing: Standing
    burden: Burden | None


@dataclass(slots=True)
class _State:
    """An artifact whose parents are judged. `inherited` and `standing` come from them; `content` is rights and sources.

    `common`: what is asked of it as a row's own and as an ancestor alike. `handed`, `judged`, `verdicts`: by row.
    """

    node: Node | None
    said: Said
    owners: frozenset[bytes] | None
    standing: Standing = Standing.RELEASED
    inherited: Burden | None = None
    content: Burden | None = None
    spoken: frozenset[int] = frozenset()
    common: tuple[Ruled, ...] | None = None
    handed: dict[int | None, _Handed] = field(default_factory=dict)
    judged: dict[int | None, Judged] = field(default_factory=dict)
    verdicts: dict[int | None, RowVerdict] = field(default_factory=dict)


class Judge:
    """Judges the artifacts of `nodes`, and rows by the claims on them. Not for two threads at once."""

    def __init__(self, nodes: Mapping[bytes, Node], policy: Policy, trust: Trust, moment: Moment) -> None:
        """Raises Undecided where the policy needs what the moment does not offer; else as `Footing` does."""
        self.footing = Footing(trust, moment)
        check_decidable(policy, self.footing)
        self.policy = policy
        self._nodes = nodes
        self._acceptance = Acceptance(trust)
        self._rules = Rules(policy, self._acceptance)
        self._states: dict[bytes, _State] = {}

    @property
    def size(self) -> int:
        """How many artifacts it holds what it judged of."""
        return len(self._states)

    def artifact(self, artifact_id: bytes, row: int | None = None) -> Judged:
        """The judgement of an artifact as a row's own, or of one `row` of a `rows` record."""
        state = self._state(artifact_id)
        key = _key(state, row)
        if key not in state.judged:
            state.judged[key] = self._judge(artifact_id, state, key)
        return state.judged[key]

    def row(self, claims: Iterable[Claim | bytes]) -> RowVerdict:
        """The verdict on one digest by all claims on it: artifact ids, or (artifact id, row index) of `rows` records.

        No claim: unlogged. The order of claims makes no difference.
        """
        wanted = {claim if isinstance(claim, tuple) else (claim, None) for claim in claims}
        if len(wanted) != 1:
            return self._weigh(wanted)
        ((artifact_id, row),) = wanted
        state = self._states.get(artifact_id) or self._state(artifact_id)
        key = _key(state, row)
        found = state.verdicts.get(key)
        if found is None:
            found = state.verdicts[key] = self._weigh(wanted)
        return found

    def _weigh(self, claims: Iterable[Claim]) -> RowVerdict:
        found = [self._claim(artifact_id, row) for artifact_id, row in claims]
        return weigh_claims(found, is_deciding=self.policy.decides)

    def _claim(self, artifact_id: bytes, row: int | None) -> ClaimJudged:
        judged = self.artifact(artifact_id, row)
        state = self._states[artifact_id]
        node = state.node
        is_accepted = node is None or node.maker is None or bool(self._acceptance.maker_grades(node))
        return ClaimJudged(artifact_id, row, judged, node, is_accepted, state.said.is_held_back(row))

    # One pass, parents first

    def _state(self, root: bytes) -> _State:
        waiting, opened = [root], set()
        while waiting:
            artifact_id = waiting[-1]
            node = self._nodes.get(artifact_id)
            if artifact_id in self._states:
                waiting.pop()
                continue
            if artifact_id not in opened and node is not None:
                opened.add(artifact_id)
                unjudged = [parent.id for parent in _descent(node) if parent.id not in self._states]
                if unjudged:
                    waiting += unjudged
                    continue
            # An id is a hash over the parents' ids, so there is no circle; in one that is made up, a parent that is not
            # judged by now was not proved.
            self._states[artifact_id] = self._open(artifact_id, node)
            waiting.pop()
        return self._states[root]

    def _open(self, artifact_id: bytes, node: Node | None) -> _State:
        if node is None:
            return _State(None, not_at_hand(artifact_id), None)
        state = _State(node, weigh(node, self._acceptance, self._nodes.get), self._owners(node))
        state.spoken = frozenset(state.said.rows) | {
            attestation.row for attestation in node.attestations if attestation.row is not None
        }
        for ruled in self._rules.of_content(node) if _is_told(node) else ():
            state.content = lesser(state.content, burden_at(ruled.verdict, ruled.finding))
        for parent in node.parents:
            if parent.rel in PROPAGATING:
                handed = self._handed_by(parent)
                state.standing = min(state.standing, passed_over(parent.rel, handed.standing))
                state.inherited = lesser_over(state.inherited, parent, handed.burden)
            if parent.rel == "derived-from" and parent.log is None and parent.id in self._states:
                state.content = lesser_over(state.content, parent, self._states[parent.id].content)
        return state

    def _handed_by(self, parent: Parent) -> _Handed:
        """What a parent hands on, before the relation is looked at."""
        if parent.log is not None:
            return self._unproved(foreign(parent.id, parent.log))
        state = self._states.get(parent.id)
        if state is None:
            return self._unproved(not_at_hand(parent.id))
        key = _key(state, parent.row)
        if key not in state.handed:
            state.handed[key] = self._hand_on(state, key)
        return state.handed[key]

    def _unproved(self, said: Said) -> _Handed:
        return _Handed(Standing.UNKNOWN, burden_at(Verdict.REJECTED, said.whole[0].finding))

    def _hand_on(self, state: _State, row: int | None) -> _Handed:
        standing, burden = state.standing, state.inherited
        for weighed in _said_of(state, row):
            standing = min(standing, weighed.passed)
            burden = lesser(burden, self._burden(weighed, weighed.passed))
        if state.node is not None and _is_told(state.node):
            case = self._case(state, state.node, row)
            for ruled in (*self._rules.of_ancestor(case), *self._common(state, case)):
                burden = lesser(burden, burden_at(ruled.verdict, ruled.finding))
        return _Handed(standing, burden)

    def _burden(self, weighed: Weighed, standing: Standing) -> Burden | None:
        verdict = verdict_on(standing, self.policy.conditional)
        return None if verdict is Verdict.ADMITTED else burden_at(verdict, weighed.finding)

    def _owners(self, node: Node) -> frozenset[bytes] | None:
        """Who answers for what it is made of: of a `derived`, who does for its parents; of others, its maker or anchor."""
        answerable = node.anchor if node.anchor is not None else node.maker
        if node.kind != "derived" or node.stance != "made":
            return None if answerable is None else frozenset({answerable})
        found: set[bytes] = set()
        for parent in node.parents:
            if parent.rel == "derived-from":
                state = self._states.get(parent.id) if parent.log is None else None
                if state is None or state.owners is None:
                    return None
                found |= state.owners
                if len(found) > _OWNERS_MAX:
                    return None
        return frozenset(found)

    # The artifact itself

    def _judge(self, artifact_id: bytes, state: _State, row: int | None) -> Judged:
        standing = state.standing
        burden = lesser(state.inherited, state.content)
        for weighed in _said_of(state, row):
            standing = min(standing, weighed.standing)
            burden = lesser(burden, self._burden(weighed, weighed.standing))
        level = Level.UNLOGGED
        if state.node is not None and _is_told(state.node) and row != _NO_ROW:
            case = self._case(state, state.node, row)
            level = case.level
            for ruled in (*self._rules.of_row(case), *self._common(state, case)):
                burden = lesser(burden, burden_at(ruled.verdict, ruled.finding))
        verdict = Verdict.ADMITTED if burden is None else burden.verdict
        if not self.policy.decides:
            verdict = Verdict.UNDECIDED
        told_row = row if row is not None and row >= 0 else None
        return Judged(artifact_id, told_row, level, standing, verdict, burden)

    def _common(self, state: _State, case: Case) -> tuple[Ruled, ...]:
        if state.common is None:
            state.common = tuple(self._rules.of_both(case))
        return state.common

    def _case(self, state: _State, node: Node, row: int | None) -> Case:
        age_ms = self.footing.age_ms(node.since_index)
        return Case(node, row, self._level(state, node, row, age_ms), state.owners, self._worth, age_ms)

    def _level(self, state: _State, node: Node, row: int | None, age_ms: int | None) -> Level:
        if not self.footing.is_cosigned or not node.attestations or state.owners is None:
            return level_of(node)
        vouched = self._acceptance.attestors(node, row, apart_from=state.owners) > 0
        checked = (
            self._acceptance.attestors(node, row, claims={"evidence"}, apart_from=state.owners) > 0
            and _states_reality(node)
            and age_ms is not None
            and age_ms >= max(self.policy.quarantine_ms, REALITY_AGE_MS)
            and not state.said.is_disputed(row)
        )
        return level_under(node, cosigned=True, vouched=vouched, checked=checked)

    def _worth(self, parent: Parent) -> Worth:
        """Whether a parent's share counts as people's. What is handed on anyway need not be told a second time."""
        burden = self._handed_by(parent).burden
        verdict = Verdict.ADMITTED if burden is None else burden.verdict
        propagates = parent.rel in PROPAGATING
        if propagates and verdict is Verdict.REJECTED:
            return Worth.NOW
        node = self._nodes.get(parent.id) if parent.log is None else None
        if node is None or node.record is None or node.kind in _MACHINE_KINDS:
            return Worth.NEVER
        if propagates or verdict is Verdict.ADMITTED:
            return Worth.NOW
        return Worth.PERHAPS if verdict is Verdict.QUARANTINED else Worth.OF_KIND


def _key(state: _State, row: int | None) -> int | None:
    """Rows of which nothing is said by itself are judged once, together; so are those that the artifact does not have."""
    if row is None:
        return None
    record = state.node.record if state.node is not None else None
    if record is not None and not 0 <= row < record.row_count:
        return _NO_ROW
    return row if row in state.spoken else _OTHER_ROW


def _said_of(state: _State, row: int | None) -> tuple[Weighed, ...]:
    if row == _NO_ROW and state.node is not None:
        return (*state.said.whole, no_such_row(state.node.id))
    return state.said.of(row)


def _descent(node: Node) -> Iterator[Parent]:
    return (parent for parent in node.parents if parent.log is None and parent.rel in DESCENT)


def _is_told(node: Node) -> bool:
    """Whether there is a record without fault, and its maker is known."""
    return node.presence in (Presence.STANDS, Presence.DISOWNED) and node.record is not None


def _states_reality(node: Node) -> bool:
    """Whether an experience states its confidence, and names evidence that can be checked."""
    if node.kind != "experience" or node.record is None:
        return False
    facts = node.record.fields.get("facts", {})
    return "confidence" in facts and (
        "evidence" in facts or any(parent.rel == "evidence" for parent in node.parents)
    )

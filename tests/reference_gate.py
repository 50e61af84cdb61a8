"""The gate by its definition (SPEC §12.1-§12.3), naive: every path is walked, nothing is remembered. For tests only.

Written from the specification, beside `ledger.origin.judge` and not from it; it shares the names of codes, the level that
the log alone gives, and the parsed forms of policy and trust file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ledger.origin.lattice import Standing, Verdict
from ledger.origin.levels import Level, level_of
from ledger.origin.moment import Moment
from ledger.origin.policy import Policy
from ledger.origin.reasons import Code
from ledger.origin.trust import Trust
from ledger.proofs.facts import Attestation, Grade, Node, Presence
from ledger.statements.record import Parent

HANDS_ON = {"derived-from", "distilled-from", "generated-by", "trained-on"}
BEARS_SHARE = {"derived-from", "generated-by", "trained-on", "distilled-from", "quotes"}
WEEK_MS = 604_800_000
STATES_HUMAN = {("human", "work"), ("human", "experience"), ("pair", "work"), ("pair", "experience")}
STATES_MACHINE = {("pair", "work"), ("pair", "experience")}


class Found(NamedTuple):
    """What naive judging comes to."""

    level: Level
    standing: Standing
    verdict: Verdict
    code: Code
    distance: int


class NaiveGate:
    """Facts, and who judges them."""

    def __init__(self, nodes: dict[bytes, Node], policy: Policy, trust: Trust, moment: Moment) -> None:
        self.nodes, self.policy, self.trust, self.moment = nodes, policy, trust, moment

    def judge(self, artifact_id: bytes, row: int | None = None) -> Found:
        found = list(self.findings(artifact_id, row))
        against = [item for item in found if item[0] is not Verdict.ADMITTED]
        verdict, distance, code = Verdict.ADMITTED, 0, Code.CLEAR
        if against:
            verdict, distance, code = min(
                against, key=lambda item: (item[0], item[1], list(Code).index(item[2]))
            )
        if not self.policy.decides:
            verdict = Verdict.UNDECIDED
        node = self.nodes.get(artifact_id)
        known = node is not None and told(node) and not self.lacks(node, row)
        level = self.level(node, row) if known and node is not None else Level.UNLOGGED
        return Found(level, self.standing(artifact_id, row, own=True), verdict, code, distance)

    @staticmethod
    def lacks(node: Node, row: int | None) -> bool:
        """Whether it has no such row."""
        return row is not None and node.record is not None and row >= node.record.row_count

    # The lattice

    def standing(self, artifact_id: bytes, row: int | None, *, own: bool) -> Standing:
        node = self.nodes.get(artifact_id)
        mine = [(one if own else handed) for _, one, handed in self.said(artifact_id, row)]
        for parent in node.parents if node is not None else ():
            if parent.rel in HANDS_ON:
                passed = (
                    Standing.UNKNOWN
                    if parent.log is not None
                    else self.standing(parent.id, parent.row, own=False)
                )
                mine.append(min(passed, Standing.CONDITIONAL) if parent.rel == "trained-on" else passed)
        return min(mine, default=Standing.RELEASED)

    def said(self, artifact_id: bytes, row: int | None) -> Iterator[tuple[Code, Standing, Standing]]:
        """(code, own, own') of all that stands of an artifact or a row of it."""
        node = self.nodes.get(artifact_id)
        if node is None:
            yield both(Code.UNPROVED, Standing.UNKNOWN)
            return
        if self.lacks(node, row):
            yield both(Code.UNPROVED, Standing.UNKNOWN)
        proved = {
            Presence.ABSENT: Code.UNLOGGED,
            Presence.FAULTY: Code.FAULTY,
            Presence.ERASED: Code.WITHHELD if node.fault else Code.ERASED,
            Presence.DISOWNED: Code.DISOWNED,
        }
        if node.presence in proved:
            yield both(proved[node.presence], Standing.UNKNOWN)
        for parent in node.parents:
            if parent.log is None:
                other = self.nodes.get(parent.id)
                kept_back = (
                    other is not None and other.presence is Presence.ERASED and other.fault is not None
                )
                if kept_back or (other is None and parent.rel not in HANDS_ON):
                    yield both(Code.WITHHELD, Standing.UNKNOWN)
        if node.contested is not None:
            yield both(Code.CONTESTED, Standing.QUARANTINED)
        if any(parent.rel == "trained-on" for parent in node.parents):
            yield both(Code.TRAINED_ON, Standing.CONDITIONAL)
        later = [(notice.row, self.notice(node, notice.by, notice.act)) for notice in node.notices]
        later += [
            (item.row, both(Code.REFUTED, Standing.CONDITIONAL))
            for item in node.attestations
            if item.result == "refuted" and self.words_of(item)
        ]
        for of_row, what in later:
            if of_row is None or of_row == row:
                yield what
            elif row is None:
                yield both(Code.ROW_NOTICED, Standing.CONDITIONAL)

    def notice(self, node: Node, by: bytes, act: str) -> tuple[Code, Standing, Standing]:
        trust = self.trust
        takes_back = act in ("retract", "erase")
        is_own = by == answerable(node) and takes_back
        counts = trust.curators is None or by in trust.curators
        if is_own and by not in (trust.curators or ()):
            return Code.RETRACTED_BY_MAKER, Standing.RETRACTED, Standing.CONDITIONAL
        if counts and takes_back:
            return both(Code.RETRACTED_BY_CURATOR, Standing.RETRACTED)
        if counts and act == "hold":
            return both(Code.HELD, Standing.QUARANTINED)
        return both(Code.DISPUTED, Standing.CONDITIONAL)

    # People

    def gives(self, grade: Grade) -> bool:
        if self.trust.is_self:
            return grade.listed
        return grade.grade in self.trust.registrars.get(grade.issuer, ())

    def maker_grades(self, node: Node) -> set[str]:
        grades = {grade.grade for grade in node.endorsements if self.gives(grade)}
        if {node.maker, node.anchor} & self.trust.makers or self.is_tool(node):
            grades.add("named")
        if self.trust.all_makers:
            grades.add("ungraded")
        return grades

    def is_tool(self, node: Node) -> bool:
        return node.kind == "derived" and node.stance == "made" and node.maker in self.trust.tools

    def words_of(self, attestation: Attestation) -> set[str]:
        grades = {grade.grade for grade in attestation.endorsements if self.gives(grade)}
        if attestation.by in self.trust.voices:
            grades.add("named")
        return grades

    def one(self, identity: bytes) -> bytes:
        return self.trust.control.get(identity, identity)

    def owners(self, artifact_id: bytes) -> set[bytes] | None:
        node = self.nodes.get(artifact_id)
        if node is None:
            return None
        if node.kind != "derived" or node.stance != "made":
            who = answerable(node)
            return None if who is None else {who}
        found: set[bytes] = set()
        for parent in node.parents:
            if parent.rel == "derived-from":
                theirs = self.owners(parent.id) if parent.log is None else None
                if theirs is None:
                    return None
                found |= theirs
        return found

    def attestors(
        self,
        node: Node,
        row: int | None,
        claims: frozenset[str],
        grades: frozenset[str] | None,
        *,
        independent: bool,
    ) -> int:
        owners = self.owners(node.id)
        if independent and owners is None:
            return 0
        found = set()
        for item in node.attestations:
            who = item.by if item.anchor is None else item.anchor
            if item.result != "confirmed" or item.claim not in claims or item.contested:
                continue
            if item.row is not None and item.row != row:
                continue
            if item.by in self.trust.control and self.one(item.by) != self.one(who):
                continue
            words = self.words_of(item)
            if not words or (grades is not None and not words & grades):
                continue
            if independent:
                others = {node.maker, answerable(node), *(owners or ())} - {None}
                if self.one(who) not in {self.one(other) for other in others if other is not None}:
                    found.add(self.one(who))
            elif who not in (node.maker, node.anchor):
                found.add(who)
        return len(found)

    # Levels

    def level(self, node: Node, row: int | None) -> Level:
        level = level_of(node)
        cosigned = self.trust.has_quorum and self.moment.cosigned is not None and self.moment.cosigned.is_met
        every = frozenset({"authorship", "content", "evidence", "origin", "reproduced"})
        if level is not Level.ANCHORED or not cosigned:
            return level
        if not self.attestors(node, row, every, None, independent=True):
            return level
        facts = node.record.fields.get("facts", {}) if node.record is not None else {}
        age = self.age(node)
        disputes = {Code.DISPUTED, Code.REFUTED, Code.ROW_NOTICED}
        if (
            node.kind == "experience"
            and "confidence" in facts
            and ("evidence" in facts or any(parent.rel == "evidence" for parent in node.parents))
            and self.attestors(node, row, frozenset({"evidence"}), None, independent=True)
            and age is not None
            and age >= max(WEEK_MS, self.policy.quarantine_ms)
            and not any(code in disputes for code, *_ in self.said(node.id, row))
        ):
            return Level.REALITY_BOUND
        return Level.VOUCHED

    def age(self, node: Node) -> int | None:
        """From the least time that counts and covers its place."""
        moment, cosigned = self.moment, self.moment.cosigned
        told_by = [
            (item.size, item.by_ms) for item in (moment.older if self.trust.has_quorum else moment.clocks)
        ]
        if not self.trust.has_quorum:
            told_by.append((moment.checkpoint.size, moment.clock_ms))
        elif cosigned is not None and cosigned.existed_by_s is not None:
            told_by.append((moment.checkpoint.size, cosigned.existed_by_s * 1_000))
        since = since_of(node)
        times = [by_ms for size, by_ms in told_by if since is not None and size > since]
        return moment.at_ms - min(times) if times else None

    # What the policy asks

    def findings(self, artifact_id: bytes, row: int | None) -> Iterator[tuple[Verdict, int, Code]]:
        """(verdict, distance, code) of all that stands against it, along every path."""
        for code, own, _ in self.said(artifact_id, row):
            yield self.comes_to(own), 0, code
        node = self.nodes.get(artifact_id)
        if node is None:
            return
        if told(node) and not self.lacks(node, row):
            for verdict, code in self.rules(node, row, as_row=True):
                yield verdict, 0, code
        yield from self.content(artifact_id, 0)
        for parent in node.parents:
            if parent.rel in HANDS_ON:
                yield from self.handed(parent, 1)

    def handed(self, parent: Parent, distance: int) -> Iterator[tuple[Verdict, int, Code]]:
        if parent.log is not None:
            yield Verdict.REJECTED, distance, Code.FOREIGN
            return
        for code, _, passed in self.said(parent.id, parent.row):
            yield self.comes_to(passed), distance, code
        node = self.nodes.get(parent.id)
        if node is None:
            return
        if told(node):
            for verdict, code in self.rules(node, parent.row, as_row=False):
                yield verdict, distance, code
        for further in node.parents:
            if further.rel in HANDS_ON:
                yield from self.handed(further, distance + 1)

    def comes_to(self, standing: Standing) -> Verdict:
        return {
            Standing.RELEASED: Verdict.ADMITTED,
            Standing.CONDITIONAL: self.policy.conditional,
            Standing.QUARANTINED: Verdict.QUARANTINED,
            Standing.RETRACTED: Verdict.REJECTED,
            Standing.UNKNOWN: Verdict.REJECTED,
        }[standing]

    def rules(self, node: Node, row: int | None, *, as_row: bool) -> Iterator[tuple[Verdict, Code]]:
        policy, made = self.policy, node.stance == "made"
        grades = self.maker_grades(node)
        if as_row or policy.ancestors_accepted:
            if not grades:
                yield Verdict.REJECTED, Code.MAKER_NOT_ACCEPTED
            elif not grades & policy.maker_grades:
                yield Verdict.REJECTED, Code.GRADE_TOO_LOW
        need = ((policy.rows if as_row else policy.ancestors) if made else policy.reported).get(node.kind)
        count = self.attestors(
            node, row, policy.claims, policy.attestor_grades, independent=policy.independent
        )
        if need is None:
            yield Verdict.REJECTED, Code.KIND_NOT_ADMITTED
        else:
            if self.level(node, row) < (min(need.level, 1) if self.is_tool(node) else need.level):
                yield Verdict.REJECTED, Code.LEVEL_TOO_LOW
            if need.vouched and count < policy.vouching:
                yield Verdict.QUARANTINED, Code.NOT_VOUCHED
        if made and node.kind in ("work", "experience", "derived"):
            yield from self.shares(node)
        by_owner_or_tool = self.is_tool(node) or self.owners(node.id) == {answerable(node)}
        if made and node.kind == "derived" and not policy.derived_by_anyone and not by_owner_or_tool:
            yield Verdict.REJECTED, Code.DERIVED_BY_STRANGER
        if as_row:
            if not self.is_tool(node) and count < policy.attestations:
                yield Verdict.QUARANTINED, Code.TOO_FEW_ATTESTATIONS
            age = self.age(node)
            if policy.quarantine_ms and (age is None or age < policy.quarantine_ms):
                yield Verdict.QUARANTINED, Code.TOO_YOUNG

    def shares(self, node: Node) -> Iterator[tuple[Verdict, Code]]:
        """The worst of the two ways to count quotations that wait."""
        if node.record is None or not self.policy.human_least_ppm:
            return
        unstated = (node.role, node.kind) in STATES_HUMAN and "human" not in node.record.fields
        code = Code.SHARES_UNSTATED if unstated else Code.HUMAN_SHARE_TOO_SMALL
        for waiting_counts, verdict in ((True, Verdict.REJECTED), (False, Verdict.QUARANTINED)):
            if self.human(node, waiting_counts=waiting_counts) < self.policy.human_least_ppm:
                yield verdict, code
                return

    def human(self, node: Node, *, waiting_counts: bool) -> int:
        fields = node.record.fields if node.record is not None else {}
        total = fields.get("human", 0)
        left = 1_000_000 - total - fields.get("machine", 0)
        fit, peoples = [], []
        for parent in node.parents:
            if parent.rel not in BEARS_SHARE:
                continue
            worst = min((verdict for verdict, *_ in self.handed(parent, 1)), default=Verdict.ADMITTED)
            other = self.nodes.get(parent.id) if parent.log is None else None
            known = other is not None and other.record is not None
            of_people = known and other is not None and other.kind not in ("output", "abstract", "model")
            is_told = parent.rel in HANDS_ON and worst is Verdict.REJECTED  # it is told by itself
            least = Verdict.QUARANTINED if waiting_counts or parent.rel in HANDS_ON else Verdict.ADMITTED
            counts = is_told or (of_people and worst >= least)
            if parent.ppm is None:
                fit.append(counts)
                peoples.append(is_told or of_people)
            else:
                left -= parent.ppm
                total += parent.ppm if counts else 0
        leaves_open = ((node.role, node.kind) in STATES_HUMAN and "human" not in fields) or (
            (node.role, node.kind) in STATES_MACHINE and "machine" not in fields
        )
        if leaves_open:
            counts = self.policy.unstated.get(node.role) == "human" and all(peoples)
        else:
            counts = bool(fit) and all(fit)
        return int(total + (max(left, 0) if counts else 0))

    def content(self, artifact_id: bytes, distance: int) -> Iterator[tuple[Verdict, int, Code]]:
        """Rights, along `derived-from` alone. Sources have tests of their own."""
        node = self.nodes.get(artifact_id)
        if node is None:
            return
        if told(node) and node.record is not None:
            word = node.record.fields.get("rights", {}).get("train")
            codes = {
                "denied": Code.TRAIN_DENIED,
                None: Code.TRAIN_UNSTATED,
                "constrained": Code.TRAIN_CONSTRAINED,
            }
            if word is not None or node.kind != "derived":
                yield self.policy.rights.train[word], distance, codes.get(word, Code.CLEAR)
        for parent in node.parents:
            if parent.rel == "derived-from" and parent.log is None:
                yield from self.content(parent.id, distance + 1)


def since_of(node: Node) -> int | None:
    """The place that tells its age: the first that is not at fault, and is not disowned or is rescued; else that shown."""
    told = [
        place.log_index
        for place in node.places
        if place.fault is None and (place.disowned is None or place.disowned.rescued_by)
    ]
    return min(told, default=node.log_index)


def both(code: Code, standing: Standing) -> tuple[Code, Standing, Standing]:
    return code, standing, standing


def told(node: Node) -> bool:
    return node.presence in (Presence.STANDS, Presence.DISOWNED) and node.record is not None


def answerable(node: Node) -> bytes | None:
    return node.maker if node.anchor is None else node.anchor

"""From the claims on rows to verdicts: ancestries verified and judged some thousand at a time, then let go (SPEC §12.3).

What is kept from one batch to the next is what was verified of the log itself (`ledger.proofs.trace.Tracer`), within bounds. A verdict depends on nothing
that another batch holds, so how rows fall into batches changes none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from ledger.api.gate.claims import Claims
from ledger.api.gate.collector import uncollected
from ledger.api.gate.shown import Said, ShownLog
from ledger.errors import StoreFault
from ledger.identity.vkey import Vkey
from ledger.origin.acceptance import Acceptance
from ledger.origin.claims import RowVerdict
from ledger.origin.judge import Judge
from ledger.origin.moment import Footing, Moment, check_decidable
from ledger.origin.policy import Policy
from ledger.origin.said import weigh
from ledger.origin.tally import SampleNode, Traits
from ledger.origin.trust import Trust
from ledger.proofs.facts import Ancestries, Existed, Node, Presence
from ledger.proofs.quorum import Cosigned
from ledger.spec import TALLY_NODES_MAX

_ARTIFACTS: Final = 4_096  # that are traced together


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what is judged: policy, trust, and the moment as far as the log does not tell it itself.

    `cosigned`: what the trust file's witnesses say of the view's log checkpoint; `older`: of its beginnings.
    """

    policy: Policy
    trust: Trust
    at_ms: int
    cosigned: Cosigned | None = None
    older: tuple[Existed, ...] = ()


class Sampled(NamedTuple):
    """An ancestry as a report draws it: nodes, the root first; how many more there are; which of them decides."""

    nodes: tuple[SampleNode, ...] = ()
    nodes_left: int = 0
    decides: bytes | None = None


class Batch:
    """Artifacts that were traced together, and their judge."""

    def __init__(self, terms: Terms, log: Vkey, traced: Ancestries) -> None:
        self._nodes = traced.nodes
        self._judge = Judge(traced.nodes, terms.policy, terms.trust, _moment(terms, log, traced))

    def row(self, claims: Claims) -> RowVerdict:
        """The verdict on a row with these claims."""
        return self._judge.row(claims)

    def traits(self, verdict: RowVerdict) -> Traits:
        """What a row is counted by: what is known of the artifact that its verdict tells of."""
        node = None if verdict.artifact_id is None else self._nodes.get(verdict.artifact_id)
        label, level = verdict.verdict.label, verdict.level.code
        if node is None or node.record is None:
            return Traits(label, str(verdict.code), level, has_rivals=bool(verdict.rivals))
        rights, source = node.record.fields.get("rights", {}), node.record.fields.get("source", {})
        answerable = node.anchor if node.anchor is not None else node.maker
        return Traits(
            label,
            str(verdict.code),
            level,
            node.kind,
            node.stance,
            "" if node.maker is None else node.maker.hex(),
            node.role,
            "" if answerable is None else answerable.hex(),
            rights.get("license", ""),
            rights.get("train", ""),
            source.get("category", ""),
            source.get("uri", ""),
            bool(verdict.rivals),
        )

    def sample(self, verdict: RowVerdict, claims: Claims) -> Sampled:
        """The ancestry of the artifact that a verdict tells of."""
        root = verdict.artifact_id
        if root is None or root not in self._nodes:
            return Sampled()
        row = next((row for artifact_id, row in claims if artifact_id == root), None)
        finding = self._judge.artifact(root, row).finding
        found: dict[bytes, Node | None] = {}
        waiting = deque([root])
        while waiting:
            artifact_id = waiting.popleft()
            if artifact_id in found:
                continue
            node = found[artifact_id] = self._nodes.get(artifact_id)
            if node is not None:
                waiting += [parent.id for parent in node.parents if parent.log is None]
        shown = list(found.items())[:TALLY_NODES_MAX]
        nodes = tuple(self._sample_node(artifact_id, node) for artifact_id, node in shown)
        return Sampled(nodes, len(found) - len(shown), None if finding is None else finding.id)

    def _sample_node(self, artifact_id: bytes, node: Node | None) -> SampleNode:
        judged = self._judge.artifact(artifact_id)
        says = judged.finding.says if judged.finding is not None and judged.finding.id == artifact_id else ""
        level, status = judged.level.code, judged.status.label
        if node is None:
            return SampleNode(artifact_id, "", "", None, "", level, status, says)
        parents = tuple((parent.rel, parent.id, parent.ppm) for parent in node.parents)
        return SampleNode(
            artifact_id, node.kind, node.stance, node.maker, node.role, level, status, says, parents
        )


class Judging:
    """Judges under some terms, in a log as it is shown. Not for two threads at once."""

    def __init__(self, shown: ShownLog, terms: Terms) -> None:
        """Raises Undecided where the policy needs what the terms do not offer; ProofInvalid where the log does not hold."""
        self.terms = terms
        self._log = shown.vkey
        trust = terms.trust
        graders = frozenset(shown.rules().get("registrars", ())) if trust.is_self else trust.graders
        with_clocks = not trust.has_quorum and terms.policy.quarantine_ms > 0
        self._tracer = shown.tracer(trust.accept, graders, with_clocks=with_clocks)
        self.footing = Footing(trust, _moment(terms, shown.vkey, self._tracer.trace(())))
        check_decidable(terms.policy, self.footing)
        self._acceptance = Acceptance(trust)

    def spoken(self, artifact_id: bytes) -> Said:
        """What is said of a `rows` record: of single rows, and against all of it."""
        node = self._tracer.trace([artifact_id]).nodes[artifact_id]
        rows = [notice.row for notice in node.notices] + [each.row for each in node.attestations]
        against = [each.row for each in node.notices]
        against += [each.row for each in node.attestations if each.result == "refuted"]
        return Said(frozenset(row for row in rows if row is not None), None in against)

    def check_searched(self, unsearched: Sequence[tuple[bytes, str]]) -> None:
        """Raises StoreFault `rows-missing` if somebody's datasets whose claims would count could not be looked into."""
        reasons = iter(unsearched)
        while some := dict(islice(reasons, _ARTIFACTS)):
            nodes = self._tracer.trace(some).nodes
            for artifact_id, reason in some.items():
                if not self._might_count(nodes[artifact_id], nodes):
                    continue
                raise StoreFault(
                    "rows-missing",
                    f"rows sidecar of {artifact_id.hex()[:16]}",
                    f"whether a row stands in this dataset of {_called(nodes[artifact_id])} cannot be told, and nothing is admitted so: {reason}",
                    "Make it anew (lineage import DATASET --column C --rebuild), or leave its maker out of a trust file's makers.",
                )

    def _might_count(self, node: Node, nodes: Mapping[bytes, Node]) -> bool:
        """Whether a claim of it, on whatever row, would be weighed (SPEC §12.3)."""
        if node.maker is None:
            return True
        if node.presence is not Presence.DISOWNED:
            return bool(self._acceptance.maker_grades(node))
        # What a thief signed must hold up nobody once its maker disowned it; what a curator holds back is not got rid of so.
        said = weigh(node, self._acceptance, nodes.get)
        return bool(self._acceptance.maker_grades(node)) and any(
            said.is_held_back(row) for row in (None, *said.rows)
        )

    def judge(self, claimed: Iterable[Claims]) -> Iterator[tuple[Claims, RowVerdict, Batch]]:
        """The verdict on each distinct set of claims, in their order."""
        held: list[Claims] = []
        ids: dict[bytes, None] = {}
        for claims in claimed:
            held.append(claims)
            ids.update((artifact_id, None) for artifact_id, _ in claims)
            if len(ids) >= _ARTIFACTS:
                yield from self._batch(held, ids)
                held, ids = [], {}
        if held:
            yield from self._batch(held, ids)

    def _batch(
        self, held: list[Claims], ids: Collection[bytes]
    ) -> Iterator[tuple[Claims, RowVerdict, Batch]]:
        with uncollected(ids):
            traced = self._tracer.trace(ids)
        batch = Batch(self.terms, self._log, traced)
        for claims in held:
            yield claims, batch.row(claims), batch


def _called(node: Node) -> str:
    """Whose it is, for an error."""
    return "a maker who cannot be told" if node.maker is None else f"the maker {node.maker.hex()[:16]}"


def _moment(terms: Terms, log: Vkey, traced: Ancestries) -> Moment:
    return Moment(
        terms.at_ms, log, traced.checkpoint, traced.clock_ms, terms.cosigned, terms.older, traced.clocks
    )

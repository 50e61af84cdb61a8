"""The worst that stands against an artifact, and by which shortest path it comes there (SPEC §12.3).

A *burden* is a verdict below admitted, its reason, where that was found, and the edges that lead there. Of two, the lesser
comes first: by verdict, then distance, then the order of reasons, then ids; so there is one least, whatever the order in
which parents are taken. A burden is extended over an edge by pointing to the one behind it, so that long paths cost
nothing until they are told.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.origin.lattice import Verdict
from ledger.origin.reasons import ORDER, Finding, Step, Through
from ledger.statements.record import Parent

Key = tuple[int, int, int, bytes, int, str, str, bytes, int]


class Burden(NamedTuple):
    """`key` orders burdens; `finding` the reason; `parent` the first edge towards it and `rest` the burden there, if any.

    `through`: the path's relations, from the reason on.
    """

    key: Key
    finding: Finding
    through: Through = Through()
    parent: Parent | None = None
    rest: Burden | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.key[0])

    def path(self) -> tuple[Step, ...]:
        """The edges from the artifact to where the reason was found."""
        steps = []
        burden: Burden | None = self
        while burden is not None and burden.parent is not None:
            steps.append(Step(burden.parent.rel, burden.parent.id, burden.parent.row))
            burden = burden.rest
        return tuple(steps)


def burden_at(verdict: Verdict, finding: Finding) -> Burden:
    """A burden where its reason is found."""
    row = -1 if finding.row is None else finding.row
    return Burden((int(verdict), 0, ORDER[finding.code], finding.id, row, finding.says, "", b"", -1), finding)


def lesser(first: Burden | None, second: Burden | None) -> Burden | None:
    """The worse of two; None is no burden."""
    if first is None or second is None:
        return second if first is None else first
    return second if second.key < first.key else first


def lesser_over(least: Burden | None, parent: Parent, burden: Burden | None) -> Burden | None:
    """The worse of one that is known and a parent's, as it comes over the edge."""
    if burden is None:
        return least
    verdict, distance, order, origin, row, says, *_ = burden.key
    via_row = -1 if parent.row is None else parent.row
    key = (verdict, distance + 1, order, origin, row, says, parent.rel, parent.id, via_row)
    if least is not None and least.key <= key:
        return least
    return Burden(key, burden.finding, burden.through.extended(parent.rel), parent, burden)

"""Whose word counts, under a trust file (SPEC §12.1): makers, attestors, curators; and who is independent of whom.

All of it is said of one artifact at a time by what its node holds, so that no other artifact's absence makes anybody
better accepted or more independent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from ledger.origin.policy import NAMED, UNGRADED
from ledger.origin.trust import Trust
from ledger.proofs.facts import Attestation, Grade, Node
from ledger.statements import words

_FEW = 16  # attestations that are looked through each time
NOBODY: frozenset[str] = frozenset()
NOBODY_AT_ALL: frozenset[bytes] = frozenset()


class Acceptance:
    """What a trust file says of the people in a node."""

    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        self._known: dict[tuple[Any, ...], frozenset[str]] = {}
        self._by_row: dict[bytes, dict[int | None, list[Attestation]]] = {}

    def maker_grades(self, node: Node) -> frozenset[str]:
        """The grades of a maker, or his anchor; empty if he is not accepted."""
        people = node.maker, node.anchor, node.endorsements, self.is_tool(node)
        if people not in self._known:
            self._known[people] = self._maker_grades(node)
        return self._known[people]

    def _maker_grades(self, node: Node) -> frozenset[str]:
        trust = self._trust
        people = {node.maker, node.anchor} - {None}
        found = {grade.grade for grade in node.endorsements if self._counts(grade)}
        if people & trust.makers or self.is_tool(node):
            found.add(NAMED)
        if trust.all_makers and node.maker is not None:
            found.add(UNGRADED)
        return frozenset(found)

    def is_tool(self, node: Node) -> bool:
        """Whether it was derived by a tool that the trust file names."""
        return node.kind == "derived" and node.stance == "made" and node.maker in self._trust.tools

    def is_curator(self, identity_id: bytes) -> bool:
        """Whether a notice of somebody whom the log lists counts in full; else it is a dispute."""
        curators = self._trust.curators
        return curators is None or identity_id in curators

    def names_curator(self, identity_id: bytes) -> bool:
        """Whether the trust file itself names somebody as a curator."""
        return identity_id in (self._trust.curators or NOBODY_AT_ALL)

    def attestor_grades(self, attestation: Attestation) -> frozenset[str]:
        """The grades of an attestor; empty if his word does not count.

        Nor does it while he is contested, or if he is a pair that stands in a `[[controlled]]` group which its anchor is not
        in: whose word that is cannot be told.
        """
        trust, by = self._trust, attestation.by
        if attestation.contested or not self._is_one(by, attestation.answerable):
            return NOBODY
        found = {grade.grade for grade in attestation.endorsements if self._counts(grade)}
        if by in trust.voices:
            found.add(NAMED)
        return frozenset(found)

    def refutes(self, attestation: Attestation) -> bool:
        """Whether somebody whose word would count denies something; being contested makes no difference here."""
        trust = self._trust
        return attestation.result == "refuted" and (
            attestation.by in trust.voices or any(self._counts(grade) for grade in attestation.endorsements)
        )

    def attestors(
        self,
        node: Node,
        row: int | None,
        *,
        claims: Collection[str] = words.CLAIMS,
        grades: Collection[str] | None = None,
        apart_from: Iterable[bytes] | None = None,
    ) -> int:
        """How many confirm one of `claims` of the artifact, or of this row of it; who is under one control counts once.

        `grades`: one of these is asked for, None: any. `apart_from`: identities of which all must be independent besides maker
        and anchor; None: nobody need be independent, but the maker himself and his anchor do not count.
        """
        people = {person for person in (node.maker, node.anchor) if person is not None}
        if apart_from is None:
            shut_out = people
        else:
            shut_out = {self._trust.controller(person) for person in (*people, *apart_from)}
        found = set()
        for attestation in self._said_of(node, row):
            if attestation.claim not in claims:
                continue
            if attestation.result != "confirmed":
                continue
            had = self.attestor_grades(attestation)
            if not had or (grades is not None and had.isdisjoint(grades)):
                continue
            answerable = attestation.answerable
            one = answerable if apart_from is None else self._trust.controller(answerable)
            if one not in shut_out:
                found.add(one)
        return len(found)

    def _said_of(self, node: Node, row: int | None) -> Iterable[Attestation]:
        """The attestations of an artifact as a whole and of this row of it, without a look at all other rows'."""
        if len(node.attestations) <= _FEW:
            return (each for each in node.attestations if each.row is None or each.row == row)
        by_row = self._by_row.get(node.id)
        if by_row is None:
            by_row = self._by_row[node.id] = {}
            for attestation in node.attestations:
                by_row.setdefault(attestation.row, []).append(attestation)
        return [*by_row.get(None, ()), *(by_row.get(row, ()) if row is not None else ())]

    def _is_one(self, identity_id: bytes, answerable: bytes) -> bool:
        """Whether no group holds an identity without who answers for it."""
        trust = self._trust
        return identity_id not in trust.control or trust.controller(identity_id) == trust.controller(
            answerable
        )

    def _counts(self, grade: Grade) -> bool:
        """Whether an endorsement gives a grade: the trust file lets its issuer give it; self-trusted, the log lists him."""
        if self._trust.is_self:
            return grade.listed
        return grade.grade in self._trust.registrars.get(grade.issuer, NOBODY)

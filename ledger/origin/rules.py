"""What a policy asks of one artifact, as a row's own or as an ancestor (SPEC §12.2).

Each rule gives a verdict and a reason, or nothing. Rules see one artifact, what is known of its parents, and how far it is
attested; the fixpoint over the ancestry is `ledger.origin.judge`'s matter. A rule never gives a better verdict for less proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ledger.origin import shares
from ledger.origin.acceptance import Acceptance
from ledger.origin.lattice import Verdict
from ledger.origin.levels import Level
from ledger.origin.licenses import allows
from ledger.origin.policy import Need, Needs, Policy
from ledger.origin.reasons import Code, Finding, duration, percent, short
from ledger.origin.shares import Worth
from ledger.proofs.facts import Node
from ledger.statements.record import Parent


class Ruled(NamedTuple):
    """A verdict that a rule gives, and why."""

    verdict: Verdict
    finding: Finding


@dataclass(frozen=True, slots=True)
class Case:
    """One artifact that stands, or a `row` of it, under a policy.

    `owners`: the identities that answer for what a `derived` was made of, None if that is not known; `worth`: what a parent's
    share counts as; `age_ms`: for how long it has existed at least, None if nothing says so.
    """

    node: Node
    row: int | None
    level: Level
    owners: frozenset[bytes] | None
    worth: Callable[[Parent], Worth]
    age_ms: int | None


class Rules:
    """The rules of one policy, for a node with a record; each in no order that matters."""

    def __init__(self, policy: Policy, acceptance: Acceptance) -> None:
        self._policy = policy
        self._acceptance = acceptance
        unstated = {policy.rights.license_unstated, policy.rights.train[None], policy.sources.unstated}
        self._may_be_silent = unstated == {Verdict.ADMITTED}

    def of_row(self, case: Case) -> Iterator[Ruled]:
        """What keeps an artifact from being a row's own."""
        yield from self._maker(case.node)
        yield from self._kind(case, self._policy.rows)
        yield from self._attested(case)
        yield from self._age(case)

    def of_ancestor(self, case: Case) -> Iterator[Ruled]:
        """The same for an ancestor over a propagating relation."""
        if self._policy.ancestors_accepted:
            yield from self._maker(case.node)
        yield from self._kind(case, self._policy.ancestors)

    def of_both(self, case: Case) -> Iterator[Ruled]:
        """What is asked of both, of whatever row."""
        yield from self._shares(case)
        yield from self._derived(case)

    def of_content(self, node: Node) -> Iterator[Ruled]:
        """Rights and sources: of a row, and of whatever its content is derived from.

        What a `derived` leaves unstated is what its parents say.
        """
        fields = node.record.fields if node.record is not None else {}
        passes_on = node.kind == "derived"
        rights, source = fields.get("rights", {}), fields.get("source", {})
        if not rights and not source and (passes_on or self._may_be_silent):  # most often
            return
        yield from self._license(node, rights.get("license"), passes_on=passes_on)
        yield from self._train(node, rights.get("train"), passes_on=passes_on)
        yield from self._source(node, source, passes_on=passes_on)

    def _maker(self, node: Node) -> Iterator[Ruled]:
        grades = self._acceptance.maker_grades(node)
        who = short(node.maker) if node.maker is not None else "nobody"
        if not grades:
            says = f"is by {who}, whom the trust file does not accept as a maker"
            yield _ruled(Verdict.REJECTED, Code.MAKER_NOT_ACCEPTED, node, says)
        elif grades.isdisjoint(self._policy.maker_grades):
            says = f"is by {who}, who is {', '.join(sorted(grades))}; asked for is {' or '.join(sorted(self._policy.maker_grades))}"
            yield _ruled(Verdict.REJECTED, Code.GRADE_TOO_LOW, node, says)

    def _kind(self, case: Case, needs_of_made: Needs) -> Iterator[Ruled]:
        node = case.node
        is_made = node.stance == "made"
        need = (needs_of_made if is_made else self._policy.reported).get(node.kind)
        if need is None:
            kind = node.kind if is_made else f"reported {node.kind}"
            yield _ruled(
                Verdict.REJECTED, Code.KIND_NOT_ADMITTED, node, f"is of kind {kind}, which may not enter"
            )
        else:
            yield from self._level(case, need)

    def _level(self, case: Case, need: Need) -> Iterator[Ruled]:
        # A named tool has no origin of its own to be anchored or vouched for: its parents are judged instead.
        least = min(need.level, Level.LOGGED) if self._acceptance.is_tool(case.node) else need.level
        if case.level < least:
            says = f"has level {case.level.code} ({case.level.label}), under {least.code} ({least.label})"
            yield _ruled(Verdict.REJECTED, Code.LEVEL_TOO_LOW, case.node, says)
        if need.vouched:
            count = self._attestors(case)
            if count < self._policy.vouching:
                says = f"is vouched for by {count:,} of {self._policy.vouching:,}, and waits for that"
                yield _ruled(Verdict.QUARANTINED, Code.NOT_VOUCHED, case.node, says)

    def _attested(self, case: Case) -> Iterator[Ruled]:
        least = self._policy.attestations
        if not least or self._acceptance.is_tool(case.node):
            return
        count = self._attestors(case)
        if count < least:
            says = f"is attested by {count:,} of the {least:,} that are asked for"
            yield _ruled(Verdict.QUARANTINED, Code.TOO_FEW_ATTESTATIONS, case.node, says)

    def _attestors(self, case: Case) -> int:
        policy = self._policy
        apart = (case.owners or ()) if policy.independent else None
        if policy.independent and case.owners is None:
            return 0  # of whom they should be independent is not known
        return self._acceptance.attestors(
            case.node, case.row, claims=policy.claims, grades=policy.attestor_grades, apart_from=apart
        )

    def _age(self, case: Case) -> Iterator[Ruled]:
        least_ms = self._policy.quarantine_ms
        if least_ms and (case.age_ms is None or case.age_ms < least_ms):
            known = (
                "nothing that counts tells its age"
                if case.age_ms is None
                else f"it has existed for {duration(case.age_ms)}"
            )
            says = f"is too young: {known}, and {duration(least_ms)} are asked for"
            yield _ruled(Verdict.QUARANTINED, Code.TOO_YOUNG, case.node, says)

    def _shares(self, case: Case) -> Iterator[Ruled]:
        node, least_ppm = case.node, self._policy.human_least_ppm
        if node.record is None or not least_ppm or not shares.is_bound(node):
            return
        if node.record.fields.get("human", 0) >= least_ppm:
            return  # whatever else there is only adds to it
        now = shares.human_ppm(node, self._policy, case.worth, Worth.NOW)
        if now >= least_ppm:
            return
        later = shares.human_ppm(node, self._policy, case.worth, Worth.PERHAPS)
        verdict, found = (Verdict.REJECTED, later) if later < least_ppm else (Verdict.QUARANTINED, now)
        says = f"is known to be people's by {percent(found)}, under {percent(least_ppm)}"
        code = Code.HUMAN_SHARE_TOO_SMALL
        if shares.says_nothing(node):
            code, says = Code.SHARES_UNSTATED, f"states no human share, and {says}"
        yield _ruled(verdict, code, node, says)

    def _derived(self, case: Case) -> Iterator[Ruled]:
        node = case.node
        if node.kind != "derived" or node.stance != "made" or self._policy.derived_by_anyone:
            return
        answerable = node.anchor if node.anchor is not None else node.maker
        is_own = case.owners is not None and case.owners == {answerable}
        if not is_own and not self._acceptance.is_tool(node):
            says = "is derived by who is neither the parents' own anchor, nor its pair, nor a tool that the trust file names"
            yield _ruled(Verdict.REJECTED, Code.DERIVED_BY_STRANGER, node, says)

    def _license(self, node: Node, text: str | None, *, passes_on: bool) -> Iterator[Ruled]:
        rights = self._policy.rights
        if text is None:
            if not passes_on:
                yield from _unless_admitted(
                    rights.license_unstated, Code.LICENSE_UNSTATED, node, "states no licence"
                )
        elif rights.licenses is not None and not allows(rights.licenses, text):
            says = f"is licensed as {text!r}, which the list does not allow"
            yield from _unless_admitted(rights.license_other, Code.LICENSE_NOT_ALLOWED, node, says)

    def _train(self, node: Node, word: str | None, *, passes_on: bool) -> Iterator[Ruled]:
        code = {None: Code.TRAIN_UNSTATED, "denied": Code.TRAIN_DENIED}.get(word, Code.TRAIN_CONSTRAINED)
        says = "does not say whether it may be trained on" if word is None else f"says of training: {word}"
        if word is not None or not passes_on:
            yield from _unless_admitted(self._policy.rights.train[word], code, node, says)

    def _source(self, node: Node, source: dict[str, str], *, passes_on: bool) -> Iterator[Ruled]:
        sources = self._policy.sources
        uri, category = source.get("uri"), source.get("category")
        if uri is not None and _is_under(uri, sources.uris_denied):
            yield _ruled(Verdict.REJECTED, Code.SOURCE_NOT_ALLOWED, node, f"is from {uri}, which is shut out")
        for what, value, is_allowed in (
            ("category", category, sources.categories is None or category in sources.categories),
            ("URI", uri, sources.uris is None or (uri is not None and _is_under(uri, sources.uris))),
        ):
            if value is not None and not is_allowed:
                says = f"is from {what} {value}, which the list does not allow"
                yield from _unless_admitted(sources.other, Code.SOURCE_NOT_ALLOWED, node, says)
            elif value is None and not passes_on:
                yield from _unless_admitted(
                    sources.unstated, Code.SOURCE_UNSTATED, node, f"states no {what} of its source"
                )


def _is_under(uri: str, listed: frozenset[str]) -> bool:
    return any(uri == each or (each[-1] in "/:" and uri.startswith(each)) for each in listed)


def _unless_admitted(verdict: Verdict, code: Code, node: Node, says: str) -> Iterator[Ruled]:
    if verdict is not Verdict.ADMITTED:
        yield _ruled(verdict, code, node, says)


def _ruled(verdict: Verdict, code: Code, node: Node, says: str) -> Ruled:
    return Ruled(verdict, Finding(code, node.id, None, says))

"""Who may speak: pairs by their delegation, everybody by the log's rules (SPEC §5.3, §5.4, §7.3, §7.4)."""

from __future__ import annotations

from ledger.errors import PolicyDenied, RefusedInput
from ledger.fold.objects import Delegation, Endorsement, Identity
from ledger.fold.state import FoldState
from ledger.identity.life import retired
from ledger.statements.statement import Statement

_ANEW = "Let the anchor delegate anew."


def is_listed(state: FoldState, identity_id: bytes) -> bool:
    """Whether an identity stands among the registrars or curators of the rules in force."""
    rules = state.header.rules
    return identity_id in rules.get("registrars", ()) or identity_id in rules.get("curators", ())


def check_mode(state: FoldState, signer: Identity, clock_ms: int) -> None:
    """Whether an allow-list admits what `signer` says. Raises PolicyDenied `not-endorsed`."""
    if signer.id == state.header.operator or is_listed(state, signer.id):
        return
    subject = signer.anchor or signer.id
    for registrar in state.header.rules.get("registrars", ()):
        if counting_endorsement(state, registrar, subject, clock_ms):
            return
    raise PolicyDenied(
        "not-endorsed",
        f"identity {subject.hex()[:16]}",
        "this log admits by an allow-list, and no listed registrar endorses it",
        "Ask a registrar of this log for an endorsement.",
    )


def counting_endorsement(
    state: FoldState, issuer: bytes, subject: bytes, clock_ms: int
) -> Endorsement | None:
    """The issuer's endorsement of the subject that counts where the log's clock is `clock_ms` (SPEC §7.6), or None."""
    for found in state.endorsements(subject, issuer):
        if not state.is_disowned(issuer, found.log_index, found.signed_by, clock_ms):
            return found if found.until is None or clock_ms < found.until else None
    return None


def check_pair(state: FoldState, pair: Identity, clock_ms: int, *, named: bytes | None = None) -> Delegation:
    """The delegation by which a pair speaks; `named`: which one it must be. Raises RefusedInput `not-delegated`, `scope-exceeded`."""
    delegation = pair.delegation
    reason = why_silent(state, pair, clock_ms)
    if delegation is not None and not reason and named is not None and named != delegation.id:
        reason = "it names another delegation than the one in force"
    if delegation is None or reason:
        raise RefusedInput(
            "not-delegated",
            f"pair {pair.id.hex()[:16]}",
            reason,
            "Let the anchor run `lineage identity delegate`, then sign under that.",
        )
    scope = delegation.scope or {}
    if "until" in scope and clock_ms >= scope["until"]:
        raise RefusedInput("scope-exceeded", "delegation", "its time is over by the log's clock", _ANEW)
    return delegation


def why_silent(state: FoldState, pair: Identity, clock_ms: int) -> str:
    """Why no delegation of a pair is in force, whatever its scope says; "" if one is (SPEC §7.3)."""
    delegation = pair.delegation
    if delegation is None:
        return "its anchor has not delegated it"
    if delegation.ended is not None:
        return f"its anchor ended the delegation at log index {delegation.ended}"
    anchor = state.identity(pair.anchor) if pair.anchor else None
    if anchor is None or anchor.retired:
        return "its anchor is retired"
    if state.is_disowned(anchor.id, delegation.log_index, delegation.signed_by, clock_ms):
        return "its anchor disowned the delegation: the key that signed it was stolen"
    return ""


def delegation_in_force(state: FoldState, pair: Identity, clock_ms: int) -> Delegation | None:
    """The delegation by which a pair speaks, whatever its scope says; None also for who is no pair."""
    return None if why_silent(state, pair, clock_ms) else pair.delegation


def pair_of(state: FoldState, statement: Statement, signer: Identity) -> Identity:
    """The pair that a `delegate` or `undelegate` of `signer` is about. Raises RefusedInput `delegation-illegal`."""
    pair = state.identity(statement.body["pair"])
    reason = ""
    if pair is None or pair.role != "pair":
        reason = "it is no pair of this log"
    elif pair.anchor != signer.id:
        reason = "the pair names another anchor"
    elif signer.role != "human":
        reason = "the anchor is no human identity"
    elif statement.type == "undelegate" and (pair.delegation is None or pair.delegation.ended is not None):
        reason = "it is not delegated"
    if pair is None or reason:
        raise RefusedInput(
            "delegation-illegal",
            f"pair {statement.body['pair'].hex()[:16]}",
            reason,
            "Name a pair of this anchor.",
        )
    if statement.type == "delegate" and pair.retired:
        raise retired(pair.id)
    return pair

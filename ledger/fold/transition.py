"""The transition: (state, index, entry, clock) -> (state, fault), the same for log, auditor and verifier (SPEC §9).

`judge` only looks, `advance` only writes. The log asks `judge` before it takes an entry and refuses what would be
a fault; an auditor asks it of entries that are there already, names the fault and goes on: `advance` gives a faulty
entry no effect but its topics, which follow from its bytes alone.

Whether an entry is in order never depends on its records: who lacks them reaches the same state. Records are judged
apart (`ledger.fold.records`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ledger import spec
from ledger.errors import LineageError, NotYet, PolicyDenied, RefusedInput
from ledger.fold.faults import Fault, fault_of
from ledger.fold.state import Delegation, FoldState, Identity, KeyEvent, Lane, spend
from ledger.fold.topics import topics_of
from ledger.identity.keyset import Keyset, check_revealed, check_signatures
from ledger.identity.vkey import Vkey
from ledger.statements import words
from ledger.statements.entry import CURRENT, Entry, decode_entry
from ledger.statements.statement import Statement, keyset_digest, log_id

SignatureCheck = Callable[[Entry, Mapping[int, Keyset]], None]


def open_entry(data: bytes, log: bytes) -> Entry:
    """A well-formed entry of this log (SPEC §8.2). Raises RefusedInput."""
    entry = decode_entry(data)
    if entry.statement.log != log:
        raise RefusedInput(
            "wrong-log", "payload.log", "it names another log", "Sign it for the log it is to stand in."
        )
    return entry


def judge(
    state: FoldState,
    log_index: int,
    entry: Entry,
    clock_ms: int,
    verify: SignatureCheck = check_signatures,
) -> None:
    """Raises the LineageError that makes a well-formed entry faulty at `log_index`; else returns.

    `clock_ms` is the log's clock there (SPEC §9.5). `verify` may remember signatures checked before.
    """
    statement = entry.statement
    kind = statement.type
    _check_fold(state.header.fold_number)
    if (kind == "genesis") != (log_index == 0):
        raise _misplaced(kind, log_index)
    if kind not in words.TYPES_BUILT:
        raise NotYet(
            "not-yet", f"statement of type '{kind}'", "it is specified, but this version does not build it"
        )
    if kind == "state":
        _judge_state(state, statement)
    elif kind in ("genesis", "enrol"):
        if kind == "genesis":
            _judge_genesis(statement)
        else:
            _judge_enrol(state, statement)
        verify(entry, {CURRENT: statement.body["keyset"]})
    else:
        signer = _signer(state, statement)
        verify(entry, {CURRENT: signer.in_force.keyset})
        _judge_lane(state, statement)
        if kind == "artifacts":
            _judge_artifacts(state, statement, signer, clock_ms)
        else:
            _judge_delegate(state, statement, signer)


def advance(state: FoldState, log_index: int, entry: Entry | None, *, in_order: bool) -> None:
    """Takes an entry into the state; None stands for one that is not well-formed. Never raises for what it holds."""
    if entry is not None:
        if (
            entry.statement.type == "state"
        ):  # its other faults do not touch clock and number (SPEC §9.5, §9.6)
            state.header.clock_ms = max(state.header.clock_ms, entry.statement.body["time"])
            state.header.fold_number = max(state.header.fold_number, entry.statement.body["fold"])
        for topic in topics_of(entry.statement):
            state.extend_chain(topic, log_index, entry.leaf_hash)
        if entry.statement.type == "artifacts":
            state.header.records += entry.statement.body["count"]
        if in_order:
            _take_effect(state, log_index, entry.statement)
    if not in_order:
        state.put_fault(log_index)
    state.header.size = log_index + 1


def fold(
    state: FoldState,
    log_index: int,
    data: bytes,
    clock_ms: int,
    verify: SignatureCheck = check_signatures,
    *,
    fold_number: int = spec.FOLD_VERSION,
) -> tuple[Entry | None, Fault | None]:
    """One step over an entry that stands in the log, whatever it holds. Total: returns the fault, if any.

    `clock_ms` and `fold_number` are those of the `state` that closes the entry's segment (SPEC §9.5, §9.6).
    """
    state.header.fold_number = max(state.header.fold_number, fold_number)
    entry: Entry | None = None
    fault: Fault | None = None
    try:
        entry = open_entry(data, state.header.log_id)
        if log_index and not state.header.operator:
            raise RefusedInput(
                "genesis-illegal", "log", "no genesis in order stands at entry 0", "Do not read this log."
            )
        judge(state, log_index, entry, clock_ms, verify)
    except (RefusedInput, PolicyDenied) as error:
        fault = fault_of(error, log_index)
    advance(state, log_index, entry, in_order=fault is None)
    return entry, fault


def _misplaced(kind: str, log_index: int) -> LineageError:
    reason = "entry 0 is the genesis" if log_index == 0 else "a genesis stands at index 0 alone"
    return RefusedInput("misplaced", f"statement of type '{kind}' at index {log_index}", reason)


def _check_fold(number: int) -> None:
    if number != spec.FOLD_VERSION:
        raise RefusedInput(
            "fold-unknown",
            f"fold {number}",
            "this version does not know its rules",
            "Upgrade lineage-ledger.",
        )


def _judge_birth(body: dict[str, Any]) -> None:
    """The keyset of an enrolment and the two that it commits to (SPEC §6.1, §7.1)."""
    check_revealed(body["keyset"])
    if len({keyset_digest(body["keyset"]), body["next"], body["recovery"]}) != 3:
        raise RefusedInput(
            "keyset-illegal",
            "keyset",
            "current, next and recovery keysets are not three different ones",
            "Draw new keys.",
        )


def _judge_genesis(statement: Statement) -> None:
    body = statement.body
    _check_fold(body["fold"])
    keys = {bytes(key) for _algorithm, key in body["keyset"]["keys"]}
    if log_id(body["vkeys"][0]) != statement.log:
        raise RefusedInput("genesis-illegal", "genesis", "its log id is not that of its first vkey")
    for text in body["vkeys"]:
        vkey = Vkey.parse(text)
        if vkey.name != body["origin"]:
            raise RefusedInput("genesis-illegal", "genesis", "a vkey has another name than the origin")
        if vkey.key in keys:
            raise RefusedInput("genesis-illegal", "genesis", "a key of the log is also a key of its operator")
    _judge_birth(body)


def _judge_state(state: FoldState, statement: Statement) -> None:
    body, header = statement.body, state.header
    _check_fold(body["fold"])
    if body["root"] != state.status_root():
        raise RefusedInput("state-wrong", "state.root", "it is not the root of the status map here")
    if body["records"] != header.records:
        raise RefusedInput(
            "state-wrong", "state.records", f"it says {body['records']}, there are {header.records}"
        )
    if body["time"] < header.clock_ms:
        raise RefusedInput("state-wrong", "state.time", "it lies before the time of an earlier state")


def _judge_enrol(state: FoldState, statement: Statement) -> None:
    if state.identity(statement.id) is not None:
        raise RefusedInput(
            "identity-exists",
            f"identity {statement.id.hex()[:16]}",
            "it is enrolled already",
            "Use it as it is.",
        )
    _judge_birth(statement.body)
    if "of" in statement.body:
        anchor = state.identity(statement.body["of"])
        if anchor is None or anchor.role != "human":
            raise RefusedInput(
                "delegation-illegal",
                f"anchor {statement.body['of'].hex()[:16]}",
                "it is no human identity that is enrolled in this log",
                "Enrol the human first.",
            )


def _signer(state: FoldState, statement: Statement) -> Identity:
    signer = state.identity(statement.by)
    if signer is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity {statement.by.hex()[:16]}",
            "it is not enrolled in this log",
            "Append its enrolment first.",
        )
    if statement.key != signer.in_force.id:
        raise RefusedInput(
            "key-not-in-force",
            f"key event {statement.key.hex()[:16]}",
            f"it is not in force; {signer.in_force.id.hex()[:16]} is",
            "Sign again, in a new lane, under the key event in force.",
        )
    return signer


def _judge_lane(state: FoldState, statement: Statement) -> None:
    lane = state.lane(statement.by, statement.key, statement.lane)
    expected_seq, expected_prev = (lane.next_seq, lane.last) if lane else (0, None)
    if (statement.seq, statement.prev) != (expected_seq, expected_prev):
        raise RefusedInput(
            "lane-broken",
            f"lane {statement.lane.hex()[:16]}",
            f"its next statement has seq {expected_seq} and names its predecessor; this one has seq {statement.seq}",
            "Abandon the lane and sign again in a new one.",
        )


def _judge_artifacts(state: FoldState, statement: Statement, signer: Identity, clock_ms: int) -> None:
    count = statement.body["count"]
    limit = state.header.rules.get("limits", {}).get("records", count)
    if count > limit:
        raise PolicyDenied(
            "rules-exceeded",
            "statement",
            f"it has {count} records, this log takes {limit}",
            "Sign fewer at a time.",
        )
    named = statement.body.get("delegation")
    if signer.role != "pair":
        if named is not None:
            raise RefusedInput("schema", "body.delegation", "only a pair names a delegation", "Leave it out.")
        return
    in_force = signer.delegation
    if in_force is None or named != in_force.id:
        reason = (
            "it names another delegation than the one in force"
            if in_force
            else "its anchor has not delegated it"
        )
        raise RefusedInput(
            "not-delegated",
            f"pair {signer.id.hex()[:16]}",
            reason,
            "Let the anchor run `lineage identity delegate`, then sign under that.",
        )
    scope, used = in_force.scope or {}, in_force.records_used
    if "until" in scope and clock_ms >= scope["until"]:
        raise RefusedInput(
            "scope-exceeded",
            "delegation",
            "its time is over by the log's clock",
            "Let the anchor delegate anew.",
        )
    if "count" in scope and used + count > scope["count"]:
        raise RefusedInput(
            "scope-exceeded",
            "delegation",
            f"{used} of its {scope['count']} records are used, {count} more are asked for",
            "Let the anchor delegate anew.",
        )


def _judge_delegate(state: FoldState, statement: Statement, signer: Identity) -> None:
    pair = state.identity(statement.body["pair"])
    reason = ""
    if pair is None or pair.role != "pair":
        reason = "what it delegates is no pair of this log"
    elif pair.anchor != signer.id:
        reason = "the pair names another anchor"
    elif signer.role != "human":
        reason = "the anchor is no human identity"
    if reason:
        raise RefusedInput(
            "delegation-illegal",
            f"pair {statement.body['pair'].hex()[:16]}",
            reason,
            "Enrol a pair of this anchor.",
        )


def _take_effect(state: FoldState, log_index: int, statement: Statement) -> None:
    body, header = statement.body, state.header
    match statement.type:
        case "state":
            return
        case "genesis":
            header.operator, header.origin = statement.id, body["origin"]
            header.vkeys, header.rules = body["vkeys"], body["rules"]
            state.put_identity(_enrolled(log_index, statement, "operator"))
            return
        case "enrol":
            state.put_identity(_enrolled(log_index, statement, body["role"]))
            return
    state.put_lane(
        statement.by, statement.key, statement.lane, Lane(next_seq=statement.seq + 1, last=statement.id)
    )
    if statement.type == "delegate":
        pair = state.identity(body["pair"])
        if pair is not None:
            delegation = Delegation(statement.id, log_index, body["substrate"], body.get("scope"))
            state.put_delegation(pair, delegation)
        return
    signer = state.identity(statement.by)
    if signer is not None and signer.delegation is not None:
        state.put_identity(spend(signer, body["count"]))


def _enrolled(log_index: int, statement: Statement, role: str) -> Identity:
    body = statement.body
    event = KeyEvent(statement.id, log_index, statement.type, body["keyset"])
    return Identity(statement.id, role, (event,), body["next"], body["recovery"], body.get("of"))

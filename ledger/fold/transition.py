"""The transition: (state, index, entry, clock) -> (state, fault), the same for log, auditor and verifier (SPEC §9).

`judge` only looks, `advance` only writes. The log asks `judge` before it takes an entry and refuses what would be
a fault; an auditor asks it of entries that are there already, names the fault and goes on: `advance` gives a faulty
entry no effect but its topics, which follow from its bytes alone.

Whether an entry is in order never depends on its records: who lacks them reaches the same state. Records are judged
apart (`ledger.fold.records`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ledger import spec
from ledger.errors import LineageError, NotYet, PolicyDenied, RefusedInput
from ledger.fold import ordinary
from ledger.fold.authority import check_mode, check_pair, pair_of
from ledger.fold.faults import Fault, fault_of
from ledger.fold.objects import Delegation, Identity, Lane, spend
from ledger.fold.state import FoldState
from ledger.fold.topics import topics_of
from ledger.identity.keyset import Keyset, check_signatures, signing_keys
from ledger.identity.life import check_birth, check_event, key_event_of, retired
from ledger.identity.vkey import Vkey
from ledger.statements import words
from ledger.statements.entry import CURRENT, Entry, decode_entry
from ledger.statements.statement import Statement, log_id

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
    number = state.header.fold_number
    check_fold(number)
    if (kind == "genesis") != (log_index == 0):
        raise _misplaced(kind, log_index)
    if kind not in words.TYPES_BUILT[number]:
        raise NotYet("not-yet", f"statement of type '{kind}'", f"fold {number} does not build it")
    if kind in words.TYPES_ORDINARY:
        _judge_ordinary(state, entry, clock_ms, verify)
    elif kind == "state":
        _judge_state(state, statement)
    elif kind in words.TYPES_KEY_EVENT:
        verify(entry, _keysets_asked(state, log_index, statement, clock_ms))
    else:
        if kind == "genesis":
            _judge_genesis(statement)
        else:
            _judge_enrol(state, statement)
        verify(entry, {CURRENT: statement.body["keyset"]})


def _judge_ordinary(state: FoldState, entry: Entry, clock_ms: int, verify: SignatureCheck) -> None:
    statement = entry.statement
    kind = statement.type
    signer = _signer(state, statement, clock_ms)
    verify(entry, {CURRENT: signer.in_force(clock_ms).keyset})
    _judge_lane(state, statement)
    if state.header.rules.get("mode") == "allow-list" and kind != "evidence":
        check_mode(state, signer, clock_ms)
    if kind == "artifacts":
        _judge_artifacts(state, statement, signer, clock_ms)
        return
    if signer.role == "pair":
        check_pair(state, signer, clock_ms)
    if kind in ("delegate", "undelegate"):
        pair_of(state, statement, signer)
    else:
        ordinary.judge(state, statement, signer, clock_ms)


def advance(state: FoldState, log_index: int, entry: Entry | None, clock_ms: int, *, in_order: bool) -> None:
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
            _take_effect(state, log_index, entry, clock_ms)
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
    fold_number: int,
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
    advance(state, log_index, entry, clock_ms, in_order=fault is None)
    return entry, fault


def _misplaced(kind: str, log_index: int) -> LineageError:
    reason = "entry 0 is the genesis" if log_index == 0 else "a genesis stands at index 0 alone"
    return RefusedInput("misplaced", f"statement of type '{kind}' at index {log_index}", reason)


def check_fold(number: int) -> None:
    """Raises RefusedInput `fold-unknown` for a fold number whose rules this version does not know (SPEC §9.6)."""
    if number not in spec.FOLDS_KNOWN:
        raise RefusedInput(
            "fold-unknown",
            f"fold {number}",
            "this version does not know its rules",
            "Upgrade lineage-ledger.",
        )


def _judge_genesis(statement: Statement) -> None:
    body = statement.body
    check_fold(body["fold"])
    keys = {bytes(key) for _algorithm, key in body["keyset"]["keys"]}
    if log_id(body["vkeys"][0]) != statement.log:
        raise RefusedInput("genesis-illegal", "genesis", "its log id is not that of its first vkey")
    for text in body["vkeys"]:
        vkey = Vkey.parse(text)
        if vkey.name != body["origin"]:
            raise RefusedInput("genesis-illegal", "genesis", "a vkey has another name than the origin")
        if vkey.key in keys:
            raise RefusedInput("genesis-illegal", "genesis", "a key of the log is also a key of its operator")
    check_birth(body["keyset"], body["next"], body["recovery"])


def _judge_state(state: FoldState, statement: Statement) -> None:
    body, header = statement.body, state.header
    check_fold(body["fold"])
    if body["root"] != state.status_root():
        raise RefusedInput("state-wrong", "state.root", "it is not the root of the status map here")
    if body["records"] != header.records:
        raise RefusedInput(
            "state-wrong", "state.records", f"it says {body['records']}, there are {header.records}"
        )
    if body["time"] < header.clock_ms:
        raise RefusedInput("state-wrong", "state.time", "it lies before the time of an earlier state")
    if body["fold"] < header.fold_number:
        raise RefusedInput("state-wrong", "state.fold", f"it says {body['fold']} after {header.fold_number}")


def _judge_enrol(state: FoldState, statement: Statement) -> None:
    if state.identity(statement.id) is not None:
        raise RefusedInput(
            "identity-exists",
            f"identity {statement.id.hex()[:16]}",
            "it is enrolled already",
            "Use it as it is.",
        )
    body = statement.body
    check_birth(body["keyset"], body["next"], body["recovery"])
    if "of" in body:
        anchor = state.identity(body["of"])
        if anchor is None or anchor.role != "human":
            raise RefusedInput(
                "delegation-illegal",
                f"anchor {body['of'].hex()[:16]}",
                "it is no human identity that is enrolled in this log",
                "Enrol the human first.",
            )
        if anchor.retired:
            raise retired(anchor.id)


def _keysets_asked(
    state: FoldState, log_index: int, statement: Statement, clock_ms: int
) -> Mapping[int, Keyset]:
    identity = _enrolled(state, statement.by)
    keys_of_log = (
        {Vkey.parse(text).key for text in state.header.vkeys} if identity.role == "operator" else frozenset()
    )

    def revealed(key: bytes) -> int | None:
        found = state.revealed(identity.id, key)
        return None if found is None else found.log_index

    def revealed_keyset(digest: bytes) -> bool:
        return state.revealed_keyset(identity.id, digest) is not None

    return check_event(identity, statement, log_index, clock_ms, revealed, revealed_keyset, keys_of_log)


def _enrolled(state: FoldState, identity_id: bytes) -> Identity:
    identity = state.identity(identity_id)
    if identity is None:
        raise RefusedInput(
            "identity-unknown",
            f"identity {identity_id.hex()[:16]}",
            "it is not enrolled in this log",
            "Append its enrolment first.",
        )
    return identity


def _signer(state: FoldState, statement: Statement, clock_ms: int) -> Identity:
    signer = _enrolled(state, statement.by)
    if signer.retired:
        raise retired(signer.id)
    in_force = signer.in_force(clock_ms)
    if statement.key != in_force.id:
        raise RefusedInput(
            "key-not-in-force",
            f"key event {statement.key.hex()[:16]}",
            f"it is not in force; {in_force.id.hex()[:16]} is",
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
    in_force = check_pair(state, signer, clock_ms, named=named or b"")
    scope, used = in_force.scope or {}, in_force.records_used
    if "count" in scope and used + count > scope["count"]:
        raise RefusedInput(
            "scope-exceeded",
            "delegation",
            f"{used} of its {scope['count']} records are used, {count} more are asked for",
            "Let the anchor delegate anew.",
        )


def _take_effect(state: FoldState, log_index: int, entry: Entry, clock_ms: int) -> None:
    statement, header = entry.statement, state.header
    kind, body = statement.type, statement.body
    if kind == "state":
        return
    if kind in ("genesis", "enrol"):
        if kind == "genesis":
            header.operator, header.origin = statement.id, body["origin"]
            header.vkeys, header.rules = body["vkeys"], body["rules"]
            header.fold_number = max(header.fold_number, body["fold"])
        role = body.get("role", "operator")
        event = key_event_of(statement, log_index, clock_ms)
        state.put_birth(Identity(statement.id, log_index, 0, event, None, role, body.get("of")))
        return
    signer = _enrolled(state, statement.by)
    if kind in words.TYPES_KEY_EVENT:
        state.put_key_event(signer, key_event_of(statement, log_index, clock_ms), clock_ms)
        return
    state.put_lane(
        statement.by, statement.key, statement.lane, Lane(next_seq=statement.seq + 1, last=statement.id)
    )
    if kind == "artifacts":
        if signer.delegation is not None:
            state.put_identity(spend(signer, body["count"]))
        return
    signed_by = signing_keys(entry, signer.in_force(clock_ms).keyset)
    if kind == "delegate":
        delegation = Delegation(statement.id, log_index, body["substrate"], body.get("scope"), signed_by)
        state.put_delegation(_enrolled(state, body["pair"]), delegation)
    elif kind == "undelegate":
        pair = _enrolled(state, body["pair"])
        if pair.delegation is not None:
            state.put_identity(replace(pair, delegation=replace(pair.delegation, ended=log_index)))
    else:
        ordinary.take_effect(state, log_index, statement, signed_by, clock_ms)

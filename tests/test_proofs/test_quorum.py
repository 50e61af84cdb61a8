"""Cosignatures counted by quorum: published lines, both types, existed by and fresh as of (SPEC §12.1, §9.5)."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import ProofInvalid
from ledger.identity import ed25519, ml_dsa
from ledger.identity.c2sp_text import encode_base64
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import root_of
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.facts import Existed
from ledger.proofs.note import NoteSignature
from ledger.proofs.quorum import (
    Cosigned,
    check_clock,
    cosigned_message,
    existed_before,
    existed_by,
    open_cosigned,
)
from ledger.proofs.tlog_policy import NO_POLICY, TlogPolicy, parse_tlog_policy
from tests import reference
from tests.shared import vectors
from tests.test_proofs.witnesses import CHECKPOINT, LOG, ORIGIN, Cosigner, note, policy_text

NO_DEADLINE = settings(deadline=None)  # a machine may be busy

A, B, C = (Cosigner(f"witness.example/{name}") for name in "abc")
PQ = Cosigner("witness.example/pq", is_ml_dsa=True)
ALL = {"a": A, "b": B, "c": C}
NOW_S = 1_800_000_000
NOW_MS = NOW_S * 1_000

needs_ml_dsa = pytest.mark.skipif(
    ml_dsa.verify(bytes(1_312), b"", bytes(2_420)) is None,
    reason="the installed `cryptography` knows no ML-DSA: pip install 'cryptography>=47' verifies it",
)


def two_of_three() -> TlogPolicy:
    return parse_tlog_policy(policy_text(ALL, "group g 2 a b c", "quorum g"))


def opened(
    *lines: str, policy: TlogPolicy | None = None, at_ms: int = NOW_MS, auditors: tuple[Vkey, ...] = ()
) -> Cosigned:
    return open_cosigned(note(*lines), LOG, policy or two_of_three(), at_ms, auditors)


# --- what others wrote ------------------------------------------------------------------------------------------


@needs_ml_dsa
def test_published_cosignatures_of_both_types_count() -> None:
    folder = vectors("cosignatures")
    text = (folder / "checkpoint.note").read_bytes()
    facts = json.loads((folder / "cosignature_v1.json").read_text())
    log, plain, pq = (
        Vkey.parse((folder / f"{name}.vkey").read_text().strip()) for name in ("log", "wit", "witpq")
    )
    policy = f"log {log}\nwitness plain {plain}\nwitness pq {pq}\ngroup both all plain pq\nquorum both\n"
    found = open_cosigned(text, log, parse_tlog_policy(policy.encode()), NOW_MS)
    time_s = facts["witness_mldsa44"]["timestamp"]
    assert facts["witness_ed25519"]["timestamp"] == time_s
    assert dict(found.times_s) == {"plain": (time_s,), "pq": (time_s,)}
    assert (found.existed_by_s, found.fresh_as_of_s, found.unverified) == (time_s, time_s, ())
    signed = bytes.fromhex(facts["witness_mldsa44"]["signed_message_hex"])
    assert cosigned_message(pq.name, time_s, found.checkpoint) == signed


@needs_ml_dsa
def test_a_published_subtree_cosignature_is_none_of_the_checkpoint() -> None:
    """It is by the same key, of another range, with time 0: were it taken for one of the checkpoint, it would not hold."""
    folder = vectors("cosignatures")
    facts = json.loads((folder / "cosignature_v1.json").read_text())
    log, pq = (Vkey.parse((folder / f"{name}.vkey").read_text().strip()) for name in ("log", "witpq"))
    text = (
        (folder / "checkpoint.note").read_text() + facts["witness_mldsa44"]["subtree"]["line"].strip() + "\n"
    )
    policy = parse_tlog_policy(f"witness pq {pq}\nquorum pq\n".encode())
    with pytest.raises(ProofInvalid, match=r"by witness\.example/w1pq does not hold"):
        open_cosigned(text, log, policy, NOW_MS)


# --- the quorum -------------------------------------------------------------------------------------------------


def test_one_short_of_the_quorum_is_no_quorum() -> None:
    one = opened(A.line(CHECKPOINT, 50))
    assert (one.existed_by_s, one.fresh_as_of_s, one.is_met) == (None, None, False)
    assert dict(one.times_s) == {"a": (50,)}
    assert existed_by(one) is None
    two = opened(A.line(CHECKPOINT, 50), C.line(CHECKPOINT, 70))
    assert (two.existed_by_s, two.fresh_as_of_s, two.is_met) == (70, 50, True)
    assert existed_by(two) == Existed(9, 70_000)


def test_nobody_at_all() -> None:
    none = opened()
    assert (none.checkpoint, none.is_met, dict(none.times_s)) == (CHECKPOINT, False, {})


def test_a_witness_counts_once_however_often_it_cosigns() -> None:
    assert not opened(A.line(CHECKPOINT, 50), A.line(CHECKPOINT, 51), A.line(CHECKPOINT, 50)).is_met


def test_no_single_witness_moves_a_time() -> None:
    """One that says the beginning of time, or the end, is outvoted."""
    lines = [A.line(CHECKPOINT, 100), B.line(CHECKPOINT, 110)]
    early, late = opened(*lines, C.line(CHECKPOINT, 1)), opened(*lines, C.line(CHECKPOINT, NOW_S + 300))
    assert (early.existed_by_s, early.fresh_as_of_s) == (100, 100)
    assert (late.existed_by_s, late.fresh_as_of_s) == (110, 110)


def test_lines_of_strangers_are_passed_over() -> None:
    stranger = Cosigner("witness.example/stranger")
    forged = NoteSignature("witness.example/other", bytes(4), bytes(72))
    found = opened(stranger.line(CHECKPOINT, 5), f"{forged}\n", A.line(CHECKPOINT, 9), B.line(CHECKPOINT, 9))
    assert dict(found.times_s) == {"a": (9,), "b": (9,)}


def spoilt(line: str) -> str:
    """Another signature at its end."""
    return line[:-6] + "AAAA=\n"


@pytest.mark.parametrize("who", [A, pytest.param(PQ, marks=needs_ml_dsa)])
def test_a_known_line_that_does_not_hold_spoils_the_note(who: Cosigner) -> None:
    policy = parse_tlog_policy(policy_text({"w": who}, "quorum w"))
    other = Checkpoint(ORIGIN, 10, CHECKPOINT.root)
    assert opened(who.line(CHECKPOINT, 7), policy=policy).existed_by_s == 7
    for checkpoint, change in (
        (other, str),
        (CHECKPOINT, spoilt),
    ):
        with pytest.raises(ProofInvalid) as refusal:
            opened(change(who.line(checkpoint, 7)), policy=policy)
        assert refusal.value.code == "note-invalid"


@needs_ml_dsa
def test_ml_dsa_lines_are_bound_to_name_time_origin_size_and_root() -> None:
    policy = parse_tlog_policy(policy_text({"w": PQ}, "quorum w"))
    for other in (
        Checkpoint("log.example/x", 9, CHECKPOINT.root),
        Checkpoint(ORIGIN, 8, CHECKPOINT.root),
        Checkpoint(ORIGIN, 9, bytes(32)),
    ):
        with pytest.raises(ProofInvalid, match="does not hold"):
            opened(PQ.line(other, 7), policy=policy)
    line = PQ.line(CHECKPOINT, 7)
    blob = bytearray(base64.b64decode(line.split(" ")[2]))
    blob[11] += 1  # the time, behind the key id
    with pytest.raises(ProofInvalid, match="does not hold"):
        opened(f"\u2014 {PQ.name} {encode_base64(bytes(blob))}\n", policy=policy)


@needs_ml_dsa
def test_an_ml_dsa_line_with_time_0_tells_no_time() -> None:
    policy = parse_tlog_policy(policy_text({"w": PQ}, "quorum w"))
    assert not opened(PQ.line(CHECKPOINT, 0), policy=policy).is_met
    assert opened(PQ.line(CHECKPOINT, 0), PQ.line(CHECKPOINT, 3), policy=policy).times_s == {"w": (3,)}


def test_a_name_too_long_to_be_signed_verifies_nothing() -> None:
    assert cosigned_message("n" * 255, 1, CHECKPOINT) is not None
    assert cosigned_message("n" * 256, 1, CHECKPOINT) is None
    assert cosigned_message("n", 1, Checkpoint("o" * 256, 9, bytes(32))) is None


def test_what_no_library_can_verify_is_not_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = parse_tlog_policy(policy_text({"a": A, "w": PQ}, "group g any a w", "quorum g"))
    line = f"{NoteSignature(PQ.name, PQ.vkey.key_id, (9).to_bytes(8, 'big') + bytes(2_420))}\n"
    monkeypatch.setattr(ml_dsa, "verify", lambda *_: None)
    found = opened(line, policy=policy)
    assert (found.is_met, found.unverified) == (False, (PQ.name,))
    assert opened(line, A.line(CHECKPOINT, 4), policy=policy).existed_by_s == 4


def test_times_ahead_of_the_moment_do_not_count() -> None:
    lines = [A.line(CHECKPOINT, NOW_S + 300), B.line(CHECKPOINT, NOW_S + 301)]
    assert not opened(*lines).is_met
    assert opened(*lines, at_ms=NOW_MS + 1_000).is_met


def test_the_log_itself_must_sign() -> None:
    lines = [A.line(CHECKPOINT, 1), B.line(CHECKPOINT, 1)]
    stranger = Vkey.make(ORIGIN, ed25519.public_key(bytes(32)))
    with pytest.raises(ProofInvalid, match="no known key of the log"):
        open_cosigned(note(*lines), stranger, two_of_three(), NOW_MS)


def test_auditors_are_told_apart_and_make_no_quorum() -> None:
    policy = parse_tlog_policy(policy_text({"a": A}, "quorum a"))
    found = opened(B.line(CHECKPOINT, 5), policy=policy, auditors=(B.vkey, C.vkey))
    assert (found.auditors, found.is_met) == ((B.vkey,), False)
    both = opened(A.line(CHECKPOINT, 5), policy=policy, auditors=(A.vkey,))
    assert (both.auditors, both.is_met) == ((A.vkey,), True)
    late = opened(B.line(CHECKPOINT, NOW_S + 999), policy=policy, auditors=(B.vkey,))
    assert late.auditors == ()
    assert opened(B.line(CHECKPOINT, 5), policy=NO_POLICY, auditors=(B.vkey,)).auditors == (B.vkey,)


# --- both times by their definition -----------------------------------------------------------------------------

times = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 6)), max_size=7)


def naive_existed_by(policy: TlogPolicy, found: list[tuple[str, int]]) -> int | None:
    return next((t for t in range(8) if policy.is_met({name for name, time in found if time <= t})), None)


def naive_fresh_as_of(policy: TlogPolicy, found: list[tuple[str, int]]) -> int | None:
    return next(
        (t for t in range(8, -1, -1) if policy.is_met({name for name, time in found if time >= t})), None
    )


@NO_DEADLINE
@given(times, st.sampled_from(["any", "2", "all"]), st.integers(0, 6))
def test_both_times_are_what_they_are_defined_to_be(
    found: list[tuple[str, int]], threshold: str, left_out: int
) -> None:
    policy = parse_tlog_policy(policy_text(ALL, f"group g {threshold} a b c", "quorum g"))
    lines = [ALL[name].line(CHECKPOINT, time) for name, time in found]
    cosigned = opened(*lines, policy=policy)
    assert cosigned.existed_by_s == naive_existed_by(policy, found)
    assert cosigned.fresh_as_of_s == naive_fresh_as_of(policy, found)
    fewer = opened(*lines[:left_out], *lines[left_out + 1 :], policy=policy)
    assert fewer.is_met <= cosigned.is_met  # one line less makes nothing better
    if fewer.existed_by_s is not None and fewer.fresh_as_of_s is not None:
        assert cosigned.existed_by_s is not None
        assert cosigned.fresh_as_of_s is not None
        assert fewer.existed_by_s >= cosigned.existed_by_s
        assert fewer.fresh_as_of_s <= cosigned.fresh_as_of_s


# --- older checkpoints, and the log's clock -----------------------------------------------------------------------

LEAVES = [bytes([number]) * 32 for number in range(9)]


def test_an_older_checkpoint_counts_if_it_is_the_beginning() -> None:
    data = [bytes([n]) for n in range(9)]
    head = Checkpoint(ORIGIN, 9, reference.mth(data))
    old = Checkpoint(ORIGIN, 4, reference.mth(data[:4]))
    policy = parse_tlog_policy(policy_text({"a": A}, "quorum a"))
    cosigned = open_cosigned(note(A.line(old, 33), checkpoint=old), LOG, policy, NOW_MS)
    proof = reference.proof(4, data)
    assert existed_before(cosigned, head, proof) == Existed(4, 33_000)
    uncosigned = open_cosigned(note(checkpoint=old), LOG, policy, NOW_MS)
    assert existed_before(uncosigned, head, proof) is None
    for wrong_head, wrong_proof in (
        (head, proof[:-1]),
        (Checkpoint(ORIGIN, 9, bytes(32)), proof),
        (Checkpoint("log.example/other", 9, head.root), proof),
        (Checkpoint(ORIGIN, 3, head.root), proof),
    ):
        with pytest.raises(ProofInvalid) as refusal:
            existed_before(cosigned, wrong_head, wrong_proof)
        assert refusal.value.code == "consistency-invalid"
    assert root_of(LEAVES) != head.root


def test_a_log_whose_clock_is_ahead_of_its_witnesses_is_refused() -> None:
    cosigned = opened(A.line(CHECKPOINT, 1_000), B.line(CHECKPOINT, 2_000), C.line(CHECKPOINT, 9_000))
    check_clock(cosigned, 2_300_000)
    with pytest.raises(ProofInvalid, match="301 s ahead") as refusal:
        check_clock(cosigned, 2_301_000)
    assert (refusal.value.code, refusal.value.item) == ("state-wrong", "entry 8")
    check_clock(opened(A.line(CHECKPOINT, 1_000)), 10**15)  # no quorum, no second clock

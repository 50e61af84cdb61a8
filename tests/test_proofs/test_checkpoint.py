"""Checkpoints: three lines, one spelling, signed by the log they name; two foreign implementations agree."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import metamorphic_log
import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st
from tlog_scales import signing, tlog

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.proofs.note import Note, NoteSignature, format_note, parse_note, sign_note
from tests.shared import vectors

SEED, WITNESS_SEED = bytes([7]) * 32, bytes([8]) * 32
ORIGIN = "log.example/lineage"
ROOT = hashlib.sha256(b"root").digest()
ROOT_TEXT = base64.b64encode(ROOT).decode()
CHECKPOINT = Checkpoint(ORIGIN, 20852163, ROOT)


def signed(checkpoint: Checkpoint = CHECKPOINT, seed: bytes = SEED) -> str:
    return sign_checkpoint(checkpoint, lambda message: ed25519.sign(seed, message), ed25519.public_key(seed))


def vkey_of(seed: bytes = SEED, origin: str = ORIGIN, signature_type: int = 1) -> Vkey:
    return Vkey.make(origin, ed25519.public_key(seed), signature_type)


def test_the_three_lines() -> None:
    assert CHECKPOINT.body() == f"{ORIGIN}\n20852163\n{ROOT_TEXT}\n"
    assert Checkpoint.parse(CHECKPOINT.body()) == CHECKPOINT
    assert open_checkpoint(signed(), [vkey_of()]) == CHECKPOINT
    assert open_checkpoint(signed().encode(), [vkey_of()]) == CHECKPOINT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "three lines"),
        (f"{ORIGIN}\n1\n", "three lines"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT}", "three lines"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT}\nextension\n", "extension lines"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT}\nextension", "three lines"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT}\n\n", "extension lines"),
        (f"\n1\n{ROOT_TEXT}\n", "origin is empty"),
        (f"a\rb\n1\n{ROOT_TEXT}\n", "one line of text"),
        (f"a\ud800\n1\n{ROOT_TEXT}\n", "one line of text"),
        (f"{ORIGIN}\n01\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n-1\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n+1\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n 1\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n1_0\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n\u0661\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n{spec.TREE_SIZE_MAX + 1}\n{ROOT_TEXT}\n", "no decimal"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT[:-1]}\n", "canonical base64"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT[:-2]}B=\n", "canonical base64"),
        (f"{ORIGIN}\n1\n{ROOT_TEXT} \n", "canonical base64"),
        (f"{ORIGIN}\n1\nAAAA\n", "3 bytes, not 32"),
        (f"{ORIGIN}\n1\n\n", "0 bytes, not 32"),
    ],
)
def test_what_is_no_checkpoint_is_refused_though_it_is_signed(text: str, reason: str) -> None:
    with pytest.raises(ProofInvalid, match=reason) as failure:
        Checkpoint.parse(text)
    assert failure.value.code == "checkpoint-invalid"
    try:
        note = sign_note(text, ORIGIN, lambda message: ed25519.sign(SEED, message), ed25519.public_key(SEED))
    except ProofInvalid:
        return  # no note text either
    with pytest.raises(ProofInvalid, match=reason):
        open_checkpoint(note, [vkey_of()])


def test_sizes_up_to_the_limit() -> None:
    for size in (0, 1, spec.TREE_SIZE_MAX):
        checkpoint = Checkpoint(ORIGIN, size, ROOT)
        assert open_checkpoint(signed(checkpoint), [vkey_of()]) == checkpoint
    for size in (-1, spec.TREE_SIZE_MAX + 1):
        with pytest.raises(ProofInvalid, match="tree size"):
            Checkpoint(ORIGIN, size, ROOT)


def test_an_origin_of_two_lines_cannot_shift_the_others() -> None:
    with pytest.raises(ProofInvalid, match="one line of text"):
        Checkpoint(f"{ORIGIN}\n99", 1, ROOT)


def test_the_signing_key_bears_the_origins_name() -> None:
    """Another log's key, or a witness's, signs truly and yet does not speak for this log."""
    other = "other.example/log"
    by_other = sign_note(
        CHECKPOINT.body(), other, lambda message: ed25519.sign(SEED, message), ed25519.public_key(SEED)
    )
    with pytest.raises(ProofInvalid, match=f"no known key of the log {ORIGIN}") as failure:
        open_checkpoint(by_other, [vkey_of(origin=other), vkey_of()])
    assert failure.value.code == "checkpoint-invalid"


def test_a_cosignature_under_the_origins_name_is_no_log_signature() -> None:
    vkey = vkey_of(WITNESS_SEED, ORIGIN, 4)
    message = f"cosignature/v1\ntime 5\n{CHECKPOINT.body()}".encode()
    line = NoteSignature(ORIGIN, vkey.key_id, (5).to_bytes(8, "big") + ed25519.sign(WITNESS_SEED, message))
    with pytest.raises(ProofInvalid, match="no known key of the log"):
        open_checkpoint(format_note(Note(CHECKPOINT.body(), (line,))), [vkey])
    both = Note(CHECKPOINT.body(), (*parse_note(signed()).signatures, line))
    assert open_checkpoint(format_note(both), [vkey, vkey_of()]) == CHECKPOINT


def test_an_unknown_key_or_another_text_is_refused() -> None:
    with pytest.raises(ProofInvalid, match="no known key signed it") as failure:
        open_checkpoint(signed(), [vkey_of(WITNESS_SEED)])
    assert failure.value.code == "note-invalid"
    with pytest.raises(ProofInvalid, match="does not hold"):
        open_checkpoint(signed().replace("20852163", "20852164"), [vkey_of()])


def test_an_origin_that_is_no_key_name_cannot_be_signed() -> None:
    for origin in ("log example", "log+example"):
        with pytest.raises(RefusedInput) as refusal:
            signed(Checkpoint(origin, 1, ROOT))
        assert refusal.value.code == "key-refused"


def test_no_mutant_of_a_checkpoint_verifies_to_another() -> None:
    """Each byte of a cosigned checkpoint changed to 255 others, dropped, doubled: none shows another head."""
    vkeys = [vkey_of(), vkey_of(WITNESS_SEED, "w.example", 4)]
    message = f"cosignature/v1\ntime 5\n{CHECKPOINT.body()}".encode()
    line = NoteSignature(
        "w.example", vkeys[1].key_id, (5).to_bytes(8, "big") + ed25519.sign(WITNESS_SEED, message)
    )
    data = (signed() + f"{line}\n").encode()
    assert open_checkpoint(data, vkeys) == CHECKPOINT
    mutants = [
        data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
        for place in range(len(data))
        for change in range(1, 256)
    ]
    mutants += [data[:place] + data[place + 1 :] for place in range(len(data))]
    mutants += [data[:place] + data[place : place + 1] + data[place:] for place in range(len(data))]
    mutants += [data[:place] for place in range(len(data))]
    opened = []
    for mutant in mutants:
        try:
            opened.append(open_checkpoint(mutant, vkeys))
        except ProofInvalid:
            continue
    # Those that open changed the name or key id of one line, which then is an unknown key's and is ignored.
    assert set(opened) == {CHECKPOINT}


# --- foreign implementations ------------------------------------------------------------------------------------


def assert_foreign_readers_agree(note: str, vkey: Vkey, checkpoint: Checkpoint) -> None:
    head = metamorphic_log.checkpoint_verify(note, [str(vkey)])
    assert (head.origin, head.size, head.root, head.extensions) == (
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root,
        [],
    )
    assert metamorphic_log.verify_signed_note(note, [str(vkey)]) == 1
    foreign: Any = tlog.Checkpoint.from_text(note)
    foreign.verify(signing.Vkey.from_string(str(vkey)))
    assert (foreign.origin, foreign.size, foreign.root_hash) == (
        checkpoint.origin,
        checkpoint.size,
        checkpoint.root,
    )
    assert foreign.serialize() == note


@given(
    st.from_regex(r"[a-z0-9][a-z0-9._/-]{0,40}", fullmatch=True),
    st.integers(0, spec.TREE_SIZE_MAX),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
@settings(max_examples=60, deadline=None)
def test_foreign_readers_verify_ours_and_we_verify_theirs(
    origin: str, size: int, root: bytes, seed: bytes
) -> None:
    checkpoint, vkey = Checkpoint(origin, size, root), vkey_of(seed, origin)
    assert Checkpoint.parse(checkpoint.body()) == checkpoint
    note = signed(checkpoint, seed)
    assert open_checkpoint(note, [vkey]) == checkpoint
    assert_foreign_readers_agree(note, vkey, checkpoint)
    signer: Any = signing.PlainEd25519Signer(origin, seed)
    assert signer.vkey.serialize() == str(vkey)
    theirs = tlog.Checkpoint.make_signed(origin, size, root, [signer]).serialize()
    assert theirs == note


def test_foreign_readers_refuse_what_we_refuse() -> None:
    forged = signed().replace("20852163", "20852164")
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.checkpoint_verify(forged, [str(vkey_of())])
    with pytest.raises(InvalidSignature):
        tlog.Checkpoint.from_text(forged).verify(signing.Vkey.from_string(str(vkey_of())))


def test_an_ml_dsa_cosignature_by_a_foreign_witness_is_carried() -> None:
    witness: Any = signing.MLDSA44CosignatureSigner("w.example", WITNESS_SEED)
    log = signing.PlainEd25519Signer(ORIGIN, SEED)
    note = tlog.Checkpoint.make_signed(ORIGIN, 20852163, ROOT, [log, witness]).serialize()
    assert len(parse_note(note).signatures) == 2
    assert format_note(parse_note(note)) == note
    assert open_checkpoint(note, [vkey_of(), Vkey.parse(witness.vkey.serialize())]) == CHECKPOINT


def test_the_published_checkpoint_opens() -> None:
    folder = vectors("cosignatures")
    vkeys = [Vkey.parse((folder / f"{name}.vkey").read_text().strip()) for name in ("log", "wit", "witpq")]
    checkpoint = open_checkpoint((folder / "checkpoint.note").read_bytes(), vkeys)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, 5)
    assert checkpoint.root.hex() == "00d21829a5503145348abcf712513eacf2a274211ad83e970202bb5b6d80b286"

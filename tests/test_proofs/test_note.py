"""Signed notes: the specification's example, published cosignatures, every refusal, two foreign readers."""

from __future__ import annotations

import json
from typing import Any

import metamorphic_log
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import ProofInvalid, RefusedInput
from ledger.identity import ed25519
from ledger.identity import vkey as vkeys
from ledger.identity.c2sp_text import as_text, decode_base64, decode_decimal, encode_base64
from ledger.identity.vkey import Vkey
from ledger.proofs import note as notes
from ledger.proofs.note import Note, NoteSignature
from tests.shared import vectors

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SEED, OTHER_SEED = bytes(32), bytes([1]) * 32
NAME = "log.example/a"


def signer(seed: bytes) -> notes.Sign:
    return lambda message: ed25519.sign(seed, message)


def vkey_of(seed: bytes, name: str = NAME, signature_type: int = 1) -> Vkey:
    return Vkey.make(name, ed25519.public_key(seed), signature_type)


def signed(text: str = "words\n", name: str = NAME, seed: bytes = SEED) -> str:
    return notes.sign_note(text, name, signer(seed), ed25519.public_key(seed))


def cosignature_line(
    text: str, time_s: int, seed: bytes, name: str, *, signed_time_s: int | None = None
) -> str:
    time_signed = time_s if signed_time_s is None else signed_time_s
    message = f"cosignature/v1\ntime {time_signed}\n{text}".encode()
    blob = time_s.to_bytes(8, "big") + ed25519.sign(seed, message)
    return f"{NoteSignature(name, vkey_of(seed, name, 4).key_id, blob)}\n"


# --- what others wrote ------------------------------------------------------------------------------------------


def test_the_specifications_example_verifies() -> None:
    vkey = Vkey.parse(EXAMPLE_VKEY)
    assert str(vkey) == EXAMPLE_VKEY
    note = notes.parse_note(EXAMPLE_NOTE)
    assert note.text == "This is an example message.\n"
    assert notes.verify_note(note, [vkey]) == [notes.Verified(vkey, ())]
    assert notes.format_note(note) == EXAMPLE_NOTE


def published() -> tuple[Note, dict[str, Any], list[Vkey]]:
    folder = vectors("cosignatures")
    note = notes.parse_note((folder / "checkpoint.note").read_bytes())
    vkeys = [Vkey.parse((folder / f"{name}.vkey").read_text().strip()) for name in ("log", "wit", "witpq")]
    return note, json.loads((folder / "cosignature_v1.json").read_text()), vkeys


def test_published_cosignatures() -> None:
    note, facts, vkeys = published()
    assert [vkey.signature_type for vkey in vkeys] == [0x01, 0x04, 0x06]
    assert [(line.name, line.key_id) for line in note.signatures] == [
        (vkey.name, vkey.key_id) for vkey in vkeys
    ]
    log, witness, _ml_dsa = vkeys
    time_s = facts["witness_ed25519"]["timestamp"]
    # The ML-DSA line is known by name and id, and yet does not count.
    assert notes.verify_note(note, vkeys) == [notes.Verified(log, ()), notes.Verified(witness, (time_s,))]
    assert notes.verify_note(note, [witness]) == [notes.Verified(witness, (time_s,))]
    signed_message = bytes.fromhex(facts["witness_ed25519"]["signed_message_hex"])
    assert signed_message == f"cosignature/v1\ntime {time_s}\n{note.text}".encode()


def test_published_cosignatures_taken_apart() -> None:
    note, facts, vkeys = published()
    _log, by_witness, by_ml_dsa = note.signatures
    for line, vkey, source, size in (
        (by_witness, vkeys[1], "witness_ed25519", 64),
        (by_ml_dsa, vkeys[2], "witness_mldsa44", 2420),
    ):
        cosignature = notes.parse_cosignature(vkey.signature_type, line.signature)
        assert (cosignature.time_s, len(cosignature.signature)) == (facts[source]["timestamp"], size)


def test_only_an_ml_dsa_key_verifies_nothing() -> None:
    note, _facts, vkeys = published()
    with pytest.raises(ProofInvalid, match="no known key"):
        notes.verify_note(note, vkeys[2:])


def test_our_vectors_keys_and_signatures_come_out_of_their_seeds() -> None:
    note, facts, vkeys = published()
    seed = bytes.fromhex(facts["log"]["seed"])
    assert vkey_of(seed, facts["log"]["origin"]) == vkeys[0]
    assert notes.parse_note(signed(note.text, facts["log"]["origin"], seed)).signatures == note.signatures[:1]


def test_a_foreign_reader_verifies_our_notes() -> None:
    text = "first line\n\nafter an empty line, \u00e8 subito sera\n"
    note = signed(text)
    assert metamorphic_log.verify_signed_note(note, [str(vkey_of(SEED))]) == 1
    with pytest.raises(metamorphic_log.VerifyError):
        metamorphic_log.verify_signed_note(note.replace("sera", "cena"), [str(vkey_of(SEED))])


# --- verification -----------------------------------------------------------------------------------------------


def test_lines_of_unknown_keys_are_ignored_even_if_name_or_id_is_known() -> None:
    note = notes.parse_note(signed())
    known = note.signatures[0]
    strangers = (
        NoteSignature("another.example", known.key_id, b"junk"),
        NoteSignature(NAME, b"\xff\xff\xff\xff", b"junk"),
    )
    more = Note(note.text, (*strangers, known))
    assert notes.verify_note(more, [vkey_of(SEED)]) == [notes.Verified(vkey_of(SEED), ())]
    for keys_given in ([], [vkey_of(OTHER_SEED)]):
        with pytest.raises(ProofInvalid, match="no known key signed it") as failure:
            notes.verify_note(more, keys_given)
        assert failure.value.code == "note-invalid"


def test_one_bad_line_of_a_known_key_spoils_a_note_that_another_signed() -> None:
    good = notes.parse_note(signed()).signatures[0]
    bad = NoteSignature("w.example", vkey_of(OTHER_SEED, "w.example").key_id, bytes(64))
    vkeys = [vkey_of(SEED), vkey_of(OTHER_SEED, "w.example")]
    with pytest.raises(ProofInvalid, match=r"by w\.example does not hold"):
        notes.verify_note(Note("words\n", (good, bad)), vkeys)
    with pytest.raises(ProofInvalid, match="does not hold"):  # the same key twice, the second line wrong
        notes.verify_note(Note("words\n", (good, NoteSignature(NAME, good.key_id, bytes(64)))), vkeys)


def test_a_key_counts_once_however_often_it_signed() -> None:
    witness = "w.example"
    note = notes.parse_note(
        signed()
        + "".join(cosignature_line("words\n", time_s, OTHER_SEED, witness) for time_s in (16, 9, 30, 9))
    )
    vkeys = [vkey_of(SEED), vkey_of(SEED), vkey_of(OTHER_SEED, witness, 4)]
    verified = notes.verify_note(note, vkeys)
    assert verified == [notes.Verified(vkeys[0], ()), notes.Verified(vkeys[2], (9, 16, 30))]


def test_the_cosignatures_time_is_signed() -> None:
    line = cosignature_line("words\n", 10, OTHER_SEED, "w.example", signed_time_s=11)
    with pytest.raises(ProofInvalid, match="does not hold"):
        notes.verify_note(notes.parse_note(signed() + line), [vkey_of(OTHER_SEED, "w.example", 4)])


def test_a_plain_signature_is_no_cosignature_nor_the_reverse() -> None:
    """Key ids tell the types apart; a line that claims the other type's id does not hold."""
    key = ed25519.public_key(OTHER_SEED)
    plain, witness = Vkey.make("w.example", key), Vkey.make("w.example", key, 4)
    assert plain.key_id != witness.key_id
    for blob, vkey in (
        (ed25519.sign(OTHER_SEED, b"words\n"), witness),
        ((10).to_bytes(8, "big") + ed25519.sign(OTHER_SEED, b"words\n"), witness),
        ((10).to_bytes(8, "big") + ed25519.sign(OTHER_SEED, b"cosignature/v1\ntime 10\nwords\n"), plain),
    ):
        with pytest.raises(ProofInvalid):
            notes.verify_note(Note("words\n", (NoteSignature("w.example", vkey.key_id, blob),)), [vkey])


@pytest.mark.parametrize(
    ("signature_type", "blob"),
    [
        (4, bytes(71)),
        (4, bytes(73)),
        (4, b"\x80" + bytes(71)),
        (6, bytes(72)),
        (6, b"\xff" + bytes(2427)),
        (1, bytes(64)),
        (1, bytes(72)),
    ],
)
def test_malformed_cosignatures_are_refused(signature_type: int, blob: bytes) -> None:
    with pytest.raises(ProofInvalid, match="size or time"):
        notes.parse_cosignature(signature_type, blob)


def test_the_greatest_time_is_read() -> None:
    assert notes.parse_cosignature(4, b"\x7f" + b"\xff" * 7 + bytes(64)).time_s == 2**63 - 1


def test_two_keys_under_one_name_and_id_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids have 32 bits: a collision is made here by a hash that always collides."""
    monkeypatch.setattr(vkeys, "compute_key_id", lambda _name, _type, _key: b"same")
    note = notes.parse_note(signed())
    with pytest.raises(RefusedInput, match="same name and key id"):
        notes.verify_note(note, [vkey_of(SEED), vkey_of(OTHER_SEED)])


def test_a_signer_that_answers_wrongly_is_found_before_the_note_is_given_out() -> None:
    for sign in (
        signer(OTHER_SEED),
        lambda _message: b"",
        lambda message: ed25519.sign(SEED, message + b"\n"),
    ):
        with pytest.raises(ProofInvalid):
            notes.sign_note("words\n", NAME, sign, ed25519.public_key(SEED))


def test_what_is_no_note_text_is_never_signed() -> None:
    asked: list[bytes] = []

    def sign(message: bytes) -> bytes:
        asked.append(message)
        return ed25519.sign(SEED, message)

    for text in ("", "words", "wo\rrds\n", "wo\x00rds\n", "\ud800\n", "w" * spec.NOTE_BYTES_MAX + "\n"):
        with pytest.raises(ProofInvalid) as failure:
            notes.sign_note(text, NAME, sign, ed25519.public_key(SEED))
        assert failure.value.code == "note-invalid"
    assert asked == []


# --- form -------------------------------------------------------------------------------------------------------

LINE = str(notes.parse_note(EXAMPLE_NOTE).signatures[0])
BLOB = LINE.rsplit(" ", 1)[1]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no empty line"),
        ("words\n", "no empty line"),
        ("words\n\n", "a line beneath"),
        (f"\n{LINE}\n", "no empty line"),
        (f"words\n{LINE}\n", "no empty line"),
        (f"words\n\n{LINE}", "unfinished"),
        (f"words\n\n{LINE}\n\n", "a line beneath"),
        (f"words\n\n{LINE}\nmore\n", "a line beneath"),
        (f"words\n\n{LINE}\r\n", "a line beneath"),
        (f"wor\tds\n\n{LINE}\n", "control character"),
        (f"wor\x1fds\n\n{LINE}\n", "control character"),
        (f"wor\ud800ds\n\n{LINE}\n", "UTF-8"),
        (f"words\n\n- example.com/foo {BLOB}\n", "a line beneath"),
        (f"words\n\n\u2014example.com/foo {BLOB}\n", "a line beneath"),
        (f"words\n\n\u2014 \u2014 example.com/foo {BLOB}\n", "a line beneath"),
        (f"words\n\n\u2014  {BLOB}\n", "malformed"),
        ("words\n\n\u2014 example.com/foo\n", "malformed"),
        (f"words\n\n\u2014 example.com/foo  {BLOB}\n", "a line beneath"),
        (f"words\n\n\u2014 example.com/foo {BLOB} \n", "a line beneath"),
        (f"words\n\n\u2014 example.com+foo {BLOB}\n", "malformed"),
        (f"words\n\n\u2014 example.com\u00a0foo {BLOB}\n", "malformed"),
        (f"words\n\n\u2014 example.com\u2028foo {BLOB}\n", "malformed"),
        (f"words\n\n\u2014 example.com\u3000foo {BLOB}\n", "malformed"),
        (f"words\n\n\u2014 example.com\x7ffoo {BLOB[:-1]}\n", "a line beneath"),
        ("words\n\n\u2014 example.com/foo Uw2QOg==\n", "malformed"),
        ("words\n\n\u2014 example.com/foo Uw2Q\n", "malformed"),
        ("words\n\n\u2014 example.com/foo Uw2QOkm=\n", "a line beneath"),
        ("words\n\n\u2014 example.com/foo Uw2QOkn8_-==\n", "a line beneath"),
    ],
)
def test_what_is_no_note_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ProofInvalid, match=reason) as failure:
        notes.parse_note(text)
    assert failure.value.code == "note-invalid"
    assert failure.value.fix


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(ProofInvalid, match="UTF-8"):
        notes.parse_note(b"words \xff\n\n" + LINE.encode() + b"\n")
    with pytest.raises(ProofInvalid, match="UTF-8"):
        notes.parse_note(b"words \xc0\x80\n\n" + LINE.encode() + b"\n")


def test_the_text_ends_at_the_last_empty_line() -> None:
    for text in ("\n", "\n\n", "a\n\n", "a\n\nb\n", f"a\n\n{LINE}\n", "a\u2028b\x85\n"):
        assert notes.parse_note(f"{text}\n{LINE}\n").text == text


def test_signature_lines_and_size_are_bounded() -> None:
    assert spec.NOTE_SIGNATURES_MAX >= 16  # the least that C2SP signed-note lets a verifier accept
    full = "words\n\n" + f"{LINE}\n" * spec.NOTE_SIGNATURES_MAX
    assert len(notes.parse_note(full).signatures) == spec.NOTE_SIGNATURES_MAX
    with pytest.raises(ProofInvalid, match="over 64 signature lines"):
        notes.parse_note(full + f"{LINE}\n")
    lines = notes.parse_note(full).signatures
    for count in (0, spec.NOTE_SIGNATURES_MAX + 1):
        with pytest.raises(ProofInvalid, match=f"{count} signature lines"):
            Note("words\n", (lines * 2)[:count])
    tail = f"\n\n{LINE}\n"
    room = spec.NOTE_BYTES_MAX - len(tail.encode())
    assert notes.parse_note("w" * room + tail).text == "w" * room + "\n"
    for text in ("w" * (room + 1) + tail, "\u00e8" * (room // 2 + 1) + tail):
        with pytest.raises(ProofInvalid, match="has over"):
            notes.parse_note(text)
        with pytest.raises(ProofInvalid, match="has over"):
            notes.parse_note(text.encode())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not <name>"),
        ("example.com/foo+530d903a", "is not <name>"),
        (EXAMPLE_VKEY.replace("530d903a", "530d903b"), "key id is not that"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com/bar"), "key id is not that"),
        (EXAMPLE_VKEY.replace("530d903a", "530D903A"), "lowercase"),
        (EXAMPLE_VKEY.replace("530d903a", "530d903"), "eight"),
        (EXAMPLE_VKEY.replace("530d903a", "+530d903a"), "eight"),
        (EXAMPLE_VKEY.replace("530d903a", "\u0665\u0663\u0660d903a"), "eight"),
        (EXAMPLE_VKEY.replace("example.com/foo", ""), "name is empty"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com foo"), "space"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com\u2003foo"), "space"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com\x01foo"), "control"),
        (EXAMPLE_VKEY.replace("example.com/foo", "example.com\ud800foo"), "is not <name>"),
        (EXAMPLE_VKEY + "=", "canonical base64"),
        (EXAMPLE_VKEY + "\n", "canonical base64"),
        (EXAMPLE_VKEY[:-1] + "l", "key id is not that"),
        ("example.com/foo+530d903a+", "canonical base64"),
        ("example.com/foo+530d903a+AQ==", "key is missing"),
        ("example.com/foo+530d903a+AQE=", "no key of its signature type"),
    ],
)
def test_what_is_no_vkey_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RefusedInput, match=reason) as refusal:
        Vkey.parse(text)
    assert refusal.value.code == "key-refused"
    assert refusal.value.fix


@pytest.mark.parametrize("signature_type", [1, 4])
def test_an_unsafe_key_is_refused_where_the_vkey_reveals_it(signature_type: int) -> None:
    with pytest.raises(RefusedInput, match="low order") as refusal:
        Vkey.make(NAME, bytes(32), signature_type)
    assert refusal.value.code == "key-refused"


@pytest.mark.parametrize(
    ("name", "signature_type"),
    [("", 1), ("a b", 1), ("a+b", 1), ("a\nb", 1), ("a\ud800", 1), (NAME, -1), (NAME, 256)],
)
def test_no_vkey_is_made_of_a_bad_name_or_type(name: str, signature_type: int) -> None:
    with pytest.raises(RefusedInput) as refusal:
        Vkey.make(name, ed25519.public_key(SEED), signature_type)
    assert refusal.value.code == "key-refused"


def test_parts_are_checked_however_they_are_put_together() -> None:
    key = ed25519.public_key(SEED)
    for signature_type in (-1, 256):
        with pytest.raises(RefusedInput, match="signature type"):
            Vkey(NAME, b"1234", signature_type, key)
    for key_id in (b"", b"123", b"12345"):
        with pytest.raises(ProofInvalid, match="malformed"):
            NoteSignature(NAME, key_id, bytes(64))


def test_a_vkey_of_an_unassigned_type_is_carried_but_verifies_nothing() -> None:
    vkey = Vkey.make(NAME, b"some other key", 0xFA)
    assert Vkey.parse(str(vkey)) == vkey
    note = Note("words\n", (NoteSignature(NAME, vkey.key_id, b"anything"),))
    with pytest.raises(ProofInvalid, match="no known key"):
        notes.verify_note(note, [vkey])


# --- properties -------------------------------------------------------------------------------------------------

LETTERS = st.characters(codec="utf-8", min_codepoint=0x20)
NAMES = st.text(LETTERS, min_size=1, max_size=12).filter(vkeys.is_key_name)
SIGNATURES = st.builds(
    NoteSignature,
    NAMES,
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=1, max_size=100),
)
TEXTS = st.lists(st.text(LETTERS, max_size=20), min_size=1, max_size=6).map(
    lambda lines: "\n".join(lines) + "\n"
)


@given(TEXTS, st.lists(SIGNATURES, min_size=1, max_size=4))
@settings(deadline=None)
def test_parse_and_format_are_inverse(text: str, signatures: list[NoteSignature]) -> None:
    note = Note(text, tuple(signatures))
    written = notes.format_note(note)
    assert notes.parse_note(written) == note
    assert notes.parse_note(written.encode()) == note


@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda data: data + EXAMPLE_NOTE.encode()))
@settings(deadline=None)
def test_whatever_is_read_is_written_again_byte_for_byte(data: bytes) -> None:
    try:
        note = notes.parse_note(data)
    except ProofInvalid:
        return
    assert notes.format_note(note).encode() == data


@given(TEXTS, NAMES, st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_what_is_signed_verifies_and_foreign_readers_agree(text: str, name: str, seed: bytes) -> None:
    vkey = vkey_of(seed, name)
    assert Vkey.parse(str(vkey)) == vkey
    note = signed(text, name, seed)
    assert notes.verify_note(notes.parse_note(note), [vkey]) == [notes.Verified(vkey, ())]
    assert metamorphic_log.verify_signed_note(note, [str(vkey)]) == 1


def test_notes_of_one_text_are_joined() -> None:
    """Each line once, in the order in which it is first met; what is joined is read and verified like any note."""
    text = "words\n"
    lines = [cosignature_line(text, time_s, OTHER_SEED, "witness.example/a") for time_s in (5, 6)]
    first, second = (notes.parse_note(signed(text) + line) for line in lines)
    joined = notes.join_notes([first, second, first])
    assert notes.format_note(joined) == signed(text) + "".join(lines)
    assert notes.join_notes([second, first]).signatures == (joined.signatures[0], *joined.signatures[:0:-1])
    assert notes.join_notes([first]) == first
    known = [vkey_of(SEED), vkey_of(OTHER_SEED, "witness.example/a", 4)]
    assert [item.times_s for item in notes.verify_note(joined, known)] == [(), (5, 6)]


def test_notes_of_different_texts_or_of_too_many_lines_are_not_joined() -> None:
    with pytest.raises(ProofInvalid, match="different texts"):
        notes.join_notes([notes.parse_note(signed()), notes.parse_note(signed("other words\n"))])
    many = [
        Note("words\n", (NoteSignature(NAME, bytes(4), bytes([n])),))
        for n in range(spec.NOTE_SIGNATURES_MAX + 1)
    ]
    assert len(notes.join_notes(many[1:]).signatures) == spec.NOTE_SIGNATURES_MAX
    with pytest.raises(ProofInvalid, match="signature lines"):
        notes.join_notes(many)


def test_no_changed_byte_passes_unnoticed() -> None:
    """Each byte of a note changed to each of 255 others: what still verifies has the same text."""
    data, vkey = EXAMPLE_NOTE.encode(), Vkey.parse(EXAMPLE_VKEY)
    text = notes.parse_note(data).text
    held = 0
    for place in range(len(data)):
        for change in range(1, 256):
            mutant = bytearray(data)
            mutant[place] ^= change
            try:
                note = notes.parse_note(bytes(mutant))
                notes.verify_note(note, [vkey])
            except ProofInvalid:
                continue
            assert note.text == text
            held += 1
    assert held == 0  # one line alone: no byte of it can change


@given(st.binary(max_size=40))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = encode_base64(data)
    assert decode_base64(text) == data
    for other in (text + "=", text + "\n", " " + text, text.rstrip("=") + "=" * (text[-1:] != "=")):
        assert other == text or decode_base64(other) is None


def test_what_is_too_large_is_refused_before_it_is_decoded() -> None:
    class Watched(bytes):
        def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
            raise AssertionError("decoded")

    assert as_text(Watched(11), 10) is None
    with pytest.raises(AssertionError, match="decoded"):
        as_text(Watched(10), 10)


def test_base64_with_trailing_bits_or_foreign_letters_is_refused() -> None:
    assert decode_base64("AA==") == b"\x00"
    for text in ("AB==", "AA=A", "AA", "A", "_-8=", "AA==AA==", "\u00c0A==", "A A="):
        assert decode_base64(text) is None


@given(st.integers(0, 2**64))
def test_decimals_have_one_spelling(number: int) -> None:
    assert decode_decimal(str(number), 2**64) == number
    for other in (f"0{number}", f"+{number}", f" {number}", f"{number}\n", f"-{number}", f"{number}_0"):
        assert decode_decimal(other, 2**70) is None
    assert decode_decimal(str(number), number) == number
    assert decode_decimal(str(number + 1), number) is None


def test_digits_of_other_scripts_and_nothing_are_no_decimals() -> None:
    for text in ("", "\u0663", "\u00b2", "1e3", "0x1", "9" * 10_000):
        assert decode_decimal(text, 2**64) is None

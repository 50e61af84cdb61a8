r"""Notes: text with signature lines beneath it (C2SP signed-note; cosignatures: C2SP tlog-cosignature; SPEC §10.1).

    <text, one line or more, each ended by U+000A>
    <an empty line>
    — <key name> <base64(4-byte key id ‖ signature)>          one line or more

The text ends at the last empty line. A verifier key (vkey) is `<name>+<hex key id>+<base64(type ‖ key)>`, with

    key id = SHA-256(name ‖ "\n" ‖ type ‖ key)[:4]

Name and key id together say which key signed. Lines of unknown keys are ignored, so that keys can rotate and
witnesses can add theirs; a line of a known key that does not hold spoils the note; a note that no known key signed
is worth nothing. Type 0x01 is Ed25519 over the text. Type 0x04 is a witness's cosignature: u64 time ‖ Ed25519 over
"cosignature/v1\ntime <time>\n" ‖ text. Type 0x06 (ML-DSA-44) is no signature over the text, but over the checkpoint in
it: `ledger.proofs.quorum` verifies it, and here it never counts.

Bytes that are no note are ProofInvalid "note-invalid", as a wrong signature is: either way nothing is proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from ledger.errors import ProofInvalid
from ledger.identity import ed25519
from ledger.identity.c2sp_text import as_text, decode_base64, encode_base64, has_control_character
from ledger.identity.vkey import (
    KEY_ID_BYTES,
    TYPE_COSIGNATURE,
    TYPE_COSIGNATURE_ML_DSA_44,
    TYPE_ED25519,
    Vkey,
    is_key_name,
    vkey_refused,
)
from ledger.spec import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, SIGNATURE_BYTES

COSIGNATURE_TIME_MAX_S: Final = 2**63 - 1  # POSIX seconds, a u64 on the wire

_COSIGNATURE_BYTES_BY_TYPE: Final = {TYPE_COSIGNATURE: SIGNATURE_BYTES, TYPE_COSIGNATURE_ML_DSA_44: 2420}
_TIME_BYTES: Final = 8
_DASH: Final = "\u2014 "  # em dash, space

Sign = Callable[[bytes], bytes]  # an Ed25519 signer: message to signature (64 bytes)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the key's name, its id (4 bytes), the signature (one byte or more) as its type has it.

    Raises ProofInvalid "note-invalid" if a part is malformed.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        if not is_key_name(self.name) or len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise _note_invalid("a signature line's key name, key id or signature is malformed")

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one line, without its newline. Raises ProofInvalid "note-invalid"."""
        name, _space, encoded = line.removeprefix(_DASH).partition(" ")
        blob = decode_base64(encoded)
        if not line.startswith(_DASH) or blob is None:
            raise _note_invalid("a line beneath the text is not an em dash, a key name and canonical base64")
        return cls(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text ending in a newline and 1 to 64 signature lines, neither of them trusted yet.

    Raises ProofInvalid "note-invalid" if it could not be written as a note of at most 1 MiB.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or has_control_character(self.text):
            raise _note_invalid("the text does not end in a newline, or holds a control character")
        if not 1 <= len(self.signatures) <= NOTE_SIGNATURES_MAX:
            raise _note_invalid(
                f"{len(self.signatures)} signature lines; 1 to {NOTE_SIGNATURES_MAX} may stand"
            )
        if as_text(format_note(self), NOTE_BYTES_MAX) is None:
            raise _note_invalid(f"is not UTF-8, or has over {NOTE_BYTES_MAX} bytes")


@dataclass(frozen=True, slots=True)
class Cosignature:
    """What a cosignature line holds: POSIX seconds and the signature proper."""

    time_s: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """A known key whose every line in the note holds; `times_s`: its cosignatures' times, ascending, else empty."""

    vkey: Vkey
    times_s: tuple[int, ...]


def parse_note(data: bytes | str) -> Note:
    """Read a note. Nothing in it may be believed before `verify_note`. Raises ProofInvalid "note-invalid"."""
    note = as_text(data, NOTE_BYTES_MAX)
    if note is None:
        raise _note_invalid(f"is not UTF-8, or has over {NOTE_BYTES_MAX} bytes")
    end_of_text = note.rfind("\n\n")
    if end_of_text < 0 or not note.endswith("\n"):
        raise _note_invalid(
            "no empty line stands between text and signatures, or the last line is unfinished"
        )
    text, lines = note[: end_of_text + 1], note[end_of_text + 2 : -1]
    if lines.count("\n") >= NOTE_SIGNATURES_MAX:  # before they are taken apart
        raise _note_invalid(f"has over {NOTE_SIGNATURES_MAX} signature lines")
    return Note(text, tuple(NoteSignature.parse(line) for line in lines.split("\n")))


def format_note(note: Note) -> str:
    """The note as text: inverse of `parse_note`."""
    return note.text + "\n" + "".join(f"{signature}\n" for signature in note.signatures)


def join_notes(notes: Sequence[Note]) -> Note:
    """One note of several with one text: each signature line once, in the order in which it is first met.

    Raises ProofInvalid "note-invalid" if the texts differ, or there are more lines than a note holds.
    """
    if len({note.text for note in notes}) != 1:
        raise _note_invalid("notes of different texts cannot be joined", "Join notes of one text.")
    return Note(notes[0].text, tuple(dict.fromkeys(line for note in notes for line in note.signatures)))


def sign_note(text: str, name: str, sign: Sign, public_key: bytes) -> str:
    """A note of `text` (ending in a newline) with one Ed25519 line by `name`; returned as text.

    `sign` may be an agent or a device: what it returns is verified under `public_key` before it is given out.
    Raises RefusedInput "key-refused", ProofInvalid "note-invalid".
    """
    vkey = Vkey.make(name, public_key)
    # A first note, with a signature of the right size, shows that the text may stand in one before it is signed.
    Note(text, (NoteSignature(name, vkey.key_id, bytes(SIGNATURE_BYTES)),))
    note = Note(text, (NoteSignature(name, vkey.key_id, sign(text.encode())),))
    verify_note(note, [vkey])
    return format_note(note)


def parse_cosignature(signature_type: int, signature: bytes) -> Cosignature:
    """Take apart the signature of a 0x04 or 0x06 line: u64 time ‖ signature (C2SP tlog-cosignature, Format).

    Raises ProofInvalid "note-invalid" on another type or size, or a time over 2^63 - 1.
    """
    size = _COSIGNATURE_BYTES_BY_TYPE.get(signature_type)
    time_s = int.from_bytes(signature[:_TIME_BYTES], "big")
    if size is None or len(signature) != _TIME_BYTES + size or time_s > COSIGNATURE_TIME_MAX_S:
        raise _note_invalid("a cosignature's size or time is out of range")
    return Cosignature(time_s, signature[_TIME_BYTES:])


def verify_note(note: Note, vkeys: Iterable[Vkey]) -> list[Verified]:
    """The known keys that signed `note`, each once, in the order of their first lines; at least one.

    Lines of other keys are ignored, so are vkeys of types other than 0x01 and 0x04. Raises ProofInvalid
    "note-invalid" if a line of a known key does not hold, or no known key signed; RefusedInput "key-refused" if
    two different vkeys share name and key id.
    """
    known = _by_name_and_id(vkeys)
    times: dict[Vkey, set[int]] = {}
    message = note.text.encode()
    for line in note.signatures:
        vkey = known.get((line.name, line.key_id))
        if vkey is None:
            continue
        held = times.setdefault(vkey, set())
        if vkey.signature_type == TYPE_COSIGNATURE:
            cosignature = parse_cosignature(vkey.signature_type, line.signature)
            header = f"cosignature/v1\ntime {cosignature.time_s}\n".encode("ascii")
            holds = ed25519.verify(vkey.key, header + message, cosignature.signature)
            held.add(cosignature.time_s)
        else:
            holds = ed25519.verify(vkey.key, message, line.signature)
        if not holds:
            raise _note_invalid(f"the signature by {vkey.name} does not hold")
    if not times:
        raise _note_invalid(
            "no known key signed it", "Ask for the log's vkey; the note may be another log's."
        )
    return [Verified(vkey, tuple(sorted(held))) for vkey, held in times.items()]


def _by_name_and_id(vkeys: Iterable[Vkey]) -> dict[tuple[str, bytes], Vkey]:
    known: dict[tuple[str, bytes], Vkey] = {}
    for vkey in vkeys:
        if vkey.signature_type not in {TYPE_ED25519, TYPE_COSIGNATURE}:
            continue
        if known.setdefault((vkey.name, vkey.key_id), vkey) != vkey:
            raise vkey_refused(vkey.name, "another key has the same name and key id", "Trust one of the two.")
    return known


def _note_invalid(
    reason: str, fix: str = "Fetch the note again; if it stays so, do not trust it."
) -> ProofInvalid:
    return ProofInvalid("note-invalid", "signed note", reason, fix)

r"""Cosignatures counted: has the quorum of a tlog-policy seen this checkpoint, and when (SPEC §12.1)?

Each witness says: at this time this was the largest tree that I saw, and it contained all that I saw before. One
witness may err or lie; so a time counts only when the quorum is met by it. Of the witnesses' times

    existed by     = the least t such that those with a time ≤ t are a quorum
    fresh as of    = the greatest t such that those with a time ≥ t are a quorum

No coalition smaller than a quorum can move the first back or the second on. One cosignature less makes neither better.

Type 0x04 is verified by `ledger.proofs.note`, type 0x06 here, where the installed library can: its message is the
`cosigned_message` of C2SP tlog-cosignature,

    "subtree/v1\n\0" ‖ u8 length, name ‖ u64 time ‖ u8 length, origin ‖ u64 0 ‖ u64 size ‖ root

A line of type 0x06 with time 0 says nothing of when, and is not counted; nor is one whose time lies over 300 s ahead of
the moment at which is judged. A line of a known key that does not hold spoils the note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.identity import ml_dsa
from ledger.identity.vkey import TYPE_COSIGNATURE, TYPE_COSIGNATURE_ML_DSA_44, Vkey
from ledger.merkle.tree import verify_consistency
from ledger.proofs.checkpoint import Checkpoint, open_signed
from ledger.proofs.facts import Existed
from ledger.proofs.note import Note, parse_cosignature, parse_note
from ledger.proofs.tlog_policy import TlogPolicy

_LABEL: Final = b"subtree/v1\n\x00"
_NAME_BYTES_MAX: Final = 255  # the length of a name or origin in a cosigned message is a u8
_MS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that the log signed, and who else did.

    `times_s`: by the policy's name of each witness that counts, the POSIX times of its cosignatures, ascending.
    `existed_by_s`, `fresh_as_of_s`: None unless the quorum is met. `auditors`: those of the auditors' keys that signed.
    `unverified`: names of keys with a line that no library at hand can verify.
    """

    checkpoint: Checkpoint
    times_s: Mapping[str, tuple[int, ...]]
    existed_by_s: int | None
    fresh_as_of_s: int | None
    auditors: tuple[Vkey, ...] = ()
    unverified: tuple[str, ...] = ()

    @property
    def is_met(self) -> bool:
        """Whether the quorum is met."""
        return self.existed_by_s is not None


def open_cosigned(
    note: bytes | str, log: Vkey, policy: TlogPolicy, at_ms: int, auditors: Sequence[Vkey] = ()
) -> Cosigned:
    """The checkpoint of `note`, signed by `log` (type 0x01), and what the policy's witnesses say of it by `at_ms`.

    Whether the policy knows the log is the caller's matter. Raises ProofInvalid `note-invalid`, `checkpoint-invalid`.
    """
    parsed = parse_note(note)
    cosigners = list(dict.fromkeys([*(witness.vkey for witness in policy.witnesses), *auditors]))
    plain = [vkey for vkey in cosigners if vkey.signature_type == TYPE_COSIGNATURE]
    checkpoint, verified = open_signed(parsed, [log, *plain])
    times = {item.vkey: item.times_s for item in verified if item.vkey.signature_type == TYPE_COSIGNATURE}
    unverified = set()
    for vkey in cosigners:
        if vkey.signature_type == TYPE_COSIGNATURE_ML_DSA_44:
            found = ml_dsa_times(parsed, checkpoint, vkey)
            if found is None:
                unverified.add(vkey.name)
            else:
                times[vkey] = found
    latest_s = at_ms // _MS + spec.CLOCK_AHEAD_MAX_S
    counted = {vkey: tuple(time_s for time_s in found if time_s <= latest_s) for vkey, found in times.items()}
    by_name = {
        witness.name: counted[witness.vkey] for witness in policy.witnesses if counted.get(witness.vkey)
    }
    return Cosigned(
        checkpoint,
        by_name,
        _first_met(policy, sorted((min(found), name) for name, found in by_name.items())),
        _first_met(policy, sorted(((max(found), name) for name, found in by_name.items()), reverse=True)),
        tuple(vkey for vkey in dict.fromkeys(auditors) if counted.get(vkey)),
        tuple(sorted(unverified)),
    )


def existed_by(cosigned: Cosigned) -> Existed | None:
    """That the entries of a cosigned checkpoint existed; None unless the quorum is met."""
    if cosigned.existed_by_s is None:
        return None
    return Existed(cosigned.checkpoint.size, cosigned.existed_by_s * _MS)


def existed_before(older: Cosigned, head: Checkpoint, proof: Sequence[bytes]) -> Existed | None:
    """The same of an older checkpoint, which `proof` shows to be the beginning of `head`.

    Raises ProofInvalid `consistency-invalid` if it is not: the log showed two histories, and both are evidence.
    """
    first = older.checkpoint
    if first.origin != head.origin:
        raise ProofInvalid(
            "consistency-invalid",
            "older log checkpoint",
            f"it is of {first.origin!r}, not of {head.origin!r}",
            "Give checkpoints of one log.",
        )
    verify_consistency(first.size, first.root, head.size, head.root, proof)
    return existed_by(older)


def check_clock(cosigned: Cosigned, clock_ms: int) -> None:
    """That the `state` which closes the checkpoint tells no time over 300 s later than its quorum saw it (SPEC §9.5).

    Raises ProofInvalid `state-wrong`.
    """
    existed = existed_by(cosigned)
    if existed is not None and clock_ms > existed.by_ms + spec.CLOCK_AHEAD_MAX_S * _MS:
        raise ProofInvalid(
            "state-wrong",
            f"entry {cosigned.checkpoint.size - 1}",
            f"the log's clock is {(clock_ms - existed.by_ms) // _MS:,} s ahead of the witnesses'",
            "Do not trust the log's times; ask its operator.",
        )


def _first_met(policy: TlogPolicy, times: Iterable[tuple[int, str]]) -> int | None:
    """The first of these times by which the quorum is met."""
    cosigned: set[str] = set()
    for time_s, name in times:
        cosigned.add(name)
        if policy.is_met(cosigned):
            return time_s
    return None


def ml_dsa_times(note: Note, checkpoint: Checkpoint, vkey: Vkey) -> tuple[int, ...] | None:
    """The times of a key's cosignatures, ascending, without those that tell none; None: they cannot be verified here."""
    times = set()
    for line in note.signatures:
        if (line.name, line.key_id) != (vkey.name, vkey.key_id):
            continue
        cosignature = parse_cosignature(vkey.signature_type, line.signature)
        message = cosigned_message(vkey.name, cosignature.time_s, checkpoint)
        holds = False if message is None else ml_dsa.verify(vkey.key, message, cosignature.signature)
        if holds is None:
            return None
        if not holds:
            raise ProofInvalid(
                "note-invalid",
                "signed note",
                f"the cosignature by {vkey.name} does not hold",
                "Fetch the note again; if it stays so, do not trust it.",
            )
        if cosignature.time_s:
            times.add(cosignature.time_s)
    return tuple(sorted(times))


def cosigned_message(name: str, time_s: int, checkpoint: Checkpoint) -> bytes | None:
    """What an ML-DSA-44 cosignature of a whole checkpoint signs; None if a name is too long for one."""
    names = [name.encode(), checkpoint.origin.encode()]
    if any(len(each) > _NAME_BYTES_MAX for each in names):
        return None
    cosigner, origin = (bytes([len(each)]) + each for each in names)
    numbers = (0).to_bytes(8, "big") + checkpoint.size.to_bytes(8, "big")
    return _LABEL + cosigner + time_s.to_bytes(8, "big") + origin + numbers + checkpoint.root

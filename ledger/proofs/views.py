r"""Two views of one log: what convicts it before anybody who has its vkey, and no more than that (SPEC §12.4).

    lineage/views/v1
    <base64 of the root that the first m entries of the later note's tree have>
    <base64 of a hash>                the consistency proof from m entries to the later note; none at one size
    <an empty line>
    <the earlier note, verbatim: it says how many m is, and another root>
    <an empty line>
    <the later note, verbatim>

The log signed both notes. The proof shows which root the later one's tree had when it was of the earlier one's size (RFC 6962
§2.1.2), and the earlier note says another: so the log told two histories. Of one size the root is the later note's own and
the proof is empty; the same check serves. Each value has one spelling, and a file that convicts nobody is none.

Whoever has a copy of the log makes such a file of two notes, or shows that they tell one history: `compare`. A copy is not
believed: its hashes count only as far as they lead to a root that the log signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, Self

from ledger.errors import ProofInvalid
from ledger.identity.c2sp_text import as_text, decode_base64, encode_base64
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import EMPTY_ROOT, verify_consistency
from ledger.proofs.checkpoint import Checkpoint, Signed, open_checkpoint
from ledger.proofs.note import parse_note
from ledger.spec import HASH_BYTES, VIEWS_BYTES_MAX

HEADER: Final = "lineage/views/v1"
PATH_HASHES_MAX: Final = 64
_BLOCKS: Final = 5  # the head; text and signatures of either note

Histories = Literal["one", "two", "undecided"]


class Copy(Protocol):
    """A copy of a log, or what claims to be one: it is asked, and not believed. Methods raise StoreFault."""

    @property
    def size(self) -> int:
        """How many entries it has."""
        ...

    def root_at(self, size: int) -> bytes:
        """The root of its first entries."""
        ...

    def consistency_path(self, old_size: int, new_size: int, /) -> Sequence[bytes]:
        """From its first `old_size` entries to its first `new_size`."""
        ...


@dataclass(frozen=True, slots=True)
class TwoViews:
    """Two notes of one log, as text, `earlier` of no more entries than `later`; `root` and `path`: see above.

    Raises ProofInvalid `views-invalid` unless they contradict each other, if the log signed them and the path holds: that
    says `convict`.
    """

    root: bytes
    path: tuple[bytes, ...]
    earlier: str
    later: str

    def __post_init__(self) -> None:
        if len(self.path) > PATH_HASHES_MAX or any(
            len(each) != HASH_BYTES for each in (self.root, *self.path)
        ):
            raise _views_invalid(f"it does not hold 1 to {1 + PATH_HASHES_MAX} hashes of {HASH_BYTES} bytes")
        earlier, later = self.checkpoints
        if earlier.origin != later.origin:
            raise _views_invalid("the notes are of two logs")
        if earlier.size > later.size:
            raise _views_invalid("the earlier note is of more entries than the later one")
        if earlier.root == self.root:
            raise _views_invalid("the root is the earlier note's own: nothing speaks against the log")

    @property
    def checkpoints(self) -> tuple[Checkpoint, Checkpoint]:
        """What the earlier and the later note say, whoever signed them."""
        return _unsigned(self.earlier, "earlier"), _unsigned(self.later, "later")

    @classmethod
    def parse(cls, data: bytes | str) -> Self:
        """Reads a file. Nothing in it is verified. Raises ProofInvalid `views-invalid`."""
        text = as_text(data, VIEWS_BYTES_MAX)
        if text is None:
            raise _views_invalid(f"it is not UTF-8, or has over {VIEWS_BYTES_MAX} bytes")
        # No line of a checkpoint is empty, nor is one beneath it: so empty lines part the file in one way only.
        blocks = text.split("\n\n", _BLOCKS)
        lines = blocks[0].split("\n", PATH_HASHES_MAX + 2)
        if len(blocks) != _BLOCKS or lines.pop(0) != HEADER:
            raise _views_invalid(f"it is not {HEADER!r}, hashes and two notes, each behind an empty line")
        hashes = [each for each in map(decode_base64, lines) if each is not None]
        if not hashes or len(hashes) != len(lines):
            raise _views_invalid("a line behind the first is not canonical base64, or there is none")
        _head, text_a, lines_a, text_b, lines_b = blocks
        return cls(hashes[0], tuple(hashes[1:]), f"{text_a}\n\n{lines_a}\n", f"{text_b}\n\n{lines_b}")

    def format(self) -> str:
        """The file's text: inverse of `parse`."""
        head = "\n".join([HEADER, *map(encode_base64, (self.root, *self.path))])
        return f"{head}\n\n{self.earlier}\n{self.later}"


def convict(views: TwoViews, vkey: Vkey) -> tuple[Signed, Signed]:
    """The earlier and the later checkpoint, which convict the log of `vkey`: it signed both, and they tell two histories.

    Raises ProofInvalid `views-invalid` if the log did not sign one, or the proof does not hold: nobody is convicted then.
    """
    earlier, later = _signed(views.earlier, "earlier", vkey), _signed(views.later, "later", vkey)
    before, after = earlier.checkpoint, later.checkpoint
    try:
        verify_consistency(before.size, views.root, after.size, after.root, views.path)
    except ProofInvalid as error:
        raise _views_invalid(
            f"the consistency proof to the later note does not hold: {error.reason}"
        ) from error
    return earlier, later


class Compared(NamedTuple):
    """Whether two checkpoints tell one history; `views`: of two, what convicts the log; `why`: what keeps it undecided."""

    histories: Histories
    views: TwoViews | None = None
    why: str = ""


def compare(one: Signed, other: Signed, copy: Copy | None = None) -> Compared:
    """Whether two checkpoints that one log signed tell one history, by a copy of it if they are of different sizes.

    Raises what the copy raises.
    """
    earlier, later = sorted((one, other), key=lambda signed: signed.checkpoint.size)
    before, after = earlier.checkpoint, later.checkpoint
    if before.size == after.size:
        return by_path(earlier, later, after.root, ())
    if not before.size and before.root == EMPTY_ROOT:  # whatever follows holds it; no path says so
        return Compared("one")
    if copy is None:
        return Compared("undecided", why="they are of different sizes, and no copy of the log is at hand")
    if copy.size < after.size:
        return Compared(
            "undecided", why=f"the copy of the log has {copy.size:,} entries, fewer than {after.size:,}"
        )
    path = copy.consistency_path(before.size, after.size)
    return by_path(earlier, later, copy.root_at(before.size), path)


def by_path(earlier: Signed, later: Signed, root: bytes, path: Sequence[bytes]) -> Compared:
    """The same by a consistency proof from `root`, of as many entries as the earlier one has, to the later one."""
    before, after = earlier.checkpoint, later.checkpoint
    try:
        verify_consistency(before.size, root, after.size, after.root, path)
    except ProofInvalid as error:
        why = (
            f"what is at hand does not lead to the log checkpoint of {after.size:,} entries ({error.reason})"
        )
        return Compared("undecided", why=why)
    if before.root == root:
        return Compared("one")
    return Compared("two", TwoViews(root, tuple(path), earlier.note.decode(), later.note.decode()))


def _unsigned(note: str, which: str) -> Checkpoint:
    try:
        return Checkpoint.parse(parse_note(note).text)
    except ProofInvalid as error:
        raise _views_invalid(f"the {which} note is no log checkpoint: {error.reason}") from error


def _signed(note: str, which: str, vkey: Vkey) -> Signed:
    try:
        return Signed(note.encode(), open_checkpoint(note, [vkey]))
    except ProofInvalid as error:
        raise _views_invalid(f"the {which} note is none that {vkey.name} signed: {error.reason}") from error


def _views_invalid(reason: str) -> ProofInvalid:
    return ProofInvalid(
        "views-invalid", "two views of a log", reason, "It convicts nobody. Compare the notes themselves."
    )

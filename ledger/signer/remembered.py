"""The newest log checkpoint that was accepted here, of each log: so that nobody is shown the past, or another history (SPEC §12.4).

    <config>/checkpoints/<log id, 64 hex digits>/accepted.note      the newest accepted, a C2SP note with its cosignatures
                                                /accepted.lock      held by who replaces it
                                                /evidence/<size>-<first 32 hex digits of the note's SHA-256>.note
                /evidence/<size>-<size>-<first 32 hex digits of the file's SHA-256>.views

It lies beside the keys, and not among them: a log whose checkpoints are remembered need not be one whose keys lie here. The
whole note is kept, so that it convicts a log which signed another history; when two notes contradict each other, both go to
`evidence/`, where a name stands for one content and nothing is ever replaced; and with them, if the proof of it is at hand, the
one file that shows it to anybody (`ledger.proofs.views`).

The memory only grows: it is read and compared without a lock, and replaced under one if nobody replaced it meanwhile. What is
damaged is told, and never taken for nothing: then whoever can write a byte into it could show the past again.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from ledger import spec
from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.identity.vkey import Vkey
from ledger.proofs.checkpoint import Signed, open_checkpoint
from ledger.proofs.consistency import ProveConsistency, check_extends, two_histories
from ledger.proofs.note import format_note, join_notes, parse_note
from ledger.proofs.views import TwoViews, by_path, convict
from ledger.signer.keyfile import make_private_folder
from ledger.statements.statement import log_id
from ledger.store.files import PRIVATE, holds, read_regular, write_atomically, writing
from ledger.store.lock import locked

FOLDER: Final = "checkpoints"
NOTE_FILE: Final = "accepted.note"
LOCK_FILE: Final = "accepted.lock"
EVIDENCE: Final = "evidence"
_BUSY: Final = ("checkpoint-memory-busy", "another process is remembering a log checkpoint")
_DIGEST_DIGITS: Final = 32
_NOTE_SUFFIX: Final = ".note"

RootAt = Callable[[int], bytes]  # the root that so many first entries of the later tree have


class CheckpointMemory:
    """What is remembered of one log, by its first vkey. For any thread, and beside other processes."""

    def __init__(self, config: Path, vkey: Vkey) -> None:
        self.vkey = vkey
        self.folder = config / FOLDER / log_id(str(vkey)).hex()

    @property
    def note_file(self) -> Path:
        """Where the newest accepted note lies, if there is one."""
        return self.folder / NOTE_FILE

    def newest(self) -> Signed | None:
        """The newest checkpoint accepted; None if there was none. Raises StoreFault `checkpoint-memory-damaged`."""
        try:
            note = read_regular(self.note_file, spec.NOTE_BYTES_MAX)
            return Signed(note, open_checkpoint(note, [self.vkey]))
        except StoreFault as error:
            if error.code == "file-not-found" and not self._is_obstructed():
                return None
            raise self._damaged(error.reason) from error
        except ProofInvalid as error:
            raise self._damaged(f"it holds no checkpoint that this log signed: {error.reason}") from error

    def check(self, note: bytes, prove: ProveConsistency, root_at: RootAt | None = None) -> Signed | None:
        """That a checkpoint of the log holds all that was accepted before; returns what was. Writes nothing but evidence.

        `prove` gives consistency paths to it, which are verified; `root_at`, asked if it does not hold, the roots that they
        lead from, so that the evidence convicts by itself. Raises RefusedInput `checkpoint-behind`; ProofInvalid
        `checkpoint-inconsistent`, which names the files of both notes, `note-invalid`, `checkpoint-invalid`; StoreFault
        `checkpoint-memory-damaged`; and what `prove` raises.
        """
        after = Signed(note, open_checkpoint(note, [self.vkey]))
        before = self.newest()
        if before is not None:
            self._compare(before, after, prove, root_at)
        return before

    def check_one_history(
        self, before: bytes, after: bytes, prove: ProveConsistency, root_at: RootAt | None = None
    ) -> None:
        """The same of two notes of the log, whatever is remembered. Raises as `check` does."""
        notes = [Signed(note, open_checkpoint(note, [self.vkey])) for note in (before, after)]
        self._extends(notes[0], notes[1], prove, root_at)

    def convicted(self, views: TwoViews) -> ProofInvalid:
        """Keeps two views of the log as evidence; gives the error `checkpoint-inconsistent` to raise, which says where.

        Raises ProofInvalid `views-invalid` if they do not convict it.
        """
        before, after = convict(views, self.vkey)
        what = f"its first {before.checkpoint.size:,} entries have another root than an earlier one says"
        return self._accusation(two_histories(after.checkpoint, what), before, after, views)

    def remember(self, note: bytes, prove: ProveConsistency, root_at: RootAt | None = None) -> bool:
        """Remembers a checkpoint that was accepted; False if another process has remembered a greater one since.

        Only for what was verified and is relied on, since whatever comes later is held to it. Of the checkpoint that is
        remembered already, the cosignatures of both notes are kept. Raises as `check` does, but for `checkpoint-behind`;
        StoreFault `checkpoint-memory-busy`, `store-failed`, and nothing is remembered.
        """
        after = Signed(note, open_checkpoint(note, [self.vkey]))
        while True:
            before = self.newest()
            if before is not None and after.checkpoint.size < before.checkpoint.size:
                return False
            if before is not None:
                self._compare(before, after, prove, root_at)
            with self._held():
                # Else somebody remembered another one since the look, and it is compared with that.
                if self.newest() == before:
                    self._replace(_joined(before, after))
                    return True

    def _compare(
        self, before: Signed, after: Signed, prove: ProveConsistency, root_at: RootAt | None
    ) -> None:
        try:
            self._extends(before, after, prove, root_at)
        except RefusedInput as error:
            if error.code != "checkpoint-behind":
                raise
            raise RefusedInput(
                "checkpoint-behind",
                error.item,
                f"one of {before.checkpoint.size:,} was accepted here before: the ledger is an older copy, "
                "or the beginning of another history",
                f"Put the newest copy of the ledger back. The log checkpoint that was accepted is {self.note_file}.",
            ) from error

    def _extends(
        self, before: Signed, after: Signed, prove: ProveConsistency, root_at: RootAt | None
    ) -> None:
        try:
            check_extends(before.checkpoint, after.checkpoint, prove)
        except ProofInvalid as error:
            if error.code != "checkpoint-inconsistent":  # of the proof's source
                raise
            raise self._accusation(error, before, after, _views(before, after, prove, root_at)) from error

    def _accusation(
        self, error: ProofInvalid, before: Signed, after: Signed, views: TwoViews | None
    ) -> ProofInvalid:
        """The error, with what is kept of it."""
        folder = self.folder / EVIDENCE
        files = {folder / _evidence_name(each): each.note for each in (before, after)}
        fix = error.fix
        if views is not None:
            data = views.format().encode()
            sizes = f"{before.checkpoint.size}-{after.checkpoint.size}"
            path = folder / f"{sizes}-{_short_digest(data)}{spec.VIEWS_SUFFIX}"
            files[path] = data
        failure = self._keep_evidence(files)
        if failure:
            return ProofInvalid(error.code, error.item, f"{error.reason}. {failure}", fix)
        kept = f"Both are kept as evidence: {', '.join(map(str, files))}"
        if views is not None:
            fix = f"Trust neither, and show others the evidence: lineage log compare {path} --vkey '{self.vkey}'"
        return ProofInvalid(error.code, error.item, f"{error.reason}. {kept}", fix)

    def _replace(self, note: bytes) -> None:
        """Under the lock: what a holder that died left unfinished goes, too."""
        for left_over in self.folder.glob(f".{NOTE_FILE}.*.tmp"):
            with suppress(OSError):
                left_over.unlink()
        if not os.path.lexists(self.note_file) or not holds(self.note_file, note):
            write_atomically(self.note_file, note, replace=True, private=True)

    def _keep_evidence(self, files: dict[Path, bytes]) -> str:
        """Keeps these files, all or none; or says why they could not be kept, which must not hide what they show."""
        folder = self.folder / EVIDENCE
        try:
            with self._held():
                make_private_folder(folder)
                new = {path: data for path, data in files.items() if not _is_kept(path, data)}
                counts = Counter(path.suffix for path in [*folder.iterdir(), *new])
                for suffix, what in ((_NOTE_SUFFIX, "notes"), (spec.VIEWS_SUFFIX, "files of two views")):
                    if counts[suffix] > spec.CHECKPOINT_EVIDENCE_MAX:
                        held = counts[suffix] - sum(path.suffix == suffix for path in new)
                        return f"They could not be kept as evidence: {folder} holds {held} {what} already; move them away"
                for path, data in new.items():
                    with writing(path, PRIVATE, replace=False) as file:
                        file.write(data)
        except (StoreFault, OSError) as error:
            return f"They could not be kept as evidence in {folder}: {error}"
        return ""

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Keeps other processes and threads from replacing what is remembered."""
        fix = "Look to the folder, its permissions and its disk: what is accepted has to be remembered."
        path = self.folder / LOCK_FILE
        with locked(path, spec.CHECKPOINT_MEMORY_WAIT_S, make_private_folder, _BUSY, fix):
            yield

    def _is_obstructed(self) -> bool:
        """Whether something else stands where the folders of the memory belong: then nobody can tell that there was none."""
        return any(
            os.path.lexists(place) and not place.is_dir() for place in (self.folder, *self.folder.parents)
        )

    def _damaged(self, reason: str) -> StoreFault:
        return StoreFault(
            "checkpoint-memory-damaged",
            str(self.note_file),
            f"the log checkpoint that was accepted last cannot be read from it: {reason}",
            "Restore it from a copy. Only who knows that the ledger is its newest copy may remove the file: "
            "then any history of the log is accepted once more.",
        )


def _joined(before: Signed | None, after: Signed) -> bytes:
    """What to remember now: of the same checkpoint the note with the cosignatures of both, if one note holds them."""
    if before is None or before.checkpoint != after.checkpoint:
        return after.note
    try:
        return format_note(join_notes([parse_note(before.note), parse_note(after.note)])).encode()
    except ProofInvalid:
        return before.note


def _is_kept(path: Path, note: bytes) -> bool:
    """Whether a note is among the evidence; what has its name and is another is not replaced. Raises StoreFault."""
    if not os.path.lexists(path):
        return False
    if not holds(path, note):
        raise StoreFault(
            "checkpoint-memory-damaged", str(path), "it has been changed since it was kept", "Move it away."
        )
    return True


def _evidence_name(signed: Signed) -> str:
    return f"{signed.checkpoint.size}-{_short_digest(signed.note)}{_NOTE_SUFFIX}"


def _short_digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]


def _views(before: Signed, after: Signed, prove: ProveConsistency, root_at: RootAt | None) -> TwoViews | None:
    """What convicts the log by itself, of two notes that are not of one history; None if no proof of it is at hand."""
    size = before.checkpoint.size
    try:
        if size == after.checkpoint.size:
            return by_path(before, after, after.checkpoint.root, ()).views
        return by_path(before, after, root_at(size), prove(size)).views if root_at is not None else None
    except LineageError:  # what the proof's source lacks must not hide the accusation
        return None

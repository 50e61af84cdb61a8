"""Key events on their way: persisted before they are sent, carried through after a crash, put aside if refused (SPEC §7.2).

A change of keys is made whole in a folder of its own before anybody sees it; what remains is renames. Each is skipped
where it was done, so that whoever finds a change goes through all of them again, whatever moment a crash left it at.

    identities/NAME/change/<kseq>/event.entry    the signed key event; gone when the change is through
                                 /current.key    the revealed keys, copied; next.key, recovery.key: drawn anew
                                 /pseudonym.key  where the identity had none of its own
                                 /identity.json  as it will be
                   /former/<kseq>/               what key event <kseq> put out of use, and that event
                   /refused/<kseq>-<id>/         a change that the log refused, or a `recover` that was ended
                   /keys.lock                    held while any of this moves

A `rotate` and a `retire` are through when the log holds them. A `recover` waits in `change` until the log says that it is
in force, or that it was ended; meanwhile the keys in force go on. No key that was ever committed to is deleted.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from filelock import FileLock, Timeout

from ledger import spec
from ledger.errors import LineageError, PolicyDenied, RefusedInput, StoreFault
from ledger.signer import keyfile
from ledger.signer.keygroup import KEY_FILE, file_name
from ledger.signer.keystore import ABOUT_FILE, FAULT, FORMER, PSEUDONYM_FILE, LocalIdentity, load_identity
from ledger.signer.logdoor import LogDoor
from ledger.signer.signers import KnownSigner
from ledger.statements.entry import decode_entry
from ledger.statements.statement import Statement
from ledger.store.files import PRIVATE, read_regular, sync_folder

REFUSED: Final = "refused"
_CHANGE: Final = "change"
_EVENT_FILE: Final = "event.entry"
_UNFINISHED: Final = ".new-"


@dataclass(frozen=True, slots=True)
class Change:
    """A key event that this machine made and that is not through: its folder, its entry and its statement."""

    folder: Path
    entry: bytes
    statement: Statement

    @property
    def kseq(self) -> int:
        return int(self.statement.fields["kseq"])


class Outcome(NamedTuple):
    """What became of a change. `state`: in-force, waiting (a `recover`), ended (a `recover` that was vetoed).

    `log_index` is None where the log was not asked again.
    """

    id: bytes
    type: str
    kseq: int
    state: str
    log_index: int | None


def changes_of(identity: LocalIdentity) -> list[Change]:
    """The changes of an identity that are not through, by kseq. Raises StoreFault `keys-damaged`."""
    folder = identity.folder / _CHANGE
    if not folder.is_dir():
        return []
    with keyfile.disk_told(folder, FAULT):
        places = sorted((int(path.name), path) for path in folder.iterdir() if path.name.isdecimal())
    found = [_change(path, kseq) for kseq, path in places]
    return [change for change in found if change is not None]


def settle(door: LogDoor, identity: LocalIdentity) -> list[Outcome]:
    """Carries all changes of an identity as far as they go; the identity is then to be found anew.

    What the log has not acknowledged is sent again byte for byte. A refused event is put aside and its refusal raised:
    the keys before it stay. Raises StoreFault `keys-busy`, `keys-unwritable`.
    """
    if not changes_of(identity):
        return []
    with held(identity):
        changes = changes_of(identity)
        places = {change.kseq: _send(door, identity, change) for change in changes}
        standing = door.standing(identity.id)
        if standing is None:
            return []
        outcomes = []
        for change in changes:
            state = "in-force"
            if change.statement.type == "recover" and standing.key_event != change.statement.id:
                state = "waiting" if standing.last == change.statement.id else "ended"
            with keyfile.disk_told(change.folder, FAULT):
                if state == "in-force":
                    _finish(identity, change)
                elif state == "ended":
                    _put_aside(identity, change)
            statement = change.statement
            outcomes.append(Outcome(statement.id, statement.type, change.kseq, state, places[change.kseq]))
        return outcomes


def begin(
    identity: LocalIdentity,
    kseq: int,
    files: Mapping[str, bytes],
    signers: Mapping[str, KnownSigner],
    entry: bytes,
    passphrase: bytes | None,
) -> None:
    """Makes a change durable, whole or not at all: `files` as they are, key files of `signers`, and the signed `entry`.

    Raises RefusedInput `change-pending` if another one of that `kseq` is not through; StoreFault.
    """
    parent = identity.folder / _CHANGE
    with held(identity), keyfile.disk_told(parent, FAULT):
        keyfile.make_private_folder(parent)
        for left in parent.glob(f"{_UNFINISHED}*"):  # by a process that died: nobody ever saw those keys
            shutil.rmtree(left)
        if any(change.kseq == kseq for change in changes_of(identity)):
            raise RefusedInput(
                "change-pending",
                f"identity '{identity.name}'",
                f"key event {kseq} was made already, and is not through",
                "Carry that one through first.",
            )
        made = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=parent))
        try:
            for name, signer in signers.items():
                signer.write(made / name, passphrase)
            for name, data in files.items():
                keyfile.write_private(made / name, data)
            keyfile.write_private(made / _EVENT_FILE, entry)
            made.rename(parent / str(kseq))
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        sync_folder(parent)


def discard(identity: LocalIdentity, change: Change) -> None:
    """Puts a change aside that its owner takes back; only for who knows that no log holds it. Raises StoreFault."""
    with held(identity), keyfile.disk_told(change.folder, FAULT):
        _put_aside(identity, change)


@contextmanager
def held(identity: LocalIdentity) -> Iterator[None]:
    """Keeps other processes from moving the same keys. Raises StoreFault `keys-busy`."""
    path = identity.folder / "keys.lock"
    lock = FileLock(path, timeout=spec.WRITER_WAIT_S, thread_local=False, mode=PRIVATE)
    with keyfile.disk_told(path, FAULT):
        try:
            lock.acquire()
        except Timeout as error:  # an OSError too
            raise StoreFault(
                "keys-busy", str(path), "another process is changing these keys", "Wait for it."
            ) from error
    try:
        yield
    finally:
        lock.release()


def refused_changes(identity: LocalIdentity) -> list[Path]:
    """The folders of the changes that were put aside, by name."""
    folder = identity.folder / REFUSED
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _change(folder: Path, kseq: int) -> Change | None:
    """The change in a folder; None if there is none, or none any more."""
    try:
        entry = read_regular(folder / _EVENT_FILE, spec.ENTRY_BYTES_MAX)
        change = Change(folder, entry, decode_entry(entry).statement)
        if change.statement.fields.get("kseq") != kseq:
            raise _damaged(folder)
    except StoreFault as error:
        if error.code == "file-not-found":
            return None
        raise _damaged(folder) from error
    except RefusedInput as error:
        raise _damaged(folder) from error
    return change


def _send(door: LogDoor, identity: LocalIdentity, change: Change) -> int | None:
    """Sends a key event unless the log says that it stands last; its log index if it was sent."""
    standing = door.standing(identity.id)
    if standing is None or change.statement.id in (standing.last, standing.key_event):
        return None
    (result,) = door.append([(change.entry, ())])
    if isinstance(result, RefusedInput | PolicyDenied):
        with keyfile.disk_told(change.folder, FAULT):
            _put_aside(identity, change)
    if isinstance(result, LineageError):
        raise result
    return result.log_index


def _finish(identity: LocalIdentity, change: Change) -> None:
    """Swaps the key files, after which the change is no more. Any part of it may have been done before."""
    former = identity.folder / FORMER / str(change.kseq)
    keyfile.make_private_folder(former)
    if (change.folder / ABOUT_FILE).exists():  # it goes last: once it is in place, all the keys are
        if change.statement.type != "retire":
            _put_away_old(identity, change, former)
        for path in sorted(change.folder.iterdir()):
            if KEY_FILE.match(path.name) or path.name == PSEUDONYM_FILE:
                _move(path, identity.folder / path.name)
        _move(change.folder / ABOUT_FILE, identity.folder / ABOUT_FILE)
    _move(change.folder / _EVENT_FILE, former / _EVENT_FILE)
    with suppress(OSError):
        change.folder.rmdir()


def _put_away_old(identity: LocalIdentity, change: Change, former: Path) -> None:
    """Moves the key files away that are none of the new groups.

    A revealed key that lay here takes the place of its copy, so that there is one file of it and not two.
    """
    groups = {group.which: group for group in load_identity(change.folder).groups}
    current = groups["current"]
    for path in sorted(identity.folder.iterdir()):
        match = KEY_FILE.match(path.name)
        if match is None:
            continue
        public = _public(path)
        if public in groups[match[1]].keys:
            continue  # new, and moved before a crash
        if public in current.keys:
            copy = change.folder / file_name("current", current.keys.index(public) + 1)
            if copy.exists() and keyfile.read_key_file(copy) == keyfile.read_key_file(path):
                _move(path, copy)
                continue
        _move(path, _free(former, path.name))


def _public(path: Path) -> bytes | None:
    """The public key of a key file; None if it cannot be read."""
    try:
        return keyfile.read_public(path)
    except (RefusedInput, StoreFault):
        return None


def _put_aside(identity: LocalIdentity, change: Change) -> None:
    folder = identity.folder / REFUSED
    keyfile.make_private_folder(folder)
    _move(change.folder, _free(folder, f"{change.kseq}-{change.statement.id.hex()[:16]}"))


def _free(folder: Path, name: str) -> Path:
    """A path in `folder` that nothing has: what is put away replaces nothing."""
    path, number = folder / name, 1
    while os.path.lexists(path):
        number += 1
        path = folder / f"{name}.{number}"
    return path


def _move(source: Path, target: Path) -> None:
    """Renames durably: the new name is on the medium before the old one is gone from it."""
    source.replace(target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)


def _damaged(folder: Path) -> StoreFault:
    return StoreFault(
        "keys-damaged",
        str(folder),
        "its event.entry is no key event of that number",
        "Restore the folder from a copy; nothing in it was put into use.",
    )

"""The health of a key store: what could lose a key, or give it away. Nothing is changed, no passphrase asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ledger import spec
from ledger.errors import LineageError, RefusedInput
from ledger.signer.changes import changes_of, refused_changes
from ledger.signer.keyfile import EXTERNAL, SSH_AGENT, KeyFile, load_key_file, open_key_file
from ledger.signer.keystore import PSEUDONYM_FILE, Keystore, LocalIdentity
from ledger.signer.lanes import pending_parcels, refused_parcels
from ledger.signer.sshagent import find_key
from ledger.store.salts import KEY_FILE


class KeyFinding(NamedTuple):
    """One check; advice that may wait is `ok`, and stands in `what`."""

    name: str
    ok: bool
    what: str
    fix: str = ""


def examine_keys(keys: Keystore) -> Iterator[KeyFinding]:
    """All findings about the keys of one log on this machine, the log's own first."""
    if not keys.folder.is_dir():
        yield KeyFinding("keys", ok=True, what="this machine holds no keys of this log; it can be read here")
        return
    yield from _examine_file("log's key", keys.log_key_file, wanted=True)
    for name in keys.names():
        try:
            identity = keys.find(name)
            yield from _examine_identity(identity)
        except LineageError as error:
            yield _failed(f"identity {name}", error)
    yield from _examine_salts(keys)


def _examine_salts(keys: Keystore) -> Iterator[KeyFinding]:
    """What opens sealed contents, if anything was sealed here: it is here alone, unless it travels beside them."""
    name = "salts"
    path = keys.salts.path
    if not os.path.lexists(path):
        return
    try:
        count = keys.salts.check()
        mode = stat.S_IMODE(path.stat().st_mode)
    except LineageError as error:
        yield _failed(name, error)
        return
    if mode & 0o077:
        yield KeyFinding(name, ok=False, what=f"{path} has mode {mode:04o}", fix=f"Run: chmod 600 '{path}'")
    else:
        what = f"{count:,} in {path}: without them sealed records prove nothing; copy {path.name} and {KEY_FILE} where your keys are safe"
        yield KeyFinding(name, ok=True, what=what)


def _examine_identity(identity: LocalIdentity) -> Iterator[KeyFinding]:
    name = f"identity {identity.name}"
    if identity.retired:
        yield KeyFinding(name, ok=True, what="it is retired; nothing is signed by it any more")
    yield from _examine_daily(name, identity)
    spare = {**_files_here(identity, "next"), **_files_here(identity, "recovery")}
    for label, path in spare.items():
        yield from _examine_file(f"{name}, {label}", path, wanted=False)
    spare = {label: path for label, path in spare.items() if not _lies_elsewhere(path)}
    if spare:
        files = " and ".join(path.name for path in spare.values())
        what = f"{files} are still on this machine: moved away, they undo a theft of the daily key"
        yield KeyFinding(f"{name}, spare keys", ok=True, what=what)
    yield from _examine_pseudonyms(name, identity)
    yield from _examine_changes(name, identity)
    waiting = len(pending_parcels(identity.lanes))
    if waiting or identity.pending_enrolment() is not None:
        parts = ["its enrolment"] if identity.pending_enrolment() is not None else []
        parts += [f"{waiting} signed parcels"] if waiting else []
        yield KeyFinding(
            f"{name}, outbox",
            ok=False,
            what=f"{' and '.join(parts)} wait to be sent",
            fix=f"Sign anything by {identity.name}: what waits is sent first.",
        )
    if refused := refused_parcels(identity.lanes):
        what = (
            f"{len(refused)} signed parcels were refused and are not in the log; they lie in {identity.lanes}"
        )
        yield KeyFinding(
            f"{name}, refused", ok=True, what=f"{what}: sign again what is yours, then remove them"
        )


def _examine_daily(name: str, identity: LocalIdentity) -> Iterator[KeyFinding]:
    """Each daily key, and whether as many are here as must sign."""
    group = identity.group("current")
    if group is None or len(group.keys) == 1:
        yield from _examine_file(f"{name}, daily key", identity.key_file("current"), wanted=True)
        return
    here = _files_here(identity, "current")
    for label, path in here.items():
        yield from _examine_file(f"{name}, {label}", path, wanted=True)
    what = f"{len(here)} of {len(group.keys)} daily keys are here; {group.threshold} must sign"
    short = "" if len(here) >= group.threshold else ": nothing is signed on this machine"
    yield KeyFinding(f"{name}, daily keys", ok=True, what=what + short)


def _files_here(identity: LocalIdentity, which: str) -> dict[str, Path]:
    """The files of a keyset that lie here, by what they are called in a finding."""
    group = identity.group(which)
    count = len(group.keys) if group else 1
    files = {
        f"{'daily' if which == 'current' else which} key{f' {number}' if number > 1 else ''}": identity.key_file(
            which, number
        )
        for number in range(1, count + 1)
    }
    return {label: path for label, path in files.items() if path.exists()}


def _examine_pseudonyms(name: str, identity: LocalIdentity) -> Iterator[KeyFinding]:
    path = identity.folder / PSEUDONYM_FILE
    if path.exists():
        yield from _examine_file(f"{name}, pseudonym secret", path, wanted=False)
    elif not identity.derives_pseudonyms:
        what = f"{path} is not here: reported authors would get no pseudonym on this machine"
        yield KeyFinding(f"{name}, pseudonym secret", ok=False, what=what, fix="Restore it from a copy.")


def _examine_changes(name: str, identity: LocalIdentity) -> Iterator[KeyFinding]:
    """What has begun and is not through. A `recover` waits a week, and that is no fault."""
    for change in changes_of(identity):
        waits = change.statement.type == "recover"
        yield KeyFinding(
            f"{name}, key event {change.kseq}",
            ok=waits,
            what=f"a {change.statement.type} is under way; its new keys lie in {change.folder}",
            fix="" if waits else f"Sign anything by {identity.name}: what waits is sent first.",
        )
    if refused := refused_changes(identity):
        what = f"{len(refused)} changes of keys were refused or ended; their keys lie in {refused[0].parent}"
        yield KeyFinding(f"{name}, refused changes", ok=True, what=what)


def _examine_file(name: str, path: Path, *, wanted: bool) -> Iterator[KeyFinding]:
    """`wanted`: it has to be here for signing; nothing is said of a spare key that is in order."""
    if not path.exists():
        yield KeyFinding(name, ok=True, what=f"{path} is not here: nothing is signed with it on this machine")
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        file = load_key_file(path)
        encrypted = not file.lies_elsewhere and _is_encrypted(file)
    except OSError as error:
        yield KeyFinding(name, ok=False, what=f"{path} cannot be read ({error.strerror})", fix="Restore it.")
        return
    except LineageError as error:
        yield _failed(name, error)
        return
    if file.lies_elsewhere:
        yield _examine_elsewhere(name, file)
    elif mode & 0o077:
        yield KeyFinding(name, ok=False, what=f"{path} has mode {mode:04o}", fix=f"Run: chmod 600 '{path}'")
    elif wanted:
        clear = "" if encrypted else "; NOT encrypted: whoever reads the file can sign with it"
        yield KeyFinding(name, ok=True, what=f"{path}{clear}")


def _examine_elsewhere(name: str, file: KeyFile) -> KeyFinding:
    """Whether a key that lies elsewhere is there now. That it is not is no fault: it may come."""
    if file.protection == EXTERNAL:
        what = f"{file.path}: an external signer has it, which is given to a process; commands do not sign with it"
        return KeyFinding(name, ok=True, what=what)
    try:
        key = find_key(file.public, spec.AGENT_LOOK_WAIT_S)
    except RefusedInput as error:
        what = f"{file.path}: the ssh-agent does not have it now ({error.reason}): nothing is signed with it on this machine"
        return KeyFinding(name, ok=True, what=what)
    except LineageError as error:
        return _failed(name, error)
    return KeyFinding(name, ok=True, what=f"{file.path}: the {SSH_AGENT} has it ({key.comment})")


def _lies_elsewhere(path: Path) -> bool:
    try:
        return load_key_file(path).lies_elsewhere
    except LineageError:
        return False


class _AskedError(Exception):
    """The key file asked for a passphrase."""


def _asked(_name: str) -> bytes:
    raise _AskedError


def _is_encrypted(file: KeyFile) -> bool:
    """Whether it takes a passphrase; a key in clear is opened, and held to its public key. Raises as `open_key_file`."""
    try:
        open_key_file(file, _asked)
    except _AskedError:
        return True
    return False


def _failed(name: str, error: LineageError) -> KeyFinding:
    return KeyFinding(name, ok=False, what=f"{error.item}: {error.reason}", fix=error.fix or "Restore it.")

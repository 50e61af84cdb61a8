"""The health of a key store: what could lose a key, or give it away. Nothing is changed, no passphrase asked for."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ledger.errors import LineageError
from ledger.signer.keyfile import read_key
from ledger.signer.keystore import Keystore, LocalIdentity
from ledger.signer.lanes import pending_parcels


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


def _examine_identity(identity: LocalIdentity) -> Iterator[KeyFinding]:
    name = f"identity {identity.name}"
    yield from _examine_file(f"{name}, daily key", identity.key_file("current"), wanted=True)
    here = [which for which in ("next", "recovery") if identity.key_file(which).exists()]
    for which in here:
        yield from _examine_file(f"{name}, {which} key", identity.key_file(which), wanted=False)
    if here:
        files = " and ".join(f"{which}.key" for which in here)
        what = f"{files} are still on this machine: moved away, they undo a theft of the daily key"
        yield KeyFinding(f"{name}, spare keys", ok=True, what=what)
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


def _examine_file(name: str, path: Path, *, wanted: bool) -> Iterator[KeyFinding]:
    """`wanted`: it has to be here for signing; nothing is said of a spare key that is in order."""
    if not path.exists():
        yield KeyFinding(name, ok=True, what=f"{path} is not here: nothing is signed with it on this machine")
        return
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        encrypted = _is_encrypted(path)
    except OSError as error:
        yield KeyFinding(name, ok=False, what=f"{path} cannot be read ({error.strerror})", fix="Restore it.")
        return
    except LineageError as error:
        yield _failed(name, error)
        return
    if mode & 0o077:
        yield KeyFinding(name, ok=False, what=f"{path} has mode {mode:04o}", fix=f"Run: chmod 600 '{path}'")
    elif wanted:
        clear = "" if encrypted else "; NOT encrypted: whoever reads the file can sign with it"
        yield KeyFinding(name, ok=True, what=f"{path}{clear}")


class _AskedError(Exception):
    """The key file asked for a passphrase."""


def _asked(_name: str) -> bytes:
    raise _AskedError


def _is_encrypted(path: Path) -> bool:
    """Whether it takes a passphrase; a key in clear is opened, and held to its public key. Raises as `read_key`."""
    try:
        read_key(path, _asked)
    except _AskedError:
        return True
    return False


def _failed(name: str, error: LineageError) -> KeyFinding:
    return KeyFinding(name, ok=False, what=f"{error.item}: {error.reason}", fix=error.fix or "Restore it.")

"""Where an identity's keys lie: read off the key files, without opening one or asking anybody (SPEC §10.6)."""

from __future__ import annotations

from typing import NamedTuple

from ledger.errors import RefusedInput, StoreFault
from ledger.signer.keyfile import ENCRYPTED, EXTERNAL, SSH_AGENT, KeyFile, load_key_file
from ledger.signer.keygroup import KeyGroup
from ledger.signer.keystore import LocalIdentity

FILE = "file"
AWAY = "away"  # its file is not here
UNREADABLE = "unreadable"


class Whereabouts(NamedTuple):
    """Where the key of one file of a keyset lies: `lies` is file, ssh-agent, external, away or unreadable.

    `public`: 32 bytes, None where nobody here knows them; `encrypted`: of a file; `comment`: how an agent calls it.
    """

    file: str
    public: bytes | None
    lies: str
    encrypted: bool = False
    comment: str = ""


def whereabouts(identity: LocalIdentity, which: str = "current") -> list[Whereabouts]:
    """Of each key of a keyset, in the order of its files."""
    group = _group(identity, which)
    names = group.file_names if group is not None else [identity.key_file(which).name]
    keys = group.keys if group is not None else (None,)
    return [_of(identity, name, key) for name, key in zip(names, keys, strict=True)]


def _group(identity: LocalIdentity, which: str) -> KeyGroup | None:
    try:
        return identity.group(which)
    except (RefusedInput, StoreFault):
        return None


def _of(identity: LocalIdentity, name: str, public: bytes | None) -> Whereabouts:
    try:
        file: KeyFile = load_key_file(identity.folder / name)
    except RefusedInput as error:
        return Whereabouts(name, public, AWAY if error.code == "key-file-missing" else UNREADABLE)
    except StoreFault:
        return Whereabouts(name, public, UNREADABLE)
    if public is not None and file.public != public:
        return Whereabouts(name, public, AWAY)  # what lies there is another key
    lies = file.protection if file.protection in (SSH_AGENT, EXTERNAL) else FILE
    return Whereabouts(name, file.public, lies, file.protection == ENCRYPTED, file.comment)

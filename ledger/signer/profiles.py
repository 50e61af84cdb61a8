"""Sealed profiles: who somebody is, said in his enrolment as a digest that nobody can guess at (SPEC §2, §10.8).

An enrolment is for ever, and holds no personal data: its `profile` is a hash over a salt and the profile. Both lie among the identity's keys,
in one file for its owner alone, 32 bytes of salt and then the profile; there before the enrolment is sent. Who shows somebody the two proves that they
were meant from the beginning. Once the file is destroyed the digest is about nothing; everything else of the identity stays as it is.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from ledger.errors import RefusedInput, StoreFault
from ledger.signer.keyfile import write_private
from ledger.spec import PROFILE_BYTES_MAX, SALT_BYTES
from ledger.store.files import destroy, read_regular

PROFILE_FILE: Final = "profile.sealed"


class Profile(NamedTuple):
    """A profile and the salt (32 bytes) under which it is sealed."""

    salt: bytes
    content: bytes


def new_profile(content: bytes) -> Profile:
    """A profile under a salt of its own. Raises RefusedInput `too-large`, `schema` for an empty one."""
    if not content:
        raise RefusedInput(
            "schema", "profile", "it is empty", "Name a file that says something, or leave it out."
        )
    if len(content) > PROFILE_BYTES_MAX:
        raise RefusedInput(
            "too-large",
            "profile",
            f"it has {len(content)} bytes, the limit is {PROFILE_BYTES_MAX}",
            "Say less, or only where more is to be found.",
        )
    return Profile(secrets.token_bytes(SALT_BYTES), content)


def write_profile(folder: Path, profile: Profile) -> None:
    """Keeps a profile in an identity's folder, durably. Raises StoreFault `key-file-exists`, `key-file-unwritable`."""
    write_private(folder / PROFILE_FILE, profile.salt + profile.content)


def read_profile(folder: Path) -> Profile | None:
    """The profile that is kept in an identity's folder; None: there is none. Raises StoreFault `keys-damaged`."""
    path = folder / PROFILE_FILE
    try:
        data = read_regular(path, SALT_BYTES + PROFILE_BYTES_MAX)
    except StoreFault as error:
        if error.code == "file-not-found":
            return None
        raise _damaged(path, error.reason) from error
    if len(data) <= SALT_BYTES:
        raise _damaged(path, "it is cut short")
    return Profile(data[:SALT_BYTES], data[SALT_BYTES:])


def destroy_profile(folder: Path) -> bool:
    """Forgets the profile and its salt for good; whether there was one. Once more is no harm. Raises StoreFault `store-failed`."""
    return destroy(folder / PROFILE_FILE)


def _damaged(path: Path, reason: str) -> StoreFault:
    return StoreFault("keys-damaged", str(path), reason, "Restore it from a copy of the keys.")

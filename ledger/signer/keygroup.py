"""Key groups: the key files of one keyset (SPEC §7.1), of which `threshold` must sign.

    current.key, current.2.key, current.3.key      a group of three; of one key, which is the rule, current.key alone

Not all of a group's files need lie on one machine: that is what a threshold is for. Which keys belong to a group is
known from their public halves, so that a file counts for what it holds and not for what it is called; a key that lies
with an agent or an external signer counts by a file too (`ledger.signer.keyfile`), so that one group may mix all
kinds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ledger import spec
from ledger.errors import LineageError, RefusedInput, StoreFault
from ledger.identity.keyset import Keyset, make_keyset, position_of
from ledger.signer.keyfile import read_public
from ledger.signer.signers import KnownSigner, Signer
from ledger.statements.entry import Signature
from ledger.statements.statement import pre_authentication_encoding

KEY_NAMES: Final = ("current", "next", "recovery")
KEY_FILE: Final = re.compile(r"(current|next|recovery)(?:\.[2-8])?\.key\Z", re.ASCII)

Open = Callable[[Path], KnownSigner]  # who signs for a key file, its passphrase asked for if need be


class KeyGroup(NamedTuple):
    """The public keys (32 bytes each) of one keyset in the order of their files, and how many of them must sign."""

    which: str
    keys: tuple[bytes, ...]
    threshold: int = 1

    @property
    def keyset(self) -> Keyset:
        return make_keyset(list(self.keys), self.threshold)

    @property
    def file_names(self) -> list[str]:
        return [file_name(self.which, number) for number in range(1, len(self.keys) + 1)]


def file_name(which: str, number: int = 1) -> str:
    """The name of a group's key file, `number` from 1."""
    return f"{which}.key" if number == 1 else f"{which}.{number}.key"


def make_group(which: str, signers: Sequence[Signer], threshold: int) -> KeyGroup:
    """The group of these signers; `check_shape` has passed its numbers."""
    return KeyGroup(which, tuple(signer.public_key for signer in signers), threshold)


def check_shape(keys: int, threshold: int) -> None:
    """Raises RefusedInput `threshold-illegal` unless `threshold` of `keys` keys can sign (SPEC §7.1)."""
    if not 1 <= threshold <= keys <= spec.KEYS_MAX:
        raise RefusedInput(
            "threshold-illegal",
            f"{threshold} of {keys} keys",
            f"a keyset has 1 to {spec.KEYS_MAX} keys, and at least one of them, at most all must sign",
            "Choose other numbers.",
        )


def find_files(group: KeyGroup, folder: Path, given: Iterable[Path] = ()) -> dict[bytes, Path]:
    """The key files of a group that are at hand, by public key: those `given`, then those in `folder` under their names.

    At least the threshold. Raises RefusedInput `key-file-missing`, which names what is wanted; `key-file-foreign` for a
    file given that holds no key of the group; or what keeps the files from being read.
    """
    found: dict[bytes, Path] = {}
    for path in given:
        public = read_public(path)
        if public not in group.keys:
            raise RefusedInput(
                "key-file-foreign",
                str(path),
                f"it holds no key of the '{group.which}' keyset",
                f"Wanted: {_wanted(group, {})}.",
            )
        found[public] = path
    unreadable: LineageError | None = None
    for name in group.file_names:
        path = folder / name
        try:
            public = read_public(path)
        except (RefusedInput, StoreFault) as error:
            if error.code != "key-file-missing":
                unreadable = unreadable or error
            continue
        if public in group.keys:
            found.setdefault(public, path)
    if len(found) < group.threshold:
        raise unreadable or _missing(group, folder, found)
    return found


def open_keys(group: KeyGroup, files: Mapping[bytes, Path], open_: Open) -> list[KnownSigner]:
    """Who signs for exactly `threshold` keys of the group, the first that can be opened.

    Raises what kept the first of the others from being opened.
    """
    signers: list[KnownSigner] = []
    failed: LineageError | None = None
    for key in group.keys:
        if key in files and len(signers) < group.threshold:
            try:
                signers.append(open_(files[key]))
            except (RefusedInput, StoreFault) as error:
                failed = failed or error
    if len(signers) < group.threshold:
        raise failed or _missing(group, Path(), files)
    return signers


def sign_to_threshold(
    code: int, keyset: Keyset, signers: Iterable[Signer], payload: bytes
) -> list[Signature]:
    """The signatures of these keys of a keyset; `code` is CURRENT, NEXT or RECOVERY (SPEC §8.1). Raises as the signers."""
    message = pre_authentication_encoding(payload)
    return [
        Signature(code, position_of(keyset, signer.public_key), signer.sign(message)) for signer in signers
    ]


def _missing(group: KeyGroup, folder: Path, found: Mapping[bytes, Path]) -> RefusedInput:
    reason = "there is no such key file"
    if len(group.keys) > 1:
        reason = f"of the '{group.which}' keyset {group.threshold} keys must sign, and {len(found)} are here"
    missing = [name for key, name in zip(group.keys, group.file_names, strict=True) if key not in found]
    return RefusedInput(
        "key-file-missing",
        str(folder / missing[0]),
        reason,
        f"Was it moved away? Bring it back, or say where it lies. Wanted: {_wanted(group, found)}.",
    )


def _wanted(group: KeyGroup, found: Mapping[bytes, Path]) -> str:
    """The files not found, each with the beginning of the public key that stands in it."""
    return ", ".join(
        f"{name} (public key {key.hex()[:16]}…)"
        for key, name in zip(group.keys, group.file_names, strict=True)
        if key not in found
    )

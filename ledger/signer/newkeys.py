"""The keys of new keysets: those that were given, from a file, an agent or an external signer; the rest drawn here.

A key serves an identity once: in one of its keysets, and never again (SPEC §7.2). The log would find out when it is
too late, as the keyset that was committed to is revealed; so it is checked here, before anything commits to a key.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from ledger.errors import RefusedInput
from ledger.identity import ed25519
from ledger.signer.keygroup import KeyGroup, make_group
from ledger.signer.signers import SHOWN_DIGITS, KnownSigner, SeedSigner, Signer, known


@dataclass(frozen=True)
class GivenKeys:
    """Signers that are to be the first keys of new keysets, instead of keys drawn here.

    A daily key (`current`) may lie anywhere. So may the others, but whoever has two keysets in one place loses both to one thief.
    """

    current: Sequence[Signer] = ()
    next: Sequence[Signer] = ()
    recovery: Sequence[Signer] = ()

    def all(self) -> list[Signer]:
        """Every key given."""
        return [*self.current, *self.next, *self.recovery]


NONE_GIVEN = GivenKeys()


class NewKeys:
    """The keys of one new keyset, and who signs for them."""

    def __init__(self, which: str, given: Sequence[Signer], keys: int, threshold: int) -> None:
        """`keys` of which `threshold` must sign: `check_shape` has passed. Raises RefusedInput `threshold-illegal`, `key-refused`."""
        if len(given) > keys:
            raise RefusedInput(
                "threshold-illegal",
                f"{len(given)} keys for '{which}'",
                f"the keyset is to have {keys}",
                f"Say --keys {len(given)}, or give fewer.",
            )
        drawn = (SeedSigner(os.urandom(ed25519.SEED_BYTES)) for _ in range(keys - len(given)))
        self.signers: list[KnownSigner] = [*map(known, given), *drawn]
        self.group: KeyGroup = make_group(which, self.signers, threshold)

    def files(self) -> Iterable[tuple[str, KnownSigner]]:
        """The name of each key's file, and what is to be kept in it."""
        return zip(self.group.file_names, self.signers, strict=True)


def check_once(new: Iterable[NewKeys], former: Collection[bytes] = ()) -> None:
    """Whether no key stands twice in new keysets, nor among the `former` public keys. Raises RefusedInput `keyset-illegal`."""
    seen = set(former)
    for keys in new:
        for public in keys.group.keys:
            if public in seen:
                raise RefusedInput(
                    "keyset-illegal",
                    f"public key {public.hex()[:SHOWN_DIGITS]}… for '{keys.group.which}'",
                    "the identity has, or had, that key already; each serves once",
                    "Give another key.",
                )
            seen.add(public)

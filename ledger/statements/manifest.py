"""The record over the rows that a gate judged: which of them were admitted, and by what (SPEC §4.2, §4.5, §12.5)."""

from __future__ import annotations

import hashlib
from typing import Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.merkle.tree import Frontier
from ledger.statements.legal import MANIFEST_ROW_BYTES
from ledger.statements.record import Record, make_record

MEDIA: Final = "application/vnd.lineage.manifest"


class ManifestTree:
    """The RFC 6962 tree over leaves row digest (32) ‖ artifact id (32) ‖ u8 verdict, while rows come; it holds its peaks alone."""

    def __init__(self) -> None:
        self._frontier = Frontier()

    @property
    def count(self) -> int:
        """How many rows."""
        return self._frontier.size

    @property
    def size_bytes(self) -> int:
        """What the leaf inputs take together."""
        return MANIFEST_ROW_BYTES * self.count

    def add(self, digests: bytes, artifact_ids: bytes, verdicts: bytes) -> None:
        """The next rows: 32, 32 and 1 byte each. Raises RefusedInput `hash-malformed` where these are of other lengths."""
        size, rows = spec.HASH_BYTES, len(verdicts)
        if not len(digests) == len(artifact_ids) == size * rows:
            raise RefusedInput(
                "hash-malformed", "manifest", f"digests or ids are not 32 bytes of {rows} rows"
            )
        sha256, prefix = hashlib.sha256, spec.PREFIX_LEAF
        codes = [bytes((code,)) for code in range(max(verdicts, default=0) + 1)]
        starts = range(0, size * rows, size)
        self._frontier = self._frontier.append(
            [
                sha256(prefix + digests[at : at + size] + artifact_ids[at : at + size] + codes[code]).digest()
                for at, code in zip(starts, verdicts, strict=True)
            ]
        )

    def root(self) -> bytes:
        """The root over all rows, 32 bytes."""
        return self._frontier.root()


def make_manifest_record(
    *, maker: bytes, tree: ManifestTree, checkpoint: bytes, policy: bytes, trust: bytes, time_ms: int
) -> Record:
    """The record of a manifest. Digests have 32 bytes: of the note text signed, the policy file, the trust file or zeros.

    Raises RefusedInput with the code of what SPEC §4 forbids.
    """
    return make_record(
        kind="dataset",
        maker=maker,
        content=tree.root(),
        form="manifest",
        size_bytes=tree.size_bytes,
        media=MEDIA,
        facts={
            "checkpoint": checkpoint,
            "policy": policy,
            "trust": trust,
            "time": time_ms,
            "count": tree.count,
        },
    )

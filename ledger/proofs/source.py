"""What proofs are made from: a log's data as somebody holds it (SPEC §11, §12).

A source is asked, never believed: whoever makes or checks a proof from it verifies each answer against a checkpoint
that the log signed. A source may fail to answer (StoreFault); a wrong answer is found out, or lowers what is proved.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ledger.proofs.checkpoint import Checkpoint


class ProofSource(Protocol):
    """A log up to one signed checkpoint. `log_index` and record numbers are 0-based; hashes have 32 bytes."""

    @property
    def note(self) -> bytes:
        """The signed checkpoint up to which the source answers."""
        ...

    @property
    def checkpoint(self) -> Checkpoint:
        """What the note says, as the source reads it."""
        ...

    def expect(self, artifact_ids: Collection[bytes]) -> Sequence[bytes]:
        """A hint, which changes no answer: these artifacts, with their entries, are asked for next, each once.

        Returns them in the order in which they are best asked for. Never raises.
        """
        ...

    def entry(self, log_index: int) -> bytes:
        """The entry at a log index."""
        ...

    def entry_path(self, log_index: int) -> list[bytes]:
        """Its inclusion path in the checkpoint's tree."""
        ...

    def state_behind(self, log_index: int) -> int:
        """The log index of the first `state` at or behind an entry."""
        ...

    def record(self, record_number: int) -> bytes | None:
        """A record by its number in the log; None if only its leaf hash is left."""
        ...

    def record_leaf(self, record_number: int) -> bytes:
        """The leaf hash of a record, erased or not: its artifact id."""
        ...

    def record_path(self, record_number: int) -> list[bytes]:
        """Its inclusion path under the root that its statement signs."""
        ...

    def locate(self, record_number: int) -> tuple[int, int]:
        """(log index of the entry that holds a record, index of the record in it)."""
        ...

    def record_start(self, log_index: int) -> int:
        """How many records stand before an entry."""
        ...

    def find_artifact(self, artifact_id: bytes) -> list[int]:
        """The numbers of all records with this leaf hash, ascending."""
        ...

    def find_content(self, form: str, digest: bytes, size_bytes: int | None = None) -> list[int]:
        """The numbers of all records about a content, ascending: of this form and digest, and size where it is given.

        A digest alone says nothing: under another form it may be a digest of anything (SPEC §2).
        """
        ...

    def find_statement(self, statement_id: bytes) -> int | None:
        """The least log index at which a statement stands, or None."""
        ...

    def topic_entries(self, topic_key: bytes) -> list[int]:
        """The log indices of all well-formed entries on a topic's subject, ascending (SPEC §9.4)."""
        ...

    def status_proof(self, topic_key: bytes) -> list[bytes]:
        """Proof of presence or absence under the root in the checkpoint's last entry (SPEC §9.3)."""
        ...


class ProvingSource(ProofSource, Protocol):
    """One that also proves many things at once, for an ancestry proof (SPEC §11.2). Indices ascend; hashes have 32 bytes."""

    def entries_proof(self, indices: Sequence[int]) -> list[bytes]:
        """The multiproof of entries in the checkpoint's tree."""
        ...

    def records_proof(self, log_index: int, record_indices: Sequence[int]) -> list[bytes]:
        """The multiproof of records under the root that their statement signs."""
        ...

    def status_proof_of(self, topic_keys: Collection[bytes]) -> bytes:
        """The status proof of many topic keys, under the root in the checkpoint's last entry."""
        ...

    def consistency_path(self, old_size: int) -> list[bytes]:
        """That the checkpoint's tree begins with its first `old_size` entries (RFC 6962 §2.1.2)."""
        ...

    def is_faulty(self, log_index: int) -> bool:
        """Whether an entry broke a rule where it stands, as the log judged it."""
        ...

    def root_at(self, size: int) -> bytes:
        """The root of the tree of the first `size` entries."""
        ...

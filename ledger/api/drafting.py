"""From contents to the records that say what is claimed of them, all made before any is signed (SPEC §4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import NamedTuple

from ledger.api.contents import Content, Contents, Keep, keeping
from ledger.api.sealing import SaltRaceError, sealed_contents
from ledger.merkle.tree import hash_leaf
from ledger.signer.claims import Claimant
from ledger.signer.signing import Signed
from ledger.signer.spool import Spool
from ledger.spec import GUESSABLE_BYTES
from ledger.store.content import ContentStore
from ledger.store.salts import SaltVault

Read = Callable[
    [Sequence[bytes]], Contents
]  # of the artifact ids of what was read before, which it may refer to


class Drafts(NamedTuple):
    """Where drafting takes from and puts to: who claims, the vault of salts, the store of experiences (None: none is here)."""

    claimant: Claimant
    vault: SaltVault
    store: ContentStore | None


@contextmanager
def drafted(drafts: Drafts, read: Read, progress: Callable[[int], None]) -> Iterator[tuple[Spool, Signed]]:
    """The records of all contents, waiting on disk, and what they are records of. Of what is sealed the salts are durable.

    Raises as `read` does; StoreFault `spool-full`, and as `SaltVault.writing`. Salts that were kept stay, whatever becomes
    of the records: the same signing once more finds them.
    """
    while True:
        signed = Signed()
        with Spool() as spool:
            try:
                _draft_all(drafts, read, spool, signed, progress)
            except SaltRaceError:
                continue
            yield spool, signed
            return


def _draft_all(
    drafts: Drafts, read: Read, spool: Spool, signed: Signed, progress: Callable[[int], None]
) -> None:
    with ExitStack() as opened:
        keep = None if drafts.store is None else opened.enter_context(keeping(drafts.store))
        contents = opened.enter_context(closing(read(signed.ids)))
        if drafts.claimant.claim.sealed:
            salts = opened.enter_context(drafts.vault.writing())
            contents = opened.enter_context(closing(sealed_contents(drafts.claimant, salts, contents)))
        draft(drafts.claimant, contents, spool, signed, progress, keep)


def draft(
    claimant: Claimant,
    contents: Iterable[Content],
    spool: Spool,
    signed: Signed,
    progress: Callable[[int], None],
    keep: Keep | None = None,
) -> None:
    """The records of all contents, each once, into the spool; their labels and ids in order into `signed`.

    `keep` is given the contents of experiences.
    """
    seen: set[bytes] = set()
    labels: list[str | int] = []
    for done, content in enumerate(contents, 1):
        record = content.held or record_of(claimant, content)
        artifact_id = hash_leaf(record)
        labels.append(content.label)
        signed.ids.append(artifact_id)
        signed.guessable += content.form == "raw" and content.size_bytes < GUESSABLE_BYTES
        if keep is not None and is_kept(claimant, content) and isinstance(content.opened, bytes):
            keep(content.opened, content.digest)
        if artifact_id not in seen:
            seen.add(artifact_id)
            spool.add(record)
        progress(done)
    are_rows = bool(labels) and isinstance(labels[0], int)
    signed.labels = range(len(labels)) if are_rows else labels  # a million row indices need not be held


def record_of(claimant: Claimant, content: Content) -> bytes:
    """The record of a content. Raises as `Claimant.record`."""
    return claimant.record(content.digest, content.size_bytes, content.form, content.media, content.said)


def is_kept(claimant: Claimant, content: Content) -> bool:
    """Whether a content is to be kept beside the log: an experience's always is (SPEC §4.1)."""
    return content.held is None and claimant.kind_of(content.said) == "experience"

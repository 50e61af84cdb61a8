"""The verbs of a ledger that find artifacts by what a person holds."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ledger.api import finding
from ledger.api.access import Access
from ledger.api.sidecars import Found
from ledger.statements.record import Record, sealed_content


class Lookups:
    """Part of `Ledger`."""

    _access: Access

    def resolve(self, text: str | os.PathLike[str]) -> bytes:
        """The artifact id that a person means: an id in hex (16 digits or more) or a file that was signed.

        Of several claims of one maker about a file the one counts that supersedes the others (SPEC §4.3). Raises NotFound
        `unlogged`; RefusedInput `ambiguous` if several artifacts have that content, `salt-differs`.
        """
        with self._access.view() as view:
            return finding.resolve(view, text, self._access.keys.salts)

    def search(self, named: str | os.PathLike[str], *, salt: bytes | None = None) -> Found:
        """What an id in hex (16 digits or more), ID:ROW or the content of a file may mean: artifacts, and rows of datasets.

        What is sealed is found by the salts that are kept here, and by the one beside the file; with `salt` (32 bytes) by that
        alone. Raises NotFound `file-not-found`; RefusedInput `index-out-of-range`, `ambiguous`, `salt-differs`.
        """
        with self._access.view() as view:
            return finding.search(view, self._access.rows, self._access.keys.salts, named, salt)

    def search_text(self, text: str, *, salt: bytes | None = None) -> Found:
        """The same of a text in UTF-8; and which datasets could not be searched."""
        with self._access.view() as view:
            return finding.search_text(view, self._access.rows, self._access.keys.salts, text, salt)

    def find_all(self, text: str | os.PathLike[str], *, salt: bytes | None = None) -> list[bytes]:
        """All artifact ids that an id in hex, or a file's content, may mean; in log order; then datasets with such a row.

        `salt` as of `search`, which tells the rows. Raises NotFound `unlogged`; RefusedInput `salt-differs`.
        """
        return finding.ids_found(self.search(text, salt=salt))

    def find_text(self, text: str, *, salt: bytes | None = None) -> list[bytes]:
        """The ids of all artifacts whose content is this text in UTF-8, then of datasets with such a row.

        Raises NotFound `unlogged`.
        """
        return finding.ids_found(self.search_text(text, salt=salt))

    def superseded(self, artifact_ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Of artifacts about one content: which are replaced, and by which (SPEC §4.3)."""
        with self._access.view() as view:
            return finding.superseded(view, artifact_ids)

    def without_effect(self, artifact_id: bytes) -> dict[bytes, str]:
        """The artifacts that one names by `supersedes` and does not replace (SPEC §4.3), and why.

        Of what is sealed it is not known whether it is about the same content.
        """
        with self._access.view() as view:
            return finding.without_effect(view, artifact_id)

    def kept_content(self, record: Record) -> bytes | None:
        """The content of a record, if it is kept beside the log and can be opened here: an experience's always is.

        Raises StoreFault `content-damaged`.
        """
        if record.form != "sealed":
            return self._access.content.get(record.content)
        salt = self._access.keys.salts.salt_of(record.id)
        if salt is None:
            return None
        return self._access.content.get(
            record.content, lambda content: sealed_content(record.maker, salt, content)
        )

"""Records waiting on disk, so that all of a dataset is checked before any of it is signed (SPEC §5)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from ledger.errors import StoreFault

_LENGTH_BYTES = 2


class Spool:
    """An unnamed temporary file of records, in order; gone when it is closed."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.count = 0

    def add(self, record: bytes) -> None:
        """Keeps a record. Raises StoreFault `spool-full`."""
        try:
            self._file.write(len(record).to_bytes(_LENGTH_BYTES, "big") + record)
        except OSError as error:
            raise StoreFault(
                "spool-full",
                tempfile.gettempdir(),
                f"the records could not be kept there ({error.strerror})",
                "Free some space, or set TMPDIR to a larger disk; nothing was signed.",
            ) from error
        self.count += 1

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        for _ in range(self.count):
            length = int.from_bytes(self._file.read(_LENGTH_BYTES), "big")
            yield self._file.read(length)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

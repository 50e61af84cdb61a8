"""Trust and policy files are TOML with closed keys: what is not known is refused, never passed over (SPEC §12.1, §12.2).

A key that a reader does not know may be the one that was meant to shut something out. So every key is taken by name and
type, and whatever is left is an error; a boolean is no integer, a date no text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeVar

from ledger import spec
from ledger.errors import RefusedInput

Refuse = Callable[[str, str, str], RefusedInput]  # item, reason, fix
_Item = TypeVar("_Item")

_DIGITS = frozenset("0123456789abcdef")


class Table:
    """One table of a file; each key is taken once, and `done` refuses the others."""

    def __init__(self, values: dict[str, Any], where: str, refuse: Refuse) -> None:
        self._values = values
        self._where = where
        self._refuse = refuse
        self._known: list[str] = []

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def refused(self, key: str, reason: str, fix: str) -> RefusedInput:
        """The error of a key of this table."""
        return self._refuse(f"key {self._where}{key}", reason, fix)

    def integer(self, key: str, least: int, greatest: int) -> int | None:
        value = self._take(key)
        if value is None:
            return None
        if type(value) is not int or not least <= value <= greatest:
            raise self.refused(
                key,
                f"{_told(value)} is no whole number from {least:,} to {greatest:,}",
                "Write one, without quotes.",
            )
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self._take(key)
        if value is None:
            return default
        if type(value) is not bool:
            raise self.refused(key, f"{_told(value)} is neither true nor false", "Write `true` or `false`.")
        return value

    def text(self, key: str) -> str | None:
        value = self._take(key)
        if value is not None and type(value) is not str:
            raise self.refused(key, f"{_told(value)} is no text", "Write it between quotes.")
        return value

    def says(self, key: str, word: str) -> bool:
        """Whether a key that may also be something else is this word; if not, it is still to be taken."""
        if self._values.get(key) != word:
            return False
        self._known.append(key)
        return True

    def one_of(self, key: str, known: Collection[str], default: str) -> str:
        value = self._take(key)
        if value is None:
            return default
        return self._known_word(key, value, known)

    def words(self, key: str, known: Collection[str]) -> frozenset[str] | None:
        """A list of words of a closed list, none twice, at least one."""
        return self._set(key, lambda value: self._known_word(key, value, known))

    def texts(self, key: str) -> frozenset[str] | None:
        """A list of texts, none twice, at least one, none of them empty."""

        def read(value: Any) -> str:
            if type(value) is not str or not value:
                raise self.refused(key, f"{_told(value)} is no text", "Write each between quotes.")
            return str(value)

        return self._set(key, read)

    def identities(self, key: str, *, least: int = 0) -> frozenset[bytes] | None:
        """A list of identity ids in hex, none twice."""
        return self._set(key, lambda value: self.identity(key, value), least)

    def identity(self, key: str, value: Any) -> bytes:
        """An identity id of 64 lower-case hex digits."""
        if type(value) is not str or len(value) != 2 * spec.HASH_BYTES or not _DIGITS.issuperset(value):
            raise self.refused(
                key,
                f"{_told(value)} is no identity id of 64 lower-case hex digits",
                "`lineage identity list` shows them.",
            )
        return bytes.fromhex(value)

    def table(self, key: str) -> Table:
        """A table; an empty one where it is left out."""
        value = self._take(key)
        if value is not None and type(value) is not dict:
            raise self.refused(key, f"{_told(value)} is no table", f"Write it as [{self._where}{key}].")
        return Table(value or {}, f"{self._where}{key}.", self._refuse)

    def tables(self, key: str) -> list[Table]:
        """An array of tables."""
        values = self._take(key)
        if values is None:
            return []
        if type(values) is not list or any(type(value) is not dict for value in values):
            raise self.refused(key, "it is no array of tables", f"Write each as [[{self._where}{key}]].")
        return [
            Table(value, f"{self._where}{key}[{place}].", self._refuse) for place, value in enumerate(values)
        ]

    def open_keys(self) -> Iterable[str]:
        """All keys of a table whose keys are not closed; they are known then."""
        self._known += self._values
        return list(self._values)

    def done(self) -> None:
        """Refuses a key that nobody took."""
        for key in self._values:
            if key not in self._known:
                raise self.refused(
                    key,
                    "there is no such key here",
                    f"Known here are: {', '.join(sorted(self._known)) or 'none'}.",
                )

    def _take(self, key: str) -> Any:
        self._known.append(key)
        return self._values.get(key)

    def _known_word(self, key: str, value: Any, known: Collection[str]) -> str:
        if type(value) is not str or value not in known:
            raise self.refused(
                key, f"{_told(value)} is none of {', '.join(sorted(known))}", "Write one of these."
            )
        return value

    def _set(self, key: str, read: Callable[[Any], _Item], least: int = 1) -> frozenset[_Item] | None:
        values = self._take(key)
        if values is None:
            return None
        if type(values) is not list:
            raise self.refused(key, f"{_told(values)} is no list", "Write it between [ and ].")
        items = [read(value) for value in values]
        if len(set(items)) != len(items):
            raise self.refused(key, "it names one thing twice", "Leave one of them out.")
        if len(items) < least:
            raise self.refused(
                key,
                f"it has {len(items)} items, and {least} at least are meant",
                "Add one, or leave the key out.",
            )
        return frozenset(items)


def read_settings(data: bytes, refuse: Refuse) -> Table:
    """The outermost table of a TOML file of at most 1 MiB. Raises what `refuse` makes."""
    if len(data) > spec.SETTINGS_BYTES_MAX:
        raise refuse("file", f"it has over {spec.SETTINGS_BYTES_MAX} bytes", "Make it shorter.")
    try:
        return Table(tomllib.loads(data.decode("utf-8")), "", refuse)
    except UnicodeDecodeError:
        raise refuse("file", "it is not UTF-8", "Save it as UTF-8.") from None
    except (ValueError, RecursionError) as error:  # TOMLDecodeError; a number or a nesting beyond all bounds
        reason = "it nests too deeply" if isinstance(error, RecursionError) else f"it is no TOML: {error}"
        raise refuse("file", reason, "toml.io has the form.") from None


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

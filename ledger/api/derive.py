"""Deterministic tools in a pipeline: what a function makes of a row names the row as its parent (SPEC §4.1, §4.6).

    @ledger.derive("normalise", "1.2", {"form": "NFC"})
    def normalise(row):
        return {**row, "text": unicodedata.normalize("NFC", row["text"])}

    with l.batch(by="ada"):
        rows = [normalise(row) for row in rows]

A row is a dict; its content is one column, or with `column=None` the row as a whole. Its `lineage_id` is the artifact
that it is: an id that is not known, or that stands for another content, is refused, since then the row was changed by
somebody who did not say so. What the function returns gets the id of what it is now:

    a dict      the row, derived; unchanged content keeps its id, and nothing is signed
    dicts       many rows (a chunker), each derived from the one
    None        no row (a filter)
    True, False a filter's answer, handed on as it is

A row without `lineage_id` is refused; or, if `unsigned` says so, it is found by its content (its artifact, or the row that it
is of an imported dataset), signed as reported, or passed over.

A dict that lacks the column leaves the content as it was; all other columns are the function's own business. What was
sealed stays sealed, each row under a new salt.

Functions of one row work as they are in a loop, a pool, or `datasets.map`; `.batched` of each takes and returns a dict of
columns, which costs less by the row. A function that wants columns itself is wrapped with `batched=True`; where it returns
another number of rows, its column `lineage_row` says for each from which row of the batch it comes.

The derived artifacts go into the batch or session whose block the code runs in (`ledger.api.active`). In a process forked
from there (a pool's worker) a function returns when what it derived is durable, since a worker may be ended at any time;
there columns are much cheaper than single rows.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from ledger.api.active import active_batch
from ledger.api.batch import Batch
from ledger.api.batch_item import Item, Seal
from ledger.api.given import ID, Given
from ledger.api.known import Known
from ledger.api.salts import FindSalt, Sealed, row_salt
from ledger.api.session import tool_facts
from ledger.datasets.rows import LINEAGE_ID, LINEAGE_SALT, column_of, content_of, whole_row
from ledger.errors import LineageError, RefusedInput
from ledger.signer.claims import Claim
from ledger.spec import SALT_BYTES
from ledger.statements import words
from ledger.statements.record import Parent, sealed_content, sealed_size

LINEAGE_ROW: Final = "lineage_row"  # the column in which a function of columns says which row each comes from
# What becomes of a row without an id: it is refused, sought by its content, signed as reported, or passed over.
REFUSE, FIND, REPORT, SKIP = "refuse", "find", "report", "skip"
_MEDIA: Final = {"raw": "text/plain", "jcs": "application/json"}

Row = Mapping[str, Any]


class Source(NamedTuple):
    """The artifact that a row is: its id, the row's content and how it became bytes; `salt` of one that is sealed.

    `has_salts`: its rows have a column for salts. `row`: it is that row of an imported dataset, whose id it is. `reported`:
    it was signed just now.
    """

    id: bytes
    content: bytes
    form: str
    salt: bytes | None = None
    has_salts: bool = False
    row: int | None = None
    reported: Item | None = None


class Derivation:
    """A tool with its version and parameters. Made by `ledger.derive`; a decorator, and a context.

        with ledger.derive("chunk", "2", {"words": 200}) as tool:
            for row in rows:
                made += tool.of(row, chunk(row))

    When that block ends, all that was derived is signed, durable.
    """

    def __init__(
        self,
        tool: str,
        version: str,
        params: Any = None,
        *,
        column: str | None = "text",
        unsigned: str = REFUSE,
    ) -> None:
        """As `ledger.derive`."""
        for what, name in (("tool", tool), ("version", version)):
            if not isinstance(name, str) or not words.NAME.fullmatch(name):
                raise RefusedInput(
                    "schema",
                    what,
                    f"{name!a} is no name",
                    "Names are of SPEC §3.1: letters, digits and ._/@:+-",
                )
        if unsigned not in (REFUSE, FIND, REPORT, SKIP):
            raise RefusedInput(
                "usage",
                "unsigned",
                f"'{unsigned}' says nothing",
                f"Say {REFUSE}, {FIND}, {REPORT} or {SKIP}.",
            )
        self.facts: Final = tool_facts(tool, version, params)
        self.column: Final = column
        self._unsigned = unsigned

    def __call__(self, function: Callable[..., Any], *, batched: bool = False) -> Derived:
        """The same function, whose rows carry their lineage."""
        return Derived(self, function, batched=batched)

    def __enter__(self) -> Self:
        active_batch()  # there has to be one
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            active_batch().flush()

    def of(self, row: Row, made: Any) -> Any:
        """What the tool made of a row, with ids, in the shape that it has. The row is as it was before. Raises RefusedInput."""
        return self.finish(self.begin([row]), [made])[0]

    def begin(self, rows: Sequence[Row]) -> list[Source | None]:
        """What rows are, before the tool has them, which may change them; None of one without an id that is let pass.

        Raises RefusedInput for a row that is not what its id says.
        """
        batch = active_batch()
        contents = [self._content(row) for row in rows]
        ids = [_id_of(row) for row in rows]
        known = batch.look_up(artifact_id for artifact_id in ids if artifact_id is not None)
        return [
            self._without_id(batch, *content)
            if artifact_id is None
            else _source(row, artifact_id, known.get(artifact_id), batch.salt_of, *content)
            for row, artifact_id, content in zip(rows, ids, contents, strict=True)
        ]

    def finish(self, sources: Sequence[Source | None], made: Sequence[Any]) -> list[Any]:
        """For each row what the tool made of it, with ids. Raises RefusedInput, and StoreFault in a forked process."""
        batch = active_batch()
        items = [each.reported for each in sources if each is not None and each.reported is not None]
        results = [self._shaped(batch, *pair, items) for pair in zip(sources, made, strict=True)]
        if items and batch.is_inherited:
            with suppress(LineageError):  # which may tell of others
                batch.flush()
            for item in items:
                item.signed.result()
        return results

    def _shaped(self, batch: Batch, source: Source | None, made: Any, items: list[Item]) -> Any:
        if made is None or isinstance(made, bool):
            return made
        if isinstance(made, Mapping):
            return self._derived(batch, source, made, items)
        if isinstance(made, Iterable) and not isinstance(made, str | bytes):
            rows = list(made)
            if all(isinstance(each, Mapping) for each in rows):
                return [self._derived(batch, source, each, items) for each in rows]
        raise RefusedInput(
            "row-not-object",
            "result of the function",
            f"a {type(made).__name__} is no row",
            "Return a dict, several, None, or for a filter True or False.",
        )

    def _derived(self, batch: Batch, source: Source | None, made: Row, items: list[Item]) -> dict[str, Any]:
        """One row of the result, with its id."""
        result = dict(made)
        if source is None:
            return result
        content, form = source.content, source.form
        if self.column is None or self.column in made:
            content, form = self._content(made)
        artifact_id, salt = source.id, source.salt
        if (content, form) != (source.content, source.form):
            salt = os.urandom(SALT_BYTES) if salt is not None else None
            claim = Claim(
                kind="derived", parents=(Parent("derived-from", source.id, row=source.row),), facts=self.facts
            )
            item = batch.take(_given(content, form, batch.maker, salt), claim)
            items.append(item)
            artifact_id = item.id
        elif source.row is not None:
            return result  # still that row, which has no id of its own
        result[LINEAGE_ID] = artifact_id.hex()
        if source.has_salts:
            result[LINEAGE_SALT] = salt.hex() if salt is not None else None
        return result

    def _without_id(self, batch: Batch, content: bytes, form: str) -> Source | None:
        if self._unsigned == SKIP:
            return None
        if self._unsigned == REPORT:
            item = batch.take(_given(content, form), Claim(kind="work", reported=True))
            return Source(item.id, content, form, reported=item)
        reason = "the row has no id, so that nothing is known of which it could be derived"
        if self._unsigned == FIND:
            found = batch.by_content(form, hashlib.sha256(content).digest())
            if len(found) == 1:
                return Source(found[0][0], content, form, row=found[0][1])
            reason = f"the row has no id, and {len(found) or 'nothing'} in this log has its content"
        raise RefusedInput(
            "lineage-id-missing",
            f"column '{LINEAGE_ID}'",
            reason,
            f"Sign or import the dataset first; or say unsigned='{FIND}' (sought by content), '{REPORT}' (signed as reported) "
            f"or '{SKIP}' (no lineage).",
        )

    def _content(self, row: Row) -> tuple[bytes, str]:
        if not isinstance(row, Mapping):
            raise RefusedInput("row-not-object", "row", f"it is a {type(row).__name__}", "Hand it a dict.")
        return content_of(dict(whole_row(row)) if self.column is None else column_of(row, self.column))


class Derived:
    """A function whose results carry their lineage. Called as it was; `.batched` takes and returns columns."""

    __name__: str
    __wrapped__: Callable[..., Any]

    def __init__(self, derivation: Derivation, function: Callable[..., Any], *, batched: bool) -> None:
        functools.update_wrapper(self, function)
        name = getattr(function, "__qualname__", "<locals>")
        if inspect.isfunction(function) and "<locals>" not in name:
            function.__qualname__ = f"{name}.__wrapped__"  # where it is to be found now, by who pickles it
        self._derivation = derivation
        self._function = function
        self._takes_columns = batched

    def __call__(self, row: Any, *arguments: Any, **options: Any) -> Any:
        """The function's result for a row (of a function of columns: for columns), with ids. Raises RefusedInput."""
        if self._takes_columns:
            return self._of_columns(row, *arguments, **options)
        sources = self._derivation.begin([row])
        made = self._function(row, *arguments, **options)
        if inspect.isawaitable(made):
            return self._later(sources, made)
        return self._derivation.finish(sources, [made])[0]

    def batched(self, columns: Mapping[str, Sequence[Any]], **options: Any) -> dict[str, list[Any]]:
        """The function for all rows of a dict of columns; `options` go to each call. Raises RefusedInput."""
        if self._takes_columns:
            return self._of_columns(columns, **options)
        rows = rows_of(columns)
        sources = self._derivation.begin(rows)
        before = [dict(row) for row in rows]
        made = [self._function(row, **options) for row in rows]
        results = self._derivation.finish(sources, made)
        return columns_of([row for pair in zip(before, results, strict=True) for row in _flat(*pair)])

    async def _later(self, sources: Sequence[Source | None], made: Awaitable[Any]) -> Any:
        return self._derivation.finish(sources, [await made])[0]

    def _of_columns(
        self, columns: Mapping[str, Sequence[Any]], *arguments: Any, **options: Any
    ) -> dict[str, list[Any]]:
        sources = self._derivation.begin(rows_of(columns))
        made = rows_of(self._function(columns, *arguments, **options))
        if made and LINEAGE_ROW in made[0]:
            sources = [_at(sources, row.pop(LINEAGE_ROW)) for row in made]
        elif len(made) != len(sources):
            raise RefusedInput(
                "column-missing",
                "result of the function",
                f"it has {len(made)} rows of {len(sources)}, and nothing says which comes from which",
                f"Return a column '{LINEAGE_ROW}' with the row of the batch, from 0; or wrap a function of one row.",
            )
        return columns_of(self._derivation.finish(sources, made))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        """As a method of a class it is given its object first, as every function is."""
        if instance is None:
            return self
        return Derived(
            self._derivation, functools.partial(self._function, instance), batched=self._takes_columns
        )


def rows_of(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The rows of a dict of columns. Raises RefusedInput `row-not-object` for what is none, or of columns of different length."""
    if not isinstance(columns, Mapping):
        raise _no_columns(f"it is a {type(columns).__name__}")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise _no_columns("its columns have different lengths")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def columns_of(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows as a dict of columns; a cell that a row does not have is None."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _flat(before: Row, result: Any) -> list[Row]:
    """The rows that a function's result for one row stands for; of a filter's answer, the row itself or none."""
    if isinstance(result, Mapping):
        return [result]
    if isinstance(result, list):
        return result
    return [before] if result else []


def _id_of(row: Row) -> bytes | None:
    """The artifact id in a row; None if it has none. Raises RefusedInput `cell-illegal`."""
    cell = row.get(LINEAGE_ID)
    if cell is None:
        return None
    if not isinstance(cell, str) or not ID.fullmatch(cell):
        raise RefusedInput(
            "cell-illegal",
            f"column '{LINEAGE_ID}'",
            "it is no artifact id",
            "Write 64 hex digits, or null for a row without.",
        )
    return bytes.fromhex(cell)


def _source(
    row: Row, artifact_id: bytes, known: Known | None, find_salt: FindSalt, content: bytes, form: str
) -> Source:
    """The artifact that a row says it is. Raises RefusedInput `lineage-id-unknown`, `lineage-id-differs`, and as `row_salt`."""
    item = f"column '{LINEAGE_ID}'"
    if known is None:
        raise RefusedInput(
            "lineage-id-unknown",
            item,
            f"no artifact {artifact_id.hex()[:16]} stands in this log, or is on its way there",
            "Name the ledger in which it was signed, or take the id away.",
        )
    salt: bytes | None = None
    if known.form == "sealed":
        sealed = Sealed(artifact_id, known.maker, known.content)
        salt = row_salt(row.get(LINEAGE_SALT), sealed, content, find_salt)
    elif (known.form, known.content) != (form, hashlib.sha256(content).digest()):
        raise RefusedInput(
            "lineage-id-differs",
            item,
            "the artifact of this id has another content than the row: one was changed after it was signed",
            "Derive every change, or take the id away.",
        )
    return Source(artifact_id, content, form, salt, LINEAGE_SALT in row)


def _given(content: bytes, form: str, maker: bytes = b"", salt: bytes | None = None) -> Given:
    """A row's content; with a salt, sealed by its maker."""
    if salt is not None:
        seal = Seal(hashlib.sha256(content).digest(), salt)
        digest = sealed_content(maker, salt, content)
        return Given(digest, sealed_size(len(content)), "sealed", None, seal=seal)
    return Given(hashlib.sha256(content).digest(), len(content), form, _MEDIA[form])


def _at(sources: Sequence[Source | None], row_index: Any) -> Source | None:
    if type(row_index) is not int or not 0 <= row_index < len(sources):
        raise RefusedInput(
            "cell-illegal",
            f"column '{LINEAGE_ROW}'",
            f"there is no row {row_index!a} in a batch of {len(sources)}",
            "Rows are counted from 0.",
        )
    return sources[row_index]


def _no_columns(reason: str) -> RefusedInput:
    return RefusedInput("row-not-object", "columns", reason, "Hand on a dict of lists, one for each column.")

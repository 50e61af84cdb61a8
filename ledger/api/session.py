"""A session: one line of an agent's work, whose artifacts name what they come from without being told (SPEC §4.7).

    with l.session(by="ada+model", task="Summarise the incident.") as s:
        s.read(Path("incident.md"))                  # signed before; refused if it is not
        summary = s.output("The label service ...")  # names the incident as its parent
        s.experience(case=..., pattern=..., constraints=..., uncertainty=..., consequence=..., evidence=[Path("run.log")])

Each verb checks at the call whatever SPEC §4 and the delegation's scope forbid, and returns at once an item with its id and
two futures (`ledger.api.batch_item`). Signing goes on in a batch.

**Parents.** Where a verb names none, its parents are what was read since the last output, by the relation that goes
without saying (`legal.default_relation`) and without a share. An output ends that: what is read after it counts for the next
one. A verb that names parents names all of them, and an empty list names none.

**Task.** An artifact as the task was read before everything, and stays read: it is among the parents of all that names
none. A text is no artifact. It belongs to how an output was generated, and an output has one place for that: `parameters`,
the digest of the JSON object {"task": text, "parameters": what was given}, of which either may be missing. The object is
kept beside the log, as an experience's content is; the digest is public, and whoever guesses a short task can confirm
it. What must not be guessed is signed as an artifact of its own, and that is the task. Other kinds have no such place,
and say nothing of a text.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from contextvars import Token
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypedDict, Unpack

from ledger.api import active, finding
from ledger.api.access import Access
from ledger.api.batch import Batch
from ledger.api.batch_item import Item, State
from ledger.api.given import ID, Given, Named, content_given, digests_given, parents_given, share_given
from ledger.api.speaker import standing_under
from ledger.datasets.jcs import canonical_json
from ledger.errors import NotFound, RefusedInput
from ledger.fold.records import Standing
from ledger.log.view import LogView
from ledger.signer.claims import Claim
from ledger.spec import HASH_BYTES, PARENTS_MAX
from ledger.statements import legal
from ledger.statements.record import Parent

Artifact = Item | bytes | str | os.PathLike[str] | tuple[Any, int]  # what can be read, and be a task


class Claims(TypedDict, total=False):
    """What may be said of every artifact, as of `Batch.add`."""

    human: float | str
    machine: float | str
    media: str
    made: int
    rights: dict[str, str]
    source: dict[str, Any]


class _Read(NamedTuple):
    """An artifact that was read, or one row of it."""

    id: bytes
    row: int | None
    kind: str


class Session:
    """Made by `Ledger.session`; see the module. Use it `with`, or `async with`; from any thread."""

    def __init__(
        self,
        access: Access,
        batch: Batch,
        task: Artifact | None = None,
        *,
        parameters: Mapping[str, Any] | None = None,
        owns_batch: bool = False,
    ) -> None:
        """As `Ledger.session`. `owns_batch`: its block is the batch's."""
        self.batch = batch
        self._access = access
        self._task = task
        self._parameters = dict(parameters or {})
        self._owns_batch = owns_batch
        self._always: list[_Read] = []
        self._reads: dict[
            _Read, None
        ] = {}  # in order; of whichever thread: each use is one step of the interpreter
        self._kinds: dict[bytes, str] = {}  # of what was read
        self._kept: dict[bytes, Item] = {}  # by digest of the parameters: an item with which they are kept
        self._told = b""  # of how every output is generated
        self._token: Token[Batch | None] | None = None

    # What it makes

    def work(self, content: Any, *, parents: Iterable[Named] | None = None, **claims: Unpack[Claims]) -> Item:
        """What a human made (SPEC §4.1). Of a pair its `human` share, if its delegation's scope allows one."""
        return self._make(content, "work", parents, {}, claims)

    def output(
        self,
        content: Any,
        *,
        parents: Iterable[Named] | None = None,
        parameters: Mapping[str, Any] | None = None,
        **claims: Unpack[Claims],
    ) -> Item:
        """What the model made. `parameters` of this generation, beside those of the session, are kept as the task is."""
        keep = self._described(parameters) if parameters else self._told
        facts = {"parameters": hashlib.sha256(keep).digest()} if keep else {}
        read = list(self._reads)
        item = self._make(content, "output", parents, facts, claims, keep)
        for each in read:  # what another thread reads meanwhile counts for the next output
            self._reads.pop(each, None)
        return item

    def experience(
        self,
        *,
        case: str,
        pattern: str,
        constraints: str,
        uncertainty: str,
        consequence: str,
        evidence: Iterable[Item | bytes | str | os.PathLike[str]] = (),
        confidence: float | str | None = None,
        stake: str | None = None,
        parents: Iterable[Named] | None = None,
        **claims: Unpack[Claims],
    ) -> Item:
        """An interaction that reality tested (SPEC §4.1): five texts, none empty. It is kept beside the log.

        `evidence`: files and digests, which stand in its facts, and artifacts, which are parents by `evidence`. `confidence`
        as a share; `stake`: none, low, moderate, high, critical.
        """
        told = {
            "case": case,
            "pattern": pattern,
            "constraints": constraints,
            "uncertainty": uncertainty,
            "consequence": consequence,
        }
        digests, items = digests_given(evidence)
        facts = {"confidence": share_given(confidence), "stake": stake, "evidence": digests or None}
        facts = {name: value for name, value in facts.items() if value is not None}
        supports = [Parent("evidence", item.id) for item in items]
        return self._make(told, "experience", parents, facts, claims, supports=supports)

    def abstract(
        self,
        content: Any,
        *,
        parents: Iterable[Named] | None = None,
        method: str | None = None,
        **claims: Unpack[Claims],
    ) -> Item:
        """What was condensed from its parents (`distilled-from`). `method`: summary, gradient, update, trace, other."""
        return self._make(content, "abstract", parents, {"method": method} if method else {}, claims)

    def derived(
        self,
        content: Any,
        tool: str,
        version: str,
        params: Any = None,
        *,
        parents: Iterable[Named] | None = None,
        **claims: Unpack[Claims],
    ) -> Item:
        """What a deterministic tool made of its parents; `params` is any JSON value (see also `ledger.derive`)."""
        facts = tool_facts(tool, version, params)
        return self._make(content, "derived", parents, facts, claims)

    # What it reads

    def read(self, artifact: Artifact) -> bytes:
        """Notes that an artifact was read; its id (32 bytes).

        An item of this session, an id (32 bytes, 64 hex digits), a text, the path of a file (a `Path`; a str if no such text is
        logged), or (any of these, row_index). Raises NotFound `unlogged` for what is neither in the log nor of this session;
        RefusedInput `ambiguous` if several artifacts have that content.
        """
        read = self._found(artifact)
        self._reads[read] = None
        self._kinds[read.id] = read.kind
        return read.id

    # Its block

    def __enter__(self) -> Self:
        if self._owns_batch:
            self.batch.__enter__()
        try:
            self._begin()
        except BaseException as error:
            if self._owns_batch:
                self.batch.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        active.leave(self._token)
        if self._owns_batch:
            self.batch.__exit__(kind, error, trace)

    async def __aenter__(self) -> Self:
        if self._owns_batch:
            await self.batch.__aenter__()
        try:
            self._begin()
        except BaseException as error:
            if self._owns_batch:
                await self.batch.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        active.leave(self._token)
        if self._owns_batch:
            await self.batch.__aexit__(kind, error, trace)

    def _begin(self) -> None:
        self._told = self._described(None)
        if self._task is not None and not _is_text(self._task):
            read = self._found(self._task)
            self._always = [read]
            self._kinds[read.id] = read.kind
        self._token = active.enter(self.batch)

    # How

    def _make(
        self,
        content: Any,
        kind: str,
        parents: Iterable[Named] | None,
        facts: dict[str, Any],
        claims: Claims,
        keep: bytes = b"",
        supports: Iterable[Parent] = (),
    ) -> Item:
        given = content_given(content, kind, claims.get("media"))
        claim = Claim(
            kind=kind,
            human=share_given(claims.get("human")),
            machine=share_given(claims.get("machine")),
            made=claims.get("made"),
            rights=claims.get("rights") or {},
            source=claims.get("source") or {},
            facts=facts,
        )
        named = (
            self._default_parents(kind) if parents is None else parents_given(parents, kind, self._kind_of)
        )
        claim = replace(claim, parents=tuple(dict.fromkeys((*named, *supports))))
        item = self.batch.take(self._keeping(given, keep), claim)
        if keep:
            self._kept.setdefault(facts["parameters"], item)
        return item

    def _keeping(self, given: Given, keep: bytes) -> Given:
        """With the parameters, unless they are kept already."""
        if not keep:
            return given
        holder = self._kept.get(hashlib.sha256(keep).digest())
        if holder is not None and holder.was_signed:
            return given
        return given._replace(keep=(*given.keep, keep))

    def _described(self, parameters: Mapping[str, Any] | None) -> bytes:
        """The JSON that says how an output is generated; b"" if there is nothing to say. Raises as `canonical_json`."""
        told: dict[str, Any] = {}
        if self._task is not None and _is_text(self._task):
            told["task"] = self._task
        if self._parameters or parameters:
            told["parameters"] = {**self._parameters, **(parameters or {})}
        return canonical_json(told) if told else b""

    def _kind_of(self, artifact_id: bytes) -> str:
        return self._kinds.get(artifact_id) or self.batch.kind_of(artifact_id)

    def _default_parents(self, kind: str) -> tuple[Parent, ...]:
        """What was read since the last output."""
        reads = list(dict.fromkeys([*self._always, *list(self._reads)]))
        if len(reads) > PARENTS_MAX:
            raise RefusedInput(
                "too-large",
                f"{kind} of the session",
                f"{len(reads)} artifacts were read since the last output, and an artifact names {PARENTS_MAX} at most",
                "Name those that it comes from: parents=[…].",
            )
        return tuple(Parent(legal.default_relation(kind, read.kind), read.id, row=read.row) for read in reads)

    def _found(self, artifact: Artifact) -> _Read:
        row: int | None = None
        if isinstance(artifact, tuple):
            artifact, row = artifact
        with self._access.view() as view:
            if isinstance(artifact, str) and row is None:
                artifact, row = self._meant(view, artifact)
            artifact_id, standing = self._standing(view, artifact)
        if row is not None and not 0 <= row < standing.row_count:
            raise NotFound(
                "unlogged",
                f"row {row} of artifact {artifact_id.hex()[:16]}",
                f"it has {standing.row_count} rows that are signed under it",
                "Rows are counted from 0, in a dataset of form 'rows'.",
            )
        return _Read(artifact_id, row, standing.kind)

    def _standing(self, view: LogView, artifact: Any) -> tuple[bytes, Standing]:
        artifact_id = self._id(view, artifact)
        item = self.batch.find(artifact_id)
        if item is not None:
            return artifact_id, Standing(item.kind)
        standing = standing_under(view, artifact_id)
        if standing is None:
            raise NotFound(
                "unlogged",
                artifact_id.hex()[:16],
                "no artifact of this log or of this session has that id",
                "Sign it first, then read it.",
            )
        return artifact_id, standing

    def _id(self, view: LogView, artifact: Any) -> bytes:
        """The id of what was named. Raises NotFound, RefusedInput."""
        if isinstance(artifact, Item):
            if artifact.state is State.FAILED and artifact.error is not None:
                raise artifact.error
            return artifact.id
        if isinstance(artifact, bytes) and len(artifact) == HASH_BYTES:
            return artifact
        if isinstance(artifact, str):
            return self._meant(view, artifact)[0]
        if isinstance(artifact, os.PathLike):
            return finding.resolve(view, Path(artifact).absolute(), self._access.keys.salts)
        raise RefusedInput(
            "schema",
            "artifact",
            f"a {type(artifact).__name__} names none",
            "Give an item, an id (32 bytes, or 64 hex digits), a text, a Path, or (one of these, row_index).",
        )

    def _meant(self, view: LogView, text: str) -> tuple[bytes, int | None]:
        """The artifact that an id, a content or a path means; of an imported dataset the row with that content."""
        if ID.fullmatch(text):
            return bytes.fromhex(text), None
        found = finding.search_text(view, self._access.rows, self._access.keys.salts, text)
        former = finding.superseded(view, found.artifacts) if len(found.artifacts) > 1 else {}
        matches: list[tuple[bytes, int | None]] = [
            (artifact_id, None) for artifact_id in found.artifacts if artifact_id not in former
        ]
        matches = matches or [(match.id, match.row) for match in found.rows]
        if not matches and "\0" not in text and len(text) < _PATH_CHARS_MAX and os.path.lexists(text):
            return finding.resolve(view, Path(text).absolute(), self._access.keys.salts), None
        if not matches:
            finding.ids_found(found)
        if len(matches) > 1:
            names = ", ".join(artifact_id.hex()[:16] for artifact_id, _row in matches)
            raise RefusedInput(
                "ambiguous",
                "text",
                f"{len(matches)} artifacts of this log have this content",
                f"Read one by its id: {names}",
            )
        return matches[0]


_PATH_CHARS_MAX = 4_096


def tool_facts(tool: str, version: str, params: Any) -> dict[str, Any]:
    """The facts of what a deterministic tool made (SPEC §4.5): `parameters` is the digest of the RFC 8785 form of `params`.

    None stands for an empty object. Raises as `canonical_json`.
    """
    parameters = canonical_json({} if params is None else params)
    return {"tool": tool, "version": version, "parameters": hashlib.sha256(parameters).digest()}


def _is_text(task: Any) -> bool:
    """Whether a task is a text, and no artifact's id."""
    return isinstance(task, str) and not ID.fullmatch(task)

"""What a signer claims of many contents at once, with the defaults of SPEC §4 for what he leaves out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, Final, NamedTuple

from ledger import spec
from ledger.errors import InvariantBroken, RefusedInput
from ledger.statements import legal
from ledger.statements.record import Parent
from ledger.statements.template import RecordTemplate

DEFAULT_KINDS: Final = {"human": "work", "pair": "output", "machine": "output"}
TEMPLATES_MAX: Final = 4_096  # kept; a dataset may name more authors than that


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of every artifact of one signing; None: the default, or left out.

    `human` and `machine` are ppm. `reported`: the signer did not make it; `author`: whom it reports, pseudonymised
    with a key of the signer's. `sealed`: the log is to hold nothing by which the content can be guessed (SPEC §4.2).
    """

    kind: str | None = None
    parents: tuple[Parent, ...] = ()
    human: int | None = None
    machine: int | None = None
    reported: bool = False
    author: str | None = None
    made: int | None = None
    rights: dict[str, str] = field(default_factory=dict)
    source: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    sealed: bool = False


class Said(NamedTuple):
    """What one content says of itself, beside the claim that is made of all; None: nothing. `human` ppm, `made` ms."""

    kind: str | None = None
    parents: tuple[Parent, ...] = ()
    human: int | None = None
    made: int | None = None
    license: str | None = None
    source: str | None = None
    author: str | None = None


NOTHING_SAID: Final = Said()


class Claimant:
    """Makes the records of one identity under one claim."""

    def __init__(
        self,
        maker: bytes,
        role: str,
        claim: Claim,
        pseudonym_key: Callable[[], bytes],
        *,
        said: frozenset[str] = frozenset(),
    ) -> None:
        """`pseudonym_key` is asked only if an author is reported; `said`: what each content says itself, fields of `Said`."""
        default = "work" if claim.reported else DEFAULT_KINDS.get(role, "dataset")
        self.kind = default if claim.kind is None else claim.kind
        names_authors = "author" in said
        if self.kind not in legal.ANY:
            raise RefusedInput(
                "schema",
                f"kind '{self.kind}'",
                "there is no such kind",
                f"Kinds: {', '.join(sorted(legal.ANY))}.",
            )
        if not claim.reported and (claim.author is not None or names_authors):
            raise RefusedInput(
                "record-illegal", "author", "only a reported artifact has another author", "Say --reported."
            )
        for name in sorted(said & _stated(claim)):
            raise RefusedInput(
                "record-illegal", name, "one is named for all, and one for each", "Name either."
            )
        self.maker: Final = maker
        self.claim: Final = claim
        self._role = role
        self._ask_pseudonym_key = pseudonym_key
        self._template = lru_cache(TEMPLATES_MAX)(self._make_template)

    def record(
        self, content: bytes, size_bytes: int, form: str, media: str | None, said: Said = NOTHING_SAID
    ) -> bytes:
        """The record of one content digest (32 bytes). Raises RefusedInput with the code of what SPEC §4 forbids.

        Under a claim that is to be sealed nothing else is made: InvariantBroken `not-sealed`.
        """
        if self.claim.sealed and form != "sealed":
            raise InvariantBroken("not-sealed", "content", "it was to be sealed, and was not", "Report it.")
        return self._template(form, media, said).encode(content, size_bytes)

    def check(self, form: str, media: str | None, said: Said) -> None:
        """Whether there can be a record of a content of this form that says so. Raises as `record`."""
        if self.claim.sealed:
            self._template("sealed", None, said)
        else:
            self._template(form, media, said)

    def fields(self, form: str, media: str | None) -> dict[str, Any]:
        """The fields of such a record, but for its content and size. Raises as `record`."""
        return self._template(form, media, NOTHING_SAID).fields

    def kind_of(self, said: Said) -> str:
        """The kind of a content's record."""
        return said.kind or self.kind

    @cached_property
    def _pseudonym_key(self) -> bytes:
        return self._ask_pseudonym_key()

    def _make_template(self, form: str, media: str | None, said: Said) -> RecordTemplate:
        claim = _with_said(self.claim, said)
        kind = self.kind_of(said)
        template = RecordTemplate(
            kind=kind,
            maker=self.maker,
            form=form,
            media=media,
            stance="reported" if claim.reported else "made",
            parents=claim.parents,
            made=claim.made,
            attributed=pseudonym(self._pseudonym_key, claim.author) if claim.author is not None else None,
            rights=claim.rights or None,
            source=claim.source or None,
            facts=claim.facts or None,
            **own_shares(claim, kind, self._role),
        )
        legal.check_maker(template.fields, self._role)
        return template


def _stated(claim: Claim) -> set[str]:
    """Which fields of `Said` are stated of all; parents are added up."""
    stated = {name for name in ("kind", "human", "made", "author") if getattr(claim, name) is not None}
    stated |= {"license"} & claim.rights.keys()
    return stated | ({"source"} if "uri" in claim.source else set())


def _with_said(claim: Claim, said: Said) -> Claim:
    """The claim that is made of one content."""
    if said == NOTHING_SAID:
        return claim
    return replace(
        claim,
        parents=claim.parents + said.parents,
        human=claim.human if said.human is None else said.human,
        made=claim.made if said.made is None else said.made,
        author=claim.author if said.author is None else said.author,
        rights=claim.rights | ({} if said.license is None else {"license": said.license}),
        source=claim.source | ({} if said.source is None else {"uri": said.source}),
    )


def own_shares(claim: Claim, kind: str, role: str) -> dict[str, int]:
    """The shares stated, or the defaults: a work without parents is all human, an output without parents all machine."""
    stated = {
        name: share
        for name, share in (("human", claim.human), ("machine", claim.machine))
        if share is not None
    }
    relations = [legal.RELATIONS.get(parent.rel) for parent in claim.parents]
    if stated or claim.reported or any(relation is not None and relation.share for relation in relations):
        return stated
    if kind in ("work", "experience") and role == "human":
        return {"human": spec.PPM}
    if kind == "output" and role in ("machine", "pair"):
        return {"machine": spec.PPM}
    return {}


def pseudonym(key: bytes, author: str) -> bytes:
    """The keyed pseudonym of a reported author (SPEC §2). Raises RefusedInput `author-not-text`."""
    try:
        return hmac.new(key, spec.TAG_PSEUDONYM + author.encode(), hashlib.sha256).digest()
    except UnicodeEncodeError as error:
        raise RefusedInput(
            "author-not-text",
            "author",
            "the name is no Unicode text: it holds a byte that is no UTF-8, or a surrogate that stands alone",
            "Write the name in UTF-8.",
        ) from error

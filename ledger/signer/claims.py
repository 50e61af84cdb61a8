"""What a signer claims of many contents at once, with the defaults of SPEC §4 for what he leaves out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import legal
from ledger.statements.record import Parent
from ledger.statements.template import RecordTemplate

DEFAULT_KINDS: Final = {"human": "work", "pair": "output", "machine": "output"}
TEMPLATES_MAX: Final = 4_096  # kept; a dataset may name more authors than that


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of every artifact of one signing; None: the default, or left out.

    `human` and `machine` are ppm. `reported`: the signer did not make it; `author`: whom it reports, pseudonymised
    with a key of the signer's.
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


class Claimant:
    """Makes the records of one identity under one claim."""

    def __init__(
        self,
        maker: bytes,
        role: str,
        claim: Claim,
        pseudonym_key: Callable[[], bytes],
        *,
        names_authors: bool = False,
    ) -> None:
        """`pseudonym_key` is asked only if an author is reported; `names_authors`: each content names its own."""
        default = "work" if claim.reported else DEFAULT_KINDS.get(role, "dataset")
        self.kind = default if claim.kind is None else claim.kind
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
        if claim.author is not None and names_authors:
            raise RefusedInput(
                "record-illegal", "author", "one is named for all, and one for each", "Name either."
            )
        self._maker = maker
        self._role = role
        self._claim = claim
        self._shares = own_shares(claim, self.kind, role)
        self._ask_pseudonym_key = pseudonym_key
        self._template = lru_cache(TEMPLATES_MAX)(self._make_template)

    def record(
        self, content: bytes, size_bytes: int, form: str, media: str | None, author: str | None = None
    ) -> bytes:
        """The record of one content digest (32 bytes); `author` stands where the claim names none.

        Raises RefusedInput with the code of what SPEC §4 forbids.
        """
        return self._template(form, media, author or self._claim.author).encode(content, size_bytes)

    @cached_property
    def _pseudonym_key(self) -> bytes:
        return self._ask_pseudonym_key()

    def _make_template(self, form: str, media: str | None, author: str | None) -> RecordTemplate:
        claim = self._claim
        template = RecordTemplate(
            kind=self.kind,
            maker=self._maker,
            form=form,
            media=media,
            stance="reported" if claim.reported else "made",
            parents=claim.parents,
            made=claim.made,
            attributed=pseudonym(self._pseudonym_key, author) if author is not None else None,
            rights=claim.rights or None,
            source=claim.source or None,
            facts=claim.facts or None,
            **self._shares,
        )
        legal.check_maker(template.fields, self._role)
        return template


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
    """The keyed pseudonym of a reported author (SPEC §2)."""
    return hmac.new(key, spec.TAG_PSEUDONYM + author.encode(), hashlib.sha256).digest()

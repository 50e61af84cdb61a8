"""What a signer claims of many contents at once, with the defaults of SPEC §4 for what he leaves out."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.statements import legal
from ledger.statements.record import Parent
from ledger.statements.template import RecordTemplate

DEFAULT_KINDS: Final = {"human": "work", "pair": "output", "machine": "output"}
DEFAULT_RELATION: Final = "derived-from"


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

    def __init__(self, maker: bytes, role: str, claim: Claim, pseudonym_key: Callable[[], bytes]) -> None:
        """`pseudonym_key` is asked only if an author is reported."""
        self.kind = claim.kind or ("work" if claim.reported else DEFAULT_KINDS.get(role, "dataset"))
        if self.kind not in legal.ANY:
            raise RefusedInput(
                "schema",
                f"kind '{self.kind}'",
                "there is no such kind",
                f"Kinds: {', '.join(sorted(legal.ANY))}.",
            )
        if claim.author is not None and not claim.reported:
            raise RefusedInput(
                "record-illegal", "author", "only a reported artifact has another author", "Say --reported."
            )
        self._maker = maker
        self._claim = claim
        self._shares = own_shares(claim, self.kind, role)
        self._attributed = pseudonym(pseudonym_key(), claim.author) if claim.author is not None else None
        self._templates: dict[tuple[str, str | None], RecordTemplate] = {}

    def record(self, content: bytes, size_bytes: int, form: str, media: str | None) -> bytes:
        """The record of one content digest (32 bytes). Raises RefusedInput with the code of what SPEC §4 forbids."""
        template = self._templates.get((form, media))
        if template is None:
            template = self._templates[form, media] = self._template(form, media)
        return template.encode(content, size_bytes)

    def _template(self, form: str, media: str | None) -> RecordTemplate:
        claim = self._claim
        return RecordTemplate(
            kind=self.kind,
            maker=self._maker,
            form=form,
            media=media,
            stance="reported" if claim.reported else "made",
            parents=claim.parents,
            made=claim.made,
            attributed=self._attributed,
            rights=claim.rights or None,
            source=claim.source or None,
            facts=claim.facts or None,
            **self._shares,
        )


def own_shares(claim: Claim, kind: str, role: str) -> dict[str, int]:
    """The shares stated, or the defaults: a work without parents is all human, an output without parents all machine."""
    stated = {
        name: share
        for name, share in (("human", claim.human), ("machine", claim.machine))
        if share is not None
    }
    if stated or claim.reported or any(legal.RELATIONS[parent.rel].share for parent in claim.parents):
        return stated
    if kind in ("work", "experience") and role == "human":
        return {"human": spec.PPM}
    if kind == "output" and role in ("machine", "pair"):
        return {"machine": spec.PPM}
    return {}


def pseudonym(key: bytes, author: str) -> bytes:
    """The keyed pseudonym of a reported author (SPEC §2)."""
    return hmac.new(key, spec.TAG_PSEUDONYM + author.encode(), hashlib.sha256).digest()

"""What a report says of the gate it is about: names, digests, times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.exports.report_markup import Tag, foreign
from ledger.origin.tally import REST

_ID_DIGITS = 8
_NAME_CHARS_MAX = 80


@dataclass(frozen=True, slots=True)
class ReportAbout:
    """Of which gate a report tells. Digests and ids are lower-case hex, "" where there is none.

    `column`: None for whole rows. `trust`: the trust file's name, "" if self-trusted. `time_by`: who tells the time ("the
    log's own clock", "a quorum of 3 witnesses"). `notes`: what a reader must know before all else. `names`: by
    identity id, as the trust file or the keys at hand have them. `manifest`: artifact id of the manifest, if one was signed.
    """

    dataset: str
    column: str | None
    policy_name: str
    policy_sha256: str
    trust: str
    trust_sha256: str
    log_origin: str
    log_id: str
    checkpoint_size: int
    checkpoint_root: str
    at_ms: int
    time_by: str
    notes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    manifest: str = ""

    def person(self, identity_hex: str) -> Tag:
        """An identity, by its name if that is known."""
        if identity_hex == REST:
            return Tag("span", "all others together", class_="soft")
        if not identity_hex:
            return Tag("span", "nobody known", class_="soft")
        short = Tag("code", foreign(f"{identity_hex[:_ID_DIGITS]}\u2026"), class_="soft")
        name = self.names.get(identity_hex)
        if not name:
            return Tag("span", short)
        return Tag("span", Tag("span", foreign(name, _NAME_CHARS_MAX), class_="name"), " ", short)

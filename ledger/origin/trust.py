"""The trust file: whose word a verifier takes, and for what (SPEC §12.1).

It holds identities, never names, and is the verifier's own: nothing in a log changes it. Where there is none, the own
ledger alone is trusted, *self-trusted*: everybody enrolled in it counts as a maker, whoever its rules list counts as a
curator, its own clock tells the time, and nothing is vouched for by that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ledger import spec
from ledger.errors import LineageError, PolicyDenied, RefusedInput
from ledger.identity.vkey import Vkey
from ledger.origin.settings import Table, read_settings
from ledger.proofs.tlog_policy import COSIGNING_TYPES, TlogPolicy, parse_tlog_policy
from ledger.statements import words

ALL: Final = "all"  # `makers = "all"`
NO_FILE_DIGEST: Final = bytes(spec.HASH_BYTES)  # a manifest's `trust` where there was no file
_CONTROLLED_MAX: Final = 4_096  # groups
_CHECKPOINT_AGE_MAX_S: Final = 10 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Trust:
    """What a trust file says; `digest` is SHA-256 of its bytes. Made by `parse_trust` and `self_trust`.

    `makers` by id; `all_makers`: whoever is enrolled. `registrars`: the grades that each one's endorsement may give.
    `curators`: None where the log's own lists say who they are. `control`: of each id in a `[[controlled]]` group, one id
    that stands for all who are under one control with it.
    """

    digest: bytes = NO_FILE_DIGEST
    tlog_policy: TlogPolicy | None = None
    max_checkpoint_age_ms: int | None = None
    makers: frozenset[bytes] = frozenset()
    all_makers: bool = False
    registrars: Mapping[bytes, frozenset[str]] = field(default_factory=dict)
    curators: frozenset[bytes] | None = None
    tools: frozenset[bytes] = frozenset()
    auditors: tuple[Vkey, ...] = ()
    control: Mapping[bytes, bytes] = field(default_factory=dict)
    is_self: bool = False
    voices: frozenset[bytes] = frozenset()

    @property
    def accept(self) -> frozenset[bytes]:
        """The identities whose attestations a trace asks for, and whose word rescues what was disowned (SPEC §7.4)."""
        return self.voices

    @property
    def graders(self) -> frozenset[bytes]:
        """The identities whose endorsement makes an attestor heard, for `trace_many`."""
        return frozenset(self.registrars)

    @property
    def has_quorum(self) -> bool:
        """Whether witnesses are asked for."""
        return self.tlog_policy is not None and self.tlog_policy.quorum is not None

    def controller(self, identity_id: bytes) -> bytes:
        """Who stands for all that are under one control with an identity."""
        return self.control.get(identity_id, identity_id)

    def knows_log(self, vkey: Vkey) -> bool:
        """Whether a log, by its first vkey, is one of the file's; where the file lists none, the caller knows his own."""
        logs = self.tlog_policy.logs if self.tlog_policy is not None else ()
        return not logs or any(known.vkey == vkey for known in logs)

    def check_log(self, vkey: Vkey) -> None:
        """Raises PolicyDenied `log-not-trusted` unless `knows_log`."""
        if not self.knows_log(vkey):
            raise PolicyDenied(
                "log-not-trusted",
                f"log {vkey.name!r}",
                "the trust file's tlog_policy lists logs, and this is none of them",
                "Add `log` and its vkey to tlog_policy, if you trust it; `lineage init` and `status` print it.",
            )


def self_trust(accept: Iterable[bytes] = ()) -> Trust:
    """Trust in the own ledger alone. `accept`: identities whose attestations count besides those of whom its rules list."""
    return Trust(all_makers=True, is_self=True, voices=frozenset(accept))


def own_log_trust(rules: Mapping[str, Any]) -> Trust:
    """Trust in one log alone, by its rules in force (SPEC §5.4): whom they list attests, too."""
    return self_trust([*rules.get("curators", ()), *rules.get("registrars", ())])


def parse_trust(data: bytes) -> Trust:
    """Reads a trust file. Raises RefusedInput `trust-invalid` or `tlog-policy-invalid` with key, reason and fix."""
    table = read_settings(data, _refused)
    tlog_policy = _tlog_policy(table)
    age_s = table.integer("max_checkpoint_age_s", 1, _CHECKPOINT_AGE_MAX_S)
    all_makers, makers = _makers(table)
    registrars = _registrars(table.table("registrars"))
    curators = table.identities("curators")
    tools = table.identities("tools") or frozenset()
    auditors = _auditors(table, tlog_policy)
    control = _control(table.tables("controlled"), table)
    table.done()
    return Trust(
        hashlib.sha256(data).digest(),
        tlog_policy,
        None if age_s is None else age_s * 1_000,
        makers,
        all_makers,
        registrars,
        curators,
        tools,
        auditors,
        control,
        voices=makers | frozenset(registrars) | (curators or frozenset()),
    )


def _tlog_policy(table: Table) -> TlogPolicy | None:
    text = table.text("tlog_policy")
    return None if text is None else parse_tlog_policy(text.encode())


def _makers(table: Table) -> tuple[bool, frozenset[bytes]]:
    if table.says("makers", ALL):
        return True, frozenset()
    return False, table.identities("makers") or frozenset()


def _registrars(table: Table) -> dict[bytes, frozenset[str]]:
    found = {}
    for key in table.open_keys():
        found[table.identity(key, key)] = table.words(key, words.GRADES) or frozenset()
    return found


def _auditors(table: Table, tlog_policy: TlogPolicy | None) -> tuple[Vkey, ...]:
    found = []
    for text in sorted(table.texts("auditors") or ()):
        try:
            vkey = Vkey.parse(text)
        except LineageError as error:
            raise table.refused("auditors", f"{error.item}: {error.reason}", error.fix) from None
        if vkey.signature_type not in COSIGNING_TYPES:
            raise table.refused(
                "auditors",
                f"the key of {vkey.name!r} signs no cosignatures",
                "An auditor's vkey is of type 0x04 or 0x06.",
            )
        found.append(vkey)
    if tlog_policy is not None and {vkey.key for vkey in found} & {log.vkey.key for log in tlog_policy.logs}:
        raise table.refused(
            "auditors", "a log's own key is among them", "Nobody audits himself: leave it out."
        )
    return tuple(found)


def _control(groups: list[Table], table: Table) -> dict[bytes, bytes]:
    """Who shares a group with one who shares another is under one control with all of them."""
    if len(groups) > _CONTROLLED_MAX:
        raise table.refused("controlled", f"it has over {_CONTROLLED_MAX} groups", "Join some of them.")
    leader: dict[bytes, bytes] = {}

    def lead(identity_id: bytes) -> bytes:
        while leader.setdefault(identity_id, identity_id) != identity_id:
            leader[identity_id] = leader[leader[identity_id]]
            identity_id = leader[identity_id]
        return identity_id

    for group in groups:
        group.text("name")
        members = group.identities("identities", least=2)
        if members is None:
            raise group.refused("identities", "a group names whom it holds", "List two ids at least.")
        group.done()
        leaders = sorted(lead(member) for member in members)
        leader.update(dict.fromkeys(leaders, leaders[0]))
    return {identity_id: lead(identity_id) for identity_id in sorted(leader)}


def _refused(item: str, reason: str, fix: str) -> RefusedInput:
    return RefusedInput("trust-invalid", f"trust file: {item}", reason, fix)

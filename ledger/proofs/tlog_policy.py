r"""The text of a C2SP tlog-policy: known logs, known witnesses, and the quorum that makes a checkpoint valid (SPEC §12.1).

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <member>...
    quorum <name>|none

A line ends in U+000A; its items are parted by spaces and tabs alone; `#` begins a comment line. Octets above 0x7F are
opaque. A group or quorum names what stands on lines before it, and each name is a member once at most, so that a witness
counts in one way only. There is one quorum line. A witness is a key, so two lines with one key are refused, as are a
log's key that is a witness's too (a log is no witness of itself) and a witness whose key signs no cosignatures.

Bytes that are no policy are RefusedInput `tlog-policy-invalid`, naming the line.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

from ledger import spec
from ledger.errors import RefusedInput
from ledger.identity.c2sp_text import decode_decimal
from ledger.identity.vkey import TYPE_COSIGNATURE, TYPE_COSIGNATURE_ML_DSA_44, Vkey

NO_QUORUM: Final = "none"
COSIGNING_TYPES: Final = frozenset({TYPE_COSIGNATURE, TYPE_COSIGNATURE_ML_DSA_44})


@dataclass(frozen=True, slots=True)
class KnownLog:
    """A log whose checkpoints the policy accepts."""

    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by the name that the policy gives it, and its key of type 0x04 or 0x06."""

    name: str
    vkey: Vkey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Has witnessed a checkpoint if at least `threshold` of its members have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TlogPolicy:
    """`groups` in the order of their lines, each behind its members; `quorum` names a witness or group, None: none is asked.

    Names and URLs are octets, decoded as UTF-8 with surrogates for what is none.
    """

    logs: tuple[KnownLog, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def is_met(self, cosigned: Collection[str]) -> bool:
        """Whether cosignatures of the witnesses of these names make the quorum. Never if none is asked."""
        if self.quorum is None:
            return False
        met = {witness.name for witness in self.witnesses if witness.name in cosigned}
        for group in self.groups:
            if sum(member in met for member in group.members) >= group.threshold:
                met.add(group.name)
        return self.quorum in met


NO_POLICY: Final = TlogPolicy((), (), (), None)  # knows nobody, asks for nobody


def parse_tlog_policy(data: bytes) -> TlogPolicy:
    """Reads a policy. Raises RefusedInput `tlog-policy-invalid` with the line, the reason and the fix."""
    if len(data) > spec.TLOG_POLICY_BYTES_MAX:
        raise _refused(None, f"it has over {spec.TLOG_POLICY_BYTES_MAX} bytes")
    forbidden = next(
        (octet for octet in data if (octet < 0x20 and octet not in (0x09, 0x0A)) or octet == 0x7F), None
    )
    if forbidden is not None:
        raise _refused(None, f"octet 0x{forbidden:02x} is none of tab, newline, space and what is printed")
    if data and not data.endswith(b"\n"):
        raise _refused(data.count(b"\n") + 1, "the line is not ended by a newline: is the text cut short?")
    reading = _Reading()
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        reading.take(number, line.decode("utf-8", "surrogateescape"))
    return reading.done()


@dataclass
class _Reading:
    """What the lines so far say; `names` with what they are: a witness or a group."""

    logs: list[KnownLog] = field(default_factory=list)
    witnesses: list[Witness] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    quorums: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def take(self, number: int, line: str) -> None:
        items = [item for item in line.replace("\t", " ").split(" ") if item]
        if not items or items[0].startswith("#"):
            return
        word, arguments = items[0], items[1:]
        try:
            if word == "log" and len(arguments) in (1, 2):
                self._log(*arguments)
            elif word == "witness" and len(arguments) in (2, 3):
                self._witness(*arguments)
            elif word == "group" and len(arguments) >= 3:
                self._group(arguments[0], arguments[1], arguments[2:])
            elif word == "quorum" and len(arguments) == 1:
                self._quorum(arguments[0])
            else:
                raise _Reason(
                    "it is none of `log VKEY [URL]`, `witness NAME VKEY [URL]`, `group NAME all|any|K MEMBER...` and `quorum NAME`"
                )
        except _Reason as reason:
            raise _refused(number, str(reason)) from None

    def done(self) -> TlogPolicy:
        if not self.quorums:
            raise _refused(None, "it has no quorum line", "Say `quorum none` if no cosignature is asked for.")
        quorum = None if self.quorums == [NO_QUORUM] else self.quorums[0]
        return TlogPolicy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), quorum)

    def _log(self, vkey: str, url: str | None = None) -> None:
        self._bound(self.logs, "logs")
        known = KnownLog(_vkey(vkey), url)
        self._refuse_copies(known.vkey)
        self.logs.append(known)

    def _witness(self, name: str, vkey: str, url: str | None = None) -> None:
        self._bound(self.witnesses, "witnesses")
        self._define(name)
        witness = Witness(name, _vkey(vkey), url)
        if witness.vkey.signature_type not in COSIGNING_TYPES:
            raise _Reason(
                f"a key of type 0x{witness.vkey.signature_type:02x} signs no cosignatures: a witness's is of type 0x04 or 0x06"
            )
        self._refuse_copies(witness.vkey)
        self.witnesses.append(witness)

    def _group(self, name: str, threshold: str, members: Sequence[str]) -> None:
        self._bound(self.groups, "groups")
        for position, member in enumerate(members):
            if member not in self.names:
                raise _Reason(f"the member {member!r} is no witness or group of a line before")
            if member in self.members or member in members[:position]:
                raise _Reason(f"{member!r} is a member already: each name is one once at most")
        self._define(name)
        known = {"any": 1, "all": len(members)}
        least = known.get(threshold) or decode_decimal(threshold, len(members))
        if not least:
            raise _Reason(
                f"the threshold {threshold!r} is none of any, all and a decimal of 1 to {len(members)}"
            )
        self.members.update(members)
        self.groups.append(Group(name, least, tuple(members)))

    def _quorum(self, name: str) -> None:
        if self.quorums:
            raise _Reason("a quorum line stands before: there is one")
        if name != NO_QUORUM and name not in self.names:
            raise _Reason(f"{name!r} is no witness or group of a line before")
        self.quorums.append(name)

    def _define(self, name: str) -> None:
        if name == NO_QUORUM or name in self.names:
            raise _Reason(f"the name {name!r} is taken")
        self.names.add(name)

    def _refuse_copies(self, vkey: Vkey) -> None:
        for known in [*(log.vkey for log in self.logs), *(witness.vkey for witness in self.witnesses)]:
            if known.key == vkey.key:
                raise _Reason(f"the key of {vkey.name!r} stands on a line before")
            if (known.name, known.key_id) == (vkey.name, vkey.key_id):
                raise _Reason(f"another key on a line before has the name and key id of {vkey.name!r}")

    @staticmethod
    def _bound(known: Sequence[object], what: str) -> None:
        if len(known) == spec.TLOG_POLICY_NAMES_MAX:
            raise _Reason(f"it has over {spec.TLOG_POLICY_NAMES_MAX} {what}")


class _Reason(Exception):
    """Why a line is refused."""


def _vkey(text: str) -> Vkey:
    try:
        return Vkey.parse(text)
    except RefusedInput as error:
        raise _Reason(f"{error.item}: {error.reason}") from None


def _refused(
    number: int | None, reason: str, fix: str = "c2sp.org/tlog-policy has the form."
) -> RefusedInput:
    item = "tlog_policy" if number is None else f"tlog_policy, line {number}"
    return RefusedInput("tlog-policy-invalid", item, reason, fix)

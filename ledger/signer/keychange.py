"""Making key events: `rotate`, `recover` and `retire` of an identity whose keys lie here, or are brought here (SPEC §7.2).

Planning needs public keys alone: it is the dry run. Carrying out opens as many of the revealed keys as must sign, draws
the keys that the event commits to, and hands over to `ledger.signer.changes`. The daily keys are not needed: they may
be lost, or stolen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ledger import spec
from ledger.errors import InvariantBroken, LineageError, RefusedInput, StoreFault
from ledger.identity.keyset import Keyset
from ledger.signer import changes, keyfile
from ledger.signer.keygroup import (
    KeyGroup,
    check_shape,
    file_name,
    find_files,
    open_keys,
    sign_to_threshold,
)
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import ABOUT_FILE, PSEUDONYM_FILE, LocalIdentity, derived_pseudonym_secret
from ledger.signer.logdoor import LogDoor, Standing
from ledger.signer.newkeys import NONE_GIVEN, GivenKeys, NewKeys, check_once
from ledger.signer.signers import KnownSigner, SeedSigner, Signer
from ledger.signer.signing import resend_pending
from ledger.spec import HASH_BYTES
from ledger.statements.bodies import BODIES
from ledger.statements.entry import NEXT, RECOVERY, make_entry
from ledger.statements.statement import keyset_digest, make_statement

REVEALS: Final = {"rotate": ("next", NEXT), "recover": ("recovery", RECOVERY), "retire": ("next", NEXT)}


@dataclass(frozen=True, slots=True)
class Plan:
    """A key event that may be made: whose, which, and the `group` of keys that it reveals.

    `files`: the key files at hand, by public key; `body` lacks the commitments, which are drawn when it is made.
    `key_event` is the one in force before.
    """

    identity: LocalIdentity
    type: str
    kseq: int
    prev: bytes
    key_event: bytes
    group: KeyGroup
    files: Mapping[bytes, Path]
    body: dict[str, Any]

    @property
    def keyset(self) -> Keyset:
        """The keyset that it reveals."""
        return self.group.keyset


def plan_change(
    identity: LocalIdentity,
    standing: Standing,
    type_: str,
    *,
    key_files: Sequence[Path] = (),
    compromised: Mapping[bytes, int] | None = None,
    reason: str = "ended",
) -> Plan:
    """What a `rotate`, `recover` or `retire` would say. Draws and writes nothing, asks for no passphrase.

    `key_files`: where the next or recovery keys lie, if not here. `compromised`: the log index from which on a public
    key (32 bytes) is disowned (SPEC §7.4). `reason` is a `retire`'s. Raises RefusedInput `identity-retired`,
    `recovery-pending`, `key-file-missing`, `key-file-foreign`, `commitment-differs`, `schema`.
    """
    _check_may(identity, standing, type_)
    which, _code = REVEALS[type_]
    committed = standing.recovery if which == "recovery" else standing.next
    group = (
        _committed_of(which, key_files, committed)
        or identity.group(which)
        or _group_of(which, key_files, identity)
    )
    if keyset_digest(group.keyset) != committed:
        raise RefusedInput(
            "commitment-differs",
            f"{which} keys of '{identity.name}'",
            "they are not those to which the log holds this identity",
            "Were the keys changed on another machine? Bring the newest copy of its folder, or name the right file.",
        )
    files = find_files(group, identity.folder, key_files)
    body: dict[str, Any] = {"keyset": group.keyset}
    if type_ == "retire":
        body["reason"] = reason
    if compromised:
        body["compromised"] = [[key, compromised[key]] for key in sorted(compromised)]
    BODIES[type_](_with_commitments(type_, body, bytes(HASH_BYTES), bytes(HASH_BYTES)), "body")
    return Plan(identity, type_, standing.kseq + 1, standing.last, standing.key_event, group, files, body)


def change_keys(
    door: LogDoor,
    plan: Plan,
    keyring: Keyring,
    passphrase: bytes | None,
    *,
    keys: int | None = None,
    threshold: int | None = None,
    given: GivenKeys = NONE_GIVEN,
    former: Collection[bytes] = (),
) -> changes.Outcome:
    """Makes the event of a plan, keeps it with its new keys, sends it and carries it as far as it goes.

    The new next and recovery keysets have `keys` keys of which `threshold` must sign; by default as many as the revealed
    one. The first of them are those `given`, none of which may be among the `former` public keys of the identity.
    `passphrase` protects the new files. After a failure `changes.settle` goes on where it was. Raises RefusedInput
    `threshold-illegal`, `keyset-illegal`, `change-pending`, as `Keyring.signer` and who it gives, or as the log refuses it; StoreFault.
    """
    identity = plan.identity
    keys = len(plan.group.keys) if keys is None else keys
    threshold = plan.group.threshold if threshold is None else threshold
    check_shape(keys, threshold)
    drawn: list[NewKeys] = []
    if plan.type != "retire":
        drawn = [NewKeys(which, getattr(given, which), keys, threshold) for which in ("next", "recovery")]
        kept = (key for group in identity.groups for key in group.keys)
        check_once(drawn, {*former, *kept, *plan.group.keys})
    revealed = open_keys(plan.group, plan.files, keyring.signer)
    after = replace(identity, retired=plan.type == "retire")
    signers: dict[str, KnownSigner] = {file: signer for new in drawn for file, signer in new.files()}
    files: dict[str, bytes] = {}
    if drawn:
        files |= _copies(plan)
        if identity.derives_pseudonyms and (secret := _pseudonym_secret(identity, keyring)):
            signers[PSEUDONYM_FILE] = SeedSigner(secret)
        after = replace(
            after,
            kseq=plan.kseq,
            groups=(plan.group._replace(which="current"), *(new.group for new in drawn)),
            derives_pseudonyms=identity.derives_pseudonyms and PSEUDONYM_FILE not in signers,
        )
    files[ABOUT_FILE] = after.about()
    entry = _entry_of(door, plan, [keyset_digest(new.group.keyset) for new in drawn], revealed)
    if plan.type != "recover" and "compromised" not in plan.body:
        with suppress(LineageError):  # unsent work never holds up a change of keys
            resend_pending(door, identity, plan.key_event)
    changes.begin(identity, plan.kseq, files, signers, entry, passphrase)
    for outcome in changes.settle(door, identity):
        if outcome.kseq == plan.kseq:
            return outcome
    raise InvariantBroken(
        "change-lost", f"identity '{identity.name}'", "its change of keys was kept, and is gone", "Report it."
    )


def _check_may(identity: LocalIdentity, standing: Standing, type_: str) -> None:
    if standing.retired:
        raise RefusedInput(
            "identity-retired",
            f"identity '{identity.name}'",
            "it is retired: nothing that it says is valid any more",
            "Make a new identity.",
        )
    if type_ == "recover" and standing.pending:
        raise RefusedInput(
            "recovery-pending",
            f"identity '{identity.name}'",
            "a recovery waits to come into force",
            "If it is not yours, rotate by the next keys: that ends it.",
        )


def _committed_of(which: str, key_files: Sequence[Path], committed: bytes) -> KeyGroup | None:
    """The group that the files given make up, if it is the one that the log holds; None: it is not.

    It comes before what `identity.json` remembers, which is an older copy where a backup was brought back.
    """
    keys = tuple(dict.fromkeys(keyfile.read_public(path) for path in key_files))
    if len(keys) > spec.KEYS_MAX:
        return None
    groups = (KeyGroup(which, keys, threshold) for threshold in range(1, len(keys) + 1))
    return next((group for group in groups if keyset_digest(group.keyset) == committed), None)


def _group_of(which: str, key_files: Sequence[Path], identity: LocalIdentity) -> KeyGroup:
    """The group of an identity that remembers none: the one key of the file named."""
    if len(key_files) != 1:
        keyfile.read_public(identity.key_file(which))  # which says that it is missing
    return KeyGroup(which, tuple(keyfile.read_public(path) for path in key_files))


def _copies(plan: Plan) -> dict[str, bytes]:
    """The revealed keys as the daily ones: all files at hand, as they are protected."""
    return {
        file_name("current", number): keyfile.read_key_file(plan.files[key])
        for number, key in enumerate(plan.group.keys, 1)
        if key in plan.files
    }


def _pseudonym_secret(identity: LocalIdentity, keyring: Keyring) -> bytes | None:
    """The secret derived from the first daily key, while that is at hand; None: it is looked for when it is needed."""
    if identity.kseq or not identity.key_file("current").exists():
        return None
    try:
        return derived_pseudonym_secret(keyring.secret(identity.key_file("current")))
    except (RefusedInput, StoreFault):
        return None


def _entry_of(door: LogDoor, plan: Plan, commitments: Sequence[bytes], revealed: Iterable[Signer]) -> bytes:
    """The signed entry of a plan."""
    body = _with_commitments(plan.type, plan.body, *commitments)
    statement = make_statement(
        plan.type, door.log_id, body, by=plan.identity.id, kseq=plan.kseq, prev=plan.prev
    )
    code = REVEALS[plan.type][1]
    signatures = sign_to_threshold(code, plan.keyset, revealed, statement.payload)
    return make_entry(statement, signatures).encoded


def _with_commitments(type_: str, body: dict[str, Any], *commitments: bytes) -> dict[str, Any]:
    if type_ == "retire":
        return body
    next_, recovery = commitments
    return body | {"next": next_, "recovery": recovery}

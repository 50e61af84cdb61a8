"""A log behind a signer's door, an identity with key files, and what must hold of them at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.api.door import standing_in
from ledger.errors import LineageError
from ledger.identity.keyset import Keyset
from ledger.log.writer import Appended
from ledger.merkle.tree import hash_leaf
from ledger.signer import keyfile, signing
from ledger.signer.changes import Outcome
from ledger.signer.keychange import change_keys, plan_change
from ledger.signer.keyfile import read_public
from ledger.signer.keyring import Keyring
from ledger.signer.keystore import Keystore, LocalIdentity
from ledger.signer.logdoor import Standing
from ledger.signer.passphrases import Passphrases
from ledger.signer.signing import Signed
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements.entry import decode_entry
from ledger.statements.record import make_record
from ledger.statements.statement import keyset_digest
from tests.world import World

WEEK_MS = RECOVERY_WAIT_S * 1_000
RING = Keyring(Passphrases())
OPEN = RING.secret  # of keys in clear

Answer = Callable[[bytes, list[Appended | LineageError]], list[Appended | LineageError]]


class WorldDoor:
    """A log in memory. It remembers what it was sent, and what artifacts stand in it; `answer` may change its answers."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sent: list[bytes] = []
        self.artifacts: dict[bytes, int] = {}
        self.answer: Answer | None = None

    @property
    def log_id(self) -> bytes:
        return self.world.log

    def append(self, submissions: Sequence[tuple[bytes, Sequence[bytes]]]) -> list[Appended | LineageError]:
        self.sent += [entry for entry, _records in submissions]
        results = self.world.writer.append(submissions)
        if self.answer is not None:
            results = self.answer(submissions[0][0], results)
        for (_entry, records), result in zip(submissions, results, strict=True):
            if isinstance(result, Appended):
                self.artifacts |= dict.fromkeys(map(hash_leaf, records), result.log_index)
        return results

    def standing(self, identity_id: bytes) -> Standing | None:
        return standing_in(self.world.writer.state, identity_id, self.world.time_ms)

    def find_artifact(self, artifact_id: bytes) -> int | None:
        return self.artifacts.get(artifact_id)


class Scene:
    """One world, one key store, keys in clear unless said otherwise."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.door = WorldDoor(self.world)
        self.keys = Keystore(folder / "config", self.world.log)
        self.texts = 0

    def enrol(self, name: str = "ada", **fields: Any) -> LocalIdentity:
        made = self.keys.create(name, "human", None, **fields)
        self.standing(name)
        return made

    def standing(self, name: str = "ada") -> Standing:
        return signing.standing_of(self.door, self.keys.find(name))

    def change(
        self,
        type_: str,
        name: str = "ada",
        *,
        keyring: Keyring = RING,
        options: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Outcome:
        """Plans and makes a key event of the keys as they lie; `options` are those of `change_keys`."""
        standing = self.standing(name)
        plan = plan_change(self.keys.find(name), standing, type_, **fields)
        return change_keys(self.door, plan, keyring, None, **(options or {}))

    def record(self, name: str = "ada") -> bytes:
        """The record of a new text by this identity."""
        self.texts += 1
        content = self.texts.to_bytes(32, "big")
        maker = self.keys.find(name).id
        return make_record(
            kind="work", maker=maker, content=content, size_bytes=9, media="text/plain"
        ).encoded

    def sign(self, name: str = "ada", *records: bytes) -> Signed:
        """Signs by the keys as they lie after whatever waits is carried through, as a new process does."""
        self.standing(name)
        signed = Signed(ids=[hash_leaf(record) for record in records or (self.record(name),)])
        signer = self.keys.unlock(self.keys.find(name), RING)
        new = records or (self.record_of(signed.ids[0], name),)
        signing.append_records(self.door, signer, new, signed, lambda _done: None)
        return signed

    def record_of(self, artifact_id: bytes, name: str) -> bytes:
        """The newest record once more."""
        self.texts -= 1
        record = self.record(name)
        assert hash_leaf(record) == artifact_id
        return record

    def publics(self, name: str = "ada") -> set[bytes]:
        """The public keys of all key files of an identity, wherever they lie."""
        return {read_public(path) for path in self.keys.find(name).folder.rglob("*.key*")}

    def check(self, name: str = "ada") -> None:
        """What must hold whenever nothing waits: the keys are those that the log knows, each in one file."""
        identity, standing = self.keys.find(name), self.door.standing(self.keys.find(name).id)
        assert standing is not None
        if not standing.retired:
            committed = {
                "current": keyset_digest(standing.keyset),
                "next": standing.next,
                "recovery": standing.recovery,
            }
            assert {group.which: keyset_digest(group.keyset) for group in identity.groups} == committed
            for group in identity.groups:
                for key, file in zip(group.keys, group.file_names, strict=True):
                    assert read_public(identity.folder / file) == key
            live = [path for path in identity.folder.glob("*.key") if path.name != "pseudonym.key"]
            assert len(live) == sum(len(group.keys) for group in identity.groups)

    def payloads_by_kseq(self, identity_id: bytes) -> dict[int, set[bytes]]:
        """What was ever sent as each key event of an identity."""
        found: dict[int, set[bytes]] = {}
        for entry in self.door.sent:
            statement = decode_entry(entry).statement
            if statement.by == identity_id and "kseq" in statement.fields:
                found.setdefault(statement.fields["kseq"], set()).add(entry)
        return found


def code_of(use: Callable[[], object]) -> str:
    """The code with which it is refused."""
    return refusal_of(use).code


def refusal_of(use: Callable[[], object]) -> LineageError:
    with pytest.raises(LineageError) as error:
        use()
    assert error.value.fix
    return error.value


def cheap_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "ARGON2_MEMORY_BYTES", 8_192)
    monkeypatch.setattr(keyfile, "ARGON2_PASSES", 1)


def group_keyset(identity: LocalIdentity, which: str) -> Keyset:
    group = identity.group(which)
    assert group is not None
    return group.keyset

"""The verbs of a ledger about identities. `ledger.api.ledger.Ledger` has them; this is no class of its own."""

from __future__ import annotations

from typing import Any

from ledger.api import histories, identities, keys
from ledger.api.access import Access
from ledger.api.around import Progress, silent
from ledger.api.keys import Foreseen, KeyChange
from ledger.origin.history import History
from ledger.signer.changes import Outcome
from ledger.signer.keystore import LocalIdentity
from ledger.signer.newkeys import NONE_GIVEN, GivenKeys


class IdentityVerbs:
    """Identities, their keys and their lives."""

    _access: Access

    def new_identity(
        self,
        name: str,
        role: str = "human",
        *,
        of: str | None = None,
        substrate: dict[str, Any] | None = None,
        scope: dict[str, Any] | None = None,
        keys: int = 1,
        threshold: int = 1,
        given: GivenKeys = NONE_GIVEN,
        unencrypted: bool = False,
        profile: bytes | None = None,
    ) -> LocalIdentity:
        """Makes keys under `name` and enrols them. `of` names a pair's anchor; with `substrate` it delegates the pair at once.

        Each keyset has `keys` keys, of which `threshold` must sign; the first of them are those `given` (`agent_key`,
        `import_key`, or any `Signer`), which stay where they lie or, if they were imported, are kept as files. Whatever
        can be refused is refused before a key is made. `profile`: who it is, at most 65,536 bytes, of which the log gets a sealed digest alone; it and
        its salt are kept with the keys (SPEC §10.8). Raises RefusedInput `name-taken`, `name-illegal`, `name-unknown`, `passphrase-missing`, `passphrase-wrong`,
        `role-illegal`, `threshold-illegal`, `keyset-illegal`, `delegation-illegal`, `too-large` or `schema`, or as a signer that was given.
        """
        shape = (keys, threshold)
        return identities.new_identity(
            self._access,
            name,
            role,
            of,
            substrate,
            scope,
            shape,
            given,
            unencrypted=unencrypted,
            profile=profile,
        )

    def erase_profile(self, name: str) -> bool:
        """Destroys the profile that is kept of an identity here, and its salt; whether there was one. That cannot be undone.

        What its enrolment names is then about nothing. Who got the profile disclosed has it. Raises NotFound; StoreFault `store-failed`.
        """
        return identities.erase_profile(self._access, name)

    def delegate(
        self, anchor: str, pair: str, substrate: dict[str, Any], scope: dict[str, Any] | None = None
    ) -> int:
        """Lets a pair speak, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput if it may not."""
        return identities.delegate(self._access, anchor, pair, substrate, scope)

    def undelegate(self, anchor: str, pair: str) -> int:
        """Ends a pair's delegation, signed by its anchor (SPEC §7.3); the log index. Raises RefusedInput `delegation-illegal`."""
        return identities.undelegate(self._access, anchor, identities.find_id(self._access, pair))

    def show_identity(self, name: str) -> dict[str, Any]:
        """What the log knows of an identity, by a name on this machine or by its id. Raises NotFound."""
        return identities.show(self._access, name)

    def list_identities(self) -> list[dict[str, Any]]:
        """The identities whose keys are on this machine, the operator among them, and how each stands in the log."""
        return identities.listed(self._access)

    def daily_keys(self, name: str) -> list[dict[str, Any]]:
        """Where each daily key of an identity of this machine lies: in a file, an ssh-agent, with an external signer, or away."""
        return identities.daily_keys(self._access.keys.find(name))

    def identity_id(self, name: str) -> bytes:
        """The id that a name on this machine, the beginning of an id here, or a whole id in hex means. Raises NotFound."""
        return identities.find_id(self._access, name)

    def foresee(self, name: str, change: KeyChange, progress: Progress = silent) -> Foreseen:
        """What a change of keys would say, and what it would disown (SPEC §7.4). Changes nothing, opens no key.

        Raises RefusedInput `identity-retired`, `recovery-pending`, `key-file-missing`, `key-file-foreign`,
        `commitment-differs`, `compromised-illegal`, `schema`.
        """
        return keys.foresee(self._access, name, change, progress)

    def change_keys(self, name: str, change: KeyChange, *, unencrypted: bool = False) -> Outcome:
        """Rotates, recovers or retires an identity (SPEC §7.2). Raises as `foresee`, and as the log refuses it.

        New key files are encrypted by the passphrase, or `unencrypted`. After a crash the next verb of this identity
        carries the change through.
        """
        return keys.carry_out(self._access, name, change, unencrypted=unencrypted)

    def settle_keys(self, name: str) -> None:
        """Puts the keys in place that the log has in force, where a crash or a wait kept them.

        Raises RefusedInput `change-pending` if a change was signed and kept that the log does not hold.
        """
        keys.make_ready(self._access, name)

    def kept_changes(self, name: str) -> list[tuple[str, list[int]]]:
        """Changes of keys that were signed and kept, and that the log does not hold: type, and where their cuts begin."""
        return keys.kept_of(self._access, name)

    def foresee_kept(self, name: str, type_: str, progress: Progress = silent) -> Foreseen:
        """As `foresee`, of a change that was kept. Raises RefusedInput `usage` if there is none, `change-pending`."""
        return keys.foresee_kept(self._access, name, type_, progress)

    def resume_keys(self, name: str, type_: str) -> Outcome:
        """Sends the change that was kept. Raises as `foresee_kept`, and as the log refuses it."""
        return keys.resume(self._access, name, type_)

    def discard_keys(self, name: str, type_: str) -> None:
        """Puts the change aside that was kept, and that the log does not hold. Raises as `foresee_kept`."""
        keys.put_aside(self._access, name, type_)

    def clock_ms(self) -> int:
        """The log's clock, in unix ms."""
        with self._access.view() as view:
            return view.clock_ms

    def names(self) -> dict[bytes, str]:
        """The names of the identities here, by id; what is damaged is left out, `list_identities` says why."""
        return identities.names_of(self._access)

    def pending_recovery(self, name: str) -> int | None:
        """The log index of the recovery of an identity that waits to come into force. Raises NotFound."""
        return identities.pending_recovery(self._access, name)

    def history(self, name: str, gap_ms: int, progress: Progress = silent) -> History:
        """The whole life of an identity as one time line; silences longer than `gap_ms` are told. Raises NotFound."""
        return histories.history_of(self._access, name, gap_ms, progress)

"""The life of an identity: its key events, one after the other, and which keyset speaks where (SPEC §7.2).

Whether an event may follow is decided by the events before it, its place in the log and the log's clock, and by
nothing else: any verifier who holds an identity's key events comes to the same answer, offline and for ever. What is
committed at birth (`next`, `recovery`) is a digest, so that who steals the daily keys can neither rotate nor know
the keys that will.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ledger.errors import RefusedInput
from ledger.identity.keyset import Keyset, check_revealed
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements import words
from ledger.statements.entry import CURRENT, NEXT, RECOVERY
from ledger.statements.statement import Statement, keyset_digest

_WAIT_MS: Final = RECOVERY_WAIT_S * 1_000
_KEY_SIZES: Final = frozenset(words.ALGORITHMS[name][0] for name in words.ALGORITHMS_BUILT)  # bytes

RevealedKey = Callable[[bytes], int | None]  # where the identity revealed a public key, if it did
RevealedKeyset = Callable[[bytes], bool]  # whether it revealed the keyset of a digest


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """One key event in order, at `log_index`; of a `recover`, `clock_ms` is the log's clock there, of others 0.

    `next` and `recovery` are the digests it commits to, b"" for a `retire`. `compromised`: (public key, from log index).
    `vetoed`: a `recover` that was ended before it was in force.
    """

    id: bytes
    log_index: int
    clock_ms: int
    type: str
    keyset: Keyset
    next: bytes
    recovery: bytes
    compromised: tuple[tuple[bytes, int], ...] = ()
    vetoed: bool = False

    @property
    def due_ms(self) -> int:
        """From when on a `recover` is in force, by the log's clock, if nothing ends it before."""
        return self.clock_ms + _WAIT_MS

    def was_in_force(self, clock_ms: int) -> bool:
        """Whether it ever came into force, where the log's clock is `clock_ms`; a `retire` counts too."""
        return not self.vetoed and (self.type != "recover" or self.due_ms <= clock_ms)

    @property
    def cuts(self) -> tuple[tuple[bytes, int], ...]:
        """What it disowns, once it is in force: nothing of its own keyset, which speaks from here on."""
        own = {bytes(key) for _algorithm, key in self.keyset["keys"]}
        return () if self.vetoed else tuple(item for item in self.compromised if item[0] not in own)


@dataclass(frozen=True, slots=True)
class Life:
    """An identity's key events up to the `last`, number `kseq`; `born` is the log index of event 0.

    `before` is the event before the last while that is a `recover`, which may be pending; else None.
    """

    id: bytes
    born: int
    kseq: int
    last: KeyEvent
    before: KeyEvent | None

    def in_force(self, clock_ms: int) -> KeyEvent:
        """The event whose keyset and commitments are in force where the log's clock is `clock_ms`."""
        if self.before is not None and clock_ms < self.last.due_ms:
            return self.before
        return self.last

    def pending(self, clock_ms: int) -> KeyEvent | None:
        """The `recover` that is not yet in force, if there is one."""
        return self.last if self.in_force(clock_ms) is not self.last else None

    @property
    def retired(self) -> bool:
        """Whether nothing later of this identity is valid."""
        return self.last.type == "retire"


def key_event_of(statement: Statement, log_index: int, clock_ms: int) -> KeyEvent:
    """The key event that a statement of such a type makes at `log_index`."""
    body = statement.body
    cuts = tuple((bytes(key), int(start)) for key, start in body.get("compromised", ()))
    return KeyEvent(
        statement.id,
        log_index,
        clock_ms if statement.type == "recover" else 0,
        statement.type,
        body["keyset"],
        body.get("next", b""),
        body.get("recovery", b""),
        cuts,
    )


def after(life: Life, event: KeyEvent, clock_ms: int) -> tuple[KeyEvent, KeyEvent | None]:
    """(the former last event as it is to be remembered, the new `before`) once `event` follows.

    A pending `recover` that another event follows is vetoed.
    """
    former = replace(life.last, vetoed=True) if life.pending(clock_ms) else life.last
    return former, life.in_force(clock_ms) if event.type == "recover" else None


def check_event(
    life: Life,
    statement: Statement,
    log_index: int,
    clock_ms: int,
    revealed: RevealedKey,
    revealed_keyset: RevealedKeyset,
    not_to_hold: Collection[bytes] = (),
) -> Mapping[int, Keyset]:
    """Whether a `rotate`, `recover` or `retire` may follow at `log_index`; the keysets that must have signed it.

    `not_to_hold`: public keys that the revealed keyset must not hold. Raises RefusedInput with the code of SPEC §7.2
    or §7.4 that applies, in the order of §9.2; NotYet for an algorithm that is specified only.
    """
    _check_place(life, statement, clock_ms)
    in_force, body = life.in_force(clock_ms), statement.body
    asked = asked_of(in_force, statement)
    check_revealed(body["keyset"])
    pending = life.pending(clock_ms)
    _check_keys(body["keyset"], revealed, pending, not_to_hold)
    if statement.type != "retire":
        _check_commitments(in_force, statement, revealed_keyset)
    for position, (key, start) in enumerate(body.get("compromised", ())):
        where = f"body.compromised[{position}]"
        if len(key) not in _KEY_SIZES or revealed(key) is None:
            raise RefusedInput(
                "compromised-illegal",
                where,
                "the identity never had that key",
                "Name a key that it revealed.",
            )
        if start >= log_index:
            raise RefusedInput(
                "compromised-illegal",
                where,
                f"it begins at {start}, and this event stands at {log_index}",
                "Name the first log index that is in doubt, before this event.",
            )
    return asked


def asked_of(in_force: KeyEvent, statement: Statement) -> dict[int, Keyset]:
    """The keysets that must sign a key event where `in_force` is (SPEC §7.2).

    Raises RefusedInput `commitment-differs` unless the revealed keyset is the one committed to.
    """
    keyset: Keyset = statement.body["keyset"]
    kind, name, committed = (
        (RECOVERY, "recovery", in_force.recovery)
        if statement.type == "recover"
        else (NEXT, "next", in_force.next)
    )
    if keyset_digest(keyset) != committed:
        raise RefusedInput(
            "commitment-differs",
            "body.keyset",
            f"it is not the {name} keyset that the key event in force commits to ({committed.hex()[:16]})",
            f"Reveal the {name} keyset as it was made, keys and thresholds.",
        )
    asked = {kind: keyset}
    if kind == NEXT and not in_force.keyset["thresholds"].keys() <= keyset["thresholds"].keys():
        asked[CURRENT] = in_force.keyset  # it drops an algorithm
    return asked


def check_birth(keyset: Keyset, next_: bytes, recovery: bytes) -> None:
    """The keyset of an enrolment and the two that it commits to (SPEC §6.1, §7.2). Raises RefusedInput."""
    check_revealed(keyset)
    _check_digests(keyset, next_, recovery)


def _check_place(life: Life, statement: Statement, clock_ms: int) -> None:
    who = f"identity {life.id.hex()[:16]}"
    if life.retired:
        raise retired(life.id)
    kseq, prev = statement.fields["kseq"], statement.fields["prev"]
    if (kseq, prev) != (life.kseq + 1, life.last.id):
        raise RefusedInput(
            "key-event-broken",
            who,
            f"its next key event has kseq {life.kseq + 1} and names {life.last.id.hex()[:16]} as prev; "
            f"this one has kseq {kseq} and names {prev.hex()[:16]}",
            "Make it anew behind the last one.",
        )
    if statement.type == "recover" and life.pending(clock_ms):
        raise RefusedInput(
            "recovery-pending",
            who,
            f"a recovery is pending since log index {life.last.log_index}",
            "Wait until it is in force, or end it with a rotation.",
        )


def _check_keys(
    keyset: Keyset, revealed: RevealedKey, pending: KeyEvent | None, not_to_hold: Collection[bytes]
) -> None:
    """No key is used twice, but for one that a pending `recover` shares with the event that ends it."""
    for _algorithm, key in keyset["keys"]:
        where = revealed(key)
        used = where is not None and (pending is None or where != pending.log_index)
        if used or key in not_to_hold:
            raise _illegal("it holds a key that was used before", "Draw new keys for every keyset.")


def _check_commitments(in_force: KeyEvent, statement: Statement, revealed: RevealedKeyset) -> None:
    body = statement.body
    _check_digests(body["keyset"], body["next"], body["recovery"])
    if revealed(body["next"]) or revealed(body["recovery"]):
        raise _illegal("it commits to a keyset that was revealed before", "Draw new keys for every keyset.")
    if statement.type == "recover" and body["next"] == in_force.next:
        raise _illegal(
            "it keeps the next keyset, so that a veto could not be told apart", "Draw a new next keyset."
        )


def _check_digests(keyset: Keyset, next_: bytes, recovery: bytes) -> None:
    if len({keyset_digest(keyset), next_, recovery}) != 3:
        raise _illegal("current, next and recovery keysets are not three different ones", "Draw new keys.")


def _illegal(reason: str, fix: str) -> RefusedInput:
    return RefusedInput("keyset-illegal", "keyset", reason, fix)


def retired(identity_id: bytes) -> RefusedInput:
    """The refusal of whatever a retired identity says."""
    return RefusedInput(
        "identity-retired",
        f"identity {identity_id.hex()[:16]}",
        "it is retired, and nothing later of it is valid",
        "Speak as another identity.",
    )

"""Key events one after the other, as functions of nothing but themselves (SPEC §7.2)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import NotYet, RefusedInput
from ledger.identity.keyset import Keyset
from ledger.identity.life import KeyEvent, Life, after, asked_of, check_birth, check_event, key_event_of
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements.entry import CURRENT, NEXT, RECOVERY
from ledger.statements.statement import Statement, keyset_digest, make_statement
from tests.world import keyset_of, seed_of

LOG = bytes(32)
WAIT_MS = RECOVERY_WAIT_S * 1_000
POST_QUANTUM: Keyset = {"keys": [["ml-dsa-44", bytes(1312)]], "thresholds": {"ml-dsa-44": 1}}


def nowhere(_key: bytes) -> int | None:
    """Nothing was revealed before."""


def never(_digest: bytes) -> bool:
    """No keyset was revealed before."""
    return False


def both(name: str) -> Keyset:
    """A keyset of two algorithms, as no log holds one yet."""
    keys = [*keyset_of(name)["keys"], *POST_QUANTUM["keys"]]
    return {"keys": keys, "thresholds": {"ed25519": 1, "ml-dsa-44": 1}}


def event(keyset: Keyset, next_: Keyset, recovery: Keyset, **fields: Any) -> KeyEvent:
    given: dict[str, Any] = {"id": seed_of("event"), "log_index": 2, "clock_ms": 0, "type": "enrol"} | fields
    return KeyEvent(keyset=keyset, next=keyset_digest(next_), recovery=keyset_digest(recovery), **given)


def life(last: KeyEvent | None = None, before: KeyEvent | None = None, kseq: int = 0) -> Life:
    first = event(keyset_of("a"), keyset_of("b"), keyset_of("r"))
    return Life(seed_of("ada"), 2, kseq, last or first, before)


def statement(type_: str, keyset: Keyset, of: Life, **body: Any) -> Statement:
    if type_ == "retire":
        body.setdefault("reason", "ended")
    else:
        body.setdefault("next", keyset_digest(keyset_of("c")))
        body.setdefault("recovery", keyset_digest(keyset_of("s")))
    return make_statement(type_, LOG, {"keyset": keyset, **body}, by=of.id, kseq=of.kseq + 1, prev=of.last.id)


def refused(
    of: Life,
    said: Statement,
    clock_ms: int = 0,
    known: dict[bytes, int] | None = None,
    keysets: set[bytes] | None = None,
    **more: Any,
) -> str:
    with pytest.raises(RefusedInput) as error:
        check_event(of, said, 10, clock_ms, (known or {}).get, (keysets or set()).__contains__, **more)
    return error.value.code


@pytest.mark.parametrize(
    ("type_", "name", "code"), [("rotate", "b", NEXT), ("recover", "r", RECOVERY), ("retire", "b", NEXT)]
)
def test_an_event_asks_for_the_keyset_that_was_committed_to(type_: str, name: str, code: int) -> None:
    ada = life()
    assert check_event(ada, statement(type_, keyset_of(name), ada), 10, 0, nowhere, never) == {
        code: keyset_of(name)
    }
    other = "r" if name == "b" else "b"
    assert refused(ada, statement(type_, keyset_of(other), ada)) == "commitment-differs"


def test_dropping_an_algorithm_needs_both_keysets() -> None:
    current = event(both("a"), keyset_of("b"), keyset_of("r"))
    for type_, expected in (
        ("rotate", {NEXT, CURRENT}),
        ("retire", {NEXT, CURRENT}),
        ("recover", {RECOVERY}),
    ):
        revealed = keyset_of("r" if type_ == "recover" else "b")
        asked = asked_of(current, statement(type_, revealed, life(current)))
        assert asked.keys() == expected
        assert asked.get(CURRENT, both("a")) == both("a")
    gained = event(keyset_of("a"), both("b"), keyset_of("r"))
    assert asked_of(gained, statement("rotate", both("b"), life(gained))).keys() == {NEXT}


def test_an_algorithm_that_is_not_built_is_not_revealed() -> None:
    ada = life(event(keyset_of("a"), POST_QUANTUM, keyset_of("r")))
    with pytest.raises(NotYet) as error:
        check_event(ada, statement("rotate", POST_QUANTUM, ada), 10, 0, nowhere, never)
    assert error.value.code == "not-yet"
    with pytest.raises(NotYet):
        check_birth(POST_QUANTUM, bytes(32), bytes([1]) * 32)


def test_a_recovery_is_in_force_to_the_millisecond() -> None:
    first = life().last
    recover = event(
        keyset_of("r"), keyset_of("n"), keyset_of("s"), id=seed_of("2"), type="recover", clock_ms=5
    )
    ada = life(recover, first, 1)
    assert ada.in_force(5 + WAIT_MS - 1) is first
    assert ada.pending(5 + WAIT_MS - 1) is recover
    assert ada.in_force(5 + WAIT_MS) is recover
    assert ada.pending(5 + WAIT_MS) is None


def test_a_pending_recovery_is_ended_by_the_next_keyset_and_by_nothing_else() -> None:
    first = life().last
    recover = event(
        keyset_of("r"),
        keyset_of("n"),
        keyset_of("s"),
        id=seed_of("2"),
        type="recover",
        clock_ms=5,
        log_index=6,
    )
    ada = life(recover, first, 1)
    assert refused(ada, statement("recover", keyset_of("s"), ada), 6) == "recovery-pending"
    assert refused(ada, statement("rotate", keyset_of("n"), ada), 6) == "commitment-differs"
    veto = statement("rotate", keyset_of("b"), ada, recovery=keyset_digest(keyset_of("t")))
    check_event(ada, veto, 10, 6, nowhere, never)
    former, before = after(ada, key_event_of(veto, 10, 6), 6)
    assert (former.vetoed, former.cuts, before) == (True, (), None)
    late = 5 + WAIT_MS
    assert refused(ada, veto, late) == "commitment-differs"
    former, _ = after(ada, key_event_of(statement("rotate", keyset_of("n"), ada), 10, late), late)
    assert not former.vetoed


def test_a_veto_may_share_a_key_with_the_recovery_that_it_ends() -> None:
    """Else a thief of a recovery key that is also a next key could forbid the veto by revealing it."""
    shared = keyset_of("b", "x", threshold=1)
    first = event(keyset_of("a"), shared, keyset_of("r", "x"))
    recover = event(keyset_of("r", "x"), keyset_of("n"), keyset_of("s"), type="recover", log_index=6)
    ada = life(recover, first, 1)
    known = {bytes(key): 6 for _, key in keyset_of("r", "x")["keys"]}
    check_event(ada, statement("rotate", shared, ada), 10, 0, known.get, never)
    assert refused(ada, statement("rotate", shared, ada), 0, dict.fromkeys(known, 4)) == "keyset-illegal"


def test_no_key_and_no_commitment_is_used_twice() -> None:
    ada = life()
    key = bytes(keyset_of("b")["keys"][0][1])
    rotate = statement("rotate", keyset_of("b"), ada)
    assert refused(ada, rotate, known={key: 2}) == "keyset-illegal"
    assert refused(ada, rotate, not_to_hold={key}) == "keyset-illegal"
    assert refused(ada, statement("retire", keyset_of("b"), ada), known={key: 2}) == "keyset-illegal"
    for name in ("next", "recovery"):
        digest = keyset_digest(keyset_of("old"))
        again = statement("rotate", keyset_of("b"), ada, **{name: digest})
        check_event(ada, again, 10, 0, nowhere, never)
        assert refused(ada, again, keysets={digest}) == "keyset-illegal"
        same = statement("rotate", keyset_of("b"), ada, **{name: keyset_digest(keyset_of("b"))})
        assert refused(ada, same) == "keyset-illegal"
    kept = statement("recover", keyset_of("r"), ada, next=keyset_digest(keyset_of("b")))
    assert refused(ada, kept) == "keyset-illegal"


@pytest.mark.parametrize(
    ("change", "code"), [({"kseq": 2}, "key-event-broken"), ({"prev": bytes(32)}, "key-event-broken")]
)
def test_events_stand_in_one_chain(change: dict[str, Any], code: str) -> None:
    ada = life()
    right = statement("rotate", keyset_of("b"), ada)
    fields = {"by": ada.id, "kseq": 1, "prev": ada.last.id} | change
    assert refused(ada, make_statement("rotate", LOG, right.body, **fields)) == code


def test_a_retired_identity_has_no_later_event() -> None:
    ada = life(event(keyset_of("b"), keyset_of("n"), keyset_of("s"), type="retire"), None, 1)
    for type_ in ("rotate", "recover", "retire"):
        assert refused(ada, statement(type_, keyset_of("n"), ada)) == "identity-retired"


@pytest.mark.parametrize(
    ("start", "known", "code"),
    [(9, True, ""), (10, True, "compromised-illegal"), (0, False, "compromised-illegal")],
)
def test_what_is_compromised_was_a_key_and_lies_before(start: int, known: bool, code: str) -> None:
    ada = life()
    key = bytes(keyset_of("a")["keys"][0][1])
    said = statement("rotate", keyset_of("b"), ada, compromised=[[key, start]])
    held = {key: 2} if known else {}
    if code:
        assert refused(ada, said, known=held) == code
    else:
        check_event(ada, said, 10, 0, held.get, never)
        assert key_event_of(said, 10, 0).cuts == ((key, 9),)

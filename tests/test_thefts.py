"""The attacks on an identity's life, one test each (SPEC §7, §15). Each docstring says what remains possible.

All run through the log's own admission, and what is left in it is traced as a stranger would trace it.
"""

from __future__ import annotations

from typing import Any

import pytest

from ledger.audit.replay import audit_ledger
from ledger.errors import LineageError, NotYet, RefusedInput
from ledger.identity import ed25519
from ledger.identity.keyset import sign_entry_payload
from ledger.log.view import open_view
from ledger.origin.levels import Level, level_of
from ledger.proofs.facts import Ancestry, Node, Presence, Status
from ledger.proofs.trace import trace
from ledger.statements.entry import NEXT, Entry, Signature, make_entry
from ledger.statements.record import Parent
from ledger.statements.statement import make_statement
from tests.dishonest import DishonestLog
from tests.world import Actor, World, evidence, keyset_of, seed_of


def refused(world: World, entry: Entry, *records: bytes) -> str:
    """The code for which one statement is refused."""
    (result,) = world.append((entry, records))
    assert isinstance(result, LineageError), result
    return result.code


def ancestry_of(world: World, artifact: bytes, *accept: Actor) -> Ancestry:
    with open_view(world.store, world.vkey) as view:
        return trace(view, artifact, world.vkey, frozenset(actor.id for actor in accept))


def node_of(world: World, artifact: bytes, *accept: Actor) -> Node:
    return ancestry_of(world, artifact, *accept).nodes[artifact]


def audit_is_ok(world: World) -> bool:
    return audit_ledger(world.store, world.vkey).ok


def in_own_lane(thief: Actor, *records: Any) -> Entry:
    """A statement of the thief, who has a copy of the daily key and a lane of his own."""
    return thief.artifacts(records, b"T" * 16)[0]


@pytest.fixture
def world() -> World:
    return World()


def test_a_stolen_daily_key_signs_but_changes_no_key(world: World) -> None:
    """Remains possible: everything ordinary, until the owner rotates; whoever relied on it before is told how late it was."""
    ada = world.enrol("ada")
    forged = ada.record("forged")
    stolen = world.must(in_own_lane(ada, forged), [forged.encoded])
    daily = ada.public_key
    for kind in ("rotate", "recover", "retire"):
        entry = ada.key_event(kind, reveal="thief")
        assert refused(world, entry) == "commitment-differs"
        right = ada.key_event(kind)  # the thief knows what will be revealed, but holds no key of it
        code = right.signatures[0].keyset
        assert refused(world, ada.sign(right.statement, code)) == "signature-invalid"
        assert refused(world, ada.sign(right.statement)) == "signature-surplus"
    world.change(ada, cuts=[(daily, stolen.log_index)])
    node = node_of(world, forged.id)
    assert (node.presence, node.status, level_of(node)) == (Presence.DISOWNED, Status.DISOWNED, Level.LOGGED)
    assert node.disowned is not None
    assert node.disowned.late_entries == 2  # the state between stands there too
    assert not ancestry_of(world, forged.id).humans
    assert audit_is_ok(world)


def test_a_thief_who_posts_at_full_rate_does_not_delay_the_rotation(world: World) -> None:
    """Remains possible: the log grows by what he posted; the owner must name a position before the first of it."""
    ada = world.enrol("ada")
    daily, first = ada.public_key, world.writer.state.header.size
    posts = [ada.record(f"spam {number}") for number in range(60)]
    group: list[tuple[Entry, list[bytes]]] = [ada.artifacts([post], b"T" * 16) for post in posts]
    rotation = ada.key_event("rotate", cuts=[(daily, first)])
    group.insert(40, (rotation, []))
    results = world.append(*group)
    assert not isinstance(results[40], LineageError)
    after = [result.code for result in results[41:] if isinstance(result, LineageError)]
    assert after == ["key-not-in-force"] * 20
    ada.took(rotation)
    mine = ada.record("spam 3")  # what was hers among it she signs again
    world.publish(ada, mine)
    assert node_of(world, posts[3].id).status == Status.RELEASED
    assert all(node_of(world, post.id).status == Status.DISOWNED for post in (posts[0], posts[39]))
    assert node_of(world, posts[50].id).presence == Presence.ABSENT
    assert audit_is_ok(world)


def test_a_stolen_recovery_key_meets_the_veto_of_the_next_keyset(world: World) -> None:
    """Remains possible: an owner who does not look at the log for a week loses the identity."""
    ada = world.enrol("ada")
    before = ada.record("hers")
    placed = world.publish(ada, before)
    robbery = ada.key_event("recover", cuts=[(ada.public_key, placed.log_index)])
    world.must(robbery)
    assert node_of(world, before.id).status == Status.RELEASED  # pending: nothing is disowned yet
    ada.took(robbery)
    veto = ada.key_event("rotate")
    world.must(veto)
    ada.took(veto)
    world.time_ms += 604_800_000
    world.publish(ada, ada.record("still hers"))
    assert node_of(world, before.id).status == Status.RELEASED
    again = ada.key_event("recover", reveal="ada/recovery")  # the stolen keyset, once more
    assert refused(world, again) == "commitment-differs"
    assert audit_is_ok(world)


def test_without_a_veto_the_recovery_is_in_force_a_week_later_and_not_before(world: World) -> None:
    """Remains possible for the owner of a lost daily key: everything, a week later. The thief of that key may sign till then."""
    ada = world.enrol("ada")
    lost = ada.public_key
    start = world.change(ada, "recover", cuts=[(ada.public_key, 0)]).log_index
    late = ada.record("by the thief, while it is pending")
    world.publish(ada, late)
    recovered = Actor("ada", ada.log, ada.role, ada.enrolment)
    recovered.key, recovered.current = ada.last, "ada/recovery"
    assert refused(world, *_flat(recovered, "too early")) == "key-not-in-force"
    world.wait_out(ada)
    world.publish(ada, ada.record("hers again"))
    node = node_of(world, late.id)
    assert node.disowned is not None
    assert (node.status, node.disowned.log_index) == (Status.DISOWNED, start)
    assert world.writer.state.is_disowned(ada.id, 3, [lost], world.time_ms)
    assert audit_is_ok(world)


def _flat(actor: Actor, text: str) -> tuple[Entry, bytes]:
    entry, records = actor.artifacts([actor.record(text)], b"F" * 16)
    return entry, records[0]


def test_a_clock_that_is_turned_back_takes_no_recovery_back(world: World) -> None:
    """Remains possible: an operator whose clock goes back is named by every audit; a trace sees what it looks at."""
    ada = world.enrol("ada")
    forged = ada.record("forged")
    placed = world.publish(ada, forged)
    before_ms = world.time_ms
    world.change(ada, "recover", cuts=[(ada.public_key, placed.log_index)])
    world.wait_out(ada)
    dishonest = DishonestLog.over(world)
    dishonest.append_states(1, time=before_ms + 10)
    dishonest.close()
    assert node_of(world, forged.id).status == Status.DISOWNED
    assert [fault.code for fault in audit_ledger(world.store, world.vkey).faults] == ["state-wrong"]


def test_a_key_rotated_out_signs_nothing_at_old_places(world: World) -> None:
    """Remains possible: sending again what stands already, which is answered with its place and changes nothing."""
    ada = world.enrol("ada")
    entry, records = ada.artifacts([ada.record("one")])
    placed = world.must(entry, records)
    old = Actor("ada", ada.log, ada.role, ada.enrolment, lanes=dict(ada.lanes))
    world.change(ada)
    assert refused(world, *_flat(old, "in a new lane")) == "key-not-in-force"
    behind = old.artifacts([old.record("behind the last")])
    assert refused(world, behind[0], *behind[1]) == "key-not-in-force"
    old.lanes.clear()
    instead = old.artifacts([old.record("instead of the first")])
    assert refused(world, instead[0], *instead[1]) == "key-not-in-force"
    again = world.must(entry, records)
    assert (again.known, again.log_index) == (True, placed.log_index)


def test_an_operator_who_drops_a_statement_cannot_frame_who_sends_it_again(world: World) -> None:
    """Remains possible: the operator delays or refuses. A client that signs other bytes for the same place frames itself."""
    ada, bob = world.enrol("ada"), world.enrol("bob")
    entry, records = ada.artifacts([ada.record("dropped once")])
    again = make_entry(entry.statement, entry.signatures)  # what a client does: the same bytes
    assert again.encoded == entry.encoded
    with pytest.raises(RefusedInput) as same:
        bob.say("evidence", evidence(entry, again))
    assert same.value.code == "schema"
    world.must(entry, records)
    ada.lanes.clear()  # after a refusal the lane is abandoned, and a new one opened: another place
    fresh, _ = ada.artifacts([ada.record("dropped once")], b"N" * 16)
    with pytest.raises(RefusedInput) as other:
        bob.say("evidence", evidence(entry, fresh))
    assert other.value.code == "schema"


def test_an_identity_is_not_replayed_into_a_second_log(world: World) -> None:
    """Remains possible: enrolling the same keys anew, as another identity, by who holds them."""
    ada = world.enrol("ada")
    rotation = ada.key_event("rotate")
    second = World(origin="log.example/second")
    for entry in (ada.enrolment, rotation, ada.artifacts([ada.record("x")])[0]):
        assert refused(second, entry) in {"wrong-log", "root-differs"}
        dishonest = DishonestLog.over(second)
        dishonest.append(entry.encoded)
        dishonest.close_with_state()
        assert [fault.code for fault in dishonest.faults] == ["wrong-log"]
        second.writer = second.open()
    assert second.writer.state.identity(ada.id) is None


def test_a_back_dated_compromise_does_not_hide_what_others_licensed(world: World) -> None:
    """Remains possible: disowning. Artifact, lateness and event stay visible, and an accepted attestor's word keeps it."""
    ada, buyer = world.enrol("ada"), world.enrol("buyer")
    licensed = ada.record("licensed to many", rights={"license": "CC-BY-4.0"})
    placed = world.publish(ada, licensed)
    world.attest(buyer, [licensed.id])
    for number in range(20):
        world.publish(ada, ada.record(f"later {number}"))
    world.change(ada, cuts=[(ada.public_key, placed.log_index)])
    node = node_of(world, licensed.id)
    assert node.record is not None
    assert node.disowned is not None
    assert node.status == Status.DISOWNED
    assert node.disowned.late_entries > 40
    kept = node_of(world, licensed.id, buyer)
    assert kept.disowned is not None
    assert (kept.status, kept.presence, level_of(kept)) == (Status.RELEASED, Presence.STANDS, Level.ANCHORED)
    assert kept.disowned.rescued_by == (buyer.id,)
    assert audit_is_ok(world)


def test_sybil_attestations_rescue_no_forgery(world: World) -> None:
    """Remains possible: a verifier who accepts a sybil by name accepts the forgery with him."""
    ada, friend = world.enrol("ada"), world.enrol("friend")
    forged = ada.record("forged")
    placed = world.must(in_own_lane(ada, forged), [forged.encoded])
    sybils = [world.enrol(f"sybil {number}") for number in range(12)]
    for sybil in sybils:
        world.attest(sybil, [forged.id])
    pair = world.pair(ada, "ada+m")
    world.attest(pair, [forged.id])
    world.attest(ada, [forged.id])
    world.attest(friend, [forged.id], claim="content")  # another claim
    world.change(ada, cuts=[(ada.public_key, placed.log_index)])
    assert node_of(world, forged.id).status == Status.DISOWNED
    assert node_of(world, forged.id, friend).status == Status.DISOWNED
    assert node_of(world, forged.id, pair, ada).status == Status.DISOWNED  # of the maker's own anchor
    assert node_of(world, forged.id, sybils[3]).status == Status.RELEASED


def test_a_pair_does_not_outlive_its_anchor(world: World) -> None:
    """Remains possible: what the pair signed before stands; its keys change no more than its own keysets."""
    ada = world.enrol("ada")
    pair = world.pair(ada, "ada+m")
    before = pair.record("before", "output")
    world.publish(pair, before)
    world.change(ada, "retire")
    for entry, records in (
        pair.artifacts([pair.record("after", "output")]),
        (
            pair.say(
                "attest", {"subjects": [[before.id]], "claim": "content", "result": "confirmed"}, b"A" * 16
            ),
            [],
        ),
    ):
        assert refused(world, entry, *records) == "not-delegated"
    assert refused(world, ada.say("delegate", _delegation(pair), b"D" * 16)) == "identity-retired"
    pair.lanes.clear()
    world.change(pair)
    entry, records = pair.artifacts([pair.record("with new keys", "output")])
    assert refused(world, entry, *records) == "not-delegated"
    assert node_of(world, before.id).status == Status.RELEASED
    assert audit_is_ok(world)


def _delegation(pair: Actor) -> dict[str, Any]:
    return {"pair": pair.id, "substrate": {"name": "model", "version": "2"}}


def test_a_pair_delegated_by_a_thief_is_suspect(world: World) -> None:
    """Remains possible: until the cut the pair speaks, and what relied on it is told."""
    ada = world.enrol("ada")
    pair = world.pair(ada, "ada+m")
    theirs = pair.record("theirs", "output")
    world.publish(pair, theirs)
    stolen = world.delegate(ada, pair)
    forged = pair.record("forged", "output")
    world.publish(pair, forged)
    world.change(ada, cuts=[(ada.public_key, stolen.log_index)])
    node = node_of(world, forged.id)
    assert node.disowned is not None
    assert (node.status, node.disowned.suspect) == (Status.DISOWNED, True)
    assert node_of(world, theirs.id).status == Status.RELEASED
    entry, records = pair.artifacts([pair.record("later", "output")], b"X" * 16)
    assert refused(world, entry, *records) == "not-delegated"
    world.delegate(ada, pair)
    world.publish(pair, pair.record("delegated anew", "output"))
    assert audit_is_ok(world)


def test_thresholds_and_algorithms_are_not_lowered(world: World) -> None:
    """Remains possible: the owner lowers them himself, in a keyset that he committed to before."""
    keyset = keyset_of("one", "two", "three", threshold=2)
    lowered = keyset | {"thresholds": {"ed25519": 1}}
    ada = world.enrol_with("ada", keyset, "ada/next")
    body = {"keyset": lowered, "next": bytes(32), "recovery": bytes([1]) * 32}
    easy = make_statement("rotate", world.log, body, by=ada.id, kseq=1, prev=ada.id)
    assert refused(world, _signed_by(easy, lowered, NEXT, "one")) == "commitment-differs"
    alone = ada.artifacts([ada.record("x")])[0].statement
    assert refused(world, _signed_by(alone, keyset, 0, "one"), ada.record("x").encoded) == "signature-missing"
    three = _signed_by(alone, keyset, 0, "one", "two", "three")
    assert refused(world, three, ada.record("x").encoded) == "signature-surplus"
    world.must(_signed_by(alone, keyset, 0, "three", "one"), [ada.record("x").encoded])
    post_quantum = {"keys": [["ml-dsa-44", bytes(1312)]], "thresholds": {"ml-dsa-44": 1}}
    bob = world.enrol_with("bob", keyset_of("bob"), "bob/next", next_keyset=post_quantum)
    body = {"keyset": post_quantum, "next": bytes(32), "recovery": bytes([1]) * 32}
    strange = make_statement("rotate", world.log, body, by=bob.id, kseq=1, prev=bob.id)
    with_signature = make_entry(strange, [Signature(NEXT, 0, bytes(2420))])
    (result,) = world.append((with_signature, ()))
    assert isinstance(result, NotYet)


def _signed_by(statement: Any, keyset: dict[str, Any], code: int, *names: str) -> Entry:
    keys = [key for _algorithm, key in keyset["keys"]]
    return make_entry(
        statement,
        [
            Signature(
                code,
                keys.index(ed25519.public_key(seed_of(name))),
                sign_entry_payload(seed_of(name), statement.payload),
            )
            for name in names
        ],
    )


def test_a_restored_backup_that_reuses_a_lane_is_shown_and_healed(world: World) -> None:
    """Remains possible: being contested until the next rotation. Nothing is refused for it, and no work is lost."""
    ada, bob = world.enrol("ada"), world.enrol("bob")
    backup = dict(ada.lanes)
    first, records = ada.artifacts([ada.record("before the disk died")])
    world.must(first, records)
    ada.lanes = backup
    second, more = ada.artifacts([ada.record("after the restore")])
    assert refused(world, second, *more) == "lane-broken"
    world.must(*ada.artifacts([ada.record("after the restore")], b"R" * 16))
    world.must(bob.say("evidence", evidence(first, second)))
    work = ada.record("before the disk died")
    node = node_of(world, work.id)
    assert node.contested is not None
    assert node.status == Status.QUARANTINED
    assert refused(world, bob.say("evidence", evidence(first, second), b"2" * 16)) == "evidence-invalid"
    world.change(ada)
    assert node_of(world, work.id).status == Status.RELEASED
    assert audit_is_ok(world)


@pytest.mark.parametrize("size_bytes", [1, 31, 33, 479, 1_312, 20_000])
def test_a_key_of_no_size_is_refused_before_it_is_looked_up(world: World, size_bytes: int) -> None:
    """A key as long as no store's key may be once stopped the writer, for anybody's own right rotation."""
    ada = world.enrol("ada")
    assert refused(world, ada.key_event("rotate", cuts=[(bytes(size_bytes), 1)])) == "compromised-illegal"
    world.change(ada)


def test_what_a_disowned_parent_says_credits_nobody(world: World) -> None:
    """Remains possible: whoever is reached only behind a disowned artifact is told apart, never dropped in silence."""
    ada, bob, cleo = world.enrol("ada"), world.enrol("bob"), world.enrol("cleo")
    source = bob.record("bob's")
    world.publish(bob, source)
    middle = ada.record("ada's, or not", "derived", [Parent("derived-from", source.id)], facts=_facts())
    placed = world.publish(ada, middle)
    child = cleo.record("cleo's", parents=[Parent("derived-from", middle.id)])
    world.publish(cleo, child)
    assert set(ancestry_of(world, child.id).humans) == {ada.id, bob.id, cleo.id}
    world.change(ada, cuts=[(ada.public_key, placed.log_index)])
    after = ancestry_of(world, child.id)
    assert (set(after.humans), set(after.humans_behind)) == ({cleo.id}, {bob.id})


def _facts() -> dict[str, Any]:
    return {"tool": "chunk", "version": "1", "parameters": bytes(32)}


def test_the_same_root_is_not_needed_to_sign_again(world: World) -> None:
    """The owner signs one of the disowned records again, in another statement: it stands from there, the others do not."""
    ada = world.enrol("ada")
    mine, forged = ada.record("mine"), ada.record("forged")
    placed = world.publish(ada, mine, forged)
    world.change(ada, cuts=[(ada.public_key, placed.log_index)])
    again = world.publish(ada, mine)
    node = node_of(world, mine.id)
    assert (node.status, node.log_index) == (Status.RELEASED, again.log_index)
    assert node_of(world, forged.id).status == Status.DISOWNED

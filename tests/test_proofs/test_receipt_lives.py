"""Receipts of identities that rotated, recovered or retired: whose key events they hold (SPEC §11.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.errors import ProofInvalid, RefusedInput
from ledger.log.genesis import make_genesis
from ledger.log.view import open_view
from ledger.proofs.receipt import check_receipt
from ledger.proofs.support import ITEMS_MAX
from ledger.spec import RECOVERY_WAIT_S
from ledger.statements.entry import Entry
from ledger.statements.record import Parent, Record
from tests.dishonest import DishonestLog
from tests.test_proofs.issued import opened, receipt_of, refused, support_in, with_extra
from tests.test_proofs.scene import TOOL, Scene, change, delegate, evidence_on, thief_of
from tests.world import Actor, World, seed_of


def put(scene: Scene, actor: Actor, text: str = "x") -> Record:
    record = actor.record(text)
    scene.put(actor, record)
    return record


def closed_receipt(scene: Scene, record: Record) -> str:
    scene.log.close_with_state()
    return receipt_of(scene.world, record)


def supported(text: str) -> list[int]:
    """The log indices of a receipt's support."""
    return [index for index, _entry, _path in opened(text)["support"]]


def with_support(scene: Scene, text: str, entries: Sequence[Entry]) -> str:
    """The receipt with another support, whose paths hold."""
    with open_view(scene.world.store, scene.world.vkey) as view:
        support = support_in(view, *(entry.statement.id for entry in entries))
    return with_extra(text, opened(text) | {"support": support})


def test_it_holds_the_key_events_up_to_the_one_named() -> None:
    scene = Scene()
    records, events = [], [scene.anna.enrolment]
    for number in range(4):
        records.append(put(scene, scene.anna, f"{number}"))
        if number < 3:
            events.append(change(scene, scene.anna, cuts=[(scene.anna.public_key, number)] * (number % 2)))
    scene.log.close_with_state()
    for number, record in enumerate(records):
        text = receipt_of(scene.world, record)
        facts = check_receipt(text, scene.world.vkey)
        assert (facts.maker, facts.role, facts.standing) == (scene.anna.id, "human", "unknown")
        assert (opened(text)["v"], len(supported(text))) == (2, number + 1)
        for other in range(len(events)):
            forged = with_support(scene, text, events[: other + 1])
            if other > number:  # they stand behind the entry
                refused(scene.world, forged, "receipt-invalid", 2)
            elif other < number:
                refused(scene.world, forged, "key-not-in-force", 4)


def test_a_gap_or_another_order_is_refused() -> None:
    scene = Scene()
    first, second = (change(scene, scene.anna) for _ in range(2))
    text = closed_receipt(scene, put(scene, scene.anna))
    check_receipt(text, scene.world.vkey)
    refused(scene.world, with_support(scene, text, [scene.anna.enrolment, second]), "key-event-broken", 3)
    refused(scene.world, with_support(scene, text, [first, second]), "identity-unknown", 3)
    refused(scene.world, with_extra(text, opened(text) | {"v": 1}), "not-yet", 3)


def test_key_events_of_another_are_surplus() -> None:
    scene = Scene()
    mine, other = change(scene, scene.anna), change(scene, scene.ben)
    text = closed_receipt(scene, put(scene, scene.anna))
    for surplus in ([scene.ben.enrolment], [scene.ben.enrolment, other]):
        entries = [scene.anna.enrolment, mine, *surplus]
        refused(scene.world, with_support(scene, text, entries), "receipt-invalid", 5)


def test_of_a_pair_it_holds_the_anchors_up_to_the_delegation() -> None:
    scene = Scene()
    events = [scene.anna.enrolment, change(scene, scene.anna)]
    given = delegate(scene, scene.anna, scene.pair, {"until": 1})
    events += [scene.pair.enrolment, change(scene, scene.pair), given]
    later = change(scene, scene.anna)
    text = closed_receipt(scene, put(scene, scene.pair))
    facts = check_receipt(text, scene.world.vkey)
    assert (facts.anchor, facts.delegation) == (scene.anna.id, given.statement.id)
    assert len(supported(text)) == 5
    refused(scene.world, with_support(scene, text, [*events, later]), "receipt-invalid", 5)
    for number, code, check in (
        (0, "delegation-illegal", 3),
        (1, "key-not-in-force", 3),
        (2, "delegation-illegal", 3),
        (3, "key-not-in-force", 4),
        (4, "not-delegated", 4),
    ):
        refused(scene.world, with_support(scene, text, events[:number] + events[number + 1 :]), code, check)


def recovered(scene: Scene, actor: Actor) -> Entry:
    entry = change(scene, actor, "recover")
    scene.log.close_with_state()
    scene.log.time_ms += RECOVERY_WAIT_S * 1_000
    actor.settle()
    return entry


def test_whether_a_recovery_was_in_force_shows_by_what_follows() -> None:
    """In force or vetoed, twice over, of a pair and of its anchor at once: no clock is in the receipt."""
    scene = Scene()
    texts = []
    for actor in (scene.anna, scene.pair):
        thief = thief_of(scene, actor)
        thief.next, thief.recovery, thief.kseq, thief.last = (
            actor.next,
            actor.recovery,
            actor.kseq,
            actor.last,
        )
        vetoed = change(scene, thief, "recover")
        actor.kseq, actor.last = thief.kseq, vetoed.statement.id
        scene.log.close_with_state()
        while_pending = put(scene, scene.anna, f"pending {actor.name}")
        change(scene, actor)
        recovered(scene, actor)
        recovered(scene, actor)
        delegate(scene, scene.anna, scene.pair)
        texts += [(while_pending, 1 if actor is scene.anna else 6)]
        texts += [(put(scene, scene.anna, f"of {actor.name}"), 5 if actor is scene.anna else 6)]
        change(scene, actor)
    delegate(scene, scene.anna, scene.pair)
    texts += [(put(scene, scene.pair, "of the pair"), 6 + 6 + 1)]
    scene.log.close_with_state()
    assert scene.log.faults == []
    for record, size in texts:
        text = receipt_of(scene.world, record)
        assert check_receipt(text, scene.world.vkey).maker == record.maker
        assert len(supported(text)) == size


def test_a_pending_recovery_is_no_part_of_it() -> None:
    scene = Scene()
    recovery = change(scene, scene.anna, "recover")
    scene.log.close_with_state()
    text = closed_receipt(scene, put(scene, scene.anna))
    assert len(supported(text)) == 1
    check_receipt(text, scene.world.vkey)
    refused(scene.world, with_support(scene, text, [scene.anna.enrolment, recovery]), "receipt-invalid", 5)


def test_a_recovery_by_other_keys_is_refused() -> None:
    scene = Scene()
    forged = scene.anna.key_event("recover", reveal="thief")
    scene.log.append(forged.encoded)
    thief = thief_of(scene, scene.anna)
    thief.current, thief.key = "thief", forged.statement.id
    text = closed_receipt(scene, put(scene, thief))
    refused(scene.world, text, "commitment-differs", 3)


def test_who_is_retired_says_nothing() -> None:
    """Nor does a pair of his: if the support tells of it."""
    scene = Scene()
    thief, before = thief_of(scene, scene.anna), put(scene, scene.pair, "before")
    retired = change(scene, scene.anna, "retire")
    after = put(scene, thief)
    of_pair = put(scene, scene.pair, "after")
    scene.log.close_with_state()
    assert check_receipt(receipt_of(scene.world, before), scene.world.vkey).anchor == scene.anna.id
    text = receipt_of(scene.world, after)
    told = with_support(scene, text, [scene.anna.enrolment, retired])
    refused(scene.world, told, "identity-retired", 4)
    text = receipt_of(scene.world, of_pair)
    check_receipt(text, scene.world.vkey)  # that the anchor retired since, a receipt does not show
    with open_view(scene.world.store, scene.world.vkey) as view:
        more = sorted([*opened(text)["support"], *support_in(view, retired.statement.id)])
    refused(scene.world, with_extra(text, opened(text) | {"support": more}), "not-delegated", 4)


@pytest.mark.parametrize("type_", ["undelegate", "rules", "endorse", "attest", "artifacts", "evidence"])
def test_nothing_else_supports(type_: str) -> None:
    scene = Scene()
    record = put(scene, scene.anna, "before")
    match type_:
        case "artifacts":
            put(scene, scene.anna, "another")
        case "evidence":
            evidence_on(scene, scene.anna, scene.anna)
        case _:
            scene.say(scene.anna, type_, BODIES[type_](scene, record))
    extra_at = scene.log.size - 1
    text = closed_receipt(scene, put(scene, scene.anna))
    with open_view(scene.world.store, scene.world.vkey) as view:
        item = [extra_at, view.entry(extra_at), view.entry_path(extra_at)]
    forged = with_extra(text, opened(text) | {"support": [*opened(text)["support"], item]})
    refused(scene.world, forged, "receipt-invalid", 3)


BODIES: dict[str, Any] = {
    "undelegate": lambda scene, _: {"pair": scene.pair.id},
    "rules": lambda _scene, _record: {"mode": "open"},
    "endorse": lambda scene, _: {"subject": scene.ben.id, "grade": "known", "method": "other"},
    "attest": lambda _, record: {"subjects": [[record.id]], "claim": "content", "result": "confirmed"},
}


def test_an_operator_who_rotated() -> None:
    scene = Scene()
    source = put(scene, scene.anna, "source")
    change(scene, scene.operator)
    record = scene.operator.record("cut", "derived", [Parent("derived-from", source.id)], facts=TOOL)
    scene.put(scene.operator, record)
    text = closed_receipt(scene, record)
    assert (check_receipt(text, scene.world.vkey).role, len(supported(text))) == ("operator", 2)


def test_the_limits_of_the_genesis_are_not_held_to() -> None:
    """Whether they are in force where the entry stands, a receipt does not know."""
    world = World(begin=False)
    seeds = [seed_of("operator"), seed_of("operator/next"), seed_of("operator/recovery")]
    genesis = make_genesis(world.vkey, seeds, {"mode": "open", "limits": {"records": 1}})
    log, operator = DishonestLog.over(world), Actor("operator", world.log, "operator", genesis)
    records = [operator.record(text, "dataset") for text in ("one", "two")]
    entry, encoded = operator.artifacts(records)
    lifted = operator.say("rules", {"mode": "open"}, b"R" * 16)
    for data in (genesis.encoded, lifted.encoded):
        log.append(data)
    log.append(entry.encoded, encoded)
    log.close_with_state()
    assert log.faults == []
    assert check_receipt(receipt_of(world, records[1]), world.vkey).record_index == 1


def test_what_names_no_key_event_has_no_receipt() -> None:
    scene = Scene()
    entry, encoded = scene.anna.artifacts([scene.anna.record("first")], scene.lane())
    scene.log.append(entry.encoded, encoded)
    confused = thief_of(scene, scene.anna)
    confused.key = entry.statement.id
    record = put(scene, confused, "under no key event")
    with pytest.raises(ProofInvalid) as refusal:
        closed_receipt(scene, record)
    assert refusal.value.code == "receipt-invalid"


def test_a_life_that_does_not_fit_has_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """ITEMS_MAX key events fit; with one more the trace is the way."""
    monkeypatch.setattr("ledger.proofs.support.ITEMS_MAX", 4)
    scene = Scene()
    for _ in range(3):
        change(scene, scene.anna)
    fits = put(scene, scene.anna, "fits")
    change(scene, scene.anna)
    over = put(scene, scene.anna, "one too many")
    scene.log.close_with_state()
    assert len(supported(receipt_of(scene.world, fits))) == 4
    with pytest.raises(RefusedInput) as refusal:
        receipt_of(scene.world, over)
    assert refusal.value.code == "too-large"
    assert ITEMS_MAX == 512

"""Many records under one checked statement: the same facts as of each record's own receipt (SPEC §11.4)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from tlog_scales import signing, tlog

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.log.view import open_view
from ledger.merkle.tree import hash_leaf
from ledger.proofs.receipt import (
    CheckedStatement,
    Content,
    check_receipt,
    check_statement,
    make_receipt,
    make_statement_receipt,
)
from ledger.proofs.tlog_proof import TlogProof
from ledger.statements.record import Record
from tests.dishonest import liar
from tests.test_proofs.issued import opened, with_extra
from tests.test_proofs.scene import Scene
from tests.world import World

COUNT = 37  # of records in the statement: no power of two


class Many:
    """A statement of `COUNT` records by a human, another of two by a pair, and the receipt of the first."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.world = self.scene.world
        self.records = [self.scene.anna.record(f"row {row}" * (row + 1)) for row in range(COUNT)]
        self.of_pair = [self.scene.pair.record(text) for text in ("one", "two")]
        self.world.must(*self.scene.anna.artifacts(self.records))
        self.world.must(*self.scene.pair.artifacts(self.of_pair))
        self.text = statement_receipt(self.world, self.records[0])
        self.ids = b"".join(record.id for record in self.records)

    def checked(self) -> CheckedStatement:
        return check_statement(self.text, self.world.vkey)


def statement_receipt(world: World, record: Record) -> str:
    with open_view(world.store, world.vkey) as view:
        (number,) = view.find_artifact(record.id)
        log_index = view.locate(number)[0]
        return make_statement_receipt(
            view, log_index, [item for item, _ in view.statement_records(log_index)]
        )


def code_of(error: pytest.ExceptionInfo[ProofInvalid], check: int) -> str:
    assert f"check {check} of SPEC" in error.value.item
    return error.value.code


@pytest.fixture(scope="module")
def many() -> Many:
    return Many()


def test_each_record_has_the_facts_of_its_own_receipt(many: Many) -> None:
    checked = many.checked()
    listing = checked.listing(many.ids)
    with open_view(many.world.store, many.world.vkey) as view:
        for position, record in enumerate(many.records):
            (number,) = view.find_artifact(record.id)
            content = Content("raw", record.content, record.fields["size"])
            own = check_receipt(make_receipt(view, number), many.world.vkey, content)
            path = view.record_path(number)
            for facts in (
                listing.check(record.encoded, position).about(content),
                checked.check(record.encoded, position, path).about(content),
            ):
                assert replace(facts, record=own.record) == own
                assert (facts.record.encoded, facts.record.fields) == (record.encoded, record.fields)
            assert own.record_index == position


def test_of_a_pair_it_tells_anchor_and_delegation(many: Many) -> None:
    checked = check_statement(statement_receipt(many.world, many.of_pair[0]), many.world.vkey)
    facts = checked.listing(b"".join(record.id for record in many.of_pair)).check(many.of_pair[1].encoded, 1)
    scene = many.scene
    assert (facts.maker, facts.anchor, facts.delegation) == (
        scene.pair.id,
        scene.anna.id,
        scene.pair.delegation,
    )
    assert (facts.content_checked, facts.standing) == (False, "unknown")


@pytest.mark.parametrize(
    "change", ["swapped", "one less", "one more", "one byte less", "none", "other", "doubled"]
)
def test_another_list_of_ids_is_refused(many: Many, change: str) -> None:
    size = spec.HASH_BYTES
    lists = {
        "swapped": many.ids[size : 2 * size] + many.ids[:size] + many.ids[2 * size :],
        "one less": many.ids[:-size],
        "one more": many.ids + many.ids[-size:],
        "one byte less": many.ids[:-1],
        "none": b"",
        "other": bytes(size) + many.ids[size:],
        "doubled": many.ids[:size] * 2 + many.ids[2 * size :],
    }
    with pytest.raises(ProofInvalid) as refusal:
        many.checked().listing(lists[change])
    assert code_of(refusal, 6) in ("root-differs", "hash-malformed")


def test_no_byte_of_the_list_can_change(many: Many) -> None:
    checked = many.checked()
    for place in range(len(many.ids)):
        mutant = many.ids[:place] + bytes([many.ids[place] ^ 1 << place % 8]) + many.ids[place + 1 :]
        with pytest.raises(ProofInvalid):
            checked.listing(mutant)


def test_a_record_stands_at_its_index_alone(many: Many) -> None:
    listing = many.checked().listing(many.ids)
    for record_index in (-1, -COUNT, 1, COUNT - 1, COUNT, 2**40):
        with pytest.raises(ProofInvalid) as refusal:
            listing.check(many.records[0].encoded, record_index)
        assert code_of(refusal, 6) == "receipt-invalid"
    with pytest.raises(ProofInvalid) as refusal:
        listing.check(many.of_pair[0].encoded, 0)
    assert code_of(refusal, 6) == "receipt-invalid"


def test_no_bit_of_a_record_can_change(many: Many) -> None:
    """Also after one like it was read: only content and size may differ without a full reading."""
    listing = many.checked().listing(many.ids)
    listing.check(many.records[0].encoded, 0)
    data = many.records[1].encoded
    for place in range(len(data)):
        with pytest.raises(ProofInvalid):
            listing.check(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :], 1)
    assert listing.check(data, 1).artifact_id == many.records[1].id


def test_content_is_compared(many: Many) -> None:
    record = many.records[3]
    listing = many.checked().listing(many.ids)
    size = record.fields["size"]
    facts = listing.check(record.encoded, 3)
    assert not facts.content_checked
    assert facts.about(Content("raw", record.content, size)).content_checked
    for wrong in (
        Content("raw", record.content, size + 1),
        Content("jcs", record.content, size),
        Content("raw", many.records[4].content, size),
    ):
        with pytest.raises(ProofInvalid) as refusal:
            facts.about(wrong)
        assert code_of(refusal, 6) == "receipt-invalid"


def test_a_damaged_source_gives_no_receipt_of_a_statement(many: Many) -> None:
    with open_view(many.world.store, many.world.vkey) as view:
        log_index = view.locate(view.find_artifact(many.records[0].id)[0])[0]
        ids = [item for item, _ in view.statement_records(log_index)]
        assert b"".join(ids) == many.ids
        for source, listed in ((view, ids[1:]), (liar(view, entry_path=lambda _honest, _index: []), ids)):
            with pytest.raises(ProofInvalid) as refusal:
                make_statement_receipt(source, log_index, listed)
            assert refusal.value.code == "inclusion-invalid"


def test_one_kind_of_receipt_is_not_the_other(many: Many) -> None:
    """A receipt without a record proves none; one with a record is not that of a statement."""
    with open_view(many.world.store, many.world.vkey) as view:
        of_record = make_receipt(view, view.find_artifact(many.records[2].id)[0])
    for text, check in ((many.text, check_receipt), (of_record, check_statement)):
        with pytest.raises(ProofInvalid) as refusal:
            check(text, many.world.vkey)
        assert code_of(refusal, 1) == "schema"
    without = {name: value for name, value in opened(of_record).items() if not name.startswith("record")}
    assert with_extra(of_record, without) == many.text


def test_a_statement_without_records_or_of_another_log_is_refused(many: Many) -> None:
    with open_view(many.world.store, many.world.vkey) as view:
        index = view.find_statement(many.scene.pair.delegation or b"")
        assert index is not None
        proof = TlogProof(index, tuple(view.entry_path(index)), view.note.decode())
        extra = opened(many.text) | {"entry": view.entry(index)}
    with pytest.raises(ProofInvalid) as refusal:
        check_statement(with_extra(proof.format(), extra), many.world.vkey)
    assert code_of(refusal, 4) == "receipt-invalid"
    with pytest.raises(ProofInvalid) as refusal:
        check_statement(many.text, World(origin="other.example").vkey)
    assert code_of(refusal, 1) == "note-invalid"


def test_no_mutant_of_a_statements_receipt_is_accepted(many: Many) -> None:
    """Each byte of its text; but for the version, whose former number is as good."""
    data = many.text.encode()
    older = with_extra(many.text, opened(many.text) | {"v": 1}).encode()
    for place in range(len(data)):
        for bit in range(0, 8, 3):
            mutant = data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
            if mutant != older:
                with pytest.raises(ProofInvalid):
                    check_statement(mutant, many.world.vkey)
    assert len(data) > 1_000


def test_foreign_tools_read_its_outer_part(many: Many) -> None:
    proof = TlogProof.parse(many.text)
    checkpoint: Any = tlog.Checkpoint.from_text(proof.checkpoint_note)
    checkpoint.verify(signing.Vkey.from_string(str(many.world.vkey)))
    inclusion: Any = tlog.InclusionProof(proof.index, checkpoint.size, list(proof.path))
    leaf_hash = hash_leaf(opened(many.text)["entry"])
    inclusion.check(leaf_hash, checkpoint.root_hash)
    with pytest.raises(tlog.InclusionProofInvalid):
        inclusion.check(hashlib.sha256(leaf_hash).digest(), checkpoint.root_hash)

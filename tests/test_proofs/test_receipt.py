"""Receipts: what they prove, and that any tool reads their outer part (SPEC §11.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import metamorphic_log
import pytest
from tlog_scales import signing, tlog

from ledger.errors import NotFound, ProofInvalid
from ledger.log.view import open_view
from ledger.merkle.tree import hash_leaf
from ledger.proofs.receipt import (
    Content,
    ReceiptFacts,
    check_entry_proof,
    check_receipt,
    make_entry_proof,
    make_receipt,
)
from ledger.proofs.tlog_proof import TlogProof
from ledger.statements.entry import decode_entry
from ledger.statements.record import Parent, make_record
from tests.dishonest import liar
from tests.test_proofs.issued import Issued, opened, receipt_of, refused, with_extra
from tests.test_proofs.scene import TOOL, Scene
from tests.world import Actor, World


@pytest.fixture(scope="module")
def issued() -> Issued:
    return Issued()


def test_it_tells_who_signed_what_where(issued: Issued) -> None:
    scene = issued.scene
    facts = check_receipt(issued.of_second, issued.world.vkey, Content("raw", issued.second.content))
    statement = decode_entry(opened(issued.of_second)["entry"]).statement
    assert facts == ReceiptFacts(
        artifact_id=issued.second.id,
        record=facts.record,
        statement_id=statement.id,
        log_index=TlogProof.parse(issued.of_second).index,
        record_index=1,
        maker=scene.pair.id,
        role="pair",
        anchor=scene.anna.id,
        delegation=scene.pair.delegation,
        checkpoint=facts.checkpoint,
        content_checked=True,
        standing="unknown",
    )
    assert facts.record.encoded == issued.second.encoded
    assert facts.checkpoint == issued.world.writer.checkpoint
    alone = check_receipt(issued.of_work.encode(), issued.world.vkey)
    assert (alone.maker, alone.role, alone.anchor, alone.delegation) == (scene.anna.id, "human", None, None)
    assert (alone.record_index, alone.content_checked) == (0, False)
    assert "record_path" not in opened(issued.of_work)
    assert len(opened(issued.of_work)["support"]) == 1
    assert len(opened(issued.of_second)["support"]) == 3


@pytest.mark.parametrize("role", ["human", "machine", "registrar", "curator", "operator", "reporter"])
def test_every_role_has_receipts(role: str) -> None:
    world = World()
    source = world.enrol("source")
    parent = source.record("parent")
    world.must(*source.artifacts([parent]))
    if role == "operator":
        maker = Actor("operator", world.log, role, world.genesis)
    else:
        maker = world.enrol("maker", "human" if role == "reporter" else role)
    record = maker.record("cut", "derived", [Parent("derived-from", parent.id)], facts=TOOL)
    if role == "reporter":
        record = maker.record("seen", "output", stance="reported", attributed=bytes(32))
    world.must(*maker.artifacts([record]))
    facts = check_receipt(receipt_of(world, record), world.vkey)
    assert (facts.artifact_id, facts.maker, facts.anchor) == (record.id, maker.id, None)
    assert facts.role == ("human" if role == "reporter" else role)


def test_a_delegation_renewed_is_the_one_that_the_receipt_holds() -> None:
    scene = Scene()
    first, second = scene.pair.record("first"), scene.pair.record("second")
    scene.world.must(*scene.pair.artifacts([first]))
    former = scene.pair.delegation
    scene.world.delegate(scene.anna, scene.pair, {"kinds": ["work"]})
    scene.world.must(*scene.pair.artifacts([second]))
    assert check_receipt(receipt_of(scene.world, first), scene.world.vkey).delegation == former
    assert (
        check_receipt(receipt_of(scene.world, second), scene.world.vkey).delegation == scene.pair.delegation
    )


def test_content_is_compared_with_its_form() -> None:
    """A text whose bytes are their own canonical JSON has one digest under two forms: they are not the same claim."""
    world = World()
    anna = world.enrol("anna")
    record = anna.record('{"a":1}', form="jcs", media="application/json")
    world.must(*anna.artifacts([record]))
    text = receipt_of(world, record)
    assert check_receipt(text, world.vkey, Content("jcs", record.content)).content_checked
    refused(world, text, "receipt-invalid", 6, Content("raw", record.content))
    refused(world, text, "receipt-invalid", 6, Content("jcs", record.id))


def test_a_stated_size_is_the_contents_where_that_is_known() -> None:
    """A digest fixes its content, but a record may state any size beside it: whoever holds the content sees the lie."""
    world = World()
    anna = world.enrol("anna")
    honest, other = (
        make_record(kind="work", maker=anna.id, content=bytes(32), size_bytes=size, media="text/plain")
        for size in (40, 41)
    )
    sealed = make_record(kind="work", maker=anna.id, content=bytes(32), size_bytes=64, form="sealed")
    world.must(*anna.artifacts([honest, other, sealed]))
    texts = {record.id: receipt_of(world, record) for record in (honest, other, sealed)}
    assert check_receipt(texts[honest.id], world.vkey, Content("raw", bytes(32), 40)).content_checked
    assert check_receipt(texts[other.id], world.vkey, Content("raw", bytes(32))).content_checked
    refused(world, texts[other.id], "receipt-invalid", 6, Content("raw", bytes(32), 40))
    for size, is_right in ((32, False), (33, True), (64, True), (65, False)):
        content = Content("sealed", bytes(32), size)
        if is_right:
            assert check_receipt(texts[sealed.id], world.vkey, content).content_checked
        else:
            refused(world, texts[sealed.id], "receipt-invalid", 6, content)


def test_foreign_tools_read_its_outer_part(issued: Issued) -> None:
    vkey = str(issued.world.vkey)
    for text in (issued.of_work, issued.of_second):
        proof = TlogProof.parse(text)
        note, index, path = proof.checkpoint_note, proof.index, list(proof.path)
        leaf_hash = hash_leaf(opened(text)["entry"])
        metamorphic_log.checkpoint_verify_inclusion(note, [vkey], index, leaf_hash, path)
        checkpoint: Any = tlog.Checkpoint.from_text(note)
        checkpoint.verify(signing.Vkey.from_string(vkey))
        inclusion: Any = tlog.InclusionProof(index, checkpoint.size, path)
        inclusion.check(leaf_hash, checkpoint.root_hash)
        with pytest.raises(tlog.InclusionProofInvalid):
            inclusion.check(hash_leaf(b""), checkpoint.root_hash)


def test_a_bare_proof_is_the_receipts_outer_part(issued: Issued) -> None:
    with open_view(issued.world.store, issued.world.vkey) as view:
        for log_index in range(view.checkpoint.size):
            bare = make_entry_proof(view, log_index)
            assert check_entry_proof(bare, issued.world.vkey, view.entry(log_index)) == (
                log_index,
                view.checkpoint,
            )
            with pytest.raises(ProofInvalid) as refusal:
                check_entry_proof(bare, issued.world.vkey, view.entry((log_index + 1) % view.checkpoint.size))
            assert refusal.value.code == "inclusion-invalid"
    index = TlogProof.parse(issued.of_second).index
    with open_view(issued.world.store, issued.world.vkey) as view:
        bare = make_entry_proof(view, index)
        assert bare == with_extra(issued.of_second, None)
        entry = view.entry(index)
    assert check_entry_proof(issued.of_second, issued.world.vkey, entry)[0] == index
    with pytest.raises(ProofInvalid) as refusal:
        check_entry_proof(bare, World(origin="other.example").vkey, entry)
    assert refusal.value.code == "note-invalid"
    refused(issued.world, bare, "receipt-invalid", 1)


def test_a_damaged_source_gives_no_receipt(issued: Issued) -> None:
    with open_view(issued.world.store, issued.world.vkey) as view:
        lies: dict[str, Callable[..., Any]] = {
            "record": lambda honest, number: honest(number ^ 3),
            "record_path": lambda _honest, _number: [bytes(32)],
            "entry_path": lambda honest, log_index: honest(log_index - 1),
            "checkpoint": lambda _honest: World().writer.checkpoint,
        }
        for name, lie in lies.items():
            with pytest.raises(ProofInvalid) as refusal:
                make_receipt(liar(view, **{name: lie}), 2)
            assert refusal.value.code == "inclusion-invalid"
        with pytest.raises(NotFound) as missing:
            make_receipt(liar(view, find_statement=lambda _honest, _id: None), 2)
        assert missing.value.code == "statement-unknown"


def test_no_mutant_is_accepted(issued: Issued) -> None:
    """Every byte of a small receipt changed, dropped or doubled."""
    data = issued.of_work.encode()
    mutants = [
        data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]
        for place in range(len(data))
        for bit in range(0, 8, 3)
    ]
    mutants += [data[:place] + data[place + 1 :] for place in range(len(data))]
    mutants += [data[:place] + data[place : place + 1] + data[place:] for place in range(len(data))]
    older = with_extra(issued.of_work, opened(issued.of_work) | {"v": 1}).encode()
    assert mutants.count(older) == 1  # a receipt of the former version, and as good
    for mutant in mutants:
        if mutant != older:
            with pytest.raises(ProofInvalid):
                check_receipt(mutant, issued.world.vkey)
    assert len(mutants) > 5 * 1_500


def test_no_bit_of_what_it_holds_can_change(issued: Issued) -> None:
    """The same beneath base64: each byte of `extra`."""
    proof = TlogProof.parse(issued.of_second)
    extra = proof.extra or b""
    version = len(extra) - 1  # the last key: made 3 here, since 1 is known too
    for place in range(len(extra)):
        bit = 0 if place == version else place % 8
        mutant = extra[:place] + bytes([extra[place] ^ 1 << bit]) + extra[place + 1 :]
        text = TlogProof(proof.index, proof.path, proof.checkpoint_note, mutant).format()
        with pytest.raises(ProofInvalid):
            check_receipt(text, issued.world.vkey)
    assert len(extra) > 2_000

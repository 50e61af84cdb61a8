"""Receipts, taken apart and put together again. For tests only."""

from __future__ import annotations

from typing import Any

import pytest

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.log.view import LogView, open_view
from ledger.proofs.receipt import (
    Content,
    check_receipt,
    make_receipt,
)
from ledger.proofs.tlog_proof import TlogProof
from ledger.statements import codec
from ledger.statements.record import Parent, Record
from tests.test_proofs.scene import Scene
from tests.world import World


def receipt_of(world: World, record: Record) -> str:
    with open_view(world.store, world.vkey) as view:
        return make_receipt(view, view.find_artifact(record.id)[-1])


def opened(text: str) -> dict[str, Any]:
    extra: dict[str, Any] = codec.decode(TlogProof.parse(text).extra or b"", spec.RECEIPT_BYTES_MAX)
    return extra


def with_extra(text: str, extra: dict[str, Any] | None) -> str:
    proof = TlogProof.parse(text)
    encoded = None if extra is None else codec.encode(extra)
    return TlogProof(proof.index, proof.path, proof.checkpoint_note, encoded).format()


def refused(world: World, text: str, code: str, check: int, content: Content | None = None) -> None:
    with pytest.raises(ProofInvalid) as refusal:
        check_receipt(text, world.vkey, content)
    assert (refusal.value.code, f"check {check} " in refusal.value.item) == (code, True), refusal.value


class Issued:
    """A pair's two records in one statement, a human's alone in his; and the receipts of all three."""

    def __init__(self) -> None:
        self.scene = Scene()
        self.world = self.scene.world
        self.work = self.scene.anna.record("work")
        self.first, self.second = (
            self.scene.pair.record(text, parents=[Parent("quotes", self.work.id)], human=5)
            for text in ("first", "second")
        )
        self.world.must(*self.scene.anna.artifacts([self.work]))
        self.world.must(*self.scene.pair.artifacts([self.first, self.second]))
        self.of_work, self.of_second = (receipt_of(self.world, item) for item in (self.work, self.second))

    def support(self, *statement_ids: bytes | None) -> list[list[Any]]:
        """[log index, entry, path] of statements, in log order, with true paths."""
        with open_view(self.world.store, self.world.vkey) as view:
            return support_in(view, *statement_ids)


def support_in(view: LogView, *statement_ids: bytes | None) -> list[list[Any]]:
    indices = sorted(view.find_statement(item or b"") or 0 for item in statement_ids)
    return [[index, view.entry(index), view.entry_path(index)] for index in indices]

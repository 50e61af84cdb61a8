"""SPEC §16 as it stands in the text: made anew to the same bytes, and read by the ledger."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger.errors import ProofInvalid
from ledger.fold.state import FoldState
from ledger.fold.transition import fold
from ledger.identity.vkey import Vkey
from ledger.merkle import prefix
from ledger.merkle.multiproof import verify_multiproof
from ledger.merkle.prefix_multiproof import verify_keys
from ledger.proofs.checkpoint import open_checkpoint
from ledger.proofs.receipt import Content, check_receipt
from ledger.statements.entry import decode_entry
from ledger.statements.record import decode_record
from tests.cases.logs import id_of, public_key
from tests.cases.receipts import note, sha
from tests.cases.replay import by_ledger
from tests.reference import mth, tagged
from tests.test_vectors import COUNTS
from tools import spec_examples
from tools.spec_examples import ROWS, SPEC, build, page, receipt, rendered
from tools.spec_lives import build_lives

EXAMPLE = build()


def long_value(name: str) -> bytes:
    """The hex lines below the only line `name (n bytes)`."""
    ((size, text),) = re.findall(
        rf"^{re.escape(name)} \((\d+) bytes\)\n((?:  [0-9a-f]+\n)+)", page(), re.MULTILINE
    )
    data = bytes.fromhex(text)
    assert len(data) == int(size)
    return data


def test_the_text_holds_what_is_made() -> None:
    text = SPEC.read_text()
    assert rendered(text) == text
    assert len(page().splitlines()) <= 330
    assert f"{sum(COUNTS.values())} more cases" in text.split("## 16. ")[1]


def test_writing_changes_nothing_but_the_examples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = SPEC.read_text()
    copy = tmp_path / "SPEC.md"
    copy.write_text(text.replace("cd3e3ce7", "00000000"))
    monkeypatch.setattr(spec_examples, "SPEC", copy)
    spec_examples.write()
    assert copy.read_text() == text
    assert "lines of examples" in capsys.readouterr().out


def test_the_example_log_is_in_order() -> None:
    script = EXAMPLE.script
    outcome = by_ledger(script.log, script.entries, script.records)
    assert outcome.faults == []
    assert sorted(outcome.identities.values()) == ["human", "operator", "pair"]


def test_the_life_of_the_examples_is_what_the_text_says() -> None:
    example = build_lives()
    script, at = example.script, example.at
    outcome = by_ledger(script.log, script.entries, script.records)
    assert outcome.faults == []
    state = FoldState(script.log)
    clocks: dict[int, int] = {}
    for index in reversed(range(len(script.entries))):
        body = decode_entry(script.entries[index]).statement.body
        clocks[index] = body["time"] if "time" in body else clocks[index + 1]
    for index, data in enumerate(script.entries):
        _, fault = fold(state, index, data, clocks[index], fold_number=2)
        assert fault is None
    key = [public_key("alice")]
    event = state.disowned_by(example.alice.id, at["theft"], key, clocks[13])
    assert event is not None
    assert event.log_index == at["rotate"]
    identity = state.identity(example.alice.id)
    assert identity is not None
    assert [item.vetoed for item in state.key_events(identity)] == [False, False, True, False]
    assert clocks[at["recover"]] == example.recover_clock_ms
    assert state.header.rules["curators"]
    assert len(example.fields) == 7


def test_every_form_is_a_legal_record() -> None:
    for form, encoded in EXAMPLE.records.items():
        assert decode_record(long_value(f"record of form {form}")).id == id_of(encoded)
    manifest = decode_record(EXAMPLE.records["manifest"])
    raw, rows = decode_record(EXAMPLE.records["raw"]), decode_record(EXAMPLE.records["rows"])
    assert rows.content == mth([sha(row) for row in ROWS])
    assert manifest.content == mth([sha(ROWS[0]) + raw.id + b"\x00", sha(ROWS[1]) + bytes(32) + b"\x02"])


def test_checkpoint_and_receipt() -> None:
    script = EXAMPLE.script
    vkey = Vkey.parse(script.vkey)
    checkpoint = open_checkpoint(note(script).encode(), [vkey])
    assert (checkpoint.size, checkpoint.root) == (8, mth(script.entries))
    facts = check_receipt(receipt(EXAMPLE), vkey, Content("raw", sha(b"Rain all day.\n")))
    assert (facts.log_index, facts.record_index, facts.maker) == (6, 0, EXAMPLE.alice.id)
    assert note(script) in page() + "\n"


def values(name: str) -> list[bytes]:
    """Those of all lines `name = hex`, in order."""
    return [bytes.fromhex(found) for found in re.findall(f"^{name} = (.*)$", page(), re.MULTILINE)]


def test_status_map() -> None:
    """The example's two keys are those of the example's log, whose map holds more."""
    keys, chain_values, (root, _other_tree) = values("topic key"), values("chain value"), values("root")
    assert keys[0] == tagged("topic", b"\x01", EXAMPLE.alice.id)
    assert root == sha(long_value("a prefix tree of these two keys: preimage of its root"))
    prefix.verify(root, keys[0], chain_values[0], values("presence proof of the first key: one step"))
    absence = [*values("absence proof: step"), long_value("absence proof: terminal")]
    (absent,) = values("an absent key")
    prefix.verify(root, absent, None, absence)
    with pytest.raises(ProofInvalid):
        prefix.verify(root, keys[0], None, absence)
    wanted = {keys[0]: chain_values[0], keys[1]: chain_values[1], absent: None}
    verify_keys(root, wanted, long_value("status proof"))
    verify_keys(root, {absent: None}, long_value("status proof of absence"))
    with pytest.raises(ProofInvalid):
        verify_keys(root, {keys[0]: None}, long_value("status proof of absence"))


def test_multiproof() -> None:
    _map_root, root = values("root")
    verify_multiproof({1: id_of(b"b"), 4: id_of(b"e")}, 5, values("proof"), root)

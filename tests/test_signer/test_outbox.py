"""An outbox that is not as its lane left it is told before any of it is sent (SPEC §5.3)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgpack
import pytest

from ledger.errors import InvariantBroken, RefusedInput
from ledger.signer.lanes import hold_lane, pending_parcels
from ledger.signer.parcel import Parcel
from tests.test_signer.test_lanes import KEY, held_id, misplaced, parcel_in, send


@pytest.mark.parametrize("number", range(9))
def test_damaged_outbox_is_told_and_signs_nothing(number: int, tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        lane.keep(parcel_in(lane, "first", 2))
        path = tmp_path / lane.id.hex() / "out" / "0"
    data = path.read_bytes()
    entry = parcel_in(lane, "first").statements[0][0]
    wrongs: Sequence[bytes] = (
        b"",
        data[:-1],
        data + b"\0",
        b"\x90",
        b"\xc0",
        b"\x91\x92\xa1x\x90",
        b"\x91\x92\xc4\x01x\x90",
        b"\x91\x92\xc5" + len(entry).to_bytes(2, "big") + entry + b"\x91\xa1x",
        data.replace(lane.id, b"x" * 16),
    )
    path.write_bytes(wrongs[number])
    with hold_lane(tmp_path, KEY) as again:
        assert again.id == lane.id
        with pytest.raises(RefusedInput) as error:
            again.pending()
        assert error.value.code == "outbox-damaged"
        assert "Move" in error.value.fix
        with pytest.raises(InvariantBroken):
            again.keep(parcel_in(again, "instead"))
    with pytest.raises(RefusedInput):
        pending_parcels(tmp_path)
    path.write_bytes(data)
    with hold_lane(tmp_path, KEY) as mended:
        assert mended.pending() == parcel_in(lane, "first", 2)
    shutil.move(tmp_path / lane.id.hex(), tmp_path.parent / "away")
    assert held_id(tmp_path) != lane.id


def test_waiting_parcel_that_does_not_continue_the_lane_is_damaged(tmp_path: Path) -> None:
    """However well each of its statements is signed: the log would take the first of them, and then refuse or wonder."""
    with hold_lane(tmp_path, KEY) as lane:
        send(lane, "first")
        one = parcel_in(lane, "one").statements
        wrongs = [parcel for parcel in misplaced(lane) if parcel.statements]
        for parcel in (*wrongs, Parcel((*one, *one)), Parcel((*one, (b"no entry", ())))):
            data = msgpack.packb([[entry, list(records)] for entry, records in parcel.statements])
            (tmp_path / lane.id.hex() / "out" / "1").write_bytes(data)
            with pytest.raises(RefusedInput) as error:
                lane.pending()
            assert error.value.code == "outbox-damaged"


def test_older_state_put_back_beside_what_followed_signs_nothing(tmp_path: Path) -> None:
    with hold_lane(tmp_path, KEY) as lane:
        state = tmp_path / lane.id.hex() / "state.json"
        old = state.read_text()
        send(lane, "first")
        lane.keep(parcel_in(lane, "second"))
    state.write_text(old)
    with hold_lane(tmp_path, KEY) as again:
        assert again.next_seq == 0
        with pytest.raises(RefusedInput):
            again.pending()
        with pytest.raises(InvariantBroken):
            again.keep(parcel_in(again, "another first"))

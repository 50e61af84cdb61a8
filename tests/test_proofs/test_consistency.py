"""A later checkpoint holds an earlier one, or is refused by name (SPEC §12.4)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledger.errors import LineageError, ProofInvalid, RefusedInput, StoreFault
from ledger.merkle.tree import EMPTY_ROOT
from ledger.proofs.checkpoint import Checkpoint
from ledger.proofs.consistency import check_extends
from tests.histories import FORKED, HONEST, SIZE, History
from tests.test_proofs.witnesses import ORIGIN


def outcome(before: History, size: int, after: History, later: int) -> str:
    try:
        check_extends(before.checkpoint(size), after.checkpoint(later), after.prove(later))
    except LineageError as error:
        return f"{error.family} {error.code}"
    return ""


@pytest.mark.parametrize("before", [HONEST, FORKED])
@pytest.mark.parametrize("after", [HONEST, FORKED])
def test_every_pair_of_sizes(before: History, after: History) -> None:
    for size in range(1, SIZE + 1):
        for later in range(1, SIZE + 1):
            is_one = before == after or size <= FORKED.fork
            expected = "" if is_one else "ProofInvalid checkpoint-inconsistent"
            if later < size:
                expected = "RefusedInput checkpoint-behind"
            assert outcome(before, size, after, later) == expected, (size, later)


def test_the_proof_is_verified_and_not_believed() -> None:
    honest: list[bytes] = HONEST.prove(30)(20)
    for path in ([], honest[:-1], [*honest, bytes(32)], [bytes(32), *honest[1:]], [b"short", *honest[1:]]):
        with pytest.raises(ProofInvalid, match="nothing proves that it holds the 20 entries") as refused:
            check_extends(HONEST.checkpoint(20), HONEST.checkpoint(30), lambda _old, path=path: path)  # type: ignore[misc]
        assert refused.value.code == "checkpoint-inconsistent"


def test_of_one_size_no_proof_is_asked_for() -> None:
    def prove(_old: int) -> Sequence[bytes]:
        raise AssertionError

    check_extends(HONEST.checkpoint(20), HONEST.checkpoint(20), prove)
    with pytest.raises(ProofInvalid, match="another root than an earlier one of 20 entries"):
        check_extends(HONEST.checkpoint(20), FORKED.checkpoint(20), prove)


def test_the_empty_log_is_the_beginning_of_every_one() -> None:
    """No path proves it (`verify_consistency` takes none), and it accuses nobody."""
    check_extends(Checkpoint(ORIGIN, 0, EMPTY_ROOT), HONEST.checkpoint(20), HONEST.prove(20))
    with pytest.raises(ProofInvalid):
        check_extends(Checkpoint(ORIGIN, 0, bytes(32)), HONEST.checkpoint(20), lambda _old: [])


def test_checkpoints_of_two_logs_are_not_compared() -> None:
    other = Checkpoint("log.example/other", 20, HONEST.checkpoint(20).root)
    with pytest.raises(RefusedInput) as refused:
        check_extends(other, HONEST.checkpoint(20), HONEST.prove(20))
    assert refused.value.code == "wrong-log"


def test_what_the_source_of_the_proof_raises_is_no_accusation() -> None:
    def prove(_old: int) -> Sequence[bytes]:
        raise StoreFault("tile-missing", "tile 0/0", "it is missing")

    with pytest.raises(StoreFault, match="it is missing"):
        check_extends(HONEST.checkpoint(20), HONEST.checkpoint(30), prove)

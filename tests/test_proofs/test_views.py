"""Two views of a log convict it before whoever has its vkey, and an honest log is never convicted (SPEC §12.4)."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import spec
from ledger.errors import ProofInvalid
from ledger.identity import ed25519
from ledger.identity.vkey import Vkey
from ledger.merkle.tree import EMPTY_ROOT
from ledger.proofs.checkpoint import Checkpoint, Signed
from ledger.proofs.views import HEADER, PATH_HASHES_MAX, TwoViews, by_path, compare, convict
from tests import reference
from tests.histories import FORKED, HONEST, SIZE, VKEY, History
from tests.test_proofs.witnesses import ORIGIN, Cosigner, note

STRANGER = Vkey.make(VKEY.name, ed25519.public_key(bytes([7]) * 32))  # another log of the same name
SIZES = (1, 2, 3, 8, 12, 13, 16, 20, 31, 32, SIZE)
WITNESS = Cosigner("witness.example/a")


@cache
def signed(history: History, size: int) -> Signed:
    return Signed(history.note(size), history.checkpoint(size))


def root(history: History, size: int) -> bytes:
    return reference.mth(history.leaves[:size])


@dataclass
class Copied:
    """A copy of the log as one history tells it, from the definitions."""

    history: History
    size: int

    def root_at(self, size: int) -> bytes:
        return root(self.history, size)

    def consistency_path(self, old: int, new: int) -> Sequence[bytes]:
        return reference.proof(old, self.history.leaves[:new])


def views(earlier: int = 20, later: int = 30) -> TwoViews:
    """What the honest log's note of `earlier` entries and the forked one's of `later` come to."""
    found = compare(signed(HONEST, earlier), signed(FORKED, later), Copied(FORKED, SIZE)).views
    assert found is not None
    return found


def refused(action: Callable[[], object]) -> str:
    with pytest.raises(ProofInvalid) as error:
        action()
    assert error.value.code == "views-invalid"
    assert error.value.fix
    return error.value.reason


# --- two checkpoints and a copy of the log ----------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("history", [HONEST, FORKED], ids=["honest", "forked"])
def test_every_pair_by_a_copy_of_either_history(history: History, size: int) -> None:
    """Beside it the naive answer: all leaves are at hand."""
    for other in (HONEST, FORKED):
        for later in (each for each in SIZES if each >= size):
            one, two = history.leaves[:size], other.leaves[:later]
            for copy in (
                None,
                *(Copied(told, held) for told in (HONEST, FORKED) for held in (later - 1, SIZE)),
            ):
                held = copy.history.leaves[: copy.size] if copy is not None else []
                is_shown = size == later or (len(held) >= later and held[:later] == two)
                expected = "undecided" if not is_shown else "one" if two[:size] == one else "two"
                found = compare(signed(history, size), signed(other, later), copy)
                assert found == compare(signed(other, later), signed(history, size), copy) or size == later
                assert (found.histories, bool(found.why)) == (expected, expected == "undecided")
                assert (found.views is not None) == (expected == "two")
                if found.views is not None:
                    read = TwoViews.parse(found.views.format().encode())
                    assert convict(read, VKEY) == (signed(history, size), signed(other, later))


def test_the_empty_log_is_the_beginning_of_every_one() -> None:
    empty = Checkpoint(ORIGIN, 0, EMPTY_ROOT)
    assert compare(Signed(note(checkpoint=empty).encode(), empty), signed(HONEST, 20)).histories == "one"
    lie = replace(empty, root=bytes(32))
    assert compare(Signed(note(checkpoint=lie).encode(), lie), signed(HONEST, 20)).histories == "undecided"


@settings(deadline=None)
@given(st.integers(1, SIZE - 1), st.data())
def test_no_path_convicts_a_log_that_told_one_history(size: int, data: st.DataObject) -> None:
    """Whatever root and path somebody makes up, of hashes of whichever history."""
    later = data.draw(st.integers(size + 1, SIZE))
    hashes = [root(history, at) for history in (HONEST, FORKED) for at in SIZES]
    hashes += [each for told in (HONEST, FORKED) for each in reference.proof(size, told.leaves[:later])]
    drawn = st.sampled_from(hashes)
    made_up = data.draw(drawn | st.just(root(FORKED, size)))
    path = data.draw(st.lists(drawn, max_size=8) | st.just(reference.proof(size, HONEST.leaves[:later])))
    found = by_path(signed(HONEST, size), signed(HONEST, later), made_up, path)
    assert found.histories != "two"
    assert found.views is None


# --- the file ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("earlier", "later"), [(20, 20), (20, 21), (16, 40), (13, 40), (39, 40)])
def test_the_file_and_the_vkey_are_enough(earlier: int, later: int) -> None:
    text = views(earlier, later).format()
    assert text.startswith(f"{HEADER}\n")
    assert TwoViews.parse(text) == TwoViews.parse(text.encode()) == views(earlier, later)
    assert convict(TwoViews.parse(text), VKEY) == (signed(HONEST, earlier), signed(FORKED, later))


def test_it_is_written_as_the_specification_says() -> None:
    """Put together here from the definitions alone."""
    path = reference.proof(20, FORKED.leaves[:30])
    lines = ["lineage/views/v1", *map(reference_base64, (root(FORKED, 20), *path))]
    expected = "\n".join(lines).encode() + b"\n\n" + HONEST.note(20) + b"\n" + FORKED.note(30)
    assert views().format().encode() == expected


def reference_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_cosignatures_stay_beneath_the_notes() -> None:
    cosigned = HONEST.note(20, WITNESS.line(HONEST.checkpoint(20), 50))
    found = compare(Signed(cosigned, HONEST.checkpoint(20)), signed(FORKED, 20)).views
    assert found is not None
    assert convict(TwoViews.parse(found.format()), VKEY)[0].note == cosigned


def test_every_flipped_byte_is_refused() -> None:
    data = views().format().encode()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        refused(lambda changed=changed: convict(TwoViews.parse(changed), VKEY))  # type: ignore[misc]


def test_every_line_left_out_or_doubled_is_refused() -> None:
    lines = views().format().splitlines(keepends=True)
    for at in range(len(lines)):
        for kept in (lines[:at] + lines[at + 1 :], lines[: at + 1] + lines[at:]):
            text = "".join(kept)
            doubled_signature = len(kept) > len(lines) and lines[at].startswith("\u2014")
            if doubled_signature:  # a note may hold a line twice: it says the same
                assert convict(TwoViews.parse(text), VKEY)
            else:
                refused(lambda text=text: convict(TwoViews.parse(text), VKEY))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace(HEADER, "lineage/views/v2"), "it is not 'lineage/views/v1'"),
        (lambda text: " " + text, "it is not"),
        (lambda text: text + "\n", "it is not|unfinished"),
        (lambda text: text.split("\n\n", 1)[0], "it is not"),
        (lambda text: f"{HEADER}\n\n" + text.split("\n\n", 1)[1], "there is none|not canonical"),
        (lambda text: text.replace("=\n", "\n", 1), "not canonical base64"),
        (lambda text: text.replace(HEADER, f"{HEADER}\nAAAA"), "does not hold 1 to"),
        (lambda text: text.replace(HEADER, HEADER + "\nAAAA" * 10_000), "not canonical base64"),
        (lambda text: text + "x" * spec.VIEWS_BYTES_MAX, "has over"),
        (lambda text: text.encode()[:-1] + b"\xff\n", "is not UTF-8"),
        (lambda text: text.replace(f"\n{ORIGIN}\n20\n", f"\n{ORIGIN}\n20 \n"), "is no log checkpoint"),
    ],
)
def test_what_is_no_such_file_is_refused(change: Callable[[str], str | bytes], reason: str) -> None:
    assert re.search(reason, refused(lambda: TwoViews.parse(change(views().format()))))


def test_who_convicts_nobody_is_refused() -> None:
    good = views()
    other_log = note(checkpoint=replace(HONEST.checkpoint(20), origin="log.example/else"))
    for change, reason in (
        ({"root": root(HONEST, 20)}, "nothing speaks against the log"),
        ({"earlier": good.later, "later": good.earlier}, "of more entries than the later"),
        ({"earlier": other_log}, "of two logs"),
        ({"root": bytes(31)}, "hashes of 32 bytes"),
        ({"path": (bytes(33),)}, "hashes of 32 bytes"),
        ({"path": (bytes(32),) * (PATH_HASHES_MAX + 1)}, "hashes of 32 bytes"),
        ({"later": "no note"}, "the later note is no log checkpoint"),
    ):
        assert reason in refused(lambda change=change: replace(good, **change))  # type: ignore[misc]


def test_a_log_is_convicted_by_its_own_signatures_alone() -> None:
    """Notes that somebody else signed, and paths that lead elsewhere, convict nobody."""
    good = views()
    assert "the earlier note is none that" in refused(lambda: convict(good, STRANGER))
    witnessed = WITNESS.line(HONEST.checkpoint(20), 5)
    for name, checkpoint in (("earlier", HONEST.checkpoint(20)), ("later", FORKED.checkpoint(30))):
        text = f"{checkpoint.body()}\n{witnessed}"
        forged = replace(good, earlier=text) if name == "earlier" else replace(good, later=text)
        assert f"the {name} note is none that" in refused(lambda forged=forged: convict(forged, VKEY))  # type: ignore[misc]
    for changed in (
        replace(good, root=root(FORKED, 19)),
        replace(good, root=os.urandom(32)),
        replace(good, path=good.path[:-1]),
        replace(good, path=(*good.path, bytes(32))),
        replace(good, path=tuple(reversed(good.path))),
        replace(good, later=HONEST.note(30).decode()),
    ):
        reason = refused(lambda changed=changed: convict(changed, VKEY))  # type: ignore[misc]
        assert "does not hold" in reason

"""An independent witness, `aics-witness`, and the ledger: what one says the other takes (SPEC §10.9)."""

from __future__ import annotations

import base64
import hashlib
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.api.cosigning import Cosigning
from ledger.proofs.checkpoint import open_checkpoint
from tests import peer as peers
from tests.loopback import WAIT_S
from tests.peer import Peer, can_run, candidates, peer_python, running
from tests.test_api import Place


class Watched:
    """A ledger, and a witness that knows its log."""

    def __init__(self, place: Place, peer: Peer) -> None:
        self.place = place
        self.peer = peer

    def cosign(self, place: Place | None = None) -> Cosigning:
        with (place or self.place).open() as door:
            return door.cosign([f"{self.peer.vkey} {self.peer.url}"])

    def held(self) -> tuple[int, bytes]:
        """Size and root that the witness holds."""
        (log,) = self.peer.known()
        return log["size"], base64.b64decode(log["root"])


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    peer_python()  # skips
    place = Place(tmp_path / "here")
    with place.open() as door:
        origin, vkey = door.marker.origin, door.marker.vkey
    with running(tmp_path / "peer", origin, vkey) as peer:
        yield Watched(place, peer)


def test_it_cosigns_what_grows_and_again_when_the_memory_is_lost(watched: Watched) -> None:
    place = watched.place
    first = watched.cosign()
    (answered,) = first.answers
    assert (answered.error, answered.requests, len(answered.times_s)) == (None, 1, 1)
    assert watched.held() == (first.checkpoint.size, first.checkpoint.root)

    place.sign("one text", "another text", "a third text")
    grown = watched.cosign()
    (answered,) = grown.answers
    assert (answered.error, answered.requests, answered.remark) == (None, 1, "")
    assert grown.checkpoint.size > first.checkpoint.size
    assert watched.held() == (grown.checkpoint.size, grown.checkpoint.root)

    place.sign("a fourth text")
    shutil.rmtree(place.path / "cosigned")
    again = watched.cosign()
    (answered,) = again.answers
    assert (answered.error, answered.requests, answered.remark) == (None, 2, "")
    assert watched.held() == (again.checkpoint.size, again.checkpoint.root)
    assert watched.peer.evidence() == []


def test_what_it_shows_to_others_is_what_was_kept(watched: Watched) -> None:
    """By its monitoring endpoint: the note that it serves, line by line, is ours."""
    import http.client
    from urllib.parse import urlsplit

    made = watched.cosign()
    connection = http.client.HTTPConnection(urlsplit(watched.peer.url).netloc, timeout=WAIT_S)
    connection.request("GET", f"/{hashlib.sha256(made.checkpoint.origin.encode()).hexdigest()}/checkpoint")
    response = connection.getresponse()
    assert (response.status, response.read().decode()) == (200, made.note)
    connection.close()
    with watched.place.open() as door:
        assert open_checkpoint(made.note, [door.vkey]) == made.checkpoint


@pytest.mark.parametrize("more", [0, 1])
def test_it_refuses_a_fork(watched: Watched, more: int) -> None:
    """A copy of the ledger and its keys goes on by itself: of one size with the other, and greater."""
    place = watched.place
    watched.cosign()
    other = Place.__new__(Place)
    other.folder = place.folder.with_name("elsewhere")
    shutil.copytree(place.folder, other.folder)
    other.path, other.config, other.ada = other.folder / "ledger", str(other.folder / "keys"), place.ada
    place.sign("what was signed here")
    other.sign("what was signed there")
    for _ in range(more):
        with other.open() as door:
            door.sign_checkpoint()
    taken = watched.cosign()
    assert taken.is_well

    (refused,) = watched.cosign(other).answers
    assert refused.error is not None
    assert refused.error.code == "witness-refused"
    assert "another history (HTTP 422)" in refused.error.reason
    assert watched.held() == (taken.checkpoint.size, taken.checkpoint.root)
    assert len(watched.peer.evidence()) >= 1
    assert len(list((other.path / "cosigned").glob("*.note"))) == 1  # of what both have in common


# --- how it is found -------------------------------------------------------------------------------------------------


def test_interpreters_are_run_and_not_only_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name on PATH may fail, as shims of pyenv do: then one of pyenv's own is taken."""
    shims, own = tmp_path / "shims", tmp_path / "pyenv" / "versions" / "3.13.9" / "bin"
    for folder, text in (
        (shims, "echo 'pyenv: python3.13: command not found' >&2; exit 127"),
        (own, "exit 0"),
    ):
        folder.mkdir(parents=True)
        stand_in = folder / "python3.13"
        stand_in.write_text(f"#!/bin/sh\n{text}\n")
        stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{shims}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = list(candidates())
    assert found[0] == sys.executable
    assert [str(shims / "python3.13"), str(own / "python3.13")] == [
        each for each in found if each.startswith(str(tmp_path))
    ]
    assert [can_run(str(folder / "python3.13")) for folder in (shims, own)] == [False, True]
    assert not can_run(str(tmp_path / "nothing"))


def test_one_that_is_too_old_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_run(sys.executable) == (sys.version_info >= peers.LEAST)
    monkeypatch.setattr(peers, "_CAN", "import sys; sys.exit(sys.version_info < (4, 0))")
    assert not can_run(sys.executable)

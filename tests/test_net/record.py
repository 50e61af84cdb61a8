"""Records what is said between the ledger and a witness: `python -m tests.test_net.record`, then look what differs.

    transcripts/peer-*.json     with `aics-witness`, an independent implementation (`tests.peer`)
    transcripts/spec-*.json     with a witness written from the text of C2SP tlog-witness (`tests.made_witness`)

Each holds the witness's vkeys, how many people are in the log that is shown and what the client knew, each request and the
answer as they were on the wire, and what it came to.
"""

from __future__ import annotations

import http.client
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ledger.errors import LineageError
from ledger.identity.vkey import Vkey
from ledger.net.witness import submit
from ledger.proofs.cosignatures import verify_lines
from tests.loopback import Request, Sent, serving
from tests.loopback import http as answer_of
from tests.made_witness import MadeWitness, witnessing
from tests.peer import VERSION, running
from tests.test_net.scene import shown, size_of
from tests.test_proofs.witnesses import Cosigner
from tests.world import ORIGIN, World

FOLDER = Path(__file__).parent / "transcripts"
SPEC = "C2SP tlog-witness, the text of 2026-07"
PEER = f"aics-witness {VERSION}"
TIME_S = 1_800_000_000
OLD, NEW = Cosigner("witness.example/w1"), Cosigner("witness.example/w1", is_ml_dsa=True)


def outcome(url: str, people: int, known: int, vkeys: list[str], *others: str) -> dict[str, Any]:
    """What a submission comes to: times of the lines by each vkey, or the code of the error."""
    scene = shown(people, *others)
    try:
        given = submit(url, scene.submission, known)
    except LineageError as error:
        return {"code": error.code}
    times = []
    for text in vkeys:
        lines = verify_lines(scene.text, given.lines, Vkey.parse(text))
        assert lines is not None
        times.append([line.time_s for line in lines])
    return {"times_s": times, "requests": given.requests, "held_size": given.held_size}


class Recorder:
    """Writes transcripts of what is said to the witness at `url`."""

    def __init__(self, url: str, source: str, prefix: str, vkeys: list[str]) -> None:
        self._url = url
        self._source = source
        self._prefix = prefix
        self._vkeys = vkeys

    def record(self, name: str, what: str, people: int, known: int = 0, *others: str) -> None:
        exchanges: list[dict[str, Any]] = []

        def forward(request: Request) -> Sent:
            status, media, body = _forwarded(self._url, request)
            said = {"request": request.body.decode(), "status": status, "media": media}
            exchanges.append(said | {"body": body.decode()})
            return answer_of(status, body, media)

        with serving(forward) as between:
            came = outcome(between.url, people, known, self._vkeys, *others)
        made = {
            "what": what,
            "source": self._source,
            "vkeys": self._vkeys,
            "people": people,
            "others": others,
        }
        made |= {"known_size": known, "exchanges": exchanges, "outcome": came}
        path = FOLDER / f"{self._prefix}-{name}.json"
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")


def _forwarded(url: str, request: Request) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request("POST", request.line.split(" ")[1], request.body)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read()
    finally:
        connection.close()


def record_spec() -> None:
    """By the text of the specification."""
    with witnessing(OLD, NEW) as (witness, server):
        witness.time_s = lambda: TIME_S
        recorder = Recorder(server.url, SPEC, "spec", [str(OLD.vkey), str(NEW.vkey)])
        recorder.record("200-first", "a witness that knows nothing yet; it signs by 0x04 and by 0x06", 2)
        recorder.record(
            "200-grown", "the log has grown, and the client knows what the witness holds", 4, size_of(2)
        )
        recorder.record("200-again", "the same log checkpoint once more", 4, size_of(4))
        recorder.record("409-forgotten", "the client has forgotten what the witness holds", 5)
        recorder.record("409-older", "the client knows less than the witness holds", 7, size_of(2))
        recorder.record("409-ahead", "the witness holds more than the client shows", 3, size_of(2))
        recorder.record(
            "422-fork", "another history, from the size that the witness holds", 2, size_of(7), *"abcdefg"
        )
        _record_refusals(witness, recorder)


def _record_refusals(witness: MadeWitness, recorder: Recorder) -> None:
    statuses = {
        400: b"bad request",
        403: b"no signature",
        404: b"unknown log",
        429: b"",
        500: b"oops",
        503: b"later",
    }
    for status, body in statuses.items():
        witness.instead = _always(answer_of(status, body))
        recorder.record(f"{status}-refused", f"it answers {status}", 2)
    witness.instead = _always(answer_of(308, b"", Location="https://elsewhere.example/add-checkpoint"))
    recorder.record("308-redirect", "it answers that it is elsewhere", 2)


def _always(sent: bytes) -> Callable[[Request], Sent]:
    return lambda _request: sent


def record_peer() -> None:
    """By the peer."""
    with tempfile.TemporaryDirectory() as folder:
        with running(Path(folder) / "peer", ORIGIN, str(World().vkey)) as peer:
            recorder = Recorder(peer.url, PEER, "peer", [peer.vkey])
            recorder.record("200-first", "a witness that knows nothing yet", 2)
            recorder.record(
                "200-grown", "the log has grown, and the client knows what the witness holds", 4, size_of(2)
            )
            recorder.record("409-forgotten", "the client has forgotten what the witness holds", 5)
            recorder.record("409-ahead", "the witness holds more than the client shows", 3, size_of(2))
            recorder.record(
                "422-fork", "another history, from the size that the witness holds", 2, size_of(5), *"abcde"
            )
        with running(
            Path(folder) / "stranger", "log.example/other", str(World(origin="log.example/other").vkey)
        ) as peer:
            recorder = Recorder(peer.url, PEER, "peer", [peer.vkey])
            recorder.record("404-unknown", "it does not know the log", 2)
        with running(Path(folder) / "mistaken", ORIGIN, str(World(origin="log.example/other").vkey)) as peer:
            recorder = Recorder(peer.url, PEER, "peer", [peer.vkey])
            recorder.record("403-other-key", "it knows the log under another key", 2)


if __name__ == "__main__":
    record_spec()
    record_peer()

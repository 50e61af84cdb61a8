"""One exchange over HTTP: bounded in time and bytes, whoever answers, and whatever (SPEC §10.9)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from ledger import spec
from ledger.errors import RefusedInput, StoreFault
from ledger.net.exchange import Answer, Exchange, Prefix, parse_prefix
from tests.loopback import WAIT_S, Request, Sent, http, serving

SHORT_S = 0.3


def post(url: str, wait_s: float = WAIT_S, body: bytes = b"hello") -> Answer:
    with Exchange(url, wait_s) as exchange:
        return exchange.post("/add-checkpoint", body)


def unreachable(sent: Sent, wait_s: float = WAIT_S) -> str:
    """Why nothing is had of a server that answers so."""
    with serving(lambda _request: sent) as server, pytest.raises(StoreFault) as error:
        post(server.url, wait_s)
    assert error.value.code == "witness-unreachable"
    assert error.value.item == f"witness {server.url}"
    assert error.value.fix
    return error.value.reason


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("https://witness.example", Prefix("https", "witness.example", 443, "")),
        ("https://witness.example/", Prefix("https", "witness.example", 443, "")),
        ("http://witness.example/w/1//", Prefix("http", "witness.example", 80, "/w/1")),
        ("HTTP://[::1]:7380/x", Prefix("http", "::1", 7380, "/x")),
        ("http://127.0.0.1:1", Prefix("http", "127.0.0.1", 1, "")),
    ],
)
def test_a_url_is_a_prefix(url: str, prefix: Prefix) -> None:
    assert parse_prefix(url) == prefix


@pytest.mark.parametrize(
    "url",
    [
        "",
        "witness.example",
        "ftp://witness.example",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@witness.example",
        "https://user:word@witness.example",
        "https://witness.example?x=1",
        "https://witness.example/#there",
        "https://witness.example:port",
        "https://witness.example:70000",
        "https://[::1",
        "https://witness.example/a b",
        "https://witness.example/a\r\nX-Header: 1",
        "https://wïtness.example",
        "https://witness.example/" + "x" * spec.WITNESS_URL_CHARS_MAX,
    ],
)
def test_what_is_no_prefix_is_refused(url: str) -> None:
    with pytest.raises(RefusedInput) as error:
        Exchange(url, 1)
    assert error.value.code == "usage"
    assert "/add-checkpoint" in error.value.fix


def test_what_is_sent_and_what_comes_back() -> None:
    with serving(lambda _request: http(200, b"well\n", "text/x", Location="there")) as server:
        assert post(f"{server.url}/w1/") == Answer(200, "text/x", "there", b"well\n")
    (request,) = server.requests
    assert request.line == "POST /w1/add-checkpoint HTTP/1.1"
    assert request.body == b"hello"
    assert request.headers["host"] == server.url.removeprefix("http://")
    assert request.headers["content-length"] == "5"
    assert not {"cookie", "authorization"} & set(request.headers)


def test_a_connection_serves_several_exchanges() -> None:
    with serving(lambda request: http(200, request.body)) as server, Exchange(server.url, WAIT_S) as exchange:
        bodies = [exchange.post("/a", body).body for body in (b"1", b"2", b"3")]
    assert bodies == [b"1", b"2", b"3"]
    assert server.connections == 1


@pytest.mark.parametrize("says_so", [True, False])
def test_one_that_the_server_closed_is_opened_anew(says_so: bool) -> None:
    """Whether it said so, or closed without a word, as servers do with connections that are idle."""

    def answer(request: Request) -> Iterable[bytes]:
        yield http(200, request.body, **({"Connection": "close"} if says_so else {}))

    with serving(answer) as server, Exchange(server.url, WAIT_S) as exchange:
        assert [exchange.post("/a", body).body for body in (b"1", b"2")] == [b"1", b"2"]
    assert server.connections == 2


def test_an_answer_in_chunks() -> None:
    sent = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with serving(lambda _request: sent) as server:
        assert post(server.url).body == b"abcde"


def test_an_answer_that_ends_with_the_connection() -> None:
    with serving(lambda _request: iter([b"HTTP/1.0 200 OK\r\n\r\n", b"abc", b"de"])) as server:
        assert post(server.url).body == b"abcde"


def test_who_says_nothing_is_not_waited_for() -> None:
    def silent() -> Iterator[bytes]:
        server.stopped.wait(WAIT_S)
        yield http(200)

    with serving(lambda _request: silent()) as server, pytest.raises(StoreFault) as error:
        post(server.url, SHORT_S)
    assert error.value.reason == "it has not answered within 0.3 s"


@pytest.mark.parametrize("in_headers", [True, False])
def test_who_trickles_is_waited_for_no_longer(in_headers: bool) -> None:
    """Each byte comes in time; all of them would take a hundred times as long."""
    sent = http(200, b"x" * 3_000) if not in_headers else http(200, b"", X_Long="x" * 3_000)
    with (
        serving(lambda _request: server.slowly(sent, SHORT_S / 30)) as server,
        pytest.raises(StoreFault) as error,
    ):
        post(server.url, SHORT_S)
    assert error.value.reason == "it has not answered within 0.3 s"


def test_the_deadline_holds_for_all_exchanges_together() -> None:
    def answer(_request: Request) -> Sent:
        server.stopped.wait(SHORT_S / 3)
        return http(200, b"slow")

    with (
        serving(answer) as server,
        Exchange(server.url, SHORT_S) as exchange,
        pytest.raises(StoreFault) as error,
    ):
        list(map(exchange.post, repeat("/a", 30), repeat(b"")))
    assert error.value.code == "witness-unreachable"
    assert len(server.requests) < 10


def test_an_endless_answer_is_not_read_further() -> None:
    endless = "its answer has over 262,144 bytes, and was not read further"
    piece = b"x" * 16_384
    assert unreachable(chain(b"HTTP/1.1 200 OK\r\n\r\n", piece)) == endless
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert unreachable(chain(chunked, b"4000\r\n" + piece + b"\r\n")) == endless
    assert unreachable(chain(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100)) == endless
    over = http(200, b"x" * spec.WITNESS_ANSWER_BYTES_MAX)
    assert unreachable(over) == endless


def test_as_much_as_may_be_is_read() -> None:
    body = b"x" * (spec.WITNESS_ANSWER_BYTES_MAX - len(http(200)) - len("262144"))
    with serving(lambda _request: http(200, body)) as server:
        assert post(server.url).body == body


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n38D7EA4C68000\r\n",
    ],
)
def test_a_length_that_is_claimed_allocates_nothing(head: bytes) -> None:
    """A petabyte is announced, and nothing comes: what is missing is told, and no memory was asked for it."""
    assert unreachable(iter([head, b"few"])) == "what it answers is no HTTP (IncompleteRead)"


@pytest.mark.parametrize(
    "sent",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfew",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"",
    ],
)
def test_what_is_no_http_is_told(sent: bytes) -> None:
    reason = unreachable(iter([sent]))
    assert reason.startswith(("what it answers is no HTTP (", "it cannot be reached ("))


def test_nobody_at_home() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StoreFault) as error:
        post(f"http://127.0.0.1:{port}")
    assert error.value.code == "witness-unreachable"
    with pytest.raises(StoreFault) as error:
        post("http://nowhere.invalid")
    assert error.value.code == "witness-unreachable"


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(lambda _request: http(502)) as proxy,
        serving(lambda _request: http(200, b"itself")) as server,
    ):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert post(server.url).body == b"itself"
    assert not proxy.requests


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(lambda _request: http(200, b"sealed"), context) as server:
        with pytest.raises(StoreFault, match="its TLS certificate does not hold") as error:
            post(server.url)
        assert error.value.code == "witness-unreachable"
        assert not server.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert post(server.url).body == b"sealed"
        with pytest.raises(StoreFault):  # of another name than the certificate's
            post(server.url.replace("127.0.0.1", "localhost"))


def test_who_speaks_no_tls_is_not_waited_for() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        pytest.raises(StoreFault) as error,
    ):
        post(f"https://127.0.0.1:{listening.getsockname()[1]}", SHORT_S)
    assert error.value.reason == "it has not answered within 0.3 s"


def chain(first: bytes, then: bytes) -> Iterator[bytes]:
    yield first
    yield from repeat(then, 1_000)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1 alone, signed by itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a witness")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.KeyUsage(*[each in (0, 5) for each in range(9)]), critical=True
        )  # signs, certifies
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files

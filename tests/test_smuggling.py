"""Request smuggling at both documented setups: one message is one request, with the body it has.

Each message below is one for one reader and two for another. The second would be a request for
``/healthz``, so no such request may reach the application; its log tells. What the first one
stores, if anything, is the one body that RFC 9112 gives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.support.log import logged
from tests.support.nginx import Front, service_behind_nginx
from tests.support.people import PASSWORD
from tests.support.production import Certificate, ProductionServer, make_certificate
from tests.support.wire import chunked, converse, head

S = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"  # the one that is smuggled
LAST = b"0\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked"
BYTES = "Content-Type: application/octet-stream"


@dataclass(frozen=True)
class Message:
    """A PUT of a bare value, and the only value that it may store; None: it must be refused."""

    lines: tuple[str, ...]
    body: bytes
    whole: bytes | None = None
    first_line: str = ""  # instead of PUT


def both(*lines: str) -> Message:
    """By its chunks it ends at once; by its length, all of this is its body."""
    return Message(tuple(f"{line}".replace("ALL", str(len(LAST + S))) for line in lines), LAST + S)


def sized(*lines: str) -> Message:
    """By a length of 0 it ends at once; by ALL, the smuggled request is its body."""
    return Message(tuple(line.replace("ALL", str(len(S))) for line in lines), S)


def in_chunks(body: bytes) -> Message:
    """Chunks that two readers may cut differently."""
    return Message((CHUNKED,), body)


MESSAGES: dict[str, Message] = {
    # Both ends.
    "length and chunks": both("Content-Length: ALL", CHUNKED),
    "chunks and length": both(CHUNKED, "Content-Length: ALL"),
    "a short length and chunks": Message(("Content-Length: 4", CHUNKED), chunked(S)),
    "chunks and a short length": Message((CHUNKED, "Content-Length: 4"), chunked(S)),
    "chunks in HTTP/1.0": Message(
        (CHUNKED, f"Content-Length: {len(LAST + S)}"), LAST + S, first_line="PUT PATH HTTP/1.0"
    ),
    # Chunked, for some.
    "xchunked": both("Content-Length: ALL", "Transfer-Encoding: xchunked"),
    "chunked and more": both("Content-Length: ALL", "Transfer-Encoding: chunked, identity"),
    "identity, chunked": both("Content-Length: ALL", "Transfer-Encoding: identity, chunked"),
    "chunked in quotes": both("Content-Length: ALL", 'Transfer-Encoding: "chunked"'),
    "chunked in capitals": both("Content-Length: ALL", "Transfer-Encoding: CHUNKED"),
    "chunked behind a vertical tab": both("Content-Length: ALL", "Transfer-Encoding: \x0bchunked"),
    "chunked behind a tab": both("Content-Length: ALL", "Transfer-Encoding:\tchunked"),
    "chunked behind a NUL": both("Content-Length: ALL", "Transfer-Encoding: \x00chunked"),
    "chunked, twice": both("Content-Length: ALL", CHUNKED, CHUNKED),
    "chunked, then identity": both("Content-Length: ALL", CHUNKED, "Transfer-Encoding: identity"),
    "a coding with a space before the colon": both(
        "Content-Length: ALL", CHUNKED.replace(":", " :")
    ),
    "a coding on a folded line": both("Content-Length: ALL", "Transfer-Encoding:\r\n chunked"),
    "a coding behind a bare LF": both("Content-Length: ALL", f"X: y\n{CHUNKED}"),
    "a coding behind a bare CR": both("Content-Length: ALL", f"X: y\r{CHUNKED}"),
    "a coding with an underscore": Message(
        (f"Content-Length: {len(LAST + S)}", "Transfer_Encoding: chunked"), LAST + S, LAST + S
    ),
    # Lengths.
    "two lengths": sized("Content-Length: 0", "Content-Length: ALL"),
    "two lengths, the other way": sized("Content-Length: ALL", "Content-Length: 0"),
    "a list of lengths": sized("Content-Length: 0, ALL"),
    "one length twice": Message((f"Content-Length: {len(S)}",) * 2, S, S),
    "a length with a space before the colon": sized("Content-Length : ALL"),
    "a length on a folded line": sized("Content-Length:\r\n ALL"),
    "a folded line that looks like a length": sized("X: y\r\n Content-Length: ALL"),
    # Such a line may be read as one that ended (section 2.2). Then the length counts, all of it.
    "a length behind a bare LF": Message((f"X: y\nContent-Length: {len(S)}",), S, S),
    "a length behind a bare CR": sized("Content-Length: ALL", "X: y\rContent-Length: 0"),
    "a length with a sign": sized("Content-Length: +ALL"),
    "a length in hexadecimal": sized("Content-Length: 0xALL"),
    "a length with an underscore": Message(
        (f"Content-Length: {len(S)}", "Content_Length: 0"), S, S
    ),
    "an honest length": Message((f"Content-Length: {len(S)}",), S, S),
    # Chunks.
    "an LF that ends an extension": in_chunks(
        b"2;\nxx\r\n%02x\r\n" % len(LAST + S) + LAST + S + b"\r\n" + LAST
    ),
    "a CR that ends an extension": in_chunks(
        b"2;\rxx\r\n%02x\r\n" % len(LAST + S) + LAST + S + b"\r\n" + LAST
    ),
    "an extension in quotes": in_chunks(b'1;x="\r\n' + LAST + S + b'"\r\nx\r\n' + LAST),
    "sizes that end in LF": in_chunks(b"1\nx\n0\n\n" + S),
    "a size with a sign": in_chunks(b"+1\r\nx\r\n" + LAST + S),
    "a size with 0x": in_chunks(b"0x1\r\nx\r\n" + LAST + S),
    "a size beyond 64 bits": in_chunks(b"1" + b"0" * 16 + b"\r\n\r\n" + S),
    "a chunk longer than its size": in_chunks(b"1\r\nxyz0\r\n\r\n" + S),
    "a length among the trailers": Message((CHUNKED,), b"0\r\nContent-Length: 9\r\n\r\n", b""),
    # Bodies that the application does not read.
    "the body of a GET": Message(
        (f"Content-Length: {len(S)}",), S, first_line="GET /account HTTP/1.1"
    ),
    "the chunks of a GET": Message((CHUNKED,), chunked(S), first_line="GET /account HTTP/1.1"),
    "the body of an unknown method": Message(
        (f"Content-Length: {len(S)}",), S, first_line="BREW PATH HTTP/1.1"
    ),
    # Whom it is for.
    "two hosts": Message(("Host: evil.example", "Content-Length: 1"), b"x"),
    "another host in the target": Message(
        ("Content-Length: 1",), b"x", b"x", first_line="PUT https://evil.examplePATH HTTP/1.1"
    ),
}


@dataclass
class Setup:
    """A server that speaks TLS, alice's cookies, and the log of the application behind it."""

    name: str
    port: int
    certificate: Certificate
    log: Path
    cookies: str = field(default="", repr=False)

    def path(self, name: str) -> str:
        """Of the secret that a message would write."""
        return "/secrets/" + name.replace(" ", "-").replace(",", "")

    def responses(self, name: str, message: Message) -> bytes:
        """Everything that comes back."""
        start = head(
            "PUT", self.path(name), self.port, BYTES, f"Cookie: {self.cookies}", *message.lines
        )
        if message.first_line:
            start = (
                message.first_line.replace("PATH", self.path(name)).encode()
                + start[start.index(b"\r\n") :]
            )
        return converse(self.port, start + message.body, tls=self.certificate.context())

    def stored(self, name: str) -> bytes | None:
        """What the application kept."""
        answer = requests.get(
            f"https://127.0.0.1:{self.port}{self.path(name)}",
            headers={"Cookie": self.cookies, "Accept": "application/octet-stream"},
            verify=str(self.certificate.authority),
            timeout=60,
        )
        return answer.content if answer.ok else None

    def smuggled(self) -> int:
        """How many requests for /healthz reached the application."""
        return sum(line["route"] == "/healthz" for line in logged(self.log, "request"))


def log_in(front: Front | ProductionServer, certificate: Certificate, log: Path) -> Setup:
    """The setup, with an account for alice."""
    credentials = {"username": "alice", "password": PASSWORD}
    verify = str(certificate.authority)
    for path in ("/register", "/login"):
        answer = requests.post(front.url + path, json=credentials, verify=verify, timeout=60)
        answer.raise_for_status()
    pairs = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
    name = "nginx" if isinstance(front, Front) else "own TLS"
    return Setup(name, front.port, certificate, log, pairs)


@pytest.fixture(scope="module", params=["own TLS", "nginx"])
def setup(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Setup]:
    """Both that docs/operation.md describes."""
    folder = tmp_path_factory.mktemp("setup")
    certificate = make_certificate(folder)
    if request.param == "nginx":
        with service_behind_nginx(folder, certificate) as front:
            yield log_in(front, certificate, front.server.log)
    else:
        server = ProductionServer(folder / "instance", certificate=certificate)
        with server:
            yield log_in(server, certificate, server.log)


def test_one_message_is_one_request(setup: Setup) -> None:
    """At most one answer comes, nothing is smuggled, and nothing but the whole body is kept."""
    with ThreadPoolExecutor(12) as pool:
        replies = pool.map(lambda item: setup.responses(*item), MESSAGES.items())
    answers = {name: reply.count(b"HTTP/1.") for name, reply in zip(MESSAGES, replies, strict=True)}
    assert {name for name, count in answers.items() if count > 1} == set()
    assert setup.smuggled() == 0
    kept = {name: setup.stored(name) for name in MESSAGES}
    wrong = {
        name: value for name, value in kept.items() if value not in {None, MESSAGES[name].whole}
    }
    assert wrong == {}
    # The control of the experiment: some did arrive, as what they are.
    assert kept["an honest length"] == S


def test_two_messages_are_two_requests(setup: Setup) -> None:
    """The control of the experiment: a second answer would be seen, and a smuggled request
    would be in the log."""
    before = setup.smuggled()
    message = Message((), S, first_line="GET /account HTTP/1.1")
    assert setup.responses("two", message).count(b"HTTP/1.1 200") == 2
    assert setup.smuggled() == before + 1

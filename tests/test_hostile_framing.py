"""Bodies whose end is unclear, cut or a lie, at both servers: never is a part kept as the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.production import ProductionServer
from tests.support.target import JSON, SERVERS, SLOWEST, TEXT, Target, assert_refused, under_attack
from tests.support.wire import Reply, abandon, chunked, exchange, head

CHUNKED = "Transfer-Encoding: chunked"
VALUE = b"a canary in full"
OVER = b"canary" * 100_000  # more than the 512 KiB that a body may have


@dataclass(frozen=True)
class Frame:
    """A request body that must not be taken for a whole one."""

    lines: tuple[str, ...]
    body: bytes
    hang_up: bool = False


def text(*lines: str, body: bytes = VALUE, hang_up: bool = False) -> Frame:
    """A bare value, whose end only the framing can tell."""
    return Frame((TEXT, *lines), body, hang_up)


def json(*lines: str, body: bytes, hang_up: bool = False) -> Frame:
    """A value in JSON."""
    return Frame((JSON, *lines), body, hang_up)


OBJECT = b'{"secret": "a canary in full"}'
FRAMES: dict[str, Frame] = {
    # Lengths that are none.
    "length of letters": text("Content-Length: abc"),
    "length of letters and digits": text("Content-Length: 5x"),
    "length with a sign": text("Content-Length: +16"),
    "negative length": text("Content-Length: -1"),
    "length with a point": text("Content-Length: 16.0"),
    "length in hexadecimal": text("Content-Length: 0x10"),
    "length with a space": text("Content-Length: 1 6"),
    "list of lengths": text("Content-Length: 16, 16"),
    "list of other lengths": text("Content-Length: 5, 16"),
    "length beyond all numbers": text("Content-Length: " + "9" * 30, hang_up=True),
    "length of 5000 digits": text("Content-Length: " + "9" * 5000, hang_up=True),
    # Lengths that are lies.
    "value cut": text("Content-Length: 17", hang_up=True),
    "value cut at once": text("Content-Length: 16", body=b"", hang_up=True),
    "value cut after a byte": text("Content-Length: 16", body=b"a", hang_up=True),
    "large value cut": text("Content-Length: 65536", body=b"canary" * 10_000, hang_up=True),
    "bytes cut": Frame(
        ("Content-Type: application/octet-stream", "Content-Length: 17"), VALUE, hang_up=True
    ),
    "untyped bytes cut": Frame(("Content-Length: 17",), VALUE, hang_up=True),
    "object cut": json("Content-Length: 99", body=OBJECT, hang_up=True),
    "object longer than it says": json("Content-Length: 20", body=OBJECT),
    "over the limit and cut": text("Content-Length: 600001", body=OVER, hang_up=True),
    "far over the limit and cut": text("Content-Length: 99999999", hang_up=True),
    # Two ends.
    "length and chunks": text(CHUNKED, "Content-Length: 16", body=chunked(VALUE)),
    "length of the value and chunks": text("Content-Length: 5", CHUNKED, body=chunked(VALUE)),
    # Codings that nobody here undoes.
    "gzip": text("Transfer-Encoding: gzip"),
    "gzip and length": text("Transfer-Encoding: gzip", "Content-Length: 16"),
    "gzip, chunked": text("Transfer-Encoding: gzip, chunked", body=chunked(VALUE)),
    "object under gzip, chunked": json("Transfer-Encoding: gzip, chunked", body=chunked(OBJECT)),
    "object under chunked twice": json("Transfer-Encoding: chunked, chunked", body=chunked(OBJECT)),
    "chunked, gzip": text("Transfer-Encoding: chunked, gzip", body=chunked(VALUE)),
    "chunked twice": text("Transfer-Encoding: chunked, chunked", body=chunked(VALUE)),
    "identity": text("Transfer-Encoding: identity", body=VALUE),
    "something like chunked": text("Transfer-Encoding: xchunked", body=chunked(VALUE)),
    "quoted chunked": text('Transfer-Encoding: "chunked"', body=chunked(VALUE)),
    # Chunks: a bare value in them ends where the client went away.
    "value in chunks": text(CHUNKED, body=chunked(VALUE)),
    "nothing in chunks": text(CHUNKED, body=chunked()),
    "chunks cut between": text(CHUNKED, body=chunked(b"a cana", last=False), hang_up=True),
    "chunks cut within": text(CHUNKED, body=b"10\r\na cana", hang_up=True),
    "chunks cut before the last": text(CHUNKED, body=chunked(VALUE)[:-5], hang_up=True),
    "chunks cut in a size": text(CHUNKED, body=chunked(b"a cana", last=False) + b"1", hang_up=True),
    "size of letters": text(CHUNKED, body=b"10\r\n" + VALUE + b"\r\nzz\r\n\r\n"),
    "negative size": text(CHUNKED, body=b"-10\r\n" + VALUE + b"\r\n0\r\n\r\n"),
    "size too small": text(CHUNKED, body=b"5\r\n" + VALUE + b"\r\n0\r\n\r\n"),
    "size too large": text(CHUNKED, body=b"11\r\n" + VALUE + b"\r\n0\r\n\r\n", hang_up=True),
    "size beyond all numbers": text(CHUNKED, body=b"f" * 40 + b"\r\n" + VALUE, hang_up=True),
    "size line without end": text(CHUNKED, body=b"1" * 5000, hang_up=True),
    "object in chunks cut": json(CHUNKED, body=chunked(OBJECT[:-2], last=False), hang_up=True),
    "object in a chunk cut": json(CHUNKED, body=b"1e\r\n" + OBJECT[:-2], hang_up=True),
    "object in broken chunks": json(CHUNKED, body=chunked(OBJECT[:9], last=False) + b"zz\r\n\r\n"),
    # Over the limit, which a server may not answer by cutting.
    "value over the limit in chunks": text(CHUNKED, body=chunked(OVER)),
    "value over the limit in small chunks": text(CHUNKED, body=chunked(*([b"canary" * 500] * 200))),
    "value over the limit in chunks, cut": text(
        CHUNKED, body=chunked(OVER, last=False), hang_up=True
    ),
    "value over the limit in broken chunks": text(
        CHUNKED, body=chunked(OVER, last=False) + b"zz\r\n\r\n"
    ),
    "value over its own limit in chunks": json(
        CHUNKED, body=chunked(b'{"secret": "' + b"x" * 65_537 + b'"}')
    ),
    "object over the limit in chunks": json(
        CHUNKED, body=chunked(b'{"secret": "canary"}' + b" " * 600_000)
    ),
    # A part of something.
    "a range": text("Content-Range: bytes 0-15/100", "Content-Length: 16"),
    "compressed": text("Content-Encoding: gzip", "Content-Length: 16"),
}


@pytest.fixture(scope="module", params=SERVERS)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """Both servers that the service runs under."""
    with under_attack(request.param(tmp_path_factory.mktemp("target")), "") as attacked:
        yield attacked


@pytest.mark.parametrize("path", ["/secrets/a", "/secrets/new"])
@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
def test_a_body_that_is_not_clearly_whole_is_not_kept(
    target: Target, frame: Frame, path: str
) -> None:
    """Refused with 4xx, by the application or the server before it, or hung up on; soon."""
    before = target.content()
    reply = target.send("PUT", path, *frame.lines, body=frame.body, hang_up=frame.hang_up)
    assert reply.status == 0 or 400 <= reply.status < 500, reply
    assert reply.seconds < SLOWEST
    assert b"canary" not in reply.body
    assert target.content() == before


@pytest.mark.parametrize(
    "frame", [frame for frame in FRAMES.values() if frame.hang_up], ids=lambda frame: frame.lines
)
def test_what_a_client_sent_before_it_vanished_is_not_kept(target: Target, frame: Frame) -> None:
    """Without a goodbye: the connection is reset, and nobody waits for the answer."""
    before, port = target.content(), target.server.port
    start = head("PUT", "/secrets/new", port, f"Cookie: {target.cookies}", *frame.lines)
    abandon(port, start, frame.body)
    for _ in range(3):  # an answer on another connection comes after what was under way
        assert target.send("GET", "/account").status == 200
    assert target.content() == before


@pytest.mark.parametrize("value", [VALUE, b"x" * 65_536], ids=["short", "longest"])
@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_an_object_in_chunks_is_kept_whole(target: Target, value: bytes, size: int) -> None:
    """JSON says itself where it ends."""
    whole = b'{"secret": "' + value + b'"}'
    if len(whole) // size > 10_000:
        whole, value = OBJECT, VALUE
    body = chunked(*(whole[start : start + size] for start in range(0, len(whole), size)))
    reply = target.send("PUT", "/secrets/a", JSON, CHUNKED, body=body)
    assert reply.status == 200, reply.body
    assert target.bare_value("a") == value


def test_of_two_ends_the_length_is_never_believed(target: Target) -> None:
    """Refused here; granian goes by the chunks and drops the length before we see it, which
    RFC 9112 section 6.3 allows. Neither keeps the object that the length would make."""
    body = chunked(OBJECT)
    reply = target.send("PUT", "/secrets/two", JSON, CHUNKED, "Content-Length: 5", body=body)
    if isinstance(target.server, ProductionServer):
        assert (reply.status, target.bare_value("two")) == (201, VALUE)
    else:
        assert_refused(reply, {400})
        assert target.bare_value("two") is None


@pytest.mark.parametrize("size", [0, 1, 65_536])
def test_a_value_of_an_honest_length_is_kept_whole(target: Target, size: int) -> None:
    """The control of the experiment: the refusals above are not about the value."""
    value = (VALUE * 4096)[:size]
    reply = target.send("PUT", "/secrets/a", TEXT, f"Content-Length: {size}", body=value)
    assert reply.status == 200, reply.body
    assert target.bare_value("a") == value


def test_a_client_may_ask_before_it_sends(target: Target) -> None:
    """``Expect: 100-continue``, which curl sends before a large body."""
    port, expect = target.server.port, "Expect: 100-continue"
    for body, status in ((VALUE, 200), (OVER, 413)):
        lines = (TEXT, f"Content-Length: {len(body)}", expect, f"Cookie: {target.cookies}")
        reply = exchange(port, head("PUT", "/secrets/a", port, *lines), body)
        assert (reply.status, reply.seconds < SLOWEST) == (status, True)
    assert target.bare_value("a") == VALUE


@pytest.mark.parametrize(
    "lines",
    [("Content-Length: 600000",), (CHUNKED,)],
    ids=["length", "chunks"],
)
def test_over_the_limit_the_answer_is_a_whole_problem(
    target: Target, lines: tuple[str, ...]
) -> None:
    """413 from the application, which the client reads although it was still sending."""
    body = chunked(OVER) if CHUNKED in lines else OVER
    for method, path in (("PUT", "/secrets/a"), ("POST", "/secrets"), ("PATCH", "/secrets/a")):
        assert_refused(target.send(method, path, JSON, *lines, body=body), {413})


def test_a_bare_value_in_chunks_is_told_what_to_do(target: Target) -> None:
    """411 with both ways out."""
    reply: Reply = target.send("PUT", "/secrets/a", TEXT, CHUNKED, body=chunked(VALUE))
    assert_refused(reply, {411})
    assert b"Content-Length" in reply.body
    assert b"JSON" in reply.body

"""A client that hangs up within a chunk: the body breaks off there, and nothing else is in it."""

from __future__ import annotations

import io

import pytest
from werkzeug.serving import DechunkedInput

from tests.support.people import Person, problem
from tests.support.wire import chunked


def put_chunked(person: Person, sent: bytes) -> tuple[int, str]:
    """PUT *sent* through the development server's own reader of chunks."""
    response = person.put(
        "/secrets/a",
        headers={"Content-Type": "application/json", "Transfer-Encoding": "chunked"},
        environ_overrides={
            "wsgi.input": DechunkedInput(io.BytesIO(sent)),
            "wsgi.input_terminated": True,
        },
    )
    return response.status_code, problem(response) if response.status_code >= 400 else ""


@pytest.mark.parametrize("announced", [200, 65_536, 500_000, 16**39])
def test_a_body_cut_within_a_chunk_is_not_filled_up(alice: Person, announced: int) -> None:
    """Filled with what lies behind it in memory, it was other people's secrets, or a crash.

    Without the check, the largest is answered 413 on every Python: so much was made up.
    """
    sent = b"%x\r\n{" % announced
    assert put_chunked(alice, sent) == (400, "bad-request")


@pytest.mark.parametrize("size", [1, 7, 65_535, 65_536, 65_537])
def test_whole_chunks_of_any_size_are_read(alice: Person, size: int) -> None:
    """The control: what is checked for is the cut, not the size."""
    body = b'{"secret": "' + b"x" * 60_000 + b'"}' + b" " * 100_000
    step = max(size, 20)
    parts = (body[start : start + step] for start in range(0, len(body), step))
    assert put_chunked(alice, chunked(*parts)) == (201, "")
    assert alice.get("/secrets/a").json["secret"] == "x" * 60_000  # type: ignore[index]

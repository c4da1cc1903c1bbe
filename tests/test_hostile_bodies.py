"""Bodies that are no request, at a real server: each is refused soon, and nothing is stored."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.conftest import ENGINES
from tests.support.hostile import BODIES, CONTENT_TYPES, SURROGATES
from tests.support.postgres import PostgresServer
from tests.support.server import Server
from tests.support.target import Target, assert_refused, under_attack

# Every call that takes a body. A logout or refresh that went through would show in the tables.
CALLS = (
    *(("POST", path) for path in ("/secrets", "/register", "/login", "/refresh", "/logout")),
    *((method, "/secrets/a") for method in ("PUT", "PATCH", "DELETE")),
)
TAKE_NOTHING = {"/refresh", "/logout"}


@pytest.fixture(scope="module", params=ENGINES)
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """A real server on each engine."""
    url, environ = "", {}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        url = postgres.create_database(f"t{uuid.uuid4().hex}")
        environ = {"SECRETS_DATABASE_URL": url}
    server = Server(tmp_path_factory.mktemp("target") / "instance", environ)
    with under_attack(server, url) as attacked:
        yield attacked


@pytest.mark.parametrize(("body", "statuses"), BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_request_is_refused_by_every_call(
    target: Target, body: bytes, statuses: set[int]
) -> None:
    """400 where it does not parse, 422 where it says nothing; the tables stay as they were."""
    before = target.content()
    for method, path in CALLS:
        if body or not (path in TAKE_NOTHING or method == "DELETE"):
            assert_refused(target.post_json(method, path, body), statuses)
    assert target.content() == before


@pytest.mark.parametrize(("method", "path", "body"), SURROGATES.values(), ids=SURROGATES.keys())
def test_half_a_character_is_refused_wherever_it_stands(
    target: Target, method: str, path: str, body: str
) -> None:
    """It can be written in JSON, and nowhere else: not in UTF-8, not in a database."""
    before = target.content()
    assert_refused(target.post_json(method, path, body.encode()), {400})
    assert target.content() == before


@pytest.mark.parametrize("lines", CONTENT_TYPES.values(), ids=CONTENT_TYPES.keys())
def test_json_must_be_called_json(target: Target, lines: tuple[str, ...]) -> None:
    """415 with what to send. PUT is left out: it takes values under other types."""
    before = target.content()
    body = b'{"name": "canary", "secret": "canary"}'
    for method, path in CALLS:
        if method != "PUT":
            length = f"Content-Length: {len(body)}"
            assert_refused(target.send(method, path, *lines, length, body=body), {415})
    assert target.content() == before


@pytest.mark.parametrize(
    "line",
    [
        "Content-Type: application/json; charset=UTF-8",
        'Content-Type: Application/JSON;charset="utf8"',
        "Content-Type: application/json; profile=x",
    ],
)
def test_json_may_be_called_json_in_other_words(target: Target, line: str) -> None:
    """The control of the experiment: what is refused above is refused for a reason."""
    body = b'{"secret": "before"}'
    reply = target.send("PUT", "/secrets/a", line, f"Content-Length: {len(body)}", body=body)
    assert reply.status == 200


@pytest.mark.parametrize("size", [524_289, 600_000, 2_000_000])
def test_a_body_over_the_limit_is_refused_by_every_call(target: Target, size: int) -> None:
    """Read to its end and thrown away, so that the client sees the answer and not a reset."""
    before = target.content()
    body = b'{"name": "b", "secret": "' + b"canary" * (size // 6) + b'"}'
    for method, path in CALLS:
        assert_refused(target.post_json(method, path, body), {413})
    bare = f"Content-Length: {len(body)}"
    for kind in ("text/plain", "application/octet-stream"):
        reply = target.send("PUT", "/secrets/a", f"Content-Type: {kind}", bare, body=body)
        assert_refused(reply, {413})
    assert target.content() == before


def test_who_is_not_logged_in_learns_nothing_from_a_body(target: Target) -> None:
    """The session comes first: a stranger gets 401 whatever the body is."""
    stranger = Target(target.server, target.db, target.master, "nothing=here")
    for body in (b"", b"canary", b"[" * 100_000, b'{"name": "a", "secret": "x"}'):
        for method, path in CALLS:
            if path not in {"/register", "/login", "/refresh"}:
                assert_refused(stranger.post_json(method, path, body), {401})

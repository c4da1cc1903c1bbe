"""Conditional writes: compare-and-set with If-Match, create-only with If-None-Match."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask

from tests.conftest import ENGINES
from tests.support.people import PASSWORD, Person
from tests.support.server import Server
from tests.support.shared import module_app, newcomer, refusal

FAILED = (412, "precondition-failed")
WRITES: dict[str, tuple[str, dict[str, Any]]] = {
    "PUT": ("PUT", {"json": {"secret": "new"}}),
    "PUT bare": ("PUT", {"data": b"new", "content_type": "text/plain"}),
    "PATCH value": ("PATCH", {"json": {"secret": "new"}}),
    "PATCH labels": ("PATCH", {"json": {"labels": {"env": "new"}}}),
    "DELETE": ("DELETE", {}),
}

app = module_app()


@pytest.fixture
def alice(app: Flask) -> Person:
    """Alice, logged in, with no secrets."""
    return newcomer(app, "alice")


def write(person: Person, how: str, **headers: str) -> Any:
    """One of WRITES to the secret a, with these headers (``If_Match="*"``)."""
    method, options = WRITES[how]
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return person.request(method, "/secrets/a", headers=sent, **options)


def tag_of(person: Person) -> str:
    """The current tag of the secret a, created if need be."""
    if person.get("/secrets/a").status_code == 404:
        person.put("/secrets/a", json={"secret": "before"})
    return person.get("/secrets/a").headers["ETag"]


def state(person: Person) -> Any:
    """All that can be known of the secret a."""
    answer = person.get("/secrets/a")
    return answer.status_code, answer.headers.get("ETag"), (answer.json or {}).get("secret")


# --- If-Match -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WRITES)
@pytest.mark.parametrize(
    "header",
    ["{tag}", '"stale", {tag}', '{tag},"stale"', "*", " * ", '{tag} , "" , W/"x"', ",{tag},"],
)
def test_a_write_happens_if_the_state_is_named(alice: Person, how: str, header: str) -> None:
    """Its tag, a list with it, or * for any state at all."""
    answer = write(alice, how, If_Match=header.format(tag=tag_of(alice)))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "header", ['"stale"', "W/{tag}", '"a", "b"', '""', '"*"', '"{bare}x"', '"{upper}"']
)
def test_a_write_is_refused_in_any_other_state(alice: Person, header: str) -> None:
    """412, nothing changes; a weak tag never matches here, not even its own."""
    tag = tag_of(alice)
    before = state(alice)
    sent = header.format(tag=tag, bare=tag.strip('"'), upper=tag.strip('"').swapcase())
    for how in WRITES:
        assert refusal(write(alice, how, If_Match=sent)) == FAILED, how
    assert state(alice) == before


@pytest.mark.parametrize("how", WRITES)
def test_a_lost_update_is_noticed(alice: Person, how: str) -> None:
    """Somebody else wrote in between, whatever of the secret they wrote."""
    for change in ({"secret": "theirs"}, {"labels": {"by": "them"}}, {"expires_at": None}):
        mine = tag_of(alice)
        assert alice.patch("/secrets/a", json=change).status_code == 200
        assert refusal(write(alice, how, If_Match=mine)) == FAILED


@pytest.mark.parametrize("header", ['"x"', "*"])
def test_nothing_matches_what_is_not_there(alice: Person, header: str) -> None:
    """An absent, a deleted and an expired secret have no state to match."""
    for _ in range(2):
        for how, expected in (("PUT", FAILED), ("PATCH value", (404, "not-found"))):
            assert refusal(write(alice, how, If_Match=header)) == expected
        alice.put("/secrets/a", json={"secret": "x"})
        alice.delete("/secrets/a")
    alice.put("/secrets/a", json={"secret": "x", "expires_at": "2001-01-01T00:00:00Z"})
    assert refusal(write(alice, "PUT", If_Match=header)) == FAILED


# --- If-None-Match ------------------------------------------------------------------------------


def test_a_star_creates_and_never_overwrites(alice: Person) -> None:
    """For two scripts that both make the secret if it is missing."""
    star = {"If_None_Match": "*"}
    assert write(alice, "PUT", **star).status_code == 201
    before = state(alice)
    for how in WRITES:
        assert refusal(write(alice, how, **star)) == FAILED
    assert state(alice) == before
    alice.delete("/secrets/a")
    assert write(alice, "PUT bare", **star).status_code == 201


@pytest.mark.parametrize(
    ("header", "status"),
    [("{tag}", 412), ("W/{tag}", 412), ('"x", {tag}', 412), ('"x"', 200), ('""', 200)],
)
def test_a_state_can_be_ruled_out(alice: Person, header: str, status: int) -> None:
    """Compared weakly, as the header is."""
    answer = write(alice, "PUT", If_None_Match=header.format(tag=tag_of(alice)))
    assert answer.status_code == status


def test_both_headers_must_hold(alice: Person) -> None:
    """If-Match names the state, If-None-Match rules it out."""
    tag = tag_of(alice)
    assert refusal(write(alice, "PUT", If_Match=tag, If_None_Match=tag)) == FAILED
    assert refusal(write(alice, "PUT", If_Match='"x"', If_None_Match='"y"')) == FAILED
    assert write(alice, "PUT", If_Match=tag, If_None_Match='"y"').status_code == 200


# --- what is no condition -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["If_Match", "If_None_Match"])
@pytest.mark.parametrize(
    "header",
    [
        *("", " ", ",", ", ,", "{bare}", '"{bare}', '{bare}"', "'{bare}'", "W/{bare}", "w/{tag}"),
        *('"stale", *', '*, "stale"', "**", '"a" b', '"a b"', "{tag}; q=1", "W/", '"a"b"'),
        '"\x7f"',
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(alice: Person, name: str, header: str) -> None:
    """400: taken for no condition, it would turn a compare-and-set into an overwrite."""
    tag = tag_of(alice)
    before = state(alice)
    for how in WRITES:
        answer = write(alice, how, **{name: header.format(tag=tag, bare=tag.strip('"'))})
        assert refusal(answer) == (400, "malformed-request"), how
    assert state(alice) == before


# --- at the same time ---------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_of_racing_writers_exactly_one_wins_each_state(
    engine: str, database_url: str, tmp_path: Path
) -> None:
    """Threads count together by compare-and-set on a real server: no step is lost or done twice."""
    with Server(tmp_path / "instance", {"SECRETS_DATABASE_URL": database_url}) as server:
        credentials = {"username": "alice", "password": PASSWORD}
        requests.post(server.url + "/register", json=credentials, timeout=30)
        login = requests.post(server.url + "/login", json=credentials, timeout=30)
        url, cookies = server.url + "/secrets/counter", login.cookies
        racers = [requests.Session() for _ in range(4)]
        created = _together(
            lambda racer: (
                racer.put(
                    url,
                    data=b"0",
                    cookies=cookies,
                    timeout=30,
                    headers={"If-None-Match": "*"} | TEXT,
                ).status_code
            ),
            racers,
        )
        assert sorted(created) == [201, 412, 412, 412]

        def count_to_five(racer: requests.Session) -> int:
            steps = 0
            while steps < 5:
                now = racer.get(url, cookies=cookies, headers={"Accept": "text/plain"}, timeout=30)
                put = racer.put(
                    url,
                    data=str(int(now.text) + 1),
                    cookies=cookies,
                    headers={"If-Match": now.headers["ETag"]} | TEXT,
                    timeout=30,
                )
                assert put.status_code in {200, 412}
                steps += put.ok
            return steps

        assert _together(count_to_five, racers) == [5, 5, 5, 5]
        found = requests.get(url, cookies=cookies, timeout=30).json()
        assert (found["secret"], found["version"]) == ("20", 21)


TEXT = {"Content-Type": "text/plain"}


def _together(work: Any, racers: list[requests.Session]) -> list[int]:
    """What *work* returns for each of *racers*, started at once."""
    results: list[int] = []
    barrier = threading.Barrier(len(racers))

    def run(racer: requests.Session) -> None:
        barrier.wait()
        results.append(work(racer))

    threads = [threading.Thread(target=run, args=(racer,)) for racer in racers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for racer in racers:
        racer.close()
    return results

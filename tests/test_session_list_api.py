"""A caller's sessions over HTTP: what is told of each, and how they are ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask

from models.times import rfc3339, utcnow
from tests.support.people import ORIGIN, Person
from tests.support.shared import module_app, newcomer, pointers, refusal, shared_app
from tests.support.tokens import ACCESS, REFRESH, cookie, present

ENDED = (401, "not-authenticated")
FIELDS = {
    *("id", "created_at", "last_used_at", "expires_at", "idle_expires_at"),
    *("address", "client", "current"),
}

shared = module_app()


@pytest.fixture
def ada(shared: Flask) -> Person:
    """Somebody with a new account, logged in."""
    return newcomer(shared, "ada")


@pytest.fixture
def clock() -> Iterator[Callable[[timedelta], None]]:
    """``clock(timedelta(days=1))``: that long after now, exactly."""
    start = utcnow() + timedelta(seconds=1)
    with time_machine.travel(start, tick=False) as traveller:
        yield lambda later: traveller.move_to(start + later)


def device(app: Flask, owner: Person, **options: Any) -> Person:
    """Another device of the same person, logged in."""
    other = Person(app, owner.username)
    body = {"username": owner.username, "password": owner.password}
    assert other.post("/login", json=body, **options).status_code == 200
    return other


def listed(person: Person, query: str = "") -> list[dict[str, Any]]:
    """The person's sessions."""
    response = person.get(f"/sessions{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json["sessions"]  # type: ignore[index]
    return found


# --- GET /sessions -----------------------------------------------------------------------------


def test_a_session_tells_when_from_where_and_with_which_program(
    shared: Flask, ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """What its owner needs to recognise it, and no token."""
    clock(timedelta(0))
    now = utcnow()
    phone = device(
        shared,
        ada,
        headers={"User-Agent": "phone/1.0"},
        environ_base={"REMOTE_ADDR": "203.0.113.9"},
    )
    (found, other) = listed(phone)
    assert set(found) == FIELDS
    assert {name: value for name, value in found.items() if name != "id"} == {
        "created_at": rfc3339(now),
        "last_used_at": rfc3339(now),
        "expires_at": rfc3339(now + timedelta(days=30)),
        "idle_expires_at": rfc3339(now + timedelta(days=7)),
        "address": "203.0.113.9",
        "client": "phone/1.0",
        "current": True,
    }
    assert other["current"] is False
    assert [one["current"] for one in listed(ada)] == [False, True]


def test_a_refresh_tells_where_the_session_has_moved(
    ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """A copied cookie that is refreshed elsewhere shows by its address."""
    ((before),) = listed(ada)
    clock(timedelta(days=1))
    moved = ada.post(
        "/refresh",
        headers={"User-Agent": "curl/8"},
        environ_base={"REMOTE_ADDR": "2001:DB8:0::7%eth0"},
    )
    assert moved.status_code == 200
    ((after),) = listed(ada)
    assert (after["id"], after["created_at"]) == (before["id"], before["created_at"])
    assert after["last_used_at"] == rfc3339(utcnow())
    assert (after["address"], after["client"]) == ("2001:db8::7", "curl/8")
    assert after["idle_expires_at"] > before["idle_expires_at"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("", ""),
        ("x" * 5000, "x" * 200),
        ("a\x1b[31mred\x07\x7f", "a[31mred"),
        ("tab\tstays out", "tabstays out"),
        ("ünï✓".encode().decode("latin-1"), "ünï✓"),
        ("evil\u202egpj.exe".encode().decode("latin-1"), "evilgpj.exe"),
        ("\xff\xfe", "\ufffd\ufffd"),
        ("<script>", "<script>"),
    ],
    ids=["none", "long", "escape", "tab", "UTF-8", "direction", "bytes", "markup"],
)
def test_a_programs_name_is_made_safe_to_show(
    shared: Flask, ada: Person, sent: str, shown: str
) -> None:
    """It comes from whoever logs in: it may be long, and written for a terminal to obey."""
    device(shared, ada, environ_overrides={"HTTP_USER_AGENT": sent})
    assert listed(ada)[0]["client"] == shown


@pytest.mark.parametrize("address", ["", "unix:", "::ffff:192.0.2.1"])
def test_an_address_is_one_or_none(shared: Flask, ada: Person, address: str) -> None:
    """A server on a Unix socket knows none; one on ``::`` writes IPv4 in its own way."""
    device(shared, ada, environ_overrides={"REMOTE_ADDR": address})
    assert listed(ada)[0]["address"] == ("192.0.2.1" if ":ffff:" in address else "")


def test_pages_are_newest_first_and_whole(shared: Flask, ada: Person) -> None:
    """Whatever the page size, and even when the session that ended a page has ended."""
    for _ in range(4):
        device(shared, ada)
    order = [one["id"] for one in listed(ada)]
    assert len(order) == 5
    created = [one["created_at"] for one in listed(ada)]
    assert created == sorted(created, reverse=True)
    for limit in (1, 2, 4, 5, 100):
        found, cursor = [], ""
        for _ in order:
            page = ada.get(f"/sessions?limit={limit}{cursor}").json
            assert page is not None
            assert len(page["sessions"]) <= limit
            found += [one["id"] for one in page["sessions"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == order
    first = ada.get("/sessions?limit=2").json
    assert first is not None
    assert ada.delete(f"/sessions/{order[1]}").status_code == 200
    assert [one["id"] for one in listed(ada, f"?cursor={first['next_cursor']}")] == order[2:]


def test_pages_are_whole_where_sessions_began_together(
    shared: Flask, ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """In one microsecond, as clocks can be coarse: then the id decides."""
    clock(timedelta(0))
    for _ in range(4):
        device(shared, ada)
    order, found, cursor = [one["id"] for one in listed(ada)], [], ""
    for _ in order:
        page = ada.get(f"/sessions?limit=1{cursor}").json
        assert page is not None
        found += [one["id"] for one in page["sessions"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert found == order
    assert len(set(found)) == 5


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        *(("limit=0", "?limit"), ("limit=101", "?limit"), ("cursor=", "?cursor")),
        *(("cursor=1", "?cursor"), ("cursor=0.AAAAAAAAAAAAAAAAAAAAAA", "?cursor")),
        *((f"cursor={'9' * 19}.{'A' * 22}", "?cursor"), ("user=eve", "?")),
    ],
)
def test_queries_out_of_range_are_refused(ada: Person, query: str, pointer: str) -> None:
    """Never ignored, and never too large for the database."""
    assert pointers(ada.get(f"/sessions?{query}")) == {pointer}


def test_dead_sessions_are_not_listed_and_cannot_be_ended(
    shared: Flask, ada: Person, clock: Callable[[timedelta], None]
) -> None:
    """What lies in the table until the next login is not told of."""
    dead = listed(ada)[0]["id"]
    clock(timedelta(days=6))
    phone = device(shared, ada)
    clock(timedelta(days=8))
    assert phone.post("/refresh").status_code == 200
    assert dead not in {one["id"] for one in listed(phone)}
    assert refusal(phone.delete(f"/sessions/{dead}")) == (404, "not-found")
    assert phone.delete("/sessions").json == {"sessions_ended": 0}


def test_trusted_proxies_name_the_address_of_a_session(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Otherwise every session would be the proxy's. Others' headers are not believed."""
    with shared_app(
        request, "sqlite", tmp_path_factory, TRUSTED_PROXIES=("10.0.0.1",)
    ) as application:
        alice = newcomer(application, "alice")
        for proxy, expected in (("10.0.0.1", "198.51.100.7"), ("192.0.2.2", "192.0.2.2")):
            device(
                application,
                alice,
                base_url=ORIGIN,
                headers={"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"},
                environ_overrides={"REMOTE_ADDR": proxy},
            )
            assert listed(alice)[0]["address"] == expected


# --- ending sessions ---------------------------------------------------------------------------


def test_one_session_is_ended_at_once(shared: Flask, ada: Person) -> None:
    """The lost phone is out: access and refresh; everything else stays."""
    phone, laptop = device(shared, ada), device(shared, ada)
    lost = next(one["id"] for one in listed(phone) if one["current"])
    assert ada.delete(f"/sessions/{lost}").json == {"sessions_ended": 1}
    assert refusal(phone.get("/account")) == ENDED
    assert refusal(phone.post("/refresh")) == ENDED
    assert laptop.get("/account").status_code == 200
    assert refusal(ada.delete(f"/sessions/{lost}")) == (404, "not-found")


def test_ending_the_own_session_is_a_logout(ada: Person) -> None:
    """The cookies are taken back as well."""
    (current,) = listed(ada)
    copy = f"{ACCESS}={cookie(ada, ACCESS)}; {REFRESH}={cookie(ada, REFRESH)}"
    assert ada.delete(f"/sessions/{current['id']}").status_code == 200
    assert ada.client.get_cookie(ACCESS) is None
    assert refusal(present(ada.client.application, "GET", "/account", copy)) == ENDED


def test_all_others_are_ended_and_counted(shared: Flask, ada: Person) -> None:
    """Only the one that asks goes on; nobody else's is touched."""
    others, eve = [device(shared, ada) for _ in range(3)], newcomer(shared, "eve")
    assert ada.delete("/sessions").json == {"sessions_ended": 3}
    assert [refusal(other.get("/account")) for other in others] == [ENDED] * 3
    assert [one["current"] for one in listed(ada)] == [True]
    assert ada.delete("/sessions").json == {"sessions_ended": 0}
    assert eve.get("/account").status_code == 200


@pytest.mark.parametrize("session", ["A" * 22, "x", "%00" * 22, "A" * 3000, "%C3%A9" * 11, "a%2Fb"])
def test_a_session_that_is_not_there_is_not_found(ada: Person, session: str) -> None:
    """Nor is one whose id no database would take."""
    assert ada.delete(f"/sessions/{session}").status_code == 404


def test_somebody_elses_session_looks_like_none(shared: Flask, ada: Person) -> None:
    """Neither listed nor ended."""
    eve = newcomer(shared, "eve")
    (theirs,) = listed(ada)
    assert theirs["id"] not in {one["id"] for one in listed(eve)}
    answers = [eve.delete(f"/sessions/{one}") for one in (theirs["id"], "A" * 22)]
    assert [refusal(answer) for answer in answers] == [(404, "not-found")] * 2
    assert len({answer.json["detail"] for answer in answers if answer.json}) == 1
    assert ada.get("/account").status_code == 200

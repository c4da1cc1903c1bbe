"""The instruments of ``make attack``: a route that leaks must not get past them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.exceptions import NotFound, UnprocessableEntity

from models.errors import NotFound as Absent
from models.times import utcnow
from routes import guard
from routes.context import current_vault
from tests.attack.login_timing import Class, auc, tolerance
from tests.attack.trespass import Matrix

on_one_engine = pytest.mark.one_engine("sqlite", "it is about the instruments")
View = Callable[..., Any]


def owner_of(name: str) -> str | None:
    """Whose secret this is: the mistake is not to ask who wants to know."""
    with current_vault().db.read() as tx:
        row = tx.one(
            "SELECT u.username FROM secrets s JOIN users u ON u.id = s.owner_id "
            "WHERE s.name = ? AND s.deleted_at IS NULL",
            name,
        )
    return None if row is None else str(row[0])


def whose(name: str) -> dict[str, Any]:
    """Whoever is logged in reads whose it is."""
    guard.session(utcnow())
    return {"owner": owner_of(name)}


def exists(name: str) -> dict[str, Any]:
    """Tells nothing but that it is there."""
    guard.session(utcnow())
    if owner_of(name) is None:
        raise Absent("There is no such secret.")
    return {}


def differs_in_words(name: str) -> dict[str, Any]:
    """404 either way, and yet it tells."""
    guard.session(utcnow())
    raise Absent("Not yours." if owner_of(name) else "Not there.")


def mute(name: str) -> dict[str, Any]:
    """The same answer for all, and the secret is gone."""
    guard.session(utcnow())
    with current_vault().db.write() as tx:
        tx.run("DELETE FROM secrets WHERE name = ?", name)
    return {}


def ends_sessions(session_id: str) -> dict[str, Any]:
    """The same of a session."""
    guard.session(utcnow())
    with current_vault().db.write() as tx:
        tx.run("DELETE FROM sessions WHERE id = ?", session_id)
    return {}


def refuses_all(name: str) -> dict[str, Any]:
    """A route about which the matrix would learn nothing: its owner is refused too."""
    guard.session(utcnow())
    raise Absent("There is no such secret.")


def wants_a_body(name: str) -> dict[str, Any]:
    """Nobody has told the matrix what to send."""
    guard.session(utcnow())
    if not request.data:
        raise UnprocessableEntity
    return {}


def crashes(name: str) -> dict[str, Any]:
    """An error of ours."""
    raise ZeroDivisionError


def unlisted(thing: str) -> dict[str, Any]:
    """A variable that nobody has told the matrix of."""
    raise NotFound


@on_one_engine
@pytest.mark.parametrize(
    ("rule", "method", "view", "found"),
    [
        ("/whose/<secret_name:name>", "GET", whose, "the answer shows ['owner-"),
        ("/whose/<secret_name:name>", "GET", exists, "answered 200, and 404 of nobody's"),
        ("/whose/<secret_name:name>", "GET", differs_in_words, "answered 404, and 404 of nobody's"),
        (
            "/mute/<secret_name:name>",
            "DELETE",
            mute,
            "the victim's secret, keys, by token, grants, ",
        ),
        ("/mute/<session_id>", "POST", ends_sessions, "the victim's secret, account, "),
        ("/closed/<secret_name:name>", "GET", refuses_all, "the owner gets 404 too"),
        (
            "/sealed/<secret_name:name>",
            "POST",
            wants_a_body,
            "answered 422: tell the matrix what to send",
        ),
        ("/broken/<secret_name:name>", "GET", crashes, "answered 500, a bug"),
        ("/things/<thing>", "GET", unlisted, "tell the matrix what ['thing'] of GET /things"),
    ],
)
def test_the_matrix_finds_a_route_that(
    app: Flask, rule: str, method: str, view: View, found: str
) -> None:
    """Each mistake is its own fault, said in words, though nobody has added the route to a list."""
    app.add_url_rule(rule, view_func=view, methods=[method])
    matrix = Matrix(app, pairs=1)
    matrix.routes = {route: names for route, names in matrix.routes.items() if rule in route}
    assert f"{method} {rule}" in matrix.routes
    matrix.run()
    assert any(found in fault for fault in matrix.faults), matrix.faults


@on_one_engine
def test_the_matrix_blames_nobody_for_a_route_that_is_right(app: Flask) -> None:
    """The control of the experiment."""
    matrix = Matrix(app, pairs=1)
    matrix.routes = {route: names for route, names in matrix.routes.items() if names}
    matrix.run()
    assert matrix.tries >= 2 * len(matrix.routes) > 0
    assert matrix.faults == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([3, 4], [1, 2], 1.0),
        ([1, 2], [3, 4], 0.0),
        ([1, 4], [2, 3], 0.5),
        ([1, 1], [1, 1], 0.5),
        ([1, 3], [1, 2], 0.625),
    ],
)
def test_the_classifier_is_as_good_as_it_can_be(
    one: list[float], other: list[float], expected: float
) -> None:
    """The share of pairs that it tells apart; of equals, half."""
    assert auc(Class("a", seconds=one), Class("b", seconds=other)) == expected


@pytest.mark.parametrize(("count", "expected"), [(1000, 0.04), (100, 0.18), (20, 0.42)])
def test_a_short_run_allows_for_chance_and_no_more(count: int, expected: float) -> None:
    """A full run keeps to its goal; a short one still tells work that is missing, an AUC of 1."""
    assert tolerance(count) == expected

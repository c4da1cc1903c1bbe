"""Tokens that somebody made, changed, kept or misplaced: none may open anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from models.names import parse_username
from models.rows import PasswordHash, Username
from models.times import utcnow
from routes.context import vault_of
from tests.support.api_tokens import Machine, machine, made
from tests.support.forgeries import FORGERIES, Genuine, taken_from
from tests.support.people import PASSWORD, Person
from tests.support.postgres import start_postgres
from tests.support.shared import newcomer
from tests.support.tokens import ACCESS, REFRESH, claims_of, cookie, present
from tests.torture.framework import Attempt, Figure, log_to, none
from utils.db import Tx
from utils.store import accounts
from utils.tokens import TokenText, parse_token

_NEW = "another password altogether"
Attack = Callable[[Flask], TestResponse]
Action = Callable[[Person], TestResponse | None]


def row(attempt: Attempt) -> Sequence[Figure]:
    """Forged, stripped, swapped, expired and replayed tokens, on both engines: all refused."""
    refused: Counter[str] = Counter()
    faults: list[str] = []
    with log_to(attempt.folder / "log"), start_postgres() as postgres:
        for engine in ("sqlite", "postgresql"):
            url = "" if engine == "sqlite" else postgres.create_database("forged")
            app = _application(attempt.folder / engine, url)
            for name, answer in _attacks(app):
                if 400 <= answer.status_code < 500:
                    refused[name] += 1
                else:
                    faults.append(f"{engine}: {name}: {answer.status_code}")
            genuine = _genuine(app, ACCESS)[1].with_claims()
            if present(app, "GET", "/account", f"{ACCESS}={genuine}").status_code != 200:
                faults.append(f"{engine}: a genuine token is refused too")
            vault_of(app).close()
    attempt.blame(faults)
    return [
        Figure(len(refused), "attacks", at_least=60),
        Figure(refused.total(), "refused", at_least=2 * len(refused)),
        none(faults, "let in, or answered otherwise"),
    ]


def _application(folder: Path, url: str) -> Flask:
    return create_app(
        Settings(INSTANCE_DIR=folder, DATABASE_URL=url, BCRYPT_COST=4, LOGIN_ATTEMPTS_SOURCE=0)
    )


def _attacks(app: Flask) -> Iterator[tuple[str, TestResponse]]:
    for name, method, path in ((ACCESS, "GET", "/account"), (REFRESH, "POST", "/refresh")):
        _, genuine = _genuine(app, name)
        for what, forgery in FORGERIES.items():
            sent = f"{name}={forgery(genuine)}".encode().decode("latin-1")
            yield f"{name}: {what}", present(app, method, path, sent)
        swapped = REFRESH if name == ACCESS else ACCESS
        yield f"{name} as the other", present(app, method, path, f"{swapped}={genuine.token}")
        both = f"{name}={genuine.token}; {name}=planted"
        yield f"{name} twice", present(app, method, path, both)
    yield from _misplaced(app)
    for what, replay in _REPLAYS.items():
        yield f"replay after {what}", replay(app)
    yield from _on_api_tokens(app)


def _misplaced(app: Flask) -> Iterator[tuple[str, TestResponse]]:
    """A live session's token where it does not count, or with something of another's live one."""
    _, mine = _genuine(app, ACCESS)
    _, theirs = _genuine(app, ACCESS)
    other = claims_of(theirs.token)
    for claim in ("sub", "sid"):
        forged = mine.with_claims(**{claim: other[claim]})
        yield f"{claim} of another", present(app, "GET", "/account", f"{ACCESS}={forged}")
    parts = [one.token.split(".") for one in (mine, theirs)]
    for place, what in enumerate(("header and claims", "claims", "signature")):
        mixed = ".".join(parts[0][:place] + parts[1][place:])
        if mixed not in {mine.token, theirs.token}:
            answer = present(app, "GET", "/account", f"{ACCESS}={mixed}")
            yield f"{what} of another", answer
    for name in ("access_token_cookie", "__Secure-access_token", ACCESS.lower()):
        yield f"as {name}", present(app, "GET", "/account", f"{name}={mine.token}")
    for header, value in {
        "Authorization": f"Bearer {mine.token}",
        "Proxy-Authorization": f"Bearer {mine.token}",
        "X-Access-Token": mine.token,
    }.items():
        yield f"in {header}", present(app, "GET", "/account", "", headers={header: value})
    yield "in the URL", present(app, "GET", f"/account?jwt={mine.token}", "")


def _on_api_tokens(app: Flask) -> Iterator[tuple[str, TestResponse]]:
    owner, other = newcomer(app, "owner"), newcomer(app, "other")
    owner.put("/secrets/app/db", json={"secret": "x"})
    token, foreign = (parse_token(made(one)["token"]) for one in (owner, other))
    assert token is not None
    assert foreign is not None
    whole = token.written()
    for what, text in {
        "of another id": TokenText(foreign.id, token.secret).written(),
        "of another secret": TokenText(token.id, foreign.secret).written(),
        "of a guessed secret": TokenText(token.id, "A" * len(token.secret)).written(),
        "wrong checksum": whole[:-1] + ("A" if whole[-1] != "A" else "B"),
        "cut": whole[:-1],
        "longer": whole + "A",
        "its prefix alone": whole[:4],
        "in capitals": whole.upper(),
        "twice": f"{whole} {whole}",
        "with NUL": whole[:-1] + "\x00",
        "huge": whole * 1000,
        "a session's token": cookie(owner, ACCESS),
    }.items():
        yield f"API token, {what}", Machine(app, text).get("/secrets/app/db")
    as_cookie = present(app, "GET", "/secrets/app/db", f"{ACCESS}={whole}")
    yield "API token as a cookie", as_cookie
    yield "API token in the URL", Person(app, "").get(f"/secrets/app/db?token={whole}")
    limited = {"scopes": ["read"], "prefixes": ["app/"], "cidrs": ["192.0.2.0/24"]}
    yield "API token, from elsewhere", machine(owner, "far", **limited).get("/secrets/app/db")
    limited = {"scopes": ["read"], "prefixes": ["app/"]}
    narrow = machine(owner, "narrow", **limited)
    yield "API token, beyond its prefix", narrow.get("/secrets/apps/db")
    yield "API token, beyond its scope", narrow.put("/secrets/app/db", json={"secret": "y"})
    for method, path in (("GET", "/account"), ("GET", "/tokens"), ("POST", "/keys:rotate")):
        yield f"API token, {method} {path}", narrow.request(method, path)
    ended = made(owner, "ended")
    assert owner.delete(f"/tokens/{ended['id']}").status_code == 200
    yield "API token, revoked", Machine(app, ended["token"]).get("/secrets/app/db")
    assert owner.delete("/account", json={"password": PASSWORD}).status_code == 200
    yield "API token, account deleted", Machine(app, whole).get("/secrets/app/db")


def _after(action: Action, name: str = ACCESS) -> Attack:
    """A token that was copied before its owner did something that ends it."""

    def attack(app: Flask) -> TestResponse:
        someone, genuine = _genuine(app, name)
        done = action(someone)
        assert done is None or done.status_code < 300, done.text
        path = ("GET", "/account") if name == ACCESS else ("POST", "/refresh")
        return present(app, *path, f"{name}={genuine.token}")

    return attack


def _from_elsewhere(action: Callable[[Person], TestResponse]) -> Callable[[Person], TestResponse]:
    """The same person does it with a session of their own."""

    def act(someone: Person) -> TestResponse:
        other = Person(someone.client.application, someone.username)
        assert other.login().status_code == 200
        return action(other)

    return act


def _by_the_operator(act: Callable[[Tx, Username], object]) -> Callable[[Person], None]:
    """What ``flask users`` does."""

    def done(someone: Person) -> None:
        username = parse_username(someone.username)
        assert username is not None
        with vault_of(someone.client.application).db.write() as tx:
            act(tx, username)

    return done


def _grow_old(column: str) -> Callable[[Person], None]:
    """Its sessions have ended by the clock, and their rows are still there."""
    # A column's name, in a test.
    query = (
        f"UPDATE sessions SET {column} = 1 "  # noqa: S608
        "WHERE user_id IN (SELECT id FROM users WHERE username = ?)"
    )

    def done(someone: Person) -> None:
        with vault_of(someone.client.application).db.write() as tx:
            tx.run(query, someone.username)

    return done


def _change_password(someone: Person) -> TestResponse:
    body = {"current_password": PASSWORD, "new_password": _NEW}
    return someone.put("/account/password", json=body)


def _end_the_oldest(someone: Person) -> TestResponse:
    listed = someone.get("/sessions").json
    assert listed is not None
    return someone.delete(f"/sessions/{listed['sessions'][-1]['id']}")


_disable = _by_the_operator(lambda tx, name: accounts.disable(tx, name, utcnow()))
_enable = _by_the_operator(accounts.enable)
_reset = _by_the_operator(
    lambda tx, name: accounts.reset_password(
        tx, name, PasswordHash("$2b$04$" + "." * 53), utcnow() + timedelta(days=1), utcnow()
    )
)


def _disable_and_enable(someone: Person) -> None:
    _disable(someone)
    _enable(someone)


_REPLAYS: dict[str, Attack] = {
    "logout": _after(lambda someone: someone.post("/logout")),
    "logout, of the refresh token": _after(lambda someone: someone.post("/logout"), REFRESH),
    "refresh, of the used refresh token": _after(lambda one: one.post("/refresh"), REFRESH),
    "a password change": _after(_from_elsewhere(_change_password)),
    "a password change, of the refresh token": _after(_from_elsewhere(_change_password), REFRESH),
    "the end of all other sessions": _after(_from_elsewhere(lambda one: one.delete("/sessions"))),
    "another login in its place": _after(lambda one: one.login()),
    "the end of this one session": _after(_from_elsewhere(_end_the_oldest)),
    "disabling the account": _after(_disable),
    "disabling the account, of the refresh token": _after(_disable, REFRESH),
    "disabling and enabling it": _after(_disable_and_enable),
    "a reset of the password": _after(_reset),
    "a reset of the password, of the refresh token": _after(_reset, REFRESH),
    "the end of its idle time": _after(_grow_old("idle_expires_at")),
    "the end of its idle time, of the refresh token": _after(_grow_old("idle_expires_at"), REFRESH),
    "the end of its lifetime": _after(_grow_old("expires_at"), REFRESH),
    "deletion of the account": _after(
        lambda one: one.delete("/account", json={"password": PASSWORD})
    ),
}


def _genuine(app: Flask, name: str) -> tuple[Person, Genuine]:
    """Somebody new, and their access or refresh token."""
    someone = newcomer(app, "somebody")
    return someone, taken_from(someone, name)

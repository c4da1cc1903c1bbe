"""Requests a minute, over HTTP: who shares a limit with whom, and what counting costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import time_machine

from app import create_app
from config import Settings
from routes import context
from routes.context import vault_of
from tests.support.api_tokens import Counting, machine
from tests.support.dump import unopened
from tests.support.pace import AWAY, HOME, get, limited
from tests.support.people import Person
from tests.support.shared import newcomer, refusal
from utils.vault import Vault

TOO_MANY = (429, "too-many-requests")


def test_a_source_is_refused_before_anything_is_looked_up(
    settings: Settings, vault: Vault, now: datetime
) -> None:
    """With any credentials, none, or a URL that is not there; but not its health checks, and
    no other source."""
    app = create_app(limited(settings, 0, 10))
    with time_machine.travel(now, tick=False) as clock:
        nobody = Person(app, "nobody")
        assert [get(nobody, path) for path in ("/secrets", "/no-such", "/") * 3] == [
            401,
            404,
            404,
        ] * 3
        assert get(nobody) == 401
        context.install(app, replace(vault_of(app), db=Counting(vault.db)))
        for path in ("/secrets", "/no-such"):
            answer = nobody.get(path, environ_base={"REMOTE_ADDR": HOME})
            assert refusal(answer) == TOO_MANY
            assert answer.headers["Retry-After"] == "6"
        assert get(nobody, "/healthz") == 200
        assert get(nobody, address=AWAY) == 401
        clock.shift(6)
        assert [get(nobody) for _ in range(2)] == [401, 429]
    vault_of(app).close()


def test_a_principal_has_the_same_limit_from_everywhere(settings: Settings, now: datetime) -> None:
    """All sessions of an account are one; each of its tokens is another; so is each account."""
    app = create_app(limited(settings, 10, 0))
    with time_machine.travel(now, tick=False):
        ada, bob = newcomer(app, "ada"), newcomer(app, "bob")
        again = Person(app, ada.username)
        again.login()
        tokens = [machine(ada, name) for name in ("one", "two")]
        statuses = [get(who, address=at) for who in (ada, again) for at in (HOME, AWAY) * 2]
        assert statuses == [200] * 8, "two more were for making the tokens"
        assert [get(who) for who in (ada, again)] == [429, 429]
        assert refusal(ada.put("/secrets/a", json={"secret": "x"})) == TOO_MANY
        assert get(bob) == 200
        for token in tokens:
            assert [get(token) for _ in range(11)] == [200] * 10 + [429]
        assert [get(Person(app, "nobody")) for _ in range(20)] == [401] * 20
    vault_of(app).close()


def test_counting_costs_one_write_a_second(settings: Settings, now: datetime) -> None:
    """And none where nothing is limited."""
    for principal, source, expected in ((1000, 1000, 3), (0, 0, 0)):
        app = create_app(limited(settings, principal, source))
        with time_machine.travel(now, tick=False) as clock:
            ada = newcomer(app, "ada")
            clock.shift(60)
            counting = Counting(vault_of(app).db)
            context.install(app, replace(vault_of(app), db=counting))
            for _ in range(3):
                for _ in range(20):
                    assert ada.get("/secrets", buffered=True).status_code == 200
                clock.shift(1)
        assert counting.transactions.count("write") == expected
        vault_of(app).close()


def test_workers_count_together_and_nobodys_address_is_stored(
    settings: Settings, now: datetime
) -> None:
    """Two workers over one database: what got through one second ago, at whichever of them,
    counts. What is stored is a keyed hash."""
    apps = [create_app(limited(settings, 0, 20)) for _ in range(2)]
    with time_machine.travel(now, tick=False) as clock:
        clients = [Person(app, "nobody") for app in apps]

        def ask(client: Person) -> int:
            return client.get(
                "/secrets", environ_base={"REMOTE_ADDR": HOME}, buffered=True
            ).status_code

        assert [ask(client) for client in clients for _ in range(9)] == [401] * 18
        clock.shift(1)
        for client in [*clients, *clients]:  # each tells, then each has heard
            ask(client)
            clock.shift(1)
        assert [ask(client) for client in clients for _ in range(2)].count(401) <= 2
    stored = repr(unopened(vault_of(apps[0]).db)["request_buckets"])
    assert "subject" in stored
    assert HOME not in stored
    for app in apps:
        vault_of(app).close()

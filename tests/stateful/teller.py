"""Who tells a random story to the API and to the model: what each of its steps needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar, TypeVar

import time_machine
from flask import Flask
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.strategies import SearchStrategy
from werkzeug.test import TestResponse

from models.times import utcnow
from tests.stateful.choices import CHAIRS
from tests.stateful.shelf import Author, Kept, Shelf, moment
from tests.support.api_tokens import Machine
from tests.support.people import Person
from tests.support.shared import newcomer, refusal


@dataclass
class Tally:
    """What was told: steps that were executed and checked, and what they came to."""

    done: Counter[str] = field(default_factory=Counter)  # by verb: what was asked for was done
    refused: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)  # of refusals

    @property
    def steps(self) -> int:
        """All of them."""
        return self.done.total() + self.refused.total()


# All that a story can be made of: what each verb chooses from, and how often it has its turn.
STEPS: dict[str, tuple[SearchStrategy[dict[str, Any]], int]] = {}
Told = TypeVar("Told", bound=Callable[..., None])


def step(*, often: int = 2, **choices: SearchStrategy[Any]) -> Callable[[Told], Told]:
    """One kind of step.

    Not a rule of Hypothesis's own: of these, it leaves out most in most stories. Where nobody
    writes, nothing can be read, rolled back or shared, and every answer is the same 404.
    """

    def decorate(told: Told) -> Told:
        STEPS[told.__name__] = st.fixed_dictionaries(choices), often
        return told

    return decorate


@dataclass
class Held:
    """An API token: what it may do, and the program that has it."""

    machine: Machine
    id: str
    name: str
    scopes: list[str]
    prefixes: list[str] | None
    created: datetime
    expires: datetime | None
    deleted: bool = False
    uses: set[datetime] = field(default_factory=set)

    def alive(self, now: datetime) -> bool:
        """Neither deleted nor expired."""
        return not self.deleted and (self.expires is None or self.expires > now)

    def reaches(self, name: str) -> bool:
        """Whether a name is within its prefixes."""
        return self.prefixes is None or name.startswith(tuple(self.prefixes))


@dataclass
class Account:
    """One person: who sends, and all that must be theirs."""

    person: Person
    shelf: Shelf = field(default_factory=Shelf)
    tokens: dict[str, Held] = field(default_factory=dict)  # by name, the last one; dead ones too
    keys: int = 1
    keys_destroyed: int = 0

    @property
    def username(self) -> str:
        """What others know them by."""
        return self.person.username


@dataclass(frozen=True)
class Caller:
    """Whoever sends a request: somebody with a session, or a program with a token of theirs."""

    account: Account
    token: Held | None

    @property
    def client(self) -> Person:
        """Sends it."""
        return self.token.machine if self.token else self.account.person

    @property
    def shelf(self) -> Shelf:
        """Whose secrets it is about."""
        return self.account.shelf

    @property
    def author(self) -> Author:
        """Who, by the versions, wrote."""
        return Author(self.account.username, self.token.name if self.token else "session")

    def may(self, scope: str) -> bool:
        """Whether nothing, or a token with this scope, limits it."""
        return self.token is None or scope in self.token.scopes

    def reaches(self, name: str) -> bool:
        """Whether a name is within its limits."""
        return self.token is None or self.token.reaches(name)


class Teller(RuleBasedStateMachine):
    """Three people in an application, what each must have, and a clock that stands."""

    application: ClassVar[Flask]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        # Whole seconds, and a standing clock: the model knows each moment exactly.
        self.now = utcnow().replace(microsecond=0)
        self.clock = time_machine.travel(self.now, tick=False)
        self.traveller = self.clock.start()
        self.accounts = [Account(newcomer(self.application, name)) for name in CHAIRS]
        self.kind = ""  # of the refusal that this step met

    def teardown(self) -> None:
        """Let time go on."""
        self.clock.stop()

    def caller(self, by: tuple[int, str]) -> Caller:
        """Somebody, with the credential that was chosen, if they have it."""
        account, token = self.accounts[by[0]], self.accounts[by[0]].tokens.get(by[1])
        if token is not None:
            token.uses.add(self.now.replace(second=0))
        return Caller(account, token)

    def take(self, verb: str, chosen: dict[str, Any]) -> None:
        """One step. It counts once it has come to its end, which no divergence does."""
        self.kind = ""
        getattr(self, verb)(**chosen)
        (self.tally.refused if self.kind else self.tally.done)[verb] += 1
        self.tally.kinds.update([self.kind] if self.kind else [])

    # --- refusals -------------------------------------------------------------------------

    def refuses(self, answer: TestResponse, status: int, kind: str) -> None:
        """This step is refused, as it must be."""
        assert refusal(answer) == (status, kind)
        self.kind = kind

    def powerless(self, caller: Caller, scope: str, answer: TestResponse, *names: str) -> bool:
        """Whether a token is why this is refused; then it is, whatever there is to be found."""
        token = caller.token
        if token is not None and not token.alive(self.now):
            self.refuses(answer, 401, "invalid-token")
            return True
        if not (caller.may(scope) and all(map(caller.reaches, names))):
            self.refuses(answer, 403, "missing-power")
            return True
        return False

    def blames(self, answer: TestResponse, places: set[str]) -> None:
        """The problem lists just these."""
        assert answer.json is not None
        assert {error["pointer"] for error in answer.json["errors"]} == places

    # --- requests -------------------------------------------------------------------------

    def after(self, expiry: timedelta | None) -> datetime | None:
        """An expiry so far from now."""
        return None if expiry is None else self.now + expiry

    def at(self, expiry: timedelta | None) -> str | None:
        """The same, as a request says it."""
        return moment(self.after(expiry))

    def mentions(self, labels: Any, expiry: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields of a request, and what they change in the model."""
        fields: dict[str, Any] = {}
        change: dict[str, Any] = {}
        if labels != "keep":
            fields["labels"] = change["labels"] = labels
        if expiry != "keep":
            fields["expires_at"], change["expires"] = self.at(expiry), self.after(expiry)
        return fields, change

    def conditional(
        self, known: Kept | None, live: Kept | None, condition: str
    ) -> tuple[dict[str, str], bool]:
        """The header of a condition, and whether it holds."""
        current = live.tag if live else '"none"'
        stale = known.old_tags[-1] if known and known.old_tags else '"stale"'
        headers, holds = {
            "none": ({}, True),
            "match current": ({"If-Match": current}, live is not None),
            "match list": ({"If-Match": f"{stale}, {current}"}, live is not None),
            "match any": ({"If-Match": "*"}, live is not None),
            "match stale": ({"If-Match": stale}, False),
            "match weak": ({"If-Match": f"W/{current}"}, False),
            "new only": ({"If-None-Match": "*"}, live is None),
            "not current": ({"If-None-Match": current}, live is None),
            "not weak": ({"If-None-Match": f"W/{current}"}, live is None),
            "not stale": ({"If-None-Match": stale}, True),
        }[condition]
        return headers, holds

    def verb(
        self, caller: Caller, name: str, verb: str, body: dict[str, Any], headers: dict[str, str]
    ) -> TestResponse:
        """POST one."""
        return caller.client.post(f"/secrets/{name}:{verb}", json=body, headers=headers)

    # --- answers --------------------------------------------------------------------------

    def check_written(self, caller: Caller, name: str, answer: TestResponse, status: int) -> None:
        """The answer to a write, and its tag, which never was before."""
        assert (answer.status_code, answer.json) == (status, caller.shelf.described(name))
        caller.shelf.kept[name].take_tag(answer.headers["ETag"])

    def look(self, account: Account, name: str) -> None:
        """What a write of many did to this one; its answer has no tags."""
        answer, kept = account.person.get(f"/secrets/{name}"), account.shelf.kept[name]
        if kept.live(self.now):
            assert (answer.status_code, answer.json) == (200, account.shelf.shown(name))
            kept.take_tag(answer.headers["ETag"])
        else:
            assert refusal(answer) == (404, "not-found")

    def pages(
        self, client: Person, query: dict[str, Any], path: str = "/secrets", noun: str = "secrets"
    ) -> Iterator[dict[str, Any]]:
        """The rows of one page after the other."""
        cursor: str | None = ""
        while cursor is not None:
            sent = query | ({"cursor": cursor} if cursor else {})
            answer = client.get(path, query_string=sent)
            page = answer.json
            assert page is not None
            assert answer.status_code == 200, page
            assert len(page[noun]) <= query["limit"]
            assert page["next_cursor"] != cursor
            yield from page[noun]
            cursor = page["next_cursor"]

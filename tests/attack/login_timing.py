"""Whether the time of a refused login tells that the account exists."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import requests

from config import Settings
from models.names import parse_username
from models.times import utcnow
from tests.attack.workers import UNLIMITED, credentials
from tests.support.server import Server
from tests.torture.framework import Attempt, Figure, none
from utils.store import accounts
from utils.vault import open_existing_store

_N = 1000  # of each class
_ACCOUNTS = 25  # of each class: no one account's luck decides
_COST, _OLD_COST = 9, 8  # at cost 12 this would take an hour, and a difference would be smaller
_WRONG, _LONG, _OVERLONG = "not the password", "x" * 1024, "x" * 2000
_TOLERANCE = 0.04  # of the AUC, around 0.5
_SIGMAS = 4.5  # what a short run, with its few samples, allows for chance
_VOLATILE = {"date", "x-request-id"}


@dataclass
class Class:
    """Logins of one kind: whose, and with which password."""

    stem: str
    password: str = _WRONG
    seconds: list[float] = field(default_factory=list)
    answers: set[str] = field(default_factory=set)


# Each against an account that never was, and the same password.
_PAIRS = {
    "usual": (Class("known"), Class("nobody")),
    "long": (Class("known", _LONG), Class("nobody", _LONG)),
    "over-long": (Class("known", _OVERLONG), Class("nobody", _OVERLONG)),
    "disabled": (Class("shut"), Class("nobody")),
    "old cost": (Class("old"), Class("nobody")),
}


def row(attempt: Attempt) -> Sequence[Figure]:
    """1,000 refused logins of each kind: their time does not tell who exists (AUC 0.46-0.54).

    The limits on guessing are raised, and bcrypt's cost is 9: a smaller cost hides less.
    """
    pairs = {name: (Class(*_what(a)), Class(*_what(b))) for name, (a, b) in _PAIRS.items()}
    classes = [one for pair in pairs.values() for one in pair]
    count = max(20, attempt.scaled(_N))
    folder = attempt.folder / "instance"
    environ = {**UNLIMITED, "SECRETS_BCRYPT_COST": str(_OLD_COST)}
    with Server(folder, environ) as server:
        _register(server, "old")
    environ["SECRETS_BCRYPT_COST"] = str(_COST)
    with Server(folder, environ) as server:
        for stem in ("known", "shut"):
            _register(server, stem)
        _disable(Settings(INSTANCE_DIR=folder), "shut")
        _measure(attempt, server, classes, count)
    different = [f"{one.stem}: {sorted(one.answers)}" for one in classes if len(one.answers) != 1]
    if len({answer for one in classes for answer in one.answers}) > 1:
        different.append("known and unknown are answered differently")
    attempt.blame(different)
    allowed = tolerance(count)
    return [
        Figure(min(len(one.seconds) for one in classes), "of each class", at_least=count),
        Figure(_COST, f"as bcrypt's cost ({_OLD_COST} as the older one)"),
        none(different, "answers that differ"),
        *(
            Figure(round(auc(*pair), 3), f"AUC {name}", 0.5 - allowed, 0.5 + allowed)
            for name, pair in pairs.items()
        ),
    ]


def tolerance(count: int) -> float:
    """How far from 0.5 the AUC may be.

    However loaded the machine, two classes of *count* each that do not differ have a standard error
    of sqrt((2n + 1) / 12n²): in random order, whatever disturbs the times disturbs both alike. So
    even a short run finds the gross fault, work that is missing, and does not fail by chance.
    """
    if count >= _N:
        return _TOLERANCE
    return float(round(_SIGMAS * math.sqrt((2 * count + 1) / 12) / count, 2))


def _what(one: Class) -> tuple[str, str]:
    return one.stem, one.password


def _register(server: Server, stem: str) -> None:
    for number in range(_ACCOUNTS):
        body = credentials(f"{stem}-{number}")
        assert requests.post(server.url + "/register", json=body, timeout=60).status_code == 201


def _disable(settings: Settings, stem: str) -> None:
    db, _ = open_existing_store(settings)
    with db.write() as tx:
        for number in range(_ACCOUNTS):
            name = parse_username(f"{stem}-{number}")
            assert name is not None
            accounts.disable(tx, name, utcnow())
    db.close()


def _measure(attempt: Attempt, server: Server, classes: Sequence[Class], count: int) -> None:
    """In random order, one after the other: what drifts does so for all classes alike."""
    order = [one for one in classes for _ in range(count)]
    attempt.random.shuffle(order)
    with requests.Session() as http:
        for one in order:
            name = f"{one.stem}-{attempt.random.randrange(_ACCOUNTS)}"
            began = time.perf_counter()
            answer = http.post(
                server.url + "/login", json=credentials(name, one.password), timeout=60
            )
            one.seconds.append(time.perf_counter() - began)
            one.answers.add(_seen(answer))


def _seen(answer: requests.Response) -> str:
    """All that a client gets, but for what is new each time."""
    body: Mapping[str, object] = {**answer.json(), "request_id": ""}
    headers = {k: v for k, v in answer.headers.items() if k.lower() not in _VOLATILE}
    return f"{answer.status_code} {sorted(body.items())} {sorted(headers.items())}"


def auc(one: Class, other: Class) -> float:
    """How often a login of *one* takes longer than one of *other* (Mann and Whitney's U): 0.5 where
    the best that anybody can do is to guess."""
    ordered = sorted(other.seconds)
    below = sum(bisect_left(ordered, value) for value in one.seconds)
    same = sum(bisect_right(ordered, value) - bisect_left(ordered, value) for value in one.seconds)
    return (below + same / 2) / (len(one.seconds) * len(other.seconds))

"""Clients of a soak: a steady mix of everything, at a fixed rate, mistakes included."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from tests.soak.heard import Heard
from tests.torture.pace import Timetable
from tests.torture.writers import Client

_NAMES = 40
_REFRESH_SECONDS = 60.0
_FIRST_REFRESH_SECONDS = 2.0
_TIMEOUT = 60
_STEPS_OF_A_CONNECTION = 10
Operation = Callable[[], None]


class Customer(Client):
    """Somebody with an account, a session, and an API token for a program of theirs.

    *mark* is in every value and password, and wherever somebody might paste one by mistake.
    """

    def __init__(
        self, url: str, username: str, seed: float, interval: float, trust: Path, heard: Heard
    ) -> None:
        super().__init__(url, username, seed)
        self.timetable = Timetable(interval, self.random.uniform(0, interval))
        self._program = requests.Session()
        for session in (self._session, self._program):
            session.verify = str(trust)
            session.trust_env = False  # a bundle that is named there would count instead
        self._heard = heard
        self._value_mark = f"value{self.random.getrandbits(96):024x}"
        self._password = f"password{self.random.getrandbits(96):024x}"
        self._kept: dict[str, str] = {}
        self._refresh_at = 0.0
        self._steps = 0
        mistakes = _mistakes(self._value_mark)
        self._operations: list[tuple[int, Operation]] = [
            (40, self._read),
            (20, self._read_as_program),
            (15, self._write),
            (3, self._delete),
            (4, self._list),
            (3, self._batch),
            (2, self._export),
            (2, self._look_at_audit),
            (1, self._log_in),
            (10, lambda: self._err(*self.random.choice(mistakes))),
        ]

    def enter(self) -> None:
        """Register, log in, and make the token; the timetable begins after that."""
        self._heard.plant("secret", self._value_mark.encode())
        self._heard.plant("password", self._password.encode())
        self.insist("POST", "/register", (201,), json=self._credentials)
        self._log_in()
        body = {"name": "program", "scopes": ["read"]}
        token = self.insist("POST", "/tokens", (201,), json=body).json()["token"]
        self._heard.plant("API token", token.encode())
        self._heard.plant("API token", token.split("_")[2].encode())
        self._program.headers["Authorization"] = f"Bearer {token}"
        self._write()
        self._refresh_at = time.monotonic() + _FIRST_REFRESH_SECONDS
        self.timetable.skip_what_was_missed()

    def step(self) -> None:
        """One request, when it is due."""
        self.timetable.wait()
        self._steps += 1
        if self._steps % _STEPS_OF_A_CONNECTION == 0:
            # As scripts come and go: or a few connections would stay with one worker for ever, and
            # the others would not be warm when the watching begins.
            self._session.close()
            self._program.close()
        if time.monotonic() >= self._refresh_at:
            self._expect("POST", "/refresh", 200)
            self._keep_cookies()
            self._refresh_at = time.monotonic() + _REFRESH_SECONDS
        else:
            weights = [weight for weight, _ in self._operations]
            self.random.choices([one for _, one in self._operations], weights)[0]()
        self.timetable.done()

    @property
    def _credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": self._password}

    # --- what works ---

    def _read(self) -> None:
        name = self.random.choice(list(self._kept))
        self._compare(name, self._expect("GET", f"/secrets/{name}", 200))

    def _read_as_program(self) -> None:
        name = self.random.choice(list(self._kept))
        url = f"{self.url}/secrets/{name}"
        self._compare(name, self._checked(url, self._program.get(url, timeout=_TIMEOUT), 200))

    def _compare(self, name: str, answer: requests.Response | None) -> None:
        if answer is not None and answer.json()["secret"] != self._kept[name]:
            self.findings.lost.append(f"{self.username}: {name} is not what was written")

    def _write(self) -> None:
        name = f"soak/{self.random.randrange(_NAMES)}"
        value = f"{self._value_mark} {self.random.random()}"
        status = 200 if name in self._kept else 201
        if self._expect("PUT", f"/secrets/{name}", status, json={"secret": value}) is not None:
            self._kept[name] = value
            self.findings.acknowledged += 1

    def _delete(self) -> None:
        if len(self._kept) > 1:
            name = self.random.choice(list(self._kept))
            if self._expect("DELETE", f"/secrets/{name}", 200) is not None:
                del self._kept[name]

    def _list(self) -> None:
        self._expect("GET", "/secrets?prefix=soak/", 200)

    def _batch(self) -> None:
        names = self.random.sample(list(self._kept), min(10, len(self._kept)))
        self._expect("POST", "/secrets:batchGet", 200, json={"names": names})

    def _export(self) -> None:
        self._expect("GET", "/secrets:export?prefix=soak/", 200)

    def _look_at_audit(self) -> None:
        for path in ("/audit?limit=100", "/audit:verify"):
            answer = self._expect("GET", path, 200)
            if answer is not None:
                self._heard.hear("audit", answer.content)

    def _log_in(self) -> None:
        self._expect("POST", "/login", 200, json=self._credentials)
        self._keep_cookies()

    def _keep_cookies(self) -> None:
        for cookie in self._session.cookies:
            assert cookie.value is not None
            kind = "refresh cookie" if "refresh" in cookie.name else "access cookie"
            self._heard.plant(kind, cookie.value.encode())

    # --- what does not ---

    def _err(self, method: str, path: str, status: int, options: dict[str, Any]) -> None:
        """What a client can do wrong with a secret at hand."""
        answer = self._expect(method, path, status, **options)
        if answer is not None:
            said = repr(sorted(answer.headers.items())).encode() + answer.content
            self._heard.hear("errors", said)

    def _expect(
        self, method: str, path: str, status: int, **options: Any
    ) -> requests.Response | None:
        return self._checked(path, self.try_once(method, path, **options), status)

    def _checked(
        self, what: str, answer: requests.Response | None, status: int
    ) -> requests.Response | None:
        """The answer, if it is the one that is to come; anything else is an error."""
        if answer is not None and answer.status_code == status:
            return answer
        found = "nothing" if answer is None else f"{answer.status_code} {answer.text[:200]}"
        self.findings.unexpected.append(f"{self.username}: {what} was answered {found}")
        return None


def _mistakes(mark: str) -> list[tuple[str, str, int, dict[str, Any]]]:
    wrong = {"username": "nobody-here", "password": f"wrong {mark}"}
    return [
        ("GET", "/secrets/absent", 404, {}),
        ("GET", f"/{mark}?token={mark}", 404, {"headers": {"User-Agent": mark}}),
        ("PUT", "/secrets/a", 422, {"json": {"secret": mark, mark: mark}}),
        ("PUT", "/secrets/a", 422, {"json": {"secret": [mark]}}),
        ("PUT", "/secrets/a", 413, {"json": {"secret": mark * 3000}}),
        ("PUT", "/secrets/a", 415, {"data": mark, "headers": {"Content-Type": "text/html"}}),
        ("PUT", "/secrets/a", 412, {"json": {"secret": mark}, "headers": {"If-Match": '"x"'}}),
        ("PUT", "/secrets/a", 403, {"json": {"secret": mark}, "headers": {"Origin": "https://x"}}),
        ("GET", "/secrets", 401, {"headers": {"Authorization": f"Bearer {mark}"}}),
        ("GET", "/metrics", 401, {}),
        ("POST", "/login", 401, {"json": wrong, "headers": {"Cookie": ""}}),
    ]

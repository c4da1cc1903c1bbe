"""A walk through the API: Ada keeps her database's password in it, and every answer is checked.

    python tests/test.py                                    walks through http://localhost:5000
    BASE_URL=https://secrets.example python tests/test.py   walks through that server

Where nothing answers and no BASE_URL was given, it starts a server of its own in a throwaway
folder. The first wrong answer ends the walk with exit status 1. Every walk uses new names, so it
can be repeated; on a server that stays, it leaves two names, which stay taken.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

# `flask run` listens on FLASK_RUN_PORT when that is set, so look for it there.
DEFAULT_URL = f"http://localhost:{os.environ.get('FLASK_RUN_PORT', '5000')}"
PROJECT = Path(__file__).resolve().parents[1]
PROBLEM = "urn:secrets-manager:problem:"
PATIENCE_SECONDS = 60

NAME = "shop/database-password"
FIRST, SECOND, THIRD = (secrets.token_urlsafe(12) for _ in range(3))


# --- the story -------------------------------------------------------------------------------


def registration(ada: Person, bob: Person) -> None:
    """An account is a name and a password."""
    step("Ada creates an account", ada.register(), 201, username=ada.username)
    refused("Nobody can take her name again", ada.register(), 409, "already-exists")
    step("Bob creates one too", bob.register(), 201, username=bob.username)


def login(ada: Person, bob: Person) -> None:
    """A session travels in cookies that the client keeps and sends by itself."""
    refused("Without a login nothing is shown", ada.call("GET /secrets"), 401, "not-authenticated")
    wrong = {"username": ada.username, "password": ada.password + "?"}
    refused(
        "A wrong password is refused", ada.call("POST /login", json=wrong), 401, "wrong-credentials"
    )
    step("Ada logs in", ada.login(), 200, username=ada.username)
    if not all(cookie.has_nonstandard_attr("HttpOnly") for cookie in ada.http.cookies):
        raise WrongAnswer("POST /login: expected HttpOnly cookies, got one without")
    step("The service knows her now", ada.call("GET /account"), 200, username=ada.username)
    step("Bob logs in", bob.login(), 200, username=bob.username)


def adding(ada: Person, _bob: Person) -> None:
    """A secret has a name, a value and, if wanted, labels."""
    new = {"name": NAME, "secret": FIRST, "labels": {"env": "test"}}
    step("Ada stores a secret", ada.call("POST /secrets", json=new), 201, name=NAME, version=1)
    refused("A name is used once", ada.call("POST /secrets", json=new), 409, "already-exists")
    put = ada.call("PUT /secrets/notes", data="line one\n", headers={"Content-Type": "text/plain"})
    step("PUT stores one too, here as bare text", put, 201, name="notes", version=1)


def retrieving(ada: Person, bob: Person) -> None:
    """Programs read JSON; shell scripts read the bare value."""
    one = f"GET /secrets/{NAME}"
    step("Ada reads her secret", ada.call(one), 200, name=NAME, secret=FIRST, version=1)
    bare("A script gets the bare value", ada.call(one, headers={"Accept": "text/plain"}), FIRST)
    refused("A secret that isn't there", ada.call("GET /secrets/nowhere"), 404, "not-found")
    refused("Ada's looks the same to Bob", bob.call(one), 404, "not-found")


def updating(ada: Person, _bob: Person) -> None:
    """PUT replaces the value; PATCH changes what it mentions. Each value is a new version."""
    one = f"/secrets/{NAME}"
    put = ada.call(f"PUT {one}", json={"secret": SECOND})
    step("Ada replaces the value", put, 200, version=2, labels={"env": "test"})
    step("She reads the new one", ada.call(f"GET {one}"), 200, secret=SECOND, version=2)
    labels = ada.call(f"PATCH {one}", json={"labels": {"env": "live"}})
    step("She changes only the labels", labels, 200, version=2, labels={"env": "live"})
    patch = ada.call(f"PATCH {one}", json={"secret": THIRD})
    step("She changes only the value", patch, 200, version=3, labels={"env": "live"})
    step("The first value is still known", ada.call(f"GET {one}?version=1"), 200, secret=FIRST)


def listing(ada: Person, bob: Person) -> None:
    """A list shows names, never values, and nobody else's."""
    listed("Ada lists her secrets", ada.call("GET /secrets"), ["notes", NAME])
    listed("She filters by prefix", ada.call("GET /secrets?prefix=shop/"), [NAME])
    listed("Bob has none", bob.call("GET /secrets"), [])


def rotating(ada: Person, _bob: Person) -> None:
    """A new key takes over at once. Values move to it as they are read, and stay what they are."""
    old = step("Ada looks at her keys", ada.call("GET /keys"), 200)["keys"][0]["id"]
    step("She rotates", ada.call("POST /keys:rotate"), 202, state="current")
    reads = {f"GET /secrets/{NAME}?version={n}": v for n, v in enumerate((FIRST, SECOND, THIRD), 1)}
    reads["GET /secrets/notes"] = "line one\n"
    for call, value in reads.items():
        step("This reads as before", ada.call(call), 200, secret=value)
    drained(ada, old, list(reads))


def letting_a_program_in(ada: Person, _bob: Person) -> None:
    """A program gets a token: it can do less than Ada, and ends when she says so."""
    job = Person(ada.base_url, "job")
    one, wanted = f"/secrets/{NAME}", {"name": "job", "scopes": ["read"], "prefixes": ["shop/"]}
    made = step("Ada makes a token", ada.call("POST /tokens", json=wanted), 201, name="job")
    job.http.headers["Authorization"] = f"Bearer {made.get('token')}"
    step("The program reads with it", job.call(f"GET {one}"), 200, secret=THIRD)
    listed("It sees what it may read", job.call("GET /secrets"), [NAME])
    refused("Nothing else is told it", job.call("GET /secrets/notes"), 403, "missing-power")
    refused("It can't write", job.call(f"DELETE {one}"), 403, "missing-power")
    refused("Or look at the account", job.call("GET /account"), 403, "missing-power")
    step("Ada deletes the token", ada.call(f"DELETE /tokens/{made.get('id')}"), 200, deleted=True)
    refused("The program is out", job.call(f"GET {one}"), 401, "invalid-token")


def deleting(ada: Person, _bob: Person) -> None:
    """A deleted secret answers like one that never was."""
    one = f"/secrets/{NAME}"
    step("Ada deletes her secret", ada.call(f"DELETE {one}"), 200, name=NAME)
    refused("It can't be read", ada.call(f"GET {one}"), 404, "not-found")
    refused("Or deleted again", ada.call(f"DELETE {one}"), 404, "not-found")
    step("She deletes the other one", ada.call("DELETE /secrets/notes"), 200, name="notes")
    listed("Nothing is left", ada.call("GET /secrets"), [])


def logging_out(ada: Person, _bob: Person) -> None:
    """Logout ends the session on the server: a copy of the cookies is worth nothing after it."""
    thief = Person(ada.base_url, "thief")
    thief.http.cookies.update(ada.http.cookies)
    step("A copy of Ada's cookies works", thief.call("GET /account"), 200, username=ada.username)
    step("She logs out", ada.call("POST /logout"), 200)
    refused("Her session has ended", ada.call("GET /account"), 401, "not-authenticated")
    refused("So has the copy", thief.call("GET /account"), 401, "not-authenticated")
    refused("It can't be refreshed", thief.call("POST /refresh"), 401, "not-authenticated")


def changing_the_password(ada: Person, _bob: Person) -> None:
    """A new password throws out every other session: whoever learned the old one is gone."""
    phone = Person(ada.base_url, ada.username, ada.password)
    step("Ada logs in on her phone", phone.login(), 200, username=ada.username)
    step("And on her laptop", ada.login(), 200, username=ada.username)
    found = step("She looks at her sessions", ada.call("GET /sessions"), 200, next_cursor=None)
    if [session["current"] for session in found["sessions"]] != [True, False]:
        raise WrongAnswer("GET /sessions: expected this session and another, got others")
    wrong = {"current_password": ada.password + "?", "new_password": ada.password + "!"}
    change = "PUT /account/password"
    refused("Her session is not enough", ada.call(change, json=wrong), 403, "wrong-password")
    right = {**wrong, "current_password": ada.password}
    step("She changes her password", ada.call(change, json=right), 200, sessions_ended=1)
    refused("The phone is out", phone.call("GET /account"), 401, "not-authenticated")
    refused("The old password is gone", phone.login(), 401, "wrong-credentials")
    ada.password = right["new_password"]
    step("The laptop goes on", ada.call("GET /account"), 200, username=ada.username)


def leaving(ada: Person, bob: Person) -> None:
    """Whoever deletes an account takes everything along but the name."""
    new = {"name": NAME, "secret": FIRST}
    step("Ada stores one more secret", ada.call("POST /secrets", json=new), 201, version=4)
    for someone in (ada, bob):
        gone = someone.call("DELETE /account", json={"password": someone.password})
        step("The account is deleted", gone, 200, username=someone.username)
    refused("Nobody is logged in", ada.call("GET /account"), 401, "not-authenticated")
    refused("Nobody can log in", ada.login(), 401, "wrong-credentials")
    refused("The name stays taken", ada.register(), 409, "already-exists")


STORY: tuple[Callable[[Person, Person], None], ...] = (
    registration,
    login,
    adding,
    retrieving,
    updating,
    listing,
    rotating,
    letting_a_program_in,
    deleting,
    logging_out,
    changing_the_password,
    leaving,
)


# --- who tells it ----------------------------------------------------------------------------


@dataclass
class Person:
    """Somebody with an account and a cookie jar."""

    base_url: str
    username: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16), repr=False)
    http: requests.Session = field(default_factory=requests.Session)

    def call(self, what: str, **options: Any) -> requests.Response:
        """Send a request: ``ada.call("GET /secrets")``."""
        method, path = what.split()
        return self.http.request(method, self.base_url + path, timeout=PATIENCE_SECONDS, **options)

    def register(self) -> requests.Response:
        """POST /register."""
        return self.call("POST /register", json=self._credentials())

    def login(self) -> requests.Response:
        """POST /login."""
        return self.call("POST /login", json=self._credentials())

    def _credentials(self) -> dict[str, str]:
        return {"username": self.username, "password": self.password}


class WrongAnswer(Exception):
    """The server answered something else than it should. Says what, but never a secret."""


def step(sentence: str, answer: requests.Response, status: int, **fields: object) -> dict[str, Any]:
    """Tell one step, after checking the status and the given fields of the JSON answer."""
    call = f"{answer.request.method} {answer.request.path_url}"
    if answer.status_code != status:
        raise WrongAnswer(f"{call}: expected status {status}, got {answer.status_code}")
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise WrongAnswer(f"{call}: expected a JSON object, got something else")
    for name, expected in fields.items():
        if name not in body:
            raise WrongAnswer(f"{call}: expected the field {name}, got none")
        if body[name] != expected:
            shown = ("the stored value", "another") if name == "secret" else (expected, body[name])
            raise WrongAnswer(f"{call}: {name}: expected {shown[0]!r}, got {shown[1]!r}")
    _tell(sentence, answer)
    return body


def refused(sentence: str, answer: requests.Response, status: int, kind: str) -> None:
    """Tell a step that must fail, with this kind of problem (docs/problems.md)."""
    step(sentence, answer, status, type=PROBLEM + kind)


def bare(sentence: str, answer: requests.Response, value: str) -> None:
    """Tell a step whose answer is the value itself."""
    if (answer.status_code, answer.text) != (200, value):
        raise WrongAnswer(
            f"GET {answer.request.path_url}: expected status 200 and the stored value as text, "
            f"got status {answer.status_code} and {'it' if answer.text == value else 'another'}"
        )
    _tell(sentence, answer)


def listed(sentence: str, answer: requests.Response, names: list[str]) -> None:
    """Tell a step whose answer is one page with exactly these names and no values."""
    body = step(sentence, answer, 200, next_cursor=None)
    found = [entry for entry in body.get("secrets", []) if isinstance(entry, dict)]
    if [entry.get("name") for entry in found] != names:
        raise WrongAnswer(f"GET /secrets: expected the names {names}, got others")
    if any("secret" in entry for entry in found):
        raise WrongAnswer("GET /secrets: expected no values, got some")


def drained(ada: Person, key: str, reads: list[str]) -> None:
    """Tell that nothing depends on *key* any more.

    A value moves after its read is answered, and only if nobody else is writing at that moment;
    so it may take another read.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = ada.call("GET /keys")
        left = {one["id"]: one["ciphertexts_remaining"] for one in answer.json()["keys"]}
        if left.get(key) == 0:
            return _tell("Nothing needs the old key now", answer)
        for call in reads:
            ada.call(call)
        if time.monotonic() > deadline:
            raise WrongAnswer(f"GET /keys: expected the old key drained, got {left.get(key)}")
        time.sleep(0.05)


def _tell(sentence: str, answer: requests.Response) -> None:
    request = answer.request
    print(f"  {sentence:<40} {request.method} {request.path_url} -> {answer.status_code}")


# --- where it takes place --------------------------------------------------------------------


def reason_not_there(url: str) -> str | None:
    """Why the walk can't take place at *url*, or None if the service answers there."""
    try:
        answer = requests.get(url + "/healthz", timeout=PATIENCE_SECONDS)
        greeting = answer.json() if answer.ok else None
    except requests.JSONDecodeError:
        greeting = None
    except requests.RequestException as error:
        return f"Nothing answers at {url} ({type(error).__name__})"
    return None if greeting == {"status": "ok"} else f"What answers at {url} is not this service"


@contextmanager
def own_server() -> Iterator[str]:
    """A server with a database and a master key of its own, gone without a trace afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="walkthrough-") as folder:
        # No settings of whoever runs this: they could name a database that is in use.
        environ = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
        environ["SECRETS_INSTANCE_DIR"] = f"{folder}/instance"
        log = Path(folder, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "flask", "run", "--port", str(port)],
                cwd=PROJECT,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + PATIENCE_SECONDS
            while reason_not_there(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise WrongAnswer(f"the server did not start:\n{log.read_text('utf-8')}")
                time.sleep(0.05)
            yield url
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


def walk(url: str) -> None:
    """Tell the whole story at *url*."""
    print(f"Walking through {url}.")
    suffix = secrets.token_hex(4)
    ada, bob = Person(url, f"ada-{suffix}"), Person(url, f"bob-{suffix}")
    for chapter in STORY:
        print(f"\n{(chapter.__doc__ or '').strip()}")
        chapter(ada, bob)


def main() -> int:
    """The exit status: 0 when every answer was right."""
    given = os.environ.get("BASE_URL", "").rstrip("/")
    url = given or DEFAULT_URL
    missing = reason_not_there(url)
    try:
        if missing is None:
            walk(url)
        elif given:
            print(f"{missing}. Start the server, or correct BASE_URL.", file=sys.stderr)
            return 1
        else:
            print(f"{missing}: starting a server of its own for this walk.")
            with own_server() as own_url:
                walk(own_url)
    except WrongAnswer as wrong:
        print(f"\nWRONG: {wrong}", file=sys.stderr)
        return 1
    except requests.RequestException as error:
        print(f"\nWRONG: no answer from the server ({type(error).__name__})", file=sys.stderr)
        return 1
    print("\nEvery answer was right.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""People with one of everything, whom the others try to rob."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.people import ORIGIN, Person
from tests.support.shared import unique
from tests.support.sharing import shared
from utils.tokens import new_id

Ids = dict[str, str]  # variable of a rule, or field of a body -> value
_TOKEN_ID = "T" * 22


def absent_ids() -> Ids:
    """What nobody has, in the same shape."""
    return {
        "name": unique("private/absent"),
        "username": unique("absent"),
        "owner": unique("absent"),
        "session_id": new_id(),
        "key_id": new_id(),
        "token_id": _TOKEN_ID,
    }


@dataclass
class Owner:
    """Somebody, and what is theirs. Each name and value is long and random: nobody else's answer
    holds it by chance."""

    app: Flask
    ids: Ids = field(default_factory=dict)
    bearer: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        self.person, self.friend = (Person(self.app, unique(who)) for who in ("owner", "friend"))
        for someone in (self.person, self.friend):
            assert someone.register().status_code == 201
        self.settle()

    @property
    def username(self) -> str:
        """Whose everything is."""
        return self.person.username

    @property
    def private(self) -> set[str]:
        """What nobody else may ever see."""
        values = {f"value-{self.username}", f"value-{self.friend.username}"}
        return {*self.ids.values(), *values, f"label-{self.username}"}

    def settle(self) -> None:
        """Have a live session, key, token and secret of one's own again, whatever happened."""
        self._log_in_afresh()
        self.ids = {"username": self.username, "owner": self.friend.username}
        self._make_token()
        self.renew_secret()
        self.ids["session_id"] = self._newest("sessions")["id"]
        self.ids["key_id"] = self._newest("keys")["id"]

    def renew_secret(self) -> None:
        """Another name for each try: what an attacker stored under the last one must not count.

        A friend has a secret under the same name, and each has shared theirs with the other.
        """
        pair = (self.person, self.friend)
        if "name" in self.ids:
            for someone in pair:
                someone.delete(f"/secrets/{self.ids['name']}")
        self.ids["name"] = unique(f"private/{self.username}")
        for owner, grantee in (pair, pair[::-1]):
            labels = {"whose": f"label-{owner.username}"}
            body = {"secret": f"value-{owner.username}", "labels": labels}
            created = owner.put(f"/secrets/{self.ids['name']}", json=body)
            assert created.status_code == 201, created.text
            assert shared(owner, self.ids["name"], grantee, "write").status_code == 201

    def everything(self) -> dict[str, Any]:
        """All that the owner sees of what is theirs, and that their credentials still work."""
        path = f"/secrets/{self.ids['name']}"
        secret = self.person.get(path)
        seen: dict[str, Any] = {
            "secret": (secret.status_code, secret.json, secret.headers.get("ETag")),
            "account": self.person.get("/account").json,
        }
        for noun in ("keys", "sessions", "tokens"):
            seen[noun] = self.person.get(f"/{noun}").json
            for row in (seen[noun] or {}).get(noun, ()):
                row.pop("last_used_at", None)
        seen["by token"] = self.send_with_token("GET", path).status_code
        seen["grants"] = self.person.get(f"{path}:shares").json
        seen["what is shared with them"] = [
            self.person.get(where).json
            for where in ("/shared", f"/shared/{self.friend.username}/{self.ids['name']}")
        ]
        return seen

    def send(self, method: str, path: str, **options: Any) -> TestResponse:
        """A request with a session that is there for it alone: some routes end it.

        Just one other session is alive then, so that how many there are is always the same.
        """
        caller, other = (Person(self.app, self.username) for _ in range(2))
        assert caller.login().status_code == 200
        assert caller.delete("/sessions").status_code == 200
        assert other.login().status_code == 200
        answer = caller.request(method, path, **options)
        caller.post("/logout")
        return answer

    def send_with_token(self, method: str, path: str, **options: Any) -> TestResponse:
        """A request with the API token and nothing else."""
        client = self.app.test_client(use_cookies=False)
        headers = {"Authorization": f"Bearer {self.bearer}"}
        return client.open(path, method=method, base_url=ORIGIN, headers=headers, **options)

    def _log_in_afresh(self) -> None:
        self.person.client = self.app.test_client()
        assert self.friend.login().status_code == self.person.login().status_code == 200
        assert self.person.delete("/sessions").status_code == 200

    def _make_token(self) -> None:
        listed = self.person.get("/tokens").json
        for row in listed["tokens"]:  # type: ignore[index]
            self.person.delete(f"/tokens/{row['id']}")
        body = {"name": unique("token"), "scopes": ["read", "write"]}
        made = self.person.post("/tokens", json=body)
        assert made.status_code == 201, made.text
        assert made.json is not None
        self.bearer, self.ids["token_id"] = made.json["token"], made.json["id"]

    def _newest(self, noun: str) -> dict[str, Any]:
        answer = self.person.get(f"/{noun}")
        assert answer.json is not None, answer.text
        row: dict[str, Any] = answer.json[noun][0]
        return row

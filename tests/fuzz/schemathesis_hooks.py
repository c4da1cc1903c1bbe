"""What schemathesis is told of this service beyond its document: loaded by ``schemathesis`` itself.

Who calls: a session's cookie or an API token, by turns where both will do. What would end them for
all that follows (a logout, another password) gets an account of its own, each time.
"""

from __future__ import annotations

import base64
import os
import re
from itertools import count
from typing import Any

import requests
import schemathesis
from schemathesis import AuthContext, Case

from models import shapes
from models.names import MAX_NAME

PASSWORD = "not the password of any example"
BASE = os.environ.get("FUZZED_URL", "")
_NUMBERS = count()
_ENDS = {
    "POST /logout",
    "POST /refresh",
    "DELETE /account",
    "PUT /account/password",
    "DELETE /sessions",
    "DELETE /sessions/{session_id}",
}
_CONDITIONS = {"If-Match", "If-None-Match"}
_CONFIRMING = {"password", "current_password"}
_TAGS = re.compile(r'\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*')
_BASE64 = re.compile(shapes.BASE64)
Credentials = dict[str, str]  # names of cookies, or "Authorization"


class People:
    """Accounts on the service."""

    def __init__(self) -> None:
        self._kept: Credentials = {}
        self._token = ""
        self._grantee = ""

    def grantee(self) -> str:
        """The name of an account that nobody logs in to."""
        if not self._grantee:
            self._grantee = f"grantee-{os.getpid()}"
            body = {"username": self._grantee, "password": PASSWORD}
            requests.post(f"{BASE}/register", json=body, timeout=60).raise_for_status()
        return self._grantee

    def somebody(self) -> Credentials:
        """A new account's cookies."""
        name = f"fuzz-{os.getpid()}-{next(_NUMBERS)}"
        body = {"username": name, "password": PASSWORD}
        with requests.Session() as client:
            client.post(f"{BASE}/register", json=body, timeout=60).raise_for_status()
            client.post(f"{BASE}/login", json=body, timeout=60).raise_for_status()
            return dict(client.cookies)

    def session(self) -> Credentials:
        """The access cookie of one account that stays: what would end it is never sent with it."""
        if not self._kept:
            self._kept = self.somebody()
        return {name: value for name, value in self._kept.items() if "access" in name}

    def token(self) -> Credentials:
        """An API token of the same account, with all powers."""
        cookies = self.session()
        if not self._token:
            made = requests.post(
                f"{BASE}/tokens",
                json={"name": f"all-{next(_NUMBERS)}", "scopes": ["read", "write"]},
                cookies=cookies,
                timeout=60,
            )
            made.raise_for_status()
            self._token = made.json()["token"]
        return {"Authorization": f"Bearer {self._token}"}


_PEOPLE = People()


@schemathesis.auth(refresh_interval=None)
class Callers:
    """Whoever sends a case."""

    def get(self, case: Case[Any], _context: AuthContext) -> Credentials:
        """Credentials that the operation takes."""
        security = case.operation.definition.raw.get("security", [])
        if case.operation.label in _ENDS:
            found = _PEOPLE.somebody()
            if case.operation.label != "POST /refresh":
                return {name: value for name, value in found.items() if "access" in name}
            return {name: value for name, value in found.items() if "refresh" in name}
        if {"token": []} in security and next(_NUMBERS) % 2:
            return _PEOPLE.token()
        return _PEOPLE.session() if {"session": []} in security else {}

    def set(self, case: Case[Any], data: Credentials, _context: AuthContext) -> None:
        """Put them into the request."""
        for name, value in data.items():
            place: Any = case.headers if name == "Authorization" else case.cookies
            place[name] = value


@schemathesis.hook
def before_call(_context: Any, case: Case[Any], _kwargs: Any) -> None:
    """What a schema cannot say: a cursor is what a page gave, a network has no bits after its
    prefix, a password is the account's. Cases that are meant to be refused stay as they are."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    label, query = case.operation.label, case.query or {}
    query.pop("cursor", None)
    if label == "POST /secrets:import" and isinstance(query.get("prefix"), str):
        names = case.body if isinstance(case.body, dict) else ()
        if len(query["prefix"]) + max(map(len, names), default=20) > MAX_NAME:
            query["prefix"] = ""  # it leaves no room for the names in the file
    for name in _CONDITIONS & set(case.headers or {}):
        # Its coverage phase breaks the pattern of these two headers, and calls that valid.
        if not _TAGS.fullmatch(str(case.headers[name])):
            case.headers[name] = '"0"'
    if label == "POST /secrets:import" and isinstance(case.body, str):
        case.body = f"NAME_{next(_NUMBERS)}={len(case.body)}\n"  # a .env file has no schema
    elif isinstance(case.body, dict):
        _make_valid(case.body, label)


def _make_valid(body: dict[str, Any], label: str) -> None:
    if label in _ENDS and next(_NUMBERS) % 2:
        body.update(dict.fromkeys(_CONFIRMING & set(body), PASSWORD))
    for name in {"new_password"} | ({"password"} if label == "POST /register" else set()):
        if name in body and len(body[name]) < 20:
            body[name] += f"~{next(_NUMBERS)}"
    if label == "POST /secrets:batchWrite" and isinstance(body.get("writes"), list):
        body["writes"] = list({write["name"]: write for write in body["writes"]}.values())
    for one in [body, *(body.get("writes") or [])]:
        # It puts a field of an example beside others of its own, and so breaks `if` and `then`.
        if one.get("encoding") == "base64" and not _BASE64.fullmatch(str(one.get("secret"))):
            one["secret"] = base64.b64encode(str(one.get("secret")).encode()).decode()
    if label.endswith(":share") and "username" in body:
        body["username"] = _PEOPLE.grantee()
    if body.get("cidrs"):
        body["cidrs"] = ["10.0.0.0/8"]

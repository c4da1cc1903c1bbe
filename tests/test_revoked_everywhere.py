"""What one process remembers, another can revoke: it counts at the very next request.

Remembered are: that a session token's signature was right, and what wrapped keys opened to.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from tests.support.people import PASSWORD
from tests.support.server import ROOT, Server

_NEW_PASSWORD = "another battery staple altogether"
Pair = tuple[Server, Server]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two processes over one database."""
    instance = tmp_path_factory.mktemp("two") / "instance"
    with Server(instance) as here, Server(instance) as there:
        yield here, there


def entered(node: Server, name: str) -> requests.Session:
    """A new session on *node*, and a secret that it has read there."""
    client, body = requests.Session(), {"username": name, "password": PASSWORD}
    client.post(f"{node.url}/register", json=body, timeout=60)
    client.post(f"{node.url}/login", json=body, timeout=60).raise_for_status()
    client.put(f"{node.url}/secrets/a", json={"secret": "1"}, timeout=60).raise_for_status()
    assert read(client, node).json()["secret"] == "1"
    return client


def read(client: requests.Session, node: Server, path: str = "/secrets/a") -> requests.Response:
    """The secret."""
    return client.get(node.url + path, timeout=60)


def run(node: Server, sql: str, *parameters: object) -> None:
    """What a third process does to the database."""
    with sqlite3.connect(node.instance / "secrets.db", timeout=30) as connection:
        assert connection.execute(sql, parameters).rowcount > 0
    connection.close()


def test_a_logout_elsewhere_ends_a_token_that_was_verified_here(nodes: Pair) -> None:
    """The signature is still right; the session is gone."""
    here, there = nodes
    client = entered(here, "logout")
    copy = dict(client.cookies)
    client.post(f"{there.url}/logout", timeout=60).raise_for_status()
    client.cookies.update(copy)
    assert read(client, here).status_code == 401


def test_a_password_changed_elsewhere_ends_it(nodes: Pair) -> None:
    """All sessions but the one that changed it."""
    here, there = nodes
    old, new = entered(here, "changed"), entered(here, "changed")
    body = {"current_password": PASSWORD, "new_password": _NEW_PASSWORD}
    new.put(f"{there.url}/account/password", json=body, timeout=60).raise_for_status()
    assert read(old, here).status_code == 401
    assert read(new, here).status_code == 200


def test_an_account_deleted_elsewhere_is_gone_here(nodes: Pair) -> None:
    """With everything in it."""
    here, there = nodes
    client = entered(here, "deleted")
    again = entered(there, "deleted")
    body = {"password": PASSWORD}
    again.delete(f"{there.url}/account", json=body, timeout=60).raise_for_status()
    assert read(client, here).status_code == 401


def test_an_api_token_deleted_elsewhere_is_refused_here(nodes: Pair) -> None:
    """Its row decides."""
    here, there = nodes
    client = entered(here, "token")
    made = client.post(f"{here.url}/tokens", json={"name": "t", "scopes": ["read"]}, timeout=60)
    program = requests.Session()
    program.headers["Authorization"] = f"Bearer {made.json()['token']}"
    assert read(program, here).status_code == 200
    client.delete(f"{there.url}/tokens/{made.json()['id']}", timeout=60).raise_for_status()
    assert read(program, here).status_code == 401


def test_a_grant_revoked_elsewhere_is_gone_here(nodes: Pair) -> None:
    """Though the owner's key was opened for it a moment ago."""
    here, there = nodes
    owner, grantee = entered(here, "owner"), entered(here, "grantee")
    body = {"username": "grantee", "permission": "read"}
    owner.post(f"{here.url}/secrets/a:share", json=body, timeout=60).raise_for_status()
    assert read(grantee, here, "/shared/owner/a").status_code == 200
    body = {"username": "grantee"}
    owner.post(f"{there.url}/secrets/a:unshare", json=body, timeout=60).raise_for_status()
    assert read(grantee, here, "/shared/owner/a").status_code == 404


def test_a_rotation_elsewhere_leaves_values_readable_here(nodes: Pair) -> None:
    """Their key is another one now, and the one that is remembered is destroyed."""
    here, _ = nodes
    client = entered(here, "rotated")
    command = [sys.executable, "rotate_keys.py", "--user", "rotated", "--quiet"]
    subprocess.run(command, cwd=ROOT, env=here.environment(), check=True)
    assert read(client, here).json()["secret"] == "1"
    kept = client.get(f"{here.url}/keys", timeout=60).json()["keys"]
    assert sorted(key["state"] for key in kept) == ["current", "destroyed"]


@pytest.mark.invariant(number=7)
def test_a_wrapped_key_that_was_swapped_is_not_opened_from_memory(nodes: Pair) -> None:
    """What is remembered is what these very bytes open to, in this very row."""
    here, _ = nodes
    client, other = entered(here, "swapped"), entered(here, "other")
    assert read(other, here).status_code == 200
    key = "(SELECT k.id FROM user_keys k JOIN users u ON u.id = k.owner_id WHERE u.username = ?)"
    run(
        here,
        f"UPDATE user_key_material SET sealed = (SELECT sealed FROM user_key_material "  # noqa: S608
        f"WHERE key_id = {key}) WHERE key_id = {key}",
        "other",
        "swapped",
    )
    assert read(client, here).status_code == 500


def test_a_signing_key_that_is_gone_verifies_nothing_any_more(nodes: Pair) -> None:
    """Sessions are signed anew, and the tokens it had signed are nobody's."""
    here, there = nodes
    client = entered(here, "signed")
    assert read(client, there).status_code == 200
    run(here, "DELETE FROM system_keys WHERE purpose = 'signing'")
    assert read(client, here).status_code == 401
    assert read(client, there).status_code == 401

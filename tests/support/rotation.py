"""Rotations in tests: the command as a process, something to rotate, and what must hold after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from config import Settings
from models.conditions import UNCONDITIONAL
from models.rows import (
    Act,
    Author,
    Change,
    PasswordHash,
    SecretName,
    UserId,
    Username,
    Value,
)
from models.times import utcnow
from tests.support.chains import begin_chain
from tests.support.dump import Dump, dump
from tests.support.server import ROOT
from utils.db import Tx
from utils.store import accounts, secrets
from utils.tokens import new_account_id
from utils.vault import Vault

_PATIENCE_SECONDS = 120


# --- the command -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ran:
    """How ``rotate_keys.py`` ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one object on stdout."""
        found: dict[str, Any] = json.loads(self.out)
        return found


def environment(settings: Settings, **changed: str) -> dict[str, str]:
    """The environment that says what *settings* say: ``environment(settings, KEY_MAX_AGE="1s")``.

    An empty value takes a variable out.
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
    ours = {
        "INSTANCE_DIR": str(settings.INSTANCE_DIR),
        "DATABASE_URL": settings.DATABASE_URL,
        "BCRYPT_COST": "4",
        **changed,
    }
    return {**inherited, **{f"SECRETS_{name}": value for name, value in ours.items() if value}}


def start(
    settings: Settings, *arguments: str, prefix: tuple[str, ...] = (), **environ: str
) -> subprocess.Popen[str]:
    """Start the command, from a folder as strange as cron's."""
    return subprocess.Popen(
        [*prefix, sys.executable, str(ROOT / "rotate_keys.py"), *arguments],
        cwd="/",
        # Under a prefix the process is short of something, and coverage's own file must not be
        # what it is missed for.
        env={
            name: value
            for name, value in environment(settings, **environ).items()
            if not (prefix and name.startswith("COVERAGE"))
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Ran:
    """Wait for its end. Whatever happened to it, it must not have been surprised."""
    with process:
        out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    assert "Traceback" not in err, err
    return Ran(process.returncode, out, err)


def rotate(
    settings: Settings, *arguments: str, prefix: tuple[str, ...] = (), **environ: str
) -> Ran:
    """Run the command to its end."""
    return end(start(settings, *arguments, prefix=prefix, **environ))


def wait_until(happened: Callable[[], bool], what: str) -> None:
    """Look again and again, but not for ever."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline, f"it never happened: {what}"
        time.sleep(0.005)


# --- something to rotate -----------------------------------------------------------------------


def add_owner(vault: Vault, username: str, count: int = 3, size: int = 20) -> UserId:
    """An account with *count* secrets, the first with an older version, and besides a deleted
    and an expired one: *count* + 3 ciphertexts."""
    now = utcnow()
    with vault.db.write() as tx:
        account = accounts.create(
            tx, vault.master, new_account_id(), Username(username), PasswordHash("none"), now
        )
        act = Act(account.id, Author(account.username, "session"), now)
        for name in ("secret-0", *(f"secret-{i}" for i in range(count)), "deleted"):
            secrets.put(tx, vault.master, act, SecretName(name), _new(size), UNCONDITIONAL)
        secrets.delete(tx, act, SecretName("deleted"), UNCONDITIONAL, timedelta(days=30))
        long_ago = now - timedelta(days=1)
        expired = Change(value=Value(os.urandom(size), "bytes"), expires_at=long_ago)
        secrets.put(tx, vault.master, act, SecretName("expired"), expired, UNCONDITIONAL)
        begin_chain(tx, vault.audit.key, account)
    return account.id


def write(vault: Vault, owner: UserId, name: str, value: bytes) -> None:
    """What a PUT does."""
    with vault.db.write() as tx:
        put(tx, vault, owner, name, value)


def put(tx: Tx, vault: Vault, owner: UserId, name: str, value: bytes) -> None:
    """The same, as a part of something larger."""
    act = Act(owner, Author(Username("somebody"), "session"), utcnow())
    change = Change(value=Value(value, "bytes"))
    secrets.put(tx, vault.master, act, SecretName(name), change, UNCONDITIONAL)


def age_keys(vault: Vault, owner: UserId, age: timedelta) -> None:
    """Let the account's current key have been made so long ago."""
    run(
        vault,
        "UPDATE user_keys SET created_at = created_at - ? WHERE owner_id = ? AND state = 'current'",
        age // timedelta(microseconds=1),
        owner,
    )


def run(vault: Vault, sql: str, *parameters: object) -> int:
    """Change the database by hand; how many rows that changed."""
    with vault.db.write() as tx:
        return tx.run(sql, *parameters)


def number(vault: Vault, sql: str, *parameters: object) -> int:
    """The one number that a query answers."""
    with vault.db.read() as tx:
        row = tx.one(sql, *parameters)
    assert row is not None
    return int(row[0])


def _new(size: int) -> Change:
    return Change(value=Value(os.urandom(size), "bytes"))


# --- what must hold ----------------------------------------------------------------------------


def assert_sound(vault: Vault) -> Dump:
    """Invariants 1 to 3; everything that is stored."""
    found = dump(vault.db, vault.master)  # raises where a ciphertext does not open
    current = sorted(key["owner_id"] for key in found["user_keys"] if key["state"] == "current")
    assert current == sorted(user["id"] for user in found["users"] if user["state"] != "deleted")
    owners = {key["id"]: key["owner_id"] for key in found["user_keys"]}
    secrets_of = {secret["id"]: secret["owner_id"] for secret in found["secrets"]}
    for version in found["secret_versions"]:
        assert owners[version["key_id"]] == secrets_of[version["secret_id"]]
    alive = {key["id"] for key in found["user_keys"] if key["state"] != "destroyed"}
    assert alive == {material["key_id"] for material in found["user_key_material"]}
    return found


def seen(found: Dump) -> dict[str, list[str]]:
    """What owners can see of it: all that a rotation must leave as it is."""
    hidden = {"key_id", "ciphertext"}
    return {
        table: sorted(
            repr({k: v for k, v in row.items() if k not in hidden}) for row in found[table]
        )
        for table in ("users", "sessions", "secrets", "secret_versions")
    }


def stale(found: Dump) -> list[int]:
    """The numbers of the versions under retired keys."""
    retired = {key["id"] for key in found["user_keys"] if key["state"] == "retired"}
    return sorted(row["id"] for row in found["secret_versions"] if row["key_id"] in retired)


def states(found: Dump, owner: UserId) -> list[str]:
    """The states of an account's keys, oldest first."""
    keys = [key for key in found["user_keys"] if key["owner_id"] == owner]
    return [key["state"] for key in sorted(keys, key=lambda key: int(key["id"]))]

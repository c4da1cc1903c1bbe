"""The cost of hashing was raised: logins replace hashes, beside each other and beside changes of
the password, and nobody takes another hash for another password."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask

from app import create_app
from config import Settings
from models.rows import PasswordHash, Username
from models.times import utcnow
from routes.context import vault_of
from tests.support.people import PASSWORD, Person
from tests.support.race import Gate
from tests.support.rotation import assert_sound
from utils.store import accounts
from utils.vault import Vault

NEW = "the new password"


def change(person: Person) -> int:
    """Change the password; the status."""
    body = {"current_password": PASSWORD, "new_password": NEW}
    return person.put("/account/password", json=body).status_code


@pytest.fixture
def costlier(settings: Settings, vault: Vault) -> Iterator[Flask]:
    """The same installation, started again by an operator who raised the cost of hashing."""
    raised = settings.model_copy(update={"BCRYPT_COST": settings.BCRYPT_COST + 1})
    application = create_app(raised)
    yield application
    vault_of(application).close()


def test_logins_at_once_all_succeed_though_one_of_them_upgrades_the_hash(
    costlier: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All verified the hash that the first replaces: the password is the same, and no login fails
    or uses up an attempt."""
    devices = [Person(costlier, "alice") for _ in range(8)]
    gate = Gate(monkeypatch, "hashpw")  # behind which they all have verified
    with ThreadPoolExecutor(8) as pool:
        logins = [pool.submit(device.login) for device in devices]
        for _ in range(vault.settings.HASHING_SLOTS):
            assert gate.wait_for_arrival()
        gate.open()
        assert [login.result(60).status_code for login in logins] == [200] * 8
    assert {device.get("/account").status_code for device in devices} == {200}
    found = assert_sound(vault)
    assert [user["password_hash"][:7] for user in found["users"]] == ["$2b$05$"]
    assert len(found["sessions"]) == 9


@pytest.mark.parametrize("step", ["change", "reset"])
def test_a_login_that_upgrades_the_hash_still_finds_the_password_changed(
    costlier: Flask, vault: Vault, alice: Person, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a hash upgrade is forgiven, a change of the password is not: and the new hash stays."""
    late = Person(costlier, "alice")
    with vault.db.read() as tx:
        credentials = accounts.find_credentials(tx, Username("alice"))
    assert credentials is not None
    chosen = vault.hasher.hash(NEW, credentials.account.id)
    gate = Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(1) as pool:
        login = pool.submit(late.login)
        assert gate.wait_for_arrival()
        with vault.db.write() as tx:
            current = tx.all("SELECT id FROM sessions")[0][0]
            if step == "change":
                accounts.change_password(tx, credentials, chosen, current, utcnow())
            else:
                until = utcnow() + timedelta(days=1)
                accounts.reset_password(tx, Username("alice"), chosen, until, utcnow())
        gate.open()
        assert login.result(60).status_code == 401
    assert [user["password_hash"] for user in assert_sound(vault)["users"]] == [chosen]


def test_a_password_change_beside_a_hash_upgrade_succeeds(
    costlier: Flask, vault: Vault, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password that was verified is still the account's, whatever its hash."""
    gate = Gate(monkeypatch, "hashpw")
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change, alice)
        assert gate.wait_for_arrival()
        with vault.db.write() as tx:
            credentials = accounts.find_credentials(tx, Username("alice"))
            assert credentials is not None
            assert accounts.upgrade_hash(tx, credentials, PasswordHash("of a higher cost"))
        gate.open()
        assert changing.result(60) == 200

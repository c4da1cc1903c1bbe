"""The service's own keys. Of those that sign session tokens, one signs; those before it go on
verifying while a session lives that they may have signed for, and then they are gone."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models.errors import ConfigurationError, MissingMasterKey
from models.rows import UserId
from models.times import to_microseconds
from tests.support.people import Person
from tests.support.rotation import add_owner, number, run
from tests.support.tokens import ACCESS, REFRESH, cookie, header_of
from utils.rotation import Rotator
from utils.store import system
from utils.store.system import SIGNING, SigningKey
from utils.vault import Vault

INSTANT = timedelta(microseconds=1)  # the smallest difference that is stored
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SETTLING = timedelta(minutes=15)  # a login that read the key before may commit after
COUNT = "SELECT count(*) FROM system_keys WHERE purpose = 'signing'"
OTHERS = "SELECT count(*) FROM system_keys WHERE purpose <> 'signing' AND retired_at IS NULL"


@pytest.fixture
def made(vault: Vault, now: datetime) -> datetime:
    """When the key was made that signs at first."""
    run(vault, "UPDATE system_keys SET created_at = ?", to_microseconds(now))
    return now


def rotate(vault: Vault, now: datetime, created_before: datetime) -> bool:
    """What a rotation does with signing keys."""
    with vault.db.write() as tx:
        return system.rotate_signing_key(tx, vault.master, now, created_before)


def current(vault: Vault) -> SigningKey:
    """The key that signs."""
    with vault.db.read() as tx:
        return system.current_signing_key(tx, vault.master)


def add_session(
    vault: Vault, owner: UserId, created: datetime, idle: datetime, ends: datetime
) -> None:
    """A login at that time, which ends at the earlier of two others."""
    run(
        vault,
        "INSERT INTO sessions (id, user_id, refresh_id, created_at, last_used_at, idle_expires_at, "
        "expires_at, address, client) VALUES ('s', ?, 'r', ?, ?, ?, ?, '', '')",
        owner,
        *(to_microseconds(moment) for moment in (created, created, idle, ends)),
    )


def test_a_signing_key_is_replaced_when_it_is_due(vault: Vault, made: datetime) -> None:
    """By its age, to the instant; it is asked without replacing it, and the answer is the same."""
    first, later = current(vault), made + DAY
    for created_before, due in ((made - INSTANT, False), (made, True)):
        with vault.db.read() as tx:
            assert system.signing_key_due(tx, created_before) is due
        assert rotate(vault, later, created_before) is due
    second = current(vault)
    assert second.number > first.number
    assert second.key != first.key
    assert number(vault, "SELECT max(created_at) FROM system_keys") == to_microseconds(later)
    with vault.db.read() as tx:
        assert system.find_signing_key(tx, vault.master, first.number) == first
        assert system.find_signing_key(tx, vault.master, second.number) == second
        assert not system.signing_key_due(tx, made), "a retired key is not due again"


def test_a_rotation_replaces_the_signing_key_once(vault: Vault, made: datetime) -> None:
    """And counts it, as its report says."""
    rotator = Rotator(vault.db, vault.master, made + DAY)
    rotator.rotate_signing_key(made)
    assert rotator.report.signing_keys == 1
    rotator.rotate_signing_key(made)
    assert (rotator.report.signing_keys, number(vault, COUNT)) == (1, 2)


def test_another_system_key_is_no_signing_key(vault: Vault) -> None:
    """Its number in a token's header verifies nothing."""
    pepper = number(vault, "SELECT id FROM system_keys WHERE purpose = 'pepper'")
    with vault.db.read() as tx:
        assert system.find_signing_key(tx, vault.master, pepper) is None
        assert system.find_signing_key(tx, vault.master, pepper + 1000) is None


@pytest.mark.parametrize(
    ("created", "idle", "ends", "kept"),
    [
        pytest.param(-HOUR, HOUR, HOUR, True, id="it lives"),
        pytest.param(timedelta(), INSTANT, INSTANT, True, id="it began as the key was retired"),
        pytest.param(INSTANT, HOUR, HOUR, False, id="it began after that, with the next key"),
        pytest.param(-HOUR, timedelta(), HOUR, False, id="it is idle for too long"),
        pytest.param(-HOUR, HOUR, timedelta(), False, id="it has come to its end"),
    ],
)
def test_a_retired_key_verifies_while_a_session_needs_it(
    vault: Vault, made: datetime, created: timedelta, idle: timedelta, ends: timedelta, kept: bool
) -> None:
    """Nobody is logged out by a rotation, and no key is kept for nobody."""
    retired, later = made + HOUR, made + HOUR + DAY
    owner = add_owner(vault, "ada", count=0)
    assert rotate(vault, retired, made)
    add_session(vault, owner, retired + created, later + idle, later + ends)
    assert not rotate(vault, later, made), "the new key is not due"
    assert number(vault, COUNT) == 1 + kept
    assert number(vault, OTHERS) == len(system.PURPOSES) - 1


@pytest.mark.parametrize(("waited", "kept"), [(SETTLING - INSTANT, True), (SETTLING, False)])
def test_a_key_is_kept_until_logins_under_way_have_settled(
    vault: Vault, made: datetime, waited: timedelta, kept: bool
) -> None:
    """A login reads the key, hashes, and only then has a row that would keep the key."""
    assert rotate(vault, made, made)
    assert not rotate(vault, made + waited, made - INSTANT)
    assert number(vault, COUNT) == 1 + kept


def test_a_session_goes_on_through_a_rotation(vault: Vault, alice: Person, made: datetime) -> None:
    """Its tokens are good under the former key; the next ones are signed with the new one."""
    former = str(current(vault).number)
    assert header_of(cookie(alice, ACCESS))["kid"] == former
    assert rotate(vault, made, made)
    assert alice.get("/account").status_code == 200
    assert alice.post("/refresh").status_code == 200
    kids = {header_of(cookie(alice, name))["kid"] for name in (ACCESS, REFRESH)}
    assert kids == {str(current(vault).number)} != {former}


# --- all keys of the service -------------------------------------------------------------------


def test_keys_of_the_service_are_made_once(vault: Vault, now: datetime) -> None:
    """Whoever starts second makes none; one that is missing is made, and told of."""
    with vault.db.write() as tx:
        assert system.ensure_system_keys(tx, vault.master, now) == []
        before = system.load_keys(tx, vault.master)
    run(vault, "DELETE FROM system_keys WHERE purpose = 'grant'")
    with vault.db.write() as tx:
        assert system.load_keys(tx, vault.master) is None
        assert system.ensure_system_keys(tx, vault.master, now) == [system.GRANT]
        after = system.load_keys(tx, vault.master)
    assert before is not None
    assert after is not None
    assert before.keys() == after.keys() == set(system.PURPOSES)
    assert {name for name, key in before.items() if after[name] != key} == {system.GRANT}
    assert len(set(after.values())) == len(system.PURPOSES), "each is another"


def test_of_several_signing_keys_the_newest_is_loaded(vault: Vault, made: datetime) -> None:
    """The others are opened too: at the start, rather than at the request that needs one."""
    assert rotate(vault, made, made)
    with vault.db.read() as tx:
        keys = system.load_keys(tx, vault.master)
    assert keys is not None
    assert keys[SIGNING] == current(vault).key


def test_the_key_of_the_audit_trail_is_found_alone(vault: Vault) -> None:
    """By commands, which open no other; before the first start there is none."""
    with vault.db.read() as tx:
        keys = system.load_keys(tx, vault.master)
        assert keys is not None
        assert system.audit_key(tx, vault.master) == keys[system.AUDIT]
    run(vault, "DELETE FROM system_keys")
    with vault.db.read() as tx:
        assert system.audit_key(tx, vault.master) is None
        with pytest.raises(LookupError):
            system.current_signing_key(tx, vault.master)


def test_a_damaged_key_stops_the_start(vault: Vault) -> None:
    """Rather than somebody's login; it is named, and what to do."""
    damaged = number(vault, "SELECT id FROM system_keys WHERE purpose = 'pepper'")
    run(vault, "UPDATE system_keys SET sealed = 'damaged' WHERE id = ?", damaged)
    named = rf"System key {damaged} \(pepper\) .* {vault.master.current}: .* Restore a backup"
    with vault.db.read() as tx, pytest.raises(ConfigurationError, match=named):
        system.load_keys(tx, vault.master)


def test_master_keys_that_are_missing_are_named(vault: Vault) -> None:
    """Whichever kind of key each of them wraps, and however many keys the others wrap."""
    for name in ("ada", "bea", "cleo"):
        add_owner(vault, name, count=0)
    with vault.db.read() as tx:
        assert system.wrapping_fingerprints(tx) == {vault.master.current}
        system.refuse_missing_master_keys(tx, vault.master)
    newest = "(SELECT max(key_id) FROM user_key_material)"
    run(vault, f"UPDATE user_key_material SET master = 'feed' WHERE key_id = {newest}")  # noqa: S608
    run(vault, "UPDATE system_keys SET master = 'beef' WHERE purpose = 'token'")
    with vault.db.read() as tx:
        assert system.wrapping_fingerprints(tx) == {vault.master.current, "feed", "beef"}
        with pytest.raises(MissingMasterKey, match="master key beef, feed, which"):
            system.refuse_missing_master_keys(tx, vault.master)

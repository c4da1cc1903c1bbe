"""What the operator is told of keys and ciphertexts: how many there are, whose, and since when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from models.rows import UserId, Username
from models.times import to_microseconds, utcnow
from tests.support.rotation import add_owner, number, run, write
from utils.rotation import Rotator
from utils.store import accounts, ciphertexts, keys, wrappings
from utils.store.system import PURPOSES
from utils.vault import Vault

INSTANT = timedelta(microseconds=1)
Owners = dict[str, UserId]


@pytest.fixture
def owners(vault: Vault, now: datetime) -> Owners:
    """Ada and Bea have stale ciphertexts, Cleo a destroyed key, Dora one that nothing needs."""
    made = {name: add_owner(vault, name, count=1) for name in ("ada", "bea", "cleo")}
    switch(vault, made["cleo"])
    rotator = Rotator(vault.db, vault.master, now)
    rotator.sweep()
    rotator.destroy()
    made["dora"] = add_owner(vault, "dora", count=0)
    run(vault, "DELETE FROM secrets WHERE owner_id = ?", made["dora"])
    for name in ("ada", "bea", "dora"):
        switch(vault, made[name])
    write(vault, made["ada"], "fresh", b"fresh")
    return made


def switch(vault: Vault, owner: UserId) -> None:
    """What POST /keys:rotate does."""
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, owner, utcnow())


def test_ciphertexts_are_counted_by_owner_and_by_the_state_of_their_key(
    vault: Vault, owners: Owners
) -> None:
    """So many would move, and so many are there."""
    with vault.db.read() as tx:
        assert ciphertexts.counts_by_owner(tx) == {
            (owners["ada"], "retired"): 4,
            (owners["ada"], "current"): 1,
            (owners["bea"], "retired"): 4,
            (owners["cleo"], "current"): 4,
        }
        assert ciphertexts.count_all(tx) == 13
        assert ciphertexts.count_stale(tx, None) == 8
        assert ciphertexts.count_stale(tx, {owners["ada"], owners["cleo"]}) == 4
        assert ciphertexts.count_stale(tx, {owners["cleo"]}) == 0


def test_the_oldest_stale_ciphertext_tells_since_when(
    vault: Vault, owners: Owners, now: datetime
) -> None:
    """Of these accounts, or of all; what is under a current key is older and does not count."""
    of_owner = "SELECT min(v.id) FROM secret_versions v JOIN secrets s ON s.id = v.secret_id "
    for days, name in ((9, "cleo"), (2, "bea"), (5, "ada")):
        first = number(vault, f"{of_owner}WHERE s.owner_id = ?", owners[name])
        moment = to_microseconds(now - timedelta(days=days))
        run(vault, "UPDATE secret_versions SET created_at = ? WHERE id = ?", moment, first)
    with vault.db.read() as tx:
        assert ciphertexts.oldest_stale(tx, None) == now - timedelta(days=5)
        assert ciphertexts.oldest_stale(tx, {owners["bea"]}) == now - timedelta(days=2)
        assert ciphertexts.oldest_stale(tx, {owners["cleo"], owners["dora"]}) is None


def test_keys_are_listed_until_they_are_destroyed(vault: Vault, owners: Owners) -> None:
    """Oldest first, each with what still depends on it; the destroyed ones are a number."""
    with vault.db.read() as tx:
        everything = keys.list_undestroyed(tx, None)
        assert [(key.owner, key.state, key.ciphertexts_remaining) for key in everything] == [
            ("ada", "retired", 4),
            ("bea", "retired", 4),
            ("cleo", "current", 4),
            ("dora", "retired", 0),
            ("ada", "current", 1),
            ("bea", "current", 0),
            ("dora", "current", 0),
        ]
        hers = keys.list_undestroyed(tx, {owners["bea"]})
        assert hers == [key for key in everything if key.owner == "bea"]
        assert keys.count_destroyed(tx, None) == 1
        assert keys.count_destroyed(tx, {owners["cleo"]}) == 1
        assert keys.count_destroyed(tx, {owners["ada"]}) == 0
        assert keys.count_by_state(tx) == {"current": 4, "retired": 3, "destroyed": 1}
        retired = keys.retired_keys(tx, {owners["bea"], owners["dora"]})
        assert [key.drained for key in retired] == [False, True]


def test_a_destroyed_key_has_nothing_left_to_open(vault: Vault, owners: Owners) -> None:
    """Every other one has."""
    with vault.db.read() as tx:
        for number, state in tx.all("SELECT id, state FROM user_keys"):
            assert (keys.wrapped_key(tx, number) is None) is (state == "destroyed")


def test_a_destruction_is_found_by_its_time(vault: Vault, owners: Owners, now: datetime) -> None:
    """One that came after the last rotation began leaves remains to be scrubbed."""
    with vault.db.read() as tx:
        assert keys.destroyed_since(tx, now - INSTANT)
        assert not keys.destroyed_since(tx, now)


def test_an_account_is_found_by_its_name_while_it_can_have_keys(
    vault: Vault, owners: Owners, now: datetime
) -> None:
    """A disabled one can; a deleted one, or one that never was, cannot."""
    run(vault, "UPDATE users SET state = 'disabled' WHERE id = ?", owners["ada"])
    with vault.db.write() as tx:
        leaving = accounts.find_credentials(tx, Username("bea"))
        assert leaving is not None
        assert accounts.delete(tx, leaving, now)
    with vault.db.read() as tx:
        assert keys.find_owner(tx, Username("ada")) == owners["ada"]
        assert keys.find_owner(tx, Username("bea")) is None
        assert keys.find_owner(tx, Username("nobody")) is None


def test_a_deleted_account_has_destroyed_keys_alone(
    vault: Vault, owners: Owners, now: datetime
) -> None:
    """Each at that time, those that were retired before with the time at which they were; and the
    keys of others stay."""
    later = now + timedelta(hours=1)
    times = "SELECT count(*) FROM user_keys WHERE owner_id = ? AND {} = ?"
    with vault.db.write() as tx:
        leaving = accounts.find_credentials(tx, Username("ada"))
        assert leaving is not None
        assert accounts.delete(tx, leaving, later)
    moment = to_microseconds(later)
    assert number(vault, times.format("destroyed_at"), owners["ada"], moment) == 2
    assert number(vault, times.format("retired_at"), owners["ada"], moment) == 1
    with vault.db.read() as tx:
        assert keys.count_by_state(tx) == {"current": 3, "retired": 2, "destroyed": 3}
        assert {key.owner for key in keys.list_undestroyed(tx, None)} == {"bea", "cleo", "dora"}
        assert len(tx.all("SELECT 1 FROM user_key_material")) == 5


def test_the_newest_key_has_the_highest_number(vault: Vault) -> None:
    """0 before the first, so that every key is later."""
    with vault.db.read() as tx:
        assert keys.newest_key(tx) == 0
    owner = add_owner(vault, "ada")
    switch(vault, owner)
    with vault.db.read() as tx:
        newest = keys.newest_key(tx)
    assert newest == number(vault, "SELECT id FROM user_keys WHERE state = 'current'")


def test_what_each_master_key_wraps_is_counted(vault: Vault, owners: Owners) -> None:
    """With the service's own keys where all are asked for; a destroyed key is wrapped no more."""
    run(
        vault,
        "UPDATE user_key_material SET master = 'feedfacefeedface' "
        "WHERE key_id = (SELECT min(key_id) FROM user_key_material)",
    )
    ours = vault.master.current
    with vault.db.read() as tx:
        assert wrappings.counts(tx, None) == {ours: 6 + len(PURPOSES), "feedfacefeedface": 1}
        both = {owners["ada"], owners["bea"]}
        assert wrappings.counts(tx, both) == {ours: 3, "feedfacefeedface": 1}
        assert wrappings.counts(tx, {owners["cleo"]}) == {ours: 1}

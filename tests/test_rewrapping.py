"""Another master key: ``rotate_keys.py --rewrap-master``, and what it leaves to the old one."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timezone
from typing import Literal

import pytest
from flask import Flask

from models.rows import UserId
from models.times import utcnow
from tests.support.dump import dump
from tests.support.masters import Replacement, opens
from tests.support.people import Person, problem
from tests.support.rotation import (
    add_owner,
    end,
    number,
    rotate,
    run,
    seen,
    start,
    states,
    wait_until,
)
from tests.support.wrapped import Crash, Crashing, Recording
from utils.crypto import MasterKeys, fingerprint
from utils.rewrapping import Rewrapper
from utils.rotation import Rotator
from utils.store import keys, system
from utils.vault import Vault

SYSTEM_KEYS = len(system.PURPOSES)
ALL = SYSTEM_KEYS + 4  # with those of the accounts below
ALWAYS = datetime.max.replace(tzinfo=timezone.utc)


@pytest.fixture
def owners(vault: Vault) -> list[UserId]:
    """Three accounts, of which the first has a retired key too."""
    made = [add_owner(vault, name, count=1) for name in ("ada", "bea", "cleo")]
    with vault.db.write() as tx:
        keys.switch(tx, vault.master, made[0], utcnow())
    return made


@pytest.fixture
def masters(vault: Vault, owners: list[UserId]) -> Replacement:
    """The master key that wraps all this, and another one."""
    return Replacement(vault)


# --- everything --------------------------------------------------------------------------------


def test_everything_is_wrapped_under_the_first_master_key(
    vault: Vault, masters: Replacement
) -> None:
    """Retired keys and the service's own too; owners see nothing of it, and the old key opens
    nothing."""
    before = dump(vault.db, vault.master)
    assert opens(vault.db, masters.old) == ALL
    ran = masters.rewrap()
    assert (ran.status, ran.out, ran.err) == (0, f"rewrapped: {ALL}, faults: 0\n", "")
    after = dump(vault.db, masters.alone)
    assert seen(after) == seen(before)
    assert after["user_keys"] == before["user_keys"]
    assert (opens(vault.db, masters.old), opens(vault.db, masters.new)) == (0, ALL)
    last = masters.run("--status", "--json").json["last_run"]
    assert (last["outcome"], last["rewrapped"], last["failed"]) == ("done", ALL, 0)

    ran = masters.rewrap()
    assert (ran.status, ran.out) == (0, "rewrapped: 0, faults: 0\n")
    assert rotate(vault.settings, "--verify", MASTER_KEYS=masters.new).status == 0


def test_the_file_that_was_made_at_the_first_start_takes_the_new_key_too(
    vault: Vault, masters: Replacement
) -> None:
    """The key of an installation that was never configured is replaced without configuring any."""
    path = vault.settings.INSTANCE_DIR / "master.key"
    path.write_text(f"# of this year, and of the last\n{masters.new}\n{masters.old}\n")
    ran = rotate(vault.settings, "--rewrap-master")
    assert (ran.status, ran.out) == (0, f"rewrapped: {ALL}, faults: 0\n")
    path.write_text(f"{masters.new}\n")
    assert rotate(vault.settings, "--verify").status == 0


def test_the_status_tells_what_each_master_key_still_wraps(
    vault: Vault, masters: Replacement
) -> None:
    """Also that the new one wraps nothing yet, and at last that the old one can be dropped."""
    old, new = vault.master.current, fingerprint(masters.new)
    told = masters.run("--status", "--json").json["master_keys"]
    assert told == [
        {"fingerprint": new, "state": "current", "keys": 0},
        {"fingerprint": old, "state": "old", "keys": ALL},
    ]
    told = masters.run("--status", "--user", "ada", "--json").json["master_keys"]
    assert [one["keys"] for one in told] == [0, 2]
    assert masters.rewrap().status == 0
    lines = masters.run("--status").out.splitlines()
    assert lines[-3].split() == [new, "current", str(ALL), "keys"]
    assert lines[-2].split() == [old, "old", "0", "keys"]


def test_a_master_key_is_missed_until_nothing_needs_it(vault: Vault, masters: Replacement) -> None:
    """Dropped too early, the line names it and tells the way; afterwards it may go."""
    ran = rotate(vault.settings, "--status", MASTER_KEYS=masters.new)
    assert (ran.status, ran.out) == (2, "")
    assert vault.master.current in ran.err
    assert "--rewrap-master" in ran.err
    assert masters.rewrap().status == 0
    assert rotate(vault.settings, "--all", MASTER_KEYS=masters.new).status == 0


def test_a_server_without_the_new_master_key_says_which_one_it_lacks(
    app: Flask, masters: Replacement, alice: Person, caplog: pytest.LogCaptureFixture
) -> None:
    """A node that was forgotten: it fails what it cannot open, is not ready any more, and names the
    key for whoever reads its log."""
    alice.put("/secrets/db", json={"secret": "hunter2"})
    assert masters.rewrap().status == 0
    answer = alice.get("/secrets/db")
    assert (answer.status_code, problem(answer)) == (503, "master-key-missing")
    assert fingerprint(masters.new) in caplog.text
    assert fingerprint(masters.new) not in answer.text
    assert alice.get("/readyz").status_code == 503


def test_a_dry_run_says_how_many_there_are(vault: Vault, masters: Replacement) -> None:
    """And wraps none."""
    before = dump(vault.db, vault.master)
    assert masters.rewrap("--dry-run").out == f"dry run: would rewrap {ALL} keys\n"
    assert dump(vault.db, vault.master) == before


def test_a_rewrapping_is_for_all_or_for_nobody(vault: Vault, masters: Replacement) -> None:
    """A master key that some still need could not be dropped; and it makes no new keys besides."""
    assert masters.rewrap("--user", "ada").status == 2
    assert masters.rewrap("--all").status == 2


def test_a_rewrapping_waits_for_no_rotation(vault: Vault, masters: Replacement) -> None:
    """Cron will come again."""
    with vault.db.rotation_lock():
        ran = masters.rewrap()
    assert (ran.status, ran.out) == (75, "")
    assert opens(vault.db, masters.old) == ALL


def test_batches_are_small(vault: Vault, masters: Replacement) -> None:
    """No transaction wraps more than it was told to, and system keys go one by one."""
    db = Recording(vault.db)
    steps: list[int] = []
    Rewrapper(db, masters.both, batch_size=2).rewrap_all(steps.append)
    assert steps == [1] * SYSTEM_KEYS + [2, 2], "the progress bar ends where it should"
    each = 320  # old and new text of a key take more, of two keys less than of three
    assert [size // each for size in db.written] == [1] * SYSTEM_KEYS + [2, 2]


# --- what does not open ------------------------------------------------------------------------


def test_a_key_that_does_not_open_is_named_and_left(
    vault: Vault, masters: Replacement, owners: list[UserId]
) -> None:
    """The others are rewrapped, and the old master key goes on being needed for this one."""
    damaged = number(vault, "SELECT min(id) FROM user_keys WHERE owner_id = ?", owners[1])
    run(vault, "UPDATE user_key_material SET sealed = 'damaged' WHERE key_id = ?", damaged)
    ran = masters.rewrap("--quiet")
    assert ran.status == 1
    assert ran.err == f"fault: user_keys id={damaged}: A ciphertext does not open with its key.\n"
    assert ran.out == f"rewrapped: {ALL - 1}, faults: 1\n"
    assert opens(vault.db, masters.new) == ALL - 1
    left = "SELECT count(*) FROM user_key_material WHERE sealed = 'damaged' AND master = ?"
    assert number(vault, left, vault.master.current) == 1


def test_a_damaged_key_of_the_service_is_named_too(vault: Vault, masters: Replacement) -> None:
    """By its number; with it no server starts, so it is seldom news."""
    damaged = number(vault, "SELECT max(id) FROM system_keys")
    run(vault, "UPDATE system_keys SET sealed = 'damaged' WHERE id = ?", damaged)
    rewrapper = Rewrapper(vault.db, masters.both)
    rewrapper.rewrap_all()
    assert [fault.where for fault in rewrapper.report.faults] == [f"system_keys id={damaged}"]
    assert rewrapper.report.rewrapped == ALL - 1


def test_a_key_of_a_third_master_key_is_named(vault: Vault, masters: Replacement) -> None:
    """It came while this ran, from a node with yet another configuration."""
    oldest = number(vault, "SELECT min(key_id) FROM user_key_material")
    run(
        vault,
        "UPDATE user_key_material SET master = 'feedfacefeedface' WHERE key_id = ?",
        oldest,
    )
    rewrapper = Rewrapper(vault.db, masters.both)
    rewrapper.rewrap_all()
    (fault,) = rewrapper.report.faults
    assert fault.where == f"user_keys id={oldest}"
    assert "feedfacefeedface" in fault.what
    assert rewrapper.report.rewrapped == ALL - 1


def test_what_would_not_open_again_is_not_written(
    vault: Vault, masters: Replacement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each wrapped key is opened before it takes another one's place."""
    both, before = masters.both, dump(vault.db, vault.master)
    wrap = both._wrap
    monkeypatch.setattr(MasterKeys, "_wrap", lambda _self, _key, place: wrap(b"other", place))
    rewrapper = Rewrapper(vault.db, both)
    rewrapper.rewrap_all()
    assert (rewrapper.report.rewrapped, len(rewrapper.report.faults)) == (0, ALL)
    assert dump(vault.db, vault.master) == before


def test_a_server_that_still_puts_the_old_key_first_is_told_of(
    vault: Vault, masters: Replacement
) -> None:
    """It makes keys while this runs, which comes to its end all the same, and not with success."""
    names = iter(f"late-{i}" for i in range(1000))
    rewrapper = Rewrapper(vault.db, masters.both, batch_size=1)

    def somebody_registers(_done: int) -> None:
        add_owner(vault, next(names), count=1)

    rewrapper.rewrap_all(somebody_registers)
    (fault,) = rewrapper.report.faults
    assert fault.where == f"master key {vault.master.current}"
    assert fault.what.startswith(f"wraps {opens(vault.db, masters.old)} keys made meanwhile")
    assert masters.rewrap().status == 0
    assert opens(vault.db, masters.old) == 0


# --- stopped on the way ------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_commit_leaves_what_the_next_run_finishes(
    vault: Vault, masters: Replacement, when: Literal["before", "after"]
) -> None:
    """Every key opens at every moment, and what is left is what is under the old master key."""
    before, crashes = seen(dump(vault.db, vault.master)), 0
    while True:
        stage = Replacement(vault)
        rewrapped = MasterKeys([stage.new, masters.new, masters.old])
        try:
            Rewrapper(Crashing(vault.db, crashes + 1, when), rewrapped, batch_size=2).rewrap_all()
        except Crash:
            crashes += 1
        else:
            break
        assert seen(dump(vault.db, rewrapped)) == before
        masters_now = MasterKeys([masters.new, stage.new, masters.old])
        rewrapper = Rewrapper(vault.db, masters_now)
        rewrapper.rewrap_all()
        assert rewrapper.report.faults == []
        assert opens(vault.db, masters.new) == ALL
    assert crashes == SYSTEM_KEYS + 2
    assert seen(dump(vault.db, stage.alone)) == before


def test_kill_9_loses_nothing(vault: Vault, masters: Replacement) -> None:
    """The command itself, in the middle of its work; the next run does the rest, and tidies up."""
    for i in range(60):
        add_owner(vault, f"owner-{i}", count=1)
    everything = seen(dump(vault.db, vault.master))
    process = start(
        vault.settings,
        *("--rewrap-master", "--batch-size", "1"),
        MASTER_KEYS=f"{masters.new},{masters.old}",
    )
    new = fingerprint(masters.new)
    moved = "SELECT count(*) FROM user_key_material WHERE master = ?"
    wait_until(lambda: number(vault, moved, new) > 5, "some keys are rewrapped")
    os.kill(process.pid, signal.SIGKILL)
    assert end(process).status == -signal.SIGKILL
    left = opens(vault.db, masters.old)
    assert 0 < left < ALL + 60 - 5
    assert seen(dump(vault.db, masters.both)) == everything
    ran = masters.rewrap("--json")
    assert (ran.status, ran.json["rewrapped"], ran.json["faults"]) == (0, left, [])
    assert seen(dump(vault.db, masters.alone)) == everything
    assert opens(vault.db, masters.old) == 0


def test_a_rotation_goes_on_with_the_new_master_key(
    vault: Vault, masters: Replacement, owners: list[UserId]
) -> None:
    """Whatever comes first: keys that a rotation makes are wrapped by the first master key."""
    rotator = Rotator(vault.db, masters.both, utcnow())
    rotator.switch(ALWAYS)
    assert masters.rewrap().status == 0
    rotator = Rotator(vault.db, masters.alone, utcnow())
    rotator.sweep()
    rotator.destroy()
    assert rotator.report.faults == []
    found = dump(vault.db, masters.alone)
    assert {states(found, owner)[-1] for owner in owners} == {"current"}

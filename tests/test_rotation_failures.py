"""Rotations that something gets in the way of: each ends in one clear line and the right status,
leaves everything readable, and the next run does the rest."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import DatabaseBusy
from models.rows import UserId
from tests.support.dump import Dump
from tests.support.remote import Remote
from tests.support.rotation import (
    Ran,
    add_owner,
    assert_sound,
    end,
    number,
    rotate,
    seen,
    stale,
    start,
    states,
    wait_until,
)
from tests.support.server import Server
from tests.support.trouble import (
    as_if_not_root,
    locked,
    read_only_files,
    read_only_postgres,
)
from utils.vault import Vault

on_sqlite = pytest.mark.one_engine("sqlite", "it does something to SQLite's files or lock")
on_postgres = pytest.mark.one_engine("postgresql", "it does something to a server")

COUNT = 400
SLOWLY = ("--all", "--batch-size", "1")  # a commit for each value: time enough to interfere
STAYS = "What was committed stays; run it again.\n"
INTERRUPTED = "rotate_keys.py: Interrupted. What was committed stays; the next run does the rest.\n"


@pytest.fixture
def owner(vault: Vault) -> UserId:
    """An account with many secrets."""
    return add_owner(vault, "ada", count=COUNT)


@pytest.fixture
def before(vault: Vault, owner: UserId) -> dict[str, list[str]]:
    """What its owner sees of it: the same after whatever happens."""
    return seen(assert_sound(vault))


def moved(vault: Vault) -> int:
    """How many values are under a current key, of those that were stored before."""
    return number(
        vault,
        "SELECT count(*) FROM secret_versions v JOIN user_keys k ON k.id = v.key_id "
        "WHERE k.state = 'current' AND k.id > (SELECT min(id) FROM user_keys)",
    )


def in_the_middle(vault: Vault, *arguments: str) -> subprocess.Popen[str]:
    """A rotation that has moved some values, and has most of them before it."""
    process = start(vault.settings, *(arguments or SLOWLY))
    wait_until(lambda: moved(vault) > 10 or process.poll() is not None, "values move")
    assert process.poll() is None
    return process


def assert_next_run_finishes(vault: Vault, before: dict[str, list[str]]) -> Dump:
    """What is left is consistent, by --verify too; and an ordinary run completes it."""
    assert seen(assert_sound(vault)) == before
    verified = rotate(vault.settings, "--verify")
    assert (verified.status, verified.err) == (0, "")
    ran = rotate(vault.settings)
    assert (ran.status, ran.err) == (0, "")
    found = assert_sound(vault)
    assert stale(found) == []
    assert seen(found) == before
    assert not [key for key in found["user_keys"] if key["state"] == "retired"]
    return found


def last_outcome(vault: Vault) -> str:
    """How --status says that the last run ended."""
    told = rotate(vault.settings, "--status", "--json").json
    assert (told["last_run"]["finished_at"] is None) == (told["last_run"]["outcome"] == "running")
    return str(told["last_run"]["outcome"])


def failed(ran: Ran) -> str:
    """The reason, told in one line, why a run ended with status 1."""
    assert (ran.status, ran.out) == (1, ""), ran.err
    assert ran.err.startswith("rotate_keys.py: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err.removeprefix("rotate_keys.py: ")


# --- a database that cannot be written ---------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize("size", [40_000, 150_000, 300_000])
def test_a_full_disk_ends_a_rotation(vault: Vault, before: dict[str, list[str]], size: int) -> None:
    """Wherever the disk becomes full: at the first commit, or somewhere in the middle."""
    vault.close()
    ran = rotate(vault.settings, *SLOWLY, prefix=("prlimit", f"--fsize={size}"))
    # SQLite's word for a file that may not grow is another than for a disk without room.
    assert failed(ran) == (
        f"The database is not available: its file cannot be read or written. {STAYS}"
    )
    assert_next_run_finishes(vault, before)


@on_sqlite
def test_read_only_files_end_a_rotation(
    vault: Vault, before: dict[str, list[str]], tmp_path: Path
) -> None:
    """It can be looked at, and that is all."""
    with read_only_files(tmp_path):
        ran = rotate(vault.settings, "--all", prefix=as_if_not_root())
        assert failed(ran) == f"The rotation's lock file cannot be created. {STAYS}"
        for looking in (["--status"], ["--verify"], ["--dry-run", "--all"]):
            assert rotate(vault.settings, *looking, prefix=as_if_not_root()).status == 0
    assert rotate(vault.settings, "--all").status == 0
    with read_only_files(tmp_path):
        (tmp_path / "secrets.db.rotation-lock").chmod(0o600)
        ran = rotate(vault.settings, "--all", prefix=as_if_not_root())
    assert failed(ran) == f"The database is not available: it is read-only. {STAYS}"
    assert_next_run_finishes(vault, before)


@on_postgres
def test_a_read_only_postgres_ends_a_rotation(
    vault: Vault, before: dict[str, list[str]], database_url: str
) -> None:
    """As a standby is."""
    vault.close()
    with read_only_postgres(database_url):
        ran = rotate(vault.settings, "--all")
        assert failed(ran) == f"The database is not available: it is read-only. {STAYS}"
        for looking in (["--status"], ["--verify"], ["--dry-run", "--all"]):
            assert rotate(vault.settings, *looking).status == 0
    assert_next_run_finishes(vault, before)


def test_a_lock_that_is_held_too_long_ends_a_rotation(
    vault: Vault, before: dict[str, list[str]], database_url: str
) -> None:
    """It waits for six times the timeout, and then leaves it to the next run."""
    with locked(database_url):
        began = time.monotonic()
        ran = rotate(vault.settings, "--all", DATABASE_TIMEOUT="1s")
        assert time.monotonic() - began >= 6
    assert failed(ran) == f"The database is busy. Try again in a moment. {STAYS}"
    assert_next_run_finishes(vault, before)


def test_a_lock_that_is_held_for_a_while_is_waited_for(
    vault: Vault, before: dict[str, list[str]], database_url: str
) -> None:
    """Longer than a request would wait."""
    with locked(database_url):
        process = start(vault.settings, "--all", DATABASE_TIMEOUT="1s")
        time.sleep(2.5)
    ran = end(process)
    assert (ran.status, ran.err) == (0, "")
    assert_next_run_finishes(vault, before)


# --- signals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_rotation_that_is_asked_to_stop_stops(
    vault: Vault, owner: UserId, before: dict[str, list[str]], how: signal.Signals
) -> None:
    """After what it has committed; and it says so, on stderr and in the record."""
    process = in_the_middle(vault)
    process.send_signal(how)
    ran = end(process)
    assert (ran.status, ran.out, ran.err) == (1, "", INTERRUPTED)
    left = stale(assert_sound(vault))
    assert 0 < len(left) < COUNT
    assert states(assert_sound(vault), owner) == ["retired", "current"]
    assert last_outcome(vault) == "interrupted"
    found = assert_next_run_finishes(vault, before)
    assert states(found, owner) == ["destroyed", "current"]
    assert last_outcome(vault) == "done"


def test_a_rotation_that_is_killed_leaves_its_work_to_the_next(
    vault: Vault, owner: UserId, before: dict[str, list[str]]
) -> None:
    """Kill -9: the record says that it never finished, and the lock is free."""
    process = in_the_middle(vault)
    process.kill()
    assert end(process).status == -signal.SIGKILL
    assert 0 < len(stale(assert_sound(vault))) < COUNT
    assert last_outcome(vault) == "running"
    found = assert_next_run_finishes(vault, before)
    assert states(found, owner) == ["destroyed", "current"]
    assert last_outcome(vault) == "done"


def test_signals_at_any_moment_surprise_nobody(vault: Vault, before: dict[str, list[str]]) -> None:
    """From the first moment to the last: one line, or it was faster."""
    chance = random.Random(7)
    for _ in range(8):
        process = start(vault.settings, "--all", "--batch-size", "20")
        time.sleep(chance.uniform(0.15, 1.2))
        process.send_signal(signal.SIGTERM)
        ran = end(process)
        # Before the command has begun, the signal ends Python itself.
        if ran.status == 1:
            assert ran.err == INTERRUPTED
        else:
            assert (ran.status, ran.err) in {(0, ""), (-signal.SIGTERM, "")}
        assert_sound(vault)
    assert_next_run_finishes(vault, before)


@pytest.fixture
def server(vault: Vault) -> Iterator[Server]:
    """A live server over the same database."""
    environ = {"SECRETS_DATABASE_URL": vault.settings.DATABASE_URL}
    with Server(vault.settings.INSTANCE_DIR, environ) as running:
        yield running


def holds_no_lock(vault: Vault) -> bool:
    """Whether a write could begin at this moment."""
    try:
        with vault.db.write(wait=False) as tx:
            tx.run("UPDATE users SET state = state")
    except DatabaseBusy:
        return False
    return True


@pytest.mark.parametrize("then", [signal.SIGCONT, signal.SIGKILL])
def test_a_rotation_that_stands_still_holds_nobody_up(
    vault: Vault, server: Server, owner: UserId, then: signal.Signals
) -> None:
    """Between two transactions, where it is nearly all the time, it holds no lock: the server goes
    on writing, for as long as it stands. Then it goes on, or the next one does."""
    alice = Remote(server, "alice").enter()
    assert alice.put("a", "before").ok
    process = in_the_middle(vault)
    process.send_signal(signal.SIGSTOP)
    while not holds_no_lock(vault):  # caught in a transaction: another time
        process.send_signal(signal.SIGCONT)
        time.sleep(0.005)
        process.send_signal(signal.SIGSTOP)
    assert 0 < len(stale(assert_sound(vault))) < COUNT
    began = time.monotonic()
    for i in range(20):
        assert alice.put("a", f"value {i}").ok
    assert alice.request("POST", "/keys:rotate").status_code == 202
    assert time.monotonic() - began < 5
    assert process.poll() is None
    process.send_signal(then)
    ran = end(process)
    assert ran.status == (0 if then == signal.SIGCONT else -signal.SIGKILL)
    assert alice.secret("a") == "value 19"
    assert_sound(vault)
    assert rotate(vault.settings).status == 0
    found = assert_sound(vault)
    assert stale(found) == []
    assert len(found["secret_versions"]) == COUNT + 3 + 21

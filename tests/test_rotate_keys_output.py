"""What rotate_keys.py prints, where, and how it exits: an interface for cron and scripts."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

import rotate_keys
from config import Settings
from models.rows import UserId
from tests.support.dump import delta, dump
from tests.support.rotation import (
    Ran,
    add_owner,
    assert_sound,
    environment,
    rotate,
    run,
    start,
)
from tests.support.server import ROOT
from utils.crypto import fingerprint
from utils.vault import Vault

on_one_engine = pytest.mark.one_engine("sqlite", "it is about the output")
OTHER_KEY = Fernet.generate_key().decode()


@pytest.fixture
def owner(vault: Vault) -> UserId:
    """An account with a few secrets."""
    return add_owner(vault, "ada")


@pytest.fixture
def damaged(vault: Vault, owner: UserId) -> int:
    """A ciphertext that does not open: the number of its row."""
    with vault.db.read() as tx:
        (row,) = tx.all("SELECT min(id) FROM secret_versions")
    run(vault, "UPDATE secret_versions SET ciphertext = 'damaged' WHERE id = ?", row[0])
    return int(row[0])


def refused(ran: Ran, status: int) -> str:
    """The one line on stderr with which nothing, or not everything, was done."""
    assert (ran.status, ran.out) == (status, ""), ran.err
    assert ran.err.startswith("rotate_keys.py: ")
    assert ran.err.count("\n") == 1, ran.err
    return ran.err


# --- JSON, quiet -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "facts"),
    [
        (["--all"], {"switched", "signing_keys", "reencrypted", "destroyed"}),
        (
            ["--all", "--dry-run"],
            {"dry_run", "switched", "signing_keys", "reencrypted", "destroyed"},
        ),
        (["--verify"], {"keys", "ciphertexts", "events"}),
        (["--rewrap-master"], {"rewrapped"}),
        (["--rewrap-master", "--dry-run"], {"dry_run", "rewrapped"}),
        (["--status"], {"keys", "destroyed", "stale", "oldest_stale", "last_run", "master_keys"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@on_one_engine
def test_json_is_one_object_on_stdout(
    vault: Vault, owner: UserId, arguments: list[str], facts: set[str]
) -> None:
    """With the same facts as the line for people, and nothing besides."""
    ran = rotate(vault.settings, "--json", *arguments)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.count("\n") == 1
    assert set(ran.json) == {"ok", "faults"} | facts
    assert (ran.json["ok"], ran.json["faults"]) == (True, [])
    quiet = rotate(vault.settings, "--quiet", *arguments)
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")


@on_one_engine
def test_faults_are_told_in_each_way(vault: Vault, damaged: int) -> None:
    """To a script as data; to cron, which sends a mail for anything printed, by printing."""
    where, what = f"secret_versions id={damaged}", "A ciphertext does not open with its key."
    line = f"fault: {where}: {what}\n"
    ran = rotate(vault.settings, "--all", "--json")
    assert (ran.status, ran.err) == (1, "")
    assert ran.json["ok"] is False
    assert ran.json["faults"] == [{"where": where, "what": what}]
    ran = rotate(vault.settings, "--sweep-only", "--quiet")
    assert (ran.status, ran.err) == (1, line)
    assert ran.out == "new keys: 0, re-encrypted: 0, destroyed: 0, faults: 1\n"
    ran = rotate(vault.settings, "--sweep-only", "--quiet", "--json")
    assert (ran.status, ran.err, ran.json["ok"]) == (1, "", False)
    ran = rotate(vault.settings, "--verify", "--quiet")
    assert (ran.status, ran.err) == (1, line)


@on_one_engine
def test_of_very_many_faults_a_hundred_are_printed(vault: Vault) -> None:
    """A mail of a million lines helps nobody; --json has them all."""
    add_owner(vault, "ada", count=120)
    run(vault, "UPDATE secret_versions SET ciphertext = 'damaged'")
    ran = rotate(vault.settings, "--all")
    assert ran.status == 1
    assert ran.err.count("\n") == 101
    assert ran.err.endswith("... and 23 more\n")
    assert len(rotate(vault.settings, "--verify", "--json").json["faults"]) == 123


@on_one_engine
def test_errors_are_objects_with_json(vault: Vault, owner: UserId) -> None:
    """And a line on stderr as always: also with --quiet."""
    ran = rotate(vault.settings, "--user", "nobody", "--json", "--quiet")
    assert ran.status == 2
    assert ran.json == {"ok": False, "exit": 2, "error": "There is no user 'nobody'."}
    assert ran.err == "rotate_keys.py: There is no user 'nobody'.\n"


# --- a bar for those who watch -----------------------------------------------------------------


def on_a_terminal(settings: Settings, *arguments: str) -> tuple[str, str]:
    """Run the command with a terminal as its stderr; what came to stdout and to the terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, str(ROOT / "rotate_keys.py"), *arguments],
        env={**environment(settings), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    ) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b""))
        out, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, shown
    return out, shown.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # what Linux says when nobody has the other side any more
        return b""


@on_one_engine
def test_only_a_terminal_shows_a_bar(vault: Vault, owner: UserId) -> None:
    """On stderr, so that stdout stays the result; on a pipe there is not a byte of it."""
    out, shown = on_a_terminal(vault.settings, "--all")
    assert out == "new keys: 1, re-encrypted: 6, destroyed: 1, faults: 0\n"
    assert "re-encrypting" in shown
    assert "100%" in shown
    out, shown = on_a_terminal(vault.settings, "--verify", "--json")
    assert json.loads(out)["ciphertexts"] == 6
    assert "verifying" in shown
    assert on_a_terminal(vault.settings, "--all", "--quiet") == ("", "")
    ran = rotate(vault.settings, "--all")
    assert (ran.out.count("\n"), ran.err) == (1, "")


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["--all", "--older-than", "1d"],
        ["--all", "--sweep-only"],
        ["--status", "--verify"],
        ["--sweep-only", "--verify"],
        ["--all", "--user", "ada"],
        ["--verify", "--user", "ada"],
        ["--dry-run", "--verify"],
        ["--dry-run", "--status"],
        ["--older-than", "yesterday"],
        ["--older-than", "1"],
        ["--older-than", "36501d"],
        ["--older-than", "-1d"],
        ["--batch-size", "0"],
        ["--batch-size", "10001"],
        ["--batch-size", "-5"],
        ["--batch-size", "1e3"],
        ["--batch-size", "٣"],
        ["--batch-size", "9" * 5000],
        ["--al"],
        ["ada"],
        ["--rewrap"],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_options_that_make_no_sense_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """With exit status 2, before anything is opened; no option is ever ignored."""
    with pytest.raises(SystemExit) as ended:
        rotate_keys.main(arguments)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert ": error: " in printed.err
    assert "invalid _" not in printed.err, "names of functions tell an operator nothing"


@on_one_engine
def test_batch_sizes_at_the_bounds_are_taken(vault: Vault, owner: UserId) -> None:
    """One by one, and all at once."""
    for size in ("1", "10000"):
        assert rotate(vault.settings, "--all", "--batch-size", size).status == 0
        assert_sound(vault)


def test_a_configuration_that_makes_no_sense_is_refused(settings: Settings) -> None:
    """With exit status 2 and one line that names the setting."""
    line = refused(rotate(settings, KEY_MAX_AGE="soon"), 2)
    assert line == (
        "rotate_keys.py: SECRETS_KEY_MAX_AGE: must be a duration such as 90s, 15m, 12h or 7d.\n"
    )


def test_a_wrong_master_key_is_refused(vault: Vault, owner: UserId) -> None:
    """The line names the fingerprint of the one that is needed; nothing is changed."""
    before = dump(vault.db, vault.master)
    for arguments in (["--all"], ["--verify"], ["--status"]):
        line = refused(rotate(vault.settings, *arguments, MASTER_KEYS=OTHER_KEY), 2)
        assert vault.master.current in line
        assert fingerprint(OTHER_KEY) not in line
    assert delta(before, dump(vault.db, vault.master)) == []


@on_one_engine
def test_a_database_that_is_not_there_is_not_made(settings: Settings, tmp_path: Path) -> None:
    """From a mistyped path a rotation would otherwise report success for ever."""
    refused(rotate(settings, "--all"), 2)
    elsewhere = settings.model_copy(update={"DATABASE_URL": "", "INSTANCE_DIR": tmp_path / "typo"})
    refused(rotate(elsewhere), 2)
    assert list(tmp_path.rglob("*")) == []


# --- one at a time -----------------------------------------------------------------------------

_HOLD = """
import os, sys
from utils import configuration
from utils.vault import open_existing_store
db, _ = open_existing_store(configuration.load(os.environ))
with db.rotation_lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process that rotates."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD],
        cwd=ROOT,
        env=environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_two_rotations_do_not_run_at_once(vault: Vault, owner: UserId) -> None:
    """The second ends with 75, cron will come again; looking is allowed. The lock goes with the
    process that holds it, even if that is killed."""
    before = dump(vault.db, vault.master)
    with held_by_another(vault.settings) as process:
        line = refused(rotate(vault.settings, "--all"), 75)
        assert line == "rotate_keys.py: Another rotation is running.\n"
        for arguments in (["--status"], ["--verify"], ["--dry-run", "--all"]):
            assert rotate(vault.settings, *arguments).status == 0
        assert delta(before, dump(vault.db, vault.master)) == []
        process.kill()
    assert rotate(vault.settings, "--all").status == 0


def test_help_names_every_exit_status(vault: Vault) -> None:
    """Whoever writes the line for cron finds them there."""
    with start(vault.settings, "--help") as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    words = " ".join(out.split())
    assert "Exit status: 0 done, 1 something could not be done, 2 usage or configuration" in words
    assert "75 another rotation is running" in words

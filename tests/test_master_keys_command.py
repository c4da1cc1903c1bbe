"""Master keys from a command: what it may do, and the one line with which everything else ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import MASTER_KEY_SOURCES, Settings
from models.errors import ConfigurationError
from tests.support import age
from tests.support.rotation import rotate, wait_until
from utils import configuration, keycommand
from utils.crypto import fingerprint
from utils.keycommand import read_from_command
from utils.vault import SOURCES, open_vault

CANARY = "canary-7c1d90"
KEYS = Fernet.generate_key().decode(), Fernet.generate_key().decode()
Script = Callable[[str], str]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """``script("echo key")`` writes a shell script, in a folder whose name has a space."""

    def write(text: str) -> str:
        path = tmp_path / "a folder" / "keys.sh"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    return write


def refusal(*command: str) -> str:
    """What the operator is told: one line, that holds nothing of what was printed."""
    with pytest.raises(ConfigurationError) as raised:
        read_from_command(command)
    line = str(raised.value)
    assert line.startswith("SECRETS_MASTER_KEYS_COMMAND: ")
    assert CANARY not in line
    assert "\n" not in line
    return line


# --- with a script -----------------------------------------------------------------------------


def test_a_command_prints_the_master_keys(
    settings: Settings, now: datetime, script: Script
) -> None:
    """Once a start; comments and several keys as in a file, the first of them current. No key is
    made, and none is written to the disk."""
    program = script(
        f"echo '# of this year'; echo {KEYS[0]}; echo {KEYS[1]}; echo ran >> \"$0.ran\""
    )
    given = {"MASTER_KEYS_COMMAND": (program,)}
    with closing(open_vault(settings.model_copy(update=given), now).db) as db:
        assert Path(f"{program}.ran").read_text() == "ran\n"
        with db.read() as tx:
            wrapping = {row[0] for row in tx.all("SELECT master FROM system_keys")}
    assert wrapping == {fingerprint(KEYS[0])}
    assert not settings.INSTANCE_DIR.exists()
    ran = rotate(settings, "--verify", MASTER_KEYS_COMMAND=f"'{program}'")
    assert (ran.status, ran.err) == (0, "")


def test_a_command_that_fails_stops_the_start(
    settings: Settings, now: datetime, script: Script
) -> None:
    """Instead of a start with a key of our own; and a rotation ends in the same line."""
    open_vault(settings, now).close()
    program = script(f"echo {CANARY}; echo {CANARY} >&2; exit 3")
    with pytest.raises(ConfigurationError, match="ended with status 3"):
        open_vault(settings.model_copy(update={"MASTER_KEYS_COMMAND": (program,)}), now)
    ran = rotate(settings, MASTER_KEYS_COMMAND=f"'{program}'")
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.count("\n") == 1
    assert CANARY not in ran.err


def test_no_shell_reads_the_command(tmp_path: Path, script: Script) -> None:
    """What would be a second command is an argument, and no variable is filled in."""
    program = script('for word; do echo "$word"; done')
    loaded = configuration.load(
        {"SECRETS_MASTER_KEYS_COMMAND": f"'{program}' a; touch {tmp_path}/b $HOME 'c d' | e `f`"}
    )
    printed = read_from_command(loaded.MASTER_KEYS_COMMAND)
    words = ["a;", "touch", f"{tmp_path}/b", "$HOME", "c d", "|", "e", "`f`"]
    assert printed.splitlines() == words
    assert not (tmp_path / "b").exists()


def test_a_command_gets_no_input_and_no_terminal(script: Script) -> None:
    """One that asks for a passphrase must fail at once, not hang a start at night."""
    assert read_from_command([script("read line && exit 9; echo key")]) == "key\n"
    session = "import os; print(os.getsid(0) == os.getpid())"
    assert read_from_command([sys.executable, "-c", session]) == "True\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            f"echo {CANARY}; echo {CANARY} >&2; exit 1",
            "keys.sh ended with status 1. Run it by hand",
        ),
        (f"echo {CANARY}; kill -9 $$", "keys.sh ended by signal 9"),
        (f"yes {CANARY}", "keys.sh printed more than 16 KiB"),
        (f"echo {CANARY}; printf '\\377'", "keys.sh printed something else than keys"),
    ],
    ids=["status", "signal", "too much", "no text"],
)
def test_a_command_that_ends_badly_is_told_of_without_its_output(
    script: Script, text: str, told: str
) -> None:
    """Neither what it printed, which may be a key, nor its complaint, which may quote one."""
    assert told in refusal(script(text))


def test_a_command_that_is_not_there_is_named(tmp_path: Path, script: Script) -> None:
    """Its name only: arguments may hold passwords."""
    missing = tmp_path / "missing"
    assert "missing cannot be run" in refusal(str(missing), CANARY)
    program = Path(script("echo"))
    program.chmod(0o644)
    assert "keys.sh cannot be run" in refusal(str(program), CANARY)


@pytest.mark.parametrize(
    "printed",
    ["", "# none yet", CANARY, "".join(KEYS)],
    ids=["nothing", "comment", "words", "two in one"],
)
def test_what_is_no_key_stops_the_start(
    settings: Settings, now: datetime, script: Script, printed: str
) -> None:
    """Also nothing at all: a pipe in a script hides that its first command failed."""
    given = {"MASTER_KEYS_COMMAND": (script(f"echo '{printed}'"),)}
    with pytest.raises(ConfigurationError, match="32 bytes in URL-safe base64") as raised:
        open_vault(settings.model_copy(update=given), now)
    assert printed == "" or printed not in str(raised.value)


@pytest.mark.parametrize("then", ["wait", "exit 0"])
def test_a_command_that_does_not_end_is_ended(
    script: Script, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all that it started, also where only its child goes on and keeps the output open."""
    monkeypatch.setattr(keycommand, "_TIMEOUT_SECONDS", 1.0)
    program = script(f'sleep 600 & echo $! > "$0.pid"; {then}')
    assert "keys.sh did not end within 1 seconds" in refusal(program)
    child = int(Path(f"{program}.pid").read_text())

    def gone() -> bool:
        stat = Path(f"/proc/{child}/stat")  # ended, but perhaps not yet waited for
        if stat.exists():
            return stat.read_text().rpartition(")")[2].split()[0] == "Z"
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return True
        return False

    wait_until(gone, "the child is gone")


# --- the setting -------------------------------------------------------------------------------


def test_each_source_of_master_keys_is_read() -> None:
    """A setting that is called like one, and that nobody reads, would let a key of our own be made
    in its place."""
    assert set(SOURCES) == set(MASTER_KEY_SOURCES) >= {"MASTER_KEYS", "MASTER_KEYS_COMMAND"}


def test_keys_and_a_command_exclude_each_other() -> None:
    """Which of them wraps would be anybody's guess."""
    both = {"SECRETS_MASTER_KEYS": KEYS[0], "SECRETS_MASTER_KEYS_COMMAND": "age --decrypt x"}
    with pytest.raises(ConfigurationError, match="Set only one of"):
        configuration.load(both)


@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_command_stops_the_start(value: str) -> None:
    """Set to nothing is not the same as not set: a key of our own would be made."""
    with pytest.raises(ConfigurationError, match="SECRETS_MASTER_KEYS_COMMAND"):
        configuration.load({"SECRETS_MASTER_KEYS_COMMAND": value})


# --- age ---------------------------------------------------------------------------------------


def test_age_opens_the_master_keys(settings: Settings, now: datetime, tmp_path: Path) -> None:
    """The real program: with the right identity everything opens, with another nothing starts."""
    identity, sealed = age.seal(tmp_path, "\n".join(KEYS))
    command = f"age --decrypt --identity {identity} {sealed}"
    loaded = configuration.load({"SECRETS_MASTER_KEYS_COMMAND": command}).MASTER_KEYS_COMMAND
    opened = open_vault(settings.model_copy(update={"MASTER_KEYS_COMMAND": loaded}), now)
    opened.db.close()
    assert opened.master.fingerprints == tuple(map(fingerprint, KEYS))
    ran = rotate(settings, "--verify", MASTER_KEYS_COMMAND=command)
    assert (ran.status, ran.err) == (0, "")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    other, _ = age.seal(elsewhere, "")
    ran = rotate(settings, MASTER_KEYS_COMMAND=f"age --decrypt --identity {other} {sealed}")
    assert ran.status == 2
    assert "age ended with status 1" in ran.err

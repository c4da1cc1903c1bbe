"""The examples under ``deploy/``: systemd reads them, and every command in them works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from cryptography.fernet import Fernet

from tests.support import docs
from tests.support.ports import free_port
from tests.support.production import make_certificate
from tests.support.rotation import wait_until
from tests.support.server import ROOT, Server
from tests.support.units import FOLDER, BadUnit, Machine, cron_lines, parse, units

SERVICES, TIMERS = units(".service"), units(".timer")
ANALYZE = shutil.which("systemd-analyze")
JOBS = [path for path in SERVICES if path.stem != "secrets-manager"]
REQUIRED = {
    "NoNewPrivileges": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
    "LimitCORE": "0",
    "User": "secrets-manager",
}
MOST_EXPOSED = 2.0  # of 10, as `systemd-analyze security` rates it; below 2.5 it says OK


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One with the folders that the units are about."""
    place = Machine(tmp_path / "instance", tmp_path / "credentials", tmp_path / "backups")
    for folder in (place.credentials, place.backups):
        folder.mkdir(mode=0o700)
    return place


@pytest.fixture
def installed(machine: Machine) -> Machine:
    """One on which the server has run once, with the master key as a credential."""
    keys = machine.credentials / "master.keys"
    keys.touch(mode=0o600)
    keys.write_text(Fernet.generate_key().decode() + "\n")
    with Server(machine.instance, {"SECRETS_MASTER_KEYS_FILE": str(keys)}):
        made = make_certificate(machine.backups.parent)
        for path, name in ((made.certificate, "cert.pem"), (made.key, "key.pem")):
            shutil.copy(path, machine.credentials / name)
            (machine.credentials / name).chmod(0o600)
        return machine


def environment(given: dict[str, str]) -> dict[str, str]:
    """A service's: what the unit says, and PATH and the like."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
    return {**inherited, **given}


# --- read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*SERVICES, *TIMERS], ids=lambda path: path.name)
def test_each_unit_is_one(path: Path, machine: Machine, tmp_path: Path) -> None:
    """By our own parser anywhere, and by systemd's own check where it is: not one complaint."""
    unit = parse(path)
    assert unit.one("Description")
    if ANALYZE is None:
        return  # the parser above has read it
    folder = tmp_path / "units"
    folder.mkdir()
    for other in (*SERVICES, *TIMERS):
        text = other.read_text("utf-8")
        text = re.sub(r"(?<=^ExecStart=)(\S+)", lambda m: machine.placed(m[0]), text, flags=re.M)
        (folder / other.name).write_text(text)
    checked = subprocess.run(
        [ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(folder / path.name)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:"},
    )
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr


@pytest.mark.parametrize(
    "line", ["nonsense", "[Servce]", "Exec Start=/bin/true", " Description=x", "lower=x"]
)
def test_the_parser_sees_what_it_should(tmp_path: Path, line: str) -> None:
    """And systemd agrees, where it is, that this is no unit."""
    path = tmp_path / "a.service"
    path.write_text(f"[Service]\nExecStart=/bin/true\n{line}\n")
    with pytest.raises(BadUnit):
        parse(path)
    if ANALYZE is not None:
        checked = [ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(path)]
        assert subprocess.run(checked, check=False, capture_output=True, text=True).stderr


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_each_service_is_shut_in(path: Path) -> None:
    """As its neighbours are: one that was forgotten would be the way in."""
    unit, first = parse(path), parse(SERVICES[0])
    for key, value in REQUIRED.items():
        assert unit.one(key) == value, key
    text, other = path.read_text("utf-8"), SERVICES[0].read_text("utf-8")
    fence = re.compile(r"^# What it may touch.*?^MemorySwapMax=0$", re.M | re.S)
    assert fence.findall(text) == fence.findall(other) != []
    assert unit.all("Environment") == first.all("Environment")
    expected = ["/var/backups/secrets-manager"] if "backup" in path.name else []
    assert unit.all("ReadWritePaths") == expected
    if ANALYZE is not None:
        rated = subprocess.run(
            [ANALYZE, "security", "--offline=yes", "--no-pager", str(path)],
            check=True,
            capture_output=True,
            text=True,
        )
        exposed = re.search(r"exposure level for .*: ([0-9.]+)", rated.stdout)
        assert exposed is not None
        assert float(exposed[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("path", TIMERS, ids=lambda path: path.name)
def test_each_timer_has_its_service(path: Path) -> None:
    """And a time that systemd understands; made up for after the machine was off."""
    unit = parse(path)
    assert path.with_suffix(".service") in JOBS
    assert unit.one("Persistent") == "yes"
    when = unit.one("OnCalendar")
    assert re.fullmatch(r"\*-\*-\* [0-2]\d:[0-5]\d:00", when)
    if ANALYZE is not None:
        subprocess.run([ANALYZE, "calendar", when], check=True, capture_output=True)


def test_each_job_has_a_timer_and_a_line_in_the_table() -> None:
    """A service that nothing starts does nothing."""
    assert [path.stem for path in TIMERS] == [path.stem for path in JOBS]
    table = docs.rows(docs.read("deploy/README.md"))
    named = {cells[0].strip("`") for cells in table}
    assert named == {"secrets-manager.service", *(path.name for path in TIMERS)}


# --- run -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.name)
def test_each_job_does_its_work(path: Path, installed: Machine) -> None:
    """Its own commands, in its own environment, on places that stand in for its own."""
    unit = parse(path)
    for line in unit.all("ExecStart"):
        assert line.startswith("/"), "systemd wants the whole path"
        done = subprocess.run(
            installed.command(line),
            cwd=ROOT,
            env=environment(installed.environment(unit)),
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    assert (len(list(installed.backups.iterdir())) == 1) == ("backup" in path.name)


def test_the_service_starts_and_stops(installed: Machine, tmp_path: Path) -> None:
    """Its command line, with another port: over TLS, with the credentials; SIGTERM ends it well."""
    unit, made = parse(FOLDER / "secrets-manager.service"), make_certificate(tmp_path)
    shutil.copy(made.certificate, installed.credentials / "cert.pem")
    shutil.copy(made.key, installed.credentials / "key.pem")
    names = {line.partition(":")[0] for line in unit.all("LoadCredential")}
    assert names == {path.name for path in installed.credentials.iterdir()}
    port = str(free_port())
    command = installed.command(unit.one("ExecStart"))
    command[command.index("--port") + 1] = port
    command[command.index("--host") + 1] = "127.0.0.1"
    given = environment(installed.environment(unit))
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, env=given, stdout=file, stderr=file, start_new_session=True
        )

    def ready() -> bool:
        assert process.poll() is None
        try:
            url = f"https://127.0.0.1:{port}/readyz"
            return requests.get(url, verify=str(made.authority), timeout=30).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(ready, "the service is ready")
        wait_until(lambda: log.read_text().count("Started worker") == 2, "both workers are up")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # with its workers
        process.wait()


def test_each_line_of_the_crontab_works(installed: Machine) -> None:
    """As cron runs it: by a shell, with next to no environment; and it prints nothing to mail,
    but what the doctor has to say."""
    lines = cron_lines((FOLDER / "crontab").read_text("utf-8"))
    assert len(lines) == 5
    given = {
        "PATH": os.environ["PATH"],
        "SECRETS_INSTANCE_DIR": str(installed.instance),
        "SECRETS_MASTER_KEYS_FILE": str(installed.credentials / "master.keys"),
    }
    for fields, command in lines:
        assert all(re.fullmatch(r"\d+|\*", one) for one in fields)
        ran = subprocess.run(
            ["/bin/sh", "-c", installed.placed(command)],
            cwd="/",
            env=given,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == 0, said
        assert not said or "doctor" in command, said
    assert len(list(installed.backups.iterdir())) == 1


def test_the_lines_of_the_documents_are_in_the_crontab() -> None:
    """Who reads only one of them misses nothing that the other says otherwise."""
    crontab = (FOLDER / "crontab").read_text("utf-8")
    shown = [
        block.text
        for document in ("README.md", "docs/operation.md")
        for block in docs.blocks(docs.read(document))
        if block.language == "cron"
    ]
    assert len(shown) >= 2
    for text in shown:
        assert text in crontab

"""``flask doctor`` as a command: its exit status, beside a live server, and that it leaves no
trace and tells no secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.support import canaries
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.remote import Remote
from tests.support.rotation import environment
from tests.support.server import ROOT, Server
from utils.vault import Vault

LINE = re.compile(r"(ok    |warn  |danger)  [a-z-]+: [^\n]+\n")
SAFE = {"SECRETS_BCRYPT_COST": "10"}
WITHOUT_PYSQLITE3 = "import sys; sys.modules['pysqlite3'] = None; from flask.__main__ import main;"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One that is as it should be: the other tests' does not wait for the disk."""
    with start_postgres() as server:
        yield server


def doctor(
    environ: dict[str, str], *arguments: str, program: tuple[str, ...] = ("-m", "flask")
) -> tuple[int, str, str]:
    """Run the command as an operator does: exit status, stdout, stderr."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SECRETS_", "FLASK_"))}
    done = subprocess.run(
        [sys.executable, *program, "doctor", *arguments],
        check=False,
        cwd=ROOT,
        env={**inherited, **SAFE, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def contents(folder: Path) -> dict[str, tuple[int, str]]:
    """All files: when each was changed last, and what it holds."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in canaries.files([folder])
    }


def levels(out: str) -> dict[str, str]:
    """How bad each check found it, in what the command printed."""
    return {found[2]: found[1] for found in re.finditer(r"^(\w+) +([a-z-]+): ", out, re.M)}


def test_the_doctor_works_beside_a_live_server(vault: Vault) -> None:
    """On both engines; a line a finding, exit status 0 while nothing is dangerous, and 1 else."""
    environ = environment(vault.settings) | SAFE
    ours = {name: value for name, value in environ.items() if name.startswith("SECRETS_")}
    with Server(vault.settings.INSTANCE_DIR, environ=ours) as server:
        alice = Remote(server, "alice").enter()
        assert alice.put("db", "hunter2").status_code == 201
        status, out, err = doctor(ours)
        assert (status, err) == (0, ""), out
        assert LINE.sub("", out) == ""
        assert {"danger"}.isdisjoint(levels(out).values())
        assert levels(out)["wrapped-keys"] == "ok"
        assert alice.put("db", "hunter3").status_code == 200
        vault.settings.INSTANCE_DIR.chmod(0o777)
        status, out, err = doctor(ours, "--quiet")
        assert (status, err, levels(out)["instance-folder"]) == (1, "", "danger")
        assert "ok" not in levels(out).values()
        vault.settings.INSTANCE_DIR.chmod(0o700)


def test_json_is_one_object(tmp_path: Path) -> None:
    """The same findings, for a program; wrong usage is 2."""
    environ = {"SECRETS_INSTANCE_DIR": str(tmp_path / "instance")}
    with Server(tmp_path / "instance"):
        pass
    status, out, _ = doctor(environ, "--json")
    told = json.loads(out)
    assert (status, told["ok"]) == (0, True)
    assert {one["check"]: one["level"] for one in told["findings"]} == levels(doctor(environ)[1])
    assert set(told["findings"][0]) == {"level", "check", "what", "remedy"}
    assert doctor(environ, "--nonsense")[0] == 2


def test_a_mistyped_folder_is_dangerous_and_not_made(tmp_path: Path) -> None:
    """Nor is one for the metrics, or anything else."""
    token = {"SECRETS_METRICS_TOKEN": "a-token-for-prometheus-of-40-characters."}
    status, out, err = doctor({"SECRETS_INSTANCE_DIR": str(tmp_path / "mistyped"), **token})
    assert (status, err) == (1, "")
    assert levels(out)["database"] == "danger"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_no_byte_is_changed(tmp_path: Path, how: str) -> None:
    """Of what a server left that was stopped, or killed with commits in its WAL. A database that
    was opened as the service does it would be another one after that."""
    with Server(tmp_path / "instance") as server:
        assert Remote(server, "alice").enter().put("db", "hunter2").status_code == 201
        if how == "killed":
            server.kill()
    assert (tmp_path / "instance" / "secrets.db-wal").exists() == (how == "killed")
    before = contents(tmp_path)
    status, out, err = doctor({"SECRETS_INSTANCE_DIR": str(tmp_path / "instance")})
    assert (status, err) == (0, ""), out
    assert levels(out)["wrapped-keys"] == "ok"
    assert contents(tmp_path) == before


def test_no_secret_is_told(tmp_path: Path) -> None:
    """Neither of settings nor of files, also where they are wrong."""
    marks = {
        name: f"canary-{name}-{'x' * 20}" for name in ("signing", "metrics", "password", "file")
    }
    instance = tmp_path / "instance"
    with Server(instance):
        pass
    master, old = (instance / "master.key").read_text().strip(), Fernet.generate_key().decode()
    environ = {
        "SECRETS_INSTANCE_DIR": str(instance),
        "SECRETS_JWT_SECRET_KEY": marks["signing"],
        "SECRETS_METRICS_TOKEN": marks["metrics"],
    }
    wanted = canaries.needles(
        {name: mark.encode() for name, mark in marks.items()}
        | {"master key": master.encode(), "old": old.encode()}
    )
    url = f"postgresql://somebody:{marks['password']}@127.0.0.1:9/nothing"
    (instance / "metrics-token").write_text(marks["file"])
    said = ""
    for given in (
        {},
        {"SECRETS_MASTER_KEYS": f"{master},{old}"},
        {"SECRETS_MASTER_KEYS": old},
        {"SECRETS_DATABASE_URL": url, "SECRETS_DATABASE_TIMEOUT": "1s"},
    ):
        for arguments in ((), ("--json",)):
            status, out, err = doctor(environ | given, *arguments)
            assert status in {0, 1}
            assert "secrets-in-environment" in out
            said += out + err
    assert canaries.find_in(said.encode(), wanted) == []
    assert canaries.find_in((said + old).encode(), wanted)


def test_a_sqlite_with_a_known_bug_is_found(tmp_path: Path) -> None:
    """Python's own, where that is old: a warning, and dangerous if the database is in WAL mode."""
    environ = {"SECRETS_INSTANCE_DIR": str(tmp_path / "instance")}
    with Server(tmp_path / "instance"):
        pass
    old = ("-c", f"{WITHOUT_PYSQLITE3} main()")
    probe = "from utils.sqlite_library import has_wal_reset_bug as bug; print(bug())"
    asked = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.modules['pysqlite3'] = None; {probe}"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    buggy = asked.stdout == "True\n"
    status, out, _ = doctor(environ, program=old)
    assert (status, levels(out)["sqlite-library"]) == ((1, "danger") if buggy else (0, "ok"))
    if buggy:
        assert "walresetbug" in out
        made = [sys.executable, "-c", f"{WITHOUT_PYSQLITE3} main()", "users", "list"]
        inherited = {**os.environ, **environ, **SAFE}
        subprocess.run(made, cwd=ROOT, env=inherited, check=True, capture_output=True)
        status, out, _ = doctor(environ, program=old)
        assert (status, levels(out)["sqlite-library"]) == (0, "warn")
        assert "sqlite-journal" not in levels(out)


def test_a_setting_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """As at the server's start."""
    status, out, err = doctor({"SECRETS_BCRYPT_COST": "many"})
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("Not started: SECRETS_BCRYPT_COST: ")

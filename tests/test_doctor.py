"""``flask doctor``: each thing that can be wrong is found when it is, and not when it is not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from config import Settings
from models.findings import CHECKS, Finding, Level
from models.times import utcnow
from tests.support import docs
from tests.support.ailments import AILMENTS, Patient, is_root
from tests.support.postgres import PostgresServer, start_postgres
from tests.support.production import make_certificate
from tests.support.rotation import add_owner
from utils.db import open_database
from utils.doctor import clock, engine, files
from utils.sqlite import SqliteDatabase
from utils.sqlite_inspection import SettingsProbe
from utils.vault import open_vault

on_one_engine = pytest.mark.one_engine("sqlite", "it is not about the database")
# What the machine decides that the tests run on.
OF_THE_MACHINE = {"clock-sync", "disk-space"}
# Said only where there is one.
IF_ANY = {"tls-certificate"}
# Found by tests of their own, below and in test_doctor_command.py.
ELSEWHERE = {
    ("owners", "danger"),
    ("disk-space", "warn"),
    ("disk-space", "danger"),
    ("sqlite-library", "warn"),
    ("sqlite-library", "danger"),
    ("sqlite-settings", "danger"),
    ("postgresql-version", "warn"),
    ("postgresql-tls", "warn"),
    ("postgresql-tls", "danger"),
    ("clock-sync", "warn"),
}


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """One that is as it should be: the other tests' does not wait for the disk."""
    with start_postgres() as server:
        yield server


@pytest.fixture
def patient(engine: str, database_url: str, tmp_path: Path) -> Patient:
    """A healthy installation with an account, which no process has open."""
    settings = Settings(
        INSTANCE_DIR=tmp_path / "above" / "instance",
        DATABASE_URL="" if engine == "sqlite" else database_url,
        MASTER_KEYS=(Fernet.generate_key().decode(),),
        BCRYPT_COST=10,
        REGISTRATION="closed",
    )
    settings.INSTANCE_DIR.mkdir(mode=0o700, parents=True)
    vault = open_vault(settings, utcnow())
    add_owner(vault, "alice")
    vault.close()
    return Patient(settings, utcnow())


def test_a_healthy_installation_is_all_ok(patient: Patient) -> None:
    """A warning that is always there is one that nobody reads."""
    found = [one for one in patient.examine() if one.check not in OF_THE_MACHINE]
    assert [one for one in found if one.level != "ok"] == []
    engines = {"sqlite", "postgresql"} - {one.check.partition("-")[0] for one in found}
    assert len(engines) == 1
    expected = {name for name in CHECKS if name.partition("-")[0] not in engines}
    expected -= IF_ANY
    assert {one.check for one in patient.examine()} == expected


@pytest.mark.parametrize(
    ("engine", "check", "level", "number"),
    [
        pytest.param(
            engine,
            check,
            level,
            number,
            marks=[pytest.mark.one_engine(engine, "it has no other")] if len(engines) == 1 else (),
        )
        for number, (check, level, engines, _) in enumerate(AILMENTS)
        for engine in engines
    ],
    indirect=["engine"],
)
def test_what_is_wrong_is_found(patient: Patient, check: str, level: Level, number: int) -> None:
    """For real: it is not found before, it is found after, and with what to do about it."""
    assert patient.levels(check) == ({"ok"} if check not in IF_ANY else set())
    AILMENTS[number][3](patient)
    found = [one for one in patient.examine() if one.check == check]
    assert level in {one.level for one in found}, found
    assert all(one.remedy for one in found if one.level != "ok")


def test_everything_that_can_be_found_was_found_once() -> None:
    """A check that nobody has seen fail may be unable to."""
    possible = {(check, level) for check, levels in CHECKS.items() for level in levels}
    assert {(check, level) for check, level, *_ in AILMENTS} | ELSEWHERE == possible


def test_an_undeclared_finding_is_refused() -> None:
    """Else the documents would not know of it."""
    with pytest.raises(ValueError, match="csrf"):
        Finding("danger", "csrf", "what")


def test_the_documents_explain_each_finding() -> None:
    """And of which level it can be; the reverse too."""
    table = docs.rows(docs.read("docs/doctor.md"))
    documented = {
        cells[0].strip("`"): tuple(
            level for level, cell in zip(("warn", "danger"), cells[1:3], strict=True) if cell
        )
        for cells in table
    }
    assert documented == CHECKS
    assert len(table) == len(CHECKS)
    assert all(cells[3] for cells in table)


# --- files ---------------------------------------------------------------------------------------


@on_one_engine
@pytest.mark.parametrize("which", ["master.key", "mounted", "in the folder", "named"])
def test_every_kind_of_secret_file_is_looked_at(
    patient: Patient, tmp_path: Path, which: str
) -> None:
    """By its name, by the setting that names it, or because it holds a private key."""
    key = make_certificate(tmp_path).key
    path = {
        "master.key": patient.folder / "master.key",
        "mounted": tmp_path / "token",
        "in the folder": patient.folder / "tls.pem",
        "named": tmp_path / "tls.pem",
    }[which]
    path.touch(mode=0o600)
    path.write_bytes(key.read_bytes())
    patient.environ["SECRETS_METRICS_TOKEN_FILE"] = str(tmp_path / "token")
    patient.tls = [tmp_path / "tls.pem"]
    assert patient.levels("secret-files") == {"ok"}
    path.chmod(0o604)
    found = [one for one in patient.examine() if one.check == "secret-files"]
    assert [one.level for one in found] == ["danger"]
    assert f"{path} (0604)" in found[0].what


@on_one_engine
def test_a_credential_of_systemd_s_is_no_matter(patient: Patient, tmp_path: Path) -> None:
    """Its access list shows as a right of the group; anywhere else that is what it means."""
    path = tmp_path / "token"
    path.touch(mode=0o440)
    path.chmod(0o440)
    patient.environ["SECRETS_METRICS_TOKEN_FILE"] = str(path)
    assert patient.levels("secret-files") == {"danger"}
    patient.environ["CREDENTIALS_DIRECTORY"] = str(tmp_path)
    assert patient.levels("secret-files") == {"ok"}


@on_one_engine
def test_a_file_of_another_user_is_dangerous(patient: Patient) -> None:
    """Given away for real where this user may; in any case compared with the folder's owner."""
    assert files.owners([patient.file], os.geteuid()).level == "ok"
    assert files.owners([patient.file], os.geteuid() + 1).level == "danger"
    if is_root():
        os.chown(patient.file, 65534, -1)
        assert patient.levels("owners") == {"danger"}


@on_one_engine
@pytest.mark.parametrize("good", [True, False])
def test_a_certificate_that_is_named_is_read(patient: Patient, tmp_path: Path, good: bool) -> None:
    """A good one is ok, far from its end; what is none would stop the server."""
    made = make_certificate(tmp_path)
    if not good:
        made.certificate.write_text("none")
    patient.tls = [made.certificate, made.key]
    patient.now -= timedelta(days=20)
    assert patient.levels("tls-certificate") == ({"ok"} if good else {"danger"})


@on_one_engine
def test_a_stranger_is_told_to_be_somebody_else(patient: Patient) -> None:
    """Who may not look finds that, not that all is well, and no traceback."""
    patient.folder.chmod(0)
    root = is_root()
    if root:
        os.seteuid(65534)
    try:
        found = patient.examine()
    finally:
        if root:
            os.seteuid(0)
        patient.folder.chmod(0o700)
    dangers = {one.check for one in found if one.level == "danger"}
    assert {"instance-folder", "database"} <= dangers


def test_a_disk_that_fills_up_is_found(tmp_path: Path) -> None:
    """Before and when it is too late, by what is really free."""
    assert files.space(tmp_path, 0, 0).level == "ok"
    assert files.space(tmp_path, 2**60, 0).level == "warn"
    assert files.space(tmp_path, 2**60, 2**60).level == "danger"


# --- engines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", ["foreign_keys = OFF", "synchronous = NORMAL", "secure_delete = OFF"]
)
def test_a_setting_that_sqlite_does_not_take_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """As the service sets them, with one more that undoes it, as a library without it would."""
    assert engine.settings_taken(SettingsProbe(tmp_path / "none", 1)).level == "ok"
    right = SqliteDatabase._pragmas
    monkeypatch.setattr(SqliteDatabase, "_pragmas", lambda self: (*right(self), f"PRAGMA {wrong}"))
    found = engine.settings_taken(SettingsProbe(tmp_path / "none", 1))
    assert found.level == "danger"
    assert wrong.partition(" ")[0] in found.what
    assert not (tmp_path / "none").exists()


def test_a_server_that_does_not_sync_is_found() -> None:
    """A real PostgreSQL that was told not to."""
    with start_postgres() as server:
        server._options += ["-c", "fsync=off", "-c", "full_page_writes=off"]
        server.restart()
        with open_database(server.url, 5, 1).read() as tx:
            found = {one.check: one for one in engine.examine_postgresql(tx, server.url, {})}
    durability = found["postgresql-durability"]
    assert durability.level == "danger"
    assert "fsync, full_page_writes is off" in durability.what


@pytest.mark.parametrize(
    ("query", "environ", "encrypted", "local", "level"),
    [
        ("", {}, False, True, "ok"),
        ("", {}, False, False, "danger"),
        ("", {}, True, False, "warn"),
        ("?sslmode=require", {}, True, False, "warn"),
        ("?sslmode=verify-full", {}, True, False, "ok"),
        ("", {"PGSSLMODE": "verify-full"}, True, False, "ok"),
        ("?sslmode=require", {"PGSSLMODE": "verify-full"}, True, False, "warn"),
        ("?sslrootcert=system", {}, True, False, "ok"),
    ],
)
def test_the_way_to_another_machine_must_be_verified(
    query: str, environ: dict[str, str], encrypted: bool, local: bool, level: Level
) -> None:
    """No other machine is at hand, so its connection's facts are given."""
    mode = engine.ssl_mode(f"postgresql://a:b@db.example.org/c{query}", environ)
    found = engine.Connection(150000, "15", encrypted, local)
    assert engine.tls(found, mode).level == level


def test_an_old_postgresql_is_found() -> None:
    """None is at hand either."""
    levels = [
        engine.version(engine.Connection(number, "of some year", True, True)).level
        for number in (149_999, 150_000, 180_001)
    ]
    assert levels == ["warn", "ok", "ok"]


# --- clock ---------------------------------------------------------------------------------------


def test_what_the_kernel_says_of_its_clock_is_told() -> None:
    """The states of adjtimex(2), and that it can be asked here; nothing where it cannot."""
    levels = [clock.synchronised(state).level for state in (None, 0, 1, 4, 5)]
    assert levels == ["ok", "ok", "ok", "ok", "warn"]
    assert clock.clock_state() in {None, 0, 1, 2, 3, 4, 5}


@on_one_engine
def test_a_clock_that_differs_by_seconds_is_no_matter(patient: Patient, now: datetime) -> None:
    """Nodes' clocks always do."""
    for seconds in (-2, 0, 2, 86_400):
        patient.now = now + timedelta(seconds=seconds)
        assert patient.levels("clock") == {"ok"}

"""docs/postgresql.md, carried out: two roles, the schema by command, TLS that is verified."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import requests

from tests.support.docs import blocks, read
from tests.support.people import PASSWORD
from tests.support.postgres import start_postgres
from tests.support.production import Certificate, make_certificate
from tests.support.server import ROOT, Server

ROLES = {"secrets_owner": "change-me-1", "secrets_service": "change-me-2"}


@dataclass(frozen=True)
class Guided:
    """A server that was set up as the guide says."""

    superuser: str
    certificate: Certificate
    another: Certificate  # of an authority that has nothing to do with it

    def url(self, role: str, host: str = "127.0.0.1", **parameters: object) -> str:
        """Where *role* finds the database."""
        port = urlsplit(self.superuser).port
        query = "&".join(f"{name}={value}" for name, value in parameters.items())
        return f"postgresql://{role}:{ROLES[role]}@{host}:{port}/secrets?{query}"

    def verified(self, role: str) -> str:
        """The same with sslmode=verify-full."""
        authority = self.certificate.authority
        return self.url(role, sslmode="verify-full", sslrootcert=authority)


@pytest.fixture(scope="module")
def guided(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guided]:
    """A PostgreSQL that takes connections over TLS only, with the guide's roles and database."""
    ours, other = (tmp_path_factory.mktemp(name) for name in ("ours", "other"))
    certificate = make_certificate(ours)
    with start_postgres() as server:
        server.insist_on_tls(certificate.certificate, certificate.key)
        server.restart()
        _carry_out(server.url)
        yield Guided(server.url, certificate, make_certificate(other))


def _carry_out(superuser: str, name: str = "secrets") -> None:
    """Run the SQL of the guide, as psql would; the roles are there already for another database."""
    (script,) = [b.text for b in blocks(read("docs/postgresql.md")) if b.language == "sql"]
    if name != "secrets":
        script = re.sub(r"^CREATE ROLE .*$", "", script, flags=re.MULTILINE)
        script = re.sub(r"\bsecrets\b", name, script)
    before, after = re.split(rf"^\\connect {name}$", script, flags=re.MULTILINE)
    for url, part in ((superuser, before), (_at(superuser, name), after)):
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in part.split(";"):
                if statement.strip():
                    connection.execute(statement.strip().encode())


def _at(url: str, name: str) -> str:
    """The same for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def flask(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``flask ...`` or another program of ours, against the database behind *url*."""
    server = Server(folder, {"SECRETS_DATABASE_URL": url, "SECRETS_AUTO_MIGRATE": "false"})
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=server.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


UPGRADE = ("-m", "flask", "db", "upgrade")
MOVE = ("-m", "flask", "migrate-to")
START = ("-m", "flask", "users", "list")  # opens all that the server opens at its start


def test_the_guide_works_as_it_is_written(guided: Guided, tmp_path: Path) -> None:
    """The owner makes the schema, the service keeps and rotates secrets, over verified TLS."""
    service = guided.verified("secrets_service")
    early = flask(tmp_path / "instance", service, *START)
    assert early.returncode == 1
    assert "Not started: The database is empty. Run `flask db upgrade` first" in early.stderr
    owner = guided.verified("secrets_owner")
    for expected in ("Migrations applied: 1.", "Migrations applied: 0."):
        upgraded = flask(tmp_path / "instance", owner, *UPGRADE)
        assert (upgraded.returncode, upgraded.stderr.strip()) == (0, expected)
    settings = {"SECRETS_DATABASE_URL": service, "SECRETS_AUTO_MIGRATE": "false"}
    with Server(tmp_path / "instance", settings) as server, requests.Session() as ada:
        who = {"username": "ada", "password": PASSWORD}
        assert ada.post(f"{server.url}/register", json=who).status_code == 201
        assert ada.post(f"{server.url}/login", json=who).status_code == 200
        assert ada.put(f"{server.url}/secrets/a", json={"secret": "one"}).status_code == 201
        encrypted, others = _connections(guided)
        assert encrypted
        assert not others
        rotated = flask(tmp_path / "instance", service, "rotate_keys.py", "--all")
        assert (rotated.returncode, rotated.stderr) == (0, "")
        assert "re-encrypted: 1" in rotated.stdout
        assert ada.get(f"{server.url}/secrets/a").json()["secret"] == "one"


def _connections(guided: Guided) -> tuple[int, int]:
    """How many connections the service has over TLS, and how many without."""
    with psycopg.connect(guided.superuser) as connection:
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE s.ssl), count(*) FILTER (WHERE NOT s.ssl) "
            "FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) "
            "WHERE a.usename = 'secrets_service'"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_an_installation_moves_as_the_guide_says(guided: Guided, tmp_path: Path) -> None:
    """The owner of the tables copies, over verified TLS; the service then finds its accounts there,
    and could not have copied."""
    folder, sqlite = tmp_path / "instance", f"sqlite:///{tmp_path / 'secrets.db'}"
    assert flask(folder, sqlite, *UPGRADE).returncode == 0
    assert flask(folder, sqlite, "-m", "flask", "users", "create", "ada").returncode == 0
    _carry_out(guided.superuser, "moved")
    owner, service = (_at(guided.verified(role), "moved") for role in ROLES)
    early = flask(folder, sqlite, *MOVE, service)
    assert (early.returncode, early.stdout) == (1, "")
    assert "its role may not do that" in early.stderr
    moved = flask(folder, sqlite, *MOVE, owner)
    assert (moved.returncode, moved.stderr) == (0, "")
    listed = flask(folder, service, *START)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith("ada ")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id INT)",
        "ALTER TABLE users ADD COLUMN mine INT",
        "DROP TABLE secrets",
        "TRUNCATE secret_versions",
        "CREATE TABLE pg_temp.t AS SELECT pg_read_file('/etc/passwd')",
        "ALTER ROLE secrets_service SUPERUSER",
    ],
)
def test_the_service_may_change_rows_and_nothing_else(
    guided: Guided, tmp_path: Path, statement: str
) -> None:
    """Whoever takes the service over gets its data, but not the database (ASVS 13.2.2)."""
    owner = guided.verified("secrets_owner")
    assert flask(tmp_path / "instance", owner, *UPGRADE).returncode == 0
    with (
        psycopg.connect(guided.verified("secrets_service")) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement.encode())


def test_a_database_that_is_not_the_right_one_is_not_talked_to(
    guided: Guided, tmp_path: Path
) -> None:
    """Another authority, another host, no TLS, or another password: the start stops, in one line
    that does not tell the password (ASVS 12.3.2, 13.2.1)."""
    right = guided.verified("secrets_service")
    wrong = {
        "authority": guided.url(
            "secrets_service", sslmode="verify-full", sslrootcert=guided.another.authority
        ),
        "host": guided.url(
            "secrets_service",
            host="db.example.org",
            hostaddr="127.0.0.1",
            sslmode="verify-full",
            sslrootcert=guided.certificate.authority,
        ),
        "no TLS": guided.url("secrets_service", sslmode="disable"),
        "password": right.replace("change-me-2", "change-me-3"),
        "no password": right.replace(":change-me-2", ""),
    }
    for what, url in wrong.items():
        done = flask(tmp_path / "instance", url, *START)
        assert done.returncode == 1, what
        assert "Not started: The database cannot be opened." in done.stderr, what
        assert "change-me" not in done.stdout + done.stderr, what

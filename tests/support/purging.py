"""Purges in tests: the command as a process, and the work itself."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime, timedelta

from config import Settings
from tests.support.rotation import Ran, end, environment
from tests.support.server import ROOT
from utils.db import Database
from utils.purge import Purged, Purger
from utils.vault import Vault

RETENTION = timedelta(days=30)


def start(settings: Settings, *arguments: str, **environ: str) -> subprocess.Popen[str]:
    """Start ``flask purge``."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "purge", *arguments],
        cwd=ROOT,
        env={**environment(settings, **environ), "SECRETS_BCRYPT_COST": "10"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def purge(settings: Settings, *arguments: str, **environ: str) -> Ran:
    """Run it to its end."""
    return end(start(settings, *arguments, **environ))


def purge_here(vault: Vault, now: datetime, kept: int = 10, db: Database | None = None) -> Purged:
    """The same work in this process, as if it were *now*; *db*: its database in disguise."""
    return Purger(db or vault.db, now, kept, RETENTION, vault.audit.key).purge()

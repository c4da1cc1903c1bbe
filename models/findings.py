"""What ``flask doctor`` finds: how bad, what, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "danger"]

# Every check, and what it may find wrong; docs/doctor.md explains each. A check that finds nothing
# wrong says so, or nothing where it does not apply.
CHECKS: dict[str, tuple[Level, ...]] = {
    "instance-folder": ("warn", "danger"),
    "parent-folders": ("warn", "danger"),
    "database-files": ("danger",),
    "secret-files": ("danger",),
    "owners": ("danger",),
    "backups": ("warn",),
    "disk-space": ("warn", "danger"),
    "tls-certificate": ("warn", "danger"),
    "plain-http": ("warn",),
    "trusted-proxies": ("warn", "danger"),
    "csrf": (),
    "registration": ("warn",),
    "signing-key": ("warn",),
    "secrets-in-environment": ("warn",),
    "bcrypt-cost": ("danger",),
    "limits": ("warn",),
    "unknown-settings": ("warn",),
    "database": ("danger",),
    "schema": ("warn", "danger"),
    "sqlite-library": ("warn", "danger"),
    "sqlite-journal": ("warn",),
    "sqlite-settings": ("danger",),
    "sqlite-structure": ("danger",),
    "postgresql-version": ("warn",),
    "postgresql-tls": ("warn", "danger"),
    "postgresql-durability": ("danger",),
    "master-keys": ("danger",),
    "old-master-keys": ("warn",),
    "master-key-place": ("warn",),
    "wrapped-keys": ("danger",),
    "clock": ("warn", "danger"),
    "clock-sync": ("warn",),
    "stale-values": ("warn",),
    "rotation": ("warn", "danger"),
    "purge": ("warn",),
    "remains": ("warn",),
    "audit-retention": ("warn",),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. *what* and *remedy* never hold a key, password or token."""

    level: Level
    check: str
    what: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.level != "ok" and self.level not in CHECKS[self.check]:
            raise ValueError(f"{self.check} is not declared to be able to find {self.level}")


def ok(check: str, what: str) -> Finding:
    """Nothing is wrong."""
    return Finding("ok", check, what)


def warn(check: str, what: str, remedy: str) -> Finding:
    """It should be looked after."""
    return Finding("warn", check, what, remedy)


def danger(check: str, what: str, remedy: str) -> Finding:
    """Secrets can be lost or read by others, or the service does not start."""
    return Finding("danger", check, what, remedy)

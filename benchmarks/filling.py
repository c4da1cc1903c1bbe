"""Secrets by the thousand, put straight into the database of a service that runs."""

from __future__ import annotations

from collections.abc import Mapping

from models.rows import UserId, Username
from models.times import utcnow
from tests.torture import seeding
from utils import configuration
from utils.store import keys
from utils.vault import open_store


def fill(environ: Mapping[str, str], name: str, count: int) -> None:
    """Give the account *name* so many."""
    db, master = open_store(configuration.load(environ), utcnow())
    with db.read() as tx:
        owner = keys.find_owner(tx, Username(name))
    assert owner is not None
    seeding.fill(db, master, [UserId(owner)], count)
    db.close()

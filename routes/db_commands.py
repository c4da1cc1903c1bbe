"""``flask db ...``: the schema, for operators who do not leave it to the start of the service."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from models.errors import ConfigurationError, TryLater
from models.times import utcnow
from routes.context import current_settings
from utils.vault import upgrade

db = AppGroup("db", help="The database's schema.")


@db.command("upgrade")
def upgrade_schema() -> None:
    """Bring the schema up to date. Needs no master key, but the right to change the schema."""
    try:
        applied = upgrade(current_settings(), utcnow())
    except (ConfigurationError, TryLater) as error:
        sys.exit(f"Not upgraded: {error}")
    click.echo(f"Migrations applied: {applied}.", err=True)

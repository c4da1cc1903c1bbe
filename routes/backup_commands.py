"""``flask backup`` and ``flask restore``: a SQLite database as one file."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask.cli import with_appcontext

from models.errors import SecretsManagerError
from models.times import utcnow
from routes.context import current_settings
from utils import backup as backups
from utils.console import Output, sentence
from utils.store import system
from utils.vault import open_existing_store


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def backup(file: Path) -> None:
    """Copy the database into FILE, which must not be there yet; the service may be running."""
    try:
        db, _ = open_existing_store(current_settings())
        try:
            with db.read() as tx:
                needed = ", ".join(sorted(system.wrapping_fingerprints(tx)))
            size = backups.backup(backups.sqlite_only(db), file)
        finally:
            db.close()
    except SecretsManagerError as error:
        sys.exit(f"No backup was made: {sentence(error)}")
    click.echo(
        f"{file}: {size} bytes. To restore it takes master key {needed}; keep that elsewhere.",
        err=True,
    )


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@with_appcontext
def restore(file: Path) -> None:
    """Put the database back from FILE where none is, once all that it holds has been opened."""
    out = Output(as_json=False, quiet=False)
    try:
        found = backups.restore(current_settings(), file, utcnow(), lambda _done: None)
    except SecretsManagerError as error:
        sys.exit(f"Nothing was restored: {sentence(error)}")
    out.faults(found.faults)
    if not found.opens:
        sys.exit(f"Nothing was restored: the backup has {len(found.faults)} faults.")
    click.echo(
        f"Restored and verified: {found.ciphertexts} ciphertexts, {found.keys} keys, "
        f"{found.events} events.",
        err=True,
    )
    if found.tampered:
        sys.exit(f"But somebody tampered with its audit trail: {found.tampered} chains.")

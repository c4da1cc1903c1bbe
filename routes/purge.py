"""``flask purge``: retention, run by cron beside the live server, as often as you like.

Exit status: 0 done; 1 something could not be done (it says what); 2 wrong usage.
"""

from __future__ import annotations

from dataclasses import asdict

import click
from flask.cli import with_appcontext

from models.errors import SecretsManagerError, TryLater
from models.reports import Fault
from models.times import utcnow
from routes.context import existing_vault
from utils.console import DONE, INCOMPLETE, Output, sentence
from utils.purge import Purged, Purger
from utils.scrubbing import has_remains, scrubbed
from utils.vault import Vault

_REMAINS = "is in use: what was purged or destroyed stays in its files until the next run"


@click.command("purge")
@click.option("--dry-run", is_flag=True, help="Say what would be purged; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a line.")
@click.option("--quiet", is_flag=True, help="Print only what is wrong.")
@click.pass_context
@with_appcontext
def purge(context: click.Context, dry_run: bool, as_json: bool, quiet: bool) -> None:
    """Delete for good what is kept longer than VERSIONS_KEPT and DELETED_RETENTION say."""
    out, vault = Output(as_json=as_json, quiet=quiet, command="flask purge"), existing_vault()
    context.call_on_close(vault.close)
    try:
        status = _purge(vault, out, dry_run=dry_run)
    except TryLater as error:
        again = "What was committed stays; run it again."
        status = out.failure(INCOMPLETE, f"{sentence(error)} {again}")
    except SecretsManagerError as error:
        status = out.failure(INCOMPLETE, sentence(error))
    context.exit(status)


def _purge(vault: Vault, out: Output, *, dry_run: bool) -> int:
    kept, retention = vault.settings.VERSIONS_KEPT, vault.settings.DELETED_RETENTION
    purger = Purger(vault.db, utcnow(), kept, retention, vault.audit.key)
    if dry_run:
        found = purger.count()
        out.summary(f"dry run: would purge {_told(found)}", {"dry_run": True, **asdict(found)})
        return DONE
    done = purger.purge()
    # Also what was destroyed by calls of the API, or by a run that was killed before it got here.
    left = has_remains(vault.db) and not scrubbed(vault.db)
    faults = [Fault("database", _REMAINS)] if left else []
    out.faults(faults)
    out.summary(f"{_told(done)}, faults: {len(faults)}", asdict(done))
    return INCOMPLETE if faults else DONE


def _told(purged: Purged) -> str:
    return (
        f"deleted secrets: {purged.deleted}, expired secrets: {purged.expired}, "
        f"versions: {purged.versions}"
    )

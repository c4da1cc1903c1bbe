"""``flask migrate-to``: a SQLite installation moves into PostgreSQL.

Exit status: 0 done; 1 nothing was copied (it says why); 2 wrong usage; 3 look at what it says: it
was copied, or may have been, but not all is well.
"""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from models.errors import MoveUncertain, SecretsManagerError
from models.times import utcnow
from routes.context import current_settings
from utils.console import Output, sentence
from utils.interruption import Interrupted, Interruption

DONE, FAILED, LOOK = 0, 1, 3


@click.command("migrate-to")
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option("--quiet", is_flag=True, help="Print only what is wrong.")
@click.pass_context
@with_appcontext
def migrate_to(context: click.Context, url: str, as_json: bool, quiet: bool) -> None:
    """Copy the SQLite database into the empty PostgreSQL database at URL, and compare every row.

    Stop the service first. URL begins with postgresql://, its role owns the database, and the
    password is better left out of it and in ~/.pgpass: others see the arguments of a command.
    """
    out = Output(as_json=as_json, quiet=quiet, command="flask migrate-to")
    interruption = Interruption()
    try:
        status = _move(url, out, interruption)
    except MoveUncertain as error:
        status = out.failure(LOOK, sentence(error))
    except SecretsManagerError as error:
        status = out.failure(FAILED, f"Nothing was copied: {sentence(error)}")
    except Interrupted:
        status = out.failure(FAILED, "Nothing was copied: interrupted.")
    context.exit(status)


def _move(url: str, out: Output, interruption: Interruption) -> int:
    # Here, not above: a SQLite installation never loads psycopg.
    from utils.migrate_to import migrate_to as move  # noqa: PLC0415

    moved = move(current_settings(), url, utcnow(), out, interruption.check)
    out.faults(moved.faults)
    facts = {"tables": moved.rows, "keys": moved.keys, "ciphertexts": moved.ciphertexts}
    if not moved.copied:
        out.summary(f"Nothing was copied: {len(moved.faults)} faults.", facts)
        return FAILED
    if moved.opened_meanwhile:
        return out.failure(
            LOOK,
            "Something has opened the SQLite database meanwhile. What it stored since is not in "
            "the copy: stop it, and move again, into a database without rows.",
        )
    out.table(("table", "rows"), [(name, str(rows)) for name, rows in moved.rows.items()])
    out.summary(
        f"Copied and compared: {sum(moved.rows.values())} rows. Opened: {moved.keys} keys and "
        f"{moved.ciphertexts} ciphertexts. Set SECRETS_DATABASE_URL before you start the service.",
        facts,
    )
    return LOOK if moved.faults else DONE

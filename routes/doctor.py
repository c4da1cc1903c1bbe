"""``flask doctor``: what is wrong with this installation, and what to do about it.

Exit status: 0 nothing is dangerous; 1 something is; 2 wrong usage.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

import click
from flask.cli import with_appcontext

from models.findings import Finding
from models.times import utcnow
from routes.context import current_settings
from utils.doctor import examine


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option(
    "--tls",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A certificate or key of the server, if it is not in the instance folder; repeatable.",
)
@click.option("--quiet", is_flag=True, help="Print only what is wrong.")
@click.pass_context
@with_appcontext
def doctor(context: click.Context, as_json: bool, tls: tuple[Path, ...], quiet: bool) -> None:
    """Look at files, settings, database, keys and clock; change nothing."""
    found = examine(current_settings(), os.environ, utcnow(), tls)
    dangerous = any(one.level == "danger" for one in found)
    shown = [one for one in found if not (quiet and one.level == "ok")]
    if as_json:
        click.echo(json.dumps({"ok": not dangerous, "findings": [asdict(one) for one in shown]}))
    else:
        for one in shown:
            click.echo(_line(one))
    context.exit(1 if dangerous else 0)


def _line(one: Finding) -> str:
    """Nothing in it, such as the name of a file, can begin another line."""
    text = f"{one.level:<6}  {one.check}: {one.what}" + (f"  -> {one.remedy}" if one.remedy else "")
    return "".join(letter if letter.isprintable() else "?" for letter in text)

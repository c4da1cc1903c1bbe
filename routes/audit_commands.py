"""``flask audit ...``: what an operator does with the audit trail, beside a live server too."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click
from flask.cli import with_appcontext

from models.audit_responses import Event as ShownEvent
from models.events import SYSTEM, ChainId, Event, EventQuery
from models.names import parse_username
from models.rows import UserId
from models.times import utcnow
from routes.command_errors import OneLineErrors
from routes.context import current_vault, existing_vault
from utils.audit_check import purge_all, verify_all
from utils.audit_heads import heads_in
from utils.db import Database
from utils.store import audit as trail

_PAGE = 1000
_NEWEST = 2**63 - 1


@click.group(cls=OneLineErrors)
@with_appcontext
def audit() -> None:
    """Verify, show and purge the audit trail."""
    click.get_current_context().call_on_close(existing_vault().close)


@audit.command("verify")
@click.option(
    "--heads",
    type=click.File("r", errors="replace"),
    help="A log of the server: events that it names must still be there.",
)
def verify(heads: Iterable[str] | None) -> None:
    """Check every chain. Exit status 1, and a line on stderr, for each that was tampered with."""
    vault, chains, total, faults = current_vault(), 0, 0, 0
    told = heads_in(heads or ())
    if heads is not None and not told:
        raise click.UsageError("The file given with --heads has no line `audit head ...` in it.")
    for chain, events, fault in verify_all(vault.db, vault.audit.key, told):
        chains, total = chains + 1, total + events
        if fault is not None:
            faults += 1
            where = _called(vault.db, chain)
            click.echo(f"fault: {where}: event {fault.number}: {fault.detail}", err=True)
    click.echo(f"{chains} chains and {total} events checked, {faults} faults")
    if faults:
        raise click.exceptions.Exit(1)


@audit.command("show")
@click.option("--user", metavar="NAME", help="The events of this account, not of the system.")
def show(user: str | None) -> None:
    """Print events as lines of JSON, newest first: of the system, or of one account."""
    vault, before = current_vault(), _NEWEST
    chain = SYSTEM
    if user is not None:
        username = parse_username(user)
        with vault.db.read() as tx:
            chain = SYSTEM if username is None else trail.chain_named(tx, username)
        if chain == SYSTEM:
            raise click.ClickException(f"There is no user {user!r}.")
    while True:
        with vault.db.read() as tx:
            page = trail.list_page(tx, chain, EventQuery(before, _PAGE))
        for stored in page:
            click.echo(json.dumps(ShownEvent.of(stored).model_dump(mode="json")))
        if len(page) < _PAGE:
            return
        before = page[-1].number


@audit.command("purge")
def purge() -> None:
    """Delete events older than AUDIT_RETENTION. What is kept still verifies."""
    vault, now = current_vault(), utcnow()
    purged = purge_all(vault.db, vault.audit.key, now - vault.settings.AUDIT_RETENTION)
    if purged:
        done = Event(now, "audit.purge", via="command", times=purged)
        with vault.db.write() as tx:
            trail.append(tx, vault.audit.key, [(SYSTEM, done)])
    click.echo(f"{purged} events purged")


def _called(db: Database, chain: ChainId) -> str:
    if chain == SYSTEM:
        return "the system"
    with db.read() as tx:
        username = trail.find_username(tx, UserId(chain))
    return username or f"chain {chain}, of no account"

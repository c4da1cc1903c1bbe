"""``flask users ...``: what an operator does to accounts, beside a live server or without one.

What a command prints on stdout is its result, and nothing else: a one-time password can be piped.
Errors are one line on stderr, with exit status 1.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

import click
from flask.cli import with_appcontext
from pydantic import ValidationError

from models import account_requests
from models.errors import InvalidFields
from models.events import Event, chain_of
from models.names import USERNAME_RULE, parse_username
from models.rows import UserId, Username
from models.times import rfc3339, utcnow
from routes.command_errors import OneLineErrors
from routes.context import current_vault
from utils.db import Tx
from utils.passwords import refuse_guessable
from utils.store import accounts, audit
from utils.tokens import new_account_id, new_one_time_password

ONE_TIME_LIFETIME = timedelta(hours=24)


def _username(text: str) -> Username:
    username = parse_username(text)
    if username is None:
        raise click.ClickException(f"A username is {USERNAME_RULE}.")
    return username


@click.group(cls=OneLineErrors)
@with_appcontext
def users() -> None:
    """Create, list, disable and enable accounts; reset a password."""
    click.get_current_context().call_on_close(current_vault().close)


@users.command("create")
@click.argument("name", type=_username)
@click.option(
    "--ask-password",
    is_flag=True,
    help="Ask for the password, or read it from stdin, instead of printing a one-time password.",
)
def create(name: Username, ask_password: bool) -> None:
    """Create the account NAME, also while registration is closed."""
    vault, now = current_vault(), utcnow()
    with vault.db.read() as tx:
        accounts.refuse_taken(tx, name)
    password = _asked(name) if ask_password else new_one_time_password()
    until = None if ask_password else now + ONE_TIME_LIFETIME
    account_id = new_account_id()
    hashed = vault.hasher.hash(password, account_id)
    with vault.db.write() as tx:
        account = accounts.create(tx, vault.master, account_id, name, hashed, now, until)
        _record(tx, account.id, "account.create", now)
    if until is None:
        click.echo(f"Created {name}.", err=True)
    else:
        _hand_over(password, until, f"Created {name}.")


@users.command("list")
def list_users() -> None:
    """List all accounts: name, state, when it was created."""
    with current_vault().db.read() as tx:
        found = accounts.list_all(tx)
    width = max((len(one.account.username) for one in found), default=0)
    for one in found:
        note = "  one-time password" if one.account.one_time else ""
        created = rfc3339(one.account.created_at)
        click.echo(f"{one.account.username:<{width}}  {one.state:<8}  {created}{note}")


@users.command("disable")
@click.argument("name", type=_username)
def disable(name: Username) -> None:
    """Shut NAME out: sessions end, logins are refused, secrets stay."""
    now = utcnow()
    with current_vault().db.write() as tx:
        ended = accounts.disable(tx, name, now)
        _record(tx, accounts.find_id(tx, name), "account.disable", now)
    click.echo(f"Disabled {name}; sessions ended: {ended}.", err=True)


@users.command("enable")
@click.argument("name", type=_username)
def enable(name: Username) -> None:
    """Let NAME log in again."""
    with current_vault().db.write() as tx:
        accounts.enable(tx, name)
        _record(tx, accounts.find_id(tx, name), "account.enable", utcnow())
    click.echo(f"Enabled {name}.", err=True)


@users.command("reset-password")
@click.argument("name", type=_username)
def reset_password(name: Username) -> None:
    """Print a one-time password for NAME, and end their sessions."""
    vault, now = current_vault(), utcnow()
    password, until = new_one_time_password(), now + ONE_TIME_LIFETIME
    with vault.db.read() as tx:
        account_id = accounts.find_id(tx, name)
    hashed = vault.hasher.hash(password, account_id)
    with vault.db.write() as tx:
        ended = accounts.reset_password(tx, name, hashed, until, now)
        _record(tx, account_id, "password.reset", now)
    _hand_over(password, until, f"Sessions ended: {ended}.")


def _record(tx: Tx, account: UserId, action: str, now: datetime) -> None:
    """What the operator did to an account is in its owner's audit trail."""
    event = Event(now, action, via="command")
    audit.append(tx, current_vault().audit.key, [(chain_of(account), event)])


def _hand_over(password: str, until: datetime, done: str) -> None:
    click.echo(
        f"{done} This one-time password opens one login until {rfc3339(until)}, which then has to "
        "choose another with PUT /account/password:",
        err=True,
    )
    click.echo(password)


def _asked(name: Username) -> str:
    """The password, typed twice on a terminal or read from a pipe: as an argument, everybody on
    the machine could see it. Raises ClickException."""
    if sys.stdin.isatty():
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    else:
        try:
            password = sys.stdin.readline().rstrip("\r\n")
            password.encode()
        except UnicodeError as error:  # its text quotes the password
            raise click.ClickException("The password must be text in UTF-8.") from error
    try:
        account_requests.Register(username=name, password=password)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise click.ClickException(f"The password {reason['msg']}.") from None
    try:
        refuse_guessable(password, name)
    except InvalidFields as error:
        raise click.ClickException(f"The password {error.problems[0].detail}.") from error
    return password

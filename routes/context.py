"""What a request or a command works with: the settings, and the vault that they lead to."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import cast

import click
from flask import Flask, current_app
from flask.cli import FlaskGroup

from config import Settings
from models.errors import ConfigurationError, TryLater
from models.times import utcnow
from utils.vault import Vault, open_existing_store, open_vault

_NAME = "secrets-manager"


@dataclass
class _Context:
    settings: Settings
    vault: Vault | None = None
    opening: Lock = field(default_factory=Lock)
    prepare: Callable[[Vault], object] = lambda _vault: None


def install(app: Flask, vault: Vault) -> None:
    """Attach *vault* to the application."""
    app.extensions[_NAME] = _Context(vault.settings, vault)


def open_for(app: Flask, settings: Settings) -> None:
    """Attach *settings* to the application, and open the vault, unless a command is about to run
    that decides for itself when to.

    A server must find out at its start what is wrong. But ``flask db upgrade`` is there for when
    the vault can't be opened, and Flask makes the application already to look for its commands.
    """
    app.extensions[_NAME] = _Context(settings)
    context = click.get_current_context(silent=True)
    if context is None or not isinstance(context.command, FlaskGroup):
        vault_of(app)


def when_open(app: Flask, prepare: Callable[[Vault], object]) -> None:
    """Call *prepare* with the vault of *app*, as soon as it is open."""
    context = cast(_Context, app.extensions[_NAME])
    context.prepare = prepare
    if context.vault is not None:
        prepare(context.vault)


def current_vault() -> Vault:
    """The vault of the application that handles this request."""
    return vault_of(current_app)


def existing_vault() -> Vault:
    """The same for commands that go over what is there: they must not make a new installation of a
    mistyped path, find nothing to do in it, and tell cron that all is well."""
    try:
        db, _ = open_existing_store(current_settings())
    except (ConfigurationError, TryLater) as error:
        sys.exit(f"Not started: {error}")
    db.close()
    return current_vault()


def current_settings() -> Settings:
    """Its settings, whether or not the vault can be opened."""
    return cast(_Context, current_app.extensions[_NAME]).settings


def vault_of(app: Flask) -> Vault:
    """The vault that *app* was made for.

    What must not start ends the process with one line on stderr.
    """
    context: _Context = app.extensions[_NAME]
    if context.vault is not None:  # each request asks several times
        return context.vault
    with context.opening:
        if context.vault is None:
            try:
                context.vault = open_vault(context.settings, utcnow())
            except (ConfigurationError, TryLater) as error:
                sys.exit(f"Not started: {error}")
            context.prepare(context.vault)
    return context.vault

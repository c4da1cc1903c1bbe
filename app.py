"""The application factory: wiring, and only wiring. ``flask run`` finds it by itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter

from config import Settings
from models.errors import ConfigurationError
from routes import (
    account,
    api_tokens,
    audit,
    audit_commands,
    auth,
    backup_commands,
    batch,
    context,
    db_commands,
    doctor,
    health,
    keys,
    metrics,
    migrate_commands,
    openapi,
    pace,
    problems,
    purge,
    secrets,
    shares,
    tokens,
    trace,
    trail,
    transfer,
    transport,
    user_commands,
    versions,
)
from utils import configuration, logs
from utils.interruption import exit_on_sigterm

BLUEPRINTS = (
    account.bp,
    api_tokens.bp,
    audit.bp,
    auth.bp,
    batch.bp,
    health.bp,
    keys.bp,
    metrics.bp,
    openapi.bp,
    secrets.bp,
    shares.bp,
    transfer.bp,
    versions.bp,
)
COMMANDS = (
    audit_commands.audit,
    backup_commands.backup,
    backup_commands.restore,
    user_commands.users,
    db_commands.db,
    migrate_commands.migrate_to,
    doctor.doctor,
    purge.purge,
)

# <name>:verb, of one secret.
VERBS = ("versions", "rollback", "undelete", "destroy", "move", "share", "unshare", "shares")


class SecretNameConverter(BaseConverter):
    """A secret's name in a URL: the whole rest of the path, slashes included.

    Which names can exist is not decided here: an impossible one is 404 to read and 422 to
    create, and a route that does not match could only answer 404.

    A verb is no part of a name: without that, a wrong method on ``<name>:rollback`` would fall
    through to a secret of that name, and answer 404 or 422 instead of 405.
    """

    part_isolating = False
    regex = r"(?s:.+)" + "".join(f"(?<!:{verb})" for verb in VERBS)


class SecretsManager(Flask):
    """Flask asks of each function, on each request, whether it is a coroutine. None of ours is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Make an application, by default with the settings from the environment.

    A configuration that must not start ends the process with one line on stderr.
    """
    try:
        if settings is None:
            settings = _settings(os.environ)
    except ConfigurationError as error:
        sys.exit(f"Not started: {error}")
    logs.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)

    app = SecretsManager(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.converters["secret_name"] = SecretNameConverter
    context.open_for(app, settings)
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
        exit_on_sigterm()
    problems.install(app)
    transport.install(app, settings)
    pace.install(app)
    tokens.install(app, settings)
    trail.install(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    for command in COMMANDS:
        app.cli.add_command(command)
    trace.install(app, metrics.install(app, settings))
    return app


def _settings(environ: Mapping[str, str]) -> Settings:
    """Those of the environment, after a warning of each that nothing reads."""
    logs.configure()
    configuration.refuse_debug_mode(environ)
    for warning in configuration.misspelt(environ):
        logs.log(logs.NOTICE, message=warning)
    return configuration.load(environ)

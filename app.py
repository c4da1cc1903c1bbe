"""The application factory: wiring, and only wiring. ``flask run`` finds it by itself."""

from __future__ import annotations

import logging
import os
import sys

from flask import Flask
from werkzeug.routing import BaseConverter

import config
from models.errors import ConfigurationError, TryLater
from models.times import utcnow
from routes import (
    account,
    api_tokens,
    audit,
    audit_commands,
    auth,
    commands,
    context,
    health,
    keys,
    problems,
    secrets,
    tokens,
    trail,
    transport,
)
from utils.interruption import exit_on_sigterm
from utils.vault import open_vault

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


def create_app(settings: config.Settings | None = None) -> Flask:
    """Make an application, by default with the settings from the environment.

    A configuration that must not start ends the process with one line on stderr.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    try:
        if settings is None:
            config.refuse_debug_mode(os.environ)
            for warning in config.misspelt(os.environ):
                logging.getLogger("secrets_manager").warning(warning)
            settings = config.load(os.environ)
        vault = open_vault(settings, utcnow())
    except (ConfigurationError, TryLater) as error:
        sys.exit(f"Not started: {error}")

    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False
    app.url_map.converters["secret_name"] = SecretNameConverter
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
        exit_on_sigterm()
    context.install(app, vault)
    problems.install(app)
    transport.install(app, settings)
    tokens.install(app, vault)
    trail.install(app)
    for blueprint in (auth.bp, account.bp, api_tokens.bp, secrets.bp, keys.bp, health.bp):
        app.register_blueprint(blueprint)
    app.register_blueprint(audit.bp)
    app.cli.add_command(commands.users)
    app.cli.add_command(audit_commands.audit)
    return app

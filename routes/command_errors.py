"""How ``flask users`` and ``flask audit`` fail: in one line on stderr, with exit status 1."""

from __future__ import annotations

from typing import Any

import click
from flask.cli import AppGroup

from models.errors import SecretsManagerError
from utils.console import sentence


class OneLineErrors(AppGroup):
    """Says what went wrong as the API would, and what only an operator may know besides."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Raises ClickException for each error of ours."""
        try:
            return super().invoke(ctx)
        except SecretsManagerError as error:
            raise click.ClickException(sentence(error)) from error

"""What a request works with: the vault that the application was made for."""

from __future__ import annotations

from typing import cast

from flask import Flask, current_app

from utils.vault import Vault

_NAME = "secrets-manager"


def install(app: Flask, vault: Vault) -> None:
    """Attach *vault* to the application."""
    app.extensions[_NAME] = vault


def current_vault() -> Vault:
    """The vault of the application that handles this request."""
    return vault_of(current_app)


def vault_of(app: Flask) -> Vault:
    """The vault that *app* was made for."""
    return cast(Vault, app.extensions[_NAME])

"""Found as ``app`` by ``python -m utils.serving`` that is started in this folder: so bare Flask
runs under the very command that serves the API, and no word of it knows of a benchmark."""

from __future__ import annotations

import os

from flask import Flask

from benchmarks import bare


def create_app() -> Flask:
    """The application that ``BARE_ROUTE`` names."""
    return {
        "json_route": bare.json_route,
        "insert_route": bare.insert_route,
        "select_route": bare.select_route,
    }[os.environ["BARE_ROUTE"]]()

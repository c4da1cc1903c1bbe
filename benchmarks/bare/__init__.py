"""The least that Flask can do: the limits that the service is measured against.

Under the same server, with the same options. Each is a factory, as ``app:create_app`` is one.
"""

from __future__ import annotations

import os
import secrets
import threading

import psycopg
from flask import Flask, Response, jsonify

from utils.sqlite_library import sqlite3

_local = threading.local()


def json_route() -> Flask:
    """A route that answers with an object."""
    app = Flask(__name__)

    @app.get("/")
    def hello() -> Response:
        return jsonify(name="shop/db-password", secret="hunter2", version=1)

    return app


def insert_route() -> Flask:
    """A route that inserts one row, durably."""
    app = Flask(__name__)
    path = os.environ["BARE_DATABASE"]
    with _sqlite(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS bare (id INTEGER PRIMARY KEY, value BLOB)")
    connection.close()

    @app.put("/")
    def insert() -> Response:
        if not hasattr(_local, "connection"):
            _local.connection = _sqlite(path)
        _local.connection.execute("BEGIN IMMEDIATE")
        _local.connection.execute(
            "INSERT INTO bare (value) VALUES (?)", (secrets.token_bytes(200),)
        )
        _local.connection.execute("COMMIT")
        return jsonify(name="shop/db-password", version=1)

    return app


def select_route() -> Flask:
    """A route that selects one row of PostgreSQL by its key."""
    app = Flask(__name__)
    url = os.environ["BARE_DATABASE"]

    @app.get("/")
    def select() -> Response:
        if not hasattr(_local, "connection"):
            _local.connection = psycopg.connect(url, autocommit=True)
        row = _local.connection.execute("SELECT value FROM bare WHERE id = %s", (1,)).fetchone()
        return jsonify(name="shop/db-password", secret=row[0], version=1)

    return app


def _sqlite(path: str) -> sqlite3.Connection:
    connection: sqlite3.Connection = sqlite3.connect(path, timeout=30, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection

"""For load balancers and scripts that wait for the service: alive, and ready."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from models.errors import DatabaseUnavailable
from routes import guard
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from routes.trail import NOBODYS
from utils.migrate import schema_is_current
from utils.store import system

bp = Blueprint("health", __name__)
# What is wrong is for the operator, and so in the log: strangers read only that something is.
_NOT_AVAILABLE = "The database is not available."


@bp.get("/healthz")
@endpoint(
    access=guard.anybody,
    audit=NOBODYS,
    body=requests.Nothing,
    query=requests.NoQuery,
    plain_http=True,
    answers={200: responses.Health},
)
def alive(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """The process answers."""
    return answer(responses.Health())


@bp.get("/readyz")
@endpoint(
    access=guard.anybody,
    audit=NOBODYS,
    body=requests.Nothing,
    query=requests.NoQuery,
    plain_http=True,
    answers={200: responses.Health},
)
def ready(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """The database answers, has our schema, and the master keys open what is in it."""
    vault = current_vault()
    with vault.db.read() as tx:
        if not schema_is_current(tx):
            raise DatabaseUnavailable(_NOT_AVAILABLE, "It has another schema than this program.")
        system.refuse_missing_master_keys(tx, vault.master)
    return answer(responses.Health())

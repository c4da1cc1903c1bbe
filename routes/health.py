"""For load balancers and scripts that wait for the service: alive, and ready."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from routes import guard
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from utils.store import system

bp = Blueprint("health", __name__)


@bp.get("/healthz")
@endpoint(access=guard.anybody, body=requests.Nothing, query=requests.NoQuery, plain_http=True)
def alive(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """The process answers."""
    return answer(responses.Health())


@bp.get("/readyz")
@endpoint(access=guard.anybody, body=requests.Nothing, query=requests.NoQuery, plain_http=True)
def ready(_call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """The database answers, and the master keys open what is in it."""
    vault = current_vault()
    with vault.db.read() as tx:
        system.refuse_missing_master_keys(tx, vault.master)
    return answer(responses.Health())

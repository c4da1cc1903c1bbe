"""A caller's own encryption keys: what depends on each, and a new one on demand."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from models.paging import cut
from routes import guard
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from utils.store import keys

bp = Blueprint("keys", __name__)


@bp.get("/keys")
@endpoint(
    access=guard.session,
    audit="key.list",
    body=requests.Nothing,
    query=requests.ListKeys,
    answers={200: responses.KeyList},
)
def list_keys(call: Call[requests.Nothing, requests.ListKeys]) -> Response:
    """List keys, newest first, each with the number of ciphertexts that still need it."""
    owner, limit = call.session.account.id, call.query.limit
    with current_vault().db.read() as tx:
        found = keys.list_page(tx, owner, call.query.cursor or "", limit + 1)
    page, last = cut(found, limit)
    return answer(
        responses.KeyList(
            keys=[responses.Key.of(key) for key in page],
            next_cursor=None if last is None else last.public_id,
        )
    )


@bp.post("/keys:rotate")
@endpoint(
    access=guard.session,
    audit="key.rotate",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={202: responses.Key},
)
def rotate(call: Call[requests.Nothing, requests.NoQuery]) -> Response:
    """Make a new key current, at once. Old ciphertexts move later: at their next read, or
    with the next run of rotate_keys.py; hence 202."""
    vault, owner = current_vault(), call.session.account.id
    with vault.db.write() as tx:
        keys.lock_owner(tx, owner)
        keys.switch(tx, vault.master, owner, call.now)
        newest = keys.list_page(tx, owner, "", 1)[0]
        call.record(tx, "")
    return answer(responses.Key.of(newest), 202)

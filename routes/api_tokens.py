"""API tokens, as their owner makes, lists and deletes them. Only with a session: a token that could
make tokens would outlive its own deletion."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from models.errors import AlreadyExists, LimitReached, NotFound
from models.names import is_id
from models.paging import cursor_at, cut
from models.token_requests import ListTokens, NewToken
from routes import guard, trail
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import Call, answer, endpoint
from utils.store import api_tokens, sessions
from utils.tokens import new_token

bp = Blueprint("api_tokens", __name__)


@bp.post("/tokens")
@endpoint(
    access=guard.session,
    audit="token.create",
    body=NewToken,
    query=requests.NoQuery,
    answers={201: Answer(responses.NewToken, ("Location",))},
    refuses=(AlreadyExists, LimitReached),
)
def create_token(call: Call[NewToken, requests.NoQuery]) -> Response:
    """Make a token. This answer is the only one that ever shows it."""
    vault, wanted, token = current_vault(), call.body, new_token()
    powers, most = wanted.powers(call.now), vault.settings.MAX_TOKENS
    trail.about(wanted.name)
    with vault.db.write() as tx:
        made = api_tokens.create(
            tx, vault.token_key, token, call.session.account, wanted.name, powers, call.now, most
        )
        # Under the lock of the account's row, which whatever ends sessions takes too: a session
        # that has ended must not leave something behind that lasts.
        sessions.require_live(tx, call.session, call.now)
        call.record(tx, made.name)
    shown = responses.NewToken.showing(made, token.written())
    return answer(shown, 201, {"Location": f"/tokens/{made.id}"})


@bp.get("/tokens")
@endpoint(
    access=guard.session,
    audit="token.list",
    body=requests.Nothing,
    query=ListTokens,
    answers={200: responses.TokenList},
)
def list_tokens(call: Call[requests.Nothing, ListTokens]) -> Response:
    """List my tokens, newest first: what each may do, and when it was used last."""
    owner, limit = call.session.account.id, call.query.limit
    with current_vault().db.read() as tx:
        found = api_tokens.list_page(tx, owner, call.query.after(), limit + 1)
    page, last = cut(found, limit)
    return answer(
        responses.TokenList(
            tokens=[responses.Token.of(one) for one in page],
            next_cursor=None if last is None else cursor_at(last.created_at, last.id),
        )
    )


@bp.delete("/tokens/<token_id>")
@endpoint(
    access=guard.session,
    audit="token.delete",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: responses.TokenDeleted},
)
def delete_token(call: Call[requests.Nothing, requests.NoQuery], token_id: str) -> Response:
    """Revoke one of my tokens: it is refused from the next request on, on every node."""
    deleted = False
    if is_id(token_id):
        with current_vault().db.write() as tx:
            deleted = api_tokens.delete(tx, call.session.account.id, token_id)
            if deleted:
                call.record(tx, token_id)
    if not deleted:
        raise NotFound("No token of yours has this id. GET /tokens lists them.")
    return answer(responses.TokenDeleted(id=token_id))

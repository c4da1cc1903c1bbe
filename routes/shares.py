"""Sharing secrets, and what others share with me. Only with a session: a token is for one
account's own secrets."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response

from models import requests
from models.errors import LimitReached, PreconditionFailed, ReadOnlyGrant
from models.grants import Shared
from models.names import parse_secret_name, parse_username
from models.paging import cursor_of
from models.rows import SecretName, Username
from models.share_requests import (
    ListShared,
    ListShares,
    PatchShared,
    Share,
    Unshare,
)
from models.share_responses import (
    Granted,
    SharedInfo,
    SharedList,
    SharedSecret,
    ShareList,
    Unshared,
)
from routes import guard, trail
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import JSON, Call, answer, endpoint
from routes.preconditions import conditions
from routes.representations import BYTES, READ_HEADERS, TEXT, readable, represent
from utils.reencryption import reencrypt_in_passing
from utils.store import grants, sessions, shares

bp = Blueprint("shares", __name__)


@bp.post("/secrets/<secret_name:name>:share")
@endpoint(
    access=guard.session,
    audit="secret.share",
    body=Share,
    query=requests.NoQuery,
    answers={200: Granted, 201: Granted},
    refuses=(LimitReached,),
)
def share_secret(call: Call[Share, requests.NoQuery], name: str) -> Response:
    """Let somebody read a secret of mine, or write its value."""
    vault, wanted, known = current_vault(), call.body, readable(name)
    with vault.db.write() as tx:
        granted, created = shares.share(
            tx,
            vault.grant_key,
            call.account.id,
            known,
            wanted.username,
            wanted.permission,
            call.now,
        )
        # As for a new API token: a session that has ended must not leave behind what lasts.
        sessions.require_live(tx, call.session, call.now)
        # Who it was, only where there is such a user: what else was typed may be anything.
        trail.says(grantee=granted.grantee, permission=granted.permission)
        call.record(tx, known)
    return answer(Granted.of(granted), 201 if created else 200)


@bp.post("/secrets/<secret_name:name>:unshare")
@endpoint(
    access=guard.session,
    audit="secret.unshare",
    body=Unshare,
    query=requests.NoQuery,
    answers={200: Unshared},
)
def unshare_secret(call: Call[Unshare, requests.NoQuery], name: str) -> Response:
    """End that, at once."""
    username, known = call.body.username, readable(name)
    with current_vault().db.write() as tx:
        shares.unshare(tx, call.account.id, known, username, call.now)
        trail.says(grantee=username)
        call.record(tx, known)
    return answer(Unshared(username=username))


@bp.get("/secrets/<secret_name:name>:shares")
@endpoint(
    access=guard.session,
    audit="secret.shares",
    body=requests.Nothing,
    query=ListShares,
    answers={200: ShareList},
)
def list_shares(call: Call[requests.Nothing, ListShares], name: str) -> Response:
    """List with whom I share a secret, newest first."""
    vault, known = current_vault(), readable(name)
    after, limit = call.query.after(), call.query.limit
    with vault.db.read() as tx:
        page, last = shares.list_page(
            tx, vault.grant_key, call.account.id, known, after, limit, call.now
        )
    shown = [Granted.of(one) for one in page]
    return answer(ShareList(shares=shown, next_cursor=last and cursor_of(last)))


@bp.get("/shared")
@endpoint(
    access=guard.session,
    audit="shared.list",
    body=requests.Nothing,
    query=ListShared,
    answers={200: SharedList},
)
def list_shared(call: Call[requests.Nothing, ListShared]) -> Response:
    """List what others share with me, newest first. Nothing is decrypted."""
    vault, query = current_vault(), call.query
    with vault.db.read() as tx:
        page, last = grants.list_shared(
            tx, vault.grant_key, call.account.id, query.owner, query.after(), query.limit, call.now
        )
    shown = [SharedInfo.of(one) for one in page]
    return answer(SharedList(shares=shown, next_cursor=last and cursor_of(last)))


@bp.get("/shared/<owner>/<secret_name:name>")
@endpoint(
    access=guard.session,
    audit="shared.read",
    body=requests.Nothing,
    query=requests.NoQuery,
    produces=(JSON, TEXT, BYTES),
    answers={200: Answer(SharedSecret, READ_HEADERS), 304: Answer(None, READ_HEADERS)},
)
def read_shared(call: Call[requests.Nothing, requests.NoQuery], owner: str, name: str) -> Response:
    """Read the newest version of a secret that somebody shares with me."""
    vault = current_vault()
    who, what = _reachable(owner, name)
    with vault.db.read() as tx:
        shared, secret = shares.read(
            tx, vault.master, vault.grant_key, call.account.id, who, what, call.now
        )
    _tell_both(what, shared)
    response = represent(secret, call.accepts, lambda found: SharedSecret.holding(shared, found))
    if secret.stale:
        response.call_on_close(
            lambda: reencrypt_in_passing(vault.db, vault.master, secret.info.id, secret.version)
        )
    return response


@bp.patch("/shared/<owner>/<secret_name:name>")
@endpoint(
    access=guard.session,
    audit="shared.write",
    body=PatchShared,
    query=requests.NoQuery,
    answers={200: Answer(SharedInfo, ("ETag",))},
    refuses=(LimitReached, PreconditionFailed, ReadOnlyGrant),
)
def patch_shared(call: Call[PatchShared, requests.NoQuery], owner: str, name: str) -> Response:
    """Change the value of a secret that somebody shares with me for writing."""
    vault, change, wanted = current_vault(), call.body.change(), conditions()
    who, what = _reachable(owner, name)
    with vault.db.write() as tx:
        shared = shares.lock(tx, vault.grant_key, call.account.id, who, what, call.now)
        _tell_both(what, shared)
        act = replace(call.act, owner=shared.owner)
        shared = shares.patch(tx, vault.master, shared, act, change, wanted)
        call.record(tx, what)
    response = answer(SharedInfo.of(shared))
    response.set_etag(shared.info.tag)
    return response


def _tell_both(name: SecretName, shared: Shared) -> None:
    """From here on, what becomes of the request is in the trail of the caller and of the owner."""
    trail.about(name, owner=shared.owner)
    trail.says(owner=shared.owner_name)


def _reachable(owner: str, name: str) -> tuple[Username, SecretName]:
    """Names that can't exist are as absent as any others. Raises NotFound."""
    who, what = parse_username(owner), parse_secret_name(name)
    if who is None or what is None:
        raise shares.absent_share()
    return who, what

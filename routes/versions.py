"""A secret's versions, and what becomes of it: roll back, undelete, destroy, move."""

from __future__ import annotations

from urllib.parse import quote

from flask import Blueprint, Response

from models import requests
from models.errors import AlreadyExists, LimitReached, PreconditionFailed, WrongState
from models.paging import cut
from models.version_requests import Destroy, ListVersions, Move, Rollback
from models.version_responses import Destroyed, Version, VersionList
from routes import guard, trail
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from routes.preconditions import conditions
from routes.representations import CHANGED, MOVED, described, readable
from utils.store import versions

bp = Blueprint("versions", __name__)


@bp.get("/secrets/<secret_name:name>:versions")
@endpoint(
    access=guard.may_read,
    audit="secret.versions",
    body=requests.Nothing,
    query=ListVersions,
    answers={200: VersionList},
)
def list_versions(call: Call[requests.Nothing, ListVersions], name: str) -> Response:
    """List a secret's versions, newest first: when each was written, and by whom."""
    query, known = call.query, readable(name)
    with current_vault().db.read() as tx:
        found = versions.list_page(
            tx, call.account.id, known, query.before, query.limit + 1, call.now
        )
    page, last = cut(found, query.limit)
    return answer(
        VersionList(
            versions=[Version.of(one) for one in page],
            next_cursor=None if last is None else str(last.number),
        )
    )


@bp.post("/secrets/<secret_name:name>:rollback")
@endpoint(
    access=guard.may_write,
    audit="secret.rollback",
    body=Rollback,
    query=requests.NoQuery,
    answers={200: CHANGED},
    refuses=(LimitReached, PreconditionFailed),
)
def roll_back(call: Call[Rollback, requests.NoQuery], name: str) -> Response:
    """Make an older value a new version."""
    vault, version = current_vault(), call.body.version
    known, wanted = readable(name), conditions()
    trail.says(version=version)
    with vault.db.write() as tx:
        info = versions.rollback(tx, vault.master, call.act, known, version, wanted)
        call.record(tx, known)
    return described(info, created=False)


@bp.post("/secrets/<secret_name:name>:undelete")
@endpoint(
    access=guard.may_write,
    audit="secret.undelete",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: CHANGED},
    refuses=(PreconditionFailed, WrongState),
)
def undelete(call: Call[requests.Nothing, requests.NoQuery], name: str) -> Response:
    """Undo a delete, until ``purge_at``."""
    known, wanted = readable(name), conditions()
    with current_vault().db.write() as tx:
        info = versions.undelete(tx, call.act, known, wanted)
        call.record(tx, known)
    return described(info, created=False)


@bp.post("/secrets/<secret_name:name>:destroy")
@endpoint(
    access=guard.may_write,
    audit="secret.destroy",
    body=Destroy,
    query=requests.NoQuery,
    answers={200: Destroyed},
    refuses=(PreconditionFailed, WrongState),
)
def destroy(call: Call[Destroy, requests.NoQuery], name: str) -> Response:
    """Remove older versions, or all of the secret, for good."""
    known, wanted, numbers = readable(name), conditions(), call.body.versions
    trail.says(**({"all": True} if numbers is None else {"versions": numbers}))
    with current_vault().db.write() as tx:
        if numbers is None:
            destroyed = versions.destroy_all(tx, call.act, known, wanted)
        else:
            destroyed = versions.destroy_versions(tx, call.act, known, numbers, wanted)
        call.record(tx, known)
    return answer(Destroyed(name=known, versions_destroyed=destroyed))


@bp.post("/secrets/<secret_name:name>:move")
@endpoint(
    access=guard.may_write,
    audit="secret.move",
    body=Move,
    query=requests.NoQuery,
    answers={200: MOVED},
    refuses=(AlreadyExists, PreconditionFailed),
)
def move(call: Call[Move, requests.NoQuery], name: str) -> Response:
    """Give a secret another name, with its history. The caller must reach both names."""
    known, to, wanted = readable(name), call.body.to, conditions()
    trail.says(**{"from": known, "to": to})
    call.require_name(to)
    try:
        with current_vault().db.write() as tx:
            info = versions.move(tx, call.act, known, to, wanted)
            call.record(tx, known, to)
    except AlreadyExists:
        trail.about(to)  # that is the name that is refused
        raise
    response = described(info, created=False)
    response.headers["Location"] = "/secrets/" + quote(to, safe="/")
    return response

"""Secrets: create, read, list, replace, change, delete."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import quote

from flask import Blueprint, Response, request

from models import requests, responses, rows
from models.conditions import Conditions, Tags
from models.errors import FieldProblem, InvalidFields, MalformedRequest, NotAcceptable
from models.names import NAME_RULE, parse_secret_name
from models.rows import SecretName
from routes import guard
from routes.context import current_vault
from routes.endpoint import JSON, Call, answer, endpoint
from utils.reencryption import reencrypt_in_passing
from utils.store import secrets

bp = Blueprint("secrets", __name__)

_TEXT, _BYTES = "text/plain", "application/octet-stream"
# A strong ETag tells representations apart (RFC 9110 section 8.8.3.1): the bare value is
# another one than the JSON.
_BARE_SUFFIX = "-bare"
_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')  # RFC 9110 section 8.8.3


@bp.post("/secrets")
@endpoint(access=guard.may_write, body=requests.NewSecret, query=requests.NoQuery)
def create_secret(call: Call[requests.NewSecret, requests.NoQuery]) -> Response:
    """Store a new secret."""
    vault, change = current_vault(), call.body.change()
    call.require_name(call.body.name)
    with vault.db.write() as tx:
        info = secrets.create(tx, vault.master, call.act, call.body.name, change)
    return _described(info, created=True)


@bp.get("/secrets")
@endpoint(access=guard.may_read, body=requests.Nothing, query=requests.ListSecrets)
def list_secrets(call: Call[requests.Nothing, requests.ListSecrets]) -> Response:
    """List metadata, page by page. Values are never in a list, and nothing is decrypted."""
    query = call.query.query(within=call.prefixes)
    with current_vault().db.read() as tx:
        page, last = secrets.list_page(tx, call.account.id, query, call.now)
    return answer(
        responses.SecretList(
            secrets=[responses.SecretInfo.of(info) for info in page],
            next_cursor=None if last is None else requests.cursor_after(last),
        )
    )


@bp.get("/secrets/<secret_name:name>")
@endpoint(
    access=guard.may_read,
    body=requests.Nothing,
    query=requests.ReadSecret,
    produces=(JSON, _TEXT, _BYTES),
)
def read_secret(call: Call[requests.Nothing, requests.ReadSecret], name: str) -> Response:
    """Read one version, as JSON or as the bare value."""
    vault = current_vault()
    with vault.db.read() as tx:
        secret = secrets.read(
            tx,
            vault.master,
            call.account.id,
            _readable(name),
            call.query.version,
            call.now,
        )
    response = _represent(secret, call.accepts)
    if secret.stale:
        # After the answer is sent: moving it to the current key must not delay the read.
        response.call_on_close(
            lambda: reencrypt_in_passing(vault.db, vault.master, secret.info.id, secret.version)
        )
    return response


@bp.put("/secrets/<secret_name:name>")
@endpoint(access=guard.may_write, body=requests.PutSecret, query=requests.NoQuery)
def put_secret(call: Call[requests.PutSecret, requests.NoQuery], name: str) -> Response:
    """Set a value, creating the secret if need be."""
    vault, change = current_vault(), call.body.change()
    known, conditions = _creatable(name), _conditions()
    with vault.db.write() as tx:
        info, created = secrets.put(tx, vault.master, call.act, known, change, conditions)
    return _described(info, created=created)


@bp.patch("/secrets/<secret_name:name>")
@endpoint(access=guard.may_write, body=requests.PatchSecret, query=requests.NoQuery)
def patch_secret(call: Call[requests.PatchSecret, requests.NoQuery], name: str) -> Response:
    """Change what the body mentions."""
    vault, change = current_vault(), call.body.change()
    known, conditions = _readable(name), _conditions()
    with vault.db.write() as tx:
        info = secrets.patch(tx, vault.master, call.act, known, change, conditions)
    return _described(info, created=False)


@bp.delete("/secrets/<secret_name:name>")
@endpoint(access=guard.may_write, body=requests.Nothing, query=requests.NoQuery)
def delete_secret(call: Call[requests.Nothing, requests.NoQuery], name: str) -> Response:
    """Hide a secret; it can be restored until ``purge_at``."""
    vault = current_vault()
    known, conditions = _readable(name), _conditions()
    with vault.db.write() as tx:
        gone = secrets.delete(tx, call.act, known, conditions, vault.settings.DELETED_RETENTION)
    return answer(
        responses.Deleted(name=gone.name, deleted_at=gone.deleted_at, purge_at=gone.purge_at)
    )


# --- names in URLs -----------------------------------------------------------------------------


def _readable(text: str) -> SecretName:
    """A name that can't exist is as absent as any other."""
    if (name := parse_secret_name(text)) is None:
        raise secrets.absent()
    return name


def _creatable(text: str) -> SecretName:
    if (name := parse_secret_name(text)) is None:
        raise InvalidFields([FieldProblem("#/name", f"must be {NAME_RULE}")])
    return name


# --- representations ---------------------------------------------------------------------------


def _described(info: rows.SecretInfo, *, created: bool) -> Response:
    """What a write answers: metadata, never the value that was just sent."""
    response = answer(responses.SecretInfo.of(info), 201 if created else 200)
    response.set_etag(info.tag)
    if created:
        response.headers["Location"] = "/secrets/" + quote(info.name, safe="/")
    return response


def _represent(secret: rows.Secret, accepts: str) -> Response:
    if accepts == JSON:
        response = answer(responses.Secret.of(secret))
        suffix = ""
    elif accepts == _TEXT and secret.value.kind == "bytes":
        raise NotAcceptable(f"This value was stored as bytes. Accept {_BYTES} or {JSON}.")
    else:
        charset = "; charset=utf-8" if accepts == _TEXT else ""
        response = Response(secret.value.data, content_type=accepts + charset)
        suffix = _BARE_SUFFIX
    if request.if_none_match.contains_weak(secret.info.tag + suffix):
        response = Response(status=304)
    response.headers["Vary"] = "Accept, Authorization, Cookie"
    response.set_etag(secret.info.tag + suffix)
    return response


# --- conditions --------------------------------------------------------------------------------


def _conditions() -> Conditions:
    return Conditions(_tags("If-Match"), _tags("If-None-Match"))


def _tags(header: Literal["If-Match", "If-None-Match"]) -> Tags | None:
    """The entity tags of a header, or None without one.

    Raises MalformedRequest, more readily than Werkzeug's parser: what it makes of an unclosed
    quote, or of a * among tags, turns a compare-and-set into an overwrite.
    """
    text = request.headers.get(header)
    if text is None:
        return None
    if text.strip() == "*":
        return "*"
    found = _ENTITY_TAG.findall(text)
    if not found or _ENTITY_TAG.sub("", text).strip(" \t,"):
        raise MalformedRequest(f'{header} must be * or a list of quoted tags: "abc".')
    # If-Match compares strongly: a weak tag never matches (RFC 9110 section 13.1.1).
    return frozenset(
        tag.removesuffix(_BARE_SUFFIX) for weak, tag in found if not weak or header != "If-Match"
    )

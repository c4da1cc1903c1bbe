"""Secrets: create, read, list, replace, change, delete."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, responses
from models.errors import AlreadyExists, LimitReached, PreconditionFailed
from routes import guard, trail
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import JSON, Call, answer, endpoint
from routes.preconditions import conditions
from routes.representations import (
    BYTES,
    CHANGED,
    CREATED,
    READ_HEADERS,
    TEXT,
    creatable,
    described,
    readable,
    represent,
)
from utils.reencryption import reencrypt_in_passing
from utils.store import secret_reads, secrets

bp = Blueprint("secrets", __name__)


@bp.post("/secrets")
@endpoint(
    access=guard.may_write,
    audit="secret.create",
    body=requests.NewSecret,
    query=requests.NoQuery,
    answers={201: CREATED},
    refuses=(AlreadyExists, LimitReached),
)
def create_secret(call: Call[requests.NewSecret, requests.NoQuery]) -> Response:
    """Store a new secret."""
    vault, change = current_vault(), call.body.change()
    trail.about(call.body.name)
    call.require_name(call.body.name)
    with vault.db.write() as tx:
        info = secrets.create(tx, vault.master, call.act, call.body.name, change)
        call.record(tx, info.name)
    return described(info, created=True)


@bp.get("/secrets")
@endpoint(
    access=guard.may_read,
    audit="secret.list",
    body=requests.Nothing,
    query=requests.ListSecrets,
    answers={200: responses.SecretList},
)
def list_secrets(call: Call[requests.Nothing, requests.ListSecrets]) -> Response:
    """List metadata, page by page. Values are never in a list, and nothing is decrypted."""
    query = call.query.query(within=call.prefixes)
    with current_vault().db.read() as tx:
        page, last = secret_reads.list_page(tx, call.account.id, query, call.now)
    return answer(
        responses.SecretList(
            secrets=[responses.SecretInfo.of(info) for info in page],
            next_cursor=None if last is None else requests.cursor_after(last),
        )
    )


@bp.get("/secrets/<secret_name:name>")
@endpoint(
    access=guard.may_read,
    audit="secret.read",
    body=requests.Nothing,
    query=requests.ReadSecret,
    produces=(JSON, TEXT, BYTES),
    answers={200: Answer(responses.Secret, READ_HEADERS), 304: Answer(None, READ_HEADERS)},
)
def read_secret(call: Call[requests.Nothing, requests.ReadSecret], name: str) -> Response:
    """Read one version, as JSON or as the bare value."""
    vault = current_vault()
    # Where a version is missing, a second statement asks whether the secret is there.
    reading = vault.db.read_once if call.query.version is None else vault.db.read
    with reading() as tx:
        secret = secret_reads.read(
            tx,
            vault.master,
            call.account.id,
            readable(name),
            call.query.version,
            call.now,
        )
    response = represent(secret, call.accepts)
    if secret.stale:
        # After the answer is sent: moving it to the current key must not delay the read.
        response.call_on_close(
            lambda: reencrypt_in_passing(vault.db, vault.master, secret.info.id, secret.version)
        )
    return response


@bp.put("/secrets/<secret_name:name>")
@endpoint(
    access=guard.may_write,
    audit="secret.write",
    body=requests.PutSecret,
    query=requests.NoQuery,
    answers={200: CHANGED, 201: CREATED},
    refuses=(LimitReached, PreconditionFailed),
)
def put_secret(call: Call[requests.PutSecret, requests.NoQuery], name: str) -> Response:
    """Set a value, creating the secret if need be."""
    vault, change = current_vault(), call.body.change()
    known, wanted = creatable(name), conditions()
    with vault.db.write() as tx:
        info, created = secrets.put(tx, vault.master, call.act, known, change, wanted)
        call.record(tx, info.name)
    return described(info, created=created)


@bp.patch("/secrets/<secret_name:name>")
@endpoint(
    access=guard.may_write,
    audit="secret.change",
    body=requests.PatchSecret,
    query=requests.NoQuery,
    answers={200: CHANGED},
    refuses=(LimitReached, PreconditionFailed),
)
def patch_secret(call: Call[requests.PatchSecret, requests.NoQuery], name: str) -> Response:
    """Change what the body mentions."""
    vault, change = current_vault(), call.body.change()
    known, wanted = readable(name), conditions()
    with vault.db.write() as tx:
        info = secrets.patch(tx, vault.master, call.act, known, change, wanted)
        call.record(tx, info.name)
    return described(info, created=False)


@bp.delete("/secrets/<secret_name:name>")
@endpoint(
    access=guard.may_write,
    audit="secret.delete",
    body=requests.Nothing,
    query=requests.NoQuery,
    answers={200: responses.Deleted},
    refuses=(PreconditionFailed,),
)
def delete_secret(call: Call[requests.Nothing, requests.NoQuery], name: str) -> Response:
    """Hide a secret; it can be restored until ``purge_at``."""
    vault = current_vault()
    known, wanted = readable(name), conditions()
    with vault.db.write() as tx:
        gone = secrets.delete(tx, call.act, known, wanted, vault.settings.DELETED_RETENTION)
        call.record(tx, gone.name)
    return answer(
        responses.Deleted(name=gone.name, deleted_at=gone.deleted_at, purge_at=gone.purge_at)
    )

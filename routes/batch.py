"""Many secrets in one request: read those that are there, or write all or none."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, Response

from models import requests, responses, rows
from models.batch_requests import BatchGet, BatchWrite
from models.batch_responses import BatchGot, BatchWritten, NotRead
from models.errors import (
    LimitReached,
    MissingPower,
    NotFound,
    PreconditionFailed,
    SecretsManagerError,
)
from models.events import OK
from models.rows import SecretName
from routes import guard, problems, trail
from routes.context import current_vault
from routes.endpoint import Call, answer, endpoint
from routes.representations import readable
from utils.reencryption import reencrypt_in_passing
from utils.store import batch, secret_reads
from utils.store.secret_rows import absent

bp = Blueprint("batch", __name__)
# How many stale values are moved after they were read, each in a transaction of its own: the thread
# has no time for another request until then. The next read or rotation moves the rest.
MOVED_IN_PASSING = 10


@bp.post("/secrets:batchGet")
@endpoint(
    access=guard.may_read,
    audit="secret.read",
    body=BatchGet,
    query=requests.NoQuery,
    answers={200: BatchGot},
)
def get_secrets(call: Call[BatchGet, requests.NoQuery]) -> Response:
    """Read the newest versions of many. A name that gives no value does not fail the others."""
    vault, refused = current_vault(), _refused(call)
    wanted = [SecretName(name) for name in call.body.names if name not in refused]
    with vault.db.read() as tx:
        found = secret_reads.read_many(tx, vault.master, call.account.id, wanted, call.now)
    results = {
        name: refused.get(name) or found.get(SecretName(name)) or absent()
        for name in call.body.names
    }
    read = [one for one in results.values() if isinstance(one, rows.Secret)]
    for name, one in results.items():
        trail.saw(name, OK if isinstance(one, rows.Secret) else problems.kind_of(one))
    response = answer(
        BatchGot(
            secrets=[responses.Secret.of(secret) for secret in read],
            errors=[
                NotRead(name=name, **problems.in_short(one))
                for name, one in results.items()
                if not isinstance(one, rows.Secret)
            ],
        )
    )
    for secret in [secret for secret in read if secret.stale][:MOVED_IN_PASSING]:
        response.call_on_close(
            partial(reencrypt_in_passing, vault.db, vault.master, secret.info.id, secret.version)
        )
    return response


@bp.post("/secrets:batchWrite")
@endpoint(
    access=guard.may_write,
    audit="secret.write",
    body=BatchWrite,
    query=requests.NoQuery,
    answers={200: BatchWritten},
    refuses=(LimitReached, PreconditionFailed),
)
def write_secrets(call: Call[BatchWrite, requests.NoQuery]) -> Response:
    """Set many values, as a PUT of each would: all of them, or none."""
    vault, writes = current_vault(), [write.write() for write in call.body.writes]
    for write in writes:
        call.require_name(write.name)
    with vault.db.write() as tx:
        written = batch.write_all(tx, vault.master, call.act, writes)
        call.record(tx, *(info.name for info in written))
    return answer(BatchWritten(secrets=[responses.SecretInfo.of(info) for info in written]))


def _refused(call: Call[BatchGet, requests.NoQuery]) -> dict[str, SecretsManagerError]:
    """The names that are not looked up: those that the caller does not reach, whether they are
    there or not, and those that no secret can have."""
    refused: dict[str, SecretsManagerError] = {}
    for name in call.body.names:
        try:
            call.require_name(name)
            readable(name)
        except (MissingPower, NotFound) as error:
            refused[name] = error
    return refused

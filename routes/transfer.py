"""Secrets as files: all of a prefix out at once, and a file in."""

from __future__ import annotations

from flask import Blueprint, Response

from models import requests, transfer_requests, transfer_responses
from models.errors import ImportConflict, LimitReached, NotExportable
from models.event_details import Detail
from models.export_formats import render
from routes import guard, trail
from routes.context import current_vault
from routes.declared import Answer
from routes.endpoint import JSON, Call, answer, endpoint
from routes.representations import TEXT
from utils.reencryption import reencrypt_in_passing
from utils.store import exports, imports

bp = Blueprint("transfer", __name__)
_MOVED_IN_PASSING = 100  # then the thread is needed for other requests again


@bp.get("/secrets:export")
@endpoint(
    access=guard.may_read,
    audit="secret.export",
    body=requests.Nothing,
    query=transfer_requests.ExportSecrets,
    produces=(JSON, TEXT),
    answers={200: Answer(None)},
    refuses=(NotExportable,),
)
def export_secrets(
    call: Call[requests.Nothing, transfer_requests.ExportSecrets],
) -> Response:
    """Values of many secrets, as a file that one parser reads back exactly."""
    vault, asked = current_vault(), call.query
    with vault.db.read() as tx:
        found = exports.export(
            tx, vault.master, call.account.id, asked.query(within=call.prefixes), call.now
        )
    for secret in found:
        trail.saw(secret.info.name)
    text = render(asked.format, found, asked.prefix)
    media_type = JSON if asked.format == "json" else f"{TEXT}; charset=utf-8"
    response = Response(text, content_type=media_type)
    stale = [secret for secret in found if secret.stale][:_MOVED_IN_PASSING]
    # After the answer is sent; up to the first that does not move, because others want to write.
    response.call_on_close(
        lambda: all(
            reencrypt_in_passing(vault.db, vault.master, secret.info.id, secret.version)
            for secret in stale
        )
    )
    return response


@bp.post("/secrets:import")
@endpoint(
    access=guard.may_write,
    audit="secret.import",
    body=transfer_requests.ImportFile,
    query=transfer_requests.ImportSecrets,
    answers={200: transfer_responses.ImportReport},
    refuses=(ImportConflict, LimitReached),
)
def import_secrets(
    call: Call[transfer_requests.ImportFile, transfer_requests.ImportSecrets],
) -> Response:
    """Store what a file holds, all or nothing; or tell what would happen."""
    vault, asked, act = current_vault(), call.query, call.act
    entries, compare = call.body.entries(asked.prefix), call.may_learn_values
    dry_run, mode = asked.dry_run == "true", asked.on_conflict
    trail.says(on_conflict=mode, dry_run=dry_run)
    for entry in entries:
        call.require_name(entry.name)
    if dry_run:
        with vault.db.read() as tx:
            imported = imports.foresee(
                tx, vault.master, act.owner, entries, mode, call.now, compare=compare
            )
        for one in imported:
            trail.saw(one.name, on_conflict=mode, dry_run=True, result=one.outcome)
    else:
        with vault.db.write() as tx:
            imported = imports.carry_out(tx, vault.master, act, entries, mode, compare=compare)
            told: list[Detail] = [
                {"on_conflict": mode, "dry_run": False, "result": one.outcome} for one in imported
            ]
            call.record(tx, *(one.name for one in imported), details=told)
    report = transfer_responses.ImportReport.of(imported, dry_run=dry_run)
    return answer(report)

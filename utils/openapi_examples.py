"""What values look like, for the examples in the OpenAPI document.

A field is looked up as ``Model.field``, then as ``field``; what a schema says of itself
(``examples``, an enumeration, a format) needs no line here. A test refuses an example that would
show :data:`UNKNOWN`, and one that its own schema does not allow.
"""

from __future__ import annotations

from typing import Any

UNKNOWN = "?"  # nobody has said what this looks like
_MOMENT = "2026-11-24T02:07:00.000000Z"
ID = "RoeZHLrDXlPZ3gJd0JPqrw"
PASSWORD = "correct horse battery staple"  # noqa: S105 - an example

BY_FORMAT = {"date-time": _MOMENT}
BY_FIELD: dict[str, Any] = {
    "username": "ada",
    "password": PASSWORD,
    "current_password": PASSWORD,
    "new_password": "wrong donkey capacitor paperclip",
    "id": ID,
    "address": "203.0.113.7",
    "client": "curl/8.14.1",
    "name": "shop/db-password",
    "secret": "hunter2",
    "labels": {"env": "live"},
    "expires_at": "2030-01-31T12:00:00.000000Z",
    "deleted_at": None,
    "purge_at": None,
    "Deleted.deleted_at": _MOMENT,
    "Deleted.purge_at": "2026-12-24T02:07:00.000000Z",
    "AccountDeleted.deleted_at": _MOMENT,
    "retired_at": None,
    "destroyed_at": None,
    "ciphertexts_remaining": 12,
    "next_cursor": None,
    "NewTokenRequest.name": "backup-job",
    "NewToken.name": "backup-job",
    "Token.name": "backup-job",
    "scopes": ["read"],
    "prefixes": ["shop/"],
    "cidrs": ["203.0.113.0/24"],
    "expires_in": 900,
    "NewTokenRequest.expires_in": 7_776_000,
    "token": "smt_" + "0" * 22 + "_" + "0" * 43 + "_000000",
    "sessions_ended": 2,
    "to": "shop/database/password",
    "version": 3,
    "DestroyRequest.versions": [1, 2],
    "Destroy.versions": [1, 2],
    "number": 3,
    "by": "ada",
    "author": "ada",
    "credential": "session",
    "versions_destroyed": 2,
    "names": ["shop/db-password", "shop/api-key"],
    "permission": "read",
    "granted_at": _MOMENT,
    "owner": "ada",
    "Event.action": "secret.read",
    "Event.outcome": "ok",
    "Event.problem": None,
    "Event.credential_id": ID,
    "Event.token": None,
    "Event.request_id": ID,
    "Event.times": 1,
    "Event.detail": None,
    "Verification.fault": None,
    "unshared": True,
    "if_version": 3,
    "NotRead.name": "shop/absent",
    "NotRead.type": "urn:secrets-manager:problem:not-found",
    "NotRead.status": 404,
    "NotRead.detail": "No secret of yours has this name, or it is deleted or expired.",
    "outcome": "created",
    "dry_run": False,
}
# A body that is a value itself, or a page.
BARE = {
    "text/plain": "hunter2",
    "text/html": "<!doctype html>",
    "text/javascript": '"use strict";',
    "text/css": "",
}
# Variables in URLs that are no id.
VARIABLE = {"name": "shop/db-password", "owner": "ada"}

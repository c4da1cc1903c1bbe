"""All rows, in the order in which they run."""

from __future__ import annotations

from tests.torture import (
    audit_tampers,
    backups,
    every_call_fails,
    first_start,
    history,
    rewrap_master,
    rotation_kill9,
    rotation_million,
    rotation_parallel,
    server_kill9,
    server_stops,
    tampers,
    three_nodes,
)
from tests.torture.framework import Row

ROWS: dict[str, Row] = {
    "server-kill9": server_kill9.row,
    "first-start-race": first_start.row,
    "every-call-fails": every_call_fails.row,
    "rotation-kill9": rotation_kill9.row,
    "rotation-parallel": rotation_parallel.row,
    "rotation-million-one-user": rotation_million.row_of(1),
    "rotation-million-many-users": rotation_million.row_of(rotation_million.USERS),
    "rewrap-master": rewrap_master.row,
    "tampers": tampers.row,
    "audit-tampers": audit_tampers.row,
    "backups": backups.row,
    "three-nodes": three_nodes.row,
    "sigterm-under-load": server_stops.sigterm_row,
    "reload-under-load": server_stops.reload_row,
    "history-sqlite": history.sqlite,
    "history-postgresql": history.postgresql,
}

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
from tests.torture.places import Engine, on


def _rotations(engine: Engine, suffix: str = "") -> dict[str, Row]:
    """The rows about rotation and master keys, which both engines have to pass."""
    many = rotation_million.USERS
    rows = {
        "rotation-kill9": on(engine, rotation_kill9.row),
        "rotation-parallel": on(engine, rotation_parallel.row),
        "rotation-million-one-user": rotation_million.row_of(1, engine),
        "rotation-million-many-users": rotation_million.row_of(many, engine),
        "rewrap-master": on(engine, rewrap_master.row),
    }
    return {name + suffix: row for name, row in rows.items()}


ROWS: dict[str, Row] = {
    "server-kill9": server_kill9.row,
    "first-start-race": first_start.row,
    "every-call-fails": every_call_fails.row,
    **_rotations("sqlite"),
    **_rotations("postgresql", "-postgresql"),
    "tampers": tampers.row,
    "audit-tampers": audit_tampers.row,
    "backups": backups.row,
    "three-nodes": three_nodes.row,
    "sigterm-under-load": server_stops.sigterm_row,
    "reload-under-load": server_stops.reload_row,
    "history-sqlite": history.sqlite,
    "history-postgresql": history.postgresql,
}

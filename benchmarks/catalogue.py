"""Every line of the table: what, beside which limit, and how far it should reach."""

from __future__ import annotations

from benchmarks import over_http, processes
from benchmarks.compare import Line

_ROUTE = "bare Flask JSON route"
LINES = {
    line.name: line
    for line in (
        Line("read", "GET of a secret, by session", _ROUTE, 0.45, over_http.read_by_session),
        Line("read-token", "GET of a secret, by API token", _ROUTE, 0.5, over_http.read_by_token),
        Line("batch-get", "batchGet of 100, per secret", "Fernet", 0.5, over_http.batch_get),
        Line("put", "PUT of a secret, durable", "bare Flask INSERT, durable", 0.5, over_http.put),
        Line("login", "POST /login", "bcrypt on all cores", 0.9, over_http.login),
        Line("list", "page of 1,000,000 secrets", "page of 1,000", 0.9, over_http.listing),
        Line("start", "flask run to first answer", "bare Flask", 2.5, processes.start, True),
        Line("memory", "memory of a worker", "bare Flask", 2.0, processes.memory, True),
        Line(
            "read-postgresql",
            "GET of a secret, on PostgreSQL",
            "bare Flask SELECT through psycopg",
            0.5,
            over_http.read_on_postgresql,
        ),
        Line(
            "rotation",
            "re-encryption of a secret",
            "decrypt + encrypt + decrypt",
            0.5,
            processes.rotation,
        ),
    )
}

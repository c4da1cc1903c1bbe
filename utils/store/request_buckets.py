"""How many requests came lately, over all processes: leaky buckets, as in ``attempts.py``, but
filled in bulk, by processes that have counted for a second."""

from __future__ import annotations

from collections.abc import Mapping

from utils.db import Tx

_SWEEP = 2  # times as many as come: so the table cannot but shrink
_ADD = (
    "INSERT INTO request_buckets (subject, full_at) VALUES {rows} "
    "ON CONFLICT (subject) DO UPDATE SET full_at = CASE "
    "WHEN request_buckets.full_at <= ? OR request_buckets.full_at > ? THEN excluded.full_at "
    "ELSE request_buckets.full_at + (excluded.full_at - ?) END RETURNING subject, full_at"
)
# Microseconds; beyond that a clock was set back. Of what came at once, several workers may have let
# a minute's worth through each, which the next minutes pay for.
LONGEST_DEBT = 600_000_000


def add(tx: Tx, costs: Mapping[str, int], moment: int) -> dict[str, int]:
    """Move each subject's time on by what its requests cost; when all of their units will be back.

    In the order of the subjects, as the next process does it, so that two never wait for each
    other in a circle.
    """
    rows = [(subject, moment + cost) for subject, cost in sorted(costs.items())]
    known = tx.all_of(_ADD, rows, moment, moment + LONGEST_DEBT, moment)
    tx.run(
        "DELETE FROM request_buckets WHERE subject IN (SELECT subject FROM request_buckets "
        "WHERE full_at <= ? ORDER BY full_at LIMIT ? FOR NO KEY UPDATE SKIP LOCKED)",
        moment,
        _SWEEP * len(rows),
    )
    return {row[0]: int(row[1]) for row in known}

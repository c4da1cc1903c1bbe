"""All rows, in the order in which they run."""

from __future__ import annotations

from tests.fuzz import export_roundtrip, schemathesis_row, stateful_row
from tests.torture.framework import Row

ROWS: dict[str, Row] = {
    "export-roundtrip": export_roundtrip.row,
    "stateful": stateful_row.row,
    "schemathesis": schemathesis_row.row,
}

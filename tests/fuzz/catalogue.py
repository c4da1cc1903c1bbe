"""All rows, in the order in which they run."""

from __future__ import annotations

from tests.fuzz import schemathesis_row
from tests.torture.framework import Row

ROWS: dict[str, Row] = {
    "schemathesis": schemathesis_row.row,
}

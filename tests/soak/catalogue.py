"""All rows, in the order in which they run."""

from __future__ import annotations

from tests.soak import soak
from tests.torture.framework import Row

ROWS: dict[str, Row] = {"soak": soak.row}

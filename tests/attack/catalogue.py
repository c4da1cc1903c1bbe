"""All rows, in the order in which they run."""

from __future__ import annotations

from tests.attack import (
    forged_tokens,
    guessing,
    login_flood,
    login_timing,
    refresh_races,
    trespass,
)
from tests.torture.framework import Row

ROWS: dict[str, Row] = {
    "login-timing": login_timing.row,
    "login-flood": login_flood.row,
    "guessing": guessing.row,
    "guessing-patiently": guessing.patient_row,
    "token-attacks": forged_tokens.row,
    "refresh-races": refresh_races.row,
    "idor-matrix": trespass.row,
}
